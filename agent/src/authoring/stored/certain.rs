//! Whether a judgement of a stored entry holds on its machine too.
//!
//! An allowance holds if whatever is hidden was admitted by a wildcard that takes every such text. A denial holds if
//! every rule that was asked refuses for something that is not hidden: the condition that failed first is enough, since
//! one failed condition is a refusal whatever the later ones say.

use mcpolicy_schema::document::{IdentityMatcher, PolicyDocument, Rule};
use mcpolicy_schema::evaluate::{Context, System};
use mcpolicy_schema::finding::FindingCode as Code;
use mcpolicy_schema::identity::Kind;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::revocations::Revoked;
use mcpolicy_schema::risk::is_powerful;
use mcpolicy_schema::verdict::{DecidedBy, Judgement, Tried, Verdict};

use super::{Hidden, Stored};

/// Whether nothing that the report hides could change the verdict.
pub(super) fn is_certain(
    judgement: &Judgement,
    stored: &Stored,
    policy: &Policy,
    context: &Context<'_>,
) -> bool {
    let case = Case { stored, hidden: &stored.hidden, document: policy.document(), context };
    if judgement.verdict == Verdict::Unknown {
        return true;
    }
    if case.hidden.identity {
        return false;
    }
    match (judgement.verdict, judgement.decided_by) {
        (Verdict::Deny, DecidedBy::Revocation) => true,
        (Verdict::Deny, DecidedBy::Denylist) => case.is_on_denylist(judgement),
        (Verdict::Deny, _) => case.is_denied(judgement),
        (_, _) if case.may_be_on_denylist() || case.may_be_revoked() => false,
        (_, DecidedBy::Exception) => true,
        (_, DecidedBy::Default) => !case.may_be_excepted() && case.is_url_plain(),
        (_, _) => case.is_admitted(judgement),
    }
}

struct Case<'a> {
    stored: &'a Stored,
    hidden: &'a Hidden,
    document: &'a PolicyDocument,
    context: &'a Context<'a>,
}

impl Case<'_> {
    fn rule(&self, id: &str) -> Option<&Rule> {
        self.document.rule.iter().find(|rule| rule.id == id)
    }

    fn hides_an_argument(&self) -> bool {
        self.hidden.argument || self.hidden.plain_argument
    }

    fn is_url_plain(&self) -> bool {
        !self.hidden.query
    }

    /// A denial reads variables that runners take packages from whole, and of others URLs.
    fn hides_what_is_denied<'i>(&self, denied: impl IntoIterator<Item = &'i IdentityMatcher>) -> bool {
        let mut values = self.hidden.values.iter().chain(&self.hidden.unclear_values);
        let of_runner = values.any(|name| is_powerful(name));
        let by_url = |one: &IdentityMatcher| {
            matches!(one, IdentityMatcher::Url(_) | IdentityMatcher::Git(_) | IdentityMatcher::Bridge(_))
        };
        denied.into_iter().any(|one| of_runner || (self.hidden.address && by_url(one)))
    }

    /// A denial reads every word of an entry, so one in a hidden word is not seen.
    fn may_be_on_denylist(&self) -> bool {
        let hides = self.hides_an_argument() || self.hidden.query || self.hidden.plain_query;
        let hides = hides || self.hides_what_is_denied(self.document.deny.iter().map(|deny| &deny.identity));
        hides && !self.document.deny.is_empty() && !self.document.policy.ignore_denylist
    }

    /// What the list takes back may be in a hidden word, a file that the report has no digest of, or a group or device
    /// that it does not name.
    fn may_be_revoked(&self) -> bool {
        let Some(list) = self.context.revocations.filter(|_| !self.document.policy.ignore_revocations) else {
            return false;
        };
        let facts = self.context.facts;
        let file = match self.stored.identity.kind {
            Kind::Executable => Some(&facts.program),
            Kind::Script => Some(&facts.script),
            _ => None,
        };
        let is_unhashed = file.is_some_and(|file| file.as_ref().is_none_or(|file| file.sha256.is_none()));
        list.document().revocation.iter().any(|line| match line.revoked {
            Revoked::Group(_) => true,
            Revoked::Device(_) => self.context.device.id.is_empty(),
            Revoked::Sha256(_) => is_unhashed,
            Revoked::Identity(_)
                if self.hides_an_argument() || self.hidden.query || self.hidden.plain_query =>
            {
                true
            }
            Revoked::Identity(ref denied) => self.hides_what_is_denied([denied]),
            Revoked::Rule(_) | Revoked::Fingerprint(_) | Revoked::User(_) => false,
        })
    }

    /// A file is denied by its path unless its digest, which the report may lack, says that it is another.
    fn is_on_denylist(&self, judgement: &Judgement) -> bool {
        let deny = self.document.deny.iter().find(|deny| Some(&deny.id) == judgement.rule.as_ref());
        let facts = self.context.facts;
        match deny.map(|deny| &deny.identity) {
            Some(IdentityMatcher::Executable(_)) => {
                facts.program.as_ref().is_some_and(|f| f.sha256.is_some())
            }
            Some(IdentityMatcher::Script(_)) => facts.script.as_ref().is_some_and(|f| f.sha256.is_some()),
            _ => true,
        }
    }

    /// An exception for this very entry, but for devices of which the report says nothing.
    fn may_be_excepted(&self) -> bool {
        self.context.device.id.is_empty()
            && self
                .document
                .exception
                .iter()
                .any(|e| e.fingerprint == self.stored.fingerprint && !e.devices.is_empty())
    }

    /// Whether a report says too little of user and device to tell whom a rule concerns.
    fn is_ring_unclear(&self) -> bool {
        let rings = &self.document.ring;
        // Anybody on the machine who is named puts all of it into the ring.
        rings.iter().any(|ring| !ring.groups.is_empty() || !ring.users.is_empty())
            || (self.context.device.id.is_empty() && !rings.is_empty())
    }

    fn is_admitted(&self, judgement: &Judgement) -> bool {
        let Some(rule) = judgement.rule.as_deref().and_then(|id| self.rule(id)) else { return false };
        let hidden = self.hidden;
        let query = match &rule.identity {
            IdentityMatcher::Url(matcher) => matcher.query.values().all(|pattern| is_any(pattern)),
            _ => false,
        };
        !hidden.argument
            && !hidden.query
            && (query || !hidden.plain_query)
            && !hidden.cwd
            && hidden.unclear_values.is_empty()
            && (!hidden.client || rule.clients.is_empty())
            && (rule.rings.is_empty() || !self.is_ring_unclear())
            && hidden.values.iter().all(|name| self.admits_every_value(rule, name))
    }

    /// Whether every pattern that a value of this name may be held against is one for any text.
    fn admits_every_value(&self, rule: &Rule, name: &str) -> bool {
        let patterns = rule.env.iter().chain(&rule.headers).chain(&self.document.policy.env);
        patterns.filter(|(key, _)| key.eq_ignore_ascii_case(name)).all(|(_, pattern)| is_any(pattern))
    }

    fn is_denied(&self, judgement: &Judgement) -> bool {
        !self.may_be_excepted()
            && self.is_url_plain()
            && self.is_home_known()
            && judgement.trace.iter().all(|tried| self.is_refused(tried))
    }

    /// Without the user's home no path below `~` is compared, and no rule about one is asked.
    fn is_home_known(&self) -> bool {
        self.context.home.is_some() || self.context.device.user.is_empty()
    }

    /// Whether the condition that failed asks for nothing that is hidden.
    fn is_refused(&self, tried: &Tried) -> bool {
        let hidden = self.hidden;
        let Some(rule) = self.rule(&tried.rule) else { return false };
        match tried.reason.code {
            Code::EnvironmentNotAllowed => self.sets_an_unnamed_variable(rule) || self.knows_all_values(),
            Code::HeaderNotAllowed => self.sends_an_unnamed_header(rule) || self.knows_all_values(),
            Code::ReferenceNotAllowed => {
                !self.hides_an_argument() && hidden.unclear_values.is_empty() && !hidden.members
            }
            Code::QueryNotAllowed => {
                !self.hides_an_argument() && (!hidden.plain_query || self.has_an_unnamed_parameter(rule))
            }
            Code::MemberNotAllowed => !hidden.members,
            Code::WorkingDirectoryNotAllowed => !hidden.cwd,
            Code::OutsideRule => {
                !hidden.client && !self.may_concern(rule) && !self.hangs_on_who_is_there(rule)
            }
            Code::MissingFact => false,
            Code::VersionNotAllowed | Code::Revoked | Code::RemediationOverdue => true,
            Code::DigestNotAllowed | Code::LoopbackUnbound | Code::RunnerUserWritable => true,
            // Everything else may be about a word of the command line.
            _ => !self.hides_an_argument(),
        }
    }

    fn knows_all_values(&self) -> bool {
        self.hidden.values.is_empty() && self.hidden.unclear_values.is_empty() && !self.hides_an_argument()
    }

    fn sets_an_unnamed_variable(&self, rule: &Rule) -> bool {
        let named = |name: &str| {
            rule.env.keys().chain(self.document.policy.env.keys()).any(|listed| match self.context.system {
                System::Windows => listed.eq_ignore_ascii_case(name),
                System::Linux | System::Macos => listed == name,
            })
        };
        self.stored.entry.env.iter().any(|variable| !named(&variable.name))
    }

    fn sends_an_unnamed_header(&self, rule: &Rule) -> bool {
        let named = |name: &str| rule.headers.keys().any(|listed| listed.eq_ignore_ascii_case(name));
        self.stored.entry.headers.iter().any(|header| !named(&header.name))
    }

    fn has_an_unnamed_parameter(&self, rule: &Rule) -> bool {
        let IdentityMatcher::Url(matcher) = &rule.identity else { return false };
        let url = self.stored.entry.url.as_ref().map_or("", |url| url.expose());
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let names: Vec<&str> =
            query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).collect();
        names.iter().any(|name| !matcher.query.contains_key(*name))
            || matcher.required.iter().any(|name| !names.contains(&name.as_str()))
    }

    /// Whether only other clients that would read the file stand in the way of a rule: a report does not say which of
    /// them are in use.
    fn hangs_on_who_is_there(&self, rule: &Rule) -> bool {
        let entry = &self.stored.entry;
        let lists = |client: &str| rule.clients.iter().any(|listed| listed == client);
        let mut others = entry.readers.iter().filter(|reader| reader.setting.is_none());
        lists(entry.client) && others.any(|reader| !lists(reader.client))
    }

    /// Whether a rule for some groups, devices or rings may be for this machine all the same.
    fn may_concern(&self, rule: &Rule) -> bool {
        !rule.groups.is_empty()
            || (!rule.devices.is_empty() && self.context.device.id.is_empty())
            || (!rule.rings.is_empty() && self.is_ring_unclear())
    }
}

fn is_any(pattern: &str) -> bool {
    matches!(pattern, "*" | "**")
}
