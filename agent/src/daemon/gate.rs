//! Who waits at the gate is answered: by a look at the file, as after any other change, which takes out what is denied, and by
//! what the file holds then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mcpolicy_platform::gate::{Late, PATIENCE, Question, Told, Word};
use mcpolicy_schema::document::{GateLate, Mode};

use super::dirty::Place;
use super::{Line, Said, Wake};
use crate::board::Alert;
use crate::enforce::pass::{Checked, Passed, Session};
use crate::gate::Wanted;
use crate::journal::Event;
use crate::worker::homes::LEFT_OUT;

/// How long nothing more is written down of the same file.
///
/// Attack: a user opens a file that is refused again and again, and fills the journal.
const ONCE_IN: Duration = Duration::from_secs(60);
/// Files of which it is kept when they were told of.
const MOST_TOLD: usize = 1024;

/// When what was told of the gate.
#[derive(Default)]
pub(super) struct GateTold {
    at: BTreeMap<String, Instant>,
    /// Late answers that nobody was told of yet.
    late: u64,
}

impl GateTold {
    fn is_new(&mut self, what: &str, now: Instant) -> bool {
        self.at.retain(|_, at| now.saturating_duration_since(*at) < ONCE_IN);
        let is_new = !self.at.contains_key(what) && self.at.len() < MOST_TOLD;
        if is_new {
            self.at.insert(what.to_owned(), now);
        }
        is_new
    }
}

/// What became of a file that somebody waits for.
enum Fate {
    Word(Word),
    /// It is refused, and why.
    Refused {
        user: String,
        path: PathBuf,
        why: String,
    },
}

impl Line<'_, '_, '_, '_> {
    /// Opens or closes the gate, as the policy in force, the mode and the ceiling say.
    pub(super) fn settle_gate(&mut self, passed: &Passed) {
        let policy = &passed.in_force.policy.document().policy;
        let late = match policy.gate_late {
            GateLate::Deny => Late::Deny,
            GateLate::Allow => Late::Allow,
        };
        let wanted = match (policy.gate, passed.mode >= Mode::Hold) {
            (false, _) => Wanted::No,
            (true, false) => Wanted::Not("nothing is held in a mode that writes nothing"),
            (true, true) => Wanted::Yes(late),
        };
        let wake = self.tell_wake.clone();
        self.gate.settle(wanted, move |at, told| drop(wake.send(Wake::Gate(at, told))));
        self.on.homes.knows_waiting(self.gate.waiting());
        self.gate_folders.take_in(&passed.outcome);
    }

    /// Holds opens in the folders that are there by now.
    pub(super) fn hold_folders(&mut self, session: &Session) {
        if self.gate.is_on() {
            self.gate_folders.take_in_linked(session.linked_folders());
            self.gate.hold(&self.gate_folders.on_host(self.on.ground));
            let known: Vec<(usize, PathBuf)> = session.all_known();
            let machine = &self.on.ground.machine;
            let real =
                known.iter().filter_map(|(_, path)| machine.resolve(path).ok().map(|found| found.path));
            let real: Vec<PathBuf> = real.collect();
            self.gate.names(real.iter().filter_map(|path| path.file_name()));
        }
        let stands = self.gate.stands();
        self.board().gate = stands;
    }

    /// Deals with what the gate has told.
    pub(super) fn hear_gate(
        &mut self,
        session: &mut Session,
        told: Vec<(Instant, Told)>,
        tell: &mut dyn FnMut(Said<'_>),
    ) {
        // each waits for those before it, too
        for (_, told) in &told {
            if let Told::Question(question) = told {
                self.gate.taken_up(question.id);
            }
        }
        for (at, told) in told {
            match told {
                // he has been answered without us
                Told::Question(_) if at.elapsed() >= PATIENCE => {}
                Told::Question(question) => self.answer_gate(session, &question, tell),
                Told::Late { .. } => self.gate_told.late += 1,
                Told::Restarted { late } => {
                    self.gate_told.late += late;
                    let text = "the process that answers at the gate ended and was started again";
                    self.note_gate(session, Event::new("gate-restarted", text), tell);
                }
                Told::Renewed => {
                    let text = "both processes of the gate ended and were started again";
                    self.note_gate(session, Event::new("gate-restarted", text), tell);
                }
            }
        }
        if self.gate_told.late > 0 && self.gate_told.is_new("late", Instant::now()) {
            let count = std::mem::take(&mut self.gate_told.late);
            let text = "opens were not checked in time: they were answered as `gate_late` of the policy says";
            self.note_gate(session, Event { count: Some(count), ..Event::new("gate-late", text) }, tell);
        }
    }

    fn note_gate(&mut self, session: &mut Session, event: Event, tell: &mut dyn FnMut(Said<'_>)) {
        let (code, user, detail) = (event.code.clone(), event.user.clone(), event.detail.clone());
        self.note(session, event, tell);
        let now = self.rig.shared.now();
        self.board().alert(Alert::new(&code, now, &user, self.rig.redactor.name(&detail)));
        tell(Said::Notice(format!("{code}: {detail}")));
    }

    fn answer_gate(&mut self, session: &mut Session, question: &Question, tell: &mut dyn FnMut(Said<'_>)) {
        match self.fate(session, question, tell) {
            Fate::Word(word) => self.gate.answer(question.id, word),
            Fate::Refused { user, path, why } => {
                // first of all: whoever waits is no matter of the journal
                self.gate.answer(question.id, Word::Deny);
                let path = self.rig.redactor.name(&path.to_string_lossy());
                if self.gate_told.is_new(&path, Instant::now()) {
                    let why = self.rig.redactor.name(&why);
                    let detail = format!("process {} was not let read {path}: {why}", question.pid);
                    self.note_gate(session, Event { user, ..Event::new("gate-denied", detail) }, tell);
                }
            }
        }
    }

    /// What becomes of a file that somebody waits for: a look at it, which takes out what is denied, and then at what it holds.
    fn fate(&mut self, session: &mut Session, question: &Question, tell: &mut dyn FnMut(Said<'_>)) -> Fate {
        let places = self.gate.places_of(question);
        let due = self.due_at(session, &places);
        let Some((home, path)) = due.first().cloned() else {
            // it has no name any more, or another file has it: nobody can say what is in it
            return Fate::Word(Word::Deny);
        };
        let user = self.on.ground.homes[home].user.clone();
        let refused = |why: String| Fate::Refused { user: user.clone(), path: path.clone(), why };
        let was_known = due.iter().any(|(home, path)| session.knows(*home, path));
        let seen = match self.look(session, &due, tell) {
            Ok(seen) if seen.is_unanswered => return refused("its home gives no answer".to_owned()),
            Ok(seen) => seen,
            Err(error) => return refused(format!("it could not be checked: {error:#}")),
        };
        let is_due = |path: &PathBuf| due.iter().any(|(_, of)| of == path);
        if seen.undone.iter().any(is_due) {
            return refused("it holds a server that is not allowed, and could not be changed".to_owned());
        }
        if self.on.homes.left_out().iter().any(|(_, path)| is_due(path)) {
            return refused(LEFT_OUT.to_owned());
        }
        let setting = (self.rig.setting)();
        let mut stamp = None;
        for source in seen.sources.iter().filter(|source| is_due(&source.path)) {
            match session.check(&setting, self.on, source) {
                Checked::InOrder(state) => stamp = Some(state),
                Checked::NotInOrder(servers) => {
                    return refused(format!("it holds what is not allowed: {}", servers.join(", ")));
                }
                Checked::Unknown(why) => return refused(why),
                Checked::Gone => return Fate::Word(Word::Deny),
            }
        }
        // Attack: the folder is away while we look, and back before we answer. What is no client's file must have been there all
        // the time.
        let is_nobodys = || !was_known && self.gate.places_of(question) == places;
        match stamp {
            Some(stamp) => Fate::Word(Word::Allow(stamp)),
            None if is_nobodys() => Fate::Word(Word::Allow(question.stamp)),
            None => Fate::Word(Word::Deny),
        }
    }

    /// What has to be looked at for a file at these places of this host: it may be a client's by links, too.
    fn due_at(&self, session: &Session, places: &[PathBuf]) -> Vec<Place> {
        let mut due: BTreeSet<Place> = BTreeSet::new();
        for path in places {
            let path = self.on.ground.machine.machine_path(path);
            let Some(home) = self.on.homes.home_of(&path).or_else(|| session.home_that_knows(&path)) else {
                continue;
            };
            due.extend(session.known_as(home, &path).into_iter().map(|known| (home, known)));
            due.insert((home, path));
        }
        due.into_iter().collect()
    }
}
