#!/usr/bin/env python3
"""Measures whole runs of `mcpolicy scan` beside a bare walk and `find`, on generated homes, in one go.

    tests/bench/scan.py [--runs N] [--write] [--check]

Needs `cargo build --release` and the generator beside the checkout (../shared/bench/make_home.py). Prints a table;
--write puts it into docs/performance.md between its marks; --check exits 1 if a budget is missed. Standard library only.
"""
import argparse, json, os, pathlib, platform, shutil, statistics, subprocess, sys, tempfile

import measured

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "../shared/bench/make_home.py"
SIZES = {"small": 5, "large": 5}


def measure(command, runs):
    """Median wall and CPU seconds and greatest memory in MiB of so many runs, after one to warm up."""
    measures = [measured.run(command)[:3] for _ in range(runs + 1)][1:]
    walls, cpus, peaks = zip(*measures)
    return statistics.median(walls), statistics.median(cpus), max(peaks)


def recall(binary, home, truth):
    report = json.loads(subprocess.run([binary, "scan", "--home", home, "--format", "json"], capture_output=True, check=True).stdout)
    found = {(e["name"], e["source"]["path"]) for e in report["entries"]}
    wanted = {(s["name"], s["path"]) for s in truth["servers"]}
    text = json.dumps(report)
    names = {e["name"] for e in report["entries"]}
    return {
        "recall": f"{len(wanted & found)}/{len(wanted)}",
        "decoys": sum(d["name"] in names for d in truth["decoys"]),
        "vendored": sum(v["name"] in names for v in truth["vendored"]),
        "secrets": sum(s in text for s in truth["secrets"]),
        "complete": wanted <= found,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if not GENERATOR.exists():
        sys.exit("skipped: ../shared/bench/make_home.py is not beside this checkout")
    subprocess.run(["cargo", "build", "--release", "-q", "--bin", "mcpolicy", "--example", "bare_walk"], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    binary, walk = str(target / "mcpolicy"), str(target / "examples/bare_walk")
    lines = ["| home | what | wall s | CPU s | peak MiB |", "|---|---|---|---|---|"]
    facts, missed = [], []
    work = pathlib.Path(tempfile.mkdtemp(prefix="mcpolicy-bench-"))
    try:
        for size in SIZES:
            out = work / size
            subprocess.run([sys.executable, GENERATOR, out, "--size", size], check=True, stdout=subprocess.DEVNULL)
            home = str(out / "home0")
            rows = {
                "bare walk (`ignore`)": measure([walk, home], options.runs),
                "`find -name .mcp.json`": measure(["find", home, "-name", ".mcp.json"], options.runs),
                "**`mcpolicy scan`**": measure([binary, "scan", "--home", home, "--format", "json"], options.runs),
                "`mcpolicy scan --format sarif`": measure([binary, "scan", "--home", home, "--format", "sarif"], options.runs),
            }
            for what, (wall, cpu, peak) in rows.items():
                lines.append(f"| {size} | {what} | {wall:.3f} | {cpu:.3f} | {peak:.0f} |")
            bare, find, scan, sarif = rows.values()
            checked = recall(binary, home, json.loads((out / "truth.json").read_text()))
            facts.append(f"- {size}: recall {checked['recall']}, decoys {checked['decoys']}, vendored {checked['vendored']}, "
                         f"secrets {checked['secrets']}; {scan[0] / bare[0]:.2f} x the bare walk, {scan[0] / find[0]:.2f} x `find`")
            budgets = {
                "everything found, nothing invented or shown": checked["complete"] and not (checked["decoys"] or checked["vendored"] or checked["secrets"]),
                "within 1.3 x of the bare walk": size != "large" or scan[0] <= 1.3 * bare[0],
                "faster than find": size != "large" or scan[0] < find[0],
                "under 60 MiB": max(scan[2], sarif[2]) < 60,
                "small home under 0.1 s": size != "small" or scan[0] < 0.1,
            }
            missed += [f"{size}: {name}" for name, kept in budgets.items() if not kept]
    finally:
        shutil.rmtree(work)
    cpus = os.cpu_count()
    table = "\n".join(lines + [""] + facts + ["", f"Measured on {cpus} cores, {platform.machine()}, {platform.system()} {platform.release()}, "
                                              f"median of {options.runs} runs after one to warm up.", ""])
    print(table)
    if options.write:
        page = ROOT / "docs/performance.md"
        begin, end = "<!-- table: begin -->\n", "<!-- table: end -->"
        text = page.read_text()
        head, rest = text.split(begin)
        page.write_text(head + begin + table + end + rest.split(end)[1])
    for budget in missed:
        print(f"missed: {budget}", file=sys.stderr)
    sys.exit(1 if options.check and missed else 0)


main()
