//! An entry as text of the file in which it goes.

use mcpolicy_clients::adapter::About;
use mcpolicy_clients::codec::Format;
use mcpolicy_clients::edit::{self, Change, Edited};
use mcpolicy_clients::writes::{self, Server, Unwritable};

use super::AddError;

/// Where an entry goes.
pub(super) struct Form<'f> {
    pub(super) about: &'static About,
    pub(super) format: Format,
    pub(super) path: &'f str,
    /// The table of the file that holds entries.
    pub(super) table: &'static str,
}

impl Form<'_> {
    /// The change that puts a server into the file.
    pub(super) fn insert(&self, server: &Server) -> Result<Change, Unwritable> {
        let pieces = writes::entry(self.about, self.format, self.table, server)?;
        Ok(Change::Insert { table: self.table.to_owned(), name: server.name.clone(), pieces })
    }

    /// A whole file with nothing else in it.
    pub(super) fn alone(&self, change: &Change) -> Result<Vec<u8>, AddError> {
        let made = match change {
            Change::Insert { table, name, pieces } => {
                writes::alone(self.format, self.path, table, name, pieces)
            }
            _ => None,
        };
        made.ok_or_else(|| AddError::File("no file of this format can be made".to_owned()))
    }

    /// The file that was there, with the change made.
    pub(super) fn edited(&self, before: &[u8], change: &Change) -> Result<Edited, AddError> {
        let edited = edit::apply(self.format, self.path, before, std::slice::from_ref(change));
        edited.map_err(|why| AddError::File(why.to_string()))
    }

    /// The lines that come in with a server. What stands around them is the user's, and may hold secrets.
    pub(super) fn lines(&self, server: &Server, before: Option<&[u8]>) -> Result<Vec<String>, AddError> {
        let refused = |why: Unwritable| AddError::File(why.to_string());
        let change = self.insert(server).map_err(refused)?;
        let texts = match before {
            None => vec![self.alone(&change)?],
            // the same edit, so that the lines stand as they will in the file
            Some(before) => {
                self.edited(before, &change)?.splices.into_iter().map(|splice| splice.text).collect()
            }
        };
        let texts = texts.iter().map(|text| String::from_utf8_lossy(text).into_owned());
        let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        Ok(lines.filter(|line| !line.trim().is_empty() && line.trim() != ",").collect())
    }
}
