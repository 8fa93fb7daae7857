use super::*;

fn read(text: &str) -> Parsed<'_> {
    parse(text).unwrap()
}

fn at<'a>(text: &'a str, parsed: &Parsed<'_>, pointer: &str) -> &'a str {
    &text[parsed.root.pointer(pointer).unwrap().span.range()]
}

fn member<'p, 'a>(parsed: &'p Parsed<'a>, parent: &str, key: &str) -> &'p Member<'a> {
    parsed.root.pointer(parent).unwrap().members().iter().find(|m| m.key == key).unwrap()
}

#[test]
fn a_server_table_is_placed_at_its_name_in_the_header_and_ends_with_its_last_value() {
    let text = "# é\r\n[mcp_servers.docs]\r\ncommand = \"npx\" # why\r\nargs = [\"-y\", 'a\\b']\r\n\r\n\
                [mcp_servers.docs.env]\r\nKEY = \"\"\"v\"\"\" # end\r\n\r\n[other]\r\n";
    let parsed = read(text);
    let docs = member(&parsed, "/mcp_servers", "docs");
    assert_eq!(&text[docs.key_span.range()], "docs");
    assert_eq!(docs.key_span.start as usize, text.find("docs]").unwrap());
    assert!(text[..docs.value.span.end as usize].ends_with("\"\"\"v\"\"\""));
    assert_eq!(at(text, &parsed, "/mcp_servers/docs/command"), "\"npx\"");
    assert_eq!(docs.value.get("args").unwrap().items()[1].as_str(), Some("a\\b"));
    assert_eq!(parsed.root.pointer("/mcp_servers/docs/env/KEY").unwrap().as_str(), Some("v"));
}

#[test]
fn every_way_to_write_a_server_gives_the_same_tree() {
    for text in [
        "[m.a]\ncommand = 'x'\nenv.K = 'v'",
        "[m]\na.command = 'x'\na.env.K = 'v'",
        "[m]\na = { command = 'x', env = { K = 'v' } }",
        "m = { a = { command = 'x', env.K = 'v' } }",
        "m.a = {\n  command = 'x', # comment\n  env = {\n    K = 'v',\n  },\n}",
        "[\"\\u006d\".'a']\n\"c\\u006fmmand\" = 'x'\n[m.a.env]\nK = 'v'",
        "[m.a.env]\nK = 'v'\n[m.a]\ncommand = 'x'",
    ] {
        let parsed = read(text);
        assert_eq!(parsed.root.pointer("/m/a/command").unwrap().as_str(), Some("x"), "{text}");
        assert_eq!(parsed.root.pointer("/m/a/env/K").unwrap().as_str(), Some("v"), "{text}");
        assert_eq!(parsed.root.get("m").unwrap().members().len(), 1);
    }
}

#[test]
fn an_escaped_key_is_placed_where_it_is_written() {
    let text = "[mcp_servers.\"\\u0064ocs\"]\n";
    let parsed = read(text);
    let docs = member(&parsed, "/mcp_servers", "docs");
    assert_eq!(&text[docs.key_span.range()], "\"\\u0064ocs\"");
}

#[test]
fn tables_of_tables_are_lists_in_order() {
    let parsed = read("[[s]]\nname = 'a'\n[s.env]\nK = 'v'\n[[s]]\nname = 'b'\n");
    let items = parsed.root.get("s").unwrap().items();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0].pointer("/env/K").unwrap().as_str(), Some("v"));
    assert_eq!(items[1].get("name").unwrap().as_str(), Some("b"));
}

#[test]
fn members_come_in_order_of_the_text_even_if_a_parent_table_comes_late() {
    let text = "[a.b]\nx = 1\n[c]\n[a]\ny = 2\n";
    let parsed = read(text);
    let keys: Vec<_> = parsed.root.members().iter().map(|m| m.key.as_ref()).collect();
    assert_eq!(keys, ["c", "a"]);
    assert_eq!(at(text, &parsed, "/a/b/x"), "1");
}

#[test]
fn scalars_keep_their_spelling() {
    let parsed = read("i = 0x1_F\nf = -1_0.5e3\nn = nan\nd = 1979-05-27T07:32:00Z\nt = 07:32\nb = true\n");
    let text = |key| parsed.root.get(key).unwrap().scalar_text().unwrap().into_owned();
    assert!(matches!(parsed.root.get("f").unwrap().value, Value::Number(_)));
    assert_eq!(text("f"), "-1_0.5e3");
    assert_eq!(text("n"), "nan");
    assert_eq!(parsed.root.get("d").unwrap().as_str(), Some("1979-05-27T07:32:00Z"));
    assert_eq!(parsed.root.get("t").unwrap().as_str(), Some("07:32"));
    assert_eq!(parsed.root.get("b").unwrap().as_bool(), Some(true));
}

#[test]
fn duplicate_keys_and_tables_are_errors_as_they_are_to_the_client() {
    for (text, offset) in [
        ("a = 1\na = 2\n", 6),
        ("a = 1\n\"\\u0061\" = 2\n", 6),
        ("[t]\n[t]\n", 5),
        ("a = { b = 1, b = 2 }", 13),
        ("a = { b = 1 }\n[a]\n", 15),
        ("[t.u]\n[[t]]\n", 8),
    ] {
        assert_eq!(parse(text).unwrap_err().offset, offset, "{text}");
    }
}

#[test]
fn damaged_files_are_errors_that_quote_nothing() {
    for text in [
        "token = \"SECRETMARK",
        "token = SECRETMARK",
        "SECRETMARK",
        "[SECRETMARK",
        "[[SECRETMARK]\n",
        "a = ['SECRETMARK'",
        "a = { SECRETMARK = 1",
        "<<<<<<< SECRETMARK\na = 1\n=======\n",
        "a = 99999999999999999999 # SECRETMARK",
        "a = 1979-13-45 # SECRETMARK",
        "a = \"\\q\" # SECRETMARK",
        "a = 'SECRETMARK'\na.b = 2",
        "a = 1e999 # SECRETMARK",
    ] {
        let error = parse(text).unwrap_err();
        assert!(!error.message.contains("SECRETMARK"), "{}", error.message);
        assert!(error.offset <= text.len());
    }
}

#[test]
fn nesting_of_100_000_levels_is_an_error_and_not_a_crash() {
    let dots = "a.".repeat(100_000);
    for text in [
        format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("a = {}1{}", "{b=".repeat(100_000), "}".repeat(100_000)),
        format!("a = {}", "[".repeat(100_000)),
        format!("[{dots}a]\n"),
        format!("[[{dots}a]]\n"),
        format!("{dots}a = 1\n"),
    ] {
        assert!(parse(&text).is_err());
    }
}

#[test]
fn dotted_keys_inside_nested_inline_tables_cannot_multiply_to_a_crash() {
    let dots = "a.".repeat(78);
    for levels in [3, 40, 70, 79] {
        let text =
            format!("[{dots}a]\n{}1{}", format!("{dots}a={{").repeat(levels) + "a=", "}".repeat(levels));
        if let Ok(parsed) = parse(&text) {
            assert!(parsed.deep.is_some());
        }
    }
}

#[test]
fn a_flood_of_tables_re_opened_out_of_order_is_refused_at_once() {
    for (inner, outer) in
        [("[x{}.y]\n", "[x{}]\n"), ("[ 'x]{}' . y ]\n", "['x]{}'] # ]\n"), ("[x{}.y]\n", "[\"\\u0078{}\"]\n")]
    {
        let lines = |form: &str| (0..50_000).map(|n| form.replace("{}", &n.to_string())).collect::<String>();
        let error = parse(&(lines(inner) + &lines(outer))).unwrap_err();
        assert_eq!(error.message, "too many tables are re-opened");
    }
    let few: String = (0..200).map(|n| format!("[x{n}.y]\n[x{n}]\n")).collect();
    assert!(parse(&few).is_ok());
}
