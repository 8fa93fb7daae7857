//! Where, for whom and until when a rule allows.

use super::case::Case;
use super::reason;
use crate::document::Rule;
use crate::entry::{ClientId, Transport};
use crate::finding::FindingCode;
use crate::verdict::Reason;

/// Client, scope, transport, user, group, device and ring.
pub(super) fn place(case: &Case<'_>, rule: &Rule) -> Option<Reason> {
    let outside =
        |what: &str| Some(reason(FindingCode::OutsideRule, format!("the rule is for other {what}")));
    let entry = case.subject.entry;
    if !rule.clients.is_empty()
        && let Some(other) = clients(case).find(|client| !rule.clients.iter().any(|listed| listed == client))
    {
        return match other == entry.client {
            true => outside("clients"),
            false => outside(&format!("clients than {other}, which reads this file too")),
        };
    }
    if !rule.scopes.is_empty() && !rule.scopes.contains(&entry.scope) {
        return outside("scopes");
    }
    let says_how = entry.transport != Transport::Unknown;
    if says_how && !rule.transports.is_empty() && !rule.transports.contains(&entry.transport) {
        return outside("transports");
    }
    let device = &case.context.device;
    let lists = [&rule.users, &rule.groups, &rule.devices, &rule.rings];
    // an empty name is none: a machine without id is not the device `""`
    let concerned = rule.users.iter().any(|u| !u.is_empty() && u == device.user)
        || rule.groups.iter().any(|g| device.groups.contains(g))
        || rule.devices.iter().any(|d| !d.is_empty() && d == device.id)
        || rule.rings.iter().any(|r| Some(r.as_str()) == device.ring);
    if lists.iter().any(|list| !list.is_empty()) && !concerned {
        return outside("users, groups, devices or rings");
    }
    None
}

/// The clients that would load the entry: the one whose file it is, and every other that is in use, or of which that is
/// not known. One that reads the file only by a setting, off unless its user says otherwise, would make every rule for
/// the client of the file miss.
fn clients<'c>(case: &'c Case<'_>) -> impl Iterator<Item = ClientId> + 'c {
    let in_use = case.context.clients;
    let others = case.subject.entry.readers.iter().filter(move |reader| {
        reader.setting.is_none() && in_use.is_none_or(|in_use| in_use.contains(reader.client))
    });
    [case.subject.entry.client].into_iter().chain(others.map(|reader| reader.client))
}

/// A condition of the approval that was not met in time.
pub(super) fn overdue(case: &Case<'_>, rule: &Rule) -> Option<Reason> {
    let remediation = rule.remediation.as_ref().filter(|r| !r.done && case.today() > r.deadline)?;
    Some(reason(
        FindingCode::RemediationOverdue,
        format!("it was approved until {} on a condition that is not reported as met", remediation.deadline),
    ))
}
