//! Servers that plugins of Claude Code bring: seen and taken out wherever the client takes plugins from.

use std::path::Path;

use mcpolicy_tests::private::link_folder;
use mcpolicy_tests::texts;
use serde_json::{Value, json};

use crate::enforce::{Site, actions, npx, policy, rule};
use crate::git::git;

/// A bare map of one server, which no rule allows.
fn servers(name: &str) -> Value {
    json!({name: npx("evil@1.0.0")})
}

fn manifest(name: &str, servers: &Value) -> String {
    json!({"name": name, "mcpServers": servers}).to_string()
}

/// A machine with these files, in which `$HOME` stands for the home as its clients name it.
fn site(files: &[(&str, String)]) -> Site {
    let mut site = Site::new();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));

    for (path, text) in files {
        site.machine.file(path, text.replace("$HOME", "/home/dev"));
    }
    site
}

/// A pass takes out exactly these servers, and the next finds nothing to do.
pub(crate) fn are_taken_out(what: &str, files: &[(&str, String)], expected: &[&str]) -> Site {
    let site = site(files);
    let pass = site.enforce();
    let mut taken = actions(&pass);
    taken.sort();
    let wanted: Vec<_> = expected.iter().map(|name| ("quarantine".to_owned(), (*name).to_owned())).collect();
    assert_eq!(taken, wanted, "{what}: {pass}");
    for (path, _) in files {
        assert!(!site.read(path).contains("evil"), "{what}: {path}");
    }
    assert_eq!(actions(&site.enforce()), [], "{what}");
    site
}

/// What a scan of such a machine reports.
pub(crate) fn scanned(files: &[(&str, String)]) -> Value {
    site(files).machine.scan(&[])
}

/// A pass says that not all was looked at, for this reason.
pub(crate) fn are_told(what: &str, files: &[(&str, String)], reason: &str) {
    let pass = site(files).enforce_partly();
    let notices = pass["notices"].to_string();
    assert!(notices.contains(reason), "{what}: {notices}");
}

#[test]
fn a_plugin_in_a_folder_of_skills_loses_its_servers_in_every_form_of_its_manifest() {
    for skills in [".claude/skills", "src/p/.claude/skills"] {
        let file = |name: &str| format!("{skills}/{name}");
        let files = [
            (file("inline/.claude-plugin/plugin.json"), manifest("inline", &servers("a"))),
            (file("bare/.claude-plugin/plugin.json"), json!({"name": "bare"}).to_string()),
            (file("bare/.mcp.json"), servers("b").to_string()),
            (file("wrapped/.claude-plugin/plugin.json"), json!({"name": "wrapped"}).to_string()),
            (file("wrapped/.mcp.json"), json!({"mcpServers": servers("c")}).to_string()),
            (file("named/.claude-plugin/plugin.json"), manifest("named", &json!("./conf/srv.json"))),
            (file("named/conf/srv.json"), servers("d").to_string()),
            (
                file("list/.claude-plugin/plugin.json"),
                manifest("list", &json!([servers("e"), "./f.json", "./g.json"])),
            ),
            (file("list/f.json"), servers("f").to_string()),
            (file("list/g.json"), json!({"mcpServers": servers("g")}).to_string()),
        ];
        let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (&**path, text.clone())).collect();
        are_taken_out(skills, &files, &["a", "b", "c", "d", "e", "f", "g"]);
    }
}

#[test]
fn what_a_plugin_lost_in_a_file_of_any_name_comes_back_when_it_is_allowed() {
    let text = servers("a").to_string();
    let files = [
        (".claude/skills/x/.claude-plugin/plugin.json", manifest("x", &json!("./srv.json"))),
        (".claude/skills/x/srv.json", text.clone()),
        (".claude/skills/y/.claude-plugin/plugin.json", manifest("y", &json!([servers("b")]))),
    ];
    let mut site = are_taken_out("skills", &files, &["a", "b"]);
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
    site.enforce();
    assert_eq!(site.read(".claude/skills/x/srv.json"), text);
    assert_eq!(site.read(".claude/skills/y/.claude-plugin/plugin.json"), files[2].1);
}

/// Settings of the user with one catalogue, whose plugin `a` is on.
fn settings(source: &Value) -> String {
    json!({"extraKnownMarketplaces": {"co": {"source": source}}, "enabledPlugins": {"a@co": true}})
        .to_string()
}

fn catalogue(item: &Value) -> String {
    json!({"name": "co", "owner": {"name": "x"}, "plugins": [item]}).to_string()
}

#[test]
fn plugins_of_a_catalogue_in_a_folder_lose_their_servers_wherever_they_stand() {
    let item = |more: &Value| {
        let mut item = json!({"name": "a", "source": "./odd/a"});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        catalogue(&item)
    };
    let places = [
        (".claude/settings.json", settings(&json!({"source": "directory", "path": "$HOME/.cache/cat"}))),
        (".claude/settings.json", settings(&json!({"source": "directory", "path": "~/.cache/cat"}))),
        (
            ".claude/settings.json",
            settings(&json!({"source": "file", "path": "$HOME/.cache/cat/.claude-plugin/marketplace.json"})),
        ),
        (
            ".claude/settings.json",
            json!({"additionalMarketplaces": {"co": {"source": {"source": "directory", "path": "$HOME/.cache/cat"}}}})
                .to_string(),
        ),
        (
            ".claude/plugins/known_marketplaces.json",
            json!({"co": {"source": {"source": "directory", "path": "$HOME/.cache/cat"}}}).to_string(),
        ),
    ];
    for (named_in, names) in places {
        let in_items = [
            (named_in, names.clone()),
            (
                ".cache/cat/.claude-plugin/marketplace.json",
                item(&json!({"strict": false, "mcpServers": servers("a")})),
            ),
            (".cache/cat/odd/a/.mcp.json", servers("b").to_string()),
        ];
        are_taken_out(&names, &in_items, &["a", "b"]);
        let in_files = [
            (named_in, names.clone()),
            (".cache/cat/.claude-plugin/marketplace.json", item(&json!({"mcpServers": ["./i.json"]}))),
            (".cache/cat/odd/a/i.json", servers("i").to_string()),
            (".cache/cat/odd/a/.claude-plugin/plugin.json", manifest("a", &json!("./p.json"))),
            (".cache/cat/odd/a/p.json", servers("p").to_string()),
        ];
        are_taken_out(&names, &in_files, &["i", "p"]);
    }
    let bare_names =
        json!({"name": "co", "metadata": {"pluginRoot": "./pp"}, "plugins": [{"name": "a", "source": "a"}]});
    let under_a_base = [
        (".claude/settings.json", settings(&json!({"source": "directory", "path": "$HOME/.cache/cat"}))),
        (".cache/cat/.claude-plugin/marketplace.json", bare_names.to_string()),
        (".cache/cat/pp/a/.mcp.json", servers("a").to_string()),
    ];
    are_taken_out("a base for bare names", &under_a_base, &["a"]);
}

#[test]
fn a_catalogue_that_stands_in_settings_loses_its_servers() {
    let item = json!({"name": "a", "source": "./a", "strict": false, "mcpServers": servers("a")});
    let source = json!({"source": "settings", "name": "co", "plugins": [item]});
    for path in [".claude/settings.json", "src/p/.claude/settings.json"] {
        are_taken_out(path, &[(path, settings(&source))], &["a"]);
    }
}

#[test]
fn an_installed_plugin_loses_its_servers_also_in_other_files_and_in_the_copy_of_its_catalogue() {
    let index = |path: &str| {
        json!({"version": 2, "plugins": {"a@co": [{"scope": "user", "installPath": path}]}}).to_string()
    };
    let item = json!({"name": "a", "source": {"source": "github", "repo": "x/a"}, "strict": false, "mcpServers": servers("i")});
    let cached = [
        (".claude/plugins/installed_plugins.json", index("$HOME/.claude/plugins/cache/co/a/1")),
        (".claude/plugins/cache/co/a/1/.claude-plugin/plugin.json", manifest("a", &json!("./f.json"))),
        (".claude/plugins/cache/co/a/1/f.json", servers("f").to_string()),
        (".claude/plugins/marketplaces/co/.claude-plugin/marketplace.json", catalogue(&item)),
    ];
    are_taken_out("cached", &cached, &["f", "i"]);
    // the folder of the index is not there, and the client copies it again
    let copied = [
        (".claude/plugins/installed_plugins.json", index("$HOME/.claude/plugins/cache/co/a/1")),
        (".claude/plugins/marketplaces/co/plugins/a/.mcp.json", servers("c").to_string()),
    ];
    are_taken_out("copied", &copied, &["c"]);
    let switched_on = [
        (".claude/settings.json", json!({"enabledPlugins": {"a@co": true}}).to_string()),
        (".claude/plugins/marketplaces/co/external_plugins/a/.mcp.json", servers("c").to_string()),
    ];
    are_taken_out("switched on", &switched_on, &["c"]);
}

#[test]
fn what_only_stands_in_the_copy_of_a_catalogue_is_nobodys_server() {
    let files = [
        (".claude/settings.json", json!({"enabledPlugins": {"b@co": true, "a@co": false}}).to_string()),
        (".claude/plugins/marketplaces/co/plugins/a/.mcp.json", servers("a").to_string()),
    ];
    let site = site(&files);
    assert_eq!(actions(&site.enforce()), []);
    assert_eq!(texts(&site.machine.scan(&[]), "entries", "/name"), Vec::<String>::new());
}

#[test]
fn variables_of_the_users_settings_lead_to_plugins_and_to_the_place_of_what_is_installed() {
    let env = |name: &str, value: &str| json!({"env": {name: value}}).to_string();
    for path in [".claude/settings.json", ".claude.json"] {
        let folders = [
            (path, env("CLAUDE_CODE_PLUGIN_DIRS", "/nonexistent:~/.cache/x: $HOME/.cache/all")),
            (".cache/x/.claude-plugin/plugin.json", manifest("x", &json!("./srv.json"))),
            (".cache/x/srv.json", servers("a").to_string()),
            (".cache/all/y/.claude-plugin/plugin.json", manifest("y", &servers("b"))),
        ];
        are_taken_out(path, &folders, &["a", "b"]);
        let moved = [
            (path, env("CLAUDE_CODE_PLUGIN_CACHE_DIR", "$HOME/.cache/alt")),
            (
                ".cache/alt/installed_plugins.json",
                json!({"plugins": {"a@co": [{"installPath": "$HOME/.cache/alt/cache/co/a/1"}]}}).to_string(),
            ),
            (".cache/alt/cache/co/a/1/.mcp.json", servers("c").to_string()),
        ];
        are_taken_out(path, &moved, &["c"]);
        let seeds = [
            (path, env("CLAUDE_CODE_PLUGIN_SEED_DIR", "$HOME/.cache/seed")),
            (".cache/seed/cache/co/a/1/.mcp.json", servers("s").to_string()),
        ];
        are_taken_out(path, &seeds, &["s"]);
    }
    let of_a_repository = [
        ("src/p/.claude/settings.json", env("CLAUDE_CODE_PLUGIN_DIRS", "$HOME/.cache/x")),
        (".cache/x/.mcp.json", servers("a").to_string()),
    ];
    assert_eq!(actions(&site(&of_a_repository).enforce()), [], "the client does not take it from there");
}

#[test]
fn the_same_variables_in_a_start_file_of_a_shell_lead_there_too() {
    let files = [
        (".bashrc", "export CLAUDE_CODE_PLUGIN_DIRS=\"$HOME/.cache/x:$HOME/.cache/y\"\n".to_owned()),
        (".cache/x/.mcp.json", servers("a").to_string()),
        (".cache/y/.mcp.json", servers("b").to_string()),
    ];
    are_taken_out(".bashrc", &files, &["a", "b"]);
}

#[test]
fn a_catalogue_in_a_repository_is_read_and_one_from_elsewhere_is_no_gap() {
    let item = json!({"name": "a", "source": "./a", "strict": false, "mcpServers": servers("i")});
    for (kind, path) in [("directory", "./mk"), ("file", "./mk/.claude-plugin/marketplace.json")] {
        let files = [
            ("src/p/.claude/settings.json", settings(&json!({"source": kind, "path": path}))),
            ("src/p/mk/.claude-plugin/marketplace.json", catalogue(&item)),
            ("src/p/mk/a/.claude-plugin/plugin.json", manifest("a", &servers("a"))),
        ];
        are_taken_out(kind, &files, &["a", "i"]);
    }
    let elsewhere = [
        json!({"source": "github", "repo": "co/plugins"}),
        json!({"source": "git", "url": "https://git.example/p.git", "path": "x/marketplace.json"}),
        json!({"source": "npm", "package": "@co/plugins"}),
        json!({"source": "url", "url": "https://co.example/m.json"}),
    ];
    for source in elsewhere {
        let site = site(&[("src/p/.claude/settings.json", settings(&source))]);
        assert_eq!(actions(&site.enforce()), [], "{source}");
    }
}

#[test]
fn what_of_a_plugin_cannot_be_followed_is_told_and_ends_no_pass_as_done() {
    for bundle in ["./x.mcpb", "./x.dxt", "https://co.example/x.mcpb"] {
        let files = [(".claude/skills/x/.claude-plugin/plugin.json", manifest("x", &json!([bundle])))];
        are_told(bundle, &files, "bundle (MCPB)");
    }
    let moved = json!({"env": {"CLAUDE_CODE_PLUGIN_MCPB_DIR": "/opt/x"}}).to_string();
    are_told("moved", &[(".claude/settings.json", moved)], "a variable moves the bundles");
    let relative = [(".claude/settings.json", settings(&json!({"source": "directory", "path": "./cat"})))];
    are_told("relative", &relative, "wherever its client is started");
    for path in ["cat", "~/cat"] {
        let installed = json!({"version": 2, "plugins": {"a@co": [{"scope": "user", "installPath": path}]}});
        let files = [(".claude/plugins/installed_plugins.json", installed.to_string())];
        are_told(path, &files, "wherever its client is started");
    }
    let names: Vec<String> = (0..1001).map(|at| format!("./{at}.json")).collect();
    let many = [(".claude/skills/x/.claude-plugin/plugin.json", manifest("x", &json!(names)))];
    are_told("many", &many, "more than 1000 places");
}

/// A variable makes the client read these in the place of the usual settings and plugins (2.1.197).
#[test]
fn plugins_and_approvals_of_cowork_are_the_clients_too() {
    let installed = json!({"version": 2, "plugins": {"a@co": [
        {"scope": "user", "installPath": "$HOME/.claude/cowork_plugins/cache/co/a/1.0.0", "version": "1.0.0"}
    ]}});
    let plugin = ".claude/cowork_plugins/cache/co/a/1.0.0/.claude-plugin/plugin.json";
    for settings in [Some(json!({"env": {"CLAUDE_CODE_USE_COWORK_PLUGINS": "1"}})), None] {
        let on = json!({"enabledPlugins": {"a@co": true}}).to_string();
        let mut files = vec![
            (".claude/cowork_settings.json", on),
            (".claude/cowork_plugins/installed_plugins.json", installed.to_string()),
            (plugin, manifest("a", &servers("a"))),
        ];
        files.extend(settings.map(|settings| (".claude/settings.json", settings.to_string())));
        are_taken_out("cowork", &files, &["a"]);
    }
    let site = site(&[
        (".claude.json", "{}".to_owned()),
        (".claude/settings.json", json!({"model": "opus"}).to_string()),
        (".claude/cowork_settings.json", json!({"enableAllProjectMcpServers": true}).to_string()),
        ("src/p/.mcp.json", json!({"mcpServers": servers("g")}).to_string()),
    ]);
    git(&site.machine.home().join("src/p"), &["init", "-b", "main"]);
    site.enforce();
    assert!(site.read("src/p/.mcp.json").contains("evil"), "Git owns it");
    let cowork: Value = serde_json::from_str(&site.read(".claude/cowork_settings.json")).unwrap();
    assert_eq!(cowork["disabledMcpjsonServers"], json!(["g"]), "{cowork}");
    // the client may read other settings than those with the switch
    site.machine.file(".claude/settings.json", r#"{"env":{"CLAUDE_CODE_USE_COWORK_PLUGINS":"1"}}"#);
    site.enforce();
    assert!(!site.read("src/p/.mcp.json").contains("evil"), "no switch holds");
}

/// The variable may stand in a start file, where nobody knows whether this client is started by it, or in the state's
/// `env`, which its own version counts (2.1.197): either way its settings are others than those with the list.
#[test]
fn the_variable_of_cowork_makes_no_switch_hold_that_the_client_does_not_read() {
    let project = ("src/p/.mcp.json", json!({"mcpServers": servers("g")}).to_string());
    let settings = (".claude/settings.json", "{}".to_owned());
    let start = (".bashrc", "export CLAUDE_CODE_USE_COWORK_PLUGINS=1\n".to_owned());
    let by_start = site(&[(".claude.json", "{}".to_owned()), settings.clone(), project.clone(), start]);
    git(&by_start.machine.home().join("src/p"), &["init", "-b", "main"]);
    by_start.enforce();
    let cowork: Value = serde_json::from_str(&by_start.read(".claude/cowork_settings.json")).unwrap();
    assert_eq!(cowork["disabledMcpjsonServers"], json!(["g"]), "{cowork}");

    let state = json!({"env": {"CLAUDE_CODE_USE_COWORK_PLUGINS": "1"}}).to_string();
    let by_state = site(&[(".claude.json", state), settings, project]);
    git(&by_state.machine.home().join("src/p"), &["init", "-b", "main"]);
    by_state.enforce();
    assert!(!by_state.read("src/p/.mcp.json").contains("evil"), "no switch holds");
}

/// Each link is a plugin with two more below it: no scan of a machine with such a clone came to an end.
#[test]
fn links_of_a_catalogue_to_its_own_folder_are_one_place() {
    let items = ["d0", "d1", "a"].map(|name| json!({"name": name, "source": format!("./{name}")}));
    let catalogue = json!({"name": "co", "owner": {"name": "co"}, "plugins": items}).to_string();
    let site = site(&[
        ("src/p/.claude/settings.json", settings(&json!({"source": "directory", "path": "./mk"}))),
        ("src/p/mk/.claude-plugin/marketplace.json", catalogue),
        ("src/p/mk/a/.claude-plugin/plugin.json", manifest("a", &servers("a"))),
    ]);
    let folder = site.machine.home().join("src/p/mk");
    for name in ["d0", "d1"] {
        assert!(link_folder(Path::new("."), &folder.join(name)));
    }
    assert_eq!(actions(&site.enforce()), [("quarantine".to_owned(), "a".to_owned())]);
}

/// One clone used up what all files of a home might name: other clones' plugins were read by nobody.
#[test]
fn more_places_of_plugins_than_a_clone_may_name_are_told_and_keep_no_other_clone_from_being_read() {
    let catalogue =
        |items: Vec<Value>| json!({"name": "co", "owner": {"name": "co"}, "plugins": items}).to_string();
    let many = (0..999).map(|at| json!({"name": "x", "source": format!("./{at}")})).collect();
    let many = catalogue(many);
    let settings = settings(&json!({"source": "directory", "path": "./mk"}));
    let mut files = vec![("src/clone/.git/config".to_owned(), String::new())];
    for at in (0..5).map(|at| format!("src/clone/{at}")) {
        files.push((format!("{at}/.claude/settings.json"), settings.clone()));
        files.push((format!("{at}/mk/.claude-plugin/marketplace.json"), many.clone()));
    }
    let one = catalogue(vec![json!({"name": "x", "source": "./x"})]);
    for at in ["src/aa", "src/zz"] {
        files.push((format!("{at}/.claude/settings.json"), settings.clone()));
        files.push((format!("{at}/mk/.claude-plugin/marketplace.json"), one.clone()));
        files.push((format!("{at}/mk/x/.claude-plugin/plugin.json"), manifest("x", &servers(at))));
    }
    let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (&**path, text.clone())).collect();
    let pass = site(&files).enforce_partly();
    let names: Vec<String> = actions(&pass).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["src/aa", "src/zz"]);
    let notices = pass["notices"].to_string();
    assert!(notices.contains("src/clone (files below here name more than 4000 places"), "{notices}");
}
