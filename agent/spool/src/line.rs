//! One line: `<crc32c, 8 hex> <time, ms since 1970> <json>`. And the notes that the queue keeps between records.

use mcpolicy_schema::report::v1::{Chain, Loss};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How the JSON of a note begins; no record's does.
const NOTE: &[u8] = b"{\"spool\":";
/// Hex digits of a checksum.
const CHECK: usize = 8;

/// What the queue notes for itself in a segment. A reader passes over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "spool", rename_all = "kebab-case")]
pub(crate) enum Note {
    /// Numbers that are missing here, and that are counted.
    Hole {
        /// Their epoch.
        epoch: String,
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The next records, one for each, tell of these losses. Without all of them it does not hold.
    Counted {
        /// The losses.
        losses: Vec<Loss>,
    },
}

/// A line whose checksum is right.
pub(crate) struct Parsed<'a> {
    pub(crate) time_ms: u64,
    pub(crate) json: &'a [u8],
}

/// What such a line holds.
pub(crate) enum Content {
    Record(Chain),
    Note(Note),
}

/// The part of a record that the queue looks at.
#[derive(Deserialize)]
struct Linked {
    chain: Chain,
}

/// A line, with its end.
pub(crate) fn encode(time_ms: u64, json: &[u8]) -> Vec<u8> {
    let time = format!("{time_ms} ");
    let check = crc32c::crc32c_append(crc32c::crc32c(time.as_bytes()), json);
    let mut line = format!("{check:08x} {time}").into_bytes();
    line.extend_from_slice(json);
    line.push(b'\n');
    line
}

/// A line without its end; nothing if it is not as it was written.
pub(crate) fn parse(line: &[u8]) -> Option<Parsed<'_>> {
    let (check, rest) = line.split_at_checked(CHECK)?;
    let checked = rest.strip_prefix(b" ")?;
    if format!("{:08x}", crc32c::crc32c(checked)).as_bytes() != check {
        return None;
    }
    let space = checked.iter().position(|byte| *byte == b' ')?;
    let (time, json) = checked.split_at(space);
    Some(Parsed { time_ms: std::str::from_utf8(time).ok()?.parse().ok()?, json: json.get(1..)? })
}

/// What the JSON of a line says to the queue; nothing if it is no JSON, or has no chain.
pub(crate) fn content(json: &[u8]) -> Option<Content> {
    if is_note(json) {
        return serde_json::from_slice(json).ok().map(Content::Note);
    }
    chain_of(json).map(Content::Record)
}

/// Whether it is a note, or would be taken for one.
pub(crate) fn is_note(json: &[u8]) -> bool {
    json.starts_with(NOTE)
}

/// The chain of a record.
pub(crate) fn chain_of(json: &[u8]) -> Option<Chain> {
    serde_json::from_slice::<Linked>(json).ok().map(|linked| linked.chain)
}

/// A note as a line. Writing one cannot fail: it has no map with other keys than texts.
pub(crate) fn encode_note(time_ms: u64, note: &Note) -> Vec<u8> {
    encode(time_ms, &serde_json::to_vec(note).unwrap_or_default())
}

/// What a file with one such line holds.
pub(crate) fn single<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(parse(bytes.strip_suffix(b"\n")?)?.json).ok()
}

/// SHA-256 of the JSON of a record, 64 hex digits: what the next one hangs on.
pub(crate) fn digest(json: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(json);
    digest
        .iter()
        .flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// What the first record of an epoch hangs on.
pub(crate) fn nothing_before() -> String {
    "0".repeat(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_a_person_and_another_program_expect_it() {
        // the check value of CRC-32C
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        let line = encode(1_700_000_000_123, br#"{"a":1}"#);
        assert_eq!(String::from_utf8(line).unwrap(), "81d8a88e 1700000000123 {\"a\":1}\n");
    }

    #[test]
    fn a_line_with_any_bit_turned_is_none() {
        let line = encode(12, br#"{"chain":{"epoch":"e","seq":1,"prev":"0"}}"#);
        let line = line.strip_suffix(b"\n").unwrap();
        assert_eq!(parse(line).unwrap().time_ms, 12);
        for bit in 0..line.len() * 8 {
            let mut turned = line.to_vec();
            turned[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&turned).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_note_begins_as_no_record_does() {
        let note = Note::Hole { epoch: "e".to_owned(), first: 1, last: 2 };
        let line = encode_note(0, &note);
        let json = parse(line.strip_suffix(b"\n").unwrap()).unwrap().json;
        assert!(matches!(content(json), Some(Content::Note(read)) if read == note));
    }
}
