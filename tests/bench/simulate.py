#!/usr/bin/env python3
"""Measures `mcpolicy policy simulate` on a made-up fleet of stored reports.

    tests/bench/simulate.py [--machines N] [--entries N] [--runs N] [--write] [--check]

Needs `cargo build --release`. Makes the reports (one file a machine, the same ones every time), a policy in force and a
new one; prints a table. --write puts it into docs/performance.md between its marks; --check exits 1 if the budget is
missed or a count is wrong. --keep DIR leaves the fleet there. Standard library only.
"""
import argparse, hashlib, json, os, pathlib, platform, random, shutil, statistics, subprocess, sys, tempfile

import measured

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVERS = 400          # different ones in the fleet
RULES = 300            # of them allowed by the policy in force
BUDGET = 5.0           # seconds for 10,000 reports of 20 entries on two cores


def server(number):
    """One server of the pool: a package, an address or a container, some with arguments below the user's home."""
    name = f"server-{number:03}"
    kind = ("npm", "npm", "npm", "pypi", "url", "oci")[number % 6]
    if kind == "npm":
        args = ["-y", f"@example/{name}@1.{number}.0"] + (["{home}/work"] if number % 4 == 0 else [])
        return dict(kind=kind, name=f"@example/{name}", version=f"1.{number}.0", command="npx", args=args, env=["EXAMPLE_TOKEN"])
    if kind == "pypi":
        return dict(kind=kind, name=f"example-{name}", version=None, command="uvx", args=[f"example-{name}"], env=[])
    if kind == "oci":
        image = f"registry.example.com/{name}"
        return dict(kind=kind, name=image, version="1.0", command="docker", args=["run", "-i", "--rm", f"{image}:1.0"], env=[])
    return dict(kind=kind, name=f"https://{name}.example.com/mcp", version=None, url=f"https://{name}.example.com/mcp", args=[], env=[])


def entry(number, at, user, home):
    s = server(number)
    args = [a.replace("{home}", home) for a in s["args"]]
    path = f"{home}/.cursor/mcp.json"
    print_of = hashlib.sha256(json.dumps([s["kind"], s["name"], s["args"]]).encode()).hexdigest()
    return {
        "id": f"e{at}", "name": f"srv-{number}", "client": "cursor", "readers": [{"client": "cursor"}], "scope": "user", "user": user,
        "source": {"path": path, "line": at * 9, "column": 5, "start": at * 200, "end": at * 200 + 180},
        "key_path": f"/mcpServers/srv-{number}", "transport": "http" if "url" in s else "stdio",
        "identity": {"kind": s["kind"], "name": s["name"], **({"version": s["version"]} if s["version"] else {}), "pinned": s["kind"] == "npm"},
        "command": s.get("command"), "args": args, "url": s.get("url"), "env_keys": s["env"], "header_keys": [],
        "values": [{"in": "env", "name": n, "kind": "literal", "fingerprint": "0123456789abcdef", "references": []} for n in s["env"]],
        "disabled": False, "running": None, "fingerprint": f"sha256:{print_of}",
    }


def report(machine, entries, rng):
    user = f"user{machine}"
    home = f"/home/{user}"
    # few servers are everywhere, many are rare
    chosen = set()
    while len(chosen) < entries:
        chosen.add(min(int(rng.paretovariate(0.35)), SERVERS) - 1 if rng.random() < 0.7 else rng.randrange(SERVERS))
    listed = [entry(n, at + 1, user, home) for at, n in enumerate(sorted(chosen))]
    findings = [{"code": "unpinned-package", "severity": "medium", "message": "no version", "remedy": "Name one.", "entry": e["id"],
                 "name": e["name"], "user": user, "source": e["source"]} for e in listed if e["identity"]["kind"] == "pypi"]
    return {
        "schema": "mcpolicy/report/v1", "agent": {"name": "mcpolicy", "version": "0.1.0"},
        "host": {"hostname": f"laptop-{machine}", "os": "linux"},
        "scan": {"mode": "machine", "started_at": "2026-11-21T00:00:00Z", "duration_ms": 60, "users": [user],
                 "homes": [{"user": user, "path": home}], "directories_walked": 5000, "files_read": 40, "fingerprint_key": "file"},
        "summary": {"entries": entries, "live": entries, "inert": 0, "running": 0, "distinct": entries, "sources": 1,
                    "findings": {"critical": 0, "high": 0, "medium": len(findings), "low": 0, "info": 0}, "gaps": 0},
        "entries": listed,
        "sources": [{"path": f"{home}/.cursor/mcp.json", "client": "cursor", "readers": [{"client": "cursor"}], "scope": "user",
                     "user": user, "state": "read", "bytes": 4000, "digest": "0123456789abcdef", "entries": entries}],
        "findings": findings, "coverage": [],
    }


def rule(number):
    s = server(number)
    identity = {
        "npm": f'npm = {{ package = "{s["name"]}" }}', "pypi": f'pypi = {{ package = "{s["name"]}" }}',
        "oci": f'oci = {{ image = "{s["name"]}", tags = ["1.0"] }}', "url": f'url = {{ url = "{s["name"]}" }}',
    }[s["kind"]]
    lines = ["[[rule]]", f'id = "r{number}"', f"identity.{identity}"]
    if number % 4 == 0 and s["kind"] == "npm":
        lines.append('args.positional = ["{home}/work"]')
    if s["env"]:
        lines.append('env = { EXAMPLE_TOKEN = "*" }')
    return "\n".join(lines) + "\n\n"


def policy(rules):
    return 'schema = "mcpolicy/policy/v1"\n\n[policy]\nname = "bench"\ncontact = "c"\n\n' + "".join(rule(n) for n in rules)


def measure(command):
    wall, cpu, peak, out = measured.run(command, codes=(0, 1))
    return wall, cpu, peak, json.loads(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=10_000)
    parser.add_argument("--entries", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--binary", help="the program [default: the release build]")
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if not options.binary:
        subprocess.run(["cargo", "build", "--release", "-q", "--bin", "mcpolicy"], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    binary = options.binary or str(target / "mcpolicy")
    work = options.keep or pathlib.Path(tempfile.mkdtemp(prefix="mcpolicy-bench-"))
    try:
        (work / "reports").mkdir(parents=True, exist_ok=True)
        rng = random.Random(7)
        size = 0
        for machine in range(options.machines):
            text = json.dumps(report(machine, options.entries, rng), indent=2)
            size += len(text)
            (work / f"reports/{machine:06}.json").write_text(text)
        (work / "old.toml").write_text(policy(range(RULES)))
        (work / "new.toml").write_text(policy(n for n in range(RULES) if n % 50))
        rows, answer = {}, None
        for what, more in {"one policy": [], "against the policy in force": ["--against", str(work / "old.toml")]}.items():
            command = [binary, "policy", "simulate", str(work / "reports"), "--policy", str(work / "new.toml"), "--json"] + more
            runs = [measure(command) for _ in range(options.runs + 1)][1:]
            rows[what] = [statistics.median(r[0] for r in runs), statistics.median(r[1] for r in runs), max(r[2] for r in runs)]
            answer = runs[0][3]
    finally:
        if not options.keep:
            shutil.rmtree(work)
    lines = ["| what | wall s | CPU s | peak MiB |", "|---|---|---|---|"]
    lines += [f"| {what} | {wall:.2f} | {cpu:.2f} | {peak:.0f} |" for what, (wall, cpu, peak) in rows.items()]
    fleet = answer["fleet"]
    lines += ["", f"{fleet['machines']:,} reports, {fleet['entries']:,} entries, {size / 1e6:.0f} MB; {RULES} rules; "
              f"{answer['allowed']:,} allowed, {answer['blocked']:,} blocked, {answer['unknown']:,} unknown.",
              "", f"Measured on {os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}, "
              f"median of {options.runs} runs after one to warm up.", ""]
    table = "\n".join(lines)
    print(table)
    if options.write:
        page = ROOT / "docs/performance.md"
        begin, end = "<!-- simulate: begin -->\n", "<!-- simulate: end -->"
        text = page.read_text()
        head, rest = text.split(begin)
        page.write_text(head + begin + table + end + rest.split(end)[1])
    missed = []
    if fleet != {"entries": options.machines * options.entries, "machines": options.machines, "users": options.machines}:
        missed.append(f"counts of the fleet: {fleet}")
    if not (answer["allowed"] and answer["blocked"]):
        missed.append("everything or nothing is allowed")
    if max(wall for wall, _, _ in rows.values()) > BUDGET:
        missed.append(f"{BUDGET} s")
    for budget in missed:
        print(f"missed: {budget}", file=sys.stderr)
    sys.exit(1 if options.check and missed else 0)


main()
