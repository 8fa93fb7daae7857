//! Taking out whole lines, with the blank lines that are too many then.

use std::ops::Range;

use super::style::{after_newline, back_over_newline, line_end, line_start, skip_blanks};

/// Lines that are taken out.
pub(super) struct Cut {
    pub(super) range: Range<usize>,
    /// Whether a blank line or nothing stands before it.
    after_blank: bool,
    /// Where the cuts begin that touch each other up to this one.
    upper: usize,
    /// What goes beside it at the end of the file, above the cuts that it touches: it belongs to none of them.
    pub(super) above: Range<usize>,
}

impl Cut {
    /// Of whole lines; `floor` is where what stands before them ends, which may be a text with blank lines at its end,
    /// `before` is the cut before them. Of the blank lines on both sides, one side goes; at the end of the file, those
    /// before it, and the line ending too if the file has none at its end.
    ///
    /// No cut takes anything of the one before it along: each is kept as the text of one entry by itself.
    pub(super) fn closing_up(
        text: &str,
        lines: Range<usize>,
        floor: Option<usize>,
        before: Option<&Self>,
    ) -> Self {
        let Range { mut start, mut end } = lines;
        let rest = blanks_below(text, end);
        let is_last = rest == text.len();
        let touches = |before: &&Self| {
            let between = text.get(before.range.end..start);
            between.is_some_and(|between| between.is_empty() || is_last && between.trim().is_empty())
        };
        let before = before.filter(touches);
        let after_blank = match before {
            Some(before) => before.after_blank,
            None => floor == Some(start) || start == 0 || is_blank(text, line_before(text, start)),
        };
        let mut upper = before.map_or(start, |before| before.upper);
        let mut above = upper..upper;
        if is_last {
            upper = blanks_above(text, upper, floor.unwrap_or(0));
            if end == text.len() && !text.ends_with(['\n', '\r']) {
                upper = back_over_newline(text, upper);
            }
            above.start = upper;
            start = before.map_or(upper, |before| before.range.end);
            if before.is_none() {
                above = upper..upper;
            }
        } else if after_blank {
            end = rest;
        }
        Self { range: start..end, after_blank, upper, above }
    }

    /// Of these lines and nothing more.
    pub(super) fn only(lines: Range<usize>) -> Self {
        Self { upper: lines.start, above: lines.start..lines.start, range: lines, after_blank: false }
    }
}

/// The end of the blank lines from a line on.
fn blanks_below(text: &str, mut at: usize) -> usize {
    while at < text.len() && is_blank(text, at) {
        at = after_newline(text, line_end(text, at));
    }
    at
}

/// The start of the blank lines before a line, but not before `floor`.
fn blanks_above(text: &str, mut at: usize, floor: usize) -> usize {
    while at > floor && line_before(text, at) >= floor && is_blank(text, line_before(text, at)) {
        at = line_before(text, at);
    }
    at
}

/// The start of the line before the one that starts here.
pub(super) fn line_before(text: &str, start: usize) -> usize {
    line_start(text, back_over_newline(text, start))
}

/// Whether a line is a comment of its own.
pub(super) fn is_comment(text: &str, line: usize) -> bool {
    text[skip_blanks(text, line)..].starts_with('#')
}

/// Whether a line has nothing but white space.
pub(super) fn is_blank(text: &str, line: usize) -> bool {
    text[line..line_end(text, line)].trim().is_empty()
}

/// Where the comment lines begin that stand directly above a line and not before `floor`, as far as `belongs` says so
/// of each. Those that the file begins with are its header.
pub(super) fn comments_above(
    text: &str,
    line: usize,
    floor: usize,
    belongs: impl Fn(usize) -> bool,
) -> usize {
    let mut start = line;
    while start > floor {
        let above = line_before(text, start);
        if above < floor || !is_comment(text, above) || !belongs(above) {
            break;
        }
        start = above;
    }
    if start == 0 && is_comment(text, 0) { line } else { start }
}
