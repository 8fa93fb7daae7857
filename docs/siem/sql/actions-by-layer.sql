-- What each layer did in the window, and how many percent of it failed. `number` is how much it was.
SELECT layer || ' ' || what AS subject, 100.0 * sum(is_failed) / count(*) AS value, count(DISTINCT device) AS machines,
  min(time) AS since, '' AS detail, count(*) AS number
FROM (
  SELECT layer, action AS what, device, time,
    CASE WHEN outcome IN ('failed', 'conflict') THEN 1 ELSE 0 END AS is_failed
  FROM actions WHERE outcome <> 'would'
  UNION ALL
  SELECT layer, 'end' AS what, device, time,
    CASE WHEN code = 'server-not-ended' THEN 1 ELSE 0 END AS is_failed
  FROM events WHERE code IN ('server-ended', 'server-killed', 'server-not-ended')
) AS done
WHERE time >= (SELECT value FROM parameters WHERE name = 'since')
GROUP BY layer, what
ORDER BY value DESC, subject
