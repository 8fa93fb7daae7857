//! Text that somebody else chose, put into a Markdown table: names of servers come from attackers too, and a comment on
//! a change is read by the people who approve it.

use crate::output::text::visible;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_neither_leave_its_cell_nor_call_anybody() {
        let shown = cell("a|b\n`c` <img src=x> @team #1 [x](https://evil.example) **b** \u{202e}");
        assert!(!shown.contains(['\n', '<', '@', '\u{202e}']) && !shown.contains("://"), "{shown}");
        assert!(shown.contains("a\\|b") && shown.contains("\\`c\\`") && shown.contains("\\[x\\]"), "{shown}");
    }
}
