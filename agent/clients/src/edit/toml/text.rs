//! Keys, strings and kept entries as TOML text.

use toml_edit::Document;

use super::statements;
use crate::codec::toml;
use crate::edit::json::quoted;
use crate::edit::pieces::joined;
use crate::edit::{Piece, Unfaithful, tokens};
use crate::node::escape;

/// A key, quoted where it must be.
pub(super) fn key(text: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !text.is_empty() && text.bytes().all(bare) { text.to_owned() } else { quoted(text) }
}

/// Keys with dots between them.
pub(super) fn dotted(keys: &[String]) -> String {
    keys.iter().map(|one| key(one)).collect::<Vec<_>>().join(".")
}

/// A string in quotes of the kind that stood there before, if they can hold it.
pub(super) fn string(text: &str, before: &str) -> String {
    let literal = before.starts_with('\'') && !text.contains(|c: char| c == '\'' || c.is_control());
    if literal { format!("'{text}'") } else { quoted(text) }
}

/// How the kept text of an entry says where it belongs.
pub(in crate::edit) enum Form {
    /// By statements with the whole path.
    Absolute {
        /// Whether the first is a header.
        header: bool,
    },
    /// By pairs in the section of its table.
    Relative,
    /// An item of an array.
    Item,
}

/// Kept text of an entry.
pub(in crate::edit) struct Kept {
    /// Without blank lines and commas around it.
    pub(in crate::edit) text: String,
    pub(in crate::edit) form: Form,
}

const FOREIGN: Unfaithful = Unfaithful::NotExpressible("the kept text is not one entry by itself");

/// Reads the kept text of the entry `name` of `table`.
pub(in crate::edit) fn kept(pieces: &[Piece], table: &str, name: &str) -> Result<Kept, Unfaithful> {
    let joined = joined(pieces)?;
    let text = joined.trim_matches(|c: char| c.is_whitespace() || c == ',').to_owned();
    let pointer = format!("{table}/{}", escape(name));
    if let (Ok(parsed), Ok(document)) = (toml::parse(&text), Document::parse(text.as_str())) {
        let statements = statements::of(&text, &document);
        let all_below = |upper: &str| statements.iter().all(|s| statements::is_below(&s.pointer, upper));
        let header = statements.first().is_some_and(statements::Statement::is_header);
        let one_item = parsed.root.pointer(table).is_some_and(|node| node.items().len() == 1);
        let whole_path = !tokens(table).is_empty() && all_below(&pointer);
        drop(statements);
        if whole_path || (one_item && header) {
            return Ok(Kept { form: Form::Absolute { header }, text });
        }
        if parsed.root.members().len() == 1 && parsed.root.get(name).is_some() && !header {
            return Ok(Kept { form: Form::Relative, text });
        }
        return Err(FOREIGN);
    }
    match toml::parse(&format!("item = [{text}\n]")) {
        Ok(parsed) if parsed.root.get("item").is_some_and(|item| item.items().len() == 1) => {
            Ok(Kept { form: Form::Item, text })
        }
        _ => Err(FOREIGN),
    }
}

impl Kept {
    /// The text of the value alone, where the entry is one.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        match self.form {
            Form::Item => Some(self.text.clone()),
            Form::Absolute { .. } => None,
            Form::Relative => {
                let document = Document::parse(self.text.as_str()).ok()?;
                let span = document.as_table().get(name)?.as_value()?.span()?;
                self.text.get(span).map(str::to_owned)
            }
        }
    }
}
