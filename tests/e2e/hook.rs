//! `hook`: a client asks about each call of a server's tool, and the running agent answers by what the policy says at that
//! moment. Each as a user's own agent and as root's.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use mcpolicy_schema::report::v1::{Body, Class, Record, ToolCall};
use serde_json::{Value, json};

use crate::actions::{DEV, both};
use crate::enforce::{Site, npx, own, policy, rule};
use crate::reported::{records, wait, with_spool};
use crate::run::{Daemon, put};

/// What a client must never find in a record, a log or an answer.
pub(crate) const SECRET: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz01";

/// Where the agent of a test listens: its user can reach it, whoever runs it.
pub(crate) fn socket(site: &Site) -> String {
    let folder = site.folder("run");
    std::fs::create_dir_all(&folder).unwrap();
    if let Some(uid) = site.run_by {
        own(uid, &folder);
    }
    folder.join("agent.sock").to_str().unwrap().to_owned()
}

/// An agent that reports.
fn start(site: &Site) -> Daemon {
    let (settings, socket) = (with_spool(site), socket(site));
    Daemon::start_with(site, &["--settings", &settings, "--socket", &socket]).0
}

/// A hook of the home's user.
fn command(site: &Site, client: &str) -> Command {
    let mut command = Command::new("/usr/bin/setpriv");
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    if is_root {
        let uid = DEV.to_string();
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups"]);
    }
    command.args([crate::BINARY, "hook", client, "--socket", &socket(site)]).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // who refuses before all is read closes it
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// What a client's hook answers to an input.
fn ask(site: &Site, client: &str, input: &Value) -> Output {
    run(command(site, client), input.to_string().as_bytes())
}

/// Whether a hook's answer lets the call go on, in the form of its client.
fn is_let_through(client: &str, output: &Output) -> bool {
    if client != "cursor" {
        assert!(output.stdout.is_empty(), "{output:?}");
        let code = output.status.code().unwrap();
        assert!(
            code == 0 && output.stderr.is_empty() || code == 2 && !output.stderr.is_empty(),
            "{output:?}"
        );
        return code == 0;
    }
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    match said["permission"].as_str() {
        Some("allow") => true,
        Some("deny") => {
            assert!(said["agent_message"].as_str().is_some_and(|message| message.contains("mcpolicy")));
            false
        }
        _ => panic!("{said}"),
    }
}

/// What a client says before a call of a server.
fn before(client: &str, server: &str, tool: &str) -> Value {
    let id = format!("call-{server}-{tool}");
    let arguments = json!({"text": format!("use {SECRET}")});
    match client {
        "cursor" => json!({
            "hook_event_name": "beforeMCPExecution", "conversation_id": "session-1", "tool_name": tool,
            "tool_input": arguments.to_string(), "mcp_server_name": server, "workspace_roots": ["/home/dev/p"],
            "command": format!("npx -y @acme/{server}@1.0.0"), "user_email": "dev@example.com",
        }),
        _ => json!({
            "hook_event_name": "PreToolUse", "session_id": "session-1", "cwd": "/home/dev/p", "tool_use_id": id,
            "tool_name": format!("mcp__{server}__{tool}"), "tool_input": arguments,
            "mcp_server": {"name": server, "source": "user"},
        }),
    }
}

/// What it says when the call is over.
fn after(client: &str, server: &str, tool: &str) -> Value {
    let mut end = before(client, server, tool);
    let (name, result) = match client {
        "cursor" => ("afterMCPExecution", ("result_json", json!(format!("{{\"content\":\"{SECRET}\"}}")))),
        _ => ("PostToolUse", ("tool_response", json!([{"type": "text", "text": SECRET}]))),
    };
    end["hook_event_name"] = json!(name);
    end[result.0] = result.1;
    end["duration_ms"] = json!(0);
    end
}

/// The file of each client with two servers.
fn declare(site: &Site) {
    put(site, ".claude.json", &servers_of("mcpServers"));
    put(site, ".cursor/mcp.json", &servers_of("mcpServers"));
    let codex = "[mcp_servers.good]\ncommand = \"npx\"\nargs = [\"-y\", \"@acme/good@1.0.0\"]\n\
        [mcp_servers.other]\ncommand = \"npx\"\nargs = [\"-y\", \"@acme/other@1.0.0\"]\n";
    put(site, ".codex/config.toml", codex);
}

fn servers_of(key: &str) -> String {
    json!({key: {"good": npx("@acme/good@1.0.0"), "other": npx("@acme/other@1.0.0")}}).to_string()
}

const CLIENTS: [&str; 3] = ["claude", "codex", "cursor"];

pub(crate) fn calls(records: &[Record]) -> Vec<ToolCall> {
    let calls = records.iter().filter_map(|record| match &record.body {
        Body::ToolCall(call) => Some(call.clone()),
        _ => None,
    });
    calls.collect()
}

pub(crate) fn wait_for(site: &Site, is_it: impl Fn(&ToolCall) -> bool) -> Vec<ToolCall> {
    let found =
        wait(site, Class::ToolCall, |record| matches!(&record.body, Body::ToolCall(call) if is_it(call)));
    calls(&found)
}

#[test]
fn a_call_is_let_through_as_long_as_its_server_is_allowed_and_each_is_recorded_once_with_its_end() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("@acme/other")])));
        declare(site);
        let daemon = start(site);
        for client in CLIENTS {
            for server in ["good", "other"] {
                let output = ask(site, client, &before(client, server, "echo"));
                assert!(is_let_through(client, &output), "{client}: {output:?}");
                assert!(is_let_through(client, &ask(site, client, &after(client, server, "echo"))));
            }
        }
        // the policy allows the one of them no more: sessions that began before are refused with it
        // a session of the agent lasts at least so long before a newer policy ends it
        std::thread::sleep(Duration::from_millis(2500));
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        if let Some(uid) = site.run_by {
            own(uid, &site.folder("published"));
        }
        daemon.wait("a pass", |line| line["what"] == "pass" && line["sequence"] == 2);
        for client in CLIENTS {
            let output = ask(site, client, &before(client, "other", "echo"));
            assert!(!is_let_through(client, &output), "{client}: {output:?}");
            let said = String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap();
            assert!(said.contains("other") && said.contains("#mcp-help") && !said.contains(SECRET), "{said}");
            assert!(is_let_through(client, &ask(site, client, &before(client, "good", "again"))));
            // none of a server of anybody's
            let edit = json!({"hook_event_name": "PreToolUse", "tool_name": "Edit", "tool_input": {}});
            assert!(is_let_through(client, &ask(site, client, &edit)));
        }
        let told = wait_for(site, |call| call.decision == "deny" && call.client == "cursor");
        let of = |decision: &str| told.iter().filter(|call| call.decision == decision).count();
        assert_eq!(
            (of("allow"), of("deny")),
            (6, 3),
            "calls that go on are told when they are over: {told:?}"
        );
        for call in &told {
            let identity = call.identity.as_ref().unwrap();
            assert!(
                identity.name.contains("@acme/") && call.user == "dev" && call.session == "session-1",
                "{call:?}"
            );
            assert!(call.input.len() == 16 && call.fingerprint.starts_with("sha256:"), "{call:?}");
            assert_eq!(
                (&*call.tool, call.result == "ok", call.reason.is_empty()),
                ("echo", call.decision == "allow", call.decision == "allow")
            );
            assert_eq!(call.latency_ms.is_some(), call.decision == "allow");
        }
        assert_eq!(daemon.stop(), Some(0));
        let told = calls(&records(site, Class::ToolCall));
        let open = told.iter().filter(|call| call.tool == "again" && call.result == "unknown").count();
        assert_eq!(open, 3, "what went on is told when the agent ends");
        holds_no_secret(site);
    });
}

/// Nothing of arguments and results is anywhere that the agent writes.
pub(crate) fn holds_no_secret(site: &Site) {
    let found = Command::new("grep").args(["-rlF", SECRET]).arg(site.folder("state")).output().unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn a_server_that_no_file_declares_is_refused_where_nothing_allows_it_and_judged_by_what_cursor_says_of_it() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        declare(site);
        let daemon = start(site);
        for client in CLIENTS {
            let output = ask(site, client, &before(client, "stranger", "echo"));
            assert!(!is_let_through(client, &output), "{client}: {output:?}");
            let said = String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap();
            assert!(said.contains("stranger") && said.contains("#mcp-help"), "{said}");
        }
        let told = wait_for(site, |call| call.client == "cursor");
        let reasons: Vec<&str> = told.iter().map(|call| &*call.reason).collect();
        assert_eq!(reasons, ["undeclared-server", "undeclared-server", "not-allowed"], "{told:?}");
        // the editor's own server of Claude Code, and of no other client
        assert!(is_let_through("claude", &ask(site, "claude", &before("claude", "ide", "getDiagnostics"))));
        assert!(!is_let_through("codex", &ask(site, "codex", &before("codex", "ide", "getDiagnostics"))));
        // no file declares it, but a rule is about what it runs; and under the name of an approved entry something else is
        let mut input = before("cursor", "unheard", "echo");
        input["command"] = json!("npx -y @acme/good@1.0.0");
        assert!(is_let_through("cursor", &ask(site, "cursor", &input)));
        let mut input = before("cursor", "good", "echo");
        input["command"] = json!("npx -y @evil/good@1.0.0");
        assert!(!is_let_through("cursor", &ask(site, "cursor", &input)));
        input["command"] = Value::Null;
        input["url"] = json!(format!("https://attacker.example/mcp?token={SECRET}"));
        let output = ask(site, "cursor", &input);
        assert!(!is_let_through("cursor", &output));
        assert!(!String::from_utf8(output.stdout).unwrap().contains(SECRET));
        // Claude Code says that a flag gave it: what a file declares under that name is another server
        let mut input = before("claude", "good", "echo");
        assert!(is_let_through("claude", &ask(site, "claude", &input)));
        input["mcp_server"]["source"] = json!("dynamic");
        assert!(!is_let_through("claude", &ask(site, "claude", &input)));
        assert_eq!(daemon.stop(), Some(0));
        holds_no_secret(site);
    });
}

/// Denied entries that Cursor and Claude Code read in one folder and not in another.
#[test]
fn an_entry_of_a_project_counts_there_and_a_tool_that_its_rule_forbids_is_refused_everywhere() {
    both(|site| {
        let mut good = rule("@acme/good");
        good["tools"] = json!({"never": ["delete"]});
        site.publish(&policy(&json!({"mode": "observe"}), &json!([good])));
        declare(site);
        put(site, "p/.mcp.json", &json!({"mcpServers": {"good": npx("evil@1.0.0")}}).to_string());
        put(site, "q/README", "");
        let daemon = start(site);
        let ask_in = |folder: &str, tool: &str| {
            let mut input = before("claude", "good", tool);
            input["cwd"] = json!(folder);
            assert!(is_let_through("claude", &ask(site, "claude", &input)), "the mode acts on nothing");
            assert!(is_let_through("claude", &ask(site, "claude", &after("claude", "good", tool))));
        };
        ask_in("/home/dev/p/below", "one");
        ask_in("/home/dev/q", "two");
        ask_in("/home/dev/q", "delete");
        let told = wait_for(site, |call| call.tool == "delete");
        let decided: Vec<_> = told.iter().map(|call| (&*call.tool, &*call.decision, &*call.reason)).collect();
        let expected =
            [("one", "would", "not-allowed"), ("two", "allow", ""), ("delete", "would", "tool-never")];
        assert_eq!(decided, expected, "{told:?}");
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// A session goes on with the server that it started, whatever its file says by now.
#[test]
fn a_session_that_holds_what_was_taken_out_is_refused_though_its_name_is_approved_again() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("@acme/other")])));
        let file = |package: &str| json!({"mcpServers": {"tool": npx(package)}}).to_string();
        put(site, ".claude.json", &file("@acme/other@1.0.0"));
        let daemon = start(site);
        assert!(is_let_through("claude", &ask(site, "claude", &before("claude", "tool", "echo"))));
        std::thread::sleep(Duration::from_millis(2500));
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        if let Some(uid) = site.run_by {
            own(uid, &site.folder("published"));
        }
        daemon.wait("a pass", |line| line["what"] == "pass" && line["sequence"] == 2);
        put(site, ".claude.json", &file("@acme/good@1.0.0"));
        daemon.wait("a look", |line| line["what"] == "look" && line["servers"] == 1);
        let mut input = before("claude", "tool", "echo");
        let output = ask(site, "claude", &input);
        assert!(!is_let_through("claude", &output));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("start the client anew"), "{said}");
        input["session_id"] = json!("session-2");
        assert!(is_let_through("claude", &ask(site, "claude", &input)), "a session that began since");
        assert_eq!(daemon.stop(), Some(0));
    });
}

#[test]
fn hostile_input_is_refused_and_nothing_of_it_is_told() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        declare(site);
        let daemon = start(site);
        let deep = format!(
            "{{\"hook_event_name\":\"PreToolUse\",\"tool_input\":{}{}}}",
            "[".repeat(200_000),
            "]".repeat(200_000)
        );
        let huge = json!({"hook_event_name": "PreToolUse", "tool_name": "mcp__good__echo", "tool_input": "x".repeat(17 << 20)});
        let mut broken = before("claude", "good", "echo").to_string().into_bytes();
        broken.truncate(broken.len() - 3);
        let inputs =
            [Vec::new(), b"\xff\xfe".to_vec(), deep.into_bytes(), huge.to_string().into_bytes(), broken];
        for input in &inputs {
            for client in CLIENTS {
                let output = run(command(site, client), input);
                assert!(!is_let_through(client, &output), "{client}: {:?}", output.status);
                let said = [&output.stdout[..], &output.stderr[..]].concat();
                assert!(said.len() < 2000 && !String::from_utf8_lossy(&said).contains("ghp_"), "{output:?}");
            }
        }
        // names, sessions and paths that are secrets, escapes and books
        let mut input = before("claude", &format!("good {SECRET}"), "echo");
        input["session_id"] = json!(format!("{SECRET}\u{1b}[2J"));
        input["tool_use_id"] = json!("x".repeat(900));
        input["cwd"] = json!(format!("/home/dev/{SECRET}"));
        let output = ask(site, "claude", &input);
        assert!(!is_let_through("claude", &output));
        assert!(!String::from_utf8(output.stderr).unwrap().contains(SECRET));
        let told = wait_for(site, |call| call.server.starts_with("good <secret:"));
        assert_eq!(told.iter().filter(|call| call.reason == "unreadable-call").count(), 15);
        assert!(told.iter().all(|call| call.call.len() < 200 && call.session.len() < 200));
        assert_eq!(daemon.stop(), Some(0));
        holds_no_secret(site);
    });
}

#[test]
fn without_an_agent_calls_are_refused_soon_but_where_its_last_mode_acts_on_nothing() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        declare(site);
        let refused = |what: &str| {
            let begin = std::time::Instant::now();
            let output = ask(site, "claude", &before("claude", "good", "echo"));
            assert!(!is_let_through("claude", &output), "{what}");
            assert!(begin.elapsed() < Duration::from_secs(8), "{what}: clients wait for ten seconds");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains("the agent of this machine"), "{said}");
        };
        refused("never started");
        let daemon = start(site);
        assert!(is_let_through("claude", &ask(site, "claude", &before("claude", "good", "echo"))));
        daemon.signal("STOP");
        refused("stopped");
        // and one that goes on in time is waited for
        let waiting = std::thread::scope(|scope| {
            let asked = scope.spawn(|| ask(site, "claude", &before("claude", "good", "echo")));
            std::thread::sleep(Duration::from_millis(700));
            daemon.signal("CONT");
            asked.join().unwrap()
        });
        assert!(is_let_through("claude", &waiting), "{waiting:?}");
        assert_eq!(daemon.stop(), Some(0));
        refused("ended");
        // a call that is over holds nobody up, and neither does what is none of a server
        assert!(is_let_through("claude", &ask(site, "claude", &after("claude", "good", "echo"))));
        let edit = json!({"hook_event_name": "PreToolUse", "tool_name": "Edit", "tool_input": {}});
        assert!(is_let_through("claude", &ask(site, "claude", &edit)));
        site.publish(&policy(&json!({"mode": "warn"}), &json!([rule("@acme/good")])));
        let daemon = start(site);
        assert_eq!(daemon.stop(), Some(0));
        for client in CLIENTS {
            assert!(
                is_let_through(client, &ask(site, client, &before(client, "stranger", "echo"))),
                "{client}"
            );
        }
    });
}

/// A user's own agent must not speak for that of the machine, which is down: the hook of a managed file names no place.
#[test]
fn only_an_administrators_agent_is_believed_where_no_place_is_given() {
    let mut command = Command::new(crate::BINARY);
    command
        .args(["hook", "claude"])
        .env_clear()
        .env("XDG_RUNTIME_DIR", "/nonexistent")
        .env("HOME", "/nonexistent");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = run(command, before("claude", "good", "echo").to_string().as_bytes());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/run/mcpolicy") && !said.contains("/nonexistent"), "{said}");
    let wrong = Command::new(crate::BINARY).args(["hook", "nobody"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2), "a wrong use refuses, too");
}

/// From the start of the hook's process to its end, with an agent beside it. A busy machine says nothing: run by hand.
#[test]
#[ignore = "a measurement: run it alone, on a machine that does nothing else"]
fn a_hook_answers_within_twenty_milliseconds() {
    let mut site = crate::actions::site_run_by(None);
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("@acme/other")])));
    declare(&site);
    let daemon = start(&site);
    let input = before("claude", "good", "echo").to_string();
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..1000 {
        // without `setpriv`: what a client starts is the hook alone
        let mut command = Command::new(crate::BINARY);
        command.args(["hook", "claude", "--socket", &socket(&site)]).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begin = std::time::Instant::now();
        let output = run(command, input.as_bytes());
        took.push(begin.elapsed());
        assert!(is_let_through("claude", &output));
    }
    took.sort();
    let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    eprintln!("p50 {p50:?}, p99 {p99:?}");
    assert!(p99 < Duration::from_millis(20), "p50 {p50:?}, p99 {p99:?}");
    assert_eq!(daemon.stop(), Some(0));
}
