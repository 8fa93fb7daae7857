//! Kilo Code: opencode's engine under other names. Tested 7.7.9.

use super::opencode::{self, code};
use crate::adapter::{About, ClientAdapter, EntrySwitch, Found, Holds, Lead, SettingFinding, Variable};
use crate::codec::{Dialect, Format, Parsed};
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

const fn project(path: &'static str) -> Location {
    Location::project(path).json(Dialect::JSONC).keys(KEYS)
}

const fn shared(path: &'static str) -> Location {
    project(path).shared()
}

const fn managed(path: &'static str) -> Location {
    Location::managed(path).json(Dialect::JSONC).keys(KEYS)
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
        code("$KILO_CONFIG_DIR?/plugin/*.js"),
        code("$KILO_CONFIG_DIR?/plugin/*.ts"),
        code("$KILO_CONFIG_DIR?/plugins/*.js"),
        code("$KILO_CONFIG_DIR?/plugins/*.ts"),
        user("$KILO_TEST_MANAGED_CONFIG_DIR?/kilo.json"),
        user("$KILO_TEST_MANAGED_CONFIG_DIR?/kilo.jsonc"),
        Location::project("<project>/kilo.jsonc").json(Dialect::JSONC).keys(KEYS),
        Location::project("<project>/kilo.json").json(Dialect::JSONC).keys(KEYS),
        Location::project("<project>/.kilo/kilo.jsonc").json(Dialect::JSONC).keys(KEYS),
        Location::project("<project>/.kilo/kilo.json").json(Dialect::JSONC).keys(KEYS),
        // Tested: each folder may hold the file under the engine's name, too, and plugins, which run unasked and whose
        // servers are started.
        user("$XDG_CONFIG_HOME/kilo/opencode.jsonc").on(UNIX),
        user("$XDG_CONFIG_HOME/kilo/opencode.json").on(UNIX),
        user("$XDG_CONFIG_HOME/kilo/config.json").on(UNIX),
        user("$XDG_CONFIG_HOME/kilo/config").format(Format::Toml).on(UNIX),
        user("%USERPROFILE%/.config/kilo/opencode.jsonc").on(WINDOWS),
        user("%USERPROFILE%/.config/kilo/opencode.json").on(WINDOWS),
        user("%USERPROFILE%/.config/kilo/config.json").on(WINDOWS),
        user("%USERPROFILE%/.config/kilo/config").format(Format::Toml).on(WINDOWS),
        code("$XDG_CONFIG_HOME/kilo/plugin/*.js").on(UNIX),
        code("$XDG_CONFIG_HOME/kilo/plugin/*.ts").on(UNIX),
        code("$XDG_CONFIG_HOME/kilo/plugins/*.js").on(UNIX),
        code("$XDG_CONFIG_HOME/kilo/plugins/*.ts").on(UNIX),
        code("%USERPROFILE%/.config/kilo/plugin/*.js").on(WINDOWS),
        code("%USERPROFILE%/.config/kilo/plugin/*.ts").on(WINDOWS),
        code("%USERPROFILE%/.config/kilo/plugins/*.js").on(WINDOWS),
        code("%USERPROFILE%/.config/kilo/plugins/*.ts").on(WINDOWS),
        shared("<project>/opencode.json"),
        shared("<project>/opencode.jsonc"),
        project("<project>/.kilo/opencode.json"),
        project("<project>/.kilo/opencode.jsonc"),
        project("<project>/.kilocode/kilo.json"),
        project("<project>/.kilocode/kilo.jsonc"),
        project("<project>/.kilocode/opencode.json"),
        project("<project>/.kilocode/opencode.jsonc"),
        code("<project>/.kilo/plugin/*.js"),
        code("<project>/.kilo/plugin/*.ts"),
        code("<project>/.kilo/plugins/*.js"),
        code("<project>/.kilo/plugins/*.ts"),
        code("<project>/.kilocode/plugin/*.js"),
        code("<project>/.kilocode/plugin/*.ts"),
        code("<project>/.kilocode/plugins/*.js"),
        code("<project>/.kilocode/plugins/*.ts"),
        // Tested: the older file is still started.
        Location::project("<project>/.kilocode/mcp.json"),
        Location::project("<project>/.kilo/mcp.json"),
        Location::managed("/etc/kilo/kilo.json").json(Dialect::JSONC).on(LINUX).keys(KEYS),
        managed("/etc/kilo/kilo.jsonc").on(LINUX),
        managed("/etc/kilo/opencode.json").on(LINUX),
        managed("/etc/kilo/opencode.jsonc").on(LINUX),
        managed("/Library/Application Support/kilo/kilo.jsonc").on(MACOS),
        managed("/Library/Application Support/kilo/opencode.json").on(MACOS),
        managed("/Library/Application Support/kilo/opencode.jsonc").on(MACOS),
        managed("%PROGRAMDATA%/kilo/kilo.jsonc").on(WINDOWS),
        managed("%PROGRAMDATA%/kilo/opencode.json").on(WINDOWS),
        managed("%PROGRAMDATA%/kilo/opencode.jsonc").on(WINDOWS),
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
    evidence: "tested 7.7.9 and 7.7.7 on Linux; binary read; docs kilo.ai; public descriptions for the variables",
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
