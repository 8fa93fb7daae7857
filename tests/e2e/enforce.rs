//! `enforce --once`: one pass over a machine, what it leaves alone, and how everything comes back.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mcpolicy_tests::signing::{at, publish};
use mcpolicy_tests::{TestMachine, report_of};
use serde_json::{Value, json};

/// A machine with a published policy, enforced as its own user would.
pub(crate) struct Site {
    pub(crate) machine: TestMachine,
    pub(crate) published: u64,
    /// Run by this user, who is not root, instead of by whoever runs the test.
    pub(crate) run_by: Option<u32>,
}

pub(crate) fn policy(settings: &Value, rules: &Value) -> Value {
    let mut policy = json!({"name": "fleet", "contact": "#mcp-help"});
    policy.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    json!({"schema": "mcpolicy/policy/v1", "policy": policy, "rule": rules})
}

pub(crate) fn rule(package: &str) -> Value {
    json!({"id": package.replace(['@', '/'], "-").trim_matches('-'), "identity": {"npm": {"package": package, "versions": "1.0.0"}}})
}

pub(crate) fn npx(package: &str) -> Value {
    json!({"command": "npx", "args": ["-y", package]})
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { machine: TestMachine::new(crate::BINARY), published: 0, run_by: None }
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.machine.root().join(name)
    }

    pub(crate) fn publish(&mut self, body: &Value) {
        self.publish_with(body, None);
    }

    fn publish_with(&mut self, body: &Value, revocations: Option<&Value>) {
        self.published += 1;
        let hours = i64::try_from(self.published).unwrap();
        publish(&self.folder("published"), self.published, at(hours), body, revocations);
    }

    /// The hour of the newest publication and a little more.
    pub(crate) fn now(&self) -> String {
        (at(i64::try_from(self.published).unwrap()) + jiff::SignedDuration::from_mins(5)).to_string()
    }

    pub(crate) fn run(&self, command: &[&str]) -> Output {
        let (root, state) = (self.machine.root(), self.folder("state"));
        let place = ["--root", root.to_str().unwrap(), "--state", state.to_str().unwrap()];
        let mut arguments = [command, &place].concat();
        // what acts remembers the time: after the real one, that of these policies would count as set back
        let now = self.now();
        if command.starts_with(&["quarantine", "restore"]) && !command.contains(&"--now") {
            arguments.extend(["--now", &now]);
        }
        let Some(uid) = self.run_by.map(|uid| uid.to_string()) else { return self.machine.run(&arguments) };
        own(self.run_by.unwrap(), &root);
        let become_user = ["--reuid", &uid, "--regid", &uid, "--clear-groups", crate::BINARY];
        let setpriv = Path::new("/usr/bin/setpriv");
        let variables = [("PATH", "/nonexistent")];
        mcpolicy_tests::run_with(
            setpriv,
            &self.machine.home(),
            &[&become_user, &arguments[..]].concat(),
            &variables,
        )
    }

    pub(crate) fn enforce_with(&self, more: &[&str]) -> Output {
        let (published, root, now) =
            (self.folder("published"), self.folder("published/root.1.json"), self.now());
        let policy = [
            "enforce",
            "--once",
            "--json",
            "--policy",
            published.to_str().unwrap(),
            "--trust-root",
            root.to_str().unwrap(),
            "--now",
            &now,
        ];
        self.run(&[&policy, more].concat())
    }

    pub(crate) fn enforce(&self) -> Value {
        let output = self.enforce_with(&[]);
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
        report_of(&output)
    }

    /// A pass whose exit code says that not all is as it should be: a policy waits, or something was left or not looked at.
    pub(crate) fn enforce_partly(&self) -> Value {
        let output = self.enforce_with(&[]);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        report_of(&output)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.machine.home().join(path)).unwrap()
    }
}

/// Gives everything in a folder to a user, and leaves alone what is his: giving it again would be a change of it.
pub(crate) fn own(uid: u32, folder: &Path) {
    let owner = format!("{uid}:{uid}");
    let mut find = Command::new("find");
    find.arg(folder).args(["!", "-uid", &uid.to_string(), "-exec", "chown", "-h", &owner, "{}", "+"]);
    // what a running agent writes meanwhile may be gone before it is reached
    assert!((0..5).any(|_| find.status().unwrap().success()));
}

pub(crate) fn actions(pass: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let files = pass["files"].as_array().unwrap().iter();
    let actions = files.flat_map(|file| file["actions"].as_array().unwrap());
    actions.map(|action| (text(&action["action"]), text(&action["server"]))).collect()
}

const COMMENTED: &str = "{\r\n  // mine\r\n  \"mcpServers\": {\r\n    // the good one\r\n    \"good\": {\"command\": \"npx\", \"args\": [\"-y\", \"@acme/good@1.0.0\"]},\r\n    // the bad one\r\n    \"bad\": {\"command\": \"npx\", \"args\": [\"-y\", \"evil@1.0.0\"], \"env\": {\"TOKEN\": \"hunter2hunter2\"}},\r\n    \"other\": {\"url\": \"https://other.example/mcp\"}\r\n  }\r\n}";

#[test]
fn a_pass_takes_out_what_is_denied_and_nothing_else() {
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    site.machine.file(".cursor/mcp.json", COMMENTED);
    let pass = site.enforce();
    let expected =
        [("quarantine".to_owned(), "bad".to_owned()), ("quarantine".to_owned(), "other".to_owned())];
    assert_eq!(actions(&pass), expected);
    assert_eq!(
        site.read(".cursor/mcp.json"),
        "{\r\n  // mine\r\n  \"mcpServers\": {\r\n    // the good one\r\n    \"good\": {\"command\": \"npx\", \"args\": [\"-y\", \"@acme/good@1.0.0\"]}\r\n  }\r\n}"
    );
    let again = site.enforce();
    assert_eq!(actions(&again), [], "a second pass finds nothing to do");
}

#[test]
fn what_was_taken_out_comes_back_byte_for_byte_when_a_newer_policy_allows_it() {
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    site.machine.file(".cursor/mcp.json", COMMENTED);
    site.enforce();
    let other = json!({"id": "other", "identity": {"url": {"url": "https://other.example/mcp"}}});
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil"), other])));
    let evil = json!({"id": "evil", "identity": {"npm": {"package": "evil", "versions": "1.0.0"}}, "env": {"TOKEN": "*"}});
    let pass = site.enforce();
    assert_eq!(
        pass["restored"][0]["entries"],
        json!(["other"]),
        "evil has a variable that its rule does not name"
    );
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), evil, other])));
    let pass = site.enforce();
    assert_eq!(pass["restored"][0]["entries"], json!(["bad"]));
    let site = {
        let mut fresh = Site::new();
        fresh.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        fresh.machine.file(".cursor/mcp.json", COMMENTED);
        fresh.enforce();
        fresh.publish(&policy(&json!({}), &json!([rule("@acme/good"), evil, other])));
        fresh
    };
    site.enforce();
    assert_eq!(site.read(".cursor/mcp.json"), COMMENTED, "all at once: the very bytes");
}

#[test]
fn a_denied_server_of_an_agent_is_taken_out_of_its_front_matter_and_comes_back() {
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    let agent = "---\nname: a\nmcpServers:\n  - good:\n      command: npx\n      args: [-y, \"@acme/good@1.0.0\"]\n    bad:\n      command: npx\n      args: [-y, evil@1.0.0]\n---\n\n# Text\n";
    site.machine.file(".claude/agents/a.md", agent);
    assert_eq!(actions(&site.enforce()), [("quarantine".to_owned(), "bad".to_owned())]);
    let without = agent.replace("    bad:\n      command: npx\n      args: [-y, evil@1.0.0]\n", "");
    assert_eq!(site.read(".claude/agents/a.md"), without);
    assert_eq!(actions(&site.enforce()), []);
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
    site.enforce();
    assert_eq!(site.read(".claude/agents/a.md"), agent);
}

#[test]
fn a_denied_item_of_an_agents_list_goes_by_itself_and_comes_back_as_an_item_of_its_own() {
    for good_is_first in [true, false] {
        let good = "  - good: {command: npx, args: [-y, \"@acme/good@1.0.0\"]}\n";
        let bad = "  - bad:\n      command: npx\n      args: [-y, evil@1.0.0]\n";
        let (above, below) = if good_is_first { (good, "  - slack\n") } else { ("", good) };
        let agent = |above: &str, bad: &str, below: &str| {
            format!("---\nname: a\nmcpServers:\n{above}{bad}{below}tools: Read\n---\n\n# Prompt\n")
        };
        let mut site = Site::new();
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        site.machine.file(".claude/agents/a.md", agent(above, bad, below));
        assert_eq!(actions(&site.enforce()), [("quarantine".to_owned(), "bad".to_owned())]);
        assert_eq!(site.read(".claude/agents/a.md"), agent(above, "", below));
        assert_eq!(actions(&site.enforce()), []);
        let written = agent(above, "", below).replace("Prompt", "Another prompt");
        site.machine.file(".claude/agents/a.md", &written);
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
        let pass = site.enforce();
        assert_eq!(pass["restored"][0]["entries"], json!(["bad"]));
        let back = agent(above, "", &format!("{below}{bad}")).replace("Prompt", "Another prompt");
        assert_eq!(site.read(".claude/agents/a.md"), back);
    }
}

#[test]
fn only_enforce_and_hold_write_anything() {
    for mode in ["observe", "warn"] {
        let mut site = Site::new();
        site.publish(&policy(&json!({"mode": mode}), &json!([rule("@acme/good")])));
        site.machine.file(".cursor/mcp.json", COMMENTED);
        assert_eq!(actions(&site.enforce()), [], "{mode}");
        assert_eq!(site.read(".cursor/mcp.json"), COMMENTED, "{mode}");
    }
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    site.machine.file(".cursor/mcp.json", COMMENTED);
    let pass = report_of(&site.enforce_with(&["--mode-ceiling", "warn"]));
    assert_eq!((actions(&pass), &pass["mode"]), (vec![], &json!("warn")));
    assert_eq!(site.read(".cursor/mcp.json"), COMMENTED);
}

#[test]
fn a_rule_for_one_client_holds_until_another_that_reads_its_file_is_in_use() {
    let mut site = Site::new();
    site.machine.file(".cursor/mcp.json", json!({"mcpServers": {"good": npx("good@1.0.0")}}).to_string());
    let mut for_cursor = rule("good");
    for_cursor["clients"] = json!(["cursor"]);
    site.publish(&policy(&json!({}), &json!([for_cursor])));
    assert_eq!(actions(&site.enforce()), []);
    site.machine.file(".config/devin/mcp_config.json", "{}");
    site.enforce();
    assert!(!site.read(".cursor/mcp.json").contains("good@1.0.0"));
}

#[test]
fn hold_leaves_what_was_there_first_until_grace_ends_and_enforces_what_is_new() {
    let mut site = Site::new();
    let hold = json!({"mode": "hold", "grace_until": "2026-11-05"});
    site.publish(&policy(&hold, &json!([rule("@acme/good")])));
    site.machine.file(".cursor/mcp.json", json!({"mcpServers": {"old": npx("old@1.0.0")}}).to_string());
    assert_eq!(actions(&site.enforce()), []);
    let both = json!({"mcpServers": {"old": npx("old@1.0.0"), "new": npx("new@1.0.0")}});
    site.machine.file(".cursor/mcp.json", both.to_string());
    assert_eq!(actions(&site.enforce()), [("quarantine".to_owned(), "new".to_owned())]);
    site.published = 24 * 6;
    let over = report_of(&site.enforce_with(&[]));
    assert_eq!(actions(&over), [("quarantine".to_owned(), "old".to_owned())], "the grace is over");
}

#[test]
fn an_unpinned_package_is_pinned_where_policy_says_so_and_goes_on_working() {
    let mut site = Site::new();
    let rules = json!([rule("@acme/good"), {"id": "py", "identity": {"pypi": {"package": "acme-py", "versions": "==2.1.0"}}}]);
    site.publish(&policy(&json!({"on_version": "pin"}), &rules));
    let servers = json!({"mcpServers": {
        "good": npx("@acme/good"),
        "latest": npx("@acme/good@latest"),
        "py": {"command": "uvx", "args": ["acme-py"]},
        "evil": npx("evil"),
    }});
    site.machine.file(".cursor/mcp.json", servers.to_string());
    let pass = site.enforce();
    let of = |action: &str, server: &str| (action.to_owned(), server.to_owned());
    let mut done = actions(&pass);
    done.sort();
    assert_eq!(done, [of("pin", "good"), of("pin", "latest"), of("pin", "py"), of("quarantine", "evil")]);
    let after: Value = serde_json::from_str(&site.read(".cursor/mcp.json")).unwrap();
    assert_eq!(
        after,
        json!({"mcpServers": {
            "good": npx("@acme/good@1.0.0"),
            "latest": npx("@acme/good@1.0.0"),
            "py": {"command": "uvx", "args": ["acme-py==2.1.0"]},
        }})
    );
}

#[test]
fn a_policy_that_would_newly_remove_much_is_held_and_its_revocations_apply() {
    let mut site = Site::new();
    let packages: Vec<String> = (0..8).map(|at| format!("p{at}")).collect();
    let rules: Vec<Value> = packages.iter().map(|package| rule(package)).collect();
    site.publish(&policy(&json!({}), &json!(rules)));
    let servers: serde_json::Map<_, _> =
        packages.iter().map(|package| (package.clone(), npx(&format!("{package}@1.0.0")))).collect();
    site.machine.file(".cursor/mcp.json", json!({"mcpServers": servers}).to_string());
    assert_eq!(actions(&site.enforce()), []);
    let revoked = json!({
        "schema": "mcpolicy/revocations/v1",
        "revocation": [{"id": "r1", "revoked": {"rule": "p3"}, "reason": "found malicious"}],
    });
    site.publish_with(&policy(&json!({}), &json!([rule("p0")])), Some(&revoked));
    let held = site.enforce_partly();
    assert!(held["notices"].to_string().contains("is held"), "{}", held["notices"]);
    assert_eq!(held["policy"]["sequence"], 1);
    assert_eq!(actions(&held), [("quarantine".to_owned(), "p3".to_owned())]);
    let breaking = json!({"acknowledge_breaking": "SEC-7: the fleet is told"});
    site.publish_with(&policy(&breaking, &json!([rule("p0")])), Some(&revoked));
    let pass = site.enforce();
    assert_eq!(actions(&pass).len(), 6, "{pass}");
}

#[test]
fn an_older_or_broken_policy_changes_nothing_and_the_last_good_one_goes_on() {
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    site.machine.file(".cursor/mcp.json", COMMENTED);
    site.enforce();
    std::fs::write(site.folder("published/policy.1.body"), "{}").unwrap();
    site.machine.file(
        ".codeium/windsurf/mcp_config.json",
        json!({"mcpServers": {"evil": npx("evil@1.0.0")}}).to_string(),
    );
    let pass = site.enforce_partly();
    assert!(pass["notices"].to_string().contains("refused"), "{pass}");
    assert_eq!(actions(&pass), [("quarantine".to_owned(), "evil".to_owned())]);
}

#[test]
fn without_any_policy_nothing_is_touched_and_what_to_do_is_said() {
    let site = Site::new();
    site.machine.file(".cursor/mcp.json", COMMENTED);
    let output = site.run(&["enforce", "--once"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("trust_root"));
    assert_eq!(site.read(".cursor/mcp.json"), COMMENTED);
}

#[test]
fn the_journal_answers_who_what_when_and_by_which_rule_and_tells_no_secret() {
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    site.machine.file(".cursor/mcp.json", COMMENTED);
    let pass = site.enforce();
    let log = site.run(&["log", "--json", "--server", "bad", "--user", "dev"]);
    let lines: Vec<Value> = String::from_utf8_lossy(&log.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines.iter().map(|line| line["kind"].as_str().unwrap()).collect::<Vec<_>>(),
        ["intent", "outcome"]
    );
    assert_eq!(lines[0]["actions"][0]["code"], "not-allowed");
    assert_eq!(lines[1]["outcome"], "applied");
    let id = pass["files"][0]["vault"].as_str().unwrap().to_owned();
    let shown = [
        site.run(&["log"]),
        site.run(&["quarantine", "list"]),
        site.run(&["quarantine", "list", "--json"]),
        site.run(&["quarantine", "show", &id]),
        site.run(&["quarantine", "show", "--json", &id]),
        site.enforce_with(&[]),
    ];
    for output in shown {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains("hunter2"));
    }
}

#[test]
fn a_restore_by_hand_needs_a_policy_that_allows_it_and_a_purge_is_for_good() {
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    site.machine.file(".cursor/mcp.json", COMMENTED);
    let pass = site.enforce();
    let id = pass["files"][0]["vault"].as_str().unwrap().to_owned();
    let settings = site.folder("agent.toml");
    let root = site.folder("published/root.1.json");
    std::fs::write(
        &settings,
        format!("schema = \"mcpolicy/agent/v1\"\n[policy]\ntrust_root = {:?}\n", root.to_str().unwrap()),
    )
    .unwrap();
    let by_settings = ["--settings", settings.to_str().unwrap()];
    let refused = site.run(&[&["quarantine", "restore", &id][..], &by_settings].concat());
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("does not allow it"));
    let purged = site.run(&["quarantine", "purge", &id]);
    assert!(purged.status.success());
    let gone = site.run(&["quarantine", "show", &id]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&site.run(&["log"]).stdout).contains("purged"));
}
