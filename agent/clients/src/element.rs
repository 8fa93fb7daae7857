//! XML elements of the common tree (see `codec::xml`), and JetBrains' way to write an object in them: `option`
//! elements with a name and a value, lists and maps below.

use std::borrow::Cow;

use mcpolicy_schema::evaluate::is_judged;

use crate::node::{Member, Node, Span, Value};

/// The tag of an element.
pub fn tag<'d>(element: &'d Node<'_>) -> Option<&'d str> {
    element.get("#name").and_then(Node::as_str)
}

/// An attribute of an element.
pub fn attribute<'d>(element: &'d Node<'_>, name: &str) -> Option<&'d str> {
    let found = element.members().iter().find(|m| m.key.strip_prefix('@') == Some(name));
    found.and_then(|m| m.value.as_str())
}

/// The elements below an element.
pub fn children<'d, 'a>(element: &'d Node<'a>) -> &'d [Node<'a>] {
    element.get("#children").map_or(&[][..], Node::items)
}

/// The value of `<option name="NAME" value="…"/>` below an element, the last of several.
pub fn option<'d>(element: &'d Node<'_>, name: &str) -> Option<&'d str> {
    named(element, name).and_then(|option| attribute(option, "value"))
}

fn named<'d, 'a>(element: &'d Node<'a>, name: &str) -> Option<&'d Node<'a>> {
    children(element)
        .iter()
        .rev()
        .find(|child| tag(child) == Some("option") && attribute(child, "name") == Some(name))
}

/// A server written as options, as the object that other clients would write. Places are those of the element.
pub fn to_object<'a>(element: &Node<'a>) -> Node<'a> {
    let mut members = Vec::new();
    let mut add = |key: &str, value: Value<'a>| {
        let value = Node { value, span: element.span };
        members.push(Member { key: Cow::Owned(key.to_owned()), key_span: element.span, value });
    };
    // Every one of several is kept: which of them the client takes is not for here.
    for child in children(element) {
        let is_option = tag(child) == Some("option");
        let name = attribute(child, "name").filter(|_| is_option);
        let text = attribute(child, "value").filter(|value| !value.is_empty());
        match (name.unwrap_or_default(), text) {
            ("programPath" | "command", Some(command)) => add("command", string(command)),
            ("arguments", Some(line)) => add("args", list(split_arguments(line), element.span)),
            ("args", _) => {
                let values = below(child).into_iter().filter_map(|item| attribute(item, "value"));
                add("args", list(values.map(str::to_owned).collect(), element.span));
            }
            ("envs" | "env", _) => add("env", pairs(child)),
            ("headers", _) => add("headers", pairs(child)),
            ("url", Some(url)) => add("url", string(url)),
            ("workingDirectory", Some(directory)) => add("cwd", string(directory)),
            _ if tag(child) == Some("envs") => add("env", pairs(child)),
            (name, Some(value)) if is_judged(name) => add(name, string(value)),
            _ => {}
        }
    }
    if option(element, "enabled") == Some("false") {
        add("enabled", Value::Bool(false));
    }
    Node { value: Value::Object(members), span: element.span }
}

fn string<'a>(text: &str) -> Value<'a> {
    Value::String(Cow::Owned(text.to_owned()))
}

fn list<'a>(texts: Vec<String>, span: Span) -> Value<'a> {
    Value::Array(texts.into_iter().map(|t| Node { value: Value::String(Cow::Owned(t)), span }).collect())
}

/// All elements below an element, in order of the text. The tree is at most `MAX_DEPTH` deep.
fn below<'d, 'a>(element: &'d Node<'a>) -> Vec<&'d Node<'a>> {
    children(element).iter().flat_map(|child| std::iter::once(child).chain(below(child))).collect()
}

/// Names and values of `<env name= value=>` or `<entry key= value=>` below an element.
fn pairs<'a>(element: &Node<'a>) -> Value<'a> {
    let pair = |item: &&Node<'a>| {
        let name = attribute(item, "name").or_else(|| attribute(item, "key"))?;
        let value = Node { value: string(attribute(item, "value")?), span: item.span };
        Some(Member { key: Cow::Owned(name.to_owned()), key_span: item.span, value })
    };
    Value::Object(below(element).iter().filter_map(pair).collect())
}

/// Splits a line of arguments as the IDE does: at white space, except in double quotes; `\"` is a quote.
fn split_arguments(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'"') => {
                chars.next();
                word.get_or_insert_default().push('"');
            }
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => out.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_at_white_space_outside_quotes() {
        assert_eq!(
            split_arguments(r#"-y  "a b" c\"d "" e"f g"h"#),
            ["-y", "a b", "c\"d", "", "ef gh"].map(str::to_owned)
        );
        assert!(split_arguments("  ").is_empty());
    }
}
