//! What one policy admits and denies otherwise than another, in words.
//!
//! A change whose direction is not certain is classed as loosening: it may admit what was denied.

mod fields;
mod lists;
mod rules;
mod settings;
#[cfg(test)]
mod tests;

use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::loosens::taken_away;
use serde::Serialize;

/// Which way a change goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Something is admitted that was not.
    Loosens,
    /// Something is denied that was not.
    Tightens,
    /// No verdict changes.
    Neutral,
}

impl Class {
    /// The word used in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loosens => "loosens",
            Self::Tightens => "tightens",
            Self::Neutral => "neutral",
        }
    }

    /// The class of a change after which as much as before (`wide`) or no more than before (`narrow`) is admitted.
    fn of(wide: bool, narrow: bool) -> Self {
        match (wide, narrow) {
            (true, true) => Self::Neutral,
            (false, true) => Self::Tightens,
            (_, false) => Self::Loosens,
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which way it goes.
    pub class: Class,
    /// It takes protection away that the policy before left ([`taken_away`]): two people must agree.
    pub second_signature: bool,
    /// Two people must approve it: that, and what loosens for every rule or takes a denial back.
    pub second_approval: bool,
    /// What is changed: `policy`, `rule github`.
    pub place: String,
    /// The change in words.
    pub what: String,
}

/// Changes under way.
#[derive(Debug, Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn tell(&mut self, class: Class, place: &str, what: impl Into<String>) {
        let (second_signature, second_approval) = (false, false);
        let change =
            Change { class, second_signature, second_approval, place: place.to_owned(), what: what.into() };
        self.0.push(change);
    }

    /// A change that takes protection away; the last word has [`taken_away`].
    fn tell_grave(&mut self, place: &str, what: impl Into<String>) {
        self.tell(Class::Loosens, place, what);
        if let Some(change) = self.0.last_mut() {
            change.second_signature = true;
        }
    }
}

impl Changes {
    /// A change that loosens for so many machines that two people must approve it, and of which a machine, which sees
    /// one policy, can tell nothing.
    fn tell_for_two(&mut self, place: &str, what: impl Into<String>) {
        self.tell(Class::Loosens, place, what);
        if let Some(change) = self.0.last_mut() {
            change.second_approval = true;
        }
    }
}

/// Compares two policies. The gravest changes come first.
pub fn compare(old: &PolicyDocument, new: &PolicyDocument) -> Vec<Change> {
    let mut changes = Changes::default();
    settings::compare(&old.policy, &new.policy, &mut changes);
    rules::compare(&old.rule, &new.rule, &mut changes);
    lists::denials(&old.deny, &new.deny, &mut changes);
    lists::exceptions(&old.exception, &new.exception, &mut changes);
    lists::rings(old, new, &mut changes);
    if old.schema != new.schema {
        changes.tell(
            Class::Loosens,
            "policy",
            format!("the schema is {} instead of {}", new.schema, old.schema),
        );
    }
    let mut changes = changes.0;
    if changes.is_empty() && old != new {
        // A member that no comparison knows must not pass unseen.
        changes.push(Change {
            class: Class::Loosens,
            second_signature: false,
            second_approval: false,
            place: "policy".to_owned(),
            what: "the two differ in something that this version cannot put into words".to_owned(),
        });
    }
    agree(&mut changes, old, new);
    for change in &mut changes {
        // Settings hold for every rule, and a denial for every machine: neither is an ordinary rule more.
        let is_wide = change.place == "policy" || change.place.starts_with("deny ");
        change.second_approval |= change.second_signature || (is_wide && change.class == Class::Loosens);
    }
    changes.sort_by_key(|change| (!change.second_signature, !change.second_approval, change.class));
    changes
}

/// Whether two people must agree is told by the function that machines verify with, so that no review says otherwise.
fn agree(changes: &mut Vec<Change>, old: &PolicyDocument, new: &PolicyDocument) {
    let taken = taken_away(old, new);
    if taken.is_empty() {
        changes.iter_mut().for_each(|change| change.second_signature = false);
    } else if !changes.iter().any(|change| change.second_signature) {
        changes.extend(taken.iter().map(|loosening| Change {
            class: Class::Loosens,
            second_signature: true,
            second_approval: true,
            place: "policy".to_owned(),
            what: loosening.to_string(),
        }));
    }
}
