//! What a pass tells of what it does not do: what enforcing would act on, in a mode that only watches, and what hold mode
//! leaves until its grace is over.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use mcpolicy_schema::document::{Mode, PolicyDocument};
use mcpolicy_schema::verdict::DecidedBy;

use super::act::Hands;
use super::plan::{Plan, Wish, plan_knowing};
use super::whole_act::QUARANTINE_FILE;
use crate::journal::Action;
use crate::pipeline::Outcome;

/// An action that enforcing would take.
pub struct Would {
    /// Index into [`Outcome::sources`].
    pub source: usize,
    /// The best that could be done, on which entry, and why.
    pub action: Action,
}

/// What hold mode leaves because it was there first.
#[derive(Default)]
pub struct Held {
    /// Indices into [`Outcome::entries`].
    pub entries: Vec<usize>,
    /// The last day of the grace, and how many days there are after today.
    pub until: Option<(Date, i32)>,
}

/// What a pass in mode enforce would act on, if `mode` is one that writes nothing.
pub fn would(hands: &Hands<'_, '_, '_>, outcome: &Outcome, mode: Mode) -> Vec<Would> {
    if mode >= Mode::Hold {
        return Vec::new();
    }
    let plan: Plan =
        hands.knowledge.with(|known| plan_knowing(outcome, hands.document, Mode::Enforce, known));
    let of_entries = plan.files.iter().flat_map(|file| {
        file.targets.iter().map(|target| {
            let word = target.wishes.first().map_or("quarantine", word);
            Would { source: file.source, action: hands.action(&outcome.entries[target.entry], word) }
        })
    });
    let of_file = |source: &usize| {
        let action = Action {
            action: QUARANTINE_FILE.to_owned(),
            server: String::new(),
            client: outcome.sources[*source].source.owner().adapter.about().id.to_owned(),
            fingerprint: String::new(),
            code: "unparseable-config".to_owned(),
            detail: String::new(),
            rule: None,
            identity: None,
        };
        Would { source: *source, action }
    };
    of_entries.chain(plan.whole.iter().map(of_file)).collect()
}

fn word(wish: &Wish) -> &'static str {
    match wish {
        Wish::SwitchOff(_) => "switch-off",
        Wish::Pin(_) => "pin",
        Wish::Revert(_) => "revert",
        Wish::Disable => "disable",
        Wish::Quarantine => "quarantine",
    }
}

/// Whether there is a grace that is not over.
pub fn is_in_grace(document: &PolicyDocument, now: Timestamp) -> bool {
    document.policy.grace_until.is_some_and(|day| today(now) <= day)
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// What is there only because hold mode has not ended: of what was there first that which is `due` without it.
pub fn held(outcome: &Outcome, due: &BTreeSet<usize>, document: &PolicyDocument, now: Timestamp) -> Held {
    let is_held = |at: &usize| {
        // an exception has a name; only what was there first has none
        outcome.entries[*at].judgement.as_ref().is_some_and(|judgement| {
            judgement.is_allowed() && judgement.decided_by == DecidedBy::Exception && judgement.rule.is_none()
        })
    };
    let entries: Vec<usize> = due.iter().copied().filter(is_held).collect();
    let until = document.policy.grace_until.filter(|_| !entries.is_empty());
    let until = until.map(|day| (day, today(now).until(day).map_or(0, |span| span.get_days())));
    Held { entries, until }
}
