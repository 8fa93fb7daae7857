//! What in a policy takes protection away, so that one stolen or careless key must not be enough to sign it.
//!
//! Computed from the document that is signed, never taken from what its author says of it. An ordinary allow rule does
//! not count: it is what policies are for.
//!
//! [`loosening`] is what a machine that verifies demands more signatures for. It sees one document: to judge a policy by
//! the one before it would let two machines with different pasts disagree about one signature. So a gate that is off
//! does not count there: it is off unless a policy wants it. [`taken_away`] is what the reviewers of a change are told.
//! They see both policies, so here a gate counts if it was on.

use std::fmt;

use crate::document::{Default, GateLate, IdentityMatcher, Mode, NativeOwner, PolicyDocument};

/// One thing in a policy that takes protection away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loosening {
    /// Where, as a JSON Pointer (`/ring/0/mode`).
    pub place: String,
    /// What.
    pub kind: LooseningKind,
}

/// What takes protection away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LooseningKind {
    /// What no rule names is allowed.
    DefaultAllow,
    /// A mode below enforce, for all or for a ring.
    ModeBelowEnforce(Mode),
    /// A client's own managed configuration is not written.
    NativeOff,
    /// The denylist is ignored.
    DenylistIgnored,
    /// Revocations are ignored.
    RevocationsIgnored,
    /// A rule allows every identity.
    AnyIdentity,
    /// The gate that the policy before wanted is off. Only [`taken_away`] can tell.
    GateOff,
    /// A file that the gate could not have checked in time is read as it is.
    GateLateAllow,
}

impl LooseningKind {
    /// Whether as much is gone as with the other.
    fn reaches(self, other: Self) -> bool {
        match (self, other) {
            (Self::ModeBelowEnforce(this), Self::ModeBelowEnforce(other)) => this <= other,
            _ => self == other,
        }
    }
}

impl fmt::Display for LooseningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DefaultAllow => "what no rule names is allowed",
            Self::ModeBelowEnforce(Mode::Observe) => "the mode is observe: nothing is stopped",
            Self::ModeBelowEnforce(Mode::Warn) => "the mode is warn: nothing is stopped",
            Self::ModeBelowEnforce(_) => "the mode is hold: what was there before stays",
            Self::NativeOff => "a client's own managed configuration is not written",
            Self::DenylistIgnored => "the denylist is ignored",
            Self::RevocationsIgnored => "revocations are ignored",
            Self::AnyIdentity => "a rule allows every identity",
            Self::GateOff => "the gate is no longer on",
            Self::GateLateAllow => "the gate lets through what it could not check in time",
        })
    }
}

impl fmt::Display for Loosening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, self.place)
    }
}

/// Everything in a policy that takes protection away, in the order of the document.
pub fn loosening(document: &PolicyDocument) -> Vec<Loosening> {
    noted(document).into_iter().filter(|noted| noted.written).map(|noted| noted.loosening).collect()
}

/// What takes protection away in a policy and did not in the one before.
pub fn taken_away(before: &PolicyDocument, after: &PolicyDocument) -> Vec<Loosening> {
    let was = noted(before);
    let is_new = |now: &Noted| {
        let same = |old: &Noted| old.of == now.of && old.loosening.kind.reaches(now.loosening.kind);
        !was.iter().any(same)
    };
    let mut found: Vec<Loosening> =
        noted(after).into_iter().filter(is_new).map(|noted| noted.loosening).collect();
    if before.policy.gate && !after.policy.gate {
        found.push(Loosening { place: "/policy/gate".to_owned(), kind: LooseningKind::GateOff });
    }
    found
}

/// A loosening and what it is of, by a name that stays where rules and rings change places.
struct Noted {
    of: String,
    /// It stands in the document; a ring without a mode of its own has the policy's.
    written: bool,
    loosening: Loosening,
}

fn noted(document: &PolicyDocument) -> Vec<Noted> {
    let settings = &document.policy;
    let mut found = Vec::new();
    let mut note = |holds: bool, of: String, place: String, kind: LooseningKind, written: bool| {
        if holds {
            found.push(Noted { of, written, loosening: Loosening { place, kind } });
        }
    };
    let mode = |mode: Mode| LooseningKind::ModeBelowEnforce(mode);
    for (holds, member, kind) in [
        (settings.mode < Mode::Enforce, "mode", mode(settings.mode)),
        (settings.default != Default::Deny, "default", LooseningKind::DefaultAllow),
        (settings.ignore_denylist, "ignore_denylist", LooseningKind::DenylistIgnored),
        (settings.ignore_revocations, "ignore_revocations", LooseningKind::RevocationsIgnored),
        (settings.gate && settings.gate_late == GateLate::Allow, "gate_late", LooseningKind::GateLateAllow),
    ] {
        note(holds, member.to_owned(), format!("/policy/{member}"), kind, true);
    }
    for (client, native) in &settings.native {
        let place = format!("/policy/native/{}/owner", client.replace('~', "~0").replace('/', "~1"));
        let off = native.owner == NativeOwner::Off;
        note(off, format!("native {client}"), place, LooseningKind::NativeOff, true);
    }
    for (index, rule) in document.rule.iter().enumerate() {
        let any = matches!(rule.identity, IdentityMatcher::Any {});
        let place = format!("/rule/{index}/identity");
        note(any, format!("rule {}", rule.id), place, LooseningKind::AnyIdentity, true);
    }
    for (index, ring) in document.ring.iter().enumerate() {
        let of_ring = ring.mode.unwrap_or(settings.mode);
        let (of, place) = (format!("ring {}", ring.name), format!("/ring/{index}/mode"));
        note(of_ring < Mode::Enforce, of, place, mode(of_ring), ring.mode.is_some());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(document: &str) -> Vec<(String, LooseningKind)> {
        let document: PolicyDocument = serde_json::from_str(document).unwrap();
        loosening(&document).into_iter().map(|l| (l.place, l.kind)).collect()
    }

    #[test]
    fn an_ordinary_policy_loosens_nothing() {
        let found = kinds(
            r#"{"schema":"mcpolicy/policy/v1","policy":{"name":"n","contact":"c"},
               "rule":[{"id":"a","identity":{"npm":{"package":"a"}}}],
               "deny":[{"id":"d","identity":{"any":{}},"reason":"r"}],
               "ring":[{"name":"pilot","percent":5},{"name":"all","percent":100,"mode":"enforce"}]}"#,
        );
        assert_eq!(found, []);
    }

    #[test]
    fn each_way_to_take_protection_away_is_seen() {
        let found = kinds(
            r#"{"schema":"mcpolicy/policy/v1",
               "policy":{"name":"n","contact":"c","mode":"hold","default":"allow","ignore_denylist":true,
                 "ignore_revocations":true,"native":{"cursor":{"owner":"off"},"zed":{"owner":"mdm"}}},
               "rule":[{"id":"a","identity":{"npm":{"package":"a"}}},{"id":"b","identity":{"any":{}}}],
               "ring":[{"name":"a"},{"name":"b","mode":"warn"},{"name":"c","mode":"observe"}]}"#,
        );
        let expected = [
            ("/policy/mode", LooseningKind::ModeBelowEnforce(Mode::Hold)),
            ("/policy/default", LooseningKind::DefaultAllow),
            ("/policy/ignore_denylist", LooseningKind::DenylistIgnored),
            ("/policy/ignore_revocations", LooseningKind::RevocationsIgnored),
            ("/policy/native/cursor/owner", LooseningKind::NativeOff),
            ("/rule/1/identity", LooseningKind::AnyIdentity),
            ("/ring/1/mode", LooseningKind::ModeBelowEnforce(Mode::Warn)),
            ("/ring/2/mode", LooseningKind::ModeBelowEnforce(Mode::Observe)),
        ];
        assert_eq!(found, expected.map(|(place, kind)| (place.to_owned(), kind)));
    }

    fn taken(before: &str, after: &str) -> Vec<(String, LooseningKind)> {
        let parse = |members: &str| -> PolicyDocument {
            let text = format!(r#"{{"schema":"mcpolicy/policy/v1",{members}}}"#);
            serde_json::from_str(&text).unwrap()
        };
        taken_away(&parse(before), &parse(after)).into_iter().map(|l| (l.place, l.kind)).collect()
    }

    fn settings(more: &str) -> String {
        format!(r#""policy":{{"name":"n","contact":"c"{more}}}"#)
    }

    #[test]
    fn a_gate_that_lets_late_readers_through_loosens_only_where_there_is_one() {
        let kinds = |text: &str| -> Vec<LooseningKind> {
            let text = format!(r#"{{"schema":"mcpolicy/policy/v1",{}}}"#, settings(text));
            loosening(&serde_json::from_str(&text).unwrap()).into_iter().map(|found| found.kind).collect()
        };
        assert_eq!(kinds(r#","gate":true,"gate_late":"allow""#), [LooseningKind::GateLateAllow]);
        assert_eq!(kinds(r#","gate_late":"allow""#), []);
        assert_eq!(kinds(r#","gate":true"#), []);
    }

    #[test]
    fn a_gate_counts_only_where_it_was_on() {
        let (off, on) = (settings(""), settings(r#","gate":true"#));
        assert_eq!(taken(&on, &off), [("/policy/gate".to_owned(), LooseningKind::GateOff)]);
        assert_eq!((taken(&off, &off), taken(&off, &on), taken(&on, &on)), (vec![], vec![], vec![]));
    }

    #[test]
    fn only_what_was_not_gone_before_is_taken_away() {
        let observe = LooseningKind::ModeBelowEnforce(Mode::Observe);
        let mode = |word: &str| settings(&format!(r#","mode":"{word}""#));
        assert_eq!(taken(&mode("hold"), &mode("observe")), [("/policy/mode".to_owned(), observe)]);
        assert_eq!(taken(&mode("observe"), &mode("hold")), []);
        let rules = |ids: &[&str]| {
            let rule = |id: &&str| format!(r#"{{"id":"{id}","identity":{{"any":{{}}}}}}"#);
            let rules: Vec<String> = ids.iter().map(rule).collect();
            format!(r#"{},"rule":[{}]"#, settings(""), rules.join(","))
        };
        assert_eq!(
            taken(&rules(&["a"]), &rules(&["b", "a"])),
            [("/rule/0/identity".to_owned(), LooseningKind::AnyIdentity)]
        );
    }

    #[test]
    fn a_ring_that_falls_back_to_the_mode_of_the_policy_is_seen() {
        let ring = |mode: &str| format!(r#"{},"ring":[{{"name":"a"{mode}}}]"#, settings(r#","mode":"warn""#));
        let warn = LooseningKind::ModeBelowEnforce(Mode::Warn);
        assert_eq!(taken(&ring(r#","mode":"enforce""#), &ring("")), [("/ring/0/mode".to_owned(), warn)]);
        assert_eq!(taken(&ring(""), &ring(r#","mode":"warn""#)), []);
    }
}
