"""Runs the checks of receivers.sh: `run.py [PART...]`."""

import sys

import bench
import daemon
import elastic
import otlp

PARTS = ("elastic", "killed", "template", "otlp", "daemon")


def main(wanted):
    parts = wanted or list(PARTS)
    if strange := set(parts) - set(PARTS):
        sys.exit(f"there is no part {', '.join(sorted(strange))}; there is {', '.join(PARTS)}")
    # the agent of a user and the collector run under accounts of their own
    bench.WORK.chmod(0o755)
    for folder in ("state", "home"):
        (bench.WORK / folder).mkdir()
    bench.make_ca()
    if {"elastic", "killed", "template"} & set(parts):
        elastic.checks(parts)
    if "otlp" in parts:
        otlp.checks()
    if "daemon" in parts:
        daemon.checks()
    print("all passed", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BaseException:
        for log in sorted(bench.WORK.glob("*.log")):
            print(f"== the end of {log.name}", *log.read_text(errors="replace").splitlines()[-12:], sep="\n", file=sys.stderr)
        raise
