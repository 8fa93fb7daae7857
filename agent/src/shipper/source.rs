//! Batches out of the spool, at the cursor of one sink.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mcpolicy_schema::report::v1::{Chain, Class};
use mcpolicy_ship::drive::Source;
use mcpolicy_ship::{Batch, Limits, Line, Receipt};
use mcpolicy_spool::{Cursor, Reader};
use serde::Deserialize;

use super::kept::{self, Kept};

/// The order in which classes leave: what nobody wants to wait for first.
const ORDER: [Class; 4] = [Class::Violation, Class::Event, Class::ToolCall, Class::State];

/// What is read of a record to send it.
#[derive(Debug, Deserialize)]
struct Seen {
    id: String,
    class: Class,
    chain: Chain,
    device: OfDevice,
}

#[derive(Debug, Deserialize)]
struct OfDevice {
    id: String,
}

/// A line for a sink, and whose it is. What cannot be read as a record is sent all the same, under a name of its own.
fn line(class: Class, line: mcpolicy_spool::Line) -> (Line, String) {
    let seen = serde_json::from_slice::<Seen>(&line.json).ok();
    let id = seen.as_ref().map_or_else(|| format!("{}.{}", class.as_str(), line.seq), |seen| seen.id.clone());
    let device = seen.map(|seen| seen.device.id).unwrap_or_default();
    let (seq, time_ms) = (line.seq, line.time_ms);
    (Line { id, class: class.as_str().to_owned(), seq, time_ms, json: line.json }, device)
}

/// Where a line stands.
fn place(line: &Line) -> Option<(Class, Cursor)> {
    let seen: Seen = serde_json::from_slice(&line.json).ok()?;
    Some((seen.class, Cursor { epoch: seen.chain.epoch, seq: seen.chain.seq }))
}

/// Lines of a spool.
pub struct Spooled {
    sink: String,
    reader: Reader,
    kept: Arc<Mutex<Kept>>,
}

impl Spooled {
    /// At the cursor of a sink.
    pub fn new(sink: &str, spool: &Path, kept: Arc<Mutex<Kept>>) -> Self {
        Self { sink: sink.to_owned(), reader: Reader::open(spool), kept }
    }

    fn batch_of(&self, class: Class, limits: Limits) -> io::Result<Option<Batch>> {
        let cursor = kept::lock(&self.kept).cursor(&self.sink, class);
        let batch = self.reader.batch(class, &cursor, limits.max_records, limits.max_bytes);
        let batch = batch.map_err(io::Error::other)?;
        if let Some((first, last)) = batch.skipped {
            kept::lock(&self.kept).gone(&self.sink, last.saturating_sub(first) + 1);
        }
        let (lines, mut devices): (Vec<_>, Vec<_>) =
            batch.lines.into_iter().map(|one| line(class, one)).unzip();
        let device = devices.pop().unwrap_or_default();
        Ok(Batch::new(&device, lines, class == Class::Violation))
    }
}

impl Source for Spooled {
    fn next_batch(&mut self, limits: Limits) -> io::Result<Option<Batch>> {
        for class in ORDER {
            if let Some(batch) = self.batch_of(class, limits)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    fn advance(&mut self, batch: &Batch, count: usize, receipt: &Receipt) -> io::Result<()> {
        let last = count.checked_sub(1).and_then(|at| batch.lines.get(at));
        let place = last.and_then(place);
        let (class, cursor) = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let mut kept = kept::lock(&self.kept);
        // Quirk: an index whose mapping a line does not fit refuses that one and takes the rest. It is as little at the receiver
        // as one that cannot be read
        let refused = receipt.rejected.iter().filter_map(|(at, _)| batch.lines.get(*at));
        kept.set_aside(&self.sink, &refused.collect::<Vec<_>>())?;
        kept.advance(&self.sink, class, cursor)
    }

    fn set_aside(&mut self, _: &Batch, line: &Line, _: &str) -> io::Result<()> {
        let place = place(line);
        let (class, cursor) = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let mut kept = kept::lock(&self.kept);
        kept.set_aside(&self.sink, &[line])?;
        kept.advance(&self.sink, class, cursor)
    }
}

/// A list of lines, for what is sent once.
pub struct Limited {
    lines: std::collections::VecDeque<Line>,
    device: String,
    /// Lines that a receiver could not read, by their ids.
    pub aside: Arc<Mutex<Vec<String>>>,
}

impl Limited {
    /// Of lines that follow on each other.
    pub fn new(device: &str, lines: Vec<Line>) -> Self {
        Self { lines: lines.into(), device: device.to_owned(), aside: Arc::default() }
    }
}

impl Source for Limited {
    fn next_batch(&mut self, limits: Limits) -> io::Result<Option<Batch>> {
        let (mut lines, mut bytes) = (Vec::new(), 0_usize);
        for line in self.lines.iter().take(limits.max_records) {
            bytes += line.json.len();
            if bytes > limits.max_bytes && !lines.is_empty() {
                break;
            }
            lines.push(line.clone());
        }
        Ok(Batch::new(&self.device, lines, false))
    }

    fn advance(&mut self, _: &Batch, count: usize, _: &Receipt) -> io::Result<()> {
        self.lines.drain(..count.min(self.lines.len()));
        Ok(())
    }

    fn set_aside(&mut self, _: &Batch, line: &Line, _: &str) -> io::Result<()> {
        self.lines.pop_front();
        kept::lock(&self.aside).push(line.id.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use mcpolicy_platform::machine::Machine;
    use mcpolicy_ship::clock::Clock;
    use serde_json::json;

    use super::*;

    fn record(seq: u64) -> Line {
        let json = json!({"id": format!("d.e.{seq}"), "class": "violation", "device": {"id": "d"},
            "chain": {"epoch": "e", "seq": seq, "prev": ""}});
        let json = json.to_string().into_bytes();
        Line { id: format!("d.e.{seq}"), class: "violation".to_owned(), seq, time_ms: 0, json }
    }

    #[test]
    fn a_record_that_a_receiver_refuses_among_others_is_set_aside_before_the_cursor_moves_on() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::open(folder.path(), vec!["siem".to_owned()], Clock::new(|| 0));
        let kept = Arc::new(Mutex::new(kept));
        let mut spooled = Spooled::new("siem", &folder.path().join("spool"), Arc::clone(&kept));
        let batch = Batch::new("d", vec![record(1), record(2), record(3)], true).unwrap();
        let rejected = vec![(1, "status 400 (mapper_parsing_exception)".to_owned())];
        spooled.advance(&batch, 3, &Receipt { accepted: 3, rejected, ..Receipt::default() }).unwrap();
        let aside = Machine::live().read(&folder.path().join("aside-siem.ndjson"), None, 1 << 20).unwrap();
        assert_eq!(aside.bytes, [&record(2).json[..], b"\n"].concat());
        assert_eq!(kept::lock(&kept).cursor("siem", Class::Violation).seq, 3);
        // the same once more, as after a cursor that could not be kept
        let again =
            Receipt { accepted: 3, rejected: vec![(1, "status 400".to_owned())], ..Receipt::default() };
        spooled.advance(&batch, 3, &again).unwrap();
        let once = Machine::live().read(&folder.path().join("aside-siem.ndjson"), None, 1 << 20).unwrap();
        assert_eq!(once.bytes, aside.bytes);
    }
}
