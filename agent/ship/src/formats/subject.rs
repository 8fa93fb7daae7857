//! What a record is about, whatever its kind.

use serde_json::{Map, Value};

use super::text;

/// Read once, for every format.
#[derive(Debug, Default)]
pub(super) struct Subject<'a> {
    pub(super) kind: &'a str,
    /// The code of a finding, an action's reason or an event.
    pub(super) code: Option<&'a str>,
    /// In words.
    pub(super) message: Option<&'a str>,
    /// `info` to `critical`.
    pub(super) severity: &'a str,
    /// Name of the server.
    pub(super) server: Option<&'a str>,
    pub(super) fingerprint: Option<&'a str>,
    pub(super) identity: Identity<'a>,
    pub(super) user: Option<&'a str>,
    pub(super) path: Option<&'a str>,
    pub(super) rule: Option<&'a str>,
    /// `allow`, `deny` or `unknown`.
    pub(super) verdict: Option<&'a str>,
    pub(super) remedy: Option<&'a str>,
    /// What was done about it.
    pub(super) action: Option<&'a str>,
    /// `applied`, `skipped`, `conflict` or `failed`.
    pub(super) outcome: Option<&'a str>,
    /// Name of the policy that was in force.
    pub(super) policy: Option<&'a str>,
    /// It belongs to what is kept longest.
    pub(super) is_violation: bool,
}

/// What a server would run or contact.
#[derive(Debug, Default)]
pub(super) struct Identity<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) version: Option<&'a str>,
}

impl<'a> Subject<'a> {
    pub(super) fn of(record: &'a Map<String, Value>) -> Self {
        let at = |pointer: &str| text(record, pointer);
        let first = |pointers: &[&str]| pointers.iter().find_map(|pointer| at(pointer));
        let is_violation = at("class") == Some("violation");
        let is_call = at("kind") == Some("tool-call");
        // a call that was refused is worth a look; the one that was let through is none
        let is_refused = is_call && at("decision") == Some("deny");
        let otherwise = if is_violation || is_refused { "medium" } else { "info" };
        Self {
            kind: at("kind").unwrap_or("unknown"),
            code: if is_call {
                at("reason")
            } else {
                first(&["finding/code", "code", "entry/judged/reason", "gap/kind"])
            },
            message: first(&[
                "finding/message",
                "detail",
                "entry/judged/detail",
                "gap/reason",
                "request/reason",
                "reason",
            ]),
            severity: at("finding/severity").unwrap_or(otherwise),
            server: first(&["entry/name", "finding/name", "request/name", "server"]),
            fingerprint: first(&["entry/fingerprint", "request/fingerprint", "fingerprint"]),
            identity: Identity {
                kind: first(&["entry/identity/kind", "request/identity/kind", "identity/kind"]),
                name: first(&["entry/identity/name", "request/identity/name", "identity/name"]),
                version: first(&["entry/identity/version", "request/identity/version", "identity/version"]),
            },
            user: first(&["entry/user", "finding/user", "source/user", "request/user", "gap/user", "user"]),
            path: first(&["entry/source/path", "finding/source/path", "source/path", "gap/path", "path"]),
            rule: first(&["entry/judged/rule", "finding/judged/rule", "rule"]),
            verdict: first(&["entry/judged/verdict", "finding/verdict", "finding/judged/verdict"]),
            remedy: at("finding/remedy"),
            // of a call what was decided is what was done
            action: first(&["action", "decision"]),
            outcome: first(&["outcome", "result"]),
            policy: at("policy/name"),
            is_violation,
        }
    }

    /// Whether the policy does not allow it.
    pub(super) fn is_denied(&self) -> bool {
        self.verdict.is_some_and(|verdict| verdict != "allow")
    }

    /// One line for people.
    pub(super) fn title(&self) -> String {
        let what = self.action.or(self.code).unwrap_or(self.kind);
        match (self.server, self.outcome) {
            (Some(server), Some(outcome)) => format!("{what} {server}: {outcome}"),
            (Some(server), None) => format!("{what}: {server}"),
            (None, _) => what.to_owned(),
        }
    }
}
