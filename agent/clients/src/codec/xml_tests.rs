use super::*;

const SETTINGS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<application>\r\n  <component name=\"Mcp\">\r\n\
    <option name=\"commands\" é=\"a&lt;b\">\r\n      {\"json\": 1}<!-- c --> x\r\n    </option>\r\n  </component>\r\n</application>\r\n";

#[test]
fn elements_are_objects_with_places() {
    let parsed = parse(SETTINGS).unwrap();
    let option = &parsed.root.get("#children").unwrap().items()[0].get("#children").unwrap().items()[0];
    assert_eq!(option.get("#name").unwrap().as_str(), Some("option"));
    assert_eq!(option.get("@name").unwrap().as_str(), Some("commands"));
    assert_eq!(option.get("@é").unwrap().as_str(), Some("a<b"));
    assert_eq!(option.get("#text").unwrap().as_str().unwrap().trim(), "{\"json\": 1} x");
    assert_eq!(&SETTINGS[option.get("@é").unwrap().span.range()], "a&lt;b");
    let name = option.members().iter().find(|m| m.key == "@name").unwrap();
    assert_eq!(&SETTINGS[name.key_span.range()], "name");
    assert!(SETTINGS[option.span.range()].starts_with("<option"));
    assert!(SETTINGS[option.span.range()].ends_with("</option>"));
    assert!(parsed.root.get("#text").is_none());
}

#[test]
fn prefixed_names_stay_whole() {
    let parsed = parse("<p:a xmlns:p='u' p:x='1' x='2'><p:b/></p:a>").unwrap();
    assert_eq!(parsed.root.get("#name").unwrap().as_str(), Some("p:a"));
    assert_eq!(parsed.root.get("@p:x").unwrap().as_str(), Some("1"));
    assert_eq!(parsed.root.get("@x").unwrap().as_str(), Some("2"));
    assert!(parsed.duplicates.is_empty());
}

#[test]
fn damaged_files_are_errors_that_quote_nothing() {
    for text in [
        "<a><SECRETMARK></a>",
        "<a b='SECRETMARK",
        "<a>SECRETMARK",
        "<a x='1' x='SECRETMARK'/>",
        "<SECRETMARK:a/>",
        "<a>&SECRETMARK;</a>",
        "<<<<<<< SECRETMARK\n<a/>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///SECRETMARK'>]><a>&x;</a>",
        "<a/>SECRETMARK",
        "SECRETMARK",
        "<a><!-- SECRETMARK -- --></a>",
        "<a>\u{1}</a>",
        "<!-- SECRETMARK -->",
    ] {
        let error = parse(text).unwrap_err();
        assert!(!error.message.contains("SECRETMARK"), "{}", error.message);
        assert!(text.is_char_boundary(error.offset), "{text}");
    }
    assert_eq!(parse("<a>\n é<b></c></a>").unwrap_err().offset, 10);
}

#[test]
fn a_document_type_is_refused_before_any_entity_is_read() {
    let laughs = "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><l>&b;</l>";
    assert_eq!(parse(laughs).unwrap_err().message, "the file has a document type, which is refused");
}

#[test]
fn nesting_of_100_000_levels_hides_nothing_beside_it() {
    let deep = "<a>".repeat(100_000) + &"</a>".repeat(100_000);
    let text = format!("<r>{deep}<next/></r>");
    let parsed = parse(&text).unwrap();
    assert!(parsed.deep.is_some());
    let next = parsed.root.get("#children").unwrap().items().last().unwrap();
    assert_eq!(next.get("#name").unwrap().as_str(), Some("next"));
    assert!(parse(&"<a>".repeat(100_000)).is_err());
}

#[test]
fn a_flood_of_attributes_or_namespaces_is_refused_at_once() {
    let attributes: String = (0..500_000).map(|n| format!(" a{n}=''")).collect();
    assert_eq!(
        parse(&format!("<a{attributes}/>")).unwrap_err().message,
        "an element has too many attributes"
    );
    let namespaces: String = (0..50_000).map(|n| format!("<a xmlns:n{n}='u'>")).collect();
    assert_eq!(parse(&namespaces).unwrap_err().message, "the file declares too many namespaces");
    let few: String = (0..MAX_ATTRIBUTES).map(|n| format!(" a{n}='>'")).collect();
    assert!(parse(&format!("<a{few}/>")).is_ok());
    assert!(parse(&format!("<!-- {} --><a><![CDATA[{}]]></a>", "<'".repeat(999), "<\"".repeat(999))).is_ok());
}
