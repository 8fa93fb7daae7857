//! A book as it lies on the disk: JSON, with texts in base64 under their digests.

use std::collections::BTreeMap;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use mcpolicy_clients::edit::Piece;
use serde::{Deserialize, Serialize};

use super::{Book, Kept, Slot};
use crate::vault::digest_of;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Form {
    version: u32,
    user: String,
    entries: Vec<FormEntry>,
    texts: BTreeMap<String, Vec<FormPiece>>,
}

#[derive(Serialize, Deserialize)]
struct FormEntry {
    path: String,
    table: String,
    name: String,
    fingerprint: String,
    text: String,
    seen: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct FormPiece {
    start: u64,
    bytes: String,
}

/// A book, if the bytes are one and every text is what its digest says.
pub(super) fn read(bytes: &[u8]) -> Option<Book> {
    let form: Form = serde_json::from_slice(bytes).ok().filter(|form: &Form| form.version == VERSION)?;
    let mut book = Book::new(&form.user);
    for (digest, pieces) in form.texts {
        let pieces = pieces.into_iter().map(piece).collect::<Option<Vec<Piece>>>()?;
        if digest_of(&text(&pieces)) != digest {
            return None;
        }
        book.texts.insert(digest, pieces);
    }
    for FormEntry { path, table, name, fingerprint, text, seen } in form.entries {
        if !book.texts.contains_key(&text) {
            return None;
        }
        book.slots.insert(Slot { path, table, name }, Kept { fingerprint, text, seen });
    }
    Some(book)
}

pub(super) fn write(book: &Book) -> io::Result<Vec<u8>> {
    let entries = book.slots.iter().map(|(slot, kept)| FormEntry {
        path: slot.path.clone(),
        table: slot.table.clone(),
        name: slot.name.clone(),
        fingerprint: kept.fingerprint.clone(),
        text: kept.text.clone(),
        seen: kept.seen,
    });
    // a text that nothing names any more must not outlive its entry
    let used: std::collections::BTreeSet<&String> = book.slots.values().map(|kept| &kept.text).collect();
    let texts = book.texts.iter().filter(|(digest, _)| used.contains(digest));
    let texts = texts.map(|(digest, pieces)| (digest.clone(), pieces.iter().map(form_of).collect()));
    let form = Form {
        version: VERSION,
        user: book.user.clone(),
        entries: entries.collect(),
        texts: texts.collect(),
    };
    serde_json::to_vec(&form).map_err(io::Error::other)
}

/// What the digest of a text is taken over: each piece with its place and length, so that no two texts are the same.
pub(super) fn text(pieces: &[Piece]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(&(piece.range.start as u64).to_be_bytes());
        out.extend_from_slice(&(piece.bytes.len() as u64).to_be_bytes());
        out.extend_from_slice(&piece.bytes);
    }
    out
}

fn form_of(piece: &Piece) -> FormPiece {
    FormPiece { start: piece.range.start as u64, bytes: STANDARD.encode(&piece.bytes) }
}

fn piece(form: FormPiece) -> Option<Piece> {
    let bytes = STANDARD.decode(form.bytes).ok()?;
    let start = usize::try_from(form.start).ok()?;
    Some(Piece { range: start..start.checked_add(bytes.len())?, bytes })
}
