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
    let in_force = draft(POLICY);
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
