//! How far each sink is, as the sending side keeps it in a folder of its own; and what it tells the writer.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use mcpolicy_platform::durable;
use mcpolicy_platform::machine::{Machine, ReadError};
use mcpolicy_schema::report::v1::Class;
use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, Positions};
use crate::line;

/// The file of the cursors.
const CURSORS: &str = "cursors";
/// The file with which the sending side tells the writer what all sinks have taken.
pub const ACKS: &str = "acks.json";
/// The most that is read of either, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// How far each sink is, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursors {
    sinks: BTreeMap<String, Positions>,
}

impl Cursors {
    /// The cursors that are kept in a folder. Where there are none, or they are not as they were written, every sink is
    /// before the oldest record: it gets some again, and drops them by their ids.
    pub fn load(machine: &Machine, folder: &Path) -> Self {
        let read = machine.read(&folder.join(CURSORS), None, MAX_BYTES).ok();
        read.and_then(|snapshot| line::single(&snapshot.bytes)).unwrap_or_default()
    }

    /// Keeps the cursors: on the disk when this returns.
    ///
    /// # Errors
    /// The system refuses; those of before are there then.
    pub fn store(&self, folder: &Path) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        durable::replace(&folder.join(CURSORS), &line::encode(0, &json))
    }

    /// How far a sink is in a class.
    pub fn get(&self, sink: &str, class: Class) -> Cursor {
        self.sinks.get(sink).and_then(|positions| positions.get(&class)).cloned().unwrap_or_default()
    }

    /// How far a sink is in all classes.
    pub fn of(&self, sink: &str) -> Positions {
        self.sinks.get(sink).cloned().unwrap_or_default()
    }

    /// Moves a sink on.
    pub fn set(&mut self, sink: &str, class: Class, cursor: Cursor) {
        self.sinks.entry(sink.to_owned()).or_default().insert(class, cursor);
    }

    /// Forgets sinks that are not among these: one that is no longer set up must not hold records back.
    pub fn retain(&mut self, sinks: &[&str]) {
        self.sinks.retain(|name, _| sinks.contains(&name.as_str()));
    }

    /// What all of these sinks have taken. A class in which two are in different epochs is left out.
    pub fn taken_by_all(&self, sinks: &[&str]) -> Positions {
        let of_class = |class: Class| {
            let mut all = sinks.iter().map(|sink| self.get(sink, class));
            let first = all.next()?;
            let least = all.try_fold(first, |least, other| {
                (least.epoch == other.epoch).then(|| Cursor { seq: least.seq.min(other.seq), ..least })
            })?;
            (least.seq > 0).then_some((class, least))
        };
        Class::ALL.into_iter().filter_map(of_class).collect()
    }
}

/// What the sending side tells the writer. To the writer it is what a stranger says: it may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acks {
    /// What all sinks have taken.
    pub taken: Positions,
}

/// Why acks are not taken.
#[derive(Debug, thiserror::Error)]
pub enum AckError {
    /// The file cannot be read as a file of at most 64 KiB.
    #[error("the acks cannot be read: {0}")]
    Unreadable(ReadError),
    /// It does not hold acks.
    #[error("the acks are none: line {line}, column {column}")]
    Malformed {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
}

impl Acks {
    /// Writes the acks into a folder, in the place of those of before.
    ///
    /// # Errors
    /// The system refuses.
    pub fn store(&self, folder: &Path) -> io::Result<()> {
        durable::replace(&folder.join(ACKS), &serde_json::to_vec(self)?)
    }

    /// The acks in a folder; nothing where there are none. What they say is still to be checked by `Spool::delivered`.
    ///
    /// # Errors
    /// They cannot be read, or are none. Nothing of what is in the file is in the error.
    pub fn load(machine: &Machine, folder: &Path) -> Result<Option<Self>, AckError> {
        match machine.read(&folder.join(ACKS), None, MAX_BYTES) {
            Ok(snapshot) => Self::parse(&snapshot.bytes).map(Some),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(AckError::Unreadable(error)),
        }
    }

    /// Acks from their text.
    ///
    /// # Errors
    /// They are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, AckError> {
        serde_json::from_slice(bytes)
            .map_err(|error| AckError::Malformed { line: error.line(), column: error.column() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(epoch: &str, seq: u64) -> Cursor {
        Cursor { epoch: epoch.to_owned(), seq }
    }

    #[test]
    fn cursors_are_kept_and_a_damaged_file_of_them_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::live();
        assert_eq!(Cursors::load(&machine, folder.path()), Cursors::default());
        let mut cursors = Cursors::default();
        cursors.set("splunk", Class::Violation, cursor("a", 7));
        cursors.set("file", Class::ToolCall, cursor("b", 1));
        cursors.store(folder.path()).unwrap();
        assert_eq!(Cursors::load(&machine, folder.path()), cursors);
        let path = folder.path().join(CURSORS);
        let whole = machine.read(&path, None, MAX_BYTES).unwrap().bytes;
        for at in 0..whole.len() {
            let mut turned = whole.clone();
            turned[at] ^= 4;
            std::fs::write(&path, &turned).unwrap();
            assert_eq!(Cursors::load(&machine, folder.path()), Cursors::default(), "byte {at}");
        }
        cursors.retain(&["splunk"]);
        assert_eq!(cursors.get("file", Class::ToolCall), Cursor::default());
    }

    #[test]
    fn only_what_every_sink_has_taken_is_taken() {
        let mut cursors = Cursors::default();
        cursors.set("a", Class::Event, cursor("e", 7));
        cursors.set("b", Class::Event, cursor("e", 5));
        cursors.set("a", Class::State, cursor("old", 9));
        cursors.set("b", Class::State, cursor("new", 2));
        cursors.set("a", Class::Violation, cursor("e", 3));
        assert_eq!(cursors.taken_by_all(&["a", "b"]), Positions::from([(Class::Event, cursor("e", 5))]));
        assert_eq!(cursors.taken_by_all(&["a"]).len(), 3);
        assert_eq!(cursors.taken_by_all(&[]), Positions::new());
    }

    #[test]
    fn acks_come_through_a_folder_and_anything_else_there_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::live();
        assert_eq!(Acks::load(&machine, folder.path()).unwrap(), None);
        let acks = Acks { taken: Positions::from([(Class::ToolCall, cursor("e", 5))]) };
        acks.store(folder.path()).unwrap();
        assert_eq!(Acks::load(&machine, folder.path()).unwrap(), Some(acks));
        let (path, more) = (folder.path().join(ACKS), "x".repeat(65 << 10));
        for text in [
            "",
            "[]",
            r#"{"taken":{},"more":1}"#,
            r#"{"taken":{"other":{"epoch":"e","seq":1}}}"#,
            r#"{"taken":{"event":{"epoch":"e","seq":-1}}}"#,
            r#"{"taken":{"event":{"epoch":"e","seq":18446744073709551616}}}"#,
            &format!(r#"{{"taken":{{"event":{{"epoch":"{more}","seq":1}}}}}}"#),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Acks::load(&machine, folder.path()).unwrap_err().to_string();
            assert!(error.len() < 120 && !error.contains("xx"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(Acks::load(&machine, folder.path()), Err(AckError::Unreadable(_))));
    }
}
