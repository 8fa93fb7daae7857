//! Variables that a client takes from a file of its own, so that nobody has to type them and no shell is asked: what lies
//! in the folder that such a file names is dealt with like what lies in the usual one.

use std::path::Path;

use mcpolicy_tests::private::link_folder;
use serde_json::{Value, json};

use crate::enforce::{Site, npx, policy, rule};
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

/// Tested with the client: its state has the member, too; a value is made a text, and a folder is looked for as NFC.
#[test]
fn the_folder_counts_from_the_state_as_a_list_and_in_either_spelling() {
    let env = |value: &Value| json!({"env": {"CLAUDE_CONFIG_DIR": value}}).to_string();
    for (file, text, folder) in [
        (".claude.json", env(&json!("/home/dev/.cache/h")), ".cache/h"),
        (".claude/settings.json", env(&json!(["/home/dev/.cache/h"])), ".cache/h"),
        (".claude/settings.json", env(&json!("/home/dev/.cache/e\u{301}")), ".cache/\u{e9}"),
    ] {
        with(|site| {
            put(site, file, &text);
            let plugin = skill(site, folder);
            let (said, _) = pass(site, 0);
            assert!(is_clean(site, &plugin), "{text}: {said}");
        });
    }
}

/// Tested with the client: it follows the link from the folder that it is started in.
#[test]
fn a_link_over_the_folder_of_the_process_is_told_at_each_pass() {
    for (link, at) in [
        ("/proc/self/cwd/c.json", ".claude.json"),
        ("/proc/self/cwd/h", ".claude/skills"),
        ("/proc/thread-self/cwd/h", ".claude/skills/s"),
        ("/proc/self/cwd/e", "w/.env"),
        ("/dev/shm/../fd/../cwd/e", "w/.env"),
    ] {
        with(|site| {
            put(site, "w/c.json", &servers("mcpServers"));
            std::fs::create_dir_all(site.machine.home().join(at).parent().unwrap()).unwrap();
            put(site, ".claude/settings.json", "{}");
            assert!(link_folder(Path::new(link), &site.machine.home().join(at)));
            for _ in 0..2 {
                let (_, notices) = pass(site, 1);
                assert!(notices.contains(at), "{at}: {notices}");
            }
        });
    }
}

/// Tested with Claude Code and Qwen Code: nothing of an image's stands there, and each process has another folder.
#[test]
fn a_variable_that_names_the_folder_of_the_process_is_told_at_each_pass() {
    for (file, text) in [
        (".claude/settings.json", names("/proc/self/cwd/h")),
        (".bashrc", "export CODEX_HOME=/proc/self/cwd/h\n".to_owned()),
        ("w/.env", "QWEN_CODE_SYSTEM_SETTINGS_PATH=/proc/self/cwd/x.json\n".to_owned()),
        // up out of it, where a name that is taken away would hide the place
        ("w/.env", "QWEN_CODE_SYSTEM_SETTINGS_PATH=/dev/fd/../cwd/x.json\n".to_owned()),
        ("w/.env", "QWEN_CODE_SYSTEM_SETTINGS_PATH=/dev/shm/../fd/../cwd/x.json\n".to_owned()),
    ] {
        with(|site| {
            put(site, file, &text);
            put(site, ".cursor/mcp.json", &servers("mcpServers"));
            for _ in 0..2 {
                let (_, notices) = pass(site, 1);
                let place = if text.contains("/fd/") { "/fd/" } else { "/proc/self/cwd" };
                assert!(notices.contains(place), "{file}: {notices}");
                assert!(is_clean(site, ".cursor/mcp.json"), "the rest of the home is done: {notices}");
            }
        });
    }
}

/// A file of a project that is too large to be one of variables may set one all the same.
#[test]
fn a_dotenv_of_a_project_that_is_not_read_is_told() {
    with(|site| {
        let text = format!("QWEN_CODE_SYSTEM_SETTINGS_PATH=./x.json\n{}", "# x\n".repeat(600_000));
        put(site, "w/.qwen/.env", &text);
        let (_, notices) = pass(site, 1);
        assert!(notices.contains("w/.qwen/.env"), "{notices}");
    });
}

/// The client's own folder is not asked for in projects, whose `.env` is that of their programs.
#[test]
fn what_a_project_sets_for_its_own_programs_ends_no_pass_as_not_done() {
    for text in ["XDG_CONFIG_HOME=./config\n", "XDG_DATA_HOME=${APP}/data\n"] {
        with(|site| {
            put(site, "src/p/.env", text);
            let (_, notices) = pass(site, 0);
            assert!(!notices.contains(".env"), "{notices}");
        });
    }
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

/// A clone's file that names hundreds of folders had three files made in each, for minutes.
#[test]
fn no_switch_is_set_in_more_folders_than_a_user_has_and_the_file_is_edited_then() {
    for (folders, is_edited) in [(20, false), (90, true)] {
        with(|site| {
            put(site, "src/p/.mcp.json", &servers("mcpServers"));
            put(site, ".claude.json", "{}");
            for project in ["src/p", "src/clone"] {
                put(site, &format!("{project}/README"), "");
                git(&site.machine.home().join(project), &["init", "-b", "main"]);
            }
            let lines = (0..folders).map(|n| format!("export CLAUDE_CONFIG_DIR=/home/dev/zz/{n}\n"));
            put(site, "src/clone/.envrc", &lines.collect::<String>());
            let (said, _) = pass(site, 0);
            assert_eq!(!site.read("src/p/.mcp.json").contains("evil"), is_edited, "{said}");
            let made = std::fs::read_dir(site.machine.home().join("zz")).map_or(0, |made| made.count());
            assert_eq!(made, if is_edited { 0 } else { folders }, "{said}");
            let home = site.machine.home();
            let switches = || {
                let found = (0..folders).map(|n| home.join(format!("zz/{n}/settings.json")));
                found.filter(|file| file.exists()).count()
            };
            assert_eq!(switches(), made);
            // what was set comes back also when there are more folders by then
            let lines = (0..70).map(|n| format!("export CLAUDE_CONFIG_DIR=/home/dev/a/{n}\n"));
            put(site, "src/clone/x/.envrc", &lines.collect::<String>());
            site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
            // with more values than are followed of one repository
            let (said, notices) = pass(site, i32::from(is_edited));
            assert_eq!(switches(), 0, "{said} {notices}");
        });
    }
}

/// What one clone names was followed at the cost of all other files of the home.
#[test]
fn a_clone_whose_files_set_hundreds_of_values_keeps_no_other_value_from_being_followed() {
    with(|site| {
        for number in 0..6 {
            let lines =
                (0..99).map(|n| format!("QWEN_CODE_SYSTEM_SETTINGS_PATH=/home/dev/a/q{number}-{n}\n"));
            put(site, &format!("a/d{number}/.env"), &lines.collect::<String>());
        }
        git(&site.machine.home().join("a"), &["init", "-b", "main"]);
        put(site, ".qwen/settings.json", "{}");
        put(site, "w/.env", "QWEN_CODE_SYSTEM_SETTINGS_PATH=/home/dev/w/x.json\n");
        put(site, "w/x.json", &servers("mcpServers"));
        let (said, notices) = pass(site, 1);
        assert!(is_clean(site, "w/x.json"), "{said}");
        assert!(notices.contains("more values, in this repository"), "{notices}");
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

/// Tested with Qwen Code, the Gemini CLI, Codex, Cline and cn; read in the source of Crush and of Mistral Vibe.
#[test]
fn a_dotenv_of_the_home_names_the_folder_that_its_client_then_reads() {
    with(|site| {
        let toml = "[mcp_servers.good]\ncommand = \"npx\"\nargs = [\"-y\", \"@acme/good@1.0.0\"]\n\
                    [mcp_servers.evil]\ncommand = \"npx\"\nargs = [\"-y\", \"evil@1.0.0\"]\n";
        let qwen = ("moved/settings.json", servers("mcpServers"));
        let gemini = ("moved/.gemini/extensions/x/gemini-extension.json", servers("mcpServers"));
        let codex = ("moved/.codex/config.toml", toml.to_owned());
        let goes_on = ("moved/config.json", servers("mcpServers"));
        let crush = ("moved/crush.json", servers("mcp"));
        for (dotenv, line, (file, text)) in [
            (".qwen/.env", "QWEN_HOME=/home/dev/moved", &qwen),
            (".qwen/.env", "QWEN_HOME='~/moved' # mine", &qwen),
            (".env", "A=1\nexport QWEN_HOME=/home/dev/moved", &qwen),
            (".qwen/.env", "QWEN_CODE_SYSTEM_SETTINGS_PATH=/home/dev/moved/settings.json", &qwen),
            (".gemini/.env", "GEMINI_CLI_HOME=/home/dev/moved", &gemini),
            (".env", "GEMINI_CLI_HOME=\"/home/dev/moved\"", &gemini),
            (".codex/.env", "HOME=/home/dev/moved", &codex),
            (".codex/.env", "HOME=${HOME}/moved", &codex),
            (".env", "CRUSH_GLOBAL_CONFIG=/home/dev/moved", &crush),
            (".env", "XDG_CONFIG_HOME=/home/dev/moved/x", &("moved/x/crush/crush.json", crush.1.clone())),
            (".qwen/.env", "QWEN_HOME=/home/dev/q", &goes_on),
        ] {
            put(site, "q/.env", "QWEN_CODE_SYSTEM_DEFAULTS_PATH=/home/dev/moved/config.json\n");
            put(site, file, text);
            put(site, dotenv, &format!("{line}\n"));
            let (said, _) = pass(site, 0);
            assert!(is_clean(site, file), "{dotenv} {line}: {said}");
            put(site, dotenv, "");
            std::fs::remove_dir_all(site.machine.home().join("moved")).unwrap();
        }
    });
}

#[test]
fn a_file_of_a_project_names_folders_for_clients_that_are_started_there() {
    with(|site| {
        let yaml = "mcpServers:\n  - name: good\n    command: npx\n    args: [\"@acme/good@1.0.0\"]\n  \
                    - name: evil\n    command: npx\n    args: [\"evil@1.0.0\"]\n";
        let settings = json!({"env": {"QWEN_CODE_SYSTEM_SETTINGS_PATH": "/home/dev/moved/q.json"}});
        let of_qwen = servers("mcpServers");
        for (by, text, file, content) in [
            (
                "src/p/.env",
                "GEMINI_CLI_HOME=/home/dev/moved\n",
                "moved/.gemini/settings.json",
                of_qwen.as_str(),
            ),
            (
                "src/p/.gemini/.env",
                "GEMINI_CLI_HOME=/home/dev/moved\n",
                "moved/.gemini/settings.json",
                &of_qwen,
            ),
            ("src/p/.env", "CONTINUE_GLOBAL_DIR=/home/dev/moved\n", "moved/config.yaml", yaml),
            (
                "src/p/.env.local",
                "CLINE_MCP_SETTINGS_PATH=/home/dev/moved/c.json\n",
                "moved/c.json",
                &of_qwen,
            ),
            ("src/p/.qwen/settings.json", &settings.to_string(), "moved/q.json", &of_qwen),
        ] {
            put(site, by, text);
            put(site, file, content);
            let (said, _) = pass(site, 0);
            assert!(is_clean(site, file), "{by}: {said}");
            std::fs::remove_dir_all(site.machine.home().join("src/p")).unwrap();
            std::fs::remove_dir_all(site.machine.home().join("moved")).unwrap();
        }
    });
}

#[test]
fn a_dotenv_whose_value_leads_to_no_known_folder_is_told_and_others_are_not() {
    with(|site| {
        for (dotenv, text, said) in [
            (".qwen/.env", "QWEN_HOME=qh\n", "relative path"),
            (".gemini/.env", "A=b\nGEMINI_CLI_HOME=$HOME/g\n", "relative path"),
            (".codex/.env", "HOME=${OTHER}/g\n", "is computed"),
            ("src/p/.env", "CONTINUE_GLOBAL_DIR=./c\n", "relative path"),
        ] {
            put(site, dotenv, text);
            let (_, notices) = pass(site, 1);
            assert!(notices.contains(dotenv) && notices.contains(said), "{dotenv}: {notices}");
            put(site, dotenv, "");
        }
        put(site, ".env", "API_KEY=secret\n# QWEN_HOME=/x\nCODEX_HOME=/x\n");
        put(site, ".qwen/.env", "HOME=rel\nCLAUDE_CONFIG_DIR=rel\n");
        put(site, "src/p/.env", "HOME=rel\nQWEN_HOME=rel\nPATH=$PATH:x\n");
        put(site, "src/venv/.env/bin/x", "");
        pass(site, 0);
    });
}
