//! One message: a length of four bytes, the greatest first, then `{"v":1,"body":…}` in so many bytes.
//!
//! The version is looked at before anything else of a message, so that an agent and a command of different releases say so
//! to each other, and do not misunderstand.

use std::io::{Read, Write};

use mcpolicy_platform::privileges::frames::{self, FrameError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version that is spoken.
pub const VERSION: u32 = 1;
/// Longest question, in bytes, without its length.
pub const MAX_QUESTION: u32 = 1 << 20;
/// Longest answer: a policy of ten thousand rules has some megabytes.
pub const MAX_ANSWER: u32 = 64 << 20;

/// Why a message was not read or written. None shows anything of its content, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// There is no further message.
    #[error("the other side has closed the channel")]
    Closed,
    /// It ended in the middle of a message.
    #[error("the other side has closed the channel in the middle of a message")]
    Truncated,
    /// Longer than allowed.
    #[error("a message of {length} bytes is longer than any may be")]
    TooLong {
        /// How long.
        length: u64,
    },
    /// Not all of it came, or went, in time.
    #[error("the other side was too slow")]
    Late,
    /// Another version.
    #[error(
        "the other side speaks version {theirs} of the channel, and this mcpolicy speaks {VERSION}: after an upgrade, restart \
         the agent"
    )]
    Version {
        /// Its version.
        theirs: u32,
    },
    /// Not what a message is.
    #[error("what came is no message that is known here (it goes wrong at byte {at})")]
    Malformed {
        /// Where it goes wrong, in bytes from the beginning of its JSON.
        at: usize,
    },
    /// The system refuses.
    #[error("the channel failed ({0})")]
    Io(std::io::ErrorKind),
}

impl From<FrameError> for MessageError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Closed => Self::Closed,
            FrameError::Truncated => Self::Truncated,
            FrameError::TooLarge { length, .. } => Self::TooLong { length },
            FrameError::Deadline => Self::Late,
            FrameError::Io(kind) => Self::Io(kind),
        }
    }
}

#[derive(Serialize)]
struct Sent<'b, T> {
    v: u32,
    body: &'b T,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Came<T> {
    #[expect(dead_code, reason = "looked at before")]
    v: u32,
    body: T,
}

/// All that every version has in common.
#[derive(Deserialize)]
struct OfAnyVersion {
    v: u32,
}

/// Writes one message.
///
/// # Errors
/// It is too long, or the channel ends, fails or is too slow.
pub fn write<T: Serialize>(output: &mut impl Write, body: &T, max: u32) -> Result<(), MessageError> {
    let bytes =
        serde_json::to_vec(&Sent { v: VERSION, body }).map_err(|_| MessageError::Malformed { at: 0 })?;
    let length = bytes.len() as u64;
    if length > u64::from(max) {
        return Err(MessageError::TooLong { length });
    }
    Ok(frames::write(output, &bytes)?)
}

/// Reads one message. No memory is taken for bytes that have not come, whatever length they announce.
///
/// # Errors
/// It is longer than `max`, of another version or none at all, or the channel ends, fails or is too slow.
pub fn read<T: DeserializeOwned>(input: &mut impl Read, max: u32) -> Result<T, MessageError> {
    let bytes = frames::read(input, max)?;
    let malformed = |error: &serde_json::Error| MessageError::Malformed { at: place_of(error, &bytes) };
    let version: OfAnyVersion = serde_json::from_slice(&bytes).map_err(|error| malformed(&error))?;
    if version.v != VERSION {
        return Err(MessageError::Version { theirs: version.v });
    }
    let came: Came<T> = serde_json::from_slice(&bytes).map_err(|error| malformed(&error))?;
    Ok(came.body)
}

/// The text of an error quotes what came; its place tells nothing.
fn place_of(error: &serde_json::Error, bytes: &[u8]) -> usize {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    (lines.map(<[u8]>::len).sum::<usize>() + error.column()).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        text: String,
        numbers: Vec<u64>,
    }

    fn body() -> impl Strategy<Value = Body> {
        (".{0,40}", proptest::collection::vec(any::<u64>(), 0..8))
            .prop_map(|(text, numbers)| Body { text, numbers })
    }

    fn framed(json: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(json.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(json);
        bytes
    }

    /// Gives its bytes out in pieces, as a channel does.
    struct InPieces<'b> {
        bytes: &'b [u8],
        pieces: std::iter::Cycle<std::vec::IntoIter<usize>>,
    }

    impl Read for InPieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let most = self.pieces.next().unwrap_or(1).min(buffer.len()).min(self.bytes.len());
            let (now, rest) = self.bytes.split_at(most);
            buffer[..most].copy_from_slice(now);
            self.bytes = rest;
            Ok(most)
        }
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_the_channel_cuts_them(
            bodies in proptest::collection::vec(body(), 1..5),
            pieces in proptest::collection::vec(1usize..20, 1..10),
        ) {
            let mut bytes = Vec::new();
            for body in &bodies {
                write(&mut bytes, body, MAX_QUESTION).unwrap();
            }
            let mut input = InPieces { bytes: &bytes, pieces: pieces.into_iter().cycle() };
            for body in &bodies {
                prop_assert_eq!(&read::<Body>(&mut input, MAX_QUESTION).unwrap(), body);
            }
            prop_assert_eq!(read::<Body>(&mut input, MAX_QUESTION), Err(MessageError::Closed));
        }

        #[test]
        fn a_message_that_is_cut_off_anywhere_is_no_message(body in body(), part in 0.0f64..1.0) {
            let mut bytes = Vec::new();
            write(&mut bytes, &body, MAX_QUESTION).unwrap();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a small length")]
            let cut = (bytes.len() as f64 * part) as usize;
            let expected = if cut == 0 { MessageError::Closed } else { MessageError::Truncated };
            prop_assert_eq!(read::<Body>(&mut &bytes[..cut], MAX_QUESTION), Err(expected));
        }

        #[test]
        fn a_length_above_the_cap_is_refused_before_anything_of_it_is_read(length in MAX_QUESTION + 1..) {
            let mut bytes = length.to_be_bytes().to_vec();
            bytes.extend_from_slice(b"rest");
            let mut input = &bytes[..];
            let refused = MessageError::TooLong { length: u64::from(length) };
            prop_assert_eq!(read::<Body>(&mut input, MAX_QUESTION), Err(refused));
            prop_assert_eq!(input, b"rest");
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(json in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read::<Body>(&mut &framed(&json)[..], MAX_QUESTION).is_err());
        }

        #[test]
        fn another_version_is_told_whatever_else_it_says(version in 2u32.., other in "[a-z]{1,8}") {
            let json = format!(r#"{{"{other}x":[1],"v":{version},"body":{{"new":true}}}}"#);
            let told = MessageError::Version { theirs: version };
            prop_assert_eq!(read::<Body>(&mut &framed(json.as_bytes())[..], MAX_QUESTION), Err(told));
        }
    }

    #[test]
    fn a_message_of_just_the_cap_goes_through_and_a_byte_more_does_not() {
        let around = serde_json::to_vec(&Sent { v: VERSION, body: &"" }).unwrap().len();
        let longest = "x".repeat(MAX_QUESTION as usize - around);
        let mut bytes = Vec::new();
        write(&mut bytes, &longest, MAX_QUESTION).unwrap();
        assert_eq!(bytes.len(), MAX_QUESTION as usize + 4);
        assert_eq!(read::<String>(&mut &bytes[..], MAX_QUESTION), Ok(longest.clone()));
        let length = u64::from(MAX_QUESTION) + 1;
        let mut none = Vec::new();
        assert_eq!(write(&mut none, &(longest + "x"), MAX_QUESTION), Err(MessageError::TooLong { length }));
        assert!(none.is_empty(), "half a message was written");
    }

    #[test]
    fn an_error_tells_where_it_goes_wrong_and_shows_nothing_of_what_came() {
        let json = br#"{"v":1,"body":{"text":"","numbers":[],"hunter2":1}}"#;
        let error = read::<Body>(&mut &framed(json)[..], MAX_QUESTION).unwrap_err();
        assert!(matches!(error, MessageError::Malformed { at: 39..=48 }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert_eq!(
            read::<Body>(&mut &framed(b"{}")[..], MAX_QUESTION),
            Err(MessageError::Malformed { at: 2 })
        );
    }
}
