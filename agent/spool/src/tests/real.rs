//! On the real disk: a writer that appends and drops while a reader reads.

use std::sync::atomic::{AtomicBool, Ordering};

use mcpolicy_schema::report::v1::{Class, Loss};

use super::world::record;
use crate::{Caps, Cursor, Disk, GapBuilder, Positions, Reader, Spool};

fn gaps() -> GapBuilder {
    Box::new(|loss: &Loss, _, chain| {
        let (loss, chain) = (serde_json::to_string(loss).unwrap(), serde_json::to_string(chain).unwrap());
        format!(r#"{{"kind":"gap","loss":{loss},"chain":{chain}}}"#).into_bytes()
    })
}

fn open(folder: &std::path::Path, caps: Caps) -> Spool {
    Spool::open(Box::new(Disk::new(folder)), caps, 0, &mut || "e".repeat(32), gaps()).unwrap().0
}

#[test]
fn a_reader_gets_all_in_order_from_a_writer_that_appends_and_removes_what_was_taken() {
    const RECORDS: u64 = 1_500;
    let folder = tempfile::tempdir().unwrap();
    // small segments, so that many come and go; room for all, so that only what was taken goes
    let caps = Caps { segment: 1_500, sent: 3_000, reserve: 0, ..Caps::default() };
    let (taken, is_done) = (std::sync::Mutex::new(Cursor::default()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut spool = open(folder.path(), caps);
            for nonce in 0..RECORDS {
                spool.append(Class::State, nonce, &mut |chain| record(chain, nonce, 100)).unwrap();
                if nonce % 10 == 0 {
                    spool.sync(Class::State).unwrap();
                }
                if nonce % 50 == 0 {
                    let taken = taken.lock().unwrap().clone();
                    spool.delivered(&Positions::from([(Class::State, taken)])).unwrap();
                }
            }
            spool.sync(Class::State).unwrap();
            is_done.store(true, Ordering::Release);
        });
        let reader = Reader::open(folder.path());
        let (mut cursor, mut expected) = (Cursor::default(), 1);
        while expected <= RECORDS {
            let was_done = is_done.load(Ordering::Acquire);
            let batch = reader.batch(Class::State, &cursor, 7, 100_000).unwrap();
            assert_eq!(batch.skipped, None);
            for line in &batch.lines {
                assert_eq!(line.seq, expected);
                assert!(
                    String::from_utf8_lossy(&line.json).contains(&format!(r#""nonce":{},"#, expected - 1))
                );
                expected += 1;
            }
            assert!(!was_done || !batch.lines.is_empty(), "{expected} never came");
            cursor = batch.next;
            *taken.lock().unwrap() = cursor.clone();
        }
    });
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(left < 40, "{left} files are left");
}

#[test]
fn a_reader_of_a_writer_that_drops_for_room_is_told_each_number_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let caps = Caps {
        total: 30_000,
        violations: 8_000,
        tool_calls: 8_000,
        segment: 2_000,
        record: 900,
        reserve: 0,
        sent: 0,
    };
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut spool = open(folder.path(), caps);
            for nonce in 0..400 {
                spool.append(Class::ToolCall, nonce, &mut |chain| record(chain, nonce, 200)).unwrap();
            }
            spool.sync(Class::ToolCall).unwrap();
            is_done.store(true, Ordering::Release);
        });
        let reader = Reader::open(folder.path());
        let (mut cursor, mut expected) = (Cursor::default(), None);
        loop {
            let was_done = is_done.load(Ordering::Acquire);
            let batch = reader.batch(Class::ToolCall, &cursor, 3, 100_000).unwrap();
            if let Some(first) = batch.lines.first() {
                if let Some(expected) = expected {
                    let skipped = (expected < first.seq).then(|| (expected, first.seq - 1));
                    assert_eq!(batch.skipped, skipped);
                }
                assert!(batch.lines.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
                expected = batch.lines.last().map(|line| line.seq + 1);
            } else if was_done {
                assert_eq!(expected, Some(401));
                break;
            }
            cursor = batch.next;
        }
    });
}

#[test]
fn what_is_on_the_disk_can_be_read_by_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path(), Caps { reserve: 0, ..Caps::default() });
    let time = 1_700_000_000_000;
    for nonce in 0..2 {
        spool.append(Class::Violation, time, &mut |chain| record(chain, nonce, 0)).unwrap();
    }
    let waiting = Reader::open(folder.path()).waiting(&Positions::new()).unwrap();
    assert_eq!((waiting.counts.get(&Class::Violation), waiting.oldest_ms), (Some(&2), Some(time)));
    let text =
        crate::Files::read(&Disk::new(folder.path()), "violation-0000000000000001.ndjson", 0, 9999).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].get(8..).unwrap().starts_with(r#" 1700000000000 {"kind":"test","nonce":0,"#), "{text}");
    assert_eq!((lines[1], lines[3]), ("", ""));
}
