//! What goes when there is no room, and in which order.

use std::collections::BTreeMap;

use mcpolicy_schema::report::v1::Class;

use super::world::{World, small};
use crate::{Caps, SpoolError};

fn counts(world: &mut World) -> BTreeMap<Class, usize> {
    let mut counts = BTreeMap::new();
    for id in world.read_all().into_keys() {
        *counts.entry(id.0).or_default() += 1;
    }
    counts
}

#[test]
fn violations_have_room_that_nothing_else_takes_and_push_the_others_out() {
    let mut world = World::new(1, small());
    world.append(Class::Event, 6, 200).unwrap();
    world.append(Class::State, 80, 200).unwrap();
    for class in Class::ALL {
        world.sync(class).unwrap();
    }
    let spool = world.spool.as_ref().unwrap();
    assert!(spool.bytes() <= 14_000, "{}", spool.bytes());
    let before = counts(&mut world);
    // the oldest inventories went, events did not
    assert!(before[&Class::State] < 40 && before[&Class::Event] > 6);
    world.append(Class::Violation, 100, 200).unwrap();
    let after = counts(&mut world);
    assert!(after[&Class::Violation] > 30, "{after:?}");
    assert!(after[&Class::State] <= 6);
    let spool = world.spool.as_ref().unwrap();
    assert!(spool.bytes() <= 24_000 + 1_000, "{}", spool.bytes());
    world.recover(true);
    world.check();
}

#[test]
fn calls_of_tools_push_out_each_other_and_nothing_else_and_what_went_is_counted() {
    let mut world = World::new(1, Caps { total: 60_000, tool_calls: 12_000, ..small() });
    world.append(Class::State, 8, 200).unwrap();
    world.append(Class::Event, 6, 200).unwrap();
    world.append(Class::Violation, 4, 200).unwrap();
    for _ in 0..30 {
        world.append(Class::ToolCall, 5, 200).unwrap();
        world.sync(Class::ToolCall).unwrap();
    }
    for class in Class::ALL {
        world.sync(class).unwrap();
    }
    let left = counts(&mut world);
    assert_eq!((left[&Class::State], left[&Class::Violation]), (8, 4), "{left:?}");
    assert!((5..40).contains(&left[&Class::ToolCall]) && left[&Class::Event] >= 6, "{left:?}");
    assert_eq!(world.counted() as usize, 150 - left[&Class::ToolCall]);
    world.recover(true);
    world.check();
}

#[test]
fn what_is_delivered_goes_first_and_is_no_loss() {
    let mut world = World::new(1, small());
    world.append(Class::Event, 30, 200).unwrap();
    world.sync(Class::Event).unwrap();
    world.deliver(Class::Event, 100);
    world.append(Class::State, 28, 200).unwrap();
    world.sync(Class::State).unwrap();
    assert_eq!(world.counted(), 0);
    assert_eq!(counts(&mut world)[&Class::State], 28);
}

#[test]
fn delivered_segments_stay_to_be_shown_as_far_as_their_cap() {
    let mut world = World::new(1, Caps { sent: 4_000, ..small() });
    world.append(Class::State, 30, 200).unwrap();
    world.sync(Class::State).unwrap();
    world.deliver(Class::State, 100);
    let left = world.spool.as_ref().unwrap().bytes();
    assert!((2_000..=7_000).contains(&left), "{left}");
    assert_eq!(world.counted(), 0);
}

#[test]
fn on_a_full_disk_violations_are_written_and_the_rest_is_refused_until_there_is_room() {
    let mut world = World::new(1, small());
    world.append(Class::State, 1, 100).unwrap();
    world.fs.leave_room(100);
    assert!(world.append(Class::State, 3, 100).unwrap_err().is_disk_full());
    for _ in 0..8 {
        world.append(Class::Violation, 1, 100).unwrap();
    }
    assert!(world.spool.as_ref().unwrap().is_short());
    assert!(!world.fs.names().contains(&"reserve".to_owned()));
    assert!(matches!(world.append(Class::Event, 1, 10), Err(SpoolError::Short)));
    world.pass_time(2_000_000).unwrap();
    assert!(world.spool.as_ref().unwrap().is_short(), "there is no room for the reserve yet");
    world.fs.no_faults();
    world.pass_time(2_000_000).unwrap();
    assert!(!world.spool.as_ref().unwrap().is_short());
    world.append(Class::Event, 1, 10).unwrap();
    world.recover(true);
    world.check();
}

#[test]
fn a_record_that_is_none_or_too_long_is_refused_and_takes_no_number() {
    let mut world = World::new(1, small());
    let spool = world.spool.as_mut().unwrap();
    let before = spool.position(Class::Event);
    let long = spool.append(Class::Event, 0, &mut |chain| super::world::record(chain, 0, 1000));
    assert!(matches!(long, Err(SpoolError::TooLong { most: 900, .. })));
    for text in [
        "",
        "{}",
        "[1]",
        "{\"chain\":\n{}}",
        "{\"spool\":\"hole\"}",
        "{\"chain\":{\"epoch\":\"x\",\"seq\":9,\"prev\":\"\"}}",
    ] {
        let none = spool.append(Class::Event, 0, &mut |_| text.as_bytes().to_vec());
        assert!(matches!(none, Err(SpoolError::NoRecord(_))), "{text}");
    }
    assert_eq!(spool.position(Class::Event), before);
}

#[test]
fn records_that_are_no_violations_are_on_the_disk_within_a_second_whatever_the_clock_does() {
    let mut world = World::new(1, small());
    world.append(Class::Event, 1, 10).unwrap();
    assert_eq!(world.spool.as_ref().unwrap().due(), Some(world.now + 1000));
    world.pass_time(999).unwrap();
    assert!(world.read_all().is_empty());
    world.pass_time(1).unwrap();
    assert_eq!(world.read_all().len(), 1);
    world.append(Class::Event, 1, 10).unwrap();
    world.now -= 900_000;
    world.pass_time(0).unwrap();
    assert_eq!(world.read_all().len(), 2);
    assert_eq!(world.spool.as_ref().unwrap().due(), None);
}
