//! References to variables that clients fill in in the text of a file, before they parse it.

use crate::node::Node;
use crate::servers;

/// The first key with a reference in it: what it is called is not known.
pub(crate) fn key(root: &Node<'_>, marks: &[&str]) -> Option<usize> {
    let mut nodes = vec![root];
    while let Some(node) = nodes.pop() {
        nodes.extend(node.items());
        for member in node.members() {
            if has(&member.key, marks) {
                return Some(member.key_span.start as usize);
            }
            nodes.push(&member.value);
        }
    }
    None
}

/// The first reference that stands for servers themselves: in place of their table, or of one in it.
pub(crate) fn server(root: &Node<'_>, keys: &[&str], marks: &[&str]) -> Option<usize> {
    let is_filled = |node: &&Node<'_>| node.as_str().is_some_and(|text| has(text, marks));
    let tables = keys.iter().flat_map(|key| servers::tables_at(root, key));
    let places = tables.flat_map(|table| {
        let entries = table.members().iter().map(|member| &member.value).chain(table.items());
        std::iter::once(table).chain(entries)
    });
    places.filter(is_filled).map(|node| node.span.start as usize).min()
}

fn has(text: &str, marks: &[&str]) -> bool {
    marks.iter().any(|mark| text.contains(mark))
}
