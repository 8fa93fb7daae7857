//! For whom a published policy is: the ring that its head names, and the channel of its fleet. And what comes back when a
//! clock that was wrong is right again.

use mcpolicy_tests::report_of;
use mcpolicy_tests::signing::{at, current, publish_as};
use serde_json::{Value, json};

use crate::enforce::{Site, npx, policy, rule};

/// A machine with the servers `good` and `bad` of one user.
fn site() -> Site {
    let site = Site::new();
    let servers = json!({"mcpServers": {"good": npx("good@1.0.0"), "bad": npx("bad@1.0.0")}});
    site.machine.file(".cursor/mcp.json", servers.to_string());
    site
}

fn with_rings(rules: &Value) -> Value {
    let mut body = policy(&json!({}), rules);
    body["ring"] = json!([{"name": "pilot", "devices": ["p1"]}, {"name": "rest", "percent": 100}]);
    body
}

/// Publishes for one ring of a channel.
fn offer(site: &Site, sequence: u64, body: &Value, ring: Option<&str>, channel: &str, list: Option<&Value>) {
    let issued = at(i64::try_from(sequence).unwrap());
    publish_as(&site.folder("published"), sequence, issued, body, list, &|head| {
        head.ring = ring.map(str::to_owned);
        head.channel = channel.to_owned();
    });
}

/// A pass over a device: exit code, report and errors.
fn pass(site: &Site, hour: i64, more: &[&str]) -> (Option<i32>, Value, String) {
    let (published, root) = (site.folder("published"), site.folder("published/root.1.json"));
    let now = (at(hour) + jiff::SignedDuration::from_mins(5)).to_string();
    let of = ["--policy", published.to_str().unwrap(), "--trust-root", root.to_str().unwrap(), "--now", &now];
    let output = site.run(&[&["enforce", "--once", "--json"], &of[..], more].concat());
    let report = if output.stdout.is_empty() { Value::Null } else { report_of(&output) };
    (output.status.code(), report, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn names(site: &Site) -> Vec<String> {
    let file: Value = serde_json::from_str(&site.read(".cursor/mcp.json")).unwrap();
    file["mcpServers"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn a_policy_that_is_offered_to_a_ring_acts_in_that_ring_only_and_emergencies_everywhere() {
    for (device, takes_it) in [("p1", true), ("d1", false)] {
        let site = site();
        offer(&site, 1, &with_rings(&json!([rule("good"), rule("bad")])), None, "default", None);
        let device_id = ["--device-id", device];
        assert_eq!(pass(&site, 1, &device_id).0, Some(0));
        offer(&site, 2, &with_rings(&json!([rule("good")])), Some("pilot"), "default", None);
        for _ in 0..2 {
            let (code, report, _) = pass(&site, 2, &device_id);
            assert_eq!(code, Some(0), "{report}");
            assert_eq!(names(&site) == ["good"], takes_it, "{device}: {report}");
            assert_eq!(report["policy"]["sequence"], if takes_it { 2 } else { 1 });
            assert_eq!(report["notices"].to_string().contains("policy 1 goes on acting"), !takes_it);
        }
        let revoked =
            json!([{"id": "r", "revoked": {"identity": {"npm": {"package": "good"}}}, "reason": "stolen"}]);
        let list = json!({"schema": "mcpolicy/revocations/v1", "revocation": revoked});
        offer(&site, 3, &with_rings(&json!([rule("good")])), Some("pilot"), "default", Some(&list));
        let (_, report, _) = pass(&site, 3, &device_id);
        assert!(!names(&site).contains(&"good".to_owned()), "{device}: {report}");
        // and to all of them
        offer(&site, 4, &with_rings(&json!([rule("good")])), None, "default", Some(&list));
        let (_, report, _) = pass(&site, 4, &device_id);
        assert_eq!(report["policy"]["sequence"], 4, "{report}");
        assert!(!names(&site).contains(&"bad".to_owned()), "{device}: {report}");
    }
}

#[test]
fn a_machine_that_had_no_policy_takes_none_that_is_offered_to_another_ring() {
    let site = site();
    offer(&site, 1, &with_rings(&json!([rule("good")])), Some("pilot"), "default", None);
    let (code, _, said) = pass(&site, 1, &["--device-id", "d1"]);
    assert_eq!((code, names(&site).len()), (Some(2), 2), "{said}");
    assert!(said.contains("to the ring pilot only, and this machine is not in it"), "{said}");
    assert_eq!(pass(&site, 1, &["--device-id", "p1"]).0, Some(0));
    assert_eq!(names(&site), ["good"]);
}

/// A new laptop, an image or a runner has no policy of before.
#[test]
fn a_machine_without_state_outside_of_a_ring_acts_by_the_policy_that_the_head_names_for_it() {
    for (device, left) in [("p1", &["good"][..]), ("d1", &["bad"])] {
        let site = site();
        offer(&site, 1, &with_rings(&json!([rule("bad")])), None, "default", None);
        let of_others = std::fs::read(site.folder("published/policy.1.body")).unwrap();
        let body = with_rings(&json!([rule("good")]));
        publish_as(&site.folder("published"), 2, at(2), &body, None, &|head| {
            head.ring = Some("pilot".to_owned());
            head.elsewhere = Some(current(1, &of_others));
        });
        for hour in [3, 4] {
            let (code, report, said) = pass(&site, hour, &["--device-id", device]);
            assert_eq!(code, Some(0), "{said}");
            assert_eq!(names(&site), left, "{device}: {report}");
            assert_eq!(report["policy"]["sequence"], if device == "p1" { 2 } else { 1 }, "{report}");
        }
        // an emergency, and a relay that serves another policy in the place of the named one
        let revoked =
            json!([{"id": "r", "revoked": {"identity": {"npm": {"package": left[0]}}}, "reason": "stolen"}]);
        let list = json!({"schema": "mcpolicy/revocations/v1", "revocation": revoked});
        publish_as(&site.folder("published"), 3, at(5), &body, Some(&list), &|head| {
            head.ring = Some("pilot".to_owned());
            head.elsewhere = Some(current(1, &of_others));
        });
        assert_eq!(pass(&site, 6, &["--device-id", device]).0, Some(0));
        assert!(names(&site).is_empty(), "{device}");
        std::fs::copy(site.folder("published/policy.3.body"), site.folder("published/policy.1.body"))
            .unwrap();
        let (code, report, _) = pass(&site, 7, &["--device-id", device]);
        assert_eq!(code, Some(1), "{device}: {report}");
        assert!(
            report["notices"].to_string().contains("policy body for machines outside of the ring"),
            "{report}"
        );
    }
}

#[test]
fn a_floor_above_the_policy_of_all_others_is_told_and_takes_nothing_from_them() {
    let site = site();
    offer(&site, 1, &with_rings(&json!([rule("good"), rule("bad")])), None, "default", None);
    let of_others = std::fs::read(site.folder("published/policy.1.body")).unwrap();
    publish_as(&site.folder("published"), 2, at(2), &with_rings(&json!([])), None, &|head| {
        head.ring = Some("pilot".to_owned());
        head.elsewhere = Some(current(1, &of_others));
    });
    let text = "schema = \"mcpolicy/agent/v1\"\n[policy]\nmin_sequence = 2\n";
    let settings = site.machine.file("floor.toml", text);
    let floor = ["--device-id", "d1", "--settings", settings.to_str().unwrap()];
    let (code, _, said) = pass(&site, 3, &floor);
    assert_eq!((code, names(&site).len()), (Some(2), 2), "{said}");
    assert!(said.contains("is lower than the floor 2"), "{said}");
    assert_eq!(pass(&site, 3, &["--device-id", "d1"]).0, Some(0));
    let (code, report, _) = pass(&site, 4, &floor);
    assert_eq!((code, names(&site).len()), (Some(1), 2), "{report}");
}

/// What the newest policy says of its own end is nothing about the one that goes on acting.
#[test]
fn a_policy_that_has_ended_allows_nothing_new_where_a_newer_one_is_offered_to_a_ring() {
    let site = site();
    let late = 24 * 200;
    offer(&site, 1, &with_rings(&json!([rule("good"), rule("bad"), rule("new")])), None, "default", None);
    assert_eq!(pass(&site, 1, &["--device-id", "d1"]).0, Some(0));
    let body = with_rings(&json!([rule("good")]));
    publish_as(&site.folder("published"), 2, at(late), &body, None, &|head| {
        head.ring = Some("pilot".to_owned());
    });
    site.machine.file(".vscode/mcp.json", json!({"servers": {"new": npx("new@1.0.0")}}).to_string());
    site.machine
        .file(".kiro/settings/mcp.json", json!({"mcpServers": {"new": npx("new@1.0.0")}}).to_string());
    let (_, report, said) = pass(&site, late, &["--device-id", "d1"]);
    assert_eq!(
        (&report["policy"]["sequence"], &report["policy"]["staleness"]),
        (&json!(1), &json!("expired")),
        "{report} {said}"
    );
    assert!(report["notices"].to_string().contains("EXPIRED: policy 1 has ended"), "{report}");
    assert!(!site.read(".kiro/settings/mcp.json").contains("new@"), "{report}");
    assert_eq!(names(&site).len(), 2, "what was allowed before stays: {report}");
}

#[test]
fn a_machine_that_is_moved_to_another_channel_takes_its_documents_though_their_numbers_are_lower() {
    let site = site();
    offer(
        &site,
        5,
        &policy(&json!({}), &json!([rule("good"), rule("bad")])),
        None,
        "lab",
        Some(&json!({
            "schema": "mcpolicy/revocations/v1",
            "revocation": [{"id": "r", "revoked": {"identity": {"npm": {"package": "other"}}}, "reason": "x"}],
        })),
    );
    let lab = site.machine.file("lab.toml", "schema = \"mcpolicy/agent/v1\"\n[policy]\nchannel = \"lab\"\n");
    assert_eq!(pass(&site, 5, &["--settings", lab.to_str().unwrap()]).0, Some(0));
    assert_eq!(names(&site).len(), 2);
    std::fs::remove_dir_all(site.folder("published")).unwrap();
    offer(&site, 1, &policy(&json!({}), &json!([rule("good")])), None, "default", None);
    for hour in [6, 7] {
        let (code, report, said) = pass(&site, hour, &[]);
        assert_eq!((code, &report["policy"]["sequence"]), (Some(0), &json!(1)), "{report} {said}");
        assert_eq!(names(&site), ["good"]);
    }
    // within the channel an older head is refused as ever
    offer(&site, 2, &policy(&json!({}), &json!([])), None, "default", None);
    assert_eq!(pass(&site, 8, &[]).0, Some(0));
    std::fs::remove_dir_all(site.folder("published")).unwrap();
    offer(&site, 1, &policy(&json!({}), &json!([rule("good")])), None, "default", None);
    assert_eq!(pass(&site, 9, &[]).1["policy"]["sequence"], 2);
}

/// One root signs for two fleets, of which one is a laboratory that allows anything.
#[test]
fn the_folder_of_another_channel_is_refused_and_what_was_in_force_stays() {
    let site = site();
    offer(&site, 1, &policy(&json!({}), &json!([rule("good")])), None, "default", None);
    assert_eq!(pass(&site, 1, &[]).0, Some(0));
    let lax = policy(&json!({"default": "allow", "mode": "observe"}), &json!([]));
    offer(&site, 2, &lax, None, "lab", None);
    site.machine.file(".cursor/mcp.json", json!({"mcpServers": {"bad": npx("bad@1.0.0")}}).to_string());
    let (code, report, _) = pass(&site, 2, &[]);
    assert_eq!((code, &report["policy"]["sequence"]), (Some(1), &json!(1)), "{report}");
    assert!(report["notices"].to_string().contains("it is for the channel"), "{report}");
    assert!(names(&site).is_empty());
    let root = site.machine.root();
    let scan = |more: &[&str]| {
        let (published, pinned) = (site.folder("published"), site.folder("published/root.1.json"));
        let of = [
            "scan",
            "--root",
            root.to_str().unwrap(),
            "--policy",
            published.to_str().unwrap(),
            "--trust-root",
            pinned.to_str().unwrap(),
            "--format",
            "json",
        ];
        let output = site.machine.run(&[&of[..], more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = scan(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("it is for the channel \"lab\", this machine is on \"default\""), "{said}");
    let (_, said) = scan(&["--channel", "lab"]);
    assert!(!said.contains("channel"), "{said}");
    let other =
        site.machine.file("agent.toml", "schema = \"mcpolicy/agent/v1\"\n[policy]\nchannel = \"lab\"\n");
    let (_, report, _) = pass(&site, 3, &["--settings", other.to_str().unwrap()]);
    assert_eq!(report["policy"]["sequence"], 2, "{report}");
}

/// One boot with a clock that is weeks ahead ends an approval; a newer head tells that it was wrong.
#[test]
fn what_a_wrong_clock_has_ended_comes_back_with_the_right_one() {
    let site = site();
    let mut bad = rule("bad");
    let day = (at(0) + jiff::SignedDuration::from_hours(24 * 10)).to_string();
    bad["remediation"] = json!({"what": "rotate the key", "deadline": &day[..10]});
    let body = policy(&json!({}), &json!([rule("good"), bad]));
    offer(&site, 1, &body, None, "default", None);
    assert_eq!(pass(&site, 1, &[]).0, Some(0));
    assert_eq!(names(&site).len(), 2);
    let (_, report, _) = pass(&site, 24 * 20, &[]);
    assert_eq!(names(&site), ["good"], "{report}");
    offer(&site, 2, &body, None, "default", None);
    let (_, report, _) = pass(&site, 2, &[]);
    assert!(report["notices"].to_string().contains("counts again"), "{report}");
    assert_eq!(names(&site).len(), 2, "{report}");
}
