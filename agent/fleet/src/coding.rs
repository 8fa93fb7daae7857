//! UTF-16 becomes UTF-8 on the way: PowerShell writes `mcpolicy scan … > report.json` so.

use std::borrow::Cow;

/// How the bytes of a file are to be read, as its first two say.
#[derive(Debug, Default)]
pub(crate) enum Coding {
    /// Fewer than two bytes were read.
    #[default]
    Unknown,
    /// The first byte, which alone says nothing.
    First(u8),
    /// As they are.
    Utf8,
    /// Two a unit.
    Utf16 {
        is_little: bool,
        /// The first half of a unit.
        half: Option<u8>,
        /// The first half of a character.
        high: Option<u16>,
    },
}

impl Coding {
    /// The bytes as UTF-8. What is no character becomes U+FFFD.
    pub(crate) fn decode<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        match (&mut *self, bytes) {
            (_, []) | (Self::Utf8, _) => Cow::Borrowed(bytes),
            (Self::Utf16 { is_little, half, high }, _) => Cow::Owned(utf8(*is_little, half, high, bytes)),
            (Self::Unknown, [only]) => {
                *self = Self::First(*only);
                Cow::Borrowed(&[])
            }
            (Self::Unknown, [first, second, rest @ ..]) => match Self::of(*first, *second) {
                Self::Utf8 => {
                    *self = Self::Utf8;
                    Cow::Borrowed(bytes)
                }
                other => {
                    *self = other;
                    self.decode(rest)
                }
            },
            (Self::First(first), [second, rest @ ..]) => {
                let first = *first;
                *self = Self::of(first, *second);
                let mut out = if matches!(self, Self::Utf8) { vec![first, *second] } else { Vec::new() };
                out.extend_from_slice(&self.decode(rest));
                Cow::Owned(out)
            }
        }
    }

    /// What is left when nothing comes any more.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        match std::mem::take(self) {
            Self::First(only) => vec![only],
            Self::Unknown | Self::Utf8 | Self::Utf16 { .. } => Vec::new(),
        }
    }

    fn of(first: u8, second: u8) -> Self {
        match (first, second) {
            (0xff, 0xfe) => Self::Utf16 { is_little: true, half: None, high: None },
            (0xfe, 0xff) => Self::Utf16 { is_little: false, half: None, high: None },
            _ => Self::Utf8,
        }
    }
}

fn utf8(is_little: bool, half: &mut Option<u8>, high: &mut Option<u16>, bytes: &[u8]) -> Vec<u8> {
    let mut units: Vec<u16> = high.take().into_iter().collect();
    for byte in bytes {
        match half.take() {
            None => *half = Some(*byte),
            Some(first) => {
                let pair = [first, *byte];
                units.push(if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) });
            }
        }
    }
    // the other half of the last character comes with the next piece
    if units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
        *high = units.pop();
    }
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], step: usize) -> String {
        let mut coding = Coding::default();
        let mut out = Vec::new();
        for piece in bytes.chunks(step) {
            out.extend_from_slice(&coding.decode(piece));
        }
        out.extend(coding.rest());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn utf_16_of_both_orders_becomes_utf_8_however_the_bytes_come() {
        let text = "{\"a\": \"Größe 🦀\"}\n";
        let units = || std::iter::once(0xfeff).chain(text.encode_utf16());
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        for step in 1..9 {
            assert_eq!(decoded(&little, step), text);
            assert_eq!(decoded(&big, step), text);
            assert_eq!(decoded(text.as_bytes(), step), text);
        }
        assert_eq!((decoded(b"", 1), decoded(b"x", 1)), (String::new(), "x".to_owned()));
    }
}
