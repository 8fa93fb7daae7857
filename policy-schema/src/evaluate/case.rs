//! One entry in one policy and context, prepared: what is judged, under which keys, and what is wrong with it whatever
//! the rules say.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::context::{Context, Subject, System};
use super::reason;
use crate::finding::FindingCode;
use crate::identity::{Identity, Kind};
use crate::policy::index::Index;
use crate::policy::key::{self, Key, Sort};
use crate::policy::{Policy, runner};
use crate::remote::{self, Reach, Remote, Unfit};
use crate::revocations::Revocations;
use crate::verdict::{DecidedBy, Judgement, Reason, Verdict};

pub(super) struct Case<'a> {
    pub(super) policy: &'a Policy,
    pub(super) subject: &'a Subject<'a>,
    pub(super) context: &'a Context<'a>,
    /// The identity as this system would run it; the subject's own but for runners that are none.
    identity: Cow<'a, Identity>,
    /// The remote server, or that behind a bridge.
    pub(super) remote: Option<Remote>,
    /// Where it leads, as far as a URL of any spelling says so.
    pub(super) reach: Reach,
    /// Why it cannot be allowed by any rule about its identity.
    pub(super) fault: Option<Reason>,
    /// The emergency list, unless the policy ignores it.
    pub(super) revocations: Option<&'a Revocations>,
}

impl<'a> Case<'a> {
    pub(super) fn new(policy: &'a Policy, subject: &'a Subject<'a>, context: &'a Context<'a>) -> Self {
        let identity = as_run(policy, subject, context);
        let (remote, url_fault) = remote(&identity);
        let reach = reach(&identity, subject, remote.as_ref());
        let url_fault = if reach == Reach::LinkLocal { Some(link_local()) } else { url_fault };
        let fault = fault(subject, &identity)
            .or_else(|| {
                (context.system == System::Windows).then(|| batch(subject, &identity, context)).flatten()
            })
            .or(url_fault);
        let ignored = policy.document().policy.ignore_revocations;
        let revocations = context.revocations.filter(|_| !ignored);
        Self { policy, subject, context, identity, remote, reach, fault, revocations }
    }

    /// The keys of the entry in an index.
    pub(super) fn keys(&self, index: &Index) -> [Option<Key<'_>>; 3] {
        let identity = &*self.identity;
        let remote = self.remote.as_ref();
        let [one, other] = key::of_identity(identity.kind, &identity.name, identity.ecosystem, remote);
        // Few policies name exact commands, and such a key is as long as the command.
        let command = self.subject.entry.command.as_ref().filter(|_| index.has(Sort::Argv));
        let argv = command.map(|command| {
            let words = std::iter::once(command).chain(&self.subject.entry.args);
            Key::argv(words.map(crate::sensitive::Sensitive::expose))
        });
        [one, other, argv]
    }

    /// Whether a rule, exception or grant has been taken back.
    pub(super) fn is_revoked(&self, id: &str) -> bool {
        self.revocations.is_some_and(|list| list.revokes_rule(id))
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Today's date in UTC, by the trusted time.
    pub(super) fn today(&self) -> Date {
        self.context.now.to_zoned(TimeZone::UTC).date()
    }

    pub(super) fn allowed(&self, decided_by: DecidedBy, rule: Option<&str>) -> Judgement {
        Judgement {
            verdict: Verdict::Allow,
            decided_by,
            rule: rule.map(str::to_owned),
            reason: None,
            trace: Vec::new(),
            pin: None,
            alternatives: Vec::new(),
            contact: self.policy.document().policy.contact.clone(),
            until: None,
            ticket: None,
        }
    }

    /// A denial; `nearest` is the rule whose alternatives and contact are shown.
    pub(super) fn denied(
        &self,
        decided_by: DecidedBy,
        reason: Option<Reason>,
        nearest: Option<usize>,
    ) -> Judgement {
        let document = self.policy.document();
        let rule = nearest.map(|at| &document.rule[at]);
        let impersonated = reason.as_ref().is_some_and(|r| r.code == FindingCode::Impersonation);
        let own = rule.filter(|_| impersonated).map(|r| r.id.clone());
        let alternatives = rule.map(|r| r.alternatives.clone()).unwrap_or_default();
        Judgement {
            verdict: Verdict::Deny,
            decided_by,
            rule: None,
            reason,
            trace: Vec::new(),
            pin: None,
            alternatives: own.into_iter().chain(alternatives).collect(),
            contact: rule.and_then(|r| r.contact.clone()).unwrap_or_else(|| document.policy.contact.clone()),
            until: None,
            ticket: None,
        }
    }
}

/// The identity as the machine would run it: a file that only bears a runner's name is an executable like any other.
fn as_run<'a>(policy: &Policy, subject: &'a Subject<'_>, context: &Context<'_>) -> Cow<'a, Identity> {
    let identity = subject.identity;
    let Some(name) = &identity.runner else { return Cow::Borrowed(identity) };
    let is_runner = runner::is_named(&identity.program, name, context.system)
        && policy.roots.admit(&identity.program, context.system, context.home);
    if is_runner {
        return Cow::Borrowed(identity);
    }
    let mut plain = Identity::new(Kind::Executable, identity.program.clone());
    plain.program.clone_from(&identity.program);
    plain.server_args.clone_from(&subject.entry.args);
    plain.ambiguous = identity.ambiguous;
    if !identity.wrappers.is_empty() {
        plain.kind = Kind::Opaque;
    }
    Cow::Owned(plain)
}

/// The remote server of an entry, and what is wrong with its URL.
fn remote(identity: &Identity) -> (Option<Remote>, Option<Reason>) {
    let text = match (identity.kind, &identity.target) {
        // A URL that a runner downloads is a program, not a server.
        (Kind::Url, _) if identity.runner.is_none() => identity.name.as_str(),
        (Kind::Bridge, Some(target)) => target.as_str(),
        _ => return (None, None),
    };
    match Remote::read(text) {
        Ok(remote) => (Some(remote), None),
        Err(Unfit::Unresolvable) => {
            let detail = "a variable decides which server is contacted";
            (None, Some(reason(FindingCode::UnresolvableIdentity, detail)))
        }
        Err(Unfit::NonCanonical) => {
            let detail = "the URL is not written in its plain form";
            (None, Some(reason(FindingCode::NonCanonicalUrl, detail)))
        }
        Err(Unfit::NotRemote) => (None, None),
    }
}

pub(super) fn link_local() -> Reason {
    reason(FindingCode::LinkLocalUrl, "link-local and metadata addresses are always denied")
}

/// Where an entry leads. What is not written as a rule could name it is read as a client may read it: at its worst.
fn reach(identity: &Identity, subject: &Subject<'_>, remote: Option<&Remote>) -> Reach {
    if let Some(remote) = remote {
        return remote.reach;
    }
    let of = |text: &str| {
        let value = text.split_once('=').map(|(_, value)| value);
        remote::reach_of(text).or_else(|| value.and_then(remote::reach_of))
    };
    match identity.kind {
        // A URL that a runner downloads is a program; only what is denied always is asked of it.
        Kind::Url if identity.runner.is_some() => {
            of(&identity.name).filter(|reach| *reach == Reach::LinkLocal).unwrap_or(Reach::Public)
        }
        Kind::Url => remote::reach_of(&identity.name).unwrap_or(Reach::Unknown),
        Kind::Bridge => {
            let varies = identity.target.as_deref().is_none_or(remote::has_variable);
            let least = if varies { Reach::Unknown } else { Reach::Public };
            let words = subject.entry.args.iter().map(crate::sensitive::Sensitive::expose);
            words.chain(identity.target.as_deref()).filter_map(of).fold(least, Reach::max)
        }
        _ => Reach::Public,
    }
}

/// Runners that are batch files on Windows, under which `cmd` reads the arguments once more. Bun and Deno are when npm
/// installed them.
const BATCH_FILES: &[&str] =
    &["npx", "npm", "pnpm", "pnpx", "yarn", "yarnpkg", "corepack", "bun", "bunx", "deno", "dnx", "cmd"];

/// Characters that `cmd` takes for operators, also where quotes in an argument end those around it.
fn batch(subject: &Subject<'_>, identity: &Identity, context: &Context<'_>) -> Option<Reason> {
    let is_batch = |program: &str| {
        let base = program.rsplit(['/', '\\']).next().unwrap_or(program).to_ascii_lowercase();
        let plain = base.strip_suffix(".exe").unwrap_or(&base);
        base.ends_with(".cmd") || base.ends_with(".bat") || BATCH_FILES.contains(&plain)
    };
    let entry = subject.entry;
    let command = entry.command.as_ref().map(crate::sensitive::Sensitive::expose).unwrap_or_default();
    // What is named bare may be found as a batch file.
    let found = context.facts.program.iter().flat_map(|file| [file.path.as_str(), file.real_path.as_str()]);
    let written = identity.wrapper_programs.iter().map(String::as_str).chain([command, &identity.program]);
    let mut programs = written.chain(found);
    let operator = |text: &str| text.contains(['&', '|', '<', '>', '^', '%', '!', '"', '\n', '\r']);
    (programs.any(is_batch) && entry.args.iter().any(|arg| operator(arg.expose()))).then(|| {
        reason(
            FindingCode::AmbiguousEntry,
            "cmd reads a character of the arguments of a batch file as an operator",
        )
    })
}

/// Why an entry has no one meaning.
fn fault(subject: &Subject<'_>, identity: &Identity) -> Option<Reason> {
    let entry = subject.entry;
    let ambiguous = |detail: &str| Some(reason(FindingCode::AmbiguousEntry, detail));
    if let Some(why) = identity.ambiguous {
        return ambiguous(why);
    }
    if let Some(why) = entry.malformed {
        return ambiguous(why);
    }
    if entry.command.as_ref().is_some_and(|c| !c.is_empty())
        && entry.url.as_ref().is_some_and(|u| !u.is_empty())
    {
        return ambiguous("it has both a command and a URL");
    }
    let words = entry.command.iter().chain(&entry.args);
    if words.clone().any(|w| w.expose().contains('\0')) {
        return ambiguous("a NUL character stands in the command");
    }
    // npm trims what Bun does not.
    let padded = |text: &str| text.trim() != text || text.contains(['\t', '\n', '\r']);
    if padded(&identity.name) || identity.version.as_deref().is_some_and(padded) {
        return ambiguous("blanks stand around the name or version of the package");
    }
    let deciding = [identity.program.as_str(), identity.name.as_str()];
    let varies = |text: &&str| crate::remote::has_variable(text);
    let varies = deciding.iter().any(varies) || identity.version.as_deref().is_some_and(|v| varies(&v));
    if identity.kind != Kind::Url && identity.kind != Kind::Opaque && varies {
        return Some(reason(FindingCode::UnresolvableIdentity, "a variable decides what is run"));
    }
    None
}
