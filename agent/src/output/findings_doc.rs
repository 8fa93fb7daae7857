//! docs/findings.md, made from the table of codes.

use std::fmt::Write as _;

use mcpolicy_schema::finding::{FindingCode, Severity};

const INTRODUCTION: &str = "\
# Findings

<!-- Generated from policy-schema/src/finding.rs: MCPOLICY_REGENERATE=1 cargo test -p mcpolicy findings_doc -->

Every finding of a report has one of these codes. Codes are stable: none is renamed, and none is used again for
something else. The severity given here is the usual one; a single finding may weigh more or less.

| severity | means |
|---|---|
| critical | runs foreign code now, or switches control off |
| high | lets somebody else decide what runs, or exposes a credential |
| medium | weakens control of what runs |
| low | should be put right in time |
| info | good to know; no action by itself |

How findings stand in a report is told in [report-format.md](report-format.md).
";

/// The whole document.
pub fn markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    out.push_str("\n## Contents\n\n| severity | code | title |\n|---|---|---|\n");
    for severity in Severity::ALL {
        for code in FindingCode::ALL.iter().filter(|code| code.severity() == severity) {
            let id = code.as_str();
            let _ = writeln!(out, "| {} | [`{id}`](#{id}) | {} |", severity.as_str(), code.title());
        }
    }
    for code in FindingCode::ALL {
        let _ = write!(
            out,
            "\n## {}\n\n**{}**, {}.\n\n{}\n\n*What to do:* {}\n",
            code.as_str(),
            severity_word(code.severity()),
            code.title(),
            code.description(),
            code.remedy()
        );
    }
    out
}

fn severity_word(severity: Severity) -> String {
    let word = severity.as_str();
    word[..1].to_ascii_uppercase() + &word[1..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test's own switch and the repository's own file")]
    fn the_document_in_the_repository_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/findings.md");
        if std::env::var_os("MCPOLICY_REGENERATE").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
        assert!(written == markdown(), "docs/findings.md is not current: run with MCPOLICY_REGENERATE=1");
    }

    #[test]
    fn every_link_of_the_contents_has_its_section() {
        let text = markdown();
        for code in FindingCode::ALL {
            assert!(
                text.contains(&format!("(#{})", code.as_str()))
                    && text.contains(&format!("\n## {}\n", code.as_str()))
            );
        }
    }
}
