//! Opening: what is on the disk is read whole, made good, and what is missing is counted.

use std::collections::BTreeMap;

use mcpolicy_schema::report::v1::{Class, Loss};

use crate::caps::Caps;
use crate::cursor::Positions;
use crate::delivered;
use crate::error::{SpoolError, disk};
use crate::files::{self, Files, UNFINISHED};
use crate::line;
use crate::queue::{Queue, length};
use crate::ranges;
use crate::reserve;
use crate::scan::{self, Found, Scanned};
use crate::segment;
use crate::spool::{GapBuilder, Spool, at};

/// Why records are missing that were on the disk.
const DAMAGE: &str = "damage";

/// What an opening showed.
#[derive(Debug, Default)]
pub struct Opened {
    /// Classes that began an epoch, since nothing of them was on the disk.
    pub begun: Vec<Class>,
    /// Classes at whose end something was not whole, as a crash leaves it; it is gone, and nobody had seen it.
    pub torn: Vec<Class>,
    /// What is missing that was on the disk, already told in records.
    pub losses: Vec<Loss>,
    /// The file of what is delivered cannot be read: what is dropped from now on may be counted though it was delivered.
    pub is_delivered_lost: bool,
    /// The disk has no room for the reserve.
    pub is_short: bool,
}

/// Numbers that records tell of as lost, by class and epoch.
type Counted = BTreeMap<(Class, String), Vec<(u64, u64)>>;

impl Spool {
    /// Opens the queue. Time is in milliseconds since 1970; an epoch is drawn for each class with nothing on the disk, 64
    /// random bits or more.
    ///
    /// # Errors
    /// The system refuses a step. What was done until then stands, and the next opening goes on from there.
    pub fn open(
        mut files: Box<dyn Files>,
        caps: Caps,
        now_ms: u64,
        epochs: &mut dyn FnMut() -> String,
        gaps: GapBuilder,
    ) -> Result<(Self, Opened), SpoolError> {
        let names = files.list().map_err(disk("list", "its files"))?;
        for name in names.iter().filter(|name| name.ends_with(UNFINISHED)) {
            files::remove(&mut *files, name)?;
        }
        let kept = delivered::load(&*files)?;
        let mut opened = Opened { is_delivered_lost: kept.is_none(), ..Opened::default() };
        let mut scanned = Vec::new();
        for class in Class::ALL {
            scanned.push(scan::scan(&*files, &names, class)?);
        }
        let mut spool = Self {
            queues: Class::ALL.map(|class| queue_of(class, &scanned[at(class)], kept.as_ref(), epochs)),
            files,
            caps,
            gaps,
            is_short: false,
            reserve_tried: now_ms,
            has_removed: false,
        };
        for (class, found) in Class::ALL.into_iter().zip(&scanned) {
            spool.make_whole(class, found, &mut opened)?;
        }
        for husk in scanned.iter().flat_map(|found| &found.husks) {
            files::remove(&mut *spool.files, husk)?;
        }
        spool.files.sync_directory().map_err(disk("sync the names of", "segments"))?;
        let counted = counted(&spool.queues);
        opened.losses = spool.missing(&scanned, &counted);
        let (violations, others) =
            opened.losses.iter().cloned().partition(|loss| loss.of == Class::Violation);
        spool.tell(violations, now_ms)?;
        spool.tell(others, now_ms)?;
        for (class, found) in Class::ALL.into_iter().zip(&scanned) {
            spool.mend(class, found)?;
        }
        spool.remove_counted(&counted)?;
        // last: what the disk has left is for the repairs first
        spool.is_short = spool.is_short || !reserve::make(&mut *spool.files, spool.caps.reserve);
        opened.is_short = spool.is_short;
        Ok((spool, opened))
    }

    /// Makes the end of a class one that can be appended to: what was not whole is gone, the rest is on the disk.
    fn make_whole(&mut self, class: Class, scanned: &Scanned, opened: &mut Opened) -> Result<(), SpoolError> {
        if scanned.segments.is_empty() {
            opened.begun.push(class);
        }
        if scanned.segments.iter().any(|found| found.is_torn) {
            opened.torn.push(class);
        }
        let Some(newest) = scanned.segments.last() else { return Ok(()) };
        let name = segment::name(class, newest.held.first);
        let queue = &mut self.queues[at(class)];
        if newest.holes.is_empty() && !newest.is_clean {
            // a file of its own: what is not marked may never have reached the disk, whatever the system says of it
            let bytes = newest.mended(&queue.epoch);
            self.rewrite(class, newest, &bytes)?;
        } else if !newest.holes.is_empty() {
            // it can be written again only when its holes are told
            self.files.sync(&name).map_err(disk("sync", &name))?;
            queue.is_ended = true;
        }
        Ok(())
    }

    /// What is missing and neither delivered nor told.
    fn missing(&self, scanned: &[Scanned], counted: &Counted) -> Vec<Loss> {
        let mut losses = Vec::new();
        for queue in &self.queues {
            let told = counted.get(&(queue.class, queue.epoch.clone())).map_or(&[][..], Vec::as_slice);
            let holes = scanned[at(queue.class)].segments.iter().flat_map(|found| &found.holes);
            for (first, last) in holes
                .filter_map(|hole| after(*hole, queue.delivered))
                .flat_map(|hole| ranges::without(hole, told))
            {
                let (class, epoch, count) = (queue.class, queue.epoch.clone(), last - first + 1);
                losses.push(Loss { of: class, epoch, first, last, count, reason: DAMAGE.to_owned() });
            }
        }
        losses
    }

    /// Writes segments with holes again, with a note of each: the records that tell of them may go before the segment.
    fn mend(&mut self, class: Class, scanned: &Scanned) -> Result<(), SpoolError> {
        for found in &scanned.segments {
            if !found.holes.is_empty() {
                self.rewrite(class, found, &found.mended(&self.queue(class).epoch))?;
            }
        }
        Ok(())
    }

    /// Puts a segment in the place of the one that was found.
    fn rewrite(&mut self, class: Class, found: &Found, bytes: &[u8]) -> Result<(), SpoolError> {
        let first = found.held.first;
        loop {
            // one that was delivered may have gone for room
            if !self.queue(class).segments.iter().any(|held| held.first == first) {
                return Ok(());
            }
            match files::replace(&mut *self.files, &segment::name(class, first), bytes) {
                Err(error) if error.is_disk_full() && self.give_way(true) => {}
                other => break other?,
            }
        }
        if let Some(held) = self.queues[at(class)].segments.iter_mut().find(|held| held.first == first) {
            held.bytes = length(bytes);
        }
        Ok(())
    }

    /// Removes segments of which all is delivered or told as lost, and something is told: a crash came between the two.
    fn remove_counted(&mut self, counted: &Counted) -> Result<(), SpoolError> {
        for queue in &mut self.queues {
            let Some(told) = counted.get(&(queue.class, queue.epoch.clone())) else { continue };
            let (removable, delivered) = (queue.removable(), queue.delivered);
            for held in queue.segments.iter_mut().take(removable) {
                let is_any_told = held.runs.iter().any(|run| ranges::without(*run, told) != [*run]);
                let mut left = held.undelivered(delivered).flat_map(|run| ranges::without(run, told));
                let is_rest_done = left.next().is_none();
                drop(left);
                held.is_going = is_any_told && is_rest_done;
            }
        }
        self.finish()
    }
}

fn queue_of(
    class: Class,
    scanned: &Scanned,
    kept: Option<&Positions>,
    epochs: &mut dyn FnMut() -> String,
) -> Queue {
    let Some(epoch) = scanned.epoch.clone().filter(|_| !scanned.segments.is_empty()) else {
        return Queue::new(class, epochs(), 0, line::nothing_before());
    };
    let prev = if scanned.prev.is_empty() { line::nothing_before() } else { scanned.prev.clone() };
    let delivered = kept.and_then(|kept| kept.get(&class)).filter(|cursor| cursor.epoch == epoch);
    let delivered = delivered.map_or(0, |cursor| cursor.seq);
    // a number that was delivered is not given again, though someone may have cut the end off
    let mut queue = Queue::new(class, epoch, scanned.seq.max(delivered), prev);
    queue.delivered = delivered;
    queue.is_ended = delivered > scanned.seq;
    queue.segments = scanned.segments.iter().map(|found| found.held.clone()).collect();
    queue
}

fn counted(queues: &[Queue]) -> Counted {
    let mut counted = Counted::new();
    let told = queues.iter().flat_map(|queue| &queue.segments).flat_map(|held| &held.losses);
    for (_, loss) in told {
        counted.entry((loss.of, loss.epoch.clone())).or_default().push((loss.first, loss.last));
    }
    counted
}

/// The part of a run after a number.
fn after((first, last): (u64, u64), seq: u64) -> Option<(u64, u64)> {
    (last > seq).then_some((first.max(seq + 1), last))
}
