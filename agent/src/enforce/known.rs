//! What a pass knows beyond the files that it acts on: last allowed texts, by the user's book.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use mcpolicy_schema::entry::{Entry, UNKNOWN_CLIENT};

use super::last_allowed::{Book, Caps, LastAllowed, Slot, Standing};
use super::plan::{Known, Switches};
use crate::discover::source::Source;
use crate::inventory::State;
use crate::pipeline::{Ground, Outcome};

/// What is known of the homes of a ground.
pub struct Knowledge {
    /// By home.
    books: BTreeMap<usize, Book>,
}

impl Knowledge {
    /// Loads the books of all users. A damaged one is told of, and an empty one takes its place.
    pub fn load(vault: &Path, ground: &Ground, notices: &mut Vec<String>) -> Self {
        let mut books = BTreeMap::new();
        for (at, home) in ground.homes.iter().enumerate() {
            let book = Book::load(vault, &home.user).unwrap_or_else(|error| {
                notices.push(format!(
                    "what was last allowed in {} is lost, changed entries are quarantined instead: {error}",
                    home.layout.home.display()
                ));
                Book::new(&home.user)
            });
            books.insert(at, book);
        }
        Self { books }
    }

    /// Takes note of everything that was read and judged, and writes it down.
    ///
    /// # Errors
    /// The system refuses.
    pub fn note(&mut self, outcome: &Outcome, vault: &Path, now: Timestamp) -> io::Result<()> {
        let caps = Caps::default();
        let mut standing: Vec<Vec<Standing>> = outcome.sources.iter().map(|_| Vec::new()).collect();
        for item in outcome.entries.iter().filter(|item| item.entry.client != UNKNOWN_CLIENT) {
            let is_allowed = item.judgement.as_ref().is_some_and(|judgement| judgement.is_allowed());
            let allowed = is_allowed
                .then(|| LastAllowed { fingerprint: item.fingerprint.clone(), pieces: item.text.clone() });
            let source = &outcome.sources[item.source].source;
            standing[item.source].extend(Standing::of(source, &item.entry, allowed));
        }
        for (file, read) in outcome.sources.iter().zip(standing) {
            let book = file.source.home.and_then(|at| self.books.get_mut(&at));
            // what a file holds that cannot be parsed now is not gone
            if let Some(book) = book.filter(|_| file.state == State::Read.as_str()) {
                book.note(&file.source.path.to_string_lossy(), read, &caps, now);
            }
        }
        self.books.values_mut().try_for_each(|book| {
            book.prune(&caps, now);
            book.save(vault)
        })
    }

    /// Lets a plan be made with what is known.
    pub fn with<T>(&self, plan: impl FnOnce(Known<'_>) -> T) -> T {
        plan(Known {
            last_allowed: &|source, entry| self.last_allowed(source, entry),
            switches: &|_, _| Switches::NoUse,
            unchanged: &|_| Duration::ZERO,
        })
    }

    fn last_allowed(&self, source: &Source, entry: &Entry) -> Option<LastAllowed> {
        self.books.get(&source.home?)?.last(&Slot::of(source, entry))
    }
}
