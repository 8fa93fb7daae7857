//! Factory Droid. Tested 0.215.0 on Linux.

use crate::adapter::{About, ClientAdapter, EntrySwitch, Holds, Variable};
use crate::codec::Dialect;
use crate::location::{LINUX, Location, MACOS, WINDOWS};
use crate::reads::Reads;

/// Factory Droid.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "droid",
    name: "Factory Droid",
    rank: 30,
    locations: &[
        // Tested: one comment in the file and no server is loaded, without a word.
        Location::user("~/.factory/mcp.json").json(Dialect::STRICT),
        Location::user("$FACTORY_HOME_OVERRIDE?/.factory/mcp.json").json(Dialect::STRICT),
        Location::project("<project>/.factory/mcp.json"),
        Location::managed("/etc/factory/settings.json").on(LINUX).no_servers(),
        Location::managed("/Library/Application Support/Factory/settings.json").on(MACOS).no_servers(),
        Location::managed("%PROGRAMFILES%/Factory/settings.json").on(WINDOWS).no_servers(),
    ],
    variables: &[Variable { name: "FACTORY_HOME_OVERRIDE", default: "" }],
    processes: &["droid"],
    reads: &Reads::USUAL,
    switch: Some(EntrySwitch {
        member: "disabled",
        off: true,
        holds: Holds::NotAlways("not established how entries of one name in two files are joined"),
        evidence: "binary 0.215.0 read",
    }),
    evidence: "tested 0.215.0 on Linux; binary read for macOS and Windows; public descriptions for the variable",
    notes: "Its managed allowlist compares parts of words, so that look-alikes pass.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}
