//! The server that is asked for, and which of the servers that records name it is.

use mcpolicy_schema::document::{
    BridgeMatcher, Ecosystem, ExecutableMatcher, GitMatcher, IdentityMatcher, ImageMatcher, PackageMatcher,
    ScriptMatcher, UrlMatcher,
};
use mcpolicy_schema::policy::Sought;
use mcpolicy_schema::requirement::Admits;
use rusqlite::{Connection, params};
use serde::Serialize;

use crate::FleetError;

/// The server that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Its identity (`npm:@scope/name`, `https://…`, also without what is before the colon), a fingerprint, or a digest of an
    /// executable.
    pub name: String,
    /// Its version, where only that one is meant.
    pub version: Option<String>,
    /// Not before, in seconds since 1970.
    pub since: i64,
    /// Not after.
    pub until: i64,
}

impl Wanted {
    /// From what a person writes, or `mcpolicy policy revoke` takes: `npm:left-pad`, `npm:left-pad@1.3.0`, `https://…`,
    /// `oci:IMAGE@sha256:…`, `git:REPOSITORY#COMMIT`, `sha256:…` or 64 hex digits.
    pub fn parse(text: &str, since: i64, until: i64) -> Self {
        let text = text.trim();
        // digests are kept in small letters, and some tools print capital ones
        let lower = text.to_ascii_lowercase();
        let text = if is_digest(text) { lower.as_str() } else { text };
        let at = text.rfind('@').filter(|at| {
            let before = &text[..*at];
            // the first character of a scope is no version, nor what stands before the host of an address
            !before.is_empty() && !before.ends_with([':', '/']) && !before.contains("://")
        });
        let (name, version) = match at {
            Some(at) => (text[..at].to_owned(), Some(text[at + 1..].to_owned())),
            None => (text.to_owned(), None),
        };
        Self { name, version, since, until }
    }

    /// As it was written: an `@` may be of a path (`/opt/homebrew/opt/node@20/bin/x`) and part no version.
    pub(crate) fn whole(&self) -> String {
        self.version.as_ref().map_or_else(|| self.name.clone(), |version| format!("{}@{version}", self.name))
    }

    /// Whether it is no fingerprint and no digest, which are the same in every privacy tier.
    pub(crate) fn is_name(&self) -> bool {
        !is_digest(&self.name)
    }

    /// What it may mean.
    pub(crate) fn meanings(&self) -> Vec<Sought> {
        if !self.is_name() || self.name.is_empty() {
            return Vec::new();
        }
        matchers(&self.whole()).into_iter().map(Sought::new).collect()
    }
}

fn is_digest(text: &str) -> bool {
    let digits =
        text.get(..7).filter(|start| start.eq_ignore_ascii_case("sha256:")).map_or(text, |_| &text[7..]);
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Every kind of server whose name a text without a kind may be.
const KINDS: [&str; 10] =
    ["npm", "pypi", "dotnet", "go", "deno", "oci", "git", "executable", "script", "builtin"];

fn matchers(text: &str) -> Vec<IdentityMatcher> {
    if let Some((scheme, _)) = text.split_once("://")
        && matches!(scheme.to_ascii_lowercase().as_str(), "https" | "http" | "wss" | "ws")
    {
        // a repository is named by an address as well
        return ["url", "git"].iter().flat_map(|kind| of_kind(kind, text)).collect();
    }
    let named = text.split_once(':').map(|(kind, rest)| of_kind(kind, rest)).unwrap_or_default();
    if named.is_empty() { KINDS.iter().flat_map(|kind| of_kind(kind, text)).collect() } else { named }
}

/// What a text of one kind means; nothing for a kind that is none.
fn of_kind(kind: &str, text: &str) -> Vec<IdentityMatcher> {
    use IdentityMatcher as M;
    vec![match kind {
        "npm" => M::Npm(package(text)),
        "pypi" => M::Pypi(package(text)),
        "dotnet" => M::Dotnet(package(text)),
        "go" => M::Go(package(text)),
        "deno" => M::Deno(package(text)),
        "bridge" => {
            let of = |ecosystem| {
                let PackageMatcher { package, versions } = package(text);
                M::Bridge(BridgeMatcher {
                    ecosystem,
                    package,
                    versions,
                    targets: Vec::new(),
                    approved_targets: false,
                })
            };
            return [Ecosystem::Npm, Ecosystem::Pypi].into_iter().map(of).collect();
        }
        "oci" => M::Oci(image(text)),
        "git" => {
            let (repository, commit) = text.split_once('#').unwrap_or((text, "*"));
            M::Git(GitMatcher { repository: repository.to_owned(), commits: vec![commit.to_owned()] })
        }
        "url" => M::Url(UrlMatcher {
            url: text.to_owned(),
            query: std::collections::BTreeMap::new(),
            required: Vec::new(),
            subpaths: Vec::new(),
            listener: None,
        }),
        "executable" => M::Executable(ExecutableMatcher { path: text.to_owned(), sha256: Vec::new() }),
        "script" => {
            M::Script(ScriptMatcher { interpreter: String::new(), path: text.to_owned(), sha256: Vec::new() })
        }
        "builtin" => M::Builtin(text.to_owned()),
        _ => return Vec::new(),
    }]
}

/// `@scope/name@1.2`, and `name==1.2` as Python writes it.
fn package(text: &str) -> PackageMatcher {
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| (at, 1));
    let at = at.or_else(|| text.find("==").map(|at| (at, 2)));
    let (name, versions) = at.map_or((text, "*"), |(at, length)| (&text[..at], &text[at + length..]));
    PackageMatcher { package: name.to_owned(), versions: versions.to_owned() }
}

fn image(text: &str) -> ImageMatcher {
    let of = |image: &str, digests: &[&str], tags: &[&str]| {
        let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        ImageMatcher { image: image.to_owned(), digests: own(digests), tags: own(tags) }
    };
    if let Some((name, digest)) = text.split_once('@') {
        return of(name, &[digest], &[]);
    }
    // the colon of a port stands before a slash
    match text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
        Some((name, tag)) => of(name, &[], &[tag]),
        None => of(text, &[], &[]),
    }
}

/// Fills `temp.about` with every server that records name and that is meant, and `temp.led` with the addresses in arguments
/// of those that lead to it. `certain` is 0 where a version is asked for and the record does not tell which one it was.
///
/// # Errors
/// The database refuses.
pub(crate) fn find(connection: &Connection, wanted: &Wanted) -> Result<(), FleetError> {
    connection.execute_batch(
        "DROP TABLE IF EXISTS temp.about; DROP TABLE IF EXISTS temp.led;
         CREATE TEMP TABLE about (kind TEXT NOT NULL, identity TEXT NOT NULL, version TEXT NOT NULL, certain INTEGER NOT NULL,
           PRIMARY KEY (kind, identity, version)) WITHOUT ROWID;
         CREATE TEMP TABLE led (contacts TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;",
    )?;
    let meanings = wanted.meanings();
    let mut named = connection.prepare(
        "SELECT DISTINCT kind, identity, version FROM sightings WHERE identity <> ''
         UNION SELECT kind, identity, version FROM actions WHERE identity <> ''
         UNION SELECT kind, identity, version FROM events WHERE identity <> ''
         UNION SELECT kind, identity, version FROM requests WHERE identity <> ''",
    )?;
    let mut insert = connection.prepare("INSERT INTO temp.about VALUES (?1, ?2, ?3, ?4)")?;
    let mut rows = named.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, identity, version): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let admits = admits(wanted, &meanings, (&kind, &identity, &version));
        if admits != Admits::None {
            insert.execute(params![kind, identity, version, admits == Admits::All])?;
        }
    }
    if meanings.iter().any(Sought::is_remote) {
        let mut contacts =
            connection.prepare("SELECT DISTINCT contacts FROM entries WHERE contacts <> ''")?;
        let mut insert = connection.prepare("INSERT INTO temp.led VALUES (?1)")?;
        let mut rows = contacts.query([])?;
        while let Some(row) = rows.next()? {
            let contacts: String = row.get(0)?;
            if meanings.iter().any(|meaning| meaning.is_contacted(&contacts)) {
                insert.execute([contacts])?;
            }
        }
    }
    Ok(())
}

/// Whether a server that a record names is meant, in this version.
fn admits(wanted: &Wanted, meanings: &[Sought], (kind, identity, version): (&str, &str, &str)) -> Admits {
    let meant = meanings.iter().filter(|meaning| meaning.is_named(kind, identity));
    if let Some(best) = meant.map(|meaning| meaning.admits(version)).min() {
        return best;
    }
    // a kind that no rule can be about, or a name that its registry would refuse: by its text alone
    let bare = identity.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':')).unwrap_or(identity);
    let is = |text: &str| {
        let name = text.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':')).unwrap_or(text);
        !text.is_empty() && (text == identity || name == bare)
    };
    match wanted.version.as_deref() {
        _ if is(&wanted.whole()) => Admits::All,
        None => Admits::None,
        Some(asked) if is(&wanted.name) && asked == version => Admits::All,
        Some(_) if is(&wanted.name) && version.is_empty() => Admits::Some,
        Some(_) => Admits::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_behind_the_last_at_and_a_scope_is_none() {
        let of = |text: &str| {
            let wanted = Wanted::parse(text, 0, 1);
            (wanted.name, wanted.version)
        };
        assert_eq!(of("npm:@acme/mcp"), ("npm:@acme/mcp".to_owned(), None));
        assert_eq!(of("npm:@acme/mcp@1.2"), ("npm:@acme/mcp".to_owned(), Some("1.2".to_owned())));
        assert_eq!(of("@acme/mcp@1.2"), ("@acme/mcp".to_owned(), Some("1.2".to_owned())));
        assert_eq!(of("sha256:00"), ("sha256:00".to_owned(), None));
        assert_eq!(of("https://a@h.example.com/x@2"), ("https://a@h.example.com/x@2".to_owned(), None));
    }
}
