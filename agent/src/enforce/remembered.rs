//! What the agent remembers of a machine between passes: what was there at the first, and what was last allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use mcpolicy_platform::durable;
use mcpolicy_platform::machine::{Machine, ReadError};
use mcpolicy_schema::evaluate::held_as;
use serde::{Deserialize, Serialize};

use crate::assess::Assessed;
use crate::judge;
use crate::pipeline::{Ground, Outcome};

const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Fingerprints of entries, by user; the empty name stands for what belongs to no user.
pub type ByUser = BTreeMap<String, BTreeSet<String>>;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Remembered {
    /// What was there when a user's home was first looked into, as [`held_as`] names it: hold mode leaves it until the
    /// policy's `grace_until`.
    pub first_seen: ByUser,
    /// What the last good policy allowed: it stays allowed when the policy has expired.
    pub allowed: ByUser,
    /// Users of whom that has been noted; what comes later was not there first.
    begun: BTreeSet<String>,
    /// How many passes in a row gave no answer about a user's home.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    unanswered: BTreeMap<String, u64>,
}

impl Remembered {
    /// What a file holds; nothing if there is none.
    ///
    /// # Errors
    /// The system refuses to read it, or it is damaged.
    pub fn load(path: &Path) -> io::Result<Self> {
        match Machine::live().read(path, None, MAX_BYTES) {
            Ok(snapshot) => serde_json::from_slice(&snapshot.bytes).map_err(io::Error::other),
            Err(ReadError::NotFound) => Ok(Self::default()),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    /// Keeps it, if it is another than `before`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn save(&self, path: &Path, before: &Self) -> io::Result<()> {
        if self == before {
            return Ok(());
        }
        durable::replace(path, &serde_json::to_vec(self)?)
    }

    /// Takes note of what the first look into each home finds; nothing at any later one. A home that gave no answer, or is
    /// not mounted, has its first look still before it.
    pub fn begin(&mut self, ground: &Ground, outcome: &Outcome, unseen: &dyn Fn(usize) -> bool) {
        let homes = ground.homes.iter().enumerate().filter(|(at, _)| !unseen(*at));
        let nobody = std::iter::once(String::new());
        let seen: BTreeSet<String> = homes.map(|(_, home)| home.user.clone()).chain(nobody).collect();
        let new: BTreeSet<String> = seen.difference(&self.begun).cloned().collect();
        if new.is_empty() {
            return;
        }
        let mut found = by_user(ground, outcome, |item| {
            let source = &outcome.sources[item.source].source;
            let place = judge::place_of(&item.entry, source);
            let place = place.as_deref().map(Path::to_string_lossy);
            let held = held_as(&item.entry, &item.identity, &item.fingerprint, place.as_deref());
            held.map(std::borrow::Cow::into_owned)
        });
        found.retain(|user, _| new.contains(user));
        self.first_seen.extend(found);
        self.begun.extend(new);
    }

    /// Counts the homes that gave no answer; one that did begins anew.
    pub fn count_unanswered(&mut self, ground: &Ground, has_failed: &dyn Fn(usize) -> bool) {
        let before = std::mem::take(&mut self.unanswered);
        let failed = ground.homes.iter().enumerate().filter(|(at, _)| has_failed(*at));
        self.unanswered = failed
            .map(|(_, home)| (home.user.clone(), before.get(&home.user).map_or(1, |count| count + 1)))
            .collect();
    }

    /// How many passes in a row a user's home gave no answer.
    pub fn unanswered(&self, user: &str) -> u64 {
        self.unanswered.get(user).copied().unwrap_or(0)
    }

    /// Takes note of what a policy that has not expired allows. Of homes that were not looked into, what was known
    /// stays.
    pub fn allow(&mut self, ground: &Ground, outcome: &Outcome, unseen: &dyn Fn(usize) -> bool) {
        let before = std::mem::take(&mut self.allowed);
        self.allowed = by_user(ground, outcome, |item| {
            let allowed =
                item.judgement.as_ref().is_some_and(mcpolicy_schema::verdict::Judgement::is_allowed);
            allowed.then(|| item.fingerprint.clone())
        });
        let is_seen = |user: &str| {
            let mut homes = ground.homes.iter().enumerate().filter(|(_, home)| home.user == user).peekable();
            user.is_empty() || (homes.peek().is_some() && homes.all(|(at, _)| !unseen(at)))
        };
        // one that is not mounted today is not empty either
        for (user, known) in before.into_iter().filter(|(user, _)| !is_seen(user)) {
            self.allowed.entry(user).or_default().extend(known);
        }
    }
}

fn by_user(ground: &Ground, outcome: &Outcome, name: impl Fn(&Assessed) -> Option<String>) -> ByUser {
    let mut by_user = ByUser::new();
    for item in &outcome.entries {
        let Some(name) = name(item) else { continue };
        let home = outcome.sources[item.source].source.home;
        let user = home.map_or_else(String::new, |at| ground.homes[at].user.clone());
        by_user.entry(user).or_default().insert(name);
    }
    by_user
}
