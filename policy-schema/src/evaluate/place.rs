//! Where, for whom and until when a rule allows.

use super::case::Case;
use super::reason;
use crate::document::Rule;
use crate::entry::Transport;
use crate::finding::FindingCode;
use crate::verdict::Reason;

/// Client, scope, transport, user, group, device and ring.
pub(super) fn place(case: &Case<'_>, rule: &Rule) -> Option<Reason> {
    let outside =
        |what: &str| Some(reason(FindingCode::OutsideRule, format!("the rule is for other {what}")));
    let entry = case.subject.entry;
    // Every client that would load the entry counts, not only the one whose file it is.
    let readers = entry.readers.iter().map(|r| r.client).chain([entry.client]);
    if !rule.clients.is_empty() && !readers.into_iter().all(|c| rule.clients.iter().any(|listed| listed == c))
    {
        return outside("clients");
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

/// A condition of the approval that was not met in time.
pub(super) fn overdue(case: &Case<'_>, rule: &Rule) -> Option<Reason> {
    let remediation = rule.remediation.as_ref().filter(|r| !r.done && case.today() > r.deadline)?;
    Some(reason(
        FindingCode::RemediationOverdue,
        format!("it was approved until {} on a condition that is not reported as met", remediation.deadline),
    ))
}
