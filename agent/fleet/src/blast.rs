//! How far a server reached: who had it, since when, and which credentials stood beside it.

use rusqlite::{Row, params};
use serde::Serialize;

use crate::FleetError;
use crate::store::Fleet;
use crate::told::{self, Told};
use crate::wanted::{self, Wanted};

/// Rows of an answer; more is a warehouse's question.
const MOST_ROWS: i64 = 200_000;

/// A declaration of it, or what ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Had {
    /// The machine.
    pub device: String,
    /// Whose; empty where it is everybody's.
    pub owner: String,
    /// Whose file it is in.
    pub client: String,
    /// Under which name.
    pub server: String,
    /// What it is.
    pub identity: String,
    /// Which version.
    pub version: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// The file.
    pub path: String,
    /// When it was first seen, in seconds since 1970.
    pub first_seen: i64,
    /// When it was last seen.
    pub last_seen: i64,
    /// The first inventory without it that could have seen it, or when it was taken out; 0 where it is still there, or nobody knows.
    pub gone_by: i64,
    /// A process of it was seen.
    pub ran: bool,
    /// What the policy said last.
    pub verdict: String,
    /// By which rule.
    pub rule: String,
    /// Why it is not allowed.
    pub reason: String,
    /// From which kind of record that is known: `inventory`; `action`, `event` or `request` where no inventory had it.
    pub told_by: String,
    /// False where a version is asked for and nobody knows which one it was: it names none, a range or a tag.
    pub is_certain: bool,
}

/// A credential that it could read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credential {
    /// The machine.
    pub device: String,
    /// Whose.
    pub owner: String,
    /// `same-entry`: it was given to the server; `same-user`: it stood in another entry of the same user, or of somebody whom
    /// the server ran as, in a file that it could read.
    pub beside: String,
    /// The entry's name.
    pub server: String,
    /// Its file.
    pub path: String,
    /// `env` or `header`.
    pub place: String,
    /// Name of the variable or header.
    pub name: String,
    /// What kind of secret; `not-told` where only an action, event or request tells of the server: those say nothing of what it
    /// was given.
    pub kind: String,
    /// Keyed fingerprint; equal ones are one secret.
    pub fingerprint: String,
}

/// Something that happened with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct What {
    /// When, in seconds since 1970.
    pub time: i64,
    /// On which machine.
    pub device: String,
    /// Whose.
    pub owner: String,
    /// `seen`, `gone`, or what was done or asked.
    pub what: String,
    /// More of it.
    pub detail: String,
}

/// The whole answer.
#[derive(Debug, Clone, Serialize)]
pub struct Blast {
    /// What was asked.
    pub wanted: Wanted,
    /// How many machines had it.
    pub machines: u64,
    /// How many more had it in a version that nobody knows, where one is asked for.
    pub unsure_machines: u64,
    /// How many users are named.
    pub users: u64,
    /// On how many machines it was everybody's, whoever they are.
    pub everybodys_machines: u64,
    /// Machines whose privacy tier was changed meanwhile, so that one user has two names.
    pub renamed_machines: u64,
    /// Each declaration.
    pub had: Vec<Had>,
    /// What to change.
    pub credentials: Vec<Credential>,
    /// What happened when.
    pub timeline: Vec<What>,
    /// There is more than is told.
    pub is_cut: bool,
    /// Machines of which the policy lets out names as hashes only: of them a name finds nothing, a fingerprint does.
    pub nameless_machines: u64,
    /// Machines with servers that no inventory had, of which other records do not say what is asked for: the digest of a file,
    /// or the address behind a bridge.
    pub silent_machines: u64,
}

/// What is asked, on every table that says what a server is. ?1 is a fingerprint or digest, with nothing before it.
const IS_WANTED: &str = "(
    (kind, identity, version) IN (SELECT kind, identity, version FROM temp.about)
    OR (?1 <> '' AND fingerprint IN (?1, 'sha256:' || ?1))
)";

/// Whether it is that for certain.
pub(crate) const IS_CERTAIN: &str = "COALESCE((SELECT a.certain FROM temp.about AS a
    WHERE a.kind = one.kind AND a.identity = one.identity AND a.version = one.version), 1)";

const HITS: &str = "
CREATE TEMP TABLE hits AS SELECT one.*,
  (SELECT o.extent FROM inventories AS o WHERE o.device = one.device AND o.snapshot = one.snapshot) AS extent,
  COALESCE((SELECT r.privacy FROM records AS r WHERE r.id = one.id), 'full') AS tier, CERTAIN AS certain
FROM entries AS one
WHERE WANTED OR (?1 <> '' AND ?1 IN (program_sha256, script_sha256, listener_sha256))
    OR (contacts <> '' AND contacts IN (SELECT contacts FROM temp.led))";

/// Whose credentials of which inventory it could read: of the inventory that it is in; of those before and after the moment at
/// which it was there, where no inventory had it. What nobody owns runs as everybody.
const BESIDE: &str = "
DROP TABLE IF EXISTS temp.beside;
CREATE TEMP TABLE beside (device TEXT NOT NULL, snapshot TEXT NOT NULL, owner TEXT NOT NULL,
  PRIMARY KEY (device, snapshot, owner)) WITHOUT ROWID;
INSERT OR IGNORE INTO temp.beside SELECT device, snapshot, owner FROM temp.hits;
INSERT OR IGNORE INTO temp.beside
SELECT t.device, i.snapshot, t.owner FROM (
  SELECT DISTINCT device, owner,
    (SELECT max(b.time) FROM inventories AS b WHERE b.device = told.device AND b.time <= told.at) AS before,
    (SELECT min(b.time) FROM inventories AS b WHERE b.device = told.device AND b.time >= told.at) AS behind
  FROM temp.told
) AS t JOIN inventories AS i ON i.device = t.device AND i.time IN (t.before, t.behind);
INSERT OR IGNORE INTO temp.beside
SELECT t.device, i.snapshot, t.owner FROM (
  SELECT DISTINCT device, owner,
    (SELECT max(b.time) FROM whole_inventories AS b WHERE b.device = told.device AND b.time <= told.at) AS before,
    (SELECT min(b.time) FROM whole_inventories AS b WHERE b.device = told.device AND b.time >= told.at) AS behind
  FROM temp.told
) AS t JOIN whole_inventories AS i ON i.device = t.device AND i.time IN (t.before, t.behind);";

const CREDENTIALS: &str = "
SELECT DISTINCT c.device, c.owner,
  CASE WHEN (c.device, c.snapshot, c.entry) IN (SELECT device, snapshot, entry FROM temp.hits) THEN 'same-entry' ELSE 'same-user' END,
  e.server, e.path, c.place, c.name, c.kind, c.fingerprint
FROM credentials AS c JOIN entries AS e ON e.device = c.device AND e.snapshot = c.snapshot AND e.entry = c.entry
WHERE ((c.device, c.snapshot, c.owner) IN (SELECT device, snapshot, owner FROM temp.beside)
    OR (c.device, c.snapshot) IN (SELECT device, snapshot FROM temp.beside WHERE owner = '')
    OR (c.owner = '' AND (c.device, c.snapshot) IN (SELECT device, snapshot FROM temp.beside)))
  AND c.place <> 'member' AND c.kind <> 'empty'
ORDER BY 3, 1, 2, 4, 6, 7, 8, 9
LIMIT ?1";

/// Machines of which something was told in the time that no inventory had: all, or those with a bridge.
const SILENT: &str = "
SELECT count(DISTINCT device) FROM (
  SELECT device, time, kind, identity, fingerprint FROM actions
  UNION ALL SELECT device, time, kind, identity, fingerprint FROM events
  UNION ALL SELECT device, time, kind, identity, fingerprint FROM requests
) WHERE identity <> '' AND time >= ?1 AND time <= ?2 AND (?3 = '' OR kind = ?3)
  AND (device, fingerprint) NOT IN (SELECT device, fingerprint FROM sightings)";

/// By the name of its server alone: an event of a process need not say what it runs.
const BY_NAME: &str = "
SELECT e.time, e.device, e.owner, e.code, e.server FROM events AS e
WHERE e.identity = '' AND e.fingerprint = '' AND substr(e.code, 1, 7) = 'server-' AND e.time >= ?1 AND e.time <= ?2
  AND (e.device, e.owner, e.server) IN (SELECT device, owner, server FROM hits)
LIMIT ?3";

impl Fleet {
    /// Who declared or ran a server in a time.
    ///
    /// # Errors
    /// The database refuses.
    pub fn blast(&self, wanted: Wanted) -> Result<Blast, FleetError> {
        self.connection.execute_batch(
            "DROP TABLE IF EXISTS temp.hits;
             CREATE INDEX IF NOT EXISTS entries_by_snapshot ON entries (device, snapshot, entry);
             CREATE INDEX IF NOT EXISTS inventories_by_device ON inventories (device, snapshot);
             CREATE INDEX IF NOT EXISTS inventories_by_time ON inventories (device, time);
             CREATE INDEX IF NOT EXISTS coverage_by_device ON coverage (device, snapshot);
             CREATE INDEX IF NOT EXISTS whole_by_device ON whole_inventories (device, time);",
        )?;
        wanted::find(&self.connection, &wanted)?;
        let digest = if wanted.is_name() { "" } else { wanted.name.trim_start_matches("sha256:") };
        let hits = HITS.replace("WANTED", IS_WANTED).replace("CERTAIN", IS_CERTAIN);
        self.connection.execute(&hits, [digest])?;
        let limit = usize::try_from(MOST_ROWS).unwrap_or(usize::MAX);
        let spans = self.spans((wanted.since, wanted.until), limit)?;
        let mut timeline = self.rows(BY_NAME, params![wanted.since, wanted.until, MOST_ROWS], what)?;
        let told = self.told(IS_WANTED, params![digest, wanted.since, wanted.until], MOST_ROWS)?;
        self.connection.execute_batch(BESIDE)?;
        let mut credentials = self.rows(CREDENTIALS, params![MOST_ROWS], credential)?;
        timeline.extend(told.iter().map(Told::moment));
        let is_cut = spans.is_cut
            || [credentials.len(), timeline.len(), told.len()].into_iter().any(|rows| rows >= limit);
        let mut had = spans.had;
        told::join(&mut had, told);
        credentials.extend(had.iter().filter(|had| had.told_by != "inventory").map(not_told));
        timeline.extend(had.iter().flat_map(seen));
        timeline.sort_by(|a, b| {
            // what took it out comes before that it was gone
            let of = |one: &What| (one.time, one.device.clone(), one.what == "gone");
            of(a).cmp(&of(b)).then_with(|| (&a.owner, &a.what).cmp(&(&b.owner, &b.what)))
        });
        Ok(Blast {
            machines: self.reached("device", "certain = 1")?,
            unsure_machines: self.reached("device", "certain = 0")?,
            users: self.reached("owner", "certain = 1")?,
            everybodys_machines: self.count(
                "SELECT count(DISTINCT device) FROM temp.hits WHERE owner = ''",
                [],
            )?,
            renamed_machines: self.count(
                "SELECT count(*) FROM (SELECT device FROM temp.hits GROUP BY device HAVING count(DISTINCT tier) > 1)",
                [],
            )?,
            nameless_machines: self.nameless(&wanted)?,
            silent_machines: self.silent(&wanted)?,
            wanted,
            had,
            credentials,
            timeline,
            is_cut,
        })
    }

    fn nameless(&self, wanted: &Wanted) -> Result<u64, FleetError> {
        if !wanted.is_name() {
            return Ok(0);
        }
        self.count("SELECT count(DISTINCT device) FROM records WHERE privacy = 'outcomes'", [])
    }

    fn silent(&self, wanted: &Wanted) -> Result<u64, FleetError> {
        let is_remote = wanted.meanings().iter().any(mcpolicy_schema::policy::Sought::is_remote);
        let kind = match (wanted.is_name(), is_remote) {
            (false, _) => "",
            (true, true) => "bridge",
            (true, false) => return Ok(0),
        };
        self.count(SILENT, params![wanted.since, wanted.until, kind])
    }

    fn count(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<u64, FleetError> {
        let count: i64 = self.connection.query_row(sql, parameters, |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// How many machines, or owners that are somebody, inventories and other records name: those that had it for certain, or
    /// those of which only something uncertain is told.
    fn reached(&self, column: &str, wanted: &str) -> Result<u64, FleetError> {
        self.count(
            &format!(
                "SELECT count(*) FROM (
                   SELECT one, max(certain) AS certain FROM (
                     SELECT {column} AS one, certain FROM temp.hits UNION SELECT {column}, certain FROM temp.told
                   ) WHERE one <> '' GROUP BY one
                 ) WHERE {wanted}"
            ),
            [],
        )
    }

    pub(crate) fn rows<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        of: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, FleetError> {
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map(parameters, of)?;
        Ok(rows.collect::<rusqlite::Result<Vec<T>>>()?)
    }
}

/// From when to when a declaration was there, as two moments.
fn seen(had: &Had) -> impl Iterator<Item = What> {
    let moment = |time: i64, what: &str| What {
        time,
        device: had.device.clone(),
        owner: had.owner.clone(),
        what: what.to_owned(),
        detail: format!("{} in {}", had.server, had.client),
    };
    let gone = (had.gone_by != 0).then(|| moment(had.gone_by, "gone"));
    std::iter::once(moment(had.first_seen, "seen")).chain(gone)
}

/// Stands for whatever the server was given, which nobody but its machine knows.
fn not_told(had: &Had) -> Credential {
    Credential {
        device: had.device.clone(),
        owner: had.owner.clone(),
        beside: "same-entry".to_owned(),
        server: had.server.clone(),
        path: had.path.clone(),
        place: String::new(),
        name: String::new(),
        kind: "not-told".to_owned(),
        fingerprint: String::new(),
    }
}

fn credential(row: &Row<'_>) -> rusqlite::Result<Credential> {
    Ok(Credential {
        device: row.get(0)?,
        owner: row.get(1)?,
        beside: row.get(2)?,
        server: row.get(3)?,
        path: row.get(4)?,
        place: row.get(5)?,
        name: row.get(6)?,
        kind: row.get(7)?,
        fingerprint: row.get(8)?,
    })
}

fn what(row: &Row<'_>) -> rusqlite::Result<What> {
    Ok(What {
        time: row.get(0)?,
        device: row.get(1)?,
        owner: row.get(2)?,
        what: row.get(3)?,
        detail: row.get(4)?,
    })
}
