//! Files with their client's own state that are too much for one edit: they never go as a whole, so that what is denied in
//! them is taken out part by part, each with its own original, intent and proof.

use std::time::{Duration, Instant};

use super::act::{ActError, Acted, Hands, NOTHING_DENIED, TRIES, given_up};
use super::not_done::{LEFT, MAX_NOT_DONE};
use super::plan::FilePlan;
use super::swap::Try;
use crate::discover::source::Source;
use crate::journal::{Action, End};
use crate::pipeline::Outcome;
use crate::worker::Part;

/// Entries that are looked at in one go.
const MOST: usize = 5_000;
/// Edits of one file in one pass: the vault keeps an original for each.
const EDITS: usize = 8;
/// Time for one file in one pass. The next goes on.
const TIME: Duration = Duration::from_secs(20);
/// How much smaller a part becomes in which something cannot be edited.
const SMALLER: usize = 8;

const MORE: &str = "there is more in it than can be looked at in one pass: the next goes on";

/// What came of one part.
enum Came {
    /// No part of the file can be dealt with, or nothing is left of it.
    Over(Acted),
    /// Nothing in it is denied.
    Nothing,
    /// It was edited.
    Done(Acted),
    /// Its user wrote the file meanwhile.
    Again(Acted),
    /// It cannot be edited and proved, or not be written down: why, and what is denied in it.
    Unfit(String, Vec<Action>),
}

/// What came of all so far.
#[derive(Default)]
struct Sum {
    edits: usize,
    actions: Vec<Action>,
    gone: Vec<super::aside::Gone>,
    said: Vec<String>,
    item: Option<String>,
    /// Why something stayed, and what.
    why: Option<String>,
    left: Vec<Action>,
}

impl Hands<'_, '_, '_> {
    /// Acts on a file part by part.
    ///
    /// # Errors
    /// As [`Hands::act`].
    pub(super) fn act_in_parts(&mut self, at: usize, source: &Source) -> Result<Acted, ActError> {
        let (start, mut sum, mut tries) = (Instant::now(), Sum::default(), 0);
        let mut part = Part { from: 0, most: MOST };
        loop {
            if sum.edits >= EDITS || start.elapsed() > TIME {
                sum.why.get_or_insert_with(|| MORE.to_owned());
                break;
            }
            let (came, told, rest) = self.act_on_part(at, source, part)?;
            match came {
                Came::Over(acted) if sum.edits == 0 => return Ok(acted),
                Came::Over(acted) => {
                    if acted.end != End::Skipped {
                        sum.why = Some(acted.detail);
                    }
                    break;
                }
                Came::Again(acted) => {
                    tries += 1;
                    if tries >= TRIES {
                        sum.why = Some(given_up(acted).detail);
                        break;
                    }
                    continue;
                }
                Came::Unfit(..) if told > 1 => {
                    part.most = (told / SMALLER).max(1);
                    continue;
                }
                Came::Unfit(why, denied) => {
                    sum.why = Some(why);
                    sum.left.extend(denied);
                    part.from += told;
                }
                Came::Nothing => part.from += told,
                Came::Done(acted) => {
                    part.from += told - acted.gone.len().min(told);
                    sum.take(acted);
                }
            }
            // larger again, but not at once: what did not fit may be the next
            part.most = part.most.saturating_mul(SMALLER).min(MOST);
            if rest == 0 {
                break;
            }
        }
        self.sum_up(at, source, sum)
    }

    /// Acts on one part; how many entries were told, and how many come after them.
    fn act_on_part(
        &mut self,
        at: usize,
        source: &Source,
        part: Part,
    ) -> Result<(Came, usize, usize), ActError> {
        let over = |end, detail: String| Ok((Came::Over(Acted { end, detail, ..Acted::nothing(at) }), 0, 0));
        let Some(home) = source.home else { return over(End::Failed, "it belongs to no home".to_owned()) };
        let mut opened = match self.homes.open_part(source, false, part) {
            Ok(Some(opened)) => opened,
            Ok(None) => return over(End::Skipped, "the file is gone".to_owned()),
            Err(why) => return over(End::Failed, why),
        };
        let (told, rest) = (opened.held.entries.len(), opened.held.rest);
        let before = self.judged(source, &mut opened.held);
        let came = match self.plan(&before).files.into_iter().next() {
            None => Came::Nothing,
            Some(file) => {
                match self.edit(home, source, &before, &file).and_then(|edit| self.recordable(source, edit)) {
                    Ok(edit) => match self.replace(at, source, &opened, &edit)? {
                        Try::Again(acted) => Came::Again(acted),
                        Try::Done(acted) if acted.end == End::Applied => Came::Done(acted),
                        // what cannot be written now cannot be so for the next part either
                        Try::Done(acted) => Came::Over(acted),
                    },
                    Err(why) if self.homes.has_failed(home) => return over(End::Failed, why),
                    Err(why) => Came::Unfit(why, self.denied(&before, &file)),
                }
            }
        };
        self.homes.close(home);
        Ok((came, told, rest))
    }

    fn denied(&self, before: &Outcome, file: &FilePlan) -> Vec<Action> {
        let targets = file.targets.iter().take(MAX_NOT_DONE);
        targets.map(|target| self.action(&before.entries[target.entry], LEFT)).collect()
    }

    fn sum_up(&mut self, at: usize, source: &Source, mut sum: Sum) -> Result<Acted, ActError> {
        let acted = Acted { gone: sum.gone, item: sum.item, ..Acted::nothing(at) };
        let parts = (sum.edits > 1).then(|| {
            format!(
                "{} servers were taken out of it or changed in {} parts, each with its own original in the vault",
                sum.actions.len(),
                sum.edits
            )
        });
        if let Some(why) = sum.why {
            let done = parts.map_or_else(String::new, |parts| format!("{parts}; "));
            let detail = format!("{done}{why}; it does not go as a whole: it holds its client's own state");
            let failed = Acted { end: End::Failed, detail, actions: sum.left, ..acted };
            let failed = self.not_done(failed, source, 0)?;
            return Ok(Acted { in_journal: true, ..failed });
        }
        if sum.edits == 0 {
            return Ok(Acted { detail: NOTHING_DENIED.to_owned(), ..acted });
        }
        sum.said.retain(|said| !said.is_empty());
        sum.said.dedup();
        sum.said.splice(0..0, parts);
        let (actions, detail) = (sum.actions, sum.said.join("; "));
        Ok(Acted { end: End::Applied, detail, actions, in_journal: true, ..acted })
    }
}

impl Sum {
    fn take(&mut self, acted: Acted) {
        self.edits += 1;
        self.actions.extend(acted.actions);
        self.gone.extend(acted.gone);
        self.said.push(acted.detail);
        self.item = acted.item.or(self.item.take());
    }
}
