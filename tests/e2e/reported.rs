//! What the running agent reports: records in the spool, for whoever ships them.

use std::time::{Duration, Instant};

use mcpolicy_schema::report::v1::{Body, Class, PolicyInForce, Record};
use mcpolicy_spool::{Cursor, Reader};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::actions::both;
use crate::enforce::{Site, npx, own, policy, rule};
use crate::run::{Daemon, put, servers};
use crate::told::status_with;

/// Settings that want a spool.
pub(crate) fn with_spool(site: &Site) -> String {
    let settings = site.machine.root().join("agent.toml");
    let text = "schema = \"mcpolicy/agent/v1\"\n[device]\nid = \"laptop-1\"\n[report]\nspool = true\n";
    std::fs::write(&settings, text).unwrap();
    if let Some(uid) = site.run_by {
        own(uid, &settings);
    }
    settings.to_str().unwrap().to_owned()
}

/// All records of a class, in order, with their chain held against them.
pub(crate) fn records(site: &Site, class: Class) -> Vec<Record> {
    let reader = Reader::open(&site.folder("state").join("ship/spool"));
    let (mut cursor, mut all) = (Cursor::default(), Vec::new());
    let mut prev = "0".repeat(64);
    loop {
        let batch = reader.batch(class, &cursor, 500, 900_000).unwrap();
        if batch.lines.is_empty() {
            return all;
        }
        for line in &batch.lines {
            let record: Record = serde_json::from_slice(&line.json).unwrap();
            assert_eq!((record.chain.seq, &record.chain.prev), (all.len() as u64 + 1, &prev));
            prev = Sha256::digest(&line.json).iter().map(|byte| format!("{byte:02x}")).collect();
            all.push(record);
        }
        cursor = batch.next;
    }
}

/// Waits until the spool holds something.
pub(crate) fn wait(site: &Site, class: Class, is_there: impl Fn(&Record) -> bool) -> Vec<Record> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let found = records(site, class);
        if found.iter().any(&is_there) {
            return found;
        }
        let kinds: Vec<&Body> = found.iter().map(|record| &record.body).collect();
        assert!(Instant::now() < end, "{kinds:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn quarantines(records: &[Record]) -> Vec<(&str, &str, Option<u64>)> {
    let actions = records.iter().filter_map(|record| match &record.body {
        Body::Action(action) => Some((&*action.server, &*action.outcome, action.journal)),
        _ => None,
    });
    actions.collect()
}

#[test]
fn what_is_found_and_done_is_reported_in_order_once_and_outlasts_a_kill() {
    both(|site| {
        let settings = with_spool(site);
        site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        put(site, ".cursor/mcp.json", &servers("mcpServers"));
        put(site, ".codeium/windsurf/mcp_config.json", "{ broken");
        let (daemon, _) = Daemon::start_with(site, &["--settings", &settings]);
        let told = wait(site, Class::Violation, |record| matches!(record.body, Body::Action(_)));
        assert_eq!(quarantines(&told).first().map(|told| (told.0, told.1)), Some(("evil", "applied")));
        let Some(Body::Action(action)) =
            told.iter().map(|record| &record.body).find(|body| matches!(body, Body::Action(_)))
        else {
            panic!("no action")
        };
        assert_eq!(
            (action.layer.as_str(), action.identity.as_ref().map(|identity| identity.kind.as_str())),
            ("watch", Some("npm"))
        );
        assert!(told.iter().all(|record| record.device.id == "laptop-1" && record.class == Class::Violation));
        // an inventory after what was found, and a heartbeat
        let state = wait(site, Class::State, |record| matches!(&record.body, Body::Entry { .. }));
        assert!(state.iter().any(|record| matches!(&record.body, Body::Heartbeat(posture) if posture.mode.as_deref() == Some("enforce"))));
        let Some(Body::Inventory(head)) =
            state.iter().map(|record| &record.body).find(|body| matches!(body, Body::Inventory(_)))
        else {
            panic!("no inventory")
        };
        assert!(head.summary.entries >= 1 && head.policy.as_ref().is_some_and(|policy| policy.signed));
        let ends = |policy: &PolicyInForce| {
            policy.expires.is_some() && policy.root_expires.is_some() && policy.stale_at.is_some()
        };
        assert!(head.policy.as_ref().is_some_and(ends), "{:?}", head.policy);
        let of_it =
            |body: &Body| matches!(body, Body::Entry { .. } | Body::Finding { .. } | Body::Coverage { .. });
        let state = wait(
            site,
            Class::State,
            |record| matches!(&record.body, Body::Finding { finding, .. } if finding.code == "unparseable-config"),
        );
        assert_eq!(head.records, state.iter().filter(|record| of_it(&record.body)).count() as u64);
        let coverage = state.iter().filter(|record| matches!(record.body, Body::Coverage { .. })).count();
        assert_eq!((head.cause.as_str(), head.summary.gaps), ("start", coverage as u64));
        let said = status_with(site, 12);
        assert!(said["spool"]["records"].as_u64().unwrap() >= 3, "{said}");
        // killed, another attack, started again: nothing twice, nothing missing
        drop(daemon);
        put(site, ".cursor/mcp.json", &servers("mcpServers").replace("evil", "other"));
        let (daemon, _) = Daemon::start_with(site, &["--settings", &settings]);
        let told = wait(
            site,
            Class::Violation,
            |record| matches!(&record.body, Body::Action(action) if action.server == "other"),
        );
        let mut numbers: Vec<Option<u64>> = quarantines(&told).iter().map(|told| told.2).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!((numbers.len(), count), (2, 2), "{told:?}");
        assert!(
            told.iter().any(|record| matches!(&record.body, Body::Event(event) if event.code == "agent-gap"))
        );
        assert_eq!(daemon.stop(), Some(0));
    });
}

#[test]
fn a_policy_that_lets_only_outcomes_out_keeps_names_and_paths_on_the_machine() {
    both(|site| {
        let settings = with_spool(site);
        let rules = json!([rule("@acme/good")]);
        site.publish(&policy(&json!({"privacy": "outcomes", "mode": "observe"}), &rules));
        let text = json!({"mcpServers": {"my-own-name": npx("evil@1.0.0")}}).to_string();
        put(site, ".cursor/mcp.json", &text);
        let (daemon, _) = Daemon::start_with(site, &["--settings", &settings]);
        let told = wait(site, Class::Violation, |record| matches!(record.body, Body::Action(_)));
        assert_eq!(quarantines(&told).first().map(|told| told.1), Some("would"));
        wait(site, Class::State, |record| matches!(record.body, Body::Entry { .. }));
        let all: Vec<Value> = [Class::Violation, Class::Event, Class::State]
            .iter()
            .flat_map(|class| records(site, *class))
            .map(|record| serde_json::to_value(record).unwrap())
            .collect();
        let text = serde_json::to_string(&all).unwrap();
        assert!(!text.contains("my-own-name") && !text.contains(".cursor/mcp.json"), "{text}");
        assert!(all.iter().all(|record| record["privacy"] == "outcomes"));
        assert_eq!(daemon.stop(), Some(0));
    });
}
