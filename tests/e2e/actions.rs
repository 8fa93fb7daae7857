//! What becomes of a denied entry beyond pin and quarantine: back to its last allowed text, off outside of a work tree,
//! its approvals, a file as a whole. Each as the user's own run and by root, through the user's worker.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::enforce::{Site, actions, npx, policy, rule};

/// The user whose machine it is.
pub(crate) const DEV: u32 = 2001;

/// Runs a test on a machine of one user: by that user, and by root through his worker where the test may be root.
pub(crate) fn both(test: impl Fn(&mut Site)) {
    let site = Site::new();
    let is_root = fs::metadata(site.machine.root()).unwrap().uid() == 0;
    if !is_root {
        return test(&mut { site });
    }
    for run_by in [Some(DEV), None] {
        let mut site = Site::new();
        let root = site.machine.root();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/passwd"), format!("dev:x:{DEV}:{DEV}::/home/dev:/bin/sh\n")).unwrap();
        fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        site.run_by = run_by;
        test(&mut site);
    }
}

/// Gives the home to its user.
pub(crate) fn settle(site: &Site) {
    if fs::metadata(site.machine.root().join("etc")).is_ok() {
        let home = site.machine.home();
        let own = Command::new("chown").arg("-Rh").arg(format!("{DEV}:{DEV}")).arg(home).status().unwrap();
        assert!(own.success());
    }
}

fn put(site: &Site, path: &str, text: &str) {
    site.machine.file(path, text);
    settle(site);
}

fn of(action: &str, server: &str) -> (String, String) {
    (action.to_owned(), server.to_owned())
}

const ALLOWED: &str = "{\n  // servers of mine\n  \"mcpServers\": {\n    // the good one\n    \"good\": { \"command\" : \"npx\",\n      \"args\": [\"-y\", \"@acme/good@1.0.0\"], \"env\": {\"TOKEN\": \"hunter2hunter2\"} },\n    \"other\": {\"command\": \"npx\", \"args\": [\"-y\", \"@acme/other@1.0.0\"]}\n  }\n}\n";

fn rules() -> Value {
    let good = json!({"id": "good", "identity": {"npm": {"package": "@acme/good", "versions": "1.0.0"}}, "env": {"TOKEN": "*"}});
    json!([good, rule("@acme/other")])
}

#[test]
fn a_changed_entry_goes_back_to_its_last_allowed_bytes() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        put(site, ".cursor/mcp.json", ALLOWED);
        assert_eq!(actions(&site.enforce()), []);
        // a token is renewed: the newest allowed text is the one to go back to
        let renewed = ALLOWED.replace("hunter2", "hunter3");
        put(site, ".cursor/mcp.json", &renewed);
        assert_eq!(actions(&site.enforce()), []);
        for (what, changed) in [
            ("another package", renewed.replace("@acme/good@1.0.0", "evil@6.6.6")),
            (
                "a variable that loads code",
                renewed.replace("{\"TOKEN\"", "{\"NODE_OPTIONS\": \"-r /tmp/x.js\", \"TOKEN\""),
            ),
            ("another command", renewed.replace("\"command\" : \"npx\"", "\"command\" : \"/tmp/npx\"")),
        ] {
            put(site, ".cursor/mcp.json", &changed);
            let pass = site.enforce();
            assert_eq!(actions(&pass), [of("revert", "good")], "{what}: {pass}");
            assert_eq!(site.read(".cursor/mcp.json"), renewed, "{what}");
            let shown = site.run(&["quarantine", "show", pass["files"][0]["vault"].as_str().unwrap()]);
            assert!(String::from_utf8_lossy(&shown.stdout).contains("revert good"), "{what}");
        }
        assert_eq!(actions(&site.enforce()), []);
    });
}

#[test]
fn a_text_that_the_policy_allows_no_more_is_no_way_back() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        put(site, ".cursor/mcp.json", ALLOWED);
        site.enforce();
        put(site, ".cursor/mcp.json", &ALLOWED.replace("@acme/good@1.0.0", "evil@6.6.6"));
        site.publish(&policy(&json!({}), &json!([rule("@acme/other")])));
        let pass = site.enforce();
        assert_eq!(actions(&pass), [of("quarantine", "good")], "{pass}");
        assert!(!site.read(".cursor/mcp.json").contains("good"));
    });
}

#[test]
fn what_its_user_took_out_is_a_new_entry_when_it_comes_again() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        put(site, ".cursor/mcp.json", ALLOWED);
        site.enforce();
        put(
            site,
            ".cursor/mcp.json",
            &json!({"mcpServers": {"other": npx("@acme/other@1.0.0")}}).to_string(),
        );
        site.enforce();
        put(site, ".cursor/mcp.json", &json!({"mcpServers": {"good": npx("evil@1.0.0")}}).to_string());
        assert_eq!(actions(&site.enforce()), [of("quarantine", "good")]);
    });
}

#[test]
fn what_was_changed_and_reverted_comes_back_when_a_newer_policy_allows_it() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        put(site, ".cursor/mcp.json", ALLOWED);
        site.enforce();
        let newer = ALLOWED.replace("@acme/other@1.0.0", "@acme/other@2.0.0");
        put(site, ".cursor/mcp.json", &newer);
        assert_eq!(actions(&site.enforce()), [of("revert", "other")]);
        // beside it something else is changed since, so that the file is not what the edit left
        put(site, ".cursor/mcp.json", &ALLOWED.replace("servers of mine", "my servers"));
        let two = json!({"id": "other", "identity": {"npm": {"package": "@acme/other", "versions": ">=1.0.0 <=2.0.0"}}});
        let allowing = json!([rules()[0], two]);
        site.publish(&policy(&json!({}), &allowing));
        let pass = site.enforce();
        assert_eq!(pass["restored"][0]["entries"], json!(["other"]), "{pass}");
        assert_eq!(site.read(".cursor/mcp.json"), newer.replace("servers of mine", "my servers"));
    });
}
