//! What the policy says of a call at this moment. Reads the board and nothing else, so that a client does not wait.

use std::collections::BTreeSet;

use mcpolicy_schema::document::{self, Mode, PolicyDocument, Rule, ToolClass};
use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::evaluate::{Context, Device, Subject, System, evaluate};
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::Verdict;
use mcpolicy_schema::{fingerprint, identity};

use super::{Call, Caller, Decision, known, names};
use crate::board::happened::Happened;
use crate::board::running::GivenServer;
use crate::board::{Board, Found, Settled};
use crate::enforce::foreseen::is_in_grace;
use crate::journal::End;
use crate::report;
use crate::settings::DeviceSettings;

/// Longest name that is told, in characters.
const MOST_SHOWN: usize = 120;
/// The same of the words of a reason.
const MOST_SAID: usize = 600;

/// What is said of a tool that a rule forbids.
const NEVER_SAID: &str = "the rule of the server says so";

/// Reasons beside the codes of findings.
pub mod reason {
    /// The rule of the server says that this tool must not be called.
    pub const NEVER: &str = "tool-never";
    /// The session began with what was taken out of its file since.
    pub const TAKEN_OUT: &str = "taken-out";
    /// The client gave nothing that can be read.
    pub const UNREADABLE: &str = "unreadable-call";
}

/// By what is decided.
pub struct By<'a> {
    /// What is known of this machine.
    pub board: &'a Board,
    /// Whose calls; nobody in particular for an administrator without a home here.
    pub user: Option<&'a str>,
    /// The machine, as the settings call it.
    pub device: &'a DeviceSettings,
    /// Whose rules of paths and names hold.
    pub system: System,
    /// For what is told.
    pub redactor: &'a Redactor,
    /// Fingerprint of the entry with which this session first called the server.
    pub held: Option<&'a str>,
}

/// What is said of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Whether enforcing would let it through, or the mode does.
    pub is_allowed: bool,
    /// The mode acts on such.
    pub acts: bool,
    /// Code of the reason, where it is not allowed.
    pub reason: String,
    /// The reason in words.
    pub detail: String,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Whom to ask.
    pub contact: String,
    /// The server, as reports show it.
    pub server: String,
    /// The tool.
    pub tool: String,
    /// What the server runs or contacts.
    pub identity: Option<v1::Identity>,
    /// Fingerprint of its entry.
    pub fingerprint: String,
}

impl Judged {
    /// What the hook is told.
    pub fn decision(&self) -> Decision {
        let is_let_through = self.is_allowed || !self.acts;
        let message = if is_let_through { String::new() } else { self.message() };
        Decision { is_let_through, message }
    }

    /// For the developer, and for the model that made the call.
    fn message(&self) -> String {
        let Self { server, tool, detail, reason, contact, .. } = self;
        let what = match &*self.reason {
            reason::UNREADABLE => {
                "mcpolicy refused this call: what the client said of it cannot be read".to_owned()
            }
            reason::NEVER => format!(
                "mcpolicy refused this call: the tool \"{tool}\" of the server \"{server}\" must not be used"
            ),
            _ => format!("mcpolicy refused this call: the server \"{server}\" is not allowed here"),
        };
        let ask = if contact.is_empty() { String::new() } else { format!(" Ask {contact} about it.") };
        format!("{what} ({reason}: {detail}). Do not try another way round.{ask}")
    }
}

/// Decides about a call; nothing before the first pass is over.
pub fn decide(by: &By<'_>, call: &Call) -> Option<Judged> {
    let settled = by.board.settled.as_ref()?;
    let document = settled.in_force.policy.document();
    let mut judged = if call.is_unreadable || !call.is_bounded() {
        let (tool, server) = (names::split(&call.tool).1.to_owned(), call.server.clone().unwrap_or_default());
        denied(reason::UNREADABLE, "it has another form than is known, or is too long", (server, tool))
    } else {
        of_server(by, settled, call)
    };
    judged.server = shown(&judged.server, by.redactor);
    judged.tool = shown(&judged.tool, by.redactor);
    judged.detail = cut(&by.redactor.name(&judged.detail), MOST_SAID);
    if judged.contact.is_empty() {
        judged.contact.clone_from(&document.policy.contact);
    }
    judged.acts = acts(settled, &judged.reason);
    Some(judged)
}

/// Whether the mode acts on what is not allowed. In the grace of hold mode nobody knows what of the undeclared was there before.
fn acts(settled: &Settled, reason: &str) -> bool {
    match settled.mode {
        Mode::Observe | Mode::Warn => false,
        Mode::Enforce => true,
        Mode::Hold => {
            let is_undeclared = reason == FindingCode::UndeclaredServer.as_str();
            !(is_undeclared && is_in_grace(settled.in_force.policy.document(), settled.at))
        }
    }
}

fn of_server(by: &By<'_>, settled: &Settled, call: &Call) -> Judged {
    let document = settled.in_force.policy.document();
    let folders: Vec<String> = call.folders.iter().map(|folder| by.redactor.name(folder)).collect();
    let mut meant = known::meant(call, by.board.found(by.user), &folders);
    if call.client == Caller::Cursor {
        let is_so =
            |found: &Found| known::is_launched_so(&found.entry, call.command.as_deref(), call.url.as_deref());
        meant.retain(|(found, _)| is_so(found));
        // what Cursor calls a server may be another name than that of its entry
        if meant.is_empty() && (call.command.is_some() || call.url.is_some()) {
            let nameless = Call { server: None, ..call.clone() };
            meant = known::meant(&nameless, by.board.found(by.user), &folders);
            meant.retain(|(found, _)| is_so(found));
        }
    }
    if let Some(given) = given(by, document, call, meant.is_empty()) {
        return given;
    }
    if call.is_given {
        // what the application around Claude Code hands it stands in a file of that
        meant.retain(|(found, _)| found.entry.client == "claude-desktop");
    }
    let worst = meant.iter().max_by_key(|(found, _)| verdict(&found.entry));
    let Some((found, tool)) = worst else { return undeclared(by, settled, call) };
    if let Some(gone) = by.held.filter(|held| !known::fingerprints(&meant).contains(*held)).and_then(|held| {
        // it stands in its file no more, and the session goes on with it
        taken_out(by, call).find(|gone| gone.action.fingerprint == held)
    }) {
        return of_taken_out(gone, call);
    }
    let judged = of_entry(&found.entry, tool);
    let names_it = |(found, tool): &&(&Found, String)| {
        rule_of(document, &found.entry).is_some_and(|rule| is_never(rule, document, tool))
    };
    match meant.iter().find(names_it) {
        Some((found, tool)) if judged.is_allowed => never(&found.entry, tool),
        _ => judged,
    }
}

/// Of several clients of one user that were given a server of this name nobody can tell which one calls: the worst counts. A
/// file that declares the name goes before, unless the client says that it was given.
fn given(by: &By<'_>, document: &PolicyDocument, call: &Call, is_nowhere: bool) -> Option<Judged> {
    if !call.is_given && !is_nowhere {
        return None;
    }
    let is_of = |given: &&GivenServer| {
        given.client == call.client.id() && by.user.is_none_or(|user| given.user == user)
    };
    let meant = by.board.given.iter().filter(is_of);
    let meant = meant.filter_map(|given| Some((given, known::tool_by(call, &given.name, false)?)));
    let (given, tool) = meant.min_by_key(|(given, _)| given.is_allowed)?;
    let judged = Judged {
        is_allowed: given.is_allowed,
        acts: true,
        reason: given.code.clone(),
        detail: given.detail.clone(),
        rule: given.rule.clone(),
        contact: String::new(),
        server: given.name.clone(),
        tool,
        identity: Some(given.identity.clone()),
        fingerprint: given.fingerprint.clone(),
    };
    let rule = given.rule.as_deref().and_then(|id| document.rule.iter().find(|rule| rule.id == id));
    if given.is_allowed && rule.is_some_and(|rule| is_never(rule, document, &judged.tool)) {
        return Some(Judged {
            is_allowed: false,
            reason: reason::NEVER.to_owned(),
            detail: NEVER_SAID.to_owned(),
            ..judged
        });
    }
    Some(judged)
}

fn verdict(entry: &v1::Entry) -> Verdict {
    entry.judged.as_ref().map_or(Verdict::Unknown, |judged| judged.verdict)
}

fn of_entry(entry: &v1::Entry, tool: &str) -> Judged {
    let judged = entry.judged.as_ref();
    let is_allowed = verdict(entry) == Verdict::Allow;
    let text = |text: Option<&String>, other: &str| text.map_or_else(|| other.to_owned(), Clone::clone);
    let reason = judged.and_then(|judged| judged.reason.as_ref());
    let detail = judged.and_then(|judged| judged.detail.as_ref());
    Judged {
        is_allowed,
        acts: true,
        reason: if is_allowed { String::new() } else { text(reason, FindingCode::NotAllowed.as_str()) },
        detail: if is_allowed { String::new() } else { text(detail, "it is not allowed") },
        rule: judged.and_then(|judged| judged.rule.clone()),
        contact: judged.and_then(|judged| judged.contact.clone()).unwrap_or_default(),
        server: entry.name.clone(),
        tool: tool.to_owned(),
        identity: Some(entry.identity.clone()),
        fingerprint: entry.fingerprint.clone(),
    }
}

fn rule_of<'d>(document: &'d PolicyDocument, entry: &v1::Entry) -> Option<&'d Rule> {
    let id = entry.judged.as_ref()?.rule.as_deref()?;
    document.rule.iter().find(|rule| rule.id == id)
}

/// Whether a rule's list of tools forbids one.
fn is_never(rule: &Rule, document: &PolicyDocument, tool: &str) -> bool {
    let Some(tools) = &rule.tools else { return document.policy.unlisted_tools == ToolClass::Never };
    // what a client spells otherwise than the server is forbidden all the same
    let has = |list: &[String]| list.iter().any(|one| names::folded(one) == names::folded(tool));
    let is_listed = has(&tools.read) || has(&tools.write);
    has(&tools.never)
        || !is_listed && tools.unlisted.unwrap_or(document.policy.unlisted_tools) == ToolClass::Never
}

fn never(entry: &v1::Entry, tool: &str) -> Judged {
    Judged {
        is_allowed: false,
        reason: reason::NEVER.to_owned(),
        detail: NEVER_SAID.to_owned(),
        ..of_entry(entry, tool)
    }
}

/// What was taken out of the user's files, as far as the call may mean it; the newest first.
fn taken_out<'b>(by: &By<'b>, call: &Call) -> impl Iterator<Item = &'b Happened> {
    let recent = by.board.recent.of(by.user).into_iter();
    let (client, call) = (call.client.id(), call.clone());
    recent.filter(move |one| {
        let is_gone =
            one.outcome == End::Applied && !matches!(&*one.action.action, "restore" | "approval" | "pin");
        is_gone
            && one.action.client == client
            && !one.action.server.is_empty()
            && known::tool_by(&call, &one.action.server, true).is_some()
    })
}

fn of_taken_out(gone: &Happened, call: &Call) -> Judged {
    let action = &gone.action;
    let detail = format!("it was taken out of {}; start the client anew. {}", gone.path, action.detail);
    Judged {
        rule: action.rule.clone(),
        identity: action.identity.clone(),
        fingerprint: action.fingerprint.clone(),
        ..denied(
            if action.code.is_empty() { reason::TAKEN_OUT } else { &action.code },
            detail.trim_end(),
            (action.server.clone(), known::tool_by(call, &action.server, true).unwrap_or_default()),
        )
    }
}

/// A server that stands in no file: judged by what its client was given, by what was done to it, or by what the client says
/// of it. Of what nothing is known the default decides.
fn undeclared(by: &By<'_>, settled: &Settled, call: &Call) -> Judged {
    if let Some(gone) = taken_out(by, call).next() {
        return of_taken_out(gone, call);
    }
    let mut judged = match launched(by, settled, call) {
        Some(judged) => judged,
        None => unknown(settled, call),
    };
    if judged.server.is_empty() {
        judged.server = call.server.clone().unwrap_or_else(|| names::split(&call.tool).0.to_owned());
    }
    judged
}

/// Claude Code speaks with the editor that it runs in by a server of its own, called `ide`, which stands in no file. One that is
/// declared under this name, in a file or by a flag, is judged as that.
fn is_built_in(call: &Call) -> bool {
    call.client == Caller::ClaudeCode && call.server.as_deref().unwrap_or(names::split(&call.tool).0) == "ide"
}

fn unknown(settled: &Settled, call: &Call) -> Judged {
    let tool = match &call.server {
        Some(server) => known::tool_behind(call, server),
        None => names::split(&call.tool).1.to_owned(),
    };
    let detail = "no file that is known declares it (a flag, a plugin, a connector?)";
    let judged = denied(FindingCode::UndeclaredServer.as_str(), detail, (String::new(), tool));
    let is_allowed = match settled.in_force.policy.document().policy.default {
        document::Default::Allow => true,
        document::Default::Deny => is_built_in(call),
    };
    if is_allowed {
        Judged { is_allowed, reason: String::new(), detail: String::new(), ..judged }
    } else {
        judged
    }
}

/// By the command or URL that the client gives. Of files nothing is known here, so what needs a fact of one is not allowed.
fn launched(by: &By<'_>, settled: &Settled, call: &Call) -> Option<Judged> {
    let entry = match (&call.url, &call.command) {
        (Some(url), _) => Entry::remote(url.as_str()),
        (None, Some(command)) => {
            let mut words = command.split(' ');
            Entry::stdio(words.next().filter(|word| !word.is_empty())?, words)
        }
        (None, None) => return None,
    };
    let name = call.server.clone().unwrap_or_default();
    let entry = Entry { client: call.client.id(), name: name.clone(), ..entry };
    let identity = identity::identify(&entry);
    let fingerprint = fingerprint::of(&entry, &identity, None);
    let in_force = &settled.in_force;
    let nothing = BTreeSet::new();
    let context = Context {
        system: by.system,
        device: Device {
            id: &by.device.id,
            user: by.user.unwrap_or_default(),
            groups: &by.device.groups,
            ring: settled.ring.as_deref(),
        },
        revocations: in_force.revocations.as_ref(),
        grants: &in_force.grants,
        expired: in_force.expired.then_some(&nothing),
        ..Context::bare(settled.at)
    };
    let subject = Subject { entry: &entry, identity: &identity, fingerprint: &fingerprint };
    let judgement = evaluate(&in_force.policy, &subject, &context);
    let reason = judgement.reason.as_ref();
    let document = in_force.policy.document();
    let rule = judgement.rule.as_deref().and_then(|id| document.rule.iter().find(|rule| rule.id == id));
    let tool = known::tool_behind(call, &name);
    if judgement.is_allowed() && rule.is_some_and(|rule| is_never(rule, document, &tool)) {
        let judged = denied(reason::NEVER, NEVER_SAID, (name, tool));
        return Some(Judged { rule: judgement.rule, fingerprint, ..judged });
    }
    Some(Judged {
        is_allowed: judgement.is_allowed(),
        acts: true,
        reason: reason.map_or("", |reason| reason.code.as_str()).to_owned(),
        detail: reason.map(|reason| reason.detail.clone()).unwrap_or_default(),
        rule: judgement.rule,
        contact: judgement.contact,
        server: name,
        tool,
        identity: Some(report::identity(&identity, by.redactor)),
        fingerprint,
    })
}

fn denied(reason: &str, detail: &str, (server, tool): (String, String)) -> Judged {
    Judged {
        is_allowed: false,
        acts: true,
        reason: reason.to_owned(),
        detail: detail.to_owned(),
        rule: None,
        contact: String::new(),
        server,
        tool,
        identity: None,
        fingerprint: String::new(),
    }
}

/// A text of a client as it is told: without what is a secret by its shape, and no longer than a name.
pub fn shown(text: &str, redactor: &Redactor) -> String {
    cut(&redactor.name(text), MOST_SHOWN)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
