//! The tests, from the side of the one that starts the worker.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use mcpolicy_platform::privileges::frames::FrameError;
use mcpolicy_platform::privileges::{Ended, Start, Worker, spawn_worker};
use tempfile::TempDir;

use crate::common::needs_root;
use crate::worker::{FURTHER, GROUP, USER};

pub(crate) fn all() -> Vec<Trial> {
    let cases: [(&'static str, fn()); 15] = [
        ("a_worker_can_do_what_it_is_for_and_nothing_else", probed),
        ("a_worker_that_is_shut_in_replaces_a_file_of_its_home", replaces),
        ("a_worker_that_is_shut_in_waits_for_who_has_looked_the_old_file_up", waits_for_the_last),
        ("frames_go_to_a_worker_and_back", echoes),
        ("a_worker_that_says_nothing_is_given_up_at_the_deadline", silent),
        ("a_worker_that_does_not_read_is_given_up_at_the_deadline", deaf),
        ("an_answer_that_is_too_long_is_not_read", floods),
        ("an_answer_that_is_broken_off_is_no_answer", half),
        ("a_worker_that_loops_is_killed_by_its_limit", busy),
        ("a_process_with_threads_does_not_become_a_user", threads),
        ("nobody_becomes_root", root),
        ("a_program_that_is_not_there_is_told", missing),
        ("cve_2020_16126_a_worker_stopped_by_its_user_holds_nobody_up", stopped),
        ("a_worker_dies_with_the_one_that_started_it", orphaned),
        ("without_root_these_tests_pass_by_hand_and_fail_in_ci", without_root),
    ];
    let trial = |(name, case): (&'static str, fn())| {
        let run = move || {
            if needs_root(name) {
                case();
            }
            Ok(())
        };
        Trial::test(name, run)
    };
    cases.into_iter().map(trial).collect()
}

pub(crate) fn start(program: &Path, arguments: &[&str], deadline: Duration) -> Worker {
    let mut args = vec![OsStr::new("worker")];
    args.extend(arguments.iter().map(OsStr::new));
    let env = [("GIVEN", OsStr::new("value"))];
    spawn_worker(&Start { program, args: &args, env: &env, deadline }).expect("started")
}

fn worker(arguments: &[&str], deadline: Duration) -> Worker {
    start(&std::env::current_exe().expect("this program"), arguments, deadline)
}

fn say(worker: &mut Worker) -> String {
    String::from_utf8(worker.receive(1 << 20).expect("an answer")).expect("text")
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(400);

/// `home` is the user's; beside it is what others have.
fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| dir.path().join(name);
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("mode");
    mode(dir.path(), 0o755);
    for name in ["home", "readable", "everybodys"] {
        fs::create_dir(at(name)).expect("directory");
    }
    chown(at("home"), Some(USER), Some(GROUP)).expect("owner");
    mode(&at("everybodys"), 0o777);
    for (name, rights) in [("readable/file", 0o666), ("readable/private", 0o600), ("elsewhere", 0o644)] {
        fs::write(at(name), "text").expect("file");
        mode(&at(name), rights);
    }
    let home = at("home");
    (dir, home)
}

fn probed() {
    let (_dir, home) = folder();
    // a file that we forgot to mark for closing
    let leaked = fs::File::open(&home).expect("home");
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).expect("marked");
    let mut worker = worker(&["probe", home.to_str().expect("text")], LONG);
    let text = say(&mut worker);
    assert_eq!(worker.finish(), Ended::Exited(0));
    let line = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(&format!("{name} ")));
        lines.next().unwrap_or_else(|| panic!("{name} was not tried:\n{text}")).to_owned()
    };
    assert_eq!(line("environment"), r#"["GIVEN=value"]"#);
    // the fourth is that of the listing itself
    assert_eq!(line("inherited"), r#"["0", "1", "2", "3"]"#, "{}", leaked.as_raw_fd());
    let state = format!("{USER} [{GROUP}, {FURTHER}] true NotDumpable true Some(0)");
    assert_eq!(line("state"), state, "{text}");
    for name in ["write-in-home", "private-by-default", "read-read-only", "thread"] {
        assert_eq!(line(name), "ok", "{text}");
    }
    let mut forbidden = vec![
        "read-of-another",
        "too-long-a-file",
        "too-many-files",
        "too-much-memory",
        "setresuid-root",
        "setuid-root",
        "mount",
        "module",
        "kexec",
    ];
    let confinement = line("confinement");
    if confinement.contains("seccomp: true") {
        forbidden.extend(["socket-tcp", "socket-unix", "setuid-own", "setgroups", "ptrace", "kill-parent"]);
        forbidden.extend([
            "unshare",
            "bpf",
            "keyctl",
            "perf",
            "process-vm",
            "io-uring",
            "fork",
            "clone3",
            "run",
        ]);
        #[cfg(target_arch = "x86_64")]
        forbidden.extend(["vfork", "x32-socket"]);
        let eperm = libc::EPERM.to_string();
        for name in ["socket-tcp", "setuid-own", "ptrace", "io-uring", "fork", "keyctl"] {
            assert_eq!(line(name), eperm, "{name}: {text}");
        }
    } else {
        eprintln!("skipped: this kernel has no seccomp filters");
    }
    if confinement.contains("landlock: Some") {
        forbidden.extend(["link-in-home", "write-read-only", "read-elsewhere", "write-elsewhere"]);
        assert!(confinement.contains("landlock_complete: true"), "{confinement}");
    } else {
        eprintln!("skipped: this kernel has no Landlock");
    }
    for name in forbidden {
        assert_ne!(line(name), "ok", "{name} is possible:\n{text}");
    }
}

fn replaces() {
    let (_dir, home) = folder();
    fs::write(home.join(".claude.json"), "old").expect("file");
    chown(home.join(".claude.json"), Some(USER), Some(GROUP)).expect("owner");
    let mut worker = worker(&["replace", home.to_str().expect("text")], LONG);
    let text = say(&mut worker);
    assert!(
        text.contains("Ok(Replaced") && text.contains("atomic: true, durable: true, left: None"),
        "{text}"
    );
    assert_eq!(fs::read_to_string(home.join(".claude.json")).expect("file"), "new");
    assert_eq!(worker.finish(), Ended::Exited(0));
}

/// What it needs for that (a second name, a watch, /proc) is not forbidden to it.
fn waits_for_the_last() {
    let (_dir, home) = folder();
    let file = home.join(".claude.json");
    fs::write(&file, "old").expect("file");
    chown(&file, Some(USER), Some(GROUP)).expect("owner");
    let looked_up =
        File::options().read(true).custom_flags(libc::O_PATH).open(&file).expect("looked up, not opened");
    let he = std::thread::spawn(move || {
        let begin = Instant::now();
        while fs::read_to_string(&file).expect("file") != "new" && begin.elapsed() < LONG {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(60));
        let found = format!("/proc/self/fd/{}", looked_up.as_raw_fd());
        File::options().append(true).open(found).expect("opened").write_all(b" and his").expect("written");
    });
    let mut worker = worker(&["replace", home.to_str().expect("text")], LONG);
    let text = say(&mut worker);
    he.join().expect("done");
    assert!(text.contains("Err(Conflict"), "{text}");
    let kept =
        fs::read_dir(&home).expect("home").map(|entry| fs::read_to_string(entry.expect("file").path()));
    assert!(kept.into_iter().any(|text| text.is_ok_and(|text| text == "old and his")), "{text}");
    assert_eq!(worker.finish(), Ended::Exited(0));
}

fn echoes() {
    let mut worker = worker(&["echo"], LONG);
    // more than a pipe holds
    for length in [0, 1, 5 << 20] {
        // the worker answers while it still reads nothing more, so that one of us must give way: it reads all first
        let frame = vec![7; length];
        worker.send(&frame).expect("sent");
        assert_eq!(worker.receive(8 << 20).expect("answered"), frame);
    }
    worker.close_input();
    assert_eq!(worker.receive(1), Err(FrameError::Closed));
    assert_eq!(worker.finish(), Ended::Exited(0));
}

fn silent() {
    let begin = Instant::now();
    let mut worker = worker(&["silent"], SHORT);
    let process = worker.id();
    assert_eq!(worker.receive(1), Err(FrameError::Deadline));
    assert_eq!(worker.finish(), Ended::Deadline);
    assert!(begin.elapsed() >= SHORT && begin.elapsed() < LONG);
    assert!(is_gone(process));
}

fn deaf() {
    let begin = Instant::now();
    let mut worker = worker(&["silent"], SHORT);
    assert_eq!(worker.send(&vec![0; 10 << 20]), Err(FrameError::Deadline));
    let process = worker.id();
    drop(worker);
    assert!(begin.elapsed() < LONG && is_gone(process));
}

fn floods() {
    let mut worker = worker(&["flood"], LONG);
    let too_large = FrameError::TooLarge { length: 0x7fff_ffff, cap: 1 << 20 };
    assert_eq!(worker.receive(1 << 20), Err(too_large));
}

fn half() {
    let mut worker = worker(&["half"], LONG);
    assert_eq!(worker.receive(100), Err(FrameError::Truncated));
    assert_eq!(worker.finish(), Ended::Exited(0));
}

fn busy() {
    let begin = Instant::now();
    let mut worker = worker(&["busy"], LONG);
    assert_eq!(worker.receive(100), Err(FrameError::Closed));
    assert!(matches!(worker.finish(), Ended::Killed(_)));
    assert!(begin.elapsed() < LONG);
}

fn threads() {
    assert_eq!(say(&mut worker(&["threads"], LONG)), "Err(Threads(2))");
}

fn root() {
    assert_eq!(say(&mut worker(&["root"], LONG)), "Err(Root)");
}

fn missing() {
    let start = Start { program: Path::new("/no/such/program"), args: &[], env: &[], deadline: LONG };
    assert!(spawn_worker(&start).is_err());
}

/// The worker is the user's, who may stop it: then it says nothing more, and is killed all the same.
fn stopped() {
    let deadline = Duration::from_secs(3);
    let begin = Instant::now();
    let mut worker = worker(&["user"], deadline);
    assert_eq!(say(&mut worker), "ready");
    let process = worker.id();
    let pid = rustix::process::Pid::from_raw(i32::try_from(process).expect("number")).expect("a process");
    let stop = std::thread::spawn(move || {
        let (user, group) = (rustix::process::Uid::from_raw(USER), rustix::process::Gid::from_raw(GROUP));
        rustix::thread::set_thread_res_gid(group, group, group).expect("group");
        rustix::thread::set_thread_res_uid(user, user, user).expect("user");
        rustix::process::kill_process(pid, rustix::process::Signal::STOP)
    });
    assert_eq!(stop.join().expect("the thread ends"), Ok(()), "the user may do that");
    assert_eq!(worker.receive(100), Err(FrameError::Deadline));
    assert_eq!(worker.finish(), Ended::Deadline);
    assert!(begin.elapsed() < deadline + Duration::from_secs(5));
    assert!(is_gone(process));
}

fn orphaned() {
    let mut outer = worker(&["orphan"], LONG);
    let inner: u32 = say(&mut outer).parse().expect("a number");
    assert_eq!(outer.finish(), Ended::Exited(0));
    let begin = Instant::now();
    while !is_gone(inner) {
        assert!(begin.elapsed() < Duration::from_secs(10), "it outlives the one that started it");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// This program again, by somebody else.
fn without_root() {
    let (dir, _home) = folder();
    let program = dir.path().join("tests");
    fs::copy(std::env::current_exe().expect("this program"), &program).expect("copied");
    let passes = |ci: &str| {
        let mut again = Command::new(&program);
        again.args(["--exact", "nobody_becomes_root"]).env("CI", ci).current_dir("/").uid(USER).gid(GROUP);
        again.output().expect("started").status.success()
    };
    assert_eq!((passes("false"), passes("true")), (true, false));
}

/// Not there, or dead and waited for by nobody.
fn is_gone(process: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return true };
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
}
