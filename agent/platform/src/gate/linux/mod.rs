//! Linux: fanotify.

#![allow(unsafe_code, reason = "neither std nor rustix has fanotify, and a holder forks")]

mod answering;
mod files;
mod group;
mod holding;
mod own;
mod shared;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, fstat, statat};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::{Lack, Late, Question, Start, Told, Unmarked, Word};
use crate::processes::Instance;
use group::Group;
pub(super) use holding::serve;
use wire::{Note, Order};

pub(super) fn ability() -> Result<(), Lack> {
    group::ability()
}

/// Between two starts of processes that end at once.
const PAUSE: Duration = Duration::from_millis(100);
/// How long they have for their end when the gate is closed.
const END: Duration = Duration::from_secs(1);

/// What a new answering process is told, and those that have to know of workers.
#[derive(Default)]
struct Known {
    own: BTreeMap<u32, u64>,
    names: BTreeSet<OsString>,
    /// The socket to the answering process; none where there is no gate.
    line: Option<OwnedFd>,
    late: bool,
    busy: bool,
    ends: bool,
}

/// One gate a process: workers are started where nothing is known of it.
static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

fn known() -> MutexGuard<'static, Option<Known>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says something to the answering process, if there is one.
fn order(order: &Order) {
    if let Some(line) = known().as_ref().and_then(|known| known.line.as_ref()) {
        answering::say(line, &order.bytes());
    }
}

pub(super) fn let_through(pid: u32) {
    let Some(instance) = Instance::of(pid) else { return };
    let mut known = known();
    let known = known.get_or_insert_default();
    known.own.insert(pid, instance.started.0);
    if let Some(line) = &known.line {
        answering::say(line, &Order::Own { pid, started: instance.started.0 }.bytes());
    }
}

pub(super) fn let_through_no_more(pid: u32) {
    if known().as_mut().is_some_and(|known| known.own.remove(&pid).is_some()) {
        order(&Order::NoMore { pid });
    }
}

/// A folder in which opens are held.
#[derive(Debug)]
struct Held {
    folder: File,
    id: (u64, u64),
}

pub(super) struct Gate {
    group: Arc<Group>,
    held: BTreeMap<PathBuf, Held>,
    keeper: Option<JoinHandle<()>>,
}

impl Gate {
    pub(super) fn open(start: Start<'_>, late: Late, tell: Box<dyn Fn(Told) + Send>) -> Result<Self, Lack> {
        ability()?;
        let group = Arc::new(Group::new()?);
        {
            let mut known = known();
            let known = known.get_or_insert_default();
            (known.late, known.busy, known.ends) = (late == Late::Allow, false, false);
            known.names.clear();
        }
        let keeper = Keeper {
            group: group.clone(),
            program: start.program.to_owned(),
            args: start.args.iter().map(|arg| (*arg).to_owned()).collect(),
            tell,
        };
        // the first start is the caller's to know of
        let first =
            keeper.start().map_err(|error| Lack::Refused(error.raw_os_error().unwrap_or_default()))?;
        let thread = std::thread::Builder::new().name("gate".to_owned()).spawn(move || keeper.keep(first));
        let keeper = thread.map_err(|error| Lack::Refused(error.raw_os_error().unwrap_or_default()))?;
        Ok(Self { group, held: BTreeMap::new(), keeper: Some(keeper) })
    }

    pub(super) fn hold(&mut self, folders: &[(PathBuf, u32)]) -> Vec<(PathBuf, Unmarked)> {
        let wanted: BTreeSet<&PathBuf> = folders.iter().map(|(path, _)| path).collect();
        let gone: Vec<PathBuf> = self.held.keys().filter(|path| !wanted.contains(path)).cloned().collect();
        for path in gone {
            self.let_go(&path);
        }
        folders
            .iter()
            .filter_map(|(path, owner)| Some((path.clone(), self.mark(path, *owner).err()?)))
            .collect()
    }

    fn let_go(&mut self, path: &Path) {
        let Some(held) = self.held.remove(path) else { return };
        // one folder may have several names
        if self.held.values().all(|other| other.id != held.id) {
            self.group.unmark(&held.folder);
        }
    }

    fn mark(&mut self, path: &Path, owner: u32) -> Result<(), Unmarked> {
        let found =
            statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW).map(|stat| (stat.st_dev, stat.st_ino));
        if found.is_ok_and(|id| self.held.get(path).is_some_and(|held| held.id == id)) {
            return Ok(());
        }
        self.let_go(path);
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
        let folder =
            OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|_| Unmarked::NoFolder)?;
        let stat = fstat(&folder).map_err(|_| Unmarked::NoFolder)?;
        // attack: a link on the way to it leads to a folder of the system's, in which everybody would wait
        if stat.st_uid != owner {
            return Err(Unmarked::Foreign);
        }
        if !files::is_local(&folder) {
            return Err(Unmarked::FileSystem);
        }
        self.group.mark(&folder).map_err(Unmarked::Refused)?;
        self.held.insert(path.to_owned(), Held { folder, id: (stat.st_dev, stat.st_ino) });
        Ok(())
    }

    pub(super) fn folders(&self) -> usize {
        self.held.len()
    }

    pub(super) fn places_of(&self, question: &Question) -> Vec<PathBuf> {
        let Some(name) = question.path.file_name() else { return Vec::new() };
        let id = (question.stamp.device, question.stamp.inode);
        let is_it = |folder: BorrowedFd<'_>, name: &Path| {
            let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
            found.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == id)
        };
        // by the folder, whatever it is called by now, and by its path, which is what others go by
        let held = self.held.iter().filter(|(_, held)| is_it(held.folder.as_fd(), name.as_ref()));
        let places = held.map(|(path, _)| path.join(name));
        places.filter(|place| is_it(rustix::fs::CWD, place)).collect()
    }

    pub(super) fn answer(&self, id: u64, word: Word) {
        order(&Order::Answer { id, word });
    }

    pub(super) fn taken_up(&self, id: u64) {
        order(&Order::TakenUp { id });
    }

    pub(super) fn late(&self, late: Late) {
        let allowed = late == Late::Allow;
        known().get_or_insert_default().late = allowed;
        order(&Order::Late { allowed });
    }

    pub(super) fn busy(&self, is_so: bool) {
        known().get_or_insert_default().busy = is_so;
        order(&Order::Busy { is_so });
    }

    pub(super) fn forget(&self) {
        order(&Order::Forget);
    }

    pub(super) fn names(&self, names: &[&OsStr]) {
        for name in names {
            if known().get_or_insert_default().names.insert((*name).to_owned()) {
                order(&Order::Name((*name).to_owned()));
            }
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.held.values().for_each(|held| self.group.unmark(&held.folder));
        known().get_or_insert_default().ends = true;
        order(&Order::End);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
        known().get_or_insert_default().line = None;
    }
}

/// Starts the two processes, hears what they say, and starts them anew.
struct Keeper {
    group: Arc<Group>,
    program: PathBuf,
    args: Vec<OsString>,
    tell: Box<dyn Fn(Told) + Send>,
}

impl Keeper {
    fn start(&self) -> std::io::Result<(Child, OwnedFd)> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let group = self.group.fd().try_clone_to_owned()?;
        let child = Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::from(group))
            .stderr(Stdio::null())
            // a key on a terminal ends the agent; these two end after it
            .process_group(0)
            .spawn()?;
        let listened = ours.try_clone()?;
        known().get_or_insert_default().line = Some(ours);
        Ok((child, listened))
    }

    fn keep(&self, first: (Child, OwnedFd)) {
        let mut running = first;
        loop {
            self.hear(&mut running);
            if known().as_ref().is_some_and(|known| known.ends) {
                end(&mut running.0);
                return;
            }
            end(&mut running.0);
            running = loop {
                match self.start() {
                    Ok(new) => break new,
                    Err(_) if known().as_ref().is_some_and(|known| known.ends) => return,
                    Err(_) => std::thread::sleep(PAUSE),
                }
            };
            (self.tell)(Told::Renewed);
        }
    }

    /// Passes on what is said until both processes have ended.
    fn hear(&self, (child, line): &mut (Child, OwnedFd)) {
        let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let handle = number.and_then(|number| pidfd_open(number, PidfdFlags::empty()).ok());
        let mut room = [0; wire::LONGEST];
        let mut is_first = true;
        loop {
            let mut all = vec![PollFd::from_borrowed_fd(line.as_fd(), PollFlags::IN)];
            all.extend(handle.iter().map(|handle| PollFd::new(handle, PollFlags::IN)));
            if poll(&mut all, None).is_err_and(|error| error != rustix::io::Errno::INTR) {
                return;
            }
            let ended = all.get(1).is_some_and(|handle| !handle.revents().is_empty());
            loop {
                match rustix::net::recv(&*line, &mut room, RecvFlags::DONTWAIT) {
                    Ok((_, length @ 1..)) => {
                        if let Some(note) = Note::of(&room[..length.min(wire::LONGEST)]) {
                            self.pass_on(note, &mut is_first);
                        }
                    }
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => break,
                    Ok(_) | Err(_) => return,
                }
            }
            if ended {
                return;
            }
        }
    }

    /// The first answering process of a holder is no news; each one after that is there because one ended.
    fn pass_on(&self, note: Note, is_first: &mut bool) {
        match note {
            Note::Question(question) => (self.tell)(Told::Question(question)),
            Note::Late { id, allowed } => (self.tell)(Told::Late { id, allowed }),
            Note::New { late } => {
                introduce();
                if !std::mem::take(is_first) {
                    (self.tell)(Told::Restarted { late });
                }
            }
        }
    }
}

/// Tells a new answering process what the one before knew.
fn introduce() {
    let known = known();
    let Some(known) = known.as_ref() else { return };
    let Some(line) = &known.line else { return };
    answering::say(line, &Order::Late { allowed: known.late }.bytes());
    answering::say(line, &Order::Busy { is_so: known.busy }.bytes());
    for (pid, started) in &known.own {
        answering::say(line, &Order::Own { pid: *pid, started: *started }.bytes());
    }
    for name in &known.names {
        answering::say(line, &Order::Name(name.clone()).bytes());
    }
}

/// Waits for the end of a process for a while, then ends it.
fn end(child: &mut Child) {
    let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(handle) = number.and_then(|number| pidfd_open(number, PidfdFlags::empty()).ok()) {
        let _ = crate::waiting::wait_for(&handle, PollFlags::IN, END);
    }
    if !matches!(child.try_wait(), Ok(Some(_))) {
        let _ = child.kill();
        let _ = child.wait();
    }
}
