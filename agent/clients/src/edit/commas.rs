//! Taking out and adding in what commas separate: JSON maps and lists, TOML inline tables and arrays, YAML flow
//! collections.

use std::collections::BTreeMap;
use std::ops::Range;

use super::splice::Plan;
use super::style::{
    Style, after_newline, back_over_blanks, ends_line, indent, line_start, newlines, skip_blanks, starts_line,
};

/// How comments are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comments {
    /// `//` and `/* */`.
    Slashes,
    /// `#`.
    Hash,
}

/// Brackets with children between commas.
pub(super) struct List<'t> {
    pub(super) text: &'t str,
    /// Between the brackets.
    pub(super) inner: Range<usize>,
    /// From the first byte of each child to the last, in order.
    pub(super) children: Vec<Range<usize>>,
    pub(super) comments: Comments,
}

/// A child to be added.
#[derive(Debug, Clone)]
pub(super) struct Added {
    pub(super) text: String,
    /// A comment to stand behind its comma, if there is a line for it.
    pub(super) behind: String,
}

/// What stands between two children, or between a bracket and a child.
struct Gap {
    comma: Option<usize>,
    comments: Vec<Comment>,
}

#[derive(Clone)]
struct Comment {
    range: Range<usize>,
    /// It ends with its line.
    line: bool,
}

/// The end of what belongs to a child.
struct Tail {
    end: usize,
    /// The byte after its comma, or after the child if there is none.
    separator: usize,
    /// It ends with a comment that takes the rest of the line.
    line_comment: bool,
}

impl List<'_> {
    /// Takes children out and adds others at the end. `removed`: child to change.
    pub(super) fn plan(
        &self,
        removed: &BTreeMap<usize, usize>,
        added: &[Added],
        style: &Style,
        out: &mut Plan,
    ) {
        let kept = (0..self.children.len()).rev().find(|child| !removed.contains_key(child));
        if !removed.is_empty() {
            self.remove(removed, kept, added.is_empty(), out);
        }
        if !added.is_empty() {
            match kept {
                Some(kept) => self.add_after(kept, added, style, out),
                None => self.add_first(removed, added, style, out),
            }
        }
    }

    fn remove(&self, removed: &BTreeMap<usize, usize>, kept: Option<usize>, is_all: bool, out: &mut Plan) {
        let mut cuts: Vec<Range<usize>> = removed.keys().map(|child| self.cut(*child)).collect();
        // the blanks between two belong to the first: each is kept as the text of one entry by itself
        let mut taken = 0;
        for cut in &mut cuts {
            cut.start = cut.start.max(taken);
            taken = cut.end;
        }
        for (change, cut) in removed.values().zip(&cuts) {
            out.cut(*change, cut.clone());
        }
        let first = (0..self.children.len()).find(|child| !removed.contains_key(child));
        if let Some(before) = first.and_then(|first| first.checked_sub(1)) {
            // The blanks before what is now the first of the line stay, those behind it do not.
            let end = self.tail(before).end;
            if !ends_line(self.text, end) {
                out.drop(end..skip_blanks(self.text, end));
            }
        }
        let last = self.children.len() - 1;
        match kept {
            // A list that did not end with a comma must not end with one now.
            Some(kept) if is_all && kept < last && self.tail(last).separator == self.children[last].end => {
                let after = self.children[kept].end;
                if let Some(comma) = self.gap(kept + 1).comma {
                    // A comma at the start of a line goes with the line ending before it.
                    let is_blank = self.text[after..comma].trim().is_empty();
                    out.drop(if is_blank { after } else { comma }..comma + 1);
                }
            }
            Some(_) => {}
            None if is_all && self.is_blank_without(&cuts) => out.drop(self.inner.clone()),
            None => {}
        }
    }

    /// Whether only white space is left between the brackets.
    fn is_blank_without(&self, cuts: &[Range<usize>]) -> bool {
        let mut at = self.inner.start;
        let blank = |range: Range<usize>| self.text.get(range).is_none_or(|text| text.trim().is_empty());
        cuts.iter().all(|cut| {
            let before = at..cut.start;
            at = at.max(cut.end);
            blank(before)
        }) && blank(at..self.inner.end)
    }

    /// What is taken out with one child; see the module above for what belongs to it.
    pub(super) fn cut(&self, child: usize) -> Range<usize> {
        let text = self.text;
        let tail = self.tail(child);
        let before = child.checked_sub(1).map(|earlier| self.tail(earlier));
        // a comment before it in the line of the one before, or of the bracket, ends with its line
        let (floor, after_comment) = match &before {
            Some(before) => (before.end, before.line_comment),
            None => self.opening(),
        };
        let start = self.lead(child, floor);
        let line = line_start(text, start);
        let starts = line >= floor && starts_line(text, start);
        let ends = tail.line_comment || ends_line(text, tail.end);
        if ends && starts {
            return line..after_newline(text, skip_blanks(text, tail.end)).min(self.inner.end);
        }
        let next = skip_blanks(text, tail.end);
        if !ends && next < self.inner.end && (starts || before.is_none()) {
            return start..next;
        }
        // The last one of the line, perhaps before the closing bracket.
        let is_blank = text[floor..start].trim().is_empty();
        let from =
            if starts && is_blank && !after_comment { floor } else { back_over_blanks(text, start, floor) };
        from..tail.end
    }

    /// The place after the opening bracket and the comments behind it in its line, and whether that ends with one.
    fn opening(&self) -> (usize, bool) {
        let comments = self.gap(0).comments;
        self.same_line(self.inner.start, &comments)
    }

    fn tail(&self, child: usize) -> Tail {
        let gap = self.gap(child + 1);
        let separator = gap.comma.map_or(self.children[child].end, |comma| comma + 1);
        let behind: Vec<Comment> = gap.comments.into_iter().filter(|c| c.range.start >= separator).collect();
        let (end, line_comment) = self.same_line(separator, &behind);
        Tail { end, separator, line_comment }
    }

    /// The end of the comments that follow a place in its line, if nothing else follows there but a closing bracket
    /// without a comma before it.
    fn same_line(&self, from: usize, comments: &[Comment]) -> (usize, bool) {
        let mut end = from;
        for comment in comments {
            if newlines(&self.text[end..comment.range.start]) > 0 {
                break;
            }
            end = comment.range.end;
            if comment.line {
                return (end, true);
            }
        }
        let closes = skip_blanks(self.text, end) >= self.inner.end && !self.text[..from].ends_with(',');
        if ends_line(self.text, end) || closes { (end, false) } else { (from, false) }
    }

    /// Where the comments begin that stand directly above a child, or before it in its line.
    fn lead(&self, child: usize, floor: usize) -> usize {
        let mut start = self.children[child].start;
        let comments = self.gap(child).comments;
        for comment in comments.into_iter().rev().take_while(|c| c.range.start >= floor) {
            let apart = newlines(&self.text[comment.range.end..start]);
            let own_line = line_start(self.text, comment.range.start) >= floor;
            if apart > 1 || (apart == 1 && !own_line) {
                break;
            }
            start = comment.range.start;
        }
        start
    }

    /// What stands before a child; of the number of children, before the closing bracket.
    fn gap(&self, child: usize) -> Gap {
        let start = child.checked_sub(1).map_or(self.inner.start, |earlier| self.children[earlier].end);
        let end = self.children.get(child).map_or(self.inner.end, |child| child.start);
        let bytes = self.text.as_bytes();
        let mut gap = Gap { comma: None, comments: Vec::new() };
        let mut at = start;
        while at < end {
            match self.comment_at(at) {
                Some(comment) => {
                    at = comment.range.end;
                    gap.comments.push(comment);
                }
                None => {
                    if bytes[at] == b',' {
                        gap.comma.get_or_insert(at);
                    }
                    at += 1;
                }
            }
        }
        gap
    }

    fn comment_at(&self, at: usize) -> Option<Comment> {
        let rest = &self.text.as_bytes()[at..self.inner.end];
        let to_line_end = || memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (length, line) = match (self.comments, rest) {
            (Comments::Slashes, [b'/', b'/', ..]) | (Comments::Hash, [b'#', ..]) => (to_line_end(), true),
            (Comments::Slashes, [b'/', b'*', inside @ ..]) => {
                (memchr::memmem::find(inside, b"*/").map_or(rest.len(), |end| end + 4), false)
            }
            _ => return None,
        };
        Some(Comment { range: at..at + length, line })
    }

    fn add_after(&self, kept: usize, added: &[Added], style: &Style, out: &mut Plan) {
        let child = &self.children[kept];
        let tail = self.tail(kept);
        let has_comma = tail.separator > child.end;
        if !has_comma {
            out.put(child.end..child.end, ",");
        }
        let last = self.children.len() - 1;
        let ends_with_comma = self.tail(last).separator > self.children[last].end;
        let own_line = starts_line(self.text, self.lead(kept, self.inner.start));
        let indent = indent(self.text, child.start);
        let between = if own_line { format!("{}{indent}", style.newline) } else { " ".to_owned() };
        let mut text = written(added, &between, ends_with_comma, own_line);
        // Behind the comment of the line, unless the addition is to stand in that line.
        let at = if own_line { tail.end } else { tail.separator };
        let has_comment = added.last().is_some_and(|last| !last.behind.is_empty());
        if own_line && has_comment && !ends_line(self.text, at) {
            // its comment must not take the bracket along that closes in this line
            text.push_str(style.newline);
            text.push_str(super::style::indent(self.text, self.inner.start));
        }
        out.put(at..at, text);
    }

    fn add_first(&self, removed: &BTreeMap<usize, usize>, added: &[Added], style: &Style, out: &mut Plan) {
        let outer = indent(self.text, self.inner.start);
        let inner = format!("{outer}{}", style.unit);
        let is_blank = {
            let cuts: Vec<Range<usize>> = removed.keys().map(|child| self.cut(*child)).collect();
            self.is_blank_without(&cuts)
        };
        let newline = style.newline;
        if !is_blank {
            // What is left are comments, and the bracket may stand behind one only in a line of its own.
            let own_line = starts_line(self.text, self.inner.end);
            let text = if own_line {
                let between = format!("{newline}{inner}");
                let text = written(added, &between, false, true);
                format!("{}{}{newline}{outer}", style.unit, &text[between.len()..])
            } else {
                format!("{} ", written(added, " ", false, false).trim_start())
            };
            out.put(self.inner.end..self.inner.end, text);
        } else if style.lines {
            let text = written(added, &format!("{newline}{inner}"), false, true);
            self.replace_inner(removed, format!("{text}{newline}{outer}"), out);
        } else {
            self.replace_inner(removed, written(added, " ", false, false).trim_start().to_owned(), out);
        }
    }

    /// Writes what comes between the brackets in place of white space and of what has been cut already.
    fn replace_inner(&self, removed: &BTreeMap<usize, usize>, text: String, out: &mut Plan) {
        if removed.is_empty() {
            out.put(self.inner.clone(), text);
        } else {
            out.drop(self.inner.clone());
            out.put(self.inner.end..self.inner.end, text);
        }
    }
}

/// Children to be added with a comma behind each but perhaps the last. `between` stands before each.
fn written(added: &[Added], between: &str, ends_with_comma: bool, own_lines: bool) -> String {
    let mut text = String::new();
    for (at, one) in added.iter().enumerate() {
        text.push_str(between);
        text.push_str(&one.text);
        if at + 1 < added.len() || ends_with_comma {
            text.push(',');
        }
        if own_lines && !one.behind.is_empty() {
            text.push(' ');
            text.push_str(&one.behind);
        }
    }
    text
}
