//! Servers that plugins of clients other than Claude Code bring: seen and taken out wherever a client takes them from.

use mcpolicy_tests::{TestMachine, texts};
use serde_json::{Value, json};

use crate::enforce::{Site, npx, policy, rule};
use crate::plugins::{are_taken_out, are_told, scanned};

const DRAFT: &str = "schema = \"mcpolicy/policy/v1\"\n[policy]\nname = \"x\"\ncontact = \"x\"\n";

/// A bare map of one server, which no rule allows.
fn servers(name: &str) -> Value {
    json!({name: npx("evil@1.0.0")})
}

fn wrapped(name: &str) -> String {
    json!({"mcpServers": servers(name)}).to_string()
}

fn manifest(servers: &Value) -> String {
    json!({"name": "x", "version": "1.0.0", "mcpServers": servers}).to_string()
}

/// A manifest and the servers beside it, as agent-plugins.org has them.
fn standard(folder: &str, name: &str) -> [(String, String); 2] {
    let schema = |of: &str| format!("https://agent-plugins.org/schemas/1.0.0/{of}.schema.json");
    let servers = json!({"$schema": schema("mcp"), "mcpServers": servers(name)});
    [
        (format!("{folder}/plugin.json"), json!({"$schema": schema("plugin"), "name": "x"}).to_string()),
        (format!("{folder}/mcp.json"), servers.to_string()),
    ]
}

/// Each manifest of these may have a map, the same once more wrapped, or name a file.
fn every_form(plugins: &str, manifests: &[&str]) {
    for path in manifests {
        let folder = |name: &str| format!("{plugins}/{name}");
        let files = [
            (format!("{}/{path}", folder("inline")), manifest(&servers("a"))),
            (format!("{}/{path}", folder("twice")), manifest(&json!({"mcpServers": servers("b")}))),
            (format!("{}/{path}", folder("named")), manifest(&json!("./conf/srv.json"))),
            (folder("named/conf/srv.json"), wrapped("c")),
            (format!("{}/{path}", folder("bare")), manifest(&json!("./srv"))),
            (folder("bare/srv"), servers("d").to_string()),
        ];
        taken_out(path, &files, &["a", "b", "c", "d"]);
    }
}

/// A scan tells each of these servers with its verdict, and a pass takes all of them out.
fn taken_out(what: &str, files: &[(String, String)], expected: &[&str]) {
    let machine = TestMachine::new(crate::BINARY);
    for (path, text) in files {
        machine.file(path, text.clone());
    }
    let draft = machine.file("draft.toml", DRAFT);
    let seen = machine.scan(&["--draft", draft.to_str().unwrap()]);
    let mut names = texts(&seen, "entries", "/name");
    names.sort();
    assert_eq!(names, expected, "{what}: {seen}");
    let verdicts = texts(&seen, "entries", "/judged/verdict");
    assert_eq!(verdicts, vec!["deny"; expected.len()], "{what}: {seen}");

    pass_takes(what, files, expected);
}

fn pass_takes(what: &str, files: &[(String, String)], expected: &[&str]) {
    let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (&**path, text.clone())).collect();
    are_taken_out(what, &files, expected);
}

#[test]
fn a_plugin_of_codex_loses_its_servers_in_every_form_of_its_manifest() {
    let manifests = [".codex-plugin/plugin.json", ".claude-plugin/plugin.json", ".cursor-plugin/plugin.json"];
    every_form(".codex/plugins/cache/m/x", &manifests);
}

#[test]
fn a_plugin_of_codex_in_the_form_of_the_standard_loses_its_servers() {
    taken_out("standard", &standard(".codex/plugins/cache/m/x/1.0.0", "a"), &["a"]);
}

/// Tested with `plugin/list` of its app server: from each of these places the client fills its cache.
#[test]
fn a_catalogue_from_which_codex_fills_its_cache_loses_the_servers_of_its_plugins() {
    let on = "[plugins.\"x@m\"]\nenabled = true\n";
    let known = format!("{on}[marketplaces.m]\nsource_type = \"local\"\nsource = \"~/.cache/mk\"\n");
    let catalogues = [".agents/plugins", ".claude-plugin", ".cursor-plugin"];
    let places = [
        (".codex/config.toml", on, "."),
        (".codex/config.toml", &known, ".cache/mk"),
        ("src/p/.codex/config.toml", on, "src/p"),
    ];
    for (settings, text, folder) in places {
        for catalogue in catalogues {
            let items = json!([
                {"name": "x", "source": {"source": "local", "path": "./odd/x"}},
                {"name": "y", "source": "./odd/y"},
                {"name": "z", "source": {"source": "url", "url": "https://co.example/z.git"}},
            ]);
            let files = [
                (settings.to_owned(), text.to_owned()),
                (
                    format!("{folder}/{catalogue}/marketplace.json"),
                    json!({"name": "m", "plugins": items}).to_string(),
                ),
                (format!("{folder}/odd/x/.codex-plugin/plugin.json"), manifest(&json!("./s.json"))),
                (format!("{folder}/odd/x/s.json"), wrapped("a")),
                (format!("{folder}/odd/y/.claude-plugin/plugin.json"), manifest(&servers("b"))),
            ];
            taken_out(&format!("{settings} {folder}/{catalogue}"), &files, &["a", "b"]);
        }
    }
}

#[test]
fn a_catalogue_of_which_nothing_is_enabled_is_not_codexs() {
    let off = "[plugins.\"x@m\"]\nenabled = false\n";
    let items = json!([{"name": "x", "source": "./x"}]);
    let files = [
        ("src/p/.codex/config.toml", off.to_owned()),
        ("src/p/.agents/plugins/marketplace.json", json!({"name": "m", "plugins": items}).to_string()),
        ("src/p/x/.codex-plugin/plugin.json", manifest(&servers("a"))),
    ];
    // the file is seen for what it looks like, as nobody's
    assert_eq!(texts(&scanned(&files), "entries", "/client"), ["unknown-client"]);
}

#[test]
fn a_bundles_name_is_that_of_a_file_to_codex_and_copilot() {
    for folder in [".codex/plugins/cache/m/x/1.0.0", ".copilot/installed-plugins/m/x"] {
        let files = [
            (format!("{folder}/.claude-plugin/plugin.json"), manifest(&json!("./s.mcpb"))),
            (format!("{folder}/s.mcpb"), wrapped("a")),
        ];
        taken_out(folder, &files, &["a"]);
    }
}

#[test]
fn what_a_manifest_names_too_often_is_told_for_codex_too() {
    let names: Vec<String> = (0..1001).map(|at| format!("./{at}.json")).collect();
    let path = ".codex/plugins/cache/m/x/1.0.0/.codex-plugin/plugin.json";
    are_told("many", &[(path, manifest(&json!(names)))], "more than 1000 places");
}

#[test]
fn a_plugin_of_copilot_cli_loses_its_servers_in_every_form_of_its_manifest() {
    let manifests =
        [".plugin/plugin.json", "plugin.json", ".github/plugin/plugin.json", ".claude-plugin/plugin.json"];
    every_form(".copilot/installed-plugins/_direct", &manifests);
    taken_out("standard", &standard(".copilot/installed-plugins/m/x", "a"), &["a"]);
}

#[test]
fn copilot_clis_own_list_leads_to_plugins_in_any_folder() {
    for key in ["installedPlugins", "installed_plugins"] {
        let plugins = json!({key: [{"name": "x", "cache_path": "/home/dev/.cache/x", "enabled": true}]});
        let files = [
            (".copilot/config.json".to_owned(), format!("// managed automatically\n{plugins}")),
            (".cache/x/plugin.json".to_owned(), manifest(&json!("./s.json"))),
            (".cache/x/s.json".to_owned(), wrapped("a")),
        ];
        // the path is that of a whole machine, which a scan of one home does not have
        pass_takes(key, &files, &["a"]);
    }
}

#[test]
fn a_plugin_of_cursor_loses_its_servers_in_every_form_of_its_manifest() {
    let manifests = [".cursor-plugin/plugin.json", ".claude-plugin/plugin.json", "plugin.json"];
    for plugins in [".cursor/plugins/local", ".cursor/plugins/cache/m/x"] {
        every_form(plugins, &manifests);
        let folder = format!("{plugins}/x");
        let list = [
            (format!("{folder}/.cursor-plugin/plugin.json"), manifest(&json!(["./s.json", servers("b")]))),
            (format!("{folder}/s.json"), wrapped("a")),
        ];
        taken_out(plugins, &list, &["a", "b"]);
        let catalogue = json!({"plugins": [{"name": "x", "mcpServers": ["./s.json"]}]}).to_string();
        let beside = [
            (format!("{folder}/.cursor-plugin/marketplace.json"), catalogue),
            (format!("{folder}/s.json"), wrapped("a")),
        ];
        taken_out(plugins, &beside, &["a"]);
    }
}

/// Run with 1.0.102: a catalogue in a folder is loaded from there, be it named by the user, a repository, or in settings
/// for Claude Code.
#[test]
fn a_catalogue_that_settings_of_copilot_cli_name_loses_the_servers_of_its_plugins() {
    let settings = |path: &str| {
        json!({
            "extraKnownMarketplaces": {"m": {"source": {"source": "directory", "path": path}}},
            "enabledPlugins": {"x@m": true}
        })
        .to_string()
    };
    let catalogue = |item: Value| json!({"name": "m", "owner": {"name": "o"}, "plugins": [item]}).to_string();
    for (at, path) in [
        ("src/p/.github/copilot/settings.json", "./mk"),
        ("src/p/.github/copilot/settings.local.json", "./mk"),
        ("src/p/.claude/settings.json", "./mk"),
        (".copilot/settings.json", "/home/dev/src/p/mk"),
    ] {
        let files = [
            (at.to_owned(), settings(path)),
            (
                "src/p/mk/.claude-plugin/marketplace.json".to_owned(),
                catalogue(json!({"name": "x", "source": "./x", "mcpServers": servers("item")})),
            ),
            ("src/p/mk/x/plugin.json".to_owned(), manifest(&json!("./srv.json"))),
            ("src/p/mk/x/srv.json".to_owned(), wrapped("file")),
        ];
        pass_takes(at, &files, &["file", "item"]);
    }
}

#[test]
fn a_server_of_copilot_cli_in_an_agent_of_claude_code_is_its_server() {
    let agent = "---\nname: a\nmcp-servers:\n  z:\n    type: local\n    command: npx\n    args: [\"-y\", \"evil@1.0.0\"]\n---\nx\n";
    let files = [("src/p/.claude/agents/a.md".to_owned(), agent.to_owned())];
    pass_takes("agent", &files, &["z"]);
}

/// Run with Copilot CLI 1.0.102: it starts them, wrapped or not, where Claude Code takes a project's file only wrapped.
#[test]
fn a_bare_map_of_servers_in_a_project_is_copilot_clis() {
    for at in ["src/p/.mcp.json", "src/p/.github/mcp.json"] {
        taken_out(at, &[(at.to_owned(), servers("z").to_string())], &["z"]);
    }
}

/// Run with Claude Code 2.1.197 and Copilot CLI 1.0.102: the file is a project's, too, and known as that before anybody
/// knows that it is a plugin's.
#[test]
fn a_bare_map_of_servers_in_a_plugin_of_a_clone_is_live() {
    let settings = json!({
        "extraKnownMarketplaces": {"m": {"source": {"source": "directory", "path": "./mk"}}},
        "enabledPlugins": {"x@m": true}
    });
    let catalogue = json!({"name": "m", "owner": {"name": "o"}, "plugins": [{"name": "x", "source": "./x"}]});
    let files = [
        ("src/p/.claude/settings.json".to_owned(), settings.to_string()),
        ("src/p/mk/.claude-plugin/marketplace.json".to_owned(), catalogue.to_string()),
        ("src/p/mk/x/.mcp.json".to_owned(), servers("z").to_string()),
    ];
    let machine = TestMachine::new(crate::BINARY);
    for (path, text) in &files {
        machine.file(path, text.clone());
    }
    let seen = machine.scan(&[]);
    let mut readers = texts(&seen, "entries", "/readers/0/client");
    readers.extend(texts(&seen, "entries", "/readers/1/client"));
    assert!(readers.contains(&"claude-code".to_owned()), "{readers:?}: {seen}");
    assert_eq!(texts(&seen, "entries", "/name"), ["z"], "{seen}");
    taken_out("plugin", &files, &["z"]);
}

/// Amp looks into Claude Code's folders, which says nothing of whether it is used: a rule for Claude Code alone goes on
/// allowing what stands there.
#[test]
fn claude_codes_own_folders_are_no_trace_of_amp() {
    let mut site = Site::new();
    let mut good = rule("@acme/good");
    good["clients"] = json!(["claude-code"]);
    site.publish(&policy(&json!({}), &json!([good])));
    site.machine.file(".claude/settings.json", "{}");
    site.machine.file(
        ".claude/skills/s/.claude-plugin/plugin.json",
        json!({"name": "s", "version": "1.0.0", "mcpServers": "./mcp.json"}).to_string(),
    );
    let servers = json!({"mcpServers": {"good": npx("@acme/good@1.0.0")}}).to_string();
    site.machine.file(".claude/skills/s/mcp.json", servers.clone());
    let pass = site.enforce();
    assert_eq!(site.read(".claude/skills/s/mcp.json"), servers, "{pass}");
    // where it is used, it reads the file as well
    site.machine.file(".config/amp/settings.json", "{}");
    let pass = site.enforce();
    assert!(pass.to_string().contains("other clients than amp"), "{pass}");
}
