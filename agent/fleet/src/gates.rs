//! The gates of docs/siem: questions with a target and a condition on which somebody is paged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::FleetError;
use crate::store::Fleet;

const GATES: &str = include_str!("../../../docs/siem/gates.toml");

/// Offenders that a gate names; the counts are of all.
const MOST_OFFENDERS: usize = 1_000;

/// The queries, by the name of their file.
macro_rules! queries {
    ($($name:literal)*) => {
        const QUERIES: &[(&str, &str)] = &[
            $((concat!("sql/", $name, ".sql"), include_str!(concat!("../../../docs/siem/sql/", $name, ".sql"))),)*
        ];
    };
}

queries! {
    "actions-by-layer" "clock-ahead" "expiring" "impersonations" "literal-secrets" "new-to-fleet" "new-to-machine" "new-to-user"
    "offboarded" "outside-hours" "quarantine-ratio" "registry-drift" "registry-drift-ticketed" "registry-override"
    "requests-waiting" "silent-machines" "stale-policy" "unknown-servers" "unpinned"
}

/// A gate as docs/siem/gates.toml declares it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its name.
    pub id: String,
    /// What it asks.
    pub question: String,
    /// The file of its query, seen from docs/siem.
    pub query: String,
    /// What the column `value` counts.
    pub value: String,
    /// Which value is as it should be.
    pub target: Bound,
    /// Which value pages somebody; absent where none does. Between the two somebody looks at it on the next working day.
    #[serde(default)]
    pub page: Option<Bound>,
    /// How far it looks back, in days (`7d`) or hours (`24h`).
    pub window: String,
    /// Who answers for it.
    pub owner: String,
    /// What to do, as a link from docs/siem.
    pub runbook: String,
    /// A table that the security team supplies and without which there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// More rows for the table `parameters`.
    #[serde(default)]
    pub parameters: BTreeMap<String, i64>,
}

/// A condition on a value, written like `> 5`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bound {
    word: Word,
    than: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Word {
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Word {
    const ALL: [(&str, Self); 4] =
        [("<", Self::Less), ("<=", Self::AtMost), (">", Self::More), (">=", Self::AtLeast)];
}

impl Bound {
    /// Whether a value meets it.
    pub fn is_met(&self, value: f64) -> bool {
        match self.word {
            Word::Less => value < self.than,
            Word::AtMost => value <= self.than,
            Word::More => value > self.than,
            Word::AtLeast => value >= self.than,
        }
    }
}

impl TryFrom<String> for Bound {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text}: write it like `> 5`, with <, <=, > or >=");
        let (word, than) = text.split_once(' ').ok_or_else(wrong)?;
        let (_, word) = Word::ALL.into_iter().find(|(known, _)| *known == word).ok_or_else(wrong)?;
        Ok(Self { word, than: than.parse().map_err(|_| wrong())? })
    }
}

impl From<Bound> for String {
    fn from(bound: Bound) -> Self {
        let word = Word::ALL.iter().find(|(_, word)| *word == bound.word).map_or("", |(text, _)| text);
        format!("{word} {}", bound.than)
    }
}

/// How a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateState {
    /// The table that it needs is empty: that nothing was found means nothing.
    NotAsked,
    /// Every value is as it should be.
    Ok,
    /// Somebody should look at it.
    Look,
    /// Somebody is paged.
    Page,
}

impl GateState {
    /// The word of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAsked => "not-asked",
            Self::Ok => "ok",
            Self::Look => "look",
            Self::Page => "page",
        }
    }
}

/// A row that is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offender {
    /// How it stands.
    pub state: GateState,
    /// Which team, machine, user or server.
    pub subject: String,
    /// The value.
    pub value: f64,
    /// On how many machines.
    pub machines: i64,
    /// Since when, in seconds since 1970.
    pub since: i64,
    /// An example, or more of it.
    pub detail: String,
}

/// The answer of a gate.
#[derive(Debug, Clone, Serialize)]
pub struct Gate {
    /// What was asked.
    #[serde(flatten)]
    pub definition: Definition,
    /// The worst of its rows.
    pub state: GateState,
    /// How many rows there are.
    pub rows: u64,
    /// How many of them are not as they should be.
    pub offending: u64,
    /// The first thousand of those, in the order of the query.
    pub offenders: Vec<Offender>,
}

/// Every gate that is built in.
///
/// # Errors
/// docs/siem/gates.toml cannot be read, which is a fault of ours.
pub fn definitions() -> Result<Vec<Definition>, FleetError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        gate: Vec<Definition>,
    }
    let file: File = toml::from_str(GATES).map_err(|error| FleetError::Gates(error.to_string()))?;
    Ok(file.gate)
}

impl Fleet {
    /// Asks every gate. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// A query fails.
    pub fn gates(&self, now: i64) -> Result<Vec<Gate>, FleetError> {
        definitions()?.into_iter().map(|definition| self.gate(definition, now)).collect()
    }

    /// Asks one gate.
    ///
    /// # Errors
    /// Its query fails, or there is none of that name.
    pub fn gate(&self, definition: Definition, now: i64) -> Result<Gate, FleetError> {
        let query = QUERIES.iter().find(|(name, _)| *name == definition.query);
        let (_, query) = query.ok_or_else(|| FleetError::Gates(format!("no {}", definition.query)))?;
        let window = seconds(&definition.window)
            .ok_or_else(|| FleetError::Gates(format!("no window: {}", definition.window)))?;
        self.connection.execute("DELETE FROM parameters", [])?;
        let own = [("now", now), ("since", now.saturating_sub(window))];
        let more = definition.parameters.iter().map(|(name, value)| (name.as_str(), *value));
        for (name, value) in own.into_iter().chain(more) {
            self.connection.execute("INSERT INTO parameters VALUES (?1, ?2)", (name, value))?;
        }
        let mut gate =
            Gate { definition, state: GateState::Ok, rows: 0, offending: 0, offenders: Vec::new() };
        if !self.has_what(gate.definition.needs.as_deref())? {
            gate.state = GateState::NotAsked;
            return Ok(gate);
        }
        let mut statement = self.connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            gate.rows += 1;
            let value: f64 = row.get("value")?;
            let state = state(&gate.definition, value);
            if state == GateState::Ok {
                continue;
            }
            gate.state = gate.state.max(state);
            gate.offending += 1;
            if gate.offenders.len() < MOST_OFFENDERS {
                gate.offenders.push(Offender {
                    state,
                    subject: row.get("subject")?,
                    value,
                    machines: row.get("machines")?,
                    since: row.get("since")?,
                    detail: row.get("detail")?,
                });
            }
        }
        Ok(gate)
    }

    /// Whether a table that is needed has something in it.
    fn has_what(&self, needed: Option<&str>) -> Result<bool, FleetError> {
        let Some(table) = needed else { return Ok(true) };
        let supplied = ["offboarded", "change_tickets", "expiries"];
        let table = supplied.into_iter().find(|known| *known == table);
        let table = table.ok_or_else(|| FleetError::Gates("a table that nobody supplies".to_owned()))?;
        Ok(self.connection.query_row(&format!("SELECT count(*) > 0 FROM {table}"), [], |row| row.get(0))?)
    }
}

fn state(definition: &Definition, value: f64) -> GateState {
    if definition.page.is_some_and(|page| page.is_met(value)) {
        GateState::Page
    } else if definition.target.is_met(value) {
        GateState::Ok
    } else {
        GateState::Look
    }
}

fn seconds(window: &str) -> Option<i64> {
    let (number, unit) = window.split_at_checked(window.len().checked_sub(1)?)?;
    let unit = match unit {
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gate_has_its_query_and_every_query_a_gate() {
        let gates = definitions().unwrap();
        let named: Vec<&str> = gates.iter().map(|gate| gate.query.as_str()).collect();
        for (query, _) in QUERIES {
            assert!(named.contains(query), "no gate asks {query}");
        }
        for gate in &gates {
            assert!(QUERIES.iter().any(|(name, _)| *name == gate.query), "{}", gate.query);
            assert!(seconds(&gate.window).is_some(), "{}", gate.window);
        }
    }

    #[test]
    fn a_bound_is_a_word_and_a_number() {
        let bound = Bound::try_from(">= 3".to_owned()).unwrap();
        assert!(bound.is_met(3.0) && !bound.is_met(2.9));
        assert!(Bound::try_from("about 3".to_owned()).is_err());
    }
}
