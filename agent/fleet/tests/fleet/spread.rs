//! In which files, from when to when, and beside what.

use mcpolicy_fleet::{Blast, Wanted};
use mcpolicy_schema::report::v1::Tier;

use crate::maker::fleet::NOW;
use crate::maker::machine::{DAY, Declared, Machine, START, report};
use crate::support::{load_bytes, load_lines};

fn ask(machine: &Machine) -> Blast {
    load_lines(&machine.lines).blast(Wanted::parse("npm:bad", START, NOW)).unwrap()
}

fn bad() -> Declared {
    Declared::unknown("ann", "npm:bad")
}

fn with_secret(owner: &str, secret: &str) -> Declared {
    let identity = format!("npm:of-{secret}");
    Declared {
        secret: Some(("github-token-classic", secret.to_owned())),
        ..Declared::approved(owner, &identity)
    }
}

/// Kind, fingerprint and how it stood there, of each credential.
fn credentials(blast: &Blast) -> Vec<(&str, &str)> {
    let mut all: Vec<(&str, &str)> = blast
        .credentials
        .iter()
        .map(|one| (one.beside.as_str(), if one.kind == "not-told" { "not-told" } else { &one.fingerprint }))
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn a_server_in_the_files_of_three_projects_is_three_lines_each_with_its_end() {
    let of = |project: usize| Declared { path: Some(format!("/home/ann/p{project}/.mcp.json")), ..bad() };
    let mut machine = Machine::new("m", "t");
    machine.inventory(START, "start", &[of(0), of(1), of(2)]);
    machine.inventory(START + DAY, "change", &[of(2)]);
    let blast = ask(&machine);
    let told: Vec<(&str, i64)> = blast.had.iter().map(|had| (had.path.as_str(), had.gone_by)).collect();
    let wanted = [
        ("/home/ann/p0/.mcp.json", START + DAY),
        ("/home/ann/p1/.mcp.json", START + DAY),
        ("/home/ann/p2/.mcp.json", 0),
    ];
    assert_eq!(told, wanted);
    assert_eq!(blast.timeline.iter().filter(|one| one.what == "gone").count(), 2);
}

#[test]
fn what_was_taken_out_is_gone_at_once_and_not_at_the_next_inventory() {
    let mut machine = Machine::new("m", "t");
    machine.inventory(START, "start", &[bad()]);
    machine.action(START + 60, "quarantine", "failed", &bad());
    assert_eq!(ask(&machine).had[0].gone_by, 0, "it was only tried");
    machine.action(START + 90, "quarantine", "applied", &bad());
    let blast = ask(&machine);
    let had = &blast.had[0];
    assert_eq!(
        (blast.had.len(), had.first_seen, had.gone_by, had.told_by.as_str()),
        (1, START, START + 90, "inventory")
    );
    let later = load_lines(&machine.lines).blast(Wanted::parse("npm:bad", START + 91, NOW)).unwrap();
    assert_eq!(later.machines, 0, "it was gone by then");
}

#[test]
fn what_was_gone_and_came_back_was_there_twice() {
    let mut seen = Machine::new("m", "t");
    seen.inventory(START, "start", &[bad()]);
    seen.inventory(START + DAY, "change", &[]);
    seen.inventory(START + 2 * DAY, "change", &[bad()]);
    let mut taken = Machine::new("m", "t");
    taken.inventory(START, "start", &[bad()]);
    taken.action(START + DAY, "quarantine", "applied", &bad());
    taken.inventory(START + 2 * DAY, "change", &[bad()]);
    for machine in [seen, taken] {
        let blast = ask(&machine);
        let told: Vec<(i64, i64)> = blast.had.iter().map(|had| (had.first_seen, had.gone_by)).collect();
        assert_eq!(told, [(START, START + DAY), (START + 2 * DAY, 0)]);
        let what: Vec<&str> = blast.timeline.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(what.iter().filter(|what| **what == "seen").count(), 2, "{what:?}");
    }
}

/// The case for which credentials are asked at all: taken out before any inventory, or running without a declaration.
#[test]
fn credentials_beside_what_no_inventory_had_are_told_and_its_own_as_not_known() {
    for is_action in [true, false] {
        let mut machine = Machine::new("m", "t");
        machine.inventory(START, "start", &[with_secret("ann", "aa"), with_secret("ben", "cc")]);
        if is_action {
            machine.action(START + 60, "quarantine", "applied", &bad());
        } else {
            machine.running(START + 60, "undeclared-server", &bad());
        }
        machine.inventory(START + DAY, "daily", &[with_secret("ann", "bb"), with_secret("ben", "cc")]);
        machine.inventory(START + 2 * DAY, "daily", &[with_secret("ann", "dd")]);
        let blast = ask(&machine);
        let wanted = [("same-entry", "not-told"), ("same-user", "aa"), ("same-user", "bb")];
        assert_eq!(credentials(&blast), wanted, "{is_action}");
    }
}

#[test]
fn a_server_that_is_everybodys_reads_what_everybody_has() {
    let mut machine = Machine::new("m", "t");
    let managed = Declared { owner: String::new(), ..bad() };
    machine.inventory(START, "start", &[managed, with_secret("ann", "aa"), with_secret("ben", "bb")]);
    let blast = ask(&machine);
    assert_eq!((blast.machines, blast.users, blast.everybodys_machines), (1, 0, 1));
    assert_eq!(credentials(&blast), [("same-user", "aa"), ("same-user", "bb")]);
}

/// Attack: whoever plants the entry chooses what stands before the credential that is not to be changed.
#[test]
fn a_credential_behind_thousands_of_values_is_told() {
    let mut scan = report("m", START, "machine", &[bad()]);
    let value = |name: String| mcpolicy_schema::report::v1::RedactedValue {
        r#in: "env".to_owned(),
        name,
        kind: "plain".to_owned(),
        fingerprint: Some("00".to_owned()),
        references: None,
    };
    let names = (0..5_000).map(|number| format!("A{number:05}")).chain(["GITHUB_TOKEN".to_owned()]);
    scan.entries[0].values = names.map(value).collect();
    let fleet = load_bytes(serde_json::to_vec(&scan).unwrap());
    let blast = fleet.blast(Wanted::parse("npm:bad", START, NOW)).unwrap();
    assert_eq!(blast.credentials.len(), 5_001);
    assert!(blast.credentials.iter().any(|one| one.name == "GITHUB_TOKEN"));
}

#[test]
fn a_machine_whose_tier_was_changed_is_told_as_one_whose_users_may_count_twice() {
    let mut machine = Machine::new("m", "t");
    machine.inventory(START, "start", &[bad()]);
    machine.tier = Tier::Pseudonymous;
    machine.inventory(START + DAY, "daily", &[Declared { owner: "0123456789abcdef".to_owned(), ..bad() }]);
    let blast = ask(&machine);
    assert_eq!((blast.users, blast.renamed_machines), (2, 1));
}

/// An audit as the user, then the agent for the whole machine: what the audit saw is the past.
#[test]
fn a_scan_of_one_home_is_replaced_by_a_later_one_of_the_whole_machine() {
    let all = |first: &str, second: &str| {
        let one = report("m", START, first, &[bad()]);
        let two = report("m", START + DAY, second, &[]);
        let lines = [one, two].map(|report| serde_json::to_string(&report).unwrap()).join("\n");
        let fleet = load_bytes(lines.into_bytes());
        let servers = crate::support::every_row(&fleet, "unknown-servers", NOW).rows;
        (fleet.blast(Wanted::parse("npm:bad", START, NOW)).unwrap().had[0].gone_by, servers)
    };
    assert_eq!(all("own-home", "machine"), (START + DAY, 0));
    assert_eq!(all("home", "machine"), (START + DAY, 0));
    assert_eq!(all("project", "machine"), (0, 1), "it need not lie where a machine is looked through");
    assert_eq!(all("machine", "own-home"), (0, 1), "who looks into one home sees no other");
}
