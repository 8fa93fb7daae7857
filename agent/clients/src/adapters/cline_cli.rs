//! Cline CLI 3.x. Tested 3.0.65: entries are nested in a `transport` object, where other tools write the flat form.

use crate::adapter::{About, ClientAdapter, Variable};
use crate::codec::Format;
use crate::environment::{EnvironmentFile, Form, Marks, Taken};
use crate::location::Location;
use crate::reads::Reads;

/// Cline CLI 3.x.
pub(super) struct Adapter;

/// A plugin: JavaScript that is not read.
const fn code(path: &'static str) -> Location {
    Location::plugin(path).format(Format::Shell).no_servers()
}

const ABOUT: About = About {
    id: "cline-cli",
    name: "Cline CLI 3.x",
    rank: 19,
    locations: &[
        Location::user("$CLINE_DATA_DIR/settings/cline_mcp_settings.json"),
        Location::user("$CLINE_DIR?/data/settings/cline_mcp_settings.json"),
        // The file itself.
        Location::user("$CLINE_MCP_SETTINGS_PATH?"),
        // Plugins, which are run unasked (3.0.65): a file, or a folder whose manifest says which file.
        code("~/.cline/plugins/*.js"),
        code("~/.cline/plugins/*.ts"),
        code("~/.cline/plugins/*/*.js"),
        code("~/.cline/plugins/*/*.ts"),
        code("$CLINE_DIR?/plugins/*.js"),
        code("$CLINE_DIR?/plugins/*.ts"),
        code("$CLINE_DIR?/plugins/*/*.js"),
        code("$CLINE_DIR?/plugins/*/*.ts"),
        code("~/Documents/Cline/Plugins/*.js"),
        code("~/Documents/Cline/Plugins/*.ts"),
        code("~/Documents/Cline/Plugins/*/*.js"),
        code("~/Documents/Cline/Plugins/*/*.ts"),
        code("<project>/.cline/plugins/*.js"),
        code("<project>/.cline/plugins/*.ts"),
        code("<project>/.cline/plugins/*/*.js"),
        code("<project>/.cline/plugins/*/*.ts"),
    ],
    variables: &[
        Variable { name: "CLINE_DATA_DIR", default: "~/.cline/data" },
        Variable { name: "CLINE_DIR", default: "" },
        Variable { name: "CLINE_MCP_SETTINGS_PATH", default: "" },
    ],
    environments: &[
        dotenv("~/.env"),
        dotenv("~/.env.local"),
        dotenv("~/.env.development"),
        dotenv("~/.env.production"),
        dotenv("<project>/.env"),
        dotenv("<project>/.env.local"),
        dotenv("<project>/.env.development"),
        dotenv("<project>/.env.production"),
    ],
    processes: &["cline"],
    reads: &Reads { nested: true, ..Reads::USUAL },
    evidence: "tested 3.0.65",
    notes: "Plugins are JavaScript that is run unasked and not read. The flags `--config` and `--data-dir` move the file too. A URL given without a transport becomes a stdio server whose command is the URL.",
    ..About::NONE
};

/// Run on 3.0.65: those of the folder that it is started in, which the runtime that it is built with (Bun) loads by
/// itself; which of the last two, `NODE_ENV` says. A home is not taken from there, nor anything from a folder above.
const fn dotenv(path: &'static str) -> EnvironmentFile {
    const TAKES: &[Taken] =
        &[Taken::own("CLINE_DATA_DIR"), Taken::own("CLINE_DIR"), Taken::own("CLINE_MCP_SETTINGS_PATH")];
    EnvironmentFile::new(path, Form::Dotenv(Marks { tilde: false, variables: true }), TAKES)
}

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}
