//! Writes HTML in which no text from a report can become markup.
//!
//! [`Markup::raw`] takes only text of this program (`&'static str`); everything else goes through the escaper. So the
//! question "is every value escaped?" is answered by the types.

use std::io::{self, Write};

use super::super::text::visible;

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
        let text = visible(text);
        let bytes = text.as_bytes();
        let mut from = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let escape: &[u8] = match byte {
                b'&' => b"&amp;",
                b'<' => b"&lt;",
                b'>' => b"&gt;",
                b'"' => b"&quot;",
                b'\'' => b"&#39;",
                _ => continue,
            };
            self.out.write_all(&bytes[from..at])?;
            self.out.write_all(escape)?;
            from = at + 1;
        }
        self.out.write_all(&bytes[from..])
    }

    /// A number.
    pub(super) fn number(&mut self, number: u64) -> io::Result<()> {
        write!(self.out, "{number}")
    }

    /// ` name="value"`.
    pub(super) fn attribute(&mut self, name: &'static str, value: &str) -> io::Result<()> {
        self.raw(" ")?;
        self.raw(name)?;
        self.raw("=\"")?;
        self.text(value)?;
        self.raw("\"")
    }

    /// An element that holds only text. `open` is its start tag, `close` its end tag.
    pub(super) fn element(&mut self, open: &'static str, text: &str, close: &'static str) -> io::Result<()> {
        self.raw(open)?;
        self.text(text)?;
        self.raw(close)
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
}
