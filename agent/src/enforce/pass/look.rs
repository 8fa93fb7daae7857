//! Looks at what changed after a pass: the same pipeline, over those files only, by the policy and mode of that pass.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use mcpolicy_schema::document::Mode;

use super::known_files::KnownFiles;
use super::tell::{note_alive, tell_gap};
use super::tokens::{Taken, break_glass_opened, redeem_opened};
use super::{
    Acted, Event, Gap, Hands, House, InForce, Judge, Knowledge, LEFT_OUT, Left, On, Opened, Outcome, Passed,
    Restored, Setting, Turns, What, act_on_all_files, considered_under, off, open, pass_opened, plan,
    restore_opened, tell_more, tell_unseen, terms, unseen,
};
use crate::discover::changed::Changed;
use crate::disk_advice::advice;
use crate::enforce::foreseen::{self, Would};
use crate::enforce::freed::Freed;
use crate::journal::Record;
use crate::pipeline::Bounds;
use crate::policy_store::{FolderDisk, Store};

/// What is told of a store that was tampered with.
pub const STORE_MENDED: &str = "the stored policy was removed or changed beside the agent: the one in force goes on, and was written again";

/// What goes on between passes: the agent's state stays open, and what a pass has settled holds until the next.
pub struct Session {
    pub(super) opened: Opened,
    pub(super) in_force: InForce,
    pub(super) mode: Mode,
    /// The time that the pass believed.
    pub(super) since: Timestamp,
    /// The files that are known, by their homes.
    known: BTreeMap<usize, KnownFiles>,
}

/// What came of a look.
pub struct Looked {
    /// What was found in the files that changed.
    pub outcome: Outcome,
    /// The files that were looked at, by their homes: what else was known of them counts no more.
    pub changed: BTreeMap<usize, BTreeSet<PathBuf>>,
    /// What is not allowed and switched off outside of its file, by the end; indices into [`Outcome::entries`].
    pub off: BTreeSet<usize>,
    /// What became of each file that was acted on.
    pub acted: Vec<Acted>,
    /// What is denied and left as it is.
    pub left: Vec<Left>,
    /// In a mode that writes nothing: what enforcing would act on.
    pub would: Vec<Would>,
    /// What people must know.
    pub notices: Vec<String>,
    /// A home gave no answer: a pass has to look at it again.
    pub is_unanswered: bool,
}

impl Session {
    /// Makes a pass, and stays open. With the first one of an agent that `starts` it is written down for how long none ran.
    ///
    /// # Errors
    /// As [`super::pass`].
    pub fn begin(
        setting: &Setting<'_>,
        on: On<'_, '_>,
        bounds: &Bounds<'_>,
        starts: bool,
    ) -> anyhow::Result<(Self, Passed)> {
        let mut opened = open(setting)?;
        if starts {
            tell_gap(setting, &mut opened)?;
        }
        let passed = pass_opened(setting, on, bounds, &mut opened);
        opened.activation.end()?;
        let mut passed = passed?;
        passed.replayed = std::mem::take(&mut opened.replayed);
        passed.notices = std::mem::take(&mut opened.notices);
        let mut known: BTreeMap<usize, KnownFiles> = BTreeMap::new();
        for result in &passed.outcome.sources {
            let Some(home) = result.source.home else { continue };
            let real = ground_path(on, &result.source.path);
            known.entry(home).or_default().add(&result.source, real);
        }
        let (in_force, mode) = (passed.in_force.clone(), passed.mode);
        let since = passed.at;
        Ok((Self { opened, in_force, mode, since, known }, passed))
    }

    /// What the pass has settled: the policy, the mode, and the time that it believed.
    pub fn settled(&self) -> (&InForce, Mode, Timestamp) {
        (&self.in_force, self.mode, self.since)
    }

    /// Puts one item back by hand, as [`restore`](super::restore) does.
    ///
    /// # Errors
    /// As there.
    pub fn restore(
        &mut self,
        setting: &Setting<'_>,
        on: On<'_, '_>,
        bounds: &Bounds<'_>,
        id: &str,
    ) -> anyhow::Result<(Restored, Vec<String>)> {
        let restored = restore_opened(setting, on, bounds, id, &mut self.opened);
        let notices = std::mem::take(&mut self.opened.notices);
        Ok((restored?, notices))
    }

    /// Takes a grant, as [`redeem`](super::redeem) does.
    ///
    /// # Errors
    /// As there.
    pub fn redeem(
        &mut self,
        setting: &Setting<'_>,
        token: &str,
        user: Option<&str>,
    ) -> anyhow::Result<Taken> {
        redeem_opened(setting, token, user, &mut self.opened)
    }

    /// Takes a break-glass token, as [`break_glass`](super::break_glass) does.
    ///
    /// # Errors
    /// As there.
    pub fn break_glass(&mut self, setting: &Setting<'_>, token: &str) -> anyhow::Result<Taken> {
        break_glass_opened(setting, token, &mut self.opened)
    }

    /// Writes down what happened beside the looks.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn event(&mut self, setting: &Setting<'_>, event: Event) -> anyhow::Result<()> {
        self.opened.journal.append(setting.now.max(self.since), What::Event(event))?;
        Ok(())
    }

    /// What was added to the journal since this was last asked for, or the end of it, with the number of its last record.
    pub fn fresh_records(&mut self) -> (Vec<Record>, u64) {
        let journal = &mut self.opened.journal;
        (journal.take_fresh(), journal.sequence())
    }

    /// Writes down that the agent is alive, for whoever asks after it has ended.
    pub fn note_alive(&self, setting: &Setting<'_>) {
        note_alive(setting);
    }

    /// Writes again what is missing of the stored policy. Whether anything was.
    ///
    /// # Errors
    /// The store or the journal cannot be written.
    pub fn mend_store(&mut self, setting: &Setting<'_>) -> anyhow::Result<bool> {
        let Some(stored) = &self.opened.stored else { return Ok(false) };
        let disk = FolderDisk::new(&setting.state.join("policy")).context("cannot make the policy store")?;
        let mended = Store::new(disk).mend(stored)?;
        if mended {
            self.event(setting, Event::new("policy-store-mended", STORE_MENDED))?;
        }
        Ok(mended)
    }

    /// All files that are known, by their homes.
    pub fn all_known(&self) -> Vec<(usize, PathBuf)> {
        let of =
            |(home, known): (&usize, &KnownFiles)| known.paths().map(|path| (*home, path.clone())).collect();
        self.known.iter().flat_map::<Vec<_>, _>(of).collect()
    }

    /// Whether a path is a file that is known in a home.
    pub fn knows(&self, home: usize, path: &Path) -> bool {
        self.known.get(&home).is_some_and(|known| known.contains(path))
    }

    /// The files of a home that are known and that this file is by links.
    pub fn known_as(&self, home: usize, real: &Path) -> Vec<PathBuf> {
        self.known.get(&home).into_iter().flat_map(|known| known.known_as(real)).cloned().collect()
    }

    /// The folders of files that links of known files lead to: their changes are told there.
    pub fn linked_folders(&self) -> BTreeMap<Option<usize>, BTreeSet<PathBuf>> {
        let of = |known: &KnownFiles| known.linked_folders().map(Path::to_owned).collect();
        self.known.iter().map(|(home, known)| (Some(*home), of(known))).collect()
    }

    /// The home in which a file is known.
    pub fn home_that_knows(&self, path: &Path) -> Option<usize> {
        self.known.iter().find(|(_, known)| known.contains(path)).map(|(home, _)| *home)
    }

    /// Looks at what changed in homes, and acts on it.
    ///
    /// # Errors
    /// Vault, journal or state cannot be written: nothing more is changed then.
    pub fn look(
        &mut self,
        setting: &Setting<'_>,
        on: On<'_, '_>,
        changed: &BTreeMap<usize, BTreeSet<PathBuf>>,
    ) -> anyhow::Result<Looked> {
        let On { ground, homes } = on;
        homes.forgets_looks();
        // a clock that is set back brings nothing to life that has ended when the pass was made
        let setting = &setting.at(setting.now.max(self.since));
        let mut outcome = Outcome::default();
        let (mut notices, mut is_unanswered) = (Vec::new(), false);
        let mut looked = BTreeMap::new();
        for (at, paths) in changed {
            let known = self.known.get(at);
            let near = known.map_or_else(|| paths.clone(), |known| known.with_neighbours(paths));
            let changed = Changed { paths: near };
            let Some(scanned) = homes.scan_changed(*at, &changed) else {
                is_unanswered = true;
                let home = ground.homes[*at].layout.home.display();
                notices.push(format!("the home {home} gave no answer about what changed in it"));
                continue;
            };
            let known = self.known.entry(*at).or_default();
            changed.paths.iter().for_each(|path| known.remove(path));
            for result in &scanned.sources {
                known.add(&result.source, ground_path(on, &result.source.path));
            }
            outcome.append(*at, scanned);
            looked.insert(*at, changed.paths);
        }
        let opened = &mut self.opened;
        let terms = terms(setting, &self.in_force, &opened.remembered);
        let mut judge = Judge::new(ground, homes, terms);
        judge.judge(&mut outcome);
        let vault_folder = setting.state.join("vault");
        let document = self.in_force.policy.document();
        let books = (&mut opened.books, &mut notices);
        let mut knowledge = Knowledge::load(&vault_folder, ground, homes, document, books);
        knowledge.note(&outcome, setting.now);
        let under = considered_under(&self.in_force, self.mode);
        let plan = knowledge.with(|known| plan::plan_knowing(&outcome, document, self.mode, known));
        let house = House::of(setting, &self.in_force);
        let mut told = opened.remembered.told.clone();
        let mut hands = Hands {
            freed: &Freed::Unknown,
            room: house.room(),
            told: &mut told,
            ground,
            homes,
            judge: &mut judge,
            document,
            mode: self.mode,
            now: setting.now,
            redactor: setting.redactor,
            knowledge: &knowledge,
            under: &under,
            vault: &opened.vault,
            journal: &mut opened.journal,
        };
        let would = foreseen::would(&hands, &outcome, self.mode);
        let mut turns =
            Turns::new(std::time::Duration::from_secs(setting.settings.enforcement.home_seconds.into()));
        let acted = act_on_all_files(&house, &mut hands, &plan, &outcome, &mut turns)?;
        hands.left(&plan.left, &outcome)?;
        drop(judge);
        let off = off(&knowledge, &outcome);
        // what is denied is visible until it is taken out, and this is for later looks
        let saved = knowledge.save_changed(&vault_folder, setting.now);
        saved.map_err(|error| anyhow!("cannot keep what was last allowed: {error}{}", advice(&error)))?;
        opened.books = knowledge.into_books();
        let left_out = homes.left_out().into_iter();
        outcome
            .gaps
            .extend(left_out.map(|(at, path)| Gap::at("unreadable", LEFT_OUT, &path).of_home(Some(at))));
        let unseen = unseen(&outcome, &acted);
        tell_unseen(setting, on, &unseen, &mut told, opened)?;
        tell_more(setting, told.go_on(), opened)?;
        let before = opened.remembered.clone();
        opened.remembered.told = told;
        if !self.in_force.expired {
            opened.remembered.allow_more(ground, &outcome);
        }
        let path = setting.state.join("remembered.json");
        opened.remembered.save(&path, &before).context("cannot keep what was allowed")?;
        notices.append(&mut opened.notices);
        Ok(Looked { outcome, changed: looked, off, acted, left: plan.left, would, notices, is_unanswered })
    }
}

/// Where a file of the machine is, links resolved; nothing is opened for it.
fn ground_path(on: On<'_, '_>, path: &Path) -> Option<PathBuf> {
    on.ground.machine.resolve(path).ok().map(|found| found.path)
}
