#!/bin/sh
# Mutation testing of what decides. Long: run before a release, in shards.
#
#   tests/long/mutants.sh trust              envelope and trust, but for the next
#   tests/long/mutants.sh clock              what of these has its tests beside the code: clock, staleness, base64
#   tests/long/mutants.sh spelling           of evaluate what has its tests beside the code: other spellings and addresses of what is denied
#   tests/long/mutants.sh evaluate           the rest of evaluate
#   tests/long/mutants.sh evaluate 0/8       one shard of eight
#   tests/long/mutants.sh trust 0/1 --list   the mutants, without a run; further words go to cargo-mutants
#
# A mutant is a small change of the code; it is killed if a test of policy-schema then fails. Each part is run with the
# tests that are about it and no others, since every mutant is compiled and tested anew. The results stand in
# target/mutants/PART/mutants.out: caught.txt, missed.txt, timeout.txt, unviable.txt. docs/assurance.md explains the
# survivors that remain, .cargo/mutants.toml what is left out. MCPOLICY_TOOLS names a folder for cargo-mutants.
set -eu
cd "$(dirname "$0")/../.."

part=${1:-}
shard=${2:-0/1}
[ $# -lt 2 ] || shift
[ $# -eq 0 ] || shift
src=policy-schema/src
# words for cargo both when a mutant is built and when it is tested
case $part in
trust)
    files="--file $src/envelope/*.rs --file $src/trust/*.rs"
    files="$files --exclude base64.rs --exclude clock.rs --exclude staleness.rs"
    tests="--cargo-arg=--test=attacks --cargo-arg=--test=signatures --cargo-arg=--test=trust"
    ;;
clock)
    files="--file $src/envelope/base64.rs --file $src/trust/clock.rs --file $src/trust/staleness.rs"
    tests="--cargo-arg=--lib --cargo-arg=--test=trust"
    ;;
spelling)
    files="--file $src/evaluate/spelling.rs --file $src/evaluate/served.rs"
    tests="--cargo-arg=--lib --cargo-arg=--test=evaluate"
    ;;
evaluate)
    files="--file $src/evaluate/**/*.rs --exclude spelling.rs --exclude served.rs"
    tests="--cargo-arg=--test=evaluate --cargo-arg=--test=narrow"
    ;;
*)
    echo "usage: tests/long/mutants.sh trust|clock|spelling|evaluate [SHARD [WORDS OF CARGO-MUTANTS]]" >&2
    exit 2
    ;;
esac

tools=${MCPOLICY_TOOLS:-target/tools}
if [ ! -x "$tools/bin/cargo-mutants" ]; then
    echo "installing cargo-mutants into $tools" >&2
    cargo install --quiet --locked --root "$tools" cargo-mutants
fi
PATH="$(cd "$tools/bin" && pwd):$PATH"
mkdir -p "target/mutants/$part"

# The crate under test is compiled for each mutant, so quickly; its dependencies once, and optimised as always.
# Patterns and lists of words are split on purpose, and not expanded.
set -f
# shellcheck disable=SC2086
exec cargo mutants --no-shuffle --package mcpolicy-schema $files --output "target/mutants/$part" --shard "$shard" \
    $tests --cargo-arg=--config=profile.dev.package.mcpolicy-schema.opt-level=0 \
    --cargo-arg=--config=profile.dev.package.mcpolicy-schema.debug=0 \
    --minimum-test-timeout 40 --no-times "$@" \
    -- -- --skip identity:: --skip risk:: --skip requirement:: --skip redact::
