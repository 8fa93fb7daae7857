#!/usr/bin/env python3
"""The shared attempts to talk round an allowlist before real clients: which server does each client start?

    evasions.py CASES.json WRITE_NATIVE OUT.md CLIENT=PATH...

CASES.json is what `MCPOLICY_EVASIONS_TO=CASES.json cargo test -p mcpolicy-native --test native evasions` writes; WRITE_NATIVE the
program of agent/native/examples/write_native.rs; CLIENT one of claude, claude-new, codex, copilot, gemini, qwen. Linux, as root,
offline: each run has name spaces of its own, an overlay over /etc, a throw-away HOME and no network but loopback.

What was started is what strace saw a client execute, whether the program is there or not; of a URL it is what the client answers
where it is added. Each client runs without the policy too: what it never starts proves nothing.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c"]
GROUND = """
mount --make-rprivate / && mount -t tmpfs tmpfs "$OWN/over" && mkdir "$OWN/over/up" "$OWN/over/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$OWN/over/up,workdir=$OWN/over/work" /etc || exit 9
if [ -n "$FILES" ]; then cp -r "$FILES/etc/." /etc/; fi
ip link set lo up
python3 -c "import socket,time; s=socket.create_server(('127.0.0.1', 9)); time.sleep(120)" &
cd "$HOME"; eval "$SCRIPT"
"""
# stand-ins: nothing is fetched, and what is started ends at once
# attempts in other letters at the approved server itself, which a client's parser of URLs makes the same of
SAME = {"EV-117": "what follows `#` is not sent", "EV-122": "an ideographic full stop is a dot in the name of a host",
        "EV-187": "a dot behind the name of a host names the same host"}
STAND_INS = ["npx", "uvx", "bunx", "docker", "curl", "cmd", "powershell", "pipx"]


def run(files, home, script, trace=None, seconds=60):
    with tempfile.TemporaryDirectory() as own:
        pathlib.Path(own, "over").mkdir()
        path = f"{home}/stand-ins:/usr/local/bin:/usr/bin:/bin"
        if trace:
            script = f"timeout {seconds} strace -f -qq -s 4096 -v -e trace=execve -e signal=none -o {trace} {script}"
        environment = {"OWN": own, "FILES": files or "", "SCRIPT": script, "HOME": home, "PATH": path,
                       "CODEX_HOME": f"{home}/.codex", "DISABLE_AUTOUPDATER": "1", "MCP_TIMEOUT": "3000", "TERM": "dumb",
                       "IS_SANDBOX": "1"}
        done = subprocess.run(SPACES + [GROUND], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=180)
        return done.stdout + done.stderr


def home_with(files):
    home = tempfile.mkdtemp()
    stand_ins = pathlib.Path(home, "stand-ins")
    stand_ins.mkdir()
    for name in STAND_INS:
        (stand_ins / name).write_text("#!/bin/sh\nexit 0\n")
        (stand_ins / name).chmod(0o755)
    pathlib.Path(home, ".codex").mkdir()
    for path, text in files.items():
        target = pathlib.Path(home, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("@HOME@", home))
    return home


def executed(trace):
    """The argument lists of everything that was executed, found or not."""
    seen = set()
    try:
        text = pathlib.Path(trace).read_text(errors="replace")
    except FileNotFoundError:
        return seen
    for line in text.splitlines():
        found = re.search(r'execve\(("(?:[^"\\]|\\.)*"), \[(.*?)\], (?:\[|0x)', line)
        if found:
            words = re.findall(r'"((?:[^"\\]|\\.)*)"', found.group(2))
            seen.add(tuple(words))
    return seen


def quoted(words):
    """As strace writes them."""
    out = []
    for word in words:
        text = ""
        for byte in word.split("\0")[0].encode():
            char = chr(byte)
            if char in '"\\':
                text += "\\" + char
            elif char == "\t":
                text += "\\t"
            elif 32 <= byte < 127:
                text += char
            else:
                text += f"\\{byte:o}"
        out.append(text)
    return tuple(out)


def was_started(words, seen):
    want = quoted(words)
    # the client may fill in its own path of the program, never other arguments
    return any(len(have) == len(want) and have[1:] == want[1:]
               and (have[0] == want[0] or os.path.basename(have[0]) == os.path.basename(want[0])) for have in seen)


def local(words):
    return {"command": words[0], "args": words[1:]}


def rounds(attempts, same_name):
    """Groups with each name once; where a client does not look at names, each attempt has its own."""
    if not same_name:
        return [[dict(one, name=f"{one['name']}-{one['id'].lower()}") for one in attempts]]
    groups = []
    for one in attempts:
        group = next((group for group in groups if all(other["name"] != one["name"] for other in group)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return groups


def in_session(attempts, files, config, start, same_name):
    """Which attempts a session executes."""
    started = set()
    for group in rounds(attempts, same_name):
        home = home_with(config({one["name"]: local(one["words"]) for one in group}))
        trace = f"{home}/trace"
        # with a few servers all are started at once; with all attempts it takes a while
        run(files, home, start, trace, seconds=20 if same_name else 60)
        seen = executed(trace)
        started |= {one["id"] for one in group if was_started(one["words"], seen)}
        shutil.rmtree(home)
    return started


def claude_urls(program, attempts, files):
    taken = set()
    for one in attempts:
        home = home_with({})
        url = one["words"][0].replace("'", "")
        said = run(files, home, f"timeout 60 {program} mcp add --transport http x '{url}'")
        if "Added " in said:
            taken.add(one["id"])
        shutil.rmtree(home)
    return taken


def codex(program, attempts, files):
    taken = set()
    for one in attempts:
        words, value = one["words"], json.dumps
        if any("\0" in word for word in words):
            continue
        is_url = one["is_url"]
        lines = [f"url = {value(words[0])}"] if is_url else [f"command = {value(words[0])}", f"args = {value(words[1:])}"]
        home = home_with({".codex/config.toml": "\n".join([f"[mcp_servers.{one['name']}]", *lines]) + "\n"})
        said = run(files, home, f"timeout 60 {program} mcp list")
        line = next((line for line in said.splitlines() if line.startswith(one["name"] + " ")), "")
        if "enabled" in line and "disabled" not in line:
            taken.add(one["id"])
        shutil.rmtree(home)
    return taken


def settings(folder, auth):
    def config(servers):
        return {f".{folder}/settings.json": json.dumps({"security": {"auth": {"selectedType": auth}}, "mcpServers": servers}),
                f".{folder}/trustedFolders.json": json.dumps({"@HOME@": "TRUST_FOLDER"})}
    return config


def taken(client, program, attempts, files):
    commands = [one for one in attempts if not one["is_url"]]
    urls = [one for one in attempts if one["is_url"]]
    if client in ("claude", "claude-new"):
        start = f"env ANTHROPIC_API_KEY=none ANTHROPIC_BASE_URL=http://127.0.0.1:9 {program} -p hello"
        of_commands = in_session(commands, files, lambda servers: {".claude.json": json.dumps(
            {"hasCompletedOnboarding": True, "mcpServers": {name: {"type": "stdio", **one} for name, one in servers.items()}})},
            start, same_name=False)
        return of_commands | claude_urls(program, urls, files), attempts
    if client == "codex":
        return codex(program, attempts, files), attempts
    if client == "copilot":
        start = ("env COPILOT_OFFLINE=true COPILOT_PROVIDER_TYPE=openai COPILOT_PROVIDER_BASE_URL=http://127.0.0.1:9/v1 "
                 f"COPILOT_PROVIDER_API_KEY=none COPILOT_MODEL=none {program} -p hello --allow-all-tools")
        return in_session(commands, files, lambda servers: {".copilot/mcp-config.json": json.dumps(
            {"mcpServers": {name: {"type": "local", "tools": ["*"], **one} for name, one in servers.items()}})},
            start, same_name=False), commands
    if client == "gemini":
        start = f"env GEMINI_API_KEY=none GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:9 {program} -p hello"
        return in_session(commands, files, settings("gemini", "gemini-api-key"), start, same_name=True), commands
    if client == "qwen":
        start = f"env OPENAI_API_KEY=none OPENAI_MODEL=none OPENAI_BASE_URL=http://127.0.0.1:9/v1 {program} -p hello"
        return in_session(commands, files, settings("qwen", "openai"), start, same_name=True), commands
    raise SystemExit(f"no client {client}")


HEAD = """# Attempts to talk round an allowlist, before real clients

<!-- Written by tests/native/evasions.py -->

Each of the {count} shared attempts that start or contact something other than an approved server, as a user's own entry in each client, with the compiled files in place and without
(`tests/native/evasions.py`; {versions}; Linux, offline). *refused*: without the policy the client executes it (strace) or takes the URL, with it it does not. *same server*: taken, since the client's parser of
URLs makes the approved server of it ({same}). *never*: the client does not start it without the policy either. A dot: not tried in that client.

{plain} more attempts have an approved command line or URL and only their variables, headers or directory against them. No client's policy compares these.

Layer 2 catches all of both kinds, in every client: each of these entries is denied (`cargo test -p mcpolicy --test evasions`, one named test each) and taken out of its file. Layer 3 tells of those that no file declares.
"""


def version(program):
    home = home_with({})
    said = run(None, home, f"timeout 60 {program} --version")
    shutil.rmtree(home)
    found = re.search(r"\d+\.\d+\.\d+", said)
    return found.group(0) if found else "unknown"


def main():
    cases, write_native, out, *clients = sys.argv[1:]
    all_cases = json.loads(pathlib.Path(cases).read_text())
    denied = [one for one in all_cases["attempts"] if one["expected"] == "deny"]
    for one in denied:
        one["is_url"] = "url" in one["entry"]
    attempts = [one for one in denied if not one["is_plain"]]
    # clients of an earlier run stay, so that one can be tried again by itself
    kept = pathlib.Path(out).with_suffix(".json")
    columns, versions, failed = {}, {}, []
    if kept.exists():
        before = json.loads(kept.read_text())
        columns, versions = before["columns"], before["versions"]
    with tempfile.TemporaryDirectory() as work:
        files = os.path.join(work, "policy")
        subprocess.run([write_native, cases, files], check=True)
        for given in clients:
            client, program = given.split("=", 1)
            without, tried = taken(client, program, attempts, None)
            with_policy, _ = taken(client, program, attempts, files)
            tried = {one["id"] for one in tried}
            columns[client] = {one["id"]: "·" if one["id"] not in tried else ("same server" if one["id"] in SAME else "started") if one["id"] in with_policy
                               else "refused" if one["id"] in without else "never" for one in attempts}
            versions[client] = version(program)
            counts = {word: list(columns[client].values()).count(word) for word in ("refused", "same server", "started", "never", "·")}
            print(client, counts, flush=True)
            failed += [(client, one) for one, word in columns[client].items() if word == "started"]
    kept.write_text(json.dumps({"columns": columns, "versions": versions}))
    versions = ", ".join(f"{client} {number}" for client, number in versions.items())
    head = HEAD.format(count=len(attempts), plain=len(denied) - len(attempts), versions=versions,
                       same="; ".join(f"{one}: {why}" for one, why in SAME.items()))
    rows = [head, "| case | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for one in attempts:
        rows.append(f"| {one['id']} | " + " | ".join(columns[client][one["id"]] for client in columns) + " |")
    pathlib.Path(out).write_text("\n".join(rows) + "\n")
    for client, one in failed:
        print(f"{client} starts {one}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
