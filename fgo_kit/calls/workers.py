"""Threads for LLM calls: an ordered `map` on shared workers, and `together` for what runs side by side.

With workers=1 one job follows another, in order, but for those that wait before they are tried again. Threads are
daemons that end when there is nothing left to do, so an interrupt never waits for a call that hangs.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from .clock import TICK, held_lock
from .protocol import Cancelled

AWAY = 16
"""So many workers at least may be away, each with a job that waits; others do other jobs meanwhile."""
SIDE_BY_SIDE = 256
"""So many may be away for a batch."""
BESIDE = 4
"""Times as many as `workers`: threads of `together`, so that workers have work and threads are few."""
IDLE_SECONDS = 10.0
_IDLE: deque[SimpleQueue] = deque()  # where threads that wait for a call to make get it from
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_IDLE.clear)  # threads do not come along


class Group:
    """Work started together: when one part fails, what has not started is dropped."""

    def __init__(self, parent: Group | None, size: int = 0):
        self.parent = parent
        self.error: BaseException | None = None
        self.results: list[Any] = [None] * size
        self.left = size
        self.lock = threading.Lock()
        self.done = threading.Event()

    @property
    def cause(self) -> BaseException | None:
        """The error that stopped this group or one it is part of."""
        group: Group | None = self
        while group is not None:
            if group.error is not None:
                return group.error
            group = group.parent
        return None

    def fail(self, error: BaseException) -> None:
        with self.lock:
            self.error = self.error or error

    def run(self, index: int, thunk: Callable[[], Any]) -> None:
        """Do one part, unless the group has been stopped."""
        try:
            if self.cause is None:
                self.results[index] = thunk()
        except BaseException as error:  # kept, and raised where the group is awaited
            self.fail(error)
        with self.lock:
            self.left -= 1
            if self.left == 0:
                self.done.set()


class Pool:
    """At most `workers` leaf jobs at a time for a whole run, however `map` and `together` are nested."""

    def __init__(self, workers: int):
        self.workers = workers
        self.most = math.inf  # jobs that can be under way, those that are away included
        self.away_at_most = max(AWAY, 2 * workers)
        self._root = Group(None)
        self._here = threading.local()  # .group the thread works for, .leaf whether it is a worker, .away one that left
        self._queue: deque[tuple[Group, int, Callable[[], Any]]] = deque()
        self._alive = 0  # workers at work
        self._away = self._returning = 0  # those that only wait, and those of them that are done with it
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)

    def check(self) -> None:
        """Raise Cancelled when the run, or the work this thread is part of, has been stopped."""
        cause = getattr(self._here, "group", self._root).cause
        if cause is not None:
            raise Cancelled(f"not done, because of {type(cause).__name__}: {cause}")

    def cancel(self) -> None:
        """Drop all queued work; whatever asks from now on is refused with Cancelled."""
        self._root.fail(Cancelled("the run was interrupted; running it again resumes it"))
        with self._lock:
            self._queue.clear()

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """`[fn(item) for item in items]` on the shared workers. The first error drops what has not
        started, lets the rest finish, and is raised."""
        jobs = [partial(fn, item) for item in items]
        if self._inline(jobs):
            return self._in_order(jobs)
        group = self._group(len(jobs))

        def start() -> None:
            with self._lock:
                self._queue.extend((group, index, job) for index, job in enumerate(jobs))
                self._start()

        return self._await(group, start)

    def together(self, thunks: Iterable[Callable[[], Any]]) -> list[Any]:
        """Call thunks side by side, for work that mostly waits in `map`; in order with workers=1."""
        jobs = list(thunks)
        if self.workers == 1 or self._inline(jobs):
            return self._in_order(jobs)
        group = self._group(len(jobs))

        def start() -> None:
            waiting = deque(enumerate(jobs))
            for _ in range(min(len(jobs), max(BESIDE * self.workers, self.away_at_most))):
                threading.Thread(target=self._control, args=(group, waiting), daemon=True, name="fgo control").start()

        return self._await(group, start)

    def leave(self) -> None:
        """A worker that only waits from here on leaves its place to another job, until it comes back.

        At most twice as many as `workers` are away, or `AWAY`: more would do nothing but wait either, unless what they
        wait for is a batch. Where no more than `most` jobs can be under way, none is begun that would wait for those
        that are away, and they for it.
        """
        with self._lock:
            room = min(self.away_at_most, self.most - self.workers) - self._away - self._returning
            if getattr(self._here, "leaf", False) and not self._here.away and room > 0:
                self._here.away = True
                self._away += 1
                self._alive -= 1
                self._start()

    def come_back(self) -> None:
        """Take a place again, when one is free, after all that others may wait for is done."""
        if not getattr(self._here, "away", False):
            return
        with self._room:
            self._here.away = False
            self._away -= 1
            self._returning += 1
            while self._alive >= self.workers and self._here.group.cause is None:
                self._room.wait(TICK)
            self._returning -= 1
            self._alive += 1

    def _start(self) -> None:
        """Start workers for what is queued; called with the lock held."""
        starting = max(0, min(self.workers - self._alive, len(self._queue)))
        self._alive += starting
        for _ in range(starting):
            threading.Thread(target=self._work, daemon=True, name="fgo worker").start()

    def _inline(self, jobs: list) -> bool:
        # a worker that waited for other workers could wait for ever, so it does nested work itself
        return not jobs or getattr(self._here, "leaf", False)

    def _group(self, size: int) -> Group:
        return Group(getattr(self._here, "group", self._root), size)

    def _in_order(self, jobs: list[Callable[[], Any]]) -> list[Any]:
        results = []
        try:
            for job in jobs:
                self.check()
                results.append(job())
        except KeyboardInterrupt:
            self.cancel()
            raise
        return results

    def _await(self, group: Group, start: Callable[[], None]) -> list[Any]:
        try:
            start()
            while not group.done.wait(TICK):
                if self._root.error is not None:
                    self.check()
        except KeyboardInterrupt:
            self.cancel()
            raise
        if group.error is not None:
            raise group.error
        self.check()
        return group.results

    def _control(self, group: Group, waiting: deque[tuple[int, Callable[[], Any]]]) -> None:
        self._here.group = group
        with suppress(IndexError):
            while True:
                index, job = waiting.popleft()
                group.run(index, job)

    def _work(self) -> None:
        self._here.leaf, self._here.away = True, False
        while True:
            with self._lock:
                if not self._queue or self._alive + self._returning > self.workers:
                    self._alive -= 1
                    self._room.notify_all()
                    return
                group, index, job = self._queue.popleft()
            self._here.group = group
            group.run(index, job)


class Awaited:
    """An answer, or an error, that another thread brings: `here` is held until then. A Future takes much longer."""

    __slots__ = ("answer", "error", "here")

    def __init__(self):
        self.answer: Any = None
        self.error: BaseException | None = None
        self.here = held_lock()


def within(seconds: float, fn: Callable[[], Any]) -> Any:
    """`fn()`, in another thread that is left behind with a TimeoutError when it takes longer.

    A thread that is done waits a while for its next call: to start one takes longer than all the rest.
    """
    awaited = Awaited()
    try:
        calls = _IDLE.pop()
    except IndexError:
        calls = SimpleQueue()
        threading.Thread(target=_make_calls, args=(calls,), daemon=True, name="fgo call").start()
    calls.put((fn, awaited))
    if not awaited.here.acquire(timeout=seconds):
        raise TimeoutError(f"no answer within {seconds:g} s")
    if awaited.error is not None:
        raise awaited.error
    return awaited.answer


def _make_calls(calls: SimpleQueue) -> None:
    while True:
        try:
            fn, awaited = calls.get(timeout=IDLE_SECONDS)
        except Empty:
            with suppress(ValueError):  # where a call is on its way here
                _IDLE.remove(calls)
                return
            continue
        try:
            awaited.answer = fn()
        except BaseException as error:  # raised where the result is awaited
            awaited.error = error
        _IDLE.append(calls)
        awaited.here.release()
        del fn, awaited
