use mcpolicy_platform::durable;

pub(super) use mcpolicy_tests::private::private_folder as folder;

use super::*;

pub(super) fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

pub(super) fn intent(path: &str) -> What {
    What::Intent(Intent {
        user: "ann".into(),
        path: path.into(),
        path_base64: None,
        before: "b".into(),
        after: "a".into(),
        vault: "q-1".into(),
        home: "/home/ann".into(),
        temporary: ".mcpolicy.0".into(),
        layer: String::new(),
        actions: Vec::new(),
    })
}

pub(super) fn outcome(intent: u64) -> What {
    What::Outcome(Outcome { intent, outcome: End::Applied, detail: String::new() })
}

pub(super) fn only_segment(folder: &Path) -> PathBuf {
    segments::list(folder).unwrap().pop().unwrap().path
}

pub(super) fn bytes_of(path: &Path) -> Vec<u8> {
    mcpolicy_platform::machine::Machine::live().read(path, None, u64::MAX).unwrap().bytes
}

#[test]
fn an_intent_without_outcome_is_pending_when_the_journal_is_opened_again() {
    let folder = folder();
    let (mut journal, opened) = Journal::open(folder.path(), now()).unwrap();
    assert!(opened.pending.is_empty());
    let first = journal.append(now(), intent("/home/ann/.claude.json")).unwrap();
    journal.append(now(), outcome(first)).unwrap();
    let second = journal.append(now(), intent("/home/ann/.cursor/mcp.json")).unwrap();
    drop(journal);
    let (journal, opened) = Journal::open(folder.path(), now()).unwrap();
    assert_eq!(opened.pending.keys().copied().collect::<Vec<_>>(), [second]);
    assert_eq!((journal.sequence(), opened.damage), (3, Vec::<String>::new()));
}

#[test]
fn a_record_that_was_cut_anywhere_is_left_out_told_and_the_rest_goes_on() {
    let folder = folder();
    let (mut journal, _) = Journal::open(folder.path(), now()).unwrap();
    journal.append(now(), intent("/one")).unwrap();
    let path = only_segment(folder.path());
    let whole = bytes_of(&path).len();
    journal.append(now(), intent("/two")).unwrap();
    let both = bytes_of(&path);
    // without its line feed alone a record is whole
    for end in whole + 1..both.len() - 1 {
        std::fs::write(&path, &both[..end]).unwrap();
        let (mut journal, opened) = Journal::open(folder.path(), now()).unwrap();
        assert_eq!(opened.damage, Vec::<String>::new(), "cut at {end}");
        assert_eq!(opened.pending.len(), 1, "cut at {end}");
        assert_eq!(journal.append(now(), outcome(1)).unwrap(), 3);
        let (records, unreadable) = read(folder.path()).unwrap();
        assert_eq!((records.len(), unreadable), (3, 0));
        assert!(matches!(&records[1].what, What::Event(event) if event.code == "torn-record"));
    }
}

#[test]
fn a_changed_left_out_or_swapped_record_is_seen() {
    let folder = folder();
    let (mut journal, _) = Journal::open(folder.path(), now()).unwrap();
    for at in 0..4 {
        journal.append(now(), intent(&format!("/file-{at}"))).unwrap();
    }
    let path = only_segment(folder.path());
    let good = String::from_utf8(bytes_of(&path)).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let changed = good.replace("/file-1", "/file-9");
    let left_out = [lines[0], lines[2], lines[3], ""].join("\n");
    let swapped = [lines[0], lines[2], lines[1], lines[3], ""].join("\n");
    for (what, text) in [("changed", changed), ("left out", left_out), ("swapped", swapped)] {
        std::fs::write(&path, text).unwrap();
        let (_, opened) = Journal::open(folder.path(), now()).unwrap();
        assert!(!opened.damage.is_empty(), "{what}");
        let (records, _) = read(folder.path()).unwrap();
        assert!(records.iter().any(|r| matches!(&r.what, What::Event(e) if e.code == "journal-damaged")));
        let (_, opened) = Journal::open(folder.path(), now()).unwrap();
        assert!(opened.damage.is_empty(), "{what}: told once");
    }
}

#[test]
fn old_segments_go_quietly_and_young_ones_only_as_a_counted_loss() {
    let folder = folder();
    let (mut journal, _) = Journal::open(folder.path(), now()).unwrap();
    let long = "x".repeat(200_000);
    for _ in 0..14 {
        let seq = journal.append(now(), intent(&long)).unwrap();
        journal.append(now(), outcome(seq)).unwrap();
    }
    assert!(segments::list(folder.path()).unwrap().len() > 2);
    let before = now() - jiff::SignedDuration::from_hours(24);
    assert_eq!(journal.prune(now(), before, u64::MAX).unwrap(), 0, "young and small enough");
    let cut = journal.prune(now(), before, 2 * 1024 * 1024).unwrap();
    assert!(cut > 0);
    let (records, _) = read(folder.path()).unwrap();
    let told = records.iter().filter_map(|r| match &r.what {
        What::Event(event) if event.code == "journal-cut" => event.count,
        _ => None,
    });
    assert_eq!(told.sum::<u64>(), cut);
    let after = now() + jiff::SignedDuration::from_hours(24);
    assert!(journal.prune(now(), after, u64::MAX).unwrap() > 0, "old ones go");
    let (_, opened) = Journal::open(folder.path(), now()).unwrap();
    assert_eq!(opened.damage, Vec::<String>::new(), "what was cut on purpose is no damage");
}

#[test]
fn nobody_else_can_read_the_journal() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("journal");
    let (mut journal, _) = Journal::open(&folder, now()).unwrap();
    journal.append(now(), outcome(7)).unwrap();
    assert!(durable::is_private(&folder) && durable::is_private(&only_segment(&folder)));
}

#[test]
fn a_record_that_could_not_be_read_again_is_refused_and_the_journal_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (mut journal, _) = Journal::open(&path, now()).unwrap();
    let event = |bytes: usize| What::Event(Event::new("pass", "x".repeat(bytes)));
    journal.append(now(), event(SEGMENT_BYTES as usize - 1000)).unwrap();
    assert!(matches!(journal.append(now(), event(MAX_RECORD_BYTES)), Err(JournalError::TooLarge { .. })));
    let longest = MAX_RECORD_BYTES - 1000;
    assert_eq!(journal.append(now(), event(longest)).unwrap(), 2);
    let (_, opened) = Journal::open(&path, now()).unwrap();
    assert_eq!(opened.damage, Vec::<String>::new());
}

/// Attack: an account that is made anew under the name of one that went asks what was done to its files.
#[test]
fn records_of_an_account_are_not_those_of_another_that_comes_to_have_its_name() {
    let folder = folder();
    let (mut journal, _) = Journal::open(folder.path(), now()).unwrap();
    for uid in [1000, 1001] {
        journal.know(std::iter::once(("ann".to_owned(), uid)));
        let number = journal.append(now(), intent(&format!("/of/{uid}"))).unwrap();
        journal.append(now(), outcome(number)).unwrap();
    }
    let (records, _) = read(folder.path()).unwrap();
    let of = |wanted: u32| {
        let found = of_users(&records, &|user, uid| user == "ann" && uid == Some(wanted));
        found.iter().map(|record| record.seq).collect::<Vec<_>>()
    };
    assert_eq!((of(1000), of(1001)), (vec![1, 2], vec![3, 4]));
}
