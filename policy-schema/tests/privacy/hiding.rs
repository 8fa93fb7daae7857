//! What is left of records in the lower tiers.

use std::sync::LazyLock;

use mcpolicy_schema::report::privacy::{BODIES, COMMON, Holds, Person, Privacy, apply, rows};
use mcpolicy_schema::report::v1::Tier;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::samples;

const KEY: &[u8] = b"a key that the fleet shares";
const LOWER: [Tier; 2] = [Tier::Pseudonymous, Tier::Outcomes];

/// Members that hold the id of a device, which stays as it is.
const OF_THE_DEVICE: [&str; 3] = ["id", "device.id", "request.device"];

fn person(user: &str, home: &str) -> Person {
    Person { user: user.to_owned(), home: home.to_owned() }
}

fn alice() -> Vec<Person> {
    vec![person("alice", "/home/alice")]
}

fn in_tier(record: &Value, tier: Tier, people: &[Person]) -> Value {
    let mut record = record.clone();
    apply(&mut record, tier, KEY, people);
    record
}

fn sample(kind: &str) -> Value {
    samples::all().into_iter().find(|sample| sample["kind"] == kind).unwrap()
}

/// What the table says that a path of a record holds.
fn holds(kind: &str, path: &str) -> Holds {
    let row = rows().into_iter().find(|row| (row.kind.is_empty() || row.kind == kind) && row.path == path);
    row.unwrap().field.holds
}

fn is_token(text: &str) -> bool {
    let text = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
    let Some((word, digits)) = text.split_once(':') else { return false };
    ["user", "home", "host", "text"].contains(&word) && digits.len() == 16
}

/// Every text of a value, with the names of members.
fn texts(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            all.push(name.clone());
            texts(value, all);
        }),
        Value::Array(items) => items.iter().for_each(|item| texts(item, all)),
        Value::String(text) => all.push(text.clone()),
        _ => {}
    }
}

fn without_device_ids(record: &Value) -> Value {
    samples::planted(record, &OF_THE_DEVICE.map(str::to_owned), "")
}

#[test]
fn in_full_a_record_leaves_as_it_is() {
    for mut record in samples::all() {
        record["novel"] = json!({ "user": "alice" });
        assert_eq!(in_tier(&record, Tier::Full, &alice()), record);
    }
}

#[test]
fn pseudonymous_tells_a_user_apart_and_names_nobody() {
    let entry = &in_tier(&sample("entry"), Tier::Pseudonymous, &alice())["entry"];
    let user = entry["user"].as_str().unwrap();
    let digits = user.strip_prefix("user:").unwrap();
    assert_eq!(entry["source"]["path"], format!("<home:{digits}>/.cursor/mcp.json"));
    assert_eq!(entry["args"], json!(["-y", "@playwright/mcp@1.2.3"]));
    let device = &in_tier(&sample("entry"), Tier::Pseudonymous, &[])["device"];
    assert!(device["hostname"].as_str().unwrap().starts_with("host:"), "{device}");
    assert_eq!(device["id"], "device-17");
}

#[test]
fn outcomes_keep_what_was_decided_and_done() {
    let action = in_tier(&sample("action"), Tier::Outcomes, &alice());
    for (member, wanted) in [
        ("action", json!("quarantine")),
        ("outcome", json!("applied")),
        ("client", json!("cursor")),
        ("code", json!("not-allowed")),
        ("rule", json!("deny-all")),
        ("journal", json!(4)),
        ("block", json!("b-17")),
        ("privacy", json!("outcomes")),
        ("detail", Value::Null),
    ] {
        assert_eq!(action[member], wanted, "{member}");
    }
    assert!(action["fingerprint"].as_str().unwrap().starts_with("sha256:"));
    assert!(is_token(action["server"].as_str().unwrap()) && is_token(action["path"].as_str().unwrap()));
    assert_eq!(action["device"].get("hostname"), None);
    let request = &in_tier(&sample("request"), Tier::Outcomes, &alice())["request"];
    assert_eq!((request.get("reason"), &request["entry"]["args"]), (None, &json!([])));
}

#[test]
fn a_hash_is_the_same_on_all_machines_of_a_key_and_another_with_another_key() {
    let record = sample("event");
    let here = in_tier(&record, Tier::Pseudonymous, &alice());
    let there =
        in_tier(&record, Tier::Pseudonymous, &[person("bob", "/home/bob"), person("alice", "/data/a")]);
    assert_eq!(here["user"], there["user"]);
    let mut other = record;
    apply(&mut other, Tier::Pseudonymous, b"another key", &alice());
    assert_ne!(here["user"], other["user"]);
}

#[test]
fn our_own_words_stay_on_the_machine_of_a_user_who_is_called_so() {
    let people = ["quarantine", "applied", "cursor", "not-allowed", "event", "high", "user", "agent"];
    let people: Vec<Person> = people.iter().map(|name| person(name, &format!("/home/{name}"))).collect();
    for record in samples::all() {
        for tier in LOWER {
            let less = in_tier(&record, tier, &people);
            assert!(samples::is_record(&less), "{less}");
            for word in ["kind", "class", "action", "outcome", "client", "code"] {
                assert_eq!(less[word], record[word], "{word}");
            }
        }
    }
}

#[test]
fn a_rule_that_is_named_for_a_user_does_not_name_them() {
    let mut action = sample("action");
    action["rule"] = json!("exception-alice-2026");
    let less = in_tier(&action, Tier::Pseudonymous, &alice());
    assert!(less["rule"].as_str().unwrap().starts_with("exception-<user:"), "{less}");
    assert!(is_token(in_tier(&action, Tier::Outcomes, &alice())["rule"].as_str().unwrap()));
}

#[test]
fn a_member_that_the_table_does_not_know_or_of_another_type_is_dropped() {
    fn spoil(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.values_mut().for_each(spoil);
                members.insert("novel".to_owned(), json!("a canary"));
            }
            Value::Array(items) => items.iter_mut().for_each(spoil),
            _ => {}
        }
    }
    for record in samples::all() {
        for tier in LOWER {
            let mut spoilt = record.clone();
            spoil(&mut spoilt);
            assert_eq!(in_tier(&spoilt, tier, &alice()), in_tier(&record, tier, &alice()));
        }
    }
    let mut odd = sample("event");
    odd["journal"] = json!("alice");
    odd["detail"] = json!({ "user": "alice" });
    odd["user"] = json!(["alice"]);
    odd["device"] = json!("alice");
    for tier in LOWER {
        assert!(!in_tier(&odd, tier, &[]).to_string().contains("alice"));
    }
    assert_eq!(in_tier(&json!("alice"), Tier::Outcomes, &[]), Value::Null);
}

#[test]
fn a_stricter_tier_is_never_taken_back() {
    let mut record = in_tier(&sample("event"), Tier::Outcomes, &alice());
    apply(&mut record, Tier::Pseudonymous, KEY, &alice());
    assert_eq!(record["privacy"], "outcomes");
}

#[test]
fn outcomes_have_no_free_text_but_where_the_table_lets_a_word_stand() {
    // Each has the form of something that may stay, and so may stay there only.
    let canaries = ["A canary: sings!", "a-canary-sings", "17.canary-sings", "Canary 17 (sings)"];
    for record in samples::all() {
        let kind = record["kind"].as_str().unwrap().to_owned();
        let texts = samples::free_texts(&record);
        assert!(texts.len() >= 10, "{kind}: {texts:?}");
        for canary in canaries {
            let mut less = in_tier(&samples::planted(&record, &texts, canary), Tier::Outcomes, &alice());
            assert!(samples::is_record(&less), "{less}");
            samples::leaves(&mut less, "", &mut |path, leaf| {
                let Some(text) =
                    leaf.as_str().filter(|text| texts.iter().any(|t| t == path) && !text.is_empty())
                else {
                    return;
                };
                let may_stay = match holds(&kind, path) {
                    Holds::Device => true,
                    Holds::Word => canary == canaries[1],
                    Holds::Id => canary == canaries[1] || canary == canaries[2],
                    Holds::Version => canary == canaries[2],
                    Holds::System => canary == canaries[2] || canary == canaries[3],
                    _ => false,
                };
                assert!(is_token(text) || (may_stay && text == canary), "{kind} {path}: {text}");
            });
        }
    }
}

/// Samples, each with where any text may stand in it.
static FREE: LazyLock<Vec<(Value, Vec<String>)>> = LazyLock::new(|| {
    samples::all().into_iter().map(|sample| (sample.clone(), samples::free_texts(&sample))).collect()
});

/// Names as directories have them, none of which is a part of any word of ours.
fn name() -> impl Strategy<Value = String> {
    "[a-zA-Zé-üα-ωа-я]{0,5}(zq|éü|жы|ñ9)[a-zA-Z0-9._é-ü-]{1,5}[a-z0-9é-ü]"
}

/// How a name may stand in a text.
fn embedded(user: &str, home: &str, host: &str, form: u8) -> String {
    match form % 12 {
        0 => user.to_owned(),
        1 => home.to_owned(),
        2 => host.to_owned(),
        3 => format!("{home}/.cursor/mcp.json"),
        4 => format!("/home/{user}/x"),
        5 => format!("c:\\users\\{user}\\x"),
        6 => user.to_uppercase(),
        7 => format!("https://{user}@{host}/{user}"),
        8 => home.replace(['/', '\\'], "~1"),
        9 => format!("-u{user}2 {user}{user}"),
        10 => format!("<user:{user}>"),
        _ => host.split('.').next().unwrap_or_default().to_owned(),
    }
}

prop_compose! {
    /// A sample with a random text, in which names are, wherever a text may stand; and whose names they are.
    fn named_record()(
        which in 0..FREE.len(),
        users in prop::collection::vec(name(), 1..4),
        place in prop::sample::select(vec!["/home/", "/Users/", "C:\\Users\\", "D:/profiles/", "/srv/people/"]),
        host in "(zq|éü)[a-z0-9é-ü]{2,8}(\\.corp\\.example\\.com)?",
        parts in prop::collection::vec(("\\PC{0,8}", any::<u8>(), "\\PC{0,8}"), 1..4),
        seed in any::<u8>(),
    ) -> (Value, Vec<Person>, Vec<String>) {
        let people: Vec<Person> = users.iter().map(|user| person(user, &format!("{place}{user}"))).collect();
        let (mut sample, free) = FREE[which].clone();
        let mut turn = usize::from(seed);
        samples::leaves(&mut sample, "", &mut |path, leaf| {
            if free.iter().any(|free| free == path) && !OF_THE_DEVICE.contains(&path) {
                turn += 1;
                let person = &people[turn % people.len()];
                let text = parts.iter().fold(String::new(), |text, (before, form, after)| {
                    let name = embedded(&person.user, &person.home, &host, form.wrapping_add(turn as u8));
                    format!("{text}{before}{name}{after}")
                });
                *leaf = Value::from(text);
            }
        });
        sample["device"]["hostname"] = Value::from(host.clone());
        let mut hidden = users;
        hidden.extend(people.iter().map(|person| person.home.clone()));
        hidden.push(host);
        (sample, people, hidden)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_name_of_a_user_home_or_machine_is_anywhere_in_the_lower_tiers((record, people, hidden) in named_record()) {
        for tier in LOWER {
            let less = in_tier(&record, tier, &people);
            let mut all = Vec::new();
            texts(&without_device_ids(&less), &mut all);
            for text in all {
                for name in &hidden {
                    prop_assert!(!text.to_lowercase().contains(&name.to_lowercase()), "{name} in {text}");
                }
            }
        }
    }

    #[test]
    fn once_is_as_good_as_twice_and_by_way_of_the_middle((record, people, _) in named_record()) {
        let middle = in_tier(&record, Tier::Pseudonymous, &people);
        let least = in_tier(&record, Tier::Outcomes, &people);
        prop_assert_eq!(&in_tier(&middle, Tier::Pseudonymous, &people), &middle);
        prop_assert_eq!(&in_tier(&least, Tier::Outcomes, &people), &least);
        let mut by_way = in_tier(&middle, Tier::Outcomes, &people);
        by_way["device"].as_object_mut().unwrap().remove("hostname");
        prop_assert_eq!(by_way, least);
    }

    #[test]
    fn a_record_stays_a_record((record, people, _) in named_record()) {
        for tier in LOWER {
            let less = in_tier(&record, tier, &people);
            prop_assert!(samples::is_record(&less), "{less}");
        }
    }

    #[test]
    fn whoever_nobody_knows_is_hidden_by_the_path_of_their_home(
        stranger in name(),
        before in "\\PC{0,8}",
        form in 0..6_usize,
    ) {
        let path = match form {
            0 => format!("/home/{stranger}/x"),
            1 => format!("/USERS/{stranger}: denied"),
            2 => format!("C:\\Users\\{stranger}"),
            3 => format!("c:\\\\users\\\\{stranger} {stranger}\\\\x"),
            4 => format!("/x~1home~1{stranger}~1y"),
            _ => format!("d:/uSeRs/{stranger}/x"),
        };
        let mut record = sample("event");
        record["detail"] = Value::from(format!("{before}{path}"));
        let less = in_tier(&record, Tier::Pseudonymous, &[]);
        prop_assert!(!less["detail"].as_str().unwrap().contains(&stranger), "{less}");
    }

    #[test]
    fn whatever_the_json_nothing_unknown_is_left_and_nothing_panics(
        mut value in any_json(),
        kind in prop::sample::select(BODIES.iter().map(|(kind, _)| *kind).collect::<Vec<_>>()),
        people in prop::collection::vec((".{0,4}", ".{0,6}"), 0..4),
    ) {
        value["kind"] = Value::from(kind);
        let people: Vec<Person> = people.iter().map(|(user, home)| person(user, home)).collect();
        for tier in LOWER {
            let mut less = value.clone();
            Privacy::new(tier, b"", &people).apply(&mut less);
            let known: Vec<String> =
                rows().into_iter().filter(|row| row.kind.is_empty() || row.kind == kind).map(|row| row.path).collect();
            samples::leaves(&mut less, "", &mut |path, _| {
                assert!(known.iter().any(|known| known.strip_suffix("[]").unwrap_or(known) == path || known == path), "{path}");
            });
        }
    }
}

/// Objects of which many members have names of the table.
fn any_json() -> impl Strategy<Value = Value> {
    let mut names: Vec<String> = rows()
        .iter()
        .filter_map(|row| row.path.rsplit('.').next().map(|name| name.trim_end_matches("[]").to_owned()))
        .collect();
    names.push("novel".to_owned());
    assert!(!COMMON.is_empty());
    let names = prop::sample::select(names);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "(/|\\\\|~1|%2f|<|user:|home|users|C:|-| |é){0,9}".prop_map(Value::from),
    ];
    let inner = leaf.prop_recursive(5, 60, 10, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..9)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    });
    inner.prop_map(|value| if value.is_object() { value } else { json!({ "device": value }) })
}
