//! A fleet through an outage, in simulated time: how many ask at once when a receiver is back.

#[path = "../../examples/fleet/simulation.rs"]
mod simulation;

use std::time::Duration;

use simulation::Scenario;

#[tokio::test(start_paused = true)]
async fn after_an_outage_of_an_hour_a_fleet_asks_at_most_twice_as_often_as_ever_and_loses_nothing() {
    let scenario = Scenario::outage_of_an_hour(2_000);
    let seen = simulation::run(scenario).await;
    let steady = seen.mean(Duration::from_secs(3600), scenario.down);
    let peak = seen.peak(scenario.up, scenario.end) as f64;
    assert!(steady > 100.0 && peak <= 2.0 * steady, "steady {steady:.0}, peak {peak:.0} a minute");
    // as in any quarter of an hour: by chance some minutes have more heartbeats than others
    let after = seen.mean(scenario.end - Duration::from_secs(3600), scenario.end);
    assert!((after / steady - 1.0).abs() < 0.1, "steady {steady:.0}, two hours after {after:.0}");
    // what was made in the last minutes may be under way
    assert!(seen.records <= seen.made && seen.made - seen.records < 20, "{} of {}", seen.records, seen.made);
}
