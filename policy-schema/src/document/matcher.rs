//! What a rule is about: the identity, never the name of an entry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where packages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Ecosystem {
    /// The npm registry.
    Npm,
    /// The Python package index.
    Pypi,
    /// NuGet.
    Dotnet,
    /// crates.
    Cargo,
    /// Go modules.
    Go,
    /// JSR, run by Deno.
    Deno,
    /// A program on this machine.
    Executable,
}

/// A package and the versions of it that are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct PackageMatcher {
    /// Its name in the registry.
    pub package: String,
    /// Version requirement in the ecosystem's own syntax; `*` is any version.
    #[serde(default = "any_version")]
    pub versions: String,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct ImageMatcher {
    /// Registry and repository, without tag or digest: `ghcr.io/github/github-mcp-server`, `mcp/fetch`.
    pub image: String,
    /// Digests (`sha256:…`), one of which the entry must name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<String>,
    /// Tags that are allowed without a digest. A tag can be moved by whoever owns the image; `*` is any or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// A Git repository that a package runner builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct GitMatcher {
    /// `https://host/owner/repository`; every other way to write the same is understood.
    pub repository: String,
    /// Full commit hashes, one of which the entry must name; `*` is any commit, branch or tag.
    pub commits: Vec<String>,
}

/// A remote server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct UrlMatcher {
    /// Scheme, host, port and path, in canonical form, without query.
    pub url: String,
    /// Query parameters that may be there: name and value pattern.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// Names of `query` that must be there (`read_only`, where it may be left out only by leaving its protection).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// Paths below the URL's that are meant too: `*` is one segment, `**` any number; neither takes `%`, `;` or `$`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subpaths: Vec<String>,
    /// For a loopback URL: the executable that must own the listening socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<ExecutableMatcher>,
}

/// A local program that only forwards to a remote server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct BridgeMatcher {
    /// Where the bridge comes from.
    pub ecosystem: Ecosystem,
    /// Its package, or its path for an executable.
    pub package: String,
    /// Version requirement; `*` is any version.
    #[serde(default = "any_version")]
    pub versions: String,
    /// Remote URLs to which it may forward.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// It may also forward to every URL that another rule allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approved_targets: bool,
}

/// A program on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct ExecutableMatcher {
    /// Absolute path; `~` is the user's home. A symbolic link on the way must be covered by `sha256`.
    pub path: String,
    /// SHA-256 of the file, 64 hex digits; one of them must match. Empty: whatever lies at the path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sha256: Vec<String>,
}

/// A file that an interpreter runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct ScriptMatcher {
    /// The interpreter: `node`, `python3`, `uv run` …
    pub interpreter: String,
    /// Absolute path of the script (`~` is the user's home), or `-m module`.
    pub path: String,
    /// SHA-256 of the script, 64 hex digits; one of them must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sha256: Vec<String>,
}

/// A command that is not understood, word by word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct OpaqueMatcher {
    /// Command and arguments, exactly.
    pub argv: Vec<String>,
}

/// What a rule is about. Written as `identity.npm = { package = "…", versions = "…" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum IdentityMatcher {
    /// A package of the npm registry.
    Npm(PackageMatcher),
    /// A distribution of the Python package index.
    Pypi(PackageMatcher),
    /// A .NET tool.
    Dotnet(PackageMatcher),
    /// A Go package.
    Go(PackageMatcher),
    /// A package of JSR, run by Deno.
    Deno(PackageMatcher),
    /// A container image.
    Oci(ImageMatcher),
    /// A Git repository.
    Git(GitMatcher),
    /// A remote server.
    Url(UrlMatcher),
    /// A local program that only forwards to a remote server.
    Bridge(BridgeMatcher),
    /// A program on this machine.
    Executable(ExecutableMatcher),
    /// A file that an interpreter runs.
    Script(ScriptMatcher),
    /// A command that is not understood, word by word.
    Opaque(OpaqueMatcher),
    /// Code inside the client, by the name that the client gives it.
    Builtin(String),
    /// Everything. An allow rule with it loosens, so it needs two signatures.
    Any {},
}

impl IdentityMatcher {
    /// The member of `identity` in which it stands: `npm`, `oci` …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Npm(_) => "npm",
            Self::Pypi(_) => "pypi",
            Self::Dotnet(_) => "dotnet",
            Self::Go(_) => "go",
            Self::Deno(_) => "deno",
            Self::Oci(_) => "oci",
            Self::Git(_) => "git",
            Self::Url(_) => "url",
            Self::Bridge(_) => "bridge",
            Self::Executable(_) => "executable",
            Self::Script(_) => "script",
            Self::Opaque(_) => "opaque",
            Self::Builtin(_) => "builtin",
            Self::Any {} => "any",
        }
    }

    /// The digests or commits that it admits, and the member that holds them; none where its kind has none.
    pub fn digests(&self) -> (&'static str, &[String]) {
        match self {
            Self::Oci(image) => ("digests", &image.digests),
            Self::Git(git) => ("commits", &git.commits),
            Self::Executable(program) => ("sha256", &program.sha256),
            Self::Script(script) => ("sha256", &script.sha256),
            Self::Npm(_)
            | Self::Pypi(_)
            | Self::Dotnet(_)
            | Self::Go(_)
            | Self::Deno(_)
            | Self::Url(_)
            | Self::Bridge(_)
            | Self::Opaque(_)
            | Self::Builtin(_)
            | Self::Any {} => ("", &[]),
        }
    }
}

/// Whether a digest or commit is one digit over and over: templates have such where one is to be filled in.
pub fn is_placeholder(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest).as_bytes();
    hex.len() >= 40 && hex.iter().all(|byte| *byte == hex[0])
}

fn any_version() -> String {
    "*".to_owned()
}
