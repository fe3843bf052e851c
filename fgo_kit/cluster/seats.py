"""Environments that are played elsewhere: an executor has workers take seats, each of which plays task after task.

A seat is a thread of a worker's process with a wire to this one, where the run is. It takes none of the worker's places
for other work: most of the time it waits for the agent's next action. Where a seat is lost, its task is played again in
another one, up to the same point.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, nullcontext, suppress
from ssl import SSLContext
from threading import BoundedSemaphore, Condition, Thread
from typing import Any

from ..algorithm.benchmark import Benchmark, Environment, EnvironmentFailed
from ..calls.protocol import Cancelled, FGOError
from ..records import Task
from .wire import Address, Door, Gone, answer, connected, exchange, own_tls

LOST = 3
"""A task that loses so many seats is given up: it may be what ends them."""


class NotReady(FGOError):
    """Workers of a cluster cannot do what is asked of them; nothing was begun."""


class Seats(Door):
    """Of one run, until `close`. submit: has a worker call a function with arguments."""

    def __init__(self, bench: Benchmark, submit: Callable[..., Future], host: str, tls: SSLContext | None = None):
        self._bench, self._submit = bench, submit
        self.places = BoundedSemaphore(bench.at_once) if bench.at_once else nullcontext()
        self._changed, self._idle, self._asked_for = Condition(), list[Any](), list[Future]()
        self._end: FGOError | None = None
        super().__init__(host, tls)

    def start(self, task: Task) -> Environment:
        """The task's environment, in a seat; as `Benchmark.start`."""
        return _Played(self, task)

    def enter(self, wire: Any) -> None:
        """A seat is free, or left where nothing is begun any more."""
        with self._changed:
            if self._end is not None:
                return wire.close()
            self._idle.append(wire)
            self._changed.notify()

    def take(self) -> Any:
        """A free seat; where there is none, one more is asked for."""
        while True:
            with self._changed:
                if not self._idle and self._end is None:
                    self._asked_for.append(self._submit(take_seat, self._bench, self.address))
                    self._asked_for[-1].add_done_callback(self._look)
                self._changed.wait_for(lambda: self._idle or self._end)
                if self._end is not None:
                    raise self._end
                wire = self._idle.pop()
            with suppress(Gone):  # lost while it was idle
                exchange(wire, "leave")
                return wire

    def close(self) -> None:
        """No task is begun any more; seats that are free are left."""
        self._stop(Cancelled("the run has ended"))
        for future in self._asked_for:
            future.cancel()
        self.shutdown()
        self.server_close()

    def _look(self, future: Future) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self._stop(NotReady(f"a worker cannot play {self._bench.name}: {type(error).__name__}: {error}"))

    def _stop(self, why: FGOError) -> None:
        with self._changed:
            self._end = self._end or why
            while self._idle:
                self._idle.pop().close()
            self._changed.notify_all()


class _Played(Environment):
    """A task in a seat; where that is lost, in another, after the same actions."""

    def __init__(self, seats: Seats, task: Task):
        self._seats, self._task, self._seat = seats, task, None
        self._actions: list[str] = []
        self._told: list[Any] = []
        self._place = ExitStack()
        self._place.enter_context(seats.places)
        try:
            self._told.append(self._asked("start", task))
        except BaseException:
            self.close()
            raise

    def observe(self) -> str:
        return self._told[0]

    def step(self, action: str) -> tuple[str, bool]:
        told = self._asked("step", action)
        self._actions.append(action)
        self._told.append(told)
        return told

    def close(self) -> None:
        with self._place, suppress(Gone):
            if self._seat is not None:
                self._exchange("leave")
                self._seats.enter(self._seat)

    def _asked(self, request: str, argument: Any) -> Any:
        for _ in range(LOST):
            with suppress(Gone):
                if self._seat is None and self._told:
                    self._play_again()
                told, self.answer, self.info, self.final = self._exchange(request, argument)
                return told
        raise EnvironmentFailed(f"task {self._task.id}: {LOST} workers were lost while they played it; leave it out, "
                                "or look at what the workers say")

    def _play_again(self) -> None:
        steps = [("start", self._task), *(("step", action) for action in self._actions)]
        if (now := [self._exchange(*step)[0] for step in steps]) != self._told:
            raise EnvironmentFailed(f"task {self._task.id}: its worker was lost, and with the same actions on another "
                                    f"it went otherwise ({str(now[-1]):.200}); run the same again")

    def _exchange(self, *request: Any) -> Any:
        """Without a seat while the answer is out: one that was not waited for would answer the wrong question."""
        seat, self._seat = self._seat or self._seats.take(), None
        is_fine, answer = exchange(seat, *request)
        self._seat = seat
        if is_fine:
            return answer
        raise answer


class _Seat:
    """Plays one task after another, on a worker."""

    def __init__(self, bench: Benchmark):
        self._bench, self._environment = bench, Environment()

    def start(self, task: Task) -> tuple[Any, ...]:
        self.leave()
        self._environment = self._bench.start(task)
        return self._told(self._environment.observe())

    def step(self, action: str) -> tuple[Any, ...]:
        return self._told(self._environment.step(action))

    def leave(self) -> None:
        """End the task, if there is one."""
        environment, self._environment = self._environment, Environment()
        environment.close()

    def _told(self, told: Any) -> tuple[Any, ...]:
        played = self._environment
        return told, played.answer, dict(played.info), played.final


def take_seat(bench: Benchmark, address: Address) -> None:
    """Have this process play for the run at an address from now on."""
    wire = connected(address, own_tls(address))
    Thread(target=_play, args=(wire, _Seat(bench)), daemon=True, name="fgo seat").start()


def _play(wire: Any, seat: _Seat) -> None:
    try:
        while True:
            answer(wire, seat)
    except Gone:
        pass
    finally:
        seat.leave()
        with suppress(OSError):  # what was not sent yet cannot be
            wire.close()
