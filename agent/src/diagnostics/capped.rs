//! A file of the log that ends at a size, and the count of what is missing.

use std::io::{self, Write};

use jiff::Timestamp;

/// Seconds between two lines about what is missing.
const BETWEEN: i64 = 60;
const DAY: i64 = 24 * 60 * 60;

/// Writes lines until the file of the day is as large as it may be.
pub(super) struct Capped<W> {
    inner: W,
    most: u64,
    written: u64,
    day: i64,
    is_full: bool,
    clock: Box<dyn Fn() -> Timestamp + Send>,
    /// Lines that the queue before us had no room for, since the beginning.
    lost: Box<dyn Fn() -> usize + Send>,
    told_lost: usize,
    /// Lines that we did not write, since it was told last.
    unwritten: usize,
    told_at: Option<Timestamp>,
}

impl<W: Write> Capped<W> {
    /// `written`: what is in the file already.
    pub(super) fn new(
        inner: W,
        most: u64,
        written: u64,
        clock: Box<dyn Fn() -> Timestamp + Send>,
        lost: Box<dyn Fn() -> usize + Send>,
    ) -> Self {
        let day = day_of(clock());
        Self {
            inner,
            most,
            written,
            day,
            is_full: false,
            clock,
            lost,
            told_lost: 0,
            unwritten: 0,
            told_at: None,
        }
    }

    fn put(&mut self, line: &[u8]) -> bool {
        let is_written = self.inner.write_all(line).is_ok();
        if is_written {
            self.written += line.len() as u64;
        }
        is_written
    }

    fn put_own(&mut self, now: Timestamp, text: &str) -> bool {
        self.put(format!("{now:.3} WARN mcpolicy::diagnostics: {text}\n").as_bytes())
    }

    /// Says what is missing, at most once a minute.
    fn tell_missing(&mut self, now: Timestamp) {
        let lost = (self.lost)();
        let of_queue = lost.saturating_sub(self.told_lost);
        if of_queue == 0 && self.unwritten == 0 {
            return;
        }
        if self.told_at.is_some_and(|at| now.as_second() - at.as_second() < BETWEEN) {
            return;
        }
        let unwritten = self.unwritten;
        let text = format!(
            "lines are missing: {of_queue} came faster than they could be written, {unwritten} did not fit the file or \
             the disk"
        );
        if self.put_own(now, &text) {
            (self.told_lost, self.unwritten, self.told_at) = (lost, 0, Some(now));
        }
    }
}

impl<W: Write> Write for Capped<W> {
    /// One call is one line. It is taken in any case: nobody could do anything about it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let now = (self.clock)();
        let day = day_of(now);
        if day != self.day {
            // the file is another
            (self.day, self.written, self.is_full) = (day, 0, false);
        }
        if !self.is_full && self.written + line.len() as u64 > self.most {
            self.is_full = true;
            self.put_own(now, "the file is full: what follows today is counted, and not written");
        }
        if !self.is_full {
            self.tell_missing(now);
        }
        if self.is_full || !self.put(line) {
            self.unwritten += 1;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// As the files are named, by UTC.
fn day_of(time: Timestamp) -> i64 {
    time.as_second().div_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Disk {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
        }

        fn set_failing(&self, is_failing: bool) {
            self.0.lock().unwrap().1 = is_failing;
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            if disk.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct World {
        disk: Disk,
        seconds: Arc<AtomicI64>,
        lost: Arc<AtomicUsize>,
        writer: Capped<Disk>,
    }

    fn world(most: u64, written: u64) -> World {
        let (disk, seconds, lost) = (Disk::default(), Arc::new(AtomicI64::new(0)), Arc::default());
        let (clock, of_queue): (Arc<AtomicI64>, Arc<AtomicUsize>) = (Arc::clone(&seconds), Arc::clone(&lost));
        let clock = Box::new(move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap());
        let of_queue = Box::new(move || of_queue.load(Ordering::Relaxed));
        let writer = Capped::new(disk.clone(), most, written, clock, of_queue);
        World { disk, seconds, lost, writer }
    }

    #[test]
    fn a_file_ends_at_its_size_and_the_next_day_says_how_much_is_missing() {
        let mut world = world(1000, 0);
        for _ in 0..100 {
            world.writer.write_all(&[b'x'; 100]).unwrap();
        }
        let text = world.disk.text();
        assert!(text.len() < 1200 && text.contains("the file is full"), "{text}");
        world.seconds.store(DAY, Ordering::Relaxed);
        world.writer.write_all(b"next\n").unwrap();
        let text = world.disk.text();
        assert!(text.contains("90 did not fit") && text.ends_with("next\n"), "{text}");
    }

    #[test]
    fn an_agent_that_starts_again_and_again_does_not_begin_the_count_anew() {
        let mut world = world(1000, 990);
        world.writer.write_all(&[b'x'; 100]).unwrap();
        assert!(!world.disk.text().contains("xxx"));
    }

    #[test]
    fn what_the_queue_dropped_is_told_once_a_minute() {
        let mut world = world(100_000, 0);
        let told = |world: &World| world.disk.text().matches("lines are missing").count();
        world.writer.write_all(b"one\n").unwrap();
        assert_eq!(told(&world), 0);
        for second in 0..60 {
            world.seconds.store(second, Ordering::Relaxed);
            world.lost.fetch_add(1, Ordering::Relaxed);
            world.writer.write_all(b"line\n").unwrap();
        }
        assert_eq!(told(&world), 1);
        world.seconds.store(60, Ordering::Relaxed);
        world.writer.write_all(b"line\n").unwrap();
        assert_eq!(told(&world), 2);
        assert!(world.disk.text().contains("59 came faster"));
    }

    #[test]
    fn a_disk_that_is_full_stops_nothing_and_is_told_when_there_is_room_again() {
        let mut world = world(100_000, 0);
        world.disk.set_failing(true);
        (0..3).for_each(|_| world.writer.write_all(b"lost\n").unwrap());
        world.disk.set_failing(false);
        world.writer.write_all(b"kept\n").unwrap();
        let text = world.disk.text();
        assert!(
            text.contains("3 did not fit") && text.ends_with("kept\n") && !text.contains("lost\n"),
            "{text}"
        );
    }
}
