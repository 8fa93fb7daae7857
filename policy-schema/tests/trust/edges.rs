//! The very edges: what is still taken and what is taken no more, and what is told of it.

use jiff::Timestamp;
use mcpolicy_schema::limits::{MAX_POLICY_BODY_BYTES, MAX_REVOCATIONS_BODY_BYTES, MAX_ROOT_UPDATES};
use mcpolicy_schema::trust::{ClockEvent, DocumentName, Reading, Refusal, Time, Uptime, Violation};
use mcpolicy_tests::signing::{EMERGENCY, revocations_statement};

use super::*;

fn reading(wall: Timestamp, seconds: u64) -> Reading {
    Reading { wall, uptime: Some(Uptime { boot: "a".to_owned(), seconds }) }
}

/// A policy with this body and these signatures on its statement, as number 6.
fn six(body: Vec<u8>, signers: &[u8]) -> Documents {
    Documents {
        head: Some(signed(&head(6, at(36), current(6, &body)), &ONLINE)),
        statement: Some(signed(&statement(6, at(36), &body), signers)),
        body: Some(body),
        ..Documents::default()
    }
}

/// The rules that a publication with this list of revocations breaks.
fn rules_with_list(list: Vec<u8>) -> Vec<(String, &'static str)> {
    let mut documents = publication(5, at(30));
    let mut head: Head = payload_of(documents.head.as_deref().unwrap());
    head.revocations = Some(current(5, &list));
    documents.head = Some(signed(&head, &ONLINE[..1]));
    documents.revocations_statement = Some(signed(&revocations_statement(5, at(30), &list), &EMERGENCY));
    documents.revocations_body = Some(list);
    let mut refused = rules(&trust().update(&documents, at(31)));
    // a machine that had nothing before takes no policy without the list
    assert_eq!(refused.first() == Some(&withheld()), !refused.is_empty());
    refused.drain(..refused.len().min(1));
    refused
}

fn withheld() -> (String, &'static str) {
    ("policy statement".to_owned(), "revocations-withheld")
}

/// One file that a relay drops: whoever begins anew each time would never have the denial, nor count as stale.
#[test]
fn a_machine_without_a_list_takes_no_policy_whose_head_names_one() {
    let whole = publication_with_revocations(5, 5, at(30));
    for drop in [
        |documents: &mut Documents| documents.revocations_statement = None,
        |documents: &mut Documents| documents.revocations_body = None,
    ] {
        let mut documents = whole.clone();
        drop(&mut documents);
        let mut trust = trust();
        let update = trust.update(&documents, at(31));
        assert_eq!(rules(&update)[0], withheld());
        assert!(trust.policy().is_none() && !update.accepted.iter().any(|(d, _)| *d == DocumentName::Policy));
        // as soon as it is there, both are taken
        assert_eq!(rules(&trust.update(&whole, at(31))), []);
        assert!(trust.policy().is_some() && trust.revocations().is_some());
        // nor does one that had a policy before there was a list take a newer one
        let mut known = crate::trust();
        assert_eq!(rules(&known.update(&publication(4, at(29)), at(29))), []);
        assert_eq!(rules(&known.update(&documents, at(31)))[0], withheld());
        assert_eq!(known.policy().map(|policy| policy.sequence), Some(4));
        assert_eq!(known.current_as_of(), Some(at(29)), "what it has grows old");
        // who has a policy and a list goes on with them
        let mut newer = publication_with_revocations(6, 6, at(32));
        drop(&mut newer);
        let refused = rules(&trust.update(&newer, at(33)));
        assert!(refused.iter().all(|(document, _)| document.starts_with("revocations")), "{refused:?}");
        assert_eq!(trust.policy().map(|policy| policy.sequence), Some(6));
    }
}

#[test]
fn the_floors_of_the_device_settings_admit_their_own_number() {
    let demanding = |min_policy, min_revocations| {
        let demands = Demands { min_policy, min_revocations, ..Demands::default() };
        let mut trust = trust().demanding(demands);
        let update = trust.update(&publication_with_revocations(5, 5, at(30)), at(31));
        (rules(&update), trust.staleness(at(31)))
    };
    assert_eq!(demanding(5, 5), (vec![], Some(Staleness::Fresh)));
    let below = |document: &str| vec![(document.to_owned(), "below-floor")];
    assert_eq!(demanding(6, 5), (below("policy statement"), None));
    assert_eq!(demanding(5, 6).0, [vec![withheld()], below("revocations statement")].concat());
}

#[test]
fn a_document_ends_with_the_moment_it_names_and_may_be_a_day_ahead() {
    let taken = |hours, seconds| {
        let now = at(hours) + jiff::SignedDuration::from_secs(seconds);
        rules(&trust().update(&publication(5, at(30)), now))
    };
    assert_eq!(taken(30 - 24, 0), []);
    assert_eq!(taken(30 - 24, -1)[0], ("head".to_owned(), "issued-in-the-future"));
    assert_eq!(taken(30 + 72, -1), []);
    assert_eq!(taken(30 + 72, 0)[0], ("head".to_owned(), "expired"));
    let mut last = trust();
    assert_eq!(rules(&last.update(&publication(5, at(24 * 400 - 1)), at(24 * 400 - 1))), []);
    let mut ended = trust();
    let update = ended.update(&publication(5, at(24 * 400 - 1)), at(24 * 400));
    assert_eq!(rules(&update), [("root.1".to_owned(), "root-expired")]);
}

#[test]
fn a_grant_ends_by_the_later_of_the_times_that_may_be_true() {
    let trust = with_five();
    let envelope = signed(&grant(), &POLICY[..1]);
    let leapt = |judging| Time {
        wall: at(40),
        judging: at(judging),
        verifying: at(40),
        vouched: at(40),
        event: Some(ClockEvent::ClockJump),
    };
    assert_eq!(trust.grant(&envelope, leapt(53)), Ok(grant()));
    assert_eq!(trust.grant(&envelope, leapt(54)).unwrap_err().rule(), "expired");
}

#[test]
fn bodies_may_be_as_large_as_the_limits_say() {
    let padded = |mut body: Vec<u8>, len: usize| {
        body.resize(len, b' ');
        body
    };
    let policy = |len| {
        let body = padded(body_with("package-6", |_| {}), len);
        rules(&trust().update(&six(body, &POLICY[..1]), at(37)))
    };
    assert_eq!(policy(MAX_POLICY_BODY_BYTES), []);
    let refused = |document: &str| vec![(document.to_owned(), "payload-value")];
    assert_eq!(policy(MAX_POLICY_BODY_BYTES + 1), refused("policy statement"));
    let revocations = |len| {
        let list = padded(mcpolicy_tests::signing::revocations_body("package-5"), len);
        rules_with_list(list)
    };
    assert_eq!(revocations(MAX_REVOCATIONS_BODY_BYTES), []);
    assert_eq!(revocations(MAX_REVOCATIONS_BODY_BYTES + 1), refused("revocations statement"));
}

#[test]
fn bodies_of_another_schema_are_refused() {
    let of_schema = |body: Vec<u8>, schema: &str| {
        let mut value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        value["schema"] = json!(schema);
        serde_json::to_vec(&value).unwrap()
    };
    let policy = |schema| {
        let body = of_schema(body_with("package-6", |_| {}), schema);
        rules(&trust().update(&six(body, &POLICY[..1]), at(37)))
    };
    assert_eq!(policy("mcpolicy/policy/v1"), []);
    for other in ["mcpolicy/policy/v2", "mcpolicy/revocations/v1", ""] {
        assert_eq!(policy(other), [("policy body".to_owned(), "body-invalid")], "{other}");
    }
    let revocations = |schema| {
        let list = of_schema(mcpolicy_tests::signing::revocations_body("package-5"), schema);
        rules_with_list(list)
    };
    assert_eq!(revocations("mcpolicy/revocations/v1"), []);
    for other in ["mcpolicy/revocations/v2", "mcpolicy/policy/v1", ""] {
        assert_eq!(revocations(other), [("revocations body".to_owned(), "body-invalid")], "{other}");
    }
}

#[test]
fn as_many_roots_are_followed_at_once_as_the_limit_says() {
    let most = u64::try_from(MAX_ROOT_UPDATES).unwrap();
    let by_one_key = |n| {
        let mut root = root(n, at(1));
        root.roles.root = role(&ROOT[..1], 1);
        signed(&root, &ROOT[..1])
    };
    let mut roots: std::collections::BTreeMap<u64, Vec<u8>> =
        (2..=most + 1).map(|n| (n, by_one_key(n))).collect();
    let follow = |roots: &std::collections::BTreeMap<u64, Vec<u8>>| {
        let mut trust = Trust::pinned(&by_one_key(1), at(0)).unwrap();
        let update = trust.update(&Documents { roots: roots.clone(), ..Documents::default() }, at(2));
        (rules(&update), trust.root().sequence)
    };
    assert_eq!(follow(&roots), (vec![], most + 1));
    roots.insert(most + 2, by_one_key(most + 2));
    let one_more = (format!("root.{}", most + 2), "too-many-roots");
    assert_eq!(follow(&roots), (vec![one_more], most + 1));
}

#[test]
fn a_restart_forgets_neither_the_clock_nor_what_was_current() {
    let mut before = with_five();
    before.read_clock(reading(at(33), 100));
    let mut after = resume(&pinned(), &before.state(), &before.kept());
    assert_eq!(after.state(), before.state());
    assert_eq!(after.current_as_of(), Some(at(30)));
    // an hour after, by the clock since boot, though the wall clock was set back
    let time = after.read_clock(reading(at(10), 3700));
    assert_eq!((time.verifying, time.event), (at(34), Some(ClockEvent::ClockRollback)));

    let mut new = root(1, at(40));
    new.roles.root = role(&[7, 8], 2);
    let repinned = resume(&signed(&new, &[7, 8]), &before.state(), &before.kept());
    assert_eq!(repinned.state().clock, before.state().clock);
    assert_eq!((repinned.current_as_of(), repinned.head()), (Some(at(30)), None));
    assert_eq!(repinned.state().chain.len(), 1);

    let (unpinned, _) = Trust::resume(b"{", &before.state(), &before.kept()).unwrap();
    assert_eq!(unpinned.state(), before.state());
}

#[test]
fn a_clock_set_back_before_the_pinned_root_was_made_brings_nothing_older_to_life() {
    let mut trust = Trust::pinned(&signed(&root(1, at(40)), &ROOT[..2]), at(0)).unwrap();
    let time = trust.read_clock(reading(at(28), 100));
    assert_eq!((time.verifying, time.event), (at(40), Some(ClockEvent::ClockRollback)));
    // 72 hours are the life of a head.
    let ended = trust.update(&publication(5, at(40 - 72)), time);
    assert_eq!(rules(&ended)[0], ("head".to_owned(), "expired"));
    assert_eq!(rules(&trust.update(&publication(5, at(40)), time)), []);
}

#[test]
fn what_was_in_force_before_stands_in_for_what_is_damaged_and_is_not_current() {
    let before = with_five();
    let kept = Kept { statement: None, ..before.kept() };
    let (mut damaged, refusals) = Trust::resume(&pinned(), &before.state(), &kept).unwrap();
    assert_eq!((refusals.len(), sequences(&damaged)), (1, (None, Some(5))));
    let mut older = trust();
    older.update(&publication_with_revocations(4, 4, at(24)), at(25));
    damaged.stand_in(older);
    assert_eq!((sequences(&damaged), damaged.current_as_of()), ((Some(4), Some(5)), None));
    assert_eq!(damaged.staleness(at(31)), Some(Staleness::Stale));
}

#[test]
fn what_the_head_names_is_missed_while_that_head_is_offered_and_not_there() {
    let mut trust = with_five();
    let six = publication_with_revocations(6, 6, at(36));
    let only_head = |of: &Documents| Documents { head: of.head.clone(), ..Documents::default() };
    let missing = ["policy statement", "revocations statement"].map(|name| (name.to_owned(), "missing"));
    assert_eq!(rules(&trust.update(&only_head(&six), at(37))), missing);
    assert_eq!(rules(&trust.update(&Documents::default(), at(38))), [], "nothing was offered");
    let four = publication_with_revocations(4, 4, at(24));
    let rollback = [("head".to_owned(), "rollback")];
    assert_eq!(rules(&trust.update(&only_head(&four), at(38))), rollback, "that head counts for nothing");
    assert_eq!(rules(&trust.update(&six, at(39))), []);
    assert_eq!(rules(&trust.update(&only_head(&six), at(40))), [], "both are in force");
}

#[test]
fn what_only_follows_from_a_refused_head_is_not_told_apart() {
    let refused = |change: fn(&mut Documents)| {
        let mut documents = publication_with_revocations(6, 6, at(36));
        documents.head = Some(b"{".to_vec());
        change(&mut documents);
        rules(&with_five().update(&documents, at(37)))
    };
    let head = ("head".to_owned(), "envelope-form");
    assert_eq!(refused(|_| {}), vec![head.clone()]);
    let unsigned = |documents: &mut Documents| {
        let of_policy: Statement = payload_of(documents.statement.as_deref().unwrap());
        documents.statement = Some(signed(&of_policy, &ONLINE));
    };
    assert_eq!(refused(unsigned), [head, ("policy statement".to_owned(), "threshold")]);
}

#[test]
fn a_body_with_faults_is_told_by_its_first_and_their_number() {
    let told = |change: fn(&mut serde_json::Value)| {
        let update = trust().update(&six(body_with("package-6", change), &POLICY[..1]), at(37));
        match update.refusals.into_iter().next().map(|refusal| refusal.violation) {
            Some(Violation::BodyInvalid { place, others, .. }) => (place, others),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(|body| body["policy"]["contact"] = json!(" ")), ("/policy/contact".to_owned(), 0));
    let two = |body: &mut serde_json::Value| {
        body["policy"]["contact"] = json!("");
        body["rule"][0]["id"] = json!("not an id");
    };
    assert_eq!(told(two), ("/policy/contact".to_owned(), 1));
}

#[test]
fn an_update_that_takes_nothing_changed_nothing() {
    assert!(!Update::default().changed());
    let refused = trust().update(&Documents { head: Some(b"{".to_vec()), ..Documents::default() }, at(31));
    assert_eq!((refused.changed(), refused.refusals.len()), (false, 1));
}

#[test]
fn a_refusal_tells_what_and_how_many_and_what_to_do() {
    let told = |others| {
        let (place, message) = ("/rule/0".to_owned(), "write an id".to_owned());
        Violation::BodyInvalid { place, message, others }.to_string()
    };
    assert_eq!(told(0), "it cannot be used: /rule/0: write an id");
    assert_eq!(told(2), "it cannot be used: /rule/0: write an id (and 2 more)");

    let body = body_with("package-6", |body| {
        body["policy"]["mode"] = json!("warn");
        body["policy"]["ignore_denylist"] = json!(true);
    });
    let update = trust().update(&six(body, &POLICY[..1]), at(37));
    let text = update.refusals[0].violation.to_string();
    let taken_away =
        "it takes protection away (the mode is warn: nothing is stopped (/policy/mode); the denylist";
    assert!(text.starts_with(taken_away), "{text}");
    assert!(text.ends_with("), which 2 policy keys must sign; 1 did"), "{text}");

    let of_envelope = |bytes: &[u8]| {
        let update =
            trust().update(&Documents { head: Some(bytes.to_vec()), ..Documents::default() }, at(31));
        (update.refusals[0].rule(), update.refusals[0].remedy())
    };
    let of_pin = Trust::pinned(b"{", at(0)).unwrap_err();
    assert_eq!((of_pin.rule(), of_pin.remedy().contains("trust/")), ("envelope-form", true));
    let (rule, remedy) = of_envelope(b"{");
    assert_eq!((rule, remedy), ("envelope-form", "fetch it again; if it stays so, publish it again"));
    let unsigned = signed(&head(6, at(30), current(6, b"")), &[]);
    assert_eq!(
        of_envelope(&unsigned),
        ("threshold", "have it signed by enough of the keys that the root names for it")
    );
    let number = Violation::RootNumber { expected: 2, found: 3 };
    assert_eq!(
        Refusal::new(DocumentName::Root(2), number).remedy(),
        "name the file after the sequence in it"
    );
}

/// A clock that was 32 days ahead for one boot kept every emergency away until that day had come.
#[test]
fn a_clock_that_was_ahead_and_is_right_again_is_believed_with_the_next_new_head() {
    for ahead in [5, 12, 32] {
        let mut trust = with_five();
        trust.read_clock(reading(at(31), 0));
        assert_eq!(trust.read_clock(reading(at(31 + ahead * 24), 60)).event, None, "no leap");
        let time = trust.read_clock(reading(at(32), 3600));
        assert_eq!(time.event, Some(ClockEvent::ClockRollback));
        // what is known already says nothing new
        assert!(!trust.update(&publication_with_revocations(5, 5, at(30)), time).changed());
        assert_eq!(trust.read_clock(reading(at(32), 3600)).event, Some(ClockEvent::ClockRollback));
        let update = trust.update(&publication_with_revocations(6, 6, at(32)), time);
        assert_eq!((rules(&update), sequences(&trust)), (vec![], (Some(6), Some(6))), "{ahead}");
        let time = trust.read_clock(reading(at(32), 3600));
        assert_eq!((time.event, time.judging, trust.staleness(time)), (None, at(32), Some(Staleness::Fresh)));
    }
}

#[test]
fn a_clock_that_is_set_back_brings_no_head_to_life_that_was_seen_and_takes_none_of_another_day() {
    let mut trust = with_five();
    trust.read_clock(reading(at(31), 0));
    let late = trust.read_clock(reading(at(31 + 20 * 24), 20 * 24 * 3600));
    assert_eq!(rules(&trust.update(&publication_with_revocations(5, 5, at(30)), late))[0].1, "expired");
    // back to where the head of before was fresh
    let time = trust.read_clock(reading(at(32), 20 * 24 * 3600 + 60));
    assert_eq!(rules(&trust.update(&publication_with_revocations(5, 5, at(30)), time))[0].1, "expired");
    assert_eq!(trust.staleness(time), Some(Staleness::Stale));
    // a new one that a right clock would have known as of tomorrow
    let update = trust.update(&publication_with_revocations(6, 6, at(32 + 25)), time);
    assert_eq!(rules(&update)[0].1, "issued-in-the-future");
    // nor one that has ended by the clock as it is
    let old = trust.read_clock(reading(at(31 + 30 * 24), 20 * 24 * 3600 + 120));
    let time = trust.read_clock(reading(at(150), 20 * 24 * 3600 + 180));
    assert_eq!(rules(&trust.update(&publication_with_revocations(6, 6, at(32)), time))[0].1, "expired");
    assert_eq!(
        trust.read_clock(reading(at(150), 20 * 24 * 3600 + 240)).verifying,
        old.verifying + jiff::SignedDuration::from_secs(120)
    );
}
