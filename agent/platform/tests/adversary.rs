//! The attacks of the threat model on files in directories that a hostile user may write, one test each, then one for
//! each published mistake of a comparable agent. They run as root, without a worker, which is the harder case: what
//! holds here holds for a worker that has only the user's rights.
//!
//! docs/security.md lists both tables, row by row, with the test of each or the reason why there is none.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]
#![allow(clippy::disallowed_methods, reason = "a test reads its own files and parameters")]

mod common;

use std::fs::{self, Permissions};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Folder, MAX, SECRET, STRANGER, at_once, is_root, needs_root, own};
use mcpolicy_platform::FileKind;
use mcpolicy_platform::secure_fs::{Fault, HomeDir, ReplaceError, Rights, TempName};
use rustix::fs::{CWD, FileType, Mode};

#[test]
fn attack_final_symlink_to_a_file_outside() {
    let folder = Folder::new();
    folder.link(".claude.json", folder.canary()).link("relative", "../outside/shadow");
    folder.link("to-a-link", ".claude.json").link("shadow", "/etc/shadow");
    for path in [".claude.json", "relative", "to-a-link", "shadow"] {
        assert_eq!(folder.refused(path), Fault::LeavesHome, "{path}");
        assert_eq!(folder.home().create(Path::new(path), b"x", 0o600), Err(ReplaceError::Changed), "{path}");
    }
}

#[test]
fn attack_symlinked_parent_directory() {
    let folder = Folder::new();
    folder.link(".config", folder.root().join("outside")).link("up", "..");
    for path in [".config/shadow", "up/outside/shadow", "up/home/x"] {
        assert_eq!(folder.refused(path), Fault::LeavesHome, "{path}");
        let created = folder.home().create(Path::new(path), b"x", 0o600);
        assert_eq!(created, Err(ReplaceError::Fault(Fault::LeavesHome)), "{path}");
    }
    assert_eq!(folder.home().sweep(Path::new(".config")), Err(Fault::LeavesHome));
}

#[test]
fn attack_path_that_goes_up_or_is_absolute() {
    let folder = Folder::new();
    folder.file("a", "x");
    let absolute = folder.at("a");
    for path in
        ["", ".", "..", "../outside/shadow", "d/../a", "/etc/passwd", absolute.to_str().unwrap(), "a\0b"]
    {
        assert_eq!(folder.refused(path), Fault::BadPath, "{path:?}");
    }
    assert_eq!(HomeDir::open(Path::new("relative"), None).err(), Some(Fault::BadPath));
}

#[test]
fn attack_symlink_loop() {
    let folder = Folder::new();
    folder.link("a", "b").link("b", "a").link("self", "self").link("deep", "deep/deep/deep/x");
    for path in ["a", "self", "deep", "self/x"] {
        assert_eq!(folder.refused(path), Fault::Loop, "{path}");
    }
    // each link makes two of itself: 2^30 steps if they were all followed
    folder.directory("l30");
    for level in 0..30 {
        folder.link(&format!("l{level}"), format!("l{0}/../l{0}", level + 1));
    }
    assert_eq!(at_once(move || folder.refused("l0")), Fault::Loop);
}

#[test]
fn attack_fifo() {
    let folder = Folder::new();
    rustix::fs::mknodat(CWD, folder.at("fifo"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    folder.give("fifo");
    folder.link("to-fifo", "fifo");
    let (one, other) = at_once(move || (folder.refused("fifo"), folder.refused("to-fifo")));
    assert_eq!((one, other), (Fault::NotRegular(FileKind::Fifo), Fault::NotRegular(FileKind::Fifo)));
}

#[test]
fn attack_socket_and_directory() {
    let folder = Folder::new();
    let _listener = std::os::unix::net::UnixListener::bind(folder.at("socket")).unwrap();
    folder.directory("dir");
    assert_eq!(folder.refused("socket"), Fault::NotRegular(FileKind::Socket));
    assert_eq!(folder.refused("dir"), Fault::NotRegular(FileKind::Directory));
    assert_eq!(HomeDir::open(&folder.at("socket"), None).err(), Some(Fault::NotRegular(FileKind::Socket)));
}

#[test]
fn attack_device_node() {
    if !needs_root("attack_device_node") {
        return;
    }
    let folder = Folder::new();
    // a number without a driver: opening it at all would fail with another error
    let device = rustix::fs::makedev(239, 77);
    for (name, kind) in [("char", FileType::CharacterDevice), ("block", FileType::BlockDevice)] {
        rustix::fs::mknodat(CWD, folder.at(name), kind, Mode::from_raw_mode(0o666), device).unwrap();
        folder.give(name);
        assert_eq!(folder.refused(name), Fault::NotRegular(FileKind::Device), "{name}");
    }
}

#[test]
fn attack_hard_link_to_another_file() {
    let folder = Folder::new();
    folder.file("mine", "old").directory("d");
    fs::hard_link(folder.at("mine"), folder.at("d/second")).unwrap();
    let inode = fs::metadata(folder.at("mine")).unwrap().ino();
    let original = folder.open("mine").unwrap();
    assert_eq!((original.names(), original.bytes()), (2, &b"old"[..]));
    let replaced = original.replace(b"new").expect("replaced");
    assert_eq!((replaced.atomic, replaced.left), (true, None));
    // never written through: the other name is the old file, untouched, and this one a file of its own
    let (mine, second) = (folder.at("mine"), fs::metadata(folder.at("d/second")).unwrap());
    assert_eq!((folder.text("mine"), folder.text("d/second")), ("new".to_owned(), "old".to_owned()));
    assert_eq!((second.ino(), second.nlink()), (inode, 1));
    assert_eq!(fs::metadata(&mine).unwrap().nlink(), 1);
    assert_eq!(
        (folder.names(""), folder.names("d")),
        (vec!["d".into(), "mine".into()], vec!["second".into()])
    );
    // taken away, it goes from this name alone
    fs::hard_link(&mine, folder.at("d/third")).unwrap();
    folder.open("mine").unwrap().remove_as(&TempName::random().unwrap()).expect("removed");
    assert_eq!((folder.names(""), folder.text("d/third")), (vec!["d".to_owned()], "new".to_owned()));
}

#[test]
fn attack_hard_link_to_a_file_of_somebody_elses() {
    if !common::needs_root("attack_hard_link_to_a_file_of_somebody_elses") {
        return;
    }
    let folder = Folder::new();
    fs::hard_link(folder.canary(), folder.at(".claude.json")).unwrap();
    assert_eq!(folder.refused(".claude.json"), Fault::ForeignOwner { uid: 0 });
    // and where the name of the user's own file becomes one of it after that file was judged
    folder.file("mine", "old");
    let original = folder.open("mine").unwrap();
    fs::remove_file(folder.at("mine")).unwrap();
    fs::hard_link(folder.canary(), folder.at("mine")).unwrap();
    assert_eq!(original.replace(b"new"), Err(ReplaceError::Changed));
    assert_eq!(fs::metadata(folder.canary()).unwrap().nlink(), 3, "nothing was taken from it");
}

#[test]
fn a_write_through_another_name_in_the_middle_of_an_edit_is_seen() {
    let folder = Folder::new();
    folder.file("a", "old");
    fs::hard_link(folder.at("a"), folder.at("b")).unwrap();
    let original = folder.open("a").unwrap();
    fs::write(folder.at("b"), "his").unwrap();
    assert_eq!(original.replace(b"new"), Err(ReplaceError::Changed));
    assert_eq!((folder.text("a"), folder.text("b")), ("his".to_owned(), "his".to_owned()));
    assert_eq!(fs::metadata(folder.at("a")).unwrap().nlink(), 2, "it is one file still");
}

#[test]
fn attack_hard_link_made_after_the_file_was_read() {
    let folder = Folder::new();
    folder.file("a", "old");
    let original = folder.open("a").unwrap();
    fs::hard_link(folder.at("a"), folder.at("b")).unwrap();
    assert_eq!(original.replace(b"new"), Err(ReplaceError::Changed));
    assert_eq!((folder.text("a"), folder.text("b")), ("old".to_owned(), "old".to_owned()));
}

#[test]
fn attack_huge_sparse_file() {
    let folder = Folder::new();
    folder.file("huge", "");
    let file = fs::OpenOptions::new().write(true).open(folder.at("huge")).unwrap();
    for length in [20 << 30, MAX + 1] {
        file.set_len(length).unwrap();
        assert_eq!(folder.refused("huge"), Fault::TooLarge { bytes: length });
    }
    file.set_len(MAX).unwrap();
    assert_eq!(folder.open("huge").unwrap().bytes().len() as u64, MAX);
}

#[test]
fn attack_file_that_grows_while_it_is_read() {
    let folder = Folder::new();
    folder.file("grows", "x");
    let ends = Arc::new(AtomicBool::new(false));
    let mut file = fs::OpenOptions::new().write(true).open(folder.at("grows")).unwrap();
    let until = Arc::clone(&ends);
    let writer = std::thread::spawn(move || {
        while !until.load(Ordering::Relaxed) {
            // it grows far past the limit again and again
            file.set_len(0).unwrap();
            file.rewind().unwrap();
            file.write_all(&vec![b'x'; 2 * usize::try_from(MAX).unwrap()]).unwrap();
        }
    });
    let mut outcomes = [0; 3];
    let begin = std::time::Instant::now();
    while outcomes[0] + outcomes[1] + outcomes[2] < 300 || outcomes[1] + outcomes[2] == 0 {
        assert!(begin.elapsed() < Duration::from_secs(60), "it never met the writer: {outcomes:?}");
        match folder.open("grows") {
            Ok(original) => {
                assert!(original.bytes().len() as u64 <= MAX);
                outcomes[0] += 1;
            }
            Err(Fault::TooLarge { bytes }) => {
                assert!(bytes <= 2 * MAX);
                outcomes[1] += 1;
            }
            Err(Fault::Unstable) => outcomes[2] += 1,
            Err(fault) => panic!("{fault:?}"),
        }
    }
    ends.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

#[test]
fn attack_endless_content() {
    let folder = Folder::new();
    folder.link("zero", "/dev/zero").link("proc", "/proc/self/mem").link("fd", "/proc/self/fd/0");
    for path in ["zero", "proc", "fd"] {
        assert_eq!(folder.refused(path), Fault::LeavesHome, "{path}");
    }
}

#[test]
fn attack_home_that_is_not_what_it_should_be() {
    let folder = Folder::new();
    let open = |uid| HomeDir::open(&folder.at(""), uid).err();
    assert_eq!(open(Some(folder.uid)), None);
    assert_eq!(open(None), None, "its owner, whoever that is");
    assert_eq!(open(Some(STRANGER)), Some(Fault::ForeignOwner { uid: folder.uid }));
    for mode in [0o777, 0o775, 0o702, 0o1777] {
        fs::set_permissions(folder.at(""), Permissions::from_mode(mode)).unwrap();
        assert_eq!(open(Some(folder.uid)), Some(Fault::WritableByOthers), "{mode:o}");
    }
    assert_eq!(HomeDir::open(&folder.at("none"), None).err(), Some(Fault::NotFound));
    let proc = HomeDir::open(Path::new("/proc/1"), None).err();
    assert_eq!(proc, Some(Fault::UnsupportedFileSystem { kind: "proc".to_owned() }));
}

#[test]
fn attack_file_held_by_a_lease() {
    let folder = Folder::new();
    folder.file("a", "x");
    let file = fs::OpenOptions::new().read(true).write(true).open(folder.at("a")).unwrap();
    let ignored = 10;
    use std::os::fd::AsRawFd as _;
    #[allow(unsafe_code, reason = "no crate of ours offers file leases")]
    // SAFETY: takes numbers
    let leased = unsafe {
        libc::fcntl(file.as_raw_fd(), ignored, libc::SIGURG);
        libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK)
    };
    assert_eq!(leased, 0, "the lease is given");
    // the kernel would let us wait for 45 seconds
    assert_eq!(at_once(move || folder.refused("a")), Fault::InUse);
}

#[test]
fn attack_restoring_through_a_link() {
    let folder = Folder::new();
    folder.link("dir", folder.root().join("outside")).link("name", folder.root().join("outside/new"));
    let home = folder.home();
    let through_directory = home.create(Path::new("dir/new"), b"x", 0o600);
    assert_eq!(through_directory, Err(ReplaceError::Fault(Fault::LeavesHome)));
    assert_eq!(home.create(Path::new("name"), b"x", 0o600), Err(ReplaceError::Changed));
}

#[test]
fn cve_2017_15027_files_of_others_are_judged_by_their_own_owner() {
    if !needs_root("cve_2017_15027") {
        return;
    }
    let folder = Folder::new();
    folder.file("d/known_hosts", "x");
    own(&folder.at("d/known_hosts"), STRANGER);
    assert_eq!(folder.refused("d/known_hosts"), Fault::ForeignOwner { uid: STRANGER });
    own(&folder.at("d/known_hosts"), 0);
    assert_eq!(folder.refused("d/known_hosts"), Fault::ForeignOwner { uid: 0 });
}

/// apport opened what it had checked a second time; osquery and whoopsie read what was there by then.
#[test]
fn cve_2019_7307_and_osquery_1598_the_bytes_are_those_of_the_file_that_was_judged() {
    let folder = Folder::new();
    folder.file("ignore", "his own");
    let original = folder.open("ignore").unwrap();
    fs::remove_file(folder.at("ignore")).unwrap();
    folder.link("ignore", folder.canary());
    assert_eq!(original.bytes(), b"his own");
    assert_eq!(original.replace(b"new"), Err(ReplaceError::Changed));
    assert_eq!(folder.refused("ignore"), Fault::LeavesHome);
}

#[test]
fn cve_2020_16127_and_cve_2022_1804_an_endless_file_is_not_read() {
    let folder = Folder::new();
    folder.link(".pam_environment", "/dev/zero");
    assert_eq!(at_once(move || folder.refused(".pam_environment")), Fault::LeavesHome);
}

#[test]
fn cve_2021_44730_a_hard_link_is_not_taken_for_the_file() {
    let folder = Folder::new();
    folder.file("trusted", "x");
    fs::hard_link(folder.at("trusted"), folder.at("snap-confine")).unwrap();
    // what is done to the one name is not done to the other
    folder.open("snap-confine").unwrap().replace(b"y").expect("replaced");
    assert_eq!((folder.text("trusted"), folder.text("snap-confine")), ("x".to_owned(), "y".to_owned()));
}

#[test]
fn cve_2021_23239_a_fault_does_not_tell_what_is_outside() {
    let folder = Folder::new();
    folder.link("there", folder.canary()).link("not-there", folder.root().join("outside/none"));
    folder.link("dir", folder.root().join("outside")).link("no-dir", folder.root().join("none"));
    for path in ["there", "not-there", "dir/shadow", "dir/none", "no-dir/none"] {
        assert_eq!(folder.refused(path), Fault::LeavesHome, "{path}");
    }
}

#[test]
fn cve_2021_23240_labels_of_a_users_file_are_not_set_on_ours() {
    let folder = Folder::new();
    folder.file("a", "old");
    let file = fs::File::open(folder.at("a")).unwrap();
    if is_root() {
        let label = "security.mcpolicy_test";
        rustix::fs::fsetxattr(&file, label, b"root_t", rustix::fs::XattrFlags::empty()).unwrap();
    }
    rustix::fs::fsetxattr(&file, "user.note", b"n", rustix::fs::XattrFlags::empty()).unwrap();
    folder.open("a").unwrap().replace(b"new").unwrap();
    let mut names = [0; 1024];
    let length = rustix::fs::listxattr(folder.at("a"), &mut names[..]).unwrap();
    assert_eq!(&names[..length], b"user.note\0");
}

#[test]
fn cve_2022_30687_and_cve_2024_32849_removing_does_not_follow_links() {
    let folder = Folder::new();
    let (name, home) = (TempName::random().unwrap(), folder.home());
    fs::write(folder.root().join("outside").join(name.as_str()), "outside").unwrap();
    folder.link("swept", folder.root().join("outside"));
    assert_eq!(home.remove_leftover(Path::new("swept"), &name), Err(Fault::LeavesHome));
    assert_eq!(home.remove_leftover(Path::new("../outside"), &name), Err(Fault::BadPath));
    fs::remove_file(folder.root().join("outside").join(name.as_str())).unwrap();
    folder.link(name.as_str(), folder.canary());
    let refused = home.remove_leftover(Path::new(""), &name);
    assert_eq!(refused, Err(Fault::NotRegular(FileKind::Symlink)));
    fs::remove_file(folder.at(name.as_str())).unwrap();
    folder.directory(name.as_str());
    let refused = home.remove_leftover(Path::new(""), &name);
    assert_eq!(refused, Err(Fault::NotRegular(FileKind::Directory)));
}

#[test]
fn cve_2022_38777_putting_back_does_not_write_through_what_the_user_planted() {
    let folder = Folder::new();
    let (temp, home) = (TempName::random().unwrap(), folder.home());
    // he has guessed the temporary name
    folder.link(temp.as_str(), folder.canary()).file("a", "old");
    let original = folder.open("a").unwrap();
    let planted = ReplaceError::Fault(Fault::Io(libc::EEXIST));
    assert_eq!(original.replace_as(b"new", &temp), Err(planted.clone()));
    assert_eq!(home.create_as(Path::new("b"), b"new", Rights::PRIVATE, &temp), Err(planted));
    let reinstated = original.reinstate(&temp);
    assert_eq!(reinstated, Err(ReplaceError::Fault(Fault::NotRegular(FileKind::Symlink))));
    assert_eq!((folder.text("a"), folder.names("").len()), ("old".to_owned(), 2));
}

#[test]
fn cve_2025_37735_cve_2025_42701_and_cve_2025_42706_only_files_of_our_own_making_are_removed() {
    let folder = Folder::new();
    folder.file("d/.mcpolicy.settings", "x").file("d/.bashrc", "x");
    assert_eq!(folder.home().sweep(Path::new("d")), Ok(Vec::new()));
    for name in [".bashrc", ".mcpolicy.settings", "../.bashrc", "/etc/passwd"] {
        assert_eq!(name.parse::<TempName>(), Err(Fault::BadPath), "{name}");
    }
}

#[test]
fn cve_2026_41091_and_cve_2025_26684_a_link_put_there_later_steers_no_write() {
    let folder = Folder::new();
    folder.file("d/a", "old").file("d/b", "old");
    fs::write(folder.root().join("shadow"), "x").unwrap();
    let home = folder.home();
    let (replaced, removed) = (folder.open("d/a").unwrap(), folder.open("d/b").unwrap());
    fs::rename(folder.at("d"), folder.at("moved")).unwrap();
    folder.link("d", folder.root());
    // by the directory that was judged, wherever its name leads by now
    replaced.replace(b"new").expect("replaced");
    removed.remove_as(&TempName::random().unwrap()).expect("removed");
    assert_eq!((folder.text("moved/a").as_str(), folder.names("moved").len()), ("new", 1));
    let temp = TempName::random().unwrap();
    let created = home.create_as(Path::new("d/new"), b"x", Rights::PRIVATE, &temp);
    assert_eq!(created, Err(ReplaceError::Fault(Fault::LeavesHome)));
    assert_eq!(home.remove_leftover(Path::new("d"), &temp), Err(Fault::LeavesHome));
    let mut names: Vec<_> =
        fs::read_dir(folder.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["home", "outside", "shadow"]);
}

#[test]
fn cve_2026_30893_a_path_that_climbs_is_no_path() {
    let folder = Folder::new();
    folder.file("a/b", "x");
    for path in ["a/../../outside/shadow", "a/b/../../../outside/shadow", "./../outside/shadow"] {
        assert_eq!(folder.refused(path), Fault::BadPath, "{path}");
        let created = folder.home().create(Path::new(path), b"x", 0o600);
        assert_eq!(created, Err(ReplaceError::Fault(Fault::BadPath)), "{path}");
    }
}

#[test]
fn no_fault_and_no_debug_output_tells_content() {
    let folder = Folder::new();
    folder.file("a", SECRET);
    let original = folder.open("a").unwrap();
    assert!(!format!("{original:?}").contains("secret"));
    assert_eq!(fs::metadata(folder.at("a")).unwrap().ino(), original.stamp().inode);
}
