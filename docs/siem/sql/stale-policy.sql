-- Percent of a team's machines whose policy is stale, expired or absent, or older than one that was there before the window.
WITH published AS (
  SELECT policy, ring, max(sequence) AS highest FROM heartbeats WHERE time < (SELECT value FROM parameters WHERE name = 'since') GROUP BY policy, ring
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
