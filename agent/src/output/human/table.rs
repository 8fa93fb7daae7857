//! Columns of text that fit the terminal: measured once, wrapped at words, cut where a cell takes too many lines.
//! Everything is linear in the number of cells.

use std::borrow::Cow;
use std::io::{self, Write};

use mcpolicy_schema::finding::Severity;

use super::super::text::{cut, cut_middle, fit, visible, width};

/// Between two columns.
const GAP: &str = "  ";
/// Indent of rows, and of what stands below them.
const INDENT: &str = "  ";
const BELOW: &str = "      ";
/// Lines of a cell; the rest is cut. A hostile name must not fill the screen.
const MAX_LINES: usize = 3;
/// Characters of a cell that are looked at.
const MAX_CHARS: usize = 1200;

/// A column with the least and the greatest width that it is given.
pub(super) struct Column {
    head: &'static str,
    least: usize,
    most: usize,
}

impl Column {
    pub(super) fn new(head: &'static str, least: usize, most: usize) -> Self {
        Self { head, least: least.max(head.len()), most: most.max(head.len()) }
    }
}

/// Safe text in pieces of one colour each.
#[derive(Default)]
pub(super) struct Cell {
    pieces: Vec<(String, Option<Severity>)>,
    is_path: bool,
}

impl Cell {
    pub(super) fn plain(text: &str) -> Self {
        let mut cell = Self::default();
        cell.push(text, None);
        cell
    }

    /// A path is cut in its middle and wraps anywhere.
    pub(super) fn path(text: &str) -> Self {
        Self { is_path: true, ..Self::plain(text) }
    }

    pub(super) fn push(&mut self, text: &str, severity: Option<Severity>) {
        let end = text.char_indices().nth(MAX_CHARS).map_or(text.len(), |(at, _)| at);
        self.pieces.push((visible(&text[..end]).into_owned(), severity));
    }

    fn width(&self) -> usize {
        self.pieces.iter().map(|(text, _)| width(text)).sum()
    }

    fn lines(&self, columns: usize) -> Vec<Line<'_>> {
        if self.is_path {
            let text: Cow<'_, str> =
                self.pieces.first().map_or(Cow::Borrowed(""), |(t, _)| cut_middle(t, columns * MAX_LINES));
            return split_anywhere(text, columns);
        }
        let mut wrap = Wrap { columns, lines: vec![Line::default()], used: 0 };
        for (text, severity) in &self.pieces {
            for word in text.split_inclusive(' ') {
                wrap.word(word, *severity);
            }
        }
        wrap.finish()
    }
}

/// Text and colour of what stands on one line of a cell.
#[derive(Default)]
struct Line<'a>(Vec<(Cow<'a, str>, Option<Severity>)>);

struct Wrap<'a> {
    columns: usize,
    lines: Vec<Line<'a>>,
    used: usize,
}

impl<'a> Wrap<'a> {
    fn word(&mut self, word: &'a str, severity: Option<Severity>) {
        if self.lines.len() > MAX_LINES {
            return;
        }
        let mut word = word;
        if self.used > 0 && self.used + width(word.trim_end()) > self.columns {
            self.next();
        }
        while width(word.trim_end()) > self.columns && self.lines.len() <= MAX_LINES {
            let (head, tail) = word.split_at(break_of(word, fit(word, self.columns)));
            self.put(head, severity);
            self.next();
            word = tail;
        }
        self.put(word, severity);
    }

    fn put(&mut self, text: &'a str, severity: Option<Severity>) {
        self.used += width(text);
        if let Some(line) = self.lines.last_mut() {
            line.0.push((Cow::Borrowed(text), severity));
        }
    }

    fn next(&mut self) {
        self.lines.push(Line::default());
        self.used = 0;
    }

    fn finish(mut self) -> Vec<Line<'a>> {
        let cut_off = self.lines.len() > MAX_LINES;
        self.lines.truncate(MAX_LINES);
        for line in &mut self.lines {
            line.trim_end();
        }
        if let Some(last) = self.lines.last_mut().filter(|_| cut_off) {
            last.ellipsis(self.columns);
        }
        self.lines
    }
}

impl Line<'_> {
    fn width(&self) -> usize {
        self.0.iter().map(|(text, _)| width(text)).sum()
    }

    fn trim_end(&mut self) {
        if let Some((text, _)) = self.0.last_mut() {
            *text = Cow::Owned(text.trim_end().to_owned());
        }
    }

    fn ellipsis(&mut self, columns: usize) {
        let before = |line: &Self| line.0.iter().rev().skip(1).map(|(text, _)| width(text)).sum::<usize>();
        // where the pieces before the last fill the line, the mark stands in one of them
        while self.0.len() > 1 && before(self) >= columns {
            self.0.pop();
        }
        let before = before(self);
        if let Some((text, _)) = self.0.last_mut() {
            let longer = format!("{text}…");
            *text = Cow::Owned(cut(&longer, columns.saturating_sub(before).max(1)).into_owned());
        }
    }
}

/// Where a word that is too long is best broken: behind a separator in the later half of what fits.
fn break_of(word: &str, fits: usize) -> usize {
    let found = word[..fits].rfind(['/', '-', '@', '_', '.', ':']).map(|at| at + 1);
    found.filter(|at| at * 2 > fits).unwrap_or(fits)
}

fn split_anywhere(text: Cow<'_, str>, columns: usize) -> Vec<Line<'_>> {
    if width(&text) <= columns {
        return vec![Line(vec![(text, None)])];
    }
    let mut lines = Vec::new();
    let mut rest = text.as_ref();
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(fit(rest, columns));
        lines.push(Line(vec![(Cow::Owned(head.to_owned()), None)]));
        rest = tail;
    }
    // Wide characters leave half columns free, so a line too many may come out of an exact cut.
    lines.truncate(MAX_LINES);
    lines
}

/// Cells side by side, and cells that stand below them over the whole width.
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    pub(super) below: Vec<Cell>,
}

/// Rows under one head.
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    pub(super) color: bool,
    pub(super) width: usize,
}

impl Table {
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let widths = self.widths();
        let heads: Vec<Vec<Line<'_>>> =
            self.columns.iter().map(|c| vec![Line(vec![(Cow::Borrowed(c.head), None)])]).collect();
        self.side_by_side(&heads, &widths, out)?;
        for row in &self.rows {
            let cells: Vec<Vec<Line<'_>>> = row.cells.iter().zip(&widths).map(|(c, w)| c.lines(*w)).collect();
            self.side_by_side(&cells, &widths, out)?;
            for cell in row.below.iter().filter(|cell| !cell.pieces.is_empty()) {
                for line in cell.lines(self.width.saturating_sub(BELOW.len()).max(1)) {
                    out.write_all(BELOW.as_bytes())?;
                    self.line(&line, out)?;
                    out.write_all(b"\n")?;
                }
            }
        }
        Ok(())
    }

    fn side_by_side(&self, cells: &[Vec<Line<'_>>], widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..height {
            out.write_all(INDENT.as_bytes())?;
            // Spaces are owed until something follows, so that no line ends in them.
            let mut owed = 0;
            for (cell, columns) in cells.iter().zip(widths) {
                let mut used = 0;
                if let Some(line) = cell.get(at).filter(|line| line.width() > 0) {
                    write!(out, "{:owed$}", "")?;
                    owed = 0;
                    self.line(line, out)?;
                    used = line.width();
                }
                owed += columns.saturating_sub(used) + GAP.len();
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn line(&self, line: &Line<'_>, out: &mut dyn Write) -> io::Result<()> {
        for (text, severity) in &line.0 {
            match severity {
                Some(severity) => out.write_all(painted(text, *severity, self.color).as_bytes())?,
                None => out.write_all(text.as_bytes())?,
            }
        }
        Ok(())
    }

    /// What each column would like, cut down from the widest where the terminal has less.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|c| c.head.len()).collect();
        for row in &self.rows {
            for ((cell, width), column) in row.cells.iter().zip(&mut widths).zip(&self.columns) {
                *width = (*width).max(cell.width().min(column.most));
            }
        }
        let room = self.width.saturating_sub(INDENT.len() + GAP.len() * (widths.len().max(1) - 1));
        shrink(&mut widths, room, |at| self.columns[at].least);
        shrink(&mut widths, room, |_| 4);
        widths
    }
}

/// Takes from the widest column until all fit or none is wider than its least.
fn shrink(widths: &mut [usize], room: usize, least: impl Fn(usize) -> usize) {
    while widths.iter().sum::<usize>() > room {
        let widest = (0..widths.len()).filter(|at| widths[*at] > least(*at)).max_by_key(|at| widths[*at]);
        let Some(at) = widest else { return };
        widths[at] -= 1;
    }
}

/// A line over a table.
pub(super) fn heading(text: &str, color: bool, out: &mut dyn Write) -> io::Result<()> {
    if color { writeln!(out, "\u{1b}[1m{text}\u{1b}[0m") } else { writeln!(out, "{text}") }
}

/// The text in the colour of a severity. The text is already free of escapes of its own.
pub(super) fn painted(text: &str, severity: Severity, color: bool) -> Cow<'_, str> {
    if !color {
        return Cow::Borrowed(text);
    }
    let code = match severity {
        Severity::Critical => "1;31",
        Severity::High => "31",
        Severity::Medium => "33",
        Severity::Low => "36",
        Severity::Info => "2",
    };
    Cow::Owned(format!("\u{1b}[{code}m{text}\u{1b}[0m"))
}
