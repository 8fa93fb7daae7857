//! What a compiler does not see in a policy: rules that can never decide, rules nobody answers for, rules that admit
//! more than they say. Pure: the day is an argument.

mod contradictions;
mod dates;
pub(crate) mod never;
mod overlap;
mod owners;
pub(crate) mod risks;
mod roots;
mod unread;
pub mod unused;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::signed::Root;

use super::ends::Ends;
use super::problem::{Problem, Weight};
use super::source::Source;

/// What a check depends on besides the policy.
#[derive(Debug, Clone)]
pub struct Options {
    /// The time.
    pub now: Timestamp,
    /// The oldest revision of the MCP specification that rules must meet; absent: the policy's own.
    pub spec: Option<Date>,
    /// Codes that are told as warnings even where they are errors.
    pub allow: BTreeSet<String>,
    /// The newest root, where there is one.
    pub root: Option<Root>,
    /// Signed documents that end.
    pub ends: Vec<Ends>,
}

impl Options {
    fn today(&self) -> Date {
        self.now.to_zoned(TimeZone::UTC).date()
    }
}

/// Every code that a check can give, and what it means; docs/policy.md and `--allow` live on it.
pub const CODES: &[(&str, &str)] = &[
    ("syntax", "the file is not TOML of the schema"),
    ("invalid", "the policy does not compile"),
    ("shadowed-rule", "another rule admits everything that this one admits"),
    ("denied-rule", "a deny covers everything that this rule admits"),
    ("expired-exception", "an exception that has ended decides nothing"),
    ("no-owner", "nobody answers for a rule"),
    ("no-review", "a rule has no day of review"),
    ("review-overdue", "the day of review is past"),
    ("floating-version", "a rule admits versions that nobody has seen yet"),
    ("env-overlap", "two patterns hold for one variable"),
    ("powerful-variable", "any value of a variable that decides what runs"),
    ("unknown-client", "a rule names a client that no adapter knows"),
    ("spec-unknown", "what should be a revision of the MCP specification is no day"),
    ("spec-outdated", "a rule meets only an older revision of the MCP specification"),
    ("remediation-overdue", "a rule denies since its remediation deadline"),
    ("ends-soon", "something ends within 30 days"),
    ("solo-root", "one key decides alone"),
    ("never-holds", "no entry can meet a condition or identity as it is written"),
    ("any-argument", "a runner may be given any argument"),
    ("placeholder", "a digest that no file has stands for one to be filled in"),
    ("contradiction", "two things that are said of one server cannot both be true"),
    ("writable-program", "whoever can write the user's files decides what a rule admits"),
    ("working-directory", "what is admitted may be whatever lies in a project"),
    ("clear-text", "a credential is sent without encryption"),
    ("no-directory", "an exception counts for no entry, since it names no directory"),
    ("unused-rule", "no entry of the reports is admitted by a rule"),
    ("not-read-yet", "nothing acts on a setting yet"),
    ("second-signature", "the policy takes protection away, so two people must sign it"),
];

/// Checks a policy. In the order of the text.
pub fn check(source: &Source, options: &Options) -> Vec<Problem> {
    let policy = match source.compile() {
        Ok(policy) => policy,
        Err(problems) => return problems,
    };
    let mut problems = of_document(policy.document(), options);
    for problem in &mut problems {
        if problem.weight == Weight::Error && options.allow.contains(problem.code) {
            problem.weight = Weight::Warning;
        }
    }
    problems.sort_by_key(|p| (p.position(source), p.code));
    problems
}

fn of_document(document: &PolicyDocument, options: &Options) -> Vec<Problem> {
    let mut problems = Vec::new();
    overlap::check(document, options, &mut problems);
    owners::check(document, options, &mut problems);
    risks::check(document, &mut problems);
    never::check(document, &mut problems);
    contradictions::check(document, &mut problems);
    dates::check(document, options, &mut problems);
    for document in &options.ends {
        dates::document(document, options, &mut problems);
    }
    unread::check(document, &mut problems);
    if let Some(root) = &options.root {
        roots::check(root, document, options, &mut problems);
    }
    problems
}
