-- Servers that no rule of the policy is about, per team: what is used there and nobody has looked at. Those of the window that
-- were taken out or ended count as well: their inventory is clean, and the team wants them all the same.
SELECT t.team AS subject, count(DISTINCT e.what) AS value, count(DISTINCT e.device) AS machines,
  min(e.at_time) AS since, max(e.identity) AS detail
FROM (
  SELECT device, kind || ' ' || identity AS what, identity, first_seen AS at_time FROM current_entries
  WHERE inert = '' AND disabled = 0 AND verdict <> 'allow' AND decided_by IN ('', 'default')
  UNION ALL
  SELECT device, kind || ' ' || identity AS what, identity, time AS at_time FROM actions
  WHERE identity <> '' AND code IN ('not-allowed', 'impersonation') AND action <> 'restore' AND time >= (SELECT value FROM parameters WHERE name = 'since')
  UNION ALL
  SELECT device, kind || ' ' || identity AS what, identity, time AS at_time FROM events
  WHERE identity <> '' AND reason IN ('not-allowed', 'impersonation') AND time >= (SELECT value FROM parameters WHERE name = 'since')
) AS e JOIN current_teams AS t ON t.device = e.device
GROUP BY t.team
ORDER BY value DESC, subject
