//! What goes into which client, and what is told instead.

use mcpolicy_native::{Client, What};
use mcpolicy_schema::document::NativeOwner;

use crate::sample::{Machine, entries, entry, policy, rich, with_env};

const HEAD: &str = "schema = \"mcpolicy/policy/v1\"\n[policy]\nname = \"x\"\ncontact = \"y\"\n";

fn written(machine: &Machine, policy: &mcpolicy_schema::policy::Policy, client: Client) -> String {
    let outputs = machine.compile(policy, client).outputs;
    outputs.into_iter().filter_map(|o| o.bytes).map(|b| String::from_utf8(b).unwrap()).collect()
}

#[test]
fn a_rule_for_one_client_is_in_no_other() {
    let policy = rich();
    let machine = Machine::new(&policy, &[]);
    assert!(written(&machine, &policy, Client::Codex).contains("codex-helper"));
    assert!(!written(&machine, &policy, Client::ClaudeCode).contains("codex-helper"));
}

#[test]
fn a_rule_for_another_user_is_no_form_of_this_machine() {
    let policy = rich();
    let machine = Machine::new(&policy, &[]);
    let compiled = machine.compile(&policy, Client::ClaudeCode);
    assert!(!written(&machine, &policy, Client::ClaudeCode).contains("bobs-server"));
    let told = |what| compiled.inexpressible.iter().any(|one| one.rule == "only-bob" && one.what == what);
    assert!(told(What::People) && told(What::Form));
}

#[test]
fn nothing_of_ours_stands_where_the_owner_is_off_and_mdm_only_compares() {
    for (word, owner) in [("off", NativeOwner::Off), ("mdm", NativeOwner::Mdm)] {
        let policy = policy(&format!("{HEAD}native.codex.owner = \"{word}\"\n"));
        let compiled = Machine::new(&policy, &[]).compile(&policy, Client::Codex);
        assert_eq!(compiled.owner, owner);
        assert_eq!(compiled.outputs[0].bytes.is_some(), owner == NativeOwner::Mdm);
    }
}

#[test]
fn open_writes_denials_and_no_list() {
    let policy = policy(&format!(
        "{HEAD}native.default.inexpressible = \"open\"\n[[deny]]\nid = \"d\"\nidentity.npm.package = \"evil-mcp\"\nreason = \"r\"\n"
    ));
    let machine = Machine::new(&policy, &entries());
    let text = written(&machine, &policy, Client::ClaudeCode);
    assert!(!text.contains("allowedMcpServers") && text.contains("deniedMcpServers"), "{text}");
    let told = machine.compile(&policy, Client::ClaudeCode).inexpressible;
    assert!(told.iter().any(|one| one.rule == "d" && one.what == What::Denial));
}

#[test]
fn an_entry_with_a_secret_is_not_written_and_told() {
    let policy = policy(&format!(
        "{HEAD}[[rule]]\nid = \"t\"\nidentity.npm = {{ package = \"a\", versions = \"1.0.0\" }}\nargs.optional = [\"--token *\"]\nenv = {{ KEY = \"*\" }}\n"
    ));
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    let in_args = entry("claude-code", "a", &["npx", "a@1.0.0", "--token", secret]);
    let in_env = with_env(entry("gemini-cli", "a", &["npx", "a@1.0.0"]), "KEY", secret);
    let machine = Machine::new(&policy, &[in_args, in_env]);
    assert_eq!(machine.allowed.len(), 2);
    for client in [Client::ClaudeCode, Client::GeminiCli] {
        let compiled = machine.compile(&policy, client);
        assert!(!written(&machine, &policy, client).contains("ghp_"));
        assert!(
            compiled.inexpressible.iter().any(|one| one.what == What::Secret && one.blocks),
            "{client:?}"
        );
        assert!(!format!("{compiled:?} {machine:?}", machine = machine.allowed).contains("ghp_"));
    }
}

/// Attack: a user calls an approved server `*`, or a denied one, and Qwen Code (0.24.4) takes that for every server of everybody.
#[test]
fn a_name_that_is_a_pattern_to_its_client_stands_in_no_list_and_is_told() {
    let policy = policy(&format!(
        "{HEAD}[[rule]]\nid = \"t\"\nidentity.npm = {{ package = \"a\", versions = \"1.0.0\" }}\n"
    ));
    for (client, id, is_pattern) in
        [(Client::QwenCode, "qwen-code", true), (Client::GeminiCli, "gemini-cli", false)]
    {
        let (good, evil) = (["npx", "a@1.0.0"], ["npx", "evil@1.0.0"]);
        let entries = [
            entry(id, "good", &good),
            entry(id, "*", &good),
            entry(id, "g?od", &evil),
            entry(id, "bad", &evil),
        ];
        let machine = Machine::new(&policy, &entries);
        let text = written(&machine, &policy, client);
        let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
        let lists =
            [&whole["mcp"]["allowed"], &whole["mcp"]["excluded"]].map(|list| list.as_array().unwrap());
        let has = |name: &str| lists.iter().any(|list| list.iter().any(|item| item == name));
        assert!(has("good") && has("bad"), "{text}");
        assert_eq!((has("*"), has("g?od")), (!is_pattern, !is_pattern), "{text}");
        let told = machine.compile(&policy, client).inexpressible;
        let tells = |rule: &str, blocks| {
            told.iter().any(|one| one.what == What::Pattern && one.rule == rule && one.blocks == blocks)
        };
        assert_eq!((tells("t", true), tells("", false)), (is_pattern, is_pattern), "{told:?}");
    }
}

#[test]
fn several_forms_of_one_name_are_one_requirement_only_where_that_lets_nothing_else_through() {
    let policy = rich();
    let git = |last: &str, name: &str| {
        entry("codex", name, &["uvx", "mcp-server-git==2025.12.18", "--repository", last])
    };
    let two = Machine::new(&policy, &[git("/home/ann/a.b", "git"), git("/home/ann/c", "git")]);
    let text = written(&two, &policy, Client::Codex);
    assert!(text.contains(r#"{ match = "regex", expression = "/home/ann/a\\.b|/home/ann/c" }"#), "{text}");
    let other = entry(
        "codex",
        "git",
        &["npx", "-y", "@modelcontextprotocol/server-filesystem@2025.8.21", "/home/ann/x"],
    );
    let mixed = Machine::new(&policy, &[git("/home/ann/c", "git"), other]);
    let told = mixed.compile(&policy, Client::Codex).inexpressible;
    assert!(told.iter().any(|one| one.what == What::SecondForm && one.blocks), "{told:?}");
}

#[test]
fn a_program_with_blanks_in_its_path_is_one_word_of_the_hook() {
    let policy = rich();
    let machine = Machine {
        program: Some("/Library/Application Support/mcpolicy/it's/mcpolicy".to_owned()),
        ..Machine::new(&policy, &[])
    };
    let hook = machine.compile(&policy, Client::Cursor).hook.unwrap();
    assert_eq!(hook.command, r"'/Library/Application Support/mcpolicy/it'\''s/mcpolicy' hook cursor");
    assert!(!hook.fails_open);
    assert!(machine.compile(&policy, Client::ClaudeCode).hook.unwrap().fails_open);
    let without = Machine { program: None, ..machine };
    assert!(without.compile(&policy, Client::Cursor).hook.is_none());
    assert_eq!(written(&without, &policy, Client::Cursor), "");
}

#[test]
fn what_mdm_writes_is_compared_only_where_mdm_writes() {
    let of = |owner: &str| {
        let policy = policy(&format!("{HEAD}native.default.owner = \"{owner}\"\n"));
        let machine =
            Machine { system: mcpolicy_schema::evaluate::System::Macos, ..Machine::new(&policy, &[]) };
        let targets = Client::ALL.map(|client| machine.compile(&policy, client).outputs);
        targets.concat().into_iter().filter(|output| output.target.mdm && output.bytes.is_some()).count()
    };
    assert_eq!(of("agent"), 0);
    // Claude Code, Claude Desktop, Codex, VS Code and Copilot
    assert_eq!(of("mdm"), 5);
}
