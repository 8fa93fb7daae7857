//! One entry against a policy of 10,000 rules (budget 2 µs), and reading such a policy (budget 50 ms).
#![allow(clippy::expect_used, reason = "a benchmark that cannot read its own text must stop")]

use divan::{Bencher, black_box};
use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::entry::{Entry, NamedValue, Position, Reader, Scope, Transport};
use mcpolicy_schema::evaluate::{Context, Subject, evaluate};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::{fingerprint, identity};
use serde_json::{Value, json};

const RULES: usize = 10_000;

fn main() {
    divan::main();
}

/// Half npm, a quarter PyPI, a quarter remote; every tenth denied.
fn document() -> Value {
    let rule = |n: usize| {
        let identity = match n % 4 {
            0 => {
                json!({ "url": { "url": format!("https://mcp-{n}.example.com/mcp"), "query": { "read_only": "true" } } })
            }
            1 => json!({ "pypi": { "package": format!("mcp-server-{n}"), "versions": ">=1.2,<2" } }),
            _ => json!({ "npm": { "package": format!("@scope-{n}/server"), "versions": ">=1.2.3 <2" } }),
        };
        json!({
            "id": format!("rule-{n}"),
            "identity": identity,
            "args": { "positional": ["--repository", "*"], "optional": ["--read-only", "--port *"] },
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
            "identity": { "npm": { "package": format!("bad-{n}") } },
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
    let document: PolicyDocument = serde_json::from_value(document()).expect("a document");
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

#[divan::bench]
fn parse_and_compile_10000_rules(bencher: Bencher<'_, '_>) {
    let body = serde_json::to_vec(&document()).expect("a body");
    bencher.bench_local(|| Policy::from_body(black_box(&body)).expect("a policy"));
}
