//! By the kernel's own table of mounts: asking the file system itself waits for ever when its server is gone.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

use crate::machine::Machine;
use crate::processes::containers::{Mount, mount_of, parse_mounts};

const MAX_TABLE: u64 = 4 << 20;

/// Types whose files are on another machine.
const NETWORK: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "coda",
    "ncpfs",
    "ceph",
    "lustre",
    "glusterfs",
    "ocfs2",
    "gfs2",
    "orangefs",
    "beegfs",
    "davfs",
];
/// Programs that show another machine's files through FUSE.
const NETWORK_FUSE: &[&str] = &[
    "sshfs",
    "rclone",
    "s3fs",
    "gcsfuse",
    "goofys",
    "glusterfs",
    "ceph",
    "ceph-fuse",
    "davfs",
    "gvfsd-fuse",
    "curlftpfs",
    "smbnetfs",
    "blobfuse",
    "blobfuse2",
    "google-drive-ocamlfuse",
    "onedriver",
    "juicefs",
    "seaweedfs",
    "mfs",
    "cvmfs2",
    "httpfs",
    "afp",
    "mount-s3",
];

/// The table as it was before the process gave up its rights.
static REMEMBERED: OnceLock<Table> = OnceLock::new();

/// All mounts, and whether this is WSL.
pub(super) type Table = (Vec<Mount>, bool);

pub(super) fn remember() {
    REMEMBERED.get_or_init(mounts);
}

pub(super) fn is_network(path: &Path) -> bool {
    REMEMBERED.get().map_or_else(|| is_network_by(&mounts(), path), |table| is_network_by(table, path))
}

/// The table of this moment, where none is remembered.
pub(super) fn table() -> Option<Table> {
    REMEMBERED.get().is_none().then(mounts)
}

pub(super) fn is_network_by((all, is_wsl): &Table, path: &Path) -> bool {
    mount_of(all, path).is_some_and(|mount| is_network_mount(mount, *is_wsl))
}

fn mounts() -> Table {
    let machine = Machine::live();
    let table = format!("/proc/{}/mountinfo", std::process::id());
    let mounts = parse_mounts(&machine.read_system(&table, MAX_TABLE).unwrap_or_default());
    let release = machine.read_system("/proc/sys/kernel/osrelease", 4096).unwrap_or_default();
    let is_wsl = String::from_utf8_lossy(&release).to_ascii_lowercase().contains("microsoft");
    (mounts, is_wsl)
}

fn is_network_mount(mount: &Mount, is_wsl: bool) -> bool {
    match mount.kind.as_str() {
        // in WSL it is the Windows disk of this very machine; at the top it is a sandbox's whole file system
        "9p" => !is_wsl && mount.at != Path::new("/"),
        kind => match kind.strip_prefix("fuse.") {
            Some(program) => NETWORK_FUSE.contains(&program),
            None => NETWORK.contains(&kind),
        },
    }
}

pub(super) fn device_of(path: &Path) -> Option<u64> {
    std::fs::symlink_metadata(path).ok().map(|metadata| metadata.dev())
}

pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let told = rustix::fs::statvfs(path).ok()?;
    told.f_bavail.checked_mul(told.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(kind: &str) -> Mount {
        Mount { device: "0:1".to_owned(), root: "/".into(), at: "/home".into(), kind: kind.to_owned() }
    }

    #[test]
    fn the_remembered_table_is_that_of_the_system() {
        let (now, _) = mounts();
        assert!(mount_of(&now, Path::new("/")).is_some(), "the table was read");
        remember();
        let remembered = REMEMBERED.get().map(|(all, _)| all.len());
        assert_eq!(remembered, Some(now.len()));
        assert!(!is_network(Path::new("/proc")));
    }

    #[test]
    fn homes_on_servers_are_told_from_homes_on_disks() {
        for kind in ["nfs4", "cifs", "smb3", "fuse.sshfs", "9p"] {
            assert!(is_network_mount(&mount(kind), false), "{kind}");
        }
        for kind in [
            "ext4",
            "btrfs",
            "zfs",
            "overlay",
            "tmpfs",
            "fuseblk",
            "fuse.gocryptfs",
            "fuse.mergerfs",
            "ecryptfs",
        ] {
            assert!(!is_network_mount(&mount(kind), false), "{kind}");
        }
    }

    #[test]
    fn the_windows_disk_in_wsl_is_no_server() {
        assert!(!is_network_mount(&mount("9p"), true));
        assert!(!is_network_mount(&Mount { at: "/".into(), ..mount("9p") }, false));
    }

    #[test]
    fn the_table_of_this_process_is_read() {
        assert!(!is_network(Path::new("/proc/version")));
        assert!(device_of(Path::new("/")).is_some());
        assert_eq!(device_of(Path::new("/no/such/path")), None);
    }
}
