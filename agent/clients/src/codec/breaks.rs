//! Characters that end a line for some readers and not for others: NEL, LINE SEPARATOR and PARAGRAPH SEPARATOR.
//!
//! YAML 1.1 (libyaml, and with it Goose) breaks lines at all three, YAML 1.2 at none. The reader of VS Code ends a `//`
//! comment at the last two, later versions of jsonc-parser do not. What stands behind such a break is a comment to one
//! reader and a server to the next, so a text with any is read both ways.

use std::ops::Range;

/// Which characters count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// U+2028 and U+2029.
    Json,
    /// U+0085 too.
    Yaml,
}

/// Where such characters stand in a part of a text.
pub(super) fn within(text: &str, range: Range<usize>, of: Of) -> Vec<usize> {
    let part = &text[range.clone()];
    if part.is_ascii() {
        return Vec::new();
    }
    let breaks = |c: char| matches!(c, '\u{2028}' | '\u{2029}') || (of == Of::Yaml && c == '\u{85}');
    part.match_indices(breaks).map(|(at, _)| range.start + at).collect()
}

/// The text with line breaks at these places. All other places stay the same: what a break is shorter by stands before
/// it as blanks, for blanks behind it would indent the next line.
pub fn broken(text: &str, breaks: &[usize]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for at in breaks {
        let length = text[*at..].chars().next().map_or(0, char::len_utf8);
        out.push_str(&text[done..*at]);
        out.extend(std::iter::repeat_n(' ', length.saturating_sub(1)));
        out.push('\n');
        done = at + length;
    }
    out.push_str(&text[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{json, yaml};

    #[test]
    fn a_text_with_breaks_keeps_all_its_places() {
        let text = "é#x\u{85}a: 1 #\u{2028}b: 2\u{2029}";
        let breaks = within(text, 0..text.len(), Of::Yaml);
        let broken = broken(text, &breaks);
        assert_eq!(broken, "é#x \na: 1 #  \nb: 2  \n");
        assert_eq!(broken.len(), text.len());
        assert_eq!(within(text, 0..text.len(), Of::Json).len(), 2);
    }

    #[test]
    fn only_what_some_reader_takes_for_a_line_break_is_noted() {
        let json = |text| json::parse(text, false).unwrap().breaks.len();
        assert_eq!(json("{\"a\":\"x\u{2028}\" //\u{85}\n}"), 0);
        assert_eq!(json("{\"a\":1 //x\u{2028},\"b\":2 //\u{2029}\n}"), 2);
        assert_eq!(json("{\"a\":1 /* \u{2028} */}"), 0);
        let damaged = json::parse("{\"a\":1 //x\u{2028}\n \"b\":2}", true).unwrap();
        assert_eq!(damaged.breaks.len(), 1);
        let yaml = |text| yaml::parse(text).unwrap().breaks.len();
        for quoted in ["a: \"x\u{2028}y\"", "a: 'x\u{85}y'", "'a\u{2029}': 1", "a: [\"\u{85}\"]"] {
            assert_eq!(yaml(quoted), 0, "{quoted:?}");
        }
        for open in ["a: 1 #x\u{85}b: 2", "a: x\u{2028}b", "a: |\n  \"x\u{2029}b: 2\"", "#\u{2028}\na: 'x'"] {
            assert_eq!(yaml(open), 1, "{open:?}");
        }
    }
}
