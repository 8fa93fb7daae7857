//! A fleet from lines in memory.

use std::io::Cursor;
use std::path::PathBuf;

use mcpolicy_fleet::{Fleet, Gate, Options, SuppliedKind, load};

use crate::maker::fleet::{self, NOW, Plan};

/// Loads lines as they would come on standard input.
pub fn load_lines(lines: &[String]) -> Fleet {
    load_bytes(format!("{}\n", lines.join("\n")).into_bytes())
}

pub fn load_bytes(bytes: Vec<u8>) -> Fleet {
    let options = Options { prove: true, now: Some(NOW), ..Options::default() };
    load(&[PathBuf::from("-")], &mut Cursor::new(bytes), &options, &mut |_| {}).expect("a temporary database")
}

/// All lines of the first machines of the generated fleet.
pub fn lines(machines: usize) -> Vec<String> {
    (0..machines).flat_map(|number| Plan::of(number).machine().lines).collect()
}

/// Gives what a security team supplies.
pub fn supply(fleet: &Fleet, machines: usize) {
    let rows: Vec<String> =
        fleet::offboarded(machines).iter().map(|(owner, since)| format!("{owner},{since}")).collect();
    give(fleet, SuppliedKind::Offboarded, "owner,since", &rows);
    let rows: Vec<String> =
        fleet::tickets().iter().map(|(t, s, opened, closed)| format!("{t},{s},{opened},{closed}")).collect();
    give(fleet, SuppliedKind::ChangeTickets, "ticket,subject,opened,closed", &rows);
    let rows: Vec<String> = fleet::expiries().iter().map(|(w, s, e)| format!("{w},{s},{e}")).collect();
    give(fleet, SuppliedKind::Expiries, "what,subject,expires", &rows);
}

pub fn give(fleet: &Fleet, kind: SuppliedKind, header: &str, rows: &[String]) {
    let text = format!("{header}\n{}\n", rows.join("\n"));
    fleet.supply(kind, text.as_bytes()).expect("a list");
}

/// One gate, asked with a target that nothing meets, so that every row is told.
pub fn every_row(fleet: &Fleet, id: &str, now: i64) -> Gate {
    let mut definition =
        mcpolicy_fleet::definitions().expect("gates").into_iter().find(|gate| gate.id == id).expect("a gate");
    definition.target = "< -1000000000".to_owned().try_into().expect("a bound");
    fleet.gate(definition, now).expect("an answer")
}

/// The generated fleet, loaded, with its lists.
pub fn generated(machines: usize) -> Fleet {
    let fleet = load_lines(&lines(machines));
    supply(&fleet, machines);
    assert_eq!((fleet.counts.refused, fleet.counts.duplicates), (0, 0), "{:?}", fleet.problems);
    fleet
}

/// All gates as text: what must not hang on the order of the lines.
pub fn answers(fleet: &Fleet) -> String {
    serde_json::to_string_pretty(&fleet.gates(NOW).expect("gates")).expect("JSON")
}
