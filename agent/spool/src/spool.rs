//! The writer.

use mcpolicy_schema::report::v1::{Chain, Class, Loss};

use crate::caps::Caps;
use crate::cursor::{Cursor, Positions};
use crate::delivered;
use crate::error::SpoolError;
use crate::files::Files;
use crate::line::{self, Note};
use crate::queue::{Group, Queue};

/// How long a record that is no violation may be off the disk, in milliseconds.
const SYNC_WITHIN_MS: u64 = 1000;

/// Makes the record that tells of a loss: the loss, the class in which the record is, and its place there. It may be
/// called again for the same place where a write failed.
pub type GapBuilder = Box<dyn FnMut(&Loss, Class, &Chain) -> Vec<u8> + Send>;

/// The queue, open for writing. One at a time: the caller holds the state's lock.
pub struct Spool {
    pub(crate) files: Box<dyn Files>,
    pub(crate) caps: Caps,
    pub(crate) gaps: GapBuilder,
    /// In the order of `Class::ALL`.
    pub(crate) queues: [Queue; Class::ALL.len()],
    /// The reserve is given up.
    pub(crate) is_short: bool,
    /// When it was last tried to make it again.
    pub(crate) reserve_tried: u64,
    /// Removed names may still be on the disk.
    pub(crate) has_removed: bool,
}

impl Spool {
    /// Adds a record, made by the caller for its place in the chain: one line of JSON with that chain in it. A violation
    /// is on the disk when this returns, any other class at the next sync. Time is in milliseconds since 1970.
    ///
    /// # Errors
    /// The record is none or too long, there is no room, or the system refuses. The record is not there then, unless a
    /// crash comes before the next one of its class.
    pub fn append(
        &mut self,
        class: Class,
        now_ms: u64,
        build: &mut dyn FnMut(&Chain) -> Vec<u8>,
    ) -> Result<Cursor, SpoolError> {
        self.append_all(class, now_ms, 1, &mut |_, chain| build(chain))
    }

    /// Adds as many records as said in few writes, made by the caller in their order. The place of the last.
    ///
    /// # Errors
    /// As of `append`. Those that fit in earlier writes are there: `position` tells.
    pub fn append_all(
        &mut self,
        class: Class,
        now_ms: u64,
        count: usize,
        build: &mut dyn FnMut(usize, &Chain) -> Vec<u8>,
    ) -> Result<Cursor, SpoolError> {
        let is_violation = class == Class::Violation;
        if self.is_short && !is_violation {
            return Err(SpoolError::Short);
        }
        let mut made = 0;
        while made < count {
            // room for what a group has at most, so that no loss is told between the making and the writing of one
            self.make_room(class, self.largest_group(), now_ms)?;
            let mut group = GroupBuilder::new(&self.caps, self.queue(class), now_ms);
            while made < count && !group.is_full() {
                group.add(&mut |chain| build(made, chain))?;
                made += 1;
            }
            self.store(class, &group.finish(), is_violation)?;
        }
        Ok(self.position(class))
    }

    /// Brings all records of a class to the disk.
    ///
    /// # Errors
    /// The system refuses. The records are kept, and written to another file the next time.
    pub fn sync(&mut self, class: Class) -> Result<(), SpoolError> {
        self.queues[at(class)].sync(&mut *self.files)
    }

    /// Does what is due: brings to the disk what has waited for a second, removes what has to go, and makes the reserve
    /// again where there is room. To be called when `due` says, and when nothing else is to do.
    ///
    /// # Errors
    /// The system refuses one of these; the others are done.
    pub fn sync_due(&mut self, now_ms: u64) -> Result<(), SpoolError> {
        let mut result = Ok(());
        for queue in &mut self.queues {
            let is_due = match queue.since {
                // a clock that went back must not keep them off the disk
                Some(since) => now_ms.abs_diff(since) >= SYNC_WITHIN_MS,
                None => queue.is_behind(),
            };
            if is_due {
                result = result.and(queue.sync(&mut *self.files));
            }
        }
        result = result.and(self.tidy());
        self.restore_reserve(now_ms);
        result
    }

    /// When `sync_due` has to be called, in milliseconds since 1970; nothing where nothing waits.
    pub fn due(&self) -> Option<u64> {
        self.queues
            .iter()
            .filter_map(|queue| queue.since)
            .min()
            .map(|since| since.saturating_add(SYNC_WITHIN_MS))
    }

    /// Takes in what all sinks have taken, and keeps it. What is not of the running epoch, or beyond what is on the disk,
    /// or not new, is passed over: it comes from a process that is not trusted. At most every few seconds: each call that
    /// brings something new waits for the disk.
    ///
    /// # Errors
    /// The system refuses to keep it, and nothing is taken in; or to remove what is delivered.
    pub fn delivered(&mut self, taken: &Positions) -> Result<(), SpoolError> {
        let mut positions = Positions::new();
        let mut is_new = false;
        for queue in &self.queues {
            let claimed = taken.get(&queue.class).filter(|cursor| cursor.epoch == queue.epoch);
            let claimed = claimed.map_or(0, |cursor| cursor.seq);
            let is_taken = claimed > queue.delivered && claimed <= queue.synced;
            let seq = if is_taken { claimed } else { queue.delivered };
            if seq > 0 {
                positions.insert(queue.class, Cursor { epoch: queue.epoch.clone(), seq });
            }
            is_new |= is_taken;
        }
        if is_new {
            // what is counted, and a loss that could not be told, must not be there when it is taken for delivered
            self.finish()?;
            for queue in &mut self.queues {
                queue.forget_failed(&mut *self.files)?;
            }
            // kept first: a loss that is told on the word of what a crash makes forgotten would leave out too much
            delivered::store(&mut *self.files, &positions)?;
            for queue in &mut self.queues {
                queue.delivered = positions.get(&queue.class).map_or(0, |cursor| cursor.seq);
            }
            self.tidy()?;
        }
        Ok(())
    }

    /// The place of the last record of a class that was taken; its number is 0 if there is none.
    pub fn position(&self, class: Class) -> Cursor {
        let queue = self.queue(class);
        Cursor { epoch: queue.epoch.clone(), seq: queue.seq }
    }

    /// Bytes of all records, as far as is known.
    pub fn bytes(&self) -> u64 {
        self.queues.iter().map(Queue::bytes).sum()
    }

    /// Whether the disk was full and only violations are taken.
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    pub(crate) fn queue(&self, class: Class) -> &Queue {
        &self.queues[at(class)]
    }

    fn largest_group(&self) -> u64 {
        u64::try_from(self.caps.record).unwrap_or(u64::MAX).saturating_mul(2)
    }

    /// Writes a group; where the disk is full, what may go goes first.
    pub(crate) fn store(&mut self, class: Class, group: &Group, is_urgent: bool) -> Result<(), SpoolError> {
        loop {
            let stored = self.queues[at(class)].store(&mut *self.files, self.caps.segment, group, is_urgent);
            match stored {
                Err(error) if error.is_disk_full() && self.give_way(is_urgent) => {}
                other => return other,
            }
        }
    }

    /// Writes records that tell of losses, all of one class or none. They are on the disk when this returns.
    pub(crate) fn tell(&mut self, losses: Vec<Loss>, now_ms: u64) -> Result<(), SpoolError> {
        if losses.is_empty() {
            return Ok(());
        }
        let is_of_violations = losses.iter().any(|loss| loss.of == Class::Violation);
        let class = if is_of_violations { Class::Violation } else { Class::Event };
        let mut group = GroupBuilder::new(&self.caps, &self.queues[at(class)], now_ms);
        for loss in &losses {
            group.tell(loss);
            group.add(&mut |chain| (self.gaps)(loss, class, chain))?;
        }
        let group = group.finish_with(losses);
        self.store(class, &group, true)
    }
}

/// Index of a class.
pub(crate) fn at(class: Class) -> usize {
    Class::ALL.iter().position(|other| *other == class).unwrap_or(0)
}

/// Lines for the next places of a class.
struct GroupBuilder {
    most: usize,
    chain: Chain,
    group: Group,
}

impl GroupBuilder {
    fn new(caps: &Caps, queue: &Queue, time_ms: u64) -> Self {
        let chain = queue.next();
        let group = Group {
            bytes: Vec::new(),
            first: chain.seq,
            last: queue.seq,
            time_ms,
            prev: queue.prev.clone(),
            losses: Vec::new(),
        };
        Self { most: caps.record, chain, group }
    }

    /// One more record would make it longer than a group may be.
    fn is_full(&self) -> bool {
        self.group.bytes.len() >= self.most
    }

    fn tell(&mut self, loss: &Loss) {
        self.group.losses.push((self.chain.seq, loss.clone()));
    }

    fn add(&mut self, build: &mut dyn FnMut(&Chain) -> Vec<u8>) -> Result<(), SpoolError> {
        let json = build(&self.chain);
        if json.len() > self.most {
            return Err(SpoolError::TooLong { bytes: json.len(), most: self.most });
        }
        if json.contains(&b'\n') {
            return Err(SpoolError::NoRecord("it has more than one line"));
        }
        if line::chain_of(&json).as_ref() != Some(&self.chain) || line::is_note(&json) {
            return Err(SpoolError::NoRecord("it is not JSON with the chain that it was given"));
        }
        self.group.bytes.extend(line::encode(self.group.time_ms, &json));
        self.group.last = self.chain.seq;
        self.group.prev = line::digest(&json);
        self.chain.seq = self.chain.seq.saturating_add(1);
        self.chain.prev.clone_from(&self.group.prev);
        Ok(())
    }

    fn finish(self) -> Group {
        self.group
    }

    /// The group, after a note of the losses that its records tell of: both are there after a crash, or neither.
    fn finish_with(self, losses: Vec<Loss>) -> Group {
        let mut group = self.group;
        let mut bytes = line::encode_note(group.time_ms, &Note::Counted { losses });
        bytes.append(&mut group.bytes);
        group.bytes = bytes;
        group
    }
}
