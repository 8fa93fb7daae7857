"""The machine of tests/long/opens.py: an overlay over the root directory, whose upper layer is what a scan sees."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HOME, PROJECT = "/home/dev", "/home/dev/work/proj"
PORT = 18789

# Starts, leaves its number and ends: no client waits for an answer then.
CANARY = """#!/bin/sh
: > /canary/hits/$1
exit 1
"""

# Refuses everything, after a moment in which servers are started.
API = """
import http.server, sys, time
class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def answer(self):
        self.rfile.read(int(self.headers.get('Content-Length') or 0))
        time.sleep(1)
        body = b'{"error": {"type": "invalid_request_error", "message": "no"}}'
        self.send_response(400)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = do_PUT = answer
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Api).serve_forever()
"""

# Nothing is written there, but each is asked for by nearly everything.
NEVER = (".git", "package.json", "node_modules", ".lock", ".sock", ".db", ".sqlite", ".db-wal", ".db-shm", ".log",
         "-journal", ".node", ".so", ".wasm", ".pid", ".tmp", ".pem", ".key", ".txt", ".crt")

# names of folders, which some clients open before they list them
FOLDERS = re.compile(r"(/(agents?|skills?|plugins?|extensions?|commands?|rules|hooks|modes?|workflows?|tools?)|\.d)$")


class Machine:
    def __init__(self, folder, client, clients):
        self.client, self.clients = client, clients
        self.base = folder
        folder.mkdir(parents=True, exist_ok=True)
        if not os.path.ismount(folder):
            # an overlay's upper layer must not lie on its lower one
            subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
        self.root, self.trace = folder / "root", folder / "trace"
        self.planted, self.numbers = {}, {}
        self.skipped = {self.absolute(path) for path in client.get("skip", [])}
        self.fixed = {self.absolute(path): text for path, text in client.get("fixed", {}).items()}

    def reset(self):
        """The home as it is at first."""
        for name in ("root", "work"):
            shutil.rmtree(self.base / name, ignore_errors=True)
        for path in (HOME, PROJECT, "/etc", "/canary/hits"):
            Path(f"{self.root}{path}").mkdir(parents=True, exist_ok=True)
        (self.base / "work").mkdir()
        (self.base / "all").mkdir(exist_ok=True)
        (self.root / "canary/hits").chmod(0o777)
        (self.root / "canary/start").write_text(CANARY)
        (self.root / "canary/start").chmod(0o755)
        (self.root / "canary/api.py").write_text(API)
        (self.root / "etc/passwd").write_text(f"root:x:0:0:root:{HOME}:/bin/bash\n")
        subprocess.run(["git", "init", "-q", f"{self.root}{PROJECT}"], check=True)
        for path, text in self.client.get("files", {}).items():
            self.write(self.absolute(path), text)

    @staticmethod
    def absolute(path):
        return path.replace("{project}", PROJECT).replace("{home}", HOME)

    def write(self, path, text):
        place = Path(f"{self.root}{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755 if text.startswith("#!") else 0o644)

    def run(self, line, trace, seconds):
        """Runs a shell line in the project."""
        every = self.base / "all"
        path = [f"{self.clients}/{self.client['id']}/node_modules/.bin", f"{self.clients}/{self.client['id']}/bin",
                f"{self.clients}/node/node_modules/.bin", "/usr/local/bin", "/usr/bin", "/bin"]
        env = {"HOME": HOME, "PATH": ":".join(path), "USER": "root", "LANG": "C.UTF-8", "TERM": "dumb", "SHELL": "/bin/bash",
               "UV_USE_IO_URING": "0", "DISABLE_AUTOUPDATER": "1", "NO_COLOR": "1",
               # what wants a registry is refused at once
               "npm_config_registry": f"http://127.0.0.1:{PORT}/", "npm_config_fetch_retries": "0",
               **{k: v.replace("{api}", f"http://127.0.0.1:{PORT}") for k, v in self.client.get("env", {}).items()}}
        words = " ".join(f"{k}={shlex.quote(v)}" for k, v in env.items())
        traced = "strace -f -qq -y -s 4096 -o /canary/trace -e trace=%file,getdents64 " if trace else ""
        script = f"""set -e
ip link set lo up
mount -t overlay overlay -o lowerdir=/,upperdir={self.root},workdir={self.base}/work {every}
mount -t proc proc {every}/proc
mount --rbind /dev {every}/dev
mount -t tmpfs none {every}/tmp
mount -t tmpfs none {every}/run
mount -t tmpfs none {every}/root
for place in {" ".join(map(shlex.quote, self.interpreters()))}; do
    mkdir -p {every}$place; mount --bind -o ro $place {every}$place
done
cd {every}
chroot . {Path(sys.executable).resolve()} /canary/api.py {PORT} &
sleep 0.3
chroot . env -i -C {PROJECT} {words} {traced}timeout -k 3 {seconds} bash -c {shlex.quote(line)} </dev/null 2>&1 || echo "status $?"
"""
        done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", script],
                              capture_output=True, text=True, errors="replace", timeout=seconds * 6 + 60)
        if trace:
            shutil.move(self.root / "canary/trace", self.trace)
        return done.returncode, done.stdout + done.stderr

    def interpreters(self):
        """Where the Python of this test and that of the client are, if that is in the home of root, which is hidden."""
        pythons = [Path(sys.executable), self.clients / self.client["id"] / "bin/python"]
        places = {str(python.resolve().parent.parent) for python in pythons if python.exists()}
        return sorted(place for place in places if place.startswith("/root/"))

    def hits(self):
        return {int(hit.name) for hit in (self.root / "canary/hits").iterdir()}

    def scan(self, program):
        """A scan of the upper layer: its report and its trace."""
        trace = self.base / "scan-trace"
        env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
        done = subprocess.run(["strace", "-f", "-qq", "-y", "-s", "4096", "-o", trace, "-e", "trace=%file,getdents64",
                               program, "scan", "--root", self.root, "--format", "json"],
                              capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), trace

    def forms(self, path):
        """In which ways a server may stand in such a file."""
        if path.endswith((".toml", ".yaml", ".yml")):
            return ["entry"]
        if path.endswith((".md", ".mdc")):
            return ["entry"]
        if path.endswith((".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")):
            return ["entry"]
        return [*self.client.get("keys", ["mcpServers"]), "bare"]

    def plant(self, path, form):
        """Puts a canary there; its number."""
        number = self.numbers.setdefault(path, len(self.numbers) + 1)
        self.planted[number] = path
        try:
            self.write(path, self.text(path, number, form))
        except OSError:
            return None
        return number

    def entry(self, number):
        if self.client.get("style") == "opencode":
            return {"type": "local", "command": ["/canary/start", str(number), f"canary-{number}"], "enabled": True}
        return {**self.client.get("entry", {"type": "stdio"}), "command": "/canary/start",
                "args": [str(number), f"canary-{number}"]}

    def text(self, path, number, form):
        name, entry, keys = f"canary-{number}", self.entry(number), self.client.get("keys", ["mcpServers"])
        if path.endswith(".toml"):
            key, args = self.client.get("toml", "mcp_servers"), json.dumps(entry["args"] if "args" in entry else [])
            if self.client.get("toml_list"):
                return f'[[{key}]]\nname = "{name}"\ntransport = "stdio"\ncommand = "/canary/start"\nargs = {args}\n'
            return f'name = "{name}"\ndescription = "x"\n[{key}.{name}]\ncommand = "/canary/start"\nargs = {args}\n'
        if path.endswith((".yaml", ".yml")):
            one = {"name": name, **entry}
            return json.dumps({"name": name, "version": "1.0.0", "schema": "v1", "mcpServers": [one]})
        if path.endswith((".md", ".mdc")):
            servers = json.dumps({name: entry})
            listed = json.dumps([{name: entry}])
            return (f"---\nname: {name}\ndescription: x\nmcpServers: {listed if self.client.get('md_list') else servers}\n"
                    f"mcp-servers: {servers}\n---\nSay hi.\n")
        if path.endswith((".js", ".mjs", ".ts", ".mts", ".cjs", ".cts")):
            # code that a client loads by itself may add servers
            opening = f"require('fs').writeFileSync('/canary/hits/{number}', '');\n"
            if not path.endswith((".cjs", ".cts")):
                opening = f"import {{ writeFileSync }} from 'node:fs';\nwriteFileSync('/canary/hits/{number}', '');\n"
            return opening + ("" if path.endswith((".cjs", ".cts")) else "export const Canary = async () => ({});\n")
        if form == "bare":
            return json.dumps({name: entry})
        strict = self.client.get("strict", False)
        extra = {} if strict else {"name": name, "version": "1.0.0"}
        if form is None:
            return json.dumps({**extra, **{key: {name: entry} for key in keys}})
        return json.dumps({**extra, form: {name: entry}})

    def fill(self, files, listed, wanted):
        """Makes what was asked for and is not there."""
        parents = {str(parent) for path in files for parent in Path(path).parents}
        for path in sorted(listed & {p for p in listed if not p.endswith(NEVER)}):
            if path.startswith(("/home", "/etc/", "/opt", "/var", "/usr/local/share", "/Library", "/srv")):
                self.fill_folder(path)
        for path in sorted(wanted):
            place = Path(f"{self.root}{path}")
            opened, missing = files[path]
            if path in self.skipped or not missing or place.exists() or path.endswith(NEVER) or "/.node_" in path:
                continue
            try:
                if path in self.fixed:
                    self.write(path, self.fixed[path])
                elif Path(path).name.startswith(".env"):
                    self.write(path, "CANARY=1\n")
                elif path in parents or FOLDERS.search(path) or (
                        not opened and not Path(path).suffix and not path.endswith("rc")):
                    self.fill_folder(path)
                else:
                    self.plant(path, None)
            except OSError:
                continue

    def fill_folder(self, path):
        """One file of each kind, and a folder."""
        if path.endswith((".node_libraries", ".node_modules")):
            return
        place = Path(f"{self.root}{path}")
        if not place.parent.exists() and not Path(path).exists():
            place.parent.mkdir(parents=True)
        if path.count("/canary") > 1 or (place.is_dir() and (place / "canary").is_dir()):
            return
        (place / "canary").mkdir(parents=True)
        for suffix in ("json", "md", "toml", "yaml", "js"):
            self.plant(f"{path}/canary.{suffix}", None)
