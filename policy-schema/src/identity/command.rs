//! Commands as text: splitting a line, naming a program, telling flags from what follows them.

use crate::sensitive::Sensitive;

/// The name by which a program is known: lower case, without directories and Windows endings. `None` for a relative
/// path, which is never a runner: it is whatever lies in the project. A path with a variable is not known either.
pub(crate) fn program(command: &str) -> Option<String> {
    let has_directory = command.contains(['/', '\\']);
    let drive = command.as_bytes().get(1..3).is_some_and(|b| matches!(b, b":\\" | b":/"));
    let absolute = command.starts_with(['/', '~']) || command.starts_with("\\\\") || drive;
    if (has_directory && !absolute) || command.contains(['$', '%']) {
        return None;
    }
    let base = command.rsplit(['/', '\\']).next().unwrap_or(command).to_ascii_lowercase();
    let base =
        [".exe", ".cmd", ".bat", ".ps1"].iter().find_map(|end| base.strip_suffix(end)).unwrap_or(&base);
    (!base.is_empty()).then(|| base.to_owned())
}

/// The words of a command line, by the rules of a POSIX shell without expansion. `None` if a quote stays open.
pub(crate) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => text.push(c),
                    }
                }
            }
            '"' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\' | '$' | '`') => text.push(c),
                            c => text.extend(['\\', c]),
                        },
                        c => text.push(c),
                    }
                }
            }
            // A Windows path keeps its backslashes.
            '\\' => match chars.clone().next() {
                Some(next) if next.is_whitespace() || matches!(next, '"' | '\'' | '\\') => {
                    word.get_or_insert_default().push(next);
                    chars.next();
                }
                _ => word.get_or_insert_default().push('\\'),
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// Whether a shell line is one simple command: nothing that chains, redirects, substitutes or globs.
pub(crate) fn is_simple(line: &str) -> bool {
    !line.contains([';', '&', '|', '<', '>', '`', '(', ')', '\n', '\r', '*', '?', '#', '!'])
        && !line.contains("$(")
}

/// Flags in front of the first positional argument.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// Each flag with its value, as written (`--from`, `Some(spec)`).
    pub(crate) flags: Vec<(String, Option<String>)>,
    /// The arguments as written, for [`super::Identity::runner_args`].
    pub(crate) raw: Vec<Sensitive>,
    /// From the first positional on.
    pub(crate) rest: Vec<String>,
}

impl Flags {
    /// Reads flags until a positional argument or `--`. `valued` are those that take the next argument as value.
    pub(crate) fn read(args: &[String], valued: &[&str]) -> Self {
        let mut read = Self::default();
        let mut at = 0;
        while let Some(arg) = args.get(at) {
            if arg == "--" {
                at += 1;
                break;
            }
            if !arg.starts_with('-') || arg == "-" {
                break;
            }
            at += 1;
            read.raw.push(Sensitive::new(arg.as_str()));
            if let Some((flag, value)) = arg.split_once('=') {
                read.flags.push((flag.to_owned(), Some(value.to_owned())));
            } else if let Some((cluster, value)) = short_with_value(arg, valued) {
                read.flags.push((cluster, Some(value)));
            } else {
                let last_of_cluster = arg.chars().last().map(|c| format!("-{c}")).unwrap_or_default();
                let takes = valued.contains(&arg.as_str())
                    || (!arg.starts_with("--")
                        && arg.len() > 2
                        && valued.contains(&last_of_cluster.as_str()));
                let value = if takes { args.get(at).cloned() } else { None };
                if let Some(value) = &value {
                    read.raw.push(Sensitive::new(value.as_str()));
                    at += 1;
                }
                read.flags.push((arg.clone(), value));
            }
        }
        read.rest = args.get(at..).unwrap_or_default().to_vec();
        read
    }

    /// Values of any of these flags, in order.
    pub(crate) fn values<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter(|(flag, _)| names.contains(&flag.as_str())).filter_map(|(_, v)| v.as_deref())
    }

    /// Whether any of these flags is there.
    pub(crate) fn has(&self, names: &[&str]) -> bool {
        self.flags.iter().any(|(flag, _)| names.contains(&flag.as_str()))
    }
}

/// `-eNAME=value`, `-v/a:/b`: a one-letter flag with its value glued to it.
fn short_with_value(arg: &str, valued: &[&str]) -> Option<(String, String)> {
    let (flag, value) = arg.split_at_checked(2)?;
    let is_short = !arg.starts_with("--") && !value.is_empty() && valued.contains(&flag);
    is_short.then(|| (flag.to_owned(), value.to_owned()))
}
