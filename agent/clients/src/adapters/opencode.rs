//! opencode. Tested 1.18.33.

use mcpolicy_schema::finding::{FindingCode, Severity};

use crate::adapter::{About, ClientAdapter, EntrySwitch, Found, Holds, Lead, SettingFinding, Variable};
use crate::codec::{Dialect, Format, Parsed};
use crate::filled;
use crate::location::{LINUX, Location, MACOS, UNIX, WINDOWS};
use crate::node::Node;
use crate::reads::Reads;
use crate::servers;
use crate::setting;
use crate::writes::{Refers, Writes};

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

/// A plugin: JavaScript that may add servers.
pub(super) const fn code(path: &'static str) -> Location {
    Location::plugin(path).format(Format::Shell).no_servers()
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
        // The first form of all: read as TOML, moved into config.json at the next start, and its servers are started by
        // that very start (1.18.33 was run).
        user("$XDG_CONFIG_HOME/opencode/config").format(Format::Toml).on(UNIX),
        user("%USERPROFILE%/.config/opencode/config").format(Format::Toml).on(WINDOWS),
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
        // Loaded by themselves, and what they make of the configuration is started (1.18.33 was run).
        code("$XDG_CONFIG_HOME/opencode/plugin/*.js").on(UNIX),
        code("$XDG_CONFIG_HOME/opencode/plugin/*.ts").on(UNIX),
        code("$XDG_CONFIG_HOME/opencode/plugins/*.js").on(UNIX),
        code("$XDG_CONFIG_HOME/opencode/plugins/*.ts").on(UNIX),
        code("%USERPROFILE%/.config/opencode/plugin/*.js").on(WINDOWS),
        code("%USERPROFILE%/.config/opencode/plugin/*.ts").on(WINDOWS),
        code("%USERPROFILE%/.config/opencode/plugins/*.js").on(WINDOWS),
        code("%USERPROFILE%/.config/opencode/plugins/*.ts").on(WINDOWS),
        code("$OPENCODE_CONFIG_DIR?/plugin/*.js"),
        code("$OPENCODE_CONFIG_DIR?/plugin/*.ts"),
        code("$OPENCODE_CONFIG_DIR?/plugins/*.js"),
        code("$OPENCODE_CONFIG_DIR?/plugins/*.ts"),
        code("$OPENCODE_TEST_HOME?/.opencode/plugin/*.js"),
        code("$OPENCODE_TEST_HOME?/.opencode/plugin/*.ts"),
        code("$OPENCODE_TEST_HOME?/.opencode/plugins/*.js"),
        code("$OPENCODE_TEST_HOME?/.opencode/plugins/*.ts"),
        code("<project>/.opencode/plugin/*.js"),
        code("<project>/.opencode/plugin/*.ts"),
        code("<project>/.opencode/plugins/*.js"),
        code("<project>/.opencode/plugins/*.ts"),
        managed("/etc/opencode/opencode.json").on(LINUX),
        managed("/etc/opencode/opencode.jsonc").on(LINUX),
        managed("/Library/Application Support/opencode/opencode.json").on(MACOS),
        managed("/Library/Application Support/opencode/opencode.jsonc").on(MACOS),
        managed("%PROGRAMDATA%/opencode/opencode.json").on(WINDOWS),
        managed("%PROGRAMDATA%/opencode/opencode.jsonc").on(WINDOWS),
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
    writes: Some(&Writes {
        stdio: Some("local"),
        http: Some("remote"),
        vector: true,
        enabled: true,
        refers: Refers::BareEnv,
        ..Writes::PLAIN
    }),
    switch: Some(EntrySwitch {
        member: "enabled",
        off: false,
        holds: Holds::NotAlways(
            "later files are merged over it, member by member, so that another entry of the name may lift it or use the rest",
        ),
        evidence: "tested 1.18.33; binary read",
    }),
    evidence: "tested 1.18.33 on Linux; binary read; source add-mcp 2.4.0 for Windows",
    notes: "There is no trust question: `opencode mcp list` alone starts the servers of a project. Configuration also comes from the organisation of the account, the macOS domain `ai.opencode.managed` and JavaScript plugins; those in its folders `plugin` and `plugins` run unasked. The managed files switch known names off; they cannot forbid unknown ones.",
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

    fn settings(&self, _: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        filled_oddly(doc)
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

const MARKS: &[&str] = &["{env:", "{file:"];

/// The first place where filling in references may change more than a value. The client does it in the raw text,
/// from `{env:` or `{file:` to the next brace, before it parses: a name that holds a reference becomes another one,
/// and a reference across a quote takes the text between away.
pub(super) fn rewritten(text: &str, doc: &Parsed<'_>) -> Option<usize> {
    let starts = MARKS.iter().flat_map(|mark| text.match_indices(mark));
    let odd = |start: usize, mark: &str| {
        let name = text[start + mark.len()..].split('}').next().unwrap_or_default();
        name.contains(['"', '\n', '\r', '{', '[', '\\'])
            || (mark == "{env:" && name.contains([',', '/', '*']))
    };
    let in_text = starts.filter(|(start, mark)| odd(*start, mark)).map(|(start, _)| start).min();
    in_text.or_else(|| filled::key(&doc.root, MARKS)).or_else(|| filled::server(&doc.root, KEYS, MARKS))
}

/// References where their value is no key of a provider and no string of a server. The client puts a variable into the
/// text as it is, so that one with quotes in it brings servers wherever it stands; but only the user can set it, and keys
/// of providers are what the documentation shows, so that those are not told on every honest machine.
pub(super) fn filled_oddly(doc: &Parsed<'_>) -> Vec<SettingFinding> {
    let mut out = Vec::new();
    for member in doc.root.members().iter().filter(|member| member.key != "mcp") {
        let is_providers = member.key == "provider";
        let mut nodes: Vec<(&Node<'_>, bool)> = vec![(&member.value, is_providers)];
        while let Some((node, may_be_usual)) = nodes.pop() {
            nodes.extend(node.items().iter().map(|item| (item, may_be_usual)));
            let below = node.members().iter().filter(|below| !(may_be_usual && below.key == "options"));
            nodes.extend(below.map(|below| (&below.value, may_be_usual)));
            if node.as_str().is_some_and(|text| text.contains("{env:")) {
                let message = "a variable is put in here before the file is parsed: with quotes in it, it can add servers";
                let (code, severity) = (FindingCode::LoaderVariable, Severity::Medium);
                out.push(setting::weighing(code, severity, message, node));
            }
        }
    }
    out
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
            r#"{"mcp":"{env:SERVERS}"}"#,
            r#"{"mcp":{"a":{"command":["npx"]},"b":"{env:B}"}}"#,
            r#"{"mcp":{"servers":{"b":"{env:B}"}}}"#,
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

    #[test]
    fn a_variable_is_told_where_no_ordinary_use_puts_it() {
        let told = |text: &str| filled_oddly(&json::parse(text, false).unwrap()).len();
        assert_eq!(told(r#"{"username":"{env:XX}","list":["{env:Y}"]}"#), 2);
        let usual = r#"{"provider":{"p":{"options":{"apiKey":"{env:OPENAI_KEY}","headers":{"A":"x {env:B}"}}}},
            "mcp":{"a":{"command":["npx"],"environment":{"K":"{env:K}"}}},"username":"ann","f":"{file:./x}"}"#;
        assert_eq!(told(usual), 0);
        assert_eq!(told(r#"{"provider":{"p":{"name":"{env:N}"}}}"#), 1);
    }
}
