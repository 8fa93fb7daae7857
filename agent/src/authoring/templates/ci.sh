#!/bin/sh
# What CI runs on every change: check, tests, what changes, and what it would block. Writes comment.md, which CI posts as
# one comment, and fails on faults and on a loosening that no second person has approved.
#
# BASE       the branch that the change goes to (default: origin/main)
# REPORTS    folder with inventory reports (mcpolicy scan --format json), optional
# APPROVALS  how many people have approved the change (default: 0)
# MCPOLICY   the program (default: mcpolicy)
set -u
cd "$(dirname "$0")" || exit 2
base=${BASE:-origin/main}
mcpolicy=${MCPOLICY:-mcpolicy}
work=.ci
mkdir -p "$work"
status=0

section() { # title, exit code, file
    mark="ok"
    [ "$2" -eq 0 ] || { mark="**failed**"; status=1; }
    printf '### %s: %s\n\n' "$1" "$mark" >>comment.md
    if [ "$2" -ne 0 ]; then
        # The longest fence in the text must not end ours.
        printf '<pre>\n' >>comment.md
        sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g' -e 's/@/\&#64;/g' "$3" >>comment.md
        printf '</pre>\n\n' >>comment.md
    fi
}

printf '<!-- mcpolicy -->\n' >comment.md
"$mcpolicy" policy check >"$work/check" 2>&1
section "check" $? "$work/check"
"$mcpolicy" policy test >"$work/test" 2>&1
section "tests" $? "$work/test"

if git show "$base:./policy.toml" >"$work/before.toml" 2>"$work/git"; then
    fail_on=loosening
    [ "${APPROVALS:-0}" -ge 2 ] && fail_on=never
    "$mcpolicy" policy diff "$work/before.toml" policy.toml --format markdown --fail-on "$fail_on" >"$work/diff" 2>"$work/diff.errors"
    code=$?
    cat "$work/diff" >>comment.md
    if [ "$code" -ne 0 ]; then
        status=1
        printf '\n**This takes protection away: it needs the approval of two people.**\n' >>comment.md
        cat "$work/diff.errors" >&2
    fi
else
    printf 'There is no policy.toml at %s, so nothing is compared.\n' "$base" >>comment.md
fi

if [ -n "${REPORTS:-}" ] && [ -d "$REPORTS" ]; then
    against=""
    [ -s "$work/before.toml" ] && against="--against $work/before.toml"
    # shellcheck disable=SC2086
    "$mcpolicy" policy simulate "$REPORTS" --policy policy.toml $against --format markdown >"$work/simulate" 2>"$work/simulate.errors"
    code=$?
    printf '\n' >>comment.md
    cat "$work/simulate" >>comment.md
    [ "$code" -eq 0 ] || { status=1; cat "$work/simulate.errors" >&2; }
fi
cat comment.md
exit "$status"
