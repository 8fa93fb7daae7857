use super::testing::{changed, insert, pieces_of, place_of, remove, without};
use super::*;
use crate::codec::Format::FrontMatter;

const FILE: &str = "---\nname: a # kept\nmcpServers:\n  # about s\n  - s:\n      command: npx\n      args: [x@1]\n  - t: {command: y}\n    u:\n      command: z\ntools: [Read]\n---\n\n# Text\n\nmcpServers:\n  - s:\n---\n";

#[test]
fn an_entry_of_the_front_matter_goes_and_the_text_stays() {
    let after = without(FrontMatter, FILE, &["/mcpServers/1/t"]);
    assert_eq!(after, FILE.replace("  - t: {command: y}\n    u:\n", "  - u:\n"));
    let after = without(FrontMatter, FILE, &["/mcpServers/0/s"]);
    let item = "  # about s\n  - s:\n      command: npx\n      args: [x@1]\n";
    assert_eq!(after, FILE.replace(item, ""));
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

/// Agents with servers in a list, and the key paths and lines of the denied ones.
fn agents(items: &[&str], flow: bool) -> String {
    let list = match flow {
        true => format!("mcpServers: [{}]\n", items.join(", ")),
        false => {
            format!("mcpServers:\n{}", items.iter().map(|item| format!("  - {item}\n")).collect::<String>())
        }
    };
    format!("---\nname: a # kept\n{list}tools: [Read]\n---\n\n# Prompt\n  - bad: {{}}\n")
}

const GOOD: &str = "good: {command: npx, args: [-y, \"@acme/good@1.0.0\"]}";
const BAD: &str = "bad: {command: npx, args: [-y, bad@1]}";
const WORSE: &str = "worse: {command: npx, args: [-y, worse@1]}";

fn braces(items: &[&str]) -> Vec<String> {
    items
        .iter()
        .map(|item| if item.contains(':') { format!("{{{item}}}") } else { (*item).to_owned() })
        .collect()
}

#[test]
fn of_servers_in_a_list_the_item_of_the_denied_one_goes_and_every_other_byte_stays() {
    let cases: [(&[&str], &[&str]); 7] = [
        (&[BAD, GOOD], &["/mcpServers/0/bad"]),
        (&[GOOD, BAD], &["/mcpServers/1/bad"]),
        (&[GOOD, BAD, "slack"], &["/mcpServers/1/bad"]),
        (&["slack", BAD], &["/mcpServers/1/bad"]),
        (&[GOOD, BAD, WORSE], &["/mcpServers/1/bad", "/mcpServers/2/worse"]),
        (&[BAD, GOOD, WORSE, "slack"], &["/mcpServers/0/bad", "/mcpServers/2/worse"]),
        (&[BAD, WORSE, GOOD], &["/mcpServers/0/bad", "/mcpServers/1/worse"]),
    ];
    for (items, denied) in cases {
        let kept: Vec<&str> = items.iter().copied().filter(|item| ![BAD, WORSE].contains(item)).collect();
        assert_eq!(without(FrontMatter, &agents(items, false), denied), agents(&kept, false));
        let (items, kept) = (braces(items), braces(&kept));
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        assert_eq!(without(FrontMatter, &agents(&items, true), denied), agents(&kept, true));
    }
    let block =
        |name: &str| format!("{name}:\n      command: npx\n      args: [-y, {name}@1]\n      # of {name}");
    let (good, bad, worse) = (block("good"), block("bad"), block("worse"));
    let before = agents(&[&good, &bad, &worse], false);
    let after = without(FrontMatter, &before, &["/mcpServers/1/bad", "/mcpServers/2/worse"]);
    assert_eq!(after, agents(&[&good], false));
}

#[test]
fn of_a_list_with_denied_servers_only_an_empty_one_is_left() {
    let empty = agents(&[], true);
    for (items, denied) in [
        (&[BAD][..], &["/mcpServers/0/bad"][..]),
        (&[BAD, WORSE], &["/mcpServers/0/bad", "/mcpServers/1/worse"]),
    ] {
        assert_eq!(without(FrontMatter, &agents(items, false), denied), empty);
        let items = braces(items);
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        assert_eq!(without(FrontMatter, &agents(&items, true), denied), empty);
    }
}

#[test]
fn an_item_with_several_servers_stays_and_so_does_its_place() {
    let two = format!("{BAD}\n    {WORSE}");
    let before = agents(&[GOOD, &two], false);
    let after = without(FrontMatter, &before, &["/mcpServers/1/bad"]);
    assert_eq!(after, agents(&[GOOD, WORSE], false));
    let after = without(FrontMatter, &before, &["/mcpServers/1/bad", "/mcpServers/1/worse"]);
    assert_eq!(after, agents(&[GOOD, "{}"], false));
}

#[test]
fn a_server_that_went_with_its_item_comes_back_as_an_item_of_its_own() {
    for (items, at) in [(&[GOOD, BAD][..], 1), (&[BAD], 0), (&[BAD, GOOD], 0)] {
        for flow in [false, true] {
            let items =
                if flow { braces(items) } else { items.iter().map(|item| (*item).to_owned()).collect() };
            let items: Vec<&str> = items.iter().map(String::as_str).collect();
            let before = agents(&items, flow);
            let (table, entry) = (format!("/mcpServers/{at}"), format!("/mcpServers/{at}/bad"));
            let edited = remove(FrontMatter, &before, &[&entry]).unwrap();
            let text = String::from_utf8(edited.bytes).unwrap();
            let back = changed(FrontMatter, &text, &[insert(&table, "bad", edited.removed[0].clone())]);
            let mut sorted: Vec<&str> = items.clone();
            sorted.sort_by_key(|item| item.contains("bad@1"));
            let as_items = agents(&sorted, flow && items.len() > 1);
            // brackets that are empty become lines
            assert_eq!(
                back.replace("- {bad: {command: npx, args: [-y, bad@1]}}", &format!("- {BAD}")),
                as_items.replace("- {bad: {command: npx, args: [-y, bad@1]}}", &format!("- {BAD}"))
            );
            let taken =
                apply(FrontMatter, "", back.as_bytes(), &[insert(&table, "bad", edited.removed[0].clone())]);
            assert_eq!(taken.unwrap_err(), Unfaithful::Taken);
        }
    }
}
