//! Amazon Q Developer, since renamed Kiro. Documentation read, not run.

use crate::adapter::{About, ClientAdapter, EntrySwitch, Holds};
use crate::location::{Location, UNIX};

/// Amazon Q Developer.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "amazon-q",
    name: "Amazon Q Developer CLI / IDE (rebranded Kiro)",
    rank: 27,
    locations: &[
        Location::user("~/.aws/amazonq/mcp.json"),
        Location::user("~/.aws/amazonq/cli-agents/*.json"),
        Location::user("~/.aws/amazonq/agents/default.json").on(UNIX),
        Location::project("<project>/.amazonq/mcp.json"),
        Location::project("<project>/.amazonq/cli-agents/*.json"),
        Location::project("<project>/.amazonq/agents/default.json"),
    ],
    processes: &["q", "qchat"],
    bypass_flags: &["--trust-all-tools"],
    switch: Some(EntrySwitch {
        member: "disabled",
        off: true,
        holds: Holds::NotAlways("early versions do not know it and start the server"),
        evidence: "docs docs.aws.amazon.com qdev-mcp",
    }),
    evidence: "docs docs.aws.amazon.com qdev-mcp and command-line-custom-agents; source snyk/agent-scan",
    notes: "Its registry and off switch are in the vendor's console.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}
