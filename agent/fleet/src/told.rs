//! Servers that an action, an event or a request tells of: one that was taken out before any inventory, or that nobody
//! declared, is in no inventory at all.

use std::collections::BTreeMap;

use rusqlite::Params;

use crate::FleetError;
use crate::blast::{Had, What};
use crate::store::Fleet;

/// Times: `at` is when it was there, `time` when it was told; a request waits from the one to the other.
const TOLD: &str = "
CREATE TEMP TABLE told AS
SELECT device, time AS at, owner, client, server, identity, version, fingerprint, path, rule, code AS reason, 'action' AS source,
  action AS what, outcome, code AS detail
FROM actions WHERE time >= ?3 AND time <= ?4 AND WANTED
UNION
SELECT device, time, owner, client, server, identity, version, fingerprint, '', rule, reason, 'event', code, '', server
FROM events WHERE time >= ?3 AND time <= ?4 AND WANTED
UNION
SELECT device, asked, owner, client, server, identity, version, fingerprint, '', '', '', 'request', 'request', '', request
FROM requests WHERE max(asked, time) >= ?3 AND min(asked, time) <= ?4 AND WANTED";

/// Files with one server of one user that are told apart.
const MOST_PLACES: usize = 1000;

/// One of them.
pub(crate) struct Told {
    had: Had,
    what: String,
    outcome: String,
    detail: String,
}

impl Told {
    /// As a line of the timeline.
    pub(crate) fn moment(&self) -> What {
        let what = if self.outcome.is_empty() {
            self.what.clone()
        } else {
            format!("{} {}", self.what, self.outcome)
        };
        let (device, owner) = (self.had.device.clone(), self.had.owner.clone());
        What { time: self.had.first_seen, device, owner, what, detail: self.detail.clone() }
    }

    /// The declaration is not there any more, or another one stands in its place.
    fn takes_out(&self) -> bool {
        let is_taking = matches!(self.what.as_str(), "quarantine" | "quarantine-file" | "revert" | "pin");
        self.outcome == "applied" && is_taking
    }

    fn is_action(&self) -> bool {
        self.had.told_by == "action"
    }
}

impl Fleet {
    /// Fills `temp.told` and reads it, in order of time.
    ///
    /// # Errors
    /// The database refuses.
    pub(crate) fn told(&self, wanted: &str, asked: impl Params, most: i64) -> Result<Vec<Told>, FleetError> {
        self.connection.execute_batch("DROP TABLE IF EXISTS temp.told")?;
        self.connection.execute(&TOLD.replace("WANTED", wanted), asked)?;
        let sql = "SELECT device, at, owner, client, server, identity, version, fingerprint, path, rule, reason, source, what,
            outcome, detail FROM temp.told ORDER BY at, source, device, owner, client, server, what LIMIT ?1";
        self.rows(sql, [most], |row| {
            let (at, source, what): (i64, String, String) = (row.get(1)?, row.get(11)?, row.get(12)?);
            let had = Had {
                device: row.get(0)?,
                owner: row.get(2)?,
                client: row.get(3)?,
                server: row.get(4)?,
                identity: row.get(5)?,
                version: row.get(6)?,
                fingerprint: row.get(7)?,
                path: row.get(8)?,
                first_seen: at,
                last_seen: at,
                gone_by: 0,
                // what these events are about is a process
                ran: source == "event" && (what.starts_with("server-") || what == "undeclared-server"),
                verdict: String::new(),
                rule: row.get(9)?,
                reason: row.get(10)?,
                told_by: source,
            };
            Ok(Told { had, what, outcome: row.get(13)?, detail: row.get(14)? })
        })
    }
}

/// What makes two records be about one server of one user.
type Key = (String, String, String, String);

fn key(had: &Had) -> Key {
    let what = if had.fingerprint.is_empty() {
        format!("{} {} {}", had.server, had.identity, had.version)
    } else {
        had.fingerprint.clone()
    };
    (had.device.clone(), had.owner.clone(), had.server.clone(), what)
}

/// Adds what inventories do not say. Where they do, there is no second line.
pub(crate) fn join(had: &mut Vec<Had>, told: Vec<Told>) {
    let mut known: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (at, one) in had.iter().enumerate() {
        known.entry(key(one)).or_default().push(at);
    }
    let (actions, others): (Vec<Told>, Vec<Told>) = told.into_iter().partition(Told::is_action);
    // actions first: they name the file, so that what only names the server joins them
    for one in actions.into_iter().chain(others) {
        let places = known.entry(key(&one.had)).or_default();
        let mut is_known = false;
        // several only where one server stands in files of several clients
        for at in places.iter().copied() {
            is_known |= had.get_mut(at).is_some_and(|before| merge(before, &one));
        }
        if !is_known {
            // attack: one server in more files than anybody has would be compared with all of them each time
            if places.len() < MOST_PLACES {
                places.push(had.len());
            }
            let gone_by = if one.takes_out() { one.had.first_seen } else { 0 };
            had.push(Had { gone_by, ..one.had });
        }
    }
    had.sort_by(|a, b| {
        let of = |had: &Had| (had.first_seen, had.told_by.clone());
        (&a.device, &a.owner, &a.client, &a.server, &a.fingerprint)
            .cmp(&(&b.device, &b.owner, &b.client, &b.server, &b.fingerprint))
            .then_with(|| of(a).cmp(&of(b)))
    });
}

/// Whether a line is about the same as what is told, with what follows from that.
fn merge(line: &mut Had, told: &Told) -> bool {
    let time = told.had.first_seen;
    if told.is_action()
        && (line.client != told.had.client || (line.told_by == "action" && line.path != told.had.path))
    {
        return false;
    }
    if line.told_by == "inventory" {
        // behind its end it was there once more
        if line.gone_by != 0 && time > line.gone_by {
            return false;
        }
        line.first_seen = line.first_seen.min(time);
    } else {
        line.first_seen = line.first_seen.min(time);
        if told.is_action() {
            line.gone_by = if told.takes_out() { time } else { 0 };
        }
        line.last_seen = line.last_seen.max(time);
    }
    line.ran |= told.had.ran;
    true
}
