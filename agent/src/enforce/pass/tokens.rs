//! Tokens that come by hand: a grant for one entry of one user, and break-glass.

use anyhow::Context as _;
use jiff::Timestamp;
use mcpolicy_schema::signed::Grant;
use mcpolicy_schema::trust::{Time, Trust};

use super::{Event, Opened, Setting, What, bring, open};
use crate::enforce::{breakglass, grants};
use crate::journal::Journal;

/// A token that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its id.
    pub id: String,
    /// What it is about, for people.
    pub what: String,
    /// When it ends, at the latest.
    pub until: Timestamp,
}

/// The grants that count. Those that never will again are told of and let go where their place is needed, and then only by a
/// machine that has its policy: a store that is lost, or an id that is misspelt for a day, takes no exception away.
pub(super) fn granted(
    setting: &Setting<'_>,
    (trust, time): (&Trust, Time),
    journal: &mut Journal,
) -> anyhow::Result<Vec<Grant>> {
    let kept = grants::load(&setting.state.join("grants"), (trust, time), &setting.device);
    let makes_room = kept.is_full && trust.policy().is_some();
    for void in kept.void.iter().filter(|_| makes_room) {
        let detail = format!("it never counts again: {}", setting.redactor.name(&void.detail));
        let event = Event { user: void.user.clone(), ..Event::new("grant-void", detail) };
        // said before it is done: what is gone must have a trace
        journal.append(time.judging, What::Event(event))?;
        void.forget();
    }
    Ok(kept.grants)
}

/// Takes a grant; `user` may take only the own, an administrator (`None`) anybody's. The next pass acts by it.
///
/// # Errors
/// It is refused, or the state cannot be read or written.
pub fn redeem(setting: &Setting<'_>, token: &str, user: Option<&str>) -> anyhow::Result<Taken> {
    redeem_opened(setting, token, user, &mut open(setting)?)
}

/// Takes a break-glass token. The next pass acts by it.
///
/// # Errors
/// It is refused, or the state cannot be read or written.
pub fn break_glass(setting: &Setting<'_>, token: &str) -> anyhow::Result<Taken> {
    break_glass_opened(setting, token, &mut open(setting)?)
}

pub(super) fn redeem_opened(
    setting: &Setting<'_>,
    token: &str,
    user: Option<&str>,
    opened: &mut Opened,
) -> anyhow::Result<Taken> {
    let taken = bring(setting, opened).and_then(|(trust, time)| {
        let folder = setting.state.join("grants");
        // what counts no more takes no place
        granted(setting, (&trust, time), &mut opened.journal)?;
        let grant = grants::take(&folder, (&trust, time), token, (&setting.device, user))?;
        let what = format!("{} for {}", setting.redactor.name(&grant.identity), grant.user);
        let detail = format!("{} allows {what} until {}", grant.id, grant.expires);
        let event = Event { user: grant.user.clone(), ..Event::new("grant-redeemed", detail) };
        opened.journal.append(time.judging, What::Event(event))?;
        Ok(Taken { id: grant.id, what, until: grant.expires })
    });
    opened.activation.end()?;
    taken.context("the grant is not taken")
}

pub(super) fn break_glass_opened(
    setting: &Setting<'_>,
    token: &str,
    opened: &mut Opened,
) -> anyhow::Result<Taken> {
    let taken = bring(setting, opened).and_then(|(trust, time)| {
        let file = setting.state.join("breakglass.json");
        let whose = (setting.device.as_str(), setting.uptime.as_ref());
        let glass = breakglass::take(&file, (&trust, time), token, whose)?;
        let what = format!("this machine only watches: {}", setting.redactor.name(&glass.reason));
        let detail = format!("{}: {what}, until {} or its next start", glass.id, glass.until);
        opened.journal.append(time.judging, What::Event(Event::new("breakglass", detail)))?;
        Ok(Taken { id: glass.id, what, until: glass.until })
    });
    opened.activation.end()?;
    taken.context("the token is not taken")
}
