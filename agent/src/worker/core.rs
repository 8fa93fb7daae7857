//! What answers: one home's files, opened, parsed and rewritten by whoever this process is.

mod scanning;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcpolicy_clients::edit::{self, Change};
use mcpolicy_clients::template::Layout;
use mcpolicy_platform::machine::{Account, Machine, ReadError};
use mcpolicy_platform::paths;
use mcpolicy_platform::priority::Background;
use mcpolicy_platform::secure_fs::{
    ClientLock, Fault, HomeDir, Original, ReplaceError, Replaced, Rights, TempName,
};
use mcpolicy_schema::redact::Redactor;
use sha2::{Digest as _, Sha256};

use super::aside::{self, Aside, Place, Settling};
use super::opened::{COMMITTED, committed, opened, written};
use super::part::{self, Long, Part, is_state};
use super::{Answer, Broken, Channel, Draft, Failure, FileRights, Held, Request, Seen, Standing, shed};
use crate::discover::HomeContext;
use crate::discover::changed::Known;
use crate::discover::source::Source;
use crate::enforce::requests;
use crate::vault::digest_of;
use crate::{ground, inventory};
use scanning::bounds;

/// Largest file that is edited, in bytes.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// A client's lock that was not touched for so long is nobody's (Claude Code 2.1).
const LOCK_STALE: Duration = Duration::from_secs(10);
/// How long a client's lock is waited for.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
/// The client whose lock is taken.
const CLAUDE: &str = "claude-code";

/// One home, as whoever may look at it.
#[derive(Debug, Clone)]
pub struct HomeSpec {
    /// The machine that the home is on.
    pub machine: Machine,
    /// The home.
    pub home: HomeContext,
    /// Homes of others.
    pub others: Vec<PathBuf>,
    /// The numbers by which its user's rights are judged.
    pub account: Account,
}

/// Who is told how far a scan has come.
pub struct Telling<'a> {
    /// Now and then how many directories have been visited.
    pub walked: &'a (dyn Fn(u64) + Sync),
    /// Each file, with its size, before it is read.
    pub reading: &'a (dyn Fn(&Path, u64) + Sync),
}

impl Telling<'_> {
    /// Nobody.
    pub const NOTHING: Telling<'static> = Telling { walked: &|_| {}, reading: &|_, _| {} };
}

/// Answers for one home.
pub struct Core<'r> {
    spec: HomeSpec,
    redactor: &'r Redactor,
    open: Option<Open>,
    asked: Option<Request>,
    /// The home's paths with the variables that its user's shells set.
    layout: OnceCell<Layout>,
    /// What a scan found.
    known: Known,
}

/// As what a file is open.
enum As {
    Source(Source),
    Kept(Aside),
}

/// A file that is open for an edit.
struct Open {
    what: As,
    home: HomeDir,
    relative: PathBuf,
    /// None where the file is to be made.
    file: Option<Original>,
    /// What it is to become.
    base: Vec<u8>,
    draft: Option<Vec<u8>>,
    /// How many entries come before the part that was told, and how many after it.
    part: (usize, usize),
    /// Places that were told by their digests.
    long: Long,
    #[expect(dead_code, reason = "held until the file is closed")]
    lock: Option<ClientLock>,
}

impl Open {
    /// What bytes that it may become hold, in the part that was told. Of what a client keeps about other files' entries
    /// nothing is an entry.
    fn held(&self, bytes: &[u8]) -> Held {
        match (&self.what, self.part) {
            (As::Kept(_), _) => nothing_held(),
            (As::Source(source), (usize::MAX, _)) if is_state(source) => {
                let before = self.file.as_ref().map(Original::bytes).unwrap_or_default();
                let (now, then) = (part::all(source, bytes).0, part::all(source, before).0);
                shed::held(part::differing(now, bytes, &then, before))
            }
            (As::Source(source), (0, 0)) if is_state(source) => shed::held(part::all(source, bytes).0),
            (As::Source(source), (from, rest)) if is_state(source) => {
                part::after(part::all(source, bytes).0, from, rest)
            }
            (As::Source(source), _) => held(source, bytes),
        }
    }

    /// Puts a new file there, with the directories that it is to lie in.
    fn make(&self, temporary: &TempName, rights: Rights) -> Result<Replaced, ReplaceError> {
        if let Some(folder) = self.relative.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            self.home.make_directory(folder)?;
        }
        self.home.create_as(&self.relative, &self.base, rights, temporary)
    }
}

impl Channel for Core<'_> {
    fn send(&mut self, request: Request) -> Result<(), Failure> {
        self.asked = Some(request);
        Ok(())
    }

    fn receive(&mut self) -> Result<Answer, Failure> {
        let request = self.asked.take().ok_or(Failure::Nonsense("nothing was asked"))?;
        Ok(self.answer(request, &Telling::NOTHING))
    }
}

impl<'r> Core<'r> {
    /// For one home. Nothing is read yet.
    pub fn new(spec: HomeSpec, redactor: &'r Redactor) -> Self {
        Self { spec, redactor, open: None, asked: None, layout: OnceCell::new(), known: Known::default() }
    }

    /// Answers. A scan tells its progress.
    pub fn answer(&mut self, request: Request, telling: &Telling<'_>) -> Answer {
        let answered = match request {
            Request::Scan { budget, threads, without, in_background } => {
                let _background = in_background.then(Background::begin);
                let bounds = bounds(budget, threads, telling, &without);
                Ok(Answer::Scanned(Box::new(self.scan(&bounds))))
            }
            Request::ScanChanged { changed, without, in_background } => {
                let _background = in_background.then(Background::begin);
                let bounds = bounds(Duration::ZERO, 1, telling, &without);
                Ok(Answer::Scanned(Box::new(self.scan_changed(changed, in_background, &bounds))))
            }
            Request::Open { source, create, part } => self.open(source, create, part),
            Request::Apply(changes) => self.apply(&changes),
            Request::Propose(bytes) => {
                // the whole of it, whatever part was looked at
                self.open.iter_mut().for_each(|open| open.part = (0, 0));
                self.drafted(bytes, Vec::new())
            }
            Request::Accept => self.accept(),
            Request::Commit { temporary, rights, in_place } => {
                self.commit(&temporary, FileRights::for_new(rights), in_place)
            }
            Request::Remove(temporary) => self.remove(&temporary),
            Request::Close => {
                self.open = None;
                Ok(Answer::Done)
            }
            Request::DigestOf(source) => self.digest_of(&source),
            Request::Replay(broken) => Ok(Answer::Found(self.replay(&broken))),
            Request::Sweep(broken) => self.sweep(&broken),
            Request::Around(source) => self.around(&source),
            Request::Kept(aside) => Ok(Answer::Kept(self.place().kept(&aside))),
            Request::OpenKept { aside, path } => self.open_kept(aside, &path),
            Request::Settle(settling) => self.settle(settling),
            Request::Withdraw(ids) => {
                if let Some(folder) = self.requests() {
                    requests::withdraw(&folder, &ids);
                }
                Ok(Answer::Done)
            }
            Request::Look(path) => Ok(self.look(&path)),
            Request::Hash { path, most } => hash(&self.spec.machine, &path, most)
                .map(|(sha256, length)| Answer::Digest { sha256, length })
                .map_err(|error| error.to_string()),
        };
        answered.unwrap_or_else(Answer::Refused)
    }

    /// Where the home's user has left requests.
    fn requests(&self) -> Option<PathBuf> {
        paths::requests_below(&self.spec.machine.host_path(&self.spec.home.layout.home))
    }

    fn home(&self) -> Result<HomeDir, String> {
        let HomeContext { uid, layout, .. } = &self.spec.home;
        let host = self.spec.machine.followed_host_path(&layout.home);
        let host = host.map_err(|error| format!("the home {error}"))?;
        HomeDir::open(&host, *uid).map_err(|fault| format!("the home {fault}"))
    }

    /// Where a path below the home ends, below the home. An absolute link of an image names a place in the image, which
    /// whoever opens the file here cannot know; the links of the live machine are followed when it is opened.
    fn ending(&self, relative: PathBuf) -> Result<PathBuf, String> {
        let HomeSpec { machine, home, .. } = &self.spec;
        if machine.is_live() {
            return Ok(relative);
        }
        let leads = |error: ReadError| format!("the file {error}");
        let real = match machine.resolve(&home.layout.home.join(&relative)) {
            // to be made: what is there of its path is followed when it is made
            Err(ReadError::NotFound) => return Ok(relative),
            real => real.map_err(leads)?.path,
        };
        let top = machine.resolve(&home.layout.home).map_err(leads)?.path;
        let below = real.strip_prefix(&top).map_err(|_| Fault::LeavesHome);
        below.map(Path::to_owned).map_err(|fault| format!("the file {fault}"))
    }

    fn relative(&self, source: &Source) -> Result<PathBuf, String> {
        let outside = "the file is outside of its user's home";
        let relative = source.path.strip_prefix(&self.spec.home.layout.home).map_err(|_| outside)?;
        self.ending(relative.to_owned())
    }

    fn open(&mut self, source: Source, create: bool, part: Part) -> Result<Answer, String> {
        self.open = None;
        let (home, relative) = (self.home()?, self.relative(&source)?);
        let is_claude = source.readings.iter().any(|reading| reading.adapter.about().id == CLAUDE);
        let lock = lock_of(is_claude, &home, &relative);
        let file = match home.open_file(&relative, MAX_BYTES) {
            Ok(file) => Some(file),
            Err(Fault::NotFound) if create => None,
            Err(Fault::NotFound) => return Ok(Answer::Absent),
            Err(fault) => return Err(format!("the file {fault}")),
        };
        let bytes = file.as_ref().map(|file| file.bytes().to_vec()).unwrap_or_default();
        let (held, long) = if is_state(&source) {
            let (all, long) = part::all(&source, &bytes);
            (part::of(all, part), long)
        } else {
            (held(&source, &bytes), Long::new())
        };
        let part = (part.from, held.rest);
        let opened = opened(file.as_ref(), &relative, bytes.clone(), held);
        let what = As::Source(source);
        self.open = Some(Open { what, home, relative, file, base: bytes, draft: None, part, long, lock });
        Ok(Answer::Opened(Box::new(opened)))
    }

    fn place(&self) -> Place<'_> {
        Place { machine: &self.spec.machine, layout: self.layout.get_or_init(|| self.whole_layout()) }
    }

    fn whole_layout(&self) -> Layout {
        let HomeSpec { machine, home, others, .. } = self.spec.clone();
        let mut ground = ground::of_home(machine, home, others);
        ground.homes.pop().map_or_else(|| self.spec.home.layout.clone(), |home| home.layout)
    }

    fn around(&self, source: &Source) -> Result<Answer, String> {
        let mut around = self.place().around(source).ok_or("the file is gone")?;
        if let Ok(relative) = self.relative(source)
            && let Ok(file) = self.home()?.open_file(&relative, MAX_BYTES)
        {
            around.unchanged = file.stamp().unchanged();
        }
        Ok(Answer::Around(Box::new(around)))
    }

    fn open_kept(&mut self, aside: Aside, path: &Path) -> Result<Answer, String> {
        self.open = None;
        let kept = self.place().kept(&aside).into_iter().find(|kept| kept.path == path);
        kept.filter(|kept| kept.free).ok_or("its client keeps nothing there that is its user's alone")?;
        let home = self.home()?;
        let relative = path.strip_prefix(&self.spec.home.layout.home);
        let relative =
            self.ending(relative.map_err(|_| "the file is outside of its user's home")?.to_owned())?;
        let lock = lock_of(aside.client == CLAUDE, &home, &relative);
        let file = match home.open_file(&relative, MAX_BYTES) {
            Ok(file) => Some(file),
            Err(Fault::NotFound) if aside::empty(&aside).is_some() => None,
            Err(Fault::NotFound) => return Ok(Answer::Absent),
            Err(fault) => return Err(format!("the file {fault}")),
        };
        let bytes = file.as_ref().map(|file| file.bytes().to_vec()).unwrap_or_default();
        let opened = opened(file.as_ref(), &relative, bytes.clone(), nothing_held());
        let (what, part, long) = (As::Kept(aside), (0, 0), Long::new());
        self.open = Some(Open { what, home, relative, file, base: bytes, draft: None, part, long, lock });
        Ok(Answer::Opened(Box::new(opened)))
    }

    fn settle(&mut self, settling: Settling) -> Result<Answer, String> {
        let open = self.open.as_ref().ok_or_else(nothing_open)?;
        let As::Kept(aside) = &open.what else { return Err(nothing_open()) };
        match aside::settle(aside, settling, open.file.is_some().then_some(&open.base))? {
            Some((bytes, removed)) => self.drafted(bytes, removed),
            None => Ok(Answer::Settled),
        }
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Answer, String> {
        let open = self.open.as_ref().ok_or_else(nothing_open)?;
        let As::Source(source) = &open.what else { return Err(nothing_open()) };
        let format = inventory::format_of(source);
        let changes: Vec<Change> =
            changes.iter().map(|change| part::placed(change.clone(), &open.long)).collect();
        let edited = edit::apply(format, &source.path.to_string_lossy(), &open.base, &changes)
            .map_err(|error| error.to_string())?;
        self.drafted(edited.bytes, edited.removed)
    }

    fn drafted(&mut self, bytes: Vec<u8>, removed: Vec<Vec<edit::Piece>>) -> Result<Answer, String> {
        let open = self.open.as_mut().ok_or_else(nothing_open)?;
        let held = open.held(&bytes);
        open.draft = Some(bytes.clone());
        Ok(Answer::Drafted(Box::new(Draft { bytes, removed, held })))
    }

    fn accept(&mut self) -> Result<Answer, String> {
        let open = self.open.as_mut().ok_or_else(nothing_open)?;
        open.base = open.draft.take().ok_or("there is no draft")?;
        Ok(Answer::Done)
    }

    fn commit(&mut self, temporary: &TempName, rights: Rights, in_place: bool) -> Result<Answer, String> {
        let open = self.open.as_ref().ok_or_else(nothing_open)?;
        if let Some(file) = open.file.as_ref().filter(|_| in_place) {
            match file.rewrite(&open.base) {
                Ok(true) => return Ok(COMMITTED),
                Ok(false) => {}
                Err(error) => return written(Err(error)),
            }
        }
        written(match &open.file {
            Some(file) => file.replace_as(&open.base, temporary).map(|replaced| committed(&replaced)),
            None => open.make(temporary, rights).map(|replaced| committed(&replaced)),
        })
    }

    fn remove(&self, temporary: &TempName) -> Result<Answer, String> {
        let file = self.open.as_ref().and_then(|open| open.file.as_ref()).ok_or_else(nothing_open)?;
        written(file.remove_as(temporary).map(|()| COMMITTED))
    }

    fn digest_of(&self, source: &Source) -> Result<Answer, String> {
        let file = self.home()?.open_file(&self.relative(source)?, MAX_BYTES);
        let file = file.map_err(|fault| format!("it {fault}"))?;
        Ok(Answer::Digest { sha256: digest_of(file.bytes()), length: file.bytes().len() as u64 })
    }

    fn replay(&self, broken: &Broken) -> Standing {
        let Ok(home) = self.home() else { return Standing::Unknown };
        if clean(&home, broken) {
            return Standing::Kept;
        }
        match home.open_file(&broken.relative, MAX_BYTES) {
            Ok(file) => match digest_of(file.bytes()) {
                digest if digest == broken.after => Standing::After,
                digest if digest == broken.before => Standing::Before,
                _ => Standing::Other,
            },
            Err(Fault::NotFound) => Standing::Gone,
            Err(_) => Standing::Unknown,
        }
    }

    fn sweep(&self, broken: &Broken) -> Result<Answer, String> {
        let home = self.home()?;
        if clean(&home, broken) {
            return Err(
                "it holds what its user wrote; take from it what is missing, and remove it".to_owned()
            );
        }
        let folder = broken.relative.parent().unwrap_or(Path::new(""));
        match home.open_file(&folder.join(&broken.temporary), MAX_BYTES) {
            Err(Fault::NotFound) => Ok(Answer::Done),
            Ok(_) => Err("it cannot be removed".to_owned()),
            Err(fault) => Err(format!("it {fault}")),
        }
    }

    fn look(&self, path: &Path) -> Answer {
        let what = seen(&self.spec.machine, path);
        let user_writable = match what {
            Seen::Program(_) => self.spec.machine.is_writable_by(path, &self.spec.account),
            Seen::Nothing | Seen::Unknown => true,
        };
        Answer::Seen { what, user_writable }
    }
}

fn nothing_open() -> String {
    "no file is open".to_owned()
}

/// What bytes hold.
fn held(source: &Source, bytes: &[u8]) -> Held {
    let taken = inventory::take(source, bytes);
    let (entries, findings) = (taken.entries, taken.findings);
    shed::held(Held { state: taken.state.as_str(), entries, findings, rest: 0 })
}

fn nothing_held() -> Held {
    Held { state: inventory::State::Read.as_str(), entries: Vec::new(), findings: Vec::new(), rest: 0 }
}

/// What stands at a path, as a search for a program takes it.
pub fn seen(machine: &Machine, path: &Path) -> Seen {
    match machine.program(path) {
        Ok(program) => Seen::Program(program),
        Err(ReadError::LeavesScope { .. } | ReadError::Io(_)) => Seen::Unknown,
        // a system that looks for a program passes over these too
        Err(_) => Seen::Nothing,
    }
}

/// The digest of a file and its length.
///
/// # Errors
/// It cannot be read, or is larger than `most`.
pub fn hash(machine: &Machine, path: &Path, most: u64) -> Result<(String, u64), ReadError> {
    let mut hash = Sha256::new();
    let mut read = 0_u64;
    machine.stream(path, most, &mut |piece| {
        hash.update(piece);
        read += piece.len() as u64;
    })?;
    Ok((hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), read))
}

/// Takes the lock directory of a file whose client takes one before it writes (Claude Code 2.1: `.claude.json.lock`).
fn lock_of(is_claude: bool, home: &HomeDir, relative: &Path) -> Option<ClientLock> {
    let is_state = relative.file_name().is_some_and(|name| name == ".claude.json");
    // courtesy: the exchange sees what a client writes meanwhile
    let lock = || ClientLock::take(home, &ClientLock::path_for(relative), LOCK_STALE, LOCK_PATIENCE).ok();
    (is_claude && is_state).then(lock).flatten()
}

/// A temporary file is ours to remove if it holds the new bytes, or the old ones. Anything else may be what a user wrote
/// and an exchange displaced, and a crash in the middle of putting it back leaves either of his writes under either name:
/// where ours is in place it goes back, and where both names are his, it stays. Whether it stays.
fn clean(home: &HomeDir, broken: &Broken) -> bool {
    let Ok(temporary) = broken.temporary.parse::<TempName>() else { return false };
    let folder = broken.relative.parent().unwrap_or(Path::new(""));
    let beside = folder.join(temporary.as_str());
    // what stays is looked at again at the next pass
    let _ = home.remove_twin(&broken.relative, &temporary);
    // closed before anything is put back: an open file can have no lease against all
    let Ok((left, rights)) =
        home.open_file(&beside, MAX_BYTES).map(|file| (file.bytes().to_vec(), file.rights()))
    else {
        return false;
    };
    let (digest, nothing) = (digest_of(&left), digest_of(&[]));
    let in_place = home.open_file(&broken.relative, MAX_BYTES).map(|file| digest_of(file.bytes()));
    // a failure leaves a file that is looked at below
    let remove = || drop(home.remove_leftover(folder, &temporary));
    let rights = rights.unwrap_or(Rights::PRIVATE);
    match in_place {
        _ if [&broken.after, &broken.before, &nothing].contains(&&digest) => remove(),
        // half of the new bytes: the exchange never happened
        Ok(now) if now == broken.before => remove(),
        Err(Fault::NotFound) if broken.before == nothing => remove(),
        Ok(now) if now == broken.after => {
            if let Ok(file) = home.open_file(&broken.relative, MAX_BYTES) {
                let _ = file.reinstate(&temporary);
            }
        }
        // only a user's file is ever renamed to be taken away
        Err(Fault::NotFound) if broken.after == nothing => {
            let back = TempName::random()
                .is_ok_and(|name| home.create_as(&broken.relative, &left, rights, &name).is_ok());
            if back {
                remove();
            }
        }
        Ok(_) | Err(_) => {}
    }
    home.open_file(&beside, MAX_BYTES).is_ok_and(|file| digest_of(file.bytes()) == digest)
        && ![&broken.after, &broken.before, &nothing].contains(&&digest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mcpolicy_clients::edit::Place;
    use mcpolicy_clients::template::Layout;

    use super::*;
    use crate::pipeline::reading_for;
    use crate::worker::Opened;

    const TEXT: &str = r#"{"mcpServers": {"a": {"command": "a"}, "b": {"command": "b"}}}"#;
    const WITHOUT_A: &str = r#"{"mcpServers": {"b": {"command": "b"}}}"#;

    struct Home(tempfile::TempDir, Redactor);

    impl Home {
        fn new() -> Self {
            let home = Self(tempfile::tempdir().unwrap(), Redactor::new(&[3; 32]));
            std::fs::create_dir(home.path().join(".cursor")).unwrap();
            std::fs::write(home.file(), TEXT).unwrap();
            home
        }

        fn path(&self) -> PathBuf {
            self.0.path().canonicalize().unwrap()
        }

        fn file(&self) -> PathBuf {
            self.path().join(".cursor/mcp.json")
        }

        fn text(&self) -> Option<String> {
            Machine::live()
                .read(&self.file(), None, MAX_BYTES)
                .ok()
                .map(|s| String::from_utf8(s.bytes).unwrap())
        }

        fn source(&self) -> Source {
            Source::new(self.file(), Some(0), reading_for("cursor", &self.file()).unwrap())
        }

        fn core(&self) -> Core<'_> {
            let layout = Layout { os: ground::host_os(), home: self.path(), variables: BTreeMap::new() };
            let home = HomeContext { user: "ann".to_owned(), uid: None, layout };
            let (machine, account) = (Machine::live(), Account::default());
            Core::new(HomeSpec { machine, home, others: Vec::new(), account }, &self.1)
        }
    }

    fn commit() -> Request {
        Request::Commit { temporary: TempName::random().unwrap(), rights: None, in_place: false }
    }

    fn ask(core: &mut Core<'_>, request: Request) -> Answer {
        core.answer(request, &Telling::NOTHING)
    }

    fn open(core: &mut Core<'_>, source: Source) -> Opened {
        match ask(core, Request::Open { source, create: true, part: Part::ALL }) {
            Answer::Opened(opened) => *opened,
            _ => panic!("it can be opened"),
        }
    }

    fn without_a(opened: &Opened) -> Request {
        let entry = &opened.held.entries[0];
        Request::Apply(vec![Change::Remove(Place {
            key_path: entry.key_path.clone(),
            span: entry.span.clone(),
        })])
    }

    #[test]
    fn only_an_accepted_draft_is_written() {
        let home = Home::new();
        let mut core = home.core();
        let opened = open(&mut core, home.source());
        assert_eq!(opened.held.entries.len(), 2);
        let Answer::Drafted(draft) = ask(&mut core, without_a(&opened)) else { panic!("a draft") };
        assert_eq!((draft.bytes.as_slice(), draft.held.entries.len()), (WITHOUT_A.as_bytes(), 1));
        assert!(matches!(ask(&mut core, Request::Propose(b"{}".to_vec())), Answer::Drafted(_)));
        assert_eq!(home.text().as_deref(), Some(TEXT), "nothing is written yet");
        assert!(matches!(ask(&mut core, without_a(&opened)), Answer::Drafted(_)));
        assert!(matches!(ask(&mut core, Request::Accept), Answer::Done));
        assert!(matches!(ask(&mut core, commit()), Answer::Committed { .. }));
        assert_eq!(home.text().as_deref(), Some(WITHOUT_A));
    }

    #[test]
    fn a_write_in_between_is_seen_and_stays() {
        let home = Home::new();
        let mut core = home.core();
        let opened = open(&mut core, home.source());
        ask(&mut core, without_a(&opened));
        ask(&mut core, Request::Accept);
        std::fs::write(home.file(), "{}").unwrap();
        assert!(matches!(ask(&mut core, commit()), Answer::Changed));
        assert_eq!(home.text().as_deref(), Some("{}"));
    }

    #[test]
    fn a_file_is_taken_away_and_made_anew() {
        let home = Home::new();
        let mut core = home.core();
        open(&mut core, home.source());
        assert!(matches!(
            ask(&mut core, Request::Remove(TempName::random().unwrap())),
            Answer::Committed { .. }
        ));
        assert_eq!(home.text(), None);
        let opened = open(&mut core, home.source());
        assert!(!opened.existed && opened.bytes.is_empty());
        ask(&mut core, Request::Propose(TEXT.as_bytes().to_vec()));
        ask(&mut core, Request::Accept);
        assert!(matches!(ask(&mut core, commit()), Answer::Committed { .. }));
        assert_eq!(home.text().as_deref(), Some(TEXT));
    }

    #[test]
    fn without_an_open_file_nothing_is_changed() {
        let home = Home::new();
        let mut core = home.core();
        for request in [
            Request::Accept,
            commit(),
            Request::Remove(TempName::random().unwrap()),
            Request::Propose(Vec::new()),
        ] {
            assert!(matches!(ask(&mut core, request), Answer::Refused(_)));
        }
        let outside = Source::new("/etc/passwd".into(), Some(0), home.source().readings[0]);
        assert!(matches!(
            ask(&mut core, Request::Open { source: outside, create: true, part: Part::ALL }),
            Answer::Refused(_)
        ));
        assert_eq!(home.text().as_deref(), Some(TEXT));
    }

    #[test]
    fn a_leftover_is_cleaned_and_the_file_named_by_its_digest() {
        let home = Home::new();
        let mut core = home.core();
        let temporary = TempName::random().unwrap();
        let beside = home.path().join(".cursor").join(temporary.as_str());
        let broken = |before: &str, after: &str| {
            Request::Replay(Broken {
                relative: ".cursor/mcp.json".into(),
                temporary: temporary.as_str().to_owned(),
                before: digest_of(before.as_bytes()),
                after: digest_of(after.as_bytes()),
            })
        };
        let standing = |core: &mut Core<'_>, request| match ask(core, request) {
            Answer::Found(standing) => standing,
            _ => panic!("it was looked at"),
        };
        std::fs::write(&beside, WITHOUT_A).unwrap();
        assert_eq!(standing(&mut core, broken(TEXT, WITHOUT_A)), Standing::Before);
        assert!(!beside.exists());
        assert_eq!(standing(&mut core, broken(WITHOUT_A, TEXT)), Standing::After);
        assert_eq!(standing(&mut core, broken("x", "y")), Standing::Other);
        // half of the new bytes beside the old ones
        std::fs::write(home.file(), TEXT).unwrap();
        std::fs::write(&beside, &WITHOUT_A[..9]).unwrap();
        assert_eq!(standing(&mut core, broken(TEXT, WITHOUT_A)), Standing::Before);
        assert!(!beside.exists());
        std::fs::write(home.file(), TEXT).unwrap();
        // what a user wrote and an exchange displaced comes back
        std::fs::write(&beside, "{\"mine\": 1}").unwrap();
        assert_eq!(standing(&mut core, broken("x", TEXT)), Standing::Other);
        assert_eq!(home.text().as_deref(), Some("{\"mine\": 1}"));
        assert!(!beside.exists());
    }

    #[test]
    fn a_leftover_with_a_further_name_is_cleaned_and_stays_at_that() {
        let home = Home::new();
        let temporary = TempName::random().unwrap();
        let (beside, further) =
            (home.path().join(".cursor").join(temporary.as_str()), home.path().join("further"));
        std::fs::write(home.file(), WITHOUT_A).unwrap();
        // displaced by the exchange, before the crash
        std::fs::write(&beside, TEXT).unwrap();
        std::fs::hard_link(&beside, &further).unwrap();
        let broken = Broken {
            relative: ".cursor/mcp.json".into(),
            temporary: temporary.as_str().to_owned(),
            before: digest_of(TEXT.as_bytes()),
            after: digest_of(WITHOUT_A.as_bytes()),
        };
        let answer = ask(&mut home.core(), Request::Replay(broken));
        assert!(matches!(answer, Answer::Found(Standing::After)));
        assert!(!beside.exists());
        assert_eq!(std::fs::metadata(further).unwrap().len(), TEXT.len() as u64);
    }

    /// What became of an edit that a crash broke off while a user's write went back: what is at the name, what under the
    /// temporary one, and both afterwards.
    fn after_a_crash(
        (before, after): (&str, &str),
        (at_name, beside): (Option<&str>, &str),
    ) -> (Standing, Option<String>, Option<String>) {
        let home = Home::new();
        let temporary = TempName::random().unwrap();
        let temporary_path = home.path().join(".cursor").join(temporary.as_str());
        match at_name {
            Some(text) => std::fs::write(home.file(), text).unwrap(),
            None => std::fs::remove_file(home.file()).unwrap(),
        }
        std::fs::write(&temporary_path, beside).unwrap();
        let broken = Broken {
            relative: ".cursor/mcp.json".into(),
            temporary: temporary.as_str().to_owned(),
            before: digest_of(before.as_bytes()),
            after: digest_of(after.as_bytes()),
        };
        let Answer::Found(standing) = ask(&mut home.core(), Request::Replay(broken)) else {
            panic!("looked at")
        };
        let left = Machine::live().read(&temporary_path, None, MAX_BYTES).ok();
        (standing, home.text(), left.map(|file| String::from_utf8(file.bytes).unwrap()))
    }

    #[test]
    fn a_crash_while_a_users_write_goes_back_loses_none_of_his_writes() {
        let (mine, newer) = ("{\"mine\": 1}", "{\"mine\": 2}");
        let edit = (TEXT, WITHOUT_A);
        let some = |text: &str| Some(text.to_owned());
        // ours is in place and his under the other name, or the other way round
        assert_eq!(after_a_crash(edit, (Some(WITHOUT_A), mine)), (Standing::Other, some(mine), None));
        assert_eq!(after_a_crash(edit, (Some(mine), WITHOUT_A)), (Standing::Other, some(mine), None));
        // he wrote again, over ours or into it: both names are his
        assert_eq!(after_a_crash(edit, (Some(newer), mine)), (Standing::Kept, some(newer), some(mine)));
        // and has removed the newer one since
        assert_eq!(after_a_crash(edit, (None, mine)), (Standing::Kept, None, some(mine)));
    }

    #[test]
    fn a_crash_while_a_file_is_taken_away_leaves_what_its_user_wrote_in_that_moment() {
        let (mine, newer) = ("{\"mine\": 1}", "{\"mine\": 2}");
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(after_a_crash((TEXT, ""), (None, mine)), (Standing::Other, some(mine), None));
        assert_eq!(after_a_crash((TEXT, ""), (None, TEXT)), (Standing::Gone, None, None));
        assert_eq!(after_a_crash((TEXT, ""), (Some(newer), TEXT)), (Standing::Other, some(newer), None));
        assert_eq!(after_a_crash((TEXT, ""), (Some(newer), mine)), (Standing::Kept, some(newer), some(mine)));
        // half of a file that was to be made
        assert_eq!(after_a_crash(("", TEXT), (None, &TEXT[..9])), (Standing::Gone, None, None));
    }
}
