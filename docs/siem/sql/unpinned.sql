-- Packages of which somebody else chooses the version, by spread. `value`: machines.
SELECT e.identity AS subject, count(DISTINCT e.device) AS value, count(DISTINCT e.device) AS machines,
  min(e.first_seen) AS since, max(e.version) AS detail
FROM current_entries AS e
WHERE e.inert = '' AND e.pinned = 0
  AND e.kind NOT IN ('', 'url', 'bridge', 'executable', 'script', 'opaque', 'builtin')
GROUP BY e.identity
ORDER BY value DESC, subject
