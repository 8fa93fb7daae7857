//! What is done in other files than an entry's own: off switches are set, approvals taken out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mcpolicy_clients::adapters::by_id;
use mcpolicy_schema::entry::{ClientId, Entry, Scope};
use mcpolicy_schema::redact::Redactor;

use super::act::{ActError, Acted, Hands, MAX_NAME, TRIES, short, short_identity};
use super::plan::{FilePlan, Wish};
use super::spot::Spot;
use super::swap::{Swap, Try};
use super::turns::Turns;
use crate::assess::Assessed;
use crate::discover::source::Source;
use crate::journal::{Action, End};
use crate::kept_path::KeptPath;
use crate::pipeline::Outcome;
use crate::vault::{Beside, Item, Taken};
use crate::worker::Draft;
use crate::worker::aside::{Aside, Declaration, Keeping, KeptFile, Settling};

/// Of no file that this pass has found.
const NO_SOURCE: usize = usize::MAX;

/// The words of the actions.
pub(super) const SWITCH_OFF: &str = "switch-off";
const APPROVAL: &str = "approval";

/// Why approvals stay.
const NOT_OURS: &str = "what approves it stays in this file, which Git tracks, a sync service copies or which lies outside \
    of the home: take the name out of the lists of approved servers in it, and `enableAllProjectMcpServers`, and commit \
    that where it is tracked; until then every pass says so";

/// An entry that was taken out, and why.
#[derive(Debug, Clone)]
pub struct Gone {
    /// Its name, as it stood in its file.
    pub name: String,
    /// JSON Pointer of where it stood.
    pub key_path: String,
    /// Its scope, as the client of the action reads it.
    pub scope: Scope,
    /// What was done.
    pub action: Action,
}

impl Gone {
    /// An entry that an action takes out.
    pub(super) fn of(entry: &Entry, action: &Action) -> Self {
        let (name, key_path) = (entry.name.clone(), entry.key_path.clone());
        Self { name, key_path, scope: entry.scope, action: action.clone() }
    }
}

/// The files of one kind of one client, and the entries that they are about.
pub(super) type Groups = BTreeMap<(ClientId, String), Vec<(Declaration, Action)>>;

impl Hands<'_, '_, '_> {
    /// Sets the off switches that the targets of a file wish for.
    ///
    /// # Errors
    /// As [`Hands::act`].
    pub fn switch_off(&mut self, file: &FilePlan, outcome: &Outcome) -> Result<Vec<Acted>, ActError> {
        let source = &outcome.sources[file.source].source;
        let mut groups = Groups::new();
        for target in &file.targets {
            let item = &outcome.entries[target.entry];
            for switch in target.wishes.iter().filter_map(Wish::switches).flatten() {
                let Some(one) = self.knowledge.declaration(source, &item.entry, switch.client) else {
                    continue;
                };
                let group = groups.entry((switch.client, switch.keeps.path.clone())).or_default();
                group.push((one, self.action(item, SWITCH_OFF)));
            }
        }
        let mut all = Vec::new();
        for ((client, template), entries) in groups {
            let others = self.namesakes(source, outcome, client, &entries);
            let aside = Aside { client, keeping: Keeping::Switch, template, declared: Vec::new(), others };
            all.extend(self.settle_all(file.source, source, aside, entries)?);
            // the file is edited then, and no other switch is of use
            if all.iter().any(|acted| acted.end == End::Failed) {
                break;
            }
        }
        // what was set is proved by reading it back
        self.knowledge.forget_switches(source);
        Ok(all)
    }

    /// Takes the approvals of entries out that are gone from a file.
    ///
    /// # Errors
    /// As [`Hands::act`].
    pub fn clean_approvals(
        &mut self,
        at: usize,
        source: &Source,
        gone: &[Gone],
    ) -> Result<Vec<Acted>, ActError> {
        let mut all = Vec::new();
        for ((client, template), entries) in self.approvals_of(source, gone) {
            let (declared, others) = (Vec::new(), Vec::new());
            let aside = Aside { client, keeping: Keeping::Approvals, template, declared, others };
            for one in self.settle_all(at, source, aside, entries)? {
                all.push(self.named_whole(one, source)?);
            }
        }
        Ok(all)
    }

    /// Files in which clients may keep approvals of entries that are gone from a file.
    pub(super) fn approvals_of(&self, source: &Source, gone: &[Gone]) -> Groups {
        let mut groups = Groups::new();
        for Gone { name, key_path, scope, action } in gone {
            let mut clients: Vec<ClientId> = source.readings.iter().map(|r| r.adapter.about().id).collect();
            clients.sort_unstable();
            clients.dedup();
            for client in clients {
                let Some(adapter) = by_id(client) else { continue };
                let Some(one) =
                    self.knowledge.declared_as(source, (name, key_path), (&action.client, *scope), client)
                else {
                    continue;
                };
                for keeps in adapter.approval_files(&one.declared()) {
                    let action = Action { action: APPROVAL.to_owned(), ..action.clone() };
                    groups.entry((client, keeps.path)).or_default().push((one.clone(), action));
                }
            }
        }
        groups
    }

    /// Takes note that the approvals of what an item took out are gone, if they are: the next pass need not look.
    ///
    /// # Errors
    /// The vault cannot be read or written.
    pub fn note_cleaned(&self, id: &str, source: &Source, cleaned: &[Acted]) -> Result<(), ActError> {
        // a home that gives no answer does not say either where approvals are
        let is_done = cleaned.iter().all(|acted| acted.end == End::Applied)
            && source.home.is_some_and(|home| !self.homes.has_stumbled(home));
        let item = self.vault.item(id)?;
        if is_done && item.approvals_due {
            self.vault.update(&Item { approvals_due: false, ..item })?;
        }
        Ok(())
    }

    /// Cleans the approvals of what earlier passes took out and could not clean: a crash came between, or the file could
    /// not be written. What is declared again by now is judged as it stands there, and keeps its own. Each with the item that
    /// it is about.
    ///
    /// # Errors
    /// As [`Hands::act`].
    pub(super) fn clean_what_is_due(
        &mut self,
        outcome: &Outcome,
        turns: &mut Turns,
    ) -> Result<Vec<(String, Acted)>, ActError> {
        let mut all = Vec::new();
        for item in self.vault.items()?.0.iter().filter(|item| item.approvals_due && item.is_open()) {
            let item = self.vault.recalled(item);
            let mut files = outcome.sources.iter();
            let at = files.position(|file| file.source.path == item.found_as.path());
            let known = at.map(|at| outcome.sources[at].source.clone());
            let Some(source) = known.or_else(|| self.source_of(&item)) else { continue };
            if source.home.is_none_or(|home| self.homes.has_stumbled(home)) {
                continue;
            }
            let stands = |taken: &Taken| {
                let mut entries = outcome.entries.iter().filter(|entry| Some(entry.source) == at);
                entries.any(|entry| Spot::of(entry) == Spot::of_taken(taken))
            };
            let out =
                item.entries.iter().filter(|taken| !taken.restored && taken.left.is_none() && !stands(taken));
            let gone: Vec<Gone> = out.map(|taken| gone_of(&item, taken, &source, self.redactor)).collect();
            let cleaned = turns.take(source.home, || {
                let cleaned = self.clean_approvals(at.unwrap_or(NO_SOURCE), &source, &gone)?;
                self.note_cleaned(&item.id, &source, &cleaned)?;
                Ok::<_, ActError>(cleaned)
            });
            let cleaned = cleaned.transpose()?.unwrap_or_default();
            all.extend(cleaned.into_iter().map(|one| (item.id.clone(), one)));
        }
        Ok(all)
    }

    /// Allowed servers of the same name that a list of names would take along.
    fn namesakes(
        &self,
        source: &Source,
        outcome: &Outcome,
        client: ClientId,
        entries: &[(Declaration, Action)],
    ) -> Vec<Declaration> {
        let is_allowed =
            |item: &&Assessed| item.judgement.as_ref().is_some_and(|judgement| judgement.is_allowed());
        // as widely as any client compares: whether the list takes one along is then looked at
        let names: BTreeSet<String> = entries.iter().map(|(one, _)| plain_name(&one.name)).collect();
        let is_same = |name: &str| names.contains(&plain_name(name));
        let allowed = outcome.entries.iter().filter(is_allowed).filter(|item| {
            let other = &outcome.sources[item.source].source;
            other.home == source.home
                && is_same(&item.entry.name)
                && item.entry.readers.iter().any(|reader| reader.client == client)
        });
        let declaration = |item: &Assessed| {
            self.knowledge.declaration(&outcome.sources[item.source].source, &item.entry, client)
        };
        allowed.filter_map(declaration).collect()
    }

    /// Settles every file of one kind, as far as an edit of it stays with its user.
    fn settle_all(
        &mut self,
        at: usize,
        source: &Source,
        mut aside: Aside,
        entries: Vec<(Declaration, Action)>,
    ) -> Result<Vec<Acted>, ActError> {
        let Some(home) = source.home else { return Ok(Vec::new()) };
        let actions: Vec<Action>;
        (aside.declared, actions) = entries.into_iter().unzip();
        let kept = self.homes.kept(home, &aside).unwrap_or_default();
        let to_do = |file: &&KeptFile| {
            file.free && !file.settled && (file.there || crate::worker::aside::empty(&aside).is_some())
        };
        let mut all = Vec::new();
        for file in kept.iter().filter(to_do) {
            if let Some(acted) = self.settle((home, at, source), &aside, &file.path, &actions)? {
                all.push(acted);
            }
        }
        // what stays approved comes back approved with the file that declares it
        let stays = |file: &&KeptFile| {
            aside.keeping == Keeping::Approvals && file.there && !file.free && !file.settled
        };
        all.extend(kept.iter().filter(stays).map(|file| Acted {
            path: file.path.clone(),
            detail: NOT_OURS.to_owned(),
            actions: actions.clone(),
            ..Acted::nothing(at)
        }));
        Ok(all)
    }

    fn settle(
        &mut self,
        (home, at, source): (usize, usize, &Source),
        aside: &Aside,
        path: &Path,
        actions: &[Action],
    ) -> Result<Option<Acted>, ActError> {
        let mut last = None;
        for _ in 0..TRIES {
            let failed = |why: String| Acted {
                path: path.to_owned(),
                end: End::Failed,
                detail: why,
                actions: actions.to_vec(),
                ..Acted::nothing(at)
            };
            let opened = match self.homes.open_kept(home, aside, path) {
                Ok(Some(opened)) => opened,
                Ok(None) => return Ok(None),
                Err(why) => return Ok(Some(failed(why))),
            };
            let draft = match self.drafted(home, Settling::Set) {
                Ok(Some(draft)) => draft,
                done => {
                    self.homes.close(home);
                    return Ok(done.err().map(failed));
                }
            };
            let swap = Swap {
                home,
                source: at,
                found_as: path,
                client: aside.client,
                opened: &opened,
                after: Some(&draft.bytes),
                actions: actions.to_vec(),
                entries: taken(aside, actions, &draft),
                beside: Some(beside(source, aside, opened.existed)),
                owner: None,
                approvals_due: false,
            };
            let tried = self.swap(swap, |hands, _| hands.read_back_kept(home, aside, path));
            self.homes.close(home);
            match tried? {
                Try::Done(acted) => return Ok(Some(acted)),
                Try::Again(acted) => last = Some(acted),
            }
        }
        Ok(last)
    }

    /// A draft of what the open file is to become, accepted; nothing if there is nothing to do.
    pub(super) fn drafted(&self, home: usize, settling: Settling) -> Result<Option<Box<Draft>>, String> {
        let draft = self.homes.settle(home, settling)?;
        if draft.is_some() {
            self.homes.accept(home)?;
        }
        Ok(draft)
    }

    fn read_back_kept(&self, home: usize, aside: &Aside, path: &Path) -> String {
        let kept = self.homes.kept(home, aside).unwrap_or_default();
        let is_settled = kept.iter().any(|file| file.path == path && file.settled);
        if is_settled { String::new() } else { "it was written again right after the edit".to_owned() }
    }

    /// The aside that an item of the vault is about, for some of its entries.
    pub(super) fn aside_of(item: &Item, beside: &Beside, entries: &[usize]) -> Option<Aside> {
        Some(Aside {
            client: by_id(&item.client)?.about().id,
            keeping: beside.keeping,
            template: beside.template.clone(),
            declared: entries.iter().filter_map(|at| beside.declared.get(*at).cloned()).collect(),
            others: Vec::new(),
        })
    }
}

/// A name as widely as any client compares it.
pub(super) fn plain_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    name.trim().chars().map(plain).collect()
}

/// What an item of the vault says that is gone.
fn gone_of(item: &Item, taken: &Taken, source: &Source, redactor: &Redactor) -> Gone {
    let reading = source.readings.iter().find(|reading| reading.adapter.about().id == item.client);
    Gone {
        name: taken.name.clone(),
        key_path: taken.key_path.clone(),
        scope: reading.unwrap_or(source.owner()).location.scope,
        action: Action {
            action: taken.action.clone(),
            server: short(&redactor.name(&taken.name), MAX_NAME),
            client: item.client.clone(),
            fingerprint: taken.fingerprint.clone(),
            code: taken.code.clone(),
            detail: taken.detail.clone(),
            rule: None,
            identity: taken.told.as_ref().map(|entry| short_identity(entry.identity.clone())),
        },
    }
}

fn beside(source: &Source, aside: &Aside, existed: bool) -> Beside {
    Beside {
        keeping: aside.keeping,
        template: aside.template.clone(),
        declared: aside.declared.clone(),
        declared_in: KeptPath::of(&source.path),
        declared_for: source.owner().adapter.about().id.to_owned(),
        created: !existed,
    }
}

fn taken(aside: &Aside, actions: &[Action], draft: &Draft) -> Vec<Taken> {
    let pieces = |at: usize| {
        let pieces = draft.removed.get(at).into_iter().flatten();
        pieces.map(|piece| piece.range.start as u64..piece.range.end as u64).collect()
    };
    let all = aside.declared.iter().zip(actions).enumerate();
    all.map(|(at, (one, action))| Taken {
        name: one.name.clone(),
        key_path: one.key_path.clone(),
        fingerprint: action.fingerprint.clone(),
        identity: action.server.clone(),
        action: action.action.clone(),
        code: action.code.clone(),
        detail: action.detail.clone(),
        told: None,
        pieces: pieces(at),
        left: None,
        restored: false,
    })
    .collect()
}
