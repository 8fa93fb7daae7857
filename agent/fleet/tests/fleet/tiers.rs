//! What is left of records in each privacy tier still answers the same questions.

use std::collections::BTreeMap;

use mcpolicy_schema::report::privacy::{Person, Privacy};
use mcpolicy_schema::report::v1::Tier;

use crate::maker::fleet::{NOW, owner};
use crate::support::{every_row, lines, load_lines};

const MACHINES: usize = 100;
/// The key of the fleet.
const KEY: &[u8] = &[7; 32];

/// The lines as they leave machines whose policy has this tier.
fn hidden(tier: Tier) -> Vec<String> {
    let people: Vec<Person> = (0..MACHINES)
        .map(|number| Person { user: owner(number), home: format!("/home/{}", owner(number)) })
        .collect();
    let privacy = Privacy::new(tier, KEY, &people);
    let of = |line: &String| {
        let mut value = serde_json::from_str(line).unwrap();
        privacy.apply(&mut value);
        serde_json::to_string(&value).unwrap()
    };
    lines(MACHINES).iter().map(of).collect()
}

/// The values of each gate, whatever their subjects are called.
fn values(lines: &[String]) -> BTreeMap<String, Vec<String>> {
    let fleet = load_lines(lines);
    assert_eq!((fleet.counts.refused, fleet.counts.unknown_kinds), (0, 0), "{:?}", fleet.problems);
    let of = |id: &str| {
        let mut values: Vec<String> =
            every_row(&fleet, id, NOW).offenders.iter().map(|one| format!("{:.6}", one.value)).collect();
        values.sort();
        values
    };
    mcpolicy_fleet::definitions().unwrap().into_iter().map(|gate| (gate.id.clone(), of(&gate.id))).collect()
}

#[test]
fn every_gate_has_the_same_values_whatever_names_are_hidden() {
    let full = values(&hidden(Tier::Full));
    assert!(full.values().filter(|values| !values.is_empty()).count() > 12, "{full:?}");
    assert_eq!(values(&hidden(Tier::Pseudonymous)), full);
    assert_eq!(values(&hidden(Tier::Outcomes)), full);
}
