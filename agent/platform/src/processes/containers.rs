//! Reads the kernel's tables of mounts and of control groups. Text only.

use std::path::{Path, PathBuf};

/// One line of `mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Device, as `major:minor`.
    pub(crate) device: String,
    /// Which directory of that file system is mounted.
    pub(crate) root: PathBuf,
    /// Where it is mounted.
    pub(crate) at: PathBuf,
    /// Type of the file system, as `ext4` or `fuse.sshfs`.
    pub(crate) kind: String,
}

/// The mounts of a process, from its `mountinfo`; lines that make no sense are passed over.
pub(crate) fn parse_mounts(mountinfo: &[u8]) -> Vec<Mount> {
    let text = String::from_utf8_lossy(mountinfo);
    text.lines().filter_map(parse_mount).collect()
}

fn parse_mount(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(2);
    let (device, root, at) = (fields.next()?, fields.next()?, fields.next()?);
    let kind = file_system.split(' ').next()?;
    Some(Mount { device: device.to_owned(), root: unescape(root), at: unescape(at), kind: kind.to_owned() })
}

/// Undoes `\040` and its like: the kernel writes spaces, tabs, line ends and backslashes so.
fn unescape(text: &str) -> PathBuf {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &after[3..];
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    PathBuf::from(out)
}

/// The mount that holds a path: the deepest one, and of those at one place the last, which hides the others.
pub(crate) fn mount_of<'m>(mounts: &'m [Mount], path: &Path) -> Option<&'m Mount> {
    let holding = mounts.iter().filter(|mount| path.starts_with(&mount.at));
    holding.max_by_key(|mount| mount.at.components().count())
}

/// Whether a process with `inner` mounts lives on another root than the host and sees `home`, or a directory in it.
pub(crate) fn shows_home(host: &[Mount], inner: &[Mount], home: &Path) -> bool {
    let root_of = |mounts: &[Mount]| {
        mount_of(mounts, Path::new("/")).map(|mount| (mount.device.clone(), mount.root.clone()))
    };
    // services of the host have their own view of the same root; they are no containers
    if root_of(host) == root_of(inner) {
        return false;
    }
    let Some(holder) = mount_of(host, home) else { return false };
    let Ok(below) = home.strip_prefix(&holder.at) else { return false };
    let on_device = holder.root.join(below);
    inner.iter().any(|mount| mount.device == holder.device && mount.root.starts_with(&on_device))
}

/// A container for people, from the control group of one of its processes, or else the process itself.
pub(crate) fn name_for_people(cgroup: &str, process_name: &str, pid: u32) -> String {
    let parts = cgroup.lines().flat_map(|line| line.rsplit(':').next().unwrap_or_default().split('/'));
    for part in parts {
        let part = part.strip_suffix(".scope").or_else(|| part.strip_suffix(".service")).unwrap_or(part);
        let engines = [
            ("docker-", "docker"),
            ("libpod-", "podman"),
            ("crio-", "cri-o"),
            ("cri-containerd-", "containerd"),
        ];
        for (prefix, engine) in engines {
            if let Some(id) = part.strip_prefix(prefix).filter(|id| is_id(id)) {
                return format!("{engine} container {}", short(id));
            }
        }
        if let Some(app) = part.strip_prefix("app-flatpak-") {
            let app = app.rsplit_once('-').map_or(app, |(app, _)| app);
            return format!("flatpak {}", printable(app));
        }
        // docker with cgroupfs: /docker/<id>
        if part.len() == 64 && is_id(part) {
            return format!("container {}", short(part));
        }
    }
    format!("process {} ({pid})", printable(process_name))
}

fn is_id(text: &str) -> bool {
    text.len() >= 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// A process chooses its own name: it may hold line ends or commands for a terminal.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 254:1 / /home rw shared:2 - ext4 /dev/vdb rw
24 22 0:30 / /mnt/with\\040space rw - nfs4 server:/x rw
not a line
25 22 0:31
";

    fn mounts(text: &str) -> Vec<Mount> {
        parse_mounts(text.as_bytes())
    }

    #[test]
    fn mountinfo_is_read_with_its_escapes_and_without_its_broken_lines() {
        let mounts = mounts(HOST);
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts[2].at, Path::new("/mnt/with space"));
        assert_eq!(mounts[2].kind, "nfs4");
        assert_eq!(
            mount_of(&mounts, Path::new("/home/ana/x")).map(|mount| mount.device.as_str()),
            Some("254:1")
        );
        assert_eq!(mount_of(&mounts, Path::new("/homes")).map(|mount| mount.device.as_str()), Some("254:0"));
        assert_eq!(unescape("a\\04"), Path::new("a\\04"));
        assert_eq!(unescape("\\134\\é"), Path::new("\\\\é"));
    }

    #[test]
    fn a_container_with_a_project_of_the_home_mounted_is_seen() {
        let inner =
            "1 0 0:50 / / rw - overlay overlay rw\n2 1 254:1 /ana/project /work rw - ext4 /dev/vdb rw\n";
        assert!(shows_home(&mounts(HOST), &mounts(inner), Path::new("/home/ana")));
        assert!(!shows_home(&mounts(HOST), &mounts(inner), Path::new("/home/an")));
        assert!(!shows_home(&mounts(HOST), &mounts(inner), Path::new("/home/ana/project/sub")));
    }

    #[test]
    fn a_hardened_service_of_the_host_is_no_container() {
        let service = format!("{HOST}30 23 254:1 /ana /home/ana ro - ext4 /dev/vdb rw\n");
        assert!(!shows_home(&mounts(HOST), &mounts(&service), Path::new("/home/ana")));
    }

    #[test]
    fn the_same_directory_of_another_device_is_no_home() {
        let inner = "1 0 0:50 / / rw - overlay overlay rw\n2 1 254:9 /ana /work rw - ext4 /dev/vdz rw\n";
        assert!(!shows_home(&mounts(HOST), &mounts(inner), Path::new("/home/ana")));
    }

    #[test]
    fn containers_are_named_by_engine_or_by_process() {
        let id = "0123456789abcdef".repeat(4);
        let docker = format!("0::/system.slice/docker-{id}.scope\n");
        assert_eq!(name_for_people(&docker, "node", 7), "docker container 0123456789ab");
        let podman = format!("0::/user.slice/user-1000.slice/libpod-{id}.scope/container\n");
        assert_eq!(name_for_people(&podman, "node", 7), "podman container 0123456789ab");
        assert_eq!(name_for_people(&format!("12:pids:/docker/{id}\n"), "node", 7), "container 0123456789ab");
        let flatpak = "0::/user.slice/app.slice/app-flatpak-com.visualstudio.code-3184.scope\n";
        assert_eq!(name_for_people(flatpak, "code", 7), "flatpak com.visualstudio.code");
        assert_eq!(name_for_people("0::/\n", "a\u{1b}[2Jb\n", 7), "process a?[2Jb? (7)");
    }
}
