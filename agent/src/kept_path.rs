//! Paths in what is kept: text for people, and the bytes beside it where they are no text. A file whose path is not UTF-8
//! is edited like any other, and must be found again by the restore and by the replay of a crash.

use std::fmt::{self, Display};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcpolicy_platform::paths;
use serde::{Deserialize, Serialize};

/// A path as vault and journal keep it. As text it is what people read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct KeptPath {
    text: String,
    path: PathBuf,
}

/// The form on the disk: a text, as it always was, where the path is one.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Text(String),
    Bytes { text: String, base64: String },
}

impl KeptPath {
    /// Of a path.
    pub fn of(path: &Path) -> Self {
        Self { text: path.to_string_lossy().into_owned(), path: path.to_owned() }
    }

    /// Of a text, and of the bytes in base64 that stand beside it where it is only near to the path.
    pub fn with_bytes(text: &str, base64: Option<&str>) -> Self {
        let bytes = base64.and_then(|base64| STANDARD.decode(base64).ok());
        // bytes that are none leave the text: it names no file, and that is told
        let path = bytes.and_then(paths::of_bytes).unwrap_or_else(|| text.into());
        Self { text: text.to_owned(), path }
    }

    /// The bytes in base64, where it is no text.
    pub fn base64(&self) -> Option<String> {
        self.path.to_str().is_none().then(|| STANDARD.encode(paths::to_bytes(&self.path)))
    }

    /// The path itself.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl From<Stored> for KeptPath {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Text(text) => Self::from(text),
            Stored::Bytes { text, base64 } => Self::with_bytes(&text, Some(&base64)),
        }
    }
}

impl From<KeptPath> for Stored {
    fn from(kept: KeptPath) -> Self {
        match kept.base64() {
            None => Self::Text(kept.text),
            Some(base64) => Self::Bytes { text: kept.text, base64 },
        }
    }
}

impl From<String> for KeptPath {
    fn from(text: String) -> Self {
        Self { path: text.clone().into(), text }
    }
}

impl From<&str> for KeptPath {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl Deref for KeptPath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Display for KeptPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(path: &KeptPath) -> (String, KeptPath) {
        let json = serde_json::to_string(path).unwrap();
        let back = serde_json::from_str(&json).unwrap();
        (json, back)
    }

    #[test]
    fn a_path_that_is_text_is_kept_as_it_always_was_and_another_with_its_bytes() {
        let plain = KeptPath::from("/home/ann/mcp.json");
        let (json, back) = there_and_back(&plain);
        assert_eq!((&json[..], &back), ("\"/home/ann/mcp.json\"", &plain));
        let Some(bytes) = paths::of_bytes(b"/home/b\xffd/mcp.json".to_vec()) else { return };
        let odd = KeptPath::of(&bytes);
        let (json, back) = there_and_back(&odd);
        assert_eq!(back, odd);
        assert_eq!(back.path(), bytes);
        if bytes.to_str().is_none() {
            assert!(json.contains("base64") && json.contains("/home/b\u{fffd}d/mcp.json"), "{json}");
        }
    }
}
