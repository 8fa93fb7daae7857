//! Linux and macOS: a process of our own program becomes the user, and then the tool.

#![allow(unsafe_code, reason = "std has no alarm, which goes on in the program that takes a process over")]

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::geteuid;

use super::{COMMAND, NotifyError, Recipient, Text, os};
use crate::paths;
use crate::privileges::{Ended, Limits, Start, UserIds, become_user, frames, is_on_pipes, spawn_worker};

/// Longest frame: a path, some hundred groups, a text.
const MAX_FRAME: u32 = 16 * 1024;

/// Codes that the process ends with before it is the tool; those of the tools are smaller.
mod code {
    pub(super) const NO_SESSION: u8 = 70;
    pub(super) const NO_TOOL: u8 = 71;
    pub(super) const RIGHTS: u8 = 72;
    pub(super) const USAGE: u8 = 73;
}

/// Why the tool was not started.
pub(super) enum NotShown {
    #[cfg_attr(
        target_os = "macos",
        expect(dead_code, reason = "there the tool itself fails without a session")
    )]
    NoSession,
    NoTool,
}

pub(super) fn deliver(
    program: &Path,
    to: &Recipient,
    text: &Text,
    within: Duration,
) -> Result<(), NotifyError> {
    let (ids, runtime) = match to {
        Recipient::Own { runtime } => (None, runtime),
        Recipient::User { ids, runtime } => (Some(ids), runtime),
        Recipient::Sid(_) => return Err(NotifyError::Unsupported),
    };
    let uid = ids.map_or(geteuid().as_raw(), |ids| ids.uid);
    if uid == 0 {
        return Err(NotifyError::Root);
    }
    let (program, args) = os::in_session(program, uid, OsStr::new(COMMAND));
    let args: Vec<&OsStr> = args.iter().map(|arg| arg.as_ref()).collect();
    let failed = |why: &dyn std::fmt::Display| NotifyError::Process(why.to_string());
    let start = Start { program: &program, args: &args, env: &[], deadline: within };
    let mut process = spawn_worker(&start).map_err(|error| failed(&error))?;
    let runtime = runtime.as_deref().map(paths::to_bytes).unwrap_or_default();
    let seconds = within.as_secs().max(1).to_string();
    let parts = [&encode(ids).into_bytes(), runtime, text.title.as_bytes(), text.body.as_bytes()];
    for part in parts.into_iter().chain([seconds.as_bytes()]) {
        process.send(part).map_err(|error| failed(&error))?;
    }
    match process.finish() {
        Ended::Exited(0) => Ok(()),
        Ended::Deadline => Err(NotifyError::Late),
        // the alarm
        Ended::Killed(libc::SIGALRM) => Err(NotifyError::Late),
        Ended::Exited(ended) if ended == i32::from(code::NO_SESSION) => Err(NotifyError::NoSession),
        Ended::Exited(ended) if ended == i32::from(code::NO_TOOL) => Err(NotifyError::NoTool),
        Ended::Exited(ended) if ended == i32::from(code::RIGHTS) => {
            Err(NotifyError::Process("it could not become the user".to_owned()))
        }
        Ended::Exited(ended) => Err(NotifyError::Failed(format!("its tool ended with {ended}"))),
        Ended::Killed(signal) => Err(NotifyError::Failed(format!("its tool was killed by signal {signal}"))),
    }
}

pub(super) fn run() -> u8 {
    if !is_on_pipes() {
        return code::USAGE;
    }
    let Some((ids, runtime, text, seconds)) = told(&mut std::io::stdin().lock()) else { return code::USAGE };
    if !has_become(ids.as_ref()) {
        return code::RIGHTS;
    }
    // where the one that started us is gone, or killed something between: this goes on in the tool
    // SAFETY: takes a number
    unsafe { libc::alarm(seconds) };
    match os::show(&text, runtime.as_deref()) {
        NotShown::NoSession => code::NO_SESSION,
        NotShown::NoTool => code::NO_TOOL,
    }
}

/// Everything is read before anything is given up: the input is root's.
fn told(input: &mut impl Read) -> Option<(Option<UserIds>, Option<PathBuf>, Text, u32)> {
    let mut next = || frames::read(input, MAX_FRAME).ok();
    let ids = decode(&String::from_utf8(next()?).ok()?)?;
    let runtime = paths::of_bytes(next()?)?;
    let (title, body) = (String::from_utf8(next()?).ok()?, String::from_utf8(next()?).ok()?);
    let seconds = String::from_utf8(next()?).ok()?.parse().ok()?;
    let runtime = (!runtime.as_os_str().is_empty()).then_some(runtime);
    Some((ids, runtime, Text::of_sent(&title, &body), seconds))
}

/// Whether this process is the user now, and nobody else any more.
fn has_become(ids: Option<&UserIds>) -> bool {
    let own = geteuid().as_raw();
    match ids {
        Some(ids) if own == 0 => become_user(ids, &Limits::default()).is_ok(),
        Some(ids) => own == ids.uid,
        None => own != 0,
    }
}

fn encode(ids: Option<&UserIds>) -> String {
    let Some(ids) = ids else { return "own".to_owned() };
    let groups: Vec<String> = ids.groups.iter().map(u32::to_string).collect();
    format!("{} {} {}", ids.uid, ids.gid, groups.join(","))
}

fn decode(text: &str) -> Option<Option<UserIds>> {
    if text == "own" {
        return Some(None);
    }
    let mut parts = text.split(' ');
    let (uid, gid) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let groups: Result<Vec<u32>, _> =
        parts.next()?.split(',').filter(|group| !group.is_empty()).map(str::parse).collect();
    Some(Some(UserIds { uid, gid, groups: groups.ok()? }))
}

/// Becomes a program; returns where it is not there.
pub(super) fn become_tool(program: &str, args: &[&str], env: &[(&str, &str)]) {
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(env.iter().copied()).stdin(Stdio::null());
    // nobody reads what it says, and a pipe that is full would stop it
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let _ = command.exec();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_user_come_out_as_they_went_in() {
        for groups in [vec![], vec![7], vec![7, 8, 9]] {
            let ids = UserIds { uid: 1000, gid: 1001, groups };
            assert_eq!(decode(&encode(Some(&ids))), Some(Some(ids)));
        }
        assert_eq!(decode(&encode(None)), Some(None));
        for wrong in ["", "1", "1 2", "x 2 3", "1 2 3,x", "-1 2 3"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
