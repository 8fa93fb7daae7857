//! What becomes of a denied entry beyond pin and quarantine: back to its last allowed text, off outside of a work tree,
//! its approvals, a file as a whole. Each as the user's own run and by root, through the user's worker.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use mcpolicy_tests::private::set_mode;
use serde_json::{Value, json};

use crate::enforce::{Site, actions, npx, own, policy, rule};

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
        test(&mut site_run_by(run_by));
    }
}

/// A machine of one user, where the test is root: run by that user, or by root through his worker.
pub(crate) fn site_run_by(run_by: Option<u32>) -> Site {
    let mut site = Site::new();
    let root = site.machine.root();
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/passwd"), format!("dev:x:{DEV}:{DEV}::/home/dev:/bin/sh\n")).unwrap();
    fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    site.run_by = run_by;
    site
}

/// Gives the home to its user.
pub(crate) fn settle(site: &Site) {
    give(&site.machine.root(), &site.machine.home());
}

/// Gives a folder to the user of a machine.
pub(crate) fn give(root: &Path, folder: &Path) {
    if fs::metadata(root.join("etc")).is_ok() {
        own(DEV, folder);
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

const APPROVING: &str = "{\n  \"enabledMcpjsonServers\": [\"evil\", \"good\"],\n  \"enableAllProjectMcpServers\": true,\n  \"theme\": \"dark\"\n}\n";

#[test]
fn approvals_go_with_the_server_that_they_belong_to() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let both_servers =
            json!({"mcpServers": {"good": npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")}});
        put(site, "proj/.mcp.json", &both_servers.to_string());
        put(site, ".claude/settings.json", APPROVING);
        put(site, "proj/.claude/settings.local.json", APPROVING);
        let state = json!({"projects": {"/home/dev/proj": {"enabledMcpjsonServers": ["evil"]}, "/home/dev/other": {"enabledMcpjsonServers": ["evil"]}}});
        put(site, ".claude.json", &state.to_string());
        let pass = site.enforce();
        let mut done = actions(&pass);
        done.sort();
        assert_eq!(
            done,
            [
                of("approval", "evil"),
                of("approval", "evil"),
                of("approval", "evil"),
                of("quarantine", "evil")
            ],
            "{pass}"
        );
        let left = "{\n  \"enabledMcpjsonServers\": [\"good\"],\n  \"theme\": \"dark\"\n}\n";
        assert_eq!(site.read(".claude/settings.json"), left);
        assert_eq!(site.read("proj/.claude/settings.local.json"), left);
        let state: Value = serde_json::from_str(&site.read(".claude.json")).unwrap();
        assert_eq!(state["projects"]["/home/dev/proj"]["enabledMcpjsonServers"], json!([]));
        assert_eq!(
            state["projects"]["/home/dev/other"]["enabledMcpjsonServers"],
            json!(["evil"]),
            "another project"
        );
        let log = site.run(&["log", "--server", "evil"]);
        assert!(String::from_utf8_lossy(&log.stdout).contains("approval evil"));
        // everything comes back with the server
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
        let pass = site.enforce();
        assert_eq!(pass["restored"].as_array().unwrap().len(), 4, "{pass}");
        assert_eq!(site.read("proj/.mcp.json"), both_servers.to_string());
        assert_eq!(site.read(".claude/settings.json"), APPROVING);
        assert_eq!(site.read("proj/.claude/settings.local.json"), APPROVING);
        assert_eq!(actions(&site.enforce()), []);
    });
}

#[test]
fn what_cannot_be_edited_faithfully_goes_as_a_whole_and_comes_back() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        // damaged in a way that its client reads past
        let damaged = "{\"mcpServers\": {\"evil\": {\"command\": \"npx\", \"args\": [\"-y\", \"evil@1.0.0\"] \"env\": {}}}}";
        put(site, ".cursor/mcp.json", damaged);
        let pass = site.enforce();
        assert_eq!(actions(&pass), [of("quarantine-file", "evil")], "{pass}");
        assert!(!site.machine.home().join(".cursor/mcp.json").exists());
        let id = pass["files"][0]["vault"].as_str().unwrap().to_owned();
        let shown = site.run(&["quarantine", "show", &id]);
        assert!(String::from_utf8_lossy(&shown.stdout).contains("quarantine-file evil"));
        assert_eq!(actions(&site.enforce()), []);
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
        let pass = site.enforce();
        assert_eq!(pass["restored"][0]["outcome"], "applied", "{pass}");
        assert_eq!(site.read(".cursor/mcp.json"), damaged);
    });
}

#[test]
fn what_cannot_be_parsed_goes_by_policy_after_ten_seconds_but_never_a_file_with_state() {
    both(|site| {
        site.publish(&policy(&json!({"unparseable": "quarantine-file"}), &json!([rule("@acme/good")])));
        put(site, ".codeium/windsurf/mcp_config.json", "{\"mcpServers\": ");
        put(site, ".claude.json", "{\"mcpServers\": ");
        // editors leave such files by themselves: there is nothing in them
        let blank = [(".cursor/mcp.json", ""), ("src/p/.vscode/mcp.json", "// nothing yet\r\n")];
        blank.iter().for_each(|(file, text)| put(site, file, text));
        let pass = site.enforce_partly();
        assert_eq!(pass["files"], json!([]), "it may be half written: {pass}");
        std::thread::sleep(std::time::Duration::from_millis(10_100));
        let pass = site.enforce_partly();
        assert_eq!(actions(&pass), [of("quarantine-file", "")], "{pass}");
        assert!(!site.machine.home().join(".codeium/windsurf/mcp_config.json").exists());
        assert_eq!(site.read(".claude.json"), "{\"mcpServers\": ");
        blank.iter().for_each(|(file, text)| assert_eq!(site.read(file), *text, "{file}"));
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let pass = site.enforce_partly();
        assert_eq!(pass["restored"][0]["outcome"], "applied", "reported only, by the newer policy: {pass}");
        assert_eq!(site.read(".codeium/windsurf/mcp_config.json"), "{\"mcpServers\": ");
    });
}

#[test]
fn a_denied_server_of_a_project_outside_of_every_home_is_told_as_left_and_by_the_exit_code() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let project = site.folder("srv/proj");
        fs::create_dir_all(&project).unwrap();
        let text = json!({"mcpServers": {"evil": npx("evil@1.0.0")}}).to_string();
        fs::write(project.join(".mcp.json"), &text).unwrap();
        give(&site.machine.root(), &site.folder("srv"));
        put(
            site,
            ".claude.json",
            &json!({"projects": {"/srv/proj": {}}, "mcpServers": {"evil": npx("evil@1.0.0")}}).to_string(),
        );
        for done in [1, 0] {
            let pass = site.enforce_partly();
            assert_eq!(actions(&pass).len(), done, "{pass}");
            assert_eq!(pass["left"].as_array().unwrap().len(), 1, "{pass}");
            assert_eq!(pass["left"][0]["path"], "/srv/proj/.mcp.json");
            assert!(
                pass["left"][0]["why"].as_str().unwrap().contains("outside of its user's home"),
                "{pass}"
            );
        }
        assert_eq!(fs::read_to_string(project.join(".mcp.json")).unwrap(), text);
    });
}

#[test]
fn approvals_that_could_not_be_cleaned_with_their_server_are_cleaned_by_the_next_pass() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let servers = json!({"mcpServers": {"good": npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")}});
        put(site, "proj/.mcp.json", &servers.to_string());
        put(site, "proj/.claude/settings.local.json", APPROVING);
        // its owner may not read it
        let approvals = site.machine.home().join("proj/.claude/settings.local.json");
        set_mode(&approvals, 0);
        let output = site.enforce_with(&[]);
        assert_eq!(output.status.code(), Some(1));
        set_mode(&approvals, 0o600);
        assert_eq!(site.read("proj/.claude/settings.local.json"), APPROVING);
        let pass = site.enforce();
        assert_eq!(actions(&pass), [of("approval", "evil")], "{pass}");
        let left = "{\n  \"enabledMcpjsonServers\": [\"good\"],\n  \"theme\": \"dark\"\n}\n";
        assert_eq!(site.read("proj/.claude/settings.local.json"), left);
        // once: what its user approves then is for the next server of that name
        put(site, "proj/.claude/settings.local.json", APPROVING);
        assert_eq!(actions(&site.enforce()), []);
        assert_eq!(site.read("proj/.claude/settings.local.json"), APPROVING);
    });
}

/// Settings by which an item is restored by hand.
fn settings(site: &Site) -> String {
    let (settings, root) = (site.folder("agent.toml"), site.folder("published/root.1.json"));
    fs::write(&settings, format!("schema = \"mcpolicy/agent/v1\"\n[policy]\ntrust_root = {root:?}\n"))
        .unwrap();
    settings.to_str().unwrap().to_owned()
}

#[test]
fn a_file_that_its_user_has_removed_is_made_anew_for_who_asks_by_hand_and_not_by_itself() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let text =
            json!({"mcpServers": {"good": npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")}}).to_string();
        put(site, ".cursor/mcp.json", &text);
        let pass = site.enforce();
        let id = pass["files"][0]["vault"].as_str().unwrap().to_owned();
        let settings = settings(site);
        let file = site.machine.home().join(".cursor/mcp.json");
        fs::remove_file(&file).unwrap();
        let by_hand = ["quarantine", "restore", &id, "--settings", &settings];
        let denied = site.run(&by_hand);
        assert_eq!(denied.status.code(), Some(1));
        let said = String::from_utf8_lossy(&denied.stdout).into_owned();
        assert!(
            said.contains("its user has removed the file, and the policy in force does not allow"),
            "{said}"
        );
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
        let pass = site.enforce();
        assert_eq!((&pass["restored"], file.exists()), (&json!([]), false), "{pass}");
        let restored = site.run(&by_hand);
        let said = [restored.stdout, restored.stderr].concat();
        assert_eq!(restored.status.code(), Some(0), "{}", String::from_utf8_lossy(&said));
        assert_eq!(site.read(".cursor/mcp.json"), text);
        assert_eq!(actions(&site.enforce()), []);
    });
}

#[test]
fn an_entry_that_two_paths_lead_to_is_acted_on_once() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let text = json!({"mcpServers": {"good": npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")}});
        put(site, "dotfiles/mcp.json", &text.to_string());
        for (folder, up) in [(".cursor", ".."), ("proj/.cursor", "../.."), ("proj/.roo", "../..")] {
            fs::create_dir_all(site.machine.home().join(folder)).unwrap();
            let target = format!("{up}/dotfiles/mcp.json");
            std::os::unix::fs::symlink(target, site.machine.home().join(folder).join("mcp.json")).unwrap();
        }
        settle(site);
        let pass = site.enforce();
        assert_eq!(actions(&pass), [of("quarantine", "evil")], "{pass}");
        assert_eq!(pass["files"].as_array().unwrap().len(), 1, "{pass}");
        let left = json!({"mcpServers": {"good": npx("@acme/good@1.0.0")}});
        assert_eq!(serde_json::from_str::<Value>(&site.read("dotfiles/mcp.json")).unwrap(), left);
        assert_eq!(actions(&site.enforce()), []);
    });
}

/// `MCPOLICY_ENTRIES` says how many; every other one is denied.
#[test]
fn thousands_of_entries_to_remove_with_their_approvals_are_one_edit_a_file() {
    let count = std::env::var("MCPOLICY_ENTRIES").map_or(4000, |count| count.parse::<usize>().unwrap());
    both(|site| {
        site.publish(&policy(
            &json!({"max_new_removals": {"entries": 20000, "percent": 100}}),
            &json!([rule("@acme/good")]),
        ));
        let name = |at: usize| format!("s{at}");
        let entry = |at: usize| {
            let package =
                if at.is_multiple_of(2) { "@acme/good@1.0.0".to_owned() } else { format!("evil-{at}@1.0.0") };
            (name(at), npx(&package))
        };
        let all: serde_json::Map<_, _> = (0..count).map(entry).collect();
        put(site, "proj/.mcp.json", &json!({"mcpServers": all}).to_string());
        let approved: Vec<String> = (0..count).map(name).collect();
        put(
            site,
            "proj/.claude/settings.local.json",
            &json!({"enabledMcpjsonServers": approved}).to_string(),
        );
        let begin = std::time::Instant::now();
        let pass = site.enforce();
        let took = begin.elapsed();
        assert_eq!(pass["files"].as_array().unwrap().len(), 2);
        let left = |path: &str, pointer: &str| {
            let text: Value = serde_json::from_str(&site.read(path)).unwrap();
            text.pointer(pointer)
                .map(|list| list.as_object().map_or_else(|| list.as_array().unwrap().len(), |map| map.len()))
        };
        assert_eq!(left("proj/.mcp.json", "/mcpServers"), Some(count / 2));
        assert_eq!(left("proj/.claude/settings.local.json", "/enabledMcpjsonServers"), Some(count / 2));
        // 20,000 take about 100 s without optimisation, and with other work on both cores more than three minutes
        let most = std::time::Duration::from_millis(30 * u64::try_from(count).unwrap());
        assert!(took < most, "{took:?}");
        mcpolicy_tests::say(&format!("{took:?}"));
    });
}

#[test]
fn a_file_whose_path_is_no_text_is_edited_and_comes_back_by_policy_and_by_hand() {
    use std::os::unix::ffi::OsStringExt as _;
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        let text = json!({"mcpServers": {"evil": npx("evil@1.0.0")}}).to_string();
        let folder = |name: &[u8]| site.machine.home().join(std::ffi::OsString::from_vec(name.to_vec()));
        let files = [b"b\xffd", b"b\xfed"].map(|name| folder(name).join(".cursor/mcp.json"));
        for file in &files {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, &text).unwrap();
        }
        settle(site);
        let pass = site.enforce();
        assert_eq!(actions(&pass), [of("quarantine", "evil"), of("quarantine", "evil")], "{pass}");
        let left = |file: &std::path::PathBuf| fs::read_to_string(file).unwrap();
        assert!(files.iter().all(|file| !left(file).contains("evil")));
        // the one comes back by itself; the other, whose file is gone meanwhile, for who asks
        fs::remove_file(&files[0]).unwrap();
        site.publish(&policy(&json!({}), &json!([rule("evil")])));
        let restored = site.enforce();
        assert_eq!(left(&files[1]), text, "{restored}");
        assert!(!files[0].exists(), "{restored}");
        let settings = settings(site);
        let by_hand = pass["files"].as_array().unwrap().iter().map(|file| {
            site.run(&["quarantine", "restore", file["vault"].as_str().unwrap(), "--settings", &settings])
        });
        assert_eq!(by_hand.filter(|done| done.status.success()).count(), 1);
        assert!(files.iter().all(|file| left(file) == text));
    });
}
