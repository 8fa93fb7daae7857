//! Repositories and packages behind addresses that are none of theirs: archives, mirrors, networks that serve packages,
//! modules of Go. Only denials read so widely.

use crate::document::Ecosystem;
use crate::identity::{git_key, spec};

use super::spelling::percent_decoded;

/// Schemes by which a repository or an archive of it is fetched, `git+` taken away.
const SCHEMES: &[&str] = &["git", "https", "http", "ssh", "ftp", "ftps"];

/// Short names of the hosts.
const SHORT: &[(&str, &str)] = &[
    ("github:", "github.com"),
    ("gh:", "github.com"),
    ("gitlab:", "gitlab.com"),
    ("gl:", "gitlab.com"),
    ("bitbucket:", "bitbucket.org"),
];

/// Hosts at which a repository of another one is served, with what stands before its path there.
const MIRRORS: &[(&str, &[&str], &str)] = &[
    ("codeload.github.com", &[], "github.com"),
    ("raw.githubusercontent.com", &[], "github.com"),
    ("ssh.github.com", &[], "github.com"),
    ("api.github.com", &["repos"], "github.com"),
    ("gitlab.com", &["api", "v4", "projects"], "gitlab.com"),
    ("altssh.gitlab.com", &[], "gitlab.com"),
    ("altssh.bitbucket.org", &[], "bitbucket.org"),
    ("api.bitbucket.org", &["2.0", "repositories"], "bitbucket.org"),
];

/// Hosts that serve each package of npm as a file, and repositories of GitHub below `gh`.
const NETWORKS: &[&str] =
    &["esm.sh", "esm.run", "unpkg.com", "jsdelivr.net", "skypack.dev", "jspm.dev", "jspm.io"];

/// How deep in groups a repository is looked for.
const MAX_DEPTH: usize = 8;

/// The repositories that a word may lead to, with the commit that it names: a URL of any scheme and user, an archive of
/// a host, a module of Go (`github.com/o/r/cmd@latest`), `user@host:o/r`.
pub(super) fn repositories(word: &str) -> Vec<(String, Option<String>)> {
    let (plain, fragment) = word.split_once('#').unwrap_or((word, ""));
    let plain = percent_decoded(plain.split('?').next().unwrap_or(plain));
    let plain = plain.replace('\\', "/");
    let Some((hosts, parts, reference)) = parted(&plain) else { return Vec::new() };
    let last = parts.last().map(|part| without_ending(part));
    let mut commits = [Some(fragment), reference.as_deref(), last].into_iter().flatten();
    let commit = commits.find(|text| spec::is_commit(text)).map(str::to_owned);
    let mut keys = Vec::new();
    let mut tell = |host: &str, path: &[&str]| {
        for count in 2..=path.len().min(MAX_DEPTH) {
            keys.extend(git_key(&format!("https://{host}/{}", path[..count].join("/"))));
        }
    };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    for host in &hosts {
        tell(host, &parts);
        for (mirror, before, real) in MIRRORS.iter().filter(|(mirror, ..)| mirror == host) {
            if parts.starts_with(before) && (mirror != real || !before.is_empty()) {
                tell(real, &parts[before.len()..]);
            }
        }
        if is_network(host)
            && let Some(at) = parts.iter().position(|part| *part == "gh")
        {
            tell("github.com", &parts[at + 1..]);
        }
    }
    // `proxy.example/github.com/o/r/@v/list`
    for (at, part) in parts.iter().enumerate() {
        if SHORT.iter().any(|(_, host)| part.eq_ignore_ascii_case(host)) {
            tell(part, &parts[at + 1..]);
        }
    }
    keys.sort();
    keys.dedup();
    keys.into_iter().map(|key| (key, commit.clone())).collect()
}

/// The host as it may be meant (with and without port), the parts of the path up to an `@`, and what stands behind that.
type Parted = (Vec<String>, Vec<String>, Option<String>);

fn parted(text: &str) -> Option<Parted> {
    let text = text.strip_prefix("git+").unwrap_or(text);
    let short = SHORT.iter().find_map(|(short, host)| Some((*host, text.strip_prefix(short)?)));
    let (host, path, is_address) = match (short, text.split_once(':')) {
        (Some((host, path)), _) => {
            // a login may stand before the owner
            let (owner, rest) = path.split_once('/')?;
            (host.to_owned(), format!("{}/{rest}", owner.rsplit('@').next().unwrap_or(owner)), true)
        }
        (None, Some((scheme, rest))) if SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)) => {
            let (host, path) = rest.trim_start_matches('/').split_once('/')?;
            (host.to_owned(), path.to_owned(), true)
        }
        // `host/owner/name` and `user@host:owner/name`
        _ => {
            let (host, path) = text.split_once('/')?;
            (host.to_owned(), path.to_owned(), host.contains('@'))
        }
    };
    let host = host.rsplit('@').next().unwrap_or(&host).to_ascii_lowercase();
    if !is_address && !host.trim_matches('.').contains('.') {
        return None;
    }
    let (host, port, path) = match host.split_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host.to_owned(), Some(port), path),
        Some((host, owner)) => (host.to_owned(), None, format!("{owner}/{path}")),
        None => (host.clone(), None, path),
    };
    let host = host.trim_end_matches('.');
    let host = host.strip_prefix("www.").unwrap_or(host);
    let with_port = port.filter(|port| !port.is_empty()).map(|port| format!("{host}:{port}"));
    let hosts = with_port.into_iter().chain([host.to_owned()]).collect();
    let mut parts: Vec<String> = Vec::new();
    let mut rest = path.split('/');
    for part in rest.by_ref() {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => match part.split_once('@').filter(|(name, _)| !name.is_empty()) {
                Some((name, reference)) => {
                    parts.push(name.to_owned());
                    let more: Vec<&str> = std::iter::once(reference).chain(rest).collect();
                    return Some((hosts, parts, Some(more.join("/"))));
                }
                None => parts.push(part.to_owned()),
            },
        }
    }
    Some((hosts, parts, None))
}

fn without_ending(file: &str) -> &str {
    [".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar"]
        .iter()
        .find_map(|end| file.strip_suffix(end))
        .unwrap_or(file)
}

fn is_network(host: &str) -> bool {
    NETWORKS.iter().any(|known| {
        host.strip_suffix(known).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// The packages that a URL of such a network may serve, with their versions: any part of its path may be one.
pub(super) fn packages(url: &str) -> Vec<(Ecosystem, String, Option<String>)> {
    let decoded = percent_decoded(url.split(['?', '#']).next().unwrap_or(url));
    let rest = decoded.split_once(':').map_or("", |(_, rest)| rest).trim_start_matches(['/', '\\']);
    let Some((host, path)) = rest.split_once('/') else { return Vec::new() };
    let host = host.rsplit('@').next().unwrap_or(host).to_ascii_lowercase();
    let host = host.split(':').next().unwrap_or_default().trim_end_matches('.');
    let is_jsr = host == "jsr.io";
    if !is_jsr && !is_network(host) {
        return Vec::new();
    }
    let parts: Vec<&str> = path.split(['/', ',']).filter(|part| !part.is_empty()).collect();
    let mut found = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let part = part.strip_prefix("npm:").unwrap_or(part).trim_start_matches('*');
        let (name, version) = match (part.starts_with('@'), parts.get(at + 1)) {
            (true, Some(next)) => {
                let (name, version) = next.split_once('@').map_or((*next, None), |(n, v)| (n, Some(v)));
                (format!("{part}/{name}"), version)
            }
            (true, None) => continue,
            (false, _) => {
                let (name, version) = part.split_once('@').map_or((part, None), |(n, v)| (n, Some(v)));
                (name.to_owned(), version)
            }
        };
        let of_jsr = is_jsr || parts[..at].last() == Some(&"jsr");
        let ecosystem = if of_jsr { Ecosystem::Deno } else { Ecosystem::Npm };
        found.push((ecosystem, name, version.map(str::to_owned)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(word: &str) -> Vec<String> {
        repositories(word).into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn a_repository_is_told_from_whatever_leads_to_it() {
        for word in [
            "git://github.com/o/r",
            "git+https://x@github.com/o/r.git",
            "https://u:p@github.com/O/R/tarball/x",
            "https:github.com/o/r",
            "https://github.com./o/r",
            "https://github.com:443/o/r/archive/refs/heads/main.zip",
            "https://codeload.github.com/o/r/tar.gz/main",
            "https://api.github.com/repos/o/r/tarball",
            "https://raw.githubusercontent.com/o/r/main/x.py",
            "https://esm.sh/gh/o/r@1.0.0/x.ts",
            "https://cdn.jsdelivr.net/gh/o/r@1/x.js",
            "https://proxy.example/github.com/o/r/@v/v1.0.0.zip",
            "git@github.com:o/r.git",
            "someone@github.com:o/r",
            "ssh://git@ssh.github.com:443/o/r",
            "github.com/o/r@latest",
            "github.com/o/r/cmd/x@v1.0.0",
            "github:token@o/r",
            "gh:o/r",
            "https://github.com/x/../o/r",
            "https://github.com/o%2fr",
        ] {
            assert!(keys(word).contains(&"github.com/o/r".to_owned()), "{word}: {:?}", keys(word));
        }
        // only below `repos` is it one of GitHub's
        for word in ["https://api.github.com/users/o/r/s", "https://api.github.com/o/r"] {
            assert!(
                keys(word).iter().all(|key| key.starts_with("api.github.com/")),
                "{word}: {:?}",
                keys(word)
            );
        }
        assert!(keys("https://gitlab.com/g/s/r/-/archive/x.zip").contains(&"gitlab.com/g/s/r".to_owned()));
        assert!(
            keys("https://gitlab.com/api/v4/projects/g%2Fr/repository/archive")
                .contains(&"gitlab.com/g/r".to_owned())
        );
        assert!(keys("https://git.example:8443/o/r/x").contains(&"git.example:8443/o/r".to_owned()));
        for word in ["o/r", "@o/r", "./o/r/s", "/opt/o/r", "evil-pkg", "npm:a/b", "https://h.example/o"] {
            assert_eq!(keys(word), [""; 0], "{word}");
        }
    }

    #[test]
    fn the_commit_of_a_repository_is_told_wherever_it_stands() {
        let commit = "a".repeat(40);
        for word in [
            format!("git+https://git.example/o/r@{commit}#subdirectory=x"),
            format!("git+https://git.example/o/r#{commit}"),
            format!("https://git.example/o/r/archive/{commit}.zip"),
            format!("git.example/o/r@{commit}"),
        ] {
            let found = repositories(&word);
            let told = found.iter().find(|(key, _)| key == "git.example/o/r");
            assert_eq!(told.and_then(|(_, version)| version.as_ref()), Some(&commit), "{word}");
        }
        assert_eq!(repositories("git.example/o/r@main")[0].1, None);
    }

    #[test]
    fn a_package_is_told_from_the_networks_that_serve_it() {
        let told = |url: &str, ecosystem, name: &str, version: Option<&str>| {
            packages(url).contains(&(ecosystem, name.to_owned(), version.map(str::to_owned)))
        };
        for (url, version) in [
            ("https://esm.sh/evil-pkg", None),
            ("https://esm.sh/v135/evil-pkg@1.0.0/x.js?target=deno", Some("1.0.0")),
            ("https://esm.sh/*evil-pkg@1.0.0", Some("1.0.0")),
            ("https://unpkg.com/evil-pkg@1.0.0/dist/x.js", Some("1.0.0")),
            ("https://cdn.jsdelivr.net/npm/evil-pkg@1/+esm", Some("1")),
            ("https://cdn.jsdelivr.net/combine/npm/a@1,npm/evil-pkg", None),
            ("https://ga.jspm.io/npm:evil-pkg@1.0.0/x.js", Some("1.0.0")),
            ("HTTPS://cdn.skypack.dev./evil-pkg", None),
        ] {
            assert!(told(url, Ecosystem::Npm, "evil-pkg", version), "{url}: {:?}", packages(url));
        }
        assert!(told("https://unpkg.com/@a/b@2/x", Ecosystem::Npm, "@a/b", Some("2")));
        assert!(told("https://esm.sh/jsr/@a/b@2", Ecosystem::Deno, "@a/b", Some("2")));
        assert!(told("https://jsr.io/@a/b/1.0.0/mod.ts", Ecosystem::Deno, "@a/b", None));
        assert!(packages("https://h.example/evil-pkg").is_empty());
        assert!(packages("https://notesm.sh/evil-pkg").is_empty());
    }
}
