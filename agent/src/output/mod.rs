//! How a finished report is shown: one file a format, all from the same frozen [`Report`].
//!
//! Nothing here reads the world or decides anything. Names in a report were chosen by whoever could write a
//! configuration file, so every format passes them through [`text::visible`] or its own escaping: a server name must
//! not be able to move a terminal's cursor, start a formula in a spreadsheet or a script in a page.

mod csv;
pub mod findings_doc;
mod html;
pub(crate) mod human;
pub(crate) mod json;
mod mdm;
mod sarif;
pub(crate) mod text;
mod view;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use mcpolicy_schema::report::v1::Report;

/// The forms in which a report can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Tables for people at a terminal.
    Human,
    /// `report/v1` itself.
    Json,
    /// One row per entry, for spreadsheets.
    Csv,
    /// SARIF 2.1.0, for code scanning of checkouts.
    Sarif,
    /// One short line for the inventory field of a management console.
    Mdm,
    /// One self-contained page.
    Html,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Human, Self::Json, Self::Csv, Self::Sarif, Self::Mdm, Self::Html];
}

/// What the human format may use. The caller decides, by terminal and `NO_COLOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Colour by severity.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

/// Writes the report in one format. The writer should be buffered; it is not flushed.
pub fn write(report: &Report, format: Format, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Human => human::write(report, style, out),
        Format::Json => json::write(report, out),
        Format::Csv => csv::write(report, out),
        Format::Sarif => sarif::write(report, out),
        Format::Mdm => mdm::write(report, out),
        Format::Html => html::write(report, out),
    }
}
