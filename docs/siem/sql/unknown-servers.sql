-- Servers that no rule of the policy is about, per team: what is used there and nobody has looked at.
SELECT t.team AS subject, count(DISTINCT e.kind || ' ' || e.identity) AS value, count(DISTINCT e.device) AS machines,
  min(e.first_seen) AS since, max(e.identity) AS detail
FROM current_entries AS e JOIN current_teams AS t ON t.device = e.device
WHERE e.inert = '' AND e.disabled = 0 AND e.verdict <> 'allow' AND e.decided_by IN ('', 'default')
GROUP BY t.team
ORDER BY value DESC, subject
