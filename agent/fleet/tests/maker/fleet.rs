//! A whole fleet, the same each time, with the answers that its gates must give. They are counted from the plan in plain Rust, by
//! nothing that knows SQL.

use std::collections::{BTreeMap, BTreeSet};

use mcpolicy_schema::finding::Severity;
use mcpolicy_schema::report::v1::{self, Tier};

use super::machine::{DAY, Declared, Machine, START, report};

/// The moment at which the gates are asked: a Wednesday at noon.
pub const NOW: i64 = START + 9 * DAY + 12 * 3_600;
/// The days on which a machine tells its inventory.
const DAYS: [i64; 3] = [0, 8, 9];
/// Approved servers.
const CATALOGUE: usize = 30;

/// What the gates must say: per gate, subject and value.
pub type Key = BTreeMap<&'static str, BTreeMap<String, f64>>;

/// The plan of one machine: each declaration with the first and the last day on which it is there.
pub struct Plan {
    pub number: usize,
    pub id: String,
    pub team: String,
    pub owner: String,
    pub declared: Vec<(Declared, i64, i64)>,
}

impl Plan {
    /// Of one machine.
    pub fn of(number: usize) -> Self {
        let owner = owner(number);
        let mut declared: Vec<(Declared, i64, i64)> = (0..6)
            .map(|at| {
                let server = (number * 7 + at * 5) % CATALOGUE;
                (Declared::approved(&owner, &format!("npm:@acme/server-{server}")), 0, 9)
            })
            .collect();
        let mut add = |one: Declared, from: i64, to: i64| declared.push((one, from, to));
        let plain = |identity: &str| Declared::approved(&owner, identity);
        if number.is_multiple_of(5) {
            add(Declared { version: None, ..plain("npm:@acme/floating") }, 0, 9);
        }
        if number % 10 == 3 {
            add(Declared::unknown(&owner, "npm:rogue-tool"), 9, 9);
        }
        if number % 50 == 7 {
            let finding = Some(("impersonation", Severity::Critical));
            let one =
                Declared { server: "github".to_owned(), finding, ..Declared::unknown(&owner, "npm:githubb") };
            add(one, 8, 9);
        }
        if number % 4 == 1 {
            let secret = Some(("github-token-classic", format!("{number:016x}")));
            let finding = Some(("literal-secret", Severity::High));
            add(Declared { secret, finding, running: true, ..plain("npm:@acme/github") }, 0, 9);
        }
        if number % 40 == 11 {
            add(
                Declared {
                    finding: Some(("registry-override", Severity::High)),
                    argument: Some("--registry=https://mirror.example.com".to_owned()),
                    ..plain("npm:@acme/mirror")
                },
                0,
                9,
            );
        }
        for (at, identity) in [(2, "npm:@acme/drifting"), (4, "npm:@acme/ticketed")] {
            if number % 6 == at {
                let is_new = number % 12 == at;
                add(plain(identity), 0, if is_new { 7 } else { 9 });
                if is_new {
                    add(Declared { variant: 1, ..plain(identity) }, 8, 9);
                }
            }
        }
        let team = format!("team-{}", number % 8);
        Self { number, id: format!("laptop-{number:06}"), team, owner, declared }
    }

    /// Whether it was not heard since the first day.
    pub fn is_silent(&self) -> bool {
        self.number % 20 == 19
    }

    fn last_day(&self) -> i64 {
        if self.is_silent() { 0 } else { 9 }
    }

    /// When its inventory of a day was made.
    pub fn time(&self, day: i64) -> i64 {
        let hour = if self.is_at_night(day) { 2 } else { 9 };
        START + day * DAY + hour * 3_600 + (self.number % 3_600) as i64
    }

    fn is_at_night(&self, day: i64) -> bool {
        day == 9 && self.number % 20 == 3
    }

    fn on(&self, day: i64) -> impl Iterator<Item = &Declared> {
        self.declared.iter().filter(move |(_, from, to)| (*from..=*to).contains(&day)).map(|(one, _, _)| one)
    }

    fn current(&self) -> impl Iterator<Item = &Declared> {
        self.on(self.last_day())
    }

    fn taken(&self) -> Option<Declared> {
        (self.number % 25 == 9).then(|| Declared::unknown(&self.owner, "npm:bad"))
    }

    /// Taken out at once, so that no inventory ever has it: by its name an approved server.
    fn impostor(&self) -> Option<Declared> {
        let finding = Some(("impersonation", Severity::Critical));
        let one = Declared::unknown(&self.owner, "npm:gitlabb");
        (self.number % 50 == 33).then(|| Declared { server: "gitlab".to_owned(), finding, ..one })
    }

    /// Ended, and declared nowhere.
    fn undeclared(&self) -> Option<Declared> {
        (self.number % 70 == 22).then(|| Declared::unknown(&self.owner, "npm:by-flag"))
    }

    /// What is known of it on the last day from actions and events alone.
    fn gone_at_once(&self) -> impl Iterator<Item = Declared> {
        [self.taken(), self.impostor(), self.undeclared()].into_iter().flatten()
    }

    /// Whether it says of its policy what is not so: the highest sequence and the last end.
    fn is_liar(&self) -> bool {
        self.number == 21
    }

    /// Whether it tells of a time to come what nobody should take for the present.
    fn is_ahead(&self) -> bool {
        self.number % 60 == 7
    }

    /// The report of a scan on the last day.
    pub fn report(&self) -> v1::Report {
        let declared: Vec<Declared> = self.on(9).cloned().collect();
        report(&self.id, self.time(9), "machine", &declared)
    }

    /// The records that it has written until [`NOW`].
    pub fn machine(&self) -> Machine {
        let mut machine = Machine::new(&self.id, &self.team);
        (machine.policy_expires, machine.root_expires) = (Some(POLICY_ENDS), Some(ROOT_ENDS));
        machine.tier = if self.number.is_multiple_of(7) { Tier::Pseudonymous } else { Tier::Full };
        if self.number % 15 == 4 {
            (machine.sequence, machine.staleness) = (5, "stale");
        }
        if self.is_silent() {
            // what it had then expired, and nobody will renew it
            (machine.policy, machine.policy_expires) = ("old-fleet", Some(START + DAY));
        }
        for day in DAYS.into_iter().filter(|day| *day <= self.last_day()) {
            let time = self.time(day);
            let declared: Vec<Declared> = self.on(day).cloned().collect();
            let cause = match day {
                0 => "start",
                _ if self.is_at_night(day) => "change",
                _ => "daily",
            };
            machine.inventory(time, cause, &declared);
            if day == 9 {
                self.happenings(&mut machine, time + 60);
            }
            if day == 9 && self.is_liar() {
                machine.sequence = 999;
                (machine.policy_expires, machine.root_expires) = (Some(FAR), Some(FAR));
            }
            machine.heartbeat(time + 120);
        }
        if self.is_ahead() {
            (machine.sequence, machine.staleness) = (1, "expired");
            (machine.policy_expires, machine.root_expires) = (Some(NOW - DAY), Some(NOW - DAY));
            machine.inventory(NOW + AHEAD - 1, "daily", &[]);
            machine.heartbeat(NOW + AHEAD);
        }
        machine
    }

    fn happenings(&self, machine: &mut Machine, time: i64) {
        if let Some(taken) = self.taken() {
            machine.action(time, "quarantine", "applied", &taken);
        }
        if let Some(impostor) = self.impostor() {
            machine.action(time, "quarantine", "applied", &impostor);
        }
        if let Some(undeclared) = self.undeclared() {
            machine.running(time, "server-ended", &undeclared);
        }
        if self.number % 100 == 13
            && let Some((declared, ..)) = self.declared.first()
        {
            let finding = Some(("version-not-allowed", Severity::Medium));
            machine.action(time, "pin", "failed", &Declared { finding, ..declared.clone() });
        }
        if self.number % 30 == 5 {
            machine.event(time, "server-ended", &self.owner, "rogue-tool");
        }
        if self.number % 33 == 2 {
            machine.request(time, NOW - 4 * DAY, &Declared::unknown(&self.owner, "npm:wanted"));
        }
    }
}

/// The account of a machine; where names are hashed, as such a hash.
pub fn owner(number: usize) -> String {
    if number.is_multiple_of(7) { format!("{:016x}", number * 0x9e37_79b9) } else { format!("user{number}") }
}

/// Accounts that are gone, as `owner,since`.
pub fn offboarded(machines: usize) -> Vec<(String, i64)> {
    (0..machines).filter(|number| number % 100 == 17).map(|number| (owner(number), START + 8 * DAY)).collect()
}

/// Change tickets, as `ticket,subject,opened,closed`.
pub fn tickets() -> Vec<(&'static str, &'static str, i64, i64)> {
    vec![
        ("CHG-1", "npm:@acme/ticketed", START + 7 * DAY, 0),
        ("CHG-2", "npm:@acme/drifting", START, START + DAY),
    ]
}

/// How far a clock is ahead, in seconds.
const AHEAD: i64 = 5 * 3_600;
/// An end that nobody lives to see, and that 32 bits of seconds hold as ClickHouse has them.
const FAR: i64 = NOW + 60 * 365 * DAY;
/// When the policy of all machines ends.
const POLICY_ENDS: i64 = NOW + 20 * DAY;
/// When their trust root does.
const ROOT_ENDS: i64 = NOW + 200 * DAY;

/// What expires, as `what,subject,expires`.
pub fn expiries() -> Vec<(&'static str, &'static str, i64)> {
    vec![("exception", "EX-1", NOW + 3 * DAY), ("key", "online-1", NOW - DAY)]
}

/// The answers.
pub fn key(machines: usize) -> Key {
    let plans: Vec<Plan> = (0..machines).map(Plan::of).collect();
    let mut key = Key::new();
    let mut put = |gate: &'static str, subject: &str, value: f64| {
        if value != 0.0 {
            *key.entry(gate).or_default().entry(subject.to_owned()).or_default() += value;
        }
    };
    let mut unknown: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut by_team: BTreeMap<&str, [f64; 4]> = BTreeMap::new();
    let mut fails = [[0.0; 2]; 3];
    for plan in &plans {
        let [shares, sharing, stale, all] = by_team.entry(&plan.team).or_default();
        *all += 1.0;
        let taken_out = match plan.is_silent() {
            true => 0.0,
            false => plan.taken().iter().chain(&plan.impostor()).count() as f64,
        };
        *shares += taken_out / (taken_out + plan.current().count() as f64);
        *sharing += 1.0;
        *stale += f64::from(u8::from(plan.number % 15 == 4));
        put("silent-machines", &plan.id, (NOW - plan.time(plan.last_day()) - 120) as f64 / 3_600.0);
        for one in plan.current() {
            if one.rule.is_none() {
                unknown.entry(&plan.team).or_default().insert(one.identity.clone());
            }
            if one.version.is_none() {
                put("unpinned", &one.identity, 1.0);
            }
            match one.finding {
                Some(("impersonation", _)) => put("impersonations", &one.server, 1.0),
                Some((code @ ("literal-secret" | "registry-override"), _)) => {
                    put(if code == "literal-secret" { "literal-secrets" } else { code }, &plan.team, 1.0);
                }
                _ => {}
            }
            if plan.number % 100 == 17 && !plan.is_silent() {
                put("offboarded", &plan.owner, 1.0);
            }
        }
        if plan.is_silent() {
            continue;
        }
        for one in plan.gone_at_once() {
            unknown.entry(&plan.team).or_default().insert(one.identity.clone());
            if one.finding.is_some() {
                put("impersonations", &one.server, 1.0);
            }
            put("new-to-fleet", &one.identity, 1.0);
            put("new-to-machine", &plan.id, 1.0);
            put("new-to-user", &plan.owner, 1.0);
        }
        if plan.is_at_night(9) && plan.impostor().is_some() {
            put("outside-hours", &plan.owner, 1.0);
        }
        let is_new = |one: &Declared| one.identity == "npm:rogue-tool";
        for one in plan.current() {
            match (one.identity.as_str(), one.variant) {
                ("npm:@acme/drifting", 1) => put("registry-drift", &one.identity, 1.0),
                ("npm:@acme/ticketed", 1) => put("registry-drift-ticketed", &one.identity, 1.0),
                ("npm:rogue-tool" | "npm:githubb", _) => put("new-to-fleet", &one.identity, 1.0),
                _ => {}
            }
            if is_new(one) {
                put("new-to-machine", &plan.id, 1.0);
                put("new-to-user", &plan.owner, 1.0);
                put("outside-hours", &plan.owner, f64::from(u8::from(plan.is_at_night(9))));
            }
        }
        fails[0][1] += taken_out;
        if plan.number % 100 == 13 {
            fails[1] = [fails[1][0] + 1.0, fails[1][1] + 1.0];
        }
        fails[2][1] += f64::from(u8::from(plan.number % 30 == 5));
        fails[2][1] += f64::from(u8::from(plan.undeclared().is_some()));
        if plan.is_ahead() {
            put("clock-ahead", &plan.id, AHEAD as f64 / 3_600.0);
        }
        if plan.number % 33 == 2 {
            put("requests-waiting", &format!("r-{}-wanted", plan.id), 4.0);
        }
    }
    for (team, identities) in unknown {
        put("unknown-servers", team, identities.len() as f64);
    }
    for (team, [shares, sharing, stale, all]) in by_team {
        put("quarantine-ratio", team, 100.0 * shares / sharing);
        put("stale-policy", team, 100.0 * stale / all);
    }
    for (subject, [failed, all]) in ["watch quarantine", "watch pin", "processes end"].into_iter().zip(fails)
    {
        put("actions-by-layer", subject, if all == 0.0 { 0.0 } else { 100.0 * failed / all });
    }
    for gate in ["expires-in-30-days", "expires-in-7-days", "expires-in-1-day"] {
        let of_records = [("policy", "fleet", POLICY_ENDS), ("root", "fleet", ROOT_ENDS)];
        for (what, subject, expires) in expiries().into_iter().chain(of_records) {
            put(gate, &format!("{what} {subject}"), (expires - NOW) as f64 / DAY as f64);
        }
    }
    key
}
