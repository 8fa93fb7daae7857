use super::testing::{JSONC, changed, insert, pieces_of, place_of, remove, without};
use super::*;
use crate::codec::{Dialect, Format};

const STRICT: Format = Format::Json(Dialect::STRICT);

fn cases(table: &[(&str, &[&str], &str)]) {
    for (text, removed, expected) in table {
        assert_eq!(without(JSONC, text, removed), *expected, "{removed:?} of {text}");
    }
}

#[test]
fn strict_files_stay_strict_whichever_members_go() {
    let text = "{\n  \"m\": {\n    \"a\": {},\n    \"b\": {\"x\": 1.50},\n    \"c\": {}\n  }\n}";
    let of = |removed: &[&str]| without(STRICT, text, removed);
    assert_eq!(of(&["/m/a"]), "{\n  \"m\": {\n    \"b\": {\"x\": 1.50},\n    \"c\": {}\n  }\n}");
    assert_eq!(of(&["/m/b"]), "{\n  \"m\": {\n    \"a\": {},\n    \"c\": {}\n  }\n}");
    assert_eq!(of(&["/m/c"]), "{\n  \"m\": {\n    \"a\": {},\n    \"b\": {\"x\": 1.50}\n  }\n}");
    assert_eq!(of(&["/m/b", "/m/c"]), "{\n  \"m\": {\n    \"a\": {}\n  }\n}");
    assert_eq!(of(&["/m/c", "/m/a"]), "{\n  \"m\": {\n    \"b\": {\"x\": 1.50}\n  }\n}");
    assert_eq!(of(&["/m/a", "/m/b", "/m/c"]), "{\n  \"m\": {}\n}");
    assert_eq!(of(&["/m"]), "{}");
}

#[test]
fn members_of_one_line_go_with_the_blanks_beside_them() {
    cases(&[
        (r#"{"a":1,"b":2,"c":3}"#, &["/b"], r#"{"a":1,"c":3}"#),
        (r#"{"a":1,"b":2,"c":3}"#, &["/c"], r#"{"a":1,"b":2}"#),
        (r#"{ "a": 1, "b": 2, "c": 3 }"#, &["/a"], r#"{ "b": 2, "c": 3 }"#),
        (r#"{ "a": 1, "b": 2, "c": 3 }"#, &["/b"], r#"{ "a": 1, "c": 3 }"#),
        (r#"{ "a": 1, "b": 2, "c": 3 }"#, &["/c"], r#"{ "a": 1, "b": 2 }"#),
        (r#"{ "a": 1, "b": 2, "c": 3 }"#, &["/b", "/c"], r#"{ "a": 1 }"#),
        (r#"{ "a": 1, "b": 2, "c": 3 }"#, &["/a", "/b"], r#"{ "c": 3 }"#),
        (r#"{ "a": 1, "b": 2, "c": 3 }"#, &["/a", "/b", "/c"], "{}"),
        (r#"{ "l": [ {}, {"x":[1]} ] }"#, &["/l/1"], r#"{ "l": [ {} ] }"#),
        (r#"{ "l": [ {}, {"x":[1]} ] }"#, &["/l/0", "/l/1"], r#"{ "l": [] }"#),
        ("{\"a\": 1,\n \"b\": 2}", &["/b"], "{\"a\": 1}"),
        ("{\"a\": 1,\n \"b\": 2}", &["/a"], "{\n \"b\": 2}"),
        ("{\n \"a\": 1, \"b\": 2,\n \"c\": 3\n}", &["/b"], "{\n \"a\": 1,\n \"c\": 3\n}"),
        ("{\n \"a\": 1, \"b\": 2,\n \"c\": 3\n}", &["/a"], "{\n \"b\": 2,\n \"c\": 3\n}"),
        ("{ \"a\": 1\n, \"b\": 2\n, \"c\": 3\n}", &["/b"], "{ \"a\": 1\n, \"c\": 3\n}"),
        ("{ \"a\": 1\n, \"b\": 2\n, \"c\": 3\n}", &["/c"], "{ \"a\": 1\n, \"b\": 2\n}"),
    ]);
}

#[test]
fn comments_go_with_the_entry_that_they_belong_to_and_others_stay() {
    let text = "// header\n{\n  // of the table\n\n  // about a\n  \"a\": 1, // behind a\n  /* about b\n     more */\n  \"b\": {\n    // inside\n  }, /* behind b */\n\n  // a section\n\n  // about c\n  \"c\": 3 // behind c\n  // the end\n}\n// footer";
    cases(&[
        (
            text,
            &["/a"],
            "// header\n{\n  // of the table\n\n  /* about b\n     more */\n  \"b\": {\n    // inside\n  }, /* behind b */\n\n  // a section\n\n  // about c\n  \"c\": 3 // behind c\n  // the end\n}\n// footer",
        ),
        (
            text,
            &["/b"],
            "// header\n{\n  // of the table\n\n  // about a\n  \"a\": 1, // behind a\n\n  // a section\n\n  // about c\n  \"c\": 3 // behind c\n  // the end\n}\n// footer",
        ),
        (
            text,
            &["/c"],
            "// header\n{\n  // of the table\n\n  // about a\n  \"a\": 1, // behind a\n  /* about b\n     more */\n  \"b\": {\n    // inside\n  } /* behind b */\n\n  // a section\n\n  // the end\n}\n// footer",
        ),
        (
            text,
            &["/a", "/b", "/c"],
            "// header\n{\n  // of the table\n\n\n  // a section\n\n  // the end\n}\n// footer",
        ),
        ("{ // of the table\n  \"a\": 1\n}", &["/a"], "{ // of the table\n}"),
        ("{\"a\": 1, /* of b */ \"b\": 2}", &["/a"], "{/* of b */ \"b\": 2}"),
        ("{\"a\": 1, /* of b */ \"b\": 2}", &["/b"], "{\"a\": 1}"),
        ("{\"a\": 1 /* of a */, \"b\": 2 /* of b */}", &["/b"], "{\"a\": 1 /* of a */}"),
        ("{\"a\": 1, // of a\n \"b\": 2}", &["/b"], "{\"a\": 1 // of a\n}"),
        ("{\"a\": 1 // of a, not b\n , \"b\": 2}", &["/b"], "{\"a\": 1 // of a, not b\n }"),
        ("{\"a\": \"// no comment\", \"b\": \"/*\"}", &["/b"], "{\"a\": \"// no comment\"}"),
    ]);
}

#[test]
fn trailing_commas_stay_where_the_file_has_them() {
    cases(&[
        ("{\n  \"a\": 1,\n  \"b\": 2,\n}", &["/b"], "{\n  \"a\": 1,\n}"),
        ("{\n  \"a\": 1,\n  \"b\": 2,\n}", &["/a"], "{\n  \"b\": 2,\n}"),
        ("{\n  \"a\": 1,\n}", &["/a"], "{}"),
        ("[\"a\", \"b\", ]", &["/1"], "[\"a\", ]"),
    ]);
}

#[test]
fn line_endings_the_byte_order_mark_and_the_end_of_the_file_stay() {
    cases(&[
        (
            "\u{feff}{\r\n\t\"a\": 1e+3,\r\n\t\"b\": 2\r\n}\r\n\r\n",
            &["/b"],
            "\u{feff}{\r\n\t\"a\": 1e+3\r\n}\r\n\r\n",
        ),
        ("\u{feff}{\r\n\t\"a\": 1,\r\n\t\"b\": 2\r\n}", &["/a"], "\u{feff}{\r\n\t\"b\": 2\r\n}"),
        ("{\r\t\"a\": 1,\r\t\"b\": 2\r}", &["/a"], "{\r\t\"b\": 2\r}"),
    ]);
}

#[test]
fn of_equal_keys_only_the_named_declaration_goes() {
    let text = r#"{"m":{"a":1,"\u0061":2},"m":{"a":3}}"#;
    let cut = |nth| {
        let place = place_of(JSONC, text, "/m/a", nth);
        changed(JSONC, text, &[Change::Remove(place)])
    };
    assert_eq!(cut(0), r#"{"m":{"a":1,"\u0061":2},"m":{}}"#);
    assert_eq!(cut(1), r#"{"m":{"\u0061":2},"m":{"a":3}}"#);
}

#[test]
fn what_was_taken_out_is_told_for_each_change() {
    let text = "{\n  // why\n  \"a\": 1,\n  \"b\": 2\n}";
    let edited = remove(JSONC, text, &["/b", "/a"]).unwrap();
    let taken: Vec<&[u8]> = edited.removed.iter().map(|pieces| &*pieces[0].bytes).collect();
    assert_eq!(taken, [&b"  \"b\": 2\n"[..], b"  // why\n  \"a\": 1,\n"]);
    assert_eq!(edited.removed[0], pieces_of(JSONC, text, "/b"));
    assert_eq!(&text[edited.removed[1][0].range.clone()], "  // why\n  \"a\": 1,\n");
}

#[test]
fn a_removed_entry_comes_back_between_its_neighbours() {
    let text =
        "{\n  \"m\": {\n    // why\n    \"a\": {\n      \"x\": 1\n    }, // behind\n    \"b\": 2\n  }\n}";
    let pieces = pieces_of(JSONC, text, "/m/a");
    let rest = without(JSONC, text, &["/m/a"]);
    let back = changed(JSONC, &rest, &[insert("/m", "a", pieces.clone())]);
    assert_eq!(
        back,
        "{\n  \"m\": {\n    \"b\": 2,\n    // why\n    \"a\": {\n      \"x\": 1\n    } // behind\n  }\n}"
    );
    let back = changed(STRICT, &rest, &[insert("/m", "a", pieces.clone())]);
    assert_eq!(back, "{\n  \"m\": {\n    \"b\": 2,\n    \"a\": {\n      \"x\": 1\n    }\n  }\n}");
    let with_comments = rest.replace("\"b\": 2", "\"b\": 2 // two");
    let back = changed(JSONC, &with_comments, &[insert("/m", "a", pieces.clone())]);
    assert_eq!(
        back,
        "{\n  \"m\": {\n    \"b\": 2, // two\n    // why\n    \"a\": {\n      \"x\": 1\n    } // behind\n  }\n}"
    );
    let empty = "{\n  \"m\": {}\n}";
    let back = changed(STRICT, empty, &[insert("/m", "a", pieces.clone())]);
    assert_eq!(back, "{\n  \"m\": {\n    \"a\": {\n      \"x\": 1\n    }\n  }\n}");
    let back = changed(JSONC, empty, &[insert("/m", "a", pieces.clone())]);
    assert_eq!(back, "{\n  \"m\": {\n    // why\n    \"a\": {\n      \"x\": 1\n    } // behind\n  }\n}");
    let back = changed(STRICT, "{\n  \"k\": 1\n}\n", &[insert("/m", "a", pieces.clone())]);
    assert_eq!(back, "{\n  \"k\": 1,\n  \"m\": {\n    \"a\": {\n      \"x\": 1\n    }\n  }\n}\n");
    let taken = apply(JSONC, "", text.as_bytes(), &[insert("/m", "a", pieces)]);
    assert_eq!(taken.unwrap_err(), Unfaithful::Taken);
}

#[test]
fn pieces_of_one_line_and_of_lists_come_back_too() {
    let text = r#"{"l": [{"name":"a"}, {"name":"b"}], "m": {"a":1, "b":2}}"#;
    let item = pieces_of(JSONC, text, "/l/1");
    let member = pieces_of(JSONC, text, "/m/b");
    let rest = without(JSONC, text, &["/l/1", "/m/b"]);
    let back = changed(JSONC, &rest, &[insert("/l", "b", item), insert("/m", "b", member.clone())]);
    assert_eq!(back, r#"{"l": [{"name":"a"}, {"name":"b"}], "m": {"a":1, "b":2}}"#);
    let into_list = apply(JSONC, "", rest.as_bytes(), &[insert("/l", "b", member)]);
    assert!(matches!(into_list, Err(Unfaithful::NotExpressible(_))));
}

#[test]
fn a_changed_entry_goes_back_to_its_text() {
    let before = "{\n  \"a\": {\n    \"command\": \"npx\"\n  }, // why\n  \"b\": 1\n}";
    let now = before.replace("npx", "evil").replace("why", "because");
    let pieces = pieces_of(JSONC, before, "/a");
    let at = place_of(JSONC, &now, "/a", 0);
    let back = changed(JSONC, &now, &[Change::Replace { at, pieces: pieces.clone() }]);
    assert_eq!(back, before.replace("why", "because"));
    let at = place_of(JSONC, &now, "/b", 0);
    let other = apply(JSONC, "", now.as_bytes(), &[Change::Replace { at, pieces }]);
    assert!(matches!(other, Err(Unfaithful::NotExpressible(_))));
}

#[test]
fn one_string_of_an_entry_gets_another_text() {
    let text = "{\"m\": {\"a\": {\"args\": [\"-y\", 'x']}}}".replace("'x'", "\"p\\u0040latest\"");
    let change = |pointer: &str| Change::SetText {
        at: place_of(JSONC, &text, "/m/a", 0),
        pointer: pointer.to_owned(),
        text: "p@1.2.3\n\"\\".to_owned(),
    };
    assert_eq!(
        changed(JSONC, &text, &[change("/args/1")]),
        r#"{"m": {"a": {"args": ["-y", "p@1.2.3\n\"\\"]}}}"#
    );
    for pointer in ["/args/2", "/args", "/nothing"] {
        assert_eq!(apply(JSONC, "", text.as_bytes(), &[change(pointer)]).unwrap_err(), Unfaithful::Gone);
    }
}

#[test]
fn a_flag_is_set_or_made() {
    let set = |text: &str| {
        let at = place_of(STRICT, text, "/a", 0);
        changed(STRICT, text, &[Change::SetFlag { at, pointer: "/disabled".to_owned(), value: true }])
    };
    assert_eq!(set(r#"{"a": {"disabled": false, "x": 1}}"#), r#"{"a": {"disabled": true, "x": 1}}"#);
    assert_eq!(set(r#"{"a": {"x": 1}}"#), r#"{"a": {"x": 1, "disabled": true}}"#);
    assert_eq!(set(r#"{"a": {}}"#), r#"{"a": {"disabled": true}}"#);
    assert_eq!(
        set("{\n  \"a\": {\n    \"x\": 1\n  }\n}"),
        "{\n  \"a\": {\n    \"x\": 1,\n    \"disabled\": true\n  }\n}"
    );
    assert_eq!(set("{\n  \"a\": {}\n}"), "{\n  \"a\": {\n    \"disabled\": true\n  }\n}");
}

#[test]
fn approvals_are_taken_out_and_put_in() {
    let item =
        |list: &str, value: &str| Change::RemoveItem { list: list.to_owned(), value: value.to_owned() };
    let add = |list: &str, value: &str| Change::AddItem { list: list.to_owned(), value: value.to_owned() };
    let member = |pointer: &str| Change::RemoveMember { pointer: pointer.to_owned() };
    let text = "{\n  \"on\": [\n    \"a\",\n    \"b\",\n    \"a\"\n  ],\n  \"all\": true,\n  \"projects\": {\"/p/q\": {\"on\": [\"a\"]}}\n}\n";
    let changes = [item("/on", "a"), item("/projects/~1p~1q/on", "a"), member("/all"), item("/none", "a")];
    assert_eq!(
        changed(STRICT, text, &changes),
        "{\n  \"on\": [\n    \"b\"\n  ],\n  \"projects\": {\"/p/q\": {\"on\": []}}\n}\n"
    );
    let changes = [add("/on", "c"), add("/on", "a"), add("/off/deep", "x"), add("/off/deep", "y")];
    assert_eq!(
        changed(STRICT, text, &changes),
        "{\n  \"on\": [\n    \"a\",\n    \"b\",\n    \"a\",\n    \"c\"\n  ],\n  \"all\": true,\n  \"projects\": {\"/p/q\": {\"on\": [\"a\"]}},\n  \"off\": {\n    \"deep\": [\"x\", \"y\"]\n  }\n}\n"
    );
    let both = [item("/on", "a"), item("/on", "b"), add("/on", "c")];
    let out = changed(STRICT, "{\"on\": [\"a\", \"b\"]}", &both);
    assert_eq!(out, "{\"on\": [\"c\"]}");
    assert_eq!(changed(STRICT, "{\"l\":[]}\n", &[add("/l", "x")]), "{\"l\":[\"x\"]}\n");
    let duplicates = "{\"all\": true, \"all\": false, \"x\": 1}";
    assert_eq!(changed(STRICT, duplicates, &[member("/all")]), "{\"x\": 1}");
}

#[test]
fn what_cannot_be_edited_faithfully_is_refused_and_quotes_nothing() {
    let place = |key_path: &str, span| Place { key_path: key_path.to_owned(), span };
    let change = |place| [Change::Remove(place)];
    let refused = |format, bytes: &[u8], place| apply(format, "", bytes, &change(place)).unwrap_err();
    let recovering = Format::Json(Dialect::RECOVERING);
    assert_eq!(refused(recovering, b"{\"a\": 1 \"b\": 2}", place("/a", 1..7)), Unfaithful::Unparseable);
    assert_eq!(refused(JSONC, b"", place("/a", 1..7)), Unfaithful::Unparseable);
    assert_eq!(refused(JSONC, b"\xff\xfe{\0}\0", place("/a", 1..2)), Unfaithful::Utf16);
    assert_eq!(refused(Format::Shell, b"x", place("/a", 0..1)), Unfaithful::Program);
    for (key_path, span) in
        [("/b", 1..6), ("/a", 1..5), ("/a", 0..6), ("/a", 4..9), ("/a", 90..99), ("", 0..8)]
    {
        assert_eq!(refused(JSONC, b"{\"a\":1 }", place(key_path, span)), Unfaithful::Gone);
    }
    let twice = [place("/a", 1..8), place("/a", 1..8)].map(|at| Change::SetFlag {
        at,
        pointer: String::new(),
        value: true,
    });
    assert_eq!(apply(JSONC, "", b"{\"a\":null}", &twice).unwrap_err(), Unfaithful::Gone);
}

#[test]
fn changes_inside_of_a_removed_entry_do_not_fit() {
    let text = r#"{"a": {"disabled": false}}"#;
    let at = place_of(JSONC, text, "/a", 0);
    let changes =
        [Change::Remove(at.clone()), Change::SetFlag { at, pointer: "/disabled".to_owned(), value: true }];
    assert_eq!(apply(JSONC, "", text.as_bytes(), &changes).unwrap_err(), Unfaithful::Overlap);
}

#[test]
fn a_servers_map_in_a_prototype_can_be_emptied() {
    let recovering = Format::Json(Dialect::RECOVERING);
    let text = r#"{"__proto__": {"servers": {"x": {"command": "evil"}}}, "k": 1}"#;
    assert_eq!(without(recovering, text, &["/servers/x"]), r#"{"__proto__": {"servers": {}}, "k": 1}"#);
}

#[test]
fn a_value_too_deep_for_the_tree_is_kept() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let text = format!("{{\"a\": 1, \"d\": {deep}}}");
    assert_eq!(without(JSONC, &text, &["/a"]), format!("{{\"d\": {deep}}}"));
}

#[test]
fn the_proof_sees_what_a_wrong_edit_did() {
    let before = b"{\"a\": 1, \"b\": 1.0, \"c\": [1, 2]}";
    let at = place_of(JSONC, "{\"a\": 1, \"b\": 1.0, \"c\": [1, 2]}", "/a", 0);
    let proof = |after: &str| prove(JSONC, "", before, after.as_bytes(), &[Change::Remove(at.clone())]);
    assert_eq!(proof("{ \"b\": 1.0, \"c\": [1, 2]}"), Ok(()));
    for wrong in [
        "{\"a\": 1, \"b\": 1.0, \"c\": [1, 2]}",
        "{\"b\": 1.00, \"c\": [1, 2]}",
        "{\"b\": 1.0, \"c\": [2, 1]}",
        "{\"b\": 1.0}",
        "{\"c\": [1, 2], \"b\": 1.0}",
        "{\"b\": 1.0, \"c\": [1, 2], \"c\": [1, 2]}",
        "{\"b\": 1.0, \"c\": [1, 2], \"d\": null}",
        "{\"b\": 1.0, \"c\": [1, 2],}",
        "{\"b\": 1.0, \"c\": [1, 2]} // c",
        "\u{feff}{\"b\": 1.0, \"c\": [1, 2]}",
        "{\"b\": 1.0, \"c\": [1, 2]",
    ] {
        assert!(matches!(proof(wrong), Err(Unfaithful::Proof(_))), "{wrong}");
    }
}
