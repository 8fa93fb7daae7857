#!/bin/bash
# The whole workspace type-checked for one target, with tests and benches, warnings denied: check.sh TARGET
# Nothing is linked or run. Status 77 means skipped, with the reason (see setup.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$1
dir=$(realpath -m "${MCPOLICY_CROSS_DIR:-$here/../../target/cross}")
"$here/setup.sh" "$target"

export RUSTC=$dir/toolchain/bin/rustc-cross
# build-std is unstable; this lets a stable compiler use it, here only
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-D warnings"
# apart from the host's, which another compiler builds; the targets share what is built to run here (macros)
export CARGO_TARGET_DIR=$dir/target
export CC_aarch64_apple_darwin=$dir/bin/zig-cc-macos AR_aarch64_apple_darwin=$dir/bin/zig-ar
# rustc and cargo are of different releases, and clippy's words are not for the former
unset RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTUP_TOOLCHAIN

cd "$here/../.."
cargo check --workspace --all-targets --all-features --target "$target" -Zbuild-std=std,panic_abort,test
