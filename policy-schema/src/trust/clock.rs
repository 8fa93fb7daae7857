//! The trusted time: a wall clock that was set back does not bring old documents to life, and one that was set far
//! ahead does not end them for ever.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Staleness;

/// A wall clock this much behind is told.
const ROLLBACK: SignedDuration = SignedDuration::from_mins(5);
/// A wall clock that leaps this far ahead, and this far past the end of the newest head, is told and not believed.
const JUMP: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How far ahead the clock of a signer may be.
const SKEW: SignedDuration = SignedDuration::from_hours(24);

/// A moment on the clock that runs while the machine sleeps but starts anew at each boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime {
    /// Which boot.
    pub boot: String,
    /// Seconds since then.
    pub seconds: u64,
}

/// What the machine's clocks say at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: Timestamp,
    /// The clock since boot, where there is one.
    pub uptime: Option<Uptime>,
}

/// Something wrong with the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockEvent {
    /// It is behind a time that is known to have passed.
    ClockRollback,
    /// It leapt far ahead.
    ClockJump,
}

/// The time, as far as it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// The wall clock, believed or not.
    pub wall: Timestamp,
    /// For ends of exceptions and grants: the later of all that may be true.
    pub judging: Timestamp,
    /// For documents: a leap ahead is not believed, so that it can be recovered from.
    pub verifying: Timestamp,
    /// What the wall clock says now, or the newest document: what it said before is left out, which may have been wrong.
    pub vouched: Timestamp,
    /// What is wrong with the wall clock.
    pub event: Option<ClockEvent>,
}

impl From<Timestamp> for Time {
    fn from(now: Timestamp) -> Self {
        Self::certain(now)
    }
}

impl Time {
    /// A time that needs no doubt: of a command that was told the time, or of a test.
    pub fn certain(now: Timestamp) -> Self {
        Self { wall: now, judging: now, verifying: now, vouched: now, event: None }
    }

    /// Whether something can have been issued at this time; a day is allowed for clocks that differ.
    pub(super) fn may_have_issued(self, issued: Timestamp) -> bool {
        // the wall clock alone: floors are raised by documents, and a stolen key must not push time on with each one
        issued.duration_since(self.wall) <= SKEW
    }

    /// The time without what only the wall clock said before.
    pub(super) fn without_claims(self) -> Self {
        let vouched = self.vouched;
        Self { wall: self.wall, judging: vouched, verifying: vouched, vouched, event: None }
    }

    /// The rung under doubt: with a clock that leapt ahead nothing counts as fresh.
    #[must_use]
    pub fn doubting(self, rung: Staleness) -> Staleness {
        if self.event == Some(ClockEvent::ClockJump) { rung.max(Staleness::Stale) } else { rung }
    }
}

/// The rising floor of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    floor: Timestamp,
    /// Of the floor, what documents say; the rest is what the wall clock has said. Absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vouched: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Uptime>,
}

impl Clock {
    /// A clock that knows only that this time has passed, for example that of the build.
    pub fn new(floor: Timestamp) -> Self {
        Self { floor, vouched: None, since: None }
    }

    /// The time that is known to have passed when the floor was last raised.
    pub fn floor(&self) -> Timestamp {
        self.floor
    }

    /// A verified document was issued at this time, so it has passed.
    pub fn raise(&mut self, issued: Timestamp) {
        if issued > self.floor {
            // time since boot is counted from the next reading on, which loses some and invents none
            *self = Self::new(issued);
        } else if self.vouched.is_some_and(|vouched| vouched < issued) {
            self.vouched = Some(issued);
        }
    }

    /// Leaves what only the wall clock has said: a document that was never seen before says that it was wrong.
    pub(super) fn recover(&mut self, time: Time) {
        self.floor = time.vouched;
    }

    /// Takes the place of the floor: an offline key says so, after another had moved it far ahead.
    pub fn reset(&mut self, issued: Timestamp) {
        *self = Self::new(issued);
    }

    /// Reads the clocks, and moves the floor along. `head_expires` is the end of the newest verified head.
    pub fn read(&mut self, reading: Reading, head_expires: Option<Timestamp>) -> Time {
        let elapsed = self.elapsed(&reading);
        let later = |time: Timestamp| time.saturating_add(elapsed).unwrap_or(time);
        let (steady, known) = (later(self.floor), later(self.vouched.unwrap_or(self.floor)));
        let wall = reading.wall;
        let leapt = wall.duration_since(steady) > JUMP
            && head_expires.is_some_and(|expires| wall.duration_since(expires) > JUMP);
        let event = if leapt {
            Some(ClockEvent::ClockJump)
        } else if steady.duration_since(wall) > ROLLBACK {
            Some(ClockEvent::ClockRollback)
        } else {
            None
        };
        let verifying = if leapt { steady } else { wall.max(steady) };
        let vouched = if leapt { known } else { wall.max(known) };
        *self = Self { floor: verifying, vouched: Some(known), since: reading.uptime };
        Time { wall, judging: wall.max(steady), verifying, vouched, event }
    }

    /// Time since the floor was set, if that was in the same boot.
    fn elapsed(&self, reading: &Reading) -> SignedDuration {
        let seconds = match (&self.since, &reading.uptime) {
            (Some(then), Some(now)) if then.boot == now.boot => now.seconds.saturating_sub(then.seconds),
            _ => 0,
        };
        SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        // 2026-01-01 and some hours
        Timestamp::new(1_767_225_600, 0).unwrap() + SignedDuration::from_hours(hours)
    }

    fn reading(wall: i64, boot: &str, up: u64) -> Reading {
        Reading { wall: at(wall), uptime: Some(Uptime { boot: boot.to_owned(), seconds: up * 3600 }) }
    }

    #[test]
    fn a_wall_clock_that_was_set_back_does_not_turn_time_back() {
        let mut clock = Clock::new(at(0));
        assert_eq!(clock.read(reading(100, "a", 1), None), Time::certain(at(100)));
        let time = clock.read(reading(10, "a", 3), None);
        assert_eq!(time.event, Some(ClockEvent::ClockRollback));
        assert_eq!((time.judging, time.verifying), (at(102), at(102)));
        // nor does a reboot
        let time = clock.read(reading(10, "b", 0), None);
        assert_eq!((time.verifying, time.event), (at(102), Some(ClockEvent::ClockRollback)));
    }

    #[test]
    fn small_corrections_of_the_clock_are_no_event() {
        let mut clock = Clock::new(at(0));
        clock.read(reading(100, "a", 1), None);
        let behind = Reading { wall: at(100) - SignedDuration::from_mins(4), ..reading(0, "a", 1) };
        let time = clock.read(behind, None);
        assert_eq!((time.judging, time.event), (at(100), None));
    }

    #[test]
    fn a_leap_ahead_makes_nothing_expire_for_ever() {
        let mut clock = Clock::new(at(0));
        clock.read(reading(100, "a", 1), Some(at(172)));
        let years = 24 * 365 * 9;
        let time = clock.read(reading(years, "a", 2), Some(at(172)));
        assert_eq!(time.event, Some(ClockEvent::ClockJump));
        // exceptions end by the later time, documents are judged by the steady one
        assert_eq!((time.judging, time.verifying), (at(years), at(101)));
        assert_eq!(time.doubting(Staleness::Fresh), Staleness::Stale);
        assert_eq!(time.doubting(Staleness::Expired), Staleness::Expired);
        // set right again, it is as if nothing had happened
        assert_eq!(clock.read(reading(103, "a", 4), Some(at(172))), Time::certain(at(103)));
    }

    #[test]
    fn time_goes_on_while_the_wall_clock_is_not_believed() {
        let mut clock = Clock::new(at(0));
        clock.read(reading(100, "a", 1), Some(at(172)));
        let years = 24 * 365 * 9;
        for hours in 1..1000 {
            let wall = years + i64::try_from(hours).unwrap();
            let time = clock.read(reading(wall, "a", 1 + hours), Some(at(172)));
            assert_eq!(time.verifying, at(100 + i64::try_from(hours).unwrap()));
        }
    }

    #[test]
    fn a_laptop_that_lay_switched_off_for_a_fortnight_sees_the_time() {
        let mut clock = Clock::new(at(0));
        clock.read(reading(100, "a", 1), Some(at(172)));
        assert_eq!(clock.read(reading(500, "b", 0), Some(at(172))), Time::certain(at(500)));
    }

    #[test]
    fn a_verified_document_raises_the_floor_and_only_a_root_lowers_it() {
        let mut clock = Clock::new(at(0));
        clock.raise(at(50));
        clock.raise(at(20));
        assert_eq!(clock.floor(), at(50));
        clock.reset(at(30));
        assert_eq!(clock.floor(), at(30));
    }

    #[test]
    fn only_a_leap_that_is_also_far_past_the_head_is_doubted() {
        let month = 30 * 24;
        let read = |from: i64, wall: i64, head: Option<i64>| {
            let time = Clock::new(at(from)).read(reading(wall, "a", 1), head.map(at));
            (time.verifying, time.event)
        };
        let leapt = |from| (at(from), Some(ClockEvent::ClockJump));
        assert_eq!(read(0, month + 9, Some(8)), leapt(0));
        assert_eq!(read(0, month + 9, None), (at(month + 9), None), "no head says anything");
        assert_eq!(read(month + 8, month + 9, Some(0)), (at(month + 9), None), "no leap");
        // a month exactly is none
        assert_eq!(read(9, month + 9, Some(0)), (at(month + 9), None));
        assert_eq!(read(0, month + 9, Some(9)), (at(month + 9), None));
    }

    #[test]
    fn five_minutes_behind_are_no_event_and_more_are() {
        let behind = |seconds| {
            let wall = at(100) - SignedDuration::from_secs(seconds);
            Clock::new(at(100)).read(Reading { wall, uptime: None }, None).event
        };
        assert_eq!((behind(300), behind(301)), (None, Some(ClockEvent::ClockRollback)));
    }

    #[test]
    fn time_since_another_boot_is_not_added_and_that_of_this_one_is_not_lost() {
        let mut clock = Clock::new(at(0));
        clock.read(reading(100, "a", 1), None);
        assert_eq!(clock.clone().read(reading(10, "b", 5), None).verifying, at(100));
        // a document as old as the floor raises nothing
        clock.raise(at(100));
        assert_eq!(clock.read(reading(10, "a", 3), None).verifying, at(102));
    }
}
