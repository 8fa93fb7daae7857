#!/usr/bin/env python3
"""Measures a pass of `mcpolicy enforce --once` over the large generated home beside a plain scan of it, and an edit beside
the same replace done bare.

    tests/bench/enforce.py [--runs N] [--size large|small] [--binary FILE] [--write] [--check]

Needs `cargo build --release` and the generator beside the checkout (../shared/bench/make_home.py). The policy is in mode
hold: what the generator wrote is there first and stays, the 200 entries that are planted later are denied. Prints a
table; --write puts it into docs/performance.md between its marks; --check exits 1 if not just these were taken out
or a scan or pass takes more than 60 MiB.
Standard library only.
"""
import argparse, json, os, pathlib, platform, shutil, statistics, subprocess, sys, tempfile, time

import measured

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "../shared/bench/make_home.py"
FILES, ENTRIES = 40, 5         # 200 denied entries
BUDGET = 60                    # MiB
POLICY = 'schema = "mcpolicy/policy/v1"\n\n[policy]\nname = "bench"\ncontact = "c"\nmode = "hold"\ngrace_until = "2099-01-01"\n'
BEGIN, END = "<!-- enforce: begin -->\n", "<!-- enforce: end -->"


def measure(command):
    wall, cpu, peak, out = measured.run(command)
    return wall, cpu, peak, json.loads(out)


def median(runs):
    return statistics.median(r[0] for r in runs), statistics.median(r[1] for r in runs), max(r[2] for r in runs)


def publish(binary, work):
    """A policy that is signed and published as people do it."""
    def run(*arguments):
        subprocess.run([binary, "policy", *arguments], cwd=work, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, env={**os.environ, "HOME": str(work)})
    run("init", "repo", "--no-passphrase")
    (work / "repo/policy.toml").write_text(POLICY)
    # hold takes protection away: two sign
    run("sign", "repo", "--key", "repo-keys/policy-1.pem", "--key", "repo-keys/policy-2.pem")
    run("publish", "repo", "--to", "site", "--key", "repo-keys/online-1.pem", "--skip-tests")
    return ["--policy", str(work / "site"), "--trust-root", str(work / "repo/trust/root.1.json")]


def plant(home):
    """The files with what is denied, as a client writes them: their texts by path."""
    texts = {}
    for file in range(FILES):
        servers = {f"bench-{file}-{at}": {"command": "npx", "args": ["-y", f"bench-denied-{file}-{at}@1.0.0"], "env": {}}
                   for at in range(ENTRIES)}
        path = home / f"bench/p{file}/.cursor/mcp.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        texts[path] = json.dumps({"mcpServers": servers}, indent=2).encode()
        path.write_bytes(texts[path])
    return texts


def bare(texts):
    """Seconds for replacing one file: read, write beside it, sync, rename, sync the directory."""
    start = time.perf_counter()
    for path in texts:
        content = path.read_bytes()
        beside = path.with_name(".beside")
        with open(beside, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.rename(beside, path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    return (time.perf_counter() - start) / len(texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--size", default="large")
    parser.add_argument("--binary", help="the program [default: the release build]")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if not GENERATOR.exists():
        sys.exit("skipped: ../shared/bench/make_home.py is not beside this checkout")
    if not options.binary:
        subprocess.run(["cargo", "build", "--release", "-q", "--bin", "mcpolicy"], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    binary = str(pathlib.Path(options.binary or target / "mcpolicy").absolute())
    work = pathlib.Path(tempfile.mkdtemp(prefix="mcpolicy-bench-"))
    scans, idle, full, replaces, missed = [], [], [], [], []
    try:
        subprocess.run([sys.executable, GENERATOR, work / "made", "--size", options.size, "--as", "/home/dev"],
                       check=True, stdout=subprocess.DEVNULL)
        # a worker walks to its home as its user
        work.chmod(0o755)
        root, state = work / "root", work / "state"
        (root / "home").mkdir(parents=True)
        (work / "made/home0").rename(root / "home/dev")
        published = publish(binary, work)
        scan = [binary, "scan", "--root", str(root), "--format", "json"]
        enforce = [binary, "enforce", "--once", "--json", "--root", str(root), "--state", str(state)] + published
        first = measure(enforce)[3]
        if first["files"]:
            sys.exit("what was there first was not held")
        for run in range(options.runs + 1):
            shutil.rmtree(root / "home/dev/bench", ignore_errors=True)
            nothing = measure(enforce)
            texts = plant(root / "home/dev")
            replace = bare(texts)
            looked = measure(scan)
            acted = measure(enforce)
            taken = [action["server"] for file in acted[3]["files"] if file["outcome"] == "applied" for action in file["actions"]]
            if nothing[3]["files"] or len(taken) != FILES * ENTRIES or not all(name.startswith("bench-") for name in taken):
                missed.append(f"run {run}: {len(taken)} entries were taken out")
            if run:
                scans.append(looked), idle.append(nothing), full.append(acted), replaces.append(replace)
    finally:
        shutil.rmtree(work)
    rows = {"`mcpolicy scan --root`": median(scans), "a pass with nothing to do": median(idle),
            f"**a pass with {FILES * ENTRIES} denied entries in {FILES} files**": median(full)}
    lines = ["| what | wall s | CPU s | peak MiB |", "|---|---|---|---|"]
    lines += [f"| {what} | {wall:.3f} | {cpu:.3f} | {peak:.0f} |" for what, (wall, cpu, peak) in rows.items()]
    missed += [f"{what}: {peak:.0f} MiB" for what, (_, _, peak) in rows.items() if peak >= BUDGET]
    edit = statistics.median(a[0] - n[0] for a, n in zip(full, idle)) / FILES
    replace = statistics.median(replaces)
    who = "a worker for the home, as root" if os.geteuid() == 0 else "the own home, in one process"
    lines += ["", f"{options.size.capitalize()} home, {full[0][3]['entries']:,} entries; {who}. One edited file costs {1000 * edit:.1f} ms (judged, "
              f"proved, vault, journal, exchange, read back), the same replace done bare {1000 * replace:.2f} ms: {edit / replace:.1f} x.", "",
              f"Measured on {os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}, median of {options.runs} runs "
              "after one to warm up.", ""]
    table = "\n".join(lines)
    print(table)
    if options.write:
        page = ROOT / "docs/performance.md"
        head, rest = page.read_text().split(BEGIN)
        page.write_text(head + BEGIN + table + END + rest.split(END)[1])
    for what in missed:
        print(f"missed: {what}", file=sys.stderr)
    sys.exit(1 if options.check and missed else 0)


main()
