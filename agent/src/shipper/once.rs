//! One stored report, delivered without a daemon: an audit that MDM runs once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::report::privacy::{Person, Privacy};
use mcpolicy_schema::report::v1::{self, Body, Chain, Class, Device, Record, Report, Tier};
use mcpolicy_ship::Line;
use mcpolicy_ship::drive::{Driver, Pace, Told};
use mcpolicy_ship::sink::AnySink;
use sha2::{Digest as _, Sha256};

use super::source::Limited;
use crate::reporter::shorten;

/// Largest stored report, in bytes.
const MAX_REPORT: u64 = 512 << 20;

/// A stored report, as lines that a sink takes.
#[derive(Debug)]
pub struct Stored {
    /// Of which machine.
    pub device: String,
    /// The records.
    pub lines: Vec<Line>,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Every record was taken or refused for good in the time that was given.
    pub is_whole: bool,
    /// Records that were taken.
    pub sent: usize,
    /// Records that the receiver refused for good.
    pub rejected: usize,
    /// Why it refused or did not answer, the last reason.
    pub why: Option<String>,
    /// Its last proof.
    pub receipt: Option<String>,
}

/// Reads a stored report: the document of `mcpolicy scan --format json`, whose records are made here, or lines of records
/// as they are.
///
/// Each run gives the same ids for the same report, so that a receiver drops what it has. `key` is the one of names and homes
/// that the tier hides.
///
/// # Errors
/// It cannot be read, or is neither. Nothing of what it holds is in the message but line and column.
pub fn records(path: &Path, device: Option<&str>, tier: Tier, key: &[u8]) -> anyhow::Result<Stored> {
    let full = std::path::absolute(path)?;
    let read = Machine::live().read(&full, None, MAX_REPORT);
    let bytes = read.with_context(|| format!("cannot read {}", path.display()))?.bytes;
    if let Ok(report) = serde_json::from_slice::<Report>(&bytes) {
        anyhow::ensure!(report.schema == v1::SCHEMA, "{} is of another schema", path.display());
        return of_report(&report, &bytes, device, tier, key);
    }
    anyhow::ensure!(
        tier == Tier::Full,
        "{} is no report of a scan: how much of users is in its records was decided when they were made",
        path.display()
    );
    let mut stored = Stored { device: String::new(), lines: Vec::new() };
    let lines =
        bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    for (at, json) in lines {
        let json = json.trim_ascii();
        // an agent writes none, and shortened it would not be the one on which the next hangs
        anyhow::ensure!(
            json.len() <= shorten::MAX_RECORD,
            "{}:{}: longer than any record of an agent, of which {} bytes are the most: nothing was sent",
            path.display(),
            at + 1,
            shorten::MAX_RECORD
        );
        let record: Record = serde_json::from_slice(json).map_err(|error| {
            anyhow::anyhow!(
                "{}:{}:{}: neither the report of a scan nor a record of one",
                path.display(),
                at + 1,
                error.column()
            )
        })?;
        stored.device.clone_from(&record.device.id);
        stored.lines.push(line(&record, json.to_vec()));
    }
    anyhow::ensure!(!stored.lines.is_empty(), "{} holds no record", path.display());
    Ok(stored)
}

fn of_report(
    report: &Report,
    bytes: &[u8],
    device: Option<&str>,
    tier: Tier,
    key: &[u8],
) -> anyhow::Result<Stored> {
    is_of_a_machine(report)?;
    let device = device.map(str::to_owned).or_else(|| report.host.device_id.clone());
    // the id stays in every tier, and a host's name is often its user's
    let named = report.host.hostname.clone().filter(|_| tier == Tier::Full);
    let id = device.or(named).context("the report says of no machine by an id: give --device-id")?;
    let device = Device {
        id,
        hostname: report.host.hostname.clone(),
        os: report.host.os.clone(),
        os_version: report.host.os_version.clone(),
        arch: report.host.arch.clone(),
        groups: report.host.groups.clone(),
    };
    let digest = Sha256::digest(bytes);
    let epoch: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let homes = report.scan.homes.iter();
    let people: Vec<Person> =
        homes.map(|home| Person { user: home.user.clone(), home: home.path.clone() }).collect();
    let mut chained = Chained {
        report,
        privacy: Privacy::new(tier, key, &people),
        epoch,
        prev: "0".repeat(64),
        stored: Stored { device: device.id.clone(), lines: Vec::new() },
        device,
    };
    let mut shortened = Vec::new();
    for body in bodies(report, &chained.epoch) {
        shortened.extend(chained.add(&body)?);
    }
    for event in shortened {
        chained.add(&Body::Event(event))?;
    }
    Ok(chained.stored)
}

/// A scan of less than a machine would take the place of the whole machine's inventory wherever it is sent: what stands in other
/// homes would count as gone.
fn is_of_a_machine(report: &Report) -> anyhow::Result<()> {
    let mode = &report.scan.mode;
    anyhow::ensure!(
        matches!(mode.as_str(), "machine" | "root"),
        "the report is of less than a machine (scan.mode is {mode:?}): delivered, it would stand for all of it, and what is in \
         other homes and files would count as gone. Scan with the rights to see every home (sudo mcpolicy scan), or give the file to \
         `mcpolicy fleet`, which keeps such scans apart"
    );
    Ok(())
}

/// Records as they are made, each on the one before it.
struct Chained<'r> {
    report: &'r Report,
    device: Device,
    privacy: Privacy,
    epoch: String,
    prev: String,
    stored: Stored,
}

impl Chained<'_> {
    /// Adds a record. What is to be told of it, where it was shortened.
    fn add(&mut self, body: &Body) -> anyhow::Result<Option<v1::Event>> {
        let seq = self.stored.lines.len() as u64 + 1;
        let chain = Chain { epoch: self.epoch.clone(), seq, prev: self.prev.clone() };
        let mut record = Record {
            schema: v1::SCHEMA.to_owned(),
            id: format!("{}.scan.{}.{seq}", self.device.id, self.epoch),
            class: Class::State,
            device: self.device.clone(),
            agent: self.report.agent.clone(),
            chain,
            time: self.report.scan.started_at.clone(),
            privacy: Tier::Full,
            left_out: Vec::new(),
            body: body.clone(),
        };
        let mut written = shorten::written(&record, &self.privacy);
        let mut event = None;
        if written.json.is_empty() {
            record.body = shorten::instead(body, written.bytes);
            written = shorten::written(&record, &self.privacy);
        } else if !written.left_out.is_empty() {
            event = Some(shorten::told(body, &written));
        }
        anyhow::ensure!(!written.json.is_empty(), "a record of the report cannot be written");
        self.prev = Sha256::digest(&written.json).iter().map(|byte| format!("{byte:02x}")).collect();
        self.stored.lines.push(line(&record, written.json));
        Ok(event)
    }
}

/// The records of a scan: those of an inventory, and the requests.
fn bodies(report: &Report, snapshot: &str) -> Vec<Body> {
    let snapshot = || snapshot.to_owned();
    let records = (report.entries.len() + report.findings.len() + report.coverage.len()) as u64;
    let head = v1::Inventory {
        snapshot: snapshot(),
        cause: "scan".to_owned(),
        policy: report.policy.clone(),
        summary: report.summary.clone(),
        records,
    };
    let entry = |entry: &v1::Entry| Body::Entry { snapshot: snapshot(), entry: Box::new(entry.clone()) };
    let finding =
        |finding: &v1::Finding| Body::Finding { snapshot: snapshot(), finding: Box::new(finding.clone()) };
    let gap = |gap: &v1::Gap| Body::Coverage { snapshot: snapshot(), gap: gap.clone() };
    let request = |request: &v1::Request| Body::Request { request: Box::new(request.clone()) };
    std::iter::once(Body::Inventory(head))
        .chain(report.entries.iter().map(entry))
        .chain(report.findings.iter().map(finding))
        .chain(report.coverage.iter().map(gap))
        .chain(report.requests.iter().map(request))
        .collect()
}

fn line(record: &Record, json: Vec<u8>) -> Line {
    let time = record.time.parse::<jiff::Timestamp>().unwrap_or_default();
    Line {
        id: record.id.clone(),
        class: record.class.as_str().to_owned(),
        seq: record.chain.seq,
        time_ms: u64::try_from(time.as_millisecond()).unwrap_or(0),
        json,
    }
}

/// Sends a stored report, within a time.
pub async fn deliver(sink: AnySink, stored: Stored, within: Duration, draw: fn() -> u64) -> Delivered {
    let told = Arc::new(std::sync::Mutex::new(Delivered::default()));
    let heard = Arc::clone(&told);
    let tell = move |_: &str, told: Told| {
        let mut delivered = super::kept::lock(&heard);
        match told {
            Told::Sent { lines, rejected, why, receipt, .. } => {
                delivered.sent += lines;
                delivered.rejected += rejected;
                delivered.why = why.or(delivered.why.take());
                delivered.receipt = Some(receipt);
            }
            Told::SetAside { error, .. } => {
                delivered.rejected += 1;
                delivered.why = Some(error.to_string());
            }
            Told::Waiting { error, .. } | Told::Fewer { error, .. } => {
                delivered.why = Some(error.to_string());
            }
            Told::Spool { error } => delivered.why = Some(error),
        }
    };
    let source = Limited::new(&stored.device, stored.lines);
    let pace = Pace { splay: Duration::ZERO, try_timeout: within, ..Pace::default() };
    let mut driver = Driver::new(sink, source, pace, draw, tell);
    let end = tokio::time::Instant::now() + within;
    let is_whole = tokio::time::timeout_at(end, driver.until_empty(end)).await.unwrap_or(false);
    let delivered = super::kept::lock(&told).clone();
    Delivered { is_whole, ..delivered }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::reporter::shorten::MAX_RECORD;

    /// The report of a scan of a mode, with one entry that has so many members.
    fn report(mode: &str, members: usize) -> Value {
        let members: Vec<String> = (0..members).map(|at| format!("meta{at:060}")).collect();
        json!({
            "schema": v1::SCHEMA, "agent": {"name": "mcpolicy", "version": "0.1.0"},
            "host": {"os": "linux", "device_id": "laptop-9", "groups": ["team-a"]},
            "scan": {
                "mode": mode, "started_at": "2026-11-30T10:00:00Z", "duration_ms": 1, "users": ["ann"],
                "directories_walked": 1, "files_read": 1, "fingerprint_key": "ephemeral",
            },
            "summary": v1::Summary::default(),
            "entries": [{
                "id": "e1", "name": "evil", "client": "cursor", "readers": [], "scope": "user", "user": "ann",
                "source": {"path": "/home/ann/.cursor/mcp.json"}, "key_path": "/mcpServers/evil", "transport": "stdio",
                "identity": {"kind": "npm", "name": "npm:evil", "pinned": false}, "command": "npx", "args": [],
                "env_keys": [], "header_keys": [], "members": members, "disabled": false,
                "fingerprint": format!("sha256:{}", "ab".repeat(32)),
            }],
            "sources": [], "findings": [], "coverage": [],
        })
    }

    fn stored(report: &Value) -> anyhow::Result<Vec<Record>> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), report.to_string())?;
        let lines = records(file.path(), None, Tier::Full, &[])?.lines;
        assert!(lines.iter().all(|line| line.json.len() <= MAX_RECORD));
        Ok(lines.iter().map(|line| serde_json::from_slice(&line.json).unwrap()).collect())
    }

    #[test]
    fn a_record_of_a_stored_scan_is_never_longer_than_receivers_take_and_its_entry_counts() {
        let told = stored(&report("machine", 8000)).unwrap();
        let Body::Inventory(head) = &told[0].body else { panic!("{:?}", told[0].body) };
        assert_eq!((head.records, &told[1].left_out), (1, &vec!["members".to_owned()]));
        assert!(matches!(&told[1].body, Body::Entry { entry, .. } if entry.name == "evil"));
        assert!(matches!(&told[2].body, Body::Event(event) if event.code == "record-too-long"));
        assert_eq!(told.len(), 3);
    }

    /// Mistake: a scan of one home was sent as the machine's inventory, and what stood in other homes was told as gone.
    #[test]
    fn a_scan_of_less_than_a_machine_is_not_delivered_as_the_machines_inventory() {
        for mode in ["own-home", "home", "file", "project"] {
            let refused = stored(&report(mode, 0)).unwrap_err().to_string();
            assert!(refused.contains("less than a machine") && refused.contains(mode), "{refused}");
        }
        for mode in ["machine", "root"] {
            assert_eq!(stored(&report(mode, 0)).unwrap().len(), 2);
        }
    }

    #[test]
    fn a_stored_record_that_is_longer_than_an_agent_writes_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.ndjson");
        let line = json!({"kind": "event", "detail": "x".repeat(shorten::MAX_RECORD)}).to_string();
        mcpolicy_platform::durable::replace_public(&path, format!("\n{line}\n").as_bytes()).unwrap();
        let told = records(&path, None, Tier::Full, b"").map(|_| ()).unwrap_err().to_string();
        assert!(told.contains("records.ndjson:2: longer than any record"), "{told}");
    }

    #[test]
    fn the_groups_that_a_scan_was_given_go_along() {
        let told = stored(&report("machine", 0)).unwrap();
        assert!(told.iter().all(|record| record.device.groups == ["team-a"]));
    }
}
