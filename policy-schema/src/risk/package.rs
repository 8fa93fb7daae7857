//! Versions: what decides which code a package runner fetches.

use super::Context;
use crate::finding::{Finding, FindingCode};
use crate::identity::{Identity, Kind};

pub(super) fn assess(identity: &Identity, context: &Context<'_>, findings: &mut Vec<Finding>) {
    if identity.pinned {
        return;
    }
    let name = context.redactor.text(&identity.name);
    let runner = identity.runner.as_deref().unwrap_or_default();
    // A bridge that is installed as a program has no version to pin; a registry's name behind a runner has one.
    let is_package = matches!(identity.kind, Kind::Npm | Kind::Pypi | Kind::Deno | Kind::Dotnet | Kind::Go)
        || (identity.kind == Kind::Bridge && !runner.is_empty());
    match (identity.kind, &identity.version) {
        (Kind::Oci, version) => {
            let tag = version.as_deref().unwrap_or("latest");
            let message = format!(
                "the image {name} is named by the tag {}, which can be moved",
                context.redactor.text(tag)
            );
            findings.push(Finding::new(FindingCode::ImageWithoutDigest, message));
        }
        (Kind::Git, version) => {
            let message = match version {
                Some(reference) => {
                    format!("{name} is built from {}, which can move", context.redactor.text(reference))
                }
                None => format!("{name} is built from whatever its default branch holds"),
            };
            findings.push(Finding::new(FindingCode::GitWithoutCommit, message));
        }
        (_, None) if is_package => {
            let message = format!("{runner} fetches the newest {name} at each start");
            findings.push(Finding::new(FindingCode::UnpinnedPackage, message));
        }
        (_, Some(version)) if is_package => {
            let message = format!(
                "{name} is asked for as {}, which is not one version",
                context.redactor.text(version)
            );
            findings.push(Finding::new(FindingCode::FloatingVersion, message));
        }
        _ => {}
    }
}
