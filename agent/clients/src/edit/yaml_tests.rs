use super::testing::{changed, insert, pieces_of, place_of, remove, without};
use super::*;
use crate::codec::Format::Yaml;

fn cases(table: &[(&str, &[&str], &str)]) {
    for (text, removed, expected) in table {
        assert_eq!(without(Yaml, text, removed), *expected, "{removed:?} of {text}");
    }
}

const FILE: &str = "# header of the file\nGOOSE_MODEL: x  # kept\n\nextensions:\n  # about a\n  a:\n    cmd: npx # c\n    args:\n    - -y\n    # - -z\n  # about b\n  b: {cmd: uvx, args: [x]}  # behind b\n\n  # a section\n\n  c:\n    cmd: |\n      y\n      # no comment\n    # in c\n\n# below\nlast: 017\n";

#[test]
fn members_of_a_block_go_with_their_lines_and_comments() {
    cases(&[
        (
            FILE,
            &["/extensions/a"],
            "# header of the file\nGOOSE_MODEL: x  # kept\n\nextensions:\n  # about b\n  b: {cmd: uvx, args: [x]}  # behind b\n\n  # a section\n\n  c:\n    cmd: |\n      y\n      # no comment\n    # in c\n\n# below\nlast: 017\n",
        ),
        (
            FILE,
            &["/extensions/b", "/extensions/c"],
            "# header of the file\nGOOSE_MODEL: x  # kept\n\nextensions:\n  # about a\n  a:\n    cmd: npx # c\n    args:\n    - -y\n    # - -z\n\n  # a section\n\n# below\nlast: 017\n",
        ),
        (
            FILE,
            &["/extensions/a", "/extensions/b", "/extensions/c"],
            "# header of the file\nGOOSE_MODEL: x  # kept\n\nextensions: {}\n  # a section\n\n# below\nlast: 017\n",
        ),
        ("e:\n  a: 1\n", &["/e/a"], "e: {}\n"),
        ("e: # why\n  a: 1\n", &["/e/a"], "e: {} # why\n"),
        ("e: !!map\n  a: 1\nf: 2\n", &["/e/a"], "e: !!map {}\nf: 2\n"),
        ("a: 1\n", &["/a"], "{}\n"),
        ("# h\na: 1\nb: 2", &["/b"], "# h\na: 1"),
        ("# h\na: 1\nb: 2", &["/a"], "# h\nb: 2"),
        ("# h\n\n# a\na: 1", &["/a"], "# h\n\n{}"),
        ("---\na: 1\n...\n", &["/a"], "---\n{}\n...\n"),
        ("\u{feff}e:\r\n  a: 1\r\n  b: 2\r\n", &["/e/b"], "\u{feff}e:\r\n  a: 1\r\n"),
        ("e:\n  a: |+\n    x\n\n  b: 1\n", &["/e/b"], "e:\n  a: |+\n    x\n\n"),
        ("e:\n  'a b': 1\n  \"c\\n\": 2\n", &["/e/a b"], "e:\n  \"c\\n\": 2\n"),
        ("e:\n  a:\n  b: 1\n", &["/e/a"], "e:\n  b: 1\n"),
        ("e:\n  a: x\n    y\n  b: 'p\n\n    q'\n", &["/e/b"], "e:\n  a: x\n    y\n"),
    ]);
}

#[test]
fn items_of_a_block_go_with_their_dash() {
    let list = "mcpServers:\n  # about a\n  - name: a\n    command: x\n\n  - name: b\n    env:\n      K: v\nmodels: []\n";
    cases(&[
        (list, &["/mcpServers/0"], "mcpServers:\n  - name: b\n    env:\n      K: v\nmodels: []\n"),
        (list, &["/mcpServers/1"], "mcpServers:\n  # about a\n  - name: a\n    command: x\n\nmodels: []\n"),
        (list, &["/mcpServers/0", "/mcpServers/1"], "mcpServers: []\nmodels: []\n"),
        ("s:\n- name: a\n- name: b\nt: 1\n", &["/s/1"], "s:\n- name: a\nt: 1\n"),
        ("s:\n-\n  name: a\n-   name: b\n", &["/s/0"], "s:\n-   name: b\n"),
        ("s:\n-\n  name: a\n-   name: b\n", &["/s/1"], "s:\n-\n  name: a\n"),
        ("- name: a\n- name: b\n", &["/0", "/1"], "[]\n"),
        ("s:\n- \n- a: 1\n- b: 1\n", &["/s/1"], "s:\n- \n- b: 1\n"),
        ("s:\n- a: 1\n  b: 2\n  c: 3\n", &["/s/0/a"], "s:\n- b: 2\n  c: 3\n"),
        ("s:\n- a: 1\n  b: 2\n  c: 3\n", &["/s/0/a", "/s/0/b"], "s:\n- c: 3\n"),
        ("s:\n- a: 1\n  b: 2\n", &["/s/0/b"], "s:\n- a: 1\n"),
        ("s:\n- a: 1\n  b: 2\n- c\n", &["/s/0/a", "/s/0/b"], "s:\n- {}\n- c\n"),
    ]);
}

#[test]
fn flow_collections_are_lists_between_commas() {
    cases(&[
        ("e: {a: 1, b: 2}\n", &["/e/a"], "e: {b: 2}\n"),
        ("e: {a: 1, b: 2}\n", &["/e/b"], "e: {a: 1}\n"),
        ("e: {a: 1, b: 2}\n", &["/e/a", "/e/b"], "e: {}\n"),
        ("e: {a: , b: {x: [1, 2]}, c}\n", &["/e/b"], "e: {a: , c}\n"),
        ("e: {a: , b: {x: [1, 2]}, c}\n", &["/e/a"], "e: {b: {x: [1, 2]}, c}\n"),
        ("e: [\n  {n: a}, # of a\n  # of b\n  {n: b}\n]\n", &["/e/1"], "e: [\n  {n: a} # of a\n]\n"),
        ("e: &x {a: 1, !!str b: 2}\n", &["/e/b"], "e: &x {a: 1}\n"),
        ("{\"m\": {\"a\": {}, \"b\": {}}}\n", &["/m/a"], "{\"m\": {\"b\": {}}}\n"),
        ("[{a: 1}, {b: 2}]", &["/0"], "[{b: 2}]"),
    ]);
    let pair = remove(Yaml, "e: [a: 1, b: 2]\n", &["/e/0/a"]).unwrap_err();
    assert!(matches!(pair, Unfaithful::NotExpressible(_)));
}

#[test]
fn of_equal_keys_only_the_named_declaration_goes() {
    let text = "e:\n  a: 1\n  a: 2\n";
    let change = [Change::Remove(place_of(Yaml, text, "/e/a", 1))];
    assert_eq!(changed(Yaml, text, &change), "e:\n  a: 2\n");
}

#[test]
fn anchors_that_others_use_are_not_touched() {
    for (text, key_path) in [
        ("b: &b {cmd: x}\ne:\n  a: *b\n", "/b"),
        ("b: &b {s: {cmd: x}}\ne: *b\n", "/b/s"),
        ("b:\n  s: {cmd: &x x}\ne: *x\n", "/b/s"),
        ("b: &b\n  cmd: x\ne:\n  a:\n    <<: *b\n", "/b"),
    ] {
        assert_eq!(remove(Yaml, text, &[key_path]).unwrap_err(), Unfaithful::SharedAnchor, "{text}");
    }
    cases(&[
        ("b: &b {cmd: x}\ne:\n  a: *b\n  c: 1\n", &["/e/a"], "b: &b {cmd: x}\ne:\n  c: 1\n"),
        ("e:\n  a: &b {cmd: x}\n  c: 1\n", &["/e/a"], "e:\n  c: 1\n"),
        ("e:\n  a: &b {cmd: x}\n  c: *b\n", &["/e/a", "/e/c"], "e: {}\n"),
        (
            "b: &b\n  cmd: x\ne:\n  a:\n    <<: *b\n    k: 1\n  c: 1\n",
            &["/e/a"],
            "b: &b\n  cmd: x\ne:\n  c: 1\n",
        ),
        ("e:\n- &b {cmd: x}\n- *b\n", &["/e/1"], "e:\n- &b {cmd: x}\n"),
    ]);
    let text = "b: &b {cmd: x}\ne: {a: *b}\n";
    let at = place_of(Yaml, text, "/b", 0);
    let change = Change::SetText { at, pointer: "/cmd".to_owned(), text: "y".to_owned() };
    assert_eq!(apply(Yaml, "", text.as_bytes(), &[change]).unwrap_err(), Unfaithful::SharedAnchor);
}

#[test]
fn damaged_files_and_those_of_two_documents_are_refused() {
    let place = || Place { key_path: "/a".to_owned(), span: 0..4 };
    for text in ["a: 1\n---\nb: 2\n", "a: [1\n", "a: 1\n b: 2\n"] {
        let refused = apply(Yaml, "", text.as_bytes(), &[Change::Remove(place())]);
        assert_eq!(refused.unwrap_err(), Unfaithful::Unparseable, "{text}");
    }
}

#[test]
fn a_removed_entry_comes_back_in_the_manner_of_the_file() {
    let back = |text: &str, table: &str, name: &str| {
        let pointer = format!("{table}/{name}");
        let pieces = pieces_of(Yaml, text, &pointer);
        changed(Yaml, &without(Yaml, text, &[&pointer]), &[insert(table, name, pieces)])
    };
    assert_eq!(
        back("e:\n  # why\n  a:\n    x: 1\n  b: 2\nf: 3\n", "/e", "a"),
        "e:\n  b: 2\n  # why\n  a:\n    x: 1\nf: 3\n"
    );
    assert_eq!(back("e:\n  a:\n    x: 1", "/e", "a"), "e:\n  a:\n    x: 1");
    assert_eq!(
        back("e: # c\n  a:\n    x: |\n      1\n       2\nf: 1\n", "/e", "a"),
        "e: # c\n  a:\n    x: |\n      1\n       2\nf: 1\n"
    );
    assert_eq!(
        back("s:\n  - name: a\n    x: 1\n  - name: b\n", "/s", "0"),
        "s:\n  - name: b\n  - name: a\n    x: 1\n"
    );
    assert_eq!(back("s:\n- name: a\n", "/s", "0"), "s:\n  - name: a\n");
    assert_eq!(back("e: {a: {x: 1}, b: 2}\n", "/e", "a"), "e: {b: 2, a: {x: 1}}\n");
    assert_eq!(back("s: [{n: a}, {n: b}]\n", "/s", "0"), "s: [{n: b}, {n: a}]\n");
    assert_eq!(back("a:\n  x: 1\nb: 2\n", "", "a"), "b: 2\na:\n  x: 1\n");
    let pieces = pieces_of(Yaml, "e:\n    a:\n        x: 1\n", "/e/a");
    let into = |text: &str| changed(Yaml, text, &[insert("/e", "a", pieces.clone())]);
    assert_eq!(into("k: 1\n"), "k: 1\ne:\n  a:\n      x: 1\n");
    assert_eq!(into("e:\nk:\n  l: 1\n"), "e:\n  a:\n      x: 1\nk:\n  l: 1\n");
    assert_eq!(into("e:\n  b: 1"), "e:\n  b: 1\n  a:\n      x: 1");
    let taken = apply(Yaml, "", b"e:\n  a: 1\n", &[insert("/e", "a", pieces)]);
    assert_eq!(taken.unwrap_err(), Unfaithful::Taken);
}

#[test]
fn a_changed_entry_goes_back_to_its_text() {
    let back = |before: &str, now: &str, pointer: &str| {
        let pieces = pieces_of(Yaml, before, pointer);
        changed(Yaml, now, &[Change::Replace { at: place_of(Yaml, now, pointer, 0), pieces }])
    };
    let before = "e:\n  a:\n    cmd: good\n    args:\n      - x\n  b: 1\n";
    assert_eq!(back(before, "e:\n  a: {cmd: evil}\n  b: 1\n", "/e/a"), before);
    assert_eq!(
        back(before, "e:\n    b: 1\n    a:\n     cmd: evil", "/e/a"),
        "e:\n    b: 1\n    a:\n      cmd: good\n      args:\n        - x"
    );
    assert_eq!(back("e: {a: {x: 1}}\n", "e: {a: {x: 2}, b: 1}\n", "/e/a"), "e: {a: {x: 1}, b: 1}\n");
    assert_eq!(
        back("s:\n- n: a\n  x: 1\n", "s:\n- n: a\n  x: 2\n- n: b\n", "/s/0"),
        "s:\n- n: a\n  x: 1\n- n: b\n"
    );
}

#[test]
fn texts_and_flags_are_set() {
    let text = |yaml: &str, to: &str| {
        let at = place_of(Yaml, yaml, "/e/a", 0);
        changed(Yaml, yaml, &[Change::SetText { at, pointer: "/args/1".to_owned(), text: to.to_owned() }])
    };
    assert_eq!(
        text("e:\n  a:\n    args:\n    - -y\n    - p # c\n", "p@1"),
        "e:\n  a:\n    args:\n    - -y\n    - p@1 # c\n"
    );
    assert_eq!(text("e: {a: {args: [-y, 'p']}}\n", "@s/p's"), "e: {a: {args: [-y, '@s/p''s']}}\n");
    assert_eq!(text("e: {a: {args: [-y, p]}}\n", "@s/p@1"), "e: {a: {args: [-y, \"@s/p@1\"]}}\n");
    assert_eq!(text("e: {a: {args: [-y, p]}}\n", "1.0"), "e: {a: {args: [-y, \"1.0\"]}}\n");
    let flag = |yaml: &str| {
        let at = place_of(Yaml, yaml, "/e/a", 0);
        changed(Yaml, yaml, &[Change::SetFlag { at, pointer: "/enabled".to_owned(), value: false }])
    };
    assert_eq!(flag("e:\n  a:\n    enabled: true # c\n"), "e:\n  a:\n    enabled: false # c\n");
    assert_eq!(
        flag("e:\n  a:\n    x: 1 # c\n  b: 1\n"),
        "e:\n  a:\n    x: 1 # c\n    enabled: false\n  b: 1\n"
    );
    assert_eq!(flag("e:\n  a:\n    x: 1"), "e:\n  a:\n    x: 1\n    enabled: false");
    assert_eq!(flag("e:\n  a: {x: 1}\n"), "e:\n  a: {x: 1, enabled: false}\n");
    assert_eq!(flag("{\"e\": {\"a\": {\"x\": 1}}}\n"), "{\"e\": {\"a\": {\"x\": 1, \"enabled\": false}}}\n");
    let text = "s:\n- n: a\n- n: b\n";
    let at = place_of(Yaml, text, "/s/0", 0);
    let change = Change::SetFlag { at, pointer: "/enabled".to_owned(), value: false };
    assert_eq!(changed(Yaml, text, &[change]), "s:\n- n: a\n  enabled: false\n- n: b\n");
}

#[test]
fn lists_of_names_change() {
    let item =
        |list: &str, value: &str| Change::RemoveItem { list: list.to_owned(), value: value.to_owned() };
    let add = |list: &str, value: &str| Change::AddItem { list: list.to_owned(), value: value.to_owned() };
    let text = "on:\n  - a # why\n  - b\noff: [x]\n";
    assert_eq!(
        changed(Yaml, text, &[item("/on", "a"), add("/off", "y"), add("/on", "c"), item("/none", "a")]),
        "on:\n  - b\n  - c\noff: [x, y]\n"
    );
    assert_eq!(
        changed(Yaml, text, &[add("/new/l", "x"), add("/new/l", "y")]),
        format!("{text}new: {{l: [x, y]}}\n")
    );
    assert_eq!(changed(Yaml, text, &[item("/on", "a"), item("/on", "b")]), "on: []\noff: [x]\n");
    let member = Change::RemoveMember { pointer: "/on".to_owned() };
    assert_eq!(changed(Yaml, text, &[member]), "off: [x]\n");
}
