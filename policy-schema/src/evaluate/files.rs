//! Programs, scripts and listeners: what lies at a path.

use super::case::Case;
use super::context::{FileFacts, System};
use super::{reason, spelling};
use crate::finding::FindingCode;
use crate::verdict::Reason;

/// What is known of a file against what a rule says of it.
pub(super) enum Fit {
    /// It is the file that is meant.
    Yes,
    /// The rule is about another path.
    NotAbout,
    /// It is not the file that was reviewed.
    No(Reason),
    /// A fact is missing.
    Unknown(Reason),
}

/// Compares a file with path and digests of a rule. `written` is the path as the entry has it; a bare or relative one
/// is judged where it was found.
pub(super) fn fit(
    case: &Case<'_>,
    written: &str,
    facts: Option<&FileFacts>,
    path: &str,
    sha256: &[String],
) -> Fit {
    let Some(path) = expanded(path, case.context.home) else { return Fit::NotAbout };
    let system = case.context.system;
    let is_absolute = written.starts_with('/') || (system == System::Windows && is_windows_absolute(written));
    if is_absolute && !same_path(written, &path, system) {
        return Fit::NotAbout;
    }
    let Some(facts) = facts else {
        return Fit::Unknown(reason(FindingCode::MissingFact, "the file could not be looked at"));
    };
    if !same_path(&facts.path, &path, system) {
        return Fit::NotAbout;
    }
    if sha256.is_empty() {
        if !same_path(&facts.real_path, &path, system) && facts.user_writable {
            let detail = "a link that the user can change leads elsewhere";
            return Fit::No(reason(FindingCode::DigestNotAllowed, detail));
        }
        return Fit::Yes;
    }
    match &facts.sha256 {
        None => Fit::Unknown(reason(FindingCode::MissingFact, "the digest of the file is not known")),
        Some(digest) if sha256.contains(digest) => Fit::Yes,
        Some(_) => {
            Fit::No(reason(FindingCode::DigestNotAllowed, "the file has another digest than the rule names"))
        }
    }
}

/// Whether a path is that of a denial, by whatever detour it is written.
pub(super) fn is_at(case: &Case<'_>, found: &str, path: &str) -> bool {
    let system = case.context.system;
    let plain = |path: &str| spelling::plain_path(path, system == System::Windows);
    let written = expanded(found, case.context.home);
    let (Some(found), Some(path)) = (written, expanded(path, case.context.home)) else { return false };
    same_path(&plain(&found), &plain(&path), system)
}

/// A rule's path with the user's home in place of `~`.
fn expanded(path: &str, home: Option<&str>) -> Option<String> {
    match path.strip_prefix('~') {
        Some(rest) => {
            home.filter(|h| !h.is_empty()).map(|home| format!("{}{rest}", home.trim_end_matches(['/', '\\'])))
        }
        None => Some(path.to_owned()),
    }
}

fn is_windows_absolute(path: &str) -> bool {
    path.as_bytes().get(1..3).is_some_and(|b| matches!(b, b":\\" | b":/")) || path.starts_with(r"\\")
}

/// Two spellings of one path. Nothing is resolved: a path with `..` in it is no spelling of another.
fn same_path(a: &str, b: &str, system: System) -> bool {
    if system != System::Windows {
        return a == b;
    }
    let plain = |path: &str| path.replace('/', "\\").to_lowercase();
    plain(a) == plain(b)
}
