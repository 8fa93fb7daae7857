//! The worker: a process of this program that becomes the owner of one home, shuts itself in, and answers.
//!
//! Started by root with pipes. Until it is the user it reads nothing but root's first frame.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use mcpolicy_platform::filesystems;
use mcpolicy_platform::machine::{FileKind, Machine};
use mcpolicy_platform::privileges::{
    self, Becoming, Confinement, Limits, become_user, confine, frames, harden,
};
use mcpolicy_schema::redact::Redactor;

use super::core::{Core, HomeSpec, Telling};
use super::homes::WALK_BUDGET;
use super::remote::MAX_FILES_TOLD;
use super::wire::{self, Begin, MAX_REQUEST};
use super::{Answer, Request, shed};
use crate::discover::prune;

/// Longest first frame, in bytes: a machine may have many homes.
const MAX_BEGIN: u32 = 8 << 20;
/// A file of so many bytes is told before it is read.
const LARGE: u64 = 64 << 10;
/// How often a scan tells that it goes on.
const TICK: Duration = Duration::from_secs(1);
/// What a worker may use up. It is the user, and so is whatever it uses; the limits are for a fault of a parser. Memory:
/// the densest files of 16 MiB take 750 MB of addresses. Time: all threads of a walk that takes its whole budget.
fn limits(threads: usize) -> Limits {
    let walk = WALK_BUDGET.as_secs().saturating_mul(threads as u64);
    Limits { memory: 2 << 30, cpu_seconds: walk + 120, files: 256, file_size: 64 << 20 }
}

/// Answers until nothing more is asked.
///
/// # Errors
/// It was not started as a worker is, or could not give up its rights.
pub fn run() -> anyhow::Result<()> {
    anyhow::ensure!(
        privileges::is_on_pipes(),
        "this command is for mcpolicy itself: it starts it with pipes, as the worker for one home"
    );
    let mut input = std::io::stdin().lock();
    let begin = frames::read(&mut input, MAX_BEGIN)?;
    let begin = Begin::decode(&begin)?;
    // the table of mounts, which tells homes on servers; afterwards it is out of reach
    filesystems::remember();
    let output = Mutex::new(std::io::stdout());
    let spec = match made_ready(begin) {
        Ok((spec, confinement)) => {
            say(&output, &wire::encode_ready(&confinement))?;
            spec
        }
        Err(error) => {
            say(&output, &wire::encode_answer(&Answer::Refused(format!("{error:#}"))))?;
            return Err(error);
        }
    };
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    let redactor = Redactor::new(&key);
    let mut core = Core::new(spec, &redactor);
    loop {
        let request = match frames::read(&mut input, MAX_REQUEST) {
            Ok(frame) => wire::decode_request(&frame)?,
            Err(frames::FrameError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let cap = wire::longest_answer(&request) as usize;
        let answer = answer(&mut core, request, &output);
        let frame = wire::encode_answer(&answer);
        if frame.len() <= cap {
            say(&output, &frame)?;
        } else {
            say(&output, &wire::encode_answer(&shed::to_frame(answer, cap)))?;
        }
    }
}

fn made_ready(begin: Begin) -> anyhow::Result<(HomeSpec, Confinement)> {
    give_up_rights(&begin)?;
    let is_root = begin.becoming() == Becoming::Root;
    let mut spec = begin.spec()?;
    if is_root {
        // what another wrote into root's home is not read with root's rights, shut in or not
        spec.machine = spec.machine.only_roots();
    }
    let confinement = shut_in(&spec)?;
    // else nothing would be found, and that would look like nothing being there
    let home = &spec.home.layout.home;
    let host_home = spec.machine.followed_host_path(home).context("the home leads nowhere")?;
    if !filesystems::is_network(&host_home) {
        spec.machine.list(home).context("its owner cannot list the home, or not reach it")?;
    }
    Ok((spec, confinement))
}

fn give_up_rights(begin: &Begin) -> anyhow::Result<()> {
    let limits = limits(begin.threads());
    match begin.becoming() {
        Becoming::User(ids) => become_user(&ids, &limits).context("cannot become the user"),
        Becoming::Root => harden(&limits).context("cannot be hardened"),
    }
}

/// Writes below the home, reads where clients of its user look: projects lie outside of homes too.
fn shut_in(spec: &HomeSpec) -> anyhow::Result<Confinement> {
    let home = spec.machine.followed_host_path(&spec.home.layout.home).context("the home leads nowhere")?;
    let read_only = read_only(&spec.machine);
    let read_only: Vec<&Path> = read_only.iter().map(PathBuf::as_path).collect();
    confine(&home, &read_only).context("cannot be shut in")
}

fn read_only(machine: &Machine) -> Vec<PathBuf> {
    let top = Path::new("/");
    if !machine.is_live() {
        return vec![machine.host_path(top)];
    }
    let names = machine.list(top).unwrap_or_default();
    let read = names.iter().filter(|entry| {
        matches!(entry.kind, FileKind::Directory | FileKind::Symlink)
            && !prune::NOT_READ.iter().any(|no| entry.name == *no)
    });
    read.map(|entry| top.join(&entry.name)).collect()
}

/// Answers; during a scan a second thread tells now and then that it goes on, and which file it is at. Of a large file
/// it is told at once: whatever ends the worker over it, root knows which to leave out.
fn answer(core: &mut Core<'_>, request: Request, output: &Mutex<std::io::Stdout>) -> Answer {
    if !matches!(request, Request::Scan { .. } | Request::ScanChanged { .. }) {
        return core.answer(request, &Telling::NOTHING);
    }
    let (seen, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (at, told): (Mutex<Option<PathBuf>>, _) = (Mutex::new(None), AtomicU64::new(0));
    let now_at = || at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let reading = |path: &Path, bytes: u64| {
        *now_at() = Some(path.to_owned());
        if bytes >= LARGE && told.fetch_add(1, Ordering::Relaxed) < MAX_FILES_TOLD {
            // who does not listen any more will not get the answer either
            let _ = say(output, &wire::encode_reading(path));
        }
    };
    std::thread::scope(|scope| {
        let teller = scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                std::thread::park_timeout(TICK);
                let file = now_at().clone();
                let frame = match file {
                    Some(path) => wire::encode_reading(&path),
                    None => wire::encode_going_on(seen.load(Ordering::Relaxed)),
                };
                if !over.load(Ordering::Acquire) && say(output, &frame).is_err() {
                    return;
                }
            }
        });
        let walked = |directories| seen.store(directories, Ordering::Relaxed);
        let answer = core.answer(request, &Telling { walked: &walked, reading: &reading });
        over.store(true, Ordering::Release);
        teller.thread().unpark();
        answer
    })
}

fn say(output: &Mutex<std::io::Stdout>, frame: &[u8]) -> Result<(), frames::FrameError> {
    // a teller that panicked had nothing half written: a frame is one write
    let mut output = output.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    frames::write(&mut *output, frame)?;
    output.flush().map_err(|error| frames::FrameError::Io(error.kind()))
}
