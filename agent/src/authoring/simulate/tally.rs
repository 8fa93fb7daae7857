//! Counts of a simulation: entries, machines and users, in an order that does not depend on who was read first.

use std::collections::{BTreeMap, BTreeSet};

use mcpolicy_schema::document::MaxNewRemovals;
use serde::Serialize;

use super::{Effect, Item, Question};
use crate::authoring::fleet::Origin;
use crate::authoring::words;

/// Names of entries that are shown of a row.
const NAMES: usize = 3;

/// What a policy would do.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Simulation {
    /// What was judged.
    pub fleet: Counts,
    /// Entries per effect.
    pub allowed: u64,
    /// Entries of which the version would be rewritten.
    pub pinned: u64,
    /// Entries that would be blocked.
    pub blocked: u64,
    /// Entries that cannot be judged from a report.
    pub unknown: u64,
    /// Entries that no client loads; not counted above.
    pub inert: u64,
    /// Reports that count as older ones of a machine of which there is a newer one.
    pub superseded: u64,
    /// Machines by the mode of the policy on them, the strictest one of each.
    pub modes: BTreeMap<&'static str, u64>,
    /// Whether something is known of a policy in force; else everything counts as allowed at present.
    pub compared: bool,
    /// What changes against the policy in force.
    pub change: Change,
    /// Servers that would be blocked, the most widespread first.
    pub blocked_servers: Vec<Row>,
    /// Those of them that are allowed at present.
    pub newly_blocked: Vec<Row>,
    /// Servers that are not allowed at present and would be.
    pub newly_allowed: Vec<Row>,
    /// Versions that would be rewritten.
    pub pins: Vec<Pinned>,
    /// Servers that cannot be judged from a report.
    pub unknown_servers: Vec<Row>,
}

/// Entries, machines and users.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Entries.
    pub entries: u64,
    /// Machines.
    pub machines: u64,
    /// Users, by name.
    pub users: u64,
}

/// What changes for machines.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Machines that lose an allowed server once the policy is enforced there.
    pub machines_newly_blocked: u64,
    /// Machines that lose one at once, in the mode that the policy has there.
    pub machines_losing_now: u64,
    /// Machines of which the ring hangs on a device id that their report does not have.
    pub machines_of_unknown_ring: u64,
    /// Machines of which an allowed server can no longer be told to be allowed, and none is surely blocked.
    pub machines_perhaps_newly_blocked: u64,
    /// Machines that would lose more than `max_new_removals` and therefore keep the old policy.
    pub machines_holding: u64,
    /// The policy says that it removes much, so no machine holds it.
    pub acknowledged: bool,
}

/// A server with what is said of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Kind and name.
    pub identity: String,
    /// How widespread it is.
    #[serde(flatten)]
    pub counts: Counts,
    /// Finding code of the reason; empty where it is allowed.
    pub reason: String,
    /// The reason in words.
    pub detail: String,
    /// The rule that decided or came nearest; empty if none is about this server.
    pub nearest_rule: String,
    /// Some names under which it is listed.
    pub names: Vec<String>,
}

/// A server of which the version would be rewritten.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Pinned {
    /// Kind and name.
    pub identity: String,
    /// The version that the rule names.
    pub version: String,
    /// The rule.
    pub rule: String,
    /// How widespread it is.
    #[serde(flatten)]
    pub counts: Counts,
}

#[derive(Default)]
struct Spread<'a> {
    entries: u64,
    machines: BTreeSet<&'a str>,
    users: BTreeSet<&'a str>,
    names: BTreeSet<&'a str>,
    detail: Option<&'a str>,
}

impl<'a> Spread<'a> {
    fn add(&mut self, machine: &'a str, item: &'a Item) {
        self.entries += 1;
        self.machines.insert(machine);
        self.users.extend(item.user.as_deref());
        self.names.insert(&item.name);
        let detail = item.answer.new.detail.as_str();
        self.detail = Some(self.detail.map_or(detail, |known| known.min(detail)));
    }

    fn counts(&self) -> Counts {
        Counts { entries: self.entries, machines: self.machines.len() as u64, users: self.users.len() as u64 }
    }
}

type Groups<'a> = BTreeMap<[&'a str; 3], Spread<'a>>;

#[derive(Default)]
struct Tables<'a> {
    blocked: Groups<'a>,
    newly_blocked: Groups<'a>,
    newly_allowed: Groups<'a>,
    unknown: Groups<'a>,
    pins: Groups<'a>,
    all: Spread<'a>,
}

pub(super) fn tally(question: &Question<'_>, machines: &[(Origin, Vec<Item>)]) -> Simulation {
    let settings = &question.new.document().policy;
    let mut result = Simulation::default();
    result.change.acknowledged = settings.acknowledge_breaking.is_some();
    let mut tables = Tables::default();
    // Two reports of one machine, of two users, are one machine.
    let mut by_machine: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for (origin, items) in machines {
        by_machine.entry(&origin.machine).or_default().extend(items);
    }
    for (machine, items) in &by_machine {
        tables.all.machines.insert(machine);
        for item in items {
            sort_in(machine, item, &mut tables, &mut result);
        }
        note_change(items, settings.max_new_removals, &mut result.change);
        if let Some(mode) = items.iter().filter(|item| !item.inert).map(|item| item.mode).max() {
            *result.modes.entry(words::mode(mode)).or_default() += 1;
        }
    }
    result.fleet = tables.all.counts();
    result.blocked_servers = rows(&tables.blocked);
    result.newly_blocked = rows(&tables.newly_blocked);
    result.newly_allowed = rows(&tables.newly_allowed);
    result.unknown_servers = rows(&tables.unknown);
    result.pins = pins(&tables.pins);
    result
}

/// What happens to an entry at present. A policy that only watches takes nothing away: against one that acts, all that
/// it denies is in use. Of two that watch the verdicts are compared.
fn at_present(item: &Item) -> Effect {
    if item.acts && !item.present_acts {
        return Effect::Allowed;
    }
    item.answer.current.or(item.reported).unwrap_or(Effect::Allowed)
}

fn stays(effect: Effect) -> bool {
    matches!(effect, Effect::Allowed | Effect::Pinned)
}

fn sort_in<'a>(machine: &'a str, item: &'a Item, tables: &mut Tables<'a>, result: &mut Simulation) {
    tables.all.add(machine, item);
    result.compared |= item.answer.current.is_some() || item.reported.is_some();
    if item.inert {
        result.inert += 1;
        return;
    }
    let new = &item.answer.new;
    let key = [item.answer.identity.as_str(), new.code, new.rule.as_str()];
    match new.effect {
        Effect::Allowed => result.allowed += 1,
        Effect::Pinned => {
            result.pinned += 1;
            let version = new.pin.as_deref().unwrap_or_default();
            tables.pins.entry([key[0], version, key[2]]).or_default().add(machine, item);
        }
        Effect::Unknown => {
            result.unknown += 1;
            tables.unknown.entry(key).or_default().add(machine, item);
        }
        Effect::Blocked => {
            result.blocked += 1;
            tables.blocked.entry(key).or_default().add(machine, item);
        }
    }
    match (stays(at_present(item)), new.effect) {
        (true, Effect::Blocked) => tables.newly_blocked.entry(key).or_default().add(machine, item),
        (false, Effect::Allowed | Effect::Pinned) => {
            tables.newly_allowed.entry([key[0], "", key[2]]).or_default().add(machine, item);
        }
        _ => {}
    }
}

fn note_change(items: &[&Item], most: MaxNewRemovals, change: &mut Change) {
    let before: Vec<&&Item> = items.iter().filter(|item| !item.inert && stays(at_present(item))).collect();
    let count = |effect: Effect| before.iter().filter(|item| item.answer.new.effect == effect).count() as u64;
    let (removed, unclear) = (count(Effect::Blocked), count(Effect::Unknown));
    if removed > 0 {
        change.machines_newly_blocked += 1;
    } else if unclear > 0 {
        change.machines_perhaps_newly_blocked += 1;
    }
    let now =
        before.iter().filter(|item| item.acts && item.answer.new.effect == Effect::Blocked).count() as u64;
    change.machines_losing_now += u64::from(now > 0);
    change.machines_of_unknown_ring += u64::from(items.iter().any(|item| item.ringless));
    let removed = now;
    let too_many =
        removed > u64::from(most.entries) || removed * 100 > u64::from(most.percent) * before.len() as u64;
    if too_many && !change.acknowledged {
        change.machines_holding += 1;
    }
}

/// The rows, those on most machines first.
fn rows(groups: &Groups<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = groups
        .iter()
        .map(|([identity, reason, rule], spread)| Row {
            identity: (*identity).to_owned(),
            counts: spread.counts(),
            reason: (*reason).to_owned(),
            detail: spread.detail.unwrap_or_default().to_owned(),
            nearest_rule: (*rule).to_owned(),
            names: spread.names.iter().take(NAMES).map(|name| (*name).to_owned()).collect(),
        })
        .collect();
    rows.sort_by_key(|row| weight(row.counts));
    rows
}

fn pins(groups: &Groups<'_>) -> Vec<Pinned> {
    let mut rows: Vec<Pinned> = groups
        .iter()
        .map(|([identity, version, rule], spread)| Pinned {
            identity: (*identity).to_owned(),
            version: (*version).to_owned(),
            rule: (*rule).to_owned(),
            counts: spread.counts(),
        })
        .collect();
    rows.sort_by_key(|row| weight(row.counts));
    rows
}

/// Machines, then users, then entries; the greatest first, equal ones as they stand.
fn weight(counts: Counts) -> std::cmp::Reverse<(u64, u64, u64)> {
    std::cmp::Reverse((counts.machines, counts.users, counts.entries))
}
