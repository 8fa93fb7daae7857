//! A pass is killed at random moments, its workers too: every file is the old or the new one, the vault has what was
//! changed, the journal's chain is whole, and the next pass ends what was begun.
//!
//! `MCPOLICY_KILL_ROUNDS` says how often (`tests/long/killed.sh`), `MCPOLICY_KILL_SEED` repeats a run's moments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mcpolicy::vault::digest_of;
use mcpolicy_tests::signing::publish;
use mcpolicy_tests::{TestMachine, say, skip};
use serde_json::{Value, json};

use crate::enforce::{policy, rule};

const ANN: u32 = 2001;
const FILES: usize = 20;
/// Rounds upon the same state folder, so that journal and vault of earlier ones are there; then a fresh one.
const BATCH: usize = 4;
/// Without a number of rounds the test ends after so long, or after [`ROUNDS`].
const ENOUGH: Duration = Duration::from_secs(25);
const ROUNDS: usize = 40;

/// One file, as its user wrote it and as a pass leaves it; nothing where there is none.
struct Planted {
    path: PathBuf,
    old: Option<String>,
    new: Option<String>,
    uid: Option<u32>,
}

/// Files below a project, or below the home: path, old, new.
type Made = (String, Option<String>, Option<String>);

struct Scene {
    machine: TestMachine,
    binary: PathBuf,
    files: Vec<Planted>,
    /// The pass runs as this user, in one process; else as whoever runs the tests.
    run_as: Option<u32>,
}

/// The moments come of a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn new(salt: u64) -> Self {
        let given = std::env::var("MCPOLICY_KILL_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| Timestamp::now().as_microsecond().unsigned_abs());
        say(&format!("MCPOLICY_KILL_SEED={seed}"));
        Self(seed ^ salt)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    fn within(&mut self, span: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(span.as_micros()).unwrap()))
    }
}

/// JSON and TOML by turns, with comments and white space of their own; what is taken out has its lines.
fn text(at: usize) -> (&'static str, String, String) {
    let good = r#""good": {"command": "npx", "args": ["-y", "@acme/good@1.0.0"]}"#;
    let bad = format!(r#""bad-{at}": {{"command": "npx", "args": ["-y", "bad-{at}@1.0.0"], "env": {{}}}}"#);
    match at % 3 {
        0 => {
            let with =
                |middle: &str| format!("{{\n  \"mcpServers\": {{\n{middle}    {good}\n  }}, \"x\": 1.50\n}}");
            (".cursor/mcp.json", with(&format!("    {bad},\n")), with(""))
        }
        1 => {
            let with =
                |end: &str| format!("{{\r\n\t\"mcpServers\" : {{\r\n\t\t{good}{end}\r\n\t}}\r\n}}\r\n");
            (".cursor/mcp.json", with(&format!(",\r\n\t\t{bad}")), with(""))
        }
        _ => {
            let bad =
                format!("[mcp_servers.bad-{at}]\ncommand = \"npx\"\nargs = [\"-y\", \"bad-{at}@1.0.0\"]\n\n");
            let good = "[mcp_servers.good]\ncommand = \"npx\"\nargs = [\"-y\", \"@acme/good@1.0.0\"]\n";
            let with = |bad: &str| format!("# mine\nmodel = \"m\"   # this one\n\n{bad}{good}");
            (".codex/config.toml", with(&bad), with(""))
        }
    }
}

/// One edited file of each project.
fn edits(_: &str, at: usize) -> Vec<Made> {
    let (path, old, new) = text(at);
    vec![(format!("p{at}/{path}"), Some(old), Some(new))]
}

/// By turns a file that goes as a whole, an entry with its approval, and a switch outside of a work tree.
fn other_kinds(user: &str, at: usize) -> Vec<Made> {
    let entry = format!(r#""bad-{at}": {{"command": "npx", "args": ["-y", "bad-{at}@1.0.0"]}}"#);
    match at % 3 {
        // damaged in a way that its client reads past
        0 => {
            let damaged = format!("{{\"mcpServers\": {{{}  \"env\": {{}}}}}}}}", entry.trim_end_matches('}'));
            vec![(format!("p{at}/.cursor/mcp.json"), Some(damaged), None)]
        }
        1 => {
            let (_, old, new) = text(3 * at);
            let (old, named) =
                (old.replace(&format!("bad-{}", 3 * at), &format!("bad-{at}")), format!("bad-{at}"));
            let approving = |names: &str| {
                Some(format!("{{\n  \"enabledMcpjsonServers\": [{names}],\n  \"theme\": \"dark\"\n}}\n"))
            };
            let approvals = (approving(&format!("\"{named}\", \"good\"")), approving("\"good\""));
            vec![
                (format!("p{at}/.mcp.json"), Some(old), Some(new)),
                (format!("p{at}/.claude/settings.local.json"), approvals.0, approvals.1),
            ]
        }
        _ => {
            let text = Some(format!("{{\"mcpServers\": {{{entry}}}}}\n"));
            let switch = format!(".cursor/projects/home-{user}-p{at}/mcp-disabled.json");
            // as much as Git wants of a repository
            let same = |path: &str, text: &str| {
                (format!("p{at}/.git/{path}"), Some(text.to_owned()), Some(text.to_owned()))
            };
            vec![
                same("HEAD", "ref: refs/heads/main\n"),
                same("objects/info/packs", "\n"),
                same("refs/keep", ""),
                (format!("p{at}/.cursor/mcp.json"), text.clone(), text),
                (switch, None, Some(format!("[\"bad-{at}\"]\n"))),
            ]
        }
    }
}

impl Scene {
    /// Twenty projects: of three users, whom workers serve, or all of one.
    fn new(users: &[(&str, Option<u32>)], run_as: Option<u32>, made: fn(&str, usize) -> Vec<Made>) -> Self {
        let machine = TestMachine::new(crate::BINARY);
        let root = machine.root();
        fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
        fs::remove_dir(machine.home()).unwrap();
        fs::create_dir(root.join("etc")).unwrap();
        let line = |(name, uid): &(&str, Option<u32>)| {
            let uid = uid.unwrap_or_else(|| fs::metadata(&root).unwrap().uid());
            format!("{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n")
        };
        fs::write(root.join("etc/passwd"), users.iter().map(line).collect::<String>()).unwrap();
        let planted = |at: usize| {
            let (user, uid) = users[at % users.len()];
            let home = root.join("home").join(user);
            let files = made(user, at).into_iter();
            files.map(move |(path, old, new)| Planted { path: home.join(path), old, new, uid })
        };
        let files = (0..FILES).flat_map(planted).collect();
        let bad = |at: usize| rule(&format!("bad-{at}"));
        let all: Vec<Value> = std::iter::once(rule("@acme/good")).chain((0..FILES).map(bad)).collect();
        for (folder, sequence, rules) in [("deny", 1, json!([rule("@acme/good")])), ("allow", 2, json!(all))]
        {
            let issued = Timestamp::now() - SignedDuration::from_mins(10 - sequence);
            publish(&root.join(folder), sequence.unsigned_abs(), issued, &policy(&json!({}), &rules), None);
        }
        let settings = format!(
            "schema = \"mcpolicy/agent/v1\"\n[policy]\ntrust_root = {:?}\n",
            root.join("allow/root.1.json")
        );
        fs::write(root.join("agent.toml"), settings).unwrap();
        let mut binary = PathBuf::from(crate::BINARY);
        if let Some(uid) = run_as {
            // where that user can get at it
            binary = root.join("mcpolicy");
            fs::copy(crate::BINARY, &binary).unwrap();
            lchown(&root, Some(uid), Some(uid)).unwrap();
            lchown(root.join("agent.toml"), Some(uid), Some(uid)).unwrap();
        }
        let scene = Self { machine, binary, files, run_as };
        scene.plant();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.machine.root().join(name)
    }

    /// Every file as its user wrote it; folders are made where they are not there.
    fn plant(&self) {
        for file in &self.files {
            fs::create_dir_all(file.path.parent().unwrap()).unwrap();
            match &file.old {
                Some(old) => fs::write(&file.path, old).unwrap(),
                None => drop(fs::remove_file(&file.path)),
            }
            let homes = self.path("home");
            let parts = file.path.ancestors().take_while(|part| *part != homes);
            for part in parts.filter(|part| fs::symlink_metadata(part).is_ok()) {
                lchown(part, file.uid, file.uid).unwrap();
            }
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--root").arg(self.machine.root()).arg("--state").arg(self.path("state"));
        command.env_clear().env("HOME", "/nonexistent").env("PATH", "/nonexistent").current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(uid) = self.run_as {
            command.uid(uid).gid(uid);
        }
        command
    }

    fn pass(&self, folder: &str) -> Command {
        let (policy, root) = (self.path(folder), self.path(folder).join("root.1.json"));
        self.command(&[
            "enforce",
            "--once",
            "--json",
            "--policy",
            text_of(&policy),
            "--trust-root",
            text_of(&root),
        ])
    }

    /// A pass that nobody kills.
    fn whole_pass(&self, folder: &str) -> Duration {
        let start = Instant::now();
        complete(&mut self.pass(folder));
        start.elapsed()
    }

    /// How many files a pass changes.
    fn changing(&self) -> usize {
        self.files.iter().filter(|file| file.old != file.new).count()
    }

    /// Each file is the old or the new one, and of those that are new the vault has the old. How many are new.
    fn check_each(&self, told: &str) -> usize {
        let originals = self.originals();
        let mut new = 0;
        for file in &self.files {
            let (now, path) = (fs::read_to_string(&file.path).ok(), file.path.display());
            if now != file.old {
                assert_eq!(now, file.new, "{told}: {path} is neither");
                let old = file.old.as_deref().unwrap_or_default().as_bytes();
                let kept = self.path("state/vault/objects").join(digest_of(old));
                assert!(originals.contains_key(&digest_of(old)), "{told}: no item has {path}");
                assert_eq!(fs::read(kept).unwrap(), old, "{told}: {path}");
                new += 1;
            }
        }
        new
    }

    /// What the vault says of each original, by its digest.
    fn originals(&self) -> BTreeMap<String, Vec<Value>> {
        let mut originals: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let Ok(items) = fs::read_dir(self.path("state/vault/items")) else { return originals };
        for item in items.map(|item| item.unwrap().path()) {
            if item.extension().is_some_and(|ending| ending == "json") {
                let item: Value = serde_json::from_slice(&fs::read(item).unwrap()).unwrap();
                let digest = item["original"].as_str().unwrap().to_owned();
                originals.entry(digest).or_default().push(item);
            }
        }
        originals
    }

    /// Items of which it is not known whether their change was made.
    fn pending(&self) -> Vec<Value> {
        let items = self.originals().into_values().flatten();
        items.filter(|item| item["state"] == "pending").collect()
    }

    /// The records, of which each continues the one before. The last line may be torn where a crash just was.
    fn journal(&self, may_be_torn: bool, told: &str) -> Vec<Value> {
        let Ok(listed) = fs::read_dir(self.path("state/journal")) else { return Vec::new() };
        let mut segments: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
        segments.sort();
        let bytes: Vec<u8> = segments.iter().flat_map(|path| fs::read(path).unwrap()).collect();
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let rest = lines.pop().unwrap_or_default();
        assert!(rest.is_empty() || may_be_torn, "{told}: the last record is torn");
        let mut last = "0".repeat(64);
        let mut records = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let record: Value = serde_json::from_slice(line).unwrap();
            assert_eq!((&record["seq"], &record["prev"]), (&json!(at + 1), &json!(last)), "{told}");
            last = digest_of(line);
            records.push(record);
        }
        let log = self.command(&["log", "--json"]).stdout(Stdio::piped()).output().unwrap();
        assert!(log.status.success() || !rest.is_empty(), "{told}: the log cannot be read");
        let told_by_log = log.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        assert_eq!(told_by_log, records.len(), "{told}");
        records
    }

    /// What is below the homes beside the files.
    fn tree(&self) -> BTreeSet<PathBuf> {
        let (mut tree, mut folders) = (BTreeSet::new(), vec![self.path("home")]);
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path.clone());
                }
                tree.insert(path);
            }
        }
        tree.retain(|path| self.files.iter().all(|file| file.path != *path));
        tree
    }

    /// A pass that was not killed has ended everything that was begun.
    fn check_ended(&self, tree: &BTreeSet<PathBuf>, told: &str) {
        assert_eq!(&self.tree(), tree, "{told}: nothing is left beside the files");
        let records = self.journal(false, told);
        let of = |kind: &str, member: &str| -> BTreeSet<u64> {
            let records = records.iter().filter(|record| record["kind"] == kind);
            records.map(|record| record[member].as_u64().unwrap()).collect()
        };
        assert_eq!(of("intent", "seq"), of("outcome", "intent"), "{told}: each intent has its outcome");
        assert_eq!(self.pending(), Vec::<Value>::new(), "{told}: items whose change nobody ended");
    }

    /// Starts a pass and kills it. The moment lies anywhere in its span, or close to one of its edits.
    fn kill(&self, folder: &str, span: Duration, dice: &mut Dice) -> String {
        let mut child = self.pass(folder).spawn().unwrap();
        let told = if dice.below(2) == 0 {
            let after = dice.within(span);
            std::thread::sleep(after);
            format!("after {after:?}")
        } else {
            let (files, jitter) =
                (dice.below(self.changing() as u64), dice.within(Duration::from_millis(12)));
            let intents = || fs::read_dir(self.path("state/vault/items")).map_or(0, Iterator::count) as u64;
            let before = intents();
            while intents() < before + files && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_micros(200));
            }
            std::thread::sleep(jitter);
            format!("{jitter:?} after {files} originals were kept")
        };
        let workers = children_of(&child);
        let way = dice.below(3);
        if way > 0 {
            signal(&workers);
        }
        if way < 2 {
            // it was not waited for yet: the number is still its own
            child.kill().unwrap();
        }
        child.wait().unwrap();
        // a worker whose master is gone may be in the middle of an exchange
        let start = Instant::now();
        while workers.iter().any(|worker| is_alive(*worker)) {
            assert!(start.elapsed() < Duration::from_secs(60), "a worker outlives its master");
            std::thread::sleep(Duration::from_millis(1));
        }
        format!("{folder}, {told}, {}", ["the pass alone", "both", "its workers alone"][way as usize])
    }
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn complete(command: &mut Command) -> Output {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    output
}

fn children_of(child: &Child) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", child.id())) else { return Vec::new() };
    let children = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    children
        .flat_map(|text| text.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

fn signal(processes: &[u32]) {
    if !processes.is_empty() {
        let ids = processes.iter().map(u32::to_string);
        // some may have ended by themselves
        Command::new("kill").arg("-KILL").args(ids).stderr(Stdio::null()).status().unwrap();
    }
}

/// Not gone, and no zombie either.
fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Kills so many passes, and restores at the end of each batch; `restores` kills some of these as well.
fn rounds(scene: &Scene, dice: &mut Dice, restores: bool) {
    let given: Option<usize> =
        std::env::var("MCPOLICY_KILL_ROUNDS").ok().map(|rounds| rounds.parse().unwrap());
    let (start, tree) = (Instant::now(), scene.tree());
    let span = scene.whole_pass("deny");
    let (mut done, mut between) = (0, 0);
    while done < given.unwrap_or(ROUNDS) && (given.is_some() || start.elapsed() < ENOUGH) {
        let _ = fs::remove_dir_all(scene.path("state"));
        for round in done..done + BATCH {
            scene.plant();
            let told = format!("round {round}: {}", scene.kill("deny", span, dice));
            let new = scene.check_each(&told);
            between += usize::from(new > 0 && new < scene.changing());
            scene.journal(true, &told);
            scene.whole_pass("deny");
            assert_eq!(scene.check_each(&told), scene.changing(), "{told}: all are done");
            scene.check_ended(&tree, &told);
        }
        done += BATCH;
        if restores {
            let told = format!("round {done}: {}", scene.kill("allow", span, dice));
            scene.check_each(&told);
            scene.journal(true, &told);
        }
        scene.whole_pass("allow");
        assert_eq!(scene.check_each("restored"), 0, "every byte is back");
        scene.check_ended(&tree, "restored");
    }
    say(&format!("{done} rounds of {span:?}, {between} of them in the middle of the edits"));
    assert!(done >= BATCH && (between > 0 || done < ROUNDS), "the moments lie where something happens");
}

/// What broken-off passes left is restored by hand, item by item.
fn restore_by_hand(scene: &Scene, dice: &mut Dice) {
    let _ = fs::remove_dir_all(scene.path("state"));
    scene.plant();
    let span = scene.whole_pass("deny");
    let _ = fs::remove_dir_all(scene.path("state"));
    scene.plant();
    scene.kill("deny", span, dice);
    scene.whole_pass("deny");
    // accepted, but nothing is put back by itself in this mode
    complete(scene.pass("allow").args(["--mode-ceiling", "observe"]));
    assert_eq!(scene.check_each("accepted"), scene.changing());
    let list = complete(&mut scene.command(&["quarantine", "list", "--json"]));
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    let mut items = list["items"].as_array().unwrap().clone();
    // an approval comes back to what is there
    items.sort_by_key(|item| item["entries"].to_string().contains("\"approval\""));
    for item in items {
        let settings = scene.path("agent.toml");
        let id = item["id"].as_str().unwrap();
        complete(&mut scene.command(&["quarantine", "restore", id, "--settings", text_of(&settings)]));
    }
    assert_eq!(scene.check_each("by hand"), 0, "every byte is back");
}

/// Three users, whom root's workers serve.
fn of_root(made: fn(&str, usize) -> Vec<Made>) -> Option<Scene> {
    if !is_root() {
        skip("workers that are other users need root");
        return None;
    }
    Some(Scene::new(&[("ann", Some(ANN)), ("bob", Some(ANN + 1)), ("cat", Some(ANN + 2))], None, made))
}

#[test]
fn a_pass_that_is_killed_with_its_workers_leaves_each_file_old_or_new_and_the_next_one_ends_it() {
    let Some(scene) = of_root(edits) else { return };
    let mut dice = Dice::new(1);
    rounds(&scene, &mut dice, false);
    restore_by_hand(&scene, &mut dice);
}

#[test]
fn a_pass_in_one_process_that_is_killed_leaves_each_file_old_or_new_and_the_next_one_ends_it() {
    let user = is_root().then_some(ANN);
    let scene = Scene::new(&[("ann", user)], user, edits);
    rounds(&scene, &mut Dice::new(2), false);
}

#[test]
fn a_restore_that_is_killed_loses_no_original() {
    let Some(scene) = of_root(edits) else { return };
    rounds(&scene, &mut Dice::new(3), true);
}

/// Whole files, approvals and switches outside of work trees.
#[test]
fn a_pass_of_the_other_kinds_that_is_killed_leaves_each_file_old_or_new_and_the_next_one_ends_it() {
    let Some(scene) = of_root(other_kinds) else { return };
    let mut dice = Dice::new(4);
    rounds(&scene, &mut dice, false);
    restore_by_hand(&scene, &mut dice);
}

#[test]
fn a_restore_of_the_other_kinds_that_is_killed_loses_no_original() {
    let Some(scene) = of_root(other_kinds) else { return };
    rounds(&scene, &mut Dice::new(5), true);
}

/// A crash between the vault and the journal: an original is kept, and nothing says for what.
#[test]
fn an_original_whose_change_was_never_announced_does_not_stay_pending() {
    let Some(scene) = of_root(edits) else { return };
    scene.whole_pass("deny");
    for edited in [true, false] {
        let (_, items) = scene.originals().pop_first().unwrap();
        let mut item = items.into_iter().next().unwrap();
        item["id"] = json!("q-0123456789");
        item["state"] = json!("pending");
        fs::write(scene.path("state/vault/items/q-0123456789.json"), item.to_string()).unwrap();
        if !edited {
            scene.plant();
        }
        scene.whole_pass("deny");
        assert_eq!(scene.pending(), Vec::<Value>::new(), "edited: {edited}");
        assert_eq!(scene.check_each("afterwards"), FILES);
    }
}

fn is_root() -> bool {
    let own = tempfile::tempdir().unwrap();
    fs::metadata(own.path()).unwrap().uid() == 0
}
