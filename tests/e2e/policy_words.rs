//! What the policy tools say: where it is wrong, what to do, once, and within the terminal.

use mcpolicy_tests::{report_of, run_with};
use serde_json::{Value, json};

use crate::policy_desk::{Desk, ROOT, published, read, text};

const HEAD: &str = "schema = \"mcpolicy/policy/v1\"\n[policy]\nname = \"x\"\ncontact = \"c\"\n";
const RULE: &str = "[[rule]]\nid = \"a\"\nowner = \"o\"\nreview_by = \"2027-06-01\"\n";

fn desk(policy: impl AsRef<[u8]>) -> Desk {
    let desk = Desk { machine: mcpolicy_tests::TestMachine::new(crate::BINARY) };
    desk.machine.file("policy.toml", policy);
    desk
}

fn check(desk: &Desk, more: &[&str]) -> Value {
    report_of(&desk.run(&[&["check", "policy.toml", "--json"], more].concat()))
}

fn members<'v>(answer: &'v Value, member: &str) -> Vec<&'v Value> {
    answer["problems"].as_array().unwrap().iter().map(|problem| &problem[member]).collect()
}

#[test]
fn all_faults_of_a_policy_are_told_at_once_each_with_line_and_help() {
    let desk = desk(format!(
        "{HEAD}mode = \"enforced\"\n{RULE}identity.any = true\n{RULE}identity.npm = {{ package = \"p\" }}\nonwer = 1\n"
    ));
    let answer = check(&desk, &[]);
    assert_eq!(answer["errors"], 3, "{answer}");
    assert_eq!(members(&answer, "line"), [5, 10, 16], "{answer}");
    assert!(members(&answer, "help").iter().all(|help| help.is_string()), "{answer}");
}

#[test]
fn a_wrong_name_of_a_variable_is_shown_at_the_name() {
    let desk =
        desk(format!("{HEAD}{RULE}identity.npm = {{ package = \"p\" }}\nenv = {{ \"A/*\" = \"x\" }}\n"));
    let answer = check(&desk, &[]);
    assert_eq!(members(&answer, "place"), ["/rule/0/env/A~1*"], "{answer}");
    assert_eq!((members(&answer, "line"), members(&answer, "column")), (vec![&json!(10)], vec![&json!(9)]));
}

#[test]
fn a_file_that_is_no_text_or_too_large_is_told_with_what_to_do() {
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(HEAD.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (bytes, words) in [
        ([HEAD.as_bytes(), b"# \xff\n"].concat(), "not UTF-8 from line 5 on; save it as UTF-8"),
        (utf16, "is UTF-16; save it as UTF-8"),
        (vec![b'#'; 9 << 20], "at most 8388608 bytes"),
    ] {
        let refused = desk(bytes).refused(&["check", "policy.toml"]);
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn half_of_a_signed_document_is_told_once_and_with_what_to_do() {
    let desk = published();
    let half = |path: &str| {
        let whole = read(&desk.path(path));
        desk.machine.file(path, &whole[..whole.len() / 2]);
        whole
    };
    let told_once = |said: &str, remedy: &str| {
        assert!(said.contains(remedy) && said.matches("not JSON").count() == 1, "{said}");
    };
    let root = half(ROOT);
    told_once(&desk.refused(&["check", "repo"]), "restore it as it was committed");
    told_once(&desk.refused(&["show", "site", "--trust-root", ROOT]), "in trust/ of the policy repository");
    desk.machine.file(ROOT, root);
    half("repo/signed/policy.1.json");
    told_once(&desk.refused(&["check", "repo"]), "restore it as it was committed, or sign anew");
    half("site/head.json");
    let answer = desk.verify(ROOT, &[]);
    told_once(&answer["documents"][1]["refusal"].to_string(), "publish it again");
}

#[test]
fn a_published_folder_in_the_place_of_a_repository_is_told_and_its_body_compared() {
    let desk = published();
    let diff = |before: &str| desk.machine.run(&["policy", "diff", before, "repo"]);
    let refused = diff("site");
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("published folder") && told.contains("policy.N.body"), "{told}");
    assert!(text(&diff("site/policy.1.body").stdout).contains("no changes"));
}

#[test]
fn versions_between_which_nothing_lies_are_warned_of() {
    let of = |ecosystem: &str, versions: &str| {
        let desk = desk(format!(
            "{HEAD}{RULE}identity.{ecosystem} = {{ package = \"p\", versions = \"{versions}\" }}\n\
             [[deny]]\nid = \"d\"\nreason = \"r\"\nidentity.{ecosystem} = {{ package = \"q\", versions = \"{versions}\" }}\n"
        ));
        let answer = check(&desk, &[]);
        members(&answer, "code").into_iter().map(|code| code.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("npm", ">2.0.0 <1.0.0"), ["never-holds", "never-holds"]);
    assert_eq!(of("pypi", ">2,<1"), ["never-holds", "never-holds"]);
    assert_eq!(of("npm", ">1.0.0 <2.0.0"), ["floating-version"]);
}

#[test]
fn settings_that_nothing_reads_yet_are_told_as_such_and_fail_no_check() {
    let desk = desk(format!(
        "{HEAD}gate = true\nunlisted_tools = \"never\"\n[policy.native.default]\nowner = \"mdm\"\n\
         {RULE}identity.npm = {{ package = \"p\", versions = \"1.0.0\" }}\ntools = {{ read = [\"x\"] }}\nnative_forms = [[\"p\"]]\n"
    ));
    let answer = check(&desk, &["--strict"]);
    assert_eq!((&answer["errors"], &answer["warnings"]), (&json!(0), &json!(0)), "{answer}");
    assert!(members(&answer, "code").iter().all(|code| **code == "not-read-yet"), "{answer}");
    assert_eq!(members(&answer, "weight"), vec!["note"; 2], "{answer}");
    assert_eq!(desk.run(&["check", "policy.toml", "--strict"]).status.code(), Some(0));
    let fresh = Desk::new(&[]);
    assert!(
        !fresh.ok(&["check", "repo"]).contains("not-read-yet"),
        "the template sets nothing but what is usual"
    );
}

#[test]
fn what_ends_in_a_published_folder_is_told_at_its_file() {
    let desk = published();
    let emergency = ["--key", "repo-keys/emergency-1.pem", "--key", "repo-keys/online-1.pem", "--to", "site"];
    desk.ok(&[&["revoke", "--user", "eve", "--reason", "r"], &emergency[..]].concat());
    let ends = |now: &str| {
        let answer = report_of(&desk.run_at(now, &["check", "repo", "--site", "site", "--json"]));
        let ending = answer["problems"].as_array().unwrap().iter().filter(|p| p["code"] == "ends-soon");
        let file = |p: &Value| p["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        ending.map(|p| (file(p), p["message"].as_str().unwrap().to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(ends("2026-11-22T12:00:00Z"), []);
    let soon = ends("2027-05-10T12:00:00Z");
    let files: Vec<&str> = soon.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(files, ["policy.1.json", "head.json", "policy.1.json", "revocations.1.json"], "{soon:?}");
    assert!(
        soon[1].1.contains("ended") && soon[3].1.contains("emergency list 1 ends 2027-05-20"),
        "{soon:?}"
    );
    let alone = Desk::new(&["--solo"]);
    let answer = report_of(&alone.run(&["check", "repo", "--json"]));
    let solo = answer["problems"].as_array().unwrap().iter().find(|p| p["code"] == "solo-root").unwrap();
    assert_eq!(solo["file"], "trust/root.1.json");
    assert!(solo["line"].is_null(), "{solo}");
}

/// What a command says, perhaps on a terminal of 80 columns.
fn shown(desk: &Desk, arguments: &[&str], columns: Option<&str>) -> String {
    let all = [&["policy"], arguments].concat();
    let columns: Vec<(&str, &str)> = columns.map(|columns| ("COLUMNS", columns)).into_iter().collect();
    text(&run_with(std::path::Path::new(crate::BINARY), &desk.machine.home(), &all, &columns).stdout)
}

#[test]
fn check_show_diff_and_simulate_fit_a_terminal_of_80_columns() {
    let desk = desk(format!(
        "{HEAD}processes = \"stop\"\n{RULE}identity.npm = {{ package = \"@example/a-server-with-quite-a-long-name\", versions = \"*\" }}\n\
         args.optional = [\"--directory {{home}}/**\", \"--read-only\"]\nenv = {{ A_TOKEN_OF_THE_SERVICE = \"*\", ANOTHER = \"*\" }}\n\
         clients = [\"claude-code\", \"cursor\", \"vscode\"]\n"
    ));
    desk.machine.file("open.toml", format!("{HEAD}mode = \"observe\"\ndefault = \"allow\"\n"));
    let servers = json!({
        "a": {"command": "npx", "args": ["-y", "@example/a-server-with-quite-a-long-name@1.0.0", "--unknown"]},
        "b": {"command": "npx", "args": ["-y", "@another-example/server-that-nobody-has-ever-approved@1.0.0"]}
    });
    desk.machine.file(".cursor/mcp.json", json!({ "mcpServers": servers }).to_string());
    desk.machine.file("reports/one.json", desk.machine.scan(&[]).to_string());
    for (arguments, words) in [
        (&["check", "policy.toml"][..], "floating-version"),
        (&["show", "policy.toml"], "A_TOKEN_OF_THE_SERVICE"),
        (&["diff", "policy.toml", "open.toml"], "LOOSENS"),
        (&["simulate", "reports", "--policy", "policy.toml"], "1 machine, 1 user, 2 entries"),
        (&["simulate", "reports", "--policy", "open.toml"], "mode observe on 1 machine"),
    ] {
        let narrow = shown(&desk, arguments, Some("80"));
        assert!(narrow.contains(words), "{arguments:?}: {narrow}");
        let wide: Vec<&str> = narrow.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{arguments:?}: {wide:#?}");
        if arguments[0] == "diff" {
            let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let piped = shown(&desk, arguments, None);
            assert!(piped.lines().any(|line| line.chars().count() > 80), "a pipe gets whole lines: {piped}");
            assert_eq!(one_line(&narrow), one_line(&piped), "nothing is cut away");
        }
    }
}

#[test]
fn a_share_beyond_a_hundred_is_told_with_the_numbers_that_fit() {
    for percent in [500, -1] {
        let desk = desk(format!("{HEAD}[[ring]]\nname = \"r\"\npercent = {percent}\n"));
        let answer = check(&desk, &[]);
        assert_eq!(
            members(&answer, "message"),
            ["`percent` must be a whole number from 0 to 100"],
            "{answer}"
        );
    }
}

#[test]
fn an_order_ends_with_what_machines_really_do() {
    let desk = published();
    let keys = ["--key", "repo-keys/emergency-1.pem", "--key", "repo-keys/online-1.pem", "--to", "site"];
    let order = |more: &[&str]| desk.ok(&[&["revoke"], more, &keys[..]].concat());
    let said = order(&["no-such-rule", "--reason", "r"]);
    assert!(said.contains("denies nothing at present") && said.contains("--lift revocation-1"), "{said}");
    assert!(!said.contains("machines deny"), "{said}");
    assert!(order(&["--lift", "revocation-1"]).contains("machines take it up at their next poll"));
    assert!(order(&["--user", "eve", "--reason", "r"]).contains("machines deny at their next poll"));
    let refused =
        desk.refused(&[&["revoke", "--identity", "oci:a/b@sha256:zz", "--reason", "r"], &keys[..]].concat());
    assert!(refused.contains("--identity") && refused.contains("what stands behind @"), "{refused}");
    assert!(refused.contains("`sha256:` and 64 hex digits"), "{refused}");
}

#[test]
fn a_denial_of_a_bridge_that_is_none_is_warned_of() {
    let codes = |package: &str| {
        let desk = desk(format!(
            "{HEAD}[[deny]]\nid = \"d\"\nreason = \"r\"\nidentity.bridge = {{ ecosystem = \"npm\", package = \"{package}\", versions = \"*\" }}\n"
        ));
        members(&check(&desk, &[]), "code").len()
    };
    assert_eq!((codes("zzz"), codes("mcp-remote")), (1, 0));
}

#[test]
fn no_lock_file_stays_in_the_folder_that_a_web_server_shows() {
    let desk = published();
    desk.ok(&["publish", "repo", "--refresh", "--to", "site", "--key", "repo-keys/online-1.pem"]);
    for folder in ["site", "repo", "repo/signed", "repo/trust"] {
        assert!(!desk.path(folder).join(".mcpolicy-lock").exists(), "{folder}");
    }
}
