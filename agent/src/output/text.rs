//! Text that somebody else chose, made safe to show, measured and cut.

use std::borrow::Cow;
use std::fmt::Write as _;

pub(crate) use mcpolicy_schema::unseen::is_unseen;
use unicode_width::UnicodeWidthChar;

/// Combining marks in a row that real names use; more of them climb over the lines above.
const MAX_MARKS: usize = 2;

/// The text with every unseen character written out as `\u{1b}`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let mut marks = 0;
    if !text.chars().any(|c| needs_escape(c, &mut marks)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    marks = 0;
    for c in text.chars() {
        if needs_escape(c, &mut marks) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn needs_escape(c: char, marks: &mut usize) -> bool {
    if c.is_ascii() {
        *marks = 0;
        return c.is_ascii_control();
    }
    *marks = if c.width() == Some(0) { *marks + 1 } else { 0 };
    *marks > MAX_MARKS || is_unseen(c)
}

/// Columns of a text that [`visible`] has passed. Ambiguous characters count as one column.
pub(crate) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(|c| c.width().unwrap_or(0)).sum() }
}

/// The greatest part of the text that fits, in bytes; at least one character.
pub(crate) fn fit(text: &str, columns: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns && at > 0 {
            return at;
        }
    }
    text.len()
}

/// The lines of a text parted at spaces where they are wider than some columns; what follows stands a little behind the
/// start of its line. A word that is too wide stays whole: it is copied more often than looked at.
pub(crate) fn folded(text: &str, columns: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if width(line) <= columns {
            out.push_str(line);
        } else {
            fold_line(line, columns, &mut out);
        }
        out.push_str(end);
    }
    out
}

fn fold_line(line: &str, columns: usize, out: &mut String) {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let hang = if indent + 2 < columns / 2 { indent + 2 } else { 0 };
    let mut used = 0;
    for word in line.split_inclusive(' ') {
        let needed = width(word.trim_end());
        if used > hang && used + needed > columns {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', hang));
            used = hang;
        }
        out.push_str(word);
        used += width(word);
    }
}

/// The text cut to some columns, with an ellipsis where it was cut.
pub(crate) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    // what fits is never nothing, so that wrapping goes on
    let end = if columns < 2 { 0 } else { fit(text, columns - 1) };
    Cow::Owned(format!("{}…", &text[..end]))
}

/// The text cut in its middle: the end of a path says more than its start.
pub(crate) fn cut_middle(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns || columns < 8 {
        return cut(text, columns);
    }
    let tail_columns = (columns - 1) * 2 / 3;
    let head = &text[..fit(text, columns - 1 - tail_columns)];
    let mut start = text.len();
    let mut used = 0;
    for (at, c) in text.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > tail_columns {
            break;
        }
        start = at;
    }
    Cow::Owned(format!("{head}…{}", &text[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor_or_turn_the_line_round() {
        let shown = visible("a\u{1b}[2J\u{202e}b\u{200b}\n\u{9b}31m\u{7f}");
        assert_eq!(shown, "a\\u{1b}[2J\\u{202e}b\\u{200b}\\u{a}\\u{9b}31m\\u{7f}");
    }

    #[test]
    fn ordinary_text_of_any_language_stays_as_it_is() {
        for text in ["github", "Größe", "日本語", "e\u{301}", "हिन्दी", "C:\\Users\\a b"] {
            assert!(matches!(visible(text), Cow::Borrowed(shown) if shown == text), "{text}");
        }
    }

    #[test]
    fn piled_combining_marks_are_written_out() {
        assert_eq!(visible("a\u{301}\u{302}\u{303}b"), "a\u{301}\u{302}\\u{303}b");
    }

    #[test]
    fn cutting_counts_columns_not_bytes() {
        assert_eq!(cut("日本語日本語", 5), "日本…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut_middle("/very/long/path/to/mcp.json", 16), "/very…o/mcp.json");
        assert!((8..60).all(|n| width(&cut_middle(&"日本/x".repeat(20), n)) <= n));
    }
}
