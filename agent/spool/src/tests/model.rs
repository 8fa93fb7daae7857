//! Anything that happens to a spool, in any order.

use std::io::ErrorKind;

use mcpolicy_schema::report::v1::Class;
use proptest::prelude::*;

use super::fault::{Fault, When};
use super::world::{World, small};

#[derive(Debug, Clone)]
enum Step {
    Append { class: Class, count: usize, size: usize },
    Sync(Class),
    Time(u64),
    Deliver { class: Class, part: usize },
    SinkReads(Class),
    Fail { from_now: u64, when: When, kind: ErrorKind },
    Crash { from_now: u64, when: When },
    Full { room: usize },
    FreeRoom,
    Restart { is_power_cut: bool },
}

fn class() -> impl Strategy<Value = Class> {
    prop::sample::select(Class::ALL.to_vec())
}

fn when() -> impl Strategy<Value = When> {
    prop::sample::select(vec![When::Before, When::Amid, When::After])
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = prop::sample::select(vec![ErrorKind::Other, ErrorKind::StorageFull]);
    prop_oneof![
        10 => (class(), 1..9_usize, 0..600_usize).prop_map(|(class, count, size)| Step::Append { class, count, size }),
        3 => class().prop_map(Step::Sync),
        3 => (0..3000_u64).prop_map(Step::Time),
        2 => (class(), 1..=100_usize).prop_map(|(class, part)| Step::Deliver { class, part }),
        2 => class().prop_map(Step::SinkReads),
        2 => (0..20_u64, when(), kinds).prop_map(|(from_now, when, kind)| Step::Fail { from_now, when, kind }),
        2 => (0..30_u64, when()).prop_map(|(from_now, when)| Step::Crash { from_now, when }),
        1 => (0..8000_usize).prop_map(|room| Step::Full { room }),
        1 => Just(Step::FreeRoom),
        1 => any::<bool>().prop_map(|is_power_cut| Step::Restart { is_power_cut }),
    ]
}

/// Errors are part of it: what they leave is checked.
fn run(world: &mut World, step: &Step) {
    match *step {
        Step::Append { class, count, size } => drop(world.append(class, count, size)),
        Step::Sync(class) => drop(world.sync(class)),
        Step::Time(ms) => drop(world.pass_time(ms)),
        Step::Deliver { class, part } => world.deliver(class, part),
        Step::SinkReads(class) => drop(world.sink_reads(class)),
        Step::Fail { from_now, when, kind } => world.fs.plan(from_now, Fault::Fail(when, kind)),
        Step::Crash { from_now, when } => world.fs.plan(from_now, Fault::Crash(when)),
        Step::Full { room } => world.fs.leave_room(room),
        Step::FreeRoom | Step::Restart { .. } => world.fs.no_faults(),
    }
}

fn settle(world: &mut World, is_power_cut: bool) {
    world.recover(is_power_cut);
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_no_promised_record_is_lost_uncounted_and_no_number_comes_twice(
        seed: u64,
        cuts in prop::collection::vec(any::<bool>(), 40),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new(seed, small());
        let mut cuts = cuts.into_iter().cycle();
        for step in &steps {
            run(&mut world, step);
            // a crash may come in the opening after a crash too
            while world.fs.is_off() {
                if cuts.next().unwrap() { world.fs.cut_power() } else { world.fs.restart() }
                world.forget_taken();
                drop(world.open());
            }
            if world.spool.is_none() {
                settle(&mut world, false);
            }
            if let Step::Restart { is_power_cut } = step {
                settle(&mut world, *is_power_cut);
            }
        }
        settle(&mut world, true);
        world.drain();
    }
}
