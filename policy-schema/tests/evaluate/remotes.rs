//! Remote servers of a rule: which paths of a host, and which program on this machine.

use super::*;

fn about(url: Value) -> Policy {
    policy(json!({ "rule": [{ "id": "u", "identity": { "url": url } }] }))
}

#[test]
fn a_url_of_this_machine_is_allowed_only_together_with_the_program_that_listens() {
    let url = "http://127.0.0.1:3000/mcp";
    let judged = |policy: &Policy, listener: Option<FileFacts>| {
        let facts = Facts { listener, ..Facts::default() };
        let judgement = judge(policy, &remote(url), &Context { facts: &facts, ..now() });
        (judgement.verdict, judgement.reason.map_or("allow", |reason| reason.code.as_str()))
    };
    let at = |path: &str, digest: Option<&str>| Some(file(path, path, digest, false));
    let unbound = about(json!({ "url": url }));
    for listener in [None, at("/opt/server", None)] {
        assert_eq!(judged(&unbound, listener), (Verdict::Deny, "loopback-unbound"));
    }
    let bound = about(json!({ "url": url, "listener": { "path": "/opt/server" } }));
    assert_eq!(judged(&bound, at("/opt/server", None)), (Verdict::Allow, "allow"));
    assert_eq!(judged(&bound, at("/tmp/server", None)), (Verdict::Deny, "loopback-unbound"));
    assert_eq!(judged(&bound, None), (Verdict::Unknown, "missing-fact"));
    let pinned = about(json!({ "url": url, "listener": { "path": "/opt/server", "sha256": [DIGEST] } }));
    assert_eq!(judged(&pinned, at("/opt/server", Some(DIGEST))), (Verdict::Allow, "allow"));
    assert_eq!(judged(&pinned, at("/opt/server", Some(OTHER))), (Verdict::Deny, "digest-not-allowed"));
    assert_eq!(judged(&pinned, at("/opt/server", None)), (Verdict::Unknown, "missing-fact"));
}

#[test]
fn a_rule_with_sub_paths_means_its_own_path_and_these_and_nothing_else_of_the_host() {
    let policy = about(json!({ "url": "https://a.example/v1", "subpaths": ["tenants/*", "mcp"] }));
    for url in ["https://a.example/v1", "https://a.example/v1/mcp", "https://a.example/v1/tenants/x"] {
        assert_eq!(code(&policy, &remote(url)), "allow", "{url}");
    }
    for url in [
        "https://a.example",
        "https://a.example/v2",
        "https://a.example/mcp",
        "https://a.example/v1/other",
        "https://a.example/v1/tenants/x/y",
        "http://a.example/v1",
        "https://b.example/v1",
    ] {
        assert_eq!(code(&policy, &remote(url)), "not-allowed", "{url}");
    }
}
