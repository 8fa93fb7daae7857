-- Entries that bear the name of an approved server and would run something else. `value`: machines.
SELECT f.server AS subject, count(DISTINCT f.device) AS value, count(DISTINCT f.device) AS machines, min(f.time) AS since,
  max(f.device) AS detail
FROM current_findings AS f
WHERE f.code = 'impersonation'
GROUP BY f.server
ORDER BY value DESC, subject
