//! Changes to a file of a client: planned as splices of its bytes, made, and proved.
//!
//! A change cuts or writes ranges; what lies outside of them is copied. No crate prints the file anew, so comments,
//! order, line endings and the spelling of numbers stay as they are. Then the result is parsed and its tree compared
//! with the tree of the original, on which the same changes were made without looking at the text ([`prove`]). What
//! fails the proof is not returned.
//!
//! What goes with a removed entry, in all formats:
//! - a comment on its last line, unless another entry follows on that line;
//! - comment lines directly above it (no blank line between them), unless they are the end of another line's comment
//!   or, in TOML and YAML, start the file: that is its header. In YAML they must not be indented less than the entry;
//! - comments inside of it. In YAML that includes comment lines below it that are indented more than its key, in TOML
//!   comment lines below its last line that are not directly above the next table;
//! - the comma that separated it, or the one before it if it was the last, unless the list ends with a comma anyway;
//! - its lines as a whole, if nothing else stands on them, in TOML with the blank lines after them.

#[cfg(test)]
mod back_tests;
mod commas;
mod fresh;
#[cfg(test)]
mod front_matter_tests;
mod json;
#[cfg(test)]
mod json_tests;
mod lines;
mod pieces;
mod proof;
mod splice;
mod style;
#[cfg(test)]
mod testing;
mod toml;
#[cfg(test)]
mod toml_tests;
mod xml;
#[cfg(test)]
mod xml_tests;
mod yaml;
#[cfg(test)]
mod yaml_tests;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::codec::{Dialect, Format, decode, front_matter};
pub(crate) use json::quoted;
pub use proof::prove;
pub use splice::Splice;

/// One declaration in a file, as `Entry` names it: `Entry::key_path` and `Entry::span`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// JSON Pointer of the entry.
    pub key_path: String,
    /// Bytes of the file, byte order mark included.
    pub span: Range<usize>,
}

/// A change to make.
#[derive(Clone)]
pub enum Change {
    /// Takes an entry out (quarantine).
    Remove(Place),
    /// Puts an entry's last allowed text in the place of the present one (revert).
    Replace {
        /// The present entry.
        at: Place,
        /// Its text before, as [`texts`] or [`Edited::removed`] gave it.
        pieces: Vec<Piece>,
    },
    /// Another text for one string of an entry (pin).
    SetText {
        /// The entry.
        at: Place,
        /// JSON Pointer below the entry, `/args/1`.
        pointer: String,
        /// The new text.
        text: String,
    },
    /// A flag of an entry, made if it is not there (the client's own off switch).
    SetFlag {
        /// The entry.
        at: Place,
        /// JSON Pointer below the entry, `/disabled`.
        pointer: String,
        /// The new value.
        value: bool,
    },
    /// Takes every string item equal to `value` out of a list; nothing if it is not there (approvals).
    RemoveItem {
        /// JSON Pointer of the list, `/enabledMcpjsonServers`. Duplicates on the way are all changed.
        list: String,
        /// The item.
        value: String,
    },
    /// Adds a string to a list, made with its parents if it is not there; nothing if the item is.
    AddItem {
        /// JSON Pointer of the list.
        list: String,
        /// The item.
        value: String,
    },
    /// Takes a member out, whatever its value, with all its duplicates; nothing if it is not there.
    RemoveMember {
        /// JSON Pointer of the member, `/enableAllProjectMcpServers`.
        pointer: String,
    },
    /// Puts a removed entry back at the end of its table, made with its parents if it is not there (restore).
    Insert {
        /// JSON Pointer of the map or list that held it.
        table: String,
        /// Its key; of no meaning in a list.
        name: String,
        /// Its text, as [`texts`] or [`Edited::removed`] gave it.
        pieces: Vec<Piece>,
    },
}

impl Change {
    /// The entry that it changes, if it names one.
    fn place(&self) -> Option<&Place> {
        match self {
            Self::Remove(place)
            | Self::Replace { at: place, .. }
            | Self::SetText { at: place, .. }
            | Self::SetFlag { at: place, .. } => Some(place),
            Self::RemoveItem { .. }
            | Self::AddItem { .. }
            | Self::RemoveMember { .. }
            | Self::Insert { .. } => None,
        }
    }
}

/// Text that was at a range of the original bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it was.
    pub range: Range<usize>,
    /// The text. It may hold secrets.
    pub bytes: Vec<u8>,
}

/// A changed and proved file.
#[derive(Clone)]
pub struct Edited {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// What each change took out, in order of the changes; of an entry, enough for [`Change::Insert`].
    pub removed: Vec<Vec<Piece>>,
    /// How the file differs from the original, in order of the bytes and apart from each other.
    pub splices: Vec<Splice>,
}

// Values of a configuration must not reach logs or panics.
impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Remove(_) => "Remove",
            Self::Replace { .. } => "Replace",
            Self::SetText { .. } => "SetText",
            Self::SetFlag { .. } => "SetFlag",
            Self::RemoveItem { .. } => "RemoveItem",
            Self::AddItem { .. } => "AddItem",
            Self::RemoveMember { .. } => "RemoveMember",
            Self::Insert { .. } => "Insert",
        })
    }
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Piece({:?})", self.range)
    }
}

impl std::fmt::Debug for Edited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Edited({} bytes, {:?})", self.bytes.len(), self.splices)
    }
}

/// Why a file cannot be edited faithfully. The whole file then goes into quarantine. No variant holds text of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfaithful {
    /// A script.
    #[error("the file is a program, which is not edited")]
    Program,
    /// Its client reads UTF-8 only, so it is not live anyway.
    #[error("the file is UTF-16, which is not edited")]
    Utf16,
    /// Damaged in its format. A client that recovers from errors may read another tree after any change.
    #[error("the file cannot be parsed without recovering from errors")]
    Unparseable,
    /// The file is not the one that the entry was found in.
    #[error("an entry is not at the place where it was found")]
    Gone,
    /// Taking it out would change, or break, what refers to it.
    #[error("an entry has or lies in a YAML anchor that other places use")]
    SharedAnchor,
    /// The table has an entry of that name.
    #[error("the name is taken")]
    Taken,
    /// Two changes touch the same bytes.
    #[error("two changes touch the same place")]
    Overlap,
    /// No text in this format and layout says what is asked for.
    #[error("not expressible in this file: {0}")]
    NotExpressible(&'static str),
    /// The result is not what was asked for: a case that the splicer does not know.
    #[error("the proof of the edit failed: {0}")]
    Proof(&'static str),
}

/// What a file is written in, once its name has decided between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Json,
    Toml,
    Yaml,
    Xml,
}

/// The text of a file and where it starts.
#[derive(Clone, Copy)]
struct Doc<'t> {
    text: &'t str,
    /// The file itself: bytes that are no UTF-8 are others in the text.
    bytes: &'t [u8],
    /// Length of the byte order mark.
    skipped: usize,
}

impl<'t> Doc<'t> {
    /// The part of a file that is written in its format's syntax.
    fn of(format: Format, decoded: &'t decode::Text<'_>, bytes: &'t [u8]) -> Result<Self, Unfaithful> {
        let whole = Self::whole(decoded, bytes)?;
        let is_matter = format == Format::FrontMatter;
        Ok(if is_matter { Self { text: front_matter::matter(whole.text), ..whole } } else { whole })
    }

    fn whole(decoded: &'t decode::Text<'_>, bytes: &'t [u8]) -> Result<Self, Unfaithful> {
        if decoded.leniencies.utf16 {
            // its places are not those of the bytes
            return Err(Unfaithful::Utf16);
        }
        Ok(Self { text: &decoded.text, bytes, skipped: decoded.skipped })
    }

    /// Bytes of the text at which a place is.
    fn range(self, place: &Place) -> Result<Range<usize>, Unfaithful> {
        let start = place.span.start.checked_sub(self.skipped).ok_or(Unfaithful::Gone)?;
        let end = place.span.end.checked_sub(self.skipped).ok_or(Unfaithful::Gone)?;
        if start <= end && end <= self.text.len() { Ok(start..end) } else { Err(Unfaithful::Gone) }
    }

    fn piece(self, range: &Range<usize>) -> Piece {
        let range = range.start + self.skipped..range.end + self.skipped;
        Piece { bytes: self.bytes[range.clone()].to_vec(), range }
    }
}

/// What the clients of a JSON file put up with in it, whatever it holds now.
fn dialect(format: Format) -> Dialect {
    match format {
        Format::Json(dialect) => dialect,
        _ => Dialect::STRICT,
    }
}

fn syntax(format: Format, path: &str) -> Result<Syntax, Unfaithful> {
    Ok(match format {
        Format::Json(_) => Syntax::Json,
        Format::YamlOrJson if path.ends_with(".json") => Syntax::Json,
        Format::Yaml | Format::YamlOrJson | Format::FrontMatter => Syntax::Yaml,
        Format::Toml => Syntax::Toml,
        Format::Xml => Syntax::Xml,
        Format::Shell => return Err(Unfaithful::Program),
    })
}

/// Makes all changes in one go and proves the result. `path` decides between formats where a location allows two.
///
/// # Errors
/// Why the file cannot be edited faithfully; nothing is changed then, whichever change it was.
pub fn apply(format: Format, path: &str, bytes: &[u8], changes: &[Change]) -> Result<Edited, Unfaithful> {
    let syntax = syntax(format, path)?;
    let decoded = decode::decode(bytes).map_err(|_| Unfaithful::Unparseable)?;
    let doc = Doc::of(format, &decoded, bytes)?;
    let plan = match syntax {
        Syntax::Json => json::plan(doc, dialect(format), changes)?,
        Syntax::Toml => toml::plan(doc, changes)?,
        Syntax::Yaml => yaml::plan(doc, changes)?,
        Syntax::Xml => xml::plan(doc, changes)?,
    };
    let splices = splice::in_order(plan.splices, doc.skipped)?;
    let after = splice::made(bytes, &splices);
    splice::check(bytes, &after, &splices)?;
    prove(format, path, bytes, &after, changes)?;
    let removed = plan.removed.iter().map(|ranges| ranges.iter().map(|r| doc.piece(r)).collect()).collect();
    Ok(Edited { bytes: after, removed, splices })
}

/// The text of each entry, to be kept for [`Change::Replace`]: what [`Change::Remove`] would take out, but for the item
/// of a list that it would take along.
///
/// # Errors
/// As [`apply`], without proof.
pub fn texts(
    format: Format,
    path: &str,
    bytes: &[u8],
    places: &[Place],
) -> Result<Vec<Vec<Piece>>, Unfaithful> {
    let syntax = syntax(format, path)?;
    let decoded = decode::decode(bytes).map_err(|_| Unfaithful::Unparseable)?;
    let doc = Doc::of(format, &decoded, bytes)?;
    let ranges = match syntax {
        Syntax::Json => json::texts(doc, places)?,
        Syntax::Toml => toml::texts(doc, places)?,
        Syntax::Yaml => yaml::texts(doc, places)?,
        Syntax::Xml => xml::texts(doc, places)?,
    };
    Ok(ranges.iter().map(|ranges| ranges.iter().map(|r| doc.piece(r)).collect()).collect())
}

/// The decoded reference tokens of a JSON Pointer.
fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| crate::node::unescape(token).into_owned()).collect()
}

/// The strings to be taken out of each list, with the change: with 10,000 approvals to clean, each list is read once.
fn items_to_remove(changes: &[Change]) -> BTreeMap<&str, BTreeMap<&str, usize>> {
    let mut out: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (at, change) in changes.iter().enumerate() {
        if let Change::RemoveItem { list, value } = change {
            out.entry(list).or_default().entry(value).or_insert(at);
        }
    }
    out
}
