//! Writes a fleet of generated machines as a folder that `mcpolicy fleet` and tests/siem read: `make_fleet MACHINES FOLDER`.
//!
//! `records/` has the records, `offboarded.csv`, `tickets.csv` and `expiries.csv` what a security team supplies, and `key.json`
//! the answers that the gates must give at the time that it says. `fleet.sqlite` is the database that is made of the records.

#[path = "../tests/maker/mod.rs"]
mod maker;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use maker::fleet::{self, NOW, Plan};
use mcpolicy_fleet::{Options, load};

/// Machines whose records stand in one file.
const PER_FILE: usize = 2_000;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [machines, folder] = arguments.as_slice() else {
        return Err(io::Error::other("make_fleet MACHINES FOLDER"));
    };
    let machines = machines.parse().map_err(|_| io::Error::other("MACHINES is a number"))?;
    write(machines, Path::new(folder))
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
        let options = Options { database: Some(folder.join("fleet.sqlite")), ..Options::default() };
        load(&[folder.join("records")], &mut io::empty(), &options, &mut |_| {}).map_err(io::Error::other)?;
    }
    Ok(())
}
