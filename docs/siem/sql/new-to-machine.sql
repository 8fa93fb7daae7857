-- Servers that are new to a machine which was known before the window. `value`: how many.
SELECT n.device AS subject, count(*) AS value, 1 AS machines, min(n.first_at) AS since, max(n.identity) AS detail
FROM first_seen_on AS n JOIN known_since AS k ON k.device = n.device
WHERE n.first_at >= (SELECT value FROM parameters WHERE name = 'since') AND k.since < (SELECT value FROM parameters WHERE name = 'since')
GROUP BY n.device
ORDER BY value DESC, subject
