use std::io;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::journal::{Action, End, Event, Intent, Journal, Outcome, What};

const KEY: &[u8] = b"a key of a test";

fn now() -> Timestamp {
    "2026-11-30T10:00:00Z".parse().unwrap()
}

/// A state folder with a journal.
struct State {
    folder: tempfile::TempDir,
    journal: Journal,
}

impl State {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("spool")).unwrap();
        let (journal, _) = Journal::open(&folder.path().join("journal"), now()).unwrap();
        Self { folder, journal }
    }

    fn reporter(&self, files: Box<dyn Files>) -> Reporter {
        let device = v1::Device {
            id: "laptop-1".to_owned(),
            hostname: Some("wombat".to_owned()),
            ..v1::Device::default()
        };
        let about = About { device, key: KEY.to_vec(), heartbeat: DAILY, sinks: BTreeSet::new() };
        let mut epochs = || "e".repeat(16);
        let (mut reporter, _) = Reporter::open_in(
            (self.folder.path(), &Exchange::in_folder(self.folder.path())),
            files,
            about,
            &Caps::default(),
            now(),
            &mut epochs,
        )
        .unwrap();
        let privacy = Privacy::new(Tier::Full, KEY, &[]);
        reporter.mind = Some(Mind { tier: Tier::Full, people: Vec::new(), privacy });
        reporter
    }

    fn on_disk(&self) -> Reporter {
        self.reporter(Box::new(Disk::new(&self.spool())))
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    /// An event, and a change of a file with two actions.
    fn happens(&mut self, name: &str) {
        self.journal.append(now(), What::Event(Event::new("policy-activated", name))).unwrap();
        let action = |at: u8| Action {
            action: "quarantine".to_owned(),
            server: format!("{name}-{at}"),
            client: "cursor".to_owned(),
            fingerprint: String::new(),
            code: "not-allowed".to_owned(),
            detail: String::new(),
            rule: None,
            identity: None,
        };
        let intent = Intent {
            user: "ann".to_owned(),
            path: "/home/ann/.cursor/mcp.json".to_owned(),
            path_base64: None,
            before: String::new(),
            after: String::new(),
            vault: "q-1".to_owned(),
            home: "/home/ann".to_owned(),
            temporary: String::new(),
            layer: String::new(),
            actions: vec![action(1), action(2)],
        };
        let intent = self.journal.append(now(), What::Intent(intent)).unwrap();
        let outcome = Outcome { intent, outcome: End::Applied, detail: String::new() };
        self.journal.append(now(), What::Outcome(outcome)).unwrap();
    }

    fn turn(&mut self, reporter: &mut Reporter, second: i64) -> Result<(), ReportError> {
        let fresh = (self.journal.take_fresh(), self.journal.sequence());
        let at = now() + jiff::SignedDuration::from_secs(second);
        reporter.turn(at, Ready::default(), fresh, &Redactor::new(KEY))
    }

    /// Names of actions and details of events in the spool.
    fn told(&self) -> Vec<String> {
        let reader = Reader::open(&self.spool());
        let mut told = Vec::new();
        for class in [Class::Event, Class::Violation] {
            let batch = reader.batch(class, &Cursor::default(), 500, usize::MAX).unwrap();
            told.extend(batch.lines.iter().map(|line| {
                match serde_json::from_slice::<v1::Record>(&line.json).unwrap().body {
                    Body::Action(action) => action.server,
                    Body::Event(event) => event.detail,
                    other => format!("{other:?}"),
                }
            }));
        }
        told
    }

    /// Takes the last record of a class from the disk, as if it had never come there.
    fn loses_the_last(&self, class: Class) {
        let names = std::fs::read_dir(self.spool()).unwrap().map(|entry| entry.unwrap().path());
        let mut of_class: Vec<PathBuf> = names
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(class.as_str()))
            .collect();
        of_class.sort();
        let path = of_class.pop().unwrap();
        let bytes = mcpolicy_platform::machine::Machine::live().read(&path, None, u64::MAX).unwrap().bytes;
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let rest: String = lines[..lines.len() - 1].iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, rest).unwrap();
    }
}

/// A crash brings one class to the disk and not another, and of a change with two entries the first.
#[test]
fn what_a_crash_kept_from_the_spool_is_reported_at_the_next_start_and_nothing_twice() {
    let mut state = State::new();
    let mut reporter = state.on_disk();
    for name in ["one", "two"] {
        state.happens(name);
    }
    state.turn(&mut reporter, 0).unwrap();
    state.turn(&mut reporter, 5).unwrap();
    let all = ["one", "two", "one-1", "one-2", "two-1", "two-2"];
    assert_eq!(state.told(), all);
    drop(reporter);
    for lost in [Class::Event, Class::Violation] {
        state.loses_the_last(lost);
        let mut reporter = state.on_disk();
        assert_eq!(state.told().len(), all.len() - 1);
        state.turn(&mut reporter, 10).unwrap();
        state.turn(&mut reporter, 15).unwrap();
        assert_eq!(state.told(), all, "{lost:?}");
    }
}

/// A session that broke off has taken its end of the journal along.
#[test]
fn records_that_nobody_handed_over_are_read_from_the_journal() {
    let mut state = State::new();
    let mut reporter = state.on_disk();
    state.turn(&mut reporter, 0).unwrap();
    state.happens("one");
    drop(state.journal.take_fresh());
    state.turn(&mut reporter, 5).unwrap();
    state.turn(&mut reporter, 10).unwrap();
    assert_eq!(state.told(), ["one", "one-1", "one-2"]);
}

/// Files of which one class cannot be written.
struct Refusing {
    disk: Disk,
    refuses: Arc<AtomicBool>,
}

impl Files for Refusing {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn read(&self, name: &str, offset: u64, limit: usize) -> io::Result<Vec<u8>> {
        self.disk.read(name, offset, limit)
    }
    fn length(&self, name: &str) -> io::Result<u64> {
        self.disk.length(name)
    }
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if name.starts_with("event") && self.refuses.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Other.into());
        }
        self.disk.append(name, bytes)
    }
    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.disk.sync(name)
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn sync_directory(&mut self) -> io::Result<()> {
        self.disk.sync_directory()
    }
}

#[test]
fn events_that_cannot_be_written_keep_no_violation_away_and_come_later() {
    let mut state = State::new();
    let refuses = Arc::new(AtomicBool::new(true));
    let files = Refusing { disk: Disk::new(&state.spool()), refuses: Arc::clone(&refuses) };
    let mut reporter = state.reporter(Box::new(files));
    state.happens("one");
    assert!(state.turn(&mut reporter, 0).is_err());
    assert_eq!(state.told(), ["one-1", "one-2"]);
    refuses.store(false, Ordering::Relaxed);
    state.happens("two");
    for second in [20, 40] {
        state.turn(&mut reporter, second).unwrap();
    }
    assert_eq!(state.told(), ["one", "two", "one-1", "one-2", "two-1", "two-2"]);
}

/// Attack: an event with a text of a quarter of a megabyte keeps away everything that is reported behind it.
#[test]
fn a_record_that_is_too_long_is_told_in_a_short_one_and_the_next_go_on() {
    let mut state = State::new();
    let mut reporter = state.on_disk();
    let event = |detail: &str, journal| {
        let detail = detail.to_owned();
        Body::Event(v1::Event { journal: Some(journal), detail, ..v1::Event::default() })
    };
    let bodies = [event(&"so many words ".repeat(MAX_RECORD / 10), 1), event("two", 2)];
    reporter.append(Class::Event, now(), now(), &bodies).unwrap();
    state.turn(&mut reporter, 5).unwrap();
    let told = state.told();
    assert!(told[0].starts_with("so many words") && told[0].len() < 5000 && told[1] == "two", "{told:?}");
    assert!(told[2].contains("an event of ") && told[2].contains("without all of its detail"), "{told:?}");
    drop(reporter);
    let place = Place { seq: 2, bodies: 1 };
    assert_eq!(
        state.on_disk().told[&Class::Event],
        place,
        "the short one is of the same record of the journal"
    );
}

/// An entry of a user with so many members, variables and arguments, and a token behind them all.
fn long_entry(many: usize) -> v1::Entry {
    let names: Vec<String> = (0..many).map(|at| format!("meta{at:060}")).collect();
    let value = |name: &String| serde_json::json!({"in": "env", "name": name, "kind": "literal", "fingerprint": "0011223344556677"});
    let mut values: Vec<serde_json::Value> = names.iter().map(value).collect();
    values.push(serde_json::json!({"in": "env", "name": "GITHUB_TOKEN", "kind": "github-token-classic"}));
    serde_json::from_value(serde_json::json!({
        "id": "e1", "name": "evil", "client": "cursor", "readers": [], "scope": "user", "user": "ann",
        "source": {"path": "/home/ann/.cursor/mcp.json"}, "key_path": "/mcpServers/evil", "transport": "stdio",
        "identity": {"kind": "npm", "name": "npm:evil", "version": "1.0.0", "pinned": true}, "command": "npx",
        "args": names, "env_keys": names, "header_keys": [], "members": names, "values": values, "disabled": false,
        "fingerprint": format!("sha256:{}", "ab".repeat(32)),
        "judged": {"verdict": "deny", "decided_by": "default", "reason": "not-allowed"},
    }))
    .unwrap()
}

/// Attack: an allowed entry with 8,000 members of its own made its inventory incomplete for as long as it stood, and the machine
/// was shown as it was before.
#[test]
fn an_entry_that_is_too_long_counts_in_its_inventory_and_is_identified_and_judged() {
    let mut state = State::new();
    let mut reporter = state.on_disk();
    let entry = long_entry(8000);
    let body = Body::Entry { snapshot: "s".to_owned(), entry: Box::new(entry.clone()) };
    reporter.append(Class::State, now(), now(), &[body]).unwrap();
    state.turn(&mut reporter, 5).unwrap();
    state.turn(&mut reporter, 10).unwrap();
    let batch = Reader::open(&state.spool()).batch(Class::State, &Cursor::default(), 9, usize::MAX).unwrap();
    assert!(batch.lines[0].json.len() <= MAX_RECORD);
    let record: v1::Record = serde_json::from_slice(&batch.lines[0].json).unwrap();
    assert_eq!(record.left_out, ["args", "env_keys", "members", "values"]);
    let Body::Entry { snapshot, entry: told } = record.body else { panic!("{:?}", record.body) };
    assert_eq!((&*snapshot, &told.fingerprint, &told.judged), ("s", &entry.fingerprint, &entry.judged));
    assert_eq!((&told.name, &told.user, &told.identity), (&entry.name, &entry.user, &entry.identity));
    assert!(told.values.iter().any(|value| value.name == "GITHUB_TOKEN"), "credentials are the last to go");
    let events = state.told();
    assert!(events.len() == 1 && events[0].contains("an entry of the inventory of "), "{events:?}");
    // of many the first are told one by one, and all are counted
    let many: Vec<Body> =
        (0..50).map(|_| Body::Entry { snapshot: "s".to_owned(), entry: Box::new(entry.clone()) }).collect();
    reporter.append(Class::State, now(), now(), &many).unwrap();
    let counts: Vec<Option<u64>> = reporter.shortened.iter().map(|event| event.count).collect();
    assert_eq!((counts.len(), counts.iter().flatten().sum::<u64>()), (MOST_SHORTENED, 50));
}

/// Whatever stands in an entry, its shortest form fits.
#[test]
fn every_entry_has_a_form_that_is_short_enough() {
    let long = "\u{1}".repeat(MAX_RECORD);
    let mut entry = long_entry(3000);
    for list in [&mut entry.args, &mut entry.env_keys, &mut entry.header_keys, &mut entry.members] {
        *list = vec![long.clone(); 300];
    }
    for value in &mut entry.values {
        value.name = "\u{1}".repeat(3000);
        value.references = Some(vec!["\u{1}".repeat(300); 50]);
    }
    (entry.name, entry.key_path, entry.identity.name) = (long.clone(), long.clone(), long.clone());
    (entry.source.path, entry.url, entry.command) = (long.clone(), Some(long.clone()), Some(long));
    let body = Body::Entry { snapshot: "s".to_owned(), entry: Box::new(entry) };
    let chain = Chain { epoch: "e".to_owned(), seq: 1, prev: "0".repeat(64) };
    let device = v1::Device { id: "laptop-1".to_owned(), ..v1::Device::default() };
    let privacy = Privacy::new(Tier::Full, KEY, &[]);
    let written = shorten::written(&record(&device, Class::State, now(), &chain, body), &privacy);
    assert!(!written.json.is_empty() && written.json.len() <= MAX_RECORD, "{}", written.json.len());
}

/// Attack: who carries records holds back the last violations, and no number after them is missing.
#[test]
fn a_heartbeat_tells_how_far_the_chains_of_the_other_classes_are() {
    let mut state = State::new();
    let mut reporter = state.on_disk();
    state.happens("one");
    let fresh = (state.journal.take_fresh(), state.journal.sequence());
    let ready = Ready { posture: Some(v1::Posture::default()), inventory: None };
    reporter.turn(now(), ready, fresh, &Redactor::new(KEY)).unwrap();
    state.turn(&mut reporter, 5).unwrap();
    let batch = Reader::open(&state.spool()).batch(Class::State, &Cursor::default(), 9, usize::MAX).unwrap();
    let record: v1::Record = serde_json::from_slice(&batch.lines[0].json).unwrap();
    let Body::Heartbeat(posture) = record.body else { panic!("{:?}", record.body) };
    let end = |class, seq| v1::ChainEnd { class, epoch: "e".repeat(16), seq };
    assert_eq!(posture.chains, [end(Class::Event, 1), end(Class::Violation, 2)]);
}

#[test]
fn a_record_of_a_loss_names_neither_the_machine_nor_its_groups_whatever_the_policy_lets_out() {
    let device = v1::Device {
        id: "laptop-1".to_owned(),
        hostname: Some("wombat".to_owned()),
        groups: vec!["payments".to_owned()],
        ..v1::Device::default()
    };
    let about = About { device, key: KEY.to_vec(), heartbeat: DAILY, sinks: BTreeSet::new() };
    let mut build = gap_builder(&about, Arc::new(AtomicI64::new(now().as_second())));
    let loss = Loss {
        of: Class::State,
        epoch: "e".to_owned(),
        first: 1,
        last: 9,
        count: 9,
        reason: "room".to_owned(),
    };
    let chain = Chain { epoch: "f".to_owned(), seq: 1, prev: "0".repeat(64) };
    let record: v1::Record = serde_json::from_slice(&build(&loss, Class::Event, &chain)).unwrap();
    assert_eq!((&*record.device.id, record.device.hostname), ("laptop-1", None));
    assert!(record.device.groups.is_empty());
    assert_eq!((record.privacy, record.body), (Tier::Outcomes, Body::Gap(loss)));
}
