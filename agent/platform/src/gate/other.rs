//! Where there is none.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::{Lack, Late, Question, Start, Told, Unmarked, Word};

pub(super) fn ability() -> Result<(), Lack> {
    Err(Lack::System)
}

/// Never there.
pub(super) enum Gate {}

impl Gate {
    pub(super) fn open(_: Start<'_>, _: Late, _: Box<dyn Fn(Told) + Send>) -> Result<Self, Lack> {
        Err(Lack::System)
    }

    pub(super) fn hold(&mut self, _: &[(PathBuf, u32)]) -> Vec<(PathBuf, Unmarked)> {
        match *self {}
    }

    pub(super) fn folders(&self) -> usize {
        match *self {}
    }

    pub(super) fn places_of(&self, _: &Question) -> Vec<PathBuf> {
        match *self {}
    }

    pub(super) fn answer(&self, _: u64, _: Word) {
        match *self {}
    }

    pub(super) fn taken_up(&self, _: u64) {
        match *self {}
    }

    pub(super) fn late(&self, _: Late) {
        match *self {}
    }

    pub(super) fn busy(&self, _: bool) {
        match *self {}
    }

    pub(super) fn forget(&self) {
        match *self {}
    }

    pub(super) fn names(&self, _: &[&OsStr]) {
        match *self {}
    }
}

pub(super) fn serve(_: &dyn Fn(&[u8]) -> bool) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

pub(super) fn let_through(_: u32) {}

pub(super) fn let_through_no_more(_: u32) {}
