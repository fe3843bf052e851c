"""Async functions from where a loop may be running already, as in a notebook's cell."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import wait
from functools import cache
from typing import Any

from .clock import TICK


def settled(value: Any) -> Any:
    """What an awaitable comes to; any other value itself. An interrupt cancels what is awaited.

    All run in one loop in a thread of its own, so that clients which belong to a loop can be used again and again.
    """
    if not inspect.isawaitable(value):
        return value
    future = asyncio.run_coroutine_threadsafe(_awaited(value), _loop())
    try:
        while not wait([future], TICK).done:
            pass
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def _awaited(value: Any) -> Any:
    return await value


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="fgo loop").start()
    return loop
