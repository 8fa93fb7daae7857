//! A server that was taken out or ended at once is in no inventory, and counts all the same.

use mcpolicy_fleet::{Fleet, GateState};
use mcpolicy_schema::finding::Severity;

use crate::maker::machine::{DAY, Declared, Machine, START};
use crate::support::{every_row, load_lines};

/// A Wednesday at noon.
const NOW: i64 = START + 9 * DAY + DAY / 2;
const OWNER: &str = "ann";

fn impostor() -> Declared {
    let finding = Some(("impersonation", Severity::Critical));
    Declared { server: "github".to_owned(), finding, ..Declared::unknown(OWNER, "npm:githubb") }
}

/// A machine that is known of old, with nothing wrong in what it declares.
fn clean(id: &str) -> Machine {
    let mut machine = Machine::new(id, "team");
    machine.inventory(START, "start", &[Declared::approved(OWNER, "npm:@acme/server")]);
    machine
}

fn value(fleet: &Fleet, gate: &str) -> f64 {
    every_row(fleet, gate, NOW).offenders.first().map_or(0.0, |one| one.value)
}

#[test]
fn an_impersonation_that_was_taken_out_at_once_pages() {
    let state = |machine: &Machine| {
        let definitions = mcpolicy_fleet::definitions().unwrap();
        let definition = definitions.into_iter().find(|gate| gate.id == "impersonations").unwrap();
        load_lines(&machine.lines).gate(definition, NOW).unwrap().state
    };
    assert_eq!(state(&clean("laptop")), GateState::Ok);
    let mut taken = clean("laptop");
    taken.action(NOW - 600, "quarantine", "applied", &impostor());
    taken.inventory(NOW - 590, "change", &[Declared::approved(OWNER, "npm:@acme/server")]);
    assert_eq!(state(&taken), GateState::Page);
    let mut ended = clean("laptop");
    ended.running(NOW - 600, "server-ended", &impostor());
    assert_eq!(state(&ended), GateState::Page);
    let mut long_ago = clean("laptop");
    long_ago.action(NOW - 2 * DAY, "quarantine", "applied", &impostor());
    assert_eq!(state(&long_ago), GateState::Ok, "it was told in its own window");
}

#[test]
fn a_machine_of_which_finding_action_and_event_tell_counts_once() {
    let mut first = Machine::new("first", "team");
    first.inventory(NOW - 700, "start", &[impostor()]);
    first.action(NOW - 600, "quarantine", "failed", &impostor());
    first.action(NOW - 500, "quarantine", "failed", &impostor());
    first.running(NOW - 400, "server-ended", &impostor());
    let mut second = Machine::new("second", "team");
    second.action(NOW - 600, "quarantine", "applied", &impostor());
    let fleet = load_lines(&[first.lines, second.lines].concat());
    let gate = every_row(&fleet, "impersonations", NOW);
    assert_eq!((gate.rows, gate.offenders[0].subject.as_str(), gate.offenders[0].value), (1, "github", 2.0));
}

#[test]
fn what_was_taken_out_or_ended_at_once_is_unknown_and_new() {
    let gates = ["unknown-servers", "new-to-fleet", "new-to-machine", "new-to-user"];
    let values = |machine: &Machine| gates.map(|gate| value(&load_lines(&machine.lines), gate));
    assert_eq!(values(&clean("laptop")), [0.0; 4]);
    let mut machine = clean("laptop");
    machine.action(NOW - 600, "quarantine", "applied", &Declared::unknown(OWNER, "npm:rogue"));
    assert_eq!(values(&machine), [1.0; 4], "by an action");
    // the same server once more is no other one
    machine.running(NOW - 500, "server-ended", &Declared::unknown(OWNER, "npm:rogue"));
    assert_eq!(values(&machine), [1.0; 4]);
    let mut machine = clean("laptop");
    machine.running(NOW - 600, "undeclared-server", &Declared::unknown(OWNER, "npm:by-flag"));
    assert_eq!(values(&machine), [1.0; 4], "by an event");
    let mut machine = clean("laptop");
    let pinned = Declared { finding: Some(("version-not-allowed", Severity::Medium)), ..known() };
    machine.action(NOW - 600, "pin", "applied", &pinned);
    assert_eq!(values(&machine), [0.0; 4], "a rule is about it, and it was there before");
}

fn known() -> Declared {
    Declared::approved(OWNER, "npm:@acme/server")
}

#[test]
fn what_was_taken_out_at_night_counts_unless_a_scan_found_it() {
    let night = NOW - DAY / 2 + 2 * 3_600;
    let rogue = Declared::unknown(OWNER, "npm:rogue");
    let mut machine = clean("laptop");
    machine.action(night, "quarantine", "applied", &rogue);
    machine.inventory(night + 10, "change", &[known()]);
    assert_eq!(value(&load_lines(&machine.lines), "outside-hours"), 1.0);
    let mut machine = clean("laptop");
    machine.action(night, "quarantine", "applied", &rogue);
    machine.inventory(night + 10, "daily", &[known()]);
    assert_eq!(
        value(&load_lines(&machine.lines), "outside-hours"),
        0.0,
        "nobody knows since when it was there"
    );
    let mut machine = clean("laptop");
    machine.action(NOW - 600, "quarantine", "applied", &rogue);
    assert_eq!(value(&load_lines(&machine.lines), "outside-hours"), 0.0, "at day");
}

#[test]
fn a_place_that_was_acted_on_counts_once_whether_it_is_still_there_or_not() {
    for (gate, code) in [("registry-override", "registry-override"), ("literal-secrets", "literal-secret")] {
        let found = Declared { finding: Some((code, Severity::High)), ..known() };
        let mut gone = clean("laptop");
        gone.action(NOW - 600, "quarantine", "applied", &found);
        gone.action(NOW - 500, "quarantine", "applied", &found);
        assert_eq!(value(&load_lines(&gone.lines), gate), 1.0);
        gone.inventory(NOW - 400, "change", &[found]);
        assert_eq!(value(&load_lines(&gone.lines), gate), 1.0);
    }
}
