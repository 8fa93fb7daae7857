//! Rules that can never decide.

use mcpolicy_schema::document::PolicyDocument;

use super::Options;
use crate::authoring::covers;
use crate::authoring::problem::{Problem, Weight};

pub(super) fn check(document: &PolicyDocument, options: &Options, problems: &mut Vec<Problem>) {
    shadowed(document, problems);
    denied(document, problems);
    for (at, exception) in document.exception.iter().enumerate() {
        if exception.expires <= options.now {
            let message = format!("the exception {} ended {}", exception.id, exception.expires);
            let place = format!("/exception/{at}/expires");
            problems.push(
                Problem::new(Weight::Error, "expired-exception", place, message)
                    .help("remove it, or write a rule for the server"),
            );
        }
    }
}

fn shadowed(document: &PolicyDocument, problems: &mut Vec<Problem>) {
    for (at, narrow) in document.rule.iter().enumerate() {
        // Of two equal rules the later one is told, once.
        let wider = document.rule.iter().enumerate().find(|(other, wide)| {
            *other != at && covers::rule(wide, narrow) && (*other < at || !covers::rule(narrow, wide))
        });
        if let Some((_, wide)) = wider {
            let message = format!("the rule {} admits nothing that {} does not admit", narrow.id, wide.id);
            problems.push(
                Problem::new(Weight::Error, "shadowed-rule", format!("/rule/{at}/identity"), message)
                    .help(format!("remove it, or narrow {}", wide.id)),
            );
        }
    }
}

fn denied(document: &PolicyDocument, problems: &mut Vec<Problem>) {
    if document.policy.ignore_denylist {
        return;
    }
    for (at, rule) in document.rule.iter().enumerate() {
        if let Some(deny) = document.deny.iter().find(|d| covers::identity(&d.identity, &rule.identity)) {
            let message = format!("the rule {} is never reached: {} denies all of it", rule.id, deny.id);
            problems.push(
                Problem::new(Weight::Error, "denied-rule", format!("/rule/{at}/identity"), message)
                    .help("remove one of the two"),
            );
        }
    }
}
