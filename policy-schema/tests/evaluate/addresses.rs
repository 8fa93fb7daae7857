//! Addresses that no policy opens by accident, however they are spelt.

use super::*;

const LINK_LOCAL: &[&str] = &[
    "http://169.254.169.254/latest",
    "http://2852039166/latest",
    "http://0xa9fea9fe/x",
    "http://x@169.254.169.254/",
    "http://169.254.169.254./",
    "http://169.254.169.254/#x",
    "HTTP://169.254.169.254/",
    "http:169.254.169.254/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:0:a9fe:a9fe]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://metadata.google.internal./",
    "http://metadata.goog/",
];

const NOT_PUBLIC: &[&str] = &[
    "http://127.1:8080/",
    "http://user@127.0.0.1/",
    "http://10.1/",
    "http://LOCALHOST./",
    "http://${X:-169.254.169.254}/",
    "http://${HOST}/",
    "//169.254.169.254/",
    "http://wiki/",
];

fn everything() -> [Policy; 2] {
    [
        policy(json!({ "rule": [{ "id": "any", "identity": { "any": {} } }] })),
        policy_with(json!({ "default": "allow" }), json!({})),
    ]
}

#[test]
fn what_allows_everything_allows_public_addresses_only() {
    for policy in everything() {
        for url in LINK_LOCAL.iter().chain(NOT_PUBLIC) {
            assert_ne!(code(&policy, &remote(url)), "allow", "{url}");
        }
        for url in ["https://mcp.example.com/mcp", "https://mcp.example.com:8443/a?b=c", "http://8.8.8.8/"] {
            assert_eq!(code(&policy, &remote(url)), "allow", "{url}");
        }
    }
}

#[test]
fn a_link_local_address_is_told_as_such_in_every_spelling() {
    for policy in everything() {
        for url in LINK_LOCAL {
            assert_eq!(code(&policy, &remote(url)), "link-local-url", "{url}");
        }
    }
}

#[test]
fn a_bridge_leads_nowhere_that_a_url_of_its_own_could_not() {
    for policy in everything() {
        for url in LINK_LOCAL.iter().chain(NOT_PUBLIC) {
            for argv in [
                &["-y", "mcp-remote@0.1.30", url][..],
                &["-y", "mcp-remote@0.1.30", "--transport", "http-only", url],
                &["-y", "supergateway@3.0.0", "--sse", url],
                &["-y", "supergateway@3.0.0", &format!("--streamableHttp={url}")],
            ] {
                assert_ne!(code(&policy, &entry("npx", argv)), "allow", "{argv:?}");
            }
        }
        assert_eq!(
            code(&policy, &entry("npx", &["-y", "mcp-remote@0.1.30", "https://mcp.example.com/mcp"])),
            "allow"
        );
    }
}

#[test]
fn no_exception_and_no_grant_opens_a_link_local_address() {
    for url in LINK_LOCAL {
        let entry = remote(url);
        let fingerprint = fingerprint::of(&entry, &identity::identify(&entry), Some("/home/jane"));
        let policy = policy(json!({ "exception": [{
            "id": "ex", "fingerprint": fingerprint, "owner": "o", "ticket": "T-1",
            "expires": "2026-12-01T00:00:00Z",
        }] }));
        assert_eq!(code(&policy, &entry), "link-local-url", "{url}");
    }
}
