//! `[[rule]]` against `[[rule]]`.

use std::collections::BTreeSet;

use mcpolicy_schema::document::{IdentityMatcher, Rule, Tools};
use mcpolicy_schema::evaluate::isolates;

use super::fields::Field;
use super::{Changes, Class};
use crate::authoring::{covers, words};

/// All rules are asked until one admits, so their order admits nothing: it decides whose text, pin and deadline count where
/// several fit.
fn reordered(old: &[Rule], new: &[Rule], changes: &mut Changes) {
    let ids = |rules: &'_ [Rule]| -> BTreeSet<String> { rules.iter().map(|rule| rule.id.clone()).collect() };
    let both: BTreeSet<String> = ids(old).intersection(&ids(new)).cloned().collect();
    let in_both = |rule: &&Rule| both.contains(&rule.id);
    let (before, after) = (old.iter().filter(in_both), new.iter().filter(in_both));
    if before.map(|rule| &rule.id).eq(after.map(|rule| &rule.id)) {
        return;
    }
    if new.iter().any(|rule| rule.remediation.is_some()) {
        let what = "in another order, which decides whose deadline counts where several fit";
        changes.tell(Class::Loosens, "rules", what);
    } else {
        changes.tell(Class::Neutral, "rules", "in another order");
    }
}

pub(super) fn compare(old: &[Rule], new: &[Rule], changes: &mut Changes) {
    let by_id = |rules: &[Rule], id: &str| rules.iter().position(|r| r.id == id);
    let same_but_id = |one: &Rule, other: &Rule| {
        let mut renamed = one.clone();
        renamed.id.clone_from(&other.id);
        renamed == *other
    };
    for rule in new {
        let place = format!("rule {}", rule.id);
        if let Some(at) = by_id(old, &rule.id) {
            one(&old[at], rule, &mut Field { changes, place });
        } else if let Some(before) = old.iter().find(|o| by_id(new, &o.id).is_none() && same_but_id(o, rule))
        {
            changes.tell(Class::Neutral, &place, format!("was called {}", before.id));
        } else if matches!(rule.identity, IdentityMatcher::Any {}) {
            changes.tell_grave(&place, format!("new: admits anything{}", brings(rule)));
        } else {
            let what = format!("new: admits {}{}", words::identity(&rule.identity), brings(rule));
            changes.tell(Class::Loosens, &place, what);
        }
    }
    reordered(old, new, changes);
    for rule in old.iter().filter(|r| by_id(new, &r.id).is_none()) {
        if !new.iter().any(|n| by_id(old, &n.id).is_none() && same_but_id(rule, n)) {
            let place = format!("rule {}", rule.id);
            let what = format!("removed: {} is no longer admitted", words::identity(&rule.identity));
            changes.tell(Class::Tightens, &place, what);
        }
    }
}

/// What a new rule says besides its identity: variables, wrappers and arguments may weigh more than the package.
fn brings(rule: &Rule) -> String {
    let mut said = serde_json::to_value(rule).unwrap_or_default();
    if let Some(members) = said.as_object_mut() {
        members.retain(|name, _| name == "id" || name == "identity");
    }
    let Ok(bare) = serde_json::from_value::<Rule>(said) else {
        return "; with conditions that this version cannot put into words".to_owned();
    };
    let mut told = Changes::default();
    let field = &mut Field { changes: &mut told, place: String::new() };
    conditions(&bare, rule, field);
    restrictions(&bare, rule, field);
    tools(&bare, rule, field);
    told.0.into_iter().map(|change| format!("; {}", change.what)).collect()
}

fn one(old: &Rule, new: &Rule, field: &mut Field<'_>) {
    if old == new {
        return;
    }
    identity(old, new, field);
    conditions(old, new, field);
    restrictions(old, new, field);
    remediation(old, new, field);
    about(old, new, field);
    field.nothing_unseen(false);
    if matches!(new.identity, IdentityMatcher::Any {}) {
        // two people agreed to a rule that admits anything for one machine, not to it for all of them
        field.loosens_for_two();
    }
}

fn identity(old: &Rule, new: &Rule, field: &mut Field<'_>) {
    if old.identity == new.identity {
        return;
    }
    let what =
        format!("admits {} instead of {}", words::identity(&new.identity), words::identity(&old.identity));
    if matches!(new.identity, IdentityMatcher::Any {}) {
        return field.tell_grave(what);
    }
    let wide = covers::identity(&new.identity, &old.identity);
    let narrow = covers::identity(&old.identity, &new.identity);
    field.tell(Class::of(wide, narrow), what);
}

fn conditions(old: &Rule, new: &Rule, field: &mut Field<'_>) {
    field.usual("runners", &old.runners, &new.runners);
    runner_args(old, new, field);
    field.may("with", &old.with, &new.with);
    field.exact("bins", &old.bins, &new.bins);
    field.may("wrappers", &old.wrappers, &new.wrappers);
    field.exact("args.positional", &old.args.positional, &new.args.positional);
    field.may("args.optional", &old.args.optional, &new.args.optional);
    field.exact("args.required", &old.args.required, &new.args.required);
    field.patterns("env", &old.env, &new.env);
    field.patterns("headers", &old.headers, &new.headers);
    field.may("references", &old.references, &new.references);
    field.may("members", &old.members, &new.members);
    field.may("cwd", &old.cwd, &new.cwd);
    let forms = |rule: &Rule| -> Vec<String> { rule.native_forms.iter().map(|f| f.join(" ")).collect() };
    field.may("native_forms", &forms(old), &forms(new));
    field.neutral("pin", &old.pin, &new.pin, new.pin.as_deref().unwrap_or("none"));
}

/// More of them admit more, but for those that a rule for a module of Python demands: without, the module is whatever lies
/// in the project.
fn runner_args(old: &Rule, new: &Rule, field: &mut Field<'_>) {
    let is_module = |rule: &Rule| matches!(&rule.identity, IdentityMatcher::Script(script) if script.path.starts_with("-m "));
    let demands = |rule: &Rule| is_module(rule) && rule.runner_args.iter().any(|word| isolates(word));
    match (demands(old), demands(new)) {
        (true, false) => {
            field.tell_for_two(
                "runner_args: no longer demands that the module is not looked for in the project (-I, -P)",
            );
        }
        (false, true) => {
            field.tell(
                Class::Tightens,
                "runner_args: demands that the module is not looked for in the project (-I, -P)",
            );
        }
        _ => {}
    }
    let rest = |rule: &Rule| -> Vec<String> {
        let all = rule.runner_args.iter();
        all.filter(|word| !(demands(rule) && isolates(word))).cloned().collect()
    };
    field.may("runner_args", &rest(old), &rest(new));
}

fn restrictions(old: &Rule, new: &Rule, field: &mut Field<'_>) {
    field.only("clients", &old.clients, &new.clients);
    let scopes = |r: &Rule| -> Vec<String> { r.scopes.iter().map(|s| s.as_str().to_owned()).collect() };
    field.only("scopes", &scopes(old), &scopes(new));
    let transports =
        |r: &Rule| -> Vec<String> { r.transports.iter().map(|t| t.as_str().to_owned()).collect() };
    field.only("transports", &transports(old), &transports(new));
    // One of the four lists is enough, so together they are one list.
    let people = |r: &Rule| -> Vec<String> {
        let named = |kind: &str, list: &[String]| -> Vec<String> {
            list.iter().map(|item| format!("{kind} {item}")).collect()
        };
        let lists = [("user", &r.users), ("group", &r.groups), ("device", &r.devices), ("ring", &r.rings)];
        lists.iter().flat_map(|(kind, list)| named(kind, list)).collect()
    };
    field.only("holds for", &people(old), &people(new));
}

fn remediation(old: &Rule, new: &Rule, field: &mut Field<'_>) {
    let open = |rule: &Rule| rule.remediation.clone().filter(|r| !r.done);
    match (open(old), open(new)) {
        (None, Some(now)) => {
            field.tell(
                Class::Tightens,
                format!("denies after {} unless put right: {}", now.deadline, now.what),
            );
        }
        (Some(before), None) => {
            field.tell(
                Class::Loosens,
                format!("no longer has to be put right by {}: {}", before.deadline, before.what),
            );
        }
        (Some(before), Some(now)) => {
            // The later the day, the longer the rule admits.
            let class = if now.deadline > before.deadline { Class::Loosens } else { Class::Tightens };
            if now.deadline != before.deadline {
                field.tell(
                    class,
                    format!("has to be put right by {} instead of {}", now.deadline, before.deadline),
                );
            }
            field.neutral("remediation", &before.what, &now.what, &now.what);
        }
        (None, None) => field.parts("remediation", &old.remediation, &new.remediation),
    }
}

fn about(old: &Rule, new: &Rule, field: &mut Field<'_>) {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    field.neutral("description", &old.description, &new.description, &text(&new.description));
    field.neutral("owner", &old.owner, &new.owner, &text(&new.owner));
    field.parts("class", &old.class, &new.class);
    field.neutral(
        "release_reviewer",
        &old.release_reviewer,
        &new.release_reviewer,
        &text(&new.release_reviewer),
    );
    let day = new.review_by.map_or_else(|| "none".to_owned(), |day| day.to_string());
    field.neutral("review_by", &old.review_by, &new.review_by, &day);
    field.neutral("ticket", &old.ticket, &new.ticket, &text(&new.ticket));
    field.neutral("mcp_spec", &old.mcp_spec, &new.mcp_spec, &text(&new.mcp_spec));
    field.parts("auth", &old.auth, &new.auth);
    field.neutral(
        "credential_scopes",
        &old.credential_scopes,
        &new.credential_scopes,
        &words::list(&new.credential_scopes, "none"),
    );
    field.parts("token", &old.token, &new.token);
    field.parts("data_access", &old.data_access, &new.data_access);
    field.neutral("names", &old.names, &new.names, &words::list(&new.names, "none"));
    field.neutral(
        "alternatives",
        &old.alternatives,
        &new.alternatives,
        &words::list(&new.alternatives, "none"),
    );
    field.neutral("contact", &old.contact, &new.contact, &text(&new.contact));
    tools(old, new, field);
}

/// Tools that may be called without a question, or at all, are part of what is admitted.
fn tools(old: &Rule, new: &Rule, field: &mut Field<'_>) {
    let none = Tools::default();
    let before = old.tools.as_ref().unwrap_or(&none);
    let now = new.tools.as_ref().unwrap_or(&none);
    field.may("tools.read", &before.read, &now.read);
    field.may("tools.write", &before.write, &now.write);
    for tool in before.never.iter().filter(|t| !now.never.contains(t)) {
        field.tell(Class::Loosens, format!("tools.never: no longer \"{tool}\""));
    }
    for tool in now.never.iter().filter(|t| !before.never.contains(t)) {
        field.tell(Class::Tightens, format!("tools.never: also \"{tool}\""));
    }
    if before.unlisted != now.unlisted {
        let word = |class: Option<_>| class.map_or("the policy's", words::tool_class);
        let strictness = |class: Option<_>| class.map(|c| c as u8);
        let class = match (strictness(before.unlisted), strictness(now.unlisted)) {
            (Some(before), Some(now)) if now > before => Class::Tightens,
            _ => Class::Loosens,
        };
        field.tell(
            class,
            format!("tools.unlisted: {} instead of {}", word(now.unlisted), word(before.unlisted)),
        );
    }
}
