//! What was done last, for people who ask what happened.

use std::collections::VecDeque;

use jiff::Timestamp;
use mcpolicy_schema::redact::Redactor;
use serde::{Deserialize, Serialize};

use crate::enforce::act::Acted;
use crate::journal::{Action, End, Record, What};
use crate::pipeline::{Ground, Outcome};

/// Most of a user's that are kept.
const MOST: usize = 200;

/// What was done about one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// When.
    pub time: Timestamp,
    /// Whose file it is; empty for nobody's.
    pub user: String,
    /// The file.
    pub path: String,
    /// How it ended.
    pub outcome: End,
    /// What was done, to which entry, and why.
    #[serde(flatten)]
    pub action: Action,
    /// The vault's item with the original: the id by which people ask about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
}

impl Happened {
    /// What was done to one file, an entry each.
    pub fn of(
        ground: &Ground,
        outcome: &Outcome,
        acted: &Acted,
        redactor: &Redactor,
        now: Timestamp,
    ) -> Vec<Self> {
        let source = &outcome.sources[acted.source].source;
        let path = if acted.path.as_os_str().is_empty() { &source.path } else { &acted.path };
        let user = source.home.map(|at| ground.homes[at].user.clone()).unwrap_or_default();
        let one = |action: &Action| Self {
            time: now,
            user: user.clone(),
            path: redactor.name(&path.to_string_lossy()),
            outcome: acted.end,
            action: action.redacted(redactor),
            block: acted.item.clone(),
        };
        acted.actions.iter().map(one).collect()
    }

    /// What the journal has, the oldest first.
    pub fn of_journal(records: &[Record], redactor: &Redactor) -> Vec<Self> {
        let mut found = Vec::new();
        let mut begun = std::collections::BTreeMap::new();
        for record in records {
            match &record.what {
                What::Intent(intent) => {
                    begun.insert(record.seq, intent);
                }
                What::Outcome(outcome) => {
                    let Some(intent) = begun.remove(&outcome.intent) else { continue };
                    found.extend(intent.actions.iter().map(|action| Self {
                        time: record.time,
                        user: intent.user.clone(),
                        path: redactor.name(&intent.path),
                        outcome: outcome.outcome,
                        action: action.redacted(redactor),
                        block: Some(intent.vault.clone()).filter(|id| !id.is_empty()),
                    }));
                }
                What::Event(_) => {}
            }
        }
        found
    }
}

/// The last of what was done, of each user as many: one who has much taken away hides nothing of another's.
#[derive(Debug, Clone, Default)]
pub struct Recent(std::collections::BTreeMap<String, VecDeque<Happened>>);

impl Recent {
    /// Keeps one, and lets the oldest of its user go.
    pub fn note(&mut self, happened: Happened) {
        let of_user = self.0.entry(happened.user.clone()).or_default();
        of_user.push_back(happened);
        if of_user.len() > MOST {
            of_user.pop_front();
        }
    }

    /// Those of all users, or of one, the newest first.
    pub fn of(&self, user: Option<&str>) -> Vec<&Happened> {
        let wanted = self.0.iter().filter(|(owner, _)| user.is_none_or(|user| user == *owner));
        let mut all: Vec<&Happened> = wanted.flat_map(|(_, happened)| happened).collect();
        all.sort_by_key(|happened| std::cmp::Reverse(happened.time));
        all
    }
}
