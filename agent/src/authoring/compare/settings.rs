//! `[policy]` against `[policy]`.

use mcpolicy_schema::document::{
    Approvals, Default, Expressible, Fights, GateLate, Lock, Mode, Native, NativeOwner, OnVersion, Processes,
    Rescans, Runners, Settings, UnknownMembers, Unparseable,
};

use super::fields::Field;
use super::{Changes, Class};
use crate::authoring::words;

pub(super) fn compare(old: &Settings, new: &Settings, changes: &mut Changes) {
    let field = &mut Field { changes, place: "policy".to_owned() };
    grave(old, new, field);
    judging(old, new, field);
    acting(old, new, field);
    native(old, new, field);
    field.neutral("name", &old.name, &new.name, &new.name);
    field.neutral("contact", &old.contact, &new.contact, &new.contact);
    field.neutral("mcp_spec", &old.mcp_spec, &new.mcp_spec, new.mcp_spec.as_deref().unwrap_or("none"));
}

/// What needs two signatures.
fn grave(old: &Settings, new: &Settings, field: &mut Field<'_>) {
    if new.mode != old.mode {
        let what = format!("mode: {} instead of {}", words::mode(new.mode), words::mode(old.mode));
        if new.mode < old.mode { field.tell_grave(what) } else { field.tell(Class::Tightens, what) }
    }
    if new.mode == Mode::Hold || old.mode == Mode::Hold {
        match (old.grace_until, new.grace_until) {
            (before, now) if before == now => {}
            (Some(before), Some(now)) if now < before => {
                field.tell(Class::Tightens, format!("grace_until: {now} instead of {before}"));
            }
            (_, now) => {
                let now = now.map_or_else(|| "none".to_owned(), |day| day.to_string());
                field.tell(Class::Loosens, format!("grace_until: {now}"));
            }
        }
    } else {
        field.parts("grace_until", &old.grace_until, &new.grace_until);
    }
    switch(
        field,
        old.default == Default::Allow,
        new.default == Default::Allow,
        "what no rule names is allowed",
    );
    switch(field, old.ignore_denylist, new.ignore_denylist, "the denylist is ignored");
    switch(field, old.ignore_revocations, new.ignore_revocations, "revocations are ignored");
    if old.gate && !new.gate {
        field.tell_grave("gate: off");
    } else if new.gate && !old.gate {
        field.tell(Class::Tightens, "gate: on");
    }
    let is_late = |settings: &Settings| settings.gate && settings.gate_late == GateLate::Allow;
    switch(field, is_late(old), is_late(new), "the gate lets through what it could not check in time");
    if is_late(old) == is_late(new) {
        let word = if new.gate_late == GateLate::Allow { "allow" } else { "deny" };
        field.neutral("gate_late", &old.gate_late, &new.gate_late, word);
    }
}

/// A setting that loosens when it is on.
fn switch(field: &mut Field<'_>, old: bool, new: bool, what: &str) {
    match (old, new) {
        (false, true) => field.tell_grave(what),
        (true, false) => field.tell(Class::Tightens, format!("no longer: {what}")),
        _ => {}
    }
}

fn judging(old: &Settings, new: &Settings, field: &mut Field<'_>) {
    let unknown = |m: UnknownMembers| if m == UnknownMembers::Deny { "deny" } else { "report" };
    two(field, "unknown_members", unknown(old.unknown_members), unknown(new.unknown_members), "deny");
    let runners = |r: Runners| if r == Runners::System { "system" } else { "any" };
    two(field, "runners", runners(old.runners), runners(new.runners), "system");
    field.may("runner_roots", &old.runner_roots, &new.runner_roots);
    let path = |settings: &Settings| -> Vec<String> {
        let all = settings.search_path.iter();
        all.flat_map(|(os, dirs)| dirs.iter().map(move |dir| format!("{os}: {dir}"))).collect()
    };
    let (before, now) = (path(old), path(new));
    field.may("search_path", &before, &now);
    field.may("registries.npm", &old.registries.npm, &new.registries.npm);
    field.may("registries.pypi", &old.registries.pypi, &new.registries.pypi);
    field.may("registries.dotnet", &old.registries.dotnet, &new.registries.dotnet);
    field.patterns("env", &old.env, &new.env);
    let strictness = |s: &Settings| s.unlisted_tools as u8;
    let what = || {
        let (now, before) = (words::tool_class(new.unlisted_tools), words::tool_class(old.unlisted_tools));
        format!("unlisted_tools: {now} instead of {before}")
    };
    match strictness(new).cmp(&strictness(old)) {
        std::cmp::Ordering::Greater => field.tell(Class::Tightens, what()),
        std::cmp::Ordering::Less => field.tell(Class::Loosens, what()),
        std::cmp::Ordering::Equal => {}
    }
}

/// A setting of two values, one of which is the stricter.
fn two(field: &mut Field<'_>, name: &str, old: &str, new: &str, strict: &str) {
    if old != new {
        let class = if new == strict { Class::Tightens } else { Class::Loosens };
        field.tell(class, format!("{name}: {new} instead of {old}"));
    }
}

fn acting(old: &Settings, new: &Settings, field: &mut Field<'_>) {
    let pin = |o: OnVersion| if o == OnVersion::Pin { "pin" } else { "deny" };
    field.neutral("on_version", &old.on_version, &new.on_version, pin(new.on_version));
    let file = |u: Unparseable| if u == Unparseable::QuarantineFile { "quarantine-file" } else { "report" };
    two(field, "unparseable", file(old.unparseable), file(new.unparseable), "quarantine-file");
    let running = |p: Processes| if p == Processes::Stop { "stop" } else { "report" };
    two(field, "processes", running(old.processes), running(new.processes), "stop");
    let fights = |f: Fights| if f == Fights::StopServers { "stop-servers" } else { "report" };
    two(field, "fights", fights(old.fights), fights(new.fights), "stop-servers");
    let rescans = |r: Rescans| match r {
        Rescans::OnTime => "on-time",
        Rescans::OnMains => "on-mains",
        Rescans::WhenIdle => "when-idle",
    };
    two(field, "rescans", rescans(old.rescans), rescans(new.rescans), "on-time");
    let asks = |a: Approvals| if a == Approvals::Ask { "ask" } else { "free" };
    two(field, "approvals", asks(old.approvals), asks(new.approvals), "ask");
    let disable = if new.prefer_disable { "on" } else { "off" };
    field.neutral("prefer_disable", &old.prefer_disable, &new.prefer_disable, disable);
    let removals = format!("{} entries, {} %", new.max_new_removals.entries, new.max_new_removals.percent);
    field.neutral("max_new_removals", &old.max_new_removals, &new.max_new_removals, &removals);
    let word = new.acknowledge_breaking.as_deref().unwrap_or("none");
    field.neutral("acknowledge_breaking", &old.acknowledge_breaking, &new.acknowledge_breaking, word);
    // The later a policy counts as old, the longer an attacker who holds new ones back has.
    let days = |s: &Settings| std::cmp::Reverse(s.staleness.expired_after_days);
    let what = format!("staleness.expired_after_days: {}", new.staleness.expired_after_days);
    match days(new).cmp(&days(old)) {
        std::cmp::Ordering::Less => field.tell(Class::Loosens, what),
        std::cmp::Ordering::Greater => field.tell(Class::Tightens, what),
        std::cmp::Ordering::Equal => {}
    }
    field.neutral("privacy", &old.privacy, &new.privacy, new.privacy.as_str());
    let (before, now) = (old.staleness.stale_after_hours, new.staleness.stale_after_hours);
    field.neutral("staleness.stale_after_hours", &before, &now, &now.to_string());
}

fn native(old: &Settings, new: &Settings, field: &mut Field<'_>) {
    let clients: std::collections::BTreeSet<&String> = old.native.keys().chain(new.native.keys()).collect();
    let of = |settings: &Settings, client: &str| -> Native {
        let default = settings.native.get("default").copied().unwrap_or_default();
        settings.native.get(client).copied().unwrap_or(default)
    };
    let effective =
        |settings: &Settings| -> Vec<Native> { clients.iter().map(|c| of(settings, c)).collect() };
    if old.native != new.native && effective(old) == effective(new) {
        field.tell(Class::Neutral, "native: the same said in other words");
    }
    for client in &clients {
        let (before, now) = (of(old, client), of(new, client));
        if before.owner != now.owner {
            let owner = |o: NativeOwner| match o {
                NativeOwner::Agent => "agent",
                NativeOwner::Mdm => "mdm",
                NativeOwner::Off => "off",
            };
            let what = format!("native.{client}: {} instead of {}", owner(now.owner), owner(before.owner));
            match (before.owner, now.owner) {
                (_, NativeOwner::Off) => field.tell_grave(what),
                (NativeOwner::Off, _) => field.tell(Class::Tightens, what),
                _ => field.tell(Class::Neutral, what),
            }
        }
        let word = |n: Native| if n.inexpressible == Expressible::Open { "open" } else { "closed" };
        two(field, &format!("native.{client}.inexpressible"), word(before), word(now), "closed");
        let lock = |lock: Lock| if lock == Lock::Locked { "locked" } else { "open" };
        for (name, before, now) in [
            ("plugins", before.plugins, now.plugins),
            ("flags", before.flags, now.flags),
            ("connectors", before.connectors, now.connectors),
        ] {
            two(field, &format!("native.{client}.{name}"), lock(before), lock(now), "locked");
        }
        let exclusive = |native: Native| if native.exclusive { "on" } else { "off" };
        two(field, &format!("native.{client}.exclusive"), exclusive(before), exclusive(now), "on");
    }
}
