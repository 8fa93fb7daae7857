//! The fingerprint of an entry: equal on all machines for the same server, different as soon as anything that can
//! change what runs differs. Secrets take part by their kind only, so nothing can be guessed from it.
//!
//! Every field is preceded by its length and every list by its count, so that no two entries share a preimage.

use sha2::{Digest, Sha256};

use crate::entry::{Entry, NamedValue};
use crate::identity::Identity;
use crate::redact;

/// Names the hashed fields and their order; a change of either needs a new version.
const DOMAIN: &str = "mcpolicy entry fingerprint v1";

/// The fingerprint of an entry, `sha256:` and 64 hex digits. The entry's name and place take no part.
pub fn of(entry: &Entry, identity: &Identity, home: Option<&str>) -> String {
    let mut hash = Fields(Sha256::new());
    let plain = |text: &str| portable(text, home);
    hash.field(DOMAIN);
    hash.field(identity.kind.as_str());
    hash.field(&plain(&redact::kinds_only(&identity.name)));
    hash.field(entry.transport.as_str());
    hash.field(&entry.command.as_ref().map(|c| plain(&redact::kinds_only(c.expose()))).unwrap_or_default());
    let args = redact::args_kinds_only(&entry.args);
    hash.list(args.iter().map(|a| plain(a)));
    hash.field(&entry.url.as_ref().map(|u| plain(&redact::url_kinds_only(u.expose()))).unwrap_or_default());
    hash.field(&entry.cwd.as_ref().map(|c| plain(&redact::kinds_only(c.expose()))).unwrap_or_default());
    hash.list(names(&entry.env));
    hash.list(names(&entry.headers));
    hash.list(names(&entry.members));
    // Values are hidden and left out, but for those that are code by another name.
    let decides = |v: &&NamedValue| crate::risk::environment::decides(&v.name);
    let helper = |m: &&NamedValue| {
        matches!(m.name.as_str(), "headersHelper" | "http_headers_helper" | "envFile" | "env_file")
    };
    let deciding = entry.env.iter().filter(decides).chain(entry.members.iter().filter(helper));
    hash.list(deciding.map(|v| plain(&redact::kinds_only(v.value.expose()))));
    format!("sha256:{}", hex(&hash.0.finalize()))
}

struct Fields(Sha256);

impl Fields {
    fn field(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    fn list(&mut self, items: impl IntoIterator<Item = String>) {
        let items: Vec<String> = items.into_iter().collect();
        self.0.update((items.len() as u64).to_be_bytes());
        for item in items {
            self.field(&item);
        }
    }
}

/// Sorted names; a name that is itself a secret by its kind.
fn names(values: &[NamedValue]) -> Vec<String> {
    let mut names: Vec<String> = values.iter().map(|v| redact::kinds_only(&v.name)).collect();
    names.sort();
    names
}

/// The home prefix of every path in a text as `~`: users differ, servers do not.
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
        result.push_str(if starts && ends { "~" } else { home });
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
    use crate::sensitive::Sensitive;
    use crate::testing::entry;

    fn print(entry: &Entry, home: &str) -> String {
        of(entry, &crate::identity::identify(entry), Some(home))
    }

    #[test]
    fn a_rotated_secret_and_another_home_change_nothing() {
        let one = entry("npx", &["-y", "x@1.0.0", "/home/jane/work", "--api-key", "ghp_SECRETMARK00000001"]);
        let two = entry("npx", &["-y", "x@1.0.0", "/home/joe/work", "--api-key", "ghp_SECRETMARK00000002"]);
        assert_eq!(print(&one, "/home/jane"), print(&two, "/home/joe"));
    }

    #[test]
    fn whatever_changes_what_runs_changes_the_fingerprint() {
        let base = entry("npx", &["-y", "x@1.0.0", "a", "b"]);
        let print_of = |e: &Entry| print(e, "/home/jane");
        let mut others = vec![
            entry("npx", &["-y", "x@1.0.1", "a", "b"]),
            entry("npx", &["-y", "x@1.0.0", "ab"]),
            entry("npx", &["-y", "x@1.0.0", "a"]),
            entry("bunx", &["-y", "x@1.0.0", "a", "b"]),
            entry("npx", &["-y", "x@1.0.0", "a", "b", ""]),
        ];
        let mut with_env = base.clone();
        with_env.env.push(NamedValue { name: "NODE_OPTIONS".into(), value: Sensitive::new("x") });
        let mut with_cwd = base.clone();
        with_cwd.cwd = Some(Sensitive::new("/tmp"));
        others.extend([with_env, with_cwd]);
        for other in &others {
            assert_ne!(print_of(&base), print_of(other));
        }
        let mut renamed = base.clone();
        renamed.name = "another".into();
        assert_eq!(print_of(&base), print_of(&renamed));
    }

    #[test]
    fn a_home_is_replaced_only_as_a_whole_path() {
        assert_eq!(portable("/home/jane/x", Some("/home/jane")), "~/x");
        assert_eq!(portable("/home/jane2/x", Some("/home/jane")), "/home/jane2/x");
        assert_eq!(portable("-v /home/jane:/w", Some("/home/jane/")), "-v ~:/w");
    }
}
