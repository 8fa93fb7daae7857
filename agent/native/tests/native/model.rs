//! What each client starts, written down a second time from the references and without a line of the compilers: small readers
//! of the files that they write.

use std::collections::BTreeMap;

use mcpolicy_native::Client;
use serde_json::Value;

/// A server as a user configures it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Server {
    pub(crate) name: String,
    /// Command and arguments, or one URL.
    pub(crate) words: Vec<String>,
    pub(crate) is_remote: bool,
    pub(crate) plugin: Option<String>,
}

/// The managed files of a machine, by place.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The file whose place ends so, as JSON.
fn json(files: &Files, end: &str) -> Option<Value> {
    let bytes = files.iter().find(|(place, _)| place.ends_with(end)).map(|(_, bytes)| bytes)?;
    Some(serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{end} is no JSON: {e}")))
}

/// What starts where a user configures a server: command line or URL, or nothing.
pub(crate) fn started(client: Client, files: &Files, server: &Server) -> Option<Vec<String>> {
    let is_admitted = match client {
        Client::ClaudeCode => {
            let settings = json(files, "zz-mcpolicy.json").unwrap_or_default();
            lists(&settings["allowedMcpServers"], &settings["deniedMcpServers"], server)
        }
        Client::CopilotCli => {
            let settings = json(files, "managed-settings.json").unwrap_or_default();
            lists(&settings["allowedMcpServers"], &settings["deniedMcpServers"], server)
        }
        Client::Vscode => {
            let policy = json(files, "policy.json").unwrap_or_default();
            let list = |name: &str| match &policy[name] {
                Value::String(text) => serde_json::from_str(text).unwrap(),
                other => other.clone(),
            };
            lists(&list("ChatAllowedMcpServers"), &list("ChatDeniedMcpServers"), server)
        }
        Client::Codex => return codex(files, server),
        Client::GeminiCli => return by_name(&json(files, "settings.json").unwrap_or_default(), server, true),
        Client::QwenCode => return by_name(&json(files, "settings.json").unwrap_or_default(), server, false),
        Client::Amp => amp(&json(files, "managed-settings.json").unwrap_or_default(), server),
        Client::Droid => droid(&json(files, "settings.json").unwrap_or_default(), server),
        Client::Opencode => switched(&json(files, "opencode.json").unwrap_or_default(), server),
        Client::KiloCode => switched(&json(files, "kilo.json").unwrap_or_default(), server),
        Client::ClaudeDesktop | Client::Cursor => true,
    };
    is_admitted.then(|| server.words.clone())
}

/// Claude Code, Copilot, VS Code: denied before allowed; no list is everything.
fn lists(allowed: &Value, denied: &Value, server: &Server) -> bool {
    let any = |list: &Value| {
        list.as_array().is_some_and(|items| {
            items.iter().any(|item| match (&item["serverCommand"], &item["serverUrl"]) {
                (Value::Array(words), _) => {
                    !server.is_remote
                        && words.iter().map(|word| word.as_str().unwrap()).eq(server.words.iter())
                }
                (_, Value::String(url)) => {
                    server.is_remote
                        && wildcard(&url.to_ascii_lowercase(), &server.words[0].to_ascii_lowercase())
                }
                _ => item["serverName"] == *server.name,
            })
        })
    };
    !any(denied) && (allowed.is_null() || any(allowed))
}

/// `*` is any text.
fn wildcard(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|tail| {
            (0..=tail.len()).filter(|at| tail.is_char_boundary(*at)).any(|at| wildcard(rest, &tail[at..]))
        }),
    }
}

fn codex(files: &Files, server: &Server) -> Option<Vec<String>> {
    let bytes = files.iter().find(|(place, _)| place.ends_with("requirements.toml")).map(|(_, bytes)| bytes);
    let Some(bytes) = bytes else { return Some(server.words.clone()) };
    let root: toml::Table = toml::from_str(std::str::from_utf8(bytes).unwrap()).expect("Codex reads it");
    let table = match &server.plugin {
        None => root.get("mcp_servers"),
        Some(plugin) => {
            let none = root.get("mcp_servers").is_some_and(|table| table.as_table().unwrap().is_empty());
            let Some(plugins) = root.get("plugins") else { return (!none).then(|| server.words.clone()) };
            let table = plugins.get(plugin).and_then(|plugin| plugin.get("mcp_servers"));
            Some(table.filter(|_| !none)?)
        }
    };
    let Some(table) = table else { return Some(server.words.clone()) };
    let identity = &table.get(&server.name)?["identity"];
    let admits = match (identity.get("command"), identity.get("url")) {
        // beside a text nothing else counts
        (Some(toml::Value::String(command)), _) => !server.is_remote && *command == server.words[0],
        (Some(command), _) => {
            let args = command["args"].as_array().unwrap();
            !server.is_remote
                && command["executable"].as_str() == Some(&server.words[0])
                && args.len() + 1 == server.words.len()
                && args.iter().zip(&server.words[1..]).all(|(matcher, word)| argument(matcher, word))
        }
        (None, Some(toml::Value::String(url))) => server.is_remote && *url == server.words[0],
        (None, url) => server.is_remote && argument(url?, &server.words[0]),
    };
    admits.then(|| server.words.clone())
}

fn argument(matcher: &toml::Value, word: &str) -> bool {
    let text = |name: &str| matcher[name].as_str().unwrap();
    match text("match") {
        "exact" => text("value") == word,
        "prefix" => word.starts_with(text("value")),
        "regex" => alternatives(text("expression")).iter().any(|one| one == word),
        other => panic!("{other} is no match of Codex"),
    }
}

/// The only expressions that may be written: literal texts with `|` between them. Anything else is a mistake.
fn alternatives(expression: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        match c {
            '|' => out.push(String::new()),
            '\\' => {
                let literal = chars.next().expect("something behind the backslash");
                assert!(
                    literal.is_ascii_punctuation() && !matches!(literal, '<' | '>'),
                    "{literal} is a class"
                );
                out.last_mut().unwrap().push(literal);
            }
            c => {
                assert!(!r".+*?()[]{}^$".contains(c), "{c} stands unescaped in {expression}");
                out.last_mut().unwrap().push(c);
            }
        }
    }
    out
}

/// Gemini CLI and Qwen Code: names; a definition of the file takes the place of the user's.
fn by_name(settings: &Value, server: &Server, empty_is_all: bool) -> Option<Vec<String>> {
    let holds =
        |list: &Value| list.as_array().is_some_and(|names| names.iter().any(|name| *name == *server.name));
    let allowed = &settings["mcp"]["allowed"];
    let is_open = allowed.is_null() || (empty_is_all && allowed.as_array().is_some_and(Vec::is_empty));
    if holds(&settings["mcp"]["excluded"]) || !(is_open || holds(allowed)) {
        return None;
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match &settings["mcpServers"][&server.name] {
        Value::Null => Some(server.words.clone()),
        definition => match text(&definition["command"]) {
            Some(command) => {
                let args = definition["args"].as_array().cloned().unwrap_or_default();
                Some(std::iter::once(command).chain(args.iter().filter_map(text)).collect())
            }
            None => Some(vec![text(&definition["httpUrl"]).or_else(|| text(&definition["url"])).unwrap()]),
        },
    }
}

/// Amp: the first rule that matches; none is allowed.
fn amp(settings: &Value, server: &Server) -> bool {
    let joined = server.words.get(1..).unwrap_or_default().join(" ");
    let fits = |(name, pattern): (&String, &Value)| {
        let pattern = pattern.as_str().unwrap();
        match name.as_str() {
            "command" => !server.is_remote && wildcard(pattern, &server.words[0]),
            "args" => !server.is_remote && wildcard(pattern, &joined),
            "url" => server.is_remote && wildcard(pattern, &server.words[0]),
            other => panic!("{other} is nothing that Amp matches"),
        }
    };
    let rules = settings["amp.mcpPermissions"].as_array().cloned().unwrap_or_default();
    let first = rules.iter().find(|rule| rule["matches"].as_object().unwrap().iter().all(fits));
    first.is_none_or(|rule| rule["action"] == "allow")
}

/// Factory droid: letters and digits, anywhere; hosts.
fn droid(settings: &Value, server: &Server) -> bool {
    let policy = &settings["mcpPolicy"];
    if policy["enabled"] != true {
        return true;
    }
    let plain = |text: &str| -> String {
        text.to_lowercase().chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit()).collect()
    };
    let host = |url: &str| -> Option<String> {
        let rest = url.split_once("://")?.1;
        let authority = rest.split(['/', '?', '#']).next()?;
        Some(authority.rsplit('@').next()?.split(':').next()?.to_lowercase())
    };
    policy["allowlist"].as_array().unwrap().iter().map(|item| item.as_str().unwrap()).any(|item| {
        if server.is_remote {
            let own = host(&server.words[0]).unwrap_or_default();
            let item = host(item).unwrap_or_else(|| item.trim().to_lowercase());
            return !item.is_empty() && (own == item || own.ends_with(&format!(".{item}")));
        }
        let item = plain(item);
        !item.is_empty() && server.words.iter().any(|word| plain(word).contains(&item))
    })
}

/// opencode and Kilo: known names are switched off.
fn switched(settings: &Value, server: &Server) -> bool {
    settings["mcp"][&server.name]["enabled"] != false
}
