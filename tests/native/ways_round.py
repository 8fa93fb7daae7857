#!/usr/bin/env python3
"""What a user without rights can do against the compiled files, tried with real clients: which of these ways starts a denied server?

    ways_round.py CASES.json WRITE_NATIVE CLIENT=PATH...

As evasions.py, whose cases and clients it takes; but each client runs as a user without rights, below a folder that everybody can read. A
way is `open` where the client executes the denied server, and `shut` where it does not. Each is tried without the compiled files too: what does
not start then proves nothing (`never`).
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import evasions

USER = 2001
EVIL = ["npx", "-y", "@evil/mcp"]
SERVERS = json.dumps({"mcpServers": {"evil": {"command": EVIL[0], "args": EVIL[1:]}}})
CLAUDE = "env ANTHROPIC_API_KEY=none ANTHROPIC_BASE_URL=http://127.0.0.1:9"
GEMINI = "env GEMINI_API_KEY=none GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:9"
QWEN = "env OPENAI_API_KEY=none OPENAI_MODEL=none OPENAI_BASE_URL=http://127.0.0.1:9/v1"
CODEX_ENTRY = f"[mcp_servers.evil]\ncommand = {json.dumps(EVIL[0])}\nargs = {json.dumps(EVIL[1:])}\n"
# as root of a name space of his own he mounts, and is himself again for the client, which does not start as root
HIDDEN = ("unshare --user --map-root-user --mount bash -c 'if [ -d {folder} ]; then mount -t tmpfs none {folder}; fi && "
          f"exec unshare --user --map-user={USER} --map-group={USER} \"$@\"' x")


def google(folder, auth, **more):
    return {f".{folder}/settings.json": json.dumps({"security": {"auth": {"selectedType": auth}}, **json.loads(SERVERS), **more}),
            f".{folder}/trustedFolders.json": json.dumps({"@HOME@": "TRUST_FOLDER", "@HOME@/clone": "TRUST_FOLDER"})}


# client, way, files of the home, command line; {} is the client
WAYS = [
    ("claude", "an entry in the user's own file", {".claude.json": SERVERS}, CLAUDE + " {} -p hello"),
    ("claude", "CLAUDE_CONFIG_DIR", {"x/.claude.json": SERVERS}, CLAUDE + " CLAUDE_CONFIG_DIR=@HOME@/x {} -p hello"),
    ("claude", "HOME", {"x/.claude.json": SERVERS}, CLAUDE + " HOME=@HOME@/x {} -p hello"),
    ("claude", "--mcp-config", {"x.json": SERVERS}, CLAUDE + " {} --mcp-config @HOME@/x.json -p hello"),
    ("claude", "--strict-mcp-config", {"x.json": SERVERS}, CLAUDE + " {} --strict-mcp-config --mcp-config @HOME@/x.json -p hello"),
    ("claude", "--settings that allow it", {".claude.json": SERVERS, "s.json": json.dumps(
        {"allowedMcpServers": [{"serverCommand": EVIL}], "allowManagedMcpServersOnly": False})},
        CLAUDE + " {} --settings @HOME@/s.json -p hello"),
    ("claude", "-p in a fresh clone", {"clone/.mcp.json": SERVERS}, "cd @HOME@/clone; " + CLAUDE + " {} -p hello"),
    ("claude", "a user name space that hides the folder", {".claude.json": SERVERS},
     HIDDEN.replace("{folder}", "/etc/claude-code") + " " + CLAUDE + " {} -p hello"),
    ("codex", "an entry in the user's own file", {".codex/config.toml": CODEX_ENTRY}, "{} mcp list"),
    ("codex", "CODEX_HOME", {"x/config.toml": CODEX_ENTRY}, "env CODEX_HOME=@HOME@/x {} mcp list"),
    ("codex", "-c mcp_servers", {}, "{} -c 'mcp_servers.evil.command=\"npx\"' -c 'mcp_servers.evil.args=[\"-y\",\"@evil/mcp\"]' mcp list"),
    ("codex", "a user name space that hides the folder", {".codex/config.toml": CODEX_ENTRY},
     HIDDEN.replace("{folder}", "/etc/codex") + " {} mcp list"),
    ("gemini", "an entry in the user's own file", google("gemini", "gemini-api-key"), GEMINI + " {} -p hello"),
    ("gemini", "a list of names in the user's own file", google("gemini", "gemini-api-key", mcp={"allowed": ["evil"]}),
     GEMINI + " {} -p hello"),
    ("gemini", "--allowed-mcp-server-names", google("gemini", "gemini-api-key"),
     GEMINI + " {} --allowed-mcp-server-names evil -p hello"),
    ("gemini", "GEMINI_CLI_SYSTEM_SETTINGS_PATH", google("gemini", "gemini-api-key"),
     GEMINI + " GEMINI_CLI_SYSTEM_SETTINGS_PATH=/nowhere {} -p hello"),
    ("gemini", "a user name space that hides the folder", google("gemini", "gemini-api-key"),
     HIDDEN.replace("{folder}", "/etc/gemini-cli") + " " + GEMINI + " {} -p hello"),
    ("qwen", "an entry in the user's own file", google("qwen", "openai"), QWEN + " {} -p hello"),
    ("qwen", "--allowed-mcp-server-names", google("qwen", "openai"), QWEN + " {} --allowed-mcp-server-names evil -p hello"),
    ("qwen", "QWEN_CODE_SYSTEM_SETTINGS_PATH", google("qwen", "openai"),
     QWEN + " QWEN_CODE_SYSTEM_SETTINGS_PATH=/nowhere {} -p hello"),
]


def attempt(files, home_files, line, program):
    """Whether the denied server is executed, or listed as enabled."""
    home = evasions.home_with(home_files)
    script = pathlib.Path(home, "script.sh")
    script.write_text(line.replace("@HOME@", home).replace("{}", program) + "\n")
    subprocess.run(["chown", "-R", f"{USER}:{USER}", home], check=True)
    os.chmod(home, 0o755)
    become = f"setpriv --reuid {USER} --regid {USER} --clear-groups bash {script}"
    said = evasions.run(files, home, become, trace=f"{home}/trace", seconds=25)
    started = evasions.was_started(EVIL, evasions.executed(f"{home}/trace"))
    listed = any(line.startswith("evil ") and "enabled" in line and "disabled" not in line for line in said.splitlines())
    shutil.rmtree(home)
    return started or listed


def main():
    cases, write_native, *clients = sys.argv[1:]
    programs = dict(client.split("=", 1) for client in clients)
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o755)
        files = os.path.join(work, "policy")
        subprocess.run([write_native, cases, files], check=True)
        print("| client | way | with the files | without |\n|---|---|---|---|")
        for client, way, home_files, line in WAYS:
            if client not in programs:
                continue
            without = attempt(None, home_files, line, programs[client])
            with_files = attempt(files, home_files, line, programs[client])
            word = "never" if not without else "open" if with_files else "shut"
            print(f"| {client} | {way} | {word} | {'starts' if without else 'does not start'} |", flush=True)


if __name__ == "__main__":
    main()
