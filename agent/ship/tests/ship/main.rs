//! The network crate against receivers on loopback: strict ones, faulty ones, and such as are somebody else.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]

mod courses;
mod diagnosis;
mod faults;
mod fetching;
mod fleet;
mod mappings;
mod receiver;
mod receivers;
mod rsyslog;
mod syslog;
mod tree;
mod trust;

use std::time::Duration;

use mcpolicy_ship::clock::Clock;
use mcpolicy_ship::{Batch, Http, HttpSettings, Line, Pem, Place, ProxyChoice};
use receiver::Authority;

/// Tuesday, 14 November 2023, 22:13:20 UTC.
const NOW_MS: u64 = 1_700_000_000_000;

fn clock() -> Clock {
    Clock::new(|| NOW_MS)
}

/// Settings of a client that trusts an authority and waits no longer than a test may.
fn settings(authority: Option<&Authority>) -> HttpSettings {
    let pem = |authority: &Authority| Pem { name: "ca.pem".to_owned(), bytes: authority.pem().into_bytes() };
    HttpSettings {
        extra_cas: authority.map(pem).into_iter().collect(),
        proxy: ProxyChoice::None,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_millis(700),
        total_timeout: Duration::from_secs(10),
        ..HttpSettings::default()
    }
}

fn http(authority: Option<&Authority>) -> Http {
    Http::new(&settings(authority)).unwrap()
}

fn place(url: &str) -> Place {
    Place::parse(url).unwrap()
}

/// Lines of a class, numbered from 1.
fn batch(count: u64) -> Batch {
    let line = |seq: u64| {
        let id = format!("dev-1/event/e/{seq}");
        let json = format!(
            concat!(
                r#"{{"schema":"mcpolicy/report/v1","id":"{id}","class":"event","device":{{"id":"dev-1","hostname":"lap-1","os":"linux"}},"#,
                r#""agent":{{"name":"mcpolicy","version":"1.2.3"}},"chain":{{"epoch":"e","seq":{seq},"prev":"0"}},"#,
                r#""time":"2023-11-14T22:13:20Z","privacy":"full","kind":"event","code":"agent-start","detail":"it was started"}}"#
            ),
            id = id,
            seq = seq,
        );
        Line { id, class: "event".to_owned(), seq, time_ms: NOW_MS + seq, json: json.into_bytes() }
    };
    Batch::new("dev-1", (1..=count).map(line).collect(), false).unwrap()
}
