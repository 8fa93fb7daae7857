-- Declarations that appeared at night or on a weekend, by user. Only what a change brought: the first and the daily inventory
-- say nothing of when. `utc_offset`, `day_start` and `day_end` are seconds; 1970 began on a Thursday.
SELECT owner AS subject, count(*) AS value, count(DISTINCT device) AS machines, min(first_seen) AS since,
  max(identity) AS detail
FROM sightings
WHERE first_seen >= (SELECT value FROM parameters WHERE name = 'since')
  AND (device, first_seen) IN (SELECT device, time FROM inventories WHERE cause = 'change')
  AND (
    (first_seen + (SELECT value FROM parameters WHERE name = 'utc_offset')) % 86400 < (SELECT value FROM parameters WHERE name = 'day_start')
    OR (first_seen + (SELECT value FROM parameters WHERE name = 'utc_offset')) % 86400 >= (SELECT value FROM parameters WHERE name = 'day_end')
    OR (first_seen + (SELECT value FROM parameters WHERE name = 'utc_offset') + 345600) % 604800 < 86400
    OR (first_seen + (SELECT value FROM parameters WHERE name = 'utc_offset') + 345600) % 604800 >= 518400
  )
GROUP BY owner
ORDER BY value DESC, subject
