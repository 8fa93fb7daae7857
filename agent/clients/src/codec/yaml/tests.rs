use super::*;
use crate::node::{Node, Value};

fn read(text: &str) -> Parsed<'_> {
    parse(text).unwrap()
}

fn text_of(parsed: &Parsed<'_>, pointer: &str) -> String {
    parsed.root.pointer(pointer).unwrap().scalar_text().unwrap().into_owned()
}

#[test]
fn values_and_keys_carry_the_bytes_they_stand_in() {
    let text = "# é\r\nextensions:\r\n  dével:\r\n    cmd: \"npx\"  # why\r\n    args:\r\n      - -y\r\n      - 'é x'\r\n    envs: {K: v, \"ü\": [1, ~]}\r\n    empty:\r\n  b:\r\n    cmd: y\r\n";
    let parsed = read(text);
    let at = |pointer: &str| &text[parsed.root.pointer(pointer).unwrap().span.range()];
    assert_eq!(at("/extensions/dével/cmd"), "\"npx\"");
    assert_eq!(at("/extensions/dével/args"), "- -y\r\n      - 'é x'");
    assert_eq!(at("/extensions/dével/envs"), "{K: v, \"ü\": [1, ~]}");
    assert_eq!(at("/extensions/dével/envs/ü"), "[1, ~]");
    assert_eq!(at("/extensions/b"), "cmd: y");
    assert_eq!(at("/extensions/dével/empty"), "");
    let devel = &parsed.root.get("extensions").unwrap().members()[0];
    assert_eq!(&text[devel.key_span.range()], "dével");
    assert!(text[..devel.value.span.end as usize].ends_with("empty"));
    assert!(parsed.duplicates.is_empty());
}

#[test]
fn block_scalars_and_folded_lines_are_read() {
    let parsed = read("a: |\n  x\n  y\nb: >-\n  x\n  y\nc: x\n  y\n");
    assert_eq!(text_of(&parsed, "/a"), "x\ny\n");
    assert_eq!(text_of(&parsed, "/b"), "x y");
    assert_eq!(text_of(&parsed, "/c"), "x y");
}

#[test]
fn json_is_yaml() {
    let parsed =
        read("{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": [\"\\u0061\"], \"n\": null}}}");
    assert_eq!(text_of(&parsed, "/mcpServers/a/command"), "x");
    assert_eq!(parsed.root.pointer("/mcpServers/a/args").unwrap().items()[0].as_str(), Some("a"));
}

#[test]
fn plain_scalars_have_the_types_of_the_core_schema() {
    let parsed = read(
        "- null\n- ~\n-\n- true\n- False\n- -1.5e3\n- 0x1F\n- .inf\n- 017\n- 1_000\n- yes\n- off\n- 'true'\n- \"1\"\n- !!str 1\n- !!int \"7\"\n- !x 1\n- 1.2.3\n- e3\n- .\n",
    );
    let kinds: Vec<&str> = parsed
        .root
        .items()
        .iter()
        .map(|item| match item.value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            _ => "text",
        })
        .collect();
    assert_eq!(kinds[..5], ["null", "null", "null", "bool", "bool"]);
    assert_eq!(kinds[5..9], ["number"; 4]);
    assert_eq!(kinds[9..15], ["text"; 6]);
    assert_eq!(kinds[15..], ["number", "text", "text", "text", "text"]);
    assert_eq!(parsed.root.items()[6].scalar_text().unwrap(), "0x1F");
}

#[test]
fn the_last_of_duplicate_keys_counts_and_each_is_noted() {
    let parsed = read("a: 1\n\"\\x61\": 2\nb: {c: 1, c: 2}\n");
    assert_eq!(text_of(&parsed, "/a"), "2");
    let keys: Vec<_> = parsed.duplicates.iter().map(|d| d.key.as_str()).collect();
    assert_eq!(keys, ["a", "c"]);
}

#[test]
fn aliases_stand_for_what_they_name_at_the_place_of_the_anchor() {
    let text = "base: &b {command: x}\nservers:\n  s: *b\n*b : 1\n";
    assert_eq!(parse(text).unwrap_err().message, "a key is not text");
    let text = "base: &b {command: x}\nservers:\n  s: *b\n";
    let parsed = read(text);
    let server = parsed.root.pointer("/servers/s").unwrap();
    assert_eq!(&text[server.span.range()], "*b");
    assert_eq!(text_of(&parsed, "/servers/s/command"), "x");
    assert_eq!(server.get("command").unwrap().span, parsed.root.pointer("/base/command").unwrap().span);
}

#[test]
fn merged_members_are_there_and_explicit_ones_win() {
    let parsed = read(
        "a: &a {command: evil, cwd: /a}\nb: &b {cwd: /b, url: u}\n\
         s:\n  command: good\n  <<: [*a, *b]\nt: {<<: *b}\nu: {\"<<\": *b}\nv: {<<: 1}\n",
    );
    assert_eq!(text_of(&parsed, "/s/command"), "good");
    assert_eq!(text_of(&parsed, "/s/cwd"), "/a");
    assert_eq!(text_of(&parsed, "/s/url"), "u");
    assert_eq!(text_of(&parsed, "/t/url"), "u");
    assert!(parsed.root.pointer("/u/<<").unwrap().is_object());
    assert_eq!(text_of(&parsed, "/v/<<"), "1");
    assert!(parsed.duplicates.is_empty());
}

#[test]
fn of_a_merged_member_that_is_said_again_behind_the_merge_key_nothing_is_left() {
    let parsed = read(
        "b: &b {cmd: evil, args: [x], env: {K: v}, cwd: /b}\n\
         s: {<<: *b, cmd: good, args: [y], env: {}}\nt: {cmd: good, <<: *b}\nu: {<<: [*b, *b], cmd: good}\n",
    );
    let keys = |pointer: &str| -> Vec<String> {
        let members = parsed.root.pointer(pointer).unwrap().members().iter();
        members.map(|member| member.key.clone().into_owned()).collect()
    };
    assert_eq!(
        keys("/s"),
        ["env", "cwd", "cmd", "args", "env"],
        "a map stays: an edit may bring it to light"
    );
    assert_eq!(keys("/t"), ["cmd", "args", "env", "cwd", "cmd"], "for some readers the merged one wins here");
    assert_eq!(keys("/u"), ["args", "env", "cwd", "args", "env", "cwd", "cmd"]);
}

#[test]
fn billion_laughs_are_an_error_and_not_a_hang() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    assert_eq!(parse(&text).unwrap_err().message, "aliases expand to too many values");
}

#[test]
fn many_aliases_of_one_large_text_are_an_error_too() {
    let text = format!("a: &a \"{}\\n\"\nb: [{}]\n", "x".repeat(1_000_000), "*a, ".repeat(50_000));
    assert!(parse(&text).is_err());
}

#[test]
fn an_alias_of_its_own_container_is_too_deep_and_hides_nothing() {
    let parsed = read("loop: &l [*l]\nservers: {a: {command: x}}\n");
    assert!(parsed.deep.is_some());
    assert_eq!(text_of(&parsed, "/servers/a/command"), "x");
    assert!(parse("loop: &l [*l, *l]\n").is_err());
    assert!(parse("? &k [*k]\n: 1\n").is_err());
}

#[test]
fn nesting_of_100_000_levels_neither_crashes_nor_hangs() {
    let _ = parse(&"[".repeat(100_000));
    let _ = parse(&"{a: ".repeat(100_000));
    let _ = parse(&"? ".repeat(100_000));
    let deep = format!("servers: {{a: {{command: x}}}}\nd:\n {}x\n", "- ".repeat(100_000));
    let parsed = read(&deep);
    assert!(parsed.deep.is_some());
    assert_eq!(text_of(&parsed, "/servers/a/command"), "x");
}

#[test]
fn a_second_document_is_an_error_as_it_is_to_the_clients() {
    assert!(read("---\na: 1\n...\n").root.is_object());
    assert!(matches!(read("# nothing\n").root.value, Value::Null));
    let error = parse("a: 1\n---\nb: 2\n").unwrap_err();
    assert_eq!((error.message.as_str(), error.offset), ("the file holds more than one YAML document", 5));
}

#[test]
fn damaged_files_are_errors_that_quote_nothing() {
    for text in [
        "a: [SECRETMARK",
        "a: \"SECRETMARK",
        "a: {SECRETMARK: 1",
        "<<<<<<< SECRETMARK\na: 1\n=======\nb: 2\n",
        "a: *SECRETMARK\n",
        "a: b: SECRETMARK\n",
        "a:\n  b: 1\n\tc: SECRETMARK\n",
        "a: @SECRETMARK\n",
        "a: \"\\q SECRETMARK\"\n",
        "[SECRETMARK]: 1\n? {SECRETMARK: 2}\n: 3\n",
        "%TAG ! SECRETMARK\na: 1\n",
        "a: !u!SECRETMARK 1\n",
        "a: 1\n b: SECRETMARK\n",
    ] {
        let error = parse(text).unwrap_err();
        assert!(!error.message.contains("SECRETMARK"), "{}", error.message);
        assert!(text.is_char_boundary(error.offset), "{text}");
    }
}

#[test]
fn a_long_tag_prefix_is_refused_before_it_is_copied_a_million_times() {
    let text = format!("%TAG !p! {}\n---\n{}", "x".repeat(1_000_000), "- !p!y z\n".repeat(100_000));
    assert_eq!(parse(&text).unwrap_err().message, "a %TAG directive is too long");
}

#[test]
fn positions_are_right_after_wide_characters_of_every_length() {
    let text = format!("a: \"{}\"\nb: x\n", "é€😀a".repeat(200));
    let parsed = read(&text);
    let b: &Node<'_> = parsed.root.get("b").unwrap();
    assert_eq!(&text[b.span.range()], "x");
}

#[test]
fn tags_anchors_and_comments_are_no_part_of_a_scalars_place() {
    let text = "!!str a : &x !!str \"b\" # \"c\"\n'd' : !!str # e\n  f\ng: ! 'h''i'  # j\nk: &y\n";
    let parsed = read(text);
    let places: Vec<_> = parsed
        .root
        .members()
        .iter()
        .map(|m| (&text[m.key_span.range()], &text[m.value.span.range()]))
        .collect();
    assert_eq!(places, [("a", "\"b\""), ("'d'", "f"), ("g", "'h''i'"), ("k", "")]);
}

#[test]
fn a_wide_character_in_a_directive_does_not_move_the_places_behind_it() {
    for text in
        ["%é x\n---\nabc: x\n", "%YAML 1.2 # é\r\n--- # é\nabc: x\n", "[ # é\n{abc: x}]", "abc: x # é"]
    {
        let parsed = read(text);
        let object = parsed.root.items().first().unwrap_or(&parsed.root);
        assert_eq!(&text[object.members()[0].key_span.range()], "abc", "{text}");
    }
}
