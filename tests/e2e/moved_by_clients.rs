//! Variables that a client takes from a file of its own, so that nobody has to type them and no shell is asked: what lies
//! in the folder that such a file names is dealt with like what lies in the usual one.

use serde_json::{Value, json};

use crate::enforce::{Site, npx};
use crate::git::git;
use crate::moved::{pass, put, servers, with};

/// A plugin in a folder of skills, which starts unasked.
fn skill(site: &Site, folder: &str) -> String {
    let manifest = format!("{folder}/skills/s/.claude-plugin/plugin.json");
    let servers = json!({"good": npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")});
    let plugin = json!({"name": "s", "version": "1.0.0", "mcpServers": servers});
    put(site, &manifest, &plugin.to_string());
    manifest
}

fn names(folder: &str) -> String {
    json!({"env": {"CLAUDE_CONFIG_DIR": folder}}).to_string()
}

/// Whether the denied server is gone, and the other is not.
fn is_clean(site: &Site, file: &str) -> bool {
    let text = site.read(file);
    text.contains("good") && !text.contains("evil")
}

#[test]
fn the_settings_of_claude_code_name_the_folder_that_it_then_reads() {
    with(|site| {
        for folder in [".cache/h", "h"] {
            put(site, ".claude/settings.json", &names(&format!("/home/dev/{folder}")));
            let plugin = skill(site, folder);
            put(site, &format!("{folder}/.claude.json"), &servers("mcpServers"));
            let usual = skill(site, ".claude");
            let (said, _) = pass(site, 0);
            for file in [&plugin, &format!("{folder}/.claude.json"), &usual] {
                assert!(is_clean(site, file), "{file}: {said}");
            }
        }
    });
}

#[test]
fn the_settings_in_a_folder_that_was_named_name_the_next_one() {
    with(|site| {
        put(site, ".claude/settings.json", &names("/home/dev/.cache/a"));
        put(site, ".cache/a/settings.json", &names("/home/dev/.cache/b"));
        let by_settings = skill(site, ".cache/b");
        // a folder that is the client's by the file in it
        put(site, "cc/.claude.json", "{}");
        put(site, "cc/settings.json", &names("/home/dev/.cache/c"));
        let by_its_state = skill(site, ".cache/c");
        let (said, _) = pass(site, 0);
        for file in [by_settings, by_its_state] {
            assert!(is_clean(site, &file), "{file}: {said}");
        }
    });
}

/// Tested with the client: the settings that approve are then those of the named folder.
#[test]
fn a_switch_is_set_in_the_folder_that_the_settings_name_too() {
    with(|site| {
        put(site, "src/p/.mcp.json", &servers("mcpServers"));
        git(&site.machine.home().join("src/p"), &["init", "-b", "main"]);
        put(site, ".claude.json", "{}");
        put(site, ".claude/settings.json", &names("/home/dev/h"));
        put(site, "h/settings.json", r#"{"enableAllProjectMcpServers":true}"#);
        let (said, _) = pass(site, 0);
        assert!(site.read("src/p/.mcp.json").contains("evil"), "Git owns it: {said}");
        for file in ["h/settings.json", ".claude/settings.json"] {
            let text: Value = serde_json::from_str(&site.read(file)).unwrap();
            assert_eq!(text["disabledMcpjsonServers"], json!(["evil"]), "{file}: {said}");
        }
    });
}

/// Tested with the client: an empty value is the folder that it is started in, and `~` is a name like others.
#[test]
fn a_folder_that_begins_where_the_client_is_started_is_told_each_time() {
    with(|site| {
        for folder in ["h", "", "~/h"] {
            put(site, ".claude/settings.json", &names(folder));
            for _ in 0..2 {
                let (_, notices) = pass(site, 1);
                let said = notices.contains(".claude/settings.json") && notices.contains("relative path");
                assert!(said, "{folder:?}: {notices}");
            }
        }
    });
}

/// Tested with the client: they do nothing.
#[test]
fn the_settings_of_a_project_name_no_folder() {
    with(|site| {
        put(site, "src/p/.claude/settings.json", &names("/home/dev/.cache/h"));
        put(site, ".claude/settings.local.json", &names("/home/dev/.cache/h"));
        let plugin = skill(site, ".cache/h");
        let (said, _) = pass(site, 0);
        assert!(!is_clean(site, &plugin), "{said}");
    });
}

#[test]
fn the_managed_settings_name_a_folder_for_every_user() {
    with(|site| {
        let managed = site.machine.root().join("etc/claude-code/managed-settings.d");
        std::fs::create_dir_all(&managed).unwrap();
        std::fs::write(managed.join("a.json"), names("/home/dev/.cache/h")).unwrap();
        let plugin = skill(site, ".cache/h");
        let (said, _) = pass(site, 0);
        assert!(is_clean(site, &plugin), "{said}");
    });
}
