//! The running agent beside an editor that does what clients and people do, in random order and without waiting for it.
//!
//! The model is what the editor wrote last into each file. Promised, and asserted whenever the editor reads, at moments of
//! rest and at the end:
//!
//! - at rest no denied entry is in any file, as read by `serde_json` and `toml` and not by the codecs of the agent;
//! - every other setting stays byte for byte as it was written last, and so does every allowed server;
//! - a server that was changed into a denied one has a text back that was allowed before, the one that it had at the last
//!   moment of rest if since then nobody wrote in place; any other denied server is gone;
//! - what is allowed was looked at, too: the agent has its text;
//! - a file that was removed is not there again;
//! - the very bytes in which a denied server was written last are in the vault;
//! - no save is lost: what is read next holds what was written last.
//!
//! Not promised, because a file that is written in place, or removed and made anew, can be read while it is empty or half, as
//! everybody who reads it may: that an entry is then known as the one it was before. It may count as taken out by its user,
//! so that a denied text in its place is quarantined and not reverted; or, where the whole file had gone, be reverted to what
//! stood in it before. Nor can a form be put back that was allowed for less time than a look takes. And between the exchange of a file and its check, some microseconds, a reader may see the state
//! before the last write (a *blink*); it is put right at once, which the editor waits for.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mcpolicy::vault::digest_of;
use mcpolicy_tests::say;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};

use crate::actions::{DEV, site_run_by};
use crate::enforce::{Site, policy};
use crate::run::Daemon;

/// Cases of a normal run. `MCPOLICY_MODEL_CASES` says another number.
const CASES: u32 = 24;
/// Machines that are edited at the same time.
const SIDE_BY_SIDE: u32 = 4;
/// How long a blink may be, with other work on the machine.
const BLINK: Duration = Duration::from_millis(500);
/// How long rest may take to come: a file that is fought over waits some seconds.
const REST: Duration = Duration::from_secs(40);
/// For how long nothing may change at rest.
const STILL: Duration = Duration::from_millis(450);
/// Acts on one file within a minute after which it is looked at ever later.
const QUIET_ACTS: usize = 4;

/// A file, and how its client writes it.
struct Kind {
    path: &'static str,
    syntax: Syntax,
}

#[derive(Clone, Copy, PartialEq)]
enum Syntax {
    Json,
    /// With comments.
    Jsonc,
    Toml,
}

const KINDS: [Kind; 4] = [
    Kind { path: ".claude.json", syntax: Syntax::Json },
    Kind { path: ".cursor/mcp.json", syntax: Syntax::Jsonc },
    Kind { path: ".codex/config.toml", syntax: Syntax::Toml },
    Kind { path: "src/p/.mcp.json", syntax: Syntax::Json },
];

const NAMES: [&str; 3] = ["a", "b", "c"];

fn allowed(number: u32) -> Value {
    json!({"command": "npx", "args": ["-y", "@acme/good@1.0.0"], "env": {"TOKEN": format!("t{number}")}})
}

/// Another package, or an allowed one into which a variable loads code.
fn denied(number: u32) -> Value {
    if number.is_multiple_of(2) {
        json!({"command": "npx", "args": ["-y", format!("evil-{number}@1.0.0")]})
    } else {
        let code = format!("-r /tmp/{number}.js");
        json!({"command": "npx", "args": ["-y", "@acme/good@1.0.0"], "env": {"NODE_OPTIONS": code}})
    }
}

fn is_allowed(server: &Value) -> bool {
    let number = server["env"]["TOKEN"].as_str().and_then(|token| token.strip_prefix('t')?.parse().ok());
    number.is_some_and(|number| *server == allowed(number))
}

/// What a client knows of its file.
#[derive(Debug, Clone, PartialEq, Default)]
struct Doc {
    /// A setting at the top, one in a table behind the servers, and a comment where the syntax has any.
    settings: [u32; 3],
    servers: BTreeMap<String, Value>,
}

/// What no client would write so, and what a reader that guesses would stumble over.
fn odd(number: u32) -> String {
    format!("{number} \"\u{e9}\" // {{[#]}} \\ mcpServers")
}

impl Doc {
    fn holds_denied(&self) -> bool {
        self.servers.values().any(|server| !is_allowed(server))
    }

    /// The lines of the settings, each as it must stand in the file.
    fn lines(&self, syntax: Syntax) -> [String; 3] {
        let [top, deep, note] = self.settings;
        let text = |number| Value::from(odd(number)).to_string();
        match syntax {
            Syntax::Json => {
                [format!("  \"top\" :\t{},", text(top)), format!("\"deep\":{}", text(deep)), String::new()]
            }
            Syntax::Jsonc => [
                format!("  \"top\" :\t{},", text(top)),
                format!("\"deep\":{}", text(deep)),
                format!("// note {note} /* ,"),
            ],
            Syntax::Toml => [
                format!("top =\t{}  # why", text(top)),
                format!("deep={}", text(deep)),
                format!("# note {note} = ["),
            ],
        }
    }

    fn render(&self, syntax: Syntax) -> Vec<u8> {
        let [top, deep, note] = self.lines(syntax);
        let text = if syntax == Syntax::Toml {
            let servers = self.servers.iter().map(|(name, server)| {
                let env = server["env"].as_object().into_iter().flatten();
                let env: String =
                    env.map(|(name, value)| format!("env = {{ {name} = {value} }}\n")).collect();
                format!(
                    "[mcp_servers.{name}]\ncommand = {}\nargs = {}\n{env}\n",
                    server["command"], server["args"]
                )
            });
            format!("{note}\n\n{top}\n\n{}[ui]\n{deep}\n", servers.collect::<String>())
        } else {
            let servers = self.servers.iter().map(|(name, server)| format!("    \"{name}\": {server}"));
            let servers = servers.collect::<Vec<_>>().join(",\n");
            format!("{{\n{note}\n{top}\n  \"mcpServers\": {{\n{servers}\n  }},\n  \"ui\": {{ {deep} }}\n}}\n")
        };
        text.into_bytes()
    }

    /// Reads what stands there; nothing if it is half, or not what this editor writes.
    fn parse(bytes: &[u8], syntax: Syntax) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mark = if syntax == Syntax::Toml { "#" } else { "//" };
        let (notes, rest): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| syntax != Syntax::Json && line.trim_start().starts_with(mark));
        let whole: Value = if syntax == Syntax::Toml {
            serde_json::to_value(toml::from_str::<toml::Table>(text).ok()?).ok()?
        } else {
            serde_json::from_str(&rest.join("\n")).ok()?
        };
        let number = |value: &Value| value.as_str()?.split(' ').next()?.parse().ok();
        let note = notes.first().map_or(Some(0), |note| note.split(' ').nth(2)?.parse().ok());
        let servers = whole[if syntax == Syntax::Toml { "mcp_servers" } else { "mcpServers" }].as_object();
        let servers = servers.into_iter().flatten();
        Some(Self {
            settings: [number(&whole["top"])?, number(&whole["ui"]["deep"])?, note?],
            servers: servers.map(|(name, server)| (name.clone(), server.clone())).collect(),
        })
    }
}

/// How the editor puts bytes in place.
#[derive(Debug, Clone, Copy)]
enum How {
    /// A file beside it, and another name.
    Rename,
    /// Cut and written at once.
    InPlace,
    /// Cut, and written in two halves with pauses of so many milliseconds.
    Halves(u64),
}

#[derive(Debug, Clone, Copy)]
enum Does {
    Allow(usize),
    Deny(usize),
    /// An allowed one that is there becomes a denied one.
    Turn,
    Remove(usize),
    Set(usize),
    Delete,
    /// The folder goes with all that is in it, and is made anew.
    Folder,
    Rest,
}

#[derive(Debug, Clone)]
struct Step {
    file: usize,
    does: Does,
    how: How,
    /// Milliseconds before the next.
    wait: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    let does = prop_oneof![
        4 => name.clone().prop_map(Does::Allow),
        4 => name.clone().prop_map(Does::Deny),
        4 => Just(Does::Turn),
        2 => name.prop_map(Does::Remove),
        6 => (0..3_usize).prop_map(Does::Set),
        1 => Just(Does::Delete),
        1 => Just(Does::Folder),
        2 => Just(Does::Rest),
    ];
    let how =
        prop_oneof![4 => Just(How::Rename), 2 => Just(How::InPlace), 1 => (0..40_u64).prop_map(How::Halves)];
    let wait = prop_oneof![4 => Just(0), 4 => 1..30_u64, 2 => 30..250_u64];
    (0..KINDS.len(), does, how, wait).prop_map(|(file, does, how, wait)| Step { file, does, how, wait })
}

/// What the model knows of one file.
#[derive(Default)]
struct Known {
    /// What was written last; nothing if it was removed.
    doc: Option<Doc>,
    bytes: Vec<u8>,
    /// Allowed texts of each name that the agent may remember.
    texts: BTreeMap<String, Vec<Value>>,
    /// Names that had the same allowed text at the last rest and since.
    sure: BTreeSet<String>,
    /// Since the last rest it may have been read empty, half or not at all.
    blurred: bool,
    /// How often a denied server was written.
    denied: usize,
}

struct Editor<'s> {
    site: &'s Site,
    files: Vec<Known>,
    /// Settings and servers are numbered: no two are alike.
    number: u32,
    blinks: usize,
}

impl Editor<'_> {
    fn path(&self, file: usize) -> PathBuf {
        self.site.machine.home().join(KINDS[file].path)
    }

    /// Why what stands there is not what may stand there; nothing if it is. At rest no denied server may.
    fn wrong(&self, file: usize, at_rest: bool) -> Option<String> {
        let (known, syntax) = (&self.files[file], KINDS[file].syntax);
        let found = fs::read(self.path(file)).ok();
        let (Some(doc), Some(bytes)) = (&known.doc, &found) else {
            let is_right = known.doc.is_none() && found.is_none();
            let there = if found.is_some() { "it is there again" } else { "it is gone" };
            return (!is_right).then(|| there.to_owned());
        };
        let text = String::from_utf8_lossy(bytes);
        let Some(now) = Doc::parse(bytes, syntax) else { return Some(format!("it is damaged: {text}")) };
        let missing = doc.lines(syntax).into_iter().find(|line| !text.contains(line.as_str()));
        if let Some(line) = missing.or_else(|| (now.settings != doc.settings).then(|| "a setting".to_owned()))
        {
            return Some(format!("{line:?} is lost: {text}"));
        }
        let names: BTreeSet<&String> = doc.servers.keys().chain(now.servers.keys()).collect();
        for name in names {
            let (written, found) = (doc.servers.get(name), now.servers.get(name));
            let is_right = match written {
                None => found.is_none(),
                Some(server) if is_allowed(server) => found == written,
                Some(_) if found == written => !at_rest,
                Some(_) => match found {
                    None => known.blurred || !known.sure.contains(name),
                    Some(text) => known.texts.get(name).is_some_and(|texts| texts.contains(text)),
                },
            };
            if !is_right {
                return Some(format!("{name} was written as {written:?} and is {found:?}"));
            }
        }
        let object = self.site.folder("state/vault/objects").join(digest_of(&known.bytes));
        (at_rest && doc.holds_denied() && !object.exists())
            .then(|| "its original is not in the vault".to_owned())
    }

    /// Which allowed server of a file at rest the agent has not taken note of, as it does at each look; nothing if it has of
    /// all.
    fn unseen(&self, file: usize) -> Option<String> {
        let known = &self.files[file];
        if known.denied > QUIET_ACTS {
            return None;
        }
        let books = fs::read_dir(self.site.folder("state/vault/last-allowed")).into_iter().flatten();
        let books = books.map(|book| book.unwrap().path());
        // one may be in the middle of being replaced
        let books = books.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        let books: Vec<Value> =
            books.filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok()).collect();
        let text = |book: &Value, name: &str| -> Option<String> {
            let is_it = |entry: &&Value| {
                let path = entry["path"].as_str().unwrap_or_default();
                path.ends_with(KINDS[file].path) && entry["name"] == name
            };
            let digest = book["entries"].as_array()?.iter().find(is_it)?["text"].as_str()?;
            let pieces = book["texts"][digest].as_array()?.iter();
            let bytes = pieces.flat_map(|piece| BASE64.decode(piece["bytes"].as_str().unwrap()).unwrap());
            String::from_utf8(bytes.collect()).ok()
        };
        let now = Doc::parse(&fs::read(self.path(file)).ok()?, KINDS[file].syntax)?;
        let is_noted = |(name, server): &(&String, &Value)| {
            let token = server["env"]["TOKEN"].to_string();
            books.iter().any(|book| text(book, name).is_some_and(|text| text.contains(&token)))
        };
        let unseen = now.servers.iter().find(|server| !is_noted(server))?;
        Some(format!("{} was not looked at", unseen.0))
    }

    /// What the editor reads. Whatever it wrote last is in it.
    fn read(&mut self, file: usize) -> Result<Option<Doc>, TestCaseError> {
        let begin = Instant::now();
        let mut blinked = false;
        while let Some(wrong) = self.wrong(file, false) {
            if begin.elapsed() > BLINK {
                return Err(TestCaseError::fail(format!("{}: {wrong}", KINDS[file].path)));
            }
            blinked = true;
            std::thread::sleep(Duration::from_millis(1));
        }
        self.blinks += usize::from(blinked);
        let bytes = fs::read(self.path(file)).ok();
        Ok(bytes.and_then(|bytes| Doc::parse(&bytes, KINDS[file].syntax)))
    }

    fn write(&mut self, file: usize, doc: Doc, how: How) {
        let path = self.path(file);
        let bytes = doc.render(KINDS[file].syntax);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        self.give(path.parent().unwrap());
        match how {
            How::Rename => {
                let beside = path.with_extension("editor");
                let mut new = self.create(&beside);
                new.write_all(&bytes).unwrap();
                drop(new);
                fs::rename(&beside, &path).unwrap();
            }
            How::InPlace => self.create(&path).write_all(&bytes).unwrap(),
            How::Halves(pause) => {
                let (first, second) = bytes.split_at(bytes.len() / 2);
                let mut open = self.create(&path);
                for half in [first, second] {
                    std::thread::sleep(Duration::from_millis(pause));
                    open.write_all(half).unwrap();
                }
            }
        }
        let known = &mut self.files[file];
        known.blurred |= !matches!(how, How::Rename);
        known.sure.retain(|name| doc.servers.contains_key(name));
        for (name, server) in doc.servers.iter().filter(|(_, server)| is_allowed(server)) {
            let texts = known.texts.entry(name.clone()).or_default();
            if texts.last() != Some(server) {
                known.sure.remove(name);
                texts.push(server.clone());
            }
        }
        known.denied += usize::from(doc.holds_denied());
        (known.doc, known.bytes) = (Some(doc), bytes);
    }

    /// Opens it for writing, empty, and the user's before anything is in it.
    fn create(&self, path: &Path) -> File {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path).unwrap();
        self.give(path);
        file
    }

    fn give(&self, path: &Path) {
        if self.site.machine.root().join("etc").is_dir() {
            std::os::unix::fs::chown(path, Some(DEV), Some(DEV)).unwrap();
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let file = step.file;
        match step.does {
            Does::Rest => return self.rest(&[file]),
            Does::Delete | Does::Folder => {
                let path = self.path(file);
                let folder = path.parent().filter(|folder| **folder != *self.site.machine.home());
                match folder.filter(|_| matches!(step.does, Does::Folder)) {
                    // the agent may be writing beside it
                    Some(folder) => while fs::remove_dir_all(folder).is_err() && folder.exists() {},
                    None => drop(fs::remove_file(&path)),
                }
                let known = &mut self.files[file];
                (known.doc, known.blurred) = (None, true);
                known.sure.clear();
                return Ok(());
            }
            _ => {}
        }
        let mut doc = self.read(file)?.unwrap_or_default();
        self.number += 1;
        match step.does {
            Does::Allow(name) => {
                doc.servers.insert(NAMES[name].to_owned(), allowed(self.number));
            }
            Does::Deny(name) => {
                doc.servers.insert(NAMES[name].to_owned(), denied(self.number));
            }
            Does::Turn => {
                let server = doc.servers.values_mut().find(|server| is_allowed(server));
                server.into_iter().for_each(|server| *server = denied(self.number));
            }
            Does::Remove(name) => {
                doc.servers.remove(NAMES[name]);
            }
            Does::Set(which) => {
                let has_notes = KINDS[file].syntax != Syntax::Json;
                doc.settings[if has_notes { which } else { which % 2 }] = self.number;
            }
            Does::Delete | Does::Folder | Does::Rest => {}
        }
        self.write(file, doc, step.how);
        Ok(())
    }

    /// Waits until all is as it should be at rest, and stays so.
    fn rest(&mut self, files: &[usize]) -> Result<(), TestCaseError> {
        let begin = Instant::now();
        let wrong_at = |file: &usize| self.wrong(*file, true).or_else(|| self.unseen(*file));
        let wrong = || files.iter().find_map(|file| Some((KINDS[*file].path, wrong_at(file)?)));
        while let Some((path, wrong)) = wrong() {
            if begin.elapsed() > REST {
                return Err(TestCaseError::fail(format!("no rest, {path}: {wrong}")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let read = || -> Vec<_> { files.iter().map(|file| fs::read(self.path(*file)).ok()).collect() };
        let all = read();
        std::thread::sleep(STILL);
        prop_assert_eq!(wrong(), None, "not for long");
        prop_assert!(all == read(), "it goes on changing");
        for (file, bytes) in files.iter().zip(all) {
            let known = &mut self.files[*file];
            // of a file that is fought over the last look may be to come
            if known.denied <= QUIET_ACTS && known.doc.is_some() {
                let now = bytes.and_then(|bytes| Doc::parse(&bytes, KINDS[*file].syntax)).unwrap_or_default();
                known.sure = now.servers.keys().cloned().collect();
                known.texts = now.servers.into_iter().map(|(name, server)| (name, vec![server])).collect();
                known.blurred = false;
            }
        }
        Ok(())
    }
}

/// One case: a machine of its own. How often a blink was seen.
fn edited(steps: &[Step], by_root: bool) -> Result<usize, TestCaseError> {
    let mut site = Site::new();
    if fs::metadata(site.machine.root()).unwrap().uid() == 0 {
        site = site_run_by((!by_root).then_some(DEV));
    }
    let good = json!({"id": "good", "env": {"TOKEN": "*"}, "identity": {"npm": {"package": "@acme/good", "versions": "1.0.0"}}});
    site.publish(&policy(&json!({}), &json!([good])));
    let files = KINDS.iter().map(|_| Known::default()).collect();
    let mut editor = Editor { site: &site, files, number: 0, blinks: 0 };
    (0..KINDS.len()).for_each(|file| editor.write(file, Doc::default(), How::Rename));
    crate::actions::settle(&site);
    let (daemon, _) = Daemon::start(&site);
    for step in steps {
        editor.step(step)?;
        std::thread::sleep(Duration::from_millis(step.wait));
    }
    editor.rest(&[0, 1, 2, 3])?;
    prop_assert_eq!(daemon.stop(), Some(0));
    for (file, kind) in KINDS.iter().enumerate() {
        prop_assert_eq!(editor.wrong(file, true), None, "after the end, {}", kind.path);
    }
    Ok(editor.blinks)
}

/// Cases one after the other; what happened in them.
fn cases(cases: u32, seed: RngSeed) -> String {
    let config = Config {
        cases,
        rng_seed: seed,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    };
    let (steps, blinks) = (Cell::new(0), Cell::new(0));
    let every = prop::collection::vec(step(), 6..24);
    let done = TestRunner::new(config).run(&(every, any::<bool>()), |(every, by_root)| {
        blinks.set(blinks.get() + edited(&every, by_root)?);
        steps.set(steps.get() + every.len());
        Ok(())
    });
    if let Err(error) = done {
        panic!("{error}");
    }
    format!("{cases} cases, {} steps, {} blinks", steps.get(), blinks.get())
}

#[test]
fn no_edit_is_lost_beside_the_daemon_and_no_denied_entry_survives_rest() {
    let given = std::env::var("MCPOLICY_MODEL_CASES").ok();
    let wanted = given.map_or(CASES, |cases| cases.parse().expect("MCPOLICY_MODEL_CASES is a number"));
    let begin = Instant::now();
    // most of a case is waiting
    let side_by_side = (0..SIDE_BY_SIDE).map(|lane| {
        let seed = match Config::default().rng_seed {
            RngSeed::Fixed(seed) => RngSeed::Fixed(seed.wrapping_add(lane.into())),
            RngSeed::Random => RngSeed::Random,
        };
        std::thread::spawn(move || cases(wanted.div_ceil(SIDE_BY_SIDE), seed))
    });
    let side_by_side: Vec<_> = side_by_side.collect();
    for lane in side_by_side {
        let said = lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        say(&format!("{said}, {:.0?}", begin.elapsed()));
    }
}
