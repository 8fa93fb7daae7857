-- Accounts that should be gone and still have servers, ask for some, or had one that was taken out or ran. `value`: traces since
-- the day. Where a policy enforces, what such an account plants is in no inventory.
SELECT x.owner AS subject, count(*) AS value, count(DISTINCT x.device) AS machines, min(x.time) AS since,
  max(x.detail) AS detail
FROM (
  SELECT owner, device, time, identity AS detail FROM current_entries WHERE inert = '' AND disabled = 0
  UNION ALL SELECT owner, device, time, identity AS detail FROM requests
  UNION ALL SELECT owner, device, time, code AS detail FROM actions WHERE action <> 'restore'
  UNION ALL SELECT owner, device, time, code AS detail FROM events WHERE server <> '' OR identity <> ''
) AS x JOIN offboarded AS o ON o.owner = x.owner
WHERE x.time >= o.since
GROUP BY x.owner
ORDER BY value DESC, subject
