#!/usr/bin/env python3
"""What `mcpolicy run` costs: how long a denied entry is visible, what the idle agent uses, and what a busy client costs.

    cargo build --release && tests/bench/daemon.py [--rounds 300] [--idle 60] [--busy 60] [--storm 20000]

Runs a user's own agent on a throw-away home, with a policy that it signs itself. Beside each figure stands the same work on
the bare file system, since disks differ. Nothing of this machine is read or written outside one temporary folder.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = TARGET / "release" / "mcpolicy"

POLICY = """schema = "mcpolicy/policy/v1"
[policy]
name = "bench"
contact = "#bench"
mode = "enforce"
[[rule]]
id = "good"
owner = "bench"
identity = { npm = { package = "@acme/good", versions = "1.0.0" } }
"""


def servers(*names):
    entry = {"good": {"command": "npx", "args": ["-y", "@acme/good@1.0.0"]},
             "evil": {"command": "npx", "args": ["-y", "evil@1.0.0"]}}
    return json.dumps({"mcpServers": {name: entry[name] for name in names}}, indent=2)


NOBODY = 65534


class Lab:
    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="mcpolicy-bench-"))
        self.binary = self.root / "mcpolicy"
        shutil.copy(BINARY, self.binary)
        if os.geteuid() == 0:
            # as root the agent would be the machine's, and look into every home of it
            os.chown(self.root, NOBODY, NOBODY)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        os.chmod(self.root, 0o700)
        # nothing else beside it: what comes and goes beside a home may be another's
        self.home = self.root / "homes" / "dev"
        self.home.mkdir(mode=0o700, parents=True)
        self.env = {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        self.published = self.root / "published"

    def run(self, *words, check=True):
        done = subprocess.run([str(self.binary), *map(str, words)], env=self.env, cwd=self.root, text=True,
                              capture_output=True, check=False)
        if check and done.returncode != 0:
            sys.exit(f"{' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def publish(self):
        self.run("policy", "init", "repo", "--no-passphrase")
        (self.root / "repo/policy.toml").write_text(POLICY)
        self.run("policy", "sign", "repo", "--key", "repo-keys/policy-1.pem", "--key", "repo-keys/policy-2.pem")
        self.run("policy", "publish", "repo", "--to", "published", "--key", "repo-keys/online-1.pem", "--skip-tests")

    def daemon(self, *more):
        root = self.root / "repo/trust/root.1.json"
        words = ["run", "--json", "--policy", self.published, "--trust-root", root, "--state", self.root / "state",
                 "--settings", self.root / "agent.toml", *more]
        self.said = self.root / "said"
        with open(self.said, "w") as said:
            return subprocess.Popen([str(self.binary), *map(str, words)], env=self.env, cwd=self.root, stdout=said,
                                    stderr=said)


def write(path, text):
    """As editors and clients do: beside it, then renamed."""
    beside = path.with_name(path.name + ".next")
    with open(beside, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.rename(beside, path)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share / 100))]


def cost(lab):
    done = lab.run("status", "--json", "--cost", "--socket", lab.root / "state" / "agent.sock", check=False)
    return json.loads(done.stdout)["cost"]


def latency(lab, rounds, pause):
    files = [lab.home / f"src/p{n}" / ".mcp.json" for n in range(rounds)]
    clean = servers("good")
    seen, bare = [], []
    for path in files:
        begin = time.perf_counter()
        write(path, servers("good", "evil"))
        seen.append(until_clean(path, begin))
        time.sleep(pause)
    # not beside the home: what is renamed there may be another home, and a pass follows
    elsewhere = lab.root / "bare" / "bare.json"
    elsewhere.parent.mkdir(exist_ok=True)
    for _ in range(rounds):
        write(elsewhere, servers("good", "evil"))
        begin = time.perf_counter()
        write(elsewhere, clean)
        bare.append(time.perf_counter() - begin)
    return seen, bare


def until_clean(path, begin, deadline=5.0):
    while True:
        text = path.read_text()
        if "evil" not in text and "good" in text:
            return time.perf_counter() - begin
        if time.perf_counter() - begin > deadline:
            sys.exit(f"not answered within {deadline} s: {text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--idle", type=float, default=60)
    parser.add_argument("--busy", type=float, default=60)
    parser.add_argument("--storm", type=int, default=20000)
    options = parser.parse_args()
    lab = Lab()
    daemon = None
    try:
        lab.publish()
        (lab.root / "agent.toml").write_text('schema = "mcpolicy/agent/v1"\n')
        os.chmod(lab.root / "agent.toml", 0o600)
        for number in range(options.rounds):
            project = lab.home / f"src/p{number}"
            project.mkdir(parents=True)
            (project / ".mcp.json").write_text(servers("good"))
        (lab.home / ".cursor").mkdir()
        big = lab.home / ".claude.json"
        state = {"mcpServers": {}, "projects": {f"/p/{n}": {"history": ["x" * 500] * 20} for n in range(480)}}
        big.write_text(json.dumps(state))
        (lab.root / "bare").mkdir()
        daemon = lab.daemon()
        while '"what":"pass"' not in lab.said.read_text():
            time.sleep(0.05)
        time.sleep(2)
        before = cost(lab)
        time.sleep(options.idle)
        after = cost(lab)
        print(f"idle: {after['memory_kib']} KiB, {after['wakes'] - before['wakes']} wakeups and "
              f"{after['cpu_ms'] - before['cpu_ms']} ms CPU in {options.idle:.0f} s (the question itself among them)")
        ms = lambda value: f"{value * 1000:.1f} ms"
        # after a pause the agent is idle when the file is written; without one it is still at work on the file before
        for pause, how in (0.3, "one by one"), (0, "each at once after the one before"):
            seen, bare = latency(lab, options.rounds, pause)
            print(f"event to reverted file, {options.rounds} rounds, {how}: p50 {ms(percentile(seen, 50))}, "
                  f"p99 {ms(percentile(seen, 99))}; the same write bare: p50 {ms(percentile(bare, 50))}, "
                  f"p99 {ms(percentile(bare, 99))}")
        before, begin = cost(lab), time.time()
        size = big.stat().st_size
        count = 0
        while time.time() - begin < options.busy:
            state["round"] = count
            write(big, json.dumps(state))
            count += 1
            time.sleep(3)
        after = cost(lab)
        spent = (after["cpu_ms"] - before["cpu_ms"]) / 10 / (time.time() - begin)
        print(f"{size / 1e6:.1f} MB .claude.json rewritten {count} times in {options.busy:.0f} s: {spent:.2f} % CPU")
        before = cost(lab)
        storm = lab.home / "src/p0/storm"
        storm.mkdir()
        begin_cpu, begin = os.times(), time.time()
        for number in range(options.storm):
            (lab.home / "src/p0" / f"f{number}.txt").write_text("x")
        own = os.times()
        unpacking = (own.user + own.system - begin_cpu.user - begin_cpu.system) * 1000
        time.sleep(3)
        after = cost(lab)
        spent = after["cpu_ms"] - before["cpu_ms"]
        print(f"{options.storm} files made in a watched folder: {spent} ms CPU, {spent * 1000 / options.storm:.1f} us a file; "
              f"making them took {unpacking:.0f} ms")
    finally:
        if daemon:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(timeout=20)
        shutil.rmtree(lab.root)


if __name__ == "__main__":
    main()
