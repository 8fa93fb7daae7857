//! A machine that writes records as the agent does: numbered, each hanging on the one before.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use mcpolicy_schema::entry::{Scope, Transport};
use mcpolicy_schema::finding::Severity;
use mcpolicy_schema::report::v1::{self, Body, Class, Tier};
use mcpolicy_schema::verdict::{DecidedBy, Verdict};
use sha2::{Digest as _, Sha256};

/// Monday, 2 November 2026, midnight.
pub const START: i64 = 1_793_577_600;
/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// A server as a generated machine declares it.
#[derive(Debug, Clone)]
pub struct Declared {
    pub server: String,
    pub client: &'static str,
    pub owner: String,
    pub identity: String,
    pub version: Option<String>,
    pub verdict: Verdict,
    pub decided_by: DecidedBy,
    pub rule: Option<String>,
    /// Distinguishes declarations of one server.
    pub variant: u32,
    /// Kind of the credential that is given to it, with its fingerprint.
    pub secret: Option<(&'static str, String)>,
    /// Code of a finding about it.
    pub finding: Option<(&'static str, Severity)>,
    pub running: bool,
    /// Digest of its program.
    pub program: Option<String>,
    /// When what allows it ends.
    pub until: Option<i64>,
    /// Change ticket of what allows it.
    pub ticket: Option<String>,
    /// Its file, if it is another than the client's own.
    pub path: Option<String>,
    /// A further argument.
    pub argument: Option<String>,
}

impl Declared {
    /// An approved, pinned package.
    pub fn approved(owner: &str, identity: &str) -> Self {
        let (_, name) = identity.split_once(':').unwrap_or(("", identity));
        Self {
            server: name.rsplit('/').next().unwrap_or(name).to_owned(),
            client: "cursor",
            owner: owner.to_owned(),
            identity: identity.to_owned(),
            version: Some("1.0.0".to_owned()),
            verdict: Verdict::Allow,
            decided_by: DecidedBy::Allowlist,
            rule: Some(format!("allow-{name}")),
            variant: 0,
            secret: None,
            finding: None,
            running: false,
            program: None,
            until: None,
            ticket: None,
            path: None,
            argument: None,
        }
    }

    /// The file that it stands in.
    pub fn file(&self) -> String {
        self.path.clone().unwrap_or_else(|| format!("/home/{}/.{}/mcp.json", self.owner, self.client))
    }

    /// A package that no rule is about.
    pub fn unknown(owner: &str, identity: &str) -> Self {
        let mut declared = Self::approved(owner, identity);
        (declared.verdict, declared.decided_by, declared.rule) = (Verdict::Deny, DecidedBy::Default, None);
        declared
    }

    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(format!("{} {:?} {}", self.identity, self.version, self.variant)))
    }

    /// The finding about it, if there is one.
    pub fn found(&self, number: usize) -> Option<v1::Finding> {
        let (code, severity) = self.finding?;
        Some(v1::Finding {
            code: code.to_owned(),
            severity,
            message: format!("{} is as it should not be", self.server),
            remedy: "See the runbook.".to_owned(),
            entry: Some(format!("e{number}")),
            name: Some(self.server.clone()),
            user: Some(self.owner.clone()),
            source: None,
            verdict: None,
            judged: None,
        })
    }

    pub fn entry(&self, number: usize) -> v1::Entry {
        let kind = self.identity.split(':').next().unwrap_or("opaque").to_owned();
        let value = self.secret.as_ref().map(|(kind, fingerprint)| v1::RedactedValue {
            r#in: "env".to_owned(),
            name: "API_TOKEN".to_owned(),
            kind: (*kind).to_owned(),
            fingerprint: Some(fingerprint.clone()),
            references: None,
        });
        let is_allowed = self.verdict == Verdict::Allow;
        let facts = self.program.as_ref().map(|sha256| v1::Facts {
            program: Some(v1::FileFacts {
                path: "/opt/tool".to_owned(),
                real_path: "/opt/tool".to_owned(),
                sha256: Some(sha256.clone()),
                user_writable: false,
            }),
            ..v1::Facts::default()
        });
        v1::Entry {
            id: format!("e{number}"),
            name: self.server.clone(),
            client: self.client.to_owned(),
            readers: vec![v1::Reader { client: self.client.to_owned(), setting: None }],
            scope: Scope::User,
            user: (!self.owner.is_empty()).then(|| self.owner.clone()),
            source: v1::Location {
                path: self.file(),
                line: Some(3),
                column: Some(5),
                start: Some(20),
                end: Some(200),
            },
            key_path: format!("/mcpServers/{}", self.server),
            transport: Transport::Stdio,
            identity: v1::Identity {
                kind,
                name: self.identity.clone(),
                version: self.version.clone(),
                pinned: self.version.is_some(),
            },
            command: Some("npx".to_owned()),
            args: vec![
                "-y".to_owned(),
                self.identity.clone(),
                "--variant".to_owned(),
                self.variant.to_string(),
            ]
            .into_iter()
            .chain(self.argument.clone())
            .collect(),
            plain_args: Vec::new(),
            url: None,
            plain_url: false,
            env_keys: value.iter().map(|value| value.name.clone()).collect(),
            header_keys: Vec::new(),
            values: value.into_iter().collect(),
            cwd: None,
            members: Vec::new(),
            disabled: false,
            running: Some(self.running),
            inert: None,
            fingerprint: self.fingerprint(),
            judged: Some(v1::Judged {
                verdict: self.verdict,
                decided_by: self.decided_by,
                rule: self.rule.clone(),
                reason: (!is_allowed).then(|| "not-allowed".to_owned()),
                detail: (!is_allowed).then(|| "no rule of the policy is about it".to_owned()),
                pin: None,
                alternatives: Vec::new(),
                trace: Vec::new(),
                contact: (!is_allowed).then(|| "security@example.com".to_owned()),
                until: self.until.map(time_of),
                ticket: self.ticket.clone(),
            }),
            project: None,
            declared_type: None,
            malformed: None,
            facts,
        }
    }
}

struct Link {
    epoch: String,
    seq: u64,
    prev: String,
}

/// A machine and the lines that it has written.
pub struct Machine {
    pub id: String,
    pub team: String,
    pub tier: Tier,
    pub sequence: u64,
    pub staleness: &'static str,
    pub waiting: Vec<String>,
    /// Name of its policy.
    pub policy: &'static str,
    pub policy_expires: Option<i64>,
    pub root_expires: Option<i64>,
    chains: BTreeMap<Class, Link>,
    pub lines: Vec<String>,
}

impl Machine {
    pub fn new(id: &str, team: &str) -> Self {
        Self {
            id: id.to_owned(),
            team: team.to_owned(),
            tier: Tier::Full,
            sequence: 7,
            staleness: "fresh",
            waiting: Vec::new(),
            policy: "fleet",
            policy_expires: None,
            root_expires: None,
            chains: BTreeMap::new(),
            lines: Vec::new(),
        }
    }

    /// Writes a record.
    pub fn write(&mut self, class: Class, time: i64, body: Body) {
        let id = &self.id;
        let link = self.chains.entry(class).or_insert_with(|| Link {
            epoch: hex(&Sha256::digest(format!("{id} {}", class.as_str())))[..16].to_owned(),
            seq: 0,
            prev: "0".repeat(64),
        });
        link.seq += 1;
        let chain = v1::Chain { epoch: link.epoch.clone(), seq: link.seq, prev: link.prev.clone() };
        let record = v1::Record {
            schema: v1::SCHEMA.to_owned(),
            id: format!("{}.{}.{}.{}", self.id, class.as_str(), chain.epoch, chain.seq),
            class,
            device: v1::Device {
                id: self.id.clone(),
                hostname: Some(format!("{}.example.com", self.id)),
                os: "linux".to_owned(),
                os_version: Some("6.1".to_owned()),
                arch: Some("x86_64".to_owned()),
                groups: if self.team.is_empty() { Vec::new() } else { vec![self.team.clone()] },
            },
            agent: v1::Agent { name: "mcpolicy".to_owned(), version: "0.1.0".to_owned() },
            chain,
            time: time_of(time),
            privacy: self.tier,
            left_out: Vec::new(),
            body,
        };
        let line = serde_json::to_string(&record).expect("a record is JSON");
        link.prev = hex(&Sha256::digest(&line));
        self.lines.push(line);
    }

    fn policy(&self) -> v1::PolicyInForce {
        v1::PolicyInForce {
            name: self.policy.to_owned(),
            sequence: Some(self.sequence),
            signed: true,
            sha256: "ab".repeat(32),
            mode: "enforce".to_owned(),
            ring: None,
            revocations: Some(3),
            staleness: Some(self.staleness.to_owned()),
            ticket: Some("CHG-0".to_owned()),
            expires: self.policy_expires.map(time_of),
            stale_at: None,
            root_expires: self.root_expires.map(time_of),
            notices: Vec::new(),
        }
    }

    pub fn heartbeat(&mut self, time: i64) {
        let layer = |name: &str, state: &str| v1::Layer { name: name.to_owned(), state: state.to_owned() };
        let posture = v1::Posture {
            state: "compliant".to_owned(),
            mode: Some("enforce".to_owned()),
            policy: Some(self.policy()),
            layers: vec![layer("watch", "in-force"), layer("processes", "report-only")],
            watches: 12,
            requests: self.waiting.len() as u64,
            waiting: self.waiting.clone(),
            chains: self.ends(),
            ..v1::Posture::default()
        };
        self.write(Class::State, time, Body::Heartbeat(Box::new(posture)));
    }

    /// How far its other chains are, as a heartbeat tells it.
    fn ends(&self) -> Vec<v1::ChainEnd> {
        let others = self.chains.iter().filter(|(class, _)| **class != Class::State);
        others
            .map(|(class, link)| v1::ChainEnd { class: *class, epoch: link.epoch.clone(), seq: link.seq })
            .collect()
    }

    /// A whole inventory: its head, its entries, and the findings about them.
    pub fn inventory(&mut self, time: i64, cause: &str, declared: &[Declared]) {
        let seq = self.chains.get(&Class::State).map_or(0, |link| link.seq);
        let snapshot = format!("{}-{}", self.id, seq + 1);
        let found: Vec<(usize, &Declared)> =
            declared.iter().enumerate().filter(|(_, declared)| declared.finding.is_some()).collect();
        let summary = v1::Summary {
            entries: declared.len() as u64,
            live: declared.len() as u64,
            ..v1::Summary::default()
        };
        let head = v1::Inventory {
            snapshot: snapshot.clone(),
            cause: cause.to_owned(),
            policy: Some(self.policy()),
            summary,
            records: (declared.len() + found.len()) as u64,
        };
        self.write(Class::State, time, Body::Inventory(head));
        for (number, one) in declared.iter().enumerate() {
            let entry = Box::new(one.entry(number));
            self.write(Class::State, time, Body::Entry { snapshot: snapshot.clone(), entry });
        }
        for (number, one) in found {
            let Some(finding) = one.found(number).map(Box::new) else { continue };
            self.write(Class::State, time, Body::Finding { snapshot: snapshot.clone(), finding });
        }
    }

    /// An inventory that finds nothing and could not look into a place; `""` is none in particular.
    pub fn inventory_without(&mut self, time: i64, path: &str) {
        let seq = self.chains.get(&Class::State).map_or(0, |link| link.seq);
        let snapshot = format!("{}-{}", self.id, seq + 1);
        let head = v1::Inventory {
            snapshot: snapshot.clone(),
            cause: "daily".to_owned(),
            policy: Some(self.policy()),
            summary: v1::Summary { gaps: 1, ..v1::Summary::default() },
            records: 1,
        };
        self.write(Class::State, time, Body::Inventory(head));
        let gap = v1::Gap {
            kind: "unreadable".to_owned(),
            reason: "permission denied".to_owned(),
            path: Some(path.to_owned()).filter(|path| !path.is_empty()),
            count: 1,
            user: Some("ann".to_owned()),
            partial: true,
        };
        self.write(Class::State, time, Body::Coverage { snapshot, gap });
    }

    pub fn action(&mut self, time: i64, action: &str, outcome: &str, declared: &Declared) {
        let body = v1::Action {
            action: action.to_owned(),
            outcome: outcome.to_owned(),
            server: declared.server.clone(),
            client: declared.client.to_owned(),
            user: declared.owner.clone(),
            path: declared.file(),
            layer: "watch".to_owned(),
            fingerprint: declared.fingerprint(),
            identity: Some(declared.entry(0).identity),
            code: declared.finding.map_or("not-allowed", |(code, _)| code).to_owned(),
            ..v1::Action::default()
        };
        self.write(Class::Violation, time, Body::Action(body));
    }

    pub fn event(&mut self, time: i64, code: &str, owner: &str, server: &str) {
        let event = v1::Event {
            code: code.to_owned(),
            user: owner.to_owned(),
            server: server.to_owned(),
            layer: "processes".to_owned(),
            client: "claude-code".to_owned(),
            reason: "not-allowed".to_owned(),
            detail: "it was told to end".to_owned(),
            ..v1::Event::default()
        };
        self.write(Class::Violation, time, Body::Event(event));
    }

    /// An event about a server that runs or ran.
    pub fn running(&mut self, time: i64, code: &str, declared: &Declared) {
        let event = v1::Event {
            code: code.to_owned(),
            user: declared.owner.clone(),
            server: declared.server.clone(),
            layer: "processes".to_owned(),
            client: declared.client.to_owned(),
            identity: Some(declared.entry(0).identity),
            fingerprint: declared.fingerprint(),
            reason: declared.finding.map_or("not-allowed", |(code, _)| code).to_owned(),
            detail: "it runs".to_owned(),
            ..v1::Event::default()
        };
        self.write(Class::Violation, time, Body::Event(event));
    }

    pub fn request(&mut self, time: i64, asked: i64, declared: &Declared) {
        let entry = declared.entry(0);
        let request = v1::Request {
            id: format!("r-{}-{}", self.id, declared.server),
            time: time_of(asked),
            user: declared.owner.clone(),
            device: Some(self.id.clone()),
            fingerprint: declared.fingerprint(),
            identity: entry.identity.clone(),
            name: declared.server.clone(),
            client: declared.client.to_owned(),
            reason: "for my work".to_owned(),
            entry: Box::new(entry),
        };
        self.waiting.push(request.id.clone());
        self.write(Class::Event, time, Body::Request { request: Box::new(request) });
    }

    /// Records of a class that never leave, and the record that tells of them.
    pub fn lose(&mut self, time: i64, of: Class, count: u64) {
        let Some(link) = self.chains.get_mut(&of) else { return };
        let (first, last) = (link.seq + 1, link.seq + count);
        link.seq = last;
        let epoch = link.epoch.clone();
        let loss = v1::Loss { of, epoch, first, last, count, reason: "room".to_owned() };
        self.write(Class::Event, time, Body::Gap(loss));
    }
}

/// The report of a scan that finds these.
pub fn report(id: &str, time: i64, mode: &str, declared: &[Declared]) -> v1::Report {
    let entries: Vec<v1::Entry> =
        declared.iter().enumerate().map(|(number, one)| one.entry(number)).collect();
    v1::Report {
        schema: v1::SCHEMA.to_owned(),
        agent: v1::Agent { name: "mcpolicy".to_owned(), version: "0.1.0".to_owned() },
        host: v1::Host {
            hostname: (!id.is_empty()).then(|| format!("{id}.example.com")),
            os: "linux".to_owned(),
            device_id: (!id.is_empty()).then(|| id.to_owned()),
            os_version: Some("6.1".to_owned()),
            arch: Some("x86_64".to_owned()),
            groups: vec!["scanned".to_owned()],
        },
        scan: v1::Scan {
            mode: mode.to_owned(),
            root: None,
            started_at: time_of(time),
            duration_ms: 140,
            users: declared.first().map(|one| one.owner.clone()).into_iter().collect(),
            homes: Vec::new(),
            directories_walked: 900,
            files_read: 40,
            fingerprint_key: "file".to_owned(),
        },
        policy: None,
        summary: v1::Summary {
            entries: entries.len() as u64,
            live: entries.len() as u64,
            ..v1::Summary::default()
        },
        sources: Vec::new(),
        findings: declared.iter().enumerate().filter_map(|(number, one)| one.found(number)).collect(),
        coverage: Vec::new(),
        requests: Vec::new(),
        entries,
    }
}

/// RFC 3339.
pub fn time_of(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
