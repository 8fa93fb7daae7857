#!/bin/sh
# Fuzzes codecs and signed documents for some seconds each: tests/long/fuzz.sh [SECONDS] [TARGET...]
# Stable Rust with the flags that cargo-fuzz would pass; the sanitizer's runtime comes with the tool chain.
# Seeds are in tests/fuzz/seeds, findings go to tests/fuzz/artifacts. FUZZ_TARGET_DIR says where to build.
set -eu
seconds=${1:-300}
[ $# -gt 0 ] && shift
fuzz=$(cd "$(dirname "$0")/../fuzz" && pwd)
CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$fuzz/target}
triple=$(rustc -vV | sed -n 's/^host: //p')
RUSTC_BOOTSTRAP=1
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
--cfg fuzzing -Zsanitizer=address -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1"
RUSTC_WRAPPER=$(cd "$(dirname "$0")" && pwd)/fuzz-rustc.sh
export CARGO_TARGET_DIR RUSTC_BOOTSTRAP RUSTFLAGS RUSTC_WRAPPER
cargo build --locked --release --manifest-path "$fuzz/Cargo.toml" --target "$triple" --bins

[ $# -gt 0 ] || set -- json json_recover toml yaml front_matter xml decode envelope payload body update
failed=
for target in "$@"; do
    mkdir -p "$fuzz/corpus/$target" "$fuzz/artifacts/$target"
    echo "== $target, $seconds s"
    ASAN_OPTIONS=detect_leaks=0 "$CARGO_TARGET_DIR/$triple/release/$target" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$fuzz/artifacts/$target/" "$fuzz/corpus/$target" "$fuzz/seeds/$target" \
        >"$fuzz/artifacts/$target.log" 2>&1 || failed="$failed $target"
    tail -n 12 "$fuzz/artifacts/$target.log"
done
[ -z "$failed" ] || { echo "findings in:$failed" >&2; exit 1; }
