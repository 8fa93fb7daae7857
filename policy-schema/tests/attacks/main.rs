//! Every attack on signed documents that we know, as a folder named after it: `fixtures/attacks/<name>/` has the pinned
//! root, what the machine had accepted before, what the attacker offers, and in `expected.json` what must come of it.
//!
//! The folders are made by `cases.rs` out of fixed keys; `MCPOLICY_REGENERATE=1` writes them anew.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]
#![allow(clippy::disallowed_methods, reason = "the repository's own files")]

mod cases;
mod root_cases;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mcpolicy_schema::trust::{Demands, Documents, Trust};
use serde::{Deserialize, Serialize};

/// What must come of an attack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// What the attacker does, and who he is.
    attack: String,
    /// When.
    now: Timestamp,
    /// The floor of the device settings.
    #[serde(default, skip_serializing_if = "is_nought")]
    min_policy: u64,
    /// Document and rule of each refusal.
    refusals: Vec<(String, String)>,
    /// The policy in force afterwards.
    policy: Option<u64>,
    /// The revocations in force afterwards.
    revocations: Option<u64>,
    /// How old it counts then.
    staleness: Option<String>,
}

fn is_nought(n: &u64) -> bool {
    *n == 0
}

/// An attack: the folders `before` and `offered`, the pinned root, and what must come of it.
struct Case {
    name: &'static str,
    pinned: Vec<u8>,
    before: Vec<Documents>,
    offered: Documents,
    expected: Expected,
}

/// Names of published files with their bytes.
fn files_of(documents: &Documents, sequences: (u64, u64)) -> BTreeMap<String, Vec<u8>> {
    let (policy, revocations) = sequences;
    let mut files = BTreeMap::new();
    for (n, bytes) in &documents.roots {
        files.insert(format!("root.{n}.json"), bytes.clone());
    }
    let singles = [
        ("head.json".to_owned(), &documents.head),
        (format!("policy.{policy}.json"), &documents.statement),
        (format!("policy.{policy}.body"), &documents.body),
        (format!("revocations.{revocations}.json"), &documents.revocations_statement),
        (format!("revocations.{revocations}.body"), &documents.revocations_body),
    ];
    for (name, bytes) in singles {
        files.extend(bytes.as_ref().map(|bytes| (name, bytes.clone())));
    }
    files
}

/// Reads a published folder by its names.
fn documents_in(folder: &Path) -> Documents {
    let mut documents = Documents::default();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        let parts: Vec<&str> = name.split('.').collect();
        match parts[..] {
            ["root", n, "json"] => drop(documents.roots.insert(n.parse().unwrap(), bytes)),
            ["head", "json"] => documents.head = Some(bytes),
            ["policy", _, "json"] => documents.statement = Some(bytes),
            ["policy", _, "body"] => documents.body = Some(bytes),
            ["revocations", _, "json"] => documents.revocations_statement = Some(bytes),
            ["revocations", _, "body"] => documents.revocations_body = Some(bytes),
            _ => panic!("{name} is no published file"),
        }
    }
    documents
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/attacks")
}

/// The files of a case, by their paths in its folder.
fn tree_of(case: &Case) -> BTreeMap<String, Vec<u8>> {
    let mut tree = BTreeMap::from([("pinned.json".to_owned(), case.pinned.clone())]);
    for (n, documents) in case.before.iter().enumerate() {
        let files = files_of(documents, (1, 1));
        tree.extend(files.into_iter().map(|(name, bytes)| (format!("before-{}/{name}", n + 1), bytes)));
    }
    let offered = files_of(&case.offered, (2, 2));
    tree.extend(offered.into_iter().map(|(name, bytes)| (format!("offered/{name}"), bytes)));
    let expected = serde_json::to_string_pretty(&case.expected).unwrap() + "\n";
    tree.insert("expected.json".to_owned(), expected.into_bytes());
    tree
}

fn tree_at(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut tree = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&at) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                tree.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    tree
}

/// What came of an attack on a machine that had taken up everything before.
fn outcome(folder: &Path, expected: &Expected) -> Expected {
    let pinned = std::fs::read(folder.join("pinned.json")).unwrap();
    let mut trust = match Trust::pinned(&pinned, cases::start()) {
        Ok(trust) => trust.demanding(Demands {
            min_policy: expected.min_policy,
            channel: Some("default".to_owned()),
            ..Demands::default()
        }),
        Err(refusal) => {
            let refusals = vec![(refusal.document.to_string(), refusal.rule().to_owned())];
            return Expected {
                refusals,
                policy: None,
                revocations: None,
                staleness: None,
                ..expected.clone()
            };
        }
    };
    for n in 1.. {
        let before = folder.join(format!("before-{n}"));
        if !before.exists() {
            break;
        }
        let documents = documents_in(&before);
        let head: mcpolicy_schema::signed::Head =
            mcpolicy_tests::signing::payload_of(documents.head.as_deref().unwrap());
        let update = trust.update(&documents, head.issued);
        assert_eq!(update.refusals, [], "{}: what came before must be accepted", folder.display());
    }
    let offered = folder.join("offered");
    let offered = if offered.exists() { documents_in(&offered) } else { Documents::default() };
    let update = trust.update(&offered, expected.now);
    for refusal in &update.refusals {
        let text = refusal.to_string();
        assert!(text.contains(refusal.remedy()) && text.len() > refusal.remedy().len() + 20, "{text}");
    }
    let refusals = update.refusals.iter().map(|r| (r.document.to_string(), r.rule().to_owned())).collect();
    Expected {
        refusals,
        policy: trust.policy().map(|policy| policy.sequence),
        revocations: trust.revocations().map(|revocations| revocations.sequence),
        staleness: trust.staleness(expected.now).map(|rung| rung.as_str().to_owned()),
        ..expected.clone()
    }
}

#[test]
fn the_folders_are_those_that_the_cases_make() {
    let cases = cases::all();
    if std::env::var_os("MCPOLICY_REGENERATE").is_some() {
        let _ = std::fs::remove_dir_all(fixtures());
        for case in &cases {
            for (name, bytes) in tree_of(case) {
                let path = fixtures().join(case.name).join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
        }
    }
    let made: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(made.len(), cases.len(), "two cases have one name");
    let there = std::fs::read_dir(fixtures()).unwrap();
    let there: BTreeSet<String> =
        there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there.iter().map(String::as_str).collect::<BTreeSet<_>>(), made);
    for case in &cases {
        let current = tree_of(case) == tree_at(&fixtures().join(case.name));
        assert!(
            current,
            "{} is not current: MCPOLICY_REGENERATE=1 cargo test -p mcpolicy-schema --test attacks",
            case.name
        );
    }
}

#[test]
fn every_attack_is_refused_by_the_rule_beside_it_and_takes_nothing_away() {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() > 30, "the fixtures were not found");
    let mut wrong = Vec::new();
    for folder in folders {
        let expected = std::fs::read(folder.join("expected.json")).unwrap();
        let expected: Expected = serde_json::from_slice(&expected).unwrap();
        let outcome = outcome(&folder, &expected);
        if outcome != expected {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            wrong.push(format!("{name}:\n  expected {expected:?}\n  got      {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An attack without its attack must succeed, else the fixture would prove nothing.
#[test]
fn the_honest_publication_beside_the_attacks_is_accepted() {
    let mut trust = Trust::pinned(&cases::pinned(), cases::start()).unwrap();
    for documents in [cases::honest(5), cases::honest(6)] {
        let update = trust.update(&documents, cases::NOW.parse::<Timestamp>().unwrap());
        assert_eq!(update.refusals, []);
    }
    assert_eq!(trust.policy().unwrap().sequence, 6);
    assert_eq!(trust.revocations().unwrap().sequence, 6);
    let staleness = trust.staleness(cases::NOW.parse::<Timestamp>().unwrap());
    assert_eq!(staleness, Some(mcpolicy_schema::trust::Staleness::Fresh));
}
