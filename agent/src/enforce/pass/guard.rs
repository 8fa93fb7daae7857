//! Which policy acts: the newest, unless the guard holds it. And what each of several policies and modes would act on.

use std::collections::{BTreeMap, BTreeSet};

use mcpolicy_schema::document::Mode;
use mcpolicy_schema::trust::{self, Trust};

use super::{On, Opened, Setting, mode_of, scan, terms};
use crate::discover::source::Source;
use crate::enforce::activation::{self, Removals};
use crate::enforce::plan::{self, Known};
use crate::enforce::remembered::Remembered;
use crate::enforce::{foreseen, known};
use crate::in_force::InForce;
use crate::journal::{Event, What};
use crate::judge::Judge;
use crate::pipeline::{Bounds, Ground, Outcome};

/// Which policy acts, and in which mode: the newest, unless it would newly remove too much at once.
pub(super) fn choose(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    trust: &Trust,
    newest: InForce,
    outcome: &mut Outcome,
    opened: &mut Opened,
) -> anyhow::Result<(InForce, Mode)> {
    let (in_force, is_held) = guarded(setting, on, newest, outcome, opened)?;
    if !is_held {
        activate(setting, trust, &as_acting(&in_force), opened)?;
    }
    with_mode(setting, on, in_force, opened)
}

fn as_acting(in_force: &InForce) -> activation::Acted {
    activation::Acted {
        sequence: in_force.sequence.unwrap_or(0),
        sha256: in_force.sha256.clone(),
        expires: in_force.expires,
    }
}

/// The newest policy, or the one that acted last where the guard holds the newest, which is told. And whether it does.
fn guarded(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    newest: InForce,
    outcome: &mut Outcome,
    opened: &mut Opened,
) -> anyhow::Result<(InForce, bool)> {
    let elsewhere = not_for_here(setting, on, &newest, opened);
    let floor = setting.settings.policy.min_sequence;
    let lower = newest.elsewhere.as_ref().and_then(|own| own.sequence).filter(|sequence| *sequence < floor);
    if let Some(sequence) = lower.filter(|_| elsewhere.is_some()) {
        opened.policy_waits = true;
        opened.notices.push(format!(
            "policy {sequence}, which the head names for this machine, is lower than the floor {floor} that the device settings \
             demand (`policy.min_sequence`): lower it, or publish a newer one for all"
        ));
    }
    let (newest, elsewhere) = match elsewhere {
        Some(ring) if newest.elsewhere.is_some() && lower.is_none() => {
            let offered = newest.sequence.unwrap_or(0);
            let own = newest.of_ring(None);
            opened.notices.push(format!(
                "the head offers policy {offered} to the ring {ring} only, and this machine is not in it: policy {} is its own",
                own.sequence.unwrap_or(0)
            ));
            (own, None)
        }
        elsewhere => (newest, elsewhere),
    };
    let Some((acting, policy)) = opened.activation.acting_before(&newest.sha256) else {
        if let Some(ring) = elsewhere.filter(|_| opened.activation.is_first()) {
            let others: String = opened.notices.iter().map(|notice| format!("\n  {notice}")).collect();
            anyhow::bail!(
                "no policy has acted here yet, nothing was changed: the head offers the newest policy to the ring {ring} \
                 only, and this machine is not in it{others}"
            );
        }
        return Ok((newest, false));
    };
    // the revocations are the newest in any case
    let old = newest.older(policy, &acting, setting.now);
    if let Some(ring) = elsewhere {
        let newer = newest.sequence.unwrap_or(0);
        opened.notices.push(format!(
            "the head offers policy {newer} to the ring {ring} only, and this machine is not in it: policy {} goes on acting",
            acting.sequence
        ));
        return Ok((old, true));
    }
    let trial = Trial { setting, on, remembered: &opened.remembered };
    let by_old = trial.targets(&old, outcome, None);
    let by_new = trial.targets(&newest, outcome, None);
    let removals = removals(on.ground, outcome, &by_old, &by_new);
    let limits = &newest.policy.document().policy;
    let Some(held) = opened.activation.consider(&as_acting(&newest), limits, &removals)? else {
        return Ok((newest, false));
    };
    let detail =
        format!("policy {} is held, {} goes on acting: {}", held.policy.sequence, acting.sequence, held.why);
    opened.journal.append(setting.now, What::Event(Event::new("policy-held", &detail)))?;
    opened.notices.push(detail);
    opened.policy_waits = true;
    Ok((old, true))
}

/// The ring for which alone the newest policy is, where this machine is not in it.
fn not_for_here(setting: &Setting<'_>, on: On<'_, '_>, newest: &InForce, opened: &Opened) -> Option<String> {
    let wanted = newest.for_ring.clone()?;
    let judge = Judge::new(on.ground, on.homes, terms(setting, newest, &opened.remembered));
    (judge.ring() != Some(&*wanted)).then_some(wanted)
}

/// What a newer policy would newly remove: from the machine, and from each of its users. Equal entries of a user count
/// once.
fn removals(
    ground: &Ground,
    outcome: &Outcome,
    by_old: &BTreeSet<usize>,
    by_new: &BTreeSet<usize>,
) -> Vec<Removals> {
    let mut whole = Removals { of: None, new: 0, left_now: 0 };
    let mut by_user: BTreeMap<&str, Removals> = BTreeMap::new();
    // attack: one server that only the old policy allows, under as many names as keep the new one from acting
    let mut seen: BTreeSet<(Option<&str>, &str)> = BTreeSet::new();
    for (at, item) in outcome.entries.iter().enumerate().filter(|(at, _)| !by_old.contains(at)) {
        let user = outcome.sources[item.source].source.home.map(|home| ground.homes[home].user.as_str());
        if !seen.insert((user, &item.fingerprint)) {
            continue;
        }
        let new = usize::from(by_new.contains(&at));
        whole.new += new;
        whole.left_now += 1;
        let Some(user) = user else { continue };
        let one = by_user.entry(user).or_insert_with(|| Removals {
            of: Some(user.to_owned()),
            new: 0,
            left_now: 0,
        });
        one.new += new;
        one.left_now += 1;
    }
    std::iter::once(whole).chain(by_user.into_values()).collect()
}

fn activate(
    setting: &Setting<'_>,
    trust: &Trust,
    candidate: &activation::Acted,
    opened: &mut Opened,
) -> anyhow::Result<()> {
    let is_it = |policy: &&trust::InForce| policy.sha256.to_string() == candidate.sha256;
    let body = trust.policy().into_iter().chain(trust.elsewhere()).find(is_it);
    let body = body.map(|policy| policy.body()).unwrap_or_default();
    if opened.activation.activate(candidate, body)? {
        let detail = format!("policy {} acts from now on", candidate.sequence);
        opened.journal.append(setting.now, What::Event(Event::new("policy-activated", detail)))?;
    }
    Ok(())
}

/// What hold mode would act on if its grace were over; nothing if it is, or if there is none.
pub(super) fn due_after_grace(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    in_force: &InForce,
    outcome: &mut Outcome,
    remembered: &Remembered,
) -> BTreeSet<usize> {
    if !foreseen::is_in_grace(in_force.policy.document(), setting.now) {
        return BTreeSet::new();
    }
    let mut nothing_seen = remembered.clone();
    nothing_seen.first_seen.clear();
    let trial = Trial { setting, on, remembered: &nothing_seen };
    trial.targets(in_force, outcome, Some(Mode::Enforce))
}

/// A pass that is only thought of.
#[derive(Clone, Copy)]
struct Trial<'t, 'h> {
    setting: &'t Setting<'t>,
    on: On<'t, 'h>,
    remembered: &'t Remembered,
}

impl Trial<'_, '_> {
    /// The entries that it would act on under a policy, in a mode or in the one that holds under the policy.
    fn targets(self, in_force: &InForce, outcome: &mut Outcome, mode: Option<Mode>) -> BTreeSet<usize> {
        let Self { setting, on, remembered } = self;
        let mut judge = Judge::new(on.ground, on.homes, terms(setting, in_force, remembered));
        let findings: Vec<usize> = outcome.entries.iter().map(|item| item.findings.len()).collect();
        let gaps = outcome.gaps.clone();
        judge.judge(outcome);
        let mode = mode.unwrap_or_else(|| mode_of(setting, in_force, judge.ring()));
        let is_outside = |source: &Source| known::is_outside(on.ground, source);
        let known = Known { is_outside: &is_outside, ..Known::NOTHING };
        let plan = plan::plan_knowing(outcome, in_force.policy.document(), mode, known);
        // what it found is not told
        for (item, count) in outcome.entries.iter_mut().zip(findings) {
            item.findings.truncate(count);
        }
        outcome.gaps = gaps;
        plan.files.iter().flat_map(|file| file.targets.iter().map(|target| target.entry)).collect()
    }
}

fn with_mode(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    in_force: InForce,
    opened: &Opened,
) -> anyhow::Result<(InForce, Mode)> {
    let judge = Judge::new(on.ground, on.homes, terms(setting, &in_force, &opened.remembered));
    let ring = judge.ring().map(str::to_owned);
    drop(judge);
    let mode = mode_of(setting, &in_force, ring.as_deref());
    Ok((in_force, mode))
}

/// The policy by which a pass would act now: what acted last, unless a newer one is there that would not be held. Nothing
/// is activated by asking.
pub(super) fn would_act(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    bounds: &Bounds<'_>,
    newest: InForce,
    opened: &mut Opened,
) -> anyhow::Result<InForce> {
    if newest.for_ring.is_none() && opened.activation.acting_before(&newest.sha256).is_none() {
        return Ok(newest);
    }
    // what the newer one would newly remove is known by a look at the machine only, as a pass takes it
    let (mut outcome, _) = scan(setting, on, bounds);
    opened.remembered.begin(on.ground, &outcome, &|at| on.homes.has_failed(at));
    Ok(guarded(setting, on, newest, &mut outcome, opened)?.0)
}
