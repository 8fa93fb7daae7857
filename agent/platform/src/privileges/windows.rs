//! Windows: the run without administrator's rights works in its own process, as its own user. A worker that
//! impersonates the user of a home is not written yet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::frames::FrameError;
use super::worker::{Ended, Start, WorkerError};
use super::{Confinement, Limits, PrivilegeError, UserIds};

pub(super) fn become_user(_user: &UserIds, _limits: &Limits) -> Result<(), PrivilegeError> {
    Err(PrivilegeError::Unsupported)
}

pub(super) fn harden(_limits: &Limits) -> Result<(), PrivilegeError> {
    Err(PrivilegeError::Unsupported)
}

pub(super) fn confine(_home: &Path, _read_only: &[&Path]) -> Result<Confinement, PrivilegeError> {
    Err(PrivilegeError::Unsupported)
}

pub(super) fn own_program() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

pub(super) fn is_on_pipes() -> bool {
    false
}

pub(super) fn owner_of(_path: &Path) -> Option<(u32, u32)> {
    None
}

/// There is none.
#[derive(Debug)]
pub(super) enum Running {}

pub(super) fn spawn(_start: &Start<'_>) -> Result<Running, WorkerError> {
    Err(WorkerError::Unsupported)
}

impl Running {
    pub(super) fn id(&self) -> u32 {
        match *self {}
    }

    pub(super) fn give_time(&mut self, _time: Duration) {
        match *self {}
    }

    pub(super) fn send(&mut self, _bytes: &[u8]) -> Result<(), FrameError> {
        match *self {}
    }

    pub(super) fn close_input(&mut self) {
        match *self {}
    }

    pub(super) fn receive(&mut self, _cap: u32) -> Result<Vec<u8>, FrameError> {
        match *self {}
    }

    pub(super) fn finish(self) -> Ended {
        match self {}
    }
}
