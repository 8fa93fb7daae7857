//! Simulates a fleet through an outage, and draws what its receiver saw.
//!
//! `cargo run -p mcpolicy-ship --example fleet -- 10000 docs/images/fleet-outage.svg`

mod simulation;

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use simulation::{Scenario, Seen};

fn main() -> std::io::Result<()> {
    let mut words = std::env::args().skip(1);
    let agents = words.next().and_then(|word| word.parse().ok()).unwrap_or(10_000);
    let scenario = Scenario::outage_of_an_hour(agents);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let seen = runtime.block_on(simulation::run(scenario));
    let steady = seen.mean(Duration::from_secs(3600), scenario.down);
    let peak = seen.peak(scenario.up, scenario.end);
    let after = seen.mean(scenario.up + Duration::from_secs(3600), scenario.end);
    let mut out = std::io::stdout().lock();
    writeln!(out, "agents {agents}, records made {}, taken {}", seen.made, seen.records)?;
    writeln!(
        out,
        "requests a minute: steady {steady:.0}, peak of a minute after the outage {peak} ({:.2} of steady), an hour after it {after:.0}",
        peak as f64 / steady
    )?;
    match words.next() {
        Some(path) => std::fs::write(path, plot(&seen, scenario, steady)),
        None => Ok(()),
    }
}

/// Requests a minute over time.
fn plot(seen: &Seen, scenario: Scenario, steady: f64) -> String {
    let (width, height, left, bottom) = (720.0, 260.0, 60.0, 40.0);
    let most = (steady * 2.2).max(seen.peak(Duration::ZERO, scenario.end) as f64);
    let x = |minute: f64| left + minute / seen.minutes.len() as f64 * (width - left - 10.0);
    let y = |count: f64| height - bottom - count / most * (height - bottom - 20.0);
    let minute = |time: Duration| time.as_secs_f64() / 60.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let (from, until) = (x(minute(scenario.down)), x(minute(scenario.up)));
    let _ = writeln!(
        svg,
        "<rect x=\"{from:.1}\" y=\"20\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#fde0dd\"/><text x=\"{:.1}\" y=\"34\">receiver down</text>",
        until - from,
        height - bottom - 20.0,
        from + 4.0
    );
    for (count, name) in [(steady, "steady"), (steady * 2.0, "twice")] {
        let at = y(count);
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" x2=\"{width}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#999\" stroke-dasharray=\"4 3\"/>\
             <text x=\"4\" y=\"{:.1}\">{name} {count:.0}</text>",
            at + 4.0
        );
    }
    let points = seen
        .minutes
        .iter()
        .enumerate()
        .map(|(at, count)| format!("{:.1},{:.1}", x(at as f64), y(*count as f64)));
    let points = points.collect::<Vec<_>>().join(" ");
    let _ = writeln!(
        svg,
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"#2166ac\" stroke-width=\"1.5\"/>"
    );
    for hour in 0..=scenario.end.as_secs() / 3600 {
        let at = x(hour as f64 * 60.0);
        let _ = writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{hour} h</text>",
            height - 22.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">requests a minute, {} agents, heartbeat every {} min</text>\n</svg>",
        width / 2.0,
        height - 6.0,
        scenario.agents,
        scenario.heartbeat.as_secs() / 60
    );
    svg
}
