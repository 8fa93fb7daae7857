#!/bin/bash
# Both services under a real systemd: a small Debian is made, the program, the units and the account are put in it as a package
# would, and it is booted twice as a container without a network. Inside, roles.py plays MDM, user and receiver, and writes a report.
#   tests/installed/roles.sh [MCPOLICY]
# MCPOLICY (or $MCPOLICY_BIN) is the program; it has to run with the C library of $MCPOLICY_SUITE (bookworm).
# $MCPOLICY_INSTALLED_DIR keeps the Debian for the next time (target/installed), and the last report; with $MCPOLICY_INSTALLED_KEEP
# a tree in which something was wrong stays. Needs root, mmdebstrap and systemd-nspawn; status 77 means skipped, with the reason.
# Nothing of this machine is touched: no network, no registration, its own folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec </dev/null

skipped() { echo "tests/installed/roles.sh: skipped: $*" >&2; exit 77; }
binary=$(realpath -e "${1:-${MCPOLICY_BIN:-target/debug/mcpolicy}}") || skipped "there is no program; name it"
suite=${MCPOLICY_SUITE:-bookworm}
dir=$(realpath -m "${MCPOLICY_INSTALLED_DIR:-target/installed}")
[ "$(id -u)" -eq 0 ] || skipped "needs root"
for tool in mmdebstrap systemd-nspawn strip; do
    command -v "$tool" >/dev/null || skipped "needs $tool"
done

# what a laptop has besides a base system: a session bus for notifications; and what the checks need
packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,ca-certificates,procps,openssl
packages+=,python3,python3-dbus,python3-gi
cached=$dir/$suite.tar
begun=$SECONDS
if [ ! -s "$cached" ]; then
    mkdir -p "$dir"
    mmdebstrap --quiet --format=tar --variant=minbase --include="$packages" "$suite" "$cached.new" ||
        { rm -f "$cached.new"; skipped "mmdebstrap gives no $suite"; }
    mv "$cached.new" "$cached"
fi
echo "the Debian: $((SECONDS - begun)) s"

begun=$SECONDS
mkdir -p "$dir"
tree=$(mktemp -d "$dir/tree.XXXXXX")
trap 'rm -rf --one-file-system "$tree"' EXIT
chmod 755 "$tree"
tar -xf "$cached" -C "$tree" --exclude='./dev/*'
# line tables are most of a development build
strip -o "$tree/usr/bin/mcpolicy" "$binary"
chroot "$tree" /usr/bin/mcpolicy --version || skipped "the program does not run with the C library of $suite"
units=$tree/usr/lib/systemd/system
cp installers/linux/systemd/*.service installers/linux/systemd/*.path "$units/"
cp installers/linux/systemd/mcpolicy.sysusers "$tree/usr/lib/sysusers.d/mcpolicy.conf"
for user in ann bob; do chroot "$tree" useradd --create-home --shell /bin/bash "$user"; done
mkdir -p "$tree/test/units" "$tree/srv/test" "$tree/var/lib/systemd/linger"
# ann is logged in, with a session bus
touch "$tree/var/lib/systemd/linger/ann"
cp tests/installed/*.py tests/fixtures/notification_server.py "$tree/test/"
cp installers/linux/systemd/*.service "$tree/test/units/"
cp tests/installed/test-*.service "$units/"
echo "127.0.0.1 localhost receiver.example.com" > "$tree/etc/hosts"
systemctl --quiet --root="$tree" enable mcpolicy.service mcpolicy-ship.service mcpolicy-ship.path test-roles.service
echo "the tree: $((SECONDS - begun)) s"

for boot in 1 2; do
    begun=$SECONDS
    # landlock: the workers of the agent shut themselves in, and nspawn's own list may not know it
    timeout --kill-after=10 240 systemd-nspawn --quiet --directory="$tree" --boot --register=no --keep-unit --private-network \
        --link-journal=no --console=pipe --machine="mcpolicy-$$" \
        --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
        > "$tree/test/console.$boot" 2>&1 || echo "boot $boot ended with $?"
    echo "boot $boot: $((SECONDS - begun)) s"
done

status=0
cp "$tree/test/report.ndjson" "$dir/report.ndjson" || true
python3 tests/installed/told.py "$tree/test/report.ndjson" 2 || status=$?
if [ "$status" -ne 0 ]; then
    tail -n 40 "$tree/test/console.1" "$tree/test/console.2" || true
    if [ -n "${MCPOLICY_INSTALLED_KEEP:-}" ]; then trap - EXIT; echo "kept: $tree"; fi
fi
exit "$status"
