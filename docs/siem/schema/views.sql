-- What the queries of the gates read, in SQL that SQLite, DuckDB and ClickHouse run unchanged.
--
-- What is current is so at the moment `now` of the table `parameters`, with an hour for clocks that are not quite right: one
-- record of a time that has not come would else be the newest word of its machine until then, and hide all that it says in between.

-- Inventories of which every record arrived. A report of `mcpolicy scan` is one record and always whole.
CREATE VIEW whole_inventories AS
SELECT i.id AS id, i.device AS device, i.time AS time, i.seq AS seq, i.snapshot AS snapshot, i.extent AS extent,
  i.cause AS cause, i.policy AS policy, i.sequence AS sequence, i.mode AS mode, i.staleness AS staleness
FROM inventories AS i
WHERE i.records = 0 OR (i.device, i.snapshot, i.records) IN (
  SELECT device, snapshot, count(*) FROM (
    SELECT device, snapshot FROM entries
    UNION ALL SELECT device, snapshot FROM findings
    UNION ALL SELECT device, snapshot FROM coverage
  ) AS parts GROUP BY device, snapshot
);

-- The newest of each machine that is not of the future. Scans of one home alone do not replace those of another. One of the whole
-- machine replaces them all, but for files and projects that somebody named, which need not lie where it looks.
CREATE VIEW current_inventories AS
SELECT id, device, time, snapshot, extent, policy, sequence, mode, staleness FROM (
  SELECT id, device, time, snapshot, extent, policy, sequence, mode, staleness,
    row_number() OVER (PARTITION BY device, extent ORDER BY time DESC, seq DESC, snapshot DESC) AS place,
    max(CASE WHEN extent = '' THEN time ELSE 0 END) OVER (PARTITION BY device) AS whole_at
  FROM whole_inventories WHERE time <= (SELECT value FROM parameters WHERE name = 'now') + 3600
) AS placed WHERE place = 1 AND (time >= whole_at OR NOT (extent LIKE 'own-home %' OR extent LIKE 'home %'));

-- Since when and until when a declaration was seen, of one user on one machine.
CREATE VIEW sightings AS
SELECT device, owner, client, server, kind, identity, version, fingerprint,
  min(time) AS first_seen, max(time) AS last_seen
FROM entries GROUP BY device, owner, client, server, kind, identity, version, fingerprint;

-- The same with what no inventory has: a server that was taken out at once, or that ran and is declared nowhere, is known from
-- the action or event alone. Where a policy enforces, that is most of what is new and wrong.
CREATE VIEW seen AS
SELECT device, owner, client, server, kind, identity, version, fingerprint,
  min(from_time) AS first_seen, max(to_time) AS last_seen
FROM (
  SELECT device, owner, client, server, kind, identity, version, fingerprint, first_seen AS from_time, last_seen AS to_time
  FROM sightings
  UNION ALL
  SELECT device, owner, client, server, kind, identity, version, fingerprint, time AS from_time, time AS to_time
  FROM actions WHERE identity <> ''
  UNION ALL
  SELECT device, owner, client, server, kind, identity, version, fingerprint, time AS from_time, time AS to_time
  FROM events WHERE identity <> ''
) AS each_time GROUP BY device, owner, client, server, kind, identity, version, fingerprint;

-- Since when a machine has a server. A declaration of the same fingerprint is the same server: when the privacy tier changes, so
-- does what it is called, and nothing is new.
CREATE VIEW first_seen_on AS
SELECT device, kind, identity, min(CASE WHEN fingerprint = '' THEN first_seen ELSE declared_at END) AS first_at
FROM (
  SELECT device, kind, identity, fingerprint, first_seen,
    min(first_seen) OVER (PARTITION BY device, fingerprint) AS declared_at
  FROM seen
) AS declared WHERE identity <> '' GROUP BY device, kind, identity;

-- Since when each of them was seen stands beside it.
CREATE VIEW current_entries AS
SELECT
  e.id AS id, e.device AS device, e.time AS time, e.snapshot AS snapshot, e.entry AS entry, e.server AS server, e.client
  AS client, e.readers AS readers, e.scope AS scope, e.owner AS owner, e.path AS path, e.project AS project, e.transport
  AS transport, e.kind AS kind, e.identity AS identity, e.version AS version, e.pinned AS pinned, e.disabled AS
  disabled, e.running AS running, e.inert AS inert, e.fingerprint AS fingerprint, e.verdict AS verdict, e.decided_by AS
  decided_by, e.rule AS rule, e.reason AS reason, e.pin AS pin, e.program_sha256 AS program_sha256, e.script_sha256 AS
  script_sha256, e.listener_sha256 AS listener_sha256, e.ends AS ends, e.ticket AS ticket,
  s.first_seen AS first_seen
FROM entries AS e JOIN sightings AS s
  ON s.device = e.device AND s.owner = e.owner AND s.client = e.client AND s.server = e.server AND s.kind = e.kind
    AND s.identity = e.identity AND s.version = e.version AND s.fingerprint = e.fingerprint
WHERE (e.device, e.snapshot) IN (SELECT device, snapshot FROM current_inventories);

CREATE VIEW current_findings AS
SELECT f.* FROM findings AS f WHERE (f.device, f.snapshot) IN (SELECT device, snapshot FROM current_inventories);

CREATE VIEW current_credentials AS
SELECT c.* FROM credentials AS c WHERE (c.device, c.snapshot) IN (SELECT device, snapshot FROM current_inventories);

CREATE VIEW current_heartbeats AS
SELECT id, device, time, state, mode, policy, sequence, ring, revocations, staleness, open_entries, running, requests,
  policy_expires, root_expires FROM (
  SELECT id, device, time, state, mode, policy, sequence, ring, revocations, staleness, open_entries, running, requests,
  policy_expires, root_expires,
    row_number() OVER (PARTITION BY device ORDER BY time DESC, id DESC) AS place
  FROM heartbeats WHERE time <= (SELECT value FROM parameters WHERE name = 'now') + 3600
) AS placed WHERE place = 1;

-- Requests that wait by the newest word of their machine. One that is not named any more was answered or withdrawn.
CREATE VIEW current_waiting AS
SELECT w.device AS device, w.request AS request
FROM waiting AS w WHERE (w.device, w.id) IN (SELECT device, id FROM current_heartbeats);

-- Since when an identity is allowed under a ticket ('': without one).
CREATE VIEW approvals AS
SELECT kind, identity, ticket, min(time) AS since FROM entries WHERE verdict = 'allow' AND identity <> ''
GROUP BY kind, identity, ticket;

-- Groups of each machine as it told them last. Who is in two groups counts in both.
CREATE VIEW current_teams AS
SELECT DISTINCT device, team FROM (
  SELECT device, team, rank() OVER (PARTITION BY device ORDER BY time DESC, id DESC) AS place FROM device_groups
  WHERE time <= (SELECT value FROM parameters WHERE name = 'now') + 3600
) AS placed WHERE place = 1;

-- Since when a machine, and a user on it, is known at all.
CREATE VIEW known_since AS
SELECT device, min(time) AS since FROM inventories GROUP BY device;
