//! Writes a fleet of generated machines as a folder that `mcpolicy fleet` and tests/siem read: `make_fleet MACHINES FOLDER`. With
//! `scans` behind, each machine gives one report of a scan instead of its records.
//!
//! `records/` has the records, `offboarded.csv`, `tickets.csv` and `expiries.csv` what a security team supplies, and `key.json`
//! the answers that the gates must give at the time that it says. `fleet.sqlite` is the database that is made of the records.
//!
//! `make_fleet measure FOLDER` reads such a folder and says what that took (docs/scale.md).

#[path = "../tests/maker/mod.rs"]
mod maker;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use maker::fleet::{self, NOW, Plan};
use mcpolicy_fleet::{Options, load};

/// Machines whose records stand in one file.
const PER_FILE: usize = 2_000;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["measure", folder] => measure(Path::new(folder)),
        [machines, folder] => write(number(machines)?, Path::new(folder)),
        [machines, folder, "scans"] => write_scans(number(machines)?, Path::new(folder)),
        _ => Err(io::Error::other("make_fleet MACHINES FOLDER [scans], or make_fleet measure FOLDER")),
    }
}

fn number(text: &str) -> io::Result<usize> {
    text.parse().map_err(|_| io::Error::other("MACHINES is a number"))
}

#[expect(clippy::disallowed_methods, reason = "what the kernel says of this process")]
fn measure(folder: &Path) -> io::Result<()> {
    let began = Instant::now();
    let inputs = [folder.join("records")];
    let mut bytes = 0;
    let options = Options { now: Some(NOW), ..Options::default() };
    let fleet = load(&inputs, &mut io::empty(), &options, &mut |progress| bytes = progress.of_bytes);
    let fleet = fleet.map_err(io::Error::other)?;
    let loaded = began.elapsed();
    let gates = fleet.gates(NOW).map_err(io::Error::other)?;
    let asked = began.elapsed();
    fleet.write_page(&gates, NOW, &mut io::sink()).map_err(io::Error::other)?;
    fleet.write_tables(&gates, &mut |_| Ok(io::sink())).map_err(io::Error::other)?;
    let written = began.elapsed();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown");
    let counts = fleet.counts;
    let [loaded, asked, written] =
        [loaded, asked, written].map(|time| format!("{:.1} s", time.as_secs_f64()));
    writeln!(
        io::stdout(),
        "{} documents of {} files, {} MB: loaded after {loaded}, gates after {asked}, page and CSV after {written}; {memory}",
        counts.documents,
        counts.files,
        bytes / 1_000_000,
    )
}

fn write_scans(machines: usize, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder.join("records"))?;
    for from in (0..machines).step_by(PER_FILE) {
        let mut reports = BufWriter::new(File::create(folder.join(format!("records/{from:07}.ndjson")))?);
        for number in from..machines.min(from + PER_FILE) {
            serde_json::to_writer(&mut reports, &Plan::of(number).report())?;
            writeln!(reports)?;
        }
        reports.flush()?;
    }
    Ok(())
}

fn write(machines: usize, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder.join("records"))?;
    let file =
        |name: &str| Ok::<_, io::Error>(BufWriter::new(File::create(PathBuf::from(folder).join(name))?));
    for from in (0..machines).step_by(PER_FILE) {
        let mut records = file(&format!("records/{from:07}.ndjson"))?;
        for number in from..machines.min(from + PER_FILE) {
            for line in Plan::of(number).machine().lines {
                writeln!(records, "{line}")?;
            }
        }
        records.flush()?;
    }
    let mut out = file("offboarded.csv")?;
    writeln!(out, "owner,since")?;
    for (owner, since) in fleet::offboarded(machines) {
        writeln!(out, "{owner},{since}")?;
    }
    let mut out = file("tickets.csv")?;
    writeln!(out, "ticket,subject,opened,closed")?;
    for (ticket, subject, opened, closed) in fleet::tickets() {
        writeln!(out, "{ticket},{subject},{opened},{closed}")?;
    }
    let mut out = file("expiries.csv")?;
    writeln!(out, "what,subject,expires")?;
    for (what, subject, expires) in fleet::expiries() {
        writeln!(out, "{what},{subject},{expires}")?;
    }
    // the key of a fleet that is made only to be measured would be the largest file of all
    if machines <= 20_000 {
        let key = serde_json::json!({ "now": NOW, "machines": machines, "gates": fleet::key(machines) });
        serde_json::to_writer(file("key.json")?, &key)?;
        let options =
            Options { database: Some(folder.join("fleet.sqlite")), now: Some(NOW), ..Options::default() };
        load(&[folder.join("records")], &mut io::empty(), &options, &mut |_| {}).map_err(io::Error::other)?;
    }
    Ok(())
}
