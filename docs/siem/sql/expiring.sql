-- Days until something expires: the newest policy of a name, the trust root, exceptions, grants and graces by which something
-- is allowed now, and what the table `expiries` has. Below 0 it has. `machines`: on how many.
--
-- One machine that lies hides no end and makes none: of each policy name the highest sequence that two machines have counts, and of it
-- the smallest end that two of them tell; of an approval the latest that two tell. Where no two agree, the smallest. Machines
-- that were not heard within a week do not count: what they have is for silent-machines.
WITH heard AS (
  SELECT DISTINCT device FROM records
  WHERE time <= (SELECT value FROM parameters WHERE name = 'now')
    AND time >= (SELECT value FROM parameters WHERE name = 'now') - 604800
), beats AS (
  SELECT policy, sequence, device, policy_expires, root_expires FROM current_heartbeats
  WHERE policy <> '' AND device IN (SELECT device FROM heard)
), newest AS (
  SELECT policy, COALESCE(max(CASE WHEN number > 1 THEN sequence END), min(sequence)) AS sequence
  FROM (SELECT policy, sequence, count(*) AS number FROM beats GROUP BY policy, sequence) AS sequences
  GROUP BY policy
), told AS (
  SELECT 'policy' AS what, policy AS subject, device, policy_expires AS expires FROM beats
  WHERE policy_expires > 0 AND (policy, sequence) IN (SELECT policy, sequence FROM newest)
  UNION ALL
  SELECT 'root' AS what, policy AS subject, device, root_expires AS expires FROM beats
  WHERE root_expires > 0 AND (policy, sequence) IN (SELECT policy, sequence FROM newest)
  UNION ALL
  SELECT 'approval' AS what, CASE WHEN rule = '' THEN identity ELSE rule END AS subject, device, ends AS expires
  FROM current_entries WHERE ends > 0 AND device IN (SELECT device FROM heard)
), ends AS (
  SELECT what, subject, COALESCE(
      CASE WHEN what = 'approval' THEN max(CASE WHEN number > 1 THEN expires END) ELSE min(CASE WHEN number > 1 THEN expires END) END,
      min(expires)
    ) AS ends_at
  FROM (SELECT what, subject, expires, count(DISTINCT device) AS number FROM told GROUP BY what, subject, expires) AS each_end
  GROUP BY what, subject
), spread AS (
  SELECT what, subject, count(DISTINCT device) AS on_machines FROM told GROUP BY what, subject
)
SELECT what || ' ' || subject AS subject, (max(ends_at) - (SELECT value FROM parameters WHERE name = 'now')) / 86400.0 AS value,
  max(on_machines) AS machines, max(ends_at) AS since, what AS detail
FROM (
  SELECT e.what AS what, e.subject AS subject, e.ends_at AS ends_at, s.on_machines AS on_machines
  FROM ends AS e JOIN spread AS s ON s.what = e.what AND s.subject = e.subject
  UNION ALL
  SELECT what, subject, expires AS ends_at, 0 AS on_machines FROM expiries
) AS known
GROUP BY what, subject
ORDER BY value, subject
