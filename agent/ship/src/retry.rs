//! What follows an answer: when to send again, how much, and what is given up. Pure: time and randomness are arguments.
//!
//! Waits are decorrelated: each is drawn between the one before and three times that, 30 s at least, and between 7.5 and 15 min
//! in the end. With a lower bound that stays at 30 s a fleet would ask twice as often as it usually does, for as long as the
//! outage lasts, and all that it has kept would come on top (`examples/fleet`).

use std::time::Duration;

use crate::sink::{Receipt, SinkError};

/// Shortest wait after a failure.
pub const SHORTEST: Duration = Duration::from_secs(30);
/// Longest wait after a failure, unless a receiver asks for more.
pub const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Longest wait that a receiver may ask for.
pub const MOST_ASKED: Duration = Duration::from_secs(60 * 60);
/// Tries after which lines that a receiver cannot read are cut down, and a single one is set aside.
pub const POISON_TRIES: u8 = 3;
/// So many single lines set aside in a row, with none taken between, mean that it is not the lines.
pub const MOST_ASIDE: u32 = 3;

/// A duration between two, by a random number.
pub fn between(low: Duration, high: Duration, draw: u64) -> Duration {
    let span = high.saturating_sub(low).as_nanos();
    // 2^64 draws over a span of nanoseconds: the bias is one part in a billion
    let part = span.saturating_mul(u128::from(draw)) >> 64;
    low + Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

/// The wait after one.
pub fn decorrelated(previous: Duration, draw: u64) -> Duration {
    let previous = previous.max(SHORTEST);
    between(previous.min(LONGEST / 2), previous.saturating_mul(3).min(LONGEST), draw)
}

/// How long `Retry-After` asks to wait, in seconds or until a date, an hour at most. `date` is the answer's own `Date`, since
/// the clocks of laptops are wrong; without it the time is taken that is given.
pub fn retry_after(value: &str, date: Option<&str>, now_ms: u64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(MOST_ASKED));
    }
    let until = http_date(value)?;
    let from = date.and_then(http_date).or_else(|| i64::try_from(now_ms).ok())?;
    let wait = u64::try_from(until.saturating_sub(from)).unwrap_or(0);
    Some(Duration::from_millis(wait).min(MOST_ASKED))
}

/// Milliseconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp().as_millisecond())
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Count so many lines from the front as settled, and go on at once.
    Advance(usize),
    /// Set the batch aside (it is one line) and go on at once.
    SetAside,
    /// Send the first so many lines of the same batch, at once.
    Fewer(usize),
    /// Send the same again after a wait.
    Wait(Duration),
}

/// How it goes with one receiver.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// The last wait after a failure; zero after a success.
    wait: Duration,
    /// The receiver itself asked for it.
    is_asked: bool,
    /// Tries of this batch that the receiver could not read.
    unread: u8,
    /// Single lines set aside since one was last taken.
    aside: u32,
    /// Lines at once, while a batch is cut down.
    at_once: Option<usize>,
}

impl Course {
    /// How many lines may be sent at once, where a batch had to be cut down.
    pub fn at_once(&self) -> Option<usize> {
        self.at_once
    }

    /// Whether something urgent may be tried at once although there is a wait: once, unless the receiver asked for the wait.
    pub fn admits_urgent(&self) -> bool {
        !self.is_asked
    }

    /// A batch of so many lines was answered to.
    pub fn after(&mut self, answer: &Result<Receipt, SinkError>, lines: usize, draw: u64) -> Next {
        match answer {
            Ok(receipt) => self.taken(receipt.accepted.min(lines)),
            Err(SinkError::TooLarge { .. }) if lines > 1 => self.fewer(lines),
            // a single line that is too large will never be smaller
            Err(SinkError::TooLarge { .. }) => self.set_aside(draw),
            Err(SinkError::Poison { may_try_again, .. }) => self.unread(*may_try_again, lines, draw),
            Err(SinkError::Retry { after: Some(asked), .. }) => {
                self.is_asked = true;
                self.wait = decorrelated(self.wait, draw);
                // all of a fleet are told the same moment: a tenth more or less spreads them
                let asked = (*asked).min(MOST_ASKED);
                Next::Wait(between(asked, asked + asked / 10 + Duration::from_secs(1), draw))
            }
            Err(SinkError::Retry { after: None, .. }) => self.wait(draw),
            // nothing will change before somebody changes it
            Err(SinkError::Unauthorized { .. } | SinkError::Config { .. }) => self.wait_long(draw),
        }
    }

    fn taken(&mut self, count: usize) -> Next {
        // what is cut down grows again: one large record makes no small batches for ever
        let at_once = self.at_once.map(|most| most.saturating_mul(2)).filter(|most| *most < MOST_CUT);
        *self = Self { at_once, ..Self::default() };
        Next::Advance(count)
    }

    fn fewer(&mut self, lines: usize) -> Next {
        let half = lines.div_ceil(2);
        self.at_once = Some(half);
        self.unread = 0;
        Next::Fewer(half)
    }

    fn unread(&mut self, may_try_again: bool, lines: usize, draw: u64) -> Next {
        self.unread = self.unread.saturating_add(1);
        if may_try_again && self.unread < POISON_TRIES {
            return self.wait(draw);
        }
        // one line that cannot be read takes no others with it: it is looked for by halves
        if lines > 1 {
            // known to hold it: its halves need no three tries each
            let next = self.fewer(lines);
            self.unread = POISON_TRIES;
            return next;
        }
        self.set_aside(draw)
    }

    fn set_aside(&mut self, draw: u64) -> Next {
        if self.aside >= MOST_ASIDE {
            // a receiver that refuses whatever comes is a fault of the settings: nothing is given up for it
            return self.wait_long(draw);
        }
        self.aside += 1;
        self.unread = 0;
        Next::SetAside
    }

    fn wait(&mut self, draw: u64) -> Next {
        self.is_asked = false;
        self.wait = decorrelated(self.wait, draw);
        Next::Wait(self.wait)
    }

    fn wait_long(&mut self, draw: u64) -> Next {
        self.is_asked = false;
        self.wait = between(LONGEST / 2, LONGEST, draw);
        Next::Wait(self.wait)
    }
}

/// Lines at once from which a batch no longer counts as cut down.
const MOST_CUT: usize = 500;

#[cfg(test)]
mod tests;
