//! What a pass says to those who try a policy out, and to those who look for what went wrong.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use mcpolicy_tests::private::set_mode;
use mcpolicy_tests::{report_of, skip};
use serde_json::{Value, json};

use crate::enforce::{Site, actions, npx, policy, rule};

const PLACE: &str = ".cursor/mcp.json";

fn two_servers() -> String {
    json!({"mcpServers": {"good": npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")}}).to_string()
}

/// A pass whose answer is for people.
fn in_words(site: &Site) -> String {
    let (published, now) = (site.folder("published"), site.now());
    let root = published.join("root.1.json");
    let (published, root) = (published.to_str().unwrap(), root.to_str().unwrap());
    let output = site.run(&["enforce", "--once", "--policy", published, "--trust-root", root, "--now", &now]);
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn a_pass_that_only_watches_names_what_enforcing_would_act_on() {
    for mode in ["observe", "warn"] {
        let mut site = Site::new();
        site.publish(&policy(&json!({"mode": mode, "on_version": "pin"}), &json!([rule("@acme/good")])));
        site.machine.file(PLACE, two_servers());
        site.machine.file(".codeium/windsurf/mcp_config.json", two_servers().replace("@1.0.0", ""));
        let pass = site.enforce();
        let would = pass["would"].as_array().unwrap().iter();
        let mut would: Vec<String> = would
            .map(|would| {
                let text = |member: &str| would[member].as_str().unwrap().to_owned();
                let file = text("path").rsplit('/').next().unwrap().to_owned();
                [file, text("action"), text("server"), text("code")].join(" ")
            })
            .collect();
        would.sort();
        assert_eq!(
            would,
            [
                "mcp.json quarantine evil not-allowed",
                "mcp_config.json pin good version-not-allowed",
                "mcp_config.json quarantine evil not-allowed"
            ],
            "{pass}"
        );
        assert_eq!((actions(&pass), site.read(PLACE)), (Vec::new(), two_servers()));
        let said = in_words(&site);
        assert!(said.contains("would quarantine in ") && said.contains(": evil: not-allowed"), "{said}");
        assert!(said.contains("mode enforce would act on 3"), "{said}");
    }
}

#[test]
fn hold_tells_what_it_leaves_and_how_many_days_are_left() {
    let mut site = Site::new();
    let hold = json!({"mode": "hold", "grace_until": "2026-11-05"});
    site.publish(&policy(&hold, &json!([rule("@acme/good")])));
    site.machine.file(PLACE, two_servers());
    let pass = site.enforce();
    let held = &pass["held"];
    assert_eq!((&held["until"], &held["days_left"]), (&json!("2026-11-05"), &json!(4)), "{pass}");
    assert_eq!(held["entries"].as_array().unwrap().len(), 1, "{pass}");
    assert_eq!(held["entries"][0]["server"], "evil", "{pass}");
    let said = in_words(&site);
    assert!(
        said.contains("left until 2026-11-05, 4 days from today") && said.contains("  evil in "),
        "{said}"
    );
    site.published = 24 * 6;
    let over = report_of(&site.enforce_with(&[]));
    assert_eq!(over.get("held"), None, "the grace is over: {over}");
}

#[test]
fn the_log_names_user_and_server_of_what_was_not_done() {
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    let outside = site.folder("srv-team.json");
    fs::write(&outside, two_servers()).unwrap();
    fs::create_dir_all(site.machine.home().join(".cursor")).unwrap();
    symlink("/srv-team.json", site.machine.home().join(PLACE)).unwrap();
    assert_eq!(site.enforce_with(&[]).status.code(), Some(1));
    let log = String::from_utf8(site.run(&["log"]).stdout).unwrap();
    let line = log.lines().find(|line| line.contains("not-done")).unwrap_or_else(|| panic!("{log}"));
    let user = site.machine.home().file_name().unwrap().to_string_lossy().into_owned();
    assert!(line.contains(&format!("not-done user {user} server evil: ")), "{line}");
}

/// Whoever can write the root signs the policy with a key of their own.
#[test]
fn a_trust_root_that_others_can_write_is_refused() {
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    site.machine.file(PLACE, two_servers());
    assert!(set_mode(&site.folder("published/root.1.json"), 0o666));
    let refused = site.enforce_with(&[]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("trust root") && said.contains("others may write it"), "{said}");
    assert_eq!(site.read(PLACE), two_servers());
}

#[test]
fn a_pass_whose_answer_has_no_room_says_that_it_was_made() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        skip("there is no /dev/full");
        return;
    };
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    site.machine.file(PLACE, two_servers());
    let (published, now) = (site.folder("published"), site.now());
    let output = Command::new(Path::new(crate::BINARY))
        .env_clear()
        .env("HOME", site.machine.home())
        .args(["enforce", "--once", "--now", &now, "--root"])
        .arg(site.machine.root())
        .arg("--state")
        .arg(site.folder("state"))
        .arg("--policy")
        .arg(&published)
        .arg("--trust-root")
        .arg(published.join("root.1.json"))
        .stdout(full)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the pass was made") && said.contains("standard output"), "{said}");
    assert!(!site.read(PLACE).contains("evil"));
}

/// Every reader takes what is said behind the merge key, with one that follows no merge keys among them.
#[test]
fn an_extension_that_says_all_of_a_merged_one_again_has_one_meaning() {
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    let of = |own: &str| {
        format!(
            "base: &base\n  enabled: true\n  type: stdio\n  cmd: npx\n  args: [evil@1.0.0]\n\
             extensions:\n  good:\n    <<: *base\n    enabled: true\n    type: stdio\n    cmd: npx\n{own}"
        )
    };
    let said_again = of("    args: [\"-y\", \"@acme/good@1.0.0\"]\n");
    let place = site.machine.file(".config/goose/config.yaml", &said_again);
    let pass = site.enforce();
    assert_eq!((actions(&pass), fs::read_to_string(&place).unwrap()), (Vec::new(), said_again), "{pass}");

    // what comes from the merge key alone is there for some readers only
    site.machine.file(".config/goose/config.yaml", of(""));
    let pass: Value = site.enforce();
    assert_eq!(actions(&pass), [("quarantine".to_owned(), "good".to_owned())], "{pass}");
    assert_eq!(pass["files"][0]["actions"][0]["code"], "ambiguous-entry", "{pass}");
}
