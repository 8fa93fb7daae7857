use super::*;

fn strict(text: &str) -> Parsed<'_> {
    parse(text, false).unwrap()
}

fn error_of(text: &str) -> ParseError {
    parse(text, false).unwrap_err()
}

#[test]
fn values_carry_the_bytes_they_stand_in() {
    let text = r#" {"a": [1, -2.5e3, "x\ty"], "b": {"c": null}} "#;
    let parsed = strict(text);
    let at = |pointer: &str| &text[parsed.root.pointer(pointer).unwrap().span.range()];
    assert_eq!(at("/b/c"), "null");
    let items = parsed.root.get("a").unwrap().items();
    assert_eq!(&text[items[1].span.range()], "-2.5e3");
    assert_eq!(items[2].as_str(), Some("x\ty"));
}

#[test]
fn comments_and_trailing_commas_are_read_and_noted() {
    let parsed = strict("// x\n{\"a\":1,/* y */}");
    assert!(parsed.leniencies.comments && parsed.leniencies.trailing_commas);
    assert_eq!(strict("{\"a\":1}").leniencies, Leniencies::default());
}

#[test]
fn the_last_of_duplicate_keys_counts_and_each_is_noted() {
    let parsed = strict(r#"{"a":1,"b":2,"\u0061":3}"#);
    assert_eq!(parsed.root.get("a").unwrap().scalar_text().unwrap(), "3");
    assert_eq!(parsed.duplicates.len(), 1);
    assert_eq!(parsed.duplicates[0].key, "a");
}

#[test]
fn duplicates_are_found_in_large_objects_too() {
    let members: Vec<String> = (0..5000).map(|n| format!("\"k{n}\":{n}")).collect();
    let text = format!("{{{},\"k77\":0}}", members.join(","));
    assert_eq!(strict(&text).duplicates.len(), 1);
}

#[test]
fn lone_surrogates_are_read_as_javascript_reads_them() {
    let parsed = strict(r#"["\ud800", "\ud83d\ude00", "\udc00x"]"#);
    let items = parsed.root.items();
    assert_eq!(items[0].as_str(), Some("\u{fffd}"));
    assert_eq!(items[1].as_str(), Some("😀"));
    assert_eq!(items[2].as_str(), Some("\u{fffd}x"));
    assert!(parsed.leniencies.lone_surrogates);
}

#[test]
fn nesting_of_100_000_levels_hides_nothing_beside_it() {
    let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let text = format!("{{\"deep\":{deep},\"next\":{}, \"last\":true}}", "[".repeat(300) + &"]".repeat(300));
    let parsed = strict(&text);
    assert_eq!(parsed.root.get("last").unwrap().as_bool(), Some(true));
    assert!(parsed.deep.is_some());
}

#[test]
fn broken_syntax_below_the_depth_limit_is_still_an_error() {
    let text = format!("{}1{}", "[".repeat(200), "]".repeat(199) + "}");
    assert!(parse(&text, false).is_err());
}

#[test]
fn damaged_files_are_errors_with_a_place() {
    for (text, offset) in [
        ("{\"a\":", 5),
        ("{\"a\" 1}", 5),
        ("{a:1}", 1),
        ("{\"a\":01}", 5),
        ("[1 2]", 3),
        ("{} x", 3),
        ("\"abc", 0),
        ("[\"abc\n\"]", 1),
        ("{\"a\":\"\u{1}\"}", 6),
        ("<<<<<<< HEAD\n{}", 0),
        ("[\"\\x\"]", 2),
        ("/* x", 0),
        ("\"\\", 0),
    ] {
        assert_eq!(error_of(text).offset, offset, "{text}");
    }
}

#[test]
fn the_end_of_plain_text_is_found_at_any_distance() {
    for before in 0..40 {
        for (byte, ends) in (0..=255u8).map(|b| (b, matches!(b, b'"' | b'\\' | 0..0x20))) {
            let mut bytes = vec![b'!'; before];
            bytes.extend([byte, b'#', 0x7f, b'"', b']', 0xff, 0x80, b'\\']);
            assert_eq!(special(&bytes, 0), if ends { before } else { before + 3 });
            assert_eq!(special(&bytes[..before], 0), before);
        }
    }
}

#[test]
fn a_missing_comma_does_not_hide_servers_from_tolerant_clients() {
    let text = r#"{"mcpServers": {"a": {"command": "x"} "b": {"command": "y", "args": [1 2]}}"#;
    assert!(parse(text, false).is_err());
    let parsed = parse(text, true).unwrap();
    assert!(parsed.leniencies.recovered && parsed.damage.is_some());
    assert_eq!(parsed.root.pointer("/mcpServers/a/command").unwrap().as_str(), Some("x"));
    assert_eq!(parsed.root.pointer("/mcpServers/b/command").unwrap().as_str(), Some("y"));
    assert_eq!(parsed.root.pointer("/mcpServers/b/args").unwrap().items().len(), 2);
}

#[test]
fn recovery_copes_with_any_truncation() {
    let text = r#"{"mcpServers": {"é": {"command": "x\u0061", "args": ["--é", true, null]}}} // end"#;
    for cut in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
        let _ = parse(&text[..cut], true);
    }
    let parsed = parse(&text[..50], true).unwrap();
    assert_eq!(parsed.root.pointer("/mcpServers/é/command").unwrap().as_str(), Some("xa"));
}

#[test]
fn an_escape_before_a_wide_character_does_not_split_it() {
    assert!(parse("{\"a\\é\": 1, b}", true).is_ok());
}

/// What jsonc-parser makes of a text, by its `parse` and `scan`; strings only.
fn recovered<'p>(parsed: &'p Parsed<'_>, pointer: &str) -> &'p str {
    parsed.root.pointer(pointer).and_then(Node::as_str).unwrap_or("(none)")
}

#[test]
fn merge_markers_before_the_document_do_not_hide_it() {
    let text = "<<<<<<< HEAD\n{\"servers\": {\"a\": {\"command\": \"x\"}}}\n=======\n{}\n>>>>>>> b\n";
    assert_eq!(recovered(&parse(text, true).unwrap(), "/servers/a/command"), "x");
}

#[test]
fn merge_markers_between_members_do_not_hide_either_side() {
    let text = "{\n<<<<<<< HEAD\n\"a\": \"1\",\n=======\n\"b\": \"2\"\n>>>>>>> x\n}";
    let parsed = parse(text, true).unwrap();
    assert_eq!((recovered(&parsed, "/a"), recovered(&parsed, "/b")), ("1", "2"));
}

#[test]
fn a_stray_word_before_a_value_or_key_is_passed_over() {
    let parsed = parse("{x \"a\": undefined {\"b\": NaN \"1\"}, - \"c\" / : \"2\"}", true).unwrap();
    assert_eq!((recovered(&parsed, "/a/b"), recovered(&parsed, "/c")), ("1", "2"));
}

#[test]
fn a_bad_escape_vanishes_with_its_character_and_the_good_ones_count() {
    let parsed = parse(r#"{"\q\u006dcp\é": {"a": "x\u00zz\"y"}, "b\xc": "\ud83d\ude00\q"}"#, true).unwrap();
    assert_eq!(recovered(&parsed, "/mcp/a"), "xzz\"y");
    assert_eq!(recovered(&parsed, "/bc"), "\u{1f600}");
}

#[test]
fn an_unclosed_string_that_ends_in_an_escaped_quote_keeps_it() {
    let parsed = parse("{\"a\": \"x\\\"\n, \"b\": \"y\"}", true).unwrap();
    assert_eq!((recovered(&parsed, "/a"), recovered(&parsed, "/b")), ("x\"", "y"));
}

#[test]
fn numbers_end_where_they_can_no_longer_be_numbers() {
    let parsed = parse("[01, 1x, -2.e, 3true, 1e+, --4]", true).unwrap();
    let texts: Vec<_> = parsed.root.items().iter().map(|item| item.scalar_text().unwrap()).collect();
    assert_eq!(texts, ["0", "1", "1", "-2.", "3", "true", "1e+", "-4"]);
}

#[test]
fn a_damaged_file_with_100_000_levels_still_shows_its_servers() {
    let deep = "{\"a\":[".repeat(50_000);
    let text =
        format!("{{\"s\": {{\"command\": \"x\"}} \"d\": {deep}{}, \"last\": \"y\"}}", "]}".repeat(50_000));
    let parsed = parse(&text, true).unwrap();
    assert!(parsed.deep.is_some());
    assert_eq!((recovered(&parsed, "/s/command"), recovered(&parsed, "/last")), ("x", "y"));
    assert!(parse(&deep, true).is_ok());
}

#[test]
fn a_closing_bracket_of_the_wrong_kind_swallows_what_it_swallows_in_the_client() {
    let parsed = parse("{\"a\": [\"1\" }, \"b\": {\"x\": \"y\"}], \"c\": \"2\"}", true).unwrap();
    assert!(parsed.root.get("b").is_none());
    assert_eq!(recovered(&parsed, "/c"), "2");
}

#[test]
fn what_follows_the_first_value_is_not_read() {
    let parsed = parse("{} {\"servers\": {\"a\": {}}}", true).unwrap();
    assert!(parsed.root.members().is_empty());
    assert!(parse("} {\"a\": 1}", true).is_err());
}

#[test]
fn servers_in_a_prototype_are_found_for_clients_that_read_through_it() {
    let text =
        r#"{"__proto__": {"servers": {"a": {"\u005f_proto__": {"command": "x"}, "args": []}}}, "b": "1"}"#;
    let parsed = parse(text, true).unwrap();
    assert_eq!(recovered(&parsed, "/servers/a/command"), "x");
    assert_eq!(recovered(&parsed, "/b"), "1");
    assert!(parse(text, false).unwrap().root.get("servers").is_none());
    let own =
        parse(r#"{"a": "own", "__proto__": {"a": "inherited"}, "c": {"__proto__": null}}"#, true).unwrap();
    assert_eq!(recovered(&own, "/a"), "own");
    assert!(own.root.pointer("/c/__proto__").is_some());
}
