//! Comparisons of single members.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Serialize;

use super::{Change, Changes, Class};

/// One member of one part of a policy.
pub(super) struct Field<'c> {
    pub(super) changes: &'c mut Changes,
    pub(super) place: String,
}

impl Field<'_> {
    /// A list of what may be: more of it loosens.
    pub(super) fn may(&mut self, name: &str, old: &[String], new: &[String]) {
        let added: Vec<&String> = new.iter().filter(|item| !old.contains(item)).collect();
        let gone: Vec<&String> = old.iter().filter(|item| !new.contains(item)).collect();
        if !added.is_empty() {
            self.tell(Class::Loosens, format!("{name}: also {}", quoted(&added)));
        }
        if !gone.is_empty() {
            self.tell(Class::Tightens, format!("{name}: no longer {}", quoted(&gone)));
        }
        if added.is_empty() && gone.is_empty() && old != new {
            self.tell(Class::Neutral, format!("{name}: in another order"));
        }
    }

    /// As [`Field::may`] for a list whose order counts, or whose being empty means the usual ones.
    pub(super) fn usual(&mut self, name: &str, old: &[String], new: &[String]) {
        match (old, new) {
            (old, new) if old == new => {}
            ([], new) => {
                self.tell(Class::Tightens, format!("{name}: only {} instead of the usual ones", quoted(new)));
            }
            (_, []) => self.tell(Class::Loosens, format!("{name}: all the usual ones")),
            _ => self.may(name, old, new),
        }
    }

    /// A list that restricts, where an empty one restricts nothing.
    pub(super) fn only(&mut self, name: &str, old: &[String], new: &[String]) {
        match (old, new) {
            (old, new) if old == new => {}
            ([], new) => self.tell(Class::Tightens, format!("{name}: only {}", quoted(new))),
            (old, []) => self.tell(Class::Loosens, format!("{name}: no longer only {}", quoted(old))),
            _ => self.may(name, old, new),
        }
    }

    /// A list of which neither direction is certain.
    pub(super) fn exact(&mut self, name: &str, old: &[String], new: &[String]) {
        if old != new {
            let what = format!("{name}: {} instead of {}", quoted(new), quoted(old));
            self.tell(Class::Loosens, what);
        }
    }

    /// Names with value patterns that may be.
    pub(super) fn patterns(
        &mut self,
        name: &str,
        old: &BTreeMap<String, String>,
        new: &BTreeMap<String, String>,
    ) {
        for (key, value) in new {
            match old.get(key) {
                None => self.tell(Class::Loosens, format!("{name}: {key} = \"{value}\" may be there")),
                Some(before) if before != value => {
                    let class =
                        if is_any(before) && !is_any(value) { Class::Tightens } else { Class::Loosens };
                    self.tell(class, format!("{name}: {key} = \"{value}\" instead of \"{before}\""));
                }
                Some(_) => {}
            }
        }
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            self.tell(Class::Tightens, format!("{name}: {key} may no longer be there"));
        }
    }

    /// A member that changes no verdict.
    pub(super) fn neutral<T: PartialEq>(&mut self, name: &str, old: &T, new: &T, shown: &str) {
        if old != new {
            let what = if shown.is_empty() { format!("{name} changed") } else { format!("{name}: {shown}") };
            self.tell(Class::Neutral, what);
        }
    }

    /// The same of a member with parts.
    pub(super) fn parts<T: PartialEq + Serialize>(&mut self, name: &str, old: &T, new: &T) {
        let said = |value: &T| match serde_json::to_value(value) {
            Ok(serde_json::Value::String(word)) => word,
            Ok(serde_json::Value::Null) | Err(_) => "none".to_owned(),
            Ok(other) => other.to_string(),
        };
        if old != new {
            self.tell(Class::Neutral, format!("{name}: {} instead of {}", said(new), said(old)));
        }
    }

    pub(super) fn tell(&mut self, class: Class, what: impl Into<String>) {
        self.changes.tell(class, &self.place, what);
    }

    pub(super) fn tell_grave(&mut self, what: impl Into<String>) {
        self.changes.tell_grave(&self.place, what);
    }

    pub(super) fn tell_for_two(&mut self, what: impl Into<String>) {
        self.changes.tell_for_two(&self.place, what);
    }

    /// Tells a change of an item of which nothing was told: a member that no comparison knows must not pass unseen.
    pub(super) fn nothing_unseen(&mut self, is_same: bool) {
        if !is_same && self.told().next().is_none() {
            self.tell(Class::Loosens, "changed in something that this version cannot put into words");
        }
    }

    /// Whatever was told of this place and loosens needs two people.
    pub(super) fn loosens_for_two(&mut self) {
        let here = self.changes.0.iter_mut().filter(|c| c.place == self.place && c.class == Class::Loosens);
        here.for_each(|change| change.second_approval = true);
    }

    /// What was told of this place so far.
    pub(super) fn told(&self) -> impl Iterator<Item = &Change> {
        self.changes.0.iter().filter(|c| c.place == self.place)
    }
}

fn is_any(pattern: &str) -> bool {
    matches!(pattern, "*" | "**")
}

/// Items in quotes, or a word for none.
fn quoted<T: Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    let items: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
    items.join(", ")
}
