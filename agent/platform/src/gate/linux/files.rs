//! What is asked about an open file, by its handle alone: nothing here opens anything or waits for anybody.

use std::os::fd::{AsFd, AsRawFd as _, RawFd};

use rustix::fs::{FileType, fstat, fstatfs};
use rustix::time::{ClockId, clock_gettime};

use super::super::Stamp;

/// Longest path that the kernel tells.
pub(super) const LONGEST: usize = 4096;
/// File systems of this machine's disks, and in its memory: `statfs(2)` has the numbers.
const LOCAL: [u64; 8] = [EXT, XFS, BTRFS, F2FS, TMPFS, OVERLAY, ZFS, BCACHEFS];
/// Those on which no content changes without a change of the times, be it through memory that is shared with a file.
/// Seen otherwise: on tmpfs what is stored through a page that was read before changes no time.
const KEEP_TIMES: [u64; 4] = [EXT, XFS, BTRFS, F2FS];
const EXT: u64 = 0xef53;
const XFS: u64 = 0x5846_5342;
const BTRFS: u64 = 0x9123_683e;
const F2FS: u64 = 0xf2f5_2010;
const TMPFS: u64 = 0x0102_1994;
const OVERLAY: u64 = 0x794c_7630;
const ZFS: u64 = 0x2fc1_2fc1;
const BCACHEFS: u64 = 0xca45_1a4e;
/// Two writes within so long may leave the same time: kernels before 6.13 count it in ticks of up to 10 ms.
const GRAIN_NS: i128 = 25_000_000;

/// Which file it is and in which state, and whether it is a regular one.
pub(super) fn state(file: impl AsFd) -> Option<(Stamp, bool)> {
    let stat = fstat(file).ok()?;
    let stamp = Stamp {
        device: stat.st_dev,
        inode: stat.st_ino,
        length: u64::try_from(stat.st_size).unwrap_or(0),
        modified: (stat.st_mtime, stat.st_mtime_nsec as u32),
        changed: (stat.st_ctime, stat.st_ctime_nsec as u32),
    };
    Some((stamp, FileType::from_raw_mode(stat.st_mode).is_file()))
}

/// The path of an open file. None where there is no room for it.
pub(super) fn path_of(file: RawFd, room: &mut [u8; LONGEST]) -> Option<&[u8]> {
    // `/proc/self/fd/` and the number, made without memory of its own
    let mut link = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0";
    let mut digits = [0_u8; 10];
    let (mut number, mut count) = (u32::try_from(file).ok()?, 0);
    loop {
        digits[count] = b'0' + (number % 10) as u8;
        (number, count) = (number / 10, count + 1);
        if number == 0 {
            break;
        }
    }
    for (place, digit) in link[14..].iter_mut().zip(digits[..count].iter().rev()) {
        *place = *digit;
    }
    // SAFETY: the link ends with a zero, and the kernel writes no more than there is room
    let length = unsafe { libc::readlink(link.as_ptr().cast(), room.as_mut_ptr().cast(), room.len()) };
    let length = usize::try_from(length).ok().filter(|length| *length < LONGEST)?;
    let path = &room[..length];
    Some(path.strip_suffix(b" (deleted)").unwrap_or(path))
}

/// Whether what is found in it now may be remembered by its state: nobody has it open for writing, so that who changes it
/// later has to open it first; the times of this file system tell of each change; and the last one is so long ago that the
/// next has another time.
///
/// Attack: good text is checked, and another of the same length follows within one tick of the clock, or through memory that
/// is shared with the file.
pub(super) fn may_be_remembered(file: impl AsFd, stamp: &Stamp) -> bool {
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open; both commands take a number
    let quiet = unsafe {
        let quiet = libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) == 0;
        if quiet {
            libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK);
        }
        quiet
    };
    let kind = fstatfs(&file).map_or(0, |about| about.f_type as u64);
    let now = clock_gettime(ClockId::RealtimeCoarse);
    let since = ns(now.tv_sec, now.tv_nsec) - ns(stamp.changed.0, i64::from(stamp.changed.1));
    quiet && KEEP_TIMES.contains(&kind) && since > GRAIN_NS
}

fn ns(seconds: i64, nanoseconds: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

/// Whether a file or folder is on a file system of this machine's own.
///
/// On a network or in FUSE an open waits for others, and who answers for a file there may answer each reader otherwise.
pub(super) fn is_local(file: impl AsFd) -> bool {
    fstatfs(file).is_ok_and(|about| LOCAL.contains(&(about.f_type as u64)))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test opens its own files")]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_is_named_by_its_handle_and_after_its_removal_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("mcp.json");
        let file = File::create(&path).unwrap();
        let mut room = [0; LONGEST];
        let named = |room: &mut [u8; LONGEST]| path_of(file.as_raw_fd(), room).map(<[u8]>::to_vec);
        assert_eq!(named(&mut room), Some(path.to_str().unwrap().as_bytes().to_vec()));
        fs::remove_file(&path).unwrap();
        assert_eq!(named(&mut room), Some(path.to_str().unwrap().as_bytes().to_vec()));
    }

    #[test]
    fn a_file_is_remembered_only_if_nobody_writes_it_and_its_last_change_is_some_time_ago() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp.json");
        fs::write(&path, "{}").unwrap();
        let file = File::open(&path).unwrap();
        let may = || may_be_remembered(&file, &state(&file).unwrap().0);
        assert!(!may(), "it was written just now");
        std::thread::sleep(Duration::from_millis(60));
        let kind = fstatfs(&file).unwrap().f_type as u64;
        assert_eq!(may(), KEEP_TIMES.contains(&kind));
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        assert!(!may(), "somebody has it open for writing");
        drop(writer);
        assert_eq!(may(), KEEP_TIMES.contains(&kind));
    }
}
