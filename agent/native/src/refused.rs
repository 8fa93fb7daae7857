//! Why a client would refuse a file, or take it for more than it says.

use serde_json::Value;

use crate::json_file::MergeError;

/// What is wrong with a file for its client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] MergeError),
    /// It holds nothing: the client takes that for no policy at all.
    #[error("the file is empty, which is no policy to its client")]
    Empty,
    /// A member has a shape that the client refuses or ignores.
    #[error("{key} is not {expected}")]
    Shape {
        /// Which, as a JSON Pointer.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
    /// It says "everything" to its client.
    #[error("{key} would allow every server")]
    AllowsAll {
        /// Which, as a JSON Pointer.
        key: String,
    },
}

impl Refused {
    pub(crate) fn shape(key: impl Into<String>, expected: &'static str) -> Self {
        Self::Shape { key: key.into(), expected }
    }
}

/// A look at a member, told apart from one that is not there.
pub(crate) fn flag(root: &Value, key: &'static str) -> Result<(), Refused> {
    match root.pointer(key) {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(_) => Err(Refused::shape(key, "true or false")),
    }
}

/// The list at a key; empty if it is not there.
pub(crate) fn list<'v>(root: &'v Value, key: &str) -> Result<&'v [Value], Refused> {
    match root.pointer(key) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Refused::shape(key, "a list")),
    }
}

/// A list of texts at a key.
pub(crate) fn texts(root: &Value, key: &str) -> Result<(), Refused> {
    let all = list(root, key)?.iter().all(|item| item.as_str().is_some_and(|text| !text.is_empty()));
    if all { Ok(()) } else { Err(Refused::shape(key, "a list of texts")) }
}

/// The map at a key, if it is there.
pub(crate) fn map<'v>(root: &'v Value, key: &str) -> Result<Vec<(&'v String, &'v Value)>, Refused> {
    match root.pointer(key) {
        None => Ok(Vec::new()),
        Some(Value::Object(members)) => Ok(members.iter().collect()),
        Some(_) => Err(Refused::shape(key, "a map")),
    }
}
