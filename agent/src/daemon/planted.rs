//! The same new entry in several clients at once: no person does that by hand. It is what an installer does, or malware.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Time within which the same entry in several clients is one deed.
pub const TOGETHER: Duration = Duration::from_secs(10);
/// Entries that are remembered of a home.
const MOST: usize = 1024;

/// An entry that is new in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// The home.
    pub home: usize,
    /// The client in whose location the file is.
    pub client: String,
    /// Its fingerprint, equal for the same server in each client.
    pub fingerprint: String,
}

/// What is new, for a moment.
#[derive(Debug, Default)]
pub struct Planted(BTreeMap<(usize, String), Seen>);

#[derive(Debug, Default)]
struct Seen {
    clients: BTreeMap<String, Instant>,
    is_told: bool,
}

impl Planted {
    /// Takes note of an entry. Once for each that is in several clients now: the clients.
    pub fn note(&mut self, new: New, now: Instant) -> Option<BTreeSet<String>> {
        let is_fresh = |at: &Instant| now.saturating_duration_since(*at) < TOGETHER;
        self.0.retain(|_, seen| {
            seen.clients.retain(|_, at| is_fresh(at));
            !seen.clients.is_empty()
        });
        let key = (new.home, new.fingerprint);
        let of_home = self.0.range((new.home, String::new())..(new.home + 1, String::new())).count();
        if of_home >= MOST && !self.0.contains_key(&key) {
            return None;
        }
        let seen = self.0.entry(key).or_default();
        seen.clients.insert(new.client, now);
        if seen.clients.len() < 2 || seen.is_told {
            return None;
        }
        seen.is_told = true;
        Some(seen.clients.keys().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(home: usize, client: &str, fingerprint: &str) -> New {
        New { home, client: client.to_owned(), fingerprint: fingerprint.to_owned() }
    }

    #[test]
    fn the_same_entry_in_two_clients_within_ten_seconds_is_told_once() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut planted = Planted::default();
        assert_eq!(planted.note(new(0, "cursor", "x"), begin), None);
        assert_eq!(planted.note(new(0, "cursor", "x"), after(1)), None, "twice in one client");
        assert_eq!(planted.note(new(1, "codex", "x"), after(2)), None, "another user's");
        assert_eq!(planted.note(new(0, "codex", "y"), after(3)), None, "another entry");
        let told = planted.note(new(0, "codex", "x"), after(9)).unwrap();
        assert_eq!(told.into_iter().collect::<Vec<_>>(), ["codex", "cursor"]);
        assert_eq!(planted.note(new(0, "zed", "x"), after(9)), None);
    }

    #[test]
    fn what_comes_to_clients_one_by_one_is_an_ordinary_day() {
        let begin = Instant::now();
        let mut planted = Planted::default();
        for (at, client) in ["cursor", "codex", "zed"].into_iter().enumerate() {
            let now = begin + TOGETHER * u32::try_from(at).unwrap();
            assert_eq!(planted.note(new(0, client, "x"), now), None);
        }
        assert_eq!(planted.0.len(), 1);
    }
}
