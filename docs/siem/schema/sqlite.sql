-- The tables of docs/siem, for SQLite. clickhouse.sql has the same tables with the same columns.
-- Times are whole seconds since 1970 in UTC, 0 where there is none. Texts are '' and yes/no is 0 where there is nothing to say,
-- so that no engine has to know what NULL is equal to.

CREATE TABLE records (
  id TEXT NOT NULL PRIMARY KEY, device TEXT NOT NULL, class TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  prev TEXT NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL, privacy TEXT NOT NULL, agent TEXT NOT NULL,
  hostname TEXT NOT NULL, os TEXT NOT NULL, os_version TEXT NOT NULL
) WITHOUT ROWID;
-- the groups of a machine, told with each heartbeat and inventory; a machine without any has one row with ''
CREATE TABLE device_groups (id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, team TEXT NOT NULL);
CREATE TABLE heartbeats (
  id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, state TEXT NOT NULL, mode TEXT NOT NULL,
  ceiling TEXT NOT NULL, policy TEXT NOT NULL, sequence INTEGER NOT NULL, policy_sha256 TEXT NOT NULL,
  ring TEXT NOT NULL, revocations INTEGER NOT NULL, staleness TEXT NOT NULL, allowed INTEGER NOT NULL,
  denied INTEGER NOT NULL, unknown INTEGER NOT NULL, open_entries INTEGER NOT NULL, running INTEGER NOT NULL,
  restart_needed INTEGER NOT NULL, watches INTEGER NOT NULL, problems INTEGER NOT NULL, last_rescan INTEGER NOT NULL,
  requests INTEGER NOT NULL, policy_ticket TEXT NOT NULL, policy_expires INTEGER NOT NULL, stale_at INTEGER NOT NULL,
  root_expires INTEGER NOT NULL
);
-- requests that wait, told with each heartbeat
CREATE TABLE waiting (id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, request TEXT NOT NULL);
CREATE TABLE layers (id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, layer TEXT NOT NULL, state TEXT NOT NULL);
CREATE TABLE inventories (
  id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, seq INTEGER NOT NULL, snapshot TEXT NOT NULL,
  extent TEXT NOT NULL, cause TEXT NOT NULL, policy TEXT NOT NULL, sequence INTEGER NOT NULL, signed INTEGER NOT NULL,
  mode TEXT NOT NULL, ring TEXT NOT NULL, revocations INTEGER NOT NULL, staleness TEXT NOT NULL, entries INTEGER NOT NULL,
  live INTEGER NOT NULL, gaps INTEGER NOT NULL, records INTEGER NOT NULL
);
CREATE TABLE entries (
  id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, snapshot TEXT NOT NULL, entry TEXT NOT NULL,
  server TEXT NOT NULL, client TEXT NOT NULL, readers TEXT NOT NULL, scope TEXT NOT NULL, owner TEXT NOT NULL,
  path TEXT NOT NULL, project TEXT NOT NULL, transport TEXT NOT NULL, kind TEXT NOT NULL, identity TEXT NOT NULL,
  version TEXT NOT NULL, pinned INTEGER NOT NULL, disabled INTEGER NOT NULL, running INTEGER NOT NULL, inert TEXT NOT NULL,
  fingerprint TEXT NOT NULL, verdict TEXT NOT NULL, decided_by TEXT NOT NULL, rule TEXT NOT NULL, reason TEXT NOT NULL,
  pin TEXT NOT NULL, program_sha256 TEXT NOT NULL, script_sha256 TEXT NOT NULL, listener_sha256 TEXT NOT NULL,
  ends INTEGER NOT NULL, ticket TEXT NOT NULL, contacts TEXT NOT NULL
);
-- values of variables and headers: which kind of secret, never the value
CREATE TABLE credentials (
  id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, snapshot TEXT NOT NULL, entry TEXT NOT NULL,
  owner TEXT NOT NULL, place TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, fingerprint TEXT NOT NULL
);
CREATE TABLE findings (
  id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, snapshot TEXT NOT NULL, entry TEXT NOT NULL,
  code TEXT NOT NULL, severity TEXT NOT NULL, server TEXT NOT NULL, owner TEXT NOT NULL, path TEXT NOT NULL,
  verdict TEXT NOT NULL
);
CREATE TABLE coverage (
  id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, snapshot TEXT NOT NULL, kind TEXT NOT NULL,
  path TEXT NOT NULL, owner TEXT NOT NULL, number INTEGER NOT NULL, is_partial INTEGER NOT NULL
);
CREATE TABLE actions (
  id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, action TEXT NOT NULL, outcome TEXT NOT NULL,
  server TEXT NOT NULL, client TEXT NOT NULL, owner TEXT NOT NULL, path TEXT NOT NULL, fingerprint TEXT NOT NULL,
  code TEXT NOT NULL, rule TEXT NOT NULL, block TEXT NOT NULL, layer TEXT NOT NULL, kind TEXT NOT NULL, identity TEXT NOT NULL,
  version TEXT NOT NULL
);
CREATE TABLE requests (
  id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, snapshot TEXT NOT NULL, request TEXT NOT NULL, asked INTEGER NOT NULL,
  owner TEXT NOT NULL, fingerprint TEXT NOT NULL, kind TEXT NOT NULL, identity TEXT NOT NULL, version TEXT NOT NULL,
  server TEXT NOT NULL, client TEXT NOT NULL
);
CREATE TABLE events (
  id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, class TEXT NOT NULL, code TEXT NOT NULL,
  owner TEXT NOT NULL, server TEXT NOT NULL, number INTEGER NOT NULL, from_time INTEGER NOT NULL, to_time INTEGER NOT NULL,
  layer TEXT NOT NULL, client TEXT NOT NULL, fingerprint TEXT NOT NULL, reason TEXT NOT NULL, rule TEXT NOT NULL,
  kind TEXT NOT NULL, identity TEXT NOT NULL, version TEXT NOT NULL
);
-- records that were dropped before they left
CREATE TABLE gaps (
  id TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, class TEXT NOT NULL, epoch TEXT NOT NULL,
  first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, number INTEGER NOT NULL, reason TEXT NOT NULL
);

-- What the security team supplies (docs/siem/README.md): nothing of it is in a record.
CREATE TABLE parameters (name TEXT NOT NULL, value INTEGER NOT NULL);
CREATE TABLE offboarded (owner TEXT NOT NULL, since INTEGER NOT NULL);
CREATE TABLE change_tickets (ticket TEXT NOT NULL, subject TEXT NOT NULL, opened INTEGER NOT NULL, closed INTEGER NOT NULL);
CREATE TABLE expiries (what TEXT NOT NULL, subject TEXT NOT NULL, expires INTEGER NOT NULL);
