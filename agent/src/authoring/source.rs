//! `policy.toml`: read, with the place of everything that is wrong.

use std::path::Path;

use anyhow::Context as _;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::document::PolicyDocument;

/// Largest policy that is read, in bytes.
const MAX_BYTES: u64 = 8 << 20;

/// Reads a policy document. A folder stands for the `policy.toml` in it.
///
/// # Errors
/// The file cannot be read or does not fit the schema; the message has the line with a caret.
pub fn load(path: &Path) -> anyhow::Result<PolicyDocument> {
    let mut file = std::path::absolute(path)?;
    if file.is_dir() {
        file.push("policy.toml");
    }
    let snapshot = Machine::live().read(&file, None, MAX_BYTES);
    let snapshot = snapshot.with_context(|| format!("cannot read {}", file.display()))?;
    let text =
        String::from_utf8(snapshot.bytes).with_context(|| format!("{} is not UTF-8", file.display()))?;
    toml::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}
