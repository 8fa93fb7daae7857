//! What all sinks have taken, as the writer keeps it.

use crate::cursor::Positions;
use crate::error::{SpoolError, disk};
use crate::files::{self, Files};
use crate::line;

/// The file.
pub(crate) const NAME: &str = "delivered";
/// The most that is read of it, in bytes.
const MAX_BYTES: usize = 64 << 10;

pub(crate) fn store(files: &mut dyn Files, positions: &Positions) -> Result<(), SpoolError> {
    let json = serde_json::to_vec(positions).map_err(|error| disk("write", NAME)(error.into()))?;
    files::replace(files, NAME, &line::encode(0, &json))
}

/// What was kept; nothing if the file is not as it was written, with which delivered records count as lost when they
/// are dropped.
pub(crate) fn load(files: &dyn Files) -> Result<Option<Positions>, SpoolError> {
    match files.read(NAME, 0, MAX_BYTES) {
        Ok(bytes) => Ok(line::single(&bytes)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Some(Positions::new())),
        Err(cause) => Err(disk("read", NAME)(cause)),
    }
}
