//! Who is held, and who is not.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mcpolicy_platform::gate::{DEADLINE, Late, PATIENCE, Told, Unmarked, Word};

use crate::rig::{ANN, FIVE, Rig, inode, read, reader};

pub(crate) const ALL: &[(&str, fn())] = &[
    ("a_file_that_matters_is_read_when_the_agent_says_so_and_not_before", allowed),
    ("a_file_that_is_refused_is_not_read", refused),
    ("a_file_that_does_not_matter_is_read_without_a_question", unrelated),
    ("what_nobody_answers_is_refused_at_the_deadline", late_is_refused),
    ("what_nobody_answers_goes_on_at_the_deadline_where_policy_says_so", late_goes_on),
    ("who_waits_for_a_busy_agent_waits_longer_and_is_answered_then", busy),
    ("who_waits_for_a_file_that_the_agent_looks_at_waits_longer_and_not_without_end", taken_up),
    ("what_was_in_order_is_not_asked_again_until_it_changes", remembered),
    ("what_somebody_may_still_write_is_asked_each_time", written),
    ("an_answer_about_another_state_of_the_file_counts_for_nobody", other_state),
    ("who_waits_for_a_file_reads_what_was_written_through_it_meanwhile", written_through),
    ("a_file_that_another_took_the_place_of_meanwhile_is_refused", displaced),
    ("all_who_wait_for_one_file_are_answered_by_one_question", together),
    ("a_file_that_is_renamed_into_the_folder_is_held", renamed_in),
    ("a_link_to_it_is_held_and_a_second_name_elsewhere_is_not", links),
    ("a_file_is_held_through_a_bind_mount_and_found_by_its_name_in_the_folder", bind_mount),
    ("a_folder_that_is_exchanged_for_another_is_held_anew", exchanged),
    ("a_folder_of_another_user_is_not_held_nor_one_behind_a_link", foreign),
    ("a_folder_is_let_go_of_when_it_is_wanted_no_more", let_go),
    ("a_pipe_works_under_any_name", pipes),
    ("a_socket_holds_nobody_up", sockets),
    ("a_program_in_the_folder_is_started", programs),
    ("a_second_listener_that_answers_late_holds_nobody_for_five_seconds", second_listener),
];

const TEXT: &str = "{\"mcpServers\":{}}";

fn allowed() {
    let rig = Rig::new(Late::Deny);
    let path = rig.file("mcp.json", TEXT);
    let mut child = reader(&path);
    let question = rig.asked();
    assert_eq!((question.path.clone(), question.pid), (path.clone(), child.id()));
    assert_eq!((question.stamp.inode, question.stamp.length), (inode(&path), TEXT.len() as u64));
    assert_eq!(rig.gate.places_of(&question), [path]);
    std::thread::sleep(Duration::from_millis(20));
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    rig.gate.answer(question.id, Word::Allow(question.stamp));
    assert_eq!(read(child).as_deref(), Some(TEXT));
}

fn refused() {
    let rig = Rig::new(Late::Allow);
    let child = reader(&rig.file("mcp.json", TEXT));
    rig.answer(false);
    assert_eq!(read(child), None);
}

fn unrelated() {
    let rig = Rig::new(Late::Deny);
    let other = rig.file("notes.txt", "x");
    assert_eq!(read(reader(&other)).as_deref(), Some("x"));
    fs::create_dir(rig.held().join("below")).unwrap();
    let below = rig.file("below/mcp.json", "y");
    assert_eq!(read(reader(&below)).as_deref(), Some("y"), "folders, never trees");
    rig.is_quiet();
}

fn late(late: Late) -> (Option<String>, Duration) {
    let rig = Rig::new(late);
    let path = rig.file("mcp.json", TEXT);
    let begin = Instant::now();
    let read = read(reader(&path));
    let took = begin.elapsed();
    let id = rig.asked().id;
    rig.wait("that it was late", |told| *told == Told::Late { id: Some(id), allowed: late == Late::Allow });
    (read, took)
}

fn late_is_refused() {
    let (read, took) = late(Late::Deny);
    assert!(read.is_none() && took >= DEADLINE && took < FIVE, "{took:?}");
}

fn late_goes_on() {
    let (read, took) = late(Late::Allow);
    assert!(read.as_deref() == Some(TEXT) && took >= DEADLINE && took < FIVE, "{took:?}");
}

fn busy() {
    let rig = Rig::new(Late::Deny);
    let path = rig.file("mcp.json", TEXT);
    rig.gate.busy(true);
    let child = reader(&path);
    let question = rig.asked();
    std::thread::sleep(DEADLINE * 3);
    rig.gate.busy(false);
    rig.gate.answer(question.id, Word::Allow(question.stamp));
    assert_eq!(read(child).as_deref(), Some(TEXT));
    let begin = Instant::now();
    rig.gate.busy(true);
    assert_eq!(read(reader(&path)), None);
    assert!(begin.elapsed() >= PATIENCE && begin.elapsed() < FIVE, "{:?}", begin.elapsed());
}

fn taken_up() {
    let rig = Rig::new(Late::Deny);
    let path = rig.file("mcp.json", TEXT);
    let (child, second) = (reader(&path), reader(&path));
    let question = rig.asked();
    rig.gate.taken_up(question.id);
    std::thread::sleep(DEADLINE * 3);
    rig.gate.answer(question.id, Word::Allow(question.stamp));
    assert_eq!((read(child).as_deref(), read(second).as_deref()), (Some(TEXT), Some(TEXT)));
    // a sign is no word: it ends all the same, and is no sign for others
    rig.gate.forget();
    let begin = Instant::now();
    let child = reader(&path);
    rig.gate.taken_up(rig.asked().id);
    assert_eq!(read(child), None);
    assert!(begin.elapsed() >= PATIENCE && begin.elapsed() < FIVE, "{:?}", begin.elapsed());
    let begin = Instant::now();
    assert_eq!(read(reader(&path)), None);
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}

/// Whether verdicts may be remembered on the file system of the folder.
fn remembers(rig: &Rig) -> bool {
    let kind = rustix::fs::statfs(rig.held()).unwrap().f_type;
    [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010].contains(&kind)
}

fn remembered() {
    let rig = Rig::new(Late::Deny);
    if !remembers(&rig) {
        return eprintln!("skipped: the temporary folder is on a file system that is never remembered");
    }
    let path = rig.file("mcp.json", TEXT);
    std::thread::sleep(Duration::from_millis(60));
    let child = reader(&path);
    rig.answer(true);
    assert!(read(child).is_some());
    for _ in 0..3 {
        assert!(read(reader(&path)).is_some());
    }
    rig.is_quiet();
    // of the same length, and with the time of the last write set back
    let then = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, TEXT.replace('S', "s")).unwrap();
    fs::File::options().append(true).open(&path).unwrap().set_modified(then).unwrap();
    let child = reader(&path);
    rig.answer(false);
    assert_eq!(read(child), None);
    rig.gate.forget();
    let child = reader(&path);
    rig.answer(true);
    assert!(read(child).is_some());
}

fn written() {
    let rig = Rig::new(Late::Deny);
    let path = rig.file("mcp.json", TEXT);
    std::thread::sleep(Duration::from_millis(60));
    let _writer = fs::File::options().append(true).open(&path).unwrap();
    for _ in 0..3 {
        let child = reader(&path);
        rig.answer(true);
        assert!(read(child).is_some());
    }
    // written just now: the next write may leave the same times
    drop(_writer);
    fs::write(&path, TEXT).unwrap();
    let child = reader(&path);
    rig.answer(true);
    assert!(read(child).is_some());
    let child = reader(&path);
    rig.answer(true);
    assert!(read(child).is_some());
}

fn other_state() {
    let rig = Rig::new(Late::Deny);
    let path = rig.file("mcp.json", TEXT);
    let child = reader(&path);
    let first = rig.asked();
    fs::write(&path, "{\"mcpServers\":{\"evil\":{}}}").unwrap();
    rig.gate.answer(first.id, Word::Allow(first.stamp));
    let second = rig.asked();
    assert!(second.stamp != first.stamp && second.stamp.inode == first.stamp.inode);
    rig.gate.answer(second.id, Word::Deny);
    assert_eq!(read(child), None);
}

fn written_through() {
    let rig = Rig::new(Late::Deny);
    let path = rig.file("mcp.json", "{\"mcpServers\":{\"evil\":{}}}");
    let child = reader(&path);
    let question = rig.asked();
    fs::write(&path, TEXT).unwrap();
    let now = fs::metadata(&path).unwrap();
    let mut stamp = question.stamp;
    stamp.length = now.len();
    stamp.modified = (now.mtime(), u32::try_from(now.mtime_nsec()).unwrap());
    stamp.changed = (now.ctime(), u32::try_from(now.ctime_nsec()).unwrap());
    rig.gate.answer(question.id, Word::Allow(stamp));
    assert_eq!(read(child).as_deref(), Some(TEXT));
}

fn displaced() {
    let rig = Rig::new(Late::Allow);
    let path = rig.file("mcp.json", "evil");
    let child = reader(&path);
    let question = rig.asked();
    let new = rig.file("new", TEXT);
    fs::rename(&new, &path).unwrap();
    assert_eq!(rig.gate.places_of(&question), Vec::<std::path::PathBuf>::new());
    let mut stamp = question.stamp;
    stamp.inode = inode(&path);
    rig.gate.answer(question.id, Word::Allow(stamp));
    assert_eq!(read(child), None, "what it has found is not what was judged");
}

fn together() {
    let rig = Rig::new(Late::Deny);
    let path = rig.file("mcp.json", TEXT);
    let first = reader(&path);
    let question = rig.asked();
    let others: Vec<_> = (0..5).map(|_| reader(&path)).collect();
    std::thread::sleep(Duration::from_millis(40));
    rig.gate.answer(question.id, Word::Allow(question.stamp));
    for child in others.into_iter().chain([first]) {
        // one that came late asks for itself
        while let Ok(Told::Question(late)) = rig_try(&rig) {
            rig.gate.answer(late.id, Word::Allow(late.stamp));
        }
        assert_eq!(read(child).as_deref(), Some(TEXT));
    }
}

fn rig_try(rig: &Rig) -> Result<Told, std::sync::mpsc::RecvTimeoutError> {
    rig.within(Duration::from_millis(5))
}

fn renamed_in() {
    let rig = Rig::new(Late::Deny);
    let outside = rig.around().join("outside");
    fs::write(&outside, TEXT).unwrap();
    let path = rig.held().join("mcp.json");
    fs::rename(&outside, &path).unwrap();
    let child = reader(&path);
    rig.answer(false);
    assert_eq!(read(child), None);
}

fn links() {
    let rig = Rig::new(Late::Deny);
    let path = rig.file("mcp.json", TEXT);
    let (link, second) = (rig.around().join("link"), rig.around().join("mcp.json"));
    symlink(&path, &link).unwrap();
    let child = reader(&link);
    rig.answer(false);
    assert_eq!(read(child), None);
    fs::hard_link(&path, &second).unwrap();
    assert_eq!(read(reader(&second)).as_deref(), Some(TEXT), "the limit that docs/gate.md names");
    let child = reader(&path);
    rig.answer(false);
    assert_eq!(read(child), None, "by its own name it is");
}

fn bind_mount() {
    let rig = Rig::new(Late::Deny);
    let path = rig.file("mcp.json", TEXT);
    let elsewhere = rig.around().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let script = format!(
        "mount --bind {} {} && cat {}",
        rig.held().display(),
        elsewhere.display(),
        elsewhere.join("mcp.json").display()
    );
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped());
    let child = unshare.stderr(Stdio::piped()).spawn().unwrap();
    let question = rig.asked();
    assert_eq!(rig.gate.places_of(&question), [path]);
    rig.gate.answer(question.id, Word::Deny);
    assert_eq!(read(child), None);
}

fn exchanged() {
    let mut rig = Rig::new(Late::Deny);
    rig.file("mcp.json", TEXT);
    let (held, old) = (rig.held(), rig.around().join("old"));
    fs::rename(&held, &old).unwrap();
    fs::create_dir(&held).unwrap();
    chown(&held, Some(ANN), Some(ANN)).unwrap();
    let path = rig.file("mcp.json", "evil");
    assert_eq!(read(reader(&path)).as_deref(), Some("evil"), "until it is seen, as docs/gate.md says");
    assert_eq!(rig.gate.hold(&[(held, ANN)]), []);
    let child = reader(&path);
    rig.answer(false);
    assert_eq!(read(child), None);
    assert_eq!(read(reader(&old.join("mcp.json"))).as_deref(), Some(TEXT), "nobody waits in the old one");
}

fn foreign() {
    let mut rig = Rig::new(Late::Deny);
    let around = rig.around();
    fs::create_dir(around.join("roots")).unwrap();
    symlink(around.join("roots"), around.join("link")).unwrap();
    let folders = ["roots", "link", "none"].map(|name| (around.join(name), ANN));
    let refused = rig.gate.hold(&folders);
    let why: Vec<&Unmarked> = refused.iter().map(|(_, why)| why).collect();
    assert_eq!(why, [&Unmarked::Foreign, &Unmarked::NoFolder, &Unmarked::NoFolder]);
    assert_eq!(rig.gate.folders(), 0);
    let of_system = rig.gate.hold(&[("/proc".into(), 0)]);
    assert_eq!(of_system, [("/proc".into(), Unmarked::FileSystem)]);
}

fn let_go() {
    let mut rig = Rig::new(Late::Deny);
    let path = rig.file("mcp.json", TEXT);
    assert_eq!(rig.gate.hold(&[]), []);
    assert_eq!(read(reader(&path)).as_deref(), Some(TEXT));
    rig.is_quiet();
}

fn pipes() {
    let rig = Rig::new(Late::Deny);
    for name in ["pipe", "mcp.json"] {
        for writer_first in [true, false] {
            let path = rig.held().join(name);
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            let write = || {
                let script = format!("echo through > {}", path.display());
                Command::new("sh").args(["-c", &script]).spawn().unwrap()
            };
            let (mut writer, child) = if writer_first {
                let writer = write();
                std::thread::sleep(Duration::from_millis(50));
                (writer, reader(&path))
            } else {
                let child = reader(&path);
                std::thread::sleep(Duration::from_millis(50));
                (write(), child)
            };
            assert_eq!(read(child).as_deref(), Some("through\n"), "{name} {writer_first}");
            assert!(writer.wait().unwrap().success(), "{name} {writer_first}");
            fs::remove_file(&path).unwrap();
        }
    }
    // somebody opens one and nobody comes: the others go on
    let path = rig.held().join("lonely");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let mut lonely = reader(&path);
    let other = rig.file("notes.txt", "x");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(read(reader(&other)).as_deref(), Some("x"));
    lonely.kill().unwrap();
    lonely.wait().unwrap();
    rig.is_quiet();
}

fn sockets() {
    let rig = Rig::new(Late::Deny);
    let _listener = UnixListener::bind(rig.held().join("mcp.json")).unwrap();
    let begin = Instant::now();
    let status = Command::new("cat").arg(rig.held().join("mcp.json")).stderr(Stdio::null()).status().unwrap();
    assert!(!status.success() && begin.elapsed() < FIVE);
    let other = rig.file("notes.txt", "x");
    assert_eq!(read(reader(&other)).as_deref(), Some("x"));
}

fn programs() {
    let rig = Rig::new(Late::Deny);
    let (program, running) = (rig.held().join("program"), rig.held().join("sleeping"));
    fs::copy("/bin/true", &program).unwrap();
    fs::copy("/bin/sleep", &running).unwrap();
    assert!(Command::new(&program).status().unwrap().success());
    let mut sleeping = Command::new(&running).arg("60").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(30));
    let read = Command::new("cmp").args([&running, std::path::Path::new("/bin/sleep")]).status().unwrap();
    assert!(read.success(), "a program that runs is read as ever");
    sleeping.kill().unwrap();
    sleeping.wait().unwrap();
}

/// Another program of the machine that holds opens in the same folder and takes a second for each.
fn second_listener() {
    let rig = Rig::new(Late::Deny);
    let (path, other) = (rig.file("mcp.json", TEXT), rig.file("notes.txt", "x"));
    let slow = crate::costs::SlowListener::over(&rig.held(), Duration::from_secs(1));
    let begin = Instant::now();
    assert_eq!(read(reader(&other)).as_deref(), Some("x"));
    let child = reader(&path);
    let question = rig.asked();
    rig.gate.answer(question.id, Word::Allow(question.stamp));
    assert_eq!(read(child).as_deref(), Some(TEXT));
    assert!(slow.answered() >= 2, "it was asked as well");
    assert!(begin.elapsed() < FIVE, "{:?}", begin.elapsed());
    // and with nobody who answers us either
    let begin = Instant::now();
    fs::write(&path, "evil").unwrap();
    assert_eq!(read(reader(&path)), None);
    assert!(begin.elapsed() < FIVE, "{:?}", begin.elapsed());
}
