#!/usr/bin/env python3
"""What an editor makes of a policy with our JSON Schema: completion, values, misspelt members.

Installs Tombi, a TOML language server, from the Python registry into a temporary directory and speaks to it as an
editor does. Nothing else is fetched.

    tests/long/editor.py [FOLDER WITH bin/tombi]
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import venv
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent.parent
SCHEMA = TREE / "policy-schema/schema/policy-v1.schema.json"
EXAMPLES = sorted((TREE / "docs/examples").glob("*.policy.toml"))
TOMBI = "tombi==1.9.6"
SECONDS = 60


class Editor:
    """One language server, and what it says unasked about each document."""

    def __init__(self, tombi, home):
        self.server = subprocess.Popen(
            [tombi, "lsp", "--offline"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=home, env={"HOME": str(home), "PATH": os.environ["PATH"], "NO_COLOR": "1"})
        self.asked = 0
        self.faults = {}
        # a server that says nothing more must not hold the run up
        self.watch = threading.Timer(SECONDS, self.server.kill)
        self.watch.start()
        self.ask("initialize", {"processId": None, "rootUri": home.as_uri(), "capabilities": {}})
        self.tell("initialized", {})

    def close(self):
        self.watch.cancel()
        self.server.kill()
        self.server.wait()

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.server.stdin.flush()

    def tell(self, method, params):
        self.send({"method": method, "params": params})

    def receive(self):
        length = 0
        while header := self.server.stdout.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            sys.exit("the language server ended, or did not answer in time")
        message = json.loads(self.server.stdout.read(length))
        if message.get("method") == "textDocument/publishDiagnostics":
            said = message["params"]
            # severity 1 is an error; the order in which our examples write their tables is a matter of taste
            self.faults[said["uri"]] = [fault["message"] for fault in said["diagnostics"] if fault["severity"] == 1]
        elif "method" in message and "id" in message:
            self.send({"id": message["id"], "result": None})
        return message

    def ask(self, method, params):
        self.asked += 1
        self.send({"id": self.asked, "method": method, "params": params})
        while True:
            message = self.receive()
            if message.get("id") == self.asked and "method" not in message:
                return message.get("result")

    def open(self, path):
        """What is wrong with the file, once the server has looked at it with the schema."""
        uri = path.as_uri()
        document = {"uri": uri, "languageId": "toml", "version": 1, "text": path.read_text()}
        self.tell("textDocument/didOpen", {"textDocument": document})
        while uri not in self.faults:
            self.receive()
        return self.faults[uri]

    def offered(self, path, line):
        """The words that are offered at the end of a line (from 0)."""
        at = {"line": line, "character": len(path.read_text().splitlines()[line])}
        found = self.ask("textDocument/completion", {"textDocument": {"uri": path.as_uri()}, "position": at})
        return {item["label"].strip('"') for item in (found if isinstance(found, list) else found["items"])}


def members(part):
    return set(json.loads(SCHEMA.read_text())["$defs"][part]["properties"])


def check(what, holds, seen):
    print(("ok      " if holds else "FAILED  ") + what, "" if holds else f": {seen}", sep="")
    return holds


def run(tombi, home):
    written = home / "policy.toml"
    head = f'#:schema {SCHEMA.as_uri()}\nschema = "mcpolicy/policy/v1"\n\n'
    held = True

    def edited(text):
        written.write_text(head + text)
        editor = Editor(tombi, home)
        return editor, editor.open(written)

    for text, line, part in (('[[rule]]\nid = "x"\n\n', 5, "Rule"), ('[[deny]]\nid = "x"\n\n', 5, "Deny"),
                             ('[[exception]]\nid = "x"\n\n', 5, "Exception")):
        editor, _ = edited(text)
        offered = editor.offered(written, line)
        missing = members(part) - offered - {"id"}
        held &= check(f"every member of {part} is offered in its table ({len(members(part))})", not missing, missing)
        editor.close()
    editor, _ = edited('[policy]\nmode = \n')
    offered = editor.offered(written, 4)
    held &= check("the modes are offered as values", {"observe", "warn", "hold", "enforce"} <= offered, offered)
    editor.close()
    editor, faults = edited('[[rule]]\nid = "x"\nidentity.npm = { package = "a", versionz = "1.0.0" }\n')
    held &= check("a misspelt member is told", any("versionz" in fault for fault in faults), faults)
    editor.close()
    for example in EXAMPLES:
        editor = Editor(tombi, home)
        faults = editor.open(example)
        held &= check(f"nothing is wrong with {example.name}", not faults, faults)
        editor.close()
    return held


def main():
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        tools = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "tools"
        if not (tools / "bin/tombi").exists():
            venv.create(tools, with_pip=True)
            subprocess.run([tools / "bin/pip", "install", "--quiet", TOMBI], check=True)
        sys.exit(0 if run(tools / "bin/tombi", home) else 1)


if __name__ == "__main__":
    main()
