//! `mcpolicy fleet`: a fleet from its stored reports, for a team without a warehouse.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mcpolicy_fleet::{Blast, Checked, Fleet, Gate, GateState, SuppliedKind, Wanted};
use serde::Serialize;

use super::{agent, complain, exit, written};
use crate::output::text::visible;

/// What was passed over is told one by one up to here; all of it is counted.
const SHOWN_PROBLEMS: usize = 20;
/// Rows of an answer on a terminal; the files have all.
const SHOWN_ROWS: usize = 40;

/// Options of `mcpolicy fleet`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    inputs: Inputs,
    /// Write the page (fleet.html) and the CSV files into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Keep the database, for questions of your own in SQL; docs/siem says what is in it
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Accounts that are gone: a CSV file with the columns owner, since
    #[arg(long, value_name = "FILE")]
    offboarded: Option<PathBuf>,
    /// Change tickets: a CSV file with the columns ticket, subject, opened, closed
    #[arg(long, value_name = "FILE")]
    tickets: Option<PathBuf>,
    /// What expires: a CSV file with the columns what, subject, expires
    #[arg(long, value_name = "FILE")]
    expiries: Option<PathBuf>,
    /// The moment for which the gates are asked (RFC 3339), for reports of another day
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

#[derive(Debug, Args)]
struct Inputs {
    /// Reports and records: files, folders of them (*.json, *.jsonl, *.ndjson, also .gz), `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell which machines and users declared or ran a server, from when to when, and beside which credentials
    Blast(BlastOptions),
    /// Prove that no record is missing, or tell which are
    Check(CheckOptions),
}

#[derive(Debug, Args)]
struct CheckOptions {
    #[command(flatten)]
    inputs: Inputs,
    /// Records before this day or time were not kept: their numbers are not missing, and nothing is proved of them
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

#[derive(Debug, Args)]
struct BlastOptions {
    /// Its identity (`npm:@scope/name`, also with `@VERSION`), its fingerprint, or the SHA-256 of its executable
    #[arg(value_name = "IDENTITY")]
    identity: String,
    #[command(flatten)]
    inputs: Inputs,
    /// Not before this day or time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Not after this time, or the end of this day
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Write declarations.csv, credentials.csv (what to change) and timeline.csv into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command. The exit code.
///
/// # Errors
/// Wrong usage, or the answer cannot be given or written.
pub(super) fn run(options: &Options) -> anyhow::Result<u8> {
    match &options.command {
        Some(Command::Blast(options)) => blast(options),
        Some(Command::Check(options)) => check(options),
        None => overview(options),
    }
}

fn overview(options: &Options) -> anyhow::Result<u8> {
    let now = options.now.as_deref().map_or_else(|| Ok(agent::now().as_second()), moment)?;
    let database = options.database.clone();
    let fleet =
        load(&options.inputs, &mcpolicy_fleet::Options { database, now: Some(now), ..Default::default() })?;
    for (kind, path) in [
        (SuppliedKind::Offboarded, &options.offboarded),
        (SuppliedKind::ChangeTickets, &options.tickets),
        (SuppliedKind::Expiries, &options.expiries),
    ] {
        if let Some(path) = path {
            supply(&fleet, kind, path)?;
        }
    }
    let gates = fleet.gates(now)?;
    if let Some(folder) = &options.out {
        let mut page = create(folder, "fleet.html")?;
        fleet.write_page(&gates, now, &mut page)?;
        page.flush().context("cannot write fleet.html")?;
        fleet.write_tables(&gates, &mut |name| create(folder, name).map_err(io::Error::other))?;
    }
    if options.inputs.json {
        #[derive(Serialize)]
        struct Answer<'a> {
            read: mcpolicy_fleet::Counts,
            problems: &'a [mcpolicy_fleet::Problem],
            gates: &'a [Gate],
        }
        json(&Answer { read: fleet.counts, problems: &fleet.problems, gates: &gates })?;
    } else {
        answer(|out| tell_gates(&fleet, &gates, options.out.as_deref(), out))?;
    }
    // attack: a receiver that spoils the lines of one machine must not make all gates good
    Ok(verdict(&fleet, gates.iter().any(|gate| gate.state == GateState::Page)))
}

fn tell_gates(
    fleet: &Fleet,
    gates: &[Gate],
    out_folder: Option<&Path>,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{} reports and records were read.", fleet.counts.documents)?;
    for gate in gates {
        let about = &gate.definition;
        writeln!(out, "{:<9} {:<24} {}", gate.state.as_str(), about.id, about.question)?;
        for one in gate.offenders.iter().take(3) {
            writeln!(out, "            {}: {:.1} {}", visible(&one.subject), one.value, about.value)?;
        }
        if gate.offending > 3 {
            writeln!(out, "            and {} more", gate.offending - 3)?;
        }
    }
    match out_folder {
        Some(folder) => writeln!(out, "All of it is in {}.", visible(&folder.display().to_string())),
        None => writeln!(out, "With --out DIR all of it is written, as a page and as CSV."),
    }
}

fn blast(options: &BlastOptions) -> anyhow::Result<u8> {
    let since = options.since.as_deref().map_or(Ok(0), moment)?;
    let until = options.until.as_deref().map_or(Ok(i64::MAX), end)?;
    anyhow::ensure!(since <= until, "--since is after --until");
    // attack: a script with a variable that is not set would be told that nobody had it
    anyhow::ensure!(!options.identity.trim().is_empty(), "name the server: nothing is no identity");
    let fleet = load(&options.inputs, &mcpolicy_fleet::Options::default())?;
    let blast = fleet.blast(Wanted::parse(&options.identity, since, until))?;
    if let Some(folder) = &options.out {
        blast.write_tables(&mut |name| create(folder, name).map_err(io::Error::other))?;
    }
    if options.inputs.json {
        json(&blast)?;
    } else {
        answer(|out| tell_blast(&blast, out))?;
    }
    let is_found = blast.machines + blast.unsure_machines > 0;
    let unknown = [
        (
            blast.nameless_machines,
            "machines tell names as hashes only (privacy outcomes); ask for the fingerprint or digest as well",
        ),
        (
            blast.silent_machines,
            "machines took out, ran or were asked for servers that no inventory had, and do not say the digests of their files \
             or what their bridges lead to; ask for the identity as well",
        ),
    ];
    for (machines, what) in unknown.into_iter().filter(|(machines, _)| *machines > 0) {
        complain(&format!("mcpolicy: {machines} {what}"));
        if !is_found {
            return Ok(exit::USAGE);
        }
    }
    Ok(verdict(&fleet, is_found))
}

fn tell_blast(blast: &Blast, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} machines and {} users had it.", blast.machines, blast.users)?;
    if blast.unsure_machines > 0 {
        writeln!(
            out,
            "{} more had it in a version that nobody knows (none is named, or a range or tag): take them for ones that had it.",
            blast.unsure_machines
        )?;
    }
    if blast.everybodys_machines > 0 {
        writeln!(
            out,
            "On {} machines it was everybody's, so that it ran as every user of them, named here or not.",
            blast.everybodys_machines
        )?;
    }
    if blast.renamed_machines > 0 {
        writeln!(
            out,
            "The privacy tier of {} machines was changed meanwhile: one user of theirs may count as two.",
            blast.renamed_machines
        )?;
    }
    for had in blast.had.iter().take(SHOWN_ROWS) {
        let gone = match (had.gone_by, had.told_by.as_str()) {
            (0, "inventory") => "still there".to_owned(),
            // no inventory had it: what became of it is not known
            (0, other) => format!("told by {other} only"),
            (gone, _) => format!("gone by {}", time(gone)),
        };
        let rule = if had.rule.is_empty() { String::new() } else { format!(" by {}", had.rule) };
        writeln!(
            out,
            "  {} {} in {} as {} {}{}: from {}, {gone}; {}{}{}",
            visible(&had.device),
            visible(&had.owner),
            visible(&had.client),
            visible(&had.server),
            visible(&had.version),
            if had.is_certain { "" } else { "(version not known)" },
            time(had.first_seen),
            if had.ran { "ran, " } else { "" },
            visible(&had.verdict),
            visible(&rule),
        )?;
    }
    if blast.had.len() > SHOWN_ROWS {
        writeln!(out, "  and {} more: --out DIR or --json", blast.had.len() - SHOWN_ROWS)?;
    }
    let untold = blast.credentials.iter().filter(|one| one.kind == "not-told").count();
    if blast.credentials.len() > untold {
        writeln!(
            out,
            "{} credentials stood beside it: --out DIR writes what to change.",
            blast.credentials.len() - untold
        )?;
    }
    if untold > 0 {
        writeln!(
            out,
            "Of {untold} declarations no inventory tells what they were given: look at what was quarantined on their machines."
        )?;
    }
    if blast.is_cut {
        writeln!(
            out,
            "There is more than is told or written here: ask for a shorter time (--since, --until)."
        )?;
    }
    Ok(())
}

fn check(options: &CheckOptions) -> anyhow::Result<u8> {
    let inputs = &options.inputs;
    let since = options.since.as_deref().map(moment).transpose()?;
    let fleet = load(inputs, &mcpolicy_fleet::Options { prove: true, ..Default::default() })?;
    let checked = fleet.check(since)?;
    let begins_late = |chain: &mcpolicy_fleet::Chain| {
        chain.faults.iter().any(|fault| matches!(fault, mcpolicy_fleet::Fault::Missing { first: 1, .. }))
    };
    if checked.chains_with_faults.iter().any(begins_late) {
        complain(
            "mcpolicy: of some chains the beginning is missing; if older records were not kept, say so with --since",
        );
    }
    if inputs.json {
        json(&checked)?;
    } else {
        answer(|out| tell_chains(&checked, out))?;
    }
    if checked.records == 0 {
        complain("mcpolicy: no record among them has a place in a chain, so nothing is proved");
        return Ok(exit::USAGE);
    }
    // what was dropped of violations is not there to be looked at, told or not
    Ok(verdict(&fleet, checked.faulty > 0 || checked.dropped_violations > 0))
}

fn tell_chains(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{} records in {} chains; {} more were dropped, and their machines say so. {} chains have a fault.",
        checked.records, checked.chains, checked.dropped, checked.faulty
    )?;
    if checked.scans > 0 {
        writeln!(out, "{} reports of scans have no chain: nothing is proved of them.", checked.scans)?;
    }
    for chain in checked.chains_with_faults.iter().take(SHOWN_ROWS) {
        let faults = serde_json::to_string(&chain.faults).unwrap_or_default();
        writeln!(out, "  {} {}: {faults}", visible(&chain.device), visible(&chain.class))?;
    }
    for drop in checked.drops.iter().take(SHOWN_ROWS) {
        writeln!(out, "  {} {}: it dropped {}", visible(&drop.device), visible(&drop.class), drop.records)?;
    }
    if checked.drops.len() > SHOWN_ROWS {
        writeln!(out, "  and {} more that dropped some: --json", checked.drops.len() - SHOWN_ROWS)?;
    }
    Ok(())
}

/// The exit code of an answer. That nobody had something is no answer where something was passed over.
fn verdict(fleet: &Fleet, is_found: bool) -> u8 {
    let counts = &fleet.counts;
    if counts.unknown_kinds > 0 {
        complain(&format!(
            "mcpolicy: {} records are of a kind that this version does not know; use a newer one",
            counts.unknown_kinds
        ));
    }
    match (is_found, counts.refused + counts.unknown_kinds) {
        (true, _) => exit::FINDINGS,
        (false, 0) => exit::OK,
        (false, refused) => {
            complain(&format!(
                "mcpolicy: {refused} lines or files were passed over, so that nothing was found proves nothing"
            ));
            exit::USAGE
        }
    }
}

/// Reads everything, with how far it has come on a terminal.
fn load(inputs: &Inputs, options: &mcpolicy_fleet::Options) -> anyhow::Result<Fleet> {
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {msg} records, {eta} left")
    {
        bar.set_style(style);
    }
    let mut told = |progress: mcpolicy_fleet::Progress| {
        bar.set_length(progress.of_bytes.max(progress.bytes));
        bar.set_position(progress.bytes);
        bar.set_message(progress.documents.to_string());
    };
    let fleet = mcpolicy_fleet::load(&inputs.files, &mut io::stdin(), options, &mut told)?;
    bar.finish_and_clear();
    for problem in fleet.problems.iter().take(SHOWN_PROBLEMS) {
        complain(&format!("mcpolicy: {}: {}", visible(&problem.place), visible(&problem.what)));
    }
    let more = fleet.counts.refused.saturating_sub(SHOWN_PROBLEMS as u64);
    if more > 0 {
        complain(&format!("mcpolicy: and {more} more lines or files were passed over"));
    }
    let alike = fleet.known_by_host_name()?;
    if alike > 0 {
        complain(&format!(
            "mcpolicy: {alike} machines with more than one report are known by their host name alone: two laptops of one name \
             are one machine here; scan with --device-id"
        ));
    }
    anyhow::ensure!(fleet.counts.documents > 0, "nothing of it is a report or record of mcpolicy");
    Ok(fleet)
}

fn supply(fleet: &Fleet, kind: SuppliedKind, path: &Path) -> anyhow::Result<()> {
    let bytes = crate::policy_store::published::read_file(path, 256 << 20)?;
    let bytes = bytes.with_context(|| format!("there is no {}", path.display()))?;
    fleet.supply(kind, bytes.as_slice()).map(drop).with_context(|| path.display().to_string())
}

/// A new file of that name, which only its owner reads: it names people. It takes the place of an old one, or of a link.
fn create(folder: &Path, name: &str) -> anyhow::Result<BufWriter<File>> {
    let made = || -> io::Result<File> {
        std::fs::create_dir_all(folder)?;
        Ok(tempfile::NamedTempFile::new_in(folder)?.persist(folder.join(name))?)
    };
    made().map(BufWriter::new).with_context(|| format!("cannot write {}", folder.join(name).display()))
}

fn answer(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    written(write(&mut out).and_then(|()| out.flush()))
}

fn json(value: &impl Serialize) -> anyhow::Result<()> {
    answer(|out| crate::output::json::write_value(value, out))
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

/// As [`moment`]; a day is meant to its last second.
fn end(text: &str) -> anyhow::Result<i64> {
    let is_day = text.parse::<Timestamp>().is_err();
    moment(text).map(|seconds| if is_day { seconds.saturating_add(86_399) } else { seconds })
}

/// A time or a day, in seconds since 1970.
fn moment(text: &str) -> anyhow::Result<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_second());
    }
    let day = text.parse::<Date>().ok().and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    day.map(|day| day.timestamp().as_second()).with_context(|| {
        format!("{} is no day (2026-11-30) and no time (2026-11-30T12:00:00Z)", visible(text))
    })
}
