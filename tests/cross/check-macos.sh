#!/bin/bash
# The workspace, type-checked for macOS. See check.sh.
exec "$(dirname "$0")/check.sh" aarch64-apple-darwin
