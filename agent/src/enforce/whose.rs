//! Whose an original is by now: accounts are renamed, homes are moved, and numbers are given to new people.

use std::path::Path;

use super::act::{ActError, Hands};
use super::restore::Asked;
use crate::discover::HomeContext;
use crate::journal::{End, Event, What};
use crate::pipeline::Ground;
use crate::vault::Item;

/// The account of an item, as the machine knows it now.
pub(super) enum Account<'g> {
    /// It is as it was.
    Same,
    /// Another name or another home has the number that its user had.
    Renamed(&'g HomeContext),
    /// Its home is that of another account.
    Anothers,
    /// No account has the home or the number.
    Gone,
}

/// The account of an item.
pub(super) fn account<'g>(ground: &'g Ground, item: &Item) -> Account<'g> {
    let there = at_home(ground, item);
    if there.is_some_and(|home| item.is_of(&home.user, home.uid, &home.layout.home)) {
        return Account::Same;
    }
    let mut same = ground.homes.iter().filter(|home| item.uid.is_some() && home.uid == item.uid);
    match (same.next(), same.next(), there) {
        (Some(home), None, _) => Account::Renamed(home),
        (_, _, Some(_)) => Account::Anothers,
        _ => Account::Gone,
    }
}

fn at_home<'g>(ground: &'g Ground, item: &Item) -> Option<&'g HomeContext> {
    ground.homes.iter().find(|home| home.layout.home == Path::new(&item.home))
}

const ANOTHERS: &str = "it was taken from an earlier account of this name: what it holds is not this user's; `mcpolicy quarantine \
    show` tells whose it was, and purge gives it up";

const GONE: &str = "its home is not there, and no account here, or more than one, has the number that its user had: mount the home, \
    or purge it if it is gone for good";

/// Why an item does not come back to any home, or the item as that of its account now.
type Owned = Result<Item, (End, String)>;

impl Hands<'_, '_, '_> {
    /// The item as that of its account. What was taken from an account that has another name or home now is that one's
    /// once somebody says so who names the item.
    ///
    /// Attack, or a laptop that changes hands: the number of an account that was removed is given to the next one, which
    /// looks like one that was renamed. So nothing of it comes back by itself.
    pub(super) fn of_account(&mut self, item: &Item, asked: Asked) -> Result<Owned, ActError> {
        let ground = self.ground;
        let home = match account(ground, item) {
            Account::Same => return Ok(Ok(item.clone())),
            Account::Anothers => return Ok(Err((End::Skipped, ANOTHERS.to_owned()))),
            Account::Gone => return Ok(Err((End::Failed, GONE.to_owned()))),
            Account::Renamed(home) => home,
        };
        let now = home.layout.home.display();
        if asked == Asked::ByPolicy {
            let why = format!(
                "its account is called {} now, with the home {now}: `mcpolicy quarantine restore` puts it back there, if \
                 it is the same person's",
                home.user
            );
            return Ok(Err((End::Skipped, why)));
        }
        if is_left_behind(ground, item, &home.layout.home) {
            let why = format!("its home {} is there still: move what is in it to {now} first", item.home);
            return Ok(Err((End::Failed, why)));
        }
        let Some(item) = item.moved(&home.user, &home.layout.home) else {
            return Ok(Err((End::Failed, format!("its file lay outside of its home, not in {now}"))));
        };
        let detail = format!(
            "{} counts to {} with the home {now}, which has the number of its account: somebody restores it there",
            item.id, home.user
        );
        let detail = self.redactor.name(&detail);
        let event = Event { user: home.user.clone(), ..Event::new("account-renamed", detail) };
        self.journal.append(self.now, What::Event(event))?;
        self.vault.update(&item)?;
        Ok(Ok(item))
    }
}

/// Whether the home that an item was taken from stands where it stood, and is nobody's.
fn is_left_behind(ground: &Ground, item: &Item, now: &Path) -> bool {
    let then = Path::new(&item.home);
    let is_gone = || ground.machine.resolve(then).is_err_and(|error| error.is_absent());
    then != now && at_home(ground, item).is_none() && !is_gone()
}
