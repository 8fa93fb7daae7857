//! A root folder taken as the machine, and reading in it that a hostile user can neither hang, flood nor misdirect.
//!
//! Invariants:
//! - nothing but a regular file is ever opened for reading: a named pipe would hang us, a device might act;
//! - absolute paths and links are resolved inside the root, never by the kernel's own idea of `/`;
//! - a file is judged by its open handle, and must be the one that was seen before it was opened;
//! - a file that a link reaches outside a user's home is read only if that user could read it himself: otherwise
//!   `ln -s /etc/shadow ~/.claude.json` would make an agent that runs as root tell the secrets of others.

#[cfg(unix)]
#[path = "unix.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;
mod programs;
mod resolve;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
#[cfg(any(windows, test))]
mod windows_names;

use std::ffi::OsString;
use std::fs::{FileType, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

#[cfg(windows)]
pub(crate) use os::{
    check_name as windows_check_name, device_of as windows_device_of, final_path as windows_final_path,
    information as windows_information, is_below as windows_is_below,
};
pub use programs::{Account, Program};
use resolve::Walked;

/// Most names that a directory may have before [`Machine::list`] gives up: a million of them must not fill our memory.
const MAX_NAMES: usize = 100_000;
/// How often a read begins anew when the file is replaced under it: editors save by renaming.
const MAX_TRIES: usize = 4;

/// The machine that is looked at: the live one, or a folder with the files of one (an image, a container, a test).
#[derive(Debug, Clone)]
pub struct Machine {
    /// Canonical host path of the folder; `None` is the live machine.
    root: Option<PathBuf>,
    /// Directories outside which nothing is read, as machine paths without links; empty is everywhere.
    homes: Vec<PathBuf>,
    /// Nothing is opened but what root owns.
    only_roots: bool,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The path on the machine, without links in it.
    pub path: PathBuf,
    /// Whether a link was followed to get there.
    pub followed: bool,
}

/// Whose file it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user's number, where the system has one and it is known.
    pub uid: Option<u32>,
    /// The user's home, as a machine path.
    pub home: PathBuf,
}

/// A file as it was at one moment, with what its handle said of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its real path on the machine, without links in it.
    pub path: PathBuf,
    /// Whether a link was followed to get there.
    pub followed_link: bool,
    /// Whether it lies outside the owner's home. False where no owner was given.
    pub left_home: bool,
    /// Who owns it; `None` on Windows.
    pub owner_uid: Option<u32>,
    /// Whether its group or everybody may write it. Always false on Windows, where access lists are not read yet.
    pub writable_by_others: bool,
    /// The device it is on.
    pub device: u64,
    /// Its number on that device.
    pub inode: u64,
}

impl std::fmt::Debug for Snapshot {
    /// Shows everything but the content, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("path", &self.path)
            .field("length", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, or a junction on Windows.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character or block device, or a device name on Windows.
    Device,
    /// Something else.
    Other,
}

impl FileKind {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::Other => "other",
        }
    }

    pub(crate) fn of(file_type: FileType) -> Self {
        if file_type.is_file() {
            Self::File
        } else if file_type.is_dir() {
            Self::Directory
        } else if file_type.is_symlink() {
            Self::Symlink
        } else {
            os::special_kind(file_type)
        }
    }
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without the directory.
    pub name: OsString,
    /// What it is; links are not followed.
    pub kind: FileKind,
}

/// Why a file was not read. Holds no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing is there.
    #[error("no such file")]
    NotFound,
    /// Something else than a regular file (or, for a listing, than a directory).
    #[error("is a {}, which is not read", .0.as_str())]
    NotRegular(FileKind),
    /// More than allowed.
    #[error("is too large ({bytes} or more)")]
    TooLarge {
        /// Bytes seen; for a directory, names seen.
        bytes: u64,
    },
    /// The system refused.
    #[error("permission denied")]
    Denied,
    /// Links lead round in a circle, or through more than 40 of them.
    #[error("its links lead round in a circle")]
    LinkLoop,
    /// A link leads over `/proc` or `/dev/fd`, which is another place for each process.
    #[error("its link leads elsewhere for each process")]
    OfProcess,
    /// A link leads to nothing.
    #[error("its link leads to nothing")]
    Dangling,
    /// It leads outside the directories that may be read.
    #[error("leads outside the directories that may be read")]
    LeavesScope {
        /// Where it leads, as a machine path.
        target: PathBuf,
    },
    /// It belongs to a user, and only what is root's may be opened.
    #[error("belongs to a user, and is not read with root's rights")]
    UsersFile,
    /// A link out of the home to a file that this user could not read himself.
    #[error("leads to a file that this user may not read")]
    ForeignFile,
    /// Any other failure of the system.
    #[error("cannot be read ({0})")]
    Io(ErrorKind),
}

impl ReadError {
    /// Whether the system has said that nothing is there, be it at the end of a link. What may not be looked at, leads in
    /// a circle or lies outside is not absent.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NotFound | Self::Dangling)
    }

    fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::NotFound,
            ErrorKind::PermissionDenied => Self::Denied,
            kind => Self::Io(kind),
        }
    }
}

/// Why one attempt to read failed.
enum Attempt {
    /// For good.
    Failed(ReadError),
    /// The file was replaced between the look and the opening.
    Changed,
}

impl From<ReadError> for Attempt {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

/// What an open handle says of its file.
struct HandleFacts {
    kind: FileKind,
    length: u64,
    device: u64,
    inode: u64,
    links: u64,
    owner_uid: Option<u32>,
    readable_by_all: bool,
    writable_by_others: bool,
}

impl Machine {
    /// The machine that this process runs on.
    pub fn live() -> Self {
        Self { root: None, homes: Vec::new(), only_roots: false }
    }

    /// A folder taken as a machine. `/` is the live one.
    pub fn at_root(root: &Path) -> Self {
        // the root itself is the caller's word: its own links are followed, once, here
        let real = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let is_top = [root, &real].contains(&Path::new("/"));
        if is_top { Self::live() } else { Self { root: Some(real), homes: Vec::new(), only_roots: false } }
    }

    /// Lets nothing be read outside these directories (machine paths); none means everywhere.
    #[must_use]
    pub fn within(self, homes: Vec<PathBuf>) -> Self {
        // a home that cannot be resolved stays as given, so that it never turns into "everywhere"
        let homes = homes.into_iter().flat_map(|home| self.names_of_directory(&home)).collect();
        Self { homes, ..self }
    }

    /// Lets nothing be opened that another than root owns: what a process with all rights may look at without
    /// meeting what its users wrote.
    #[must_use]
    pub fn only_roots(self) -> Self {
        Self { only_roots: true, ..self }
    }

    /// Whether this is the machine that the process runs on.
    pub fn is_live(&self) -> bool {
        self.root.is_none()
    }

    /// Where a path of the machine is on this host. A relative path is taken from the machine's top.
    pub fn host_path(&self, path: &Path) -> PathBuf {
        let Some(root) = &self.root else {
            return if path.has_root() { path.to_owned() } else { Path::new("/").join(path) };
        };
        let mut host = root.clone();
        for component in path.components() {
            match component {
                // never above the root, whatever the caller passes
                Component::ParentDir if host != *root => drop(host.pop()),
                Component::Normal(name) => host.push(name),
                _ => {}
            }
        }
        host
    }

    /// Where a path of the machine ends on this host, to be opened by the system. In an image its links were followed, for
    /// the system follows those that are left from this host's root; on the live machine that is the same.
    ///
    /// # Errors
    /// It leads nowhere, or out of the image.
    pub fn followed_host_path(&self, path: &Path) -> Result<PathBuf, ReadError> {
        if self.is_live() { Ok(self.host_path(path)) } else { Ok(self.host_path(&self.resolve(path)?.path)) }
    }

    /// Where a path of this host is on the machine: the reverse of [`Machine::host_path`].
    pub fn machine_path(&self, host: &Path) -> PathBuf {
        match &self.root {
            Some(root) => {
                host.strip_prefix(root).map_or_else(|_| host.to_owned(), |rest| Path::new("/").join(rest))
            }
            None => host.to_owned(),
        }
    }

    /// Follows every link of a path inside the root, at most 40, without opening anything.
    pub fn resolve(&self, path: &Path) -> Result<Resolved, ReadError> {
        let found = self.walk_in_scope(path)?;
        Ok(Resolved { path: found.path, followed: found.followed })
    }

    /// Reads a whole regular file of at most `max_bytes`. With an owner, a file that was reached outside his home is
    /// read only if he could read it himself; on Windows, where access lists are not read yet, an elevated process
    /// reads no such file at all.
    pub fn read(&self, path: &Path, owner: Option<&Owner>, max_bytes: u64) -> Result<Snapshot, ReadError> {
        self.read_telling(path, owner, max_bytes, &|_| {})
    }

    /// The same, and says how many bytes the file has before they are read.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_telling(
        &self,
        path: &Path,
        owner: Option<&Owner>,
        max_bytes: u64,
        tell: &dyn Fn(u64),
    ) -> Result<Snapshot, ReadError> {
        for _ in 0..MAX_TRIES {
            let found = self.walk_in_scope(path)?;
            tell(found.metadata.len());
            match self.read_once(found, owner, max_bytes) {
                Ok(snapshot) => return Ok(snapshot),
                Err(Attempt::Failed(error)) => return Err(error),
                Err(Attempt::Changed) => {}
            }
        }
        Err(ReadError::Io(ErrorKind::ResourceBusy))
    }

    /// Reads one of the agent's own sources of facts, which `--home` does not fence off.
    pub(crate) fn read_system(&self, path: &str, max_bytes: u64) -> Option<Vec<u8>> {
        let unfenced = Self { homes: Vec::new(), ..self.clone() };
        let found = unfenced.walk(Path::new(path)).ok()?;
        unfenced.read_once(found, None, max_bytes).ok().map(|snapshot| snapshot.bytes)
    }

    /// The names in a directory, sorted.
    pub fn list(&self, dir: &Path) -> Result<Vec<DirEntry>, ReadError> {
        let found = self.walk_in_scope(dir)?;
        match FileKind::of(found.metadata.file_type()) {
            FileKind::Directory => {}
            kind => return Err(ReadError::NotRegular(kind)),
        }
        self.is_roots(&found.metadata)?;
        let mut entries = os::list(self.root.as_deref(), &found.path, MAX_NAMES)?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// What stands at a path; a link there is not followed, links before it are.
    pub fn kind(&self, path: &Path) -> Option<FileKind> {
        self.look(path).map(|metadata| FileKind::of(metadata.file_type()))
    }

    /// Whether a path leads to a directory of this machine, by whatever links, be it outside of what may be read.
    pub fn leads_to_directory(&self, path: &Path) -> bool {
        self.walk(path).is_ok_and(|found| found.metadata.is_dir())
    }

    /// Who owns what stands at a path; a link there is not followed.
    pub fn owner_uid(&self, path: &Path) -> Option<u32> {
        self.look(path).and_then(|metadata| os::owner_uid(&metadata))
    }

    fn look(&self, path: &Path) -> Option<Metadata> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.walk_in_scope(path).ok().map(|found| found.metadata);
        };
        let at = self.walk(parent).ok()?.path.join(name);
        self.in_scope(&at).ok()?;
        os::check_name(name).ok()?;
        std::fs::symlink_metadata(self.host_path(&at)).ok()
    }

    fn walk_in_scope(&self, path: &Path) -> Result<Walked, ReadError> {
        let found = self.walk(path)?;
        self.in_scope(&found.path)?;
        Ok(found)
    }

    fn in_scope(&self, path: &Path) -> Result<(), ReadError> {
        if self.homes.is_empty() || self.homes.iter().any(|home| os::is_below(path, home)) {
            return Ok(());
        }
        Err(ReadError::LeavesScope { target: path.to_owned() })
    }

    fn read_once(&self, found: Walked, owner: Option<&Owner>, max_bytes: u64) -> Result<Snapshot, Attempt> {
        let followed_link = found.followed;
        let (file, facts, path) = self.open_once(found, max_bytes)?;
        let is_in = |home: &Path| self.names_of_directory(home).iter().any(|home| os::is_below(&path, home));
        let left_home = owner.is_some_and(|owner| !is_in(&owner.home));
        if owner.is_some_and(|owner| !could_read(owner, &facts, left_home)) {
            return Err(ReadError::ForeignFile.into());
        }
        let bytes = read_at_most(file, facts.length, max_bytes)?;
        Ok(Snapshot {
            bytes,
            path,
            followed_link,
            left_home,
            owner_uid: facts.owner_uid,
            writable_by_others: facts.writable_by_others,
            device: facts.device,
            inode: facts.inode,
        })
    }

    /// Opens what was found, if it is still that file; with its real path.
    fn open_once(
        &self,
        found: Walked,
        max_bytes: u64,
    ) -> Result<(std::fs::File, HandleFacts, PathBuf), Attempt> {
        let seen = FileKind::of(found.metadata.file_type());
        if seen != FileKind::File {
            return Err(ReadError::NotRegular(seen).into());
        }
        if found.metadata.len() > max_bytes {
            return Err(ReadError::TooLarge { bytes: found.metadata.len() }.into());
        }
        self.is_roots(&found.metadata)?;
        let file = os::open_file(self.root.as_deref(), &found.path)?;
        let facts = os::facts(&file)?;
        if facts.kind != FileKind::File {
            return Err(ReadError::NotRegular(facts.kind).into());
        }
        if !os::is_same(&found.metadata, &facts) {
            return Err(Attempt::Changed);
        }
        let path = os::real_path(self.root.as_deref(), &file, found.path);
        self.in_scope(&path)?;
        Ok((file, facts, path))
    }

    /// By what was seen before it is opened; another file is not opened in its place.
    fn is_roots(&self, metadata: &Metadata) -> Result<(), ReadError> {
        let of_user = os::owner_uid(metadata).is_some_and(|uid| uid != 0);
        if self.only_roots && of_user { Err(ReadError::UsersFile) } else { Ok(()) }
    }

    /// A directory's path without links, and the system's own name for it where that is another (`RUNNER~1`).
    fn names_of_directory(&self, dir: &Path) -> Vec<PathBuf> {
        let Ok(found) = self.walk(dir) else { return vec![dir.to_owned()] };
        let real = os::real_directory(self.root.as_deref(), &found.path);
        real.into_iter().chain([found.path]).collect()
    }
}

/// Whether the owner could read the file without our help.
fn could_read(owner: &Owner, facts: &HandleFacts, left_home: bool) -> bool {
    // a file with a second name may have been hard-linked into the home, which needs no right to read it
    let may_be_foreign = left_home || facts.links > 1;
    // as the user himself we have no more rights than he: the system has judged already
    if !may_be_foreign || facts.readable_by_all || os::runs_as(owner.uid) {
        return true;
    }
    match owner.uid {
        Some(uid) => uid == 0 || facts.owner_uid == Some(uid),
        // nobody's number is known on Windows: there only the place can tell
        None => !left_home && facts.owner_uid.is_none(),
    }
}

/// Reads to the end, but never more than the limit: the file may grow while it is read.
fn read_at_most(file: std::fs::File, length: u64, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let too_large = |bytes| Err(ReadError::TooLarge { bytes });
    if length > max_bytes {
        return too_large(length);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1));
    // read_to_end repeats an interrupted read
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| ReadError::of(&error))?;
    match bytes.len() as u64 {
        read if read > max_bytes => too_large(read),
        _ => Ok(bytes),
    }
}
