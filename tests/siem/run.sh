#!/bin/bash
# The queries of docs/siem in three engines on one generated fleet, against the answers that its plan counts.
#
# Makes a venv with chDB (ClickHouse as a library) and DuckDB from the package index, once; MCPOLICY_SIEM_DIR says where. Status 77
# means skipped, with the reason. The fleet comes from the example of agent/fleet, or from MAKE_FLEET if that is built already.
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=$(realpath -m "${MCPOLICY_SIEM_DIR:-target/siem}")
machines=${MCPOLICY_SIEM_MACHINES:-400}
if [ ! -x "$dir/venv/bin/python3" ]; then
    mkdir -p "$dir"
    rm -rf "$dir/venv.new"
    python3 -m venv "$dir/venv.new" || { echo "tests/siem/run.sh: skipped: python3 has no venv" >&2; exit 77; }
    if ! "$dir/venv.new/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir chdb==4.4.0 duckdb==2.0.1; then
        rm -rf "$dir/venv.new"
        echo "tests/siem/run.sh: skipped: the package index gives no chdb" >&2
        exit 77
    fi
    mv "$dir/venv.new" "$dir/venv"
fi
rm -rf "$dir/fleet"
if [ -n "${MAKE_FLEET:-}" ]; then
    "$MAKE_FLEET" "$machines" "$dir/fleet"
else
    cargo run --quiet -p mcpolicy-fleet --example make_fleet -- "$machines" "$dir/fleet"
fi
exec "$dir/venv/bin/python3" tests/siem/check.py docs/siem "$dir/fleet"
