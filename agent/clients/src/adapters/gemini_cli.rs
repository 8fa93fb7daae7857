//! Gemini CLI. Tested 0.61.0.

use mcpolicy_schema::finding::FindingCode;

use crate::adapter::{About, ClientAdapter, Found, Lead, SettingFinding, Variable};
use crate::codec::{Dialect, Parsed};
use crate::edit::{Change, Place};
use crate::elsewhere::{self, Declared, Evidence, Keeps, OffSwitch};
use crate::environment::{EnvironmentFile, Form, Marks, Taken};
use crate::location::{LINUX, Location, MACOS, WINDOWS};
use crate::node::{Node, Value, escape};
use crate::reads::Reads;
use crate::servers;
use crate::setting;
use crate::writes::{Refers, Writes};
use mcpolicy_schema::entry::{Scope, Transport};

/// Gemini CLI.
pub(super) struct Adapter;

/// In the front matter of agents; both spellings, since which versions read which was not looked up.
const OF_AGENTS: &[&str] = &["/mcp_servers", "/mcpServers"];

const ABOUT: About = About {
    id: "gemini-cli",
    name: "Gemini CLI",
    rank: 7,
    locations: &[
        Location::user("$GEMINI_CLI_HOME/.gemini/settings.json").json(Dialect::COMMENTS),
        Location::user("$GEMINI_CLI_HOME/.gemini/trustedFolders.json").json(Dialect::COMMENTS).no_servers(),
        Location::user("$GEMINI_CLI_HOME/.gemini/projects.json").json(Dialect::COMMENTS).no_servers(),
        // The files themselves. A version that takes them only from the machine's administrator loses nothing by this.
        Location::user("$GEMINI_CLI_SYSTEM_SETTINGS_PATH?").json(Dialect::COMMENTS),
        Location::user("$GEMINI_CLI_SYSTEM_DEFAULTS_PATH?").json(Dialect::COMMENTS),
        Location::project("<project>/.gemini/settings.json").json(Dialect::COMMENTS),
        Location::user("$GEMINI_CLI_HOME/.gemini/agents/**/*.md").agents().keys(OF_AGENTS),
        Location::project("<project>/.gemini/agents/**/*.md").agents().keys(OF_AGENTS),
        Location::plugin("$GEMINI_CLI_HOME/.gemini/extensions/*/gemini-extension.json"),
        // What `gemini extensions link` writes: the extension stands where it says.
        Location::plugin("$GEMINI_CLI_HOME/.gemini/extensions/*/.gemini-extension-install.json").no_servers(),
        Location::plugin("<plugin>/gemini-extension.json"),
        Location::managed("/etc/gemini-cli/settings.json").json(Dialect::COMMENTS).on(LINUX),
        Location::managed("/etc/gemini-cli/system-defaults.json").json(Dialect::COMMENTS).on(LINUX),
        Location::managed("/Library/Application Support/GeminiCli/settings.json")
            .json(Dialect::COMMENTS)
            .on(MACOS),
        Location::managed("/Library/Application Support/GeminiCli/system-defaults.json")
            .json(Dialect::COMMENTS)
            .on(MACOS),
        Location::managed("%PROGRAMDATA%/gemini-cli/settings.json").json(Dialect::COMMENTS).on(WINDOWS),
        Location::managed("%PROGRAMDATA%/gemini-cli/system-defaults.json")
            .json(Dialect::COMMENTS)
            .on(WINDOWS),
    ],
    variables: &[
        Variable { name: "GEMINI_CLI_HOME", default: "~" },
        Variable { name: "GEMINI_CLI_SYSTEM_SETTINGS_PATH", default: "" },
        Variable { name: "GEMINI_CLI_SYSTEM_DEFAULTS_PATH", default: "" },
    ],
    environments: &[
        dotenv("$GEMINI_CLI_HOME/.gemini/.env"),
        dotenv("$GEMINI_CLI_HOME/.env"),
        dotenv("<project>/.gemini/.env"),
        dotenv("<project>/.env"),
    ],
    content: &[],
    processes: &["gemini"],
    bypass_flags: &["--yolo", "--approval-mode=yolo"],
    // `url` is SSE, `httpUrl` is streamable HTTP.
    untyped_url: Transport::Sse,
    reads: &Reads::GEMINI,
    writes: Some(&Writes { refers: Refers::Braces, ..Writes::PLAIN }),
    switch: None,
    evidence: "tested 0.61.0 on Linux; source google-gemini/gemini-cli for macOS and Windows; agent files not tried",
    notes: "In an untrusted folder no server starts. `mcp.serverCommand` is a server outside `mcpServers`, and so is the program of `tools.discoveryCommand`. A linked extension is read where its install file says. An empty or not overlapping `mcp.allowed` of the user or of a trusted project switches the managed allowlist off; so do `GEMINI_CLI_SYSTEM_SETTINGS_PATH` and the flag `--allowed-mcp-server-names`.",
};

/// Run on 0.61.0, in a trusted folder: extensions are looked for in the home that the file names, by `mcp list` and by `-p`.
/// Its own settings have been read by then.
const fn dotenv(path: &'static str) -> EnvironmentFile {
    const TAKES: &[Taken] = &[
        Taken::own("GEMINI_CLI_HOME"),
        Taken::own("GEMINI_CLI_SYSTEM_SETTINGS_PATH"),
        Taken::own("GEMINI_CLI_SYSTEM_DEFAULTS_PATH"),
    ];
    EnvironmentFile::new(path, Form::Dotenv(Marks::NONE), TAKES)
}

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        let mut found = servers::in_file(at, doc);
        if at.aside {
            return found;
        }
        if at.scope != Scope::Plugin && !at.keys.is_empty() {
            found.extend(server_command(doc));
            found.extend(discovery(doc));
        }
        found
    }

    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        if at.scope == Scope::Plugin { linked(at, doc) } else { remembered(at, doc) }
    }

    fn settings(&self, at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        // Tested: the lists are intersected and an empty intersection means that everything may start, so a cloned
        // repository can switch the managed policy off.
        let message = "mcp.allowed outside the managed settings can switch the managed allowlist off";
        allowed(at, doc)
            .map(|node| setting::found(FindingCode::ManagedPolicyWeakened, message, node))
            .collect()
    }

    /// Read in its source: names in lower case, one file for all projects, read as strict JSON; a broken file switches
    /// nothing off. A server of `mcp.serverCommand` has no name.
    fn off_switches(&self, declared: &Declared<'_>) -> Vec<OffSwitch> {
        let has_name = declared.key_path.starts_with("/mcpServers/") && declared.name.is_ascii();
        if !has_name || declared.scope == Scope::Managed {
            return Vec::new();
        }
        let keeps = Keeps::json(
            "$GEMINI_CLI_HOME/.gemini/mcp-server-enablement.json",
            Dialect { bom: false, ..Dialect::STRICT },
        );
        vec![OffSwitch {
            client: ABOUT.id,
            keeps,
            empty: Some("{}\n"),
            takes_blank: false,
            evidence: Evidence::Read,
        }]
    }

    fn switch_off(&self, declared: &Declared<'_>, _keeps: &Keeps, doc: &Parsed<'_>) -> Vec<Change> {
        let name = enablement_name(declared);
        let mut members = doc.root.members().iter().filter(|member| member.key == name);
        match members.next_back() {
            None => vec![elsewhere::insert(&name, r#"{ "enabled": false }"#)],
            Some(member) => {
                let span = member.span();
                // no byte order mark: the client refuses one
                let at = Place {
                    key_path: format!("/{}", escape(&name)),
                    span: span.start as usize..span.end as usize,
                };
                vec![Change::SetFlag { at, pointer: "/enabled".to_owned(), value: false }]
            }
        }
    }

    /// Without its member a server is on.
    fn switch_on(&self, declared: &Declared<'_>, keeps: &Keeps, doc: &Parsed<'_>) -> Vec<Change> {
        if !self.is_off(declared, keeps, &doc.root) {
            return Vec::new();
        }
        vec![Change::RemoveMember { pointer: format!("/{}", escape(&enablement_name(declared))) }]
    }

    fn is_off(&self, declared: &Declared<'_>, _keeps: &Keeps, root: &Node<'_>) -> bool {
        let state = root.get(&enablement_name(declared)).and_then(|state| state.get("enabled"));
        state.is_some_and(|enabled| enabled.as_bool() == Some(false))
    }
}

fn enablement_name(declared: &Declared<'_>) -> String {
    declared.name.trim().to_ascii_lowercase()
}

/// `mcp.serverCommand`, one command line. Tested: it is started, under the name `mcp`.
fn server_command<'d>(doc: &'d Parsed<'d>) -> Option<Found<'d>> {
    command_line(doc.root.get("mcp")?, "serverCommand", "/mcp/serverCommand")
}

/// `tools.discoveryCommand`, and its name before settings had sections. Tested in both clients: it is run at each start,
/// also from the settings of a trusted project, and prints tools that are then called by a second command: a server in
/// all but the protocol.
pub(super) fn discovery<'d>(doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
    let tools = doc.root.get("tools");
    let found = tools.and_then(|map| command_line(map, "discoveryCommand", "/tools/discoveryCommand"));
    let older = command_line(&doc.root, "toolDiscoveryCommand", "/toolDiscoveryCommand");
    found.into_iter().chain(older).map(|found| Found { name: "tools".to_owned(), ..found }).collect()
}

/// A server that a member gives as one command line; the last of equal members counts.
pub(super) fn command_line<'d>(map: &'d Node<'d>, key: &str, key_path: &str) -> Option<Found<'d>> {
    let member = map.members().iter().rev().find(|m| m.key == key)?;
    matches!(&member.value.value, Value::String(text) if !text.trim().is_empty()).then(|| Found {
        name: "mcp".to_owned(),
        key_path: key_path.to_owned(),
        node: &member.value,
        span: member.span(),
        scope: None,
        project: None,
    })
}

/// `mcp.allowed` in a file of the user or of a project.
pub(super) fn allowed<'d>(at: &Location, doc: &'d Parsed<'d>) -> impl Iterator<Item = &'d Node<'d>> {
    let theirs = matches!(at.scope, Scope::User | Scope::Project) && !at.keys.is_empty();
    theirs.then(|| doc.root.pointer("/mcp/allowed")).flatten().into_iter()
}

/// The folder of a linked extension. Read in both bundles and tested: the client takes `source` as it stands, so that a
/// relative one begins at whatever folder it is started in.
pub(super) fn linked(at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
    let is_link = doc.root.get("type").and_then(Node::as_str) == Some("link");
    if !at.path.ends_with("-extension-install.json") || !is_link {
        return Vec::new();
    }
    let Some(source) = doc.root.get("source").and_then(Node::as_str) else { return Vec::new() };
    let bytes = source.as_bytes();
    let has_drive = bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    if source.starts_with(['/', '\\']) || has_drive {
        return vec![Lead::Plugin(source.to_owned())];
    }
    let what = "a linked extension by a relative path, which begins where the client is started".to_owned();
    vec![Lead::Elsewhere { kind: "plugin-file", what }]
}

/// Folders of `trustedFolders.json` (path: level of trust) and `projects.json` (`projects`: path: short name).
pub(super) fn remembered(at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
    let folders = if at.path.ends_with("/trustedFolders.json") {
        doc.root.members()
    } else if at.path.ends_with("/projects.json") {
        doc.root.get("projects").map_or(&[][..], Node::members)
    } else {
        &[]
    };
    folders.iter().map(|folder| Lead::Project(folder.key.to_string())).collect()
}
