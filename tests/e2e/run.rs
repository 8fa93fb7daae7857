//! The daemon: what changes is dealt with at once, by whoever it was changed, and what people write stays.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::actions::both;
use crate::enforce::{Site, npx, own, policy, rule};

/// A daemon that runs on a site.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<Value>,
}

impl Daemon {
    /// Starts it and waits for its first pass.
    pub(crate) fn start(site: &Site) -> (Self, Value) {
        Self::start_with(site, &[])
    }

    /// The same with more options.
    pub(crate) fn start_with(site: &Site, more: &[&str]) -> (Self, Value) {
        let folder = |name: &str| site.folder(name).to_str().unwrap().to_owned();
        let words = [
            "run".to_owned(),
            "--json".to_owned(),
            "--root".to_owned(),
            site.machine.root().to_str().unwrap().to_owned(),
            "--state".to_owned(),
            folder("state"),
            "--policy".to_owned(),
            folder("published"),
            "--trust-root".to_owned(),
            folder("published/root.1.json"),
            "--now".to_owned(),
            site.now(),
        ];
        let mut command = match site.run_by {
            None => Command::new(crate::BINARY),
            Some(uid) => {
                own(uid, &site.machine.root());
                let uid = uid.to_string();
                let mut command = Command::new("/usr/bin/setpriv");
                command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", crate::BINARY]);
                command
            }
        };
        command
            .args(words)
            .args(more)
            .env_clear()
            .env("HOME", site.machine.home())
            .env("PATH", "/nonexistent");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap());
            }
        });
        let daemon = Self { child, lines };
        let pass = daemon.wait("a pass", |line| line["what"] == "pass");
        (daemon, pass)
    }

    pub(crate) fn wait(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(20);
        let mut said = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if is_it(&line) => return line,
                Ok(line) => said.push(line),
                Err(_) => panic!("{what} was not told: {said:?}"),
            }
        }
    }

    /// Waits until a look has acted on a file.
    pub(crate) fn acts_on(&self, path: &str) -> Value {
        self.wait(path, |line| {
            let acted = line["acted"].as_array().map_or(&[][..], Vec::as_slice);
            acted.iter().any(|file| file["path"].as_str().is_some_and(|told| told.ends_with(path)))
        })
    }

    /// Tells it to stop; its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let done = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(done.is_ok_and(|done| done.success()));
        self.child.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn servers(key: &str) -> String {
    json!({key: {"good": npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")}}).to_string()
}

pub(crate) fn is_clean(site: &Site, path: &str) -> bool {
    let text = site.read(path);
    text.contains("good") && !text.contains("evil")
}

pub(crate) fn wait_until(site: &Site, path: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_clean(site, path) {
        assert!(Instant::now() < end, "{}", site.read(path));
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn put(site: &Site, path: &str, text: &str) {
    crate::moved::put(site, path, text);
}

#[test]
fn what_is_written_while_the_daemon_runs_is_dealt_with_at_once() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        put(site, "src/p/README", "");
        crate::git::git(&site.machine.home().join("src/p"), &["init", "-b", "main"]);
        put(site, ".vscode/mcp.json", "{\"servers\":{}}");
        let (daemon, pass) = Daemon::start(site);
        assert_eq!(pass["mode"], "enforce", "{pass}");
        assert!(is_clean(site, ".cursor/mcp.json"), "{pass}");
        // the same file again, by a program that writes beside and renames
        put(site, ".cursor/next", &servers("mcpServers"));
        let home = site.machine.home();
        std::fs::rename(home.join(".cursor/next"), home.join(".cursor/mcp.json")).unwrap();
        daemon.acts_on(".cursor/mcp.json");
        assert!(is_clean(site, ".cursor/mcp.json"));
        // a client that was not there, in the home and in a project
        for (path, key) in [
            (".kiro/settings/mcp.json", "mcpServers"),
            ("src/p/.mcp.json", "mcpServers"),
            ("src/p/.vscode/mcp.json", "servers"),
        ] {
            put(site, path, &servers(key));
            daemon.acts_on(path);
            assert!(is_clean(site, path), "{path}");
        }
        assert_eq!(daemon.stop(), Some(0));
    });
}

#[test]
fn a_project_that_comes_while_the_daemon_runs_is_dealt_with_at_once() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, "src/p/.mcp.json", "{\"mcpServers\":{}}");
        let (daemon, _) = Daemon::start(site);
        let home = site.machine.home();
        put(site, "elsewhere/q/.vscode/mcp.json", &servers("servers"));
        std::fs::rename(home.join("elsewhere/q"), home.join("src/q")).unwrap();
        daemon.acts_on("src/q/.vscode/mcp.json");
        assert!(is_clean(site, "src/q/.vscode/mcp.json"));
        assert_eq!(daemon.stop(), Some(0));
    });
}

#[test]
fn a_newer_policy_acts_without_a_restart() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        let (daemon, _) = Daemon::start(site);
        assert!(site.read(".cursor/mcp.json").contains("evil"));
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let pass = daemon.acts_on(".cursor/mcp.json");
        assert_eq!((&pass["what"], &pass["sequence"]), (&json!("pass"), &json!(2)), "{pass}");
        assert!(is_clean(site, ".cursor/mcp.json"));
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// Programs save a hundred times a second and remember what they saved: none of it is lost. Of one file that is not done
/// without end, since a tool that puts things back again and again is answered ever more slowly.
#[test]
fn what_people_write_beside_denied_servers_stays_and_no_denied_one_survives() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let paths = [".cursor/mcp.json", ".kiro/settings/mcp.json", ".gemini/settings.json"];
        for path in paths {
            put(site, path, "{\"mcpServers\":{}}");
        }
        let (daemon, _) = Daemon::start(site);
        for path in paths {
            for round in 0..12 {
                let text = json!({
                    "round": round,
                    "mcpServers": {"good": npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")},
                });
                put(site, path, &text.to_string());
                if round % 4 == 0 {
                    wait_until(site, path);
                    let now: Value = serde_json::from_str(&site.read(path)).unwrap();
                    assert_eq!((&now["round"], &now["mcpServers"]["evil"]), (&json!(round), &Value::Null));
                }
            }
            wait_until(site, path);
            assert!(site.read(path).contains("\"round\":11"));
        }
        assert_eq!(daemon.stop(), Some(0));
    });
}

#[test]
fn a_daemon_that_only_watches_tells_what_enforcing_would_act_on_and_writes_nothing() {
    both(|site| {
        site.publish(&policy(&json!({"mode": "observe"}), &json!([rule("@acme/good")])));
        put(site, ".cursor/mcp.json", "{\"mcpServers\":{}}");
        let (daemon, pass) = Daemon::start(site);
        assert_eq!(pass["mode"], "observe", "{pass}");
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        let would = |line: &Value| line["would"].as_array().is_some_and(|would| !would.is_empty());
        let look = daemon.wait("what it would do", would);
        assert_eq!((&look["would"][0]["server"], &look["acted"]), (&json!("evil"), &json!([])), "{look}");
        assert_eq!(site.read(".cursor/mcp.json"), servers("mcpServers"));
        assert_eq!(daemon.stop(), Some(0));
    });
}
