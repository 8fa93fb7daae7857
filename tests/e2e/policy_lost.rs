//! A published folder whose head is lost, and what was published before into another: no emergency denial goes with it.

use std::fs;
use std::process::Output;

use mcpolicy_tests::{TestMachine, report_of};

use crate::policy_desk::{Desk, ROOT, read, text};

const ONLINE: [&str; 2] = ["--key", "repo-keys/online-1.pem"];
const EMERGENCY: [&str; 2] = ["--key", "repo-keys/emergency-1.pem"];
const DENIED: [&str; 2] = ["left-pad-mcp", "event-stream-mcp"];

/// A desk by the real clock, since a scan has no other, with a published folder `site` in which two servers are revoked.
fn with_two_denials() -> Desk {
    let desk = Desk { machine: TestMachine::new(crate::BINARY) };
    done(&desk, &["init", "repo", "--no-passphrase"]);
    desk.edit("repo/policy.toml", |text| text.replacen("default = \"deny\"", "default = \"allow\"", 1));
    done(&desk, &["sign", "repo", "--key", "repo-keys/policy-1.pem", "--key", "repo-keys/policy-2.pem"]);
    done(&desk, &[&["publish", "repo", "--skip-tests", "--to", "site"], &ONLINE[..]].concat());
    for name in DENIED {
        revoke(&desk, "site", &format!("npm:{name}"), &[]);
    }
    done(&desk, &[&["publish", "repo", "--refresh", "--to", "site"], &ONLINE[..]].concat());
    desk
}

fn run(desk: &Desk, arguments: &[&str]) -> Output {
    desk.machine.run(&[&["policy"], arguments].concat())
}

fn done(desk: &Desk, arguments: &[&str]) -> String {
    let output = run(desk, arguments);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    said
}

fn refused(desk: &Desk, arguments: &[&str]) -> String {
    let output = run(desk, arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}{said}", text(&output.stdout));
    said
}

fn order<'a>(to: &'a str, identity: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let order = ["revoke", "--identity", identity, "--reason", "stolen", "--to", to];
    [&order[..], &EMERGENCY, &ONLINE, more].concat()
}

fn revoke(desk: &Desk, to: &str, identity: &str, more: &[&str]) -> String {
    done(desk, &order(to, identity, more))
}

fn refresh<'a>(to: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["publish", "repo", "--refresh", "--to", to], &ONLINE[..], more].concat()
}

/// The number of the emergency list that a machine takes from a folder, which must be good.
fn list_of(desk: &Desk, folder: &str) -> Option<u64> {
    let answer = report_of(&run(desk, &["verify", folder, "--trust-root", ROOT, "--json"]));
    assert_eq!(answer["verified"], true, "{answer}");
    answer["revocations"].as_u64()
}

/// Whether a scan by the folder denies every one of these packages, and nothing else.
fn denies(desk: &Desk, folder: &str, names: &[&str]) {
    let servers: Vec<String> = names
        .iter()
        .chain(&["fine-mcp"])
        .map(|name| format!(r#""{name}":{{"command":"npx","args":["-y","{name}"]}}"#))
        .collect();
    desk.machine.file(".cursor/mcp.json", format!(r#"{{"mcpServers":{{{}}}}}"#, servers.join(",")));
    let (folder, root) = (desk.path(folder), desk.path(ROOT));
    let report =
        desk.machine.scan(&["--policy", folder.to_str().unwrap(), "--trust-root", root.to_str().unwrap()]);
    let entries = report["entries"].as_array().unwrap();
    assert_eq!(entries.len(), names.len() + 1);
    for entry in entries {
        let expected = if entry["name"] == "fine-mcp" { "allow" } else { "deny" };
        assert_eq!(entry["judged"]["verdict"], expected, "{entry}");
    }
}

/// Each way in which a head gets lost.
fn ways() -> [fn(&Desk); 4] {
    [
        |desk| desk.edit("site/head.json", |whole| whole[..whole.len() / 2].to_owned()),
        |desk| fs::remove_file(desk.path("site/head.json")).unwrap(),
        |desk| desk.edit("site/head.json", |whole| whole.replace("\"sig\":\"", "\"sig\":\"AAAA")),
        |desk| drop(desk.machine.file("site/head.json", "x".repeat(100_000))),
    ]
}

#[test]
fn a_lost_head_is_told_with_one_command_which_mends_it_and_keeps_every_denial() {
    for lose in ways() {
        let desk = with_two_denials();
        lose(&desk);
        // The file of a laptop on which nothing was published before knows no number.
        fs::remove_file(desk.path("repo/signed/head.default.json")).unwrap();
        let site = desk.path("site");
        let told = refused(&desk, &order("site", "npm:third-mcp", &[]));
        assert_eq!(told.lines().count(), 1, "{told}");
        assert_eq!(refused(&desk, &refresh("site", &[])), told);
        let check = run(&desk, &["check", "repo", "--site", "site"]);
        assert!((text(&check.stdout) + &text(&check.stderr)).contains("--head-sequence"), "{check:?}");
        let command =
            format!("mcpolicy policy publish --refresh --to {} --head-sequence 1000000", site.display());
        assert!(told.contains(&command) && told.contains("policy 1 and revocations 2"), "{told}");
        let arguments: Vec<&str> = command.split(' ').skip(2).chain(["repo"]).chain(ONLINE).collect();
        let said = done(&desk, &arguments);
        assert!(said.contains("policy 1, revocations 2, head 1000000"), "{said}");
        assert_eq!(list_of(&desk, "site"), Some(2));
        denies(&desk, "site", &DENIED);
        let said = revoke(&desk, "site", "npm:third-mcp", &[]);
        assert!(said.contains("revocations 3 with 3 lines, head 1000001"), "{said}");
    }
}

#[test]
fn an_emergency_goes_on_from_the_newest_list_where_the_head_is_lost() {
    for lose in ways() {
        let desk = with_two_denials();
        lose(&desk);
        let said = revoke(&desk, "site", "npm:third-mcp", &["--head-sequence", "50"]);
        assert!(said.contains("revocations 3 with 3 lines, head 50"), "{said}");
        assert_eq!(list_of(&desk, "site"), Some(3));
        denies(&desk, "site", &[DENIED[0], DENIED[1], "third-mcp"]);
    }
}

#[test]
fn a_newer_policy_published_over_a_lost_head_keeps_every_denial() {
    let desk = with_two_denials();
    fs::remove_file(desk.path("site/head.json")).unwrap();
    let keys = ["--key", "repo-keys/policy-1.pem", "--key", "repo-keys/policy-2.pem"];
    done(&desk, &[&["sign", "repo", "--new"], &keys[..]].concat());
    let publish = [&["publish", "repo", "--skip-tests", "--to", "site"], &ONLINE[..]].concat();
    assert!(refused(&desk, &publish).contains("--head-sequence"));
    let said = done(&desk, &[&publish[..], &["--head-sequence", "50"]].concat());
    assert!(said.contains("policy 2, revocations 2, head 50"), "{said}");
    denies(&desk, "site", &DENIED);
}

#[test]
fn no_older_document_slips_in_for_a_damaged_newest_where_the_head_is_lost() {
    let desk = with_two_denials();
    fs::remove_file(desk.path("site/head.json")).unwrap();
    let whole = read(&desk.path("site/revocations.2.json"));
    desk.machine.file("site/revocations.2.json", &whole[..whole.len() / 2]);
    let number = ["--head-sequence", "50"];
    for told in
        [refused(&desk, &order("site", "npm:third-mcp", &number)), refused(&desk, &refresh("site", &number))]
    {
        assert!(told.contains("revocations.2.json") && told.contains("restore it"), "{told}");
    }
    desk.machine.file("site/revocations.2.json", whole);
    desk.edit("site/policy.1.json", |whole| whole[..whole.len() / 2].to_owned());
    let told = refused(&desk, &order("site", "npm:third-mcp", &number));
    assert!(told.contains("policy.1.json") && told.contains("restore it"), "{told}");
}

#[test]
fn a_number_given_for_a_head_is_above_all_that_is_known_and_no_leap() {
    let desk = with_two_denials();
    let told = refused(&desk, &refresh("site", &["--head-sequence", "4"]));
    assert!(told.contains("give 5 or more"), "{told}");
    fs::remove_file(desk.path("site/head.json")).unwrap();
    // What the repository remembers counts as well.
    let told = refused(&desk, &refresh("site", &["--head-sequence", "4"]));
    assert!(told.contains("give 5 or more"), "{told}");
    let told = refused(&desk, &refresh("site", &["--head-sequence", "9007199254740991"]));
    assert!(told.contains("leaps too far"), "{told}");
    assert!(done(&desk, &refresh("site", &["--head-sequence", "5"])).contains("revocations 2, head 5"));
}

#[test]
fn a_head_that_names_no_list_or_an_older_one_is_told_and_the_next_names_the_newest() {
    let desk = with_two_denials();
    let newest = read(&desk.path("site/head.json"));
    let lists = ["revocations.1.json", "revocations.1.body", "revocations.2.json", "revocations.2.body"];
    let aside = |name: &str| (desk.path("site").join(name), desk.path(name));
    // A head that was published while the lists were elsewhere, as earlier versions did without a word.
    for name in lists {
        let (there, here) = aside(name);
        fs::rename(there, here).unwrap();
    }
    fs::remove_file(desk.path("site/head.json")).unwrap();
    fs::remove_file(desk.path("repo/signed/head.default.json")).unwrap();
    done(&desk, &refresh("site", &["--head-sequence", "40"]));
    assert_eq!(list_of(&desk, "site"), None);
    for name in lists {
        let (there, here) = aside(name);
        fs::rename(here, there).unwrap();
    }
    let told = done(&desk, &["verify", "site", "--trust-root", ROOT]);
    assert!(told.contains("no revocations, although revocations.2.json lies beside it"), "{told}");
    let said = done(&desk, &refresh("site", &[]));
    assert!(said.contains("revocations 2, head 41"), "{said}");
    denies(&desk, "site", &DENIED);
    let told = done(&desk, &["verify", "site", "--trust-root", ROOT]);
    assert!(told.contains("revocations 2 with 2 lines") && !told.contains("warning"), "{told}");
    assert!(newest != read(&desk.path("site/head.json")));
}

#[test]
fn a_new_folder_does_not_begin_without_the_denials_of_the_one_before() {
    let desk = with_two_denials();
    let publish = [&["publish", "repo", "--skip-tests", "--to", "new"], &ONLINE[..]].concat();
    let told = refused(&desk, &publish);
    assert!(told.contains("copy revocations.2.json and revocations.2.body"), "{told}");
    assert!(!desk.path("new/head.json").exists());
    fs::create_dir_all(desk.path("new")).unwrap();
    for name in ["revocations.2.json", "revocations.2.body"] {
        fs::copy(desk.path("site").join(name), desk.path("new").join(name)).unwrap();
    }
    // With documents and no head it is a folder that has lost it; the proposed number is above the recorded one.
    assert!(refused(&desk, &publish).contains("`mcpolicy policy publish --to"));
    let said = done(&desk, &[&publish[..], &["--head-sequence", "1000000"]].concat());
    assert!(said.contains("policy 1, revocations 2, head 1000000"), "{said}");
    denies(&desk, "new", &DENIED);
    // Another fleet has its own emergencies.
    let other = [&publish[..4], &["other", "--channel", "pilot"], &ONLINE[..]].concat();
    assert!(done(&desk, &other).contains("revocations none, head 1"));
}

#[test]
fn runbook_a_fleet_goes_on_by_new_floors_where_nobody_has_the_list_any_more() {
    let desk = crate::policy_desk::published();
    let order =
        |to| [&["revoke", "--user", "eve", "--reason", "left", "--to", to], &EMERGENCY[..], &ONLINE].concat();
    desk.ok(&order("site"));
    desk.ok(&refresh("site", &[]));
    let later = "2026-11-22T12:00:00Z";
    let publish = [&["publish", "repo", "--to", "new"], &ONLINE[..]].concat();
    assert!(desk.refused(&publish).contains("lacks the emergency list 1"));
    let root = ["--key", "repo-keys/root-1.pem", "--key", "repo-keys/root-2.pem"];
    desk.ok_at(later, &[&["rotate", "repo", "--reset", "50,1,10"], &root[..]].concat());
    assert!(desk.ok_at(later, &publish).contains("revocations none, head 50"));
    assert!(desk.ok_at(later, &order("new")).contains("revocations 10 with 1 line, head 51"));
}

/// Machines at the newer head would take neither list nor head, and the next denial would reach nobody.
#[test]
fn a_folder_out_of_a_backup_from_before_an_emergency_is_not_gone_on_with() {
    let desk = with_two_denials();
    let copy = |from: &str, to: &str| {
        let _ = fs::remove_dir_all(desk.path(to));
        fs::create_dir(desk.path(to)).unwrap();
        for file in fs::read_dir(desk.path(from)).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), desk.path(to).join(file.file_name())).unwrap();
        }
    };
    copy("site", "backup");
    let said = revoke(&desk, "site", "npm:third-mcp", &[]);
    assert!(said.contains("--repository") && said.contains("signed/head.default.json"), "{said}");
    let said = revoke(&desk, "site", "npm:fourth-mcp", &["--repository", "repo"]);
    assert!(said.contains("revocations 4") && !said.contains("warning"), "{said}");
    let check = ["check", "repo", "--site", "site"];
    assert!(!text(&run(&desk, &check).stderr).contains("backup"));
    copy("backup", "site");
    let lacks = "lacks the emergency list 4";
    assert!(refused(&desk, &refresh("site", &[])).contains(lacks));
    assert!(refused(&desk, &order("site", "npm:fifth-mcp", &["--repository", "repo"])).contains(lacks));
    assert!(refused(&desk, &check).contains(lacks));
    let elsewhere = ["revoke", "--renew", "--to", "site", "--repository", "nowhere"];
    assert!(refused(&desk, &elsewhere).contains("no policy.toml"));
}

#[test]
fn the_repository_of_another_policy_does_not_remember_the_head_of_this_one() {
    let desk = with_two_denials();
    let other = crate::policy_desk::published();
    let repository = other.path("repo").to_str().unwrap().to_owned();
    let named = order("site", "npm:third-mcp", &["--repository", &repository]);
    assert!(refused(&desk, &named).contains("shares no root"));
    let before = fs::read(other.path("repo/signed/head.default.json")).unwrap();
    let site = desk.path("site").to_str().unwrap().to_owned();
    let key = |name: &str| desk.path(&format!("repo-keys/{name}-1.pem")).to_str().unwrap().to_owned();
    let (emergency, online) = (key("emergency"), key("online"));
    let mut order = order(&site, "npm:third-mcp", &[]);
    for (path, own) in [(&emergency, EMERGENCY[1]), (&online, ONLINE[1])] {
        let at = order.iter().position(|word| *word == own).unwrap();
        order[at] = path;
    }
    let inside = other.path("repo");
    let output = mcpolicy_tests::run(crate::BINARY.as_ref(), &inside, &[&["policy"], &order[..]].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("no repository is at hand"), "{said}");
    assert_eq!(fs::read(other.path("repo/signed/head.default.json")).unwrap(), before);
}

#[test]
fn a_new_folder_of_a_channel_without_denials_goes_on_with_its_numbers_and_says_so() {
    let desk = crate::policy_desk::published();
    let publish = ["publish", "repo", "--to", "new", "--key", "repo-keys/online-1.pem"];
    // `revoke` works on the folder alone: what it denied since, the repository does not know
    let said = desk.refused(&publish);
    assert!(said.contains("all that was revoked since") && said.contains("--without-revocations"), "{said}");
    assert!(!desk.path("new").exists());
    let said = desk.ok(&[&publish[..], &["--without-revocations"]].concat());
    assert!(
        said.contains("head 2") && said.contains("warning: channel default was published before"),
        "{said}"
    );
    // A record that our keys have not signed is not believed.
    desk.edit("repo/signed/head.default.json", |text| text.replace("\"sig\":\"", "\"sig\":\"AAAA"));
    let said = desk.ok(&["publish", "repo", "--to", "third", "--key", "repo-keys/online-1.pem"]);
    assert!(said.contains("head 1 ") && !said.contains("warning"), "{said}");
}

/// A denial by the id of a rule denies what that rule admits: by another rule the same server would be allowed again.
#[test]
fn a_denial_by_the_id_of_a_rule_is_not_lost_by_a_rule_of_another_name() {
    let desk = Desk { machine: TestMachine::new(crate::BINARY) };
    let rule = |id: &str, versions: &str| {
        format!(
            "\n[[rule]]\nid = \"{id}\"\nidentity.npm = {{ package = \"own-mcp\", versions = \"{versions}\" }}\n"
        )
    };
    let keys = ["--key", "repo-keys/policy-1.pem", "--key", "repo-keys/policy-2.pem"];
    let sign = || done(&desk, &[&["sign", "repo", "--new"], &keys[..]].concat());
    let publish = [&["publish", "repo", "--skip-tests", "--to", "site"], &ONLINE[..]].concat();
    done(&desk, &["init", "repo", "--no-passphrase"]);
    let before = read(&desk.path("repo/policy.toml"));
    desk.machine
        .file("repo/policy.toml", format!("{before}{}{}", rule("own", "1.0.0"), rule("same", "1.0.0")));
    sign();
    done(&desk, &publish);
    let revoked = done(&desk, &order_of_rule("own"));
    assert!(revoked.contains("same of the published policy admits the same server"), "{revoked}");
    let revoked = done(&desk, &order_of_rule("same"));
    assert!(!revoked.contains("admits the same server"), "{revoked}");
    // renamed, or another beside it
    for with in [rule("own2", "1.0.0"), rule("own", "1.0.0") + &rule("wide", "*")] {
        desk.machine.file("repo/policy.toml", format!("{before}{with}"));
        sign();
        let told = refused(&desk, &publish);
        assert!(told.contains("denies own by its id") && told.contains("--allow-again"), "{told}");
    }
    // the mended version, and the same rule
    desk.machine
        .file("repo/policy.toml", format!("{before}{}{}", rule("own", "1.0.0"), rule("mended", "1.0.1")));
    sign();
    done(&desk, &publish);
    // also where the rule was gone in between, or the next version is beside the old one
    for versions in ["1.0.0", ">=1.0.0 <1.2.0", "1.0.0 || 1.0.2"] {
        desk.machine.file("repo/policy.toml", format!("{before}{}", rule("later", versions)));
        sign();
        let told = refused(&desk, &publish);
        assert!(told.contains("denies own by its id (line revocation-1)"), "{told}");
    }
    done(
        &desk,
        &[&publish[..], &["--allow-again", "revocation-1", "--allow-again", "revocation-2"]].concat(),
    );
    // spelt otherwise, or by a command line; and by nothing at all, where the default allows
    let opaque = "\n[[rule]]\nid = \"line\"\nidentity.opaque = { argv = [\"npx\", \"-y\", \"own-mcp\"] }\n";
    for with in [rule("later2", "v1.0.0"), rule("later3", "1.0.0+b"), opaque.to_owned()] {
        desk.machine.file("repo/policy.toml", format!("{before}{with}"));
        sign();
        let told = refused(&desk, &publish);
        assert!(told.contains("denies own by its id (line revocation-1)"), "{with}: {told}");
    }
    desk.machine.file("repo/policy.toml", before.replacen("default = \"deny\"", "default = \"allow\"", 1));
    sign();
    let told = refused(&desk, &publish);
    assert!(told.contains("this policy has default = \"allow\""), "{told}");
    // a ring that there is not
    desk.machine.file("repo/policy.toml", format!("{before}{}", rule("own", "1.0.0")));
    sign();
    let told = refused(&desk, &[&publish[..], &["--ring", "pilt"]].concat());
    assert!(told.contains("no ring pilt"), "{told}");
    // denied by what it is, so that the name of the rule does not count
    revoke(&desk, "site", "npm:own-mcp", &[]);
    desk.machine.file("repo/policy.toml", format!("{before}{}", rule("own3", "1.0.0")));
    sign();
    done(&desk, &publish);
}

/// Machines that have the newer policy take no head that names the older one.
#[test]
fn an_emergency_in_a_folder_out_of_a_backup_names_the_newest_policy_once_that_is_there_again() {
    let desk = Desk { machine: TestMachine::new(crate::BINARY) };
    done(&desk, &["init", "repo", "--no-passphrase"]);
    let sign =
        ["sign", "repo", "--new", "--key", "repo-keys/policy-1.pem", "--key", "repo-keys/policy-2.pem"];
    let publish = [&["publish", "repo", "--skip-tests", "--to", "site"], &ONLINE[..]].concat();
    done(&desk, &sign);
    done(&desk, &publish);
    let backup = fs::read(desk.path("site/head.json")).unwrap();
    done(&desk, &sign);
    done(&desk, &publish);
    fs::write(desk.path("site/head.json"), backup).unwrap();
    for file in ["policy.2.json", "policy.2.body"] {
        fs::remove_file(desk.path(&format!("site/{file}"))).unwrap();
    }
    let more = ["--repository", "repo"];
    let told = refused(&desk, &order("site", "npm:q", &more));
    assert!(told.contains("lacks policy 2") && told.contains("copy policy.2.json"), "{told}");
    for file in ["policy.2.json", "policy.2.body"] {
        fs::copy(desk.path(&format!("repo/signed/{file}")), desk.path(&format!("site/{file}"))).unwrap();
    }
    revoke(&desk, "site", "npm:q", &more);
    let verified = report_of(&run(&desk, &["verify", "site", "--trust-root", ROOT, "--json"]));
    assert_eq!(
        (&verified["policy"]["sequence"], &verified["revocations"]),
        (&2.into(), &1.into()),
        "{verified}"
    );
}

/// The emergency for the laboratory went out for the other fleet, and that one's folder was refused from then on.
#[test]
fn a_lost_head_of_one_of_several_channels_is_made_anew_for_that_channel() {
    let desk = with_two_denials();
    let body = [
        &["publish", "repo", "--skip-tests", "--to", "lab", "--channel", "lab", "--without-revocations"],
        &ONLINE[..],
    ];
    done(&desk, &body.concat());
    fs::remove_file(desk.path("lab/head.json")).unwrap();
    let more = ["--repository", "repo", "--head-sequence", "1000000"];
    let told = refused(&desk, &order("lab", "npm:q", &more));
    assert!(told.contains("several channels (default, lab)") && told.contains("--channel"), "{told}");
    assert!(refused(&desk, &refresh("lab", &["--head-sequence", "1000000"])).contains("several channels"));
    revoke(&desk, "lab", "npm:q", &[&more[..], &["--channel", "lab"]].concat());
    done(&desk, &["verify", "lab", "--trust-root", ROOT, "--channel", "lab"]);
    done(&desk, &refresh("site", &[]));
    revoke(&desk, "site", "npm:q", &["--repository", "repo"]);
}

fn order_of_rule(id: &str) -> Vec<&str> {
    [&["revoke", id, "--reason", "stolen", "--to", "site"], &EMERGENCY[..], &ONLINE].concat()
}
