//! Verdicts to actions: which entries of which files are taken out, pinned or switched off. Decides; touches nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use mcpolicy_clients::edit::Piece;
use mcpolicy_clients::elsewhere::OffSwitch;
use mcpolicy_schema::document::{Mode, OnVersion, PolicyDocument};
use mcpolicy_schema::entry::{Entry, Inert, Scope, UNKNOWN_CLIENT};
use mcpolicy_schema::finding::FindingCode;

use crate::assess::Assessed;
use crate::discover::source::Source;
use crate::pipeline::Outcome;

use super::last_allowed::LastAllowed;
use super::whole;

/// What is to become of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Its clients' own off switches are set, outside of the file, which Git or a sync service owns.
    SwitchOff(Vec<OffSwitch>),
    /// Only its version is wrong: this one takes its place.
    Pin(String),
    /// Its last allowed text takes its place.
    Revert(Vec<Piece>),
    /// The client's own off switch in the entry is set.
    Disable,
    /// It is taken out.
    Quarantine,
}

impl Wish {
    /// The off switches that it wishes for.
    pub fn switches(&self) -> Option<&[OffSwitch]> {
        match self {
            Self::SwitchOff(switches) => Some(switches),
            _ => None,
        }
    }
}

/// One entry to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Index into [`Outcome::entries`].
    pub entry: usize,
    /// What is to become of it, the best first. Each is only a proposal, which counts if its result is shown to be
    /// allowed; the last one always is.
    pub wishes: Vec<Wish>,
}

/// What is to be done to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlan {
    /// Index into [`Outcome::sources`].
    pub source: usize,
    /// Its entries, in the order of the text.
    pub targets: Vec<Target>,
}

/// A denied entry that is left where it is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Index into [`Outcome::entries`].
    pub entry: usize,
    /// Why, in words.
    pub why: &'static str,
}

impl Left {
    /// Whether a client may start it all the same, in a file that is its user's own.
    pub fn is_open(&self) -> bool {
        self.why == OUTSIDE
    }
}

/// All that is to be done on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// By file.
    pub files: Vec<FilePlan>,
    /// Files that cannot be parsed and go as a whole; indices into [`Outcome::sources`].
    pub whole: Vec<usize>,
    /// Denied, and left.
    pub left: Vec<Left>,
}

/// What off switches outside of a file can do for one of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switches {
    /// The file is nobody's but its user's, or not every reader of the entry has a switch that holds.
    NoUse,
    /// Every live reader has one; these are not set yet.
    ToSet(Vec<OffSwitch>),
    /// They are all set, proved by reading them back.
    Off,
}

/// What is known beyond the files themselves.
#[derive(Clone, Copy)]
pub struct Known<'k> {
    /// The last allowed state of what stands where an entry stands.
    pub last_allowed: &'k dyn Fn(&Source, &Entry) -> Option<LastAllowed>,
    /// What switches outside of the file can do for an entry.
    pub switches: &'k dyn Fn(&Source, &Entry) -> Switches,
    /// How long a file has not changed.
    pub unchanged: &'k dyn Fn(&Source) -> Duration,
    /// Whether a file lies outside of the home from which it was found: its user's worker may write nothing there.
    pub is_outside: &'k dyn Fn(&Source) -> bool,
}

impl Known<'_> {
    /// Nothing: entries are pinned, disabled or taken out.
    pub const NOTHING: Known<'static> = Known {
        last_allowed: &|_, _| None,
        switches: &|_, _| Switches::NoUse,
        unchanged: &|_| Duration::ZERO,
        is_outside: &|_| false,
    };
}

/// The mode that holds: the policy's, but never further than the device's ceiling.
pub fn mode_under(ceiling: Option<Mode>, mode: Mode) -> Mode {
    ceiling.map_or(mode, |ceiling| ceiling.min(mode))
}

/// Plans a pass. Nothing at all in observe and warn.
pub fn plan_knowing(outcome: &Outcome, document: &PolicyDocument, mode: Mode, known: Known<'_>) -> Plan {
    if mode < Mode::Hold {
        return Plan::default();
    }
    let mut files: BTreeMap<usize, Vec<Target>> = BTreeMap::new();
    let mut plan = Plan::default();
    for (at, item) in outcome.entries.iter().enumerate() {
        if item.judgement.as_ref().is_none_or(mcpolicy_schema::verdict::Judgement::is_allowed) {
            continue;
        }
        let source = &outcome.sources[item.source].source;
        if let Some(why) = left_because(item, source, known) {
            plan.left.push(Left { entry: at, why });
            continue;
        }
        let switches = (known.switches)(source, &item.entry);
        if switches == Switches::Off {
            let why =
                "its clients' own off switches hold; the file, which Git or a sync service owns, is left";
            plan.left.push(Left { entry: at, why });
            continue;
        }
        let wishes = wishes(item, source, document, switches, known);
        if !wishes.is_empty() {
            files.entry(item.source).or_default().push(Target { entry: at, wishes });
        }
    }
    plan.whole = whole::unparseable(outcome, document.policy.unparseable, known);
    plan.files = files.into_iter().map(|(source, targets)| FilePlan { source, targets }).collect();
    plan
}

/// Why what lies outside of its user's home stays.
pub(super) const OUTSIDE: &str = "the file lies outside of its user's home, where nothing is written: whoever owns it can \
    take the entry out";

/// Why a denied entry is not acted on, if it is not.
fn left_because(item: &Assessed, source: &Source, known: Known<'_>) -> Option<&'static str> {
    let entry = &item.entry;
    if entry.scope == Scope::Managed {
        return Some("administrators wrote it; it is reported, never edited");
    }
    if entry.client == UNKNOWN_CLIENT {
        return Some("no known client reads the file, so how to edit it safely is not known");
    }
    if source.home.is_none() {
        return Some("the file belongs to no user's home");
    }
    if (known.is_outside)(source) {
        return Some(OUTSIDE);
    }
    match entry.inert {
        Some(Inert::EntryRefused) => Some("its client refuses entries of this form"),
        Some(Inert::KeyNotRead) if !is_case_variant(entry, source) => {
            Some("no client reads the key under which it stands")
        }
        // a later duplicate may go and bring it to life; another dialect may read the file
        _ => None,
    }
}

/// Whether the entry's table is named as one that is read, but for case: another version may take it for that.
fn is_case_variant(entry: &Entry, source: &Source) -> bool {
    let table = entry.key_path.rsplit_once('/').map_or("", |(table, _)| table);
    let keys = source.readings.iter().flat_map(|reading| reading.location.keys);
    keys.into_iter().any(|key| key.eq_ignore_ascii_case(table))
}

/// What is to become of a denied entry, the best first; nothing if all is done.
fn wishes(
    item: &Assessed,
    source: &Source,
    document: &PolicyDocument,
    switches: Switches,
    known: Known<'_>,
) -> Vec<Wish> {
    let judgement = item.judgement.as_ref();
    let mut wishes = Vec::new();
    if let Switches::ToSet(switches) = switches {
        wishes.push(Wish::SwitchOff(switches));
    }
    let is_revoked = judgement
        .and_then(|judgement| judgement.reason.as_ref())
        .is_some_and(|reason| reason.code == FindingCode::Revoked);
    let pin = judgement.and_then(|judgement| judgement.pin.clone());
    if let (Some(pin), OnVersion::Pin) = (pin, document.policy.on_version) {
        // before a revert: what else its user changed stays
        wishes.push(Wish::Pin(pin));
    } else if document.policy.prefer_disable && !is_revoked && item.entry.disabled {
        return Vec::new();
    }
    // what stood there when it was allowed: the same thing, denied by a later policy, is no way back
    if let Some(last) =
        (known.last_allowed)(source, &item.entry).filter(|l| l.fingerprint != item.fingerprint)
    {
        wishes.push(Wish::Revert(last.pieces));
    }
    // what was revoked is malicious: it does not stay in the file, one click away from running
    if document.policy.prefer_disable && !is_revoked && !item.entry.disabled {
        wishes.push(Wish::Disable);
    }
    wishes.push(Wish::Quarantine);
    wishes
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
