//! What hooks ask: answered from memory by the threads of the channel, and recorded for the daemon.

use std::path::PathBuf;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use mcpolicy_clients::location::Os;
use mcpolicy_platform::durable;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::evaluate::System;
use mcpolicy_schema::report::v1::ToolCall;

use super::Answer;
use super::server::{Caller, Shared};
use crate::board::mode_word;
use crate::calls::decide::{By, Judged, decide, shown};
use crate::calls::ledger::{Ledger, Told};
use crate::calls::{Call, Ended};
use crate::ground;

/// The file beside the socket that says which mode holds.
pub const MODE_FILE: &str = "mode";

/// Longest content of it that is looked at, in bytes.
pub const MOST_SAID: u64 = 64;

/// Hex digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

impl Caller {
    /// Whose calls are recorded: one without a home here has no name, and its number is told.
    fn who(&self) -> &str {
        if self.user.is_empty() { &self.id } else { &self.user }
    }

    /// Whose entries its client reads. Of an administrator without a home here nobody knows.
    fn reads(&self) -> Option<&str> {
        (!self.user.is_empty() || !self.is_administrator).then_some(self.user.as_str())
    }
}

impl Shared {
    /// The calls that go on.
    pub fn calls(&self) -> MutexGuard<'_, Ledger> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call is let through.
    pub(super) fn decide(&self, call: &Call, caller: &Caller) -> Answer {
        let held = self.calls().held(caller.who(), call);
        let device = self.device.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let judged = {
            let board = self.board();
            let by = By {
                board: &board,
                user: caller.reads(),
                device: &device,
                system: system(),
                redactor: &self.redactor,
                held: held.as_deref(),
            };
            decide(&by, call)
        };
        let Some(judged) = judged else { return Answer::NotYet };
        if self.has_reports() {
            let told = Told { time: self.now(), call: self.record(call, caller, &judged) };
            self.calls().begins(caller.who(), call, &judged, told, Instant::now());
        }
        Answer::Decided(judged.decision())
    }

    /// A call is over.
    pub(super) fn called(&self, ended: &Ended, caller: &Caller) -> Answer {
        self.calls().ends(caller.who(), ended, Instant::now());
        Answer::Noted
    }

    fn has_reports(&self) -> bool {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What is reported of it. Ids are a client's own words, and cut as names are.
    fn record(&self, call: &Call, caller: &Caller, judged: &Judged) -> ToolCall {
        let is_digest =
            call.input.len() == SHA256_DIGITS && call.input.bytes().all(|b| b.is_ascii_hexdigit());
        let decision = match (judged.is_allowed, judged.acts) {
            (true, _) => "allow",
            (false, true) => "deny",
            (false, false) => "would",
        };
        ToolCall {
            user: caller.who().to_owned(),
            client: call.client.id().to_owned(),
            session: shown(&call.session, &self.redactor),
            call: shown(&call.call, &self.redactor),
            server: judged.server.clone(),
            identity: judged.identity.clone(),
            fingerprint: judged.fingerprint.clone(),
            tool: judged.tool.clone(),
            input: if is_digest { self.redactor.fingerprint(&call.input) } else { String::new() },
            decision: decision.to_owned(),
            reason: judged.reason.clone(),
            rule: judged.rule.clone(),
            result: String::new(),
            latency_ms: None,
        }
    }

    /// Where it is said which mode holds: a file that everybody reads and only the agent writes.
    pub fn says_mode_at(&self, file: Option<PathBuf>) {
        *self.mode_file.lock().unwrap_or_else(PoisonError::into_inner) = file;
    }

    /// Says which mode holds, for hooks that find nobody to ask: in one that acts on nothing they refuse nothing.
    ///
    /// # Errors
    /// The system refuses. A hook that finds nothing refuses.
    pub fn say_mode(&self) -> std::io::Result<()> {
        let file = self.mode_file.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (Some(file), Some(mode)) = (file, self.board().mode()) else { return Ok(()) };
        let line = format!("{}\n", mode_word(mode));
        let said = Machine::live().read(&file, None, MOST_SAID);
        if said.is_ok_and(|said| said.bytes == line.as_bytes()) {
            return Ok(());
        }
        durable::replace_public(&file, line.as_bytes())
    }
}

fn system() -> System {
    match ground::host_os() {
        Os::Linux => System::Linux,
        Os::Macos => System::Macos,
        Os::Windows => System::Windows,
    }
}
