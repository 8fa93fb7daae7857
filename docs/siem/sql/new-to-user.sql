-- Servers that are new to a user who was known before the window, on any machine. `value`: how many.
SELECT n.owner AS subject, count(*) AS value, max(n.on_machines) AS machines, min(n.first_at) AS since,
  max(n.identity) AS detail
FROM (
  SELECT owner, kind, identity, min(first_seen) AS first_at, count(DISTINCT device) AS on_machines
  FROM seen WHERE owner <> '' GROUP BY owner, kind, identity
) AS n JOIN (
  SELECT owner, min(first_seen) AS known_at FROM seen WHERE owner <> '' GROUP BY owner
) AS k ON k.owner = n.owner
WHERE n.first_at >= (SELECT value FROM parameters WHERE name = 'since') AND k.known_at < (SELECT value FROM parameters WHERE name = 'since')
GROUP BY n.owner
ORDER BY value DESC, subject
