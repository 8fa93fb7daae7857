//! One entry against a policy of 10,000 rules (budget 2 µs), and verifying and reading such a policy (budget 50 ms).
//!
//! `cargo bench -p mcpolicy-schema --bench evaluate -- --check` measures just these, says `OVER` where one takes more than
//! its budget, and `MISSED` and fails where it takes more than twice that; `--check=FACTOR` sets another factor.
#![allow(clippy::expect_used, reason = "a benchmark that cannot read its own text must stop")]
#![allow(clippy::print_stdout, clippy::disallowed_macros, reason = "it tells its figures to whoever runs it")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::entry::{Entry, NamedValue, Position, Reader, Scope, Transport};
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::evaluate::{Context, Subject, evaluate};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::signed::{self, Digest, Payload, Role, Statement};
use mcpolicy_schema::{fingerprint, identity, json};
use mcpolicy_tests::signing;
use serde_json::{Value, json};

const RULES: usize = 10_000;

/// For one entry.
const EVALUATE: Duration = Duration::from_micros(2);
/// For a new policy.
const TAKE_UP: Duration = Duration::from_millis(50);
/// How far beyond its budget a figure fails: a machine with other work is no fault of the code.
const FACTOR: f64 = 2.0;

fn main() -> ExitCode {
    let check = std::env::args().skip(1).find_map(|argument| match argument.strip_prefix("--check")? {
        "" => Some(FACTOR),
        rest => Some(rest.strip_prefix('=')?.parse().expect("--check=FACTOR, a number")),
    });
    match check {
        Some(factor) => check_budgets(factor),
        None => {
            divan::main();
            ExitCode::SUCCESS
        }
    }
}

/// Measures what has a budget, and fails where one is missed by more than a factor.
fn check_budgets(factor: f64) -> ExitCode {
    let mut is_missed = false;
    let mut tell = |what: &str, budget: Duration, took: Duration| {
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        let (took, budget) = (us(took), us(budget));
        let misses = took > budget * factor;
        let word = match took <= budget {
            true => "ok",
            false if misses => "MISSED",
            false => "OVER",
        };
        println!(
            "{word:6} {what}: {took:.2} µs, {:.2} of {budget} µs (fails beyond {factor})",
            took / budget
        );
        is_missed |= misses;
    };
    // First, since an agent does it with a heap that nothing has used yet.
    for differ in [false, true] {
        let taking = TakingUp::new(differ);
        let took = fastest((51, 1), || taking.run());
        tell(&format!("verify, parse and compile, rules differ: {differ}"), TAKE_UP, took);
    }
    let policy = policy();
    for (name, entry) in &cases() {
        let identity = identity::identify(entry);
        let fingerprint = fingerprint::of(entry, &identity, None);
        let context = Context::bare("2026-11-21T00:00:00Z".parse().expect("a time"));
        let subject = Subject { entry, identity: &identity, fingerprint: &fingerprint };
        let took = fastest((2000, 100), || {
            // dropped within the clock: nobody keeps a hundred of them
            drop(black_box(evaluate(black_box(&policy), black_box(&subject), &context)));
        });
        tell(&format!("evaluate, {name}"), EVALUATE, took);
    }
    if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Time of one run in the fastest of so many rounds of so many runs: other work on the machine only ever adds to it, and
/// short rounds are not interrupted by it.
fn fastest<T>((rounds, runs): (u32, u32), mut run: impl FnMut() -> T) -> Duration {
    let round = |_| {
        // What is made is dropped behind the clock, as divan does; and what the round before has dropped is put in order
        // before it, since glibc leaves that to the next one that wants a large piece.
        black_box(vec![0u8; 100_000]);
        let mut made = Vec::with_capacity(runs as usize);
        let begin = Instant::now();
        for _ in 0..runs {
            made.push(black_box(run()));
        }
        begin.elapsed() / runs
    };
    (0..rounds).map(round).min().unwrap_or_default()
}

/// Half npm, a quarter PyPI, a quarter remote; every rule pins another version if they are to differ. For every tenth
/// rule there is a denial: of packages, remote servers and images.
fn document(differ: bool) -> Value {
    let versions = |n: usize, range: &str| if differ { format!("1.{n}.0") } else { range.to_owned() };
    let repository = |n: usize| if differ { format!("--repository-{n}") } else { "--repository".to_owned() };
    let rule = |n: usize| {
        let identity = match n % 4 {
            0 => {
                json!({ "url": { "url": format!("https://mcp-{n}.example.com/mcp"), "query": { "read_only": "true" } } })
            }
            1 => {
                json!({ "pypi": { "package": format!("mcp-server-{n}"), "versions": versions(n, ">=1.2,<2") } })
            }
            _ => {
                json!({ "npm": { "package": format!("@scope-{n}/server"), "versions": versions(n, ">=1.2.3 <2") } })
            }
        };
        json!({
            "id": format!("rule-{n}"),
            "identity": identity,
            "args": { "positional": [repository(n), "*"], "optional": ["--read-only", "--port *"] },
            "env": { "LOG_LEVEL": "*", "API_KEY": "*" },
            "headers": { "Authorization": "Bearer *" },
            "names": [format!("server-{n}")],
            "owner": "team@example.com",
            "review_by": "2027-06-30",
            "ticket": format!("SEC-{n}"),
        })
    };
    let deny = |n: usize| {
        json!({
            "id": format!("deny-{n}"),
            "identity": match n % 10 {
                1 => json!({ "pypi": { "package": format!("bad-{n}") } }),
                2 => json!({ "url": { "url": format!("https://bad-{n}.example.com") } }),
                3 => json!({ "oci": { "image": format!("bad/image-{n}") } }),
                _ => json!({ "npm": { "package": format!("bad-{n}") } }),
            },
            "reason": "malicious release",
        })
    };
    json!({
        "schema": "mcpolicy/policy/v1",
        "policy": { "name": "bench", "contact": "security@example.com" },
        "rule": (0..RULES).map(rule).collect::<Vec<_>>(),
        "deny": (0..RULES / 10).map(deny).collect::<Vec<_>>(),
    })
}

fn policy() -> Policy {
    let document: PolicyDocument = serde_json::from_value(document(false)).expect("a document");
    Policy::compile(document).expect("a policy")
}

fn entry(command: Option<&str>, args: &[&str], url: Option<&str>) -> Entry {
    let env = if command.is_some() {
        vec![NamedValue { name: "API_KEY".into(), value: "${API_KEY}".into() }]
    } else {
        vec![]
    };
    Entry {
        name: "server".into(),
        client: "cursor",
        readers: vec![Reader { client: "cursor", setting: None }],
        scope: Scope::User,
        key_path: "/mcpServers/server".into(),
        position: Position { line: 1, column: 1 },
        span: 0..1,
        transport: if url.is_some() { Transport::Http } else { Transport::Stdio },
        declared_type: None,
        command: command.map(Into::into),
        args: args.iter().map(|a| (*a).into()).collect(),
        url: url.map(Into::into),
        env,
        headers: Vec::new(),
        cwd: None,
        disabled: false,
        inert: None,
        members: Vec::new(),
        malformed: None,
        project: None,
    }
}

fn cases() -> [(&'static str, Entry); 5] {
    [
        (
            "allowed package",
            entry(
                Some("npx"),
                &["-y", "@scope-5002/server@1.4.0", "--repository", "/w", "--read-only"],
                None,
            ),
        ),
        ("unpinned package", entry(Some("npx"), &["-y", "@scope-5002/server", "--repository", "/w"], None)),
        ("allowed remote", entry(None, &[], Some("https://mcp-5000.example.com/mcp?read_only=true"))),
        ("unknown package", entry(Some("npx"), &["-y", "@other/server@1.4.0", "--repository", "/w"], None)),
        ("denied package", entry(Some("npx"), &["-y", "bad-500"], None)),
    ]
}

#[divan::bench(args = 0..5)]
fn one_entry_against_10000_rules(bencher: Bencher<'_, '_>, case: usize) {
    let policy = policy();
    let (_, entry) = &cases()[case];
    let identity = identity::identify(entry);
    let fingerprint = fingerprint::of(entry, &identity, None);
    let context = Context::bare("2026-11-21T00:00:00Z".parse().expect("a time"));
    let subject = Subject { entry, identity: &identity, fingerprint: &fingerprint };
    bencher.bench_local(|| evaluate(black_box(&policy), black_box(&subject), &context));
}

#[divan::bench(args = 0..5)]
fn identity_of_one_entry(bencher: Bencher<'_, '_>, case: usize) {
    let (_, entry) = &cases()[case];
    bencher.bench_local(|| identity::identify(black_box(entry)));
}

fn body(differ: bool) -> Vec<u8> {
    serde_json::to_vec(&document(differ)).expect("a body")
}

/// What a client does with a new policy: the signature of the statement, the digest of the body, the policy itself.
struct TakingUp {
    body: Vec<u8>,
    statement: Vec<u8>,
    role: Role,
}

impl TakingUp {
    fn new(differ: bool) -> Self {
        let body = body(differ);
        let statement = signing::signed(&signing::statement(7, signing::at(0), &body), &[11]);
        Self { body, statement, role: signing::role(&signing::POLICY, 1) }
    }

    fn run(&self) -> Policy {
        let envelope = Envelope::parse(black_box(&self.statement)).expect("an envelope");
        let role = &self.role;
        envelope.verify(Statement::PAYLOAD_TYPE, &role.key_set(), role.threshold).expect("a signature");
        let statement: Statement = signed::decode(envelope.payload()).expect("a statement");
        assert!(Digest::of(black_box(&self.body)) == statement.body, "the digest is that of the body");
        Policy::from_body(&self.body).expect("a policy")
    }
}

#[divan::bench(args = [false, true])]
fn verify_parse_and_compile_10000_rules(bencher: Bencher<'_, '_>, differ: bool) {
    let taking = TakingUp::new(differ);
    bencher.counter(BytesCount::of_slice(&taking.body)).bench_local(|| taking.run());
}

#[divan::bench(args = [false, true])]
fn parse_and_compile_10000_rules(bencher: Bencher<'_, '_>, differ: bool) {
    let body = body(differ);
    bencher
        .counter(BytesCount::of_slice(&body))
        .bench_local(|| Policy::from_body(black_box(&body)).expect("a policy"));
}

/// The floor of the above: what `serde_json` and SHA-256 take by themselves.
mod floor {
    use super::*;

    #[divan::bench]
    fn digest(bencher: Bencher<'_, '_>) {
        let body = body(false);
        bencher.bench_local(|| Digest::of(black_box(&body)));
    }

    #[divan::bench]
    fn json_read_and_dropped(bencher: Bencher<'_, '_>) {
        let body = body(false);
        bencher.bench_local(|| serde_json::from_slice::<serde::de::IgnoredAny>(black_box(&body)).is_ok());
    }

    #[divan::bench]
    fn json_without_double_members(bencher: Bencher<'_, '_>) {
        let body = body(false);
        bencher.bench_local(|| json::check(black_box(&body)).is_ok());
    }

    #[divan::bench]
    fn json_to_document(bencher: Bencher<'_, '_>) {
        let body = body(false);
        bencher.bench_local(|| serde_json::from_slice::<PolicyDocument>(black_box(&body)));
    }

    #[divan::bench]
    fn document_to_policy(bencher: Bencher<'_, '_>) {
        let body = body(false);
        bencher
            .with_inputs(|| serde_json::from_slice::<PolicyDocument>(&body).expect("a document"))
            .bench_local_values(|document| Policy::compile(document).expect("a policy"));
    }
}
