//! Source to snapshot: each file is read once, safely, or its failure is told.

use std::path::Path;

use mcpolicy_platform::machine::{Machine, Owner, ReadError, Snapshot};
use mcpolicy_schema::finding::{Finding, FindingCode, Severity};
use mcpolicy_schema::limits::MAX_FILE_BYTES;

use crate::gap::Gap;

/// Why a source gave no bytes.
pub struct Failure {
    /// The finding about the file, where it deserves one.
    pub finding: Option<Finding>,
    /// The gap in coverage.
    pub gap: Gap,
}

/// What reading a path gave.
pub enum Read {
    /// Nothing is there.
    Absent,
    /// The bytes, with findings about the file itself.
    Snapshot(Snapshot, Vec<Finding>),
    /// Something is there but cannot be read.
    Failed(Box<Failure>),
}

/// Reads one configuration file.
/// `tell` is told its size before it is read.
pub fn read(machine: &Machine, path: &Path, owner: Option<&Owner>, tell: &dyn Fn(u64)) -> Read {
    match machine.read_telling(path, owner, MAX_FILE_BYTES, tell) {
        Ok(snapshot) => {
            let findings = findings_of(&snapshot);
            Read::Snapshot(snapshot, findings)
        }
        Err(ReadError::NotFound) => Read::Absent,
        Err(error) => Read::Failed(Box::new(failure(path, &error))),
    }
}

fn findings_of(snapshot: &Snapshot) -> Vec<Finding> {
    let mut out = Vec::new();
    if snapshot.left_home && snapshot.followed_link {
        out.push(Finding::new(
            FindingCode::SymlinkLeavesHome,
            "the file is a link to a place outside the home",
        ));
    }
    if snapshot.writable_by_others {
        out.push(Finding::new(FindingCode::WritableByOthers, "group or others may write this file"));
    }
    out
}

fn failure(path: &Path, error: &ReadError) -> Failure {
    let (kind, code, message) = match error {
        ReadError::NotRegular(kind) => (
            "not-a-regular-file",
            Some(FindingCode::NotARegularFile),
            format!("a {} stands here", kind.as_str()),
        ),
        ReadError::TooLarge { bytes } => (
            "too-large",
            Some(FindingCode::ConfigTooLarge),
            format!(
                "the file has {bytes} bytes; no more than {MAX_FILE_BYTES} are read: look at it by hand, and make it smaller"
            ),
        ),
        ReadError::Denied => {
            ("unreadable", Some(FindingCode::UnreadableConfig), "permission denied".to_owned())
        }
        ReadError::LinkLoop => {
            ("unreadable", Some(FindingCode::UnreadableConfig), "the link leads back to itself".into())
        }
        ReadError::OfProcess => {
            let message = "the link leads elsewhere for each process, and is not followed: make it lead to a file";
            ("unreadable", Some(FindingCode::UnreadableConfig), message.to_owned())
        }
        ReadError::Dangling => {
            ("unreadable", Some(FindingCode::UnreadableConfig), "the link leads nowhere".to_owned())
        }
        ReadError::LeavesScope { .. } => (
            "outside-scope",
            Some(FindingCode::SymlinkLeavesHome),
            "the link leads out of what is scanned".to_owned(),
        ),
        ReadError::ForeignFile => (
            "foreign-file",
            Some(FindingCode::SymlinkLeavesHome),
            "the file lies outside the home, or has names there, and this user may not read it".to_owned(),
        ),
        ReadError::UsersFile => (
            "foreign-file",
            Some(FindingCode::UnreadableConfig),
            "the file belongs to a user, in a place that is machine-wide or root's: it is not read with root's rights"
                .to_owned(),
        ),
        ReadError::NotFound => ("unreadable", None, "not found".to_owned()),
        ReadError::Io(kind) => {
            ("unreadable", Some(FindingCode::UnreadableConfig), format!("read error: {kind}"))
        }
    };
    let finding = code.map(|code| {
        let finding = Finding::new(code, message.clone());
        // A link that leads nowhere is common in dotfiles and hides nothing.
        if matches!(error, ReadError::Dangling) { finding.weighing(Severity::Low) } else { finding }
    });
    Failure { finding, gap: Gap::at(kind, message, path) }
}
