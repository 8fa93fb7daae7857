//! Servers that clients are given on their command lines: those stand in no file.
//!
//! Claude Code takes `--mcp-config` with files or JSON, several behind one flag (tested with 2.1.x); Copilot CLI takes
//! `--additional-mcp-config`; Codex takes `-c mcp_servers.NAME.command=…`, whose value is TOML or, failing that, text.

use mcpolicy_clients::location::Os;
use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::redact::Redactor;

use crate::answers::spec::{self, How};
use crate::running::RunningClient;

/// Most that is read of what one client was given, in bytes. What is beyond is told, and not read.
///
/// Attack: processes with the name of a client and as much on their command lines as the system takes.
const MAX_BYTES: usize = 64 * 1024;
/// Most values of flags, and most settings, of one client.
const MOST_VALUES: usize = 64;
/// Most servers of one client. What is beyond is told, and not read.
///
/// Attack: a denied server behind very many that are allowed, or thousands of them, each of which is judged at each look.
const MOST: usize = 64;
/// Most of the marks of TOML that lie one in the other, in the value of one setting; it can be no deeper. With the parts of its
/// key it stays below the 80 that is read again.
///
/// Attack: a parser that bounds tables in braces and the parts of a key each for itself takes one of both: thousands of
/// tables in each other, see [`MOST_PARTS`].
const MOST_MARKS: usize = 64;
/// Longest value of a flag that is shown at all.
const MAX_VALUE: usize = 4096;
/// Most parts of the key of a setting, and its longest.
///
/// Attack: a key of 65,000 parts is as many tables in each other, at which whoever walks them has no stack left: root's agent
/// ended, and again at each start.
const MOST_PARTS: usize = 8;
const MAX_KEY: usize = 512;
/// Longest name or value that is shown, in characters, and most names.
const MAX_SHOWN: usize = 100;
const MOST_SHOWN: usize = 5;

/// One flag by which a client was given servers.
#[derive(Debug)]
pub struct Given {
    /// In words, for a sentence that begins with the client: `was given servers by --mcp-config: inline JSON`.
    pub said: String,
    /// The servers, as far as the command line says what they are.
    pub entries: Vec<Entry>,
    /// Why there may be others.
    pub unread: Option<Unread>,
}

/// Why something of what a client was given is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unread {
    /// It names a file, or is of a form that is not read.
    Form,
    /// It is more than is read of one client, which nobody needs who hides nothing.
    Bound,
}

/// Whether a client was given servers at all.
pub fn is_given(client: &RunningClient<'_>) -> bool {
    let words: Vec<&str> = client.process.args.iter().map(String::as_str).collect();
    !configs(&words).is_empty() || !settings(&words).is_empty()
}

/// What a client was given.
pub fn of_client(client: &RunningClient<'_>, redactor: &Redactor) -> Vec<Given> {
    let words: Vec<&str> = client.process.args.iter().map(String::as_str).collect();
    let id = client.adapter.about().id;
    let mut room = Room { bytes: MAX_BYTES, servers: MOST };
    let configs = configs(&words);
    let mut given: Vec<Given> = configs
        .iter()
        .take(MOST_VALUES)
        .map(|(flag, value)| of_config(id, flag, value, &mut room, redactor))
        .collect();
    if configs.len() > MOST_VALUES {
        let said = format!("was given {} more files or texts of servers", configs.len() - MOST_VALUES);
        given.push(Given { said, entries: Vec::new(), unread: Some(Unread::Bound) });
    }
    given.extend(of_settings(id, &settings(&words), &mut room, redactor));
    given
}

/// How much more is read of one client.
struct Room {
    bytes: usize,
    servers: usize,
}

/// A part of what may be very long, in one piece with a mark behind it.
fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The first few of some names.
pub fn names<'n>(entries: impl ExactSizeIterator<Item = &'n str>, redactor: &Redactor) -> String {
    let more = entries.len().saturating_sub(MOST_SHOWN);
    let mut shown: Vec<String> = entries.take(MOST_SHOWN).map(|name| short(&redactor.name(name))).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

/// The values of flags that take files or JSON. Claude Code takes several behind one, Copilot CLI one. The first word behind a
/// flag is its value, whatever it begins with (commander, which both use).
fn configs<'w>(words: &[&'w str]) -> Vec<(&'w str, &'w str)> {
    const FLAGS: [(&str, usize); 2] = [("--mcp-config", usize::MAX), ("--additional-mcp-config", 1)];
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let (flag, joined) = word.split_once('=').map_or((*word, None), |(flag, value)| (flag, Some(value)));
        let Some((_, most)) = FLAGS.iter().find(|(known, _)| *known == flag) else { continue };
        let mut apart = words[at + 1..].iter().copied();
        let first = joined.or_else(|| apart.next());
        found.extend(first.map(|value| (flag, value)));
        if joined.is_none() {
            let more = apart.take_while(|word| !word.starts_with('-'));
            found.extend(more.take(most - 1).map(|value| (flag, value)));
        }
    }
    found
}

fn of_config(client: &str, flag: &str, value: &str, room: &mut Room, redactor: &Redactor) -> Given {
    let is_inline = value.trim_start().starts_with('{');
    let shown = match value {
        _ if is_inline => "inline JSON".to_owned(),
        // what is no path may be a text of servers with their secrets, behind a mark or in a list
        _ if value.len() > MAX_VALUE || value.contains(['{', '"', '\n']) => {
            format!("a text of {} bytes", value.len())
        }
        path => short(&redactor.text(path)),
    };
    let (entries, unread) =
        if is_inline { read(client, value, room) } else { (Vec::new(), Some(Unread::Form)) };
    Given { said: format!("was given servers by {flag}: {shown}"), unread, entries }
}

/// The settings of Codex that concern servers, by the path of their key.
fn settings<'w>(words: &[&'w str]) -> Vec<(&'w str, &'w str)> {
    let value = |(at, word): (usize, &&'w str)| match *word {
        "-c" | "--config" => words.get(at + 1).copied(),
        // clap takes `-cKEY=VALUE` and `-c=KEY=VALUE`
        word => word
            .strip_prefix("--config=")
            .or_else(|| word.strip_prefix("-c").map(|setting| setting.strip_prefix('=').unwrap_or(setting))),
    };
    let pairs = words.iter().enumerate().filter_map(value).filter_map(|setting| setting.split_once('='));
    pairs.filter(|(key, _)| key.trim().split('.').next() == Some("mcp_servers")).collect()
}

fn of_settings(
    client: &str,
    settings: &[(&str, &str)],
    room: &mut Room,
    redactor: &Redactor,
) -> Option<Given> {
    let (first, _) = settings.first()?;
    let bytes: usize = settings.iter().map(|(key, value)| key.len() + value.len()).sum();
    let mut root = toml::Table::new();
    let unread = if settings.len() > MOST_VALUES || bytes > room.bytes {
        Some(Unread::Bound)
    } else {
        // one that has no place hides none of the others
        settings.iter().filter_map(|(key, value)| put(&mut root, key, value).err()).max()
    };
    let text = toml::to_string(&root).unwrap_or_default();
    // attack: what cannot be read again hides all that stands beside it
    let is_broken = text.is_empty() != root.is_empty() || toml::from_str::<toml::Table>(&text).is_err();
    let unread = if is_broken { Some(Unread::Bound) } else { unread };
    let (entries, unread_text) = read(client, &text, room);
    let servers = root.get("mcp_servers").and_then(toml::Value::as_table);
    let all: Vec<&str> = servers.into_iter().flat_map(toml::Table::keys).map(String::as_str).collect();
    let shown =
        if all.is_empty() { short(&redactor.name(first)) } else { names(all.iter().copied(), redactor) };
    Some(Given {
        said: format!("was given the server {shown} by -c"),
        unread: unread.max(unread_text),
        entries,
    })
}

/// Puts one setting where it belongs.
fn put(root: &mut toml::Table, key: &str, text: &str) -> Result<(), Unread> {
    let path: Vec<&str> = key.split('.').map(str::trim).take(MOST_PARTS + 1).collect();
    if path.len() > MOST_PARTS || key.len() > MAX_KEY {
        return Err(Unread::Bound);
    }
    if text.matches(['.', '{', '[']).nth(MOST_MARKS).is_some() {
        return Err(Unread::Bound);
    }
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    let Some((last, above)) = path.split_last() else { return Err(Unread::Form) };
    let mut table = root;
    for name in above {
        let below = table.entry((*name).to_owned()).or_insert_with(|| toml::Table::new().into());
        // as Codex does: what is no table makes room for one
        if !below.is_table() {
            *below = toml::Table::new().into();
        }
        let Some(below) = below.as_table_mut() else { return Err(Unread::Form) };
        table = below;
    }
    table.insert((*last).to_owned(), value.unwrap_or_else(|| text.into()));
    Ok(())
}

/// The servers of a text, and why those are not all of it.
fn read(client: &str, text: &str, room: &mut Room) -> (Vec<Entry>, Option<Unread>) {
    let Some(left) = room.bytes.checked_sub(text.len()) else { return (Vec::new(), Some(Unread::Bound)) };
    room.bytes = left;
    let how = How { client: Some(client), name: None, os: Os::Linux };
    let mut found = spec::of_text(text, how).map(|spec| spec.entries).unwrap_or_default();
    let unread = match found.len() {
        0 => Some(Unread::Form),
        count => (count > room.servers).then_some(Unread::Bound),
    };
    found.truncate(room.servers);
    room.servers -= found.len();
    (found, unread)
}

#[cfg(test)]
mod tests {
    use mcpolicy_platform::processes::Process;
    use mcpolicy_schema::sensitive::Sensitive;

    use super::*;
    use crate::running;

    /// Name and words of a server.
    type Server = (String, Vec<String>);

    fn given(words: &[&str]) -> Vec<(String, Vec<Server>, Option<Unread>)> {
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
        given.into_iter().map(|one| (one.said, one.entries.iter().map(shown).collect(), one.unread)).collect()
    }

    fn server(name: &str, words: &[&str]) -> Server {
        (name.to_owned(), words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn claude_code_is_given_servers_as_text_and_as_files_several_behind_one_flag() {
        let text = r#"{"mcpServers":{"x":{"command":"/usr/bin/node","args":["tool.js"],"env":{"K":"Planted99999"}}}}"#;
        let found = given(&["claude", "--mcp-config", text, "other.json", "-p", "x.json"]);
        assert_eq!(found[0].0, "was given servers by --mcp-config: inline JSON");
        assert_eq!((&found[0].1, found[0].2), (&vec![server("x", &["/usr/bin/node", "tool.js"])], None));
        assert_eq!(
            found[1],
            ("was given servers by --mcp-config: other.json".to_owned(), vec![], Some(Unread::Form))
        );
        assert_eq!(found.len(), 2);
        let joined = format!("--mcp-config={text}");
        assert_eq!(given(&["claude", &joined])[0].1.len(), 1);
        assert!(!format!("{found:?}").contains("Planted99999"));
    }

    #[test]
    fn codex_is_given_servers_setting_by_setting_in_toml_or_plain_text() {
        let words = ["codex", "-c", "mcp_servers.x.command=node", "-c", "mcp_servers.x.args=[\"tool.js\"]"];
        let wanted =
            [("was given the server x by -c".to_owned(), vec![server("x", &["node", "tool.js"])], None)];
        assert_eq!(given(&words), wanted);
        let table = ["codex", "--config=mcp_servers.y={url=\"https://y.example/mcp\"}", "-c", "model=o3"];
        assert_eq!(given(&table)[0].1, [server("y", &["https://y.example/mcp"])]);
        let clash = ["codex", "-c", "mcp_servers.y=1", "-c", "mcp_servers.y.command=node"];
        assert_eq!(given(&clash)[0].1, [server("y", &["node"])], "a later setting makes room for itself");
        let all = ["codex", "-c", "mcp_servers=1", "-c", "mcp_servers.y.command=node"];
        assert_eq!(given(&all)[0].1, [server("y", &["node"])]);
        assert_eq!(given(&["codex", "-c", "model=o3", "-c"]), []);
        for joined in
            ["-cmcp_servers.z.url=https://z.example/mcp", "-c=mcp_servers.z.url=https://z.example/mcp"]
        {
            assert_eq!(given(&["codex", joined])[0].1, [server("z", &["https://z.example/mcp"])], "{joined}");
        }
    }

    /// Attack: what is denied stands behind as much as is read, or behind what is not read.
    #[test]
    fn a_server_behind_as_many_as_are_read_or_behind_a_setting_without_a_place_is_not_passed_over() {
        let one = |name: &str| format!(r#""{name}":{{"url":"https://x.example/{name}"}}"#);
        let all: Vec<String> = (0..MOST).map(|n| one(&format!("s{n}"))).chain([one("evil")]).collect();
        let text = format!(r#"{{"mcpServers":{{{}}}}}"#, all.join(","));
        let found = given(&["claude", "--mcp-config", &text]);
        assert_eq!((found[0].1.len(), found[0].2), (MOST, Some(Unread::Bound)));
        let evil = format!(r#"{{"mcpServers":{{{}}}}}"#, one("evil"));
        let found = given(&["claude", "--mcp-config", &text, &evil]);
        assert_eq!(
            (found[1].1.len(), found[1].2),
            (0, Some(Unread::Bound)),
            "the bound is one of the client"
        );
        let words = ["codex", "-c", "mcp_servers.a.b.c.d.e.f.g.h=1", "-c", "mcp_servers.x.command=node"];
        let found = given(&words);
        assert_eq!((&found[0].1, found[0].2), (&vec![server("x", &["node"])], Some(Unread::Bound)));
    }

    #[test]
    fn what_is_behind_a_flag_is_its_value_and_no_text_is_shown_as_a_file() {
        assert_eq!(
            given(&["claude", "--mcp-config", "-x.json"])[0].0,
            "was given servers by --mcp-config: -x.json"
        );
        for text in [
            "\u{feff}{\"mcpServers\":{\"x\":{\"env\":{\"K\":\"Planted99999\"}}}}",
            "[{\"K\":\"Planted99999\"}]",
        ] {
            let found = given(&["claude", "--mcp-config", text]);
            assert!(
                found[0].2 == Some(Unread::Form) && !format!("{found:?}").contains("Planted99999"),
                "{found:?}"
            );
        }
    }

    /// Attack: one argument of 128 KiB, at which the agent ended, and again at each start.
    #[test]
    fn a_key_of_65000_parts_and_values_without_end_are_told_and_not_walked() {
        let deep = format!("mcp_servers{}=1", ".a".repeat(65_000));
        let found = given(&["codex", "-c", &deep]);
        assert_eq!((found.len(), &found[0].1, found[0].2), (1, &vec![], Some(Unread::Bound)));
        assert!(found[0].0.len() < 500, "{}", found[0].0.len());
        let nested = format!("mcp_servers.x={}1{}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(given(&["codex", "-c", &nested]).len(), 1);
        // what one dimension of the parser's bound allows in the other
        let keys = "a.".repeat(79);
        let both = format!("mcp_servers.x={}1{}", format!("{{{keys}a=").repeat(79), "}".repeat(79));
        let found = given(&["codex", "-c", &both]);
        assert_eq!((found.len(), &found[0].1, found[0].2), (1, &vec![], Some(Unread::Bound)));
        // what lies deep hides nothing beside it
        let deep = format!("mcp_servers.x.zz={{{}a=1}}", "a.".repeat(79));
        let found = given(&["codex", "-c", &deep, "-c", "mcp_servers.x.url=https://x.example"]);
        assert_eq!(
            (&found[0].1, found[0].2),
            (&vec![server("x", &["https://x.example"])], Some(Unread::Bound))
        );
        let near = format!("mcp_servers.x.zz={{{}a=1}}", "a.".repeat(62));
        let found = given(&["codex", "-c", &near, "-c", "mcp_servers.x.url=https://x.example"]);
        assert_eq!((&found[0].1, found[0].2), (&vec![server("x", &["https://x.example"])], None));
        let many = [vec!["claude", "--mcp-config"], vec!["a"; 100_000]].concat();
        let found = given(&many);
        assert_eq!(found.len(), MOST_VALUES + 1);
        assert_eq!(found[MOST_VALUES].0, "was given 99936 more files or texts of servers");
        let prompt = given(&["copilot", "--additional-mcp-config", "@x.json", "do this"]);
        assert_eq!(prompt.len(), 1, "a prompt is no file: {prompt:?}");
    }

    #[test]
    fn what_is_longer_than_is_read_is_told_all_the_same() {
        let long = format!(r#"{{"mcpServers":{{"x":{{"command":"{}"}}}}}}"#, "x".repeat(MAX_BYTES));
        assert_eq!(given(&["claude", "--mcp-config", &long])[0].1, []);
        assert_eq!(given(&["claude", "--mcp-config", &long])[0].2, Some(Unread::Bound));
    }
}
