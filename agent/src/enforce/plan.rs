//! Verdicts to actions: which entries of which files are taken out, pinned or switched off. Decides; touches nothing.

use std::collections::BTreeMap;

use mcpolicy_schema::document::{Mode, OnVersion, PolicyDocument};
use mcpolicy_schema::entry::{Entry, Inert, Scope, UNKNOWN_CLIENT};
use mcpolicy_schema::finding::FindingCode;

use crate::assess::Assessed;
use crate::discover::source::Source;
use crate::pipeline::Outcome;

/// What is to become of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Only its version is wrong: this one takes its place. If that cannot be shown to be allowed, it is taken out.
    Pin(String),
    /// The client's own off switch is set. If there is none, it is taken out.
    Disable,
    /// It is taken out.
    Quarantine,
}

/// One entry to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Index into [`Outcome::entries`].
    pub entry: usize,
    /// What is to become of it.
    pub wish: Wish,
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

/// All that is to be done on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// By file.
    pub files: Vec<FilePlan>,
    /// Denied, and left.
    pub left: Vec<Left>,
}

/// The mode that holds: the policy's, but never further than the device's ceiling.
pub fn mode_under(ceiling: Option<Mode>, mode: Mode) -> Mode {
    ceiling.map_or(mode, |ceiling| ceiling.min(mode))
}

/// Plans a pass. Nothing at all in observe and warn.
pub fn plan(outcome: &Outcome, document: &PolicyDocument, mode: Mode) -> Plan {
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
        if let Some(why) = left_because(item, source) {
            plan.left.push(Left { entry: at, why });
            continue;
        }
        if let Some(wish) = wish(item, document) {
            files.entry(item.source).or_default().push(Target { entry: at, wish });
        }
    }
    plan.files = files.into_iter().map(|(source, targets)| FilePlan { source, targets }).collect();
    plan
}

/// Why a denied entry is not acted on, if it is not.
fn left_because(item: &Assessed, source: &Source) -> Option<&'static str> {
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

fn wish(item: &Assessed, document: &PolicyDocument) -> Option<Wish> {
    let judgement = item.judgement.as_ref()?;
    if let (Some(pin), OnVersion::Pin) = (&judgement.pin, document.policy.on_version) {
        return Some(Wish::Pin(pin.clone()));
    }
    let is_revoked = judgement.reason.as_ref().is_some_and(|reason| reason.code == FindingCode::Revoked);
    // what was revoked is malicious: it does not stay in the file, one click away from running
    if document.policy.prefer_disable && !is_revoked {
        return (!item.entry.disabled).then_some(Wish::Disable);
    }
    Some(Wish::Quarantine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceiling_only_ever_lowers_the_mode() {
        assert_eq!(mode_under(None, Mode::Enforce), Mode::Enforce);
        assert_eq!(mode_under(Some(Mode::Observe), Mode::Enforce), Mode::Observe);
        assert_eq!(mode_under(Some(Mode::Enforce), Mode::Warn), Mode::Warn);
        assert_eq!(mode_under(Some(Mode::Hold), Mode::Enforce), Mode::Hold);
    }
}
