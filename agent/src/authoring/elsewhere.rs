//! The policy of the machines outside of a ring, which a head names beside the one that it offers to the ring.

use anyhow::{bail, ensure};
use mcpolicy_schema::signed::{Current, Head};
use mcpolicy_schema::trust::{DocumentName, Refusal};

use super::before::{self, Before};
use super::folder::Folder;
use super::statement;
use crate::policy_store::{PolicyFiles, policy_files};

/// Which policy a head for a ring names for all other machines: the one that was given by its number, else the last that was
/// offered to all. None where there has been none, or where 0 is given.
///
/// # Errors
/// The head before is lost, so that nobody knows; or the given one is not there, or no older one.
pub(super) fn of(
    before: &Before,
    given: Option<u64>,
    policy: Current,
    places: &[&Folder],
) -> anyhow::Result<Option<Current>> {
    if let Some(number) = given {
        return by_number(number, policy, places);
    }
    let Some(model) = before.model() else {
        ensure!(
            !before.is_lost(),
            "the lost head is not known, nor which policy all machines outside of the ring have: say it by its number, \
             `--elsewhere N`, or `--elsewhere 0` if they have none"
        );
        return Ok(None);
    };
    let for_all = before::for_all(model);
    ensure!(
        for_all.is_none_or(|current| current.sequence < policy.sequence),
        "policy {} was offered to all machines already, and none of them takes an older one again: sign a newer policy for the \
         ring (`mcpolicy policy sign --new`)",
        policy.sequence
    );
    Ok(for_all)
}

fn by_number(number: u64, policy: Current, places: &[&Folder]) -> anyhow::Result<Option<Current>> {
    if number == 0 {
        return Ok(None);
    }
    ensure!(
        number < policy.sequence,
        "--elsewhere {number}: the ring is offered policy {}, and all others have an older one",
        policy.sequence
    );
    for place in places {
        if let Ok((_, statement, _)) = statement::load(place, number) {
            let (len, sha256) = (statement.body.len, statement.body.sha256);
            return Ok(Some(Current { sequence: number, len, sha256 }));
        }
    }
    bail!("--elsewhere {number}: there is no such policy in the published folder or the repository's signed/")
}

/// The files of that policy, from the first place that has both.
pub(super) fn files(head: &Head, places: &[&Folder]) -> PolicyFiles {
    let Some(elsewhere) = head.elsewhere else { return (None, None) };
    let mut all = places.iter().filter_map(|place| policy_files(place.path(), elsewhere.sequence).ok());
    all.find(|(statement, body)| statement.is_some() && body.is_some()).unwrap_or_default()
}

/// As files to write.
pub(super) fn to_write(head: &Head, (statement, body): &PolicyFiles) -> Vec<(String, Vec<u8>)> {
    let Some(elsewhere) = head.elsewhere else { return Vec::new() };
    let n = elsewhere.sequence;
    let named = [(format!("policy.{n}.body"), body), (format!("policy.{n}.json"), statement)];
    named.into_iter().filter_map(|(name, bytes)| Some((name, bytes.clone()?))).collect()
}

/// What is missing of it, in words with what to do.
pub(super) fn missing(head: &Head, (statement, body): &PolicyFiles, to: &Folder) -> Option<String> {
    let n = head.elsewhere?.sequence;
    (statement.is_none() || body.is_none()).then(|| {
        format!(
            "policy {n}, which all machines outside of the ring have, is not in {}: copy policy.{n}.json and policy.{n}.body \
             into it from the repository's signed/ or a backup; until then new machines outside of the ring have no policy",
            to.path().display()
        )
    })
}

/// What to do where that policy would be refused; nothing for what is about another document.
pub(super) fn way_on(head: &Head, refusal: &Refusal) -> Option<String> {
    let n = head.elsewhere?.sequence;
    matches!(refusal.document, DocumentName::PolicyElsewhere | DocumentName::PolicyElsewhereBody).then(|| {
        format!(
            "policy {n} is what all machines outside of the ring have. Sign it anew: put its text (`git show`) back into \
             policy.toml, `mcpolicy policy sign --new`, publish that to all with `--ring \"\"`, and then sign and offer the newer \
             text to the ring again; or end the pilot with `--ring \"\"`"
        )
    })
}
