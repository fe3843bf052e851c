"""`preflight`: a look at a server, a model and a set of tasks before money is spent on a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..algorithm.benchmark import Benchmark
from ..algorithm.context import Context
from ..algorithm.settings import Settings, whole
from ..calls.limits import Limits
from ..calls.log import CallLog
from ..calls.meter import Meter
from ..calls.protocol import LLM, TooManyFailures
from ..calls.providers import as_llm
from ..calls.roles import Roles
from ..records import Task, digest, escape
from .bill import Measured, bill, longest_prompt, measured
from .listing import Listing
from .pilot import dry_plays, flips, play, smallest_effect
from .probes import PHASE, Finding, probe
from .provenance import manifest
from .run import chosen_for, config_of, log_path, run

COLUMNS = [column.name for column in fields(Finding)]


@dataclass(frozen=True, eq=False)
class Preflight:
    """What a preflight found.

    checks: DataFrame, see `preflight`. scores: of the pilot, 2 plays x tasks, NaN without an answer; a share from 0 to
    1. effect: the smallest gain that the test tasks and seeds can show, NaN where none can. bill: calls, prompt_tokens,
    completion_tokens and usd of one run, by the pilot's lengths; {} without a pilot. measured: those lengths. paid:
    calls, tokens and USD that this preflight took in all. tested: test tasks and seeds.
    """

    checks: pd.DataFrame
    scores: np.ndarray
    effect: float
    bill: dict
    measured: Measured
    paid: tuple[int, int, float | None]
    tested: tuple[int, int]

    @property
    def defects(self) -> pd.DataFrame:
        """The checks that are not "ok"."""
        return self.checks[self.checks["outcome"] != "ok"]

    @property
    def score(self) -> float:
        """Mean of the pilot with the seed module; NaN without answers."""
        known = self.scores[np.isfinite(self.scores)]
        return float(known.mean()) if known.size else float("nan")

    @property
    def flips(self) -> float:
        """The mean square by which the two plays of a task differ: the share that flips, for right-or-wrong scores."""
        return flips(self.scores)

    def __repr__(self) -> str:
        return "\n".join([*([repr(self.checks), ""] if len(self.checks) else []), *self._lines()])

    def _repr_html_(self) -> str:
        table = Listing(self.checks)._repr_html_() if len(self.checks) else ""
        return table + "".join(f"<p>{escape(line)}</p>" for line in self._lines())

    def _lines(self) -> list[str]:
        calls, tokens, usd = self.paid
        paid = f"Paid for this look: {calls:,} calls, {tokens:,} tokens, {_dollars(usd)}."
        if not self.scores.size:
            return ["No pilot was played.", paid]
        tasks, seeds = self.tested
        too_small = "gains" if np.isnan(self.effect) else f"gains below {100 * self.effect:.1f} points"
        return [
            f"Pilot: {self.scores.shape[1]} training tasks twice, score {100 * self.score:.1f} % (headroom "
            f"{100 * (1 - self.score):.1f} points); {100 * self.flips:.1f} % flip from one play to the next.",
            f"With {tasks} test tasks and seeds: {seeds}, {too_small} cannot be relied on to show (power 80 %). That is "
            "the noise of scoring alone: how much optimising differs from seed to seed is not known from a pilot.",
            f"One run: about {self.bill['calls']:,} calls, {self.bill['prompt_tokens']:,} prompt and "
            f"{self.bill['completion_tokens']:,} completion tokens, {_dollars(self.bill['usd'])}; with the same log, "
            "less by what it shares with the pilot.",
            paid,
        ]


def preflight(
    bench: Benchmark, llm: LLM | str, stand_in: LLM, *, pilot: int = 20, seeds: int = 1,
    log: str | Path | CallLog | None = None, **choices: Any,
) -> Preflight:  # fmt: skip
    """A look before a run with these choices: checks of the server, a pilot, what it can show and what it will cost.

    pilot: so many training tasks (or all, where there are fewer) are played twice with the seed module: as the run with
    this seed and as that with the next one play them, so that with the same log neither pays for them again, where its
    method plays all training tasks with the seed module; 0 for none. seeds: of the study that is planned. stand_in: an
    LLM that costs nothing, for the dry run behind the bill. log, choices: as for `run`; budgets hold for all of it.

    The result's `checks` have one row a check of every LLM that has a role: llm; check: answer, effort, system role,
    schema, tools, window, caching, usage, latency or pilot; outcome: "ok", "missing" (the run does without) or "wrong";
    seen; what_to_do: the parameter to set. A simulated LLM is not checked. Where no plain answer arrives, nothing else
    is asked. The bill takes the lengths of the pilot's rollouts to hold for evaluator, optimizer and merger too, and as
    many rules to be found as the stand-in finds.

    Raises what `run` raises: ValueError for choices, AuthError, BudgetExceeded before a call that might pass a budget.

    >>> preflight(bench, "openai:gpt-5-mini", load_llm("simulated"), seeds=5).defects                  # doctest: +SKIP
    """
    llm, pilot, seeds = as_llm(llm), whole("pilot", pilot, 0), whole("seeds", seeds, 1)
    settings, limits, roles = chosen_for(bench, llm, run, choices)
    opened = log if isinstance(log, CallLog) else CallLog(log_path(log, llm))
    config = {"preflight": pilot, **config_of(bench, llm, settings, roles)}
    look = _Look(bench, llm, settings, limits, opened, digest(config))
    opened.begin(look.run_id, config, manifest())
    try:
        look.check(roles, stand_in, choices)
        scores = look.play(bench.train[:pilot])
        lengths = look.measured(stand_in, bench.train[:pilot]) if scores.size else Measured()
    except BaseException as error:
        opened.finish(look.run_id, type(error).__name__)
        raise
    opened.finish(look.run_id, PHASE)
    bound = bill(bench.dry(), llm, stand_in, lengths, choices) if scores.size else {}
    effect = smallest_effect(flips(scores), len(bench.test), seeds)
    paid, table = opened.paid(look.run_id), Listing([vars(row) for row in look.checks], columns=COLUMNS)
    return Preflight(table, scores, effect, bound, lengths, paid, (len(bench.test), seeds))


@dataclass(frozen=True)
class _Look:
    """One preflight under way."""

    bench: Benchmark
    llm: LLM
    settings: Settings
    limits: Limits
    log: CallLog
    run_id: str
    checks: list[Finding] = field(default_factory=list)

    def meter(self, sample: int) -> Meter:
        """Each counts what was paid before it."""
        return Meter(self.llm, self.log, self.run_id, self.limits, sample=sample)

    def check(self, roles: Roles, stand_in: LLM, choices: Mapping[str, Any]) -> None:
        """Probe every LLM that has a role, once."""
        meter = self.meter(self.settings.seed)
        asked = {id(llm): llm for llm in (self.llm, *roles.filled(self.llm).values()) if not llm.simulated}
        longest = longest_prompt(self.bench.dry(), stand_in, choices) if asked else 0
        for llm in asked.values():
            self.checks.extend(probe(meter.asking(llm), self.bench.tools if llm is self.llm else (), longest))

    def play(self, tasks: tuple[Task, ...]) -> np.ndarray:
        """The scores of two plays, without tasks where an LLM gives no answers."""
        mute = any(row.outcome == "wrong" and row.check in ("answer", "effort") for row in self.checks)
        if mute or not tasks:
            return np.empty((2, 0))
        scores, seen = np.empty((2, 0)), ""
        try:
            scores = np.array([self._play(number, tasks) for number in range(2)])
        except TooManyFailures as error:
            seen = str(error)
        if failed := int(np.isnan(scores).sum()):
            seen = f"{failed} of {scores.size} rollouts have no score"
        if seen:
            self.checks.append(Finding(self.llm.name, "pilot", "wrong", seen, "see failures() of the log for the reasons"))
        return scores

    def _play(self, number: int, tasks: tuple[Task, ...]) -> np.ndarray:
        settings = replace(self.settings, seed=self.settings.seed + number)
        return play(Context(self.bench, self.meter(settings.seed), settings), tasks, f"pilot {number}")

    def measured(self, stand_in: LLM, tasks: tuple[Task, ...]) -> Measured:
        """By the first play of the pilot."""
        calls = self.log.calls(self.run_id)
        dry = dry_plays(self.bench.dry(), stand_in, self.settings, tasks)
        return measured(calls[calls["subset"] == "pilot 0"], self.log, stand_in, dry)


def _dollars(usd: float | None) -> str:
    return "at an unknown price" if usd is None else f"{usd:,.2f} USD"
