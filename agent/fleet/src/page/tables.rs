//! CSV files: the whole lists of which the page shows the beginning.

use std::io::{self, Write};

use super::facts::cell;
use crate::FleetError;
use crate::blast::Blast;
use crate::gates::Gate;
use crate::sheet::Sheet;
use crate::store::Fleet;
use crate::text;

/// A list: the name of its file, its query, and which columns are times.
struct List {
    name: &'static str,
    sql: &'static str,
    header: &'static [&'static str],
    times: &'static [usize],
}

const LISTS: [List; 3] = [
    List {
        name: "declarations.csv",
        sql: "SELECT e.device, e.owner, e.server, e.client, e.kind, e.identity, e.version, e.pinned, e.verdict, e.decided_by,
                e.rule, e.reason, e.disabled, e.running, e.inert, e.scope, e.path, e.fingerprint, e.first_seen, e.time
              FROM current_entries AS e ORDER BY e.device, e.owner, e.path, e.server",
        header: &[
            "device", "owner", "server", "client", "kind", "identity", "version", "pinned", "verdict", "decided_by", "rule",
            "reason", "disabled", "running", "inert", "scope", "path", "fingerprint", "first_seen", "last_seen",
        ],
        times: &[18, 19],
    },
    List {
        name: "servers.csv",
        sql: "SELECT kind, identity, version, min(pinned), count(DISTINCT device),
                count(DISTINCT CASE WHEN owner <> '' THEN owner END), count(*), sum(verdict = 'allow'), sum(verdict = 'deny'),
                sum(verdict = 'unknown'), min(first_seen), max(time)
              FROM current_entries GROUP BY kind, identity, version ORDER BY 5 DESC, 2, 3",
        header: &[
            "kind", "identity", "version", "pinned", "machines", "users", "declarations", "allowed", "denied", "unknown",
            "first_seen", "last_seen",
        ],
        times: &[10, 11],
    },
    List {
        name: "machines.csv",
        sql: "SELECT r.device, r.host, r.system, COALESCE(h.state, ''), COALESCE(h.mode, ''), COALESCE(h.policy, ''),
                COALESCE(h.sequence, ''), COALESCE(h.staleness, ''), COALESCE(h.open_entries, ''), r.first, r.last
              FROM (SELECT device, max(hostname) AS host, max(os || ' ' || os_version) AS system, min(time) AS first,
                max(time) AS last FROM records GROUP BY device) AS r
              LEFT JOIN current_heartbeats AS h ON h.device = r.device ORDER BY r.device",
        header: &[
            "device", "hostname", "system", "state", "mode", "policy", "sequence", "staleness", "open", "heard_first",
            "heard_last",
        ],
        times: &[9, 10],
    },
];

impl Fleet {
    /// Writes every list: `open` makes the file of a name.
    ///
    /// # Errors
    /// A query fails, or a file cannot be written.
    pub fn write_tables<W: Write>(
        &self,
        gates: &[Gate],
        open: &mut dyn FnMut(&str) -> io::Result<W>,
    ) -> Result<(), FleetError> {
        for list in &LISTS {
            let mut sheet = Sheet::new(open(list.name)?, list.header)?;
            let mut statement = self.connection.prepare(list.sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let cells: Vec<String> = (0..list.header.len())
                    .map(|at| Ok(cell(row.get_ref(at)?, list.times.contains(&at))))
                    .collect::<rusqlite::Result<_>>()?;
                sheet.row(&cells.iter().map(String::as_str).collect::<Vec<_>>())?;
            }
            sheet.end()?;
        }
        let header =
            ["gate", "state", "subject", "value", "of", "machines", "since", "detail", "owner", "runbook"];
        let mut sheet = Sheet::new(open("gates.csv")?, &header)?;
        for gate in gates {
            let about = &gate.definition;
            for one in &gate.offenders {
                let (value, machines, since) =
                    (text::number(one.value), one.machines.to_string(), text::time(one.since));
                sheet.row(&[
                    &about.id,
                    one.state.as_str(),
                    &one.subject,
                    &value,
                    &about.value,
                    &machines,
                    &since,
                    &one.detail,
                    &about.owner,
                    &about.runbook,
                ])?;
            }
        }
        Ok(sheet.end()?)
    }
}

impl Blast {
    /// Writes who had it, the credentials to change and the timeline: `open` makes the file of a name.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_tables<W: Write>(&self, open: &mut dyn FnMut(&str) -> io::Result<W>) -> io::Result<()> {
        let header = [
            "device",
            "owner",
            "client",
            "server",
            "identity",
            "version",
            "fingerprint",
            "path",
            "first_seen",
            "last_seen",
            "gone_by",
            "ran",
            "verdict",
            "rule",
            "reason",
            "told_by",
            "is_certain",
        ];
        let mut sheet = Sheet::new(open("declarations.csv")?, &header)?;
        for had in &self.had {
            let times = [had.first_seen, had.last_seen, had.gone_by].map(text::time);
            sheet.row(&[
                &had.device,
                &had.owner,
                &had.client,
                &had.server,
                &had.identity,
                &had.version,
                &had.fingerprint,
                &had.path,
                &times[0],
                &times[1],
                &times[2],
                if had.ran { "1" } else { "0" },
                &had.verdict,
                &had.rule,
                &had.reason,
                &had.told_by,
                if had.is_certain { "1" } else { "0" },
            ])?;
        }
        sheet.end()?;
        let header = ["device", "owner", "beside", "place", "name", "kind", "fingerprint", "server", "path"];
        let mut sheet = Sheet::new(open("credentials.csv")?, &header)?;
        for one in &self.credentials {
            sheet.row(&[
                &one.device,
                &one.owner,
                &one.beside,
                &one.place,
                &one.name,
                &one.kind,
                &one.fingerprint,
                &one.server,
                &one.path,
            ])?;
        }
        sheet.end()?;
        let mut sheet = Sheet::new(open("timeline.csv")?, &["time", "device", "owner", "what", "detail"])?;
        for one in &self.timeline {
            sheet.row(&[&text::time(one.time), &one.device, &one.owner, &one.what, &one.detail])?;
        }
        sheet.end()
    }
}
