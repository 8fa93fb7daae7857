//! Text that somebody else chose, put into a Markdown table: names of servers come from attackers too, and a comment on
//! a change is read by the people who approve it.

use std::fmt::Write as _;

use crate::output::text::{cut_middle, visible};

/// The text as one cell: no markup, no link, no mention, no new cell or line.
pub fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // An entity keeps the platform from seeing a mention, a reference or an address.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            ':' => out.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// Columns of one text.
const COLUMNS: usize = 120;

/// The text as a code span that it cannot leave: no mention, link, emoji, HTML or table cell can be made in one. A
/// backtick would end it, and `|` would end the cell even behind a backslash.
pub(crate) fn code(text: &str) -> String {
    let shown = visible(text);
    let shown = cut_middle(&shown, COLUMNS);
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
    fn a_name_can_neither_leave_its_cell_nor_call_anybody() {
        let shown = cell("a|b\n`c` <img src=x> @team #1 [x](https://evil.example) **b** \u{202e}");
        assert!(!shown.contains(['\n', '<', '@', '\u{202e}']) && !shown.contains("://"), "{shown}");
        assert!(shown.contains("a\\|b") && shown.contains("\\`c\\`") && shown.contains("\\[x\\]"), "{shown}");
    }

    #[test]
    fn a_name_cannot_leave_its_code_span_or_its_cell() {
        for hostile in
            ["` @everyone `", "a | b", "a \\| b", "``` ```", "<img src=x>\n\n# x", "\u{202e}x\u{1b}[31m"]
        {
            let shown = code(hostile);
            let inside = shown.strip_prefix('`').and_then(|s| s.strip_suffix('`')).unwrap();
            assert!(!inside.contains(['`', '|', '\n', '\u{202e}', '\u{1b}']), "{shown}");
        }
        assert_eq!(code("npm:@scope/name"), "`npm:@scope/name`");
        assert_eq!(code(" "), "–");
    }
}
