//! Texts of users that become paths, and cannot be any: whatever a file of a home or of a clone names, the rest of the home
//! is done. Needs root; without it the tests say so and pass.

use serde_json::{Value, json};

use crate::enforce::{Site, actions, npx};
use crate::users::{ANN, home, names, put, servers, site};

/// What stands in the place of a path, as a text of JSON or TOML has it.
fn odd_texts() -> Vec<String> {
    let nul = ["x\\u0000y", "./x\\u0000y", "/home/ann/x\\u0000y", "~/x\\u0000", "../\\u0000", "\\u0000"];
    let controls = [
        "./x\\ny",
        "/home/ann/x\\u001b[2J",
        "/home/ann/\\u202e",
        "./\\ufffd\\ufeff",
        "C:\\\\x",
        "\\\\\\\\h\\\\x",
    ];
    let up = [
        "..",
        "../../../../../..",
        "/..",
        "/home/ann/../bob",
        "/home/bob",
        "/",
        "",
        "~",
        "~bob",
        "%00",
        "/home/ann/%00",
    ];
    let mut all: Vec<String> = [&nul[..], &controls, &up].concat().into_iter().map(str::to_owned).collect();
    let long = [
        "x".repeat(100_000),
        format!("/home/ann/{}", "y".repeat(300)),
        "/d".repeat(50_000),
        "../".repeat(30_000),
    ];
    all.extend(long.iter().flat_map(|text| [text.clone(), format!("./{text}"), format!("/home/ann/{text}")]));
    all
}

/// The same in JSON only: halves of a character.
fn halves() -> Vec<String> {
    ["./x\\ud800y", "/home/ann/\\udc00\\ud800", "\\ud800"].map(str::to_owned).to_vec()
}

/// The same as raw text of a line.
fn raw_texts() -> Vec<String> {
    let of_json = |text: &String| serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap();
    odd_texts().iter().map(of_json).filter(|text| !text.contains('\n')).collect()
}

/// Another file of the home is dealt with, whatever these hold.
fn the_rest_is_done(site: &Site, what: &str, files: &[(String, String)]) {
    for (path, text) in files {
        put(site, ("ann", ANN), path, text);
    }
    let own = put(site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let output = site.enforce_with(&[]);
    let pass: Value = serde_json::from_slice(&output.stdout).unwrap();
    let notices = pass["notices"].to_string();
    assert!(!notices.contains("is not done") && !notices.contains("worker"), "{what}: {notices}");
    assert_eq!(names(&own), ["good"], "{what}: {notices}");
    for (path, _) in files {
        std::fs::remove_file(home(site, "ann").join(path)).unwrap();
    }
}

/// Each text in a clone of its own, in one home.
fn in_clones(site: &Site, (file, template): (&str, &str), texts: &[String]) {
    let clone = |(at, text): (usize, &String)| (format!("c{at}/{file}"), template.replace("@", text));
    let files: Vec<(String, String)> = texts.iter().enumerate().map(clone).collect();
    the_rest_is_done(site, &format!("{file}: {template}"), &files);
}

/// Files of a clone, with `@` for a path.
const JSON_OF_CLONES: [(&str, &str); 13] = [
    (
        ".claude/settings.json",
        r#"{"extraKnownMarketplaces":{"co":{"source":{"source":"directory","path":"@"}},"cf":{"source":{"source":"file","path":"@"}}},"enabledPlugins":{"a@co":true},"env":{"CLAUDE_CONFIG_DIR":"@","CLAUDE_CODE_PLUGIN_DIRS":"@"}}"#,
    ),
    (
        ".claude-plugin/marketplace.json",
        r#"{"name":"co","owner":{"name":"x"},"plugins":[{"name":"a","source":"@"},{"name":"@","source":{"source":"local","path":"@"},"mcpServers":"@"}]}"#,
    ),
    (
        ".claude/skills/s/.claude-plugin/plugin.json",
        r#"{"name":"s","version":"1.0.0","mcpServers":"@","agents":["@"]}"#,
    ),
    (
        ".github/copilot/settings.json",
        r#"{"extraKnownMarketplaces":{"co":{"source":{"source":"directory","path":"@"}}},"enabledPlugins":{"a@co":true}}"#,
    ),
    (
        ".agents/plugins/marketplace.json",
        r#"{"name":"co","plugins":[{"name":"a","source":{"source":"local","path":"@"}},{"name":"b","source":"@"}]}"#,
    ),
    (
        "opencode.json",
        r#"{"plugin":["@"],"instructions":["@"],"mcp":{"@":{"type":"local","command":["@"],"cwd":"@"}}}"#,
    ),
    (".amp/settings.json", r#"{"amp.skills.path":"@"}"#),
    (
        ".gemini/settings.json",
        r#"{"context":{"includeDirectories":["@"]},"mcp":{"serverCommand":"@"},"mcpServers":{"@":{"command":"@"}}}"#,
    ),
    (".qwen/settings.json", r#"{"env":{"QWEN_CODE_SYSTEM_SETTINGS_PATH":"@"}}"#),
    (
        ".mcp.json",
        r#"{"mcpServers":{"@":{"command":"@","args":["@"],"cwd":"@","env":{"@":"@","PATH":"@"},"headers":{"@":"@"}}}}"#,
    ),
    (
        ".vscode/mcp.json",
        r#"{"servers":{"u":{"command":"node","args":["@"],"cwd":"@","envFile":"@"},"v":{"url":"@"}}}"#,
    ),
    (".kilo/kilo.json", r#"{"mcp":{"@":{"type":"local","command":["@"]}}}"#),
    (
        ".cursor/mcp.json",
        r#"{"mcpServers":{"s":{"command":"/home/ann/@","args":["/home/ann/@"],"envFile":"@"}}}"#,
    ),
];

/// Files of the home itself.
const JSON_OF_HOMES: [(&str, &str); 10] = [
    (
        ".claude.json",
        r#"{"projects":{"@":{"mcpServers":{"@":{"command":"@"}},"enabledMcpjsonServers":["@"]}}}"#,
    ),
    (
        ".claude/settings.json",
        r#"{"env":{"CLAUDE_CONFIG_DIR":"@","CLAUDE_CODE_PLUGIN_DIRS":"@:@","CLAUDE_CODE_PLUGIN_CACHE_DIR":"@"},"extraKnownMarketplaces":{"co":{"source":{"source":"directory","path":"@"}}}}"#,
    ),
    (
        ".claude/plugins/installed_plugins.json",
        r#"{"version":2,"plugins":{"a@co":[{"scope":"user","installPath":"@","version":"1.0.0"}]}}"#,
    ),
    (
        ".claude/plugins/known_marketplaces.json",
        r#"{"co":{"source":{"source":"directory","path":"@"},"installLocation":"@"}}"#,
    ),
    (
        ".copilot/config.json",
        r#"{"trusted_folders":["@"],"installed_plugins":[{"name":"a","marketplace":"co","cache_path":"@"}]}"#,
    ),
    (".gemini/trustedFolders.json", r#"{"@":"TRUST_FOLDER"}"#),
    (".gemini/extensions/e/.gemini-extension-install.json", r#"{"type":"link","source":"@"}"#),
    (
        ".config/Code/User/workspaceStorage/h/workspace.json",
        r#"{"folder":"file://@","workspace":"file:///home/ann/@"}"#,
    ),
    (".qwen/settings.json", r#"{"env":{"QWEN_CODE_SYSTEM_SETTINGS_PATH":"@","QWEN_HOME":"@"}}"#),
    (".config/amp/settings.json", r#"{"amp.skills.path":"@"}"#),
];

const TOML: &str = "[marketplaces.co]\nsource_type = \"local\"\nsource = \"@\"\n[plugins.\"a@co\"]\nenabled = true\n\
    [projects.\"@\"]\ntrust_level = \"trusted\"\n[agents.x]\nconfig_file = \"@\"\n[mcp_servers.s]\ncommand = \"@\"\ncwd = \"@\"\n";

#[test]
fn what_json_of_a_clone_names_and_is_no_path_costs_the_home_nothing() {
    let Some(site) = site() else { return };
    let texts = [odd_texts(), halves()].concat();
    for file in JSON_OF_CLONES {
        in_clones(&site, file, &texts);
    }
}

#[test]
fn what_toml_of_a_clone_or_a_home_names_and_is_no_path_costs_the_home_nothing() {
    let Some(site) = site() else { return };
    in_clones(&site, (".codex/config.toml", TOML), &odd_texts());
    for text in odd_texts() {
        let file = (".codex/config.toml".to_owned(), TOML.replace('@', &text));
        the_rest_is_done(&site, &short(&text), &[file]);
    }
}

#[test]
fn what_json_of_a_home_names_and_is_no_path_costs_the_home_nothing() {
    let Some(site) = site() else { return };
    for text in [odd_texts(), halves()].concat() {
        let files = JSON_OF_HOMES.map(|(path, template)| (path.to_owned(), template.replace('@', &text)));
        the_rest_is_done(&site, &short(&text), &files);
    }
}

#[test]
fn what_start_files_and_files_of_variables_name_and_is_no_path_costs_the_home_nothing() {
    let Some(site) = site() else { return };
    let lines = "export CLAUDE_CONFIG_DIR=@\nexport CODEX_HOME=\"@\"\n. @\nsource_env @\n";
    let dotenv = "QWEN_CODE_SYSTEM_SETTINGS_PATH=@\nCONTINUE_GLOBAL_DIR='@'\nXDG_CONFIG_HOME=@\n";
    for file in [(".envrc", lines), (".env", dotenv), (".qwen/.env", dotenv)] {
        in_clones(&site, file, &raw_texts());
    }
    for text in raw_texts() {
        let files =
            [(".bashrc", lines), (".profile", lines), (".qwen/.env", dotenv), (".codex/.env", dotenv)];
        let files = files.map(|(path, template)| (path.to_owned(), template.replace('@', &text)));
        the_rest_is_done(&site, &short(&text), &files);
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// A text with a NUL that leads somewhere all the same: the environment ends at it, and shells read on.
#[test]
fn a_nul_in_a_variable_hides_no_folder_to_which_it_leads() {
    let Some(site) = site() else { return };
    for (file, text) in [
        (".bashrc", "A=1\nexport CODEX_\0HOME=/home/ann/el\0se\n"),
        (".bashrc", "A=1\n. ~/rc\0x/env\n"),
        (".zshrc", "export CODEX_HOME=/home/ann/else\0x\n"),
        ("clone/.envrc", "export CODEX_HOME=/home/ann/\0else\n"),
        (".codex/.env", "A=1\n"),
    ] {
        put(&site, ("ann", ANN), "rcx/env", "export CODEX_HOME=/home/ann/else\n");
        let file = put(&site, ("ann", ANN), file, text);
        let servers = "[mcp_servers.bad]\ncommand = \"npx\"\nargs = [\"-y\", \"bad@1.0.0\"]\n";
        put(&site, ("ann", ANN), "else/config.toml", servers);
        let output = site.enforce_with(&[]);
        let pass: Value = serde_json::from_slice(&output.stdout).unwrap();
        let is_led = text.contains('\0');
        assert_eq!(actions(&pass).len(), usize::from(is_led), "{text:?}: {pass}");
        std::fs::remove_file(file).unwrap();
    }
    let settings = r#"{"mcpServers":{"bad":{"command":"npx","args":["-y","bad@1.0.0"]}}}"#;
    for (file, text) in [
        ("clone/.env", "QWEN_CODE_SYSTEM_SETTINGS_PATH=/home/ann/q/x.json\0y\n".to_owned()),
        (
            ".qwen/settings.json",
            r#"{"env":{"QWEN_CODE_SYSTEM_SETTINGS_PATH\u0000x":"/home/ann/q/x.json\u0000y"}}"#.to_owned(),
        ),
    ] {
        let file = put(&site, ("ann", ANN), file, &text);
        let led = put(&site, ("ann", ANN), "q/x.json", settings);
        site.enforce_with(&[]);
        assert_eq!(names(&led), Vec::<String>::new(), "{text:?}");
        std::fs::remove_file(file).unwrap();
    }
}

/// Seen with Claude Code, which joins paths by their names: `nope/..` is nothing, and so is `link/..`.
#[test]
fn a_step_up_leads_where_clients_go_be_the_folder_there_or_not() {
    let Some(site) = site() else { return };
    let manifest =
        json!({"name": "s", "version": "1.0.0", "mcpServers": {"bad": npx("bad@1.0.0")}}).to_string();
    let settings = |path: &str| {
        let source = json!({"source": {"source": "directory", "path": path}});
        json!({"extraKnownMarketplaces": {"co": source}, "enabledPlugins": {"a@co": true}}).to_string()
    };
    let catalogue = r#"{"name":"co","owner":{"name":"x"},"plugins":[{"name":"a","source":"./a"}]}"#;
    put(&site, ("ann", ANN), "deep/x/file", "");
    std::os::unix::fs::symlink("deep/x", home(&site, "ann").join("link")).unwrap();
    for folder in ["nope", "link"] {
        let start = format!("export CLAUDE_CONFIG_DIR=~/{folder}/../h\n");
        let named = settings(&format!("/home/ann/{folder}/../mk"));
        for (from, text) in [(".bashrc", &start), ("clone/.claude/settings.json", &named)] {
            let from = put(&site, ("ann", ANN), from, text);
            let skill = put(&site, ("ann", ANN), "h/skills/s/.claude-plugin/plugin.json", &manifest);
            put(&site, ("ann", ANN), "mk/.claude-plugin/marketplace.json", catalogue);
            let plugin = put(&site, ("ann", ANN), "mk/a/.claude-plugin/plugin.json", &manifest);
            let led = if text.contains("mk") { plugin } else { skill };
            let output = site.enforce_with(&[]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(names(&led), Vec::<String>::new(), "{text}: {said}");
            std::fs::remove_file(from).unwrap();
        }
    }
}

#[test]
fn files_that_set_very_many_variables_cost_the_home_nothing() {
    let Some(site) = site() else { return };
    let lines = |line: &dyn Fn(usize) -> String| (0..30_000).map(line).collect::<String>();
    let members = |count: usize, member: &dyn Fn(usize) -> String| {
        let all: Vec<String> = (0..count).map(member).collect();
        format!("{{\"env\":{{{}}}}}", all.join(","))
    };
    let mut files = vec![
        (".env".to_owned(), lines(&|n| format!("QWEN_CODE_SYSTEM_SETTINGS_PATH=/x{n}\n"))),
        (".envrc".to_owned(), lines(&|n| format!("export CODEX_HOME=/home/ann/x{n}\n"))),
        (
            ".qwen/settings.json".to_owned(),
            members(100_000, &|n| format!("\"QWEN_CODE_SYSTEM_SETTINGS_PATH\":\"/home/ann/x{n}\"")),
        ),
        (".claude/settings.json".to_owned(), members(250_000, &|n| format!("\"V{n}\":\"/x\""))),
    ];
    files.iter_mut().for_each(|(path, _)| path.insert_str(0, "c/"));
    // each line is something that is told
    let computed = lines(&|_| "CODEX_HOME=$(a)\nCODEX_HOME=x\n".to_owned());
    files.extend((0..5).map(|at| (format!("d{at}/.envrc"), computed.clone())));
    the_rest_is_done(&site, "very many variables", &files);
}

/// A clone packs 14 MB of ones to some kilobytes, and a link to them to nothing.
#[test]
fn hundreds_of_links_of_a_clone_to_one_large_file_cost_the_rest_of_the_home_nothing() {
    let Some(site) = site() else { return };
    let large = format!("{{\"x\":[{}1],\"mcpServers\":{{}}}}", "1,".repeat(5_000_000));
    put(&site, ("ann", ANN), "clone/big", &large);
    let lines = "# a comment of fifty characters or so, in a line\n".repeat(15_000);
    put(&site, ("ann", ANN), "clone/lines", &lines);
    let crowd: serde_json::Map<_, _> = (0..3000).map(|n| (format!("s{n}"), npx("good@1.0.0"))).collect();
    put(&site, ("ann", ANN), "other/crowd", &json!({"mcpServers": crowd}).to_string());
    for clone in ["clone", "other"] {
        put(&site, ("ann", ANN), &format!("{clone}/.git/HEAD"), "ref: x\n");
    }
    for number in 0..300 {
        let folder = home(&site, "ann").join(format!("other/p{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink("../crowd", folder.join(".mcp.json")).unwrap();
    }
    for number in 0..150 {
        let folder = home(&site, "ann").join(format!("clone/p{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink("../big", folder.join(".mcp.json")).unwrap();
        std::os::unix::fs::symlink("../lines", folder.join(".envrc")).unwrap();
    }
    let own = put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let begin = std::time::Instant::now();
    let output = site.enforce_with(&[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(names(&own), ["good"], "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("more than 64 MiB together") && said.contains("more than 8 MiB together"),
        "{said}"
    );
    assert!(begin.elapsed().as_secs() < 120, "{:?}", begin.elapsed());
}
