//! Names that Windows takes for something else than a file. Text only, so that it is tested on every system.

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadName {
    /// `file:stream`: an alternate data stream, which no client reads and no listing shows.
    Stream,
    /// `NUL`, `con.txt`: a device wherever it stands.
    Device,
}

/// Judges one component of a path, without the drive.
pub(super) fn judge(name: &str) -> Result<(), BadName> {
    if name.contains(':') {
        return Err(BadName::Stream);
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_ascii_uppercase();
    let numbered = |word: &str| {
        let digit = stem.strip_prefix(word);
        digit.is_some_and(|rest| {
            let mut chars = rest.chars();
            // the superscript digits one to three count as digits here
            matches!((chars.next(), chars.next()), (Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'), None))
        })
    };
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$");
    if device || numbered("COM") || numbered("LPT") { Err(BadName::Device) } else { Ok(()) }
}

/// Whether a share is the file system of a WSL distribution on this machine. Any other share is a server, and merely
/// asking it for a file sends it proof of our account's password.
pub(super) fn is_wsl_server(server: &str) -> bool {
    server.eq_ignore_ascii_case("wsl.localhost") || server.eq_ignore_ascii_case("wsl$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_and_devices_are_refused() {
        for name in ["mcp.json:hidden", "a:$DATA", "::$INDEX_ALLOCATION"] {
            assert_eq!(judge(name), Err(BadName::Stream), "{name}");
        }
        for name in ["NUL", "nul.json", "con", "Aux .txt", "COM1", "lpt9.log", "COM\u{b2}", "CONIN$"] {
            assert_eq!(judge(name), Err(BadName::Device), "{name}");
        }
    }

    #[test]
    fn ordinary_names_pass() {
        for name in [".claude.json", "console", "com", "COM10", "nullable.json", "auxiliary", "communication"]
        {
            assert_eq!(judge(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn only_wsl_shares_are_local() {
        assert!(is_wsl_server("wsl.localhost") && is_wsl_server("WSL$"));
        assert!(!is_wsl_server("evil.example") && !is_wsl_server("wsl.localhost.evil.example"));
    }
}
