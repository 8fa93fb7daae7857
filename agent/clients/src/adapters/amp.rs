//! Amp. Tested 0.0.1790142911 as far as files go; its managed settings need an account.

use mcpolicy_schema::finding::{FindingCode, Severity};

use crate::adapter::{About, ClientAdapter, SettingFinding};
use crate::codec::{Dialect, Parsed};
use crate::location::{LINUX, Location, MACOS, UNIX, WINDOWS};
use crate::reads::Reads;
use crate::setting;

/// Amp.
pub(super) struct Adapter;

/// One literal key with a dot in it.
const KEYS: &[&str] = &["/amp.mcpServers"];

const ABOUT: About = About {
    id: "amp",
    name: "Amp",
    rank: 28,
    locations: &[
        Location::user("~/.config/amp/settings.json").json(Dialect::JSONC).on(UNIX).keys(KEYS),
        Location::user("~/.config/amp/settings.jsonc").json(Dialect::JSONC).on(UNIX).keys(KEYS),
        Location::user("%APPDATA%/amp/settings.json").json(Dialect::JSONC).on(WINDOWS).keys(KEYS),
        Location::project("<project>/.amp/settings.json").json(Dialect::JSONC).keys(KEYS),
        Location::managed("/etc/ampcode/managed-settings.json").on(LINUX).no_servers(),
        Location::managed("/Library/Application Support/ampcode/managed-settings.json")
            .on(MACOS)
            .no_servers(),
        Location::managed("%PROGRAMDATA%/ampcode/managed-settings.json").on(WINDOWS).no_servers(),
    ],
    processes: &["amp"],
    bypass_flags: &["--dangerously-allow-all"],
    reads: &Reads::USUAL,
    evidence: "tested 0.0.1790142911 (files only); docs ampcode.com/news/enterprise-managed-settings",
    notes: "Project servers need `amp mcp approve`. The flags `--mcp-config` and `--settings-file` bring others; servers may also be kept on the vendor's site.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn settings(&self, at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        if at.keys.is_empty() {
            return Vec::new();
        }
        // Rules are tried in order and what none matches is allowed, so a rule of the user may let a server in.
        let rules = setting::dotted(&doc.root, "amp.mcpPermissions").map(|node| {
            let message = "amp.mcpPermissions outside the managed settings decides which servers may start";
            setting::weighing(FindingCode::ManagedPolicyWeakened, Severity::Medium, message, node)
        });
        let all = setting::is_on(&doc.root, "amp.dangerouslyAllowAll").map(|node| {
            let message = "amp.dangerouslyAllowAll switches all permission questions off";
            setting::weighing(FindingCode::PermissionBypass, Severity::High, message, node)
        });
        rules.into_iter().chain(all).collect()
    }
}
