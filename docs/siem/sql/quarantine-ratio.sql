-- Of what a team declares, how many percent were taken out of files in the window: the mean of its machines, as one with thousands
-- of entries is not the team. A file that was taken away with all that is in it counts with each server, or once where nobody
-- could read it.
SELECT team AS subject, 100.0 * avg(share) AS value, sum(CASE WHEN number > 0 THEN 1 ELSE 0 END) AS machines,
  COALESCE(min(CASE WHEN number > 0 THEN first_at END), 0) AS since, '' AS detail
FROM (
  SELECT team, device, 1.0 * sum(taken) / count(*) AS share, sum(taken) AS number,
    min(CASE WHEN taken = 1 THEN at_time END) AS first_at
  FROM (
    SELECT t.team AS team, a.device AS device, a.owner AS owner, a.fingerprint AS fingerprint, 1 AS taken,
      min(a.time) AS at_time
    FROM actions AS a JOIN current_teams AS t ON t.device = a.device
    WHERE a.action IN ('quarantine', 'quarantine-file') AND a.outcome = 'applied'
      AND a.time >= (SELECT value FROM parameters WHERE name = 'since')
    GROUP BY t.team, a.device, a.owner, a.fingerprint, CASE WHEN a.fingerprint = '' THEN a.path ELSE '' END
    UNION ALL
    SELECT t.team AS team, e.device AS device, e.owner AS owner, e.fingerprint AS fingerprint, 0 AS taken, e.time AS at_time
    FROM current_entries AS e JOIN current_teams AS t ON t.device = e.device
    WHERE e.inert = ''
  ) AS declared
  GROUP BY team, device
) AS by_machine
GROUP BY team
ORDER BY value DESC, subject
