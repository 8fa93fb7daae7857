//! Git repositories, told apart by where they lie and not by how that is written.

/// Hosts that take owner and repository in any case.
const CASELESS: &[&str] = &["github.com", "gitlab.com", "bitbucket.org"];

/// Schemes over which a repository is fetched.
const SCHEMES: &[&str] = &["https://", "http://", "ssh://", "git://"];

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
    matches!(
        (source.split(':').next(), port),
        (Some("https"), "443") | (Some("http"), "80") | (Some("ssh"), "22") | (Some("git"), "9418")
    )
}
