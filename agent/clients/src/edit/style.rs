//! How a file is laid out, so that what is added looks like the rest; and where its lines begin and end.

/// The manner of a file.
#[derive(Debug, Clone)]
pub(super) struct Style {
    /// Its first line ending.
    pub(super) newline: &'static str,
    /// One level of indentation.
    pub(super) unit: String,
    /// Whether it has more than one line.
    pub(super) lines: bool,
}

impl Style {
    pub(super) fn of(text: &str) -> Self {
        let newline = match memchr::memchr2(b'\n', b'\r', text.as_bytes()) {
            Some(at) if text[at..].starts_with("\r\n") => "\r\n",
            Some(at) if text[at..].starts_with('\r') => "\r",
            _ => "\n",
        };
        // by memchr: of a file in one line, thousands of entries may come back one by one
        let lines = memchr::memchr2(b'\n', b'\r', text.trim().as_bytes()).is_some();
        // The first line that is indented shows the width of a level, if it is not of a comment's picture.
        let starts = |c: char| c.is_alphanumeric() || matches!(c, '"' | '\'' | '<');
        let ends = memchr::memchr2_iter(b'\n', b'\r', text.as_bytes()).chain([text.len()]);
        let mut start = 0;
        let mut lines_of = ends.map(|end| &text[std::mem::replace(&mut start, end + 1)..end]);
        let indented =
            lines_of.find(|line| line.starts_with([' ', '\t']) && line.trim_start().starts_with(starts));
        let unit =
            indented.map_or("  ", |line| &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]);
        Self { newline, unit: unit.to_owned(), lines }
    }
}

/// The start of the line of a place.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    memchr::memrchr2(b'\n', b'\r', &text.as_bytes()[..at]).map_or(0, |newline| newline + 1)
}

/// The end of the line of a place, without its line ending.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    memchr::memchr2(b'\n', b'\r', &text.as_bytes()[at..]).map_or(text.len(), |newline| at + newline)
}

/// The byte after the line ending that stands at a place.
pub(super) fn after_newline(text: &str, at: usize) -> usize {
    match &text.as_bytes()[at..] {
        [b'\r', b'\n', ..] => at + 2,
        [b'\r' | b'\n', ..] => at + 1,
        _ => at,
    }
}

/// The first byte from a place on that is no blank.
pub(super) fn skip_blanks(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    at + rest.len() - rest.trim_start_matches([' ', '\t']).len()
}

/// The place after the last byte before a place that is no blank, but not before `floor`.
pub(super) fn back_over_blanks(text: &str, at: usize, floor: usize) -> usize {
    floor + text[floor..at].trim_end_matches([' ', '\t']).len()
}

/// The blanks at the start of the line of a place.
pub(super) fn indent(text: &str, at: usize) -> &str {
    let start = line_start(text, at);
    &text[start..skip_blanks(text, start).min(at.max(start))]
}

/// Whether only blanks stand before a place in its line.
pub(super) fn starts_line(text: &str, at: usize) -> bool {
    skip_blanks(text, line_start(text, at)) >= at
}

/// Whether only blanks stand between a place and the end of its line.
pub(super) fn ends_line(text: &str, at: usize) -> bool {
    let next = skip_blanks(text, at);
    next == text.len() || matches!(text.as_bytes()[next], b'\n' | b'\r')
}

/// Number of line endings in a range.
pub(super) fn newlines(text: &str) -> usize {
    let bytes = text.as_bytes();
    memchr::memchr2_iter(b'\n', b'\r', bytes)
        .filter(|at| bytes[*at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'))
        .count()
}

/// A text of several lines at another indentation: each line but the first loses `from`, as far as it has it, and
/// gets `to`.
pub(super) fn reindent(text: &str, from: &str, to: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if at == 0 || line.trim().is_empty() {
            out.push_str(line);
            continue;
        }
        let own = line.bytes().zip(from.bytes()).take_while(|(a, b)| a == b).count();
        out.push_str(to);
        out.push_str(&line[own..]);
    }
    out
}

/// The place before the line ending that stands before a place, if one does.
pub(super) fn back_over_newline(text: &str, at: usize) -> usize {
    let before = text[..at].strip_suffix('\n').map_or(at, str::len);
    text[..before].strip_suffix('\r').map_or(before, str::len)
}
