//! How far a server reached: who had it, since when, and which credentials stood beside it.

use rusqlite::{Row, params};
use serde::Serialize;

use crate::FleetError;
use crate::looks::{self, Looks, Spot};
use crate::store::Fleet;
use crate::told::{self, Told};

/// Rows of an answer; more is a warehouse's question.
const MOST_ROWS: i64 = 200_000;

/// The server that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Its identity (`npm:@scope/name`, also without what is before the colon), a fingerprint, or a digest of an executable.
    pub name: String,
    /// Its version, where only that one is meant.
    pub version: Option<String>,
    /// Not before, in seconds since 1970.
    pub since: i64,
    /// Not after.
    pub until: i64,
}

impl Wanted {
    /// From what a person writes: `npm:left-pad`, `npm:left-pad@1.3.0`, `sha256:…` or 64 hex digits.
    pub fn parse(text: &str, since: i64, until: i64) -> Self {
        // digests are kept in small letters, and some tools print capital ones
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let lower = text.to_ascii_lowercase();
        let text = if is_digest { lower.as_str() } else { text };
        let at = text.rfind('@').filter(|at| {
            let before = &text[..*at];
            // the first character of a scope is no version
            !before.is_empty() && !before.ends_with([':', '/'])
        });
        let (name, version) = match at {
            Some(at) => (text[..at].to_owned(), Some(text[at + 1..].to_owned())),
            None => (text.to_owned(), None),
        };
        Self { name, version, since, until }
    }

    /// As it was written: an `@` may be of a path (`/opt/homebrew/opt/node@20/bin/x`) and part no version.
    fn whole(&self) -> String {
        self.version.as_ref().map_or_else(|| self.name.clone(), |version| format!("{}@{version}", self.name))
    }

    /// Whether it is no fingerprint and no digest, which are the same in every privacy tier.
    fn is_name(&self) -> bool {
        let digits = self.name.strip_prefix("sha256:").unwrap_or(&self.name);
        digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

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
}

/// A credential that it could read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credential {
    /// The machine.
    pub device: String,
    /// Whose.
    pub owner: String,
    /// `same-entry`: it was given to the server; `same-user`: it stood in another entry of the same user, in a file that the
    /// server could read.
    pub beside: String,
    /// The entry's name.
    pub server: String,
    /// Its file.
    pub path: String,
    /// `env` or `header`.
    pub place: String,
    /// Name of the variable or header.
    pub name: String,
    /// What kind of secret.
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
    /// How many users.
    pub users: u64,
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
}

/// What is asked, on every table that says what a server is.
const IS_WANTED: &str = "(
    identity = ?5 OR kind || ':' || identity = ?5 OR identity = kind || ':' || ?5 OR
    ((identity = ?1 OR kind || ':' || identity = ?1 OR identity = kind || ':' || ?1) AND (?2 = '' OR version = ?2))
    OR (?1 <> '' AND (fingerprint = ?1 OR fingerprint = 'sha256:' || ?1 OR 'sha256:' || fingerprint = ?1))
)";

const HITS: &str = "
CREATE TEMP TABLE hits AS SELECT e.*,
  (SELECT o.extent FROM inventories AS o WHERE o.device = e.device AND o.snapshot = e.snapshot) AS extent,
  COALESCE((SELECT r.privacy FROM records AS r WHERE r.id = e.id), 'full') AS tier
FROM entries AS e
WHERE e.time <= ?4 AND (WANTED
    OR (length(?1) >= 64 AND replace(?1, 'sha256:', '') IN (program_sha256, script_sha256, listener_sha256, fingerprint))
)";

const HAD: &str = "
SELECT h.device, h.owner, h.client, h.server, h.identity, h.version, h.fingerprint, h.path, s.first_seen, s.last_seen,
  0, h.ran, h.verdict, h.rule, h.reason, 'inventory', h.extent, h.project <> '', h.tier
FROM (
  SELECT *, max(running) OVER (PARTITION BY device, owner, client, server, fingerprint) AS ran,
    row_number() OVER (PARTITION BY device, owner, client, server, fingerprint ORDER BY time DESC, id) AS place
  FROM hits
) AS h JOIN sightings AS s ON s.device = h.device AND s.fingerprint = h.fingerprint AND s.owner = h.owner
  AND s.client = h.client AND s.server = h.server AND s.kind = h.kind AND s.identity = h.identity AND s.version = h.version
WHERE h.place = 1
ORDER BY h.device, h.owner, h.client, h.server, h.fingerprint
LIMIT ?1";

const CREDENTIALS: &str = "
SELECT DISTINCT c.device, c.owner,
  CASE WHEN (c.device, c.snapshot, c.entry) IN (SELECT device, snapshot, entry FROM hits) THEN 'same-entry' ELSE 'same-user' END,
  e.server, e.path, c.place, c.name, c.kind, c.fingerprint
FROM credentials AS c JOIN entries AS e ON e.device = c.device AND e.snapshot = c.snapshot AND e.entry = c.entry
WHERE (c.device, c.snapshot, c.owner) IN (SELECT device, snapshot, owner FROM hits)
  AND c.place <> 'member' AND c.kind <> 'empty'
ORDER BY 3, 1, 2, 4, 6, 7, 8, 9
LIMIT ?1";

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
        let version = wanted.version.as_deref().unwrap_or_default();
        self.connection.execute_batch("DROP TABLE IF EXISTS temp.hits")?;
        self.connection.execute_batch(
            "CREATE INDEX IF NOT EXISTS entries_by_snapshot ON entries (device, snapshot, entry);
             CREATE INDEX IF NOT EXISTS inventories_by_device ON inventories (device, snapshot);
             CREATE INDEX IF NOT EXISTS coverage_by_device ON coverage (device, snapshot);
             CREATE INDEX IF NOT EXISTS whole_by_device ON whole_inventories (device, time);",
        )?;
        let asked = params![wanted.name, version, wanted.since, wanted.until, wanted.whole()];
        self.connection.execute(&HITS.replace("WANTED", IS_WANTED), asked)?;
        looks::drop_gone(&self.connection, wanted.since)?;
        let mut had = self.declared()?;
        let credentials = self.rows(CREDENTIALS, params![MOST_ROWS], credential)?;
        let mut timeline = self.rows(BY_NAME, params![wanted.since, wanted.until, MOST_ROWS], what)?;
        let told = self.told(IS_WANTED, asked, MOST_ROWS)?;
        timeline.extend(told.iter().map(Told::moment));
        let (machines, users) = (self.reached("device")?, self.reached("owner")?);
        let limit = usize::try_from(MOST_ROWS).unwrap_or(usize::MAX);
        let is_cut =
            [had.len(), credentials.len(), timeline.len(), told.len()].into_iter().any(|rows| rows >= limit);
        told::join(&mut had, told);
        let nameless = "SELECT count(DISTINCT device) FROM records WHERE privacy = 'outcomes'";
        let nameless: i64 =
            if wanted.is_name() { self.connection.query_row(nameless, [], |row| row.get(0))? } else { 0 };
        let nameless_machines = u64::try_from(nameless).unwrap_or(0);
        timeline.extend(had.iter().flat_map(seen));
        timeline.sort_by(|a, b| {
            (a.time, &a.device, &a.owner, &a.what).cmp(&(b.time, &b.device, &b.owner, &b.what))
        });
        Ok(Blast { wanted, machines, users, had, credentials, timeline, is_cut, nameless_machines })
    }

    /// Whoever inventories name.
    fn declared(&self) -> Result<Vec<Had>, FleetError> {
        let rows = self.rows(HAD, params![MOST_ROWS], |row| {
            let spot = Spot {
                extent: row.get(16)?,
                owner: row.get(1)?,
                path: row.get(7)?,
                is_project: row.get(17)?,
                tier: row.get(18)?,
            };
            Ok((had(row)?, spot))
        })?;
        let mut looks = Looks::new(&self.connection)?;
        let mut all = Vec::with_capacity(rows.len());
        for (mut had, spot) in rows {
            had.gone_by = looks.next(&had.device, spot, had.last_seen)?.unwrap_or(0);
            all.push(had);
        }
        Ok(all)
    }

    /// How many machines, or owners that are somebody, inventories and other records name.
    fn reached(&self, column: &str) -> Result<u64, FleetError> {
        let sql = format!(
            "SELECT count(*) FROM (SELECT {column} AS one FROM temp.hits UNION SELECT {column} FROM temp.told) WHERE one <> ''"
        );
        let count: i64 = self.connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
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

fn had(row: &Row<'_>) -> rusqlite::Result<Had> {
    Ok(Had {
        device: row.get(0)?,
        owner: row.get(1)?,
        client: row.get(2)?,
        server: row.get(3)?,
        identity: row.get(4)?,
        version: row.get(5)?,
        fingerprint: row.get(6)?,
        path: row.get(7)?,
        first_seen: row.get(8)?,
        last_seen: row.get(9)?,
        gone_by: row.get(10)?,
        ran: row.get(11)?,
        verdict: row.get(12)?,
        rule: row.get(13)?,
        reason: row.get(14)?,
        told_by: row.get(15)?,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_behind_the_last_at_and_a_scope_is_none() {
        let of = |text: &str| {
            let wanted = Wanted::parse(text, 0, 1);
            (wanted.name, wanted.version)
        };
        assert_eq!(of("npm:@acme/mcp"), ("npm:@acme/mcp".to_owned(), None));
        assert_eq!(of("npm:@acme/mcp@1.2"), ("npm:@acme/mcp".to_owned(), Some("1.2".to_owned())));
        assert_eq!(of("@acme/mcp@1.2"), ("@acme/mcp".to_owned(), Some("1.2".to_owned())));
        assert_eq!(of("sha256:00"), ("sha256:00".to_owned(), None));
    }
}
