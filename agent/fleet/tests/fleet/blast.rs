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
    assert_eq!(told, ["seen", "request", "quarantine applied", "gone", "server-ended"]);
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

/// It was taken out, ran or was asked for before any inventory: none has it, and it was there.
#[test]
fn a_server_that_no_inventory_ever_had_is_found_by_what_was_done_ran_and_was_asked() {
    let bad = Declared::unknown("ann", "npm:bad");
    let told = |write: &dyn Fn(&mut Machine)| {
        let mut machine = Machine::new("m", "t");
        machine.inventory(START, "start", &[]);
        write(&mut machine);
        machine.inventory(START + DAY, "daily", &[]);
        load_lines(&machine.lines)
    };
    let quarantined = told(&|machine| machine.action(START + 9, "quarantine", "applied", &bad));
    let left = told(&|machine| machine.action(START + 9, "quarantine", "failed", &bad));
    let undeclared = told(&|machine| machine.running(START + 9, "undeclared-server", &bad));
    let asked = told(&|machine| machine.request(START + 20, START + 9, &bad));
    for (fleet, by, gone_by, ran, moments) in [
        (quarantined, "action", START + 9, false, vec!["quarantine applied", "seen", "gone"]),
        (left, "action", 0, false, vec!["quarantine failed", "seen"]),
        (undeclared, "event", 0, true, vec!["seen", "undeclared-server"]),
        (asked, "request", 0, false, vec!["request", "seen"]),
    ] {
        for wanted in ["npm:bad", "npm:bad@1.0.0"] {
            let blast = blast(&fleet, wanted);
            assert_eq!((blast.machines, blast.users, blast.had.len()), (1, 1, 1), "{by} {wanted}");
            let had = &blast.had[0];
            assert_eq!((had.told_by.as_str(), had.gone_by, had.ran), (by, gone_by, ran));
            assert_eq!((had.first_seen, had.last_seen, had.server.as_str()), (START + 9, START + 9, "bad"));
            let mut told: Vec<&str> = blast.timeline.iter().map(|one| one.what.as_str()).collect();
            told.sort_unstable();
            let mut moments = moments.clone();
            moments.sort_unstable();
            assert_eq!(told, moments);
        }
        if by != "event" {
            assert_eq!(blast(&fleet, &bad.fingerprint()).machines, 1, "{by}");
        }
        for wanted in ["npm:bad@2.0.0", "npm:other"] {
            assert_eq!(blast(&fleet, wanted).machines, 0, "{by} {wanted}");
        }
        assert_eq!(fleet.blast(Wanted::parse("npm:bad", START + 60, NOW)).unwrap().machines, 0, "{by}");
    }
}

#[test]
fn where_paths_are_hashes_a_place_that_was_not_seen_may_be_any_and_below_a_root_is_everything() {
    use mcpolicy_schema::report::v1::Tier;
    let one = Declared::approved("ann", "npm:@acme/tool");
    for (tier, path) in [
        (Tier::Outcomes, "0123456789abcdef"),
        (Tier::Outcomes, ""),
        (Tier::Full, "/"),
        (Tier::Full, "/home/"),
    ] {
        let mut machine = Machine::new("m", "t");
        machine.tier = tier;
        machine.inventory(START, "start", std::slice::from_ref(&one));
        machine.inventory_without(START + DAY, path);
        let fleet = load_lines(&machine.lines);
        assert_eq!(blast(&fleet, &one.fingerprint()).had[0].gone_by, 0, "{tier:?} {path}");
        let later = fleet.blast(Wanted::parse(&one.fingerprint(), START + DAY + 1, NOW)).unwrap();
        assert_eq!(later.machines, 1, "{tier:?} {path}");
    }
}

/// 4,000 inventories with the server, 4,000 that could not look: each asked for the next one that could.
#[test]
fn thousands_of_inventories_that_could_not_look_are_gone_through_once() {
    let one = Declared::approved("ann", "npm:@acme/tool");
    let mut machine = Machine::new("m", "t");
    for number in 0..4_000 {
        machine.inventory(START + number, "change", std::slice::from_ref(&one));
    }
    for number in 4_000..8_000 {
        machine.inventory_without(START + number, "/home/ann");
    }
    machine.inventory(START + 9_000, "daily", &[]);
    let fleet = load_lines(&machine.lines);
    let began = std::time::Instant::now();
    let blast = fleet.blast(Wanted::parse("npm:@acme/tool", START + 8_500, NOW)).unwrap();
    assert_eq!((blast.machines, blast.had[0].gone_by), (1, START + 9_000));
    // a second and less; looking up each row's next one anew took minutes
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}
