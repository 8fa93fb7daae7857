//! What an entry is told by in its file: where it stands, or in a list its name, for its number changes as others come and
//! go.

use mcpolicy_clients::edit::Piece;

use crate::assess::Assessed;
use crate::vault::{Kept, Taken};

/// An entry of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot<'e> {
    /// By the JSON Pointer of where it stands.
    At(&'e str),
    /// By the JSON Pointer of its list and its name.
    InList(&'e str, &'e str),
    /// By the JSON Pointer of a list of maps (`- name: entry`) and its name.
    InItem(&'e str, &'e str),
}

impl<'e> Spot<'e> {
    pub(super) fn of(item: &'e Assessed) -> Self {
        Self::named(&item.entry.key_path, &item.entry.name)
    }

    pub(super) fn of_taken(taken: &'e Taken) -> Self {
        Self::named(&taken.key_path, &taken.name)
    }

    fn named(key_path: &'e str, name: &'e str) -> Self {
        let is_number = |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
        match key_path.rsplit_once('/') {
            Some((list, at)) if at != name && is_number(at) => Self::InList(list, name),
            Some((item, key)) => match item.rsplit_once('/') {
                // the same name is another key in another item, and comes back as the last one
                Some((list, at)) if !list.is_empty() && is_number(at) => Self::InItem(list, key),
                _ => Self::At(key_path),
            },
            _ => Self::At(key_path),
        }
    }
}

/// Lets no text belong to two entries, where all that two have in common is what stood between them: blanks and a comma.
/// The whole text of an entry that is changed reaches as far as if it were taken out, and its neighbour may be.
pub(super) fn keep_apart(entries: &mut [Vec<Piece>]) {
    let mut all: Vec<&mut Piece> = entries.iter_mut().flatten().collect();
    all.sort_by_key(|piece| (piece.range.start, piece.range.end));
    let mut taken = 0;
    for piece in all {
        let shared = taken.min(piece.range.end).saturating_sub(piece.range.start);
        let is_between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        if shared > 0 && piece.bytes.get(..shared).is_some_and(|bytes| bytes.iter().all(is_between)) {
            piece.bytes.drain(..shared);
            piece.range.start += shared;
        }
        taken = taken.max(piece.range.end);
    }
}

/// The pieces of each entry without what belongs to one before it. Earlier versions took, of entries one after the other at
/// the end of a file, the first along with each.
pub(super) fn alone(mut entries: Vec<Vec<Kept>>) -> Vec<Vec<Kept>> {
    let mut all: Vec<&mut Kept> = entries.iter_mut().flatten().collect();
    all.sort_by_key(|(range, _)| (range.start, range.end));
    let mut taken = 0;
    for (range, bytes) in all {
        let shared = taken.min(range.end).saturating_sub(range.start);
        if shared > 0 && range.start + shared < range.end && bytes.len() as u64 > shared {
            bytes.drain(..shared as usize);
            range.start += shared;
        }
        taken = taken.max(range.end);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_version_kept_of_two_entries_in_one_text_is_told_apart() {
        let text = b"[a]\nx = 1\n\n[b]\ny = 2\n";
        let kept = |end: usize| vec![(0..end as u64, text[..end].to_vec())];
        let apart = alone(vec![kept(11), kept(text.len())]);
        assert_eq!(apart[0], kept(11));
        assert_eq!(apart[1], [(11..text.len() as u64, text[11..].to_vec())]);
    }

    #[test]
    fn only_what_stands_between_two_entries_is_taken_from_one() {
        let piece = |range: std::ops::Range<usize>, text: &str| {
            vec![Piece { range, bytes: text.as_bytes().to_vec() }]
        };
        let mut entries = [piece(4..9, "b: 2,"), piece(0..5, "a: 1,"), piece(8..12, ", c:")];
        entries[0][0].bytes = b", b2,".to_vec();
        keep_apart(&mut entries);
        assert_eq!((entries[0][0].range.clone(), &entries[0][0].bytes[..]), (5..9, &b" b2,"[..]));
        assert_eq!(entries[1][0].range, 0..5);
        assert_eq!(entries[2][0].range, 9..12);
        let mut shared = [piece(0..5, "a: 1,"), piece(0..9, "a: 1,b: 2")];
        keep_apart(&mut shared);
        assert_eq!(shared[1][0].range, 0..9, "the vault keeps such a file whole");
    }

    #[test]
    fn an_entry_of_a_list_is_told_by_its_name_wherever_it_stands() {
        assert_eq!(Spot::named("/mcpServers/2", "a"), Spot::named("/mcpServers/0", "a"));
        assert_ne!(Spot::named("/mcpServers/2", "a"), Spot::named("/mcpServers/2", "b"));
        assert_eq!(Spot::named("/mcpServers/2/a", "a"), Spot::named("/mcpServers/0/a", "a"));
        assert_ne!(Spot::named("/mcpServers/2/a", "a"), Spot::named("/mcpServers/2/b", "b"));
        assert_ne!(Spot::named("/mcpServers/2/a", "a"), Spot::named("/mcpServers/2", "a"));
        assert_ne!(Spot::named("/mcpServers/2", "2"), Spot::named("/mcpServers/0", "0"));
    }
}
