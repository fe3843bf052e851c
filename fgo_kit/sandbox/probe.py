"""What must not be possible in the sandbox, attempted: `sandbox` runs this behind each wall before it trusts it.

A program like any other there: standard library alone, `probe.json` in its folder says what to attack. What
changes nothing here though it seems to work, such as chmod, is looked at from outside afterwards.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
import time

CLONE_NEWUSER = 0x10000000
FIOSETOWN = 0x8901


def read(path):
    with open(path, "rb") as file:
        return file.read(1)


def write(path):
    with open(path, "w") as file:
        file.write("x")


def datagram(to):
    one, _other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.connect(to)
    one.send(b"x")


def bomb(most):
    for _ in range(3 * most):
        if os.fork() == 0:
            time.sleep(1)
            os._exit(0)


def attack(told):
    """(what, attempt) of all that has to fail."""
    ours, _theirs = socket.socketpair()
    parent = told["parent"]
    yield "reading a file outside", lambda: read(told["canary"])
    yield "writing outside", lambda: write(told["outside"])
    yield "connecting", lambda: socket.create_connection(("127.0.0.1", told["port"]), 1)
    yield "sending a datagram outside", lambda: datagram(told["mailbox"])
    yield "signalling the parent", lambda: os.kill(parent, 0)
    yield "reading the parent's environment", lambda: read(f"/proc/{parent}/environ")
    yield "signals by an open file", lambda: fcntl.fcntl(ours, fcntl.F_SETOWN, parent)
    yield "signals by a socket", lambda: fcntl.ioctl(ours, FIOSETOWN, struct.pack("i", parent))
    for path in told["home"]:
        yield "reading the home folder", lambda path=path: read(path)
    yield "becoming root", lambda: os.setuid(0) if os.getuid() else None
    yield "a new namespace", lambda: 1 / (ctypes.CDLL(None).unshare(CLONE_NEWUSER) == 0)
    yield "starting processes without end", lambda: bomb(told["processes"])


def main():
    with open("probe.json") as file:
        told = json.load(file)
    broken = []
    if os.getuid() == 0 or any(key in os.environ for key in told["keys"]):
        broken.append("root or the environment")
    if len(os.listdir(".")) != 1:
        broken.append("the folder")
    for change, value in ((os.chmod, 0o777), (os.utime, (0, 0)), (os.truncate, 0)):
        with contextlib.suppress(OSError):
            change(told["canary"], value)
    for what, attempt in attack(told):
        try:
            attempt()
        except Exception:
            continue
        broken.append(what)
    print("broken:", ", ".join(broken) or "nothing")


if __name__ == "__main__":
    main()
