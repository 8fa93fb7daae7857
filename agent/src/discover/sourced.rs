//! Which other files a start file reads into the shell: `. file`, `source file`, `eval "$(cat file)"`, and what direnv has
//! for it. Nothing is run: what is spelt out is followed, with the variables that these files set to literal values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::variables::without_comment;

/// Words by which a line reads a file into the shell, or takes its settings from one.
const READING: &[&str] = &[
    ".",
    "\\.",
    "source",
    "eval",
    "export",
    "env",
    "source_env",
    "source_env_if_exists",
    "dotenv",
    "dotenv_if_exists",
];

/// Those whose next word is a file whatever it looks like.
const DIRECT: &[&str] =
    &[".", "\\.", "source", "source_env", "source_env_if_exists", "dotenv", "dotenv_if_exists"];

/// Variables that name a file which shells read at their start.
const NAMING: &[&str] = &["BASH_ENV", "ENV"];

/// The variable that moves the start files of zsh, and their names.
const ZDOTDIR: &str = "ZDOTDIR";
const OF_ZSH: &[&str] = &[".zshenv", ".zprofile", ".zshrc", ".zlogin"];

/// Most variables that are remembered, and values of each: whoever writes the files decides how many there are.
const MAX_NAMES: usize = 500;
const MAX_VALUES: usize = 8;

/// Literal values of variables, as far as they are known.
#[derive(Debug, Default)]
pub struct Known {
    values: BTreeMap<String, BTreeSet<String>>,
}

impl Known {
    fn remember(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        if self.values.len() < MAX_NAMES || self.values.contains_key(name) {
            let known = self.values.entry(name.to_owned()).or_default();
            known.extend(values.into_iter().filter(|value| value.len() < 4096));
            while known.len() > MAX_VALUES {
                known.pop_last();
            }
        }
    }

    fn of(&self, name: &str) -> Vec<String> {
        self.values.get(name).into_iter().flatten().cloned().collect()
    }
}

/// Where a file is read.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The home of who reads it.
    pub home: &'a Path,
    /// The folder that the shell is in.
    pub here: &'a Path,
}

/// What a file reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sourced {
    /// Paths, of which the last part may have a `*` in it.
    pub files: BTreeSet<PathBuf>,
    /// Whether it reads one whose name a shell would have to compute.
    pub computed: bool,
}

/// The files that a start file reads.
pub fn sourced(text: &str, around: Around<'_>, known: &mut Known) -> Sourced {
    let mut out = Sourced::default();
    let text = text.replace("\\\n", " ");
    for line in text.lines() {
        let code = without_comment(line);
        let words = words(code);
        let plain: Vec<&str> = words.iter().map(|word| word.trim_matches(['"', '\''])).collect();
        assignments(&words, around, known);
        let reads = plain.iter().any(|word| READING.contains(word));
        for (at, word) in words.iter().enumerate().filter(|_| reads) {
            let is_direct = at > 0 && DIRECT.contains(&plain[at - 1]) && !DIRECT.contains(&plain[at]);
            if !is_direct && !looks_like_a_path(word) {
                continue;
            }
            let values = expand(word, around, known);
            out.computed |= is_direct && values.is_empty();
            out.files.extend(values.iter().flat_map(|value| files_of(value, plain[at.max(1) - 1], around)));
        }
        if plain.last().is_some_and(|word| word.starts_with("dotenv")) {
            out.files.insert(around.here.join(".env"));
        }
    }
    let named = NAMING.iter().flat_map(|name| known.of(name));
    out.files.extend(named.map(|value| around.here.join(value)));
    let folders = known.of(ZDOTDIR);
    out.files.extend(
        folders.iter().flat_map(|folder| OF_ZSH.iter().map(move |n| around.here.join(folder).join(n))),
    );
    out
}

fn files_of(value: &str, by: &str, around: Around<'_>) -> Vec<PathBuf> {
    let path = around.here.join(value);
    // direnv takes a folder for the file in it
    let inside = by.starts_with("source_env").then(|| path.join(".envrc"));
    inside.into_iter().chain([path]).collect()
}

fn looks_like_a_path(word: &str) -> bool {
    let plain = word.trim_start_matches(['"', '\'']);
    plain.contains('/') && !plain.contains('=') && plain.starts_with(['/', '~', '$', '.'])
}

/// Remembers `NAME=value`, `for NAME in words` and `set NAME value`.
fn assignments(words: &[String], around: Around<'_>, known: &mut Known) {
    for (at, word) in words.iter().enumerate() {
        if let Some((name, value)) = word.split_once('=').filter(|(name, _)| is_name(name)) {
            let values = expand(value, around, known);
            known.remember(name, values);
        }
        let listed = match word.as_str() {
            "for" => words.get(at + 1).map(|name| (name, &words[at + 2..])),
            "set" => {
                let name = words[at + 1..].iter().position(|word| !word.starts_with('-'));
                name.map(|skip| (&words[at + 1 + skip], &words[at + 2 + skip..]))
            }
            _ => None,
        };
        if let Some((name, values)) = listed.filter(|(name, _)| is_name(name)) {
            let values = values.iter().take_while(|word| !matches!(word.as_str(), ";" | "do"));
            let values: Vec<String> = values
                .filter(|word| looks_like_a_path(word))
                .flat_map(|word| expand(word, around, known))
                .collect();
            known.remember(name, values);
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The words of a line with their quotes. What ends a command is a word `;`; brackets and redirections only part words. A
/// text in double quotes in which a command stands is taken apart like the line itself.
fn words(line: &str) -> Vec<String> {
    let has_command = line.contains("$(") || line.contains('`');
    let (mut out, mut word, mut quote, mut depth) = (Vec::new(), String::new(), None, 0_usize);
    let mut end = |word: &mut String| {
        if !word.is_empty() && word != "$" && word != "\"" {
            out.push(std::mem::take(word));
        }
        word.clear();
    };
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(q), _) if c == q => {
                quote = None;
                word.push(c);
            }
            (Some(_), _) => word.push(c),
            (None, '"') if has_command => end(&mut word),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.push(c);
            }
            (None, '$') if characters.peek() == Some(&'{') => {
                depth += 1;
                word.push(c);
                word.extend(characters.next());
            }
            (None, '}') if depth > 0 => {
                depth -= 1;
                word.push(c);
            }
            (None, _) if depth > 0 => word.push(c),
            (None, ';' | '&' | '|') => {
                end(&mut word);
                word.push(';');
                end(&mut word);
            }
            (None, '(' | ')' | '<' | '>' | '{' | '}' | '`') => end(&mut word),
            (None, _) if c.is_whitespace() => end(&mut word),
            (None, _) => word.push(c),
        }
    }
    end(&mut word);
    out
}

/// What a word stands for, as far as it is literal but for what is known: perhaps several values, none if a shell would
/// have to compute it. A `*` stays.
fn expand(word: &str, around: Around<'_>, known: &Known) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut rest = word;
    let mut quote = None;
    if let Some(after) = rest.strip_prefix('~').filter(|after| after.is_empty() || after.starts_with('/')) {
        out = vec![around.home.to_string_lossy().into_owned()];
        rest = after;
    }
    while let Some(c) = rest.chars().next() {
        let mut used = c.len_utf8();
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None | Some('"'), '$') => {
                let Some((values, length)) = variable(rest, around, known) else { return Vec::new() };
                used = length;
                let joined =
                    out.iter().flat_map(|head| values.iter().map(move |tail| format!("{head}{tail}")));
                out = joined.take(MAX_VALUES).collect();
            }
            (None | Some('"'), '`') => return Vec::new(),
            (None | Some('"'), '\\') => {}
            _ => out.iter_mut().for_each(|value| value.push(c)),
        }
        rest = &rest[used..];
    }
    out.retain(|value| !value.is_empty());
    out
}

/// The values of the variable at the beginning of a text, and how long its name is there.
fn variable(text: &str, around: Around<'_>, known: &Known) -> Option<(Vec<String>, usize)> {
    let (name, default, length) = match text.strip_prefix("${") {
        Some(inner) => {
            let end = closing(inner)?;
            let inner = &inner[..end];
            let name: &str = inner.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()?;
            let rest = &inner[name.len()..];
            let default = [":-", ":=", "-", "="].iter().find_map(|mark| rest.strip_prefix(mark));
            (rest.is_empty() || default.is_some()).then_some((name, default, end + 3))?
        }
        None => {
            let inner = &text[1..];
            let name: &str = inner.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()?;
            (name, None, name.len() + 1)
        }
    };
    let path = |path: &Path| vec![path.to_string_lossy().into_owned()];
    let mut values = match name {
        "HOME" => path(around.home),
        "PWD" => path(around.here),
        _ => known.of(name),
    };
    values.extend(default.into_iter().flat_map(|default| expand(default, around, known)));
    (!values.is_empty()).then_some((values, length))
}

/// Where the bracket that is open at the beginning of a text is closed.
pub(super) fn closing(text: &str) -> Option<usize> {
    let mut depth = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, bool) {
        let around = Around { home: Path::new("/home/dev"), here: Path::new("/home/dev/p") };
        let found = sourced(text, around, &mut Known::default());
        (found.files.iter().map(|file| file.to_string_lossy().into_owned()).collect(), found.computed)
    }

    #[test]
    fn what_a_start_file_reads_is_found_in_every_spelling() {
        for text in [
            ". ~/.env",
            ". $HOME/.env",
            "source ~/.env",
            "source \"$HOME/.env\"",
            "\\. \"${HOME}/.env\"",
            "[ -f ~/.env ] && . ~/.env",
            "if [ -f ~/.env ]; then . ~/.env; fi",
            "set -a; source ~/.env; set +a",
            "eval \"$(cat ~/.env)\"",
            "eval `cat ~/.env`",
            "export $(grep -v '^#' ~/.env | xargs)",
            "while read -r l; do export \"$l\"; done < ~/.env",
            "D=$HOME\n. $D/.env",
            "export D=\"${X:-$HOME}\"\n. \"$D/.env\"",
            "set -gx D ~/.env\nsource $D",
            "for f in ~/.env; do . \"$f\"; done",
            "for f (~/.env) source $f",
            "source \\\n  ~/.env",
            "source_env ~/.env",
            "dotenv ../.env",
            "export BASH_ENV=~/.env",
        ] {
            let (files, _) = read(text);
            let is_it = |file: &String| file.replace("/p/..", "") == "/home/dev/.env";
            assert!(files.iter().any(is_it), "{text}: {files:?}");
        }
        assert_eq!(read("dotenv").0, ["/home/dev/p/.env"]);
        assert_eq!(read("for f in ~/rc/*.sh; do . $f; done").0, ["/home/dev/rc/*.sh"]);
        assert!(read("export ZDOTDIR=~/.z").0.contains(&"/home/dev/.z/.zshrc".to_owned()));
    }

    #[test]
    fn what_only_names_a_file_reads_none() {
        for text in ["alias e='vim ~/.env'", "# . ~/.env", "cat ~/.env", "[ -f ~/.env ]", "PATH=~/bin:$PATH"]
        {
            assert_eq!(read(text), (vec![], false), "{text}");
        }
    }

    #[test]
    fn a_name_that_a_shell_would_compute_is_known_to_be_one() {
        for text in [". $UNKNOWN/x", "source \"$UNKNOWN\"", ". \"${A%/*}/x\""] {
            assert_eq!(read(text), (vec![], true), "{text}");
        }
    }
}
