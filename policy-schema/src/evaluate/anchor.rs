//! Whether an entry is the same server everywhere, or whatever lies in the directory where it is started.
//!
//! A fingerprint is made of what an entry says, so `node ./server.js` has one fingerprint in all projects, and what
//! allows it by its fingerprint in one must not allow it in the next that is cloned.

mod named;

use std::borrow::Cow;

use super::case::Case;
use super::files;
use crate::document::Exception;
use crate::entry::{Entry, Scope};
use crate::identity::{self, Identity, Kind};

/// Whether what the entry runs depends on the directory in which its client starts it.
pub fn depends_on_directory(entry: &Entry, identity: &Identity) -> bool {
    let cwd = entry.cwd.as_ref().map(crate::sensitive::Sensitive::expose).filter(|cwd| !cwd.is_empty());
    if let Some(cwd) = cwd {
        // The entry says itself where it is started, and that is part of its fingerprint.
        return !is_anchored(cwd);
    }
    if !is_of_user(entry) && !named::is_named_in_full(entry, identity) {
        return true;
    }
    let of_name = match identity.kind {
        Kind::Script | Kind::Cargo => !is_anchored(&identity.name),
        Kind::Opaque => true,
        _ => false,
    };
    let mut programs = identity.wrapper_programs.iter().chain([&identity.program]);
    let is_path = |program: &String| program.contains(['/', '\\']) && !is_anchored(program);
    let env = entry.env.iter().chain(&identity.argument_env).map(|variable| variable.value.expose());
    let told = identity.runner_args.iter().map(crate::sensitive::Sensitive::expose);
    let beside = identity.extra_packages.iter().map(String::as_str);
    let python = identity
        .runner
        .as_deref()
        .is_some_and(|runner| runner.starts_with("uv") || runner.starts_with("pipx"));
    let is_beside = |spec: &str| identity::path_of(python, spec).is_some_and(|path| !is_anchored(&path));
    of_name
        || programs.any(is_path)
        || beside.clone().any(is_beside)
        || env.chain(told).chain(beside).any(names_relative)
}

/// Whether a path leads to the same file from everywhere. No tilde and no variable does that: a client that does not know
/// one gives it to the program as it stands, and then it is a folder of the project (`~/good/x.js` in Claude Code 2.1.197,
/// which ran that of a clone).
fn is_anchored(path: &str) -> bool {
    let is_whole = path.starts_with('/')
        || path.starts_with("\\\\")
        || path.as_bytes().get(1..3).is_some_and(|b| matches!(b, b":\\" | b":/"));
    is_whole && !is_of_process(path)
}

/// Whether a path begins with a slash and leads to the working directory all the same: `/proc/self/cwd`, what a process
/// has open.
fn is_of_process(path: &str) -> bool {
    path.contains("/proc/") || path.contains("/dev/fd/")
}

/// Whether a text names something by its place in the working directory, perhaps behind a flag.
fn names_relative(text: &str) -> bool {
    let starts = |part: &str| {
        is_of_process(part)
            || matches!(part, "." | "..")
            || ["./", "../", ".\\", "..\\", "~/", "~\\"].iter().any(|start| part.starts_with(start))
    };
    text.split(['=', ' ', ',', ':', ';']).any(starts)
}

/// The name under which an entry is remembered as one that was there: its fingerprint, and the directory if it is
/// another server elsewhere. `None` if it cannot be told from others of the kind.
pub fn held_as<'f>(
    entry: &Entry,
    identity: &Identity,
    fingerprint: &'f str,
    directory: Option<&str>,
) -> Option<Cow<'f, str>> {
    if !depends_on_directory(entry, identity) {
        return Some(Cow::Borrowed(fingerprint));
    }
    match directory {
        Some(directory) => Some(Cow::Owned(format!("{fingerprint} in {directory}"))),
        None => is_of_user(entry).then_some(Cow::Borrowed(fingerprint)),
    }
}

/// Whether an entry that a repository or plugin declares is another server in the next: neither a grant nor an exception
/// without a directory counts for it.
pub fn is_tied(entry: &Entry, identity: &Identity) -> bool {
    !is_of_user(entry) && depends_on_directory(entry, identity)
}

/// Whether an interpreter that is told these words takes a script from the working directory before it looks where it
/// is installed: Python does so with `-m`, unless `-I` or `-P` stands among its flags.
pub fn finds_in_directory<'w>(
    interpreter: &str,
    script: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> bool {
    script.starts_with("-m ") && interpreter != "java" && !words.into_iter().any(isolates)
}

/// Whether a word keeps Python from looking in the working directory: `-I`, `-P`, or one of them among other letters.
pub fn isolates(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|flags| !flags.starts_with('-') && flags.contains(['I', 'P']))
}

/// Whether no repository and no plugin can have brought the entry.
fn is_of_user(entry: &Entry) -> bool {
    matches!(entry.scope, Scope::User | Scope::Managed)
}

/// Whether an exception of this fingerprint is about the entry here.
pub(super) fn is_meant(case: &Case<'_>, exception: &Exception) -> bool {
    match (&exception.directory, case.context.directory) {
        (Some(meant), Some(directory)) => files::is_at(case, directory, meant),
        (Some(_), None) => false,
        (None, _) => is_same_everywhere(case),
    }
}

/// Whether what is known of the entry by its fingerprint holds wherever it stands.
pub(super) fn is_same_everywhere(case: &Case<'_>) -> bool {
    let entry = case.subject.entry;
    (case.context.directory.is_none() && is_of_user(entry))
        || !depends_on_directory(entry, case.subject.identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_looked_for_in_the_working_directory_unless_python_is_told_not_to() {
        assert!(finds_in_directory("python3", "-m x", ["-u"]));
        assert!(finds_in_directory("python3", "-m x", ["--PI", "-"]));
        assert!(!finds_in_directory("python3", "-m x", ["-u", "-BI"]));
        assert!(!finds_in_directory("python", "-m x", ["-P"]));
        assert!(!finds_in_directory("java", "-m x", []));
        assert!(!finds_in_directory("python", "/opt/x.py", []));
    }
}
