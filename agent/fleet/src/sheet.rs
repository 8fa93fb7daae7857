//! CSV in which no cell is a formula.

use std::borrow::Cow;
use std::io::{self, Write};

use csv::{Terminator, Writer, WriterBuilder};

use crate::text::visible;

/// Rows of a spreadsheet.
pub(crate) struct Sheet<W: Write>(Writer<W>);

impl<W: Write> Sheet<W> {
    /// # Errors
    /// It cannot be written.
    pub(crate) fn new(out: W, header: &[&str]) -> io::Result<Self> {
        let mut rows = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
        rows.write_record(header)?;
        Ok(Self(rows))
    }

    /// # Errors
    /// It cannot be written.
    pub(crate) fn row(&mut self, cells: &[&str]) -> io::Result<()> {
        for cell in cells {
            self.0.write_field(guarded(&visible(cell)).as_bytes())?;
        }
        Ok(self.0.write_record(None::<&[u8]>)?)
    }

    /// # Errors
    /// It cannot be written.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Spreadsheets run cells that begin like a formula, full-width forms included, and take an apostrophe before them as
/// "this is text". A number below zero is none.
fn guarded(cell: &str) -> Cow<'_, str> {
    let formula = cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if formula && cell.parse::<f64>().is_err() { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text_and_numbers_stay() {
        for start in ["=", "+", "-", "@", " =", "＝"] {
            let cell = format!("{start}HYPERLINK(1)");
            assert_eq!(guarded(&cell), format!("'{cell}"));
        }
        assert_eq!((guarded("-3.5"), guarded("npx")), (Cow::Borrowed("-3.5"), Cow::Borrowed("npx")));
    }
}
