//! `request`: what a developer asks to have allowed, in the form in which reports carry it and `policy requests` reads it.
//!
//! A request is a claim, and holds no secret: the entry in it is as redacted as in any report.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use mcpolicy_platform::durable;
use mcpolicy_platform::machine::{Machine, ReadError};
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Asker;
use crate::output::text::is_unseen;

/// The value of [`Listed::schema`].
pub const SCHEMA: &str = "mcpolicy/requests/v1";
/// Longest reason, in characters.
pub const MAX_REASON: usize = 500;
/// Most requests of one state folder: whoever asks for more is asked to wait for answers.
pub const MAX_REQUESTS: usize = 64;
/// How long one waits for an answer; whoever needs it still asks again.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Largest file of a request that is read, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// The folder of the accounts' shares in the state.
const OF_ACCOUNTS: &str = "requests-of";

/// The requests that wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Always `mcpolicy/requests/v1`.
    pub schema: String,
    /// The requests, the oldest first.
    pub requests: Vec<v1::Request>,
    /// Files of requests that cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
}

/// Why no request was made.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The reason is none.
    #[error("say what you need it for: --reason TEXT")]
    NoReason,
    /// It is too long.
    #[error(
        "the reason is longer than {MAX_REASON} characters: say it in short, and name a ticket for the rest"
    )]
    LongReason,
    /// It holds what cannot be shown.
    #[error(
        "the reason holds control characters or characters that cannot be seen: write it as plain text in one line"
    )]
    OddReason,
    /// Too many wait.
    #[error("{MAX_REQUESTS} requests wait already: wait for an answer, which comes as a newer policy")]
    TooMany,
    /// The system refuses.
    #[error("cannot keep the request in {}: {source}", path.display())]
    Disk {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no JSON; that would be a mistake of ours.
    #[error("the request cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// A reason that can be told: short, visible, and without secrets.
///
/// # Errors
/// See [`RequestError`].
pub fn reason(text: &str, redactor: &Redactor) -> Result<String, RequestError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(RequestError::NoReason);
    }
    if text.chars().count() > MAX_REASON {
        return Err(RequestError::LongReason);
    }
    if text.chars().any(is_unseen) {
        return Err(RequestError::OddReason);
    }
    Ok(redactor.text(text))
}

/// A request for an entry. `reason` has passed [`reason`].
pub fn make(entry: v1::Entry, asker: &Asker, reason: String, now: Timestamp) -> v1::Request {
    let time = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let device = Some(asker.device.clone()).filter(|device| !device.is_empty());
    let mut hash = Sha256::new();
    for part in ["mcpolicy request v1", &asker.user, &asker.device, &entry.fingerprint, &time] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digits: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    v1::Request {
        id: format!("r-{digits}"),
        time,
        user: asker.user.clone(),
        device,
        fingerprint: entry.fingerprint.clone(),
        identity: entry.identity.clone(),
        name: entry.name.clone(),
        client: entry.client.clone(),
        reason,
        entry: Box::new(v1::Entry { user: Some(asker.user.clone()), ..entry }),
    }
}

/// Where requests wait.
pub fn folder(state: &Path) -> PathBuf {
    state.join("asked")
}

/// Keeps a request until it is told. One of the same user for the same entry takes the place of the earlier one.
///
/// # Errors
/// Too many wait, or the system refuses.
pub fn keep(state: &Path, request: &v1::Request) -> Result<(), RequestError> {
    let folder = folder(state);
    let disk = |path: &Path| {
        let path = path.to_owned();
        move |source| RequestError::Disk { path, source }
    };
    durable::make_private_directory(&folder).map_err(disk(&folder))?;
    let waiting = list(state)?.requests;
    let is_same = |other: &&v1::Request| {
        other.user == request.user && other.fingerprint == request.fingerprint && other.id != request.id
    };
    let earlier: Vec<&v1::Request> = waiting.iter().filter(is_same).collect();
    if waiting.len() - earlier.len() >= MAX_REQUESTS {
        return Err(RequestError::TooMany);
    }
    let path = folder.join(format!("{}.json", request.id));
    durable::replace(&path, &serde_json::to_vec_pretty(request)?).map_err(disk(&path))?;
    for other in earlier.iter().filter(|other| is_id(&other.id)) {
        // one that stays is told twice, and counted once
        let _ = std::fs::remove_file(folder.join(format!("{}.json", other.id)));
    }
    Ok(())
}

/// Why a request waits no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// What it asks for is allowed now.
    Allowed,
    /// It has waited for [`LONGEST`].
    Old,
}

/// The requests of a state folder that wait no longer.
///
/// # Errors
/// The folder cannot be read.
pub fn over(
    state: &Path,
    now: Timestamp,
    is_allowed: &dyn Fn(&v1::Request) -> bool,
) -> Result<Vec<(v1::Request, Over)>, RequestError> {
    let is_old = |request: &v1::Request| {
        // one without a time was not written here
        request.time.parse::<Timestamp>().map_or(true, |made| now.duration_since(made) > LONGEST)
    };
    let waiting = list(state)?.requests.into_iter();
    let over = waiting.filter_map(|request| {
        let why = if is_allowed(&request) { Over::Allowed } else { Over::Old };
        (why == Over::Allowed || is_old(&request)).then_some((request, why))
    });
    Ok(over.collect())
}

/// Lets a request go.
pub fn forget(state: &Path, request: &v1::Request) {
    if is_id(&request.id) {
        // one that stays is met again
        let _ = std::fs::remove_file(folder(state).join(format!("{}.json", request.id)));
    }
}

/// Where the agent of a machine keeps the requests of an account: each has its own share.
pub fn of_account(state: &Path, account: &str) -> PathBuf {
    let name: String = account.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    state.join(OF_ACCOUNTS).join(name)
}

/// Where requests may wait: those of whoever runs the agent, and those of each account.
pub fn all_folders(state: &Path) -> Vec<PathBuf> {
    let accounts = std::fs::read_dir(state.join(OF_ACCOUNTS)).into_iter().flatten().flatten();
    let accounts = accounts.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut folders: Vec<PathBuf> = accounts.map(|entry| entry.path()).collect();
    folders.sort();
    folders.insert(0, state.to_owned());
    folders
}

/// Whether a text can be the id of a request.
pub fn is_id(text: &str) -> bool {
    text.strip_prefix("r-")
        .is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The requests that wait; none where nobody has asked.
///
/// # Errors
/// The folder cannot be read.
pub fn list(state: &Path) -> Result<Listed, RequestError> {
    let folder = folder(state);
    let mut listed = Listed { schema: SCHEMA.to_owned(), requests: Vec::new(), damaged: Vec::new() };
    let names = match std::fs::read_dir(&folder) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(listed),
        Err(source) => return Err(RequestError::Disk { path: folder, source }),
    };
    let ids = names.flatten().filter_map(|name| name.file_name().into_string().ok());
    let ids = ids.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).filter(|id| is_id(id));
    for id in ids.take(MAX_REQUESTS * 4) {
        let path = folder.join(format!("{id}.json"));
        match Machine::live().read(&path, None, MAX_BYTES) {
            Ok(read) => match serde_json::from_slice::<v1::Request>(&read.bytes) {
                Ok(request) if request.id == id => listed.requests.push(request),
                _ => listed.damaged.push(path.display().to_string()),
            },
            // answered meanwhile
            Err(ReadError::NotFound) => {}
            Err(_) => listed.damaged.push(path.display().to_string()),
        }
    }
    listed.requests.sort_by(|a, b| (&a.time, &a.id).cmp(&(&b.time, &b.id)));
    listed.damaged.sort();
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::testing::{asker, draft, report};

    fn entry() -> v1::Entry {
        report(&draft(""), &[("pad", ".cursor/mcp.json")]).entries.remove(0)
    }

    fn at(minute: u8) -> Timestamp {
        format!("2026-11-21T10:{minute:02}:00Z").parse().unwrap()
    }

    #[test]
    fn a_reason_is_short_visible_and_without_secrets() {
        let redactor = Redactor::new(&[1; 32]);
        assert!(matches!(reason("  ", &redactor), Err(RequestError::NoReason)));
        assert!(matches!(reason(&"x".repeat(501), &redactor), Err(RequestError::LongReason)));
        for odd in ["a\u{1b}[2Jb", "a\nb", "a\u{202e}b"] {
            assert!(matches!(reason(odd, &redactor), Err(RequestError::OddReason)), "{odd:?}");
        }
        let told = reason("for the ghp_0123456789abcdefghijklmnopqrstuvwxyz01 migration", &redactor).unwrap();
        assert!(told.starts_with("for the <secret:") && told.ends_with(" migration"), "{told}");
    }

    #[test]
    fn a_request_is_kept_until_it_is_told_and_one_for_the_same_takes_its_place() {
        let state = mcpolicy_tests::private::private_folder();
        let ann = Asker { device: "d1".to_owned(), ..asker("ann") };
        assert_eq!(list(state.path()).unwrap().requests.len(), 0);
        let first = make(entry(), &ann, "to see".to_owned(), at(0));
        keep(state.path(), &first).unwrap();
        assert_eq!(list(state.path()).unwrap().requests, std::slice::from_ref(&first));
        assert_eq!((first.device.as_deref(), first.entry.user.as_deref()), (Some("d1"), Some("ann")));
        let second = make(entry(), &ann, "to see more".to_owned(), at(1));
        keep(state.path(), &second).unwrap();
        assert_eq!(list(state.path()).unwrap().requests, std::slice::from_ref(&second));
        let of_bob = make(entry(), &asker("bob"), "too".to_owned(), at(2));
        keep(state.path(), &of_bob).unwrap();
        assert_eq!(list(state.path()).unwrap().requests.len(), 2);
        std::fs::write(folder(state.path()).join("r-0000000000000000.json"), "{").unwrap();
        std::fs::write(folder(state.path()).join("notes.txt"), "mine").unwrap();
        let listed = list(state.path()).unwrap();
        assert_eq!((listed.requests.len(), listed.damaged.len()), (2, 1));
    }

    #[test]
    fn a_request_that_is_answered_or_has_waited_for_90_days_waits_no_longer() {
        let state = mcpolicy_tests::private::private_folder();
        let ann = of_account(state.path(), "10../01");
        assert_eq!(ann, state.path().join("requests-of/1001"));
        let made = [("ann", 0), ("bob", 1), ("eve", 2)]
            .map(|(user, minute)| make(entry(), &asker(user), "x".to_owned(), at(minute)));
        made.iter().for_each(|request| keep(&ann, request).unwrap());
        assert_eq!(all_folders(state.path()), [state.path().to_owned(), ann.clone()]);
        let over = |days: i64, allowed: &str| -> Vec<(String, Over)> {
            let now = at(1) + SignedDuration::from_hours(days * 24);
            let over = super::over(&ann, now, &|request| request.user == allowed).unwrap();
            over.into_iter().map(|(request, why)| (request.user, why)).collect()
        };
        assert_eq!(over(0, ""), []);
        assert_eq!(over(0, "eve"), [("eve".to_owned(), Over::Allowed)]);
        // the first is older than 90 days by then, the second just so old
        assert_eq!(over(90, ""), [("ann".to_owned(), Over::Old)]);
        forget(&ann, &made[0]);
        forget(&ann, &v1::Request { id: "../../x".to_owned(), ..made[1].clone() });
        assert_eq!(list(&ann).unwrap().requests, made[1..]);
    }

    #[test]
    fn no_more_than_so_many_wait() {
        let state = mcpolicy_tests::private::private_folder();
        let entry = entry();
        for at_ in 0..MAX_REQUESTS {
            let asker = asker(&format!("u{at_}"));
            keep(state.path(), &make(entry.clone(), &asker, "x".to_owned(), at(0))).unwrap();
        }
        let more = make(entry, &asker("one-more"), "x".to_owned(), at(0));
        assert!(matches!(keep(state.path(), &more), Err(RequestError::TooMany)));
    }
}
