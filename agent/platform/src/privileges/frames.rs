//! How a worker and the one that started it talk: a length of four bytes, the greatest first, then that many bytes.
//!
//! The reader names the longest that it takes before it reads: the worker may be the user's by now.

use std::io::{self, ErrorKind, Read, Write};

/// Why a frame was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// There is no further frame.
    #[error("the other side has ended")]
    Closed,
    /// It ended in the middle of a frame.
    #[error("the other side has ended in the middle of an answer")]
    Truncated,
    /// More than allowed.
    #[error("an answer of {length} bytes, of which {cap} are allowed")]
    TooLarge {
        /// What the frame says.
        length: u64,
        /// What may be.
        cap: u64,
    },
    /// It took too long.
    #[error("no answer in time")]
    Deadline,
    /// The system refuses.
    #[error("the pipe failed ({0})")]
    Io(ErrorKind),
}

impl FrameError {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::TimedOut => Self::Deadline,
            ErrorKind::BrokenPipe => Self::Closed,
            ErrorKind::UnexpectedEof => Self::Truncated,
            kind => Self::Io(kind),
        }
    }
}

/// Writes one frame.
///
/// # Errors
/// The pipe fails, or the bytes are more than a length can say.
pub fn write(output: &mut impl Write, bytes: &[u8]) -> Result<(), FrameError> {
    let length = u32::try_from(bytes.len())
        .map_err(|_| FrameError::TooLarge { length: bytes.len() as u64, cap: u64::from(u32::MAX) })?;
    output.write_all(&length.to_be_bytes()).map_err(|error| FrameError::of(&error))?;
    output.write_all(bytes).map_err(|error| FrameError::of(&error))?;
    output.flush().map_err(|error| FrameError::of(&error))
}

/// Reads one frame of at most `cap` bytes. No memory is taken for bytes that have not come.
///
/// # Errors
/// The pipe ends or fails, or the frame is longer.
pub fn read(input: &mut impl Read, cap: u32) -> Result<Vec<u8>, FrameError> {
    let mut length = [0; 4];
    let mut done = 0;
    while done < length.len() {
        match input.read(&mut length[done..]) {
            Ok(0) if done == 0 => return Err(FrameError::Closed),
            Ok(0) => return Err(FrameError::Truncated),
            Ok(count) => done += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(FrameError::of(&error)),
        }
    }
    let length = u32::from_be_bytes(length);
    if length > cap {
        return Err(FrameError::TooLarge { length: u64::from(length), cap: u64::from(cap) });
    }
    let mut bytes = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut bytes).map_err(|error| FrameError::of(&error))?;
    if bytes.len() as u64 == u64::from(length) { Ok(bytes) } else { Err(FrameError::Truncated) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut pipe = Vec::new();
        write(&mut pipe, b"one").expect("written");
        write(&mut pipe, b"").expect("written");
        let mut input = &pipe[..];
        assert_eq!(read(&mut input, 3), Ok(b"one".to_vec()));
        assert_eq!(read(&mut input, 0), Ok(Vec::new()));
        assert_eq!(read(&mut input, 3), Err(FrameError::Closed));
    }

    #[test]
    fn a_frame_that_is_too_long_or_broken_off_is_refused() {
        let long = [0xff, 0xff, 0xff, 0xff, 1];
        let refused = FrameError::TooLarge { length: u64::from(u32::MAX), cap: 100 };
        assert_eq!(read(&mut &long[..], 100), Err(refused));
        assert_eq!(read(&mut &[0, 0][..], 100), Err(FrameError::Truncated));
        assert_eq!(read(&mut &[0, 0, 0, 5, b'a'][..], 100), Err(FrameError::Truncated));
        assert_eq!(read(&mut &[0, 0, 0, 1, b'a'][..], 0), Err(FrameError::TooLarge { length: 1, cap: 0 }));
    }
}
