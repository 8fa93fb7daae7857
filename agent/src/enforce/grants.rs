//! Grants that this machine was given: exceptions for one user and one entry, which come by hand and count without a network.

use std::path::Path;

use anyhow::{Context as _, ensure};
use mcpolicy_platform::durable;
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::signed::{Grant, Sha256Hex};
use mcpolicy_schema::trust::{Time, Trust, Violation};

use crate::authoring::grant;

/// Most grants that are kept.
///
/// Attack: a user hands in one valid grant after the other, and the disk fills.
const MOST: usize = 64;

/// What is kept, verified anew: a grant whose signer is not trusted any more counts no more. What has ended is let go, and
/// nothing else: a disk that fails for a moment takes no exception away.
pub fn load(folder: &Path, trust: &Trust, time: Time) -> Vec<Grant> {
    let mut grants = Vec::new();
    for file in files(folder) {
        let Some(bytes) = read(&file) else { continue };
        match trust.grant(&bytes, time) {
            Ok(grant) => grants.push(grant),
            Err(refusal) if matches!(refusal.violation, Violation::Expired(_)) => {
                drop(std::fs::remove_file(&file));
            }
            Err(_) => {}
        }
    }
    grants
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

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
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
