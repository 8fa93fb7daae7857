//! What one record costs: a violation, which waits for the disk, and one that does not. On the disk of the temporary folder,
//! and in memory, where what is left is our own work. And what an opening and a batch cost on a full spool.
#![allow(clippy::unwrap_used, reason = "a benchmark ends where its machine does")]

use mcpolicy_schema::report::v1::{Chain, Class};
use mcpolicy_spool::{Caps, Cursor, Disk, MAX_BYTES, MAX_RECORDS, Reader, Spool};
use tempfile::TempDir;

fn main() {
    divan::main();
}

/// A record of about a kilobyte.
fn record(chain: &Chain) -> Vec<u8> {
    let pad = "x".repeat(850);
    let chain = serde_json::to_string(chain).unwrap();
    format!(r#"{{"kind":"test","pad":"{pad}","chain":{chain}}}"#).into_bytes()
}

fn folder(in_memory: bool) -> TempDir {
    if in_memory { tempfile::tempdir_in("/dev/shm").unwrap() } else { tempfile::tempdir().unwrap() }
}

fn open(folder: &TempDir) -> Spool {
    let files = Box::new(Disk::new(folder.path()));
    let gaps = Box::new(|_: &_, _, chain: &_| record(chain));
    Spool::open(files, Caps::default(), 0, &mut || "e".repeat(32), gaps).unwrap().0
}

#[divan::bench(args = [(true, Class::Violation), (false, Class::Violation), (true, Class::Event), (false, Class::Event)])]
fn append(bencher: divan::Bencher<'_, '_>, (in_memory, class): (bool, Class)) {
    let folder = folder(in_memory);
    let mut spool = open(&folder);
    bencher.bench_local(|| spool.append(class, 0, &mut |chain| record(chain)).unwrap());
}

/// Fifty thousand records, all that the caps let in.
fn full() -> TempDir {
    let folder = folder(false);
    let mut spool = open(&folder);
    for class in [Class::State, Class::Violation] {
        spool.append_all(class, 0, 25_000, &mut |_, chain| record(chain)).unwrap();
        spool.sync(class).unwrap();
    }
    folder
}

#[divan::bench(sample_count = 10)]
fn open_full(bencher: divan::Bencher<'_, '_>) {
    let folder = full();
    bencher.bench_local(|| open(&folder).bytes());
}

#[divan::bench(sample_count = 50)]
fn batch_of_full(bencher: divan::Bencher<'_, '_>) {
    let folder = full();
    let reader = Reader::open(folder.path());
    let mut cursor = Cursor::default();
    bencher.bench_local(|| {
        let batch = reader.batch(Class::State, &cursor, MAX_RECORDS, MAX_BYTES).unwrap();
        cursor = if batch.lines.is_empty() { Cursor::default() } else { batch.next };
    });
}
