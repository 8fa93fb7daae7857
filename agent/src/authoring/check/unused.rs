//! Rules that no entry of a fleet needs. Each is a door that nobody goes through and everybody has to watch.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::verdict::{Judgement, Verdict};

use crate::authoring::problem::{Problem, Weight};
use crate::authoring::reports;
use crate::authoring::stored::{Site, Stored};

/// What no entry of the reports needs, and the inputs that were no reports.
///
/// # Errors
/// Not one report could be read, so that everything would seem unused.
pub fn check(
    policy: &Policy,
    inputs: &[PathBuf],
    now: Timestamp,
    done: &(dyn Fn(u64, u64) + Sync),
) -> anyhow::Result<(Vec<Problem>, Vec<reports::Problem>)> {
    let read = reports::each(inputs, done, |_, report| {
        let site = Site::of(&report.host, &report.scan.homes, now);
        let judged = report.entries.iter().map(|entry| Stored::new(entry).judge(policy, &site));
        judged.flat_map(|judgement| needed(&judgement)).collect::<BTreeSet<String>>()
    });
    anyhow::ensure!(
        !read.items.is_empty(),
        "no report could be read, so it cannot be told which rules are used{}",
        crate::authoring::draft::first(&read.problems)
    );
    let used: BTreeSet<String> = read.items.into_iter().flatten().collect();
    let document = policy.document();
    let rules = document.rule.iter().map(|rule| &rule.id).enumerate().map(|(at, id)| ("rule", at, id));
    let exceptions = document.exception.iter().map(|exception| &exception.id).enumerate();
    let all = rules.chain(exceptions.map(|(at, id)| ("exception", at, id)));
    let unused = all.filter(|(_, _, id)| !used.contains(*id)).map(|(list, at, id)| {
        let message = format!("no entry of the reports needs the {list} {id}");
        Problem::new(Weight::Warning, "unused-rule", format!("/{list}/{at}/id"), message).help(
            "remove it, if nobody is going to use it; a rule that nearly fits is named by `policy simulate`",
        )
    });
    Ok((unused.collect(), read.problems))
}

/// What an entry is allowed by, or would be if the report said all of it or its version were rewritten.
fn needed(judgement: &Judgement) -> Vec<String> {
    let near = judgement.verdict == Verdict::Unknown || judgement.pin.is_some();
    let tried = judgement.trace.iter().filter(|_| near).map(|tried| tried.rule.clone());
    judgement.rule.clone().into_iter().chain(tried).collect()
}
