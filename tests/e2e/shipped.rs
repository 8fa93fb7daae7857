//! The role that uses the network: records leave by every sink, and a policy comes from a web server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::actions::site_run_by;
use crate::enforce::{Site, own, policy, rule};
use crate::run::{Daemon, put, servers};
use crate::told::status_with;
use crate::users::ANN as DEV;

/// A web server on loopback: files of a folder for whoever asks, and a box for what is posted.
pub(crate) struct Web {
    port: u16,
    /// Records that were posted, a line each.
    posted: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Answer>>,
}

/// What is answered to posts.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    /// This; 200 is well.
    Status(u16),
    /// Nothing: what was posted is kept, and the connection is closed.
    BreaksOffAfter,
    /// Nothing: what was posted is forgotten, and the connection is closed.
    BreaksOffBefore,
}

impl Web {
    fn of(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let web = Self {
            port,
            posted: Arc::default(),
            asked: Arc::default(),
            answer: Arc::new(Mutex::new(Answer::Status(200))),
        };
        let (posted, asked, answer) =
            (Arc::clone(&web.posted), Arc::clone(&web.asked), Arc::clone(&web.answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (folder, posted, asked, answer) =
                    (folder.clone(), Arc::clone(&posted), Arc::clone(&asked), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream, &folder, &posted, &asked, &answer));
            }
        });
        web
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub(crate) fn posted(&self) -> Vec<Value> {
        self.posted.lock().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn serve(
    stream: &TcpStream,
    folder: &Path,
    posted: &Mutex<Vec<String>>,
    asked: &Mutex<Vec<String>>,
    answers: &Mutex<Answer>,
) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let (mut length, mut is_packed, mut line) = (0, false, String::new());
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            let header = line.to_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            is_packed |= header.starts_with("content-encoding: gzip");
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let path = first.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
        let answer = if first.starts_with("POST") {
            let said = *answers.lock().unwrap();
            if matches!(said, Answer::Status(200) | Answer::BreaksOffAfter) {
                let mut text = String::new();
                if is_packed {
                    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
                } else {
                    text = String::from_utf8(body).unwrap();
                }
                posted.lock().unwrap().extend(text.lines().map(str::to_owned));
            }
            let Answer::Status(status) = said else { return };
            (status, Vec::new())
        } else {
            asked.lock().unwrap().push(path.clone());
            match std::fs::read(folder.join(&path)) {
                Ok(bytes) => (200, bytes),
                Err(_) => (404, Vec::new()),
            }
        };
        let mut out = stream;
        let head = format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n\r\n", answer.0, answer.1.len());
        if out.write_all(&[head.as_bytes(), &answer.1].concat()).is_err() {
            return;
        }
    }
}

/// The role, running.
pub(crate) struct Ship(pub(crate) Child);

impl Ship {
    pub(crate) fn start(site: &Site, settings: &Path) -> Self {
        own(site.run_by.unwrap(), &site.machine.root());
        let mut command = as_user(site, &["ship", "--at-once"]);
        command.args(["--settings", settings.to_str().unwrap()]);
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Ship {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn as_user(site: &Site, words: &[&str]) -> Command {
    let uid = site.run_by.unwrap().to_string();
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", crate::BINARY]);
    command.args(words).arg("--root").arg(site.machine.root()).arg("--state").arg(site.folder("state"));
    command.env_clear().env("HOME", site.machine.home()).env("PATH", "/nonexistent");
    command
}

/// A machine whose agent is its user's, and which gets its policy from a web server; `None` where the test is not root.
pub(crate) fn site() -> Option<(Site, Web, PathBuf)> {
    if !rustix_is_root() {
        return None;
    }
    let site = site_run_by(Some(DEV));
    let web = Web::of(site.folder("published"));
    let settings = site.folder("agent.toml");
    let (port, root) = (web.port, site.folder("published/root.1.json"));
    let file = site.folder("records.ndjson");
    let text = format!(
        "schema = \"mcpolicy/agent/v1\"\n[device]\nid = \"laptop-1\"\n\
         [policy]\nurls = [\"http://127.0.0.1:{port}/\"]\npoll_seconds = 1\ntrust_root = {root:?}\n\
         [network]\nproxy = \"none\"\n\
         [[sink]]\nname = \"siem\"\nkind = \"https\"\nurl = \"http://127.0.0.1:{port}/in\"\n\
         [[sink]]\nname = \"lines\"\nkind = \"file\"\npath = {file:?}\n"
    );
    std::fs::write(&settings, text).unwrap();
    for folder in ["spool", "inbox", "shipped"] {
        std::fs::create_dir_all(site.folder("state/ship").join(folder)).unwrap();
    }
    private(&site.folder("state"));
    Some((site, web, settings))
}

fn private(folder: &Path) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(folder, mode).unwrap();
    for name in ["ship/spool", "ship/inbox", "ship/shipped"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o750);
        std::fs::set_permissions(folder.join(name), mode).unwrap();
    }
}

fn rustix_is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

/// Waits until something is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    // what was delivered is told each twenty seconds, and asked for as often
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_of_evil(record: &Value) -> bool {
    record["kind"] == "action" && record["server"] == "evil" && record["outcome"] == "applied"
}

fn lines(site: &Site) -> Vec<String> {
    let text = std::fs::read_to_string(site.folder("records.ndjson")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_policy_comes_over_the_network_and_what_it_takes_is_told_to_every_sink_byte_for_byte() {
    let Some((mut site, web, settings)) = site() else { return };
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    put(&site, ".cursor/mcp.json", &servers("mcpServers"));
    let ship = Ship::start(&site, &settings);
    until("a head in the inbox", || site.folder("state/ship/inbox/head.json").exists());
    let (daemon, pass) = Daemon::start_fetching(&site, &settings);
    assert_eq!(pass["sequence"], 1, "{pass}");
    until("the violation at the receiver", || web.posted().iter().any(is_of_evil));
    until("the violation in the file", || {
        lines(&site).iter().any(|line| is_of_evil(&serde_json::from_str(line).unwrap()))
    });
    // a newer policy
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("@acme/other")])));
    own(DEV, &site.folder("published"));
    // the head says when it is asked for again, which is later than a test waits: a start asks at once
    drop(ship);
    let ship = Ship::start(&site, &settings);
    until("the newer policy", || crate::told::status(&site).0["policy"]["sequence"] == 2);
    // a receiver that is down: its records wait, and come once
    web.answers(Answer::Status(503));
    put(&site, ".cursor/mcp.json", &servers("mcpServers").replace("evil", "third"));
    until("the violation in the file", || lines(&site).iter().any(|line| line.contains("\"third\"")));
    assert!(!web.posted().iter().any(|record| record["server"] == "third"));
    web.answers(Answer::Status(200));
    drop(ship);
    let ship = Ship::start(&site, &settings);
    until("the violation at the receiver", || web.posted().iter().any(|record| record["server"] == "third"));
    // whose laptop it is sees what left, byte for byte, without root
    until("what was delivered", || {
        let sent = String::from_utf8(site.run(&["report", "--sent"]).stdout).unwrap();
        let sent: Vec<&str> = sent.lines().collect();
        sent.iter().any(|line| line.contains("\"third\""))
            && sent.iter().all(|line| lines(&site).iter().any(|left| left == line))
    });
    let output = site.run(&["report", "--sent"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("records have left") && said.contains("to siem (http://127.0.0.1"), "{said}");
    let preview = site.run(&["report", "--preview"]);
    assert!(preview.status.success(), "{preview:?}");
    // the clock of the test stands still, which is told
    until("the status counts it", || {
        let spool = status_with(&site, 12)["spool"].clone();
        spool["records"].as_u64().unwrap() > spool["waiting"].as_u64().unwrap()
    });
    // each once, by its id, at the receiver that was down
    let mut ids: Vec<String> = web.posted().iter().map(|record| record["id"].to_string()).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "nothing comes twice where nothing was broken off");
    assert_eq!(daemon.stop(), Some(0));
    drop(ship);
}

/// Attack: whoever holds the role that uses the network lays what it likes into the inbox.
#[test]
fn what_the_inbox_holds_is_verified_and_a_pipe_or_a_link_in_it_holds_up_nobody() {
    let Some((mut site, _, settings)) = site() else { return };
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    put(&site, ".cursor/mcp.json", &servers("mcpServers"));
    let inbox = site.folder("state/ship/inbox");
    for entry in std::fs::read_dir(site.folder("published")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, inbox.join(path.file_name().unwrap())).unwrap();
    }
    let (daemon, _) = Daemon::start_fetching(&site, &settings);
    until("the entry is gone", || !site.read(".cursor/mcp.json").contains("evil"));
    let secret = site.folder("secret");
    std::fs::write(&secret, "hunter2-hunter2").unwrap();
    let head = inbox.join("head.json");
    let replace = |how: &dyn Fn()| {
        let _ = std::fs::remove_file(&head);
        how();
        std::thread::sleep(Duration::from_secs(3));
        put(&site, ".cursor/mcp.json", &servers("mcpServers"));
        until("it is still enforced", || !site.read(".cursor/mcp.json").contains("evil"));
        let (said, _) = crate::told::status(&site);
        assert_eq!(said["policy"]["sequence"], 1, "{said}");
        assert!(!said.to_string().contains("hunter2"), "{said}");
    };
    replace(&|| assert!(Command::new("mkfifo").arg(&head).status().unwrap().success()));
    replace(&|| std::os::unix::fs::symlink(&secret, &head).unwrap());
    replace(&|| std::fs::write(&head, "<html>hunter2-hunter2</html>").unwrap());
    replace(&|| std::fs::create_dir(&head).unwrap());
    std::fs::remove_dir(&head).unwrap();
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn root_uses_no_network() {
    let Some((mut site, _, settings)) = site() else { return };
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    site.run_by = None;
    for words in [&["ship", "--settings"][..], &["run", "--ship", "--settings"]] {
        let output = site.run(&[words, &[settings.to_str().unwrap()]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("root uses no network"), "{said}");
    }
}

#[test]
fn one_stored_report_is_delivered_without_a_daemon_and_the_same_again_has_the_same_ids() {
    let Some((site, web, settings)) = site() else { return };
    put(&site, ".cursor/mcp.json", &servers("mcpServers"));
    let report = site.folder("report.json");
    let scan = site.run(&["scan", "--format", "json"]);
    assert!(scan.status.success(), "{scan:?}");
    std::fs::write(&report, scan.stdout).unwrap();
    let deliver = |more: &[&str]| {
        let mut command = as_user(&site, &["ship", "--json", "--device-id", "laptop-9"]);
        command.arg("--once").arg(&report).args(["--to", "siem", "--settings", settings.to_str().unwrap()]);
        own(DEV, &site.machine.root());
        let output = command.args(more).output().unwrap();
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default())
    };
    let (code, said) = deliver(&[]);
    let records = said["records"].as_u64().unwrap();
    assert_eq!((code, said["whole"].as_bool(), said["sent"].as_u64()), (Some(0), Some(true), Some(records)));
    let posted = web.posted();
    assert_eq!((posted.len() as u64, &posted[0]["kind"]), (records, &json!("inventory")), "{posted:?}");
    assert_eq!(posted[0]["records"].as_u64().unwrap() + 1, records);
    assert!(posted.iter().any(|record| record["entry"]["name"] == "evil"));
    assert_eq!(deliver(&[]).0, Some(0));
    let again = web.posted();
    assert_eq!(again[..posted.len()], again[posted.len()..]);
    // of users and paths nothing, where that is asked for
    deliver(&["--privacy", "outcomes"]);
    let last = web.posted()[again.len()..].to_vec();
    assert!(!last.is_empty() && !serde_json::to_string(&last).unwrap().contains("/home/dev"), "{last:?}");
    web.answers(Answer::Status(401));
    let (code, said) = deliver(&["--within", "2"]);
    assert_eq!((code, said["whole"].as_bool()), (Some(1), Some(false)), "{said}");
    assert!(said["why"].as_str().unwrap().contains("401"), "{said}");
}

#[test]
fn the_doctor_names_the_hop_that_fails_and_asks_nothing_of_the_network_unasked() {
    let Some((site, web, settings)) = site() else { return };
    site.machine.file(".cursor/mcp.json", "{}");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut text = std::fs::read_to_string(&settings).unwrap();
    text += &format!(
        "[[sink]]\nname = \"closed\"\nkind = \"otlp\"\nurl = \"https://127.0.0.1:{closed}/\"\n\
         [[sink]]\nname = \"nowhere\"\nkind = \"otlp\"\nurl = \"https://siem.invalid/\"\n\
         [[sink]]\nname = \"plain\"\nkind = \"syslog\"\nurl = \"tls://127.0.0.1:{}\"\n",
        web.port
    );
    std::fs::write(&settings, text).unwrap();
    let doctor = |more: &[&str]| {
        own(DEV, &site.machine.root());
        let mut command = as_user(&site, &["doctor", "--json", "--settings", settings.to_str().unwrap()]);
        let output = command.args(more).output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = said["checks"].as_array().unwrap().iter().filter(|check| check["name"] == "network");
        checks
            .map(|check| (check["health"].as_str().unwrap().to_owned(), check["seen"].to_string()))
            .collect::<Vec<_>>()
    };
    let said = doctor(&[]);
    assert!(said.len() == 1 && said[0].1.contains("not looked at"), "{said:?}");
    assert!(web.asked.lock().unwrap().is_empty());
    let said = doctor(&["--network"]);
    let of =
        |name: &str| said.iter().find(|(_, seen)| seen.contains(name)).unwrap_or_else(|| panic!("{said:?}"));
    assert!(of("sink siem").0 == "ok" && of("policy").0 == "ok", "{said:?}");
    for (name, hop) in [("sink closed", "tcp: "), ("sink nowhere", "dns: "), ("sink plain", "tls: ")] {
        let (health, seen) = of(name);
        assert!(health == "fault" && seen.contains(hop), "{seen}");
    }
}

#[test]
fn a_sink_that_is_added_is_used_without_a_new_start_and_one_without_its_token_holds_up_no_other() {
    let Some((mut site, web, settings)) = site() else { return };
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    let mut text = std::fs::read_to_string(&settings).unwrap();
    let token = site.folder("token");
    text += &format!(
        "[[sink]]\nname = \"late\"\nkind = \"https\"\nurl = \"http://127.0.0.1:{}/late\"\ncredential_file = {token:?}\n",
        web.port
    );
    std::fs::write(&settings, &text).unwrap();
    put(&site, ".cursor/mcp.json", &servers("mcpServers"));
    let ship = Ship::start(&site, &settings);
    until("a head in the inbox", || site.folder("state/ship/inbox/head.json").exists());
    let (daemon, _) = Daemon::start_fetching(&site, &settings);
    until("the violation at the receiver", || web.posted().iter().any(is_of_evil));
    until("the missing token is told", || {
        crate::told::status(&site).0["spool"]["troubles"].to_string().contains("late: nothing is taken")
    });
    let before = web.posted().iter().filter(|record| is_of_evil(record)).count();
    std::fs::write(&token, "hunter2-hunter2").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    own(DEV, &token);
    until("the same by the sink that has its token now", || {
        web.posted().iter().filter(|record| is_of_evil(record)).count() > before
    });
    assert_eq!(daemon.stop(), Some(0));
    drop(ship);
}
