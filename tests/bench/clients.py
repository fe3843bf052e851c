"""One client at work, in a process of its own: `python clients.py calls|learn CLIENT URL WORKERS`; prints a JSON line.

calls: as many calls a second as it makes of the same kind of small prompts. learn: a whole optimisation of the word
task, up to a score of 1 on tasks it was not shown.
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

os.environ |= {"OPENAI_API_KEY": "none", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
KINDS = {kind: f"{'ABCDEFGH'[i]}{i}" for i, kind in enumerate(("foo", "bar", "baz", "qux", "zap", "nim", "tor", "ven"))}
TASKS = [(f"Which code does the word 'w{n}-{kind}' get?", code) for n in range(10) for kind, code in KINDS.items()]
TRAIN, HELD_OUT = TASKS[:40], TASKS[40:]
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


def learn_ours(url: str, workers: int) -> float:
    import fgo_kit as fgo

    rows = [{"question": question, "answer": code, "split": split}
            for split, part in (("train", TRAIN), ("test", HELD_OUT)) for question, code in part]  # fmt: skip
    bench = fgo.from_table(rows, instructions=INSTRUCTIONS, split="split")
    with tempfile.TemporaryDirectory() as folder:
        done = fgo.run(bench, fgo.load_llm("openai:words", base_url=url, api_key="none"), workers=workers,
                       n_subsets=4, epochs=1, log=Path(folder) / "log.sqlite")  # fmt: skip
        return done.score


def learn_gepa(url: str, workers: int) -> float:
    import gepa as library
    from gepa.adapters.default_adapter.default_adapter import DefaultAdapter
    from gepa.lm import LM
    from gepa.utils.stop_condition import ScoreThresholdStopper

    def instances(part: list) -> list[dict]:
        return [{"input": question, "answer": code, "additional_context": {}} for question, code in part]

    adapter = DefaultAdapter(LM("openai/words", api_base=url), max_litellm_workers=workers)
    result = library.optimize(
        {"system": INSTRUCTIONS}, instances(TRAIN[:20]), instances(TRAIN[20:]), adapter=adapter, raise_on_exception=True,
        reflection_lm=LM("openai/words", api_base=url), max_metric_calls=2_000, stop_callbacks=ScoreThresholdStopper(1.0),
    )  # fmt: skip
    scores = adapter.evaluate(instances(HELD_OUT), result.best_candidate).scores
    return sum(scores) / len(scores)


def learn_dspy(url: str, workers: int) -> float:
    import dspy as library
    from gepa.utils.stop_condition import ScoreThresholdStopper

    lm = library.LM("openai/words", api_base=url, api_key="none", cache=False)
    library.configure(lm=lm)

    def examples(part: list) -> list:
        return [library.Example(question=question, answer=code).with_inputs("question") for question, code in part]

    def metric(gold, pred, *_):
        right = gold.answer == pred.answer
        return library.Prediction(score=float(right), feedback=f"The correct answer is '{gold.answer}'.")

    student = library.Predict(library.Signature("question -> answer", INSTRUCTIONS))
    optimiser = library.GEPA(metric, max_metric_calls=2_000, num_threads=workers, reflection_lm=lm,
                             gepa_kwargs={"stop_callbacks": ScoreThresholdStopper(1.0)})  # fmt: skip
    learnt = optimiser.compile(student, trainset=examples(TRAIN[:20]), valset=examples(TRAIN[20:]))
    evaluate = library.Evaluate(devset=examples(HELD_OUT), metric=metric, num_threads=workers)
    return float(evaluate(learnt).score) / 100


def main(what: str, client: str, url: str, workers: int) -> None:
    """Print seconds, CPU seconds, and the number of calls or the score."""
    out, sys.stdout = sys.stdout, sys.stderr  # libraries print
    if what == "learn":
        start, cpu = time.perf_counter(), time.process_time()
        told = {"score": globals()[f"learn_{client}"](url, workers)}
    else:
        asked = prompts(min(21 + 20 * workers, 1_501))
        going = globals()[client](url, asked, workers)
        next(going)  # all is imported, and the first call made
        start, cpu, told = time.perf_counter(), time.process_time(), {"calls": len(asked)}
        next(going, None)
    spent = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    print(json.dumps(told | spent), file=out, flush=True)
    os._exit(0)  # some leave threads behind


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
