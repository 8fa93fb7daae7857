//! Who answers for a rule, and names that lead nowhere.

use std::collections::BTreeSet;

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

fn names(document: &PolicyDocument, problems: &mut Vec<Problem>) {
    let rules: BTreeSet<&str> = document.rule.iter().map(|r| r.id.as_str()).collect();
    let rings: BTreeSet<&str> = document.ring.iter().map(|r| r.name.as_str()).collect();
    let mut tell = |code, place: String, message: String, help: &str| {
        problems.push(Problem::new(Weight::Error, code, place, message).help(help));
    };
    let no_rule = "name a rule by its id";
    for (at, rule) in document.rule.iter().enumerate() {
        for (n, client) in rule.clients.iter().enumerate() {
            if adapters::by_id(client).is_none() {
                let message = format!("no client has the id {client}, so the rule never holds there");
                let place = format!("/rule/{at}/clients/{n}");
                tell("unknown-client", place, message, "docs/clients.md lists the ids");
            }
        }
        for (n, ring) in rule.rings.iter().enumerate() {
            if !rings.contains(ring.as_str()) {
                let place = format!("/rule/{at}/rings/{n}");
                tell("unknown-ring", place, format!("there is no ring {ring}"), "add it as [[ring]]");
            }
        }
        for (n, other) in rule.alternatives.iter().enumerate() {
            if !rules.contains(other.as_str()) {
                let place = format!("/rule/{at}/alternatives/{n}");
                tell("unknown-rule", place, format!("there is no rule {other}"), no_rule);
            }
        }
    }
    for (at, deny) in document.deny.iter().enumerate() {
        for (n, other) in deny.alternatives.iter().enumerate() {
            if !rules.contains(other.as_str()) {
                let place = format!("/deny/{at}/alternatives/{n}");
                tell("unknown-rule", place, format!("there is no rule {other}"), no_rule);
            }
        }
    }
    for client in document.policy.native.keys().filter(|c| *c != "default") {
        if adapters::by_id(client).is_none() {
            let message = format!("no client has the id {client}");
            let place = format!("/policy/native/{client}");
            tell(
                "unknown-client",
                place,
                message,
                "docs/clients.md lists the ids; default is for all others",
            );
        }
    }
}
