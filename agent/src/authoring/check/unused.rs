//! Rules that no entry of a fleet needs. Each is a door that nobody goes through and everybody has to watch.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;
use mcpolicy_schema::document::Exception;
use mcpolicy_schema::evaluate::is_tied;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::{Judgement, Verdict};

use crate::authoring::problem::{Problem, Weight};
use crate::authoring::reports;
use crate::authoring::stored::proof::{self, Proof};
use crate::authoring::stored::{Site, Stored};

/// What the reports say of entries.
#[derive(Default)]
struct SeenOf {
    /// Rules and exceptions that entries need.
    used: BTreeSet<String>,
    /// Fingerprints of entries that are other servers in other projects.
    tied: BTreeSet<String>,
    /// Those of others, where that is proven.
    free: BTreeSet<String>,
    /// Entries with the fingerprint of another.
    forged: Vec<reports::Problem>,
}

/// What no entry of the reports needs, exceptions that count for none of theirs, and the inputs that were no reports.
///
/// # Errors
/// Not one report could be read, so that everything would seem unused.
pub fn check(
    policy: &Policy,
    inputs: &[PathBuf],
    now: Timestamp,
    done: &(dyn Fn(u64, u64) + Sync),
) -> anyhow::Result<(Vec<Problem>, Vec<reports::Problem>)> {
    let excepted: BTreeSet<&str> =
        policy.document().exception.iter().map(|exception| exception.fingerprint.as_str()).collect();
    let read = reports::each(inputs, done, |place, report| {
        let site = Site::of(&report.host, &report.scan.homes, now);
        let mut seen = SeenOf::default();
        for entry in &report.entries {
            // Only where an exception rests on the pair: each proof costs a digest.
            let is_excepted = excepted.contains(entry.fingerprint.as_str());
            let proof = if is_excepted { proof::of(entry, &site.homes) } else { Proof::Hidden };
            if proof == Proof::Other {
                seen.forged.push(forged(place, entry));
                continue;
            }
            let stored = Stored::new(entry);
            seen.used.extend(needed(&stored.judge(policy, &site)));
            if is_tied(&stored.entry, &stored.identity) {
                seen.tied.insert(stored.fingerprint);
            } else if proof == Proof::Proven {
                // What silences a warning must be proven.
                seen.free.insert(stored.fingerprint);
            }
        }
        seen
    });
    anyhow::ensure!(
        !read.items.is_empty(),
        "no report could be read, so it cannot be told which rules are used{}",
        crate::authoring::draft::first(&read.problems)
    );
    let mut all = SeenOf::default();
    let mut problems = read.problems;
    for seen in read.items {
        all.used.extend(seen.used);
        all.tied.extend(seen.tied);
        all.free.extend(seen.free);
        problems.extend(seen.forged);
    }
    let used = all.used;
    let document = policy.document();
    let without_directory = |exception: &Exception| {
        let print = &exception.fingerprint;
        exception.directory.is_none() && all.tied.contains(print) && !all.free.contains(print)
    };
    let tied = document.exception.iter().enumerate().filter(|(_, exception)| without_directory(exception));
    let tied = tied.map(|(at, exception)| {
        let message = format!(
            "the exception {} is for an entry that runs what lies in its project, and names no `directory`: it counts for none",
            exception.id
        );
        Problem::new(Weight::Warning, "no-directory", format!("/exception/{at}/id"), message)
            .help("name the project with `directory`, or write a rule with path and digest instead")
    });
    let tied: Vec<Problem> = tied.collect();
    let is_told = |place: &str| tied.iter().any(|problem| problem.place == place);
    let rules = document.rule.iter().map(|rule| &rule.id).enumerate().map(|(at, id)| ("rule", at, id));
    let exceptions = document.exception.iter().map(|exception| &exception.id).enumerate();
    let all = rules.chain(exceptions.map(|(at, id)| ("exception", at, id)));
    let unused = all.filter(|(_, _, id)| !used.contains(*id));
    let unused =
        unused.filter(|(list, at, _)| !is_told(&format!("/{list}/{at}/id"))).map(|(list, at, id)| {
            let message = format!("no entry of the reports needs the {list} {id}");
            Problem::new(Weight::Warning, "unused-rule", format!("/{list}/{at}/id"), message).help(
            "remove it, if nobody is going to use it; a rule that nearly fits is named by `policy simulate`",
        )
        });
    let unused: Vec<Problem> = unused.collect();
    Ok((tied.into_iter().chain(unused).collect(), problems))
}

fn forged(place: &str, entry: &v1::Entry) -> reports::Problem {
    let what = format!(
        "{} is not the fingerprint of its entry {}, which is passed over; have the machine scanned again by this version of mcpolicy, \
         and if it stays so, find out who wrote the report",
        entry.fingerprint, entry.id
    );
    reports::Problem { place: place.to_owned(), what }
}

/// What an entry is allowed by, or would be if the report said all of it or its version were rewritten.
fn needed(judgement: &Judgement) -> Vec<String> {
    let near = judgement.verdict == Verdict::Unknown || judgement.pin.is_some();
    let tried = judgement.trace.iter().filter(|_| near).map(|tried| tried.rule.clone());
    judgement.rule.clone().into_iter().chain(tried).collect()
}
