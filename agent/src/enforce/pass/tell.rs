//! What a pass says of what it could not look at or finish, to people and to the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mcpolicy_schema::finding::Severity;

use super::{On, Opened, Setting};
use crate::enforce::act::ActError;
use crate::enforce::not_done::NOT_DONE;
use crate::enforce::turns::Turns;
use crate::journal::{Event, What};
use crate::pipeline::{Ground, Outcome, SourceResult};
use crate::worker::Failure;

/// The state of a file that was not read, and the gap where the system is the reason.
const UNREADABLE: &str = "unreadable";
/// The gap where it has more bytes than are read.
const TOO_LARGE: &str = "too-large";

/// Files of clients that the system does not let be read, and why. A link that leads nowhere hides nothing, and what is
/// no file of its user's is a finding of the report.
pub(super) fn unread(outcome: &Outcome) -> impl Iterator<Item = (&SourceResult, &str)> {
    // attack: a denied server in a file that was made too large by blanks, which its client reads all the same
    let refused: BTreeSet<&Path> = outcome
        .gaps
        .iter()
        .filter(|gap| [UNREADABLE, TOO_LARGE].contains(&gap.kind))
        .filter_map(|gap| gap.path.as_deref())
        .collect();
    outcome.sources.iter().filter(|file| file.state == UNREADABLE).filter_map(move |file| {
        let (path, finding) = (&*file.source.path, &file.findings.first()?.finding);
        (finding.severity > Severity::Low && refused.contains(path)).then_some((file, &*finding.message))
    })
}

/// Says what was not looked at: files of clients that cannot be read, and homes that were here before.
pub(super) fn tell_unseen(
    setting: &Setting<'_>,
    ground: &Ground,
    outcome: &Outcome,
    opened: &mut Opened,
) -> Result<(), ActError> {
    for (file, why) in unread(outcome) {
        let path = file.source.path.display();
        let detail =
            format!("{path} could not be read, so that nothing is known of the servers in it: {why}");
        let user = file.source.home.map_or_else(String::new, |at| ground.homes[at].user.clone());
        let event = Event { user, ..Event::new(NOT_DONE, setting.redactor.name(&detail)) };
        opened.journal.append(setting.now, What::Event(event))?;
        opened.notices.push(detail);
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
