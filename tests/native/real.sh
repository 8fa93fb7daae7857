#!/bin/bash
# Compiled files before the real clients: an approved server is taken, another is refused by the client itself, and without
# the files the same one is taken. Linux, as root, offline: each run has its own mount namespace, an overlay over /etc, a
# throw-away HOME and no network but loopback, and all that it starts ends with it. `npx` is a stand-in that leaves a mark of what was started.
#
#   WRITE_NATIVE   the program of agent/native/examples/write_native.rs
#   CLAUDE, CLAUDE_OLD, CODEX, COPILOT, GEMINI, QWEN, OPENCODE, KILO, DROID   the clients; a client that is not named is left out
#
# One line a client and case: what was expected and what came. Exit code 1 if they differ anywhere.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${WRITE_NATIVE:?the program of agent/native/examples/write_native.rs}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$WRITE_NATIVE" "$here/real.json" "$work/policy" || exit 2
mkdir -p "$work/none/etc" "$work/bin"
cat >"$work/bin/npx" <<'NPX'
#!/bin/sh
for last; do :; done
touch "$MARKS/$last"
exec cat >/dev/null
NPX
chmod +x "$work/bin/npx"
failed=0

# run FILES SCRIPT: the script with these files in /etc; its output, and marks in $marks
run() {
    local own
    own=$(mktemp -d "$work/run.XXXX")
    marks="$own/marks"
    mkdir -p "$own/home" "$own/over" "$marks"
    OWN="$own" FILES="$1" SCRIPT="$2" MARKS="$marks" BIN="$work/bin" unshare --mount --net --pid --fork --kill-child --mount-proc bash -c '
        mount --make-rprivate / && mount -t tmpfs tmpfs "$OWN/over" && mkdir "$OWN/over/up" "$OWN/over/work"
        mount -t overlay overlay -o "lowerdir=/etc,upperdir=$OWN/over/up,workdir=$OWN/over/work" /etc || exit 9
        cp -r "$FILES/etc/." /etc/
        # a model that takes a question and never answers: the session lasts until its servers are there
        ip link set lo up
        python3 -c "import socket,time; s=socket.create_server((\"127.0.0.1\", 9)); time.sleep(60)" &
        silent=$!
        export HOME="$OWN/home" PATH="$BIN:$PATH" CODEX_HOME="$OWN/home/.codex"
        mkdir -p "$CODEX_HOME"; cd "$HOME"; eval "$SCRIPT"; kill $silent' </dev/null 2>&1
}

# tell CLIENT CASE EXPECTED GOT
tell() {
    local word=ok
    if [ "$3" != "$4" ]; then word=DIFFERS failed=1; fi
    printf '%-10s %-34s expected %-8s got %-8s %s\n' "$1" "$2" "$3" "$4" "$word"
}

# verdict REFUSAL SUCCESS SCRIPT: which of the two texts the script shows
verdict() {
    local output
    output=$(run "$work/$files" "$3")
    case $output in
    *"$1"*) echo refused ;;
    *"$2"*) echo taken ;;
    *) echo neither ;;
    esac
}

# Claude Code: what `mcp add` answers
claude() {
    local files
    for files in policy none; do
        local add='timeout 90 '"$2"' mcp add'
        local refused=refused
        if [ "$files" = none ]; then refused=taken; fi
        try() { verdict 'by enterprise policy' 'Added ' "$add $1"; }
        tell "$1" "$files: evil URL" $refused "$(try '--transport http evil https://attacker.example/mcp')"
        tell "$1" "$files: evil command" $refused "$(try 'evil -- npx -y evil')"
        tell "$1" "$files: more arguments" $refused "$(try 'good -- npx -y good-server@1.0.0 --registry=https://evil.example')"
        tell "$1" "$files: approved URL" taken "$(try '--transport http web https://good.example/mcp')"
        tell "$1" "$files: approved command" taken "$(try 'good -- npx -y good-server@1.0.0')"
    done
}

# Codex: the entry is written and listed as disabled
codex() {
    local files
    for files in policy none; do
        local refused=refused
        if [ "$files" = none ]; then refused=taken; fi
        local list
        list=$(run "$work/$files" "
            timeout 90 $2 mcp add good -- npx -y good-server@1.0.0
            timeout 90 $2 mcp add evil -- npx -y evil
            timeout 90 $2 mcp add web --url https://good.example/mcp
            timeout 90 $2 mcp add web2 --url https://good.example/mcp
            timeout 90 $2 mcp list")
        try() { if grep "^$1 " <<<"$list" | grep -q 'disabled: requirements'; then echo refused; else grep -q "^$1 .*enabled" <<<"$list" && echo taken; fi; }
        tell "$1" "$files: evil command" $refused "$(try evil)"
        tell "$1" "$files: approved URL, another name" $refused "$(try web2)"
        tell "$1" "$files: approved URL" taken "$(try web)"
        tell "$1" "$files: approved command" taken "$(try good)"
    done
}

# Factory droid: the same; a look-alike passes, which docs/native.md says
droid() {
    local files
    for files in policy none; do
        local refused=refused
        if [ "$files" = none ]; then refused=taken; fi
        try() { verdict 'disabled by your administrator' 'Added ' "timeout 90 $DROID mcp add $1"; }
        tell "$1" "$files: evil command" $refused "$(try 'evil "npx -y evil"')"
        tell "$1" "$files: evil URL" $refused "$(try 'evil https://attacker.example/mcp --type http')"
        tell "$1" "$files: a look-alike" taken "$(try 'look "npx -y evil --note=good-server@1.0.0"')"
        tell "$1" "$files: approved command" taken "$(try 'good "npx -y good-server@1.0.0"')"
    done
}

# clients that start servers in a session or for a list: the marks say which
marked() {
    local name=$1 setup=$2 start=$3 files
    for files in policy none; do
        local evil=refused
        if [ "$files" = none ]; then evil=taken; fi
        run "$work/$files" "$setup"$'\n'"timeout 20 $start" >"$work/log"
        try() { if [ -e "$marks/$1" ]; then echo taken; else echo refused; fi; }
        tell "$name" "$files: evil command" $evil "$(try evil)"
        tell "$name" "$files: approved command" taken "$(try good-server@1.0.0)"
        if [ "$name" = gemini ] || [ "$name" = qwen ]; then
            # a project brings another server under the approved name
            run "$work/$files" "${setup//good-server@1.0.0/other}"$'\n'"timeout 20 $start" >"$work/log"
            tell "$name" "$files: approved name, other server" $evil "$(try other)"
        fi
    done
}

servers='"mcpServers":{"evil":{"command":"npx","args":["-y","evil"]},"good":{"command":"npx","args":["-y","good-server@1.0.0"]}}'
copilot_servers='"mcpServers":{"evil":{"type":"local","command":"npx","args":["-y","evil"],"tools":["*"]},"good":{"type":"local","command":"npx","args":["-y","good-server@1.0.0"],"tools":["*"]}}'
local_servers='"mcp":{"evil":{"type":"local","command":["npx","-y","evil"]},"good":{"type":"local","command":["npx","-y","good-server@1.0.0"]}}'
setup() { echo "mkdir -p .$1; echo '{\"security\":{\"auth\":{\"selectedType\":\"$2\"}},$servers}' >.$1/settings.json; echo \"{\\\"\$HOME\\\":\\\"TRUST_FOLDER\\\"}\" >.$1/trustedFolders.json"; }

if [ -n "${CLAUDE:-}" ]; then claude claude "$CLAUDE"; fi
if [ -n "${CLAUDE_OLD:-}" ]; then claude claude-old "$CLAUDE_OLD"; fi
if [ -n "${CODEX:-}" ]; then codex codex "$CODEX"; fi
if [ -n "${GEMINI:-}" ]; then
    marked gemini "$(setup gemini gemini-api-key)" "env GEMINI_API_KEY=none GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:9 $GEMINI -p hello"
fi
if [ -n "${QWEN:-}" ]; then
    marked qwen "$(setup qwen openai)" "env OPENAI_API_KEY=none OPENAI_MODEL=none OPENAI_BASE_URL=http://127.0.0.1:9/v1 $QWEN -p hello"
fi
if [ -n "${COPILOT:-}" ]; then
    marked copilot "mkdir -p .copilot; echo '{$copilot_servers}' >.copilot/mcp-config.json" \
        "env COPILOT_OFFLINE=true COPILOT_PROVIDER_TYPE=openai COPILOT_PROVIDER_BASE_URL=http://127.0.0.1:9/v1 \
        COPILOT_PROVIDER_API_KEY=none COPILOT_MODEL=none $COPILOT -p hello --allow-all-tools"
fi
if [ -n "${OPENCODE:-}" ]; then
    marked opencode "mkdir -p .config/opencode; echo '{$local_servers}' >.config/opencode/opencode.json" "$OPENCODE mcp list"
fi
if [ -n "${KILO:-}" ]; then
    marked kilo "mkdir -p .config/kilo; echo '{$local_servers}' >.config/kilo/kilo.json" "$KILO mcp list"
fi
if [ -n "${DROID:-}" ]; then droid droid; fi
exit $failed
