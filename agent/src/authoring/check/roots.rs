//! Whose signatures count, as far as it concerns the policy.

use jiff::tz::TimeZone;
use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::loosens::loosening;
use mcpolicy_schema::signed::Root;

use super::{Options, dates};
use crate::authoring::ends::Ends;
use crate::authoring::problem::{Problem, Weight};
use crate::authoring::words::counted;

pub(super) fn check(root: &Root, document: &PolicyDocument, options: &Options, problems: &mut Vec<Problem>) {
    let file = format!("trust/root.{}.json", root.sequence);
    let (keys, threshold) = (root.roles.root.keys.len(), root.roles.root.threshold);
    if keys < 2 || threshold < 2 {
        let message = format!(
            "root {} has {} and a threshold of {threshold}: one stolen key is the whole fleet",
            root.sequence,
            counted(keys, "key", "keys")
        );
        let help = "add signers and raise the threshold with `mcpolicy policy rotate`; see docs/runbooks.md";
        problems.push(Problem::new(Weight::Warning, "solo-root", "", message).help(help).about(file.clone()));
    }
    if root.expires <= options.now {
        let day = root.expires.to_zoned(TimeZone::UTC).date();
        let message = format!("root {} ended {day}: machines take nothing new", root.sequence);
        let help = "sign the next one with `mcpolicy policy rotate --renew`";
        problems.push(Problem::new(Weight::Error, "ends-soon", "", message).help(help).about(file));
    } else {
        let ends = Ends {
            what: format!("root {}", root.sequence),
            file,
            expires: root.expires,
            ahead: dates::AHEAD,
            help: "sign the next one with `mcpolicy policy rotate --renew`",
        };
        dates::document(&ends, options, problems);
    }
    let role = &root.roles.policy;
    for loosening in loosening(document) {
        let needed = role.threshold_for(true);
        let message =
            format!("{}: {needed} of {} policy keys must sign", loosening.kind, role.role.keys.len());
        problems.push(Problem::new(Weight::Warning, "second-signature", loosening.place, message));
    }
}
