//! The same new server in several clients at once: no person does that by hand. It is what an installer does, or malware.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mcpolicy_schema::identity::{Identity, Kind};
use sha2::{Digest as _, Sha256};

/// Time within which the same server in several clients is one deed.
pub const TOGETHER: Duration = Duration::from_secs(10);
/// Servers that are remembered of a home.
const MOST: usize = 1024;

/// What would run or be contacted, equal for the same server in each client.
///
/// Attack: whoever plants a server writes it in each client's own form. The fingerprint differs then, by a `type`, an empty
/// `env` or a wrapper that only this client needs, and so do versions and runners that lead to the same code.
pub fn runs(identity: &Identity) -> String {
    let (kind, name) = match (identity.kind, &identity.target) {
        // one client needs a bridge to what another contacts by itself
        (Kind::Bridge, Some(target)) if target.contains("://") => (Kind::Url, target),
        (kind, _) => (kind, &identity.name),
    };
    let args: &[_] = if kind == Kind::Url { &[] } else { &identity.server_args };
    let args = args.iter().map(|arg| arg.expose());
    let mut hash = Sha256::new();
    for part in [kind.as_str(), name].into_iter().chain(args) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A server that is new in a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// The home.
    pub home: usize,
    /// The client in whose location the file is.
    pub client: String,
    /// What would run, as [`runs`] has it.
    pub runs: String,
}

/// What is new, for a moment.
#[derive(Debug, Default)]
pub struct Planted(BTreeMap<(usize, String), Seen>);

#[derive(Debug, Default)]
struct Seen {
    clients: BTreeMap<String, Instant>,
    is_told: bool,
}

impl Seen {
    /// Lets go of what is of another deed. One that was told goes on as long as clients join, and names them all.
    fn forget(&mut self, now: Instant) {
        let is_fresh = |at: &Instant| now.saturating_duration_since(*at) < TOGETHER;
        if !(self.is_told && self.clients.values().any(is_fresh)) {
            self.clients.retain(|_, at| is_fresh(at));
        }
    }
}

impl Planted {
    /// Takes note of a server. All its clients, whenever one has joined those that have it already.
    pub fn note(&mut self, new: New, now: Instant) -> Option<BTreeSet<String>> {
        self.0.retain(|_, seen| {
            seen.forget(now);
            !seen.clients.is_empty()
        });
        let key = (new.home, new.runs);
        let of_home = self.0.range((new.home, String::new())..(new.home + 1, String::new())).count();
        if of_home >= MOST && !self.0.contains_key(&key) {
            return None;
        }
        let seen = self.0.entry(key).or_default();
        let is_another = seen.clients.insert(new.client, now).is_none();
        if seen.clients.len() < 2 || !is_another {
            return None;
        }
        seen.is_told = true;
        Some(seen.clients.keys().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use mcpolicy_schema::entry::Entry;
    use mcpolicy_schema::identity::identify;

    use super::*;

    fn new(home: usize, client: &str, runs: &str) -> New {
        New { home, client: client.to_owned(), runs: runs.to_owned() }
    }

    fn names(told: Option<BTreeSet<String>>) -> Vec<String> {
        told.unwrap_or_default().into_iter().collect()
    }

    #[test]
    fn the_same_server_in_two_clients_within_ten_seconds_is_told_and_again_with_each_that_joins() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut planted = Planted::default();
        assert_eq!(planted.note(new(0, "cursor", "x"), begin), None);
        assert_eq!(planted.note(new(0, "cursor", "x"), after(1)), None, "twice in one client");
        assert_eq!(planted.note(new(1, "codex", "x"), after(2)), None, "another user's");
        assert_eq!(planted.note(new(0, "codex", "y"), after(3)), None, "another entry");
        assert_eq!(names(planted.note(new(0, "codex", "x"), after(9))), ["codex", "cursor"]);
        assert_eq!(names(planted.note(new(0, "zed", "x"), after(9))), ["codex", "cursor", "zed"]);
        assert_eq!(planted.note(new(0, "zed", "x"), after(10)), None, "it is there already");
        let late = planted.note(new(0, "kiro", "x"), after(18));
        assert_eq!(names(late), ["codex", "cursor", "kiro", "zed"], "one who takes his time is named whole");
        assert_eq!(planted.note(new(0, "goose", "x"), after(40)), None);
    }

    #[test]
    fn what_comes_to_clients_one_by_one_is_an_ordinary_day() {
        let begin = Instant::now();
        let mut planted = Planted::default();
        for (at, client) in ["cursor", "codex", "zed"].into_iter().enumerate() {
            let now = begin + TOGETHER * u32::try_from(at).unwrap();
            assert_eq!(planted.note(new(0, client, "x"), now), None);
        }
        assert_eq!(planted.0.len(), 1);
    }

    #[test]
    fn a_server_is_the_same_in_whatever_form_it_is_written_and_another_with_other_arguments() {
        let run =
            |command: &str, args: &[&str]| runs(&identify(&Entry::stdio(command, args.iter().copied())));
        let evil = run("npx", &["-y", "evil@1.0.0", "--all"]);
        assert_eq!(evil, run("cmd", &["/c", "npx", "evil", "--all"]));
        assert_eq!(evil, run("bunx", &["evil@1.0.0", "--all"]));
        assert_ne!(evil, run("npx", &["-y", "evil@1.0.0"]));
        assert_ne!(evil, run("npx", &["-y", "evil2@1.0.0", "--all"]));
        let url = "https://evil.example/mcp";
        let remote = runs(&identify(&Entry::remote(url)));
        assert_eq!(remote, run("npx", &["-y", "mcp-remote", url]), "a bridge leads there too");
        assert_ne!(remote, runs(&identify(&Entry::remote("https://evil.example/other"))));
    }
}
