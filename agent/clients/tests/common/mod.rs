//! What the tests of this directory share: where things are, and one file read as the scanner reads it.

use std::path::{Path, PathBuf};

use mcpolicy_clients::adapter::{ClientAdapter, Lead, Load};
use mcpolicy_clients::codec::{self, Format, decode};
use mcpolicy_clients::location::Location;
use mcpolicy_clients::node::LineIndex;
use mcpolicy_clients::normalise;
use mcpolicy_schema::entry::Entry;

/// A file as one client takes it.
pub(crate) struct Read {
    /// Its entries, and whether the client loads them.
    pub(crate) entries: Vec<(Entry, Load)>,
    /// Why the client's dialect refuses the file.
    pub(crate) refused: Option<&'static str>,
    /// Other places it names.
    pub(crate) leads: Vec<Lead>,
    /// Findings about settings: code, severity and line.
    pub(crate) settings: Vec<(String, String, u32)>,
}

/// Reads bytes as the file of a location; the error is that of the decoder or parser.
pub(crate) fn read(
    adapter: &dyn ClientAdapter,
    at: &Location,
    path: &str,
    bytes: &[u8],
) -> Result<Read, codec::ParseError> {
    let decoded = decode::decode(bytes)?;
    let parsed = codec::parse(at.format, path, &decoded.text)?;
    let lines = LineIndex::new(&decoded.text);
    let about = adapter.about();
    let context = normalise::Context {
        client: about.id,
        scope: at.scope,
        untyped_url: about.untyped_url,
        reads: &[about.reads],
        format: at.format,
        lines: &lines,
    };
    let mut needed = parsed.leniencies;
    needed.bom |= decoded.leniencies.bom;
    needed.utf16 |= decoded.leniencies.utf16;
    let refused = match at.format {
        Format::Json(dialect) => dialect.refusal(needed),
        _ => None,
    };
    let found = adapter.servers(at, &parsed);
    let entries = found.iter().map(|f| {
        let mut entry = normalise::entry(f, context);
        entry.disabled = about.is_off(f.node);
        entry
    });
    Ok(Read {
        entries: entries.map(|entry| (adapter.loads(&entry, at), entry)).map(|(l, e)| (e, l)).collect(),
        refused,
        leads: adapter.leads(at, &parsed),
        settings: adapter
            .settings(at, &parsed)
            .iter()
            .map(|s| {
                let finding = &s.finding;
                let line = lines.position(s.offset).line;
                (finding.code.as_str().to_owned(), finding.severity.as_str().to_owned(), line)
            })
            .collect(),
    })
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether expected files are to be written anew.
pub(crate) fn regenerates() -> bool {
    std::env::var_os("MCPOLICY_REGENERATE").is_some()
}

/// Names in a directory, sorted.
pub(crate) fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
