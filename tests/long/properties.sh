#!/bin/sh
# The properties of the whole tree with random numbers that nobody chose: tests/long/properties.sh [ROUNDS]
# Beside the running agent: MCPOLICY_MODEL_CASES=480 tests/long/properties.sh 1
#
# A normal `cargo test` repeats the same cases each time (.cargo/config.toml), so that a change is judged by what it
# changes. Here each round has a seed of its own, which is printed and repeats it: PROPTEST_RNG_SEED=... cargo test.
set -eu
cd "$(dirname "$0")/../.."
rounds=${1:-20}
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    PROPTEST_RNG_SEED=$(od -An -N7 -tu8 /dev/urandom | tr -d ' ')
    export PROPTEST_RNG_SEED
    echo "== round $round of $rounds, seed $PROPTEST_RNG_SEED"
    cargo test --quiet --workspace --all-features --lib --test codecs --test duplicates --test redaction
    cargo test --quiet -p mcpolicy --test e2e model:: -- --nocapture
done
