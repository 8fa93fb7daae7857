//! What becomes of denied servers that run: told, given a grace, asked to end, killed. Decides; touches nothing, and has the
//! time as an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mcpolicy_platform::processes::Instance;

/// How long is waited between looks, and before each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// Between two looks while a known client runs.
    pub looks: Duration,
    /// Between the word and the first signal, so that a developer can end what goes on.
    pub grace: Duration,
    /// The same for what was revoked: it is malicious.
    pub grace_of_revoked: Duration,
    /// Between asking and killing.
    pub until_killed: Duration,
    /// Between a signal and the look at what it did.
    pub until_checked: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            looks: Duration::from_secs(10),
            grace: Duration::from_secs(60),
            grace_of_revoked: Duration::ZERO,
            until_killed: Duration::from_secs(10),
            until_checked: Duration::from_secs(1),
        }
    }
}

impl Waits {
    /// For a folder that is taken for a machine: nobody works with its servers, and somebody waits to see what happens.
    pub const SHORT: Self = Self {
        looks: Duration::from_secs(1),
        grace: Duration::from_millis(500),
        grace_of_revoked: Duration::ZERO,
        until_killed: Duration::from_secs(2),
        until_checked: Duration::from_millis(50),
    };
}

/// One server, as one look saw and judged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sight {
    /// Its process.
    pub(super) server: Instance,
    /// What it has started itself, and that is no client.
    pub(super) parts: Vec<Instance>,
    /// What the policy says.
    pub(super) standing: Standing,
}

/// What the policy says of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may run.
    Allowed,
    /// It may not.
    Denied {
        /// It was revoked, or a tool fights for it: it is malicious.
        has_no_grace: bool,
        /// It is to be ended: mode and policy say so, and it is certain that it is a server.
        is_to_end: bool,
    },
}

/// What is to be done or told about one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// It is told; nothing is done.
    Report,
    /// It is told that it will be ended when this is over.
    Warn(Duration),
    /// It was to be ended, and is not any more.
    Spare,
    /// These are asked to end.
    AskToEnd(Vec<Instance>),
    /// These are killed: they were asked and go on.
    Kill(Vec<Instance>),
    /// It has ended, killed or by itself.
    Ended {
        /// It did not end when it was asked.
        is_killed: bool,
    },
    /// It was killed and goes on: it hangs in the kernel, or the system refused.
    Survived,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Reported,
    Warned {
        ends: Instant,
    },
    Asked {
        kill: Instant,
        check: Instant,
        all: BTreeSet<Instance>,
    },
    Killed {
        check: Instant,
        all: BTreeSet<Instance>,
    },
    /// There is no more to try.
    GivenUp,
}

#[derive(Debug, Clone)]
struct Fate {
    first: Instant,
    stage: Stage,
}

/// What is known of every denied server that runs.
#[derive(Debug, Default)]
pub(super) struct Fates {
    waits: Waits,
    all: BTreeMap<Instance, Fate>,
}

impl Fates {
    /// Nothing known yet.
    pub(super) fn new(waits: Waits) -> Self {
        Self { waits, all: BTreeMap::new() }
    }

    /// Denied servers that are followed.
    pub(super) fn followed(&self) -> impl Iterator<Item = Instance> {
        self.all.keys().copied()
    }

    /// When something is due, whatever else happens.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = self.all.values().filter_map(|fate| match &fate.stage {
            Stage::Reported | Stage::GivenUp => None,
            Stage::Warned { ends } => Some(*ends),
            Stage::Asked { kill, check, .. } => Some(*kill.min(check)),
            Stage::Killed { check, .. } => Some(*check),
        });
        due.min()
    }

    /// The system gave no hold on a server: it is told, and nothing more is tried.
    pub(super) fn give_up(&mut self, server: Instance) {
        if let Some(fate) = self.all.get_mut(&server) {
            fate.stage = Stage::GivenUp;
        }
    }

    /// Nothing that was said of a server was done: it begins anew.
    pub(super) fn forget(&mut self, server: Instance) {
        self.all.remove(&server);
    }

    /// Takes in a look at all servers, and says what is to be done, in order. A server that is not among them has ended, or
    /// is none any more; `is_running` tells of what was asked to end. Without `may_end`, by the mode of this moment, nothing
    /// more is sent a signal.
    pub(super) fn look(
        &mut self,
        now: Instant,
        sights: &[Sight],
        may_end: bool,
        is_running: &dyn Fn(Instance) -> bool,
    ) -> Vec<(Instance, Step)> {
        let mut steps = Vec::new();
        for sight in sights {
            match sight.standing {
                Standing::Allowed => {
                    let was = self.all.remove(&sight.server);
                    if was
                        .is_some_and(|fate| matches!(fate.stage, Stage::Warned { .. } | Stage::Asked { .. }))
                    {
                        steps.push((sight.server, Step::Spare));
                    }
                }
                Standing::Denied { has_no_grace, is_to_end } => {
                    self.denied(now, sight, (has_no_grace, is_to_end), is_running, &mut steps);
                }
            }
        }
        let seen: BTreeSet<Instance> = sights.iter().map(|sight| sight.server).collect();
        let unseen: Vec<Instance> =
            self.all.keys().filter(|server| !seen.contains(server)).copied().collect();
        for server in unseen {
            self.unseen(now, server, may_end, is_running, &mut steps);
        }
        steps
    }

    fn denied(
        &mut self,
        now: Instant,
        sight: &Sight,
        (has_no_grace, is_to_end): (bool, bool),
        is_running: &dyn Fn(Instance) -> bool,
        steps: &mut Vec<(Instance, Step)>,
    ) {
        let Waits { grace, grace_of_revoked, until_killed, until_checked, .. } = self.waits;
        let grace = if has_no_grace { grace_of_revoked } else { grace };
        let server = sight.server;
        let is_new = !self.all.contains_key(&server);
        let fate = self.all.entry(server).or_insert(Fate { first: now, stage: Stage::Reported });
        let mut step = |step| steps.push((server, step));
        if !is_to_end {
            // the mode was lowered, or the policy changed: what goes on is not gone on with
            match fate.stage {
                Stage::Reported if is_new => step(Step::Report),
                Stage::Warned { .. } | Stage::Asked { .. } => step(Step::Spare),
                Stage::Reported | Stage::Killed { .. } | Stage::GivenUp => {}
            }
            if !matches!(fate.stage, Stage::GivenUp) {
                fate.stage = Stage::Reported;
            }
            return;
        }
        if fate.stage == Stage::Reported {
            fate.stage = Stage::Warned { ends: now + grace };
            step(Step::Warn(grace));
        }
        let all = || sight.parts.iter().copied().chain([server]).collect::<BTreeSet<_>>();
        match &mut fate.stage {
            // revoked meanwhile, say: its grace is over
            Stage::Warned { ends } if now >= *ends || (has_no_grace && now >= fate.first + grace) => {
                step(Step::AskToEnd(in_order(server, &all())));
                fate.stage =
                    Stage::Asked { kill: now + until_killed, check: now + until_checked, all: all() };
            }
            Stage::Asked { kill, check, all: asked } => {
                // what it has started since belongs to it, too
                asked.extend(all());
                if now >= *kill {
                    let left = running(asked, is_running);
                    step(Step::Kill(in_order(server, &left)));
                    fate.stage = Stage::Killed { check: now + until_checked, all: left };
                } else if now >= *check {
                    *check = now + until_checked;
                }
            }
            Stage::Killed { check, .. } if now >= *check => {
                step(Step::Survived);
                fate.stage = Stage::GivenUp;
            }
            _ => {}
        }
    }

    /// What is not seen any more has ended, but what it had started may go on: that is followed to its end.
    fn unseen(
        &mut self,
        now: Instant,
        server: Instance,
        may_end: bool,
        is_running: &dyn Fn(Instance) -> bool,
        steps: &mut Vec<(Instance, Step)>,
    ) {
        let Waits { until_checked, .. } = self.waits;
        let Some(fate) = self.all.get_mut(&server) else { return };
        let (left, is_killed) = match &fate.stage {
            Stage::Reported | Stage::Warned { .. } | Stage::GivenUp => {
                self.all.remove(&server);
                return;
            }
            Stage::Asked { all, .. } => {
                let left = running(all, is_running);
                if !may_end && !left.is_empty() {
                    self.all.remove(&server);
                    steps.push((server, Step::Spare));
                    return;
                }
                (left, false)
            }
            Stage::Killed { all, .. } => (running(all, is_running), true),
        };
        if left.is_empty() {
            self.all.remove(&server);
            steps.push((server, Step::Ended { is_killed }));
            return;
        }
        match &mut fate.stage {
            Stage::Asked { kill, .. } if now >= *kill => {
                steps.push((server, Step::Kill(in_order(server, &left))));
                fate.stage = Stage::Killed { check: now + until_checked, all: left };
            }
            Stage::Asked { check, .. } if now >= *check => *check = now + until_checked,
            Stage::Killed { check, .. } if now >= *check => {
                steps.push((server, Step::Survived));
                fate.stage = Stage::GivenUp;
            }
            _ => {}
        }
    }
}

fn running(all: &BTreeSet<Instance>, is_running: &dyn Fn(Instance) -> bool) -> BTreeSet<Instance> {
    all.iter().copied().filter(|one| is_running(*one)).collect()
}

/// The server before what it has started: a launcher would start it anew.
fn in_order(server: Instance, all: &BTreeSet<Instance>) -> Vec<Instance> {
    let first = all.contains(&server).then_some(server);
    first.into_iter().chain(all.iter().copied().filter(|one| *one != server)).collect()
}

#[cfg(test)]
#[path = "fates_tests.rs"]
mod tests;
