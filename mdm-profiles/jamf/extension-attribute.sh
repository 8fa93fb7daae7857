#!/bin/sh
# Jamf Pro extension attribute (data type: string): the MCP inventory of this machine in one line.
# It never prompts: without full disk access, protected folders are left out and counted as gaps.
program=${MCPOLICY:-/usr/local/bin/mcpolicy}
if [ ! -x "$program" ]; then
    echo "<result>mcpolicy is not installed</result>"
    exit 0
fi
# $MCPOLICY_SCAN is for trying the script on one folder: MCPOLICY_SCAN="--home DIR"
# shellcheck disable=SC2086
line=$("$program" scan --format mdm --background ${MCPOLICY_SCAN:-} 2>/dev/null) || line="mcpolicy could not scan"
# & and < would break the console's XML
echo "<result>$(printf '%s' "$line" | sed 's/&/\&amp;/g; s/</\&lt;/g')</result>"
