//! What is added is allowed, and everything else stays.

use super::*;
use crate::answers::testing::{asker, draft, home, scan, terms};

const POLICY: &str = r#"
[[rule]]
id = "github"
identity.npm = { package = "@acme/github-mcp", versions = "1.2.3" }
env = { GITHUB_TOKEN = "*" }
members = ["env_vars", "env_keys"]
names = ["github"]

[[rule]]
id = "docs"
identity.url = { url = "https://docs.example.com/mcp" }

[[rule]]
id = "only-cursor"
identity.npm = { package = "x", versions = "1.0.0" }
clients = ["cursor"]

[[deny]]
id = "no"
identity.npm = { package = "taken-back" }
reason = "stole tokens"

[[rule]]
id = "taken-back"
identity.npm = { package = "taken-back", versions = "1.0.0" }
"#;

fn try_add(folder: &Path, order: Order<'_>) -> Result<Added, AddError> {
    try_add_by(POLICY, folder, order)
}

fn try_add_by(policy: &str, folder: &Path, order: Order<'_>) -> Result<Added, AddError> {
    let in_force = draft(policy);
    let ground = home(folder);
    let mut judge = Judge::new(&ground, &ground.machine, terms(&in_force));
    let asker = asker("ann");
    let by = By { in_force: &in_force, asker: &asker, now: "2026-11-21T10:00:00Z".parse().unwrap() };
    let redactor = Redactor::new(&[1; 32]);
    let on = On { ground: &ground, home: 0, judge: &mut judge, settings: Vec::new(), redactor: &redactor };
    add(order, by, on)
}

fn order<'a>(name: &'a str, client: &'a str) -> Order<'a> {
    Order { name, under: None, client, project: None, args: &[], dry_run: false }
}

#[test]
fn what_is_added_for_any_client_is_allowed_by_the_next_scan() {
    for adapter in adapters::ALL.iter().filter(|adapter| adapter.about().writes.is_some()) {
        let client = adapter.about().id;
        for name in ["github", "docs"] {
            let folder = tempfile::tempdir().unwrap();
            let added = match try_add(folder.path(), order(name, client)) {
                Ok(added) => added,
                // documented: it takes no URL from its file
                Err(AddError::Unwritable { .. }) if (client, name) == ("claude-desktop", "docs") => {
                    continue;
                }
                // its folder is that of another system
                Err(AddError::NoPlace { .. }) => continue,
                Err(error) => panic!("{client} {name}: {error}"),
            };
            assert!(added.written && added.created, "{client}");
            let in_force = draft(POLICY);
            let report = scan(&home(folder.path()), &in_force);
            let entries: Vec<_> = report.entries.iter().filter(|entry| entry.name == name).collect();
            assert_eq!(entries.len(), 1, "{client} {name}: {:?}", report.entries);
            let judged = entries[0].judged.as_ref().unwrap();
            assert_eq!(
                judged.verdict,
                mcpolicy_schema::verdict::Verdict::Allow,
                "{client} {name}: {judged:?}"
            );
            assert!(entries[0].readers.iter().any(|reader| reader.client == client), "{client}");
            let again = try_add(folder.path(), order(name, client)).unwrap();
            assert!(again.was_there && !again.written, "{client}: nothing is written twice");
        }
    }
}

#[test]
fn what_the_policy_would_not_allow_and_what_is_in_the_way_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let refused =
        |order: Order<'_>| try_add(folder.path(), order).err().unwrap_or_else(|| panic!("{order:?}"));
    assert!(matches!(refused(order("taken-back", "cursor")), AddError::NotAllowed { .. }));
    assert!(matches!(refused(order("only-cursor", "codex")), AddError::NotAllowed { .. }));
    assert!(matches!(refused(order("githbu", "cursor")), AddError::NotApproved { near: Some(_), .. }));
    assert!(matches!(refused(order("github", "nobody")), AddError::UnknownClient(_)));
    let under = Order { under: Some("a b\n"), ..order("github", "cursor") };
    assert!(matches!(refused(under), AddError::BadName));
    assert!(!folder.path().join("ann/.cursor").exists(), "nothing was made");
    let file = folder.path().join("ann/.cursor/mcp.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    for text in [
        "{\"mcpServers\": {\"github\": {\"command\": \"mine\"}}}",
        "{\"mcpServers\": {",
        "{\"mcpServers\": []}",
    ] {
        std::fs::write(&file, text).unwrap();
        let why = refused(order("github", "cursor"));
        assert!(matches!(why, AddError::Taken { .. } | AddError::File(_)), "{text}: {why}");
        let now = ground_read(&file);
        assert_eq!(now, text);
    }
}

fn ground_read(path: &Path) -> String {
    let read = mcpolicy_platform::machine::Machine::live().read(path, None, 1 << 20).unwrap();
    String::from_utf8(read.bytes).unwrap()
}

#[test]
fn a_dry_run_writes_nothing_and_shows_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let dry = try_add(folder.path(), Order { dry_run: true, ..order("github", "cursor") }).unwrap();
    assert!(!dry.written && !folder.path().join("ann/.cursor").exists());
    let wet = try_add(folder.path(), order("github", "cursor")).unwrap();
    assert_eq!((&dry.diff, &dry.path), (&wet.diff, &wet.path));
    assert!(wet.diff.iter().any(|line| line.contains("${env:GITHUB_TOKEN}")), "{:?}", wet.diff);
    assert!(wet.left_to_do[0].contains("GITHUB_TOKEN"));
}

const STRICT: &str = include_str!("../../../../docs/examples/demo-strict.policy.toml");

/// The rules of the demo's policy: as a draft of a test has them, without what stands in front.
fn strict() -> &'static str {
    &STRICT[STRICT.find("[[").unwrap()..]
}

#[test]
fn the_remote_server_of_the_demo_gets_no_token_that_nobody_asked_for() {
    for client in ["claude-code", "cursor", "codex", "vscode"] {
        let folder = tempfile::tempdir().unwrap();
        let added = try_add_by(strict(), folder.path(), order("github", client)).unwrap();
        let diff = added.diff.join("\n");
        assert!(diff.contains("https://api.githubcopilot.com/mcp/"), "{client}: {diff}");
        assert!(!diff.contains("TOKEN") && !diff.contains("X-MCP"), "{client}: {diff}");
        assert!(added.left_to_do[0].contains("Sign in"), "{:?}", added.left_to_do);
    }
}

#[test]
fn what_comes_in_is_shown_as_it_is_written_for_every_rule_of_the_demo() {
    let in_force = draft(strict());
    let mut shown = 0;
    for rule in &in_force.policy.document().rule {
        for client in ["claude-code", "vscode", "codex", "goose"] {
            let folder = tempfile::tempdir().unwrap();
            let Ok(added) = try_add_by(strict(), folder.path(), order(&rule.id, client)) else { continue };
            let told = added.diff.join("\n");
            assert!(!told.contains("<secret:"), "{}: {told}", rule.id);
            let written = ground_read(Path::new(&added.path));
            assert!(
                added.diff.iter().all(|line| written.contains(line.trim())),
                "{}: {told}\n{written}",
                rule.id
            );
            let mut once = added.left_to_do.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), added.left_to_do.len(), "{:?}", added.left_to_do);
            shown += 1;
        }
    }
    assert!(shown > 40, "{shown}");
}

#[test]
fn a_secret_among_the_arguments_is_not_shown_with_what_comes_in() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "[[rule]]\nid = \"x\"\nidentity.npm = { package = \"x\", versions = \"1.0.0\" }\nargs.optional = [\"--token *\"]\n";
    let args = ["--token".to_owned(), "ghp_0123456789abcdefghijklmnopqrstuvwxyz01".to_owned()];
    let added = try_add_by(policy, folder.path(), Order { args: &args, ..order("x", "cursor") }).unwrap();
    let told = added.diff.join("\n");
    assert!(told.contains("--token") && told.contains("<secret:") && !told.contains("ghp_"), "{told}");
}

#[test]
fn a_rule_that_was_never_filled_in_is_refused_with_whom_to_ask() {
    for name in ["sonarqube", "github-container", "serena"] {
        let folder = tempfile::tempdir().unwrap();
        let why = try_add_by(strict(), folder.path(), order(name, "cursor")).unwrap_err();
        assert!(!why.is_usage(), "{why}");
        let why = why.to_string();
        assert!(why.contains("placeholder") && why.contains("ask security@example.com"), "{why}");
        assert!(!folder.path().join("ann/.cursor").exists());
    }
}

/// A client's file with some servers of its user's, in one of several hands.
fn file(client: &str, others: usize, hand: usize) -> (&'static str, String) {
    let json = |key: &str, comments: bool| {
        let newline = ["", "\n", "\r\n"][hand];
        let unit = ["", "  ", "\t"][hand];
        let comment = if comments && hand > 0 { format!("{unit}// mine{newline}") } else { String::new() };
        let one =
            |at: usize| format!("{unit}{unit}\"s{at}\": {{\"command\": \"c{at}\", \"args\": [\"{at}\"]}}");
        let servers: Vec<String> = (0..others).map(one).collect();
        let servers = servers.join(&format!(",{newline}"));
        format!(
            "{{{newline}{comment}{unit}\"a\": 1.50,{newline}{unit}\"{key}\": {{{newline}{servers}{newline}{unit}}},{newline}{unit}\"z\": []{newline}}}{newline}"
        )
    };
    match client {
        "claude-code" => (".claude.json", json("mcpServers", false)),
        "cursor" => (".cursor/mcp.json", json("mcpServers", true)),
        "vscode" => (".config/Code/User/mcp.json", json("servers", true)),
        "codex" => {
            let one = |at: usize| match hand {
                0 => format!("[mcp_servers.s{at}]\ncommand = 'c{at}'\n"),
                1 => format!("[mcp_servers.s{at}] # c\ncommand = \"c{at}\"\n\n"),
                _ => format!(
                    "# of s{at}\n[mcp_servers.\"s{at}\"]\ncommand = \"c{at}\"\n[mcp_servers.s{at}.env]\nK = \"v\"\n"
                ),
            };
            let servers: String = (0..others).map(one).collect();
            (".codex/config.toml", format!("model = 'x' # mine\n\n{servers}\n[tui]\nz = 1\n"))
        }
        _ => {
            let one = |at: usize| match hand {
                0 => format!("  s{at}:\n    cmd: c{at}\n    type: stdio\n"),
                1 => format!("    s{at}: {{cmd: c{at}, type: stdio}} # c\n"),
                _ => format!("  # of s{at}\n  s{at}:\n    cmd: c{at}\n    args:\n    - \"1\"\n\n"),
            };
            let servers: String = (0..others).map(one).collect();
            let servers = if others == 0 { " {}\n".to_owned() } else { format!("\n{servers}") };
            (".config/goose/config.yaml", format!("# mine\na: 1\nextensions:{servers}z: 2\n"))
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(32))]
    #[test]
    fn in_whatever_file_it_is_added_the_result_is_allowed_and_nothing_else_changes(
        client in 0..5_usize,
        others in 0..4_usize,
        hand in 0..3_usize,
        name in "[a-zA-Z0-9][a-zA-Z0-9._-]{0,8}",
    ) {
        let client = ["claude-code", "cursor", "vscode", "codex", "goose"][client];
        let folder = tempfile::tempdir().unwrap();
        let (path, before) = file(client, others, hand);
        let path = folder.path().join("ann").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &before).unwrap();
        let added = try_add(folder.path(), Order { under: Some(&name), ..order("github", client) });
        let added = added.unwrap_or_else(|error| panic!("{client} {before}: {error}"));
        proptest::prop_assert!(added.written);
        let after = ground_read(&path);
        let mut rest = after.chars();
        let is_kept = before.chars().filter(|c| !c.is_whitespace() && !"{}".contains(*c)).all(|c| rest.any(|other| other == c));
        proptest::prop_assert!(is_kept, "{}: {}", client, after);
        let report = scan(&home(folder.path()), &draft(POLICY));
        let is_added = |entry: &&v1::Entry| entry.name == name && entry.identity.name == "@acme/github-mcp";
        let of_it: Vec<_> = report.entries.iter().filter(is_added).collect();
        proptest::prop_assert_eq!((of_it.len(), report.entries.len()), (1, others + 1), "{}: {}", client, after);
        let verdict = of_it[0].judged.as_ref().map(|judged| judged.verdict);
        proptest::prop_assert_eq!(verdict, Some(mcpolicy_schema::verdict::Verdict::Allow));
    }
}
