#!/bin/sh
# A pass is killed at a thousand random moments, for each way of running it; an hour or two. As root, so that the homes
# have workers of other users. The seed that is printed repeats the moments: MCPOLICY_KILL_SEED=... tests/long/killed.sh
#
#   tests/long/killed.sh                      all of it
#   tests/long/killed.sh in_one_process       the tests with that in their name
set -eu
cd "$(dirname "$0")/../.."
export MCPOLICY_KILL_ROUNDS="${MCPOLICY_KILL_ROUNDS:-1000}"
exec cargo test -p mcpolicy --test e2e "${1:-killed::}" -- --nocapture --test-threads 1
