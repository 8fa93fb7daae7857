//! The worker's side: it does to itself what a real one does, then tries what it should not be able to do.

#![allow(unsafe_code, reason = "forbidden system calls are made on purpose")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcpolicy_platform::privileges::{Limits, UserIds, become_user, confine, frames};
use mcpolicy_platform::secure_fs::HomeDir;

pub(crate) const USER: u32 = 4001;
pub(crate) const GROUP: u32 = 4101;
pub(crate) const FURTHER: u32 = 4102;

pub(crate) fn ids() -> UserIds {
    UserIds { uid: USER, gid: GROUP, groups: vec![GROUP, FURTHER] }
}

pub(crate) fn run(arguments: &[String]) {
    let home = arguments.get(1).map(PathBuf::from).unwrap_or_default();
    match arguments[0].as_str() {
        "probe" => probe(&home),
        "replace" => replace(&home),
        "echo" => echo(),
        "silent" => std::thread::sleep(Duration::from_secs(60)),
        "flood" => {
            let mut out = std::io::stdout().lock();
            out.write_all(&[0x7f, 0xff, 0xff, 0xff]).expect("written");
            while out.write_all(&[0; 4096]).is_ok() {}
        }
        "half" => std::io::stdout().lock().write_all(&[0, 0, 0, 9, 1]).expect("written"),
        "busy" => {
            become_user(&ids(), &Limits { cpu_seconds: 1, ..Limits::default() }).expect("the user");
            loop {
                std::hint::spin_loop();
            }
        }
        "threads" => {
            std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
            answer(&format!("{:?}", become_user(&ids(), &Limits::default())));
        }
        "root" => answer(&format!("{:?}", become_user(&UserIds { uid: 0, ..ids() }, &Limits::default()))),
        "user" => {
            become_user(&ids(), &Limits::default()).expect("the user");
            answer("ready");
            std::thread::sleep(Duration::from_secs(60));
        }
        "orphan" => orphan(),
        other => panic!("{other}"),
    }
}

fn answer(text: &str) {
    frames::write(&mut std::io::stdout().lock(), text.as_bytes()).expect("answered");
}

fn echo() {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    while let Ok(frame) = frames::read(&mut input, 8 << 20) {
        frames::write(&mut output, &frame).expect("answered");
    }
}

/// Starts a worker of its own, tells its number and dies without a word to it.
fn orphan() {
    let program = std::env::current_exe().expect("this program");
    let mut inner = crate::cases::start(&program, &["user"], Duration::from_secs(60));
    inner.receive(100).expect("ready");
    answer(&inner.id().to_string());
    // SAFETY: ends the process at once, so that nothing is dropped
    unsafe { libc::_exit(0) };
}

fn replace(home: &Path) {
    become_user(&ids(), &Limits::default()).expect("the user");
    let confinement = confine(home, &[]).expect("shut in");
    let home = HomeDir::open(home, Some(USER)).expect("home");
    let original = home.open_file(Path::new(".claude.json"), 1 << 20).expect("file");
    let replaced = original.replace(b"new");
    answer(&format!("{confinement:?} {replaced:?}"));
}

/// One line for each thing that was tried: `name ok` or `name` and the number of the error.
fn probe(home: &Path) {
    let inherited = open_files();
    become_user(&ids(), &Limits { memory: 256 << 20, files: 32, ..Limits::default() }).expect("the user");
    let read_only = home.with_file_name("readable");
    let confinement = confine(home, &[&read_only, Path::new("/no/such/path")]).expect("shut in");
    let mut lines = vec![format!("confinement {confinement:?}"), format!("inherited {inherited:?}")];
    let variables: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    lines.push(format!("environment {variables:?}"));
    let mut tell = |name: &str, outcome: Result<(), i32>| {
        lines.push(outcome.map_or_else(|errno| format!("{name} {errno}"), |()| format!("{name} ok")));
    };
    files(home, &read_only, &mut tell);
    calls(&mut tell);
    lines.push(format!("state {}", state()));
    answer(&lines.join("\n"));
}

fn files(home: &Path, read_only: &Path, tell: &mut dyn FnMut(&str, Result<(), i32>)) {
    let done = |result: std::io::Result<()>| result.map_err(|error| error.raw_os_error().unwrap_or(-1));
    tell("write-in-home", done(fs::write(home.join("made"), "x")));
    let made = fs::metadata(home.join("made")).expect("metadata");
    tell("private-by-default", if made.mode() & 0o777 == 0o600 { Ok(()) } else { Err(-1) });
    tell("link-in-home", done(std::os::unix::fs::symlink("/", home.join("link"))));
    tell("read-read-only", done(fs::read(read_only.join("file")).map(drop)));
    tell("write-read-only", done(fs::write(read_only.join("file"), "x")));
    // anybody may read it, by its mode
    tell("read-elsewhere", done(fs::read(home.with_file_name("elsewhere")).map(drop)));
    tell("write-elsewhere", done(fs::write(home.with_file_name("everybodys").join("x"), "x")));
    tell("read-of-another", done(fs::read(read_only.join("private")).map(drop)));
    tell("run", done(std::process::Command::new("/bin/true").status().map(drop)));
    tell("too-long-a-file", {
        // SAFETY: takes two numbers
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        let file = fs::OpenOptions::new().write(true).open(home.join("made")).expect("file");
        done(file.set_len(65 << 20))
    });
    let many: Vec<_> = (0..64).map_while(|_| fs::File::open(home.join("made")).ok()).collect();
    tell("too-many-files", if many.len() < 32 { Err(0) } else { Ok(()) });
    let memory = Vec::<u8>::new().try_reserve_exact(512 << 20);
    tell("too-much-memory", memory.map_err(|_| 0));
    tell("thread", std::thread::Builder::new().spawn(|| ()).map(drop).map_err(|_| -1));
}

fn calls(tell: &mut dyn FnMut(&str, Result<(), i32>)) {
    let mut call = |name: &str, number: libc::c_long, arguments: [libc::c_long; 4]| {
        let [a, b, c, d] = arguments;
        // SAFETY: each of these calls is given numbers, or null, and should fail before it looks at them
        let result = unsafe { libc::syscall(number, a, b, c, d) };
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(-1);
        tell(name, if result < 0 { Err(errno) } else { Ok(()) });
    };
    let unix = libc::c_long::from(libc::AF_UNIX);
    let stream = libc::c_long::from(libc::SOCK_STREAM);
    call("socket-tcp", libc::SYS_socket, [libc::AF_INET.into(), stream, 0, 0]);
    call("socket-unix", libc::SYS_socket, [unix, stream, 0, 0]);
    call("setuid-own", libc::SYS_setuid, [USER.into(), 0, 0, 0]);
    call("setuid-root", libc::SYS_setuid, [0, 0, 0, 0]);
    call("setresuid-root", libc::SYS_setresuid, [-1, 0, -1, 0]);
    call("setgroups", libc::SYS_setgroups, [0, 0, 0, 0]);
    call("ptrace", libc::SYS_ptrace, [libc::PTRACE_TRACEME.into(), 0, 0, 0]);
    call("kill-parent", libc::SYS_kill, [unsafe_parent(), 0, 0, 0]);
    call("mount", libc::SYS_mount, [0, 0, 0, 0]);
    call("unshare", libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0]);
    call("bpf", libc::SYS_bpf, [0, 0, 0, 0]);
    call("keyctl", libc::SYS_keyctl, [0, 0, 0, 0]);
    call("perf", libc::SYS_perf_event_open, [0, 0, 0, 0]);
    call("module", libc::SYS_init_module, [0, 0, 0, 0]);
    call("kexec", libc::SYS_kexec_load, [0, 0, 0, 0]);
    call("process-vm", libc::SYS_process_vm_readv, [0, 0, 0, 0]);
    call("io-uring", libc::SYS_io_uring_setup, [1, 0, 0, 0]);
    call("fork", libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0]);
    call("clone3", libc::SYS_clone3, [0, 0, 0, 0]);
    #[cfg(target_arch = "x86_64")]
    {
        call("vfork", libc::SYS_vfork, [0; 4]);
        // the second number of the same call
        call("x32-socket", 0x4000_0000 | libc::SYS_socket, [unix, stream, 0, 0]);
    }
}

fn unsafe_parent() -> libc::c_long {
    rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get().into())
}

fn open_files() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").expect("proc");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("entry").file_name().into_string().expect("text")).collect();
    names.sort();
    // the last is that of the listing itself
    names
}

fn state() -> String {
    let user = rustix::process::getuid().as_raw();
    let groups: Vec<u32> =
        rustix::process::getgroups().expect("groups").iter().map(|group| group.as_raw()).collect();
    let no_new_privs = rustix::thread::no_new_privs().expect("asked");
    let dumpable = rustix::process::dumpable_behavior().expect("asked");
    let dies = rustix::process::parent_process_death_signal() == Ok(Some(rustix::process::Signal::KILL));
    let core = rustix::process::getrlimit(rustix::process::Resource::Core).current;
    format!("{user} {groups:?} {no_new_privs} {dumpable:?} {dies} {core:?}")
}
