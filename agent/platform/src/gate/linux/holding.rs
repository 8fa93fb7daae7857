//! The holder: keeps the group of events, so that nobody is let through when the answering process dies, and answers in its
//! place until it runs again.

use std::io;
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::parent_id;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpid, getppid, kill_process, set_parent_process_death_signal, setrlimit,
};

use super::answering::{Answering, say};
use super::files::{self, LONGEST};
use super::group::{Event, Group, Next};
use super::shared::{FILES, Of, Shared};
use super::wire::Note;

/// Deaths within [`WITHIN`] after which the answering process is not started again at once.
const OFTEN: usize = 5;
const WITHIN: Duration = Duration::from_secs(10);
/// How long the holder then answers alone.
const ALONE: Duration = Duration::from_secs(1);

/// Says by its path whether a file matters.
type Matters<'m> = &'m dyn Fn(&[u8]) -> bool;

/// How an answering process ended.
enum End {
    /// By itself: the agent is gone, or the gate is closed.
    Done,
    Died,
}

/// Is both processes of a gate. Socket and group are standard input and output.
pub(in super::super) fn serve(matters: &dyn Fn(&[u8]) -> bool) -> io::Result<()> {
    let (line, group) = given()?;
    let shared = Shared::new()?;
    let agent = parent_id();
    prepare()?;
    // those that a pair before this one had taken in and not answered
    let _ = answer_for_the_dead(&group, shared);
    let mut deaths: Vec<Instant> = Vec::with_capacity(OFTEN + 1);
    let mut late = 0;
    loop {
        say(&line, &Note::new_one(late));
        match answering(&group, &line, (shared, matters), agent)? {
            End::Done => return Ok(()),
            End::Died => {}
        }
        shared.died();
        late = answer_for_the_dead(&group, shared);
        let now = Instant::now();
        deaths.retain(|at| now.saturating_duration_since(*at) < WITHIN);
        deaths.push(now);
        if deaths.len() >= OFTEN {
            late += alone(&group, shared, matters);
            deaths.clear();
        }
    }
}

/// The socket and the group, if this was started as a gate is.
fn given() -> io::Result<(OwnedFd, Group)> {
    let is = |number: i32, wanted: &[u8]| {
        let mut room = [0; LONGEST];
        files::path_of(number, &mut room).is_some_and(|path| path.starts_with(wanted))
    };
    if !is(0, b"socket:") || !is(1, b"anon_inode:[fanotify]") {
        return Err(io::Error::other("this command is for mcpolicy itself: it starts it, as the gate"));
    }
    // SAFETY: both are open, as was seen, and nothing else of this process uses them
    Ok(unsafe { (OwnedFd::from_raw_fd(0), Group::of(OwnedFd::from_raw_fd(1))) })
}

fn prepare() -> io::Result<()> {
    let most = Some(FILES as u64);
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
    // SAFETY: takes two numbers. A lease that breaks tells of it by a signal that would end us
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
    // its pages are read by the one that answers: no other of the same user looks into it
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Starts an answering process and waits for its end. One that is stopped is as good as dead.
fn answering(
    group: &Group,
    line: &OwnedFd,
    (shared, matters): (Shared, Matters<'_>),
    agent: u32,
) -> io::Result<End> {
    let holder = getpid();
    let line = line.try_clone()?;
    // SAFETY: this process has one thread, so that the copy may do whatever this one may
    match unsafe { libc::fork() } {
        -1 => {
            // no memory, say: those who wait are answered meanwhile
            alone(group, shared, matters);
            Ok(End::Died)
        }
        0 => {
            // with two that read the same group a number would mean an open of either
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            if getppid() == Some(holder) {
                Answering::new((group, line), shared, matters, agent).run();
            }
            // SAFETY: ends the process without anything of its parent's being done once more
            unsafe { libc::_exit(0) }
        }
        child => {
            drop(line);
            Ok(wait_for(child))
        }
    }
}

fn wait_for(child: libc::pid_t) -> End {
    loop {
        let mut status = 0;
        // SAFETY: the status outlives the call
        let waited = unsafe { libc::waitpid(child, &raw mut status, libc::WUNTRACED) };
        if waited != child {
            if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return End::Died;
        }
        if libc::WIFSTOPPED(status) {
            if let Some(child) = Pid::from_raw(child) {
                let _ = kill_process(child, Signal::KILL);
            }
            continue;
        }
        let done = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
        return if done { End::Done } else { End::Died };
    }
}

/// Answers what a process had read and not answered when it died: by the numbers that the files had there. How many of them
/// were late.
fn answer_for_the_dead(group: &Group, shared: Shared) -> u64 {
    let late_is_allowed = shared.late_is_allowed();
    let mut late = 0;
    for number in 0..i32::try_from(FILES).unwrap_or_default() {
        let of = shared.take(number);
        let waited = group.respond(number, of == Of::Other || late_is_allowed);
        late += u64::from(waited && of != Of::Other);
    }
    late
}

/// Answers all by itself for a while, without an agent that could be asked. How many were late.
fn alone(group: &Group, shared: Shared, matters: &dyn Fn(&[u8]) -> bool) -> u64 {
    let end = Instant::now() + ALONE;
    let mut late = 0;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        match group.next() {
            Next::Event(Event { file, .. }) => {
                use std::os::fd::AsRawFd as _;
                let mut room = [0; LONGEST];
                let path = files::path_of(file.as_raw_fd(), &mut room).unwrap_or_default();
                let wanted = matters(path);
                group.respond(file.as_raw_fd(), !wanted || shared.late_is_allowed());
                late += u64::from(wanted);
            }
            Next::Lost => {}
            Next::Nothing => {
                let time = Timespec::try_from(left).ok();
                let _ =
                    poll(&mut [PollFd::from_borrowed_fd(group.fd().as_fd(), PollFlags::IN)], time.as_ref());
            }
        }
    }
    late
}
