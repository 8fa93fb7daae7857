//! What of the spool is shown to whom: the owner of a laptop sees byte for byte what leaves of it, and nothing of others.

use std::path::Path;

use mcpolicy_schema::report::privacy::{Person, Privacy};
use mcpolicy_schema::report::v1::{Class, Tier};
use mcpolicy_spool::{Cursor, Line, MAX_BYTES, MAX_RECORDS, Reader, SpoolError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Records that are shown at once.
const MOST: usize = 2000;
/// Their bytes.
const MOST_BYTES: usize = 8 << 20;

/// Which records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// Those that wait.
    Waiting,
    /// Those that all sinks have taken and that are still here.
    Sent,
}

/// Records, as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Each one line of JSON, the oldest first.
    pub records: Vec<String>,
    /// Older ones that there was no room for.
    pub older: u64,
    /// Records of others.
    pub withheld: u64,
}

/// Who asks.
pub struct Viewer<'a> {
    /// The own user; nothing for administrators, who see everybody's.
    pub user: Option<&'a str>,
    /// Others have homes here.
    pub has_others: bool,
    /// The key of names that may leave.
    pub key: &'a [u8],
}

impl Viewer<'_> {
    /// The records of a spool that this one may see.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn of(&self, spool: &Path, which: Which) -> Result<Shown, SpoolError> {
        let reader = Reader::open(spool);
        let delivered = reader.delivered()?;
        let (mut lines, mut shown) = (Vec::new(), Shown::default());
        for class in Class::ALL {
            let taken = delivered.get(&class).cloned().unwrap_or_default();
            let from = if which == Which::Waiting { taken.clone() } else { Cursor::default() };
            let until = if which == Which::Waiting { u64::MAX } else { taken.seq };
            self.add(&reader, class, (from, until), &mut lines, &mut shown)?;
        }
        lines.sort_by_key(|line| line.time_ms);
        let mut room = MOST_BYTES;
        let fits = lines.iter().rev().take(MOST).take_while(|line| {
            let left = room.checked_sub(line.json.len());
            room = left.unwrap_or(0);
            left.is_some()
        });
        let from = lines.len() - fits.count();
        shown.older += from as u64;
        let text = |line: Line| String::from_utf8_lossy(&line.json).into_owned();
        shown.records = lines.drain(from..).map(text).collect();
        Ok(shown)
    }

    fn add(
        &self,
        reader: &Reader,
        class: Class,
        (mut cursor, until): (Cursor, u64),
        lines: &mut Vec<Line>,
        shown: &mut Shown,
    ) -> Result<(), SpoolError> {
        loop {
            let batch = reader.batch(class, &cursor, MAX_RECORDS, MAX_BYTES)?;
            if batch.lines.is_empty() {
                return Ok(());
            }
            cursor = batch.next;
            for line in batch.lines {
                if line.seq > until {
                    return Ok(());
                }
                if self.sees(&line.json) { lines.push(line) } else { shown.withheld += 1 }
            }
            // of a spool that is full the oldest are not kept in memory either
            if lines.len() > 4 * MOST {
                lines.sort_by_key(|line| line.time_ms);
                shown.older += (lines.len() - MOST) as u64;
                lines.drain(..lines.len() - MOST);
            }
        }
    }

    fn sees(&self, json: &[u8]) -> bool {
        let Some(own) = self.user else { return true };
        let Ok(record) = serde_json::from_slice::<Value>(json) else { return false };
        // texts of problems name files of whoever has them
        let is_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
        if record["kind"] == "heartbeat" && self.has_others && !is_empty(&record["problems"]) {
            return false;
        }
        // nor is it said whose an event without a user is about
        let says = record.get("detail").and_then(Value::as_str).is_some_and(|detail| !detail.is_empty());
        let is_nobodys = record.get("user").and_then(Value::as_str).is_none_or(str::is_empty);
        if record["kind"] == "event" && self.has_others && is_nobodys && says {
            return false;
        }
        let mut users = ["user", "/entry/user", "/finding/user", "/gap/user", "/request/user"]
            .into_iter()
            .filter_map(|place| if place == "user" { record.get("user") } else { record.pointer(place) });
        let tier = record.get("privacy").cloned().and_then(|tier| serde_json::from_value(tier).ok());
        let own = self.name_in(own, tier.unwrap_or_default());
        users.all(|user| user.as_str().is_some_and(|user| user.is_empty() || user == own))
    }

    /// How a user is called in records of a tier.
    fn name_in(&self, user: &str, tier: Tier) -> String {
        let people = [Person { user: user.to_owned(), home: String::new() }];
        let mut record = json!({
            "schema": mcpolicy_schema::report::v1::SCHEMA, "kind": "action", "class": "violation",
            "action": "", "outcome": "", "server": "", "client": "", "user": user, "path": "", "code": "",
        });
        Privacy::new(tier, self.key, &people).apply(&mut record);
        record["user"].as_str().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewer<'a>(user: Option<&'a str>) -> Viewer<'a> {
        Viewer { user, has_others: true, key: b"a key of a test" }
    }

    #[test]
    fn a_user_sees_the_own_records_and_those_of_nobody_and_an_administrator_all() {
        let see = |user, record: Value| viewer(user).sees(record.to_string().as_bytes());
        let of = |user: &str| json!({"kind": "action", "privacy": "full", "user": user});
        assert!(see(Some("ann"), of("ann")) && see(Some("ann"), of("")) && !see(Some("ann"), of("bob")));
        assert!(see(None, of("bob")));
        let entry = |user: &str| json!({"kind": "entry", "privacy": "full", "entry": {"user": user}});
        assert!(see(Some("ann"), entry("ann")) && !see(Some("ann"), entry("bob")));
        assert!(see(Some("ann"), json!({"kind": "gap", "privacy": "full", "of": "state"})));
        assert!(!see(Some("ann"), json!({"kind": "event", "privacy": "full", "detail": "entries of bob"})));
        let beat = |problems: Value| json!({"kind": "heartbeat", "privacy": "full", "problems": problems});
        assert!(see(Some("ann"), beat(json!([]))) && !see(Some("ann"), beat(json!(["/home/bob/x"]))));
        assert!(!viewer(Some("ann")).sees(b"no record"));
    }

    #[test]
    fn a_user_sees_the_own_records_under_a_pseudonym_too() {
        let name = viewer(None).name_in("ann", Tier::Pseudonymous);
        assert!(!name.is_empty() && name != "ann", "{name}");
        let record =
            |user: &str| json!({"kind": "action", "privacy": "pseudonymous", "user": user}).to_string();
        assert!(viewer(Some("ann")).sees(record(&name).as_bytes()));
        assert!(!viewer(Some("bob")).sees(record(&name).as_bytes()));
    }
}
