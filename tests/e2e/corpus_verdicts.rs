//! The two example policies judged over the whole corpus: the table of docs/policy.md, and a sample checked by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::evaluate::{Context, Subject, evaluate};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::verdict::Judgement;
use mcpolicy_schema::{fingerprint, identity};
use mcpolicy_tests::{regenerating, workspace};

use crate::corpus::all_entries;

const TABLE: &str = "docs/policy.md";
const START: &str = "<!-- corpus verdicts: cargo test -p mcpolicy --test e2e corpus_verdicts -->\n";
const END: &str = "<!-- end of corpus verdicts -->";
const SAMPLE: &str = "tests/fixtures/corpus-verdicts-checked.tsv";

#[allow(clippy::disallowed_methods, reason = "files of the test itself")]
fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn policy(name: &str) -> Policy {
    let text = read(&format!("docs/examples/demo-{name}.policy.toml"));
    let document = toml::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
    Policy::compile(document).unwrap_or_else(|faults| panic!("{name}: {faults:#?}"))
}

fn judge(policy: &Policy, entry: &Entry) -> Judgement {
    let identity = identity::identify(entry);
    let fingerprint = fingerprint::of(entry, &identity, None);
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let context = Context { home: Some("/home/user"), ..Context::bare(now) };
    evaluate(policy, &Subject { entry, identity: &identity, fingerprint: &fingerprint }, &context)
}

/// `allow`, or the verdict with the code of its reason.
fn outcome(judgement: &Judgement) -> String {
    match &judgement.reason {
        None => judgement.verdict.as_str().to_owned(),
        Some(reason) => format!("{} `{}`", judgement.verdict.as_str(), reason.code.as_str()),
    }
}

#[test]
fn both_example_policies_are_judged_over_the_corpus_and_the_table_says_so() {
    let Some(entries) = all_entries() else { return };
    let (strict, pilot) = (policy("strict"), policy("pilot"));
    let mut rows: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    let mut pins = [0; 2];
    for (_, entry) in &entries {
        for (at, policy) in [&strict, &pilot].into_iter().enumerate() {
            let judgement = judge(policy, entry);
            rows.entry(outcome(&judgement)).or_default()[at] += 1;
            pins[at] += usize::from(judgement.pin.is_some());
        }
    }
    let mut table = format!(
        "{} entries of {} real files (inert and disabled ones too), judged without a machine: no file is looked at.\n\n| verdict and reason | strict | pilot |\n|---|---:|---:|\n",
        entries.len(),
        entries.iter().map(|(id, _)| id).collect::<std::collections::BTreeSet<_>>().len(),
    );
    for (row, [strict, pilot]) in &rows {
        writeln!(table, "| {row} | {strict} | {pilot} |").unwrap();
    }
    writeln!(table, "| of the denied: only the version is wrong, and the rule names one to pin to | {} | {} |", pins[0], pins[1]).unwrap();
    let document = read(TABLE);
    let (before, rest) = document.split_once(START).expect("the start mark of the table");
    let (_, after) = rest.split_once(END).expect("the end mark of the table");
    let wanted = format!("{before}{START}{table}{END}{after}");
    if regenerating() {
        #[allow(clippy::disallowed_methods, reason = "files of the test itself")]
        std::fs::write(workspace().join(TABLE), &wanted).unwrap();
    }
    assert!(wanted == read(TABLE), "{TABLE} has another table; MCPOLICY_REGENERATE=1 writes it:\n{table}");
}

/// Fifty entries across clients and reasons, each read by a person against the rule; the verdict under the strict policy.
#[test]
fn the_verdicts_of_a_hand_checked_sample_stand() {
    let Some(entries) = all_entries() else { return };
    let strict = policy("strict");
    let mut found = BTreeMap::new();
    for (id, entry) in &entries {
        found.insert((id.clone(), entry.key_path.clone()), outcome(&judge(&strict, entry)));
    }
    let sample = read(SAMPLE);
    let rows: Vec<Vec<&str>> =
        sample.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').collect()).collect();
    assert!(rows.len() >= 50, "only {} rows", rows.len());
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let got = found.get(&(row[0].to_owned(), row[1].to_owned())).map_or("no such entry", String::as_str);
            (got != row[2]).then(|| format!("{} {}: {} is expected, {got} came ({})", row[0], row[1], row[2], row[3]))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
