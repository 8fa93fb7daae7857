//! Files that real clients and installers wrote give exactly the entries that they hold. The files are not part of
//! this repository; where they are absent the test says so.

#![expect(clippy::disallowed_methods, reason = "a test reads samples")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(missing_docs, dead_code, reason = "a test binary; not each one uses all of the common code")]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mcpolicy_clients::adapter::Lead;
use mcpolicy_clients::adapters;

/// Sample, client, location, and the entries as `scope name transport: what is run or contacted`.
type Sample = (&'static str, &'static str, &'static str, &'static [&'static str]);

const FS: &str = "user fs stdio: npx -y @modelcontextprotocol/server-filesystem /srv/data";
const WEB: &str = "user web http: https://mcp.example.com/mcp";
const DEMO: &[&str] = &["user demo stdio: npx -y @acme/mcp-server"];

const SAMPLES: &[Sample] = &[
    (
        "core/claude/dot-claude.json",
        "claude-code",
        "~/.claude.json",
        &[
            "local loc stdio: npx -y @scope/loc@1.2.3 --flag",
            "user hsrv http: https://mcp.example.com/mcp",
            "user js ws: wss://x.example/ws",
            "user js2 stdio: node a",
            "user usr stdio: node /opt/s.js",
        ],
    ),
    (
        "core/claude/project.mcp.json",
        "claude-code",
        "<project>/.mcp.json",
        &["project prj stdio: uvx prj-server"],
    ),
    (
        "core/claude/user-settings-after-plugin-install.json",
        "claude-code",
        "$CLAUDE_CONFIG_DIR/settings.json",
        &[],
    ),
    (
        "core/codex/config.toml",
        "codex",
        "$CODEX_HOME/config.toml",
        &[
            "user h1 http: https://mcp.example.com/mcp",
            "user old stdio: /bin/old",
            "user s1 stdio: npx -y pkg@1",
            "user we ird.name http: https://x.example/mcp",
        ],
    ),
    ("core/codex/config-after-plugin-add.tail.toml", "codex", "$CODEX_HOME/config.toml", &[]),
    ("core/codex/requirements-tested.toml", "codex", "/etc/codex/requirements.toml", &[]),
    ("others/amp-0.0.1790142911/user-settings.json", "amp", "~/.config/amp/settings.json", &[FS, WEB]),
    (
        "others/amp-0.0.1790142911/workspace-settings.json",
        "amp",
        "<project>/.amp/settings.json",
        &["project projsrv stdio: node s.js"],
    ),
    ("others/auggie-0.36.0/user-settings.json", "auggie", "~/.augment/settings.json", &[FS, WEB]),
    (
        "others/cline-cli-3.0.65/user-cline_mcp_settings.json",
        "cline-cli",
        "$CLINE_DATA_DIR/settings/cline_mcp_settings.json",
        &[FS, "user web stdio: https://mcp.example.com/mcp", "user web2 http: https://mcp.example.com/mcp"],
    ),
    (
        "others/copilot-cli-1.0.102/user-mcp-config.json",
        "copilot-cli",
        "$COPILOT_HOME/mcp-config.json",
        &["user ev sse: https://mcp.example.com/sse", FS, WEB],
    ),
    ("others/droid-0.215.0/user-mcp.json", "droid", "~/.factory/mcp.json", &[FS, WEB]),
    (
        "others/gemini-cli-0.61.0/project-settings.json",
        "gemini-cli",
        "<project>/.gemini/settings.json",
        &["project projsrv stdio: node server.js"],
    ),
    (
        "others/gemini-cli-0.61.0/user-settings.json",
        "gemini-cli",
        "$GEMINI_CLI_HOME/.gemini/settings.json",
        &["user ev sse: https://mcp.example.com/sse", FS, WEB],
    ),
    (
        "others/kilo-7.7.9/user-kilo.jsonc",
        "kilo-code",
        "$XDG_CONFIG_HOME/kilo/kilo.jsonc",
        &["user fs stdio: npx -y x", WEB],
    ),
    (
        "others/opencode-1.18.33/user-opencode.jsonc",
        "opencode",
        "$XDG_CONFIG_HOME/opencode/opencode.jsonc",
        &[FS, WEB],
    ),
    (
        "others/qwen-code-0.15.10/user-settings.json",
        "qwen-code",
        "~/.qwen/settings.json",
        &[FS, "user projsrv stdio: node server.js", WEB],
    ),
    (
        "others/qwen-code-0.24.4/project-settings.json",
        "qwen-code",
        "<project>/.qwen/settings.json",
        &["project fs stdio: npx -y x"],
    ),
    ("others/qwen-code-0.24.4/user-settings.json", "qwen-code", "~/.qwen/settings.json", &[WEB]),
    (
        "others/by-installer-add-mcp-2.4.0/home/.cline/data/settings/cline_mcp_settings.json",
        "cline-cli",
        "$CLINE_DATA_DIR/settings/cline_mcp_settings.json",
        DEMO,
    ),
    (
        "others/by-installer-add-mcp-2.4.0/home/.codeium/windsurf/mcp_config.json",
        "windsurf",
        "~/.codeium/windsurf/mcp_config.json",
        DEMO,
    ),
    (
        "others/by-installer-add-mcp-2.4.0/home/.config/Code/User/mcp.json",
        "vscode",
        "$XDG_CONFIG_HOME/Code/User/mcp.json",
        DEMO,
    ),
    (
        "others/by-installer-add-mcp-2.4.0/home/.config/goose/config.yaml",
        "goose",
        "$XDG_CONFIG_HOME/goose/config.yaml",
        DEMO,
    ),
    (
        "others/by-installer-add-mcp-2.4.0/home/.config/kilo/kilo.json",
        "kilo-code",
        "$XDG_CONFIG_HOME/kilo/kilo.json",
        DEMO,
    ),
    (
        "others/by-installer-add-mcp-2.4.0/home/.config/opencode/opencode.jsonc",
        "opencode",
        "$XDG_CONFIG_HOME/opencode/opencode.jsonc",
        DEMO,
    ),
    (
        "others/by-installer-add-mcp-2.4.0/home/.config/zed/settings.json",
        "zed",
        "$XDG_CONFIG_HOME/zed/settings.json",
        DEMO,
    ),
    (
        "others/by-installer-add-mcp-2.4.0/home/.gemini/config/mcp_config.json",
        "antigravity",
        "~/.gemini/config/mcp_config.json",
        DEMO,
    ),
    (
        "others/by-installer-add-mcp-2.4.0/home/.gemini/settings.json",
        "gemini-cli",
        "$GEMINI_CLI_HOME/.gemini/settings.json",
        DEMO,
    ),
    (
        "others/by-installer-add-mcp-2.4.0/home/.grok/config.toml",
        "grok-build",
        "$GROK_HOME/config.toml",
        DEMO,
    ),
    (
        "others/by-installer-add-mcp-2.4.0/home/.kimi-code/mcp.json",
        "kimi-code",
        "$KIMI_CODE_HOME/mcp.json",
        DEMO,
    ),
    (
        "others/by-installer-add-mcp-2.4.0/home/.kiro/settings/mcp.json",
        "kiro",
        "$KIRO_HOME/settings/mcp.json",
        DEMO,
    ),
];

/// Samples that are no client's configuration of servers: hook input, indexes, and a file that its client ignores.
const OTHER: &[&str] = &[
    "core/README.md",
    "core/claude/hook-PostToolUse.stdin.json",
    "core/claude/hook-PreToolUse.stdin.json",
    "core/claude/hook-SessionStart.stdin.json",
    "core/claude/plugins-installed_plugins.json",
    "core/claude/plugins-known_marketplaces.json",
    "core/codex/hook-PostToolUse.stdin.json",
    "core/codex/hook-PreToolUse.stdin.json",
    "others/README.md",
    "others/by-installer-add-mcp-2.4.0/home/.config/mcp-config.json",
    "others/copilot-cli-1.0.102/user-settings-after-disable.json",
];

/// The samples, if they are beside this workspace.
fn samples() -> Option<PathBuf> {
    let root = common::workspace().join("../shared/samples");
    root.is_dir().then_some(root)
}

fn read(root: &Path, (file, client, template, _): &Sample) -> common::Read {
    let adapter = adapters::by_id(client).unwrap_or_else(|| panic!("no adapter {client}"));
    let at = adapter.about().locations.iter().find(|at| at.path == *template);
    let at = at.unwrap_or_else(|| panic!("{client} has no location {template}"));
    let bytes = std::fs::read(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    common::read(adapter, at, file, &bytes).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Scope, name, transport and what is run, as the table has it.
fn summary(entry: &mcpolicy_schema::entry::Entry) -> String {
    let parts = entry.command.iter().chain(&entry.args).chain(&entry.url);
    let parts: Vec<&str> = parts.map(|part| part.expose()).collect();
    let off = if entry.disabled { " (off)" } else { "" };
    let (scope, transport) = (entry.scope.as_str(), entry.transport.as_str());
    format!("{scope} {} {transport}: {}{off}", entry.name, parts.join(" "))
}

#[test]
fn files_that_real_clients_wrote_give_exactly_their_entries() {
    let Some(root) = samples() else {
        mcpolicy_tests::skip("the samples are not beside this workspace");
        return;
    };
    for sample in SAMPLES {
        let read = read(&root, sample);
        assert_eq!(read.refused, None, "{}", sample.0);
        let mut entries: Vec<String> = read.entries.iter().map(|(entry, _)| summary(entry)).collect();
        entries.sort();
        let mut expected: Vec<&str> = sample.3.to_vec();
        expected.sort_unstable();
        assert_eq!(entries, expected, "{}", sample.0);
        let inert =
            read.entries.iter().any(|(_, load)| !matches!(load, mcpolicy_clients::adapter::Load::Yes));
        assert!(!inert, "{}: the client loads what it wrote", sample.0);
    }
}

#[test]
fn every_sample_is_in_one_of_the_two_lists() {
    let Some(root) = samples() else {
        mcpolicy_tests::skip("the samples are not beside this workspace");
        return;
    };
    let mut there = BTreeSet::new();
    collect(&root, "", &mut there);
    let listed = SAMPLES.iter().map(|sample| sample.0).chain(OTHER.iter().copied());
    assert_eq!(there, listed.map(str::to_owned).collect());
}

fn collect(directory: &Path, prefix: &str, out: &mut BTreeSet<String>) {
    for name in common::names_in(directory) {
        let path = directory.join(&name);
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), out);
        } else {
            out.insert(format!("{prefix}{name}"));
        }
    }
}

#[test]
fn indexes_that_claude_code_wrote_lead_to_plugins_and_projects() {
    let Some(root) = samples() else {
        mcpolicy_tests::skip("the samples are not beside this workspace");
        return;
    };
    let leads = |file, template| read(&root, &(file, "claude-code", template, &[])).leads;
    assert_eq!(
        leads(
            "core/claude/plugins-installed_plugins.json",
            "$CLAUDE_CODE_PLUGIN_CACHE_DIR/installed_plugins.json"
        )
        .first(),
        Some(&Lead::Plugin("/home/dev/.claude/plugins/cache/mymkt/plug/1.0.0".to_owned()))
    );
    assert_eq!(
        leads(
            "core/claude/plugins-known_marketplaces.json",
            "$CLAUDE_CODE_PLUGIN_CACHE_DIR/known_marketplaces.json"
        ),
        [Lead::Plugin("/home/dev/mkt".to_owned())]
    );
    assert_eq!(
        leads("core/claude/dot-claude.json", "~/.claude.json"),
        [Lead::Project("/home/dev/proj".to_owned())]
    );
}
