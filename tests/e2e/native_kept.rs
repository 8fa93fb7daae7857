//! The running agent keeps the clients' own managed files: it writes them, follows what its users declare, and puts them back.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use mcpolicy_tests::report_of;
use serde_json::{Value, json};

use crate::enforce::{Site, npx, policy, rule};
use crate::run::Daemon;

const CLAUDE: &str = "etc/claude-code/managed-settings.d/zz-mcpolicy.json";
const CODEX: &str = "etc/codex/requirements.toml";
const GEMINI: &str = "etc/gemini-cli/settings.json";

fn site() -> Site {
    let mut site = Site::new();
    site.publish(&policy(&json!({"mode": "enforce"}), &json!([rule("@acme/good"), rule("@acme/other")])));
    let servers = json!({"mcpServers": {"good": npx("@acme/good@1.0.0")}});
    site.machine.file(".claude.json", servers.to_string());
    site.machine.file(".gemini/settings.json", servers.to_string());
    let codex = "[mcp_servers.good]\ncommand = \"npx\"\nargs = [\"-y\", \"@acme/good@1.0.0\"]\n";
    site.machine.file(".codex/config.toml", codex);
    site
}

fn text(site: &Site, path: &str) -> String {
    fs::read_to_string(site.folder(path)).unwrap_or_default()
}

/// Waits until a file is as it should be; how long that took.
fn until(site: &Site, path: &str, is_it: impl Fn(&str) -> bool) -> Duration {
    let begun = Instant::now();
    while !is_it(&text(site, path)) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{path}: {:?}", text(site, path));
        std::thread::sleep(Duration::from_millis(2));
    }
    begun.elapsed()
}

fn events(site: &Site, code: &str) -> Vec<String> {
    let log = site.run(&["log", "--json"]);
    let lines = String::from_utf8_lossy(&log.stdout).into_owned();
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let records = records.iter();
    let events = records.filter(|record| record["code"] == code);
    events.map(|record| record["detail"].as_str().unwrap().to_owned()).collect()
}

fn layer(site: &Site) -> Value {
    let said = report_of(&site.run(&["status", "--json"]));
    said["layers"].as_array().unwrap().iter().find(|layer| layer["name"] == "native").unwrap()["state"]
        .clone()
}

/// Waits until the status says so: by then all files are written.
pub(crate) fn is_told(site: &Site, state: &str) {
    let begun = Instant::now();
    while layer(site) != state {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", layer(site));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn clients_are_told_what_is_allowed_as_soon_as_it_is_declared_and_no_longer_when_the_mode_only_watches() {
    let mut site = site();
    let (daemon, _) = Daemon::start(&site);
    until(&site, CLAUDE, |text| text.contains("@acme/good@1.0.0"));
    until(&site, CODEX, |text| text.contains("@acme/good@1.0.0"));
    is_told(&site, "in-force");
    // what is allowed and new works at once, and what is gone is no longer let through
    let other = json!({"mcpServers": {"other": npx("@acme/other@1.0.0")}}).to_string();
    // as the same account: `put` would give the home to another one, now that there is an `etc`
    site.machine.file(".claude.json", &other);
    let is_other = |text: &str| text.contains("@acme/other@1.0.0") && !text.contains("@acme/good@1.0.0");
    let after = until(&site, CLAUDE, is_other);
    assert!(after < Duration::from_secs(5), "{after:?}");
    // an administrator who only wants to look
    site.publish(&policy(&json!({"mode": "observe"}), &json!([rule("@acme/good"), rule("@acme/other")])));
    daemon.wait("a pass that only watches", |line| line["what"] == "pass" && line["mode"] == "observe");
    until(&site, CLAUDE, str::is_empty);
    until(&site, CODEX, str::is_empty);
    is_told(&site, "off");
    assert_eq!(daemon.stop(), Some(0));
    assert!(!events(&site, "native-removed").is_empty());
}

#[test]
fn what_somebody_changes_of_ours_is_back_within_a_second_and_told_and_what_is_theirs_stays() {
    let site = site();
    fs::create_dir_all(site.folder("etc/codex")).unwrap();
    fs::write(site.folder(CODEX), "# of the desk\nallow_web_search = false\n").unwrap();
    let (daemon, _) = Daemon::start(&site);
    let whole = |text: &str| text.contains("\"allowManagedMcpServersOnly\": true");
    until(&site, CLAUDE, whole);
    until(&site, CODEX, |text| text.contains("of the desk") && text.contains("@acme/good@1.0.0"));
    until(&site, GEMINI, |text| text.contains("good"));
    is_told(&site, "in-force");
    let mut took = Vec::new();
    // one member, the whole file, its folder
    let weaker = text(&site, CLAUDE).replace("Only\": true", "Only\": false");
    fs::write(site.folder(CLAUDE), weaker).unwrap();
    took.push(until(&site, CLAUDE, whole));
    fs::remove_file(site.folder(CODEX)).unwrap();
    took.push(until(&site, CODEX, |text| text.contains("@acme/good@1.0.0")));
    fs::remove_dir_all(site.folder("etc/claude-code")).unwrap();
    took.push(until(&site, CLAUDE, whole));
    // the one in the middle: a disk that stands still for a second is no matter of ours
    took.sort();
    assert!(took[1] < Duration::from_secs(1), "{took:?}");
    // what others add beside ours is theirs
    let more = text(&site, GEMINI).replacen('{', "{\n  \"ui\": {\"theme\": \"desk\"},", 1);
    fs::write(site.folder(GEMINI), &more).unwrap();
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(text(&site, GEMINI), more);
    let alerts = report_of(&site.run(&["status", "--json"]))["alerts"].to_string();
    assert!(alerts.contains("native-tampered") && alerts.contains("zz-mcpolicy.json"), "{alerts}");
    assert_eq!(daemon.stop(), Some(0));
    let told = events(&site, "native-tampered");
    assert_eq!(told.len(), 3, "{told:?}");
    // what was changed while no agent ran is put back by the next, and told
    fs::write(site.folder(CLAUDE), "{}").unwrap();
    let (daemon, _) = Daemon::start(&site);
    until(&site, CLAUDE, whole);
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(events(&site, "native-tampered").len(), 4);
}

#[test]
fn what_stands_in_the_way_is_told_once_and_nothing_is_written_through_a_link() {
    let site = site();
    fs::create_dir_all(site.folder("etc/gemini-cli")).unwrap();
    fs::write(site.folder("elsewhere.json"), "{}").unwrap();
    symlink(site.folder("elsewhere.json"), site.folder(GEMINI)).unwrap();
    fs::create_dir_all(site.folder("etc/claude-code")).unwrap();
    let theirs = json!({"allowedMcpServers": [{"serverUrl": "https://*.example.com/*"}]}).to_string();
    fs::write(site.folder("etc/claude-code/managed-settings.json"), &theirs).unwrap();
    for _ in 0..2 {
        let (daemon, _) = Daemon::start(&site);
        is_told(&site, "in-force");
        assert_eq!(daemon.stop(), Some(0));
    }
    assert_eq!(text(&site, "elsewhere.json"), "{}");
    assert_eq!(text(&site, "etc/claude-code/managed-settings.json"), theirs);
    assert_eq!(events(&site, "native-unreadable").len(), 1, "a second start tells nothing twice");
    assert_eq!(events(&site, "native-widened").len(), 1);
}

/// Quirk: configuration management writes its own idea of a file again and again.
#[test]
fn two_that_write_one_file_without_end_do_not_heat_the_laptop() {
    let site = site();
    let (daemon, _) = Daemon::start(&site);
    let whole = |text: &str| text.contains("allowManagedMcpServersOnly");
    is_told(&site, "in-force");
    // a write that meets a repair may be undone by the same one
    let is_back = || {
        fs::write(site.folder(CLAUDE), "{}").unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) && !whole(&text(&site, CLAUDE)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(100));
        whole(&text(&site, CLAUDE))
    };
    let repaired = (0..9).take_while(|_| is_back()).count();
    assert!((5..=7).contains(&repaired), "{repaired}: it is put back later");
    // of other places at once all the same
    fs::remove_file(site.folder(CODEX)).unwrap();
    until(&site, CODEX, |text| !text.is_empty());
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(events(&site, "native-tampered").len(), 6, "five of the one place, and one of the other");
}

#[test]
fn nothing_takes_native_policies_away_by_hand_while_an_agent_would_write_them_again() {
    let site = site();
    let (daemon, _) = Daemon::start(&site);
    is_told(&site, "in-force");
    let refused = site.run(&["native", "remove", "--json"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("would write them again"));
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(site.run(&["native", "remove", "--json"]).status.code(), Some(0));
    assert_eq!(text(&site, CLAUDE), "");
}
