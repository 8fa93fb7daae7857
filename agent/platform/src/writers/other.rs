//! Where the system does not tell.

use std::path::{Path, PathBuf};

use super::Writer;

/// Never there.
pub(super) enum Group {}

impl Group {
    pub(super) fn new() -> Option<Self> {
        None
    }

    pub(super) fn watch(&mut self, _: &Path) -> bool {
        match *self {}
    }

    pub(super) fn forget(&mut self, _: &Path) {
        match *self {}
    }

    pub(super) fn take_in(&mut self, _: &mut dyn FnMut(PathBuf, u32)) {
        match *self {}
    }
}

pub(super) fn look_up(_: u32) -> Option<Writer> {
    None
}
