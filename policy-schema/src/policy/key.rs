//! The key under which rules are found: identity and rule reduced to the same kind and text.

use std::borrow::Cow;

use super::rule::Meant;
use crate::document::{Ecosystem, IdentityMatcher};
use crate::identity::{self, Kind, spec};
use crate::remote::Remote;

/// What sort of thing the text of a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A package; for [`Ecosystem::Executable`] the file name of a program.
    Package(Ecosystem),
    /// A bridge by its package.
    Bridge(Ecosystem),
    Oci,
    Git,
    /// Scheme, host, port and path.
    Url,
    /// Scheme, host and port.
    Origin,
    /// The file name of a script.
    Script,
    /// An exact command.
    Argv,
    Builtin,
    /// The usual name of an entry, without case and punctuation.
    Name,
}

impl Sort {
    /// A number of its own below 32.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Package(ecosystem) => ecosystem as u8,
            Self::Bridge(ecosystem) => 8 + ecosystem as u8,
            Self::Oci => 16,
            Self::Git => 17,
            Self::Url => 18,
            Self::Origin => 19,
            Self::Script => 20,
            Self::Argv => 21,
            Self::Builtin => 22,
            Self::Name => 23,
        }
    }
}

/// Sort and text of what a rule is about. Borrowed where the text stands so already, since a key is made for every
/// word of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key<'a> {
    pub(crate) sort: Sort,
    pub(crate) text: Cow<'a, str>,
}

impl<'a> Key<'a> {
    pub(crate) fn new(sort: Sort, text: impl Into<Cow<'a, str>>) -> Self {
        Self { sort, text: text.into() }
    }

    /// The key of a package; `None` if its registry would refuse the name.
    pub(crate) fn package(ecosystem: Ecosystem, name: &'a str) -> Option<Self> {
        Some(Self { sort: Sort::Package(ecosystem), text: package(ecosystem, name)? })
    }

    /// The same of a name that is only looked for: what its registry would refuse equals the name of no rule, since those
    /// are checked, so this one needs no check.
    fn sought(ecosystem: Ecosystem, name: &'a str) -> Option<Self> {
        match ecosystem {
            Ecosystem::Npm | Ecosystem::Deno => Some(Self::new(Sort::Package(ecosystem), name)),
            Ecosystem::Pypi => Some(Self::new(Sort::Package(ecosystem), spec::normalised_name(name))),
            _ => Self::package(ecosystem, name),
        }
    }

    /// The key of a program by its path.
    pub(crate) fn of_path(path: &'a str) -> Self {
        Self { sort: Sort::Package(Ecosystem::Executable), text: base(path) }
    }

    /// The key of an exact command, whose words cannot be taken for others.
    pub(crate) fn argv<'w>(words: impl Iterator<Item = &'w str>) -> Self {
        let mut key = String::new();
        for word in words {
            key.push_str(&format!(":{}:{word}", word.len()));
        }
        Self::new(Sort::Argv, key)
    }
}

/// A package's name as its registry compares it; `None` if the registry would refuse it.
fn package(ecosystem: Ecosystem, name: &str) -> Option<Cow<'_, str>> {
    let kind = match ecosystem {
        Ecosystem::Npm => Kind::Npm,
        Ecosystem::Pypi => Kind::Pypi,
        Ecosystem::Dotnet => Kind::Dotnet,
        Ecosystem::Deno => Kind::Deno,
        Ecosystem::Go | Ecosystem::Cargo => Kind::Go,
        Ecosystem::Executable => return Some(base(name)),
    };
    spec::compared_name(kind, name)
}

/// The last component of a path, which a bare command has too.
fn base(path: &str) -> Cow<'_, str> {
    let base = path.rsplit(['/', '\\']).next().unwrap_or(path);
    if base.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(base.to_ascii_lowercase())
    } else {
        Cow::Borrowed(base)
    }
}

/// The key of a matcher. `None` for one that means everything, or that cannot be read.
pub(crate) fn of_matcher(matcher: &IdentityMatcher) -> Option<Key<'_>> {
    match matcher {
        IdentityMatcher::Npm(m) => Key::package(Ecosystem::Npm, &m.package),
        IdentityMatcher::Pypi(m) => Key::package(Ecosystem::Pypi, &m.package),
        IdentityMatcher::Dotnet(m) => Key::package(Ecosystem::Dotnet, &m.package),
        IdentityMatcher::Go(m) => Key::package(Ecosystem::Go, &m.package),
        IdentityMatcher::Deno(m) => Key::package(Ecosystem::Deno, &m.package),
        IdentityMatcher::Oci(m) => Some(Key::new(Sort::Oci, identity::image_key(&m.image)?)),
        IdentityMatcher::Git(m) => Some(Key::new(Sort::Git, identity::git_key(&m.repository)?)),
        IdentityMatcher::Url(m) => {
            let remote = Remote::read(&m.url).ok()?;
            let Key { sort, text } = of_url(&remote, !m.subpaths.is_empty());
            Some(Key::new(sort, text.into_owned()))
        }
        IdentityMatcher::Bridge(m) => {
            Some(Key { sort: Sort::Bridge(m.ecosystem), text: package(m.ecosystem, &m.package)? })
        }
        IdentityMatcher::Executable(m) => Some(Key::of_path(&m.path)),
        IdentityMatcher::Script(m) => Some(Key::new(Sort::Script, base(&m.path))),
        IdentityMatcher::Opaque(m) => Some(Key::argv(m.argv.iter().map(String::as_str))),
        IdentityMatcher::Builtin(name) => Some(Key::new(Sort::Builtin, name.as_str())),
        IdentityMatcher::Any {} => None,
    }
}

/// The key of a matcher that has been compiled already.
pub(crate) fn of_compiled<'a>(matcher: &'a IdentityMatcher, meant: &'a Meant) -> Option<Key<'a>> {
    match meant {
        Meant::Url(target) => Some(of_url(&target.remote, !target.subpaths.is_empty())),
        _ => of_matcher(matcher),
    }
}

/// The key of a rule about a URL. Sub-paths are looked for by the origin.
pub(crate) fn of_url(remote: &Remote, has_subpaths: bool) -> Key<'_> {
    if has_subpaths { Key::new(Sort::Origin, remote.origin()) } else { Key::new(Sort::Url, remote.key()) }
}

/// The keys under which the rules about an identity stand: at most two.
pub(crate) fn of_identity<'a>(
    kind: Kind,
    name: &'a str,
    ecosystem: Option<Ecosystem>,
    remote: Option<&'a Remote>,
) -> [Option<Key<'a>>; 2] {
    let one = match kind {
        Kind::Npm => Key::sought(Ecosystem::Npm, name),
        Kind::Pypi => Key::sought(Ecosystem::Pypi, name),
        Kind::Dotnet => Key::sought(Ecosystem::Dotnet, name),
        Kind::Go => Key::sought(Ecosystem::Go, name),
        Kind::Deno => Key::sought(Ecosystem::Deno, name),
        Kind::Builtin => Some(Key::new(Sort::Builtin, name)),
        Kind::Oci => identity::image_key(name).map(|key| Key::new(Sort::Oci, key)),
        Kind::Git => identity::git_key(name).map(|key| Key::new(Sort::Git, key)),
        Kind::Url => {
            let url = remote.map(|remote| Key::new(Sort::Url, remote.key()));
            return [url, remote.map(|remote| Key::new(Sort::Origin, remote.origin()))];
        }
        Kind::Bridge => {
            let ecosystem = ecosystem.unwrap_or(Ecosystem::Executable);
            package(ecosystem, name).map(|text| Key { sort: Sort::Bridge(ecosystem), text })
        }
        Kind::Executable => Some(Key::of_path(name)),
        Kind::Script => Some(Key::new(Sort::Script, base(name))),
        // A package of the project's directory is whatever lies there.
        Kind::Cargo | Kind::Opaque => None,
    };
    [one, None]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_a_registry_refuses_is_the_name_of_no_rule(name in "[-a-c@/_.A%ä ~]{0,6}|node_modules|favicon.ico") {
            use Ecosystem::{Deno, Dotnet, Go, Npm, Pypi};
            for ecosystem in [Npm, Pypi, Deno, Dotnet, Go] {
                let (sought, key) = (Key::sought(ecosystem, &name), Key::package(ecosystem, &name));
                if key.is_some() {
                    prop_assert_eq!(&sought, &key);
                }
                // the name of a rule is its own key
                let Some(sought) = sought else { continue };
                let is_of_rule = Key::package(ecosystem, &sought.text) == Some(sought.clone());
                prop_assert_eq!(is_of_rule, key.is_some());
            }
        }
    }
}
