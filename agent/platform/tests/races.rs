//! A user's threads that change names and files as fast as they can while we read and replace, for
//! `MCPOLICY_RACE_ROUNDS` rounds each (20,000 unless told otherwise; a million in `tests/long/races.sh`).
//!
//! Each has its invariant; common to all: what is outside the home is unchanged and is never read, and nothing that
//! only the user wrote is gone. It may be in the file, or in one that an edit has kept and told of.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]
#![allow(clippy::disallowed_methods, reason = "a test reads its own files and parameters")]
#![allow(clippy::print_stderr, reason = "how often an attacker won a race is worth reading")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::{Folder, MAX, SECRET};
use mcpolicy_platform::secure_fs::{Fault, HomeDir, Original, ReplaceError};
use rustix::fs::{CWD, RenameFlags};

fn rounds() -> usize {
    std::env::var("MCPOLICY_RACE_ROUNDS").map_or(20_000, |text| text.parse().expect("a number of rounds"))
}

/// What a round came to, by its word.
type Tally = BTreeMap<String, usize>;

fn note(tally: &mut Tally, word: &str) {
    *tally.entry(word.to_owned()).or_default() += 1;
}

/// Runs the attack over and over, as the user, until the rounds are done.
fn under_attack<T>(attack: impl Fn(u64) + Send + 'static, work: impl FnOnce() -> T) -> T {
    let ends = Arc::new(AtomicBool::new(false));
    let turns = Arc::new(AtomicU64::new(0));
    let (until, counted) = (Arc::clone(&ends), Arc::clone(&turns));
    let attacker = std::thread::spawn(move || {
        common::become_user_in_this_thread();
        while !until.load(Ordering::Relaxed) {
            attack(counted.fetch_add(1, Ordering::Relaxed));
        }
    });
    while turns.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    let done = work();
    ends.store(true, Ordering::Relaxed);
    attacker.join().expect("the attacker ends");
    done
}

/// Reads a file and, if it is to be had, replaces it by what `change` makes of it.
fn round(home: &HomeDir, path: &Path, tally: &mut Tally, change: impl Fn(&Original) -> Option<Vec<u8>>) {
    let original = match home.open_file(path, 8 * MAX) {
        Ok(original) => original,
        Err(fault) => return note(tally, fault.word()),
    };
    assert!(!String::from_utf8_lossy(original.bytes()).contains(SECRET), "it read what is outside");
    let Some(new) = change(&original) else { return note(tally, "as it should be") };
    match original.replace(&new) {
        Ok(_) => note(tally, "replaced"),
        Err(ReplaceError::Changed) => note(tally, "changed"),
        Err(ReplaceError::WrittenSince) => note(tally, "written since"),
        Err(ReplaceError::Conflict { .. }) => note(tally, "conflict"),
        Err(ReplaceError::Fault(fault)) => note(tally, fault.word()),
    }
}

fn exchange(one: &Path, other: &Path) {
    let _ = rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
}

fn told(test: &str, tally: &Tally, allowed: &[&str]) {
    eprintln!("{test}: {tally:?}");
    for word in tally.keys() {
        assert!(allowed.contains(&word.as_str()), "{test}: {word} in {tally:?}");
    }
    assert!(tally.len() > 1, "{test}: the attacker was never met: {tally:?}");
}

fn run(folder: &Folder, path: &str) -> Tally {
    let (home, mut tally) = (folder.home(), Tally::new());
    for number in 0..rounds() {
        round(&home, Path::new(path), &mut tally, |_| Some(format!("ours {number}").into_bytes()));
    }
    tally
}

#[test]
fn a_name_that_flips_between_a_file_and_a_link_out_of_the_home() {
    let folder = Folder::on_fast_disk();
    folder.file("d/a", "his").link("d/link", folder.canary());
    let (file, link) = (folder.at("d/a"), folder.at("d/link"));
    let tally = under_attack(move |_| exchange(&file, &link), || run(&folder, "d/a"));
    told(
        "link",
        &tally,
        &["replaced", "changed", "written since", "conflict", "link_external", "unstable", "not_found"],
    );
    folder.check_canary();
}

#[test]
fn a_directory_that_flips_with_a_link_out_of_the_home() {
    let folder = Folder::on_fast_disk();
    // through the link the name is that of the canary
    folder.file("d/shadow", "his").link("link", folder.root().join("outside"));
    let (directory, link) = (folder.at("d"), folder.at("link"));
    let tally = under_attack(move |_| exchange(&directory, &link), || run(&folder, "d/shadow"));
    told(
        "directory",
        &tally,
        &["replaced", "changed", "written since", "link_external", "unstable", "not_found"],
    );
    folder.check_canary();
}

#[test]
fn a_file_that_gets_and_loses_a_second_name() {
    let folder = Folder::on_fast_disk();
    folder.file("d/a", "his");
    let (file, second) = (folder.at("d/a"), folder.at("d/second"));
    let attack = move |_| {
        let _ = fs::hard_link(&file, &second);
        let _ = fs::remove_file(&second);
    };
    let tally = under_attack(attack, || run(&folder, "d/a"));
    told("hard link", &tally, &["replaced", "changed", "written since", "conflict", "unstable"]);
}

#[test]
fn a_name_that_flips_with_a_hard_link_to_a_file_of_roots() {
    if !common::needs_root("a_name_that_flips_with_a_hard_link_to_a_file_of_roots") {
        return;
    }
    let folder = Folder::on_fast_disk();
    folder.file("d/a", "his");
    fs::hard_link(folder.canary(), folder.at("d/planted")).unwrap();
    let (file, planted) = (folder.at("d/a"), folder.at("d/planted"));
    let tally = under_attack(move |_| exchange(&file, &planted), || run(&folder, "d/a"));
    told(
        "planted",
        &tally,
        &["replaced", "changed", "written since", "conflict", "foreign_owner", "unstable"],
    );
    assert_eq!(fs::read_to_string(folder.canary()).unwrap(), SECRET);
}

/// Two files exchanged for ever: the bytes of each are somewhere at the end.
#[test]
fn two_files_that_are_exchanged() {
    let folder = Folder::on_fast_disk();
    folder.file("d/a", "one").file("d/b", "two");
    let (one, other) = (folder.at("d/a"), folder.at("d/b"));
    let tally = under_attack(
        move |_| exchange(&one, &other),
        || {
            let (home, mut tally) = (folder.home(), Tally::new());
            for _ in 0..rounds() {
                round(&home, Path::new("d/a"), &mut tally, |original| {
                    // one edit of each, undone and made again
                    let text = String::from_utf8_lossy(original.bytes()).into_owned();
                    let edited = text.strip_suffix(" edited").map_or(format!("{text} edited"), str::to_owned);
                    Some(edited.into_bytes())
                });
            }
            tally
        },
    );
    told("exchange", &tally, &["replaced", "changed", "written since", "conflict", "unstable"]);
    let contents: BTreeSet<String> = folder
        .names("d")
        .iter()
        .map(|name| folder.text(&format!("d/{name}")).trim_end_matches(" edited").to_owned())
        .collect();
    assert_eq!(contents, BTreeSet::from(["one".to_owned(), "two".to_owned()]));
}

/// A program of the user that adds lines, each with its number, in one of the ways in which programs do. Between them it
/// adds a line that our edit takes away.
fn adds_lines(file: &Path, how: fn(&Path, &str), number: u64) {
    how(file, &format!("{number}\n"));
    how(file, "forbidden\n");
}

fn append(file: &Path, line: &str) {
    let mut file = OpenOptions::new().append(true).open(file).expect("it is always there");
    file.write_all(line.as_bytes()).expect("written");
}

fn truncate_and_write(file: &Path, line: &str) {
    let text = fs::read_to_string(file).expect("it is always there");
    fs::write(file, text + line).expect("written");
}

fn write_beside_and_rename(file: &Path, line: &str) {
    let text = fs::read_to_string(file).expect("it is always there");
    let beside = file.with_file_name("beside");
    fs::write(&beside, text + line).expect("written");
    fs::rename(beside, file).expect("renamed");
}

/// Every number that was written is in the file at the end, or in one that was kept; and none of our own files stays.
fn no_line_is_lost(name: &str, how: fn(&Path, &str), rewrites: bool) {
    let folder = Folder::on_fast_disk();
    folder.file("d/a", "");
    let file = folder.at("d/a");
    let written = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&written);
    let most = (rounds() / 4).min(20_000) as u64;
    let turn = Arc::new(AtomicU64::new(0));
    let ours = Arc::clone(&turn);
    // in step with us, so that it is at work in all of our rounds
    let attack = move |_| {
        let number = count.load(Ordering::SeqCst);
        if number < most && 4 * number <= ours.load(Ordering::SeqCst) {
            adds_lines(&file, how, number);
            count.store(number + 1, Ordering::SeqCst);
        }
    };
    let edit = |original: &Original| {
        let text = String::from_utf8_lossy(original.bytes()).into_owned();
        text.contains("forbidden\n").then(|| text.replace("forbidden\n", "").into_bytes())
    };
    let mut kept: Vec<PathBuf> = Vec::new();
    let tally = under_attack(attack, || {
        let (home, mut tally, mut number) = (folder.home(), Tally::new(), 0);
        while number < rounds() || written.load(Ordering::SeqCst) < most {
            turn.fetch_add(1, Ordering::SeqCst);
            round(&home, Path::new("d/a"), &mut tally, edit);
            number += 1;
        }
        tally
    });
    round(&folder.home(), Path::new("d/a"), &mut Tally::new(), edit);
    let allowed = ["replaced", "changed", "written since", "conflict", "unstable", "as it should be"];
    told(name, &tally, &allowed);
    for other in folder.names("d").into_iter().filter(|other| other != "a") {
        kept.push(Path::new("d").join(other));
    }
    assert_eq!(kept.len(), tally.get("conflict").copied().unwrap_or(0), "{kept:?}");
    let mut texts = folder.text("d/a");
    for other in &kept {
        texts.push_str(&folder.text(other.to_str().unwrap()));
    }
    let found: BTreeSet<u64> = texts.lines().filter_map(|line| line.parse().ok()).collect();
    let lost: Vec<u64> =
        (0..written.load(Ordering::SeqCst)).filter(|number| !found.contains(number)).collect();
    assert!(lost.is_empty(), "{name}: {} of {most} lost, the first {:?}", lost.len(), lost.first());
    assert!(rewrites || !folder.text("d/a").contains("forbidden"), "{name}");
}

#[test]
fn no_line_is_lost_that_a_program_appends() {
    no_line_is_lost("append", append, false);
}

#[test]
fn no_line_is_lost_that_a_program_writes_with_the_whole_file() {
    no_line_is_lost("rewrite", truncate_and_write, true);
}

#[test]
fn no_line_is_lost_that_a_program_writes_beside_and_renames() {
    no_line_is_lost("rename", write_beside_and_rename, true);
}

#[test]
fn removing_a_file_that_flips_with_a_link_removes_nothing_else() {
    let folder = Folder::on_fast_disk();
    folder.file("d/a", "his").link("d/link", folder.canary());
    let (file, link) = (folder.at("d/a"), folder.at("d/link"));
    let mut tally = Tally::new();
    under_attack(
        move |_| exchange(&file, &link),
        || {
            let home = folder.home();
            for _ in 0..rounds() {
                let removed =
                    home.open_file(Path::new("d/a"), MAX).map_err(ReplaceError::Fault).and_then(|file| {
                        let temp = mcpolicy_platform::secure_fs::TempName::random().expect("a name");
                        file.remove_as(&temp)
                    });
                match removed {
                    Ok(()) => {
                        note(&mut tally, "removed");
                        let back = home.create(Path::new("d/a"), b"his", 0o600);
                        // the attacker's link may have taken the place meanwhile, and he goes on with that
                        if back.is_err() {
                            note(&mut tally, "taken");
                        }
                    }
                    Err(ReplaceError::Changed) => note(&mut tally, "changed"),
                    Err(ReplaceError::WrittenSince) => note(&mut tally, "written since"),
                    Err(ReplaceError::Conflict { .. }) => note(&mut tally, "conflict"),
                    Err(ReplaceError::Fault(Fault::NotFound)) => {
                        note(&mut tally, "not_found");
                        let _ = home.create(Path::new("d/a"), b"his", 0o600);
                    }
                    Err(ReplaceError::Fault(fault)) => note(&mut tally, fault.word()),
                }
            }
        },
    );
    let allowed = ["removed", "taken", "changed", "conflict", "not_found", "link_external", "unstable"];
    told("remove", &tally, &allowed);
    folder.check_canary();
}
