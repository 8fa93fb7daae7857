-- Hours since a machine was heard last, of any record but those of a time that has not come (clock-ahead).
SELECT device AS subject, ((SELECT value FROM parameters WHERE name = 'now') - max(time)) / 3600.0 AS value,
  1 AS machines, max(time) AS since, max(hostname) AS detail
FROM records
WHERE time <= (SELECT value FROM parameters WHERE name = 'now')
GROUP BY device
ORDER BY value DESC, subject
