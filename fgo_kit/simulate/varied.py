"""The simulated LLM with other constants or other words, for asking what a result rests on.

Such an LLM bears the change in its name and in its parameters, so its runs, calls and logs mix with no
others; the frozen constants stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace

import numpy as np

from ..algorithm.benchmark import Benchmark
from ..calls.protocol import Reply
from ..records import digest
from .limits import ASSUMPTIONS, Assumptions, Hill, Profile, constants_hash
from .model import SimulatedLLM, load

LIMITS = ("notice_x50", "notice_k", "obey_n50", "obey_k", "context_window", "rewrite")
"""What `varied` can change beside the fields of `Assumptions`."""


def varied(name: str = "small", **changes: float) -> SimulatedLLM:
    """The simulated LLM `name` with other constants: fields of `Assumptions`, or limits of its profile.

    notice_x50 (tokens) and notice_k, obey_n50 (items) and obey_k are the Hill curves; context_window in
    tokens; rewrite the share of a text that survives one rewriting. What is given as it stands is no change,
    and without changes it is the frozen LLM.
    Raises ValueError for a constant that does not exist.

    >>> varied("small", induce=0.35).name
    'simulated:small induce=0.35'
    """
    known = (*LIMITS, *(assumption.name for assumption in fields(Assumptions)))
    for constant in changes:
        if constant not in known:
            raise ValueError(f"constant {constant!r} is unknown; use one of {', '.join(known)}")
    frozen = load(name)
    changes = {key: value for key, value in changes.items() if value != constant_of(frozen, key)}
    if not changes:
        return frozen
    assumptions = replace(ASSUMPTIONS, **{key: value for key, value in changes.items() if key not in LIMITS})
    limits = _changed_limits(frozen.limits, assumptions, changes)
    changed = " ".join(f"{key}={value:g}" for key, value in changes.items())
    finite = [[key, str(value)] for key, value in asdict(limits).items()]
    constants = digest([constants_hash(), name, asdict(assumptions), finite])
    params = {"constants": constants, "changed": changed}
    return replace(frozen, name=f"{frozen.name} {changed}", limits=limits, params=params, assumptions=assumptions)


def constant_of(llm: SimulatedLLM, constant: str) -> float:
    """The value of a constant that `varied` can change, in an LLM."""
    limits = llm.limits
    curves = {
        "notice_x50": limits.notice.x50, "notice_k": limits.notice.k, "obey_n50": limits.obey.x50,
        "obey_k": limits.obey.k, "context_window": limits.context_window, "rewrite": limits.rewrite,
    }  # fmt: skip
    return curves[constant] if constant in curves else getattr(llm.assumptions, constant)


def _changed_limits(limits: Profile, assumptions: Assumptions, changes: Mapping[str, float]) -> Profile:
    notice = Hill(changes.get("notice_x50", limits.notice.x50), changes.get("notice_k", limits.notice.k))
    obey = Hill(changes.get("obey_n50", limits.obey.x50), changes.get("obey_k", limits.obey.k))
    a, b, *lengths = limits.position
    scale = assumptions.position_scale / ASSUMPTIONS.position_scale
    return replace(
        limits, notice=notice, obey=obey, position=(scale * a, scale * b, *lengths),
        hop=limits.hop * assumptions.hop_scale / ASSUMPTIONS.hop_scale,
        context_window=int(changes.get("context_window", limits.context_window)),
        rewrite=changes.get("rewrite", limits.rewrite),
    )  # fmt: skip


WORDS = {
    "Answer in this form, each part on a line of its own:": "Reply like this, a line for each part:",
    "THOUGHT: what you rely on, in one sentence": "THOUGHT: one short reason",
    "ANSWER: the answer alone": "ANSWER: just the answer",
    "You review one trajectory of an agent whose right answer is known. Say what was right, what was wrong and why.":
        "Below is what an agent did, and what was expected. What went well or badly, and why?",
    "At most three sentences, no advice that holds for this one task only.": "Be brief, and general.",
    "You improve an agent by editing the rules of its module.": "Edit the rules of this agent so that it fares better.",
    "Find rules that would have made failed trajectories right and that hold for tasks like these in general;":
        "Look for what would have helped where it failed and holds beyond these tasks;",
    "Several copies of one agent were improved on different tasks. Merge their modules into one:":
        "Make one set of rules out of those below, which were learnt on different tasks:",
    "keep rare rules that contradict nothing.": "lose nothing of use.",
}  # fmt: skip
"""Sentences of our prompts and other words for them. What is asked for, and the forms of answers, are the same."""


class Paraphrased(SimulatedLLM):
    """One that is asked the same in other words (`WORDS`): every prompt is reworded before it sees it."""

    def count(self, messages: list[dict]) -> int:
        return super().count(reworded(messages))

    def complete(self, messages: list[dict], **options) -> Reply:
        return super().complete(reworded(messages), **options)


def paraphrased(name: str = "small") -> Paraphrased:
    """The simulated LLM `name`, asked in other words."""
    llm = load(name)
    return Paraphrased(f"{llm.name} paraphrased", llm.limits, llm.params | {"changed": f"words {digest(WORDS)[:8]}"})


def reworded(messages: list[dict]) -> list[dict]:
    """The messages with `WORDS` replaced in the instructions; what users send, say documents, stays as it is."""
    return [{**m, "content": _other_words(m["content"])} if m["role"] == "system" else m for m in messages]


def _other_words(text: str) -> str:
    for ours, others in WORDS.items():
        text = text.replace(ours, others)
    return text


def shuffled(bench: Benchmark, seed: int = 0) -> Benchmark:
    """The benchmark with its training answers dealt out anew: there is nothing left to learn but their shares."""
    order = np.random.default_rng([seed, *b"shuffled answers"]).permutation(len(bench.train))
    answers = [bench.train[i].answer for i in order]
    train = tuple(replace(task, answer=answer) for task, answer in zip(bench.train, answers, strict=True))
    return replace(bench, train=train, name=f"{bench.name}, answers shuffled")
