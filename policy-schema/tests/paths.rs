//! Paths in policies: of this machine only, whoever wrote the policy.
#![allow(clippy::unwrap_used, reason = "this crate is a test")]

use mcpolicy_schema::policy::Policy;
use serde_json::{Value, json};

const ELSEWHERE: &[&str] = &[
    r"\\server\share\tool.exe",
    r"\\?\UNC\server\share\tool.exe",
    r"\\.\pipe\tool",
    r"\\?\GLOBALROOT\Device\tool",
    r"\??\UNC\server\share",
    "//server/share/tool",
    r"/\server\share\tool",
    r"C:\tools\..\..\secret",
    "/opt/../etc/tool",
    "~/../other/tool",
    "tool",
];
const HERE: &[&str] = &["/opt/tools/tool", "~/bin/tool", r"C:\Tools\tool.exe", "C:/Tools/tool.exe"];

/// Places of what is wrong with a policy of these settings and this identity.
fn faults(settings: &Value, identity: &Value) -> Vec<String> {
    let mut policy = json!({ "name": "test", "contact": "security@example.com" });
    policy.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let rule = json!({ "id": "local", "identity": identity });
    let document = json!({ "schema": "mcpolicy/policy/v1", "policy": policy, "rule": [rule] });
    let document = serde_json::from_value(document).unwrap();
    Policy::compile(document).err().unwrap_or_default().into_iter().map(|fault| fault.place).collect()
}

#[test]
fn cve_2024_1243_a_policy_names_no_path_of_another_machine_nor_a_device() {
    let npm = json!({ "npm": { "package": "@a/b", "versions": "1.0.0" } });
    let url = |path: &str| {
        let listener = json!({ "path": path });
        json!({ "url": { "url": "http://127.0.0.1:3000/mcp", "listener": listener } })
    };
    let places = |path: &str| {
        [
            faults(&json!({}), &json!({ "executable": { "path": path } })),
            faults(&json!({}), &json!({ "script": { "interpreter": "node", "path": path } })),
            faults(&json!({}), &url(path)),
            faults(&json!({ "runner_roots": [path] }), &npm),
            faults(&json!({ "search_path": { "windows": [path] } }), &npm),
        ]
    };
    for path in ELSEWHERE {
        for (at, found) in places(path).iter().enumerate() {
            assert_eq!(found.len(), 1, "{path}, place {at}: {found:?}");
        }
    }
    for path in HERE {
        assert_eq!(places(path).concat(), Vec::<String>::new(), "{path}");
    }
}
