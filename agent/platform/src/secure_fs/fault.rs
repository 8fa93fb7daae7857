//! Why a file was not read, or not replaced. Never holds content, nor a path: the caller knows which file it asked for.

use std::path::PathBuf;

use crate::machine::FileKind;

/// Why a file of a home is not read or not written. Each has a stable [word](Self::word) for findings and the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing is there.
    #[error("no such file")]
    NotFound,
    /// The path is empty, absolute or goes up, or a name in it cannot be one.
    #[error("is not a path below the home: name it relative to the home, without `..`")]
    BadPath,
    /// A link on the way leads out of the home.
    #[error("its link leads out of the home: put the file itself there, or link to one in the home")]
    LeavesHome,
    /// Links lead round in a circle, or through more than 40 of them.
    #[error("its links lead round in a circle: remove one of them")]
    Loop,
    /// Something else than a regular file, or for a home than a directory.
    #[error("is a {}: put a regular file in its place", .0.as_str())]
    NotRegular(FileKind),
    /// It belongs to somebody else.
    #[error("belongs to user {uid}, not to the owner of the home: give it to the owner")]
    ForeignOwner {
        /// Whose it is.
        uid: u32,
    },
    /// A home that others than its owner may write: names in it prove nothing.
    #[error("may be written by its group or by everybody: take that right away")]
    WritableByOthers,
    /// It has another name somewhere, and whose it is cannot be told here (Windows).
    #[error("has {links} names: copy it, so that it has one")]
    HardLinked {
        /// How many names it has.
        links: u64,
    },
    /// More than allowed.
    #[error("is too large ({bytes} bytes or more)")]
    TooLarge {
        /// Bytes seen.
        bytes: u64,
    },
    /// The home is on a file system that is not edited: another machine's, or one that a user's program serves.
    #[error("is on a file system that is not edited ({kind}): enforce on the machine that has the disk")]
    UnsupportedFileSystem {
        /// Its name, or its number where it has none here.
        kind: String,
    },
    /// Something is mounted on the way.
    #[error("is on another mount than the home: unmount what lies over the home")]
    OtherMount,
    /// The system refuses to read.
    #[error("may not be read (error {0} of the system): give the owner the right to read it")]
    Denied(i32),
    /// The system refuses to write: a read-only mount, a mode, or an immutable file.
    #[error(
        "may not be written (error {0} of the system): look for a read-only mount, a mode or an immutable flag"
    )]
    ReadOnly(i32),
    /// No room on the disk or in the quota.
    #[error("there is no room to write it (error {0} of the system): free space or raise the quota")]
    NoSpace(i32),
    /// Another program holds it and lets nobody in: a lease on Unix, a share mode on Windows.
    #[error("is held by another program: end that program")]
    InUse,
    /// It was rewritten each time it was read.
    #[error("changes while it is read: it is read again later")]
    Unstable,
    /// This system has no such thing.
    #[error("this system cannot do it yet")]
    Unsupported,
    /// Any other failure of the system.
    #[error("failed (error {0} of the system)")]
    Io(i32),
}

impl Fault {
    /// The stable word: `revert_failed:no_space`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::BadPath => "bad_path",
            Self::LeavesHome => "link_external",
            Self::Loop => "link_loop",
            Self::NotRegular(_) => "not_regular",
            Self::ForeignOwner { .. } => "foreign_owner",
            Self::WritableByOthers => "writable_by_others",
            Self::HardLinked { .. } => "hard_linked",
            Self::TooLarge { .. } => "too_large",
            Self::UnsupportedFileSystem { .. } => "unsupported_fs",
            Self::OtherMount => "mount_crossing",
            Self::Denied(_) => "denied",
            Self::ReadOnly(_) => "read_only",
            Self::NoSpace(_) => "no_space",
            Self::InUse => "in_use",
            Self::Unstable => "unstable",
            Self::Unsupported => "unsupported",
            Self::Io(_) => "io",
        }
    }

    /// The system's number of the error, where one was given.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Denied(errno) | Self::ReadOnly(errno) | Self::NoSpace(errno) | Self::Io(errno) => {
                Some(*errno)
            }
            _ => None,
        }
    }
}

/// Why a file was not replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceError {
    /// Somebody wrote the file since it was read. What he wrote is in place and nothing of ours is: read it again.
    #[error("was changed meanwhile: read it again")]
    Changed,
    /// Ours was put in place, and somebody has written the file since: what he made of it stands there.
    #[error("was replaced and has been written since")]
    WrittenSince,
    /// Writes of the user crossed ours, and it is not sure that his programs have seen all of them: the newest stands
    /// in the file, and one of them (the same, where a program may be about to save over it) was kept beside it, so
    /// that nothing is lost.
    #[error(
        "was changed several times meanwhile: look at the file beside it whose name begins with `.mcpolicy.`"
    )]
    Conflict {
        /// The file that holds that content, relative to the home.
        kept: PathBuf,
    },
    /// The system refuses. Nothing of ours is in place.
    #[error("{0}")]
    Fault(#[from] Fault),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_word_of_its_own_and_says_what_to_do() {
        let faults = [
            Fault::NotFound,
            Fault::BadPath,
            Fault::LeavesHome,
            Fault::Loop,
            Fault::NotRegular(FileKind::Fifo),
            Fault::ForeignOwner { uid: 1 },
            Fault::WritableByOthers,
            Fault::HardLinked { links: 2 },
            Fault::TooLarge { bytes: 3 },
            Fault::UnsupportedFileSystem { kind: "nfs".to_owned() },
            Fault::OtherMount,
            Fault::Denied(13),
            Fault::ReadOnly(30),
            Fault::NoSpace(28),
            Fault::InUse,
            Fault::Unstable,
            Fault::Unsupported,
            Fault::Io(5),
        ];
        let words: std::collections::BTreeSet<_> = faults.iter().map(Fault::word).collect();
        assert_eq!(words.len(), faults.len());
        for fault in &faults {
            let text = fault.to_string();
            assert!(!text.ends_with('.') && text.chars().next().is_some_and(char::is_lowercase), "{text}");
        }
        assert_eq!(Fault::Io(5).errno(), Some(5));
        assert_eq!(Fault::Loop.errno(), None);
    }
}
