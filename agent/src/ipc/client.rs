//! Who asks.

use std::path::Path;
use std::time::{Duration, Instant};

use mcpolicy_platform::ipc_channel;

use super::{Answer, Ask, frame};

/// Time that a command waits for an answer: longer than the daemon lets itself be waited for.
const DEADLINE: Duration = Duration::from_secs(130);
/// Time that a question waits which is answered beside the daemon's work.
const SOON: Duration = Duration::from_secs(15);
/// Time for reaching it.
const REACH: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody is there.
    #[error("no agent answers at {place}: {why}")]
    NotRunning {
        /// Where.
        place: String,
        /// Why.
        why: String,
    },
    /// Somebody is there and gave no answer that is one.
    #[error("the agent at {place} gave no answer: {source}")]
    Broken {
        /// Where.
        place: String,
        /// Why.
        source: frame::MessageError,
    },
}

/// Asks for a hook, within this time altogether. `only_machines`: nobody but an administrator's process is believed.
///
/// # Errors
/// As [`ask`]; what another user's process would say is no answer.
pub fn ask_soon(
    place: &Path,
    ask: &Ask,
    (within, only_machines): (Duration, bool),
) -> Result<Answer, Unanswered> {
    let name = || place.display().to_string();
    let not_running = |why: String| Unanswered::NotRunning { place: name(), why };
    let mut connection =
        ipc_channel::connect(place, within).map_err(|error| not_running(error.to_string()))?;
    // attack: a user's own agent, with a policy of the own, answers while that of the machine is down
    if only_machines && !connection.peer().is_administrator {
        return Err(not_running("what listens there is no administrator's process".to_owned()));
    }
    let asked = frame::write(&mut connection, ask, frame::MAX_QUESTION);
    let answered = asked.and_then(|()| frame::read(&mut connection, frame::MAX_ANSWER));
    answered.map_err(|source| Unanswered::Broken { place: name(), source })
}

/// Asks the agent whose channel is at a place.
///
/// # Errors
/// Nobody answers, or with something else than an answer.
pub fn ask(place: &Path, ask: &Ask) -> Result<Answer, Unanswered> {
    let name = || place.display().to_string();
    let mut connection = ipc_channel::connect(place, REACH)
        .map_err(|error| Unanswered::NotRunning { place: name(), why: error.to_string() })?;
    let is_work = !matches!(ask, Ask::Status { .. });
    connection.set_deadline(Instant::now() + if is_work { DEADLINE } else { SOON });
    let asked = frame::write(&mut connection, ask, frame::MAX_QUESTION);
    let answered = asked.and_then(|()| frame::read(&mut connection, frame::MAX_ANSWER));
    answered.map_err(|source| Unanswered::Broken { place: name(), source })
}
