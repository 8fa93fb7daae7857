#!/usr/bin/env bash
# The real Claude Code and Codex beside the daemon, 100 rounds as root's agent and 100 as a user's (13 s each):
# each writes by its own command, and lists; nothing of theirs is ever broken, no denied server stays.
#
#     tests/long/clients.sh            # MCPOLICY_ROUNDS=N for others
set -euo pipefail
cd "$(dirname "$0")/../.."
export MCPOLICY_ROUNDS="${MCPOLICY_ROUNDS:-100}"
cargo test -p mcpolicy --all-features --test e2e real_clients_beside_the_daemon -- --ignored --nocapture
