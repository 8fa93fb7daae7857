//! The loop, on a clock that does not run by itself.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpolicy_ship::drive::{Driver, Pace, Signals, Source, Told};
use mcpolicy_ship::{Batch, Limits, Line, Receipt, Sink, SinkError};
use proptest::prelude::*;
use tokio::sync::watch;
use tokio::time::Instant;

/// A spool in memory, at the cursor of one sink.
#[derive(Clone, Default)]
struct Spool(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    waiting: VecDeque<(Line, bool)>,
    settled: Vec<String>,
    aside: Vec<String>,
    is_broken: bool,
}

impl Spool {
    fn with(count: u64) -> Self {
        let spool = Self::default();
        (1..=count).for_each(|seq| spool.add(&format!("e{seq}"), false));
        spool
    }

    fn add(&self, id: &str, is_urgent: bool) {
        let seq = id[1..].parse().unwrap();
        let line =
            Line { id: id.to_owned(), class: "event".to_owned(), seq, time_ms: 0, json: b"{}".to_vec() };
        self.0.lock().unwrap().waiting.push_back((line, is_urgent));
    }
}

impl Source for Spool {
    fn next_batch(&mut self, limits: Limits) -> io::Result<Option<Batch>> {
        let kept = self.0.lock().unwrap();
        if kept.is_broken {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let is_urgent = kept.waiting.iter().any(|(_, is_urgent)| *is_urgent);
        let wanted = kept.waiting.iter().filter(|(_, urgent)| *urgent == is_urgent);
        let lines = wanted.take(limits.max_records).map(|(line, _)| line.clone()).collect();
        Ok(Batch::new("dev-1", lines, is_urgent))
    }

    fn advance(&mut self, batch: &Batch, count: usize, _: &Receipt) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap();
        for line in &batch.lines[..count] {
            kept.waiting.retain(|(other, _)| other.id != line.id);
            kept.settled.push(line.id.clone());
        }
        Ok(())
    }

    fn set_aside(&mut self, _: &Batch, line: &Line, _: &str) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap();
        kept.waiting.retain(|(other, _)| other.id != line.id);
        kept.aside.push(line.id.clone());
        Ok(())
    }
}

type Answers = dyn FnMut(&Batch, Duration) -> Option<Result<Receipt, SinkError>> + Send;

/// A receiver that answers as it is told; nothing is one that hangs.
struct Fake {
    answers: Box<Answers>,
    started: Instant,
}

impl Sink for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn limits(&self) -> Limits {
        Limits { max_records: 8, max_bytes: 1000 }
    }

    async fn send(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        match (self.answers)(batch, self.started.elapsed()) {
            Some(answer) => answer,
            None => pending().await,
        }
    }
}

fn fake(
    answers: impl FnMut(&Batch, Duration) -> Option<Result<Receipt, SinkError>> + Send + 'static,
) -> Fake {
    Fake { answers: Box::new(answers), started: Instant::now() }
}

fn taken(batch: &Batch) -> Option<Result<Receipt, SinkError>> {
    Some(Ok(Receipt { accepted: batch.lines.len(), ..Receipt::default() }))
}

fn down() -> Option<Result<Receipt, SinkError>> {
    Some(Err(SinkError::Retry { after: None, reason: "down".to_owned() }))
}

/// Numbers that look random and are the same each time.
fn draws(mut seed: u64) -> impl FnMut() -> u64 + Send + 'static {
    move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 27
    }
}

fn driver(sink: Fake, spool: &Spool) -> (Driver<Fake, Spool>, Arc<Mutex<Vec<Told>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    let tell = move |_: &str, what| kept.lock().unwrap().push(what);
    (Driver::new(sink, spool.clone(), Pace::default(), draws(7), tell), told)
}

fn in_an_hour() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

#[tokio::test(start_paused = true)]
async fn everything_is_sent_in_order() {
    let spool = Spool::with(20);
    let (mut driver, _) = driver(fake(|batch, _| taken(batch)), &spool);
    assert!(driver.until_empty(in_an_hour()).await);
    let expected: Vec<String> = (1..=20).map(|seq| format!("e{seq}")).collect();
    assert_eq!(spool.0.lock().unwrap().settled, expected);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_an_hour_loses_nothing_and_asks_seldom() {
    let spool = Spool::with(20);
    let tries = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&tries);
    let sink = fake(move |batch, time| {
        *counted.lock().unwrap() += 1;
        if time < Duration::from_secs(3600) { down() } else { taken(batch) }
    });
    let (mut driver, _) = driver(sink, &spool);
    let started = Instant::now();
    assert!(driver.until_empty(started + Duration::from_secs(7200)).await);
    assert_eq!(spool.0.lock().unwrap().settled.len(), 20);
    let tries = *tries.lock().unwrap();
    assert!((6..40).contains(&tries), "{tries} tries in an hour");
    assert!(started.elapsed() <= Duration::from_secs(3600 + 15 * 60));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_holds_up_no_other() {
    let (slow, fast) = (Spool::with(3), Spool::with(3));
    let (hanging, told) = driver(fake(|_, _| None), &slow);
    let (going, _) = driver(fake(|batch, _| taken(batch)), &fast);
    let (stop, stopped) = watch::channel(false);
    let signals = Signals { added: watch::channel(0).1, stop: stopped };
    let both = [tokio::spawn(hanging.run(signals.clone())), tokio::spawn(going.run(signals))];
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(fast.0.lock().unwrap().settled.len(), 3);
    assert!(slow.0.lock().unwrap().settled.is_empty());
    let waits = told.lock().unwrap().iter().filter(|told| matches!(told, Told::Waiting { .. })).count();
    assert!(waits > 2, "the one that hangs is tried again");
    stop.send(true).unwrap();
    for task in both {
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_violation_gets_one_try_at_once_even_while_there_is_a_wait() {
    let spool = Spool::with(1);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let sink = fake(move |batch, time| {
        kept.lock().unwrap().push((batch.is_urgent, time));
        down()
    });
    let (driver, _) = driver(sink, &spool);
    let (stop, stopped) = watch::channel(false);
    let (added, seen_added) = watch::channel(0);
    let signals = Signals { added: seen_added, stop: stopped };
    let running = tokio::spawn(driver.run(signals));
    // the first try is splayed over five minutes
    while seen.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let first = seen.lock().unwrap()[0].1;
    spool.add("v9", true);
    added.send_modify(|count| *count += 1);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let tries: Vec<bool> = seen.lock().unwrap().iter().map(|(is_urgent, _)| *is_urgent).collect();
    assert_eq!(tries, [false, true]);
    assert!(seen.lock().unwrap()[1].1 - first < Duration::from_secs(2));
    // and no second one before the wait is over
    added.send_modify(|count| *count += 1);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(seen.lock().unwrap().len(), 2);
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_receiver_asked_for_is_kept_even_for_a_violation() {
    let spool = Spool::with(1);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let sink = fake(move |_, time| {
        kept.lock().unwrap().push(time);
        Some(Err(SinkError::Retry { after: Some(Duration::from_secs(600)), reason: String::new() }))
    });
    let (driver, _) = driver(sink, &spool);
    let (_stop, stopped) = watch::channel(false);
    let (added, seen_added) = watch::channel(0);
    let signals = Signals { added: seen_added, stop: stopped };
    tokio::spawn(driver.run(signals));
    tokio::time::sleep(Duration::from_secs(301)).await;
    spool.add("v9", true);
    added.send_modify(|count| *count += 1);
    tokio::time::sleep(Duration::from_secs(1200)).await;
    let seen = seen.lock().unwrap();
    assert!(
        seen.len() >= 2 && seen.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(600)),
        "{seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_line_that_is_too_large_is_set_aside_and_the_others_arrive() {
    let spool = Spool::with(20);
    let is_bad = |batch: &Batch| batch.lines.iter().any(|line| line.id == "e13");
    let sink = fake(move |batch, _| match is_bad(batch) {
        true => Some(Err(SinkError::TooLarge { reason: "413".to_owned() })),
        false => taken(batch),
    });
    let (mut driver, _) = driver(sink, &spool);
    assert!(driver.until_empty(in_an_hour()).await);
    let kept = spool.0.lock().unwrap();
    assert_eq!((kept.settled.len(), &*kept.aside), (19, &["e13".to_owned()][..]));
}

#[tokio::test(start_paused = true)]
async fn lines_that_a_receiver_cannot_read_are_set_aside_and_the_others_arrive() {
    let spool = Spool::with(20);
    let bad = ["e3", "e4", "e17"];
    let sink = fake(move |batch, _| match batch.lines.iter().any(|line| bad.contains(&&*line.id)) {
        true => Some(Err(SinkError::Poison { may_try_again: true, reason: "400".to_owned() })),
        false => taken(batch),
    });
    let (mut driver, told) = driver(sink, &spool);
    assert!(driver.until_empty(Instant::now() + Duration::from_secs(24 * 3600)).await);
    let kept = spool.0.lock().unwrap();
    assert_eq!((kept.settled.len(), &*kept.aside), (17, &bad.map(str::to_owned)[..]));
    assert_eq!(told.lock().unwrap().iter().filter(|told| matches!(told, Told::SetAside { .. })).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_can_read_nothing_costs_three_lines_and_no_more() {
    let spool = Spool::with(50);
    let sink = fake(|_, _| Some(Err(SinkError::Poison { may_try_again: false, reason: "400".to_owned() })));
    let (mut driver, _) = driver(sink, &spool);
    assert!(!driver.until_empty(Instant::now() + Duration::from_secs(7 * 24 * 3600)).await);
    assert_eq!(spool.0.lock().unwrap().aside.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_spool_that_cannot_be_read_is_told_and_looked_at_again() {
    let spool = Spool::with(1);
    spool.0.lock().unwrap().is_broken = true;
    let (driver, told) = driver(fake(|batch, _| taken(batch)), &spool);
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(driver.run(Signals { added: watch::channel(0).1, stop: stopped }));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(told.lock().unwrap().iter().all(|told| matches!(told, Told::Spool { .. })));
    spool.0.lock().unwrap().is_broken = false;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(spool.0.lock().unwrap().settled, ["e1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_a_receiver_answers_each_line_is_settled_or_set_aside_once(
        answers in proptest::collection::vec(0_u8..7, 0..60),
        count in 1_u64..30,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let spool = Spool::with(count);
            let mut answers = answers.into_iter();
            let sink = fake(move |batch, _| match answers.next() {
                Some(0) => down(),
                Some(1) => Some(Err(SinkError::TooLarge { reason: String::new() })),
                Some(2) => Some(Err(SinkError::Poison { may_try_again: true, reason: String::new() })),
                Some(3) => Some(Ok(Receipt { accepted: 1, ..Receipt::default() })),
                Some(4) => None,
                Some(5) => Some(Err(SinkError::Config { reason: String::new() })),
                _ => taken(batch),
            });
            let (mut driver, _) = driver(sink, &spool);
            let is_empty = driver.until_empty(Instant::now() + Duration::from_secs(7 * 24 * 3600)).await;
            assert!(is_empty);
            let kept = spool.0.lock().unwrap();
            let mut all: Vec<String> = kept.settled.iter().chain(&kept.aside).cloned().collect();
            all.sort_by_key(|id| id[1..].parse::<u64>().unwrap());
            assert_eq!(all, (1..=count).map(|seq| format!("e{seq}")).collect::<Vec<_>>());
        });
    }
}
