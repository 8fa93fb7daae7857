//! The compilers, one a client.

use mcpolicy_schema::evaluate::System;

use crate::inexpressible::Abilities;
use crate::json_file::Setting;
use crate::output::{Conflict, Hook};
use crate::over::Over;
use crate::plan::Plan;
use crate::refused::Refused;
use crate::target::{Client, Target};
use crate::toml_file::Blocks;
use crate::{amp, claude_code, claude_desktop, codex, copilot, cursor, droid, gemini, opencode, vscode};

/// What one client reads and how it is told.
pub(crate) trait Compiler {
    /// Where it looks; empty where the system has none. The first is the one that the agent prefers.
    fn targets(&self, os: System) -> Vec<Target>;

    /// What it compares.
    fn abilities(&self) -> Abilities;

    /// What is to stand at a target.
    fn content(&self, target: &Target, plan: &mut Plan<'_>) -> Content;

    /// Whether the client takes a file as it is meant.
    fn validate(&self, target: &Target, bytes: &[u8]) -> Result<(), Refused>;

    /// The name by which its hook calls us, whether the client goes on without the program, and in what cases.
    fn hook_facts(&self) -> Option<HookFacts> {
        None
    }

    /// The hook that is compiled with it.
    fn hook(&self, plan: &Plan<'_>) -> Option<Hook> {
        let facts = self.hook_facts()?;
        Some(Hook {
            command: hook_command(plan, facts.name)?,
            fails_open: facts.fails_open,
            what: facts.what,
        })
    }

    /// What others wrote beside our keys or in other files of the client that admits more than ours.
    fn foreign(&self, target: &Target, plan: &Plan<'_>) -> Vec<Conflict> {
        let _ = (target, plan);
        Vec::new()
    }

    /// What it takes in place of its files.
    fn over(&self) -> Vec<Over> {
        Vec::new()
    }

    /// Facts for docs/native.md.
    fn facts(&self) -> Facts;
}

/// What a client does with its hook.
pub(crate) struct HookFacts {
    /// `mcpolicy hook NAME`.
    pub(crate) name: &'static str,
    /// A call goes on where the program is missing or fails.
    pub(crate) fails_open: bool,
    /// The same in words.
    pub(crate) what: &'static str,
}

/// The command of a hook.
pub(crate) fn hook_command(plan: &Plan<'_>, name: &str) -> Option<String> {
    let program = plan.input.program?;
    Some(format!("{} hook {name}", shell_word(program, plan.input.context.system)))
}

/// A path as one word of the shell through which clients run hooks.
fn shell_word(path: &str, os: System) -> String {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '\\' | ':' | '+');
    match os {
        _ if path.chars().all(is_plain) && (os == System::Windows || !path.contains('\\')) => path.to_owned(),
        System::Windows => format!("\"{path}\""),
        System::Linux | System::Macos => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

/// What is to stand in a file.
pub(crate) enum Content {
    /// Members of a JSON file, or of named values.
    Json(Vec<Setting>),
    /// Lines of a TOML file.
    Toml(Blocks),
}

/// What docs/native.md says of a client besides what is computed.
pub(crate) struct Facts {
    /// Version of the client with which the facts were established, and how.
    pub(crate) evidence: &'static str,
    /// What it compares, in words.
    pub(crate) compares: &'static str,
    /// Other sources that win over ours, and how the client is led round it.
    pub(crate) round_it: &'static str,
    /// What a broken, empty or unreadable file means.
    pub(crate) broken: &'static str,
}

/// The compiler of a client.
pub(crate) fn compiler(client: Client) -> &'static dyn Compiler {
    match client {
        Client::ClaudeCode => &claude_code::ClaudeCode,
        Client::ClaudeDesktop => &claude_desktop::ClaudeDesktop,
        Client::Codex => &codex::Codex,
        Client::Cursor => &cursor::Cursor,
        Client::Vscode => &vscode::Vscode,
        Client::CopilotCli => &copilot::Copilot,
        Client::GeminiCli => &gemini::GEMINI,
        Client::QwenCode => &gemini::QWEN,
        Client::Amp => &amp::Amp,
        Client::Droid => &droid::Droid,
        Client::Opencode => &opencode::OPENCODE,
        Client::KiloCode => &opencode::KILO,
    }
}
