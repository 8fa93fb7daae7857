//! The answering process.
//!
//! While somebody waits nothing is done here that could wait for him: no file is opened, no name looked up, nothing logged; the
//! agent is told afterwards. What does not matter is answered at once, what was found in order before too, and what is left
//! is asked of the agent and answered by the deadline in any case.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags};

use super::super::{DEADLINE, ORPHANED, PATIENCE, Stamp, Word};
use super::files::{self, LONGEST};
use super::group::{Event, Group, Next};
use super::own::Owns;
use super::shared::{Of, Shared};
use super::wire::{self, Bytes, Note, Order};

/// Opens that wait for the agent at a time; what comes beyond is late at once.
const WAITING: usize = 256;
/// Files whose state is remembered as being in order.
const REMEMBERED: usize = 4096;
/// Names beside those that the caller knows.
const NAMES: usize = 1024;
/// Events that are dealt with before the deadlines are looked at.
const AT_ONCE: usize = 64;
/// Files that are no regular ones, and are held for a moment after the answer.
const HELD: usize = 16;
/// How long.
///
/// What the kernel opened for us is an end of a pipe: whoever has opened the other one would find nobody there if we let go
/// before the one who waits has come.
const MOMENT: Duration = Duration::from_millis(200);
/// Seconds after which the kernel ends this process if it does not come back to its loop.
const STUCK: libc::c_uint = 2;

/// An open that waits.
struct Waiting {
    file: OwnedFd,
    id: u64,
    /// As it was when it was asked about.
    stamp: Stamp,
    may_be_remembered: bool,
    pid: u32,
    /// When it was opened.
    since: Instant,
    until: Instant,
}

pub(super) struct Answering<'a> {
    group: &'a Group,
    line: OwnedFd,
    shared: Shared,
    matters: &'a dyn Fn(&[u8]) -> bool,
    /// The number of the agent, which lives as long as the line does.
    agent: u32,
    names: Vec<Box<[u8]>>,
    own: Owns,
    remembered: Box<[Option<Stamp>]>,
    waiting: Vec<Waiting>,
    held: Vec<(OwnedFd, Instant)>,
    next_id: u64,
    /// The agent answers late.
    busy: bool,
    orphaned: Option<Instant>,
    ends: bool,
}

impl<'a> Answering<'a> {
    pub(super) fn new(
        (group, line): (&'a Group, OwnedFd),
        shared: Shared,
        matters: &'a dyn Fn(&[u8]) -> bool,
        agent: u32,
    ) -> Self {
        Self {
            group,
            line,
            shared,
            matters,
            agent,
            names: Vec::new(),
            own: Owns::default(),
            remembered: vec![None; REMEMBERED].into_boxed_slice(),
            waiting: Vec::with_capacity(WAITING),
            held: Vec::with_capacity(HELD),
            // an answer to one that died is none to the next
            next_id: shared.deaths() << 40,
            busy: false,
            orphaned: None,
            ends: false,
        }
    }

    /// Answers until the agent says that it is over, or has been gone for long enough.
    pub(super) fn run(&mut self) {
        loop {
            // SAFETY: takes a number; without a handler the signal ends this process, which is what it is for
            unsafe { libc::alarm(0) };
            let (asked, said) = self.wait();
            // SAFETY: as above
            unsafe { libc::alarm(STUCK) };
            if said {
                self.listen();
            }
            if asked {
                self.take_in();
            }
            let now = Instant::now();
            self.expire(now);
            self.held.retain(|(_, until)| *until > now);
            if self.ends || self.orphaned.is_some_and(|since| now >= since + ORPHANED) {
                let allowed = self.ends || self.shared.late_is_allowed();
                while let Some(one) = self.waiting.pop() {
                    self.respond(&one.file, allowed);
                }
                return;
            }
        }
    }

    /// Waits for whoever opens something, for the agent, or for a deadline.
    fn wait(&self) -> (bool, bool) {
        let now = Instant::now();
        let times = self.waiting.iter().map(|one| one.until).chain(self.held.iter().map(|(_, until)| *until));
        let next = times.chain(self.orphaned.map(|since| since + ORPHANED)).min();
        // a moment more: what is woken just before its time looks again and again
        let left = next.map(|at| at.saturating_duration_since(now) + Duration::from_millis(1));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut all = [
            PollFd::from_borrowed_fd(self.group.fd(), PollFlags::IN),
            PollFd::new(&self.line, PollFlags::IN),
        ];
        let heard = if self.orphaned.is_some() { &mut all[..1] } else { &mut all[..] };
        let _ = poll(heard, left.as_ref());
        let came = |at: usize| all.get(at).is_some_and(|one| !one.revents().is_empty());
        (came(0), came(1) && self.orphaned.is_none())
    }

    fn take_in(&mut self) {
        for _ in 0..AT_ONCE {
            match self.group.next() {
                Next::Event(event) => self.event(event),
                Next::Lost => {}
                Next::Nothing => return,
            }
        }
    }

    fn event(&mut self, event: Event) {
        let Event { file, pid } = event;
        let number = file.as_raw_fd();
        let mut room = [0; LONGEST];
        let path = files::path_of(number, &mut room).unwrap_or_default();
        let state = files::state(&file);
        if !self.is_wanted(path) {
            self.shared.note(number, Of::Other);
            self.respond(&file, true);
            self.let_go(file, state.is_none_or(|(_, is_regular)| is_regular));
            return;
        }
        self.shared.note(number, Of::Matters);
        let Some((stamp, true)) = state else {
            // no client takes servers from a pipe that is not asked for by its name; what it holds is checked by nobody
            self.respond(&file, true);
            self.let_go(file, false);
            return;
        };
        if self.is_remembered(&stamp) || self.is_own(pid) {
            self.respond(&file, true);
            return;
        }
        let time = if self.busy { PATIENCE } else { DEADLINE };
        let since = Instant::now();
        self.ask((file, stamp), pid, path, (since, since + time));
    }

    fn is_wanted(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        (self.matters)(path) || self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Whether the agent or one of its workers opens the file. What the agent has said of a worker comes before what that opens.
    fn is_own(&mut self, pid: u32) -> bool {
        if pid != 0 && pid == self.agent && self.orphaned.is_none() {
            return true;
        }
        if !self.own.has(pid) {
            self.listen();
        }
        self.own.has(pid)
    }

    fn ask(&mut self, (file, stamp): (OwnedFd, Stamp), pid: u32, path: &[u8], times: (Instant, Instant)) {
        let may_be_remembered = files::may_be_remembered(&file, &stamp);
        let same = self.waiting.iter().find(|one| one.stamp == stamp);
        // who comes later to what is looked at already waits as the first one does
        let is_taken_up = same.is_some_and(|one| one.until == one.since + PATIENCE);
        let same = same.map(|one| one.id);
        if self.waiting.len() >= WAITING || self.orphaned.is_some() {
            return self.late(&file, None);
        }
        let id = same.unwrap_or_else(|| {
            self.next_id += 1;
            self.next_id
        });
        if same.is_none() && !self.say(&Note::question(id, pid, &stamp, path)) {
            return self.late(&file, None);
        }
        let (since, mut until) = times;
        if is_taken_up {
            until = since + PATIENCE;
        }
        self.waiting.push(Waiting { file, id, stamp, may_be_remembered, pid, since, until });
    }

    fn late(&mut self, file: &OwnedFd, id: Option<u64>) {
        let allowed = self.shared.late_is_allowed();
        self.respond(file, allowed);
        self.say(&Note::late(id, allowed));
    }

    fn expire(&mut self, now: Instant) {
        while let Some(at) = self.waiting.iter().position(|one| one.until <= now) {
            let one = self.waiting.swap_remove(at);
            self.late(&one.file, Some(one.id));
        }
    }

    /// Takes in all that the agent has said.
    fn listen(&mut self) {
        let mut room = [0; wire::LONGEST];
        while self.orphaned.is_none() {
            match rustix::net::recv(&self.line, &mut room, RecvFlags::DONTWAIT) {
                Ok((_, length @ 1..)) => {
                    if let Some(order) = Order::of(&room[..length.min(wire::LONGEST)]) {
                        self.obey(order);
                    }
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return,
                Ok(_) | Err(_) => self.orphaned = Some(Instant::now()),
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Answer { id, word } => self.answer(id, word),
            Order::Own { pid, started } => self.own.add(pid, started),
            Order::NoMore { pid } => self.own.remove(pid),
            Order::Late { allowed } => self.shared.set_late(allowed),
            Order::Busy { is_so } => self.busy = is_so,
            Order::TakenUp { id } => self.taken_up(id),
            Order::Forget => self.remembered.fill(None),
            Order::Name(name) => {
                if self.names.len() < NAMES {
                    self.names.push(OsStr::as_bytes(&name).into());
                }
            }
            Order::End => self.ends = true,
        }
    }

    /// An agent that lives has begun to look at it: what it finds takes some writes to the disk. From the open on, whatever is
    /// written and asked again meanwhile.
    fn taken_up(&mut self, id: u64) {
        for one in self.waiting.iter_mut().filter(|one| one.id == id) {
            one.until = one.since + PATIENCE;
        }
    }

    /// What was said of a file counts for those who wait for it, if it is still what was judged.
    fn answer(&mut self, id: u64, word: Word) {
        while let Some(at) = self.waiting.iter().position(|one| one.id == id) {
            let one = self.waiting.swap_remove(at);
            let Word::Allow(judged) = word else {
                self.respond(&one.file, false);
                continue;
            };
            match files::state(&one.file) {
                Some((now, true)) if now == judged => {
                    self.respond(&one.file, true);
                    if one.may_be_remembered && one.stamp == judged {
                        self.remember(judged);
                    }
                }
                // written again meanwhile
                Some((now, true)) if (now.device, now.inode) == (judged.device, judged.inode) => {
                    let mut room = [0; LONGEST];
                    let path = files::path_of(one.file.as_raw_fd(), &mut room).unwrap_or_default();
                    self.ask((one.file, now), one.pid, path, (one.since, one.until));
                }
                // another file has its name by now, and of this one nobody can say anything
                _ => {
                    self.respond(&one.file, false);
                }
            }
        }
    }

    fn respond(&self, file: &OwnedFd, allow: bool) {
        self.group.respond(file.as_raw_fd(), allow);
        // before its number is another's
        self.shared.take(file.as_raw_fd());
    }

    /// Closes a file that was answered, or holds it a little longer.
    fn let_go(&mut self, file: OwnedFd, at_once: bool) {
        if !at_once {
            if self.held.len() >= HELD {
                self.held.remove(0);
            }
            self.held.push((file, Instant::now() + MOMENT));
        }
    }

    fn slot(&self, stamp: &Stamp) -> usize {
        let mixed = (stamp.inode ^ stamp.device.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize % self.remembered.len()
    }

    fn is_remembered(&self, stamp: &Stamp) -> bool {
        self.remembered[self.slot(stamp)].as_ref() == Some(stamp)
    }

    fn remember(&mut self, stamp: Stamp) {
        let slot = self.slot(&stamp);
        self.remembered[slot] = Some(stamp);
    }

    /// Tells the agent, if it has room to hear it. Nobody waits for that.
    fn say(&self, bytes: &Bytes) -> bool {
        say(&self.line, bytes)
    }
}

/// Tells something without waiting. Whether it was taken.
pub(super) fn say(line: &OwnedFd, bytes: &Bytes) -> bool {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    rustix::net::send(line.as_fd(), bytes.as_slice(), flags).is_ok()
}
