//! Kilo Code: opencode's engine under other names. Tested 7.7.9.

use super::opencode;
use crate::adapter::{About, ClientAdapter, EntrySwitch, Found, Holds, Lead, SettingFinding, Variable};
use crate::codec::{Dialect, Parsed};
use crate::location::{LINUX, Location, MACOS, UNIX, WINDOWS};
use crate::reads::Reads;
use crate::servers;

/// Kilo Code.
pub(super) struct Adapter;

const KEYS: &[&str] = &["/mcp", "/mcp/servers"];
/// The older extension's file: the binary knows it, but it was not started from where the test put it.
const OLD: &str = "migration from the older extension";

const fn user(path: &'static str) -> Location {
    Location::user(path).json(Dialect::JSONC).keys(KEYS)
}

const ABOUT: About = About {
    id: "kilo-code",
    name: "Kilo Code (extension and CLI)",
    rank: 17,
    locations: &[
        Location::user("$XDG_CONFIG_HOME/kilo/kilo.jsonc").json(Dialect::JSONC).on(UNIX).keys(KEYS),
        Location::user("$XDG_CONFIG_HOME/kilo/kilo.json").json(Dialect::JSONC).on(UNIX).keys(KEYS),
        Location::user("%USERPROFILE%/.config/kilo/kilo.jsonc").json(Dialect::JSONC).on(WINDOWS).keys(KEYS),
        Location::user("%USERPROFILE%/.config/kilo/kilo.json").json(Dialect::JSONC).on(WINDOWS).keys(KEYS),
        Location::user(
            "$XDG_CONFIG_HOME/*/User/globalStorage/kilocode.kilo-code/settings/mcp_settings.json",
        )
        .on(LINUX)
        .shared_if(OLD),
        Location::user(
            "~/Library/Application Support/*/User/globalStorage/kilocode.kilo-code/settings/mcp_settings.json",
        )
        .on(MACOS)
        .shared_if(OLD),
        Location::user("%APPDATA%/*/User/globalStorage/kilocode.kilo-code/settings/mcp_settings.json")
            .on(WINDOWS)
            .shared_if(OLD),
        // The engine's own variables, renamed; a folder may hold either name.
        user("$KILO_CONFIG?"),
        user("$KILO_CONFIG_DIR?/kilo.jsonc"),
        user("$KILO_CONFIG_DIR?/kilo.json"),
        user("$KILO_CONFIG_DIR?/opencode.jsonc"),
        user("$KILO_CONFIG_DIR?/opencode.json"),
        user("$KILO_TEST_MANAGED_CONFIG_DIR?/kilo.json"),
        user("$KILO_TEST_MANAGED_CONFIG_DIR?/kilo.jsonc"),
        Location::project("<project>/kilo.jsonc").json(Dialect::JSONC).keys(KEYS),
        Location::project("<project>/kilo.json").json(Dialect::JSONC).keys(KEYS),
        Location::project("<project>/.kilo/kilo.jsonc").json(Dialect::JSONC).keys(KEYS),
        Location::project("<project>/.kilo/kilo.json").json(Dialect::JSONC).keys(KEYS),
        // Tested: the older file is still started.
        Location::project("<project>/.kilocode/mcp.json"),
        Location::project("<project>/.kilo/mcp.json"),
        Location::managed("/etc/kilo/kilo.json").json(Dialect::JSONC).on(LINUX).keys(KEYS),
        Location::managed("/Library/Application Support/kilo/kilo.json")
            .json(Dialect::JSONC)
            .on(MACOS)
            .keys(KEYS),
        Location::managed("%PROGRAMDATA%/kilo/kilo.json").json(Dialect::JSONC).on(WINDOWS).keys(KEYS),
    ],
    variables: &[
        Variable { name: "KILO_CONFIG", default: "" },
        Variable { name: "KILO_CONFIG_DIR", default: "" },
        Variable { name: "KILO_TEST_MANAGED_CONFIG_DIR", default: "" },
    ],
    content: &["KILO_CONFIG_CONTENT"],
    processes: &["kilo"],
    reads: &Reads::OPENCODE,
    switch: Some(EntrySwitch {
        member: "enabled",
        off: false,
        holds: Holds::NotAlways(
            "later files are merged over it, member by member, so that another entry of the name may lift it or use the rest",
        ),
        evidence: "tested 7.7.9; binary read",
    }),
    evidence: "tested 7.7.9 on Linux; binary read; docs kilo.ai; public descriptions for the variables",
    notes: "Like opencode: no trust question, JavaScript plugins, a managed file that only switches known names off.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        if at.keys == KEYS { opencode::mixed(doc) } else { servers::under_keys(&doc.root, at.keys) }
    }

    fn rewrites(&self, text: &str, doc: &Parsed<'_>) -> Option<usize> {
        opencode::rewritten(text, doc)
    }

    fn leads(&self, _: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        opencode::plugins(doc)
    }

    fn settings(&self, at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        if at.keys == KEYS { opencode::filled_oddly(doc) } else { Vec::new() }
    }
}
