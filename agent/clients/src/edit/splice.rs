//! Ranges of the original and what comes in their place.

use std::ops::Range;

use super::Unfaithful;

/// Bytes of the original and what stands there now.
#[derive(Clone, PartialEq, Eq)]
pub struct Splice {
    /// Bytes of the original, byte order mark included.
    pub range: Range<usize>,
    /// What comes in their place; empty for a cut.
    pub text: Vec<u8>,
}

impl std::fmt::Debug for Splice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} -> {} bytes", self.range, self.text.len())
    }
}

/// What is to be done, in offsets of the text.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) splices: Vec<Splice>,
    /// What each change takes out.
    pub(super) removed: Vec<Vec<Range<usize>>>,
}

impl Plan {
    pub(super) fn new(changes: usize) -> Self {
        Self { splices: Vec::new(), removed: vec![Vec::new(); changes] }
    }

    /// Takes a range out on account of a change.
    pub(super) fn cut(&mut self, change: usize, range: Range<usize>) {
        if range.start < range.end {
            self.splices.push(Splice { range: range.clone(), text: Vec::new() });
            self.removed[change].push(range);
        }
    }

    /// Takes out what belongs to no change: a comma, blanks.
    pub(super) fn drop(&mut self, range: Range<usize>) {
        if range.start < range.end {
            self.splices.push(Splice { range, text: Vec::new() });
        }
    }

    /// Writes a text in place of a range.
    pub(super) fn put(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.splices.push(Splice { range, text: text.into().into_bytes() });
    }
}

/// Sorts splices, joins cuts that touch, and moves all behind the byte order mark.
pub(super) fn in_order(mut splices: Vec<Splice>, skipped: usize) -> Result<Vec<Splice>, Unfaithful> {
    // Stable: of two texts for one place, the one planned first comes first.
    splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
    let mut out: Vec<Splice> = Vec::with_capacity(splices.len());
    for mut splice in splices {
        splice.range = splice.range.start + skipped..splice.range.end + skipped;
        match out.last_mut() {
            Some(last) if last.text.is_empty() && splice.text.is_empty() => {
                if splice.range.start <= last.range.end {
                    last.range.end = last.range.end.max(splice.range.end);
                } else {
                    out.push(splice);
                }
            }
            Some(last) if splice.range.start < last.range.end => return Err(Unfaithful::Overlap),
            Some(_) | None => out.push(splice),
        }
    }
    Ok(out)
}

/// The bytes with the splices made.
pub(super) fn made(bytes: &[u8], splices: &[Splice]) -> Vec<u8> {
    let grown: usize = splices.iter().map(|splice| splice.text.len()).sum();
    let mut out = Vec::with_capacity(bytes.len() + grown);
    let mut at = 0;
    for splice in splices {
        out.extend_from_slice(&bytes[at..splice.range.start]);
        out.extend_from_slice(&splice.text);
        at = splice.range.end;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

/// Checks that the bytes outside of the splices are the same, without trusting [`made`].
pub(super) fn check(before: &[u8], after: &[u8], splices: &[Splice]) -> Result<(), Unfaithful> {
    let (mut rest, mut at) = (after, 0);
    for splice in splices {
        let kept = before.get(at..splice.range.start).ok_or(Unfaithful::Overlap)?;
        rest = rest.strip_prefix(kept).and_then(|r| r.strip_prefix(&*splice.text)).ok_or(DIFFER)?;
        at = splice.range.end;
    }
    if before.get(at..) == Some(rest) { Ok(()) } else { Err(DIFFER) }
}

const DIFFER: Unfaithful = Unfaithful::Proof("bytes outside of the changed ranges differ");
