//! One odd file at one client's path: it is told, and nothing else is lost.

use std::fs;
use std::process::Command;

use mcpolicy_tests::{TestMachine, codes_of, texts};
use serde_json::Value;

/// A machine with one good server in a file that sorts before and one that sorts after the odd file.
fn machine() -> TestMachine {
    let machine = TestMachine::new(crate::BINARY);
    machine
        .file(".claude.json", r#"{"mcpServers":{"good-before":{"command":"npx","args":["-y","a@1.0.0"]}}}"#);
    machine.file(
        "src/p/.mcp.json",
        r#"{"mcpServers":{"good-after":{"command":"npx","args":["-y","b@1.0.0"]}}}"#,
    );
    machine
}

/// Scans and checks that the good servers are there, and that the odd file has a finding of this code.
fn scan(machine: &TestMachine, code: &str) -> Value {
    let report = machine.scan(&[]);
    let names = texts(&report, "entries", "/name");
    for good in ["good-before", "good-after"] {
        assert!(names.iter().any(|n| n == good), "{good} was lost to the odd file");
    }
    let odd = machine.home().join(".cursor/mcp.json").to_string_lossy().into_owned();
    let findings = report["findings"].as_array().unwrap();
    let codes: Vec<_> =
        findings.iter().filter(|f| f["source"]["path"] == odd.as_str()).map(|f| &f["code"]).collect();
    assert!(codes.iter().any(|c| *c == code), "no {code}, but {codes:?}");
    report
}

fn with_odd_file(content: impl AsRef<[u8]>, code: &str) -> Value {
    let machine = machine();
    machine.file(".cursor/mcp.json", content);
    scan(&machine, code)
}

const SERVER: &str = r#"{"mcpServers":{"odd":{"command":"npx","args":["-y","x@1.0.0"]}}}"#;

#[test]
fn a_file_of_no_bytes_is_not_a_file_without_servers() {
    with_odd_file("", "unparseable-config");
}

#[test]
fn a_truncated_file_is_told_with_its_place() {
    let machine = machine();
    machine.file(".codeium/windsurf/mcp_config.json", &SERVER[..40]);
    let report = machine.scan(&[]);
    let finding =
        report["findings"].as_array().unwrap().iter().find(|f| f["code"] == "unparseable-config").unwrap();
    assert!(finding["source"]["column"].as_u64().unwrap() > 30);
}

#[test]
fn a_truncated_file_still_starts_servers_in_a_tolerant_client() {
    let report = with_odd_file(&SERVER[..SERVER.len() - 2], "damaged-config");
    assert!(texts(&report, "entries", "/name").contains(&"odd".to_owned()));
}

#[test]
fn merge_markers_are_told() {
    let machine = machine();
    machine.file("src/p/.mcp.json", format!("<<<<<<< HEAD\n{SERVER}\n=======\n{SERVER}\n>>>>>>> other\n"));
    let report = machine.scan(&[]);
    assert!(texts(&report, "findings", "/code").contains(&"unparseable-config".to_owned()));
    assert!(texts(&report, "entries", "/name").contains(&"good-before".to_owned()));
}

#[test]
fn utf_16_is_read_and_told() {
    let bytes: Vec<u8> =
        [0xFEFF].into_iter().chain(SERVER.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let report = with_odd_file(bytes, "file-refused");
    assert!(texts(&report, "entries", "/name").contains(&"odd".to_owned()));
    assert!(codes_of(&report, "odd").contains(&"inert-entry".to_owned()));
}

#[test]
fn invalid_utf_8_is_told() {
    with_odd_file(b"{\"mcpServers\":{\"\xff\xfe\":{}}}", "damaged-config");
    with_odd_file(b"\xff{\"mcpServers\":{}}", "unparseable-config");
}

#[test]
fn nul_bytes_are_told() {
    with_odd_file([0u8; 4096], "unparseable-config");
}

#[test]
fn sixty_four_megabytes_are_not_read() {
    let machine = machine();
    let path = machine.file(".cursor/mcp.json", "");
    fs::File::options().write(true).open(path).unwrap().set_len(64 << 20).unwrap();
    let report = scan(&machine, "config-too-large");
    assert!(texts(&report, "coverage", "/kind").contains(&"too-large".to_owned()));
}

#[test]
fn a_named_pipe_does_not_hang_the_scan() {
    let machine = machine();
    let path = machine.file(".cursor/x", "").with_file_name("mcp.json");
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    scan(&machine, "not-a-regular-file");
}

#[test]
fn a_socket_is_not_opened() {
    let machine = machine();
    let path = machine.file(".cursor/x", "").with_file_name("mcp.json");
    let _socket = std::os::unix::net::UnixListener::bind(path).unwrap();
    scan(&machine, "not-a-regular-file");
}

#[test]
fn a_directory_with_the_name_of_a_config_is_told() {
    let machine = machine();
    machine.file(".cursor/mcp.json/x", "");
    scan(&machine, "not-a-regular-file");
}

#[test]
fn a_link_to_itself_is_told() {
    let machine = machine();
    let path = machine.file(".cursor/x", "").with_file_name("mcp.json");
    std::os::unix::fs::symlink("mcp.json", path).unwrap();
    scan(&machine, "unreadable-config");
}

#[test]
fn a_link_to_nowhere_is_told() {
    let machine = machine();
    let path = machine.file(".cursor/x", "").with_file_name("mcp.json");
    std::os::unix::fs::symlink("/nonexistent/y", path).unwrap();
    let report = machine.scan(&[]);
    assert!(!report["findings"].as_array().unwrap().is_empty());
}

#[test]
fn a_link_out_of_the_home_is_told_and_not_followed() {
    let machine = machine();
    let path = machine.file(".cursor/x", "").with_file_name("mcp.json");
    let outside = machine.root().join("outside.json");
    fs::write(&outside, SERVER).unwrap();
    std::os::unix::fs::symlink(outside, path).unwrap();
    let report = scan(&machine, "symlink-leaves-home");
    assert!(!texts(&report, "entries", "/name").contains(&"odd".to_owned()));
}

#[test]
fn a_link_that_stays_in_the_home_is_read_where_it_points() {
    let machine = machine();
    let path = machine.file(".cursor/x", "").with_file_name("mcp.json");
    machine.file("dotfiles/cursor.json", SERVER);
    std::os::unix::fs::symlink("../dotfiles/cursor.json", path).unwrap();
    let report = machine.scan(&[]);
    assert!(texts(&report, "entries", "/name").contains(&"odd".to_owned()));
}

#[test]
fn a_loop_of_directories_does_not_hold_the_walk() {
    let machine = machine();
    machine.file("src/loop/a/x", "");
    std::os::unix::fs::symlink("..", machine.home().join("src/loop/a/up")).unwrap();
    std::os::unix::fs::symlink(".", machine.home().join("src/loop/self")).unwrap();
    let report = machine.scan(&[]);
    assert_eq!(report["summary"]["entries"], 2);
}

#[test]
fn two_thousand_and_a_hundred_thousand_levels_silence_nobody() {
    for levels in [2_000, 100_000] {
        let deep = format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        let text = format!("{{\"x\":{deep},\"mcpServers\":{{\"odd\":{{\"command\":\"npx\"}}}}}}");
        let report = with_odd_file(text, "deep-nesting");
        assert!(texts(&report, "entries", "/name").contains(&"odd".to_owned()));
    }
}

#[test]
fn a_lone_surrogate_hides_no_server() {
    let machine = machine();
    machine.file(".cursor/mcp.json", r#"{"x":"\ud800","mcpServers":{"odd\udfff":{"command":"npx"}}}"#);
    let report = machine.scan(&[]);
    assert!(texts(&report, "entries", "/name").contains(&"odd\u{fffd}".to_owned()));
}

#[test]
fn a_hundred_thousand_entries_are_all_reported() {
    let machine = machine();
    let entries: Vec<String> = (0..100_000)
        .map(|n| format!("\"s{n}\":{{\"command\":\"npx\",\"args\":[\"-y\",\"p{n}@1.0.0\"]}}"))
        .collect();
    machine.file(".cursor/mcp.json", format!("{{\"mcpServers\":{{{}}}}}", entries.join(",")));
    let report = machine.scan(&[]);
    assert_eq!(report["summary"]["entries"], 100_002);
}

#[test]
fn both_of_two_duplicates_are_shown_and_the_last_is_live() {
    let text = r#"{"mcpServers":{"odd":{"command":"first"},"odd":{"command":"last"}}}"#;
    let report = with_odd_file(text, "duplicate-key");
    let odd: Vec<_> = report["entries"].as_array().unwrap().iter().filter(|e| e["name"] == "odd").collect();
    assert_eq!(odd.len(), 2);
    assert_eq!((&odd[0]["command"], &odd[0]["inert"]), (&Value::from("first"), &Value::from("overridden")));
    assert_eq!((&odd[1]["command"], odd[1].get("inert")), (&Value::from("last"), None));
}

#[test]
fn yaml_aliases_that_multiply_are_told() {
    let machine = machine();
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let items = vec![format!("*a{}", n - 1); 10].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{items}]\n"));
    }
    machine.file(".config/goose/config.yaml", text);
    let report = machine.scan(&[]);
    assert!(texts(&report, "findings", "/code").contains(&"unparseable-config".to_owned()));
    assert!(texts(&report, "entries", "/name").contains(&"good-before".to_owned()));
}

/// Runs a scan of the machine's home and returns its report and how long it took.
fn timed(machine: &TestMachine) -> (Value, std::time::Duration) {
    let start = std::time::Instant::now();
    let report = machine.scan(&[]);
    (report, start.elapsed())
}

#[test]
fn small_files_that_are_costly_to_judge_do_not_hold_the_scan() {
    let machine = machine();
    let home = machine.home();
    let duplicates = (0..20_000).map(|n| format!("\"a\":{n}")).collect::<Vec<_>>().join(",");
    let approvals = vec!["\"mcp__a\""; 20_000].join(",");
    machine.file(".cursor/mcp.json", format!("{{\"mcpServers\":{{{duplicates}}}}}"));
    machine.file(".claude/settings.json", format!("{{\"permissions\":{{\"allow\":[{approvals}]}}}}"));
    machine.file(
        ".codex/config.toml",
        format!("[projects.\"{}{}\"]\ntrust_level = \"trusted\"\n", home.display(), "/a".repeat(20_000)),
    );
    let (report, took) = timed(&machine);
    assert!(texts(&report, "entries", "/name").contains(&"good-after".to_owned()));
    assert!(took.as_secs() < 60, "{took:?}");
}

#[test]
fn a_clients_folder_that_is_a_link_hides_nothing() {
    let machine = machine();
    machine.file("src/p/node_modules/kit/c/mcp.json", SERVER);
    std::os::unix::fs::symlink("node_modules/kit/c", machine.home().join("src/p/.cursor")).unwrap();
    let report = machine.scan(&[]);
    assert!(texts(&report, "entries", "/name").contains(&"odd".to_owned()));
}

#[test]
fn a_linked_project_in_a_cache_is_read_and_the_rest_of_it_is_a_gap() {
    let machine = machine();
    machine.file(".cache/proj/.mcp.json", SERVER);
    std::os::unix::fs::symlink(".cache/proj", machine.home().join("proj")).unwrap();
    let report = machine.scan(&[]);
    assert!(texts(&report, "entries", "/name").contains(&"odd".to_owned()));
    assert!(texts(&report, "coverage", "/kind").contains(&"linked-directory".to_owned()));
}

#[test]
fn sandboxed_editors_keep_their_files_in_places_of_their_own() {
    let machine = machine();
    machine.file(
        ".var/app/com.visualstudio.code/config/Code/User/mcp.json",
        r#"{"servers":{"flatpak":{"command":"x"}}}"#,
    );
    machine.file("snap/code/current/.config/Code/User/mcp.json", r#"{"servers":{"snap":{"command":"x"}}}"#);
    let names = texts(&machine.scan(&[]), "entries", "/name");
    assert!(names.contains(&"flatpak".to_owned()) && names.contains(&"snap".to_owned()), "{names:?}");
}

#[test]
fn a_padded_start_file_is_a_gap() {
    let machine = machine();
    machine.file(".bashrc", format!("#{}\nexport CODEX_HOME=/x\n", "x".repeat(1 << 20)));
    let report = machine.scan(&[]);
    let bashrc = machine.home().join(".bashrc").to_string_lossy().into_owned();
    assert!(texts(&report, "coverage", "/path").contains(&bashrc));
}

#[test]
fn an_output_that_is_a_pipe_or_a_link_is_written_through() {
    let machine = machine();
    let home = machine.home();
    let (real, link, pipe) =
        (machine.root().join("real"), machine.root().join("link"), machine.root().join("pipe"));
    fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let scan = |out: &std::path::Path| {
        let arguments =
            ["scan", "--home", home.to_str().unwrap(), "--format", "mdm", "--output", out.to_str().unwrap()];
        assert_eq!(machine.run(&arguments).status.code(), Some(0));
    };
    scan(&link);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    #[allow(clippy::disallowed_methods, reason = "a file of the test itself")]
    let written = fs::read_to_string(&real).unwrap();
    assert!(written.contains("servers=2"));
    let reader = Command::new("cat").arg(&pipe).stdout(std::process::Stdio::piped()).spawn().unwrap();
    scan(&pipe);
    let piped = reader.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&piped.stdout).contains("servers=2"));
    use std::os::unix::fs::FileTypeExt;
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn a_clients_folder_that_links_out_of_the_home_is_a_gap() {
    let machine = machine();
    fs::create_dir_all(machine.root().join("out")).unwrap();
    fs::write(machine.root().join("out/mcp.json"), SERVER).unwrap();
    std::os::unix::fs::symlink(machine.root().join("out"), machine.home().join(".cursor")).unwrap();
    let report = machine.scan(&[]);
    assert!(texts(&report, "coverage", "/kind").contains(&"outside-scope".to_owned()));
}

#[test]
fn a_hard_linked_file_of_the_user_is_read() {
    let machine = machine();
    let path = machine.file(".cursor/mcp.json", SERVER);
    fs::hard_link(&path, machine.home().join("backup")).unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(texts(&machine.scan(&[]), "entries", "/name").contains(&"odd".to_owned()));
}

#[test]
fn a_plugin_in_a_walked_folder_keeps_its_plugin_reader() {
    let machine = machine();
    let plugin = machine.file("plug/.mcp.json", r#"{"bare":{"command":"x"}}"#);
    let index =
        format!(r#"{{"plugins":{{"p":[{{"installPath":"{}"}}]}}}}"#, plugin.parent().unwrap().display());
    machine.file(".claude/plugins/installed_plugins.json", index);
    let report = machine.scan(&[]);
    let entry = report["entries"].as_array().unwrap().iter().find(|e| e["name"] == "bare").unwrap().clone();
    assert_eq!(entry["readers"][0]["client"], "claude-code", "{entry}");
}
