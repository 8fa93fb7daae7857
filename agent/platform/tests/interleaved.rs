//! What a user does at each moment of an edit, in turn: what he wrote is in the file in the end, or kept beside it
//! where two of his own writes crossed. And what the system refuses at each moment: the file is the old one or the new
//! one, whole.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]
#![allow(clippy::disallowed_methods, reason = "a test reads its own files and parameters")]

mod common;

use std::cell::{Cell, RefCell};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::Folder;
use mcpolicy_platform::secure_fs::{ReplaceError, Replaced, STEPS, TempName, UNDO_STEPS, set_failpoint};

const OLD: &str = "old, as it was read";
const NEW: &str = "new, ours";
const HIS: &str = "his, written meanwhile";

struct Outcome {
    result: Result<Replaced, ReplaceError>,
    folder: Folder,
}

impl Outcome {
    fn text(&self) -> Option<String> {
        fs::read_to_string(self.folder.at("d/a")).ok()
    }

    /// All that is in the directory, by content.
    fn contents(&self) -> Vec<String> {
        self.folder.names("d").iter().map(|name| self.folder.text(&format!("d/{name}"))).collect()
    }
}

/// Replaces a file, and lets `act` have its turn when that step comes for the first time.
fn edit(step: &'static str, act: impl Fn(&Path) + 'static) -> Outcome {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let original = folder.open("d/a").unwrap();
    let (file, done) = (folder.at("d/a"), Cell::new(false));
    set_failpoint(Some(Box::new(move |at| {
        if at == step && !done.replace(true) {
            act(&file);
        }
        None
    })));
    let result = original.replace(NEW.as_bytes());
    set_failpoint(None);
    Outcome { result, folder }
}

fn rename_over(file: &Path) {
    let other = file.with_file_name("made-by-the-user");
    fs::write(&other, HIS).unwrap();
    std::os::unix::fs::chown(&other, Some(common::user()), None).unwrap();
    fs::rename(other, file).unwrap();
}

fn write_in_place(file: &Path) {
    fs::write(file, HIS).unwrap();
}

/// Of the same length and with the old time of its last write.
fn write_in_place_unseen(file: &Path) {
    let mtime = fs::metadata(file).unwrap().modified().unwrap();
    let mut handle = OpenOptions::new().write(true).open(file).unwrap();
    handle.write_all(b"OLD").unwrap();
    handle.set_modified(mtime).unwrap();
}

/// Before our file is in the place of his.
const BEFORE: &[&str] =
    &["create-temp", "write-temp", "copy-metadata", "sync-temp", "take-lease", "compare", "exchange"];
/// After it.
const AFTER: &[&str] =
    &["verify", "link-twin", "unlink-twin", "unlink-displaced", "verify-unlinked", "sync-directory", "done"];
/// Whoever opens the file to write it has to wait: in the last five, for reading as well.
const LEASED: &[&str] =
    &["compare", "exchange", "verify", "link-twin", "unlink-twin", "unlink-displaced", "verify-unlinked"];

#[test]
fn the_steps_before_and_after_are_all_steps() {
    let listed: Vec<_> = BEFORE.iter().chain(AFTER).collect();
    assert_eq!(listed, STEPS.iter().collect::<Vec<_>>());
}

#[test]
fn a_file_that_the_user_renames_over_it_at_any_step_stays() {
    for step in STEPS {
        let outcome = edit(step, rename_over);
        assert_eq!(outcome.text().as_deref(), Some(HIS), "{step}: {:?}", outcome.result);
        assert_eq!(outcome.folder.names("d"), ["a"], "{step}");
        match *step {
            "done" => assert!(outcome.result.is_ok()),
            step if BEFORE.contains(&step) => {
                assert_eq!(outcome.result, Err(ReplaceError::Changed), "{step}")
            }
            step => assert_eq!(outcome.result, Err(ReplaceError::WrittenSince), "{step}"),
        }
    }
}

#[test]
fn what_the_user_writes_in_place_at_any_step_stays() {
    // with a lease on the file the open would wait for us, and we for it, in one thread: that has its own test
    for step in STEPS.iter().filter(|step| !LEASED.contains(step)) {
        let outcome = edit(step, write_in_place);
        assert_eq!(outcome.text().as_deref(), Some(HIS), "{step}: {:?}", outcome.result);
        assert_eq!(outcome.folder.names("d"), ["a"], "{step}");
    }
}

#[test]
fn what_the_user_writes_unseen_by_times_and_length_stays() {
    for step in ["create-temp", "sync-temp", "take-lease"] {
        let outcome = edit(step, write_in_place_unseen);
        assert_eq!(outcome.result, Err(ReplaceError::Changed), "{step}");
        assert!(outcome.text().unwrap().starts_with("OLD"), "{step}");
    }
}

/// In another thread of the user, with a moment for it to come as far as it can.
fn meanwhile<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<(T, Duration)> {
    let thread = std::thread::spawn(move || {
        let begin = Instant::now();
        (work(), begin.elapsed())
    });
    std::thread::sleep(Duration::from_millis(30));
    thread
}

/// The kernel would let him wait for 45 seconds.
fn soon<T>(thread: JoinHandle<(T, Duration)>) -> T {
    let (done, waited) = thread.join().expect("it ends");
    assert!(waited < Duration::from_secs(15), "he waited for {waited:?}");
    done
}

/// A program that opens the file by its name as we hold the lease: it waits, and its write is not lost.
#[test]
fn a_program_that_opens_the_file_for_writing_just_then_waits_and_wins() {
    for step in LEASED {
        let writer = Rc::new(Cell::new(None));
        let slot = Rc::clone(&writer);
        let outcome = edit(step, move |file| {
            let file = file.to_owned();
            slot.set(Some(meanwhile(move || write_in_place(&file))));
        });
        soon(writer.take().expect("started"));
        if ["compare", "exchange"].contains(step) {
            assert_eq!(outcome.result, Err(ReplaceError::Changed), "{step}");
        }
        assert_eq!(outcome.text().as_deref(), Some(HIS), "{step}: {:?}", outcome.result);
        assert_eq!(outcome.folder.names("d"), ["a"], "{step}");
    }
}

/// He renames his file over the one that was read, and a program reads ours in the moment in which that is in place. It
/// would build its next save on what it reads: that must be his.
#[test]
fn a_program_that_reads_while_his_write_goes_back_reads_what_he_wrote() {
    for step in ["verify", "exchange-back", "verify-back", "unlink-ours"] {
        let folder = Folder::new();
        folder.file("d/a", OLD);
        let original = folder.open("d/a").unwrap();
        let file = folder.at("d/a");
        let reader = Rc::new(Cell::new(None));
        let slot = Rc::clone(&reader);
        set_failpoint(Some(Box::new(move |at| {
            if at == "exchange" {
                rename_over(&file);
            }
            if at == step {
                let file = file.clone();
                slot.set(Some(meanwhile(move || fs::read_to_string(file).unwrap())));
            }
            None
        })));
        let result = original.replace(NEW.as_bytes());
        set_failpoint(None);
        assert_eq!(soon(reader.take().expect("started")), HIS, "{step}");
        assert_eq!(result, Err(ReplaceError::Changed), "{step}");
        assert_eq!((folder.text("d/a").as_str(), folder.names("d").len()), (HIS, 1), "{step}");
    }
}

const LATER: &str = "his later one";

fn rename_later_one_over(file: &Path) {
    let other = file.with_file_name("later");
    fs::write(&other, LATER).unwrap();
    std::os::unix::fs::chown(&other, Some(common::user()), None).unwrap();
    fs::rename(other, file).unwrap();
}

/// The same, and another program saves over ours before his goes back: the reader gets the newest.
#[test]
fn a_program_that_waits_for_our_file_reads_the_newest_that_he_wrote() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let original = folder.open("d/a").unwrap();
    let (file, first) = (folder.at("d/a"), Cell::new(true));
    let reader = Rc::new(Cell::new(None));
    let slot = Rc::clone(&reader);
    set_failpoint(Some(Box::new(move |at| {
        match at {
            "exchange" => rename_over(&file),
            "exchange-back" if first.replace(false) => {
                let read = file.clone();
                slot.set(Some(meanwhile(move || fs::read_to_string(read).unwrap())));
                rename_later_one_over(&file);
            }
            _ => {}
        }
        None
    })));
    let result = original.replace(NEW.as_bytes());
    set_failpoint(None);
    assert_eq!(soon(reader.take().expect("started")), LATER);
    assert_eq!(result, Err(ReplaceError::Changed));
    assert_eq!((folder.text("d/a").as_str(), folder.names("d").len()), (LATER, 1));
}

/// His older file is in place for a moment, although he has saved a newer one: who reads that will save over the newer.
#[test]
fn where_a_program_saw_an_older_file_again_the_newer_is_kept_beside() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let original = folder.open("d/a").unwrap();
    let (file, first, second) = (folder.at("d/a"), Cell::new(true), Cell::new(true));
    let reader = Rc::new(Cell::new(None));
    let slot = Rc::clone(&reader);
    set_failpoint(Some(Box::new(move |at| {
        match at {
            "exchange" => rename_over(&file),
            "exchange-back" if first.replace(false) => rename_later_one_over(&file),
            "verify-back" if second.replace(false) => {
                let read = file.clone();
                slot.set(Some(meanwhile(move || fs::read_to_string(read).unwrap())));
            }
            _ => {}
        }
        None
    })));
    let result = original.replace(NEW.as_bytes());
    set_failpoint(None);
    assert_eq!(soon(reader.take().expect("started")), HIS);
    let Err(ReplaceError::Conflict { kept }) = result else { panic!("{result:?}") };
    assert_eq!([folder.text("d/a"), folder.text(kept.to_str().unwrap())], [LATER, LATER]);
    assert_eq!(folder.names("d").len(), 2);
}

/// Somebody has found the temporary file and holds it open, so that no lease is to be had.
#[test]
fn where_it_cannot_be_known_who_saw_ours_a_copy_of_his_is_kept_beside() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let original = folder.open("d/a").unwrap();
    let (file, temp) = (folder.at("d/a"), TempName::random().unwrap());
    let beside = folder.at("d").join(temp.as_str());
    let held = RefCell::new(None);
    set_failpoint(Some(Box::new(move |at| {
        match at {
            "take-lease" => *held.borrow_mut() = Some(File::open(&beside).unwrap()),
            "exchange" => rename_over(&file),
            _ => {}
        }
        None
    })));
    let result = original.replace_as(NEW.as_bytes(), &temp);
    set_failpoint(None);
    let Err(ReplaceError::Conflict { kept }) = result else { panic!("{result:?}") };
    assert_eq!([folder.text("d/a"), folder.text(kept.to_str().unwrap())], [HIS, HIS]);
    assert_eq!(folder.names("d").len(), 2);
}

/// He looked the name up before the exchange, was stopped for long, and writes when all is over.
#[test]
fn a_write_that_comes_when_the_edit_is_over_is_kept_beside() {
    for removes in [false, true] {
        let folder = Folder::new();
        folder.file("d/a", OLD);
        let handle = Cell::new(Some(OpenOptions::new().append(true).open(folder.at("d/a")).unwrap()));
        let original = folder.open("d/a").unwrap();
        set_failpoint(Some(Box::new(move |at| {
            if at == "sync-directory"
                && let Some(mut file) = handle.take()
            {
                file.write_all(HIS.as_bytes()).unwrap();
            }
            None
        })));
        let temp = TempName::random().unwrap();
        let result = if removes {
            original.remove_as(&temp)
        } else {
            original.replace_as(NEW.as_bytes(), &temp).map(drop)
        };
        set_failpoint(None);
        let Err(ReplaceError::Conflict { kept }) = result else { panic!("{result:?}") };
        assert_eq!(folder.text(kept.to_str().unwrap()), format!("{OLD}{HIS}"));
        let rest: Vec<_> =
            folder.names("d").into_iter().filter(|name| !kept.ends_with(name.as_str())).collect();
        assert_eq!(rest, if removes { Vec::new() } else { vec!["a".to_owned()] });
    }
}

/// He writes in two halves, and we meet the first of them when his file has lost its name: all of it is somewhere.
#[test]
fn a_write_that_goes_on_while_it_is_put_back_is_kept_whole() {
    for step in ["verify-unlinked", "exchange-back"] {
        let folder = Folder::new();
        folder.file("d/a", OLD);
        let handle = RefCell::new(OpenOptions::new().append(true).open(folder.at("d/a")).unwrap());
        let original = folder.open("d/a").unwrap();
        set_failpoint(Some(Box::new(move |at| {
            if at == "verify-unlinked" {
                handle.borrow_mut().write_all(b"first half, ").unwrap();
            }
            if at == step {
                handle.borrow_mut().write_all(b"second half").unwrap();
            }
            None
        })));
        let result = original.replace(NEW.as_bytes());
        set_failpoint(None);
        let outcome = Outcome { result, folder };
        let whole = format!("{OLD}first half, second half");
        assert!(outcome.contents().contains(&whole), "{step}: {:?}", outcome.contents());
        let is_conflict = matches!(outcome.result, Err(ReplaceError::Conflict { .. }));
        assert_eq!(is_conflict, step == "exchange-back", "{step}: {:?}", outcome.result);
    }
}

/// For a moment there was no file: a program that looked then begins anew, and saves that over his.
#[test]
fn a_file_that_is_put_back_where_none_was_for_a_moment_is_kept_beside_too() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let original = folder.open("d/a").unwrap();
    let file = folder.at("d/a");
    set_failpoint(Some(Box::new(move |at| {
        if at == "exchange" {
            rename_over(&file);
        }
        None
    })));
    let result = original.remove_as(&TempName::random().unwrap());
    set_failpoint(None);
    let Err(ReplaceError::Conflict { kept }) = result else { panic!("{result:?}") };
    assert_eq!([folder.text("d/a"), folder.text(kept.to_str().unwrap())], [HIS, HIS]);
}

/// A program that has had the file open and writes into the file that we have already displaced.
#[test]
fn what_is_written_into_the_displaced_file_comes_back() {
    for step in ["verify", "unlink-displaced", "verify-unlinked"] {
        let folder = Folder::new();
        folder.file("d/a", OLD);
        let handle = OpenOptions::new().append(true).open(folder.at("d/a")).unwrap();
        let original = folder.open("d/a").unwrap();
        let handle = Rc::new(Cell::new(Some(handle)));
        set_failpoint(Some(Box::new(move |at| {
            if at == step
                && let Some(mut file) = handle.take()
            {
                file.write_all(HIS.as_bytes()).unwrap();
            }
            None
        })));
        let result = original.replace(NEW.as_bytes());
        set_failpoint(None);
        let outcome = Outcome { result, folder };
        assert_eq!(outcome.result, Err(ReplaceError::Changed), "{step}");
        assert_eq!(outcome.text(), Some(format!("{OLD}{HIS}")), "{step}");
        assert_eq!(outcome.folder.names("d"), ["a"], "{step}");
    }
}

/// It cannot be held open to keep us from our work for ever.
#[test]
fn a_program_that_only_holds_the_file_open_does_not_stop_the_edit() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let _held = OpenOptions::new().write(true).open(folder.at("d/a")).unwrap();
    let begin = std::time::Instant::now();
    folder.open("d/a").unwrap().replace(NEW.as_bytes()).expect("replaced");
    assert!(begin.elapsed() < Duration::from_secs(15));
    assert_eq!((folder.text("d/a").as_str(), folder.names("d").len()), (NEW, 1));
}

#[test]
fn a_write_right_after_ours_is_no_write_before_it() {
    for act in [|file: &Path| fs::write(file, HIS).unwrap(), |file: &Path| fs::remove_file(file).unwrap()] {
        let outcome = edit("sync-directory", act);
        assert_eq!(outcome.result, Err(ReplaceError::WrittenSince), "ours was in place, and the old is gone");
    }
    let outcome = edit("sync-directory", |file| fs::write(file, HIS).unwrap());
    assert_eq!(outcome.contents(), [HIS]);
}

#[test]
fn a_file_that_the_user_removes_or_moves_stays_away() {
    for step in BEFORE {
        let outcome = edit(step, |file| fs::remove_file(file).unwrap());
        assert_eq!(
            (outcome.result, outcome.folder.names("d").len()),
            (Err(ReplaceError::Changed), 0),
            "{step}"
        );
        let outcome = edit(step, |file| fs::rename(file, file.with_file_name("b")).unwrap());
        assert_eq!(outcome.folder.names("d"), ["b"], "{step}");
        assert_eq!(outcome.folder.text("d/b"), OLD, "{step}");
    }
}

#[test]
fn a_directory_or_link_that_the_user_puts_there_stays() {
    for step in BEFORE {
        let outcome = edit(step, |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
            fs::write(file.join("inside"), HIS).unwrap();
        });
        assert_eq!(outcome.result, Err(ReplaceError::Changed), "{step}");
        assert_eq!(outcome.folder.text("d/a/inside"), HIS, "{step}");
        let outcome = edit(step, |file| {
            let canary = file.ancestors().nth(3).unwrap().join("outside/shadow");
            fs::remove_file(file).unwrap();
            std::os::unix::fs::symlink(canary, file).unwrap();
        });
        assert_eq!(outcome.result, Err(ReplaceError::Changed), "{step}");
        assert!(outcome.folder.at("d/a").is_symlink(), "{step}");
    }
}

#[test]
fn two_writes_of_the_user_one_on_either_side_of_the_exchange_the_later_stays() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let original = folder.open("d/a").unwrap();
    let file = folder.at("d/a");
    let first = Cell::new(true);
    set_failpoint(Some(Box::new(move |at| {
        match at {
            "exchange" => rename_over(&file),
            "exchange-back" if first.replace(false) => rename_later_one_over(&file),
            _ => {}
        }
        None
    })));
    assert_eq!(original.replace(NEW.as_bytes()), Err(ReplaceError::Changed));
    set_failpoint(None);
    assert_eq!(folder.text("d/a"), LATER);
    assert_eq!(folder.names("d"), ["a"]);
}

/// He moves our file away, in the moment in which it is in place, and something else there: nothing of it is thrown
/// away.
#[test]
fn files_that_the_user_exchanges_while_his_goes_back_are_all_kept() {
    let folder = Folder::new();
    folder.file("d/a", OLD).file("d/b", "another of his");
    let original = folder.open("d/a").unwrap();
    let (one, other) = (folder.at("d/a"), folder.at("d/b"));
    set_failpoint(Some(Box::new(move |at| {
        if ["exchange", "exchange-back"].contains(&at) {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(rustix::fs::CWD, &one, rustix::fs::CWD, &other, flags).unwrap();
        }
        None
    })));
    let result = original.replace(NEW.as_bytes());
    set_failpoint(None);
    let outcome = Outcome { result, folder };
    assert!(matches!(outcome.result, Err(ReplaceError::Conflict { .. })), "{:?}", outcome.result);
    for text in [OLD, "another of his"] {
        assert!(outcome.contents().iter().any(|content| content == text), "{text}: {:?}", outcome.contents());
    }
}

/// He writes the old file, then, in the moment in which ours is in place, that one: neither is thrown away.
#[test]
fn a_write_into_our_file_while_his_goes_back_is_kept_beside() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let original = folder.open("d/a").unwrap();
    let file = folder.at("d/a");
    let first = Cell::new(true);
    let writer = Rc::new(Cell::new(None));
    let slot = Rc::clone(&writer);
    set_failpoint(Some(Box::new(move |at| {
        match at {
            "exchange" => rename_over(&file),
            "exchange-back" if first.replace(false) => {
                let file = file.clone();
                slot.set(Some(meanwhile(move || fs::write(file, LATER).unwrap())));
            }
            _ => {}
        }
        None
    })));
    let result = original.replace(NEW.as_bytes());
    set_failpoint(None);
    soon(writer.take().expect("started"));
    let Err(ReplaceError::Conflict { kept }) = result else { panic!("{result:?}") };
    assert_eq!(folder.text("d/a"), LATER);
    assert_eq!(folder.text(kept.to_str().unwrap()), HIS);
    let swept = folder.home().sweep(Path::new("d")).unwrap();
    assert_eq!(PathBuf::from("d").join(swept[0].name.as_str()), kept);
}

/// Holds the file as one does who has looked its name up and is stopped before he opens it; goes on after a time, and
/// adds a line.
fn stopped_before_he_opens_it(file: &Path, time: Duration) -> JoinHandle<()> {
    let looked_up = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(file).unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(time);
        let found = format!("/proc/self/fd/{}", looked_up.as_raw_fd());
        OpenOptions::new().append(true).open(found).unwrap().write_all(HIS.as_bytes()).unwrap();
    })
}

/// An edit that somebody crosses who is stopped for so long at its last look at the file that he had looked up.
fn crossed_after(time: Duration) -> Outcome {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let original = folder.open("d/a").unwrap();
    let (file, he) = (folder.at("d/a"), Rc::new(Cell::new(None)));
    let slot = Rc::clone(&he);
    set_failpoint(Some(Box::new(move |at| {
        if at == "take-lease" {
            slot.set(Some(stopped_before_he_opens_it(&file, time)));
        }
        None
    })));
    let result = original.replace(NEW.as_bytes());
    set_failpoint(None);
    he.take().expect("started").join().unwrap();
    Outcome { result, folder }
}

#[test]
fn what_somebody_writes_who_is_stopped_between_the_look_up_and_the_opening_goes_back() {
    let outcome = crossed_after(Duration::from_millis(20));
    assert_eq!(outcome.result, Err(ReplaceError::Changed));
    assert_eq!(outcome.contents(), [format!("{OLD}{HIS}")]);
}

#[test]
fn what_somebody_writes_who_is_stopped_there_for_longer_is_kept_beside() {
    let outcome = crossed_after(Duration::from_millis(120));
    let Err(ReplaceError::Conflict { kept }) = &outcome.result else { panic!("{:?}", outcome.result) };
    assert_eq!(outcome.text().as_deref(), Some(NEW));
    assert_eq!(outcome.folder.text(kept.to_str().unwrap()), format!("{OLD}{HIS}"));
    assert_eq!(outcome.contents().len(), 2);
}

#[test]
fn one_who_only_looks_at_the_file_keeps_no_edit_from_being_made() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let original = folder.open("d/a").unwrap();
    let looked_up = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(folder.at("d/a")).unwrap();
    let reader = File::open(folder.at("d/a")).unwrap();
    let begin = Instant::now();
    original.replace(NEW.as_bytes()).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!((folder.text("d/a"), folder.names("d").len()), (NEW.to_owned(), 1));
    drop((looked_up, reader));
}

#[test]
fn what_is_written_to_another_name_of_the_file_needs_no_waiting() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    fs::hard_link(folder.at("d/a"), folder.at("d/second")).unwrap();
    let original = folder.open("d/a").unwrap();
    let _reader = File::open(folder.at("d/second")).unwrap();
    let begin = Instant::now();
    original.replace(NEW.as_bytes()).unwrap();
    assert!(begin.elapsed() < Duration::from_millis(150), "{:?}", begin.elapsed());
    assert_eq!(folder.text("d/second"), OLD);
}

#[test]
fn cve_2022_29527_and_cve_2023_20178_the_temporary_file_is_private_from_its_first_moment() {
    for step in ["write-temp", "copy-metadata"] {
        let outcome = edit(step, |file| {
            let mut entries =
                fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
            let temp = entries.find(|path| path != file).expect("the temporary file");
            assert_eq!(fs::metadata(temp).unwrap().permissions().mode() & 0o777, 0o600);
        });
        assert!(outcome.result.is_ok());
    }
}

#[test]
fn a_call_that_fails_at_any_step_leaves_the_old_file_or_the_new_one() {
    for errno in [libc::EIO, libc::ENOSPC, libc::EDQUOT, libc::EROFS, libc::EPERM] {
        for step in STEPS {
            let folder = Folder::new();
            folder.file("d/a", OLD);
            let original = folder.open("d/a").unwrap();
            set_failpoint(Some(Box::new(move |at| (at == *step).then_some(errno))));
            let result = original.replace(NEW.as_bytes());
            set_failpoint(None);
            let outcome = Outcome { result, folder };
            let text = outcome.text().expect("there is always a file");
            match &outcome.result {
                Ok(replaced) => {
                    assert_eq!(text, NEW, "{step}");
                    assert_eq!(replaced.durable, *step != "sync-directory", "{step}");
                    let left: Vec<_> = replaced.left.iter().map(TempName::as_str).collect();
                    assert_eq!(!left.is_empty(), step.starts_with("unlink"), "{step}");
                    let expected: &[&str] = match *step {
                        "unlink-displaced" => &[OLD, NEW],
                        // the second name that it has for a moment is swept with the first
                        "unlink-twin" => &[OLD, OLD, NEW],
                        _ => &[NEW],
                    };
                    assert_eq!(outcome.contents(), expected, "{step}");
                    if let Some(left) = &replaced.left {
                        let home = outcome.folder.home();
                        home.remove_twin(Path::new("d/a"), left).unwrap();
                        home.remove_leftover(Path::new("d"), left).unwrap();
                        assert_eq!(outcome.contents(), [NEW], "{step}");
                    }
                }
                Err(ReplaceError::Fault(fault)) => {
                    assert_eq!(fault.errno(), Some(errno), "{step}");
                    assert_eq!(outcome.contents(), [OLD], "{step}");
                }
                Err(error) => panic!("{step}: {error:?}"),
            }
        }
    }
}

#[test]
fn a_failing_undo_keeps_the_users_file_and_says_where() {
    for step in UNDO_STEPS {
        let folder = Folder::new();
        folder.file("d/a", OLD);
        let original = folder.open("d/a").unwrap();
        let file = folder.at("d/a");
        let unlinked = *step == "rescue";
        let handle: Rc<Cell<Option<File>>> =
            Rc::new(Cell::new(unlinked.then(|| OpenOptions::new().append(true).open(&file).unwrap())));
        set_failpoint(Some(Box::new(move |at| {
            match at {
                "exchange" if !unlinked => rename_over(&file),
                "verify-unlinked" => {
                    if let Some(mut handle) = handle.take() {
                        handle.write_all(HIS.as_bytes()).unwrap();
                    }
                }
                _ => {}
            }
            (at == *step).then_some(libc::EIO)
        })));
        let result = original.replace(NEW.as_bytes());
        set_failpoint(None);
        match result {
            Err(ReplaceError::Conflict { kept }) => {
                let both = [folder.text("d/a"), folder.text(kept.to_str().unwrap())];
                assert!(both.iter().any(|text| text == HIS), "{step}: {both:?}");
            }
            // its bytes had no name any more, and none could be made: that much is told
            Err(ReplaceError::Fault(fault)) => {
                assert!(unlinked && fault.errno() == Some(libc::EIO), "{step}");
            }
            other => panic!("{step}: {other:?}"),
        }
    }
}

/// As on a file system that cannot exchange names.
fn edit_by_rename(step: &'static str, act: impl Fn(&Path) + 'static) -> Outcome {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let original = folder.open("d/a").unwrap();
    let (file, done) = (folder.at("d/a"), Cell::new(false));
    set_failpoint(Some(Box::new(move |at| {
        if at == step && !done.replace(true) {
            act(&file);
        }
        at.starts_with("exchange").then_some(libc::EINVAL)
    })));
    let result = original.replace(NEW.as_bytes());
    set_failpoint(None);
    Outcome { result, folder }
}

#[test]
fn where_names_cannot_be_exchanged_it_is_renamed_and_told() {
    let outcome = edit_by_rename("none", |_| ());
    let replaced = outcome.result.as_ref().expect("replaced");
    assert!(!replaced.atomic && replaced.durable && replaced.left.is_none());
    assert_eq!(outcome.contents(), [NEW]);
    for step in ["create-temp", "sync-temp", "compare"] {
        let outcome = edit_by_rename(step, rename_over);
        assert_eq!((outcome.contents(), outcome.result), (vec![HIS.to_owned()], Err(ReplaceError::Changed)));
    }
}

#[test]
fn where_names_cannot_be_exchanged_a_write_into_the_displaced_file_still_comes_back() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let handle = Cell::new(Some(OpenOptions::new().append(true).open(folder.at("d/a")).unwrap()));
    let original = folder.open("d/a").unwrap();
    set_failpoint(Some(Box::new(move |at| {
        if at == "verify-unlinked"
            && let Some(mut file) = handle.take()
        {
            file.write_all(HIS.as_bytes()).unwrap();
        }
        at.starts_with("exchange").then_some(libc::EINVAL)
    })));
    let result = original.replace(NEW.as_bytes());
    set_failpoint(None);
    assert_eq!(result, Err(ReplaceError::Changed));
    assert_eq!((folder.text("d/a"), folder.names("d").len()), (format!("{OLD}{HIS}"), 1));
}

/// What the directory holds at each step is what a crash there would leave.
#[test]
fn a_crash_at_any_step_leaves_a_whole_file_and_at_most_one_that_is_known() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let original = folder.open("d/a").unwrap();
    let temp = TempName::random().unwrap();
    type Seen<'s> = Vec<(&'s str, Vec<String>)>;
    let seen: Rc<RefCell<Seen<'_>>> = Rc::default();
    let (slot, dir, beside) = (Rc::clone(&seen), folder.at("d"), folder.at("d").join(temp.as_str()));
    // who opens the new file once it is leased would wait for us: it is known by its number and length then
    let whole: RefCell<Option<(u64, u64)>> = RefCell::default();
    set_failpoint(Some(Box::new(move |at| {
        if at == "take-lease" {
            let new = fs::metadata(&beside).unwrap();
            *whole.borrow_mut() = Some((new.ino(), new.len()));
        }
        let read = |path: &Path| {
            let found = fs::metadata(path).ok()?;
            let is_new = at != "take-lease" && *whole.borrow() == Some((found.ino(), found.len()));
            if is_new { Some(NEW.to_owned()) } else { fs::read_to_string(path).ok() }
        };
        // the old file may have a second name then, which is known as well
        let most = if at == "unlink-twin" { 3 } else { 2 };
        assert!(fs::read_dir(&dir).unwrap().count() <= most, "{at}");
        let texts = [read(&dir.join("a")), read(&beside)].into_iter().flatten().collect();
        slot.borrow_mut().push((at, texts));
        None
    })));
    original.replace_as(NEW.as_bytes(), &temp).unwrap();
    set_failpoint(None);
    for (step, texts) in seen.take() {
        // the file, and what is beside it under the name that the journal knows
        let expected: &[&str] = match step {
            "create-temp" => &[OLD],
            "write-temp" => &[OLD, ""],
            "verify" | "link-twin" | "unlink-twin" | "unlink-displaced" => &[NEW, OLD],
            "verify-unlinked" | "sync-directory" | "done" => &[NEW],
            _ => &[OLD, NEW],
        };
        assert_eq!(texts, expected, "{step}");
    }
}

#[test]
fn every_step_is_made_in_its_order() {
    let folder = Folder::new();
    folder.file("d/a", OLD);
    let seen: Rc<RefCell<Vec<&str>>> = Rc::default();
    let slot = Rc::clone(&seen);
    set_failpoint(Some(Box::new(move |at| {
        slot.borrow_mut().push(at);
        None
    })));
    folder.open("d/a").unwrap().replace(NEW.as_bytes()).unwrap();
    set_failpoint(None);
    assert_eq!(seen.take(), STEPS);
}
