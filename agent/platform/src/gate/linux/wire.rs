//! What agent and answering process say to each other: one message each, over a socket that keeps them apart.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use super::super::{Question, Stamp, Word};

/// Longest message.
pub(super) const LONGEST: usize = 8192;
/// Longest path that is told; of a longer one the end.
const LONGEST_PATH: usize = 4096;
/// Bytes of a [`Stamp`].
const STAMP: usize = 48;

/// From the agent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    Answer {
        id: u64,
        word: Word,
    },
    /// This process is ours; it started then.
    Own {
        pid: u32,
        started: u64,
    },
    NoMore {
        pid: u32,
    },
    Late {
        allowed: bool,
    },
    /// The agent is busy with something long, or is through with it.
    Busy {
        is_so: bool,
    },
    /// The agent looks at it now: whoever waits for this waits longer.
    TakenUp {
        id: u64,
    },
    Forget,
    Name(OsString),
    /// The gate is closed: let everybody through, and end.
    End,
}

/// To the agent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Note {
    Question(Question),
    Late {
        id: Option<u64>,
        allowed: bool,
    },
    /// A new answering process: it knows nothing yet.
    New {
        late: u64,
    },
}

/// A message while it is written. What does not fit is left out; all that are written fit.
pub(super) struct Bytes {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Bytes {
    fn new(kind: u8) -> Self {
        let mut new = Self { bytes: [0; LONGEST], length: 0 };
        new.put(&[kind]);
        new
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.length + bytes.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(bytes);
            self.length = end;
        }
        self
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Order {
    pub(super) fn bytes(&self) -> Bytes {
        match self {
            Self::Answer { id, word } => {
                let mut bytes = Bytes::new(1);
                bytes.put(&id.to_ne_bytes());
                if let Word::Allow(stamp) = word {
                    bytes.put(&of_stamp(stamp));
                }
                bytes
            }
            Self::Own { pid, started } => {
                let mut bytes = Bytes::new(2);
                bytes.put(&pid.to_ne_bytes()).put(&started.to_ne_bytes());
                bytes
            }
            Self::NoMore { pid } => {
                let mut bytes = Bytes::new(3);
                bytes.put(&pid.to_ne_bytes());
                bytes
            }
            Self::Late { allowed } => {
                let mut bytes = Bytes::new(4);
                bytes.put(&[u8::from(*allowed)]);
                bytes
            }
            Self::Busy { is_so } => {
                let mut bytes = Bytes::new(8);
                bytes.put(&[u8::from(*is_so)]);
                bytes
            }
            Self::TakenUp { id } => {
                let mut bytes = Bytes::new(9);
                bytes.put(&id.to_ne_bytes());
                bytes
            }
            Self::Forget => Bytes::new(5),
            Self::Name(name) => {
                let mut bytes = Bytes::new(6);
                bytes.put(name.as_bytes());
                bytes
            }
            Self::End => Bytes::new(7),
        }
    }

    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let (kind, mut rest) = bytes.split_first()?;
        let rest = &mut rest;
        Some(match kind {
            1 => {
                let id = u64::from_ne_bytes(take(rest)?);
                let word = if rest.is_empty() { Word::Deny } else { Word::Allow(stamp(rest)?) };
                Self::Answer { id, word }
            }
            2 => Self::Own { pid: u32::from_ne_bytes(take(rest)?), started: u64::from_ne_bytes(take(rest)?) },
            3 => Self::NoMore { pid: u32::from_ne_bytes(take(rest)?) },
            4 => Self::Late { allowed: take::<1>(rest)? == [1] },
            5 => Self::Forget,
            6 => Self::Name(OsStr::from_bytes(rest).to_owned()),
            7 => Self::End,
            8 => Self::Busy { is_so: take::<1>(rest)? == [1] },
            9 => Self::TakenUp { id: u64::from_ne_bytes(take(rest)?) },
            _ => return None,
        })
    }
}

impl Note {
    /// A question, without a path of its own: it is asked while somebody waits.
    pub(super) fn question(id: u64, pid: u32, stamp: &Stamp, path: &[u8]) -> Bytes {
        let mut bytes = Bytes::new(1);
        bytes.put(&id.to_ne_bytes()).put(&pid.to_ne_bytes()).put(&of_stamp(stamp));
        bytes.put(&path[path.len().saturating_sub(LONGEST_PATH)..]);
        bytes
    }

    pub(super) fn late(id: Option<u64>, allowed: bool) -> Bytes {
        let mut bytes = Bytes::new(2);
        bytes.put(&[u8::from(allowed), u8::from(id.is_some())]).put(&id.unwrap_or_default().to_ne_bytes());
        bytes
    }

    pub(super) fn new_one(late: u64) -> Bytes {
        let mut bytes = Bytes::new(3);
        bytes.put(&late.to_ne_bytes());
        bytes
    }

    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let (kind, mut rest) = bytes.split_first()?;
        let rest = &mut rest;
        Some(match kind {
            1 => {
                let id = u64::from_ne_bytes(take(rest)?);
                let pid = u32::from_ne_bytes(take(rest)?);
                let stamp = stamp(rest)?;
                let path = PathBuf::from(OsString::from_vec(rest.to_vec()));
                Self::Question(Question { id, pid, stamp, path })
            }
            2 => {
                let [allowed, has_id] = take(rest)?;
                let id = u64::from_ne_bytes(take(rest)?);
                Self::Late { id: (has_id == 1).then_some(id), allowed: allowed == 1 }
            }
            3 => Self::New { late: u64::from_ne_bytes(take(rest)?) },
            _ => return None,
        })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

fn of_stamp(stamp: &Stamp) -> [u8; STAMP] {
    let mut bytes = [0; STAMP];
    let words = [
        stamp.device.to_ne_bytes(),
        stamp.inode.to_ne_bytes(),
        stamp.length.to_ne_bytes(),
        stamp.modified.0.to_ne_bytes(),
        stamp.changed.0.to_ne_bytes(),
    ];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word);
    }
    bytes[40..44].copy_from_slice(&stamp.modified.1.to_ne_bytes());
    bytes[44..].copy_from_slice(&stamp.changed.1.to_ne_bytes());
    bytes
}

fn stamp(bytes: &mut &[u8]) -> Option<Stamp> {
    let (device, inode) = (u64::from_ne_bytes(take(bytes)?), u64::from_ne_bytes(take(bytes)?));
    let length = u64::from_ne_bytes(take(bytes)?);
    let (modified, changed) = (i64::from_ne_bytes(take(bytes)?), i64::from_ne_bytes(take(bytes)?));
    let modified = (modified, u32::from_ne_bytes(take(bytes)?));
    let changed = (changed, u32::from_ne_bytes(take(bytes)?));
    Some(Stamp { device, inode, length, modified, changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Stamp = Stamp { device: 1, inode: 2, length: 3, modified: (-4, 5), changed: (6, 7) };

    #[test]
    fn every_message_is_read_as_it_was_written_and_no_half_of_one() {
        let orders = [
            Order::Answer { id: 7, word: Word::Allow(AT) },
            Order::Answer { id: u64::MAX, word: Word::Deny },
            Order::Own { pid: 4711, started: 99 },
            Order::NoMore { pid: 4711 },
            Order::Late { allowed: true },
            Order::Forget,
            Order::Busy { is_so: true },
            Order::TakenUp { id: 7 },
            Order::Name("mcp.json".into()),
            Order::End,
        ];
        for order in orders {
            assert_eq!(Order::of(order.bytes().as_slice()).as_ref(), Some(&order));
        }
        let answer = Order::Answer { id: 7, word: Word::Allow(AT) }.bytes();
        for length in (1..answer.as_slice().len()).filter(|length| *length != 9) {
            assert_eq!(Order::of(&answer.as_slice()[..length]), None, "{length}");
        }
        let question = Question { id: 5, pid: 6, stamp: AT, path: "/home/ann/mcp.json".into() };
        let bytes = Note::question(5, 6, &AT, b"/home/ann/mcp.json");
        assert_eq!(Note::of(bytes.as_slice()), Some(Note::Question(question)));
        for id in [None, Some(9)] {
            let late = Note::late(id, true);
            assert_eq!(Note::of(late.as_slice()), Some(Note::Late { id, allowed: true }));
        }
        assert_eq!(Note::of(Note::new_one(3).as_slice()), Some(Note::New { late: 3 }));
    }

    #[test]
    fn of_a_path_that_is_too_long_the_end_is_told() {
        let mut path = vec![b'x'; 5000];
        path.extend(b"/mcp.json");
        let Some(Note::Question(question)) = Note::of(Note::question(1, 1, &AT, &path).as_slice()) else {
            panic!("it is a question")
        };
        assert!(question.path.ends_with("mcp.json"));
    }
}
