#!/usr/bin/env python3
"""Runs a program and measures it. Started as a program of its own for each run, by `run`.

The kernel counts the pages of whoever starts a program as that program's own until it is loaded: /bin/true, started by a
benchmark that holds 100 MiB of reports, "takes" 113. This one holds nothing, so that nothing below some 10 MiB is unseen.
Standard library only.
"""
import json, os, sys, tempfile, time


def run(command, codes=(0,)):
    """Wall and CPU seconds, greatest memory in MiB, and what it printed; its workers' share is in it."""
    import subprocess
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        starter = [sys.executable, "-I", "-S", __file__, str(told.fileno()), *map(str, command)]
        subprocess.run(starter, check=True, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, pass_fds=[told.fileno()])
        told.seek(0), out.seek(0)
        code, wall, cpu, peak = json.load(told)
        if code not in codes:
            sys.exit(f"{command} failed with {code}")
        return wall, cpu, peak, out.read()


def main():
    told, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(told, False)
    start = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - start
    result = [os.waitstatus_to_exitcode(status), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]
    os.write(told, json.dumps(result).encode())


if __name__ == "__main__":
    main()
