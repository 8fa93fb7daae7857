//! What the table says of one member of a record.

use super::super::v1::Tier;

/// What a member holds, and by that what each tier makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A number, or yes or no.
    Number,
    /// A number that tells where something is: a line, a size.
    Place,
    /// A word of ours: a code, a verdict, a state, a client.
    Word,
    /// An id: of a rule, an entry, a snapshot.
    Id,
    /// A digest or fingerprint.
    Fingerprint,
    /// A moment or day.
    Time,
    /// A version of a program or package.
    Version,
    /// A version of the operating system, in the system's own words.
    System,
    /// The id of the device, without which nobody could count machines.
    Device,
    /// The name of a user.
    User,
    /// The name of the machine.
    Host,
    /// A text that tells one thing from another: a name, a path, an identity.
    Named,
    /// Any other text.
    Text,
    /// An object with members of its own.
    Part(&'static [Field]),
}

impl Holds {
    /// Whether outcomes have nothing of it.
    pub(super) fn is_gone_in_outcomes(self) -> bool {
        matches!(self, Self::Place | Self::Host | Self::Text)
    }

    /// What a tier makes of it, in the words of docs/privacy.md.
    pub fn in_tier(self, tier: Tier) -> &'static str {
        match (self, tier) {
            (Self::Part(_), _) => "",
            (_, Tier::Full) => "kept",
            (Self::Number | Self::Fingerprint | Self::Time | Self::Device, _) => "kept",
            (Self::Word | Self::Id | Self::Version | Self::System, _) => "kept*",
            (Self::Place, Tier::Pseudonymous) => "kept",
            (Self::User, _) | (Self::Host, Tier::Pseudonymous) => "keyed hash",
            (Self::Named | Self::Text, Tier::Pseudonymous) => "names hashed",
            (Self::Named, Tier::Outcomes) => "keyed hash",
            (Self::Place | Self::Host | Self::Text, Tier::Outcomes) => "dropped",
        }
    }

    /// How long a receiver has a use for it.
    fn retention(self) -> Retention {
        match self {
            Self::Text | Self::Place => Retention::Days30,
            Self::User | Self::Host | Self::Named | Self::Part(_) => Retention::Days90,
            _ => Retention::Days400,
        }
    }
}

/// How long a receiver should keep a member: advice, since the agent does not rule over the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Retention {
    /// 30 days: free words, which explain an incident while it is worked on.
    Days30,
    /// 90 days: who and where, which an investigation asks for.
    Days90,
    /// 400 days: what was decided and done, for an audit of the year and the comparison with the year before.
    Days400,
}

impl Retention {
    /// In days.
    pub fn days(self) -> u16 {
        match self {
            Self::Days30 => 30,
            Self::Days90 => 90,
            Self::Days400 => 400,
        }
    }
}

/// One member of a record or of a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name; with `[]` at the end where it is a list.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// What it is for, in a few words.
    pub purpose: &'static str,
    /// A record is none without it: dropped, it is an empty text.
    pub is_needed: bool,
}

impl Field {
    pub(super) const fn new(name: &'static str, holds: Holds, purpose: &'static str) -> Self {
        Self { name, holds, purpose, is_needed: false }
    }

    /// The same, and the record is none without it.
    pub(super) const fn needed(self) -> Self {
        Self { is_needed: true, ..self }
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        self.name.ends_with("[]")
    }
}

/// The member of this name.
pub(super) fn find(fields: &'static [Field], name: &str) -> Option<&'static Field> {
    fields.iter().find(|field| field.name.strip_suffix("[]").unwrap_or(field.name) == name)
}

/// A member with its place in a kind of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Kind of record; empty for what all have.
    pub kind: &'static str,
    /// Path in the record, for example `entry.args[]` or `policy.name`.
    pub path: String,
    /// What is decided of it.
    pub field: &'static Field,
    /// How long it should be kept.
    pub retention: Retention,
}

/// A field and, in front of those that it is made of, itself.
pub(super) fn flatten(kind: &'static str, most: Retention, fields: &'static [Field], rows: &mut Vec<Row>) {
    below(kind, "", most, fields, rows);
}

fn below(kind: &'static str, place: &str, most: Retention, fields: &'static [Field], rows: &mut Vec<Row>) {
    for field in fields {
        let path = format!("{place}{}", field.name);
        let retention = field.holds.retention().min(most);
        rows.push(Row { kind, path: path.clone(), field, retention });
        if let Holds::Part(parts) = field.holds {
            below(kind, &format!("{path}."), most, parts, rows);
        }
    }
}
