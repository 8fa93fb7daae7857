//! Characters that end a line for some readers and not for others: NEL, LINE SEPARATOR and PARAGRAPH SEPARATOR, and in YAML
//! a carriage return by itself.
//!
//! YAML 1.1 (libyaml, and with it Goose) breaks lines at all three, YAML 1.2 at none. The reader of VS Code ends a `//`
//! comment at the last two, later versions of jsonc-parser do not. A CR without a LF ends a line in YAML, but not for the
//! `yaml` package of npm, by which Continue's clients read (`cn` 1.5.47 was run). What stands behind such a break is a comment to one
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

/// Where a carriage return stands without a line feed behind it. In a quoted text too: what is quoted to one reader is
/// not to the other.
fn lone_returns(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let is_lone = |at: &usize| bytes.get(at + 1) != Some(&b'\n');
    text.match_indices('\r').map(|(at, _)| at).filter(is_lone).collect()
}

/// Places of breaks with those of lone returns where the text has comments, in order: one that ends a `//` comment for us
/// does not for strip-json-comments, by which Gemini CLI 0.61.0 and Qwen Code 0.15.10 read (both were run).
pub(super) fn with_returns(breaks: Vec<usize>, text: &str, has_comments: bool) -> Vec<usize> {
    let mut all = breaks;
    if has_comments {
        all.extend(lone_returns(text));
        all.sort_unstable();
        all.dedup();
    }
    all
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

/// The texts that other readers see: with line breaks at these places, with blanks in the place of carriage returns among
/// them, and with each of the two where there are both.
pub fn others(text: &str, breaks: &[usize]) -> Vec<String> {
    let (returns, ends): (Vec<usize>, Vec<usize>) =
        breaks.iter().partition(|at| text.as_bytes().get(**at) == Some(&b'\r'));
    let kinds = if returns.is_empty() || ends.is_empty() {
        vec![breaks.to_vec()]
    } else {
        vec![breaks.to_vec(), returns, ends]
    };
    kinds.iter().map(|kind| broken(text, kind)).collect()
}

/// The text with line breaks at these places, and blanks for carriage returns. All other places stay the same: what a
/// break is shorter by stands before it as blanks, for blanks behind it would indent the next line.
fn broken(text: &str, breaks: &[usize]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for at in breaks {
        let length = text[*at..].chars().next().map_or(0, char::len_utf8);
        out.push_str(&text[done..*at]);
        out.extend(std::iter::repeat_n(' ', length.saturating_sub(1)));
        out.push(if text[*at..].starts_with('\r') { ' ' } else { '\n' });
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
    fn a_return_by_itself_is_a_blank_to_some_readers_and_a_break_to_others() {
        let text = "a: 1\r\n#x\ry: '\n#\u{2028}'\r";
        let hiding = "m:\n  - a\n  #\rx: '\n  - b\n  #'\n";
        let parsed = yaml::parse(hiding).unwrap();
        assert_eq!((parsed.breaks.as_slice(), parsed.root.get("m").unwrap().items().len()), (&[12][..], 1));
        let other = yaml::parse(&others(hiding, &parsed.breaks)[0]).unwrap().into_owned();
        assert_eq!(other.root.get("m").unwrap().items().len(), 2);
        assert_eq!(lone_returns(text), [8, text.len() - 1]);
        let mut both = [&lone_returns(text)[..], &within(text, 0..text.len(), Of::Yaml)].concat();
        both.sort_unstable();
        let seen = others(text, &both);
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[1], "a: 1\r\n#x y: '\n#\u{2028}' ");
        assert!(seen.iter().all(|other| other.len() == text.len()));
    }

    #[test]
    fn a_return_by_itself_ends_a_comment_of_json_for_some_readers_only() {
        let hiding = "{\"a\":1 //x\r/*\n,\"b\":2\n//\r*/\n}";
        for tolerant in [false, true] {
            let parsed = json::parse(hiding, tolerant).unwrap();
            assert_eq!((parsed.root.members().len(), parsed.breaks.len()), (1, 2));
            let other = json::parse(&others(hiding, &parsed.breaks)[0], tolerant).unwrap().into_owned();
            assert_eq!(other.root.members().len(), 2);
        }
        assert_eq!(
            json::parse("{\"a\":1,\r\"b\":2}", false).unwrap().breaks.len(),
            0,
            "no comment, no matter"
        );
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
