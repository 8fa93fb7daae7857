//! A stored entry gets the verdict of the live one, or none: never a laxer nor a stricter one. Over the corpus and a
//! generated home, in many policies made from the inventory itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use mcpolicy::assess::Assessed;
use mcpolicy::authoring::draft::{self, Wish};
use mcpolicy::authoring::reports;
use mcpolicy::authoring::simulate::{self, Question};
use mcpolicy::authoring::stored::{Site, Stored};
use mcpolicy::ground::{self, Target};
use mcpolicy::pipeline::{self, Bounds, Ground, Outcome};
use mcpolicy::report::{self, Run};
use mcpolicy_clients::location::Os;
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::document::{Args, Default, Deny, Exception, PolicyDocument};
use mcpolicy_schema::evaluate::{Context, Device, Subject, System, evaluate};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::Verdict;
use mcpolicy_tests::{generated_home, say};

use crate::corpus::{corpus, index_of_paths, place, read};

/// An entry as the machine has it and as its report has it.
struct Pair {
    live: Assessed,
    home: Option<String>,
    user: String,
    stored: v1::Entry,
    homes: Vec<v1::Home>,
    host: reports::Host,
}

struct Inventory {
    pairs: Vec<Pair>,
    /// One report a line.
    lines: String,
}

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

impl Inventory {
    fn new() -> Self {
        Self { pairs: Vec::new(), lines: String::new() }
    }

    fn scan(&mut self, target: &Target) {
        let Ok(ground) = ground::lay(target, Some(Os::Linux), &Environment::from_iter([])) else { return };
        let redactor = Redactor::new(b"a key of the test, long enough to be one");
        let bounds = Bounds {
            walk_budget: Duration::from_secs(60),
            threads: 2,
            texts: 0,
            progress: &|_| {},
            reading: &|_, _| {},
            without: &BTreeSet::new(),
        };
        let outcome = pipeline::scan(&ground, &bounds, &redactor);
        let run = Run {
            device_id: None,
            groups: Vec::new(),
            started_at: "2026-11-21T00:00:00Z".into(),
            duration_ms: 1,
            fingerprint_key: "ephemeral",
            policy: None,
        };
        let report = report::build(&ground, &outcome, &run, &redactor);
        let line = serde_json::to_string(&report).unwrap();
        self.lines.push_str(&line);
        self.lines.push('\n');
        // What is judged is what was written and read again.
        let report: v1::Report = serde_json::from_str(&line).unwrap();
        self.pair(&ground, outcome, &report);
    }

    fn pair(&mut self, ground: &Ground, outcome: Outcome, report: &v1::Report) {
        let place = |item: &Assessed| {
            let source = &outcome.sources[item.source].source;
            (source.home, source.path.clone(), item.entry.span.start, item.entry.key_path.clone())
        };
        let places: Vec<_> = outcome.entries.iter().map(place).collect();
        let mut live: Vec<_> = places.into_iter().zip(outcome.entries).collect();
        live.sort_by(|(a, _), (b, _)| a.cmp(b));
        assert_eq!(live.len(), report.entries.len());
        for ((place, live), stored) in live.into_iter().zip(&report.entries) {
            assert_eq!(live.fingerprint, stored.fingerprint);
            let home = place.0.map(|at| &ground.homes[at]).filter(|home| !home.user.is_empty());
            self.pairs.push(Pair {
                live,
                home: home.map(|home| home.layout.home.to_string_lossy().into_owned()),
                user: home.map(|home| home.user.clone()).unwrap_or_default(),
                stored: stored.clone(),
                homes: report.scan.homes.clone(),
                host: reports::Host { hostname: None, device_id: None, os: "linux".into() },
            });
        }
    }

    fn file(&self) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("fleet.ndjson");
        std::fs::write(&file, &self.lines).unwrap();
        (directory, file)
    }

    /// The policy drafted from this inventory.
    fn drafted(&self) -> PolicyDocument {
        let (_directory, file) = self.file();
        let wish = Wish { min_machines: 1, existing: None, now: now() };
        let (draft, problems) = draft::draft(&wish, &[file], &|_, _| {}).unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        toml::from_str(&draft.policy).unwrap()
    }
}

fn of_corpus() -> Option<Inventory> {
    let root = corpus()?;
    let paths = index_of_paths(&root);
    let mut inventory = Inventory::new();
    let expected = String::from_utf8(read(&root.join("expected.jsonl"))).unwrap();
    for line in expected.lines().filter(|l| !l.trim().is_empty()) {
        let answer: serde_json::Value = serde_json::from_str(line).unwrap();
        let file = answer["file"].as_str().unwrap();
        let text = read(&root.join(file));
        let path = &paths[answer["id"].as_str().unwrap()];
        let (client, as_path) =
            place(answer["client"].as_str().unwrap(), path, file, &String::from_utf8_lossy(&text));
        inventory.scan(&Target::File {
            path: root.join(file),
            client: client.to_owned(),
            as_path: Some(PathBuf::from(as_path)),
        });
    }
    Some(inventory)
}

fn of_generated_home() -> Option<Inventory> {
    let directory = tempfile::tempdir().unwrap();
    generated_home(directory.path(), &["--size", "tiny", "--hazards"])?;
    let mut inventory = Inventory::new();
    inventory.scan(&Target::Homes(vec![directory.path().canonicalize().unwrap().join("home0")]));
    Some(inventory)
}

/// Policies that let in and shut out by everything that a rule has, made from one that fits the inventory.
fn variations(base: &PolicyDocument, fingerprints: &BTreeSet<String>) -> Vec<(&'static str, Policy)> {
    let mut all: Vec<(&'static str, PolicyDocument)> = Vec::new();
    let mut add = |name, change: &dyn Fn(&mut PolicyDocument)| {
        let mut document = base.clone();
        change(&mut document);
        all.push((name, document));
    };
    let patterns = |map: &BTreeMap<String, String>, pattern: &str| -> BTreeMap<String, String> {
        map.keys().map(|name| (name.clone(), pattern.to_owned())).collect()
    };
    add("as drafted", &|_| {});
    add("any arguments", &|d| {
        d.rule.iter_mut().for_each(|r| {
            r.args.positional = vec!["...".into()];
            r.args.required.clear();
        });
    });
    add("one word each", &|d| {
        d.rule.iter_mut().for_each(|r| {
            r.args.positional.clear();
            r.args.required.clear();
            r.args.optional = ["*", "--* *", "--*=*", "-*"].map(str::to_owned).to_vec();
            r.runner_args = ["-*", "-* *", "--*", "--* *"].map(str::to_owned).to_vec();
        });
    });
    add("any text", &|d| {
        d.rule.iter_mut().for_each(|r| {
            r.args.positional.clear();
            r.args.optional = ["**", "--** **", "-**"].map(str::to_owned).to_vec();
            r.cwd = vec!["**".into()];
            r.wrappers = ["sh -c", "bash -c", "env", "cmd /c", "sudo"].map(str::to_owned).to_vec();
        });
    });
    add("no arguments", &|d| d.rule.iter_mut().for_each(|r| r.args = Args::default()));
    add("values that begin with a letter", &|d| {
        d.rule.iter_mut().for_each(|r| {
            r.env = patterns(&r.env, "g*");
            r.headers = patterns(&r.headers, "B*");
        });
    });
    add("values that hold a letter", &|d| {
        d.rule.iter_mut().for_each(|r| r.env = patterns(&r.env, "*e*"));
    });
    add("no references", &|d| d.rule.iter_mut().for_each(|r| r.references.clear()));
    add("no variables", &|d| {
        d.rule.iter_mut().for_each(|r| {
            r.env.clear();
            r.headers.clear();
        });
    });
    add("no query", &|d| {
        for rule in &mut d.rule {
            if let mcpolicy_schema::document::IdentityMatcher::Url(url) = &mut rule.identity {
                url.query.values_mut().for_each(|pattern| *pattern = "a*".into());
            }
        }
    });
    add("unknown members denied", &|d| {
        d.policy.unknown_members = mcpolicy_schema::document::UnknownMembers::Deny;
    });
    add("some clients", &|d| d.rule.iter_mut().for_each(|r| r.clients = vec!["claude-code".into()]));
    add("some users, groups and devices", &|d| {
        for (at, rule) in d.rule.iter_mut().enumerate() {
            match at % 3 {
                0 => rule.users = vec!["home0".into()],
                1 => rule.groups = vec!["staff".into()],
                _ => rule.devices = vec!["d1".into()],
            }
        }
    });
    add("default allow", &|d| {
        d.policy.default = Default::Allow;
        d.rule.clear();
    });
    add("half denied", &|d| {
        let denied: Vec<Deny> = d
            .rule
            .iter()
            .step_by(2)
            .map(|rule| Deny {
                id: format!("no-{}", rule.id),
                identity: rule.identity.clone(),
                reason: "a test".into(),
                ticket: None,
                owner: None,
                alternatives: Vec::new(),
                contact: None,
            })
            .collect();
        d.deny = denied;
        d.rule.iter_mut().for_each(|r| r.args.optional = vec!["**".into(), "-**".into()]);
    });
    add("exceptions", &|d| {
        d.rule.clear();
        d.exception = fingerprints
            .iter()
            .enumerate()
            .map(|(at, fingerprint)| Exception {
                id: format!("x{at}"),
                fingerprint: fingerprint.clone(),
                description: None,
                owner: "o".into(),
                ticket: "t".into(),
                expires: "2030-01-01T00:00:00Z".parse().unwrap(),
                directory: None,
                users: Vec::new(),
                devices: if at % 4 == 0 { vec!["d1".into()] } else { Vec::new() },
            })
            .collect();
    });
    let compile = |(name, document): (&'static str, PolicyDocument)| {
        (name, Policy::compile(document).unwrap_or_else(|faults| panic!("{name}: {faults:?}")))
    };
    all.into_iter().map(compile).collect()
}

fn live_verdict(pair: &Pair, policy: &Policy, device: &str, groups: &[String]) -> Verdict {
    let mut on = Device { id: device, user: &pair.user, groups, ring: None };
    on.ring = policy.ring_of(&on);
    let subject = Subject {
        entry: &pair.live.entry,
        identity: &pair.live.identity,
        fingerprint: &pair.live.fingerprint,
    };
    let context =
        Context { system: System::Linux, home: pair.home.as_deref(), device: on, ..Context::bare(now()) };
    evaluate(policy, &subject, &context).verdict
}

fn stored_verdict(pair: &Pair, policy: &Policy) -> Verdict {
    let site = Site::of(&pair.host, &pair.homes, now());
    Stored::new(&pair.stored).judge(policy, &site).verdict
}

/// Holds every pair against every policy. How many entries were told for sure, and how many allowed among them.
fn compare(inventory: &Inventory) {
    let base = inventory.drafted();
    let fingerprints = inventory.pairs.iter().map(|pair| pair.live.fingerprint.clone()).collect();
    let (_directory, file) = inventory.file();
    let (mut told, mut allowed, mut unclear) = (0u64, 0u64, 0u64);
    for (name, policy) in variations(&base, &fingerprints) {
        let mut counts: BTreeMap<Verdict, u64> = BTreeMap::new();
        for pair in &inventory.pairs {
            let stored = stored_verdict(pair, &policy);
            if pair.stored.inert.is_none() {
                *counts.entry(stored).or_default() += 1;
            }
            // A report says nothing of device and groups, so its verdict must hold whatever they are.
            for (device, groups) in [("", vec![]), ("d1", vec!["staff".to_owned()])] {
                let live = live_verdict(pair, &policy, device, &groups);
                let context = || format!("{name}: {} {:?}", pair.stored.name, pair.stored.args);
                assert!(
                    stored == live || stored == Verdict::Unknown,
                    "{stored:?} for {live:?}: {}",
                    context()
                );
                told += u64::from(stored != Verdict::Unknown);
                allowed += u64::from(stored == Verdict::Allow);
                unclear += u64::from(stored == Verdict::Unknown && live != Verdict::Unknown);
            }
        }
        let question = Question { new: &policy, current: None, revocations: None, now: now() };
        let (simulated, problems) = simulate::simulate(&question, std::slice::from_ref(&file), &|_, _| {});
        assert!(problems.is_empty(), "{problems:?}");
        let of = |verdict| counts.get(&verdict).copied().unwrap_or_default();
        let wanted = (of(Verdict::Allow), of(Verdict::Unknown), of(Verdict::Deny));
        let got = (simulated.allowed, simulated.unknown, simulated.blocked + simulated.pinned);
        assert_eq!(got, wanted, "{name}: the cache changes verdicts");
    }
    say(&format!(
        "stored entries: {told} verdicts told, {allowed} of them allow, {unclear} lost to hidden text"
    ));
    assert!(allowed > 100, "almost nothing is allowed, so the comparison says little");
    assert!(unclear * 4 < told, "too little is told: {unclear} unclear, {told} told");
}

#[test]
fn a_stored_entry_of_the_corpus_has_the_verdict_of_the_live_one_or_none() {
    let Some(inventory) = of_corpus() else { return };
    assert!(inventory.pairs.len() > 500);
    compare(&inventory);
}

#[test]
fn a_stored_entry_of_a_generated_home_has_the_verdict_of_the_live_one_or_none() {
    let Some(inventory) = of_generated_home() else { return };
    compare(&inventory);
}

/// Reports of an agent that did not yet tell references, homes and shapes.
#[test]
fn an_older_report_is_never_read_as_laxer() {
    let Some(mut inventory) = of_generated_home() else { return };
    let base = inventory.drafted();
    for pair in &mut inventory.pairs {
        pair.homes.clear();
        pair.stored.plain_args.clear();
        pair.stored.plain_url = false;
        pair.stored.values.iter_mut().for_each(|value| value.references = None);
        pair.stored.values.retain(|value| value.r#in != "member");
    }
    let fingerprints = BTreeSet::new();
    for (name, policy) in variations(&base, &fingerprints) {
        for pair in &inventory.pairs {
            let (stored, live) = (stored_verdict(pair, &policy), live_verdict(pair, &policy, "", &[]));
            assert!(stored == live || stored == Verdict::Unknown, "{name}: {stored:?} for {live:?}");
        }
    }
}

#[test]
fn a_policy_drafted_from_the_corpus_names_no_secret_and_no_wildcard_of_its_own() {
    let Some(inventory) = of_corpus() else { return };
    for rule in inventory.drafted().rule {
        let args = rule.args.positional.iter().chain(&rule.args.required).chain(&rule.args.optional);
        for argument in args.chain(&rule.cwd) {
            assert!(
                !argument.contains('*') && !argument.contains("<secret:") && argument != "...",
                "{}: {argument}",
                rule.id
            );
        }
    }
}
