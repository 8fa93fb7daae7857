//! Grants that this machine was given: exceptions for one user and one entry, which come by hand and count without a network.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use mcpolicy_platform::durable;
use mcpolicy_schema::envelope::EnvelopeError;
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::signed::{Grant, Sha256Hex};
use mcpolicy_schema::trust::{Time, Trust, Violation};

use crate::authoring::grant;

/// Most grants that are kept.
///
/// Attack: a user hands in one valid grant after the other, and the disk fills.
const MOST: usize = 64;

/// What is kept, verified anew.
#[derive(Debug, Default)]
pub struct Kept {
    /// Those that count.
    pub grants: Vec<Grant>,
    /// Those that never will again.
    pub void: Vec<Void>,
    /// There is no room for another.
    pub is_full: bool,
}

/// A file of a grant that never counts again.
#[derive(Debug)]
pub struct Void {
    file: PathBuf,
    /// The user for whom it was, where that is known.
    pub user: String,
    /// Which, and why, in words.
    pub detail: String,
}

impl Void {
    /// Lets it go.
    pub fn forget(&self) {
        // one that stays is met again
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Verifies what is kept: a grant whose signer is not trusted any more counts no more. What has ended is let go at once. What
/// is void for another reason is told of; all else is left as it is: a disk that fails for a moment, or a root that has
/// expired, takes no exception away.
pub fn load(folder: &Path, (trust, time): (&Trust, Time), device: &str) -> Kept {
    let files = files(folder);
    let mut kept = Kept { is_full: files.len() >= MOST, ..Kept::default() };
    for file in files {
        let Some(bytes) = read(&file) else { continue };
        let void = |user: &str, detail: String| Void { file: file.clone(), user: user.to_owned(), detail };
        match trust.grant(&bytes, time) {
            // a machine that has no id for a moment is no other machine
            Ok(grant) if !device.is_empty() && grant.device != device => {
                let detail = format!("{} is for {}, and this is {device} now", grant.id, grant.device);
                kept.void.push(void(&grant.user, detail));
            }
            Ok(grant) => kept.grants.push(grant),
            Err(refusal) if matches!(refusal.violation, Violation::Expired(_)) => {
                drop(std::fs::remove_file(&file));
            }
            Err(refusal) if is_for_good(&refusal.violation) => {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                kept.void.push(void("", format!("{name}: {}", refusal.violation)));
            }
            Err(_) => {}
        }
    }
    kept
}

/// Whether what is refused today is refused for ever. All was verified when it was taken: what is no envelope now was changed
/// on the disk, and what has too few signatures now was signed by a key that was rotated away. A payload that is not
/// understood may be one of a later version, which this machine had before.
fn is_for_good(violation: &Violation) -> bool {
    use EnvelopeError::{Base64, Json, NoType, Threshold, TooManySignatures, WrongType};
    matches!(
        violation,
        Violation::Envelope(
            Json(_) | Base64(_) | NoType | TooManySignatures(_) | WrongType { .. } | Threshold { .. }
        )
    )
}

/// Takes a grant for a user of this device; an administrator may take anybody's (`user` is `None`).
///
/// # Errors
/// It is none, or not for this device or user, or there are too many.
pub fn take(
    folder: &Path,
    (trust, time): (&Trust, Time),
    token: &str,
    (device, user): (&str, Option<&str>),
) -> anyhow::Result<Grant> {
    let bytes = grant::of_line(token.as_bytes())?;
    ensure!(bytes.len() <= MAX_ENVELOPE_BYTES, "this is no grant: it is too long");
    let granted = trust.grant(&bytes, time)?;
    ensure!(!device.is_empty(), "this machine has no id by which a grant could name it: set `device.id`");
    ensure!(
        granted.device == device,
        "the grant is for another device ({}), not for {device}",
        granted.device
    );
    if let Some(user) = user {
        ensure!(granted.user == user, "the grant is for another user ({}), not for {user}", granted.user);
    }
    durable::make_private_directory(folder).context("cannot keep the grant")?;
    let name = format!("{}.json", Sha256Hex::of(&bytes));
    let kept = files(folder);
    ensure!(
        kept.len() < MOST || kept.iter().any(|file| file.ends_with(&name)),
        "{MOST} grants are kept already; each is let go when it ends"
    );
    durable::write(&folder.join(name), &bytes).context("cannot keep the grant")?;
    Ok(granted)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    files
}

/// The folder is the agent's own.
fn read(file: &Path) -> Option<Vec<u8>> {
    let machine = mcpolicy_platform::machine::Machine::live();
    machine.read(file, None, MAX_ENVELOPE_BYTES as u64).ok().map(|snapshot| snapshot.bytes)
}

#[cfg(test)]
mod tests {
    use mcpolicy_schema::signed::Payload as _;
    use mcpolicy_tests::signing::{POLICY, at, envelope, root, signed, signed_with};

    use super::*;

    fn grant(id: &str, device: &str, hours: i64) -> Grant {
        Grant {
            schema: Grant::SCHEMA.to_owned(),
            id: id.to_owned(),
            fingerprint: "f".repeat(64),
            identity: "npm:evil".to_owned(),
            device: device.to_owned(),
            user: "ann".to_owned(),
            ticket: None,
            issued: at(1),
            expires: at(hours),
            crit: Vec::new(),
        }
    }

    #[test]
    fn what_never_counts_again_is_told_and_makes_room_and_what_may_count_again_stays() {
        let state = mcpolicy_tests::private::private_folder();
        let folder = state.path().join("grants");
        durable::make_private_directory(&folder).unwrap();
        let trust = Trust::pinned(&signed(&root(1, at(0)), &mcpolicy_tests::signing::ROOT), at(2)).unwrap();
        let put = |name: &str, bytes: &[u8]| durable::write(&folder.join(name), bytes).unwrap();
        let keys = &POLICY[..2];
        put("good.json", &signed(&grant("good", "laptop-7", 48), keys));
        put("ended.json", &signed(&grant("ended", "laptop-7", 2), keys));
        put("other.json", &signed(&grant("other", "laptop-8", 48), keys));
        put("rotated.json", &signed(&grant("rotated", "laptop-7", 48), &[99]));
        put("damaged.json", b"{\"payload\":");
        put("type.json", &envelope("text/plain", b"{}", keys));
        // of a later version
        let later = signed_with(
            &grant("later", "laptop-7", 48),
            |payload| {
                payload["crit"] = serde_json::json!(["new"]);
                payload["new"] = serde_json::json!(1);
            },
            keys,
        );
        put("later.json", &later);
        let load = |hours, device: &str| load(&folder, (&trust, at(hours).into()), device);
        let names = |grants: &[Grant]| grants.iter().map(|grant| grant.id.clone()).collect::<Vec<_>>();
        let kept = load(3, "laptop-7");
        assert_eq!(names(&kept.grants), ["good"]);
        let mut void: Vec<&str> =
            kept.void.iter().map(|void| void.detail.split([' ', ':']).next().unwrap()).collect();
        void.sort_unstable();
        assert_eq!(void, ["damaged.json", "other", "rotated.json", "type.json"]);
        // a root that has expired makes nothing void, nor does a machine without an id
        let root_ends = trust.root().expires;
        let nothing = super::load(&folder, (&trust, root_ends.into()), "laptop-7");
        assert_eq!((nothing.grants.len(), nothing.void.len()), (0, 0));
        assert!(load(3, "").void.iter().all(|void| !void.detail.starts_with("other")));
        kept.void.iter().for_each(Void::forget);
        let left: Vec<_> = files(&folder).iter().map(|file| file.file_name().unwrap().to_owned()).collect();
        assert_eq!(left, ["good.json", "later.json"]);
        assert!(load(3, "laptop-7").void.is_empty());
    }
}
