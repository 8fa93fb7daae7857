//! HTML in which no text from a report can become markup: [`Markup::raw`] takes only text of this program, everything else goes
//! through the escaper.

use std::io::{self, Write};

use crate::text::visible;

/// Longest text of a cell, in characters; the CSV has all of it.
const MOST_SHOWN: usize = 200;

pub(super) struct Markup<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Markup<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    /// Markup of our own.
    pub(super) fn raw(&mut self, markup: &'static str) -> io::Result<()> {
        self.out.write_all(markup.as_bytes())
    }

    /// Any text, as text; between tags and in double quotes alike.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        let shown = visible(text);
        for c in shown.chars().take(MOST_SHOWN) {
            match c {
                '&' => self.raw("&amp;")?,
                '<' => self.raw("&lt;")?,
                '>' => self.raw("&gt;")?,
                '"' => self.raw("&quot;")?,
                '\'' => self.raw("&#39;")?,
                c => write!(self.out, "{c}")?,
            }
        }
        if shown.chars().nth(MOST_SHOWN).is_some() {
            self.raw("…")?;
        }
        Ok(())
    }

    /// An element that holds only text. `open` is its start tag, `close` its end tag.
    pub(super) fn element(&mut self, open: &'static str, text: &str, close: &'static str) -> io::Result<()> {
        self.raw(open)?;
        self.text(text)?;
        self.raw(close)
    }

    /// ` name="value"`.
    pub(super) fn attribute(&mut self, name: &'static str, value: &str) -> io::Result<()> {
        self.raw(" ")?;
        self.raw(name)?;
        self.raw("=\"")?;
        self.text(value)?;
        self.raw("\"")
    }

    /// A table with a heading row.
    pub(super) fn table(&mut self, header: &[&'static str], rows: &[Vec<String>]) -> io::Result<()> {
        if rows.is_empty() {
            return self.raw("<p class=\"none\">none</p>\n");
        }
        self.raw("<table><thead><tr>")?;
        for name in header {
            self.element("<th>", name, "</th>")?;
        }
        self.raw("</tr></thead><tbody>\n")?;
        for row in rows {
            self.raw("<tr>")?;
            for cell in row {
                self.element("<td>", cell, "</td>")?;
            }
            self.raw("</tr>\n")?;
        }
        self.raw("</tbody></table>\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_an_element_or_an_attribute() {
        let mut out = Vec::new();
        Markup::new(&mut out).text("</td><b x='\"&\u{1b}").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "&lt;/td&gt;&lt;b x=&#39;&quot;&amp;\\u{1b}");
    }

    #[test]
    fn a_long_name_is_cut() {
        let mut out = Vec::new();
        Markup::new(&mut out).text(&"a".repeat(1000)).unwrap();
        assert_eq!(out.len(), MOST_SHOWN + '…'.len_utf8());
    }
}
