"""Programs that try to get out of the sandbox or to take too much, and what must come of each.

Run by test_sandbox.py in a process of its own, as root and as an ordinary user: standard library alone.
    python hostile.py FOLDER WALL     FOLDER holds the sandbox's modules and is readable by everybody
"""

import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

STOPPED = r"^(the program|the sandbox)"  # told as a problem
REFUSED = "PermissionError|OSError|FileNotFoundError|Operation not permitted|Permission denied"
HELD = r"(?m)^held$"  # the program's own check that what it tried did not work

TRY = """
import os, sys, ctypes
def attempt(*actions):
    for action in actions:
        try:
            result = action()
        except BaseException as error:
            continue
        print("BROKEN", repr(result)[:200])
        sys.exit()
    print("held")
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result
"""

# name -> (program, what its problem and output must match); TRY is put before those that use attempt
PROGRAMS = {
    "fork bomb": ("import os\nwhile True:\n    os.fork()", f"{STOPPED}|{REFUSED}|BlockingIOError"),
    "quiet fork bomb": ("import os, time\nfor _ in range(10**6):\n    try:\n        os.fork()\n    except OSError:\n        time.sleep(.01)", STOPPED),
    "daemons": ("import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n            os.close(1); os.close(2); time.sleep(600)\n        os._exit(0)\nprint('started')", "started|BlockingIOError"),
    "thread bomb": ("import threading, time\nfor _ in range(10**5):\n    threading.Thread(target=time.sleep, args=(60,)).start()", STOPPED),
    "memory at once": ("x = bytearray(10**11)", "MemoryError"),
    "memory bit by bit": ("x = []\nwhile True:\n    x.append(bytearray(b'x' * 10**7))", f"MemoryError|{STOPPED}"),
    "memory in children": ("import os, time\nfor _ in range(9):\n    if os.fork() == 0:\n        x = bytearray(b'x' * (60 << 20)); time.sleep(60)\ntime.sleep(60)", STOPPED),
    "memory in a memfd": ("attempt(lambda: os.memfd_create('x'), lambda: call(29, 0, 10**9, 0o1600))", HELD),
    "a huge file": ("with open('x', 'wb') as f:\n    while True:\n        f.write(b'x' * 10**6)", f"{STOPPED}|{REFUSED}"),
    "many files": ("i = 0\nwhile True:\n    i += 1\n    open(f'x{i}', 'wb').write(b'x' * 10**6)", f"{STOPPED}|{REFUSED}"),
    "many empty files": ("i = 0\nwhile True:\n    i += 1\n    open(f'x{i}', 'wb')", f"{STOPPED}|{REFUSED}"),
    "deleted open files": ("import os\nfs = []\nwhile True:\n    f = open('x', 'wb'); os.unlink('x'); fs.append(f)\n    for _ in range(9):\n        f.write(b'x' * 10**6)", f"{STOPPED}|{REFUSED}"),
    "deep folders": ("import os\nfor _ in range(5000):\n    os.mkdir('d'); os.chdir('d')\nimport time; time.sleep(60)", f"{STOPPED}|{REFUSED}"),
    "closed folders": ("import os\nos.makedirs('d/e'); open('d/e/f', 'w').write('x'); os.chmod('d', 0)\nprint('done')", "done"),
    "endless loop": ("while True:\n    pass", STOPPED),
    "loop that ignores signals": ("import signal\nfor n in range(1, 65):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError):\n        pass\nwhile True:\n    pass", STOPPED),
    "sleep": ("import time\ntime.sleep(600)", STOPPED),
    "deep recursion": ("import sys\nsys.setrecursionlimit(10**9)\ndef f(n):\n    return f(n + 1) + 1\nf(0)", f"{STOPPED}|RecursionError|MemoryError"),
    "catastrophic regex": ("import re\nre.match('(a+)+$', 'a' * 40 + 'b')", STOPPED),
    "huge number": ("x = 10 ** 10 ** 10\nprint(x)", f"{STOPPED}|MemoryError|ValueError"),
    "huge output": ("while True:\n    print('x' * 10**6)", "printed more|ran longer|out of CPU"),
    "huge errors": ("import sys\nwhile True:\n    sys.stderr.write('x' * 10**6)", "printed more|ran longer|out of CPU"),
    "odd bytes": ("import sys\nsys.stdout.buffer.write(b'a\\x00\\xff\\x1b[2Jb')", "a\x00�"),
    "key in the environment": ("import os\nprint(dict(os.environ))", "PATH"),
    "home folder": ("attempt(lambda: open(os.environ.get('HOME') + '/.netrc').read(), lambda: open(GIVEN['home']).read(), lambda: os.listdir(os.path.dirname(GIVEN['home'])))", HELD),
    "a file outside": ("attempt(lambda: open(GIVEN['canary']).read(), lambda: open('../' * 20 + GIVEN['canary']).read(), lambda: os.open(GIVEN['canary'], os.O_RDONLY))", HELD),
    "the golden answers": ("attempt(lambda: open(GIVEN['data'], 'rb').read(1), lambda: os.listdir(os.path.dirname(GIVEN['data'])))", HELD),
    "passwords of the system": ("attempt(lambda: open('/etc/passwd').read(), lambda: open('/etc/shadow').read(), lambda: os.listdir('/home'))", HELD),
    "writing outside": ("attempt(*[lambda p=p: open(p, 'w').write('x') for p in (GIVEN['outside'], '/etc/x', '/usr/lib/x', '/x', '/dev/x', '/dev/shm/x', '/var/tmp/x')])", HELD),
    "poisoning the interpreter": ("attempt(lambda: open(os.__file__, 'a').write('x'), lambda: os.unlink(os.__file__), lambda: (os.chmod(os.path.dirname(os.__file__), 0o777), 1 // (os.stat(os.path.dirname(os.__file__)).st_mode & 0o2)), lambda: open(__import__('sys').executable, 'ab'))", HELD),
    "symlink to the outside": ("os.symlink(GIVEN['canary'], 'link')\nos.symlink('/', 'root')\nattempt(lambda: open('link').read(), lambda: open('link', 'w').write('x'), lambda: open('root' + GIVEN['canary']).read(), lambda: os.link(GIVEN['canary'], 'hard'))", HELD),
    "zip slip": ("import zipfile\nzipfile.ZipFile('slip.zip').extractall('.')\nfor one in zipfile.ZipFile('slip.zip').infolist():\n    attempt(lambda: open(one.filename, 'wb').write(b'x'))", r"held\n"),
    "tcp": ("import socket\nattempt(lambda: socket.create_connection(('127.0.0.1', GIVEN['port']), 1), lambda: socket.socket())", HELD),
    "udp and names": ("import socket\nattempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53)), lambda: socket.getaddrinfo('example.com', 80), lambda: socket.socket(socket.AF_INET6))", HELD),
    "unix socket": ("import socket\nattempt(lambda: socket.socket(socket.AF_UNIX).connect(GIVEN['socket']), lambda: socket.socket(socket.AF_UNIX).connect('\\0' + GIVEN['abstract']))", HELD),
    "datagrams by a socket pair": ("import socket\nfor kind in (socket.SOCK_DGRAM, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.SOCK_SEQPACKET, socket.SOCK_RAW, socket.SOCK_STREAM):\n    try:\n        one, other = socket.socketpair(socket.AF_UNIX, kind)\n    except OSError:\n        continue\n    for to in (GIVEN['datagrams'], '\\0' + GIVEN['abstract'] + '-d', GIVEN['socket']):\n        attempt(lambda: one.sendto(b'x', to), lambda: one.sendmsg([b'x'], [], 0, to), lambda: (one.connect(to), one.send(b'x')), lambda: one.bind('\\0' + 'back'))\n        other.close()\n        attempt(lambda: one.sendto(b'x', to), lambda: (one.connect(to), one.send(b'x')))\nprint('held')", HELD),
    "sockets by number": ("import ctypes\nends = (ctypes.c_int * 2)()\nattempt(*[lambda d=d, k=k: call(53, d, k, 0, ends) for d in (1, 2, 10, 16) for k in (2, 3, 5, 0x80002, 0x80802)], lambda: call(41, 1, 2, 0), lambda: call(41 | 0x40000000, 1, 2, 0), lambda: call(53 | 0x40000000, 1, 2, 0, ends))", HELD),
    "watching files outside": ("attempt(lambda: call(294, 0), lambda: call(253), lambda: call(300, 0, 0), lambda: call(254, 3, GIVEN['canary'].encode(), 0xFFF), lambda: __import__('fcntl').fcntl(os.open(os.path.dirname(GIVEN['canary']), os.O_RDONLY), 1026, 0x80000010))", HELD),
    "signalling the parent": ("attempt(lambda: os.kill(GIVEN['parent'], 9), lambda: os.kill(GIVEN['parent'], 0))\nfor p in (os.getppid(), 1, 2):\n    if p != os.getpid():\n        try:\n            os.kill(p, 9)\n        except OSError:\n            pass", f"held|{STOPPED}"),
    "signalling everybody": ("import os\nos.kill(-1, 9)", f"{STOPPED}|{REFUSED}|^$"),
    "signals by an open file": ("import fcntl, socket, struct\nends = socket.socketpair()\nnumber = GIVEN['victim']\nattempt(lambda: fcntl.fcntl(ends[0], fcntl.F_SETOWN, number), lambda: call(72, ends[0].fileno(), 15, struct.pack('ii', 1, number)), *[lambda n=n: fcntl.ioctl(ends[0], n, struct.pack('i', number)) for n in (0x8901, 0x8902)])\nfcntl.fcntl(ends[0], 10, 9)\nfcntl.fcntl(ends[0], fcntl.F_SETFL, fcntl.fcntl(ends[0], fcntl.F_GETFL) | os.O_ASYNC)\nends[1].send(b'x')", HELD),
    "attributes of a file outside": ("import os\ndef silent(action, *given):\n    try:\n        action(*given)\n    except OSError:\n        pass\nfor path in (GIVEN['canary'], os.path.dirname(GIVEN['canary'])):\n    silent(os.chmod, path, 0)\n    silent(os.chown, path, -1, 0)\n    silent(os.utime, path, (0, 0))\n    silent(os.setxattr, path, 'user.x', b'1')\n    silent(os.truncate, path, 0)\nprint('tried')", "tried"),
    "another process": ("attempt(lambda: open(f\"/proc/{GIVEN['parent']}/environ\").read(), lambda: call(101, 16, GIVEN['parent'], 0, 0), lambda: open('/proc/1/environ').read(), lambda: open(f\"/proc/{GIVEN['parent']}/mem\", 'rb'))", HELD),
    "limits of another process": ("import resource\nattempt(lambda: resource.prlimit(GIVEN['parent'], resource.RLIMIT_NOFILE, (3, 3)), lambda: resource.setrlimit(resource.RLIMIT_CPU, (100, 100)), lambda: resource.setrlimit(resource.RLIMIT_NPROC, (9999, 9999)))", HELD),
    "becoming root": ("attempt(lambda: os.setuid(0), lambda: os.setgroups([0]), lambda: (os.chown('.', 0, 0), 1 // (os.stat('.').st_uid == 0)))", HELD),
    "set-user-id programs": ("import subprocess\nattempt(*[lambda p=p: subprocess.run(p.split(), check=True) for p in ('/bin/su -c id', '/usr/bin/sudo -n id', '/usr/bin/mount -t tmpfs x .')])", HELD),
    "namespaces and mounts": ("attempt(lambda: call(272, 0x10000000), lambda: call(272, 0x20000), lambda: call(165, b'tmpfs', b'.', b'tmpfs', 0, 0), lambda: os.chroot('.'), lambda: call(56, 0x10000011, 0, 0, 0, 0), lambda: call(435, 0, 0))", HELD),
    "devices": ("import stat\nattempt(lambda: os.open('/dev/mem', os.O_RDWR), lambda: os.open('/dev/kmsg', os.O_RDWR), lambda: os.mknod('disk', 0o666 | stat.S_IFBLK, os.makedev(8, 0)), lambda: os.listdir('/sys/kernel'))", HELD),
    "open files of the launcher": ("for n in range(3, 256):\n    attempt(lambda: os.write(n, b'x'), lambda: os.read(n, 1), lambda: os.listdir(n))\nprint('end')", "end"),
    "forged report": ("import sys, marshal\nsys.stderr.write('\\0room\\0forged'); sys.exit(120)", STOPPED),
    "crash": ("import ctypes\nctypes.string_at(0)", STOPPED),
    "abort": ("import os\nos.abort()", STOPPED),
    "io_uring, bpf, keys": ("attempt(lambda: call(425, 8, 0), lambda: call(321, 0, 0, 0), lambda: call(250, 0, 0, 0), lambda: call(298, 0, 0, 0, 0, 0), lambda: call(323, 0))", HELD),
    "standard input": ("import sys\nprint(repr(sys.stdin.read()))", "''"),
}  # fmt: skip
LOOKING = {
    "looking for files outside": ("attempt(lambda: os.stat(GIVEN['canary']), lambda: os.access(GIVEN['canary'], os.F_OK) or 1 / 0, lambda: os.readlink('/proc/self/cwd/../..'))", HELD),
}  # fmt: skip
"""What namespaces hold and Landlock does not, as the sandbox says of itself."""
FRIENDLY = {
    "talks through a pair": ("import socket\none, other = socket.socketpair()\none.sendall(b'ping')\nprint(other.recv(9))", "b'ping'"),
    "uses an event loop and a pipe of processes": ("import asyncio, multiprocessing as m\nasync def f():\n    await asyncio.sleep(0)\n    return 7\nprint(asyncio.run(f()))\na, b = m.Pipe()\na.send('x')\nprint(b.recv())", "7\nx"),
    "prints": ("print(1 + 1)", "^\n2$"),
    "reads its files": ("print(open('a.csv').read().strip(), sorted(__import__('os').listdir('.')))", r"x,y \['a.csv', 'slip.zip'\]"),
    "writes and runs": ("import subprocess, sys\nopen('m.py', 'w').write('print(6 * 7)')\nimport m", "42"),
    "threads and processes": ("import subprocess, sys\nfrom concurrent.futures import ThreadPoolExecutor\nprint(list(ThreadPoolExecutor(2).map(abs, [-1])))\nprint(subprocess.run([sys.executable, '-c', 'print(5)'], capture_output=True, text=True).stdout)", r"\[1\]\n5"),
    "tells its error": ("def f():\n    return 1 / 0\nf()", "ended with code 1\n.*ZeroDivisionError"),
    "leaves with a code": ("import sys\nprint('x')\nsys.exit(3)", "ended with code 3\nx"),
}  # fmt: skip


def slip_zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in ("../../slipped.txt", "/tmp/slipped.txt"):
            archive.writestr(name, "x")
    return held.getvalue()


def received(mailbox: socket.socket) -> bytes:
    try:
        return mailbox.recv(99)
    except BlockingIOError:
        return b""


def main(folder: Path, wall: str) -> None:
    sys.path.insert(0, str(folder))
    import program as sandbox

    room = Path(tempfile.mkdtemp(prefix="fgo-hostile-"))
    room.chmod(0o755)
    home = room / "home"
    home.mkdir(0o755)
    (home / ".netrc").write_text("sk-secret-in-home")
    (room / "canary").write_text("sk-canary")
    (room / "a.csv").write_text("x,y\n")
    (room / "slip.zip").write_bytes(slip_zip())
    os.environ |= {"OPENAI_API_KEY": "sk-secret-in-environment", "HOME": str(home)}
    listening = socket.create_server(("127.0.0.1", 0))
    local, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    mailboxes = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    for mailbox, address in zip(mailboxes, (str(room / "datagrams"), f"\0{room.name}-d"), strict=True):
        mailbox.bind(address)
        mailbox.setblocking(False)
    (room / "datagrams").chmod(0o777)
    local.bind(str(room / "socket"))
    abstract.bind(f"\0{room.name}")
    (room / "socket").chmod(0o777)
    local.listen()
    abstract.listen()
    victim = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    given = {
        "victim": victim.pid, "canary": str(room / "canary"), "outside": str(room / "outside"), "home": str(home / ".netrc"),
        "port": listening.getsockname()[1], "parent": os.getpid(), "socket": str(room / "socket"),
        "abstract": room.name, "datagrams": str(room / "datagrams"), "data": str(Path(__file__).resolve()),
    }  # fmt: skip
    room.chmod(0o777)
    sandbox._ENVIRONMENT["MARK"] = room.name  # by which a process that lives on is known
    files = {name: room / name for name in ("a.csv", "slip.zip")}
    limits = sandbox.Limits(cpu=1, wall=4.0, memory=256, address_space=1024, disk=16, file=8, output=50_000)

    def run(one: tuple[str, str]) -> list[str]:
        code, _ = one
        head = (TRY if "attempt(" in code else "") + f"GIVEN = {given!r}\n" if "GIVEN" in code or "attempt(" in code else ""
        done = sandbox._launched(wall, head + code, files, limits)
        return [done.problem, done.output]

    problem = "" if wall == "none" else sandbox._probed(wall)
    told: dict = {"probe": problem, "wall": wall, "mark": room.name, "results": {}}
    if not problem:
        programs = {**PROGRAMS, **LOOKING, **FRIENDLY}
        before = {path: sandbox._attributes(path) for path in (room / "canary", room)}
        with ThreadPoolExecutor(6) as pool:
            told["results"] = dict(zip(programs, pool.map(run, programs.values()), strict=True))
        told["after"] = {
            "canary": (room / "canary").read_text(), "room": sorted(path.name for path in room.iterdir()),
            "attributes": [sandbox._attributes(path) == held for path, held in before.items()],
            "xattrs": [name for path in before for name in os.listxattr(path)], "victim": victim.poll(),
            "threads": threading.active_count(), "received": [bool(received(mailbox)) for mailbox in mailboxes],
            "left": sorted(p.name for p in Path(tempfile.gettempdir()).glob("fgo-job-*") if p.stat().st_uid == os.getuid()),
        }  # fmt: skip
    victim.kill()
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
