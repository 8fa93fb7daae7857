//! The answers of every gate on a generated fleet are those that its plan counts.

use std::collections::BTreeMap;

use crate::maker::fleet::{NOW, key};
use crate::support::{every_row, generated};

#[test]
fn every_gate_answers_what_the_plan_of_the_fleet_says() {
    const MACHINES: usize = 240;
    let fleet = generated(MACHINES);
    let key = key(MACHINES);
    for definition in mcpolicy_fleet::definitions().unwrap() {
        let gate = every_row(&fleet, &definition.id, NOW);
        // a row with nothing in it says as much as no row
        let told: BTreeMap<String, String> = gate
            .offenders
            .iter()
            .filter(|one| one.value != 0.0)
            .map(|one| (one.subject.clone(), format!("{:.6}", one.value)))
            .collect();
        let nothing = BTreeMap::new();
        let wanted: BTreeMap<String, String> = key
            .get(definition.id.as_str())
            .unwrap_or(&nothing)
            .iter()
            .map(|(subject, value)| (subject.clone(), format!("{value:.6}")))
            .collect();
        assert!(!wanted.is_empty(), "{}: nothing of it is in the fleet", definition.id);
        assert_eq!(told, wanted, "{}", definition.id);
    }
}
