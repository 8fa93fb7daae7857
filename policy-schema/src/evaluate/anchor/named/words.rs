//! Words that the working directory decides.

use super::super::is_anchored;

/// Who is told the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The server itself.
    Server,
    /// A package runner, container engine, interpreter or wrapper.
    Runner,
}

/// Words in the name of a flag or variable whose value is a file or folder.
const OF_FILES: &[&str] = &[
    "cfg",
    "conf",
    "config",
    "configuration",
    "cwd",
    "dir",
    "directory",
    "dotenv",
    "file",
    "files",
    "folder",
    "folders",
    "import",
    "load",
    "loader",
    "manifest",
    "path",
    "paths",
    "plugin",
    "preload",
    "require",
    "requirements",
    "root",
    "script",
    "workspace",
];

/// Flags of runners and wrappers whose value is a file or folder though their name does not say so.
const RUNNER_FLAGS: &[&str] = &[
    "-C",
    "-D",
    "-R",
    "--cd",
    "--chdir",
    "--constraint",
    "--constraints",
    "--overrides",
    "--override",
    "--build-constraint",
    "--build-constraints",
    "--find-links",
    "-f",
    "--prefix",
    "--project",
    "--tsconfig",
    "--userconfig",
    "--globalconfig",
    "--with-editable",
    "--import-map",
    "--node-gyp",
    "--script-shell",
    "--cafile",
    "--init-file",
    "--rcfile",
    "-modfile",
    "-overlay",
    "-exec",
    "-toolexec",
];

/// Words in the name of a flag or variable whose value looks like a file and is none: hosts, platforms, models.
const OF_OTHERS: &[&str] = &[
    "audience", "domain", "domains", "email", "endpoint", "host", "hostname", "hosts", "issuer", "model",
    "net", "platform", "proxy", "region", "server", "version",
];

/// References that stand for the project.
const PROJECT: &[&str] =
    &["workspacefolder", "workspaceroot", "project_dir", "pwd", "filedirname", "plugin_root"];

/// Whether one of the words names something of the directory, by how it looks or by the flag before it.
pub(super) fn any_relative(words: &[&str], told: Told) -> bool {
    let mut before = None;
    words.iter().any(|word| {
        let flag = before.replace(*word).filter(|flag: &&str| flag.starts_with('-') && !flag.contains('='));
        let glued = word.split_once('=').filter(|(flag, _)| flag.starts_with('-'));
        let (flag, value) = match (glued, flag) {
            (Some((flag, value)), _) => (flag, value),
            (None, Some(flag)) if !word.starts_with('-') => (flag, *word),
            _ => return is_relative(word),
        };
        if is_of_other(flag) {
            return starts_relative(value);
        }
        is_relative(word) || (takes_file(flag, told) && is_file_name(value))
    })
}

fn takes_file(flag: &str, told: Told) -> bool {
    is_of_file(flag) || (told == Told::Runner && RUNNER_FLAGS.contains(&flag))
}

/// Whether the value of a flag or variable of this name is a file or folder: `--env-file`, `configDir`, `NODE_PATH`.
pub(super) fn is_of_file(name: &str) -> bool {
    crate::secret::words(name).iter().any(|word| OF_FILES.contains(&word.as_str()))
}

/// Whether what has this name looks like a file and is none: `--host a.example`, `--platform linux/amd64`.
pub(super) fn is_of_other(name: &str) -> bool {
    crate::secret::words(name).iter().any(|word| OF_OTHERS.contains(&word.as_str()))
}

fn starts_relative(text: &str) -> bool {
    ["./", "../", ".\\", "..\\"].iter().any(|start| text.starts_with(start)) || matches!(text, "." | "..")
}

/// Whether a text that is a file is one of the directory.
pub(super) fn is_file_name(text: &str) -> bool {
    let is_number = || text.bytes().all(|b| b.is_ascii_digit());
    !text.is_empty()
        && !text.contains("://")
        && !is_anchored(text)
        && !is_number()
        && !matches!(text, "true" | "false")
}

/// Whether a word may name a file by its place in the directory, whatever stands before it: `./x`, `src/x.ts`, `x.ts`,
/// `--config=x.json`, `${workspaceFolder}`.
pub(super) fn is_relative(word: &str) -> bool {
    word.split(['=', ',']).filter(|part| !part.contains("://") && !is_drive(part)).any(|part| {
        let lower = part.to_ascii_lowercase();
        PROJECT.iter().any(|name| lower.contains(name) && lower.contains('$'))
            || part.split([':', ';']).any(is_relative_path)
    })
}

/// `C:\x`, whose colon parts nothing.
fn is_drive(part: &str) -> bool {
    part.as_bytes().get(1) == Some(&b':') && is_anchored(part)
}

fn is_relative_path(part: &str) -> bool {
    // `@scope/name` is a package; `@file` a file of further arguments.
    if part.starts_with('@') {
        return part.matches('/').count() != 1 || part.ends_with('/');
    }
    let is_other = part.starts_with('-') || is_anchored(part);
    !is_other && (part.starts_with('.') || part.contains(['/', '\\']) || has_extension(part))
}

fn has_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, end)| {
        let is_word = end.starts_with(|c: char| c.is_ascii_alphabetic());
        !stem.is_empty() && end.len() <= 6 && is_word && end.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// Whether an interpreter is told to load something that is no whole path: `-r dotenv/config`, `-Ilib`.
pub(super) fn loads_relative(interpreter: &str, own: &[&str]) -> bool {
    let plain = interpreter.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    let glues = matches!(plain, "ruby" | "perl" | "php" | "lua" | "luajit");
    let is_python = plain == "python" || plain == "pypy" || plain == "py";
    let glued = |word: &str| {
        let value =
            word.strip_prefix('-').filter(|flag| !flag.starts_with('-')).and_then(|flag| flag.get(1..));
        value.is_some_and(is_file_name)
    };
    own.iter().enumerate().any(|(at, word)| {
        let flag = at.checked_sub(1).map(|at| own[at]);
        // These take a word that is no file: `-W ignore`, `-X utf8`.
        let is_option = is_python && matches!(flag, Some("-W" | "-X"));
        (glues && glued(word)) || (!word.starts_with('-') && !is_option && is_file_name(word))
    })
}
