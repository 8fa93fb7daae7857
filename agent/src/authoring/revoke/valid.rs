//! What an order says, as machines compare it. An emergency that denies nothing is worse than an error: everybody
//! believes that it is over.

use anyhow::{bail, ensure};
use mcpolicy_schema::document::{IdentityMatcher, PolicyDocument};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::revocations::Revoked;

use crate::authoring::check::never;

/// The order in the spelling in which it is compared.
///
/// # Errors
/// Nothing could ever match it.
pub(super) fn spelled(revoked: Revoked) -> anyhow::Result<Revoked> {
    Ok(match revoked {
        Revoked::Rule(id) => Revoked::Rule(rule(id)?),
        Revoked::Identity(matcher) => Revoked::Identity(identity(matcher)?),
        Revoked::Sha256(text) => Revoked::Sha256(digest(&text).ok_or_else(|| {
            anyhow::anyhow!(
                "--sha256 {text}: this is no SHA-256, which has 64 hex digits; `sha256sum FILE` prints it, on Windows \
                 `Get-FileHash FILE`"
            )
        })?),
        Revoked::Fingerprint(text) => {
            let hex = digest(&text).ok_or_else(|| {
                anyhow::anyhow!(
                    "--fingerprint {text}: a fingerprint is `sha256:` and 64 hex digits; copy it whole from a report"
                )
            })?;
            Revoked::Fingerprint(format!("sha256:{hex}"))
        }
        Revoked::Device(id) => Revoked::Device(named(&id, "device")?),
        Revoked::User(name) => Revoked::User(named(&name, "user")?),
        Revoked::Group(name) => Revoked::Group(named(&name, "group")?),
    })
}

/// 64 hex digits in lower case, `sha256:` taken off. Tools print them in either case.
fn digest(text: &str) -> Option<String> {
    let hex = text.trim().to_ascii_lowercase();
    let hex = hex.strip_prefix("sha256:").unwrap_or(&hex);
    (hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit())).then(|| hex.to_owned())
}

fn rule(id: String) -> anyhow::Result<String> {
    let is_id =
        !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    ensure!(
        is_id,
        "{id} is no id of a rule, exception or grant: these have letters, digits, `-`, `_` and `.` only; name a server \
         with --identity"
    );
    Ok(id)
}

fn named(name: &str, what: &str) -> anyhow::Result<String> {
    let name = name.trim();
    ensure!(!name.is_empty(), "--{what} is empty; name one");
    ensure!(
        !name.contains(['*', '?']),
        "--{what} {name}: a name stands for itself, wildcards mean nothing here; name each one"
    );
    Ok(name.to_owned())
}

/// Hex digits are compared in lower case.
fn lower(texts: &mut [String]) {
    for text in texts {
        text.make_ascii_lowercase();
    }
}

/// The part of an argument that a place in a policy stands for.
fn part(place: &str) -> &str {
    let is_number = |name: &&str| name.bytes().all(|b| b.is_ascii_digit());
    match place.rsplit('/').find(|name| !is_number(name)).unwrap_or_default() {
        "digests" => "what stands behind @",
        "commits" => "what stands behind #",
        member => member,
    }
}

/// An identity is held to what a policy's denials are held to.
fn identity(mut matcher: IdentityMatcher) -> anyhow::Result<IdentityMatcher> {
    match &mut matcher {
        IdentityMatcher::Oci(image) => lower(&mut image.digests),
        IdentityMatcher::Git(git) => lower(&mut git.commits),
        _ => {}
    }
    if let Some((member, why)) = never::identity(&matcher).into_iter().next() {
        bail!("--identity denies nothing like this: {member}: {why}");
    }
    let document: PolicyDocument = serde_json::from_value(serde_json::json!({
        "schema": mcpolicy_schema::document::SCHEMA,
        "policy": { "name": "-", "contact": "-" },
        "deny": [{ "id": "revoked", "identity": matcher, "reason": "-" }],
    }))?;
    let Err(faults) = Policy::compile(document) else { return Ok(matcher) };
    let said: Vec<String> =
        faults.iter().map(|fault| format!("{}: {}", part(&fault.place), fault.message)).collect();
    bail!("--identity denies nothing like this: {}", said.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authoring::revoke::identity as parsed;

    #[test]
    fn what_could_never_match_is_refused_with_what_to_do() {
        let refused = |revoked: Revoked| spelled(revoked).unwrap_err().to_string();
        assert!(refused(Revoked::Fingerprint("zz".to_owned())).contains("copy it whole"));
        assert!(refused(Revoked::Sha256("zz".to_owned())).contains("Get-FileHash"));
        assert!(refused(Revoked::Rule("npm:x".to_owned())).contains("--identity"));
        assert!(refused(Revoked::Device(" ".to_owned())).contains("name one"));
        assert!(refused(Revoked::User("contractor-*".to_owned())).contains("wildcards"));
        for (text, words) in [
            ("executable:rel/x", "absolute path"),
            ("oci:ghcr.io/a/b@sha256:zz", "what stands behind @: a digest is `sha256:` and 64 hex digits"),
            ("git:https://example.com/a/b#abc123", "what stands behind #: "),
            ("git:https://example.com/a/b#abc123", "full commit hash"),
            ("npm:@a/*", "wildcards"),
            ("https://*/mcp", "wildcards"),
            ("npm:name@not a version", "versions"),
        ] {
            let said = refused(Revoked::Identity(parsed(text).unwrap()));
            assert!(said.contains(words), "{text}: {said}");
        }
    }

    #[test]
    fn digests_are_taken_in_either_case_with_or_without_their_prefix() {
        let (upper, lower) = ("AB".repeat(32), "ab".repeat(32));
        for text in [upper.clone(), lower.clone(), format!("sha256:{lower}"), format!("SHA256:{upper}")] {
            assert_eq!(spelled(Revoked::Sha256(text.clone())).unwrap(), Revoked::Sha256(lower.clone()));
            let fingerprint = Revoked::Fingerprint(format!("sha256:{lower}"));
            assert_eq!(spelled(Revoked::Fingerprint(text)).unwrap(), fingerprint);
        }
        let image = parsed(&format!("oci:ghcr.io/a/b@sha256:{upper}")).unwrap();
        let Revoked::Identity(IdentityMatcher::Oci(image)) = spelled(Revoked::Identity(image)).unwrap()
        else {
            panic!("an image stays one");
        };
        assert_eq!(image.digests, [format!("sha256:{lower}")]);
    }
}
