//! What to do about an error of the disk.

use std::io::{self, ErrorKind};

use mcpolicy_platform::machine::ReadError;

/// What helps against it, to stand after the system's own words; nothing where those are all that is known.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "; run it as the user whose agent this is: the machine's is root's, one's own is run without root"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room on its disk",
        ErrorKind::ReadOnlyFilesystem => "; its disk is read-only: mount it for writing",
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            "; something else stands in its place: remove that"
        }
        _ => "",
    }
}

/// A refused read, of the kind that it is of.
pub(crate) fn of_read(error: &ReadError) -> io::Error {
    let kind = match error {
        ReadError::Denied | ReadError::UsersFile | ReadError::ForeignFile => ErrorKind::PermissionDenied,
        ReadError::NotFound | ReadError::Dangling => ErrorKind::NotFound,
        ReadError::Io(kind) => *kind,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_a_disk_has_the_advice_that_fits_it() {
        let said = |kind: ErrorKind| advice(&io::Error::from(kind));
        assert!(said(ErrorKind::PermissionDenied).contains("as the user"));
        assert!(said(ErrorKind::StorageFull).contains("room"));
        assert!(said(ErrorKind::ReadOnlyFilesystem).contains("read-only"));
        assert_eq!(said(ErrorKind::Other), "");
        assert_eq!(of_read(&ReadError::Denied).kind(), ErrorKind::PermissionDenied);
        assert_eq!(of_read(&ReadError::TooLarge { bytes: 1 }).to_string(), "is too large (1 or more)");
    }
}
