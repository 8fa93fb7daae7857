//! Pieces of policy.toml as text: values, keys and comments in which nothing of somebody else's can act.

use std::borrow::Cow;

use mcpolicy_schema::redact::Redactor;
use serde_json::Value;
use toml_edit::{Array, InlineTable, Key};

use crate::output::text::visible;

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
    Key::new(name).to_string()
}

fn of(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => number.as_i64().unwrap_or_default().into(),
        Value::String(text) => one_line(text),
        Value::Array(items) => toml_edit::Value::Array(items.iter().filter_map(of).collect::<Array>()),
        Value::Object(members) => {
            let pairs = members.iter().filter_map(|(name, value)| Some((name.as_str(), of(value)?)));
            toml_edit::Value::InlineTable(pairs.collect::<InlineTable>())
        }
    })
}

/// A text on one line whatever is in it: JSON's escapes are TOML's as well, but for DEL, which JSON leaves as it is.
fn one_line(text: &str) -> toml_edit::Value {
    let escaped = Value::from(text).to_string().replace('\u{7f}', "\\u007f");
    escaped.parse().unwrap_or_else(|_| text.into())
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
        let hostile = "a\"\n[[rule]]\nid = 'x' # \\ '''";
        let line = format!("{} = {}", key(hostile), inline(&json!({"x": [hostile, true, 3]})));
        assert!(!line.contains('\n'), "{line}");
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
