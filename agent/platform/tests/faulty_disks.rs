//! Homes on file systems that are full, read-only, immutable, layered, limited, dying or not there any more; and mounts
//! in a home. Every mount is made in a name space of its own, below a throw-away directory, and goes with it.
//!
//! What this machine cannot do is skipped, and says so.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]
#![allow(clippy::disallowed_methods, reason = "a test reads its own files and parameters")]

mod common;

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Folder, USER, at_once, needs_root, skipped};
use mcpolicy_platform::secure_fs::{Fault, HomeDir, ReplaceError, Replaced};
use rustix::fs::IFlags;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change, mount_remount};
use rustix::thread::UnshareFlags;

/// Runs a test in a thread that has the mounts of the machine for itself.
fn with_own_mounts(test: &str, work: impl FnOnce(&Path) + Send + 'static) {
    if !needs_root(test) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_owned();
    let thread = std::thread::spawn(move || {
        #[allow(unsafe_code, reason = "a thread of its own, which ends with the test")]
        // SAFETY: no file descriptors are unshared
        let unshared = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) };
        if unshared.is_err() {
            return false;
        }
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        work(&root);
        true
    });
    if !thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
        skipped(test, "no name space for mounts is to be had");
    }
}

fn mount_memory(at: &Path, options: &str) {
    let options = CString::new(options).unwrap();
    mount("none", at, "tmpfs", MountFlags::empty(), Some(options.as_c_str())).unwrap();
}

fn replace(folder: &Folder, path: &str) -> Result<Replaced, ReplaceError> {
    folder.open(path).map_err(ReplaceError::Fault).and_then(|original| original.replace(b"new"))
}

fn refused(folder: &Folder, path: &str) -> Fault {
    match replace(folder, path) {
        Err(ReplaceError::Fault(fault)) => fault,
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn attack_mounts_in_the_home_and_cve_2021_44731() {
    with_own_mounts("mounts in the home", |root| {
        mount_memory(root, "");
        let folder = Folder::within(root);
        folder.file(".claude.json", "his").file(".config/x", "his").file("real/x", "his");
        folder.link("way", ".config");
        let outside = root.join("outside");
        // made before: the walk meets it; and after: the file has been read
        let before = folder.open(".claude.json").unwrap();
        mount_bind(folder.canary(), folder.at(".claude.json")).unwrap();
        mount_bind(&outside, folder.at(".config")).unwrap();
        for path in [".claude.json", ".config/shadow", ".config/x", "way/shadow"] {
            assert_eq!(folder.refused(path), Fault::OtherMount, "{path}");
        }
        assert!(before.replace(b"new").is_err(), "there is something over it");
        // of the home's own file system: the device is the same
        mount_bind(folder.at("real"), folder.at("real")).unwrap();
        assert_eq!(folder.refused("real/x"), Fault::OtherMount);
        let created = folder.home().create(Path::new(".config/new"), b"x", 0o600);
        assert_eq!(created, Err(ReplaceError::Fault(Fault::OtherMount)));
        folder.check_canary();
    });
}

#[test]
fn attack_a_fuse_mount_in_the_home_is_never_asked_anything() {
    with_own_mounts("fuse", |root| {
        mount_memory(root, "");
        let folder = Folder::within(root);
        folder.directory("served");
        let Ok(server) = File::options().read(true).write(true).open("/dev/fuse") else {
            return skipped("fuse", "this machine has none");
        };
        // its server never answers: whoever asks waits for ever
        let options = format!("fd={},rootmode=40000,user_id={USER},group_id={USER}", server.as_raw_fd());
        let options = CString::new(options).unwrap();
        let mounted =
            mount("test", folder.at("served"), "fuse", MountFlags::empty(), Some(options.as_c_str()));
        if mounted.is_err() {
            return skipped("fuse", "it is not allowed here");
        }
        // the work has another thread, with other mounts: a handle leads it here
        let home = folder.home();
        assert_eq!(at_once(move || home.open_file(Path::new("served/a"), 1).err()), Some(Fault::OtherMount));
        drop(server);
        let home = HomeDir::open(&folder.at("served"), None).err();
        assert!(home.is_some(), "a home that is served is no home");
    });
}

#[test]
fn a_home_on_a_file_system_that_is_not_known_is_not_edited() {
    with_own_mounts("ramfs", |root| {
        mount("none", root, "ramfs", MountFlags::empty(), None).unwrap();
        let home = HomeDir::open(root, None).err();
        assert_eq!(home, Some(Fault::UnsupportedFileSystem { kind: "0x858458f6".to_owned() }));
    });
}

#[test]
fn a_read_only_home_is_read_and_not_written() {
    with_own_mounts("read-only", |root| {
        mount_memory(root, "");
        let folder = Folder::within(root);
        folder.file("a", "old");
        mount_bind(folder.at(""), folder.at("")).unwrap();
        mount_remount(folder.at(""), MountFlags::BIND | MountFlags::RDONLY, "").unwrap();
        assert_eq!(refused(&folder, "a"), Fault::ReadOnly(libc::EROFS));
        assert_eq!((folder.text("a").as_str(), folder.names("")), ("old", vec!["a".to_owned()]));
    });
}

#[test]
fn a_full_disk_leaves_the_old_file_whole_and_nothing_beside_it() {
    with_own_mounts("full disk", |root| {
        mount_memory(root, "size=256k");
        let folder = Folder::within(root);
        folder.file("a", "old");
        fill(&folder.at("filler"));
        assert_eq!(refused(&folder, "a"), Fault::NoSpace(libc::ENOSPC));
        assert_eq!((folder.text("a").as_str(), folder.names("").len()), ("old", 2));
        fs::remove_file(folder.at("filler")).unwrap();
        replace(&folder, "a").expect("there is room again");
        assert_eq!(folder.text("a"), "new");
    });
}

fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write_all(&[0; 1024]).is_ok() {}
}

#[test]
fn a_disk_without_names_to_give_leaves_the_old_file_whole() {
    with_own_mounts("no inodes", |root| {
        mount_memory(root, "nr_inodes=8");
        let folder = Folder::within(root);
        folder.file("a", "old");
        for number in 0..8 {
            let _ = File::create(folder.at(&format!("filler{number}")));
        }
        assert_eq!(refused(&folder, "a"), Fault::NoSpace(libc::ENOSPC));
        assert_eq!(folder.text("a"), "old");
    });
}

#[test]
fn an_immutable_or_append_only_file_or_directory_is_not_changed() {
    if !needs_root("immutable") {
        return;
    }
    let folder = Folder::new();
    folder.file("d/a", "old");
    for (path, flag) in [("d/a", IFlags::IMMUTABLE), ("d/a", IFlags::APPEND), ("d", IFlags::IMMUTABLE)] {
        let file = File::open(folder.at(path)).unwrap();
        let Ok(before) = rustix::fs::ioctl_getflags(&file) else {
            return skipped("immutable", "this file system has no such flags");
        };
        if rustix::fs::ioctl_setflags(&file, before | flag).is_err() {
            return skipped("immutable", "this file system or sandbox gives no such flags");
        }
        let outcome = replace(&folder, "d/a");
        rustix::fs::ioctl_setflags(&file, before).unwrap();
        assert_eq!(outcome, Err(ReplaceError::Fault(Fault::ReadOnly(libc::EPERM))), "{path} {flag:?}");
        assert_eq!((folder.text("d/a").as_str(), folder.names("d").len()), ("old", 1), "{path} {flag:?}");
    }
    replace(&folder, "d/a").expect("it may be written again");
}

#[test]
fn a_file_that_its_owner_may_not_write_in_place_is_replaced_all_the_same() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    folder.file("d/a", "old");
    fs::set_permissions(folder.at("d/a"), fs::Permissions::from_mode(0o400)).unwrap();
    replace(&folder, "d/a").expect("the right to the directory is what counts");
    let mode = fs::metadata(folder.at("d/a")).unwrap().permissions().mode();
    assert_eq!((folder.text("d/a").as_str(), mode & 0o777), ("new", 0o400));
}

#[test]
fn a_home_in_layers_is_edited_in_the_upper_one() {
    with_own_mounts("overlay", |root| {
        mount_memory(root, "");
        let lower = Folder::within(root);
        lower.file("d/a", "old").file("d/b", "b");
        for name in ["upper", "work", "merged"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        common::own(&root.join("upper"), lower.uid);
        let at = |name: &str| root.join(name).display().to_string();
        let options = format!("lowerdir={},upperdir={},workdir={}", at("home"), at("upper"), at("work"));
        let options = CString::new(options).unwrap();
        let merged = root.join("merged");
        if mount("none", &merged, "overlay", MountFlags::empty(), Some(options.as_c_str())).is_err() {
            return skipped("overlay", "this kernel cannot");
        }
        let home = HomeDir::open(&merged, Some(lower.uid)).expect("a home");
        let edit = || home.open_file(Path::new("d/a"), 100).unwrap().replace(b"new");
        // the first touch of a file of the lower layer may give it another number: then it is read again
        let replaced = edit().or_else(|_| edit()).expect("replaced");
        assert!(replaced.left.is_none());
        assert_eq!(fs::read_to_string(merged.join("d/a")).unwrap(), "new");
        assert_eq!(lower.text("d/a"), "old");
        assert_eq!(fs::read_dir(merged.join("d")).unwrap().count(), 2);
    });
}

#[test]
fn a_home_that_vanishes_is_told() {
    let folder = Folder::new();
    folder.file("d/a", "old");
    let home = folder.home();
    let original = home.open_file(Path::new("d/a"), 100).unwrap();
    fs::remove_dir_all(folder.at("")).unwrap();
    assert_eq!(home.open_file(Path::new("d/a"), 100).err(), Some(Fault::NotFound));
    let gone = ReplaceError::Fault(Fault::NotFound);
    assert_eq!(original.replace(b"new"), Err(gone.clone()));
    assert_eq!(home.create(Path::new("a"), b"new", 0o600), Err(gone));
    assert_eq!(home.sweep(Path::new("d")), Err(Fault::NotFound));
}

/// An ext4 in a file, mounted; nothing where this machine cannot.
fn mount_image(test: &str, image: &Path, at: &Path, features: &[&str], options: &str) -> Option<()> {
    File::create(image).unwrap().set_len(8 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).args(features).arg(image).output();
    if !made.is_ok_and(|made| made.status.success()) {
        skipped(test, "mkfs.ext4 is not to be had");
        return None;
    }
    let mounted = Command::new("mount").args(["-o", options]).arg(image).arg(at).output();
    match mounted {
        Ok(mounted) if mounted.status.success() => Some(()),
        Ok(mounted) => {
            skipped(test, String::from_utf8_lossy(&mounted.stderr).trim());
            None
        }
        Err(_) => {
            skipped(test, "there is no mount");
            None
        }
    }
}

#[test]
fn a_quota_that_is_used_up_leaves_the_old_file_whole() {
    with_own_mounts("quota", |root| {
        mount_memory(root, "");
        let (image, at) = (root.join("image"), root.join("disk"));
        fs::create_dir(&at).unwrap();
        let features = ["-O", "quota", "-E", "quotatype=usrquota"];
        if mount_image("quota", &image, &at, &features, "loop,usrquota").is_none() {
            return;
        }
        let folder = Folder::within(&at);
        folder.file("a", "old");
        if !limit_inodes(&at, 2) {
            return skipped("quota", "it cannot be set here");
        }
        // root has no quota: the user himself edits, in a thread of his own
        let path = folder.at("");
        let outcome = std::thread::scope(|scope| {
            let work = scope.spawn(|| {
                common::become_user_in_this_thread();
                let home = HomeDir::open(&path, Some(USER)).unwrap();
                home.open_file(Path::new("a"), 100).unwrap().replace(b"new")
            });
            work.join().unwrap()
        });
        assert_eq!(outcome, Err(ReplaceError::Fault(Fault::NoSpace(libc::EDQUOT))));
        assert_eq!((folder.text("a").as_str(), folder.names("").len()), ("old", 1));
    });
}

/// So many files may the user have on a file system.
#[allow(unsafe_code, reason = "there is no crate for quotas")]
fn limit_inodes(at: &Path, most: u64) -> bool {
    let command = libc::QCMD(libc::Q_SETQUOTA, libc::USRQUOTA);
    // SAFETY: the structure is numbers only
    let mut limits: libc::dqblk = unsafe { std::mem::zeroed() };
    limits.dqb_ihardlimit = most;
    limits.dqb_valid = libc::QIF_ILIMITS;
    let Some(device) = device_of(at) else { return false };
    let device = CString::new(device.as_os_str().as_encoded_bytes()).unwrap();
    let user = i32::try_from(USER).unwrap();
    // SAFETY: a string that ends in zero, and a structure that outlives the call
    unsafe { libc::quotactl(command, device.as_ptr(), user, (&raw mut limits).cast()) == 0 }
}

fn device_of(at: &Path) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/thread-self/mounts").ok()?;
    let found = mounts.lines().filter_map(|line| line.split_once(' '));
    let mut found = found.filter(|(_, rest)| Path::new(rest.split(' ').next().unwrap_or("")) == at);
    found.next().map(|(device, _)| PathBuf::from(device))
}

/// The disk below the file system has no room for what that believes to have written: a write error of the device.
#[test]
fn a_disk_that_fails_to_write_leaves_a_whole_file() {
    with_own_mounts("write errors", |root| {
        // the image is sparse, and this is all there is for it
        mount_memory(root, "size=3m");
        let (image, at) = (root.join("image"), root.join("disk"));
        fs::create_dir(&at).unwrap();
        let features = ["-O", "^has_journal"];
        if mount_image("write errors", &image, &at, &features, "loop,errors=continue").is_none() {
            return;
        }
        let folder = Folder::within(&at);
        folder.file("a", "old");
        rustix::fs::syncfs(File::open(&at).unwrap()).unwrap();
        fill(&root.join("filler"));
        let original = folder.open("a").unwrap();
        let new = vec![b'n'; 1 << 20];
        let outcome = original.replace(&new);
        let Err(ReplaceError::Fault(fault)) = outcome else { panic!("{outcome:?}") };
        assert!(matches!(fault, Fault::Io(libc::EIO) | Fault::NoSpace(libc::ENOSPC)), "{fault:?}");
        assert_eq!((folder.text("a").as_str(), folder.names("").len()), ("old", 1));
        fs::remove_file(root.join("filler")).unwrap();
    });
}

/// In place and by renaming in turns, by a program that never comes to rest. Each of his lines must be in the file at
/// the end, or in one that was kept; and between two of his writes there is time for ours.
#[test]
fn a_file_that_another_program_rewrites_a_hundred_times_a_second_is_edited_or_told() {
    const WRITES: u64 = 300;
    let folder = Folder::new();
    folder.file("d/a", "");
    let file = folder.at("d/a");
    let writer = std::thread::spawn(move || {
        common::become_user_in_this_thread();
        let begin = Instant::now();
        for number in 0..WRITES {
            std::thread::sleep((begin + Duration::from_millis(10 * number)).duration_since(Instant::now()));
            let text = fs::read_to_string(&file).unwrap() + &format!("{number}\nforbidden\n");
            if number % 2 == 0 {
                fs::write(&file, text).unwrap();
            } else {
                let beside = file.with_extension("beside");
                fs::write(&beside, text).unwrap();
                fs::rename(beside, &file).unwrap();
            }
        }
        begin.elapsed()
    });
    let (home, mut applied, mut conflicts, mut lost_races) = (folder.home(), 0, 0, 0);
    let mut writes = true;
    while writes {
        writes = !writer.is_finished();
        match home.open_file(Path::new("d/a"), 1 << 20).map_err(ReplaceError::Fault).and_then(|original| {
            let text = String::from_utf8_lossy(original.bytes()).into_owned();
            if !text.contains("forbidden") {
                return Ok(());
            }
            original.replace(text.replace("forbidden\n", "").as_bytes())?;
            applied += 1;
            Ok(())
        }) {
            Ok(()) => {}
            Err(ReplaceError::WrittenSince) => applied += 1,
            Err(ReplaceError::Changed | ReplaceError::Fault(Fault::Unstable)) => lost_races += 1,
            Err(ReplaceError::Conflict { .. }) => conflicts += 1,
            Err(fault) => panic!("{fault:?}"),
        }
    }
    let took = writer.join().unwrap();
    let names = folder.names("d");
    assert_eq!(names.len(), 1 + conflicts, "{names:?}");
    let texts: String = names.iter().map(|name| folder.text(&format!("d/{name}"))).collect();
    let found: std::collections::BTreeSet<u64> = texts.lines().filter_map(|line| line.parse().ok()).collect();
    let lost: Vec<u64> = (0..WRITES).filter(|number| !found.contains(number)).collect();
    assert!(lost.is_empty(), "{lost:?} lost; {applied} applied, {lost_races} changed, {conflicts} conflicts");
    assert!(!folder.text("d/a").contains("forbidden"), "it comes to rest without what is forbidden");
    // slower on a machine that does something else, never for us alone
    assert!(took < Duration::from_secs(60), "his writes took {took:?}");
    assert!(applied > WRITES / 10, "he does not keep us from our work: {applied} applied");
}
