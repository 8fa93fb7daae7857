"""Tries what the unit of `mcpolicy run` forbids, and what it must not, from inside of that unit. What it could do is a line each."""

import os
import socket
import sys


def opened(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    os.unlink(path)


TRIES = {
    "AF_INET": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "AF_INET6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
    "AF_PACKET": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "AF_VSOCK": lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM),
    "AF_UNIX": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "etc": lambda: opened("/etc/mcpolicy/x"),
    "usr": lambda: opened("/usr/x"),
    "kernel": lambda: os.close(os.open("/proc/sys/kernel/hostname", os.O_WRONLY)),
    "home": lambda: opened("/home/ann/x"),
    "project": lambda: opened("/srv/x"),
    "state": lambda: opened("/var/lib/mcpolicy/x"),
    "spool": lambda: opened("/var/lib/mcpolicy-ship/spool/x"),
    "log": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect("/dev/log"),
    "bus of ann": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect("/run/user/1000/bus"),
}
for name, attempt in TRIES.items():
    try:
        attempt()
        print(name)
    except OSError as error:
        print(f"{name}: {error}", file=sys.stderr)
