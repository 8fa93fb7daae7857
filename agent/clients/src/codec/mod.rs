//! Shared mechanics of file formats. No client is named in here: what a client accepts is a [`Dialect`], chosen by
//! its adapter.
//!
//! A codec reads as loosely as the loosest client does and notes what leniency it needed ([`Leniencies`]). Whether a
//! given client would have read the file is then a comparison with its dialect, so that "refused by this client" and
//! "no servers" are never confused.

pub mod breaks;
pub mod decode;
pub mod front_matter;
pub mod json;
pub mod toml;
pub mod xml;
pub mod yaml;

use crate::node::{Node, Span};

/// The format of a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON with the liberties that the client takes.
    Json(Dialect),
    /// TOML 1.1, which contains 1.0.
    Toml,
    /// YAML 1.2, core schema.
    Yaml,
    /// YAML or JSON, by the file's extension.
    YamlOrJson,
    /// Markdown whose front matter is YAML.
    FrontMatter,
    /// XML without DTD.
    Xml,
    /// A program: cannot be evaluated without running it.
    Shell,
}

/// What a client's JSON reader accepts beyond RFC 8259.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// `//` and `/* */`.
    pub comments: bool,
    /// A comma before a closing bracket.
    pub trailing_commas: bool,
    /// A UTF-8 byte order mark.
    pub bom: bool,
    /// Syntax errors are skipped and the rest is used (Microsoft's jsonc-parser).
    pub recovers: bool,
    /// Escaped surrogates that are not pairs (all JavaScript clients).
    pub lone_surrogates: bool,
}

impl Dialect {
    /// `JSON.parse` after a byte order mark was dropped: what most Node clients do.
    pub const STRICT: Self =
        Self { comments: false, trailing_commas: false, bom: true, recovers: false, lone_surrogates: true };
    /// Comments, but no trailing commas.
    pub const COMMENTS: Self = Self { comments: true, ..Self::STRICT };
    /// Comments and trailing commas.
    pub const JSONC: Self = Self { trailing_commas: true, ..Self::COMMENTS };
    /// Microsoft's jsonc-parser with its error recovery (VS Code, Cursor).
    pub const RECOVERING: Self = Self { recovers: true, ..Self::JSONC };
    /// Tolerance not established: whatever parses is taken as live.
    pub const UNKNOWN: Self = Self::JSONC;
}

/// What liberties a text needed to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leniencies {
    /// It has comments.
    pub comments: bool,
    /// It has trailing commas.
    pub trailing_commas: bool,
    /// It starts with a UTF-8 byte order mark.
    pub bom: bool,
    /// It is UTF-16 with a byte order mark.
    pub utf16: bool,
    /// It escapes a surrogate that is not a pair.
    pub lone_surrogates: bool,
    /// It has syntax errors that were skipped.
    pub recovered: bool,
}

impl Dialect {
    /// Why a client of this dialect refuses a text, `None` if it reads it.
    pub fn refusal(self, needed: Leniencies) -> Option<&'static str> {
        if needed.utf16 {
            Some("the file is UTF-16; the client reads UTF-8")
        } else if needed.bom && !self.bom {
            Some("the file starts with a byte order mark")
        } else if needed.recovered && !self.recovers {
            Some("the file has syntax errors")
        } else if needed.comments && !self.comments {
            Some("the file has comments; the client reads strict JSON")
        } else if needed.trailing_commas && !self.trailing_commas {
            Some("the file has trailing commas, which the client refuses")
        } else if needed.lone_surrogates && !self.lone_surrogates {
            Some("the file has an escaped half of a surrogate pair")
        } else {
            None
        }
    }
}

/// Why a text could not be parsed. The message is made of fixed words: it never quotes the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong, lower case, without full stop.
    pub message: String,
    /// Byte offset in the text.
    pub offset: usize,
}

impl ParseError {
    /// An error at an offset.
    pub fn new(message: impl Into<String>, offset: usize) -> Self {
        Self { message: message.into(), offset }
    }
}

/// A key that stands more than once in one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The decoded key.
    pub key: String,
    /// Where the later one stands.
    pub span: Span,
}

/// A parsed text.
#[derive(Debug, Clone)]
pub struct Parsed<'a> {
    /// The top value.
    pub root: Node<'a>,
    /// What it took to read it.
    pub leniencies: Leniencies,
    /// Keys that stand more than once in one object, in order of the text.
    pub duplicates: Vec<Duplicate>,
    /// Where a value was nested too deep to be kept.
    pub deep: Option<usize>,
    /// The first syntax error, where the text was read in spite of it.
    pub damage: Option<ParseError>,
    /// Where characters stand that some readers take for a line break, and that they would find one at: see [`breaks`].
    pub breaks: Vec<usize>,
}

impl<'a> Parsed<'a> {
    /// The same tree without the text that it was read from.
    pub(crate) fn into_owned(self) -> Parsed<'static> {
        let Parsed { root, leniencies, duplicates, deep, damage, breaks } = self;
        Parsed { root: root.into_owned(), leniencies, duplicates, deep, damage, breaks }
    }

    /// A tree that needed no leniency.
    pub fn plain(root: Node<'a>) -> Self {
        Self {
            root,
            leniencies: Leniencies::default(),
            duplicates: Vec::new(),
            deep: None,
            damage: None,
            breaks: Vec::new(),
        }
    }
}

/// Parses a decoded text. `path` decides between formats where a location allows two.
///
/// # Errors
/// The first syntax error, unless the format's dialect recovers from errors.
pub fn parse<'a>(format: Format, path: &str, text: &'a str) -> Result<Parsed<'a>, ParseError> {
    match format {
        Format::Json(dialect) => json::parse(text, dialect.recovers),
        Format::Toml => toml::parse(text),
        Format::Yaml => yaml::parse(text),
        Format::YamlOrJson if path.ends_with(".json") => json::parse(text, false),
        Format::YamlOrJson => yaml::parse(text),
        Format::FrontMatter => front_matter::parse(text),
        Format::Xml => xml::parse(text),
        Format::Shell => {
            Err(ParseError::new("the file is a program; it cannot be evaluated without running it", 0))
        }
    }
}
