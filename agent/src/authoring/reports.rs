//! Stored reports as input: files, folders, lines of NDJSON, standard input. What is no report is told with its place,
//! and the rest is read on.
//!
//! A file given by mistake may be a client's configuration, so nothing of a file's text is ever shown.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use mcpolicy_clients::codec::decode;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::report::v1;
use rayon::prelude::*;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Largest file of reports, in bytes: a fleet of 10,000 machines in one file of lines has a tenth of it.
const MAX_BYTES: u64 = 4 << 30;

/// Endings of files that are taken from a folder.
const ENDINGS: &[&str] = &["json", "ndjson", "jsonl"];

/// What the policy commands take from a report; the rest of it is passed over.
#[derive(Debug, Deserialize)]
pub struct Report {
    schema: String,
    /// Which machine.
    pub host: Host,
    /// What was scanned.
    pub scan: Scan,
    /// The policy by which it was judged.
    #[serde(default)]
    pub policy: Option<v1::PolicyInForce>,
    /// The servers.
    pub entries: Vec<v1::Entry>,
    /// What was worth telling.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// What developers ask for.
    #[serde(default)]
    pub requests: Vec<v1::Request>,
}

/// The part of [`v1::Host`] that is used.
#[derive(Debug, Clone, Deserialize)]
pub struct Host {
    /// Host name.
    #[serde(default)]
    pub hostname: Option<String>,
    /// Device id.
    #[serde(default)]
    pub device_id: Option<String>,
    /// `linux`, `macos` or `windows`.
    pub os: String,
}

/// The part of [`v1::Scan`] that is used.
#[derive(Debug, Clone, Deserialize)]
pub struct Scan {
    /// What was scanned.
    pub mode: String,
    /// Start of the scan.
    pub started_at: String,
    /// Users whose homes were read.
    #[serde(default)]
    pub users: Vec<String>,
    /// Their homes.
    #[serde(default)]
    pub homes: Vec<v1::Home>,
}

/// The part of [`v1::Finding`] that is used.
#[derive(Debug, Deserialize)]
pub struct Finding {
    /// Its code.
    pub code: String,
    /// Its weight.
    pub severity: mcpolicy_schema::finding::Severity,
    /// Id of the entry.
    #[serde(default)]
    pub entry: Option<String>,
}

/// An input that is no report, or that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// File, and line where it has several reports.
    pub place: String,
    /// What is wrong and what to do.
    pub what: String,
}

/// What came of all inputs, in the order of their names.
#[derive(Debug)]
pub struct Read<T> {
    /// One for each report.
    pub items: Vec<T>,
    /// What was passed over.
    pub problems: Vec<Problem>,
}

/// Reads every report and works on it, on all processors; `done` hears of each finished file. The result is in the
/// order of the inputs, whatever finished first.
pub fn each<T: Send>(
    inputs: &[PathBuf],
    done: &(dyn Fn(u64, u64) + Sync),
    work: impl Fn(&str, Report) -> T + Sync,
) -> Read<T> {
    let (files, mut problems) = files(inputs);
    let total = files.len() as u64;
    let results: Vec<Vec<Result<T, Problem>>> = files
        .par_iter()
        .map(|file| {
            let results = match bytes(file) {
                Ok(bytes) => reports(&file.display().to_string(), &bytes, &work),
                Err(problem) => vec![Err(problem)],
            };
            done(1, total);
            results
        })
        .collect();
    let mut items = Vec::new();
    for result in results.into_iter().flatten() {
        match result {
            Ok(item) => items.push(item),
            Err(problem) => problems.push(problem),
        }
    }
    Read { items, problems }
}

/// The files meant, folders opened. `-` stays as it is.
fn files(inputs: &[PathBuf]) -> (Vec<PathBuf>, Vec<Problem>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for input in inputs {
        if !input.is_dir() {
            files.push(input.clone());
            continue;
        }
        let mut inside = match listing(input) {
            Ok(inside) => inside,
            Err(error) => {
                let what = format!("the folder cannot be read ({})", error.kind());
                problems.push(problem(&input.display().to_string(), what));
                continue;
            }
        };
        if inside.is_empty() {
            problems.push(problem(
                &input.display().to_string(),
                "the folder has no report (*.json, *.ndjson, *.jsonl)",
            ));
        }
        inside.sort();
        files.append(&mut inside);
    }
    (files, problems)
}

fn listing(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let is_report = |path: &PathBuf| {
        path.extension().and_then(|e| e.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
    };
    Ok(entries.into_iter().map(|entry| entry.path()).filter(is_report).collect())
}

fn bytes(file: &Path) -> Result<Vec<u8>, Problem> {
    let place = file.display().to_string();
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes);
        return match read {
            Ok(_) => Ok(bytes),
            Err(error) => Err(problem("standard input", format!("it cannot be read ({})", error.kind()))),
        };
    }
    let absolute = std::path::absolute(file).map_err(|_| problem(&place, "it is no path"))?;
    let snapshot = Machine::live().read(&absolute, None, MAX_BYTES);
    snapshot.map(|snapshot| snapshot.bytes).map_err(|error| problem(&place, error.to_string()))
}

/// The reports in one file: one JSON document, or one on each line.
fn reports<T: Send>(
    place: &str,
    bytes: &[u8],
    work: &(impl Fn(&str, Report) -> T + Sync),
) -> Vec<Result<T, Problem>> {
    let place = if place == "-" { "standard input" } else { place };
    // PowerShell writes UTF-16 by default.
    let decoded = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0xef, 0xbb, 0xbf, ..] => match decode::decode(bytes) {
            Ok(decoded) => Some(decoded.text.into_owned()),
            Err(error) => return vec![Err(problem(place, error.message))],
        },
        _ => None,
    };
    let bytes = decoded.as_deref().map_or(bytes, str::as_bytes);
    let whole = match one(bytes) {
        Ok(report) => return vec![Ok(work(place, report))],
        Err(what) => problem(place, what),
    };
    let lines: Vec<(usize, &[u8])> =
        bytes.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    let is_lines = lines.len() > 1
        && lines.iter().take(2).any(|(_, line)| serde_json::from_slice::<IgnoredAny>(line).is_ok());
    if !is_lines {
        return vec![Err(whole)];
    }
    lines
        .par_iter()
        .map(|(at, line)| {
            let place = format!("{place} line {}", at + 1);
            one(line).map(|report| work(&place, report)).map_err(|what| problem(&place, what))
        })
        .collect()
}

/// One report, or why it is none. The parser's own words may quote the text and are not shown.
fn one(bytes: &[u8]) -> Result<Report, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut report: Report = serde_json::from_slice(bytes).map_err(|error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => format!(
                "it is no report/v1 of mcpolicy ({at}); make one with `mcpolicy scan --format json --output FILE`"
            ),
            _ => format!("it is not JSON or ends too early ({at}); write it again with `mcpolicy scan --format json`"),
        }
    })?;
    if report.schema != v1::SCHEMA {
        return Err(format!("its schema is not {}; use a version of mcpolicy that knows it", v1::SCHEMA));
    }
    mark_malformed(&mut report);
    Ok(report)
}

/// Older reports say only in a finding that the shape of an entry is wrong.
fn mark_malformed(report: &mut Report) {
    let of_shape = report.findings.iter().filter(|f| f.code == FindingCode::MalformedEntry.as_str());
    let ids: BTreeSet<&str> = of_shape.filter_map(|finding| finding.entry.as_deref()).collect();
    for entry in report.entries.iter_mut().filter(|entry| ids.contains(entry.id.as_str())) {
        entry.malformed.get_or_insert_with(|| "its shape is wrong".to_owned());
    }
}

fn problem(place: &str, what: impl Into<String>) -> Problem {
    Problem { place: place.to_owned(), what: what.into() }
}
