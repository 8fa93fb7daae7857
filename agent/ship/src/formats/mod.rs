//! Records in the words of others. What is not in those words stands beside them whole, so that nothing is lost.
//!
//! docs/report-mappings.md says which member becomes which field.

pub mod ecs;
pub mod ocsf;
mod subject;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::sink::Line;

/// How a sink writes records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// As they are, `report/v1`.
    #[default]
    Native,
    /// As documents of the Elastic Common Schema.
    Ecs,
    /// As events of the Open Cybersecurity Schema Framework.
    Ocsf,
}

impl Format {
    /// Reads the word of the settings.
    pub fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "native" => Self::Native,
            "ecs" => Self::Ecs,
            "ocsf" => Self::Ocsf,
            _ => return None,
        })
    }

    /// A line as this format writes it: one JSON object. What is no record stays as it is.
    pub fn of(self, line: &Line) -> Cow<'_, [u8]> {
        let map = match self {
            Self::Native => return Cow::Borrowed(&line.json),
            Self::Ecs => ecs::document,
            Self::Ocsf => ocsf::event,
        };
        match serde_json::from_slice::<Map<String, Value>>(&line.json) {
            Ok(record) => Cow::Owned(map(&record, line.time_ms).to_string().into_bytes()),
            Err(_) => Cow::Borrowed(&line.json),
        }
    }
}

/// Members of every record; what remains is what it says.
const OF_EVERY_RECORD: [&str; 9] =
    ["schema", "id", "class", "device", "agent", "chain", "time", "privacy", "kind"];

/// What a record says, without what every record has.
fn body(record: &Map<String, Value>) -> Map<String, Value> {
    let own = record.iter().filter(|(name, _)| !OF_EVERY_RECORD.contains(&name.as_str()));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A text at a JSON Pointer.
fn text<'a>(record: &'a Map<String, Value>, pointer: &str) -> Option<&'a str> {
    let (first, rest) = pointer.split_once('/').unwrap_or((pointer, ""));
    let value = record.get(first)?;
    let value = if rest.is_empty() { value } else { value.pointer(&format!("/{rest}"))? };
    value.as_str().filter(|text| !text.is_empty())
}

/// Puts a value under a dotted name, where there is one.
fn put(into: &mut Map<String, Value>, name: &str, value: impl Into<Option<Value>>) {
    let Some(value) = value.into() else { return };
    match name.split_once('.') {
        None => {
            into.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = into.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Puts a text under a dotted name, where there is one.
fn put_text(into: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    put(into, name, value.map(Value::from));
}
