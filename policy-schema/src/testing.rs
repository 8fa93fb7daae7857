//! Entries for tests.

use crate::entry::Entry;

/// A live `stdio` entry of a user's file.
pub(crate) fn entry(command: &str, args: &[&str]) -> Entry {
    named(Entry::stdio(command, args.iter().copied()))
}

/// A live remote entry.
pub(crate) fn remote(url: &str) -> Entry {
    named(Entry::remote(url))
}

fn named(entry: Entry) -> Entry {
    Entry { name: "test".to_owned(), client: "cursor", key_path: "/mcpServers/test".to_owned(), ..entry }
}
