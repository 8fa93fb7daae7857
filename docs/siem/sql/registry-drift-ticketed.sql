-- An approved server that is declared otherwise than before, under a change ticket (registry-drift says which): how far it has come.
WITH fleet AS (
  SELECT kind, identity, fingerprint, min(first_seen) AS first_at, count(DISTINCT device) AS on_machines
  FROM sightings WHERE identity <> '' GROUP BY kind, identity, fingerprint
), known AS (
  SELECT kind, identity, min(first_at) AS known_at FROM fleet GROUP BY kind, identity
), drifted AS (
  SELECT f.kind AS kind, f.identity AS identity, f.fingerprint AS fingerprint, f.first_at AS first_at,
    f.on_machines AS on_machines
  FROM fleet AS f JOIN known AS k ON k.kind = f.kind AND k.identity = f.identity
  WHERE f.first_at > k.known_at AND f.first_at >= (SELECT value FROM parameters WHERE name = 'since')
    AND f.fingerprint IN (SELECT fingerprint FROM current_entries WHERE verdict = 'allow')
), spread AS (
  SELECT fingerprint, count(DISTINCT device) AS on_machines FROM current_entries GROUP BY fingerprint
), newly AS (
  SELECT e.fingerprint AS fingerprint, e.ticket AS ticket, count(DISTINCT e.device) AS on_machines
  FROM current_entries AS e JOIN approvals AS a ON a.kind = e.kind AND a.identity = e.identity AND a.ticket = e.ticket
  JOIN (SELECT kind, identity, min(since) AS since FROM approvals GROUP BY kind, identity) AS f
    ON f.kind = e.kind AND f.identity = e.identity
  WHERE e.verdict = 'allow' AND e.ticket <> '' AND a.since > f.since AND a.since >= (SELECT value FROM parameters WHERE name = 'since') - 604800
  GROUP BY e.fingerprint, e.ticket
), ticketed AS (
  SELECT d.fingerprint AS fingerprint FROM drifted AS d JOIN change_tickets AS c ON c.subject = d.identity
  WHERE c.opened <= d.first_at AND (c.closed = 0 OR c.closed >= d.first_at)
  UNION ALL
  SELECT n.fingerprint AS fingerprint FROM newly AS n JOIN spread AS p ON p.fingerprint = n.fingerprint
  WHERE n.on_machines > 1 OR n.on_machines = p.on_machines
)
SELECT identity AS subject, sum(on_machines) AS value, sum(on_machines) AS machines, min(first_at) AS since,
  max(fingerprint) AS detail
FROM drifted WHERE fingerprint IN (SELECT fingerprint FROM ticketed)
GROUP BY identity
ORDER BY value DESC, subject
