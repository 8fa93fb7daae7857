//! A 5 MB file from text to entries. The budget for `~/.claude.json` is 20 ms.
#![allow(clippy::expect_used, reason = "a benchmark that cannot read its own text must stop")]

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use mcpolicy_clients::codec::{Dialect, Format, decode, parse};
use mcpolicy_clients::node::LineIndex;
use mcpolicy_clients::reads::Reads;
use mcpolicy_clients::{normalise, servers};
use mcpolicy_schema::entry::{Entry, Scope, Transport};

const SIZE: usize = 5_000_000;
const PROJECTS: usize = 60;

fn main() {
    divan::main();
}

/// What Claude Code leaves in a home after a year: few servers, long histories of prompts.
fn claude_json() -> String {
    let words = "refactor the billing worker add tests for retry backoff explain this stack trace rename ";
    let plain = format!(r#"{{"display": "{}", "pastedContents": {{}}}}"#, words.repeat(3));
    claude_json_of(&format!("{}, {PASTED}", vec![plain; 9].join(", ")))
}

/// A prompt with escapes and a pasted text.
const PASTED: &str = r#"{"display": "read \"C:\\temp\\x\"\nand explain the naïve case", "pastedContents": {"1": {"id": 1, "type": "text", "content": "lorem ipsum dolor sit amet, consectetur adipiscing elit"}}}"#;

fn claude_json_of(batch: &str) -> String {
    let entry = |n: usize| {
        format!(
            r#""server-{n}": {{"type": "stdio", "command": "npx", "args": ["-y", "@example/server-{n}@1.2.{n}"], "env": {{"API_KEY": "${{API_KEY_{n}}}"}}}}"#
        )
    };
    let history = vec![batch; SIZE / PROJECTS / (batch.len() + 2)].join(", ");
    let projects: Vec<String> = (0..PROJECTS)
        .map(|n| {
            let server = entry(1000 + n);
            format!(
                "\n    \"/home/dev/src/project-{n}\": {{\"allowedTools\": [], \"history\": [{history}], \"mcpServers\": {{{server}}}, \"lastCost\": 0.31}}"
            )
        })
        .collect();
    let user: Vec<String> = (0..20).map(entry).collect();
    format!(
        "{{\n  \"numStartups\": 412,\n  \"mcpServers\": {{{}}},\n  \"projects\": {{{}\n  }}\n}}\n",
        user.join(", "),
        projects.join(",")
    )
}

fn repeated(count_of: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(SIZE + 1000);
    let mut n = 0;
    while text.len() < SIZE {
        text += &count_of(n);
        n += 1;
    }
    text
}

fn codex_toml() -> String {
    repeated(|n| {
        format!(
            "[mcp_servers.s{n}]\ncommand = \"npx\"\nargs = [\"-y\", \"@example/server-{n}@1.2.3\"]\n\n[mcp_servers.s{n}.env]\nKEY = 'value of {n}'\n\n[projects.\"/home/dev/src/project-{n}\"]\ntrust_level = \"trusted\"\n\n"
        )
    })
}

fn goose_yaml() -> String {
    String::from("extensions:\n")
        + &repeated(|n| {
            format!(
                "  s{n}:\n    type: stdio\n    enabled: true\n    cmd: npx\n    args:\n    - -y\n    - '@example/server-{n}@1.2.3'\n    envs: {{KEY: \"value of {n}\"}}\n"
            )
        })
}

/// Bytes to entries, as the scanner does it.
fn entries(bytes: &[u8], format: Format, keys: &[&str]) -> Vec<Entry> {
    let text = decode::decode(bytes).expect("the text is UTF-8");
    let parsed = parse(format, "file", &text.text).expect("the text is valid");
    let lines = LineIndex::new(&text.text);
    let context = normalise::Context {
        client: "claude-code",
        scope: Scope::User,
        untyped_url: Transport::Http,
        reads: &[&Reads::USUAL],
        format,
        lines: &lines,
    };
    let mut found = servers::under_keys(&parsed.root, keys);
    for project in servers::tables_at(&parsed.root, "/projects").into_iter().flat_map(|p| p.members()) {
        found.extend(servers::under_keys(&project.value, &["/mcpServers"]));
    }
    found.iter().map(|found| normalise::entry(found, context)).collect()
}

fn measure(bencher: Bencher<'_, '_>, text: &str, format: Format, keys: &[&str]) {
    assert!(text.len() > SIZE / 10 * 9 && !entries(text.as_bytes(), format, keys).is_empty());
    bencher.counter(BytesCount::of_str(text)).bench(|| entries(black_box(text).as_bytes(), format, keys));
}

#[divan::bench]
fn claude_json_to_entries(bencher: Bencher<'_, '_>) {
    measure(bencher, &claude_json(), Format::Json(Dialect::STRICT), &["/mcpServers"]);
}

/// The hard case, for information: every prompt has escapes and a pasted text, four times the values.
#[divan::bench]
fn claude_json_of_pasted_texts_to_entries(bencher: Bencher<'_, '_>) {
    measure(bencher, &claude_json_of(PASTED), Format::Json(Dialect::STRICT), &["/mcpServers"]);
}

#[divan::bench]
fn claude_json_with_damage_to_entries(bencher: Bencher<'_, '_>) {
    let text = claude_json() + "}";
    measure(bencher, &text, Format::Json(Dialect::RECOVERING), &["/mcpServers"]);
}

#[divan::bench(sample_count = 10)]
fn codex_toml_to_entries(bencher: Bencher<'_, '_>) {
    measure(bencher, &codex_toml(), Format::Toml, &["/mcp_servers"]);
}

#[divan::bench(sample_count = 10)]
fn goose_yaml_to_entries(bencher: Bencher<'_, '_>) {
    measure(bencher, &goose_yaml(), Format::Yaml, &["/extensions"]);
}
