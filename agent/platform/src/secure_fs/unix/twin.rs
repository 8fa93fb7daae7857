//! The displaced file, held by a second name of its own, so that it is known when nobody holds it by the first.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::AtFlags;

use super::replace::{stat, unlink};
use super::system::{self, Lease, Look, Watch};
use super::unlock::Unlocked;
use super::{Home, Opened, id, links};
use crate::secure_fs::failpoint::at;
use crate::secure_fs::fault::Fault;
use crate::secure_fs::names::TempName;

impl Opened {
    /// Holds the file by a second name, which is gone again afterwards: what is to be removed at the temporary name is
    /// then held by nobody but those who had looked it up. Nothing where that cannot be known: the file has further
    /// names, which keep what is written to it, or the system lacks a means.
    ///
    /// # Errors
    /// The second name could not be removed. As long as the temporary one stays, the sweep finds both.
    pub(super) fn hold_by_twin(&self, temp: &TempName, lease: &Lease<&File>) -> Result<Option<Watch>, Fault> {
        let twin = temp.twin();
        let (name, twin) = (OsStr::new(temp.as_str()), OsStr::new(twin.as_str()));
        let can = Watch::CAN && self.names == 1 && at("link-twin").is_ok();
        if !can || rustix::fs::linkat(&self.dir, name, &self.dir, twin, AtFlags::empty()).is_err() {
            return Ok(None);
        }
        let held = self.open_twin(twin);
        unlink(&self.dir, twin, "unlink-twin")?;
        Ok(held.and_then(|held| self.hold_by(&held, lease)))
    }

    fn open_twin(&self, twin: &OsStr) -> Option<File> {
        match system::look(self.dir.as_fd(), twin, self.stamp.device) {
            Ok(Look::File(handle, stat)) if id(&stat) == (self.stamp.device, self.stamp.inode) => {
                system::open_to_read(&self.dir, twin, handle).map(File::from).ok()
            }
            _ => None,
        }
    }

    fn hold_by(&self, held: &File, lease: &Lease<&File>) -> Option<Watch> {
        let now = rustix::fs::fstat(held).ok()?;
        if id(&now) != (self.stamp.device, self.stamp.inode) || links(&now) != 1 {
            return None;
        }
        let watch = Watch::on(held)?;
        // without a gap in which somebody could come unseen
        (lease.also_by(held) && system::take_the_place(&self.file, held)).then_some(watch)
    }
}

impl Home {
    /// Removes the second name that an edit of a file, broken off, has left: only where that is the file which stands at
    /// its own name or at the temporary one, so that nothing loses its last name.
    pub(in super::super) fn remove_twin(&self, relative: &Path, temp: &TempName) -> Result<(), Fault> {
        let name = relative.file_name().ok_or(Fault::BadPath)?;
        let dir = self.walk_to_directory(relative.parent().ok_or(Fault::BadPath)?)?.fd;
        let twin = temp.twin();
        let (temp, twin) = (OsStr::new(temp.as_str()), OsStr::new(twin.as_str()));
        let Ok(found) = stat(&dir, twin) else { return Ok(()) };
        let is_of = |other| stat(&dir, other).is_ok_and(|other| id(&other) == id(&found));
        if !is_of(temp) && !is_of(name) {
            return Ok(());
        }
        let _unlocked = Unlocked::of(&dir, self.owner);
        unlink(&dir, twin, "unlink-twin")
    }
}
