//! `check`: what the policy says of something that stands in no file yet, and what exactly it would run.

use mcpolicy_schema::entry::UNKNOWN_CLIENT;
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::identity::{Identity, Kind};
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::Verdict;
use serde::{Deserialize, Serialize};

use super::spec::Spec;
use super::{Asker, By, Offer, said_of};
use crate::assess::assess;
use crate::judge::Judge;
use crate::pipeline::{Ground, Outcome, SourceResult};
use crate::report;

/// The value of [`Checked::schema`].
pub const SCHEMA: &str = "mcpolicy/check/v1";

/// What the policy says of what was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Always `mcpolicy/check/v1`.
    pub schema: String,
    /// The gravest verdict of all.
    pub verdict: Verdict,
    /// The policy.
    pub policy: v1::PolicyInForce,
    /// Who asked.
    pub asker: Asker,
    /// What the answer may hang on and was not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_known: Vec<String>,
    /// The servers.
    pub servers: Vec<CheckedServer>,
}

/// One server that was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedServer {
    /// The entry with its verdict, redacted.
    pub entry: v1::Entry,
    /// What exactly would run or be contacted.
    pub would_run: WouldRun,
    /// What is risky about it, besides the verdict.
    pub findings: Vec<v1::Finding>,
    /// What the reason means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// What to do about the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The nearest approved servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
    /// What to do now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

/// What would run or be contacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WouldRun {
    /// Kind and name.
    pub identity: String,
    /// Who decides which version it is, in a sentence.
    pub version: String,
    /// What starts it: `npx`, `docker run` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    /// Programs in front of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrappers: Vec<String>,
    /// Further code that is loaded beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// Registries that the arguments name; empty: those that the runner is set up with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<String>,
    /// Where a bridge leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Arguments that reach the server itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Names of variables that it is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Names of headers that it is sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// The file that it would be started from, where the machine has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Judges what was asked about as if it stood in a file of the home `home` of the ground.
pub fn check(
    spec: &Spec,
    by: By<'_>,
    judge: &mut Judge<'_>,
    (ground, home): (&Ground, usize),
    redactor: &Redactor,
) -> Checked {
    let layout = &ground.homes[home].layout;
    let source = spec.source(&layout.home, Some(home));
    let result = SourceResult {
        source,
        state: "read",
        bytes: None,
        digest: None,
        findings: Vec::new(),
        environment: Vec::new(),
    };
    let place = layout.home.to_str();
    let entries = spec.entries.iter().map(|entry| assess(entry.clone(), 0, place, redactor)).collect();
    let mut outcome = Outcome { sources: vec![result], entries, ..Outcome::default() };
    judge.judge(&mut outcome);
    let told = report::entries(ground, &outcome, by.in_force.sequence.is_some(), redactor);
    let servers: Vec<CheckedServer> = told
        .into_iter()
        .map(|(at, entry, findings)| {
            let would_run = would_run(&outcome.entries[at].identity, &entry, redactor);
            server(entry, would_run, findings, spec, by)
        })
        .collect();
    let verdicts = servers.iter().filter_map(|server| server.entry.judged.as_ref());
    Checked {
        schema: SCHEMA.to_owned(),
        verdict: verdicts.map(|judged| judged.verdict).max().unwrap_or(Verdict::Unknown),
        policy: by.about(),
        asker: by.asker.clone(),
        not_known: not_known(spec, by),
        servers,
    }
}

fn server(
    mut entry: v1::Entry,
    would_run: WouldRun,
    findings: Vec<v1::Finding>,
    spec: &Spec,
    by: By<'_>,
) -> CheckedServer {
    // the file is none of anybody's
    entry.source = v1::Location { path: String::new(), line: None, column: None, start: None, end: None };
    let identity = format!("{} {}", entry.identity.kind, entry.identity.name);
    let judged = entry.judged.as_ref();
    let offers = judged.map(|judged| by.offers(&entry.name, &identity, judged)).unwrap_or_default();
    let asked = if entry.name.is_empty() || entry.name == "asked" {
        "SPEC (as you gave it to `check`)".to_owned()
    } else {
        super::word(&entry.name)
    };
    let next = judged.map(|judged| by.steps(judged, &offers, spec.client, &asked)).unwrap_or_default();
    let code = judged.and_then(|judged| judged.reason.as_deref()).and_then(said_of);
    // the verdict stands in the entry; and that no client was named is no finding about a file, since there is none
    let is_about_it = |finding: &v1::Finding| {
        finding.verdict.is_none() && finding.code != FindingCode::UnknownClient.as_str()
    };
    let findings = findings.into_iter().filter(is_about_it).collect();
    CheckedServer {
        would_run,
        findings,
        meaning: code.map(|code| code.description().to_owned()),
        remedy: code.map(|code| code.remedy().to_owned()),
        offers,
        next,
        entry,
    }
}

/// What an identity comes to, in words and redacted.
pub fn would_run(identity: &Identity, entry: &v1::Entry, redactor: &Redactor) -> WouldRun {
    let shown = |texts: &[String]| texts.iter().map(|text| redactor.text(text)).collect();
    let names = |given: &[mcpolicy_schema::entry::NamedValue]| {
        given.iter().map(|one| redactor.name(&one.name)).collect::<Vec<_>>()
    };
    let with = |keys: &[String], more: Vec<String>| {
        let mut all: Vec<String> = keys.iter().cloned().chain(more).collect();
        all.sort();
        all.dedup();
        all
    };
    let file = entry.facts.as_ref().and_then(|facts| facts.program.as_ref());
    WouldRun {
        identity: format!("{}:{}", entry.identity.kind, entry.identity.name),
        version: version(identity, &entry.identity),
        runner: identity.runner.as_deref().map(|runner| redactor.text(runner)),
        wrappers: identity.wrappers.clone(),
        beside: shown(&identity.extra_packages),
        registries: identity.registries.iter().map(|url| redactor.url(url)).collect(),
        target: identity.target.as_deref().map(|target| redactor.url(target)),
        args: redactor.args(&identity.server_args),
        variables: with(&entry.env_keys, names(&identity.argument_env)),
        headers: with(&entry.header_keys, names(&identity.argument_headers)),
        file: file.map(|file| file.real_path.clone()),
    }
}

/// Who decides what it is that runs.
fn version(identity: &Identity, shown: &v1::Identity) -> String {
    let runner = identity.runner.as_deref().unwrap_or("its runner");
    let asked = shown.version.as_deref();
    match (identity.kind, asked) {
        (Kind::Url, _) => "whoever runs that server decides what answers".to_owned(),
        (Kind::Executable | Kind::Script, _) => "whatever lies at that path when it is started".to_owned(),
        (Kind::Opaque, _) => "what it runs cannot be told from its text".to_owned(),
        (Kind::Builtin, _) => "it is part of the client".to_owned(),
        (_, Some(version)) if identity.pinned => format!("exactly {version}"),
        (Kind::Oci, Some(tag)) => {
            format!("whatever the tag {tag} leads to when {runner} pulls it: its owner can move it")
        }
        (Kind::Oci, None) => format!("whatever `latest` leads to when {runner} pulls it"),
        (_, Some(range)) => format!("whatever the registry has for {range} when {runner} starts it"),
        (_, None) => {
            format!("the newest that the registry has when {runner} starts it: nobody has looked at that one")
        }
    }
}

/// What the answer may hang on.
fn not_known(spec: &Spec, by: By<'_>) -> Vec<String> {
    let document = by.in_force.policy.document();
    let mut out = Vec::new();
    if spec.client.is_none() && document.rule.iter().any(|rule| !rule.clients.is_empty()) {
        out.push(
            "the client (give --client): rules for some clients only were taken not to be for this one"
                .to_owned(),
        );
    }
    let names_devices = document.rule.iter().any(|rule| !rule.devices.is_empty() || !rule.rings.is_empty())
        || document.ring.iter().any(|ring| ring.percent > 0 || !ring.devices.is_empty());
    if by.asker.device.is_empty() && names_devices {
        out.push(
            "the id of this machine (--device-id): rules for some machines only were taken not to be for it"
                .to_owned(),
        );
    }
    if by.asker.user.is_empty() {
        out.push("the user: rules for some users only were taken not to be for this one".to_owned());
    }
    if spec.entries.iter().any(|entry| entry.client == UNKNOWN_CLIENT && entry.name.is_empty()) {
        out.push(
            "the name that the entry will have: under the name of an approved server it may be denied"
                .to_owned(),
        );
    }
    out
}
