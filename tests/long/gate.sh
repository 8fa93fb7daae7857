#!/bin/sh
# The gate in the long run, as root: plant-and-read races of which none may be seen, beside the same with layer 2 alone, and ten
# million opens that leak nothing. A quarter of an hour for the races, as much for the opens, on two quiet cores.
#
#   tests/long/gate.sh [TRIALS] [OPENS]
set -eu
cd "$(dirname "$0")/../.."
trials=${1:-10000}
opens=${2:-10000000}
# three ways to plant
MCPOLICY_GATE_TRIALS=$((trials / 3 + 1)) cargo test -p mcpolicy --test e2e -- --nocapture --exact \
    gate::who_plants_and_reads_at_the_same_instant_never_reads_it_with_the_gate
for test in two_hundred_thousand an_open_costs; do
    MCPOLICY_GATE_OPENS=$opens cargo test -p mcpolicy-platform --test gate -- $test
done
