//! What the agent remembers of a machine between passes: what was there at the first, and what was last allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use mcpolicy_platform::durable;
use mcpolicy_platform::machine::{Machine, ReadError};
use mcpolicy_schema::evaluate::held_as;
use serde::{Deserialize, Serialize};

use super::told::Told;
use crate::assess::Assessed;
use crate::judge;
use crate::pipeline::{Ground, Outcome};

/// Longest file that is read.
const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Most bytes that are remembered of one user in each list. The names of 15,000 entries have room.
///
/// Attack: a home with 40,000 entries in folders of long names makes this file longer than is read, and no pass is ever
/// made again, for nobody.
const MAX_BYTES_OF_USER: usize = 1024 * 1024;

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
    /// The number of each user's account when it was last seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    accounts: BTreeMap<String, u32>,
    /// How many passes in a row gave no answer about a user's home.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    unanswered: BTreeMap<String, u64>,
    /// What the journal has of what stays as it is.
    #[serde(default, skip_serializing_if = "Told::is_empty")]
    pub told: Told,
}

impl Remembered {
    /// What a file holds, for a question: nothing is written. Nothing if there is none, or it cannot be read.
    pub fn look(path: &Path) -> Option<Self> {
        let read = Machine::live().read(path, None, MAX_BYTES).ok()?;
        serde_json::from_slice(&read.bytes).ok()
    }

    /// What a file holds; nothing if there is none. One that is damaged or too large is put aside, so that the machine is
    /// not without any pass because of it: what was wrong with it is told, and everything is seen for the first time.
    ///
    /// # Errors
    /// The system refuses to read it or to put it aside.
    pub fn load(path: &Path) -> io::Result<(Self, Option<String>)> {
        let wrong = match Machine::live().read(path, None, MAX_BYTES) {
            Ok(snapshot) => match serde_json::from_slice(&snapshot.bytes) {
                Ok(remembered) => return Ok((remembered, None)),
                Err(error) => format!("is damaged at line {}, column {}", error.line(), error.column()),
            },
            Err(ReadError::NotFound) => return Ok((Self::default(), None)),
            Err(ReadError::TooLarge { bytes }) => format!("has {bytes} bytes, more than are read"),
            Err(error) => return Err(io::Error::other(error.to_string())),
        };
        let aside = path.with_extension("damaged.json");
        std::fs::rename(path, &aside)?;
        let said = format!(
            "{} {wrong}: it was put aside as {}, and what is there now counts as seen for the first time",
            path.display(),
            aside.display()
        );
        Ok((Self::default(), Some(said)))
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

    /// Forgets what it knows of names that another account has now: nothing of the one before is the new user's.
    pub fn know_accounts(&mut self, ground: &Ground) {
        for home in &ground.homes {
            let Some(uid) = home.uid else { continue };
            let user = &home.user;
            if self.accounts.insert(user.clone(), uid).is_some_and(|before| before != uid) {
                self.first_seen.remove(user);
                self.allowed.remove(user);
                self.begun.remove(user);
                self.unanswered.remove(user);
            }
        }
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

impl Remembered {
    /// Adds what a look at a part of the machine found allowed. What is gone is forgotten by the next pass.
    pub fn allow_more(&mut self, ground: &Ground, outcome: &Outcome) {
        let known = self
            .allowed
            .iter()
            .flat_map(|(user, names)| names.iter().map(|name| (user.clone(), name.clone())));
        let found = outcome.entries.iter().filter_map(|item| {
            let is_allowed =
                item.judgement.as_ref().is_some_and(mcpolicy_schema::verdict::Judgement::is_allowed);
            let home = outcome.sources[item.source].source.home;
            let user = home.map_or_else(String::new, |at| ground.homes[at].user.clone());
            is_allowed.then(|| (user, item.fingerprint.clone()))
        });
        self.allowed = bounded(known.chain(found));
    }
}

fn by_user(ground: &Ground, outcome: &Outcome, name: impl Fn(&Assessed) -> Option<String>) -> ByUser {
    let user = |item: &Assessed| {
        let home = outcome.sources[item.source].source.home;
        home.map_or_else(String::new, |at| ground.homes[at].user.clone())
    };
    bounded(outcome.entries.iter().filter_map(|item| Some((user(item), name(item)?))))
}

/// Names by user, of each user no more than [`MAX_BYTES_OF_USER`]: what is beyond is not remembered.
fn bounded(all: impl Iterator<Item = (String, String)>) -> ByUser {
    let mut by_user: BTreeMap<String, (BTreeSet<String>, usize)> = BTreeMap::new();
    for (user, name) in all {
        let (names, bytes) = by_user.entry(user).or_default();
        // as it is written: a control character has six bytes then
        let length = name.chars().map(|c| if c.is_control() { 6 } else { c.len_utf8() }).sum::<usize>() + 3;
        if *bytes + length <= MAX_BYTES_OF_USER && names.insert(name) {
            *bytes += length;
        }
    }
    by_user.into_iter().map(|(user, (names, _))| (user, names)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_damaged_is_put_aside_and_told_and_ends_no_pass() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("remembered.json");
        assert_eq!(Remembered::load(&path).unwrap(), (Remembered::default(), None));
        fs::write(&path, "{\"first_seen\": {").unwrap();
        let (found, said) = Remembered::load(&path).unwrap();
        assert_eq!(found, Remembered::default());
        assert!(said.unwrap().contains("damaged at line 1"));
        assert!(!path.exists() && folder.path().join("remembered.damaged.json").exists());
    }

    /// Ann has 40,000 servers in a folder with a name of four kilobytes.
    #[test]
    fn a_user_with_endless_names_makes_no_file_that_cannot_be_read_again() {
        let name = |n: usize| format!("{n} in /{}", "\u{1}".repeat(4000));
        let anns = (0..2000).map(|n| ("ann".to_owned(), name(n)));
        let by_user = bounded(anns.chain([("bob".to_owned(), "print".to_owned())]));
        let remembered =
            Remembered { first_seen: by_user.clone(), allowed: by_user, ..Remembered::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("remembered.json");
        remembered.save(&path, &Remembered::default()).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 3 * MAX_BYTES_OF_USER as u64);
        let (read, wrong) = Remembered::load(&path).unwrap();
        assert!(read == remembered && wrong.is_none());
        assert!(read.allowed["bob"].contains("print") && read.allowed["ann"].len() > 40);
    }
}
