//! Pieces of policy.toml as text: values, keys and comments in which nothing of somebody else's can act.

use std::borrow::Cow;
use std::fmt::Write as _;

use mcpolicy_schema::redact::Redactor;
use serde_json::Value;
use toml_edit::{Array, InlineTable};

use crate::output::text::{is_unseen, visible};

/// A value on one line. What TOML has not (`null`) is left out.
pub(crate) fn inline(value: &Value) -> String {
    of(value).map(|value| value.to_string().trim().to_owned()).unwrap_or_default()
}

/// A list of texts on one line.
pub(crate) fn texts<'t>(texts: impl IntoIterator<Item = &'t String>) -> String {
    inline(&Value::from(texts.into_iter().cloned().collect::<Vec<_>>()))
}

/// A key, quoted where it must be.
pub(crate) fn key(name: &str) -> String {
    let bare =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if bare { name.to_owned() } else { quoted(name) }
}

fn of(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => number.as_i64().unwrap_or_default().into(),
        Value::String(text) => quoted(text).parse().unwrap_or_else(|_| text.as_str().into()),
        Value::Array(items) => toml_edit::Value::Array(items.iter().filter_map(of).collect::<Array>()),
        Value::Object(members) => {
            let pairs = members.iter().filter_map(|(name, value)| Some((name.as_str(), of(value)?)));
            toml_edit::Value::InlineTable(pairs.collect::<InlineTable>())
        }
    })
}

/// A text on one line, with everything unseen as an escape; TOML shares JSON's escapes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for c in serde_json::Value::from(text).to_string().chars() {
        if is_unseen(c) {
            let _ = write!(out, "\\U{:08X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Text for a comment: one line, nothing unseen in it.
pub(crate) fn comment(text: &str) -> Cow<'_, str> {
    visible(text)
}

/// Whether a text of an entry may be written into a policy: nothing unseen, which a reviewer would overlook, and
/// nothing that looks like a secret.
pub(crate) fn is_writable(text: &str) -> bool {
    let shown = Redactor::new(&[0; 32]).text(text);
    shown == text && visible(text) == text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_hostile_text_stays_a_text() {
        let hostile = "a\"\n[[rule]]\nid = 'x' # \\ ''' \u{7f}\u{202e}\u{1}";
        let line = format!("{} = {}", key(hostile), inline(&json!({"x": [hostile, true, 3]})));
        assert!(!line.contains(['\n', '\u{202e}']), "{line}");
        let read: toml_edit::DocumentMut = line.parse().unwrap();
        assert_eq!(read[hostile]["x"][0].as_str(), Some(hostile));
        assert!(!comment(hostile).contains('\n'));
    }

    #[test]
    fn secrets_and_unseen_characters_are_not_written() {
        assert!(is_writable("{home}/work") && is_writable("--port"));
        assert!(!is_writable("ghp_SECRETMARK0000000000000000000000000001"));
        assert!(!is_writable("a\u{202e}b"));
    }
}
