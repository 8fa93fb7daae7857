//! What somebody asks about, before anyone edits anything: a command line, a URL, or text as it stands in the file of any
//! client.

use std::path::PathBuf;

use mcpolicy_clients::adapter::ClientAdapter;
use mcpolicy_clients::adapters;
use mcpolicy_clients::codec::{self, Format, json, toml, yaml};
use mcpolicy_clients::location::{Location, Os, Role};
use mcpolicy_clients::servers;
use mcpolicy_schema::entry::{ClientId, Entry, Reader, Scope, Transport};

use crate::authoring::as_client::{self, Written};
use crate::discover::source::{Reading, Source};
use crate::discover::unknown::{self, UnknownClient};
use crate::inventory::{self, State};

/// Longest text that is read, in bytes.
pub const MAX_TEXT: usize = 1024 * 1024;
/// The name of what is asked about without one.
const NAMELESS: &str = "asked";

/// What is asked about.
#[derive(Clone)]
pub struct Spec {
    /// The entries: several in a pasted file.
    pub entries: Vec<Entry>,
    /// As whose file they were read.
    pub reading: Reading,
    /// The name of the file as which they were read.
    pub file: PathBuf,
    /// The client that was named, or that the text gives away.
    pub client: Option<ClientId>,
}

/// How it is asked.
#[derive(Debug, Clone, Copy)]
pub struct How<'a> {
    /// Id of the client.
    pub client: Option<&'a str>,
    /// The name that the entry would have.
    pub name: Option<&'a str>,
    /// Whose paths and files.
    pub os: Os,
}

/// Why there is nothing to judge. No variant holds text that was pasted.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// Nothing was given.
    #[error(
        "nothing to check: give a command after `--`, a URL, or an entry as JSON, TOML or YAML (`-` reads it from standard input)"
    )]
    Nothing,
    /// No adapter has this id.
    #[error("no client has the id {0:?}; docs/clients.md lists the ids")]
    UnknownClient(String),
    /// It is longer than any configuration that people paste.
    #[error("the text is longer than {} KiB; name the file to `mcpolicy scan --file` instead", MAX_TEXT / 1024)]
    TooLong,
    /// It cannot be parsed.
    #[error("the text cannot be parsed as {format}: {why}, line {line}")]
    Unreadable {
        /// What it looks like.
        format: &'static str,
        /// What the parser says; never text of the file.
        why: String,
        /// The line.
        line: usize,
    },
    /// It can be parsed, and no server is in it.
    #[error(
        "no server is found in the text; paste it as it stands in the client's file, or say whose it is with --client"
    )]
    NoServer,
}

/// Reads the words of a command line. One word that is no program is a URL or pasted text.
///
/// # Errors
/// See [`SpecError`].
pub fn of_words(words: &[String], how: How<'_>) -> Result<Spec, SpecError> {
    match words {
        [] => Err(SpecError::Nothing),
        // a variable of a script that is not set, say
        [command, ..] if command.trim().is_empty() => Err(SpecError::Nothing),
        [one] if is_url(one) => Ok(Spec::single(Entry::remote(one.as_str()), how)?),
        [one] if is_pasted(one) => of_text(one, how),
        [command, args @ ..] => {
            let entry = Entry::stdio(command.as_str(), args.iter().map(String::as_str));
            Ok(Spec::single(entry, how)?)
        }
    }
}

fn is_url(word: &str) -> bool {
    let scheme = word.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| matches!(&*scheme, "http" | "https" | "ws" | "wss" | "sse"))
}

fn is_pasted(word: &str) -> bool {
    let word = word.trim_start();
    word.starts_with(['{', '[']) || word.starts_with("//") || word.contains('\n')
}

fn client_of(how: How<'_>) -> Result<Option<&'static dyn ClientAdapter>, SpecError> {
    let by_id = |id: &str| adapters::by_id(id).ok_or_else(|| SpecError::UnknownClient(id.to_owned()));
    how.client.map(by_id).transpose()
}

/// Whether entries are kept at a location, as the user writes them.
fn is_usual(location: &Location, os: Os) -> bool {
    location.role == Role::Own
        && !location.keys.is_empty()
        && !location.aside
        && location.os.contains(&os)
        && !matches!(location.format, Format::Shell | Format::Xml)
        && matches!(location.scope, Scope::User | Scope::Project)
}

impl Spec {
    /// One entry that stands in no file yet.
    fn single(mut entry: Entry, how: How<'_>) -> Result<Self, SpecError> {
        how.name.unwrap_or_default().clone_into(&mut entry.name);
        let Some(adapter) = client_of(how)? else {
            let file = PathBuf::from("asked.json");
            let reading = Reading { adapter: &UnknownClient, location: unknown::location_for(&file) };
            return Ok(Self { entries: vec![entry], reading, file, client: None });
        };
        let about = adapter.about();
        entry.client = about.id;
        entry.readers = vec![Reader { client: about.id, setting: None }];
        if entry.transport == Transport::Http && about.untyped_url != Transport::Unknown {
            entry.transport = about.untyped_url;
        }
        let location = about.locations.iter().find(|location| is_usual(location, how.os));
        let location = location.or(about.locations.first()).ok_or(SpecError::NoServer)?;
        Ok(Self {
            entries: vec![entry],
            reading: Reading { adapter, location },
            file: file_of(location),
            client: Some(about.id),
        })
    }

    /// The file that would hold the entries, below a folder.
    pub fn source(&self, folder: &std::path::Path, home: Option<usize>) -> Source {
        Source::new(folder.join(&self.file), home, self.reading)
    }
}

fn file_of(location: &Location) -> PathBuf {
    PathBuf::from(location.path.rsplit('/').next().unwrap_or_default().replace('*', "asked"))
}

/// Reads text as it stands in a client's file: the whole file, the table of servers, or one entry.
///
/// # Errors
/// See [`SpecError`].
pub fn of_text(text: &str, how: How<'_>) -> Result<Spec, SpecError> {
    if text.len() > MAX_TEXT {
        return Err(SpecError::TooLong);
    }
    if text.trim().is_empty() {
        return Err(SpecError::Nothing);
    }
    let format = look(text)?;
    match client_of(how)? {
        Some(adapter) => of_client(text, format, adapter, how),
        None => of_nobody(text, format, how),
    }
}

/// What a text is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Json,
    Toml,
    Yaml,
}

impl Syntax {
    fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Toml => "toml",
            Self::Yaml => "yaml",
        }
    }

    fn is_of(self, format: Format) -> bool {
        match format {
            Format::Json(_) => self == Self::Json,
            Format::Toml => self == Self::Toml,
            Format::Yaml => self == Self::Yaml,
            Format::YamlOrJson => self != Self::Toml,
            Format::FrontMatter | Format::Xml | Format::Shell => false,
        }
    }
}

/// Tells the format, and refuses what is damaged: of half an entry the verdict would be about the wrong thing.
fn look(text: &str) -> Result<Syntax, SpecError> {
    let start = text.trim_start().trim_start_matches('\u{feff}');
    let is_json = start.starts_with('{') || start.starts_with("//") || start.starts_with("/*");
    let at_line =
        |offset: usize| text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
    let refused = |format: &'static str, error: codec::ParseError| SpecError::Unreadable {
        format,
        line: at_line(error.offset),
        why: error.message,
    };
    if is_json {
        return json::parse(text, false).map(|_| Syntax::Json).map_err(|error| refused("JSON", error));
    }
    if toml::parse(text).is_ok() {
        return Ok(Syntax::Toml);
    }
    yaml::parse(text).map(|_| Syntax::Yaml).map_err(|error| refused("TOML or YAML", error))
}

/// As a client reads it, wherever it keeps such a file.
fn of_client(
    text: &str,
    syntax: Syntax,
    adapter: &'static dyn ClientAdapter,
    how: How<'_>,
) -> Result<Spec, SpecError> {
    let about = adapter.about();
    let fits = |l: &&Location| is_usual(l, how.os) && syntax.is_of(l.format);
    for location in about.locations.iter().filter(fits) {
        let spec = taken(text, Reading { adapter, location }, file_of(location));
        if let Some(spec) = spec {
            return Ok(Spec { client: Some(about.id), ..spec });
        }
    }
    // one entry alone, or a table of them
    let name = how.name.unwrap_or(NAMELESS);
    let written = Written { client: about.id, os: how.os, scope: None, name, text };
    let entries = as_client::read(&written).map_err(|_| SpecError::NoServer)?;
    let location = about.locations.iter().find(|location| is_usual(location, how.os));
    let location = location.ok_or(SpecError::NoServer)?;
    let entries: Vec<Entry> = entries.into_iter().filter(is_something).collect();
    if entries.is_empty() {
        return of_nobody(text, syntax, how).map(|spec| of_this(spec, adapter));
    }
    let (reading, file) = (Reading { adapter, location }, file_of(location));
    Ok(Spec { entries, reading, file, client: Some(about.id) })
}

/// Entries in the form of another client, for one that was named.
fn of_this(mut spec: Spec, adapter: &'static dyn ClientAdapter) -> Spec {
    let id = adapter.about().id;
    for entry in &mut spec.entries {
        entry.client = id;
        entry.readers = vec![Reader { client: id, setting: None }];
    }
    Spec { client: Some(id), ..spec }
}

fn is_something(entry: &Entry) -> bool {
    entry.command.is_some() || entry.url.is_some() || entry.transport == Transport::Builtin
}

/// As any client would: by the usual keys, or by the shape.
fn of_nobody(text: &str, syntax: Syntax, how: How<'_>) -> Result<Spec, SpecError> {
    let file = PathBuf::from(format!("asked.{}", syntax.extension()));
    let reading = Reading { adapter: &UnknownClient, location: unknown::location_for(&file) };
    let name = how.name.unwrap_or(NAMELESS);
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut tries = vec![text.to_owned()];
    match syntax {
        Syntax::Json => {
            let text = text.trim_start().trim_start_matches('\u{feff}');
            let is_entry = json::parse(text, false).is_ok_and(|doc| servers::looks_like_entry(&doc.root));
            if is_entry {
                tries = vec![format!("{{\"mcpServers\":{{{}:{text}\n}}}}", quoted(name))];
            } else {
                tries.push(format!("{{\"mcpServers\":{text}\n}}"));
            }
        }
        Syntax::Toml => tries.push(format!("[mcp_servers.{}]\n{text}", quoted(name))),
        Syntax::Yaml => {
            let inner: String = text.lines().map(|line| format!("    {line}\n")).collect();
            tries.push(format!("mcpServers:\n  {}:\n{inner}", quoted(name)));
        }
    }
    let found = tries.iter().find_map(|text| taken(text, reading, file.clone()));
    // Goose keeps its servers under a key of its own
    let by_goose = || {
        let adapter = adapters::by_id("goose")?;
        let location = adapter.about().locations.iter().find(|location| is_usual(location, how.os))?;
        let is_its = syntax == Syntax::Yaml;
        let spec = is_its.then(|| taken(text, Reading { adapter, location }, file_of(location))).flatten()?;
        Some(Spec { client: Some(adapter.about().id), ..spec })
    };
    found.or_else(by_goose).ok_or(SpecError::NoServer)
}

/// What is taken from a text that is read as one location's file.
fn taken(text: &str, reading: Reading, file: PathBuf) -> Option<Spec> {
    let source = Source::new(file.clone(), None, reading);
    let taken = inventory::take(&source, text.as_bytes());
    let is_whole = !matches!(taken.state, State::Unparseable | State::NotEvaluable);
    let entries: Vec<Entry> = taken.entries.into_iter().filter(is_something).collect();
    (is_whole && !entries.is_empty()).then_some(Spec { entries, reading, file, client: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: How<'static> = How { client: None, name: None, os: Os::Linux };

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn names(spec: &Spec) -> Vec<(String, String)> {
        let shown = |entry: &Entry| {
            let identity = mcpolicy_schema::identity::identify(entry);
            (entry.name.clone(), identity.name)
        };
        spec.entries.iter().map(shown).collect()
    }

    #[test]
    fn a_command_a_url_and_an_entry_are_told_apart() {
        let command = of_words(&words(&["npx", "-y", "foo@1.0.0"]), ANY).unwrap();
        assert_eq!(names(&command), [(String::new(), "foo".to_owned())]);
        let url = of_words(&words(&["https://mcp.example.com/mcp"]), ANY).unwrap();
        assert_eq!(url.entries[0].transport, Transport::Http);
        let entry = of_words(&words(&[r#"{"command":"npx","args":["foo"]}"#]), ANY).unwrap();
        assert_eq!(names(&entry), [("asked".to_owned(), "foo".to_owned())]);
        for nothing in [&[][..], &[""], &[" "], &["", "x"]] {
            assert!(matches!(of_words(&words(nothing), ANY), Err(SpecError::Nothing)), "{nothing:?}");
        }
    }

    #[test]
    fn text_of_every_form_is_read() {
        let foo = [("a".to_owned(), "foo".to_owned())];
        for text in [
            r#"{"mcpServers":{"a":{"command":"npx","args":["foo"]}}}"#,
            "// mine\n{\"servers\":{\"a\":{\"command\":\"npx\",\"args\":[\"foo\"],},},}",
            r#"{"a":{"command":"npx","args":["foo"]}}"#,
            "[mcp_servers.a]\ncommand = \"npx\"\nargs = [\"foo\"]\n",
            "mcpServers:\n  a:\n    command: npx\n    args: [foo]\n",
            "extensions:\n  a:\n    type: stdio\n    enabled: true\n    cmd: npx\n    args: [foo]\n",
        ] {
            let spec = of_text(text, ANY).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(names(&spec), foo, "{text}");
        }
        let named = How { name: Some("b"), ..ANY };
        for text in [
            "command = \"npx\"\nargs = [\"foo\"]\n",
            "command: npx\nargs: [foo]\n",
            r#"{"command":"npx","args":["foo"]}"#,
        ] {
            let spec = of_text(text, named).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(names(&spec), [("b".to_owned(), "foo".to_owned())], "{text}");
        }
    }

    #[test]
    fn a_client_that_is_named_reads_the_whole_file_or_one_entry() {
        let codex = How { client: Some("codex"), ..ANY };
        let spec =
            of_text("model = \"x\"\n[mcp_servers.a]\ncommand = \"npx\"\nargs = [\"foo\"]\n", codex).unwrap();
        assert_eq!((names(&spec), spec.client), (vec![("a".to_owned(), "foo".to_owned())], Some("codex")));
        let one = of_text("command = \"npx\"\nargs = [\"foo\"]\n", codex).unwrap();
        assert_eq!((one.entries[0].client, one.entries.len()), ("codex", 1));
        let claude = How { client: Some("claude-code"), ..ANY };
        let spec = of_text(r#"{"url":"https://mcp.example.com/mcp"}"#, claude).unwrap();
        assert!(spec.entries[0].inert.is_some(), "Claude Code takes no URL without a type");
        let unknown = How { client: Some("nobody"), ..ANY };
        assert!(matches!(of_text("{}", unknown), Err(SpecError::UnknownClient(_))));
    }

    #[test]
    fn what_is_damaged_or_holds_nothing_is_said_without_any_of_its_text() {
        let secret = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
        for text in [
            format!("{{\"mcpServers\":{{\"a\":{{\"env\":{{\"T\":\"{secret}\""),
            format!("{{\"note\":\"{secret}\"}}"),
            format!("a: [{secret}"),
            format!("{secret}\n"),
        ] {
            let error = of_text(&text, ANY).err().unwrap_or_else(|| panic!("{text}")).to_string();
            assert!(!error.contains("ghp_"), "{error}");
        }
    }
}
