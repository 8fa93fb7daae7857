-- What each layer did in the window, and how many percent of it failed: the mean of its machines, as one that fights with its user
-- does more than all others together. `number` is how much it was.
SELECT layer || ' ' || what AS subject, 100.0 * avg(failed) AS value, count(*) AS machines,
  min(first_at) AS since, '' AS detail, sum(done) AS number
FROM (
  SELECT layer, what, device, 1.0 * sum(is_failed) / count(*) AS failed, count(*) AS done, min(at_time) AS first_at
  FROM (
    SELECT layer, action AS what, device, time AS at_time,
      CASE WHEN outcome IN ('failed', 'conflict') THEN 1 ELSE 0 END AS is_failed
    FROM actions WHERE outcome <> 'would'
    UNION ALL
    SELECT layer, 'end' AS what, device, time AS at_time,
      CASE WHEN code = 'server-not-ended' THEN 1 ELSE 0 END AS is_failed
    FROM events WHERE code IN ('server-ended', 'server-killed', 'server-not-ended')
  ) AS each_time
  WHERE at_time >= (SELECT value FROM parameters WHERE name = 'since')
  GROUP BY layer, what, device
) AS by_machine
GROUP BY layer, what
ORDER BY value DESC, subject
