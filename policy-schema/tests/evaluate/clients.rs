//! Which clients a rule for some of them is held against.

use super::*;

#[test]
fn every_client_that_would_start_the_entry_and_is_in_use_counts() {
    let policy = rule(json!({ "clients": ["cursor"] }));
    let read_too = |setting| Entry {
        readers: vec![Reader { client: "cursor", setting: None }, Reader { client: "devin", setting }],
        ..ab()
    };
    let in_use = |clients: &[&'static str], entry: &Entry| {
        let clients = clients.iter().copied().collect();
        code_in(&policy, entry, &Context { clients: Some(&clients), ..now() })
    };
    assert_eq!(code(&policy, &read_too(None)), "outside-rule", "nobody knows whether it is in use");
    assert_eq!(in_use(&["cursor", "devin"], &read_too(None)), "outside-rule");
    assert_eq!(in_use(&["cursor"], &read_too(None)), "allow");
    assert_eq!(in_use(&["cursor", "devin"], &read_too(Some("a setting"))), "allow");
    assert_eq!(code(&policy, &read_too(Some("a setting"))), "allow");
    // The client whose file it is counts whether it is known to be there or not.
    let of_devin = Entry { client: "devin", readers: vec![], ..ab() };
    assert_eq!(in_use(&["cursor"], &of_devin), "outside-rule");
}

#[test]
fn the_reason_names_the_other_client_that_reads_the_file() {
    let policy = rule(json!({ "clients": ["cursor"] }));
    let entry = Entry { readers: vec![Reader { client: "devin", setting: None }], ..ab() };
    let said = judge(&policy, &entry, &now());
    let reason = said.reason.map(|reason| reason.detail).unwrap_or_default();
    assert_eq!(reason, "the rule is for other clients than devin, which reads this file too");
}
