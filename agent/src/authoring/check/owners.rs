//! Who answers for a rule, and names that lead nowhere.

use mcpolicy_clients::adapters;
use mcpolicy_schema::document::PolicyDocument;

use super::Options;
use crate::authoring::problem::{Problem, Weight};

pub(super) fn check(document: &PolicyDocument, options: &Options, problems: &mut Vec<Problem>) {
    for (at, rule) in document.rule.iter().enumerate() {
        let place = format!("/rule/{at}/id");
        if rule.owner.as_deref().is_none_or(|owner| owner.trim().is_empty()) {
            let message = format!("nobody answers for the rule {}", rule.id);
            let problem = Problem::new(Weight::Error, "no-owner", &place, message);
            problems.push(problem.help("add owner = \"a team or address\""));
        }
        match rule.review_by {
            None => {
                let message = format!("the rule {} has no day of review", rule.id);
                let problem = Problem::new(Weight::Error, "no-review", &place, message);
                problems.push(problem.help("add review_by = \"YYYY-MM-DD\""));
            }
            Some(day) if day < options.today() => {
                let message = format!("the review of {} was due {day}", rule.id);
                let place = format!("/rule/{at}/review_by");
                let problem = Problem::new(Weight::Error, "review-overdue", place, message);
                problems.push(problem.help("review the server, then set the next day"));
            }
            Some(_) => {}
        }
    }
    names(document, problems);
}

/// Clients that no adapter knows; other names are the compiler's, which knows no client.
fn names(document: &PolicyDocument, problems: &mut Vec<Problem>) {
    let mut tell = |place: String, message: String| {
        let problem = Problem::new(Weight::Error, "unknown-client", place, message);
        problems.push(problem.help("docs/clients.md lists the ids"));
    };
    for (at, rule) in document.rule.iter().enumerate() {
        for (n, client) in rule.clients.iter().enumerate().filter(|(_, c)| adapters::by_id(c).is_none()) {
            let message = format!("no client has the id {client}, so the rule never holds there");
            tell(format!("/rule/{at}/clients/{n}"), message);
        }
    }
    for client in document.policy.native.keys().filter(|c| *c != "default") {
        if adapters::by_id(client).is_none() {
            tell(format!("/policy/native/{client}"), format!("no client has the id {client}"));
        }
    }
}
