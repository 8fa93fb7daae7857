//! Qwen Code, a relative of the Gemini CLI. Tested 0.24.4 and 0.15.10.

use mcpolicy_schema::entry::Scope;
use mcpolicy_schema::finding::{FindingCode, Severity};

use super::gemini_cli;
use crate::adapter::{About, ClientAdapter, Found, Lead, SettingFinding, Variable};
use crate::codec::Parsed;
use crate::environment::{EnvironmentFile, Form, Marks, Taken};
use crate::location::{LINUX, Location, MACOS, WINDOWS};
use crate::reads::Reads;
use crate::servers;
use crate::setting;

/// Qwen Code.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "qwen-code",
    name: "Qwen Code",
    rank: 22,
    locations: &[
        Location::user("~/.qwen/settings.json"),
        Location::user("$QWEN_HOME?/settings.json"),
        // The files themselves.
        Location::user("$QWEN_CODE_SYSTEM_SETTINGS_PATH?"),
        Location::user("$QWEN_CODE_SYSTEM_DEFAULTS_PATH?"),
        Location::user("~/.qwen/trustedFolders.json").no_servers(),
        Location::project("<project>/.qwen/settings.json"),
        Location::user("~/.qwen/agents/**/*.md").agents(),
        Location::user("$QWEN_HOME?/agents/**/*.md").agents(),
        Location::project("<project>/.qwen/agents/**/*.md").agents(),
        Location::plugin("~/.qwen/extensions/*/qwen-extension.json"),
        Location::plugin("$QWEN_HOME?/extensions/*/qwen-extension.json"),
        // What `qwen extensions link` writes: the extension stands where it says.
        Location::plugin("~/.qwen/extensions/*/.qwen-extension-install.json").no_servers(),
        Location::plugin("$QWEN_HOME?/extensions/*/.qwen-extension-install.json").no_servers(),
        Location::plugin("<plugin>/qwen-extension.json"),
        Location::managed("/etc/qwen-code/settings.json").on(LINUX),
        // Tested (0.15.10): servers of the defaults are started, too.
        Location::managed("/etc/qwen-code/system-defaults.json").on(LINUX),
        Location::managed("/Library/Application Support/QwenCode/settings.json").on(MACOS),
        Location::managed("/Library/Application Support/QwenCode/system-defaults.json").on(MACOS),
        Location::managed("%PROGRAMDATA%/qwen-code/settings.json").on(WINDOWS),
        Location::managed("%PROGRAMDATA%/qwen-code/system-defaults.json").on(WINDOWS),
    ],
    variables: &[
        Variable { name: "QWEN_HOME", default: "" },
        Variable { name: "QWEN_CODE_SYSTEM_SETTINGS_PATH", default: "" },
        Variable { name: "QWEN_CODE_SYSTEM_DEFAULTS_PATH", default: "" },
    ],
    environments: &[
        dotenv("~/.qwen/.env", OF_HOME),
        dotenv("~/.env", OF_HOME),
        dotenv("$QWEN_HOME?/.env", OF_HOME),
        dotenv("<project>/.qwen/.env", ANYWHERE),
        dotenv("<project>/.env", ANYWHERE),
        EnvironmentFile::new("~/.qwen/settings.json", Form::Settings, ANYWHERE),
        EnvironmentFile::new("$QWEN_HOME?/settings.json", Form::Settings, ANYWHERE),
        EnvironmentFile::new("<project>/.qwen/settings.json", Form::Settings, ANYWHERE),
    ],
    processes: &["qwen"],
    bypass_flags: &["--yolo", "--approval-mode=yolo"],
    reads: &Reads::GEMINI,
    evidence: "tested 0.24.4 and 0.15.10 on Linux; bundle read for macOS and Windows; public source for agent files",
    notes: "The managed allowlist compares names. It holds against user settings, but `QWEN_CODE_SYSTEM_SETTINGS_PATH` and the flag `--allowed-mcp-server-names` replace it. `.mcp.json` is not read. `mcp.serverCommand` and the older `mcpServerCommand` are servers outside `mcpServers`, and so is the program of `tools.discoveryCommand`. A linked extension is read where its install file says.",
    ..About::NONE
};

/// Run on 0.15.10: those of the home move its folder. Others count once the client has started itself anew, which `-p` and
/// a session do and `mcp list` does not. From a project it takes no folder.
const OF_HOME: &[Taken] = &[
    Taken::own("QWEN_HOME"),
    Taken::own("QWEN_CODE_SYSTEM_SETTINGS_PATH"),
    Taken::own("QWEN_CODE_SYSTEM_DEFAULTS_PATH"),
];
const ANYWHERE: &[Taken] =
    &[Taken::own("QWEN_CODE_SYSTEM_SETTINGS_PATH"), Taken::own("QWEN_CODE_SYSTEM_DEFAULTS_PATH")];

/// `~/` counts in the folder, and in the other two not; all are read as if it did.
const fn dotenv(path: &'static str, takes: &'static [Taken]) -> EnvironmentFile {
    EnvironmentFile::new(path, Form::Dotenv(Marks { tilde: true, variables: false }), takes)
}

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        let mut found = servers::in_file(at, doc);
        if !at.aside && at.scope != Scope::Plugin && !at.keys.is_empty() {
            // 0.15.10 was run: both are started, as a line of words each
            let mcp = doc.root.get("mcp");
            found.extend(
                mcp.and_then(|mcp| gemini_cli::command_line(mcp, "serverCommand", "/mcp/serverCommand")),
            );
            found.extend(gemini_cli::command_line(&doc.root, "mcpServerCommand", "/mcpServerCommand"));
            found.extend(gemini_cli::discovery(doc));
        }
        found
    }

    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        if at.scope == Scope::Plugin { gemini_cli::linked(at, doc) } else { gemini_cli::remembered(at, doc) }
    }

    fn settings(&self, at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        // Tested 0.24.4: without effect on the managed list. Other versions of the same code let it through.
        let message = "mcp.allowed outside the managed settings; versions of this code have let it replace the managed list";
        let code = FindingCode::ManagedPolicyWeakened;
        gemini_cli::allowed(at, doc).map(|n| setting::weighing(code, Severity::Medium, message, n)).collect()
    }
}
