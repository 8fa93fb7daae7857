//! Whole reports, as `mcpolicy scan --format json` writes them.

use mcpolicy_fleet::{Fleet, Options, Wanted, load};
use mcpolicy_schema::report::v1;

use crate::maker::fleet::NOW;
use crate::maker::machine::{DAY, Declared, START, report};
use crate::support::{every_row, load_bytes};

fn unknown(owner: &str, identity: &str) -> Declared {
    Declared::unknown(owner, identity)
}

/// One report a line.
fn of(reports: &[v1::Report]) -> Fleet {
    let lines: Vec<String> = reports.iter().map(|report| serde_json::to_string(report).unwrap()).collect();
    let fleet = load_bytes(lines.join("\n").into_bytes());
    assert_eq!(fleet.counts.refused, 0, "{:?}", fleet.problems);
    fleet
}

fn servers(fleet: &Fleet) -> f64 {
    every_row(fleet, "unknown-servers", NOW).offenders.first().map_or(0.0, |one| one.value)
}

#[test]
fn a_report_that_takes_many_lines_is_one_document() {
    let report = report("laptop", START, "machine", &[unknown("ann", "npm:a"), unknown("ann", "npm:b")]);
    let fleet = load_bytes(serde_json::to_vec_pretty(&report).unwrap());
    assert_eq!((fleet.counts.documents, fleet.counts.refused), (1, 0), "{:?}", fleet.problems);
    assert_eq!(servers(&fleet), 2.0);
}

#[test]
fn a_report_as_powershell_writes_it_is_read() {
    let report = report("laptop", START, "machine", &[unknown("ann", "npm:größe")]);
    let text = serde_json::to_string_pretty(&report).unwrap().replace('\n', "\r\n");
    let bytes = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let fleet = load_bytes(bytes);
    assert_eq!((fleet.counts.documents, fleet.counts.refused), (1, 0), "{:?}", fleet.problems);
    assert_eq!(fleet.blast(Wanted::parse("npm:größe", 0, i64::MAX)).unwrap().machines, 1);
}

#[test]
fn of_a_machine_only_the_newest_report_counts_and_older_ones_give_history() {
    let old = report("laptop", START, "machine", &[unknown("ann", "npm:a"), unknown("ann", "npm:b")]);
    let new = report("laptop", START + DAY, "machine", &[unknown("ann", "npm:b")]);
    let fleet = of(&[new.clone(), old, new]);
    assert_eq!((fleet.counts.documents, fleet.counts.duplicates), (2, 1));
    assert_eq!(servers(&fleet), 1.0);
    let gone = fleet.blast(Wanted::parse("npm:a", 0, i64::MAX)).unwrap();
    assert_eq!((gone.had[0].first_seen, gone.had[0].gone_by), (START, START + DAY));
    let there = fleet.blast(Wanted::parse("npm:b", 0, i64::MAX)).unwrap();
    assert_eq!((there.had[0].first_seen, there.had[0].gone_by), (START, 0));
}

#[test]
fn a_scan_of_one_home_does_not_replace_that_of_another() {
    let ann = report("laptop", START, "own-home", &[unknown("ann", "npm:a")]);
    let ben = report("laptop", START + DAY, "own-home", &[unknown("ben", "npm:b")]);
    assert_eq!(servers(&of(&[ann, ben])), 2.0);
}

#[test]
fn a_report_without_a_name_is_known_by_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.json", "b.json"] {
        let report = report("", START, "home", &[unknown("ann", "npm:a")]);
        std::fs::write(folder.path().join(name), serde_json::to_vec_pretty(&report).unwrap()).unwrap();
    }
    let fleet =
        load(&[folder.path().to_owned()], &mut std::io::empty(), &Options::default(), &mut |_| {}).unwrap();
    assert_eq!(fleet.blast(Wanted::parse("npm:a", 0, i64::MAX)).unwrap().machines, 2);
}

#[test]
fn requests_in_a_report_wait_until_a_newer_one_has_them_no_more() {
    let mut old = report("laptop", START, "machine", &[unknown("ann", "npm:a")]);
    old.requests = vec![v1::Request {
        id: "r-1".to_owned(),
        time: old.scan.started_at.clone(),
        user: "ann".to_owned(),
        device: None,
        fingerprint: "ff".to_owned(),
        identity: old.entries[0].identity.clone(),
        name: "a".to_owned(),
        client: "cursor".to_owned(),
        reason: String::new(),
        entry: Box::new(old.entries[0].clone()),
    }];
    let waiting = |reports: &[v1::Report]| every_row(&of(reports), "requests-waiting", NOW).rows;
    assert_eq!(waiting(std::slice::from_ref(&old)), 1);
    assert_eq!(waiting(&[old, report("laptop", START + DAY, "machine", &[])]), 0);
}
