#!/bin/bash
# The workspace, type-checked for Windows. See check.sh.
exec "$(dirname "$0")/check.sh" x86_64-pc-windows-gnu
