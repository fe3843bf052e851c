"""Runs a program that nobody trusts: `run(code, files)`.

The program runs in a process of its own with limits on CPU, memory, files, processes and time, in an empty
folder that is removed, with an empty environment, behind the strongest walls there are:

- "namespaces": a file system of memory with the interpreter and its packages alone, no network, no other process,
  no privileges (as root, a user id that nobody has; else a user namespace), and seccomp;
- "landlock": the kernel's Landlock for files, and seccomp for the network and other processes. A program cannot read,
  change or watch a file outside, but it can see that one is there, and its size, owner and times.

Which hold is tried out with a probe, until one is found to hold: a program that attempts what must not be possible.
Where none holds `run` raises SandboxUnavailable, unless it is told unsafe=True: then limits and folder alone.
"""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import selectors
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WALLS = ("namespaces", "landlock")
_HERE = str(Path(__file__).resolve().parent)
PROBE = Path(_HERE) / "probe.py"
_BOOT = f"import sys; sys.path.insert(0, {_HERE!r}); import room; room.main()"
_START = (
    "import sys; sys.path[:0] = ['']; sys.path += {packages!r}; sys.argv = ['program.py']; "
    "exec(compile(open(PROGRAM, encoding='utf-8').read(), 'program.py', 'exec'), {{'__name__': '__main__'}})"
)
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONUTF8": "1",
}  # fmt: skip
_ROOM_FAILED = "\0room\0"


class SandboxUnavailable(RuntimeError):
    """This platform cannot isolate a program; the message says what was tried and what there is to do."""


@dataclass(frozen=True)
class Limits:
    """The most a program may take. seconds of CPU (each process) and of the wall clock, MB of memory (resident, all
    processes) and of address space (each), MB written in all and to one file, processes and threads, open files,
    characters printed that are kept."""

    cpu: int = 10
    wall: float = 30.0
    memory: int = 512
    address_space: int = 2048
    disk: int = 64
    file: int = 32
    processes: int = 16
    open_files: int = 64
    output: int = 200_000


LIMITS = Limits()


@dataclass(frozen=True)
class Done:
    """What came of a program: what it printed, and what stopped it ("" when it ended well).

    failed: it was the sandbox that came to nothing, e.g. for want of memory or processes, not the program.
    """

    output: str
    problem: str = ""
    failed: bool = False


def run(code: str, files: dict[str, Path] | None = None, unsafe: bool = False, limits: Limits = LIMITS) -> Done:
    """Run a Python program with copies of `files` in its working directory, without standard input.

    Standard library and this environment's packages can be imported. Nothing it does outlives the call, and what
    stops it is told as a problem, never raised. Output is its standard output, then the end of its errors.
    Raises SandboxUnavailable where it cannot be isolated, unless unsafe.
    """
    return _launched(available() or _without(unsafe), code, files or {}, limits)


def available() -> str:
    """ "namespaces" or "landlock", whichever holds here, or "" where nothing does."""
    return next((name for name, problem in _tried().items() if not problem), "")


def _without(unsafe: bool) -> str:
    if unsafe:
        return "none"
    tried = "; ".join(_tried().values())
    raise SandboxUnavailable(f"run_python cannot isolate a program from this machine, so it runs none ({tried}). It "
                             "needs Linux 5.13 or newer with user namespaces or Landlock; in Docker, run as root of a "
                             "container started with --security-opt seccomp=unconfined, or a host that has Landlock. "
                             "load_benchmark('gaia', unsafe=True) runs programs all the same: do that only on a "
                             "machine with nothing to lose.")


_held: dict[str, str] = {}


def _tried() -> dict[str, str]:
    """What is wrong with each wall, "" for one that holds; the first that holds is the last tried. Remembered once
    one holds: that none does may be for want of memory just now."""
    if _held:
        return dict(_held)
    found: dict[str, str] = {}
    for name in WALLS:
        found[name] = _probed(name) if sys.platform == "linux" else f"{name}: only on Linux"
        if not found[name]:
            _held.update(found)
            break
    return found


def _probed(wall: str) -> str:
    """What is wrong with a wall: a program behind it tries what must not be possible."""
    folder = Path(tempfile.mkdtemp(prefix="fgo-probe-"))
    try:
        mailbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with socket.create_server(("127.0.0.1", 0)) as listening, mailbox:
            canary, given, address = folder / "canary", folder / "probe.json", folder / "mailbox"
            mailbox.bind(str(address))
            canary.write_text("canary")
            for path, mode in ((folder, 0o777), (canary, 0o644), (address, 0o777)):
                path.chmod(mode)
            facts = {
                "canary": str(canary), "outside": str(folder / "outside"), "mailbox": str(address),
                "port": listening.getsockname()[1], "parent": os.getpid(), "home": _in_home(),
                "processes": LIMITS.processes,
                "keys": sorted(set(os.environ) - set(_ENVIRONMENT) - {"HOME", "TMPDIR", "PWD", "LC_CTYPE"}),
            }  # fmt: skip
            given.write_text(json.dumps(facts))
            before = _attributes(canary)
            done = _launched(wall, PROBE.read_text(encoding="utf-8"), {"probe.json": given}, LIMITS)
        if done.problem or done.output != "broken: nothing":
            return f"{wall}: {done.problem or done.output}".strip()[:300]
        return "" if _attributes(canary) == before else f"{wall}: broken: the attributes of a file outside"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _attributes(path: Path) -> tuple:
    found = path.stat()
    return found.st_mode, found.st_uid, found.st_mtime_ns, found.st_size


def _in_home() -> list[str]:
    """Some files of the user's home folder: a program must not be able to open them."""
    try:
        files = [path for path in sorted(Path.home().iterdir()) if path.is_file() and os.access(path, os.R_OK)]
    except (OSError, RuntimeError):
        return []
    return [str(path) for path in files[:3]]


@cache
def _interpreter() -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The interpreter, the folders of its packages, and all that a program must see to run with them."""
    python = os.path.realpath(sys.executable)
    packages = tuple(dict.fromkeys(os.path.realpath(sysconfig.get_path(key)) for key in ("purelib", "platlib")))
    shared = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache")
    base = [os.path.realpath(path) for path in (sys.base_prefix, sys.base_exec_prefix)]
    checkout, here = Path(__file__).resolve().parents[2], Path.cwd().resolve()
    private = [str(place) for place in (here, checkout) if not str(place).startswith(packages)]
    base = [path for base in base for path in (base, f"{base}/lib") if not any(_holds(path, one) for one in private)]
    seen = [*shared, *base, python, os.path.realpath(sysconfig.get_path("stdlib")), *packages]
    seen = [path for path in dict.fromkeys(seen) if os.path.exists(path)]
    home = os.path.realpath(os.path.expanduser("~"))
    wide = [path for path in seen if path == "/" or _holds(path, home)]
    return python, packages, tuple(path for path in seen if path not in wide)


def _holds(folder: str, path: str) -> bool:
    return f"{path}/".startswith(f"{folder}/")


def _request(wall: str, code: str, files: dict[str, Path], limits: Limits) -> dict:
    python, packages, seen = _interpreter()
    megabyte = 1 << 20
    bounds = {
        "RLIMIT_CPU": limits.cpu, "RLIMIT_AS": limits.address_space * megabyte, "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": limits.file * megabyte, "RLIMIT_NOFILE": limits.open_files, "RLIMIT_STACK": 8 * megabyte,
        "RLIMIT_MEMLOCK": 0, "RLIMIT_NPROC": 0, "RLIMIT_MSGQUEUE": 0,
    }  # fmt: skip
    return {
        "wall": wall, "code": code, "files": {name: str(path) for name, path in files.items()}, "limits": bounds,
        "processes": limits.processes, "memory": limits.memory * megabyte, "disk": limits.disk * megabyte,
        "wall_seconds": limits.wall, "seen": list(seen), "python": python, "env": _ENVIRONMENT,
        "flags": ["-s", "-S", "-P", "-B"], "start": _START.format(packages=list(packages)),
    }  # fmt: skip


def _launched(wall: str, code: str, files: dict[str, Path], limits: Limits) -> Done:
    try:
        return _started(wall, code, files, limits)
    except (OSError, RuntimeError) as error:  # no process, thread, memory or room on the disk
        return Done("", f"the sandbox failed: {type(error).__name__}: {error}", failed=True)


def _started(wall: str, code: str, files: dict[str, Path], limits: Limits) -> Done:
    request = _request(wall, code, files, limits)
    report, write = os.pipe()
    folder = tempfile.mkdtemp(prefix="fgo-job-") if wall != "namespaces" else ""
    request |= {"report": write, "folder": folder}
    try:
        launcher = subprocess.Popen(
            [request["python"], "-I", "-S", "-c", _BOOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={}, pass_fds=(write,), start_new_session=True, cwd="/",
        )  # fmt: skip
        os.close(write)
        write = -1
        return _told(*_collected(launcher, marshal.dumps(request), report, limits), limits)
    finally:
        os.close(report)
        if write >= 0:
            os.close(write)
        if folder:
            _removed(folder)


def _removed(folder: str) -> None:
    """A program may leave trees too deep for Python, and folders that their owner may not enter."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.isdir(folder):
        for command in (["chmod", "-R", "u+rwx", folder], ["rm", "-rf", folder]):
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False)


def _collected(launcher: subprocess.Popen, request: bytes, report: int, limits: Limits) -> tuple[bytes, bytes, bytes]:
    """(output, errors, report) of a launcher, which is ended when it takes too long or prints too much."""
    texts = {launcher.stdout.fileno(): bytearray(), launcher.stderr.fileno(): bytearray(), report: bytearray()}
    feeder = threading.Thread(target=_feed, args=(launcher, request), daemon=True)
    feeder.start()
    end, printed, most = time.monotonic() + limits.wall + 10, 0, 20 * limits.output
    try:
        with selectors.DefaultSelector() as selector:
            for number in texts:
                selector.register(number, selectors.EVENT_READ)
            while selector.get_map() and time.monotonic() < end:
                for key, _ in selector.select(timeout=0.5):
                    data = os.read(key.fd, 65_536)
                    printed += len(data) if key.fd != report else 0
                    texts[key.fd] += data[: max(0, 4 * limits.output - len(texts[key.fd]))]
                    if not data:
                        selector.unregister(key.fd)
                if printed > most and not launcher.stdin.closed:
                    feeder.join(5)
                    launcher.stdin.close()  # the launcher ends the program
    finally:
        feeder.join(5)
        for pipe in (launcher.stdin, launcher.stdout, launcher.stderr):
            pipe.close()
        try:
            launcher.wait(5)
        except subprocess.TimeoutExpired:
            launcher.kill()
            launcher.wait()
    out, err, told = (bytes(text) for text in texts.values())
    if printed > most:
        told = marshal.dumps({"problem": f"the program printed more than {most:,} characters", "code": None})
    return out, err, told


def _feed(launcher: subprocess.Popen, request: bytes) -> None:
    try:
        launcher.stdin.write(len(request).to_bytes(4, "big") + request)
        launcher.stdin.flush()
    except (BrokenPipeError, ValueError):
        return


def _told(out: bytes, err: bytes, report: bytes, limits: Limits) -> Done:
    output, errors = (text.decode("utf-8", "replace").replace("\r\n", "\n") for text in (out, err))
    told = marshal.loads(report) if report else {"setup": errors[-300:] or "the launcher ended without a report"}
    if "setup" in told:
        return Done("", f"the sandbox failed: {told['setup']}", failed=True)
    if _ROOM_FAILED in errors and told["code"] == 120:
        return Done("", f"the sandbox failed: {errors.partition(_ROOM_FAILED)[2][:300]}")
    if len(output) > limits.output:
        output = f"{output[: limits.output]}\n[cut: it printed more than {limits.output:,} characters]"
    output = "\n".join(part for part in (output.rstrip(), _last(errors)) if part)
    return Done(output, told["problem"] or _ended(told["code"]))


def _last(errors: str) -> str:
    """The end of what a program wrote to its errors: a traceback says there what went wrong."""
    lines = [line for line in errors.rstrip().splitlines() if '"<string>", line 1' not in line]
    return "\n".join(lines[-20:])[-2_000:]


def _ended(code: int) -> str:
    number = code - 128 if code > 128 else -code
    if number in (9, 24):
        return "the program was stopped: out of CPU time or memory"
    if number == 25:
        return "the program was stopped: a file grew too large"
    if number in (4, 5, 6, 7, 8, 11, 31):
        return f"the program crashed (signal {number})"
    return f"the program ended with code {code}" if code else ""
