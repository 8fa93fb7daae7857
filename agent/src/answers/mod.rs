//! Answers for people: what is allowed, why something is not, and what to do now.
//!
//! Data in, answer out: nothing here looks at a disk but [`add`], which writes. Whoever has the policy and knows what was
//! found (a command, or the daemon for a user who may not look at either) asks the same functions and gets the same
//! types. Everything in an answer is redacted.

pub mod add;
pub mod catalog;
pub mod check;
pub mod explain;
pub mod launch;
pub mod request;
pub mod spec;
pub mod taken;
#[cfg(test)]
pub(crate) mod testing;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mcpolicy_schema::document::Rule;
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::revocations::Revoked;
use mcpolicy_schema::verdict::Verdict;
use serde::{Deserialize, Serialize};

use crate::in_force::InForce;

/// Who asks, as rules name him.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// The user.
    pub user: String,
    /// Groups of user and machine, where some rule names any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The machine's id; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub device: String,
    /// The machine's ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
}

/// An approved server, offered in place of something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Id of its rule.
    pub rule: String,
    /// The name by which it is asked for.
    pub name: String,
    /// Kind and name of what it runs or contacts.
    pub what: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whom to ask about it.
    pub contact: String,
}

/// Most offers of one answer: a choice, not a list.
const MAX_OFFERS: usize = 3;

/// By which policy an answer is given.
#[derive(Clone, Copy)]
pub struct By<'a> {
    /// The policy.
    pub in_force: &'a InForce,
    /// Who asks.
    pub asker: &'a Asker,
    /// When.
    pub now: Timestamp,
}

impl<'a> By<'a> {
    /// How an answer names the policy.
    pub fn about(self) -> v1::PolicyInForce {
        self.in_force.about(self.asker.ring.as_deref())
    }

    fn rules(self) -> &'a [Rule] {
        &self.in_force.policy.document().rule
    }

    fn contact(self) -> &'a str {
        &self.in_force.policy.document().policy.contact
    }

    /// Whom to ask about a rule.
    fn asked_about(self, rule: &'a Rule) -> &'a str {
        rule.contact.as_deref().or(rule.owner.as_deref()).unwrap_or(self.contact())
    }

    fn rule(self, id: &str) -> Option<&'a Rule> {
        self.rules().iter().find(|rule| rule.id == id)
    }

    /// Whether a rule allows anything at all to this user now.
    fn is_usable(self, rule: &Rule) -> bool {
        let revoked = self.in_force.revocations.iter().flat_map(|list| &list.document().revocation);
        let is_revoked = revoked.into_iter().any(|line| match &line.revoked {
            Revoked::Rule(id) => *id == rule.id,
            Revoked::User(user) => user.eq_ignore_ascii_case(&self.asker.user),
            Revoked::Device(device) => device.eq_ignore_ascii_case(&self.asker.device),
            Revoked::Group(group) => self.asker.groups.iter().any(|own| own.eq_ignore_ascii_case(group)),
            Revoked::Identity(_) | Revoked::Sha256(_) | Revoked::Fingerprint(_) => false,
        });
        let today = self.now.to_zoned(TimeZone::UTC).date();
        let is_overdue = rule.remediation.as_ref().is_some_and(|due| !due.done && today > due.deadline);
        !is_revoked && !is_overdue && self.is_for(rule)
    }

    /// Whether a rule is for this user: as the evaluation reads its lists, one of them is enough.
    fn is_for(self, rule: &Rule) -> bool {
        let Asker { user, groups, device, ring } = self.asker;
        let names = |list: &[String], name: &str| !name.is_empty() && list.iter().any(|one| one == name);
        let is_open =
            [&rule.users, &rule.groups, &rule.devices, &rule.rings].iter().all(|list| list.is_empty());
        is_open
            || names(&rule.users, user)
            || names(&rule.devices, device)
            || rule.groups.iter().any(|group| groups.contains(group))
            || names(&rule.rings, ring.as_deref().unwrap_or_default())
    }

    fn offer(self, rule: &Rule) -> Offer {
        let (kind, name) = catalog::identity_of(&rule.identity);
        Offer {
            rule: rule.id.clone(),
            name: catalog::name_of(rule).to_owned(),
            what: format!("{kind}:{name}"),
            description: rule.description.clone(),
            contact: rule.contact.clone().unwrap_or_else(|| self.contact().to_owned()),
        }
    }

    /// The nearest approved servers: what the deciding rule offers, rules that are about the same thing, the one whose
    /// name the entry bears, and last those of the same words.
    pub fn offers(self, name: &str, identity: &str, judged: &v1::Judged) -> Vec<Offer> {
        if judged.verdict == Verdict::Allow {
            return Vec::new();
        }
        let offered = judged.alternatives.iter().filter_map(|id| self.rule(id));
        let about_same = judged.trace.iter().rev().filter_map(|tried| self.rule(&tried.rule));
        let of_name = self.rules().iter().filter(|rule| catalog::is_called(rule, name));
        let alike = self.rules().iter().filter(|rule| {
            let (_, other) = catalog::identity_of(&rule.identity);
            is_alike(identity, &other)
        });
        let mut offers: Vec<Offer> = Vec::new();
        for rule in offered.chain(about_same).chain(of_name).chain(alike) {
            let is_new = offers.iter().all(|offer| offer.rule != rule.id);
            if is_new && self.is_usable(rule) && catalog::is_server(rule) {
                offers.push(self.offer(rule));
            }
        }
        offers.truncate(MAX_OFFERS);
        offers
    }

    /// What to do now about an entry, each step a sentence. `asked` is how `request` names it; without one, only what
    /// can be done by somebody else is said.
    pub fn steps(
        self,
        judged: &v1::Judged,
        offers: &[Offer],
        client: Option<&str>,
        asked: &str,
    ) -> Vec<String> {
        if judged.verdict == Verdict::Allow {
            return Vec::new();
        }
        let mut steps = Vec::new();
        if let Some(version) = &judged.pin {
            steps.push(format!("Write the version {version}: nothing else is wrong with it."));
        }
        if let Some(offer) = offers.first() {
            let client = client.filter(|client| *client != mcpolicy_schema::entry::UNKNOWN_CLIENT);
            let client = client.unwrap_or("CLIENT");
            steps.push(format!(
                "Use what is approved: `mcpolicy add {} --client {client}` writes it.",
                word(&offer.name)
            ));
        }
        let contact = judged.contact.as_deref().unwrap_or(self.contact());
        steps.push(format!("Ask {contact}, and say what you need it for."));
        steps.push(format!("Or put it in a request: `mcpolicy request {asked} --reason \"…\"`."));
        steps
    }
}

/// What a finding code means and what to do, as docs/findings.md says it.
pub(crate) fn said_of(code: &str) -> Option<FindingCode> {
    FindingCode::ALL.iter().copied().find(|known| known.as_str() == code)
}

/// A name as a word of a command line.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@+=".contains(&b);
    if !text.is_empty() && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Whether two names of packages, images or hosts have a telling word in common: what every server is called tells
/// nothing.
fn is_alike(one: &str, other: &str) -> bool {
    const COMMON: &[&str] = &[
        "mcp",
        "server",
        "servers",
        "api",
        "com",
        "org",
        "dev",
        "net",
        "http",
        "https",
        "www",
        "app",
        "client",
        "the",
        "latest",
        "modelcontextprotocol",
        "io",
        "github",
        "ghcr",
        "docker",
    ];
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
        words.filter(|word| word.len() > 2 && !COMMON.contains(&word.as_str())).collect()
    };
    let others = words(other);
    words(one).iter().any(|word| others.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_by_a_telling_word_only() {
        assert!(is_alike("postgres-mcp", "@acme/mcp-server-postgres"));
        assert!(is_alike("https://mcp.linear.app/sse", "https://mcp.linear.app/mcp"));
        assert!(!is_alike("@evil/mcp-server", "@acme/mcp-server"));
        assert!(!is_alike("https://a.example/mcp", "https://b.test/mcp"));
    }

    #[test]
    fn a_name_becomes_one_word_of_a_command_line() {
        assert_eq!(word("github"), "github");
        assert_eq!(word("a b; rm -rf '~'"), "'a b; rm -rf '\\''~'\\'''");
        assert_eq!(word(""), "''");
    }
}
