"""What the checks ask of the machine that they run in, and their report."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

REPORT = Path("/test/report.ndjson")
TEST = Path("/srv/test")
RECEIVED = TEST / "received.ndjson"
HOME = Path("/home/ann")
RUN, SHIP = "mcpolicy.service", "mcpolicy-ship.service"


class Report:
    """One line of JSON for each check, on the disk at once: a machine that hangs has told how far it came."""

    def __init__(self, boot):
        self.boot = boot
        self.failed = 0

    def say(self, name, is_well, seconds=None, detail=""):
        self.failed += not is_well
        line = {"boot": self.boot, "check": name, "ok": bool(is_well), "seconds": seconds, "detail": str(detail)[:4000]}
        with open(REPORT, "a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
            out.flush()
            os.fsync(out.fileno())

    def within(self, name, limit, is_so, since=None):
        """Waits until something is so; it is a failure where that takes longer than the limit, in seconds since a moment."""
        start = time.monotonic() if since is None else since
        while not (seen := is_so()):
            if time.monotonic() - start > limit:
                self.say(name, False, round(limit, 1), f"not within {limit} s")
                return None
            time.sleep(0.02)
        self.say(name, True, round(time.monotonic() - start, 2))
        return seen


def run(*words, **options):
    """Runs a command; its output is text, and its exit code is for who called."""
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)


def must(*words, **options):
    """The same, of a step without which nothing that follows makes sense."""
    done = run(*words, **options)
    if done.returncode:
        raise RuntimeError(f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def as_ann(*words):
    return run("setpriv", "--reuid", "ann", "--regid", "ann", "--init-groups", "env", f"HOME={HOME}", *words)


def shown(unit, *properties):
    """Properties of a unit as systemd has them now."""
    said = must("systemctl", "show", unit, *(f"--property={name}" for name in properties))
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def is_up(unit):
    """Whether it runs, and has for a second: of a plain service systemd says so as soon as there is a process."""
    has = shown(unit, "ActiveState", "SubState", "ExecMainStartTimestampMonotonic")
    age = time.monotonic() - int(has["ExecMainStartTimestampMonotonic"]) / 1e6
    return (has["ActiveState"], has["SubState"]) == ("active", "running") and age > 1


def main_pid(unit):
    return int(shown(unit, "MainPID")["MainPID"])


def pids(unit):
    """Every process of a unit, whichever hierarchies of control groups the machine has."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            if any(line.endswith(f"/{unit}") for line in path.read_text().splitlines()):
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def of_process(pid):
    """Members of /proc/PID/status."""
    return dict(re.split(r":\s*", line, maxsplit=1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def network_sockets(pid):
    """Sockets of a process that are in a list of the kernel of those of a network, whatever the family."""
    listed = set()
    for name in ("tcp", "tcp6", "udp", "udp6", "udplite", "raw", "raw6", "icmp", "packet"):
        path = Path(f"/proc/{pid}/net/{name}")
        rows = path.read_text().splitlines()[1:] if path.exists() else []
        column = 8 if name == "packet" else 9
        listed |= {row.split()[column] for row in rows}
    held = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held |= set(re.findall(r"^socket:\[(\d+)\]$", os.readlink(link)))
        except FileNotFoundError:
            pass
    return held & listed


def status():
    said = run("mcpolicy", "status", "--json")
    try:
        return json.loads(said.stdout)
    except json.JSONDecodeError:
        return {}


def received():
    """What has arrived, in the order in which it has."""
    text = RECEIVED.read_text() if RECEIVED.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def has_arrived(server):
    """Whether the record is there that says a server was taken out."""
    return any(
        record["kind"] == "action" and record.get("server") == server and record.get("outcome") == "applied"
        for record in received()
    )


def events(code):
    return [record for record in received() if record["kind"] == "event" and record.get("code") == code]


def npx(package):
    return {"command": "npx", "args": ["-y", package]}


def plant(**more):
    """Puts servers into the file of Claude Code, as a program of the user's would."""
    path = HOME / ".claude.json"
    servers = {"good": npx("@acme/good@1.0.0"), **{name: npx(package) for name, package in more.items()}}
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({"mcpServers": servers}, indent=2))
    os.chown(beside, HOME.stat().st_uid, HOME.stat().st_gid)
    beside.rename(path)


def declared():
    return set(json.loads((HOME / ".claude.json").read_text()).get("mcpServers", {}))
