//! What an honest publisher may do, and how a machine goes on after a restart. The attacks are in `../attacks/`.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]

mod edges;
mod elsewhere;

use mcpolicy_schema::signed::{
    Grant, Head, Payload as _, PayloadError, Reset, Root, Statement, decode, encode,
};
use mcpolicy_schema::trust::{Demands, Documents, Kept, Staleness, State, Trust, Update};
use mcpolicy_tests::signing::{
    ONLINE, POLICY, ROOT, at, body, body_with, current, head, payload_of, publication,
    publication_with_revocations, role, root, signed, signed_with, statement,
};
use serde_json::json;

fn pinned() -> Vec<u8> {
    signed(&root(1, at(0)), &ROOT[..2])
}

fn trust() -> Trust {
    Trust::pinned(&pinned(), at(0)).unwrap()
}

fn rules(update: &Update) -> Vec<(String, &'static str)> {
    update.refusals.iter().map(|r| (r.document.to_string(), r.rule())).collect()
}

/// Publication 5 is in force.
fn with_five() -> Trust {
    let mut trust = trust();
    assert_eq!(rules(&trust.update(&publication_with_revocations(5, 5, at(30)), at(31))), []);
    trust
}

fn resume(pinned: &[u8], state: &State, kept: &Kept) -> Trust {
    let (trust, refusals) = Trust::resume(pinned, state, kept).unwrap();
    assert_eq!(refusals, []);
    trust
}

fn sequences(trust: &Trust) -> (Option<u64>, Option<u64>) {
    (trust.policy().map(|p| p.sequence), trust.revocations().map(|r| r.sequence))
}

#[test]
fn an_update_says_what_is_new_and_a_second_one_nothing() {
    let mut trust = trust();
    let documents = publication_with_revocations(5, 3, at(30));
    let update = trust.update(&documents, at(31));
    let accepted: Vec<(String, u64)> = update.accepted.iter().map(|(d, n)| (d.to_string(), *n)).collect();
    let expected = [("head", 5), ("policy statement", 5), ("revocations statement", 3)];
    assert_eq!(accepted, expected.map(|(name, n)| (name.to_owned(), n)));
    assert!(update.changed());
    assert_eq!(trust.update(&documents, at(32)), Update::default());
    assert_eq!(trust.update(&Documents::default(), at(33)), Update::default());
    assert_eq!(trust.policy().unwrap().name, "fleet");
    assert_eq!(trust.policy().unwrap().document().rule[0].id, "package-5");
    assert_eq!(Some(trust.policy().unwrap().body()), documents.body.as_deref(), "as it was signed");
}

#[test]
fn roots_are_followed_one_by_one_even_if_the_ones_between_have_expired() {
    let mut trust = with_five();
    let mut two = root(2, at(40));
    two.expires = at(50);
    two.roles.root = role(&[4, 5, 6], 2);
    let mut three = root(3, at(60));
    three.roles.root = role(&[4, 5, 6], 2);
    let mut documents = publication_with_revocations(6, 6, at(60));
    documents.roots.insert(2, signed(&two, &[1, 2, 4, 5]));
    documents.roots.insert(3, signed(&three, &[4, 6]));
    assert_eq!(rules(&trust.update(&documents, at(61))), []);
    assert_eq!((trust.root().sequence, sequences(&trust)), (3, (Some(6), Some(6))));
}

#[test]
fn an_expired_root_is_followed_and_then_nothing_is_taken_until_the_next() {
    let mut trust = with_five();
    let mut two = root(2, at(40));
    two.expires = at(50);
    let mut documents = publication_with_revocations(6, 6, at(60));
    documents.roots.insert(2, signed(&two, &ROOT));
    assert_eq!(rules(&trust.update(&documents, at(61))), [("root.2".to_owned(), "root-expired")]);
    assert_eq!((trust.root().sequence, sequences(&trust)), (2, (Some(5), Some(5))));
    documents.roots.insert(3, signed(&root(3, at(61)), &ROOT));
    assert_eq!(rules(&trust.update(&documents, at(62))), []);
    assert_eq!(sequences(&trust), (Some(6), Some(6)));
}

#[test]
fn members_that_are_unknown_are_signed_and_ignored() {
    let mut trust = trust();
    let documents = publication(5, at(30));
    let later = |value: &mut serde_json::Value| value["later"] = json!({"a": [1, 2]});
    let head: Head = payload_of(documents.head.as_deref().unwrap());
    let of_policy: Statement = payload_of(documents.statement.as_deref().unwrap());
    let documents = Documents {
        roots: [(2, signed_with(&root(2, at(29)), later, &ROOT))].into(),
        head: Some(signed_with(&head, later, &ONLINE)),
        statement: Some(signed_with(&of_policy, later, &POLICY)),
        ..documents
    };
    assert_eq!(rules(&trust.update(&documents, at(31))), []);
    assert_eq!((trust.root().sequence, sequences(&trust).0), (2, Some(5)));
}

#[test]
fn a_member_in_crit_that_is_understood_hinders_nothing() {
    let mut of_policy = statement(5, at(30), b"");
    of_policy.crit = vec!["expires".to_owned(), "body".to_owned()];
    assert_eq!(decode::<Statement>(&encode(&of_policy).unwrap()), Ok(of_policy.clone()));
    of_policy.crit = vec!["canary".to_owned()];
    assert_eq!(encode(&of_policy), Err(PayloadError::Critical("canary".to_owned())));
}

#[test]
fn two_policy_keys_may_loosen() {
    let body = body_with("package-6", |body| body["policy"]["mode"] = json!("warn"));
    let documents = Documents {
        head: Some(signed(&head(6, at(36), current(6, &body)), &ONLINE)),
        statement: Some(signed(&statement(6, at(36), &body), &POLICY[1..])),
        body: Some(body),
        ..Documents::default()
    };
    let mut trust = trust();
    assert_eq!(rules(&trust.update(&documents, at(37))), []);
    let in_force = trust.policy().unwrap();
    assert_eq!((in_force.loosening.len(), in_force.signers()), (1, 2));
}

#[test]
fn a_restart_changes_nothing_and_age_takes_nothing_away() {
    let before = with_five();
    let after = resume(&pinned(), &before.state(), &before.kept());
    assert_eq!(after.state(), before.state());
    assert_eq!((after.kept(), sequences(&after)), (before.kept(), (Some(5), Some(5))));
    assert_eq!(after.staleness(at(31)), Some(Staleness::Fresh));
    assert_eq!(after.staleness(at(30 + 80)), Some(Staleness::Stale));
    assert_eq!(after.staleness(at(24 * 3000)), Some(Staleness::Expired));
    // as it is written and read
    let written = serde_json::to_string(&before.state()).unwrap();
    assert_eq!(serde_json::from_str::<State>(&written).unwrap(), before.state());
    let newer = written.replacen('{', "{\"of_a_later_version\":1,", 1);
    assert_eq!(serde_json::from_str::<State>(&newer).unwrap(), before.state());
}

#[test]
fn what_was_accepted_under_a_former_root_survives_rotation_and_restart() {
    let mut trust = with_five();
    let mut two = root(2, at(40));
    two.roles.policy.role = role(&[14, 15], 1);
    two.roles.emergency = role(&[22], 1);
    two.roles.online = role(&[33], 1);
    let rotated = Documents { roots: [(2, signed(&two, &ROOT))].into(), ..Documents::default() };
    assert_eq!(rules(&trust.update(&rotated, at(41))), []);
    assert_eq!(sequences(&trust), (Some(5), Some(5)));
    let trust = resume(&pinned(), &trust.state(), &trust.kept());
    assert_eq!((trust.root().sequence, sequences(&trust)), (2, (Some(5), Some(5))));
    assert_eq!(trust.head(), None);
}

#[test]
fn the_same_policy_signed_anew_by_the_keys_of_a_new_root_is_taken() {
    let mut trust = with_five();
    let mut two = root(2, at(40));
    two.roles.policy.role = role(&[14], 1);
    let mut documents = publication_with_revocations(5, 5, at(30));
    documents.roots.insert(2, signed(&two, &ROOT));
    let of_policy: Statement = payload_of(documents.statement.as_deref().unwrap());
    documents.statement = Some(signed(&of_policy, &[14]));
    assert_eq!(rules(&trust.update(&documents, at(41))), []);
    // only the newest root is needed now
    assert_eq!(trust.state().policy.unwrap().root, *trust.state().chain.last().unwrap());
}

#[test]
fn a_root_pinned_anew_by_mdm_takes_over_and_what_was_in_force_stays_until_it_is_replaced() {
    let before = with_five();
    let mut new = root(1, at(40));
    new.roles.root = role(&[7, 8], 2);
    new.roles.policy.role = role(&[17], 1);
    new.roles.online = role(&[37], 1);
    new.roles.emergency = role(&[27], 1);
    let new_pin = signed(&new, &[7, 8]);
    let mut trust = resume(&new_pin, &before.state(), &before.kept());
    assert_eq!(sequences(&trust), (Some(5), Some(5)));
    assert_eq!(trust.floors(), before.floors());
    // the lost keys count no more
    let old = trust.update(&publication_with_revocations(6, 6, at(36)), at(41));
    assert_eq!(rules(&old)[0], ("head".to_owned(), "threshold"));
    assert_eq!(sequences(&trust), (Some(5), Some(5)));
    let documents = publication_with_revocations(6, 6, at(36));
    let list = payload_of::<mcpolicy_schema::signed::RevocationsStatement>(
        documents.revocations_statement.as_deref().unwrap(),
    );
    let signed_anew = Documents {
        roots: [(1, new_pin.clone())].into(),
        head: Some(signed(&payload_of::<Head>(documents.head.as_deref().unwrap()), &[37])),
        statement: Some(signed(&payload_of::<Statement>(documents.statement.as_deref().unwrap()), &[17])),
        revocations_statement: Some(signed(&list, &[27])),
        ..documents
    };
    assert_eq!(rules(&trust.update(&signed_anew, at(41))), []);
    assert_eq!(sequences(&trust), (Some(6), Some(6)));
    let trust = resume(&new_pin, &trust.state(), &trust.kept());
    assert_eq!(sequences(&trust), (Some(6), Some(6)));
}

#[test]
fn a_pin_that_moved_along_the_chain_changes_nothing() {
    let mut trust = with_five();
    let two = signed(&root(2, at(40)), &ROOT);
    trust.update(&Documents { roots: [(2, two.clone())].into(), ..Documents::default() }, at(41));
    let after = resume(&two, &trust.state(), &trust.kept());
    assert_eq!(after.state(), trust.state());
}

#[test]
fn a_damaged_pin_does_not_switch_the_protection_off() {
    let before = with_five();
    let (trust, refusals) = Trust::resume(b"{", &before.state(), &before.kept()).unwrap();
    assert_eq!(refusals[0].rule(), "envelope-form");
    assert_eq!(sequences(&trust), (Some(5), Some(5)));
    assert!(Trust::pinned(b"{", at(0)).is_err());
}

#[test]
fn a_stored_document_that_was_exchanged_is_not_believed() {
    let before = with_five();
    let mut kept = before.kept();
    // honest once, but not what was accepted
    let four = publication_with_revocations(4, 4, at(24));
    (kept.statement, kept.body) = (four.statement, four.body);
    let (trust, refusals) = Trust::resume(&pinned(), &before.state(), &kept).unwrap();
    assert_eq!(refusals[0].rule(), "stored-copy-changed");
    assert_eq!(sequences(&trust), (None, Some(5)));
    assert_eq!(trust.floors().policy.sequence, 5);
}

#[test]
fn a_reset_counts_once_and_floors_rise_from_there() {
    let mut trust = with_five();
    let mut two = root(2, at(40));
    two.reset = Some(Reset { head: 2, policy: 3, revocations: 3 });
    let two = signed(&two, &ROOT);
    let mut documents = publication_with_revocations(3, 3, at(41));
    documents.roots.insert(2, two);
    assert_eq!(rules(&trust.update(&documents, at(42))), []);
    assert_eq!(sequences(&trust), (Some(3), Some(3)));
    let mut next = publication_with_revocations(4, 4, at(43));
    next.roots = documents.roots.clone();
    assert_eq!(rules(&trust.update(&next, at(44))), []);
    let mut trust = resume(&pinned(), &trust.state(), &trust.kept());
    assert_eq!(rules(&trust.update(&documents, at(45)))[0], ("head".to_owned(), "rollback"));
    assert_eq!(sequences(&trust), (Some(4), Some(4)));
}

#[test]
fn a_policy_below_the_floor_of_mdm_stays_in_force_but_allows_nothing_new() {
    let trust = with_five().demanding(Demands { min_policy: 6, ..Demands::default() });
    assert_eq!(sequences(&trust).0, Some(5));
    assert_eq!(trust.staleness(at(31)), Some(Staleness::Expired));
}

#[test]
fn holding_one_document_back_ages_the_machine_as_holding_back_all_does() {
    let mut trust = with_five();
    for day in 2..40 {
        let mut documents = publication_with_revocations(5 + day, 5, at(24 * i64::try_from(day).unwrap()));
        documents.body = None;
        documents.revocations_statement = None;
        trust.update(&documents, at(24 * i64::try_from(day).unwrap() + 1));
    }
    assert_eq!(sequences(&trust), (Some(5), Some(5)));
    assert_eq!(trust.head().unwrap().sequence, 44);
    assert_eq!(trust.staleness(at(24 * 39 + 2)), Some(Staleness::Expired));
}

fn grant() -> Grant {
    Grant {
        schema: Grant::SCHEMA.to_owned(),
        id: "g1".to_owned(),
        fingerprint: "sha256:00".to_owned(),
        identity: "npm a".to_owned(),
        device: "laptop".to_owned(),
        user: "dev".to_owned(),
        ticket: None,
        issued: at(30),
        expires: at(54),
        crit: Vec::new(),
    }
}

#[test]
fn a_grant_counts_while_it_lasts_and_only_from_a_policy_key() {
    let trust = with_five();
    let envelope = signed(&grant(), &POLICY[..1]);
    assert_eq!(envelope.iter().filter(|byte| **byte == b'\n').count(), 1, "a grant is one line to paste");
    assert_eq!(trust.grant(&envelope, at(53)), Ok(grant()));
    let rule = |envelope: &[u8], hours| trust.grant(envelope, at(hours)).unwrap_err().rule();
    assert_eq!(rule(&envelope, 54), "expired");
    assert_eq!(rule(&envelope, 1), "issued-in-the-future");
    assert_eq!(rule(&signed(&grant(), &ONLINE), 31), "threshold");
    assert_eq!(rule(&signed(&Grant { device: String::new(), ..grant() }, &POLICY), 31), "payload-value");
    let statement = publication(5, at(30)).statement.unwrap();
    assert_eq!(rule(&statement, 31), "payload-type");
    assert_eq!(rule(&envelope, 24 * 401), "root-expired");
}

#[test]
fn a_refusal_names_document_rule_and_remedy_for_people_and_machines() {
    let mut trust = with_five();
    let update = trust.update(&publication_with_revocations(4, 4, at(24)), at(32));
    let refusal = &update.refusals[0];
    let text = refusal.to_string();
    assert!(
        text.starts_with("head: ") && text.contains("lower than 5") && text.contains("; publish"),
        "{text}"
    );
    let value = serde_json::to_value(refusal).unwrap();
    assert_eq!((&value["document"], &value["rule"]), (&json!("head"), &json!("rollback")));
    assert!(value["message"].is_string() && value["remedy"].is_string());
}

#[test]
fn a_role_that_cannot_work_is_refused_when_it_is_written() {
    let broken = |change: fn(&mut Root)| {
        let mut root = root(1, at(0));
        change(&mut root);
        encode(&root).unwrap_err().to_string()
    };
    assert!(broken(|root| root.roles.online.threshold = 3).contains("demands 3 signatures of 2 keys"));
    assert!(broken(|root| root.roles.emergency.threshold = 0).contains("threshold 0"));
    assert!(broken(|root| root.roles.policy.loosening_threshold = 0).contains("loosening_threshold"));
    assert!(broken(|root| root.roles.root.keys.push(root.roles.root.keys[0])).contains("a key twice"));
    assert!(broken(|root| root.expires = root.issued).contains("not after its issue"));
}
