-- Credentials that stand in files in clear, per team, and those of the window that were acted on for it. `value`: places.
SELECT t.team AS subject, count(*) AS value, count(DISTINCT f.device) AS machines, min(f.at_time) AS since,
  max(f.server) AS detail
FROM (
  SELECT device, server, time AS at_time FROM current_findings WHERE code IN ('literal-secret', 'url-credentials')
  UNION ALL
  SELECT device, server, min(time) AS at_time FROM actions
  WHERE code IN ('literal-secret', 'url-credentials') AND action <> 'restore' AND time >= (SELECT value FROM parameters WHERE name = 'since')
    AND (device, owner, server) NOT IN (SELECT device, owner, server FROM current_findings WHERE code IN ('literal-secret', 'url-credentials'))
  GROUP BY device, owner, server, fingerprint
) AS f JOIN current_teams AS t ON t.device = f.device
GROUP BY t.team
ORDER BY value DESC, subject
