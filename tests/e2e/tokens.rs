//! Tokens that come by hand: an exception for one developer, and break-glass.

use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcpolicy_schema::signed::{Breakglass, Grant, Payload};
use mcpolicy_tests::signing::{POLICY, at, signed};
use serde_json::{Value, json};

use crate::actions::both;
use crate::enforce::{Site, policy, rule};
use crate::run::{Daemon, put, servers};

/// The user's name as passes know it: the account where root runs, else the folder's.
fn user_of(site: &Site) -> String {
    let home = site.machine.home();
    home.file_name().unwrap().to_str().unwrap().to_owned()
}

fn line<T: Payload>(prefix: &str, payload: &T, seeds: &[u8]) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(signed(payload, seeds)))
}

fn grant(fingerprint: &str, device: &str, user: &str) -> Grant {
    Grant {
        schema: Grant::SCHEMA.to_owned(),
        id: "grant-1".to_owned(),
        fingerprint: fingerprint.to_owned(),
        identity: "npm:evil".to_owned(),
        device: device.to_owned(),
        user: user.to_owned(),
        ticket: None,
        issued: at(1),
        expires: at(48),
        crit: Vec::new(),
    }
}

fn breakglass(id: &str, device: &str) -> Breakglass {
    Breakglass {
        schema: Breakglass::SCHEMA.to_owned(),
        id: id.to_owned(),
        device: device.to_owned(),
        seconds: 3600,
        reason: "the build farm is down".to_owned(),
        ticket: None,
        issued: at(1),
        expires: at(48),
        crit: Vec::new(),
    }
}

/// Gives a token to a command; where no daemon runs, by the same policy and clock as the passes of the tests.
fn give(site: &Site, command: &str, token: &str) -> Output {
    let (published, now) = (site.folder("published"), site.now());
    let root = published.join("root.1.json");
    let (published, root) = (published.to_str().unwrap(), root.to_str().unwrap());
    let words = ["--policy", published, "--trust-root", root, "--now", &now, "--device-id", "laptop-7"];
    site.run(&[&[command, token][..], &words].concat())
}

/// Fingerprint of the entry that was taken out last.
fn fingerprint_of_taken(site: &Site) -> String {
    let output = site.run(&["log", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut actions = records.flat_map(|record| record["actions"].as_array().cloned().unwrap_or_default());
    let taken = actions.rfind(|action| action["action"] == "quarantine").unwrap();
    taken["fingerprint"].as_str().unwrap().to_owned()
}

#[test]
fn an_exception_for_one_developer_brings_the_entry_back_and_counts_for_nobody_else() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        let (daemon, _) = Daemon::start_with(site, &["--device-id", "laptop-7"]);
        let (fingerprint, user) = (fingerprint_of_taken(site), user_of(site));
        let refused = |token: &str, why: &str| {
            let output = give(site, "redeem", token);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(2) && said.contains(why), "{said}");
        };
        let of = |device: &str, user: &str, seeds: &[u8]| {
            line("mcpolicy-grant-1:", &grant(&fingerprint, device, user), seeds)
        };
        refused(&of("laptop-8", &user, &POLICY[..2]), "another device");
        refused(&of("laptop-7", &user, &[99]), "signature");
        refused("mcpolicy-grant-1:nonsense", "grant");
        assert!(!site.read(".cursor/mcp.json").contains("evil"));
        let output = give(site, "redeem", &of("laptop-7", &user, &POLICY[..2]));
        assert!(output.status.success(), "{output:?}");
        daemon.wait("a pass", |line| line["what"] == "pass");
        assert_eq!(site.read(".cursor/mcp.json"), servers("mcpServers"));
        assert_eq!(daemon.stop(), Some(0));
    });
}

#[test]
fn a_broken_glass_lets_one_machine_only_watch_and_each_token_counts_once() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, ".cursor/mcp.json", "{\"mcpServers\":{}}");
        // without a running agent, for its next start
        let refused = |token: &str, why: &str| {
            let output = give(site, "breakglass", token);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(2) && said.contains(why), "{said}");
        };
        let of =
            |device: &str, seeds: &[u8]| line("mcpolicy-breakglass-1:", &breakglass("b-1", device), seeds);
        refused(&of("laptop-8", &POLICY), "another device");
        let (daemon, pass) = Daemon::start_with(site, &["--device-id", "laptop-7"]);
        assert_eq!(pass["mode"], "enforce", "{pass}");
        let output = give(site, "breakglass", &of("laptop-7", &POLICY));
        assert!(output.status.success(), "{output:?}");
        daemon.wait("a pass", |line| line["what"] == "pass" && line["mode"] == "observe");
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        daemon.wait("what it would do", |line| line["would"].as_array().is_some_and(|all| !all.is_empty()));
        assert_eq!(site.read(".cursor/mcp.json"), servers("mcpServers"));
        let status = site.run(&["status", "--json"]);
        assert!(String::from_utf8_lossy(&status.stdout).contains("BREAK-GLASS"), "{status:?}");
        refused(&of("laptop-7", &POLICY), "taken before");
        assert_eq!(daemon.stop(), Some(0));
        let log = site.run(&["log"]);
        assert!(String::from_utf8_lossy(&log.stdout).contains("the build farm is down"), "{log:?}");
    });
}

#[test]
fn one_key_alone_breaks_no_glass_where_two_must_sign_what_takes_protection_away() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, ".cursor/mcp.json", "{\"mcpServers\":{}}");
        let (daemon, _) = Daemon::start_with(site, &["--device-id", "laptop-7"]);
        let token = line("mcpolicy-breakglass-1:", &breakglass("b-2", "laptop-7"), &POLICY[..1]);
        let output = give(site, "breakglass", &token);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        crate::run::wait_until(site, ".cursor/mcp.json");
        assert_eq!(daemon.stop(), Some(0));
    });
}
