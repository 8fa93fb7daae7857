//! Rows on their way from the thread that reads to the one that writes: one text for all cells, so that a million rows do
//! not cost twenty million allocations.

use crate::table::Table;

/// Longest text of a cell, in bytes. Names are shown, not run: what is longer is cut.
const MAX_TEXT: usize = 1024;
/// Longest id, in bytes; a cut one would join what does not belong together.
const MAX_ID: usize = 512;

/// A value of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell {
    /// Bytes of [`Batch::text`].
    Text { start: usize, end: usize },
    /// A number.
    Number(i64),
}

/// Where the rows of one document are.
#[derive(Debug, Clone, Copy)]
struct Document {
    row: usize,
    digest: Option<[u8; 32]>,
}

/// Rows of some documents.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    text: String,
    cells: Vec<Cell>,
    rows: Vec<(Table, usize)>,
    documents: Vec<Document>,
}

/// An id that is longer than any of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Batch {
    /// Rows from here on are of one document. Its digest stands for its bytes in the proof of the chain.
    pub(crate) fn begin(&mut self, digest: Option<[u8; 32]>) {
        self.documents.push(Document { row: self.rows.len(), digest });
    }

    /// Takes back what was added since [`Self::begin`].
    pub(crate) fn undo(&mut self) {
        let Some(document) = self.documents.pop() else { return };
        if let Some((_, cell)) = self.rows.get(document.row) {
            let kept = self.cells.get(..*cell).unwrap_or_default().iter().rev().find_map(|cell| match cell {
                Cell::Text { end, .. } => Some(*end),
                Cell::Number(_) => None,
            });
            // what was refused for its length must not stay in memory
            self.text.truncate(kept.unwrap_or(0));
            self.cells.truncate(*cell);
        }
        self.rows.truncate(document.row);
    }

    /// A row begins; the cells that follow are its columns.
    pub(crate) fn row(&mut self, table: Table) -> &mut Self {
        self.rows.push((table, self.cells.len()));
        self
    }

    /// A text, cut where it is longer than any name should be.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.push(&text[..end])
    }

    /// A text of which no part may be missing; the document that it is of bounds it.
    pub(crate) fn whole(&mut self, text: &str) -> &mut Self {
        self.push(text)
    }

    /// A text by which rows are joined.
    ///
    /// # Errors
    /// It is too long to be one of ours.
    pub(crate) fn id(&mut self, text: &str) -> Result<&mut Self, TooLong> {
        if text.len() > MAX_ID { Err(TooLong) } else { Ok(self.push(text)) }
    }

    /// A number; what does not fit into 63 bits is the greatest.
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        self.signed(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// A time or another number that may be negative.
    pub(crate) fn signed(&mut self, number: i64) -> &mut Self {
        self.cells.push(Cell::Number(number));
        self
    }

    /// Yes or no.
    pub(crate) fn flag(&mut self, flag: bool) -> &mut Self {
        self.signed(i64::from(flag))
    }

    fn push(&mut self, text: &str) -> &mut Self {
        let start = self.text.len();
        self.text.push_str(text);
        self.cells.push(Cell::Text { start, end: self.text.len() });
        self
    }

    /// How many documents there are.
    pub(crate) fn len(&self) -> usize {
        self.documents.len()
    }

    /// Bytes of all texts, about.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + self.cells.len() * size_of::<Cell>()
    }

    /// The text of a cell.
    pub(crate) fn text_of(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// The documents: each with its digest and its rows.
    pub(crate) fn documents(
        &self,
    ) -> impl Iterator<Item = (Option<[u8; 32]>, impl Iterator<Item = (Table, &[Cell])>)> {
        self.documents.iter().enumerate().map(|(at, document)| {
            let end = self.documents.get(at + 1).map_or(self.rows.len(), |next| next.row);
            let rows = (document.row..end).map(|row| {
                let (table, from) = self.rows[row];
                let to = self.rows.get(row + 1).map_or(self.cells.len(), |(_, next)| *next);
                (table, &self.cells[from..to])
            });
            (document.digest, rows)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_is_taken_back_leaves_nothing() {
        let mut batch = Batch::default();
        batch.begin(None);
        batch.row(Table::Layers).text("a").number(u64::MAX);
        batch.begin(None);
        batch.row(Table::Layers).text("b");
        batch.undo();
        let rows: Vec<(Table, usize)> =
            batch.documents().flat_map(|(_, rows)| rows.map(|(table, cells)| (table, cells.len()))).collect();
        assert_eq!(rows, [(Table::Layers, 2)]);
    }

    #[test]
    fn names_are_cut_between_characters_and_long_ids_refused() {
        let mut batch = Batch::default();
        batch.begin(None);
        batch.row(Table::Layers).text(&"ä".repeat(1000)).text(&format!("x{}", "ä".repeat(1000)));
        assert!(batch.text.len() <= 2 * MAX_TEXT);
        assert_eq!(batch.id(&"i".repeat(MAX_ID + 1)).err(), Some(TooLong));
    }
}
