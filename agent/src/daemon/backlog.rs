//! Hints on their way to the daemon: so many and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Hints that wait. Beyond that they count as lost, as the system's own queue does when it is full.
///
/// Attack: a user who writes files faster than they are looked at would fill the memory of an agent of all users.
const MOST: usize = 65_536;

/// Counts them; one count for whoever sends and whoever takes.
#[derive(Debug, Clone, Default)]
pub(super) struct Backlog(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    waiting: AtomicUsize,
    is_lost: AtomicBool,
}

impl Backlog {
    /// Whether one more may be sent; else it is noted that one was lost.
    pub(super) fn comes(&self) -> bool {
        let has_room = self.0.waiting.fetch_add(1, Ordering::Relaxed) < MOST;
        if !has_room {
            self.0.waiting.fetch_sub(1, Ordering::Relaxed);
            self.0.is_lost.store(true, Ordering::Relaxed);
        }
        has_room
    }

    /// One was taken.
    pub(super) fn taken(&self) {
        let less = |waiting: usize| Some(waiting.saturating_sub(1));
        let _ = self.0.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Whether some were lost since this was last asked.
    pub(super) fn has_lost(&self) -> bool {
        self.0.is_lost.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_beyond_the_room_is_lost_and_told_once() {
        let sender = Backlog::default();
        let taker = sender.clone();
        assert!((0..MOST).all(|_| sender.comes()));
        assert!(!taker.has_lost());
        assert!(!sender.comes() && !sender.comes());
        assert!(taker.has_lost() && !taker.has_lost());
        taker.taken();
        assert!(sender.comes() && !sender.comes());
    }
}
