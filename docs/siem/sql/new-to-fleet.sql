-- Servers that no machine had before the window. `value`: machines that have it by now.
SELECT identity AS subject, count(DISTINCT device) AS value, count(DISTINCT device) AS machines, min(first_seen) AS since,
  max(kind) AS detail
FROM seen
WHERE identity <> '' AND (SELECT min(since) FROM known_since) < (SELECT value FROM parameters WHERE name = 'since')
GROUP BY kind, identity
HAVING min(first_seen) >= (SELECT value FROM parameters WHERE name = 'since')
ORDER BY value DESC, subject
