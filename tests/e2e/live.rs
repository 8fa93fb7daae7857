//! Scans of a live machine: in name spaces of their own, with throw-away homes, so that nothing of the machine that
//! runs the tests is looked at.

use std::path::Path;
use std::process::{Command, Stdio};

use mcpolicy_tests::{TestMachine, codes_of, report_of, skip, texts};
use serde_json::Value;

/// Whether name spaces can be made here (root, or users allowed to).
pub(crate) fn can_isolate() -> bool {
    let probe = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--net", "true"])
        .stderr(Stdio::null())
        .status();
    let can = probe.is_ok_and(|s| s.success());
    if !can {
        skip("name spaces need root and unshare");
    }
    can
}

/// Runs a script where `/root`, `/home`, `/etc` and `/proc` are a throw-away machine's. `$MCPOLICY` is the program.
pub(crate) fn isolated(machine: &TestMachine, script: &str) -> Value {
    let setup = format!(
        "set -e
        root={root}
        mkdir -p $root/etc $root/root $root/home/dev $root/bin
        cp /etc/ld.so.cache $root/etc/ 2>/dev/null || true
        printf 'root:x:0:0::/root:/bin/sh\\ndev:x:1000:1000::/home/dev:/bin/sh\\n' > $root/etc/passwd
        mount --bind $root/etc /etc; mount --bind $root/root /root; mount --bind $root/home /home
        mount -t proc proc /proc
        export HOME=/root PATH=/usr/local/bin:/usr/bin:/bin MCPOLICY={binary}
        {script}",
        root = machine.root().display(),
        binary = crate::BINARY,
    );
    let output = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--net", "bash", "-c", &setup])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    report_of(&output)
}

/// A client and its server: shells that wait, under names of their own.
pub(crate) const FAKE_CLIENT: &str = r#"
    cp $(command -v bash) /home/dev/claude
    cat > /home/dev/run.sh <<'X'
/bin/sleep 30 &
npx_like() { exec -a npx /bin/bash -c 'sleep 30; :' "$@"; }
(exec -a uvx /bin/bash -c 'sleep 30; :' declared-mcp) &
(exec -a uvx /bin/bash -c 'sleep 30; :' undeclared-mcp) &
sleep 30
X
    (cd /home/dev && exec setpriv --reuid 1000 --regid 1000 --clear-groups /home/dev/claude run.sh --dangerously-skip-permissions --mcp-config '{"mcpServers":{"x":{"env":{"K":"Planted99999"}}}}') >/dev/null 2>&1 &
    sleep 0.5
"#;

#[test]
fn all_users_of_a_machine_are_scanned_by_root() {
    if !can_isolate() {
        return;
    }
    let machine = TestMachine::new(crate::BINARY);
    machine.file(".claude.json", r#"{"mcpServers":{"of-dev":{"command":"npx","args":["-y","a@1.0.0"]}}}"#);
    let script = r#"
        printf '{"mcpServers":{"of-root":{"command":"x"}}}' > /root/.claude.json
        mkdir -p /etc/claude-code; printf '{"mcpServers":{"managed":{"type":"http","url":"https://m.example.com/mcp"}}}' > /etc/claude-code/managed-mcp.json
        $MCPOLICY scan --format json"#;
    let report = isolated(&machine, script);
    let mut names = texts(&report, "entries", "/name");
    names.sort();
    assert_eq!(names, ["managed", "of-dev", "of-root"]);
    assert_eq!(report["scan"]["mode"], "machine");
    let users = texts(&report, "entries", "/user");
    assert!(users.contains(&"dev".to_owned()) && users.contains(&"root".to_owned()));
}

#[test]
fn running_servers_are_matched_and_undeclared_ones_told() {
    if !can_isolate() {
        return;
    }
    let machine = TestMachine::new(crate::BINARY);
    let entry = r#"{"command":"bash","args":["-c","sleep 30; :","declared-mcp"]}"#;
    machine.file(
        ".claude.json",
        format!(r#"{{"mcpServers":{{"declared":{entry},"idle":{{"command":"uvx","args":["idle-mcp"]}}}}}}"#),
    );
    let report = isolated(&machine, &format!("{FAKE_CLIENT}\n$MCPOLICY scan --format json"));
    let running = |name: &str| {
        report["entries"].as_array().unwrap().iter().find(|e| e["name"] == name).unwrap()["running"].clone()
    };
    assert_eq!((running("declared"), running("idle")), (Value::Bool(true), Value::Bool(false)));
    let codes = texts(&report, "findings", "/code");
    assert!(codes.contains(&"permission-bypass".to_owned()), "{codes:?}");
    let undeclared: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["code"] == "undeclared-server")
        .map(|f| f["message"].as_str().unwrap().to_owned())
        .collect();
    assert!(undeclared.iter().any(|m| m.contains("undeclared-mcp")), "{undeclared:?}");
    assert!(undeclared.iter().any(|m| m.contains("--mcp-config")), "{undeclared:?}");
    assert!(!report.to_string().contains("Planted99999"), "a secret of a command line was shown");
    assert!(codes_of(&report, "declared").iter().all(|c| c != "undeclared-server"));
}

#[test]
fn the_environment_of_a_running_client_moves_its_files() {
    if !can_isolate() {
        return;
    }
    let machine = TestMachine::new(crate::BINARY);
    machine.file("moved/.claude.json", r#"{"mcpServers":{"moved":{"command":"x"}}}"#);
    let script = r#"
        cp $(command -v sleep) /home/dev/claude
        CLAUDE_CONFIG_DIR=/home/dev/moved setpriv --reuid 1000 --regid 1000 --clear-groups /home/dev/claude 30 >/dev/null 2>&1 &
        sleep 0.3
        $MCPOLICY scan --format json"#;
    let report = isolated(&machine, script);
    assert_eq!(texts(&report, "entries", "/name"), ["moved"]);
}

#[test]
fn a_scan_starts_nothing_writes_nothing_and_uses_no_network() {
    let machine = TestMachine::new(crate::BINARY);
    machine.file(".claude.json", r#"{"mcpServers":{"a":{"command":"npx","args":["-y","a"]},"b":{"type":"http","url":"http://127.0.0.1:9/"}}}"#);
    let log = machine.root().join("trace");
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=execve,openat,open,creat,connect,socket,unlink,unlinkat,rename,renameat2,mkdir,mkdirat,fork,vfork"])
        .arg("-o")
        .arg(&log)
        .arg(crate::BINARY)
        .args(["scan", "--format", "json", "--home"])
        .arg(machine.home())
        .env_clear()
        .stdin(Stdio::null())
        .output();
    let Ok(output) = traced else {
        skip("strace is not installed");
        return;
    };
    assert_eq!(texts(&report_of(&output), "entries", "/name"), ["a", "b"]);
    #[allow(clippy::disallowed_methods, reason = "a file of the test itself")]
    let trace = std::fs::read_to_string(Path::new(&log)).unwrap();
    assert!(trace.contains("openat("), "the trace is empty");
    let changes = |line: &&str| {
        let writes = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|f| line.contains(f));
        let others =
            ["connect(", "socket(", "unlink", "rename", "mkdir", "fork("].iter().any(|c| line.contains(c));
        writes || others
    };
    assert_eq!(trace.lines().filter(changes).collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!(trace.lines().filter(|l| l.contains("execve(")).count(), 1, "only the scan itself is started");
}
