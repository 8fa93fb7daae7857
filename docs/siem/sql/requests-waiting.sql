-- Days that a request waits. It waits until its server is allowed where it was asked for, or its machine names it no
-- more: answered or withdrawn. A machine that has more than it names (200) may have any.
WITH allowed AS (
  SELECT DISTINCT device, fingerprint, 1 AS is_allowed FROM current_entries WHERE verdict = 'allow'
)
SELECT r.request AS subject, ((SELECT value FROM parameters WHERE name = 'now') - min(r.asked)) / 86400.0 AS value,
  count(DISTINCT r.device) AS machines, min(r.asked) AS since, max(r.identity) AS detail
FROM requests AS r LEFT JOIN allowed AS a ON a.device = r.device AND a.fingerprint = r.fingerprint
  LEFT JOIN current_heartbeats AS h ON h.device = r.device
  LEFT JOIN (SELECT device, count(*) AS number FROM current_waiting GROUP BY device) AS n ON n.device = r.device
WHERE COALESCE(a.is_allowed, 0) = 0
  AND (r.time >= COALESCE(h.time, 0) OR COALESCE(h.requests, 0) > COALESCE(n.number, 0)
    OR (r.device, r.request) IN (SELECT device, request FROM current_waiting))
  AND (r.snapshot = '' OR (r.device, r.snapshot) IN (SELECT device, snapshot FROM current_inventories))
GROUP BY r.request
ORDER BY value DESC, subject
