-- Hours since a machine told its state last (a heartbeat, an inventory, a scan), but for a time that has not come (clock-ahead).
-- Attack: whoever carries records holds back the heartbeats, which tell how far the other chains are, and lets an event through.
SELECT device AS subject, ((SELECT value FROM parameters WHERE name = 'now') - max(time)) / 3600.0 AS value,
  1 AS machines, max(time) AS since, max(hostname) AS detail
FROM records
WHERE class = 'state' AND time <= (SELECT value FROM parameters WHERE name = 'now')
GROUP BY device
ORDER BY value DESC, subject
