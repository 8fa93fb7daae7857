//! `add`: writes an approved server into a client's file, by the same proved edit as every other change.
//!
//! The result is parsed as its client would and judged by the same policy before anything is written; what would not be
//! allowed is not written. It runs as the user on the user's own files.

use std::path::{Path, PathBuf};

use mcpolicy_clients::adapter::ClientAdapter;
use mcpolicy_clients::codec::Format;
use mcpolicy_clients::edit::{self, Change, Splice};
use mcpolicy_clients::location::{Location, Role};
use mcpolicy_clients::template::{self, Layout};
use mcpolicy_clients::{adapters, writes};
use mcpolicy_platform::secure_fs::TempName;
use mcpolicy_platform::users;
use mcpolicy_schema::document::Rule;
use mcpolicy_schema::entry::{Entry, Scope};
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;
use serde::{Deserialize, Serialize};

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
            Self::NotAllowed { .. } | Self::Taken { .. } | Self::File(_) | Self::Unwritable { .. }
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

/// The file in which the client keeps such entries.
fn place(
    adapter: &'static dyn ClientAdapter,
    layout: &Layout,
    project: Option<&Path>,
    ground: &Ground,
) -> Result<(PathBuf, &'static Location), AddError> {
    let about = adapter.about();
    let scope = if project.is_some() { Scope::Project } else { Scope::User };
    let is_kept = |location: &&'static Location| {
        location.role == Role::Own
            && location.scope == scope
            && !location.aside
            && location.os.contains(&layout.os)
            && location.keys.first().is_some_and(|table| writes::beginning(location.format, table).is_some())
    };
    let paths = |location: &'static Location| -> Vec<PathBuf> {
        let patterns: Vec<template::Pattern> = match project {
            Some(directory) => template::below(location.path, "<project>", directory).into_iter().collect(),
            None => template::expand(about, location.path, layout),
        };
        patterns.into_iter().filter(|pattern| pattern.rest.is_empty()).map(|pattern| pattern.base).collect()
    };
    let is_there = |path: &PathBuf| ground.machine.kind(path).is_some();
    let kept: Vec<(PathBuf, &'static Location)> = about
        .locations
        .iter()
        .filter(is_kept)
        .flat_map(|location| paths(location).into_iter().map(move |path| (path, location)))
        .collect();
    for instead in adapter.instead() {
        let mut of_it = kept.iter().filter(|(_, location)| location.path == instead.template);
        if let Some(found) = of_it.find(|(path, _)| instead.by_variable || is_there(path)) {
            return Ok(found.clone());
        }
    }
    let is_usual = |location: &Location| {
        !location.path.contains('?')
            && adapter.instead().iter().all(|instead| instead.template != location.path)
    };
    let mut usual = kept.into_iter().filter(|(_, location)| is_usual(location));
    let what = if project.is_some() { "a file of a project" } else { "a file of the user's own" };
    let first = usual.next().ok_or_else(|| AddError::NoPlace { client: about.id.to_owned(), what })?;
    // the same file under its other name (`opencode.jsonc`), where only that is there
    let is_same = |(path, location): &(PathBuf, &'static Location)| {
        path.parent() == first.0.parent() && location.keys == first.1.keys
    };
    let other =
        if is_there(&first.0) { None } else { usual.filter(is_same).find(|(path, _)| is_there(path)) };
    Ok(other.unwrap_or(first))
}

/// The file with everybody who would read it.
fn source_of(
    path: PathBuf,
    home: usize,
    layout: &Layout,
    project: Option<&Path>,
    reading: Reading,
) -> Source {
    let leads_there = |adapter: &'static dyn ClientAdapter, location: &Location| {
        let of_project = project.and_then(|project| template::below(location.path, "<project>", project));
        let of_home = template::expand(adapter.about(), location.path, layout);
        location.os.contains(&layout.os)
            && of_home.iter().chain(&of_project).any(|pattern| pattern.fits(&path))
    };
    let mut all = Vec::new();
    for adapter in adapters::ALL.iter().copied() {
        let locations = adapter.about().locations.iter().filter(|location| leads_there(adapter, location));
        all.extend(locations.map(|location| Reading { adapter, location }));
    }
    let mut source = Source::new(path, Some(home), reading);
    source.join(&all);
    source
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
    let format = inventory::format_of(source);
    let is_blank = opened.bytes.iter().all(u8::is_ascii_whitespace);
    let before = match writes::beginning(format, table).filter(|_| is_blank) {
        Some(beginning) => beginning.into_bytes(),
        None => opened.bytes.clone(),
    };
    let mut refused = None;
    for proposal in proposals {
        let pieces = match writes::entry(about, format, table, &proposal.server) {
            Ok(pieces) => pieces,
            Err(why) => {
                refused.get_or_insert_with(|| AddError::Unwritable {
                    client: about.id.to_owned(),
                    why: why.to_string(),
                });
                continue;
            }
        };
        let change = Change::Insert { table: table.to_owned(), name: name.to_owned(), pieces };
        let there = entry_of(source, &before, table, name);
        let (after, splices) = if there.is_some() {
            (before.clone(), Vec::new())
        } else if let Some(text) = section_alone(format, &change).filter(|_| is_blank) {
            (text.clone(), vec![Splice { range: 0..0, text }])
        } else {
            match edit::apply(format, &path, &before, std::slice::from_ref(&change)) {
                Ok(edited) => (edited.bytes, edited.splices),
                Err(why) => return Err(AddError::File(why.to_string())),
            }
        };
        let Some(entry) = entry_of(source, &after, table, name) else {
            return Err(AddError::File("the entry could not be read back from the result".to_owned()));
        };
        if let Some(there) = there {
            // what another has put there under the name is not ours to judge, unless it is the same
            let fresh = fresh(source, (format, &path), table, name, &change);
            let is_same =
                fresh.is_some_and(|fresh| is_same(&there, &fresh, &on.ground.homes[on.home].layout.home));
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
                return Ok(Plan {
                    diff: diff(&splices, on.redactor),
                    after: (!splices.is_empty()).then_some(after),
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

/// The same entry in a file of its own.
fn fresh(
    source: &Source,
    (format, path): (Format, &str),
    table: &str,
    name: &str,
    change: &Change,
) -> Option<Entry> {
    let bytes = match section_alone(format, change) {
        Some(text) => text,
        None => {
            let beginning = writes::beginning(format, table)?;
            edit::apply(format, path, beginning.as_bytes(), std::slice::from_ref(change)).ok()?.bytes
        }
    };
    entry_of(source, &bytes, table, name)
}

/// The text of a section of TOML, which is a whole file.
fn section_alone(format: Format, change: &Change) -> Option<Vec<u8>> {
    match change {
        Change::Insert { pieces, .. } if format == Format::Toml => {
            Some(pieces.iter().flat_map(|piece| piece.bytes.iter().copied()).collect())
        }
        _ => None,
    }
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

/// The lines that come in. What stands around them is the user's, and may hold secrets.
fn diff(splices: &[Splice], redactor: &Redactor) -> Vec<String> {
    let texts = splices.iter().map(|splice| String::from_utf8_lossy(&splice.text).into_owned());
    let lines: Vec<String> =
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let is_something = |line: &&String| !line.trim().is_empty() && line.trim() != ",";
    lines.iter().filter(is_something).map(|line| redactor.text(line)).collect()
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
    match ask(core, Request::Commit { temporary, rights: None }) {
        Answer::Committed { .. } => Ok(true),
        Answer::Changed => Ok(false),
        other => Err(refused(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::testing::{asker, draft, home, scan, terms};

    const POLICY: &str = r#"
[[rule]]
id = "github"
identity.npm = { package = "@acme/github-mcp", versions = "1.2.3" }
env = { GITHUB_TOKEN = "*" }
members = ["env_vars", "env_keys"]
names = ["github"]

[[rule]]
id = "docs"
identity.url = { url = "https://docs.example.com/mcp" }

[[rule]]
id = "only-cursor"
identity.npm = { package = "x", versions = "1.0.0" }
clients = ["cursor"]

[[deny]]
id = "no"
identity.npm = { package = "taken-back" }
reason = "stole tokens"

[[rule]]
id = "taken-back"
identity.npm = { package = "taken-back", versions = "1.0.0" }
"#;

    fn try_add(folder: &Path, order: Order<'_>) -> Result<Added, AddError> {
        let in_force = draft(POLICY);
        let ground = home(folder);
        let mut judge = Judge::new(&ground, &ground.machine, terms(&in_force));
        let asker = asker("ann");
        let by = By { in_force: &in_force, asker: &asker, now: "2026-11-21T10:00:00Z".parse().unwrap() };
        let redactor = Redactor::new(&[1; 32]);
        let on =
            On { ground: &ground, home: 0, judge: &mut judge, settings: Vec::new(), redactor: &redactor };
        add(order, by, on)
    }

    fn order<'a>(name: &'a str, client: &'a str) -> Order<'a> {
        Order { name, under: None, client, project: None, args: &[], dry_run: false }
    }

    #[test]
    fn what_is_added_for_any_client_is_allowed_by_the_next_scan() {
        for adapter in adapters::ALL.iter().filter(|adapter| adapter.about().writes.is_some()) {
            let client = adapter.about().id;
            for name in ["github", "docs"] {
                let folder = tempfile::tempdir().unwrap();
                let added = match try_add(folder.path(), order(name, client)) {
                    Ok(added) => added,
                    // documented: it takes no URL from its file
                    Err(AddError::Unwritable { .. }) if (client, name) == ("claude-desktop", "docs") => {
                        continue;
                    }
                    // its folder is that of another system
                    Err(AddError::NoPlace { .. }) => continue,
                    Err(error) => panic!("{client} {name}: {error}"),
                };
                assert!(added.written && added.created, "{client}");
                let in_force = draft(POLICY);
                let report = scan(&home(folder.path()), &in_force);
                let entries: Vec<_> = report.entries.iter().filter(|entry| entry.name == name).collect();
                assert_eq!(entries.len(), 1, "{client} {name}: {:?}", report.entries);
                let judged = entries[0].judged.as_ref().unwrap();
                assert_eq!(
                    judged.verdict,
                    mcpolicy_schema::verdict::Verdict::Allow,
                    "{client} {name}: {judged:?}"
                );
                assert!(entries[0].readers.iter().any(|reader| reader.client == client), "{client}");
                let again = try_add(folder.path(), order(name, client)).unwrap();
                assert!(again.was_there && !again.written, "{client}: nothing is written twice");
            }
        }
    }

    #[test]
    fn what_the_policy_would_not_allow_and_what_is_in_the_way_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let refused =
            |order: Order<'_>| try_add(folder.path(), order).err().unwrap_or_else(|| panic!("{order:?}"));
        assert!(matches!(refused(order("taken-back", "cursor")), AddError::NotAllowed { .. }));
        assert!(matches!(refused(order("only-cursor", "codex")), AddError::NotAllowed { .. }));
        assert!(matches!(refused(order("githbu", "cursor")), AddError::NotApproved { near: Some(_), .. }));
        assert!(matches!(refused(order("github", "nobody")), AddError::UnknownClient(_)));
        let under = Order { under: Some("a b\n"), ..order("github", "cursor") };
        assert!(matches!(refused(under), AddError::BadName));
        assert!(!folder.path().join("ann/.cursor").exists(), "nothing was made");
        let file = folder.path().join("ann/.cursor/mcp.json");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        for text in [
            "{\"mcpServers\": {\"github\": {\"command\": \"mine\"}}}",
            "{\"mcpServers\": {",
            "{\"mcpServers\": []}",
        ] {
            std::fs::write(&file, text).unwrap();
            let why = refused(order("github", "cursor"));
            assert!(matches!(why, AddError::Taken { .. } | AddError::File(_)), "{text}: {why}");
            let now = ground_read(&file);
            assert_eq!(now, text);
        }
    }

    fn ground_read(path: &Path) -> String {
        let read = mcpolicy_platform::machine::Machine::live().read(path, None, 1 << 20).unwrap();
        String::from_utf8(read.bytes).unwrap()
    }

    #[test]
    fn a_dry_run_writes_nothing_and_shows_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let dry = try_add(folder.path(), Order { dry_run: true, ..order("github", "cursor") }).unwrap();
        assert!(!dry.written && !folder.path().join("ann/.cursor").exists());
        let wet = try_add(folder.path(), order("github", "cursor")).unwrap();
        assert_eq!((&dry.diff, &dry.path), (&wet.diff, &wet.path));
        assert!(wet.diff.iter().any(|line| line.contains("${env:GITHUB_TOKEN}")), "{:?}", wet.diff);
        assert!(wet.left_to_do[0].contains("GITHUB_TOKEN"));
    }

    /// A client's file with some servers of its user's, in one of several hands.
    fn file(client: &str, others: usize, hand: usize) -> (&'static str, String) {
        let json = |key: &str, comments: bool| {
            let newline = ["", "\n", "\r\n"][hand];
            let unit = ["", "  ", "\t"][hand];
            let comment =
                if comments && hand > 0 { format!("{unit}// mine{newline}") } else { String::new() };
            let one = |at: usize| {
                format!("{unit}{unit}\"s{at}\": {{\"command\": \"c{at}\", \"args\": [\"{at}\"]}}")
            };
            let servers: Vec<String> = (0..others).map(one).collect();
            let servers = servers.join(&format!(",{newline}"));
            format!(
                "{{{newline}{comment}{unit}\"a\": 1.50,{newline}{unit}\"{key}\": {{{newline}{servers}{newline}{unit}}},{newline}{unit}\"z\": []{newline}}}{newline}"
            )
        };
        match client {
            "claude-code" => (".claude.json", json("mcpServers", false)),
            "cursor" => (".cursor/mcp.json", json("mcpServers", true)),
            "vscode" => (".config/Code/User/mcp.json", json("servers", true)),
            "codex" => {
                let one = |at: usize| match hand {
                    0 => format!("[mcp_servers.s{at}]\ncommand = 'c{at}'\n"),
                    1 => format!("[mcp_servers.s{at}] # c\ncommand = \"c{at}\"\n\n"),
                    _ => format!(
                        "# of s{at}\n[mcp_servers.\"s{at}\"]\ncommand = \"c{at}\"\n[mcp_servers.s{at}.env]\nK = \"v\"\n"
                    ),
                };
                let servers: String = (0..others).map(one).collect();
                (".codex/config.toml", format!("model = 'x' # mine\n\n{servers}\n[tui]\nz = 1\n"))
            }
            _ => {
                let one = |at: usize| match hand {
                    0 => format!("  s{at}:\n    cmd: c{at}\n    type: stdio\n"),
                    1 => format!("    s{at}: {{cmd: c{at}, type: stdio}} # c\n"),
                    _ => format!("  # of s{at}\n  s{at}:\n    cmd: c{at}\n    args:\n    - \"1\"\n\n"),
                };
                let servers: String = (0..others).map(one).collect();
                let servers = if others == 0 { " {}\n".to_owned() } else { format!("\n{servers}") };
                (".config/goose/config.yaml", format!("# mine\na: 1\nextensions:{servers}z: 2\n"))
            }
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(32))]
        #[test]
        fn in_whatever_file_it_is_added_the_result_is_allowed_and_nothing_else_changes(
            client in 0..5_usize,
            others in 0..4_usize,
            hand in 0..3_usize,
            name in "[a-zA-Z0-9][a-zA-Z0-9._-]{0,8}",
        ) {
            let client = ["claude-code", "cursor", "vscode", "codex", "goose"][client];
            let folder = tempfile::tempdir().unwrap();
            let (path, before) = file(client, others, hand);
            let path = folder.path().join("ann").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &before).unwrap();
            let added = try_add(folder.path(), Order { under: Some(&name), ..order("github", client) });
            let added = added.unwrap_or_else(|error| panic!("{client} {before}: {error}"));
            proptest::prop_assert!(added.written);
            let after = ground_read(&path);
            let mut rest = after.chars();
            let is_kept = before.chars().filter(|c| !c.is_whitespace() && !"{}".contains(*c)).all(|c| rest.any(|other| other == c));
            proptest::prop_assert!(is_kept, "{}: {}", client, after);
            let report = scan(&home(folder.path()), &draft(POLICY));
            let is_added = |entry: &&v1::Entry| entry.name == name && entry.identity.name == "@acme/github-mcp";
            let of_it: Vec<_> = report.entries.iter().filter(is_added).collect();
            proptest::prop_assert_eq!((of_it.len(), report.entries.len()), (1, others + 1), "{}: {}", client, after);
            let verdict = of_it[0].judged.as_ref().map(|judged| judged.verdict);
            proptest::prop_assert_eq!(verdict, Some(mcpolicy_schema::verdict::Verdict::Allow));
        }
    }
}
