//! Names of segments, and the lines in one.

use mcpolicy_schema::report::v1::{Chain, Class};

use crate::error::{SpoolError, disk};
use crate::files::Files;
use crate::line::{self, Content, Note};

/// Ending of a segment's name.
const ENDING: &str = ".ndjson";
/// Digits of the first number in a name, so that names sort as numbers do.
const DIGITS: usize = 16;
/// The most that is read of one segment, in bytes; none of ours is longer.
const MAX_READ: usize = 16 << 20;

/// The file of the segment that begins with a number.
pub(crate) fn name(class: Class, first: u64) -> String {
    format!("{}-{first:0DIGITS$}{ENDING}", class.as_str())
}

/// The first numbers of the segments of a class among names, ascending.
pub(crate) fn firsts(names: &[String], class: Class) -> Vec<u64> {
    let mut firsts: Vec<u64> = names
        .iter()
        .filter_map(|name| {
            let digits = name.strip_prefix(class.as_str())?.strip_prefix('-')?.strip_suffix(ENDING)?;
            let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|first| is_number && *first > 0)
        })
        .collect();
    firsts.sort_unstable();
    firsts
}

/// The bytes of a segment.
pub(crate) fn read(files: &dyn Files, name: &str) -> Result<Vec<u8>, SpoolError> {
    files.read(name, 0, MAX_READ).map_err(disk("read", name))
}

/// Bytes up to and with the last mark, an empty line: what is before it is on the disk.
pub(crate) fn marked(bytes: &[u8]) -> usize {
    match bytes.windows(2).rposition(|pair| pair == b"\n\n") {
        Some(at) => at + 2,
        None => usize::from(bytes.first() == Some(&b'\n')),
    }
}

/// One line and where it stands.
pub(crate) struct Placed<'a> {
    pub(crate) start: usize,
    /// Behind its end of line.
    pub(crate) end: usize,
    pub(crate) item: Item<'a>,
}

/// What a line is.
pub(crate) enum Item<'a> {
    Record {
        chain: Chain,
        time_ms: u64,
        json: &'a [u8],
    },
    Note(Note),
    /// An empty line: all before it is on the disk.
    Mark,
    /// Not whole, not as it was written, or not ours.
    Bad,
}

/// The lines, in their order.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = Placed<'_>> {
    let mut start = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let placed = Placed { start, end: start + line.len(), item: item(line) };
        start = placed.end;
        placed
    })
}

fn item(line: &[u8]) -> Item<'_> {
    let Some(line) = line.strip_suffix(b"\n") else { return Item::Bad };
    if line.is_empty() {
        return Item::Mark;
    }
    let Some(parsed) = line::parse(line) else { return Item::Bad };
    match line::content(parsed.json) {
        Some(Content::Record(chain)) => Item::Record { chain, time_ms: parsed.time_ms, json: parsed.json },
        Some(Content::Note(note)) => Item::Note(note),
        None => Item::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_class_with_sixteen_digits_are_segments() {
        let names = [
            "event-0000000000000021.ndjson",
            "event-0000000000000003.ndjson",
            "event-0000000000000003.ndjson.new",
            "event-0000000000000000.ndjson",
            "event-+000000000000007.ndjson",
            "event-9.ndjson",
            "state-0000000000000004.ndjson",
            "reserve",
        ];
        assert_eq!(firsts(&names.map(str::to_owned), Class::Event), [3, 21]);
        assert_eq!(name(Class::ToolCall, 7), "tool-call-0000000000000007.ndjson");
    }

    #[test]
    fn what_is_before_the_last_empty_line_is_marked() {
        for (text, through) in
            [("", 0), ("a\n", 0), ("a\n\n", 3), ("a\n\nb\n", 3), ("a\n\nb\n\n\n", 7), ("\nb", 1)]
        {
            assert_eq!(marked(text.as_bytes()), through, "{text:?}");
        }
    }
}
