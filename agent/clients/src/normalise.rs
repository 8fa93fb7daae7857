//! A found server to an [`Entry`]: the members of all clients under their common names.
//!
//! Reading is as loose as the loosest client is: an alias that one client does not know may be what another reads
//! from the same file. What only some clients accept is noted in [`Entry::malformed`] or decided by the adapter.

use std::borrow::Cow;

use mcpolicy_schema::entry::{ClientId, Entry, NamedValue, Scope, Transport};
use mcpolicy_schema::sensitive::Sensitive;

use crate::adapter::Found;
use crate::element;
use crate::node::{LineIndex, Member, Node, Value};

/// Members that are identity, environment or switches, and therefore not in [`Entry::members`].
const KNOWN: &[&str] = &[
    "command",
    "cmd",
    "args",
    "env",
    "environment",
    "envs",
    "url",
    "httpUrl",
    "serverUrl",
    "uri",
    "endpoint",
    "headers",
    "http_headers",
    "type",
    "transport",
    "transportType",
    "server_type",
    "disabled",
    "enabled",
    "cwd",
    "name",
    "id",
    "description",
    "timeout",
];

/// A member that is a whole server: its text is the command line. Elsewhere a text in place of an entry is malformed,
/// but what it would run is shown all the same.
const COMMAND_LINE: &str = "/serverCommand";
const URL_KEYS: &[&str] = &["url", "httpUrl", "serverUrl", "uri", "endpoint"];
const TYPE_KEYS: &[&str] = &["type", "transport", "transportType", "server_type"];
const ENV_KEYS: &[&str] = &["env", "environment", "envs"];

/// What the caller knows of the file.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Whose location it is.
    pub client: ClientId,
    /// Scope of the file.
    pub scope: Scope,
    /// What that client takes a URL without transport word for.
    pub untyped_url: Transport,
    /// Lines of the text.
    pub lines: &'a LineIndex<'a>,
}

/// Normalises one found server. Readers and inertness are left to the caller.
pub fn entry(found: &Found<'_>, context: Context<'_>) -> Entry {
    let mut malformed = None;
    let mut note = |what: &'static str| {
        malformed.get_or_insert(what);
    };
    let rewritten = rewritten(found.node);
    let outer = rewritten.as_ref().unwrap_or(found.node);
    if !outer.is_object() && !found.key_path.ends_with(COMMAND_LINE) {
        note("the entry is not an object");
    }
    // Cline CLI 3 keeps everything but the switches in a `transport` object.
    let nested = outer.get("transport").filter(|t| t.is_object());
    let look = |key: &str| nested.and_then(|t| t.get(key)).or_else(|| outer.get(key));
    // Zed's older form keeps path, args and env in a `command` object.
    let command_node = look("command").or_else(|| look("cmd"));
    let command_object = command_node.filter(|c| c.is_object());
    let inner = |key: &str| command_object.and_then(|c| c.get(key));

    let mut args = Vec::new();
    let mut command = None;
    match command_node.or_else(|| outer.as_str().map(|_| outer)).map(|c| &c.value) {
        // opencode and Kilo: the whole argument vector.
        Some(Value::Array(items)) => {
            let mut texts = items.iter().map(text_of);
            command = texts.next();
            args.extend(texts);
        }
        Some(Value::Object(_)) => command = inner("path").map(text_of),
        Some(Value::String(text)) => command = Some(Sensitive::new(text.as_ref())),
        Some(Value::Null) | None => {}
        Some(_) => {
            note("the command is not text");
            command = command_node.map(text_of);
        }
    }
    match inner("args").or_else(|| look("args")).map(|a| (a, &a.value)) {
        Some((_, Value::Array(items))) => {
            if items.iter().any(|i| !matches!(i.value, Value::String(_))) {
                note("an argument is not text");
            }
            args.extend(items.iter().map(text_of));
        }
        Some((_, Value::Null)) | None => {}
        Some((node, _)) => {
            note("args is not a list");
            args.push(text_of(node));
        }
    }

    let env_node = inner("env").into_iter().chain(ENV_KEYS.iter().filter_map(|key| look(key)));
    let env = env_node.map(named_values).find(|values| !values.is_empty()).unwrap_or_default();
    let request_headers =
        || look("requestOptions").or_else(|| look("requestInit")).and_then(|r| r.get("headers"));
    let headers = look("headers").or_else(|| look("http_headers")).or_else(request_headers);
    let headers = headers.map(named_values).unwrap_or_default();

    let url_node = URL_KEYS.iter().find_map(|key| look(key).and_then(Node::as_str).map(|url| (*key, url)));
    let declared = nested.and_then(|t| t.get("type")).and_then(Node::as_str);
    let declared =
        declared.or_else(|| TYPE_KEYS.iter().find_map(|key| outer.get(key).and_then(Node::as_str)));
    let transport = match declared {
        Some(word) => transport_word(word),
        None if command.as_ref().is_some_and(|c| !c.is_empty()) => Transport::Stdio,
        None => match url_node {
            Some(("httpUrl", _)) => Transport::Http,
            Some((_, url)) if url.starts_with("ws://") || url.starts_with("wss://") => Transport::Ws,
            Some(_) => context.untyped_url,
            None => Transport::Unknown,
        },
    };
    let off = |key: &str, value: bool| outer.get(key).and_then(Node::as_bool) == Some(value);

    Entry {
        name: found.name.clone(),
        client: context.client,
        readers: Vec::new(),
        scope: found.scope.unwrap_or(context.scope),
        key_path: found.key_path.clone(),
        position: context.lines.position(found.span.start as usize),
        span: found.span.range(),
        transport,
        declared_type: declared.map(str::to_owned),
        command,
        args,
        url: url_node.map(|(_, url)| Sensitive::new(url)),
        env,
        headers,
        cwd: look("cwd").and_then(Node::as_str).map(Sensitive::new),
        disabled: off("disabled", true) || off("enabled", false),
        inert: None,
        members: outer.members().iter().filter(|m| !KNOWN.contains(&m.key.as_ref())).map(member).collect(),
        malformed,
        project: found.project.clone(),
    }
}

/// The entry in the common form, where it is written in another one.
fn rewritten<'d>(node: &Node<'d>) -> Option<Node<'d>> {
    element::tag(node).map(|_| element::to_object(node))
}

/// The transport that a word of any client stands for.
pub fn transport_word(word: &str) -> Transport {
    match word.to_ascii_lowercase().as_str() {
        "stdio" | "local" => Transport::Stdio,
        "http" | "streamable-http" | "streamable_http" | "streamablehttp" | "http-stream" | "remote" => {
            Transport::Http
        }
        "sse" => Transport::Sse,
        "ws" | "websocket" => Transport::Ws,
        "builtin" | "platform" | "frontend" | "sdk" | "inline_python" => Transport::Builtin,
        _ => Transport::Unknown,
    }
}

fn member(member: &Member<'_>) -> NamedValue {
    let value = match &member.value.value {
        // What a list or map holds takes part in the fingerprint.
        Value::Array(_) | Value::Object(_) | Value::Deep => text_of(&member.value),
        _ => member.value.scalar_text().map(|text| Sensitive::new(text.as_ref())).unwrap_or_default(),
    };
    NamedValue { name: member.key.to_string(), value }
}

/// Names and values of a map, or of a list of `NAME=value`. Sorted by name, duplicates kept.
fn named_values(node: &Node<'_>) -> Vec<NamedValue> {
    let mut values: Vec<NamedValue> = match &node.value {
        Value::Object(members) => members.iter().map(|m| named(&m.key, &text_of(&m.value))).collect(),
        Value::Array(items) => items
            .iter()
            .map(|item| {
                let text = text_of(item);
                let (name, value) = text.expose().split_once('=').unwrap_or((text.expose(), ""));
                named(name, &Sensitive::new(value))
            })
            .collect(),
        _ => Vec::new(),
    };
    values.sort_by(|a, b| a.name.cmp(&b.name));
    values
}

fn named(name: &str, value: &Sensitive) -> NamedValue {
    NamedValue { name: name.to_owned(), value: value.clone() }
}

/// A node as text: scalars as written, lists and maps as compact JSON.
fn text_of(node: &Node<'_>) -> Sensitive {
    Sensitive::new(json_text(node, true))
}

fn json_text<'a>(node: &'a Node<'_>, top: bool) -> Cow<'a, str> {
    match &node.value {
        Value::String(text) if top => Cow::Borrowed(text),
        Value::String(text) => Cow::Owned(quoted(text)),
        Value::Null => Cow::Borrowed("null"),
        Value::Deep => Cow::Borrowed("…"),
        Value::Array(items) => {
            let parts: Vec<_> = items.iter().map(|i| json_text(i, false)).collect();
            Cow::Owned(format!("[{}]", parts.join(", ")))
        }
        Value::Object(members) => {
            let parts: Vec<_> = members
                .iter()
                .map(|m| format!("{}: {}", quoted(&m.key), json_text(&m.value, false)))
                .collect();
            Cow::Owned(format!("{{{}}}", parts.join(", ")))
        }
        Value::Bool(_) | Value::Number(_) => node.scalar_text().unwrap_or_default(),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
