//! Keeps the managed files of a machine as the policy in force wants them: writes, looks after, repairs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcpolicy_native::{self as native, Client, ConflictKind, Place, Target};
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::document::NativeOwner;
use mcpolicy_schema::evaluate::System;

use super::inputs::Declared;
use super::kept::{self, Kept};
use super::work::{self, Change, Done, OfClient, Terms};
use crate::journal::Event;
use crate::pipeline::{Ground, Outcome};

/// Repairs of one place within [`HOUR`] that are made at once.
///
/// Quirk: configuration management that writes the whole file has its own idea of it; two that never give way heat the laptop.
const AT_ONCE: usize = 5;
/// The time in which repairs count.
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Time until the next repair of a place that is fought over; it doubles with each, up to [`LATEST`].
const LATER: Duration = Duration::from_secs(15);
/// The longest of these times.
const LATEST: Duration = Duration::from_secs(15 * 60);
/// Time that is let pass after something happened to the files: a save is several changes.
pub const SETTLE: Duration = Duration::from_millis(100);
/// Time until it is tried again where somebody else is at work on the same.
const BUSY: Duration = Duration::from_millis(250);
/// Failures in a row that are taken for that: a file that was saved between two looks is whole a moment later.
const PATIENCE: u32 = 2;
/// Rules that are named where a client cannot be told all.
const MOST_NAMED: usize = 20;

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// What is to be written down.
    pub events: Vec<Event>,
    /// What could not be done.
    pub problem: Option<String>,
    /// Files that others have changed: what they say may be another thing now.
    pub changed: Vec<PathBuf>,
}

/// Keeps the files of a machine.
#[derive(Debug, Default)]
pub struct Keeper {
    declared: Declared,
    /// When it is to be looked after them.
    due: Option<Instant>,
    /// When each place was repaired.
    repairs: BTreeMap<String, Vec<Instant>>,
    /// Failures in a row.
    failed: u32,
    /// Files in which something is ours, as paths of the machine.
    ours: BTreeSet<PathBuf>,
}

/// The files of a system in which something of ours may stand, as paths of the machine.
pub fn places(system: System) -> BTreeSet<PathBuf> {
    let targets = all_targets(system).filter(|target| !target.mdm);
    let file = |target: Target| match target.place {
        // of Windows the variables are the system's own, and its files are for MDM until they were tried there
        Place::File(path) if !path.contains('%') => Some(PathBuf::from(path)),
        Place::File(_) | Place::Registry(_) | Place::Preferences(_) => None,
    };
    targets.filter_map(file).collect()
}

fn all_targets(system: System) -> impl Iterator<Item = Target> {
    Client::ALL.into_iter().flat_map(move |client| native::targets(client, system))
}

impl Keeper {
    /// Takes in what a pass has found.
    pub fn passed(&mut self, ground: &Ground, outcome: &Outcome, now: Instant) {
        self.declared = Declared::of(ground, outcome);
        self.due = Some(now);
    }

    /// Takes in what a look at these paths of homes has found.
    pub fn looked(&mut self, outcome: &Outcome, paths: &BTreeMap<usize, BTreeSet<PathBuf>>, now: Instant) {
        if self.declared.looked(outcome, paths) {
            self.wake(now);
        }
    }

    /// Something happened to the files, or may have.
    pub fn wake(&mut self, now: Instant) {
        self.due = Some(self.due.map_or(now, |due| due.min(now)));
    }

    /// When it is to be looked after the files.
    pub fn next(&self) -> Option<Instant> {
        self.due
    }

    /// Whether something of ours stands at this path of the machine: in a file, or in files of a folder.
    fn has(&self, path: &Path) -> bool {
        self.ours.range(path.to_owned()..).next().is_some_and(|ours| ours.starts_with(path))
    }

    /// Whether what came or changed at this path of the machine is ours alone: a file of ours, or a folder with nothing else in
    /// it. What else came with a folder was told to nobody.
    pub fn is_alone_at(&self, machine: &Machine, path: &Path) -> bool {
        if self.ours.contains(path) {
            return true;
        }
        let names = if self.has(path) { machine.list(path).ok() } else { None };
        names
            .is_some_and(|names| names.iter().all(|entry| self.is_alone_at(machine, &path.join(&entry.name))))
    }

    /// Whether clients are told something.
    pub fn is_in_force(&self) -> bool {
        !self.ours.is_empty()
    }

    /// Compiles, and makes the files so. `state` is the agent's state folder.
    pub fn keep(&mut self, terms: &Terms<'_>, machine: &Machine, state: &Path, now: Instant) -> Report {
        self.due = None;
        let mut report = Report::default();
        let kept = kept::lock(state).map_err(|error| (BUSY, error)).and_then(|_alone| {
            self.keep_alone(terms, machine, state, now, &mut report).map_err(|error| (LATER, error))
        });
        if let Err((wait, error)) = kept {
            report.problem = Some(format!("native policies cannot be kept: {error:#}"));
            self.wake(now + wait);
        }
        report
    }

    fn keep_alone(
        &mut self,
        terms: &Terms<'_>,
        machine: &Machine,
        state: &Path,
        now: Instant,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let mut kept = Kept::open(state)?;
        let all = work::compile(terms, &self.declared.entries(), (Some(machine), &kept), &[]);
        let mut standing = standing(&all);
        let mut failed = Vec::new();
        for change in all.iter().flat_map(|of| &of.changes) {
            let place = change.output.target.id();
            let touched = touched(change, &kept);
            if touched != Touched::Not && self.ours.contains(Path::new(&place)) {
                report.changed.push(PathBuf::from(&place));
            }
            if !change.is_needed() {
                continue;
            }
            let is_repair = touched == Touched::Ours;
            if is_repair && !self.may_repair(&place, now) {
                continue;
            }
            let said = format!("{}: {place}", change.client.id());
            match work::make(change, machine, &mut kept) {
                Done::Same => {}
                Done::Written if is_repair => report.events.push(Event::new(
                    "native-tampered",
                    format!("{said}: what is ours in it was changed beside the agent, and was put back"),
                )),
                Done::Written => report.events.push(Event::new("native-written", said)),
                Done::Removed => report.events.push(Event::new("native-removed", said)),
                Done::Left => standing.push(drift(change, &said)),
                Done::Failed(why) => {
                    // what was not made is no repair
                    if is_repair && let Some(repairs) = self.repairs.get_mut(&place) {
                        repairs.pop();
                    }
                    failed.push(format!("{said}: {why}"));
                }
            }
        }
        self.failed = if failed.is_empty() { 0 } else { self.failed + 1 };
        if self.failed > PATIENCE {
            report.problem = failed.first().map(|said| format!("a native policy cannot be written: {said}"));
            standing.extend(failed.into_iter().map(|said| Event::new("native-failed", said)));
            self.wake(now + LATER);
        } else if self.failed > 0 {
            self.wake(now + BUSY);
        }
        report.events.extend(kept.newly(standing)?);
        self.ours = kept.targets().map(PathBuf::from).collect();
        Ok(())
    }

    /// Whether a place is put back now; else it is looked after it later.
    fn may_repair(&mut self, place: &str, now: Instant) -> bool {
        let repairs = self.repairs.entry(place.to_owned()).or_default();
        repairs.retain(|at| now.saturating_duration_since(*at) < HOUR);
        let more = u32::try_from(repairs.len().saturating_sub(AT_ONCE)).unwrap_or(u32::MAX);
        let wait = LATER.saturating_mul(2_u32.saturating_pow(more)).min(LATEST);
        let next = repairs.last().map(|last| *last + wait);
        match next {
            Some(next) if repairs.len() >= AT_ONCE && next > now => {
                self.wake(next);
                false
            }
            _ => {
                repairs.push(now);
                true
            }
        }
    }
}

/// How a place stands to what was written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touched {
    /// It is as it was written, or nothing of ours was there.
    Not,
    /// Others have changed what is theirs.
    Beside,
    /// Something of ours is gone or changed.
    Ours,
}

/// By what was read for the compilation: a second look would see another file.
fn touched(change: &Change, kept: &Kept) -> Touched {
    let (target, now) = (&change.output.target, change.now.as_deref());
    let id = target.id();
    if !kept.targets().any(|place| place == id) || kept.is_as_written(&id, now) {
        return Touched::Not;
    }
    let is_whole = kept
        .ours(&id, now)
        .is_none_or(|ours| native::verify(target, now, &ours).is_ok_and(|drift| drift.is_empty()));
    if is_whole { Touched::Beside } else { Touched::Ours }
}

/// What stands in the way and what clients cannot be told: worth telling once, for as long as it is so.
fn standing(all: &[OfClient]) -> Vec<Event> {
    let mut events = Vec::new();
    for of in all {
        let id = of.compiled.client.id();
        for one in &of.compiled.conflicts {
            let code = match one.kind {
                ConflictKind::Widened => "native-widened",
                ConflictKind::Narrowed => "native-narrowed",
                ConflictKind::Unreadable => "native-unreadable",
            };
            events.push(Event::new(code, format!("{id}: {}{}: {}", one.place, one.key, one.what)));
        }
        let rules: BTreeSet<&str> = of.compiled.inexpressible.iter().map(|one| &*one.rule).collect();
        if !rules.is_empty() {
            let named: Vec<&str> =
                rules.iter().copied().filter(|rule| !rule.is_empty()).take(MOST_NAMED).collect();
            let more = rules.len().saturating_sub(named.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            events.push(Event::new(
                "native-inexpressible",
                format!(
                    "{id} cannot be told all of {}{more}; `mcpolicy native plan` says what",
                    named.join(", ")
                ),
            ));
        }
    }
    events
}

fn drift(change: &Change, said: &str) -> Event {
    debug_assert_eq!(change.owner, NativeOwner::Mdm, "all others are written");
    Event::new("native-drift", format!("{said}: MDM is to write it, and it is not as the policy says"))
}
