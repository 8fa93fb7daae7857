//! When a simulation is loud.

use std::str::FromStr;

use super::Simulation;

/// How many machines may lose an allowed server before a simulation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// More than so many.
    Machines(u64),
    /// More than such a share of all machines.
    Percent(u64),
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write a number of machines (25) or a share of them (10%)".to_owned();
        match text.strip_suffix('%') {
            Some(share) => match share.parse() {
                Ok(share @ 0..=100) => Ok(Self::Percent(share)),
                _ => Err(wrong()),
            },
            None => text.parse().map(Self::Machines).map_err(|_| wrong()),
        }
    }
}

/// What is said aloud, one line each; empty if nothing is above its limit. Without a threshold of the caller's, a tenth
/// of the machines and the policy's own `max_new_removals` are the limits.
pub fn alarms(simulation: &Simulation, threshold: Option<Threshold>) -> Vec<String> {
    let machines = simulation.fleet.machines;
    let change = &simulation.change;
    let lost = change.machines_losing_now;
    let mut alarms = Vec::new();
    let (above, limit) = match threshold.unwrap_or(Threshold::Percent(10)) {
        Threshold::Machines(most) => (lost > most, format!("{most}")),
        Threshold::Percent(share) => (lost * 100 > share * machines, format!("{share} %")),
    };
    if above {
        let share = (lost * 100).div_ceil(machines.max(1));
        alarms.push(format!(
            "{lost} of {machines} machines ({share} %) would lose a server that they may use now; the threshold is {limit}"
        ));
    }
    if threshold.is_none() && change.machines_holding > 0 {
        alarms.push(format!(
            "{} of {machines} machines would lose more than max_new_removals and keep the old policy; set acknowledge_breaking if that is meant",
            change.machines_holding
        ));
    }
    alarms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(machines: u64, lost: u64, holding: u64) -> Simulation {
        let mut simulation = Simulation::default();
        simulation.fleet.machines = machines;
        simulation.change.machines_newly_blocked = lost;
        simulation.change.machines_losing_now = lost;
        simulation.change.machines_holding = holding;
        simulation
    }

    #[test]
    fn a_tenth_of_the_machines_is_the_limit_unless_another_is_given() {
        assert!(alarms(&fleet(100, 10, 0), None).is_empty());
        assert_eq!(alarms(&fleet(100, 11, 0), None).len(), 1);
        assert!(alarms(&fleet(100, 11, 0), Some(Threshold::Percent(11))).is_empty());
        assert_eq!(alarms(&fleet(100, 1, 0), Some(Threshold::Machines(0))).len(), 1);
        assert!(alarms(&fleet(0, 0, 0), None).is_empty());
    }

    #[test]
    fn what_is_lost_only_once_it_is_enforced_is_no_alarm() {
        let mut simulation = fleet(100, 100, 0);
        simulation.change.machines_losing_now = 0;
        assert!(alarms(&simulation, None).is_empty());
        assert!(alarms(&simulation, Some(Threshold::Machines(0))).is_empty());
    }

    #[test]
    fn one_machine_that_would_hold_the_policy_is_told() {
        assert_eq!(alarms(&fleet(100, 1, 1), None).len(), 1);
        assert!(alarms(&fleet(100, 1, 1), Some(Threshold::Percent(10))).is_empty());
    }

    #[test]
    fn a_threshold_is_a_number_or_a_share() {
        assert_eq!("25".parse(), Ok(Threshold::Machines(25)));
        assert_eq!("0%".parse(), Ok(Threshold::Percent(0)));
        for wrong in ["", "%", "-1", "101%", "ten"] {
            assert!(wrong.parse::<Threshold>().is_err(), "{wrong}");
        }
    }
}
