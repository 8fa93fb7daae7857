-- Days that a request waits. It waits until its server is allowed where it was asked for, or the machine has none any more.
WITH allowed AS (
  SELECT DISTINCT device, fingerprint, 1 AS is_allowed FROM current_entries WHERE verdict = 'allow'
)
SELECT r.request AS subject, ((SELECT value FROM parameters WHERE name = 'now') - min(r.asked)) / 86400.0 AS value,
  count(DISTINCT r.device) AS machines, min(r.asked) AS since, max(r.identity) AS detail
FROM requests AS r LEFT JOIN allowed AS a ON a.device = r.device AND a.fingerprint = r.fingerprint
WHERE COALESCE(a.is_allowed, 0) = 0
  AND r.device NOT IN (SELECT device FROM current_heartbeats WHERE requests = 0)
  AND (r.snapshot = '' OR (r.device, r.snapshot) IN (SELECT device, snapshot FROM current_inventories))
GROUP BY r.request
ORDER BY value DESC, subject
