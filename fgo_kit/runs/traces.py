"""Rollouts that someone else paid for: `read_trajectories`, and what optimising on them would take in tokens."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..algorithm import prompts
from ..algorithm.divide import divide
from ..calls.tokens import count_messages, estimate
from ..records import Component, Feedback, Module, Task, Trajectory
from .trace_formats import KNOWN, UnknownForm, read_record

MAX_UNPACKED = 30_000_000
"""Most bytes that a gzipped log may unpack to."""
ALL_AT_ONCE = 1


def read_trajectories(path: str | Path) -> list[Trajectory]:
    """The trajectories of a log, in its order: JSON lines or one JSON list, gzipped or not.

    Read are the forms of `trace_formats`: plays (KnowAgent, ReAct, Reflexion), dialogues (ETO, AgentGym, AgentBench,
    chat logs) and steps of observation and action (ALFWorld's own data). Task ids are the names in the log; scores
    are 1.0 and 0.0, or the reward, or NaN where the log has none. `info` holds the number of steps and of invalid
    actions ("Nothing happens."), of plays also the type of task.

    Raises FileNotFoundError, and ValueError that shows the first record which is in no known form, or says what is
    wrong with the file.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"path={str(path)!r} is no file; give the log itself, e.g. a .jsonl or .jsonl.gz file")
    read = [_read(line, where) for where, line in _records(_text(file), file)]
    if not read:
        raise ValueError(f"{file} holds no records; each should look like {KNOWN}")
    return read


def _text(file: Path) -> str:
    try:
        with file.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            data = gzip.GzipFile(fileobj=raw).read(MAX_UNPACKED + 1) if packed else raw.read()
        if packed and len(data) > MAX_UNPACKED:
            raise ValueError(f"{file}: unpacks to over {MAX_UNPACKED:,} bytes; unpack it yourself if you trust it")
        return data.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: {error}; give JSON lines in UTF-8, gzipped or not") from error


def _records(text: str, file: Path) -> Iterator[tuple[str, str]]:
    """(where it is, its JSON) of each record: a line each, or an element each of one list."""
    if re.match(r"\s*\[\s*[{\[]", text):
        try:
            elements = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{file}: it is no JSON list ({error})") from error
        yield from ((f"{file}, record {number}", json.dumps(held)) for number, held in enumerate(elements, 1))
        return
    number, before = 1, 0
    for line in re.finditer(r"[^\n]+", text):  # line feeds alone end a line
        number, before = number + text.count("\n", before, line.start()), line.start()
        if line[0].strip():
            yield f"{file}, line {number}", line[0]


def _read(line: str, where: str) -> Trajectory:
    try:
        return read_record(json.loads(line))
    except json.JSONDecodeError as error:
        problem = f"it is no JSON ({error.msg})"
    except RecursionError:
        problem = "it is nested too deep"
    except UnknownForm as error:
        problem = str(error)
    shown = line if len(line) <= 300 else f"{line[:300]} ..."
    raise ValueError(f"{where} is in no known format: {problem}. The record: {shown!r}; known: {KNOWN}")


def optimiser_tokens(
    trajectories: Sequence[Trajectory],
    n_subsets: Sequence[int] = (ALL_AT_ONCE, 4, 8, 16, 32),
    windows: Sequence[int] = (32_000, 128_000),
    reserve: int = 4_096,
    counter=estimate,
    seed: int = 0,
) -> pd.DataFrame:
    """What an epoch's optimiser calls would take on these trajectories, by number of subsets; asks no LLM.

    The prompts are those of `prompts.propose` for a module without rules and without feedback: what the
    trajectories alone take. Subsets are random and of equal size, in an order drawn from `seed`. dropped_*:
    trajectories left out, last ones first as in a run, where a prompt and `reserve` tokens for the answer
    exceed a window. Merge prompts are not counted: their size depends on what a model would write.
    """
    if not trajectories:
        raise ValueError("there are no trajectories to count")
    tasks = [Task(f"{number}", "", "done") for number in range(len(trajectories))]
    rows = []
    for n in n_subsets:
        division = divide(tasks, "random", n, np.random.default_rng([seed, n]))
        subsets = [[trajectories[int(task_id)] for task_id in ids] for ids in division.subsets]
        sizes = [_prompt_size(subset, counter) for subset in subsets]
        dropped = {f"dropped_{w // 1000}k": sum(_dropped(s, counter, w - reserve) for s in subsets) for w in windows}
        method = "all_at_once" if n == ALL_AT_ONCE else "fgo"
        row = {"method": method, "n_subsets": n, "trajectories": len(tasks)}
        row |= {"tokens_call_mean": float(np.mean(sizes)), "tokens_call_max": max(sizes)}
        row |= {"tokens_optimiser": sum(sizes), **dropped}
        rows.append(row | {"counter": "estimate" if counter is estimate else "exact"})
    table = pd.DataFrame(rows)
    whole = _prompt_size(list(trajectories), counter)
    table["call_mean_vs_all_at_once"] = table["tokens_call_mean"] / whole - 1
    table["total_vs_all_at_once"] = table["tokens_optimiser"] / whole - 1
    return table


def _messages(trajectories: Sequence[Trajectory]) -> list[dict[str, str]]:
    module = Module((Component("instructions", "You play household games by writing one action a turn."),))
    feedback = Feedback("", 0.0, "")
    judged = [(Task(one.task_id, "", "done"), one, feedback) for one in trajectories]
    return prompts.propose(module, judged)


def _prompt_size(trajectories: Sequence[Trajectory], counter) -> int:
    return count_messages(_messages(trajectories), counter)


def _dropped(trajectories: Sequence[Trajectory], counter, room: int) -> int:
    """How many of the last trajectories have to go for the rest to fit; sizes add up within a token each."""
    rest = _prompt_size([], counter)
    fitting = np.cumsum([_prompt_size([one], counter) - rest for one in trajectories]) + rest <= room
    return len(trajectories) - int(fitting.sum())
