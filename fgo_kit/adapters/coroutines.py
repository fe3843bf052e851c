"""Async functions from where a loop may be running already, as in a notebook's cell."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import wait
from typing import Any

from ..calls.clock import TICK

_LOOPS: dict[str, asyncio.AbstractEventLoop] = {}
_LOCK = threading.Lock()


def settled(value: Any, loop: str = "llms") -> Any:
    """What an awaitable comes to; any other value itself. An interrupt cancels what is awaited.

    All of one kind run in one loop in a thread of its own, so that clients which belong to a loop can be used again and
    again. loop: the kind; one that waits for another, as agents do for LLMs, has to be of its own.
    """
    if not inspect.isawaitable(value):
        return value
    future = asyncio.run_coroutine_threadsafe(_awaited(value), _running(loop))
    try:
        while not wait([future], TICK).done:
            pass
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def _awaited(value: Any) -> Any:
    return await value


def _running(kind: str) -> asyncio.AbstractEventLoop:
    with _LOCK:
        if kind not in _LOOPS:
            _LOOPS[kind] = asyncio.new_event_loop()
            threading.Thread(target=_LOOPS[kind].run_forever, daemon=True, name=f"loop of {kind}").start()
        return _LOOPS[kind]
