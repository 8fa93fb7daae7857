//! What is to be allowed and denied in one client, before it is put into the client's words.

use std::collections::{BTreeMap, BTreeSet};

use mcpolicy_schema::document::{Default as Verdict, Expressible, IdentityMatcher, Native, Rule};
use mcpolicy_schema::entry::{NamedValue, Reader, Scope, Transport};
use mcpolicy_schema::evaluate::{Context, Subject, evaluate};
use mcpolicy_schema::fingerprint;
use mcpolicy_schema::identity::identify;
use mcpolicy_schema::policy::Policy;

use crate::compile::{Input, Locks};
use crate::form::{Allowed, Denied, Launch};
use crate::inexpressible::{Abilities, Compares, Inexpressible, What, concerns, of_policy};
use crate::target::Client;

/// A server to let through.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) launch: Launch,
    /// Id of what allows it; empty for hold mode and the default.
    pub(crate) rule: String,
    pub(crate) transport: Transport,
    pub(crate) scope: Scope,
    pub(crate) plugin: Option<String>,
    pub(crate) env: Vec<NamedValue>,
    pub(crate) headers: Vec<NamedValue>,
    pub(crate) has_more: bool,
    /// It is an entry of this machine, not only what a rule would let be added.
    pub(crate) is_here: bool,
}

/// A tool that must not be called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NeverTool {
    /// Name of the server's entry.
    pub(crate) server: String,
    /// Name of the tool.
    pub(crate) tool: String,
}

/// What is to stand in one client.
pub(crate) struct Plan<'a> {
    pub(crate) input: &'a Input<'a>,
    pub(crate) client: Client,
    /// Only what is listed starts. Otherwise only denials and locks are written.
    pub(crate) is_closed: bool,
    /// Switches beside the lists.
    pub(crate) locks: Locks,
    /// In a fixed order, each once.
    pub(crate) servers: Vec<Server>,
    pub(crate) denied: Vec<&'a Denied>,
    pub(crate) never: BTreeSet<NeverTool>,
    /// What cannot be said; compilers add to it.
    pub(crate) told: BTreeSet<Inexpressible>,
}

/// What a policy says of the native policy of a client.
pub(crate) fn native_of(policy: &Policy, client: Client) -> Native {
    let all = &policy.document().policy.native;
    all.get(client.id()).or_else(|| all.get("default")).copied().unwrap_or_default()
}

impl<'a> Plan<'a> {
    pub(crate) fn new(input: &'a Input<'a>, client: Client, able: Abilities) -> Self {
        let policy = input.policy;
        let is_closed = native_of(policy, client).inexpressible == Expressible::Closed
            && policy.document().policy.default == Verdict::Deny;
        let mut plan = Self {
            input,
            client,
            is_closed,
            locks: Locks::of(policy, client),
            servers: Vec::new(),
            denied: Vec::new(),
            never: BTreeSet::new(),
            told: of_policy(policy, client, able, is_closed),
        };
        plan.of_machine(able);
        plan.of_rules(able);
        plan.servers.sort_by(|a, b| (&a.name, &a.launch, &a.plugin).cmp(&(&b.name, &b.launch, &b.plugin)));
        plan.servers.dedup_by(|b, a| {
            let same = (&a.name, &a.launch, &a.plugin) == (&b.name, &b.launch, &b.plugin);
            // the one with an entry behind it knows more
            if same && b.is_here && !a.is_here {
                std::mem::swap(a, b);
            }
            same
        });
        plan.never = plan.never_tools();
        let governs = |denied: &&Denied| client.governs().iter().any(|id| denied.clients.contains(id));
        plan.denied = input.denied.iter().filter(governs).collect();
        plan
    }

    pub(crate) fn tell(&mut self, rule: &str, what: What, why: impl Into<String>, blocks: bool) {
        self.told.insert(Inexpressible { rule: rule.to_owned(), what, why: why.into(), blocks });
    }

    /// Takes servers out that the client cannot be told of, and says so.
    pub(crate) fn drop_servers(&mut self, what: What, why: &str, is_out: impl Fn(&Server) -> bool) {
        let (out, kept): (Vec<Server>, Vec<Server>) = self.servers.drain(..).partition(is_out);
        self.servers = kept;
        for server in out {
            self.tell(&server.rule, what, why, server.is_here);
        }
    }

    fn rule(&self, id: &str) -> Option<&'a Rule> {
        self.input.policy.document().rule.iter().find(|rule| rule.id == id)
    }

    fn of_machine(&mut self, able: Abilities) {
        for allowed in self.input.allowed {
            let id = allowed.rule.clone().unwrap_or_default();
            let rule = self.rule(&id);
            let is_read = allowed.clients.contains(self.client.id());
            let is_handed_on = self.client.governs().iter().any(|id| allowed.clients.contains(id));
            // what a rule allows in one client only is not let through in the one that hands it on
            if !(is_read || is_handed_on && rule.is_none_or(|rule| concerns(rule, self.client))) {
                continue;
            }
            if allowed.launch.holds_secret() {
                self.tell(
                    &id,
                    What::Secret,
                    "a secret stands in the command line or URL of an entry: move it to a variable or header",
                    true,
                );
                continue;
            }
            if allowed.of_directory && able.compares != Compares::Call {
                self.tell(
                    &id,
                    What::Directory,
                    "an entry runs what lies in its directory, and the client lets it start in any",
                    false,
                );
            }
            if rule.is_none() && able.compares != Compares::Call {
                self.beside_rules(&id, allowed);
            }
            self.servers.push(Server {
                name: allowed.name.clone(),
                launch: allowed.launch.clone(),
                rule: id,
                transport: allowed.transport,
                scope: allowed.scope,
                plugin: allowed.plugin.clone(),
                env: allowed.env.clone(),
                headers: allowed.headers.clone(),
                has_more: allowed.has_more,
                is_here: true,
            });
        }
    }

    /// An exception is about one entry with all its variables; the client only sees how it is started.
    fn beside_rules(&mut self, id: &str, allowed: &Allowed) {
        let why = "no client's policy compares it";
        match allowed.launch {
            Launch::Command(_) => {
                self.tell(id, What::Environment, why, false);
                self.tell(id, What::WorkingDirectory, why, false);
            }
            Launch::Remote(_) => self.tell(id, What::Headers, why, false),
        }
    }

    /// What rules would let be added: their forms, each judged by the whole policy.
    fn of_rules(&mut self, able: Abilities) {
        let document = self.input.policy.document();
        let client = self.client;
        let needs_forms = !matches!(
            able.compares,
            Compares::Call | Compares::Nothing | Compares::NameOff | Compares::Definition
        );
        for rule in document.rule.iter().filter(|rule| needs_forms && concerns(rule, client)) {
            let has_entry = self.servers.iter().any(|server| server.rule == rule.id);
            let wants_name = able.compares == Compares::NameAndExact;
            let has_form = self.of_rule(rule, wants_name);
            if !self.is_closed
                || has_entry
                || has_form
                || matches!(rule.identity, IdentityMatcher::Builtin(_))
            {
                continue;
            }
            let (what, why) = if wants_name && rule.names.is_empty() {
                (What::Name, "the client wants the name of each server: give the rule `names`")
            } else {
                (What::Form, "the client lets nothing of this rule be added: give it `native_forms`")
            };
            self.tell(&rule.id, what, why, true);
        }
    }

    /// Lets the forms of one rule through; whether there was any.
    fn of_rule(&mut self, rule: &Rule, wants_name: bool) -> bool {
        let mut names: Vec<&str> = rule.names.iter().map(String::as_str).collect();
        if names.is_empty() && !wants_name {
            names.push("");
        }
        let mut has_any = false;
        for form in forms(rule, self.input.homes) {
            if !is_allowed(self.input, self.client, &form, names.first().copied().unwrap_or_default()) {
                self.tell(
                    &rule.id,
                    What::Form,
                    "a form of the rule is not allowed, or cannot be judged without its entry",
                    false,
                );
                continue;
            }
            if form.holds_secret() {
                self.tell(&rule.id, What::Secret, "a secret stands in a form of the rule", false);
                continue;
            }
            has_any |= !names.is_empty();
            self.servers.extend(names.iter().map(|name| Server {
                name: (*name).to_owned(),
                launch: form.clone(),
                rule: rule.id.clone(),
                transport: transport(rule, &form),
                scope: Scope::User,
                plugin: None,
                env: Vec::new(),
                headers: Vec::new(),
                has_more: false,
                is_here: false,
            }));
        }
        has_any
    }

    fn never_tools(&self) -> BTreeSet<NeverTool> {
        let mut out = BTreeSet::new();
        for rule in self.input.policy.document().rule.iter().filter(|rule| concerns(rule, self.client)) {
            let Some(tools) = &rule.tools else { continue };
            let here = self.servers.iter().filter(|server| server.rule == rule.id).map(|server| &server.name);
            let names: BTreeSet<&String> =
                rule.names.iter().chain(here).filter(|name| !name.is_empty()).collect();
            for server in names {
                let of = |tool: &String| NeverTool { server: server.clone(), tool: tool.clone() };
                out.extend(tools.never.iter().map(of));
            }
        }
        out
    }

    /// The never-tools by server.
    pub(crate) fn never_by_server(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut out: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for never in &self.never {
            out.entry(&never.server).or_default().push(&never.tool);
        }
        out
    }

    /// What is known on this machine and denied, but for what an allowed server is started as, too.
    pub(crate) fn denied_launches(&mut self) -> BTreeSet<Launch> {
        let allowed: BTreeSet<&Launch> = self.servers.iter().map(|server| &server.launch).collect();
        let launches = self.denied.iter().filter_map(|denied| denied.launch.as_ref());
        let (secret, plain): (BTreeSet<&Launch>, BTreeSet<&Launch>) =
            launches.filter(|launch| !allowed.contains(launch)).partition(|launch| launch.holds_secret());
        let (plain, has_secret) = (plain.into_iter().cloned().collect(), !secret.is_empty());
        if has_secret {
            self.tell(
                "",
                What::Secret,
                "a denied server is not named in the file, since a secret stands in its form",
                false,
            );
        }
        plain
    }

    /// Names of servers on this machine that are denied and that no allowed server bears, as the client spells them in
    /// its rules.
    pub(crate) fn denied_names(&mut self, spelt: impl Fn(&str) -> String) -> BTreeSet<String> {
        let allowed: BTreeSet<String> = self.servers.iter().map(|server| spelt(&server.name)).collect();
        let denied: BTreeSet<String> =
            self.denied.iter().filter(|one| !one.name.is_empty()).map(|one| spelt(&one.name)).collect();
        if denied.iter().any(|name| allowed.contains(name)) {
            self.tell(
                "",
                What::Identity,
                "a denied server has the name of an allowed one, so that it cannot be denied by its name",
                false,
            );
        }
        denied.difference(&allowed).cloned().collect()
    }
}

/// How a client talks to what a form of a rule starts.
fn transport(rule: &Rule, form: &Launch) -> Transport {
    match form {
        Launch::Command(_) => Transport::Stdio,
        Launch::Remote(_) if rule.transports == [Transport::Sse] => Transport::Sse,
        Launch::Remote(_) => Transport::Http,
    }
}

/// The fixed forms of a rule: for each home, where it names one.
fn forms(rule: &Rule, homes: &[String]) -> BTreeSet<Launch> {
    let fixed = |form: &&Vec<String>| form.iter().all(|word| !word.contains('*') && word != "...");
    let mut out = BTreeSet::new();
    for form in rule.native_forms.iter().filter(fixed) {
        if !form.iter().any(|word| word.contains("{home}") || word.starts_with("~/")) {
            out.extend(Launch::command(form.iter().map(String::as_str)));
            continue;
        }
        for home in homes {
            let at_home = |word: &String| match word.strip_prefix("~/") {
                Some(rest) => format!("{home}/{rest}"),
                None => word.replace("{home}", home),
            };
            out.extend(Launch::command(form.iter().map(at_home)));
        }
    }
    if let IdentityMatcher::Url(url) = &rule.identity
        && url.required.is_empty()
    {
        out.insert(Launch::remote(url.url.as_str()));
    }
    out
}

/// Whether the policy allows an entry of just this form. A fact that only the machine knows is missing here, and counts
/// as no.
fn is_allowed(input: &Input<'_>, client: Client, form: &Launch, name: &str) -> bool {
    let mut entry = form.entry();
    entry.name = name.to_owned();
    entry.client = client.id();
    entry.readers = vec![Reader { client: client.id(), setting: None }];
    let identity = identify(&entry);
    let homes: Vec<Option<&str>> = match input.homes {
        [] => vec![input.context.home],
        homes => homes.iter().map(|home| Some(home.as_str())).collect(),
    };
    homes.into_iter().any(|home| {
        let fingerprint = fingerprint::of(&entry, &identity, home);
        let subject = Subject { entry: &entry, identity: &identity, fingerprint: &fingerprint };
        let context = Context { home, ..input.context.clone() };
        evaluate(input.policy, &subject, &context).is_allowed()
    })
}
