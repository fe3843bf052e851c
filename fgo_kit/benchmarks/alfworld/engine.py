"""ALFWorld's engine from the driver's side: a pool of worker processes, and a game in one of them.

The engine shares its parser and replaces `sys.stdout`, so it must not run in threads of the driver. Every
worker is a process with one environment that is used again for game after game. What a worker is told is a
game and the actions so far, so that one that dies or hangs is replaced and the game played up to the same
point; nothing random happens in a game.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import select
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path

from ...algorithm.benchmark import EnvironmentFailed
from ...calls.protocol import FGOError
from ...runs.places import RUNS

PARTS = ("textworld", "fast_downward", "alfworld")
NOTHING = "Nothing happens."
WALL_LIMIT = 120.0
"""Seconds a worker may take for one answer; a start takes about one, a step a few thousandths."""
GAMES_A_WORKER = 500
"""A worker is replaced after so many games: the planner library keeps a little of every game."""
REPLACEMENTS = 2
_WORKER = Path(__file__).with_name("worker.py")
_CACHE = RUNS / "alfworld_cache"


class EngineError(FGOError):
    """The game engine is missing or does not start, so no game can be played."""


class WorkerDied(Exception):
    """A worker ended or took too long; its game can be played again in another."""


def missing() -> str:
    """Why no game can be played here, "" where one can."""
    absent = [name for name in PARTS if importlib.util.find_spec(name) is None]
    if not absent:
        return ""
    return (f"the ALFWorld engine is not installed ({', '.join(absent)} missing); it needs a C++ compiler: install g++ "
            "and make, then run `make engine`, or where there is no checkout pip install 'fgo-kit[alfworld]'")


class Worker:
    """One engine process. Raises WorkerDied when no answer comes within the wall limit, the first one included,
    EngineError when the engine cannot be imported, EnvironmentFailed when it cannot do what is asked."""

    def __init__(self, cache_dir: Path | None = _CACHE, wall_limit: float = WALL_LIMIT):
        # Sets of strings are walked in an order that depends on the hash seed; alfworld makes the folder
        # ALFWORLD_DATA when it is imported; -P keeps this package's folder from hiding alfworld itself.
        folder = str(cache_dir or "")
        env = {**os.environ, "PYTHONHASHSEED": "0", "ALFWORLD_DATA": folder or os.devnull}
        self.wall_limit, self.games, self.busy, self._rest = wall_limit, 0, True, b""
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER), folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env,
            start_new_session=True,  # an interrupt is meant for the driver
        )  # fmt: skip
        try:
            told = self._read()
            if "error" in told:
                raise EngineError(f"the ALFWorld engine does not start: {told['error']}; run `make engine`")
        except BaseException:
            self.kill()
            raise

    def ask(self, **request) -> dict:
        self.busy = True  # until the answer is read: after an interrupt it would answer the wrong question
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise WorkerDied(str(error)) from error
        reply = self._read()
        if "error" in reply:
            raise EnvironmentFailed(reply["error"])
        return reply

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(OSError):  # what was not written yet cannot be
            self.process.stdin.close()

    def _read(self) -> dict:
        until, pieces = time.monotonic() + self.wall_limit, [self._rest]
        while b"\n" not in pieces[-1]:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, until - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not piece:
                raise WorkerDied(f"no answer within {self.wall_limit:g} s" if not ready else "it ended")
            pieces.append(piece)
        line, _, self._rest = b"".join(pieces).partition(b"\n")
        self.busy = False
        return json.loads(line)


class Pool:
    """At most `processes` workers, started when one is needed. Whoever asks for more waits."""

    def __init__(self, processes: int, cache_dir: Path | None = _CACHE, wall_limit: float = WALL_LIMIT):
        if isinstance(processes, bool) or not isinstance(processes, int) or processes < 1:
            raise ValueError(f"processes={processes!r} is not allowed; use an integer >= 1")
        self.cache_dir, self.wall_limit, self._pid = cache_dir, wall_limit, os.getpid()
        self._idle: list[Worker] = []
        self._free = threading.BoundedSemaphore(processes)
        self._lock = threading.Lock()

    def take(self) -> Worker:
        self._free.acquire()
        try:
            return self.ready()
        except BaseException:
            self._free.release()
            raise

    def ready(self) -> Worker:
        """An idle worker or a new one, for whoever holds a place in the pool. EngineError when none starts."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        for _ in range(REPLACEMENTS + 1):
            try:
                return Worker(self.cache_dir, self.wall_limit)
            except WorkerDied as died:
                reason = str(died)
        raise EngineError(f"the ALFWorld engine does not start: {reason}; run `make engine`")

    def give_back(self, worker: Worker | None) -> None:
        """None, or a worker that has played its share, only frees the place."""
        if worker is not None and (worker.busy or worker.games >= GAMES_A_WORKER):
            worker.kill()
        elif worker is not None:
            with self._lock:
                self._idle.append(worker)
        self._free.release()

    def close(self) -> None:
        """End the idle workers. Those in use end with this process, because their stdin does."""
        if os.getpid() != self._pid:  # a forked child at its end: the workers are its parent's
            return
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.kill()


@cache
def _pool(processes: int, pid: int) -> Pool:
    made = Pool(processes)
    atexit.register(made.close)
    return made


def pool(processes: int) -> Pool:
    """The pool of that size of this process; a forked child does not share its parent's."""
    return _pool(processes, os.getpid())


class Game:
    """One game being played: `text`, `commands` (what is possible now) and `won` after every step.

    game: path of a game.tw-pddl, or its content as a dict. Raises EnvironmentFailed for a game that cannot be
    loaded, or whose workers died again and again on the same action; EngineError where no game can be played.
    """

    def __init__(self, game: str | dict, workers: Pool):
        if reason := missing():
            raise EngineError(reason)
        self._game = game if isinstance(game, dict) else str(game)
        self._pool, self._worker = workers, workers.take()
        self._actions: list[str] = []
        try:
            self._note(self._ask(op="start", game=self._game))
            self._worker.games += 1
        except BaseException:
            self.close()
            raise

    def step(self, action: str) -> str:
        """The text that answers the action; `Nothing happens.` when it is not possible now."""
        if self._worker is None:
            raise EngineError("this game has been closed; start it again")
        self._note(self._ask(op="step", action=action))
        self._actions.append(action)
        return self.text

    def state(self) -> dict:
        """Where the agent is, what it holds; every object with its place and what was done to it."""
        return self._ask(op="state")

    def close(self) -> None:
        """Give the worker back. A second call does nothing."""
        if self._pool is not None:
            self._pool.give_back(self._worker)
            self._pool = self._worker = None

    def _note(self, reply: dict) -> None:
        self.text, self.won, self.commands = reply["text"], reply["won"], reply["commands"]

    def _ask(self, **request) -> dict:
        for _ in range(REPLACEMENTS + 1):
            try:
                if self._worker is None:
                    self._replay(request["op"])
                return self._worker.ask(**request)
            except EnvironmentFailed as error:
                raise EnvironmentFailed(f"{self._named()}: {error}; leave this game out") from error
            except WorkerDied as died:
                reason = str(died)
                if self._worker is not None:
                    self._worker.kill()
                    self._worker = None
        raise EnvironmentFailed(f"the engine failed {REPLACEMENTS + 1} times after {len(self._actions)} actions of "
                                f"{self._named()} ({reason}); leave this game out, or report it")

    def _replay(self, op: str) -> None:
        self._worker = self._pool.ready()
        if op != "start":
            self._worker.ask(op="start", game=self._game)
            self._worker.games += 1
            for action in self._actions:
                self._worker.ask(op="step", action=action)

    def _named(self) -> str:
        return self._game if isinstance(self._game, str) else "this generated game"
