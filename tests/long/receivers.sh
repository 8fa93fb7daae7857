#!/bin/bash
# `mcpolicy ship` against receivers that nobody here wrote: the core of Elasticsearch 7.0, and Rotel (a collector for OpenTelemetry) behind nginx with
# TLS. What they store or pass on is held, by a reader of its own, against what was sent.
#   tests/long/receivers.sh [PART...]        parts: elastic, killed, template, otlp, daemon; all without one
#
# What is needed comes from the package index and from Debian once, into MCPOLICY_RECEIVERS (default: receivers/ of the target folder). MCPOLICY and
# MAKE_FLEET name built programs, else they are built; MCPOLICY_FLEET is the number of generated machines, 200. Status 77: skipped, with the reason.
# As root everything runs in a network of its own, with the loopback alone, and the collector as nobody: its program is a stranger's.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/long/receivers
target=${CARGO_TARGET_DIR:-target}
dir=$(realpath -m "${MCPOLICY_RECEIVERS:-$target/receivers}")
mkdir -p "$dir"

skip() {
    echo "tests/long/receivers.sh: skipped: $*" >&2
    exit 77
}

for tool in python3 openssl java javac unzip; do
    command -v "$tool" >/dev/null || skip "there is no $tool"
done
if [ ! -e "$dir/venv/done" ]; then
    rm -rf "$dir/venv"
    python3 -m venv "$dir/venv" || skip "python3 has no venv"
    "$dir/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir opentelemetry-proto==1.36.0 \
        || skip "the package index gives no opentelemetry-proto"
    touch "$dir/venv/done"
fi

# programs that come as they are: by their digest
fetch() {
    local what=$1 digest=$2
    printf '%s --hash=sha256:%s\n' "$what" "$digest" >"$dir/wanted.txt"
    "$dir/venv/bin/pip" download --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
        --only-binary :all: -d "$dir/wheels" -r "$dir/wanted.txt" || skip "the package index gives no $what"
}
# a program for searching that carries the jar of Elasticsearch
jar="$dir/elastic/pyserini/resources/jars/anserini-0.7.0-fatjar.jar"
if [ ! -e "$jar" ]; then
    fetch pyserini==0.7.0.0 ebeabac2f4fc817bee9a7cf6a0d3f3e4a11c3f48acaab9dd295cc8e5ab43dd2a
    unzip -qo "$dir"/wheels/pyserini-0.7.0.0-*.whl '*.jar' -d "$dir/elastic"
fi
if [ ! -e "$dir/rotel/rotel/rotel-agent" ]; then
    fetch rotel==0.0.1a15 2f4117e58410c933e0dc042a268ef738dab2e3a5d63b5831209acdac2a6ddcb7
    unzip -qo "$dir"/wheels/rotel-0.0.1a15-*.whl -d "$dir/rotel"
    chmod 755 "$dir/rotel/rotel/rotel-agent"
fi
nginx=$(command -v nginx || echo "$dir/nginx/usr/sbin/nginx")
if [ ! -x "$nginx" ]; then
    # unpacked, not installed: a service is nothing that a test leaves behind
    (mkdir -p "$dir/debs" && cd "$dir/debs" && apt-get download -qq nginx 2>/dev/null) || skip "there is no nginx, and apt gives none"
    dpkg-deb -x "$dir"/debs/nginx_*.deb "$dir/nginx"
fi

classes=$dir/classes
rm -rf "$classes"
mkdir -p "$classes/META-INF/services"
javac -Xlint:-options -cp "$jar" -d "$classes" $here/*.java
python3 $here/open_method.py "$jar" org.apache.lucene.search.IndexSearcher termStatistics "$classes"
# the jar was put together of many and lost this line of Lucene's own
echo org.apache.lucene.codecs.lucene70.Lucene70DocValuesFormat >"$classes/META-INF/services/org.apache.lucene.codecs.DocValuesFormat"

if [ -z "${MCPOLICY:-}" ]; then
    cargo build --quiet -p mcpolicy
    MCPOLICY=$target/debug/mcpolicy
fi
if [ -z "${MAKE_FLEET:-}" ]; then
    cargo build --quiet -p mcpolicy-fleet --example make_fleet
    MAKE_FLEET=$target/debug/examples/make_fleet
fi
work=$(mktemp -d)
# what was started is ended by run.py, this is for what it leaves behind when it is killed
trap 'rm -rf "$work"' EXIT
"$MAKE_FLEET" "${MCPOLICY_FLEET:-200}" "$work/fleet"
export PYTHONDONTWRITEBYTECODE=1 RECEIVERS_JAR=$jar RECEIVERS_CLASSES=$classes RECEIVERS_ROTEL=$dir/rotel/rotel/rotel-agent RECEIVERS_NGINX=$nginx
export RECEIVERS_MCPOLICY=$(realpath "$MCPOLICY") RECEIVERS_WORK=$work
run=("$dir/venv/bin/python3" -u $here/run.py "$@")
if [ "$(id -u)" -eq 0 ] && unshare --net true 2>/dev/null; then
    unshare --net --pid --fork --kill-child --mount-proc bash -c 'ip link set lo up && exec "$@"' - "${run[@]}"
else
    "${run[@]}"
fi
