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
    pub(crate) child: Child,
    lines: Receiver<Value>,
}

impl Daemon {
    /// Starts it and waits for its first pass.
    pub(crate) fn start(site: &Site) -> (Self, Value) {
        Self::start_with(site, &[])
    }

    fn command(site: &Site, more: &[&str]) -> Command {
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
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command
    }

    /// The same with more options.
    pub(crate) fn start_with(site: &Site, more: &[&str]) -> (Self, Value) {
        Self::start_by(site, &[], more)
    }

    /// The same by another program, which becomes the daemon in the end.
    pub(crate) fn start_by(site: &Site, by: &[&str], more: &[&str]) -> (Self, Value) {
        Self::of(Self::by(site, by, more))
    }

    fn of(mut command: Command) -> (Self, Value) {
        let mut child = command.spawn().unwrap();
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

    /// Starts one whose policy is fetched, as its settings say.
    pub(crate) fn start_fetching(site: &Site, settings: &std::path::Path) -> (Self, Value) {
        let mut command = Command::new("/usr/bin/setpriv");
        let uid = site.run_by.unwrap().to_string();
        own(site.run_by.unwrap(), &site.machine.root());
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", crate::BINARY, "run", "--json"]);
        command.arg("--root").arg(site.machine.root()).arg("--state").arg(site.folder("state"));
        command.arg("--settings").arg(settings).args(["--now", &site.now()]);
        command.env_clear().env("HOME", site.machine.home()).env("PATH", "/nonexistent");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Self::of(command)
    }

    /// The command that has another program start the daemon.
    pub(crate) fn by(site: &Site, by: &[&str], more: &[&str]) -> Command {
        let own = Self::command(site, more);
        let [program, arguments @ ..] = by else { return own };
        let mut command = Command::new(program);
        command.args(arguments).arg(own.get_program()).args(own.get_args()).env_clear();
        command.env("HOME", site.machine.home()).env("PATH", "/nonexistent");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command
    }

    /// Sends it a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(done.is_ok_and(|done| done.success()), "{name}");
    }

    pub(crate) fn wait(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.wait_until(what, Instant::now() + Duration::from_secs(20), is_it)
    }

    /// Waits longer, or less.
    pub(crate) fn wait_until(&self, what: &str, end: Instant, is_it: impl Fn(&Value) -> bool) -> Value {
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

    /// Waits until a look has acted on a file. One that is given to its owner a moment after it was written may be told before
    /// as what could not be written.
    pub(crate) fn acts_on(&self, path: &str) -> Value {
        self.wait(path, |line| {
            let acted = line["acted"].as_array().map_or(&[][..], Vec::as_slice);
            let is_it = |file: &Value| file["path"].as_str().is_some_and(|told| told.ends_with(path));
            acted.iter().any(|file| is_it(file) && file["outcome"] == "applied")
        })
    }

    /// Tells it to stop; its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
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
        // where nothing is watched: in the home it would be dealt with before it is moved
        put(site, "../../staging/q/.vscode/mcp.json", &servers("servers"));
        let owner = std::os::unix::fs::MetadataExt::uid(&home.metadata().unwrap());
        own(owner, &site.machine.root().join("staging"));
        std::fs::rename(home.join("../../staging/q"), home.join("src/q")).unwrap();
        daemon.acts_on("src/q/.vscode/mcp.json");
        assert!(is_clean(site, "src/q/.vscode/mcp.json"));
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// The watch of a folder ends with it, and one of the same name made anew was watched by nobody (`git checkout` does so, and
/// whoever wants to be seen late).
#[test]
fn a_folder_that_is_removed_and_made_anew_is_watched_like_the_one_before() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let home = site.machine.home();
        put(site, "src/p/.vscode/mcp.json", "{\"servers\":{}}");
        put(site, "src/p/.mcp.json", "{\"mcpServers\":{}}");
        let (daemon, _) = Daemon::start(site);
        for round in 0..3 {
            std::fs::remove_dir_all(home.join("src/p/.vscode")).unwrap();
            put(site, "src/p/.vscode/settings.json", "{}");
            // after all that the making of it was told for has been looked at
            std::thread::sleep(Duration::from_millis(600));
            put(site, "src/p/.vscode/mcp.json", &servers("servers"));
            daemon.acts_on("src/p/.vscode/mcp.json");
            assert!(is_clean(site, "src/p/.vscode/mcp.json"), "{round}");
        }
        // and with all that is above it
        std::fs::remove_dir_all(home.join("src")).unwrap();
        put(site, "src/p/.vscode/settings.json", "{}");
        std::thread::sleep(Duration::from_millis(600));
        put(site, "src/p/.vscode/mcp.json", &servers("servers"));
        daemon.acts_on("src/p/.vscode/mcp.json");
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// Dotfiles kept in a repository, with links to them where clients look: what is told is told of the repository's file.
#[test]
fn a_file_that_a_link_leads_to_is_dealt_with_at_once_however_it_is_written() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let home = site.machine.home();
        put(site, "dots/a/b/claude.json", "{\"mcpServers\":{}}");
        std::os::unix::fs::symlink("dots/a/b/claude.json", home.join(".claude.json")).unwrap();
        put(site, "dots/m.json", "{\"mcpServers\":{}}");
        put(site, "src/p/README", "");
        std::os::unix::fs::symlink("../../dots/m.json", home.join("src/p/.mcp.json")).unwrap();
        put(site, "dots/cursor/mcp.json", "{\"mcpServers\":{}}");
        std::os::unix::fs::symlink("dots/cursor", home.join(".cursor")).unwrap();
        crate::actions::settle(site);
        let (daemon, _) = Daemon::start(site);
        for (link, path) in [
            (".claude.json", "dots/a/b/claude.json"),
            ("src/p/.mcp.json", "dots/m.json"),
            (".cursor/mcp.json", "dots/cursor/mcp.json"),
        ] {
            put(site, path, &servers("mcpServers"));
            daemon.acts_on(link);
            assert!(is_clean(site, path), "{path}");
            put(site, "dots/next", &servers("mcpServers"));
            std::fs::rename(home.join("dots/next"), home.join(path)).unwrap();
            daemon.acts_on(link);
            assert!(is_clean(site, path), "{path}");
            // gone for a moment, as in a checkout
            std::fs::remove_file(home.join(path)).unwrap();
            std::thread::sleep(Duration::from_millis(600));
            put(site, path, &servers("mcpServers"));
            daemon.acts_on(link);
            assert!(is_clean(site, path), "{path}");
        }
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// A project that lies outside of the home, as its user's client remembers it: nothing is written there, and it is told.
#[test]
fn what_comes_into_a_project_outside_of_the_home_is_told_at_once() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let folder = site.machine.root().join("srv/out");
        std::fs::create_dir_all(&folder).unwrap();
        let write = |text: &str| {
            std::fs::write(folder.join(".mcp.json"), text).unwrap();
            crate::actions::give(&site.machine.root(), &folder);
        };
        write("{\"mcpServers\":{}}");
        put(site, ".claude.json", &json!({"projects": {"/srv/out": {}}}).to_string());
        let (daemon, _) = Daemon::start(site);
        write(&servers("mcpServers"));
        daemon
            .wait("a look at it", |line| line["what"] == "look" && line["left"].to_string().contains("evil"));
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// What root puts there counts for all users. Nothing is written there by us.
#[test]
fn a_machine_wide_file_of_a_client_that_comes_is_seen_at_once_even_with_its_folder() {
    both(|site| {
        if site.run_by.is_some() {
            return;
        }
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, ".claude.json", "{}");
        let (daemon, pass) = Daemon::start(site);
        assert_eq!(pass["servers"], 0, "{pass}");
        let folder = site.machine.root().join("etc/claude-code");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("managed-mcp.json"), servers("mcpServers")).unwrap();
        let pass = daemon.wait("a pass", |line| line["what"] == "pass");
        assert_eq!(pass["servers"], 2, "{pass}");
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

/// Whatever a file is written by: into it, beside it and renamed, copied, moved, edited in place, checked out.
#[test]
fn programs_that_write_in_their_own_ways_all_end_in_a_compliant_file() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let home = site.machine.home();
        let good = json!({"mcpServers": {"good": npx("@acme/good@1.0.0")}}).to_string();
        put(site, "elsewhere/evil.json", &servers("mcpServers"));
        for (at, shell) in [
            "cat ~/elsewhere/evil.json > FILE",
            "cp ~/elsewhere/evil.json FILE",
            "cp ~/elsewhere/evil.json ~/elsewhere/b && mv ~/elsewhere/b FILE",
            r#"sed -i 's/"mcpServers":{/"mcpServers":{"evil":{"command":"evil"},/' FILE"#,
            "tee FILE < ~/elsewhere/evil.json",
        ]
        .into_iter()
        .enumerate()
        {
            // a file each: nobody fights here
            let path = format!("src/p{at}/.mcp.json");
            put(site, &path, &good);
            let (daemon, _) = Daemon::start(site);
            let shell = shell.replace("FILE", &format!("~/{path}"));
            // by whoever the home is: what root writes there is another matter
            let is_root = site.machine.root().join("etc").is_dir();
            let uid = crate::actions::DEV.to_string();
            let mut command = Command::new(if is_root { "/usr/bin/setpriv" } else { "/usr/bin/env" });
            if is_root {
                command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups"]);
                own(crate::actions::DEV, &home);
            }
            command.args(["sh", "-c", &shell]).env("HOME", &home);
            assert!(command.stdout(Stdio::null()).status().unwrap().success(), "{shell}");
            daemon.acts_on(&path);
            assert!(is_clean(site, &path), "{shell}: {}", site.read(&path));
            assert_eq!(daemon.stop(), Some(0));
        }
    });
}

/// A pipe takes 64 KiB; then whoever wrote to it waited for ever, enforced nothing and could not be told to stop.
#[test]
fn output_that_nobody_reads_holds_nothing_up() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let files: Vec<String> = (0..30).map(|n| format!("src/p{n}/.mcp.json")).collect();
        for path in &files {
            put(site, path, "{\"mcpServers\":{}}");
        }
        let mut child = Daemon::command(site, &[]).spawn().unwrap();
        let entries = (0..40).map(|n| (format!("evil-{n}"), npx("evil@1.0.0")));
        let mut all: serde_json::Map<String, Value> = entries.collect();
        all.insert("good".to_owned(), npx("@acme/good@1.0.0"));
        let text = json!({"mcpServers": all}).to_string();
        for path in &files {
            put(site, path, &text);
            wait_until(site, path);
        }
        let done = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(done.is_ok_and(|done| done.success()));
        let end = Instant::now() + Duration::from_secs(10);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                child.kill().unwrap();
                panic!("it does not end");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}

/// A known file that was changed after the first pass had read it and before its folder was watched was seen by nobody
/// until a quarter of an hour later.
#[test]
fn what_is_written_while_the_first_pass_goes_on_is_dealt_with_at_once() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let files: Vec<String> = (0..40).map(|n| format!("src/p{n}/.mcp.json")).collect();
        for path in &files {
            put(site, path, "{\"mcpServers\":{}}");
        }
        let mut child = Daemon::command(site, &[]).stdout(Stdio::null()).spawn().unwrap();
        for path in &files {
            put(site, path, &servers("mcpServers"));
            std::thread::sleep(Duration::from_millis(15));
        }
        files.iter().for_each(|path| wait_until(site, path));
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

/// An editor that makes its folder anew, or a checkout: the file comes some milliseconds after its folder.
#[test]
fn a_file_that_comes_a_moment_after_its_folder_was_made_anew_is_dealt_with() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let files: Vec<String> = (0..60).map(|n| format!("src/p{n}/.cursor/mcp.json")).collect();
        for path in &files {
            put(site, path, "{\"mcpServers\":{}}");
        }
        let (daemon, _) = Daemon::start(site);
        let home = site.machine.home();
        for (round, path) in (0_u64..).zip(&files) {
            let folder = home.join(path).parent().unwrap().to_owned();
            std::fs::remove_dir_all(&folder).unwrap();
            std::thread::sleep(Duration::from_millis(round % 3));
            std::fs::create_dir(&folder).unwrap();
            crate::actions::give(&site.machine.root(), &folder);
            std::thread::sleep(Duration::from_millis(round / 3 % 20));
            let beside = site.machine.root().join("beside");
            std::fs::write(&beside, servers("mcpServers")).unwrap();
            crate::actions::give(&site.machine.root(), &beside);
            std::fs::rename(&beside, home.join(path)).unwrap();
        }
        for path in &files {
            wait_until(site, path);
        }
        assert_eq!(daemon.stop(), Some(0));
    });
}
