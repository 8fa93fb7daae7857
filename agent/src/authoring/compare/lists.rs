//! `[[deny]]`, `[[exception]]` and `[[ring]]`.

use std::cmp::Ordering;

use mcpolicy_schema::document::{Deny, Exception, Mode, PolicyDocument, Ring};

use super::fields::Field;
use super::{Changes, Class};
use crate::authoring::{covers, words};

pub(super) fn denials(old: &[Deny], new: &[Deny], changes: &mut Changes) {
    for deny in new {
        let field = &mut Field { changes, place: format!("deny {}", deny.id) };
        let Some(before) = old.iter().find(|d| d.id == deny.id) else {
            field.tell(Class::Tightens, format!("new: denies {}", words::identity(&deny.identity)));
            continue;
        };
        if before.identity != deny.identity {
            let what = format!(
                "denies {} instead of {}",
                words::identity(&deny.identity),
                words::identity(&before.identity)
            );
            // What a deny covers more, is admitted less.
            let narrow = covers::denial(&deny.identity, &before.identity);
            let wide = covers::denial(&before.identity, &deny.identity);
            field.tell(Class::of(wide, narrow), what);
        }
        field.neutral("reason", &before.reason, &deny.reason, &deny.reason);
        field.neutral("ticket", &before.ticket, &deny.ticket, deny.ticket.as_deref().unwrap_or("none"));
        field.neutral("owner", &before.owner, &deny.owner, deny.owner.as_deref().unwrap_or("none"));
        field.neutral(
            "alternatives",
            &before.alternatives,
            &deny.alternatives,
            &words::list(&deny.alternatives, "none"),
        );
        field.neutral("contact", &before.contact, &deny.contact, deny.contact.as_deref().unwrap_or("none"));
        field.nothing_unseen(before == deny);
    }
    for gone in old.iter().filter(|d| !new.iter().any(|n| n.id == d.id)) {
        let what = format!("removed: {} is no longer denied", words::identity(&gone.identity));
        changes.tell(Class::Loosens, &format!("deny {}", gone.id), what);
    }
}

pub(super) fn exceptions(old: &[Exception], new: &[Exception], changes: &mut Changes) {
    for exception in new {
        let field = &mut Field { changes, place: format!("exception {}", exception.id) };
        let Some(before) = old.iter().find(|e| e.id == exception.id) else {
            field.tell(Class::Loosens, admitted(exception));
            continue;
        };
        if before.fingerprint != exception.fingerprint {
            field.tell(
                Class::Loosens,
                format!("admits {} instead of {}", exception.fingerprint, before.fingerprint),
            );
        }
        if before.expires != exception.expires {
            let class = if exception.expires > before.expires { Class::Loosens } else { Class::Tightens };
            field.tell(class, format!("ends {} instead of {}", exception.expires, before.expires));
        }
        if before.directory != exception.directory {
            let word =
                |directory: &Option<String>| directory.clone().unwrap_or_else(|| "no directory".to_owned());
            let what = format!("in {} instead of {}", word(&exception.directory), word(&before.directory));
            // the same words are other code in another directory
            field.tell_for_two(what);
        }
        field.only("users", &before.users, &exception.users);
        field.only("devices", &before.devices, &exception.devices);
        field.parts("description", &before.description, &exception.description);
        field.neutral("owner", &before.owner, &exception.owner, &exception.owner);
        field.neutral("ticket", &before.ticket, &exception.ticket, &exception.ticket);
        field.nothing_unseen(before == exception);
    }
    for gone in old.iter().filter(|e| !new.iter().any(|n| n.id == e.id)) {
        changes.tell(Class::Tightens, &format!("exception {}", gone.id), "removed");
    }
}

/// What a new exception admits, where and for whom, not only what its author says of it.
fn admitted(exception: &Exception) -> String {
    let mut what = format!("new: admits {}", exception.fingerprint);
    if let Some(description) = &exception.description {
        what += &format!(" (\"{description}\")");
    }
    what += &format!(" until {}", exception.expires);
    if let Some(directory) = &exception.directory {
        what += &format!("; only in {directory}");
    }
    for (name, list) in [("users", &exception.users), ("devices", &exception.devices)] {
        what += &format!("; {name}: {}", words::list(list, "all"));
    }
    what
}

/// What a ring does compared with the policy as a whole.
fn leaning(ring: &Ring, policy: Mode) -> Ordering {
    ring.mode.unwrap_or(policy).cmp(&policy)
}

pub(super) fn rings(old: &PolicyDocument, new: &PolicyDocument, changes: &mut Changes) {
    for ring in &new.ring {
        let field = &mut Field { changes, place: format!("ring {}", ring.name) };
        let leans = leaning(ring, new.policy.mode);
        let lax = leans.is_lt();
        let Some(before) = old.ring.iter().find(|r| r.name == ring.name) else {
            let mode = words::mode(ring.mode.unwrap_or(new.policy.mode));
            let what = format!("new: {} % of machines in mode {mode}", ring.percent);
            if lax {
                field.tell_grave(what);
            } else {
                field.tell(Class::Neutral, what);
            }
            continue;
        };
        let mode = |ring: &Ring, document: &PolicyDocument| ring.mode.unwrap_or(document.policy.mode);
        let (was, is) = (mode(before, old), mode(ring, new));
        if was != is {
            let what = format!("mode: {} instead of {}", words::mode(is), words::mode(was));
            if is < was { field.tell_grave(what) } else { field.tell(Class::Tightens, what) }
        } else {
            field.neutral("mode", &before.mode, &ring.mode, words::mode(is));
        }
        members(before, ring, leans, field);
        field.nothing_unseen(before == ring);
    }
    for gone in old.ring.iter().filter(|r| !new.ring.iter().any(|n| n.name == r.name)) {
        // Its machines get the policy's mode.
        let field = &mut Field { changes, place: format!("ring {}", gone.name) };
        match leaning(gone, old.policy.mode) {
            Ordering::Greater => field.tell_for_two("removed"),
            Ordering::Less => field.tell(Class::Tightens, "removed"),
            Ordering::Equal => field.tell(Class::Neutral, "removed"),
        }
    }
    ordered(old, new, changes);
}

/// A machine is in the first ring that names it. One that stands before a stricter ring for the first time takes
/// machines from it: they lose protection although neither ring has changed.
fn ordered(old: &PolicyDocument, new: &PolicyDocument, changes: &mut Changes) {
    let at = |name: &str| old.ring.iter().position(|ring| ring.name == name);
    let mode = |ring: &Ring| ring.mode.unwrap_or(new.policy.mode);
    let mut takes = false;
    for (place, later) in new.ring.iter().enumerate() {
        let Some(was) = at(&later.name) else { continue };
        for earlier in &new.ring[..place] {
            if mode(earlier) < mode(later) && at(&earlier.name).is_none_or(|before| before > was) {
                takes = true;
                let what = format!(
                    "stands before the ring {}: machines of both are in mode {} instead of {}",
                    later.name,
                    words::mode(mode(earlier)),
                    words::mode(mode(later))
                );
                changes.tell_for_two(&format!("ring {}", earlier.name), what);
            }
        }
    }
    let kept: Vec<usize> = new.ring.iter().filter_map(|ring| at(&ring.name)).collect();
    if !takes && !kept.is_sorted() {
        // Rules may name rings, so neither direction is certain.
        let what = "in another order: a machine is in the first ring that names it";
        changes.tell(Class::Loosens, "rings", what);
    }
}

/// Who is in a ring. More machines in a ring below the others' mode, or fewer in one above it, are machines that lose
/// protection: that is what two people agree to, as they did to the mode itself.
fn members(old: &Ring, new: &Ring, leans: Ordering, field: &mut Field<'_>) {
    if old.percent != new.percent {
        let what = format!("{} % of machines instead of {} %", new.percent, old.percent);
        moved(new.percent > old.percent, leans, what, field);
    }
    let lists = [
        ("devices", &old.devices, &new.devices),
        ("users", &old.users, &new.users),
        ("groups", &old.groups, &new.groups),
    ];
    for (name, before, now) in lists {
        let come: Vec<&String> = now.iter().filter(|item| !before.contains(item)).collect();
        let gone: Vec<&String> = before.iter().filter(|item| !now.contains(item)).collect();
        for item in &come {
            moved(true, leans, format!("{name}: also \"{item}\""), field);
        }
        for item in &gone {
            moved(false, leans, format!("{name}: no longer \"{item}\""), field);
        }
        if come.is_empty() && gone.is_empty() && before != now {
            field.tell(Class::Neutral, format!("{name}: in another order"));
        }
    }
}

/// Tells that machines come into a ring or leave it.
fn moved(into: bool, leans: Ordering, what: String, field: &mut Field<'_>) {
    match (leans, into) {
        (Ordering::Less, true) | (Ordering::Greater, false) => field.tell_for_two(what),
        (Ordering::Less, false) | (Ordering::Greater, true) => field.tell(Class::Tightens, what),
        (Ordering::Equal, _) => field.tell(Class::Neutral, what),
    }
}
