//! Every byte of an allowed entry counts: changed, removed, or joined by another, it either leaves the entry allowed
//! for a reason that is stated here, or it does not leave it allowed.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use mcpolicy_schema::entry::{Entry, NamedValue, Reader};
use mcpolicy_schema::evaluate::{Context, Facts, FileFacts, Subject, evaluate};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::{fingerprint, identity};
use serde_json::json;

const DIGEST: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";

fn policy() -> Policy {
    let document = json!({
        "schema": "mcpolicy/policy/v1",
        "policy": { "name": "mutations", "contact": "security@example.com" },
        "rule": [
            {
                "id": "fs",
                "identity": { "npm": { "package": "@scope/server-fs", "versions": "2025.8.21" } },
                "runners": ["npx"],
                "args": { "positional": ["/workspace"], "optional": ["--read-only"] },
                "env": { "LOG_LEVEL": "info", "API_KEY": "*" },
            },
            {
                "id": "git",
                "identity": { "pypi": { "package": "mcp-server-git", "versions": "==2025.12.18" } },
                "runners": ["uvx"],
                "args": { "positional": ["--repository", "*"] },
            },
            {
                "id": "image",
                "identity": { "oci": { "image": "ghcr.io/owner/server", "digests": [format!("sha256:{DIGEST}")] } },
                "env": { "TOKEN": "*" },
            },
            {
                "id": "remote",
                "identity": { "url": { "url": "https://mcp.example.com/mcp", "query": { "read_only": "true" } } },
                "headers": { "Authorization": "Bearer *", "X-Mode": "ro" },
                "references": ["EXAMPLE_TOKEN"],
            },
            {
                "id": "bridge",
                "identity": { "bridge": {
                    "ecosystem": "npm", "package": "mcp-remote", "versions": "0.1.30",
                    "targets": ["https://mcp.example.com/sse"],
                } },
            },
            {
                "id": "local",
                "identity": { "executable": { "path": "/usr/local/bin/acme", "sha256": [DIGEST] } },
                "args": { "positional": ["serve"] },
                "cwd": ["/srv/acme"],
            },
        ],
    });
    Policy::compile(serde_json::from_value(document).unwrap()).unwrap()
}

fn entry(command: Option<&str>, args: &[&str], url: Option<&str>) -> Entry {
    let bare = match (command, url) {
        (Some(command), _) => {
            Entry { url: url.map(Into::into), ..Entry::stdio(command, args.iter().copied()) }
        }
        (None, url) => Entry::remote(url.unwrap()),
    };
    let readers = vec![Reader { client: "claude-code", setting: None }];
    Entry { name: "any".into(), client: "claude-code", readers, key_path: "/mcpServers/any".into(), ..bare }
}

fn named(name: &str, value: &str) -> NamedValue {
    NamedValue { name: name.into(), value: value.into() }
}

/// Each allowed entry with the texts of it that may change, and why. Everything else must not.
fn allowed() -> Vec<(Entry, BTreeSet<&'static str>)> {
    let image = format!("ghcr.io/owner/server@sha256:{DIGEST}");
    let mut fs = entry(Some("npx"), &["-y", "@scope/server-fs@2025.8.21", "/workspace", "--read-only"], None);
    fs.env = vec![named("LOG_LEVEL", "info"), named("API_KEY", "k-1")];
    let git = entry(Some("uvx"), &["mcp-server-git==2025.12.18", "--repository", "/workspace"], None);
    let container = entry(Some("docker"), &["run", "-i", "--rm", "-e", "TOKEN", &image], None);
    let mut remote = entry(None, &[], Some("https://mcp.example.com/mcp?read_only=true"));
    remote.headers = vec![named("Authorization", "Bearer ${EXAMPLE_TOKEN}"), named("X-Mode", "ro")];
    let bridge = entry(Some("npx"), &["-y", "mcp-remote@0.1.30", "https://mcp.example.com/sse"], None);
    let mut local = entry(Some("/usr/local/bin/acme"), &["serve"], None);
    local.cwd = Some("/srv/acme".into());
    vec![
        (fs, BTreeSet::from(["env value API_KEY"])),
        (git, BTreeSet::from(["arg 2"])),
        (container, BTreeSet::new()),
        (remote, BTreeSet::new()),
        (bridge, BTreeSet::new()),
        (local, BTreeSet::new()),
    ]
}

fn judge(policy: &Policy, entry: &Entry) -> bool {
    let identity = identity::identify(entry);
    let fingerprint = fingerprint::of(entry, &identity, None);
    let program = entry.command.as_ref().filter(|c| c.expose().starts_with('/')).map(|c| FileFacts {
        path: c.expose().to_owned(),
        real_path: c.expose().to_owned(),
        sha256: Some(DIGEST.to_owned()),
        user_writable: false,
    });
    let facts = Facts { program, ..Facts::default() };
    let context = Context { facts: &facts, ..Context::bare("2026-11-21T00:00:00Z".parse().unwrap()) };
    evaluate(policy, &Subject { entry, identity: &identity, fingerprint: &fingerprint }, &context)
        .is_allowed()
}

/// Every text of an entry, by a name, with a way to replace it.
type Setter = Box<dyn Fn(&mut Entry, &str)>;

/// Name, text and setter of a text.
type Part = (String, String, Setter);

fn parts(entry: &Entry) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut add = |name: String, text: &str, set: Setter| {
        parts.push((name, text.to_owned(), set));
    };
    if let Some(command) = &entry.command {
        add("command".into(), command.expose(), Box::new(|e, t| e.command = Some(t.into())));
    }
    for (at, arg) in entry.args.iter().enumerate() {
        add(format!("arg {at}"), arg.expose(), Box::new(move |e, t| e.args[at] = t.into()));
    }
    if let Some(url) = &entry.url {
        add("url".into(), url.expose(), Box::new(|e, t| e.url = Some(t.into())));
    }
    if let Some(cwd) = &entry.cwd {
        add("cwd".into(), cwd.expose(), Box::new(|e, t| e.cwd = Some(t.into())));
    }
    for (at, variable) in entry.env.iter().enumerate() {
        add(
            format!("env name {}", variable.name),
            &variable.name,
            Box::new(move |e, t| e.env[at].name = t.into()),
        );
        let name = format!("env value {}", variable.name);
        add(name, variable.value.expose(), Box::new(move |e, t| e.env[at].value = t.into()));
    }
    for (at, header) in entry.headers.iter().enumerate() {
        let name = format!("header name {}", header.name);
        add(name, &header.name, Box::new(move |e, t| e.headers[at].name = t.into()));
        let name = format!("header value {}", header.name);
        add(name, header.value.expose(), Box::new(move |e, t| e.headers[at].value = t.into()));
    }
    parts
}

/// Every text that is one edit away.
fn edits(text: &str) -> Vec<String> {
    let mut letters: Vec<char> = (' '..='~').collect();
    letters.extend([
        '\0', '\t', '\n', '\r', '\u{1b}', '\u{85}', 'é', 'І', '\u{200b}', '\u{202e}', '。', '\u{feff}', '／',
    ]);
    let chars: Vec<char> = text.chars().collect();
    let mut edits = Vec::new();
    for at in 0..=chars.len() {
        let (before, after): (String, String) = (chars[..at].iter().collect(), chars[at..].iter().collect());
        let rest: String = chars.iter().skip(at + 1).collect();
        if at < chars.len() {
            edits.push(format!("{before}{rest}"));
        }
        for letter in &letters {
            edits.push(format!("{before}{letter}{after}"));
            if at < chars.len() {
                edits.push(format!("{before}{letter}{rest}"));
            }
        }
    }
    edits.retain(|edit| edit != text);
    edits
}

/// Why a changed text is still the same thing.
fn same_thing(part: &str, before: &str, after: &str) -> bool {
    match part {
        // Host case, one last slash and an empty query make no difference.
        _ if before.starts_with("https://") => same_url(before, after),
        // Nor does the case of an image's registry, which is a host name.
        "arg 5" if before.starts_with("ghcr.io/") => {
            let (host, rest) = after.split_once('/').unwrap_or_default();
            host.eq_ignore_ascii_case("ghcr.io")
                && before.ends_with(rest)
                && host.len() + rest.len() + 1 == before.len()
        }
        // HTTP compares header names without case.
        _ if part.starts_with("header name") => after.eq_ignore_ascii_case(before),
        // The rule admits any text after `Bearer ` that refers to nothing else.
        "header value Authorization" => after.starts_with("Bearer ") && !after.contains(['\r', '\n', '\0']),
        // PEP 503: case and runs of `-`, `_`, `.` make no other name; PEP 440: nor other zeros another release.
        "arg 0" if before.starts_with("mcp-server-git") => python_spelling(after) == python_spelling(before),
        // Another way to write the same exact version.
        "arg 1" if before.contains('@') => after.replacen("@v", "@", 1).replacen("@=", "@", 1) == before,
        // Flags that change nothing of what runs.
        "arg 0" | "arg 1" if before == "-y" || before == "-i" => {
            ["--", "-q", "-t", "-ti", "-it"].contains(&after)
        }
        // Flags of one letter in one word; a variable that is set to nothing.
        "arg 3" if before == "-e" => ["-ie", "-qe", "-te"].contains(&after),
        "arg 4" if before == "TOKEN" => after == "TOKEN=",
        // The rule of the bridge names no runners, so every usual one of npm may start it.
        "command" if before == "npx" => after == "pnpx",
        _ => false,
    }
}

/// Two spellings of one URL that every program takes alike.
fn same_url(before: &str, after: &str) -> bool {
    let parts = |url: &str| {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let rest = address.strip_prefix("https://")?;
        let (host, path) = rest.split_once('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        Some((host.to_ascii_lowercase(), path.to_owned(), query.to_owned()))
    };
    parts(before) == parts(after)
}

fn python_spelling(text: &str) -> String {
    let mut out = String::new();
    // `===` compares the text itself, which is the same release here.
    let (name, version) = text.split_once("==").unwrap_or((text, ""));
    let version = version.strip_prefix('=').unwrap_or(version);
    for c in name.trim().chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    let version = version.trim().trim_start_matches(['v', 'V']);
    let numbers: Vec<String> = version.split('.').map(|n| n.trim_start_matches('0').to_owned()).collect();
    format!("{out}=={}", numbers.join("."))
}

#[test]
fn every_changed_byte_of_an_allowed_entry_is_explained_or_denied() {
    let policy = policy();
    let mut tried = 0;
    let mut unexplained = Vec::new();
    for (entry, free) in allowed() {
        assert!(
            judge(&policy, &entry),
            "the entry as it is must be allowed: {:?}",
            identity::identify(&entry).kind
        );
        for (part, text, set) in parts(&entry) {
            if free.contains(part.as_str()) {
                continue;
            }
            for edit in edits(&text) {
                let mut changed = entry.clone();
                set(&mut changed, &edit);
                tried += 1;
                if judge(&policy, &changed) && !same_thing(&part, &text, &edit) {
                    unexplained.push(format!("{part}: {text:?} -> {edit:?}"));
                }
            }
        }
    }
    assert!(tried > 50_000, "only {tried} edits were tried");
    assert!(unexplained.is_empty(), "{} of {tried} edits:\n{}", unexplained.len(), unexplained.join("\n"));
}

#[test]
fn a_variable_header_argument_or_directory_more_is_denied() {
    let policy = policy();
    for (entry, _) in allowed() {
        let mut with_env = entry.clone();
        with_env.env.push(named("NODE_OPTIONS", "--require=/tmp/x.js"));
        let mut with_header = entry.clone();
        with_header.headers.push(named("X-Other", "1"));
        let mut with_arg = entry.clone();
        with_arg.args.push("--more".into());
        let mut with_first = entry.clone();
        with_first.args.insert(0, "--more".into());
        let mut with_directory = entry.clone();
        with_directory.cwd = Some("/tmp/evil".into());
        for (what, changed) in [
            ("env", with_env),
            ("header", with_header),
            ("argument", with_arg),
            ("first argument", with_first),
            ("cwd", with_directory),
        ] {
            // A remote server is given no arguments.
            let ignored = entry.url.is_some() && what.ends_with("argument");
            assert!(ignored || !judge(&policy, &changed), "{what} of {:?}", identity::identify(&entry).kind);
        }
    }
}
