"""01: learning without the right answers, from a simulated judge that errs at published rates.

The simulated LLM knows its prompt alone and cannot judge what nobody tells it. Here it is told from outside: whether a
trajectory is right is looked up in the training set, and said as a judge says it that calls a good or a bad one good
as often as was published (`Profile.tpr`, `Profile.fpr`). Such a judge does not know the right answer either. What it
calls right the optimiser takes for right, as something still to be learnt; of what it calls wrong it learns nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from html import unescape

import pandas as pd

from ..algorithm.benchmark import Benchmark
from ..calls.protocol import Reply, Usage
from ..calls.tokens import estimate
from ..records import Trajectory
from ..report.summary import differences
from ..runs.variants import VARIANTS
from ..simulate.competence import Call
from ..simulate.model import SimulatedLLM

METHODS = ("bootstrapping + counts", "fgo", "fgo+")
SUFFIX = ", no gold"
_BLIND = re.compile(r'<trajectory task="([^"]*)">\n(.*?)\n</trajectory>', re.DOTALL)
_CALLED_RIGHT = re.compile(
    r'(<trajectory task="[^"]*" score=)"1">\n((?:(?!</trajectory>|<expected>).)*)(\n</trajectory>)', re.DOTALL
)
_ANSWER = re.compile(r"^(?:> FINAL )?ANSWER:[ \t]*(.*?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class BlindJudge(SimulatedLLM):
    """The simulated LLM, told at published rates whether trajectories of a benchmark's training tasks are right."""

    bench: Benchmark | None = None

    def complete(self, messages: list[dict], **options) -> Reply:
        if (shown := _BLIND.search(messages[-1]["content"])) is not None:
            return self._verdict(messages, *shown.groups(), options.get("sample", 0))
        taken = ((message, _CALLED_RIGHT.sub(_taken_for_right, message["content"])) for message in messages)
        return super().complete([{**message, "content": text} for message, text in taken], **options)

    def _verdict(self, messages: list[dict], task_id: str, shown: str, sample: int) -> Reply:
        [task] = (task for task in self.bench.train if task.id == unescape(task_id))
        right = self.bench.score(task, Trajectory(task.id, (), _answer(shown))) == 1
        tokens = self.count(messages)
        luck = Call(self.limits, messages, tokens, sample).draw("verdict")
        good = luck < (self.limits.tpr if right else self.limits.fpr)
        text = f"VERDICT: {'right' if good else 'wrong'}\nWhat the right answer is cannot be told from this."
        return Reply(text, Usage(tokens, estimate(text)))


def _answer(shown: str) -> str:
    return unescape((_ANSWER.findall(shown) or [""])[-1])


def _taken_for_right(shown: re.Match) -> str:
    head, body, end = shown.groups()
    answers = _ANSWER.findall(body)
    return f'{head}"0">\n{body}\n<expected>\n{answers[-1]}\n</expected>{end}' if answers else shown[0]


def judging(llm: SimulatedLLM, bench: Benchmark) -> BlindJudge:
    """The LLM as a judge of the training tasks of a benchmark whose tasks end with an answer."""
    told = {each.name: getattr(llm, each.name) for each in fields(llm)}
    own = {"name": f"{llm.name} judging", "params": llm.params | {"judges": bench.fingerprint}}
    return BlindJudge(**told | own, bench=bench)


def variants(gold: bool) -> dict[str, dict]:
    """The methods as they are, or with an evaluator that is not shown the right answer.

    >>> list(variants(gold=False))[1]
    'fgo, no gold'
    """
    return {name + ("" if gold else SUFFIX): VARIANTS[name] | {"gold": gold} for name in METHODS}


def lost(rows: pd.DataFrame) -> pd.DataFrame:
    """`report.differences` of every method without gold and with it, from the rows of both."""
    return differences(rows, [(name + SUFFIX, name) for name in METHODS])
