-- Of what a team declares, how many percent were taken out of files in the window.
SELECT team AS subject, 100.0 * sum(taken) / count(*) AS value,
  count(DISTINCT CASE WHEN taken = 1 THEN device END) AS machines,
  COALESCE(min(CASE WHEN taken = 1 THEN at_time END), 0) AS since, '' AS detail
FROM (
  SELECT t.team AS team, a.device AS device, a.owner AS owner, a.fingerprint AS fingerprint, 1 AS taken,
    min(a.time) AS at_time
  FROM actions AS a JOIN current_teams AS t ON t.device = a.device
  WHERE a.action = 'quarantine' AND a.outcome = 'applied' AND a.time >= (SELECT value FROM parameters WHERE name = 'since')
  GROUP BY t.team, a.device, a.owner, a.fingerprint
  UNION ALL
  SELECT t.team AS team, e.device AS device, e.owner AS owner, e.fingerprint AS fingerprint, 0 AS taken, e.time AS at_time
  FROM current_entries AS e JOIN current_teams AS t ON t.device = e.device
  WHERE e.inert = ''
) AS declared
GROUP BY team
ORDER BY value DESC, subject
