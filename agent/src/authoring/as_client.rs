//! An entry as a client writes it, read as that client reads it: the text is put where the client keeps its servers,
//! and goes through the same codec, adapter and normalisation as a file on a laptop.

use std::path::PathBuf;

use mcpolicy_clients::adapter::ClientAdapter;
use mcpolicy_clients::adapters;
use mcpolicy_clients::codec::Format;
use mcpolicy_clients::location::{Location, Os, Role};
use mcpolicy_clients::node::unescape;
use mcpolicy_schema::entry::{Entry, Scope};

use crate::discover::source::{Reading, Source};
use crate::inventory::{self, State};

/// An entry to be read.
#[derive(Debug, Clone)]
pub struct Written<'a> {
    /// Id of the client.
    pub client: &'a str,
    /// Whose paths and files.
    pub os: Os,
    /// The scope, where it matters.
    pub scope: Option<Scope>,
    /// The name under which it is listed.
    pub name: &'a str,
    /// The entry alone: JSON, or TOML or YAML for clients that keep those.
    pub text: &'a str,
}

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AsClientError {
    /// No adapter has this id.
    #[error("no client has the id {0:?}; docs/clients.md lists the ids")]
    UnknownClient(String),
    /// The client keeps no servers in such a place.
    #[error(
        "{client} keeps no servers in the scope {scope} on {os}; leave scope out, or see docs/clients.md"
    )]
    NoPlace {
        /// Id of the client.
        client: String,
        /// The scope that was asked for.
        scope: &'static str,
        /// The system.
        os: &'static str,
    },
    /// The text is not valid in the client's format.
    #[error(
        "the entry cannot be read as {client} reads it: {why}; write it as it stands in the client's file"
    )]
    Unreadable {
        /// Id of the client.
        client: String,
        /// What the parser says.
        why: String,
    },
}

/// The declarations that the client takes from the text: several where a key stands twice.
///
/// # Errors
/// See [`AsClientError`].
pub fn read(written: &Written<'_>) -> Result<Vec<Entry>, AsClientError> {
    let adapter = adapters::by_id(written.client)
        .ok_or_else(|| AsClientError::UnknownClient(written.client.to_owned()))?;
    let location = place(adapter, written).ok_or_else(|| AsClientError::NoPlace {
        client: written.client.to_owned(),
        scope: written.scope.map_or("any", Scope::as_str),
        os: written.os.as_str(),
    })?;
    let unreadable = |why: String| AsClientError::Unreadable { client: written.client.to_owned(), why };
    let bytes = document(location, written).map_err(unreadable)?;
    let path = PathBuf::from(location.path.rsplit('/').next().unwrap_or_default());
    let source = Source::new(path, None, Reading { adapter, location });
    let taken = inventory::take(&source, bytes.as_bytes());
    if taken.state == State::Unparseable || taken.entries.is_empty() {
        let why = taken.findings.first().map_or("no server is found in it", |f| f.finding.message.as_str());
        return Err(unreadable(why.to_owned()));
    }
    let mut entries = taken.entries;
    // The client keeps these in the file of the user's, under a project; which one plays no part.
    if written.scope == Some(Scope::Local) {
        entries.iter_mut().for_each(|entry| entry.scope = Scope::Local);
    }
    Ok(entries)
}

/// Where the client keeps such an entry; JSON before other formats, as entries are usually written in it.
fn place(adapter: &'static dyn ClientAdapter, written: &Written<'_>) -> Option<&'static Location> {
    let fits = |l: &&Location| {
        l.role == Role::Own
            && !l.keys.is_empty()
            && !matches!(l.format, Format::Shell | Format::Xml)
            && l.os.contains(&written.os)
            && written
                .scope
                .is_none_or(|scope| l.scope == scope || (scope == Scope::Local && l.scope == Scope::User))
    };
    let order = |l: &&Location| (l.scope != Scope::User, l.scope != Scope::Project);
    adapter.about().locations.iter().filter(fits).min_by_key(order)
}

/// A file of the client that holds nothing but the entry.
fn document(location: &Location, written: &Written<'_>) -> Result<String, String> {
    let pointer = location.keys.first().copied().unwrap_or_default();
    let keys: Vec<String> = pointer.split('/').skip(1).map(|k| unescape(k).into_owned()).collect();
    match location.format {
        Format::Toml => toml_document(&keys, written),
        Format::Yaml | Format::YamlOrJson if !written.text.trim_start().starts_with('{') => {
            Ok(yaml_document(&keys, written))
        }
        _ => Ok(json_document(&keys, written)),
    }
}

/// The text stays as it is written: a duplicate key in it is part of what is tested.
fn json_document(keys: &[String], written: &Written<'_>) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let entry = format!("{{{}:{}}}", quoted(written.name), written.text.trim());
    keys.iter().rev().fold(entry, |inner, key| format!("{{{}:{inner}}}", quoted(key)))
}

fn yaml_document(keys: &[String], written: &Written<'_>) -> String {
    let names = keys.iter().map(String::as_str).chain([written.name]);
    let mut out = String::new();
    let mut depth = 0;
    for name in names {
        out.push_str(&"  ".repeat(depth));
        out.push_str(&serde_json::Value::from(name).to_string());
        out.push_str(":\n");
        depth += 1;
    }
    for line in written.text.lines() {
        out.push_str(&"  ".repeat(depth));
        out.push_str(line);
        out.push('\n');
    }
    out
}

fn toml_document(keys: &[String], written: &Written<'_>) -> Result<String, String> {
    let quoted = |text: &String| serde_json::Value::from(text.as_str()).to_string();
    let name = written.name.to_owned();
    let path: Vec<String> = keys.iter().chain([&name]).map(quoted).collect();
    let path = path.join(".");
    if !written.text.trim_start().starts_with('{') {
        return Ok(format!("[{path}]\n{}\n", written.text));
    }
    let json: serde_json::Value = serde_json::from_str(written.text).map_err(|e| e.to_string())?;
    let table = toml::Value::try_from(without_nulls(json)).map_err(|e| e.to_string())?;
    Ok(format!("{path} = {table}\n"))
}

/// TOML has no null; a member without value is one that is not there.
fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, v)| !v.is_null());
            serde_json::Value::Object(kept.map(|(k, v)| (k, without_nulls(v))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_reads_an_entry_put_where_it_keeps_its_servers() {
        for adapter in adapters::ALL {
            let client = adapter.about().id;
            let os = [Os::Linux, Os::Macos, Os::Windows].into_iter().find(|os| {
                adapter.about().locations.iter().any(|l| {
                    l.role == Role::Own && !l.keys.is_empty() && l.os.contains(os) && l.format != Format::Xml
                })
            });
            let Some(os) = os else {
                // A client that keeps its servers in XML alone cannot be tested by a row.
                panic!("{client} has no place for a test entry");
            };
            let text = match client {
                "opencode" | "kilo-code" => {
                    r#"{"type":"local","command":["npx","-y","@scope/server@1.0.0"]}"#
                }
                _ => r#"{"type":"stdio","command":"npx","args":["-y","@scope/server@1.0.0"]}"#,
            };
            let written = Written { client, os, scope: None, name: "it", text };
            let entries = read(&written).unwrap_or_else(|error| panic!("{client}: {error}"));
            assert_eq!(entries.len(), 1, "{client}");
            assert_eq!(entries[0].name, "it", "{client}");
            let identity = mcpolicy_schema::identity::identify(&entries[0]);
            assert_eq!(identity.name, "@scope/server", "{client}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_gives_two_readings() {
        let text = r#"{"command":"npx","args":["a@1"],"command":"/tmp/evil"}"#;
        let written = Written { client: "cursor", os: Os::Linux, scope: None, name: "x", text };
        assert!(!read(&written).unwrap().is_empty());
        let text = r#"{"command":"a"},"x":{"command":"b"}"#;
        assert_eq!(read(&Written { text, ..written }).unwrap().len(), 2);
    }

    #[test]
    fn clients_with_toml_take_toml_and_json() {
        for text in
            ["command = \"npx\"\nargs = [\"p@1.0.0\"]", r#"{"command":"npx","args":["p@1.0.0"],"cwd":null}"#]
        {
            let written = Written { client: "codex", os: Os::Linux, scope: None, name: "x.y", text };
            let entries = read(&written).unwrap();
            assert_eq!((entries.len(), entries[0].args.len()), (1, 1));
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let written = Written { client: "no-such", os: Os::Linux, scope: None, name: "x", text: "{}" };
        assert!(read(&written).unwrap_err().to_string().contains("docs/clients.md"));
        let written = Written { client: "claude-code", text: "{\"command\":", ..written };
        assert!(read(&written).unwrap_err().to_string().contains("claude-code"));
    }
}
