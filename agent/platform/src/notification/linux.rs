//! Linux: `org.freedesktop.Notifications` on the user's bus, by a tool of the system.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::Text;
use super::unix::{NotShown, become_tool};
use crate::paths;

const NAME: &str = "org.freedesktop.Notifications";
const OBJECT: &str = "/org/freedesktop/Notifications";
/// Never from a `PATH`. The last is that of NixOS.
const FOLDERS: &[&str] = &["/usr/bin", "/bin", "/run/current-system/sw/bin"];
const APPLICATION: &str = "mcpolicy";
const ICON: &str = "dialog-warning";
/// How long it is shown, in milliseconds, where the desktop goes by it.
const SHOWN: &str = "20000";

/// Our program as it is: the bus is found by the user's number.
pub(super) fn in_session(program: &Path, _uid: u32, command: &OsStr) -> (PathBuf, Vec<OsString>) {
    (program.to_owned(), vec![command.to_owned()])
}

/// By now this process is the user.
pub(super) fn show(text: &Text, runtime: Option<&Path>) -> NotShown {
    let own = geteuid().as_raw();
    let usual = PathBuf::from(format!("/run/user/{own}"));
    let bus = runtime.unwrap_or(&usual).join("bus");
    let is_ours =
        fs::symlink_metadata(&bus).is_ok_and(|found| found.file_type().is_socket() && found.uid() == own);
    if !is_ours {
        return NotShown::NoSession;
    }
    let address = address(&bus);
    let env = [("DBUS_SESSION_BUS_ADDRESS", address.as_str()), ("LC_ALL", "C.UTF-8")];
    for folder in FOLDERS {
        let busctl = busctl(&address, text);
        become_tool(&format!("{folder}/busctl"), &as_str(&busctl), &env);
        let gdbus = gdbus(text);
        become_tool(&format!("{folder}/gdbus"), &as_str(&gdbus), &env);
    }
    NotShown::NoTool
}

fn as_str(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// Every argument has the type that is told: nothing of a text is read as anything else.
fn busctl(address: &str, text: &Text) -> Vec<String> {
    let options = format!("--address={address}");
    let (title, body) = (text.title(), text.body());
    let args = [
        options.as_str(),
        "--",
        "call",
        NAME,
        OBJECT,
        NAME,
        "Notify",
        "susssasa{sv}i",
        APPLICATION,
        "0",
        ICON,
        title,
        body,
        "0",
        "0",
        SHOWN,
    ];
    args.map(str::to_owned).to_vec()
}

/// Its arguments are read as GVariant texts, so that they are written as such.
fn gdbus(text: &Text) -> Vec<String> {
    let method = format!("{NAME}.Notify");
    let (title, body) = (quoted(text.title()), quoted(text.body()));
    let (application, icon) = (quoted(APPLICATION), quoted(ICON));
    let args = [
        "call",
        "--session",
        "--dest",
        NAME,
        "--object-path",
        OBJECT,
        "--method",
        &method,
        "--",
        &application,
        "0",
        &icon,
        &title,
        &body,
        "@as []",
        "@a{sv} {}",
        SHOWN,
    ];
    args.map(str::to_owned).to_vec()
}

fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\'' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// A path as an address of D-Bus has it: other signs than these would be read as parts of the address.
fn address(bus: &Path) -> String {
    let mut out = String::from("unix:path=");
    for byte in paths::to_bytes(bus) {
        if byte.is_ascii_alphanumeric() || b"-_/.*".contains(byte) {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_add_to_an_address() {
        assert_eq!(address(Path::new("/run/user/1000/bus")), "unix:path=/run/user/1000/bus");
        assert_eq!(address(Path::new("/a,guid=0;tcp:x %/b")), "unix:path=/a%2cguid%3d0%3btcp%3ax%20%25/b");
    }

    #[test]
    fn a_text_stays_a_text_for_tools() {
        assert_eq!(quoted("it's\nso \\"), "'it\\'s\\nso \\\\'");
        let text = Text::new("--help", &["-x".to_owned()]);
        let args = busctl("unix:path=/x", &text);
        let options_end = args.iter().position(|arg| arg == "--").unwrap();
        assert!(args.iter().position(|arg| arg == "--help").unwrap() > options_end);
    }
}
