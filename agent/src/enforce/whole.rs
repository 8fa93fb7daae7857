//! Which files go as a whole: what cannot be edited entry by entry. Decides; touches nothing.

use std::time::Duration;

use mcpolicy_schema::document::Unparseable;
use mcpolicy_schema::entry::{Scope, UNKNOWN_CLIENT};

use super::plan::Known;
use super::unseen::holds_nothing;
use crate::discover::source::Source;
use crate::inventory::State;
use crate::pipeline::{Outcome, SourceResult};
use crate::worker::is_too_much;

/// How long a file that cannot be parsed must not have changed: an editor may be in the middle of writing it.
pub const UNCHANGED: Duration = Duration::from_secs(10);

/// Why a file cannot be dealt with entry by entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It cannot be parsed, so that what is in it is not known.
    Unparseable,
    /// It holds a denied entry that some client loads, and no edit takes it out faithfully.
    NotFaithful,
}

/// What is to become of such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whole {
    /// It goes into quarantine.
    Take,
    /// Not before it has stayed the same for so much longer.
    Wait(Duration),
    /// It stays, is reported, and why.
    Leave(&'static str),
}

/// Decides about one file.
pub fn whole_file(source: &Source, unfit: Unfit, policy: Unparseable, unchanged: Duration) -> Whole {
    if source.readings.iter().any(|reading| reading.location.scope == Scope::Managed) {
        return Whole::Leave("administrators wrote it; it is reported, never edited");
    }
    if source.home.is_none() {
        return Whole::Leave("the file belongs to no user's home");
    }
    if source.readings.iter().all(|reading| reading.adapter.about().id == UNKNOWN_CLIENT) {
        return Whole::Leave("no known client reads the file");
    }
    if source.readings.iter().all(|reading| reading.location.keys.is_empty()) {
        return Whole::Leave("no client takes servers from it");
    }
    if source.readings.iter().any(|reading| reading.location.state) {
        return Whole::Leave("it holds its client's own state, which would be lost with it");
    }
    match unfit {
        Unfit::NotFaithful => Whole::Take,
        // whoever thinks for ten seconds in the middle of an edit must not lose the settings of the editor
        Unfit::Unparseable if !is_for_servers_alone(source) => {
            Whole::Leave("it holds other settings of its client, which would be lost with it")
        }
        Unfit::Unparseable if policy == Unparseable::Report => {
            Whole::Leave("the policy has what cannot be parsed reported only")
        }
        Unfit::Unparseable if unchanged < UNCHANGED => Whole::Wait(UNCHANGED.saturating_sub(unchanged)),
        Unfit::Unparseable => Whole::Take,
    }
}

/// Whether a file is there for servers and nothing else: clients call such files after MCP, and others settings or
/// config.
fn is_for_servers_alone(source: &Source) -> bool {
    let is_named_so = |path: &str| {
        let mut parts = path.rsplit('/').take(2);
        parts.any(|part| part.to_ascii_lowercase().contains("mcp"))
    };
    source.readings.iter().all(|reading| is_named_so(reading.location.path))
}

/// The files of a machine that cannot be parsed and go as a whole.
pub(super) fn unparseable(outcome: &Outcome, policy: Unparseable, known: Known<'_>) -> Vec<usize> {
    let goes = |source: &Source| {
        whole_file(source, Unfit::Unparseable, policy, (known.unchanged)(source)) == Whole::Take
    };
    // left out of the scan: only who opens it by itself can tell what is in it
    let is_left_out = |file: &SourceResult| {
        let managed = file.source.readings.iter().any(|reading| reading.location.scope == Scope::Managed);
        is_too_much(file.state, &file.findings) && file.source.home.is_some() && !managed
    };
    let files = outcome.sources.iter().enumerate();
    files
        .filter(|(_, file)| !(known.is_outside)(&file.source))
        .filter(|(_, file)| {
            let is_unfit = file.state == State::Unparseable.as_str() && !holds_nothing(file);
            is_left_out(file) || is_unfit && goes(&file.source)
        })
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::pipeline::reading_for;

    const LONG: Duration = Duration::from_secs(60);

    fn source(client: &str, path: &str) -> Source {
        Source::new(PathBuf::from(path), Some(0), reading_for(client, Path::new(path)).unwrap())
    }

    fn decided(client: &str, path: &str, unfit: Unfit) -> Whole {
        whole_file(&source(client, path), unfit, Unparseable::QuarantineFile, LONG)
    }

    #[test]
    fn a_file_of_servers_only_goes_as_a_whole() {
        for unfit in [Unfit::Unparseable, Unfit::NotFaithful] {
            assert_eq!(decided("cursor", "/home/ann/.cursor/mcp.json", unfit), Whole::Take);
            assert_eq!(decided("vscode", "/home/ann/p/.vscode/mcp.json", unfit), Whole::Take);
        }
    }

    #[test]
    fn a_file_with_the_state_of_its_client_is_never_taken_away() {
        for path in ["/home/ann/.claude.json", "/home/ann/.claude/.config.json"] {
            for unfit in [Unfit::Unparseable, Unfit::NotFaithful] {
                assert!(matches!(decided("claude-code", path, unfit), Whole::Leave(_)), "{path} {unfit:?}");
            }
        }
        // nor if another client is the first to read it
        let mut shared = source("warp", "/home/ann/.claude.json");
        shared.join(&source("claude-code", "/home/ann/.claude.json").readings);
        let decided = whole_file(&shared, Unfit::Unparseable, Unparseable::QuarantineFile, LONG);
        assert!(matches!(decided, Whole::Leave(_)));
    }

    #[test]
    fn settings_beside_the_servers_never_go_for_a_slip_of_the_pen() {
        for (client, path) in [
            ("codex", "/home/ann/.codex/config.toml"),
            ("vscode", "/home/ann/.config/Code/User/settings.json"),
            ("zed", "/home/ann/.config/zed/settings.json"),
            ("gemini-cli", "/home/ann/.gemini/settings.json"),
            ("claude-desktop", "/home/ann/.config/Claude/claude_desktop_config.json"),
            ("goose", "/home/ann/.config/goose/config.yaml"),
            ("claude-code", "/home/ann/.claude/settings.json"),
        ] {
            assert!(matches!(decided(client, path, Unfit::Unparseable), Whole::Leave(_)), "{path}");
        }
    }

    #[test]
    fn a_file_that_holds_no_servers_or_is_of_no_home_is_left() {
        let settings = decided("claude-code", "/home/ann/p/.claude/settings.json", Unfit::Unparseable);
        assert!(matches!(settings, Whole::Leave(_)));
        let managed = decided("claude-code", "/etc/claude-code/managed-mcp.json", Unfit::Unparseable);
        assert!(matches!(managed, Whole::Leave(_)));
        let nobody = Source { home: None, ..source("cursor", "/srv/p/.cursor/mcp.json") };
        let nobody = whole_file(&nobody, Unfit::NotFaithful, Unparseable::QuarantineFile, LONG);
        assert!(matches!(nobody, Whole::Leave(_)));
    }

    #[test]
    fn what_cannot_be_parsed_goes_only_by_policy_and_after_ten_seconds() {
        let file = source("cursor", "/home/ann/.cursor/mcp.json");
        let decided = |policy, unchanged| whole_file(&file, Unfit::Unparseable, policy, unchanged);
        assert!(matches!(decided(Unparseable::Report, LONG), Whole::Leave(_)));
        let seven = Duration::from_secs(7);
        assert_eq!(decided(Unparseable::QuarantineFile, seven), Whole::Wait(Duration::from_secs(3)));
        assert_eq!(decided(Unparseable::QuarantineFile, UNCHANGED), Whole::Take);
        // a denied server that runs does not wait
        let at_once = whole_file(&file, Unfit::NotFaithful, Unparseable::Report, Duration::ZERO);
        assert_eq!(at_once, Whole::Take);
    }
}
