//! Random sequences of documents, clocks and crashes: no lower sequence is ever accepted, nothing of a dishonest
//! publisher comes into force, and what is in force never disappears.

use proptest::prelude::*;

use super::world::{Step, World};

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(|revocations| Step::Publish { revocations }),
        1 => Just(Step::Rotate),
        2 => (0usize..20).prop_map(|which| Step::Replay { which }),
        2 => any::<u8>().prop_map(|which| Step::Tamper { which }),
        1 => (0usize..20, 0usize..20).prop_map(|(one, other)| Step::Mix { one, other }),
        1 => Just(Step::FormerKeys),
        1 => Just(Step::Expired),
        1 => (0i64..400).prop_map(|hours| Step::Wait { hours }),
        1 => Just(Step::Restart),
        3 => (0usize..40, any::<bool>()).prop_map(|(steps, names_lost)| Step::Crash { steps, names_lost }),
    ]
}

fn step_or_clock() -> impl Strategy<Value = Step> {
    prop_oneof![12 => step(), 2 => (-20_000i64..20_000).prop_map(|hours| Step::SetClock { hours })]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_documents_and_crashes_lowers_or_loses_a_policy(steps in prop::collection::vec(step(), 1..30)) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.step(step));
        let published = steps.iter().filter(|step| matches!(step, Step::Publish { .. })).count();
        prop_assert_eq!(world.accepted, published);
    }

    #[test]
    fn nor_does_any_clock(steps in prop::collection::vec(step_or_clock(), 1..30)) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.step(step));
    }
}
