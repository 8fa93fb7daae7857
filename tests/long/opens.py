#!/usr/bin/env python3
"""Where real clients look for configuration, and whether a scan knows.

Each client of opens.toml is installed from its registry and run under strace in a machine of its own: an overlay over
the root directory, a home and a project made for it, no network but the loopback, where something refuses. Every
path that it opens or asks for, there or not, is collected. What was asked for and is not there is then made, with a
server in it (a canary, which says that it was started), and the client is run again; folders that are listed get one
file of each kind. A scan of the same machine is run under strace, too: what it opens is known.

Told are, the gravest first:

  STARTED  a canary that the client started and that the scan shows neither as an entry nor in a gap
  OTHERS   one that the scan shows, but not as loaded by this client
  ASKED    a file that the client opens or asks for, which the scan never opens and opens.toml does not explain

The exit code is 1 if there are any. `--latest` takes the newest versions instead of those of opens.toml.
Needs root, unshare, strace, ip, npm and Python 3.11; nothing is written outside of the folder of the clients
(MCPOLICY_OPENS, default target/opens), and nothing of this machine's homes is seen by a client.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import opens_machine as machine  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME, PROJECT = machine.HOME, machine.PROJECT

CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<rest>.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$", re.S)
UNFINISHED = " <unfinished ...>\n"
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
FOLDER = re.compile(r"^(?:AT_FDCWD|-?\d+)<([^>]*)>")
# what differs from run to run
CHANGING = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "{uuid}"),
    (re.compile(r"\b(ses|msg|prt|evt|global)_[0-9A-Za-z]{10,}"), "{id}"),
    (re.compile(r"20\d\d[-/]?\d\d[-/]?\d\d(T?[-_:0-9.]*Z?)?"), "{date}"),
    (re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{8,}(?![0-9A-Za-z])"), "{hex}"),
    (re.compile(r"\d{4,}"), "{n}"),
]
SUSPICIOUS = re.compile(r"mcp|setting|config|plugin|extension|agent|skill|server|rc$|\.(json|jsonc|json5|toml|ya?ml|md)$", re.I)

# names under which servers are usually kept: tried by themselves
SERVERS = re.compile(r"mcp|setting|config|plugin|extension|marketplace|server|manifest|agent", re.I)


def decoded(text):
    return text.encode().decode("unicode_escape").encode("latin-1", "replace").decode("utf-8", "replace")


def asked(trace):
    """Paths of a trace: (opened or asked for as a file, folders that were listed)."""
    files, listed, begun = {}, set(), {}
    for line in trace.open(errors="replace"):
        if again := RESUMED.match(line):
            line = begun.pop(again[1], "") + again[2]
        elif line.endswith(UNFINISHED):
            begun[line.split(None, 1)[0]] = line.removesuffix(UNFINISHED)
            continue
        call = CALL.match(line)
        if not call:
            continue
        name, rest = call["name"], call["rest"]
        base = FOLDER.match(rest)
        if name == "getdents64":
            if base:
                listed.add(base[1])
            continue
        text = TEXT.search(rest)
        if not text or name in ("execve", "chdir", "mount", "unlink", "unlinkat", "rmdir", "rename", "renameat",
                                "renameat2", "mkdir", "mkdirat", "inotify_add_watch", "symlink", "symlinkat", "link",
                                "linkat", "chmod", "fchmodat", "chown", "utimensat", "statfs"):
            continue
        path = decoded(text[1])
        if not path.startswith("/"):
            if not path or not base:
                continue
            path = base[1] + "/" + path
        path = os.path.normpath(path)
        is_open = name in ("open", "openat", "openat2") and "O_DIRECTORY" not in rest and "O_CREAT" not in rest
        is_missing = "ENOENT" in rest or "ENOTDIR" in rest
        before = files.get(path, (False, True))
        files[path] = (before[0] or is_open, before[1] and is_missing)
    return files, listed


def templated(path):
    """The path as opens.toml names it."""
    for folder, name in ((PROJECT, "{project}"), (HOME, "{home}")):
        if path == folder or path.startswith(folder + "/"):
            path = name + path[len(folder):]
            break
    for pattern, word in CHANGING:
        path = pattern.sub(word, path)
    return path.replace(PROJECT.replace("/", "-"), "{slug}")


def matcher(glob):
    """`*` is within one component, `**` anything."""
    parts = re.split(r"(\*\*|\*)", glob)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(p, re.escape(p)) for p in parts) + r"\Z")


class Known:
    """What opens.toml says is harmless, with a reason each."""

    def __init__(self, table, client):
        self.lines = [
            (matcher(path), line["why"])
            for line in table.get("harmless", [])
            if client in line.get("clients", [client])
            for path in line["paths"]
        ]
        assert all(why.strip() for _, why in self.lines), "a line of opens.toml has no reason"
        self.used = set()

    def why(self, path):
        for at, (pattern, why) in enumerate(self.lines):
            if pattern.match(path):
                self.used.add(at)
                return why
        return None


def is_of_interest(path, client_folder):
    """Not the system's own files, nor the client's own program."""
    return not (
        path.startswith(("/proc/", "/sys/", "/dev/", "/lib", "/usr/lib", "/usr/bin", "/usr/sbin", "/bin/", "/sbin/",
                         "/usr/share/", "/usr/include", "/run/", "/canary", str(client_folder), f"{ROOT}/"))
        or re.search(r"/(\.git|node_modules|\.cache/node)(/|$)|/\.(git|rg|)ignore(/|$)", path)
        or path in ("/", "/proc", "/sys", "/dev", "/lib", "/usr", "/run", "/etc", "/home", "/tmp", "/var", HOME, PROJECT)
    )


class Session:
    """One client: what it asked for in all rounds, and what it started."""

    def __init__(self, table, client, options):
        self.client, self.options = client, options
        self.folder = options.folder / "clients"
        self.known = Known(table, client["id"])
        self.machine = machine.Machine(options.folder / "machine", client, self.folder)
        self.files, self.listed, self.looked, self.started, self.entries = {}, set(), set(), set(), {}
        self.gaps = ""

    def run(self, trace):
        for line in self.client["runs"]:
            seconds = self.client.get("seconds", 40)
            status, said = self.machine.run(line, trace, seconds)
            if self.options.verbose:
                print(f"   $ {line}: {status}\n{said[-1500:]}", flush=True)
            if trace:
                files, listed = asked(self.machine.trace)
                for path, (opened, missing) in files.items():
                    before = self.files.get(path, (False, True))
                    self.files[path] = (before[0] or opened, before[1] and missing)
                self.listed |= listed
        self.started |= self.machine.hits()

    def scan(self):
        report, trace = self.machine.scan(self.options.scan)
        root = str(self.machine.root)
        files, _ = asked(trace)
        self.looked |= {p[len(root):] for p, (opened, _) in files.items() if opened and p.startswith(root + "/")}
        for entry in report["entries"]:
            for number in re.findall(r"canary-(\d+)", json.dumps([entry["name"], entry["command"], entry["args"]])):
                readers = {reader["client"] for reader in entry["readers"]}
                self.entries[int(number)] = self.entries.get(int(number), set()) | readers
        self.gaps = json.dumps([report["coverage"], report["findings"], [s for s in report["sources"] if s["state"] != "read"]])

    def interesting(self):
        return {p for p in self.files if is_of_interest(p, self.folder) and not self.known.why(templated(p))}

    def rounds(self):
        self.machine.reset()
        for number in range(self.options.rounds + 1):
            before = len(self.files)
            self.run(trace=True)
            self.scan()
            print(f"   round {number}: {len(self.interesting())} paths, {len(self.started)} canaries started, "
                  f"{len(self.entries)} shown", flush=True)
            if number and len(self.files) == before:
                break
            listed = {p for p in self.listed if is_of_interest(p, self.folder)}
            self.machine.fill(self.files, listed, self.interesting())
        self.scan()

    def unknown(self):
        """Files asked for that no scan opens, folders left out."""
        folders = {str(parent) for path in self.files for parent in Path(path).parents} | self.listed
        return sorted(p for p in self.interesting() if p not in self.looked and p not in folders
                      and not os.path.isdir(f"{self.machine.root}{p}"))

    def untold(self):
        """Numbers of what was started, and neither shown nor in a file that a gap names."""
        where = self.machine.planted
        return {n for n in self.started if n in where and n not in self.entries and not self.is_gap(where[n])}

    def is_gap(self, path):
        return f"\"{json.dumps(path)[1:-1]}\"" in self.gaps

    def alone(self):
        """The unknown files in the home as it was at first: all together, then each that was started by itself, and
        each whose name says what it is."""
        where = dict(self.machine.planted)
        paths = {p for p in self.unknown() if not p.endswith(machine.NEVER)}
        # what started in a round although the scan does not show it: once more, as another file may hide it
        hidden = {where[n] for n in self.untold()}
        found = {}
        for form in sorted({form for path in paths for form in self.machine.forms(path)}):
            together = [(path, form) for path in sorted(paths) if form in self.machine.forms(path)]
            hidden |= {path for path, _ in self.trial(together, found)}
        for path in sorted(hidden | {p for p in paths if "canary" not in p and SERVERS.search(p)}):
            for form in self.machine.forms(path):
                if self.trial([(path, form)], found):
                    break
        return sorted((path, form, readers) for path, (form, readers) in found.items())

    def trial(self, planted, found):
        """Runs the client with these files only. What it started is put into what was found, unless a scan tells it."""
        self.machine.reset()
        numbers = {self.machine.plant(path, form): (path, form) for path, form in planted}
        self.started, self.entries = set(), {}
        self.run(trace=False)
        hits = [(number, numbers[number]) for number in sorted(self.started) if number in numbers]
        if hits:
            self.scan()
        for number, (path, form) in hits:
            readers = self.entries.get(number)
            if readers is not None or not self.is_gap(path):
                found.setdefault(path, (form, readers))
        return [at for _, at in hits]


def installed(table, options):
    """Installs what is missing; the versions that are there."""
    clients, folder = [], options.folder / "clients"
    for client in [{"id": "node", "package": table["node"]}, *table["client"]]:
        if options.only and client["id"] not in [*options.only, "node"]:
            continue
        package, place = client["package"], folder / client["id"]
        if options.latest and client["id"] != "node":
            package = re.sub(r"(?<=.)(@|==)[^@=]*$", "@latest" if "@" in package[1:] else "", package)
        stamp = place / "installed"
        if not (stamp.exists() and stamp.read_text() == package) or options.latest:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            print(f"== installing {package}", flush=True)
            if client.get("python"):
                command = [client["python"], "-m", "venv", "."], ["bin/pip", "install", "--quiet", package]
            else:
                (place / "package.json").write_text("{}")
                command = (["npm", "install", "--silent", "--no-fund", "--no-audit", package],)
            path = f"{folder}/node/node_modules/.bin:{os.environ['PATH']}"
            if any(subprocess.run(c, cwd=place, env={**os.environ, "PATH": path}).returncode for c in command):
                print(f"!! {package} could not be installed: left out", flush=True)
                continue
            stamp.write_text(package)
        if client["id"] != "node":
            clients.append(client)
    return clients


def examine(table, client, options):
    print(f"== {client['id']} ({client['package']})", flush=True)
    since = time.monotonic()
    session = Session(table, client, options)
    session.rounds()
    unknown = session.unknown()
    others = sorted((session.machine.planted[n], session.entries[n]) for n in session.started
                    if n in session.entries and client["id"] not in session.entries[n])
    tested = sum(1 for n in session.started if n in session.entries)
    rows = [("OTHERS", templated(path), f"shown as read by {', '.join(sorted(readers))}") for path, readers in others]
    rows += [("STARTED", templated(session.machine.planted[n]), "with the other files")
             for n in sorted(session.untold())]
    files = dict(session.files)
    started = [] if options.no_alone else session.alone()
    rows = [("STARTED" if readers is None else "OTHERS", templated(path), form if readers is None
             else f"{form}; shown as read by {', '.join(sorted(readers))}") for path, form, readers in started
            if readers is None or client["id"] not in readers] + rows
    rows.sort(key=lambda row: row[0] != "STARTED")
    seen = {row[1] for row in rows}
    asked_for = {}
    for path in unknown:
        asked_for.setdefault(templated(path), []).append(files[path])
    for path in sorted(asked_for, key=lambda p: (not SUSPICIOUS.search(p), p)):
        if path not in seen:
            there = "asked for" if all(missing for _, missing in asked_for[path]) else "opened"
            rows.append(("ASKED", path, there))
    for row in rows:
        print("   {:8} {}  [{}]".format(*row))
    print(f"   {len(files)} paths, {tested} canaries started and shown, {len(rows)} to look at, "
          f"{time.monotonic() - since:.0f} s", flush=True)
    (options.folder / f"{client['id']}.json").write_text(json.dumps(rows, indent=1))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="CLIENT", help="this client of opens.toml; may be repeated")
    parser.add_argument("--latest", action="store_true", help="the newest versions")
    parser.add_argument("--rounds", type=int, default=3, help="how often what was asked for is filled in")
    parser.add_argument("--no-alone", action="store_true", help="do not run the client with each unknown file by itself")
    parser.add_argument("--verbose", action="store_true", help="print what the clients say")
    parser.add_argument("--scan", type=Path, default=ROOT / "target/debug/mcpolicy", help="the program that scans")
    options = parser.parse_args()
    options.folder = Path(os.environ.get("MCPOLICY_OPENS", ROOT / "target/opens")).resolve()
    options.scan = options.scan.resolve()
    if os.environ.get("MCPOLICY_OPENS_INSIDE") != "1":
        # a mount name space of its own, so that nothing stays behind
        os.environ["MCPOLICY_OPENS_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    table = tomllib.loads((HERE / "opens.toml").read_text())
    found = {c["id"]: examine(table, c, options) for c in installed(table, options)}
    print("\n".join(f"{name}: {len(rows)} to look at" for name, rows in found.items()))
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
