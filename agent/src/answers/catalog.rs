//! `catalog`: the approved servers of a policy, as a developer reads them.

use mcpolicy_schema::document::{AuthKind, IdentityMatcher, Rule};
use mcpolicy_schema::entry::{Scope, Transport};
use mcpolicy_schema::report::v1;
use serde::{Deserialize, Serialize};

use super::{Asker, By};

/// The value of [`Catalog::schema`].
pub const SCHEMA: &str = "mcpolicy/catalog/v1";

/// What is approved for one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// Always `mcpolicy/catalog/v1`.
    pub schema: String,
    /// The policy.
    pub policy: v1::PolicyInForce,
    /// Who asked.
    pub asker: Asker,
    /// The word that was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// The servers, in the policy's order.
    pub servers: Vec<Approved>,
    /// So many others are approved for other people or machines, or not any more.
    pub others: usize,
    /// What no rule names is allowed, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anything_else: bool,
}

/// One approved server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Id of its rule.
    pub rule: String,
    /// The name by which it is asked for.
    pub name: String,
    /// Names that its entries usually have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `npm`, `url`, `oci` …
    pub kind: String,
    /// Package, image, URL or path.
    pub identity: String,
    /// The version that entries have to name; absent where none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Who makes it: `vendor`, `internal` or `community`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Only in these clients; empty: in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// Only in these scopes; empty: in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<Scope>,
    /// Only over these transports; empty: over all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<Transport>,
    /// What it wants to know of its caller, and where that comes from.
    pub credentials: Credentials,
    /// What it can do to data: `none`, `read-only`, `replica` or `read-write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_access: Option<String>,
    /// Day of the next review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_by: Option<String>,
    /// What has to be put right, and by when, for it to stay approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Whom to ask about it.
    pub contact: String,
    /// The command that writes it, with `CLIENT` for the client.
    pub add: String,
}

/// The credentials of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// `oauth`, `key` or `none`; absent where the policy does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Variables that it may be given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Headers that it may be sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// What the credential may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may: Vec<String>,
    /// How long one lives, in hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_hours: Option<u32>,
    /// How often it is replaced, in days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_days: Option<u32>,
    /// How to get it, in a sentence.
    pub how: String,
}

/// Kind and name of what a rule is about, for people.
pub fn identity_of(matcher: &IdentityMatcher) -> (&'static str, String) {
    use IdentityMatcher as M;
    let name = match matcher {
        M::Npm(p) | M::Pypi(p) | M::Dotnet(p) | M::Go(p) | M::Deno(p) => p.package.clone(),
        M::Oci(image) => image.image.clone(),
        M::Git(git) => git.repository.clone(),
        M::Url(url) => url.url.clone(),
        M::Bridge(bridge) => bridge.package.clone(),
        M::Executable(file) => file.path.clone(),
        M::Script(script) => format!("{} {}", script.interpreter, script.path),
        M::Opaque(command) => command.argv.join(" "),
        M::Builtin(name) => name.clone(),
        M::Any {} => "everything".to_owned(),
    };
    (matcher.kind(), name)
}

/// The name by which people ask for the server of a rule.
pub fn name_of(rule: &Rule) -> &str {
    rule.names.first().map_or(&rule.id, |name| name)
}

/// Whether a rule's server is called so: its id, or a usual name, in any case of letters.
pub fn is_called(rule: &Rule, name: &str) -> bool {
    rule.id == name || rule.names.iter().any(|usual| usual.eq_ignore_ascii_case(name))
}

/// Whether a rule is about one server, and not about everything.
pub(super) fn is_server(rule: &Rule) -> bool {
    !matches!(rule.identity, IdentityMatcher::Any {})
}

/// What is approved for whoever asks; with a word, of that only what has it in its names, identity or description.
pub fn catalog(by: By<'_>, word: Option<&str>) -> Catalog {
    let document = by.in_force.policy.document();
    let (usable, others): (Vec<&Rule>, Vec<&Rule>) =
        document.rule.iter().partition(|rule| by.is_usable(rule));
    let wanted = word.map(str::to_lowercase);
    let has_word = |rule: &&&Rule| {
        let Some(word) = &wanted else { return true };
        let (_, identity) = identity_of(&rule.identity);
        let texts = [Some(rule.id.as_str()), Some(identity.as_str()), rule.description.as_deref()];
        let names = rule.names.iter().map(String::as_str);
        texts.into_iter().flatten().chain(names).any(|text| text.to_lowercase().contains(word.as_str()))
    };
    let servers =
        usable.iter().filter(|rule| is_server(rule)).filter(has_word).map(|rule| approved(by, rule));
    Catalog {
        schema: SCHEMA.to_owned(),
        policy: by.about(),
        asker: by.asker.clone(),
        word: word.map(str::to_owned),
        servers: servers.collect(),
        others: others.len(),
        anything_else: document.policy.default == mcpolicy_schema::document::Default::Allow
            || usable.iter().any(|rule| !is_server(rule)),
    }
}

/// The rules that a name stands for, among those that this user may use: the one of that id, else all of that name.
pub fn named<'a>(by: By<'a>, name: &str) -> Vec<&'a Rule> {
    let usable = || by.rules().iter().filter(|rule| by.is_usable(rule) && is_server(rule));
    match usable().find(|rule| rule.id == name) {
        Some(rule) => vec![rule],
        None => usable().filter(|rule| is_called(rule, name)).collect(),
    }
}

fn approved<'a>(by: By<'a>, rule: &'a Rule) -> Approved {
    let (kind, identity) = identity_of(&rule.identity);
    let text = |value: &Option<jiff::civil::Date>| value.map(|day| day.to_string());
    Approved {
        rule: rule.id.clone(),
        name: name_of(rule).to_owned(),
        names: rule.names.clone(),
        description: rule.description.clone(),
        kind: kind.to_owned(),
        identity,
        version: version_of(by, rule),
        class: rule.class.map(|class| kebab(&class)),
        owner: rule.owner.clone(),
        clients: rule.clients.clone(),
        scopes: rule.scopes.clone(),
        transports: rule.transports.clone(),
        credentials: credentials(by, rule),
        data_access: rule.data_access.map(|access| kebab(&access)),
        review_by: text(&rule.review_by),
        condition: rule
            .remediation
            .as_ref()
            .filter(|due| !due.done)
            .map(|due| format!("{} (by {})", due.what, due.deadline)),
        ticket: rule.ticket.clone(),
        contact: rule.contact.clone().unwrap_or_else(|| by.contact().to_owned()),
        add: format!("mcpolicy add {} --client CLIENT", super::word(name_of(rule))),
    }
}

/// A word as the policy writes it.
fn kebab(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What entries have to ask for.
fn version_of(by: By<'_>, rule: &Rule) -> Option<String> {
    use IdentityMatcher as M;
    let asked = match &rule.identity {
        M::Npm(p) | M::Pypi(p) | M::Dotnet(p) | M::Go(p) | M::Deno(p) => p.versions.clone(),
        M::Bridge(bridge) => bridge.versions.clone(),
        M::Oci(image) => image.digests.iter().chain(&image.tags).cloned().collect::<Vec<_>>().join(", "),
        M::Git(git) => git.commits.join(", "),
        M::Url(_) | M::Executable(_) | M::Script(_) | M::Opaque(_) | M::Builtin(_) | M::Any {} => {
            return None;
        }
    };
    let pin = by.in_force.policy.pin_of(&rule.id);
    let version = pin.unwrap_or(asked);
    Some(version).filter(|version| !version.is_empty())
}

fn credentials<'a>(by: By<'a>, rule: &'a Rule) -> Credentials {
    let contact = by.asked_about(rule);
    let variables: Vec<String> = rule.env.keys().cloned().collect();
    let headers: Vec<String> = rule.headers.keys().cloned().collect();
    let kind = rule.auth.as_ref().map(|auth| auth.kind);
    let how = match kind {
        Some(AuthKind::Oauth) => {
            "sign in when the client asks (OAuth); nothing is kept in the entry".to_owned()
        }
        Some(AuthKind::None) => "none is needed".to_owned(),
        Some(AuthKind::Key) => format!("ask {contact} for a key{}", place_of(&variables, &headers)),
        None if variables.is_empty() && headers.is_empty() => "none is known to be needed".to_owned(),
        None => format!("the policy does not say; ask {contact}{}", place_of(&variables, &headers)),
    };
    Credentials {
        kind: kind.map(|kind| kebab(&kind)),
        variables,
        headers,
        may: rule.credential_scopes.clone(),
        lifetime_hours: rule.token.as_ref().and_then(|token| token.lifetime_hours),
        rotation_days: rule.token.as_ref().and_then(|token| token.rotation_days),
        how,
    }
}

fn place_of(variables: &[String], headers: &[String]) -> String {
    match (variables, headers) {
        ([], []) => String::new(),
        ([], headers) => format!("; it is sent as {}", headers.join(", ")),
        (variables, _) => format!("; it is given as {}", variables.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::testing::{asker, draft};

    const POLICY: &str = r#"
[[rule]]
id = "github"
description = "Issues and pull requests"
identity.npm = { package = "@acme/github-mcp", versions = "1.2.3" }
env = { GITHUB_TOKEN = "*" }
names = ["github", "gh"]
owner = "platform"
class = "internal"
auth = { kind = "key" }
data_access = "read-write"
review_by = "2027-01-31"
contact = "@platform"

[[rule]]
id = "payroll"
identity.url = { url = "https://payroll.example.com/mcp" }
users = ["bob"]

[[rule]]
id = "overdue"
identity.url = { url = "https://old.example.com/mcp" }
remediation = { what = "sign its releases", deadline = "2026-01-01" }
"#;

    #[test]
    fn a_user_sees_what_is_approved_for_him_with_all_that_he_needs_to_use_it() {
        let in_force = draft(POLICY);
        let asker = asker("ann");
        let by = By { in_force: &in_force, asker: &asker, now: "2026-11-21T10:00:00Z".parse().unwrap() };
        let told = catalog(by, None);
        assert_eq!((told.servers.len(), told.others), (1, 2));
        let server = &told.servers[0];
        assert_eq!((&*server.name, server.version.as_deref()), ("github", Some("1.2.3")));
        assert_eq!(server.credentials.how, "ask @platform for a key; it is given as GITHUB_TOKEN");
        assert_eq!(server.class.as_deref(), Some("internal"));
        assert_eq!(server.data_access.as_deref(), Some("read-write"));
        assert_eq!(server.add, "mcpolicy add github --client CLIENT");
        let json = serde_json::to_string(&told).unwrap();
        assert_eq!(serde_json::from_str::<Catalog>(&json).unwrap(), told);
        assert!(!json.contains("payroll"), "what is for others is counted, and not told");
        let bob = Asker { user: "bob".to_owned(), ..asker.clone() };
        assert_eq!(catalog(By { asker: &bob, ..by }, Some("PAYROLL")).servers[0].rule, "payroll");
        assert_eq!(catalog(by, Some("pull")).servers.len(), 1);
        assert_eq!(catalog(by, Some("nothing")).servers.len(), 0);
    }

    #[test]
    fn a_name_stands_for_the_rule_of_that_id_before_those_of_that_name() {
        let in_force = draft(
            "[[rule]]\nid = \"a\"\nnames = [\"x\"]\nidentity.npm = { package = \"a\" }\n[[rule]]\nid = \"x\"\nidentity.npm = { package = \"b\" }\n[[rule]]\nid = \"c\"\nnames = [\"X\", \"y\"]\nidentity.npm = { package = \"c\" }\n[[rule]]\nid = \"d\"\nnames = [\"Y\"]\nidentity.npm = { package = \"d\" }\n",
        );
        let asker = asker("ann");
        let by = By { in_force: &in_force, asker: &asker, now: "2026-11-21T10:00:00Z".parse().unwrap() };
        let ids = |name: &str| named(by, name).iter().map(|rule| rule.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids("x"), ["x"]);
        assert_eq!(ids("y"), ["c", "d"]);
        assert_eq!(ids("z"), Vec::<String>::new());
    }
}
