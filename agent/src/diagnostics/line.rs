//! An event as one line of text, without secrets.

use std::fmt::{self, Write as _};

use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::secret;
use tracing::Event;
use tracing::field::{Field, Visit};

use crate::output::text::visible;

/// Longest value that is looked at, longest value and longest line, in bytes: a path or a name of a user's is as long as the
/// user likes.
const MAX_RAW: usize = 8 * 1024;
const MAX_VALUE: usize = 2048;
const MAX_LINE: usize = 8192;

/// The message and then `name=value` for each field. Each is redacted, by its name too, and has no character that acts on a
/// terminal or begins a line.
pub(super) fn text_of(event: &Event<'_>, redactor: &Redactor) -> String {
    let mut fields = Fields { redactor, message: String::new(), rest: String::new() };
    event.record(&mut fields);
    let Fields { mut message, rest, .. } = fields;
    message.push_str(&rest);
    let end = cut_at(&message, MAX_LINE);
    message.truncate(end);
    message
}

struct Fields<'r> {
    redactor: &'r Redactor,
    message: String,
    rest: String,
}

impl Fields<'_> {
    fn take(&mut self, field: &Field, raw: &str) {
        let name = field.name();
        let value = if raw.len() > MAX_RAW {
            format!("({} bytes)", raw.len())
        } else if secret::is_secret_name(name) {
            let (kind, fingerprint) = self.redactor.value(name, raw);
            format!("<secret:{kind}:{}>", fingerprint.unwrap_or_default())
        } else {
            self.redactor.text(raw)
        };
        // not before: the half of a secret has no shape any more
        let value = &value[..cut_at(&value, MAX_VALUE)];
        if name == "message" {
            self.message = visible(value).into_owned();
            return;
        }
        let value = visible(value);
        if value.contains([' ', '"', '=']) {
            let _ = write!(self.rest, " {name}={}", serde_json::Value::from(value.as_ref()));
        } else {
            let _ = write!(self.rest, " {name}={value}");
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        #[expect(clippy::use_debug, reason = "it is what a field is handed over as, and it is redacted")]
        let _ = write!(text, "{value:?}");
        self.take(field, &text);
    }
}

/// The end of the greatest part that is not longer than `most` bytes.
fn cut_at(text: &str, most: usize) -> usize {
    if text.len() <= most {
        return text.len();
    }
    (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}
