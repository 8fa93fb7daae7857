//! Text that a laptop chose, made safe to show, and times for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;

/// Whether a character acts on a terminal or cannot be seen. The same list as that of the scan's outputs.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{1680}'
            | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{2800}' | '\u{3000}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text with every unseen character written out as `\u{1b}`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unseen(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Seconds since 1970 as RFC 3339; nothing for 0, which stands for no time.
pub(crate) fn time(seconds: i64) -> String {
    if seconds == 0 {
        return String::new();
    }
    Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

/// A number as a person writes it: whole where it is, else with one digit behind the point.
pub(crate) fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_act_on_a_terminal() {
        assert_eq!(visible("a\u{1b}[2J\u{202e}b\n"), "a\\u{1b}[2J\\u{202e}b\\u{a}");
        assert_eq!(visible("Größe 日本語"), "Größe 日本語");
    }

    #[test]
    fn no_time_is_nothing() {
        assert_eq!((time(0), time(86_400)), (String::new(), "1970-01-02T00:00:00Z".to_owned()));
        assert_eq!((number(3.0), number(12.34)), ("3".to_owned(), "12.3".to_owned()));
    }
}
