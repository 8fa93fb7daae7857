//! Identities and conditions that no entry can meet: a rule with one allows nothing, a denial denies nothing.

use mcpolicy_schema::document::{BridgeMatcher, Ecosystem, IdentityMatcher, PolicyDocument, Rule};
use mcpolicy_schema::entry::{Entry, Transport};
use mcpolicy_schema::identity::{self, Identity, Kind};
use mcpolicy_schema::requirement::Requirement;

use crate::authoring::problem::{Problem, Weight};

/// Said of a bridge that is of no such kind.
const NO_BRIDGE_KIND: &str = "bridges are packages of npm and pypi, and programs (executable)";

/// Said of a wildcard where none is read.
const NO_WILDCARD: &str = "wildcards mean nothing here; write the name whole";

pub(super) fn check(document: &PolicyDocument, problems: &mut Vec<Problem>) {
    for (at, rule) in document.rule.iter().enumerate() {
        let mut tell = |member: &str, message: String, help: &str| {
            let place = format!("/rule/{at}/{member}");
            let message = format!("the rule {}: {message}", rule.id);
            problems.push(Problem::new(Weight::Warning, "never-holds", place, message).help(help));
        };
        for (member, why) in identity(&rule.identity) {
            tell(&format!("identity/{member}"), why, "mend it, or remove the rule: it allows nothing");
        }
        conditions(rule, &mut tell);
    }
    for (at, deny) in document.deny.iter().enumerate() {
        for (member, why) in identity(&deny.identity) {
            let place = format!("/deny/{at}/identity/{member}");
            let message = format!("{}: {why}", deny.id);
            problems.push(
                Problem::new(Weight::Warning, "never-holds", place, message)
                    .help("mend it: as it stands it denies nothing"),
            );
        }
    }
}

/// Members of an identity by which nothing can ever be meant, with why.
pub(crate) fn identity(matcher: &IdentityMatcher) -> Vec<(String, String)> {
    let kind = matcher.kind();
    let wild = |member: &str, text: &str| {
        text.contains('*').then(|| (format!("{kind}/{member}"), format!("`{text}`: {NO_WILDCARD}")))
    };
    match matcher {
        IdentityMatcher::Npm(p)
        | IdentityMatcher::Pypi(p)
        | IdentityMatcher::Dotnet(p)
        | IdentityMatcher::Go(p)
        | IdentityMatcher::Deno(p) => {
            let versions = no_version(matcher.kind(), &p.versions);
            wild("package", &p.package)
                .into_iter()
                .chain(versions.map(|why| (format!("{kind}/versions"), why)))
                .collect()
        }
        IdentityMatcher::Oci(image) => wild("image", &image.image).into_iter().collect(),
        IdentityMatcher::Git(git) => wild("repository", &git.repository).into_iter().collect(),
        IdentityMatcher::Url(at) => wild("url", &at.url).into_iter().collect(),
        IdentityMatcher::Bridge(bridge) => {
            let targets = bridge.targets.iter().filter_map(|target| wild("targets", target));
            let versions = no_version_of(bridge.ecosystem, &bridge.versions);
            let versions = versions.map(|why| (format!("{kind}/versions"), why));
            let package = wild("package", &bridge.package).or_else(|| no_bridge(bridge, kind));
            package.into_iter().chain(targets).chain(versions).collect()
        }
        IdentityMatcher::Executable(program) => wild("path", &program.path).into_iter().collect(),
        IdentityMatcher::Script(script) => wild("path", &script.path).into_iter().collect(),
        // A lone `*` may be a word of a command; `**` and a glob of a path are meant as patterns.
        IdentityMatcher::Opaque(opaque) => {
            let meant = |word: &&String| *word == "**" || *word == "...";
            let words = opaque.argv.iter().filter(meant);
            words.map(|word| (format!("{kind}/argv"), format!("`{word}`: {NO_WILDCARD}"))).collect()
        }
        IdentityMatcher::Builtin(name) => wild("", name).into_iter().collect(),
        IdentityMatcher::Any {} => Vec::new(),
    }
}

/// A package that our own reader does not take for a bridge: an entry that runs it is that package.
fn no_bridge(bridge: &BridgeMatcher, kind: &str) -> Option<(String, String)> {
    let package = bridge.package.as_str();
    let program: &[&str] = match bridge.ecosystem {
        Ecosystem::Npm => &["npx", "-y", package],
        Ecosystem::Pypi => &["uvx", package],
        // The program itself, wherever it lies.
        Ecosystem::Executable => &[package],
        _ => return Some((format!("{kind}/ecosystem"), NO_BRIDGE_KIND.to_owned())),
    };
    let url = "https://example.com/mcp";
    let forms: [&[&str]; 3] = [&[url], &["--sse", url], &["run", "x"]];
    let is_bridge = |form: &&[&str]| read(&[program, form].concat()).kind == Kind::Bridge;
    let why = || format!("`{package}` is no bridge that is known; name it as the package that it is");
    (!forms.iter().any(is_bridge)).then(|| (format!("{kind}/package"), why()))
}

fn no_version(kind: &str, versions: &str) -> Option<String> {
    let ecosystem = match kind {
        "npm" => Ecosystem::Npm,
        "pypi" => Ecosystem::Pypi,
        "deno" => Ecosystem::Deno,
        // One version or any: neither is empty.
        _ => return None,
    };
    no_version_of(ecosystem, versions)
}

/// A range between whose ends nothing lies.
fn no_version_of(ecosystem: Ecosystem, versions: &str) -> Option<String> {
    let requirement = Requirement::parse(ecosystem, versions).ok()?;
    requirement.is_empty().then(|| format!("no version is in `{versions}`"))
}

/// Conditions of a rule that no entry meets.
fn conditions(rule: &Rule, tell: &mut dyn FnMut(&str, String, &str)) {
    for (at, runner) in rule.runners.iter().enumerate().filter(|(_, runner)| !is_runner(runner)) {
        let help = "write it as reports show it: npx, bunx, pnpm dlx, uvx, uv tool run, docker run …";
        tell(&format!("runners/{at}"), format!("no program `{runner}` is known as a runner"), help);
    }
    for (at, wrapper) in rule.wrappers.iter().enumerate().filter(|(_, wrapper)| !is_wrapper(wrapper)) {
        let help = "write it as reports show it: sh -c, env, cmd /c, wsl -d Ubuntu …";
        tell(&format!("wrappers/{at}"), format!("no program `{wrapper}` is known as a wrapper"), help);
    }
    for (at, reference) in rule.references.iter().enumerate().filter(|(_, r)| r.contains('*')) {
        let help = "name each variable, file or command that values may refer to";
        tell(&format!("references/{at}"), format!("`{reference}`: {NO_WILDCARD}"), help);
    }
    let is_remote = matches!(rule.identity, IdentityMatcher::Url(_));
    let is_any = matches!(rule.identity, IdentityMatcher::Any {});
    let fits = |transport: &Transport| {
        *transport == Transport::Unknown || (*transport == Transport::Stdio) != is_remote
    };
    if !is_any && !rule.transports.is_empty() && !rule.transports.iter().any(fits) {
        let what = if is_remote {
            "a URL is not started over stdio"
        } else {
            "a command is started over stdio only"
        };
        tell("transports", what.to_owned(), "leave transports out, or name the one that it has");
    }
}

/// What our own reader makes of a command line, so that no second list of names goes out of date.
fn read(words: &[&str]) -> Identity {
    let (program, rest) = words.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
    identity::identify(&Entry::stdio(program, rest.iter().copied()))
}

fn is_runner(text: &str) -> bool {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let with = |more: &[&'static str]| [&words[..], more].concat();
    ["name@1.0.0", "./script.js", "https://example.com/x.ts", "example.com/x@v1.0.0"]
        .iter()
        .map(|argument| read(&with(&[argument])))
        .chain([read(&with(&["-jar", "/x.jar"])), read(&with(&["--", "x"]))])
        .any(|identity| identity.runner.as_deref() == Some(text))
}

fn is_wrapper(text: &str) -> bool {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let name_is_told = |identity: &Identity| {
        let first = identity.wrappers.first();
        first.is_some_and(|name| text == name || text.starts_with(&format!("{name} ")))
            && identity.kind != Kind::Opaque
    };
    // Kinds of wrappers that have no program's name.
    matches!(text, "version manager" | "project environment")
        || [&["npx", "-y", "x@1.0.0"][..], &["npx -y x@1.0.0"], &["--", "npx", "-y", "x@1.0.0"]]
            .iter()
            .any(|inner| name_is_told(&read(&[&words[..], inner].concat())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runners_and_wrappers_are_those_that_our_reader_knows() {
        for runner in [
            "npx",
            "npm exec",
            "bunx",
            "bun x",
            "pnpx",
            "pnpm dlx",
            "yarn dlx",
            "uvx",
            "uv tool run",
            "uv run",
            "pipx run",
            "docker run",
            "podman run",
            "nerdctl run",
            "dnx",
            "go run",
            "deno run",
            "node",
            "python3",
        ] {
            assert!(is_runner(runner), "{runner}");
        }
        for wrapper in ["sh -c", "env", "cmd /c", "sudo", "wsl -d Ubuntu", "op run", "nice", "timeout 5"] {
            assert!(is_wrapper(wrapper), "{wrapper}");
        }
        for wrong in ["npxx", "shh -c", "", "**", "npm"] {
            assert!(!is_runner(wrong) && !is_wrapper(wrong), "{wrong}");
        }
    }

    #[test]
    fn bridges_are_those_that_our_reader_knows() {
        let told = |ecosystem: Ecosystem, package: &str| {
            let matcher = serde_json::json!({ "bridge": { "ecosystem": ecosystem, "package": package } });
            identity(&serde_json::from_value(matcher).unwrap())
        };
        for package in ["mcp-remote", "supergateway", "mcp-proxy", "@smithery/cli", "mcp-client-proxy"] {
            assert!(told(Ecosystem::Npm, package).is_empty(), "{package}");
        }
        for package in ["mcp-proxy", "mcp-proxy-for-aws"] {
            assert!(told(Ecosystem::Pypi, package).is_empty(), "{package}");
        }
        assert!(told(Ecosystem::Executable, "mcp-proxy").is_empty());
        for (ecosystem, package, member) in [
            (Ecosystem::Npm, "zzz", "bridge/package"),
            (Ecosystem::Pypi, "zzz", "bridge/package"),
            (Ecosystem::Executable, "zzz", "bridge/package"),
            (Ecosystem::Cargo, "mcp-remote", "bridge/ecosystem"),
        ] {
            let [(at, _)] = &told(ecosystem, package)[..] else { panic!("{package}") };
            assert_eq!(at, member);
        }
    }
}
