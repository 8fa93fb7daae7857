//! Generated homes with an answer key: everything found, nothing invented, no secret shown, nothing started.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mcpolicy_tests::{generated_home, report_of, run_with, texts};
use serde_json::Value;

/// The generator's names for clients, where they are not ours.
const CLIENTS: &[(&str, &str)] = &[
    ("gemini", "gemini-cli"),
    ("copilot-jetbrains", "jetbrains-copilot"),
    ("junie", "jetbrains-junie"),
    ("roo", "roo-code"),
    ("factory-droid", "droid"),
];

/// Programs that would start a server or a client.
const LAUNCHERS: &[&str] = &[
    "npx", "uvx", "docker", "podman", "claude", "cursor", "code", "codex", "gemini", "opencode", "node",
    "python3", "sh",
];

const FORMATS: &[&str] = &["human", "json", "csv", "sarif", "mdm", "html"];

struct Generated {
    directory: tempfile::TempDir,
    truth: Value,
}

impl Generated {
    fn new(arguments: &[&str]) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let truth = generated_home(directory.path(), arguments)?;
        Some(Self { directory, truth })
    }

    fn home(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join("home0")
    }

    /// Scans with stub launchers on the search path that log that they ran.
    fn scan(&self, format: &str) -> Vec<u8> {
        let log = self.directory.path().join("launched");
        let bin = stubs(self.directory.path(), &log);
        let home = self.home();
        let arguments = ["scan", "--home", home.to_str().unwrap(), "--format", format];
        let output =
            run_with(Path::new(crate::BINARY), &home, &arguments, &[("PATH", bin.to_str().unwrap())]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!log.exists(), "a launcher was started");
        assert_eq!(self.leaked(&output.stdout), Vec::<String>::new(), "secrets in the {format} report");
        assert_eq!(self.leaked(&output.stderr), Vec::<String>::new(), "secrets in the messages of {format}");
        output.stdout
    }

    fn leaked(&self, bytes: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        let secrets = self.truth["secrets"].as_array().unwrap().iter().map(|s| s.as_str().unwrap());
        // The marker of a secret is enough to give it away.
        let marker =
            |s: &str| s.find("SECRETMARK").map_or_else(|| s.to_owned(), |at| s[at..at + 18].to_owned());
        secrets.map(marker).filter(|m| text.contains(m.as_str())).collect()
    }

    fn names(&self, bucket: &str) -> BTreeSet<String> {
        self.truth[bucket]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn stubs(directory: &Path, log: &Path) -> PathBuf {
    let bin = directory.join("stubs");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        for name in LAUNCHERS {
            let stub = bin.join(name);
            std::fs::write(&stub, format!("#!/bin/sh\necho {name} >> {}\n", log.display())).unwrap();
            make_executable(&stub);
        }
    }
    bin
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Everything that is said of one entry in both the answer key and the report.
fn described(entry: &Value, path: &str) -> (String, String, String, String, bool) {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let client = text(&entry["client"]);
    let client =
        CLIENTS.iter().find(|(theirs, _)| *theirs == client).map_or(client, |(_, ours)| (*ours).to_owned());
    (text(&entry["name"]), client, text(&entry["scope"]), path.to_owned(), entry["transport"] == "stdio")
}

fn check(generated: &Generated) -> Value {
    let output = generated.scan("json");
    let report: Value = serde_json::from_slice(&output).unwrap();
    let wanted: BTreeSet<_> = generated.truth["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| described(s, s["path"].as_str().unwrap()))
        .collect();
    let entries = report["entries"].as_array().unwrap();
    let found: BTreeSet<_> = entries
        .iter()
        .filter(|e| e["name"].as_str().unwrap().starts_with("gt-"))
        .map(|e| described(e, e["source"]["path"].as_str().unwrap()))
        .collect();
    let missed: Vec<_> = wanted.difference(&found).collect();
    let invented: Vec<_> = found.difference(&wanted).collect();
    assert!(missed.is_empty() && invented.is_empty(), "missed {missed:#?}\ninvented {invented:#?}");
    let names: BTreeSet<String> = texts(&report, "entries", "/name").into_iter().collect();
    assert!(names.is_disjoint(&generated.names("decoys")), "decoys were reported");
    assert!(names.is_disjoint(&generated.names("vendored")), "vendored files were reported");
    assert!(entries.iter().all(|e| !e["readers"].as_array().unwrap().is_empty() || e["inert"].is_string()));
    report
}

#[test]
fn a_tiny_home_is_found_whole_and_no_format_shows_a_secret() {
    let Some(generated) = Generated::new(&["--size", "tiny"]) else { return };
    check(&generated);
    for format in FORMATS {
        assert!(!generated.scan(format).is_empty());
    }
}

#[test]
fn a_small_home_is_found_whole() {
    let Some(generated) = Generated::new(&["--size", "small"]) else { return };
    let report = check(&generated);
    assert_eq!(report["summary"]["entries"].as_u64().unwrap(), generated.names("servers").len() as u64);
}

#[test]
fn three_homes_of_one_root_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let homes = directory.path().join("root/home");
    std::fs::create_dir_all(&homes).unwrap();
    let arguments =
        ["--homes", "3", "--projects", "4", "--dirs", "100", "--claude-mb", "0.05", "--as", "/home"];
    let Some(truth) = generated_home(&homes, &arguments) else { return };
    let root = directory.path().join("root");
    let arguments = ["scan", "--root", root.to_str().unwrap(), "--format", "json"];
    let report = report_of(&run_with(Path::new(crate::BINARY), directory.path(), &arguments, &[]));
    let wanted: BTreeMap<String, String> = truth["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["name"].as_str().unwrap().to_owned(), s["path"].as_str().unwrap().to_owned()))
        .collect();
    let found: BTreeMap<String, String> = texts(&report, "entries", "/name")
        .into_iter()
        .zip(texts(&report, "entries", "/source/path"))
        .collect();
    assert_eq!(found, wanted);
    let users: BTreeSet<String> = texts(&report, "entries", "/user").into_iter().collect();
    assert_eq!(users, BTreeSet::from(["home0", "home1", "home2"].map(str::to_owned)));
}

#[test]
fn every_hazard_is_told_and_nothing_else_is_lost() {
    let Some(generated) = Generated::new(&["--size", "tiny", "--hazards"]) else { return };
    let report = check(&generated);
    let names: BTreeSet<String> = texts(&report, "entries", "/name").into_iter().collect();
    for hazard in generated.truth["hazards"].as_array().unwrap() {
        let (name, path) = (hazard["name"].as_str().unwrap(), hazard["path"].as_str().unwrap());
        let found = names.iter().any(|n| n.starts_with(name));
        let told = ["findings", "coverage"].iter().any(|list| {
            report[*list].as_array().unwrap().iter().any(|f| f["source"]["path"] == path || f["path"] == path)
        });
        match hazard["expect"].as_str().unwrap() {
            "found" | "escaped" => assert!(found, "{name} was not found"),
            "report-error" => assert!(told, "{path} was passed over in silence"),
            _ => assert!(found || told, "{path} was passed over in silence"),
        }
    }
    for made in ["dirnamed", "fifo", "dangling"] {
        let path = generated.home().join("hazards").join(made).join(".mcp.json");
        let told = texts(&report, "findings", "/source/path").contains(&path.to_string_lossy().into_owned());
        assert!(told, "{made} was passed over in silence");
    }
    for format in FORMATS {
        let text = String::from_utf8(generated.scan(format)).unwrap();
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{7}'),
            "{format} lets a name control the terminal"
        );
        assert!(*format != "html" || !text.contains("<script>alert(1)"), "a name is a script of the page");
    }
}
