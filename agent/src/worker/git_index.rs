//! Which files Git tracks, by its index: a file that no index names is its user's alone, though it lies in a work tree.
//! Pure, and never wrong in the user's favour: what is not understood tracks everything.

/// Bytes of an entry before the name of its object: times, device, inode, mode, owner, group, size.
const BEFORE_OBJECT: usize = 40;
/// Lengths of names of objects: SHA-1, SHA-256.
const OBJECT_LENGTHS: [usize; 2] = [20, 32];
/// Flag of an entry that two more bytes of flags follow.
const EXTENDED: u16 = 0x4000;
/// The length of a path in the flags; all bits where it is longer.
const NAME_LENGTH: u16 = 0x0fff;

/// Whether an index names a path, which is relative to its work tree. `None` if it cannot be told: another version,
/// parts in another file, or no index at all.
pub(super) fn tracks(index: &[u8], path: &str) -> Option<bool> {
    // which of the two it is stands in the repository's settings; the lengths of names tell it as well
    OBJECT_LENGTHS.iter().find_map(|length| Index::read(index, *length, path))
}

/// A position in an index.
struct Index<'i> {
    bytes: &'i [u8],
    at: usize,
}

impl<'i> Index<'i> {
    fn read(bytes: &'i [u8], object: usize, path: &str) -> Option<bool> {
        // the last is the digest of all before
        let body = bytes.get(..bytes.len().checked_sub(object)?)?;
        let mut index = Self { bytes: body, at: 0 };
        if index.take(4)? != b"DIRC" {
            return None;
        }
        let version = index.number()?;
        if !(2..=4).contains(&version) {
            return None;
        }
        let (mut found, mut name) = (false, Vec::new());
        for _ in 0..index.number()? {
            index.entry(version, object, &mut name)?;
            found |= names(&name, path);
        }
        index.extensions()?;
        Some(found)
    }

    fn take(&mut self, length: usize) -> Option<&'i [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// Reads on to the end of an entry, whose path takes the place of the one before it.
    fn entry(&mut self, version: u32, object: usize, name: &mut Vec<u8>) -> Option<()> {
        let start = self.at;
        self.take(BEFORE_OBJECT + object)?;
        let flags = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        if flags & EXTENDED != 0 {
            self.take(2)?;
        }
        let shared = if version == 4 { name.len().checked_sub(self.varint()?)? } else { 0 };
        name.truncate(shared);
        let length = self.bytes.get(self.at..)?.iter().position(|byte| *byte == 0)?;
        name.extend_from_slice(self.take(length)?);
        // one to eight zeros up to a multiple of eight; one in version 4
        let whole = self.at - start;
        let padding = if version == 4 { 1 } else { 8 - whole % 8 };
        let is_zero = self.take(padding)?.iter().all(|byte| *byte == 0);
        let told = usize::from(flags & NAME_LENGTH);
        let is_told = told == name.len() || (told == usize::from(NAME_LENGTH) && name.len() > told);
        (is_zero && is_told && !name.is_empty()).then_some(())
    }

    /// A number of Git's: seven bits a byte, each continued one counting one more.
    fn varint(&mut self) -> Option<usize> {
        let mut byte = self.take(1)?[0];
        let mut value = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.take(1)?[0];
            value = value.checked_add(1)?.checked_mul(128)? + usize::from(byte & 0x7f);
        }
        Some(value)
    }

    /// The rest, which must be whole. In a split index the entries of another file count too.
    fn extensions(&mut self) -> Option<()> {
        while self.at < self.bytes.len() {
            let kind = self.take(4)?;
            if kind == b"link" {
                return None;
            }
            let length = self.number()? as usize;
            self.take(length)?;
        }
        Some(())
    }
}

/// Whether an entry is the path, or a folder above it: a sparse index names a folder as one. Without case, as some disks
/// take names.
fn names(entry: &[u8], path: &str) -> bool {
    let path = path.as_bytes();
    match entry.strip_suffix(b"/") {
        Some(_) => path.get(..entry.len()).is_some_and(|start| start.eq_ignore_ascii_case(entry)),
        None => entry.eq_ignore_ascii_case(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index of some paths, as Git writes it.
    fn index(version: u32, object: usize, paths: &[&str], extension: &[u8]) -> Vec<u8> {
        let mut all =
            [b"DIRC".as_slice(), &version.to_be_bytes(), &(paths.len() as u32).to_be_bytes()].concat();
        let mut before = "";
        for path in paths {
            let start = all.len();
            all.extend(vec![7; BEFORE_OBJECT + object]);
            all.extend((path.len().min(0xfff) as u16).to_be_bytes());
            if version == 4 {
                let shared = before.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
                let mut drop = before.len() - shared;
                let mut number = vec![(drop & 0x7f) as u8];
                while drop >= 128 {
                    drop = (drop >> 7) - 1;
                    number.insert(0, 0x80 | (drop & 0x7f) as u8);
                }
                all.extend(number);
                all.extend(&path.as_bytes()[shared..]);
                all.push(0);
            } else {
                all.extend(path.as_bytes());
                let padding = 8 - (all.len() - start) % 8;
                all.extend(vec![0; padding]);
            }
            before = path;
        }
        all.extend(extension);
        all.extend(vec![9; object]);
        all
    }

    #[test]
    fn an_index_of_each_version_and_digest_names_what_is_in_it_and_nothing_else() {
        let long = format!("a/{}/z", "x".repeat(5000));
        let paths = [".claude/settings.json", ".mcp.json", &long, "b"];
        for version in [2, 3, 4] {
            for object in OBJECT_LENGTHS {
                let index = index(version, object, &paths, b"TREE\0\0\0\x02ab");
                for path in paths {
                    assert_eq!(tracks(&index, path), Some(true), "version {version}, {object}: {path:.20}");
                }
                for path in [".claude/settings.local.json", ".claude", "mcp.json", ""] {
                    assert_eq!(tracks(&index, path), Some(false), "version {version}, {object}: {path}");
                }
                assert_eq!(tracks(&index, ".Claude/Settings.json"), Some(true), "on a disk without case");
                for length in 0..index.len() {
                    assert_ne!(tracks(&index[..length], "b"), Some(false), "cut to {length}");
                }
            }
        }
    }

    #[test]
    fn a_folder_of_a_sparse_index_has_everything_below_it_and_a_split_index_says_nothing() {
        let sparse = index(3, 20, &["docs/", "z"], b"sdir\0\0\0\0");
        assert_eq!(tracks(&sparse, "docs/.mcp.json"), Some(true));
        assert_eq!(tracks(&sparse, "docs2/.mcp.json"), Some(false));
        assert_eq!(tracks(&index(2, 20, &["z"], b"link\0\0\0\0"), "a"), None);
        assert_eq!(tracks(&index(5, 20, &["z"], b""), "a"), None);
    }
}
