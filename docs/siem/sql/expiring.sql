-- Days until something expires: the newest policy of a name, the trust root, exceptions, grants and graces by which something
-- is allowed now, and what the table `expiries` has. Below 0 it has. `machines`: on how many.
SELECT what || ' ' || subject AS subject, (max(expires) - (SELECT value FROM parameters WHERE name = 'now')) / 86400.0 AS value,
  count(DISTINCT device) - max(is_supplied) AS machines, max(expires) AS since, max(what) AS detail
FROM (
  SELECT 'policy' AS what, policy AS subject, device, policy_expires AS expires, 0 AS is_supplied
  FROM current_heartbeats WHERE policy_expires > 0
  UNION ALL
  SELECT 'root' AS what, policy AS subject, device, root_expires AS expires, 0 AS is_supplied
  FROM current_heartbeats WHERE root_expires > 0
  UNION ALL
  SELECT 'approval' AS what, CASE WHEN rule = '' THEN identity ELSE rule END AS subject, device, ends AS expires, 0 AS is_supplied
  FROM current_entries WHERE ends > 0
  UNION ALL
  SELECT what, subject, '' AS device, expires, 1 AS is_supplied FROM expiries
) AS known
GROUP BY what, subject
ORDER BY value, subject
