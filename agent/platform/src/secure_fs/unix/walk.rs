//! From a path below the home to the file it leads to, one name at a time, each below the handle of the one before.
//!
//! Links are read and followed here, not by the kernel: it can be told to stay below a directory, but then it refuses
//! a link that names the home's own path, which is how most people make them; and it tells neither the directory that
//! holds the file in the end, where the new one must be made, nor its name there.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::Stat;

use super::system::{self, Look};
use super::{Home, kind, read_fault};
use crate::secure_fs::fault::Fault;

/// As many as the kernel follows.
const MAX_LINKS: usize = 40;
/// More names than this one after the other are no place for a configuration.
const MAX_DEPTH: usize = 256;

/// A file that is no link and no directory, looked at but not opened for reading yet.
pub(super) struct Found {
    pub(super) dir: OwnedFd,
    pub(super) name: OsString,
    pub(super) path: PathBuf,
    pub(super) handle: system::Handle,
    pub(super) stat: Stat,
}

/// A directory of the home, links resolved.
pub(super) struct Directory {
    pub(super) fd: OwnedFd,
    pub(super) path: PathBuf,
}

/// The directories that the walk is in, from the one below the home down.
struct Trail<'h> {
    home: &'h Home,
    below: Vec<(OsString, OwnedFd)>,
}

impl Trail<'_> {
    fn here(&self) -> BorrowedFd<'_> {
        self.below.last().map_or(self.home.fd.as_fd(), |(_, fd)| fd.as_fd())
    }

    fn path(&self) -> PathBuf {
        self.below.iter().map(|(name, _)| name).collect()
    }

    fn into_directory(mut self) -> Result<Directory, Fault> {
        let path = self.path();
        let fd = match self.below.pop() {
            Some((_, fd)) => fd,
            None => rustix::io::fcntl_dupfd_cloexec(&self.home.fd, 0).map_err(read_fault)?,
        };
        Ok(Directory { fd, path })
    }
}

impl Home {
    pub(super) fn walk_to_file(&self, relative: &Path) -> Result<Found, Fault> {
        let mut trail = Trail { home: self, below: Vec::new() };
        match self.walk(&mut trail, names_of(relative)?)? {
            Some((name, handle, stat)) => {
                let Directory { fd: dir, path } = trail.into_directory()?;
                Ok(Found { path: path.join(&name), dir, name, handle, stat })
            }
            None => Err(Fault::NotRegular(crate::machine::FileKind::Directory)),
        }
    }

    /// Empty is the home itself.
    pub(super) fn walk_to_directory(&self, relative: &Path) -> Result<Directory, Fault> {
        let mut trail = Trail { home: self, below: Vec::new() };
        let names = if relative.as_os_str().is_empty() { Vec::new() } else { names_of(relative)? };
        match self.walk(&mut trail, names)? {
            None => trail.into_directory(),
            Some((_, _, stat)) => Err(Fault::NotRegular(kind(&stat))),
        }
    }

    /// Goes along names, the next of them last. Stops at the first that is neither a directory nor a link, which must
    /// be the last one; nothing where all were directories.
    fn walk(
        &self,
        trail: &mut Trail<'_>,
        mut names: Vec<OsString>,
    ) -> Result<Option<(OsString, system::Handle, Stat)>, Fault> {
        let mut links = 0;
        while let Some(name) = names.pop() {
            if name == ".." {
                // up from where the walk is, never through the directory's own `..`: it may have been moved meanwhile
                trail.below.pop().ok_or(Fault::LeavesHome)?;
                continue;
            }
            match system::look(trail.here(), &name, self.device).map_err(read_fault)? {
                Look::Directory(fd) => {
                    if trail.below.len() == MAX_DEPTH {
                        return Err(Fault::BadPath);
                    }
                    trail.below.push((name, fd));
                }
                Look::Link(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Fault::Loop);
                    }
                    names.extend(self.names_of_link(trail, &target)?);
                }
                Look::OtherMount => return Err(Fault::OtherMount),
                Look::File(..) if !names.is_empty() => return Err(Fault::NotFound),
                Look::File(handle, stat) => return Ok(Some((name, handle, stat))),
            }
        }
        Ok(None)
    }

    /// The names that a link stands for, last first. An absolute one must be below the home's own path.
    fn names_of_link(&self, trail: &mut Trail<'_>, target: &OsStr) -> Result<Vec<OsString>, Fault> {
        let mut target = Path::new(target);
        if target.is_absolute() {
            let below = self.paths.iter().find_map(|home| target.strip_prefix(home).ok());
            target = below.ok_or(Fault::LeavesHome)?;
            trail.below.clear();
        }
        let mut names = Vec::new();
        for component in target.components() {
            match component {
                Component::Normal(name) => names.push(name.to_owned()),
                Component::ParentDir => names.push(OsString::from("..")),
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => return Err(Fault::LeavesHome),
            }
        }
        names.reverse();
        Ok(names)
    }
}

/// The names of a path that was given, last first. It is ours or the policy's, and has no business going up.
fn names_of(relative: &Path) -> Result<Vec<OsString>, Fault> {
    let mut names = Vec::new();
    for component in relative.components() {
        match component {
            Component::Normal(name) if !name.as_bytes().contains(&0) => names.push(name.to_owned()),
            Component::CurDir => {}
            _ => return Err(Fault::BadPath),
        }
    }
    if names.is_empty() {
        return Err(Fault::BadPath);
    }
    names.reverse();
    Ok(names)
}
