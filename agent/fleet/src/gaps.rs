//! What machines tell they dropped, and whether it can be true. Attack: whoever deletes violations on their way writes a `gap`
//! record that tells of them.

use rusqlite::{Connection, Statement};

use crate::FleetError;
use crate::chain::length;

/// Gaps of one chain and epoch in order: first, last, count, whether its record hangs in its own chain, and the highest number that
/// arrived (0: none).
pub(crate) const TOLD: &str = "
SELECT g.first_seq, g.last_seq, g.number,
  EXISTS (SELECT 1 FROM temp.chained AS c JOIN records AS r ON r.id = g.id
    WHERE c.device = r.device AND c.class = r.class AND c.epoch = r.epoch AND c.seq = r.seq),
  COALESCE((SELECT max(l.seq) FROM links AS l WHERE l.device = ?1 AND l.class = ?2 AND l.epoch = ?3), 0), g.time
FROM gaps AS g WHERE g.device = ?1 AND g.class = ?2 AND g.epoch = ?3 ORDER BY g.first_seq, g.last_seq";

/// Makes what [`TOLD`] reads. A record is chained if its number is its own, no neighbour contradicts it, and one of them (or, for
/// the first, the beginning) bears it out.
const PREPARE: &str = "
CREATE INDEX IF NOT EXISTS gaps_by_device ON gaps (device, class, epoch, first_seq);
CREATE INDEX IF NOT EXISTS links_by_seq ON links (device, class, epoch, seq, digest);
DROP TABLE IF EXISTS temp.carriers;
DROP TABLE IF EXISTS temp.chained;
CREATE TEMP TABLE carriers AS
  SELECT DISTINCT r.device AS device, r.class AS class, r.epoch AS epoch, r.seq AS seq
  FROM gaps AS g JOIN records AS r ON r.id = g.id WHERE r.epoch <> '';
CREATE TEMP TABLE chained AS
SELECT one.device AS device, one.class AS class, one.epoch AS epoch, one.seq AS seq FROM (
  SELECT c.device, c.class, c.epoch, c.seq,
    (SELECT min(l.digest) FROM links AS l
      WHERE l.device = c.device AND l.class = c.class AND l.epoch = c.epoch AND l.seq = c.seq) AS digest,
    (SELECT max(l.digest) FROM links AS l
      WHERE l.device = c.device AND l.class = c.class AND l.epoch = c.epoch AND l.seq = c.seq) AS other,
    (SELECT l.prev FROM links AS l
      WHERE l.device = c.device AND l.class = c.class AND l.epoch = c.epoch AND l.seq = c.seq LIMIT 1) AS prev
  FROM temp.carriers AS c
) AS one
WHERE one.digest = one.other
  AND NOT EXISTS (SELECT 1 FROM links AS l WHERE l.device = one.device AND l.class = one.class AND l.epoch = one.epoch
    AND l.seq = one.seq + 1 AND l.prev <> lower(hex(one.digest)))
  AND NOT EXISTS (SELECT 1 FROM links AS l WHERE l.device = one.device AND l.class = one.class AND l.epoch = one.epoch
    AND l.seq = one.seq - 1 AND lower(hex(l.digest)) <> one.prev)
  AND ((one.seq = 1 AND trim(one.prev, '0') = '')
    OR EXISTS (SELECT 1 FROM links AS l WHERE l.device = one.device AND l.class = one.class AND l.epoch = one.epoch
      AND l.seq IN (one.seq - 1, one.seq + 1)));
CREATE INDEX temp.chained_by_seq ON chained (device, class, epoch, seq);";

/// # Errors
/// The database refuses.
pub(crate) fn prepare(connection: &Connection) -> Result<(), FleetError> {
    Ok(connection.execute_batch(PREPARE)?)
}

/// What is told of one epoch.
#[derive(Default)]
pub(crate) struct Told {
    /// In order, none touching the next.
    runs: Vec<(i64, i64)>,
    /// The run that the next hole may meet. Holes come in order, so that each run is gone through once.
    at: usize,
    untrue: Vec<(i64, i64)>,
}

impl Told {
    /// # Errors
    /// The database refuses.
    pub(crate) fn read(
        told: &mut Statement<'_>,
        of: (&str, &str, &str),
        since: i64,
    ) -> Result<Self, FleetError> {
        let mut all = Self::default();
        let mut rows = told.query(of)?;
        while let Some(row) = rows.next()? {
            let (first, last, count): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let (is_chained, highest): (bool, i64) = (row.get(3)?, row.get(4)?);
            if row.get::<_, i64>(5)? < since {
                // told before the time that is asked for, of what came before it
                continue;
            }
            let is_counted = first >= 1
                && last >= first
                && u64::try_from(count).is_ok_and(|count| count == length(first, last));
            // behind the last that arrived only what follows on it: else one gap would hide whatever is to come
            let reach = all.runs.last().map_or(highest, |(_, last)| highest.max(*last));
            let is_within = last <= highest || highest == 0 || first == reach.saturating_add(1);
            if is_chained && is_counted && is_within {
                all.add(first, last);
            } else {
                all.untrue.push((first, last));
            }
        }
        Ok(all)
    }

    fn add(&mut self, first: i64, last: i64) {
        match self.runs.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => self.runs.push((first, last)),
        }
    }

    /// How many records are told.
    pub(crate) fn records(&self) -> u64 {
        self.runs.iter().fold(0, |sum: u64, (first, last)| sum.saturating_add(length(*first, *last)))
    }

    /// What cannot be true.
    pub(crate) fn take_false(&mut self) -> Vec<(i64, i64)> {
        std::mem::take(&mut self.untrue)
    }

    /// What is left of a hole that lies behind every hole before.
    pub(crate) fn without(&mut self, from: i64, to: i64) -> Vec<(i64, i64)> {
        let (mut next, mut left) = (from, Vec::new());
        while let Some((first, last)) = self.runs.get(self.at).copied().filter(|(first, _)| *first <= to) {
            if first > next {
                left.push((next, first - 1));
            }
            next = next.max(last.saturating_add(1));
            // one that reaches behind the hole may meet the next as well
            if last > to {
                break;
            }
            self.at += 1;
        }
        if next <= to {
            left.push((next, to));
        }
        left
    }
}
