//! Properties of the codecs: no text panics, every place is a place in the text, and JSON is read as serde_json
//! reads it.

mod invariants;

use invariants::{
    assert_same, check_decode, check_front_matter, check_json, check_json_recover, check_toml, check_xml,
    check_yaml,
};
use mcpolicy_clients::codec::json;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const JSON: &str = r#"// c
{"mcpServers": {"é😀": {"command": "x\u0061\n", "args": ["-y", 1.5e3, true, null, [], {}], /* d */ "env": {"K": "v",},},
"a/b~c": {"url": "https://h/?q=1", "__proto__": {"k": "\ud83d\ude00"}}}, "n": [[[-0]]]}"#;
const TOML: &str = "# c\n[mcp_servers.\"é\"]\ncommand = 'x' # d\nargs = [\n  \"-y\\u00e9\", 1_0, -2.5e3,\n]\n\
    env = { \"K\" = \"v\", a.b = 1979-05-27T07:32:00Z, }\n[mcp_servers.\"é\".sub]\r\nx = \"\"\"\na\\\n  b\"\"\"\n\
    [[t]]\na.b.c = true\n[[t]]\ny = '''z'''\n[p.q.r]\n[p]\ninf = +inf\n";
const YAML: &str = "%YAML 1.2\n--- # c\nbase: &b {cmd: \"x\\u00e9\", 'é': ''''}\nextensions:\n  dev:\n    <<: *b\n    args:\n    - -y\n    \
    - |2-\n       a\n    - > \n     b\n     c\n\n  ? k\n  : !!str 1\n  e:\n  😀: [*b, {a: , b}, 0x1F, ~]\n  m: a\n   b\n...\n";
const XML: &str = "<?xml version=\"1.0\"?>\n<!-- é -->\n<a xmlns:p='u' p:x=\"1&lt;\" x='2'>\n t&#233;<b/><![CDATA[<z>]]>\
    <p:c é='v'>😀</p:c><?pi x?></a>\n";

const MATTER: &str = "---\nname: a\ndescription: Use: it [when]\ntools: [x, 'y']\nmcpServers:\n  - s:\n      command: npx\n      args:\n      - -y\n      - \"x@1\"\n\
    \x20 - t: {command: \"u v\", env: {A: \"1\"}}\n    # c\n    w:\n      url: https://h.example/\n  - named\n---\n# T\nmcpServers: 1\n---\nend\n";

const SNIPPETS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    "\"",
    "'",
    "\\",
    ":",
    ": ",
    ",",
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "  ",
    "- ",
    "? ",
    "#",
    "//",
    "/*",
    "*/",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!str ",
    "!x ",
    "|",
    ">",
    "%TAG ! x\n",
    "---\n",
    "...\n",
    "=",
    ".",
    "é",
    "😀",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\\u00",
    "\\ud800",
    "\\x",
    "\\\n",
    "<a>",
    "</a>",
    "<",
    ">",
    "<!--",
    "-->",
    "<![CDATA[",
    "&#",
    "&amp;",
    "<!DOCTYPE a>",
    "true",
    "nan",
    "0x",
    "1e999",
    "\"\"\"",
    "'''",
    "__proto__",
    "<<<<<<< x\n",
    "=======\n",
    "xmlns:p='v' ",
];

const MARKS: &[&[u8]] = &[b"", b"\xEF\xBB\xBF", b"\xFF\xFE", b"\xFE\xFF"];

/// A valid text with some pieces cut out, put in, or repeated.
fn mutated(valid: &'static str) -> impl Strategy<Value = String> {
    let piece = select(SNIPPETS);
    vec((any::<Index>(), any::<Index>(), 0..4u8, piece), 0..8).prop_map(move |changes| {
        let mut text: Vec<char> = valid.chars().collect();
        for (from, to, kind, piece) in changes {
            let at = from.index(text.len() + 1);
            let end = (at + to.index(12)).min(text.len());
            match kind {
                0 => drop(text.drain(at..end)),
                1 => drop(text.splice(at..at, piece.chars())),
                2 => drop(text.splice(at..end, piece.chars())),
                _ => {
                    let copy = text[at..end].to_vec();
                    drop(text.splice(end..end, copy));
                }
            }
        }
        text.into_iter().collect()
    })
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        "[a-z\\\\\"/\u{0}-\u{20}é😀]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Into::into),
            vec((any::<String>(), inner), 0..20)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn check_all(text: &str) {
    check_json(text);
    check_json_recover(text);
    check_toml(text);
    check_yaml(text);
    check_xml(text);
    check_front_matter(text);
    check_front_matter(&format!("---\nmcpServers:{text}\n---\n{text}"));
}

#[test]
fn the_valid_texts_are_valid() {
    assert!(json::parse(JSON, false).is_ok());
    assert!(mcpolicy_clients::codec::toml::parse(TOML).is_ok());
    assert!(mcpolicy_clients::codec::yaml::parse(YAML).is_ok());
    assert!(mcpolicy_clients::codec::xml::parse(XML).is_ok());
    assert!(mcpolicy_clients::codec::front_matter::parse(MATTER).is_ok());
    [JSON, TOML, YAML, XML, MATTER].into_iter().for_each(check_all);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_never_panics(bytes in vec(any::<u8>(), 0..64), mark in select(MARKS)) {
        check_decode(&[mark, &bytes].concat());
    }

    #[test]
    fn no_text_breaks_a_codec(text in any::<String>(), pieces in vec(select(SNIPPETS), 0..40)) {
        check_all(&text);
        check_all(&pieces.concat());
    }

    #[test]
    fn no_change_to_json_breaks_its_codec(text in mutated(JSON)) {
        check_json(&text);
        check_json_recover(&text);
    }

    #[test]
    fn no_change_to_toml_breaks_its_codec(text in mutated(TOML)) {
        check_toml(&text);
    }

    #[test]
    fn no_change_to_yaml_breaks_its_codec(text in mutated(YAML)) {
        check_yaml(&text);
    }

    #[test]
    fn no_change_to_front_matter_breaks_its_codec_or_its_edits(text in mutated(MATTER)) {
        check_front_matter(&text);
    }

    #[test]
    fn no_change_to_xml_breaks_its_codec(text in mutated(XML)) {
        check_xml(&text);
    }

    #[test]
    fn json_is_read_as_serde_json_reads_it(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        assert_same(&json::parse(&text, false).unwrap().root, &value);
        check_json(&text);
    }
}
