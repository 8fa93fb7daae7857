//! Why entries of an item stay out when others come back.

use crate::vault::Item;

pub(super) const NOT_ALLOWED: &str = "the policy in force does not allow it";
/// The file holds something else under the name, or in the place of what the edit left.
const TAKEN: &str = "its name is taken: the file has something else in its place now, which is its user's newer word and stays; \
    rename or remove that, and try again";
/// Then nothing in it could be told apart, and what is not allowed would come back with it.
const TOO_MANY: &str =
    "the file would hold more servers than can be told apart: take some out of it, and try again";
/// The place itself is gone, or can take in nothing that reads as before.
const NO_PLACE: &str = "the file has no place for it any more: what it stood in, or what the edit left there, is gone or of another form; \
    `mcpolicy quarantine show` tells what it was";
/// Kept by an earlier version, or with bytes that two entries share.
const NOT_ALONE: &str = "what is kept of it is not one entry by itself, so it comes back only with its whole file as that was left; \
    `mcpolicy quarantine show --text` shows it";
const LATER: &str = "not all can be put back at once: the next pass goes on, or try again";

/// Most names that are told with one reason.
const MOST_NAMES: usize = 20;

/// Why one entry stays out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    Policy,
    Taken,
    NoPlace,
    NotAlone,
    TooMany,
    Later,
}

impl Why {
    /// Of a change that could not be made, by what was said of it.
    pub(super) fn of(error: &str) -> Self {
        if error.contains("not one entry by itself") { Self::NotAlone } else { Self::NoPlace }
    }

    fn said(self) -> &'static str {
        match self {
            Self::Policy => NOT_ALLOWED,
            Self::Taken => TAKEN,
            Self::NoPlace => NO_PLACE,
            Self::NotAlone => NOT_ALONE,
            Self::TooMany => TOO_MANY,
            Self::Later => LATER,
        }
    }
}

/// The entries of an item that stay out.
#[derive(Debug, Default)]
pub(super) struct Refused(Vec<(Why, usize)>);

impl Refused {
    pub(super) fn add(&mut self, why: Why, entry: usize) {
        self.0.push((why, entry));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any stays out that its user has not replaced and the policy may well allow.
    pub(super) fn is_loss(&self) -> bool {
        self.0.iter().any(|(why, _)| !matches!(why, Why::Policy | Why::Taken))
    }

    /// Why none came back.
    pub(super) fn why(&self, item: &Item) -> String {
        match self.0.first() {
            None => NOT_ALLOWED.to_owned(),
            Some((first, _)) if self.0.iter().all(|(why, _)| why == first) => first.said().to_owned(),
            Some(_) => self.by_name(item),
        }
    }

    /// Which stay out, and why.
    pub(super) fn by_name(&self, item: &Item) -> String {
        let mut all = self.0.clone();
        all.sort_unstable();
        all.dedup();
        let groups = all.chunk_by(|one, other| one.0 == other.0).map(|group| {
            let names: Vec<&str> =
                group.iter().take(MOST_NAMES).map(|(_, at)| &*item.entries[*at].name).collect();
            let more = match group.len().saturating_sub(MOST_NAMES) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{}{more}: {}", names.join(", "), group[0].0.said())
        });
        format!("not put back: {}", groups.collect::<Vec<_>>().join("; "))
    }
}
