//! Git repositories, told apart by where they lie and not by how that is written.

/// Hosts that take owner and repository in any case.
const CASELESS: &[&str] = &["github.com", "gitlab.com", "bitbucket.org"];

/// Schemes over which a repository is fetched such that nobody on the way can change it.
const SCHEMES: &[&str] = &["https://", "ssh://"];

/// `host/owner/repository` of a repository, however it is written: `https://…`, `git+ssh://git@…`, `git@host:…`,
/// `github:owner/repository`, `owner/repository`. `None` if it carries another user than `git`, a password, a query,
/// a fragment, or is no repository.
pub fn git_key(source: &str) -> Option<String> {
    let source = source.strip_prefix("git+").unwrap_or(source);
    if source.contains(['#', '?', '\\', '%', '*'])
        || source.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        return None;
    }
    let (host, path) = split(source)?;
    let host = host.to_ascii_lowercase();
    let host = host.strip_prefix("www.").filter(|bare| CASELESS.contains(bare)).unwrap_or(&host);
    let is_host = !host.is_empty()
        && !host.starts_with(['.', '-'])
        && !host.ends_with('.')
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'));
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    let caseless = CASELESS.contains(&host);
    let is_path = parts.len() >= 2
        // At these hosts a repository has an owner and a name; gitlab.com has groups in groups.
        && (!caseless || parts.len() == 2 || host == "gitlab.com")
        && parts.iter().all(|part| {
            !part.is_empty()
                && *part != "."
                && *part != ".."
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'~'))
        });
    if !is_host || !is_path {
        return None;
    }
    Some(format!("{host}/{}", if caseless { path.to_ascii_lowercase() } else { path.to_owned() }))
}

/// Host and path of a source.
fn split(source: &str) -> Option<(String, String)> {
    for (short, host) in
        [("github:", "github.com"), ("gitlab:", "gitlab.com"), ("bitbucket:", "bitbucket.org")]
    {
        if let Some(path) = source.strip_prefix(short) {
            return (path.split('/').count() == 2).then(|| (host.to_owned(), path.to_owned()));
        }
    }
    if let Some(rest) = SCHEMES.iter().find_map(|scheme| source.strip_prefix(scheme)) {
        // npm also reads `ssh://git@host:owner/repository`.
        let rest = rest.strip_prefix("git@").unwrap_or(rest);
        let (authority, path) = rest.split_once('/')?;
        if authority.contains('@') {
            return None;
        }
        return match authority.split_once(':') {
            Some((_, "")) => None,
            Some((host, owner)) if !owner.bytes().all(|b| b.is_ascii_digit()) => {
                Some((host.to_owned(), format!("{owner}/{path}")))
            }
            Some((host, port)) if is_default_port(source, port) => Some((host.to_owned(), path.to_owned())),
            _ => Some((authority.to_owned(), path.to_owned())),
        };
    }
    if source.contains("://") {
        return None;
    }
    if let Some((host, path)) = source.strip_prefix("git@").and_then(|rest| rest.split_once(':')) {
        return Some((host.to_owned(), path.to_owned()));
    }
    let is_shorthand = !source.contains([':', '@']) && source.split('/').count() == 2;
    is_shorthand.then(|| ("github.com".to_owned(), source.to_owned()))
}

fn is_default_port(source: &str, port: &str) -> bool {
    matches!((source.split(':').next(), port), (Some("https"), "443") | (Some("ssh"), "22"))
}

#[cfg(test)]
mod tests {
    use super::git_key;

    #[test]
    fn one_repository_has_one_key_however_it_is_written() {
        for source in [
            "https://github.com/o/r",
            "https://github.com/o/r.git",
            "https://GitHub.com/O/R/",
            "https://github.com:443/o/r",
            "git+https://github.com/o/r.git",
            "git+ssh://git@github.com/o/r.git",
            "ssh://git@github.com/o/r",
            "ssh://git@github.com:o/r.git",
            "ssh://git@github.com:22/o/r.git",
            "git@github.com:o/r.git",
            "github:o/r",
            "o/r",
            "https://www.github.com/o/r",
        ] {
            assert_eq!(git_key(source).as_deref(), Some("github.com/o/r"), "{source}");
        }
        assert_eq!(git_key("https://git.example/O/r").as_deref(), Some("git.example/O/r"));
        assert_eq!(git_key("https://git.example:8443/o/r").as_deref(), Some("git.example:8443/o/r"));
        assert_eq!(git_key("gitlab:g/r").as_deref(), Some("gitlab.com/g/r"));
    }

    #[test]
    fn what_may_fetch_another_repository_has_no_key() {
        for source in [
            "https://user:token@github.com/o/r",
            "https://github.com@evil.example/o/r",
            "https://evil@github.com/o/r",
            // Whoever is on the way decides what these fetch.
            "http://github.com/o/r",
            "git://github.com/o/r",
            "https://github.com/o/r/../x",
            "https://github.com/o/r/tree/main",
            "https://github.com/o",
            "https://github.com./o/r",
            "https://github.com/o/r#subdirectory=x",
            "https://github.com/o/r?x",
            "https://github.com/o%2fr",
            "https://github.com\\@evil.example/o/r",
            "https://\u{ff47}ithub.com/o/r",
            "https://github.com:/o/r",
            "file:///o/r",
            "gist:123",
            "o/r/s",
            "/o/r",
            "",
        ] {
            assert_eq!(git_key(source), None, "{source}");
        }
    }
}
