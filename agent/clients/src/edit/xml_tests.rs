use super::testing::{changed, insert, pieces_of, place_of, remove, without};
use super::*;
use crate::codec::Format::Xml;

const FILE: &str = "<application>\r\n  <component name=\"Mcp\">\r\n    <!-- of a -->\r\n    <Server>\r\n      <option name=\"command\" value=\"npx\" />\r\n    </Server>\r\n    <!-- of the component -->\r\n\r\n    <Server><option name=\"url\" value='https://x' /></Server>\r\n  </component>\r\n</application>";
const A: &str = "/#children/0/#children/0";
const B: &str = "/#children/0/#children/1";

#[test]
fn elements_go_with_their_lines_and_the_comments_above() {
    let of = |removed: &[&str]| without(Xml, FILE, removed);
    assert_eq!(
        of(&[A]),
        "<application>\r\n  <component name=\"Mcp\">\r\n    <!-- of the component -->\r\n\r\n    <Server><option name=\"url\" value='https://x' /></Server>\r\n  </component>\r\n</application>"
    );
    assert_eq!(
        of(&[A, B]),
        "<application>\r\n  <component name=\"Mcp\">\r\n    <!-- of the component -->\r\n\r\n  </component>\r\n</application>"
    );
    assert_eq!(without(Xml, "<a><b/><c x='1'/><d/></a>", &["/#children/1"]), "<a><b/><d/></a>");
    assert_eq!(without(Xml, "<a><b/></a>", &["/#children/0"]), "<a></a>");
}

#[test]
fn elements_come_back_and_go_back() {
    let pieces = pieces_of(Xml, FILE, A);
    let back =
        changed(Xml, &without(Xml, FILE, &[A]), &[insert("/#children/0/#children", "", pieces.clone())]);
    let without_a = without(Xml, FILE, &[A]);
    let element =
        "<!-- of a -->\r\n    <Server>\r\n      <option name=\"command\" value=\"npx\" />\r\n    </Server>";
    assert_eq!(back, without_a.replace("  </component>", &format!("    {element}\r\n  </component>")));
    let now = FILE.replace("npx", "evil");
    let changes = [Change::Replace { at: place_of(Xml, &now, A, 0), pieces }];
    assert_eq!(changed(Xml, &now, &changes), FILE);
    let one_line = "<a><b/></a>";
    let pieces = pieces_of(Xml, one_line, "/#children/0");
    assert_eq!(changed(Xml, "<a></a>", &[insert("/#children", "", pieces)]), one_line);
}

#[test]
fn values_of_attributes_change() {
    let at = place_of(Xml, FILE, B, 0);
    let set = |pointer: &str, text: &str| {
        let change = Change::SetText { at: at.clone(), pointer: pointer.to_owned(), text: text.to_owned() };
        apply(Xml, "", FILE.as_bytes(), &[change])
    };
    let edited = set("/#children/0/@value", "a&'\"<\n>").unwrap();
    let expected = FILE.replace("https://x", "a&amp;&apos;&quot;&lt;&#10;&gt;");
    assert_eq!(String::from_utf8(edited.bytes).unwrap(), expected);
    assert!(matches!(set("/#children/0/#name", "x"), Err(Unfaithful::NotExpressible(_))));
    assert_eq!(set("/#children/0/@none", "x").unwrap_err(), Unfaithful::Gone);
}

#[test]
fn document_types_are_refused() {
    let place = Place { key_path: "/#children/0".to_owned(), span: 0..4 };
    let refused = apply(Xml, "", b"<!DOCTYPE a><a><b/></a>", &[Change::Remove(place)]);
    assert_eq!(refused.unwrap_err(), Unfaithful::Unparseable);
    assert!(remove(Xml, "<a>x<b/>y</a>", &["/#children/0"]).is_ok());
}
