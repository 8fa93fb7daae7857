//! Known secrets planted in every place of every client's format never leave, in any output.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mcpolicy_clients::adapters;
use mcpolicy_clients::codec::Format;
use mcpolicy_clients::location::{Location, Os};
use mcpolicy_clients::template::{self, Layout};
use mcpolicy_schema::entry::Scope;
use mcpolicy_tests::{TestMachine, report_of, texts};
use serde_json::{Value, json};

/// Hands out secrets that can be told from anything else.
struct Planter {
    planted: Vec<String>,
}

impl Planter {
    fn secret(&mut self) -> String {
        let secret = format!("Planted{:05}xQ7v", self.planted.len());
        self.planted.push(secret.clone());
        secret
    }

    /// The secrets that stand in any of these texts. All of them begin alike, so that one search finds them.
    fn shown_in(&self, texts: &[&str]) -> Vec<String> {
        let planted: BTreeSet<&str> = self.planted.iter().map(String::as_str).collect();
        let length = self.planted.first().map_or(0, String::len);
        let places = texts.iter().flat_map(|text| text.match_indices("Planted").map(|(at, _)| &text[at..]));
        let found = places.filter_map(|rest| rest.get(..length)).filter(|word| planted.contains(word));
        found.map(str::to_owned).collect()
    }

    /// Entries that hold a secret in every place where one can stand.
    fn entries(&mut self, tag: &str) -> Vec<(String, Value)> {
        let mut s = || self.secret();
        let stdio = json!({
            "command": "npx",
            "args": [
                "-y", "some-mcp", "--api-key", s(), format!("--token={}", s()), format!("ghp_{}0000000000000000000000", s()),
                "-e", format!("SERVICE_PASSWORD={}", s()), format!("postgresql://user:{}@db.example.com/x", s()),
                "--header", format!("Authorization: Bearer {}", s()), format!("https://h.example.com/mcp?key={}", s()),
                format!("Server=db;Password={};", s()), format!("{{\"apiKey\":\"{}\"}}", s()),
            ],
            "env": {"API_TOKEN": s(), "PLAIN_LOOKING": s()},
            "cwd": "/srv/data",
            "envFile": format!("/home/dev/{}", "x.env"),
            "headersHelper": format!("get-headers --secret {}", s()),
            "bearer_token": s(),
            "oauth": {"clientSecret": s()},
        });
        let shell =
            json!({"command": "sh", "args": ["-c", format!("TOKEN={} npx some-mcp --key '{}'", s(), s())]});
        let line = json!({"command": format!("npx some-mcp --api-key {}", s())});
        let url = |s: &mut dyn FnMut() -> String| {
            format!("https://user:{}@mcp.example.com/mcp?token={}&b={}#{}", s(), s(), s(), s())
        };
        let remote = json!({
            "type": "http",
            "url": url(&mut s),
            "headers": {"Authorization": format!("Bearer {}", s()), "X-Plain": s()},
        });
        // Under other names; beside the first these contradict it.
        let environments = json!({"command": "npx", "env": {"A": s()}, "environment": {"OTHER": s()}, "envs": {"THIRD": s()}});
        let headers = json!({
            "url": url(&mut s),
            "headers": {"X-Plain": s()},
            "http_headers": {"X-Other": s()},
            "requestInit": {"headers": {"X-Third": s()}},
        });
        let nested = json!({
            "command": "sh",
            "transport": {"command": "npx", "args": ["--key", s()], "env": {"A": s()}, "url": url(&mut s), "oauth": {"clientSecret": s()}},
        });
        let others = json!({"httpUrl": url(&mut s), "serverUrl": url(&mut s), "uri": url(&mut s)});
        let broken = json!({"url": format!("ht!tp://user:{}@[broken/?q={}", s(), s())});
        let named = format!("ghp_{}0000000000000000000000", s());
        let list = [
            ("stdio", stdio),
            ("shell", shell),
            ("line", line),
            ("remote", remote),
            ("environments", environments),
            ("headers", headers),
            ("nested", nested),
            ("others", others),
            ("broken", broken),
        ];
        let mut entries: Vec<_> =
            list.into_iter().map(|(kind, entry)| (format!("{tag}-{kind}"), entry)).collect();
        entries.push((named, json!({"command": "npx"})));
        entries
    }
}

/// The text of a file of this location with these entries.
fn document(location: &Location, entries: Vec<(String, Value)>, secret: &str) -> Option<String> {
    let key = location.keys.first()?;
    let map = |entries: Vec<(String, Value)>| Value::Object(entries.into_iter().collect());
    let inner = match location.format {
        Format::Xml => return Some(xml(location, secret)),
        Format::Shell => return None,
        _ => map(entries),
    };
    let whole = key
        .split('/')
        .skip(1)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .fold(inner, |value, part| if part == "*" { json!([value]) } else { json!({ part: value }) });
    let text = serde_json::to_string_pretty(&whole).unwrap();
    Some(match location.format {
        Format::Toml => toml(&whole),
        // JSON is YAML.
        Format::Yaml | Format::YamlOrJson => text,
        Format::FrontMatter => format!("---\n# {secret}\n{text}\n---\n{secret}\n"),
        Format::Json(dialect) if dialect.comments => format!("// {secret}\n{text}\n"),
        _ => text,
    })
}

fn toml(value: &Value) -> String {
    let members = value.as_object().unwrap().iter();
    members.map(|(key, value)| format!("{} = {}\n", json!(key), inline_toml(value))).collect()
}

fn inline_toml(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let members: Vec<_> =
                map.iter().map(|(k, v)| format!("{} = {}", json!(k), inline_toml(v))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline_toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn xml(location: &Location, secret: &str) -> String {
    let component = if location.scope == Scope::Project {
        "McpProjectServerCommands"
    } else {
        "McpApplicationServerCommands"
    };
    format!(
        r#"<application><component name="{component}"><commands><McpServerCommand>
        <option name="enabled" value="true" /><option name="name" value="xml-server" />
        <option name="programPath" value="npx" /><option name="arguments" value="-y some-mcp --api-key {secret}" />
        <envs><env name="API_TOKEN" value="{secret}" /></envs>
        </McpServerCommand></commands></component></application>"#
    )
}

/// Writes a file of every location that holds servers; returns who was written and the paths.
fn plant(machine: &TestMachine, planter: &mut Planter) -> BTreeMap<PathBuf, String> {
    let layout = Layout { os: Os::Linux, home: PathBuf::from("/home/dev"), variables: BTreeMap::new() };
    let mut written = BTreeMap::new();
    for adapter in adapters::ALL {
        let about = adapter.about();
        for location in about.locations.iter().filter(|l| l.os.contains(&Os::Linux)) {
            let project = PathBuf::from(format!("/home/dev/src/{}", about.id));
            let patterns = match template::below(location.path, "<project>", &project) {
                Some(pattern) => vec![pattern],
                None => template::expand(about, location.path, &layout),
            };
            for pattern in patterns {
                let path = pattern.rest.iter().fold(pattern.base, |p, part| p.join(part.replace('*', "x")));
                let secret = planter.secret();
                let tag = format!("{}-{}", about.id, written.len());
                let Some(text) = document(location, planter.entries(&tag), &secret) else { continue };
                let host = machine.root().join(path.strip_prefix("/").unwrap());
                if !host.exists() {
                    std::fs::create_dir_all(host.parent().unwrap()).unwrap();
                    std::fs::write(&host, text).unwrap();
                    written.insert(path, about.id.to_owned());
                }
            }
        }
    }
    written
}

const DRAFT: &str = r#"
[[rule]]
id = "some"
identity.npm = { package = "some-mcp" }
args.optional = ["--api-key *", "--token *", "-e *", "--header *"]
env = { API_TOKEN = "${API_TOKEN}" }
names = ["stdio"]
"#;

fn scan(machine: &TestMachine, format: &str, more: &[&str]) -> (String, String) {
    let root = machine.root();
    let arguments = ["scan", "--root", root.to_str().unwrap(), "--format", format];
    let output = machine.run(&[&arguments[..], more].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn no_secret_of_any_client_leaves_in_any_output() {
    let machine = TestMachine::new(crate::BINARY);
    let mut planter = Planter { planted: Vec::new() };
    let written = plant(&machine, &mut planter);
    let root = machine.root();
    let report = report_of(&machine.run(&["scan", "--root", root.to_str().unwrap(), "--format", "json"]));
    let with_entries: BTreeSet<PathBuf> =
        texts(&report, "entries", "/source/path").into_iter().map(PathBuf::from).collect();
    let unread: Vec<_> = written.iter().filter(|(path, _)| !with_entries.contains(*path)).collect();
    assert!(unread.is_empty(), "planted but not found: {unread:#?}");
    // rules that come as far as every argument, variable, header and URL before they refuse
    let draft = crate::policy_scan::draft(&machine, DRAFT);
    let draft = draft.to_str().unwrap();
    let formats = ["human", "json", "csv", "sarif", "mdm", "html"];
    let with_draft = ["--draft", draft];
    let runs = formats.iter().flat_map(|format| [(*format, &[][..]), (*format, &with_draft[..])]);
    let judged = report_of(&machine.run(&[
        "scan",
        "--root",
        root.to_str().unwrap(),
        "--format",
        "json",
        "--draft",
        draft,
    ]));
    let of = |member: &str| texts(&judged, "entries", member).into_iter().collect::<BTreeSet<_>>();
    assert!(of("/judged/trace/0/rule").contains("some"), "the rule was not asked");
    assert!(of("/judged/reason").contains("non-canonical-url"), "the URLs were not judged");
    for (format, more) in runs {
        let (out, err) = scan(&machine, format, more);
        assert!(!out.is_empty());
        let leaked = planter.shown_in(&[&out, &err]);
        assert!(
            leaked.is_empty(),
            "{} of {} leaked in {format}: {}",
            leaked.len(),
            planter.planted.len(),
            around(&out, leaked[0].as_str())
        );
    }
}

fn around(text: &str, secret: &str) -> String {
    let at = text.find(secret).unwrap_or(0);
    let from = text[..at].char_indices().rev().nth(200).map_or(0, |(i, _)| i);
    text[from..].chars().take(300).collect()
}

#[test]
fn a_file_that_cannot_be_parsed_quotes_nothing() {
    let machine = TestMachine::new(crate::BINARY);
    let broken = "Planted77777xQ7v";
    for (path, text) in [
        (".codeium/windsurf/mcp_config.json", format!("{{\"a\": {broken}")),
        (".codex/config.toml", format!("[mcp_servers.x]\nkey = {broken}")),
        (".codex/other.config.toml", format!("a = \"{broken}\"\na = 1\n{broken}")),
        (".config/goose/config.yaml", format!("a: [{broken}\nb: *{broken}\n  c: {{{broken}")),
        (".config/JetBrains/Idea1/options/llm.mcpServers.xml", format!("<a><{broken}></a>")),
        (".claude.json", format!("{{\"{broken}\":1,\"{broken}\":2,,}}")),
        (".bashrc", format!("export CODEX_HOME=$({broken})\nexport CLAUDE_CONFIG_DIR=\"`{broken}`\"\n")),
    ] {
        machine.file(path, text);
    }
    let report = machine.scan(&[]);
    let unparseable =
        texts(&report, "findings", "/code").iter().filter(|c| *c == "unparseable-config").count();
    assert!(unparseable >= 5, "only {unparseable} files were told");
    for format in ["human", "json", "csv", "sarif", "mdm", "html"] {
        let output = machine.run(&["scan", "--home", machine.home().to_str().unwrap(), "--format", format]);
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains(broken), "quoted in {format}");
    }
}

#[test]
fn fingerprints_of_secrets_differ_between_runs_and_agree_with_a_key() {
    let machine = TestMachine::new(crate::BINARY);
    machine.file(
        ".cursor/mcp.json",
        r#"{"mcpServers":{"a":{"command":"x","env":{"API_TOKEN":"Planted88888xQ7v"}}}}"#,
    );
    let key = machine.root().join("key");
    std::fs::write(&key, [7u8; 32]).unwrap();
    let fingerprint = |more: &[&str]| texts(&machine.scan(more), "entries", "/values/0/fingerprint");
    let with_key = ["--fingerprint-key", key.to_str().unwrap()];
    assert_ne!(fingerprint(&[]), fingerprint(&[]));
    assert_eq!(fingerprint(&with_key), fingerprint(&with_key));
    assert_eq!(fingerprint(&with_key).len(), 1);
    std::fs::write(&key, b"short").unwrap();
    let home = machine.home();
    let refused = machine.run(&["scan", "--home", home.to_str().unwrap(), with_key[0], with_key[1]]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(Path::new(&key).exists());
}
