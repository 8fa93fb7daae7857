//! `explain`, `check`, `catalog`, `add`, `request`: what a developer asks and gets told, on a home of a temporary folder.

use std::path::PathBuf;
use std::process::Output;

use mcpolicy_tests::{TestMachine, report_of};
use serde_json::{Value, json};

const POLICY: &str = r##"
schema = "mcpolicy/policy/v1"
[policy]
name = "fleet"
contact = "#mcp-help"

[[rule]]
id = "github"
description = "Issues and pull requests"
identity.npm = { package = "@acme/github-mcp", versions = "1.2.3" }
env = { GITHUB_TOKEN = "*" }
members = ["env_vars", "env_keys"]
names = ["github"]
owner = "platform"
contact = "@platform"
auth = { kind = "key" }
data_access = "read-write"

[[rule]]
id = "docs"
identity.url = { url = "https://docs.example.com/mcp" }

[[rule]]
id = "files"
identity.npm = { package = "@acme/files-mcp", versions = "2.0.0" }
args = { positional = ["{home}/**"] }

[[rule]]
id = "payroll"
identity.npm = { package = "payroll-mcp", versions = "1.0.0" }
users = ["bob"]

[[rule]]
id = "later"
identity.npm = { package = "later-mcp", versions = "1.0.0" }

[[deny]]
id = "no-later"
identity.npm = { package = "later-mcp" }
reason = "stole tokens in March"
"##;

const SECRET: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz01";

struct Desk(TestMachine);

impl Desk {
    fn new() -> Self {
        let machine = TestMachine::new(crate::BINARY);
        std::fs::write(machine.root().join("policy.toml"), POLICY).unwrap();
        std::fs::write(machine.root().join("agent.toml"), "schema = \"mcpolicy/agent/v1\"\n").unwrap();
        Self(machine)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.root().join(name)
    }

    /// A command by the draft, for the home `dev`.
    fn ask(&self, command: &[&str], more: &[&str]) -> Output {
        let text = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let home = self.0.home();
        let (settings, state, draft) = (text("agent.toml"), text("state"), text("policy.toml"));
        let place = [
            "--home",
            home.to_str().unwrap(),
            "--settings",
            &settings,
            "--state",
            &state,
            "--draft",
            &draft,
            "--now",
            "2026-11-21T10:00:00Z",
        ];
        self.0.run(&[command, &place, more].concat())
    }

    fn json(&self, command: &[&str], more: &[&str]) -> Value {
        report_of(&self.ask(&[command, &["--json"]].concat(), more))
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.home().join(path)).unwrap()
    }

    /// The verdict of a scan on each entry.
    fn verdicts(&self) -> Vec<(String, String)> {
        let draft = self.path("policy.toml");
        let report = self.0.scan(&["--draft", draft.to_str().unwrap()]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let entries = report["entries"].as_array().unwrap().iter();
        entries.map(|entry| (text(&entry["name"]), text(&entry["judged"]["verdict"]))).collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

#[test]
fn check_tells_the_verdict_before_anyone_edits_anything() {
    let desk = Desk::new();
    let code = |words: &[&str], more: &[&str]| desk.ask(&[&["check"], words].concat(), more).status.code();
    assert_eq!(code(&[], &["--", "npx", "-y", "@acme/github-mcp@1.2.3"]), Some(0));
    assert_eq!(code(&["https://docs.example.com/mcp"], &[]), Some(0));
    assert_eq!(code(&[], &["--", "npx", "-y", "left-pad-mcp"]), Some(1));
    assert_eq!(code(&[], &["--", "npx", "-y", "later-mcp@1.0.0"]), Some(1));
    assert_eq!(code(&[], &[]), Some(2));
    assert_eq!((code(&[""], &[]), code(&[], &["--", "", "x"])), (Some(2), Some(2)));
    assert_eq!(code(&["{\"mcpServers\":{"], &[]), Some(2));
    assert_eq!(code(&["--client", "nobody", "https://docs.example.com/mcp"], &[]), Some(2));
    let told = desk.json(&["check"], &["--", "npx", "-y", "@acme/github-mcp"]);
    let server = &told["servers"][0];
    assert_eq!((&told["verdict"], &server["entry"]["judged"]["pin"]), (&json!("deny"), &json!("1.2.3")));
    assert_eq!(server["offers"][0]["rule"], "github");
    assert!(server["would_run"]["version"].as_str().unwrap().contains("newest"), "{server}");
    assert!(!told.to_string().contains("unknown client"), "no file declares it: {told}");
    let next = server["next"].to_string();
    assert!(
        next.contains("1.2.3") && next.contains("mcpolicy add github") && next.contains("@platform"),
        "{next}"
    );
    let told = said(&desk.ask(&["check", "--verbose"], &["--", "npx", "-y", "@acme/github-mcp"]));
    assert!(told.contains("rule github: version-not-allowed") && told.contains("UNSIGNED"), "{told}");
    assert!(!desk.0.home().join(".cursor").exists() && !desk.path("state/asked").exists());
}

#[test]
fn pasted_secrets_are_never_shown() {
    let desk = Desk::new();
    let pasted = json!({"mcpServers": {"a": {"command": "npx", "args": ["-y", "x-mcp", "--token", SECRET],
        "env": {"API_TOKEN": SECRET}, "headers": {"Authorization": format!("Bearer {SECRET}")}}}});
    let broken = format!("{{\"mcpServers\":{{\"a\":{{\"env\":{{\"T\":\"{SECRET}\"");
    for text in [pasted.to_string(), broken] {
        for more in [&["--json"][..], &["--verbose"]] {
            let told = said(&desk.ask(&["check", &text], more));
            assert!(!told.contains("ghp_") && !told.is_empty(), "{told}");
        }
        let told = said(&desk.ask(&["request", &text, "--reason", &format!("my key is {SECRET}")], &[]));
        assert!(!told.contains("ghp_"), "{told}");
    }
    let asked = desk.json(&["request", "--list"], &[]);
    assert_eq!(asked["requests"].as_array().unwrap().len(), 1, "{asked}");
    for file in std::fs::read_dir(desk.path("state/asked")).unwrap().flatten() {
        assert!(!std::fs::read_to_string(file.path()).unwrap().contains("ghp_"));
    }
}

#[test]
fn the_catalog_shows_what_is_approved_for_this_user_and_fits_the_terminal() {
    let desk = Desk::new();
    let told = desk.json(&["catalog"], &[]);
    let rules: Vec<&str> =
        told["servers"].as_array().unwrap().iter().map(|server| server["rule"].as_str().unwrap()).collect();
    assert_eq!((rules, &told["others"]), (vec!["github", "docs", "files", "later"], &json!(1)));
    let table = said(&desk.ask(&["catalog"], &[]));
    assert!(table.contains("github") && !table.contains("payroll"), "{table}");
    let details = said(&desk.ask(&["catalog", "github"], &[]));
    for part in
        ["ask @platform for a key", "GITHUB_TOKEN", "read-write", "mcpolicy add github --client CLIENT"]
    {
        assert!(details.contains(part), "{part}: {details}");
    }
    let none = desk.ask(&["catalog", "nothing"], &[]);
    assert_eq!((none.status.code(), said(&none).contains("0 approved")), (Some(0), true));
}

#[test]
fn explain_tells_what_is_denied_why_and_what_to_use_instead() {
    let desk = Desk::new();
    desk.0.file(".cursor/mcp.json", json!({"mcpServers": {"github": {"command": "npx", "args": ["-y", "github-mcp"], "env": {"T": SECRET}}}}).to_string());
    desk.0.file(
        ".kiro/settings/mcp.json",
        json!({"mcpServers": {"docs": {"url": "https://docs.example.com/mcp"}}}).to_string(),
    );
    for asked in ["github", "npm:github-mcp", "~/.cursor/mcp.json", ".cursor/mcp.json"] {
        let told = desk.json(&["explain", asked], &[]);
        let found = &told["found"][0];
        assert_eq!(found["entry"]["judged"]["reason"], "impersonation", "{asked}: {told}");
        assert_eq!(found["offers"][0]["name"], "github");
        assert!(found["places"][0]["path"].as_str().unwrap().ends_with(".cursor/mcp.json"));
        assert_eq!(found["places"][0]["line"], 1);
    }
    let told = said(&desk.ask(&["explain", "github"], &[]));
    assert!(
        told.contains("DENIED")
            && told.contains("mcpolicy add github --client cursor")
            && !told.contains("ghp_"),
        "{told}"
    );
    assert!(said(&desk.ask(&["explain", "docs"], &[])).contains("ALLOWED"));
    let none = desk.ask(&["explain", "nothing-of-the-kind"], &[]);
    assert_eq!(none.status.code(), Some(1));
    assert!(said(&none).contains("Looked at: 2 files with 2 servers"), "{}", said(&none));
}

/// Files as these clients leave them on Linux, with what must stay.
#[cfg(target_os = "linux")]
const FILES: &[(&str, &str, &str)] = &[
    (
        "claude-code",
        ".claude.json",
        "{\n  \"numStartups\": 12,\n  \"mcpServers\": {\n    \"mine\": {\n      \"type\": \"stdio\",\n      \"command\": \"mine\",\n      \"args\": []\n    }\n  },\n  \"projects\": {\"/w\": {\"allowedTools\": []}}\n}",
    ),
    (
        "cursor",
        ".cursor/mcp.json",
        "{\r\n\t// mine\r\n\t\"mcpServers\": {\r\n\t\t\"mine\": {\"command\": \"mine\"}, // behind\r\n\t},\r\n}\r\n",
    ),
    (
        "codex",
        ".codex/config.toml",
        "model = \"gpt-5\" # mine\n\n[mcp_servers.mine]\ncommand = 'mine'\n\n[projects.\"/w\"]\ntrust_level = \"trusted\"\n",
    ),
    (
        "vscode",
        ".config/Code/User/mcp.json",
        "{\n\t\"servers\": {},\n\t\"inputs\": [{\"id\": \"x\", \"type\": \"promptString\"}]\n}\n",
    ),
    (
        "goose",
        ".config/goose/config.yaml",
        "# mine\nextensions:\n  developer:\n    type: builtin\n    name: developer\n    enabled: true\nGOOSE_MODEL: gpt-5\n",
    ),
];

#[cfg(target_os = "linux")]
#[test]
fn an_approved_server_is_added_to_files_of_five_clients_and_all_else_stays() {
    for (client, path, before) in FILES {
        for there in [true, false] {
            let desk = Desk::new();
            if there {
                desk.0.file(path, before);
            }
            let add = ["add", "github", "--client", client];
            let dry = desk.json(&[&add[..], &["--dry-run"]].concat(), &[]);
            assert_eq!(dry["written"], false, "{client}: {dry}");
            assert_eq!(desk.0.home().join(path).exists(), there, "{client}");
            let added = desk.json(&add, &[]);
            assert_eq!(
                (&added["written"], &added["diff"]),
                (&json!(true), &dry["diff"]),
                "{client}: {added}"
            );
            assert_eq!(added["entry"]["judged"]["verdict"], "allow");
            let after = desk.read(path);
            // without the lines that came in, and a comma, it is the very file of before
            if there {
                let mut rest = after.chars();
                let is_kept =
                    before.chars().filter(|c| !c.is_whitespace()).all(|c| rest.any(|other| other == c));
                assert!(is_kept, "{client}: {after}");
                assert_eq!(after.contains("\r\n"), before.contains("\r\n"), "{client}");
            }
            assert!(
                after.contains("GITHUB_TOKEN") && after.contains("@acme/github-mcp@1.2.3"),
                "{client}: {after}"
            );
            let verdicts = desk.verdicts();
            assert!(verdicts.contains(&("github".to_owned(), "allow".to_owned())), "{client}: {verdicts:?}");
            let again = desk.json(&add, &[]);
            assert_eq!((&again["was_there"], &again["written"]), (&json!(true), &json!(false)), "{client}");
            assert_eq!(desk.read(path), after, "{client}");
        }
    }
}

#[test]
fn a_remote_server_gets_its_token_where_one_belongs_and_the_lines_are_shown_as_they_will_stand() {
    let desk = Desk::new();
    let rules = r#"
[[rule]]
id = "remote"
identity.url = { url = "https://remote.example.com/mcp" }
headers = { Authorization = "Bearer *", X-MCP-Toolsets = "*", X-Api-Key = "*" }
references = ["REMOTE_TOKEN", "X_API_KEY"]

[[rule]]
id = "keyed"
identity.url = { url = "https://keyed.example.com/mcp" }
headers = { X-Api-Key = "*", Authorization = "Bearer *" }
references = ["AUTHORIZATION", "X_API_KEY"]

[[rule]]
id = "unfilled"
identity.oci = { image = "mcp/x", digests = ["sha256:0000000000000000000000000000000000000000000000000000000000000000"] }
contact = "@reviewers"
"#;
    std::fs::write(desk.path("policy.toml"), format!("{POLICY}{rules}")).unwrap();
    desk.0.file(
        ".config/Code/User/mcp.json",
        "{\n\t\"servers\": {\n\t\t\"mine\": {\"command\": \"x\"}\n\t}\n}\n",
    );
    let added = desk.ask(&["add", "keyed", "--client", "vscode"], &[]);
    let told = said(&added);
    assert!(added.status.success(), "{told}");
    assert!(told.contains("\n  +         \"keyed\":") && !told.contains("\\u{9}"), "{told}");
    for line in ["\"Authorization\"", "Bearer ${env:AUTHORIZATION}", "\"X-Api-Key\"", "${env:X_API_KEY}"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!told.contains("<secret:"), "{told}");
    assert_eq!(told.matches("Set X_API_KEY").count(), 1, "{told}");
    let added = desk.ask(&["add", "remote", "--client", "cursor"], &[]);
    let after = desk.read(".cursor/mcp.json");
    assert!(after.contains("${env:X_API_KEY}") && !after.contains("Toolsets"), "{after}{}", said(&added));
    assert!(!after.contains("REMOTE_TOKEN"), "of two credentials one is not sent as the other: {after}");
    let refused = desk.ask(&["add", "unfilled", "--client", "cursor"], &[]);
    let told = said(&refused);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("placeholder") && told.contains("ask @reviewers"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_file_that_is_made_is_its_users_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    assert!(desk.ask(&["add", "docs", "--client", "cursor"], &[]).status.success());
    let mode = std::fs::metadata(desk.0.home().join(".cursor/mcp.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn nothing_is_added_that_would_be_denied_or_that_is_in_the_way() {
    let desk = Desk::new();
    let add = |words: &[&str]| desk.ask(&[&["add"], words].concat(), &[]);
    let denied = add(&["later", "--client", "cursor"]);
    assert_eq!(denied.status.code(), Some(1));
    assert!(said(&denied).contains("denylisted"), "{}", said(&denied));
    for (words, expected) in [
        (&["payroll", "--client", "cursor"][..], "approved for you"),
        (&["githbu", "--client", "cursor"], "there is github"),
        (&["github", "--client", "nobody"], "docs/clients.md"),
        (&["files", "--client", "cursor"], "say after `--`"),
        (&["docs", "--client", "claude-desktop", "--project", "."], "a file of a project"),
    ] {
        let refused = add(words);
        assert_eq!(refused.status.code(), Some(2), "{words:?}: {}", said(&refused));
        assert!(said(&refused).contains(expected), "{words:?}: {}", said(&refused));
    }
    assert!(!desk.0.home().join(".cursor").exists());
    desk.0.file(".cursor/mcp.json", "{\"mcpServers\": {\"github\": {\"command\": \"mine\"}}}");
    let taken = add(&["github", "--client", "cursor"]);
    assert_eq!((taken.status.code(), said(&taken).contains("--as")), (Some(1), true), "{}", said(&taken));
    assert!(add(&["github", "--client", "cursor", "--as", "gh"]).status.success());
    let verdicts = desk.verdicts();
    assert!(verdicts.contains(&("gh".to_owned(), "allow".to_owned())), "{verdicts:?}");
}

#[test]
fn a_server_goes_into_the_file_of_a_project_unless_its_settings_would_make_it_another() {
    let desk = Desk::new();
    desk.0.file("src/p/README", "");
    let project = desk.0.home().join("src/p");
    let add = ["add", "github", "--client", "claude-code", "--project", project.to_str().unwrap()];
    let added = desk.json(&add, &[]);
    assert_eq!(added["written"], true, "{added}");
    assert!(desk.read("src/p/.mcp.json").contains("${GITHUB_TOKEN}"));
    std::fs::remove_file(project.join(".mcp.json")).unwrap();
    desk.0.file(
        "src/p/.claude/settings.json",
        json!({"env": {"NODE_OPTIONS": "--require /tmp/x.js"}}).to_string(),
    );
    let refused = desk.ask(&add, &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(!project.join(".mcp.json").exists());
}

#[test]
fn arguments_that_a_rule_leaves_open_are_given_behind_two_dashes() {
    let desk = Desk::new();
    let work = desk.0.home().join("work");
    let added = desk.ask(&["add", "files", "--client", "cursor"], &["--", work.to_str().unwrap()]);
    assert!(added.status.success(), "{}", said(&added));
    let outside = desk.ask(&["add", "files", "--client", "cursor", "--as", "all"], &["--", "/etc"]);
    assert_eq!(outside.status.code(), Some(1), "{}", said(&outside));
    assert!(!desk.read(".cursor/mcp.json").contains("/etc"));
}

#[test]
fn a_request_is_kept_with_its_reason_and_can_be_read_by_whoever_decides() {
    let desk = Desk::new();
    desk.0.file(
        ".cursor/mcp.json",
        json!({"mcpServers": {"pad": {"command": "npx", "args": ["-y", "left-pad-mcp@1.0.0"]}}}).to_string(),
    );
    let refused = |words: &[&str]| desk.ask(&[&["request"], words].concat(), &[]).status.code();
    assert_eq!(refused(&["pad"]), Some(2), "without a reason");
    assert_eq!(refused(&["pad", "--reason", "a\u{1b}[2J"]), Some(2));
    assert_eq!(refused(&["nothing-of-the-kind", "--reason", "x"]), Some(2));
    assert_eq!(refused(&["https://docs.example.com/mcp", "--reason", "x"]), Some(2), "it is allowed already");
    let made = desk.json(&["request", "pad", "--reason", "for the migration"], &[]);
    let request = &made["requests"][0];
    assert_eq!((&request["name"], &request["user"]), (&json!("pad"), &json!("dev")), "{made}");
    assert_eq!(request["entry"]["fingerprint"], request["fingerprint"]);
    assert!(
        desk.ask(&["request", "--reason", "to try"], &["--", "npx", "-y", "right-pad-mcp@1.0.0"])
            .status
            .success()
    );
    let listed = desk.json(&["request", "--list"], &[]);
    assert_eq!(listed["requests"].as_array().unwrap().len(), 2);
    assert!(said(&desk.ask(&["request", "--list"], &[])).contains("for the migration"));
    // as a report carries it, the authoring side reads it
    let draft = desk.path("policy.toml");
    // and it is in the report also where the agent has taken the server out of its file
    desk.0.file(".cursor/mcp.json", "{}");
    let state = desk.path("state");
    let report = desk.0.scan(&["--draft", draft.to_str().unwrap(), "--state", state.to_str().unwrap()]);
    assert_eq!((&report["requests"], &report["entries"]), (&listed["requests"], &json!([])));
    let stored = desk.path("report.json");
    std::fs::write(&stored, report.to_string()).unwrap();
    let asked = desk.0.run(&["policy", "requests", stored.to_str().unwrap(), "--json"]);
    let told = said(&asked);
    assert!(told.contains("left-pad-mcp") && told.contains("for the migration"), "{told}");
    assert!(!told.contains("its fingerprint is not"), "{told}");
}

#[cfg(unix)]
mod after_a_pass {
    use super::*;
    use crate::enforce::{Site, npx, policy, rule};

    fn ask(site: &Site, command: &[&str]) -> Output {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let (published, root) = (text(site.folder("published")), text(site.folder("published/root.1.json")));
        let (home, state, settings) =
            (text(site.machine.home()), text(site.folder("state")), text(site.folder("agent.toml")));
        std::fs::write(&settings, "schema = \"mcpolicy/agent/v1\"\n").unwrap();
        let now = site.now();
        let place = [
            "--home",
            &home,
            "--state",
            &state,
            "--settings",
            &settings,
            "--policy",
            &published,
            "--trust-root",
            &root,
            "--now",
            &now,
        ];
        site.machine.run(&[command, &place].concat())
    }

    #[test]
    fn what_a_pass_took_away_is_explained_by_name_and_block_id_and_can_be_asked_for() {
        let mut site = Site::new();
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let secret = json!({"command": "npx", "args": ["-y", "evil@1.0.0"], "env": {"TOKEN": SECRET}});
        site.machine.file(
            ".cursor/mcp.json",
            json!({"mcpServers": {"good": npx("@acme/good@1.0.0"), "bad": secret}}).to_string(),
        );
        site.enforce();
        assert!(!site.read(".cursor/mcp.json").contains("evil"));
        let told = report_of(&ask(&site, &["explain", "bad", "--json"]));
        let taken = &told["taken"][0];
        assert_eq!(
            (&taken["action"], &taken["code"]),
            (&json!("quarantine"), &json!("not-allowed")),
            "{told}"
        );
        assert_eq!((&taken["identity"], &taken["contact"]), (&json!("npm:evil"), &json!("#mcp-help")));
        let block = taken["block"].as_str().unwrap();
        let human = ask(&site, &["explain", block]);
        let text = said(&human);
        assert!(
            human.status.success() && text.contains("TAKEN OUT OF THE FILE") && text.contains("#mcp-help"),
            "{text}"
        );
        assert!(!text.contains("ghp_"));
        let made = report_of(&ask(&site, &["request", "bad", "--reason", "I need it", "--json"]));
        let request = &made["requests"][0];
        assert_eq!(
            (&request["identity"]["name"], &request["name"]),
            (&json!("evil"), &json!("bad")),
            "{made}"
        );
        assert_eq!(request["fingerprint"], taken["fingerprint"]);
        assert!(!made.to_string().contains("ghp_"));
        assert!(!site.read(".cursor/mcp.json").contains("evil"), "asking changes nothing");
        for text in [
            "[mcp_servers.worse]\ncommand = \"npx\"\nargs = [\"-y\", \"worse@1.0.0\"]\n",
            "[mcp_servers]\nworse = { command = \"npx\", args = [\"-y\", \"worse@1.0.0\"] }\n",
        ] {
            site.machine.file(".codex/config.toml", text);
            site.enforce();
            assert!(!site.read(".codex/config.toml").contains("worse"));
            let made = report_of(&ask(&site, &["request", "worse", "--reason", "I need it", "--json"]));
            assert_eq!(made["requests"][0]["identity"]["name"], "worse", "{text}: {made}");
        }
        let waiting = |site: &Site| -> Vec<String> {
            let listed = report_of(&ask(site, &["request", "--list", "--json"]));
            let requests = listed["requests"].as_array().unwrap().iter();
            requests.map(|request| request["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(waiting(&site), ["bad", "worse"]);
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("worse")])));
        site.enforce();
        assert_eq!(waiting(&site), ["bad"], "what is allowed now waits for no answer");
        let log = said(&site.run(&["log"]));
        assert!(log.contains("request-answered") && log.contains("worse"), "{log}");
    }
}
