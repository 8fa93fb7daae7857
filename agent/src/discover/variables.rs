//! Values of the variables that move clients' files: from the environment of the caller or of running clients, and
//! from literal assignments in shell start files. Nothing is run: what is computed is reported as unresolved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Start files of shells, below the home.
pub const START_FILES: &[&str] = &[
    ".bashrc",
    ".bash_aliases",
    ".bash_login",
    ".bash_profile",
    ".config/fish/config.fish",
    ".config/fish/fish_variables",
    ".config/zsh/.zprofile",
    ".config/zsh/.zshenv",
    ".config/zsh/.zshrc",
    ".cshrc",
    ".pam_environment",
    ".profile",
    ".tcshrc",
    ".xprofile",
    ".zlogin",
    ".zprofile",
    ".zshenv",
    ".zshrc",
];

/// Folders of the home whose files are all read at the start of a shell or session.
pub const START_FOLDERS: &[&str] = &[".config/environment.d", ".config/fish/conf.d", ".bashrc.d"];

/// Values by variable.
pub type Values = BTreeMap<String, BTreeSet<PathBuf>>;

/// An assignment whose value is not literal.
#[derive(Debug, PartialEq, Eq)]
pub struct Computed {
    /// The variable.
    pub name: String,
    /// Line of the assignment, from 1.
    pub line: u32,
}

/// Variables that hold a list of paths.
const LISTS: &[&str] = &["CLAUDE_CODE_PLUGIN_DIRS", "CLAUDE_CODE_PLUGIN_SEED_DIR"];

/// Takes an absolute value, or each of a list; a relative or empty one names no place.
pub fn take(values: &mut Values, name: &str, value: &str, home: &Path) {
    if LISTS.contains(&name) {
        let paths = std::env::split_paths(value.trim());
        paths.for_each(|path| take_one(values, name, path.to_str().unwrap_or_default().trim(), home));
    } else {
        take_one(values, name, value, home);
    }
}

fn take_one(values: &mut Values, name: &str, value: &str, home: &Path) {
    let path = match value.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => PathBuf::from(value),
    };
    if path.is_absolute() {
        values.entry(name.to_owned()).or_default().insert(path);
    }
}

/// Reads the literal assignments of the named variables in a start file of a shell. Wherever a variable is set in a
/// way that is not understood, it is computed: an alias, a function or an exotic spelling must not hide a directory.
pub fn of_start_file(text: &str, names: &BTreeSet<&str>, home: &Path, values: &mut Values) -> Vec<Computed> {
    let mut computed = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = without_comment(line);
        for name in names.iter().filter(|name| code.contains(**name)) {
            for after in settings_of(code, name) {
                match after.and_then(|value| literal(value, home)) {
                    Some(value) => take(values, name, &value, home),
                    None => computed.push(Computed { name: (*name).to_owned(), line: number as u32 + 1 }),
                }
            }
        }
    }
    computed
}

/// The line without its comment: a `#` at the start of a word.
fn without_comment(line: &str) -> &str {
    let comment = line
        .match_indices('#')
        .find(|(at, _)| line[..*at].chars().next_back().is_none_or(char::is_whitespace));
    comment.map_or(line, |(at, _)| &line[..at])
}

/// For each place where a line sets the variable, the text that begins with its value; `None` if the value cannot be
/// told from the spelling (`+=`, `printf -v`, `read`).
fn settings_of<'l>(line: &'l str, name: &str) -> Vec<Option<&'l str>> {
    let is_part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut out = Vec::new();
    for (at, _) in line.match_indices(name) {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        // `$NAME` and `${NAME` only use it; `OTHER_NAME` and `NAMES` are other variables.
        if before.ends_with(is_part_of_name)
            || before.ends_with(['$', '{'])
            || after.starts_with(is_part_of_name)
        {
            continue;
        }
        let words: Vec<&str> = before.split_whitespace().collect();
        let by_word = |word: &str| words.contains(&word);
        if let Some(value) = after.strip_prefix('=') {
            out.push(Some(value));
        } else if after.starts_with("+=") || by_word("-v") || by_word("read") {
            out.push(None);
        } else if by_word("set") || by_word("setenv") || by_word("SETUVAR") {
            // fish and csh put a space, fish's own store a colon, between name and value.
            let value = after.trim_start_matches([':', ' ', '\t']);
            let erases = words.iter().any(|w| matches!(*w, "-e" | "--erase")) || value.is_empty();
            out.extend((!erases).then_some(Some(value)));
        }
    }
    out
}

/// The first word of a text as a shell reads it, if it is literal but for the home; `None` if the shell would have to
/// compute it.
fn literal(text: &str, home: &Path) -> Option<String> {
    let home = home.to_str()?;
    let mut out = String::new();
    let mut quote = None;
    let mut rest = text;
    if let Some(after) =
        rest.strip_prefix('~').filter(|a| a.is_empty() || a.starts_with(['/', ' ', '"', '\'']))
    {
        out.push_str(home);
        rest = after;
    }
    while let Some(c) = rest.chars().next() {
        let used = match (quote, c) {
            (Some(q), _) if c == q => {
                quote = None;
                1
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                1
            }
            (None, ';' | '&' | '|' | ')' | '}') => break,
            (None, _) if c.is_whitespace() => break,
            (None | Some('"'), '$') => {
                let after = rest.strip_prefix("${HOME}").or_else(|| rest.strip_prefix("$HOME"));
                let after = after.filter(|a| {
                    rest.starts_with("${") || !a.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                })?;
                out.push_str(home);
                rest.len() - after.len()
            }
            (None | Some('"'), '`' | '\\') | (None, '*' | '?' | '[') => return None,
            _ => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[used..];
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<Computed>) {
        let mut values = Values::new();
        let names = BTreeSet::from(["CODEX_HOME", "CLAUDE_CONFIG_DIR"]);
        let computed = of_start_file(text, &names, Path::new("/home/dev"), &mut values);
        let flat =
            values.into_iter().flat_map(|(k, v)| v.into_iter().map(move |p| format!("{k}={}", p.display())));
        (flat.collect(), computed)
    }

    #[test]
    fn literal_exports_are_taken_in_every_spelling() {
        let (values, computed) = read(concat!(
            "export CODEX_HOME=/opt/codex # mine\n",
            "CLAUDE_CONFIG_DIR=\"$HOME/c d\"; export CLAUDE_CONFIG_DIR\n",
            "  set -gx CODEX_HOME ~/codex2\n",
            "export CODEX_HOME='/lit/$HOME'\n",
            "# export CODEX_HOME=/commented\n",
            "export OTHER=/x\n",
        ));
        assert_eq!(
            values,
            [
                "CLAUDE_CONFIG_DIR=/home/dev/c d",
                "CODEX_HOME=/home/dev/codex2",
                "CODEX_HOME=/lit/$HOME",
                "CODEX_HOME=/opt/codex",
            ]
        );
        assert!(computed.is_empty());
    }

    #[test]
    fn exotic_spellings_are_understood_or_told() {
        for (line, wanted) in [
            ("export FOO=1 CODEX_HOME=$HOME/c", "/home/dev/c"),
            ("alias codex='CODEX_HOME=~/c codex'", "/home/dev/c"),
            ("function c { CODEX_HOME=$HOME/c codex; }", "/home/dev/c"),
            ("if true; then export CODEX_HOME=/c; fi", "/c"),
            ("[ -d /c ] && export CODEX_HOME=/c&&true", "/c"),
            ("export CODEX_HOME=\"$HOME\"/c", "/home/dev/c"),
            ("export CODEX_HOME=$HOME/\"c d\"", "/home/dev/c d"),
            ("export \"CODEX_HOME=/c\"", "/c"),
            ("eval export CODEX_HOME=/c", "/c"),
            ("setenv CODEX_HOME /c", "/c"),
            ("SETUVAR --export CODEX_HOME:/c", "/c"),
        ] {
            assert_eq!(read(line), (vec![format!("CODEX_HOME={wanted}")], vec![]), "{line}");
        }
        for line in [
            "CODEX_HOME+=/x",
            "printf -v CODEX_HOME /x",
            "read CODEX_HOME",
            "export CODEX_HOME=$HOMES/x",
            "CODEX_HOME=/a*",
        ] {
            assert_eq!(read(line).1.len(), 1, "{line}");
        }
        for line in [
            "echo $CODEX_HOME",
            "unset CODEX_HOME",
            "MY_CODEX_HOME=/x",
            "set -e CODEX_HOME",
            "ls # CODEX_HOME=/x",
        ] {
            assert_eq!(read(line), (vec![], vec![]), "{line}");
        }
    }

    #[test]
    fn a_computed_value_is_reported_and_never_run() {
        let (values, computed) =
            read("x=1\nexport CODEX_HOME=$(mktemp -d)\nexport CLAUDE_CONFIG_DIR=\"$XDG/c\"\n");
        assert!(values.is_empty());
        assert_eq!(computed.iter().map(|c| c.line).collect::<Vec<_>>(), [2, 3]);
    }
}
