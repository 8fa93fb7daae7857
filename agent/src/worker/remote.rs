//! Root's side of a worker: something that may hang, lie, flood or be stopped by its user at any moment.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcpolicy_platform::privileges::frames::FrameError;
use mcpolicy_platform::privileges::{self, Becoming, Start, Worker, spawn_worker};
use mcpolicy_schema::redact::Redactor;

use super::core::HomeSpec;
use super::wire::{self, Begin, Claims, MAX_SMALL_ANSWER, Said};
use super::{Answer, Channel, Failure, Request};

/// The hidden command that is a worker.
pub const COMMAND: &str = "worker";
/// How long a scan may tell nothing; it tells every second that it goes on.
const SILENCE: Duration = Duration::from_secs(15);
/// How long one file or path may take: 16 MiB parsed, 256 MiB hashed.
const ONE_FILE: Duration = Duration::from_secs(30);
/// What a scan may take beyond the time for its walk.
const BEYOND_WALK: Duration = Duration::from_secs(120);

/// Most files of which a scan tells at once that it reads them.
pub(super) const MAX_FILES_TOLD: u64 = 5_000;

/// What carries frames: a worker, or what stands for one in tests.
pub trait Frames {
    /// Gives it time anew.
    fn give_time(&mut self, time: Duration);
    /// Sends one.
    ///
    /// # Errors
    /// The other side has ended, or its time is over.
    fn send(&mut self, bytes: &[u8]) -> Result<(), FrameError>;
    /// Waits for one of at most `cap` bytes.
    ///
    /// # Errors
    /// As [`Self::send`]; it is longer.
    fn receive(&mut self, cap: u32) -> Result<Vec<u8>, FrameError>;
}

impl Frames for Worker {
    fn give_time(&mut self, time: Duration) {
        Worker::give_time(self, time);
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        Worker::send(self, bytes)
    }

    fn receive(&mut self, cap: u32) -> Result<Vec<u8>, FrameError> {
        Worker::receive(self, cap)
    }
}

/// A home that is asked over frames.
pub struct Remote<'r, F> {
    frames: F,
    home: usize,
    homes: Vec<PathBuf>,
    redactor: &'r Redactor,
    /// What was asked last: the longest answer, and the time for it.
    asked: Option<(u32, Duration, bool)>,
    /// The file that a scan has said to be at.
    at: Option<PathBuf>,
}

/// Starts the worker of a home and tells it who to become. It is not waited for.
///
/// # Errors
/// The home is not there, or the system starts nothing.
pub fn start<'r>(
    spec: &HomeSpec,
    (home, homes): (usize, Vec<PathBuf>),
    threads: usize,
    redactor: &'r Redactor,
) -> Result<Remote<'r, Worker>, Failure> {
    let layout = &spec.home.layout;
    let becoming = Becoming::of_home(&spec.machine, &spec.home.user, spec.home.uid, &layout.home);
    let becoming = becoming.ok_or_else(|| Failure::Start("the home is not there".to_owned()))?;
    let program = privileges::own_program().map_err(|error| Failure::Start(error.to_string()))?;
    let start = Start {
        program: &program,
        args: &[OsStr::new(COMMAND)],
        // each arena of the C library reserves addresses, which are limited
        env: &[("MALLOC_ARENA_MAX", OsStr::new("2"))],
        deadline: SILENCE,
    };
    let worker = spawn_worker(&start).map_err(|error| Failure::Start(error.to_string()))?;
    let mut remote = Remote { frames: worker, home, homes, redactor, asked: None, at: None };
    remote.begin(&Begin::of(spec, &becoming, threads))?;
    Ok(remote)
}

impl<'r, F: Frames> Remote<'r, F> {
    /// Over frames that somebody else made.
    pub fn over(frames: F, (home, homes): (usize, Vec<PathBuf>), redactor: &'r Redactor) -> Self {
        Self { frames, home, homes, redactor, asked: None, at: None }
    }

    fn begin(&mut self, begin: &Begin) -> Result<(), Failure> {
        let refused =
            || Failure::Start("its user or a limit killed it, or it could not give up its rights".to_owned());
        self.frames.send(&begin.encode()).map_err(|error| failure(&error))?;
        match self.next(MAX_SMALL_ANSWER) {
            Ok(Said::Ready) => Ok(()),
            Ok(Said::Answer(Answer::Refused(why))) => Err(Failure::Start(why)),
            Ok(_) => Err(Failure::Nonsense("an answer to nothing")),
            Err(Failure::Ended) => Err(refused()),
            Err(failure) => Err(failure),
        }
    }

    fn next(&mut self, cap: u32) -> Result<Said, Failure> {
        let frame = self.frames.receive(cap).map_err(|error| failure(&error))?;
        let claims = Claims { home: self.home, homes: &self.homes, redactor: self.redactor };
        wire::decode_answer(&frame, &claims)
    }
}

impl<F: Frames> Channel for Remote<'_, F> {
    fn send(&mut self, request: Request) -> Result<(), Failure> {
        self.at = None;
        let cap = wire::longest_answer(&request);
        self.asked = Some(match &request {
            Request::Scan { budget, .. } => (cap, *budget + BEYOND_WALK, true),
            Request::ScanChanged { .. } => (cap, BEYOND_WALK, true),
            _ => (cap, ONE_FILE, false),
        });
        self.frames.give_time(ONE_FILE);
        self.frames.send(&wire::encode_request(request)).map_err(|error| failure(&error))
    }

    fn receive(&mut self) -> Result<Answer, Failure> {
        let (cap, most, tells) = self.asked.take().ok_or(Failure::Nonsense("nothing was asked"))?;
        self.at = None;
        let begin = Instant::now();
        let mut since = begin;
        // it tells once a second, and of large files: more often is a flood
        for _ in 0..most.as_secs().saturating_add(10 + MAX_FILES_TOLD) {
            let left = most.saturating_sub(begin.elapsed());
            self.frames.give_time(if tells { left.min(SILENCE) } else { left });
            let said = self.next(cap).inspect_err(|failure| {
                // one that says nothing at all is stopped as a whole: no file is to blame
                if *failure != Failure::Ended {
                    self.at = None;
                }
            });
            match said? {
                Said::Answer(answer) => return Ok(answer),
                Said::GoingOn(_) if tells => {}
                Said::Reading(path) if tells && self.at.as_ref() == Some(&path) => {
                    if since.elapsed() > ONE_FILE {
                        return Err(Failure::Late);
                    }
                }
                Said::Reading(path) if tells => {
                    self.at = Some(path);
                    since = Instant::now();
                }
                Said::GoingOn(_) | Said::Reading(_) | Said::Ready => {
                    return Err(Failure::Nonsense("an answer to nothing"));
                }
            }
        }
        Err(Failure::Flood)
    }

    fn at_work(&self) -> Option<&Path> {
        self.at.as_deref()
    }
}

fn failure(error: &FrameError) -> Failure {
    match error {
        FrameError::Closed | FrameError::Truncated | FrameError::Io(_) => Failure::Ended,
        FrameError::TooLarge { .. } => Failure::Flood,
        FrameError::Deadline => Failure::Late,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use super::*;
    use crate::worker::wire::encode_answer;

    /// A worker that says what a test has written for it, whatever it is asked.
    struct Scripted(VecDeque<Result<Vec<u8>, FrameError>>);

    impl Frames for Scripted {
        fn give_time(&mut self, _time: Duration) {}

        fn send(&mut self, _bytes: &[u8]) -> Result<(), FrameError> {
            Ok(())
        }

        fn receive(&mut self, cap: u32) -> Result<Vec<u8>, FrameError> {
            match self.0.pop_front() {
                Some(Ok(frame)) if frame.len() > cap as usize => {
                    Err(FrameError::TooLarge { length: frame.len() as u64, cap: u64::from(cap) })
                }
                Some(frame) => frame,
                None => Err(FrameError::Closed),
            }
        }
    }

    fn said(
        frames: impl IntoIterator<Item = Result<Vec<u8>, FrameError>>,
        asked: Request,
    ) -> Result<(), Failure> {
        let redactor = Redactor::new(&[1; 32]);
        let script = Scripted(frames.into_iter().collect());
        let mut remote = Remote::over(script, (0, vec!["/home/ann".into()]), &redactor);
        remote.send(asked)?;
        remote.receive().map(drop)
    }

    fn scan() -> Request {
        Request::Scan {
            budget: Duration::from_secs(1),
            threads: 1,
            without: BTreeSet::new(),
            in_background: false,
        }
    }

    #[test]
    fn each_way_to_fail_has_its_name() {
        let closed = said([], Request::Close);
        assert_eq!(closed, Err(Failure::Ended));
        assert_eq!(said([Err(FrameError::Truncated)], Request::Close), Err(Failure::Ended));
        assert_eq!(said([Err(FrameError::Deadline)], Request::Close), Err(Failure::Late));
        assert_eq!(said([Ok(vec![b' '; 1 << 20])], Request::Close), Err(Failure::Flood));
        assert!(matches!(said([Ok(b"[]".to_vec())], Request::Close), Err(Failure::Nonsense(_))));
    }

    #[test]
    fn a_scan_may_say_that_it_goes_on_but_not_for_ever() {
        let on = || Ok(wire::encode_going_on(5));
        assert_eq!(said([on(), on(), Ok(encode_answer(&Answer::Done))], scan()), Ok(()));
        assert_eq!(said((0..20_000).map(|_| on()), scan()), Err(Failure::Flood));
        assert!(matches!(said([on()], Request::Close), Err(Failure::Nonsense(_))), "only a scan does");
    }

    #[test]
    fn a_worker_that_ends_over_a_file_has_said_which_and_one_that_is_silent_blames_none() {
        let redactor = Redactor::new(&[1; 32]);
        let at = |end: FrameError| {
            let reading = |path: &str| Ok(wire::encode_reading(Path::new(path)));
            let frames = [reading("/home/ann/a"), reading("/home/ann/b"), Err(end)];
            let place = (0, vec!["/home/ann".into()]);
            let mut remote = Remote::over(Scripted(frames.into_iter().collect()), place, &redactor);
            remote.send(scan()).unwrap();
            let failure = remote.receive().map(drop).unwrap_err();
            (failure, remote.at_work().map(Path::to_owned))
        };
        assert_eq!(at(FrameError::Closed), (Failure::Ended, Some("/home/ann/b".into())));
        assert_eq!(at(FrameError::Deadline), (Failure::Late, None));
    }
}
