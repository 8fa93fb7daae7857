//! A source and its bytes to entries, readers and findings. Pure: the same bytes give the same inventory.

mod crowd;
pub mod filled;
mod twofold;

use std::collections::{BTreeMap, BTreeSet};

use mcpolicy_clients::adapter::{Found, Lead, Load};
use mcpolicy_clients::codec::{self, Format, Parsed, breaks, decode};
use mcpolicy_clients::location::{Location, Role};
use mcpolicy_clients::node::{LineIndex, Node, Span, Value};
use mcpolicy_clients::reads::Reads;
use mcpolicy_clients::{normalise, servers};
use mcpolicy_schema::contradiction;
use mcpolicy_schema::entry::{ClientId, Entry, Inert, NamedValue, Position, Reader, Scope};
use mcpolicy_schema::finding::{Finding, FindingCode, Severity};
use mcpolicy_schema::risk;

use crate::discover::source::{Reading, Source};

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Parsed, and at least one reader takes it.
    Read,
    /// Parsed, but every reader refuses the whole file.
    Refused,
    /// Not valid in its format.
    Unparseable,
    /// A program; not evaluated.
    NotEvaluable,
}

impl State {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Refused => "refused",
            Self::Unparseable => "unparseable",
            Self::NotEvaluable => "not-evaluable",
        }
    }
}

/// A finding about the file rather than about an entry.
#[derive(Debug, Clone)]
pub struct FileFinding {
    /// What was found.
    pub finding: Finding,
    /// Where in the file.
    pub position: Position,
}

/// What one file holds.
#[derive(Debug)]
pub struct FileInventory {
    /// What became of the file.
    pub state: State,
    /// Its entries, in order of the text.
    pub entries: Vec<Entry>,
    /// Findings about the file and its settings.
    pub findings: Vec<FileFinding>,
    /// Other places that it names, with the index into `Source::readings` of who follows them.
    pub leads: Vec<(usize, Lead)>,
    /// Variables that a project's settings set for every server that this client starts there, as far as they change
    /// what runs.
    pub environment: Vec<(ClientId, NamedValue)>,
}

/// Most duplicate keys of one file that are told one by one.
const MAX_DUPLICATES_TOLD: usize = 20;

/// Most settings of one file that are told one by one; more of them say nothing new.
const MAX_SETTINGS_TOLD: usize = 200;

/// Files of TOML and YAML up to this size are parsed whatever is in them.
const MAX_DENSE: usize = 4 << 20;

/// Most marks between values in a larger one. A parsed value has some 250 bytes, whatever it has in the text.
const MAX_MARKS: usize = 1_000_000;

/// Whether the tree of a file would take more memory than a worker has.
///
/// Attack: 16 MiB of `0,` in a list of TOML, for which the limit of its memory kills the worker.
fn is_too_dense(format: Format, bytes: &[u8]) -> bool {
    let is_mark = |byte: &&u8| matches!(byte, b',' | b'\n' | b'[' | b'{' | b':' | b'=' | b'.');
    let has_large_trees = !matches!(format, Format::Json(_) | Format::Xml | Format::Shell);
    has_large_trees && bytes.len() > MAX_DENSE && bytes.iter().filter(is_mark).count() > MAX_MARKS
}

/// Most servers of a file that are told apart by whoever acts on it.
pub const MOST: usize = crowd::MOST;

/// Takes the inventory of one file, as whoever acts on it sees it.
pub fn take(source: &Source, bytes: &[u8]) -> FileInventory {
    take_up_to(source, bytes, MOST)
}

/// Takes the inventory of one file. More than so many servers are not told apart.
pub fn take_up_to(source: &Source, bytes: &[u8], most: usize) -> FileInventory {
    let start = Position { line: 1, column: 1 };
    let format = format_of(source);
    if format == Format::Shell {
        let message = format!("{} runs this file as a program", source.owner().adapter.about().name);
        return failed(State::NotEvaluable, FindingCode::NotEvaluable, message, start);
    }
    if is_too_dense(format, bytes) {
        let message = format!(
            "it has more than {} MiB and more than {MAX_MARKS} values or lines, which is more than is parsed of its format",
            MAX_DENSE >> 20
        );
        return failed(State::Unparseable, FindingCode::ConfigTooLarge, message, start);
    }
    let decoded = match decode::decode(bytes) {
        Ok(decoded) => decoded,
        Err(_) if is_none_of_ours(source, &String::from_utf8_lossy(bytes)) => return nothing(),
        Err(error) => {
            let failed = failed(State::Unparseable, FindingCode::UnparseableConfig, error.message, start);
            return weighed(failed, is_mark(bytes) || std::str::from_utf8(bytes).is_ok_and(is_blank));
        }
    };
    let (first, ends) = read(source, (format, most), &decoded, &decoded.text);
    let Some(end) = ends.first() else { return first };
    let position = LineIndex::new(&decoded.text).position(*end);
    let others = breaks::others(&decoded.text, &ends);
    others.iter().fold(first, |first, text| {
        let (second, _) = read(source, (format, most), &decoded, text);
        twofold::both(first, second, position.clone())
    })
}

/// One reading of a file, and where characters stand at which other readers would end a line.
fn read(
    source: &Source,
    (format, most): (Format, usize),
    decoded: &decode::Text<'_>,
    text: &str,
) -> (FileInventory, Vec<usize>) {
    let lines = LineIndex::new(text);
    let parsed = codec::parse(format, &source.path.to_string_lossy(), text);
    let mut parsed = match parsed {
        Ok(parsed) => parsed,
        Err(_) if is_none_of_ours(source, text) => return (nothing(), Vec::new()),
        Err(error) => {
            let position = lines.position(error.offset);
            let failed = failed(State::Unparseable, FindingCode::UnparseableConfig, error.message, position);
            return (weighed(failed, is_blank(text)), Vec::new());
        }
    };
    parsed.leniencies.bom |= decoded.leniencies.bom;
    parsed.leniencies.utf16 |= decoded.leniencies.utf16;
    let shadowed =
        if parsed.duplicates.is_empty() { Vec::new() } else { running_ends(servers::shadowed(&parsed.root)) };
    let reader = FileReader {
        source,
        most,
        parsed: &parsed,
        lines: &lines,
        text,
        skipped: decoded.skipped,
        not_utf8: decoded.not_utf8,
        shadowed,
    };
    let inventory = reader.inventory();
    (inventory, parsed.breaks)
}

fn failed(state: State, code: FindingCode, message: String, position: Position) -> FileInventory {
    let findings = vec![FileFinding { finding: Finding::new(code, message), position }];
    FileInventory { state, entries: Vec::new(), findings, leads: Vec::new(), environment: Vec::new() }
}

/// A file for servers of which there are more than become entries.
fn too_many(servers: usize) -> FileInventory {
    let message = format!("it holds {servers} servers; at the most {MOST} of a file are looked at");
    failed(State::Unparseable, FindingCode::ConfigTooLarge, message, Position { line: 1, column: 1 })
}

/// A file that cannot be parsed; one with nothing in it is worth little attention.
fn weighed(mut failed: FileInventory, is_blank: bool) -> FileInventory {
    if is_blank {
        failed.findings.iter_mut().for_each(|found| found.finding.severity = Severity::Low);
    }
    failed
}

/// The mark that stands before a text of UTF-16, and nothing behind it.
fn is_mark(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe] | [0xfe, 0xff])
}

/// Whether there is nothing in a text but blanks and comments. Editors leave such files by themselves, and no reader
/// finds a server in one; it may be half written, though. A character at which only some readers end a comment may have
/// a server behind it.
fn is_blank(text: &str) -> bool {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    if rest.replace("\r\n", "\n").contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        return false;
    }
    loop {
        rest = rest.trim_ascii_start();
        let end = match rest.get(..2) {
            Some("//") => rest.find('\n').unwrap_or(rest.len()),
            Some("/*") => match rest[2..].find("*/") {
                Some(at) => at + 4,
                None => return false,
            },
            _ => return rest.is_empty(),
        };
        rest = &rest[end..];
    }
}

/// Whether a text that cannot be parsed is a file for another purpose that names no servers, not even in a spelling
/// that a parser would take for their name.
fn is_none_of_ours(source: &Source, text: &str) -> bool {
    let lower = text.to_lowercase();
    let names = |location: &Location| {
        let keys = location.keys.iter().filter_map(|key| key.rsplit('/').next());
        keys.into_iter().any(|key| lower.contains(&key.to_lowercase()))
    };
    let escaped = ["\\u", "\\x", "\0"].iter().any(|mark| lower.contains(mark));
    !escaped && source.readings.iter().all(|reading| reading.location.aside && !names(reading.location))
}

fn nothing() -> FileInventory {
    let (entries, findings, leads) = (Vec::new(), Vec::new(), Vec::new());
    FileInventory { state: State::Read, entries, findings, leads, environment: Vec::new() }
}

/// The owner's format; a reader whose parser recovers from errors makes the file worth recovering.
pub fn format_of(source: &Source) -> Format {
    let own = source.owner().location.format;
    if !matches!(own, Format::Json(_)) {
        return own;
    }
    let recovering = source.readings.iter().map(|r| r.location.format);
    recovering.into_iter().find(|f| matches!(f, Format::Json(d) if d.recovers)).unwrap_or(own)
}

/// Why a reader refuses the whole file.
fn refusal(reading: &Reading, parsed: &Parsed<'_>) -> Option<&'static str> {
    match reading.location.format {
        Format::Json(dialect) => dialect.refusal(parsed.leniencies),
        _ if parsed.leniencies.utf16 => Some("the file is UTF-16; the client reads UTF-8"),
        _ => None,
    }
}

/// Lets each span end where the furthest one up to it ends, so that one look-up tells whether any of them covers a
/// place: with 100,000 duplicates, each entry must not ask each of them.
fn running_ends(mut spans: Vec<Span>) -> Vec<Span> {
    let mut furthest = 0;
    for span in &mut spans {
        furthest = furthest.max(span.end);
        span.end = furthest;
    }
    spans
}

struct FileReader<'d> {
    /// Most servers that are told apart.
    most: usize,
    source: &'d Source,
    parsed: &'d Parsed<'d>,
    lines: &'d LineIndex<'d>,
    text: &'d str,
    skipped: usize,
    not_utf8: Option<usize>,
    /// What earlier duplicates of keys hold, in order of the text; each ends where the furthest so far ends.
    shadowed: Vec<Span>,
}

/// A found server with those who found it, as indices into the readings.
struct Merged<'d> {
    found: Found<'d>,
    by: Vec<usize>,
    /// It is a table, which stands for so many that cannot be told apart.
    crowd: Option<usize>,
}

impl<'d> Merged<'d> {
    fn of(found: Found<'d>) -> Self {
        Self { found, by: Vec::new(), crowd: None }
    }
}

impl<'d> FileReader<'d> {
    fn inventory(&self) -> FileInventory {
        let merged = self.merged();
        let is_state = self.source.readings.iter().any(|reading| reading.location.state);
        if merged.len() > self.most && !is_state {
            return too_many(merged.len());
        }
        let merged = crowd::thin(&self.parsed.root, merged, self.most);
        let refusals: Vec<_> = self.source.readings.iter().map(|r| refusal(r, self.parsed)).collect();
        let all_refuse = refusals.iter().all(Option::is_some);
        let mut findings = self.file_findings(refusals[0]);
        findings.extend(self.settings());
        findings.extend(merged.iter().filter_map(|m| self.crowded(m)));
        let leads = self.leads();
        let mut entries: Vec<Entry> = merged.iter().map(|m| self.entry(m, &refusals)).collect();
        let mut state = if all_refuse { State::Refused } else { State::Read };
        if self.rewritten().is_some() {
            // attack: `m{env:NOPE}cp` is `mcp` to the client: what stands here is not what it reads
            state = State::Unparseable;
            entries.iter_mut().for_each(|entry| entry.malformed = Some(contradiction::FILLED_IN));
        }
        FileInventory { state, entries, findings, leads, environment: self.environment() }
    }

    /// Servers of all readers, each declaration once, and what stands under keys that nobody reads.
    fn merged(&self) -> Vec<Merged<'d>> {
        let mut merged: BTreeMap<(u32, String), Merged<'d>> = BTreeMap::new();
        for (at, reading) in self.source.readings.iter().enumerate() {
            for found in reading.adapter.servers(reading.location, self.parsed) {
                let key = (found.span.start, found.key_path.clone());
                merged.entry(key).or_insert_with(|| Merged::of(found)).by.push(at);
            }
        }
        let read: Vec<&str> =
            self.source.readings.iter().flat_map(|r| r.location.keys.iter().copied()).collect();
        for found in servers::under_unread_keys(&self.parsed.root, &read) {
            let key = (found.span.start, found.key_path.clone());
            merged.entry(key).or_insert_with(|| Merged::of(found));
        }
        merged.into_values().collect()
    }

    /// Tells of a table that stands for its servers.
    fn crowded(&self, merged: &Merged<'_>) -> Option<FileFinding> {
        let message = format!("{} servers stand here, and {}", merged.crowd?, contradiction::CROWDED);
        let finding = Finding::new(FindingCode::ConfigTooLarge, message);
        Some(FileFinding { finding, position: self.lines.position(merged.found.span.start as usize) })
    }

    /// A table that stands for its servers: live for whoever reads the file, and allowed by nothing but its very text.
    fn crowd(&self, mut entry: Entry, merged: &Merged<'_>) -> Entry {
        let by = merged.by.iter().map(|at| &self.source.readings[*at]);
        entry.readers = by
            .map(|reading| Reader {
                client: reading.adapter.about().id,
                setting: match reading.location.role {
                    Role::ReadsIf(setting) => Some(setting),
                    Role::Own | Role::Reads => None,
                },
            })
            .collect();
        let text = self.text.get(merged.found.span.range()).unwrap_or_default();
        entry.declared_type = Some(format!("sha256 {}", crate::vault::digest_of(text.as_bytes())));
        entry.malformed = Some(contradiction::CROWDED);
        entry
    }

    fn entry(&self, merged: &Merged<'_>, refusals: &[Option<&'static str>]) -> Entry {
        // The owner names the client, unless only others read this key.
        let owner = merged.by.first().map_or(self.source.owner(), |at| &self.source.readings[*at]);
        let about = owner.adapter.about();
        // What nobody reads here is judged as whoever reads the file would have it.
        let all: Vec<usize> = (0..self.source.readings.len()).collect();
        let by = if merged.by.is_empty() { &all } else { &merged.by };
        let reads: Vec<&Reads> =
            by.iter().map(|at| self.source.readings[*at].adapter.about().reads).collect();
        let context = normalise::Context {
            client: about.id,
            scope: owner.location.scope,
            untyped_url: about.untyped_url,
            reads: &reads,
            format: format_of(self.source),
            lines: self.lines,
        };
        let in_place_of_table = Node { value: Value::Null, span: merged.found.span };
        let found = Found {
            node: if merged.crowd.is_some() { &in_place_of_table } else { merged.found.node },
            ..merged.found.clone()
        };
        let mut entry = normalise::entry(&found, context);
        entry.span = entry.span.start + self.skipped..entry.span.end + self.skipped;
        if merged.crowd.is_some() {
            return self.crowd(entry, merged);
        }
        let mut is_off = true;
        for at in &merged.by {
            let reading = &self.source.readings[*at];
            if refusals[*at].is_none()
                && let Some(reader) = self.reader(reading, &entry, &merged.found)
                && !entry.readers.iter().any(|r| r.client == reader.client)
            {
                is_off &= reading.adapter.about().is_off(merged.found.node);
                entry.readers.push(reader);
            }
        }
        // one client that would start it all the same is enough for it to be live
        entry.disabled = is_off && !entry.readers.is_empty();
        if self.is_overridden(&merged.found) {
            entry.readers.clear();
            entry.disabled = false;
            entry.inert = Some(Inert::Overridden);
        } else if entry.readers.is_empty() {
            entry.inert = Some(match merged.by.as_slice() {
                [] => Inert::KeyNotRead,
                by if by.iter().all(|at| refusals[*at].is_some()) => Inert::FileRefused,
                _ => Inert::EntryRefused,
            });
        }
        entry
    }

    /// Of two declarations at one key path the client takes the last; the earlier ones stay in sight but are not live.
    fn is_overridden(&self, found: &Found<'_>) -> bool {
        let before = self.shadowed.partition_point(|span| span.start <= found.span.start);
        before.checked_sub(1).is_some_and(|at| self.shadowed[at].end >= found.span.end)
    }

    fn reader(&self, reading: &Reading, entry: &Entry, found: &Found<'_>) -> Option<Reader> {
        let in_list = found.key_path.rsplit('/').next().is_some_and(|k| k.parse::<usize>().is_ok());
        if in_list
            && !reading.location.list
            && entry.name != found.key_path.rsplit('/').next().unwrap_or_default()
        {
            return None;
        }
        let of_role = match reading.location.role {
            Role::ReadsIf(setting) => Some(setting),
            Role::Own | Role::Reads => None,
        };
        let client = reading.adapter.about().id;
        match reading.adapter.loads(entry, reading.location) {
            Load::Yes => Some(Reader { client, setting: of_role }),
            Load::IfSetting(setting) => Some(Reader { client, setting: of_role.or(Some(setting)) }),
            Load::No(_) => None,
        }
    }

    /// Where a client fills something in before it parses the file, so that it is another one to it.
    fn rewritten(&self) -> Option<usize> {
        let rewritten = |reading: &Reading| reading.adapter.rewrites(self.text, self.parsed);
        self.source.readings.iter().find_map(rewritten)
    }

    fn file_findings(&self, owner_refuses: Option<&'static str>) -> Vec<FileFinding> {
        let mut out = Vec::new();
        let mut tell =
            |finding, offset| out.push(FileFinding { finding, position: self.lines.position(offset) });
        if let Some(damage) = &self.parsed.damage {
            tell(Finding::new(FindingCode::DamagedConfig, damage.message.clone()), damage.offset);
        }
        if let Some(offset) = self.not_utf8 {
            let message = "the file is not UTF-8; clients take the bytes that are not for U+FFFD and go on";
            tell(Finding::new(FindingCode::DamagedConfig, message), offset);
        }
        if let Some(offset) = self.rewritten() {
            let message =
                "references are filled in before the file is parsed, and here that makes another file of it";
            tell(Finding::new(FindingCode::DamagedConfig, message).weighing(Severity::High), offset);
        }
        if let Some(why) = owner_refuses {
            tell(Finding::new(FindingCode::FileRefused, why), 0);
        }
        if let Some((what, offset)) = self.unexpected_shape() {
            tell(Finding::new(FindingCode::UnexpectedShape, what), offset);
        }
        if let Some(offset) = self.unread() {
            let message = "servers of an agent stand here in a shape that is not read";
            tell(Finding::new(FindingCode::UnexpectedShape, message).weighing(Severity::Medium), offset);
        }
        if let Some(offset) = self.parsed.deep {
            tell(Finding::new(FindingCode::DeepNesting, "a value is nested deeper than 128 levels"), offset);
        }
        for duplicate in self.parsed.duplicates.iter().take(MAX_DUPLICATES_TOLD) {
            let message = "a key stands twice in one object; the client takes the last";
            tell(Finding::new(FindingCode::DuplicateKey, message), duplicate.span.start as usize);
        }
        let untold = self.parsed.duplicates.len().saturating_sub(MAX_DUPLICATES_TOLD);
        if untold > 0 {
            let message = format!("{untold} more keys stand twice in this file");
            let offset = self.parsed.duplicates[MAX_DUPLICATES_TOLD].span.start as usize;
            tell(Finding::new(FindingCode::DuplicateKey, message).weighing(Severity::Low), offset);
        }
        out
    }

    /// A top that is no map, or something else than a map or list where the owner keeps its servers.
    fn unexpected_shape(&self) -> Option<(&'static str, usize)> {
        let root = &self.parsed.root;
        if !root.is_object() {
            if is_none_of_ours(self.source, self.text) {
                return None;
            }
            return Some(("the top of the file is not a map", root.span.start as usize));
        }
        if self.source.owner().location.aside {
            return None;
        }
        let tables = self.source.owner().location.keys.iter().filter_map(|key| root.pointer(key));
        // nor is the name of a file, which a plugin may have there: who reviews the file does not see its servers
        let odd = tables
            .into_iter()
            .find(|t| !matches!(t.value, Value::Object(_) | Value::Array(_) | Value::Null))?;
        Some(("the table of servers is not a map", odd.span.start as usize))
    }

    /// Where a file for another purpose has something under the key of its servers that is neither a map nor a list of
    /// maps and names: its client may make servers of it all the same (a text that is parsed once more).
    fn unread(&self) -> Option<usize> {
        let owner = self.source.owner().location;
        let keys = if owner.aside { owner.keys } else { &[] };
        let tables = keys.iter().flat_map(|key| servers::tables_at(&self.parsed.root, key));
        let is_odd = |node: &Node<'_>| !matches!(node.value, Value::Object(_) | Value::Null);
        let odd = |table: &Node<'_>| match &table.value {
            Value::Array(items) => {
                let mut odd = items.iter().filter(|item| is_odd(item) && item.as_str().is_none());
                odd.next().map(|item| item.span.start)
            }
            _ => is_odd(table).then_some(table.span.start),
        };
        tables.into_iter().find_map(odd).map(|start| start as usize)
    }

    /// The readings, but for a client's own file of the user's that it would also find with the home as a project: what
    /// the user sets is no repository's doing.
    fn own_readings(&self) -> impl Iterator<Item = (usize, &Reading)> {
        let readings = &self.source.readings;
        let is_users = |reading: &Reading| {
            let of_same = |other: &&Reading| other.adapter.about().id == reading.adapter.about().id;
            readings.iter().filter(of_same).any(|other| other.location.scope == Scope::User)
        };
        readings.iter().enumerate().filter(move |(_, r)| r.location.scope != Scope::Project || !is_users(r))
    }

    fn settings(&self) -> Vec<FileFinding> {
        let mut told = BTreeSet::new();
        let mut out: Vec<FileFinding> = Vec::new();
        for (_, reading) in self.own_readings() {
            for setting in reading.adapter.settings(reading.location, self.parsed) {
                let key = (setting.offset, setting.finding.code, setting.finding.message.clone());
                if told.insert(key) && out.len() < MAX_SETTINGS_TOLD {
                    let position = self.lines.position(setting.offset);
                    out.push(FileFinding { finding: setting.finding, position });
                }
            }
        }
        out
    }

    fn environment(&self) -> Vec<(ClientId, NamedValue)> {
        let of_projects = self.source.readings.iter().filter(|r| r.location.scope == Scope::Project);
        let variables = of_projects.flat_map(|reading| {
            let variables = reading.adapter.environment(reading.location, self.parsed);
            variables.into_iter().map(|(variable, _)| (reading.adapter.about().id, variable))
        });
        let is_judged =
            |variable: &NamedValue| !risk::is_harmless_of_client(&variable.name, variable.value.expose());
        variables.filter(|(_, variable)| is_judged(variable)).collect()
    }

    fn leads(&self) -> Vec<(usize, Lead)> {
        let leads = self.own_readings().map(|(at, r)| (at, r.adapter.leads(r.location, self.parsed)));
        let mut leads: Vec<(usize, Lead)> =
            leads.flat_map(|(at, leads)| leads.into_iter().map(move |lead| (at, lead))).collect();
        if self.unread().is_some() {
            let what = "servers of an agent in a shape that is not read".to_owned();
            leads.push((0, Lead::Elsewhere { kind: "agent-file", what }));
        }
        leads
    }
}
