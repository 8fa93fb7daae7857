//! A found server to an [`Entry`]: the members of all clients under their common names.
//!
//! Reading is as loose as the loosest client is: an alias that one client does not know may be what another reads
//! from the same file. What only some clients accept, and what two of them would read differently, is noted in
//! [`Entry::malformed`] or decided by the adapter.

use std::borrow::Cow;

use mcpolicy_schema::contradiction as why;
use mcpolicy_schema::entry::{ClientId, Entry, NamedValue, Scope, Transport};
use mcpolicy_schema::sensitive::Sensitive;

use crate::adapter::Found;
use crate::codec::Format;
use crate::element;
use crate::launch::{self, Doubt, Layers, Said};
use crate::node::{LineIndex, Member, Node, Value};
use crate::reads::Reads;

/// Members that are switches or for people, and therefore not in [`Entry::members`].
const PLAIN: &[&str] = &["disabled", "enabled", "name", "id", "description", "timeout"];

/// Faults of shape for which some clients pass over an entry.
mod shape {
    pub(super) const NO_OBJECT: &str = "the entry is not an object";
    pub(super) const WORD_NO_TEXT: &str = "a word of the command is not text";
    pub(super) const NO_PATH: &str = "the command is an object without a path";
    pub(super) const COMMAND_NO_TEXT: &str = "the command is not text";
    pub(super) const ARGUMENT_NO_TEXT: &str = "an argument is not text";
    pub(super) const ARGS_NO_LIST: &str = "args is not a list";
    pub(super) const ALL: &[&str] =
        &[NO_OBJECT, WORD_NO_TEXT, NO_PATH, COMMAND_NO_TEXT, ARGUMENT_NO_TEXT, ARGS_NO_LIST];
}

/// The fault of an entry that a text names, as [`Entry::malformed`] has it.
pub fn fault_named(text: &str) -> Option<&'static str> {
    why::named(text).or_else(|| shape::ALL.iter().copied().find(|known| *known == text))
}

/// A member that is a whole server: its text is the command line. Elsewhere a text in place of an entry is malformed,
/// but what it would run is shown all the same.
const COMMAND_LINES: [&str; 2] = ["/serverCommand", "/mcpServerCommand"];

/// What the caller knows of the file.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Whose location it is.
    pub client: ClientId,
    /// Scope of the file.
    pub scope: Scope,
    /// What that client takes a URL without transport word for.
    pub untyped_url: Transport,
    /// What each client that may take the entry reads.
    pub reads: &'a [&'static Reads],
    /// The format of the file.
    pub format: Format,
    /// Lines of the text.
    pub lines: &'a LineIndex<'a>,
}

/// Normalises one found server. Readers, and what they make of it (inert, switched off), are left to the caller.
pub fn entry(found: &Found<'_>, context: Context<'_>) -> Entry {
    let rewritten = rewritten(found.node);
    let outer = rewritten.as_ref().unwrap_or(found.node);
    let layers = Layers::new(outer, context.reads);
    let (mut doubt, mut shape) = (Doubt::default(), Doubt::default());
    layers.look_over(context.format, &mut doubt);
    if !outer.is_object() && !COMMAND_LINES.iter().any(|end| found.key_path.ends_with(end)) {
        shape.note(shape::NO_OBJECT);
    }
    let (command, args, command_object) = command_line(&layers, &mut doubt, &mut shape);
    let env = layers.said(|r| r.env, is_table, &mut doubt);
    launch::agree(&env, &mut doubt);
    let env = match command_object.map(|object| object.get("env")) {
        None => env.first().map(|said| said.node),
        Some(inner) => {
            beside(inner, env.first().map(|said| said.node), &mut doubt);
            inner.or(env.first().map(|said| said.node))
        }
    };
    let env = env.map(|node| named_values(node, &mut doubt)).unwrap_or_default();
    let headers = headers(&layers, &mut doubt);
    let url = url(&layers, &mut doubt);
    let (declared, transport) = transport(&layers, command.as_ref(), url, context, &mut doubt);
    let is_launched = command.as_ref().is_some_and(|c| !c.is_empty()) || url.is_some();
    let is_of_extension = outer.get("source").and_then(Node::as_str) == Some("extension");
    if is_of_extension && is_launched {
        doubt.note(why::OF_EXTENSION);
    }
    let cwd = layers.single("cwd", &mut doubt);
    if cwd.is_some_and(|cwd| cwd.as_str().is_none()) {
        doubt.note(why::NOT_TEXT);
    }
    let mut entry = Entry {
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
        url: url.map(|(_, url)| Sensitive::new(url)),
        env,
        headers,
        cwd: cwd.and_then(Node::as_str).map(Sensitive::new),
        disabled: false,
        inert: None,
        members: Vec::new(),
        malformed: doubt.0.or(shape.0),
        project: found.project.clone(),
    };
    entry.members = members(&layers, &entry, context.reads);
    entry
}

/// What is run, with what arguments, and the object that holds both in Zed's older form.
fn command_line<'n, 'd>(
    layers: &Layers<'n, 'd>,
    doubt: &mut Doubt,
    shape: &mut Doubt,
) -> (Option<Sensitive>, Vec<Sensitive>, Option<&'n Node<'d>>) {
    let is_command =
        |node: &Node<'d>| matches!(node.value, Value::String(_) | Value::Array(_) | Value::Object(_));
    let said = layers.said(|r| r.command, is_command, doubt);
    launch::agree(&said, doubt);
    let node = said.first().map(|said| said.node).or_else(|| layers.outer.as_str().map(|_| layers.outer));
    let object = node.filter(|node| node.is_object());
    let mut args = Vec::new();
    let mut command = None;
    match node.map(|node| (node, &node.value)) {
        // opencode and Kilo: the whole argument vector.
        Some((_, Value::Array(items))) => {
            if items.iter().any(|i| i.as_str().is_none()) {
                shape.note(shape::WORD_NO_TEXT);
            }
            let mut texts = items.iter().map(text_of);
            command = texts.next();
            args.extend(texts);
        }
        Some((node, Value::Object(_))) => {
            if node.get("path").is_none_or(|path| path.as_str().is_none()) {
                shape.note(shape::NO_PATH);
            }
            command = node.get("path").map(text_of);
        }
        Some((_, Value::String(text))) => command = Some(Sensitive::new(text.as_ref())),
        None => {}
        Some((node, _)) => {
            shape.note(shape::COMMAND_NO_TEXT);
            command = Some(text_of(node));
        }
    }
    let outer = layers.single("args", doubt);
    let own = object.map(|object| object.get("args"));
    if let Some(inner) = own {
        beside(inner, outer, doubt);
    }
    let is_list = node.is_some_and(|node| matches!(node.value, Value::Array(_)));
    if is_list && outer.is_some_and(|args| !matches!(&args.value, Value::Array(items) if items.is_empty())) {
        doubt.note(why::LIST_AND_ARGS);
    }
    match own.flatten().or(outer).map(|a| (a, &a.value)) {
        Some((_, Value::Array(items))) => {
            if items.iter().any(|i| !matches!(i.value, Value::String(_))) {
                shape.note(shape::ARGUMENT_NO_TEXT);
            }
            args.extend(items.iter().map(text_of));
        }
        Some((_, Value::Null)) | None => {}
        Some((node, _)) => {
            shape.note(shape::ARGS_NO_LIST);
            args.push(text_of(node));
        }
    }
    (command, args, object)
}

/// What stands in a command object, and the same beside it.
fn beside(inner: Option<&Node<'_>>, outer: Option<&Node<'_>>, doubt: &mut Doubt) {
    if outer.is_some_and(|outer| !inner.is_some_and(|inner| launch::same(inner, outer))) {
        doubt.note(why::BESIDE_COMMAND);
    }
}

fn headers(layers: &Layers<'_, '_>, doubt: &mut Doubt) -> Vec<NamedValue> {
    let mut said = layers.said(|r| r.headers, is_table, doubt);
    // JetBrains' Copilot and Continue keep them in an object of what the request is made with.
    for object in [Some(layers.outer), layers.nested].into_iter().flatten() {
        for name in ["requestOptions", "requestInit"] {
            let node = object.get(name).and_then(|request| request.get("headers"));
            let node = node.filter(|node| !matches!(node.value, Value::Null));
            said.extend(node.map(|node| Said { name, node, own: true }));
        }
    }
    launch::agree(&said, doubt);
    let headers = said.first().map(|said| named_values(said.node, doubt)).unwrap_or_default();
    let differ = |a: &NamedValue, b: &NamedValue| {
        why::same_fold(&a.name, &b.name) && a.name != b.name && a.value.expose() != b.value.expose()
    };
    // Their names count in any case: which of both is sent is the client's affair.
    if headers.len() < 64
        && headers.iter().enumerate().any(|(at, a)| headers[at..].iter().any(|b| differ(a, b)))
    {
        doubt.note(why::CASE);
    }
    headers
}

/// The URL, with the name under which it stands.
fn url<'n>(layers: &Layers<'n, '_>, doubt: &mut Doubt) -> Option<(&'static str, &'n str)> {
    let said = layers.said(|r| r.url, |node| matches!(node.value, Value::String(_)), doubt);
    launch::agree(&said, doubt);
    if said.iter().any(|said| said.node.as_str().is_none()) {
        doubt.note(why::NOT_TEXT);
    }
    let texts = said.iter().filter_map(|said| Some((said.name, said.node.as_str()?)));
    let mut texts = texts.collect::<Vec<_>>();
    // An empty one says nothing, unless there is no other.
    texts.sort_by_key(|(_, url)| url.is_empty());
    texts.first().copied()
}

/// The transport word as written, and what it stands for.
fn transport<'n>(
    layers: &Layers<'n, '_>,
    command: Option<&Sensitive>,
    url: Option<(&'static str, &str)>,
    context: Context<'_>,
    doubt: &mut Doubt,
) -> (Option<&'n str>, Transport) {
    let said = layers.said(|r| r.transport, |node| matches!(node.value, Value::String(_)), doubt);
    if said.iter().any(|said| said.node.as_str().is_none()) {
        doubt.note(why::TRANSPORT);
    }
    let words: Vec<(&Said<'n, '_>, &'n str)> = said
        .iter()
        .filter_map(|said| Some((said, said.node.as_str()?)))
        .filter(|(_, word)| !word.is_empty())
        .collect();
    let has_command = command.is_some_and(|c| !c.is_empty());
    let is_launched = has_command || url.is_some_and(|(_, url)| !url.is_empty());
    if is_launched && words.iter().any(|(_, word)| transport_word(word) == Transport::Builtin) {
        doubt.note(why::OWN_CODE);
    }
    if is_launched && words.iter().any(|(said, word)| said.own && transport_word(word) == Transport::Unknown)
    {
        doubt.note(why::TRANSPORT);
    }
    let known =
        words.iter().map(|(_, word)| Way::of(transport_word(word))).filter(|way| *way != Way::Unknown);
    if known.clone().zip(known.skip(1)).any(|(one, next)| one != next) {
        doubt.note(why::ALIASES);
    }
    // One client goes by the first of two words, the next by the other.
    let exact = words.iter().filter_map(|(_, word)| exact_transport(word));
    if exact.clone().zip(exact.skip(1)).any(|(one, next)| one != next) {
        doubt.note(why::ALIASES);
    }
    let declared = words.first().map(|(_, word)| *word);
    let transport = match declared {
        Some(word) => transport_word(word),
        None if has_command => Transport::Stdio,
        None => match url {
            Some(("httpUrl", _)) => Transport::Http,
            Some((_, url)) if url.starts_with("ws://") || url.starts_with("wss://") => Transport::Ws,
            Some(_) => context.untyped_url,
            None => Transport::Unknown,
        },
    };
    (declared, transport)
}

/// Transports that differ in what is launched, not only in the words on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Process,
    Remote,
    Own,
    Unknown,
}

impl Way {
    fn of(transport: Transport) -> Self {
        match transport {
            Transport::Stdio => Self::Process,
            Transport::Http | Transport::Sse | Transport::Ws => Self::Remote,
            Transport::Builtin => Self::Own,
            Transport::Unknown => Self::Unknown,
        }
    }
}

/// The members that are not told elsewhere: those that say nothing of the launch, and aliases that no reader of the
/// file reads. Where the entry contradicts itself all of them, so that its fingerprint is that of this very entry.
fn members(layers: &Layers<'_, '_>, entry: &Entry, readers: &[&Reads]) -> Vec<NamedValue> {
    let objects = [Some(layers.outer), layers.nested].into_iter().flatten();
    let is_layer = |m: &Member<'_>| layers.reads_nested() && m.key == "transport" && m.value.is_object();
    let all = objects.flat_map(Node::members).filter(|m| !PLAIN.contains(&m.key.as_ref()) && !is_layer(m));
    let told: Vec<NamedValue> = if entry.contradicts() {
        all.map(member).collect()
    } else {
        all.filter(|m| !Reads::is_launch(&m.key) || Reads::is_foreign(&m.key, readers)).map(member).collect()
    };
    // Goose knows code of its own by this name, not by that of the map.
    let named = layers.outer.members().iter().filter(|m| m.key == "name");
    let named = named
        .map(member)
        .filter(|name| entry.transport == Transport::Builtin && name.value.expose() != entry.name);
    told.into_iter().chain(named).collect()
}

fn is_table(node: &Node<'_>) -> bool {
    matches!(node.value, Value::Object(_) | Value::Array(_))
}

/// The entry in the common form, where it is written in another one.
fn rewritten<'d>(node: &Node<'d>) -> Option<Node<'d>> {
    element::tag(node).map(|_| element::to_object(node))
}

/// The transport that a word of any client stands for.
pub fn transport_word(word: &str) -> Transport {
    match word.to_ascii_lowercase().as_str() {
        "stdio" | "local" => Transport::Stdio,
        "http" | "https" | "streamable-http" | "streamable_http" | "streamablehttp" | "http-stream"
        | "remote" => Transport::Http,
        "sse" => Transport::Sse,
        "ws" | "websocket" => Transport::Ws,
        // `registry` of Kiro: a server that the organisation's registry has under the name.
        "builtin" | "platform" | "frontend" | "sdk" | "inline_python" | "registry" => Transport::Builtin,
        _ => Transport::Unknown,
    }
}

/// The transport of a word that names just one; `remote` beside `sse` is no contradiction.
fn exact_transport(word: &str) -> Option<Transport> {
    let transport = transport_word(word);
    let is_any = word.eq_ignore_ascii_case("remote") || word.eq_ignore_ascii_case("https");
    Some(transport).filter(|transport| *transport != Transport::Unknown && !is_any)
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
fn named_values(node: &Node<'_>, doubt: &mut Doubt) -> Vec<NamedValue> {
    let is_text = |node: &Node<'_>| !matches!(node.value, Value::Array(_) | Value::Object(_) | Value::Deep);
    let is_plain = match &node.value {
        Value::Object(members) => members.iter().all(|m| is_text(&m.value)),
        Value::Array(items) => items.iter().all(|item| item.as_str().is_some()),
        _ => false,
    };
    if !is_plain {
        doubt.note(why::NOT_TEXT);
    }
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
