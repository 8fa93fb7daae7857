//! What becomes of those who wait when a process of the gate dies or is stopped.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mcpolicy_platform::gate::{Late, ORPHANED, Told};

use crate::rig::{FIVE, Rig, children, own_program, read, reader, signal};

pub(crate) const ALL: &[(&str, fn())] = &[
    ("when_the_answering_process_is_killed_who_waits_is_refused_and_the_next_is_served", killed),
    ("when_the_answering_process_is_killed_who_waits_goes_on_where_policy_says_so", killed_and_late_goes_on),
    ("an_answering_process_that_is_stopped_is_as_good_as_dead", stopped),
    ("an_answering_process_that_dies_again_and_again_lets_nobody_through_and_holds_no_other_up", dying),
    ("when_the_holder_is_killed_nobody_is_let_through_and_both_are_started_again", holder_killed),
    ("without_its_agent_the_gate_goes_on_refusing_for_a_while_and_then_is_gone", orphaned),
    ("a_gate_that_is_closed_lets_everybody_through_and_leaves_no_process", closed),
];

fn killed_with(late: Late) -> Option<String> {
    let rig = Rig::new(late);
    let (path, other) = (rig.file("mcp.json", "evil"), rig.file("notes.txt", "x"));
    let (_, answering) = rig.processes();
    let child = reader(&path);
    let question = rig.asked();
    signal(answering, "KILL");
    let came = read(child);
    rig.wait("the restart", |told| *told == Told::Restarted { late: 1 });
    assert_eq!(read(reader(&other)).as_deref(), Some("x"));
    let child = reader(&path);
    let again = rig.answer(true);
    assert!(again.id > question.id, "an answer to one that died is none to the next");
    assert_eq!(read(child).as_deref(), Some("evil"));
    came
}

fn killed() {
    assert_eq!(killed_with(Late::Deny), None);
}

fn killed_and_late_goes_on() {
    assert_eq!(killed_with(Late::Allow).as_deref(), Some("evil"));
}

fn stopped() {
    let rig = Rig::new(Late::Deny);
    let (path, other) = (rig.file("mcp.json", "evil"), rig.file("notes.txt", "x"));
    let (_, answering) = rig.processes();
    let child = reader(&path);
    rig.asked();
    signal(answering, "STOP");
    let begin = Instant::now();
    assert_eq!(read(child), None);
    assert_eq!(read(reader(&other)).as_deref(), Some("x"));
    assert!(begin.elapsed() < FIVE);
    rig.wait("the restart", |told| matches!(told, Told::Restarted { .. }));
}

fn dying() {
    let rig = Rig::new(Late::Deny);
    let (path, other) = (rig.file("mcp.json", "evil"), rig.file("notes.txt", "x"));
    let end = Instant::now() + Duration::from_secs(4);
    let mut deaths = 0;
    let holder = rig.processes().0;
    while Instant::now() < end {
        for pid in children(holder) {
            deaths += 1;
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let begin = Instant::now();
        assert_eq!(read(reader(&path)), None, "after {deaths} deaths");
        assert_eq!(read(reader(&other)).as_deref(), Some("x"), "after {deaths} deaths");
        assert!(begin.elapsed() < FIVE);
    }
    assert!(deaths > 5, "{deaths}");
    let _ = rig.processes();
}

fn holder_killed() {
    let rig = Rig::new(Late::Deny);
    let (path, other) = (rig.file("mcp.json", "evil"), rig.file("notes.txt", "x"));
    let (holder, answering) = rig.processes();
    let child = reader(&path);
    rig.asked();
    signal(holder, "KILL");
    assert_eq!(read(child), None);
    rig.wait("that both are new", |told| *told == Told::Renewed);
    let (new_holder, new_answering) = rig.processes();
    assert!(new_holder != holder && new_answering != answering);
    assert_eq!(read(reader(&other)).as_deref(), Some("x"));
    let child = reader(&path);
    rig.answer(true);
    assert_eq!(read(child).as_deref(), Some("evil"));
}

fn orphaned() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(crate::rig::ANN), None).unwrap();
    let held = folder.path().canonicalize().unwrap();
    for (name, text) in [("mcp.json", "evil"), ("notes.txt", "x")] {
        std::fs::write(held.join(name), text).unwrap();
    }
    let mut agent = Command::new(own_program());
    agent.arg("agent").arg(&held).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut agent = agent.spawn().unwrap();
    agent.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    let holder = children(agent.id());
    agent.kill().unwrap();
    agent.wait().unwrap();
    let begin = Instant::now();
    assert_eq!(read(reader(&held.join("mcp.json"))), None);
    assert_eq!(read(reader(&held.join("notes.txt"))).as_deref(), Some("x"));
    assert!(begin.elapsed() < ORPHANED);
    let gone = || holder.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists());
    while !gone() {
        assert!(begin.elapsed() < ORPHANED + FIVE, "its processes are still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(read(reader(&held.join("mcp.json"))).as_deref(), Some("evil"));
}

fn closed() {
    let rig = Rig::new(Late::Deny);
    let path = rig.file("mcp.json", "evil");
    let (holder, answering) = rig.processes();
    let child = reader(&path);
    rig.asked();
    let begin = Instant::now();
    let _folder = rig.close();
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(read(child).as_deref(), Some("evil"));
    assert_eq!(read(reader(&path)).as_deref(), Some("evil"));
    for pid in [holder, answering] {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
