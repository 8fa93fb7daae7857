use super::testing::{changed, insert, pieces_of, place_of, remove, without};
use super::*;
use crate::codec::Format::FrontMatter;

const FILE: &str = "---\nname: a # kept\nmcpServers:\n  # about s\n  - s:\n      command: npx\n      args: [x@1]\n  - t: {command: y}\n    u:\n      command: z\ntools: [Read]\n---\n\n# Text\n\nmcpServers:\n  - s:\n---\n";

#[test]
fn an_entry_of_the_front_matter_goes_and_the_text_stays() {
    let after = without(FrontMatter, FILE, &["/mcpServers/1/t"]);
    assert_eq!(after, FILE.replace("  - t: {command: y}\n    u:\n", "  - u:\n"));
    let after = without(FrontMatter, FILE, &["/mcpServers/0/s"]);
    assert!(after.contains("  - {}\n  - t: {command: y}\n"), "{after}");
    assert!(after.ends_with("---\n\n# Text\n\nmcpServers:\n  - s:\n---\n"), "{after}");
}

#[test]
fn a_removed_entry_of_the_front_matter_comes_back_as_it_was() {
    let edited = remove(FrontMatter, FILE, &["/mcpServers/1/u"]).unwrap();
    let text = String::from_utf8(edited.bytes).unwrap();
    let back = changed(FrontMatter, &text, &[insert("/mcpServers/1", "u", edited.removed[0].clone())]);
    assert_eq!(back, FILE);
}

#[test]
fn a_pin_and_a_revert_touch_the_front_matter_only() {
    let at = place_of(FrontMatter, FILE, "/mcpServers/0/s", 0);
    let pin = Change::SetText { at, pointer: "/args/0".to_owned(), text: "x@2".to_owned() };
    assert_eq!(changed(FrontMatter, FILE, &[pin]), FILE.replace("x@1", "x@2"));
    let older = FILE.replace("command: z", "command: w");
    let at = place_of(FrontMatter, FILE, "/mcpServers/1/u", 0);
    let revert = Change::Replace { at, pieces: pieces_of(FrontMatter, &older, "/mcpServers/1/u") };
    assert_eq!(changed(FrontMatter, FILE, &[revert]), older);
}

#[test]
fn a_matter_that_is_no_yaml_as_it_stands_is_not_edited() {
    let text = FILE.replace("name: a # kept", "name: a: b");
    let refused = remove(FrontMatter, &text, &["/mcpServers/0/s"]).unwrap_err();
    assert_eq!(refused, Unfaithful::Unparseable);
}

#[test]
fn an_edit_never_moves_the_end_of_the_front_matter() {
    let flow = "---\nmcpServers: [{s: {command: \"npx\", args: [\"a\"]}}]\n---\nbody\n";
    let at = place_of(FrontMatter, flow, "/mcpServers/0/s", 0);
    let pin = Change::SetText { at, pointer: "/args/0".to_owned(), text: "a\n---\nb".to_owned() };
    let edited = apply(FrontMatter, "", flow.as_bytes(), &[pin]);
    if let Ok(edited) = edited {
        assert!(edited.bytes.ends_with(b"\n---\nbody\n"));
    }
    let with = |text: &str| prove(FrontMatter, "", flow.as_bytes(), text.as_bytes(), &[]);
    assert_eq!(with(flow), Ok(()));
    assert!(with(&flow.replace("body", "---\nbody")).is_err());
}
