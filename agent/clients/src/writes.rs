//! How a client writes an entry: the other direction of [`crate::reads`].
//!
//! An approved server is written for a developer in the client's own form, and what is secret stays a reference in the
//! client's own syntax. Only clients of which the form is known have one; nothing is guessed into a file.

use std::fmt::Write as _;

use crate::adapter::About;
use crate::codec::Format;
use crate::edit::{Change, Piece, apply, quoted};
use crate::reads::Reads;

/// How a value refers to a variable of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refers {
    /// `${NAME}`.
    Braces,
    /// `${env:NAME}`.
    Env,
    /// `{env:NAME}`.
    BareEnv,
    /// Values refer to nothing; a list member takes the names of variables that are handed on.
    Handed {
        /// The list of names for a command.
        list: &'static str,
        /// The member with the name of the variable that becomes the bearer token of a remote server, if there is one.
        bearer: Option<&'static str>,
    },
    /// Not at all: a secret could only stand there as it is.
    Never,
}

/// The form in which a client writes its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writes {
    /// The word for a command, where the client writes one.
    pub stdio: Option<&'static str>,
    /// The word for streamable HTTP; `None` where an entry with a URL needs none.
    pub http: Option<&'static str>,
    /// The word for server-sent events; `None` where the client has none.
    pub sse: Option<&'static str>,
    /// Whether command and arguments are one list.
    pub vector: bool,
    /// Whether the entry repeats its name, as `name`.
    pub named: bool,
    /// Whether `enabled: true` is written: without it the client takes the entry for switched off.
    pub enabled: bool,
    /// A list that the client asks for, with its items.
    pub list: Option<(&'static str, &'static str)>,
    /// How values refer to variables.
    pub refers: Refers,
}

impl Writes {
    /// `command`, `args`, `env` and `url`, and no word for the transport.
    pub const PLAIN: Self = Self {
        stdio: None,
        http: None,
        sse: None,
        vector: false,
        named: false,
        enabled: false,
        list: None,
        refers: Refers::Never,
    };
}

/// What is started or contacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A program with its arguments.
    Command {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// A remote server.
    Remote {
        /// Its URL.
        url: String,
        /// It speaks server-sent events only.
        sse: bool,
    },
}

/// A variable or header that an entry gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Text in front of the reference, or the whole value.
    pub text: String,
    /// The variable from which the rest of the value comes.
    pub variable: Option<String>,
}

/// A server to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The name under which it is listed.
    pub name: String,
    /// What is started or contacted.
    pub target: Target,
    /// Environment.
    pub env: Vec<Given>,
    /// Headers.
    pub headers: Vec<Given>,
}

/// Why a client has no form for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// The form of its entries is not known.
    #[error("in which form this client writes entries is not known")]
    UnknownForm,
    /// It has no such transport.
    #[error("the client takes no server that speaks server-sent events only")]
    NoSse,
    /// A value refers to a variable, and the client has no way to write that.
    #[error("the client has no way to refer to a variable there")]
    NoReference,
    /// The format of the file.
    #[error("entries are not written into files of this format")]
    Format,
}

/// A value of an entry.
enum Value {
    Text(String),
    List(Vec<String>),
    Map(Vec<(String, String)>),
    Flag(bool),
}

type Members = Vec<(&'static str, Value)>;

impl Refers {
    /// A value that takes a variable in.
    fn value(self, given: &Given) -> Result<String, Unwritable> {
        let Some(name) = &given.variable else { return Ok(given.text.clone()) };
        let reference = match self {
            Self::Braces => format!("${{{name}}}"),
            Self::Env => format!("${{env:{name}}}"),
            Self::BareEnv => format!("{{env:{name}}}"),
            Self::Handed { .. } | Self::Never => return Err(Unwritable::NoReference),
        };
        Ok(format!("{}{reference}", given.text))
    }
}

fn first(names: &'static [&'static str], usual: &'static str) -> &'static str {
    names.first().copied().unwrap_or(usual)
}

/// The members of an entry, in the client's order.
fn members(about: &About, server: &Server) -> Result<Members, Unwritable> {
    let writes = about.writes.ok_or(Unwritable::UnknownForm)?;
    let reads: &Reads = about.reads;
    let mut out: Members = Vec::new();
    if writes.named {
        out.push(("name", Value::Text(server.name.clone())));
    }
    let word = |word: Option<&str>| word.map(|word| ("type", Value::Text(word.to_owned())));
    match &server.target {
        Target::Command { command, args } => {
            out.extend(word(writes.stdio));
            let name = first(reads.command, "command");
            if writes.vector {
                let vector = std::iter::once(command).chain(args).cloned().collect();
                out.push((name, Value::List(vector)));
            } else {
                out.push((name, Value::Text(command.clone())));
                out.push(("args", Value::List(args.clone())));
            }
            given(&server.env, writes.refers, first(reads.env, "env"), &mut out)?;
        }
        Target::Remote { url, sse } => {
            out.extend(word(if *sse { Some(writes.sse.ok_or(Unwritable::NoSse)?) } else { writes.http }));
            // Gemini CLI takes `url` for server-sent events and `httpUrl` for the newer form
            let name = if *sse { "url" } else { first(reads.url, "url") };
            out.push((name, Value::Text(url.clone())));
            sent(&server.headers, writes.refers, first(reads.headers, "headers"), &mut out)?;
        }
    }
    if let Some((name, item)) = writes.list {
        out.push((name, Value::List(vec![item.to_owned()])));
    }
    if writes.enabled {
        out.push(("enabled", Value::Flag(true)));
    }
    Ok(out)
}

/// The environment: what is known as values, what is handed on by name.
fn given(env: &[Given], refers: Refers, name: &'static str, out: &mut Members) -> Result<(), Unwritable> {
    let (mut values, mut handed) = (Vec::new(), Vec::new());
    for one in env {
        match (refers, &one.variable) {
            (Refers::Handed { .. }, Some(variable)) if *variable == one.name && one.text.is_empty() => {
                handed.push(variable.clone());
            }
            _ => values.push((one.name.clone(), refers.value(one)?)),
        }
    }
    if !values.is_empty() {
        out.push((name, Value::Map(values)));
    }
    if let (Refers::Handed { list, .. }, false) = (refers, handed.is_empty()) {
        out.push((list, Value::List(handed)));
    }
    Ok(())
}

/// The headers. A bearer token may have a member of its own.
fn sent(headers: &[Given], refers: Refers, name: &'static str, out: &mut Members) -> Result<(), Unwritable> {
    let mut values = Vec::new();
    for one in headers {
        let is_bearer = one.name.eq_ignore_ascii_case("authorization") && one.text == "Bearer ";
        match (refers, &one.variable) {
            (Refers::Handed { bearer: Some(member), .. }, Some(variable)) if is_bearer => {
                out.push((member, Value::Text(variable.clone())));
            }
            _ => values.push((one.name.clone(), refers.value(one)?)),
        }
    }
    if !values.is_empty() {
        out.push((name, Value::Map(values)));
    }
    Ok(())
}

/// The text of an entry with its key, to be put into a table by [`crate::edit::Change::Insert`].
///
/// # Errors
/// The client has no form for it.
pub fn entry(about: &About, format: Format, table: &str, server: &Server) -> Result<Vec<Piece>, Unwritable> {
    let members = members(about, server)?;
    let text = match format {
        Format::Json(_) => json(&server.name, &members),
        Format::Toml => toml(table, &server.name, &members),
        Format::Yaml => yaml(&server.name, &members),
        Format::YamlOrJson | Format::FrontMatter | Format::Xml | Format::Shell => {
            return Err(Unwritable::Format);
        }
    };
    Ok(vec![Piece { range: 0..text.len(), bytes: text.into_bytes() }])
}

fn inline_list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

fn inline_map(members: &[(String, String)], between: &str) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}{between}{}", quoted(name), quoted(value))).collect();
    format!("{{ {} }}", members.join(", "))
}

fn inline(value: &Value, between: &str) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::List(items) => inline_list(items),
        Value::Map(members) => inline_map(members, between),
        Value::Flag(flag) => flag.to_string(),
    }
}

fn json(name: &str, members: &Members) -> String {
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!("  {}: {}", quoted(key), inline(value, ": "))).collect();
    format!("{}: {{\n{}\n}}", quoted(name), members.join(",\n"))
}

/// A key of TOML, quoted where it must be.
fn toml_key(key: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !key.is_empty() && key.bytes().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// The header of a table, or of an entry in it.
fn toml_path(table: &str, name: Option<&str>) -> String {
    let path = table.split('/').skip(1).map(|part| toml_key(&crate::node::unescape(part)));
    path.chain(name.map(toml_key)).collect::<Vec<_>>().join(".")
}

/// A section of its own.
fn toml(table: &str, name: &str, members: &Members) -> String {
    let mut out = format!("[{}]\n", toml_path(table, Some(name)));
    for (member, value) in members {
        let _ = writeln!(out, "{} = {}", toml_key(member), inline(value, " = "));
    }
    out
}

fn yaml(name: &str, members: &Members) -> String {
    let mut out = format!("{}:\n", yaml_key(name));
    for (member, value) in members {
        let _ = match value {
            Value::Map(map) => {
                let _ = writeln!(out, "  {member}:");
                map.iter()
                    .try_for_each(|(key, value)| writeln!(out, "    {}: {}", yaml_key(key), quoted(value)))
            }
            Value::List(items) if !items.is_empty() => {
                let _ = writeln!(out, "  {member}:");
                items.iter().try_for_each(|item| writeln!(out, "    - {}", quoted(item)))
            }
            other => writeln!(out, "  {member}: {}", inline(other, ": ")),
        };
    }
    out
}

/// A key as it is where it can only be text.
fn yaml_key(key: &str) -> String {
    let is_plain = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && !matches!(
            &*key.to_ascii_lowercase(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if is_plain { key.to_owned() } else { quoted(key) }
}

/// What a file that is not there begins with, so that the first entry has a place; `None` for formats that are not
/// written.
pub fn beginning(format: Format, table: &str) -> Option<String> {
    match format {
        Format::Json(_) => Some("{\n}\n".to_owned()),
        Format::Toml => Some(String::new()),
        Format::Yaml => {
            let first = table.split('/').nth(1).map(crate::node::unescape)?;
            Some(format!("{}: {{}}\n", yaml_key(&first)))
        }
        Format::YamlOrJson | Format::FrontMatter | Format::Xml | Format::Shell => None,
    }
}

/// A file that holds nothing but an entry of this text; `None` where there is none in this format.
pub fn alone(format: Format, path: &str, table: &str, name: &str, pieces: &[Piece]) -> Option<Vec<u8>> {
    let beginning = beginning(format, table)?;
    if format == Format::Toml {
        // an empty file is none that could be edited, and needs no edit: a section is a whole file
        let bytes = pieces.iter().flat_map(|piece| piece.bytes.iter().copied()).collect();
        let text = String::from_utf8(bytes).ok()?;
        let pointer = format!("{table}/{}", crate::node::escape(name));
        let is_whole = crate::codec::toml::parse(&text).is_ok_and(|doc| doc.root.pointer(&pointer).is_some());
        let header = if is_whole { String::new() } else { format!("[{}]\n", toml_path(table, None)) };
        return Some(format!("{header}{}", text.trim_start()).into_bytes());
    }
    let change = Change::Insert { table: table.to_owned(), name: name.to_owned(), pieces: pieces.to_vec() };
    apply(format, path, beginning.as_bytes(), &[change]).ok().map(|edited| edited.bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::adapters;

    fn server(name: &str) -> Server {
        Server {
            name: name.to_owned(),
            target: Target::Command {
                command: "npx".to_owned(),
                args: vec!["-y".to_owned(), "@acme/x@1.0.0".to_owned()],
            },
            env: Vec::new(),
            headers: Vec::new(),
        }
    }

    fn token(name: &str) -> Given {
        Given { name: name.to_owned(), text: String::new(), variable: Some(name.to_owned()) }
    }

    fn written(client: &str, server: &Server, before: Option<&str>) -> Result<String, Unwritable> {
        let about = adapters::by_id(client).unwrap().about();
        let own = |l: &&crate::location::Location| {
            !l.keys.is_empty() && l.role == crate::location::Role::Own && !l.aside
        };
        let location = about.locations.iter().find(own).unwrap();
        let table = location.keys[0];
        let pieces = entry(about, location.format, table, server)?;
        let Some(before) = before else {
            let bytes = alone(location.format, "x", table, &server.name, &pieces).unwrap();
            return Ok(String::from_utf8(bytes).unwrap());
        };
        let change = Change::Insert { table: table.to_owned(), name: server.name.clone(), pieces };
        let edited = apply(location.format, "x", before.as_bytes(), &[change])
            .unwrap_or_else(|e| panic!("{client}: {e}"));
        Ok(String::from_utf8(edited.bytes).unwrap())
    }

    #[test]
    fn each_client_gets_an_entry_in_its_own_form() {
        let one = Server { env: vec![token("API_TOKEN")], ..server("acme") };
        for (client, expected) in [
            (
                "claude-code",
                "{\n  \"mcpServers\": {\n    \"acme\": {\n      \"type\": \"stdio\",\n      \"command\": \"npx\",\n      \"args\": [\"-y\", \"@acme/x@1.0.0\"],\n      \"env\": { \"API_TOKEN\": \"${API_TOKEN}\" }\n    }\n  }\n}\n",
            ),
            (
                "codex",
                "[mcp_servers.acme]\ncommand = \"npx\"\nargs = [\"-y\", \"@acme/x@1.0.0\"]\nenv_vars = [\"API_TOKEN\"]\n",
            ),
            (
                "goose",
                "extensions:\n  acme:\n    name: \"acme\"\n    type: \"stdio\"\n    cmd: \"npx\"\n    args:\n      - \"-y\"\n      - \"@acme/x@1.0.0\"\n    env_keys:\n      - \"API_TOKEN\"\n    enabled: true\n",
            ),
        ] {
            assert_eq!(written(client, &one, None).unwrap().trim(), expected.trim(), "{client}");
        }
        let cursor = written("cursor", &one, None).unwrap();
        assert!(cursor.contains("${env:API_TOKEN}") && !cursor.contains("\"type\""), "{cursor}");
        assert!(written("vscode", &one, None).unwrap().contains("\"type\": \"stdio\""));
        assert_eq!(written("claude-desktop", &one, None), Err(Unwritable::NoReference));
    }

    #[test]
    fn a_client_whose_form_is_not_known_gets_nothing() {
        let unknown = adapters::ALL.iter().filter(|adapter| adapter.about().writes.is_none());
        let unknown: Vec<&str> = unknown.map(|adapter| adapter.about().id).collect();
        assert!(!unknown.is_empty());
        for client in unknown {
            let about = adapters::by_id(client).unwrap().about();
            assert_eq!(members(about, &server("a")).err(), Some(Unwritable::UnknownForm), "{client}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_names_and_values_are_the_rest_of_the_file_stays(
            name in "[a-zA-Z0-9][a-zA-Z0-9 ._@/-]{0,12}",
            arg in "\\PC{0,20}",
            value in "\\PC{1,20}",
        ) {
            let one = Server {
                target: Target::Command { command: "x".to_owned(), args: vec![arg] },
                env: vec![Given { name: "A".to_owned(), text: value, variable: None }],
                ..server(&name)
            };
            for (client, before) in [
                ("claude-code", "{\"a\": 1.50, \"mcpServers\": {\"-\": {\"command\": \"y\"}}, \"z\": [ ]}"),
                ("cursor", "// mine\n{\n\t\"mcpServers\": {\n\t\t// first\n\t\t\"-\": {\"command\": \"y\"}, // behind\n\t}\n}"),
                ("codex", "# mine\nmodel = 'x'\n\n[mcp_servers.-]\ncommand = \"y\"\n\n[other]\nz = 1\n"),
                ("goose", "# mine\nextensions:\n  '-':\n    cmd: y\nother: 1\n"),
            ] {
                let after = written(client, &one, Some(before)).unwrap();
                let kept = before.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b',');
                let mut rest = after.bytes();
                // the original is what is left of the result when the entry is taken out
                prop_assert!(kept.into_iter().all(|b| rest.any(|other| other == b)), "{client}: {after}");
            }
        }
    }
}
