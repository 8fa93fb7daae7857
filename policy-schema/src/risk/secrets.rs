//! Credentials in clear, and places where credentials lie.

use super::Context;
use crate::entry::{Entry, NamedValue};
use crate::finding::{Finding, FindingCode, Severity};
use crate::secret::{self, SecretKind};

pub(super) fn assess(entry: &Entry, context: &Context<'_>, findings: &mut Vec<Finding>) {
    for value in &entry.env {
        named(value, "the variable", false, context, findings);
    }
    for value in &entry.headers {
        named(value, "the header", true, context, findings);
    }
    for value in &entry.members {
        named(value, "the member", false, context, findings);
    }
    arguments(entry, context, findings);
    access(entry, context, findings);
}

/// A value under a name.
fn named(value: &NamedValue, place: &str, header: bool, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let raw = value.value.expose();
    if raw.trim().is_empty() || secret::is_reference(raw) || secret::is_placeholder(raw) {
        return;
    }
    let name = context.redactor.name(&value.name);
    let by_name = secret::is_secret_name(&value.name);
    // Words such as `oauth` or `true` under a name such as `auth` are settings.
    let is_word = raw.len() < 6
        || (raw.len() < 16 && raw.bytes().all(|b| b.is_ascii_lowercase()) && place != "the header");
    let finding = match secret::classify(raw) {
        Some(kind) if kind != secret::high_entropy() || by_name || header => {
            told(&format!("{place} {name}"), Some(kind))
        }
        // Project and workspace ids look random too.
        Some(_) => Finding::new(
            FindingCode::LiteralSecret,
            format!("{place} {name} holds random-looking text, which may be a credential"),
        )
        .weighing(Severity::Low),
        None if by_name && !is_word => told(&format!("{place} {name}"), None),
        None => return,
    };
    findings.push(finding);
}

fn told(place: &str, kind: Option<&'static SecretKind>) -> Finding {
    let what = kind.filter(|kind| *kind != secret::high_entropy()).map(|kind| format!(" ({})", kind.title));
    let advice = if kind.is_some_and(|kind| !kind.long_lived) {
        "refer to it instead"
    } else {
        "replace it by a reference to one that is scoped and short-lived"
    };
    let message = format!("{place} holds a credential in clear{}; {advice}", what.unwrap_or_default());
    Finding::new(FindingCode::LiteralSecret, message)
}

/// Credentials among command and arguments: told by what the redactor finds there, so that nothing is hidden in the
/// report without being told, and the other way round.
fn arguments(entry: &Entry, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let shown = context.redactor.args(&entry.args);
    let command = entry.command.as_ref().map(|c| context.redactor.text(c.expose()));
    for text in shown.iter().chain(&command) {
        let mut rest = text.as_str();
        while let Some((_, after)) = rest.split_once("<secret:") {
            let code = after.split(':').next().unwrap_or_default();
            rest = after;
            let finding = match code {
                "url-credentials" | "url-query" | "url-path" | "url-fragment" => continue,
                "long-text" | "env-value" | "placeholder" => continue,
                "literal" | "encoded-secret" => told("an argument", None),
                "high-entropy" => Finding::new(
                    FindingCode::LiteralSecret,
                    "an argument holds random-looking text, which may be a credential",
                )
                .weighing(Severity::Low),
                code => told("an argument", secret::by_code(code)),
            };
            findings.push(finding);
        }
    }
}

/// Parts of paths under which credentials lie.
const PLACES: &[(&str, &str)] = &[
    (".ssh", "SSH keys"),
    (".aws", "AWS credentials"),
    (".azure", "Azure credentials"),
    (".config/gcloud", "Google Cloud credentials"),
    (".kube", "Kubernetes credentials"),
    (".gnupg", "GnuPG keys"),
    (".docker/config.json", "registry credentials"),
    (".netrc", "login credentials"),
    (".npmrc", "npm credentials"),
    (".pypirc", "PyPI credentials"),
    (".git-credentials", "Git credentials"),
    (".config/gh", "GitHub credentials"),
    (".password-store", "a password store"),
    ("Library/Keychains", "a keychain"),
    ("id_rsa", "an SSH key"),
    ("id_ed25519", "an SSH key"),
    ("/etc/shadow", "password hashes"),
];

/// Whether a text names such a place, as a whole path component.
pub(super) fn credential_place(text: &str) -> Option<&'static str> {
    let text = text.replace('\\', "/");
    PLACES.iter().find_map(|(part, what)| {
        text.match_indices(part)
            .any(|(at, _)| {
                let starts = at == 0
                    || matches!(text.as_bytes()[at - 1], b'/' | b'=' | b':' | b',' | b'"' | b'\'' | b' ')
                    || part.starts_with('/');
                let ends = text
                    .as_bytes()
                    .get(at + part.len())
                    .is_none_or(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'-' | b'_'));
                starts && ends
            })
            .then_some(*what)
    })
}

fn access(entry: &Entry, context: &Context<'_>, findings: &mut Vec<Finding>) {
    for what in entry.args.iter().filter_map(|a| credential_place(a.expose())) {
        findings.push(Finding::new(
            FindingCode::CredentialAccess,
            format!("an argument points the server at {what}"),
        ));
    }
    for value in &entry.env {
        let known_file = matches!(
            value.name.as_str(),
            "GOOGLE_APPLICATION_CREDENTIALS"
                | "AWS_SHARED_CREDENTIALS_FILE"
                | "KUBECONFIG"
                | "SSH_AUTH_SOCK"
                | "DOCKER_CONFIG"
        );
        let what = credential_place(value.value.expose())
            .or((known_file && !value.value.is_empty()).then_some("credentials"));
        if let Some(what) = what {
            let name = context.redactor.name(&value.name);
            findings.push(Finding::new(
                FindingCode::CredentialAccess,
                format!("the variable {name} points the server at {what}"),
            ));
        }
    }
}
