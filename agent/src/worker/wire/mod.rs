//! Requests and answers as bytes of a frame.
//!
//! A wire form of its own, so that the types of the pipeline, which hold raw values, cannot be serialised by accident
//! anywhere else. None of these forms has `Debug`: raw values go over the private pipe of a worker and nowhere else.
//!
//! What a worker answers is held against what this program knows: clients and locations by their place in the
//! registry, kinds, codes and words by their lists, indices by the lengths, paths by the homes of the ground. One thing
//! that cannot be makes the whole answer void.

mod answer;
mod aside;
mod entry;
mod request;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcpolicy_clients::adapters;
use mcpolicy_clients::edit::Piece;
use mcpolicy_clients::location::Location;
use mcpolicy_platform::paths;
use mcpolicy_schema::entry::UNKNOWN_CLIENT;
use serde::{Deserialize, Serialize};

pub use answer::{
    Claims, Said, decode_answer, encode_answer, encode_going_on, encode_reading, encode_ready, weight,
};
pub use request::{Begin, decode_request, encode_request};

use super::{Failure, Request};
use crate::discover::source::{Reading, Source};
use crate::discover::unknown;

/// Longest frame to a worker, in bytes: a file with its base64, and a little.
pub const MAX_REQUEST: u32 = 48 << 20;
/// Longest answer about one file, in bytes: its bytes and its entries, each of which may be longer than in the file.
pub const MAX_FILE_ANSWER: u32 = 96 << 20;
/// Longest answer about a whole home, in bytes.
pub const MAX_SCAN_ANSWER: u32 = 64 << 20;
/// Longest answer about the files that a client keeps for its projects: a thousand paths.
pub const MAX_KEPT_ANSWER: u32 = 8 << 20;
/// Longest of all other answers, in bytes.
pub const MAX_SMALL_ANSWER: u32 = 64 << 10;

/// The longest answer to a request, in bytes.
pub fn longest_answer(request: &Request) -> u32 {
    match request {
        Request::Scan { .. } | Request::ScanChanged { .. } => MAX_SCAN_ANSWER,
        Request::Open { .. }
        | Request::OpenKept { .. }
        | Request::Apply(_)
        | Request::Propose(_)
        | Request::Settle(_) => MAX_FILE_ANSWER,
        Request::Kept(_) => MAX_KEPT_ANSWER,
        _ => MAX_SMALL_ANSWER,
    }
}

/// Bytes as base64.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Blob(String);

impl Blob {
    fn of(bytes: &[u8]) -> Self {
        Self(STANDARD.encode(bytes))
    }

    fn bytes(self) -> Result<Vec<u8>, Failure> {
        STANDARD.decode(self.0).map_err(|_| Failure::Nonsense("bytes that are no base64"))
    }
}

/// A path: as text, or as bytes where it is none.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WirePath {
    Text(String),
    Bytes { base64: Blob },
}

impl WirePath {
    fn of(path: &std::path::Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes { base64: Blob::of(paths::to_bytes(path)) },
        }
    }

    fn path(self) -> Result<PathBuf, Failure> {
        let bytes = match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes { base64 } => base64.bytes()?,
        };
        paths::of_bytes(bytes).ok_or(Failure::Nonsense("a path that is none"))
    }
}

/// A source by the places of its readers in the registry.
#[derive(Serialize, Deserialize)]
struct WireSource {
    path: WirePath,
    readings: Vec<(String, usize)>,
}

/// More clients than that read no file.
const MAX_READINGS: usize = 256;

impl WireSource {
    fn of(source: &Source) -> Self {
        let readings = source.readings.iter().map(|reading| {
            let about = reading.adapter.about();
            let at = about.locations.iter().position(|location| is_same(location, reading.location));
            // the unknown client has a location for each ending of a name, chosen by the path
            (about.id.to_owned(), at.unwrap_or(0))
        });
        Self { readings: readings.collect(), path: WirePath::of(&source.path) }
    }

    fn source(self, home: Option<usize>) -> Result<Source, Failure> {
        let path = self.path.path()?;
        if self.readings.len() > MAX_READINGS {
            return Err(Failure::Nonsense("a file with too many readers"));
        }
        let reading = |(id, at): (String, usize)| {
            if id == UNKNOWN_CLIENT {
                return Ok(Reading {
                    adapter: &unknown::UnknownClient,
                    location: unknown::location_for(&path),
                });
            }
            let adapter = adapters::by_id(&id).ok_or(Failure::Nonsense("a client that is not known"))?;
            let location = adapter.about().locations.get(at);
            let location = location.ok_or(Failure::Nonsense("a location that its client does not have"))?;
            Ok(Reading { adapter, location })
        };
        let readings = self.readings.into_iter().map(reading).collect::<Result<Vec<_>, _>>()?;
        let (first, rest) = readings.split_first().ok_or(Failure::Nonsense("a file that nobody reads"))?;
        let mut source = Source::new(path.clone(), home, *first);
        source.join(rest);
        Ok(source)
    }
}

/// By what they say: a constant may have several addresses.
fn is_same(one: &Location, other: &Location) -> bool {
    (one.path, one.os, one.keys, one.scope) == (other.path, other.os, other.keys, other.scope)
}

/// A piece of text with its range.
#[derive(Serialize, Deserialize)]
struct WirePiece {
    start: usize,
    end: usize,
    bytes: Blob,
}

impl WirePiece {
    fn of(piece: &Piece) -> Self {
        Self { start: piece.range.start, end: piece.range.end, bytes: Blob::of(&piece.bytes) }
    }

    fn piece(self) -> Result<Piece, Failure> {
        let bytes = self.bytes.bytes()?;
        if self.start > self.end || self.end > super::core::MAX_BYTES as usize {
            return Err(Failure::Nonsense("a range that is none"));
        }
        Ok(Piece { range: self.start..self.end, bytes })
    }
}

fn pieces(pieces: Vec<WirePiece>) -> Result<Vec<Piece>, Failure> {
    pieces.into_iter().map(WirePiece::piece).collect()
}

fn no_json(_: serde_json::Error) -> Failure {
    // what serde says quotes the bytes
    Failure::Nonsense("no answer of ours")
}

fn bytes_of(value: &impl Serialize) -> Vec<u8> {
    // these forms have text for keys and no number that is none, so that JSON can say all of them
    serde_json::to_vec(value).unwrap_or_default()
}
