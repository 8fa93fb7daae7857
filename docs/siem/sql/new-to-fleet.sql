-- Servers that no machine had before the window, or one alone: one that lies, or whose clock is wrong, must not make a worm an old
-- acquaintance. `value`: machines that have it since.
SELECT identity AS subject, count(DISTINCT CASE WHEN is_new = 1 THEN device END) AS value,
  count(DISTINCT CASE WHEN is_new = 1 THEN device END) AS machines, min(CASE WHEN is_new = 1 THEN first_at END) AS since,
  max(kind) AS detail
FROM (
  SELECT device, kind, identity, first_at,
    CASE WHEN first_at >= (SELECT value FROM parameters WHERE name = 'since') THEN 1 ELSE 0 END AS is_new
  FROM first_seen_on
) AS n
WHERE (SELECT min(since) FROM known_since) < (SELECT value FROM parameters WHERE name = 'since')
GROUP BY kind, identity
HAVING sum(1 - is_new) < 2 AND sum(is_new) > 0
ORDER BY value DESC, subject
