//! What has been told of what stays as it is: the journal has it once, not at every pass.
//!
//! Attack: a user with a thousand files that cannot be edited (in a folder that is mounted read-only, behind links out of
//! the home) has a record of each written at every pass, until the journal's size drives out those of all others.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::journal::Event;
use crate::vault::digest_of;

/// Most that is told of one user, pass for pass: what is beyond is counted.
const MOST_OF_USER: usize = 1000;
/// Length of the digest of what was told, in characters: enough that no two are alike by chance.
const DIGEST: usize = 16;

/// Digests of what was told of each user.
type ByUser = BTreeMap<String, BTreeSet<String>>;

/// What was told at the last pass, and what is at this one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Told {
    last: ByUser,
    #[serde(skip)]
    now: ByUser,
    #[serde(skip)]
    more: BTreeMap<String, u64>,
}

impl Told {
    /// Whether an event says what was not said at the last pass, nor at this one.
    pub fn is_new(&mut self, event: &Event) -> bool {
        let text = format!("{}\0{}\0{}", event.code, event.server, event.detail);
        let digest = digest_of(text.as_bytes())[..DIGEST].to_owned();
        let now = self.now.entry(event.user.clone()).or_default();
        if now.contains(&digest) {
            return false;
        }
        if now.len() >= MOST_OF_USER {
            *self.more.entry(event.user.clone()).or_default() += 1;
            return false;
        }
        let was_told = self.last.get(&event.user).is_some_and(|last| last.contains(&digest));
        now.insert(digest);
        !was_told
    }

    /// Ends a pass: how much more there was of each user than is told. Nothing that was told before and not at this pass
    /// is remembered, so that it is told anew if it happens anew.
    pub fn end(&mut self) -> BTreeMap<String, u64> {
        self.last = std::mem::take(&mut self.now);
        std::mem::take(&mut self.more)
    }

    /// Ends a look at a part: what was told before stays told.
    pub fn go_on(&mut self) -> BTreeMap<String, u64> {
        for (user, now) in std::mem::take(&mut self.now) {
            self.last.entry(user).or_default().extend(now);
        }
        std::mem::take(&mut self.more)
    }

    /// Whether nothing was told.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(user: &str, detail: &str) -> Event {
        Event { user: user.to_owned(), ..Event::new("not-done", detail) }
    }

    #[test]
    fn what_stays_as_it_is_is_told_once_and_anew_when_it_happens_anew() {
        let mut told = Told::default();
        let pass = |told: &mut Told, details: &[&str]| -> Vec<bool> {
            let new = details.iter().map(|detail| told.is_new(&event("ann", detail))).collect();
            told.end();
            // as it is kept between passes
            *told = serde_json::from_str(&serde_json::to_string(told).unwrap()).unwrap();
            new
        };
        assert_eq!(pass(&mut told, &["a", "b", "a"]), [true, true, false]);
        assert_eq!(pass(&mut told, &["a", "c"]), [false, true]);
        assert_eq!(pass(&mut told, &["b", "c"]), [true, false]);
        assert!(!told.is_new(&event("ann", "b")) && told.is_new(&event("bob", "b")));
    }

    #[test]
    fn what_is_more_of_one_user_is_counted_and_takes_nothing_from_others() {
        let mut told = Told::default();
        let new = (0..MOST_OF_USER + 7).filter(|n| told.is_new(&event("ann", &n.to_string()))).count();
        assert!(told.is_new(&event("bob", "x")));
        assert_eq!((new, told.end()), (MOST_OF_USER, BTreeMap::from([("ann".to_owned(), 7)])));
    }
}
