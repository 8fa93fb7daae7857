//! How an edited file differs from its original: few ranges that, with what they held, make the very bytes of the original
//! from those that the edit left. Only so may an original shrink.
//!
//! Bytes are compared and nothing else: no text of a user is parsed here. What was told of the edit (the pieces of entries
//! that were taken out) shows where to look; whether the ranges are right is proved by making the original from them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Most ranges of one file: a description with more might not be read again, and its original stays whole.
const MOST: usize = 50_000;
/// Bytes that must be the same behind a difference before it counts as ended, unless the file ends first.
const SAME: usize = 24;
/// How far the end of a difference is looked for on both sides at once.
const NEAR: usize = 256;
/// The same on one side alone.
const FAR: usize = 1 << 20;
/// How often that is done for one file. Attack: two files of which each has little that the other has, and root compares.
const MOST_FAR: usize = 1000;

/// Bytes of the original and how many came in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Where they began.
    pub start: u64,
    /// Where they ended.
    pub end: u64,
    /// How many bytes the edit put there.
    #[serde(default, skip_serializing_if = "super::item::is_none")]
    pub put: u64,
}

impl Changed {
    pub(super) fn range(&self) -> Range<u64> {
        self.start..self.end
    }
}

/// How the bytes differ; nothing if it cannot be told in a few ranges, or is not proved. `out` are ranges of the original
/// that were taken out as a whole.
pub(super) fn between(original: &[u8], edited: &[u8], out: &[Range<u64>]) -> Vec<Changed> {
    let Some(out) = in_order(out, original.len()) else { return Vec::new() };
    let rest = Rest::of(original, &out);
    let Some(differences) = differences(&rest.bytes, edited) else { return Vec::new() };
    let mut all: Vec<Changed> = out
        .iter()
        .map(|range| Changed { start: range.start as u64, end: range.end as u64, put: 0 })
        .collect();
    all.extend(differences.iter().map(|(range, put)| rest.place(range, *put)));
    let all = joined(all);
    let held = |range: Range<u64>| original.get(range.start as usize..range.end as usize).map(<[u8]>::to_vec);
    if all.len() <= MOST && rebuilt(&all, held, edited).is_some_and(|whole| whole == original) {
        all
    } else {
        Vec::new()
    }
}

/// The original: what the edit left, with what the ranges held in the place of what came there.
pub(super) fn rebuilt(
    changed: &[Changed],
    held: impl Fn(Range<u64>) -> Option<Vec<u8>>,
    edited: &[u8],
) -> Option<Vec<u8>> {
    let (mut whole, mut at) = (Vec::with_capacity(edited.len()), 0_usize);
    for one in changed {
        let between = usize::try_from(one.start).ok()?.checked_sub(whole.len())?;
        whole.extend_from_slice(edited.get(at..)?.get(..between)?);
        whole.extend(held(one.range())?);
        at = at.checked_add(between)?.checked_add(usize::try_from(one.put).ok()?)?;
    }
    whole.extend_from_slice(edited.get(at..)?);
    Some(whole)
}

/// What of the ranges lies in no piece, in order: what must be kept beside the pieces.
pub(super) fn beside(changed: &[Changed], pieces: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut pieces = pieces.to_vec();
    pieces.sort_by_key(|range| range.start);
    let mut all = Vec::new();
    for one in changed {
        let mut at = one.start;
        let first = pieces.partition_point(|piece| piece.end <= one.start);
        for piece in pieces[first..].iter().take_while(|piece| piece.start < one.end) {
            if at < piece.start {
                all.push(at..piece.start);
            }
            at = at.max(piece.end);
        }
        if at < one.end {
            all.push(at..one.end);
        }
    }
    all
}

/// Whether no two ranges have a byte in common.
pub(super) fn are_apart(ranges: &[Range<u64>]) -> bool {
    let mut ranges: Vec<&Range<u64>> = ranges.iter().collect();
    ranges.sort_by_key(|range| range.start);
    ranges.windows(2).all(|two| two[0].end <= two[1].start)
}

/// Ranges of a file in order, if they are such and apart.
fn in_order(ranges: &[Range<u64>], length: usize) -> Option<Vec<Range<usize>>> {
    if !are_apart(ranges) {
        return None;
    }
    let mut out = Vec::with_capacity(ranges.len());
    for range in ranges {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        if range.start > range.end || range.end > length {
            return None;
        }
        out.push(range);
    }
    out.sort_by_key(|range| range.start);
    Some(out)
}

/// An original without what was taken out as a whole.
struct Rest {
    bytes: Vec<u8>,
    length: usize,
    /// Where each stretch begins, in the rest and in the original.
    stretches: Vec<(usize, usize)>,
}

impl Rest {
    fn of(original: &[u8], out: &[Range<usize>]) -> Self {
        let mut rest = Self { bytes: Vec::new(), length: original.len(), stretches: Vec::new() };
        let mut at = 0;
        for range in out.iter().cloned().chain(std::iter::once(original.len()..original.len())) {
            if at < range.start {
                rest.stretches.push((rest.bytes.len(), at));
                rest.bytes.extend_from_slice(&original[at..range.start]);
            }
            at = range.end;
        }
        rest
    }

    /// Where a byte of the rest stood.
    fn stood(&self, at: usize) -> usize {
        if at >= self.bytes.len() {
            return self.length;
        }
        let stretch = self.stretches.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        self.stretches.get(stretch).map_or(0, |(start, stood)| stood + (at - start))
    }

    fn place(&self, range: &Range<usize>, put: usize) -> Changed {
        let start = self.stood(range.start);
        let end = if range.is_empty() { start } else { self.stood(range.end - 1) + 1 };
        Changed { start: start as u64, end: end as u64, put: put as u64 }
    }
}

/// In order, those that touch as one.
fn joined(mut all: Vec<Changed>) -> Vec<Changed> {
    all.sort_by_key(|one| (one.start, one.end));
    let mut out: Vec<Changed> = Vec::with_capacity(all.len());
    for one in all {
        match out.last_mut() {
            Some(last) if one.start <= last.end => {
                last.end = last.end.max(one.end);
                last.put += one.put;
            }
            _ => out.push(one),
        }
    }
    out
}

/// Ranges of `old` and how many bytes of `new` stand in their place, one after the other: each ends where both go on the
/// same as soon as possible.
fn differences(old: &[u8], new: &[u8]) -> Option<Vec<(Range<usize>, usize)>> {
    let (mut i, mut j) = (0, 0);
    let (mut all, mut far) = (Vec::new(), 0);
    loop {
        let same = old[i..].iter().zip(&new[j..]).take_while(|(a, b)| a == b).count();
        (i, j) = (i + same, j + same);
        if i == old.len() && j == new.len() {
            return Some(all);
        }
        if all.len() >= MOST {
            return None;
        }
        let (old_rest, new_rest) = (&old[i..], &new[j..]);
        let (gone, put) = near(old_rest, new_rest).unwrap_or_else(|| {
            far += 1;
            if far <= MOST_FAR { further(old_rest, new_rest) } else { ends(old_rest, new_rest) }
        });
        all.push((i..i + gone, put));
        (i, j) = (i + gone, j + put);
    }
}

/// How much of each comes before they go on the same, the least together.
fn near(old: &[u8], new: &[u8]) -> Option<(usize, usize)> {
    let goes_on = |gone: usize, put: usize| {
        let (old, new) = (old.get(gone..)?, new.get(put..)?);
        let length = SAME.min(old.len()).min(new.len());
        // at the end of one, both must end
        let is_whole = length == SAME || old.len() == new.len();
        (is_whole && old[..length] == new[..length]).then_some((gone, put))
    };
    (1..=NEAR).find_map(|sum| (0..=sum).find_map(|put| goes_on(sum - put, put)))
}

/// The same further away, on one side alone; all of both but their ends where they never do.
fn further(old: &[u8], new: &[u8]) -> (usize, usize) {
    let gone = new.get(..SAME).and_then(|next| find(old, next));
    let put = old.get(..SAME).and_then(|next| find(new, next));
    match (gone, put) {
        (Some(gone), None) => (gone, 0),
        (Some(gone), Some(put)) if gone <= put => (gone, 0),
        (_, Some(put)) => (0, put),
        (None, None) => ends(old, new),
    }
}

fn find(text: &[u8], next: &[u8]) -> Option<usize> {
    memchr::memmem::find(&text[..text.len().min(FAR)], next)
}

/// All but the end that both have.
fn ends(old: &[u8], new: &[u8]) -> (usize, usize) {
    let same = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    (old.len() - same, new.len() - same)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held(original: &[u8]) -> impl Fn(Range<u64>) -> Option<Vec<u8>> {
        |range| original.get(range.start as usize..range.end as usize).map(<[u8]>::to_vec)
    }

    fn ranges(original: &str, edited: &str, out: &[Range<u64>]) -> Vec<(String, u64)> {
        let all = between(original.as_bytes(), edited.as_bytes(), out);
        let text = |one: &Changed| original[one.start as usize..one.end as usize].to_owned();
        all.iter().map(|one| (text(one), one.put)).collect()
    }

    #[test]
    fn what_an_edit_took_along_is_told_and_nothing_else() {
        let original =
            r#"{"mcpServers": {"g": {"command": "npx", "secret": 1}, "e": {"command": "evil"}}, "n": 1}"#;
        let entry = original.find(r#" "e""#).unwrap() as u64;
        let out = entry..entry + r#" "e": {"command": "evil"}"#.len() as u64;
        let edited = r#"{"mcpServers": {"g": {"command": "npx", "secret": 1}}, "n": 1}"#;
        // the comma before it
        let told = [(r#", "e": {"command": "evil"}"#.to_owned(), 0)];
        assert_eq!(ranges(original, edited, std::slice::from_ref(&out)), told);
        let kept =
            beside(&between(original.as_bytes(), edited.as_bytes(), std::slice::from_ref(&out)), &[out]);
        assert_eq!(kept.iter().map(|range| range.end - range.start).sum::<u64>(), 1);

        let pinned = original.replace("evil", "good@1.0.0");
        assert_eq!(ranges(original, &pinned, &[]), [("evil".to_owned(), 10)]);
        let emptied = "{\n  \"m\": {}\n}";
        let told = ranges("{\n  \"m\": {\n   \"e\": 1\n  }\n}", emptied, std::slice::from_ref(&(11..21)));
        assert_eq!(told, [("\n   \"e\": 1\n  ".to_owned(), 0)]);
        assert_eq!(ranges("{}", "{\"off\": [\"e\"]}", &[]), [(String::new(), 12)]);
    }

    #[test]
    fn what_is_not_proved_is_not_told() {
        assert_eq!(between(b"abcdef", b"abef", &[2..5, 3..4]), [], "they overlap");
        assert_eq!(between(b"abcdef", b"abef", std::slice::from_ref(&(2..9))), [], "outside of the file");
        assert_eq!(between(b"same", b"same", &[]), []);
    }

    proptest! {
        #[test]
        fn the_original_is_made_again_from_any_two_files(
            old in proptest::collection::vec(0..4_u8, 0..400),
            new in proptest::collection::vec(0..4_u8, 0..400),
            cut in 0..200_u64, length in 0..100_u64,
        ) {
            let out = cut..cut + length;
            let all = between(&old, &new, std::slice::from_ref(&out));
            if out.end <= old.len() as u64 && old != new {
                prop_assert_eq!(rebuilt(&all, held(&old), &new).unwrap(), old);
            }
        }

        #[test]
        fn no_more_is_told_than_was_changed(
            lines in proptest::collection::vec("[a-z]{30,60}\n", 1..30),
            goes in proptest::collection::vec(any::<bool>(), 30),
        ) {
            let old = lines.concat();
            let new: String =
                lines.iter().zip(&goes).filter(|(_, goes)| !**goes).map(|(line, _)| &**line).collect();
            let told: u64 = between(old.as_bytes(), new.as_bytes(), &[]).iter().map(|one| one.end - one.start).sum();
            prop_assert_eq!(told, (old.len() - new.len()) as u64);
        }
    }
}
