//! The folder into which fetched documents are laid. Whoever reads it verifies them: nothing here is trusted.

use std::io;
use std::path::PathBuf;

use mcpolicy_platform::durable;

/// Longest name, in bytes.
const MOST_OF_A_NAME: usize = 128;
/// The ending of a file that is not whole yet, which readers pass over.
const UNFINISHED: &str = "new";
/// Names that Windows gives to devices.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// A name of a document: one plain word, in which nothing leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentName(String);

/// A text that is no name of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the name of a document: small letters, digits, '-', '_' and '.', 128 at most, no dot in front or beside another"
)]
pub struct NotAName;

impl DocumentName {
    /// Takes a name.
    ///
    /// Attack: a head that names `../spool/x`, a device, or the file of another document in other letters.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<Self, NotAName> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        let stem = text.split('.').next().unwrap_or_default();
        let is_device = DEVICES.iter().any(|device| {
            let number = stem.strip_prefix(device);
            number.is_some_and(|number| {
                number.is_empty() || number.len() == 1 && number.as_bytes()[0].is_ascii_digit()
            })
        });
        let good = !text.is_empty()
            && text.len() <= MOST_OF_A_NAME
            && text.chars().all(is_plain)
            && !text.starts_with('.')
            && !text.ends_with('.')
            && !text.contains("..")
            && text.rsplit('.').next() != Some(UNFINISHED)
            && !is_device;
        if good { Ok(Self(text.to_owned())) } else { Err(NotAName) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Inbox {
    folder: PathBuf,
}

impl Inbox {
    /// Takes a folder, which is there.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Lays a document into the folder: written under another name, on the disk, and only then under its own.
    ///
    /// # Errors
    /// The system refuses; what was there before is there still.
    pub fn put(&self, name: &DocumentName, bytes: &[u8]) -> io::Result<()> {
        durable::replace(&self.folder.join(name.as_str()), bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for good in ["head.json", "policy.12.json", "policy-12.body", "root.1", "connect.json"] {
            assert!(DocumentName::new(good).is_ok(), "{good}");
        }
        let long = "a".repeat(129);
        for bad in [
            "",
            ".",
            "..",
            "../head.json",
            "a/b",
            "a\\b",
            "/etc/passwd",
            "c:x",
            "a..b",
            ".hidden",
            "a.",
            "A.json",
            "con",
            "nul.json",
            "com1.json",
            "lpt9",
            "a b",
            "a\0b",
            "policy.new",
            "ä.json",
            "a\n",
            "%2e%2e",
            &long,
        ] {
            assert_eq!(DocumentName::new(bad), Err(NotAName), "{bad:?}");
        }
    }
}
