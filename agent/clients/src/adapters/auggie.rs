//! Augment Auggie CLI. Tested 0.36.0 on Linux: comments and trailing commas are read.

use crate::adapter::{About, ClientAdapter};
use crate::codec::Dialect;
use crate::location::{Location, UNIX, WINDOWS};
use crate::reads::Reads;

/// Augment Auggie CLI.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "auggie",
    name: "Augment Auggie CLI",
    rank: 29,
    locations: &[
        Location::user("~/.augment/settings.json").json(Dialect::JSONC),
        Location::project("<project>/.augment/settings.json").json(Dialect::JSONC),
        Location::project("<project>/.augment/settings.local.json").json(Dialect::JSONC),
        Location::managed("/etc/augment/settings.json").json(Dialect::JSONC).on(UNIX),
        Location::managed("%PROGRAMDATA%/augment/settings.json").json(Dialect::JSONC).on(WINDOWS),
    ],
    processes: &["auggie"],
    reads: &Reads::USUAL,
    evidence: "tested 0.36.0 on Linux; bundle read for macOS and Windows",
    notes: "The managed file redefines servers by name; it restricts nothing. Servers of the tenant come from the account and are in no file.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}
