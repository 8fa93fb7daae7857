//! What the running agent tells: `status` with its exit codes, who is told of what, and what it does for those who ask.

use std::process::Command;
use std::time::{Duration, Instant};

use mcpolicy_platform::writers::Writers;
use serde_json::{Value, json};

use crate::actions::both;
use crate::enforce::{Site, npx, own, policy, rule};
use crate::run::{Daemon, put, servers};
use crate::users::{ANN, BOB};

/// What `status --json` says, and its exit code.
pub(crate) fn status(site: &Site) -> (Value, i32) {
    let output = site.run(&["status", "--json"]);
    let said = serde_json::from_slice(&output.stdout);
    (said.unwrap_or_else(|_| panic!("{output:?}")), output.status.code().unwrap())
}

/// Waits until the status has this exit code: a change is looked at a moment after it was made.
pub(crate) fn status_with(site: &Site, code: i32) -> Value {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let (said, now) = status(site);
        if now == code {
            return said;
        }
        assert!(Instant::now() < end, "exit code {now} instead of {code}: {said}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_status_tells_what_was_done_and_detection_scripts_by_its_exit_code() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let (said, code) = status(site);
        assert_eq!((code, &said["state"]), (13, &json!("not-running")), "{said}");
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        let (daemon, _) = Daemon::start(site);
        let said = status_with(site, 0);
        assert_eq!(said["schema"], "mcpolicy/status/v1");
        assert_eq!(said["verdicts"], json!({"allow": 1, "deny": 0, "unknown": 0}), "{said}");
        assert_eq!((&said["policy"]["mode"], &said["policy"]["sequence"]), (&json!("enforce"), &json!(1)));
        // how old the policy is, and what ends first without news: what says that it is current, long before itself
        let policy = &said["policy"];
        let at = |member: &str| policy[member].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let hours = |member: &str| at(member).duration_since(at("as_of")).as_hours();
        assert_eq!((hours("stale_at"), hours("next_expiry")), (72, 30 * 24), "{policy}");
        assert!(
            policy["age_seconds"].as_i64().unwrap() >= 0 && at("expires") > at("next_expiry"),
            "{policy}"
        );
        let human = String::from_utf8(site.run(&["status"]).stdout).unwrap();
        assert!(
            human.contains(", without news stale ") && human.contains("; the policy itself ends "),
            "{human}"
        );
        let last = &said["recent"][0];
        assert_eq!((&last["server"], &last["action"]), (&json!("evil"), &json!("quarantine")), "{said}");
        let block = last["block"].as_str().unwrap();
        assert!(site.run(&["quarantine", "show", block]).status.success());
        assert_eq!(daemon.stop(), Some(0));
        assert_eq!(status(site).1, 13, "its socket is gone with it");
        // after an upgrade or a reboot it still says what it did
        let (daemon, _) = Daemon::start(site);
        let again = status_with(site, 0);
        assert_eq!(again["recent"][0]["block"], last["block"], "{again}");
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// Attack, or a script in a loop: a user asks without end, and whoever detects by exit code as that user is told that no
/// agent runs.
#[test]
fn who_asks_too_often_is_told_that_the_agent_runs() {
    both(|site| {
        let Some(_) = site.run_by else { return };
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let (daemon, _) = Daemon::start(site);
        status_with(site, 0);
        let codes: Vec<i32> =
            (0..60).map(|_| site.run(&["status", "--quiet"]).status.code().unwrap()).collect();
        assert!(codes.iter().all(|code| [0, 12].contains(code)), "{codes:?}");
        assert_eq!(daemon.stop(), Some(0));
    });
}

#[test]
fn what_the_policy_does_not_allow_and_nobody_may_take_out_is_not_compliant() {
    both(|site| {
        site.publish(&policy(&json!({"mode": "observe"}), &json!([rule("@acme/good")])));
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        let (daemon, _) = Daemon::start(site);
        let said = status_with(site, 10);
        assert_eq!((&said["open"], &said["open_entries"][0]["name"]), (&json!(1), &json!("evil")), "{said}");
        assert_eq!(said["layers"][1], json!({"name": "watch", "state": "report-only"}));
        let human = site.run(&["status"]);
        let human = String::from_utf8_lossy(&human.stdout).into_owned();
        assert!(human.starts_with("NON-COMPLIANT") && human.contains("evil (cursor)"), "{human}");
        // the user takes it out
        put(site, ".cursor/mcp.json", &json!({"mcpServers": {"good": npx("@acme/good@1.0.0")}}).to_string());
        status_with(site, 0);
        // a policy that is refused is no reason to believe that all is well
        std::fs::write(site.folder("published").join("head.json"), "{}").unwrap();
        let said = status_with(site, 12);
        assert!(said["problems"].to_string().contains("refused"), "{said}");
        assert_eq!(daemon.stop(), Some(0));
    });
}

#[test]
fn a_users_question_is_answered_with_the_users_own_and_changes_nothing_of_the_machine() {
    let Some(site) = crate::users::site() else { return };
    for (name, uid, server) in [("ann", ANN, "of-ann"), ("bob", BOB, "of-bob")] {
        let file = crate::users::home(&site, name).join(".cursor/mcp.json");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        let text = json!({"mcpServers": {server: npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")}});
        std::fs::write(&file, text.to_string()).unwrap();
        own(uid, &crate::users::home(&site, name));
    }
    let socket = site.machine.root().join("run/agent.sock");
    std::fs::create_dir(socket.parent().unwrap()).unwrap();
    let socket = socket.to_str().unwrap();
    let (daemon, _) = Daemon::start_with(&site, &["--socket", socket]);
    let ask_as = |uid: u32, words: &[&str]| {
        let uid = uid.to_string();
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", crate::BINARY]);
        command.args(words).args(["--socket", socket]).env_clear().output().unwrap()
    };
    let output = ask_as(ANN, &["status", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!((&said["user"], &said["verdicts"]["allow"]), (&json!("ann"), &json!(1)), "{said}");
    assert!(!said.to_string().contains("bob"), "{said}");
    let root: Value =
        serde_json::from_slice(&site.run(&["status", "--json", "--socket", socket]).stdout).unwrap();
    assert_eq!((&root["user"], &root["verdicts"]["allow"]), (&Value::Null, &json!(2)), "{root}");
    // whoever connects says what he wants: what counts is who he is
    let block = root["recent"][0]["block"].as_str().unwrap();
    let state = site.folder("state");
    let restore = ["quarantine", "restore", block, "--state", state.to_str().unwrap()];
    assert_eq!(ask_as(ANN, &restore).status.code(), Some(2));
    assert_eq!(daemon.stop(), Some(0));
}

/// The vault is root's: what its user asks for comes from what the agent tells of it.
#[test]
fn a_user_asks_for_what_the_machines_agent_took_and_is_told_where_else_to_ask_only_without_an_answer() {
    let Some(site) = crate::users::site() else { return };
    let secret = "ghp_0123456789abcdefghijklmnopqrstuvwxyz01";
    for (name, uid) in [("ann", ANN), ("bob", BOB)] {
        let file = crate::users::home(&site, name).join(".cursor/mcp.json");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        let server = json!({"command": "npx", "args": ["-y", "evil@1.0.0"], "env": {"API_TOKEN": secret}});
        let text = json!({"mcpServers": {format!("{name}secret"): server}});
        std::fs::write(&file, text.to_string()).unwrap();
        own(uid, &crate::users::home(&site, name));
    }
    let socket = site.machine.root().join("run/agent.sock");
    std::fs::create_dir(socket.parent().unwrap()).unwrap();
    let socket = socket.to_str().unwrap();
    let (daemon, _) = Daemon::start_with(&site, &["--socket", socket]);
    let state = site.folder("state");
    let ask_as = |name: &str, uid: u32, words: &[&str]| {
        let uid = uid.to_string();
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", crate::BINARY]);
        command.args(words).args(["--socket", socket, "--state", state.to_str().unwrap()]);
        let output = command.env_clear().env("HOME", crate::users::home(&site, name)).output().unwrap();
        let said = String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap();
        assert!(!said.contains(secret), "{said}");
        (output.status.code(), said)
    };
    let (code, said) = ask_as("ann", ANN, &["explain", "annsecret"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("mcpolicy request annsecret"), "{said}");
    assert!(!said.contains("keeps its own in"), "the answer is whole: {said}");
    let (code, said) = ask_as("ann", ANN, &["explain", "nothing"]);
    assert_eq!((code, said.contains("keeps its own in")), (Some(1), true), "{said}");
    let (code, said) = ask_as("ann", ANN, &["request", "annsecret", "--reason", "to see", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    let request = &told["requests"][0];
    assert_eq!((&request["identity"]["name"], &request["user"]), (&json!("evil"), &json!("ann")), "{told}");
    assert_eq!(request["entry"]["args"], json!(["-y", "evil@1.0.0"]), "whoever decides sees what it is");
    assert_eq!(request["fingerprint"], request["entry"]["fingerprint"]);
    let (code, said) = ask_as("ann", ANN, &["request", "--list"]);
    assert!(code == Some(0) && said.contains("annsecret"), "{said}");
    let (code, said) = ask_as("ann", ANN, &["request", "bobsecret", "--reason", "to see"]);
    assert_eq!(code, Some(2), "what is another's is none of hers: {said}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_pass_and_a_restore_are_asked_of_the_daemon_that_holds_the_state() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        let (daemon, _) = Daemon::start(site);
        let said = status_with(site, 0);
        let block = said["recent"][0]["block"].as_str().unwrap().to_owned();
        let refused = site.run(&["quarantine", "restore", &block, "--json"]);
        let answer: Value = serde_json::from_slice(&refused.stdout).unwrap_or_else(|_| panic!("{refused:?}"));
        assert_eq!(refused.status.code(), Some(1), "{answer}");
        assert!(answer["detail"].as_str().is_some_and(|why| !why.is_empty()), "{answer}");
        let pass = site.enforce_with(&[]);
        let answer: Value = serde_json::from_slice(&pass.stdout).unwrap_or_else(|_| panic!("{pass:?}"));
        assert_eq!((&answer["schema"], &answer["entries"]), (&json!("mcpolicy/asked-pass/v1"), &json!(1)));
        assert_eq!(pass.status.code(), Some(0), "{answer}");
        assert_eq!(daemon.stop(), Some(0));
    });
}

#[test]
fn a_lower_ceiling_in_the_settings_holds_without_a_restart_and_broken_settings_change_nothing() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let settings = site.machine.root().join("agent.toml");
        let write = |more: &str| {
            std::fs::write(&settings, format!("schema = \"mcpolicy/agent/v1\"\n{more}")).unwrap();
            if let Some(uid) = site.run_by {
                own(uid, &settings);
            }
        };
        write("");
        put(site, ".cursor/mcp.json", "{\"mcpServers\":{}}");
        let (daemon, pass) = Daemon::start_with(site, &["--settings", settings.to_str().unwrap()]);
        assert_eq!(pass["mode"], "enforce", "{pass}");
        write("[enforcement]\nmode_ceilling = \"observe\"\n");
        daemon.wait("that the settings of before go on", |line| {
            line["text"].as_str().is_some_and(|text| text.contains("mode_ceilling"))
        });
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        crate::run::wait_until(site, ".cursor/mcp.json");
        assert!(status_with(site, 12)["problems"].to_string().contains("mode_ceilling"));
        write("[enforcement]\nmode_ceiling = \"observe\"\n");
        daemon.wait("a pass", |line| line["what"] == "pass" && line["mode"] == "observe");
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        let said = status_with(site, 10);
        assert_eq!(said["policy"]["ceiling"], "observe", "{said}");
        assert_eq!(site.read(".cursor/mcp.json"), servers("mcpServers"));
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// MDM puts the folder of the settings in the place of the one before as a whole.
#[test]
fn settings_count_that_come_with_another_folder_in_the_place_of_theirs() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let folder = site.machine.root().join("conf");
        let settings = folder.join("agent.toml");
        let write = |ceiling: &str| {
            std::fs::create_dir(&folder).unwrap();
            let text =
                format!("schema = \"mcpolicy/agent/v1\"\n[enforcement]\nmode_ceiling = \"{ceiling}\"\n");
            std::fs::write(&settings, text).unwrap();
            if let Some(uid) = site.run_by {
                own(uid, &folder);
            }
        };
        put(site, ".cursor/mcp.json", "{\"mcpServers\":{}}");
        write("enforce");
        let (daemon, pass) = Daemon::start_with(site, &["--settings", settings.to_str().unwrap()]);
        assert_eq!(pass["mode"], "enforce", "{pass}");
        for mode in ["observe", "warn"] {
            std::fs::remove_dir_all(&folder).unwrap();
            // a moment in which there are none: those of before go on
            std::thread::sleep(Duration::from_millis(500));
            write(mode);
            daemon.wait("a pass", |line| line["what"] == "pass" && line["mode"] == mode);
        }
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// The pass of the newer policy came first, and the settings were forgotten over it.
#[test]
fn settings_that_come_together_with_a_newer_policy_count() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let (settings, run_by) = (site.machine.root().join("agent.toml"), site.run_by);
        let write = |ceiling: &str| {
            let text =
                format!("schema = \"mcpolicy/agent/v1\"\n[enforcement]\nmode_ceiling = \"{ceiling}\"\n");
            std::fs::write(&settings, text).unwrap();
            if let Some(uid) = run_by {
                own(uid, &settings);
            }
        };
        write("enforce");
        put(site, ".cursor/mcp.json", "{\"mcpServers\":{}}");
        let (daemon, pass) = Daemon::start_with(site, &["--settings", settings.to_str().unwrap()]);
        assert_eq!(pass["mode"], "enforce", "{pass}");
        // a session lasts at least so long before a newer policy ends it
        std::thread::sleep(Duration::from_millis(2500));
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("@acme/other")])));
        write("observe");
        daemon.wait("a pass", |line| {
            line["what"] == "pass" && line["mode"] == "observe" && line["sequence"] == 2
        });
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// Whoever pushes settings asks for a pass next: the hint at the one lies beside the other.
#[test]
fn settings_count_though_a_pass_is_asked_for_in_the_same_moment() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let (settings, run_by) = (site.machine.root().join("agent.toml"), site.run_by);
        let write = |ceiling: &str| {
            let text =
                format!("schema = \"mcpolicy/agent/v1\"\n[enforcement]\nmode_ceiling = \"{ceiling}\"\n");
            std::fs::write(&settings, text).unwrap();
            if let Some(uid) = run_by {
                own(uid, &settings);
            }
        };
        write("enforce");
        put(site, ".cursor/mcp.json", "{\"mcpServers\":{}}");
        let (daemon, _) = Daemon::start_with(site, &["--settings", settings.to_str().unwrap()]);
        for round in 0..5 {
            let ceiling = if round % 2 == 0 { "observe" } else { "enforce" };
            daemon.signal("STOP");
            std::thread::scope(|scope| {
                let asks = scope.spawn(|| site.enforce_with(&[]));
                std::thread::sleep(Duration::from_millis(100));
                write(ceiling);
                daemon.signal("CONT");
                asks.join().unwrap();
            });
            daemon.wait(&format!("round {round}"), |line| line["what"] == "pass" && line["mode"] == ceiling);
        }
        assert_eq!(daemon.stop(), Some(0));
    });
}

#[test]
fn a_file_that_is_broken_for_a_moment_is_no_problem_any_more_when_it_is_whole_again() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, ".kiro/settings/mcp.json", "{\"mcpServers\":{}}");
        let (daemon, _) = Daemon::start(site);
        put(site, ".kiro/settings/mcp.json", "{ broken");
        assert!(status_with(site, 12)["problems"].to_string().contains("kiro"));
        put(site, ".kiro/settings/mcp.json", "{\"mcpServers\":{}}");
        let said = status_with(site, 0);
        assert_eq!(said["problems"].as_array().map_or(0, Vec::len), 0, "{said}");
        assert_eq!(daemon.stop(), Some(0));
    });
}

#[test]
fn a_tool_that_puts_a_denied_entry_back_again_and_again_is_answered_ever_more_slowly_and_told() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, ".cursor/mcp.json", "{\"mcpServers\":{}}");
        let (daemon, _) = Daemon::start(site);
        let begin = Instant::now();
        let mut rounds = 0;
        while begin.elapsed() < Duration::from_secs(6) {
            if !site.read(".cursor/mcp.json").contains("evil") {
                put(site, ".cursor/mcp.json", &servers("mcpServers"));
                rounds += 1;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // five at once, then after 1 s and 2 s more
        assert!((6..=9).contains(&rounds), "{rounds} rounds");
        let (said, _) = status(site);
        assert!(said["problems"].to_string().contains("fight"), "{said}");
        crate::run::wait_until(site, ".cursor/mcp.json");
        assert_eq!(daemon.stop(), Some(0));
        let log = site.run(&["log"]);
        assert!(String::from_utf8_lossy(&log.stdout).contains("fight"), "{log:?}");
    });
}

#[test]
fn the_same_new_server_in_several_clients_at_once_is_told_as_planted() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        for path in [".cursor/mcp.json", ".kiro/settings/mcp.json"] {
            put(site, path, "{\"mcpServers\":{}}");
        }
        let (daemon, _) = Daemon::start(site);
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        put(site, ".kiro/settings/mcp.json", &servers("mcpServers"));
        let told = daemon.wait("planted", |line| {
            line["text"].as_str().is_some_and(|text| text.contains("planted-many-clients: evil"))
        });
        let text = told["text"].as_str().unwrap();
        assert!(text.contains("cursor, kiro"), "{told}");
        // this process wrote it; the system tells it to root, where the file system has handles
        let tells = Writers::new().is_some_and(|mut writers| writers.watch(&site.machine.home()));
        let name = format!("written by {}", std::env::current_exe().unwrap().display());
        let is_told = text.contains(&name) && text.contains(&format!("(process {}", std::process::id()));
        assert_eq!(is_told, tells && site.run_by.is_none(), "{told}");
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// Each client writes the same server in its own form, which the fingerprint tells apart.
#[test]
fn a_planted_server_is_known_in_every_clients_own_form_and_all_its_clients_are_named() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("@acme/other")])));
        let forms = |name: &str, package: &str| {
            let args = json!(["-y", package]);
            let claude = json!({"type": "stdio", "command": "npx", "args": args, "env": {}});
            let vector = json!({"type": "local", "command": ["npx", "-y", package], "enabled": true});
            [
                (".claude.json", json!({"mcpServers": {name: claude}}).to_string()),
                (".cursor/mcp.json", json!({"mcpServers": {name: npx(package)}}).to_string()),
                (".config/opencode/opencode.jsonc", json!({"mcp": {name: vector}}).to_string()),
                (
                    ".codex/config.toml",
                    format!("[mcp_servers.{name}]\ncommand = \"npx\"\nargs = [\"-y\", \"{package}\"]\n"),
                ),
            ]
        };
        for (path, text) in forms("old", "@acme/other@1.0.0") {
            put(site, path, &text);
        }
        let (daemon, _) = Daemon::start(site);
        // what the policy allows is what somebody has set up
        for (path, text) in forms("good", "@acme/good@1.0.0") {
            put(site, path, &text);
        }
        let all = "came to claude-code, codex, cursor, opencode, each within";
        let plant = forms("evil", "evil@1.0.0");
        for (path, text) in &plant[..2] {
            put(site, path, text);
        }
        daemon.wait("planted", |line| {
            line["text"]
                .as_str()
                .is_some_and(|text| text.contains("came to claude-code, cursor, each within"))
        });
        for (path, text) in &plant[2..] {
            put(site, path, text);
        }
        daemon.wait("planted with all", |line| line["text"].as_str().is_some_and(|text| text.contains(all)));
        let (said, _) = status(site);
        let alerts = said["alerts"].to_string();
        assert!(alerts.contains(all), "{said}");
        assert!(!alerts.contains("good"), "what is allowed is no plant: {said}");
        assert_eq!(daemon.stop(), Some(0));
        let log = site.run(&["log"]);
        assert!(String::from_utf8_lossy(&log.stdout).contains(all), "{log:?}");
    });
}

/// A file that cannot be written was tried five times a second, for ever, with as many records in the journal.
#[test]
fn a_file_that_cannot_be_written_is_not_tried_again_and_again() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, ".cursor/mcp.json", "{\"mcpServers\":{}}");
        let (daemon, _) = Daemon::start(site);
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        crate::run::wait_until(site, ".cursor/mcp.json");
        let folder = site.machine.home().join(".cursor");
        let set = |mode: u32| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&folder, mode).unwrap();
        };
        // in place, since nothing can be made in its folder any more
        set(0o555);
        std::fs::write(folder.join("mcp.json"), servers("mcpServers")).unwrap();
        let looks = || {
            let output = site.run(&["status", "--json", "--cost"]);
            let said: Value = serde_json::from_slice(&output.stdout).unwrap();
            said["cost"]["looks"].as_u64().unwrap()
        };
        status_with(site, 10);
        std::thread::sleep(Duration::from_millis(500));
        let before = looks();
        std::thread::sleep(Duration::from_secs(2));
        assert!(looks() <= before + 1, "{} looks in two seconds", looks() - before);
        set(0o755);
        assert_eq!(daemon.stop(), Some(0));
    });
}
