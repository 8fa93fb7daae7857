//! What a pass says of what it could not look at or finish, to people and to the journal.

use std::collections::BTreeMap;
use std::path::Path;

use super::{On, Opened, Setting};
use crate::enforce::act::ActError;
use crate::enforce::told::Told;
use crate::enforce::turns::Turns;
use crate::enforce::unseen::Unseen;
use crate::journal::{Event, What};
use crate::pipeline::Ground;
use crate::worker::Failure;

/// Says what was not looked at: files and folders, and homes that were here before. Whether anything of it may hold
/// servers that this pass ought to have judged.
pub(super) fn tell_unseen(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    unseen: &[Unseen],
    told: &mut Told,
    opened: &mut Opened,
) -> Result<bool, ActError> {
    let ground = on.ground;
    for one in unseen {
        let event = one.event(on);
        let event = Event { detail: setting.redactor.name(&event.detail), ..event };
        if told.is_new(&event) {
            opened.journal.append(setting.now, What::Event(event))?;
        }
        opened.notices.push(one.said.clone());
    }
    let (items, _) = opened.vault.items()?;
    let is_here = |home: &str| ground.homes.iter().any(|known| known.layout.home == Path::new(home));
    let mut gone: BTreeMap<String, usize> = BTreeMap::new();
    for item in items.into_iter().filter(|item| item.is_open() && !is_here(&item.home)) {
        *gone.entry(item.home).or_default() += 1;
    }
    for (home, count) in gone {
        opened.notices.push(format!(
            "the home {home} is not there: nothing was looked at in it, and {count} of its originals wait in the \
             vault; mount it, or purge them if it is gone for good"
        ));
    }
    Ok(unseen.iter().any(|one| one.is_incomplete))
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
