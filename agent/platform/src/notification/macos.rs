//! macOS: `osascript` in the user's session.
//!
//! Only compiled so far, never run on macOS (docs/platforms.md).

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::Text;
use super::unix::{NotShown, become_tool};

const LAUNCHCTL: &str = "/bin/launchctl";
const OSASCRIPT: &str = "/usr/bin/osascript";

/// The user's session is a name space of its own, into which root gets by `launchctl`. Our program becomes the user there.
pub(super) fn in_session(program: &Path, uid: u32, command: &OsStr) -> (PathBuf, Vec<OsString>) {
    if !rustix::process::geteuid().is_root() {
        return (program.to_owned(), vec![command.to_owned()]);
    }
    let args = vec!["asuser".into(), uid.to_string().into(), program.into(), command.to_owned()];
    (LAUNCHCTL.into(), args)
}

/// By now this process is the user. The texts are arguments, never part of the script.
pub(super) fn show(text: &Text, _runtime: Option<&Path>) -> NotShown {
    let script = [
        "-e",
        "on run argv",
        "-e",
        "display notification (item 2 of argv) with title (item 1 of argv)",
        "-e",
        "end run",
    ];
    // an argument that began with a hyphen would be an option
    let title = format!("mcpolicy: {}", text.title());
    let args: Vec<&str> = script.into_iter().chain([title.as_str(), text.body()]).collect();
    become_tool(OSASCRIPT, &args, &[("LC_ALL", "en_US.UTF-8")]);
    NotShown::NoTool
}
