//! What a pass did not look at is told, and its exit code says so: a user who makes a file unfit to be read has no
//! silent off switch. Needs root; without it the tests say so and pass.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use mcpolicy_tests::report_of;
use serde_json::Value;

use crate::enforce::Site;
use crate::users::{ANN, BOB, give, has_strace, home, names, put, servers, site, traced};

/// The pass exits with this code; what it said, and the notices in one text.
fn pass(site: &Site, code: i32) -> (Value, String) {
    let output = site.enforce_with(&[]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.status.signal()), (Some(code), None), "{errors}");
    let pass = report_of(&output);
    let notices = pass["notices"].to_string();
    (pass, notices)
}

/// Bob's file is dealt with; of Ann's it is told by pass and log that nobody knows what is in it.
fn told(prepare: impl Fn(&Site), places: &[&str], why: &str) {
    let Some(site) = site() else { return };
    let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "bad"]));
    prepare(&site);
    let (_, notices) = pass(&site, 1);
    assert_eq!(names(&bob), ["good"], "{notices}");
    for place in places {
        assert!(notices.contains(&format!("/home/ann/{place}")) && notices.contains(why), "{notices}");
    }
    let log = site.run(&["log", "--user", "ann", "--json"]);
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    assert!(log.contains("not-looked-at") && log.contains(why), "{log}");
}

#[test]
fn files_of_more_than_sixteen_megabytes_are_told_and_end_no_pass_as_done() {
    let large = servers(&["bad"]) + &" ".repeat(17_000_000);
    let files = [".claude.json", ".cursor/mcp.json", "p/.mcp.json"];
    told(
        |site| files.iter().for_each(|file| drop(put(site, ("ann", ANN), file, &large))),
        &files,
        "no more than 16777216 are read: look at it by hand, and make it smaller",
    );
}

#[test]
fn files_that_nobody_can_parse_are_told_and_end_no_pass_as_done() {
    let files = [
        (".cursor/mcp.json", "garbage not json"),
        (".codex/config.toml", "[mcp_servers.bad\ncommand = \"evil\""),
        (".config/goose/config.yaml", "extensions: [\n  a: {cmd: evil"),
    ];
    told(
        |site| files.iter().for_each(|(file, text)| drop(put(site, ("ann", ANN), file, text))),
        &files.map(|(file, _)| file),
        "cannot be parsed",
    );
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_told_and_ends_no_pass_as_done() {
    told(
        |site| {
            let file = put(site, ("ann", ANN), "p/.cursor/mcp.json", "");
            fs::remove_file(&file).unwrap();
            assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
            give(&file, ANN);
        },
        &["p/.cursor/mcp.json"],
        "stands here",
    );
}

#[test]
fn a_project_that_may_be_entered_but_not_listed_is_found_by_its_names_and_told() {
    let Some(site) = site() else { return };
    let projects = ["p/.cursor/mcp.json", "q/.mcp.json"];
    let files = projects.map(|file| put(&site, ("ann", ANN), file, &servers(&["good", "bad"])));
    for folder in ["p", "q"] {
        fs::set_permissions(home(&site, "ann").join(folder), Permissions::from_mode(0o111)).unwrap();
    }
    let (_, notices) = pass(&site, 1);
    for file in &files {
        assert_eq!(names(file), ["good"], "{notices}");
    }
    assert!(notices.contains("/home/ann/p") && notices.contains("/home/ann/q"), "{notices}");
}

#[test]
fn a_folder_of_anothers_in_a_home_hides_nothing_from_its_user() {
    let Some(site) = site() else { return };
    let file = put(&site, ("ann", ANN), "data/db/.cursor/mcp.json", &servers(&["bad"]));
    let folder = home(&site, "ann").join("data/db");
    give(&folder, BOB);
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    let (_, notices) = pass(&site, 0);
    assert!(!notices.contains("data/db") && file.exists(), "{notices}");
    // in one that may be entered clients open files by name: these are looked at, and the rest is told
    fs::set_permissions(&folder, Permissions::from_mode(0o711)).unwrap();
    let (said, notices) = pass(&site, 1);
    assert_eq!((names(&file), &said["entries"]), (vec![], &serde_json::json!(1)), "{said}");
    assert!(notices.contains("data/db"), "{notices}");
}

/// `podman unshare chown` makes one of a client's own folder.
#[test]
fn a_clients_folder_of_anothers_that_may_be_entered_hides_no_server() {
    let Some(site) = site() else { return };
    let file = put(&site, ("ann", ANN), "q/.cursor/mcp.json", &servers(&["good", "bad"]));
    let folder = home(&site, "ann").join("q/.cursor");
    give(&folder, BOB);
    fs::set_permissions(&folder, Permissions::from_mode(0o711)).unwrap();
    let (said, notices) = pass(&site, 1);
    assert_eq!(said["entries"], 2, "{said}");
    assert!(notices.contains("q/.cursor"), "{notices}");
    assert!(file.exists());
}

/// Editors leave such files by themselves.
#[test]
fn files_with_nothing_in_them_are_nothing_to_tell() {
    let Some(site) = site() else { return };
    let empty = [
        ".codex/config.toml",
        ".claude.json",
        ".gemini/settings.json",
        ".config/goose/config.yaml",
        ".config/zed/settings.json",
    ];
    for (at, file) in empty.iter().enumerate() {
        put(&site, ("ann", ANN), file, if at % 2 == 0 { "" } else { " \n\t\n" });
    }
    for (at, text) in [
        "// nothing yet\n\n",
        "// nothing yet\r\n\r\n",
        "/* nothing\n yet */ // f\u{fc}r mich\n",
        "\u{feff}",
        "\u{feff}\r\n",
    ]
    .iter()
    .enumerate()
    {
        put(&site, ("ann", ANN), &format!("p{at}/.vscode/mcp.json"), text);
    }
    let (_, notices) = pass(&site, 0);
    assert_eq!(notices, "[]");
    // readers that end a line there may find a server behind it
    put(&site, ("ann", ANN), "q/.vscode/mcp.json", "// x\u{2028}{}");
    let (_, notices) = pass(&site, 1);
    assert!(notices.contains("q/.vscode"), "{notices}");
}

#[test]
fn fifty_thousand_files_without_servers_hide_no_file_with_one() {
    let Some(site) = site() else { return };
    let file = put(&site, ("ann", ANN), "zz/.cursor/mcp.json", &servers(&["good", "bad"]));
    for at in 0..50_100 {
        let folder = home(&site, "ann").join(format!("a{at:05}"));
        fs::create_dir(&folder).unwrap();
        give(&folder, ANN);
        fs::write(folder.join(".mcp.json"), "{}").unwrap();
        give(&folder.join(".mcp.json"), ANN);
    }
    let (_, notices) = pass(&site, 1);
    assert_eq!(names(&file), ["good"], "{notices}");
    assert!(notices.contains("more than 50000 files"), "{notices}");
}

/// The way into a chain of folders costs more the longer it is: some of thousands eat the time of a pass.
#[test]
fn folders_that_lie_deeper_than_any_tree_are_told_and_take_nobodys_time() {
    let Some(site) = site() else { return };
    let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let anns = put(&site, ("ann", ANN), "zz/.cursor/mcp.json", &servers(&["good", "bad"]));
    let deep = format!("aa/{}.cursor/mcp.json", "d/".repeat(700));
    let deep = put(&site, ("ann", ANN), &deep, &servers(&["bad"]));
    let (pass, notices) = pass(&site, 1);
    assert_eq!((names(&bob), names(&anns)), (vec!["good".to_owned()], vec!["good".to_owned()]), "{pass}");
    assert_eq!(names(&deep), ["bad"]);
    assert!(notices.contains("more than 128 below the home"), "{notices}");
}

/// A denied server in a file outside of the home, where the user's worker may write nothing.
#[test]
fn a_denied_server_outside_of_its_users_home_is_told_each_time_and_written_down_once() {
    let Some(site) = site() else { return };
    let outside = site.machine.root().join("srv/cc");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join(".claude.json"), servers(&["bad"])).unwrap();
    [&outside, &outside.join(".claude.json")].iter().for_each(|path| give(path, ANN));
    put(&site, ("ann", ANN), ".bashrc", "export CLAUDE_CONFIG_DIR=/srv/cc\n");
    for _ in 0..2 {
        let (said, _) = pass(&site, 1);
        assert_eq!(said["left"][0]["server"], "bad", "{said}");
    }
    let log = site.run(&["log", "--server", "bad", "--json"]);
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    assert_eq!(log.matches("not-done").count(), 1, "{log}");
}

/// A link of Ann's below her home.
fn link(site: &Site, target: &str, at: &str) {
    let link = put(site, ("ann", ANN), at, "");
    fs::remove_file(&link).unwrap();
    symlink(target, &link).unwrap();
    give(&link, ANN);
}

/// A folder of dotfiles that has moved on, a share that is not mounted.
#[test]
fn a_link_to_a_folder_that_is_not_there_is_nothing_to_tell() {
    let Some(site) = site() else { return };
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    for (target, at) in [
        ("/nonexist", ".claude/skills"),
        ("../dotfiles/agents", ".claude/agents"),
        ("/mnt/share/claude/commands", ".copilot/agents"),
        ("/nonexist", "p/.cursor"),
        ("/nonexist", "old"),
        ("/nonexist", ".bashrc"),
    ] {
        link(&site, target, at);
    }
    let (_, notices) = pass(&site, 0);
    assert_eq!((&*notices, names(&file)), ("[]", vec!["good".to_owned()]));
    let (_, notices) = pass(&site, 0);
    assert_eq!(notices, "[]");
}

#[test]
fn a_link_to_a_folder_of_which_nobody_can_say_whether_it_is_there_is_told() {
    let Some(site) = site() else { return };
    let root = site.machine.root();
    fs::create_dir_all(root.join("srv/closed/agents")).unwrap();
    fs::set_permissions(root.join("srv/closed"), Permissions::from_mode(0o700)).unwrap();
    fs::create_dir_all(root.join("srv/open")).unwrap();
    fs::set_permissions(root.join("srv/open"), Permissions::from_mode(0o711)).unwrap();
    for at in [".claude/skills", ".claude/agents"] {
        link(&site, &format!("/srv/open/{at}"), at);
    }
    let (_, notices) = pass(&site, 0);
    assert_eq!(notices, "[]", "in a folder that may be entered it is known that there is none");
    for at in [".claude/skills", ".claude/agents"] {
        fs::remove_file(home(&site, "ann").join(at)).unwrap();
        link(&site, &format!("/srv/closed/{at}"), at);
    }
    let (_, notices) = pass(&site, 1);
    for at in [".claude/skills (permission denied)", ".claude/agents (permission denied)"] {
        assert!(notices.contains(at), "{notices}");
    }
}

/// A list of numbers takes a hundred times its size once it is parsed.
#[test]
fn a_dense_file_of_toml_ends_no_worker_and_hides_nothing_else_in_its_home() {
    let Some(site) = site() else { return };
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let dense = format!("[mcp_servers.bad]\ncommand = \"evil\"\n[x]\ny=[{}0]\n", "0,".repeat(5 << 20));
    let dense = put(&site, ("ann", ANN), "d/.codex/config.toml", &dense);
    // as large, with nothing in it
    let thin = format!("[mcp_servers.bad]\ncommand = \"evil\"\n#{}\n", " ".repeat(10 << 20));
    let thin = put(&site, ("ann", ANN), "t/.codex/config.toml", &thin);
    let (said, notices) = pass(&site, 0);
    assert_eq!(names(&file), ["good"], "{notices}");
    assert!(!dense.exists(), "it goes as a whole: {said}");
    assert!(!fs::read_to_string(&thin).unwrap().contains("evil"), "it is edited");
}

/// The worker is killed whenever it does this with what is at a path below Ann's home. The pass, and its notices.
fn killed_over(site: &Site, path: &str, call: &str) -> (Value, String) {
    let path = home(site, "ann").join(path);
    let (trace, kill) = (format!("trace={call}"), format!("inject={call}:signal=KILL"));
    let output = traced(site, &["-P", path.to_str().unwrap(), "-e", &trace, "-e", &kill]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let pass = report_of(&output);
    let notices = pass["notices"].to_string();
    (pass, notices)
}

#[test]
fn a_file_over_which_the_worker_ends_is_left_out_and_told_and_the_rest_of_its_home_is_done() {
    let Some(site) = site().filter(|_| has_strace()) else { return };
    let anns = put(&site, ("ann", ANN), "a/.cursor/mcp.json", &servers(&["good", "bad"]));
    let later = put(&site, ("ann", ANN), "z/.cursor/mcp.json", &servers(&["good", "bad"]));
    let deadly = servers(&["good", "bad"]) + &" ".repeat(70_000);
    let deadly = put(&site, ("ann", ANN), "d/.cursor/mcp.json", &deadly);
    let (said, notices) = killed_over(&site, "d/.cursor/mcp.json", "read");
    assert_eq!((names(&anns), names(&later)), (vec!["good".to_owned()], vec!["good".to_owned()]), "{said}");
    assert_eq!(names(&deadly), ["bad", "good"]);
    assert!(notices.contains("d/.cursor/mcp.json") && notices.contains("ended over it"), "{notices}");
    assert!(!notices.contains("is not done"), "{notices}");
    let log = site.run(&["log", "--user", "ann", "--json"]);
    assert!(String::from_utf8_lossy(&log.stdout).contains("d/.cursor/mcp.json"));
    pass(&site, 0);
    assert_eq!(names(&deadly), ["good"], "where it can be read it is done");
}

#[test]
fn a_file_over_whose_edit_the_worker_ends_costs_no_other_its_turn() {
    let Some(site) = site().filter(|_| has_strace()) else { return };
    let files = ["a", "b", "c"].map(|folder| {
        put(&site, ("ann", ANN), &format!("{folder}/.cursor/mcp.json"), &servers(&["good", "bad"]))
    });
    let (said, notices) = killed_over(&site, "b/.cursor", "renameat2");
    let left: Vec<usize> = files.iter().map(|file| names(file).len()).collect();
    assert_eq!(left, [1, 2, 1], "{said}");
    assert!(notices.contains("b/.cursor/mcp.json") && notices.contains("ended over it"), "{notices}");
    pass(&site, 0);
    assert_eq!(names(&files[1]), ["good"]);
}
