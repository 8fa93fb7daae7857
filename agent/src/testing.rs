//! What tests of several modules share.

use std::path::{Path, PathBuf};

use mcpolicy_platform::durable;

/// A folder that nobody else may enter; in memory where there is such, since each opening of a store waits for the disk.
pub(crate) struct PrivateFolder {
    #[expect(dead_code, reason = "removed when it is dropped")]
    outer: tempfile::TempDir,
    path: PathBuf,
}

impl PrivateFolder {
    pub(crate) fn new() -> Self {
        let outer = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let path = outer.path().join("private");
        durable::make_private_directory(&path).unwrap();
        Self { outer, path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
