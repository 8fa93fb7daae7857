//! Every gate is driven across its thresholds, upwards and back.

use mcpolicy_fleet::{Definition, Fleet, GateState, SuppliedKind};
use mcpolicy_schema::finding::Severity;
use mcpolicy_schema::report::v1::Class;

use crate::maker::machine::{DAY, Declared, Machine, START};
use crate::support::{give, load_lines};

/// A Wednesday at noon.
const NOW: i64 = START + 9 * DAY + DAY / 2;
const OWNER: &str = "ann";

/// A fleet in which the value of a gate is `n`.
fn fleet(gate: &str, n: i64) -> Fleet {
    let count = usize::try_from(n).unwrap_or(0);
    let approved = |number: usize| Declared::approved(OWNER, &format!("npm:@acme/server-{number}"));
    let found = |code, severity| Declared { finding: Some((code, severity)), ..approved(0) };
    let machines = |declared: &Declared| -> Vec<String> {
        (0..count).flat_map(|number| one(number, std::slice::from_ref(declared))).collect()
    };
    match gate {
        "unknown-servers" => {
            let all: Vec<Declared> =
                (0..count).map(|number| Declared::unknown(OWNER, &format!("npm:unknown-{number}"))).collect();
            load_lines(&one(0, &all))
        }
        "registry-drift" | "registry-drift-ticketed" => {
            let changed = Declared { variant: 1, ..approved(0) };
            let mut lines = one(usize::MAX, &[approved(0)]);
            for number in 0..count {
                lines.extend(at(number, NOW - DAY, "change", std::slice::from_ref(&changed)));
            }
            let fleet = load_lines(&lines);
            if gate == "registry-drift-ticketed" {
                let ticket = format!("CHG-1,npm:@acme/server-0,{},", NOW - 2 * DAY);
                give(&fleet, SuppliedKind::ChangeTickets, "ticket,subject,opened,closed", &[ticket]);
            }
            fleet
        }
        "registry-override" => load_lines(&machines(&found("registry-override", Severity::High))),
        "impersonations" => load_lines(&machines(&found("impersonation", Severity::Critical))),
        "literal-secrets" => load_lines(&machines(&found("literal-secret", Severity::High))),
        "unpinned" => load_lines(&machines(&Declared { version: None, ..approved(0) })),
        "quarantine-ratio" => {
            let kept: Vec<Declared> = (0..100 - count).map(approved).collect();
            let mut machine = Machine::new("laptop", "team");
            machine.inventory(START, "start", &kept);
            for number in 0..count {
                let taken = Declared::unknown(OWNER, &format!("npm:bad-{number}"));
                machine.action(NOW - 60, "quarantine", "applied", &taken);
                // what was only tried counts for nothing
                machine.action(NOW - 60, "quarantine", "failed", &Declared { variant: 9, ..taken });
            }
            load_lines(&machine.lines)
        }
        "new-to-fleet" => {
            let mut lines = one(usize::MAX, &[approved(0)]);
            for number in 0..count {
                lines.extend(at(number, NOW - DAY, "daily", &[approved(1)]));
            }
            load_lines(&lines)
        }
        "new-to-machine" | "new-to-user" | "outside-hours" => {
            let mut machine = Machine::new("laptop", "team");
            let all: Vec<Declared> = (0..=count).map(approved).collect();
            machine.inventory(START, "start", &all[..1]);
            // in the middle of the night before
            machine.inventory(NOW - DAY / 2 + 3_600, "change", &all);
            load_lines(&machine.lines)
        }
        "offboarded" => {
            let all: Vec<Declared> = (0..count).map(approved).collect();
            let fleet = load_lines(&at(0, NOW - DAY, "daily", &all));
            let rows = [format!("{OWNER},{}", NOW - 2 * DAY), format!("ben,{}", NOW + DAY)];
            give(&fleet, SuppliedKind::Offboarded, "owner,since", &rows);
            fleet
        }
        "silent-machines" => load_lines(&at(0, NOW - n * 3_600, "daily", &[])),
        "clock-ahead" => load_lines(&at(0, NOW + n * 3_600, "daily", &[])),
        "stale-policy" => {
            let mut lines = Vec::new();
            for number in 0..100 {
                let mut machine = Machine::new(&format!("laptop-{number}"), "team");
                machine.heartbeat(START);
                // half of them are not stale by their own word, and have an older policy all the same
                let is_stale = number < count;
                machine.staleness = if is_stale && number % 2 == 0 { "stale" } else { "fresh" };
                machine.sequence = if is_stale && number % 2 == 1 { 6 } else { 7 };
                machine.heartbeat(NOW - 60);
                lines.extend(machine.lines);
            }
            load_lines(&lines)
        }
        "expires-in-30-days" | "expires-in-7-days" | "expires-in-1-day" => {
            let mut machine = Machine::new("laptop", "team");
            machine.policy_expires = Some(NOW + n * DAY);
            // later than any threshold
            machine.root_expires = Some(NOW + 400 * DAY);
            machine.heartbeat(NOW - 60);
            load_lines(&machine.lines)
        }
        "requests-waiting" => {
            let mut machine = Machine::new("laptop", "team");
            machine.request(START, NOW - n * DAY, &Declared::unknown(OWNER, "npm:wanted"));
            machine.heartbeat(START + 1);
            load_lines(&machine.lines)
        }
        "actions-by-layer" => {
            let mut machine = Machine::new("laptop", "team");
            for number in 0..100 {
                let outcome = if number < count { "failed" } else { "applied" };
                machine.action(NOW - 60, "pin", outcome, &approved(number));
            }
            load_lines(&machine.lines)
        }
        other => panic!("no scenario for {other}"),
    }
}

fn one(number: usize, declared: &[Declared]) -> Vec<String> {
    at(number, START, "start", declared)
}

fn at(number: usize, time: i64, cause: &str, declared: &[Declared]) -> Vec<String> {
    let mut machine = Machine::new(&format!("laptop-{number}"), "team");
    machine.inventory(time, cause, declared);
    machine.lines
}

/// Values at both sides of every threshold, and one far on each.
fn values(definition: &Definition) -> Vec<i64> {
    let mut values: Vec<i64> = Vec::new();
    for bound in std::iter::once(definition.target).chain(definition.page) {
        let (_, number) =
            String::from(bound).split_once(' ').map(|(w, n)| (w.to_owned(), n.to_owned())).unwrap();
        let number: i64 = number.parse().unwrap();
        // a target that only says that there is none is never crossed
        let near = [number - 1, number, number + 1].into_iter().filter(|n| (0..1_000).contains(n));
        values.extend(near);
    }
    values.sort_unstable();
    values.dedup();
    let back: Vec<i64> = values.iter().rev().copied().collect();
    values.into_iter().chain(back).collect()
}

#[test]
fn every_gate_opens_and_closes_at_its_thresholds() {
    for definition in mcpolicy_fleet::definitions().unwrap() {
        let mut seen = Vec::new();
        for n in values(&definition) {
            let gate = fleet(&definition.id, n).gate(definition.clone(), NOW).unwrap();
            let value = n as f64;
            // where the value is 0 there may be no row, which is as good
            let wanted = if definition.page.is_some_and(|page| page.is_met(value)) {
                GateState::Page
            } else if definition.target.is_met(value) {
                GateState::Ok
            } else {
                GateState::Look
            };
            assert_eq!(gate.state, wanted, "{} at {n}: {:?}", definition.id, gate.offenders);
            if let Some(offender) = gate.offenders.first() {
                assert!((offender.value - value).abs() < 0.001, "{} at {n}: {offender:?}", definition.id);
            }
            seen.push(gate.state);
        }
        seen.dedup();
        let is_open_ended = definition.page.is_none() && definition.id == "registry-drift-ticketed";
        assert!(is_open_ended || seen.len() >= 3, "{}: {seen:?}", definition.id);
    }
}

#[test]
fn a_request_waits_until_its_server_is_allowed_or_taken_back() {
    let wanted = Declared::unknown(OWNER, "npm:wanted");
    let mut machine = Machine::new("laptop", "team");
    machine.request(START, START, &wanted);
    let rows = |machine: &Machine| {
        let gate = crate::support::every_row(&load_lines(&machine.lines), "requests-waiting", NOW);
        gate.rows
    };
    assert_eq!(rows(&machine), 1);
    machine.heartbeat(START + 10);
    assert_eq!(rows(&machine), 1);
    let allowed =
        Declared { rule: Some("allow-wanted".to_owned()), ..Declared::approved(OWNER, "npm:wanted") };
    machine.inventory(START + 20, "change", &[allowed]);
    assert_eq!(rows(&machine), 0, "it is allowed");
    let mut other = Machine::new("other", "team");
    other.request(START, START, &wanted);
    other.request(START, START, &Declared::unknown(OWNER, "npm:wanted-too"));
    let withdrawn = other.waiting.remove(0);
    other.heartbeat(START + 10);
    assert_eq!(rows(&other), 1, "of two {withdrawn} was withdrawn");
    other.waiting.clear();
    other.heartbeat(START + 20);
    assert_eq!(rows(&other), 0, "the machine has none any more");
}

#[test]
fn an_inventory_of_which_something_is_missing_replaces_nothing() {
    let mut machine = Machine::new("laptop", "team");
    machine.inventory(START, "start", &[Declared::unknown(OWNER, "npm:old")]);
    machine.inventory(
        START + DAY,
        "daily",
        &[Declared::unknown(OWNER, "npm:new"), Declared::unknown(OWNER, "npm:b")],
    );
    let whole = crate::support::every_row(&load_lines(&machine.lines), "unknown-servers", NOW);
    assert_eq!(whole.offenders[0].value, 2.0);
    machine.lines.pop();
    let partly = crate::support::every_row(&load_lines(&machine.lines), "unknown-servers", NOW);
    assert_eq!((partly.offenders[0].value, partly.offenders[0].detail.as_str()), (1.0, "npm:old"));
    machine.lose(NOW, Class::State, 1);
}

#[test]
fn a_gate_without_the_list_that_it_needs_says_that_it_was_not_asked() {
    let fleet = load_lines(&one(0, &[Declared::approved(OWNER, "npm:a")]));
    for definition in mcpolicy_fleet::definitions().unwrap() {
        let needs = definition.needs.is_some();
        let gate = fleet.gate(definition, NOW).unwrap();
        assert_eq!(gate.state == GateState::NotAsked, needs, "{}", gate.definition.id);
    }
}

#[test]
fn what_expires_is_told_from_records_and_from_the_list() {
    let mut machine = Machine::new("laptop", "team");
    (machine.policy_expires, machine.root_expires) = (Some(NOW + 20 * DAY), Some(NOW + 90 * DAY));
    machine.heartbeat(NOW - 60);
    let until = Declared { until: Some(NOW + 3 * DAY), ..Declared::approved(OWNER, "npm:@acme/excepted") };
    machine.inventory(NOW - 60, "start", &[until]);
    let mut second = Machine::new("second", "team");
    second.policy_expires = machine.policy_expires;
    second.heartbeat(NOW - 60);
    let mut old = Machine::new("old", "team");
    (old.sequence, old.policy_expires) = (6, Some(NOW - DAY));
    old.heartbeat(NOW - 60);
    let fleet = load_lines(&[machine.lines, second.lines, old.lines].concat());
    let row = format!("key,release,{}", NOW + DAY);
    give(&fleet, SuppliedKind::Expiries, "what,subject,expires", &[row]);
    let gate = crate::support::every_row(&fleet, "expires-in-30-days", NOW);
    let told: Vec<(&str, f64, i64)> =
        gate.offenders.iter().map(|row| (row.subject.as_str(), row.value, row.machines)).collect();
    let rule = Declared::approved(OWNER, "npm:@acme/excepted").rule.unwrap();
    let wanted = [
        ("key release", 1.0, 0),
        (&*format!("approval {rule}"), 3.0, 1),
        // the newest: that one machine has an old one is for another gate
        ("policy fleet", 20.0, 2),
        ("root fleet", 90.0, 1),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn a_new_ticket_of_a_rule_explains_a_drift_and_the_first_one_does_not() {
    let approved = |variant, ticket: &str| Declared {
        variant,
        ticket: Some(ticket.to_owned()),
        ..Declared::approved(OWNER, "npm:@acme/server")
    };
    let rows = |ticket: &str| {
        let (mut first, mut second) = (Machine::new("first", "team"), Machine::new("second", "team"));
        first.inventory(START, "start", &[approved(0, "CHG-1")]);
        // the rule is changed before anybody has what it allows now
        first.inventory(NOW - 2 * DAY, "change", &[approved(0, ticket)]);
        second.inventory(NOW - DAY, "change", &[approved(1, ticket)]);
        let fleet = load_lines(&[first.lines, second.lines].concat());
        let rows = |gate| crate::support::every_row(&fleet, gate, NOW).rows;
        (rows("registry-drift"), rows("registry-drift-ticketed"))
    };
    assert_eq!(rows("CHG-1"), (1, 0));
    assert_eq!(rows("CHG-2"), (0, 1));
}
