#!/bin/bash
# A compiler and std for Windows and macOS, unpacked beside the machine's own Rust; nothing is installed over it.
#
# Debian's rustc-web and its std source, so that `-Zbuild-std` builds std for any target; mingw and zig for the C in
# dependencies. Where they go: MCPOLICY_CROSS_DIR, or target/cross. Runs once; later runs find it there.
# Leaves with 77, the status for "skipped", and a reason where apt or root is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(realpath -m "${MCPOLICY_CROSS_DIR:-$here/../../target/cross}")
toolchain=$dir/toolchain
venv=$dir/venv

skip() {
    echo "tests/cross/setup.sh: skipped: $*" >&2
    exit 77
}

# Debian packages that give these commands are installed, by root only.
need_packages() {
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    [ "$(id -u)" -eq 0 ] || skip "not root, and these Debian packages are missing: ${missing[*]}"
    echo "installing ${missing[*]}"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

# Packages are only unpacked: the machine's own Rust stays as it is.
unpack_toolchain() {
    local new=$toolchain.new
    rm -rf "$new"
    mkdir -p "$new/debs" "$new/bin"
    (
        cd "$new/debs"
        apt-get download -qq rustc-web libstd-rust-web-dev rust-web-src 2>/dev/null
        std=$(dpkg-deb -f libstd-rust-web-dev_*.deb Depends | sed 's/ .*//')
        apt-get download -qq "$std" 2>/dev/null
        apt-get download -qq "$(dpkg-deb -f "$std"_*.deb Depends | grep -oE 'libllvm[0-9]+')" 2>/dev/null
    ) || { rm -rf "$new"; skip "apt has no rustc-web here (it is in Debian 12 and later)"; }
    local prefix deb
    for prefix in rustc-web libstd-rust-web libllvm; do
        for deb in "$new"/debs/"$prefix"*.deb; do dpkg-deb -x "$deb" "$new"; done
    done
    dpkg-deb --fsys-tarfile "$new"/debs/rust-web-src_*.deb | tar -x -C "$new" --wildcards './usr/src/rustc-*/library'
    rm -rf "$new/debs"
    mkdir -p "$new/usr/lib/rustlib/src"
    ln -sfn "../../../src/$(basename "$new"/usr/src/rustc-*)" "$new/usr/lib/rustlib/src/rust"
    printf '#!/bin/sh\nhere=%s\nLD_LIBRARY_PATH="$here/usr/lib/x86_64-linux-gnu" exec "$here/usr/bin/rustc" "$@"\n' \
        "'$toolchain'" >"$new/bin/rustc-cross"
    chmod +x "$new/bin/rustc-cross"
    rm -rf "$toolchain"
    mv "$new" "$toolchain"
}

# zig is the C compiler and archiver for macOS.
install_zig() {
    python3 -m venv "$venv.new"
    "$venv.new/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir ziglang==0.15.2
    rm -rf "$venv"
    mv "$venv.new" "$venv"
}

write_wrappers() {
    mkdir -p "$dir/bin"
    cat >"$dir/bin/zig-ar" <<WRAPPER
#!/bin/sh
exec '$venv/bin/python3' -m ziglang ar "\$@"
WRAPPER
    # the flags that the cc crate gives to Apple's clang and zig does not take are dropped
    cat >"$dir/bin/zig-cc-macos" <<WRAPPER
#!/bin/bash
args=()
skip=0
for arg in "\$@"; do
    if [ \$skip = 1 ]; then skip=0; continue; fi
    case "\$arg" in
        --target=* | -mmacosx-version-min=* | -mmacos-version-min=*) ;;
        -arch | -isysroot | -target) skip=1 ;;
        *) args+=("\$arg") ;;
    esac
done
exec '$venv/bin/python3' -m ziglang cc -target aarch64-macos "\${args[@]}"
WRAPPER
    chmod +x "$dir/bin/zig-ar" "$dir/bin/zig-cc-macos"
}

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || skip "needs Debian's apt-get and dpkg-deb"
[ "$(dpkg --print-architecture)" = amd64 ] || skip "the recipe is for amd64"
mkdir -p "$dir"
chmod 755 "$dir"
if [ ! -x "$toolchain/bin/rustc-cross" ] || ! command -v x86_64-w64-mingw32-gcc >/dev/null; then
    if [ "$(id -u)" -eq 0 ]; then apt-get update -qq </dev/null; fi
fi
need_packages x86_64-w64-mingw32-gcc=gcc-mingw-w64-x86-64 xz=xz-utils python3=python3-venv
[ -x "$toolchain/bin/rustc-cross" ] || unpack_toolchain
# only the check for macOS needs it, and it takes more room than all else here
case "${1:-}" in
    *-apple-*)
        [ -x "$venv/bin/python3" ] || install_zig
        write_wrappers
        ;;
esac
"$toolchain/bin/rustc-cross" --version
