#!/bin/sh
# A user's threads against the replacing of files, a million rounds each; hours on a busy machine. As root, so that
# the attacker is another user.
#
#   tests/long/races.sh                       all of it
#   tests/long/races.sh no_line_is_lost       the tests with that in their name
set -eu
cd "$(dirname "$0")/../.."
export MCPOLICY_RACE_ROUNDS="${MCPOLICY_RACE_ROUNDS:-1000000}"
exec cargo test -p mcpolicy-platform --test races -- --nocapture --test-threads 1 "$@"
