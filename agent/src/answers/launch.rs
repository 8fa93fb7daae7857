//! An approved server as it is started: from what its rule says to a command line or URL, with the variables and headers
//! that it is given. Nothing is invented: what the rule leaves open is asked for, and what is secret stays a reference.
//!
//! What is made here is a proposal. Whether the rule admits it is for the evaluation to say, never for this module.

mod values;

use std::collections::BTreeSet;
use std::path::Path;

use mcpolicy_clients::writes::{Given, Server, Target};
use mcpolicy_schema::document::{Ecosystem, IdentityMatcher, PackageMatcher, Rule, is_placeholder};
use mcpolicy_schema::entry::Transport;

use self::values::{environment, headers};
use super::By;

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Its rule.
    pub rule: &'a Rule,
    /// The name that it gets.
    pub name: &'a str,
    /// The user's home.
    pub home: &'a Path,
    /// Arguments for the server itself, in place of those that the rule names.
    pub args: &'a [String],
}

/// A way to write a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The server.
    pub server: Server,
    /// What its user has to do besides, a sentence each.
    pub left_to_do: Vec<String>,
}

/// Why a rule gives no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoProposal {
    /// It leaves arguments open.
    #[error("the server needs arguments that only you know: say after `--` what stands for {}", .0.join(" "))]
    NeedsArguments(Vec<String>),
    /// It leaves something open that no argument says.
    #[error("what the rule leaves open ({0}) cannot be filled in here; ask its owner for the entry")]
    Open(&'static str),
    /// It is nothing that is written into a file.
    #[error("{0}")]
    NoEntry(&'static str),
    /// It was never filled in: templates have digests that no file has.
    #[error(
        "the rule {rule} is not filled in yet: it has a placeholder where the digest of what was reviewed belongs, so that it \
         admits nothing that exists; ask {contact} to fill it in"
    )]
    Placeholder {
        /// Id of the rule.
        rule: String,
        /// Whom to ask.
        contact: String,
    },
}

/// How a server is started, without its own arguments.
enum Start {
    /// A command line; the server's arguments come last.
    Argv(Vec<String>),
    /// The same, with the place in it before which a container is told of variables.
    Container(Vec<String>, usize),
    /// A command line with the server's arguments in it.
    Whole(Vec<String>),
    Url(String),
}

/// All ways to write a server, what is best first: with all that it needs, and without what a client may not be able to
/// write.
///
/// # Errors
/// See [`NoProposal`].
pub fn proposals<'a>(by: By<'a>, wanted: Wanted<'a>) -> Result<Vec<Proposal>, NoProposal> {
    ensure_filled_in(by, wanted.rule)?;
    let env = environment(wanted);
    let headers = headers(wanted);
    let mut out = Vec::new();
    let mut refused = None;
    for start in starts(by, wanted)? {
        let target = |env: &[Given]| target(&start, wanted, env);
        let all = match target(&env.given) {
            Ok(target) => target,
            Err(why) => {
                refused.get_or_insert(why);
                continue;
            }
        };
        let is_remote = matches!(all, Target::Remote { .. });
        let server = |target: Target, env: &[Given], headers: &[Given]| Server {
            name: wanted.name.to_owned(),
            target,
            env: env.to_vec(),
            headers: headers.to_vec(),
        };
        let notes = if is_remote { &headers.notes } else { &env.notes };
        // two values may come from one variable, which is set once
        let set = |given: &[Given]| {
            let variables: BTreeSet<&String> = given.iter().filter_map(|one| one.variable.as_ref()).collect();
            variables.into_iter().map(|variable| set_note(variable)).collect::<Vec<_>>()
        };
        let used = if is_remote { &headers.given } else { &env.given };
        out.push(Proposal {
            server: server(
                all,
                if is_remote { &[] } else { &env.given },
                if is_remote { &headers.given } else { &[] },
            ),
            left_to_do: set(used).into_iter().chain(notes.iter().cloned()).collect(),
        });
        let is_plain = |one: &&Given| one.variable.is_none();
        let plain: Vec<Given> = used.iter().filter(is_plain).cloned().collect();
        if plain.len() < used.len()
            && let Ok(less) = target(if is_remote { &[] } else { &plain })
        {
            let by_hand = used.iter().filter(|one| one.variable.is_some()).map(by_hand_note);
            out.push(Proposal {
                server: server(
                    less,
                    if is_remote { &[] } else { &plain },
                    if is_remote { &plain } else { &[] },
                ),
                left_to_do: by_hand.chain(notes.iter().cloned()).collect(),
            });
        }
    }
    match refused {
        Some(why) if out.is_empty() => Err(why),
        _ => Ok(out),
    }
}

/// Refuses a rule that stands for nothing. The evaluation would admit the placeholder itself, which nobody can start.
fn ensure_filled_in<'a>(by: By<'a>, rule: &'a Rule) -> Result<(), NoProposal> {
    let (_, digests) = rule.identity.digests();
    if digests.is_empty() || !digests.iter().all(|digest| is_placeholder(digest)) {
        return Ok(());
    }
    Err(NoProposal::Placeholder { rule: rule.id.clone(), contact: by.asked_about(rule).to_owned() })
}

fn set_note(variable: &str) -> String {
    format!("Set {variable} in the environment in which the client is started; its value stands in no file.")
}

fn by_hand_note(given: &Given) -> String {
    format!(
        "{} is not in the entry: the client cannot refer to a variable there, or the rule does not let it. Set it where the \
         client is started, and ask the server's owner if that is not enough.",
        given.name
    )
}

/// The command line or URL with the server's own arguments.
fn target(start: &Start, wanted: Wanted<'_>, env: &[Given]) -> Result<Target, NoProposal> {
    let mut argv = match start {
        Start::Url(url) => {
            let sse = wanted.rule.transports == [Transport::Sse];
            return Ok(Target::Remote { url: url.clone(), sse });
        }
        Start::Argv(argv) => [&argv[..], &arguments(wanted)?[..]].concat(),
        Start::Whole(argv) => [&argv[..], wanted.args].concat(),
        Start::Container(argv, at) => {
            // a container sees no variable that it is not told of
            let told = env.iter().flat_map(|one| ["-e".to_owned(), one.name.clone()]);
            let told: Vec<String> = told.collect();
            [&argv[..*at], &told[..], &argv[*at..], &arguments(wanted)?[..]].concat()
        }
    };
    if argv.is_empty() {
        return Err(NoProposal::NoEntry("the rule names no command"));
    }
    let command = argv.remove(0);
    Ok(Target::Command { command, args: argv })
}

/// The server's own arguments: those that were given, else those of the rule.
fn arguments(wanted: Wanted<'_>) -> Result<Vec<String>, NoProposal> {
    if !wanted.args.is_empty() {
        return Ok(wanted.args.to_vec());
    }
    let args = &wanted.rule.args;
    let positional = args.positional.iter().filter(|word| *word != "...");
    // a flag and its value are one pattern of two words
    let required = args.required.iter().flat_map(|pattern| match pattern.split_once(' ') {
        Some((flag, value)) if flag.starts_with('-') => vec![flag, value],
        _ => vec![pattern.as_str()],
    });
    let all: Vec<String> = required
        .map(str::to_owned)
        .chain(positional.cloned())
        .map(|word| at_home(&word, wanted.home))
        .collect();
    if all.iter().any(|word| word.contains('*')) { Err(NoProposal::NeedsArguments(all)) } else { Ok(all) }
}

/// A text of the policy as it stands for this user.
fn at_home(text: &str, home: &Path) -> String {
    let place = home.to_string_lossy();
    let text = text.replace("{home}", &place);
    match text.strip_prefix("~/") {
        Some(rest) => format!("{place}/{rest}"),
        None => text,
    }
}

fn words(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The ways in which a rule's server is started: the policy's own word for it first.
fn starts(by: By<'_>, wanted: Wanted<'_>) -> Result<Vec<Start>, NoProposal> {
    let rule = wanted.rule;
    let is_fixed = |form: &&Vec<String>| !form.is_empty() && form.iter().all(|word| !word.contains('*'));
    let here =
        |form: &Vec<String>| Start::Whole(form.iter().map(|word| at_home(word, wanted.home)).collect());
    let mut out: Vec<Start> = rule.native_forms.iter().filter(is_fixed).map(here).collect();
    match own_start(by, wanted) {
        Ok(start) => out.push(start),
        Err(why) if out.is_empty() => return Err(why),
        Err(_) => {}
    }
    Ok(out)
}

fn own_start(by: By<'_>, wanted: Wanted<'_>) -> Result<Start, NoProposal> {
    use IdentityMatcher as M;
    let rule = wanted.rule;
    let pin = by.in_force.policy.pin_of(&rule.id);
    let runner = rule.runners.first().map(String::as_str);
    Ok(match &rule.identity {
        M::Npm(package) => Start::Argv(npm(package, pin.as_deref(), runner, bin(rule, &package.package))),
        M::Pypi(package) => Start::Argv(pypi(package, pin.as_deref(), runner, bin(rule, &package.package))),
        M::Dotnet(package) => Start::Argv(match runner {
            Some("dotnet tool exec") => {
                words(&["dotnet", "tool", "exec", &at_version(package, pin.as_deref(), "@")])
            }
            _ => words(&["dnx", &at_version(package, pin.as_deref(), "@")]),
        }),
        M::Go(package) => Start::Argv(words(&["go", "run", &at_version(package, pin.as_deref(), "@")])),
        M::Deno(package) => {
            let spec = at_version(package, pin.as_deref(), "@");
            let spec = if spec.contains(':') { spec } else { format!("jsr:{spec}") };
            Start::Argv(words(&["deno", "run", &spec]))
        }
        M::Oci(image) => {
            let engine = if runner == Some("podman run") { "podman" } else { "docker" };
            let digest = image.digests.iter().find(|digest| !is_placeholder(digest));
            let by_digest = digest.map(|digest| format!("{}@{digest}", image.image));
            let tag = image.tags.iter().find(|tag| *tag != "*");
            let by_tag = tag.map(|tag| format!("{}:{tag}", image.image));
            let name = by_digest.or(by_tag).unwrap_or_else(|| image.image.clone());
            Start::Container(words(&[engine, "run", "-i", "--rm", &name]), 4)
        }
        M::Git(git) => {
            let name = git.repository.rsplit('/').next().unwrap_or_default().trim_end_matches(".git");
            let commit = git.commits.iter().find(|commit| *commit != "*" && !is_placeholder(commit));
            let at = commit.map(|commit| format!("@{commit}")).unwrap_or_default();
            let program = rule.bins.first().map_or(name, String::as_str);
            Start::Argv(words(&["uvx", "--from", &format!("git+{}{at}", git.repository), program]))
        }
        M::Url(url) => Start::Url(with_query(&url.url, &url.query, &url.required)?),
        M::Bridge(bridge) => {
            let url = bridge.targets.first().ok_or(NoProposal::Open("where the bridge leads"))?;
            let package =
                PackageMatcher { package: bridge.package.clone(), versions: bridge.versions.clone() };
            let mut argv = match bridge.ecosystem {
                Ecosystem::Npm => npm(&package, pin.as_deref(), runner, None),
                Ecosystem::Pypi => pypi(&package, pin.as_deref(), runner, None),
                Ecosystem::Executable => vec![at_home(&bridge.package, wanted.home)],
                Ecosystem::Dotnet | Ecosystem::Cargo | Ecosystem::Go | Ecosystem::Deno => {
                    return Err(NoProposal::Open("how the bridge is started"));
                }
            };
            argv.push(url.clone());
            Start::Argv(argv)
        }
        M::Executable(file) => Start::Argv(vec![at_home(&file.path, wanted.home)]),
        M::Script(script) => {
            let interpreter = script.interpreter.split_ascii_whitespace().map(str::to_owned);
            let file = match script.path.strip_prefix("-m ") {
                Some(module) => words(&["-m", module]),
                None => vec![at_home(&script.path, wanted.home)],
            };
            // `-I` and the like are demanded where the rule names them
            let own = rule.runner_args.iter().filter(|word| !word.contains(['*', ' '])).cloned();
            Start::Argv(interpreter.chain(own).chain(file).collect())
        }
        M::Opaque(command) => Start::Whole(command.argv.clone()),
        M::Builtin(_) => {
            return Err(NoProposal::NoEntry("the server is part of the client: switch it on there"));
        }
        M::Any {} => return Err(NoProposal::NoEntry("the rule is about everything, and names no server")),
    })
}

/// The program of a package, where it has another name than the package.
fn bin<'r>(rule: &'r Rule, package: &str) -> Option<&'r str> {
    let own = package.rsplit('/').next().unwrap_or(package);
    rule.bins.first().map(String::as_str).filter(|_| rule.bins.iter().all(|bin| bin != own))
}

/// A package with the version that the rule names.
fn at_version(package: &PackageMatcher, pin: Option<&str>, sign: &str) -> String {
    let version = pin.or(Some(&package.versions)).filter(|version| *version != "*" && !version.is_empty());
    version.map_or_else(|| package.package.clone(), |version| format!("{}{sign}{version}", package.package))
}

fn npm(package: &PackageMatcher, pin: Option<&str>, runner: Option<&str>, bin: Option<&str>) -> Vec<String> {
    let spec = at_version(package, pin, "@");
    let mut argv = match runner {
        Some("bunx") => words(&["bunx"]),
        Some("bun x") => words(&["bun", "x"]),
        Some("pnpx") => words(&["pnpx"]),
        Some("pnpm dlx") => words(&["pnpm", "dlx"]),
        Some("yarn dlx") => words(&["yarn", "dlx"]),
        Some("npm exec") => words(&["npm", "exec", "-y"]),
        _ => words(&["npx", "-y"]),
    };
    match bin {
        Some(bin) => argv.extend(words(&["--package", &spec, bin])),
        None if runner == Some("npm exec") => argv.extend(words(&["--", &spec])),
        None => argv.push(spec),
    }
    argv
}

fn pypi(package: &PackageMatcher, pin: Option<&str>, runner: Option<&str>, bin: Option<&str>) -> Vec<String> {
    let mut argv = match runner {
        Some("uv tool run") => words(&["uv", "tool", "run"]),
        Some("pipx run") => words(&["pipx", "run"]),
        _ => words(&["uvx"]),
    };
    let is_range = pin.is_none() && package.versions.starts_with(['<', '>', '=', '~', '!']);
    let spec = at_version(package, pin, if is_range { "" } else { "==" });
    let flag = if runner == Some("pipx run") { "--spec" } else { "--from" };
    match bin {
        Some(bin) => argv.extend(words(&[flag, &spec, bin])),
        None if is_range => argv.extend(words(&[flag, &spec, &package.package])),
        None => argv.push(spec),
    }
    argv
}

/// The URL with the parameters that must be there.
fn with_query(
    url: &str,
    query: &std::collections::BTreeMap<String, String>,
    required: &[String],
) -> Result<String, NoProposal> {
    let mut out = url.to_owned();
    for (at, name) in required.iter().enumerate() {
        let value = query.get(name).filter(|value| !value.contains('*'));
        let value = value.ok_or(NoProposal::Open("the value of a parameter of the URL"))?;
        out.push_str(&format!("{}{name}={value}", if at == 0 { '?' } else { '&' }));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::testing::{asker, draft};

    fn argv(rule: &str, args: &[&str]) -> Result<Vec<String>, NoProposal> {
        let in_force = draft(&format!("[[rule]]\nid = \"x\"\n{rule}\n"));
        let asker = asker("ann");
        let by = By { in_force: &in_force, asker: &asker, now: "2026-11-21T10:00:00Z".parse().unwrap() };
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let rule = &in_force.policy.document().rule[0];
        let wanted = Wanted { rule, name: "x", home: Path::new("/home/ann"), args: &args };
        let proposals = proposals(by, wanted)?;
        Ok(match &proposals[0].server.target {
            Target::Command { command, args } => std::iter::once(command).chain(args).cloned().collect(),
            Target::Remote { url, .. } => vec![url.clone()],
        })
    }

    #[test]
    fn a_rule_becomes_the_command_line_of_its_runner() {
        for (rule, expected) in [
            ("identity.npm = { package = \"@a/b\", versions = \"1.2.3\" }", "npx -y @a/b@1.2.3"),
            ("identity.npm = { package = \"b\" }\nrunners = [\"pnpm dlx\"]", "pnpm dlx b"),
            (
                "identity.npm = { package = \"b\", versions = \"1.0.0\" }\nbins = [\"c\"]",
                "npx -y --package b@1.0.0 c",
            ),
            ("identity.pypi = { package = \"b\", versions = \"==1.0\" }", "uvx b==1.0"),
            ("identity.pypi = { package = \"b\", versions = \">=1,<2\" }", "uvx --from b>=1,<2 b"),
            (
                "identity.oci = { image = \"ghcr.io/a/b\", tags = [\"1\"] }",
                "docker run -i --rm ghcr.io/a/b:1",
            ),
            (
                "identity.oci = { image = \"ghcr.io/a/b\", tags = [\"1\"] }\nenv = { API_TOKEN = \"*\" }",
                "docker run -i --rm -e API_TOKEN ghcr.io/a/b:1",
            ),
            (
                "identity.url = { url = \"https://a.example/mcp\", query = { ro = \"true\" }, required = [\"ro\"] }",
                "https://a.example/mcp?ro=true",
            ),
            ("identity.executable = { path = \"~/bin/x\" }", "/home/ann/bin/x"),
            (
                "identity.npm = { package = \"b\" }\nargs = { positional = [\"{home}/work\"], required = [\"--ro\", \"--port 80\"] }",
                "npx -y b --ro --port 80 /home/ann/work",
            ),
            (
                "identity.npm = { package = \"b\" }\nnative_forms = [[\"bunx\", \"b\"], [\"npx\", \"*\"]]",
                "bunx b",
            ),
        ] {
            assert_eq!(
                argv(rule, &[]).unwrap_or_else(|e| panic!("{rule}: {e}")).join(" "),
                expected,
                "{rule}"
            );
        }
    }

    #[test]
    fn what_a_rule_leaves_open_is_asked_for_and_never_guessed() {
        let open = "identity.npm = { package = \"b\" }\nargs = { positional = [\"{home}/**\"] }";
        let refused = argv(open, &[]).unwrap_err();
        assert_eq!(refused, NoProposal::NeedsArguments(vec!["/home/ann/**".to_owned()]));
        assert_eq!(argv(open, &["/home/ann/work"]).unwrap().join(" "), "npx -y b /home/ann/work");
        let url = "identity.url = { url = \"https://a.example/mcp\", query = { key = \"*\" }, required = [\"key\"] }";
        assert!(matches!(argv(url, &[]), Err(NoProposal::Open(_))));
        assert!(matches!(argv("identity.builtin = \"memory\"", &[]), Err(NoProposal::NoEntry(_))));
    }
}
