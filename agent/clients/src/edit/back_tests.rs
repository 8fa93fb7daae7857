//! What was taken out comes back: one entry or all of them, whether or not the file was changed since.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::testing::{JSONC, insert, place_of};
use super::{Change, Edited, Piece, Splice, apply, tokens};
use crate::codec::{self, Dialect, Format, decode};
use crate::node::{Node, Value};

/// What a text holds, members in the order of their names: entries come back at the end of their table.
fn tree(node: &Node<'_>) -> String {
    match &node.value {
        Value::Object(_) => {
            let members: BTreeMap<String, String> =
                node.members().iter().map(|m| (m.key.to_string(), tree(&m.value))).collect();
            format!("{members:?}")
        }
        Value::Array(_) => format!("{:?}", node.items().iter().map(tree).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}

/// The same of the entries of a table, in the order of their texts where it is a list; and of all else.
fn held(format: Format, bytes: &[u8], table: &str) -> (Vec<String>, Vec<String>) {
    let decoded = decode::decode(bytes).unwrap();
    let text = &decoded.text;
    let parsed = codec::parse(format, "", text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    assert!(parsed.damage.is_none(), "{text}");
    let node = parsed.root.pointer(table);
    let members = node.into_iter().flat_map(|node| node.members().iter());
    let items = node.into_iter().flat_map(|node| node.items().iter());
    let mut entries: Vec<String> = members
        .map(|member| format!("{}={}", member.key, tree(&member.value)))
        .chain(items.map(tree))
        .collect();
    entries.sort();
    let top = &tokens(table)[0];
    let rest = parsed.root.members().iter().filter(|member| member.key != **top);
    (entries, rest.map(|member| format!("{}={}", member.key, tree(&member.value))).collect())
}

struct Case<'c> {
    format: Format,
    text: String,
    table: &'c str,
    /// Key or number of each entry that goes.
    gone: Vec<String>,
}

impl Case<'_> {
    fn removed(&self) -> Edited {
        let place = |name: &String| place_of(self.format, &self.text, &format!("{}/{name}", self.table), 0);
        let changes: Vec<Change> = self.gone.iter().map(|name| Change::Remove(place(name))).collect();
        apply(self.format, "", self.text.as_bytes(), &changes)
            .unwrap_or_else(|e| panic!("{:?} of {}: {e}", self.gone, self.text))
    }

    fn inserts(&self, removed: &[Vec<Piece>]) -> Vec<Change> {
        let all = self.gone.iter().zip(removed);
        all.map(|(name, pieces)| insert(self.table, name, pieces.clone())).collect()
    }

    /// All at once, and one after the other, into the file as it was left and into one that was changed since.
    fn all_come_back(&self, touch: &str) {
        let edited = self.removed();
        let (text, left) = (&self.text, String::from_utf8_lossy(&edited.bytes));
        let mut ranges: Vec<_> = edited.removed.iter().flatten().map(|piece| piece.range.clone()).collect();
        assert!(edited.removed.iter().all(|pieces| !pieces.is_empty()), "{text}");
        ranges.sort_by_key(|range| range.start);
        assert!(ranges.windows(2).all(|two| two[0].end <= two[1].start), "{ranges:?} of {text}");
        let inserts = self.inserts(&edited.removed);
        let before = held(self.format, self.text.as_bytes(), self.table);
        let mut touched = edited.bytes.clone();
        match self.format {
            Format::Json(dialect) if dialect.comments => touched.extend_from_slice(b"\n// its user's\n"),
            Format::Json(_) => touched.extend_from_slice(b"\n \n"),
            _ => touched.extend_from_slice(touch.as_bytes()),
        }
        for bytes in [&edited.bytes, &touched] {
            let back = apply(self.format, "", bytes, &inserts)
                .unwrap_or_else(|e| panic!("all into {} of {text}: {e}", String::from_utf8_lossy(bytes)));
            assert_eq!(held(self.format, &back.bytes, self.table), before, "of {text} left {left}");
            let mut by_one = bytes.clone();
            for one in &inserts {
                let back = apply(self.format, "", &by_one, std::slice::from_ref(one));
                by_one = back
                    .unwrap_or_else(|e| {
                        panic!("one into {} of {text}: {e}", String::from_utf8_lossy(&by_one))
                    })
                    .bytes;
            }
            assert_eq!(held(self.format, &by_one, self.table), before, "of {text} left {left}");
        }
    }
}

fn case<'c>(format: Format, text: &str, table: &'c str, gone: &[&str]) -> Case<'c> {
    Case { format, text: text.to_owned(), table, gone: gone.iter().map(|one| (*one).to_owned()).collect() }
}

const STRICT: Format = Format::Json(Dialect::STRICT);

#[test]
fn two_and_three_entries_at_the_end_of_a_file_are_kept_apart_and_all_come_back() {
    let toml = "model = \"o\"\n\n[mcp_servers.a]\ncommand = \"x\"\n\n[mcp_servers.b]\ncommand = \"y\"\nenv = { K = \"v\" }\n\n[mcp_servers.c]\ncommand = \"z\"\n";
    let tight = toml.replace("\n\n", "\n");
    let quoted = toml.replace(".b]", ".\"b\"]").replace(".c]", ".\"c\"] # c");
    let inline =
        "[mcp_servers]\na = { command = \"x\" }\nb = { command = \"y\" }\n\nc = { command = \"z\" }\n";
    let one_line = "mcp_servers = { a = { command = \"x\" }, b = { command = \"y\" }, c = {} }\n";
    let dotted =
        "mcp_servers.a.command = \"x\"\nmcp_servers.b.command = \"y\"\nmcp_servers.c.command = \"z\"\n";
    for text in [toml, &tight, &quoted, inline, one_line, dotted] {
        for text in [text.to_owned(), text.trim_end().to_owned(), text.replace('\n', "\r\n")] {
            for gone in [&["a"][..], &["c"], &["a", "b"], &["b", "c"], &["a", "c"], &["a", "b", "c"]] {
                case(Format::Toml, &text, "/mcp_servers", gone).all_come_back("\n# its user's\n");
            }
        }
    }
    let map = "GOOSE: x\nextensions:\n  a:\n    cmd: x\n\n  b:\n    cmd: y # c\n    args:\n    - q\n  c:\n    cmd: z\n";
    let flow_in_block = "extensions:\n  a: {cmd: x}\n  b: {cmd: y}\n  c: {cmd: z}\n";
    let flow = "extensions: {a: {cmd: x}, b: {cmd: y}, c: {cmd: z}}\n";
    for text in [map, flow_in_block, flow] {
        for text in [text.to_owned(), text.trim_end().to_owned(), text.replace('\n', "\r\n")] {
            for gone in [&["a"][..], &["c"], &["a", "b"], &["b", "c"], &["a", "c"], &["a", "b", "c"]] {
                case(Format::Yaml, &text, "/extensions", gone).all_come_back("\n# its user's\n");
            }
        }
    }
    let list = "name: n\nmcpServers:\n  - name: a\n    command: x\n\n  - name: b\n    command: y\n    args: [q]\n  - name: c\n    command: z\n";
    let flush = list.replace("\n  ", "\n");
    let flow_items = "mcpServers:\n  - {name: a}\n  - {name: b}\n  - {name: c}\n";
    for text in [list, &flush, flow_items] {
        for text in [text.to_owned(), text.trim_end().to_owned()] {
            for gone in [&["0"][..], &["2"], &["0", "1"], &["1", "2"], &["0", "2"], &["0", "1", "2"]] {
                case(Format::Yaml, &text, "/mcpServers", gone).all_come_back("\n# its user's\n");
            }
        }
    }
    let json = "{\n  \"mcpServers\": {\n    \"a\": {\"command\": \"x\"},\n    \"b\": {\n      \"command\": \"y\"\n    },\n    \"c\": {}\n  },\n  \"n\": 1.50\n}\n";
    let line = r#"{ "mcpServers": { "a": {"command": "x"}, "b": {"command": "y"}, "c": {} } }"#;
    let commas_first = "{\"mcpServers\":{\n  \"a\": 1\n, \"b\": 2\n, \"c\": 3\n}}";
    for text in [json, line, &line.replace(' ', ""), commas_first] {
        for gone in [&["a"][..], &["c"], &["a", "b"], &["b", "c"], &["a", "c"], &["a", "b", "c"]] {
            case(STRICT, text, "/mcpServers", gone).all_come_back("");
            case(JSONC, text, "/mcpServers", gone).all_come_back("");
        }
    }
}

#[test]
fn an_entry_with_a_comment_or_a_trailing_comma_inside_comes_back_to_a_file_that_has_no_other() {
    for entry in [
        "{ \"command\": \"npx\", // d\n \"args\": [\"q\"] }",
        "{ \"command\": \"npx\", /* d */\n \"args\": [\"q\"] }",
        "{\n // \"env\": {},\n \"command\": \"npx\"\n }",
        "{\n \"command\": \"npx\",\n \"args\": [\"q\",],\n }",
    ] {
        for text in [
            format!("{{\n \"servers\": {{\n  \"e\": {entry}\n }}\n}}\n"),
            format!("{{\n \"servers\": {{\n  \"g\": {{}},\n  \"e\": {entry}\n }}\n}}\n"),
            format!("{{\n \"servers\": {{\n  \"e\": {entry},\n }}\n}}\n"),
            format!("{{\n \"servers\": {{\n  \"e\": {entry}, // behind\n  \"g\": {{}}\n }}\n}}\n"),
        ] {
            case(JSONC, &text, "/servers", &["e"]).all_come_back("");
            let edited = case(JSONC, &text, "/servers", &["e"]).removed();
            let back = apply(
                JSONC,
                "",
                &edited.bytes,
                &case(JSONC, &text, "/servers", &["e"]).inserts(&edited.removed),
            );
            let back = String::from_utf8(back.unwrap().bytes).unwrap();
            assert!(!text.contains(" d") || back.contains(" d"), "its comment comes back: {back}");
        }
    }
    // a client that reads strict JSON gets none
    let text = "{\"mcpServers\": {\"e\": {\"command\": /* d */ \"x\"}}}";
    let edited = case(STRICT, text, "/mcpServers", &["e"]).removed();
    let inserts = case(STRICT, text, "/mcpServers", &["e"]).inserts(&edited.removed);
    assert!(apply(STRICT, "", &edited.bytes, &inserts).is_err());
}

#[test]
fn the_splices_of_an_edit_say_how_the_original_is_made_again() {
    let text = "model = \"o\"\n\n[mcp_servers.a]\ncommand = \"x\"\n\n[mcp_servers.b]\ncommand = \"y\"\n";
    let edited = case(Format::Toml, text, "/mcp_servers", &["a", "b"]).removed();
    let cut: usize = edited.splices.iter().map(|Splice { range, .. }| range.len()).sum();
    assert_eq!((&edited.bytes[..], cut), (&b"model = \"o\"\n"[..], text.len() - 12));
    assert_eq!(edited.removed[0][0].bytes, b"[mcp_servers.a]\ncommand = \"x\"\n\n");
    assert_eq!(edited.removed[1][0].bytes, b"[mcp_servers.b]\ncommand = \"y\"\n");
}

/// An entry by its number, with all that makes layouts differ.
#[derive(Debug, Clone)]
struct Layout {
    goes: bool,
    env: bool,
    style: u8,
    gap: u8,
}

fn layouts() -> impl Strategy<Value = Vec<Layout>> {
    let one = (any::<bool>(), any::<bool>(), 0..4_u8, 0..5_u8).prop_map(|(goes, env, style, gap)| Layout {
        goes,
        env,
        style,
        gap,
    });
    proptest::collection::vec(one, 1..6)
}

fn toml_of(all: &[Layout]) -> String {
    let mut out = String::from("model = \"x\"\n");
    for (at, one) in all.iter().enumerate() {
        out += ["", "\n", "# before\n", "\n\n# before\n", "\n"][one.gap as usize];
        out += &match one.style {
            0 => format!("[mcp_servers.s{at}] # c\ncommand = \"c{at}\"\n"),
            1 => format!("[mcp_servers.\"s{at}\"]\nargs = [\n  \"a\",\n  \"{at}\",\n]\ncommand='c'\n"),
            2 => format!("[mcp_servers.s{at}]\ncommand = \"c{at}\" # k\n\n"),
            _ => format!("[mcp_servers.s{at}]\n# inside\ncommand = \"\"\"\nc\n\n{at}\"\"\"\n"),
        };
        if one.env {
            out += &format!(
                "[mcp_servers.s{at}.env]\nK = \"v{at}\"\n{}",
                ["", "# tail\n", "\n", "", ""][one.gap as usize]
            );
        }
    }
    out
}

fn yaml_of(all: &[Layout], is_list: bool) -> String {
    let mut out = String::from(if is_list { "name: x\nmcpServers:\n" } else { "name: x\nextensions:\n" });
    for (at, one) in all.iter().enumerate() {
        out += ["", "\n", "  # before\n", "\n  # before\n", "\n\n"][one.gap as usize];
        let (first, rest) = if is_list { ("  - name: s", "    ") } else { ("  s", "    ") };
        out += &format!("{first}{at}{}\n", if is_list { "" } else { ":" });
        out += &match one.style {
            0 => format!("{rest}cmd: c{at}\n"),
            1 => format!("{rest}cmd: c{at} # c\n{rest}args: [\"a\", 'b']\n"),
            2 => format!("{rest}args:\n{rest}- a\n{rest}- b: {at}\n{rest}  c: 1\n"),
            _ => format!("{rest}cmd: |\n{rest}  text\n\n{rest}  {at}\n"),
        };
        if one.env {
            out += &format!("{rest}env:\n{rest}  K: v{at}\n");
        }
    }
    out
}

fn json_of(all: &[Layout], comments: bool) -> String {
    let mut out = String::from("{ \"a\": 1.50,\n  \"servers\": {");
    for (at, one) in all.iter().enumerate() {
        out += if at == 0 { "" } else { "," };
        let blank = if comments {
            [" ", "\n", " // c\n", "\n\n /* c */ ", "\n  // before\n  "]
        } else {
            ["", "\n", " ", "\n\n   ", "\n  "]
        };
        out += blank[one.gap as usize];
        let inside = match one.style {
            0 => format!("{{\"command\": \"c{at}\"}}"),
            1 => format!("{{\n \"args\" : [\"a\",{at}]\n}}"),
            2 if comments => format!("{{ \"k\": /* in */ {at}, }}"),
            3 if comments => format!("{{ // in\n \"k\": {at} }} // behind"),
            _ => format!("{{ \"k\": [ {at}e1 ] }} "),
        };
        out += &format!("\"s{at}\":{inside}");
        out += if one.env && comments { "\n" } else { "" };
        out += if one.style == 3 && comments { "\n" } else { "" };
    }
    if comments && all.last().is_some_and(|last| last.env) {
        out += ", ";
    }
    out + "}\n}\n"
}

proptest! {
    #[test]
    fn all_that_is_taken_out_of_any_layout_comes_back(all in layouts(), kind in 0..5_u8, end in 0..3_u8) {
        let (format, text, table) = match kind {
            0 => (Format::Toml, toml_of(&all), "/mcp_servers"),
            1 => (Format::Yaml, yaml_of(&all, false), "/extensions"),
            2 => (Format::Yaml, yaml_of(&all, true), "/mcpServers"),
            3 => (STRICT, json_of(&all, false), "/servers"),
            _ => (JSONC, json_of(&all, true), "/servers"),
        };
        let text = match end {
            0 => text,
            1 => text.trim_end().to_owned(),
            _ => text.replace('\n', "\r\n"),
        };
        let name = |at: usize| if kind == 2 { at.to_string() } else { format!("s{at}") };
        let gone: Vec<String> =
            all.iter().enumerate().filter(|(_, one)| one.goes).map(|(at, _)| name(at)).collect();
        if !gone.is_empty() {
            Case { format, text, table, gone }.all_come_back("\n# its user's\n");
        }
    }
}
