//! Answers: a user's claim about the own home, held against what can be.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use mcpolicy_platform::machine::Program;
use mcpolicy_platform::secure_fs::Stamp;
use mcpolicy_schema::entry::Position;
use mcpolicy_schema::finding::{Finding, FindingCode, Severity};
use mcpolicy_schema::redact::Redactor;
use serde::{Deserialize, Serialize};

use super::aside::{WireAround, WireKeptFile};
use super::entry::{WireEntry, WireVariable, variable, wire_variable};
use super::{Blob, WirePath, WirePiece, WireSource, bytes_of, no_json, pieces};
use crate::assess::{Assessed, assess};
use crate::discover::variables::{Names, Values};
use crate::enforce::requests::{MAX_REQUESTS, is_id};
use crate::gap::{self, Gap};
use crate::inventory::{FileFinding, State};
use crate::pipeline::SourceResult;
use crate::worker::core::MAX_BYTES;
use crate::worker::{Answer, Draft, Failure, FileRights, Held, Opened, Scanned, Seen, Standing};

/// Most files of a home.
const MAX_SOURCES: usize = 100_000;
/// Most directories in which files of a home are looked for; the daemon watches far fewer.
const MAX_PLACES: usize = 200_000;
/// Most entries of an answer: root holds all of them at once, and no honest home has so many.
const MAX_ENTRIES: usize = 50_000;
/// Most findings or gaps of an answer.
const MAX_TOLD: usize = 200_000;
/// Longest text that is for people, in bytes; more is cut.
const MAX_TEXT: usize = 1000;
/// A file whose reading failed.
const UNREADABLE: &str = "unreadable";

/// By what the claims of one home's worker are judged.
pub struct Claims<'a> {
    /// Index of the home.
    pub home: usize,
    /// All homes of the ground, by index.
    pub homes: &'a [PathBuf],
    /// For whatever is text.
    pub redactor: &'a Redactor,
}

/// An answer with its time: a scan tells now and then that it goes on.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireAnswer {
    Ready {
        landlock: Option<u32>,
        complete: bool,
        seccomp: bool,
    },
    GoingOn(u64),
    Reading(WirePath),
    Scanned(Box<WireScanned>),
    Opened {
        path: WirePath,
        bytes: Blob,
        held: WireHeld,
        existed: bool,
        names: u64,
        rights: Option<FileRights>,
        stamp: Option<WireStamp>,
    },
    Absent,
    Drafted {
        bytes: Blob,
        removed: Vec<Vec<WirePiece>>,
        held: WireHeld,
    },
    Done,
    Committed {
        leftover: bool,
        group_kept: bool,
    },
    Changed,
    Conflict(String),
    Digest {
        sha256: String,
        length: u64,
    },
    Found(WireStanding),
    Seen {
        what: WireSeen,
        user_writable: bool,
    },
    Around(Box<WireAround>),
    Kept(Vec<WireKeptFile>),
    Settled,
    Refused(String),
}

/// Device, number, length, and the times of the last write and change.
#[derive(Serialize, Deserialize)]
struct WireStamp(u64, u64, u64, (i64, u32), (i64, u32));

impl WireStamp {
    fn of(stamp: Stamp) -> Self {
        let Stamp { device, inode, length, modified, changed } = stamp;
        Self(device, inode, length, modified, changed)
    }

    fn stamp(self) -> Stamp {
        let Self(device, inode, length, modified, changed) = self;
        Stamp { device, inode, length, modified, changed }
    }
}

#[derive(Serialize, Deserialize)]
struct WireScanned {
    sources: Vec<WireSourceResult>,
    entries: Vec<(usize, WireEntry, Vec<WirePiece>)>,
    gaps: Vec<WireGap>,
    findings: Vec<(WirePath, WireFinding)>,
    moved: BTreeMap<String, Vec<WirePath>>,
    places: Vec<WirePath>,
    purges: Vec<String>,
    directories: u64,
    files_read: u64,
}

#[derive(Serialize, Deserialize)]
struct WireSourceResult {
    source: WireSource,
    state: String,
    bytes: Option<u64>,
    findings: Vec<WireFinding>,
    environment: Vec<WireVariable>,
}

#[derive(Serialize, Deserialize)]
struct WireHeld {
    state: String,
    entries: Vec<WireEntry>,
    findings: Vec<WireFinding>,
    rest: usize,
}

#[derive(Serialize, Deserialize)]
struct WireFinding {
    code: String,
    severity: Severity,
    message: String,
    position: (u32, u32),
}

#[derive(Serialize, Deserialize)]
struct WireGap {
    kind: String,
    reason: String,
    path: Option<WirePath>,
    count: u64,
    partial: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireStanding {
    After,
    Before,
    Other,
    Kept,
    Gone,
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireSeen {
    Program { real_path: WirePath, executable: bool },
    Nothing,
    Unknown,
}

/// What a frame of a worker says.
pub enum Said {
    /// It has become the user and is shut in.
    Ready,
    /// It is still at work.
    GoingOn(u64),
    /// The same: it is about to read this file, or still at it.
    Reading(PathBuf),
    /// It answers.
    Answer(Answer),
}

fn finding_of(found: &FileFinding) -> WireFinding {
    WireFinding {
        code: found.finding.code.as_str().to_owned(),
        severity: found.finding.severity,
        message: found.finding.message.clone(),
        position: (found.position.line, found.position.column),
    }
}

fn held_of(held: &Held) -> WireHeld {
    WireHeld {
        state: held.state.to_owned(),
        entries: held.entries.iter().map(WireEntry::of).collect(),
        findings: held.findings.iter().map(finding_of).collect(),
        rest: held.rest,
    }
}

fn gap_of(gap: &Gap) -> WireGap {
    WireGap {
        kind: gap.kind.to_owned(),
        reason: gap.reason.clone(),
        path: gap.path.as_deref().map(WirePath::of),
        count: gap.count,
        partial: gap.partial,
    }
}

fn scanned_of(scanned: &Scanned) -> WireScanned {
    let source = |result: &SourceResult| WireSourceResult {
        source: WireSource::of(&result.source),
        state: result.state.to_owned(),
        bytes: result.bytes,
        findings: result.findings.iter().map(finding_of).collect(),
        environment: result.environment.iter().map(wire_variable).collect(),
    };
    let entry = |item: &Assessed| {
        let text = item.text.iter().map(WirePiece::of).collect();
        (item.source, WireEntry::of(&item.entry), text)
    };
    WireScanned {
        sources: scanned.sources.iter().map(source).collect(),
        entries: scanned.entries.iter().map(entry).collect(),
        gaps: scanned.gaps.iter().map(gap_of).collect(),
        findings: scanned.findings.iter().map(|(path, f)| (WirePath::of(path), finding_of(f))).collect(),
        moved: scanned
            .moved
            .iter()
            .map(|(name, places)| (name.clone(), places.iter().map(|p| WirePath::of(p)).collect()))
            .collect(),
        places: scanned.places.iter().map(|place| WirePath::of(place)).collect(),
        purges: scanned.purges.clone(),
        directories: scanned.directories,
        files_read: scanned.files_read,
    }
}

/// Bytes that an entry takes in an answer.
pub fn weight(item: &Assessed) -> usize {
    let text: Vec<WirePiece> = item.text.iter().map(WirePiece::of).collect();
    bytes_of(&(item.source, WireEntry::of(&item.entry), text)).len() + 1
}

/// The frame that tells that the worker is the user's and shut in.
pub fn encode_ready(confinement: &mcpolicy_platform::privileges::Confinement) -> Vec<u8> {
    bytes_of(&WireAnswer::Ready {
        landlock: confinement.landlock,
        complete: confinement.landlock_complete,
        seccomp: confinement.seccomp,
    })
}

/// The frame that tells that a scan goes on.
pub fn encode_going_on(directories: u64) -> Vec<u8> {
    bytes_of(&WireAnswer::GoingOn(directories))
}

/// The frame that tells which file a scan is at.
pub fn encode_reading(path: &Path) -> Vec<u8> {
    bytes_of(&WireAnswer::Reading(WirePath::of(path)))
}

/// An answer as a frame.
pub fn encode_answer(answer: &Answer) -> Vec<u8> {
    bytes_of(&match answer {
        Answer::Scanned(scanned) => WireAnswer::Scanned(Box::new(scanned_of(scanned))),
        Answer::Opened(opened) => WireAnswer::Opened {
            path: WirePath::of(&opened.path),
            bytes: Blob::of(&opened.bytes),
            held: held_of(&opened.held),
            existed: opened.existed,
            names: opened.names,
            rights: opened.rights,
            stamp: opened.stamp.map(WireStamp::of),
        },
        Answer::Absent => WireAnswer::Absent,
        Answer::Drafted(draft) => WireAnswer::Drafted {
            bytes: Blob::of(&draft.bytes),
            removed: draft.removed.iter().map(|all| all.iter().map(WirePiece::of).collect()).collect(),
            held: held_of(&draft.held),
        },
        Answer::Done => WireAnswer::Done,
        Answer::Committed { leftover, group_kept } => {
            WireAnswer::Committed { leftover: *leftover, group_kept: *group_kept }
        }
        Answer::Changed => WireAnswer::Changed,
        Answer::Conflict(why) => WireAnswer::Conflict(why.clone()),
        Answer::Digest { sha256, length } => WireAnswer::Digest { sha256: sha256.clone(), length: *length },
        Answer::Found(standing) => WireAnswer::Found(match standing {
            Standing::After => WireStanding::After,
            Standing::Before => WireStanding::Before,
            Standing::Other => WireStanding::Other,
            Standing::Kept => WireStanding::Kept,
            Standing::Gone => WireStanding::Gone,
            Standing::Unknown => WireStanding::Unknown,
        }),
        Answer::Seen { what, user_writable } => WireAnswer::Seen {
            what: match what {
                Seen::Program(program) => WireSeen::Program {
                    real_path: WirePath::of(&program.real_path),
                    executable: program.executable,
                },
                Seen::Nothing => WireSeen::Nothing,
                Seen::Unknown => WireSeen::Unknown,
            },
            user_writable: *user_writable,
        },
        Answer::Around(around) => WireAnswer::Around(Box::new(WireAround::of(around))),
        Answer::Kept(files) => WireAnswer::Kept(files.iter().map(WireKeptFile::of).collect()),
        Answer::Settled => WireAnswer::Settled,
        Answer::Refused(why) => WireAnswer::Refused(why.clone()),
    })
}

/// What a frame of a worker says, if it can be.
///
/// # Errors
/// Anything in it cannot be.
pub fn decode_answer(bytes: &[u8], claims: &Claims<'_>) -> Result<Said, Failure> {
    let wired: WireAnswer = serde_json::from_slice(bytes).map_err(no_json)?;
    Ok(Said::Answer(match wired {
        WireAnswer::Ready { .. } => return Ok(Said::Ready),
        WireAnswer::GoingOn(directories) => return Ok(Said::GoingOn(directories)),
        WireAnswer::Reading(path) => return Ok(Said::Reading(path.path()?)),
        WireAnswer::Scanned(scanned) => Answer::Scanned(Box::new(claims.scanned(*scanned)?)),
        WireAnswer::Opened { path, bytes, held, existed, names, rights, stamp } => {
            let (path, bytes) = (path.path()?, file_bytes(bytes)?);
            if path.components().any(|part| !matches!(part, Component::Normal(_))) {
                return Err(Failure::Nonsense("a path that leads out of its home"));
            }
            // attack: a file that comes back with the rights of its owner for whoever runs it
            if rights.is_some_and(|rights| rights.mode & !0o777 != 0) {
                return Err(Failure::Nonsense("rights that no file of a client has"));
            }
            let (held, stamp) = (claims.held(held)?, stamp.map(WireStamp::stamp));
            Answer::Opened(Box::new(Opened { path, bytes, held, existed, names, rights, stamp }))
        }
        WireAnswer::Absent => Answer::Absent,
        WireAnswer::Drafted { bytes, removed, held } => {
            let removed = removed.into_iter().map(pieces).collect::<Result<_, _>>()?;
            let draft = Draft { bytes: file_bytes(bytes)?, removed, held: claims.held(held)? };
            Answer::Drafted(Box::new(draft))
        }
        WireAnswer::Done => Answer::Done,
        WireAnswer::Committed { leftover, group_kept } => Answer::Committed { leftover, group_kept },
        WireAnswer::Changed => Answer::Changed,
        WireAnswer::Conflict(why) => Answer::Conflict(claims.text(&why)),
        WireAnswer::Digest { sha256, length } => {
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            if sha256.len() != 64 || !sha256.bytes().all(is_hex) {
                return Err(Failure::Nonsense("a digest that is none"));
            }
            Answer::Digest { sha256, length }
        }
        WireAnswer::Found(standing) => Answer::Found(match standing {
            WireStanding::After => Standing::After,
            WireStanding::Before => Standing::Before,
            WireStanding::Other => Standing::Other,
            WireStanding::Kept => Standing::Kept,
            WireStanding::Gone => Standing::Gone,
            WireStanding::Unknown => Standing::Unknown,
        }),
        WireAnswer::Seen { what, user_writable } => Answer::Seen { what: seen(what)?, user_writable },
        WireAnswer::Around(around) => Answer::Around(Box::new(claims.around(*around)?)),
        WireAnswer::Kept(files) => Answer::Kept(claims.kept(files)?),
        WireAnswer::Settled => Answer::Settled,
        WireAnswer::Refused(why) => Answer::Refused(claims.text(&why)),
    }))
}

fn file_bytes(blob: Blob) -> Result<Vec<u8>, Failure> {
    let bytes = blob.bytes()?;
    // what is put back may be a little longer than what was taken
    if bytes.len() as u64 > 2 * MAX_BYTES { Err(Failure::Flood) } else { Ok(bytes) }
}

fn seen(what: WireSeen) -> Result<Seen, Failure> {
    Ok(match what {
        WireSeen::Program { real_path, executable } => {
            Seen::Program(Program { real_path: absolute(real_path)?, executable })
        }
        WireSeen::Nothing => Seen::Nothing,
        WireSeen::Unknown => Seen::Unknown,
    })
}

/// A path of the machine, without steps up.
pub(super) fn absolute(path: WirePath) -> Result<PathBuf, Failure> {
    let path = path.path()?;
    let steps_up = path.components().any(|part| matches!(part, Component::ParentDir));
    if !path.has_root() || steps_up {
        return Err(Failure::Nonsense("a path that is not one of the machine"));
    }
    Ok(path)
}

fn state(word: &str) -> Result<&'static str, Failure> {
    let states = [State::Read, State::Refused, State::Unparseable, State::NotEvaluable];
    let mut words = states.iter().map(|state| state.as_str()).chain([UNREADABLE]);
    words.find(|known| *known == word).ok_or(Failure::Nonsense("a state of a file that is not known"))
}

/// Values that go to the next worker of the same home and to nobody else, of variables that clients have.
fn moved(wired: BTreeMap<String, Vec<WirePath>>) -> Result<Values, Failure> {
    let names = Names::of_clients().moving;
    let mut values = Values::new();
    for (name, places) in wired {
        at_most(&places, MAX_TOLD)?;
        if !names.contains(name.as_str()) {
            return Err(Failure::Nonsense("a variable that no client has"));
        }
        values.insert(name, places.into_iter().map(absolute).collect::<Result<_, _>>()?);
    }
    Ok(values)
}

fn at_most<T>(list: &[T], most: usize) -> Result<(), Failure> {
    if list.len() > most { Err(Failure::Flood) } else { Ok(()) }
}

impl Claims<'_> {
    /// Text for people: redacted, and no longer than any of ours.
    fn text(&self, text: &str) -> String {
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.redactor.text(&text[..end])
    }

    /// Whose home a path lies in: the innermost, where one lies around another.
    fn home_of(&self, path: &Path) -> Option<usize> {
        let around = self.homes.iter().enumerate().filter(|(_, home)| path.starts_with(home));
        around.max_by_key(|(_, home)| home.as_os_str().len()).map(|(at, _)| at)
    }

    fn scanned(&self, wired: WireScanned) -> Result<Scanned, Failure> {
        at_most(&wired.sources, MAX_SOURCES)?;
        at_most(&wired.entries, MAX_ENTRIES)?;
        at_most(&wired.gaps, MAX_TOLD)?;
        at_most(&wired.findings, MAX_TOLD)?;
        at_most(&wired.purges, MAX_REQUESTS)?;
        at_most(&wired.places, MAX_PLACES)?;
        let moved = moved(wired.moved)?;
        if !wired.purges.iter().all(|id| is_id(id)) {
            return Err(Failure::Nonsense("an id that is none"));
        }
        let sources =
            wired.sources.into_iter().map(|source| self.source(source)).collect::<Result<Vec<_>, _>>()?;
        let home = self.homes.get(self.home).and_then(|home| home.to_str());
        let mut entries: Vec<Assessed> = Vec::with_capacity(wired.entries.len());
        for (source, entry, text) in wired.entries {
            if source >= sources.len() {
                return Err(Failure::Nonsense("an entry of a file that was not named"));
            }
            let text = pieces(text)?;
            entries.push(Assessed { text, ..assess(entry.entry()?, source, home, self.redactor) });
        }
        let finding = |(path, found): (WirePath, WireFinding)| Ok((absolute(path)?, self.finding(&found)?));
        Ok(Scanned {
            sources,
            entries,
            gaps: wired.gaps.into_iter().map(|gap| self.gap(gap)).collect::<Result<_, _>>()?,
            findings: wired.findings.into_iter().map(finding).collect::<Result<_, Failure>>()?,
            moved,
            // where a text of a user leads that is no path: nothing of it is watched
            places: wired.places.into_iter().filter_map(|place| absolute(place).ok()).collect(),
            purges: wired.purges,
            directories: wired.directories,
            files_read: wired.files_read,
        })
    }

    fn source(&self, wired: WireSourceResult) -> Result<SourceResult, Failure> {
        let source = wired.source.source(Some(self.home))?;
        absolute(WirePath::of(&source.path))?;
        if self.home_of(&source.path).is_some_and(|at| at != self.home) {
            return Err(Failure::Nonsense("a file of another user's home"));
        }
        if source.readings.iter().any(|r| r.location.scope == mcpolicy_schema::entry::Scope::Managed) {
            return Err(Failure::Nonsense("a file of administrators in a home"));
        }
        at_most(&wired.findings, MAX_TOLD)?;
        at_most(&wired.environment, MAX_TOLD)?;
        Ok(SourceResult {
            source,
            state: state(&wired.state)?,
            bytes: wired.bytes,
            digest: None,
            findings: wired.findings.iter().map(|f| self.finding(f)).collect::<Result<_, _>>()?,
            environment: wired.environment.into_iter().map(variable).collect::<Result<_, _>>()?,
        })
    }

    fn held(&self, wired: WireHeld) -> Result<Held, Failure> {
        at_most(&wired.entries, MAX_ENTRIES)?;
        at_most(&wired.findings, MAX_TOLD)?;
        if wired.rest as u64 > MAX_BYTES {
            return Err(Failure::Nonsense("more entries than a file has bytes"));
        }
        Ok(Held {
            state: state(&wired.state)?,
            entries: wired.entries.into_iter().map(WireEntry::entry).collect::<Result<_, _>>()?,
            findings: wired.findings.iter().map(|f| self.finding(f)).collect::<Result<_, _>>()?,
            rest: wired.rest,
        })
    }

    fn finding(&self, wired: &WireFinding) -> Result<FileFinding, Failure> {
        let code = FindingCode::ALL.iter().copied().find(|code| code.as_str() == wired.code);
        let code = code.ok_or(Failure::Nonsense("a finding that is not known"))?;
        let finding = Finding::new(code, self.text(&wired.message)).weighing(wired.severity);
        let (line, column) = wired.position;
        Ok(FileFinding { finding, position: Position { line, column } })
    }

    fn gap(&self, wired: WireGap) -> Result<Gap, Failure> {
        let kind = gap::kind_named(&wired.kind).ok_or(Failure::Nonsense("a gap that is not known"))?;
        Ok(Gap {
            kind,
            reason: self.text(&wired.reason),
            path: wired.path.map(WirePath::path).transpose()?,
            count: wired.count,
            home: Some(self.home),
            partial: wired.partial,
        })
    }
}
