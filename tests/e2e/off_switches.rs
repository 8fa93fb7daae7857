//! `disabled` and `enabled` in an entry: a switch for the one client, a word without meaning for the next.

use serde_json::{Value, json};

use crate::actions::{both, settle};
use crate::enforce::{Site, actions, npx, policy, rule};

/// Files whose clients are not known to obey a switch in the entry, or of which one that reads them is not.
const NOT_OBEYED: &[(&str, &str)] = &[
    (".claude.json", "mcpServers"),
    (".cursor/mcp.json", "mcpServers"),
    (".config/Claude/claude_desktop_config.json", "mcpServers"),
    (".config/Code/User/mcp.json", "servers"),
    (".gemini/settings.json", "mcpServers"),
    (".codeium/windsurf/mcp_config.json", "mcpServers"),
    (".copilot/mcp-config.json", "mcpServers"),
    (".lmstudio/mcp.json", "mcpServers"),
    (".config/opencode/opencode.json", "mcp"),
    (".factory/mcp.json", "mcpServers"),
    ("p/.mcp.json", "mcpServers"),
    ("p/.vscode/mcp.json", "servers"),
];

/// The same of clients that obey theirs: with the text before and after.
const OBEYED: &[(&str, &str, &str)] = &[
    (
        ".kiro/settings/mcp.json",
        "{\n  \"mcpServers\": {\n    \"evil\": {\n      \"command\": \"npx\",\n      \"args\": [\"-y\", \"evil@1.0.0\"]\n    }\n  }\n}\n",
        "{\n  \"mcpServers\": {\n    \"evil\": {\n      \"command\": \"npx\",\n      \"args\": [\"-y\", \"evil@1.0.0\"],\n      \"disabled\": true\n    }\n  }\n}\n",
    ),
    (
        ".config/goose/config.yaml",
        "extensions:\n  evil:\n    enabled: true\n    type: stdio\n    cmd: npx\n    args: [\"-y\", \"evil@1.0.0\"]\n",
        "extensions:\n  evil:\n    enabled: false\n    type: stdio\n    cmd: npx\n    args: [\"-y\", \"evil@1.0.0\"]\n",
    ),
];

fn prefer_disable() -> Value {
    policy(&json!({"prefer_disable": true}), &json!([rule("@acme/good")]))
}

fn file(site: &Site, path: &str, text: impl Into<String>) {
    site.machine.file(path, text.into());
    settle(site);
}

fn with_evil(key: &str, more: &Value) -> String {
    let mut evil = npx("evil@1.0.0");
    evil.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({key: {"evil": evil}}).to_string()
}

#[test]
fn what_policy_prefers_to_disable_goes_where_a_client_would_start_it_all_the_same() {
    both(|site| {
        site.publish(&prefer_disable());
        for (path, key) in NOT_OBEYED {
            file(site, path, with_evil(key, &json!({})));
        }
        for (path, before, _) in OBEYED {
            file(site, path, *before);
        }
        let pass = site.enforce();
        let disabled = actions(&pass).iter().filter(|(action, _)| action == "disable").count();
        assert_eq!(disabled, OBEYED.len(), "{pass}");
        for (path, _) in NOT_OBEYED {
            let text = site.read(path);
            assert!(!text.contains("evil") && !text.contains("disabled"), "{path}: {text}");
        }
        for (path, _, after) in OBEYED {
            assert_eq!(site.read(path), *after, "{path}");
        }
        assert_eq!(actions(&site.enforce()), [], "it is done");
    });
}

#[test]
fn a_denied_server_that_its_user_marked_off_for_a_client_that_does_not_look_is_taken_out() {
    both(|site| {
        site.publish(&prefer_disable());
        for (path, key) in NOT_OBEYED {
            file(site, path, with_evil(key, &json!({"disabled": true, "enabled": false})));
        }
        for (path, _, off) in OBEYED {
            file(site, path, *off);
        }
        let pass = site.enforce();
        let servers: Vec<_> = actions(&pass).into_iter().filter(|(action, _)| action != "approval").collect();
        assert_eq!(servers.len(), NOT_OBEYED.len(), "{pass}");
        for (path, _) in NOT_OBEYED {
            assert!(!site.read(path).contains("evil"), "{path}");
        }
        for (path, _, off) in OBEYED {
            assert_eq!(site.read(path), *off, "{path}: off already");
        }
        // the other polarity, another type: no switch of this client
        let text = with_evil("mcpServers", &json!({"enabled": false, "disabled": "true"}));
        file(site, ".kiro/settings/mcp.json", text);
        assert_eq!(actions(&site.enforce()), [("disable".to_owned(), "evil".to_owned())]);
    });
}

#[test]
fn without_the_preference_an_entry_that_is_off_is_taken_out_as_any_other() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        for (path, _, off) in OBEYED {
            file(site, path, *off);
        }
        assert_eq!(actions(&site.enforce()).len(), OBEYED.len());
        for (path, ..) in OBEYED {
            assert!(!site.read(path).contains("evil"), "{path}");
        }
    });
}

#[test]
fn an_entry_that_was_switched_off_comes_back_on_when_the_policy_allows_it() {
    both(|site| {
        site.publish(&prefer_disable());
        for (path, before, _) in OBEYED {
            file(site, path, *before);
        }
        site.enforce();
        site.publish(&policy(&json!({"prefer_disable": true}), &json!([rule("evil")])));
        site.enforce();
        for (path, before, _) in OBEYED {
            assert_eq!(site.read(path), *before, "{path}");
        }
    });
}

#[test]
fn a_report_calls_off_only_what_every_client_that_loads_it_leaves_alone() {
    let site = Site::new();
    for (path, key) in NOT_OBEYED {
        site.machine.file(path, with_evil(key, &json!({"disabled": true, "enabled": false})));
    }
    for (path, _, off) in OBEYED {
        site.machine.file(path, *off);
    }
    let report = site.machine.scan(&[]);
    let entries = report["entries"].as_array().unwrap();
    assert_eq!(entries.len(), NOT_OBEYED.len() + OBEYED.len());
    let is_off = |entry: &&Value| entry["disabled"] == true;
    let mut off: Vec<&str> =
        entries.iter().filter(is_off).map(|entry| entry["client"].as_str().unwrap()).collect();
    off.sort_unstable();
    assert_eq!(off, ["goose", "kiro"]);
}
