//! opencode. Tested 1.18.33.

use crate::adapter::{About, ClientAdapter, EntrySwitch, Found, Holds, Lead, Variable};
use crate::codec::{Dialect, Parsed};
use crate::location::{LINUX, Location, MACOS, UNIX, WINDOWS};
use crate::node::Node;
use crate::reads::Reads;
use crate::servers;

/// opencode.
pub(super) struct Adapter;

const KEYS: &[&str] = &["/mcp", "/mcp/servers"];

const fn user(path: &'static str) -> Location {
    Location::user(path).json(Dialect::JSONC).keys(KEYS)
}

const fn project(path: &'static str) -> Location {
    Location::project(path).json(Dialect::JSONC).keys(KEYS)
}

const fn managed(path: &'static str) -> Location {
    Location::managed(path).json(Dialect::JSONC).keys(KEYS)
}

const ABOUT: About = About {
    id: "opencode",
    name: "opencode",
    rank: 14,
    locations: &[
        // All three are read and merged.
        user("$XDG_CONFIG_HOME/opencode/opencode.jsonc").on(UNIX),
        user("$XDG_CONFIG_HOME/opencode/opencode.json").on(UNIX),
        user("$XDG_CONFIG_HOME/opencode/config.json").on(UNIX),
        user("%USERPROFILE%/.config/opencode/opencode.jsonc").on(WINDOWS),
        user("%USERPROFILE%/.config/opencode/opencode.json").on(WINDOWS),
        user("%USERPROFILE%/.config/opencode/config.json").on(WINDOWS),
        user("$OPENCODE_CONFIG_DIR?/opencode.json"),
        user("$OPENCODE_CONFIG_DIR?/opencode.jsonc"),
        // The file itself.
        user("$OPENCODE_CONFIG?"),
        // Obeyed, whatever its name says.
        user("$OPENCODE_TEST_MANAGED_CONFIG_DIR?/opencode.json"),
        user("$OPENCODE_TEST_MANAGED_CONFIG_DIR?/opencode.jsonc"),
        user("$OPENCODE_TEST_HOME?/.opencode/opencode.json"),
        user("$OPENCODE_TEST_HOME?/.opencode/opencode.jsonc"),
        project("<project>/opencode.json"),
        project("<project>/opencode.jsonc"),
        project("<project>/.opencode/opencode.json"),
        project("<project>/.opencode/opencode.jsonc"),
        managed("/etc/opencode/opencode.json").on(LINUX),
        managed("/etc/opencode/opencode.jsonc").on(LINUX),
        managed("/Library/Application Support/opencode/opencode.json").on(MACOS),
        managed("%PROGRAMDATA%/opencode/opencode.json").on(WINDOWS),
    ],
    variables: &[
        Variable { name: "OPENCODE_CONFIG_DIR", default: "" },
        Variable { name: "OPENCODE_CONFIG", default: "" },
        Variable { name: "OPENCODE_TEST_MANAGED_CONFIG_DIR", default: "" },
        Variable { name: "OPENCODE_TEST_HOME", default: "" },
    ],
    content: &["OPENCODE_CONFIG_CONTENT"],
    processes: &["opencode"],
    reads: &Reads::OPENCODE,
    switch: Some(EntrySwitch {
        member: "enabled",
        off: false,
        holds: Holds::NotAlways(
            "later files are merged over it, member by member, so that another entry of the name may lift it or use the rest",
        ),
        evidence: "tested 1.18.33; binary read",
    }),
    evidence: "tested 1.18.33 on Linux; binary read; source add-mcp 2.4.0 for Windows",
    notes: "There is no trust question: `opencode mcp list` alone starts the servers of a project. Configuration also comes from the organisation of the account, the macOS domain `ai.opencode.managed` and JavaScript plugins. The managed files switch known names off; they cannot forbid unknown ones.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, _: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        mixed(doc)
    }

    fn rewrites(&self, text: &str, doc: &Parsed<'_>) -> Option<usize> {
        rewritten(text, doc)
    }

    fn leads(&self, _: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        plugins(doc)
    }
}

/// Servers stand under `mcp`, or since version 2 under `mcp.servers`; tested: a file with both starts both.
pub(super) fn mixed<'d>(doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
    servers::tables_at(&doc.root, "/mcp")
        .into_iter()
        .flat_map(|t| servers::of_mixed_table(t, "/mcp"))
        .collect()
}

/// Plugins are JavaScript that may alter the configuration.
pub(super) fn plugins(doc: &Parsed<'_>) -> Vec<Lead> {
    let count = doc.root.get("plugin").map_or(0, |node| node.items().len());
    let what = format!("JavaScript plugins that may add servers: {count}");
    if count == 0 { Vec::new() } else { vec![Lead::Elsewhere { kind: "extension-servers", what }] }
}

/// The first place where filling in references may change more than a value. The client does it in the raw text,
/// from `{env:` or `{file:` to the next brace, before it parses: a name that holds a reference becomes another one,
/// and a reference across a quote takes the text between away.
pub(super) fn rewritten(text: &str, doc: &Parsed<'_>) -> Option<usize> {
    let marks = ["{env:", "{file:"];
    let starts = marks.into_iter().flat_map(|mark| text.match_indices(mark));
    let odd = |start: usize, mark: &str| {
        let name = text[start + mark.len()..].split('}').next().unwrap_or_default();
        name.contains(['"', '\n', '\r', '{', '[', '\\'])
            || (mark == "{env:" && name.contains([',', '/', '*']))
    };
    let in_text = starts.filter(|(start, mark)| odd(*start, mark)).map(|(start, _)| start).min();
    in_text.or_else(|| {
        let mut nodes: Vec<&Node<'_>> = vec![&doc.root];
        while let Some(node) = nodes.pop() {
            nodes.extend(node.items());
            for member in node.members() {
                if marks.iter().any(|mark| member.key.contains(mark)) {
                    return Some(member.key_span.start as usize);
                }
                nodes.push(&member.value);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    #[test]
    fn references_that_change_more_than_a_value_are_seen() {
        let odd = |text: &str| rewritten(text, &json::parse(text, false).unwrap()).is_some();
        for text in [
            r#"{"m{env:NONE}cp":{"a":{"command":["sh"]}}}"#,
            r#"{"mcp":{"a":{"comm{file:x}and":["sh"]}}}"#,
            r#"{"mcp":{"a":{"note":"{env:","command":["npx"],"b":{}/*","command":["sh"],"c":"*/}}}"#,
            "{\"mcp\":{} /* {env: */, \"b\":{}}",
        ] {
            assert!(odd(text), "{text}");
        }
        for text in [
            r#"{"mcp":{"a":{"command":["npx"],"environment":{"K":"{env:K}","F":"{file:~/.k/v,1.txt}"}}}}"#,
            r#"{"p":"{env:ProgramFiles(x86)}","q":"{env:A?} {env:B_2}"}"#,
        ] {
            assert!(!odd(text), "{text}");
        }
    }
}
