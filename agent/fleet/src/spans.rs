//! From when to when a declaration stood in its file: from the inventory that saw it first to the first one that could have seen
//! it and did not, or to the action that took it out. What was gone and came back has two spans.

use std::collections::BTreeMap;

use rusqlite::Row;

use crate::FleetError;
use crate::blast::Had;
use crate::looks::{Looks, Spot};
use crate::store::Fleet;

const HITS: &str = "
SELECT rowid, time, running, verdict, rule, reason, extent, project <> '', tier, certain,
  device, owner, client, server, identity, version, fingerprint, path
FROM temp.hits ORDER BY device, owner, client, server, fingerprint, path, identity, version, time, rowid";

/// What takes a declaration out of its file, or puts another one in its place.
pub(crate) const TAKING: &str = "('quarantine', 'quarantine-file', 'revert', 'pin')";

/// One declaration in one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    device: String,
    owner: String,
    client: String,
    server: String,
    identity: String,
    version: String,
    fingerprint: String,
    path: String,
}

/// When something was taken out, by machine, user, client, server, fingerprint and file, in order.
type Taken = BTreeMap<[String; 6], Vec<i64>>;

/// What inventories say, with what is true for the time that is asked for.
pub(crate) struct Spans {
    /// In the order of machine, user, client, server, fingerprint, file and time.
    pub(crate) had: Vec<Had>,
    /// There are more.
    pub(crate) is_cut: bool,
}

/// The span that is being read.
struct Open {
    place: Place,
    had: Had,
    /// It reaches into the time that is asked for.
    is_meant: bool,
}

impl Fleet {
    /// The spans of `temp.hits` that reach into a time, and takes out of it every row of which that is not so.
    ///
    /// # Errors
    /// The database refuses.
    pub(crate) fn spans(&self, (since, until): (i64, i64), most: usize) -> Result<Spans, FleetError> {
        self.connection.execute_batch(
            "DROP TABLE IF EXISTS temp.gone; CREATE TEMP TABLE gone (hit INTEGER PRIMARY KEY);",
        )?;
        let (taken, mut is_cut) = self.taken(most)?;
        let mut looks = Looks::new(&self.connection)?;
        let mut drop_hit = self.connection.prepare("INSERT INTO temp.gone VALUES (?1)")?;
        let mut statement = self.connection.prepare(HITS)?;
        let mut rows = statement.query([])?;
        let (mut all, mut open): (Vec<Had>, Option<Open>) = (Vec::new(), None);
        let mut close = |open: Option<Open>| match open {
            Some(open) if open.is_meant && all.len() < most => all.push(open.had),
            Some(open) => is_cut |= open.is_meant,
            None => {}
        };
        while let Some(row) = rows.next()? {
            let (hit, time, place, spot) =
                (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, place(row)?, spot(row)?);
            let next = [looks.next(&place.device, spot, time)?, first(&taken, &place, time)];
            let gone_by = next.into_iter().flatten().min().unwrap_or(0);
            let is_meant = time <= until && (gone_by == 0 || gone_by >= since);
            if !is_meant {
                drop_hit.execute([hit])?;
            }
            let goes_on = open.as_ref().is_some_and(|open| {
                open.place == place && (open.had.gone_by == 0 || time <= open.had.gone_by)
            });
            if !goes_on {
                close(open.take());
            }
            let had = had(row, &place, time, gone_by)?;
            match &mut open {
                Some(open) => open.go_on(had, is_meant),
                None => open = Some(Open { place, had, is_meant }),
            }
        }
        close(open);
        self.connection.execute("DELETE FROM temp.hits WHERE rowid IN (SELECT hit FROM temp.gone)", [])?;
        Ok(Spans { had: all, is_cut })
    }

    /// When what is asked for was taken out.
    fn taken(&self, most: usize) -> Result<(Taken, bool), FleetError> {
        let sql = format!(
            "SELECT device, owner, client, server, fingerprint, path, time FROM actions
             WHERE outcome = 'applied' AND action IN {TAKING} AND (device, fingerprint) IN (SELECT device, fingerprint FROM temp.hits)
             ORDER BY time LIMIT ?1"
        );
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = self.rows(&sql, [limit], |row| {
            let key = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
            Ok((key, row.get::<_, i64>(6)?))
        })?;
        let is_cut = rows.len() >= most;
        let mut taken = Taken::new();
        for (key, time) in rows {
            taken.entry(key).or_default().push(time);
        }
        Ok((taken, is_cut))
    }
}

impl Open {
    fn go_on(&mut self, newer: Had, is_meant: bool) {
        let (first_seen, ran) = (self.had.first_seen, self.had.ran || newer.ran);
        self.had = Had { first_seen, ran, ..newer };
        self.is_meant |= is_meant;
    }
}

/// The first time from a moment on at which it was taken out of its file, or of one that is not named.
fn first(taken: &Taken, place: &Place, from: i64) -> Option<i64> {
    let of = |path: &str| {
        let key = [&place.device, &place.owner, &place.client, &place.server, &place.fingerprint];
        let [device, owner, client, server, fingerprint] = key.map(Clone::clone);
        let times = taken.get(&[device, owner, client, server, fingerprint, path.to_owned()])?;
        times.get(times.partition_point(|time| *time < from)).copied()
    };
    [of(&place.path), of("")].into_iter().flatten().min()
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place {
        device: row.get(10)?,
        owner: row.get(11)?,
        client: row.get(12)?,
        server: row.get(13)?,
        identity: row.get(14)?,
        version: row.get(15)?,
        fingerprint: row.get(16)?,
        path: row.get(17)?,
    })
}

fn spot(row: &Row<'_>) -> rusqlite::Result<Spot> {
    Ok(Spot {
        extent: row.get(6)?,
        owner: row.get(11)?,
        path: row.get(17)?,
        is_project: row.get(7)?,
        tier: row.get(8)?,
    })
}

fn had(row: &Row<'_>, place: &Place, time: i64, gone_by: i64) -> rusqlite::Result<Had> {
    let place = place.clone();
    Ok(Had {
        device: place.device,
        owner: place.owner,
        client: place.client,
        server: place.server,
        identity: place.identity,
        version: place.version,
        fingerprint: place.fingerprint,
        path: place.path,
        first_seen: time,
        last_seen: time,
        gone_by,
        ran: row.get(2)?,
        verdict: row.get(3)?,
        rule: row.get(4)?,
        reason: row.get(5)?,
        told_by: "inventory".to_owned(),
        is_certain: row.get(9)?,
    })
}
