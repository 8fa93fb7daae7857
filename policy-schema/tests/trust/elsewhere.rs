//! Whose policy is whose: the one that a head offers to a ring, the one that it names for all others, and the documents
//! of another channel.

use mcpolicy_schema::trust::Refusal;

use super::*;

fn loosened() -> Vec<u8> {
    body_with("package-6", |body| body["policy"]["mode"] = json!("warn"))
}

/// Policy 7 for the ring `pilot`, this body as policy 6 for all others.
fn pilot(body: Vec<u8>, signers: &[u8]) -> Documents {
    let documents = publication(7, at(36));
    let mut head: Head = payload_of(documents.head.as_deref().unwrap());
    head.ring = Some("pilot".to_owned());
    head.elsewhere = Some(current(6, &body));
    Documents {
        head: Some(signed(&head, &ONLINE)),
        elsewhere_statement: Some(signed(&statement(6, at(30), &body), signers)),
        elsewhere_body: Some(body),
        ..documents
    }
}

fn honest() -> Documents {
    pilot(body("package-6"), &POLICY[..1])
}

#[test]
fn the_policy_of_all_other_machines_is_verified_beside_that_of_the_ring_and_moves_no_floor() {
    let mut trust = trust();
    let update = trust.update(&honest(), at(37));
    assert_eq!(rules(&update), []);
    assert_eq!((trust.policy().unwrap().sequence, trust.elsewhere().unwrap().sequence), (7, 6));
    assert_eq!(trust.floors().policy.sequence, 7);
    assert_eq!(trust.staleness_of(trust.elsewhere().unwrap(), at(37)), Staleness::Fresh);
    // it is not kept, nor does it outlive an update that does not bring it
    assert_eq!(rules(&trust.update(&publication(8, at(38)), at(39))), []);
    assert!(trust.elsewhere().is_none());
}

#[test]
fn a_policy_for_all_others_that_breaks_a_rule_is_refused_by_its_own_name() {
    let statement_of = |refusal: &Refusal| (refusal.document.to_string(), refusal.violation.rule());
    let name = "policy statement for machines outside of the ring";
    let other = honest();
    for (documents, expected) in [
        (Documents { elsewhere_statement: None, ..honest() }, (name, "missing")),
        (Documents { elsewhere_statement: other.statement, ..honest() }, (name, "mix-and-match")),
        (pilot(loosened(), &POLICY[..1]), (name, "loosening-threshold")),
        (pilot(body("package-6"), &ONLINE), (name, "threshold")),
        (
            Documents { elsewhere_body: None, ..honest() },
            ("policy body for machines outside of the ring", "body-missing"),
        ),
        (
            Documents { elsewhere_body: Some(b"{}".to_vec()), ..honest() },
            ("policy body for machines outside of the ring", "body-length"),
        ),
    ] {
        let mut trust = trust();
        let update = trust.update(&documents, at(37));
        let found: Vec<_> = update.refusals.iter().map(statement_of).collect();
        assert_eq!(found, [(expected.0.to_owned(), expected.1)]);
        assert!(trust.elsewhere().is_none());
        assert_eq!(trust.policy().unwrap().sequence, 7, "the ring's own is taken all the same");
    }
    assert_eq!(rules(&trust().update(&pilot(loosened(), &POLICY), at(37))), []);
}

#[test]
fn what_the_settings_demand_is_asked_of_the_policy_that_acts() {
    let mut trust = trust().demanding(Demands { min_policy: 7, ..Demands::default() });
    assert_eq!(rules(&trust.update(&honest(), at(37))), []);
    assert_eq!(trust.staleness(at(37)), Some(Staleness::Fresh));
    assert_eq!(trust.staleness_of(trust.elsewhere().unwrap(), at(37)), Staleness::Expired);
}

/// One online key would bring back any policy that is gone.
#[test]
fn a_head_for_a_ring_brings_no_older_policy_back_elsewhere() {
    for before in [publication(6, at(35)), honest()] {
        let mut trust = trust();
        assert_eq!(rules(&trust.update(&before, at(37))), []);
        assert_eq!(trust.floors().for_all, 6);
        let old = body("package-5");
        let documents = publication(8, at(38));
        let mut head: Head = payload_of(documents.head.as_deref().unwrap());
        head.ring = Some("pilot".to_owned());
        head.elsewhere = Some(current(5, &old));
        let documents = Documents {
            head: Some(signed(&head, &ONLINE)),
            elsewhere_statement: Some(signed(&statement(5, at(30), &old), &POLICY)),
            elsewhere_body: Some(old),
            ..documents
        };
        assert_eq!(rules(&trust.update(&documents, at(39)))[0], ("head".to_owned(), "rollback"));
        assert!(trust.elsewhere().is_none() && trust.policy().unwrap().sequence < 8);
        // as it is remembered, also by a version that did not know of it
        let (resumed, _) = Trust::resume(&pinned(), &trust.state(), &trust.kept()).unwrap();
        assert_eq!(resumed.floors().for_all, 6);
        let mut older = trust.state();
        older.floors.for_all = 0;
        let (resumed, _) = Trust::resume(&pinned(), &older, &trust.kept()).unwrap();
        assert_eq!(resumed.floors().for_all, if trust.head().unwrap().ring.is_none() { 6 } else { 0 });
    }
}

/// A thief of the online key offers the policy of a pilot to all; machines that took it would refuse every honest head.
#[test]
fn what_a_replaced_online_key_has_offered_to_all_is_no_floor_any_more() {
    let mut trust = trust();
    assert_eq!(rules(&trust.update(&publication(7, at(35)), at(35))), []);
    assert_eq!(trust.floors().for_all, 7);
    let mut two = root(2, at(36));
    two.roles.online = role(&[17], 1);
    let rotated = Documents { roots: [(2, signed(&two, &ROOT))].into(), ..Documents::default() };
    assert_eq!(rules(&trust.update(&rotated, at(36))), []);
    let pilot = honest();
    let mut head: Head = payload_of(pilot.head.as_deref().unwrap());
    head.sequence = 9;
    head.policy = current(7, &publication(7, at(35)).body.unwrap());
    let same = publication(7, at(35));
    let pilot =
        Documents { head: Some(signed(&head, &[17])), statement: same.statement, body: same.body, ..pilot };
    assert_eq!(rules(&trust.update(&pilot, at(37))), []);
    assert_eq!(trust.elsewhere().unwrap().sequence, 6);
}

/// A relay that drops one file would keep all machines outside of the ring on what they had, fresh for ever.
#[test]
fn nothing_counts_as_current_where_the_policy_for_all_others_is_held_back() {
    let mut trust = trust();
    assert_eq!(rules(&trust.update(&publication(5, at(30)), at(31))), []);
    let before = trust.current_as_of();
    let dropped = Documents { elsewhere_statement: None, ..honest() };
    assert_eq!(trust.update(&dropped, at(37)).refusals.len(), 1);
    assert_eq!((trust.current_as_of(), trust.policy().unwrap().sequence), (before, 7));
    assert_eq!(rules(&trust.update(&honest(), at(37))), []);
    assert_eq!(trust.current_as_of(), Some(at(36)));
}

#[test]
fn a_head_names_no_policy_for_all_others_without_a_ring_nor_one_with_the_number_0() {
    let with = |change: fn(&mut Head)| {
        let mut head: Head = payload_of(honest().head.as_deref().unwrap());
        change(&mut head);
        encode(&head).is_ok()
    };
    assert!(with(|_| ()));
    assert!(!with(|head| head.ring = None));
    assert!(!with(|head| head.elsewhere.as_mut().unwrap().sequence = 0));
}

fn on(channel: &str, documents: Documents) -> Documents {
    let mut head: Head = payload_of(documents.head.as_deref().unwrap());
    head.channel = channel.to_owned();
    Documents { head: Some(signed(&head, &ONLINE)), ..documents }
}

fn wanting(channel: &str) -> Demands {
    Demands { channel: Some(channel.to_owned()), ..Demands::default() }
}

#[test]
fn a_machine_that_is_moved_takes_lower_numbers_of_its_new_channel_and_only_there() {
    let lab = on("lab", publication_with_revocations(9, 9, at(30)));
    let mut trust = trust().demanding(wanting("lab"));
    assert_eq!(rules(&trust.update(&lab, at(31))), []);
    // the same channel again is no move
    let mut trust = trust.demanding(wanting("lab"));
    assert_eq!(trust.floors().policy.sequence, 9);
    let lower = on("lab", publication_with_revocations(8, 8, at(30)));
    assert_ne!(rules(&trust.update(&lower, at(31))), []);
    // what was in force stays so until the new channel's verifies
    let mut trust = trust.demanding(wanting("default"));
    assert_ne!(rules(&trust.update(&lab, at(31))), []);
    assert_eq!(trust.policy().unwrap().sequence, 9);
    assert_eq!(rules(&trust.update(&publication(2, at(30)), at(31))), []);
    assert_eq!((trust.policy().unwrap().sequence, trust.revocations().is_some()), (2, false));
    assert_ne!(rules(&trust.update(&publication(1, at(30)), at(31))), []);
    assert_eq!(trust.policy().unwrap().sequence, 2);
}

#[test]
fn a_machine_that_is_moved_takes_the_list_of_its_new_channel() {
    let mut trust = trust().demanding(wanting("lab"));
    assert_eq!(rules(&trust.update(&on("lab", publication_with_revocations(9, 9, at(30))), at(31))), []);
    let mut trust = trust.demanding(wanting("default"));
    assert_eq!(rules(&trust.update(&publication_with_revocations(2, 1, at(30)), at(31))), []);
    assert_eq!(trust.revocations().unwrap().sequence, 1);
    // from here on none may be withdrawn
    assert_ne!(rules(&trust.update(&publication(3, at(32)), at(33))), []);
}
