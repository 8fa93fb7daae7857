//! What a policy would do to a fleet, by its stored reports.

pub(crate) mod cache;
pub(crate) mod key;
pub mod show;
mod tally;
mod threshold;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mcpolicy_schema::document::{Mode, OnVersion};
use mcpolicy_schema::evaluate::Device;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::revocations::Revocations;
use mcpolicy_schema::verdict::{Judgement, Verdict};

use super::fleet::{self, Dated, Origin};
use super::reports::{self, Report};
use super::stored::{Site, Stored};
use cache::Cache;
pub use tally::{Change, Counts, Pinned, Row, Simulation};
pub use threshold::{Threshold, alarms};

/// The policies that are compared.
#[derive(Debug)]
pub struct Question<'p> {
    /// The policy to try.
    pub new: &'p Policy,
    /// The policy in force. Without it the verdicts of a signed policy that a report has; else everything is taken to
    /// be allowed at present.
    pub current: Option<&'p Policy>,
    /// The revocations in force, for both.
    pub revocations: Option<&'p Revocations>,
    /// The time at which they are tried.
    pub now: Timestamp,
}

/// What happens to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// It stays.
    Allowed,
    /// Its version is rewritten.
    Pinned,
    /// It cannot be told from the report.
    Unknown,
    /// It goes.
    Blocked,
}

/// What one policy says of an entry, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) effect: Effect,
    /// Finding code of the reason.
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    /// The rule that decided, or the one that came nearest.
    pub(crate) rule: String,
    pub(crate) pin: Option<String>,
}

impl Said {
    fn of(judgement: Judgement, on_version: OnVersion) -> Self {
        let effect = match judgement.verdict {
            Verdict::Allow => Effect::Allowed,
            Verdict::Unknown => Effect::Unknown,
            Verdict::Deny if judgement.pin.is_some() && on_version == OnVersion::Pin => Effect::Pinned,
            Verdict::Deny => Effect::Blocked,
        };
        let nearest = nearest(&judgement);
        let rule = judgement.rule.or(nearest).unwrap_or_default();
        let (code, detail) =
            judgement.reason.map_or(("", String::new()), |reason| (reason.code.as_str(), reason.detail));
        Self { effect, code, detail, rule, pin: judgement.pin }
    }
}

/// The rule that came nearest to admitting an entry: the one whose refusal is the reason given, else the first asked.
fn nearest(judgement: &Judgement) -> Option<String> {
    let given = judgement.trace.iter().find(|tried| Some(&tried.reason) == judgement.reason.as_ref());
    given.or(judgement.trace.first()).map(|tried| tried.rule.clone())
}

/// What both policies say of one entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Kind and name, redacted, versions left out.
    pub(crate) identity: String,
    pub(crate) new: Said,
    pub(crate) current: Option<Effect>,
}

/// One entry of a machine.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) answer: Arc<Answer>,
    pub(crate) user: Option<String>,
    pub(crate) name: String,
    pub(crate) inert: bool,
    /// What the report says that a policy in force does with it.
    pub(crate) reported: Option<Effect>,
    /// The mode of the new policy where it lies.
    pub(crate) mode: Mode,
    /// In that mode the new policy takes away what it denies.
    pub(crate) acts: bool,
    /// The policy in force takes away what it denies.
    pub(crate) present_acts: bool,
    /// Its ring hangs on a device id or groups that the report does not have.
    pub(crate) ringless: bool,
}

/// Judges every entry of every report. `done` hears of finished files.
pub fn simulate(
    question: &Question<'_>,
    inputs: &[PathBuf],
    done: &(dyn Fn(u64, u64) + Sync),
) -> (Simulation, Vec<reports::Problem>) {
    let policies = std::iter::once(question.new).chain(question.current);
    let cache = Cache::new(key::Asked::by(policies, question.revocations));
    let read = reports::each(inputs, done, |place, report| {
        let items = items(question, &cache, &report);
        Dated::new(place, &report, items)
    });
    let reports = read.items.len();
    let machines: Vec<(Origin, Vec<Item>)> = fleet::newest(read.items);
    let mut simulation = tally::tally(question, &machines);
    simulation.superseded = (reports - machines.len()) as u64;
    (simulation, read.problems)
}

fn items(question: &Question<'_>, cache: &Cache<Answer>, report: &Report) -> Vec<Item> {
    let site = Site::of(&report.host, &report.scan.homes, question.now);
    let site = Site { revocations: question.revocations, ..site };
    let signed = report.policy.as_ref().is_some_and(|policy| policy.signed);
    let reported_acts = report.policy.as_ref().is_some_and(|p| matches!(p.mode.as_str(), "hold" | "enforce"));
    let item = |entry: &v1::Entry| {
        let user = entry.user.as_deref().unwrap_or_default();
        let mode = mode_of(question.new, site.device, user);
        let current =
            question.current.map(|policy| acts(policy, mode_of(policy, site.device, user), question.now));
        Item {
            mode,
            acts: acts(question.new, mode, question.now),
            present_acts: current.unwrap_or(reported_acts),
            ringless: may_be_elsewhere(question, site.device, mode),
            answer: cache.get(entry, &site, || answer(question, entry, &site)),
            user: entry.user.clone(),
            name: entry.name.clone(),
            inert: entry.inert.is_some(),
            reported: entry.judged.as_ref().filter(|_| signed).map(|judged| match judged.verdict {
                Verdict::Allow => Effect::Allowed,
                Verdict::Unknown => Effect::Unknown,
                Verdict::Deny => Effect::Blocked,
            }),
        }
    };
    report.entries.iter().map(item).collect()
}

/// The mode of a policy for a user of a device. Groups are in no report.
fn mode_of(policy: &Policy, device: &str, user: &str) -> Mode {
    policy.mode(policy.ring_of(&Device { id: device, user, groups: &[], ring: None }))
}

/// Whether the machine may be in another ring than its report says: there is no device id for a share, or no groups for
/// a ring in which a policy acts that does not act otherwise.
fn may_be_elsewhere(question: &Question<'_>, device: &str, mode: Mode) -> bool {
    let document = question.new.document();
    let acts_in = |mode| acts(question.new, mode, question.now);
    document.ring.iter().any(|ring| {
        let by_group =
            !ring.groups.is_empty() && acts_in(ring.mode.unwrap_or(document.policy.mode)) && !acts_in(mode);
        by_group || (device.is_empty() && ring.percent > 0)
    })
}

/// Whether a server that is there and denied is taken away in a mode: hold leaves it until the grace is over.
fn acts(policy: &Policy, mode: Mode, now: Timestamp) -> bool {
    let today = now.to_zoned(TimeZone::UTC).date();
    match mode {
        Mode::Observe | Mode::Warn => false,
        Mode::Hold => policy.document().policy.grace_until.is_none_or(|day| today > day),
        Mode::Enforce => true,
    }
}

fn answer(question: &Question<'_>, entry: &v1::Entry, site: &Site<'_>) -> Answer {
    let stored = Stored::new(entry);
    let said = |policy: &Policy| Said::of(stored.judge(policy, site), policy.document().policy.on_version);
    Answer {
        identity: identity(entry, site),
        new: said(question.new),
        current: question.current.map(|policy| said(policy).effect),
    }
}

/// Kind and name of what an entry would run or contact, equal on all machines.
pub(crate) fn identity(entry: &v1::Entry, site: &Site<'_>) -> String {
    let name = entry.identity.name.split('?').next().unwrap_or_default();
    let home = site.homes.get(entry.user.as_deref().unwrap_or_default());
    let name = match home.and_then(|home| name.strip_prefix(home)) {
        Some(below) if below.starts_with(['/', '\\']) => format!("~{below}"),
        _ => name.to_owned(),
    };
    format!("{}:{name}", entry.identity.kind)
}
