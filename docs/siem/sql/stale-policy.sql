-- Percent of a team's machines whose policy is stale, expired or absent, or older than one that was there before the window: on two
-- machines of its ring, as one that lies would make all others stale, or on the only one.
WITH had AS (
  SELECT policy, ring, sequence, device FROM heartbeats WHERE time < (SELECT value FROM parameters WHERE name = 'since')
), spread AS (
  SELECT policy, ring, count(DISTINCT device) AS on_machines FROM had GROUP BY policy, ring
), published AS (
  SELECT n.policy AS policy, n.ring AS ring, max(n.sequence) AS highest
  FROM (SELECT policy, ring, sequence, count(DISTINCT device) AS number FROM had GROUP BY policy, ring, sequence) AS n
  JOIN spread AS s ON s.policy = n.policy AND s.ring = n.ring
  WHERE n.number > 1 OR s.on_machines = 1
  GROUP BY n.policy, n.ring
), judged AS (
  SELECT h.device AS device, h.time AS at_time,
    CASE WHEN h.staleness <> 'fresh' OR h.sequence < COALESCE(p.highest, 0) THEN 1 ELSE 0 END AS is_stale
  FROM current_heartbeats AS h LEFT JOIN published AS p ON p.policy = h.policy AND p.ring = h.ring
)
SELECT t.team AS subject, 100.0 * sum(j.is_stale) / count(*) AS value, sum(j.is_stale) AS machines,
  min(j.at_time) AS since, '' AS detail
FROM judged AS j JOIN current_teams AS t ON t.device = j.device
GROUP BY t.team
ORDER BY value DESC, subject
