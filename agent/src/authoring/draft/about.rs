//! What a rule for a server would be about, or why none is proposed.

use std::collections::BTreeSet;

use mcpolicy_schema::document::Ecosystem;
use mcpolicy_schema::evaluate::{System, finds_in_directory, is_tied};
use mcpolicy_schema::identity::{self, Kind};
use serde_json::{Value, json};

use super::variant::Variant;
use crate::authoring::toml::is_writable;

/// What entries have in common that one rule can be about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Base {
    /// A package, by the word of its ecosystem.
    Package(&'static str, String),
    /// A container image.
    Oci(String),
    /// A Git repository.
    Git(String),
    /// A remote server.
    Url(String),
    /// A bridge, by ecosystem and package.
    Bridge(&'static str, String),
    /// A program.
    Executable(String),
    /// A script with its interpreter.
    Script(String, String),
    /// Code inside the client.
    Builtin(String),
}

/// Why a server of a sort never gets a proposed rule.
pub(crate) fn refusal(variant: &Variant) -> Option<String> {
    let identity = &variant.stored.identity;
    let hidden = &variant.stored.hidden;
    if hidden.identity {
        return Some("a secret stands in what decides its identity".to_owned());
    }
    if !variant.grave.is_empty() {
        let codes: Vec<&str> = variant.grave.iter().copied().collect();
        return Some(codes.join(", "));
    }
    let why = match identity.kind {
        Kind::Opaque => "what it runs cannot be told (opaque)",
        Kind::Cargo => "it runs whatever lies in a project's directory",
        Kind::Script if is_in_project(variant) => {
            "its interpreter looks for the module in the project first; `-I` or `-P` before `-m` prevents it"
        }
        _ if identity.inline_code => "program text stands in its arguments",
        _ if variant.stored.entry.malformed.is_some() => "its shape is wrong",
        _ if wrapped(variant) => "it is started through a wrapper",
        _ if !identity.registries.is_empty() || !identity.extra_packages.is_empty() => {
            "it takes code from elsewhere or loads more beside it"
        }
        _ => return identity.ambiguous.map(|why| format!("it can be read in more than one way: {why}")),
    };
    Some(why.to_owned())
}

/// Whether a module is asked for by name where a repository or plugin decides what lies in the working directory.
fn is_in_project(variant: &Variant) -> bool {
    let (entry, identity) = (&variant.stored.entry, &variant.stored.identity);
    let words = identity.runner_args.iter().map(mcpolicy_schema::sensitive::Sensitive::expose);
    let interpreter = identity.runner.as_deref().unwrap_or_default();
    is_tied(entry, identity) && finds_in_directory(interpreter, &identity.name, words)
}

/// `cmd /c` is how Windows starts `npx.cmd`.
fn wrapped(variant: &Variant) -> bool {
    let wrappers = &variant.stored.identity.wrappers;
    let implied = variant.system == System::Windows && wrappers.iter().all(|wrapper| wrapper == "cmd /c");
    !wrappers.is_empty() && !implied
}

/// What a rule for the server would be about.
///
/// # Errors
/// Why there can be none.
pub(crate) fn base(variant: &Variant) -> Result<Base, String> {
    let identity = &variant.stored.identity;
    let name = || identity.name.clone();
    let base = match identity.kind {
        Kind::Npm => Base::Package("npm", name()),
        Kind::Pypi => Base::Package("pypi", name()),
        Kind::Dotnet => Base::Package("dotnet", name()),
        Kind::Go => Base::Package("go", name()),
        Kind::Deno => Base::Package("deno", name()),
        Kind::Oci => Base::Oci(identity::image_key(&identity.name).ok_or("it names no image")?),
        Kind::Git => {
            let key = identity::git_key(&identity.name).ok_or("it names no repository")?;
            Base::Git(format!("https://{key}"))
        }
        Kind::Url => Base::Url(address(&identity.name)),
        Kind::Bridge => Base::Bridge(ecosystem(identity.ecosystem), portable(variant, &identity.name)),
        Kind::Executable => Base::Executable(absolute(variant, &identity.name)?),
        Kind::Script => {
            let interpreter = identity.runner.clone().ok_or("its interpreter is not known")?;
            let module = identity.name.starts_with("-m ");
            let path = if module { name() } else { absolute(variant, &identity.name)? };
            Base::Script(interpreter, path)
        }
        Kind::Builtin => Base::Builtin(name()),
        Kind::Opaque | Kind::Cargo => return Err("what it runs cannot be told".to_owned()),
    };
    if base.texts().iter().all(|text| is_writable(text)) {
        Ok(base)
    } else {
        Err("its name holds characters that cannot be seen, or looks like a secret".to_owned())
    }
}

fn ecosystem(ecosystem: Option<Ecosystem>) -> &'static str {
    match ecosystem {
        Some(Ecosystem::Npm) => "npm",
        Some(Ecosystem::Pypi) => "pypi",
        Some(Ecosystem::Dotnet) => "dotnet",
        Some(Ecosystem::Cargo) => "cargo",
        Some(Ecosystem::Go) => "go",
        Some(Ecosystem::Deno) => "deno",
        Some(Ecosystem::Executable) | None => "executable",
    }
}

/// A URL without its query and last slash.
pub(crate) fn address(url: &str) -> String {
    url.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned()
}

/// The path of a program or script: as written, or where the machine found a bare command.
fn absolute(variant: &Variant, written: &str) -> Result<String, String> {
    let facts = variant.entry.facts.as_ref();
    let is_script = variant.stored.identity.kind == Kind::Script;
    let found = facts.and_then(|f| if is_script { f.script.as_ref() } else { f.program.as_ref() });
    let path = match found {
        Some(file) => file.path.as_str(),
        None => written,
    };
    let drive = path.as_bytes().get(1..3).is_some_and(|b| matches!(b, b":\\" | b":/"));
    if !path.starts_with(['/', '\\']) && !drive {
        return Err("its path is relative or looked for in PATH, and the report does not say where it lies"
            .to_owned());
    }
    Ok(portable(variant, path))
}

/// A path below the user's home as `~`.
fn portable(variant: &Variant, path: &str) -> String {
    let home = variant.home.as_deref().map(|home| home.trim_end_matches(['/', '\\']));
    match home.filter(|home| !home.is_empty()).and_then(|home| path.strip_prefix(home)) {
        Some(below) if below.starts_with(['/', '\\']) => format!("~{below}"),
        _ => path.to_owned(),
    }
}

impl Base {
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::Script(interpreter, path) => vec![interpreter, path],
            Self::Package(_, text) | Self::Bridge(_, text) => vec![text],
            Self::Oci(text)
            | Self::Git(text)
            | Self::Url(text)
            | Self::Executable(text)
            | Self::Builtin(text) => {
                vec![text]
            }
        }
    }

    /// Kind and name, for people.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Package(kind, name) => format!("{kind}:{name}"),
            Self::Oci(name) => format!("oci:{name}"),
            Self::Git(name) => format!("git:{name}"),
            Self::Url(name) => format!("url:{name}"),
            Self::Bridge(kind, name) => format!("bridge:{kind}:{name}"),
            Self::Executable(name) => format!("executable:{name}"),
            Self::Script(interpreter, name) => format!("script:{interpreter} {name}"),
            Self::Builtin(name) => format!("builtin:{name}"),
        }
    }

    /// The matcher for these servers, as `identity` of a rule. Several where one cannot name all versions.
    pub(crate) fn matchers(&self, variants: &[&Variant]) -> Vec<Value> {
        let versions = exact_versions(variants);
        let any = || vec!["*".to_owned()];
        match self {
            Self::Package(kind, name) => requirements(kind, &versions)
                .into_iter()
                .map(|versions| json!({ *kind: { "package": name, "versions": versions } }))
                .collect(),
            Self::Bridge(kind, name) => {
                let targets: BTreeSet<String> = variants
                    .iter()
                    .filter_map(|v| v.stored.identity.target.as_deref())
                    .map(address)
                    .collect();
                requirements(kind, &versions)
                    .into_iter()
                    .map(|versions| {
                        json!({ "bridge": { "ecosystem": kind, "package": name, "versions": versions, "targets": targets } })
                    })
                    .collect()
            }
            Self::Oci(name) if versions.is_empty() => {
                let tags: BTreeSet<String> = variants
                    .iter()
                    .map(|v| v.stored.identity.version.clone().unwrap_or_else(|| "latest".to_owned()))
                    .collect();
                vec![json!({ "oci": { "image": name, "tags": tags } })]
            }
            Self::Oci(name) => vec![json!({ "oci": { "image": name, "digests": versions } })],
            Self::Git(name) => {
                let commits = if versions.is_empty() { any() } else { versions };
                vec![json!({ "git": { "repository": name, "commits": commits } })]
            }
            Self::Url(url) => vec![url_matcher(url, variants)],
            Self::Executable(path) => {
                vec![json!({ "executable": { "path": path, "sha256": digests(variants, false) } })]
            }
            Self::Script(interpreter, path) => {
                let sha256 = digests(variants, true);
                vec![json!({ "script": { "interpreter": interpreter, "path": path, "sha256": sha256 } })]
            }
            Self::Builtin(name) => vec![json!({ "builtin": name })],
        }
    }
}

/// Versions that mean one thing only.
pub(crate) fn exact_versions(variants: &[&Variant]) -> Vec<String> {
    let pinned = variants.iter().map(|v| &v.stored.identity).filter(|identity| identity.pinned);
    let versions: BTreeSet<String> = pinned
        .filter_map(|identity| identity.version.clone())
        .filter(|version| is_writable(version))
        .collect();
    versions.into_iter().collect()
}

/// Requirements that mean these versions and no other; `*` if there are none. Only npm's syntax has an "or".
fn requirements(kind: &str, versions: &[String]) -> Vec<String> {
    match (kind, versions) {
        (_, []) => vec!["*".to_owned()],
        ("npm" | "deno", versions) => vec![versions.join(" || ")],
        ("pypi", versions) => {
            let bare = |version: &String| version.trim_start_matches('=').trim().to_owned();
            versions.iter().map(|version| format!("=={}", bare(version))).collect()
        }
        (_, versions) => versions.to_vec(),
    }
}

fn url_matcher(url: &str, variants: &[&Variant]) -> Value {
    let names: BTreeSet<String> = variants
        .iter()
        .filter_map(|v| v.stored.identity.name.split_once('?'))
        .flat_map(|(_, query)| query.split('&'))
        .map(|pair| pair.split('=').next().unwrap_or_default().to_owned())
        .filter(|name| !name.is_empty() && is_writable(name))
        .collect();
    let query: serde_json::Map<String, Value> = names.into_iter().map(|name| (name, json!("*"))).collect();
    let listeners = variants.iter().filter_map(|v| v.entry.facts.as_ref()?.listener.as_ref());
    let mut matcher = json!({ "url": url });
    if !query.is_empty() {
        matcher["query"] = Value::Object(query);
    }
    if let Some(listener) = listeners.map(|file| (&file.real_path, &file.sha256)).next() {
        let sha256: Vec<&String> = listener.1.iter().collect();
        matcher["listener"] = json!({ "path": listener.0, "sha256": sha256 });
    }
    json!({ "url": matcher })
}

/// Digests of the file that were seen.
fn digests(variants: &[&Variant], script: bool) -> Vec<String> {
    let facts = variants.iter().filter_map(|v| v.entry.facts.as_ref());
    let files = facts.filter_map(|f| if script { f.script.as_ref() } else { f.program.as_ref() });
    let seen: BTreeSet<String> = files.filter_map(|file| file.sha256.clone()).collect();
    seen.into_iter().collect()
}
