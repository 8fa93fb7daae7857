//! What a machine says to its native policies: entries that are allowed on it, and such as are not.

use std::collections::BTreeMap;

use mcpolicy_native::{Allowed, Denied};

use crate::pipeline::{Ground, Outcome};

/// Entries of one home that are told to clients.
///
/// Attack: a user with a hundred thousand entries, each of which stands in the file of everybody's client then.
const MOST_OF_HOME: usize = 1000;

/// Entries of a machine, as they were judged.
#[derive(Debug, Clone, Default)]
pub struct Entries {
    /// Homes of its users.
    pub homes: Vec<String>,
    /// Allowed ones.
    pub allowed: Vec<Allowed>,
    /// Denied ones, and such as could not be judged.
    pub denied: Vec<Denied>,
    /// Entries of homes with too many, of which nothing is said.
    pub left_out: usize,
}

impl Entries {
    /// Of what a pass has found. What no client loads says nothing of what is in use.
    pub fn of(ground: &Ground, outcome: &Outcome) -> Self {
        let homes = ground.homes.iter().map(|home| home.layout.home.to_string_lossy().into_owned()).collect();
        let mut entries = Self { homes, ..Self::default() };
        let mut of_home: BTreeMap<Option<usize>, usize> = BTreeMap::new();
        for item in outcome.entries.iter().filter(|item| item.entry.inert.is_none()) {
            let count = of_home.entry(outcome.sources[item.source].source.home).or_default();
            *count += 1;
            if *count > MOST_OF_HOME {
                entries.left_out += 1;
                continue;
            }
            match &item.judgement {
                Some(judgement) if judgement.is_allowed() => {
                    entries.allowed.extend(Allowed::of_entry(&item.entry, judgement.rule.as_deref()));
                }
                Some(_) => entries.denied.push(Denied::of_entry(&item.entry)),
                None => {}
            }
        }
        entries
    }
}
