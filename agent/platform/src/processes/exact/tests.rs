//! With real processes, all of them children of the test.

#![cfg(unix)]

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant as Clock};

use super::*;
#[cfg(target_os = "linux")]
use crate::processes::is_spoken_to;
use crate::processes::processes;

/// A child that is ended with the test.
struct Own(Child);

impl Own {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts"))
    }

    fn sleep(seconds: &str) -> Self {
        let own = Self::start(Command::new("sleep").arg(seconds));
        // between fork and exec it is a copy of the test
        own.seen_as(&|seen| seen.args == ["sleep", seconds]);
        own
    }

    fn seen_as(&self, is_it: &dyn Fn(&Process) -> bool) -> Process {
        let end = Clock::now() + Duration::from_secs(10);
        loop {
            let found = processes().into_iter().find(|process| process.pid == self.0.id() && is_it(process));
            match found {
                Some(seen) => return seen,
                None => assert!(Clock::now() < end, "the child is not listed"),
            }
        }
    }

    fn seen(&self) -> (Process, Instance) {
        (self.seen_as(&|_| true), Instance::of(self.0.id()).expect("it has a start"))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_is_asked_to_end_and_is_not_running_before_its_parent_has_noticed() {
    let mut own = Own::sleep("601");
    let (seen, instance) = own.seen();
    let exact = Exact::hold(&seen, instance).expect("it is ours");
    assert!(exact.is_running() && instance.is_running() && exact.instance() == instance);
    exact.ask_to_end().expect("it is ours");
    let end = Clock::now() + Duration::from_secs(10);
    while exact.is_running() {
        assert!(Clock::now() < end, "it goes on");
    }
    assert!(!instance.is_running());
    assert!(matches!(exact.kill(), Err(NotHeld::Gone)));
    assert_eq!(own.0.wait().expect("it ended").signal(), Some(15));
    assert!(matches!(Exact::hold(&seen, instance), Err(NotHeld::Gone)));
}

#[test]
fn a_process_that_does_not_listen_is_killed() {
    let mut own =
        Own::start(Command::new("sh").args(["-c", "trap '' TERM; while :; do sleep 1; done", "deaf"]));
    let seen = own.seen_as(&|seen| seen.args.last().is_some_and(|word| word == "deaf"));
    // the trap is set by then
    std::thread::sleep(Duration::from_millis(300));
    let exact = Exact::hold(&seen, Instance::of(seen.pid).expect("it has a start")).expect("it is ours");
    exact.ask_to_end().expect("it is ours");
    std::thread::sleep(Duration::from_millis(100));
    assert!(exact.is_running());
    exact.kill().expect("it is ours");
    assert_eq!(own.0.wait().expect("it ended").signal(), Some(9));
}

#[test]
fn another_process_under_the_same_number_is_not_held() {
    let own = Own::sleep("602");
    let (seen, instance) = own.seen();
    let earlier = Instance { started: Started(instance.started.0 - 1), ..instance };
    assert!(matches!(Exact::hold(&seen, earlier), Err(NotHeld::Gone)));
    assert!(!earlier.is_running() && instance.is_running());
}

#[test]
fn a_process_that_is_not_what_was_seen_is_not_held() {
    let own = Own::sleep("603");
    let (seen, instance) = own.seen();
    let with = |change: &dyn Fn(&mut Process)| {
        let mut other = seen.clone();
        change(&mut other);
        Exact::hold(&other, instance)
    };
    assert!(matches!(with(&|other| other.args[1] = "evil-mcp".to_owned()), Err(NotHeld::Changed)));
    assert!(matches!(with(&|other| other.exe = Some("/tmp/evil".into())), Err(NotHeld::Changed)));
    assert!(matches!(with(&|other| other.uid = Some(4_000_000)), Err(NotHeld::Changed)));
    assert!(matches!(with(&|other| other.pid += 1), Err(NotHeld::Changed)));
    assert!(matches!(with(&|other| other.start_time += 60), Err(NotHeld::Changed)));
    assert!(with(&|other| other.parent = Some(1)).is_ok(), "its client may have ended");
}

#[test]
fn a_process_that_runs_another_program_by_now_is_not_held() {
    let own = Own::start(Command::new("sh").args(["-c", "read _ </dev/null; sleep 1; exec sleep 604"]));
    let (seen, instance) = own.seen();
    own.seen_as(&|seen| seen.args == ["sleep", "604"]);
    assert_eq!(Instance::of(seen.pid), Some(instance), "to the kernel it is the same process");
    assert!(matches!(Exact::hold(&seen, instance), Err(NotHeld::Changed)));
}

#[test]
fn neither_the_first_process_nor_this_one_nor_what_it_was_started_by_is_held() {
    let all = processes();
    let own = std::process::id();
    let parent = again(own).and_then(|(process, _)| process.parent).expect("something started the test");
    let ourselves = ourselves();
    assert!([0, 1, own, parent].iter().all(|pid| ourselves.contains(pid)), "{ourselves:?}");
    for seen in all.iter().filter(|process| ourselves.contains(&process.pid)) {
        let Some(instance) = Instance::of(seen.pid) else { continue };
        assert!(matches!(Exact::hold(seen, instance), Err(NotHeld::Untouchable)), "{}", seen.pid);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_that_is_spoken_to_through_pipes_is_told_from_one_that_is_not() {
    let quiet = Own::sleep("605");
    assert_eq!(is_spoken_to(quiet.0.id()), Some(false));
    let mut command = Command::new("sleep");
    let child = command.arg("606").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let own = Own(child);
    assert_eq!(is_spoken_to(own.0.id()), Some(true));
    assert_eq!(is_spoken_to(u32::MAX), None);
}
