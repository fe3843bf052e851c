"""Rollouts that someone else paid for: `read_trajectories`, and what optimising on them would take in tokens.

Read are the ALFWorld logs of KnowAgent (JSON lines, gzipped or not): one record a game with `name`,
`result` (true or 1: won) and `traj`, the text of the game with the agent's lines after "> ".
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..algorithm import prompts
from ..algorithm.divide import divide
from ..calls.tokens import count_messages, estimate
from ..records import Component, Feedback, Module, Step, Task, Trajectory

KNOWN = (
    '{"name": "<type and trial>", "result": true | false | 0 | 1, "traj": "You are in ...\\n> action\\n..."}'
)
ALL_AT_ONCE = 1


@dataclass(frozen=True)
class _Line:
    """A step whose action has not come yet."""

    observation: str
    thoughts: list[str]
    path: list[str]


def read_trajectories(path: str | Path) -> list[Trajectory]:
    """The trajectories of a log, in its order: task ids are the names, scores 1.0 and 0.0.

    `info` holds the task type, the number of steps, invalid actions ("Nothing happens.") and the final
    state. Raises FileNotFoundError, and ValueError that shows the first record which is not in the format.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(
            f"path={str(path)!r} is no file; give the log itself, e.g. a .jsonl or .jsonl.gz file"
        )
    raw = file.read_bytes()
    try:
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: {error}; give JSON lines in UTF-8, gzipped or not") from error
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not numbered:
        raise ValueError(f"{file} holds no records; each line should look like {KNOWN}")
    return [_read(line, f"{file}, line {number}") for number, line in numbered]


def _read(line: str, where: str) -> Trajectory:
    try:
        record = json.loads(line)
        problem = _problem(record)
    except json.JSONDecodeError as error:
        problem = f"it is no JSON ({error.msg})"
    if problem:
        shown = line if len(line) <= 300 else f"{line[:300]} ..."
        raise ValueError(f"{where} is in no known format: {problem}. The record: {shown!r}; known: {KNOWN}")
    return _trajectory(record)


def _problem(record: object) -> str:
    """What keeps a record from being read, or ""."""
    if not isinstance(record, dict):
        return "it is no object"
    missing = [name for name in ("name", "result", "traj") if name not in record]
    if missing:
        return f"it has no {' and no '.join(missing)}"
    if not isinstance(record["name"], str) or not isinstance(record["traj"], str):
        return "name and traj must be texts"
    if record["result"] not in (True, False) or not isinstance(record["result"], int | float):
        return f"result={record['result']!r} is neither true nor false"
    if "Your task is to" not in record["traj"].partition("\n> ")[0]:
        return 'traj does not begin with a room and "Your task is to: ..."'
    return ""


def _trajectory(record: dict) -> Trajectory:
    steps, observation, line = [], [], None
    for row in record["traj"].split("\n"):
        if row.startswith("> "):
            line = line or _Line("\n".join(observation).strip(), [], [])
            observation = []
            label, colon, words = row[2:].partition(": ")
            if colon and label in ("Think", "ActionPath"):
                (line.thoughts if label == "Think" else line.path).append(words)
                continue
            steps.append(_step(line, row[2:], first=not steps))
            line = None
        else:
            observation.append(row)
    if line is not None:  # it ended on a thought
        steps.append(_step(line, "", first=not steps))
    final = "\n".join(observation).strip()
    shown = [step.observation for step in steps[1:]] + [final]
    info = {
        "task type": record["name"].partition("-")[0], "steps": str(len(steps)),
        "invalid actions": str(sum("Nothing happens" in text for text in shown)),
    }  # fmt: skip
    last = prompts.parse_action(steps[-1].action)[0] if steps else ""
    return Trajectory(record["name"], tuple(steps), last, float(record["result"]), info=info, final=final, form="turns")


def _step(line: _Line, action: str, first: bool) -> Step:
    shown = prompts.section("scene" if first else "result", prompts.quote(line.observation))
    thought = " ".join(line.thoughts)
    parts = [
        f"THOUGHT: {thought}" if thought else "",
        *(f"PATH: {one}" for one in line.path),
        f"ANSWER: {action}",
    ]
    return Step(shown, "\n".join(part for part in parts if part))


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
        dropped = {
            f"dropped_{w // 1000}k": sum(_dropped(s, counter, w - reserve) for s in subsets) for w in windows
        }
        row = {
            "method": "all_at_once" if n == ALL_AT_ONCE else "fgo",
            "n_subsets": n,
            "trajectories": len(tasks),
        }
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
