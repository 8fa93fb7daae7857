//! Tokens where nobody expects them: in the names of servers and of folders. No command shows one, in no form.

use serde_json::{Value, json};

use crate::actions::{both, give, settle};
use crate::enforce::{Site, policy, rule};

const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fn evil() -> Value {
    json!({"command": "npx", "args": ["-y", "evil@1.0.0"]})
}

/// The same for all: what is said, without the token.
fn said(site: &Site, what: &str, command: &[&str]) -> String {
    let output = match command {
        ["enforce"] => site.enforce_with(&[]),
        ["enforce", "for people"] => site.run(&for_people(site).each_ref().map(String::as_str)),
        command => site.run(command),
    };
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert!(!text.contains(TOKEN), "{what} {command:?}: {text}");
    text
}

fn for_people(site: &Site) -> [String; 8] {
    let path = |name: &str| site.folder(name).to_str().unwrap().to_owned();
    let (policy, root) = (path("published"), path("published/root.1.json"));
    let words = ["enforce", "--once", "--policy", &policy, "--trust-root", &root, "--now", &site.now()];
    words.map(str::to_owned)
}

fn everything(site: &Site, what: &str, id: &str) {
    for command in [
        &["log"][..],
        &["log", "--json"],
        &["quarantine", "list", "--all"],
        &["quarantine", "list", "--all", "--json"],
        &["quarantine", "show", id],
        &["quarantine", "show", "--json", id],
        &["quarantine", "restore", id],
        &["quarantine", "restore", "--json", id],
        &["enforce", "for people"],
    ] {
        said(site, what, command);
    }
}

#[test]
fn a_token_in_a_servers_or_a_folders_name_is_shown_by_no_command() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let servers = json!({"mcpServers": {TOKEN: evil()}}).to_string();
        site.machine.file(".cursor/mcp.json", &servers);
        site.machine.file(&format!("proj-{TOKEN}/.cursor/mcp.json"), &servers);
        // left: a list, of which its client takes nothing; a link out of the home
        let list = json!({"mcpServers": [{"name": TOKEN, "command": "npx"}]}).to_string();
        site.machine.file(".claude.json", list);
        let (away, linked) = (site.machine.root().join("away.json"), format!("linked-{TOKEN}/.cursor"));
        std::fs::write(&away, &servers).unwrap();
        give(&site.machine.root(), &away);
        let folder = site.machine.home().join(linked);
        std::fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink("/away.json", folder.join("mcp.json")).unwrap();
        settle(site);
        let pass: Value = serde_json::from_str(&said(site, "first", &["enforce"])).unwrap();
        let hidden = "<secret:github-token-classic:";
        let left = pass["left"].to_string();
        assert!(left.contains(hidden), "{pass}");
        let files = pass["files"].as_array().unwrap();
        assert!(files.iter().any(|file| file["path"].as_str().unwrap().contains(hidden)), "{pass}");
        assert!(files.iter().any(|file| file["actions"][0]["action"] == "left"), "{pass}");
        let id = files.iter().find_map(|file| file["vault"].as_str()).unwrap().to_owned();
        everything(site, "taken out", &id);
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
        let pass: Value = serde_json::from_str(&said(site, "restored", &["enforce"])).unwrap();
        assert!(pass["restored"].to_string().contains(hidden), "{pass}");
        everything(site, "restored", &id);
        said(site, "purged", &["quarantine", "purge", &id]);
        assert!(said(site, "log", &["log"]).contains("purged"));
    });
}
