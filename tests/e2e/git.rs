//! Files that Git owns: switched off outside of the work tree where that holds, else edited as their user would edit
//! them. With a real git: it goes on working after a pass, and no commit ever holds an edit of ours by itself.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::actions::{both, give, settle};
use crate::enforce::{Site, actions, npx, policy, rule};
use crate::run::Daemon;

/// A repository with a bare remote and a second clone of it, in which a colleague works.
struct Repository {
    root: PathBuf,
    tree: PathBuf,
    file: &'static str,
}

const EVIL: &str = "evil@1.0.0";

fn servers(names: &[(&str, &str)]) -> String {
    let all: serde_json::Map<_, _> =
        names.iter().map(|(name, package)| ((*name).to_owned(), npx(package))).collect();
    format!("{:#}\n", json!({"mcpServers": all}))
}

/// What the repository's file holds.
fn tracked() -> String {
    servers(&[("good", "@acme/good@1.0.0"), ("evil", EVIL)])
}

impl Repository {
    fn new(site: &Site, file: &'static str) -> Self {
        let repository = Self { root: site.machine.root(), tree: site.machine.home().join("src/proj"), file };
        let root = site.machine.root();
        let (remote, colleague) = (root.join("remote.git"), root.join("colleague"));
        for folder in [&remote, &colleague, &repository.tree] {
            std::fs::create_dir_all(folder).unwrap();
            give(&root, folder);
        }
        git(&remote, &["init", "--bare", "-b", "main"]);
        git(&colleague, &["clone", remote.to_str().unwrap(), "."]);
        repository.colleague(&[(file, &tracked()), ("README", "one\n"), (".gitignore", "out\n")], "begin");
        repository.git(&["clone", remote.to_str().unwrap(), "."]);
        settle(site);
        repository
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.tree, arguments)
    }

    /// The colleague commits and pushes.
    fn colleague(&self, files: &[(&str, &str)], message: &str) {
        let folder = self.root.join("colleague");
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        give(&self.root, &folder);
        git(&folder, &["add", "-A"]);
        git(&folder, &["commit", "-m", message]);
        git(&folder, &["push", "origin", "HEAD:main"]);
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.tree.join(path), text).unwrap();
        give(&self.root, &self.tree);
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.tree.join(self.file)).unwrap()
    }

    /// All commits with their changes of the file.
    fn history(&self) -> String {
        self.git(&["log", "-p", "--all", "--", self.file])
    }
}

/// Runs git as whoever owns the folder.
fn run_git(folder: &Path, arguments: &[&str]) -> Output {
    let owner = std::fs::metadata(folder).unwrap().uid();
    let mut command = Command::new("git");
    if owner != 0 && std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command = Command::new("setpriv");
        let id = owner.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "git"]);
    }
    let variables = [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("HOME", "/nonexistent"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("GIT_AUTHOR_NAME", "dev"),
        ("GIT_AUTHOR_EMAIL", "dev@example.com"),
        ("GIT_COMMITTER_NAME", "dev"),
        ("GIT_COMMITTER_EMAIL", "dev@example.com"),
        ("GIT_EDITOR", "true"),
    ];
    command.args(arguments).current_dir(folder).env_clear().envs(variables).output().unwrap()
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = run_git(folder, arguments);
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&said));
    String::from_utf8(output.stdout).unwrap()
}

fn rules() -> Value {
    json!([rule("@acme/good")])
}

fn of(action: &str, server: &str) -> (String, String) {
    (action.to_owned(), server.to_owned())
}

/// Uses git as a developer does all day: every command succeeds, and a pass may come between any two.
fn a_day_with_git(repository: &Repository, pass: &dyn Fn()) {
    // pull with a colleague's change of another file and of the same
    repository.colleague(&[("README", "two\n")], "readme");
    repository.git(&["pull", "--ff-only"]);
    pass();
    // commit of something else, with -a left out as one does with a dirty tree
    repository.write("mine", "1\n");
    repository.git(&["add", "mine"]);
    repository.git(&["commit", "-m", "mine"]);
    pass();
    // another branch and back
    repository.git(&["checkout", "-b", "topic"]);
    pass();
    repository.write("topic", "1\n");
    repository.git(&["add", "topic"]);
    repository.git(&["commit", "-m", "topic"]);
    repository.git(&["checkout", "main"]);
    pass();
    // stash and back
    repository.write("mine", "2\n");
    repository.git(&["stash"]);
    pass();
    let is_edited = !repository.git(&["status", "--porcelain", "--", repository.file]).is_empty();
    if is_edited {
        // what stash had put back was acted on again: as after any edit of the user's, the same change is there twice
        repository.git(&["checkout", "--", repository.file]);
    }
    repository.git(&["stash", "pop"]);
    pass();
    repository.git(&["commit", "-m", "mine again", "mine"]);
    // rebase over a colleague's work, with the tree as a developer leaves it
    repository.colleague(&[("README", "three\n")], "readme again");
    repository.git(&["fetch"]);
    repository.git(&["rebase", "--autostash", "origin/main"]);
    pass();
    repository.git(&["push", "origin", "main"]);
}

fn pass_over(site: &Site) {
    settle(site);
    site.enforce();
}

/// A colleague changes the very file; what Git wants of a developer whose tree is dirty is what the pass has said.
fn a_pull_of_the_file_itself(site: &Site, repository: &Repository) {
    git(&repository.root.join("colleague"), &["pull", "origin", "main"]);
    let changed = tracked().replacen('{', "{\n  \"colleague\": 1,", 1);
    repository.colleague(&[(repository.file, &changed)], "file");
    let is_edited = !repository.git(&["status", "--porcelain", "--", repository.file]).is_empty();
    if is_edited {
        // as for any change of the user's own: it is not thrown away
        assert!(!run_git(&repository.tree, &["pull", "--no-rebase"]).status.success());
        repository.git(&["checkout", "--", repository.file]);
    }
    repository.git(&["pull", "--no-rebase"]);
    assert_eq!(repository.text(), changed);
    settle(site);
    let pass = site.enforce();
    assert_eq!(actions(&pass).len(), usize::from(is_edited), "{pass}");
    assert_eq!(repository.text().contains("\"evil\""), !is_edited, "{pass}");
    assert!(repository.text().contains("colleague"));
    // the next change of it, over an edit that is put aside and thrown away
    repository.colleague(&[(repository.file, &changed.replace(": 1,", ": 2,"))], "file again");
    if is_edited {
        repository.git(&["stash"]);
    }
    repository.git(&["pull", "--rebase"]);
    if is_edited {
        repository.git(&["stash", "drop"]);
    }
    // a branch with another state of the file, and back
    for branch in ["topic", "main"] {
        settle(site);
        site.enforce();
        if is_edited {
            repository.git(&["checkout", "--", repository.file]);
        }
        repository.git(&["checkout", branch]);
    }
    settle(site);
    site.enforce();
}

#[test]
fn where_a_switch_holds_the_work_tree_stays_clean_and_the_server_is_off() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file(".cursor/mcp.json", "{}");
        let repository = Repository::new(site, ".cursor/mcp.json");
        let pass = site.enforce();
        assert_eq!(actions(&pass), [of("switch-off", "evil")], "{pass}");
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
        assert_eq!(repository.text(), tracked());
        let disabled = ".cursor/projects/home-dev-src-proj/mcp-disabled.json";
        assert_eq!(site.read(disabled), "[\"evil\"]\n");
        // it is seen as off, and nothing is done again
        let again = site.enforce();
        assert_eq!(actions(&again), [], "{again}");
        assert!(again["left"].to_string().contains("off switches hold"), "{again}");
        // its user switches it on again
        site.machine.file(disabled, "[]\n");
        settle(site);
        assert_eq!(actions(&site.enforce()), [of("switch-off", "evil")]);
        let before = repository.history();
        a_day_with_git(&repository, &|| pass_over(site));
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
        assert_eq!(repository.history(), before, "no commit touches the file");
        assert_eq!(repository.text(), tracked());
        a_pull_of_the_file_itself(site, &repository);
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
        assert_eq!(
            repository.git(&["log", "--oneline", "--author=dev", "--", repository.file]).lines().count(),
            3
        );
    });
}

#[test]
fn a_day_with_git_beside_the_daemon_goes_like_any_other() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file(".cursor/mcp.json", "{}");
        let repository = Repository::new(site, ".cursor/mcp.json");
        let (daemon, pass) = Daemon::start(site);
        assert!(pass["acted"].to_string().contains("switch-off"), "{pass}");
        let moment = || {
            settle(site);
            // time for the looks at what Git has just written, which are as likely to come in the middle of the next command
            std::thread::sleep(Duration::from_millis(50));
        };
        a_day_with_git(&repository, &moment);
        // the file itself: pulled, put aside, on another branch and back
        git(&repository.root.join("colleague"), &["pull", "origin", "main"]);
        repository.colleague(&[(repository.file, &tracked().replacen('{', "{\n  \"one\": 1,", 1))], "file");
        for arguments in [&["pull", "--rebase"][..], &["checkout", "topic"], &["checkout", "main"]] {
            repository.git(arguments);
            moment();
        }
        assert!(repository.text().contains("\"one\"") && repository.text().contains(EVIL));
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
        let ours = repository.git(&["log", "--oneline", "--author=dev", "--", repository.file]);
        assert_eq!(ours.lines().count(), 2, "the first and the colleague's, none of ours: {ours}");
        assert_eq!(daemon.stop(), Some(0));
        let after = site.enforce();
        assert_eq!(actions(&after), [], "{after}");
        assert!(after["left"].to_string().contains("off switches hold"), "{after}");
    });
}

#[test]
fn a_switch_is_taken_back_when_the_policy_or_the_file_makes_it_allowed() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file(".cursor/mcp.json", "{}");
        let repository = Repository::new(site, ".cursor/mcp.json");
        let id = site.enforce()["files"][0]["vault"].as_str().unwrap().to_owned();
        let disabled = ".cursor/projects/home-dev-src-proj/mcp-disabled.json";
        assert!(site.machine.home().join(disabled).exists());
        let shown = site.run(&["quarantine", "show", &id]);
        assert!(String::from_utf8_lossy(&shown.stdout).contains("switch-off evil"));
        let log = site.run(&["log", "--server", "evil"]);
        assert!(String::from_utf8_lossy(&log.stdout).contains("switch-off evil: not-allowed"));
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
        let pass = site.enforce();
        assert_eq!(pass["restored"][0]["entries"], json!(["evil"]), "{pass}");
        assert!(!site.machine.home().join(disabled).exists(), "it was made for the switch");
        // denied again, beside what its user has switched off
        site.machine.file(disabled, "[\n  \"mine\"\n]\n");
        settle(site);
        site.publish(&policy(&json!({"acknowledge_breaking": "x"}), &rules()));
        assert_eq!(actions(&site.enforce()), [of("switch-off", "evil")]);
        // the colleague mends the entry; its user has written the file meanwhile
        let list = site.read(disabled).replace("\"mine\"", "\"mine\",\n  \"other\"");
        site.machine.file(disabled, &list);
        repository.colleague(&[(repository.file, &tracked().replace(EVIL, "@acme/good@1.0.0"))], "mend");
        repository.git(&["pull", "--ff-only"]);
        settle(site);
        let pass = site.enforce();
        assert_eq!(pass["restored"][0]["entries"], json!(["evil"]), "{pass}");
        let list: Value = serde_json::from_str(&site.read(disabled)).unwrap();
        assert_eq!(list, json!(["mine", "other"]));
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
    });
}

#[test]
fn claude_code_is_switched_off_in_its_state_and_settings_and_only_while_it_alone_reads_the_file() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        let state = json!({"numStartups": 3, "projects": {"/home/dev/src/proj": {"hasTrustDialogAccepted": true, "enabledMcpjsonServers": ["evil"]}}});
        site.machine.file(".claude.json", format!("{state:#}\n"));
        site.machine.file(".claude/settings.json", "{\"model\": \"opus\"}\n");
        let repository = Repository::new(site, ".mcp.json");
        let pass = site.enforce();
        assert_eq!(actions(&pass), vec![of("switch-off", "evil"); 3], "{pass}");
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
        let settings: Value = serde_json::from_str(&site.read(".claude/settings.json")).unwrap();
        assert_eq!(settings, json!({"model": "opus", "disabledMcpjsonServers": ["evil"]}));
        let now: Value = serde_json::from_str(&site.read(".claude.json")).unwrap();
        let project = &now["projects"]["/home/dev/src/proj"];
        assert_eq!(project["disabledMcpServers"], json!(["evil"]));
        assert_eq!(
            project["disabledMcpjsonServers"],
            json!(null),
            "the client would move it into the work tree"
        );
        assert_eq!((&now["numStartups"], &project["hasTrustDialogAccepted"]), (&json!(3), &json!(true)));
        // VS Code has no such switch
        site.machine.file(".config/Code/User/settings.json", "{}");
        settle(site);
        let pass = site.enforce();
        assert!(actions(&pass).contains(&of("quarantine", "evil")), "{pass}");
        assert_eq!(repository.git(&["status", "--porcelain"]).trim(), "M .mcp.json");
    });
}

#[test]
fn where_no_switch_holds_the_file_is_edited_and_how_to_undo_it_is_said() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file(".config/Code/User/settings.json", "{}");
        let repository = Repository::new(site, ".mcp.json");
        let index = std::fs::read(repository.tree.join(".git/index")).unwrap();
        let pass = site.enforce();
        assert_eq!(actions(&pass), [of("quarantine", "evil")], "{pass}");
        assert_eq!(std::fs::read(repository.tree.join(".git/index")).unwrap(), index);
        let detail = pass["files"][0]["detail"].as_str().unwrap();
        let id = pass["files"][0]["vault"].as_str().unwrap();
        assert!(detail.contains("git -C /home/dev/src/proj checkout -- .mcp.json"), "{detail}");
        assert!(detail.contains(&format!("mcpolicy quarantine restore {id}")), "{detail}");
        let edited = repository.text();
        assert_eq!(edited, servers(&[("good", "@acme/good@1.0.0")]));
        let before = repository.history();
        a_day_with_git(&repository, &|| pass_over(site));
        assert_eq!(repository.history(), before, "no commit holds our edit");
        assert_eq!(repository.text(), edited);
        assert_eq!(repository.git(&["status", "--porcelain"]).trim(), "M .mcp.json");
        a_pull_of_the_file_itself(site, &repository);
        let history = repository.history();
        assert!(!history.contains("-    \"evil\""), "no commit takes it out: {history}");
        assert_eq!(repository.git(&["status", "--porcelain"]).trim(), "M .mcp.json");
        // what is allowed now comes back, and with it the clean tree
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
        site.enforce();
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
    });
}

#[test]
fn a_switch_that_would_itself_lie_in_a_work_tree_is_not_set() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file(".cursor/mcp.json", "{}");
        let repository = Repository::new(site, ".cursor/mcp.json");
        // the home is a work tree of its own
        git(&site.machine.home(), &["init", "-b", "main"]);
        settle(site);
        let pass = site.enforce();
        assert_eq!(actions(&pass), [of("quarantine", "evil")], "{pass}");
        assert!(!site.machine.home().join(".cursor/projects").exists());
        assert_eq!(repository.text(), servers(&[("good", "@acme/good@1.0.0")]));
    });
}

#[test]
fn a_list_for_all_projects_takes_no_allowed_server_of_the_same_name_along() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file(".gemini/settings.json", servers(&[("Evil", "@acme/good@1.0.0")]));
        let repository = Repository::new(site, ".gemini/settings.json");
        let pass = site.enforce();
        assert_eq!(actions(&pass).last(), Some(&of("quarantine", "evil")), "{pass}");
        assert!(!site.machine.home().join(".gemini/mcp-server-enablement.json").exists());
        assert_eq!(repository.text(), servers(&[("good", "@acme/good@1.0.0")]));
        // without the namesake the switch is set
        site.machine.file(".gemini/settings.json", "{}");
        repository.git(&["checkout", "--", repository.file]);
        settle(site);
        assert_eq!(actions(&site.enforce()), [of("switch-off", "evil")]);
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
    });
}

#[test]
fn files_of_a_sync_service_are_edited_with_a_word_about_it() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file("Dropbox/proj/.cursor/mcp.json", tracked());
        settle(site);
        let pass = site.enforce();
        assert_eq!(
            actions(&pass),
            [of("quarantine", "evil")],
            "outside of Git no switch holds below: {pass}"
        );
        assert!(pass["files"][0]["detail"].as_str().unwrap().contains("Dropbox"), "{pass}");
    });
}

#[test]
fn a_linked_work_tree_is_switched_off_by_its_main_one() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file(".claude.json", "{}");
        let repository = Repository::new(site, ".mcp.json");
        let linked = site.machine.home().join("linked");
        repository.git(&["worktree", "add", linked.to_str().unwrap()]);
        // as the machine of the test would have written it
        let dot_git = std::fs::read_to_string(linked.join(".git")).unwrap();
        let root = site.machine.root();
        std::fs::write(linked.join(".git"), dot_git.replace(root.to_str().unwrap(), "")).unwrap();
        let back = site.machine.home().join("src/proj/.git/worktrees/linked/gitdir");
        std::fs::write(back, "/home/dev/linked/.git\n").unwrap();
        settle(site);
        let pass = site.enforce();
        assert_eq!(actions(&pass), vec![of("switch-off", "evil"); 3], "for both: {pass}");
        let state: Value = serde_json::from_str(&site.read(".claude.json")).unwrap();
        assert_eq!(state["projects"], json!({"/home/dev/src/proj": {"disabledMcpServers": ["evil"]}}));
        let settings: Value = serde_json::from_str(&site.read(".claude/settings.json")).unwrap();
        assert_eq!(settings, json!({"disabledMcpjsonServers": ["evil"]}));
        assert_eq!(actions(&site.enforce()), []);
    });
}

#[test]
fn a_switch_is_not_taken_back_by_hand_while_the_server_is_denied_and_a_purge_leaves_it_set() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file(".cursor/mcp.json", "{}");
        let repository = Repository::new(site, ".cursor/mcp.json");
        let id = site.enforce()["files"][0]["vault"].as_str().unwrap().to_owned();
        let settings = site.folder("agent.toml");
        let root = site.folder("published/root.1.json");
        let text =
            format!("schema = \"mcpolicy/agent/v1\"\n[policy]\ntrust_root = {:?}\n", root.to_str().unwrap());
        std::fs::write(&settings, text).unwrap();
        let by_hand = ["quarantine", "restore", &id, "--settings", settings.to_str().unwrap()];
        let refused = site.run(&by_hand);
        assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
        assert!(String::from_utf8_lossy(&refused.stdout).contains("does not allow it"));
        assert!(site.run(&["quarantine", "purge", &id]).status.success());
        assert_eq!(site.run(&["quarantine", "show", &id]).status.code(), Some(2));
        assert_eq!(actions(&site.enforce()), [], "it is off still");
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
    });
}

/// A repository with a `.mcp.json` that only Claude Code reads, switched off.
fn off_in_claude_code(site: &mut Site) -> Repository {
    site.publish(&policy(&json!({}), &rules()));
    site.machine.file(".claude.json", "{}");
    let repository = Repository::new(site, ".mcp.json");
    assert_eq!(actions(&site.enforce()), vec![of("switch-off", "evil"); 3]);
    repository
}

fn allow_evil(site: &mut Site) -> Value {
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
    site.enforce()
}

#[test]
fn a_switch_of_claude_code_that_was_dropped_is_set_again_and_all_of_it_is_taken_back() {
    both(|site| {
        let repository = off_in_claude_code(site);
        // `/mcp` has switched it on, and its user has thrown the settings away
        site.machine
            .file(".claude.json", "{\"projects\": {\"/home/dev/src/proj\": {\"disabledMcpServers\": []}}}");
        std::fs::remove_file(site.machine.home().join(".claude/settings.json")).unwrap();
        settle(site);
        assert_eq!(actions(&site.enforce()), [of("switch-off", "evil"), of("switch-off", "evil")]);
        assert_eq!(actions(&site.enforce()), []);
        // the client has come to know a repository below, in which nothing is switched off yet
        let state = site
            .read(".claude.json")
            .replace("\"projects\": {", "\"projects\": {\"/home/dev/src/proj/sub\": {}, ");
        site.machine.file(".claude.json", state);
        settle(site);
        let pass = allow_evil(site);
        assert!(!pass.to_string().contains("still has evil off"), "{pass}");
        assert!(!site.read(".claude.json").contains("evil"), "{}", site.read(".claude.json"));
        for made in [".claude/settings.json", ".claude/cowork_settings.json"] {
            assert!(!site.machine.home().join(made).exists(), "it was made for the switch: {made}");
        }
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
    });
}

#[test]
fn settings_without_a_text_take_the_switch_and_are_empty_again_when_it_is_taken_back() {
    both(|site| {
        let blank = [(".claude/settings.json", ""), (".claude/cowork_settings.json", " \n")];
        for (path, text) in blank {
            site.machine.file(path, text);
        }
        settle(site);
        let repository = off_in_claude_code(site);
        assert_eq!(repository.git(&["status", "--porcelain"]), "", "the file of the work tree is left");
        for (path, _) in blank {
            let settings: Value = serde_json::from_str(&site.read(path)).unwrap();
            assert_eq!(settings, json!({"disabledMcpjsonServers": ["evil"]}), "{path}");
        }
        assert_eq!(actions(&site.enforce()), []);
        let pass = allow_evil(site);
        for (path, text) in blank {
            assert_eq!(site.read(path), text, "{path}: {pass}");
        }
    });
}

#[test]
fn settings_that_are_a_link_to_nothing_approve_nothing_and_are_not_told_to() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file(".claude.json", "{}");
        site.machine.file(".claude/settings.json", "{}");
        let link = site.machine.home().join(".claude/cowork_settings.json");
        std::os::unix::fs::symlink("/nowhere/cowork_settings.json", &link).unwrap();
        let repository = Repository::new(site, ".mcp.json");
        settle(site);
        let pass = site.enforce();
        assert_eq!(actions(&pass), [of("quarantine", "evil")], "no switch is known to hold: {pass}");
        assert_eq!(repository.git(&["status", "--porcelain"]), " M .mcp.json\n");
        assert!(!pass.to_string().contains("what approves it stays"), "{pass}");
        assert_eq!(actions(&site.enforce()), []);
        assert!(link.is_symlink());
    });
}

#[test]
fn a_switch_that_a_client_has_moved_into_the_work_tree_is_told_when_the_server_is_allowed_again() {
    both(|site| {
        let repository = off_in_claude_code(site);
        site.machine.file(".claude.json", "{\"projects\": {}}");
        site.machine.file(".claude/settings.json", "{}");
        let moved = "{\"disabledMcpjsonServers\": [\"evil\"]}\n";
        repository.write(".gitignore", "out\n.claude\n");
        std::fs::create_dir(repository.tree.join(".claude")).unwrap();
        repository.write(".claude/settings.local.json", moved);
        settle(site);
        let pass = allow_evil(site);
        let restored = pass["restored"].as_array().unwrap();
        assert_eq!(restored.len(), 3, "{pass}");
        for one in restored {
            let detail = one["detail"].as_str().unwrap();
            assert!(
                detail.contains(
                    "Claude Code still has evil off by /home/dev/src/proj/.claude/settings.local.json"
                ),
                "{pass}"
            );
            assert!(detail.contains("its user takes the name out of the list there"), "{pass}");
        }
        let left = std::fs::read_to_string(repository.tree.join(".claude/settings.local.json")).unwrap();
        assert_eq!(left, moved, "it is not ours to edit");
    });
}

#[test]
fn the_settings_of_claude_code_take_no_allowed_server_of_another_project_along() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file(".claude.json", "{\"projects\": {\"/home/dev/other\": {}}}");
        site.machine.file("other/.mcp.json", servers(&[("evil", "@acme/good@1.0.0")]));
        let repository = Repository::new(site, ".mcp.json");
        let pass = site.enforce();
        assert_eq!(actions(&pass).last(), Some(&of("quarantine", "evil")), "{pass}");
        assert!(!site.machine.home().join(".claude/settings.json").exists());
        assert!(!site.read(".claude.json").contains("evil"), "no half of a switch is left behind");
        assert_eq!(repository.text(), servers(&[("good", "@acme/good@1.0.0")]));
    });
}

#[test]
fn a_server_that_the_list_of_another_project_has_off_still_is_told_when_it_is_allowed_again() {
    both(|site| {
        let repository = off_in_claude_code(site);
        let second = site.machine.home().join("src/second");
        let elsewhere = servers(&[("evil", "worse@1.0.0")]);
        site.machine.file("src/second/.mcp.json", elsewhere.as_str());
        settle(site);
        git(&second, &["init", "-b", "main"]);
        git(&second, &["add", "-A"]);
        git(&second, &["commit", "-m", "begin"]);
        // one list for all projects is set already
        assert_eq!(actions(&site.enforce()), [of("switch-off", "evil")]);
        site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("worse")])));
        let pass = site.enforce();
        let restored = pass["restored"].as_array().unwrap();
        assert_eq!(restored.len(), 1, "{pass}");
        let detail = restored[0]["detail"].as_str().unwrap();
        assert!(detail.contains("still has evil off by /home/dev/.claude/settings.json"), "{pass}");
        assert!(detail.contains("another denied server of that name"), "{pass}");
        assert_eq!(git(&second, &["status", "--porcelain"]), "");
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
    });
}

const APPROVING: &str = "{\n  \"enabledMcpjsonServers\": [\"evil\"],\n  \"theme\": \"dark\"\n}\n";
const CLEANED: &str = "{\n  \"enabledMcpjsonServers\": [],\n  \"theme\": \"dark\"\n}\n";

#[test]
fn approvals_in_a_file_that_git_does_not_track_go_and_those_in_a_tracked_one_are_told_until_they_are_gone() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        // VS Code has no switch, so that the file is edited
        site.machine.file(".vscode/argv.json", "{}");
        let repository = Repository::new(site, ".mcp.json");
        let local = ".claude/settings.local.json";
        repository.colleague(
            &[(".claude/settings.json", APPROVING), (".gitignore", "out\n.claude/settings.local.json\n")],
            "shared approvals",
        );
        repository.git(&["pull", "--ff-only"]);
        repository.write(local, APPROVING);
        // the index in the form that names share their beginnings
        repository.git(&["update-index", "--index-version", "4"]);
        settle(site);
        let pass = site.enforce();
        assert!(actions(&pass).contains(&of("quarantine", "evil")), "{pass}");
        let read = |path: &str| std::fs::read_to_string(repository.tree.join(path)).unwrap();
        assert_eq!(read(local), CLEANED, "{pass}");
        assert_eq!(read(".claude/settings.json"), APPROVING, "{pass}");
        let status = repository.git(&["status", "--porcelain"]);
        assert_eq!(status, " M .mcp.json\n", "only the file with the servers");
        let told = |pass: &Value| {
            let files = pass["files"].as_array().unwrap().clone();
            files.into_iter().find(|file| file["path"].as_str().unwrap().ends_with(".claude/settings.json"))
        };
        for pass in [pass, site.enforce()] {
            let told = told(&pass).unwrap();
            assert_eq!(told["outcome"], "skipped", "{pass}");
            assert!(told["detail"].as_str().unwrap().contains("commit that"), "{pass}");
        }
        repository.write(".claude/settings.json", CLEANED);
        repository.git(&["commit", "-m", "approve no more", ".claude/settings.json"]);
        settle(site);
        let pass = site.enforce();
        assert!(told(&pass).is_none(), "{pass}");
        // a file that the index names is Git's, ignored or not
        repository.git(&["checkout", "--", ".mcp.json"]);
        repository.write(local, APPROVING);
        repository.git(&["add", "-f", local]);
        settle(site);
        let pass = site.enforce();
        assert!(actions(&pass).contains(&of("quarantine", "evil")), "{pass}");
        assert_eq!(read(local), APPROVING, "{pass}");
    });
}

#[test]
fn approvals_taken_from_an_untracked_file_of_a_work_tree_come_back_with_their_server() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        // VS Code has no switch, so that the file is edited
        site.machine.file(".vscode/argv.json", "{}");
        let repository = Repository::new(site, ".mcp.json");
        let local = ".claude/settings.local.json";
        repository.colleague(&[(".gitignore", "out\n.claude/settings.local.json\n")], "ignore");
        repository.git(&["pull", "--ff-only"]);
        std::fs::create_dir(repository.tree.join(".claude")).unwrap();
        repository.write(local, APPROVING);
        settle(site);
        let pass = site.enforce();
        let read = || std::fs::read_to_string(repository.tree.join(local)).unwrap();
        assert_eq!(read(), CLEANED, "{pass}");
        let pass = allow_evil(site);
        assert_eq!(pass["restored"].as_array().unwrap().len(), 2, "{pass}");
        assert_eq!((repository.text(), read()), (tracked(), APPROVING.to_owned()), "{pass}");
        assert_eq!(repository.git(&["status", "--porcelain"]), "");
        assert_eq!(site.enforce()["restored"], json!([]));
    });
}

#[test]
fn an_approval_that_stays_in_a_sync_folder_is_told_until_the_pass_that_brings_its_server_back() {
    both(|site| {
        site.publish(&policy(&json!({}), &rules()));
        site.machine.file(".claude.json", "{}");
        site.machine.file("Dropbox/proj/.mcp.json", tracked());
        site.machine.file("Dropbox/proj/.claude/settings.local.json", APPROVING);
        settle(site);
        for expected in [&[of("quarantine", "evil"), of("approval", "evil")][..], &[of("approval", "evil")]] {
            let pass = site.enforce();
            assert_eq!(actions(&pass), expected, "{pass}");
        }
        let pass = allow_evil(site);
        assert_eq!(pass["restored"].as_array().unwrap().len(), 1, "{pass}");
        assert_eq!(actions(&pass), [], "what approves it is allowed to: {pass}");
    });
}
