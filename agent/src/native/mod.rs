//! The layer of native policies: what clients' own managed files are to say, so that clients refuse by themselves.
//!
//! `mcpolicy-native` knows the clients and is pure. Here the files of a machine are read, written and given back.

use std::path::Path;

use crate::pipeline::Outcome;

pub mod files;
pub mod inputs;
pub mod keeper;
pub mod kept;
pub mod over;
pub mod program;
pub mod work;

/// Leaves out of a scan what stands in clients' managed files because this agent has put it there: it is the policy and no
/// declaration. Some clients have to be given a whole definition, or a name with a switch.
///
/// Without this what a user has declared once would stay declared for ever, by the file that was made of it.
pub fn leave_out_ours(state: &Path, outcome: &mut Outcome) {
    // who cannot read it has written nothing
    let Ok(kept) = kept::Kept::open(state) else { return };
    let sources = &outcome.sources;
    outcome.entries.retain(|item| {
        let source = &sources[item.source].source;
        source.home.is_some() || !kept.has(&source.path.to_string_lossy(), &item.entry.key_path)
    });
}
