#!/bin/sh
# Mutation testing of what decides: envelope, trust and evaluation. Long: run before a release, in shards.
#
#   tests/long/mutants.sh            all of it
#   tests/long/mutants.sh 0/8        one shard of eight
#
# A mutant is a small change of the code; it is killed if a test of policy-schema then fails. Survivors are listed in
# target/mutants/mutants.out/missed.txt; docs/assurance.md explains those that remain.
set -eu
cd "$(dirname "$0")/../.."

tools=${MCPOLICY_TOOLS:-target/tools}
if [ ! -x "$tools/bin/cargo-mutants" ]; then
    echo "installing cargo-mutants into $tools" >&2
    cargo install --quiet --locked --root "$tools" cargo-mutants
fi
PATH="$(cd "$tools/bin" && pwd):$PATH"

set -- ${1:+--shard "$1"}
exec cargo mutants --no-shuffle --package mcpolicy-schema --output target/mutants \
    --file 'policy-schema/src/envelope.rs' --file 'policy-schema/src/envelope/*.rs' \
    --file 'policy-schema/src/trust/*.rs' --file 'policy-schema/src/evaluate/*.rs' \
    --minimum-test-timeout 60 "$@" -- --lib --test evaluate --test attacks --test signatures
