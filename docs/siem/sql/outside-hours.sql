-- Declarations that appeared at night or on a weekend, by user: in an inventory that a change brought, or by an action or event about
-- what nobody had seen before. The first and the daily inventory say nothing of when, nor does what was acted on or ran within ten
-- minutes of one. A server that was started by a flag before it was declared is still declared when it is.
-- `utc_offset`, `day_start` and `day_end` are seconds; 1970 began on a Thursday.
SELECT owner AS subject, count(*) AS value, count(DISTINCT device) AS machines, min(earliest) AS since,
  max(identity) AS detail
FROM (
  SELECT device, owner, client, server, kind, identity, version, fingerprint, min(at_time) AS earliest
  FROM (
    SELECT device, owner, client, server, kind, identity, version, fingerprint, first_seen AS at_time FROM sightings
    WHERE (device, first_seen) IN (SELECT device, time FROM inventories WHERE cause = 'change')
    UNION ALL
    SELECT device, owner, client, server, kind, identity, version, fingerprint, first_seen AS at_time FROM seen
    WHERE (device, first_seen) IN (
      SELECT a.device, a.at_time FROM (
        SELECT device, time AS at_time FROM actions
        WHERE action <> 'restore' AND time >= (SELECT value FROM parameters WHERE name = 'since')
        UNION ALL
        SELECT device, time AS at_time FROM events
        WHERE identity <> '' AND time >= (SELECT value FROM parameters WHERE name = 'since')
      ) AS a
      LEFT JOIN (SELECT device, time AS of_scan FROM inventories WHERE cause <> 'change') AS i ON i.device = a.device
      GROUP BY a.device, a.at_time
      HAVING max(CASE WHEN i.of_scan BETWEEN a.at_time - 600 AND a.at_time + 600 THEN 1 ELSE 0 END) = 0
    )
  ) AS appeared
  WHERE at_time >= (SELECT value FROM parameters WHERE name = 'since')
    AND (
      (at_time + (SELECT value FROM parameters WHERE name = 'utc_offset')) % 86400 < (SELECT value FROM parameters WHERE name = 'day_start')
      OR (at_time + (SELECT value FROM parameters WHERE name = 'utc_offset')) % 86400 >= (SELECT value FROM parameters WHERE name = 'day_end')
      OR (at_time + (SELECT value FROM parameters WHERE name = 'utc_offset') + 345600) % 604800 < 86400
      OR (at_time + (SELECT value FROM parameters WHERE name = 'utc_offset') + 345600) % 604800 >= 518400
    )
  GROUP BY device, owner, client, server, kind, identity, version, fingerprint
) AS of_night
GROUP BY owner
ORDER BY value DESC, subject
