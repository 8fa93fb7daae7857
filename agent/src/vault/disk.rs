//! The few steps on the disk that the vault is made of. A test sees each, and may stop after any, as a crash would.

use std::io;
use std::path::Path;

use mcpolicy_platform::durable;

use super::VaultError;

/// A whole file or none, on the disk when this returns.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let temporary = path.with_extension(UNFINISHED);
    // half of it would take the room of others on a full disk
    let give_room = |_: &io::Error| drop(std::fs::remove_file(&temporary));
    step("write", &temporary, || durable::write(&temporary, bytes).inspect_err(give_room))?;
    step("sync", &temporary, || durable::sync_file(&temporary).inspect_err(give_room))?;
    step("rename", path, || std::fs::rename(&temporary, path))?;
    sync_names(path.parent().unwrap_or(path))
}

/// The ending of a file that is not whole yet.
pub(super) const UNFINISHED: &str = "new";

/// Waits until the names in a folder are on the disk.
pub(super) fn sync_names(folder: &Path) -> Result<(), VaultError> {
    step("sync", folder, || durable::sync_directory(folder))
}

/// Removes a file. That it is gone need not be on the disk.
pub(super) fn remove(path: &Path) -> Result<(), VaultError> {
    step("remove", path, || std::fs::remove_file(path))
}

pub(super) fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> VaultError {
    move |cause| VaultError::Disk { step, path: path.to_owned(), cause }
}

fn step(name: &'static str, path: &Path, act: impl FnOnce() -> io::Result<()>) -> Result<(), VaultError> {
    #[cfg(test)]
    steps::take(name, path).map_err(failed(name, path))?;
    act().map_err(failed(name, path))
}

#[cfg(test)]
pub(super) mod steps {
    use std::cell::RefCell;
    use std::io;
    use std::path::Path;

    thread_local! {
        static LEFT: RefCell<Option<usize>> = const { RefCell::new(None) };
        static TAKEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    /// Runs some work that is stopped after so many steps; what it made of it, and the steps.
    pub(crate) fn within<T>(most: Option<usize>, work: impl FnOnce() -> T) -> (T, Vec<String>) {
        LEFT.with(|left| *left.borrow_mut() = most);
        TAKEN.with(|taken| taken.borrow_mut().clear());
        let done = work();
        LEFT.with(|left| *left.borrow_mut() = None);
        (done, TAKEN.with(|taken| taken.borrow().clone()))
    }

    pub(super) fn take(name: &str, path: &Path) -> io::Result<()> {
        let is_over = LEFT.with(|left| match left.borrow_mut().as_mut() {
            Some(0) => true,
            Some(more) => {
                *more -= 1;
                false
            }
            None => false,
        });
        if is_over {
            return Err(io::Error::other("the power is gone"));
        }
        let end: Vec<_> = path.components().rev().take(2).collect();
        let end: Vec<_> = end.iter().rev().map(|part| part.as_os_str().to_string_lossy()).collect();
        TAKEN.with(|taken| taken.borrow_mut().push(format!("{name} {}", end.join("/"))));
        Ok(())
    }
}
