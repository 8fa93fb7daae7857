//! What this crate may reach, and what may not reach the network.

use std::collections::BTreeSet;
use std::process::Command;

/// Names of the crates that one reaches on any system, without its tests.
fn reached_by(package: &str) -> BTreeSet<String> {
    let arguments = ["tree", "-e", "normal,build", "--target", "all", "--prefix", "none", "-p", package];
    let tree = |more: &[&str]| Command::new(env!("CARGO")).args(arguments).args(more).output().unwrap();
    // crates of other systems are not there yet on a machine that has built for its own alone
    let offline = tree(&["--offline"]);
    let output = if offline.status.success() { offline } else { tree(&["--locked"]) };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_network_crate_knows_no_policy_and_brings_one_tls_with_one_provider() {
    let reached = reached_by("mcpolicy-ship");
    let ours: Vec<&String> = reached.iter().filter(|name| name.starts_with("mcpolicy")).collect();
    assert_eq!(ours, ["mcpolicy-platform", "mcpolicy-ship"]);
    for needed in ["reqwest", "rustls", "ring", "tokio"] {
        assert!(reached.contains(needed), "the tree was not read: {needed}");
    }
    // aws-lc does not cross-compile; the others are another TLS
    for unwanted in
        ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls", "h2", "quinn", "cookie"]
    {
        assert!(!reached.contains(unwanted), "{unwanted}");
    }
}

#[test]
fn the_other_crates_of_ours_reach_no_network() {
    for package in ["mcpolicy-schema", "mcpolicy-clients", "mcpolicy-platform"] {
        let reached = reached_by(package);
        for network in ["reqwest", "hyper", "rustls", "tokio", "mcpolicy-ship"] {
            assert!(!reached.contains(network), "{package} reaches {network}");
        }
    }
}
