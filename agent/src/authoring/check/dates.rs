//! What is past, and what ends soon.

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mcpolicy_schema::document::PolicyDocument;

use super::Options;
use crate::authoring::problem::{Problem, Weight};

/// How far ahead is looked, in days.
const AHEAD: i64 = 30;

pub(super) fn check(document: &PolicyDocument, options: &Options, problems: &mut Vec<Problem>) {
    let today = options.today();
    let wanted = options.spec.as_ref().or(document.policy.mcp_spec.as_ref());
    for (at, rule) in document.rule.iter().enumerate() {
        if let (Some(wanted), Some(spec)) = (wanted, &rule.mcp_spec)
            && spec < wanted
        {
            let message =
                format!("the server of {} meets {spec} of the specification, not {wanted}", rule.id);
            let place = format!("/rule/{at}/mcp_spec");
            let problem = Problem::new(Weight::Error, "spec-outdated", place, message);
            problems
                .push(problem.help("move to a release that meets it, or set a remediation with a deadline"));
        }
        if options.spec.is_some() && rule.mcp_spec.is_none() {
            let message =
                format!("the rule {} does not say which revision of the specification it meets", rule.id);
            let problem = Problem::new(Weight::Error, "spec-outdated", format!("/rule/{at}/id"), message);
            problems.push(problem.help("add mcp_spec = \"YYYY-MM-DD\""));
        }
        let place = format!("/rule/{at}/remediation/deadline");
        match rule.remediation.as_ref().filter(|r| !r.done) {
            Some(open) if open.deadline < today => {
                let message = format!("the rule {} denies since {}: {}", rule.id, open.deadline, open.what);
                let problem = Problem::new(Weight::Error, "remediation-overdue", place, message);
                problems.push(problem.help("set done = true when it is put right, or remove the rule"));
            }
            Some(open) => {
                soon(open.deadline, today, &place, &format!("the remediation of {}", rule.id), problems);
            }
            None => {}
        }
        if let Some(day) = rule.review_by.filter(|day| *day >= today) {
            soon(
                day,
                today,
                &format!("/rule/{at}/review_by"),
                &format!("the review of {}", rule.id),
                problems,
            );
        }
    }
    for (at, exception) in document.exception.iter().enumerate().filter(|(_, e)| e.expires > options.now) {
        let day = exception.expires.to_zoned(TimeZone::UTC).date();
        let what = format!("the exception {}", exception.id);
        soon(day, today, &format!("/exception/{at}/expires"), &what, problems);
    }
    if let Some(day) = document.policy.grace_until.filter(|day| *day >= today) {
        soon(day, today, "/policy/grace_until", "the grace of hold mode", problems);
    }
}

pub(super) fn soon(day: Date, today: Date, place: &str, what: &str, problems: &mut Vec<Problem>) {
    if today.checked_add(AHEAD.days()).is_ok_and(|limit| day <= limit) {
        let message = format!("{what} ends {day}");
        problems.push(Problem::new(Weight::Warning, "ends-soon", place, message));
    }
}
