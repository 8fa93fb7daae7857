-- Credentials that stand in files in clear, per team. `value`: places.
SELECT t.team AS subject, count(*) AS value, count(DISTINCT f.device) AS machines, min(f.time) AS since,
  max(f.server) AS detail
FROM current_findings AS f JOIN current_teams AS t ON t.device = f.device
WHERE f.code IN ('literal-secret', 'url-credentials')
GROUP BY t.team
ORDER BY value DESC, subject
