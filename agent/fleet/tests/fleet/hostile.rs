//! What a laptop that somebody took over may write.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use crate::maker::fleet::NOW;
use crate::maker::machine::{Declared, Machine, START};
use crate::support::{lines, load_bytes, load_lines};

/// A file in memory that is still there when its writer is gone.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(fleet: &mcpolicy_fleet::Fleet) -> (String, Vec<String>) {
    let gates = fleet.gates(NOW).unwrap();
    let mut page = Vec::new();
    fleet.write_page(&gates, NOW, &mut page).unwrap();
    let mut files: Vec<Kept> = Vec::new();
    fleet
        .write_tables(&gates, &mut |_| {
            let file = Kept::default();
            files.push(file.clone());
            Ok(file)
        })
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&page), files.iter().map(|file| text(&file.0.borrow())).collect())
}

const EVIL: &str = "=cmd|'/c calc'!A1<script>alert(1)</script>\"'\u{202e}\u{1b}[2J";

#[test]
fn names_become_neither_markup_nor_formulas() {
    let mut machine = Machine::new(EVIL, EVIL);
    let one = Declared { server: EVIL.to_owned(), ..Declared::unknown(EVIL, &format!("npm:{EVIL}")) };
    let start = Declared { identity: EVIL.to_owned(), ..one.clone() };
    machine.inventory(START, "start", &[one, start]);
    machine.heartbeat(START);
    let (page, files) = written(&load_lines(&machine.lines));
    assert!(page.contains("&lt;script&gt;"), "the name is not on the page at all");
    for text in std::iter::once(&page).chain(&files) {
        assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'));
    }
    assert!(
        !page.contains("<script")
            && !page.contains("src=")
            && !page.contains("http:")
            && !page.contains("https:")
            && !page.contains("url("),
        "{page}"
    );
    assert_eq!(files.len(), 4);
    for file in &files {
        for row in csv::ReaderBuilder::new().from_reader(file.as_bytes()).records() {
            for cell in &row.unwrap() {
                assert!(!cell.trim_start().starts_with(['=', '+', '@']), "{cell}");
            }
        }
    }
}

#[test]
fn what_is_no_record_is_counted_and_told_by_its_line_and_the_rest_goes_on() {
    let mut all = lines(2);
    let deep = format!("{{\"schema\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let good = all.len() as u64;
    all.insert(1, "not JSON, with a ghp_secret".to_owned());
    all.insert(3, deep);
    all.insert(5, "{\"schema\":\"mcpolicy/report/v9\"}".to_owned());
    all.insert(7, all[0].replace("\"kind\":\"inventory\"", "\"kind\":\"weather\""));
    all.insert(9, all[0].replace("\"time\":\"2026", "\"time\":\"not 2026"));
    all.insert(11, all[0].replace("laptop-000000.state", &"x".repeat(5000)));
    let fleet = load_lines(&all);
    assert_eq!((fleet.counts.documents, fleet.counts.refused, fleet.counts.unknown_kinds), (good, 5, 1));
    let places: Vec<&str> = fleet.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["- line 2", "- line 4", "- line 6", "- line 10", "- line 12"]);
    assert!(fleet.problems.iter().all(|problem| !problem.what.contains("ghp_")), "{:?}", fleet.problems);
}

#[test]
fn a_document_that_is_cut_off_or_binary_is_refused_alone() {
    for bytes in [&b"{\n \"schema\": \"mcpolicy"[..], b"\x00\xff\xfe\n\n\x80", b"[]\n[]", b"null"] {
        let fleet = load_bytes(bytes.to_vec());
        assert_eq!(fleet.counts.documents, 0);
        assert!(fleet.counts.refused > 0, "{bytes:?}");
    }
    assert_eq!(load_bytes(Vec::new()).counts.refused, 0);
}

#[test]
fn a_hundred_thousand_names_make_a_page_that_a_browser_opens() {
    let mut machine = Machine::new("m", "t");
    let all: Vec<Declared> =
        (0..20_000).map(|number| Declared::unknown("ann", &format!("npm:made-up-{number}"))).collect();
    machine.inventory(START, "start", &all);
    let mut lines = machine.lines;
    for number in 0..5_000 {
        let mut other = Machine::new(&format!("made-up-{number}"), &format!("team-{number}"));
        other.inventory(START, "start", &all[..1]);
        lines.extend(other.lines);
    }
    let (page, _) = written(&load_lines(&lines));
    assert!(page.len() < 500_000, "{}", page.len());
}

#[test]
fn a_database_has_a_limit() {
    let text = lines(200).join("\n");
    let options = mcpolicy_fleet::Options { max_bytes: 1 << 20, ..Default::default() };
    let loaded = mcpolicy_fleet::load(&["-".into()], &mut text.as_bytes(), &options, &mut |_| {});
    let Err(error) = loaded else { panic!("it has a megabyte and took everything") };
    assert!(error.to_string().contains("full"), "{error}");
}

/// Attack: lists that no single bound stops, and lists of which nobody thought. What is over it is refused, not kept.
#[test]
fn a_report_with_more_in_its_lists_than_any_machine_has_is_refused() {
    let report = |extra: &str| {
        format!(
            r#"{{"schema":"mcpolicy/report/v1","host":{{"device_id":"m","os":"linux"{extra}}},
            "scan":{{"mode":"machine","started_at":"2026-11-02T00:00:00Z"}}"#
        )
        .replace('\n', " ")
    };
    let many = |one: &str, count: usize| vec![one; count].join(",");
    let entry = format!(r#"{{"readers":[{}],"values":[{}]}}"#, many("{}", 1000), many("{}", 1000));
    let deep = format!("{},\"entries\":[{}]}}", report(""), many(&entry, 2000));
    let wide = format!("{},\"entries\":[{}]}}", report(""), many("{}", 200_000));
    let fleet = load_lines(&[deep, wide]);
    assert_eq!((fleet.counts.documents, fleet.counts.refused), (0, 2), "{:?}", fleet.problems);
    let groups = format!("{}}}", report(&format!(",\"groups\":[{}]", many("\"\"", 1_000_000))));
    assert_eq!(load_lines(&[groups]).counts.documents, 1);
}

#[test]
fn a_record_that_is_longer_than_the_agent_writes_is_refused() {
    let mut machine = Machine::new("m", "t");
    machine.heartbeat(START);
    let padded = |bytes: usize| {
        let line = &machine.lines[0];
        let start = &line[..line.len() - 1];
        format!("{start},\"more\":\"{}\"}}", "x".repeat(bytes - line.len() - 10))
    };
    assert_eq!(load_lines(&[padded(256 << 10)]).counts.documents, 1);
    let fleet = load_lines(&[padded(400 << 10)]);
    assert_eq!((fleet.counts.documents, fleet.counts.refused), (0, 1));
}

/// Attack: thousands of names for one command. Whoever compares each with each is busy for minutes, with one file of one user.
#[test]
fn thousands_of_names_for_one_command_hold_nobody_up() {
    let named =
        |number: usize| Declared { server: format!("s{number}"), ..Declared::unknown("ann", "npm:evil") };
    let all: Vec<Declared> = (0..16_000).map(named).collect();
    let mut machine = Machine::new("m", "t");
    machine.inventory(START, "start", &all);
    for one in &all[..4_000] {
        machine.action(START + 60, "quarantine", "failed", one);
    }
    let began = std::time::Instant::now();
    let fleet = load_lines(&machine.lines);
    let blast = fleet.blast(mcpolicy_fleet::Wanted::parse("npm:evil", 0, NOW)).unwrap();
    assert_eq!((blast.machines, blast.had.len()), (1, 16_000));
    fleet.check(None).unwrap();
    // some seconds; it took minutes
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}
