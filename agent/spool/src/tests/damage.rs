//! Files that someone or something changed: what is missing is counted once, and no number comes again.

use mcpolicy_schema::report::v1::{Class, Loss};

use super::fault::FaultFs;
use super::world::{World, small};
use crate::{Caps, Cursor, Positions};

const FIRST: &str = "event-0000000000000001.ndjson";

fn roomy() -> Caps {
    Caps { total: 1 << 20, violations: 1 << 19, sent: 1 << 18, segment: 2_000, ..small() }
}

/// Ten records of class event in two segments, all on the disk.
fn ten() -> World {
    let mut world = World::new(1, roomy());
    for _ in 0..10 {
        world.append(Class::Event, 1, 100).unwrap();
        world.sync(Class::Event).unwrap();
    }
    world
}

fn spoil(fs: &FaultFs, file: &str, lines: &[usize]) {
    fs.with(file, |bytes| {
        let starts: Vec<usize> = std::iter::once(0)
            .chain(bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1))
            .filter(|start| bytes.get(*start).is_some_and(|byte| *byte != b'\n'))
            .collect();
        for line in lines {
            bytes[starts[*line] + 30] ^= 1;
        }
    });
}

fn ranges(losses: &[Loss]) -> Vec<(u64, u64, u64)> {
    losses.iter().map(|loss| (loss.first, loss.last, loss.count)).collect()
}

#[test]
fn a_bad_line_in_the_middle_is_counted_once_however_often_the_spool_is_opened() {
    let mut world = ten();
    spoil(&world.fs, FIRST, &[2, 3]);
    let opened = world.recover(false);
    assert_eq!(ranges(&opened.losses), [(3, 4, 2)]);
    assert_eq!(opened.losses[0].reason, "damage");
    world.check();
    for is_power_cut in [false, true] {
        assert!(world.recover(is_power_cut).losses.is_empty());
        world.check();
    }
    assert_eq!(world.counted(), 2);
    let batch = world.reader().batch(Class::Event, &Cursor::default(), 500, 1 << 20).unwrap();
    assert_eq!(batch.lines.iter().map(|line| line.seq).collect::<Vec<_>>(), [1, 2]);
    let batch = world.reader().batch(Class::Event, &batch.next, 500, 1 << 20).unwrap();
    assert_eq!((batch.skipped, batch.lines[0].seq), (Some((3, 4)), 5));
}

#[test]
fn a_reader_passes_over_a_bad_line_before_the_writer_has_seen_it() {
    let world = ten();
    spoil(&world.fs, FIRST, &[0, 4]);
    let batch = world.reader().batch(Class::Event, &Cursor::default(), 500, 1 << 20).unwrap();
    assert_eq!(batch.lines.iter().map(|line| line.seq).collect::<Vec<_>>(), [2, 3, 4]);
    let batch = world.reader().batch(Class::Event, &batch.next, 500, 1 << 20).unwrap();
    assert_eq!((batch.skipped, batch.lines[0].seq), (Some((5, 5)), 6));
}

#[test]
fn after_a_bad_last_line_its_number_does_not_come_again() {
    let mut world = ten();
    let newest = world.fs.names().into_iter().rfind(|name| name.starts_with("event")).unwrap();
    let last = world.fs.with(&newest, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count() / 2 - 1);
    spoil(&world.fs, &newest, &[last]);
    let opened = world.recover(false);
    // how many there were is not known; there were no more than these
    let [loss] = &opened.losses[..] else { panic!("{:?}", opened.losses) };
    assert!(loss.first == 10 && loss.last >= 10 && loss.last < 15);
    world.check();
    assert!(world.recover(true).losses.is_empty());
    let next = world.append(Class::Event, 1, 10).unwrap();
    assert!(next.seq > loss.last);
}

#[test]
fn a_segment_that_someone_removed_is_counted() {
    let mut world = World::new(1, roomy());
    for _ in 0..30 {
        world.append(Class::State, 1, 100).unwrap();
        world.sync(Class::State).unwrap();
    }
    let names: Vec<String> = world.fs.names().into_iter().filter(|name| name.starts_with("state")).collect();
    crate::Files::remove(&mut world.fs, &names[1]).unwrap();
    let opened = world.recover(false);
    let [loss] = &opened.losses[..] else { panic!("{:?}", opened.losses) };
    assert!(loss.of == Class::State && names[1].contains(&loss.first.to_string()) && loss.count > 3);
    world.check();
    assert!(world.recover(false).losses.is_empty());
}

#[test]
fn what_was_delivered_is_not_counted_though_it_is_damaged() {
    let mut world = ten();
    world.deliver(Class::Event, 40);
    spoil(&world.fs, FIRST, &[2]);
    assert!(world.recover(false).losses.is_empty());
    world.check();
}

#[test]
fn a_cleared_spool_is_a_fork_and_so_is_a_cleared_class() {
    let mut world = ten();
    let before = world.spool.as_ref().unwrap().position(Class::Event).epoch;
    for name in world.fs.names().iter().filter(|name| name.starts_with("event")) {
        crate::Files::remove(&mut world.fs, name).unwrap();
    }
    let opened = world.recover(false);
    assert!(opened.begun.contains(&Class::Event));
    let now = world.append(Class::Event, 1, 10).unwrap();
    assert!(now.seq == 1 && now.epoch != before);
}

#[test]
fn a_number_that_was_delivered_is_not_given_again_though_the_end_was_cut_off() {
    let mut world = ten();
    world.deliver(Class::Event, 100);
    let newest = world.fs.names().into_iter().rfind(|name| name.starts_with("event")).unwrap();
    crate::Files::remove(&mut world.fs, &newest).unwrap();
    world.recover(false);
    assert_eq!(world.append(Class::Event, 1, 10).unwrap().seq, 11);
}

#[test]
fn acks_that_are_not_true_are_passed_over() {
    let mut world = ten();
    let spool = world.spool.as_mut().unwrap();
    let epoch = spool.position(Class::Event).epoch;
    for (epoch, seq) in [(epoch.as_str(), 11), (epoch.as_str(), u64::MAX), ("another", 3)] {
        let cursor = Cursor { epoch: epoch.to_owned(), seq };
        spool.delivered(&Positions::from([(Class::Event, cursor)])).unwrap();
    }
    assert_eq!(world.reader().delivered().unwrap(), Positions::new());
}

#[test]
fn a_damaged_file_of_what_is_delivered_is_told_and_stops_nothing() {
    let mut world = ten();
    world.deliver(Class::Event, 50);
    world.fs.with("delivered", |bytes| bytes[12] ^= 1);
    assert!(world.recover(false).is_delivered_lost);
    assert!(world.append(Class::Event, 1, 10).is_ok());
}
