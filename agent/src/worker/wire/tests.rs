//! What goes over the pipe comes out as it went in, and nothing that cannot be comes out at all.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mcpolicy_clients::adapters;
use mcpolicy_clients::edit::{Change, Place};
use mcpolicy_schema::redact::Redactor;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::assess::assess;
use crate::discover::variables::Values;
use crate::enforce::owned::Owner;
use crate::inventory;
use crate::pipeline::SourceResult;
use crate::worker::aside::{Around, Aside, Declaration, Keeping, KeptFile, Settling};
use crate::worker::{Answer, Draft, FileRights, Held, Opened, Request, Scanned};

const TEXT: &str = r#"{"mcpServers":{"a":{"command":"npx","args":["-y","x@1"],"env":{"TOKEN":"hunter2hunter2"}},
    "b":"no object","c":{"url":"https://c.example/mcp","headers":{"Authorization":"Bearer hunter2"}}}}"#;

fn homes() -> Vec<PathBuf> {
    vec!["/home/ann".into(), "/home/bob".into(), "/home/ann/inner".into()]
}

fn source(path: &str) -> Source {
    let adapter = adapters::by_id("cursor").unwrap();
    let location = adapter.about().locations.iter().find(|l| l.path == "~/.cursor/mcp.json").unwrap();
    let mut source = Source::new(path.into(), Some(0), Reading { adapter, location });
    let other = adapters::by_id("vscode").unwrap();
    let shared = other.about().locations.iter().find(|l| l.path == "~/.cursor/mcp.json").unwrap();
    source.join(&[Reading { adapter: other, location: shared }]);
    source
}

fn redactor() -> Redactor {
    Redactor::new(&[7; 32])
}

fn scanned(path: &str) -> Answer {
    let source = source(path);
    let taken = inventory::take(&source, TEXT.as_bytes());
    let entries = taken.entries.into_iter().map(|entry| assess(entry, 0, None, &redactor())).collect();
    let sources = vec![SourceResult {
        source,
        state: "read",
        bytes: Some(3),
        digest: None,
        findings: taken.findings,
        environment: taken.environment,
    }];
    Answer::Scanned(Box::new(Scanned { sources, entries, ..Scanned::default() }))
}

fn decode(bytes: &[u8]) -> Result<Answer, Failure> {
    let (homes, redactor) = (homes(), redactor());
    match decode_answer(bytes, &Claims { home: 0, homes: &homes, redactor: &redactor })? {
        Said::Answer(answer) => Ok(answer),
        Said::Ready | Said::GoingOn(_) | Said::Reading(_) => panic!("it is an answer"),
    }
}

fn nonsense(bytes: &[u8]) -> bool {
    matches!(decode(bytes), Err(Failure::Nonsense(_)))
}

/// The answer with a value in it changed.
fn changed(answer: &Answer, pointer: &str, value: Value) -> Vec<u8> {
    let mut wired: Value = serde_json::from_slice(&encode_answer(answer)).unwrap();
    *wired.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")) = value;
    serde_json::to_vec(&wired).unwrap()
}

#[test]
fn a_scan_comes_out_as_it_went_in() {
    let Ok(Answer::Scanned(found)) = decode(&encode_answer(&scanned("/home/ann/.cursor/mcp.json"))) else {
        panic!("a scan");
    };
    let Answer::Scanned(told) = scanned("/home/ann/.cursor/mcp.json") else { panic!("a scan") };
    assert_eq!(found.entries.len(), 3);
    for (one, other) in found.entries.iter().zip(&told.entries) {
        assert_eq!(one.fingerprint, other.fingerprint);
        let all = |item: &crate::assess::Assessed| {
            let entry = &item.entry;
            let env: Vec<_> = entry.env.iter().map(|v| (v.name.clone(), v.value.clone())).collect();
            (entry.name.clone(), entry.span.clone(), entry.malformed, entry.readers.clone(), env)
        };
        assert_eq!(all(one), all(other));
    }
    assert_eq!(found.sources[0].source.path, told.sources[0].source.path);
    let readers = |result: &SourceResult| {
        let readings = result.source.readings.iter();
        readings.map(|r| (r.adapter.about().id, r.location.path)).collect::<Vec<_>>()
    };
    assert_eq!(readers(&found.sources[0]), readers(&told.sources[0]));
    assert_eq!(readers(&found.sources[0]).len(), 2);
}

#[test]
fn every_location_of_every_client_keeps_its_place() {
    for adapter in adapters::ALL {
        for location in adapter.about().locations {
            let source =
                Source::new("/home/ann/x.json".into(), Some(0), Reading { adapter: *adapter, location });
            let back = WireSource::of(&source).source(Some(0)).unwrap();
            assert!(is_same(back.owner().location, location), "{} {}", adapter.about().id, location.path);
        }
    }
}

#[test]
fn one_home_can_say_nothing_of_another() {
    for path in ["/home/bob/.cursor/mcp.json", "/home/ann/inner/.cursor/mcp.json", "/home/ann/../bob/x", "x"]
    {
        assert!(nonsense(&encode_answer(&scanned(path))), "{path}");
    }
    // a project outside of all homes is where its user works
    assert!(decode(&encode_answer(&scanned("/srv/project/.mcp.json"))).is_ok());
    let opened_with = |path: &str, mode| {
        let held = Held { state: "read", entries: Vec::new(), findings: Vec::new(), rest: 0 };
        Answer::Opened(Box::new(Opened {
            path: path.into(),
            bytes: Vec::new(),
            held,
            existed: true,
            names: 2,
            rights: Some(FileRights { mode, group: 7100 }),
            stamp: None,
        }))
    };
    let opened = |path| opened_with(path, 0o664);
    assert!(nonsense(&encode_answer(&opened_with(".cursor/mcp.json", 0o2664))), "a bit that gives rights");
    assert!(decode(&encode_answer(&opened(".cursor/mcp.json"))).is_ok());
    for path in ["../bob/.cursor/mcp.json", "/home/bob/.cursor/mcp.json", "a/../../b"] {
        assert!(nonsense(&encode_answer(&opened(path))), "{path}");
    }
}

#[test]
fn what_is_not_in_our_lists_is_nonsense() {
    let scan = scanned("/home/ann/.cursor/mcp.json");
    for (pointer, value) in [
        ("/scanned/entries/0/0", json!(1)),
        ("/scanned/entries/0/1/client", json!("a-client-of-mine")),
        ("/scanned/entries/0/1/scope", json!("managed")),
        ("/scanned/entries/0/1/span", json!([5, 4])),
        ("/scanned/entries/0/1/span", json!([5, u64::MAX / 2])),
        ("/scanned/entries/1/1/malformed", json!("text of mine")),
        ("/scanned/entries/0/1/readers", json!([["cursor", "a setting of mine"]])),
        ("/scanned/sources/0/source/readings/0/0", json!("a-client-of-mine")),
        ("/scanned/sources/0/source/readings/0/1", json!(9999)),
        ("/scanned/sources/0/source/readings", json!([])),
        ("/scanned/sources/0/state", json!("fine")),
        ("/scanned/gaps", json!([{"kind": "mine", "reason": "", "path": null, "count": 1, "partial": true}])),
        (
            "/scanned/findings",
            json!([["/x", {"code": "mine", "severity": "low", "message": "", "position": [1, 1]}]]),
        ),
    ] {
        assert!(nonsense(&changed(&scan, pointer, value.clone())), "{pointer} {value}");
    }
    assert!(nonsense(br#"{"digest":{"sha256":"../../etc/passwd","length":1}}"#));
    assert!(nonsense(br#"{"opened":{}}"#));
    assert!(nonsense(b"\xff\xfe"));
}

#[test]
fn text_of_a_worker_is_redacted_and_cut() {
    let token = format!("ghp_{}", "a1B2c3D4e5".repeat(4));
    let Ok(Answer::Refused(why)) =
        decode(&encode_answer(&Answer::Refused(format!("{token} {}", "x".repeat(9000)))))
    else {
        panic!("a refusal");
    };
    assert!(!why.contains(&token) && why.len() < 2000, "{why}");
}

#[test]
fn requests_come_out_as_they_went_in() {
    let at = || Place { key_path: "/mcpServers/a".to_owned(), span: 3..9 };
    let changes = vec![
        Change::Remove(at()),
        Change::SetText { at: at(), pointer: "/args/0".to_owned(), text: "x".to_owned() },
        Change::SetFlag { at: at(), pointer: "/disabled".to_owned(), value: true },
        Change::Insert {
            table: "/mcpServers".to_owned(),
            name: "a".to_owned(),
            pieces: vec![Piece { range: 1..3, bytes: vec![0xff, 0] }],
        },
    ];
    let frame = encode_request(Request::Apply(changes));
    let Ok(Request::Apply(back)) = decode_request(&frame) else { panic!("changes") };
    assert!(matches!(&back[0], Change::Remove(place) if *place == at()));
    assert!(matches!(&back[3], Change::Insert { pieces, .. } if pieces[0].bytes == [0xff, 0]));
    assert_eq!(encode_request(Request::Apply(back)), frame);
    assert!(decode_request(br#"{"commit":"../../etc/passwd"}"#).is_err());
}

#[test]
fn what_is_said_of_a_failure_holds_nothing_of_the_frame() {
    let failure = decode(br#"{"refused": 7, "hunter2hunter2": 1}"#).err().map(|failure| failure.to_string());
    assert!(failure.is_some_and(|text| !text.contains("hunter2")));
}

fn draft() -> Vec<u8> {
    let held = Held { state: "read", entries: Vec::new(), findings: Vec::new(), rest: 0 };
    encode_answer(&Answer::Drafted(Box::new(Draft { bytes: b"x".to_vec(), removed: Vec::new(), held })))
}

proptest! {
    #[test]
    fn no_bytes_bring_the_parent_down(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode_answer(&bytes, &Claims { home: 0, homes: &homes(), redactor: &redactor() });
    }

    #[test]
    fn no_damage_to_an_honest_answer_brings_the_parent_down(
        at in any::<prop::sample::Index>(),
        with in proptest::collection::vec(any::<u8>(), 0..12),
        which in 0..2usize,
    ) {
        let mut frame = if which == 0 { encode_answer(&scanned("/home/ann/.cursor/mcp.json")) } else { draft() };
        let at = at.index(frame.len());
        let end = (at + with.len() / 2).min(frame.len());
        frame.splice(at..end, with);
        let _ = decode_answer(&frame, &Claims { home: 9, homes: &homes(), redactor: &redactor() });
    }
}

fn aside() -> Aside {
    let declared = Declaration {
        name: "evil".to_owned(),
        scope: mcpolicy_schema::entry::Scope::Project,
        key_path: "/mcpServers/evil".to_owned(),
        project: Some("/home/ann/p".to_owned()),
        checkout: Some("/home/ann/p".to_owned()),
        repository: None,
    };
    let others = vec![Declaration { name: "Evil".to_owned(), project: None, ..declared.clone() }];
    let template = "$CURSOR_DATA_DIR/projects/x/mcp-disabled.json".to_owned();
    Aside { client: "cursor", keeping: Keeping::Switch, template, declared: vec![declared], others }
}

#[test]
fn what_clients_keep_elsewhere_comes_out_as_it_went_in() {
    let Ok(Request::Kept(back)) = decode_request(&encode_request(Request::Kept(aside()))) else {
        panic!("kept")
    };
    assert_eq!(back, aside());
    let path = PathBuf::from("/home/ann/x.json");
    let request = encode_request(Request::OpenKept { aside: aside(), path: path.clone() });
    let Ok(Request::OpenKept { aside: back, path: named }) = decode_request(&request) else {
        panic!("to open")
    };
    assert_eq!((back, named), (aside(), path.clone()));
    for settling in [Settling::Set, Settling::TakeBack] {
        let Ok(Request::Settle(back)) = decode_request(&encode_request(Request::Settle(settling))) else {
            panic!("to settle")
        };
        assert_eq!(back, settling);
    }
    let files = vec![KeptFile { path, there: true, free: false, settled: true }];
    let Ok(Answer::Kept(back)) = decode(&encode_answer(&Answer::Kept(files.clone()))) else { panic!("kept") };
    assert_eq!(back, files);
}

#[test]
fn what_stands_around_a_file_is_held_against_what_can_be() {
    let around = Around {
        real: "/home/ann/p/.mcp.json".into(),
        owner: Some(Owner::Sync { root: "/home/ann/p".into(), service: "Dropbox" }),
        project: Some("/home/ann/p".into()),
        checkout: Some("/home/ann/p".into()),
        repository: Some("/srv/main".into()),
        unchanged: std::time::Duration::from_secs(11),
        clients: vec!["cursor", "claude-code"],
    };
    let answer = Answer::Around(Box::new(around.clone()));
    let Ok(Answer::Around(back)) = decode(&encode_answer(&answer)) else { panic!("around") };
    assert_eq!(*back, around);
    for (pointer, value) in [
        ("/around/owner/1", json!("Dropbox of mine\u{1b}[2J")),
        ("/around/owner/0", json!("/home/bob")),
        ("/around/real", json!("relative")),
        ("/around/checkout", json!("/home/ann/../bob")),
        ("/around/clients/0", json!("another")),
    ] {
        assert!(nonsense(&changed(&answer, pointer, value)), "{pointer}");
    }
}

#[test]
fn the_texts_of_entries_go_with_a_scan() {
    let Answer::Scanned(mut told) = scanned("/home/ann/.cursor/mcp.json") else { panic!("a scan") };
    told.entries[0].text = vec![Piece { range: 17..20, bytes: b"abc".to_vec() }];
    let answer = Answer::Scanned(told);
    let Ok(Answer::Scanned(back)) = decode(&encode_answer(&answer)) else { panic!("a scan") };
    assert_eq!(back.entries[0].text, [Piece { range: 17..20, bytes: b"abc".to_vec() }]);
    assert!(back.entries[1].text.is_empty());
    assert!(nonsense(&changed(&answer, "/scanned/entries/0/2/0/start", json!(30))));
}

#[test]
fn what_a_walk_told_of_variables_goes_to_the_next_worker_and_only_of_those_that_clients_have() {
    let Answer::Scanned(mut told) = scanned("/home/ann/.cursor/mcp.json") else { panic!("a scan") };
    told.moved = Values::from([("CODEX_HOME".to_owned(), BTreeSet::from([PathBuf::from("/home/ann/x")]))]);
    let (moved, answer) = (told.moved.clone(), Answer::Scanned(told));
    let Ok(Answer::Scanned(back)) = decode(&encode_answer(&answer)) else { panic!("a scan") };
    assert_eq!(back.moved, moved);
    assert!(nonsense(&changed(&answer, "/scanned/moved", json!({"PATH": ["/home/ann/x"]}))));
    assert!(nonsense(&changed(&answer, "/scanned/moved", json!({"CODEX_HOME": ["x/../y"]}))));
}
