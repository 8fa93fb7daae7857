//! A report with everything that a hostile configuration could put into one.

use mcpolicy_schema::entry::{Inert, Scope, Transport};
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::report::v1::{
    Agent, Entry, Finding, Gap, Host, Identity, Judged, Location, PolicyInForce, Reader, RedactedValue,
    Report, SCHEMA, Scan, SeverityCounts, Source, Summary, TriedRule, VerdictCounts,
};
use mcpolicy_schema::verdict::{DecidedBy, Verdict};

use super::view;

/// Names that attack a terminal, a page, a spreadsheet, a log line, a reader's eye and a table's layout.
pub(super) const HOSTILE: [&str; 8] = [
    "\u{1b}[2J\u{1b}[31mroot# \u{7}",
    "</script><script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "two\nlines\r\u{85}\u{2028}critical=0",
    "exe.\u{202e}txt.live\u{202c}\u{200b}\u{feff}",
    "\" onmouseover=\"alert(1)\" x='&amp;",
    "サーバー-größe-हिन्दी-👩‍💻",
    "[click](https://attacker.example) {0} %s ${jndi:x}",
];

pub(super) fn entry(id: usize, name: &str, user: Option<&str>) -> Entry {
    let home = user.map_or("/work/shop".to_owned(), |user| format!("/home/{user}"));
    Entry {
        id: format!("e{id}"),
        name: name.to_owned(),
        client: "cursor".to_owned(),
        readers: vec![Reader { client: "cursor".to_owned(), setting: None }],
        scope: if user.is_some() { Scope::User } else { Scope::Project },
        user: user.map(str::to_owned),
        source: Location {
            path: format!("{home}/.cursor/mcp.json"),
            line: Some(3 + id as u32),
            column: Some(5),
            start: Some(40),
            end: Some(180),
        },
        key_path: format!("/mcpServers/{}", name.replace('~', "~0").replace('/', "~1")),
        transport: Transport::Stdio,
        identity: Identity {
            kind: "npm".to_owned(),
            name: "npm:@modelcontextprotocol/server-filesystem".to_owned(),
            version: Some("2025.8.21".to_owned()),
            pinned: true,
        },
        command: Some("npx".to_owned()),
        args: vec![
            "-y".to_owned(),
            "@modelcontextprotocol/server-filesystem@2025.8.21".to_owned(),
            "/srv/my files".to_owned(),
        ],
        url: None,
        env_keys: Vec::new(),
        header_keys: Vec::new(),
        values: Vec::new(),
        cwd: None,
        members: Vec::new(),
        disabled: false,
        running: Some(false),
        inert: None,
        judged: None,
        fingerprint: format!("{:064x}", id + 0xabc),
        project: None,
        plain_args: Vec::new(),
        plain_url: false,
        declared_type: None,
        malformed: None,
        facts: None,
    }
}

pub(super) fn finding(code: FindingCode, entry: Option<&Entry>, message: &str) -> Finding {
    Finding {
        code: code.as_str().to_owned(),
        severity: code.severity(),
        message: message.to_owned(),
        remedy: code.remedy().to_owned(),
        entry: entry.map(|e| e.id.clone()),
        name: entry.map(|e| e.name.clone()),
        user: entry.and_then(|e| e.user.clone()),
        source: entry.map(|e| Location { start: None, end: None, ..e.source.clone() }),
        verdict: None,
        judged: None,
    }
}

fn github() -> Entry {
    Entry {
        client: "claude-code".to_owned(),
        readers: ["claude-code", "cursor"].map(|c| Reader { client: c.to_owned(), setting: None }).to_vec(),
        args: vec!["-y".to_owned(), "@modelcontextprotocol/server-github".to_owned()],
        identity: Identity {
            kind: "npm".to_owned(),
            name: "npm:@modelcontextprotocol/server-github".to_owned(),
            version: None,
            pinned: false,
        },
        env_keys: vec!["GITHUB_PERSONAL_ACCESS_TOKEN".to_owned(), "NODE_OPTIONS".to_owned()],
        values: vec![RedactedValue {
            r#in: "env".to_owned(),
            name: "GITHUB_PERSONAL_ACCESS_TOKEN".to_owned(),
            kind: "github-token-classic".to_owned(),
            fingerprint: Some("h1:3f9a7c01d2e4b586".to_owned()),
            references: None,
        }],
        running: Some(true),
        ..entry(1, "github", Some("alice"))
    }
}

fn linear() -> Entry {
    Entry {
        client: "vscode".to_owned(),
        readers: vec![
            Reader { client: "vscode".to_owned(), setting: None },
            Reader { client: "windsurf".to_owned(), setting: Some("windsurf.mcp.discovery".to_owned()) },
        ],
        transport: Transport::Http,
        identity: Identity {
            kind: "url".to_owned(),
            name: "https://mcp.linear.example/mcp".to_owned(),
            version: None,
            pinned: false,
        },
        command: None,
        args: Vec::new(),
        url: Some("https://mcp.linear.example/mcp?key=<secret:query:h1:77aa00bb11cc22dd>".to_owned()),
        header_keys: vec!["Authorization".to_owned()],
        disabled: true,
        running: None,
        ..entry(2, "linear", Some("alice"))
    }
}

fn image() -> Entry {
    let tag = Some("1.4".to_owned());
    Entry {
        identity: Identity {
            kind: "oci".to_owned(),
            name: "oci:ghcr.example/tools/db".to_owned(),
            version: tag,
            pinned: false,
        },
        command: Some("docker".to_owned()),
        args: ["run", "-i", "--privileged", "ghcr.example/tools/db:1.4"].map(str::to_owned).to_vec(),
        inert: Some(Inert::KeyNotRead),
        readers: Vec::new(),
        ..entry(3, &format!("database-{}", "very-long-name-".repeat(16)), Some("bob"))
    }
}

fn findings(entries: &[Entry]) -> Vec<Finding> {
    let (github, linear, image) = (&entries[0], &entries[1], &entries[2]);
    let token = "GITHUB_PERSONAL_ACCESS_TOKEN holds a github-token-classic";
    let mut out = vec![
        finding(FindingCode::LoaderVariable, Some(github), "the entry sets NODE_OPTIONS"),
        finding(FindingCode::PrivilegedContainer, Some(image), "the container is started with --privileged"),
        finding(FindingCode::LiteralSecret, Some(github), token),
        finding(FindingCode::LiteralSecret, Some(github), "an argument holds a high-entropy secret"),
        finding(FindingCode::UrlCredentials, Some(linear), "the query of the URL holds a secret"),
        finding(
            FindingCode::UnpinnedPackage,
            Some(github),
            "npm:@modelcontextprotocol/server-github has no version",
        ),
        finding(FindingCode::InertEntry, Some(image), "no client reads this key"),
    ];
    for entry in &entries[3..] {
        out.push(finding(
            FindingCode::ControlCharacters,
            Some(entry),
            &format!("the name {} is odd", entry.name),
        ));
    }
    let mut file = finding(FindingCode::UnparseableConfig, None, "expected a value at line 3");
    file.user = Some("bob".to_owned());
    file.source = Some(Location {
        path: "/home/bob/.codeium/windsurf\u{1b}]0;x\u{7}/mcp config.json".to_owned(),
        line: Some(3),
        column: Some(1),
        start: None,
        end: None,
    });
    out.push(file);
    let mut process = finding(FindingCode::UndeclaredServer, None, "claude started npx -y left-pad-mcp");
    process.user = Some("alice".to_owned());
    out.push(process);
    let mut later = finding(FindingCode::RepositoryConfig, entries.last(), "said by a later version");
    later.code = "code-of-tomorrow".to_owned();
    out.push(later);
    out.sort_by_key(|f| std::cmp::Reverse(f.severity));
    out
}

/// The report that the snapshots show.
pub(super) fn sample_report() -> Report {
    let mut entries = vec![github(), linear(), image()];
    for (at, name) in HOSTILE.iter().enumerate() {
        entries.push(entry(4 + at, name, if at < 4 { Some("bob") } else { None }));
    }
    let findings = findings(&entries);
    let gap = |kind: &str, reason: &str, path: Option<&str>, partial| Gap {
        kind: kind.to_owned(),
        reason: reason.to_owned(),
        path: path.map(str::to_owned),
        count: 2,
        user: Some("bob".to_owned()),
        partial,
    };
    let coverage = vec![
        gap(
            "unreadable",
            "permission denied; run as root to see it",
            Some("/home/bob/\u{9b}31m/.vscode"),
            true,
        ),
        gap("remote-host", "servers of remote hosts are configured there", None, false),
    ];
    report(entries, findings, coverage)
}

fn report(entries: Vec<Entry>, findings: Vec<Finding>, coverage: Vec<Gap>) -> Report {
    let of = |severity: &str| findings.iter().filter(|f| f.severity.as_str() == severity).count() as u64;
    let source = |path: &str, user: Option<&str>, state: &str, entries| Source {
        path: path.to_owned(),
        client: "cursor".to_owned(),
        readers: vec![Reader { client: "cursor".to_owned(), setting: None }],
        scope: if user.is_some() { Scope::User } else { Scope::Project },
        user: user.map(str::to_owned),
        state: state.to_owned(),
        bytes: Some(512),
        digest: Some("h1:00112233445566778899aabbccddeeff".to_owned()),
        entries,
    };
    Report {
        schema: SCHEMA.to_owned(),
        agent: Agent { name: "mcpolicy".to_owned(), version: "0.1.0".to_owned() },
        host: Host {
            hostname: Some("lap\u{1b}[7mtop-17".to_owned()),
            os: "linux".to_owned(),
            device_id: None,
            os_version: Some("Debian GNU/Linux 12".to_owned()),
            arch: Some("x86_64".to_owned()),
            groups: Vec::new(),
        },
        scan: Scan {
            mode: "machine".to_owned(),
            root: None,
            started_at: "2026-03-04T05:06:07Z".to_owned(),
            duration_ms: 412,
            users: vec!["alice".to_owned(), "bob".to_owned()],
            homes: Vec::new(),
            directories_walked: 18_204,
            files_read: 61,
            fingerprint_key: "ephemeral".to_owned(),
        },
        policy: None,
        summary: Summary {
            entries: entries.len() as u64,
            live: entries.iter().filter(|e| e.inert.is_none()).count() as u64,
            inert: entries.iter().filter(|e| e.inert.is_some()).count() as u64,
            running: entries.iter().filter(|e| e.running == Some(true)).count() as u64,
            distinct: entries.len() as u64,
            sources: 3,
            findings: SeverityCounts {
                critical: of("critical"),
                high: of("high"),
                medium: of("medium"),
                low: of("low"),
                info: of("info"),
            },
            verdicts: None,
            gaps: coverage.len() as u64,
        },
        sources: vec![
            source("/home/alice/.cursor/mcp.json", Some("alice"), "read", 2),
            source("/home/bob/.cursor/mcp.json", Some("bob"), "read", 5),
            source(
                "/home/bob/.codeium/windsurf\u{1b}]0;x\u{7}/mcp config.json",
                Some("bob"),
                "unparseable",
                0,
            ),
            source("/work/shop/.cursor/mcp.json", None, "read", 4),
        ],
        entries,
        findings,
        coverage,
        requests: Vec::new(),
    }
}

/// The same report, judged by an unsigned draft: one entry is allowed, one could not be judged, the others are denied.
pub(super) fn judged_report() -> Report {
    let mut report = sample_report();
    report.policy = Some(PolicyInForce {
        name: "fleet \u{1b}[7m".to_owned(),
        sequence: None,
        signed: false,
        sha256: "0123456789abcdef".repeat(4),
        mode: "enforce".to_owned(),
        ring: Some("pilot".to_owned()),
        revocations: None,
        staleness: None,
        ticket: None,
        expires: None,
        stale_at: None,
        root_expires: None,
        notices: vec![crate::in_force::UNSIGNED.to_owned()],
    });
    let last = report.entries.len() - 1;
    let mut told = Vec::new();
    for (at, entry) in report.entries.iter_mut().enumerate() {
        let judged = judged(at, at == last, &entry.name);
        if let Some(code) = view::refused(Some(&judged)).and_then(|j| j.reason.clone()) {
            let code = FindingCode::ALL.iter().find(|known| known.as_str() == code).copied().unwrap();
            let message = "by the UNSIGNED draft, not allowed: no rule is about it";
            told.push(Finding {
                verdict: Some(judged.verdict),
                remedy: format!("{} Ask #mcp-help.", code.remedy()),
                ..finding(code, Some(entry), message)
            });
        }
        entry.judged = Some(judged);
    }
    let deny = report.entries.len() as u64 - 2;
    report.summary.verdicts = Some(VerdictCounts { allow: 1, deny, unknown: 1 });
    report.findings.extend(told);
    report.findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    report
}

fn judged(at: usize, last: bool, name: &str) -> Judged {
    let (verdict, code) = match (at, last) {
        (0, _) => (Verdict::Allow, None),
        (_, true) => (Verdict::Unknown, Some(FindingCode::MissingFact)),
        (1, _) => (Verdict::Deny, Some(FindingCode::Impersonation)),
        _ => (Verdict::Deny, Some(FindingCode::NotAllowed)),
    };
    Judged {
        verdict,
        decided_by: if code.is_none() { DecidedBy::Allowlist } else { DecidedBy::Default },
        rule: code.is_none().then(|| "github".to_owned()),
        reason: code.map(|code| code.as_str().to_owned()),
        detail: code.map(|_| format!("no rule is about what {name} would run")),
        pin: None,
        alternatives: if at == 1 { vec!["linear-remote".to_owned()] } else { Vec::new() },
        trace: (0..if at == 2 { 7 } else { 0 })
            .map(|n| TriedRule {
                rule: format!("rule-{n}"),
                reason: "argument-not-allowed".to_owned(),
                detail: "the argument --port is not one of the rule".to_owned(),
            })
            .collect(),
        contact: code.map(|_| "#mcp-help".to_owned()),
        until: None,
        ticket: None,
    }
}

/// A checkout: the paths are below one directory.
pub(super) fn project_report() -> Report {
    let mut report = sample_report();
    report.scan.mode = "project".to_owned();
    report.scan.root = Some("/work/shop".to_owned());
    report.scan.users.clear();
    report.entries.retain(|e| e.user.is_none());
    report.findings.retain(|f| f.user.is_none());
    report.sources.retain(|s| s.user.is_none());
    report
}

/// A fleet's worth of entries, for speed.
pub(super) fn many(count: usize) -> Report {
    let users = ["alice", "bob", "carol", "dave"];
    let codes = FindingCode::ALL;
    let mut entries = Vec::with_capacity(count);
    let mut findings = Vec::new();
    for id in 0..count {
        let user = users[id * users.len() / count];
        let mut entry = entry(id, &format!("{}-{id}", HOSTILE[id % HOSTILE.len()]), Some(user));
        entry.identity.name = format!("npm:@scope/server-{}", id % 97);
        entry.source.path = format!("/home/{user}/src/project-{}/.mcp.json", id / 4);
        for n in 0..id % 3 {
            findings.push(finding(
                codes[(id * 7 + n) % codes.len()],
                Some(&entry),
                "what was seen here in a few words",
            ));
        }
        entries.push(entry);
    }
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    report(entries, findings, Vec::new())
}
