#!/bin/bash
# Half an hour of violations while the receiver refuses, breaks off and comes back: memory and open files of both roles stay flat,
# nothing is lost. Then a fleet of 10,000 agents through an outage of an hour, in simulated time.
#   tests/long/ship.sh [MINUTES]
set -euo pipefail
cd "$(dirname "$0")/../.."
MCPOLICY_SOAK_MINUTES=${1:-30} cargo test -p mcpolicy --test e2e -- --ignored --nocapture shipped_faults::
cargo run -p mcpolicy-ship --example fleet -- 10000 docs/images/fleet-outage.svg
