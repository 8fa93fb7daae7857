//! Text that somebody else chose, put into a Markdown table: names of servers come from attackers too, and a comment on
//! a change is read by the people who approve it.

use std::fmt::Write as _;

use crate::output::text::{cut_middle, visible};

/// Columns of one text.
const COLUMNS: usize = 120;

/// The text as a code span, the middle of a long one left out.
pub(crate) fn code(text: &str) -> String {
    span(&cut_middle(&visible(text), COLUMNS))
}

/// The whole text as a code span that it cannot leave: no mention, link, emoji, HTML or table cell can be made in one. A
/// backtick would end it, and `|` would end the cell even behind a backslash.
pub(crate) fn whole(text: &str) -> String {
    span(&visible(text))
}

fn span(shown: &str) -> String {
    if shown.trim().is_empty() {
        return "–".to_owned();
    }
    let mut out = String::with_capacity(shown.len() + 2);
    out.push('`');
    for c in shown.chars() {
        match c {
            '`' | '|' => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('`');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_code_span_or_its_cell() {
        for hostile in
            ["` @everyone `", "a | b", "a \\| b", "``` ```", "<img src=x>\n\n# x", "\u{202e}x\u{1b}[31m"]
        {
            let shown = code(hostile);
            let inside = shown.strip_prefix('`').and_then(|s| s.strip_suffix('`')).unwrap();
            assert!(!inside.contains(['`', '|', '\n', '\u{202e}', '\u{1b}']), "{shown}");
            assert_eq!(whole(hostile), shown);
        }
        assert_eq!(code("npm:@scope/name"), "`npm:@scope/name`");
        assert_eq!(code(" "), "–");
        let long = "a ".repeat(COLUMNS);
        assert!(code(&long).len() < long.len() && whole(&long).starts_with(&format!("`{}", long.trim_end())));
    }
}
