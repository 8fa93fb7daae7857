-- Days until something expires: policies, exceptions, keys, as the table `expiries` has them. Below 0 it has.
SELECT x.what || ' ' || x.subject AS subject, (min(x.expires) - (SELECT value FROM parameters WHERE name = 'now')) / 86400.0 AS value,
  0 AS machines, min(x.expires) AS since, max(x.what) AS detail
FROM expiries AS x
GROUP BY x.what, x.subject
ORDER BY value, subject
