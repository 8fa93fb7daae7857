#!/bin/sh
# What CI runs on every change: check, tests, what changes, and what it would block. Writes comment.md, which CI posts as
# one comment, and fails with 1 on faults of the policy and on a loosening that no second person has approved, with 2 where
# something could not be compared or rehearsed at all.
#
# FOLDER     where the policy lies (default: beside this script); the jobs run this script as the protected branch has it
# BASE       the branch that the change goes to (default: origin/main)
# REPORTS    folder with inventory reports (mcpolicy scan --format json), optional
# APPROVALS  how many people have approved the change (default: 0)
# MCPOLICY   the program (default: mcpolicy)
set -u
cd "${FOLDER:-$(dirname "$0")}" || exit 2
base=${BASE:-origin/main}
mcpolicy=${MCPOLICY:-mcpolicy}
work=.ci
# A change could commit links: what is read through them would be quoted in a comment for all to see, and what is written
# would land elsewhere.
for name in policy.toml tests.toml policies signed trust comment.md "$work" "$work"/*; do
    if [ -L "$name" ]; then
        printf '%s is a link: a policy and its tests are files of this repository\n' "$name" >&2
        exit 2
    fi
done
mkdir -p "$work"
status=0

shown() { # file: a text that nobody wrote as markdown
    # The longest fence in the text must not end ours.
    printf '<pre>\n' >>comment.md
    sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g' -e 's/@/\&#64;/g' "$1" >>comment.md
    printf '</pre>\n\n' >>comment.md
}

section() { # title, exit code, file
    mark="ok"
    [ "$2" -eq 0 ] || { mark="**failed**"; status=1; }
    printf '### %s: %s\n\n' "$1" "$mark" >>comment.md
    if [ "$2" -ne 0 ]; then
        shown "$3"
    fi
}

printf '<!-- mcpolicy -->\n' >comment.md
"$mcpolicy" policy check >"$work/check" 2>&1
section "check" $? "$work/check"
"$mcpolicy" policy test >"$work/test" 2>&1
section "tests" $? "$work/test"

fault() { # what went wrong, a file with more about it
    status=2
    printf '\n**%s**\n\n' "$1" >>comment.md
    [ -s "$2" ] && shown "$2"
}

rm -f "$work/before.toml"
if git rev-parse --verify --quiet "$base^{commit}" >/dev/null 2>"$work/git"; then
    if git cat-file -e "$base:./policy.toml" 2>/dev/null; then
        git show "$base:./policy.toml" >"$work/before.toml" 2>"$work/git" || fault "The policy at $base cannot be read." "$work/git"
    else
        printf 'This is the first policy here: %s has none, so nothing is compared.\n' "$base" >>comment.md
    fi
elif ! git rev-parse --verify --quiet "HEAD^{commit}" >/dev/null 2>&1 ||
    { [ "$(git rev-parse --is-shallow-repository)" = false ] && [ "$(git rev-list --count HEAD)" = 1 ]; }; then
    printf 'This is the first commit, so nothing is compared.\n' >>comment.md
else
    # Without a base a loosening would pass unseen: a shallow clone, a branch that was renamed or not fetched.
    printf 'fetch it, or set BASE to the branch that the change goes to\n' >>"$work/git"
    fault "There is no commit at $base, so nothing can be compared." "$work/git"
fi

if [ -s "$work/before.toml" ]; then
    fail_on=loosening
    [ "${APPROVALS:-0}" -ge 2 ] 2>/dev/null && fail_on=never
    "$mcpolicy" policy diff "$work/before.toml" policy.toml --format markdown --fail-on "$fail_on" >"$work/diff" 2>"$work/diff.errors"
    code=$?
    cat "$work/diff" >>comment.md
    case "$code" in
    0) ;;
    1)
        [ "$status" -ne 0 ] || status=1
        printf '\n**This takes protection away: it needs the approval of two people.**\n' >>comment.md
        ;;
    *) fault "The two policies could not be compared." "$work/diff.errors" ;;
    esac
fi

if [ -n "${REPORTS:-}" ]; then
    set -- "$REPORTS" --policy policy.toml
    [ -s "$work/before.toml" ] && set -- "$@" --against "$work/before.toml"
    "$mcpolicy" policy simulate "$@" --format markdown >"$work/simulate" 2>"$work/simulate.errors"
    code=$?
    printf '\n' >>comment.md
    cat "$work/simulate" >>comment.md
    case "$code" in
    0) ;;
    1) [ "$status" -ne 0 ] || status=1 ;;
    *) fault "The rehearsal on the reports is not complete." "$work/simulate.errors" ;;
    esac
fi
cat comment.md
exit "$status"
