//! Options and exit codes, as detection scripts and CI use them.

use mcpolicy_tests::{TestMachine, report_of, texts};
use serde_json::Value;

fn machine() -> TestMachine {
    let machine = TestMachine::new(crate::BINARY);
    machine.file(
        "checkout/.mcp.json",
        r#"{"mcpServers":{"p":{"type":"http","url":"http://mcp.example.com/"}}}"#,
    );
    machine.file(".claude.json", r#"{"mcpServers":{"u":{"command":"/opt/x"}}}"#);
    machine
}

fn code(machine: &TestMachine, arguments: &[&str]) -> Option<i32> {
    machine.run(arguments).status.code()
}

#[test]
fn exit_codes_are_those_of_the_documents() {
    let machine = machine();
    let home = machine.home();
    let home = home.to_str().unwrap();
    assert_eq!(code(&machine, &["scan", "--home", home]), Some(0));
    assert_eq!(code(&machine, &["scan", "--home", home, "--fail-on", "high"]), Some(1));
    assert_eq!(code(&machine, &["scan", "--home", home, "--fail-on", "critical"]), Some(0));
    assert_eq!(code(&machine, &["scan", "--home", home, "--strict-coverage"]), Some(0));
    for wrong in [
        &["scan", "--home", "/nonexistent"][..],
        &["scan", "--home", home, "--root", home],
        &["scan", "--file", "/nonexistent", "--client", "cursor"],
        &["scan", "--file", home, "--client", "no-such-client"],
        &["scan", "--home", home, "--format", "xml"],
        &["scan", "--home", home, "--output", "/nonexistent/x"],
        &["no-such-command"],
    ] {
        let output = machine.run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_checkout_gives_its_project_files_and_nothing_of_a_home() {
    let machine = machine();
    let checkout = machine.home().join("checkout");
    let report =
        report_of(&machine.run(&["scan", "--project", checkout.to_str().unwrap(), "--format", "json"]));
    assert_eq!(texts(&report, "entries", "/name"), ["p"]);
    assert_eq!(report["entries"][0].get("user"), None);
    let sarif =
        report_of(&machine.run(&["scan", "--project", checkout.to_str().unwrap(), "--format", "sarif"]));
    let uri = sarif.pointer("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri").unwrap();
    assert_eq!(uri, ".mcp.json");
}

#[test]
fn a_file_is_read_as_the_client_reads_it() {
    let machine = machine();
    let text = r#"{/* c */"mcpServers":{"a":{"command":"x"}}}"#;
    let file = machine.file("some.json", text);
    let scan = |client: &str, as_path: &str| {
        let arguments = [
            "scan",
            "--file",
            file.to_str().unwrap(),
            "--client",
            client,
            "--as",
            as_path,
            "--format",
            "json",
        ];
        report_of(&machine.run(&arguments))["entries"][0].clone()
    };
    assert_eq!(scan("cursor", ".cursor/mcp.json")["readers"][0]["client"], "cursor");
    assert_eq!(scan("claude-code", ".mcp.json")["inert"], "file-refused");
    assert_eq!(scan("claude-code", ".claude/settings.json")["inert"], "key-not-read");
    assert_eq!(scan("vscode", ".vscode/mcp.json")["inert"], "key-not-read");
}

#[test]
fn a_report_file_is_whole_or_not_there() {
    let machine = machine();
    let out = machine.root().join("report.html");
    let home = machine.home();
    let arguments =
        ["scan", "--home", home.to_str().unwrap(), "--format", "html", "--output", out.to_str().unwrap()];
    let output = machine.run(&arguments);
    assert!(output.status.success() && output.stdout.is_empty());
    #[allow(clippy::disallowed_methods, reason = "a file of the test itself")]
    let page = std::fs::read_to_string(out).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
}

#[test]
fn a_line_for_a_console_is_one_short_line() {
    let machine = machine();
    let home = machine.home();
    let output = machine.run(&["scan", "--home", home.to_str().unwrap(), "--format", "mdm"]);
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.is_ascii() && line.len() <= 256 && line.trim_end().lines().count() == 1, "{line}");
    assert!(line.contains("servers=2"), "{line}");
}

#[test]
fn paths_of_macos_and_windows_are_looked_for_on_request() {
    let machine = TestMachine::new(crate::BINARY);
    let server = |name: &str| format!(r#"{{"mcpServers":{{"{name}":{{"command":"x"}}}}}}"#);
    machine.file("Library/Application Support/Claude/claude_desktop_config.json", server("mac"));
    machine.file("AppData/Roaming/Claude/claude_desktop_config.json", server("win"));
    let found = |os: &str| -> Vec<Value> {
        let report = machine.scan(&["--os", os]);
        report["entries"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|e| e["client"] == "claude-desktop")
            .map(|e| e["name"].clone())
            .collect()
    };
    assert_eq!(found("macos"), ["mac"]);
    assert_eq!(found("windows"), ["win"]);
    // by its name alone: a variable may lead a client there
    assert_eq!(found("linux"), ["win", "mac"]);
}

#[test]
fn the_extension_attribute_of_jamf_is_one_result() {
    let machine = machine();
    let script = mcpolicy_tests::workspace().join("mdm-profiles/jamf/extension-attribute.sh");
    let run = |program: &str| {
        let scan = format!("--home {}", machine.home().display());
        let output = std::process::Command::new("sh")
            .arg(&script)
            .envs([("MCPOLICY", program), ("MCPOLICY_SCAN", &scan)])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let result = run(crate::BINARY);
    assert!(
        result.starts_with("<result>mcpolicy/1 servers=2") && result.ends_with("</result>\n"),
        "{result}"
    );
    assert_eq!(run("/nonexistent"), "<result>mcpolicy is not installed</result>\n");
}
