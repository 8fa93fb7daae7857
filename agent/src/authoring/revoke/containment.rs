//! The containment sheet: what a revocation does by itself, and what people have to do besides. Denying a server takes it out
//! of laptops; it takes back no token that it has read, and ends no session elsewhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mcpolicy_schema::document::{Ecosystem, IdentityMatcher, Mode, PolicyDocument, Processes, Rule};
use mcpolicy_schema::identity::{Kind, package_key};
use mcpolicy_schema::limits::{DEFAULT_POLL_S, LONGEST_POLL_S, SHORTEST_POLL_S};
use mcpolicy_schema::policy::is_about_same;
use mcpolicy_schema::revocations::{Revocation, Revoked};

use crate::in_force::word;
use crate::output::text::visible;

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
    /// Hosts of remote servers: of those rules, and of what was revoked, which need not be in any rule.
    hosts: BTreeSet<String>,
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
    // agents keep to these whatever a head says
    let said = known.poll_s.map(|poll| poll.clamp(SHORTEST_POLL_S, LONGEST_POLL_S));
    let poll = said.unwrap_or(DEFAULT_POLL_S);
    // a poll is at half to one and a half of its time: half of all machines have it by then, nineteen of twenty by this
    let (half, most) = (poll / 2, poll + poll * 2 / 5);
    out.push_str("\n1. What the agents do, without you\n");
    let _ = writeln!(
        out,
        "   - take the list up at their next poll: half of those that are on within {half} s of serving the folder, 95 % within {most} s; \
         laptops that are off or offline when they come back"
    );
    if said.is_none() {
        out.push_str(
            "     (where the settings of a machine say another poll_seconds, by that: half of it, and 1.4 times of it; \
             `publish --poll-interval` gives all machines one)\n",
        );
    }
    out.push_str(
        "   - take its entries out of clients' files at once, and refuse it in every place from then on, where the mode acts\n",
    );
    known.policies.first().map(unenforced).into_iter().flatten().for_each(|line| {
        let _ = writeln!(out, "   ! {line}");
    });
    let stops = known.policies.first().is_some_and(|policy| policy.policy.processes == Processes::Stop);
    out.push_str(if stops {
        "   - end servers of it that run already, after the policy's grace\n"
    } else {
        "   - report servers of it that run already, and end none: the policy has processes = \"report\"; publish \
         processes = \"stop\" to have them ended\n"
    });
    out.push_str("   - cannot end a remote session that a client holds open: see part 3\n");
}

/// Where the newest policy has agents only report what was revoked.
fn unenforced(policy: &PolicyDocument) -> Vec<String> {
    let mut lines = Vec::new();
    let settings = &policy.policy;
    if settings.ignore_revocations {
        lines.push(
            "the policy says ignore_revocations = true: agents pass the list over; publish one without it"
                .to_owned(),
        );
    }
    let only_reports = |mode: Mode| mode < Mode::Hold;
    if only_reports(settings.mode) {
        lines.push(format!(
            "the policy has mode = \"{}\": agents only report it, and nothing is taken out or refused until a policy with \
             mode = \"enforce\" is published",
            word(settings.mode)
        ));
    }
    for ring in &policy.ring {
        if let Some(mode) = ring.mode.filter(|mode| only_reports(*mode)) {
            lines.push(format!(
                "machines of the ring {} only report it: mode = \"{}\" there",
                visible(&ring.name),
                word(mode)
            ));
        }
    }
    lines
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
        Revoked::Fingerprint(_) => out.push_str(
            "   [ ] if that entry is a remote server: take back the grants of its host's OAuth app, as `mcpolicy fleet blast` names it\n",
        ),
        _ => {}
    }
    out.push_str(
        "   [ ] what it could reach besides: every server runs as its user, and may have read that user's files, keys and other tokens\n",
    );
}

fn machines(out: &mut String, revoked: &Revoked, about: &About<'_>) {
    out.push_str("\n3. Which machines are not done\n");
    for line in who_had(revoked, about) {
        let _ = writeln!(out, "   [ ] {line}");
    }
    out.push_str(
        "   [ ] clients that may still hold it: heartbeats with restart_needed above 0, in the SIEM by docs/siem (\"restart needed\"); \
         on one machine `mcpolicy status` names them\n\
         \x20  [ ] machines that have not taken the list: heartbeats whose policy.revocations is lower than this list's number, and \
         machines that send none\n",
    );
}

/// How to see who had it, one line for each name under which records have it.
fn who_had(revoked: &Revoked, about: &About<'_>) -> Vec<String> {
    let in_table = |what: String| {
        vec![format!(
            "what was there: mcpolicy fleet RECORDS --out DIR; in its declarations.csv the lines with {what}"
        )]
    };
    let names: BTreeSet<String> = match revoked {
        Revoked::Identity(identity) => names_of(identity),
        Revoked::Rule(_) => about.rules.iter().flat_map(|rule| names_of(&rule.identity)).collect(),
        Revoked::Sha256(text) | Revoked::Fingerprint(text) => BTreeSet::from([text.clone()]),
        Revoked::Device(id) => return in_table(format!("the device {}", visible(id))),
        Revoked::User(name) => return in_table(format!("the owner {}", visible(name))),
        Revoked::Group(name) => return in_table(format!("owners that are in {}", visible(name))),
    };
    if names.is_empty() {
        return in_table(match revoked {
            Revoked::Rule(id) => format!("the rule {}", visible(id)),
            _ => "any server: everything was revoked".to_owned(),
        });
    }
    let command = |name: &String| {
        format!(
            "who had it, since when, beside which credentials: mcpolicy fleet blast {} --since TIME RECORDS",
            quoted(name)
        )
    };
    names.iter().map(command).collect()
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", visible(text).replace('\'', r"'\''"))
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
        let mut hosts: BTreeSet<String> = rules.iter().flat_map(|rule| hosts_of(&rule.identity)).collect();
        if let Revoked::Identity(identity) = revoked {
            hosts.extend(hosts_of(identity));
        }
        Self { credentials: credentials.map(String::as_str).collect(), hosts, rules }
    }
}

/// Hosts of a remote server, or of those that a bridge leads to.
fn hosts_of(identity: &IdentityMatcher) -> Vec<String> {
    match identity {
        IdentityMatcher::Url(url) => host_of(&url.url).into_iter().collect(),
        IdentityMatcher::Bridge(bridge) => bridge.targets.iter().filter_map(|url| host_of(url)).collect(),
        _ => Vec::new(),
    }
}

fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    (!host.is_empty()).then(|| visible(&host.to_ascii_lowercase()).into_owned())
}

/// The names under which records have an identity, as `fleet blast` takes them.
fn names_of(identity: &IdentityMatcher) -> BTreeSet<String> {
    let of = |kind: Kind, package: &str| {
        let name = package_key(kind, package).unwrap_or_else(|| package.to_owned());
        vec![format!("{}:{name}", kind.as_str())]
    };
    let digests = |sha256: &[String]| sha256.to_vec();
    let names = match identity {
        IdentityMatcher::Npm(package) => of(Kind::Npm, &package.package),
        // records have the name as the index compares it
        IdentityMatcher::Pypi(package) => of(Kind::Pypi, &package.package),
        IdentityMatcher::Dotnet(package) => of(Kind::Dotnet, &package.package),
        IdentityMatcher::Go(package) => of(Kind::Go, &package.package),
        IdentityMatcher::Deno(package) => of(Kind::Deno, &package.package),
        IdentityMatcher::Oci(image) => vec![format!("oci:{}", image.image)],
        IdentityMatcher::Git(git) => vec![format!("git:{}", git.repository)],
        IdentityMatcher::Url(url) => vec![url.url.clone()],
        IdentityMatcher::Bridge(bridge) => {
            // the bridge itself forwards for many: what was revoked is known by where it leads
            let targets = bridge.targets.iter().cloned();
            let package = match bridge.ecosystem {
                Ecosystem::Pypi => of(Kind::Pypi, &bridge.package).remove(0).replacen("pypi:", "bridge:", 1),
                _ => format!("bridge:{}", bridge.package),
            };
            targets.chain([package]).collect()
        }
        IdentityMatcher::Executable(program) => {
            let mut names = digests(&program.sha256);
            names.push(format!("executable:{}", program.path));
            names
        }
        IdentityMatcher::Script(script) => {
            let mut names = digests(&script.sha256);
            names.push(format!("script:{}", script.path));
            names
        }
        IdentityMatcher::Opaque(command) => {
            command.argv.first().map(|program| format!("opaque:{program}")).into_iter().collect()
        }
        IdentityMatcher::Builtin(name) => vec![format!("builtin:{name}")],
        IdentityMatcher::Any {} => Vec::new(),
    };
    names.into_iter().collect()
}

fn subject(revoked: &Revoked) -> String {
    match revoked {
        Revoked::Rule(id) => format!("what rule {id} admits"),
        Revoked::Identity(identity) => {
            let names: Vec<String> =
                names_of(identity).iter().map(|name| visible(name).into_owned()).collect();
            if names.is_empty() { "everything".to_owned() } else { names.join(", ") }
        }
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
        sheet_at(revoked, None)
    }

    fn identity(value: serde_json::Value) -> Revoked {
        Revoked::Identity(serde_json::from_value(value).unwrap())
    }

    fn sheet_at(revoked: Revoked, poll_s: Option<u32>) -> String {
        let line =
            Revocation { id: "revocation-1".to_owned(), revoked, reason: "r".to_owned(), ticket: None };
        sheet(&line, Known { policies: &[policy()], poll_s })
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

    #[test]
    fn the_sheet_promises_nothing_that_the_mode_does_not_do() {
        let line = Revocation {
            id: "revocation-1".to_owned(),
            revoked: Revoked::User("ann".to_owned()),
            reason: "r".to_owned(),
            ticket: None,
        };
        let of = |policy: PolicyDocument| sheet(&line, Known { policies: &[policy], poll_s: None });
        let mut watching = policy();
        watching.policy.mode = Mode::Warn;
        assert!(of(watching).contains("agents only report it, and nothing is taken out"));
        let mut deaf = policy();
        deaf.policy.mode = Mode::Enforce;
        assert!(!of(deaf.clone()).contains("   ! "));
        deaf.policy.ignore_revocations = true;
        assert!(of(deaf).contains("agents pass the list over"));
    }

    #[test]
    fn the_sheet_names_the_identity_provider_for_a_revoked_url_that_is_in_no_rule() {
        let text = sheet_of(identity(json!({"url": {"url": "https://evil.example.com/mcp2"}})));
        assert!(text.contains("evil.example.com: take back the grants of its OAuth app"), "{text}");
        let bridge = json!({"bridge": {"ecosystem": "npm", "package": "mcp-remote", "targets": ["https://evil.example.com/mcp"]}});
        let text = sheet_of(identity(bridge));
        assert!(text.contains("evil.example.com: take back the grants"), "{text}");
    }

    #[test]
    fn the_command_on_the_sheet_names_what_was_revoked_whatever_it_is() {
        let digest = "ab".repeat(32);
        for (revoked, name) in [
            (identity(json!({"npm": {"package": "@acme/x", "versions": "*"}})), "npm:@acme/x"),
            (identity(json!({"pypi": {"package": "Foo_Bar", "versions": "*"}})), "pypi:foo-bar"),
            (identity(json!({"oci": {"image": "evilcorp/server", "digests": ["*"]}})), "oci:evilcorp/server"),
            (
                identity(json!({"git": {"repository": "https://github.com/evil/repo", "commits": ["*"]}})),
                "git:https://github.com/evil/repo",
            ),
            (
                identity(json!({"url": {"url": "https://evil.example.com/mcp"}})),
                "https://evil.example.com/mcp",
            ),
            (
                identity(json!({"executable": {"path": "/opt/evil", "sha256": [digest]}})),
                "executable:/opt/evil",
            ),
            (identity(json!({"executable": {"path": "/opt/evil", "sha256": [digest]}})), &digest),
            (
                identity(json!({"script": {"interpreter": "node", "path": "/opt/o'x.js"}})),
                r"script:/opt/o'\''x.js",
            ),
            (identity(json!({"opaque": {"argv": ["evil", "--now"]}})), "opaque:evil"),
            (identity(json!({"builtin": "browser"})), "builtin:browser"),
            (Revoked::Rule("crm".to_owned()), "https://crm.example.com/mcp"),
            (Revoked::Sha256(digest.clone()), &digest),
            (Revoked::Fingerprint(format!("sha256:{digest}")), &format!("sha256:{digest}")),
        ] {
            let text = sheet_of(revoked);
            assert!(text.contains(&format!("mcpolicy fleet blast '{name}' --since")), "{name}: {text}");
            assert!(!text.contains("IDENTITY"), "{text}");
        }
        // what is no server has no blast
        for (revoked, words) in [
            (Revoked::Device("laptop-9".to_owned()), "the device laptop-9"),
            (Revoked::User("ann".to_owned()), "the owner ann"),
            (Revoked::Group("contractors".to_owned()), "in contractors"),
            (Revoked::Rule("gone".to_owned()), "the rule gone"),
            (identity(json!({"any": {}})), "everything was revoked"),
        ] {
            let text = sheet_of(revoked);
            assert!(text.contains(words) && !text.contains("fleet blast '"), "{text}");
        }
    }

    #[test]
    fn the_sheet_tells_times_that_agents_keep_whatever_a_head_says() {
        let of = |poll_s| sheet_at(Revoked::Rule("crm".to_owned()), poll_s);
        assert!(of(Some(86_400)).contains("within 1800 s") && of(Some(86_400)).contains("within 5040 s"));
        assert!(of(Some(1)).contains("within 15 s"), "{}", of(Some(1)));
        assert!(!of(Some(300)).contains("poll_seconds") && of(None).contains("another poll_seconds"));
    }
}
