//! Bytes to text: UTF-8, with or without a byte order mark, or UTF-16 with one.
//!
//! Clients on Node read bytes that are no UTF-8 as U+FFFD and go on (Claude Code 2.1.197, run): one such byte must not
//! hide what else is in the file. Here each becomes one DEL, which no policy can name, so that all places stay the same.

use std::borrow::Cow;

use super::{Leniencies, ParseError};

/// A decoded file.
#[derive(Debug, Clone)]
pub struct Text<'a> {
    /// The text, without byte order mark.
    pub text: Cow<'a, str>,
    /// `bom` and `utf16` as found.
    pub leniencies: Leniencies,
    /// Bytes before the text, to be added to its offsets. Offsets of a UTF-16 file are those of its UTF-8 form.
    pub skipped: usize,
    /// Where the first byte is that is no UTF-8.
    pub not_utf8: Option<usize>,
}

/// Decodes a file.
///
/// # Errors
/// Bytes that begin with what is not UTF-8, odd or unpaired UTF-16, NUL bytes (a sparse or binary file), or nothing but white space.
pub fn decode(bytes: &[u8]) -> Result<Text<'_>, ParseError> {
    let mut leniencies = Leniencies::default();
    let mut not_utf8 = None;
    let (text, skipped) = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => {
            leniencies.bom = true;
            (utf8(rest, &mut not_utf8)?, 3)
        }
        [0xFF, 0xFE, rest @ ..] => {
            leniencies.utf16 = true;
            (Cow::Owned(utf16(rest, u16::from_le_bytes)?), 0)
        }
        [0xFE, 0xFF, rest @ ..] => {
            leniencies.utf16 = true;
            (Cow::Owned(utf16(rest, u16::from_be_bytes)?), 0)
        }
        _ => (utf8(bytes, &mut not_utf8)?, 0),
    };
    if let Some(at) = memchr::memchr(0, text.as_bytes()) {
        return Err(ParseError::new("the file holds NUL bytes; it is not text", at));
    }
    if text.trim().is_empty() {
        return Err(ParseError::new("the file is empty", 0));
    }
    Ok(Text { text, leniencies, skipped, not_utf8 })
}

/// Stands for a byte that is no UTF-8: one byte, allowed in text of every format that is read leniently, and in no name.
const NO_UTF8: char = '\u{7f}';

fn utf8<'a>(bytes: &'a [u8], not_utf8: &mut Option<usize>) -> Result<Cow<'a, str>, ParseError> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(Cow::Borrowed(text)),
        Err(error) => error,
    };
    if bytes[..error.valid_up_to()].trim_ascii().is_empty() {
        return Err(ParseError::new("the file is not UTF-8", error.valid_up_to()));
    }
    *not_utf8 = Some(error.valid_up_to());
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n(NO_UTF8, chunk.invalid().len()));
    }
    Ok(Cow::Owned(text))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, ParseError> {
    if !bytes.len().is_multiple_of(2) {
        return Err(ParseError::new("the file is UTF-16 with an odd number of bytes", bytes.len()));
    }
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
    char::decode_utf16(units)
        .collect::<Result<String, _>>()
        .map_err(|_| ParseError::new("the file is not valid UTF-16", 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_dropped_and_noted() {
        let text = decode(b"\xEF\xBB\xBF{}").unwrap();
        assert_eq!((&*text.text, text.leniencies.bom, text.skipped), ("{}", true, 3));
    }

    #[test]
    fn a_byte_that_is_no_utf8_keeps_every_other_in_its_place() {
        let bytes = b"{\"a\": \"x\xff\xe2\x82y\", \"b\": 1}";
        let text = decode(bytes).unwrap();
        assert_eq!((text.text.len(), text.not_utf8), (bytes.len(), Some(8)));
        assert_eq!(&*text.text, "{\"a\": \"x\u{7f}\u{7f}\u{7f}y\", \"b\": 1}");
    }

    #[test]
    fn utf16_is_read_in_both_byte_orders() {
        assert_eq!(decode(b"\xFF\xFE{\0}\0").unwrap().text, "{}");
        assert_eq!(decode(b"\xFE\xFF\0{\0}").unwrap().text, "{}");
        assert!(decode(b"\xFF\xFE{").is_err());
    }

    #[test]
    fn empty_binary_and_nul_files_are_errors_not_empty_configs() {
        for bytes in [&b""[..], b" \n", b"\x00\x00\x00\x00", b"\xff\xc0\x80", b"{\"a\":\"\0\"}"] {
            assert!(decode(bytes).is_err());
        }
    }
}
