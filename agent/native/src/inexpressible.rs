//! What a client's own policy cannot say of a rule: computed from the rule and from what the client compares.

use std::collections::BTreeSet;

use mcpolicy_schema::document::{Args, IdentityMatcher, Rule};
use mcpolicy_schema::policy::Policy;
use serde::Serialize;

use crate::target::Client;

/// Something that a rule says and a client's own policy does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Which variables the server is given: `PATH`, `NODE_OPTIONS` or `LD_PRELOAD` make it another program.
    Environment,
    /// The directory in which it is started.
    WorkingDirectory,
    /// Which headers are sent.
    Headers,
    /// A command whose output becomes headers (`headersHelper`, `http_headers_helper`), env files and other members that
    /// bring code.
    Members,
    /// The SHA-256 of a program or script.
    Digest,
    /// A range of versions: only the forms that are known are let through.
    Versions,
    /// Patterns of arguments, of the runner too: only the forms that are known are let through.
    Arguments,
    /// Where one argument ends and the next begins.
    ArgumentBoundaries,
    /// Query parameters and paths below a URL: only the URLs that are known are let through.
    Query,
    /// The program that must listen behind a loopback URL.
    Listener,
    /// Users, groups, devices or rings: the file is the whole machine's.
    People,
    /// Scopes and transports.
    Scope,
    /// The directory of the project in which alone it is allowed.
    Directory,
    /// Values that refer to other variables.
    References,
    /// The identity: the client compares names.
    Identity,
    /// A name: the client wants to know each, and neither the rule nor the machine has one.
    Name,
    /// A second form under a name that has one.
    SecondForm,
    /// A form to compare with: the rule has no `native_forms`, and no entry on this machine is allowed by it.
    Form,
    /// A text that the client takes for a pattern and that cannot be written otherwise.
    Pattern,
    /// A form with a secret in it, which is not put into a file that everybody can read.
    Secret,
    /// Code inside the client.
    Builtin,
    /// Everything: no list says that and stays a list.
    Anything,
    /// Tools that must not be called.
    NeverTools,
    /// Which tools ask first.
    ToolClasses,
    /// A denial as it is read: in wrappers, further packages and shell text. Only the entries that are known on this
    /// machine are denied.
    Denial,
    /// That the server is not even started: calls are refused, the process is there.
    Start,
}

/// One thing that a client's own policy cannot say, or says more strictly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Inexpressible {
    /// Id of the rule, denial or exception; empty for what no rule stands behind.
    pub rule: String,
    /// What.
    pub what: What,
    /// Why, in words for people: names and flags, never a value of an entry.
    pub why: String,
    /// Something that the policy allows does not start in this client because of it. Otherwise the client lets more
    /// through, and the other layers see to the rest.
    pub blocks: bool,
}

/// What a client compares when it decides about a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compares {
    /// Command and arguments, or the URL, exactly.
    Exact,
    /// The name, and command and arguments or the URL.
    NameAndExact,
    /// The command and its arguments as one text, as a pattern; the URL as a pattern.
    JoinedPattern,
    /// Letters and digits of a part of the command, the host of a URL.
    Fuzzy,
    /// The name, under which an administrator's definition takes the place of the user's.
    Definition,
    /// The name, for switching it off.
    NameOff,
    /// Nothing: all local servers or none.
    Nothing,
    /// The call, by a hook that asks us.
    Call,
}

/// What a client can express.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Abilities {
    pub(crate) compares: Compares,
    /// It can hide or refuse single tools.
    pub(crate) never_tools: bool,
    /// It can deny entries that are known.
    pub(crate) denies: bool,
}

/// What a client cannot say of a rule, whatever stands on the machine.
pub(crate) fn of_rule(rule: &Rule, able: Abilities) -> Vec<(What, &'static str)> {
    let mut out = Vec::new();
    let mut tell = |what, why| out.push((what, why));
    let rule_is_remote = matches!(rule.identity, IdentityMatcher::Url(_));
    let asks_us = able.compares == Compares::Call;
    match able.compares {
        Compares::Call => tell(What::Start, "calls are refused, but the server has been started by then"),
        Compares::NameOff => {
            tell(What::Identity, "the client has no list of allowed servers, only switches for names");
        }
        Compares::Nothing => tell(What::Identity, "the client has all local servers or none"),
        Compares::Fuzzy => {
            tell(What::Identity, "the client compares letters and digits of a part: look-alikes pass");
        }
        Compares::JoinedPattern => {
            if !rule_is_remote {
                tell(What::ArgumentBoundaries, "the client compares the arguments as one text");
            }
        }
        Compares::Exact | Compares::NameAndExact | Compares::Definition => {}
    }
    if !asks_us {
        launch(rule, able.compares, &mut tell);
        conditions(rule, &mut tell);
    }
    let tools = rule.tools.as_ref();
    if tools.is_some_and(|tools| !tools.never.is_empty()) && !able.never_tools && !asks_us {
        tell(What::NeverTools, "the client's policy has no switch for single tools");
    }
    if tools
        .is_some_and(|tools| !tools.read.is_empty() || !tools.write.is_empty() || tools.unlisted.is_some())
    {
        tell(What::ToolClasses, "no managed setting says which tools ask first");
    }
    out
}

/// What is compared of how it is started.
fn launch(rule: &Rule, compares: Compares, tell: &mut impl FnMut(What, &'static str)) {
    use IdentityMatcher as M;
    let defined = compares == Compares::Definition;
    let never = "no client's policy compares it";
    match &rule.identity {
        M::Any {} => tell(What::Anything, "an allowlist cannot hold everything: only known forms pass"),
        M::Builtin(_) => tell(What::Builtin, "what the client has built in is not under its list"),
        M::Url(url) => {
            if !defined {
                tell(What::Headers, never);
                tell(What::Members, "an allowed URL may be joined by a command that makes its headers");
            }
            if !url.query.is_empty() || !url.subpaths.is_empty() {
                tell(What::Query, "only the URLs that are known are let through");
            }
            if url.listener.is_some() {
                tell(What::Listener, never);
            }
        }
        M::Npm(_)
        | M::Pypi(_)
        | M::Dotnet(_)
        | M::Go(_)
        | M::Deno(_)
        | M::Oci(_)
        | M::Git(_)
        | M::Bridge(_)
        | M::Executable(_)
        | M::Script(_)
        | M::Opaque(_) => {}
    }
    if !matches!(rule.identity, M::Url(_) | M::Builtin(_)) && !defined {
        tell(What::Environment, never);
        tell(What::WorkingDirectory, never);
    }
    if has_versions(rule) {
        tell(What::Versions, "only the forms that are known are let through");
    }
    if matches!(&rule.identity, M::Executable(_) | M::Script(_)) && !rule.identity.digests().1.is_empty() {
        tell(What::Digest, never);
    }
    if is_open(&rule.args) || !rule.runner_args.is_empty() {
        tell(What::Arguments, "only the forms that are known are let through");
    }
    if !rule.references.is_empty() {
        tell(What::References, never);
    }
}

/// A version requirement that more than one version meets.
fn has_versions(rule: &Rule) -> bool {
    use IdentityMatcher as M;
    let versions = match &rule.identity {
        M::Npm(m) | M::Pypi(m) | M::Dotnet(m) | M::Go(m) | M::Deno(m) => &m.versions,
        M::Bridge(m) => &m.versions,
        M::Oci(m) => return m.digests.len() + m.tags.len() != 1 || m.tags.iter().any(|tag| tag == "*"),
        M::Git(m) => return m.commits.len() != 1 || m.commits[0] == "*",
        _ => return false,
    };
    versions.is_empty() || versions.contains(['*', '<', '>', '^', '~', '|', ' ', ',', 'x', '!'])
}

fn is_open(args: &Args) -> bool {
    let wild = |word: &String| word.contains('*') || word == "...";
    !args.optional.is_empty() || args.positional.iter().chain(&args.required).any(wild)
}

/// For whom and where.
fn conditions(rule: &Rule, tell: &mut impl FnMut(What, &'static str)) {
    let people = [&rule.users, &rule.groups, &rule.devices, &rule.rings];
    if people.iter().any(|list| !list.is_empty()) {
        tell(What::People, "the file is the whole machine's: what one user may have, all can start");
    }
    if !rule.scopes.is_empty() || !rule.transports.is_empty() {
        tell(What::Scope, "the client does not ask where an entry stands, nor over what it talks");
    }
}

/// What a client cannot say of the rules and denials of a policy that concern it.
pub(crate) fn of_policy(
    policy: &Policy,
    client: Client,
    able: Abilities,
    is_closed: bool,
) -> BTreeSet<Inexpressible> {
    let document = policy.document();
    let concerns = |rule: &&Rule| concerns(rule, client);
    let mut out: BTreeSet<Inexpressible> = document
        .rule
        .iter()
        .filter(concerns)
        .flat_map(|rule| {
            let told = of_rule(rule, able).into_iter();
            told.map(|(what, why)| Inexpressible {
                rule: rule.id.clone(),
                what,
                why: why.to_owned(),
                blocks: false,
            })
        })
        .collect();
    // where only what is listed starts, a denial adds nothing
    let covered = is_closed && !matches!(able.compares, Compares::NameOff | Compares::Nothing);
    if !covered && able.compares != Compares::Call && !document.policy.ignore_denylist {
        out.extend(document.deny.iter().map(|deny| Inexpressible {
            rule: deny.id.clone(),
            what: What::Denial,
            why: if able.denies {
                "only entries that are known on this machine are denied".to_owned()
            } else {
                "the client's policy cannot deny".to_owned()
            },
            blocks: false,
        }));
    }
    out
}

/// Whether a rule may be about entries of a client.
pub(crate) fn concerns(rule: &Rule, client: Client) -> bool {
    rule.clients.is_empty() || rule.clients.iter().any(|id| client.governs().contains(&id.as_str()))
}
