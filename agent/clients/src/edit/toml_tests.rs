use super::testing::{changed, insert, pieces_of, place_of, remove, without};
use super::*;
use crate::codec::Format::Toml;

fn cases(table: &[(&str, &[&str], &str)]) {
    for (text, removed, expected) in table {
        assert_eq!(without(Toml, text, removed), *expected, "{removed:?} of {text}");
    }
}

const FILE: &str = "# header of the file\nmodel = \"x\"  # kept\n\n# about a\n[mcp_servers.a] # the first\ncommand = 'npx'\nargs = [\n  \"-y\", # yes\n]\n# timeout = 10\n\n[mcp_servers.a.env]\nK = \"v\"\n\n# a section\n\n[other]\nn = 1_000\n\n[mcp_servers.a.tools]\nt = true\n# about b\n[mcp_servers.b]\nurl = \"u\"\n\n# [mcp_servers.c]\n# command = \"x\"\n";

#[test]
fn an_entry_is_all_of_its_tables_wherever_they_stand() {
    cases(&[
        (
            FILE,
            &["/mcp_servers/a"],
            "# header of the file\nmodel = \"x\"  # kept\n\n# a section\n\n[other]\nn = 1_000\n\n# about b\n[mcp_servers.b]\nurl = \"u\"\n\n# [mcp_servers.c]\n# command = \"x\"\n",
        ),
        (
            FILE,
            &["/mcp_servers/b"],
            "# header of the file\nmodel = \"x\"  # kept\n\n# about a\n[mcp_servers.a] # the first\ncommand = 'npx'\nargs = [\n  \"-y\", # yes\n]\n# timeout = 10\n\n[mcp_servers.a.env]\nK = \"v\"\n\n# a section\n\n[other]\nn = 1_000\n\n[mcp_servers.a.tools]\nt = true\n\n# [mcp_servers.c]\n# command = \"x\"\n",
        ),
        (
            FILE,
            &["/mcp_servers/b", "/mcp_servers/a"],
            "# header of the file\nmodel = \"x\"  # kept\n\n# a section\n\n[other]\nn = 1_000\n\n# [mcp_servers.c]\n# command = \"x\"\n",
        ),
    ]);
}

#[test]
fn the_last_table_leaves_no_blank_lines_and_the_end_of_the_file_as_it_was() {
    cases(&[
        ("a = 1\n\n[s.x]\nb = 2\n", &["/s/x"], "a = 1\n"),
        ("a = 1\n\n[s.x]\nb = 2", &["/s/x"], "a = 1"),
        ("a = 1\r\n\r\n[s.x]\r\nb = 2", &["/s/x"], "a = 1"),
        ("a = 1\n\n[s.x]\nb = 2\n\n[s.y]\nb = 3", &["/s/x", "/s/y"], "a = 1"),
        ("a = 1\n\n[s.x]\nb = 2\n\n[s.y]\nb = 3\n", &["/s/y"], "a = 1\n\n[s.x]\nb = 2\n"),
        ("[s.x]\nb = 2\n\n[s.y]\nb = 3\n", &["/s/x"], "[s.y]\nb = 3\n"),
        ("[s.x]\nb = 2\n[s.y]\nb = 3\n[t]\n", &["/s/y"], "[s.x]\nb = 2\n[t]\n"),
        ("\u{feff}a = 1\r\n\r\n[s.x]\r\nb = 2\r\n\r\n[t]\r\n", &["/s/x"], "\u{feff}a = 1\r\n\r\n[t]\r\n"),
    ]);
}

#[test]
fn a_file_is_never_left_empty() {
    cases(&[
        ("[s.x]\nb = 2\n", &["/s/x"], "[s]\n"),
        ("[s.x]\nb = 2\n\n[s.y]\nb = 2", &["/s/x", "/s/y"], "[s]"),
        ("[[s]]\nb = 2\n", &["/s/0"], "s = []\n"),
        ("s = {x = 1}\n", &["/s/x"], "s = {}\n"),
    ]);
    let root = remove(Toml, "[x]\na = 1\n", &["/x"]).unwrap_err();
    assert!(matches!(root, Unfaithful::NotExpressible(_)));
}

#[test]
fn dotted_keys_and_inline_tables_go_too() {
    cases(&[
        (
            "s.x.command = \"a\"\nother = 1\ns.x.args = []\ns.y.command = \"b\"\n",
            &["/s/x"],
            "other = 1\ns.y.command = \"b\"\n",
        ),
        ("[s]\nx = {command = \"a\"} # x\ny.command = \"b\"\n", &["/s/x"], "[s]\ny.command = \"b\"\n"),
        ("[s]\nx = {command = \"a\"}\n", &["/s/x"], "[s]\n"),
        ("s = { x = {a = 1}, y = {a = 2} }\n", &["/s/x"], "s = { y = {a = 2} }\n"),
        ("s = { x = {a = 1}, y = {a = 2} }\n", &["/s/y"], "s = { x = {a = 1} }\n"),
        ("s = { x.a = 1, y.a = 2, x.b = 3 }\n", &["/s/x"], "s = { y.a = 2 }\n"),
        ("s = { x = {a = 1} }\n", &["/s/x"], "s = {}\n"),
        (
            "s = {\n  x = {a = 1}, # of x\n  # about y\n  y = {a = 2},\n}\n",
            &["/s/y"],
            "s = {\n  x = {a = 1}, # of x\n}\n",
        ),
        ("[\"a/b\".\"s~\"]\n'x y'.c = 1\nz = 2\n", &["/a~1b/s~0/x y"], "[\"a/b\".\"s~\"]\nz = 2\n"),
        ("l = [{n = 1}, {n = 2}]\n", &["/l/0"], "l = [{n = 2}]\n"),
        ("[[l]]\nn = 1\n[l.e]\nk = 2\n[[l]]\nn = 3\n[m]\n", &["/l/0"], "[[l]]\nn = 3\n[m]\n"),
        ("[[l]]\nn = 1\n[l.e]\nk = 2\n[[l]]\nn = 3\n[m]\n", &["/l/0", "/l/1"], "[m]\n"),
        ("x = \"\"\"\n[s.y]\n# no\n\"\"\"\n[s.y]\na = 1\n", &["/s/y"], "x = \"\"\"\n[s.y]\n# no\n\"\"\"\n"),
    ]);
}

#[test]
fn a_removed_table_comes_back_behind_the_others_of_its_kind() {
    let back = |text: &str, table: &str, name: &str| {
        let pointer = format!("{table}/{name}");
        let pieces = pieces_of(Toml, text, &pointer);
        changed(Toml, &without(Toml, text, &[&pointer]), &[insert(table, name, pieces)])
    };
    assert_eq!(
        back("[s.x]\na = 1\n\n[s.x.env]\nk = 2\n\n[s.y]\nb = 2\n\n# last\n[t]\n", "/s", "x"),
        "[s.y]\nb = 2\n\n[s.x]\na = 1\n\n[s.x.env]\nk = 2\n\n# last\n[t]\n"
    );
    assert_eq!(back("a = 1\n\n# x\n[s.x]\nb = 2 # two", "/s", "x"), "a = 1\n\n# x\n[s.x]\nb = 2 # two");
    assert_eq!(back("[s]\nx = {a = 1}\ny = 2\n\n[t]\n", "/s", "x"), "[s]\ny = 2\nx = {a = 1}\n\n[t]\n");
    assert_eq!(back("[s]\nx.a = 1\nx.b = 1\n", "/s", "x"), "[s]\nx.a = 1\nx.b = 1\n");
    assert_eq!(back("s = {x = {a = 1}, y = 2}\n", "/s", "x"), "s = {y = 2, x = {a = 1}}\n");
    assert_eq!(back("s = {x = {a = 1}}\n", "/s", "x"), "s = {x = {a = 1}}\n");
    assert_eq!(back("s.x.a = 1\ns.y = 2\n", "/s", "x"), "s.y = 2\ns.x.a = 1\n");
    assert_eq!(
        back("[[l]]\nn = 1\n\n[[l]]\nn = 2\n\n[m]\n", "/l", "0"),
        "[[l]]\nn = 2\n\n[[l]]\nn = 1\n\n[m]\n"
    );
    assert_eq!(back("l = [{n = 1}, {n = 2}]\n", "/l", "0"), "l = [{n = 2}, {n = 1}]\n");
    let pieces = pieces_of(Toml, FILE, "/mcp_servers/a");
    assert_eq!(
        apply(Toml, "", FILE.as_bytes(), &[insert("/mcp_servers", "a", pieces)]).unwrap_err(),
        Unfaithful::Taken
    );
}

#[test]
fn a_changed_entry_goes_back_to_its_text() {
    let back = |before: &str, now: &str, pointer: &str| {
        let pieces = pieces_of(Toml, before, pointer);
        changed(Toml, now, &[Change::Replace { at: place_of(Toml, now, pointer, 0), pieces }])
    };
    let before = "[s.x]\na = 'good'\n\n[s.x.env]\nk = 2\n\n[t]\n";
    assert_eq!(back(before, &before.replace("good", "evil"), "/s/x"), before);
    assert_eq!(back(before, "[s.x]\na = 'evil'\n\n[t]\n", "/s/x"), before);
    assert_eq!(back("[s.x]\na = 1", "[t]\n\n[s.x]\na = 2", "/s/x"), "[t]\n\n[s.x]\na = 1");
    assert_eq!(
        back("[s]\nx = {a = 1}\n", "[s]\nx = {a = 2} # c\ny = 1\n", "/s/x"),
        "[s]\nx = {a = 1} # c\ny = 1\n"
    );
    assert_eq!(
        back("s = {x = {a = 1}}\n", "s = {x = {a = 2}, y = 1}\n", "/s/x"),
        "s = {x = {a = 1}, y = 1}\n"
    );
    assert_eq!(back("[s.x]\na = 1\n", "[s]\nx = {a = 2}\n\n[t]\n", "/s/x"), "[s]\n\n[s.x]\na = 1\n\n[t]\n");
}

#[test]
fn texts_and_flags_are_set() {
    let text = |toml: &str, pointer: &str| {
        let at = place_of(Toml, toml, "/s/x", 0);
        changed(Toml, toml, &[Change::SetText { at, pointer: pointer.to_owned(), text: "p@1".to_owned() }])
    };
    assert_eq!(text("[s.x]\nargs = [\"-y\", 'p'] # c\n", "/args/1"), "[s.x]\nargs = [\"-y\", 'p@1'] # c\n");
    assert_eq!(
        text("[s]\nx = {args = [\"-y\", \"\"\"p\"\"\"]}\n", "/args/1"),
        "[s]\nx = {args = [\"-y\", \"p@1\"]}\n"
    );
    assert_eq!(text("s.x.command = 'a'\n", "/command"), "s.x.command = 'p@1'\n");
    let flag = |toml: &str| {
        let at = place_of(Toml, toml, "/s/x", 0);
        changed(Toml, toml, &[Change::SetFlag { at, pointer: "/enabled".to_owned(), value: false }])
    };
    assert_eq!(flag("[s.x]\nenabled = true # c\n"), "[s.x]\nenabled = false # c\n");
    assert_eq!(flag("[s.x]\n  a = 1\n\n[s.x.env]\n"), "[s.x]\n  a = 1\n  enabled = false\n\n[s.x.env]\n");
    assert_eq!(flag("[s.x]"), "[s.x]\nenabled = false");
    assert_eq!(flag("[s]\nx = { a = 1 }\n"), "[s]\nx = { a = 1, enabled = false }\n");
    assert_eq!(flag("[s]\nx = {}\n"), "[s]\nx = {enabled = false}\n");
    assert_eq!(flag("[s]\nx.a = 1\ny = 2\n"), "[s]\nx.a = 1\nx.enabled = false\ny = 2\n");
    assert_eq!(flag("[s.x.env]\nk = 1\n"), "[s.x]\nenabled = false\n\n[s.x.env]\nk = 1\n");
}

#[test]
fn lists_of_names_change() {
    let item =
        |list: &str, value: &str| Change::RemoveItem { list: list.to_owned(), value: value.to_owned() };
    let add = |list: &str, value: &str| Change::AddItem { list: list.to_owned(), value: value.to_owned() };
    let text = "on = [\n  \"a\", # why\n  \"b\",\n]\n\n[t]\nl = []\n";
    assert_eq!(
        changed(Toml, text, &[item("/on", "a"), add("/t/l", "x"), item("/none", "a")]),
        "on = [\n  \"b\",\n]\n\n[t]\nl = [\n  \"x\"\n]\n"
    );
    assert_eq!(changed(Toml, "[t]\na = 1\n", &[add("/off", "x")]), "off = [\"x\"]\n\n[t]\na = 1\n");
    assert_eq!(changed(Toml, "a = 1\n", &[add("/t/off", "x")]), "a = 1\n\n[t]\noff = [\"x\"]\n");
    let member = |pointer: &str| Change::RemoveMember { pointer: pointer.to_owned() };
    assert_eq!(changed(Toml, "a = 1\nb = 2\n", &[member("/a"), member("/z")]), "b = 2\n");
}

#[test]
fn what_is_not_there_or_damaged_is_refused() {
    let place = place_of(Toml, "[s.x]\na = 1\n", "/s/x", 0);
    for (text, why) in [
        ("[s.y]\na = 1\n", Unfaithful::Gone),
        ("a = 12\n[s.x]\na = 1\n", Unfaithful::Gone),
        ("[s.x\na = 1\n", Unfaithful::Unparseable),
        ("[s.x]\na = 1\na = 2\n", Unfaithful::Unparseable),
    ] {
        let refused = apply(Toml, "", text.as_bytes(), &[Change::Remove(place.clone())]);
        assert_eq!(refused.unwrap_err(), why, "{text}");
    }
}
