//! How far heartbeats tell that the other chains of their machine are. Attack: whoever carries records holds back the last
//! violations, and no number after them is missing; or all of them, and there is no chain at all.

use rusqlite::{Connection, OptionalExtension as _, Statement};

use crate::FleetError;

/// The first and last number that must be there of one chain and epoch, as far as heartbeats alone prove it.
pub(crate) const ENDS: &str = "
SELECT least, most FROM temp.told_ends WHERE device = ?1 AND class = ?2 AND epoch = ?3";

/// Makes what [`ENDS`] reads.
///
/// A heartbeat leaves after everything that it names, but who copies files one after the other may have it and not that: it counts
/// when its machine was heard five minutes later, and not of a time that has not come. Of a window only what was written between two heartbeats in it is asked for, and
/// not what is there under a time before it: a record has the time of what it tells, which may have waited for room.
const PREPARE: &str = "
DROP TABLE IF EXISTS temp.told_ends;
CREATE TEMP TABLE told_ends (device TEXT NOT NULL, class TEXT NOT NULL, epoch TEXT NOT NULL, least INTEGER NOT NULL,
  most INTEGER NOT NULL, PRIMARY KEY (device, class, epoch)) WITHOUT ROWID;";
const FILL: &str = "
INSERT INTO temp.told_ends
SELECT e.device, e.class, e.epoch,
  CASE WHEN ?2 THEN 1 + max(min(e.seq), COALESCE((SELECT max(l.seq) FROM links AS l
    WHERE l.device = e.device AND l.class = e.class AND l.epoch = e.epoch), 0)) ELSE 1 END,
  max(e.seq)
FROM ends AS e
JOIN (SELECT device, max(time) AS heard FROM records
  WHERE time <= (SELECT value FROM parameters WHERE name = 'now') GROUP BY device) AS r ON r.device = e.device
WHERE e.time >= ?1 AND r.heard - e.time >= 300
GROUP BY e.device, e.class, e.epoch";

/// For records of which those before a time need not be there.
///
/// # Errors
/// The database refuses.
pub(crate) fn prepare(connection: &Connection, since: i64) -> Result<(), FleetError> {
    connection.execute_batch(PREPARE)?;
    connection.execute(FILL, (since, since > i64::MIN))?;
    Ok(())
}

/// # Errors
/// The database refuses.
pub(crate) fn read(
    ends: &mut Statement<'_>,
    of: (&str, &str, &str),
) -> Result<Option<(i64, i64)>, FleetError> {
    Ok(ends.query_row(of, |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}
