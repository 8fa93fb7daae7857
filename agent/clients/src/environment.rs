//! Files of which a client takes variables by itself, before it looks for its files: nobody has to type them, and no shell
//! is asked.

use crate::codec::{self, Dialect, Format};
use crate::location::{ANY_OS, Os};
use crate::node::Node;

/// One of these files.
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentFile {
    /// Where it is, as a template; `<project>/…` is that of a folder that the client is started in or below.
    pub path: &'static str,
    /// Where the template holds.
    pub os: &'static [Os],
    /// How it is read.
    pub form: Form,
    /// What is taken from it, as far as it moves files.
    pub takes: &'static [Taken],
}

/// What a variable in such a file moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Its name there.
    pub name: &'static str,
    /// The variable that is thereby set, which may be another one.
    pub sets: &'static str,
    /// What the client adds to the value.
    pub below: &'static str,
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `NAME=value` on lines, as dotenv has it.
    Dotenv(Marks),
    /// The member `env` of settings in JSON.
    Settings,
}

/// What in a value stands for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// `~/` is the home.
    pub tilde: bool,
    /// `$NAME` is a variable.
    pub variables: bool,
}

impl Marks {
    /// Nothing does.
    pub const NONE: Self = Self { tilde: false, variables: false };
}

impl Taken {
    /// A variable that moves what its name says.
    pub const fn own(name: &'static str) -> Self {
        Self { name, sets: name, below: "" }
    }
}

impl EnvironmentFile {
    /// A file of this form, on any system.
    pub const fn new(path: &'static str, form: Form, takes: &'static [Taken]) -> Self {
        Self { path, os: ANY_OS, form, takes }
    }

    /// On these systems only.
    #[must_use]
    pub const fn on(self, os: &'static [Os]) -> Self {
        Self { os, ..self }
    }

    /// Its path in a project, where it is that of one.
    pub fn in_project(&self) -> Option<&'static str> {
        self.path.strip_prefix("<project>/")
    }
}

/// A setting of a variable that moves files.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// The variable.
    pub taken: Taken,
    /// What stands there, without its quotes.
    pub value: String,
    /// Whether it has more in it than the text that it is.
    pub is_odd: bool,
    /// Line, from 1.
    pub line: u32,
}

/// Most settings of a variable that are taken from one file, or of all in JSON: each is held against the others, and its line
/// is counted. More than anybody needs, and more than is followed.
pub const MAX_SETTINGS: usize = 200;

/// What a file sets. One that cannot be read sets nothing: its client cannot either.
pub fn settings(file: &EnvironmentFile, text: &str) -> Vec<Setting> {
    // in JSON a letter may be written by its number
    let is_hidden = file.form == Form::Settings && text.contains("\\u");
    let is_there = |taken: &&Taken| {
        let (text, name) = (text.as_bytes(), taken.name.as_bytes());
        is_hidden || text.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name))
    };
    // most files have none of the names
    let takes: Vec<Taken> = file.takes.iter().filter(is_there).copied().collect();
    match file.form {
        _ if takes.is_empty() => Vec::new(),
        Form::Settings => of_settings(text, &takes),
        Form::Dotenv(_) => takes.iter().flat_map(|taken| of_dotenv(text, *taken)).collect(),
    }
}

/// What of a name or a value gets into the environment: it ends at a NUL there. Node cuts the rest off without a word.
pub fn before_nul(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}

fn line_of(text: &str, at: usize) -> u32 {
    let lines = text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(lines).unwrap_or(u32::MAX).saturating_add(1)
}

/// Names count in any case, as they do on Windows.
fn of_settings(text: &str, takes: &[Taken]) -> Vec<Setting> {
    let Ok(parsed) = codec::parse(Format::Json(Dialect::UNKNOWN), "settings.json", text) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for member in parsed.root.get("env").map_or(&[][..], Node::members) {
        let name = before_nul(&member.key);
        let taken = takes.iter().find(|taken| taken.name.eq_ignore_ascii_case(name));
        if out.len() == MAX_SETTINGS {
            break;
        }
        if let Some(taken) = taken {
            let line = line_of(text, member.span().start as usize);
            out.push(Setting { taken: *taken, value: member.value.to_js_text(), is_odd: false, line });
        }
    }
    out
}

/// All that one of the readers of this form may take for a setting of the variable: they differ in where a comment
/// begins and which quotes there are.
fn of_dotenv(text: &str, taken: Taken) -> Vec<Setting> {
    let mut out = Vec::new();
    for (at, _) in text.match_indices(taken.name) {
        if out.len() >= MAX_SETTINGS {
            break;
        }
        let (before, after) = (&text[..at], &text[at + taken.name.len()..]);
        let (before, after) = match (before.strip_suffix('\''), after.strip_prefix('\'')) {
            (Some(before), Some(after)) => (before, after),
            _ => (before, after),
        };
        let after = after.trim_start();
        let value = after.strip_prefix('=').or_else(|| after.strip_prefix(':'));
        let Some(value) = value.filter(|_| begins_line(before)) else { continue };
        let mut add = |value: &str| {
            let value = value.trim().to_owned();
            if !value.is_empty() && !out.iter().any(|known: &Setting| known.value == value) {
                let is_path_of_windows = value.as_bytes().get(1) == Some(&b':') || value.starts_with('\\');
                let is_odd = value.contains('\n') || (value.contains('\\') && !is_path_of_windows);
                out.push(Setting { taken, value, is_odd, line: line_of(text, at) });
            }
        };
        // a quoted one may begin on another line and go over several
        let quoted = value.trim_start();
        let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
        if let Some(inside) = quote.and_then(|quote| inside(&quoted[1..], quote)) {
            add(inside);
            continue;
        }
        let line = value.split(['\n', '\r']).next().unwrap_or_default();
        add(line.split('#').next().unwrap_or_default());
        add(line.split(" #").next().unwrap_or_default());
    }
    out
}

/// Whether nothing but `export` stands before on the line.
fn begins_line(before: &str) -> bool {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\u{feff}');
    let ends = |text: &str| {
        let text = text.trim_end_matches(is_space);
        text.is_empty() || text.ends_with(['\n', '\r'])
    };
    let word = before.trim_end();
    ends(before) || (word.len() < before.len() && word.strip_suffix("export").is_some_and(ends))
}

/// What stands before the quote that closes.
fn inside(text: &str, quote: char) -> Option<&str> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return Some(&text[..at]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKES: &[Taken] =
        &[Taken::own("QWEN_HOME"), Taken { name: "HOME", sets: "CODEX_HOME", below: ".codex" }];
    const DOTENV: EnvironmentFile = EnvironmentFile::new("~/.env", Form::Dotenv(Marks::NONE), TAKES);

    fn values(file: &EnvironmentFile, text: &str) -> Vec<String> {
        settings(file, text).into_iter().map(|one| format!("{}={}", one.taken.name, one.value)).collect()
    }

    #[test]
    fn a_nul_ends_the_name_and_the_value_of_a_variable() {
        let settings_file = EnvironmentFile::new("~/s.json", Form::Settings, TAKES);
        let text = r#"{"env": {"QWEN_HOME\u0000x": "/q\u0000y"}}"#;
        let found = settings(&settings_file, text);
        assert_eq!(found.iter().map(|one| before_nul(&one.value)).collect::<Vec<_>>(), ["/q"]);
    }

    #[test]
    fn a_line_that_sets_a_variable_is_read_in_every_spelling() {
        for text in [
            "QWEN_HOME=/q",
            "A=1\nexport QWEN_HOME=/q",
            "  QWEN_HOME = /q  \nB=2",
            "\u{feff}QWEN_HOME='/q'",
            "QWEN_HOME=\"/q\" # mine",
            "QWEN_HOME=`/q`",
            "QWEN_HOME: /q",
            "A=1\rQWEN_HOME=/q\rB=2",
            "QWEN_HOME=\n\"/q\"",
            "QWEN_HOME\n=/q",
            "export\nQWEN_HOME=/q",
            "'QWEN_HOME'=/q",
        ] {
            assert_eq!(values(&DOTENV, text), ["QWEN_HOME=/q"], "{text:?}");
        }
        assert_eq!(values(&DOTENV, "QWEN_HOME=/q#x"), ["QWEN_HOME=/q", "QWEN_HOME=/q#x"]);
        assert_eq!(values(&DOTENV, "QWEN_HOME=/a\nQWEN_HOME=/b"), ["QWEN_HOME=/a", "QWEN_HOME=/b"]);
        assert_eq!(settings(&DOTENV, "A=1\nHOME=/h")[0].line, 2);
    }

    #[test]
    fn other_variables_and_uses_set_nothing() {
        for text in ["# QWEN_HOME=/q", "MY_QWEN_HOME=/q", "QWEN_HOMES=/q", "A=$QWEN_HOME=/q", "QWEN_HOME="] {
            assert_eq!(values(&DOTENV, text), Vec::<String>::new(), "{text:?}");
        }
    }

    #[test]
    fn a_value_that_its_readers_may_take_otherwise_is_odd() {
        assert!(settings(&DOTENV, "QWEN_HOME=\"/a\\/b\"")[0].is_odd);
        assert!(settings(&DOTENV, "QWEN_HOME=\"/a\nb\"")[0].is_odd);
        assert!(!settings(&DOTENV, "QWEN_HOME=C:\\q")[0].is_odd);
    }

    #[test]
    fn settings_set_what_stands_in_their_member() {
        let file = EnvironmentFile::new("~/s.json", Form::Settings, TAKES);
        let text = "{\n// mine\n\"env\":{\"A\":\"b\",\n\"qwen_home\":\"/q\",\"HOME\":[\"/a\",5]}}";
        let found = settings(&file, text);
        assert_eq!((found.len(), found[0].value.as_str(), found[0].line), (2, "/q", 4));
        assert_eq!(found[1].value, "/a,5", "a value is made a text");
        assert_eq!(values(&file, "{\"QWEN_HOME\":\"/q\"}"), Vec::<String>::new());
        assert_eq!(values(&file, "{\"env\""), Vec::<String>::new());
    }
}
