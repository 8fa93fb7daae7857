//! What befalls the running agent: it is killed, its stored policy goes, its disk is full, nothing is told to it or too much,
//! no news for long, a policy that ends it. docs/assurance.md says which row of the table of faults each test is.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mcpolicy_tests::{say, skip};
use serde_json::{Value, json};

use crate::actions::{both, site_run_by};
use crate::enforce::{Site, npx, policy, rule};
use crate::run::{Daemon, is_clean, put, servers};
use crate::told::{status, status_with};

const FILE: &str = ".cursor/mcp.json";

/// What the journal says, oldest first.
fn journal(site: &Site) -> Vec<Value> {
    let log = site.run(&["log", "--json"]);
    let lines = String::from_utf8(log.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(site: &Site, code: &str) -> Vec<Value> {
    journal(site).into_iter().filter(|record| record["code"] == code).collect()
}

/// Waits until something is so.
fn until(what: &str, within: Duration, is_so: impl Fn() -> bool) -> Duration {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < within, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    begin.elapsed()
}

fn tells(line: &Value, text: &str) -> bool {
    line["text"].as_str().is_some_and(|told| told.contains(text))
}

/// A machine that root runs; `None`, said aloud, where the test is not root or may not have name spaces.
fn of_root() -> Option<Site> {
    let is_root = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0;
    if !is_root {
        skip("this test needs root");
        return None;
    }
    crate::live::can_isolate().then(|| site_run_by(None))
}

#[test]
fn an_agent_that_was_killed_is_back_within_ten_seconds_has_looked_at_all_and_tells_for_how_long_it_was_away()
{
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, FILE, "{\"mcpServers\":{}}");
        let (daemon, _) = Daemon::start(site);
        assert_eq!(
            events(site, "agent-gap"),
            Vec::<Value>::new(),
            "before the first start there was no agent"
        );
        let from = site.now();
        daemon.signal("KILL");
        // waits until it is gone
        drop(daemon);
        put(site, FILE, &servers("mcpServers"));
        // an hour later
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let begin = Instant::now();
        let (daemon, _) = Daemon::start(site);
        assert!(is_clean(site, FILE));
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        let gaps = events(site, "agent-gap");
        let gap = |reason: &str, from: &str| json!({"from": from, "to": site.now(), "reason": reason});
        assert_eq!(
            gaps.iter().map(|event| event["gap"].clone()).collect::<Vec<_>>(),
            [gap("broken-off", &from)]
        );
        let from = site.now();
        assert_eq!(daemon.stop(), Some(0));
        let (daemon, _) = Daemon::start(site);
        assert_eq!(events(site, "agent-gap")[1]["gap"], gap("stopped", &from));
        // a session that ends for another policy is no start
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("@acme/other")])));
        daemon.wait("a pass", |line| line["what"] == "pass" && line["sequence"] == 3);
        assert_eq!(events(site, "agent-gap").len(), 2);
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// Whoever removes it wants an older policy taken at the next start, for want of the numbers in it.
#[test]
fn a_stored_policy_that_is_removed_under_the_agent_goes_on_is_written_again_and_told() {
    both(|site| {
        let old = site.folder("old");
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
        copy(&site.folder("published"), &old);
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, FILE, "{\"mcpServers\":{}}");
        let (daemon, _) = Daemon::start(site);
        let store = site.folder("state/policy");
        for (round, path) in [store.join("state.json"), store.clone()].into_iter().enumerate() {
            let there = || -> Vec<String> {
                let names = fs::read_dir(&store).into_iter().flatten();
                let mut names: Vec<_> =
                    names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
                names.retain(|name| name != "previous.json");
                names.sort();
                names
            };
            let before = there();
            if path.is_dir() {
                fs::remove_dir_all(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            };
            put(site, FILE, &servers("mcpServers"));
            crate::run::wait_until(site, FILE);
            let after = until("it is written again", Duration::from_secs(5), || there() == before);
            assert!(after < Duration::from_secs(2), "{after:?}");
            until("it is told", Duration::from_secs(5), || {
                events(site, "policy-store-mended").len() == round + 1
            });
        }
        assert!(status(site).0["problems"].to_string().contains("stored policy was removed"));
        assert_eq!(daemon.stop(), Some(0));
        // the older one is refused by the numbers that were written again
        fs::remove_dir_all(site.folder("published")).unwrap();
        fs::rename(&old, site.folder("published")).unwrap();
        put(site, FILE, &servers("mcpServers"));
        let (daemon, pass) = Daemon::start(site);
        assert_eq!(pass["sequence"], 2, "{pass}");
        assert!(pass["notices"].to_string().contains("refused") && is_clean(site, FILE), "{pass}");
        assert_eq!(daemon.stop(), Some(0));
    });
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn a_clock_that_jumps_between_two_starts_is_told_and_brings_nothing_to_life() {
    both(|site| {
        let mut good = rule("@acme/good");
        good["remediation"] = json!({"what": "rotate the key", "deadline": "2026-11-02"});
        site.publish(&policy(&json!({}), &json!([good])));
        let good = json!({"mcpServers": {"good": npx("@acme/good@1.0.0")}}).to_string();
        put(site, FILE, &good);
        let right = site.published;
        // ahead, back, and far ahead, by which deadlines end though nothing else is judged by it
        let phases = [
            (right, None, true),
            (right + 60, None, false),
            (right, Some("clock-rollback"), false),
            (right + 24 * 420, Some("clock-jump"), false),
        ];
        for (published, code, stays) in phases {
            site.published = published;
            put(site, FILE, &good);
            let (daemon, pass) = Daemon::start(site);
            assert_eq!(site.read(FILE).contains("good"), stays, "{code:?}: {pass}");
            if !stays {
                // nor does a look
                put(site, FILE, &good);
                until("it goes", Duration::from_secs(10), || !site.read(FILE).contains("good"));
            }
            assert_eq!(daemon.stop(), Some(0));
            if let Some(code) = code {
                assert_eq!(events(site, code).len(), 1, "{code}: {pass}");
            }
        }
    });
}

/// A script that mounts a disk of so many KiB as the state folder, and becomes what follows.
fn on_small_disk(site: &Site, kib: u32) -> String {
    let state = site.folder("state");
    fs::create_dir_all(&state).unwrap();
    format!("set -e; /usr/bin/mount -t tmpfs -o size={kib}k,mode=0700 none {}; exec \"$@\"", state.display())
}

#[test]
fn a_disk_of_the_state_that_fills_up_is_told_and_all_is_done_when_there_is_room() {
    let Some(mut site) = of_root() else { return };
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    put(&site, FILE, "{\"mcpServers\":{}}");
    let script = on_small_disk(&site, 1024);
    let by = ["/usr/bin/unshare", "--mount", "/bin/bash", "-c", &script, "bash"];
    let socket = site.folder("agent.sock");
    let socket = ["--socket", socket.to_str().unwrap()];
    let (daemon, _) = Daemon::start_by(&site, &by, &socket);
    // the disk as the daemon has it
    let inside = |path: &str| -> PathBuf {
        let state = site.folder("state");
        format!("/proc/{}/root{}/{path}", daemon.child.id(), state.display()).into()
    };
    let mut filler = fs::File::create(inside("filler")).unwrap();
    while filler.write_all(&[0; 512]).is_ok() {}
    put(&site, FILE, &servers("mcpServers"));
    daemon.wait("that there is no room", |line| line.to_string().contains("make room on its disk"));
    assert_eq!(
        site.read(FILE),
        servers("mcpServers"),
        "without its original in the vault nothing is changed"
    );
    let said = site.run(&[&["status", "--json"][..], &socket].concat());
    let told: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(12), "{told}");
    assert!(told["problems"].to_string().contains("make room on its disk"), "{told}");
    fs::remove_file(inside("filler")).unwrap();
    drop(filler);
    let after = until("it goes on", Duration::from_secs(25), || is_clean(&site, FILE));
    say(&format!("done {after:.1?} after there was room"));
    put(&site, FILE, &servers("mcpServers"));
    until("as before", Duration::from_secs(10), || is_clean(&site, FILE));
    assert_eq!(daemon.stop(), Some(0));
}

/// Has a daemon run in a name space of users in which the kernel gives out only so much to watch with: the limits of the
/// machine that runs the tests are not touched.
fn with_limit(site: &Site, limit: &str, most: u32) -> (Daemon, Value) {
    let (number, go) = (site.folder("number"), site.folder("go"));
    let limits = format!("echo {most} >/proc/sys/user/{limit}; exec \"$@\"");
    let script = format!(
        "echo $$ >{number}.new; /bin/mv {number}.new {number}; until [ -e {go} ]; do /bin/sleep 0.01; done
        exec /usr/bin/setpriv --reuid 0 --regid 0 --clear-groups /bin/bash -c '{limits}' bash \"$@\"",
        number = number.display(),
        go = go.display(),
    );
    let map = std::thread::spawn(move || {
        until("the name space", Duration::from_secs(10), || number.exists());
        let process = fs::read_to_string(&number).unwrap();
        for map in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{}/{map}", process.trim()), "0 0 65536\n").unwrap();
        }
        fs::write(go, "").unwrap();
    });
    let by = ["/usr/bin/unshare", "--user", "--keep-caps", "/bin/bash", "-c", &script, "bash"];
    let started = Daemon::start_by(site, &by, &[]);
    map.join().unwrap();
    started
}

/// Watches run out, and there is not even one watcher: known files, new ones and a newer policy are seen by looking.
fn where_nothing_is_told(limit: &str, most: u32) {
    let Some(mut site) = of_root() else { return };
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    for path in [FILE, ".kiro/settings/mcp.json", "src/p/.mcp.json"] {
        put(&site, path, "{\"mcpServers\":{}}");
    }
    put(&site, "src/q/README", "");
    // a project outside of the home, where nothing is written by us
    let outside = site.machine.root().join("srv/out");
    fs::create_dir_all(&outside).unwrap();
    put(&site, ".claude.json", &json!({"projects": {"/srv/out": {}}}).to_string());
    let begin = Instant::now();
    let (daemon, _) = with_limit(&site, limit, most);
    daemon.wait("that not everything is watched", |line| tells(line, "not everything is watched"));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(status_with(&site, 12)["problems"].to_string().contains("watch"));
    let known = [FILE, ".kiro/settings/mcp.json", "src/p/.mcp.json"];
    // of a client that was not there, and in a folder of a known one
    let new = [".gemini/settings.json", "src/p/.vscode/mcp.json"];
    for path in known.into_iter().chain(new) {
        put(&site, path, &servers(if path.contains("vscode") { "servers" } else { "mcpServers" }));
    }
    fs::write(outside.join(".mcp.json"), servers("mcpServers")).unwrap();
    crate::actions::give(&site.machine.root(), &outside);
    daemon.wait_until("the file outside", Instant::now() + Duration::from_secs(30), |line| {
        line["what"] == "look" && line["left"].to_string().contains("evil")
    });
    for path in known.into_iter().chain(new) {
        let after = until(path, Duration::from_secs(25), || is_clean(&site, path));
        say(&format!("{path} after {after:.1?}"));
    }
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
    put(&site, FILE, &servers("mcpServers"));
    let end = Instant::now() + Duration::from_secs(60);
    daemon.wait_until("the newer policy", end, |line| line["what"] == "pass" && line["sequence"] == 2);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn where_the_system_gives_out_no_more_watches_all_is_looked_at_often_and_that_is_told() {
    where_nothing_is_told("max_inotify_watches", 3);
}

#[test]
fn where_the_system_gives_out_no_watcher_all_is_looked_at_often_and_that_is_told() {
    where_nothing_is_told("max_inotify_instances", 0);
}

/// The agent does not come to reading what it is told, and the system keeps only so much.
#[test]
fn more_changes_than_the_system_keeps_are_told_and_everything_is_looked_at() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, FILE, "{\"mcpServers\":{}}");
        let (daemon, _) = Daemon::start(site);
        let kept: usize =
            fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
        if kept > 100_000 {
            return say(&format!("skipped: this system keeps {kept} changes"));
        }
        daemon.signal("STOP");
        let folder = site.machine.home().join(".cursor");
        // each is at least made, written and closed
        for number in 0..=kept / 2 {
            fs::write(folder.join(format!("x{}", number % 500)), "x").unwrap();
        }
        put(site, FILE, &servers("mcpServers"));
        put(site, "src/p/.mcp.json", &servers("mcpServers"));
        daemon.signal("CONT");
        let begin = Instant::now();
        for path in [FILE, "src/p/.mcp.json"] {
            until(path, Duration::from_secs(30), || is_clean(site, path));
        }
        say(&format!("{kept} changes and more, all done {:.1?} after it went on", begin.elapsed()));
        daemon.wait("that changes were lost", |line| tells(line, "lost track of changes"));
        daemon.wait("a pass", |line| line["what"] == "pass");
        assert!(!events(site, "hints-lost").is_empty());
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// No news of the policy for days, then for more than thirty: what it has allowed stays, what is new does not come, and the next
/// policy ends that. (The time of a test is that of its start.)
#[test]
fn a_laptop_without_news_keeps_what_it_has_takes_nothing_new_and_is_well_again_with_the_next_policy() {
    both(|site| {
        let rules = json!([rule("@acme/good"), rule("@acme/second"), rule("@acme/third")]);
        site.publish(&policy(&json!({}), &rules));
        let with = |more: &[&str]| {
            let names = ["good"].iter().chain(more);
            let servers = names.map(|name| ((*name).to_owned(), npx(&format!("@acme/{name}@1.0.0"))));
            json!({"mcpServers": servers.collect::<serde_json::Map<_, _>>()}).to_string()
        };
        put(site, FILE, &with(&[]));
        let (daemon, _) = Daemon::start(site);
        assert_eq!(daemon.stop(), Some(0));
        let first = site.published;
        // four days: told, and no more
        site.published = first + 24 * 4;
        put(site, ".kiro/settings/mcp.json", &with(&["second"]));
        let (daemon, _) = Daemon::start(site);
        status_with(site, 11);
        assert_eq!(site.read(".kiro/settings/mcp.json"), with(&["second"]));
        assert_eq!(daemon.stop(), Some(0));
        // twenty, and forty: a leap of more than a month would be a clock that is wrong
        site.published = first + 24 * 20;
        let (daemon, _) = Daemon::start(site);
        status_with(site, 11);
        assert_eq!(daemon.stop(), Some(0));
        site.published = first + 24 * 40;
        let (daemon, pass) = Daemon::start(site);
        assert!(pass["notices"].to_string().contains("EXPIRED"), "{pass}");
        put(site, FILE, &with(&["second", "third"]));
        until("what is new goes", Duration::from_secs(10), || site.read(FILE) == with(&["second"]));
        assert_eq!(site.read(".kiro/settings/mcp.json"), with(&["second"]), "what was allowed before stays");
        status_with(site, 11);
        site.publish(&policy(&json!({}), &rules));
        assert_eq!(daemon.stop(), Some(0));
        let (daemon, _) = Daemon::start(site);
        status_with(site, 0);
        put(site, ".gemini/settings.json", &with(&["third"]));
        std::thread::sleep(Duration::from_millis(600));
        assert_eq!(site.read(".gemini/settings.json"), with(&["third"]));
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// Three times within ten minutes the agent ends in the middle of a pass under a new policy.
#[test]
fn a_policy_under_which_the_agent_crashes_three_times_is_held_and_the_one_before_acts() {
    if !crate::users::has_strace() {
        return;
    }
    both(|site| {
        if site.run_by.is_none() && site.machine.root().join("etc").is_dir() {
            // there it is the worker that makes the exchange, and its end is no crash of the agent
            return;
        }
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
        put(site, FILE, &servers("mcpServers"));
        let (daemon, _) = Daemon::start(site);
        assert_eq!(daemon.stop(), Some(0));
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let by = ["/usr/bin/strace", "-f", "-o", "/dev/null", "-e", "inject=renameat2:signal=SIGKILL"];
        for _ in 0..3 {
            let ended = Daemon::by(site, &by, &[]).output().unwrap();
            assert!(!ended.status.success(), "{ended:?}");
            assert!(site.read(FILE).contains("good"), "old or new");
            put(site, FILE, &servers("mcpServers"));
        }
        let (daemon, pass) = Daemon::start(site);
        assert_eq!((&pass["sequence"], site.read(FILE)), (&json!(1), servers("mcpServers")), "{pass}");
        assert!(pass["notices"].to_string().contains("held"), "{pass}");
        status_with(site, 12);
        assert!(!events(site, "policy-held").is_empty());
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// Its service manager asks for no more than that it answers: one that hangs is told like one that is not there.
#[test]
fn of_an_agent_that_hangs_the_status_is_not_running_after_a_quarter_of_a_minute() {
    both(|site| {
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        let (daemon, _) = Daemon::start(site);
        daemon.signal("STOP");
        let begin = Instant::now();
        let (said, code) = status(site);
        let after = begin.elapsed();
        assert_eq!((code, &said["state"]), (13, &json!("not-running")), "{said}");
        assert!((Duration::from_secs(14)..Duration::from_secs(25)).contains(&after), "{after:?}");
        daemon.signal("CONT");
        status_with(site, 0);
        assert_eq!(daemon.stop(), Some(0));
    });
}

/// Connections that say nothing, as many as all accounts together may have.
#[test]
fn accounts_that_hold_all_their_places_at_the_socket_leave_room_for_administrators() {
    let Some(mut site) = of_root() else { return };
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    let socket = site.machine.root().join("run/agent.sock");
    fs::create_dir(socket.parent().unwrap()).unwrap();
    let socket = socket.to_str().unwrap();
    let (daemon, _) = Daemon::start_with(&site, &["--socket", socket]);
    // which is on every system that the tests run on
    let hold = format!(
        "use IO::Socket::UNIX; $| = 1;
        my @held = map {{ IO::Socket::UNIX->new(Peer => '{socket}') or die $! }} 1..6;
        print \"held\\n\"; sleep 60"
    );
    let mut holders = Vec::new();
    for uid in 3001..3006_u32 {
        let uid = uid.to_string();
        let mut perl = Command::new("/usr/bin/setpriv");
        perl.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "/usr/bin/perl", "-e", &hold]);
        let mut perl = perl.stdout(Stdio::piped()).spawn().unwrap();
        let mut held = String::new();
        let out = perl.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut held).unwrap();
        holders.push(perl);
        assert_eq!(held, "held\n");
    }
    let ask_as = |uid: u32| {
        let uid = uid.to_string();
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", crate::BINARY]);
        command.args(["status", "--json", "--socket", socket]).env_clear().output().unwrap().status.code()
    };
    let begin = Instant::now();
    let others = ask_as(crate::actions::DEV);
    let root = site.run(&["status", "--json", "--socket", socket]);
    assert!(begin.elapsed() < Duration::from_secs(4), "the silent ones are let go of after five seconds");
    assert_eq!((others, root.status.code()), (Some(12), Some(0)), "{root:?}");
    until("others are answered again", Duration::from_secs(20), || ask_as(crate::actions::DEV) == Some(0));
    for mut holder in holders {
        holder.kill().unwrap();
        holder.wait().unwrap();
    }
    assert_eq!(daemon.stop(), Some(0));
}

/// Something puts an entry back without end, and then its home goes: what was noted of the fight is of a user who is none
/// any more.
#[test]
fn a_home_that_goes_away_during_a_fight_ends_no_agent() {
    let Some(site) = crate::users::site() else { return };
    let of_ann = |text: &str| crate::users::put(&site, ("ann", crate::users::ANN), FILE, text);
    let of_bob = |text: &str| crate::users::put(&site, ("bob", crate::users::BOB), FILE, text);
    of_ann("{}");
    of_bob("{}");
    let (daemon, _) = Daemon::start(&site);
    let is_done = |user: &str| {
        let text = fs::read_to_string(crate::users::home(&site, user).join(FILE)).unwrap();
        text.contains("good") && !text.contains("evil")
    };
    let begin = Instant::now();
    while !status(&site).0["problems"].to_string().contains("fight") {
        of_ann(&servers("mcpServers"));
        std::thread::sleep(Duration::from_millis(50));
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
    let passwd = site.machine.root().join("etc/passwd");
    let text = fs::read_to_string(&passwd).unwrap();
    // with its account, in the middle of a pause
    of_ann(&servers("mcpServers"));
    fs::remove_dir_all(crate::users::home(&site, "ann")).unwrap();
    let others: Vec<&str> = text.lines().filter(|line| !line.starts_with("ann:")).collect();
    fs::write(&passwd, others.join("\n") + "\n").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    of_bob(&servers("mcpServers"));
    until("Bob's is done", Duration::from_secs(10), || is_done("bob"));
    // until the accounts are read anew, a session lasts thirty seconds
    let end = Instant::now() + Duration::from_secs(45);
    daemon.wait_until("a pass over other accounts", end, |line| line["what"] == "pass");
    of_bob(&servers("mcpServers"));
    until("Bob's is done again", Duration::from_secs(10), || is_done("bob"));
    assert_eq!(daemon.stop(), Some(0));
}
