//! Attacks on roots, and what a new root recovers from.

use mcpolicy_schema::limits::MAX_SEQUENCE;
use mcpolicy_schema::signed::{Reset, Role, Root};
use mcpolicy_schema::trust::Documents;
use mcpolicy_tests::signing::{
    ONLINE, POLICY, ROOT, at, body, current, head, public, role, root, signed, signed_with, statement,
};
use serde_json::{Value, json};

use super::cases::*;
use super::{Case, Expected};

/// Roots that must not be followed.
pub(super) fn roots() -> Vec<Case> {
    let with_policy = |name, attack, bytes, refusals| {
        let case = nothing_changes(Attack { name, attack, offered: with_root(bytes), refusals });
        // the rest of the publication is honest under root 1
        Case { expected: Expected { policy: Some(6), revocations: Some(6), ..case.expected }, ..case }
    };
    let new_keys = || next_root(|root| root.roles.root = role(&[4, 5, 6], 2));
    let mut expired = nothing_changes(Attack {
        name: "expired-root",
        attack: "the root has ended, and its successor is kept from the machine",
        offered: changed(|_| {}),
        refusals: &[("root.1", "root-expired")],
    });
    expired.expected.now = at(24 * 401);
    expired.expected.staleness = Some("expired".to_owned());
    let pin = |name, attack: &'static str, pinned, rule: &str| Case {
        name,
        pinned,
        before: vec![],
        offered: Documents::default(),
        expected: Expected {
            attack: attack.to_owned(),
            now: now(),
            min_policy: 0,
            refusals: vec![("pinned root".to_owned(), rule.to_owned())],
            policy: None,
            revocations: None,
            staleness: None,
        },
    };
    let twice = Role { keys: vec![public(1), public(1)], threshold: 2 };
    let weak = |value: &mut Value| {
        let zero = format!("{}=", "A".repeat(43));
        value["roles"]["policy"]["keys"][0] = json!(zero);
    };
    vec![
        with_policy(
            "rotation-without-the-old-keys",
            "a stranger publishes a root of his own keys",
            signed(&new_keys(), &[4, 5]),
            &[("root.2", "root-not-vouched")],
        ),
        with_policy(
            "rotation-below-the-old-threshold",
            "one stolen root key of two that are needed",
            signed(&new_keys(), &[1, 4, 5]),
            &[("root.2", "root-not-vouched")],
        ),
        with_policy(
            "rotation-without-the-new-keys",
            "a root whose new keys nobody is proved to hold: the next rotation would be impossible",
            signed(&new_keys(), &[1, 2]),
            &[("root.2", "threshold")],
        ),
        with_policy(
            "root-of-another-number",
            "root 3 is served as root 2",
            signed(&next_root(|root| root.sequence = 3), &ROOT),
            &[("root.2", "root-number")],
        ),
        {
            let mut offered = honest(6);
            offered.roots.insert(3, signed(&root(3, at(31)), &ROOT));
            let case = nothing_changes(Attack {
                name: "root-skipped",
                attack: "root 2, which takes a key away, is left out",
                offered,
                refusals: &[("root.3", "root-skipped")],
            });
            Case { expected: Expected { policy: Some(6), revocations: Some(6), ..case.expected }, ..case }
        },
        with_policy(
            "root-with-a-threshold-of-nought",
            "a root under which nobody need sign",
            signed(&next_root(|root| root.roles.policy.role.threshold = 0), &ROOT),
            &[("root.2", "payload-value")],
        ),
        with_policy(
            "root-with-a-weak-key",
            "a key of small order, under which anybody can sign",
            signed_with(&next_root(|_| {}), weak, &ROOT),
            &[("root.2", "payload-form")],
        ),
        expired,
        pin(
            "root-that-lists-a-key-twice",
            "a threshold of two that one person can meet",
            signed(
                &Root {
                    roles: mcpolicy_schema::signed::Roles { root: twice, ..root(1, at(0)).roles },
                    ..root(1, at(0))
                },
                &ROOT,
            ),
            "payload-value",
        ),
        pin(
            "pinned-root-not-signed-by-itself",
            "a root whose holders have not signed it",
            signed(&root(1, at(0)), &[1]),
            "threshold",
        ),
        {
            let mut offered = honest(6);
            let rotated = next_root(|root| root.roles.online = role(&[33], 1));
            offered.roots.insert(2, signed(&rotated, &ROOT[..2]));
            nothing_changes(Attack {
                name: "head-by-a-replaced-online-key",
                attack: "the thief of an online key goes on after it was replaced",
                offered,
                refusals: &[("head", "threshold")],
            })
        },
        {
            let mut offered = honest(6);
            let rotated = next_root(|root| root.roles.policy.role = role(&[14, 15], 1));
            offered.roots.insert(2, signed(&rotated, &ROOT[..2]));
            only_revocations(Attack {
                name: "policy-by-a-replaced-policy-key",
                attack: "the thief of a policy key goes on after it was replaced; what was in force stays",
                offered,
                refusals: &[("policy statement", "threshold")],
            })
        },
    ]
}

/// Fast-forward: stolen keys sign the highest numbers there are, so that nothing honest can follow.
pub(super) fn recovered() -> Vec<Case> {
    let body = body("package-5");
    let enormous = Documents {
        head: Some(signed(&head(MAX_SEQUENCE, at(30), current(MAX_SEQUENCE, &body)), &ONLINE[..1])),
        statement: Some(signed(&statement(MAX_SEQUENCE, at(30), &body), &POLICY[..1])),
        body: Some(body),
        revocations_statement: None,
        revocations_body: None,
        ..honest(5)
    };
    let attack = |name, attack, offered, refusals| {
        let case = nothing_changes(Attack { name, attack, offered, refusals });
        Case { before: vec![enormous.clone()], ..case }
    };
    let refused = attack(
        "fast-forward",
        "stolen keys have signed the highest sequence: an honest publication looks like a rollback",
        honest(6),
        &[("head", "rollback"), ("policy statement", "rollback")],
    );
    let reset = next_root(|root| {
        root.reset = Some(Reset { head: 6, policy: 6, revocations: 6 });
        root.roles.online = role(&[33], 1);
        root.roles.policy.role = role(&[14, 15], 1);
    });
    let mut honest_again = honest(6);
    honest_again.roots.insert(2, signed(&reset, &ROOT[..2]));
    honest_again.statement = Some(signed(&statement_of(&honest_again), &[14]));
    honest_again.head = Some(signed(&head_of(&honest_again), &[33]));
    let mut below = honest(5);
    below.roots = honest_again.roots.clone();
    below.statement = Some(signed(&statement_of(&below), &[14]));
    below.head = Some(signed(&head_of(&below), &[33]));
    let recovered = attack(
        "fast-forward-recovery",
        "the same, and a new root replaces keys and floors",
        honest_again,
        &[],
    );
    let below = attack(
        "rollback-below-the-reset",
        "after the recovery, what is older than its floors is still refused",
        below,
        &[("head", "rollback"), ("policy statement", "rollback"), ("revocations statement", "rollback")],
    );
    let expecting = |case: Case, policy, revocations| Case {
        expected: Expected { policy: Some(policy), revocations, ..case.expected },
        ..case
    };
    vec![
        expecting(refused, MAX_SEQUENCE, None),
        expecting(recovered, 6, Some(6)),
        expecting(below, MAX_SEQUENCE, None),
    ]
}
