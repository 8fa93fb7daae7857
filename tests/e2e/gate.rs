//! The gate: whoever reads a client's file in the moment in which something was planted there reads it clean or not at all.
//!
//! Needs root and a kernel with permission events; without them the tests say so and pass. What is held is below the temporary
//! folder of each test.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mcpolicy_platform::gate;
use mcpolicy_tests::{say, skip};
use serde_json::{Value, json};

use crate::enforce::{Site, policy, rule};
use crate::run::Daemon;
use crate::users::{ANN, BOB, give, home, names, put, servers, site};

/// Nobody waits longer for anything.
const FIVE: Duration = Duration::from_secs(5);
const FILE: &str = ".cursor/mcp.json";

/// A machine whose policy wants the gate.
fn gated(more: &Value) -> Option<Site> {
    let mut site = site()?;
    if let Err(lack) = gate::ability() {
        skip(&lack.to_string());
        return None;
    }
    let mut settings = json!({"gate": true});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    site.publish(&policy(&settings, &json!([rule("@acme/good")])));
    put(&site, ("ann", ANN), FILE, &servers(&["good"]));
    Some(site)
}

fn status(site: &Site) -> Value {
    let socket = site.folder("run/mcpolicy/agent.sock");
    let socket = if socket.exists() { socket } else { site.folder("state/agent.sock") };
    let output = site.machine.run(&["status", "--json", "--socket", socket.to_str().unwrap()]);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn layer(site: &Site) -> Value {
    let status = status(site);
    let layers = status["layers"].as_array().unwrap();
    layers.iter().find(|layer| layer["name"] == "gate").unwrap().clone()
}

/// What a program reads in a file; nothing if it is not let.
fn read(path: &Path) -> Option<String> {
    let begin = Instant::now();
    let output = Command::new("cat").arg(path).stdin(Stdio::null()).output().unwrap();
    assert!(begin.elapsed() < FIVE, "somebody waited for {:?}", begin.elapsed());
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// What a program reads in a file, on a disk that may be so busy that opens are late for a while.
fn read_at_last(path: &Path) -> String {
    let end = Instant::now() + FIVE * 12;
    loop {
        if let Some(text) = read(path) {
            return text;
        }
        assert!(Instant::now() < end, "{} is never read", path.display());
        std::thread::sleep(FIVE / 20);
    }
}

/// A file of Ann's is there from one moment to the next, hers already.
fn plant(site: &Site, path: &str, text: &str) -> PathBuf {
    let (whole, new) = (home(site, "ann").join(path), site.machine.root().join("new"));
    fs::write(&new, text).unwrap();
    give(&new, ANN);
    fs::rename(&new, &whole).unwrap();
    whole
}

#[test]
fn who_reads_a_file_in_the_moment_in_which_a_server_was_planted_reads_it_without() {
    let Some(site) = gated(&json!({})) else { return };
    let (daemon, _) = Daemon::start(&site);
    assert_eq!(layer(&site)["state"], "in-force");
    // where the disk is busy an open may be late, and is refused then; what was planted is never read
    let path = home(&site, "ann").join(FILE);
    let is_clean_in_place = || {
        plant(&site, FILE, &servers(&["good", "evil"]));
        let inode = fs::metadata(&path).unwrap().ino();
        let Some(text) = read(&path) else { return false };
        assert!(text.contains("good") && !text.contains("evil"), "{text}");
        fs::metadata(&path).unwrap().ino() == inode
    };
    let end = Instant::now() + FIVE * 6;
    while !is_clean_in_place() {
        assert!(Instant::now() < end, "it is never read clean in the file that was opened");
        std::thread::sleep(FIVE / 10);
    }
    daemon.acts_on(FILE);
    assert_eq!(names(&path), ["good"]);
    let listed = site.run(&["quarantine", "list", "--json"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("evil"), "the original is in the vault");
    let log = String::from_utf8(site.run(&["log", "--json"]).stdout).unwrap();
    assert!(log.contains("\"layer\":\"gate\"") || log.contains("\"layer\": \"gate\""), "{log}");
}

#[test]
fn the_gate_is_on_where_policy_and_mode_say_so_and_off_within_the_pass_that_says_otherwise() {
    let Some(mut site) = gated(&json!({})) else { return };
    let path = home(&site, "ann").join(FILE);
    let (daemon, _) = Daemon::start(&site);
    assert_eq!(layer(&site)["state"], "in-force");
    let rules = json!([rule("@acme/good")]);
    for (settings, why) in [
        (json!({}), None),
        (json!({"gate": true, "mode": "warn"}), Some("a mode that writes nothing")),
        (json!({"gate": true, "mode": "hold", "grace_until": "2026-12-31"}), None),
    ] {
        site.publish(&policy(&settings, &rules));
        daemon.wait("the pass of the new policy", |line| {
            line["what"] == "pass" && line["sequence"] == site.published
        });
        let told = layer(&site);
        let is_on = settings["gate"] == true && settings["mode"] != "warn";
        assert_eq!(told["state"], if is_on { "in-force" } else { "off" }, "{settings}");
        let said = told["why"].as_str().unwrap_or_default();
        assert!(why.map_or(said.is_empty(), |why| said.contains(why)), "{settings}: {told}");
        assert_eq!(gates(&daemon).len(), if is_on { 2 } else { 0 }, "{settings}");
        assert!(!read_at_last(&path).is_empty(), "{settings}");
    }
    drop(daemon);
    let (daemon, _) = Daemon::start_with(&site, &["--mode-ceiling", "observe"]);
    assert_eq!(layer(&site)["state"], "off");
    assert!(gates(&daemon).is_empty());
}

/// The processes of a daemon's gate.
fn gates(daemon: &Daemon) -> Vec<u32> {
    let of = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let is_gate =
        |pid: &u32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"\0gate\0"));
    let all: Vec<u32> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(is_gate)
        .collect();
    let holders: Vec<u32> = all.iter().copied().filter(|pid| of(*pid) == Some(daemon.child.id())).collect();
    let answering = all.into_iter().filter(|pid| of(*pid).is_some_and(|parent| holders.contains(&parent)));
    let answering: Vec<u32> = answering.collect();
    holders.into_iter().chain(answering).collect()
}

#[test]
fn a_file_that_cannot_be_put_right_is_not_read_and_that_is_told_once_a_minute() {
    let Some(site) = gated(&json!({})) else { return };
    let (daemon, _) = Daemon::start(&site);
    let path = home(&site, "ann").join(FILE);
    // a second name: nothing may be written through it, and another file in its place leaves that open with what it found
    let staged = site.machine.root().join("home/ann/.cursor/staged");
    for _ in 0..5 {
        fs::write(&staged, servers(&["good", "evil"])).unwrap();
        give(&staged, ANN);
        let second = site.machine.root().join("home/ann/second");
        let _ = fs::remove_file(&second);
        fs::hard_link(&staged, &second).unwrap();
        fs::rename(&staged, &path).unwrap();
        let seen = read(&path);
        assert!(seen.as_deref().is_none_or(|text| !text.contains("evil")), "{seen:?}");
    }
    let end = Instant::now() + FIVE * 12;
    while names(&path) != ["good"] {
        assert!(Instant::now() < end, "the next look puts it right");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(daemon);
}

#[test]
fn a_client_that_saves_its_own_state_reads_it_again_at_once() {
    let Some(site) = gated(&json!({})) else { return };
    put(&site, ("ann", ANN), ".claude.json", "{\"numStartups\": 0}");
    let (_daemon, _) = Daemon::start(&site);
    let path = home(&site, "ann").join(".claude.json");
    let mut refused = 0;
    for count in 0..50 {
        let text = format!("{{\"numStartups\": {count}}}");
        if count % 2 == 0 {
            plant(&site, ".claude.json", &text);
        } else {
            fs::write(&path, &text).unwrap();
        }
        match read(&path) {
            Some(seen) => assert_eq!(seen, text),
            None => refused += 1,
        }
    }
    say(&format!("refused {refused} of 50 saves that were read at once"));
    assert!(refused <= 1, "{refused}");
}

#[test]
fn killed_and_stopped_processes_of_the_gate_let_nothing_through_and_hold_nobody_up() {
    let Some(site) = gated(&json!({})) else { return };
    let (daemon, _) = Daemon::start(&site);
    let other = put(&site, ("ann", ANN), ".cursor/notes.txt", "x");
    for (which, signal) in [(1, "KILL"), (1, "STOP"), (0, "KILL")] {
        let pids = gates(&daemon);
        let path = plant(&site, FILE, &servers(&["good", "evil"]));
        let done = Command::new("kill").args([&format!("-{signal}"), &pids[which].to_string()]).status();
        assert!(done.unwrap().success());
        let seen = read(&path);
        assert!(seen.as_deref().is_none_or(|text| !text.contains("evil")), "{signal}: {seen:?}");
        assert_eq!(read(&other).as_deref(), Some("x"), "{signal}");
        daemon.wait("that it was started again", |line| line.to_string().contains("gate-restarted"));
        let end = Instant::now() + FIVE * 12;
        while gates(&daemon).len() < 2 || read(&path).is_none() {
            assert!(Instant::now() < end, "{signal}: it is not on again");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(names(&path), ["good"]);
    }
}

/// What a machine does all day beside clients, in a folder that is held: each line by itself.
const CANARY: [&str; 3] = [
    // a log is rotated while a program writes it
    "exec 3>>app.log; echo a >&3; mv app.log app.log.1; echo b >&3; exec 3>>app.log; echo c >&3; cat app.log app.log.1",
    // a package is built and installed, which opens, writes, renames and reads
    "mkdir -p pkg/DEBIAN pkg/data db/info db/updates; echo x >pkg/data/settings; : >db/status; \
     printf 'Package: canary\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.com>\\nDescription: x\\n' >pkg/DEBIAN/control; \
     dpkg-deb --build pkg p.deb && dpkg --force-unsafe-io --admindir db --instdir . --install p.deb && cat data/settings",
    // both ends of a pipe
    "rm -f pipe; mkfifo pipe; echo x >pipe & cat pipe; wait",
];

fn canary(folder: &Path, what: &str) {
    for line in CANARY {
        let begin = Instant::now();
        let mut shell = Command::new("bash");
        let output = shell.args(["-euc", line]).current_dir(folder).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{what}: {line}: {said}");
        assert!(begin.elapsed() < FIVE, "{what}: {line} took {:?}", begin.elapsed());
    }
}

#[test]
fn rotated_logs_packages_and_pipes_wait_for_nobody_whatever_becomes_of_the_gate() {
    let Some(site) = gated(&json!({})) else { return };
    if Command::new("dpkg").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skip("a package is installed by dpkg");
    }
    let folder = home(&site, "ann").join(".cursor");
    canary(&folder, "without a gate");
    let (daemon, _) = Daemon::start(&site);
    canary(&folder, "beside the gate");
    for (which, signal) in [(1, "STOP"), (1, "KILL"), (0, "KILL"), (0, "STOP")] {
        let pids = gates(&daemon);
        let done = Command::new("kill").args([&format!("-{signal}"), &pids[which].to_string()]).status();
        assert!(done.unwrap().success());
        canary(&folder, &format!("after {signal} of the {}", ["holder", "answering process"][which]));
        if signal == "STOP" && which == 0 {
            // nobody needs it as long as the answering one lives
            assert!(Command::new("kill").args(["-CONT", &pids[0].to_string()]).status().unwrap().success());
        }
        let end = Instant::now() + FIVE * 12;
        while gates(&daemon).len() < 2 || read(&folder.join("mcp.json")).is_none() {
            assert!(Instant::now() < end, "{signal}: it is not on again");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    // and with the agent itself stopped
    daemon.signal("STOP");
    canary(&folder, "with a stopped agent");
    daemon.signal("CONT");
}

#[test]
fn one_users_gate_is_no_others_business_and_roots_home_has_none() {
    let Some(site) = gated(&json!({})) else { return };
    let bobs = put(&site, ("bob", BOB), FILE, &servers(&["good"]));
    let (_daemon, _) = Daemon::start(&site);
    let project = home(&site, "bob").join("src/new-project");
    read_at_last(&bobs);
    // a project that comes later is held from the look on that finds it
    put(&site, ("bob", BOB), "src/new-project/.mcp.json", &servers(&["good"]));
    let end = Instant::now() + FIVE * 12;
    loop {
        let planted = project.join(".mcp.json");
        let new = site.machine.root().join("new");
        fs::write(&new, servers(&["good", "evil"])).unwrap();
        give(&new, BOB);
        fs::rename(&new, &planted).unwrap();
        let seen = read(&planted);
        if seen.as_deref().is_none_or(|text| !text.contains("evil")) {
            break;
        }
        assert!(Instant::now() < end, "it is never held");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Plants and reads, again and again: how often the reader saw what was planted, how often it read the file clean, and how often
/// it was refused.
fn race(site: &Site, trials: usize, how: &str) -> [usize; 3] {
    let path = home(site, "ann").join(FILE);
    let script = r#"
import os, sys, time
path, uid, trials, how = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
evil, good = open(sys.argv[5]).read(), open(sys.argv[6]).read()
seen = [0, 0, 0]
os.setgid(uid); os.setuid(uid)
new = os.path.join(os.path.dirname(path), "planted")
for n in range(trials):
    if how == "rename":
        with open(new, "w") as file: file.write(evil)
        os.rename(new, path)
    elif how == "truncate":
        try:
            with open(path, "w") as file: file.write(evil)
        except PermissionError:
            seen[2] += 1
            continue
    else:
        staged = os.path.join(os.path.dirname(path), "..", "staged")
        with open(staged, "w") as file: file.write(evil)
        os.link(staged, new); os.rename(new, path); os.unlink(staged)
    try:
        with open(path) as file: text = file.read()
        seen[0 if "evil" in text else 1] += 1
    except PermissionError:
        seen[2] += 1
    time.sleep(0.004)
print(*seen)
"#;
    let folder = site.machine.root();
    let (evil, good) = (folder.join("evil.json"), folder.join("good.json"));
    fs::write(&evil, servers(&["good", "evil"])).unwrap();
    fs::write(&good, servers(&["good"])).unwrap();
    for text in [&evil, &good] {
        fs::set_permissions(text, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let mut python = Command::new("python3");
    python.args(["-c", script]).arg(&path).args([&ANN.to_string(), &trials.to_string(), how]);
    let output = python.arg(&evil).arg(&good).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counts: Vec<usize> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
    counts.try_into().unwrap()
}

/// More of them in the long run.
fn trials() -> usize {
    std::env::var("MCPOLICY_GATE_TRIALS").map_or(100, |count| count.parse().unwrap())
}

#[test]
fn who_plants_and_reads_at_the_same_instant_never_reads_it_with_the_gate() {
    if Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skip("the race needs python3");
    }
    for gate in [true, false] {
        let Some(mut site) = gated(&json!({})) else { return };
        if !gate {
            site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        }
        let (_daemon, _) = Daemon::start(&site);
        for how in ["rename", "truncate", "link"] {
            let [evil, clean, refused] = race(&site, trials(), how);
            let layers = if gate { "with the gate" } else { "layer 2 alone" };
            say(&format!("{layers}, {how}: saw it {evil}, clean {clean}, refused {refused}"));
            assert!(!gate || evil == 0, "{how}");
        }
    }
}
