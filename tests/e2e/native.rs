//! `native`: the policy in the clients' own managed files of a machine, and how everything comes back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;
use std::process::Output;

use mcpolicy_tests::report_of;
use serde_json::{Value, json};

use crate::enforce::{Site, npx, policy, rule};

const CLAUDE: &str = "etc/claude-code/managed-settings.d/zz-mcpolicy.json";
const CODEX: &str = "etc/codex/requirements.toml";

/// A machine on which one allowed and one denied server are declared, and a policy that allows one more form.
fn site() -> Site {
    let mut site = Site::new();
    let mut good = rule("@acme/good");
    good["names"] = json!(["good"]);
    good["native_forms"] = json!([["npx", "-y", "@acme/good@1.0.0"]]);
    site.publish(&policy(&json!({"mode": "enforce"}), &json!([good])));
    let servers = json!({"mcpServers": {"good": npx("@acme/good@1.0.0"), "bad": npx("evil@1.0.0")}});
    site.machine.file(".claude.json", servers.to_string());
    site
}

fn native(site: &Site, command: &str, more: &[&str]) -> Output {
    let (published, root) = (site.folder("published"), site.folder("published/root.1.json"));
    let now = site.now();
    let by = ["--policy", published.to_str().unwrap(), "--trust-root", root.to_str().unwrap(), "--now", &now];
    let by: &[&str] = if command == "remove" { &[] } else { &by };
    site.run(&[&["native", command, "--json"], by, more].concat())
}

fn places(answer: &Value, state: &str) -> Vec<String> {
    let clients = answer["clients"].as_array().unwrap().iter();
    let places = clients.flat_map(|client| client["places"].as_array().unwrap());
    places
        .filter(|place| place["state"] == state)
        .map(|place| place["place"].as_str().unwrap().to_owned())
        .collect()
}

/// Every file below `etc`, with what is in it.
fn all_files(site: &Site) -> BTreeMap<PathBuf, String> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![site.folder("etc")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => drop(files.insert(entry.path(), fs::read_to_string(entry.path()).unwrap())),
            }
        }
    }
    files
}

#[test]
fn a_plan_changes_nothing_and_what_it_says_is_what_is_written_for_everybody_to_read_and_given_back() {
    let site = site();
    fs::create_dir_all(site.folder("etc/codex")).unwrap();
    let theirs = "# ours, of the desk\nallow_web_search = false\n";
    fs::write(site.folder(CODEX), theirs).unwrap();
    let before = all_files(&site);
    let plan = report_of(&native(&site, "plan", &[]));
    assert_eq!(all_files(&site), before);
    let wanted = places(&plan, "to-be-written");
    assert!(wanted.len() >= 6 && wanted.contains(&format!("/{CLAUDE}")), "{wanted:?}");
    assert_eq!(native(&site, "verify", &[]).status.code(), Some(1), "nothing stands there yet");
    let applied = native(&site, "apply", &[]);
    let said = report_of(&applied);
    assert_eq!((applied.status.code(), places(&said, "written")), (Some(0), wanted.clone()), "{said}");
    for place in &wanted {
        let found = fs::metadata(site.folder(place.trim_start_matches('/'))).unwrap();
        assert_eq!(found.mode() & 0o7777, 0o644, "{place}");
    }
    let settings: Value = serde_json::from_str(&fs::read_to_string(site.folder(CLAUDE)).unwrap()).unwrap();
    assert_eq!(settings["allowManagedMcpServersOnly"], json!(true));
    assert!(settings["allowedMcpServers"].to_string().contains("@acme/good@1.0.0"), "{settings}");
    assert!(!settings["allowedMcpServers"].to_string().contains("evil"), "{settings}");
    assert!(fs::read_to_string(site.folder(CODEX)).unwrap().starts_with(theirs), "what others have stays");
    assert_eq!(native(&site, "verify", &[]).status.code(), Some(0));
    let again = report_of(&native(&site, "apply", &[]));
    assert_eq!(places(&again, "written"), Vec::<String>::new(), "a second time there is nothing to do");
    let log = site.run(&["log", "--json"]);
    assert!(String::from_utf8_lossy(&log.stdout).contains("native-written"));
    // everything as it was
    let removed = native(&site, "remove", &[]);
    assert_eq!(removed.status.code(), Some(0), "{}", String::from_utf8_lossy(&removed.stderr));
    assert_eq!(all_files(&site), before);
}

#[test]
fn what_somebody_changes_of_ours_is_told_and_put_back_and_a_mode_that_only_watches_takes_all_away() {
    let mut site = site();
    native(&site, "apply", &[]);
    let ours = fs::read_to_string(site.folder(CLAUDE)).unwrap();
    fs::write(
        site.folder(CLAUDE),
        ours.replace("\"allowManagedMcpServersOnly\": true", "\"allowManagedMcpServersOnly\": false"),
    )
    .unwrap();
    fs::remove_file(site.folder(CODEX)).unwrap();
    assert_eq!(native(&site, "verify", &[]).status.code(), Some(1));
    native(&site, "apply", &[]);
    let settings: Value = serde_json::from_str(&fs::read_to_string(site.folder(CLAUDE)).unwrap()).unwrap();
    assert_eq!(settings["allowManagedMcpServersOnly"], json!(true), "{settings}");
    assert!(site.folder(CODEX).is_file());
    site.publish(&policy(&json!({"mode": "observe"}), &json!([rule("@acme/good")])));
    let said = report_of(&native(&site, "apply", &[]));
    assert!(places(&said, "removed").len() >= 6, "{said}");
    assert_eq!(all_files(&site), BTreeMap::new(), "nothing of ours stands there any more");
}

#[test]
fn a_link_or_a_file_that_nobody_can_read_is_left_as_it_is_and_told() {
    let site = site();
    fs::create_dir_all(site.folder("etc/claude-code/managed-settings.d")).unwrap();
    fs::create_dir_all(site.folder("etc/codex")).unwrap();
    fs::write(site.folder("elsewhere.json"), "{}").unwrap();
    symlink(site.folder("elsewhere.json"), site.folder(CLAUDE)).unwrap();
    fs::write(site.folder(CODEX), "").unwrap();
    fs::set_permissions(site.folder(CODEX), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let applied = native(&site, "apply", &["--client", "claude-code", "--client", "codex"]);
    let said = report_of(&applied);
    assert_eq!((applied.status.code(), places(&said, "written")), (Some(1), Vec::new()), "{said}");
    let conflicts = said["clients"].as_array().unwrap().iter();
    let kinds: Vec<&Value> = conflicts
        .flat_map(|client| client["conflicts"].as_array().unwrap())
        .map(|one| &one["kind"])
        .collect();
    assert_eq!(kinds.iter().filter(|kind| ***kind == json!("unreadable")).count(), 2, "{said}");
    assert_eq!(fs::read_to_string(site.folder("elsewhere.json")).unwrap(), "{}");
    assert_eq!(fs::read_to_string(site.folder(CODEX)).unwrap(), "");
}

/// Attack: a user with as many entries as a machine reads makes the files of everybody's clients so long that nothing can
/// mend or remove them any more.
#[test]
fn a_user_with_thousands_of_allowed_entries_fills_nobodys_managed_files() {
    let site = site();
    // of other homes all is told: this one alone has too many
    site.machine.file(
        "home/ann/.cursor/mcp.json",
        json!({"mcpServers": {"good": npx("@acme/good@1.0.0")}}).to_string(),
    );
    let servers: serde_json::Map<String, Value> = (0..5000)
        .map(|n| {
            (
                format!("good-{n}"),
                json!({"command": "npx", "args": ["-y", "@acme/good@1.0.0", format!("{n:0300}")]}),
            )
        })
        .collect();
    site.machine.file(".claude.json", json!({"mcpServers": servers}).to_string());
    let applied = native(&site, "apply", &[]);
    let said = report_of(&applied);
    assert!(!places(&said, "written").is_empty(), "{said}");
    assert!(said.to_string().contains("left out"), "{said}");
    for path in all_files(&site).keys() {
        let length = fs::metadata(path).unwrap().len();
        assert!(length < 1_000_000, "{} has {length} bytes", path.display());
    }
    assert_eq!(native(&site, "remove", &[]).status.code(), Some(0));
}

#[test]
fn a_folder_of_an_image_that_leads_out_of_it_is_not_written_through() {
    let site = site();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(site.folder("etc")).unwrap();
    symlink(outside.path(), site.folder("etc/codex")).unwrap();
    let said = report_of(&native(&site, "apply", &["--client", "codex"]));
    assert_eq!(places(&said, "written"), Vec::<String>::new());
    assert!(said.to_string().contains("a link leads there"), "{said}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn files_for_mdm_come_from_the_policy_alone() {
    let site = site();
    for (os, part) in [("linux", "zz-mcpolicy"), ("macos", "com.anthropic"), ("windows", ".reg")] {
        let folder = site.folder(os);
        let made = native(&site, "plan", &["--os", os, "--to", folder.to_str().unwrap()]);
        let said = report_of(&made);
        assert_eq!(made.status.code(), Some(0), "{said}");
        let names: Vec<&str> =
            said["files"].as_array().unwrap().iter().map(|file| file["file"].as_str().unwrap()).collect();
        assert!(names.iter().any(|name| name.contains(part)), "{os}: {names:?}");
        assert!(names.iter().all(|name| folder.join(name).is_file()), "{names:?}");
        let all: String = names
            .iter()
            .map(|name| String::from_utf8_lossy(&fs::read(folder.join(name)).unwrap()).into_owned())
            .collect();
        assert!(!all.contains("evil@1.0.0"), "nothing of this machine's entries is in it");
    }
}

/// Every other source of a client that an answer names: client, state, place.
fn sources(answer: &Value) -> Vec<[String; 3]> {
    let clients = answer["clients"].as_array().unwrap().iter();
    let of = |client: &Value| {
        let sources = client["sources"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let of = |source: &Value| [text(&client["client"]), text(&source["state"]), text(&source["place"])];
        sources.iter().map(of).collect::<Vec<_>>()
    };
    clients.flat_map(of).collect()
}

/// A file that nobody reads any more stands as it should all the same: `verify` says what wins over it.
#[test]
fn verify_tells_of_other_sources_that_win_over_the_managed_files_and_of_those_that_nobody_sees() {
    let site = site();
    native(&site, "apply", &[]);
    let clean = native(&site, "verify", &[]);
    assert_eq!(clean.status.code(), Some(0));
    let unseen = sources(&report_of(&clean));
    assert!(
        unseen.iter().any(|[client, state, _]| (&**client, &**state) == ("codex", "unseen")),
        "{unseen:?}"
    );
    assert!(unseen.iter().all(|[_, state, _]| state == "unseen"), "{unseen:?}");
    // what may win, by what is in it, is told and fails nothing
    site.machine.file(".claude/remote-settings.json", "{}");
    let told = native(&site, "verify", &[]);
    let all = sources(&report_of(&told));
    let is_remote = |one: &[String; 3]| {
        one[0] == "claude-code" && one[1] == "may-win" && one[2].ends_with("/.claude/remote-settings.json")
    };
    assert!(told.status.code() == Some(0) && all.iter().any(is_remote), "{all:?}");
    // a variable that leads to a file, and one that leads to none: both clients read no managed file any more
    site.machine.file("moved/settings.json", "{}");
    site.machine.file(".qwen/.env", "QWEN_CODE_SYSTEM_SETTINGS_PATH=/home/dev/moved/settings.json\n");
    site.machine.file(".gemini/.env", "GEMINI_CLI_SYSTEM_SETTINGS_PATH=/home/dev/none.json\n");
    let verified = native(&site, "verify", &[]);
    let answer = report_of(&verified);
    assert_eq!(verified.status.code(), Some(1), "{answer}");
    assert!(places(&answer, "to-be-written").is_empty(), "the files are as they should be");
    let wins: Vec<[String; 3]> =
        sources(&answer).into_iter().filter(|[_, state, _]| state == "wins").collect();
    for (client, variable) in
        [("qwen-code", "QWEN_CODE_SYSTEM_SETTINGS_PATH="), ("gemini-cli", "GEMINI_CLI_SYSTEM_SETTINGS_PATH=")]
    {
        assert!(
            wins.iter().any(|one| one[0] == client && one[2].starts_with(variable)),
            "{client}: {wins:?}"
        );
    }
}
