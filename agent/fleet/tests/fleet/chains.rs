//! The proof that nothing is missing.

use mcpolicy_fleet::Fault;
use mcpolicy_schema::report::v1::{Body, Class, Event, Loss};
use proptest::prelude::*;

use crate::maker::fleet::Plan;
use crate::maker::machine::{Machine, START};
use crate::support::{lines, load_lines};

fn of_state(machine: &Machine) -> Vec<usize> {
    let is_state = |line: &&String| line.contains("\"class\":\"state\"");
    machine.lines.iter().enumerate().filter(|(_, line)| is_state(line)).map(|(at, _)| at).collect()
}

fn faults(lines: &[String]) -> Vec<Fault> {
    let checked = load_lines(lines).check(None).unwrap();
    checked.chains_with_faults.into_iter().flat_map(|chain| chain.faults).collect()
}

#[test]
fn a_fleet_whose_records_all_arrived_has_no_hole() {
    let checked = load_lines(&lines(40)).check(None).unwrap();
    assert_eq!((checked.faulty, checked.dropped), (0, 0), "{:?}", checked.chains_with_faults);
    assert!(checked.chains >= 40 && checked.records > 500, "{checked:?}");
}

#[test]
fn records_that_did_not_arrive_are_told_by_their_numbers() {
    let machine = Plan::of(0).machine();
    let mut lines = machine.lines.clone();
    let state = of_state(&machine);
    for at in [state[4], state[3], state[0]] {
        lines.remove(at);
    }
    assert_eq!(faults(&lines), [Fault::Missing { first: 1, last: 1 }, Fault::Missing { first: 4, last: 5 }]);
}

#[test]
fn records_that_the_machine_tells_it_dropped_are_no_hole() {
    let mut machine = Plan::of(9).machine();
    machine.lose(START, Class::State, 5);
    machine.heartbeat(START);
    let checked = load_lines(&machine.lines).check(None).unwrap();
    assert_eq!((checked.faulty, checked.dropped), (0, 5), "{:?}", checked.chains_with_faults);
    // and without that word they are, as is the word itself, of which a heartbeat tells
    let lines: Vec<String> =
        machine.lines.iter().filter(|line| !line.contains("\"kind\":\"gap\"")).cloned().collect();
    let missing = faults(&lines);
    assert!(
        matches!(missing.as_slice(), [Fault::Missing { first: 1, last: 1 }, Fault::Missing { first, last }] if last - first == 4),
        "{missing:?}"
    );
}

#[test]
fn a_record_that_was_changed_on_its_way_is_found_by_the_next() {
    let machine = Plan::of(3).machine();
    let at = of_state(&machine)[2];
    let mut lines = machine.lines.clone();
    lines[at] = lines[at].replace("\"disabled\":false", "\"disabled\":true");
    assert_ne!(lines, machine.lines);
    assert_eq!(faults(&lines), [Fault::Forged { seq: 3 }]);
}

#[test]
fn a_second_record_with_a_number_that_is_taken_is_found() {
    let machine = Plan::of(3).machine();
    let at = of_state(&machine)[2];
    let mut lines = machine.lines;
    lines.push(lines[at].replace("\"disabled\":false", "\"disabled\":true"));
    let found = faults(&lines);
    assert!(found.contains(&Fault::Twice { seq: 3 }), "{found:?}");
}

#[test]
fn a_spool_that_began_anew_is_told() {
    let first = Plan::of(3).machine();
    let epoch = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["chain"]["epoch"].as_str().unwrap().to_owned()
    };
    let old = epoch(&first.lines[0]);
    // what is written from the beginning again, under another epoch: ids differ, the links hold only for the first line
    let again = first.lines[0].replace(&old, "00000000000000aa");
    let mut lines = first.lines;
    lines.push(again);
    assert_eq!(faults(&lines), [Fault::Epochs { count: 2 }]);
}

/// A machine with nine violations, of which those on the way lose some.
fn violated() -> Machine {
    let mut machine = Machine::new("m", "t");
    machine.heartbeat(START);
    for number in 0..9 {
        machine.event(START + number, "server-ended", "ann", "bad");
    }
    machine
}

/// A `gap` record as a forger writes it, at a place of the event chain that hangs on nothing.
fn forged_gap(machine: &Machine, first: u64, last: u64, count: u64) -> Machine {
    let mut forger = Machine::new("m", "t");
    let of: serde_json::Value = serde_json::from_str(machine.lines.last().unwrap()).unwrap();
    let epoch = of["chain"]["epoch"].as_str().unwrap().to_owned();
    let loss = Loss { of: Class::Violation, epoch, first, last, count, reason: "room".to_owned() };
    forger.write(Class::Event, START, Body::Gap(loss));
    forger
}

#[test]
fn a_gap_that_cannot_be_true_hides_nothing() {
    let machine = violated();
    // the violations 4 to 6 are deleted on their way
    let mut lines = machine.lines.clone();
    lines.drain(4..7);
    let missing = Fault::Missing { first: 4, last: 6 };
    for (first, last, count) in [(4, 6, 2), (4, 1_000_000, 999_997), (1, 0, 0), (0, 6, 7)] {
        let mut all = lines.clone();
        all.extend(forged_gap(&machine, first, last, count).lines);
        let found = faults(&all);
        let told = Fault::FalseGap { first: first.cast_signed(), last: last.cast_signed() };
        assert_eq!(found, [told, missing.clone()]);
    }
    // true in its numbers, in a record that hangs on nothing or has the number of another
    let gap = forged_gap(&machine, 4, 6, 3).lines.remove(0);
    let loose = gap.replace("\"seq\":1", "\"seq\":9").replace(&"0".repeat(64), &"ab".repeat(32));
    assert_ne!(loose, gap);
    let mut twice = lines.clone();
    twice.extend([gap.clone(), gap.replace("room", "damage").replace("m.event", "m2.event")]);
    let mut alone = lines.clone();
    alone.push(loose);
    for all in [twice, alone] {
        let found = faults(&all);
        assert!(
            found.contains(&missing) && found.contains(&Fault::FalseGap { first: 4, last: 6 }),
            "{found:?}"
        );
    }
}

#[test]
fn violations_that_were_dropped_are_told_by_machine_even_where_the_machine_says_so() {
    let machine = violated();
    let mut lines = machine.lines.clone();
    lines.drain(4..7);
    lines.extend(forged_gap(&machine, 4, 6, 3).lines);
    let checked = load_lines(&lines).check(None).unwrap();
    assert_eq!((checked.faulty, checked.dropped, checked.dropped_violations), (0, 3, 3), "{checked:?}");
    let drop = &checked.drops[0];
    assert_eq!((drop.device.as_str(), drop.class.as_str(), drop.records), ("m", "violation", 3));
    // also where nothing else of that class arrived
    let lines = [machine.lines[0].clone(), forged_gap(&machine, 1, 9, 9).lines.remove(0)];
    let checked = load_lines(&lines).check(None).unwrap();
    assert_eq!((checked.faulty, checked.dropped_violations), (0, 9), "{checked:?}");
}

/// Each hole between two records is told by a gap of its own.
#[test]
fn twenty_thousand_gaps_are_gone_through_once() {
    let mut machine = Machine::new("m", "t");
    machine.heartbeat(START);
    for number in 0..20_000 {
        machine.lose(START + number, Class::State, 1);
        machine.heartbeat(START + number);
    }
    let fleet = load_lines(&machine.lines);
    let began = std::time::Instant::now();
    let checked = fleet.check(None).unwrap();
    assert_eq!((checked.faulty, checked.dropped), (0, 20_000));
    // a second and less; each hole with all gaps took minutes
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}

/// Numbers at which arithmetic goes wrong, and others.
fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(i64::MAX as u64), Just(i64::MAX as u64 - 1), 0_u64..9]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_numbers_a_machine_says_the_proof_ends(
        said in proptest::collection::vec((numbers(), numbers(), numbers(), 0..2_u8), 1..12)
    ) {
        let lines: Vec<String> = said
            .iter()
            .map(|(seq, first, last, epoch)| format!(
                r#"{{"schema":"mcpolicy/report/v1","id":"m.{seq}.{first}.{epoch}","class":"state","device":{{"id":"m","os":"linux"}},
                "agent":{{"name":"mcpolicy","version":"1"}},"chain":{{"epoch":"e{epoch}","seq":{seq},"prev":"{last}"}},
                "time":"2026-11-02T00:00:00Z","privacy":"full","kind":"gap","of":"state","epoch":"e{epoch}","first":{first},
                "last":{last},"count":{last},"reason":"room"}}"#
            ).replace('\n', " "))
            .collect();
        let fleet = load_lines(&lines);
        prop_assert_eq!(fleet.counts.refused, 0);
        prop_assert!(fleet.check(None).unwrap().chains == 1);
    }
}

/// Attack: who carries records holds back the last violations, so that no number after them is missing.
#[test]
fn the_end_of_a_chain_that_was_held_back_is_known_by_the_heartbeats_behind_it() {
    let mut machine = violated();
    for minutes in [5, 20] {
        machine.heartbeat(START + minutes * 60);
    }
    let lines = machine.lines;
    assert_eq!(faults(&lines), []);
    let mut held = lines;
    held.drain(6..10);
    assert_eq!(faults(&held), [Fault::Missing { first: 6, last: 9 }]);
    // all of them
    held.drain(1..6);
    let checked = load_lines(&held).check(None).unwrap();
    assert_eq!((checked.faulty, checked.chains_with_faults[0].missing), (1, 9), "{checked:?}");
    assert_eq!(checked.chains_with_faults[0].class, "violation");
}

/// Mistake: who copies one file after the other has a heartbeat, and not yet what left before it.
#[test]
fn what_the_last_heartbeat_alone_names_may_still_be_on_its_way() {
    let mut machine = violated();
    machine.heartbeat(START + 5 * 60);
    let mut lines = machine.lines;
    lines.drain(6..10);
    assert_eq!(faults(&lines), []);
}

/// Mistake: a clock that was ahead for one record made every heartbeat count at once.
#[test]
fn a_record_of_a_time_that_has_not_come_hears_no_machine() {
    let mut machine = violated();
    machine.heartbeat(START + 5 * 60);
    let jump = Event { code: "clock-jump".to_owned(), ..Event::default() };
    machine.write(Class::Event, START + 900 * 365 * 86_400, Body::Event(jump));
    let mut lines = machine.lines;
    lines.drain(6..10);
    assert_eq!(faults(&lines), []);
}

#[test]
fn the_end_of_a_chain_that_the_machine_itself_dropped_is_no_fault() {
    let mut machine = violated();
    machine.lose(START + 10, Class::Violation, 3);
    for minutes in [5, 20] {
        machine.heartbeat(START + minutes * 60);
    }
    let checked = load_lines(&machine.lines).check(None).unwrap();
    assert_eq!((checked.faulty, checked.dropped_violations), (0, 3), "{checked:?}");
}

#[test]
fn of_a_window_only_the_ends_are_asked_for_that_were_written_in_it() {
    let mut machine = violated();
    for minutes in [60, 75] {
        machine.heartbeat(START + minutes * 60);
    }
    for number in 0..3 {
        machine.event(START + 80 * 60 + number, "server-ended", "ann", "bad");
    }
    for minutes in [90, 105] {
        machine.heartbeat(START + minutes * 60);
    }
    let since = Some(START + 60 * 60);
    let faults = |lines: &[String]| {
        let checked = load_lines(lines).check(since).unwrap();
        checked.chains_with_faults.into_iter().flat_map(|chain| chain.faults).collect::<Vec<_>>()
    };
    assert_eq!(faults(&machine.lines), []);
    // the nine before the window need not be there, whether or not others are
    let window = machine.lines[10..].to_vec();
    assert_eq!(faults(&window), []);
    let quiet: Vec<String> = machine.lines[10..12].to_vec();
    assert_eq!(faults(&quiet), []);
    let is_other = |line: &&String| !line.contains("\"id\":\"m.violation.");
    // of the window none, with those of before and without
    let rest: Vec<String> = window.iter().filter(is_other).cloned().collect();
    assert_eq!(faults(&rest), [Fault::Missing { first: 10, last: 12 }]);
    let with_older = [&machine.lines[..10], &rest].concat();
    assert_eq!(faults(&with_older), [Fault::Missing { first: 10, last: 12 }]);
    // the last one of three
    let mut held = machine.lines.clone();
    held.remove(14);
    assert_eq!(faults(&held), [Fault::Missing { first: 12, last: 12 }]);
}

/// Retention takes the oldest files away: what is left is a window, and no fault.
#[test]
fn a_window_has_no_fault_at_its_beginning_and_is_proved_from_there_on() {
    let mut machine = Machine::new("m", "t");
    for number in 0..10 {
        machine.heartbeat(START + number * 60);
    }
    let kept = &machine.lines[5..];
    let since = Some(START + 5 * 60);
    assert_eq!(load_lines(kept).check(None).unwrap().faulty, 1);
    let checked = load_lines(kept).check(since).unwrap();
    assert_eq!((checked.faulty, checked.records), (0, 5));
    let checked = load_lines(&machine.lines).check(since).unwrap();
    assert_eq!((checked.faulty, checked.records), (0, 5), "older ones are there and not asked for");
    let mut holed = kept.to_vec();
    holed.remove(2);
    assert_eq!(load_lines(&holed).check(since).unwrap().faulty, 1);
}

#[test]
fn reports_that_were_delivered_once_each_are_chains_of_their_own() {
    let once = |epoch: &str, time: i64| {
        let mut machine = Machine::new("m", "t");
        machine.inventory(time, "scan", &[]);
        let line = machine.lines.remove(0);
        let mut value: serde_json::Value = serde_json::from_str(&line).unwrap();
        value["id"] = format!("m.scan.{epoch}.1").into();
        value["chain"]["epoch"] = epoch.into();
        value.to_string()
    };
    let both = [once("0011", START), once("2233", START + 60)];
    assert_eq!(load_lines(&both).check(None).unwrap().faulty, 0);
    let other = both.each_ref().map(|line| line.replace("m.scan.", "m.state."));
    assert_eq!(load_lines(&other).check(None).unwrap().faulty, 1, "of a spool that began anew");
}
