-- Packages that come from another registry than the approved one, per team. `value`: declarations.
SELECT t.team AS subject, count(*) AS value, count(DISTINCT f.device) AS machines, min(f.time) AS since,
  max(f.server) AS detail
FROM current_findings AS f JOIN current_teams AS t ON t.device = f.device
WHERE f.code = 'registry-override'
GROUP BY t.team
ORDER BY value DESC, subject
