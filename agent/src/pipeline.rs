//! The sentence: discover, read, take inventory, assess, report. Nothing is written, started or contacted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcpolicy_clients::codec;
use mcpolicy_clients::edit::{self, Piece, Place};
use mcpolicy_clients::location::{Location, NAMED, Os};
use mcpolicy_clients::template::{self, ANY_FOLDERS, Layout};
use mcpolicy_platform::machine::{Machine, Owner, ReadError};
use mcpolicy_platform::processes::Process;
use mcpolicy_schema::entry::{ClientId, Entry, NamedValue};
use mcpolicy_schema::finding::{Finding, FindingCode};
use mcpolicy_schema::redact::Redactor;

use crate::assess::{Assessed, assess};
use crate::discover::changed::{Changed, Known, Project};
use crate::discover::source::{Reading, Source};
use crate::discover::variables::{self, Values};
use crate::discover::{Discovery, HomeContext, Reach, elsewhere, shares, unknown, walk};
use crate::gap::Gap;
use crate::inventory::{self, FileFinding, FileInventory};
use crate::read::{self, Read};
use crate::running;
use crate::worker::Scanned;

/// Most bytes of a file of variables that are read; one that is larger holds other things.
const MAX_VALUES: u64 = 1024 * 1024;

/// What is scanned: the ground on which discovery works.
pub struct Ground {
    /// `machine`, `own-home`, `home`, `root`, `file` or `project`.
    pub mode: &'static str,
    /// The folder that is taken for the machine.
    pub machine: Machine,
    /// Whose homes.
    pub homes: Vec<HomeContext>,
    /// How far discovery may go.
    pub reach: Reach,
    /// Whose machine-wide paths.
    pub os: Os,
    /// What to look at.
    pub plan: Plan,
    /// Gaps and findings met while the ground was laid.
    pub gaps: Vec<Gap>,
    /// Findings about homes as such.
    pub findings: Vec<(PathBuf, Option<usize>, FileFinding)>,
    /// The process table of a live scan.
    pub processes: Option<Vec<Process>>,
    /// Homes of others, which are left out.
    pub others: Vec<PathBuf>,
}

/// What to look at.
pub enum Plan {
    /// Fixed locations, remembered projects and a walk of each home.
    Homes,
    /// One checkout: its project files only.
    Project(PathBuf),
    /// One file, as one client reads it.
    File(Box<Source>),
    /// What changed in homes that were scanned before, and what was known of them.
    Changed(Changed, Known),
}

/// What bounds a scan.
pub struct Bounds<'a> {
    /// Time for the walk of each home.
    pub walk_budget: Duration,
    /// Threads of the walk.
    pub threads: usize,
    /// Keep the text of each entry that is not longer than this; 0 keeps none.
    pub texts: usize,
    /// Told now and then how many directories have been visited.
    pub progress: &'a (dyn Fn(u64) + Sync),
    /// Told of each file, with its size, before it is read.
    pub reading: &'a (dyn Fn(&Path, u64) + Sync),
    /// Files that are left out.
    pub without: &'a BTreeSet<PathBuf>,
}

/// A source with what became of it.
pub struct SourceResult {
    /// The file and its readers.
    pub source: Source,
    /// What became of it, as a word of the report.
    pub state: &'static str,
    /// Size in bytes, where it was read.
    pub bytes: Option<u64>,
    /// Keyed digest of the bytes.
    pub digest: Option<String>,
    /// Findings about the file.
    pub findings: Vec<FileFinding>,
    /// See [`FileInventory::environment`](crate::inventory::FileInventory::environment).
    pub environment: Vec<(ClientId, NamedValue)>,
}

/// All that a scan found, before it becomes a report.
#[derive(Default)]
pub struct Outcome {
    /// Files that exist.
    pub sources: Vec<SourceResult>,
    /// Their entries.
    pub entries: Vec<Assessed>,
    /// Findings about processes.
    pub processes: Vec<running::ProcessFinding>,
    /// Findings about homes as such, of a pass; those of a scan stand in its ground.
    pub home_findings: Vec<(PathBuf, Option<usize>, FileFinding)>,
    /// What was passed over.
    pub gaps: Vec<Gap>,
    /// Values of variables that the walk told of: where clients of a home keep files beyond the start files' word.
    pub moved: Values,
    /// Directories in which files were looked for, whether they are there or not.
    pub places: BTreeSet<PathBuf>,
    /// The same of homes that were scanned by others: their owners have named them, wherever they are.
    pub places_of: BTreeMap<usize, BTreeSet<PathBuf>>,
    /// Projects whose folder was looked into; see [`Known::projects`].
    pub projects: BTreeSet<Project>,
    /// Directories visited by walks.
    pub directories: u64,
    /// Files opened.
    pub files_read: u64,
}

impl Outcome {
    /// Adds what the scan of one home found.
    pub fn append(&mut self, home: usize, found: Scanned) {
        let before = self.sources.len();
        self.sources.extend(found.sources.into_iter().map(|mut result| {
            result.source.home = Some(home);
            result
        }));
        self.entries.extend(found.entries.into_iter().map(|mut item| {
            item.source += before;
            item
        }));
        self.gaps.extend(found.gaps.into_iter().map(|gap| gap.of_home(Some(home))));
        self.home_findings
            .extend(found.findings.into_iter().map(|(path, finding)| (path, Some(home), finding)));
        self.places_of.entry(home).or_default().extend(found.places);
        self.directories = self.directories.saturating_add(found.directories);
        self.files_read = self.files_read.saturating_add(found.files_read);
    }
}

/// Scans.
pub fn scan<'g>(ground: &'g Ground, bounds: &'g Bounds<'g>, redactor: &'g Redactor) -> Outcome {
    let mut scan = Scan {
        ground,
        redactor,
        bounds,
        outcome: Outcome::default(),
        kept: Vec::new(),
        at: BTreeMap::new(),
        shares: shares::Bytes::each(MAX_OF_SHARER),
    };
    let mut discovery = Discovery::new(&ground.machine, &ground.homes, ground.reach).without(&ground.others);
    let candidates = scan.discover(&mut discovery, bounds);
    scan.read_all(&mut discovery);
    scan.read_candidates(&candidates, &mut discovery);
    let mut outcome = scan.into_outcome();
    outcome.gaps.extend(discovery.take_gaps());
    outcome.places = discovery.take_places();
    outcome.projects = discovery.take_projects();
    look_at_processes(ground, &mut outcome, redactor);
    outcome.gaps.sort();
    outcome.gaps.dedup();
    outcome
}

/// Marks what runs and finds what runs undeclared, where the ground has a process table.
pub fn look_at_processes(ground: &Ground, outcome: &mut Outcome, redactor: &Redactor) {
    if let Some(processes) = &ground.processes {
        let sources = &outcome.sources;
        let uid_of = |item: &Assessed| sources[item.source].source.home.and_then(|at| ground.homes[at].uid);
        outcome.processes = running::look(processes, &mut outcome.entries, &uid_of, redactor);
    }
}

/// What an entry counts for besides: it is judged, kept and told.
///
/// Attack: hundreds of links of a clone to one small file with 3,000 servers, over which the home's worker ends.
const BYTES_OF_ENTRY: usize = 4096;

/// A file of unknown origin and the home it lies in.
type Candidate = (PathBuf, usize);

struct Scan<'g> {
    ground: &'g Ground,
    redactor: &'g Redactor,
    bounds: &'g Bounds<'g>,
    /// But for what was read.
    outcome: Outcome,
    kept: Vec<Kept>,
    /// Where in `kept` a file stands.
    at: BTreeMap<PathBuf, usize>,
    shares: shares::Bytes,
}

/// Most bytes that are read of the files of one repository, elsewhere of one folder of a home: real ones have some hundred
/// small files.
const MAX_OF_SHARER: u64 = 64 << 20;

/// What one file gave. It is replaced as a whole if the file is read again for more readers.
struct Kept {
    result: SourceResult,
    entries: Vec<Assessed>,
    gaps: Vec<Gap>,
}

impl<'g> Scan<'g> {
    fn discover(&mut self, discovery: &mut Discovery<'g>, bounds: &Bounds<'_>) -> Vec<Candidate> {
        match &self.ground.plan {
            Plan::File(source) => {
                discovery.add((**source).clone());
                Vec::new()
            }
            Plan::Changed(changed, known) => {
                discovery.add_changed(changed, known);
                Vec::new()
            }
            Plan::Project(directory) => {
                discovery.add_project(directory, Some(0));
                self.walk_home(discovery, 0, bounds)
            }
            Plan::Homes => {
                discovery.add_fixed(self.ground.os);
                (0..self.ground.homes.len()).flat_map(|at| self.walk_home(discovery, at, bounds)).collect()
            }
        }
    }

    fn walk_home(&mut self, discovery: &mut Discovery<'_>, at: usize, bounds: &Bounds<'_>) -> Vec<Candidate> {
        let home = &self.ground.homes[at];
        let name = self.ground.machine.host_path(&home.layout.home);
        // attack: the home of an image is a link, which leads to this host's own folders for whoever follows it here
        let Ok(host_home) = self.ground.machine.followed_host_path(&home.layout.home) else {
            return Vec::new();
        };
        if mcpolicy_platform::filesystems::is_network(&host_home) {
            let reason = "the home is on a network file system; only fixed and remembered places were read";
            self.outcome
                .gaps
                .push(Gap::at("network-file-system", reason, &home.layout.home).of_home(Some(at)));
            return Vec::new();
        }
        let protected = crate::ground::protected(&host_home, home.layout.os);
        let others: Vec<PathBuf> =
            self.ground.others.iter().map(|other| self.ground.machine.host_path(other)).collect();
        let limits = walk::Bounds {
            machine: &self.ground.machine,
            home: &host_home,
            budget: bounds.walk_budget,
            threads: bounds.threads,
            protected: &protected,
            others: &others,
            progress: bounds.progress,
        };
        let walked = walk::walk(discovery.index(home.layout.os), &limits).seen_from(&host_home, &name);
        discovery.add_walked(&walked, at);
        let moved = discovery.add_moved(&walked, at);
        variables::join(&mut self.outcome.moved, moved.values);
        let findings = moved.findings.into_iter().map(|(path, finding)| (path, Some(at), finding));
        self.outcome.home_findings.extend(findings);
        self.outcome.directories += walked.directories;
        self.note_walk(&walked, at);
        walked.candidates.iter().map(|path| (self.ground.machine.machine_path(path), at)).collect()
    }

    fn note_walk(&mut self, walked: &walk::Walked, at: usize) {
        let machine = &self.ground.machine;
        let mut note = |gap: Gap| self.outcome.gaps.push(gap.of_home(Some(at)));
        if walked.over_budget > 0 {
            let reason =
                "the time for the walk ran out; these directories and what is below them were not visited";
            note(
                Gap::at("walk-budget", reason, &self.ground.homes[at].layout.home).times(walked.over_budget),
            );
        }
        if let Some(first) = walked.too_deep.first() {
            let reason = format!(
                "directories more than {} below the home, of which this is one, were not visited",
                walk::MAX_DEPTH
            );
            note(
                Gap::at("walk-budget", reason, &machine.machine_path(first))
                    .times(walked.too_deep.len() as u64),
            );
        }
        for path in &walked.other_filesystems {
            note(Gap::at(
                "other-file-system",
                "another file system is mounted here",
                &machine.machine_path(path),
            ));
        }
        for path in &walked.protected {
            let reason = "protected by the system's privacy rules; give full disk access to scan it";
            note(Gap::at("protected-folder", reason, &machine.machine_path(path)));
        }
    }

    /// Reads batch after batch until no file leads to another.
    fn read_all(&mut self, discovery: &mut Discovery<'_>) {
        loop {
            let batch = discovery.take();
            if batch.is_empty() {
                return;
            }
            for source in batch {
                if let Some(taken) = self.read_one(&source) {
                    // A file given by hand is read alone.
                    let alone = matches!(self.ground.plan, Plan::File(_));
                    for (at, lead) in taken.leads.iter().filter(|_| !alone) {
                        let adapter = source.readings[*at].adapter;
                        discovery.add_lead(lead, adapter, source.home, &source.path);
                    }
                    self.keep(source, taken);
                }
            }
        }
    }

    /// Reads a source; `None` if it is absent or failed.
    fn read_one(&mut self, source: &Source) -> Option<Taken> {
        if self.bounds.without.contains(&source.path) || self.is_too_much(&source.path, source.home) {
            return None;
        }
        let owner = source.home.map(|at| self.owner(at));
        let tell = |bytes| (self.bounds.reading)(&source.path, bytes);
        match read::read(&self.ground.machine, &source.path, owner.as_ref(), &tell) {
            Read::Absent => None,
            Read::Failed(failure) => {
                let result = SourceResult {
                    source: source.clone(),
                    state: "unreadable",
                    bytes: None,
                    digest: None,
                    findings: failure.finding.into_iter().map(at_start).collect(),
                    environment: Vec::new(),
                };
                let gaps = vec![failure.gap.of_home(source.home)];
                self.put(Kept { result, entries: Vec::new(), gaps });
                None
            }
            Read::Snapshot(snapshot, findings) => {
                self.outcome.files_read += 1;
                self.note_parsed(&source.path, source.home, snapshot.bytes.len());
                // a scan has no worker whose memory and time could end over them
                let most = if self.bounds.texts == 0 { usize::MAX } else { inventory::MOST };
                let mut taken = inventory::take_up_to(source, &snapshot.bytes, most);
                self.note_parsed(&source.path, source.home, taken.entries.len() * BYTES_OF_ENTRY);
                let layout = source.home.map(|at| &self.ground.homes[at].layout);
                let values = |path: &Path| {
                    let file = self.ground.machine.read(path, owner.as_ref(), MAX_VALUES).ok()?;
                    Some(String::from_utf8_lossy(&file.bytes).into_owned())
                };
                inventory::filled::note(&mut taken, (source, &snapshot.bytes), layout, values);
                taken.findings.extend(findings.into_iter().map(at_start));
                let bytes = snapshot.bytes.len() as u64;
                let digest = self.redactor.digest(&snapshot.bytes);
                let texts = texts_of(source, &snapshot.bytes, &taken.entries, self.bounds.texts);
                Some(Taken {
                    bytes,
                    digest,
                    leads: std::mem::take(&mut taken.leads),
                    inventory: taken,
                    texts,
                })
            }
        }
    }

    /// Whether the share of a file's repository is used up, which is told. What is machine-wide has none.
    fn is_too_much(&mut self, path: &Path, home: Option<usize>) -> bool {
        let Some(at) = home else { return false };
        let of_home = &self.ground.homes[at].layout.home;
        let Err(told) = self.shares.ask(path, of_home, &self.ground.machine) else { return false };
        self.outcome.gaps.extend(told.map(|gap| gap.of_home(home)));
        true
    }

    fn note_parsed(&mut self, path: &Path, home: Option<usize>, bytes: usize) {
        if let Some(at) = home {
            self.shares.add(path, &self.ground.homes[at].layout.home, &self.ground.machine, bytes as u64);
        }
    }

    fn owner(&self, at: usize) -> Owner {
        let home = &self.ground.homes[at];
        Owner { uid: home.uid, home: home.layout.home.clone() }
    }

    fn put(&mut self, kept: Kept) {
        match self.at.get(&kept.result.source.path) {
            Some(at) => self.kept[*at] = kept,
            None => {
                self.at.insert(kept.result.source.path.clone(), self.kept.len());
                self.kept.push(kept);
            }
        }
    }

    fn into_outcome(self) -> Outcome {
        let mut outcome = self.outcome;
        for kept in self.kept {
            let at = outcome.sources.len();
            outcome.sources.push(kept.result);
            outcome.entries.extend(kept.entries.into_iter().map(|item| Assessed { source: at, ..item }));
            outcome.gaps.extend(kept.gaps);
        }
        outcome
    }

    fn keep(&mut self, source: Source, taken: Taken) {
        let home = source.home.and_then(|at| self.ground.homes[at].layout.home.to_str());
        let gaps = gaps_of(&taken.inventory, &source);
        let mut texts = taken.texts.into_iter();
        let entries = taken.inventory.entries.into_iter().map(|entry| Assessed {
            text: texts.next().unwrap_or_default(),
            ..assess(entry, 0, home, self.redactor)
        });
        let entries = entries.collect();
        let result = SourceResult {
            source,
            state: taken.inventory.state.as_str(),
            bytes: Some(taken.bytes),
            digest: Some(taken.digest),
            findings: taken.inventory.findings,
            environment: taken.inventory.environment,
        };
        self.put(Kept { result, entries, gaps });
    }

    /// Files of unknown origin count only if they declare something launchable; otherwise they are nobody's business.
    fn read_candidates(&mut self, candidates: &[Candidate], discovery: &mut Discovery<'_>) {
        for (path, home) in candidates {
            if discovery.is_taken(path) || self.bounds.without.contains(path) {
                continue;
            }
            let reading = Reading { adapter: &unknown::UnknownClient, location: unknown::location_for(path) };
            let source = Source::new(path.clone(), Some(*home), reading);
            let owner = self.owner(*home);
            let tell = |bytes| (self.bounds.reading)(path, bytes);
            let machine = &self.ground.machine;
            let snapshot = match machine.read_telling(path, Some(&owner), unknown::MAX_BYTES, &tell) {
                Ok(snapshot) => snapshot,
                Err(ReadError::TooLarge { .. }) => {
                    let reason = "too large for a file of an unknown client; not looked into";
                    self.outcome.gaps.push(Gap::beyond("too-large", reason, Some(path)).of_home(Some(*home)));
                    continue;
                }
                Err(_) => continue,
            };
            self.outcome.files_read += 1;
            // that is nearly all of them: chats and other data that some tool keeps by the thousand
            if !unknown::may_declare_servers(&snapshot.bytes) || self.is_too_much(path, Some(*home)) {
                continue;
            }
            self.note_parsed(path, Some(*home), snapshot.bytes.len());
            let mut taken = inventory::take(&source, &snapshot.bytes);
            self.note_parsed(path, Some(*home), taken.entries.len() * BYTES_OF_ENTRY);
            taken.entries.retain(|entry| entry.inert.is_none());
            if !taken.entries.is_empty() {
                let digest = self.redactor.digest(&snapshot.bytes);
                let bytes = snapshot.bytes.len() as u64;
                // of a file that no known client reads nothing is ever put back
                let texts = Vec::new();
                self.keep(source, Taken { bytes, digest, leads: Vec::new(), inventory: taken, texts });
            }
        }
    }
}

/// What of a file was not looked into.
fn gaps_of(inventory: &FileInventory, source: &Source) -> Vec<Gap> {
    let path = &source.path;
    let mut gaps = Vec::new();
    if inventory.state == inventory::State::NotEvaluable {
        gaps.push(Gap::beyond("not-evaluable", "a program: its servers are not known", Some(path)));
    }
    if inventory.state == inventory::State::Unparseable {
        gaps.push(Gap::at("unparseable", "the file cannot be parsed: its servers are not known", path));
    }
    gaps.extend(inventory.entries.iter().flat_map(|entry| elsewhere::of_entry(entry, path)));
    if inventory.findings.iter().any(|f| f.finding.code == FindingCode::DeepNesting) {
        gaps.push(Gap::at("deep-nesting", "a value nested too deep was not looked into", path));
    }
    gaps.into_iter().map(|gap| gap.of_home(source.home)).collect()
}

/// Most entries of one file whose texts are asked for one by one.
const MAX_SINGLE_TEXTS: usize = 100;

/// A file that was read.
struct Taken {
    bytes: u64,
    digest: String,
    leads: Vec<(usize, mcpolicy_clients::adapter::Lead)>,
    inventory: FileInventory,
    /// One for each entry; none where texts are not kept.
    texts: Vec<Vec<Piece>>,
}

/// The text of each entry, from the very bytes that it was taken from; empty for one that is longer than `most`. None
/// at all where the file cannot be edited.
fn texts_of(source: &Source, bytes: &[u8], entries: &[Entry], most: usize) -> Vec<Vec<Piece>> {
    if most == 0 || entries.is_empty() {
        return Vec::new();
    }
    let place = |entry: &Entry| Place { key_path: entry.key_path.clone(), span: entry.span.clone() };
    let places: Vec<Place> = entries.iter().map(place).collect();
    let format = inventory::format_of(source);
    let path = source.path.to_string_lossy();
    let texts = edit::texts(format, &path, bytes, &places).unwrap_or_else(|_| {
        // one that has none must not cost the others theirs; in a file of very many it may
        let few = places.get(..places.len().min(MAX_SINGLE_TEXTS)).unwrap_or_default().iter();
        few.map(|place| {
            edit::texts(format, &path, bytes, std::slice::from_ref(place)).unwrap_or_default().concat()
        })
        .collect()
    });
    let fits = |pieces: &[Piece]| pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>() <= most;
    texts.into_iter().map(|pieces| if fits(&pieces) { pieces } else { Vec::new() }).collect()
}

fn at_start(finding: Finding) -> FileFinding {
    FileFinding { finding, position: mcpolicy_schema::entry::Position { line: 1, column: 1 } }
}

/// The counts of entries by source.
pub fn entries_by_source(entries: &[Assessed]) -> BTreeMap<usize, u64> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        *counts.entry(entry.source).or_insert(0) += 1;
    }
    counts
}

/// The reading of one client for a file of a home: the location that leads there, else as for a file given by hand. What
/// is the user's own must not be taken for a project's that ends in the same names (`~/.codex/config.toml`).
pub fn reading_in(layout: &Layout, client: &str, path: &Path) -> Option<Reading> {
    let own = mcpolicy_clients::adapters::by_id(client).and_then(|adapter| {
        let about = adapter.about();
        let leads_there = |location: &&Location| {
            template::expand(about, location.path, layout).iter().any(|pattern| pattern.fits(path))
        };
        Some(Reading { adapter, location: about.locations.iter().find(leads_there)? })
    });
    // under whatever name: a file that a plugin names for its servers
    let named = || {
        let adapter = mcpolicy_clients::adapters::by_id(client).filter(|_| !has_location(client, path))?;
        let location = adapter.about().locations.iter().find(|l| l.path == NAMED)?;
        Some(Reading { adapter, location })
    };
    own.or_else(named).or_else(|| reading_for(client, path))
}

/// The reading of one client for a file given by hand: the location whose template ends like the path, else the
/// client's first that holds servers.
pub fn reading_for(client: &str, path: &Path) -> Option<Reading> {
    if client == mcpolicy_schema::entry::UNKNOWN_CLIENT {
        return Some(Reading { adapter: &unknown::UnknownClient, location: unknown::location_for(path) });
    }
    let adapter = mcpolicy_clients::adapters::by_id(client)?;
    let locations = adapter.about().locations;
    // The first of equally good ones: adapters list the usual place before plugins.
    let fitting = locations.iter().rev().filter_map(|l| Some((fit(l.path, path)?, l)));
    let best = fitting.max_by_key(|(length, _)| *length).map(|(_, l)| l);
    let with_servers = || locations.iter().find(|l| !l.keys.is_empty() && same_format(l.format, path));
    let location = best.or_else(with_servers).or_else(|| locations.iter().find(|l| !l.keys.is_empty()))?;
    Some(Reading { adapter, location })
}

/// Whether a client has a location that ends like a path.
pub fn has_location(client: &str, path: &Path) -> bool {
    let adapter = mcpolicy_clients::adapters::by_id(client);
    adapter.is_none_or(|a| a.about().locations.iter().any(|l| fit(l.path, path).is_some()))
}

/// How many trailing components of a template fit a path; `None` if not even the file's name does.
fn fit(template: &str, path: &Path) -> Option<usize> {
    let wanted = template
        .split('/')
        .filter(|c| !c.starts_with(['<', '$', '%', '~']) && !matches!(*c, "" | ANY_FOLDERS));
    let wanted: Vec<&str> = wanted.collect();
    let given: Vec<_> = path.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    let matching = wanted.iter().rev().zip(given.iter().rev());
    let fits = matching.take_while(|(w, g)| mcpolicy_clients::template::component_matches(w, g)).count();
    (fits > 0 && (fits == wanted.len() || fits == given.len())).then_some(fits)
}

fn same_format(format: codec::Format, path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    match format {
        codec::Format::Json(_) => matches!(extension, "json" | "jsonc" | "json5"),
        codec::Format::Toml => extension == "toml",
        codec::Format::Yaml => matches!(extension, "yaml" | "yml"),
        codec::Format::YamlOrJson => matches!(extension, "yaml" | "yml" | "json"),
        codec::Format::FrontMatter => extension == "md",
        codec::Format::Xml => extension == "xml",
        codec::Format::Shell => false,
    }
}
