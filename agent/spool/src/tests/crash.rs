//! One story, stopped at each of its calls in each way; and a last line that is torn at each of its bytes.

use std::io::ErrorKind;

use mcpolicy_schema::report::v1::Class;

use super::fault::{Fault, When};
use super::world::{World, small};

/// Uses all that the writer can do. What fails, fails.
fn story(world: &mut World) {
    for round in 0..6 {
        let _ = world.append(Class::State, 5, 400);
        let _ = world.append(Class::Violation, 1, 100);
        let _ = world.append(Class::Event, 1, 200);
        let _ = world.pass_time(600);
        let _ = world.append(Class::ToolCall, 2, 300);
        let _ = world.pass_time(600);
        if round % 2 == 1 {
            world.deliver(Class::State, 60);
            world.deliver(Class::Violation, 50);
        }
        world.sink_reads(Class::Violation);
    }
    let _ = world.append(Class::Violation, 40, 500);
    let _ = world.append(Class::State, 20, 500);
    let _ = world.append(Class::Event, 8, 500);
    let _ = world.sync(Class::Event);
    world.fs.leave_room(500);
    let _ = world.append(Class::Violation, 3, 300);
    let _ = world.append(Class::State, 3, 100);
    let _ = world.pass_time(2_000_000);
}

/// A little of it.
fn go_on(world: &mut World) {
    for class in Class::ALL {
        world.append(class, 2, 200).unwrap();
        world.sync(class).unwrap();
    }
    world.deliver(Class::Event, 70);
    world.append(Class::Violation, 20, 500).unwrap();
}

fn calls() -> u64 {
    let mut world = World::new(7, small());
    let before = world.fs.calls();
    story(&mut world);
    world.fs.calls() - before
}

#[test]
fn the_story_without_a_crash_drops_and_counts() {
    let mut world = World::new(7, small());
    story(&mut world);
    world.recover(false);
    world.check();
    world.drain();
    assert!(world.counted() > 10, "{}", world.counted());
    assert!(calls() > 200, "{}", calls());
}

#[test]
fn a_crash_at_any_call_leaves_a_spool_that_goes_on() {
    for at in 0..calls() {
        for (variant, when) in [When::Before, When::Amid, When::After].into_iter().enumerate() {
            for is_power_cut in [false, true] {
                let mut world = World::new(at * 3 + u64::try_from(variant).unwrap(), small());
                world.fs.plan(at, Fault::Crash(when));
                story(&mut world);
                world.recover(is_power_cut);
                world.check();
                go_on(&mut world);
                world.recover(!is_power_cut);
                world.check();
                world.drain();
            }
        }
    }
}

#[test]
fn a_call_that_fails_anywhere_leaves_a_spool_that_goes_on() {
    for at in 0..calls() {
        for (variant, when) in [When::Before, When::Amid, When::After].into_iter().enumerate() {
            for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
                let mut world = World::new(at * 5 + u64::try_from(variant).unwrap(), small());
                world.fs.plan(at, Fault::Fail(when, kind));
                story(&mut world);
                world.recover(true);
                world.check();
                world.drain();
            }
        }
    }
}

#[test]
fn a_crash_at_any_call_of_the_opening_after_a_crash_leaves_a_spool_that_goes_on() {
    let total = calls();
    for at in (0..total).step_by(7) {
        for again in 0..12 {
            let mut world = World::new(at ^ again, small());
            world.fs.plan(at, Fault::Crash(When::Amid));
            story(&mut world);
            world.fs.no_faults();
            world.fs.cut_power();
            world.forget_taken();
            world.fs.plan(again, Fault::Crash(if again % 2 == 0 { When::After } else { When::Before }));
            drop(world.open());
            world.recover(true);
            world.check();
            world.drain();
        }
    }
}

#[test]
fn a_last_line_torn_at_any_byte_is_gone_or_whole_and_the_numbers_go_on() {
    let file = "event-0000000000000001.ndjson";
    let mut world = World::new(3, small());
    world.append(Class::Event, 1, 20).unwrap();
    world.sync(Class::Event).unwrap();
    let before = world.fs.with(file, |bytes| bytes.len());
    world.append(Class::Event, 1, 20).unwrap();
    let whole = world.fs.with(file, |bytes| bytes.clone());
    for cut in before..=whole.len() {
        world.fs.with(file, |bytes| *bytes = whole[..cut].to_vec());
        let opened = world.recover(false);
        let is_whole = cut == whole.len();
        let is_torn = !is_whole && cut != before;
        assert_eq!(opened.torn, if is_torn { vec![Class::Event] } else { vec![] }, "{cut}");
        assert!(opened.losses.is_empty());
        let position = world.spool.as_ref().unwrap().position(Class::Event);
        assert_eq!(position.seq, if is_whole { 2 } else { 1 }, "cut at {cut}");
        let left: Vec<Vec<u8>> = world.read_all().into_values().collect();
        assert_eq!(left.len(), if is_whole { 2 } else { 1 });
    }
}
