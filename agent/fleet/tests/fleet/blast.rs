//! How far a server reached, against the plan.

use std::collections::BTreeSet;

use mcpolicy_fleet::Wanted;

use crate::maker::fleet::{NOW, Plan};
use crate::maker::machine::{DAY, Declared, Machine, START};
use crate::support::{generated, load_lines};

fn blast(fleet: &mcpolicy_fleet::Fleet, wanted: &str) -> mcpolicy_fleet::Blast {
    fleet.blast(Wanted::parse(wanted, START, NOW)).unwrap()
}

#[test]
fn whoever_had_a_server_is_told_from_when_to_when() {
    const MACHINES: usize = 120;
    let fleet = generated(MACHINES);
    let blast = blast(&fleet, "npm:@acme/drifting");
    let planned: BTreeSet<String> = (0..MACHINES).filter(|n| n % 6 == 2).map(|n| Plan::of(n).id).collect();
    let told: BTreeSet<String> = blast.had.iter().map(|had| had.device.clone()).collect();
    assert_eq!((told, blast.machines), (planned.clone(), planned.len() as u64));
    for had in &blast.had {
        let number: usize = had.device.trim_start_matches("laptop-").parse().unwrap();
        let plan = Plan::of(number);
        let is_new = number % 12 == 2;
        let is_second = is_new && had.fingerprint == Declared { variant: 1, ..first(&plan) }.fingerprint();
        assert_eq!(had.first_seen, plan.time(if is_second { 8 } else { 0 }), "{had:?}");
        let gone = if is_new && !is_second && !plan.is_silent() { plan.time(8) } else { 0 };
        assert_eq!(had.gone_by, gone, "{had:?}");
    }
}

fn first(plan: &Plan) -> Declared {
    Declared::approved(&plan.owner, "npm:@acme/drifting")
}

#[test]
fn a_server_is_found_by_identity_version_fingerprint_and_digest() {
    let digest = "c".repeat(64);
    let mut machine = Machine::new("m", "t");
    let one = Declared { program: Some(digest.clone()), ..Declared::approved("ann", "npm:@acme/tool") };
    machine.inventory(START + 5, "start", std::slice::from_ref(&one));
    let fleet = load_lines(&machine.lines);
    for wanted in [
        "npm:@acme/tool",
        "@acme/tool",
        "npm:@acme/tool@1.0.0",
        &one.fingerprint(),
        &digest,
        &format!("sha256:{digest}"),
    ] {
        assert_eq!(blast(&fleet, wanted).machines, 1, "{wanted}");
    }
    for wanted in ["npm:@acme/tool@2.0.0", "npm:@acme/too", "%", "' OR 1=1 --", ""] {
        assert_eq!(blast(&fleet, wanted).machines, 0, "{wanted}");
    }
    let before = fleet.blast(Wanted::parse("npm:@acme/tool", START - 10, START)).unwrap();
    assert_eq!(before.machines, 0, "it was not there yet");
}

/// An incident from ten to six: the server was inventoried at nine, and nothing changed until the next day.
#[test]
fn a_server_that_was_there_all_the_time_is_found_by_a_time_between_two_inventories() {
    let mut machine = Machine::new("m", "t");
    let one = Declared::approved("ann", "npm:@acme/tool");
    machine.inventory(START, "start", std::slice::from_ref(&one));
    machine.inventory(START + DAY, "daily", std::slice::from_ref(&one));
    machine.inventory(START + 2 * DAY, "daily", &[]);
    let fleet = load_lines(&machine.lines);
    let hour = DAY / 24;
    for (since, until, machines) in [
        (START + hour, START + 9 * hour, 1),
        (START + DAY + hour, START + DAY + 2 * hour, 1),
        (START + 2 * DAY + hour, START + 3 * DAY, 0),
    ] {
        let blast = fleet.blast(Wanted::parse("npm:@acme/tool", since, until)).unwrap();
        assert_eq!(blast.machines, machines, "{since} to {until}");
    }
}

#[test]
fn an_inventory_that_could_not_look_into_its_file_does_not_say_that_a_server_is_gone() {
    let one = Declared::approved("ann", "npm:@acme/tool");
    let (file, day) = ("/home/ann/.cursor/mcp.json", START + DAY);
    for (path, is_gone) in
        [(file, false), ("/home/ann", false), ("/home/ann/.cur", true), ("/srv", true), ("", true)]
    {
        let mut machine = Machine::new("m", "t");
        machine.inventory(START, "start", std::slice::from_ref(&one));
        machine.inventory_without(day, path);
        machine.heartbeat(day);
        let blast = blast(&load_lines(&machine.lines), "npm:@acme/tool");
        assert_eq!(blast.had[0].gone_by, if is_gone { day } else { 0 }, "{path}");
        let fleet = load_lines(&machine.lines);
        let later = fleet.blast(Wanted::parse("npm:@acme/tool", day + 1, NOW)).unwrap();
        assert_eq!(later.machines, u64::from(!is_gone), "{path}");
    }
}

#[test]
fn a_digest_in_capital_letters_and_a_path_with_an_at_sign_are_found() {
    let digest = "ab".repeat(32);
    let mut machine = Machine::new("m", "t");
    let path = "executable:/opt/homebrew/opt/node@20/bin/x";
    let one = Declared { program: Some(digest.clone()), ..Declared::approved("ann", path) };
    machine.inventory(START + 5, "start", std::slice::from_ref(&one));
    let fleet = load_lines(&machine.lines);
    for wanted in [digest.to_uppercase(), format!("sha256:{}", digest.to_uppercase()), path.to_owned()] {
        assert_eq!(blast(&fleet, &wanted).machines, 1, "{wanted}");
    }
}

#[test]
fn credentials_in_the_entry_and_beside_it_are_told_apart_and_those_of_others_left_out() {
    let with = |owner: &str, identity: &str, secret: &str| Declared {
        secret: Some(("github-token-classic", secret.to_owned())),
        ..Declared::approved(owner, identity)
    };
    let mut machine = Machine::new("m", "t");
    let all = [with("ann", "npm:bad", "aa"), with("ann", "npm:other", "bb"), with("ben", "npm:third", "cc")];
    machine.inventory(START, "start", &all);
    let told: Vec<(String, String)> = blast(&load_lines(&machine.lines), "npm:bad")
        .credentials
        .into_iter()
        .map(|one| (one.beside, one.fingerprint))
        .collect();
    let wanted = [("same-entry", "aa"), ("same-user", "bb")];
    assert_eq!(told, wanted.map(|(beside, fingerprint)| (beside.to_owned(), fingerprint.to_owned())));
}

#[test]
fn the_timeline_has_what_was_seen_done_and_asked_in_order() {
    let mut machine = Machine::new("m", "t");
    let bad = Declared { running: true, ..Declared::unknown("ann", "npm:bad") };
    machine.inventory(START, "start", std::slice::from_ref(&bad));
    machine.request(START + 20, START + 10, &bad);
    machine.action(START + DAY, "quarantine", "applied", &bad);
    machine.event(START + DAY + 1, "server-ended", "ann", "bad");
    machine.inventory(START + DAY + 2, "change", &[]);
    let blast = blast(&load_lines(&machine.lines), "npm:bad");
    let told: Vec<&str> = blast.timeline.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(told, ["seen", "request", "quarantine applied", "server-ended", "gone"]);
    assert!(blast.had[0].ran);
    let mut files: Vec<String> = Vec::new();
    blast
        .write_tables(&mut |name| {
            files.push(name.to_owned());
            Ok(std::io::sink())
        })
        .unwrap();
    assert_eq!(files, ["declarations.csv", "credentials.csv", "timeline.csv"]);
}

#[test]
fn where_names_are_hashed_a_name_that_finds_nothing_is_no_answer() {
    let mut machine = Machine::new("m", "t");
    machine.tier = mcpolicy_schema::report::v1::Tier::Outcomes;
    let hashed =
        Declared { identity: "0123456789abcdef".to_owned(), ..Declared::approved("", "npm:@acme/tool") };
    machine.inventory(START, "start", std::slice::from_ref(&hashed));
    let fleet = load_lines(&machine.lines);
    assert_eq!(blast(&fleet, "npm:@acme/tool").nameless_machines, 1);
    let by_fingerprint = blast(&fleet, &hashed.fingerprint());
    assert_eq!((by_fingerprint.machines, by_fingerprint.nameless_machines), (1, 0));
}
