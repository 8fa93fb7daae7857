//! What is past, and what ends soon.

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mcpolicy_schema::document::PolicyDocument;

use super::Options;
use crate::authoring::ends::Ends;
use crate::authoring::problem::{Problem, Weight};

/// How far ahead is looked, in days.
pub(super) const AHEAD: i64 = 30;

pub(super) fn check(document: &PolicyDocument, options: &Options, problems: &mut Vec<Problem>) {
    let today = options.today();
    let own = revision(document.policy.mcp_spec.as_deref(), "/policy/mcp_spec", problems);
    let wanted = options.spec.or(own);
    for (at, rule) in document.rule.iter().enumerate() {
        let met = revision(rule.mcp_spec.as_deref(), &format!("/rule/{at}/mcp_spec"), problems);
        if let (Some(wanted), Some(met)) = (wanted, met)
            && met < wanted
        {
            let message = format!("the server of {} meets {met} of the specification, not {wanted}", rule.id);
            let place = format!("/rule/{at}/mcp_spec");
            // What is being put right by a day is no news; after that day the rule denies.
            let open = rule.remediation.as_ref().is_some_and(|r| !r.done && r.deadline >= today);
            let weight = if open { Weight::Warning } else { Weight::Error };
            let problem = Problem::new(weight, "spec-outdated", place, message);
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

/// A signed document: after its end machines that come to know it take it no more.
pub(super) fn document(ends: &Ends, options: &Options, problems: &mut Vec<Problem>) {
    let day = ends.expires.to_zoned(TimeZone::UTC).date();
    let message = if ends.expires <= options.now {
        format!("{} ended {day}: machines refuse it as expired", ends.what)
    } else if is_within(day, options.today(), ends.ahead) {
        format!("{} ends {day}", ends.what)
    } else {
        return;
    };
    problems.push(
        Problem::new(Weight::Warning, "ends-soon", "", message).help(ends.help).about(ends.file.clone()),
    );
}

/// A revision of the specification, which is named by its day.
fn revision(text: Option<&str>, place: &str, problems: &mut Vec<Problem>) -> Option<Date> {
    let text = text?;
    let day = text.parse().ok().filter(|_| text.len() == 10);
    if day.is_none() {
        let message = format!("`{text}` is no revision of the MCP specification");
        let help = "write its day, such as \"2025-06-18\"";
        problems.push(Problem::new(Weight::Error, "spec-unknown", place, message).help(help));
    }
    day
}

fn soon(day: Date, today: Date, place: &str, what: &str, problems: &mut Vec<Problem>) {
    if is_within(day, today, AHEAD) {
        let message = format!("{what} ends {day}");
        problems.push(Problem::new(Weight::Warning, "ends-soon", place, message));
    }
}

/// Whether a day is no more than some days away; at the end of the calendar every day is near.
fn is_within(day: Date, today: Date, ahead: i64) -> bool {
    today.checked_add(ahead.days()).map_or(true, |limit| day <= limit)
}
