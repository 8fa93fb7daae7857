-- Hours by which a machine writes of a time that has not come. Until then its newest word is the one of then, and it is never silent.
SELECT device AS subject, (max(time) - (SELECT value FROM parameters WHERE name = 'now')) / 3600.0 AS value, 1 AS machines,
  max(time) AS since, '' AS detail
FROM records
WHERE time > (SELECT value FROM parameters WHERE name = 'now')
GROUP BY device
ORDER BY value DESC, subject
