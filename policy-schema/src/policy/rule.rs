//! One compiled rule: its words read, its patterns made.

use std::collections::BTreeMap;

use super::runner;
use super::words::Words;
use crate::document::{Ecosystem, IdentityMatcher, PackageMatcher, Rule, UrlMatcher};
use crate::pattern::Pattern;
use crate::remote::Remote;
use crate::requirement::Requirement;

/// A remote URL that a rule means.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) remote: Remote,
    pub(crate) query: BTreeMap<String, Pattern>,
    pub(crate) subpaths: Vec<Pattern>,
}

impl Target {
    /// Reads the URL of a rule.
    pub(crate) fn new(matcher: &UrlMatcher) -> Result<Self, String> {
        let remote = Remote::read(&matcher.url).map_err(|_| {
            let canonical = crate::remote::canonical(&matcher.url);
            match canonical {
                Some(canonical) => format!("not a canonical URL; write `{canonical}`"),
                None => "not a URL of http, https, ws or wss".to_owned(),
            }
        })?;
        if !remote.query.is_empty() {
            return Err("the query belongs into `query`, name by name".to_owned());
        }
        let below = |p: &String| Pattern::new(&format!("{}/{}", remote.path(), p.trim_start_matches('/')));
        let subpaths = matcher.subpaths.iter().map(below).collect();
        let query = matcher.query.iter().map(|(name, p)| (name.clone(), Pattern::new(p))).collect();
        Ok(Self { remote, query, subpaths })
    }

    /// Whether scheme, host, port and path are meant.
    pub(crate) fn names(&self, other: &Remote) -> bool {
        self.remote.origin() == other.origin()
            && (self.remote.path() == other.path()
                || self.subpaths.iter().any(|p| p.admits_value(other.path(), None)))
    }

    /// Whether it is this URL or one below it. Sub-paths lie below it all.
    pub(crate) fn is_above(&self, other: &Remote) -> bool {
        let rest = other.key().strip_prefix(self.remote.key());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The first query parameter that is not admitted, by its place.
    pub(crate) fn refused_parameter(&self, other: &Remote) -> Option<usize> {
        other.query.iter().position(|(name, value)| {
            !self.query.get(name).is_some_and(|pattern| pattern.admits_value(value, None))
        })
    }
}

/// What a rule is about, compiled.
#[derive(Debug, Clone)]
pub(crate) enum Meant {
    /// A package: its versions.
    Package(Requirement),
    /// A bridge: its versions and its targets.
    Bridge(Requirement, Vec<Target>),
    /// A remote server.
    Url(Target),
    /// What the document says is enough.
    AsWritten,
}

impl Meant {
    pub(crate) fn new(matcher: &IdentityMatcher) -> Result<Self, (&'static str, String)> {
        let package = |ecosystem, m: &PackageMatcher| {
            Requirement::parse(ecosystem, &m.versions).map(Self::Package).map_err(|e| ("versions", e))
        };
        match matcher {
            IdentityMatcher::Npm(m) => package(Ecosystem::Npm, m),
            IdentityMatcher::Pypi(m) => package(Ecosystem::Pypi, m),
            IdentityMatcher::Dotnet(m) => package(Ecosystem::Dotnet, m),
            IdentityMatcher::Go(m) => package(Ecosystem::Go, m),
            IdentityMatcher::Deno(m) => package(Ecosystem::Deno, m),
            IdentityMatcher::Url(m) => Target::new(m).map(Self::Url).map_err(|e| ("url", e)),
            IdentityMatcher::Bridge(m) => {
                let versions = Requirement::parse(m.ecosystem, &m.versions).map_err(|e| ("versions", e))?;
                let target = |url: &String| {
                    let plain = UrlMatcher {
                        url: url.clone(),
                        query: BTreeMap::new(),
                        subpaths: Vec::new(),
                        listener: None,
                    };
                    Target::new(&plain).map_err(|e| ("targets", e))
                };
                let targets = m.targets.iter().map(target).collect::<Result<_, _>>()?;
                Ok(Self::Bridge(versions, targets))
            }
            _ => Ok(Self::AsWritten),
        }
    }
}

/// A compiled rule.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) meant: Meant,
    pub(crate) args: Words,
    pub(crate) env: BTreeMap<String, Pattern>,
    pub(crate) headers: BTreeMap<String, Pattern>,
    pub(crate) cwd: Vec<Pattern>,
    /// For each runner the arguments that it may be given.
    pub(crate) runner_args: BTreeMap<String, Words>,
}

impl Compiled {
    /// Compiles one rule; `common_env` are the variables that every rule allows.
    pub(crate) fn new(
        rule: &Rule,
        common_env: &BTreeMap<String, String>,
        registries: &crate::document::Registries,
    ) -> Result<Self, (&'static str, String)> {
        let patterns = |map: &BTreeMap<String, String>| {
            map.iter().map(|(name, p)| (name.clone(), Pattern::variable(p))).collect::<BTreeMap<_, _>>()
        };
        let mut env = patterns(common_env);
        env.extend(patterns(&rule.env));
        // HTTP header names are compared without case (RFC 9110 section 5.1).
        let headers = rule.headers.iter().map(|(name, p)| (name.to_ascii_lowercase(), Pattern::header(p)));
        let args = &rule.args;
        let runner_args = runners(rule)
            .iter()
            .map(|name| ((*name).to_owned(), runner_words(name, rule, registries)))
            .collect();
        Ok(Self {
            meant: Meant::new(&rule.identity)?,
            args: Words::new(&args.positional, &args.required, &args.optional),
            env,
            headers: headers.collect(),
            cwd: rule.cwd.iter().map(|p| Pattern::new(p)).collect(),
            runner_args,
        })
    }
}

/// The runners that may start what a rule is about; empty where no runner plays a part.
pub(crate) fn runners(rule: &Rule) -> Vec<&str> {
    if !rule.runners.is_empty() {
        return rule.runners.iter().map(String::as_str).collect();
    }
    let usual: &[&str] = match &rule.identity {
        IdentityMatcher::Npm(_) => runner::usual(Ecosystem::Npm),
        IdentityMatcher::Pypi(_) => runner::usual(Ecosystem::Pypi),
        IdentityMatcher::Dotnet(_) => runner::usual(Ecosystem::Dotnet),
        IdentityMatcher::Go(_) => runner::usual(Ecosystem::Go),
        IdentityMatcher::Deno(_) => runner::usual(Ecosystem::Deno),
        IdentityMatcher::Oci(_) => &["docker run", "podman run", "nerdctl run"],
        IdentityMatcher::Git(_) => {
            &["uvx", "uv tool run", "pipx run", "npx", "npm exec", "bunx", "pnpm dlx", "yarn dlx"]
        }
        IdentityMatcher::Bridge(m) => runner::usual(m.ecosystem),
        IdentityMatcher::Script(m) => return vec![m.interpreter.as_str()],
        IdentityMatcher::Any {} => &[
            "npx",
            "npm exec",
            "bunx",
            "bun x",
            "pnpx",
            "pnpm dlx",
            "yarn dlx",
            "uvx",
            "uv tool run",
            "pipx run",
            "docker run",
            "podman run",
            "nerdctl run",
            "dnx",
            "go run",
            "deno run",
        ],
        IdentityMatcher::Url(_)
        | IdentityMatcher::Executable(_)
        | IdentityMatcher::Opaque(_)
        | IdentityMatcher::Builtin(_) => &[],
    };
    usual.to_vec()
}

fn runner_words(name: &str, rule: &Rule, registries: &crate::document::Registries) -> Words {
    let mut optional: Vec<String> = runner::harmless(name).iter().map(|w| (*w).to_owned()).collect();
    let (flags, known) = runner::registry_flags(name, registries);
    for registry in known {
        // A last slash makes no other registry.
        let plain = registry.trim_end_matches('/');
        for flag in flags {
            for registry in [plain.to_owned(), format!("{plain}/")] {
                optional.push(format!("{flag} {registry}"));
                optional.push(format!("{flag}={registry}"));
            }
        }
    }
    optional.extend(rule.runner_args.iter().cloned());
    Words::new(&[], &[], &optional)
}
