"""One client at work, in a process of its own: `python clients.py CLIENT URL WORKERS ...`; prints a JSON line.

With each number of workers it makes as many calls a second as it can, of the same kind of small prompts.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

INSTRUCTIONS = "Say which code a word gets, or unknown."


def prompts(n: int) -> list[list[dict]]:
    """Chat prompts, each of its own."""
    system = {"role": "system", "content": INSTRUCTIONS + "\nwords with foo get A0" * 20}
    return [[system, {"role": "user", "content": f"Which code does the word 'w{i}-foo' get? " + "and why " * 40}] for i in range(n)]


def ours(url: str, asked: list, workers: int) -> None:
    from fgo_kit import load_llm
    from fgo_kit.calls.limits import Limits
    from fgo_kit.calls.log import CallLog
    from fgo_kit.calls.meter import Meter, Place

    with tempfile.TemporaryDirectory() as folder, CallLog(Path(folder) / "log.sqlite") as log:
        log.begin("bench", {}, {})
        meter = Meter(load_llm("openai:words", base_url=url, api_key="none"), log, "bench", Limits(workers=workers))
        meter.ask(asked.pop(), Place("test"))
        yield
        meter.map(lambda at: meter.ask(asked[at], Place("test", task=str(at))), range(len(asked)))


def sdk(url: str, asked: list, workers: int) -> None:
    import openai

    client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
    client.chat.completions.create(model="words", messages=asked.pop())
    with ThreadPoolExecutor(workers) as pool:
        yield
        list(pool.map(lambda messages: client.chat.completions.create(model="words", messages=messages), asked))


def bare(url: str, asked: list, workers: int) -> None:
    import aiohttp

    async def work() -> None:
        waiting = list(asked)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def one() -> None:
                while waiting:
                    body = {"model": "words", "messages": waiting.pop()}
                    async with session.post(f"{url}/chat/completions", json=body) as reply:
                        await reply.json()

            await asyncio.gather(*(one() for _ in range(workers)))

    yield
    asyncio.run(work())


def gepa(url: str, asked: list, workers: int) -> None:
    from gepa.lm import LM

    lm = LM("openai/words", api_base=url)
    lm(asked.pop())
    yield
    lm.batch_complete(asked, max_workers=workers)


def dspy(url: str, asked: list, workers: int) -> None:
    import dspy as library

    lm = library.LM("openai/words", api_base=url, api_key="none", cache=False)
    lm(messages=asked.pop())
    with ThreadPoolExecutor(workers) as pool:
        yield
        list(pool.map(lambda messages: lm(messages=messages), asked))


def measured(client: str, url: str, workers: int) -> dict:
    """Seconds, CPU seconds and the number of calls."""
    asked = prompts(min(21 + 20 * workers, 1_001))
    going = globals()[client](url, asked, workers)
    next(going)  # all is imported, and the first call made
    start, cpu, made = time.perf_counter(), time.process_time(), len(asked)
    next(going, None)
    return {"workers": workers, "calls": made, "seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    os.environ |= {"OPENAI_API_KEY": "none", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    OUT, sys.stdout = sys.stdout, sys.stderr  # libraries print
    print(json.dumps([measured(*sys.argv[1:3], int(workers)) for workers in sys.argv[3:]]), file=OUT, flush=True)
    os._exit(0)  # some leave threads behind
