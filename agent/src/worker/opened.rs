//! What is told of a file that is open for an edit, and of how a commit of it ended.

use std::path::Path;

use mcpolicy_platform::secure_fs::{Original, ReplaceError, Replaced};

use super::{Answer, FileRights, Held, Opened};

/// What is told of a file that is open.
pub(super) fn opened(file: Option<&Original>, relative: &Path, bytes: Vec<u8>, held: Held) -> Opened {
    Opened {
        path: file.map_or(relative, Original::path).to_owned(),
        held,
        existed: file.is_some(),
        names: file.map_or(1, Original::names),
        rights: file.and_then(FileRights::of),
        stamp: file.map(Original::stamp),
        bytes,
    }
}

/// A change of which there is nothing more to tell.
pub(super) const COMMITTED: Answer = Answer::Committed { leftover: false, group_kept: true };

/// What is told of one that took the place of another.
pub(super) fn committed(replaced: &Replaced) -> Answer {
    Answer::Committed { leftover: replaced.left.is_some(), group_kept: replaced.group_kept }
}

/// The answer to either.
pub(super) fn written(replaced: Result<Answer, ReplaceError>) -> Result<Answer, String> {
    match replaced {
        Ok(committed) => Ok(committed),
        // what is there since is read back, and looked at at the next pass
        Err(ReplaceError::WrittenSince) => Ok(COMMITTED),
        Err(ReplaceError::Changed) => Ok(Answer::Changed),
        Err(error @ ReplaceError::Conflict { .. }) => Ok(Answer::Conflict(format!("the file {error}"))),
        Err(ReplaceError::Fault(fault)) => Err(format!("the file {fault}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_right_after_the_edit_does_not_undo_that_it_was_made() {
        let committed = |answer| matches!(answer, Ok(Answer::Committed { leftover: false, .. }));
        assert!(committed(written(Ok(COMMITTED))) && committed(written(Err(ReplaceError::WrittenSince))));
        assert!(matches!(written(Err(ReplaceError::Changed)), Ok(Answer::Changed)));
    }
}
