//! The fingerprint of an entry: equal on all machines for the same server, different as soon as anything that can
//! change what runs differs. Exceptions, grants and revocations rest on it, so whatever is not plainly the value of a
//! secret takes part in full; see [`slots`] for what is left out.
//!
//! Every field is preceded by its length and every list by its count, so that no two entries share a preimage.

mod slots;

use sha2::{Digest, Sha256};

use crate::entry::{Entry, NamedValue};
use crate::identity::{Identity, Kind};
use crate::sensitive::Sensitive;

/// Names the hashed fields and their order; a change of either needs a new version.
const DOMAIN: &str = "mcpolicy entry fingerprint v2";

/// Stands for the user's home. With its NUL it is no text that a program could be given.
const HOME: &str = "\0home";

/// The fingerprint of an entry, `sha256:` and 64 hex digits. The entry's name and place take no part.
pub fn of(entry: &Entry, identity: &Identity, home: Option<&str>) -> String {
    let mut hash = Fields { hash: Sha256::new(), home };
    hash.field(DOMAIN);
    hash.field(identity.kind.as_str());
    // Of all other kinds the name is read out of the command or URL, and those take part.
    hash.field(if identity.kind == Kind::Builtin { &identity.name } else { "" });
    hash.field(entry.transport.as_str());
    hash.list(entry.declared_type.iter().cloned());
    hash.list(entry.command.iter().map(|c| slots::urls(c.expose())));
    hash.list(slots::args(&entry.args, identity));
    hash.list(entry.url.iter().map(|u| slots::urls(u.expose())));
    hash.list(entry.cwd.iter().map(|c| c.expose().to_owned()));
    hash.named(&entry.env, slots::variable);
    hash.named(&entry.headers, slots::header);
    hash.named(&entry.members, slots::member);
    hash.list(entry.malformed.iter().map(|why| (*why).to_owned()));
    format!("sha256:{}", hex(&hash.hash.finalize()))
}

struct Fields<'h> {
    hash: Sha256,
    home: Option<&'h str>,
}

impl Fields<'_> {
    fn field(&mut self, text: &str) {
        let text = portable(text, self.home);
        self.hash.update((text.len() as u64).to_be_bytes());
        self.hash.update(text);
    }

    fn list(&mut self, items: impl IntoIterator<Item = String>) {
        let items: Vec<String> = items.into_iter().collect();
        self.hash.update((items.len() as u64).to_be_bytes());
        for item in items {
            self.field(&item);
        }
    }

    /// Names and values by name; of two with one name the order stays, since a client takes the first or the last.
    fn named(&mut self, values: &[NamedValue], shown: fn(&str, &Sensitive) -> String) {
        let mut values: Vec<&NamedValue> = values.iter().collect();
        values.sort_by(|a, b| a.name.cmp(&b.name));
        self.list(values.iter().flat_map(|v| [v.name.clone(), shown(&v.name, &v.value)]));
    }
}

/// A text as a fingerprint takes it, for people: `~` for every home that is left out.
pub fn below_home(text: &str, home: Option<&str>) -> String {
    portable(text, home).replace(HOME, "~")
}

/// The home prefix of every path in a text as [`HOME`]: users differ, servers do not.
fn portable(text: &str, home: Option<&str>) -> String {
    let Some(home) = home.map(|h| h.trim_end_matches(['/', '\\'])).filter(|h| h.len() > 1) else {
        return text.to_owned();
    };
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(home) {
        let after = &rest[at + home.len()..];
        let starts = rest[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '/' | '.' | '-' | '_'));
        // `/home/jane2` does not lie in `/home/jane`.
        let ends = after.chars().next().is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_'));
        result.push_str(&rest[..at]);
        result.push_str(if starts && ends { HOME } else { home });
        rest = after;
    }
    result.push_str(rest);
    result
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_replaced_only_as_a_whole_path() {
        assert_eq!(portable("/home/jane/x", Some("/home/jane")), format!("{HOME}/x"));
        assert_eq!(portable("/home/jane2/x", Some("/home/jane")), "/home/jane2/x");
        assert_eq!(portable("-v /home/jane:/w", Some("/home/jane/")), format!("-v {HOME}:/w"));
        assert_eq!(portable("~/x", Some("/home/jane")), "~/x", "a client may not expand it");
    }
}
