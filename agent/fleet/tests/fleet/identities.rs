//! Whoever revokes a server and asks who had it is told of all that the list denies, however it is written.

use mcpolicy_fleet::{Blast, Wanted};

use crate::maker::fleet::NOW;
use crate::maker::machine::{Declared, Machine, START};
use crate::support::load_lines;

/// What is found of one server on one machine.
fn found(wanted: &str, identity: &str) -> (u64, u64) {
    found_as(wanted, &Declared { version: None, ..Declared::unknown("ann", identity) })
}

fn found_as(wanted: &str, declared: &Declared) -> (u64, u64) {
    let mut machine = Machine::new("m", "t");
    machine.inventory(START, "start", std::slice::from_ref(declared));
    let blast = ask(&machine, wanted);
    (blast.machines, blast.unsure_machines)
}

fn ask(machine: &Machine, wanted: &str) -> Blast {
    load_lines(&machine.lines).blast(Wanted::parse(wanted, START, NOW)).unwrap()
}

#[test]
fn a_capital_letter_a_port_a_query_or_another_scheme_hides_no_address() {
    let wanted = "https://evil.example.com/mcp";
    for name in [
        "url:https://EVIL.example.com/mcp",
        "url:https://evil.example.com:443/mcp",
        "url:https://evil.example.com/mcp?x=<secret:url-query:00>",
        "url:http://evil.example.com/mcp/",
    ] {
        assert_eq!(found(wanted, name), (1, 0), "{name}");
        assert_eq!(found(name, name), (1, 0), "{name} by itself");
    }
    assert_eq!(found(wanted, "url:https://evil.example.com/other"), (0, 0));
}

#[test]
fn a_bridge_is_found_by_what_it_leads_to_however_much_stands_before() {
    let many = "--header=https://good.example.com ".repeat(500);
    for argument in
        ["https://Evil.example.com:443/mcp".to_owned(), format!("{many}https://evil.example.com/mcp")]
    {
        let bridge = Declared { argument: Some(argument), ..Declared::unknown("ann", "bridge:mcp-remote") };
        assert_eq!(found_as("https://evil.example.com/mcp", &bridge), (1, 0));
        assert_eq!(found_as("https://evil.example.com/mc", &bridge), (0, 0));
        assert_eq!(found_as("npm:mcp-remote", &bridge), (1, 0), "a bridge is its package as well");
    }
}

#[test]
fn a_package_image_or_repository_is_found_under_each_name_that_the_list_denies() {
    for (wanted, identity) in [
        ("pypi:Foo_Bar", "pypi:foo-bar"),
        ("Foo_Bar", "pypi:foo-bar"),
        ("oci:evilcorp/server", "oci:docker.io/evilcorp/server"),
        ("evilcorp/server", "oci:docker.io/evilcorp/server"),
        ("git:https://github.com/Evil/Repo", "git:https://github.com/Evil/Repo.git"),
        ("https://github.com/evil/repo", "git:https://github.com/Evil/Repo.git"),
        ("executable:/opt/evil", "executable:/opt/evil"),
        ("cargo:evil", "cargo:evil"),
        ("opaque:sh -c", "opaque:sh -c"),
    ] {
        assert_eq!(found(wanted, identity), (1, 0), "{wanted}");
    }
    assert_eq!(found("npm:evil", "pypi:evil"), (0, 0));
}

#[test]
fn a_version_that_nobody_knows_is_told_apart_and_is_no_all_clear() {
    let of = |version: Option<&str>| {
        let version = version.map(str::to_owned);
        found_as("npm:evil@1.0.0", &Declared { version, ..Declared::unknown("ann", "npm:evil") })
    };
    assert_eq!(of(Some("1.0.0")), (1, 0));
    assert_eq!(of(Some("2.0.0")), (0, 0));
    for version in [None, Some("latest"), Some("^1.0.0"), Some(">=1")] {
        assert_eq!(of(version), (0, 1), "{version:?}");
    }
    let mut machine = Machine::new("m", "t");
    let floating = Declared { version: None, ..Declared::unknown("ann", "npm:evil") };
    machine.action(START + 9, "quarantine", "applied", &floating);
    let blast = ask(&machine, "npm:evil@1.0.0");
    assert_eq!((blast.machines, blast.unsure_machines, blast.had[0].is_certain), (0, 1, false));
    assert!(ask(&machine, "npm:evil").had[0].is_certain, "no version is asked for");
}

/// Actions, events and requests have no digests, and say nothing of what a bridge leads to.
#[test]
fn a_digest_or_an_address_that_only_actions_could_tell_of_is_no_all_clear() {
    let mut machine = Machine::new("m", "t");
    machine.action(START + 9, "quarantine", "applied", &Declared::unknown("ann", "executable:/tmp/evil"));
    let digest = "c".repeat(64);
    assert_eq!(ask(&machine, &digest).silent_machines, 1);
    assert_eq!(ask(&machine, "https://evil.example.com").silent_machines, 0);
    assert_eq!(ask(&machine, "npm:other").silent_machines, 0);
    machine.action(START + 9, "quarantine", "applied", &Declared::unknown("ann", "bridge:mcp-remote"));
    assert_eq!(ask(&machine, "https://evil.example.com").silent_machines, 1);
    let mut known = Machine::new("known", "t");
    known.inventory(START, "start", &[Declared::unknown("ann", "executable:/tmp/evil")]);
    known.action(START + 9, "quarantine", "applied", &Declared::unknown("ann", "executable:/tmp/evil"));
    assert_eq!(ask(&known, &digest).silent_machines, 0, "an inventory had it, with its digest");
}
