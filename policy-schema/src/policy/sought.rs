//! Whether the server that a record names is the one that somebody asks for. Read as widely as a denial is: who revokes a
//! server and asks who had it must be told of all that the list denies.

use std::collections::BTreeSet;

use super::key::{self, Key};
use crate::document::{Ecosystem, GitMatcher, IdentityMatcher, ImageMatcher, PackageMatcher};
use crate::identity::spec;
use crate::remote::Address;
use crate::requirement::{Admits, Requirement};

/// A server that is asked for.
#[derive(Debug)]
pub struct Sought {
    matcher: IdentityMatcher,
    /// Every spelling of its address, if it is a remote server.
    addresses: BTreeSet<String>,
    versions: Option<Requirement>,
}

impl Sought {
    /// Of what is asked for. Nothing of it must be canonical.
    pub fn new(matcher: IdentityMatcher) -> Self {
        let addresses = match &matcher {
            IdentityMatcher::Url(m) => spellings(&m.url),
            _ => BTreeSet::new(),
        };
        let versions = package_of(&matcher).and_then(|(ecosystem, package)| {
            let text = package.versions.trim();
            // a lone version of Python is written with `==` in a requirement, and without it everywhere else
            Requirement::parse(ecosystem, text)
                .or_else(|_| Requirement::parse(ecosystem, &format!("=={text}")))
                .ok()
        });
        Self { matcher, addresses, versions }
    }

    /// Whether a record that names a server by this kind and name is about it, in whatever version.
    pub fn is_named(&self, kind: &str, name: &str) -> bool {
        use IdentityMatcher as M;
        let name = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':')).unwrap_or(name);
        match (&self.matcher, kind) {
            (M::Url(_), "url") => self.is_address(name),
            (M::Executable(m), "executable") => is_same_path(&m.path, name),
            (M::Script(m), "script") => is_same_path(&m.path, name),
            // a bridge is its package as well
            (asked, "bridge") => {
                let (ecosystem, package) = match asked {
                    M::Bridge(m) => (m.ecosystem, m.package.as_str()),
                    other => match package_of(other) {
                        Some((ecosystem, package)) => (ecosystem, package.package.as_str()),
                        None => return false,
                    },
                };
                let key = Key::package(ecosystem, package);
                key.is_some() && key == Key::package(ecosystem, name)
            }
            (asked, kind) => matcher_of(kind, name).is_some_and(|other| {
                key::of_matcher(asked).zip(key::of_matcher(&other)).is_some_and(|(one, other)| one == other)
            }),
        }
    }

    /// Whether one of the addresses in a text is its own: a bridge names in its arguments what it leads to.
    pub fn is_contacted(&self, text: &str) -> bool {
        !self.addresses.is_empty() && addresses_in(text).any(|address| self.is_address(address))
    }

    /// Whether it is a remote server.
    pub fn is_remote(&self) -> bool {
        matches!(self.matcher, IdentityMatcher::Url(_))
    }

    /// How the version of a record lies to what is asked for. `Some` is "that cannot be told": it names none, a range or
    /// a tag.
    pub fn admits(&self, version: &str) -> Admits {
        use IdentityMatcher as M;
        let asked = Some(version).filter(|version| !version.is_empty());
        let by_digest = |wanted: &[String], is_exact: fn(&str) -> bool| {
            if wanted.is_empty() || wanted.iter().any(|one| one == "*" || Some(one.as_str()) == asked) {
                return Admits::All;
            }
            let are_exact = wanted.iter().all(|one| is_exact(one)) && asked.is_some_and(is_exact);
            if are_exact { Admits::None } else { Admits::Some }
        };
        match &self.matcher {
            M::Oci(m) if m.digests.is_empty() => by_digest(&m.tags, |_| false),
            M::Oci(m) => by_digest(&m.digests, |text| text.starts_with("sha256:")),
            M::Git(m) => by_digest(&m.commits, spec::is_commit),
            other => match (package_of(other), &self.versions) {
                (None, _) => Admits::All,
                (Some((_, m)), _) if m.versions == "*" || Some(m.versions.as_str()) == asked => Admits::All,
                (Some(_), Some(versions)) => versions.admits(asked),
                // a tag: it may have meant any version at that time
                (Some(_), None) => Admits::Some,
            },
        }
    }

    fn is_address(&self, text: &str) -> bool {
        spellings(text).iter().any(|one| self.addresses.contains(one))
    }
}

fn package_of(matcher: &IdentityMatcher) -> Option<(Ecosystem, &PackageMatcher)> {
    use IdentityMatcher as M;
    Some(match matcher {
        M::Npm(m) => (Ecosystem::Npm, m),
        M::Pypi(m) => (Ecosystem::Pypi, m),
        M::Dotnet(m) => (Ecosystem::Dotnet, m),
        M::Go(m) => (Ecosystem::Go, m),
        M::Deno(m) => (Ecosystem::Deno, m),
        _ => return None,
    })
}

/// What a record names, as a rule would name it.
fn matcher_of(kind: &str, name: &str) -> Option<IdentityMatcher> {
    use IdentityMatcher as M;
    let package = || PackageMatcher { package: name.to_owned(), versions: "*".to_owned() };
    Some(match kind {
        "npm" => M::Npm(package()),
        "pypi" => M::Pypi(package()),
        "dotnet" => M::Dotnet(package()),
        "go" => M::Go(package()),
        "deno" => M::Deno(package()),
        "oci" => M::Oci(ImageMatcher { image: name.to_owned(), digests: Vec::new(), tags: Vec::new() }),
        "git" => M::Git(GitMatcher { repository: name.to_owned(), commits: Vec::new() }),
        "builtin" => M::Builtin(name.to_owned()),
        _ => return None,
    })
}

/// One place however it is written; a bare word is a program of that name wherever it lies.
fn is_same_path(one: &str, other: &str) -> bool {
    let plain = |path: &str| path.replace('\\', "/").to_ascii_lowercase();
    let (one, other) = (plain(one), plain(other));
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    one == other || ((!one.contains('/') || !other.contains('/')) && base(&one) == base(&other))
}

/// Everything by which an address may be called.
fn spellings(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    // what stands behind is redacted in records, and another query is the same server
    let text = text.split(['?', '#']).next().unwrap_or_default();
    if let Some(Ok(address)) = Address::meant(text) {
        all.insert(address.key().to_owned());
        address.spellings(&mut |one| {
            all.insert(one.key().to_owned());
        });
    }
    all
}

/// The addresses in a text, each from its scheme to where it ends. All of them: attack: any number of others before it.
fn addresses_in(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ',' | ';' | '|' | ')');
    text.match_indices("://").filter_map(move |(at, _)| {
        let before = text.get(..at)?;
        let scheme = before.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
        let rest = text.get(scheme..)?;
        rest.get(..rest.find(ends).unwrap_or(rest.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{ExecutableMatcher, UrlMatcher};

    fn url(text: &str) -> Sought {
        Sought::new(IdentityMatcher::Url(UrlMatcher {
            url: text.to_owned(),
            query: std::collections::BTreeMap::new(),
            required: Vec::new(),
            subpaths: Vec::new(),
            listener: None,
        }))
    }

    fn package(of: fn(PackageMatcher) -> IdentityMatcher, name: &str, versions: &str) -> Sought {
        Sought::new(of(PackageMatcher { package: name.to_owned(), versions: versions.to_owned() }))
    }

    #[test]
    fn an_address_is_found_however_it_is_written_and_behind_a_bridge() {
        let sought = url("https://evil.example.com/mcp");
        for name in [
            "https://EVIL.example.com/mcp",
            "https://evil.example.com:443/mcp/",
            "https://evil.example.com/mcp?x=<secret:url-query:00>",
            "https://evil.example.com//%6Dcp",
            "url:http://evil.example.com/mcp",
        ] {
            assert!(sought.is_named("url", name), "{name}");
            assert!(
                url(name.trim_start_matches("url:")).is_named("url", "https://evil.example.com/mcp"),
                "{name}"
            );
        }
        for name in ["https://evil.example.com/other", "https://example.com/mcp", "", "evil.example.com/mcp"]
        {
            assert!(!sought.is_named("url", name), "{name}");
        }
        assert!(sought.is_contacted("-y mcp-remote --url=https://Evil.example.com/mcp --x"));
        assert!(!sought.is_contacted("-y mcp-remote https://good.example.com/mcp"));
    }

    #[test]
    fn a_package_image_repository_and_program_are_found_under_each_of_their_names() {
        use IdentityMatcher as M;
        assert!(package(M::Pypi, "Foo_Bar", "*").is_named("pypi", "foo-bar"));
        assert!(package(M::Npm, "mcp-remote", "*").is_named("bridge", "mcp-remote"));
        assert!(!package(M::Npm, "evil", "*").is_named("pypi", "evil"));
        let image =
            ImageMatcher { image: "evilcorp/server".to_owned(), digests: Vec::new(), tags: Vec::new() };
        assert!(Sought::new(M::Oci(image)).is_named("oci", "docker.io/evilcorp/server"));
        let repository = "https://github.com/Evil/Repo".to_owned();
        let git = Sought::new(M::Git(GitMatcher { repository, commits: Vec::new() }));
        assert!(git.is_named("git", "https://github.com/evil/repo.git"));
        let path = ExecutableMatcher { path: r"C:\Tools\evil.exe".to_owned(), sha256: Vec::new() };
        let program = Sought::new(M::Executable(path));
        assert!(
            program.is_named("executable", "c:/tools/EVIL.exe") && program.is_named("executable", "evil.exe")
        );
        assert!(!program.is_named("executable", r"C:\Other\evil.exe"));
    }

    #[test]
    fn a_version_is_meant_is_not_or_cannot_be_told() {
        use IdentityMatcher as M;
        for (of, wanted, rows) in [
            (
                M::Npm as fn(_) -> _,
                "1.0.0",
                &[
                    ("1.0.0", Admits::All),
                    ("2.0.0", Admits::None),
                    ("latest", Admits::Some),
                    ("", Admits::Some),
                    ("^1.0.0", Admits::Some),
                ][..],
            ),
            (M::Pypi, "1.0", &[("1.0", Admits::All), ("2.0", Admits::None), ("", Admits::Some)][..]),
            (M::Npm, "latest", &[("latest", Admits::All), ("1.0.0", Admits::Some)][..]),
        ] {
            for (version, admits) in rows {
                assert_eq!(package(of, "evil", wanted).admits(version), *admits, "{wanted} {version}");
            }
        }
    }
}
