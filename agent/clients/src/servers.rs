//! Finding servers in a tree: maps and lists of entries, and maps that look like servers under keys nobody reads.

use std::collections::BTreeMap;

use crate::adapter::Found;
use crate::codec::Parsed;
use crate::location::Location;
use crate::node::{Member, Node, Span, Value, escape};

/// Members of an entry that say what is run or contacted, in any client.
const LAUNCH_KEYS: &[&str] = &["command", "cmd", "url", "httpUrl", "serverUrl", "uri"];

/// Keys under which some client keeps its servers.
const SERVER_KEYS: &[&str] = &[
    "mcpServers",
    "servers",
    "mcp_servers",
    "context_servers",
    "mcp",
    "McpServers",
    "mcp-servers",
    "mcpservers",
    "amp.mcpServers",
    "mcp.servers",
];

/// Whether a node has the members of an entry, whatever their values.
pub fn looks_like_entry(node: &Node<'_>) -> bool {
    node.members().iter().any(|m| LAUNCH_KEYS.contains(&m.key.as_ref()))
}

/// Whether a node is an entry that some program could launch: the command or URL is there and is text (or the list
/// form of a command).
pub fn is_launchable(node: &Node<'_>) -> bool {
    node.members().iter().any(|m| {
        LAUNCH_KEYS.contains(&m.key.as_ref())
            && match &m.value.value {
                Value::String(text) => !text.is_empty(),
                Value::Array(items) => items.first().is_some_and(|i| i.as_str().is_some()),
                _ => false,
            }
    })
}

/// The entries of one map (`name: entry`) or list (`- name: …`). Every member of a map is an entry, whatever its
/// value; duplicates are all returned.
pub fn of_table<'d>(table: &'d Node<'d>, key_path: &str) -> Vec<Found<'d>> {
    match &table.value {
        Value::Object(members) => members
            .iter()
            .map(|member| Found {
                name: member.key.to_string(),
                key_path: format!("{key_path}/{}", escape(&member.key)),
                node: &member.value,
                span: member.span(),
                scope: None,
                project: None,
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.is_object())
            .map(|(at, item)| {
                let name = item.get("name").or_else(|| item.get("id")).and_then(Node::scalar_text);
                Found {
                    name: name.map_or_else(|| at.to_string(), |n| n.to_string()),
                    key_path: format!("{key_path}/{at}"),
                    node: item,
                    span: item.span,
                    scope: None,
                    project: None,
                }
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The entries under each of these JSON Pointers. Where a key on the way is a duplicate, every one of them is read:
/// the last is what the client takes, the others are what a differing reader would take.
pub fn under_keys<'d>(root: &'d Node<'d>, keys: &[&str]) -> Vec<Found<'d>> {
    keys.iter().flat_map(|key| tables_at(root, key).into_iter().flat_map(|t| of_table(t, key))).collect()
}

/// The entries under `mcpServers`, or where there are none, the objects at the top if one of them looks like an entry:
/// plugin files come in both forms, and an empty `mcpServers` must not hide the other.
pub fn wrapped_or_bare<'d>(root: &'d Node<'d>) -> Vec<Found<'d>> {
    let wrapped = under_keys(root, &["/mcpServers"]);
    if !wrapped.is_empty() || !root.members().iter().any(|m| looks_like_entry(&m.value)) {
        return wrapped;
    }
    let mut bare = of_table(root, "");
    bare.retain(|found| found.node.is_object() && found.name != "mcpServers");
    bare
}

/// The entries of a table in which settings and servers stand side by side, and which may hold a second table under
/// `servers`: only objects are servers, and `servers` is one only if it looks like it.
pub fn of_mixed_table<'d>(table: &'d Node<'d>, key_path: &str) -> Vec<Found<'d>> {
    let inner = format!("{key_path}/servers");
    let mut found = Vec::new();
    for entry in of_table(table, key_path).into_iter().filter(|f| f.node.is_object()) {
        if entry.key_path != inner {
            found.push(entry);
            continue;
        }
        let own = looks_like_entry(entry.node);
        let nested = of_table(entry.node, &inner);
        found.extend(nested.into_iter().filter(|f| f.node.is_object() && (!own || is_launchable(f.node))));
        if own {
            found.push(entry);
        }
    }
    found
}

/// The entries under these keys of an agent's file. In a list, an item that is text names a server of another file; a
/// map has servers by their names, or is one itself.
pub fn of_agent<'d>(root: &'d Node<'d>, keys: &[&str]) -> Vec<Found<'d>> {
    let mut found = Vec::new();
    for key in keys {
        for table in tables_at(root, key) {
            for entry in of_table(table, key) {
                if table.is_object() {
                    found.push(entry);
                    continue;
                }
                let is_entry = is_launchable(entry.node);
                let named = of_table(entry.node, &entry.key_path);
                found.extend(named.into_iter().filter(|f| !is_entry || looks_like_entry(f.node)));
                found.extend(is_entry.then_some(entry));
            }
        }
    }
    found
}

/// The entries under a key of settings that stand below others, at this pointer.
pub fn below<'d>(settings: &'d Node<'d>, pointer: &str, key: &str) -> Vec<Found<'d>> {
    let tables = tables_at(settings, &format!("/{key}"));
    tables.into_iter().flat_map(|table| of_table(table, &format!("{pointer}/{key}"))).collect()
}

/// The entries of a file, whether it is the client's usual one or an agent's.
pub fn in_file<'d>(at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
    if at.aside { of_agent(&doc.root, at.keys) } else { under_keys(&doc.root, at.keys) }
}

/// Every node at a JSON Pointer, all duplicates included, in order of the text.
pub fn tables_at<'d>(root: &'d Node<'d>, pointer: &str) -> Vec<&'d Node<'d>> {
    pointer.split('/').skip(1).fold(vec![root], |nodes, part| {
        let part = crate::node::unescape(part);
        nodes
            .into_iter()
            .flat_map(|node| node.members().iter().filter(|m| m.key == part).map(|m| &m.value))
            .collect()
    })
}

/// What looks like servers under keys that are not among `read`: neither live nor absent.
pub fn under_unread_keys<'d>(root: &'d Node<'d>, read: &[&str]) -> Vec<Found<'d>> {
    if root.items().iter().any(looks_like_entry) && !read.contains(&"") {
        return of_table(root, "");
    }
    let mut found = Vec::new();
    for member in root.members() {
        let key = member.key.as_ref();
        // Lists of launchable tools, as people write them who take one product's form for another's.
        if key == "tools" && member.value.items().first().is_some_and(is_launchable) {
            found.extend(of_table(&member.value, "/tools"));
        }
        let pointer = format!("/{}", escape(key));
        // A case variant must not be a blind spot: another version or reader may take it.
        let is_server_key = SERVER_KEYS.iter().any(|known| known.eq_ignore_ascii_case(key));
        if !is_server_key || read.contains(&pointer.as_str()) {
            continue;
        }
        let value = &member.value;
        if key == "mcp" {
            for inner in ["servers", "mcpServers"] {
                let pointer = format!("/mcp/{inner}");
                if let Some(table) =
                    value.get(inner).filter(|t| t.is_object() && !read.contains(&pointer.as_str()))
                {
                    found.extend(of_table(table, &pointer).into_iter().filter(|f| f.node.is_object()));
                }
            }
            if value.members().iter().any(|m| looks_like_entry(&m.value)) {
                found.extend(of_table(value, "/mcp").into_iter().filter(|f| f.node.is_object()));
            }
        } else if value.members().iter().any(|m| m.value.is_object())
            || value.items().iter().any(Node::is_object)
        {
            found.extend(of_table(value, &pointer));
        }
    }
    found.retain(|found| !is_requirement(found.node));
    found
}

/// Codex's `requirements.toml` says under `mcp_servers` which identities are allowed: no server is declared there.
fn is_requirement(node: &Node<'_>) -> bool {
    let starts = |member: &str| node.get(member).is_some();
    node.get("identity").is_some_and(Node::is_object) && !starts("command") && !starts("url")
}

/// Bytes of the members that a later duplicate of the same key takes the place of, in order of the text.
pub fn shadowed(root: &Node<'_>) -> Vec<Span> {
    let mut out = Vec::new();
    let mut nodes = vec![root];
    while let Some(node) = nodes.pop() {
        nodes.extend(node.items());
        let mut last: BTreeMap<&str, &Member<'_>> = BTreeMap::new();
        for member in node.members() {
            nodes.push(&member.value);
            if let Some(earlier) = last.insert(&member.key, member) {
                out.push(earlier.span());
            }
        }
    }
    out.sort_by_key(|span| span.start);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    fn names(found: &[Found<'_>]) -> Vec<String> {
        found.iter().map(|f| f.key_path.clone()).collect()
    }

    #[test]
    fn both_of_two_duplicate_maps_are_returned() {
        let parsed = json::parse(r#"{"m":{"a":{}},"m":{"b":{}}}"#, false).unwrap();
        assert_eq!(names(&under_keys(&parsed.root, &["/m"])), ["/m/a", "/m/b"]);
    }

    #[test]
    fn everything_below_an_earlier_duplicate_is_shadowed() {
        let text = r#"{"m":{"a":{}},"n":{"b":1,"b":2},"m":{}}"#;
        let parsed = json::parse(text, false).unwrap();
        let shown: Vec<&str> = shadowed(&parsed.root).into_iter().map(|s| &text[s.range()]).collect();
        assert_eq!(shown, [r#""m":{"a":{}}"#, r#""b":1"#]);
    }

    #[test]
    fn an_empty_wrapper_does_not_hide_bare_servers() {
        let paths = |text: &str| {
            let parsed = json::parse(text, false).unwrap();
            names(&wrapped_or_bare(&parsed.root))
        };
        assert_eq!(paths(r#"{"$schema":"s","mcpServers":{},"a":{"command":"x"}}"#), ["/a"]);
        assert_eq!(paths(r#"{"mcpServers":{"b":{}},"a":{"command":"x"}}"#), ["/mcpServers/b"]);
        assert!(paths(r#"{"name":"x","author":{"name":"y"}}"#).is_empty());
    }

    #[test]
    fn a_servers_member_may_be_a_table_or_a_server_or_both() {
        let paths = |text: &str| {
            let parsed = json::parse(text, false).unwrap();
            names(&of_mixed_table(&parsed.root, ""))
        };
        assert_eq!(paths(r#"{"a":{"url":"u"},"timeout":5,"servers":{"b":{}}}"#), ["/a", "/servers/b"]);
        assert_eq!(paths(r#"{"servers":{"command":["x"],"environment":{}}}"#), ["/servers"]);
        assert_eq!(
            paths(r#"{"servers":{"command":["x"],"b":{"command":["y"]}}}"#),
            ["/servers/b", "/servers"]
        );
    }

    #[test]
    fn identities_that_codex_is_told_to_allow_are_no_servers_and_what_starts_something_is_one() {
        let text = r#"{"mcp_servers":{"a":{"identity":{"command":"x"}},"b":{"identity":{},"command":"y"},"c":{"url":"u"}}}"#;
        let parsed = json::parse(text, false).unwrap();
        assert_eq!(names(&under_unread_keys(&parsed.root, &[])), ["/mcp_servers/b", "/mcp_servers/c"]);
    }

    #[test]
    fn servers_under_another_products_key_are_found_as_unread() {
        let parsed =
            json::parse(r#"{"servers":{"a":{"command":"x"}},"mcp":{"servers":{"b":{"url":"u"}}}}"#, false);
        let parsed = parsed.unwrap();
        assert_eq!(
            names(&under_unread_keys(&parsed.root, &["/mcpServers"])),
            ["/servers/a", "/mcp/servers/b"]
        );
        assert_eq!(names(&under_unread_keys(&parsed.root, &["/servers"])), ["/mcp/servers/b"]);
    }
}
