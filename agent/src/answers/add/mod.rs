//! `add`: writes an approved server into a client's file, by the same proved edit as every other change.
//!
//! The result is parsed as its client would and judged by the same policy before anything is written; what would not be
//! allowed is not written. It runs as the user on the user's own files.

mod form;
mod place;
#[cfg(test)]
mod tests;
mod told;

use std::path::Path;

use mcpolicy_clients::adapters;
use mcpolicy_clients::edit::Change;
use mcpolicy_clients::location::Location;
use mcpolicy_platform::secure_fs::TempName;
use mcpolicy_platform::users;
use mcpolicy_schema::document::Rule;
use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;
use serde::{Deserialize, Serialize};

use self::form::Form;
use self::place::{place, source_of};
use super::launch::{self, NoProposal, Proposal, Wanted};
use super::{By, catalog};
use crate::assess::assess;
use crate::discover::source::{Reading, Source};
use crate::inventory;
use crate::judge::Judge;
use crate::pipeline::{Ground, Outcome, SourceResult};
use crate::report;
use crate::worker::core::{Core, HomeSpec, Telling};
use crate::worker::{Answer, Opened, Part, Request};

/// The value of [`Added::schema`].
pub const SCHEMA: &str = "mcpolicy/add/v1";
/// How often a file is taken up again that its client writes at the same time.
const TRIES: usize = 3;
/// Longest name of an entry, in characters.
const MAX_NAME: usize = 64;

/// What is to be added.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The name in the catalog, or the id of the rule.
    pub name: &'a str,
    /// The name that the entry gets; without it the usual one.
    pub under: Option<&'a str>,
    /// Id of the client.
    pub client: &'a str,
    /// The project in whose file it goes; without it into the user's own.
    pub project: Option<&'a Path>,
    /// Arguments for the server itself.
    pub args: &'a [String],
    /// Nothing is written.
    pub dry_run: bool,
}

/// What was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// Always `mcpolicy/add/v1`.
    pub schema: String,
    /// Whether it was written.
    pub written: bool,
    /// Whether it was there already, as it would have been written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_there: bool,
    /// The rule that allows it.
    pub rule: String,
    /// The file.
    pub path: String,
    /// The file was not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
    /// The entry with its verdict, redacted.
    pub entry: v1::Entry,
    /// The lines that come in, redacted.
    pub diff: Vec<String>,
    /// What its user has to do besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_to_do: Vec<String>,
    /// The policy.
    pub policy: v1::PolicyInForce,
}

/// Why nothing was added. Nothing is written then.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// No server of that name is approved for this user.
    #[error("no server called {name:?} is approved for you{}; `mcpolicy catalog` shows what is", .near.as_ref().map(|near| format!(" (there is {near})")).unwrap_or_default())]
    NotApproved {
        /// The name.
        name: String,
        /// One of nearly that name.
        near: Option<String>,
    },
    /// Several are.
    #[error("several approved servers are called so: name one by its rule, {}", .0.join(" or "))]
    Several(Vec<String>),
    /// No adapter has this id.
    #[error("no client has the id {0:?}; docs/clients.md lists the ids")]
    UnknownClient(String),
    /// The name of the entry.
    #[error(
        "an entry is called with 1 to {MAX_NAME} letters, digits and `-_.`, beginning with a letter or digit"
    )]
    BadName,
    /// The client has no such file.
    #[error("{client} reads no servers from {what}")]
    NoPlace {
        /// Id of the client.
        client: String,
        /// A project's or the user's file.
        what: &'static str,
    },
    /// The rule gives no entry.
    #[error(transparent)]
    NoProposal(#[from] NoProposal),
    /// The client cannot write one.
    #[error("{client} takes no such entry: {why}")]
    Unwritable {
        /// Id of the client.
        client: String,
        /// Why.
        why: String,
    },
    /// Another entry has the name.
    #[error(
        "{path} has another server under the name {name:?}; choose another name with --as, or take that one out first"
    )]
    Taken {
        /// The file.
        path: String,
        /// The name.
        name: String,
    },
    /// The entry would not be allowed.
    #[error("nothing was written: the entry would not be allowed ({code}): {detail}")]
    NotAllowed {
        /// Code of the reason.
        code: String,
        /// The same in words.
        detail: String,
    },
    /// The file cannot be edited.
    #[error("nothing was written: {0}")]
    File(String),
}

impl AddError {
    /// Whether it was asked wrongly; otherwise the answer is no.
    pub fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::NotAllowed { .. }
                | Self::Taken { .. }
                | Self::File(_)
                | Self::Unwritable { .. }
                | Self::NoProposal(NoProposal::Placeholder { .. })
        )
    }
}

/// On what it is done.
pub struct On<'a, 'j> {
    /// The ground.
    pub ground: &'a Ground,
    /// Index of the home.
    pub home: usize,
    /// Who judges the result.
    pub judge: &'a mut Judge<'j>,
    /// What settings of the project set for every server that is started there.
    pub settings: Vec<SourceResult>,
    /// For whatever is told.
    pub redactor: &'a Redactor,
}

/// Adds a server.
///
/// # Errors
/// See [`AddError`].
pub fn add(order: Order<'_>, by: By<'_>, mut on: On<'_, '_>) -> Result<Added, AddError> {
    let rule = chosen(order.name, by)?;
    let name = order.under.unwrap_or_else(|| catalog::name_of(rule));
    ensure_name(name)?;
    let adapter =
        adapters::by_id(order.client).ok_or_else(|| AddError::UnknownClient(order.client.to_owned()))?;
    let layout = on.ground.homes[on.home].layout.clone();
    let (path, location) = place(adapter, &layout, order.project, on.ground)?;
    let source = source_of(path, on.home, &layout, order.project, Reading { adapter, location });
    let wanted = Wanted { rule, name, home: &layout.home, args: order.args };
    let proposals = launch::proposals(by, wanted)?;
    let context = on.ground.homes[on.home].clone();
    let account = users::account(&on.ground.machine, &context.user, context.uid);
    let (machine, others) = (on.ground.machine.clone(), on.ground.others.clone());
    let redactor = on.redactor;
    let mut core = Core::new(HomeSpec { machine, home: context, others, account }, redactor);
    for _ in 0..TRIES {
        let opened = open(&mut core, &source)?;
        let plan = plan(&opened, &source, location, (name, &proposals), by, &mut on)?;
        let done = Added {
            schema: SCHEMA.to_owned(),
            written: false,
            was_there: plan.after.is_none(),
            rule: rule.id.clone(),
            path: redactor.name(&source.path.to_string_lossy()),
            created: !opened.existed,
            entry: plan.entry,
            diff: plan.diff,
            left_to_do: plan.left_to_do,
            policy: by.about(),
        };
        let Some(after) = plan.after.filter(|_| !order.dry_run) else { return Ok(done) };
        if write(&mut core, &after, plan.change)? {
            return Ok(Added { written: true, ..done });
        }
    }
    Err(AddError::File(
        "the file is written again and again at this time; close the client and try again".to_owned(),
    ))
}

/// The rule that a name stands for.
fn chosen<'a>(name: &str, by: By<'a>) -> Result<&'a Rule, AddError> {
    let named = catalog::named(by, name);
    match named[..] {
        [rule] => Ok(rule),
        [] => {
            let all = catalog::catalog(by, None).servers;
            let names = all.iter().flat_map(|server| server.names.iter().chain([&server.rule]));
            let near = names
                .map(|known| (strsim::jaro_winkler(known, name), known))
                .filter(|(near, _)| *near > 0.85);
            let near = near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known.clone());
            Err(AddError::NotApproved { name: name.to_owned(), near })
        }
        _ => Err(AddError::Several(named.iter().map(|rule| rule.id.clone()).collect())),
    }
}

/// A name that is one in every format and every client.
fn ensure_name(name: &str) -> Result<(), AddError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let fits = begins && name.chars().count() <= MAX_NAME && name.chars().all(is_plain);
    if fits { Ok(()) } else { Err(AddError::BadName) }
}

fn ask(core: &mut Core<'_>, request: Request) -> Answer {
    core.answer(request, &Telling::NOTHING)
}

fn open(core: &mut Core<'_>, source: &Source) -> Result<Opened, AddError> {
    match ask(core, Request::Open { source: source.clone(), create: true, part: Part::ALL }) {
        Answer::Opened(opened) => Ok(*opened),
        Answer::Refused(why) => Err(AddError::File(why)),
        _ => Err(AddError::File("the file cannot be opened".to_owned())),
    }
}

/// What is to be written, judged.
struct Plan {
    /// The whole file; nothing if the entry is there already.
    after: Option<Vec<u8>>,
    /// The change of a file that is there.
    change: Option<Change>,
    entry: v1::Entry,
    diff: Vec<String>,
    left_to_do: Vec<String>,
}

/// Tries the proposals in turn: the first that the policy allows is planned.
fn plan(
    opened: &Opened,
    source: &Source,
    location: &'static Location,
    (name, proposals): (&str, &[Proposal]),
    by: By<'_>,
    on: &mut On<'_, '_>,
) -> Result<Plan, AddError> {
    let about = source.readings.iter().find(|reading| std::ptr::eq(reading.location, location));
    let about = about.map_or(source.owner(), |reading| reading).adapter.about();
    let table = location.keys.first().copied().unwrap_or_default();
    let path = source.path.to_string_lossy();
    let form = Form { about, format: inventory::format_of(source), path: &path, table };
    let is_blank = opened.bytes.iter().all(u8::is_ascii_whitespace);
    let before = (!is_blank).then_some(&*opened.bytes);
    let mut refused = None;
    for proposal in proposals {
        let change = match form.insert(&proposal.server) {
            Ok(change) => change,
            Err(why) => {
                refused.get_or_insert_with(|| AddError::Unwritable {
                    client: about.id.to_owned(),
                    why: why.to_string(),
                });
                continue;
            }
        };
        let there = entry_of(source, &opened.bytes, table, name);
        let fresh = form.alone(&change)?;
        let after = match (&there, before) {
            (Some(_), _) => opened.bytes.clone(),
            (None, None) => fresh.clone(),
            (None, Some(before)) => form.edited(before, &change)?.bytes,
        };
        let Some(entry) = entry_of(source, &after, table, name) else {
            return Err(AddError::File("the entry could not be read back from the result".to_owned()));
        };
        if let Some(there) = &there {
            // what another has put there under the name is not ours to judge, unless it is the same
            let fresh = entry_of(source, &fresh, table, name);
            let is_same =
                fresh.is_some_and(|fresh| is_same(there, &fresh, &on.ground.homes[on.home].layout.home));
            if !is_same {
                refused.get_or_insert_with(|| AddError::Taken {
                    path: on.redactor.name(&path),
                    name: name.to_owned(),
                });
                continue;
            }
        }
        ensure_read(&entry, about.id)?;
        match judged(entry, source, by, on) {
            Ok(entry) => {
                let is_new = there.is_none();
                let told = told::told(&proposal.server, on.redactor);
                return Ok(Plan {
                    diff: if is_new { form.lines(&told, before)? } else { Vec::new() },
                    after: is_new.then_some(after),
                    change: (!is_blank).then_some(change),
                    entry,
                    left_to_do: proposal.left_to_do.clone(),
                });
            }
            Err(why) => {
                refused.get_or_insert(why);
            }
        }
    }
    Err(refused.unwrap_or(AddError::NoProposal(NoProposal::NoEntry("the rule names no command"))))
}

fn is_same(one: &Entry, other: &Entry, home: &Path) -> bool {
    let fingerprint = |entry: &Entry| {
        let identity = mcpolicy_schema::identity::identify(entry);
        mcpolicy_schema::fingerprint::of(entry, &identity, home.to_str())
    };
    fingerprint(one) == fingerprint(other)
}

/// The entry of a name, as whoever reads the file takes it.
fn entry_of(source: &Source, bytes: &[u8], table: &str, name: &str) -> Option<Entry> {
    let taken = inventory::take(source, bytes);
    let key_path = format!("{table}/{}", mcpolicy_clients::node::escape(name));
    taken.entries.into_iter().rfind(|entry| entry.key_path == key_path)
}

/// An entry that its client passes over would be a surprise to whoever added it.
fn ensure_read(entry: &Entry, client: &str) -> Result<(), AddError> {
    let refused = |why: &str| Err(AddError::Unwritable { client: client.to_owned(), why: why.to_owned() });
    match entry.inert {
        Some(_) => refused("it would not load it"),
        None if entry.disabled => refused("it would take it for switched off"),
        None if entry.readers.iter().all(|reader| reader.client != client) => refused("it would not load it"),
        None => Ok(()),
    }
}

/// The entry as a report tells it, if the policy allows it.
fn judged(entry: Entry, source: &Source, by: By<'_>, on: &mut On<'_, '_>) -> Result<v1::Entry, AddError> {
    let place = on.ground.homes[on.home].layout.home.to_str();
    let result = SourceResult {
        source: source.clone(),
        state: "read",
        bytes: None,
        digest: None,
        findings: Vec::new(),
        environment: Vec::new(),
    };
    let settings = on.settings.iter().map(|settings| SourceResult {
        source: settings.source.clone(),
        state: settings.state,
        bytes: None,
        digest: None,
        findings: Vec::new(),
        environment: settings.environment.clone(),
    });
    let sources = std::iter::once(result).chain(settings).collect();
    let entries = vec![assess(entry, 0, place, on.redactor)];
    let mut outcome = Outcome { sources, entries, ..Outcome::default() };
    on.judge.judge(&mut outcome);
    let signed = by.in_force.sequence.is_some();
    let told = report::entries(on.ground, &outcome, signed, on.redactor).into_iter().next();
    let (_, entry, _) = told.ok_or_else(|| AddError::File("nothing was judged".to_owned()))?;
    let is_allowed = outcome.entries[0].judgement.as_ref().is_some_and(|judgement| judgement.is_allowed());
    if is_allowed {
        return Ok(entry);
    }
    let judged = entry.judged.as_ref();
    Err(AddError::NotAllowed {
        code: judged.and_then(|judged| judged.reason.clone()).unwrap_or_else(|| "not-judged".to_owned()),
        detail: judged.and_then(|judged| judged.detail.clone()).unwrap_or_default(),
    })
}

/// Writes. `false` if somebody else wrote meanwhile.
fn write(core: &mut Core<'_>, after: &[u8], change: Option<Change>) -> Result<bool, AddError> {
    let refused = |answer: Answer| match answer {
        Answer::Refused(why) | Answer::Conflict(why) => AddError::File(why),
        _ => AddError::File("the file cannot be changed".to_owned()),
    };
    let drafted = match change {
        Some(change) => ask(core, Request::Apply(vec![change])),
        None => ask(core, Request::Propose(after.to_vec())),
    };
    match drafted {
        Answer::Drafted(draft) if draft.bytes == after => {}
        Answer::Drafted(_) => return Err(AddError::File("the edit came out in two ways".to_owned())),
        other => return Err(refused(other)),
    }
    match ask(core, Request::Accept) {
        Answer::Done => {}
        other => return Err(refused(other)),
    }
    let temporary = TempName::random().map_err(|fault| AddError::File(format!("the file {fault}")))?;
    match ask(core, Request::Commit { temporary, rights: None, in_place: false }) {
        Answer::Committed { .. } => Ok(true),
        Answer::Changed => Ok(false),
        other => Err(refused(other)),
    }
}
