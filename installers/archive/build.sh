#!/bin/bash
# Makes the archive for a one-off audit: binary, licence, documents. The same commit gives the same bytes.
#   installers/archive/build.sh [--no-build]      the second form packs the release binary that is there
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "${1:-}" = --no-build ] || cargo build --release --bin mcpolicy
target=${CARGO_TARGET_DIR:-target}
version=$("$target/release/mcpolicy" --version | cut -d' ' -f2)
name="mcpolicy-$version-$(rustc -vV | sed -n 's/^host: //p')"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/$name" target/dist
cp "$target/release/mcpolicy" LICENSE README.md CHANGELOG.md SECURITY.md "$stage/$name/"
cp -r docs "$stage/$name/docs"
when=$(git log -1 --format=%ct 2>/dev/null || echo 0)
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$when" -C "$stage" -cf - "$name" | gzip -n > "target/dist/$name.tar.gz"
echo "target/dist/$name.tar.gz"
