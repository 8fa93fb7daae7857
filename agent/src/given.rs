//! Servers that clients are given on their command lines: those stand in no file.
//!
//! Claude Code takes `--mcp-config` with files or JSON, several behind one flag (tested with 2.1.x); Copilot CLI takes
//! `--additional-mcp-config`; Codex takes `-c mcp_servers.NAME.command=…`, whose value is TOML or, failing that, text.

use mcpolicy_clients::location::Os;
use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::redact::Redactor;

use crate::answers::spec::{self, How};
use crate::running::RunningClient;

/// Longest text of a flag that is read, in bytes. What is longer is told, and not read.
///
/// Attack: a hundred processes with the name of a client and as much on their command lines as the system takes.
const MAX_INLINE: usize = 64 * 1024;
/// Most servers of one client.
const MOST: usize = 64;

/// One flag by which a client was given servers.
#[derive(Debug)]
pub struct Given {
    /// In words, for a sentence that begins with the client: `was given servers by --mcp-config: inline JSON`.
    pub said: String,
    /// The servers, as far as the command line says what they are.
    pub entries: Vec<Entry>,
    /// It names a file, or is of a form that is not read: there may be others.
    pub is_unread: bool,
}

/// What a client was given.
pub fn of_client(client: &RunningClient<'_>, redactor: &Redactor) -> Vec<Given> {
    let words: Vec<&str> = client.process.args.iter().map(String::as_str).collect();
    let id = client.adapter.about().id;
    let mut given: Vec<Given> =
        configs(&words).into_iter().map(|(flag, value)| of_config(id, flag, value, redactor)).collect();
    given.extend(of_settings(id, &settings(&words), redactor));
    given
}

/// The values of flags that take files or JSON.
fn configs<'w>(words: &[&'w str]) -> Vec<(&'w str, &'w str)> {
    const FLAGS: [&str; 2] = ["--mcp-config", "--additional-mcp-config"];
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let (flag, joined) = word.split_once('=').map_or((*word, None), |(flag, value)| (flag, Some(value)));
        if !FLAGS.contains(&flag) {
            continue;
        }
        let apart = words[at + 1..].iter().copied().take_while(|word| !word.starts_with('-'));
        match joined {
            Some(value) => found.push((flag, value)),
            None => found.extend(apart.map(|value| (flag, value))),
        }
    }
    found
}

fn of_config(client: &str, flag: &str, value: &str, redactor: &Redactor) -> Given {
    let is_inline = value.trim_start().starts_with('{');
    let shown = if is_inline { "inline JSON".to_owned() } else { redactor.text(value) };
    let entries = if is_inline { read(client, value) } else { Vec::new() };
    Given { said: format!("was given servers by {flag}: {shown}"), is_unread: entries.is_empty(), entries }
}

/// The settings of Codex that concern servers, by the path of their key.
fn settings<'w>(words: &[&'w str]) -> Vec<(&'w str, &'w str)> {
    let value = |(at, word): (usize, &&'w str)| match *word {
        "-c" | "--config" => words.get(at + 1).copied(),
        word => word.strip_prefix("--config=").or_else(|| word.strip_prefix("-c")),
    };
    let pairs = words.iter().enumerate().filter_map(value).filter_map(|setting| setting.split_once('='));
    pairs.filter(|(key, _)| key.trim().split('.').next() == Some("mcp_servers")).collect()
}

fn of_settings(client: &str, settings: &[(&str, &str)], redactor: &Redactor) -> Option<Given> {
    let (first, _) = settings.first()?;
    let mut root = toml::Table::new();
    let is_whole = settings.iter().all(|(key, value)| put(&mut root, key, value));
    let entries = toml::to_string(&root).map(|text| read(client, &text)).unwrap_or_default();
    let names = root.get("mcp_servers").and_then(toml::Value::as_table);
    let names: Vec<String> =
        names.into_iter().flat_map(toml::Table::keys).take(MOST).map(|name| redactor.name(name)).collect();
    let shown = if names.is_empty() { redactor.name(first) } else { names.join(", ") };
    Some(Given {
        said: format!("was given the server {shown} by -c"),
        is_unread: !is_whole || entries.is_empty(),
        entries,
    })
}

/// Puts one setting where it belongs; whether there was a place for it.
fn put(root: &mut toml::Table, key: &str, text: &str) -> bool {
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    let path: Vec<&str> = key.split('.').map(str::trim).collect();
    let Some((last, above)) = path.split_last() else { return false };
    let mut table = root;
    for name in above {
        let below = table.entry((*name).to_owned()).or_insert_with(|| toml::Table::new().into());
        let Some(below) = below.as_table_mut() else { return false };
        table = below;
    }
    table.insert((*last).to_owned(), value.unwrap_or_else(|| text.into()));
    true
}

fn read(client: &str, text: &str) -> Vec<Entry> {
    if text.len() > MAX_INLINE {
        return Vec::new();
    }
    let how = How { client: Some(client), name: None, os: Os::Linux };
    let found = spec::of_text(text, how).map(|spec| spec.entries).unwrap_or_default();
    found.into_iter().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use mcpolicy_platform::processes::Process;
    use mcpolicy_schema::sensitive::Sensitive;

    use super::*;
    use crate::running;

    /// Name and words of a server.
    type Server = (String, Vec<String>);

    fn given(words: &[&str]) -> Vec<(String, Vec<Server>, bool)> {
        let process = Process {
            pid: 4_200_000,
            parent: None,
            name: String::new(),
            exe: None,
            args: words.iter().map(|word| (*word).to_owned()).collect(),
            uid: Some(1000),
            start_time: 0,
            cwd: None,
        };
        let all = [process];
        let clients = running::clients(&all);
        let shown = |entry: &Entry| {
            let runs = entry.command.iter().chain(entry.url.iter()).chain(&entry.args).map(Sensitive::expose);
            (entry.name.clone(), runs.map(str::to_owned).collect())
        };
        let given = of_client(&clients[0], &Redactor::new(b"key"));
        given
            .into_iter()
            .map(|one| (one.said, one.entries.iter().map(shown).collect(), one.is_unread))
            .collect()
    }

    fn server(name: &str, words: &[&str]) -> Server {
        (name.to_owned(), words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn claude_code_is_given_servers_as_text_and_as_files_several_behind_one_flag() {
        let text = r#"{"mcpServers":{"x":{"command":"/usr/bin/node","args":["tool.js"],"env":{"K":"Planted99999"}}}}"#;
        let found = given(&["claude", "--mcp-config", text, "other.json", "-p", "x.json"]);
        assert_eq!(found[0].0, "was given servers by --mcp-config: inline JSON");
        assert_eq!((&found[0].1, found[0].2), (&vec![server("x", &["/usr/bin/node", "tool.js"])], false));
        assert_eq!(found[1], ("was given servers by --mcp-config: other.json".to_owned(), vec![], true));
        assert_eq!(found.len(), 2);
        let joined = format!("--mcp-config={text}");
        assert_eq!(given(&["claude", &joined])[0].1.len(), 1);
        assert!(!format!("{found:?}").contains("Planted99999"));
    }

    #[test]
    fn codex_is_given_servers_setting_by_setting_in_toml_or_plain_text() {
        let words = ["codex", "-c", "mcp_servers.x.command=node", "-c", "mcp_servers.x.args=[\"tool.js\"]"];
        let wanted =
            [("was given the server x by -c".to_owned(), vec![server("x", &["node", "tool.js"])], false)];
        assert_eq!(given(&words), wanted);
        let table = ["codex", "--config=mcp_servers.y={url=\"https://y.example/mcp\"}", "-c", "model=o3"];
        assert_eq!(given(&table)[0].1, [server("y", &["https://y.example/mcp"])]);
        let clash = ["codex", "-c", "mcp_servers.y=1", "-c", "mcp_servers.y.command=node"];
        assert!(given(&clash)[0].2, "what cannot be read is told as such");
        assert_eq!(given(&["codex", "-c", "model=o3", "-c"]), []);
    }

    #[test]
    fn what_is_longer_than_is_read_is_told_all_the_same() {
        let long = format!(r#"{{"mcpServers":{{"x":{{"command":"{}"}}}}}}"#, "x".repeat(MAX_INLINE));
        assert_eq!(given(&["claude", "--mcp-config", &long])[0].1, []);
        assert!(given(&["claude", "--mcp-config", &long])[0].2);
    }
}
