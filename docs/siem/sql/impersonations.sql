-- Entries that bear the name of an approved server and would run something else: those that are there, and those of the window that
-- were taken out or ended, which no inventory has any more. `value`: machines, each once.
SELECT server AS subject, count(DISTINCT device) AS value, count(DISTINCT device) AS machines, min(at_time) AS since,
  max(device) AS detail
FROM (
  SELECT server, device, time AS at_time FROM current_findings WHERE code = 'impersonation'
  UNION ALL
  SELECT server, device, time AS at_time FROM actions
  WHERE code = 'impersonation' AND action <> 'restore' AND time >= (SELECT value FROM parameters WHERE name = 'since')
  UNION ALL
  SELECT server, device, time AS at_time FROM events
  WHERE reason = 'impersonation' AND time >= (SELECT value FROM parameters WHERE name = 'since')
) AS told
GROUP BY server
ORDER BY value DESC, subject
