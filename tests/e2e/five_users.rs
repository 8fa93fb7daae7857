//! A machine with five users, with files that real clients wrote and a real repository: one pass makes exactly the tree
//! that is expected, and restoring brings back every byte.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jiff::{SignedDuration, Timestamp};
use mcpolicy_tests::signing::publish;
use mcpolicy_tests::{TestMachine, report_of, shared, skip};
use serde_json::{Value, json};

use crate::enforce::{actions, policy, rule};

const USERS: [(&str, u32); 5] = [("ann", 2001), ("bob", 2002), ("cat", 2003), ("dan", 2004), ("eve", 2005)];

/// A file of one user's: where, what it holds, and what is taken out of it.
struct Case {
    user: &'static str,
    path: &'static str,
    text: String,
    gone: &'static [&'static str],
}

/// Content, mode and owner of each file, and of each directory its mode and owner.
type Tree = BTreeMap<PathBuf, (Vec<u8>, u32, u32, u32)>;

struct Fleet {
    machine: TestMachine,
    cases: Vec<Case>,
}

/// Where its owner put it: below his own home.
fn sample(path: &str, user: &str) -> Option<String> {
    let text = fs::read_to_string(shared(&format!("samples/{path}"))?).unwrap();
    Some(text.replace("/home/dev", &format!("/home/{user}")))
}

/// What clients wrote themselves, but for the last three.
fn cases() -> Option<Vec<Case>> {
    let case = |user, path, from: &str, gone| Some(Case { user, path, text: sample(from, user)?, gone });
    let own = |user, path, text: &str, gone| Case { user, path, text: text.to_owned(), gone };
    Some(vec![
        case("ann", ".claude.json", "core/claude/dot-claude.json", &["loc", "usr", "js", "js2"])?,
        case("ann", "proj/.mcp.json", "core/claude/project.mcp.json", &["prj"])?,
        case("bob", ".codex/config.toml", "core/codex/config.toml", &["old", "\"we ird.name\"", "s1"])?,
        case("cat", ".gemini/settings.json", "others/gemini-cli-0.61.0/user-settings.json", &["fs", "ev"])?,
        case(
            "cat",
            ".qwen/settings.json",
            "others/qwen-code-0.15.10/user-settings.json",
            &["fs", "projsrv"],
        )?,
        case(
            "cat",
            ".copilot/mcp-config.json",
            "others/copilot-cli-1.0.102/user-mcp-config.json",
            &["fs", "ev"],
        )?,
        case(
            "cat",
            ".config/opencode/opencode.jsonc",
            "others/opencode-1.18.33/user-opencode.jsonc",
            &["fs"],
        )?,
        case("cat", ".factory/mcp.json", "others/droid-0.215.0/user-mcp.json", &["fs"])?,
        case(
            "cat",
            "proj/.gemini/settings.json",
            "others/gemini-cli-0.61.0/project-settings.json",
            &["projsrv"],
        )?,
        own("dan", "src/.mcp.json", DANS, &["bad"]),
        own("eve", ".cursor/mcp.json", EVES, &[]),
        own("eve", "notes.txt", "{\"mcpServers\": {\"bad\": {\"command\": \"evil\"}}}", &[]),
    ])
}

const DANS: &str = r#"{
  "mcpServers": {
    "bad": {
      "command": "npx",
      "args": ["-y", "bad@1.0.0"]
    },
    "good": {
      "command": "npx",
      "args": ["-y", "@acme/good@1.0.0"]
    }
  }
}
"#;

const EVES: &str = "\u{feff}{\r\n  // hers\r\n  \"mcpServers\": {\"good\": {\"command\": \"npx\", \"args\": [\"-y\", \"@acme/good@1.0.0\"]}},\r\n  \"n\": 1.0e2,\r\n}";

/// The text without an entry, by its lines alone: clients write a member in lines of its own.
fn without(text: &str, name: &str) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if let Some(start) = lines.iter().position(|line| line.trim_end() == format!("[mcp_servers.{name}]")) {
        let own = format!("[mcp_servers.{name}.");
        let is_next = |line: &String| line.starts_with('[') && !line.starts_with(&own);
        let end = start + 1 + lines[start + 1..].iter().position(is_next).unwrap();
        lines.drain(start..end);
        return lines.concat();
    }
    let start = lines.iter().position(|line| line.trim() == format!("\"{name}\": {{")).unwrap();
    let indent = &lines[start][..lines[start].len() - lines[start].trim_start().len()];
    let closing = format!("{indent}}}");
    let end = start + lines[start..].iter().position(|line| line.starts_with(&closing)).unwrap();
    let is_last = !lines[end].trim_end().ends_with(',');
    lines.drain(start..=end);
    let before = lines[start - 1].clone();
    if is_last && before.trim_end().ends_with(',') {
        let (text, white) = before.split_at(before.trim_end().len());
        lines[start - 1] = format!("{}{white}", text.strip_suffix(',').unwrap());
    }
    if is_last && before.trim_end().ends_with('{') {
        // nothing is left in the table
        lines[start - 1] = format!("{}{}", before.trim_end(), lines[start].trim_start());
        lines.remove(start);
    }
    lines.concat()
}

impl Fleet {
    fn new() -> Option<Self> {
        let machine = TestMachine::new(crate::BINARY);
        let root = machine.root();
        if fs::metadata(&root).unwrap().uid() != 0 {
            skip("five users need root");
            return None;
        }
        let cases = cases()?;
        fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
        fs::remove_dir(machine.home()).unwrap();
        fs::create_dir(root.join("etc")).unwrap();
        let line = |(name, uid): (&str, u32)| format!("{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n");
        fs::write(root.join("etc/passwd"), USERS.map(line).concat()).unwrap();
        for (at, case) in cases.iter().enumerate() {
            let file = root.join("home").join(case.user).join(case.path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &case.text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode([0o600, 0o644, 0o640][at % 3])).unwrap();
            let (_, uid) = USERS.iter().find(|(name, _)| *name == case.user).unwrap();
            for part in file.ancestors().take_while(|part| *part != root.join("home")) {
                lchown(part, Some(*uid), Some(*uid)).unwrap();
            }
        }
        let fleet = Self { machine, cases };
        fleet.git(&["init", "-q", "-b", "main"]);
        fleet.git(&["config", "user.email", "dan@example.com"]);
        fleet.git(&["config", "user.name", "Dan"]);
        fleet.git(&["add", "."]);
        fleet.git(&["commit", "-q", "-m", "Add servers"]);
        Some(fleet)
    }

    /// What git says to dan in his repository.
    fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.machine.root().join("home/dan/src"), arguments)
    }

    fn git_in(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = self.run_git(folder, arguments);
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn run_git(&self, folder: &Path, arguments: &[&str]) -> Output {
        let home = self.machine.root().join("home/dan");
        let uid = USERS[3].1;
        let mut git = Command::new("git");
        git.args(arguments).current_dir(folder).env("HOME", &home).uid(uid).gid(uid);
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C").stdin(Stdio::null()).output().unwrap()
    }

    /// Writes a file of dan's, or of a colleague's with the same number.
    fn write(&self, path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        lchown(path, Some(USERS[3].1), Some(USERS[3].1)).unwrap();
    }

    /// A bare repository that dan pushes to and a colleague has cloned. The colleague's clone.
    fn with_colleague(&self) -> PathBuf {
        let shared = self.machine.root().join("srv");
        let (remote, colleague) = (shared.join("remote.git"), shared.join("colleague"));
        for folder in [&shared, &remote, &colleague] {
            fs::create_dir(folder).unwrap();
            lchown(folder, Some(USERS[3].1), Some(USERS[3].1)).unwrap();
        }
        self.git_in(&remote, &["init", "-q", "--bare", "-b", "main"]);
        self.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
        self.git(&["push", "-q", "-u", "origin", "main"]);
        self.git_in(&colleague, &["clone", "-q", remote.to_str().unwrap(), "."]);
        self.git_in(&colleague, &["config", "user.email", "gil@example.com"]);
        self.git_in(&colleague, &["config", "user.name", "Gil"]);
        colleague
    }

    fn publish(&self, sequence: i64, exceptions: &[Value]) {
        let mcp = json!({
            "id": "web", "identity": {"url": {"url": "https://mcp.example.com/mcp"}},
            "headers": {"Authorization": "Bearer *"}, "references": ["TOK"],
        });
        let mut body = policy(&json!({}), &json!([rule("@acme/good"), mcp]));
        body["exception"] = json!(exceptions);
        let issued = Timestamp::now() - SignedDuration::from_mins(10 - sequence);
        let folder = self.machine.root().join("published");
        publish(&folder, sequence.unsigned_abs(), issued, &body, None);
    }

    fn run(&self, arguments: &[&str]) -> Value {
        let root = self.machine.root();
        let (state, settings) = (root.join("state"), root.join("agent.toml"));
        let trust_root = root.join("published/root.1.json");
        let published = root.join("published");
        let text = format!(
            "schema = \"mcpolicy/agent/v1\"\n[policy]\ndir = {published:?}\ntrust_root = {trust_root:?}\n"
        );
        fs::write(&settings, text).unwrap();
        let place = ["--json", "--root", of(&root), "--state", of(&state), "--settings", of(&settings)];
        let command = [arguments, &place].concat();
        let output = mcpolicy_tests::run(Path::new(crate::BINARY), Path::new("/"), &command);
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
        report_of(&output)
    }

    /// Everything below the homes, the repository's own files too.
    fn tree(&self) -> Tree {
        let (mut tree, mut folders) = (Tree::new(), vec![self.machine.root().join("home")]);
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let about = fs::symlink_metadata(&path).unwrap();
                let bytes = if about.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
                if about.is_dir() {
                    folders.push(path.clone());
                }
                tree.insert(path, (bytes, about.mode(), about.uid(), about.gid()));
            }
        }
        tree
    }

    /// The tree that a pass should make of another one.
    fn expected(&self, mut tree: Tree) -> Tree {
        for case in &self.cases {
            let text = case.gone.iter().fold(case.text.clone(), |text, name| without(&text, name));
            let file = self.machine.root().join("home").join(case.user).join(case.path);
            tree.get_mut(&file).unwrap().0 = text.into_bytes();
        }
        tree
    }
}

fn of(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Says where two trees differ, as text.
fn assert_same(now: &Tree, wanted: &Tree, told: &str) {
    for (path, (bytes, mode, uid, gid)) in wanted {
        let found = now.get(path).unwrap_or_else(|| panic!("{told}: {} is gone", path.display()));
        let (text, wanted) = (String::from_utf8_lossy(&found.0), String::from_utf8_lossy(bytes));
        assert_eq!(text, wanted, "{told}: {}", path.display());
        assert_eq!(&found.0, bytes, "{told}: {}", path.display());
        assert_eq!((found.1, found.2, found.3), (*mode, *uid, *gid), "{told}: {}", path.display());
    }
    let more: Vec<&PathBuf> = now.keys().filter(|path| !wanted.contains_key(*path)).collect();
    assert!(more.is_empty(), "{told}: {more:?} is new");
}

#[test]
fn a_pass_over_five_users_makes_the_expected_tree_and_restoring_brings_back_every_byte() {
    let Some(fleet) = Fleet::new() else { return };
    let before = fleet.tree();
    fleet.publish(1, &[]);
    let pass = fleet.run(&["enforce", "--once"]);
    let after = fleet.tree();
    assert_same(&after, &fleet.expected(before.clone()), "after the pass");
    let wanted: usize = fleet.cases.iter().map(|case| case.gone.len()).sum();
    assert_eq!(actions(&pass).len(), wanted, "{pass}");
    assert!(actions(&fleet.run(&["enforce", "--once"])).is_empty(), "nothing is left to do");
    assert_same(&fleet.tree(), &after, "after a second pass");
    // signed exceptions for all that was taken out; nothing comes back by itself in this mode
    let items = fleet.run(&["quarantine", "list"]);
    let items = items["items"].as_array().unwrap();
    let expires = (Timestamp::now() + SignedDuration::from_hours(24 * 7)).to_string();
    let fingerprints = items.iter().flat_map(|item| item["entries"].as_array().unwrap());
    let exceptions: Vec<Value> = fingerprints
        .enumerate()
        .map(|(at, entry)| {
            json!({"id": format!("e{at}"), "fingerprint": entry["fingerprint"], "owner": "dan", "ticket": "SEC-1", "expires": expires})
        })
        .collect();
    fleet.publish(2, &exceptions);
    fleet.run(&["enforce", "--once", "--mode-ceiling", "observe"]);
    assert_same(&fleet.tree(), &after, "accepted only");
    for item in items {
        fleet.run(&["quarantine", "restore", item["id"].as_str().unwrap()]);
    }
    assert_same(&fleet.tree(), &before, "after restoring");
}

#[test]
fn git_goes_on_working_on_a_work_tree_after_a_pass_and_commits_nothing_of_it_by_itself() {
    let Some(fleet) = Fleet::new() else { return };
    fleet.publish(1, &[]);
    fleet.run(&["enforce", "--once"]);
    let file = fleet.machine.root().join("home/dan/src/.mcp.json");
    let edited = without(DANS, "bad");
    assert_eq!(fleet.git(&["status", "--porcelain"]), " M .mcp.json\n");
    assert_eq!(fleet.git(&["show", "HEAD:.mcp.json"]), DANS);
    // a commit of something else, a branch, a rebase
    fs::write(file.with_file_name("README"), "about\n").unwrap();
    lchown(file.with_file_name("README"), Some(USERS[3].1), Some(USERS[3].1)).unwrap();
    fleet.git(&["add", "README"]);
    fleet.git(&["commit", "-q", "-m", "Say what it is"]);
    assert_eq!(fleet.git(&["show", "--name-only", "--format=", "HEAD"]), "README\n");
    fleet.git(&["checkout", "-q", "-b", "other", "HEAD~1"]);
    fleet.git(&["rebase", "-q", "--autostash", "main"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), edited);
    fleet.git(&["stash", "-q"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), DANS);
    fleet.git(&["stash", "pop", "-q"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), edited);
    // what git brings back is taken out again
    fleet.git(&["checkout", "-q", "--", ".mcp.json"]);
    assert_eq!(actions(&fleet.run(&["enforce", "--once"])), [("quarantine".to_owned(), "bad".to_owned())]);
    assert_eq!(fs::read_to_string(&file).unwrap(), edited);
    assert_eq!(fleet.git(&["log", "--format=%s", "--all", "--", ".mcp.json"]), "Add servers\n");
}

#[test]
fn a_colleagues_commits_are_pulled_into_a_work_tree_that_was_edited() {
    let Some(fleet) = Fleet::new() else { return };
    fleet.publish(1, &[]);
    let colleague = fleet.with_colleague();
    fleet.run(&["enforce", "--once"]);
    let file = fleet.machine.root().join("home/dan/src/.mcp.json");
    let edited = without(DANS, "bad");
    assert_eq!(fs::read_to_string(&file).unwrap(), edited);
    let commit = |path: &str, text: &str| {
        fleet.write(&colleague.join(path), text);
        fleet.git_in(&colleague, &["add", path]);
        fleet.git_in(&colleague, &["commit", "-q", "-m", path]);
        fleet.git_in(&colleague, &["push", "-q"]);
    };
    // of another file: as if nothing had been edited
    commit("README", "about\n");
    fleet.git(&["pull", "-q", "--ff-only"]);
    assert_eq!(fs::read_to_string(file.with_file_name("README")).unwrap(), "about\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), edited);
    // of the very file: refused as over any change of the user's own, and nothing is lost
    let changed = DANS.replacen('{', "{\n  \"inputs\": [],", 1);
    commit(".mcp.json", &changed);
    let refused = fleet.run_git(file.parent().unwrap(), &["pull", "-q", "--ff-only"]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("would be overwritten by merge"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), edited);
    // the way that the pass names, after which the next pass looks at it again
    fleet.git(&["checkout", "-q", "--", ".mcp.json"]);
    fleet.git(&["pull", "-q", "--ff-only"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), changed);
    assert_eq!(actions(&fleet.run(&["enforce", "--once"])), [("quarantine".to_owned(), "bad".to_owned())]);
    assert_eq!(fs::read_to_string(&file).unwrap(), without(&changed, "bad"));
    // dan's own commit of something else holds nothing of it, and gets to the colleague
    fleet.write(&file.with_file_name("mine"), "1\n");
    fleet.git(&["add", "mine"]);
    fleet.git(&["commit", "-q", "-m", "mine"]);
    fleet.git(&["push", "-q"]);
    fleet.git_in(&colleague, &["pull", "-q", "--ff-only"]);
    assert_eq!(fs::read_to_string(colleague.join(".mcp.json")).unwrap(), changed);
}
