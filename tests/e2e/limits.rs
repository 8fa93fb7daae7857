//! One user's files are too much for what is kept or told of them: nobody else is held up by that, and nothing lives on
//! because of it. Needs root; without it the tests say so and pass.

use std::fs;
use std::path::Path;

use mcpolicy_tests::report_of;
use serde_json::{Value, json};

use crate::enforce::{Site, actions, policy, rule};
use crate::users::{ANN, BOB, home, names, put, servers, site};

const EVIL: &str = r#""evil":{"command":"npx","args":["evil@1.0.0"]}"#;

/// Ann's file is dealt with, and Bob's as if she were not there, at this pass and at the next.
fn held_up_by(file: &str, text: &str, check: impl Fn(&Site, &Value, &Path)) {
    let Some(site) = site() else { return };
    let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let ann = put(&site, ("ann", ANN), file, text);
    let anns_own = put(&site, ("ann", ANN), "work/.cursor/mcp.json", &servers(&["good", "bad"]));
    let pass = site.enforce();
    check(&site, &pass, &ann);
    for file in [&bob, &anns_own] {
        assert_eq!(names(file), ["good"], "{}", pass["notices"]);
    }
    put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let pass = site.enforce();
    assert_eq!(names(&bob), ["good"], "{}", pass["notices"]);
    for command in [&["log", "--json"][..], &["quarantine", "list", "--all", "--json"]] {
        let output = site.run(command);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn file_action(pass: &Value, file: &str) -> Value {
    let files = pass["files"].as_array().unwrap().iter();
    let mut of_file = files.filter(|one| one["path"].as_str().unwrap().ends_with(file));
    of_file.next().cloned().unwrap_or_default()
}

#[test]
fn names_that_grow_sixfold_in_the_journal_do_not_end_it() {
    let entry = |n: usize| format!("\"{n}{}\":{{\"url\":\"x\"}}", "\u{1}".repeat(280));
    let text = format!("{{\"mcpServers\":{{{}}}}}", (0..11_000).map(entry).collect::<Vec<_>>().join(","));
    held_up_by(".cursor/mcp.json", &text, |_, pass, ann| {
        let left = fs::read_to_string(ann).unwrap_or_default();
        assert!(!left.contains("url"), "{}", file_action(pass, ".cursor/mcp.json"));
    });
}

#[test]
fn a_decoy_of_sixty_thousand_servers_hides_no_other_file() {
    let entry = |n: usize| format!("\"a{n}\":{{\"url\":\"x\"}}");
    let text = format!("{{\"mcpServers\":{{{}}}}}", (0..60_000).map(entry).collect::<Vec<_>>().join(","));
    held_up_by("decoy/.cursor/mcp.json", &text, |_, pass, ann| {
        assert!(!ann.exists(), "it goes as a whole");
        let done = file_action(pass, "decoy/.cursor/mcp.json");
        assert_eq!(done["actions"][0]["code"], "config-too-large", "{done}");
    });
}

#[test]
fn files_that_are_too_much_together_are_edited_one_by_one() {
    let entry = |n: usize| format!("\"a{n}\":{{\"url\":\"x\"}}");
    let text = format!("{{\"mcpServers\":{{{}}}}}", (0..15_000).map(entry).collect::<Vec<_>>().join(","));
    let Some(site) = site() else { return };
    let folders = ["a", "b", "c", "d"];
    let file = |folder: &str| format!("{folder}/.cursor/mcp.json");
    let all: Vec<_> = folders.iter().map(|at| put(&site, ("ann", ANN), &file(at), &text)).collect();
    site.enforce();
    for file in &all {
        assert_eq!(names(file), Vec::<String>::new(), "each is still there, without its servers");
    }
}

#[test]
fn a_name_of_eleven_megabytes_does_not_damage_the_vault() {
    let text = format!("{{\"mcpServers\":{{\"{}\":{{\"command\":\"evil\"}}}}}}", "~".repeat(11_500_000));
    held_up_by(".cursor/mcp.json", &text, |site, _, ann| {
        assert!(!ann.exists(), "it goes as a whole");
        let items: Value =
            serde_json::from_slice(&site.run(&["quarantine", "list", "--json"]).stdout).unwrap();
        assert_eq!(items["damaged"], json!([]));
    });
}

/// The file with its client's own state never goes as a whole; what is denied in it goes all the same. How many passes
/// that takes; none without root.
fn taken_out_of_the_state(entries: &str) -> Option<usize> {
    let site = site()?;
    let good = r#""good":{"command":"npx","args":["@acme/good@1.0.0"]}"#;
    let text = format!(
        "{{\"hasCompletedOnboarding\":true,\"mcpServers\":{{{EVIL},{entries},{good}}},\"numStartups\":7}}"
    );
    let state = put(&site, ("ann", ANN), ".claude.json", &text);
    let expected = format!("{{\"hasCompletedOnboarding\":true,\"mcpServers\":{{{good}}},\"numStartups\":7}}");
    for passes in 1..5 {
        let output = site.enforce_with(&[]);
        let left = fs::read_to_string(&state).unwrap();
        assert!(!left.contains("\"evil\""), "{}", report_of(&output)["notices"]);
        if output.status.code() == Some(0) {
            assert_eq!(left, expected, "every other byte is as it was");
            let kept = site.run(&["quarantine", "list", "--json"]).stdout;
            let listed: Value = serde_json::from_slice(&kept).unwrap();
            assert_eq!(listed["damaged"], json!([]));
            assert!(kept.len() < 8 << 20, "what is kept of it is bounded: {}", kept.len());
            let log = site.run(&["log", "--server", "evil", "--json"]);
            assert!(String::from_utf8_lossy(&log.stdout).contains("quarantine"));
            return Some(passes);
        }
    }
    panic!("it is never done");
}

#[test]
fn a_name_of_five_megabytes_does_not_keep_the_servers_of_claude_where_they_are() {
    let long = format!("\"{}\":{{\"command\":\"/bin/true\"}}", "n".repeat(5 << 20));
    assert!(taken_out_of_the_state(&long).is_none_or(|passes| passes == 1));
}

#[test]
fn more_servers_than_can_be_told_apart_are_taken_out_of_the_state_of_claude_in_parts() {
    let entry = |n: usize| format!("\"s{n}\":{{\"command\":\"x\"}}");
    taken_out_of_the_state(&(0..20_001).map(entry).collect::<Vec<_>>().join(","));
}

#[test]
fn what_was_taken_out_in_parts_comes_back_whole() {
    let Some(mut site) = site() else { return };
    let entry = |n: usize| format!("\"s{n}\":{{\"command\":\"x\"}}");
    let good = |n: usize| format!("\"g{n}\":{{\"command\":\"npx\",\"args\":[\"@acme/good@1.0.0\"]}}");
    let good = (0..14_000).map(good).collect::<Vec<_>>().join(",");
    let bad = (0..6_002).map(entry).collect::<Vec<_>>().join(",");
    let text = format!("{{\"mcpServers\":{{{good},{bad},{EVIL}}},\"numStartups\":7}}");
    let state = put(&site, ("ann", ANN), ".claude.json", &text);
    let passes = (1..5).find(|_| site.enforce_with(&[]).status.code() == Some(0));
    assert!(passes.is_some());
    assert_eq!(names(&state).len(), 14_000);
    let items = |site: &Site| -> Vec<Value> {
        let listed: Value =
            serde_json::from_slice(&site.run(&["quarantine", "list", "--json"]).stdout).unwrap();
        listed["items"].as_array().unwrap().clone()
    };
    let taken = items(&site);
    assert!(taken.len() > 1, "in parts: {}", taken.len());
    // the file has more than is told at once when the last of them comes
    site.publish(&policy(&json!({ "default": "allow" }), &json!([rule("@acme/good")])));
    let one = taken[0]["id"].as_str().unwrap();
    let (code, by_hand) = site.restore(one);
    assert_eq!((code, &by_hand["outcome"]), (Some(0), &json!("applied")));
    // as far as the time of a home goes: the next pass goes on
    let done = (0..60).any(|_| site.enforce_with(&[]).status.code() == Some(0));
    assert!(done && items(&site).is_empty(), "{:?}", items(&site).len());
    assert_eq!(names(&state).len(), 20_003);
}

/// The state of Claude Code with more servers than can be told apart: the tables of servers go, in one pass, and what
/// else its client keeps there stays.
fn crowds_go_from_the_state(crowded: &str, left: &str) {
    let Some(site) = site() else { return };
    let state = put(&site, ("ann", ANN), ".claude.json", crowded);
    let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let output = site.enforce_with(&[]);
    let said = report_of(&output);
    assert!(fs::read_to_string(&state).unwrap() == left, "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(names(&bob), ["good"]);
    let listed: Value = serde_json::from_slice(&site.run(&["quarantine", "list", "--json"]).stdout).unwrap();
    let mut items = listed["items"].as_array().unwrap().iter();
    let item = items.find(|item| item["user"] == "ann").unwrap_or_else(|| panic!("{listed}"));
    let log = site.run(&["log", "--user", "ann", "--json"]);
    assert!(String::from_utf8_lossy(&log.stdout).contains("more servers"), "it is told why");
    // no policy allows what it cannot look at
    let (code, back) = site.restore(item["id"].as_str().unwrap());
    assert_eq!(code, Some(1), "{back}");
    assert!(back.to_string().contains("more servers than can be told apart"), "{back}");
    assert!(fs::read_to_string(&state).unwrap() == left);
}

/// How many of them: a test build is slow, `MCPOLICY_CROWD` makes it as many as the file can hold.
#[allow(clippy::disallowed_methods, reason = "a test reads its own parameter")]
fn crowd(of_a_test: usize) -> usize {
    std::env::var("MCPOLICY_CROWD").map_or(of_a_test, |text| text.parse().expect("a number"))
}

#[test]
fn a_crowd_of_servers_goes_from_the_state_of_claude_with_its_table() {
    let entry = |n: usize| format!("\"e{n}\":{{\"command\":\"x\"}}");
    let crowd = (0..crowd(60_000)).map(entry).collect::<Vec<_>>().join(",");
    crowds_go_from_the_state(
        &format!("{{\"hasCompletedOnboarding\":true,\"mcpServers\":{{{crowd},{EVIL}}},\"numStartups\":7}}"),
        "{\"hasCompletedOnboarding\":true,\"numStartups\":7}",
    );
}

#[test]
fn a_crowd_of_members_that_are_no_servers_hides_none_in_the_state_of_claude() {
    let crowd = (0..crowd(90_000)).map(|n| format!("\"{n:x}\":0")).collect::<Vec<_>>().join(",");
    crowds_go_from_the_state(
        &format!("{{\"hasCompletedOnboarding\":true,\"mcpServers\":{{{EVIL},{crowd}}},\"numStartups\":7}}"),
        "{\"hasCompletedOnboarding\":true,\"numStartups\":7}",
    );
}

#[test]
fn a_crowd_of_projects_with_a_server_each_goes_from_the_state_of_claude() {
    let project = |n: usize| format!("\"/p{n}\":{{\"mcpServers\":{{\"a\":{{\"command\":\"x\"}}}}}}");
    let crowd = (0..crowd(50_000)).map(project).collect::<Vec<_>>().join(",");
    crowds_go_from_the_state(
        &format!("{{\"hasCompletedOnboarding\":true,\"mcpServers\":{{{EVIL}}},\"projects\":{{{crowd}}}}}"),
        "{\"hasCompletedOnboarding\":true}",
    );
}

#[test]
fn a_damaged_original_holds_nothing_up_and_is_no_crash_of_a_policy() {
    let Some(mut site) = site() else { return };
    put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    site.enforce();
    for object in fs::read_dir(site.folder("state/vault/objects")).unwrap() {
        fs::write(object.unwrap().path(), "turned").unwrap();
    }
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    for _ in 0..5 {
        let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "worse"]));
        let pass = report_of(&site.enforce_with(&[]));
        assert_eq!(names(&bob), ["good"]);
        assert_eq!(pass["policy"]["sequence"], 2, "{pass}");
        let told = pass["restored"].to_string();
        assert!(told.contains("damaged") && told.contains("quarantine purge"), "{told}");
    }
    assert_eq!(names(&home(&site, "ann").join(".cursor/mcp.json")), ["good"]);
}

#[test]
fn a_user_with_many_large_files_drives_no_original_of_others_out() {
    let Some(mut site) = site() else { return };
    let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let text = fs::read_to_string(&bob).unwrap();
    site.enforce();
    fs::write(site.folder("agent.toml"), "schema = \"mcpolicy/agent/v1\"\n[vault]\nmax_mib = 8\n").unwrap();
    let settings = site.folder("agent.toml").to_str().unwrap().to_owned();
    for n in 0..4 {
        let padded = format!("{{\"mcpServers\":{{{EVIL}}}}}{}", " ".repeat(3_000_000 + n));
        put(&site, ("ann", ANN), ".cursor/mcp.json", &padded);
        let pass = mcpolicy_tests::report_of(&site.enforce_with(&["--settings", &settings]));
        assert_eq!(actions(&pass), [("quarantine".to_owned(), "evil".to_owned())]);
    }
    let kept: u64 = ["objects", "items"]
        .iter()
        .flat_map(|part| fs::read_dir(site.folder("state/vault").join(part)).unwrap())
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(kept <= 8 << 20, "ann has more than her share: {kept}");
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    site.enforce();
    assert_eq!(fs::read_to_string(&bob).unwrap(), text, "bob's came back");
}

/// Files of Ann's, each with something to take out.
fn anns(site: &Site, count: usize) -> Vec<std::path::PathBuf> {
    let path = |n: usize| format!("d{}/p{n}/.cursor/mcp.json", n % 10);
    (0..count).map(|n| put(site, ("ann", ANN), &path(n), &servers(&["good", "bad"]))).collect()
}

/// Settings of the machine: so many seconds of a pass for each home.
fn let_homes_have(site: &Site, seconds: u16) {
    let settings = site.machine.root().join("etc/mcpolicy");
    fs::create_dir_all(&settings).unwrap();
    let text = format!("schema = \"mcpolicy/agent/v1\"\n[enforcement]\nhome_seconds = {seconds}\n");
    fs::write(settings.join("agent.toml"), text).unwrap();
}

#[test]
fn a_home_with_more_to_do_than_its_time_allows_holds_nobody_up_and_is_finished_by_later_passes() {
    let Some(site) = site() else { return };
    let_homes_have(&site, 1);
    let anns = anns(&site, 250);
    let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let left = || anns.iter().filter(|file| names(file).len() == 2).count();
    let mut before = anns.len();
    for number in 0.. {
        let output = site.enforce_with(&[]);
        let pass = report_of(&output);
        assert_eq!(names(&bob), ["good"], "{}", pass["notices"]);
        let now = left();
        assert!(now < before, "each pass gets on: {now} of {before}");
        before = now;
        let told = pass["notices"].to_string();
        if now == 0 {
            assert_eq!(output.status.code(), Some(0), "{told}");
            // where all is done within a second, whose turn it is shows in the unit tests of the turns alone
            mcpolicy_tests::say(&format!("250 files were done in {} passes", number + 1));
            return;
        }
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(&format!("{now} files and originals of it wait for the next")), "{told}");
        let log = site.run(&["log", "--user", "ann", "--json"]);
        assert!(String::from_utf8_lossy(&log.stdout).contains("home-unfinished"));
    }
}

#[test]
fn what_comes_back_to_one_user_does_not_wait_behind_all_that_comes_back_to_another() {
    let Some(mut site) = site() else { return };
    // the oldest, which would come last
    let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "bad"]));
    site.enforce();
    let anns = anns(&site, 30);
    site.enforce();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    let pass = site.enforce();
    assert!(anns.iter().chain([&bob]).all(|file| names(file).len() == 2), "{pass}");
    let restored = pass["restored"].as_array().unwrap();
    assert_eq!(restored.len(), 31);
    let bobs = restored.iter().position(|one| one.to_string().contains("/home/bob/")).unwrap();
    assert!(bobs < 2, "{bobs}");
}

#[test]
fn a_pass_that_has_nothing_to_do_is_short_though_the_vault_holds_hundreds_of_a_users_originals() {
    let Some(site) = site() else { return };
    // enough for the slowest disk
    let_homes_have(&site, 600);
    let anns = anns(&site, 200);
    site.enforce();
    assert!(anns.iter().all(|file| names(file) == ["good"]));
    let (start, idle) = (std::time::Instant::now(), site.enforce());
    assert_eq!(actions(&idle), []);
    // 200 originals, read once
    assert!(start.elapsed() < std::time::Duration::from_secs(60), "{:?}", start.elapsed());
}

/// The vault is smaller than the file.
#[test]
fn an_original_that_is_told_to_be_kept_is_kept_and_its_entry_comes_back() {
    let Some(mut site) = site() else { return };
    fs::write(site.folder("agent.toml"), "schema = \"mcpolicy/agent/v1\"\n[vault]\nmax_mib = 1\n").unwrap();
    let settings = site.folder("agent.toml").to_str().unwrap().to_owned();
    let text = servers(&["good", "bad"]) + &" ".repeat(1_500_000);
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &text);
    let pass = report_of(&site.enforce_with(&["--settings", &settings]));
    assert_eq!(names(&file), ["good"], "{pass}");
    let kept = pass["files"][0]["vault"].as_str().unwrap().to_owned();
    let listed: Value = serde_json::from_slice(&site.run(&["quarantine", "list", "--json"]).stdout).unwrap();
    assert!(listed.to_string().contains(&kept), "{listed}");
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    site.enforce_with(&["--settings", &settings]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

/// The clock of one pass is 200 days ahead, as after an empty battery: nothing is let go of for its age.
#[test]
fn a_pass_with_a_clock_that_is_months_ahead_lets_go_of_no_original_and_no_record() {
    let Some(mut site) = site() else { return };
    let text = servers(&["good", "bad"]);
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &text);
    site.enforce();
    let records = || site.run(&["log", "--user", "ann", "--json"]).stdout.len();
    let before = records();
    let (published, root) = (site.folder("published"), site.folder("published/root.1.json"));
    let policy_of = ["--policy", published.to_str().unwrap(), "--trust-root", root.to_str().unwrap()];
    let ahead = site
        .run(&[&["enforce", "--once", "--json", "--now", "2028-01-01T00:00:00Z"], &policy_of[..]].concat());
    let said = report_of(&ahead);
    assert_eq!(said["policy"]["staleness"], "stale", "{said}");
    assert!(said["notices"].to_string().contains("leapt ahead"), "{said}");
    assert!(records() >= before);
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    site.enforce();
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

/// A deadline that has passed has passed, whatever the clock says afterwards.
#[test]
fn a_clock_that_is_set_back_brings_nothing_to_life_that_has_ended() {
    let Some(mut site) = site() else { return };
    let mut good = rule("@acme/good");
    good["remediation"] = json!({"what": "rotate the key", "deadline": "2026-11-02"});
    site.publish(&policy(&json!({}), &json!([good])));
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good"]));
    let (published, root) = (site.folder("published"), site.folder("published/root.1.json"));
    let policy_of = ["--policy", published.to_str().unwrap(), "--trust-root", root.to_str().unwrap()];
    let at = |now: &str| {
        report_of(&site.run(&[&["enforce", "--once", "--json", "--now", now], &policy_of[..]].concat()))
    };
    at(&site.now());
    assert_eq!(names(&file), ["good"]);
    let said = at("2026-11-03T06:00:00Z");
    assert_eq!(names(&file), Vec::<String>::new(), "{said}");
    put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good"]));
    let said = at(&site.now());
    assert_eq!(names(&file), Vec::<String>::new(), "{said}");
    assert!(said["notices"].to_string().contains("before a time that has passed"), "{said}");
    let log = site.run(&["log", "--json"]).stdout;
    assert!(String::from_utf8_lossy(&log).contains("clock-rollback"));
}

/// The account of Ann with another number and a new home, in which there is one file without servers.
fn made_anew(site: &Site, (before, now): (u32, u32)) {
    let (users, home) = (site.machine.root().join("etc/passwd"), home(site, "ann"));
    let text = fs::read_to_string(&users).unwrap();
    fs::write(&users, text.replace(&format!("{before}:{before}"), &format!("{now}:{now}"))).unwrap();
    fs::remove_dir_all(&home).unwrap();
    fs::create_dir(&home).unwrap();
    crate::users::give(&home, now);
    put(site, ("ann", now), ".cursor/mcp.json", r#"{"mcpServers":{}}"#);
}

/// A name and a home that are given to another person, who has another id.
#[test]
fn an_account_that_was_made_anew_gets_nothing_that_was_taken_from_the_one_before() {
    let Some(mut site) = site() else { return };
    let text =
        r#"{"mcpServers":{"bad":{"command":"npx","args":["bad@1.0.0"],"env":{"KEY":"of-the-first-ann"}}}}"#;
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", text);
    site.enforce();
    let bad = json!({"id": "bad", "identity": {"npm": {"package": "bad", "versions": "1.0.0"}}, "env": {"KEY": "*"}});
    made_anew(&site, (ANN, 7055));
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), bad])));
    let pass = site.enforce();
    assert_eq!(fs::read_to_string(&file).unwrap(), r#"{"mcpServers":{}}"#, "{pass}");
    made_anew(&site, (7055, ANN));
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), bad, rule("another")])));
    let pass = site.enforce();
    assert_eq!(names(&file), ["bad"], "the first gets it: {pass}");
}

/// What a changed entry is put back to holds the secrets of whoever wrote it.
#[test]
fn a_changed_entry_of_an_account_made_anew_is_not_put_back_to_that_of_the_one_before() {
    let Some(mut site) = site() else { return };
    let one = json!({"id": "good", "identity": {"npm": {"package": "good", "versions": "1.0.0"}}, "env": {"KEY": "*"}});
    site.publish(&policy(&json!({}), &json!([one])));
    let server = |version: &str| {
        let env = r#""env":{"KEY":"of-the-first-ann"}"#;
        format!(r#"{{"mcpServers":{{"a":{{"command":"npx","args":["good@{version}"],{env}}}}}}}"#)
    };
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &server("1.0.0"));
    site.enforce();
    made_anew(&site, (ANN, 7055));
    put(&site, ("ann", 7055), ".cursor/mcp.json", &server("6.6.6").replace("of-the-first-ann", ""));
    let pass = site.enforce();
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("of-the-first-ann") && !text.contains("6.6.6"), "{text}: {pass}");
}

/// A torn block of the disk: nothing of it stops a pass, and none is passed over.
#[test]
fn damage_to_the_agents_own_state_is_told_and_ends_no_pass() {
    let Some(site) = site() else { return };
    put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    site.enforce();
    let state = site.folder("state");
    let item = fs::read_dir(state.join("vault/items")).unwrap().next().unwrap().unwrap().path();
    for (file, said) in [
        (state.join("activation/state.json"), "was not compared with the one before"),
        (state.join("remembered.json"), "put aside"),
        (item, "of the vault is damaged"),
    ] {
        let bob = put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "worse"]));
        fs::write(&file, "{").unwrap();
        let output = site.enforce_with(&[]);
        let pass = report_of(&output);
        assert_eq!(output.status.code(), Some(1), "{pass}");
        assert!(pass["notices"].to_string().contains(said), "{pass}");
        assert_eq!(names(&bob), ["good"], "{pass}");
    }
    fs::remove_dir_all(state.join("journal")).unwrap();
    let pass = report_of(&site.enforce_with(&[]));
    assert!(pass["notices"].to_string().contains("its records are lost"), "{pass}");
}
