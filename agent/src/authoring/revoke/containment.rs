//! The containment sheet: what a revocation does by itself, and what people have to do besides. Denying a server takes it out
//! of laptops; it takes back no token that it has read, and ends no session elsewhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mcpolicy_schema::document::{IdentityMatcher, PolicyDocument, Processes, Rule};
use mcpolicy_schema::limits::DEFAULT_POLL_S;
use mcpolicy_schema::policy::is_about_same;
use mcpolicy_schema::revocations::{Revocation, Revoked};

/// What is known where the sheet is made.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The policies that are published and may act, the newest first.
    pub policies: &'a [PolicyDocument],
    /// Seconds between two polls, where the head says it.
    pub poll_s: Option<u32>,
}

/// What is known of what was revoked.
struct About<'a> {
    /// Rules of the policies that admitted it.
    rules: Vec<&'a Rule>,
    /// Names of variables and headers that those let it have.
    credentials: BTreeSet<&'a str>,
    /// Hosts of remote servers.
    hosts: BTreeSet<&'a str>,
}

/// The sheet for a new line of the emergency list: three parts, in the order in which they are done.
pub fn sheet(line: &Revocation, known: Known<'_>) -> String {
    let about = About::of(&line.revoked, known.policies);
    let mut out = format!("\nContainment of {}: {}\n", line.id, subject(&line.revoked));
    ours(&mut out, known);
    theirs(&mut out, &line.revoked, &about);
    machines(&mut out, &line.revoked, &about);
    out
}

fn ours(out: &mut String, known: Known<'_>) {
    let poll = known.poll_s.unwrap_or(DEFAULT_POLL_S);
    // a poll is at half to one and a half of its time: half of all machines have it by then, nineteen of twenty by this
    let (half, most) = (poll / 2, poll + poll * 2 / 5);
    out.push_str("\n1. What the agents do, without you\n");
    let _ = writeln!(
        out,
        "   - take the list up at their next poll: half of those that are on within {half} s of serving the folder, 95 % within {most} s; \
         laptops that are off or offline when they come back"
    );
    out.push_str(
        "   - take its entries out of clients' files at once, and refuse it in every place from then on\n",
    );
    let stops = known.policies.first().is_some_and(|policy| policy.policy.processes == Processes::Stop);
    out.push_str(if stops {
        "   - end servers of it that run already, after the policy's grace\n"
    } else {
        "   - report servers of it that run already, and end none: the policy has processes = \"report\"; publish \
         processes = \"stop\" to have them ended\n"
    });
    out.push_str("   - cannot end a remote session that a client holds open: see part 3\n");
}

fn theirs(out: &mut String, revoked: &Revoked, about: &About<'_>) {
    out.push_str("\n2. What you do where its credentials come from\n");
    for host in &about.hosts {
        let _ = writeln!(
            out,
            "   [ ] {host}: take back the grants of its OAuth app for every user, and block it as an app at the identity provider"
        );
    }
    if !about.credentials.is_empty() {
        let names: Vec<&str> = about.credentials.iter().copied().collect();
        let _ = writeln!(
            out,
            "   [ ] rotate what it was given, for every user who had it: {}. A token that was read works until then",
            names.join(", ")
        );
    }
    match revoked {
        Revoked::Device(id) => {
            let _ = writeln!(
                out,
                "   [ ] {id}: end its sessions and take back its certificates in MDM and at the identity provider"
            );
        }
        Revoked::User(name) => {
            let _ = writeln!(
                out,
                "   [ ] {name}: end all sessions, take back refresh tokens and personal access tokens"
            );
        }
        Revoked::Group(name) => {
            let _ = writeln!(
                out,
                "   [ ] everybody in {name}: end sessions and take back tokens, as far as it concerns them"
            );
        }
        _ => {}
    }
    out.push_str(
        "   [ ] what it could reach besides: every server runs as its user, and may have read that user's files, keys and other tokens\n",
    );
}

fn machines(out: &mut String, revoked: &Revoked, about: &About<'_>) {
    out.push_str("\n3. Which machines are not done\n");
    let identity = match (revoked, about.rules.first()) {
        (Revoked::Identity(identity), _) => name_of(identity),
        (_, Some(rule)) => name_of(&rule.identity),
        _ => None,
    };
    let identity = identity.unwrap_or_else(|| "IDENTITY".to_owned());
    let _ = writeln!(
        out,
        "   [ ] who had it, since when, beside which credentials: mcpolicy fleet blast '{identity}' --since TIME RECORDS"
    );
    out.push_str(
        "   [ ] clients that may still hold it: heartbeats with restart_needed above 0, in the SIEM by docs/siem (\"restart needed\"); \
         on one machine `mcpolicy status` names them\n\
         \x20  [ ] machines that have not taken the list: heartbeats whose policy.revocations is lower than this list's number, and \
         machines that send none\n",
    );
}

impl<'a> About<'a> {
    fn of(revoked: &Revoked, policies: &'a [PolicyDocument]) -> Self {
        let rules = policies.iter().flat_map(|policy| &policy.rule);
        let is_meant = |rule: &&Rule| match revoked {
            Revoked::Rule(id) => rule.id == *id,
            Revoked::Identity(identity) => is_about_same(identity, &rule.identity),
            _ => false,
        };
        let rules: Vec<&Rule> = rules.filter(is_meant).collect();
        let credentials = rules.iter().flat_map(|rule| rule.env.keys().chain(rule.headers.keys()));
        let hosts = rules.iter().filter_map(|rule| host_of(&rule.identity)).collect();
        Self { credentials: credentials.map(String::as_str).collect(), hosts, rules }
    }
}

fn host_of(identity: &IdentityMatcher) -> Option<&str> {
    let IdentityMatcher::Url(url) = identity else { return None };
    let rest = url.url.split_once("://").map_or(url.url.as_str(), |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())
}

fn name_of(identity: &IdentityMatcher) -> Option<String> {
    Some(match identity {
        IdentityMatcher::Npm(package) => format!("npm:{}", package.package),
        IdentityMatcher::Pypi(package) => format!("pypi:{}", package.package),
        IdentityMatcher::Oci(image) => format!("oci:{}", image.image),
        IdentityMatcher::Url(url) => url.url.clone(),
        _ => return None,
    })
}

fn subject(revoked: &Revoked) -> String {
    match revoked {
        Revoked::Rule(id) => format!("what rule {id} admits"),
        Revoked::Identity(identity) => name_of(identity).unwrap_or_else(|| "an identity".to_owned()),
        Revoked::Sha256(digest) => format!("the file or image {digest}"),
        Revoked::Fingerprint(fingerprint) => format!("the entry {fingerprint}"),
        Revoked::Device(id) => format!("every server on device {id}"),
        Revoked::User(name) => format!("every server of user {name}"),
        Revoked::Group(name) => format!("every server of group {name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy() -> PolicyDocument {
        serde_json::from_value(json!({
            "schema": "mcpolicy/policy/v1",
            "policy": {"name": "fleet", "contact": "#mcp-help"},
            "rule": [
                {"id": "github", "identity": {"npm": {"package": "@acme/github", "versions": "1.0.0"}},
                 "env": {"GITHUB_TOKEN": "*"}},
                {"id": "crm", "identity": {"url": {"url": "https://crm.example.com/mcp"}},
                 "headers": {"Authorization": "*"}},
            ],
        }))
        .unwrap()
    }

    fn sheet_of(revoked: Revoked) -> String {
        let line =
            Revocation { id: "revocation-1".to_owned(), revoked, reason: "r".to_owned(), ticket: None };
        sheet(&line, Known { policies: &[policy()], poll_s: None })
    }

    #[test]
    fn the_sheet_names_the_tokens_to_rotate_and_the_grants_to_take_back() {
        let text = sheet_of(Revoked::Rule("github".to_owned()));
        assert!(text.contains("rotate what it was given") && text.contains("GITHUB_TOKEN"), "{text}");
        assert!(text.contains("fleet blast 'npm:@acme/github'"), "{text}");
        assert!(text.contains("within 60 s") && text.contains("95 % within 168 s"), "{text}");
        let text = sheet_of(Revoked::Rule("crm".to_owned()));
        assert!(
            text.contains("crm.example.com: take back the grants") && text.contains("Authorization"),
            "{text}"
        );
    }

    #[test]
    fn the_sheet_says_what_is_not_done_by_itself() {
        let text = sheet_of(Revoked::User("ann".to_owned()));
        assert!(text.contains("ann: end all sessions") && text.contains("end none"), "{text}");
        assert!(text.contains("cannot end a remote session") && text.contains("restart_needed"), "{text}");
    }
}
