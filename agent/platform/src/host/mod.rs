//! What a report says of the machine itself.

use std::sync::OnceLock;

use crate::machine::Machine;

const MAX_BYTES: u64 = 64 << 10;

/// Facts about the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// Its name, where it has one.
    pub hostname: Option<String>,
    /// `linux`, `macos` or `windows`.
    pub os: &'static str,
    /// The system's version, in its own words.
    pub os_version: Option<String>,
    /// The processor's family, as `x86_64`.
    pub arch: &'static str,
}

/// The facts of a machine. Of a folder only what its `etc/hostname` and `etc/os-release` say.
pub fn facts(machine: &Machine) -> HostFacts {
    let text = |path: &str| {
        machine.read_system(path, MAX_BYTES).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let release = || ["/etc/os-release", "/usr/lib/os-release"].into_iter().find_map(text);
    let version = release().as_deref().and_then(pretty_name);
    let (hostname, os_version) = if machine.is_live() {
        let from_system = || sysinfo::System::long_os_version().ok();
        (sysinfo::System::host_name().ok(), version.or_else(from_system))
    } else {
        (text("/etc/hostname").and_then(|text| first_line(&text)), version)
    };
    HostFacts { hostname, os: std::env::consts::OS, os_version, arch: std::env::consts::ARCH }
}

/// What tells this machine from all others for as long as its system is not installed anew. Not a secret, but nobody else's
/// business: it is told only as a digest.
pub fn machine_id() -> Option<String> {
    // it is asked for at each look, and on macOS a program has to be run for it
    static KNOWN: OnceLock<String> = OnceLock::new();
    if KNOWN.get().is_none() {
        let _ = KNOWN.set(read_machine_id()?);
    }
    KNOWN.get().cloned()
}

fn read_machine_id() -> Option<String> {
    let text = id_text()?;
    let id: String =
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    // an image that was not finished says `uninitialized`, or noughts
    let is_one = id.len() >= 16 && id.chars().any(|c| c != '0') && id.chars().all(|c| c.is_ascii_hexdigit());
    is_one.then_some(id)
}

#[cfg(target_os = "linux")]
fn id_text() -> Option<String> {
    let files = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
    let bytes = files.into_iter().find_map(|file| Machine::live().read_system(file, MAX_BYTES))?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(windows)]
fn id_text() -> Option<String> {
    use crate::users::registry::{Hive, Key};
    Key::open(Hive::Machine, r"SOFTWARE\Microsoft\Cryptography")?.text("MachineGuid")
}

#[cfg(target_os = "macos")]
fn id_text() -> Option<String> {
    let mut command = std::process::Command::new("/usr/sbin/ioreg");
    let output = command.args(["-rd1", "-c", "IOPlatformExpertDevice"]).env_clear().output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains("\"IOPlatformUUID\""))?;
    line.split('=').nth(1).map(|value| value.trim().trim_matches('"').to_owned())
}

/// `PRETTY_NAME` of an os-release file.
fn pretty_name(release: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    clean(value.trim().trim_matches(['"', '\'']))
}

/// The first line that is no comment.
fn first_line(text: &str) -> Option<String> {
    clean(text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?)
}

/// An image's files may hold anything: no commands for a terminal, no novels.
fn clean(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(255).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_speaks_for_itself() {
        let root = tempfile::tempdir().expect("temporary directory");
        std::fs::create_dir(root.path().join("etc")).expect("etc");
        let write =
            |name: &str, text: &str| std::fs::write(root.path().join("etc").join(name), text).expect("file");
        let machine = Machine::at_root(root.path());
        assert_eq!(facts(&machine).hostname, None);
        assert_eq!(facts(&machine).os_version, None);
        write("hostname", "# comment\n\nbuild\u{1b}[2J-7\n");
        write("os-release", "NAME=x\nPRETTY_NAME=\"Debian 12\"\n");
        assert_eq!(facts(&machine).hostname.as_deref(), Some("build[2J-7"));
        assert_eq!(facts(&machine).os_version.as_deref(), Some("Debian 12"));
    }

    #[test]
    fn the_live_machine_has_a_name() {
        assert!(facts(&Machine::live()).hostname.is_some_and(|name| !name.is_empty()));
    }
}
