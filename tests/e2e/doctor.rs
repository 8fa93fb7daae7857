//! `mcpolicy doctor`: the clients that are installed, by what lies on the disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use mcpolicy_tests::report_of;
use serde_json::{Value, json};

use crate::actions::both;

#[test]
fn the_doctor_tells_versions_of_clients_and_runs_none_of_them() {
    both(|site| {
        let root = site.machine.root();
        let trace = site.machine.home().join("was-run");
        let program = |path: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("#!/bin/sh\n: > {}\n", trace.display())).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let package = "usr/lib/node_modules/@google/gemini-cli";
        program(&format!("{package}/dist/index.js"));
        let about =
            json!({"name": "@google/gemini-cli", "version": "0.61.0", "bin": {"gemini": "dist/index.js"}});
        fs::write(root.join(package).join("package.json"), about.to_string()).unwrap();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        symlink("../lib/node_modules/@google/gemini-cli/dist/index.js", root.join("usr/bin/gemini")).unwrap();
        program("usr/local/bin/crush");
        program("home/dev/.local/bin/goose");
        if let Some(uid) = site.run_by {
            crate::enforce::own(uid, &root);
        }
        let output = site.run(&["doctor", "--json"]);
        let told = report_of(&output);
        let clients: Vec<[&Value; 4]> = told["clients"]
            .as_array()
            .unwrap()
            .iter()
            .map(|client| ["id", "version", "path", "tested"].map(|member| &client[member]))
            .collect();
        let gemini = json!(["gemini-cli", "0.61.0", "/usr/bin/gemini", "this-version"]);
        let goose = json!(["goose", null, "/home/dev/.local/bin/goose", "unknown"]);
        let crush = json!(["crush", null, "/usr/local/bin/crush", "unknown"]);
        // root looks into no home
        let wanted = if site.run_by.is_none() && is_root() {
            json!([gemini, crush])
        } else {
            json!([gemini, goose, crush])
        };
        assert_eq!(json!(clients), wanted, "{told}");
        assert!(!trace.exists(), "a client was run");
        let human = String::from_utf8(site.run(&["doctor"]).stdout).unwrap();
        assert!(human.contains("Gemini CLI 0.61.0 (tested): /usr/bin/gemini"), "{human}");
        assert!(human.contains("Crush of unknown version"), "{human}");
    });
}

/// Whether this test is root's: then so is what it starts without another user.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}
