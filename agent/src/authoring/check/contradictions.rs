//! What a rule says of a server that cannot be so, or that admits what nobody has reviewed.

use mcpolicy_schema::document::{
    Auth, AuthKind, IdentityMatcher, PolicyDocument, Rule, Tools, is_placeholder,
};

use crate::authoring::problem::{Problem, Weight};

pub(super) fn check(document: &PolicyDocument, problems: &mut Vec<Problem>) {
    for (at, rule) in document.rule.iter().enumerate() {
        let mut tell = |code: &'static str, member: &str, message: String, help: &str| {
            let place = format!("/rule/{at}/{member}");
            let message = format!("the rule {}: {message}", rule.id);
            problems.push(Problem::new(Weight::Warning, code, place, message).help(help));
        };
        placeholders(rule, &mut tell);
        writable(rule, &mut tell);
        for (n, pattern) in
            rule.runner_args.iter().enumerate().filter(|(_, p)| matches!(p.as_str(), "*" | "**"))
        {
            let message =
                format!("`{pattern}` lets the runner be told anything: another registry, package or mount");
            tell(
                "any-argument",
                &format!("runner_args/{n}"),
                message,
                "name each argument that was reviewed",
            );
        }
        if let Some(tools) = &rule.tools {
            twice(tools, &mut tell);
        }
        if let Some(Auth { kind: AuthKind::None | AuthKind::Key, pkce, resource_indicators }) = &rule.auth
            && (*pkce || *resource_indicators)
        {
            let message = "PKCE and resource indicators belong to OAuth, and auth.kind is another".to_owned();
            tell("contradiction", "auth", message, "write auth.kind = \"oauth\", or leave them out");
        }
    }
}

type Tell<'t> = dyn FnMut(&'static str, &str, String, &str) + 't;

/// Digests of one digit over and over, as templates have them.
fn placeholders(rule: &Rule, tell: &mut Tell<'_>) {
    let (member, digests) = rule.identity.digests();
    for (at, digest) in digests.iter().enumerate().filter(|(_, digest)| is_placeholder(digest)) {
        let short: String = digest.chars().take(15).collect();
        let message = format!("`{short}…` is a placeholder, so nothing is admitted");
        let place = format!("identity/{}/{member}/{at}", rule.identity.kind());
        tell("placeholder", &place, message, "write the digest of what was reviewed");
    }
}

/// A path without a digest is whatever lies there; in a home that is what its user, or a program of theirs, puts there.
fn writable(rule: &Rule, tell: &mut Tell<'_>) {
    let is_writable = |path: &str| {
        let path = path.replace('\\', "/").to_ascii_lowercase();
        let drive = path.get(1..).filter(|rest| rest.starts_with(":/")).map(|rest| &rest[1..]);
        let path = drive.unwrap_or(&path);
        ["~/", "/home/", "/users/", "/tmp/", "/var/tmp/", "/private/tmp/", "/dev/shm/"]
            .iter()
            .any(|place| path.starts_with(place))
    };
    let (member, path, digests) = match &rule.identity {
        IdentityMatcher::Executable(m) => ("identity/executable/sha256", &m.path, &m.sha256),
        IdentityMatcher::Script(m) => ("identity/script/sha256", &m.path, &m.sha256),
        _ => return,
    };
    if digests.is_empty() && is_writable(path) {
        let message = format!("{path} can be replaced by its user, and any content of it is admitted");
        tell(
            "writable-program",
            member,
            message,
            "add sha256, or install it where only administrators write",
        );
    }
}

fn twice(tools: &Tools, tell: &mut Tell<'_>) {
    let lists = [("read", &tools.read), ("write", &tools.write), ("never", &tools.never)];
    for (at, (one, names)) in lists.iter().enumerate() {
        for (other, others) in &lists[at + 1..] {
            for name in names.iter().filter(|name| others.contains(name)) {
                let message = format!("the tool {name} stands in tools.{one} and in tools.{other}");
                tell("contradiction", &format!("tools/{other}"), message, "keep it in one of the two");
            }
        }
    }
}
