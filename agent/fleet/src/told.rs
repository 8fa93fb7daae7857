//! Servers that an action, an event or a request tells of: one that was taken out before any inventory, or that nobody
//! declared, is in no inventory at all.

use std::collections::BTreeMap;

use rusqlite::Params;

use crate::FleetError;
use crate::blast::{Had, IS_CERTAIN, What};
use crate::store::Fleet;

/// Times: `at` is when it was there, `time` when it was told; a request waits from the one to the other.
const TOLD: &str = "
CREATE TEMP TABLE told AS
SELECT one.*, CERTAIN AS certain FROM (
SELECT device, time AS at, owner, client, server, kind, identity, version, fingerprint, path, rule, code AS reason,
  'action' AS source, action AS what, outcome, code AS detail
FROM actions WHERE time >= ?2 AND time <= ?3 AND WANTED
UNION
SELECT device, time, owner, client, server, kind, identity, version, fingerprint, '', rule, reason, 'event', code, '', server
FROM events WHERE time >= ?2 AND time <= ?3 AND WANTED
UNION
SELECT device, asked, owner, client, server, kind, identity, version, fingerprint, '', '', '', 'request', 'request', '', request
FROM requests WHERE max(asked, time) >= ?2 AND min(asked, time) <= ?3 AND WANTED
) AS one";

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
        let sql = TOLD.replace("WANTED", wanted).replace("CERTAIN", IS_CERTAIN);
        self.connection.execute(&sql, asked)?;
        let sql = "SELECT device, at, owner, client, server, identity, version, fingerprint, path, rule, reason, source, what,
            outcome, detail, certain FROM temp.told ORDER BY at, source, device, owner, client, server, what LIMIT ?1";
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
                is_certain: row.get(15)?,
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

/// The lines about one server of one user in one file of a client.
#[derive(Default)]
struct File {
    /// Spans of inventories, one after the other.
    spans: Vec<usize>,
    /// The line of what only other records tell.
    told: Option<usize>,
}

impl File {
    /// The span that is meant by something that happened then: the first that had not ended.
    fn at(&self, had: &[Had], time: i64) -> Option<usize> {
        let has_ended =
            |at: &usize| had.get(*at).is_some_and(|span| span.gone_by != 0 && span.gone_by < time);
        self.spans.get(self.spans.partition_point(has_ended)).copied()
    }
}

/// Files by client and path.
type Files = BTreeMap<(String, String), File>;

/// Adds what inventories do not say. Where they do, there is no second line.
pub(crate) fn join(had: &mut Vec<Had>, told: Vec<Told>) {
    let mut known: BTreeMap<Key, Files> = BTreeMap::new();
    for (at, one) in had.iter().enumerate() {
        let files = known.entry(key(one)).or_default();
        files.entry((one.client.clone(), one.path.clone())).or_default().spans.push(at);
    }
    let (actions, others): (Vec<Told>, Vec<Told>) = told.into_iter().partition(Told::is_action);
    // actions first: they name the file, so that what only names the server joins them
    for one in actions {
        let files = known.entry(key(&one.had)).or_default();
        let file = files.entry((one.had.client.clone(), one.had.path.clone())).or_default();
        add(had, file, one);
    }
    for one in others {
        let files = known.entry(key(&one.had)).or_default();
        let mut is_known = false;
        // attack: one server in more files than anybody has would be compared with all of them each time
        for file in files.values().take(MOST_PLACES) {
            for at in [file.at(had, one.had.first_seen), file.told].into_iter().flatten() {
                if let Some(line) = had.get_mut(at) {
                    merge(line, &one);
                    is_known = true;
                }
            }
        }
        if !is_known {
            let file = files.entry((one.had.client.clone(), one.had.path.clone())).or_default();
            add(had, file, one);
        }
    }
    had.sort_by(|a, b| {
        let of = |had: &Had| (had.first_seen, had.told_by.clone());
        (&a.device, &a.owner, &a.client, &a.server, &a.fingerprint, &a.path)
            .cmp(&(&b.device, &b.owner, &b.client, &b.server, &b.fingerprint, &b.path))
            .then_with(|| of(a).cmp(&of(b)))
    });
}

/// Joins what is told of a file to one of its lines, or begins one.
fn add(had: &mut Vec<Had>, file: &mut File, one: Told) {
    let time = one.had.first_seen;
    let span = file.at(had, time).filter(|at| {
        // what was taken out before an inventory saw it was there once before
        let is_before = had.get(*at).is_some_and(|span| time < span.first_seen);
        !(is_before && one.takes_out())
    });
    if let Some(line) = span.or(file.told).and_then(|at| had.get_mut(at)) {
        merge(line, &one);
        return;
    }
    file.told = Some(had.len());
    let gone_by = if one.takes_out() { time } else { 0 };
    had.push(Had { gone_by, ..one.had });
}

/// What follows for a line from what is told of the same.
fn merge(line: &mut Had, told: &Told) {
    let time = told.had.first_seen;
    line.first_seen = line.first_seen.min(time);
    if line.told_by != "inventory" {
        if told.is_action() {
            line.gone_by = if told.takes_out() { time } else { 0 };
        }
        line.last_seen = line.last_seen.max(time);
    }
    line.ran |= told.had.ran;
}
