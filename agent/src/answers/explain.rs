//! `explain`: what became of a server, why, whom to ask, and what to use instead. Of what is still in a file from the
//! scan, of what was taken away from vault and journal.

use std::path::Path;

use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::{DecidedBy, Verdict};
use serde::{Deserialize, Serialize};

use super::{By, Offer, said_of};
use crate::board::running::{ServerEvent, is_about_server};
use crate::journal::{Record, What};
use crate::vault::{Item, State};

/// The value of [`Explained::schema`].
pub const SCHEMA: &str = "mcpolicy/explain/v1";

/// What is known of what was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// Always `mcpolicy/explain/v1`.
    pub schema: String,
    /// The name, file or block id.
    pub asked: String,
    /// The policy; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<v1::PolicyInForce>,
    /// Servers that are in files now, the gravest verdict first; equal ones together.
    pub found: Vec<Found>,
    /// What was taken out of files, the newest first.
    pub taken: Vec<TakenAway>,
    /// What became of running servers, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ran: Vec<ServerEvent>,
    /// What the answer was looked for in.
    pub looked_at: LookedAt,
}

/// One server, in all the places where it is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The entry, as the first place has it.
    pub entry: v1::Entry,
    /// Where it stands: file, line and client.
    pub places: Vec<Place>,
    /// What is worth telling of it.
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

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub path: String,
    /// The line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Whose file it is.
    pub client: String,
    /// The name under which it stands there.
    pub name: String,
}

/// One entry that was taken out of a file or changed in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenAway {
    /// The block id: that of the vault's item.
    pub block: String,
    /// When, RFC 3339.
    pub time: String,
    /// Whose file.
    pub user: String,
    /// The file.
    pub path: String,
    /// Whose location it is.
    pub client: String,
    /// Name of the entry.
    pub server: String,
    /// What it would have run or contacted.
    pub identity: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// What was done: `quarantine`, `revert`, `pin`, `disable`, `quarantine-file`, `switch-off`, `approval`.
    pub action: String,
    /// The same in words.
    pub done: String,
    /// Code of the reason.
    pub code: String,
    /// The reason in words.
    pub detail: String,
    /// What the reason means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The rule that decided or came nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// It was put back.
    pub restored: bool,
    /// The original is safe; whether the change was made is not known yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
    /// Whom to ask.
    pub contact: String,
    /// The nearest approved servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
    /// What to do now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

/// Where an answer was looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookedAt {
    /// Users whose homes were read.
    pub users: Vec<String>,
    /// Files that were read.
    pub files: u64,
    /// Servers in them.
    pub servers: u64,
    /// Originals in the vault.
    pub taken: u64,
    /// So many things could not be read or judged.
    pub gaps: u64,
    /// Where else something may be known, and how to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
}

/// All that is known. Whoever asks must be allowed to see all of it: a user the own report and items only.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The scan, judged where there is a policy.
    pub report: &'a v1::Report,
    /// Items of the vault.
    pub items: &'a [Item],
    /// Records of the journal.
    pub records: &'a [Record],
    /// Where else something may be known.
    pub elsewhere: Option<&'a str>,
    /// The items and records are all that the agent keeps of this user.
    pub is_whole: bool,
    /// The policy and who asks; nothing where no policy is known.
    pub by: Option<By<'a>>,
}

/// What is asked: a block id, a file or a name.
struct Query<'q> {
    text: &'q str,
    /// The same as a path, `~` put in.
    path: Option<String>,
}

impl Query<'_> {
    /// Whether a path is the one asked for, or ends in it.
    fn is_path(&self, path: &str) -> bool {
        let Some(asked) = &self.path else { return false };
        path == asked || Path::new(path).ends_with(Path::new(asked))
    }

    fn is_name(&self, name: &str) -> bool {
        !name.is_empty() && name.eq_ignore_ascii_case(self.text)
    }

    /// The name of an entry, or a program or package in the command line of what stands in no file.
    fn is_program(&self, server: &str) -> bool {
        let is_word = |word: &str| {
            let file = word.rsplit(['/', '\\']).next().unwrap_or(word);
            let package = word.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| &word[..at]);
            [Some(word), Some(file), package].into_iter().flatten().any(|name| self.is_name(name))
        };
        self.is_name(server) || server.split(' ').any(is_word)
    }

    /// The name of a package, image or URL, with or without its kind.
    fn is_identity(&self, kind: &str, name: &str) -> bool {
        name == self.text
            || self.text.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':')) == Some(name)
    }
}

/// Explains. `home` is where `~` leads.
pub fn explain(asked: &str, home: Option<&Path>, known: Known<'_>, redactor: &Redactor) -> Explained {
    let path = match (asked.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Some(home.join(rest).to_string_lossy().into_owned()),
        _ => asked.contains(['/', '\\', '.']).then(|| asked.trim_start_matches("./").to_owned()),
    };
    let query = Query { text: asked, path: path.map(|path| redactor.name(&path)) };
    let report = known.report;
    let (found, taken) = (found(&query, known), taken(&query, known, redactor));
    // who has the whole answer has nobody to ask for the rest of it
    let ran = ran(&query, known, redactor);
    let is_answered = known.is_whole && !(found.is_empty() && taken.is_empty() && ran.is_empty());
    Explained {
        schema: SCHEMA.to_owned(),
        asked: redactor.text(asked),
        policy: known.by.map(By::about),
        found,
        taken,
        ran,
        looked_at: LookedAt {
            users: report.scan.users.clone(),
            files: report.sources.len() as u64,
            servers: report.entries.len() as u64,
            taken: known.items.len() as u64,
            gaps: report.coverage.len() as u64,
            elsewhere: known.elsewhere.filter(|_| !is_answered).map(str::to_owned),
        },
    }
}

fn found(query: &Query<'_>, known: Known<'_>) -> Vec<Found> {
    let is_asked = |entry: &&v1::Entry| {
        query.is_name(&entry.name)
            || query.is_path(&entry.source.path)
            || query.is_identity(&entry.identity.kind, &entry.identity.name)
            || entry.fingerprint == query.text
    };
    let mut groups: Vec<Found> = Vec::new();
    for entry in known.report.entries.iter().filter(is_asked) {
        let place = Place {
            path: entry.source.path.clone(),
            line: entry.source.line,
            client: entry.client.clone(),
            name: entry.name.clone(),
        };
        let findings =
            known.report.findings.iter().filter(|finding| finding.entry.as_ref() == Some(&entry.id));
        let findings: Vec<v1::Finding> =
            findings.filter(|finding| finding.verdict.is_none()).cloned().collect();
        // the same server with the same verdict in ten files is one answer
        let is_same = |group: &&mut Found| {
            group.entry.fingerprint == entry.fingerprint
                && group.entry.name == entry.name
                && group.entry.judged == entry.judged
        };
        match groups.iter_mut().find(is_same) {
            Some(group) => {
                group.places.push(place);
                let is_new =
                    |finding: &v1::Finding| group.findings.iter().all(|known| known.code != finding.code);
                let more: Vec<v1::Finding> = findings.into_iter().filter(is_new).collect();
                group.findings.extend(more);
            }
            None => groups.push(one_found(entry, place, findings, known.by)),
        }
    }
    let verdict = |found: &Found| found.entry.judged.as_ref().map(|judged| judged.verdict);
    groups.sort_by(|a, b| verdict(b).cmp(&verdict(a)).then_with(|| a.places.cmp(&b.places)));
    groups
}

fn one_found(entry: &v1::Entry, place: Place, findings: Vec<v1::Finding>, by: Option<By<'_>>) -> Found {
    let judged = entry.judged.as_ref();
    let identity = format!("{} {}", entry.identity.kind, entry.identity.name);
    let asks = by.zip(judged);
    let offers = asks.map(|(by, judged)| by.offers(&entry.name, &identity, judged)).unwrap_or_default();
    let steps = |(by, judged): (By<'_>, &v1::Judged)| {
        by.steps(judged, &offers, Some(&entry.client), &super::word(&entry.name))
    };
    let next = asks.map(steps).unwrap_or_default();
    let code = judged.and_then(|judged| judged.reason.as_deref()).and_then(said_of);
    Found {
        entry: entry.clone(),
        places: vec![place],
        findings,
        meaning: code.map(|code| code.description().to_owned()),
        remedy: code.map(|code| code.remedy().to_owned()),
        offers,
        next,
    }
}

/// Most events that are shown; a server that is started again and again has many.
const MOST_EVENTS: usize = 20;

fn ran(query: &Query<'_>, known: Known<'_>, redactor: &Redactor) -> Vec<ServerEvent> {
    let event = |record: &Record| match &record.what {
        What::Event(event) if is_about_server(&event.code) && query.is_program(&event.server) => {
            Some(ServerEvent {
                time: record.time.to_string(),
                code: event.code.clone(),
                server: redactor.name(&event.server),
                detail: redactor.name(&event.detail),
                user: event.user.clone(),
            })
        }
        What::Event(_) | What::Intent(_) | What::Outcome(_) => None,
    };
    known.records.iter().rev().filter_map(event).take(MOST_EVENTS).collect()
}

fn taken(query: &Query<'_>, known: Known<'_>, redactor: &Redactor) -> Vec<TakenAway> {
    let mut out = Vec::new();
    for item in known.items {
        let path = redactor.name(&item.path);
        let is_item = item.id == query.text || query.is_path(&path);
        for entry in &item.entries {
            let name = redactor.name(&entry.name);
            let (kind, identity) = entry.identity.split_once(':').unwrap_or(("", &entry.identity));
            let is_asked = is_item
                || query.is_name(&name)
                || query.is_identity(kind, identity)
                || entry.fingerprint == query.text;
            if !is_asked {
                continue;
            }
            let judged = as_judged(item, entry, known.records);
            let asks = known.by.filter(|_| !entry.restored);
            let offers = asks.map(|by| by.offers(&name, &entry.identity, &judged)).unwrap_or_default();
            let next = asks.map(|by| steps_back(by, item, &judged, &offers, &name)).unwrap_or_default();
            let code = said_of(&entry.code);
            let contact = offers.first().map(|offer| offer.contact.clone());
            let own = judged.rule.as_deref().and_then(|rule| known.by?.rule(rule)?.contact.clone());
            let of_policy = known.by.map(|by| by.contact().to_owned());
            out.push(TakenAway {
                block: item.id.clone(),
                time: item.taken.to_string(),
                user: item.user.clone(),
                path: path.clone(),
                client: item.client.clone(),
                server: name,
                identity: redactor.text(&entry.identity),
                fingerprint: entry.fingerprint.clone(),
                action: entry.action.clone(),
                done: done(&entry.action).to_owned(),
                code: entry.code.clone(),
                detail: redactor.text(&entry.detail),
                meaning: code.map(|code| code.description().to_owned()),
                remedy: code.map(|code| code.remedy().to_owned()),
                rule: judged.rule,
                restored: entry.restored || item.state == State::Restored,
                pending: item.state == State::Pending,
                contact: own.or(contact).or(of_policy).unwrap_or_default(),
                offers,
                next,
            });
        }
    }
    out.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.block.cmp(&b.block)));
    out
}

/// What the journal knows of the judgement by which it was done.
fn as_judged(item: &Item, entry: &crate::vault::Taken, records: &[Record]) -> v1::Judged {
    let intents = records.iter().filter_map(|record| match &record.what {
        What::Intent(intent) if intent.vault == item.id => Some(intent),
        What::Intent(_) | What::Outcome(_) | What::Event(_) => None,
    });
    let mut actions = intents.flat_map(|intent| &intent.actions);
    let action = actions.find(|action| action.fingerprint == entry.fingerprint && action.action != "restore");
    v1::Judged {
        verdict: Verdict::Deny,
        decided_by: DecidedBy::Default,
        rule: action.and_then(|action| action.rule.clone()),
        reason: Some(entry.code.clone()),
        detail: Some(entry.detail.clone()),
        pin: None,
        alternatives: Vec::new(),
        // the rule that decided or came nearest is about it
        trace: action
            .and_then(|action| action.rule.clone())
            .map(|rule| v1::TriedRule { rule, reason: entry.code.clone(), detail: entry.detail.clone() })
            .into_iter()
            .collect(),
        contact: None,
        until: None,
        ticket: None,
    }
}

fn steps_back(by: By<'_>, item: &Item, judged: &v1::Judged, offers: &[Offer], name: &str) -> Vec<String> {
    let own = judged.rule.as_deref().and_then(|rule| by.rule(rule)?.contact.clone());
    let judged = v1::Judged { contact: own, ..judged.clone() };
    let mut steps = by.steps(&judged, offers, Some(&item.client), &super::word(name));
    steps.push(format!(
        "It comes back by itself once a policy allows it; its original is kept as {}.",
        item.id
    ));
    steps
}

/// What an action did, in words.
fn done(action: &str) -> &'static str {
    match action {
        "quarantine" => "taken out of the file",
        "revert" => "put back to what was last allowed",
        "pin" => "rewritten to the version that the policy names",
        "disable" => "switched off in the file",
        "quarantine-file" => "taken away with its whole file",
        "switch-off" => "switched off outside of its file",
        "approval" => "an approval of it was taken back",
        _ => "changed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::testing::{asker, draft, report};
    use serde_json::json;

    const POLICY: &str = r#"
[[rule]]
id = "github"
identity.npm = { package = "@acme/github-mcp", versions = "1.2.3" }
names = ["github"]
contact = "@platform"
"#;

    fn item() -> Item {
        serde_json::from_value(json!({
            "id": "q-0123456789", "taken": "2026-11-21T10:00:00Z", "user": "ann", "home": "/home/ann",
            "path": "/home/ann/.cursor/mcp.json", "found_as": "/home/ann/.cursor/mcp.json", "client": "cursor",
            "original": "a", "edited": "b", "state": "quarantined",
            "entries": [
                {"name": "github", "key_path": "/mcpServers/github", "fingerprint": "sha256:f1",
                 "identity": "npm:github-mcp", "action": "quarantine", "code": "impersonation",
                 "detail": "its name is that of the approved server `github`", "pieces": []},
                {"name": "other", "key_path": "/mcpServers/other", "fingerprint": "sha256:f2",
                 "identity": "npm:other", "action": "quarantine", "code": "not-allowed", "detail": "no rule", "pieces": []}
            ]
        }))
        .unwrap()
    }

    fn told(asked: &str) -> Explained {
        told_of(asked, true)
    }

    fn told_of(asked: &str, is_whole: bool) -> Explained {
        let in_force = draft(POLICY);
        let asker = asker("ann");
        let by = By { in_force: &in_force, asker: &asker, now: "2026-11-21T10:00:00Z".parse().unwrap() };
        let event = json!({
            "seq": 2, "prev": "0", "time": "2026-11-21T10:00:01Z", "kind": "event", "code": "server-ended", "user": "ann",
            "server": "npx -y @acme/rogue-mcp@1.0.0", "detail": "it has ended"
        });
        let mut records: Vec<Record> = vec![serde_json::from_value(json!({
            "seq": 1, "prev": "0", "time": "2026-11-21T10:00:00Z", "kind": "intent", "user": "ann",
            "path": "/home/ann/.cursor/mcp.json", "before": "a", "after": "b", "vault": "q-0123456789",
            "home": "/home/ann", "temporary": ".x",
            "actions": [{"action": "quarantine", "server": "github", "client": "cursor", "fingerprint": "sha256:f1",
                         "code": "impersonation", "detail": "", "rule": "github"}]
        }))
        .unwrap()];
        records.push(serde_json::from_value(event).unwrap());
        let report =
            report(&in_force, &[("twice", ".cursor/mcp.json"), ("twice", ".kiro/settings/mcp.json")]);
        let items = [item()];
        let known = Known {
            report: &report,
            items: &items,
            records: &records,
            elsewhere: Some("ask an administrator"),
            is_whole,
            by: Some(by),
        };
        explain(asked, Some(Path::new("/home/ann")), known, &Redactor::new(&[1; 32]))
    }

    #[test]
    fn what_was_taken_away_is_told_by_name_file_and_block_id_with_the_rule_of_the_journal() {
        for asked in ["github", "npm:github-mcp", "q-0123456789", "~/.cursor/mcp.json", "sha256:f1"] {
            let told = told(asked);
            let taken =
                told.taken.iter().find(|taken| taken.server == "github").unwrap_or_else(|| panic!("{asked}"));
            assert_eq!(taken.rule.as_deref(), Some("github"), "{asked}");
            assert_eq!((&*taken.contact, &*taken.done), ("@platform", "taken out of the file"));
            assert_eq!(taken.offers[0].name, "github");
            assert!(taken.next[0].contains("mcpolicy add github --client cursor"), "{:?}", taken.next);
            assert!(taken.next.iter().any(|step| step.contains("@platform")), "{:?}", taken.next);
            assert!(taken.meaning.is_some() && taken.remedy.is_some());
        }
        assert_eq!(told("q-0123456789").taken.len(), 2);
        assert_eq!(told("other").taken[0].contact, "#mcp-help");
    }

    #[test]
    fn a_server_that_ran_and_stood_in_no_file_is_told_by_its_command_line_or_a_word_of_it() {
        for asked in ["@acme/rogue-mcp", "@acme/rogue-mcp@1.0.0", "npx", "npx -y @acme/rogue-mcp@1.0.0"] {
            let told = told(asked);
            assert_eq!(
                told.ran.iter().map(|event| &*event.code).collect::<Vec<_>>(),
                ["server-ended"],
                "{asked}"
            );
        }
        assert_eq!(told("acme").ran, []);
    }

    #[test]
    fn one_server_in_two_files_is_one_answer_with_both_places() {
        let told = told("twice");
        assert_eq!((told.found.len(), told.found[0].places.len()), (1, 2), "{told:?}");
        let judged = told.found[0].entry.judged.as_ref().unwrap();
        assert_eq!(judged.verdict, Verdict::Deny);
        assert!(told.found[0].places.iter().all(|place| place.line.is_some()));
        let json = serde_json::to_string(&told).unwrap();
        assert_eq!(serde_json::from_str::<Explained>(&json).unwrap(), told);
    }

    #[test]
    fn where_else_to_ask_is_told_only_where_the_answer_is_not_whole() {
        let elsewhere = |told: Explained| told.looked_at.elsewhere.is_some();
        assert!(!elsewhere(told("github")) && !elsewhere(told("twice")));
        assert!(elsewhere(told("nothing-of-the-kind")) && elsewhere(told_of("github", false)));
    }

    #[test]
    fn without_a_match_it_is_told_what_was_looked_at() {
        let told = told("nothing-of-the-kind");
        assert!(told.found.is_empty() && told.taken.is_empty());
        assert_eq!((told.looked_at.files, told.looked_at.servers, told.looked_at.taken), (2, 2, 1));
    }
}
