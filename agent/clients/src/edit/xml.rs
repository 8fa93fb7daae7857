//! Changes of XML: whole elements and values of attributes. Other formats' lists and flags do not occur in it.

use std::ops::Range;

use super::lines::Cut;
use super::pieces::joined;
use super::splice::Plan;
use super::style::{self, Style, after_newline, ends_line, line_start, starts_line};
use super::{Change, Doc, Piece, Place, Unfaithful, tokens};
use crate::codec::xml;
use crate::node::{Node, unescape};

const ODD: Unfaithful = Unfaithful::NotExpressible("a change that is not known for XML");

/// Plans all changes.
pub(super) fn plan(doc: Doc<'_>, changes: &[Change]) -> Result<Plan, Unfaithful> {
    let parsed = xml::parse(doc.text).map_err(|_| Unfaithful::Unparseable)?;
    let mut plan = Plan::new(changes.len());
    let mut removed: Vec<(Range<usize>, usize)> = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        match change {
            Change::Remove(place) => {
                removed.push((lines_of(doc.text, element_at(&parsed.root, doc, place)?.span.range()), at));
            }
            Change::Replace { at: place, pieces } => {
                // The kept text brings its own comments.
                let element = element_at(&parsed.root, doc, place)?.span.range();
                let lines = lines_of(doc.text, element.clone());
                let range = style::skip_blanks(doc.text, lines.start)..element.end;
                plan.removed[at].push(range.clone());
                plan.put(range, kept(pieces)?);
            }
            Change::SetText { at: place, pointer, text } => {
                let element = element_at(&parsed.root, doc, place)?;
                let value = reach(element, &tokens(pointer)).ok_or(Unfaithful::Gone)?;
                if !pointer.rsplit('/').next().is_some_and(|name| name.starts_with('@')) {
                    return Err(ODD);
                }
                plan.removed[at].push(value.span.range());
                plan.put(value.span.range(), escaped(text));
            }
            Change::Insert { table, pieces, .. } => {
                insert(doc, &parsed.root, table, &kept(pieces)?, &mut plan)?;
            }
            Change::SetFlag { .. } | Change::AddItem { .. } => return Err(ODD),
            // No approvals are kept in XML, and what is not there needs no taking out.
            Change::RemoveItem { list: pointer, .. } | Change::RemoveMember { pointer } => {
                if reach(&parsed.root, &tokens(pointer)).is_some() {
                    return Err(ODD);
                }
            }
        }
    }
    removed.sort_by_key(|(range, _)| range.start);
    let mut before: Option<Cut> = None;
    for (range, change) in removed {
        let whole = starts_line(doc.text, range.start)
            && range.end == after_newline(doc.text, line_end_of(doc.text, &range));
        let cut =
            if whole { Cut::closing_up(doc.text, range, None, before.as_ref()) } else { Cut::only(range) };
        plan.cut(change, cut.range.clone());
        before = Some(cut);
    }
    Ok(plan)
}

/// What [`Change::Remove`] would take out of each place.
pub(super) fn texts(doc: Doc<'_>, places: &[Place]) -> Result<Vec<Vec<Range<usize>>>, Unfaithful> {
    let parsed = xml::parse(doc.text).map_err(|_| Unfaithful::Unparseable)?;
    let of = |place| Ok(vec![lines_of(doc.text, element_at(&parsed.root, doc, place)?.span.range())]);
    places.iter().map(of).collect()
}

fn line_end_of(text: &str, range: &Range<usize>) -> usize {
    style::back_over_newline(text, range.end)
}

/// The element at exactly these bytes.
fn element_at<'d, 'a>(root: &'d Node<'a>, doc: Doc<'_>, place: &Place) -> Result<&'d Node<'a>, Unfaithful> {
    let found = reach(root, &tokens(&place.key_path)).ok_or(Unfaithful::Gone)?;
    if found.span.range() == doc.range(place)? { Ok(found) } else { Err(Unfaithful::Gone) }
}

fn reach<'d, 'a>(root: &'d Node<'a>, path: &[String]) -> Option<&'d Node<'a>> {
    path.iter().try_fold(root, |node, token| {
        let item = token.parse().ok().and_then(|at: usize| node.items().get(at));
        node.get(&unescape(token)).or(item)
    })
}

/// An element with the comment lines directly above it, and as lines if nothing else stands on them.
fn lines_of(text: &str, element: Range<usize>) -> Range<usize> {
    if !starts_line(text, element.start) || !ends_line(text, element.end) {
        return element;
    }
    let mut start = line_start(text, element.start);
    while let Some(comment) = comment_above(text, start) {
        start = comment;
    }
    start..after_newline(text, style::line_end(text, element.end))
}

/// The start of the line of a comment that ends with the line before.
fn comment_above(text: &str, start: usize) -> Option<usize> {
    let above = text[..style::back_over_newline(text, start)].trim_end_matches([' ', '\t']);
    let open = above.strip_suffix("-->")?.rfind("<!--")?;
    starts_line(text, open).then(|| line_start(text, open))
}

/// Kept text without what stands around the element.
pub(super) fn kept(pieces: &[Piece]) -> Result<String, Unfaithful> {
    let text = joined(pieces)?;
    let text = text.trim();
    // Comments above the element may come with it; a document may begin with them.
    xml::parse(text).map_err(|_| Unfaithful::NotExpressible("the kept text is not one entry by itself"))?;
    Ok(text.to_owned())
}

/// Adds an element behind those of its parent. `table` is the parent's list of elements.
fn insert(doc: Doc<'_>, root: &Node<'_>, table: &str, text: &str, plan: &mut Plan) -> Result<(), Unfaithful> {
    let path = table.strip_suffix("/#children").ok_or(ODD)?;
    let parent = reach(root, &tokens(path)).ok_or(ODD)?;
    let end = parent.span.range().end;
    let close = doc.text[..end].rfind("</").filter(|close| *close > parent.span.start as usize).ok_or(ODD)?;
    if doc.text[..end].ends_with("/>") {
        return Err(ODD);
    }
    let style = Style::of(doc.text);
    if starts_line(doc.text, close) {
        let outer = style::indent(doc.text, close);
        let sibling = parent.get("#children").and_then(|children| children.items().last());
        let inner = match sibling {
            Some(sibling) if starts_line(doc.text, sibling.span.start as usize) => {
                style::indent(doc.text, sibling.span.start as usize).to_owned()
            }
            _ => format!("{outer}{}", style.unit),
        };
        let at = line_start(doc.text, close);
        plan.put(at..at, format!("{inner}{text}{}", style.newline));
    } else {
        plan.put(close..close, text);
    }
    Ok(())
}

/// The value of an attribute in either kind of quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\r' | '\t' => out.push_str(&format!("&#{};", c as u32)),
            c => out.push(c),
        }
    }
    out
}
