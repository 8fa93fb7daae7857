//! Each way in which a user may lay a trap for a reader that runs as root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{CWD, Mode};
use rustix::process::{Gid, Uid};
use tempfile::TempDir;

use super::*;

const MAX: u64 = 1024;
/// Nobody's number on any machine that runs these tests.
const STRANGER: u32 = 3_999_999;

struct Folder {
    dir: TempDir,
    machine: Machine,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("permissions");
        let machine = Machine::at_root(dir.path());
        Self { dir, machine }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let at = self.at(path);
        fs::create_dir_all(at.parent().expect("a parent")).expect("directories");
        fs::write(at, text).expect("file");
        self
    }

    fn link(&self, path: &str, target: &str) -> &Self {
        let at = self.at(path);
        fs::create_dir_all(at.parent().expect("a parent")).expect("directories");
        symlink(target, at).expect("link");
        self
    }

    fn mode(&self, path: &str, mode: u32) -> &Self {
        fs::set_permissions(self.at(path), Permissions::from_mode(mode)).expect("permissions");
        self
    }

    fn read(&self, path: &str) -> Result<Snapshot, ReadError> {
        self.machine.read(Path::new(path), None, MAX)
    }

    fn read_for(&self, uid: Option<u32>, path: &str) -> Result<Snapshot, ReadError> {
        let owner = Owner { uid, home: PathBuf::from("/home/ana") };
        self.machine.read(Path::new(path), Some(&owner), MAX)
    }
}

/// Fails the test if the work hangs: that is how a trap would catch us.
fn at_once<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    wait.recv_timeout(Duration::from_secs(10)).expect("the work is done at once")
}

/// Runs the work as a user without rights, in a thread of its own: on Linux a thread has its own user.
fn unprivileged<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            let (uid, gid) = (Uid::from_raw(STRANGER), Gid::from_raw(STRANGER));
            rustix::thread::set_thread_groups(&[]).expect("groups");
            rustix::thread::set_thread_res_gid(gid, gid, gid).expect("group");
            rustix::thread::set_thread_res_uid(uid, uid, uid).expect("user");
        }
        work()
    });
    thread.join().expect("the thread ends")
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o644), 0)
        .expect("named pipe");
}

#[test]
fn a_name_with_a_nul_in_it_is_no_file() {
    let folder = Folder::new();
    for machine in [folder.machine, Machine::live()] {
        assert_eq!(machine.resolve(Path::new("/etc\0/x")), Err(ReadError::NotFound));
        assert_eq!(machine.kind(Path::new("/x\0")), None);
    }
}

#[test]
fn a_file_is_read_with_what_its_handle_says() {
    let folder = Folder::new();
    folder.file("/home/ana/.claude.json", "{}").mode("/home/ana/.claude.json", 0o600);
    let snapshot = folder.read("/home/ana/.claude.json").expect("readable");
    let metadata = fs::metadata(folder.at("/home/ana/.claude.json")).expect("metadata");
    assert_eq!(snapshot.bytes, b"{}");
    assert_eq!(snapshot.path, Path::new("/home/ana/.claude.json"));
    assert_eq!((snapshot.device, snapshot.inode), (metadata.dev(), metadata.ino()));
    assert_eq!(snapshot.owner_uid, Some(metadata.uid()));
    assert!(!snapshot.followed_link && !snapshot.left_home && !snapshot.writable_by_others);
    assert!(!format!("{snapshot:?}").contains("bytes"), "content may hold secrets");
}

#[test]
fn a_file_that_others_may_write_is_told() {
    let folder = Folder::new();
    folder.file("/a", "x");
    for (mode, expected) in [(0o600, false), (0o644, false), (0o664, true), (0o646, true), (0o666, true)] {
        folder.mode("/a", mode);
        assert_eq!(folder.read("/a").expect("readable").writable_by_others, expected, "{mode:o}");
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let folder = Folder::new();
    folder.file("/a", "x");
    assert_eq!(folder.read("/b"), Err(ReadError::NotFound));
    assert_eq!(folder.read("/no/such/dir/b"), Err(ReadError::NotFound));
    assert_eq!(folder.read("/a/b"), Err(ReadError::NotFound), "a file is no directory");
    assert_eq!(folder.read("/a/../a"), Err(ReadError::NotFound), "nor on the way up");
}

#[test]
fn named_pipes_sockets_directories_and_devices_are_never_opened() {
    let folder = Folder::new();
    folder.file("/dir/file", "x").link("/to-pipe", "pipe").link("/to-zero", "zero");
    fifo(&folder.at("/pipe"));
    let _listener = UnixListener::bind(folder.at("/socket")).expect("socket");
    let (machine, root) = (folder.machine.clone(), folder.dir.path().to_owned());
    at_once(move || {
        let read = |path: &str| machine.read(Path::new(path), None, MAX);
        let not_regular = |kind| Err(ReadError::NotRegular(kind));
        assert_eq!(read("/pipe"), not_regular(FileKind::Fifo));
        assert_eq!(read("/to-pipe"), not_regular(FileKind::Fifo));
        assert_eq!(read("/socket"), not_regular(FileKind::Socket));
        assert_eq!(read("/dir"), not_regular(FileKind::Directory));
        assert_eq!(read("/"), not_regular(FileKind::Directory));
        let live = Machine::live();
        for device in ["/dev/zero", "/dev/tty", "/dev/ptmx"] {
            // a container may lack one of them
            let read = live.read(Path::new(device), None, MAX);
            assert!(
                matches!(read, Err(ReadError::NotRegular(FileKind::Device) | ReadError::NotFound)),
                "{device}"
            );
        }
        // only root may make a device, and not in every container
        let device = rustix::fs::makedev(1, 5);
        let kind = rustix::fs::FileType::CharacterDevice;
        if rustix::fs::mknodat(CWD, root.join("zero"), kind, Mode::from_raw_mode(0o666), device).is_ok() {
            assert_eq!(read("/zero"), not_regular(FileKind::Device));
            assert_eq!(read("/to-zero"), not_regular(FileKind::Device));
        }
    });
}

#[test]
fn a_pipe_that_takes_the_files_place_before_the_opening_does_not_hang() {
    let folder = Folder::new();
    folder.file("/a", "x");
    let seen = folder.machine.walk(Path::new("/a")).expect("a file");
    fs::remove_file(folder.at("/a")).expect("removed");
    fifo(&folder.at("/a"));
    let machine = folder.machine.clone();
    let judged = at_once(move || machine.read_once(seen, None, MAX));
    assert!(matches!(judged, Err(Attempt::Failed(ReadError::NotRegular(FileKind::Fifo)))));
}

#[test]
fn another_file_that_takes_its_place_before_the_opening_is_noticed() {
    let folder = Folder::new();
    folder.file("/a", "x").file("/b", "y").file("/dir/c", "z").file("/secret/c", "secret");
    let seen = folder.machine.walk(Path::new("/a")).expect("a file");
    fs::rename(folder.at("/b"), folder.at("/a")).expect("renamed");
    assert!(matches!(folder.machine.read_once(seen, None, MAX), Err(Attempt::Changed)));

    let seen = folder.machine.walk(Path::new("/dir/c")).expect("a file");
    fs::rename(folder.at("/dir"), folder.at("/old")).expect("renamed");
    folder.link("/dir", "secret");
    let judged = folder.machine.read_once(seen, None, MAX);
    assert!(matches!(judged, Err(Attempt::Changed)), "a directory on the way has become a link");
}

#[test]
fn opening_step_by_step_follows_no_link_either() {
    let folder = Folder::new();
    folder.file("/real/dir/file", "x").link("/linked", "real").link("/real/dir/link", "file");
    let open = |path: &str| {
        let root = rustix::fs::open(folder.dir.path(), os::READ_DIR, Mode::empty()).expect("root");
        os::open_step_by_step(root, Path::new(path), os::READ_FILE).map(fs::File::from)
    };
    let read = |path: &str| {
        open(path).map(|mut file| {
            let mut text = String::new();
            file.read_to_string(&mut text).expect("text");
            text
        })
    };
    assert_eq!(read("/real/dir/file").expect("opened"), "x");
    assert!(read("/linked/dir/file").is_err());
    assert!(read("/real/dir/link").is_err());
    assert!(read("/real/none/file").is_err());
    assert!(open("/").is_ok());
}

#[test]
fn links_that_lead_in_a_circle_end() {
    let folder = Folder::new();
    folder.link("/self", "self").link("/a", "b").link("/b", "/a").link("/dir/up", "../dir/up/x");
    for path in ["/self", "/a", "/b", "/self/x", "/dir/up"] {
        assert_eq!(folder.read(path), Err(ReadError::LinkLoop), "{path}");
    }
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let folder = Folder::new();
    folder.file("/0", "x");
    for link in 1..=41 {
        folder.link(&format!("/{link}"), &format!("{}", link - 1));
    }
    assert_eq!(folder.read("/40").expect("forty").bytes, b"x");
    assert_eq!(folder.read("/41"), Err(ReadError::LinkLoop));
}

#[test]
fn a_link_to_nothing_dangles_but_a_missing_file_behind_a_link_is_just_missing() {
    let folder = Folder::new();
    folder
        .link("/dangling", "nowhere/at/all")
        .file("/real/file", "x")
        .link("/linked", "real")
        .link("/odd", "real/file/x");
    assert_eq!(folder.read("/dangling"), Err(ReadError::Dangling));
    assert_eq!(folder.read("/odd"), Err(ReadError::Dangling));
    assert_eq!(
        folder.read("/linked/missing"),
        Err(ReadError::NotFound),
        "/home may be a link, as in /var/home"
    );
}

#[test]
fn what_is_absent_and_what_is_a_directory_is_said_by_the_machine_and_not_by_this_host() {
    let folder = Folder::new();
    let host = tempfile::tempdir().expect("a folder of this host");
    folder
        .link("/doc", host.path().to_str().expect("UTF-8"))
        .link("/loop", "loop")
        .file("/srv/only-here/x", "x")
        .link("/to-folder", "/srv/only-here")
        .link("/to-file", "/srv/only-here/x");
    let absent = |path: &str| folder.machine.resolve(Path::new(path)).map_err(|error| error.is_absent());
    assert_eq!([absent("/doc"), absent("/none"), absent("/loop")], [Err(true), Err(true), Err(false)]);
    assert!(ReadError::Dangling.is_absent() && !ReadError::Denied.is_absent());
    let directories = ["/doc", "/loop", "/to-file", "/to-folder", "/srv"]
        .map(|path| folder.machine.leads_to_directory(Path::new(path)));
    assert_eq!(directories, [false, false, false, true, true]);
    let fenced = folder.machine.clone().within(vec![PathBuf::from("/home")]);
    assert!(fenced.leads_to_directory(Path::new("/to-folder")), "a link out is a link, too");
}

#[test]
fn absolute_links_and_dots_stay_inside_the_root() {
    let folder = Folder::new();
    folder
        .file("/etc/passwd", "inside")
        .link("/home/ana/abs", "/etc/passwd")
        .link("/up", "../../../../etc/passwd");
    for path in ["/home/ana/abs", "/up", "/../../etc/passwd", "/home/../../etc/./passwd", "etc/passwd"] {
        let snapshot = folder.read(path).expect(path);
        assert_eq!(snapshot.bytes, b"inside", "{path}");
        assert_eq!(snapshot.path, Path::new("/etc/passwd"));
    }
    let resolved = folder.machine.resolve(Path::new("/home/ana/abs")).expect("resolved");
    assert_eq!(resolved, Resolved { path: PathBuf::from("/etc/passwd"), followed: true });
    assert_eq!(
        folder.machine.host_path(Path::new("/../../etc")),
        folder.machine.host_path(Path::new("/etc"))
    );
    let host = folder.machine.host_path(Path::new("/etc/passwd"));
    assert_eq!(folder.machine.machine_path(&host), Path::new("/etc/passwd"));
}

#[test]
fn a_huge_sparse_file_is_refused_before_it_is_opened() {
    let folder = Folder::new();
    let file = fs::File::create(folder.at("/huge")).expect("file");
    file.set_len(20 << 30).expect("sparse");
    assert_eq!(folder.read("/huge"), Err(ReadError::TooLarge { bytes: 20 << 30 }));
    file.set_len(MAX + 1).expect("sparse");
    assert_eq!(folder.read("/huge"), Err(ReadError::TooLarge { bytes: MAX + 1 }));
    file.set_len(MAX).expect("sparse");
    assert_eq!(folder.read("/huge").expect("at the limit").bytes.len() as u64, MAX);
}

#[test]
fn a_file_that_grows_while_it_is_read_is_too_large_and_never_unbounded() {
    // endless, although its length is told as nothing
    let endless = fs::OpenOptions::new().read(true).open("/dev/zero").expect("zeroes");
    assert_eq!(read_at_most(endless, 0, MAX), Err(ReadError::TooLarge { bytes: MAX + 1 }));
}

#[test]
fn a_file_without_permission_is_denied() {
    let folder = Folder::new();
    folder.file("/a", "x").mode("/a", 0).file("/dir/b", "x").mode("/dir", 0o644);
    let machine = folder.machine.clone();
    unprivileged(move || {
        assert_eq!(machine.read(Path::new("/a"), None, MAX), Err(ReadError::Denied));
        assert_eq!(machine.read(Path::new("/dir/b"), None, MAX).map(|_| ()), Err(ReadError::Denied));
    });
    folder.mode("/dir", 0o755);
}

#[test]
fn a_path_that_is_too_long_or_holds_a_zero_fails_at_once() {
    let folder = Folder::new();
    let long_name = format!("/{}", "n".repeat(5000));
    assert_eq!(folder.read(&long_name), Err(ReadError::Io(ErrorKind::InvalidFilename)));
    assert_eq!(folder.read("/a\0b"), Err(ReadError::NotFound), "no system has such a name");
    assert_eq!(folder.read(&"/d".repeat(100_000)), Err(ReadError::NotFound));
}

#[test]
fn a_link_out_of_the_home_to_a_file_of_roots_is_not_read_for_the_user() {
    let folder = Folder::new();
    folder
        .file("/etc/shadow", "root:secret")
        .mode("/etc/shadow", 0o600)
        .link("/home/ana/.claude.json", "/etc/shadow");
    folder.file("/home/ana/x", "").mode("/etc/shadow", 0o640);
    assert_eq!(folder.read_for(Some(STRANGER), "/home/ana/.claude.json"), Err(ReadError::ForeignFile));
    assert_eq!(folder.read_for(None, "/home/ana/.claude.json"), Err(ReadError::ForeignFile));
    // a directory of the home that is a link is the same trap
    folder.link("/home/ana/.config", "/etc");
    assert_eq!(folder.read_for(Some(STRANGER), "/home/ana/.config/shadow"), Err(ReadError::ForeignFile));
}

#[test]
fn a_link_out_of_the_home_to_a_file_that_the_user_may_read_is_read() {
    let folder = Folder::new();
    folder.file("/srv/dotfiles/mcp.json", "{}").mode("/srv/dotfiles/mcp.json", 0o644).file("/home/ana/x", "");
    folder.link("/home/ana/.cursor/mcp.json", "/srv/dotfiles/mcp.json");
    let snapshot =
        folder.read_for(Some(STRANGER), "/home/ana/.cursor/mcp.json").expect("everybody may read it");
    assert!(snapshot.left_home && snapshot.followed_link);
    folder.mode("/srv/dotfiles/mcp.json", 0o600);
    let own = rustix::process::geteuid().as_raw();
    let snapshot = folder.read_for(Some(own), "/home/ana/.cursor/mcp.json").expect("his own");
    assert!(snapshot.left_home);
    assert_eq!(folder.read_for(Some(STRANGER), "/home/ana/.cursor/mcp.json"), Err(ReadError::ForeignFile));
}

#[test]
fn a_hard_link_in_the_home_to_a_file_of_roots_is_not_read_for_the_user() {
    let folder = Folder::new();
    folder.file("/etc/shadow", "root:secret").mode("/etc/shadow", 0o600).file("/home/ana/x", "");
    fs::hard_link(folder.at("/etc/shadow"), folder.at("/home/ana/.claude.json")).expect("hard link");
    assert_eq!(folder.read_for(Some(STRANGER), "/home/ana/.claude.json"), Err(ReadError::ForeignFile));
    assert_eq!(folder.read_for(None, "/home/ana/.claude.json"), Err(ReadError::ForeignFile));
}

#[test]
fn a_home_that_is_itself_a_link_is_not_left() {
    let folder = Folder::new();
    folder
        .file("/data/ana/.claude.json", "{}")
        .mode("/data/ana/.claude.json", 0o600)
        .link("/home/ana", "/data/ana");
    let snapshot = folder.read_for(Some(STRANGER), "/home/ana/.claude.json").expect("in the home");
    assert!(!snapshot.left_home && snapshot.followed_link);
}

#[test]
fn nothing_outside_the_given_homes_is_read_listed_or_seen() {
    let folder = Folder::new();
    folder.file("/home/ana/a", "x").file("/home/anabel/a", "x").file("/etc/passwd", "x");
    folder.link("/home/ana/out", "/etc/passwd").link("/home/ana/in", "a");
    let machine = folder.machine.clone().within(vec![PathBuf::from("/home/ana")]);
    let read = |path: &str| machine.read(Path::new(path), None, MAX).map(|snapshot| snapshot.bytes);
    let leaves = |target: &str| ReadError::LeavesScope { target: PathBuf::from(target) };
    assert_eq!(read("/home/ana/in"), Ok(b"x".to_vec()));
    assert_eq!(read("/home/ana/out"), Err(leaves("/etc/passwd")));
    assert_eq!(read("/home/anabel/a"), Err(leaves("/home/anabel/a")));
    assert_eq!(read("/home/ana/../anabel/a"), Err(leaves("/home/anabel/a")));
    assert_eq!(machine.list(Path::new("/home")), Err(leaves("/home")));
    assert_eq!(machine.kind(Path::new("/etc/passwd")), None);
    assert_eq!(machine.kind(Path::new("/home/ana/out")), Some(FileKind::Symlink));
    assert_eq!(machine.list(Path::new("/home/ana")).expect("his own").len(), 3);
}

#[test]
fn a_home_that_does_not_exist_never_means_everywhere() {
    let folder = Folder::new();
    folder.file("/etc/passwd", "x");
    let machine = folder.machine.clone().within(vec![PathBuf::from("/no/such/home")]);
    assert!(matches!(machine.read(Path::new("/etc/passwd"), None, MAX), Err(ReadError::LeavesScope { .. })));
}

#[test]
fn a_listing_is_sorted_and_follows_no_links() {
    let folder = Folder::new();
    folder.file("/d/b", "").file("/d/a/x", "").link("/d/c", "/etc").file("/file", "");
    fifo(&folder.at("/d/p"));
    let entries = folder.machine.list(Path::new("/d")).expect("listed");
    let seen: Vec<_> =
        entries.iter().map(|entry| (entry.name.to_str().expect("text"), entry.kind.as_str())).collect();
    assert_eq!(seen, [("a", "directory"), ("b", "file"), ("c", "symlink"), ("p", "fifo")]);
    assert_eq!(folder.machine.list(Path::new("/file")), Err(ReadError::NotRegular(FileKind::File)));
    assert_eq!(folder.machine.list(Path::new("/none")), Err(ReadError::NotFound));
    assert_eq!(os::list(Some(folder.dir.path()), Path::new("/d"), 3), Err(ReadError::TooLarge { bytes: 3 }));
    assert_eq!(folder.machine.kind(Path::new("/")), Some(FileKind::Directory));
    assert_eq!(folder.machine.kind(Path::new("/none")), None);
}

#[test]
fn the_top_folder_is_the_live_machine() {
    assert!(Machine::at_root(Path::new("/")).is_live() && Machine::live().is_live());
    assert!(!Folder::new().machine.is_live());
    assert_eq!(Machine::live().host_path(Path::new("/etc/../x")), Path::new("/etc/../x"));
    assert_eq!(Machine::live().machine_path(Path::new("/x")), Path::new("/x"));
}
