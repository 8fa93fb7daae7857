//! What was found to `report/v1`: the only place where working types become the frozen ones, and where everything
//! that came from a configuration passes the redactor.

mod verdicts;

use std::collections::BTreeSet;
use std::path::Path;

use mcpolicy_platform::host;
use mcpolicy_schema::entry::{Entry, NamedValue, Position, Reader};
use mcpolicy_schema::evaluate::{Facts, FileFacts};
use mcpolicy_schema::finding::{Finding, Severity};
use mcpolicy_schema::identity::Identity;
use mcpolicy_schema::redact::{self, Redactor};
use mcpolicy_schema::report::v1;
use mcpolicy_schema::sensitive::Sensitive;

use crate::assess::Assessed;
use crate::discover::HomeContext;
use crate::discover::source::{Reading, Source};
use crate::gap::Gap;
use crate::pipeline::{Ground, Outcome, Plan, SourceResult, entries_by_source};

/// Facts of the run that are not in the outcome.
pub struct Run {
    /// Start, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// `file` or `ephemeral`.
    pub fingerprint_key: &'static str,
    /// The id of the machine, where the caller gave one.
    pub device_id: Option<String>,
    /// Groups of the settings of its agent.
    pub groups: Vec<String>,
    /// The policy by which the entries were judged, where there is one.
    pub policy: Option<v1::PolicyInForce>,
}

/// Builds the report.
pub fn build(ground: &Ground, outcome: &Outcome, run: &Run, redactor: &Redactor) -> v1::Report {
    let signed = run.policy.as_ref().is_some_and(|policy| policy.signed);
    let builder = Builder { ground, outcome, redactor, signed };
    let order = builder.order();
    let entries: Vec<v1::Entry> = order.iter().enumerate().map(|(n, at)| builder.entry_at(n, *at)).collect();
    let findings = builder.findings(&order);
    let coverage: Vec<v1::Gap> =
        ground.gaps.iter().chain(&outcome.gaps).map(|gap| builder.gap(gap)).collect();
    let sources = builder.sources();
    let users = ground.homes.iter().map(|h| h.user.clone()).filter(|u| !u.is_empty()).collect();
    v1::Report {
        schema: v1::SCHEMA.to_owned(),
        agent: v1::Agent { name: "mcpolicy".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        host: v1::Host { device_id: run.device_id.clone(), groups: run.groups.clone(), ..builder.host() },
        scan: v1::Scan {
            mode: ground.mode.to_owned(),
            root: builder.root(),
            started_at: run.started_at.clone(),
            duration_ms: run.duration_ms,
            users,
            homes: builder.homes(),
            directories_walked: outcome.directories,
            files_read: outcome.files_read,
            fingerprint_key: run.fingerprint_key.to_owned(),
        },
        policy: run.policy.clone(),
        summary: v1::Summary {
            verdicts: run.policy.as_ref().map(|_| verdicts::count(&entries)),
            ..summary(&entries, &findings, &sources, &coverage)
        },
        entries,
        sources,
        findings,
        coverage,
        requests: Vec::new(),
    }
}

/// Counts of entries that were judged, of findings and of gaps.
pub(crate) fn summary_of(entries: &[v1::Entry], findings: &[v1::Finding], gaps: &[v1::Gap]) -> v1::Summary {
    let files: BTreeSet<_> = entries.iter().map(|entry| (&entry.source.path, &entry.user)).collect();
    v1::Summary {
        sources: files.len() as u64,
        verdicts: Some(verdicts::count(entries)),
        ..summary(entries, findings, &[], gaps)
    }
}

/// The entries of an outcome, each with its place there and its findings, in the order of a report: for answers about
/// single ones.
pub fn entries(
    ground: &Ground,
    outcome: &Outcome,
    signed: bool,
    redactor: &Redactor,
) -> Vec<(usize, v1::Entry, Vec<v1::Finding>)> {
    let builder = Builder { ground, outcome, redactor, signed };
    let order = builder.order().into_iter().enumerate();
    order.map(|(n, at)| (at, builder.entry_at(n, at), builder.findings_of(n, at))).collect()
}

/// The findings that are about no entry, and what could not be seen. Those of the ground itself only with `of_ground`: a look
/// at some files says nothing new of it.
pub fn beside(
    ground: &Ground,
    outcome: &Outcome,
    of_ground: bool,
    redactor: &Redactor,
) -> (Vec<v1::Finding>, Vec<v1::Gap>) {
    let builder = Builder { ground, outcome, redactor, signed: true };
    let gaps = ground.gaps.iter().filter(|_| of_ground).chain(&outcome.gaps);
    (builder.findings_beside(of_ground), gaps.map(|gap| builder.gap(gap)).collect())
}

/// One entry of a source as the report shows it.
pub fn one_entry(ground: &Ground, source: &Source, item: &Assessed, redactor: &Redactor) -> v1::Entry {
    let outcome = Outcome::default();
    Builder { ground, outcome: &outcome, redactor, signed: true }.entry(0, item, source)
}

/// What an entry would run or contact, in the words of the report.
pub fn identity(identity: &Identity, redactor: &Redactor) -> v1::Identity {
    v1::Identity {
        kind: identity.kind.as_str().to_owned(),
        name: redactor.text(&identity.name),
        version: identity.version.as_deref().map(|version| redactor.text(version)),
        pinned: identity.pinned,
    }
}

struct Builder<'a> {
    ground: &'a Ground,
    outcome: &'a Outcome,
    redactor: &'a Redactor,
    signed: bool,
}

impl Builder<'_> {
    /// Entries by user, path and position.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.outcome.entries.len()).collect();
        order.sort_by_key(|at| {
            let item = &self.outcome.entries[*at];
            let source = &self.outcome.sources[item.source].source;
            (source.home, &source.path, item.entry.span.start, &item.entry.key_path)
        });
        order
    }

    /// The checkout that was scanned.
    fn root(&self) -> Option<String> {
        match &self.ground.plan {
            Plan::Project(directory) => Some(self.path(directory)),
            Plan::Homes | Plan::File(_) | Plan::Changed(..) => None,
        }
    }

    fn path(&self, path: &Path) -> String {
        self.redactor.name(&path.to_string_lossy())
    }

    fn user(&self, home: Option<usize>) -> Option<String> {
        home.map(|at| self.ground.homes[at].user.clone()).filter(|user| !user.is_empty())
    }

    fn host(&self) -> v1::Host {
        let os = self.ground.os.as_str().to_owned();
        if !matches!(self.ground.mode, "machine" | "own-home" | "root") {
            return v1::Host {
                hostname: None,
                os,
                device_id: None,
                os_version: None,
                arch: None,
                groups: Vec::new(),
            };
        }
        let facts = host::facts(&self.ground.machine);
        let arch = self.ground.machine.is_live().then(|| facts.arch.to_owned());
        let (hostname, os_version) = (facts.hostname, facts.os_version);
        v1::Host { hostname, os, device_id: None, os_version, arch, groups: Vec::new() }
    }

    fn entry_at(&self, number: usize, at: usize) -> v1::Entry {
        let item = &self.outcome.entries[at];
        self.entry(number, item, &self.outcome.sources[item.source].source)
    }

    fn entry(&self, number: usize, item: &Assessed, source: &Source) -> v1::Entry {
        let entry = &item.entry;
        let args = self.redactor.args(&entry.args);
        let url = entry.url.as_ref().map(|u| (u.expose(), self.redactor.url(u.expose())));
        v1::Entry {
            id: entry_id(number),
            name: self.redactor.name(&entry.name),
            client: entry.client.to_owned(),
            readers: entry.readers.iter().map(reader).collect(),
            scope: entry.scope,
            user: self.user(source.home),
            source: v1::Location {
                start: Some(entry.span.start as u64),
                end: Some(entry.span.end as u64),
                ..self.location(&source.path, Some(&entry.position))
            },
            key_path: self.redactor.name(&entry.key_path),
            transport: entry.transport,
            identity: identity(&item.identity, self.redactor),
            command: entry.command.as_ref().map(|c| self.redactor.text(c.expose())),
            plain_args: plain(&args, &entry.args),
            args,
            plain_url: url
                .as_ref()
                .is_some_and(|(raw, shown)| raw != shown && redact::is_plain_url(raw, shown)),
            url: url.map(|(_, shown)| shown),
            env_keys: self.names(&entry.env),
            header_keys: self.names(&entry.headers),
            values: self.values(entry),
            cwd: entry.cwd.as_ref().map(|c| self.redactor.text(c.expose())),
            members: self.names(&entry.members),
            disabled: entry.disabled,
            running: item.running,
            inert: entry.inert,
            fingerprint: item.fingerprint.clone(),
            judged: item.judgement.as_ref().map(|judgement| verdicts::judged(judgement, self.redactor)),
            project: entry.project.as_deref().map(|p| self.redactor.name(p)),
            declared_type: entry.declared_type.as_deref().map(|t| self.redactor.name(t)),
            malformed: entry.malformed.map(str::to_owned),
            facts: item.facts.as_ref().and_then(|facts| self.facts(facts)),
        }
    }

    fn facts(&self, facts: &Facts) -> Option<v1::Facts> {
        let file = |facts: &FileFacts| v1::FileFacts {
            path: self.redactor.name(&facts.path),
            real_path: self.redactor.name(&facts.real_path),
            sha256: facts.sha256.clone(),
            user_writable: facts.user_writable,
        };
        let told = v1::Facts {
            program: facts.program.as_ref().map(file),
            script: facts.script.as_ref().map(file),
            listener: facts.listener.as_ref().map(file),
        };
        (*facts != Facts::default()).then_some(told)
    }

    fn homes(&self) -> Vec<v1::Home> {
        let home =
            |home: &HomeContext| v1::Home { user: home.user.clone(), path: self.path(&home.layout.home) };
        // A checkout stands in the place of a home, but it is nobody's.
        self.ground.homes.iter().filter(|home| !home.user.is_empty()).map(home).collect()
    }

    fn names(&self, values: &[NamedValue]) -> Vec<String> {
        let names: BTreeSet<String> = values.iter().map(|v| self.redactor.name(&v.name)).collect();
        names.into_iter().collect()
    }

    fn values(&self, entry: &Entry) -> Vec<v1::RedactedValue> {
        let all = entry.env.iter().map(|v| ("env", v)).chain(entry.headers.iter().map(|v| ("header", v)));
        let hidden = all.map(|(place, value)| {
            let (kind, fingerprint) = self.redactor.value(&value.name, value.value.expose());
            let references = self.references(value.value.expose());
            self.value(place, &value.name, kind, fingerprint, references)
        });
        let told = entry.members.iter().filter_map(|member| {
            let word = redact::told_member(&member.name, member.value.expose())?;
            Some(self.value(
                "member",
                &member.name,
                "word".to_owned(),
                None,
                Some(vec![self.redactor.name(&word)]),
            ))
        });
        hidden.chain(told).collect()
    }

    fn value(
        &self,
        place: &str,
        name: &str,
        kind: String,
        fingerprint: Option<String>,
        references: Option<Vec<String>>,
    ) -> v1::RedactedValue {
        let name = self.redactor.name(name);
        v1::RedactedValue { r#in: place.to_owned(), name, kind, fingerprint, references }
    }

    fn references(&self, value: &str) -> Option<Vec<String>> {
        Some(redact::references(value)?.iter().map(|name| self.redactor.name(name)).collect())
    }

    fn location(&self, path: &Path, position: Option<&Position>) -> v1::Location {
        v1::Location {
            path: self.path(path),
            line: position.map(|p| p.line),
            column: position.map(|p| p.column),
            start: None,
            end: None,
        }
    }

    fn finding(&self, finding: &Finding, source: Option<v1::Location>, user: Option<String>) -> v1::Finding {
        v1::Finding {
            code: finding.code.as_str().to_owned(),
            severity: finding.severity,
            message: finding.message.clone(),
            remedy: finding.code.remedy().to_owned(),
            entry: None,
            name: None,
            user,
            source,
            verdict: None,
            judged: None,
        }
    }

    /// The findings about one entry.
    fn findings_of(&self, number: usize, at: usize) -> Vec<v1::Finding> {
        let item = &self.outcome.entries[at];
        let source = &self.outcome.sources[item.source].source;
        let place = self.location(&source.path, Some(&item.entry.position));
        let found = item.findings.iter().map(|finding| self.finding(finding, None, None));
        let all = found.chain(verdicts::of_entry(item, self.signed, self.redactor));
        all.map(|finding| v1::Finding {
            entry: Some(entry_id(number)),
            name: Some(self.redactor.name(&item.entry.name)),
            source: Some(place.clone()),
            user: self.user(source.home),
            ..finding
        })
        .collect()
    }

    /// All findings, the gravest first, then in order of the entries.
    fn findings(&self, order: &[usize]) -> Vec<v1::Finding> {
        let mut out = Vec::new();
        for (number, at) in order.iter().enumerate() {
            out.extend(self.findings_of(number, *at));
        }
        out.extend(self.findings_beside(true));
        out.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.code.cmp(&b.code)));
        out
    }

    /// The findings about no entry: of files, homes and processes.
    fn findings_beside(&self, of_ground: bool) -> Vec<v1::Finding> {
        let mut out = Vec::new();
        for result in &self.outcome.sources {
            for file in &result.findings {
                let place = self.location(&result.source.path, Some(&file.position));
                out.push(self.finding(&file.finding, Some(place), self.user(result.source.home)));
            }
        }
        let ground = self.ground.findings.iter().filter(|_| of_ground);
        for (path, home, file) in ground.chain(&self.outcome.home_findings) {
            let place = self.location(path, Some(&file.position));
            out.push(self.finding(&file.finding, Some(place), self.user(*home)));
        }
        for process in &self.outcome.processes {
            let home = self.ground.homes.iter().position(|h| h.uid.is_some() && h.uid == process.uid);
            let judgement = process.judgement.as_ref();
            out.push(v1::Finding {
                judged: judgement.map(|judgement| verdicts::judged(judgement, self.redactor)),
                ..self.finding(&process.finding, None, self.user(home))
            });
            let verdict =
                judgement.and_then(|j| verdicts::of_process(j, &process.finding, self.signed, self.redactor));
            out.extend(verdict.map(|finding| v1::Finding { user: self.user(home), ..finding }));
        }
        out
    }

    fn sources(&self) -> Vec<v1::Source> {
        let counts = entries_by_source(&self.outcome.entries);
        let source = |(at, result): (usize, &SourceResult)| {
            let owner = result.source.owner();
            v1::Source {
                path: self.path(&result.source.path),
                client: owner.adapter.about().id.to_owned(),
                readers: source_readers(&result.source.readings),
                scope: owner.location.scope,
                user: self.user(result.source.home),
                state: result.state.to_owned(),
                bytes: result.bytes,
                digest: result.digest.clone(),
                entries: counts.get(&at).copied().unwrap_or(0),
            }
        };
        let mut sources: Vec<v1::Source> = self.outcome.sources.iter().enumerate().map(source).collect();
        sources.sort_by(|a, b| (&a.user, &a.path).cmp(&(&b.user, &b.path)));
        sources
    }

    fn gap(&self, gap: &Gap) -> v1::Gap {
        v1::Gap {
            kind: gap.kind.to_owned(),
            reason: self.redactor.text(&gap.reason),
            path: gap.path.as_deref().map(|p| self.path(p)),
            count: gap.count,
            user: self.user(gap.home),
            partial: gap.partial,
        }
    }
}

/// The arguments of which a plain word is hidden. One that begins with the hidden text must not look like a flag.
fn plain(shown: &[String], raw: &[Sensitive]) -> Vec<u32> {
    let pairs = (0u32..).zip(shown.iter().zip(raw.iter().map(Sensitive::expose)));
    let is_plain = |shown: &str, raw: &str| {
        shown != raw && redact::is_plain_word(raw) && raw.starts_with('-') == shown.starts_with('-')
    };
    pairs.filter(|(_, (shown, raw))| is_plain(shown, raw)).map(|(at, _)| at).collect()
}

pub(crate) fn entry_id(number: usize) -> String {
    format!("e{}", number + 1)
}

fn reader(reader: &Reader) -> v1::Reader {
    v1::Reader { client: reader.client.to_owned(), setting: reader.setting.map(str::to_owned) }
}

fn source_readers(readings: &[Reading]) -> Vec<v1::Reader> {
    let mut out: Vec<v1::Reader> = Vec::new();
    for reading in readings {
        let setting = match reading.location.role {
            mcpolicy_clients::location::Role::ReadsIf(setting) => Some(setting.to_owned()),
            _ => None,
        };
        let client = reading.adapter.about().id;
        if !out.iter().any(|r| r.client == client) {
            out.push(v1::Reader { client: client.to_owned(), setting });
        }
    }
    out
}

fn summary(
    entries: &[v1::Entry],
    findings: &[v1::Finding],
    sources: &[v1::Source],
    gaps: &[v1::Gap],
) -> v1::Summary {
    let distinct: BTreeSet<&str> = entries.iter().map(|e| e.fingerprint.as_str()).collect();
    let of = |severity: Severity| findings.iter().filter(|f| f.severity == severity).count() as u64;
    v1::Summary {
        entries: entries.len() as u64,
        live: entries.iter().filter(|e| e.inert.is_none()).count() as u64,
        inert: entries.iter().filter(|e| e.inert.is_some()).count() as u64,
        running: entries.iter().filter(|e| e.running == Some(true)).count() as u64,
        distinct: distinct.len() as u64,
        sources: sources.iter().filter(|s| s.entries > 0).count() as u64,
        findings: v1::SeverityCounts {
            critical: of(Severity::Critical),
            high: of(Severity::High),
            medium: of(Severity::Medium),
            low: of(Severity::Low),
            info: of(Severity::Info),
        },
        gaps: gaps.len() as u64,
        verdicts: None,
    }
}
