//! What replacing keeps and tells, on a home that nobody attacks.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "the helpers of tests are tests too")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcpolicy_platform::secure_fs::{
    ClientLock, Fault, HomeDir, LockError, Original, ReplaceError, STEPS, TempName,
};
use tempfile::TempDir;

const MAX: u64 = 1 << 20;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("permissions");
        Self(dir)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        fs::create_dir_all(self.at(path).parent().expect("a parent")).expect("directories");
        fs::write(self.at(path), text).expect("file");
        self
    }

    #[expect(clippy::disallowed_methods, reason = "a file of the test")]
    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).expect("readable")
    }

    fn home(&self) -> HomeDir {
        HomeDir::open(self.0.path(), Some(own_uid())).expect("a home")
    }

    fn open(&self, path: &str) -> Original {
        self.home().open_file(Path::new(path), MAX).expect("a file")
    }

    fn names(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(dir)).expect("directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn a_file_is_replaced_and_nothing_stays_beside_it() {
    let folder = Folder::new();
    folder.write("dir/a.json", "old");
    let original = folder.open("dir/a.json");
    assert_eq!((original.bytes(), original.path()), (&b"old"[..], Path::new("dir/a.json")));
    let replaced = original.replace(b"new").expect("replaced");
    assert!(replaced.atomic && replaced.durable && replaced.left.is_none());
    assert_eq!(folder.text("dir/a.json"), "new");
    assert_eq!(folder.names("dir"), ["a.json"]);
    assert_eq!(folder.open("dir/a.json").stamp(), replaced.stamp, "the stamp is that of our own write");
    assert_eq!(
        original.replace(b"again"),
        Err(ReplaceError::Changed),
        "it is not the file that was read any more"
    );
}

#[test]
fn links_that_stay_in_the_home_are_followed_and_stay() {
    let folder = Folder::new();
    folder.write("dotfiles/claude/a.json", "old");
    symlink("../dotfiles/./claude", folder.at("linked")).expect("link");
    fs::remove_file(folder.at("linked")).expect("it led out");
    symlink("dotfiles/claude", folder.at("linked")).expect("link");
    // as people make them: by the home's own path
    symlink(folder.at("linked/../claude/a.json"), folder.at(".claude.json")).expect("link");
    let original = folder.open(".claude.json");
    assert_eq!(original.path(), Path::new("dotfiles/claude/a.json"));
    original.replace(b"new").expect("replaced");
    assert_eq!(folder.text("dotfiles/claude/a.json"), "new");
    assert!(fs::symlink_metadata(folder.at(".claude.json")).expect("there").is_symlink());
    assert_eq!(folder.names("dotfiles/claude"), ["a.json"]);
}

#[test]
fn mode_group_attributes_and_access_list_are_kept() {
    let folder = Folder::new();
    folder.write("a", "old");
    fs::set_permissions(folder.at("a"), Permissions::from_mode(0o664)).expect("permissions");
    let file = fs::OpenOptions::new().write(true).open(folder.at("a")).expect("file");
    rustix::fs::fsetxattr(&file, "user.note", b"kept", rustix::fs::XattrFlags::empty()).expect("attribute");
    // user::rw-, user:4003:r--, group::r--, mask::rw-, other::r--
    let acl: Vec<u8> = [
        &2_u32.to_le_bytes()[..],
        &acl_entry(0x01, 6, u32::MAX),
        &acl_entry(0x02, 4, 4003),
        &acl_entry(0x04, 4, u32::MAX),
        &acl_entry(0x10, 6, u32::MAX),
        &acl_entry(0x20, 4, u32::MAX),
    ]
    .concat();
    let name = "system.posix_acl_access";
    rustix::fs::fsetxattr(&file, name, &acl, rustix::fs::XattrFlags::empty()).expect("access list");
    if own_uid() == 0 {
        std::os::unix::fs::chown(folder.at("a"), None, Some(4002)).expect("group");
    }
    let before = fs::metadata(folder.at("a")).expect("metadata");
    drop(file);
    folder.open("a").replace(b"new").expect("replaced");
    let after = fs::metadata(folder.at("a")).expect("metadata");
    assert_eq!((before.mode(), before.uid(), before.gid()), (after.mode(), after.uid(), after.gid()));
    assert_ne!(before.ino(), after.ino());
    let mut buffer = [0_u8; 256];
    let length = rustix::fs::getxattr(folder.at("a"), "user.note", &mut buffer).expect("attribute");
    assert_eq!(&buffer[..length], b"kept");
    let length = rustix::fs::getxattr(folder.at("a"), name, &mut buffer).expect("access list");
    assert_eq!(&buffer[..length], acl);
}

fn acl_entry(tag: u16, rights: u16, id: u32) -> [u8; 8] {
    let mut entry = [0; 8];
    entry[..2].copy_from_slice(&tag.to_le_bytes());
    entry[2..4].copy_from_slice(&rights.to_le_bytes());
    entry[4..].copy_from_slice(&id.to_le_bytes());
    entry
}

#[test]
fn a_directory_that_gives_access_lists_gives_none_to_a_file_that_had_none() {
    let folder = Folder::new();
    folder.write("d/a", "old");
    let acl: Vec<u8> = [
        &2_u32.to_le_bytes()[..],
        &acl_entry(0x01, 7, u32::MAX),
        &acl_entry(0x02, 7, 4003),
        &acl_entry(0x04, 7, u32::MAX),
        &acl_entry(0x10, 7, u32::MAX),
        &acl_entry(0x20, 7, u32::MAX),
    ]
    .concat();
    let default = "system.posix_acl_default";
    rustix::fs::setxattr(folder.at("d"), default, &acl, rustix::fs::XattrFlags::empty())
        .expect("access list");
    fs::set_permissions(folder.at("d/a"), Permissions::from_mode(0o600)).expect("permissions");
    folder.open("d/a").replace(b"new").expect("replaced");
    assert_eq!(fs::metadata(folder.at("d/a")).expect("metadata").mode() & 0o777, 0o600);
    let mut buffer = [0_u8; 256];
    let read = rustix::fs::getxattr(folder.at("d/a"), "system.posix_acl_access", &mut buffer);
    assert_eq!(read, Err(rustix::io::Errno::NODATA));
}

#[test]
fn a_file_that_somebody_waits_for_is_written_through_itself_and_stays_the_same_file() {
    let folder = Folder::new();
    for new in ["n", "new and longer than before"] {
        folder.write("a.json", "old text");
        let before = fs::metadata(folder.at("a.json")).expect("there");
        // whoever has found it already
        let mut found = fs::File::options().read(true).open(folder.at("a.json")).expect("readable");
        assert_eq!(folder.open("a.json").rewrite(new.as_bytes()), Ok(true));
        let mut read = String::new();
        std::io::Read::read_to_string(&mut found, &mut read).expect("readable");
        let after = fs::metadata(folder.at("a.json")).expect("there");
        assert_eq!((read.as_str(), after.ino(), after.mode()), (new, before.ino(), before.mode()));
        assert_eq!(folder.names(""), ["a.json"]);
    }
}

#[test]
fn a_file_with_a_second_name_or_a_writer_is_not_written_through_and_one_that_was_changed_neither() {
    let folder = Folder::new();
    folder.write("a.json", "old");
    let original = folder.open("a.json");
    let writer = fs::File::options().append(true).open(folder.at("a.json")).expect("writable");
    assert_eq!(original.rewrite(b"new"), Ok(false), "somebody has it open for writing");
    drop(writer);
    fs::hard_link(folder.at("a.json"), folder.at("b.json")).expect("linked");
    assert_eq!(folder.open("a.json").rewrite(b"new"), Ok(false), "the other name is somebody else's");
    assert_eq!(folder.text("b.json"), "old");
    folder.write("c.json", "old");
    let original = folder.open("c.json");
    folder.write("c.json", "his");
    assert_eq!(original.rewrite(b"new"), Err(ReplaceError::Changed));
    folder.write("d.json", "new one").write("c.json", "old");
    let original = folder.open("c.json");
    fs::rename(folder.at("d.json"), folder.at("c.json")).expect("renamed");
    assert_eq!(original.rewrite(b"new"), Err(ReplaceError::Changed));
    assert_eq!(folder.text("c.json"), "new one");
}

#[test]
fn a_file_is_created_only_where_nothing_is() {
    let folder = Folder::new();
    folder.write("dir/taken", "his");
    symlink("nowhere", folder.at("dangling")).expect("link");
    let home = folder.home();
    home.create(Path::new("dir/new"), b"restored", 0o640).expect("created");
    assert_eq!(folder.text("dir/new"), "restored");
    assert_eq!(fs::metadata(folder.at("dir/new")).expect("metadata").mode() & 0o777, 0o640);
    for taken in ["dir/taken", "dangling"] {
        assert_eq!(home.create(Path::new(taken), b"x", 0o600), Err(ReplaceError::Changed), "{taken}");
    }
    let missing = home.create(Path::new("none/new"), b"x", 0o600);
    assert_eq!(missing, Err(ReplaceError::Fault(Fault::NotFound)));
    assert_eq!(folder.text("dir/taken"), "his");
    assert_eq!(folder.names("dir"), ["new", "taken"]);
}

#[test]
fn a_file_is_removed_only_as_it_was_read() {
    let folder = Folder::new();
    folder.write("a", "old").write("b", "old");
    let temp = TempName::random().expect("a name");
    folder.open("a").remove_as(&temp).expect("removed");
    let original = folder.open("b");
    folder.write("b", "his new one");
    assert_eq!(original.remove_as(&temp), Err(ReplaceError::Changed));
    assert_eq!(folder.names(""), ["b"]);
    assert_eq!(folder.text("b"), "his new one");
}

#[test]
fn what_a_broken_off_edit_left_is_found_read_and_removed_or_put_back() {
    let folder = Folder::new();
    let home = folder.home();
    let temp = TempName::random().expect("a name");
    folder.write("d/a", "ours").write(&format!("d/{temp}"), "his").write("d/.mcpolicy.notes", "his own");
    fs::create_dir(folder.at(&format!("d/{}", TempName::random().expect("a name")))).expect("directory");
    let swept = home.sweep(Path::new("d")).expect("swept");
    assert_eq!(swept.len(), 1, "neither other names nor directories");
    assert_eq!((&swept[0].name, swept[0].length), (&temp, 3));
    let original = folder.open("d/a");
    assert_eq!(home.open_file(&original.beside(&temp), MAX).expect("readable").bytes(), b"his");
    original.reinstate(&temp).expect("put back");
    assert_eq!(folder.text("d/a"), "his");
    assert_eq!(home.sweep(Path::new("d")).expect("swept"), []);
    folder.write(&format!("d/{temp}"), "ours");
    home.remove_leftover(Path::new("d"), &temp).expect("removed");
    assert_eq!(home.remove_leftover(Path::new("d"), &temp), Err(Fault::NotFound));
    fs::hard_link(folder.at("d/a"), folder.at(&format!("d/{temp}"))).expect("link");
    // a displaced file that has a further name is none the less a leftover
    home.remove_leftover(Path::new("d"), &temp).expect("removed");
    assert_eq!(home.sweep(Path::new("d")).expect("swept"), []);
    assert_eq!(folder.text("d/a"), "his");
}

#[test]
fn a_live_lock_of_a_client_is_waited_for_and_a_stale_one_is_taken_over() {
    let folder = Folder::new();
    folder.write(".claude.json", "{}");
    let home = folder.home();
    let path = ClientLock::path_for(Path::new(".claude.json"));
    assert_eq!(path, Path::new(".claude.json.lock"));
    let (stale, patience) = (Duration::from_secs(10), Duration::from_millis(60));
    let lock = ClientLock::take(&home, &path, stale, patience).expect("free");
    assert!(folder.at(".claude.json.lock").is_dir());
    lock.refresh().expect("still ours");
    let begin = Instant::now();
    assert_eq!(ClientLock::take(&home, &path, stale, patience).err(), Some(LockError::Held));
    assert!(begin.elapsed() >= patience && begin.elapsed() < Duration::from_secs(30));
    std::thread::sleep(Duration::from_millis(30));
    let taken_over = ClientLock::take(&home, &path, Duration::from_millis(20), patience).expect("stale");
    assert_eq!(lock.refresh(), Err(Fault::InUse), "it is another's now");
    drop(lock);
    assert!(folder.at(".claude.json.lock").is_dir(), "another's lock stays");
    drop(taken_over);
    assert_eq!(folder.names(""), [".claude.json"]);
}

#[test]
fn a_lock_that_is_no_empty_directory_is_never_removed() {
    let folder = Folder::new();
    folder.write("a.lock/his", "file").write("b.lock", "file");
    let home = folder.home();
    for path in ["a.lock", "b.lock"] {
        let taken = ClientLock::take(&home, Path::new(path), Duration::ZERO, Duration::ZERO);
        assert!(matches!(taken, Err(LockError::Fault(_))), "{path}: {taken:?}");
    }
    assert_eq!(folder.text("a.lock/his"), "file");
}

#[test]
fn the_steps_are_named_once_each() {
    let distinct: std::collections::BTreeSet<_> = STEPS.iter().collect();
    assert_eq!(distinct.len(), STEPS.len());
}

#[test]
fn directories_are_made_below_the_home_only_and_through_no_file() {
    let folder = Folder::new();
    folder.write("file", "x").write("there/x", "x");
    let home = folder.home();
    home.make_directory(Path::new("there/a/b")).unwrap();
    home.make_directory(Path::new("there/a/b")).unwrap();
    assert_eq!(fs::metadata(folder.at("there/a/b")).unwrap().mode() & 0o777, 0o700);
    symlink("there", folder.at("link")).unwrap();
    home.make_directory(Path::new("link/c")).unwrap();
    assert_eq!(folder.names("there"), ["a", "c", "x"]);
    symlink("/tmp", folder.at("out")).unwrap();
    assert_eq!(home.make_directory(Path::new("out/c")), Err(Fault::LeavesHome));
    assert_eq!(home.make_directory(Path::new("../c")), Err(Fault::BadPath));
    assert!(home.make_directory(Path::new("file/c")).is_err());
}

#[test]
fn how_long_a_file_is_unchanged_cannot_be_set_by_its_owner() {
    let folder = Folder::new();
    folder.write("file", "x");
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    fs::File::options().write(true).open(folder.at("file")).unwrap().set_modified(long_ago).unwrap();
    assert!(folder.open("file").stamp().unchanged() < Duration::from_secs(60));
}
