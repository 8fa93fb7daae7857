//! Goose. Documentation read, not run.

use mcpolicy_schema::entry::Scope;

use crate::adapter::{About, ClientAdapter, EntrySwitch, Holds, Variable};
use crate::codec::Format;
use crate::location::{Location, UNIX, WINDOWS};
use crate::reads::Reads;
use crate::writes::{Refers, Writes};

/// Goose.
pub(super) struct Adapter;

/// Extensions of type `builtin` and `platform` are code of the client itself.
const KEYS: &[&str] = &["/extensions"];

/// Recipes of the command line, and of the desktop with what they say one level down.
const fn recipes(path: &'static str) -> Location {
    Location::user(path)
        .format(Format::YamlOrJson)
        .keys(&["/extensions", "/recipe/extensions"])
        .or_list()
        .aside()
}

const ABOUT: About = About {
    id: "goose",
    name: "Goose",
    rank: 25,
    locations: &[
        Location::user("$XDG_CONFIG_HOME/goose/config.yaml").format(Format::Yaml).on(UNIX).keys(KEYS),
        Location::user("%APPDATA%/Block/goose/config/config.yaml")
            .format(Format::Yaml)
            .on(WINDOWS)
            .keys(KEYS),
        Location::user("$GOOSE_PATH_ROOT?/config/config.yaml").format(Format::Yaml).keys(KEYS),
        recipes("$GOOSE_PATH_ROOT?/config/recipes/*"),
        recipes("$XDG_CONFIG_HOME/goose/recipes/*").on(UNIX),
        recipes("%APPDATA%/Block/goose/config/recipes/*").on(WINDOWS),
        Location { scope: Scope::Project, ..recipes("<project>/.goose/recipes/*") },
    ],
    variables: &[Variable { name: "GOOSE_PATH_ROOT", default: "" }],
    processes: &["goose", "goosed"],
    reads: &Reads { command: &["cmd"], env: &["envs"], url: &["uri"], ..Reads::USUAL },
    writes: Some(&Writes {
        stdio: Some("stdio"),
        http: Some("streamable_http"),
        sse: Some("sse"),
        named: true,
        enabled: true,
        refers: Refers::Handed { list: "env_keys", bearer: None },
        ..Writes::PLAIN
    }),
    switch: Some(EntrySwitch {
        member: "enabled",
        off: false,
        holds: Holds::In("all since 1.0"),
        evidence: "source block/goose (crates/goose/src/config/extensions.rs)",
    }),
    evidence: "docs block.github.io/goose; source stacklok/toolhive, add-mcp 2.4.0",
    notes: "A recipe starts its extensions when somebody runs it; one that lies elsewhere is not seen. The list that `GOOSE_ALLOWLIST` names is looked at when an extension is installed, not when it starts.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}
