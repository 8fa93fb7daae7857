//! What in a policy takes protection away, so that one stolen or careless key must not be enough to sign it.
//!
//! Computed from the document that is signed, never taken from what its author says of it. An ordinary allow rule does
//! not count: it is what policies are for. Nor does a gate that is off: it is off unless a policy wants it, and to
//! judge a policy by the one before it would let two machines with different pasts disagree about one signature.

use std::fmt;

use crate::document::{Default, IdentityMatcher, Mode, NativeOwner, PolicyDocument};

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
    let settings = &document.policy;
    let mut found = Vec::new();
    let mut note = |holds: bool, place: String, kind: LooseningKind| {
        if holds {
            found.push(Loosening { place, kind });
        }
    };
    let mode = |mode: Mode| LooseningKind::ModeBelowEnforce(mode);
    note(settings.mode < Mode::Enforce, "/policy/mode".to_owned(), mode(settings.mode));
    note(settings.default != Default::Deny, "/policy/default".to_owned(), LooseningKind::DefaultAllow);
    note(settings.ignore_denylist, "/policy/ignore_denylist".to_owned(), LooseningKind::DenylistIgnored);
    let revocations = "/policy/ignore_revocations".to_owned();
    note(settings.ignore_revocations, revocations, LooseningKind::RevocationsIgnored);
    for (client, native) in &settings.native {
        let place = format!("/policy/native/{}/owner", client.replace('~', "~0").replace('/', "~1"));
        note(native.owner == NativeOwner::Off, place, LooseningKind::NativeOff);
    }
    for (index, rule) in document.rule.iter().enumerate() {
        let any = matches!(rule.identity, IdentityMatcher::Any {});
        note(any, format!("/rule/{index}/identity"), LooseningKind::AnyIdentity);
    }
    for (index, ring) in document.ring.iter().enumerate() {
        let of_ring = ring.mode.unwrap_or(Mode::Enforce);
        note(of_ring < Mode::Enforce, format!("/ring/{index}/mode"), mode(of_ring));
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
}
