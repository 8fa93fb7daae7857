//! Files that a client reads because a variable, or another file, says so: a denied server in one of them is dealt with
//! like one in the usual place, and what cannot be followed is told.

use mcpolicy_tests::report_of;
use serde_json::{Value, json};

use crate::actions::{both, settle};
use crate::enforce::{Site, npx, policy, rule};
use crate::git::git;

/// A pass over these files of the home; it exits with this code. What it said of entries, and its notices in one text.
pub(crate) fn pass(site: &Site, code: i32) -> (Value, String) {
    let output = site.enforce_with(&[]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    let pass = report_of(&output);
    let notices = pass["notices"].to_string();
    (pass, notices)
}

pub(crate) fn with(test: impl Fn(&mut Site)) {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        test(site);
    });
}

pub(crate) fn put(site: &Site, path: &str, text: &str) {
    site.machine.file(path, text);
    settle(site);
}

pub(crate) fn servers(key: &str) -> String {
    json!({key: {"good": npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")}}).to_string()
}

/// Each of these start files leads to `moved`, which nothing else gives away.
fn leads_there(files: &[(&str, &str)]) {
    with(|site| {
        put(site, "moved/.config.json", &servers("mcpServers"));
        for (path, text) in files {
            put(site, path, text);
        }
        let (said, _) = pass(site, 0);
        let text = site.read("moved/.config.json");
        assert!(text.contains("good") && !text.contains("evil"), "{files:?}: {text} {said}");
    });
}

#[test]
fn a_file_that_a_variable_names_by_itself_is_dealt_with() {
    with(|site| {
        for (variable, file, key) in [
            ("OPENCODE_CONFIG", "m/o.json", "mcp"),
            ("KILO_CONFIG", "m/k.json", "mcp"),
            ("CLINE_MCP_SETTINGS_PATH", "m/c.json", "mcpServers"),
            ("AMP_SETTINGS_FILE", "m/a.json", "amp.mcpServers"),
            ("MCPORTER_CONFIG", "m/m.json", "mcpServers"),
            ("GEMINI_CLI_SYSTEM_SETTINGS_PATH", "m/g.json", "mcpServers"),
            ("QWEN_CODE_SYSTEM_DEFAULTS_PATH", "m/q.json", "mcpServers"),
        ] {
            put(site, ".profile", &format!("export {variable}=$HOME/{file}\n"));
            let evil = match key {
                "mcp" => json!({"mcp": {"evil": {"type": "local", "command": ["npx", "-y", "evil@1.0.0"]}}})
                    .to_string(),
                key => servers(key),
            };
            put(site, file, &evil);
            let (said, _) = pass(site, 0);
            assert!(!site.read(file).contains("evil"), "{variable}: {said}");
        }
    });
}

#[test]
fn a_configuration_in_a_variable_and_a_path_below_no_known_folder_are_told_each_time() {
    with(|site| {
        for (line, said) in [
            (
                r#"export OPENCODE_CONFIG_CONTENT='{"mcp":{"e":{"type":"local","command":["evil"]}}}'"#,
                "brings servers",
            ),
            ("export KILO_CONFIG_CONTENT=\"$(cat x)\"", "brings servers"),
            ("export CLAUDE_CONFIG_DIR=.cc", "relative path"),
        ] {
            put(site, ".zshrc", &format!("{line}\n"));
            for _ in 0..2 {
                let (_, notices) = pass(site, 1);
                assert!(notices.contains(".zshrc") && notices.contains(said), "{line}: {notices}");
                assert!(!notices.contains("evil"), "no value is told");
            }
        }
        put(site, ".zshrc", "export OPENCODE_CONFIG_CONTENT='{\"theme\":\"dark\"}'\n");
        pass(site, 0);
    });
}

#[test]
fn a_variable_counts_where_a_start_file_reads_another_file_that_sets_it() {
    let set = "export CLAUDE_CONFIG_DIR=$HOME/moved\n";
    leads_there(&[(".bashrc", ". ~/.env\n"), (".env", set)]);
    leads_there(&[(".zshrc", "D=~/rc\nfor f in $D/*.zsh; do source \"$f\"; done\n"), ("rc/a.zsh", set)]);
    leads_there(&[(".bashrc", "source ~/a\n"), ("a", "[ -f ~/b ] && . ~/b; . ~/a\n"), ("b", set)]);
    leads_there(&[(".bashrc", "export CLAUDE_CONFIG_DIR=~/src/../moved\n"), ("src/x", "")]);
    leads_there(&[(".profile", "export $(cat ~/.env | xargs)\n"), (".env", "CLAUDE_CONFIG_DIR=~/moved\n")]);
}

#[test]
fn a_variable_counts_where_a_project_sets_it_for_whoever_enters_its_folder() {
    leads_there(&[("src/p/.envrc", "export CLAUDE_CONFIG_DIR=$HOME/moved\n")]);
    leads_there(&[("moved/.envrc", "export CLAUDE_CONFIG_DIR=$PWD\n")]);
    leads_there(&[("src/p/.envrc", "dotenv\n"), ("src/p/.env", "CLAUDE_CONFIG_DIR=../../moved\n")]);
    with(|site| {
        put(site, "src/p/.envrc", "export CLAUDE_CONFIG_DIR=$(mktemp -d)\n");
        let (_, notices) = pass(site, 1);
        assert!(notices.contains("src/p/.envrc") && notices.contains("is computed"), "{notices}");
    });
}

#[test]
fn start_files_as_programs_write_them_are_no_gap() {
    with(|site| {
        put(
            site,
            ".zshrc",
            "export NVM_DIR=\"$([ -z \"${XDG_CONFIG_HOME-}\" ] && printf %s \"${HOME}/.nvm\")\"\n\
             [ -s \"$NVM_DIR/nvm.sh\" ] && \\. \"$NVM_DIR/nvm.sh\"\nsource <(kubectl completion zsh)\n\
             eval \"$(starship init zsh)\"\nexport XDG_CONFIG_HOME=\"${XDG_CONFIG_HOME:-$HOME/.config}\"\n\
             source $ZSH/oh-my-zsh.sh\n. ~/.cargo/env\n. ~/nothing\n",
        );
        put(site, ".cargo/env", "case \":${PATH}:\" in *) export PATH=\"$HOME/.cargo/bin:$PATH\";; esac\n");
        pass(site, 0);
    });
}

#[test]
fn a_state_file_of_claude_code_is_its_own_wherever_it_lies() {
    with(|site| {
        for place in ["cc", ".dot/claude", "src/p/deep"] {
            put(site, &format!("{place}/.claude.json"), &servers("mcpServers"));
            put(site, &format!("{place}/settings.json"), "{}");
        }
        let repository = site.machine.home().join("src/kit");
        std::fs::create_dir_all(repository.join(".git")).unwrap();
        put(site, "src/kit/tests/home/.claude.json", &servers("mcpServers"));
        let (said, _) = pass(site, 0);
        for place in ["cc", ".dot/claude", "src/p/deep"] {
            let text = site.read(&format!("{place}/.claude.json"));
            assert!(text.contains("good") && !text.contains("evil"), "{place}: {said}");
        }
        assert!(
            site.read("src/kit/tests/home/.claude.json").contains("evil"),
            "a repository shows it: {said}"
        );
        assert_eq!(said["left"].as_array().map(Vec::len).unwrap_or_default(), 0, "{said}");
    });
}

#[test]
fn a_folder_that_is_claude_codes_by_its_state_file_gets_the_off_switches_too() {
    with(|site| {
        put(site, "src/p/.mcp.json", &servers("mcpServers"));
        git(&site.machine.home().join("src/p"), &["init", "-b", "main"]);
        put(site, ".claude.json", "{}");
        put(site, "cc/.claude.json", r#"{"hasCompletedOnboarding":true}"#);
        put(site, "cc/settings.json", r#"{"enableAllProjectMcpServers":true}"#);
        pass(site, 0);
        assert!(site.read("src/p/.mcp.json").contains("evil"), "Git owns it");
        for (file, list) in
            [("cc/settings.json", "disabledMcpjsonServers"), ("cc/.claude.json", "disabledMcpServers")]
        {
            let text: Value = serde_json::from_str(&site.read(file)).unwrap();
            assert!(text.to_string().contains(&format!(r#""{list}":["evil"]"#)), "{file}: {text}");
        }
    });
}

/// A repository with a file of that name in it ended the switches of all: none may be set in a work tree.
#[test]
fn a_state_file_that_was_never_used_neither_needs_a_switch_nor_gets_one() {
    with(|site| {
        put(site, "src/p/.mcp.json", &servers("mcpServers"));
        git(&site.machine.home().join("src/p"), &["init", "-b", "main"]);
        put(site, ".claude.json", "{}");
        put(site, "src/a/.claude.json", r#"{"permissions":{"allow":["Bash(ls)"]}}"#);
        put(site, "src/a/settings.json", r#"{"port":8080}"#);
        git(&site.machine.home().join("src/a"), &["init", "-b", "main"]);
        put(site, "app/.claude.json", r#"{"numStartups":1}"#);
        pass(site, 0);
        assert!(site.read("src/p/.mcp.json").contains("evil"), "its switch holds");
        assert!(site.read(".claude/settings.json").contains("disabledMcpjsonServers"));
        assert_eq!(site.read("src/a/settings.json"), r#"{"port":8080}"#);
        assert_eq!(site.read("app/.claude.json"), r#"{"numStartups":1}"#);
        assert!(!site.machine.home().join("app/settings.json").exists());
    });
}

#[test]
fn a_role_of_codex_that_its_settings_name_is_dealt_with_where_it_lies() {
    with(|site| {
        let role = "name = \"r\"\n[mcp_servers.evil]\ncommand = \"npx\"\nargs = [\"-y\", \"evil@1.0.0\"]\n";
        let settings = "[agents.a]\nconfig_file = \"/home/dev/roles/a.toml\"\n\
             [agents.b]\nconfig_file = \"../roles/b.toml\"\n[agents.c]\nconfig_file = \"~/roles/c.toml\"\n";
        put(site, ".codex/config.toml", settings);
        for name in ["a", "b", "c"] {
            put(site, &format!("roles/{name}.toml"), role);
        }
        let (said, _) = pass(site, 0);
        for name in ["a", "b", "c"] {
            assert!(!site.read(&format!("roles/{name}.toml")).contains("evil"), "{name}: {said}");
        }
    });
}

#[test]
fn folders_of_skills_that_amp_names_are_read_and_a_relative_one_is_told() {
    with(|site| {
        put(site, ".config/amp/settings.json", r#"{"amp.skills.path":"~/skills"}"#);
        put(site, "skills/x/mcp.json", &servers("mcpServers"));
        let (said, _) = pass(site, 0);
        assert!(!site.read("skills/x/mcp.json").contains("evil"), "{said}");
        put(site, ".config/amp/settings.json", r#"{"amp.skills.path":"skills"}"#);
        let (_, notices) = pass(site, 1);
        assert!(notices.contains("relative path"), "{notices}");
    });
}

/// Seen on a laptop: the clone was gone, and a server of its name in another one stayed off for good.
#[test]
fn the_switch_of_a_server_that_is_declared_nowhere_does_not_keep_an_allowed_one_of_its_name_off() {
    with(|site| {
        let declare = |project: &str, package: &str| {
            let file = json!({"mcpServers": {"db": npx(package)}}).to_string();
            put(site, &format!("{project}/.mcp.json"), &file);
            git(&site.machine.home().join(project), &["init", "-b", "main"]);
        };
        let is_off = || site.read(".claude/settings.json").contains("\"db\"");
        put(site, ".claude/settings.json", "{\"model\":\"x\"}");
        declare("src/p", "evil@1.0.0");
        pass(site, 0);
        assert!(is_off());
        // it is off should the branch with it come back
        std::fs::remove_file(site.machine.home().join("src/p/.mcp.json")).unwrap();
        pass(site, 0);
        assert!(is_off());
        declare("src/q", "@acme/good@1.0.0");
        pass(site, 0);
        assert!(!is_off());
        assert_eq!(site.read(".claude/settings.json"), "{\"model\":\"x\"}");
    });
}
