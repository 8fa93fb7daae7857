//! A pass by root over a machine with several users: each home is its owner's worker's, and a hostile owner gains
//! nothing and holds nobody up. Needs root; without it the tests say so and pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mcpolicy_tests::skip;
use serde_json::{Value, json};

use crate::enforce::{Site, actions, npx, policy, rule};

pub(crate) const ANN: u32 = 2001;
pub(crate) const BOB: u32 = 2002;
const CAT: u32 = 2003;
/// In a file that root alone may read.
const SECRET: &str = r#"{"mcpServers":{"planted-by-root":{"command":"evil"}}}"#;

/// An image with three users, of whom the machine of [`Site`] knows nothing but their files.
pub(crate) fn site() -> Option<Site> {
    let mut site = Site::new();
    let root = site.machine.root();
    if fs::metadata(&root).unwrap().uid() != 0 {
        skip("workers that are other users need root");
        return None;
    }
    fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(root.join("etc")).unwrap();
    let line = |(name, uid): (&str, u32)| format!("{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n");
    let users = [("ann", ANN), ("bob", BOB), ("cat", CAT)];
    fs::write(root.join("etc/passwd"), users.map(line).concat()).unwrap();
    for (name, uid) in users {
        let home = root.join("home").join(name);
        fs::create_dir(&home).unwrap();
        give(&home, uid);
    }
    fs::write(root.join("secret.json"), SECRET).unwrap();
    fs::set_permissions(root.join("secret.json"), Permissions::from_mode(0o600)).unwrap();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    Some(site)
}

pub(crate) fn give(path: &Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).unwrap();
}

pub(crate) fn servers(names: &[&str]) -> String {
    let entry = |name: &&str| {
        let package = if *name == "good" { "@acme/good@1.0.0".to_owned() } else { format!("{name}@1.0.0") };
        ((*name).to_owned(), npx(&package))
    };
    json!({"mcpServers": names.iter().map(entry).collect::<serde_json::Map<_, _>>()}).to_string()
}

pub(crate) fn home(site: &Site, user: &str) -> PathBuf {
    site.machine.root().join("home").join(user)
}

/// Writes a file of a user's, with its directories.
pub(crate) fn put(site: &Site, (user, uid): (&str, u32), path: &str, text: &str) -> PathBuf {
    let file = home(site, user).join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    for directory in file.ancestors().skip(1).take_while(|at| *at != home(site, user)) {
        give(directory, uid);
    }
    fs::write(&file, text).unwrap();
    give(&file, uid);
    file
}

pub(crate) fn names(file: &Path) -> Vec<String> {
    let text: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    text["mcpServers"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn each_file_is_edited_as_its_owner_and_stays_his() {
    let Some(site) = site() else { return };
    let mut files = Vec::new();
    for (user, uid, mode) in [("ann", ANN, 0o600), ("bob", BOB, 0o640), ("cat", CAT, 0o644)] {
        let file = put(&site, (user, uid), ".cursor/mcp.json", &servers(&["good", "bad"]));
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let state = put(&site, (user, uid), ".claude.json", &servers(&["worse"]));
        files.push((file, state, uid, mode));
    }
    let pass = site.enforce();
    assert_eq!(actions(&pass).len(), 6, "{pass}");
    for (file, state, uid, mode) in &files {
        assert_eq!(names(file), ["good"]);
        assert_eq!(names(state), Vec::<String>::new());
        let now = fs::metadata(file).unwrap();
        assert_eq!((now.uid(), now.gid(), now.mode() & 0o777), (*uid, *uid, *mode));
        let beside = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1, "nothing of ours is left");
        assert!(!state.with_file_name(".claude.json.lock").exists());
    }
    assert_eq!(actions(&site.enforce()), []);
}

#[test]
fn what_was_taken_from_a_user_comes_back_as_his() {
    let Some(mut site) = site() else { return };
    let text = servers(&["good", "bad"]);
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &text);
    let other = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["bad"]));
    site.enforce();
    assert_eq!((names(&file), names(&other)), (vec!["good".to_owned()], Vec::new()));
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    let pass = site.enforce();
    assert_eq!(pass["restored"].as_array().unwrap().len(), 2, "{pass}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(fs::metadata(&file).unwrap().uid(), ANN);
    assert_eq!(names(&other), ["bad"]);
    assert_eq!(fs::metadata(&other).unwrap().uid(), BOB);
}

#[test]
fn a_hostile_user_gains_nothing_and_the_others_are_done() {
    let Some(site) = site() else { return };
    let root = site.machine.root();
    let bobs = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let bobs_text = servers(&["good", "bobs-own"]);
    let private = put(&site, ("bob", BOB), "private/notes", &bobs_text);
    fs::set_permissions(&private, Permissions::from_mode(0o600)).unwrap();
    let ann = |path: &str| home(&site, "ann").join(path);
    let folder = |path: &str| {
        fs::create_dir_all(ann(path)).unwrap();
        give(&ann(path), ANN);
    };
    // links out of the home: to root's file, to another user's, and a folder that is a link
    symlink(root.join("secret.json"), ann(".claude.json")).unwrap();
    folder(".cursor");
    symlink("/secret.json", ann(".cursor/mcp.json")).unwrap();
    folder(".codeium/windsurf");
    symlink("../../../bob/private/notes", ann(".codeium/windsurf/mcp_config.json")).unwrap();
    symlink("/home/bob/.cursor", ann(".gemini")).unwrap();
    // a second name of another's file
    folder("project/.cursor");
    fs::hard_link(&private, ann("project/.cursor/mcp.json")).unwrap();
    // what hangs, floods or nests
    folder("pipe/.vscode");
    let made = Command::new("mkfifo").arg(ann("pipe/.vscode/mcp.json")).status().unwrap();
    assert!(made.success());
    put(&site, ("ann", ANN), "huge/.cursor/mcp.json", &" ".repeat(17 << 20));
    put(&site, ("ann", ANN), "deep/.cursor/mcp.json", &"[".repeat(1 << 20));
    // remembered projects that are another's
    let projects = json!({"projects": {"/home/bob": {}, "/home/bob/private": {}, "/": {}}}).to_string();
    put(&site, ("ann", ANN), ".claude/.claude.json", &projects);
    // and something that is really there
    let anns = put(&site, ("ann", ANN), "real/.cursor/mcp.json", &servers(&["bad"]));
    let output = site.enforce_with(&[]);
    let pass: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        !pass.to_string().contains("planted-by-root") && !pass.to_string().contains("bobs-own"),
        "{pass}"
    );
    assert_eq!(names(&bobs), ["good"]);
    assert_eq!(names(&anns), Vec::<String>::new());
    assert_eq!(fs::read_to_string(root.join("secret.json")).unwrap(), SECRET);
    assert_eq!(fs::read_to_string(&private).unwrap(), bobs_text);
    assert_eq!(fs::metadata(root.join("secret.json")).unwrap().uid(), 0);
    let touched =
        pass["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned());
    let touched: BTreeSet<String> = touched.collect();
    assert_eq!(
        touched,
        BTreeSet::from([
            "/home/ann/real/.cursor/mcp.json".to_owned(),
            "/home/bob/.cursor/mcp.json".to_owned()
        ])
    );
}

#[test]
fn programs_are_hashed_by_whoever_may_read_them() {
    let Some(mut site) = site() else { return };
    let digest_of_x = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    let root = site.machine.root();
    fs::create_dir_all(root.join("opt/tools")).unwrap();
    fs::write(root.join("opt/tools/system"), "x").unwrap();
    let own = put(&site, ("ann", ANN), "bin/own", "x");
    let foreign = root.join("opt/tools/bobs");
    fs::write(&foreign, "x").unwrap();
    chown(&foreign, Some(BOB), Some(BOB)).unwrap();
    let hidden = put(&site, ("bob", BOB), "bin/hidden", "x");
    for file in [&root.join("opt/tools/system"), &own, &foreign, &hidden] {
        fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(home(&site, "bob"), Permissions::from_mode(0o700)).unwrap();
    let paths = ["/opt/tools/system", "/home/ann/bin/own", "/opt/tools/bobs", "/home/bob/bin/hidden"];
    let pinned = |(at, path): (usize, &&str)| json!({"id": format!("r{at}"), "identity": {"executable": {"path": path, "sha256": [digest_of_x]}}});
    let rules: Vec<Value> = paths.iter().enumerate().map(pinned).collect();
    site.publish(&policy(&json!({}), &json!(rules)));
    let entries: serde_json::Map<_, _> = paths
        .iter()
        .map(|path| (path.rsplit('/').next().unwrap().to_owned(), json!({"command": path})))
        .collect();
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &json!({"mcpServers": entries}).to_string());
    site.enforce();
    // what ann may not look at is no fact of hers
    assert_eq!(names(&file), ["bobs", "own", "system"]);
}

#[test]
fn a_machine_wide_file_of_a_user_is_not_read_by_root() {
    let Some(site) = site() else { return };
    let folder = site.machine.root().join("etc/claude-code");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("managed-mcp.json");
    fs::write(&file, servers(&["managed"])).unwrap();
    assert_eq!(site.enforce()["entries"], 1);
    // nor one in root's own home
    let roots = site.machine.file(".cursor/mcp.json", servers(&["good"]));
    assert_eq!(site.enforce()["entries"], 2);
    give(&file, ANN);
    assert_eq!(site.enforce_partly()["entries"], 1);
    give(&roots, ANN);
    let pass = site.enforce_partly();
    assert_eq!(pass["entries"], 0);
    assert!(pass["notices"].to_string().contains("not read with root's rights"), "{pass}");
}

#[test]
fn a_home_that_its_owner_cannot_reach_is_told_and_not_taken_for_an_empty_one() {
    let Some(site) = site() else { return };
    put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["bad"]));
    let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["bad"]));
    fs::set_permissions(home(&site, "ann"), Permissions::from_mode(0o000)).unwrap();
    let output = site.enforce_with(&[]);
    assert_eq!(output.status.code(), Some(1));
    let pass: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(pass["notices"].to_string().contains("/home/ann is not done: "), "{pass}");
    assert_eq!(names(&bob), Vec::<String>::new());
}

#[test]
fn passes_in_a_row_that_one_home_gave_no_answer_are_counted() {
    let Some(site) = site() else { return };
    let mode = |mode| fs::set_permissions(home(&site, "ann"), Permissions::from_mode(mode)).unwrap();
    let told = || String::from_utf8(site.enforce_with(&[]).stdout).unwrap();
    mode(0o000);
    assert!(told().contains("/home/ann is not done: "));
    assert!(told().contains("/home/ann is not done, 2 passes in a row: "));
    assert!(told().contains("/home/ann is not done, 3 passes in a row: "));
    let log = said(&site.run(&["log", "--user", "ann"]));
    assert!(log.contains("worker-failed (3)"), "{log}");
    mode(0o755);
    assert!(!told().contains("is not done"));
    mode(0o000);
    assert!(told().contains("/home/ann is not done: "), "it begins anew");
}

#[test]
fn settings_that_others_can_write_are_refused() {
    let site = Site::new();
    let settings = site.folder("agent.toml");
    fs::write(&settings, "schema = \"mcpolicy/agent/v1\"").unwrap();
    fs::set_permissions(&settings, Permissions::from_mode(0o666)).unwrap();
    let output = site.run(&["enforce", "--once", "--settings", settings.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("group and others may write"));
}

#[test]
fn the_worker_does_nothing_for_whoever_starts_it_by_hand() {
    let site = Site::new();
    let output = site.machine.run(&["worker"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("mcpolicy itself"));
    let help = site.machine.run(&["--help"]);
    assert!(!String::from_utf8_lossy(&help.stdout).contains("worker"));
}

pub(crate) fn has_strace() -> bool {
    let has = Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok();
    if !has {
        skip("strace is not here");
    }
    has
}

/// A pass under strace, which writes the file `trace`.
pub(crate) fn traced(site: &Site, options: &[&str]) -> std::process::Output {
    Command::new("strace")
        .arg("-f")
        .args(options)
        .arg("-o")
        .arg(site.folder("trace"))
        .arg(crate::BINARY)
        .args(["enforce", "--once", "--json", "--now", &site.now()])
        .arg("--root")
        .arg(site.machine.root())
        .arg("--state")
        .arg(site.folder("state"))
        .arg("--policy")
        .arg(site.folder("published"))
        .arg("--trust-root")
        .arg(site.folder("published/root.1.json"))
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The worker is killed at its first call of this kind; whether the new file is in place then.
fn killed_at(call: &str, replaced: bool) {
    let Some(site) = site().filter(|_| has_strace()) else { return };
    let text = servers(&["good", "bad"]);
    let ann = put(&site, ("ann", ANN), ".cursor/mcp.json", &text);
    let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good"]));
    let inject = format!("inject={call}:signal=KILL:when=1");
    let output = traced(&site, &["-e", &inject]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let pass: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(pass["notices"].to_string().contains("/home/ann is not done"), "{pass}");
    assert_eq!(names(&ann), if replaced { vec!["good"] } else { vec!["bad", "good"] });
    // the intent is open: the next pass finds out, and ends it
    let pass = site.enforce();
    let told = pass["notices"].to_string();
    let end = if replaced { "applied" } else { "failed" };
    assert!(told.contains("was broken off") && told.contains(end), "{told}");
    assert_eq!((names(&ann), names(&bob)), (vec!["good".to_owned()], vec!["good".to_owned()]));
    assert_eq!(fs::read_dir(ann.parent().unwrap()).unwrap().count(), 1, "no leftover");
    let items: Value = serde_json::from_slice(&site.run(&["quarantine", "list", "--json"]).stdout).unwrap();
    assert_eq!(items["items"].as_array().unwrap().len(), 1, "{items}");
}

#[test]
fn a_worker_that_is_killed_before_its_exchange_has_changed_nothing() {
    killed_at("renameat2", false);
}

#[test]
fn a_worker_that_is_killed_after_its_exchange_has_changed_the_file() {
    killed_at("unlinkat", true);
}

#[test]
fn a_crash_between_an_entry_and_its_approvals_leaves_them_to_the_next_pass() {
    let Some(site) = site().filter(|_| has_strace()) else { return };
    let servers_file = put(&site, ("ann", ANN), "proj/.mcp.json", &servers(&["good", "bad"]));
    let approving = r#"{"enabledMcpjsonServers": ["bad", "good"]}"#;
    let approvals = put(&site, ("ann", ANN), "proj/.claude/settings.local.json", approving);
    let output = traced(&site, &["-e", "inject=renameat2:signal=KILL:when=2"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(names(&servers_file), ["good"], "the entry is out");
    assert_eq!(fs::read_to_string(&approvals).unwrap(), approving, "its approval is not");
    let pass = site.enforce();
    assert_eq!(actions(&pass), [("approval".to_owned(), "bad".to_owned())], "{pass}");
    assert_eq!(fs::read_to_string(&approvals).unwrap(), r#"{"enabledMcpjsonServers": ["good"]}"#);
    assert_eq!(actions(&site.enforce()), []);
}

#[test]
fn root_opens_nothing_in_a_home() {
    let Some(site) = site() else { return };
    if !has_strace() {
        return;
    }
    // it is root's: its worker is root, shut in
    fs::remove_dir(site.machine.home()).unwrap();
    for (user, uid) in [("ann", ANN), ("bob", BOB)] {
        put(&site, (user, uid), ".cursor/mcp.json", &servers(&["good", "bad"]));
        put(&site, (user, uid), ".bashrc", "export CODEX_HOME=~/elsewhere\n");
        let own = json!({"mcpServers": {"own": {"command": format!("/home/{user}/bin/own")}}});
        put(&site, (user, uid), "work/.mcp.json", &own.to_string());
        put(&site, (user, uid), "bin/own", "x");
    }
    let calls = "trace=open,openat,openat2,creat,clone,clone3,vfork,fork,setresuid";
    let output = traced(&site, &["-y", "-s", "300", "-e", calls]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pass: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(actions(&pass).len(), 4, "{pass}");
    let (by_root, by_users) =
        opened_below(&fs::read_to_string(site.folder("trace")).unwrap(), &site.machine.root().join("home"));
    assert_eq!(by_root, Vec::<String>::new(), "root opened these");
    assert!(by_users > 20, "the trace shows what the workers opened: {by_users}");
}

/// What was opened below a folder by processes that are root, and how often others opened something there.
fn opened_below(trace: &str, folder: &Path) -> (Vec<String>, usize) {
    let folder = format!("{}/", folder.to_str().unwrap());
    let calls: Vec<(&str, &str)> = trace
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(thread, call)| (thread, call.trim_start()))
        .collect();
    let since = users_since(&calls);
    let (mut by_root, mut by_users) = (Vec::new(), 0);
    for (at, (thread, call)) in calls.iter().enumerate() {
        let is_open = ["open", "creat"].iter().any(|name| call.trim_start_matches("<... ").starts_with(name));
        if !is_open || !call.contains(&folder) {
            continue;
        }
        if since.get(thread).is_some_and(|since| *since <= at) {
            by_users += 1;
        } else {
            by_root.push(format!("{thread} {call}"));
        }
    }
    (by_root, by_users)
}

/// From which call on each thread is a user's. A thread that a worker makes is his from its birth; the tracer may tell
/// of its first calls before it tells that it was made.
fn users_since<'a>(calls: &[(&'a str, &'a str)]) -> BTreeMap<&'a str, usize> {
    let result = |call: &'a str| call.rsplit_once(" = ").map_or("", |(_, result)| result);
    let mut since = BTreeMap::new();
    for (at, (thread, call)) in calls.iter().enumerate() {
        if call.contains("setresuid") && result(call) == "0" && !call.contains("(-1, 0, -1)") {
            since.entry(*thread).or_insert(at);
        }
    }
    loop {
        let known = since.len();
        for (at, (thread, call)) in calls.iter().enumerate() {
            if call.contains("clone") && since.get(thread).is_some_and(|since| *since < at) {
                since.entry(result(call)).or_insert(0);
            }
        }
        if since.len() == known {
            return since;
        }
    }
}

/// A live machine in name spaces of its own, with policy and state; what the script prints is returned.
fn live(site: &Site, script: &str) -> String {
    let root = site.machine.root();
    let setup = format!(
        "set -e
        root={root}
        mkdir -p $root/root
        printf 'root:x:0:0::/root:/bin/sh\\nann:x:{ANN}:{ANN}::/home/ann:/bin/sh\\nbob:x:{BOB}:{BOB}::/home/bob:/bin/sh\\ncat:x:{CAT}:{CAT}::/home/cat:/bin/sh\\n' > $root/etc/passwd
        cp /etc/ld.so.cache $root/etc/ 2>/dev/null || true
        mount --bind $root/etc /etc; mount --bind $root/root /root; mount --bind $root/home /home
        mount -t proc proc /proc
        export HOME=/root PATH=/usr/local/bin:/usr/bin:/bin
        enforce() {{ {binary} enforce --once --json --state $root/state --policy $root/published --trust-root $root/published/root.1.json --now {now} \"$@\"; }}
        as_ann() {{ setpriv --reuid {ANN} --regid {ANN} --clear-groups \"$@\"; }}
        {script}",
        root = root.display(),
        binary = crate::BINARY,
        now = site.now(),
    );
    let output = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--net", "bash", "-c", &setup])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The pass and the exit code that a script printed.
fn answer(said: &str) -> (Value, i32) {
    let (pass, code) = said.trim_end().rsplit_once('\n').unwrap();
    (serde_json::from_str(pass).unwrap_or_else(|error| panic!("{error}: {said}")), code.parse().unwrap())
}

#[test]
fn root_enforces_for_all_users_of_the_machine_it_runs_on() {
    let Some(site) = site().filter(|_| crate::live::can_isolate()) else { return };
    let ann = put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let bob = put(&site, ("bob", BOB), "elsewhere/config.toml", "[mcp_servers.bad]\ncommand = \"evil\"\n");
    put(&site, ("bob", BOB), ".profile", "export CODEX_HOME=/home/bob/elsewhere\n");
    let script = "printf '{\"mcpServers\":{\"of-root\":{\"command\":\"x\"}}}' > /root/.claude.json
        enforce && echo $?";
    let (pass, code) = answer(&live(&site, script));
    assert_eq!((code, actions(&pass).len()), (0, 3), "{pass}");
    assert_eq!(names(&ann), ["good"]);
    assert_eq!(fs::read_to_string(bob).unwrap(), "[mcp_servers]\n");
    assert_eq!(names(&site.machine.root().join("root/.claude.json")), Vec::<String>::new());
}

#[test]
fn without_root_the_own_home_is_done_in_the_same_process() {
    let Some(site) = site().filter(|_| crate::live::can_isolate()) else { return };
    let text = servers(&["good", "bad"]);
    let ann = put(&site, ("ann", ANN), ".cursor/mcp.json", &text);
    let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &text);
    put(&site, ("ann", ANN), ".profile", "export CODEX_HOME=/home/ann/elsewhere\n");
    let codex = put(&site, ("ann", ANN), "elsewhere/config.toml", "[mcp_servers.bad]\ncommand = \"evil\"\n");
    // where ann can get at it, wherever it was built
    let script = format!(
        "touch $root/mcpolicy; mount --bind {} $root/mcpolicy
        as_ann env HOME=/home/ann $root/mcpolicy enforce --once --json --policy $root/published \\
            --trust-root $root/published/root.1.json --now {} && echo $?
        umount $root/mcpolicy",
        crate::BINARY,
        site.now()
    );
    let (pass, code) = answer(&live(&site, &script));
    assert_eq!((code, actions(&pass).len()), (0, 2), "{pass}");
    assert_eq!((names(&ann), fs::read_to_string(bob).unwrap()), (vec!["good".to_owned()], text));
    assert_eq!(fs::read_to_string(codex).unwrap(), "[mcp_servers]\n");
    assert!(home(&site, "ann").join(".local/state/mcpolicy/state/vault").exists());
}

/// One user stops or kills every process of his that comes up, workers as well.
fn against(signal: &str) {
    let Some(site) = site().filter(|_| crate::live::can_isolate()) else { return };
    let files: Vec<PathBuf> = [("ann", ANN), ("bob", BOB), ("cat", CAT)]
        .into_iter()
        .map(|user| put(&site, user, ".cursor/mcp.json", &servers(&["good", "bad"])))
        .collect();
    let script = format!(
        "as_ann bash -c 'while :; do kill -{signal} -1 2>/dev/null; done' &
        sleep 0.3
        code=0; enforce || code=$?
        echo $code
        kill -KILL %1"
    );
    let (pass, code) = answer(&live(&site, &script));
    assert_eq!(code, 1, "{pass}");
    assert!(pass["notices"].to_string().contains("/home/ann is not done"), "{pass}");
    assert_eq!(names(&files[0]), ["bad", "good"]);
    assert_eq!((names(&files[1]), names(&files[2])), (vec!["good".to_owned()], vec!["good".to_owned()]));
    let log = site.run(&["log", "--json", "--user", "ann"]);
    assert!(String::from_utf8_lossy(&log.stdout).contains("worker-failed"));
    // without her doing so it is done
    let pass = site.enforce();
    assert_eq!(actions(&pass).len(), 1, "{pass}");
    assert_eq!(names(&files[0]), ["good"]);
}

#[test]
fn a_user_who_kills_the_worker_holds_nobody_up() {
    against("KILL");
}

#[test]
fn a_user_who_stops_the_worker_holds_nobody_up() {
    against("STOP");
}

/// Runs a command as a user, with the own home, on the state of the machine's agent.
fn as_user(site: &Site, (user, uid): (&str, u32), command: &[&str]) -> std::process::Output {
    let (root, state, uid) = (site.machine.root(), site.folder("state"), uid.to_string());
    let become_user = ["--reuid", &uid, "--regid", &uid, "--clear-groups", crate::BINARY];
    let place = ["--root", root.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let all = [&become_user[..], command, &place].concat();
    mcpolicy_tests::run_with(
        Path::new("/usr/bin/setpriv"),
        &home(site, user),
        &all,
        &[("PATH", "/nonexistent")],
    )
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn a_user_has_the_own_originals_purged_and_nobody_elses() {
    let Some(site) = site() else { return };
    for user in [("ann", ANN), ("bob", BOB)] {
        put(&site, user, ".cursor/mcp.json", &servers(&["good", "bad"]));
    }
    let pass = site.enforce();
    let taken = |user: &str| {
        let files = pass["files"].as_array().unwrap().iter();
        let mut own =
            files.filter(|file| file["path"].as_str().unwrap().starts_with(&format!("/home/{user}/")));
        own.next().unwrap()["vault"].as_str().unwrap().to_owned()
    };
    let (anns, bobs) = (taken("ann"), taken("bob"));
    // what the machine has is not said to be nothing
    for command in [&["quarantine", "list"][..], &["quarantine", "list", "--json"], &["log"]] {
        let answer = said(&as_user(&site, ("ann", ANN), command));
        assert!(answer.contains("administrators") && answer.contains("quarantine purge ID"), "{answer}");
        assert!(!answer.contains("nothing is in quarantine"), "{answer}");
    }
    let shown = as_user(&site, ("ann", ANN), &["quarantine", "show", &anns]);
    assert_eq!(shown.status.code(), Some(2));
    assert!(said(&shown).contains("administrators"), "{}", said(&shown));
    let restored = said(&as_user(&site, ("ann", ANN), &["quarantine", "restore", &anns]));
    assert!(restored.contains("an administrator restores"), "{restored}");
    // both are asked for by ann, and something that is no id
    for id in [&anns, &bobs] {
        let asked = as_user(&site, ("ann", ANN), &["quarantine", "purge", id]);
        assert!(asked.status.success() && said(&asked).contains("asked"), "{}", said(&asked));
    }
    let odd = as_user(&site, ("ann", ANN), &["quarantine", "purge", "../../bob"]);
    assert!(!odd.status.success());
    let requests = home(&site, "ann").join(".local/state/mcpolicy/requests");
    assert_eq!(fs::read_dir(&requests).unwrap().count(), 2);
    assert_eq!(fs::metadata(&requests).unwrap().mode() & 0o777, 0o700);
    assert!(site.run(&["quarantine", "show", &anns]).status.success(), "nothing goes before the pass");
    site.enforce();
    assert_eq!(site.run(&["quarantine", "show", &anns]).status.code(), Some(2), "it is gone");
    assert!(site.run(&["quarantine", "show", &bobs]).status.success(), "another's stays");
    assert_eq!(fs::read_dir(&requests).unwrap().count(), 0, "both are answered");
    let log = said(&site.run(&["log", "--user", "ann"]));
    assert!(log.contains("purged") && log.contains(&anns) && log.contains("purge-refused (1)"), "{log}");
    site.enforce();
    assert_eq!(said(&site.run(&["log", "--user", "ann"])), log, "once");
}

#[test]
fn requests_that_a_hostile_user_makes_up_purge_nothing_and_hold_nobody_up() {
    let Some(site) = site() else { return };
    put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["bad"]));
    let pass = site.enforce();
    let bobs = pass["files"][0]["vault"].as_str().unwrap().to_owned();
    for at in 0..3000 {
        put(&site, ("ann", ANN), &format!(".local/state/mcpolicy/requests/q-{at:010}"), "");
    }
    put(&site, ("ann", ANN), &format!(".local/state/mcpolicy/requests/{bobs}"), "");
    put(&site, ("cat", CAT), ".local/state/mcpolicy/q-0", "");
    symlink(site.folder("state/vault/items"), home(&site, "cat").join(".local/state/mcpolicy/requests"))
        .unwrap();
    let bobs_own = put(&site, ("bob", BOB), ".local/state/mcpolicy/requests/q-77", "");
    put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["bad", "good"]));
    assert_eq!(actions(&site.enforce()).len(), 1);
    assert!(!bobs_own.exists(), "it was answered");
    assert!(site.run(&["quarantine", "show", &bobs]).status.success());
    assert_eq!(
        fs::read_dir(site.folder("state/vault/items")).unwrap().count(),
        2,
        "root's names are not cat's"
    );
}

#[test]
fn a_folder_that_its_user_made_read_only_is_opened_for_the_edit_and_closed_again() {
    let Some(site) = site() else { return };
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let folder = file.parent().unwrap();
    for mode in [0o555, 0o500, 0o111] {
        put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
        fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
        // what cannot be listed may hold more than what is looked for by name
        let pass = if mode == 0o111 { site.enforce_partly() } else { site.enforce() };
        assert_eq!(actions(&pass), [("quarantine".to_owned(), "bad".to_owned())], "{mode:o}: {pass}");
        assert_eq!(names(&file), ["good"]);
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o7777, mode, "as it was");
    }
}

#[test]
fn what_cannot_be_edited_is_named_with_server_and_rule_and_what_to_do() {
    let Some(site) = site() else { return };
    let away = site.machine.root().join("away.json");
    fs::write(&away, servers(&["worse"])).unwrap();
    chown(&away, Some(BOB), Some(BOB)).unwrap();
    symlink("/away.json", home(&site, "bob").join(".claude.json")).unwrap();
    put(&site, ("cat", CAT), ".cursor/mcp.json", &servers(&["bad"]));
    fs::set_permissions(home(&site, "cat"), Permissions::from_mode(0o775)).unwrap();
    let output = site.enforce_with(&[]);
    assert_eq!(output.status.code(), Some(1));
    let pass: Value = serde_json::from_slice(&output.stdout).unwrap();
    let left = actions(&pass);
    assert!(left.iter().all(|(action, _)| action == "left"), "{pass}");
    let servers: Vec<&str> = left.iter().map(|(_, server)| server.as_str()).collect();
    assert_eq!(servers, ["worse", "bad"], "{pass}");
    for (file, remedy) in
        pass["files"].as_array().unwrap().iter().zip(["put the file itself there", "take that right away"])
    {
        assert_eq!(file["outcome"], "failed");
        assert!(file["detail"].as_str().unwrap().contains(remedy), "{file}");
        assert_eq!(file["actions"][0]["code"], "not-allowed");
    }
    let log = said(&site.run(&["log", "--server", "worse"]));
    assert!(log.contains("not-done") && log.contains("/home/bob/.claude.json: not-allowed"), "{log}");
}

#[test]
fn links_that_lead_out_are_left_and_each_pass_says_so() {
    let Some(site) = site() else { return };
    let root = site.machine.root();
    fs::create_dir_all(root.join("srv")).unwrap();
    // the own one of ann, one that root keeps for all, and one that is not there
    for (name, owner) in [("anns.json", ANN), ("team.json", 0)] {
        fs::write(root.join("srv").join(name), servers(&["good", "bad"])).unwrap();
        chown(root.join("srv").join(name), Some(owner), Some(owner)).unwrap();
    }
    for (user, target) in [("ann", "/srv/anns.json"), ("bob", "/srv/team.json"), ("cat", "/srv/none.json")] {
        symlink(target, home(&site, user).join(".claude.json")).unwrap();
    }
    for pass in 0..2 {
        let output = site.enforce_with(&[]);
        let said_of: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{pass}: {said_of}");
        let bad = ("left".to_owned(), "bad".to_owned());
        assert_eq!(actions(&said_of), [bad.clone(), bad], "{said_of}");
        for (user, name) in [("ann", "anns.json"), ("bob", "team.json")] {
            assert_eq!(names(&root.join("srv").join(name)), ["bad", "good"]);
            assert!(fs::symlink_metadata(home(&site, user).join(".claude.json")).unwrap().is_symlink());
            let log = said(&site.run(&["log", "--server", "bad", "--user", user, "--json"]));
            assert_eq!(log.lines().filter(|line| line.contains("not-done")).count(), 1, "once: {log}");
            assert!(log.contains(&format!("/home/{user}/.claude.json: not-allowed")), "{log}");
        }
    }
}

/// A client that has the file by one name must not be kept from its policy by another, which is anybody's to make.
#[test]
fn a_file_with_two_names_is_edited_at_its_clients_and_stays_as_it_is_at_the_other() {
    let Some(mut site) = site() else { return };
    let text = servers(&["good", "bad"]);
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &text);
    let second = site.machine.root().join("shared-by-all");
    fs::hard_link(&file, &second).unwrap();
    let pass = site.enforce();
    assert_eq!(names(&file), ["good"], "{pass}");
    assert_eq!(fs::read_to_string(&second).unwrap(), text);
    let (one, other) = (fs::metadata(&file).unwrap(), fs::metadata(&second).unwrap());
    assert_eq!((one.nlink(), other.nlink(), one.uid(), other.uid()), (1, 1, ANN, ANN));
    assert!(pass["files"][0]["detail"].as_str().unwrap().contains("had 2 names"), "{pass}");
    let log = said(&site.run(&["log", "--server", "bad"]));
    assert!(log.contains("applied") && log.contains("had 2 names"), "{log}");
    // nothing is left to do, and what was taken out comes back into the file of its client alone
    assert_eq!(actions(&site.enforce()), []);
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    site.enforce();
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(fs::metadata(&second).unwrap().nlink(), 1);
}

#[test]
fn a_user_of_a_machine_with_an_agent_is_told_of_it_by_each_command() {
    let Some(site) = site().filter(|_| crate::live::can_isolate()) else { return };
    put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let script = format!(
        "mkdir -p $root/lib /etc/mcpolicy; mount --bind $root/lib /var/lib
        printf 'schema = \"mcpolicy/agent/v1\"\n[policy]\ndir = \"%s\"\ntrust_root = \"%s\"\n' \
            $root/published $root/published/root.1.json > /etc/mcpolicy/agent.toml
        {binary} enforce --once --now {now} >&2
        own() {{ as_ann env HOME=/home/ann {binary} \"$@\" 2>&1 || true; echo ---; }}
        own quarantine list; own log; own enforce --once
        id=$({binary} quarantine list --json | grep -o 'q-[0-9a-f]*' | head -1)
        own quarantine purge $id
        {binary} enforce --once --now {now} >&2
        {binary} quarantine list",
        binary = crate::BINARY,
        now = site.now(),
    );
    let told = live(&site, &script);
    let parts: Vec<&str> = told.split("---\n").collect();
    let [list, log, enforce, purge, left] = parts.as_slice() else { panic!("{told}") };
    assert!(list.contains("/var/lib/mcpolicy") && list.contains("administrators"), "{told}");
    assert!(log.contains("/var/lib/mcpolicy") && log.contains("quarantine purge ID"), "{told}");
    assert!(enforce.contains("/etc/mcpolicy/agent.toml"), "{told}");
    assert!(purge.contains("asked: "), "{told}");
    assert_eq!(*left, "nothing is in quarantine\n");
}

/// A build server has a number of the system's, and a home that is no person's.
#[test]
fn accounts_of_the_system_with_a_shell_are_covered_and_one_whose_home_is_anothers_is_told() {
    let Some(site) = site() else { return };
    let root = site.machine.root();
    let mut passwd = fs::read_to_string(root.join("etc/passwd")).unwrap();
    passwd += "jenkins:x:113:118::/var/lib/jenkins:/bin/bash\nrunner:x:114:118::/opt/runner:/bin/sh\n";
    fs::write(root.join("etc/passwd"), passwd).unwrap();
    for home in ["var/lib/jenkins", "opt/runner"] {
        fs::create_dir_all(root.join(home).join(".cursor")).unwrap();
        fs::write(root.join(home).join(".cursor/mcp.json"), servers(&["good", "evil"])).unwrap();
    }
    for path in ["var/lib/jenkins", "var/lib/jenkins/.cursor", "var/lib/jenkins/.cursor/mcp.json"] {
        give(&root.join(path), 113);
    }
    let pass = site.enforce();
    let read = |home: &str| fs::read_to_string(root.join(home).join(".cursor/mcp.json")).unwrap();
    assert_eq!(read("var/lib/jenkins"), servers(&["good"]), "{pass}");
    assert_eq!(read("opt/runner"), servers(&["good", "evil"]), "root's folder is not the runner's");
    let told = pass["notices"].to_string();
    assert!(told.contains("the account runner") && told.contains("/opt/runner"), "{told}");
}
