//! Room: what goes when the caps or the disk ask for it, and in which order.

use mcpolicy_schema::report::v1::{Class, Loss};

use crate::error::{SpoolError, disk};
use crate::files;
use crate::queue::Queue;
use crate::reserve;
use crate::segment;
use crate::spool::{Spool, at};

/// Why records were dropped for others.
const NO_ROOM: &str = "room";
/// How long after a try the reserve is not tried again, in milliseconds: each writes all of it.
const RESERVE_EVERY_MS: u64 = 600_000;

impl Spool {
    /// Drops segments until there is room for a group of a class. A violation is taken over the cap rather than refused.
    pub(crate) fn make_room(&mut self, class: Class, bytes: u64, now_ms: u64) -> Result<(), SpoolError> {
        // attack: a user who calls, or makes up calls, a hundred thousand times. They push out each other and nothing else
        while class == Class::ToolCall
            && self.queue(class).bytes().saturating_add(bytes) > self.caps.tool_calls
            && self.queue(class).removable() > 0
        {
            self.drop_of(class, now_ms)?;
        }
        while let Some(only_others) = self.is_over(class, bytes) {
            match self.drop_one(class, only_others, now_ms) {
                Err(_) if class == Class::Violation => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    fn drop_one(&mut self, class: Class, only_others: bool, now_ms: u64) -> Result<(), SpoolError> {
        // an earlier segment that is counted and still there must go before the record that says so can go
        self.finish()?;
        let victim = self.victim(class, only_others).ok_or(SpoolError::Full(class))?;
        self.drop_of(victim, now_ms)
    }

    /// Drops the oldest segment of a class.
    fn drop_of(&mut self, class: Class, now_ms: u64) -> Result<(), SpoolError> {
        self.finish()?;
        let before = self.bytes();
        self.tell_of_oldest(class, now_ms)?;
        self.remove_oldest(class)?;
        // what tells of a loss may be longer than what was lost, where caps are tiny: that would never end
        if self.bytes() < before { Ok(()) } else { Err(SpoolError::Full(class)) }
    }

    /// Whether a cap does not let a group of a class in, and whether it is the one of all classes but violations.
    fn is_over(&self, class: Class, bytes: u64) -> Option<bool> {
        let violations = self.queue(Class::Violation).bytes();
        let others = self.bytes().saturating_sub(violations);
        let room = self.caps.total.saturating_sub(self.caps.violations);
        if class != Class::Violation && others.saturating_add(bytes) > room {
            return Some(true);
        }
        (self.bytes().saturating_add(bytes) > self.caps.total).then_some(false)
    }

    /// The class whose oldest segment goes next for a record of another.
    fn victim(&self, class: Class, only_others: bool) -> Option<Class> {
        let is_asked = |queue: &&Queue| !only_others || queue.class != Class::Violation;
        if let Some(delivered) = self.oldest_delivered(is_asked) {
            return Some(delivered);
        }
        let has_more_than_its_own = |queue: &Queue| {
            let oldest = queue.segments.first().map_or(0, |held| held.bytes);
            queue.bytes().saturating_sub(oldest) >= self.caps.violations
        };
        let may_go = |queue: &&Queue| {
            queue.removable() > 0
                && (queue.class != Class::Violation
                    || class == Class::Violation
                    || has_more_than_its_own(queue))
        };
        // the classes stand in the order in which they are dropped
        self.queues.iter().filter(is_asked).find(may_go).map(|queue| queue.class)
    }

    /// The class with the oldest segment of which all is delivered.
    fn oldest_delivered(&self, is_asked: impl Fn(&&Queue) -> bool) -> Option<Class> {
        let delivered = self.queues.iter().filter(is_asked).filter(|queue| {
            queue.removable() > 0 && queue.segments.first().is_some_and(|held| held.last <= queue.delivered)
        });
        delivered.min_by_key(|queue| queue.segments.first().map(|held| held.time_ms)).map(|queue| queue.class)
    }

    /// Tells what is lost with the oldest segment of a class, before it goes: after a crash between the two, the next
    /// opening finds the note of that and removes the segment without counting it again.
    fn tell_of_oldest(&mut self, class: Class, now_ms: u64) -> Result<(), SpoolError> {
        let queue = self.queue(class);
        let Some(oldest) = queue.segments.first() else { return Ok(()) };
        let loss = |(first, last)| Loss {
            of: class,
            epoch: queue.epoch.clone(),
            first,
            last,
            count: last - first + 1,
            reason: NO_ROOM.to_owned(),
        };
        // a loss that was told in it and has not left is told again, or nobody would ever hear of it
        let told = oldest.losses.iter().filter(|(of, _)| *of > queue.delivered).map(|(_, loss)| loss.clone());
        let losses = merge(told.chain(oldest.undelivered(queue.delivered).map(loss)));
        self.tell(losses, now_ms)
    }

    fn remove_oldest(&mut self, class: Class) -> Result<(), SpoolError> {
        if let Some(oldest) = self.queues[at(class)].segments.first_mut() {
            oldest.is_going = true;
        }
        self.finish()
    }

    /// Removes what is counted or delivered and has to go.
    pub(crate) fn finish(&mut self) -> Result<(), SpoolError> {
        for queue in &mut self.queues {
            while let Some(going) = queue.segments.iter().position(|held| held.is_going) {
                let name = segment::name(queue.class, queue.segments[going].first);
                files::remove(&mut *self.files, &name)?;
                queue.segments.remove(going);
                self.has_removed = true;
            }
        }
        if self.has_removed {
            self.files.sync_directory().map_err(disk("sync the names of", "segments"))?;
            self.has_removed = false;
        }
        Ok(())
    }

    /// Removes what has to go: what is counted, and of the delivered what is over its cap.
    pub(crate) fn tidy(&mut self) -> Result<(), SpoolError> {
        self.finish()?;
        while self.delivered_bytes() > self.caps.sent
            && let Some(class) = self.oldest_delivered(|_| true)
        {
            self.remove_oldest(class)?;
        }
        Ok(())
    }

    fn delivered_bytes(&self) -> u64 {
        let of = |queue: &Queue| {
            let segments = queue.segments.iter().take(queue.removable());
            segments.filter(|held| held.last <= queue.delivered).map(|held| held.bytes).sum::<u64>()
        };
        self.queues.iter().map(of).sum()
    }

    /// Frees room on a full disk: the reserve, for what may use it, and what is delivered. Whether there was any.
    pub(crate) fn give_way(&mut self, may_use_reserve: bool) -> bool {
        if may_use_reserve && !self.is_short && self.caps.reserve > 0 {
            self.is_short = true;
            return reserve::give_up(&mut *self.files).is_ok();
        }
        self.finish().is_ok()
            && self.oldest_delivered(|_| true).is_some_and(|class| self.remove_oldest(class).is_ok())
    }

    /// Makes the reserve again if it was given up.
    pub(crate) fn restore_reserve(&mut self, now_ms: u64) {
        if self.is_short && now_ms.abs_diff(self.reserve_tried) >= RESERVE_EVERY_MS {
            self.reserve_tried = now_ms;
            self.is_short = !reserve::make(&mut *self.files, self.caps.reserve);
        }
    }
}

/// Losses that follow on each other as one.
fn merge(losses: impl Iterator<Item = Loss>) -> Vec<Loss> {
    let mut merged: Vec<Loss> = Vec::new();
    for loss in losses {
        let before = merged.iter_mut().find(|before| {
            (before.of, &before.epoch, &before.reason) == (loss.of, &loss.epoch, &loss.reason)
                && before.last.checked_add(1) == Some(loss.first)
        });
        match before {
            Some(before) => {
                before.last = loss.last;
                before.count = before.count.saturating_add(loss.count);
            }
            None => merged.push(loss),
        }
    }
    merged
}
