//! Other bytes through the file that was read, for whoever waits to read exactly that file.
//!
//! Nothing else is written in this way. It is for the gate: whoever waits there has found the file already, and would read
//! the old one after an exchange. Opens of others wait at the gate as long as he does, so that nobody writes meanwhile; who
//! has the file open for reading since before may see half of either.

use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::system::Lease;
use super::{Opened, holds, id, refused, stamp, write_fault};
use crate::secure_fs::fault::{Fault, ReplaceError};

impl Opened {
    /// Whether it was done: not where the file has further names, or somebody has it open for writing.
    pub(in super::super) fn rewrite(&self, new: &[u8]) -> Result<bool, ReplaceError> {
        // attack: a name elsewhere, whose reader the gate does not see, and a program that writes after us
        if self.names != 1 || !Lease::against_writers(&self.file, Duration::ZERO).is_whole() {
            return Ok(false);
        }
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&self.dir, &self.name, flags, Mode::empty()) else {
            return Ok(false);
        };
        let file = std::fs::File::from(file);
        let now = rustix::fs::fstat(&file).map_err(refused)?;
        if id(&now) != (self.stamp.device, self.stamp.inode) || stamp(&now) != self.stamp {
            return Err(ReplaceError::Changed);
        }
        if !holds(&self.file, &self.bytes).unwrap_or(false) {
            return Err(ReplaceError::Changed);
        }
        // in one step, and with blanks over the end of what was there: who reads in between reads no piece of it
        let mut whole = new.to_vec();
        whole.resize(new.len().max(self.bytes.len()), b' ');
        let failed = |error: std::io::Error| write_fault(error.raw_os_error().unwrap_or_default());
        let written = match file.write_at(&whole, 0) {
            Ok(count) if count == whole.len() => file.set_len(new.len() as u64),
            Ok(_) => Err(std::io::ErrorKind::StorageFull.into()),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            // a disk that is full: what was there is there again, if there is a way
            let _ = file.write_all_at(&self.bytes, 0).and_then(|()| file.set_len(self.bytes.len() as u64));
            return Err(failed(error).into());
        }
        let _ = file.sync_data();
        match holds(&self.file, new) {
            Ok(true) => Ok(true),
            _ => Err(ReplaceError::Fault(Fault::Unstable)),
        }
    }
}
