//! The rows of one document, in the order of the columns in docs/siem/schema/sqlite.sql.

use std::borrow::Cow;

use jiff::Timestamp;
use mcpolicy_schema::report::v1::SCHEMA;

use crate::batch::{Batch, TooLong};
use crate::line::{Entry, FileFacts, Finding, Gap, Identity, Line, Policy, Request, Requests};
use crate::table::Table;

/// Requests that a heartbeat may name; the agent names 200.
const MOST_WAITING: usize = 1000;
/// Longest record, in bytes: the agent's longest has 256 KiB, and what carries it may write its JSON a little wider.
const MAX_RECORD: usize = 320 << 10;
/// Most bytes of the rows of a report: what is longer repeats its ids in each.
const MAX_ROW_BYTES: usize = 128 << 20;
/// Most rows that one document may bring; a report of a machine has some hundred.
const MAX_ROWS: usize = crate::line::MOST_ROWS;

/// Why a document is no record and no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it is not JSON or ends too early (column {0})")]
    Syntax(usize),
    #[error("it is no record or report of mcpolicy (column {0})")]
    Shape(usize),
    #[error("its schema is not {SCHEMA}; use a version of mcpolicy that knows it")]
    Schema,
    #[error("it has no {0}")]
    Without(&'static str),
    #[error("its {0} is no time")]
    Time(&'static str),
    #[error("an id in it is longer than any of mcpolicy's")]
    Id,
    #[error("it has more entries than any machine")]
    Rows,
    #[error("it is a record of more than {MAX_RECORD} bytes, which mcpolicy never writes")]
    Record,
    #[error("its kind is one that this version does not know")]
    Kind,
}

impl From<TooLong> for Refused {
    fn from(_: TooLong) -> Self {
        Self::Id
    }
}

/// What every row begins with.
struct Head<'a> {
    id: &'a str,
    device: &'a str,
    time: i64,
}

/// Adds the rows of a document. `place` names a machine that does not say which it is.
///
/// # Errors
/// It is no record or report; then nothing was added.
pub(crate) fn add(
    document: &[u8],
    place: &str,
    digest: Option<[u8; 32]>,
    batch: &mut Batch,
) -> Result<(), Refused> {
    let line = crate::line::read(document).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Refused::Shape(error.column()),
        _ => Refused::Syntax(error.column()),
    })?;
    let line = line.ok_or(Refused::Rows)?;
    if line.schema.as_deref() != Some(SCHEMA) {
        return Err(Refused::Schema);
    }
    if line.scan.is_none() && document.len() > MAX_RECORD {
        return Err(Refused::Record);
    }
    batch.begin(digest);
    let is_proved = digest.is_some();
    let added = if line.scan.is_some() { scan(&line, place, batch) } else { record(&line, is_proved, batch) };
    if added.is_err() {
        batch.undo();
    }
    added
}

fn record(line: &Line<'_>, is_proved: bool, batch: &mut Batch) -> Result<(), Refused> {
    let device = line.device.as_ref().ok_or(Refused::Without("device"))?;
    let chain = line.chain.as_ref().ok_or(Refused::Without("chain"))?;
    let head = Head {
        id: said(&line.id, "id")?,
        device: said(&device.id, "device.id")?,
        time: time(&line.time, "time")?,
    };
    let kind = said(&line.kind, "kind")?;
    head_of(&head, Table::Records, batch, |batch| {
        batch.id(text(&line.class))?.id(text(&chain.epoch))?.number(chain.seq).id(text(&chain.prev))?;
        batch.signed(head.time).id(kind)?.text(text(&line.privacy)).text(text(&line.agent.version));
        batch.text(text(&device.hostname)).text(text(&device.os)).text(text(&device.os_version));
        Ok(())
    })?;
    let snapshot = text(&line.snapshot);
    match kind {
        "heartbeat" => {
            groups(&head, &device.groups, batch)?;
            heartbeat(&head, line, batch)?;
            if is_proved { ends(&head, line, batch) } else { Ok(()) }
        }
        "inventory" => {
            groups(&head, &device.groups, batch)?;
            inventory(&head, chain.seq, (snapshot, "", text(&line.cause)), line, batch)
        }
        "entry" => entry(&head, snapshot, line.entry.as_ref().ok_or(Refused::Without("entry"))?, batch),
        "finding" => {
            finding(&head, snapshot, line.finding.as_ref().ok_or(Refused::Without("finding"))?, batch)
        }
        "coverage" => coverage(&head, snapshot, line.gap.as_ref().ok_or(Refused::Without("gap"))?, batch),
        "action" => action(&head, line, batch),
        "request" => request(&head, "", line.request.as_ref().ok_or(Refused::Without("request"))?, batch),
        "event" => event(&head, line, batch),
        "gap" => loss(&head, line, batch),
        // its head alone, by which a loss is seen: calls are many, and what is asked of a fleet is what its machines have. Who
        // called what is asked of the engine that the records go to
        "tool-call" => Ok(()),
        _ => Err(Refused::Kind),
    }
}

/// A whole report of `mcpolicy scan`: the head of an inventory and all that belongs to it, under one id.
fn scan(line: &Line<'_>, place: &str, batch: &mut Batch) -> Result<(), Refused> {
    let scan = line.scan.as_ref().ok_or(Refused::Without("scan"))?;
    let host = line.host.as_ref().ok_or(Refused::Without("host"))?;
    let named = [text(&host.device_id), text(&host.hostname)].into_iter().find(|name| !name.is_empty());
    let device = named.unwrap_or(place);
    let mode = text(&scan.mode);
    // a scan of one home does not tell of the others
    let extent = if mode == "machine" {
        String::new()
    } else {
        let mut users = scan.users.clone();
        users.sort();
        format!("{mode} {}", users.join(" "))
    };
    let started = said(&scan.started_at, "scan.started_at")?;
    let snapshot = if extent.is_empty() { started.to_owned() } else { format!("{started} {extent}") };
    let id = format!("scan.{device}.{snapshot}");
    let head = Head { id: &id, device, time: time(&scan.started_at, "scan.started_at")? };
    head_of(&head, Table::Records, batch, |batch| {
        batch.id("state")?.id("")?.number(0).id("")?.signed(head.time).id("scan")?.text("full");
        batch.text(text(&line.agent.version)).text(text(&host.hostname));
        batch.text(text(&host.os)).text(text(&host.os_version));
        Ok(())
    })?;
    groups(&head, &host.groups, batch)?;
    inventory(&head, 0, (&snapshot, &extent, "scan"), line, batch)?;
    let waiting: &[Request<'_>] = match &line.requests {
        Requests::List(list) => list,
        Requests::Count(_) => &[],
    };
    // attack: each value is a row too, with all the ids of its entry
    let values: usize = line.entries.iter().map(|entry| entry.values.len()).sum();
    let rows = line.entries.len() + line.findings.len() + line.coverage.len() + waiting.len() + values;
    if rows > MAX_ROWS {
        return Err(Refused::Rows);
    }
    // each row has an id of its own, as those of records have
    let part = |kind: &str, number: usize| format!("{id}#{kind}{number}");
    let before = batch.bytes();
    for (number, one) in line.entries.iter().enumerate() {
        if batch.bytes() - before > MAX_ROW_BYTES {
            return Err(Refused::Rows);
        }
        entry(&Head { id: &part("e", number), ..head }, &snapshot, one, batch)?;
    }
    for (number, one) in line.findings.iter().enumerate() {
        finding(&Head { id: &part("f", number), ..head }, &snapshot, one, batch)?;
    }
    for (number, one) in line.coverage.iter().enumerate() {
        coverage(&Head { id: &part("c", number), ..head }, &snapshot, one, batch)?;
    }
    for (number, one) in waiting.iter().enumerate() {
        request(&Head { id: &part("r", number), ..head }, &snapshot, one, batch)?;
    }
    Ok(())
}

/// A row that begins with the id of the record and its device.
fn head_of(
    head: &Head<'_>,
    table: Table,
    batch: &mut Batch,
    rest: impl FnOnce(&mut Batch) -> Result<(), Refused>,
) -> Result<(), Refused> {
    batch.row(table).id(head.id)?.id(head.device)?;
    rest(batch)
}

/// The same, with the time behind.
fn row<'b>(head: &Head<'_>, table: Table, batch: &'b mut Batch) -> Result<&'b mut Batch, Refused> {
    Ok(batch.row(table).id(head.id)?.id(head.device)?.signed(head.time))
}

fn groups(head: &Head<'_>, groups: &[Cow<'_, str>], batch: &mut Batch) -> Result<(), Refused> {
    if groups.is_empty() {
        row(head, Table::DeviceGroups, batch)?.id("")?;
    }
    // more groups than any machine has would be rows without end
    for group in groups.iter().take(64) {
        row(head, Table::DeviceGroups, batch)?.id(group)?;
    }
    Ok(())
}

fn heartbeat(head: &Head<'_>, line: &Line<'_>, batch: &mut Batch) -> Result<(), Refused> {
    let none = Policy::default();
    let policy = line.policy.as_ref().unwrap_or(&none);
    let requests = match &line.requests {
        Requests::Count(count) => *count,
        Requests::List(list) => list.len() as u64,
    };
    row(head, Table::Heartbeats, batch)?
        .text(text(&line.state))
        .text(text(&line.mode))
        .text(text(&line.ceiling))
        .id(text(&policy.name))?
        .number(policy.sequence.unwrap_or(0))
        .text(text(&policy.sha256))
        .id(text(&policy.ring))?
        .number(policy.revocations.unwrap_or(0))
        .text(text(&policy.staleness))
        .number(line.verdicts.allow)
        .number(line.verdicts.deny)
        .number(line.verdicts.unknown)
        .number(line.open)
        .number(line.running)
        .number(line.restart_needed)
        .number(line.watches)
        .number(line.problems.len() as u64)
        .signed(optional_time(&line.last_rescan))
        .number(requests)
        .text(text(&policy.ticket))
        .signed(optional_time(&policy.expires))
        .signed(optional_time(&policy.stale_at))
        .signed(optional_time(&policy.root_expires));
    for request in line.waiting.iter().take(MOST_WAITING) {
        row(head, Table::Waiting, batch)?.id(request)?;
    }
    for layer in line.layers.iter().take(64) {
        row(head, Table::Layers, batch)?.text(text(&layer.name)).text(text(&layer.state));
    }
    Ok(())
}

/// How far the machine says its other chains are.
fn ends(head: &Head<'_>, line: &Line<'_>, batch: &mut Batch) -> Result<(), Refused> {
    for end in &line.chains {
        let (class, epoch) = (text(&end.class), text(&end.epoch));
        if !class.is_empty() && !epoch.is_empty() {
            batch.row(Table::Ends).id(head.device)?.signed(head.time).id(class)?.id(epoch)?.number(end.seq);
        }
    }
    Ok(())
}

fn inventory(
    head: &Head<'_>,
    seq: u64,
    (snapshot, extent, cause): (&str, &str, &str),
    line: &Line<'_>,
    batch: &mut Batch,
) -> Result<(), Refused> {
    let none = Policy::default();
    let policy = line.policy.as_ref().unwrap_or(&none);
    row(head, Table::Inventories, batch)?
        .number(seq)
        .id(snapshot)?
        .id(extent)?
        .text(cause)
        .id(text(&policy.name))?
        .number(policy.sequence.unwrap_or(0))
        .flag(policy.signed)
        .text(text(&policy.mode))
        .id(text(&policy.ring))?
        .number(policy.revocations.unwrap_or(0))
        .text(text(&policy.staleness))
        .number(line.summary.entries)
        .number(line.summary.live)
        .number(line.summary.gaps)
        .number(line.records);
    Ok(())
}

fn entry(head: &Head<'_>, snapshot: &str, entry: &Entry<'_>, batch: &mut Batch) -> Result<(), Refused> {
    let id = text(&entry.id);
    let owner = text(&entry.user);
    let judged = entry.judged.as_ref();
    let said = |of: fn(&crate::line::Judged<'_>) -> String| judged.map(of).unwrap_or_default();
    let mut readers = String::new();
    for reader in entry.readers.iter().take(64) {
        readers.push_str(if readers.is_empty() { "" } else { " " });
        readers.push_str(text(&reader.client));
    }
    let digest = |of: fn(&crate::line::Facts<'_>) -> String| entry.facts.as_ref().map(of).unwrap_or_default();
    row(head, Table::Entries, batch)?
        .id(snapshot)?
        .id(id)?
        .text(text(&entry.name))
        .text(text(&entry.client))
        .text(&readers)
        .text(text(&entry.scope))
        .text(owner)
        .text(text(&entry.source.path))
        .text(text(&entry.project))
        .text(text(&entry.transport))
        .text(text(&entry.identity.kind))
        .text(text(&entry.identity.name))
        .text(text(&entry.identity.version))
        .flag(entry.identity.pinned)
        .flag(entry.disabled)
        .flag(entry.running == Some(true))
        .text(text(&entry.inert))
        .id(text(&entry.fingerprint))?
        .text(&said(|j| text(&j.verdict).to_owned()))
        .text(&said(|j| text(&j.decided_by).to_owned()))
        .text(&said(|j| text(&j.rule).to_owned()))
        .text(&said(|j| text(&j.reason).to_owned()))
        .text(&said(|j| text(&j.pin).to_owned()))
        .text(&digest(|f| sha256(&f.program)))
        .text(&digest(|f| sha256(&f.script)))
        .text(&digest(|f| sha256(&f.listener)))
        .signed(judged.map_or(0, |judged| optional_time(&judged.until)))
        .text(&said(|j| text(&j.ticket).to_owned()))
        .whole(&entry.args.0);
    let before = batch.bytes();
    for value in &entry.values {
        if batch.bytes() - before > MAX_ROW_BYTES {
            return Err(Refused::Rows);
        }
        row(head, Table::Credentials, batch)?
            .id(snapshot)?
            .id(id)?
            .text(owner)
            .text(text(&value.place))
            .text(text(&value.name))
            .text(text(&value.kind))
            .text(text(&value.fingerprint));
    }
    Ok(())
}

fn sha256(facts: &FileFacts<'_>) -> String {
    text(&facts.sha256).to_owned()
}

fn finding(head: &Head<'_>, snapshot: &str, finding: &Finding<'_>, batch: &mut Batch) -> Result<(), Refused> {
    row(head, Table::Findings, batch)?
        .id(snapshot)?
        .id(text(&finding.entry))?
        .text(text(&finding.code))
        .text(text(&finding.severity))
        .text(text(&finding.name))
        .text(text(&finding.user))
        .text(finding.source.as_ref().map(|place| text(&place.path)).unwrap_or_default())
        .text(text(&finding.verdict));
    Ok(())
}

fn coverage(head: &Head<'_>, snapshot: &str, gap: &Gap<'_>, batch: &mut Batch) -> Result<(), Refused> {
    row(head, Table::Coverage, batch)?
        .id(snapshot)?
        .text(text(&gap.kind))
        .text(text(&gap.path))
        .text(text(&gap.user))
        .number(gap.count)
        .flag(gap.partial);
    Ok(())
}

fn action(head: &Head<'_>, line: &Line<'_>, batch: &mut Batch) -> Result<(), Refused> {
    row(head, Table::Actions, batch)?
        .text(text(&line.action))
        .text(text(&line.outcome))
        .text(text(&line.server))
        .text(text(&line.client))
        .text(text(&line.user))
        .text(text(&line.path))
        .id(text(&line.fingerprint))?
        .text(text(&line.code))
        .text(text(&line.rule))
        .text(text(&line.block))
        .text(text(&line.layer));
    of_server(line, batch);
    Ok(())
}

fn request(head: &Head<'_>, snapshot: &str, request: &Request<'_>, batch: &mut Batch) -> Result<(), Refused> {
    row(head, Table::Requests, batch)?
        .id(snapshot)?
        .id(text(&request.id))?
        .signed(time(&request.time, "request.time")?)
        .text(text(&request.user))
        .id(text(&request.fingerprint))?
        .text(text(&request.identity.kind))
        .text(text(&request.identity.name))
        .text(text(&request.identity.version))
        .text(text(&request.name))
        .text(text(&request.client));
    Ok(())
}

fn event(head: &Head<'_>, line: &Line<'_>, batch: &mut Batch) -> Result<(), Refused> {
    row(head, Table::Events, batch)?
        .text(text(&line.class))
        .text(text(&line.code))
        .text(text(&line.user))
        .text(text(&line.server))
        .number(line.count.unwrap_or(0))
        .signed(optional_time(&line.from))
        .signed(optional_time(&line.to))
        .text(text(&line.layer))
        .text(text(&line.client))
        .id(text(&line.fingerprint))?
        .text(text(&line.reason))
        .text(text(&line.rule));
    of_server(line, batch);
    Ok(())
}

/// What the server of an action or event is.
fn of_server(line: &Line<'_>, batch: &mut Batch) {
    let none = Identity::default();
    let identity = line.identity.as_ref().unwrap_or(&none);
    batch.text(text(&identity.kind)).text(text(&identity.name)).text(text(&identity.version));
}

fn loss(head: &Head<'_>, line: &Line<'_>, batch: &mut Batch) -> Result<(), Refused> {
    row(head, Table::Gaps, batch)?
        .text(text(&line.of))
        .id(text(&line.epoch))?
        .number(line.first)
        .number(line.last)
        .number(line.count.unwrap_or(0))
        .text(text(&line.reason));
    Ok(())
}

fn text<'a>(text: &'a Option<Cow<'_, str>>) -> &'a str {
    text.as_deref().unwrap_or_default()
}

fn said<'a>(member: &'a Option<Cow<'_, str>>, name: &'static str) -> Result<&'a str, Refused> {
    Some(text(member)).filter(|text| !text.is_empty()).ok_or(Refused::Without(name))
}

fn time(member: &Option<Cow<'_, str>>, name: &'static str) -> Result<i64, Refused> {
    said(member, name)?.parse::<Timestamp>().map(Timestamp::as_second).map_err(|_| Refused::Time(name))
}

fn optional_time(member: &Option<Cow<'_, str>>) -> i64 {
    time(member, "time").unwrap_or(0)
}
