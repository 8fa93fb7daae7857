//! Everything goes wrong at once: violations under load while the agent, the role that ships and the receiver are killed, come
//! back, break off and refuse. What was found arrives, whatever arrives twice is the same, and what is missing is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::enforce::{Site, npx, policy, rule};
use crate::run::{Daemon, put};
use crate::shipped::{Answer, Ship, Web, site, until};

/// Files that take turns: one that is fought over is acted on ever more slowly, from five times a minute on.
const FILES: &[&str] = &[
    ".cursor/mcp.json",
    ".aws/amazonq/mcp.json",
    ".codeium/windsurf/mcp_config.json",
    ".codeium/windsurf-next/mcp_config.json",
    ".codeium/windsurf-insiders/mcp_config.json",
    ".lmstudio/mcp.json",
    ".gemini/settings.json",
    ".qwen/settings.json",
    ".copilot/mcp-config.json",
    ".claude.json",
];
/// Between two violations.
const PAUSE: Duration = Duration::from_millis(1300);

/// Random numbers (splitmix64), the same in each run.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// Resident KiB and open files of a process.
fn size_of(pid: u32) -> (u64, usize) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    (kib, std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count))
}

/// Both roles of one machine.
struct Roles {
    site: Site,
    settings: std::path::PathBuf,
    daemon: Option<Daemon>,
    ship: Option<Ship>,
}

impl Roles {
    fn start(&mut self) {
        if self.daemon.is_none() {
            self.daemon = Some(Daemon::start_fetching(&self.site, &self.settings).0);
        }
        if self.ship.is_none() {
            self.ship = Some(Ship::start(&self.site, &self.settings));
        }
    }

    /// A denied server in a client's file; back when it was taken out.
    fn violate(&mut self, number: usize, name: &str) {
        let file = FILES[number % FILES.len()];
        let servers = json!({"mcpServers": {"good": npx("@acme/good@1.0.0"), name: npx("evil@1.0.0")}});
        put(&self.site, file, &servers.to_string());
        let path = self.site.machine.home().join(file);
        until(name, || !std::fs::read_to_string(&path).unwrap_or_default().contains(name));
    }
}

/// Makes violations for a time while things break, and notes the names of their servers.
fn storm(
    roles: &mut Roles,
    web: &Web,
    (time, kills): (Duration, bool),
    names: &mut Vec<String>,
    draw: &mut Draw,
) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        let name = format!("evil-{}", names.len());
        match draw.next(8) {
            // dropped is killed, in the middle of whatever it does
            0 if kills => roles.daemon = None,
            1 if kills => roles.ship = None,
            2 => web.answers(Answer::Status(503)),
            3 => web.answers(Answer::BreaksOffAfter),
            4 => web.answers(Answer::BreaksOffBefore),
            _ => web.answers(Answer::Status(200)),
        }
        roles.start();
        roles.violate(names.len(), &name);
        names.push(name);
        std::thread::sleep(PAUSE);
    }
}

/// Holds what arrived against what has to.
fn check(posted: &[Value], lines: &[String], names: &[String]) {
    // the same id is the same record
    let mut by_id: BTreeMap<String, &Value> = BTreeMap::new();
    for record in posted {
        let before = by_id.insert(record["id"].to_string(), record);
        assert!(before.is_none_or(|before| before == record), "{before:?} {record}");
    }
    let told: BTreeSet<&str> = by_id
        .values()
        .filter(|record| record["kind"] == "action" && record["outcome"] == "applied")
        .filter_map(|record| record["server"].as_str())
        .collect();
    let lost: Vec<&String> = names.iter().filter(|name| !told.contains(name.as_str())).collect();
    assert!(lost.is_empty(), "of {} violations these are lost: {lost:?}", names.len());
    // every number from 1 is there, and hangs on the one before
    let mut chains: BTreeMap<(String, String), BTreeMap<u64, &String>> = BTreeMap::new();
    for line in lines {
        let record: Value = serde_json::from_str(line).unwrap();
        let chain = &record["chain"];
        let key = (record["class"].to_string(), chain["epoch"].to_string());
        chains.entry(key).or_default().insert(chain["seq"].as_u64().unwrap(), line);
    }
    for (key, chain) in chains {
        let mut prev = "0".repeat(64);
        for (at, (seq, line)) in chain.into_iter().enumerate() {
            assert_eq!(seq, at as u64 + 1, "{key:?}");
            let record: Value = serde_json::from_str(line).unwrap();
            assert_eq!(record["chain"]["prev"], json!(prev), "{key:?} {seq}");
            prev = Sha256::digest(line.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        }
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // a line that a kill broke off stands alone, and is written again whole
    text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).map(str::to_owned).collect()
}

#[expect(clippy::print_stderr, reason = "numbers of a long run, for whoever reads its log")]
fn run(time: Duration, kills: bool, mut watch: impl FnMut(&Roles)) {
    let Some((mut site, web, settings)) = site() else { return };
    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    for file in FILES {
        put(&site, file, "{}");
    }
    let mut roles = Roles { site, settings, daemon: None, ship: None };
    roles.ship = Some(Ship::start(&roles.site, &roles.settings));
    let head = roles.site.folder("state/ship/inbox/head.json");
    until("a head in the inbox", || head.exists());
    roles.start();
    let (mut names, mut draw) = (Vec::new(), Draw(17));
    let end = Instant::now() + time;
    while Instant::now() < end {
        let slice = Duration::from_secs(30).min(end.saturating_duration_since(Instant::now()));
        storm(&mut roles, &web, (slice, kills), &mut names, &mut draw);
        watch(&roles);
    }
    web.answers(Answer::Status(200));
    // waits of before are forgotten by a start
    roles.ship = None;
    roles.start();
    let last = names.last().unwrap().clone();
    until("the last violation at the receiver", || {
        web.posted().iter().any(|record| record["server"] == json!(last))
    });
    let posted = web.posted();
    check(&posted, &lines(&roles.site.folder("records.ndjson")), &names);
    eprintln!("{} violations, {} records at the receiver, {} of them twice", names.len(), posted.len(), {
        let ids: BTreeSet<String> = posted.iter().map(|record| record["id"].to_string()).collect();
        posted.len() - ids.len()
    });
}

#[test]
fn under_kills_and_broken_connections_no_violation_is_lost_and_what_comes_twice_is_the_same() {
    run(Duration::from_secs(25), true, |_| {});
}

/// `MCPOLICY_SOAK_MINUTES`, 30 where it is not set. See tests/long/ship.sh.
#[test]
#[ignore = "takes half an hour: tests/long/ship.sh"]
fn over_half_an_hour_of_load_neither_memory_nor_open_files_grow() {
    let minutes =
        std::env::var("MCPOLICY_SOAK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let mut samples: Vec<[(u64, usize); 2]> = Vec::new();
    run(Duration::from_secs(minutes * 60), false, |roles| {
        let (daemon, ship) = (roles.daemon.as_ref().unwrap(), roles.ship.as_ref().unwrap());
        let sample = [size_of(daemon.child.id()), size_of(ship.0.id())];
        eprintln!(
            "run {} KiB, {} files; ship {} KiB, {} files",
            sample[0].0, sample[0].1, sample[1].0, sample[1].1
        );
        samples.push(sample);
    });
    let third = samples.len() / 3;
    for role in 0..2 {
        let most = |part: &[[(u64, usize); 2]]| {
            let of = part.iter().map(|sample| sample[role]);
            (of.clone().map(|one| one.0).max().unwrap(), of.map(|one| one.1).max().unwrap())
        };
        let (first, last) = (most(&samples[third..2 * third]), most(&samples[2 * third..]));
        assert!(
            last.0 <= first.0 + first.0 / 10 && last.1 <= first.1 + 4,
            "{role}: {first:?}, then {last:?}"
        );
    }
}
