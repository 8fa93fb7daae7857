//! Crush. Source read, not run.

use crate::adapter::{About, ClientAdapter, EntrySwitch, Holds, Variable};
use crate::codec::Format;
use crate::environment::{EnvironmentFile, Form, Marks, Taken};
use crate::location::{Location, UNIX, WINDOWS};
use crate::reads::Reads;

/// Crush.
pub(super) struct Adapter;

const KEYS: &[&str] = &["/mcp"];

const ABOUT: About = About {
    id: "crush",
    name: "Crush",
    rank: 26,
    locations: &[
        // Bash programs that call `mcp add`: they cannot be read, only run.
        Location::user("$XDG_CONFIG_HOME/crush/crushrc").format(Format::Shell).no_servers(),
        Location::project("<project>/.crushrc").format(Format::Shell).no_servers(),
        Location::project("<project>/crushrc").format(Format::Shell).no_servers(),
        Location::user("$XDG_CONFIG_HOME/crush/crush.json").keys(KEYS),
        Location::user("$CRUSH_GLOBAL_CONFIG?/crush.json").keys(KEYS),
        Location::user("$CRUSH_GLOBAL_CONFIG?/crushrc").format(Format::Shell).no_servers(),
        Location::user("$XDG_DATA_HOME/crush/crush.json").on(UNIX).keys(KEYS).state(),
        Location::user("%LOCALAPPDATA%/crush/crush.json").on(WINDOWS).keys(KEYS).state(),
        Location::user("$CRUSH_GLOBAL_DATA?/crush.json").keys(KEYS).state(),
        Location::project("<project>/.crush.json").keys(KEYS),
        Location::project("<project>/crush.json").keys(KEYS),
        Location::managed("/etc/crush/crush.json").on(UNIX).keys(KEYS),
    ],
    variables: &[
        Variable { name: "CRUSH_GLOBAL_CONFIG", default: "" },
        Variable { name: "CRUSH_GLOBAL_DATA", default: "" },
    ],
    environments: &[dotenv("~/.env"), dotenv("<project>/.env")],
    processes: &["crush"],
    bypass_flags: &["--yolo"],
    reads: &Reads::USUAL,
    switch: Some(EntrySwitch {
        member: "disabled",
        off: true,
        holds: Holds::NotAlways("files of the project are merged over the user's, member by member"),
        evidence: "source charmbracelet/crush (internal/config)",
    }),
    evidence: "source charmbracelet/crush (internal/config, docs/config)",
    notes: "Values in the JSON files may run commands (`$(…)`). The managed file has the lowest priority.",
    ..About::NONE
};

/// Read in its source: that of the folder that it is started in is loaded before anything else (`godotenv/autoload`).
const fn dotenv(path: &'static str) -> EnvironmentFile {
    const TAKES: &[Taken] = &[
        Taken::own("CRUSH_GLOBAL_CONFIG"),
        Taken::own("CRUSH_GLOBAL_DATA"),
        Taken::own("XDG_CONFIG_HOME"),
        Taken::own("XDG_DATA_HOME"),
    ];
    EnvironmentFile::new(path, Form::Dotenv(Marks { tilde: false, variables: true }), TAKES)
}

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}
