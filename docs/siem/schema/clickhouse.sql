-- The tables of docs/siem, for ClickHouse, with the same columns as in sqlite.sql, and how they are filled: every line that comes into
-- `incoming` goes into the table of its kind. Of records with one id one stays: run all queries with `SET final = 1`.

CREATE TABLE incoming (line String) ENGINE = Null;

CREATE TABLE records (
  id String, device String, class String, epoch String, seq Int64, prev String,
  time Int64, kind String, privacy String, agent String, hostname String, os String,
  os_version String
) ENGINE = ReplacingMergeTree ORDER BY (id);
CREATE MATERIALIZED VIEW incoming_records TO records AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  JSONExtractString(line, 'class') AS class,
  JSONExtractString(line, 'chain', 'epoch') AS epoch,
  JSONExtractInt(line, 'chain', 'seq') AS seq,
  JSONExtractString(line, 'chain', 'prev') AS prev,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  JSONExtractString(line, 'kind') AS kind,
  JSONExtractString(line, 'privacy') AS privacy,
  JSONExtractString(line, 'agent', 'version') AS agent,
  JSONExtractString(line, 'device', 'hostname') AS hostname,
  JSONExtractString(line, 'device', 'os') AS os,
  JSONExtractString(line, 'device', 'os_version') AS os_version
FROM incoming
WHERE JSONExtractString(line, 'id') <> '';

CREATE TABLE device_groups (
  id String, device String, time Int64, team String
) ENGINE = ReplacingMergeTree ORDER BY (device, id, team);
CREATE MATERIALIZED VIEW incoming_device_groups TO device_groups AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  arrayJoin(if(empty(JSONExtract(line, 'device', 'groups', 'Array(String)')), [''], JSONExtract(line, 'device', 'groups', 'Array(String)'))) AS team
FROM incoming
WHERE JSONExtractString(line, 'kind') IN ('heartbeat', 'inventory');

CREATE TABLE heartbeats (
  id String, device String, time Int64, state String, mode String, ceiling String,
  policy String, sequence Int64, policy_sha256 String, ring String, revocations Int64, staleness String,
  allowed Int64, denied Int64, unknown Int64, open_entries Int64, running Int64, restart_needed Int64,
  watches Int64, problems Int64, last_rescan Int64, requests Int64, policy_ticket String,
  policy_expires Int64, stale_at Int64, root_expires Int64
) ENGINE = ReplacingMergeTree ORDER BY (device, id);
CREATE MATERIALIZED VIEW incoming_heartbeats TO heartbeats AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  JSONExtractString(line, 'state') AS state,
  JSONExtractString(line, 'mode') AS mode,
  JSONExtractString(line, 'ceiling') AS ceiling,
  JSONExtractString(line, 'policy', 'name') AS policy,
  JSONExtractInt(line, 'policy', 'sequence') AS sequence,
  JSONExtractString(line, 'policy', 'sha256') AS policy_sha256,
  JSONExtractString(line, 'policy', 'ring') AS ring,
  JSONExtractInt(line, 'policy', 'revocations') AS revocations,
  JSONExtractString(line, 'policy', 'staleness') AS staleness,
  JSONExtractInt(line, 'verdicts', 'allow') AS allowed,
  JSONExtractInt(line, 'verdicts', 'deny') AS denied,
  JSONExtractInt(line, 'verdicts', 'unknown') AS unknown,
  JSONExtractInt(line, 'open') AS open_entries,
  JSONExtractInt(line, 'running') AS running,
  JSONExtractInt(line, 'restart_needed') AS restart_needed,
  JSONExtractInt(line, 'watches') AS watches,
  toInt64(JSONLength(line, 'problems')) AS problems,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'last_rescan'), 'UTC'))) AS last_rescan,
  JSONExtractInt(line, 'requests') AS requests,
  JSONExtractString(line, 'policy', 'ticket') AS policy_ticket,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'policy', 'expires'), 'UTC'))) AS policy_expires,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'policy', 'stale_at'), 'UTC'))) AS stale_at,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'policy', 'root_expires'), 'UTC'))) AS root_expires
FROM incoming
WHERE JSONExtractString(line, 'kind') = 'heartbeat';

CREATE TABLE waiting (
  id String, device String, time Int64, request String
) ENGINE = ReplacingMergeTree ORDER BY (device, id, request);
CREATE MATERIALIZED VIEW incoming_waiting TO waiting AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  request
FROM (SELECT line, arrayJoin(JSONExtract(line, 'waiting', 'Array(String)')) AS request FROM incoming)
WHERE JSONExtractString(line, 'kind') = 'heartbeat';

CREATE TABLE layers (
  id String, device String, time Int64, layer String, state String
) ENGINE = ReplacingMergeTree ORDER BY (device, id, layer);
CREATE MATERIALIZED VIEW incoming_layers TO layers AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  JSONExtractString(part, 'name') AS layer,
  JSONExtractString(part, 'state') AS state
FROM (SELECT line, arrayJoin(JSONExtractArrayRaw(line, 'layers')) AS part FROM incoming)
WHERE JSONExtractString(line, 'kind') = 'heartbeat';

CREATE TABLE inventories (
  id String, device String, time Int64, seq Int64, snapshot String, extent String,
  cause String, policy String, sequence Int64, signed Int64, mode String, ring String,
  revocations Int64, staleness String, entries Int64, live Int64, gaps Int64, records Int64
) ENGINE = ReplacingMergeTree ORDER BY (device, id);
CREATE MATERIALIZED VIEW incoming_inventories TO inventories AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  JSONExtractInt(line, 'chain', 'seq') AS seq,
  JSONExtractString(line, 'snapshot') AS snapshot,
  '' AS extent,
  JSONExtractString(line, 'cause') AS cause,
  JSONExtractString(line, 'policy', 'name') AS policy,
  JSONExtractInt(line, 'policy', 'sequence') AS sequence,
  toInt64(JSONExtractBool(line, 'policy', 'signed')) AS signed,
  JSONExtractString(line, 'policy', 'mode') AS mode,
  JSONExtractString(line, 'policy', 'ring') AS ring,
  JSONExtractInt(line, 'policy', 'revocations') AS revocations,
  JSONExtractString(line, 'policy', 'staleness') AS staleness,
  JSONExtractInt(line, 'summary', 'entries') AS entries,
  JSONExtractInt(line, 'summary', 'live') AS live,
  JSONExtractInt(line, 'summary', 'gaps') AS gaps,
  JSONExtractInt(line, 'records') AS records
FROM incoming
WHERE JSONExtractString(line, 'kind') = 'inventory';

CREATE TABLE entries (
  id String, device String, time Int64, snapshot String, entry String, server String,
  client String, readers String, scope String, owner String, path String, project String,
  transport String, kind String, identity String, version String, pinned Int64, disabled Int64,
  running Int64, inert String, fingerprint String, verdict String, decided_by String, rule String,
  reason String, pin String, program_sha256 String, script_sha256 String, listener_sha256 String,
  ends Int64, ticket String, contacts String
) ENGINE = ReplacingMergeTree ORDER BY (device, id);
CREATE MATERIALIZED VIEW incoming_entries TO entries AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  JSONExtractString(line, 'snapshot') AS snapshot,
  JSONExtractString(line, 'entry', 'id') AS entry,
  JSONExtractString(line, 'entry', 'name') AS server,
  JSONExtractString(line, 'entry', 'client') AS client,
  arrayStringConcat(arrayMap(x -> JSONExtractString(x, 'client'), JSONExtractArrayRaw(line, 'entry', 'readers')), ' ') AS readers,
  JSONExtractString(line, 'entry', 'scope') AS scope,
  JSONExtractString(line, 'entry', 'user') AS owner,
  JSONExtractString(line, 'entry', 'source', 'path') AS path,
  JSONExtractString(line, 'entry', 'project') AS project,
  JSONExtractString(line, 'entry', 'transport') AS transport,
  JSONExtractString(line, 'entry', 'identity', 'kind') AS kind,
  JSONExtractString(line, 'entry', 'identity', 'name') AS identity,
  JSONExtractString(line, 'entry', 'identity', 'version') AS version,
  toInt64(JSONExtractBool(line, 'entry', 'identity', 'pinned')) AS pinned,
  toInt64(JSONExtractBool(line, 'entry', 'disabled')) AS disabled,
  toInt64(JSONExtractBool(line, 'entry', 'running')) AS running,
  JSONExtractString(line, 'entry', 'inert') AS inert,
  JSONExtractString(line, 'entry', 'fingerprint') AS fingerprint,
  JSONExtractString(line, 'entry', 'judged', 'verdict') AS verdict,
  JSONExtractString(line, 'entry', 'judged', 'decided_by') AS decided_by,
  JSONExtractString(line, 'entry', 'judged', 'rule') AS rule,
  JSONExtractString(line, 'entry', 'judged', 'reason') AS reason,
  JSONExtractString(line, 'entry', 'judged', 'pin') AS pin,
  JSONExtractString(line, 'entry', 'facts', 'program', 'sha256') AS program_sha256,
  JSONExtractString(line, 'entry', 'facts', 'script', 'sha256') AS script_sha256,
  JSONExtractString(line, 'entry', 'facts', 'listener', 'sha256') AS listener_sha256,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'entry', 'judged', 'until'), 'UTC'))) AS ends,
  JSONExtractString(line, 'entry', 'judged', 'ticket') AS ticket,
  arrayStringConcat(arrayFilter(x -> position(x, '://') > 0, JSONExtract(line, 'entry', 'args', 'Array(String)')), ' ') AS contacts
FROM incoming
WHERE JSONExtractString(line, 'kind') = 'entry';

CREATE TABLE credentials (
  id String, device String, time Int64, snapshot String, entry String, owner String,
  place String, name String, kind String, fingerprint String
) ENGINE = ReplacingMergeTree ORDER BY (device, id, place, name, kind, fingerprint);
CREATE MATERIALIZED VIEW incoming_credentials TO credentials AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  JSONExtractString(line, 'snapshot') AS snapshot,
  JSONExtractString(line, 'entry', 'id') AS entry,
  JSONExtractString(line, 'entry', 'user') AS owner,
  JSONExtractString(part, 'in') AS place,
  JSONExtractString(part, 'name') AS name,
  JSONExtractString(part, 'kind') AS kind,
  JSONExtractString(part, 'fingerprint') AS fingerprint
FROM (SELECT line, arrayJoin(JSONExtractArrayRaw(line, 'entry', 'values')) AS part FROM incoming)
WHERE JSONExtractString(line, 'kind') = 'entry';

CREATE TABLE findings (
  id String, device String, time Int64, snapshot String, entry String, code String,
  severity String, server String, owner String, path String, verdict String
) ENGINE = ReplacingMergeTree ORDER BY (device, id);
CREATE MATERIALIZED VIEW incoming_findings TO findings AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  JSONExtractString(line, 'snapshot') AS snapshot,
  JSONExtractString(line, 'finding', 'entry') AS entry,
  JSONExtractString(line, 'finding', 'code') AS code,
  JSONExtractString(line, 'finding', 'severity') AS severity,
  JSONExtractString(line, 'finding', 'name') AS server,
  JSONExtractString(line, 'finding', 'user') AS owner,
  JSONExtractString(line, 'finding', 'source', 'path') AS path,
  JSONExtractString(line, 'finding', 'verdict') AS verdict
FROM incoming
WHERE JSONExtractString(line, 'kind') = 'finding';

CREATE TABLE coverage (
  id String, device String, time Int64, snapshot String, kind String, path String,
  owner String, number Int64, is_partial Int64
) ENGINE = ReplacingMergeTree ORDER BY (device, id);
CREATE MATERIALIZED VIEW incoming_coverage TO coverage AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  JSONExtractString(line, 'snapshot') AS snapshot,
  JSONExtractString(line, 'gap', 'kind') AS kind,
  JSONExtractString(line, 'gap', 'path') AS path,
  JSONExtractString(line, 'gap', 'user') AS owner,
  JSONExtractInt(line, 'gap', 'count') AS number,
  toInt64(JSONExtractBool(line, 'gap', 'partial')) AS is_partial
FROM incoming
WHERE JSONExtractString(line, 'kind') = 'coverage';

CREATE TABLE actions (
  id String, device String, time Int64, action String, outcome String, server String,
  client String, owner String, path String, fingerprint String, code String, rule String,
  block String, layer String, kind String, identity String, version String
) ENGINE = ReplacingMergeTree ORDER BY (device, id);
CREATE MATERIALIZED VIEW incoming_actions TO actions AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  JSONExtractString(line, 'action') AS action,
  JSONExtractString(line, 'outcome') AS outcome,
  JSONExtractString(line, 'server') AS server,
  JSONExtractString(line, 'client') AS client,
  JSONExtractString(line, 'user') AS owner,
  JSONExtractString(line, 'path') AS path,
  JSONExtractString(line, 'fingerprint') AS fingerprint,
  JSONExtractString(line, 'code') AS code,
  JSONExtractString(line, 'rule') AS rule,
  JSONExtractString(line, 'block') AS block,
  JSONExtractString(line, 'layer') AS layer,
  JSONExtractString(line, 'identity', 'kind') AS kind,
  JSONExtractString(line, 'identity', 'name') AS identity,
  JSONExtractString(line, 'identity', 'version') AS version
FROM incoming
WHERE JSONExtractString(line, 'kind') = 'action';

CREATE TABLE requests (
  id String, device String, time Int64, snapshot String, request String, asked Int64,
  owner String, fingerprint String, kind String, identity String, version String, server String,
  client String
) ENGINE = ReplacingMergeTree ORDER BY (device, id);
CREATE MATERIALIZED VIEW incoming_requests TO requests AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  '' AS snapshot,
  JSONExtractString(line, 'request', 'id') AS request,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'request', 'time'), 'UTC'))) AS asked,
  JSONExtractString(line, 'request', 'user') AS owner,
  JSONExtractString(line, 'request', 'fingerprint') AS fingerprint,
  JSONExtractString(line, 'request', 'identity', 'kind') AS kind,
  JSONExtractString(line, 'request', 'identity', 'name') AS identity,
  JSONExtractString(line, 'request', 'identity', 'version') AS version,
  JSONExtractString(line, 'request', 'name') AS server,
  JSONExtractString(line, 'request', 'client') AS client
FROM incoming
WHERE JSONExtractString(line, 'kind') = 'request';

CREATE TABLE events (
  id String, device String, time Int64, class String, code String, owner String,
  server String, number Int64, from_time Int64, to_time Int64, layer String, client String,
  fingerprint String, reason String, rule String, kind String, identity String, version String
) ENGINE = ReplacingMergeTree ORDER BY (device, id);
CREATE MATERIALIZED VIEW incoming_events TO events AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  JSONExtractString(line, 'class') AS class,
  JSONExtractString(line, 'code') AS code,
  JSONExtractString(line, 'user') AS owner,
  JSONExtractString(line, 'server') AS server,
  JSONExtractInt(line, 'count') AS number,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'from'), 'UTC'))) AS from_time,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'to'), 'UTC'))) AS to_time,
  JSONExtractString(line, 'layer') AS layer,
  JSONExtractString(line, 'client') AS client,
  JSONExtractString(line, 'fingerprint') AS fingerprint,
  JSONExtractString(line, 'reason') AS reason,
  JSONExtractString(line, 'rule') AS rule,
  JSONExtractString(line, 'identity', 'kind') AS kind,
  JSONExtractString(line, 'identity', 'name') AS identity,
  JSONExtractString(line, 'identity', 'version') AS version
FROM incoming
WHERE JSONExtractString(line, 'kind') = 'event';

CREATE TABLE gaps (
  id String, device String, time Int64, class String, epoch String, first_seq Int64,
  last_seq Int64, number Int64, reason String
) ENGINE = ReplacingMergeTree ORDER BY (device, id);
CREATE MATERIALIZED VIEW incoming_gaps TO gaps AS
SELECT
  JSONExtractString(line, 'id') AS id,
  JSONExtractString(line, 'device', 'id') AS device,
  toInt64(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(line, 'time'), 'UTC'))) AS time,
  JSONExtractString(line, 'of') AS class,
  JSONExtractString(line, 'epoch') AS epoch,
  JSONExtractInt(line, 'first') AS first_seq,
  JSONExtractInt(line, 'last') AS last_seq,
  JSONExtractInt(line, 'count') AS number,
  JSONExtractString(line, 'reason') AS reason
FROM incoming
WHERE JSONExtractString(line, 'kind') = 'gap';

-- What the security team supplies; nothing of it is in a record.
CREATE TABLE parameters (
  name String, value Int64
) ENGINE = ReplacingMergeTree ORDER BY (name);

CREATE TABLE offboarded (
  owner String, since Int64
) ENGINE = ReplacingMergeTree ORDER BY (owner, since);

CREATE TABLE change_tickets (
  ticket String, subject String, opened Int64, closed Int64
) ENGINE = ReplacingMergeTree ORDER BY (ticket, subject);

CREATE TABLE expiries (
  what String, subject String, expires Int64
) ENGINE = ReplacingMergeTree ORDER BY (what, subject);
