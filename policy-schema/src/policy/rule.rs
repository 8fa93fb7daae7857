//! One compiled rule: its words read, its patterns made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::known::Known;
use super::runner;
use super::words::{self, Group, Words};
use crate::document::{
    Args, Ecosystem, IdentityMatcher, PackageMatcher, Registries, Rule, Settings, UrlMatcher,
};
use crate::pattern::Pattern;
use crate::remote::Remote;
use crate::requirement::Requirement;

/// A remote URL that a rule means.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) remote: Remote,
    pub(crate) query: BTreeMap<String, Pattern>,
    /// Parameters that must be there.
    pub(crate) required: Vec<String>,
    pub(crate) subpaths: Vec<Pattern>,
}

/// What is wrong with a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnfitQuery<'t> {
    /// The parameter at this place is not admitted, or stands there for the second time.
    Parameter(usize),
    /// A required one is not there.
    Missing(&'t str),
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
        if let Some(name) = matcher.required.iter().find(|name| !matcher.query.contains_key(*name)) {
            return Err(format!("`required` names `{name}`, which is not in `query`"));
        }
        let below = |p: &String| Pattern::url(&format!("{}/{}", remote.path(), p.trim_start_matches('/')));
        let subpaths = matcher.subpaths.iter().map(below).collect();
        let query = matcher.query.iter().map(|(name, p)| (name.clone(), Pattern::query(p))).collect();
        Ok(Self { remote, query, required: matcher.required.clone(), subpaths })
    }

    /// Whether scheme, host, port and path are meant.
    pub(crate) fn names(&self, other: &Remote) -> bool {
        self.remote.origin() == other.origin()
            && (self.remote.path() == other.path()
                || self.subpaths.iter().any(|p| p.admits_value(other.path(), None)))
    }

    /// Whether an address is this URL or one below it. Sub-paths lie below it all.
    pub(crate) fn is_above(&self, address: &str) -> bool {
        let rest = address.strip_prefix(self.remote.key());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Why a query is not admitted. Of two parameters with one name servers take the first or the last.
    pub(crate) fn unfit_query(&self, other: &Remote) -> Option<UnfitQuery<'_>> {
        let refused = |(at, (name, value)): (usize, &(String, String))| {
            other.query[..at].iter().any(|(before, _)| before == name)
                || !self.query.get(name).is_some_and(|pattern| pattern.admits_value(value, None))
        };
        if let Some(at) = (0..).zip(&other.query).position(refused) {
            return Some(UnfitQuery::Parameter(at));
        }
        let is_there = |name: &&String| other.query.iter().any(|(given, _)| given == *name);
        let missing = self.required.iter().find(|name| !is_there(name))?;
        Some(UnfitQuery::Missing(missing))
    }
}

/// What a rule is about, compiled.
#[derive(Debug, Clone)]
pub(crate) enum Meant {
    /// A package: its versions.
    Package(Arc<Requirement>),
    /// A bridge: its versions and its targets.
    Bridge(Arc<Requirement>, Vec<Target>),
    /// A remote server.
    Url(Target),
    /// What the document says is enough.
    AsWritten,
}

/// Version requirements that have been read.
#[derive(Default)]
pub(crate) struct Versions<'d>(Known<(Ecosystem, &'d str), Arc<Requirement>>);

impl<'d> Versions<'d> {
    fn read(
        &mut self,
        ecosystem: Ecosystem,
        text: &'d str,
    ) -> Result<Arc<Requirement>, (&'static str, String)> {
        if let Some(known) = self.0.get(&(ecosystem, text)) {
            return Ok(Arc::clone(known));
        }
        let read = Requirement::parse(ecosystem, text).map_err(|message| ("versions", message))?;
        Ok(Arc::clone(self.0.entry((ecosystem, text)).or_insert(Arc::new(read))))
    }
}

impl Meant {
    pub(crate) fn new<'d>(
        matcher: &'d IdentityMatcher,
        versions: &mut Versions<'d>,
    ) -> Result<Self, (&'static str, String)> {
        let mut package =
            |ecosystem, m: &'d PackageMatcher| versions.read(ecosystem, &m.versions).map(Self::Package);
        match matcher {
            IdentityMatcher::Npm(m) => package(Ecosystem::Npm, m),
            IdentityMatcher::Pypi(m) => package(Ecosystem::Pypi, m),
            IdentityMatcher::Dotnet(m) => package(Ecosystem::Dotnet, m),
            IdentityMatcher::Go(m) => package(Ecosystem::Go, m),
            IdentityMatcher::Deno(m) => package(Ecosystem::Deno, m),
            IdentityMatcher::Url(m) => Target::new(m).map(Self::Url).map_err(|e| ("url", e)),
            IdentityMatcher::Bridge(m) => {
                let versions = versions.read(m.ecosystem, &m.versions)?;
                let target = |url: &String| {
                    let plain = UrlMatcher {
                        url: url.clone(),
                        query: BTreeMap::new(),
                        required: Vec::new(),
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

/// A compiled rule. Rules that say the same share what is made of it.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) meant: Meant,
    pub(crate) args: Arc<Words>,
    pub(crate) env: Arc<BTreeMap<String, Pattern>>,
    pub(crate) headers: Arc<BTreeMap<String, Pattern>>,
    pub(crate) cwd: Vec<Pattern>,
    /// For each runner the arguments that it may be given.
    pub(crate) runner_args: Arc<BTreeMap<String, Words>>,
}

/// The runners of a rule, and the arguments that it lists for them.
type RunnerArgsAsked<'d> = (Runners<'d>, &'d [String]);

/// Compiled patterns by the names of what they are for.
type Patterns = Arc<BTreeMap<String, Pattern>>;

/// Compiles the rules of a document, each text once however many rules have it.
pub(crate) struct Compiler<'d> {
    /// Variables that every rule allows.
    common_env: &'d BTreeMap<String, String>,
    registries: &'d Registries,
    versions: Versions<'d>,
    args: Known<[&'d [String]; 3], Arc<Words>>,
    /// Lists of flags: many rules have the same ones, but few the same positional words too.
    groups: Known<&'d [String], Arc<[Group]>>,
    env: Known<&'d BTreeMap<String, String>, Patterns>,
    headers: Known<&'d BTreeMap<String, String>, Patterns>,
    runner_args: Known<RunnerArgsAsked<'d>, Arc<BTreeMap<String, Words>>>,
}

impl<'d> Compiler<'d> {
    pub(crate) fn new(settings: &'d Settings) -> Self {
        Self {
            common_env: &settings.env,
            registries: &settings.registries,
            versions: Versions::default(),
            args: Known::default(),
            groups: Known::default(),
            env: Known::default(),
            headers: Known::default(),
            runner_args: Known::default(),
        }
    }

    /// Compiles one rule.
    pub(crate) fn rule(&mut self, rule: &'d Rule) -> Result<Compiled, (&'static str, String)> {
        let (common_env, registries) = (self.common_env, self.registries);
        let Args { positional, required, optional } = &rule.args;
        let groups = &mut self.groups;
        let mut groups = |list| groups.entry(list).or_insert_with_key(|list| words::groups(list)).clone();
        let args = self.args.entry([positional, required, optional]);
        let args =
            args.or_insert_with(|| Arc::new(Words::new(positional, groups(required), groups(optional))));
        let env = self.env.entry(&rule.env);
        let headers = self.headers.entry(&rule.headers);
        let runner_args = self.runner_args.entry((Runners::of(rule), &rule.runner_args));
        Ok(Compiled {
            meant: Meant::new(&rule.identity, &mut self.versions)?,
            args: args.clone(),
            env: env.or_insert_with_key(|own| Arc::new(environment(common_env, own))).clone(),
            headers: headers.or_insert_with_key(|own| Arc::new(header_patterns(own))).clone(),
            cwd: rule.cwd.iter().map(|p| Pattern::new(p)).collect(),
            runner_args: runner_args
                .or_insert_with_key(|(names, extra)| {
                    let words = |name: &str| (name.to_owned(), runner_words(name, extra, registries));
                    Arc::new(names.iter().map(words).collect())
                })
                .clone(),
        })
    }

    /// Compiles the identity of a denial.
    pub(crate) fn meant(&mut self, matcher: &'d IdentityMatcher) -> Result<Meant, (&'static str, String)> {
        Meant::new(matcher, &mut self.versions)
    }
}

fn environment(
    common: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
) -> BTreeMap<String, Pattern> {
    common.iter().chain(own).map(|(name, p)| (name.clone(), Pattern::variable(p))).collect()
}

/// HTTP header names are compared without case (RFC 9110 section 5.1).
fn header_patterns(own: &BTreeMap<String, String>) -> BTreeMap<String, Pattern> {
    own.iter().map(|(name, p)| (name.to_ascii_lowercase(), Pattern::header(p))).collect()
}

/// The runners that may start what a rule is about; none where no runner plays a part.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Runners<'d> {
    /// Those that the rule names.
    named: &'d [String],
    /// Those that are usual where it names none.
    usual: &'static [&'static str],
}

impl<'d> Runners<'d> {
    fn of(rule: &'d Rule) -> Self {
        let named = match &rule.identity {
            IdentityMatcher::Script(m) if rule.runners.is_empty() => std::slice::from_ref(&m.interpreter),
            _ => &rule.runners,
        };
        Self { named, usual: if named.is_empty() { usual_runners(&rule.identity) } else { &[] } }
    }

    fn iter(&self) -> impl Iterator<Item = &'d str> {
        self.named.iter().map(String::as_str).chain(self.usual.iter().copied())
    }
}

fn usual_runners(identity: &IdentityMatcher) -> &'static [&'static str] {
    match identity {
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
        | IdentityMatcher::Script(_)
        | IdentityMatcher::Builtin(_) => &[],
    }
}

fn runner_words(name: &str, extra: &[String], registries: &Registries) -> Words {
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
    optional.extend(extra.iter().cloned());
    Words::new(&[], Arc::default(), words::groups(&optional))
}
