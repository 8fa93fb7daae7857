//! What leaves a machine, by tier: what each member of a record is for, how long it is worth keeping, and what becomes of
//! it where the policy says that less may leave.
//!
//! The table ([`COMMON`], [`BODIES`]) decides, and it fails closed: in the lower tiers a member that it does not know is
//! dropped, and so is one of another type than it says. docs/privacy.md is made from the same table.
//!
//! Names are replaced by keyed hashes: the same user is the same hash on all machines that share the key, and without the
//! key nobody can try names. This must be done before a record takes its place in a chain: a digest of the full line
//! would let anybody with the key's hashes in hand test guesses at what was left out.

mod field;
mod homes;
mod names;
mod shape;
mod table;
mod token;

use serde_json::{Map, Value};

pub use field::{Field, Holds, Retention, Row};
pub use names::Person;
pub use table::{BODIES, COMMON, rows};

use super::v1::Tier;
use crate::redact::Redactor;
use names::Names;
use token::Kind;

/// What is left of records in one tier on one machine. Making it costs more than applying it once.
pub struct Privacy {
    tier: Tier,
    redactor: Redactor,
    people: Names,
}

impl Privacy {
    /// For a tier, the key that a fleet shares (any length), and the people of this machine: those whose homes are read.
    /// Accounts of services are better left out, since their names are words of every path.
    pub fn new(tier: Tier, key: &[u8], people: &[Person]) -> Self {
        let redactor = Redactor::new(key);
        let people = Names::of_people(people, &redactor);
        Self { tier, redactor, people }
    }

    /// Takes from a record whatever its tier does not let out. Total: what is no record loses all that is not known.
    /// `privacy` then says the stricter of this tier and the one that the record had.
    pub fn apply(&self, record: &mut Value) {
        if self.tier == Tier::Full {
            return;
        }
        let Value::Object(members) = record else {
            *record = Value::Null;
            return;
        };
        let host = members.get("device").and_then(|device| device.get("hostname")).and_then(Value::as_str);
        let host = Names::of_host(host.unwrap_or_default(), &self.redactor);
        let body = members.get("kind").and_then(Value::as_str).and_then(table::body);
        let pass = Pass { privacy: self, host: &host };
        members.retain(|name, value| {
            let field = field::find(COMMON, name).or_else(|| body.and_then(|body| field::find(body, name)));
            field.is_some_and(|field| pass.member(field, value))
        });
        self.stamp(members);
    }

    fn stamp(&self, members: &mut Map<String, Value>) {
        let had = members.get("privacy").and_then(|tier| serde_json::from_value::<Tier>(tier.clone()).ok());
        let tier = had.map_or(self.tier, |had| had.max(self.tier));
        members.insert("privacy".to_owned(), serde_json::to_value(tier).unwrap_or_default());
    }
}

/// [`Privacy::apply`] for one record alone.
pub fn apply(record: &mut Value, tier: Tier, key: &[u8], people: &[Person]) {
    Privacy::new(tier, key, people).apply(record);
}

/// One record on its way out.
struct Pass<'p> {
    privacy: &'p Privacy,
    host: &'p Names,
}

impl Pass<'_> {
    /// Whether a member stays; what stays of it is in its place then. As deep as the table, whatever the JSON.
    fn member(&self, field: &Field, value: &mut Value) -> bool {
        let gone = self.is_outcomes() && field.holds.is_gone_in_outcomes();
        match value {
            Value::Null => true,
            Value::Array(items) if field.is_list() => {
                if gone {
                    items.clear();
                }
                items.retain_mut(|item| self.one(field, item));
                true
            }
            Value::String(text) if gone && field.is_needed && !field.is_list() => {
                text.clear();
                true
            }
            _ => !gone && !field.is_list() && self.one(field, value),
        }
    }

    fn one(&self, field: &Field, value: &mut Value) -> bool {
        match (&field.holds, value) {
            (Holds::Part(fields), Value::Object(members)) => {
                members.retain(|name, value| {
                    field::find(fields, name).is_some_and(|field| self.member(field, value))
                });
                true
            }
            (Holds::Number | Holds::Place, Value::Number(_) | Value::Bool(_)) => true,
            (Holds::Part(_) | Holds::Number | Holds::Place, _) => false,
            (holds, Value::String(text)) => {
                *text = self.text(holds, text);
                true
            }
            _ => false,
        }
    }

    /// What a text becomes.
    fn text(&self, holds: &Holds, text: &str) -> String {
        let whole = |kind| self.whole(kind, text);
        match holds {
            _ if text.is_empty() => String::new(),
            Holds::Device => text.to_owned(),
            Holds::User => whole(Kind::User),
            Holds::Host => whole(Kind::Host),
            Holds::Word => self.shaped(text, shape::is_word(text), shape::is_ours(text)),
            Holds::Id => self.shaped(text, shape::is_id(text), false),
            Holds::Version => self.shaped(text, shape::is_version(text), false),
            Holds::System => self.shaped(text, shape::is_system(text), false),
            // Digits of a digest may spell a name; nobody reads it out of them.
            Holds::Fingerprint => self.shaped(text, false, shape::is_fingerprint(text)),
            Holds::Time => self.shaped(text, false, shape::is_time(text)),
            Holds::Named | Holds::Text | Holds::Number | Holds::Place | Holds::Part(_) => {
                self.shaped(text, false, false)
            }
        }
    }

    /// A name that is the whole of its member.
    fn whole(&self, kind: Kind, text: &str) -> String {
        if token::is_whole(text) {
            return text.to_owned();
        }
        let known = self.privacy.people.token(text).filter(|_| kind == Kind::User);
        known.map_or_else(|| token::make(kind, text, &self.privacy.redactor), str::to_owned)
    }

    /// A text that stays as it is where `is_certain`, and where it has the form of what should stand here and names
    /// nobody. Any other is cleaned of names; of that, outcomes only have a hash.
    fn shaped(&self, text: &str, has_form: bool, is_certain: bool) -> String {
        if is_certain || token::is_whole(text) {
            return text.to_owned();
        }
        let clean = names::clean(text, &[&self.privacy.people, self.host], &self.privacy.redactor);
        if !self.is_outcomes() || (has_form && clean == text) || token::is_whole(&clean) {
            return clean;
        }
        token::make(Kind::Text, &clean, &self.privacy.redactor)
    }

    fn is_outcomes(&self) -> bool {
        self.privacy.tier == Tier::Outcomes
    }
}
