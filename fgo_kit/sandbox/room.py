"""The launcher of the sandbox: builds the walls, starts the program behind them and watches over it.

A process of its own, started by `program.run` without site packages and with an empty environment; standard
library alone. It reads one request from its standard input and ends, with all it started, when that is closed.
What came of it goes to a pipe that the program never sees.
"""

from __future__ import annotations

import marshal
import os
import resource
import select
import signal
import sys
import time

TICK = 0.02  # seconds between two looks at the program's memory and disk


def main() -> None:
    size = int.from_bytes(sys.stdin.buffer.read(4), "big")
    request = marshal.loads(sys.stdin.buffer.read(size))
    report = request["report"]
    try:
        told = _watched(request, report)
    except OSError as error:
        told = {"setup": f"{request['wall']}: {error}"}
    os.write(report, marshal.dumps(told))
    os._exit(0)


def _watched(request: dict, report: int) -> dict:
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY) if os.path.isdir("/proc/self") else None
    build = {"namespaces": _namespaces, "landlock": _landlock, "none": _folder}[request["wall"]]
    pid = build(request)
    return _supervise(pid, request, proc, woken)


def _namespaces(request: dict) -> int:
    import walls

    contents = _contents(request)
    user, group = (_stranger(), 65534) if os.getuid() == 0 else (os.getuid(), os.getgid())
    walls.unshare_all()
    walls.new_root(request["seen"], request["disk"])
    _fill("/job", contents, user)
    with open("/room/program.py", "w", encoding="utf-8", errors="replace") as file:
        file.write(request["code"])
    os.chmod("/room", 0o755)
    os.chmod("/room/program.py", 0o644)
    request["program"], request["home"] = "/room/program.py", "/job"

    def first() -> None:
        """Process 1 of its namespace, which ends the others with itself."""
        _become(user, group)
        walls.prctl(walls.PR_SET_PDEATHSIG, signal.SIGKILL)
        inner = os.fork()
        if inner == 0:
            walls.seccomp(signals=True)
            _execute(request)
        while True:
            ended, status = os.wait()
            if ended == inner:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)

    return _forked(first, request["report"])


def _landlock(request: dict) -> int:
    import walls

    walls.prctl(walls.PR_SET_SUBREAPER, 1)
    pid_of_launcher = os.getpid()
    user, group = (_stranger(), 65534) if os.getuid() == 0 else (os.getuid(), os.getgid())
    _prepare(request, user)
    if os.getuid() != 0:
        request["processes"] += _running(user)

    def child() -> None:
        os.setpgid(0, 0)
        _become(user, group)
        walls.prctl(walls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != pid_of_launcher:
            os._exit(1)
        confined = walls.landlock([*request["seen"], request["program"]], request["home"])
        walls.seccomp(signals=confined, pretend=True)
        _execute(request)

    return _forked(child, request["report"])


def _folder(request: dict) -> int:
    """No walls at all: a folder, limits and an empty environment."""
    _prepare(request, os.getuid())
    if hasattr(os, "uname") and os.uname().sysname == "Linux":
        import walls

        walls.prctl(walls.PR_SET_SUBREAPER, 1)
    if os.getuid() != 0:
        request["processes"] += _running(os.getuid())
    return _forked(lambda: (os.setpgid(0, 0), _execute(request)), request["report"])


def _prepare(request: dict, user: int) -> None:
    """The job's folder and the program's file, in the folder that the caller made and removes."""
    folder, request["home"] = request["folder"], f"{request['folder']}/job"
    os.mkdir(request["home"], 0o700)
    _fill(request["home"], _contents(request), user)
    request["program"] = f"{folder}/program.py"
    with open(request["program"], "w", encoding="utf-8", errors="replace") as file:
        file.write(request["code"])
    os.chmod(request["program"], 0o644)
    os.chmod(folder, 0o711)


def _contents(request: dict) -> dict[str, bytes]:
    found = {}
    for name, path in request["files"].items():
        with open(path, "rb") as file:
            found[name] = file.read()
    return found


def _fill(folder: str, contents: dict[str, bytes], user: int) -> None:
    for name, data in contents.items():
        path = os.path.join(folder, os.path.basename(name))
        with open(path, "wb") as file:
            file.write(data)
        if user != os.getuid():
            os.chown(path, user, 65534)
    if user != os.getuid():
        os.chown(folder, user, 65534)


def _stranger() -> int:
    """A user id of its own for this run, so that processes are counted for it alone; else nobody's."""
    wanted = 1_000_000_000 + os.getpid()
    with open("/proc/self/uid_map") as file:
        known = any(int(first) <= wanted < int(first) + int(many) for first, _, many in map(str.split, file))
    return wanted if known else 65534


def _become(user: int, group: int) -> None:
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)


def _running(user: int) -> int:
    """Threads of a user: the kernel's limit counts all of them."""
    total = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                total += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return total


def _forked(run, report: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        run()
    except BaseException as error:
        try:
            os.write(report, marshal.dumps({"setup": str(error)}))
        except OSError:  # closed already, for the program; it may write this itself, which is not believed
            os.write(2, f"\0room\0{error}".encode("utf-8", "replace"))
    os._exit(120)


def _execute(request: dict) -> None:
    """Become the program: its limits, its folder, an environment of its own, no open file but the outputs."""
    os.closerange(3, 4096)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(3, 4096)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o077)
    os.chdir(request["home"])
    for name, most in request["limits"].items():
        kind = getattr(resource, name, None)
        if kind is not None:
            most = request["processes"] if name == "RLIMIT_NPROC" else most
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most + 1 if name == "RLIMIT_CPU" and most + 1 <= hard else most))
    here = {"HOME": request["home"], "TMPDIR": request["home"], "PWD": request["home"]}
    start = request["start"].replace("PROGRAM", repr(request["program"]))
    os.execve(request["python"], [request["python"], *request["flags"], "-c", start], {**request["env"], **here})


def _supervise(pid: int, request: dict, proc: int | None, woken: int) -> dict:
    """Wait for the program to end, and end it when it takes too much of anything or nobody waits for it."""
    end, problem, code = time.monotonic() + request["wall_seconds"], "", None
    folder = request["home"] if request["wall"] != "namespaces" else None
    while not problem:
        ready, _, _ = select.select([woken, 0], [], [], TICK)
        if woken in ready:
            os.read(woken, 512)
            code = _reaped(pid)
            if code is not None:
                break
        if 0 in ready and not os.read(0, 1):
            problem = "given up"
        elif time.monotonic() > end:
            problem = f"the program ran longer than {request['wall_seconds']:g} s"
        elif proc is not None and _resident(proc, pid, request["memory"]) > request["memory"]:
            problem = f"the program used more than {request['memory'] >> 20} MB of memory"
        elif folder is not None and _stored(folder, request["disk"]) > request["disk"]:
            problem = f"the program wrote more than {request['disk'] >> 20} MB, or hid what it wrote"
    _end_all(pid, code is None)
    return {"problem": problem, "code": code}


def _reaped(pid: int) -> int | None:
    """The exit code of the program, if it has ended; what else has ended is forgotten."""
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if ended == 0:
            return None
        if ended == pid:
            return os.waitstatus_to_exitcode(status)


def _end_all(pid: int, alive: bool) -> None:
    """Kill the program and all it started. Orphans are ours, so that killing is repeated until none is left."""
    if alive:
        _kill(pid, os.kill)
        _kill(pid, os.killpg)
    give_up = time.monotonic() + 5
    while time.monotonic() < give_up:
        for child in _children(os.getpid(), None):
            _kill(child, os.kill)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return


def _kill(pid: int, how) -> None:
    try:
        how(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _children(pid: int, proc: int | None) -> list[int]:
    prefix = "" if proc is not None else "/proc/"
    try:
        at = os.open(f"{prefix}{pid}/task/{pid}/children", os.O_RDONLY, dir_fd=proc)
    except OSError:
        return []
    with open(at, "rb") as file:
        return [int(one) for one in file.read().split()]


def _resident(proc: int, pid: int, most: int) -> int:
    """Bytes of memory that the program and what it started hold."""
    total, left, seen = 0, [pid], 0
    while left and seen < 200 and total <= most:
        one = left.pop()
        seen += 1
        try:
            at = os.open(f"{one}/statm", os.O_RDONLY, dir_fd=proc)
            with open(at, "rb") as file:
                total += int(file.read().split()[1]) * resource.getpagesize()
        except (OSError, IndexError):
            continue
        left += _children(one, proc)
    return total


def _stored(folder: str, most: int) -> int:
    """Bytes below a folder, counted as far as `most`; a file counts at least 4 kB. A folder that cannot be
    looked into counts as too much: it may hide anything."""
    total, left = 0, [folder]
    while left and total <= most:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    total += max(4096, entry.stat(follow_symlinks=False).st_blocks * 512)
        except FileNotFoundError:
            continue
        except OSError:
            return most + 1
    return total
