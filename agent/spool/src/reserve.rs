//! A file of no use but its size: it goes when the disk is full, so that violations can still be written.

use std::io;

use crate::error::SpoolError;
use crate::files::{self, Files};

/// The file.
pub(crate) const NAME: &str = "reserve";
/// Bytes of one write.
const PIECE: usize = 256 << 10;

/// Makes the file as long as it has to be, if the disk has room for it; else there is none. Whether it is there.
pub(crate) fn make(files: &mut dyn Files, bytes: u64) -> bool {
    if bytes == 0 {
        return true;
    }
    let is_made = fill(files, bytes).is_ok();
    if !is_made {
        // half a reserve would take the room that is needed now
        let _ = files.remove(NAME);
    }
    is_made
}

fn fill(files: &mut dyn Files, bytes: u64) -> io::Result<()> {
    let mut length = match files.length(NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        other => other?,
    };
    if length >= bytes {
        return Ok(());
    }
    let piece = noise(usize::try_from(bytes).unwrap_or(PIECE).min(PIECE));
    while length < bytes {
        let more = usize::try_from(bytes - length).unwrap_or(PIECE).min(PIECE);
        files.append(NAME, piece.get(..more).unwrap_or(&piece))?;
        length += u64::try_from(more).unwrap_or(bytes);
    }
    files.sync(NAME)?;
    files.sync_directory()
}

/// Bytes that no file system makes shorter: on one that compresses, zeros would keep no room.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(step).flatten().take(bytes).collect()
}

/// Removes the file, and waits until its room is free.
pub(crate) fn give_up(files: &mut dyn Files) -> Result<(), SpoolError> {
    files::remove(files, NAME)?;
    // the room of a removed file may be free only when its removal is on the disk
    let _ = files.sync_directory();
    Ok(())
}
