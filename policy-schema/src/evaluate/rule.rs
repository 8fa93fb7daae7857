//! One rule asked about one entry: every condition in turn, the first that fails is the reason.

use super::case::Case;
use super::context::System;
use super::files::{self, Fit};
use super::{anchor, members, only_system_runners, place, reason, values};
use crate::document::{Ecosystem, IdentityMatcher, Rule};
use crate::finding::FindingCode;
use crate::identity::{Identity, Kind};
use crate::policy::rule::{Compiled, Meant, Target, UnfitQuery};
use crate::policy::{key, words};
use crate::remote::{Reach, Remote};
use crate::requirement::Admits;
use crate::sensitive::Sensitive;
use crate::verdict::Reason;

/// What a rule says of an entry.
pub(super) enum Outcome {
    Allow,
    /// It is about something else.
    NotAbout,
    /// A condition failed; the deeper, the nearer the rule came.
    Refused(u8, Reason),
    /// Nothing but the version is wrong.
    Version(Reason),
    /// It would allow if a missing fact were as it says.
    Unknown(Reason),
}

pub(super) const DEPTH_VERSION: u8 = 100;
pub(super) const DEPTH_FACTS: u8 = 110;

/// Asks a rule.
pub(super) fn admit(case: &Case<'_>, at: usize) -> Outcome {
    let rule = &case.policy.document().rule[at];
    let compiled = &case.policy.rules[at];
    let fact = match about(case, rule, compiled) {
        Fit::NotAbout => return Outcome::NotAbout,
        Fit::No(why) => return Outcome::Refused(1, why),
        Fit::Unknown(why) => Some(why),
        Fit::Yes => None,
    };
    if matches!(rule.identity, IdentityMatcher::Any {}) {
        if let Some(doubt) = super::doubt(case) {
            return Outcome::Refused(2, doubt);
        }
        // It means everything, so only where, for whom and until when are asked.
        let why = place::place(case, rule).or_else(|| place::overdue(case, rule));
        return why.map_or(Outcome::Allow, |why| Outcome::Refused(3, why));
    }
    let is_exact = matches!(rule.identity, IdentityMatcher::Opaque(_));
    let fault = case.fault.as_ref().filter(|f| !(is_exact && f.code == FindingCode::UnresolvableIdentity));
    if let Some(fault) = fault {
        return Outcome::Refused(2, fault.clone());
    }
    let conditions: [&dyn Fn() -> Option<Reason>; 9] = [
        &|| if is_exact { None } else { launch(case, rule, compiled) },
        &|| if is_exact { None } else { arguments(case, rule, compiled) },
        &|| query(case, rule, compiled),
        &|| values::environment(case, rule, compiled),
        &|| values::headers(case, rule, compiled),
        &|| members::members(case, rule, compiled),
        &|| directory(case, compiled),
        &|| place::place(case, rule),
        &|| place::overdue(case, rule),
    ];
    for (depth, condition) in (3u8..).zip(conditions) {
        if let Some(why) = condition() {
            return Outcome::Refused(depth, why);
        }
    }
    if let Some(why) = version(case, rule, compiled) {
        return Outcome::Version(why);
    }
    match fact.or_else(|| runner_fact(case)) {
        Some(why) if why.code == FindingCode::MissingFact => Outcome::Unknown(why),
        Some(why) => Outcome::Refused(DEPTH_FACTS, why),
        None => Outcome::Allow,
    }
}

/// Whether the rule is about what the entry would run or contact. The key is the same already.
fn about(case: &Case<'_>, rule: &Rule, compiled: &Compiled) -> Fit {
    let identity = case.identity();
    let facts = case.context.facts;
    match (&rule.identity, &compiled.meant) {
        (IdentityMatcher::Url(matcher), Meant::Url(target)) => url(case, target, matcher.listener.as_ref()),
        (IdentityMatcher::Bridge(matcher), Meant::Bridge(_, targets)) => {
            let place = match matcher.ecosystem {
                Ecosystem::Executable => {
                    files::fit(case, &identity.program, facts.program.as_ref(), &matcher.package, &[])
                }
                _ => Fit::Yes,
            };
            match (place, bridge(case, rule, targets, matcher.approved_targets)) {
                (Fit::Yes, target) => target,
                (place, Fit::Yes) | (place @ Fit::NotAbout, _) => place,
                (_, target) => target,
            }
        }
        (IdentityMatcher::Executable(m), _) => {
            files::fit(case, &identity.name, facts.program.as_ref(), &m.path, &m.sha256)
        }
        (IdentityMatcher::Script(m), _) => script(case, identity, &m.interpreter, &m.path, &m.sha256),
        (IdentityMatcher::Any {}, _) => any(case),
        _ => Fit::Yes,
    }
}

/// A rule for everything is no explicit rule for an address that only an explicit rule allows.
fn any(case: &Case<'_>) -> Fit {
    if case.reach == Reach::Public { Fit::Yes } else { Fit::NotAbout }
}

fn url(case: &Case<'_>, target: &Target, listener: Option<&crate::document::ExecutableMatcher>) -> Fit {
    let Some(remote) = case.remote.as_ref().filter(|remote| target.names(remote)) else {
        return Fit::NotAbout;
    };
    match (remote.reach, listener) {
        (Reach::Loopback, None) => Fit::No(reason(
            FindingCode::LoopbackUnbound,
            "a URL of this machine is allowed only together with the program that listens",
        )),
        (Reach::Loopback, Some(listener)) => {
            let facts = case.context.facts.listener.as_ref();
            let Some(found) = facts else {
                return Fit::Unknown(reason(
                    FindingCode::MissingFact,
                    "the program that listens is not known",
                ));
            };
            match files::fit(case, &found.path, facts, &listener.path, &listener.sha256) {
                Fit::NotAbout => {
                    Fit::No(reason(FindingCode::LoopbackUnbound, "another program listens there"))
                }
                other => other,
            }
        }
        _ => Fit::Yes,
    }
}

fn bridge(case: &Case<'_>, rule: &Rule, targets: &[Target], approved: bool) -> Fit {
    let Some(remote) = &case.remote else {
        return Fit::No(reason(FindingCode::TargetNotAllowed, "it does not lead to one remote URL"));
    };
    // What a loopback URL stands for is not known from here.
    let reachable = matches!(remote.reach, Reach::Public | Reach::Private);
    let named = targets.iter().find(|t| t.names(remote));
    let listed = approved.then(|| approved_target(case, remote)).flatten();
    match named.or(listed).filter(|_| reachable) {
        Some(target) => match unfit_query(case, rule, target, remote) {
            Some(why) => Fit::No(why),
            None => Fit::Yes,
        },
        None => Fit::No(reason(
            FindingCode::TargetNotAllowed,
            "the rule does not name the server that it leads to",
        )),
    }
}

/// The rule of a remote server that is approved for itself, here and for this user.
fn approved_target<'c>(case: &'c Case<'_>, remote: &Remote) -> Option<&'c Target> {
    let keys = [false, true].map(|has_subpaths| key::of_url(remote, has_subpaths));
    let rules = keys.iter().flat_map(|key| case.policy.allow_index.at(key));
    let usable = |at: &usize| {
        let rule = &case.policy.document().rule[*at];
        !case.is_revoked(&rule.id) && place::overdue(case, rule).is_none()
    };
    rules.filter(usable).find_map(|at| match &case.policy.rules[at].meant {
        Meant::Url(target) if target.names(remote) => Some(target),
        _ => None,
    })
}

fn script(case: &Case<'_>, identity: &Identity, interpreter: &str, path: &str, sha256: &[String]) -> Fit {
    if identity.runner.as_deref() != Some(interpreter) {
        return Fit::NotAbout;
    }
    if path.starts_with("-m ") || identity.name.starts_with("-m ") {
        return if path == identity.name { Fit::Yes } else { Fit::NotAbout };
    }
    files::fit(case, &identity.name, case.context.facts.script.as_ref(), path, sha256)
}

/// Wrappers, runner and the runner's own arguments.
fn launch(case: &Case<'_>, rule: &Rule, compiled: &Compiled) -> Option<Reason> {
    let identity = case.identity();
    wrappers(case, rule)
        .or_else(|| {
            let runner = identity.runner.as_deref()?;
            let Some(words) = compiled.runner_args.get(runner) else {
                return Some(reason(
                    FindingCode::RunnerNotAllowed,
                    format!("the rule names no runner `{runner}`"),
                ));
            };
            // A runner takes its arguments apart after the client has put values in: no variable stands among them.
            let setting = words::Setting { home: case.context.home, may_refer: &|_| false };
            let known = words.admit(&identity.runner_args, setting, &mut Vec::new());
            if let Err(unfit) = known {
                let detail = match unfit {
                    // Of a flag with its value it is the flag that has no place.
                    words::Unfit::Word(at)
                        if refers(&identity.runner_args, at) || refers(&identity.runner_args, at + 1) =>
                    {
                        let detail = "a variable stands among the arguments of the runner";
                        return Some(reason(FindingCode::UnresolvableIdentity, detail));
                    }
                    words::Unfit::Word(at) => flag_at(&identity.runner_args, at, &format!("`{runner}`")),
                    words::Unfit::TooFew | words::Unfit::Required(_) => {
                        "an argument of the runner is missing".to_owned()
                    }
                };
                return Some(reason(FindingCode::RunnerArgumentNotAllowed, detail));
            }
            None
        })
        .or_else(|| unisolated(identity, rule))
        .or_else(|| extra(identity, rule))
        .or_else(|| bin(identity, rule))
        .or_else(|| unwanted_parts(case))
}

/// A rule that names `-I` or `-P` for a module of Python demands it: without, the module is whatever lies in the project.
fn unisolated(identity: &Identity, rule: &Rule) -> Option<Reason> {
    let words = identity.runner_args.iter().map(crate::sensitive::Sensitive::expose);
    let loose = anchor::finds_in_directory(identity.runner.as_deref()?, &identity.name, words);
    (loose && rule.runner_args.iter().any(|word| anchor::isolates(word))).then(|| {
        reason(
            FindingCode::RunnerArgumentNotAllowed,
            "the rule demands that the module is not looked for in the project",
        )
    })
}

/// Where no runner plays a part, there is nothing for it to be told.
fn unwanted_parts(case: &Case<'_>) -> Option<Reason> {
    let identity = case.identity();
    if identity.inline_code {
        return Some(reason(FindingCode::AmbiguousEntry, "program text stands in the arguments"));
    }
    let stray = identity.runner.is_none() && !identity.runner_args.is_empty();
    stray
        .then(|| reason(FindingCode::RunnerArgumentNotAllowed, "an argument stands before the program's own"))
}

fn wrappers(case: &Case<'_>, rule: &Rule) -> Option<Reason> {
    let identity = case.identity();
    for (at, wrapper) in identity.wrappers.iter().enumerate() {
        let args = identity.wrapper_args.get(at).map_or(&[][..], Vec::as_slice);
        let program = identity.wrapper_programs.get(at).map_or("", String::as_str);
        let in_place = case.policy.roots.admit(program, case.context.system, case.context.home);
        // A shell by another name of case is another file.
        let plain = case.context.system == System::Windows
            || program.bytes().all(|b| !b.is_ascii_uppercase() || program.contains('/'));
        let implied = case.context.system == System::Windows && wrapper == "cmd /c" && args.is_empty();
        let listed = rule.wrappers.iter().any(|listed| is_wrapper(listed, wrapper, args));
        if !(in_place && plain && (implied || listed)) {
            return Some(reason(
                FindingCode::WrapperNotAllowed,
                format!("the rule names no wrapper `{wrapper}` like this"),
            ));
        }
    }
    None
}

/// Whether a wrapper of a rule (`wsl -d Ubuntu`) is this one with these arguments.
fn is_wrapper(listed: &str, wrapper: &str, args: &[Sensitive]) -> bool {
    let words: Vec<&str> = listed.split_ascii_whitespace().collect();
    let name: Vec<&str> = wrapper.split_ascii_whitespace().collect();
    words.strip_prefix(name.as_slice()).is_some_and(|rest| {
        rest.len() == args.len() && rest.iter().zip(args).all(|(word, arg)| *word == arg.expose())
    })
}

fn extra(identity: &Identity, rule: &Rule) -> Option<Reason> {
    let all_listed = identity.extra_packages.iter().all(|package| rule.with.iter().any(|w| w == package));
    // `name[extra]` installs what the distribution lists under that extra.
    let extras = identity.extras.iter().all(|extra| rule.with.iter().any(|w| *w == format!("[{extra}]")));
    (!all_listed || !extras).then(|| {
        reason(
            FindingCode::ExtraPackageNotAllowed,
            "it loads something beside the server that the rule does not name",
        )
    })
}

fn bin(identity: &Identity, rule: &Rule) -> Option<Reason> {
    let bin = identity.bin.as_deref()?;
    let usual = rule.bins.is_empty() && is_own_program(&identity.name, bin);
    (!usual && !rule.bins.iter().any(|b| b == bin)).then(|| {
        reason(FindingCode::ProgramNotAllowed, "it starts a program of another name than the package's")
    })
}

/// A program is a package's own if it has the package's name without scope, or, `mcp` and `server` apart, the same words
/// and `mcp` among them. Any other may be one of `PATH` or of the project that the runner starts in its place
/// (`uvx --from docker-mcp docker run …`); what is called `mcp` is no tool of daily life.
fn is_own_program(package: &str, bin: &str) -> bool {
    let package = package.rsplit('/').next().unwrap_or(package);
    let words = |name: &str| {
        let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
        words.map(str::to_ascii_lowercase).collect::<Vec<_>>()
    };
    let core = |name: &str| {
        let mut words = words(name);
        words.retain(|word| !matches!(word.as_str(), "mcp" | "server"));
        words
    };
    let is_alike =
        || words(bin).iter().any(|word| word == "mcp") && !core(bin).is_empty() && core(bin) == core(package);
    !bin.contains(['/', '\\']) && (bin == package || is_alike())
}

fn arguments(case: &Case<'_>, rule: &Rule, compiled: &Compiled) -> Option<Reason> {
    let identity = case.identity();
    let mut free = Vec::new();
    let listed = |name: &str| values::is_listed(rule, name, case);
    let setting = words::Setting { home: case.context.home, may_refer: &listed };
    if let Err(unfit) = compiled.args.admit(&identity.server_args, setting, &mut free) {
        let detail = match unfit {
            words::Unfit::Word(at) if refers(&identity.server_args, at) => return Some(foreign_argument()),
            words::Unfit::Word(at) => flag_at(&identity.server_args, at, "the rule"),
            words::Unfit::TooFew => "an argument that the rule demands is missing".to_owned(),
            words::Unfit::Required(at) => format!("the rule demands `{}`", rule.args.required[at]),
        };
        return Some(reason(FindingCode::ArgumentNotAllowed, detail));
    }
    let foreign = free.iter().any(|word| values::foreign_in_text(rule, word.expose(), case));
    foreign.then(foreign_argument)
}

fn foreign_argument() -> Reason {
    reason(FindingCode::ReferenceNotAllowed, "an argument takes in something that the rule does not name")
}

/// Whether a client would put something in the place of a part of a word.
fn refers(words: &[Sensitive], at: usize) -> bool {
    words.get(at).is_some_and(|word| crate::reference::is_in(word.expose()))
}

/// Names an argument by its place, and by its flag if it is one; never by its text, which may be a secret.
fn flag_at(words: &[Sensitive], at: usize, whose: &str) -> String {
    let text = words.get(at).map_or("", Sensitive::expose);
    let flag = text.split('=').next().unwrap_or_default();
    let plain = flag.starts_with("--")
        && flag.len() <= 40
        && flag.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        && !crate::secret::looks_secret(flag);
    if plain {
        // at the end: what follows a flag for a secret is hidden as its value, also in a sentence of ours
        format!("{whose}: an argument that is not among those allowed: `{flag}`")
    } else {
        format!("{whose}: argument {} is not among those allowed", at + 1)
    }
}

fn query(case: &Case<'_>, rule: &Rule, compiled: &Compiled) -> Option<Reason> {
    let (Meant::Url(target), Some(remote)) = (&compiled.meant, &case.remote) else { return None };
    unfit_query(case, rule, target, remote)
}

/// What is wrong with the query of a URL.
fn unfit_query(case: &Case<'_>, rule: &Rule, target: &Target, remote: &Remote) -> Option<Reason> {
    let detail = match target.unfit_query(remote) {
        Some(UnfitQuery::Parameter(at)) => {
            format!("the rule does not admit parameter {} of the URL", at + 1)
        }
        Some(UnfitQuery::Missing(name)) => format!("the rule demands the parameter `{name}`"),
        None => {
            let foreign = |value: &String| values::foreign_in_text(rule, value, case);
            let detail = "a parameter of the URL takes in something that the rule does not name";
            return remote
                .query
                .iter()
                .any(|(_, value)| foreign(value))
                .then(|| reason(FindingCode::ReferenceNotAllowed, detail));
        }
    };
    Some(reason(FindingCode::QueryNotAllowed, detail))
}

fn directory(case: &Case<'_>, compiled: &Compiled) -> Option<Reason> {
    let cwd = case.subject.entry.cwd.as_ref().filter(|c| !c.is_empty())?;
    let text = cwd.expose();
    let admitted = !crate::remote::has_variable(text)
        && !crate::reference::is_in(text)
        && compiled.cwd.iter().any(|p| p.admits_value(text, case.context.home));
    (!admitted).then(|| {
        reason(
            FindingCode::WorkingDirectoryNotAllowed,
            "the entry sets a working directory that the rule does not name",
        )
    })
}

/// Versions, digests, commits.
fn version(case: &Case<'_>, rule: &Rule, compiled: &Compiled) -> Option<Reason> {
    let identity = case.identity();
    let asked = identity.version.as_deref();
    let wrong = |detail: &str| Some(reason(FindingCode::VersionNotAllowed, detail));
    match (&rule.identity, &compiled.meant) {
        (IdentityMatcher::Oci(image), _) => {
            let by_digest = asked.is_some_and(|a| image.digests.iter().any(|d| d == a));
            // Podman asks the registries of its own list for an image without registry.
            let is_podman = identity.runner.as_deref() == Some("podman run");
            let certain = !is_podman || crate::identity::image::has_registry(&identity.name);
            let tag = Some(asked.unwrap_or("latest")).filter(|tag| !tag.contains(':'));
            let by_tag = certain && image.tags.iter().any(|t| t == "*" || Some(t.as_str()) == tag);
            if by_digest || by_tag {
                None
            } else {
                wrong("the image is not named by a digest that the rule names")
            }
        }
        (IdentityMatcher::Git(git), _) => {
            let listed = git.commits.iter().any(|c| c == "*" || Some(c.as_str()) == asked);
            if listed { None } else { wrong("the repository is not named by a commit that the rule names") }
        }
        (_, Meant::Package(versions) | Meant::Bridge(versions, _)) => match versions.admits(asked) {
            Admits::All => None,
            Admits::Some | Admits::None if asked.is_none() => {
                wrong("it asks for no version, so it may get any")
            }
            Admits::Some => wrong("it may get a version that the rule does not mean"),
            Admits::None => wrong("it asks for a version that the rule does not mean"),
        },
        _ => None,
    }
}

/// Where the policy wants runners of the system only.
fn runner_fact(case: &Case<'_>) -> Option<Reason> {
    if case.identity().runner.is_none() || !only_system_runners(case) || case.identity().kind == Kind::Url {
        return None;
    }
    match &case.context.facts.program {
        None => Some(reason(FindingCode::MissingFact, "the place of the runner is not known")),
        Some(file) if file.user_writable => {
            Some(reason(FindingCode::RunnerUserWritable, "the policy admits runners of the system only"))
        }
        // A bare command is what the machine finds: it is held to the same places as one that is written with its path.
        Some(file) if !case.policy.roots.admit(&file.path, case.context.system, case.context.home) => {
            Some(reason(
                FindingCode::RunnerNotAllowed,
                "the runner lies in none of the places that the policy names for runners",
            ))
        }
        Some(_) => None,
    }
}
