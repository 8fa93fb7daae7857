//! The forms that our own words, ids, digests and moments have. What stands in their place and has another form is a text
//! that came from elsewhere, and treated as one.

use std::ops::Range;

use crate::finding::FindingCode;

/// Shortest run of hex digits that is a digest.
const DIGEST: usize = 16;

/// Words of records. One that is missing here is kept all the same, unless a user's name is a part of it: these are kept
/// in that case too, or nobody would learn of what happens on the machine of a user called `server`.
#[rustfmt::skip]
const OURS: &[&str] = &[
    "mcpolicy", "mcpolicy/report/v1",
    // classes, tiers, kinds of record
    "state", "tool-call", "event", "violation", "full", "pseudonymous", "outcomes", "heartbeat", "inventory", "entry",
    "source", "coverage", "finding", "action", "request", "gap",
    // systems and processors
    "linux", "macos", "windows", "x86_64", "aarch64",
    // states, modes, causes, layers
    "compliant", "stale", "degraded", "non-compliant", "observe", "warn", "hold", "enforce", "fresh", "expired", "start",
    "change", "daily", "in-force", "report-only", "off", "native", "watch", "gate", "processes", "read", "unparseable",
    "refused", "unreadable", "room", "damage",
    // actions and their outcomes
    "quarantine", "quarantine-file", "revert", "pin", "disable", "switch-off", "restore", "applied", "skipped", "conflict",
    "failed", "not-allowed",
    // verdicts, severities
    "allow", "deny", "unknown", "revocation", "denylist", "exception", "allowlist", "default", "critical", "high", "medium",
    "low", "info",
    // entries
    "managed", "user", "local", "project", "plugin", "stdio", "http", "sse", "ws", "builtin", "key-not-read",
    "entry-refused", "file-refused", "overridden", "npm", "pypi", "oci", "git", "url", "bridge", "executable", "script",
    "opaque", "env", "header", "member", "literal", "reference",
    // gaps
    "agent-file", "deep-nesting", "linked-directory", "network-file-system", "other-file-system", "outside-scope",
    "protected-folder", "remote-host", "system-account", "too-large", "walk-budget", "worker-failed",
    // events
    "account-renamed", "agent-gap", "agent-started", "agent-stopped", "breakglass", "breakglass-ended", "clock-jump",
    "clock-rollback", "fight", "grant-redeemed", "grant-void", "hints-lost", "home-unfinished", "journal-cut",
    "journal-damaged", "not-done", "not-looked-at", "not-restored", "pass", "policy-accepted", "policy-activated",
    "policy-held", "policy-refused", "policy-store-mended", "purge-refused", "purged", "record-too-long", "remembered-damaged",
    "request-answered", "request-dropped", "server-ended", "state-damaged", "torn-record", "vault-pruned",
    // calls of tools
    "would", "ok", "error", "tool-never", "undeclared-server", "taken-out", "unreadable-call", "tool-calls-unrecorded",
    // clients
    "amazon-q", "amp", "antigravity", "auggie", "boltai", "claude-code", "claude-desktop", "cline", "cline-cli", "codex",
    "continue", "copilot-cli", "crush", "cursor", "devin", "droid", "gemini-cli", "goose", "grok-build",
    "jetbrains-ai-assistant", "jetbrains-copilot", "jetbrains-junie", "kilo-code", "kimi-code", "kiro", "lm-studio",
    "mcporter", "mistral-vibe", "opencode", "qwen-code", "roo-code", "trae", "visual-studio", "vscode", "vscode-insiders",
    "warp", "windsurf", "zed",
];

/// Whether it is one of our own words, and so nobody's name even if somebody is called so.
pub(super) fn is_ours(text: &str) -> bool {
    OURS.contains(&text) || FindingCode::ALL.iter().any(|code| code.as_str() == text)
}

/// Whether it is written like our words.
pub(super) fn is_word(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    text.len() <= 64 && text.bytes().all(is_plain)
}

/// Whether it is written like an id: as those of rules are, and digests.
pub(super) fn is_id(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    text.len() <= 128 && text.bytes().all(is_plain)
}

/// Hex digits, `sha256:` before them or not.
pub(super) fn is_fingerprint(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    (DIGEST..=128).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// RFC 3339 and its like.
pub(super) fn is_time(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_digit() || matches!(b, b'T' | b'Z' | b':' | b'.' | b'+' | b'-');
    text.len() <= 40 && text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(is_plain)
}

/// One version or range without spaces, a digest of an image, or the tag that stands for none.
pub(super) fn is_version(text: &str) -> bool {
    let bare = text.trim_start_matches(['^', '~', '<', '>', '=', 'v', '!']);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'_' | b'*');
    let is_numbered = bare.starts_with(|c: char| c.is_ascii_digit());
    text == "latest"
        || is_fingerprint(text)
        || (is_numbered && text.len() <= 64 && bare.bytes().all(is_plain))
}

/// A version as the operating system writes it, with a word or two.
pub(super) fn is_system(text: &str) -> bool {
    let is_plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'.' | b'-' | b'+' | b'_' | b'(' | b')');
    text.len() <= 64 && text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().all(is_plain)
}

/// Whether it is a part of a longer run of hex digits, in which a short name may stand by chance.
pub(super) fn is_inside_digest(text: &str, range: &Range<usize>) -> bool {
    let bytes = text.as_bytes();
    if range.len() >= DIGEST || !bytes[range.clone()].iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    let before = bytes[..range.start].iter().rev().take(DIGEST).take_while(|b| b.is_ascii_hexdigit()).count();
    let after = bytes[range.end..].iter().take(DIGEST).take_while(|b| b.is_ascii_hexdigit()).count();
    before + range.len() + after >= DIGEST
}
