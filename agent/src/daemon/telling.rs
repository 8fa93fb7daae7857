//! What a session tells and whom it answers, beside its looks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use mcpolicy_schema::document::Mode;
use mcpolicy_schema::verdict::Judgement;

use super::dirty::Place;
use super::fights::Fight;
use super::notices::Notice;
use super::planted::{self, New};
use super::servers::Told;
use super::{Ends, Line, Said, messages};
use crate::board::Alert;
use crate::board::happened::Happened;
use crate::enforce::act::Acted;
use crate::enforce::foreseen::Would;
use crate::enforce::pass::{Looked, Passed, Session, Setting, Taken};
use crate::ipc::server::Work;
use crate::ipc::{Answer, Ask};
use crate::journal::{End, Event};
use crate::pipeline::Outcome;

/// Of what is told of running servers, what is an alert of the status.
const ALERTS: [&str; 4] = ["server-reported", "server-ended", "server-not-ended", "undeclared-server"];

impl Line<'_, '_, '_, '_> {
    /// Says which mode holds to hooks that will find nobody to ask.
    pub(super) fn say_mode(&self) {
        let problem = self.rig.shared.say_mode().err();
        let problem = problem.map(|error| {
            format!("hooks cannot be told which mode holds, and refuse without the agent: {error}")
        });
        self.board().lasting("mode", problem);
    }

    pub(super) fn answer_of_pass(&self, passed: &Passed, asked: Vec<Work>) {
        let (ground, redactor, now) = (self.on.ground, self.rig.redactor, self.rig.shared.now());
        let acted =
            passed.acted.iter().flat_map(|one| Happened::of(ground, &passed.outcome, one, redactor, now));
        let acted: Vec<Happened> = acted.collect();
        for work in asked {
            let servers = passed.outcome.entries.len() as u64;
            let notices = passed.notices.iter().map(|notice| redactor.name(notice)).collect();
            // nobody may be waiting any more
            let _ = work.reply.send(Answer::Passed { servers, acted: acted.clone(), notices });
        }
    }

    /// What users are to be told of what was done to their files, or would be.
    pub(super) fn note_for_users(&mut self, outcome: &Outcome, acted: &[Acted], would: &[Would]) {
        if self.rig.messenger.is_none() {
            return;
        }
        let contact = self.board().contact();
        let redactor = self.rig.redactor;
        let users = |source: usize| {
            let home = outcome.sources[source].source.home?;
            Some(self.on.ground.homes[home].user.clone())
        };
        let mut told: Vec<(String, Notice)> = Vec::new();
        for one in acted.iter().filter(|one| one.end == End::Applied) {
            let Some(user) = users(one.source) else { continue };
            let block = one.item.as_deref();
            told.extend(one.actions.iter().filter_map(|action| {
                Some((user.clone(), messages::done(&action.redacted(redactor), block, &contact)?))
            }));
        }
        // to observe is to tell nobody; and whoever goes on using a server is told of it once, not at each save
        let warns = self.board().mode() == Some(Mode::Warn);
        for one in would.iter().filter(|_| warns) {
            let Some(user) = users(one.source) else { continue };
            if !self.notices.is_new(&user, (&one.action.client, &one.action.fingerprint)) {
                continue;
            }
            told.push((user, messages::would(&one.action.redacted(redactor), &contact)));
        }
        for (user, notice) in told {
            self.notices.add(&user, notice);
        }
    }

    /// What became of servers that run: what somebody should look into, and what their users are to be told.
    pub(super) fn tell_of_servers(&mut self, told: &[Told]) {
        let now = self.rig.shared.now();
        let contact = self.board().contact();
        for one in told {
            if ALERTS.contains(&one.what) {
                self.board().alert(Alert::new(one.what, now, &one.user, one.detail.clone()));
            }
            if one.is_news && self.rig.messenger.is_some() {
                self.notices.add(&one.user, messages::server(one, &contact));
            }
        }
    }

    /// Shows what is due on desktops.
    pub(super) fn show_notices(&mut self, now: Instant) {
        let Some(messenger) = self.rig.messenger else { return };
        for (user, notice) in self.notices.due(now) {
            let home = self.on.ground.homes.iter().find(|home| home.user == user);
            if let Some(recipient) = home.and_then(|home| (self.rig.recipient)(home)) {
                messenger.tell(recipient, &notice);
            }
        }
    }

    /// Tells of servers that came to several clients at once.
    pub(super) fn tell_planted(
        &mut self,
        session: &mut Session,
        setting: &Setting<'_>,
        looked: &Looked,
        tell: &mut dyn FnMut(Said<'_>),
    ) -> anyhow::Result<()> {
        for (at, clients) in self.planted_in(&looked.outcome) {
            let item = &looked.outcome.entries[at];
            let source = &looked.outcome.sources[item.source].source;
            let Some(home) = source.home else { continue };
            let clients = clients.into_iter().collect::<Vec<_>>().join(", ");
            let seconds = planted::TOGETHER.as_secs();
            let writer = self.writer_of(&source.path).map(|writer| format!("; it was written by {writer}"));
            let writer = writer.unwrap_or_default();
            let detail =
                format!("the same new server came to {clients}, each within {seconds} s of another{writer}");
            let user = self.on.ground.homes[home].user.clone();
            let server = self.rig.redactor.name(&item.entry.name);
            session.event(
                setting,
                Event {
                    user: user.clone(),
                    server: server.clone(),
                    ..Event::new("planted-many-clients", &detail)
                },
            )?;
            let now = self.rig.shared.now();
            self.board().alert(Alert::new("planted-many-clients", now, &user, format!("{server}: {detail}")));
            tell(Said::Notice(format!("planted-many-clients: {server}: {detail}")));
        }
        Ok(())
    }

    /// The entries of servers that have come to several clients with this look, each with all its clients. What the policy
    /// allows is nobody's plant: `mcpolicy add` in a loop, say.
    fn planted_in(&mut self, outcome: &Outcome) -> Vec<(usize, BTreeSet<String>)> {
        let now = Instant::now();
        // one look may see several files: it tells once, with the last that joined
        let mut found: BTreeMap<(usize, String), (usize, BTreeSet<String>)> = BTreeMap::new();
        for (at, item) in outcome.entries.iter().enumerate() {
            let Some(home) = outcome.sources[item.source].source.home else { continue };
            let runs = planted::runs(&item.identity);
            let is_allowed = item.judgement.as_ref().is_some_and(Judgement::is_allowed);
            if is_allowed || self.board().has(home, item.entry.client, &runs) {
                continue;
            }
            let new = New { home, client: item.entry.client.to_owned(), runs: runs.clone() };
            if let Some(clients) = self.planted.note(new, now) {
                found.insert((home, runs), (at, clients));
            }
        }
        found.into_values().collect()
    }

    /// The process that wrote a file a moment ago, in words, where the system tells.
    fn writer_of(&self, path: &Path) -> Option<String> {
        let writer = self.watches.writer_of(path)?;
        let name = |path: &Path| self.rig.redactor.name(&path.to_string_lossy());
        let program = writer.program.as_deref().map_or_else(|| "a process".to_owned(), name);
        let parent = writer.parent.as_deref().map(|parent| format!(", started by {}", name(parent)));
        Some(format!("{program} (process {}{})", writer.pid, parent.unwrap_or_default()))
    }

    /// What was acted on in vain is looked at again after a while.
    pub(super) fn try_again(&mut self, outcome: &Outcome, acted: &[Acted], looked: &[Place]) {
        let failed = acted.iter().filter(|acted| acted.end == End::Failed);
        let failed = failed.filter_map(|acted| {
            let source = &outcome.sources[acted.source].source;
            Some((source.home?, source.path.clone()))
        });
        let failed: BTreeSet<Place> = failed.collect();
        looked.iter().filter(|place| !failed.contains(*place)).for_each(|place| self.retries.done(place));
        let now = Instant::now();
        for place in failed {
            if let Some(wait) = self.retries.failed(&place) {
                self.dirty.again(place, now + wait);
            }
        }
    }

    /// Lets a file be over which a tool and we fight, for a while.
    pub(super) fn hold_fights(
        &mut self,
        session: &mut Session,
        setting: &Setting<'_>,
        looked: &Looked,
        tell: &mut dyn FnMut(Said<'_>),
    ) -> anyhow::Result<()> {
        let now = Instant::now();
        for acted in looked.acted.iter().filter(|acted| acted.end == End::Applied) {
            let source = &looked.outcome.sources[acted.source].source;
            let Some(home) = source.home else { continue };
            let user = self.on.ground.homes[home].user.clone();
            let fight = self.fights.acted(&(user.clone(), source.path.clone()), now);
            let Fight::Pause { pause, is_new } = fight else { continue };
            self.dirty.hold((home, source.path.clone()), now + pause);
            for action in &acted.actions {
                self.servers.fights_for(&user, &action.fingerprint, now);
            }
            if is_new {
                let path = self.rig.redactor.name(&source.path.to_string_lossy());
                let writer = self.writer_of(&source.path);
                let writer = writer.unwrap_or_else(|| "a program that is to be found".to_owned());
                let detail = format!(
                    "something puts what is denied back into {path} as often as it is taken out: it is acted on ever \
                     more slowly, at least once a minute; it is written by {writer}"
                );
                session.event(setting, Event { user: user.clone(), ..Event::new("fight", &detail) })?;
                let now = self.rig.shared.now();
                self.board().alert(Alert::new("fight", now, &user, detail.clone()));
                tell(Said::Notice(format!("fight: {detail}")));
            }
        }
        Ok(())
    }

    /// Does what somebody asked for. Whether the session ends over it.
    pub(super) fn work(&self, session: &mut Session, work: Work) -> Option<Ends> {
        let redactor = self.rig.redactor;
        match &work.ask {
            Ask::Restore { id } => {
                let setting = (self.rig.setting)();
                let mut done = None;
                (self.rig.bounds)(&mut |bounds| done = Some(session.restore(&setting, self.on, bounds, id)));
                let refused = |why: String| Answer::Refused { why: redactor.name(&why) };
                let answer = match done {
                    Some(Ok((restored, notices))) => Answer::restored(&restored, &notices, redactor),
                    Some(Err(error)) => refused(format!("{error:#}")),
                    None => refused("nothing was done".to_owned()),
                };
                // nobody may be waiting any more
                let _ = work.reply.send(answer);
                None
            }
            Ask::Redeem { token } => {
                let setting = (self.rig.setting)();
                self.taken(session.redeem(&setting, token, work.caller.sees()), &work)
            }
            Ask::Breakglass { token } => {
                let setting = (self.rig.setting)();
                self.taken(session.break_glass(&setting, token), &work)
            }
            Ask::Pass => Some(Ends::Asked(work)),
            // the threads answer these by themselves
            Ask::Status { .. }
            | Ask::Found
            | Ask::Policy
            | Ask::Past
            | Ask::Report { .. }
            | Ask::Request { .. }
            | Ask::Requests
            | Ask::Call { .. }
            | Ask::Called { .. } => None,
        }
    }

    /// Answers for a token. What was taken acts by the next pass, which is made at once.
    fn taken(&self, taken: anyhow::Result<Taken>, work: &Work) -> Option<Ends> {
        let (answer, ends) = match taken {
            Ok(Taken { id, what, until }) => (Answer::Taken { id, what, until }, Some(Ends::Anew)),
            Err(error) => {
                let why = self.rig.redactor.name(&format!("{error:#}"));
                (Answer::Refused { why }, None)
            }
        };
        // nobody may be waiting any more
        let _ = work.reply.send(answer);
        ends
    }
}
