-- Declarations that appeared at night or on a weekend, by user. Only what a change brought: the first and the daily inventory
-- say nothing of when, nor does what was acted on within ten minutes of one. `utc_offset`, `day_start` and `day_end` are seconds; 1970 began on a Thursday.
SELECT owner AS subject, count(*) AS value, count(DISTINCT device) AS machines, min(first_seen) AS since,
  max(identity) AS detail
FROM seen
WHERE first_seen >= (SELECT value FROM parameters WHERE name = 'since')
  AND (
    (device, first_seen) IN (SELECT device, time FROM inventories WHERE cause = 'change')
    OR (device, first_seen) IN (
      SELECT a.device, a.time FROM actions AS a
      LEFT JOIN (SELECT device, time AS at_time FROM inventories WHERE cause <> 'change') AS i ON i.device = a.device
      WHERE a.action <> 'restore' AND a.time >= (SELECT value FROM parameters WHERE name = 'since')
      GROUP BY a.device, a.time
      HAVING max(CASE WHEN i.at_time BETWEEN a.time - 600 AND a.time + 600 THEN 1 ELSE 0 END) = 0
    )
  )
  AND (
    (first_seen + (SELECT value FROM parameters WHERE name = 'utc_offset')) % 86400 < (SELECT value FROM parameters WHERE name = 'day_start')
    OR (first_seen + (SELECT value FROM parameters WHERE name = 'utc_offset')) % 86400 >= (SELECT value FROM parameters WHERE name = 'day_end')
    OR (first_seen + (SELECT value FROM parameters WHERE name = 'utc_offset') + 345600) % 604800 < 86400
    OR (first_seen + (SELECT value FROM parameters WHERE name = 'utc_offset') + 345600) % 604800 >= 518400
  )
GROUP BY owner
ORDER BY value DESC, subject
