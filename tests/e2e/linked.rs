//! Servers that no file of a client's own folder shows: in a linked extension, in the old form of a configuration, in what
//! is filled in before a file is parsed, and a program that only names tools.

use serde_json::{Value, json};

use crate::enforce::npx;
use crate::plugins::{are_taken_out, are_told, scanned};

fn evil() -> Value {
    json!({"mcpServers": {"a": npx("evil@1.0.0")}})
}

fn link(source: &str) -> String {
    json!({"source": source, "type": "link"}).to_string()
}

#[test]
fn a_linked_extension_of_gemini_or_qwen_loses_its_servers_where_it_stands() {
    for (folder, install, manifest) in [
        (".gemini", ".gemini-extension-install.json", "gemini-extension.json"),
        (".qwen", ".qwen-extension-install.json", "qwen-extension.json"),
    ] {
        let install = format!("{folder}/extensions/x/{install}");
        let manifest = format!("else/x/{manifest}");
        let files = [(&*install, link("$HOME/else/x")), (&*manifest, evil().to_string())];
        are_taken_out(folder, &files, &["a"]);
        are_told("relative", &[(&*install, link("../x"))], "linked extension by a relative path");
    }
}

#[test]
fn the_first_form_of_opencodes_configuration_is_dealt_with_before_its_client_moves_it() {
    let text = "theme = \"dark\"\n\n[mcp.a]\ntype = \"local\"\ncommand = [\"npx\", \"-y\", \"evil@1.0.0\"]\n";
    are_taken_out("toml", &[(".config/opencode/config", text.to_owned())], &["a"]);
}

#[test]
fn a_server_that_comes_in_by_a_value_of_continues_env_file_is_told() {
    let config = "name: ${{ secrets.NM }}\nversion: 1.0.0\nschema: v1\n".to_owned();
    let values = |value: &str| (".continue/.env", format!("NM=\"{value}\"\n"));
    let hidden = "x\\nmcpServers:\\n  - name: evil\\n    command: npx\\n    args: [evil@1.0.0]";
    let files = [(".continue/config.yaml", config.clone()), values(hidden)];
    are_told("hidden", &files, ".continue/config.yaml");
    are_taken_out("usual", &[(".continue/config.yaml", config), values("of mine")], &[]);
}

#[test]
fn a_server_in_place_of_which_a_variable_stands_is_told_and_a_key_of_a_provider_is_not() {
    let config = |text: Value| [(".config/opencode/opencode.json", text.to_string())];
    are_told("table", &config(json!({"mcp": "{env:SERVERS}"})), "opencode.json");
    let usual = json!({"provider": {"p": {"options": {"apiKey": "{env:OPENAI_KEY}"}}}});
    assert!(!scanned(&config(usual)).to_string().contains("loader-variable"));
    let odd = scanned(&config(json!({"username": "{env:XX}"})));
    assert!(odd.to_string().contains("loader-variable"), "{odd}");
}

#[test]
fn the_program_that_names_tools_is_judged_like_a_server() {
    for file in [".gemini/settings.json", ".qwen/settings.json", "src/p/.gemini/settings.json"] {
        let text = json!({"tools": {"discoveryCommand": "/tmp/evil"}, "theme": "dark"}).to_string();
        are_taken_out(file, &[(file, text)], &["tools"]);
    }
}
