//! What goes wrong when several people, tired people and thieves use the policy tools: nothing is lost in silence.

use mcpolicy_tests::report_of;

use crate::policy_desk::{Desk, ROOT, head_of, published, read, text};

const EMERGENCY: [&str; 6] =
    ["--key", "repo-keys/emergency-1.pem", "--key", "repo-keys/online-1.pem", "--to", "site"];

fn revoke<'a>(what: &[&'a str]) -> Vec<&'a str> {
    [&["revoke"][..], what, &EMERGENCY].concat()
}

#[test]
fn emergencies_at_the_same_time_all_end_in_the_list() {
    let desk = published();
    for round in 0..3 {
        std::thread::scope(|scope| {
            let run = |n: usize| {
                let desk = &desk;
                scope.spawn(move || {
                    let identity = format!("npm:stolen-{round}-{n}");
                    let output = desk.run(&revoke(&["--identity", &identity, "--reason", "stolen"]));
                    (output.status.code(), text(&output.stderr))
                })
            };
            let all: Vec<_> = (0..4).map(run).collect();
            for one in all {
                let (code, said) = one.join().unwrap();
                assert_eq!(code, Some(0), "{said}");
            }
        });
        let answer = desk.verify(ROOT, &[]);
        assert_eq!(answer["verified"], true, "{answer}");
        assert_eq!(answer["revocations"], 4 * (round + 1));
    }
    let shown = desk.ok(&["show", "site", "--trust-root", ROOT]);
    for (round, n) in (0..3).flat_map(|round| (0..4).map(move |n| (round, n))) {
        assert!(shown.contains(&format!("npm stolen-{round}-{n} ")), "{shown}");
    }
}

#[test]
fn a_renewed_head_beside_an_emergency_loses_neither() {
    let desk = published();
    std::thread::scope(|scope| {
        let run = |arguments: Vec<&'static str>| {
            let desk = &desk;
            scope.spawn(move || desk.run(&arguments).status.code())
        };
        let refresh = vec!["publish", "repo", "--refresh", "--to", "site", "--key", "repo-keys/online-1.pem"];
        let all = [
            run(revoke(&["docs", "--reason", "r"])),
            run(refresh),
            run(revoke(&["--user", "eve", "--reason", "r"])),
        ];
        for one in all {
            assert_eq!(one.join().unwrap(), Some(0));
        }
    });
    let answer = desk.verify(ROOT, &[]);
    assert_eq!((&answer["verified"], &answer["revocations"]), (&true.into(), &2.into()), "{answer}");
}

#[test]
fn an_emergency_that_could_deny_nothing_is_refused() {
    let desk = published();
    for (what, words) in [
        (&["--fingerprint", "zz"][..], "copy it whole"),
        (&["--sha256", "abc"], "64 hex digits"),
        (&["--identity", "executable:rel/x"], "absolute path"),
        (&["--identity", "oci:ghcr.io/a/b@sha256:zz"], "64 hex digits"),
        (&["--identity", "npm:@a/*"], "wildcards"),
        (&["--user", " "], "name one"),
    ] {
        let refused = desk.refused(&revoke(&[what, &["--reason", "r"]].concat()));
        assert!(refused.contains(words), "{what:?}: {refused}");
    }
    assert!(desk.refused(&revoke(&["docs", "--reason", " "])).contains("--reason says nothing"));
    assert_eq!(desk.verify(ROOT, &[])["revocations"], serde_json::Value::Null);
    let said = desk.ok(&revoke(&["no-such-rule", "--reason", "r"]));
    assert!(said.contains("has no rule or exception no-such-rule"), "{said}");
    let said = desk.ok(&revoke(&["grant-0011223344556677", "--reason", "r"]));
    assert!(!said.contains("has no rule"), "{said}");
}

#[test]
fn a_digest_from_powershell_and_a_name_in_another_case_deny_as_they_are_meant() {
    let desk = published();
    desk.ok(&revoke(&["--sha256", &"AB".repeat(32), "--reason", "r"]));
    assert!(read(&desk.path("site/revocations.1.body")).contains(&"ab".repeat(32)));
    desk.ok(&revoke(&["--device", "DEV-1", "--reason", "stolen laptop"]));
    desk.machine
        .file(".cursor/mcp.json", r#"{"mcpServers":{"x":{"command":"npx","args":["-y","x@1.0.0"]}}}"#);
    let root = desk.path(ROOT);
    let site = desk.path("site");
    let (root, site) = (root.to_str().unwrap(), site.to_str().unwrap());
    // The head of the test's day has ended by the clock of a scan: it is made anew for now.
    let now = jiff::Timestamp::now().to_string();
    desk.ok_at(
        &now,
        &["rotate", "repo", "--renew", "--key", "repo-keys/root-1.pem", "--key", "repo-keys/root-2.pem"],
    );
    desk.ok_at(&now, &["sign", "repo", "--new", "--key", "repo-keys/policy-1.pem"]);
    desk.ok_at(&now, &[&["revoke", "--renew"][..], &EMERGENCY].concat());
    desk.ok_at(&now, &["publish", "repo", "--to", "site", "--key", "repo-keys/online-1.pem"]);
    let report = desk.machine.scan(&["--policy", site, "--trust-root", root, "--device-id", "dev-1"]);
    assert_eq!(report["entries"][0]["judged"]["decided_by"], "revocation", "{}", report["entries"]);
}

#[test]
fn only_the_policy_of_a_repository_is_signed_never_a_file_beside_it() {
    let desk = Desk::new(&[]);
    desk.machine
        .file("repo/candidate.toml", read(&desk.path("repo/policy.toml")).replace("Example", "CANDIDATE"));
    let key = ["--key", "repo-keys/policy-1.pem"];
    let refused = desk.refused(&[&["sign", "repo/candidate.toml"], &key[..]].concat());
    assert!(refused.contains("candidate.toml") && refused.contains("policy.toml"), "{refused}");
    assert!(!desk.path("repo/signed").exists());
    let online = ["--to", "site", "--key", "repo-keys/online-1.pem"];
    assert!(
        desk.refused(&[&["publish", "repo/candidate.toml"], &online[..]].concat()).contains("policy.toml")
    );
    desk.ok(&[&["sign", "repo/policy.toml"], &key[..]].concat());
    // What only reads takes any file.
    desk.ok(&["check", "repo/candidate.toml"]);
}

#[test]
fn enormous_numbers_are_refused_and_end_no_command_in_a_panic() {
    let desk = published();
    let sign = |more: &[&str]| {
        desk.refused(&[&["sign", "repo", "--new", "--key", "repo-keys/policy-1.pem"], more].concat())
    };
    for number in ["18446744073709551615", "9007199254740992", "2000000"] {
        assert!(sign(&["--sequence", number]).contains("leaps too far"), "{number}");
    }
    desk.machine.file("repo/signed/policy.18446744073709551615.json", "");
    let said = sign(&[]);
    assert!(said.contains("18446744073709551615") && said.contains("remove the file"), "{said}");
    desk.machine.file("site/revocations.18446744073709551615.json", "");
    let said = desk.refused(&revoke(&["docs", "--reason", "r"]));
    assert!(said.contains("18446744073709551615") && said.contains("runbooks"), "{said}");
}

#[test]
fn nothing_is_signed_under_a_root_that_has_ended_or_by_a_clock_before_it() {
    let desk = Desk::new(&[]);
    let sign = ["sign", "repo", "--key", "repo-keys/policy-1.pem"];
    for (now, words) in
        [("2029-01-01T00:00:00Z", "rotate --renew"), ("1970-01-02T00:00:00Z", "set the clock")]
    {
        let output = desk.run_at(now, &sign);
        assert_eq!(output.status.code(), Some(2), "{now}");
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
    assert!(!desk.path("repo/signed/policy.1.json").exists());
}

#[test]
fn a_draft_of_a_root_is_thrown_away_without_a_key() {
    let desk = Desk::new(&[]);
    assert!(desk.refused(&["rotate", "repo", "--discard"]).contains("no draft"));
    desk.ok(&["rotate", "repo", "--renew", "--key", "repo-keys/root-1.pem"]);
    let refused = desk.refused(&[
        "rotate",
        "repo",
        "--threshold",
        "online=9",
        "--discard",
        "--key",
        "repo-keys/root-1.pem",
    ]);
    assert!(refused.contains("--threshold"), "{refused}");
    assert!(desk.path("repo/trust/next-root.2.draft").exists(), "a refused change throws nothing away");
    assert!(desk.ok(&["rotate", "repo", "--discard"]).contains("threw away next-root.2.draft"));
    assert!(!desk.path("repo/trust/next-root.2.draft").exists());
}

#[test]
fn a_threshold_that_nobody_could_meet_is_refused() {
    let desk = Desk::new(&["--solo"]);
    let refused =
        desk.refused(&["rotate", "repo", "--loosening-threshold", "5", "--key", "repo-keys/solo.pem"]);
    assert!(refused.contains("5 signatures of 1 policy key"), "{refused}");
    let desk = Desk::new(&[]);
    let id = report_of(&desk.machine.run(&["policy", "key", "repo-keys/policy-1.pem", "--json"]));
    let remove = format!("policy={}", id["id"].as_str().unwrap());
    let refused = desk.refused(&["rotate", "repo", "--remove", &remove, "--key", "repo-keys/root-1.pem"]);
    assert!(refused.contains("2 signatures of 1 policy key"), "{refused}");
}

#[test]
fn the_keys_of_a_root_are_listed_where_an_error_says_so() {
    let desk = Desk::new(&[]);
    let refused =
        desk.refused(&["rotate", "repo", "--remove", "online=zzz", "--key", "repo-keys/root-1.pem"]);
    assert!(refused.contains("policy show --trust"), "{refused}");
    let id = report_of(&desk.machine.run(&["policy", "key", "repo-keys/online-1.pem", "--json"]));
    let shown = desk.ok(&["show", "repo", "--trust"]);
    assert!(shown.contains("root 1,") && shown.contains(id["id"].as_str().unwrap()), "{shown}");
    let answer = report_of(&desk.run(&["show", "repo", "--trust", "--json"]));
    assert_eq!(answer["key_ids"]["online"][0], id["id"]);
}

#[test]
fn a_folder_with_keys_or_the_repository_is_never_published() {
    let desk = Desk::new(&[]);
    desk.ok(&["sign", "repo", "--key", "repo-keys/policy-1.pem"]);
    for (to, words) in [
        ("repo-keys", "private key"),
        ("repo", "is the repository"),
        (".", "is the repository"),
        ("repo/signed", "is the repository"),
    ] {
        let refused = desk.refused(&["publish", "repo", "--to", to, "--key", "repo-keys/online-1.pem"]);
        assert!(refused.contains(words), "{to}: {refused}");
        assert!(!desk.path(to).join("head.json").exists(), "{to}");
    }
    // A folder inside the repository is what its README proposes.
    desk.ok(&["publish", "repo", "--to", "repo/published", "--key", "repo-keys/online-1.pem"]);
}

#[test]
fn a_head_says_how_often_to_ask_only_where_somebody_said_so_and_each_later_head_says_the_same() {
    let desk = published();
    let poll = || head_of(&desk).get("poll_interval_s").cloned();
    assert_eq!(poll(), None, "machines then ask as often as their settings or their default say");
    let refresh = ["publish", "repo", "--refresh", "--to", "site", "--key", "repo-keys/online-1.pem"];
    desk.ok(&[&refresh[..], &["--poll-interval", "600"]].concat());
    assert_eq!(poll(), Some(600.into()));
    desk.ok(&refresh);
    assert_eq!(poll(), Some(600.into()), "it is kept until somebody says otherwise");
    let refused = desk.run(&[&refresh[..], &["--poll-interval", "86400"]].concat());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "agents would ask each hour all the same");
    assert!(said.contains("30 to 3600 seconds"), "{said}");
    desk.ok(&[&refresh[..], &["--poll-interval", "default"]].concat());
    assert_eq!(poll(), None, "and it can be taken away again");
}

/// A policy that says nothing but what a test asks about.
fn policy(desk: &Desk, settings: &str, rest: &str) {
    let head = "schema = \"mcpolicy/policy/v1\"\n[policy]\nname = \"n\"\ncontact = \"c\"\n";
    desk.machine.file("policy.toml", format!("{head}{settings}\n{rest}"));
}

fn rule(members: &str) -> String {
    format!("[[rule]]\nid = \"a\"\nowner = \"o\"\nreview_by = \"2027-01-01\"\n{members}\n")
}

/// `diff` takes no time.
fn diff_ok(desk: &Desk, arguments: &[&str]) -> String {
    let output = desk.machine.run(&[&["policy"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn empty() -> Desk {
    Desk { machine: mcpolicy_tests::TestMachine::new(crate::BINARY) }
}

#[test]
fn conditions_that_hold_for_nothing_or_for_anything_are_warned_of() {
    let desk = empty();
    let zeros = "0".repeat(64);
    let oci = format!("identity.oci = {{ image = \"ghcr.io/a/b\", digests = [\"sha256:{zeros}\"] }}");
    let npm = "identity.npm = { package = \"@a/b\", versions = \"1.0.0\" }\n";
    let with = |member: &str| format!("{npm}{member}");
    for (members, code) in [
        ("identity.npm = { package = \"@a/*\", versions = \"1.0.0\" }".to_owned(), "never-holds"),
        ("identity.url = { url = \"https://*/mcp\" }".to_owned(), "never-holds"),
        ("identity.script = { interpreter = \"node\", path = \"/opt/*.js\" }".to_owned(), "never-holds"),
        ("identity.opaque = { argv = [\"run\", \"**\"] }".to_owned(), "never-holds"),
        (
            "identity.script = { interpreter = \"python3\", path = \"-m srv\" }".to_owned(),
            "working-directory",
        ),
        (with("runners = [\"npxx\"]"), "never-holds"),
        (with("wrappers = [\"shh -c\"]"), "never-holds"),
        (with("references = [\"*\"]"), "never-holds"),
        (
            "identity.pypi = { package = \"srv\", versions = \"1.0.0\" }\nwith = [\"extra@dir\"]".to_owned(),
            "working-directory",
        ),
        (with("with = [\"extra@.dir\"]"), "working-directory"),
        (with("runner_args = [\"**\"]"), "any-argument"),
        (with("transports = [\"http\"]"), "never-holds"),
        (oci, "placeholder"),
        (with("tools = { read = [\"t\"], write = [\"t\"] }"), "contradiction"),
        (with("auth = { kind = \"none\", pkce = true }"), "contradiction"),
        ("identity.executable = { path = \"~/bin/s\" }".to_owned(), "writable-program"),
        (
            "identity.script = { interpreter = \"node\", path = \"/home/dev/s.js\" }".to_owned(),
            "writable-program",
        ),
    ] {
        policy(&desk, "", &rule(&members));
        let answer = report_of(&desk.run(&["check", "policy.toml", "--json"]));
        let graver = answer["problems"].as_array().unwrap().iter().filter(|p| p["weight"] != "note");
        let codes: Vec<&str> = graver.filter_map(|p| p["code"].as_str()).collect();
        assert_eq!(codes, [code], "{members}: {answer}");
        assert_eq!(answer["errors"], 0, "{answer}");
    }
    policy(&desk, "", &rule(&with("runners = [\"npx\"]\nwrappers = [\"sh -c\"]\ntransports = [\"stdio\"]")));
    desk.ok(&["check", "policy.toml", "--strict"]);
}

#[test]
fn an_exception_without_directory_for_what_lies_in_a_project_is_told_when_reports_are_given() {
    let desk = empty();
    let server = r#"{"mcpServers":{"x":{"command":"node","args":["./server.js"]}}}"#;
    desk.machine.file("src/p/.cursor/mcp.json", server);
    let report = desk.machine.scan(&[]);
    desk.machine.file("reports/one.json", report.to_string());
    let exception = |more: &str| {
        format!(
            "[[exception]]\nid = \"e\"\nfingerprint = {}\nowner = \"o\"\nticket = \"T\"\nexpires = \"2099-01-01T00:00:00Z\"\n{more}",
            report["entries"][0]["fingerprint"]
        )
    };
    let codes = |text: &str| {
        policy(&desk, "", text);
        let answer = report_of(&desk.run(&["check", "policy.toml", "--json", "--reports", "reports"]));
        let problems = answer["problems"].as_array().unwrap().clone();
        problems.iter().map(|p| p["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&exception("")), ["no-directory"]);
    assert!(!codes(&exception("directory = \"~/src/p\"\n")).contains(&"no-directory".to_owned()));
}

#[test]
fn a_credential_that_a_rule_sends_in_clear_text_is_told() {
    let desk = empty();
    let codes = |url: &str, header: &str| {
        let identity = format!("identity.url = {{ url = \"{url}\" }}\nheaders = {{ {header} = \"*\" }}\n");
        let about = "owner = \"o\"\nreview_by = \"2099-01-01\"\n";
        policy(&desk, "", &format!("[[rule]]\nid = \"r\"\n{identity}{about}"));
        let answer = report_of(&desk.run(&["check", "policy.toml", "--json"]));
        let problems = answer["problems"].as_array().unwrap().clone();
        problems.iter().map(|p| p["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes("http://mcp.example.com/mcp", "Authorization"), ["clear-text"]);
    assert_eq!(codes("http://10.0.0.7/mcp", "X-Api-Key"), ["clear-text"]);
    for (url, header) in [
        ("https://mcp.example.com/mcp", "Authorization"),
        ("http://mcp.example.com/mcp", "X-Team"),
        ("http://127.0.0.1:9000/mcp", "Authorization"),
    ] {
        assert!(!codes(url, header).contains(&"clear-text".to_owned()), "{url}");
    }
}

#[test]
fn rules_that_no_report_needs_are_told_when_reports_are_given() {
    let desk = empty();
    desk.machine
        .file(".cursor/mcp.json", r#"{"mcpServers":{"x":{"command":"npx","args":["-y","@a/b@1.0.0"]}}}"#);
    desk.machine.file("reports/one.json", desk.machine.scan(&[]).to_string());
    let used = rule("identity.npm = { package = \"@a/b\", versions = \"1.0.0\" }");
    let unused = used.replace("id = \"a\"", "id = \"nobody\"").replace("@a/b", "@a/other");
    policy(&desk, "", &(used + &unused));
    let answer = report_of(&desk.run(&["check", "policy.toml", "--json", "--reports", "reports"]));
    assert_eq!(answer["problems"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer["problems"][0]["code"], "unused-rule");
    assert!(answer["problems"][0]["message"].as_str().unwrap().contains("nobody"), "{answer}");
    assert!(
        desk.refused(&["check", "policy.toml", "--reports", "nowhere"]).contains("no report could be read")
    );
}

#[test]
fn revisions_of_the_specification_are_days_and_compared_as_such() {
    let desk = empty();
    let npm = "identity.npm = { package = \"@a/b\", versions = \"1.0.0\" }\n";
    let check = |members: &str, spec: &str| {
        policy(&desk, "", &rule(&format!("{npm}{members}")));
        let output = desk.run(&["check", "policy.toml", "--spec", spec]);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    for spec in ["foo", "2099-99-99", "2025"] {
        assert_eq!(check("", spec).0, Some(2), "{spec}");
    }
    let (code, said) = check("mcp_spec = \"latest\"", "2025-06-18");
    assert!(code == Some(1) && said.contains("spec-unknown"), "{said}");
    assert_eq!(check("mcp_spec = \"2025-03-26\"", "2025-06-18").0, Some(1));
    assert_eq!(check("mcp_spec = \"2025-06-18\"", "2025-06-18").0, Some(0));
    // The remedy that the message names works, until the day is past.
    let due = |day: &str| {
        check(
            &format!("mcp_spec = \"2025-03-26\"\nremediation = {{ what = \"move\", deadline = \"{day}\" }}"),
            "2025-06-18",
        )
    };
    let (code, said) = due("2027-01-01");
    assert!(code == Some(0) && said.contains("spec-outdated"), "{said}");
    assert_eq!(due("2026-01-01").0, Some(1));
}

#[test]
fn the_end_of_the_signed_policy_is_told_before_and_after() {
    let desk = published();
    let said = |now: &str| desk.ok_at(now, &["check", "repo"]);
    assert!(!said("2026-12-01T00:00:00Z").contains("the signed policy"));
    assert!(said("2027-05-10T00:00:00Z").contains("the signed policy 1 ends 2027-05-20"));
    assert!(said("2027-06-01T00:00:00Z").contains("the signed policy 1 ended 2027-05-20"));
}

#[test]
fn a_draft_replaces_no_file_and_writes_through_what_is_none() {
    let desk = empty();
    desk.machine
        .file(".cursor/mcp.json", r#"{"mcpServers":{"x":{"command":"npx","args":["-y","@a/b@1.0.0"]}}}"#);
    desk.machine.file("reports/one.json", desk.machine.scan(&[]).to_string());
    desk.machine.file("policy.toml", "by hand");
    let refused = desk.refused(&["draft", "reports", "--output", "policy.toml"]);
    assert!(refused.contains("--force"), "{refused}");
    assert_eq!(read(&desk.path("policy.toml")), "by hand");
    desk.ok(&["draft", "reports", "--output", "policy.toml", "--force"]);
    assert!(read(&desk.path("policy.toml")).contains("@a/b"));
    desk.ok(&["draft", "reports", "--output", "new.toml"]);
    assert!(desk.refused(&["draft", "reports", "--output", "reports"]).contains("folder"));
    #[cfg(target_os = "linux")]
    {
        // What /dev/stdout is, in a place where nothing else of this machine is at stake.
        let link = desk.path("out");
        std::os::unix::fs::symlink("/proc/self/fd/1", &link).unwrap();
        let output = desk.run(&["draft", "reports", "--output", "out"]);
        assert!(output.status.success() && text(&output.stdout).contains("@a/b"), "{}", text(&output.stderr));
        assert!(link.is_symlink());
    }
}

#[test]
fn reports_of_which_none_can_be_read_are_no_absence_of_requests() {
    let desk = empty();
    assert!(desk.refused(&["requests", "nowhere"]).contains("no report could be read"));
    desk.machine.file(".cursor/mcp.json", "{}");
    desk.machine.file("reports/one.json", desk.machine.scan(&[]).to_string());
    assert!(desk.ok(&["requests", "reports"]).contains("no requests"));
}

#[test]
fn machines_with_an_id_are_told_apart_and_reports_that_count_as_older_are_told() {
    let desk = empty();
    desk.machine
        .file(".cursor/mcp.json", r#"{"mcpServers":{"x":{"command":"npx","args":["-y","@a/b@1.0.0"]}}}"#);
    let mut report = desk.machine.scan(&["--device-id", "dev-1"]);
    for (n, id) in [(1, "dev-1"), (2, "dev-2"), (3, "dev-2")] {
        report["host"]["device_id"] = id.into();
        desk.machine.file(&format!("reports/{n}.json"), report.to_string());
    }
    policy(&desk, "", "");
    let answer = report_of(&desk.run(&["simulate", "reports", "--policy", "policy.toml", "--json"]));
    assert_eq!((&answer["fleet"]["machines"], &answer["superseded"]), (&2.into(), &1.into()), "{answer}");
    let shown = text(&desk.run(&["simulate", "reports", "--policy", "policy.toml"]).stdout);
    assert!(shown.contains("1 report counts as an older one"), "{shown}");
    assert!(desk.ok(&["draft", "reports", "--output", "d.toml"]).contains("--device-id"));
}

#[test]
fn a_simulation_says_what_the_mode_does_and_what_enforcing_would_do() {
    let desk = empty();
    desk.machine
        .file(".cursor/mcp.json", r#"{"mcpServers":{"x":{"command":"npx","args":["-y","@a/b@1.0.0"]}}}"#);
    let mut report = desk.machine.scan(&["--device-id", "dev-1"]);
    for n in 1..=5 {
        report["host"]["device_id"] = format!("dev-{n}").into();
        desk.machine.file(&format!("reports/{n}.json"), report.to_string());
    }
    let simulate = |more: &[&str]| {
        let output = desk.run(&[&["simulate", "reports", "--policy", "policy.toml"][..], more].concat());
        (output.status.code(), text(&output.stdout))
    };
    for settings in ["mode = \"observe\"", "mode = \"warn\"", "mode = \"hold\"\ngrace_until = \"2027-01-01\""]
    {
        policy(&desk, settings, "");
        let (code, said) = simulate(&[]);
        assert_eq!(code, Some(0), "{settings}: {said}");
        assert!(said.contains("0 machines would lose a server now, 5 once it is enforced"), "{said}");
        assert!(said.contains("npm:@a/b"), "the preview stays: {said}");
    }
    policy(&desk, "mode = \"hold\"\ngrace_until = \"2026-01-01\"", "");
    assert_eq!(simulate(&[]).0, Some(1), "the grace is over");
    policy(
        &desk,
        "mode = \"observe\"",
        "[[ring]]\nname = \"first\"\ndevices = [\"dev-3\"]\nmode = \"enforce\"\n",
    );
    let (code, said) = simulate(&["--threshold", "1"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("mode enforce on 1 machine, observe on 4 machines: 1 machine would lose"),
        "{said}"
    );
    assert_eq!(simulate(&["--threshold", "0"]).0, Some(1));
    // What was only watched is in use: to enforce it takes it away.
    policy(&desk, "mode = \"observe\"", "");
    std::fs::rename(desk.path("policy.toml"), desk.path("before.toml")).unwrap();
    policy(&desk, "mode = \"enforce\"", "");
    let (code, said) = simulate(&["--against", "before.toml"]);
    assert!(code == Some(1) && said.contains("5 of 5 machines"), "{said}");
}

#[test]
fn a_denial_removed_or_a_setting_opened_for_every_rule_needs_two_approvals() {
    let desk = empty();
    let deny = "[[deny]]\nid = \"d\"\nreason = \"r\"\nidentity.npm = { package = \"bad\" }\n";
    for (before, after) in [
        (("", deny), ("", "")),
        (("runners = \"system\"", ""), ("runners = \"any\"", "")),
        (("processes = \"stop\"", ""), ("processes = \"report\"", "")),
        (("", ""), ("[policy.env]\nLD_PRELOAD = \"*\"", "")),
        (("", ""), ("[policy.registries]\nnpm = [\"https://evil.example/\"]", "")),
        (("", ""), ("[policy.staleness]\nstale_after_hours = 72\nexpired_after_days = 3000", "")),
        (("", ""), ("[policy.native.default]\ninexpressible = \"open\"", "")),
    ] {
        policy(&desk, before.0, before.1);
        std::fs::rename(desk.path("policy.toml"), desk.path("before.toml")).unwrap();
        policy(&desk, after.0, after.1);
        let output =
            desk.machine.run(&["policy", "diff", "before.toml", "policy.toml", "--fail-on", "loosening"]);
        let said = text(&output.stdout);
        assert!(output.status.code() == Some(1) && said.contains("LOOSENS"), "{after:?}: {said}");
        assert!(said.contains("the approval of two people"), "{said}");
        diff_ok(&desk, &["diff", "policy.toml", "before.toml", "--fail-on", "loosening"]);
    }
    policy(&desk, "", "");
    std::fs::rename(desk.path("policy.toml"), desk.path("before.toml")).unwrap();
    policy(&desk, "", &rule("identity.npm = { package = \"@a/b\", versions = \"1.0.0\" }"));
    let said = diff_ok(&desk, &["diff", "before.toml", "policy.toml", "--fail-on", "loosening"]);
    assert!(said.contains("loosens") && !said.contains("LOOSENS"), "an ordinary rule needs one: {said}");
}

#[test]
fn a_diff_shows_from_what_to_what_a_query_or_a_note_changes() {
    let desk = empty();
    let url = |query: &str, more: &str| {
        rule(&format!(
            "identity.url = {{ url = \"https://x.example/mcp\", query = {{ a = \"{query}\" }} }}\n{more}"
        ))
    };
    policy(&desk, "", &url("1", "data_access = \"read-only\""));
    std::fs::rename(desk.path("policy.toml"), desk.path("before.toml")).unwrap();
    policy(&desk, "", &url("*", "data_access = \"read-write\""));
    let said = diff_ok(&desk, &["diff", "before.toml", "policy.toml"]);
    assert!(said.contains("a=\"*\"") && said.contains("a=\"1\""), "{said}");
    assert!(said.contains("data_access: read-write instead of read-only"), "{said}");
}

#[test]
fn a_row_whose_entry_is_broken_fails_unless_that_is_what_it_shows() {
    let desk = empty();
    policy(&desk, "", "");
    let table = |entry: &str, more: &str| {
        let row = format!(
            "[[test]]\nname = \"n\"\nclient = \"cursor\"\nexpect = \"deny\"\nentry = '{entry}'\n{more}"
        );
        desk.machine.file("tests.toml", row);
        let output = desk.run(&["test", "."]);
        (output.status.code(), text(&output.stdout))
    };
    for broken in [r#"{"command": "npx", args"#, "{"] {
        let (code, said) = table(broken, "");
        assert!(code == Some(1) && said.contains("broken = true"), "{broken}: {said}");
    }
    assert_eq!(table(r#"{"command": "npx", args"#, "broken = true\n").0, Some(0));
}

#[test]
fn a_row_of_local_scope_is_judged_as_local() {
    let desk = empty();
    let scoped = |scopes: &str| {
        rule(&format!("identity.npm = {{ package = \"@a/b\", versions = \"1.0.0\" }}\nscopes = {scopes}"))
    };
    let row = "[[test]]\nname = \"n\"\nclient = \"claude-code\"\nscope = \"local\"\nexpect = \"allow\"\nentry = '{\"command\": \"npx\", \"args\": [\"-y\", \"@a/b@1.0.0\"]}'\n";
    desk.machine.file("tests.toml", row);
    policy(&desk, "", &scoped("[\"user\"]"));
    assert_eq!(desk.run(&["test", "."]).status.code(), Some(1));
    policy(&desk, "", &scoped("[\"local\"]"));
    desk.ok(&["test", "."]);
}
