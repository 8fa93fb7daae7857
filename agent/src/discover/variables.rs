//! Values of the variables that move clients' files: from the environment of the caller or of running clients, and
//! from literal assignments in shell start files. Nothing is run: what is computed is reported as unresolved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use mcpolicy_clients::adapters;
use mcpolicy_clients::environment::before_nul;
use mcpolicy_clients::template;
use mcpolicy_platform::machine::{Machine, ReadError};
use mcpolicy_platform::paths;
use unicode_normalization::UnicodeNormalization as _;

use super::sourced;

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

/// A setting of which it is not known where its client then looks.
#[derive(Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The variable.
    pub name: String,
    /// Line of the assignment, from 1.
    pub line: u32,
    /// Why.
    pub why: Why,
}

/// Why it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A shell would have to compute the value.
    Computed,
    /// The value begins at whatever folder the client is started in.
    Relative,
    /// The value brings servers itself.
    Content,
}

impl Unresolved {
    /// In words.
    pub fn said(&self) -> String {
        let why = match self.why {
            Why::Computed => "is computed here; where its client looks is not known",
            Why::Relative => {
                "is a relative path here; its client looks below the folder that it is started in"
            }
            Why::Content => "brings servers here, and they are not read",
        };
        format!("{} {why}", self.name)
    }
}

/// The variables that are looked for.
#[derive(Debug)]
pub struct Names {
    /// Those that move files.
    pub moving: BTreeSet<&'static str>,
    /// Those that bring servers in a way that is not followed.
    pub content: BTreeSet<&'static str>,
}

impl Names {
    /// Those of all clients.
    pub fn of_clients() -> Self {
        let abouts = || adapters::ALL.iter().map(|adapter| adapter.about());
        Self { moving: template::variable_names(abouts()), content: template::content_names(abouts()) }
    }
}

/// Variables that hold a list of paths.
const LISTS: &[&str] = &["CLAUDE_CODE_PLUGIN_DIRS", "CLAUDE_CODE_PLUGIN_SEED_DIR"];

/// Takes an absolute value, or each of a list; a relative or empty one names no place that is known.
pub fn take(values: &mut Values, name: &str, value: &str, home: &Path) {
    let value = before_nul(value);
    parts(name, value).iter().for_each(|part| take_one(values, name, part, home));
}

/// A value, or those of a list; without what is empty.
fn parts(name: &str, value: &str) -> Vec<String> {
    let mut parts = vec![value.to_owned()];
    if LISTS.contains(&name) {
        let paths = std::env::split_paths(value.trim());
        parts = paths.map(|path| path.to_string_lossy().trim().to_owned()).collect();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn take_one(values: &mut Values, name: &str, value: &str, home: &Path) {
    let path = match value.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => PathBuf::from(value),
    };
    if path.is_absolute() && is_place(&path) {
        let places = values.entry(name.to_owned()).or_default();
        // Claude Code looks in the folder of the composed spelling (NFC), whichever is written
        if let Some(text) = path.to_str().filter(|text| !text.is_ascii()) {
            places.insert(text.nfc().collect::<String>().into());
        }
        places.insert(path);
    }
}

/// Whether a client could open anything there. One with `..` in it is longer than what it leads to.
pub(super) fn is_place(path: &Path) -> bool {
    let parts: PathBuf = path.components().collect();
    let leads_up = path.components().any(|part| part == Component::ParentDir);
    paths::is_one(path) && (leads_up || parts.as_os_str().len() <= super::MAX_PATH)
}

/// Where a path leads without the `..` in it: by the system, which follows links before it goes up, and in clients that
/// take a name away for each of them first, as Node's `path.join` does, be that name there or not.
pub(super) fn without_steps_up(machine: &Machine, path: &Path) -> BTreeSet<PathBuf> {
    let by_name = joined(Path::new(""), path);
    if !path.components().any(|part| part == Component::ParentDir) {
        return BTreeSet::from([by_name]);
    }
    let followed = match machine.resolve(path) {
        Ok(found) => Some(found.path),
        // attack: `/dev/fd/../cwd/x`: as it stands, so that it is told wherever it is looked for
        Err(ReadError::OfProcess) => Some(path.to_owned()),
        Err(_) => None,
    };
    followed.into_iter().chain([by_name]).collect()
}

/// One path after another, by their names.
pub(super) fn joined(folder: &Path, path: &Path) -> PathBuf {
    let mut place = folder.to_owned();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(place.pop()),
            part => place.push(part),
        }
    }
    place
}

/// Adds values to others.
pub fn join(values: &mut Values, others: Values) {
    for (name, places) in others {
        values.entry(name).or_default().extend(places);
    }
}

/// Where a start file is read.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The home of its user.
    pub home: &'a Path,
    /// The folder of the project whose `.envrc` it is: the shell is in it.
    pub project: Option<&'a Path>,
}

/// Reads the literal assignments of these variables in a start file of a shell. Wherever a variable is set in a way that
/// is not understood, that is told: an alias, a function or an exotic spelling must not hide a directory.
pub fn of_start_file(text: &str, names: &Names, place: Place<'_>, values: &mut Values) -> Vec<Unresolved> {
    let mut unresolved = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = without_comment(line);
        let mut tell = |name: &str, why| {
            unresolved.push(Unresolved { name: name.to_owned(), line: number as u32 + 1, why });
        };
        for name in names.moving.iter().filter(|name| code.contains(**name)) {
            for after in settings_of(code, name) {
                let Some(value) = after.and_then(|value| literal(value, name, place)) else {
                    tell(name, Why::Computed);
                    continue;
                };
                for value in parts(name, &value) {
                    match place.project {
                        _ if !is_relative(&value) => take(values, name, &value, place.home),
                        Some(project) => {
                            take(values, name, &project.join(value).to_string_lossy(), place.home);
                        }
                        None => tell(name, Why::Relative),
                    }
                }
            }
        }
        for name in names.content.iter().filter(|name| code.contains(**name)) {
            for after in settings_of(code, name) {
                let value = after.and_then(|value| literal(value, name, place));
                if !value.is_some_and(|value| brings_nothing(&value)) {
                    tell(name, Why::Content);
                }
            }
        }
    }
    unresolved
}

/// Neither absolute nor below the home. A drive of Windows is an absolute path wherever this runs.
pub(super) fn is_relative(value: &str) -> bool {
    let is_drive = value.as_bytes().get(1) == Some(&b':');
    !(value.starts_with(['/', '\\']) || value.starts_with("~/") || is_drive)
}

/// Whether a configuration as a text, on one line, cannot name a server: no such word in it, and nothing by which one
/// could be spelt otherwise or come from elsewhere.
fn brings_nothing(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let words = ["mcp", "plugin", "\\", "{env:", "{file:"];
    value.is_empty() || (lower.starts_with('{') && !words.iter().any(|word| lower.contains(word)))
}

/// The line without its comment: a `#` at the start of a word.
pub(super) fn without_comment(line: &str) -> &str {
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
        // `export "NAME=value"`: the quote that is open before the name ends the value
        let after = open_quote(before).and_then(|quote| Some(after.split_once(quote)?.0)).unwrap_or(after);
        // `${NAME:=value}` sets it where nothing else has.
        if let Some(value) =
            after.strip_prefix(":=").or_else(|| after.strip_prefix('=')).filter(|_| before.ends_with("${"))
        {
            out.push(Some(value));
            continue;
        }
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
        } else if let Some(value) = of_pam(after) {
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

/// The quote that is open at the end of a text.
fn open_quote(text: &str) -> Option<char> {
    let mut open = None;
    for c in text.chars() {
        match open {
            Some(quote) if c == quote => open = None,
            None if matches!(c, '"' | '\'') => open = Some(c),
            _ => {}
        }
    }
    open
}

/// `NAME DEFAULT=value OVERRIDE=value`, the form of `~/.pam_environment`.
fn of_pam(after: &str) -> Option<&str> {
    let rest = after.starts_with([' ', '\t']).then(|| after.trim_start())?;
    rest.strip_prefix("DEFAULT=").or_else(|| rest.strip_prefix("OVERRIDE="))
}

/// The first word of a text as a shell reads it, if it is literal but for the home, the folder of a project and a default
/// of the variable itself; `None` if the shell would have to compute it.
fn literal(text: &str, name: &str, place: Place<'_>) -> Option<String> {
    let home = place.home.to_str()?;
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
                let (value, used) = filled(rest, name, place)?;
                out.push_str(&value);
                used
            }
            (None | Some('"'), '`' | '\\') | (None, '*' | '?' | '[') => return None,
            _ => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[used..];
    }
    // one that goes on in the next line is not all here
    quote.is_none().then_some(out)
}

/// What stands for the `$…` at the beginning of a text, and how long that is.
fn filled(text: &str, name: &str, place: Place<'_>) -> Option<(String, usize)> {
    let home = place.home.to_str()?;
    let here = place.project.and_then(Path::to_str);
    let known = [("HOME", Some(home)), ("PWD", here)];
    let is_part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (known, value) in known.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        let whole = format!("${{{known}}}");
        let bare = format!("${known}");
        if text.starts_with(&whole) {
            return Some((value.to_owned(), whole.len()));
        }
        if text.strip_prefix(&bare).is_some_and(|after| !after.starts_with(is_part_of_name)) {
            return Some((value.to_owned(), bare.len()));
        }
    }
    if let Some(here) = here.filter(|_| text.starts_with("$(pwd)")) {
        return Some((here.to_owned(), "$(pwd)".len()));
    }
    // what else sets it is looked at where that stands
    let inner = text.strip_prefix("${")?.strip_prefix(name)?;
    let default = [":-", ":=", "-", "="].iter().find_map(|mark| inner.strip_prefix(mark))?;
    let end = sourced::closing(default)?;
    let value = literal(&default[..end], name, place)?;
    Some((value, text.len() - default.len() + end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<Unresolved>) {
        let mut values = Values::new();
        let names = Names {
            moving: BTreeSet::from(["CODEX_HOME", "CLAUDE_CONFIG_DIR"]),
            content: BTreeSet::from(["OPENCODE_CONFIG_CONTENT"]),
        };
        let place = Place { home: Path::new("/home/dev"), project: None };
        let computed = of_start_file(text, &names, place, &mut values);
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
            ("CODEX_HOME DEFAULT=/c", "/c"),
            ("alias codex='true; CODEX_HOME=/c'", "/c"),
            ("echo \"it's\"; CODEX_HOME='/c'", "/c"),
            ("export CODEX_HOME=${CODEX_HOME:-$HOME/c}/d", "/home/dev/c/d"),
            (": \"${CODEX_HOME:=$HOME/c}\"", "/home/dev/c"),
        ] {
            assert_eq!(read(line), (vec![format!("CODEX_HOME={wanted}")], vec![]), "{line}");
        }
        for line in [
            "CODEX_HOME+=/x",
            "printf -v CODEX_HOME /x",
            "read CODEX_HOME",
            "export CODEX_HOME=$HOMES/x",
            "CODEX_HOME=/a*",
            "export CODEX_HOME=.codex2",
            "export CODEX_HOME=\"/a",
            "CODEX_HOME DEFAULT=@{HOME}/c",
        ] {
            assert_eq!(read(line).1.len(), 1, "{line}");
        }
        for line in [
            "echo $CODEX_HOME",
            "unset CODEX_HOME",
            "MY_CODEX_HOME=/x",
            "set -e CODEX_HOME",
            "ls # CODEX_HOME=/x",
            "export CODEX_HOME=",
        ] {
            assert_eq!(read(line), (vec![], vec![]), "{line}");
        }
    }

    #[test]
    fn a_project_that_sets_a_variable_stands_in_its_own_folder() {
        let names = Names { moving: BTreeSet::from(["CODEX_HOME"]), content: BTreeSet::new() };
        let place = Place { home: Path::new("/home/dev"), project: Some(Path::new("/home/dev/p")) };
        for value in ["$PWD/c", "\"${PWD}/c\"", "$(pwd)/c", "c", "/home/dev/p/c"] {
            let mut values = Values::new();
            let told = of_start_file(&format!("export CODEX_HOME={value}"), &names, place, &mut values);
            assert_eq!(
                (told, &values["CODEX_HOME"]),
                (vec![], &BTreeSet::from([PathBuf::from("/home/dev/p/c")]))
            );
        }
    }

    #[test]
    fn a_computed_value_is_reported_and_never_run() {
        let (values, computed) =
            read("x=1\nexport CODEX_HOME=$(mktemp -d)\nexport CLAUDE_CONFIG_DIR=\"$XDG/c\"\n");
        assert!(values.is_empty());
        assert_eq!(computed.iter().map(|c| c.line).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn a_configuration_as_a_text_is_told_unless_it_plainly_has_no_servers() {
        let told = |value: &str| {
            let (_, told) = read(&format!("export OPENCODE_CONFIG_CONTENT={value}\n"));
            told.iter().any(|one| one.why == Why::Content)
        };
        for value in [
            r#"'{"mcp":{"e":{}}}'"#,
            r#"'{"m\u0063p":{}}'"#,
            "\"$(cat x)\"",
            "$X",
            "'{",
            r#"'{"a":"{file:~/x}"}'"#,
        ] {
            assert!(told(value), "{value}");
        }
        for value in [r#"'{"theme":"dark"}'"#, "''"] {
            assert!(!told(value), "{value}");
        }
    }
}
