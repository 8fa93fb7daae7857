//! A journal that is cut or changed at every byte: opening tells it, never panics, and keeps every record that is whole.

use std::collections::BTreeSet;
use std::ops::Range;

use mcpolicy_tests::private::set_mode;
use proptest::prelude::*;

use super::tests::{bytes_of, folder, intent, now, only_segment, outcome};
use super::*;

/// A journal of two changes that are done, one that is not, and an event.
struct Written {
    folder: tempfile::TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Written {
    fn new() -> Self {
        let folder = folder();
        let (mut journal, _) = Journal::open(folder.path(), now()).unwrap();
        for path in ["/home/ann/.claude.json", "/home/ann/.cursor/mcp.json"] {
            let number = journal.append(now(), intent(path)).unwrap();
            journal.append(now(), outcome(number)).unwrap();
        }
        journal.append(now(), What::Event(Event::new("pass", "an umlaut: \u{e4}"))).unwrap();
        journal.append(now(), intent("/home/ann/.codex/config.toml")).unwrap();
        let path = only_segment(folder.path());
        let bytes = bytes_of(&path);
        Self { folder, path, bytes }
    }

    /// The lines with their line feeds.
    fn lines(&self) -> Vec<Range<usize>> {
        let mut begin = 0;
        let ends = self.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        ends.map(|end| std::mem::replace(&mut begin, end)..end).collect()
    }

    /// Opens what is there instead, and checks that each line that is in it whole is read, that what is missing is
    /// told, and that the journal goes on from there without telling it again.
    fn check(&self, damaged: &[u8], context: &str) {
        std::fs::write(&self.path, damaged).unwrap();
        let whole: Vec<&[u8]> = self.lines().into_iter().map(|line| &self.bytes[line]).collect();
        let there: BTreeSet<&[u8]> = damaged.split_inclusive(|byte| *byte == b'\n').collect();
        let kept = whole.iter().filter(|line| there.contains(*line)).count();
        let (mut journal, opened) = Journal::open(self.folder.path(), now()).unwrap();
        let (records, _) = read(self.folder.path()).unwrap();
        let said: BTreeSet<String> =
            records.iter().map(|record| serde_json::to_string(&record.what).unwrap()).collect();
        for line in whole.iter().filter(|line| there.contains(*line)) {
            let record: Record = serde_json::from_slice(line).unwrap();
            assert!(
                said.contains(&serde_json::to_string(&record.what).unwrap()),
                "{context}: a whole record is lost"
            );
        }
        let told = records.iter().any(
            |record| matches!(&record.what, What::Event(event) if [DAMAGED, "torn-record"].contains(&&*event.code)),
        );
        // nothing tells that records were there: only what reports have carried away does
        let rest = self.bytes.strip_prefix(damaged);
        let cut_between_records = rest.is_some_and(|rest| {
            rest.first() == Some(&b'\n') || damaged.last().is_none_or(|byte| *byte == b'\n')
        });
        if damaged != self.bytes && !cut_between_records && kept < whole.len() {
            let all_are_there = records.len() == whole.len() && !told;
            assert!(told || all_are_there, "{context}: nothing is told: {:?}", opened.damage);
        }
        let next = journal.append(now(), outcome(1)).unwrap();
        assert_eq!(next, journal.sequence());
        drop(journal);
        let (_, again) = Journal::open(self.folder.path(), now()).unwrap();
        assert_eq!(again.damage, Vec::<String>::new(), "{context}: told again");
    }
}

#[test]
fn a_journal_that_is_cut_at_any_byte_keeps_every_record_before() {
    let written = Written::new();
    for end in 0..=written.bytes.len() {
        written.check(&written.bytes[..end], &format!("cut at {end}"));
    }
}

#[test]
fn a_bit_that_turned_at_any_byte_is_told_and_costs_one_record_or_two() {
    let written = Written::new();
    let count = written.lines().len();
    for at in 0..written.bytes.len() {
        for bit in [0, 5] {
            let mut damaged = written.bytes.clone();
            damaged[at] ^= 1 << bit;
            let context = format!("byte {at}, bit {bit}");
            written.check(&damaged, &context);
            let (records, _) = read(written.folder.path()).unwrap();
            let old = records.iter().filter(|record| record.time == now()).count();
            assert!(old + 2 >= count, "{context}: {old} of {count} left");
        }
    }
}

#[test]
fn a_write_that_was_torn_into_zeros_or_anothers_bytes_is_told() {
    let written = Written::new();
    let last = written.lines().pop().unwrap();
    for at in last {
        let mut zeros = written.bytes.clone();
        zeros[at..].fill(0);
        written.check(&zeros, &format!("zeros from {at}"));
        let mut others = written.bytes.clone();
        let other = written.bytes[..others.len() - at].to_vec();
        others[at..].copy_from_slice(&other);
        written.check(&others, &format!("other bytes from {at}"));
    }
}

#[test]
fn a_record_of_which_only_the_line_feed_is_missing_is_kept() {
    let written = Written::new();
    for last in [None, Some(b'x'), Some(0)] {
        let mut damaged = written.bytes.clone();
        damaged.pop();
        damaged.extend(last);
        std::fs::write(&written.path, &damaged).unwrap();
        let (_, opened) = Journal::open(written.folder.path(), now()).unwrap();
        assert_eq!(opened.pending.keys().copied().collect::<Vec<_>>(), [6], "{last:?}");
        let (records, unreadable) = read(written.folder.path()).unwrap();
        assert_eq!(unreadable, 0);
        let torn = records.iter().any(|r| matches!(&r.what, What::Event(e) if e.code == "torn-record"));
        assert_eq!(torn, last.is_some(), "{last:?}");
    }
}

#[test]
fn a_record_without_its_check_is_none() {
    let written = Written::new();
    let text = String::from_utf8(written.bytes.clone()).unwrap();
    let last = text.lines().next_back().unwrap();
    let (said, _) = last.rsplit_once(",\"check\"").unwrap();
    std::fs::write(&written.path, text.replace(last, &format!("{said}}}"))).unwrap();
    let (_, opened) = Journal::open(written.folder.path(), now()).unwrap();
    assert!(opened.pending.is_empty());
    assert!(!opened.damage.is_empty());
}

#[test]
fn files_that_are_no_segments_do_not_stop_the_journal() {
    let written = Written::new();
    for name in ["1.ndjson", "x.ndjson", "000000000001.ndjson.bak", "99999999999999999999999.ndjson"] {
        std::fs::write(written.folder.path().join(name), "x").unwrap();
    }
    let (journal, opened) = Journal::open(written.folder.path(), now()).unwrap();
    assert_eq!((journal.sequence(), opened.damage.len()), (6, 0));
}

#[test]
fn a_number_at_the_end_of_all_numbers_is_told_and_does_not_stop_the_agent() {
    let folder = folder();
    let (mut journal, _) = Journal::open(folder.path(), now()).unwrap();
    journal.append(now(), intent("/one")).unwrap();
    let path = only_segment(folder.path());
    let record =
        Record { seq: u64::MAX, prev: journal.last.clone(), time: now(), uid: None, what: outcome(1) };
    let mut bytes = bytes_of(&path);
    bytes.extend(record.to_line().unwrap());
    bytes.push(b'\n');
    std::fs::write(&path, bytes).unwrap();
    let (mut journal, opened) = Journal::open(folder.path(), now()).unwrap();
    assert!(!opened.damage.is_empty());
    journal.append(now(), outcome(1)).unwrap();
}

#[test]
fn a_journal_that_others_may_write_is_not_used() {
    let written = Written::new();
    for mode in [0o777, 0o770, 0o755] {
        if !set_mode(written.folder.path(), mode) {
            return;
        }
        let refused = Journal::open(written.folder.path(), now()).err().expect("refused").to_string();
        assert!(refused.contains("chmod 700"), "{mode:o}: {refused}");
    }
    set_mode(written.folder.path(), 0o700);
    Journal::open(written.folder.path(), now()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn several_damages_at_once_never_stop_the_journal(
        cuts in prop::collection::vec((0_usize..3000, 0_usize..400), 0..4),
        turns in prop::collection::vec((0_usize..3000, any::<u8>()), 0..8),
        more in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let written = Written::new();
        let mut damaged = written.bytes.clone();
        for (at, mask) in turns {
            if let Some(byte) = damaged.get_mut(at) {
                *byte ^= mask;
            }
        }
        for (at, length) in cuts {
            let begin = at.min(damaged.len());
            damaged.drain(begin..(begin + length).min(damaged.len()));
        }
        damaged.extend(more);
        std::fs::write(&written.path, &damaged).unwrap();
        let (mut journal, _) = Journal::open(written.folder.path(), now()).unwrap();
        let number = journal.append(now(), intent("/after")).unwrap();
        drop(journal);
        let (journal, opened) = Journal::open(written.folder.path(), now()).unwrap();
        prop_assert_eq!(opened.damage, Vec::<String>::new());
        prop_assert!(opened.pending.contains_key(&number));
        prop_assert_eq!(journal.sequence(), number);
    }
}
