//! What one machine says that is not so, or not any more, decides nothing for the others.

use mcpolicy_fleet::{Fleet, Offender};

use crate::maker::machine::{DAY, Declared, Machine, START};
use crate::support::{every_row, load_lines};

/// A Wednesday at noon.
const NOW: i64 = START + 9 * DAY + DAY / 2;
const OWNER: &str = "ann";
/// Seconds until the year 2999, nearly.
const FAR: i64 = 973 * 365 * DAY;

fn rows(fleet: &Fleet, gate: &str) -> Vec<(String, f64)> {
    let told = |row: &Offender| (row.subject.clone(), row.value);
    every_row(fleet, gate, NOW).offenders.iter().map(told).collect()
}

fn named(rows: &[(&str, f64)]) -> Vec<(String, f64)> {
    rows.iter().map(|(subject, value)| ((*subject).to_owned(), *value)).collect()
}

/// A machine heard a minute ago, whose policy of this sequence has these days left.
fn heard(id: &str, sequence: u64, days: i64) -> Machine {
    let mut machine = Machine::new(id, "team");
    (machine.sequence, machine.policy_expires) = (sequence, Some(NOW + days * DAY));
    machine.heartbeat(NOW - 60);
    machine
}

fn all(machines: Vec<Machine>) -> Fleet {
    load_lines(&machines.into_iter().flat_map(|machine| machine.lines).collect::<Vec<_>>())
}

#[test]
fn one_machine_that_lies_hides_no_end_and_makes_none() {
    let ends = |machines| rows(&all(machines), "expires-in-7-days");
    let honest = || vec![heard("a", 7, 3), heard("b", 7, 3), heard("c", 6, 1), heard("d", 6, 1)];
    let wanted = named(&[("policy fleet", 3.0)]);
    assert_eq!(ends(honest()), wanted);
    for (sequence, days) in [(7, FAR / DAY), (999, FAR / DAY), (7, -300), (999, -300)] {
        let mut machines = honest();
        machines.push(heard("liar", sequence, days));
        assert_eq!(ends(machines), wanted, "{sequence} {days}");
    }
    // where nobody agrees with it the smaller one counts
    assert_eq!(ends(vec![heard("a", 7, 3), heard("liar", 7, FAR / DAY)]), wanted);
    assert_eq!(ends(vec![heard("a", 7, 3), heard("liar", 999, FAR / DAY)]), wanted);
    assert_eq!(ends(vec![heard("only", 7, 3)]), wanted);
}

#[test]
fn a_liar_hides_the_end_of_no_root_and_no_approval() {
    let machine = |id: &str, days: i64| {
        let mut machine = Machine::new(id, "team");
        machine.root_expires = Some(NOW + days * DAY);
        machine.heartbeat(NOW - 60);
        let until = Some(NOW + days * DAY);
        let excepted =
            Declared { until, rule: Some("EX-1".to_owned()), ..Declared::approved(OWNER, "npm:a") };
        machine.inventory(NOW - 60, "start", &[excepted]);
        machine
    };
    let fleet = all(vec![machine("a", 3), machine("b", 3), machine("liar", FAR / DAY)]);
    assert_eq!(rows(&fleet, "expires-in-7-days"), named(&[("approval EX-1", 3.0), ("root fleet", 3.0)]));
}

#[test]
fn a_machine_that_was_not_heard_within_a_week_has_nothing_that_expires() {
    let gone = |time: i64| {
        let mut machine = Machine::new("gone", "team");
        (machine.policy, machine.policy_expires) = ("old-fleet", Some(NOW - 300 * DAY));
        machine.heartbeat(time);
        let until = Some(NOW - 200 * DAY);
        machine.inventory(time, "start", &[Declared { until, ..Declared::approved(OWNER, "npm:a") }]);
        rows(&all(vec![machine, heard("a", 7, 3)]), "expires-in-1-day").len()
    };
    assert_eq!(gone(NOW - 8 * DAY), 1);
    assert_eq!(gone(NOW - 6 * DAY), 3);
}

#[test]
fn one_heartbeat_and_one_inventory_of_the_future_change_no_gate_of_today() {
    let gates = ["stale-policy", "expires-in-7-days", "unknown-servers", "unpinned", "impersonations"];
    let told = |machine: &Machine| {
        let fleet = load_lines(&machine.lines);
        gates.map(|gate| rows(&fleet, gate))
    };
    let mut machine = heard("laptop", 7, 3);
    let floating = Declared { version: None, ..Declared::unknown(OWNER, "npm:rogue") };
    machine.inventory(NOW - 50, "start", std::slice::from_ref(&floating));
    machine.staleness = "stale";
    machine.heartbeat(NOW - 40);
    let before = told(&machine);
    assert_eq!(before[0], named(&[("team", 100.0)]));
    assert_eq!(before[1], named(&[("policy fleet", 3.0)]));
    assert_eq!((before[2].len(), before[3].len()), (1, 1));
    machine.team = "nobody".to_owned();
    (machine.staleness, machine.policy_expires) = ("fresh", Some(NOW + FAR));
    machine.inventory(NOW + FAR, "daily", &[]);
    machine.heartbeat(NOW + FAR);
    assert_eq!(told(&machine), before);
    // a clock that is a little fast is nothing of the kind
    let mut fast = heard("laptop", 7, 3);
    fast.policy_expires = Some(NOW + 5 * DAY);
    fast.heartbeat(NOW + 1_800);
    assert_eq!(told(&fast)[1], named(&[("policy fleet", 5.0)]));
}

/// A drift on so many machines a day ago, allowed under these tickets, after an approval under CHG-1.
fn drift(before: &[(i64, &str)], tickets: &[&str]) -> (u64, u64) {
    let with = |variant, ticket: &str| Declared {
        variant,
        ticket: Some(ticket.to_owned()).filter(|ticket| !ticket.is_empty()),
        ..Declared::approved(OWNER, "npm:@acme/server")
    };
    let mut first = Machine::new("first", "team");
    for (time, ticket) in before {
        first.inventory(*time, "change", &[with(0, ticket)]);
    }
    let mut machines = vec![first];
    for (number, ticket) in tickets.iter().enumerate() {
        let mut machine = Machine::new(&format!("laptop-{number}"), "team");
        machine.inventory(NOW - DAY, "change", &[with(1, ticket)]);
        machines.push(machine);
    }
    let fleet = all(machines);
    let of = |gate| every_row(&fleet, gate, NOW).rows;
    (of("registry-drift"), of("registry-drift-ticketed"))
}

#[test]
fn an_approval_anew_of_long_ago_explains_no_drift_of_today() {
    let old = NOW - 90 * DAY;
    assert_eq!(drift(&[(old, "CHG-1"), (NOW - 60 * DAY, "CHG-2")], &["CHG-2", "CHG-2"]), (1, 0));
    assert_eq!(drift(&[(old, "CHG-1"), (NOW - 10 * DAY, "CHG-2")], &["CHG-2", "CHG-2"]), (0, 1));
    assert_eq!(drift(&[(old, "CHG-1")], &["CHG-1", "CHG-1"]), (1, 0), "the first approval");
    assert_eq!(drift(&[(old, "CHG-1")], &["CHG-2", "CHG-2"]), (0, 1), "it came with the change");
}

#[test]
fn one_machine_with_a_ticket_of_its_own_explains_the_drift_of_no_other() {
    let before = [(NOW - 90 * DAY, "CHG-1")];
    let mut tickets = ["CHG-1"; 31];
    tickets[7] = "CHG-LIE";
    assert_eq!(drift(&before, &tickets), (1, 0));
    tickets[8] = "CHG-LIE";
    assert_eq!(drift(&before, &tickets), (0, 1), "two machines agree");
    assert_eq!(drift(&before, &["CHG-2"]), (0, 1), "it is on one machine only");
}

#[test]
fn one_machine_that_claims_a_newer_policy_makes_no_other_stale() {
    let stale = |liars: usize| {
        let honest = (0..10).map(|number| (format!("laptop-{number}"), 7));
        let lying = (0..liars).map(|number| (format!("liar-{number}"), 999));
        let machines = honest.chain(lying).map(|(id, sequence)| {
            let mut machine = Machine::new(&id, "team");
            machine.sequence = sequence;
            machine.heartbeat(NOW - 2 * DAY);
            machine.heartbeat(NOW - 60);
            machine
        });
        rows(&all(machines.collect()), "stale-policy")[0].1
    };
    assert!(stale(1).abs() < f64::EPSILON);
    assert!(stale(2) > 80.0, "two that agree are a policy");
}

/// Attack: who carries records holds back the heartbeats, which tell how far the other chains are, and lets an event through each hour.
#[test]
fn a_machine_of_which_only_events_arrive_is_silent() {
    let mut machine = heard("kept-quiet", 7, 300);
    machine.lines.clear();
    machine.heartbeat(NOW - 8 * DAY);
    for hour in 0..8 * 24 {
        machine.event(NOW - hour * 3_600, "request-answered", "", "");
    }
    let silent = rows(&all(vec![machine, heard("well", 7, 300)]), "silent-machines");
    assert_eq!(silent[0], ("kept-quiet".to_owned(), 192.0));
    assert!(silent[1].1 < 1.0, "{silent:?}");
}
