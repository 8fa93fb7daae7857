//! What a pass says of what it could not look at or finish, to people and to the journal.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use mcpolicy_platform::durable;
use mcpolicy_platform::machine::Machine;

use super::{On, Opened, Setting};
use crate::enforce::act::ActError;
use crate::enforce::told::Told;
use crate::enforce::turns::Turns;
use crate::enforce::unseen::Unseen;
use crate::enforce::whose::{Account, account};
use crate::journal::{Event, Gap, What};
use crate::pipeline::Ground;
use crate::vault::Item;
use crate::worker::Failure;

/// Where it stands when an agent was last alive: a quiet one writes no record for hours.
const ALIVE: &str = "alive";
/// Longest such file, in bytes.
const MAX_ALIVE: u64 = 64;

/// Writes down that the agent is alive. Without it a gap is told as longer than it was.
pub(super) fn note_alive(setting: &Setting<'_>) {
    let _ = durable::write(&setting.state.join(ALIVE), setting.now.to_string().as_bytes());
}

/// When an agent was last alive, beside what the journal tells.
fn alive(setting: &Setting<'_>) -> Option<Timestamp> {
    let read = Machine::live().read(&setting.state.join(ALIVE), None, MAX_ALIVE).ok()?;
    std::str::from_utf8(&read.bytes).ok()?.parse().ok()
}

/// Writes down for how long no agent ran: what happened then was seen by nobody.
pub(super) fn tell_gap(setting: &Setting<'_>, opened: &mut Opened) -> Result<(), ActError> {
    let Some((last, stopped)) = opened.last else { return Ok(()) };
    let to = setting.now;
    let from = alive(setting).filter(|_| !stopped).map_or(last, |alive| alive.max(last));
    // a clock that was set back makes none
    if from > to {
        return Ok(());
    }
    let (reason, why) = if stopped {
        ("stopped", "it was told to stop")
    } else {
        ("broken-off", "it was killed or crashed, or the machine went off")
    };
    let detail = format!("no agent ran from {from} to {to}: {why}");
    let gap = Some(Gap { from, to, reason: reason.to_owned() });
    opened.journal.append(to, What::Event(Event { gap, ..Event::new("agent-gap", detail) }))?;
    Ok(())
}

/// Says what was not looked at: files and folders, and homes that were here before. Whether anything of it may hold
/// servers that this pass ought to have judged.
pub(super) fn tell_unseen(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    unseen: &[Unseen],
    told: &mut Told,
    opened: &mut Opened,
) -> Result<bool, ActError> {
    for one in unseen {
        let event = one.event(on);
        let event = Event { detail: setting.redactor.name(&event.detail), ..event };
        if told.is_new(&event) {
            opened.journal.append(setting.now, What::Event(event))?;
        }
        opened.notices.push(one.said.clone());
    }
    Ok(unseen.iter().any(|one| one.is_incomplete))
}

/// Tells of originals that wait for their accounts: nothing but a pass learns of accounts.
pub(super) fn tell_waiting(ground: &Ground, opened: &mut Opened) -> Result<(), ActError> {
    let (items, _) = opened.vault.items()?;
    opened.notices.extend(waiting(ground, items));
    Ok(())
}

/// A home that originals were taken from, and the user and home that its account has now.
type Waiting<'g> = (String, Option<(&'g str, &'g Path)>);

/// What is said of originals whose account is not there, or has another name or home now.
fn waiting(ground: &Ground, items: Vec<Item>) -> Vec<String> {
    let mut homes: BTreeMap<Waiting<'_>, usize> = BTreeMap::new();
    for item in items.into_iter().filter(Item::is_open) {
        let now = match account(ground, &item) {
            Account::Same | Account::Anothers => continue,
            Account::Renamed(home) => Some((&*home.user, &*home.layout.home)),
            Account::Gone => None,
        };
        *homes.entry((item.home, now)).or_default() += 1;
    }
    let said = |((home, now), count): (Waiting<'_>, usize)| match now {
        Some((user, now)) => format!(
            "the account of which {home} was the home is {user} with {} now, by its number: {count} of its originals wait \
             in the vault; if it is the same person, `mcpolicy quarantine restore ID` puts each back there, else purge them",
            now.display()
        ),
        None => format!(
            "the home {home} is not there: nothing was looked at in it, and {count} of its originals wait in the \
             vault; mount it, or purge them if it is gone for good"
        ),
    };
    homes.into_iter().map(said).collect()
}

/// Says of whom there was more than the journal is told.
pub(super) fn tell_more(
    setting: &Setting<'_>,
    more: BTreeMap<String, u64>,
    opened: &mut Opened,
) -> Result<(), ActError> {
    for (user, count) in more {
        let detail = "more stayed as it is than is written down of one user";
        let event = Event { user, count: Some(count), ..Event::new("not-done", detail) };
        opened.journal.append(setting.now, What::Event(event))?;
    }
    Ok(())
}

/// Says of each home that gave no answer that it did not.
pub(super) fn tell_failed(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    opened: &mut Opened,
) -> anyhow::Result<Vec<(String, Failure)>> {
    let mut failed = Vec::new();
    for (at, failure) in on.homes.failed() {
        let home = &on.ground.homes[at];
        let path = home.layout.home.display();
        let times = opened.remembered.unanswered(&home.user);
        let detail = match times {
            0 | 1 => format!("the home {path} is not done: {failure}"),
            _ => format!("the home {path} is not done, {times} passes in a row: {failure}"),
        };
        let said = setting.redactor.name(&detail);
        let event = Event {
            user: home.user.clone(),
            count: (times > 0).then_some(times),
            ..Event::new("worker-failed", said)
        };
        opened.journal.append(setting.now, What::Event(event))?;
        opened.notices.push(detail);
        failed.push((home.user.clone(), failure));
    }
    Ok(failed)
}

/// Says of each home whose time was not enough how much is left. Their users.
pub(super) fn tell_unfinished(
    setting: &Setting<'_>,
    ground: &Ground,
    turns: &Turns,
    opened: &mut Opened,
) -> Result<Vec<String>, ActError> {
    let mut unfinished = Vec::new();
    for (at, count) in turns.left() {
        let home = &ground.homes[at];
        let detail = format!(
            "the home {} had {} s of this pass and needs more: {count} files and originals of it wait for the next",
            home.layout.home.display(),
            setting.settings.enforcement.home_seconds
        );
        let event = Event { user: home.user.clone(), ..Event::new("home-unfinished", &detail) };
        opened.journal.append(setting.now, What::Event(event))?;
        opened.notices.push(detail);
        unfinished.push(home.user.clone());
    }
    Ok(unfinished)
}
