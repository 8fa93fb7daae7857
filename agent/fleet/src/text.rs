//! Text that a laptop chose, made safe to show, and times for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;
use mcpolicy_schema::unseen::is_unseen;

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
