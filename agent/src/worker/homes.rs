//! All homes of a ground, each asked in the way that this process's rights demand. A home that fails once is asked
//! nothing more, and the others go on.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcpolicy_clients::edit::Change;
use mcpolicy_clients::template::Layout;
use mcpolicy_platform::machine::Account;
use mcpolicy_platform::secure_fs::TempName;
use mcpolicy_platform::{paths, privileges, users};
use mcpolicy_schema::entry::ClientId;
use mcpolicy_schema::redact::Redactor;

use super::aside::{Around, Aside, KeptFile, Settling};
use super::core::{self, Core, HomeSpec};
use super::{
    Answer, Broken, Channel, Draft, Failure, FileRights, Opened, Part, Request, Scanned, Seen, Standing,
    remote,
};
use crate::discover::changed::Changed;
use crate::discover::source::Source;
use crate::discover::variables::{self, Values};
use crate::gate::Waiting;
use crate::pipeline::{Bounds, Ground};
use crate::resolve::{Look, Unhashed};

/// The walk of a home ends after this: one user's folders hold no pass up for long.
pub const WALK_BUDGET: Duration = Duration::from_secs(60);
/// Homes that are scanned at once: one whose user stops it holds up no more than these.
const AT_ONCE: usize = 4;
/// Workers that stay between scan and edits. On a machine with more homes they are started again when there is
/// something to do.
const KEPT: usize = 32;
/// How often in one pass the worker of a home is started again, without the file over which the one before ended.
const RESTARTS: usize = 3;

/// Who answers for homes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// This process.
    InProcess,
    /// A worker for each home, which is the home's owner.
    Workers,
}

/// What a path led to, and whether the user could put something else there.
type Looked = (Seen, bool);

/// The homes of a ground.
pub struct Homes<'g> {
    ground: &'g Ground,
    redactor: &'g Redactor,
    answering: Answering,
    threads: usize,
    paths: Vec<PathBuf>,
    channels: RefCell<BTreeMap<usize, Box<dyn Channel + 'g>>>,
    failed: RefCell<BTreeMap<usize, Failure>>,
    looked: RefCell<BTreeMap<(usize, PathBuf), Looked>>,
    seen: RefCell<BTreeMap<PathBuf, Seen>>,
    /// The file that each home was last asked about.
    at: RefCell<BTreeMap<usize, PathBuf>>,
    /// The file that each has open.
    open: RefCell<BTreeMap<usize, PathBuf>>,
    /// What the scan of each home told of variables.
    moved: RefCell<BTreeMap<usize, Values>>,
    /// Files over which workers ended or hung.
    left_out: RefCell<BTreeMap<usize, BTreeSet<PathBuf>>>,
    /// Nothing but the time calls for what is asked.
    in_background: Cell<bool>,
    /// Files that somebody waits at the gate to read.
    waiting: RefCell<Waiting>,
}

/// What is said of a file that was left out.
pub const LEFT_OUT: &str = "the worker of its home ended over it or did not come back from it, so it was left out, and the rest \
    of the home was done without it";

/// An answer to another question.
const OTHER: Failure = Failure::Nonsense("an answer to another question");

impl<'g> Homes<'g> {
    /// The homes of a ground. Nothing is started yet.
    pub fn new(ground: &'g Ground, redactor: &'g Redactor, answering: Answering, threads: usize) -> Self {
        Self {
            ground,
            redactor,
            answering,
            threads,
            paths: ground.homes.iter().map(|home| home.layout.home.clone()).collect(),
            channels: RefCell::default(),
            failed: RefCell::default(),
            looked: RefCell::default(),
            seen: RefCell::default(),
            at: RefCell::default(),
            open: RefCell::default(),
            moved: RefCell::default(),
            left_out: RefCell::default(),
            in_background: Cell::default(),
            waiting: RefCell::default(),
        }
    }

    /// Who answers where this process has such rights: without root's it is the user already.
    pub fn answering() -> Answering {
        if users::is_privileged() && privileges::HAS_WORKERS {
            Answering::Workers
        } else {
            Answering::InProcess
        }
    }

    /// Whether root looks at nothing of a user's itself.
    pub fn is_apart(&self) -> bool {
        self.answering == Answering::Workers
    }

    /// Where a variable leads clients, by what the walks of all homes told.
    pub fn moved_by(&self, name: &str) -> Vec<PathBuf> {
        let moved = self.moved.borrow();
        moved.values().filter_map(|values| values.get(name)).flatten().cloned().collect()
    }

    /// From now on nothing but the time calls for scans, or something does: in the background they have less claim to processor
    /// and disk.
    pub fn in_background(&self, is_so: bool) {
        self.in_background.set(is_so);
    }

    /// Homes that gave no answer, and why.
    pub fn failed(&self) -> BTreeMap<usize, Failure> {
        self.failed.borrow().clone()
    }

    /// Whether a home gave no answer.
    pub fn has_failed(&self, at: usize) -> bool {
        self.failed.borrow().contains_key(&at)
    }

    /// Whether a home gave no answer at some time of this pass: not all that was asked about it was answered.
    pub fn has_stumbled(&self, at: usize) -> bool {
        self.has_failed(at) || self.left_out.borrow().contains_key(&at)
    }

    /// Files over which the worker of a home ended or hung: they were left out, and the home went on without them.
    pub fn left_out(&self) -> Vec<(usize, PathBuf)> {
        let all = self.left_out.borrow();
        all.iter().flat_map(|(at, files)| files.iter().map(|file| (*at, file.clone()))).collect()
    }

    fn is_left_out(&self, at: usize, path: &Path) -> bool {
        self.left_out.borrow().get(&at).is_some_and(|files| files.contains(path))
    }

    /// Gives a home up for one file only: the next request starts another worker. Whether it is known for which, and that
    /// has not been so too often.
    ///
    /// Attack: one file that a parser dies or hangs of switches enforcement off for its whole home.
    fn leaves_out(&self, at: usize) -> bool {
        let of_file = matches!(self.failed.borrow().get(&at), Some(Failure::Ended | Failure::Late));
        let Some(file) = self.at.borrow().get(&at).cloned().filter(|_| of_file) else { return false };
        let mut all = self.left_out.borrow_mut();
        let files = all.entry(at).or_default();
        if files.len() >= RESTARTS || !files.insert(file) {
            return false;
        }
        self.at.borrow_mut().remove(&at);
        self.failed.borrow_mut().remove(&at);
        true
    }

    /// Goes on with a home that failed over a file of which it is known, without that file. Only before work on something
    /// begins: in the middle of it, an answer that was not had would be taken for a fact (a file of a work tree, of which
    /// it is not known that it is one, would be edited).
    pub fn goes_on(&self, at: usize) {
        if self.has_failed(at) {
            self.leaves_out(at);
        }
    }

    /// Homes that have failed by now stay so in this pass: what is to be done there was planned without their answers.
    pub fn gives_up_failed(&self) {
        self.at.borrow_mut().retain(|at, _| !self.has_failed(*at));
    }

    /// Scans all homes and hands over what each found. A home that fails is passed over.
    pub fn scan(&self, bounds: &Bounds<'_>, mut take: impl FnMut(usize, Scanned)) {
        let all: Vec<usize> = (0..self.paths.len()).collect();
        for some in all.chunks(AT_ONCE) {
            let asked: Vec<usize> =
                some.iter().copied().filter(|at| self.ask_scan(*at, bounds).is_ok()).collect();
            for at in asked {
                if let Some(scanned) = self.scanned(at, bounds) {
                    // a worker that is started later has not walked
                    self.moved.borrow_mut().insert(at, scanned.moved.clone());
                    take(at, *scanned);
                }
                if self.paths.len() > KEPT {
                    self.channels.borrow_mut().remove(&at);
                }
            }
        }
    }

    /// Forgets what files were when they were looked at: they may be others by now. A home that failed is asked again.
    pub fn forgets_looks(&self) {
        self.looked.borrow_mut().clear();
        self.seen.borrow_mut().clear();
        self.failed.borrow_mut().clear();
        self.left_out.borrow_mut().clear();
    }

    /// Looks at what changed in a home since its scan. Nothing where it fails.
    pub fn scan_changed(&self, at: usize, changed: &Changed) -> Option<Scanned> {
        for _ in 0..=RESTARTS {
            let without = self.left_out.borrow().get(&at).cloned().unwrap_or_default();
            let request = Request::ScanChanged {
                changed: changed.clone(),
                without,
                in_background: self.in_background.get(),
            };
            let fits = |answer: &Answer| matches!(answer, Answer::Scanned(_));
            match self.hand_over(at, request).and_then(|()| self.receive(at, fits)) {
                Ok(Answer::Scanned(scanned)) => return Some(*scanned),
                Ok(_) => return None,
                Err(_) if self.leaves_out(at) => {}
                Err(_) => return None,
            }
        }
        None
    }

    fn ask_scan(&self, at: usize, bounds: &Bounds<'_>) -> Result<(), Failure> {
        let without = self.left_out.borrow().get(&at).cloned().unwrap_or_default();
        let request = Request::Scan {
            budget: bounds.walk_budget,
            threads: bounds.threads,
            without,
            in_background: self.in_background.get(),
        };
        self.hand_over(at, request)
    }

    /// What the scan of a home found, which was asked for: without the files that it ends over.
    fn scanned(&self, at: usize, bounds: &Bounds<'_>) -> Option<Box<Scanned>> {
        let start = Instant::now();
        loop {
            match self.receive(at, |answer| matches!(answer, Answer::Scanned(_))) {
                Ok(Answer::Scanned(scanned)) => return Some(scanned),
                Ok(_) => return None,
                // a home that has had its time has no second one
                Err(_) if start.elapsed() > bounds.walk_budget || !self.leaves_out(at) => return None,
                Err(_) => self.ask_scan(at, bounds).ok()?,
            }
        }
    }

    /// Opens a file for an edit; nothing if it is not there.
    ///
    /// # Errors
    /// It cannot be opened, or the home gives no answer: why, in words.
    pub fn open(&self, source: &Source, create: bool) -> Result<Option<Box<Opened>>, String> {
        self.open_part(source, create, Part::ALL)
    }

    /// The same, of which only some entries are told.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_part(
        &self,
        source: &Source,
        create: bool,
        part: Part,
    ) -> Result<Option<Box<Opened>>, String> {
        let at = source.home.ok_or("it belongs to no home")?;
        let request = Request::Open { source: source.clone(), create, part };
        let fits = |answer: &Answer| matches!(answer, Answer::Opened(_) | Answer::Absent);
        match self.ask(at, request, fits)? {
            Answer::Opened(opened) => Ok(Some(opened)),
            _ => Ok(None),
        }
    }

    /// Makes changes on what the open file of a home is to become.
    ///
    /// # Errors
    /// They cannot be made and proved.
    pub fn apply(&self, at: usize, changes: &[Change]) -> Result<Box<Draft>, String> {
        self.draft(at, Request::Apply(changes.to_vec()))
    }

    /// Takes other bytes for what it is to become.
    ///
    /// # Errors
    /// No file is open.
    pub fn propose(&self, at: usize, bytes: &[u8]) -> Result<Box<Draft>, String> {
        self.draft(at, Request::Propose(bytes.to_vec()))
    }

    fn draft(&self, at: usize, request: Request) -> Result<Box<Draft>, String> {
        match self.ask(at, request, |answer| matches!(answer, Answer::Drafted(_)))? {
            Answer::Drafted(draft) => Ok(draft),
            _ => Err(OTHER.to_string()),
        }
    }

    /// Goes on from the last draft.
    ///
    /// # Errors
    /// There is none.
    pub fn accept(&self, at: usize) -> Result<(), String> {
        self.ask(at, Request::Accept, |answer| matches!(answer, Answer::Done)).map(drop)
    }

    /// Puts the accepted draft in place. A file that is made anew gets these rights; without any it is its owner's alone.
    pub fn commit(&self, at: usize, temporary: &TempName, rights: Option<FileRights>) -> Written {
        self.write(at, Request::Commit { temporary: temporary.clone(), rights, in_place: false })
    }

    /// Puts the accepted draft in place for whoever waits at the gate to read the open file: through the file itself, if that
    /// can be.
    pub fn commit_in_place(&self, at: usize, temporary: &TempName) -> Written {
        self.write(at, Request::Commit { temporary: temporary.clone(), rights: None, in_place: true })
    }

    /// Who waits at the gate, as it will be told there.
    pub fn knows_waiting(&self, waiting: Waiting) {
        self.waiting.replace(waiting);
    }

    /// Whether somebody waits at the gate to read this file of the machine.
    pub fn is_waited_for(&self, path: &Path) -> bool {
        let waiting = self.waiting.borrow();
        !waiting.is_nobody() && waiting.has(&self.ground.machine.host_path(path))
    }

    /// Takes the open file away.
    pub fn remove(&self, at: usize, temporary: &TempName) -> Written {
        self.write(at, Request::Remove(temporary.clone()))
    }

    fn write(&self, at: usize, request: Request) -> Written {
        let fits = |answer: &Answer| {
            matches!(answer, Answer::Committed { .. } | Answer::Changed | Answer::Conflict(_))
        };
        match self.ask(at, request, fits) {
            Ok(Answer::Committed { leftover, group_kept }) => Written::Done { leftover, group_kept },
            Ok(Answer::Changed) => Written::Changed,
            Ok(Answer::Conflict(why)) => Written::Conflict(why),
            Ok(_) => Written::Unknown(OTHER.to_string()),
            // it may have been written before its worker was killed
            Err(why) if self.has_failed(at) => Written::Unknown(why),
            Err(why) => Written::Failed(why),
        }
    }

    /// Closes the open file. Without an answer it was closed with its worker.
    pub fn close(&self, at: usize) {
        let _ = self.ask(at, Request::Close, |answer| matches!(answer, Answer::Done));
    }

    /// What stands around a file.
    ///
    /// # Errors
    /// It is gone, or the home gives no answer.
    pub fn around(&self, source: &Source) -> Result<Box<Around>, String> {
        let at = source.home.ok_or("it belongs to no home")?;
        match self.ask(at, Request::Around(source.clone()), |answer| matches!(answer, Answer::Around(_)))? {
            Answer::Around(around) => Ok(around),
            _ => Err(OTHER.to_string()),
        }
    }

    /// Files in which a client keeps something about entries of others.
    ///
    /// # Errors
    /// The home gives no answer.
    pub fn kept(&self, at: usize, aside: &Aside) -> Result<Vec<KeptFile>, String> {
        match self.ask(at, Request::Kept(aside.clone()), |answer| matches!(answer, Answer::Kept(_)))? {
            Answer::Kept(files) => Ok(files),
            _ => Err(OTHER.to_string()),
        }
    }

    /// Opens one of them for an edit; nothing if it is not there and is not to be made.
    ///
    /// # Errors
    /// As [`Self::open`]; an edit of it would not stay with its user.
    pub fn open_kept(&self, at: usize, aside: &Aside, path: &Path) -> Result<Option<Box<Opened>>, String> {
        let request = Request::OpenKept { aside: aside.clone(), path: path.to_owned() };
        let fits = |answer: &Answer| matches!(answer, Answer::Opened(_) | Answer::Absent);
        match self.ask(at, request, fits)? {
            Answer::Opened(opened) => Ok(Some(opened)),
            _ => Ok(None),
        }
    }

    /// Drafts what the open one is to become; nothing if there is nothing to do.
    ///
    /// # Errors
    /// It cannot be done and proved.
    pub fn settle(&self, at: usize, settling: Settling) -> Result<Option<Box<Draft>>, String> {
        let fits = |answer: &Answer| matches!(answer, Answer::Drafted(_) | Answer::Settled);
        match self.ask(at, Request::Settle(settling), fits)? {
            Answer::Drafted(draft) => Ok(Some(draft)),
            _ => Ok(None),
        }
    }

    /// The digest of a file as it is now.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn digest_of(&self, source: &Source) -> Result<String, String> {
        let at = source.home.ok_or("it belongs to no home")?;
        let request = Request::DigestOf(source.clone());
        match self.ask(at, request, |answer| matches!(answer, Answer::Digest { .. }))? {
            Answer::Digest { sha256, .. } => Ok(sha256),
            _ => Err(OTHER.to_string()),
        }
    }

    /// What became of a broken-off edit.
    pub fn replay(&self, at: usize, broken: &Broken) -> Standing {
        match self.ask(at, Request::Replay(broken.clone()), |answer| matches!(answer, Answer::Found(_))) {
            Ok(Answer::Found(standing)) => standing,
            _ => Standing::Unknown,
        }
    }

    /// Removes the temporary file of an edit that was made.
    ///
    /// # Errors
    /// It stays, and why; the home gives no answer.
    pub fn sweep(&self, at: usize, broken: &Broken) -> Result<(), String> {
        self.ask(at, Request::Sweep(broken.clone()), |answer| matches!(answer, Answer::Done)).map(drop)
    }

    /// Removes requests of a home's user that were dealt with. Without an answer they are met once more.
    pub fn withdraw(&self, at: usize, ids: Vec<String>) {
        let _ = self.ask(at, Request::Withdraw(ids), |answer| matches!(answer, Answer::Done));
    }

    /// The index of the home at a path.
    pub fn index_of(&self, home: &Path) -> Option<usize> {
        self.paths.iter().position(|path| path == home)
    }

    /// The home that a path lies in, the innermost of them.
    pub fn home_of(&self, path: &Path) -> Option<usize> {
        let around = self.paths.iter().enumerate().filter(|(_, home)| path.starts_with(home));
        around.max_by_key(|(_, home)| home.as_os_str().len()).map(|(at, _)| at)
    }

    /// Takes note of the file that a request is about.
    fn turns_to(&self, at: usize, request: &Request) -> Result<(), String> {
        let file = match about(request) {
            About::File(path) if self.is_left_out(at, path) => return Err(LEFT_OUT.to_owned()),
            About::File(path) => Some(path.to_owned()),
            About::Open => self.open.borrow().get(&at).cloned(),
            About::Else => None,
        };
        if matches!(request, Request::Open { .. } | Request::OpenKept { .. })
            && let Some(file) = &file
        {
            self.open.borrow_mut().insert(at, file.clone());
        }
        match file {
            Some(file) => self.at.borrow_mut().insert(at, file),
            None => self.at.borrow_mut().remove(&at),
        };
        Ok(())
    }

    /// Asks one home. An answer that does not fit the question is nonsense, and ends the home's part.
    fn ask(&self, at: usize, request: Request, fits: impl Fn(&Answer) -> bool) -> Result<Answer, String> {
        if !self.has_failed(at) {
            self.turns_to(at, &request)?;
        }
        self.hand_over(at, request).map_err(|failure| failure.to_string())?;
        match self.receive(at, |answer| fits(answer) || matches!(answer, Answer::Refused(_))) {
            Ok(Answer::Refused(why)) => Err(why),
            Ok(answer) => Ok(answer),
            Err(failure) => Err(failure.to_string()),
        }
    }

    fn hand_over(&self, at: usize, request: Request) -> Result<(), Failure> {
        if let Some(failure) = self.failed.borrow().get(&at) {
            return Err(failure.clone());
        }
        let known = self.channels.borrow().contains_key(&at);
        if !known {
            let started = self.start(at);
            let channel = started.map_err(|failure| self.fails(at, failure))?;
            self.channels.borrow_mut().insert(at, channel);
        }
        let sent = match self.channels.borrow_mut().get_mut(&at) {
            Some(channel) => channel.send(request),
            None => Err(Failure::Ended),
        };
        sent.map_err(|failure| self.fails(at, failure))
    }

    fn receive(&self, at: usize, fits: impl Fn(&Answer) -> bool) -> Result<Answer, Failure> {
        let received = match self.channels.borrow_mut().get_mut(&at) {
            Some(channel) => channel.receive(),
            None => Err(Failure::Ended),
        };
        let answer = received.map_err(|failure| self.fails(at, failure))?;
        if fits(&answer) { Ok(answer) } else { Err(self.fails(at, OTHER)) }
    }

    fn start(&self, at: usize) -> Result<Box<dyn Channel + 'g>, Failure> {
        let home = self.ground.homes.get(at).ok_or(Failure::Nonsense("a home that is none"))?;
        let others = self.paths.iter().filter(|path| **path != home.layout.home).cloned().collect();
        let machine = self.ground.machine.clone();
        let account = users::account(&machine, &home.user, home.uid);
        let mut home = home.clone();
        let moved = self.moved.borrow().get(&at).cloned().unwrap_or_default();
        variables::join(&mut home.layout.variables, moved);
        let spec = HomeSpec { machine, home, others, account };
        Ok(match self.answering {
            Answering::InProcess => Box::new(Core::new(spec, self.redactor)),
            Answering::Workers => {
                let place = (at, self.paths.clone());
                Box::new(remote::start(&spec, place, self.threads, self.redactor)?)
            }
        })
    }

    fn fails(&self, at: usize, failure: Failure) -> Failure {
        let channel = self.channels.borrow_mut().remove(&at);
        if let Some(path) = channel.as_ref().and_then(|channel| channel.at_work()) {
            self.at.borrow_mut().insert(at, path.to_owned());
        }
        self.failed.borrow_mut().insert(at, failure.clone());
        failure
    }

    fn looked(&self, at: usize, path: &Path) -> Looked {
        // attack: a NUL in a command or a folder to start it in, which no request can name
        if !paths::is_one(path) {
            return (Seen::Nothing, true);
        }
        let key = (at, path.to_owned());
        if let Some(known) = self.looked.borrow().get(&key) {
            return known.clone();
        }
        let fits = |answer: &Answer| matches!(answer, Answer::Seen { .. });
        let looked = match self.ask(at, Request::Look(path.to_owned()), fits) {
            Ok(Answer::Seen { what, user_writable }) => (what, user_writable),
            // what no answer was had to is asked again
            _ if self.has_failed(at) => return (Seen::Unknown, true),
            _ => (Seen::Unknown, true),
        };
        self.looked.borrow_mut().insert(key, looked.clone());
        looked
    }

    /// What stands at a path of the system: thousands of entries ask for the same few programs.
    fn seen(&self, path: &Path) -> Seen {
        if let Some(known) = self.seen.borrow().get(path) {
            return known.clone();
        }
        let seen = core::seen(&self.ground.machine, path);
        self.seen.borrow_mut().insert(path.to_owned(), seen.clone());
        seen
    }

    /// Only root can change what the path leads to.
    fn is_roots(&self, path: &Path) -> bool {
        !self.ground.machine.is_writable_by(path, &Account { uid: Some(0), ..Account::default() })
    }
}

/// What a request is about.
enum About<'r> {
    /// A file of a client.
    File(&'r Path),
    /// The one that is open.
    Open,
    /// Anything else. Who dies of that is not asked again: of a program that was left out nothing would be known, and
    /// what is allowed by its digest would be taken for denied.
    Else,
}

fn about(request: &Request) -> About<'_> {
    match request {
        Request::Open { source, .. } | Request::Around(source) | Request::DigestOf(source) => {
            About::File(&source.path)
        }
        Request::OpenKept { path, .. } => About::File(path),
        Request::Apply(_)
        | Request::Propose(_)
        | Request::Accept
        | Request::Commit { .. }
        | Request::Remove(_)
        | Request::Settle(_)
        | Request::Close => About::Open,
        _ => About::Else,
    }
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The new file is in place.
    Done {
        /// The old one is still there, under the temporary name.
        leftover: bool,
        /// It has the group that was meant.
        group_kept: bool,
    },
    /// Somebody wrote the file meanwhile; nothing of ours is in place.
    Changed,
    /// Writes of the user crossed ours more than once.
    Conflict(String),
    /// Nothing of ours is in place.
    Failed(String),
    /// There was no answer: the old file or the new one is in place.
    Unknown(String),
}

/// Facts of files: the system's are root's to look at, a user's are the user's to tell.
impl Look for Homes<'_> {
    fn program(&self, home: Option<usize>, path: &Path) -> Seen {
        if self.home_of(path).is_some() {
            return home.map_or(Seen::Unknown, |at| self.looked(at, path).0);
        }
        match self.seen(path) {
            // a link from outside into a home
            Seen::Program(program) if self.home_of(&program.real_path).is_some() => {
                home.map_or(Seen::Unknown, |at| self.looked(at, path).0)
            }
            seen => seen,
        }
    }

    fn user_writable(&self, home: Option<usize>, path: &Path, account: &Account) -> bool {
        match (self.home_of(path), home) {
            (None, _) => self.ground.machine.is_writable_by(path, account),
            (Some(_), Some(at)) => self.looked(at, path).1,
            (Some(_), None) => true,
        }
    }

    fn gives_none(&self, home: Option<usize>) -> bool {
        home.is_some_and(|at| self.has_failed(at))
    }

    fn clients(&self, _layout: &Layout, source: &Source) -> Option<Vec<ClientId>> {
        self.around(source).ok().map(|around| around.clients)
    }

    fn hash(&self, home: Option<usize>, path: &Path, most: u64) -> Result<(String, u64), Unhashed> {
        let is_in_home = self.home_of(path).is_some();
        if !is_in_home && (!self.is_apart() || self.is_roots(path)) {
            return core::hash(&self.ground.machine, path, most).map_err(|error| Unhashed(error.to_string()));
        }
        let at =
            home.ok_or_else(|| Unhashed("belongs to a user, and is not read with root's rights".to_owned()))?;
        let request = Request::Hash { path: path.to_owned(), most };
        match self.ask(at, request, |answer| matches!(answer, Answer::Digest { .. })) {
            Ok(Answer::Digest { sha256, length }) => Ok((sha256, length)),
            Ok(_) => Err(Unhashed(OTHER.to_string())),
            Err(why) => Err(Unhashed(why)),
        }
    }
}
