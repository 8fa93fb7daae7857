//! An entry of a stored report, judged as it would have been on its machine.
//!
//! A report has no values: what is hidden in it is replaced by a letter that stands in no policy, so that only a
//! wildcard can admit it. A verdict that may hang on something hidden is `unknown`, never `allow`: a report must not
//! make a policy look laxer, nor stricter, than it is.

mod certain;
pub(crate) mod proof;

use std::collections::BTreeMap;

use jiff::Timestamp;
use mcpolicy_clients::adapters;
use mcpolicy_schema::contradiction;
use mcpolicy_schema::document::Exception;
use mcpolicy_schema::entry::{ClientId, Entry, NamedValue, Position, Reader, Scope, UNKNOWN_CLIENT};
use mcpolicy_schema::evaluate::{Context, Device, Facts, FileFacts, Subject, System, evaluate};
use mcpolicy_schema::identity::{self, Identity};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::revocations::Revocations;
use mcpolicy_schema::sensitive::Sensitive;
use mcpolicy_schema::verdict::{DecidedBy, Judgement, Verdict};

use super::reports::Host;

/// Stands for hidden text. A letter of one medieval manuscript: no rule names it, and no reader takes it for a
/// control character.
const STAND_IN: char = '\u{a66e}';

/// The same for a URL, where only ASCII can stand.
const URL_STAND_IN: &str = "qzhiddenzq";

/// What is said of an entry whose shape is wrong; the report has the words.
const MALFORMED: &str = "its shape is wrong";

/// What of an entry is not in its report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Something that decides what runs: name or version.
    pub(crate) identity: bool,
    /// Part of an argument, as a plain word.
    pub(crate) plain_argument: bool,
    /// Part of an argument that may be anything.
    pub(crate) argument: bool,
    /// Part of a URL behind its path, which may be anything.
    pub(crate) query: bool,
    /// Values of the query of a URL that is otherwise plain.
    pub(crate) plain_query: bool,
    /// Part of the working directory.
    pub(crate) cwd: bool,
    /// Values of which the references are known, by name.
    pub(crate) values: Vec<String>,
    /// A value that may be a URL: it is no secret that is known by its form.
    pub(crate) address: bool,
    /// Values of which nothing is known, by name.
    pub(crate) unclear_values: Vec<String>,
    /// Which client it is of: one that this version does not know.
    pub(crate) client: bool,
    /// Values of other members that may decide.
    pub(crate) members: bool,
}

/// An entry rebuilt from a report.
#[derive(Debug)]
pub struct Stored {
    /// The declaration, hidden parts replaced.
    pub entry: Entry,
    /// What it would run or contact.
    pub identity: Identity,
    /// The fingerprint that the machine computed.
    pub fingerprint: String,
    /// What is not known of it.
    pub hidden: Hidden,
    facts: Facts,
    user: String,
}

/// Where an entry was seen, as far as rules may ask for it.
#[derive(Debug, Clone)]
pub struct Site<'a> {
    /// Whose rules of paths and names hold.
    pub system: System,
    /// Homes by user.
    pub homes: BTreeMap<&'a str, &'a str>,
    /// Device id; empty where the report has none.
    pub device: &'a str,
    /// Revocations in force, where they are tried too.
    pub revocations: Option<&'a Revocations>,
    /// The time at which the policy is tried.
    pub now: Timestamp,
}

impl<'a> Site<'a> {
    /// The site of a report.
    pub fn of(host: &'a Host, homes: &'a [v1::Home], now: Timestamp) -> Self {
        let system = match host.os.as_str() {
            "macos" => System::Macos,
            "windows" => System::Windows,
            _ => System::Linux,
        };
        let homes = homes.iter().map(|home| (home.user.as_str(), home.path.as_str())).collect();
        let device = host.device_id.as_deref().unwrap_or_default();
        Self { system, homes, device, revocations: None, now }
    }
}

impl Stored {
    /// Rebuilds an entry.
    pub fn new(stored: &v1::Entry) -> Self {
        let mut hidden = Hidden::default();
        let client = client_of(&stored.client);
        let reader = |told: &v1::Reader| {
            let setting = told.setting.as_ref().map(|_| "a setting");
            client_of(&told.client).map(|client| Reader { client, setting })
        };
        let readers: Vec<Option<Reader>> = stored.readers.iter().map(reader).collect();
        hidden.client = client.is_none() || readers.contains(&None);
        let text = |text: &String| Sensitive::new(stand_in(text));
        let entry = Entry {
            name: stored.name.clone(),
            client: client.unwrap_or(UNKNOWN_CLIENT),
            readers: readers.into_iter().flatten().collect(),
            scope: stored.scope,
            // Its place plays no part, and a cache of verdicts relies on that.
            key_path: String::new(),
            position: Position { line: 1, column: 1 },
            span: 0..0,
            transport: stored.transport,
            declared_type: stored.declared_type.clone(),
            command: stored.command.as_ref().map(text),
            args: stored.args.iter().map(text).collect(),
            url: stored.url.as_ref().map(|url| Sensitive::new(stand_in(url).replace(STAND_IN, URL_STAND_IN))),
            env: values("env", &stored.env_keys, stored, &mut hidden),
            headers: values("header", &stored.header_keys, stored, &mut hidden),
            cwd: stored.cwd.as_ref().map(text),
            disabled: stored.disabled,
            inert: stored.inert,
            members: members(stored, &mut hidden),
            malformed: stored
                .malformed
                .as_deref()
                .map(|what| contradiction::named(what).unwrap_or(MALFORMED)),
            project: stored.project.clone(),
        };
        let identity = identity::identify(&entry);
        note_hidden(&mut hidden, stored, &entry, &identity);
        Self {
            entry,
            identity,
            fingerprint: stored.fingerprint.clone(),
            hidden,
            facts: stored.facts.as_ref().map(facts).unwrap_or_default(),
            user: stored.user.clone().unwrap_or_default(),
        }
    }

    /// Judges the entry; `unknown` where the answer may hang on what the report does not say.
    pub fn judge(&self, policy: &Policy, site: &Site<'_>) -> Judgement {
        let mut device = Device { id: site.device, user: &self.user, groups: &[], ring: None };
        let ring = policy.ring_of(&device).map(str::to_owned);
        device.ring = ring.as_deref();
        let home = site.homes.get(self.user.as_str()).copied();
        let facts = self.facts_for(policy, site.system);
        let context = Context {
            system: site.system,
            home,
            device,
            facts: &facts,
            revocations: site.revocations,
            ..Context::bare(site.now)
        };
        let subject =
            Subject { entry: &self.entry, identity: &self.identity, fingerprint: &self.fingerprint };
        let mut judgement = evaluate(policy, &subject, &context);
        let in_a_directory = |e: &Exception| e.directory.is_some() && e.fingerprint == self.fingerprint;
        // A report does not say in which project an entry stands.
        let may_be_excepted =
            !judgement.is_allowed() && policy.document().exception.iter().any(in_a_directory);
        let by_list = matches!(judgement.decided_by, DecidedBy::Revocation | DecidedBy::Denylist);
        let by_rule = judgement.is_allowed() && judgement.decided_by != DecidedBy::Exception;
        let is_unclear = !by_list && !by_rule && self.may_be_tied(policy);
        if may_be_excepted || is_unclear || !certain::is_certain(&judgement, self, policy, &context) {
            judgement.verdict = Verdict::Unknown;
        }
        judgement
    }

    /// Whether an exception counts for the entry only if something hidden does not lead into its project.
    fn may_be_tied(&self, policy: &Policy) -> bool {
        let Hidden { plain_argument, argument, cwd, values, unclear_values, members, .. } = &self.hidden;
        let hides = *plain_argument || *argument || *cwd || *members;
        let of_user = matches!(self.entry.scope, Scope::User | Scope::Managed);
        let is_meant = |e: &Exception| e.fingerprint == self.fingerprint;
        !of_user
            && (hides || !values.is_empty() || !unclear_values.is_empty())
            && policy.document().exception.iter().any(is_meant)
    }

    /// What is known of the files. Where the policy says in which directories a bare command is looked for, the machine
    /// may have found another file than it would by this policy.
    fn facts_for(&self, policy: &Policy, system: System) -> Facts {
        let mut facts = self.facts.clone();
        let is_bare = !self.identity.program.contains(['/', '\\']);
        if is_bare && policy.document().policy.search_path.contains_key(word(system)) {
            facts.program = None;
        }
        facts
    }
}

/// The word for a system in policies and reports.
pub(crate) fn word(system: System) -> &'static str {
    match system {
        System::Linux => "linux",
        System::Macos => "macos",
        System::Windows => "windows",
    }
}

/// The text with every hidden part replaced.
fn stand_in(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("<secret:") {
        let Some(length) = placeholder(&rest[at..]) else {
            out.push_str(&rest[..at + 1]);
            rest = &rest[at + 1..];
            continue;
        };
        out.push_str(&rest[..at]);
        out.push(STAND_IN);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

/// A text of a rebuilt entry for people: hidden parts are dots.
pub(crate) fn shown(text: &str) -> String {
    text.replace(STAND_IN, "…").replace(URL_STAND_IN, "…")
}

/// Length of `<secret:KIND:FINGERPRINT>` at the start of a text.
fn placeholder(text: &str) -> Option<usize> {
    let end = text.find('>')?;
    let (kind, fingerprint) = text[..end].strip_prefix("<secret:")?.split_once(':')?;
    let is_kind = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_fingerprint = fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
    (is_kind && is_fingerprint).then_some(end + 1)
}

/// Whether something in a rebuilt text is hidden.
fn is_hidden(text: &str) -> bool {
    text.contains(STAND_IN) || text.contains(URL_STAND_IN)
}

fn client_of(id: &str) -> Option<ClientId> {
    if id == UNKNOWN_CLIENT {
        return Some(UNKNOWN_CLIENT);
    }
    adapters::by_id(id).map(|adapter| adapter.about().id)
}

fn named(name: &str, value: String) -> NamedValue {
    NamedValue { name: name.to_owned(), value: Sensitive::new(value) }
}

/// Variables or headers: their references where they are known, and the stand-in for the rest.
fn values(place: &str, names: &[String], stored: &v1::Entry, hidden: &mut Hidden) -> Vec<NamedValue> {
    let told: Vec<&v1::RedactedValue> = stored.values.iter().filter(|v| v.r#in == place).collect();
    let mut out: Vec<NamedValue> = told.iter().map(|value| rebuilt(value, hidden)).collect();
    for name in names.iter().filter(|name| !told.iter().any(|value| value.name == **name)) {
        hidden.address = true;
        hidden.unclear_values.push(name.clone());
        out.push(named(name, STAND_IN.to_string()));
    }
    out
}

/// Whether a value of this kind may hold a URL. Of a secret that was known by its form the kind says which it is.
fn may_be_url(kind: &str) -> bool {
    matches!(kind, "literal" | "env-value") || ["url", "connection"].iter().any(|part| kind.contains(part))
}

fn rebuilt(value: &v1::RedactedValue, hidden: &mut Hidden) -> NamedValue {
    hidden.address |= may_be_url(&value.kind);
    let Some(references) = &value.references else {
        hidden.unclear_values.push(value.name.clone());
        return named(&value.name, STAND_IN.to_string());
    };
    // Also one that is only a reference, or empty, may have had `Bearer` or blanks around it.
    hidden.values.push(value.name.clone());
    let rest = if matches!(value.kind.as_str(), "reference" | "empty") { "" } else { "\u{a66e}" };
    named(&value.name, format!("{rest}{}", references.concat()))
}

/// Other members: those of which the report tells the value have it.
fn members(stored: &v1::Entry, hidden: &mut Hidden) -> Vec<NamedValue> {
    let told = |name: &str| stored.values.iter().find(|value| value.r#in == "member" && value.name == name);
    // what a client has built in is known by this member; the report has it as the identity
    let is_identity = |name: &str| name == "name" && stored.identity.kind == "builtin";
    let member = |name: &String| match told(name).and_then(|value| value.references.as_ref()) {
        Some(words) => named(name, words.concat()),
        None if is_identity(name) => named(name, stored.identity.name.clone()),
        None => {
            hidden.members = true;
            named(name, String::new())
        }
    };
    stored.members.iter().map(member).collect()
}

fn note_hidden(hidden: &mut Hidden, stored: &v1::Entry, entry: &Entry, identity: &Identity) {
    let shows = |text: &Sensitive| is_hidden(text.expose());
    for (at, argument) in entry.args.iter().enumerate().filter(|(_, argument)| shows(argument)) {
        // Of a word that is hidden whole it must be clear that no runner takes it for itself.
        let is_servers = !argument.expose().starts_with(STAND_IN) || identity.server_args.contains(argument);
        let is_plain = is_servers && stored.plain_args.iter().any(|plain| *plain as usize == at);
        hidden.plain_argument |= is_plain;
        hidden.argument |= !is_plain;
    }
    hidden.cwd = entry.cwd.as_ref().is_some_and(shows);
    if entry.url.as_ref().is_some_and(shows) {
        hidden.plain_query = stored.plain_url;
        hidden.query = !stored.plain_url;
    }
    hidden.identity =
        decides(entry, identity).any(is_hidden) || names(stored).any(|n| n.contains("<secret:"));
}

/// Every text that decides what runs.
fn decides<'e>(entry: &'e Entry, identity: &'e Identity) -> impl Iterator<Item = &'e str> {
    let before_query = |text: &'e str| text.split(['?', '#']).next().unwrap_or_default();
    let url = entry.url.as_ref().map(Sensitive::expose);
    let addresses = [url, identity.target.as_deref(), Some(identity.name.as_str())];
    let texts =
        [entry.command.as_ref().map(Sensitive::expose), identity.version.as_deref(), identity.bin.as_deref()];
    let lists = identity
        .extra_packages
        .iter()
        .chain(&identity.extras)
        .chain(&identity.registries)
        .chain(&identity.wrapper_programs);
    addresses
        .into_iter()
        .flatten()
        .map(before_query)
        .chain(texts.into_iter().flatten())
        .chain(lists.map(String::as_str))
        .chain([identity.program.as_str()])
}

/// Names of variables, headers and members. One that is hidden is not the name that a rule may have.
fn names(stored: &v1::Entry) -> impl Iterator<Item = &String> {
    stored.env_keys.iter().chain(&stored.header_keys).chain(&stored.members)
}

fn facts(stored: &v1::Facts) -> Facts {
    let file = |facts: &v1::FileFacts| FileFacts {
        path: stand_in(&facts.path),
        real_path: stand_in(&facts.real_path),
        sha256: facts.sha256.clone(),
        user_writable: facts.user_writable,
    };
    Facts {
        program: stored.program.as_ref().map(file),
        script: stored.script.as_ref().map(file),
        listener: stored.listener.as_ref().map(file),
    }
}
