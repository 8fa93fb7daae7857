//! What the page says, asked of the database.

use rusqlite::types::ValueRef;

use crate::FleetError;
use crate::store::Fleet;
use crate::text;

/// Rows of a table on the page.
const MOST_ROWS: usize = 300;

/// Declarations that a client would load.
const LIVE: &str = "inert = '' AND disabled = 0";

pub(super) struct Facts {
    pub(super) devices: u64,
    pub(super) users: u64,
    pub(super) identities: u64,
    pub(super) declarations: u64,
    pub(super) allowed: u64,
    pub(super) denied: u64,
    pub(super) unknown: u64,
    pub(super) by_client: Vec<(String, u64)>,
    pub(super) by_kind: Vec<(String, u64)>,
    pub(super) by_team: Vec<(String, u64)>,
    pub(super) by_age: Vec<(String, u64)>,
    pub(super) reach: Vec<Vec<String>>,
    pub(super) servers: Vec<Vec<String>>,
    pub(super) machines: Vec<Vec<String>>,
}

impl Facts {
    pub(super) fn of(fleet: &Fleet) -> Result<Self, FleetError> {
        let one = |sql: &str| -> Result<u64, FleetError> {
            let count: i64 = fleet.connection.query_row(sql, [], |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or(0))
        };
        let live =
            |what: &str, and: &str| format!("SELECT count({what}) FROM current_entries WHERE {LIVE}{and}");
        let bars = |column: &str, from: &str| {
            let sql = format!("SELECT {column}, count(*) FROM {from} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 12");
            fleet.rows(&sql, [], |row| {
                Ok((row.get::<_, String>(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)))
            })
        };
        let of_live = format!("current_entries WHERE {LIVE}");
        Ok(Self {
            devices: one("SELECT count(DISTINCT device) FROM records")?,
            users: one(&live("DISTINCT CASE WHEN owner <> '' THEN owner END", ""))?,
            identities: one(&live("DISTINCT kind || ' ' || identity", ""))?,
            declarations: one(&live("*", ""))?,
            allowed: one(&live("*", " AND verdict = 'allow'"))?,
            denied: one(&live("*", " AND verdict = 'deny'"))?,
            unknown: one(&live("*", " AND verdict = 'unknown'"))?,
            by_client: bars("client", &of_live)?,
            by_kind: bars("kind", &of_live)?,
            by_team: bars(
                "t.team",
                &format!("current_entries AS e JOIN current_teams AS t ON t.device = e.device WHERE {LIVE}"),
            )?,
            by_age: bars("date(first_seen, 'unixepoch')", &of_live)?,
            reach: table(fleet, REACH, &[])?,
            servers: table(fleet, SERVERS, &[9])?,
            machines: table(fleet, MACHINES, &[7])?,
        })
    }
}

const REACH: &str = "
SELECT verdict, reason, rule, count(*), count(DISTINCT device), count(DISTINCT device || ' ' || owner)
FROM current_entries WHERE inert = '' AND disabled = 0 AND verdict IN ('deny', 'unknown')
GROUP BY verdict, reason, rule ORDER BY 4 DESC, 1, 2, 3";

const SERVERS: &str = "
SELECT identity, count(DISTINCT version), count(DISTINCT client), count(DISTINCT device),
  count(DISTINCT CASE WHEN owner <> '' THEN owner END), count(*), sum(verdict = 'allow'), sum(verdict = 'deny'),
  sum(verdict = 'unknown'), min(first_seen)
FROM current_entries WHERE inert = '' AND disabled = 0
GROUP BY kind, identity ORDER BY 4 DESC, 1";

const MACHINES: &str = "
SELECT r.device, r.host, r.system, COALESCE(h.state, ''), COALESCE(h.mode, ''),
  CASE WHEN h.policy <> '' THEN h.policy || '@' || h.sequence ELSE '' END, COALESCE(h.open_entries, ''), r.last
FROM (SELECT device, max(hostname) AS host, max(os || ' ' || os_version) AS system, max(time) AS last FROM records GROUP BY device)
  AS r LEFT JOIN current_heartbeats AS h ON h.device = r.device
ORDER BY r.last, r.device";

/// The rows of a query as texts, as many as the page shows. Columns of `times` are times.
fn table(fleet: &Fleet, sql: &str, times: &[usize]) -> Result<Vec<Vec<String>>, FleetError> {
    let mut statement = fleet.connection.prepare(&format!("{sql} LIMIT {MOST_ROWS}"))?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = (0..columns).map(|at| Ok(cell(row.get_ref(at)?, times.contains(&at))));
        all.push(cells.collect::<rusqlite::Result<Vec<String>>>()?);
    }
    Ok(all)
}

pub(super) fn cell(value: ValueRef<'_>, is_time: bool) -> String {
    match value {
        ValueRef::Integer(seconds) if is_time => text::time(seconds),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => text::number(number),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Null | ValueRef::Blob(_) => String::new(),
    }
}
