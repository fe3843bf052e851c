"""Processes for the runs of a grid, which the next grid uses again."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context, parent_process
from threading import Thread
from types import ModuleType
from typing import Any, TypeVar

Job = TypeVar("Job")


def in_processes(function: Callable[[Job], Any], jobs: Sequence[Job]) -> Generator[tuple[Job, Any], None, None]:
    """(job, what the function makes of it) as they end. Where one fails or nobody waits, the rest is dropped."""
    try:
        with _no_script():
            futures = {_processes().submit(function, job): job for job in jobs}
        yield from ended(futures)
    except BaseException:
        _processes().shutdown(wait=False, cancel_futures=True)
        _processes.cache_clear()
        raise


def ended(futures: Mapping[Future, Job]) -> Iterator[tuple[Job, Any]]:
    """(job, what its future gives) as they end. Raises RuntimeError for processes that end too early."""
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "a process of this grid ended early, for want of memory perhaps; pass executor=ThreadPoolExecutor(1) to do "
            "without, or, with processes of your own, call compare under `if __name__ == '__main__':`"
        ) from error


@cache
def _processes() -> ProcessPoolExecutor:
    """One a core. A process takes seconds to start, most of them for imports: it stays for the grids to come."""
    return ProcessPoolExecutor(os.cpu_count() or 1, get_context("spawn"), _start)


def _start() -> None:
    """An interrupt is for the one that made this process; when that one is killed, which cannot tell it so, it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=lambda: parent_process().join() or os._exit(1), daemon=True).start()  # pyright: ignore


@contextmanager
def _no_script() -> Iterator[None]:
    """Processes started in here do not run the caller's script again: all they need comes from this package."""
    script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
