//! What one machine, or one user, does to keep a gate shut.

use mcpolicy_fleet::{Fleet, GateState, SuppliedKind};
use mcpolicy_schema::report::v1::Tier;

use crate::maker::machine::{DAY, Declared, Machine, START};
use crate::support::{give, load_lines};

/// A Wednesday at noon.
const NOW: i64 = START + 9 * DAY + DAY / 2;
const OWNER: &str = "ann";
/// In the night before.
const NIGHT: i64 = NOW - DAY / 2 + 2 * 3_600;

fn fleet(machines: Vec<Machine>) -> Fleet {
    load_lines(&machines.into_iter().flat_map(|machine| machine.lines).collect::<Vec<_>>())
}

fn state(fleet: &Fleet, id: &str) -> GateState {
    let definition = mcpolicy_fleet::definitions().unwrap().into_iter().find(|gate| gate.id == id).unwrap();
    fleet.gate(definition, NOW).unwrap().state
}

fn known(number: usize) -> Declared {
    Declared::approved(OWNER, &format!("npm:@acme/server-{number}"))
}

fn machines(count: usize, write: impl Fn(&mut Machine)) -> Vec<Machine> {
    let one = |number: usize| {
        let mut machine = Machine::new(&format!("laptop-{number}"), "team");
        machine.inventory(START, "start", &[known(0)]);
        write(&mut machine);
        machine
    };
    (0..count).map(one).collect()
}

#[test]
fn one_machine_that_says_it_had_a_worm_long_ago_does_not_make_it_an_old_one() {
    let worm = Declared::unknown(OWNER, "npm:worm");
    let spread = || machines(60, |machine| machine.inventory(NOW - DAY, "daily", &[known(0), worm.clone()]));
    assert_eq!(state(&fleet(spread()), "new-to-fleet"), GateState::Page);
    let liar = |id: &str| {
        let mut machine = Machine::new(id, "team");
        machine.inventory(START - 20 * DAY, "start", std::slice::from_ref(&worm));
        machine
    };
    let mut all = spread();
    all.push(liar("liar"));
    assert_eq!(state(&fleet(all), "new-to-fleet"), GateState::Page);
    let mut all = spread();
    all.extend([liar("one"), liar("two")]);
    assert_eq!(state(&fleet(all), "new-to-fleet"), GateState::Ok, "two agree");
}

#[test]
fn one_machine_that_fights_with_its_user_neither_hides_nor_makes_a_layer_that_fails() {
    let failing =
        |count| machines(count, |machine| machine.action(NOW - 60, "quarantine", "failed", &known(1)));
    let fighting = |outcome: &str, times: i64| {
        let mut machine = Machine::new("fighting", "team");
        for number in 0..times {
            machine.action(NOW - 6_000 + number, "quarantine", outcome, &known(1));
        }
        machine
    };
    let mut all = failing(40);
    all.push(fighting("applied", 5_000));
    assert_eq!(state(&fleet(all), "actions-by-layer"), GateState::Page);
    let mut all = machines(50, |machine| machine.action(NOW - 60, "quarantine", "applied", &known(1)));
    all.push(fighting("failed", 200));
    assert_eq!(state(&fleet(all), "actions-by-layer"), GateState::Look, "one of 51");
}

#[test]
fn one_machine_with_thousands_of_entries_does_not_thin_out_what_was_taken_from_its_team() {
    let taken = Declared::unknown(OWNER, "npm:bad");
    let mut all = machines(20, |machine| machine.action(NOW - 60, "quarantine", "applied", &taken));
    let mut large = Machine::new("large", "team");
    large.inventory(START, "start", &(0..8_000).map(known).collect::<Vec<_>>());
    all.push(large);
    assert_eq!(state(&fleet(all), "quarantine-ratio"), GateState::Page);
}

#[test]
fn a_file_that_was_taken_away_as_a_whole_counts_as_taken() {
    let mut machine = Machine::new("m", "team");
    machine.inventory(START, "start", &(0..4).map(known).collect::<Vec<_>>());
    for number in 0..6 {
        let bad = Declared::unknown(OWNER, &format!("npm:bad-{number}"));
        machine.action(NOW - 60, "quarantine-file", "applied", &bad);
    }
    let gate = crate::support::every_row(&fleet(vec![machine]), "quarantine-ratio", NOW);
    assert_eq!(gate.offenders[0].value, 60.0);
}

#[test]
fn an_account_that_is_gone_is_seen_by_what_was_taken_out_or_ran_at_once() {
    let of = |write: &dyn Fn(&mut Machine)| {
        let mut machine = Machine::new("m", "team");
        machine.inventory(START, "start", &[]);
        write(&mut machine);
        let fleet = fleet(vec![machine]);
        give(&fleet, SuppliedKind::Offboarded, "owner,since", &[format!("{OWNER},{}", NOW - 2 * DAY)]);
        state(&fleet, "offboarded")
    };
    let planted = Declared::unknown(OWNER, "npm:planted");
    assert_eq!(of(&|machine| machine.action(NOW - DAY, "quarantine", "applied", &planted)), GateState::Page);
    assert_eq!(of(&|machine| machine.event(NOW - DAY, "server-ended", OWNER, "planted")), GateState::Page);
    assert_eq!(of(&|machine| machine.action(NOW - DAY, "restore", "applied", &planted)), GateState::Ok);
    assert_eq!(
        of(&|machine| machine.action(NOW - 3 * DAY, "quarantine", "applied", &planted)),
        GateState::Ok
    );
}

#[test]
fn a_server_that_is_started_by_a_flag_before_it_is_declared_at_night_is_seen() {
    let rogue: Vec<Declared> =
        (0..12).map(|number| Declared::unknown(OWNER, &format!("npm:rogue-{number}"))).collect();
    // a minute before, and at noon of the day before
    for started in [NIGHT - 60, NOW - DAY] {
        let mut machine = Machine::new("m", "team");
        machine.inventory(START, "start", &[known(0)]);
        for one in &rogue {
            machine.running(started, "undeclared-server", one);
        }
        machine.inventory(NIGHT, "change", &rogue);
        assert_eq!(state(&fleet(vec![machine]), "outside-hours"), GateState::Page, "{started}");
    }
    let mut machine = Machine::new("m", "team");
    machine.inventory(NIGHT, "start", &[known(0)]);
    for one in &rogue {
        machine.running(NIGHT + 60, "undeclared-server", one);
    }
    assert_eq!(state(&fleet(vec![machine]), "outside-hours"), GateState::Ok, "who knows since when it ran");
}

#[test]
fn a_change_of_the_privacy_tier_makes_no_server_new() {
    let all: Vec<Declared> = (0..20).map(known).collect();
    let hashed: Vec<Declared> = all
        .iter()
        .enumerate()
        .map(|(number, one)| Declared { identity: format!("npm:{number:016x}"), ..one.clone() })
        .collect();
    let mut lines = Vec::new();
    for number in 0..60 {
        let mut machine = Machine::new(&format!("laptop-{number}"), "team");
        machine.inventory(START, "start", &all);
        machine.tier = Tier::Outcomes;
        machine.inventory(NOW - 60, "daily", &hashed);
        // the fingerprint is that of the declaration, whatever it is called
        for (hashed, plain) in hashed.iter().zip(&all) {
            for line in &mut machine.lines {
                *line = line.replace(&hashed.fingerprint(), &plain.fingerprint());
            }
        }
        lines.extend(machine.lines);
    }
    let fleet = load_lines(&lines);
    assert_eq!(state(&fleet, "new-to-machine"), GateState::Ok);
    assert_eq!(state(&fleet, "new-to-fleet"), GateState::Ok);
}
