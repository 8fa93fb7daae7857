//! How the machine stands, as a record of a report.

use jiff::Timestamp;
use mcpolicy_schema::report::v1;

use crate::board::running;
use crate::board::{Board, mode_word};

/// Problems that a heartbeat names; the count is of all in the status.
const MOST_PROBLEMS: usize = 20;

/// The posture of now, but for the requests, which stand in files.
pub(super) fn of(board: &Board, now: Timestamp) -> v1::Posture {
    let status = board.status(None, now);
    let policy = board.settled.as_ref().map(|settled| settled.in_force.about(settled.ring.as_deref()));
    let mut problems = status.problems;
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    problems.truncate(MOST_PROBLEMS);
    if more > 0 {
        problems.push(format!("and {more} more: mcpolicy status"));
    }
    v1::Posture {
        state: status.state.as_str().to_owned(),
        mode: board.mode().map(mode_word),
        ceiling: board.ceiling.map(mode_word),
        policy,
        layers: status
            .layers
            .into_iter()
            .map(|layer| v1::Layer { name: layer.name, state: layer.state })
            .collect(),
        verdicts: status.verdicts,
        open: status.open,
        running: running::open(&board.running),
        restart_needed: board.restart_needed.len() as u64,
        watches: board.watched as u64,
        degraded: status.watches.degraded,
        problems,
        last_rescan: status.last_rescan.map(|at| at.to_string()),
        requests: 0,
        waiting: Vec::new(),
        chains: Vec::new(),
    }
}
