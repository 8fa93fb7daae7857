//! The runbooks of docs/runbooks.md: each test runs the very commands. And the CI recipe of a new repository.

use mcpolicy_tests::{TestMachine, report_of};

use crate::policy_desk::{Desk, ROOT, head_of, published, read, text};

#[test]
fn runbook_a_small_team_starts_alone_is_warned_and_grows() {
    let desk = Desk { machine: TestMachine::new(crate::BINARY) };
    let said = desk.ok(&["init", "repo", "--solo", "--no-passphrase"]);
    assert!(said.contains("one key decides alone"), "{said}");
    assert!(desk.ok(&["check", "repo"]).contains("solo-root"));
    desk.ok(&["sign", "repo", "--key", "repo-keys/solo.pem"]);
    desk.ok(&["publish", "repo", "--to", "site", "--key", "repo-keys/solo.pem"]);
    assert_eq!(desk.verify(ROOT, &[])["verified"], true);
    // Two more people make keys; the root becomes 2 of 3, policies get a second signer.
    for name in ["ann", "ben"] {
        let made = desk.machine.run(&["policy", "key", &format!("{name}.pem"), "--no-passphrase"]);
        assert!(made.status.success(), "{}", text(&made.stderr));
    }
    let rotate = [
        "rotate",
        "repo",
        "--add",
        "root=ann.pub",
        "--add",
        "root=ben.pub",
        "--threshold",
        "root=2",
        "--add",
        "policy=ann.pub",
        "--add",
        "emergency=ben.pub",
        "--loosening-threshold",
        "2",
        "--key",
        "repo-keys/solo.pem",
    ];
    let said = desk.ok(&rotate);
    assert!(
        said.contains("a draft that nobody trusts yet") && !desk.path("repo/trust/root.2.json").exists(),
        "{said}"
    );
    assert!(desk.ok(&["rotate", "repo", "--key", "ann.pem"]).contains("complete"));
    assert!(!desk.ok(&["check", "repo"]).contains("solo-root"));
    desk.ok(&["publish", "repo", "--refresh", "--to", "site", "--key", "repo-keys/solo.pem"]);
    let answer = desk.verify(ROOT, &[]);
    assert_eq!((answer["verified"].as_bool(), answer["root"].as_u64()), (Some(true), Some(2)), "{answer}");
    // A machine that is set up later may be pinned to the new root as well.
    assert_eq!(desk.verify("repo/trust/root.2.json", &[])["verified"], true);
}

#[test]
fn runbook_one_signer_is_gone() {
    let desk = published();
    let gone = report_of(&desk.machine.run(&["policy", "key", "repo-keys/root-3.pem", "--json"]));
    let gone = gone["id"].as_str().unwrap().to_owned();
    desk.machine.run(&["policy", "key", "new.pem", "--no-passphrase"]);
    let remove = format!("root={gone}");
    desk.ok(&[
        "rotate",
        "repo",
        "--add",
        "root=new.pub",
        "--remove",
        &remove,
        "--key",
        "repo-keys/root-1.pem",
    ]);
    // The one who is gone does not help: of the old keys two must sign, and of the new ones two.
    let refused = desk.refused(&["rotate", "repo", "--remove", &remove, "--key", "repo-keys/root-2.pem"]);
    assert!(refused.contains("--discard"), "{refused}");
    assert!(desk.ok(&["rotate", "repo", "--key", "repo-keys/root-2.pem"]).contains("complete"));
    desk.ok(&["publish", "repo", "--refresh", "--to", "site", "--key", "repo-keys/online-1.pem"]);
    assert_eq!(desk.verify(ROOT, &[])["root"], 2);
    // The key that is gone signs no further root.
    let refused = desk.refused(&["rotate", "repo", "--renew", "--key", "repo-keys/root-3.pem"]);
    assert!(refused.contains("none of the keys"), "{refused}");
}

/// The list in force is one of the key that is gone: it is signed anew by those that are left, at once and as a whole.
#[test]
fn runbook_one_emergency_signer_is_gone() {
    for others in [true, false] {
        let desk = published();
        let id = |n: u32| {
            let key = format!("repo-keys/emergency-{n}.pem");
            let told = report_of(&desk.machine.run(&["policy", "key", &key, "--json"]));
            format!("emergency={}", told["id"].as_str().unwrap())
        };
        let order = |key: &str, name: &str| {
            let identity = format!("npm:{name}");
            let words = [
                "revoke",
                "--identity",
                &identity,
                "--reason",
                "stolen",
                "--to",
                "site",
                "--repository",
                "repo",
            ];
            let output = desk.run(&[&words[..], &["--key", key, "--key", "repo-keys/online-1.pem"]].concat());
            (output.status.code(), text(&output.stdout) + &text(&output.stderr))
        };
        let (code, said) = order("repo-keys/emergency-1.pem", "first-mcp");
        assert_eq!(code, Some(0), "{said}");
        desk.machine.run(&["policy", "key", "new.pem", "--no-passphrase"]);
        let (one, two) = (id(1), id(2));
        let mut rotate = vec!["rotate", "repo", "--add", "emergency=new.pub", "--remove", &one];
        if !others {
            rotate.extend(["--remove", &two]);
        }
        rotate.extend(["--key", "repo-keys/root-1.pem", "--key", "repo-keys/root-2.pem"]);
        assert!(desk.ok(&rotate).contains("complete"));
        let refused = desk.refused(&[
            "publish",
            "repo",
            "--refresh",
            "--to",
            "site",
            "--key",
            "repo-keys/online-1.pem",
        ]);
        assert!(refused.contains("revoke --renew"), "{refused}");
        // the one that is gone signs no emergency any more
        let (code, said) = order("repo-keys/emergency-1.pem", "second-mcp");
        assert_ne!(code, Some(0), "{said}");
        let keys = ["--key", "new.pem", "--key", "repo-keys/online-1.pem"];
        desk.ok(&[&["revoke", "--renew", "--to", "site", "--repository", "repo"], &keys[..]].concat());
        let answer = desk.verify(ROOT, &[]);
        let numbers = (answer["verified"].as_bool(), answer["root"].as_u64(), answer["revocations"].as_u64());
        assert_eq!(numbers, (Some(true), Some(2), Some(2)), "{answer}");
        // nothing was lost, and the next emergency goes on from there
        let (code, said) = order("new.pem", "second-mcp");
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("2 lines"), "{said}");
        desk.ok(&["publish", "repo", "--refresh", "--to", "site", "--key", "repo-keys/online-1.pem"]);
    }
}

/// A root that no longer trusts who signed the published policy would leave new machines without any policy.
#[test]
fn an_emergency_between_two_roots_publishes_none_by_which_the_policy_is_not_signed() {
    let desk = published();
    let told = report_of(&desk.machine.run(&["policy", "key", "repo-keys/policy-1.pem", "--json"]));
    let gone = format!("policy={}", told["id"].as_str().unwrap());
    desk.machine.run(&["policy", "key", "new.pem", "--no-passphrase"]);
    let rotate = ["rotate", "repo", "--add", "policy=new.pub", "--remove", &gone];
    let keys = ["--key", "repo-keys/root-1.pem", "--key", "repo-keys/root-2.pem"];
    assert!(desk.ok(&[&rotate[..], &keys].concat()).contains("complete"));
    let revoke =
        ["revoke", "--identity", "npm:bad-mcp", "--reason", "stolen", "--to", "site", "--repository", "repo"];
    let keys = ["--key", "repo-keys/emergency-1.pem", "--key", "repo-keys/online-1.pem"];
    let output = desk.run(&[&revoke[..], &keys].concat());
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success() && said.contains("root 2 of the repository is not published"), "{said}");
    let answer = desk.verify(ROOT, &[]);
    let numbers = (answer["verified"].as_bool(), answer["root"].as_u64(), answer["revocations"].as_u64());
    assert_eq!(numbers, (Some(true), Some(1), Some(1)), "{answer}");
    desk.ok(&["sign", "repo", "--new", "--key", "new.pem"]);
    desk.ok(&["publish", "repo", "--to", "site", "--key", "repo-keys/online-1.pem"]);
    assert_eq!(desk.verify(ROOT, &[])["root"], 2);
}

/// Nobody is to wonder why most machines take up nothing.
#[test]
fn a_pilot_goes_on_until_it_is_ended_and_each_head_says_so() {
    let desk = Desk::new(&[]);
    desk.edit("repo/policy.toml", |text| text + "\n[[ring]]\nname = \"pilot\"\npercent = 5\n");
    desk.ok(&["sign", "repo", "--key", "repo-keys/policy-1.pem"]);
    let publish = |more: &[&str]| {
        let words = ["publish", "repo", "--to", "site", "--key", "repo-keys/online-1.pem"];
        let output = desk.run(&[&words[..], more].concat());
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{said}");
        said
    };
    assert!(!publish(&["--ring", "pilot"]).contains("like the last one"));
    assert!(publish(&["--refresh"]).contains("this head is for the ring pilot only"));
    assert!(!publish(&["--refresh", "--ring", ""]).contains("for the ring"));
    assert!(!publish(&["--refresh"]).contains("for the ring"));
}

/// Most machines act by an older policy meanwhile, whose rules may have other ids.
#[test]
fn an_emergency_by_the_id_of_a_rule_during_a_pilot_says_where_it_does_not_count() {
    let desk = Desk::new(&[]);
    let before = read(&desk.path("repo/policy.toml")) + "\n[[ring]]\nname = \"pilot\"\npercent = 5\n";
    let with = |id: &str| {
        let rule = format!(
            "\n[[rule]]\nid = \"{id}\"\nidentity.npm = {{ package = \"own-mcp\", versions = \"1.0.0\" }}\n"
        );
        desk.machine.file("repo/policy.toml", before.clone() + &rule);
        desk.ok(&[
            "sign",
            "repo",
            "--new",
            "--key",
            "repo-keys/policy-1.pem",
            "--key",
            "repo-keys/policy-2.pem",
        ]);
    };
    let publish = ["publish", "repo", "--skip-tests", "--to", "site", "--key", "repo-keys/online-1.pem"];
    with("old");
    desk.ok(&publish);
    // one that all have is not drawn back to a ring
    let drawn_back = desk.run(&[&publish[..], &["--refresh", "--ring", "pilot"]].concat());
    assert!(text(&drawn_back.stderr).contains("was offered to all machines already"));
    with("new");
    desk.ok(&[&publish[..], &["--ring", "pilot"]].concat());
    let checked =
        desk.machine.run(&["policy", "check", "repo", "--site", "site", "--now", "2027-05-20T00:00:00Z"]);
    let checked = text(&checked.stdout) + &text(&checked.stderr);
    assert!(checked.contains("policy 1, which all machines outside of the ring have"), "{checked}");
    let revoke = |id: &str| {
        let words = ["revoke", id, "--reason", "stolen", "--to", "site", "--repository", "repo"];
        let keys = ["--key", "repo-keys/emergency-1.pem", "--key", "repo-keys/online-1.pem"];
        let output = desk.run(&[&words[..], &keys].concat());
        text(&output.stdout) + &text(&output.stderr)
    };
    let said = revoke("new");
    assert!(
        said.contains("offered to one ring only") && said.contains("old of the published policy"),
        "{said}"
    );
    let head = || head_of(&desk);
    assert_eq!((&head()["policy"]["sequence"], &head()["elsewhere"]["sequence"]), (&2.into(), &1.into()));
    let said = revoke("old");
    assert_eq!(head()["elsewhere"]["sequence"], 1, "an emergency keeps whose policy is which");
    desk.ok(&["verify", "site", "--trust-root", "repo/trust/root.1.json"]);
    // what is tidied away comes back out of the repository, and what nobody has is told
    for file in ["policy.1.json", "policy.1.body"] {
        std::fs::remove_file(desk.path(&format!("site/{file}"))).unwrap();
    }
    desk.ok(&[&publish[..], &["--refresh"]].concat());
    assert!(desk.path("site/policy.1.body").exists() && head()["elsewhere"]["sequence"] == 1);
    std::fs::remove_file(desk.path("site/policy.1.body")).unwrap();
    std::fs::rename(desk.path("repo/signed/policy.1.body"), desk.path("kept")).unwrap();
    let output = desk.run(&[&publish[..], &["--refresh"]].concat());
    assert!(
        text(&output.stderr).contains("policy 1, which all machines outside of the ring have, is not in")
    );
    std::fs::rename(desk.path("kept"), desk.path("repo/signed/policy.1.body")).unwrap();
    // the rule of the pilot that is denied by its id comes back by no other id when the pilot ends
    with("newer");
    let ended = desk.run(&[&publish[..], &["--ring", ""]].concat());
    assert!(text(&ended.stderr).contains("denies new by its id"), "{}", text(&ended.stderr));
    // a head that is lost with all records of it
    std::fs::remove_file(desk.path("site/head.json")).unwrap();
    std::fs::remove_file(desk.path("repo/signed/head.default.json")).unwrap();
    let again = [&publish[..], &["--refresh", "--head-sequence", "1000000", "--ring", "pilot"]].concat();
    assert!(text(&desk.run(&again).stderr).contains("--elsewhere N"));
    desk.ok(&[&again[..], &["--elsewhere", "1"]].concat());
    assert_eq!(head()["elsewhere"]["sequence"], 1);
    desk.ok(&["verify", "site", "--trust-root", "repo/trust/root.1.json"]);
    assert!(!said.contains("denies nothing at present"), "{said}");
    assert!(revoke("nope").contains("denies nothing at present"));
}

#[test]
fn runbook_all_root_keys_are_lost() {
    let desk = published();
    let ids: Vec<String> = (1..=3)
        .map(|n| {
            let key = report_of(&desk.machine.run(&[
                "policy",
                "key",
                &format!("repo-keys/root-{n}.pem"),
                "--json",
            ]));
            format!("root={}", key["id"].as_str().unwrap())
        })
        .collect();
    for name in ["a", "b", "c"] {
        desk.machine.run(&["policy", "key", &format!("{name}.pem"), "--no-passphrase"]);
    }
    let mut rotate = vec!["rotate", "repo", "--break-chain"];
    for id in &ids {
        rotate.extend(["--remove", id]);
    }
    rotate.extend(["--add", "root=a.pub", "--add", "root=b.pub", "--add", "root=c.pub", "--key", "a.pem"]);
    desk.ok(&rotate);
    let said = desk.ok(&["rotate", "repo", "--break-chain", "--key", "b.pem"]);
    assert!(
        said.contains("NEW CHAIN")
            && said.contains("pin trust/root.2.json by MDM")
            && said.contains("complete"),
        "{said}"
    );
    desk.ok(&["publish", "repo", "--refresh", "--to", "site", "--key", "repo-keys/online-1.pem"]);
    let answer = desk.verify("repo/trust/root.2.json", &[]);
    assert_eq!(
        (answer["verified"].as_bool(), answer["policy"]["sequence"].as_u64()),
        (Some(true), Some(1)),
        "{answer}"
    );
    // A machine that still has the old pin does not follow: only MDM moves it.
    let answer = desk.verify("repo/trust/former/root.1.json", &[]);
    assert!(answer["verified"] == false && answer.to_string().contains("root-not-vouched"), "{answer}");
}

#[test]
fn runbook_a_key_moves_into_a_token() {
    let Some(openssl) = ["/usr/bin/openssl", "/usr/local/bin/openssl", "/opt/homebrew/bin/openssl"]
        .into_iter()
        .find(|path| std::path::Path::new(path).is_file())
    else {
        return mcpolicy_tests::skip("no openssl plays the token");
    };
    let desk = published();
    // The token: a key of its own, a public half that can be read out, and a program that signs standard input.
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(openssl)
            .args(arguments)
            .current_dir(desk.machine.home())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    run(&["genpkey", "-algorithm", "ed25519", "-out", "token.key"]);
    run(&["pkey", "-in", "token.key", "-pubout", "-out", "token.pub"]);
    let script = desk.machine.file("token.sh", format!(
        "in=$({0}/mktemp)\n{0}/cat >\"$in\"\n{openssl} pkeyutl -sign -rawin -inkey token.key -in \"$in\"\n{0}/rm -f \"$in\"\n",
        "/usr/bin"
    ));
    let old = report_of(&desk.machine.run(&["policy", "key", "repo-keys/policy-1.pem", "--json"]));
    let remove = format!("policy={}", old["id"].as_str().unwrap());
    desk.ok(&[
        "rotate",
        "repo",
        "--add",
        "policy=token.pub",
        "--remove",
        &remove,
        "--key",
        "repo-keys/root-1.pem",
        "--key",
        "repo-keys/root-2.pem",
    ]);
    let signer = format!("/bin/sh {}", script.display());
    desk.edit("repo/policy.toml", |t| t.replace("contact = ", "contact = \"x\" # "));
    let said = desk.ok(&["sign", "repo", "--signer", &signer, "--public-key", "token.pub"]);
    assert!(said.contains("1 of 1 signatures"), "{said}");
    desk.publish();
    let answer = desk.verify(ROOT, &[]);
    assert_eq!(
        (answer["verified"].as_bool(), answer["policy"]["sequence"].as_u64()),
        (Some(true), Some(2)),
        "{answer}"
    );
    // The key that the token replaced signs nothing any more.
    assert!(desk.refused(&["sign", "repo", "--key", "repo-keys/policy-1.pem"]).contains("policy key"));
    assert!(desk.refused(&["sign", "repo", "--signer", &signer]).contains("--public-key"));
}

#[test]
fn runbook_a_stolen_online_key_has_signed_enormous_numbers() {
    let desk = published();
    desk.machine.run(&["policy", "key", "online-2.pem", "--no-passphrase"]);
    let old = report_of(&desk.machine.run(&["policy", "key", "repo-keys/online-1.pem", "--json"]));
    let remove = format!("online={}", old["id"].as_str().unwrap());
    // whom the thief's head is for counts no more than its number
    if !forged_head(&desk, |head| head["ring"] = "pilot".into()) {
        return;
    }
    desk.ok(&[
        "rotate",
        "repo",
        "--add",
        "online=online-2.pub",
        "--remove",
        &remove,
        "--reset",
        "10,1,0",
        "--key",
        "repo-keys/root-1.pem",
        "--key",
        "repo-keys/root-2.pem",
    ]);
    let said = desk.ok(&["publish", "repo", "--refresh", "--to", "site", "--key", "online-2.pem"]);
    assert!(said.contains("head 10") && !said.contains("ring"), "{said}");
    assert_eq!(desk.verify(ROOT, &[])["verified"], true);
    assert_eq!(
        desk.run(&["publish", "repo", "--refresh", "--to", "site", "--key", "repo-keys/online-1.pem"])
            .status
            .code(),
        Some(2)
    );
}

/// Signs what a thief of the online key would: the published head with other members.
fn forged_head(desk: &Desk, change: impl FnOnce(&mut serde_json::Value)) -> bool {
    use base64::Engine as _;
    let b64 = base64::engine::general_purpose::STANDARD;
    let Some(openssl) = ["/usr/bin/openssl", "/usr/local/bin/openssl", "/opt/homebrew/bin/openssl"]
        .into_iter()
        .find(|path| std::path::Path::new(path).is_file())
    else {
        mcpolicy_tests::skip("no openssl plays the thief");
        return false;
    };
    let mut envelope: serde_json::Value =
        serde_json::from_str(&crate::policy_desk::read(&desk.path("site/head.json"))).unwrap();
    let payload = b64.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let mut head: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    change(&mut head);
    let payload = serde_json::to_vec(&head).unwrap();
    let kind = envelope["payloadType"].as_str().unwrap().to_owned();
    let mut pae = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    pae.extend(&payload);
    desk.machine.file("pae", pae);
    let output = std::process::Command::new(openssl)
        .args(["pkeyutl", "-sign", "-rawin", "-inkey", "repo-keys/online-1.pem", "-in", "pae"])
        .current_dir(desk.machine.home())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    envelope["payload"] = b64.encode(&payload).into();
    envelope["signatures"][0]["sig"] = b64.encode(&output.stdout).into();
    desk.machine.file("site/head.json", envelope.to_string());
    true
}

#[test]
fn runbook_a_stolen_online_key_has_signed_the_greatest_numbers_and_dropped_the_denials() {
    for greatest in [9_007_199_254_740_991_u64, 9_007_199_254_740_992, u64::MAX] {
        let desk = published();
        let keys = ["--key", "repo-keys/emergency-1.pem", "--key", "repo-keys/online-1.pem", "--to", "site"];
        desk.ok(&[&["revoke", "--user", "eve", "--reason", "left"], &keys[..]].concat());
        let forged = forged_head(&desk, |head| {
            head["sequence"] = greatest.into();
            head.as_object_mut().unwrap().remove("revocations");
        });
        if !forged {
            return;
        }
        // Machines take no number beyond the greatest; every command says where to read on instead of ending badly.
        assert_eq!(desk.verify(ROOT, &[])["verified"], greatest <= 9_007_199_254_740_991);
        for stuck in [
            &["publish", "repo", "--refresh", "--to", "site", "--key", "repo-keys/online-1.pem"][..],
            &[&["revoke", "docs", "--reason", "r"], &keys[..]].concat(),
        ] {
            let refused = desk.refused(stuck);
            assert!(refused.contains("A stolen key has signed enormous numbers"), "{refused}");
        }
        desk.machine.run(&["policy", "key", "online-2.pem", "--no-passphrase"]);
        let old = report_of(&desk.machine.run(&["policy", "key", "repo-keys/online-1.pem", "--json"]));
        let remove = format!("online={}", old["id"].as_str().unwrap());
        let root = ["--key", "repo-keys/root-1.pem", "--key", "repo-keys/root-2.pem"];
        let change =
            ["rotate", "repo", "--add", "online=online-2.pub", "--remove", &remove, "--reset", "10,1,1"];
        desk.ok(&[&change[..], &root].concat());
        let said = desk.ok(&["publish", "repo", "--refresh", "--to", "site", "--key", "online-2.pem"]);
        assert!(said.contains("policy 1, revocations 1, head 10"), "{said}");
        assert_eq!(desk.verify(ROOT, &[])["verified"], true);
        let said = desk.ok(&["publish", "repo", "--refresh", "--to", "site", "--key", "online-2.pem"]);
        assert!(said.contains("head 11"), "{said}");
    }
}

#[test]
fn the_ci_recipe_comments_and_fails_on_a_loosening_that_one_person_approved() {
    let git = std::path::Path::new("/usr/bin/git");
    if !git.is_file() {
        return mcpolicy_tests::skip("no git at /usr/bin/git");
    }
    let desk = Desk::new(&[]);
    let repo = desk.path("repo");
    let run = |program: &str, arguments: &[&str], more: &[(&str, &str)]| {
        let mut command = std::process::Command::new(program);
        command.args(arguments).current_dir(&repo).env_clear().env("HOME", desk.machine.home());
        command.env("PATH", "/usr/bin:/bin").env("MCPOLICY", crate::BINARY).env("BASE", "HEAD");
        command.envs(more.iter().copied()).output().unwrap()
    };
    for arguments in [
        &["init", "-q"][..],
        &["add", "-A"],
        &["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "first"],
    ] {
        let output = run("/usr/bin/git", arguments, &[]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let ci = |approvals: &str| run("/bin/sh", &["ci.sh"], &[("APPROVALS", approvals)]);
    let output = ci("0");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("### check: ok") && text(&output.stdout).contains("None."));
    desk.edit("repo/policy.toml", |t| t.replace("mode = \"enforce\"", "mode = \"warn\""));
    let output = ci("1");
    let said = text(&output.stdout);
    assert!(output.status.code() == Some(1) && said.contains("needs the approval of two people"), "{said}");
    assert!(said.starts_with("<!-- mcpolicy -->\n"), "{said}");
    assert!(ci("2").status.success());
    desk.edit("repo/tests.toml", |t| t.replace("expect = \"deny\"", "expect = \"allow\""));
    let output = ci("2");
    let said = text(&output.stdout);
    assert!(
        output.status.code() == Some(1)
            && said.contains("### tests: **failed**")
            && said.contains("expected allow, got deny"),
        "{said}"
    );
}
