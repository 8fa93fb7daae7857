//! A rich policy, and a machine on which it holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mcpolicy_native::{Allowed, Client, Compiled, Denied, Input, State, compile};
use mcpolicy_schema::document::{Mode, PolicyDocument};
use mcpolicy_schema::entry::{Entry, NamedValue, Reader, Scope};
use mcpolicy_schema::evaluate::{Context, Facts, FileFacts, Subject, System, evaluate};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::verdict::Judgement;
use mcpolicy_schema::{fingerprint, identity};

pub(crate) const HOME: &str = "/home/ann";

/// Something of everything that a rule may say.
pub(crate) const RICH: &str = r##"
schema = "mcpolicy/policy/v1"

[policy]
name = "acme"
contact = "#ask-security"

[[rule]]
id = "filesystem"
identity.npm = { package = "@modelcontextprotocol/server-filesystem", versions = ">=2025.8.21 <2027" }
args.positional = ["{home}/**"]
env = { LOG_LEVEL = "*" }
names = ["filesystem"]
native_forms = [["npx", "-y", "@modelcontextprotocol/server-filesystem@2025.8.21", "{home}/work"]]
tools = { never = ["move_file"] }

[[rule]]
id = "git"
identity.pypi = { package = "mcp-server-git", versions = "==2025.12.18" }
args.positional = ["--repository", "{home}/**"]
names = ["git", "mcp-server-git"]

[[rule]]
id = "github"
identity.url = { url = "https://api.githubcopilot.com/mcp/" }
headers = { Authorization = "*" }
references = ["GITHUB_TOKEN"]
names = ["github"]
tools = { never = ["delete_repository"], write = ["create_issue"] }

[[rule]]
id = "search"
identity.url = { url = "https://search.example.com/mcp", query = { scope = "*" } }

[[rule]]
id = "browser"
identity.oci = { image = "mcp/browser", digests = ["sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"] }
names = ["browser"]
native_forms = [["docker", "run", "-i", "--rm", "mcp/browser@sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"]]

[[rule]]
id = "acme"
identity.executable = { path = "/usr/local/bin/acme-mcp", sha256 = ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"] }
args.positional = ["serve"]
names = ["acme"]

[[rule]]
id = "only-codex"
identity.npm = { package = "codex-helper", versions = "1.0.0" }
clients = ["codex"]
names = ["helper"]
native_forms = [["npx", "-y", "codex-helper@1.0.0"]]

[[rule]]
id = "only-bob"
identity.npm = { package = "bobs-server", versions = "2.0.0" }
users = ["bob"]
names = ["bobs"]
native_forms = [["npx", "-y", "bobs-server@2.0.0"]]

[[deny]]
id = "no-evil"
identity.npm = { package = "evil-mcp" }
reason = "stolen release"
"##;

pub(crate) fn document(text: &str) -> PolicyDocument {
    toml::from_str(text).unwrap()
}

pub(crate) fn policy(text: &str) -> Policy {
    Policy::compile(document(text)).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

pub(crate) fn rich() -> Policy {
    policy(RICH)
}

/// The same with more settings.
pub(crate) fn locked(settings: &str) -> Policy {
    let contact = "contact = \"#ask-security\"\n";
    policy(&RICH.replacen(contact, &format!("{contact}{settings}"), 1))
}

pub(crate) fn now() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

/// An entry of a client in its user's own file.
pub(crate) fn entry(client: &'static str, name: &str, words: &[&str]) -> Entry {
    let mut entry = match words {
        [url] if url.contains("://") => Entry::remote(*url),
        [command, args @ ..] => Entry::stdio(*command, args.iter().copied()),
        [] => panic!("no words"),
    };
    entry.name = name.to_owned();
    entry.client = client;
    entry.readers = vec![Reader { client, setting: None }];
    entry
}

pub(crate) fn with_env(mut entry: Entry, name: &str, value: &str) -> Entry {
    let value = NamedValue { name: name.to_owned(), value: value.into() };
    if entry.url.is_some() {
        entry.headers.push(value);
    } else {
        entry.env.push(value);
    }
    entry
}

pub(crate) fn judge(policy: &Policy, entry: &Entry) -> Judgement {
    let identity = identity::identify(entry);
    let fingerprint = fingerprint::of(entry, &identity, Some(HOME));
    let facts = Facts { program: program(entry), ..Facts::default() };
    let subject = Subject { entry, identity: &identity, fingerprint: &fingerprint };
    evaluate(policy, &subject, &Context { home: Some(HOME), facts: &facts, ..Context::bare(now()) })
}

/// The one program that lies on the machine.
fn program(entry: &Entry) -> Option<FileFacts> {
    let path = entry.command.as_ref()?.expose();
    (path == "/usr/local/bin/acme-mcp").then(|| FileFacts {
        path: path.to_owned(),
        real_path: path.to_owned(),
        sha256: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned()),
        user_writable: false,
    })
}

/// A machine: what is on it, and what stands in the managed files.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) system: System,
    pub(crate) mode: Mode,
    pub(crate) homes: Vec<String>,
    pub(crate) allowed: Vec<Allowed>,
    pub(crate) denied: Vec<Denied>,
    pub(crate) present: BTreeMap<String, State>,
    pub(crate) beside: BTreeMap<String, Vec<u8>>,
    pub(crate) program: Option<String>,
}

impl Machine {
    pub(crate) fn new(policy: &Policy, entries: &[Entry]) -> Self {
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        for entry in entries {
            let judgement = judge(policy, entry);
            if judgement.is_allowed() {
                allowed.extend(Allowed::of_entry(entry, judgement.rule.as_deref()));
            } else {
                denied.push(Denied::of_entry(entry));
            }
        }
        Self {
            system: System::Linux,
            mode: Mode::Enforce,
            homes: vec![HOME.to_owned()],
            allowed,
            denied,
            present: BTreeMap::new(),
            beside: BTreeMap::new(),
            program: Some("/usr/lib/mcpolicy/mcpolicy".to_owned()),
        }
    }

    pub(crate) fn compile(&self, policy: &Policy, client: Client) -> Compiled {
        let facts = Facts::default();
        let context =
            Context { system: self.system, home: Some(HOME), facts: &facts, ..Context::bare(now()) };
        compile(client, &self.input(policy, &context))
    }

    pub(crate) fn input<'a>(&'a self, policy: &'a Policy, context: &'a Context<'a>) -> Input<'a> {
        Input {
            policy,
            context,
            mode: self.mode,
            homes: &self.homes,
            allowed: &self.allowed,
            denied: &self.denied,
            present: &self.present,
            beside: &self.beside,
            program: self.program.as_deref(),
        }
    }

    /// What stands there after the outputs were written.
    pub(crate) fn after(&self, compiled: &Compiled) -> Self {
        let mut machine = self.clone();
        for output in &compiled.outputs {
            let state = State { bytes: output.bytes.clone(), ours: output.ours.clone() };
            machine.present.insert(output.target.id(), state);
        }
        machine
    }
}

/// Entries of every client that has a compiler: allowed ones, denied ones, and what is hard to say.
pub(crate) fn entries() -> Vec<Entry> {
    let mut out = Vec::new();
    for client in Client::ALL.map(Client::id) {
        let work = ["npx", "-y", "@modelcontextprotocol/server-filesystem@2025.12.18", "/home/ann/docs"];
        out.push(with_env(entry(client, "filesystem", &work), "LOG_LEVEL", "debug"));
        out.push(entry(
            client,
            "git",
            &["uvx", "mcp-server-git==2025.12.18", "--repository", "/home/ann/src"],
        ));
        out.push(with_env(
            entry(client, "github", &["https://api.githubcopilot.com/mcp/"]),
            "Authorization",
            "Bearer ${GITHUB_TOKEN}",
        ));
        out.push(entry(client, "docs", &["https://search.example.com/mcp?scope=docs"]));
        out.push(entry(client, "acme", &["/usr/local/bin/acme-mcp", "serve"]));
        out.push(entry(client, "evil", &["npx", "-y", "evil-mcp"]));
        out.push(entry(client, "attacker", &["https://attacker.example/mcp"]));
    }
    let mut of_project =
        entry("codex", "git", &["uvx", "mcp-server-git==2025.12.18", "--repository", "/home/ann/other"]);
    of_project.scope = Scope::Project;
    out.push(of_project);
    out
}
