//! The key under which rules are found: identity and rule reduced to the same text.

use crate::document::{Ecosystem, IdentityMatcher};
use crate::identity::{self, Identity, Kind};
use crate::remote::Remote;

/// Word of an ecosystem in keys.
pub(crate) fn ecosystem(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::Npm => "npm",
        Ecosystem::Pypi => "pypi",
        Ecosystem::Dotnet => "dotnet",
        Ecosystem::Cargo => "cargo",
        Ecosystem::Go => "go",
        Ecosystem::Deno => "deno",
        Ecosystem::Executable => "executable",
    }
}

/// A package's name as its registry compares it; `None` if the registry would refuse it.
pub(crate) fn package(ecosystem: Ecosystem, name: &str) -> Option<String> {
    let kind = match ecosystem {
        Ecosystem::Npm => Kind::Npm,
        Ecosystem::Pypi => Kind::Pypi,
        Ecosystem::Dotnet => Kind::Dotnet,
        Ecosystem::Deno => Kind::Deno,
        Ecosystem::Go | Ecosystem::Cargo => Kind::Go,
        Ecosystem::Executable => return Some(base(name)),
    };
    identity::package_key(kind, name)
}

/// The last component of a path, which a bare command has too.
fn base(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase()
}

/// Words of an exact command, none of which can be taken for two.
pub(crate) fn argv<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut key = "argv".to_owned();
    for word in words {
        key.push_str(&format!(":{}:{word}", word.len()));
    }
    key
}

/// The key of a program by its path.
pub(crate) fn of_path(path: &str) -> String {
    format!("executable:{}", base(path))
}

/// The key of a matcher. `None` for one that means everything, or that cannot be read.
pub(crate) fn of_matcher(matcher: &IdentityMatcher) -> Option<String> {
    let of_package = |e: Ecosystem, name: &str| Some(format!("{}:{}", ecosystem(e), package(e, name)?));
    Some(match matcher {
        IdentityMatcher::Npm(m) => of_package(Ecosystem::Npm, &m.package)?,
        IdentityMatcher::Pypi(m) => of_package(Ecosystem::Pypi, &m.package)?,
        IdentityMatcher::Dotnet(m) => of_package(Ecosystem::Dotnet, &m.package)?,
        IdentityMatcher::Go(m) => of_package(Ecosystem::Go, &m.package)?,
        IdentityMatcher::Deno(m) => of_package(Ecosystem::Deno, &m.package)?,
        IdentityMatcher::Oci(m) => format!("oci:{}", identity::image_key(&m.image)?),
        IdentityMatcher::Git(m) => format!("git:{}", identity::git_key(&m.repository)?),
        IdentityMatcher::Url(m) => {
            let remote = Remote::read(&m.url).ok()?;
            // Sub-paths are looked for by the origin.
            if m.subpaths.is_empty() {
                format!("url:{}", remote.key())
            } else {
                format!("origin:{}", remote.origin)
            }
        }
        IdentityMatcher::Bridge(m) => format!("bridge:{}", of_package(m.ecosystem, &m.package)?),
        IdentityMatcher::Executable(m) => format!("executable:{}", base(&m.path)),
        IdentityMatcher::Script(m) => format!("script:{}", base(&m.path)),
        IdentityMatcher::Opaque(m) => argv(m.argv.iter().map(String::as_str)),
        IdentityMatcher::Builtin(name) => format!("builtin:{name}"),
        IdentityMatcher::Any {} => return None,
    })
}

/// The keys under which the rules about an identity stand.
pub(crate) fn of_identity(identity: &Identity, remote: Option<&Remote>, keys: &mut Vec<String>) {
    let package_of = |e: Ecosystem| Some(format!("{}:{}", ecosystem(e), package(e, &identity.name)?));
    match identity.kind {
        Kind::Npm => keys.extend(package_of(Ecosystem::Npm)),
        Kind::Pypi => keys.extend(package_of(Ecosystem::Pypi)),
        Kind::Dotnet => keys.extend(package_of(Ecosystem::Dotnet)),
        Kind::Go => keys.extend(package_of(Ecosystem::Go)),
        Kind::Deno => keys.extend(package_of(Ecosystem::Deno)),
        Kind::Builtin => keys.push(format!("builtin:{}", identity.name)),
        Kind::Oci => keys.extend(identity::image_key(&identity.name).map(|key| format!("oci:{key}"))),
        Kind::Git => keys.extend(identity::git_key(&identity.name).map(|key| format!("git:{key}"))),
        Kind::Url => {
            if let Some(remote) = remote {
                keys.push(format!("url:{}", remote.key()));
                keys.push(format!("origin:{}", remote.origin));
            }
        }
        Kind::Bridge => {
            let ecosystem = identity.ecosystem.unwrap_or(Ecosystem::Executable);
            keys.extend(package_of(ecosystem).map(|key| format!("bridge:{key}")));
        }
        Kind::Executable => keys.push(format!("executable:{}", base(&identity.name))),
        Kind::Script => keys.push(format!("script:{}", base(&identity.name))),
        // A package of the project's directory is whatever lies there.
        Kind::Cargo | Kind::Opaque => {}
    }
}
