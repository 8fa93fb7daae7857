//! What files declare, and what they did: a server goes on when its entry is taken out, and is told by the entry then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::verdict::Judgement;

use crate::assess::Assessed;
use crate::discover::source::Source;
use crate::judge::Judge;
use crate::pipeline::{Ground, Outcome};

/// Most entries of one user that are remembered after they went. Beyond that the oldest are forgotten: a server of such a
/// one counts as undeclared.
///
/// Attack: a program that writes another entry every second would fill the memory.
const MOST_GONE: usize = 200;

/// An entry that starts a process, with what the policy says of it.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) item: Assessed,
    source: Source,
    /// Its user; `None` for what is machine-wide.
    user: Option<String>,
    /// The number of that user, where the system has such.
    pub(super) uid: Option<u32>,
    /// It stands in no file any more.
    pub(super) is_gone: bool,
}

impl Known {
    pub(super) fn entry(&self) -> &Entry {
        &self.item.entry
    }

    pub(super) fn judgement(&self) -> Option<&Judgement> {
        self.item.judgement.as_ref()
    }

    /// Judges it anew, as what its file declares; the homes of the ground may have other numbers now.
    pub(super) fn judge(&mut self, ground: &Ground, judge: &mut Judge<'_>) {
        self.source.home = ground.homes.iter().position(|home| Some(&home.user) == self.user.as_ref());
        judge.judge_entry(&mut self.item, &self.source);
        self.item.findings = Vec::new();
    }

    fn is_same(&self, other: &Self) -> bool {
        self.user == other.user
            && self.source.path == other.source.path
            && self.item.entry.name == other.item.entry.name
            && self.item.fingerprint == other.item.fingerprint
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Declared {
    present: BTreeMap<(Option<String>, PathBuf), Vec<Known>>,
    /// The oldest first.
    gone: Vec<Known>,
}

impl Declared {
    /// Takes in what a pass has found: everything that is there.
    pub(super) fn all(&mut self, ground: &Ground, outcome: Outcome) {
        let before = std::mem::take(&mut self.present);
        self.add(ground, outcome);
        self.went(before.into_values().flatten());
        self.gone.retain_mut(|known| {
            // the homes of the ground may have other numbers now; an account that went takes its own along
            let at = ground.homes.iter().position(|home| Some(&home.user) == known.user.as_ref());
            known.source.home = at;
            at.is_some() || known.user.is_none()
        });
    }

    /// Takes in what a look has found at these paths of homes.
    pub(super) fn changed(
        &mut self,
        ground: &Ground,
        outcome: Outcome,
        changed: &BTreeMap<usize, BTreeSet<PathBuf>>,
    ) {
        let mut before = Vec::new();
        let looked_at =
            changed.iter().flat_map(|(at, paths)| paths.iter().map(move |path| (Some(*at), path)));
        let found = outcome.sources.iter().map(|result| (result.source.home, &result.source.path));
        for (home, path) in looked_at.chain(found) {
            let user = home.map(|at| ground.homes[at].user.clone());
            before.extend(self.present.remove(&(user, path.clone())).into_iter().flatten());
        }
        self.add(ground, outcome);
        self.went(before.into_iter());
    }

    /// Judges anew what went: by another policy another verdict may hold.
    pub(super) fn judge_gone(&mut self, judge: &mut Judge<'_>) {
        for known in &mut self.gone {
            judge.judge_entry(&mut known.item, &known.source);
            known.item.findings = Vec::new();
        }
    }

    /// Forgets what went of users of whom no client runs: nothing is left of it.
    pub(super) fn forget(&mut self, is_running: &dyn Fn(Option<u32>) -> bool) {
        self.gone.retain(|known| is_running(known.uid));
    }

    /// All that is known, what is there first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Known> {
        self.present.values().flatten().chain(&self.gone)
    }

    fn add(&mut self, ground: &Ground, outcome: Outcome) {
        for item in outcome.entries {
            // only what is started is seen among processes
            if item.entry.command.is_none() || item.judgement.is_none() {
                continue;
            }
            let source = outcome.sources[item.source].source.clone();
            let home = source.home.map(|at| &ground.homes[at]);
            let (user, uid) = (home.map(|home| home.user.clone()), home.and_then(|home| home.uid));
            let item = Assessed { findings: Vec::new(), text: Vec::new(), running: None, ..item };
            let at = (user.clone(), source.path.clone());
            self.present.entry(at).or_default().push(Known { item, source, user, uid, is_gone: false });
        }
    }

    /// Keeps of what was there what is there no more.
    fn went(&mut self, before: impl Iterator<Item = Known>) {
        for known in before {
            let there = self.present.get(&(known.user.clone(), known.source.path.clone()));
            if there.is_some_and(|there| there.iter().any(|other| other.is_same(&known))) {
                continue;
            }
            self.gone.retain(|other| !other.is_same(&known));
            let of_user = self.gone.iter().filter(|other| other.user == known.user).count();
            if of_user >= MOST_GONE
                && let Some(oldest) = self.gone.iter().position(|other| other.user == known.user)
            {
                self.gone.remove(oldest);
            }
            self.gone.push(Known { is_gone: true, ..known });
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use mcpolicy_clients::adapters;
    use mcpolicy_schema::redact::Redactor;
    use mcpolicy_schema::verdict::{DecidedBy, Verdict};

    use super::*;
    use crate::assess::assess;
    use crate::discover::source::Reading;

    /// A judgement that says this.
    pub(crate) fn judgement(is_allowed: bool) -> Judgement {
        Judgement {
            verdict: if is_allowed { Verdict::Allow } else { Verdict::Deny },
            decided_by: DecidedBy::Default,
            rule: None,
            reason: None,
            trace: Vec::new(),
            pin: None,
            alternatives: Vec::new(),
            contact: String::new(),
            until: None,
            ticket: None,
        }
    }

    /// Entries of Claude Code, each with whether it is allowed and whether it is gone.
    pub(crate) fn declared(entries: Vec<(Entry, bool, bool)>) -> Declared {
        let adapter = *adapters::ALL.iter().find(|adapter| adapter.about().id == "claude-code").unwrap();
        let source =
            Source::new("/f".into(), None, Reading { adapter, location: &adapter.about().locations[0] });
        let known = |(entry, is_allowed, is_gone): (Entry, bool, bool)| {
            let entry = Entry { client: "claude-code", ..entry };
            let mut item = assess(entry, 0, None, &Redactor::new(b"key"));
            item.judgement = Some(judgement(is_allowed));
            Known { item, source: source.clone(), user: None, uid: None, is_gone }
        };
        let (gone, present) = entries.into_iter().map(known).partition(|known| known.is_gone);
        Declared { present: BTreeMap::from([((None, "/f".into()), present)]), gone }
    }
}
