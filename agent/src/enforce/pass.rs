//! One pass: policy, scan, verdicts, guard, what a crash left, actions, what is remembered.

mod gate;
mod guard;
mod known_files;
mod look;
mod put_back;
mod running;
mod tell;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use mcpolicy_platform::machine::Machine;
use mcpolicy_platform::users;
use mcpolicy_schema::document::Mode;
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::trust::{
    ClockEvent, Demands, DocumentName, Reading, Refusal, Time, Trust, Uptime, Violation,
};

use super::act::{ActError, Acted, Hands};
use super::activation::Activation;
use super::asked;
use super::breakglass;
use super::foreseen::{self, Held, Would};
use super::freed::Freed;
use super::house::House;
use super::known::{Books, Knowledge};
use super::leftovers;
use super::plan::{self, FilePlan, Left, Plan, Target};
use super::remembered::Remembered;
use super::replay::{Replayed, end_unannounced, replay};
use super::requests;
use super::restore::{Asked, Restored};
use super::told::Told;
use super::turns::{Turns, in_turn};
use super::unseen::unseen;
use crate::assess::Assessed;
use crate::gap::Gap;
use crate::ground;
use crate::in_force::{self, InForce};
use crate::journal::{End, Event, Intent, Journal, What};
use crate::judge::{Judge, Terms};
use crate::native;
use crate::pipeline::{self, Bounds, Ground, Outcome};
use crate::policy_store::{self, FolderDisk, Origin, Store, Stored};
use crate::settings::{self, Settings};
use crate::vault::{Item, Vault};
use crate::worker::homes::{Homes, LEFT_OUT};
use crate::worker::{Failure, is_too_much};
pub use gate::Checked;
use guard::{choose, due_after_grace, would_act};
pub use look::{Looked, STORE_MENDED, Session};
use put_back::restore_allowed;
pub use running::Amid;
use tell::{tell_failed, tell_more, tell_unfinished, tell_unseen, tell_waiting};
pub use tokens::{Taken, break_glass, redeem};

/// What a pass stands on.
pub struct Setting<'a> {
    /// `agent.toml`.
    pub settings: &'a Settings,
    /// The state folder, locked by the caller.
    pub state: PathBuf,
    /// The id of this machine.
    pub device: String,
    /// The time.
    pub now: Timestamp,
    /// The clock since boot, where there is one: it tells how much time has passed under a wall clock that was set back.
    pub uptime: Option<Uptime>,
    /// For whatever is written down.
    pub redactor: &'a Redactor,
    /// For a time that a token gave, nothing is written: a pass finds it by itself.
    pub glass: Option<breakglass::Open>,
}

impl<'a> Setting<'a> {
    /// The same at another time: what is judged and kept goes by the time that is believed.
    fn at(&self, now: Timestamp) -> Setting<'a> {
        let (state, device, uptime) = (self.state.clone(), self.device.clone(), self.uptime.clone());
        let glass = self.glass.clone();
        Setting { settings: self.settings, state, device, now, uptime, redactor: self.redactor, glass }
    }
}

/// What a pass works on.
#[derive(Clone, Copy)]
pub struct On<'a, 'h> {
    /// The machine and its homes.
    pub ground: &'a Ground,
    /// Who answers for the homes.
    pub homes: &'a Homes<'h>,
}

/// What a pass did.
pub struct Passed {
    /// What was found, with verdicts as they were before anything was done.
    pub outcome: Outcome,
    /// The policy that acted.
    pub in_force: InForce,
    /// The machine's ring.
    pub ring: Option<String>,
    /// The mode that held.
    pub mode: Mode,
    /// The time that was believed.
    pub at: Timestamp,
    /// What was planned.
    pub plan: Plan,
    /// What is not allowed and switched off outside of its file, by the end; indices into [`Outcome::entries`].
    pub off: BTreeSet<usize>,
    /// What enforcing would act on, in a mode that writes nothing.
    pub would: Vec<Would>,
    /// What hold mode leaves because it was there first.
    pub held: Held,
    /// What became of each file.
    pub acted: Vec<Acted>,
    /// What was put back, because the policy allows it now.
    pub restored: Vec<(Item, Restored)>,
    /// What crashes had left, and how it ended.
    pub replayed: Vec<Replayed>,
    /// Users whose homes gave no answer, and why: nothing more was done there.
    pub failed: Vec<(String, Failure)>,
    /// Users whose homes had more to do than their time was enough for.
    pub unfinished: Vec<String>,
    /// A token lets this machine only watch, for a time.
    pub glass: Option<breakglass::Open>,
    /// A newer policy is held, or a document was refused: what acted is not what was published.
    pub policy_waits: bool,
    /// The head that is offered has ended: there is no news.
    pub is_old: bool,
    /// Something was not looked at that may hold servers, or what was remembered is lost.
    pub is_partial: bool,
    /// Everything that people must know.
    pub notices: Vec<String>,
}

/// State of the agent, opened.
struct Opened {
    vault: Vault,
    journal: Journal,
    activation: Activation,
    remembered: Remembered,
    /// What crashes had left and is not ended yet.
    pending: BTreeMap<u64, Intent>,
    replayed: Vec<Replayed>,
    notices: Vec<String>,
    /// Books of last allowed texts that were read.
    books: Books,
    /// A newer policy is held, or a document was refused.
    policy_waits: bool,
    /// The head that is offered has ended.
    is_old: bool,
    /// What was remembered is lost.
    is_partial: bool,
    /// A time that was believed before is not any more: what ended by it may go on.
    is_earlier: bool,
    /// When the last record before was written, and whether an agent said with it that it stops.
    last: Option<(Timestamp, bool)>,
    /// The documents in force, as they are stored.
    stored: Option<Stored>,
}

impl Opened {
    /// Shrinks and lets go what is old or too much.
    fn keep(&mut self, house: &House<'_>) -> anyhow::Result<()> {
        house.keep(&self.vault, &mut self.journal)
    }
}

/// Makes a pass over a ground.
///
/// # Errors
/// No policy can be verified and none is stored, or vault, journal or state cannot be written: nothing more is changed
/// then.
pub fn pass(setting: &Setting<'_>, on: On<'_, '_>, bounds: &Bounds<'_>) -> anyhow::Result<Passed> {
    let mut opened = open(setting)?;
    let passed = pass_opened(setting, on, bounds, &mut opened);
    // an error that is told is no crash of the policy that acts
    opened.activation.end()?;
    let Opened { replayed, notices, .. } = opened;
    Ok(Passed { replayed, notices, ..passed? })
}

fn pass_opened(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    bounds: &Bounds<'_>,
    opened: &mut Opened,
) -> anyhow::Result<Passed> {
    let On { ground, homes } = on;
    finish_broken(setting, on, opened)?;
    let (trust, time) = bring(setting, opened)?;
    let glass = glass(setting, time, opened)?;
    let setting = &Setting { glass, ..setting.at(time.judging) };
    let newest = InForce::of_trust(&trust, time).with_context(|| nothing_accepted(&opened.notices))?;
    let newest = newest.with_grants(&tokens::granted(setting, (&trust, time), &mut opened.journal)?);
    let (mut outcome, asked) = scan(setting, on, bounds);
    let before = opened.remembered.clone();
    opened.remembered.know_accounts(ground);
    opened.remembered.begin(ground, &outcome, &|at| homes.has_stumbled(at));
    let (in_force, mode) = choose(setting, on, &trust, newest, &mut outcome, opened)?;
    let due = due_after_grace(setting, on, &in_force, &mut outcome, &opened.remembered);
    let terms = terms(setting, &in_force, &opened.remembered);
    let mut judge = Judge::new(ground, homes, terms);
    judge.judge(&mut outcome);
    let ring = judge.ring().map(str::to_owned);
    let vault_folder = setting.state.join("vault");
    let document = in_force.policy.document();
    let books = (&mut opened.books, &mut opened.notices);
    let mut knowledge = Knowledge::load(&vault_folder, ground, homes, document, books);
    knowledge.note(&outcome, setting.now);
    knowledge.save(&vault_folder, setting.now).context("cannot keep what was last allowed")?;
    let mut under = considered_under(&in_force, mode);
    if opened.is_earlier {
        // what a clock that was wrong has ended is considered anew, by this pass and once more by the next
        under.push_str("/earlier");
    }
    let plan = knowledge.with(|known| plan::plan_knowing(&outcome, document, mode, known));
    homes.gives_up_failed();
    let house = House::of(setting, &in_force);
    let mut told = opened.remembered.told.clone();
    let freed = Freed::of(&outcome);
    let mut hands = Hands {
        freed: &freed,
        room: house.room(),
        told: &mut told,
        ground,
        homes,
        judge: &mut judge,
        document,
        mode,
        now: setting.now,
        redactor: setting.redactor,
        knowledge: &knowledge,
        under: &under,
        vault: &opened.vault,
        journal: &mut opened.journal,
    };
    let would = foreseen::would(&hands, &outcome, mode);
    let mut turns = Turns::new(Duration::from_secs(setting.settings.enforcement.home_seconds.into()));
    let done = act_on_all(&house, &mut hands, &plan, (&outcome, &under), &mut turns);
    drop(judge);
    if done.is_err() {
        // where the disk is full, what is old makes room for the next pass; the first error is the one to tell
        let _ = opened.keep(&house);
    }
    let (acted, restored) = done?;
    let off = off(&knowledge, &outcome);
    opened.is_partial |= plan.left.iter().any(Left::is_open);
    let left_out = homes.left_out().into_iter();
    outcome.gaps.extend(left_out.map(|(at, path)| Gap::at("unreadable", LEFT_OUT, &path).of_home(Some(at))));
    let unseen = unseen(&outcome, &acted);
    opened.is_partial |= tell_unseen(setting, on, &unseen, &mut told, opened)?;
    tell_waiting(ground, opened)?;
    tell_more(setting, told.end(), opened)?;
    let mut remembered = opened.remembered.clone();
    remembered.told = told;
    if !in_force.expired {
        remembered.allow(ground, &outcome, &|at| homes.has_stumbled(at));
    }
    remembered.count_unanswered(ground, &|at| homes.has_failed(at));
    remembered
        .save(&setting.state.join("remembered.json"), &before)
        .context("cannot keep what was allowed")?;
    asked::let_go(setting, ground, &in_force, &mut opened.journal)?;
    // one's own vault is purged by the command itself
    if homes.is_apart() {
        requests::purge(setting, on, (&opened.vault, &mut opened.journal), &asked)?;
    }
    opened.keep(&house)?;
    opened.remembered = remembered;
    let unfinished = tell_unfinished(setting, ground, &turns, opened)?;
    let failed = tell_failed(setting, on, opened)?;
    let (replayed, notices) = (Vec::new(), Vec::new());
    let (policy_waits, is_old, is_partial) = (opened.policy_waits, opened.is_old, opened.is_partial);
    let held = foreseen::held(&outcome, &due, in_force.policy.document(), setting.now);
    Ok(Passed {
        outcome,
        would,
        held,
        in_force,
        ring,
        mode,
        at: setting.now,
        plan,
        off,
        acted,
        restored,
        replayed,
        failed,
        unfinished,
        glass: setting.glass.clone(),
        policy_waits,
        is_old,
        is_partial,
        notices,
    })
}

/// What became of each file, and of what was put back.
type Done = (Vec<Acted>, Vec<(Item, Restored)>);

/// Acts on each file of a plan, and puts back what is allowed now.
fn act_on_all(
    house: &House<'_>,
    hands: &mut Hands<'_, '_, '_>,
    plan: &Plan,
    (outcome, under): (&Outcome, &str),
    turns: &mut Turns,
) -> anyhow::Result<Done> {
    // in the modes that write nothing, nothing is written
    let due = if hands.mode < Mode::Hold { Vec::new() } else { hands.clean_what_is_due(outcome, turns)? };
    let mut acted = act_on_all_files(house, hands, plan, outcome, turns)?;
    hands.left(&plan.left, outcome)?;
    let restored = restore_allowed(hands, under, turns, start_of(hands.now))?;
    for (item, one) in due {
        // what is back by now may be approved, wherever that stands
        if one.end != End::Skipped || hands.vault.item(&item).map_or(true, |item| item.is_open()) {
            acted.push(one);
        }
    }
    Ok((acted, restored))
}

/// Where homes begin to take turns: scattered, so that no pass begins where the last did.
fn start_of(now: Timestamp) -> usize {
    now.as_second().unsigned_abs().wrapping_mul(0x9e37_79b9) as usize >> 8
}

/// Acts on each file of a plan.
fn act_on_all_files(
    house: &House<'_>,
    hands: &mut Hands<'_, '_, '_>,
    plan: &Plan,
    outcome: &Outcome,
    turns: &mut Turns,
) -> anyhow::Result<Vec<Acted>> {
    let mut acted = Vec::new();
    let home = |source: usize| outcome.sources[source].source.home;
    let start = start_of(hands.now);
    for file in in_turn(&plan.files, |file| home(file.source), start) {
        let act = || {
            home(file.source).iter().for_each(|at| hands.homes.goes_on(*at));
            act_on(hands, file, outcome, &mut acted)
        };
        turns.take(home(file.source), act).transpose()?;
        // attack: a thousand large files in one home fill the disk before the pass is over
        if hands.vault.grown() > house.room() / 4 {
            house.prune_vault(hands.vault, hands.journal)?;
        }
    }
    for at in in_turn(&plan.whole, |at| home(*at), start) {
        let file = &outcome.sources[*at];
        let act = || {
            file.source.home.iter().for_each(|at| hands.homes.goes_on(*at));
            match is_too_much(file.state, &file.findings) {
                // left out of the scan: it may well be edited when it is opened by itself
                true => hands.act(*at, &file.source),
                false => hands.take_unparseable(*at, &file.source),
            }
        };
        let done = turns.take(file.source.home, act);
        if let Some(done) = done.transpose()? {
            acted.push(hands.named_whole(done, &file.source)?);
        }
    }
    Ok(acted)
}

/// Acts on one file: first outside of it, where that is enough, else in it, and then on approvals of what is gone.
fn act_on(
    hands: &mut Hands<'_, '_, '_>,
    file: &FilePlan,
    outcome: &Outcome,
    acted: &mut Vec<Acted>,
) -> Result<(), ActError> {
    let source = &outcome.sources[file.source].source;
    let switched = hands.switch_off(file, outcome)?;
    let is_off = |target: &Target| hands.knowledge.is_off(source, &outcome.entries[target.entry].entry);
    let all_off = file.targets.iter().all(is_off);
    // where the file is edited instead, nothing is left undone
    for one in switched {
        acted.push(match one.end {
            End::Failed if !all_off => Acted { end: End::Skipped, ..one },
            _ => hands.named(one, file, outcome)?,
        });
    }
    if all_off {
        return Ok(());
    }
    let done = hands.act(file.source, source)?;
    let done = hands.named(done, file, outcome)?;
    let approvals = hands.clean_approvals(file.source, source, &done.gone)?;
    if let Some(item) = &done.item {
        hands.note_cleaned(item, source, &approvals)?;
    }
    // another path to a file that was acted on: there is nothing more to tell
    let is_known = |other: &&Acted| hands.knowledge.is_same(source, &outcome.sources[other.source].source);
    if done.end != End::Skipped || !acted.iter().any(|other| is_known(&other)) {
        acted.push(done);
    }
    acted.extend(approvals);
    Ok(())
}

/// What is machine-wide by ourselves, each home by whoever may look at it.
/// Beside what was found, which originals the users of the homes ask to have purged.
fn scan(setting: &Setting<'_>, on: On<'_, '_>, bounds: &Bounds<'_>) -> (Outcome, Vec<(usize, Vec<String>)>) {
    let On { ground, homes } = on;
    let machine_wide = ground::of_machine(ground, homes.is_apart());
    let mut outcome = pipeline::scan(&machine_wide, bounds, setting.redactor);
    native::leave_out_ours(&setting.state, &mut outcome);
    outcome.gaps.extend(ground.gaps.iter().cloned());
    let mut asked = Vec::new();
    homes.scan(bounds, |at, mut scanned| {
        asked.push((at, std::mem::take(&mut scanned.purges)));
        outcome.append(at, scanned);
    });
    for (at, failure) in homes.failed() {
        let home = &ground.homes[at].layout.home;
        outcome.gaps.push(Gap::at("worker-failed", failure.to_string(), home).of_home(Some(at)));
    }
    pipeline::look_at_processes(ground, &mut outcome, setting.redactor);
    outcome.gaps.sort();
    outcome.gaps.dedup();
    (outcome, asked)
}

/// What is there, looked at as a pass does, each home by whoever may. Nothing is judged, written or done.
pub fn look(setting: &Setting<'_>, on: On<'_, '_>, bounds: &Bounds<'_>) -> Outcome {
    scan(setting, on, bounds).0
}

/// Puts one item back, as far as the policy allows it by which a pass would act now. Beside what became of it, what people
/// must know of that policy.
///
/// # Errors
/// As [`pass`]; there is no such item, or its home or client is not known any more.
pub fn restore(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    bounds: &Bounds<'_>,
    id: &str,
) -> anyhow::Result<(Restored, Vec<String>)> {
    let mut opened = open(setting)?;
    let restored = restore_opened(setting, on, bounds, id, &mut opened);
    opened.activation.end()?;
    Ok((restored?, opened.notices))
}

fn restore_opened(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    bounds: &Bounds<'_>,
    id: &str,
    opened: &mut Opened,
) -> anyhow::Result<Restored> {
    let On { ground, homes } = on;
    finish_broken(setting, on, opened)?;
    let (trust, time) = bring(setting, opened)?;
    let glass = glass(setting, time, opened)?;
    let setting = &Setting { glass, ..setting.at(time.judging) };
    let newest = InForce::of_trust(&trust, time).with_context(|| nothing_accepted(&opened.notices))?;
    let newest = newest.with_grants(&tokens::granted(setting, (&trust, time), &mut opened.journal)?);
    let in_force = would_act(setting, on, bounds, newest, opened)?;
    let mut judge = Judge::new(ground, homes, terms(setting, &in_force, &opened.remembered));
    let vault_folder = setting.state.join("vault");
    let document = in_force.policy.document();
    let under = considered_under(&in_force, Mode::Enforce);
    let books = (&mut opened.books, &mut opened.notices);
    let knowledge = Knowledge::load(&vault_folder, ground, homes, document, books);
    let mut told = Told::default();
    let mut hands = Hands {
        freed: &Freed::ByHand,
        room: House::of(setting, &in_force).room(),
        told: &mut told,
        ground,
        homes,
        judge: &mut judge,
        document: in_force.policy.document(),
        mode: Mode::Enforce,
        now: setting.now,
        redactor: setting.redactor,
        knowledge: &knowledge,
        under: &under,
        vault: &opened.vault,
        journal: &mut opened.journal,
    };
    let item = hands.vault.item(id)?;
    let restored = hands.restore(&item, Asked::ByHand)?;
    // it may be that of a renamed account by now
    let restored = hands.tell_still_off(&hands.vault.item(id)?, restored);
    drop(judge);
    tell_failed(setting, on, opened)?;
    Ok(restored)
}

/// What is not allowed and switched off outside of its file.
fn off(knowledge: &Knowledge<'_, '_>, outcome: &Outcome) -> BTreeSet<usize> {
    let is_denied =
        |item: &Assessed| item.judgement.as_ref().is_some_and(|judgement| !judgement.is_allowed());
    let is_off = |item: &Assessed| {
        is_denied(item) && knowledge.is_off(&outcome.sources[item.source].source, &item.entry)
    };
    outcome.entries.iter().enumerate().filter(|(_, item)| is_off(item)).map(|(at, _)| at).collect()
}

/// What a restore was considered under: another policy, other revocations, another mode or a grant may allow more.
fn considered_under(in_force: &InForce, mode: Mode) -> String {
    let grants: String = in_force.grants.iter().map(|grant| format!("/{}", grant.id)).collect();
    let (sha256, revocations) = (&in_force.sha256, in_force.revocations_sequence.unwrap_or(0));
    format!("{sha256}/{revocations}/{}{grants}", in_force::word(mode))
}

/// Why there is no policy, with everything that was refused on the way.
fn nothing_accepted(notices: &[String]) -> String {
    let what = "no policy has been accepted yet, nothing was changed";
    if notices.is_empty() {
        return format!(
            "{what}: name the folder that `policy publish` wrote as `policy.dir`, or by --policy"
        );
    }
    format!("{what}:\n  {}", notices.join("\n  "))
}

/// The mode that holds under a policy for a ring.
fn mode_of(setting: &Setting<'_>, in_force: &InForce, ring: Option<&str>) -> Mode {
    let mode = plan::mode_under(setting.settings.enforcement.mode_ceiling, in_force.policy.mode(ring));
    if setting.glass.is_some() { mode.min(Mode::Observe) } else { mode }
}

fn terms<'a>(setting: &'a Setting<'_>, in_force: &'a InForce, remembered: &'a Remembered) -> Terms<'a> {
    Terms {
        in_force,
        now: setting.now,
        device: &setting.device,
        groups: &setting.settings.device.groups,
        remembered: Some(remembered),
    }
}

fn open(setting: &Setting<'_>) -> anyhow::Result<Opened> {
    let vault = Vault::open(&setting.state.join("vault"))?;
    let (mut journal, found) = Journal::open(&setting.state.join("journal"), setting.now)?;
    let mut activation = Activation::open(&setting.state.join("activation"))?;
    let mut notices: Vec<String> =
        found.damage.iter().map(|damage| format!("the journal was changed: {damage}")).collect();
    let mut policy_waits = false;
    if let Some(held) = activation.begin(setting.now)? {
        policy_waits = true;
        let detail = format!("policy {} is held: {}", held.policy.sequence, held.why);
        journal.append(setting.now, What::Event(Event::new("policy-held", &detail)))?;
        notices.push(detail);
    }
    let remembered = Remembered::default();
    let (pending, replayed) = (found.pending, Vec::new());
    let mut is_partial = false;
    for detail in lost(&vault, &journal, &activation)? {
        is_partial = true;
        journal
            .append(setting.now, What::Event(Event::new("state-damaged", setting.redactor.name(&detail))))?;
        notices.push(detail);
    }
    Ok(Opened {
        vault,
        journal,
        activation,
        remembered,
        pending,
        replayed,
        notices,
        books: Books::new(),
        policy_waits,
        is_old: false,
        is_partial,
        is_earlier: false,
        last: found.last,
        stored: None,
    })
}

/// What is wrong with our own state. It is told at each pass until somebody has looked.
fn lost(vault: &Vault, journal: &Journal, activation: &Activation) -> anyhow::Result<Vec<String>> {
    let mut lost = Vec::new();
    if activation.is_damaged() {
        let what = "what was known of the policies that acted before could not be read: the newest one acts, and was not \
                    compared with the one before";
        lost.push(what.to_owned());
    }
    let (items, damaged) = vault.items()?;
    lost.extend(damaged.iter().map(|path| {
        format!(
            "{} of the vault is damaged: what it was about cannot be put back; remove it if no copy of it is at hand",
            path.display()
        )
    }));
    if journal.sequence() == 0 && !items.is_empty() {
        let what = format!(
            "the journal is empty, but the vault has {} originals: its records are lost",
            items.len()
        );
        lost.push(what);
    }
    Ok(lost)
}

/// Finishes or undoes what a crash broke off, and loads what was remembered.
fn finish_broken(setting: &Setting<'_>, on: On<'_, '_>, opened: &mut Opened) -> anyhow::Result<()> {
    let homes = on.ground.homes.iter();
    opened.journal.know(homes.filter_map(|home| Some((home.user.clone(), home.uid?))));
    for (number, intent) in std::mem::take(&mut opened.pending) {
        let replayed = {
            let how = (setting.redactor, setting.now);
            replay(on.homes, &opened.vault, &mut opened.journal, (number, &intent), how)?
        };
        opened.replayed.push(replayed);
    }
    end_unannounced(on.homes, &opened.vault)?;
    leftovers::sweep(on.homes, &opened.vault, &mut opened.notices)?;
    let (remembered, wrong) = Remembered::load(&setting.state.join("remembered.json"))
        .context("cannot read what was allowed before, remembered.json of the state folder")?;
    opened.remembered = remembered;
    if let Some(wrong) = wrong {
        opened.journal.append(setting.now, What::Event(Event::new("remembered-damaged", &wrong)))?;
        opened.notices.push(wrong);
        opened.is_partial = true;
    }
    Ok(())
}

/// Loads what was in force and takes up what is newer, at the time that is believed. What is refused changes nothing and
/// is told.
fn bring(setting: &Setting<'_>, opened: &mut Opened) -> anyhow::Result<(Trust, Time)> {
    let source = &setting.settings.policy;
    let root = source.trust_root.as_ref().context(
        "no trust root: name the root document that this machine trusts as `policy.trust_root`, or by --trust-root",
    )?;
    let full = std::path::absolute(root)?;
    let pinned = Machine::live().read(&full, None, MAX_ENVELOPE_BYTES as u64);
    let pinned = pinned.with_context(|| format!("cannot read the trust root {}", root.display()))?;
    // attack: whoever can write it signs the policy of this machine with a key of their own
    anyhow::ensure!(
        settings::is_only_ours(&pinned, users::own_uid()),
        "the trust root {} belongs to another user, or group and others may write it: copy it to where only \
         administrators write, mode 0644, and name that",
        root.display()
    );
    let pinned = pinned.bytes;
    let disk = FolderDisk::new(&setting.state.join("policy")).context("cannot make the policy store")?;
    let mut store = Store::new(disk);
    let loaded = store.load(&pinned, Timestamp::UNIX_EPOCH)?;
    let mut notices: Vec<String> =
        loaded.refusals.iter().map(|refusal| format!("a stored document is refused: {refusal}")).collect();
    if loaded.origin == Origin::Lost {
        notices.push("a policy was stored and is lost".to_owned());
    }
    // attack: whoever relays documents serves the folder of another fleet of the same signers, which allows more
    let channel = Some(source.channel.clone());
    let demands = Demands { min_policy: source.min_sequence, channel, ..Demands::default() };
    let mut trust = loaded.trust.demanding(demands);
    let known = trust.state().clock.floor();
    let reading = Reading { wall: setting.now, uptime: setting.uptime.clone() };
    let time = trust.read_clock(reading.clone());
    if let Some(folder) = &source.dir {
        match policy_store::read(folder) {
            Ok(documents) => {
                let update = trust.update(&documents, time);
                let (old, refused): (Vec<_>, Vec<_>) =
                    update.refusals.iter().partition(|refusal| is_old(refusal));
                notices.extend(
                    refused.iter().map(|refusal| format!("refused, what was in force stays: {refusal}")),
                );
                opened.is_old = !old.is_empty();
                for refusal in old {
                    let notice = format!("STALE: what is offered is old, what was in force stays: {refusal}");
                    opened.journal.append_refusal(setting.now, &notice)?;
                    opened.notices.push(notice);
                }
                if update.changed() {
                    store.save(&trust)?;
                    let what: Vec<String> = update
                        .accepted
                        .iter()
                        .map(|(document, sequence)| format!("{document} {sequence}"))
                        .collect();
                    let detail = format!("accepted: {}", what.join(", "));
                    opened.journal.append(setting.now, What::Event(Event::new("policy-accepted", detail)))?;
                }
            }
            Err(error) => notices.push(format!("{error:#}; what was in force stays")),
        }
    }
    for notice in &notices {
        opened.journal.append_refusal(setting.now, notice)?;
    }
    opened.policy_waits |= !notices.is_empty();
    opened.notices.extend(notices);
    let before = time;
    let time = trust.read_clock(reading);
    tell_clock(setting, before, time, opened)?;
    // attack: a clock that is set back brings exceptions, grace and deadlines to life that have ended
    if trust.state().clock.floor().duration_since(known) >= KNOWN_TIME {
        store.save(&trust)?;
    }
    opened.stored = Some(Stored::of(&trust));
    Ok((trust, time))
}

/// Whether a token lets this machine only watch. What has ended is told once.
fn glass(setting: &Setting<'_>, time: Time, opened: &mut Opened) -> anyhow::Result<Option<breakglass::Open>> {
    let file = setting.state.join("breakglass.json");
    match breakglass::open(&file, time.judging, setting.uptime.as_ref()) {
        Ok(Some(Ok(open))) => {
            opened.notices.push(format!(
                "BREAK-GLASS: {} ({}) lets this machine only watch until {}, or its next start",
                open.id, open.reason, open.until
            ));
            Ok(Some(open))
        }
        Ok(Some(Err(ended))) => {
            let detail = format!("the time of {} is over", ended.id);
            opened.journal.append(time.judging, What::Event(Event::new("breakglass-ended", detail)))?;
            Ok(None)
        }
        Ok(None) => Ok(None),
        // fail closed: a damaged file opens nothing
        Err(error) => {
            opened.notices.push(format!("no break-glass token counts: {error:#}"));
            Ok(None)
        }
    }
}

/// Whether it says no more than that no news comes, which the age of the policy tells.
fn is_old(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal { document: DocumentName::Head, violation: Violation::Expired(_) })
}

/// Time that passes before it is worth writing down: a clock that is set back by less gains nothing.
const KNOWN_TIME: SignedDuration = SignedDuration::from_mins(5);

/// Tells what is wrong with the wall clock, and that it was wrong before where a new head has said so.
fn tell_clock(setting: &Setting<'_>, before: Time, time: Time, opened: &mut Opened) -> anyhow::Result<()> {
    let (code, notice) = match (before.event, time.event) {
        (None, _) => return Ok(()),
        (Some(ClockEvent::ClockRollback), None) => {
            let detail = format!(
                "the clock of this machine said before that it was {}; a new head says that it was wrong, and {} counts again",
                before.judging, time.judging
            );
            opened.journal.append(setting.now, What::Event(Event::new("clock-rollback", &detail)))?;
            opened.notices.push(detail);
            opened.is_earlier = true;
            return Ok(());
        }
        (Some(ClockEvent::ClockRollback), _) => (
            "clock-rollback",
            format!(
                "the clock of this machine says {}, which is before a time that has passed by it: {} counts, so that nothing \
                 that ended begins anew; set the clock, or if it is right now and was wrong before, publish a new head \
                 (`mcpolicy policy publish --refresh`)",
                before.wall, before.judging
            ),
        ),
        (Some(ClockEvent::ClockJump), _) => (
            "clock-jump",
            format!(
                "the clock of this machine leapt ahead to {}: exceptions end by it, documents are judged by {}; set the clock",
                before.wall, before.verifying
            ),
        ),
    };
    opened.journal.append(setting.now, What::Event(Event::new(code, &notice)))?;
    opened.notices.push(notice);
    Ok(())
}

fn is_done(end: End) -> bool {
    matches!(end, End::Applied | End::Skipped)
}

/// Whether everything that was planned is done, and what is allowed again is back.
pub fn is_complete(passed: &Passed) -> bool {
    passed.failed.is_empty()
        && passed.unfinished.is_empty()
        && !passed.policy_waits
        && !passed.is_old
        && !passed.is_partial
        && passed.acted.iter().map(|acted| acted.end).all(is_done)
        && passed.restored.iter().all(|(_, restored)| is_done(restored.end) && !restored.incomplete)
}
