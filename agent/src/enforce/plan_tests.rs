use std::path::Path;

use mcpolicy_clients::adapters::by_id;
use mcpolicy_clients::elsewhere::Declared;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::verdict::{DecidedBy, Judgement, Reason, Verdict};

use super::*;
use crate::assess::assess;
use crate::inventory;
use crate::pipeline::{SourceResult, reading_for};

#[test]
fn a_ceiling_only_ever_lowers_the_mode() {
    assert_eq!(mode_under(None, Mode::Enforce), Mode::Enforce);
    assert_eq!(mode_under(Some(Mode::Observe), Mode::Enforce), Mode::Observe);
    assert_eq!(mode_under(Some(Mode::Enforce), Mode::Warn), Mode::Warn);
    assert_eq!(mode_under(Some(Mode::Hold), Mode::Enforce), Mode::Hold);
}

const PATH: &str = "/home/ann/.kiro/settings/mcp.json";

fn document(settings: &str) -> PolicyDocument {
    let text =
        format!("schema = \"mcpolicy/policy/v1\"\n[policy]\nname = \"n\"\ncontact = \"c\"\n{settings}\n");
    toml::from_str(&text).unwrap()
}

/// A denied entry of a file of Kiro, which has a switch in the entry, as an outcome of its own.
fn denied(reason: FindingCode, pin: Option<&str>, disabled: bool) -> Outcome {
    let reading = reading_for("kiro", Path::new(PATH)).unwrap();
    let source = Source::new(PATH.into(), Some(0), reading);
    let text =
        format!(r#"{{"mcpServers":{{"db":{{"command":"npx","args":["-y","db"],"disabled":{disabled}}}}}}}"#);
    let taken = inventory::take(&source, text.as_bytes());
    let redactor = Redactor::new(&[7; 32]);
    let mut item = assess(taken.entries.into_iter().next().unwrap(), 0, None, &redactor);
    assert_eq!(item.entry.disabled, disabled);
    item.judgement = Some(judgement(reason, pin));
    let result = SourceResult {
        source,
        state: taken.state.as_str(),
        bytes: None,
        digest: None,
        findings: Vec::new(),
        environment: Vec::new(),
    };
    Outcome { sources: vec![result], entries: vec![item], ..Outcome::default() }
}

fn judgement(code: FindingCode, pin: Option<&str>) -> Judgement {
    Judgement {
        verdict: Verdict::Deny,
        decided_by: DecidedBy::Default,
        rule: None,
        reason: Some(Reason { code, detail: "x".to_owned() }),
        trace: Vec::new(),
        pin: pin.map(str::to_owned),
        alternatives: Vec::new(),
        contact: String::new(),
        until: None,
        ticket: None,
    }
}

fn piece() -> Vec<Piece> {
    vec![Piece { range: 0..4, bytes: b"text".to_vec() }]
}

/// The wishes for the only entry, with what is remembered of its place.
fn wishes_for(outcome: &Outcome, settings: &str, remembered: Option<&str>) -> Vec<Wish> {
    let last = |_: &Source, _: &Entry| {
        remembered.map(|print| LastAllowed { fingerprint: print.to_owned(), pieces: piece() })
    };
    let known = Known { last_allowed: &last, ..Known::NOTHING };
    let plan = plan_knowing(outcome, &document(settings), Mode::Enforce, known);
    plan.files.into_iter().flat_map(|file| file.targets).flat_map(|target| target.wishes).collect()
}

#[test]
fn a_changed_entry_is_reverted_and_one_that_never_was_allowed_is_quarantined() {
    let outcome = denied(FindingCode::NotAllowed, None, false);
    let print = outcome.entries[0].fingerprint.clone();
    assert_eq!(wishes_for(&outcome, "", Some("another")), [Wish::Revert(piece()), Wish::Quarantine]);
    assert_eq!(wishes_for(&outcome, "", None), [Wish::Quarantine]);
    // the same thing, which a later policy denies
    assert_eq!(wishes_for(&outcome, "", Some(&print)), [Wish::Quarantine]);
}

#[test]
fn a_pin_comes_before_a_revert_and_only_where_the_policy_pins() {
    let outcome = denied(FindingCode::VersionNotAllowed, Some("1.2.3"), false);
    let pins = "on_version = \"pin\"";
    let expected = [Wish::Pin("1.2.3".to_owned()), Wish::Revert(piece()), Wish::Quarantine];
    assert_eq!(wishes_for(&outcome, pins, Some("another")), expected);
    assert_eq!(wishes_for(&outcome, "", Some("another")), expected[1..]);
}

#[test]
fn what_was_revoked_is_never_only_switched_off() {
    let disables = "prefer_disable = true";
    let wish = |code, disabled| wishes_for(&denied(code, None, disabled), disables, None);
    assert_eq!(wish(FindingCode::NotAllowed, false), [Wish::Disable, Wish::Quarantine]);
    assert_eq!(wish(FindingCode::NotAllowed, true), []);
    assert_eq!(wish(FindingCode::Revoked, false), [Wish::Quarantine]);
    assert_eq!(wish(FindingCode::Revoked, true), [Wish::Quarantine]);
}

#[test]
fn an_entry_of_an_owned_file_is_switched_off_outside_and_then_left() {
    let outcome = denied(FindingCode::NotAllowed, None, false);
    let declared =
        Declared { checkout: Some("/p"), project: Some("/p"), ..Declared::of(&outcome.entries[0].entry) };
    let declared = Declared { scope: Scope::Project, ..declared };
    let switches = by_id("cursor").unwrap().off_switches(&declared);
    assert_eq!(switches.len(), 1);
    let planned = |state: Switches| {
        let state = |_: &Source, _: &Entry| state.clone();
        let known = Known { switches: &state, ..Known::NOTHING };
        plan_knowing(&outcome, &document(""), Mode::Enforce, known)
    };
    let to_set = planned(Switches::ToSet(switches.clone()));
    assert_eq!(to_set.files[0].targets[0].wishes, [Wish::SwitchOff(switches), Wish::Quarantine]);
    let off = planned(Switches::Off);
    assert_eq!((off.files.len(), off.left.len()), (0, 1));
    assert_eq!(planned(Switches::NoUse).files[0].targets[0].wishes, [Wish::Quarantine]);
}

#[test]
fn a_file_that_cannot_be_parsed_goes_as_a_whole_where_the_policy_says_so() {
    let mut outcome = denied(FindingCode::NotAllowed, None, false);
    outcome.entries.clear();
    outcome.sources[0].state = inventory::State::Unparseable.as_str();
    let whole = |settings: &str, mode, seconds| {
        let unchanged = |_: &Source| Duration::from_secs(seconds);
        let known = Known { unchanged: &unchanged, ..Known::NOTHING };
        plan_knowing(&outcome, &document(settings), mode, known).whole
    };
    let takes = "unparseable = \"quarantine-file\"";
    assert_eq!(whole(takes, Mode::Enforce, 10), [0]);
    assert_eq!(whole(takes, Mode::Enforce, 9), Vec::<usize>::new());
    assert_eq!(whole("", Mode::Enforce, 60), Vec::<usize>::new());
    assert_eq!(whole(takes, Mode::Warn, 60), Vec::<usize>::new());
}

#[test]
fn what_lies_outside_of_its_users_home_is_left_once_and_never_tried() {
    let outcome = denied(FindingCode::NotAllowed, None, false);
    let known = Known { is_outside: &|_| true, ..Known::NOTHING };
    let plan = plan_knowing(&outcome, &document(""), Mode::Enforce, known);
    assert_eq!((plan.files, plan.left), (Vec::new(), vec![Left { entry: 0, why: OUTSIDE }]));
    let mut unparseable = outcome;
    unparseable.entries.clear();
    unparseable.sources[0].state = inventory::State::Unparseable.as_str();
    let long = |_: &Source| Duration::from_secs(60);
    let settings = document("unparseable = \"quarantine-file\"");
    let whole = |is_outside: bool| {
        let outside = move |_: &Source| is_outside;
        let known = Known { is_outside: &outside, unchanged: &long, ..Known::NOTHING };
        plan_knowing(&unparseable, &settings, Mode::Enforce, known).whole
    };
    assert_eq!((whole(false), whole(true)), (vec![0], Vec::new()));
}
