//! Cuts a stream of bytes into documents: one a line, or one that takes the whole file, as `mcpolicy scan` writes it.

use std::io::{self, Write};

use crate::coding::Coding;

/// Longest document, in bytes. A record has at most 256 KiB; a report of a scan of a thousand servers a few MiB.
pub(crate) const MAX_DOCUMENT: usize = 64 << 20;

/// One document, or where there was none.
pub(crate) enum Piece<'a> {
    /// The line on which it begins, from 1, and its bytes.
    Document(u64, &'a [u8]),
    /// A line that is longer than any document.
    TooLong(u64),
}

/// Takes bytes as they come and gives documents away. Holds at most one of them.
pub(crate) struct Lines<F> {
    buffer: Vec<u8>,
    /// The line that is being read, from 1.
    line: u64,
    shape: Shape,
    /// What is behind is passed over up to the end of its line.
    is_skipping: bool,
    coding: Coding,
    give: F,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Nothing was read yet.
    Unknown,
    /// One document a line.
    Lines,
    /// The file is one document.
    Whole,
}

impl<F: FnMut(Piece<'_>)> Lines<F> {
    pub(crate) fn new(give: F) -> Self {
        Self {
            buffer: Vec::new(),
            line: 1,
            shape: Shape::Unknown,
            is_skipping: false,
            coding: Coding::default(),
            give,
        }
    }

    /// Takes some more bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut coding = std::mem::take(&mut self.coding);
        self.feed_utf8(&coding.decode(bytes));
        self.coding = coding;
    }

    fn feed_utf8(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (piece, rest) = bytes.split_at(end + 1);
            self.take(piece);
            self.end_of_line();
            bytes = rest;
        }
        self.take(bytes);
    }

    /// Nothing comes any more.
    pub(crate) fn finish(&mut self) {
        let rest = self.coding.rest();
        self.feed_utf8(&rest);
        if self.shape == Shape::Whole {
            self.hand_over(1);
        } else {
            self.hand_over(self.line);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.is_skipping {
            return;
        }
        if self.buffer.len() + bytes.len() > MAX_DOCUMENT {
            self.is_skipping = true;
            self.buffer = Vec::new();
            (self.give)(Piece::TooLong(self.line));
            return;
        }
        self.buffer.extend_from_slice(bytes);
    }

    fn end_of_line(&mut self) {
        let (line, shape) = (self.line, self.shape);
        self.line += 1;
        match shape {
            // no line of it is a document of its own, so that nothing more is to be had of this file
            Shape::Whole => {}
            Shape::Unknown if self.buffer.trim_ascii().is_empty() && !self.is_skipping => self.buffer.clear(),
            // a document that ends in its first line has others behind it; one that does not is indented
            Shape::Unknown
                if !self.is_skipping && !is_json(self.buffer.trim_ascii()) && is_open(&self.buffer) =>
            {
                self.shape = Shape::Whole;
            }
            Shape::Unknown | Shape::Lines => {
                self.shape = Shape::Lines;
                self.hand_over(line);
            }
        }
    }

    fn hand_over(&mut self, line: u64) {
        let is_skipped = std::mem::take(&mut self.is_skipping);
        let document = self.buffer.trim_ascii();
        if !is_skipped && !document.is_empty() {
            (self.give)(Piece::Document(line, document));
        }
        self.buffer.clear();
        // one large document must not keep its room while a million small ones follow
        self.buffer.shrink_to(1 << 20);
    }
}

/// What is packed is unpacked into it.
impl<F: FnMut(Piece<'_>)> Write for Lines<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.feed(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// A first line like `{`, of a document that goes on: a damaged record has more in it than that.
fn is_open(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line == b"{" || (line.starts_with(b"{") && !line.ends_with(b"}") && line.len() < 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8], step: usize) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        let mut lines = Lines::new(|piece: Piece<'_>| match piece {
            Piece::Document(line, bytes) => all.push((line, String::from_utf8_lossy(bytes).into_owned())),
            Piece::TooLong(line) => all.push((line, "too long".to_owned())),
        });
        for piece in text.chunks(step) {
            lines.feed(piece);
        }
        lines.finish();
        all
    }

    #[test]
    fn lines_and_whole_documents_are_told_apart_however_the_bytes_come() {
        for step in [1, 3, 1000] {
            assert_eq!(cut(b"\n{\"a\":1}\r\n\nno\n{\"b\":2}", step).len(), 3);
            assert_eq!(cut(b"{\n  \"a\": 1\n}\n", step), [(1, "{\n  \"a\": 1\n}".to_owned())]);
            assert_eq!(cut(b"", step), []);
        }
    }

    #[test]
    fn a_line_without_an_end_is_passed_over_and_the_next_one_is_read() {
        let mut text = b"{\"a\":1}\n".to_vec();
        text.resize(MAX_DOCUMENT + 100, b'x');
        text.extend_from_slice(b"\n{\"b\":2}\n");
        let all = cut(&text, 1 << 16);
        assert_eq!(
            all.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(),
            ["{\"a\":1}", "too long", "{\"b\":2}"]
        );
    }
}
