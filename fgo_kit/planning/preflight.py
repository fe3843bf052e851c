"""`preflight`: a look at a server, a model and a set of tasks before money is spent on a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..algorithm.benchmark import Benchmark
from ..algorithm.context import Context
from ..algorithm.settings import whole
from ..calls.log import CallLog
from ..calls.meter import Meter
from ..calls.protocol import LLM, TooManyFailures
from ..calls.providers import as_llm
from ..calls.roles import Roles
from ..records import Task, digest
from ..records.later import pandas as pd
from ..records.showing import escape
from ..runs.provenance import manifest
from ..runs.run import chosen_for, config_of, log_path, run
from .bill import Measured, bill, longest_prompt, measured
from .pilot import dry_plays, flips, in_form, play, smallest_effect, with_optimising
from .probes import PHASE, Finding, probe

IN_FORM = 0.8  # a share of answers in the form asked for, below which it is a defect
SPREAD = 0.05  # standard deviation of scores from seed to seed of optimising, for want of a measured one


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
        from ..runs.listing import Listing  # here, because pandas takes a tenth of a second to import

        return Listing(self.checks)._repr_html_() + "".join(f"<p>{escape(line)}</p>" for line in self._lines())

    def _lines(self) -> list[str]:
        calls, tokens, usd = self.paid
        paid = f"Paid for this look: {calls:,} calls, {tokens:,} tokens, {_dollars(usd)}."
        if not self.scores.size:
            return ["No pilot was played.", paid]
        return [
            f"Pilot: {self.scores.shape[1]} training tasks twice, score {100 * self.score:.1f} % (headroom "
            f"{100 * (1 - self.score):.1f} points); {100 * self.flips:.1f} % flip from one play to the next.",
            self._power(),
            f"One run: about {self.bill['calls']:,} calls, {self.bill['prompt_tokens']:,} prompt and "
            f"{self.bill['completion_tokens']:,} completion tokens, {_dollars(self.bill['usd'])}; with the same log, "
            f"less by what it shares with the pilot. {self.bill['note']}".rstrip(),
            paid,
        ]

    def _power(self) -> str:
        tasks, seeds = self.tested
        if np.isnan(self.effect):
            return f"With {tasks} test tasks and seeds: {seeds}, no gain can be relied on to show (power 80 %)."
        effect, both = (100 * size for size in (self.effect, with_optimising(self.effect, seeds, SPREAD)))
        return (f"With {tasks} test tasks and seeds: {seeds}, gains below {effect:.1f} points cannot be relied on to "
                f"show (power 80 %) by the noise of scoring alone; below {both:.1f} if optimising, too, moves a run by "
                f"{100 * SPREAD:g} points (SD) from seed to seed, which no pilot can measure.")


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
    schema, tools, window, caching, usage, latency, pilot or form; outcome: "ok", "missing" (a run does without) or
    "wrong"; seen; what_to_do: the parameter to set. A simulated LLM is not checked. Where no plain answer arrives,
    nothing else is asked. The bill takes the lengths of the pilot's rollouts to hold for evaluator, optimizer and
    merger too, and as many rules to be found as the stand-in finds.

    Raises what `run` raises: ValueError for choices, AuthError, BudgetExceeded before a call that might pass a budget.

    >>> preflight(bench, "openai:gpt-5-mini", load_llm("simulated"), seeds=5).defects            # doctest: +SKIP
    """
    llm, pilot, seeds = as_llm(llm), whole("pilot", pilot, 0), whole("seeds", seeds, 1)
    settings, limits, roles = chosen_for(bench, llm, run, choices)
    opened, tasks = log if isinstance(log, CallLog) else CallLog(log_path(log, llm)), bench.train[:pilot]
    config = {"preflight": pilot, **config_of(bench, llm, settings, roles)}
    run_id = digest(config)
    opened.begin(run_id, config, manifest())
    seeded = [replace(settings, seed=settings.seed + number) for number in range(2)]
    meters = (Meter(llm, opened, run_id, limits, sample=each.seed) for each in (settings, *seeded))  # made when needed,
    try:  # as each counts what was paid before it
        checks = _checked(next(meters), bench, roles, longest_prompt(bench.dry(), stand_in, choices))
        plays = (Context(bench, next(meters), each) for each in seeded)
        mute = any(row.outcome == "wrong" and row.check in ("answer", "effort") for row in checks)
        scores, seen = _played(bench, plays, () if mute else tasks, llm.name)
        opened.finish(run_id, PHASE)
    except BaseException as error:
        opened.finish(run_id, type(error).__name__)
        raise
    lengths, bound = Measured(), {}
    if scores.size:
        calls = opened.calls(run_id)
        first = calls[calls["subset"] == f"pilot {settings.seed}"]
        lengths = measured(first, stand_in, lambda llm: dry_plays(bench.dry(), llm, settings, tasks))
        bound = bill(bench.dry(), llm, stand_in, lengths, choices)
    effect = smallest_effect(flips(scores), len(bench.test), seeds)
    from ..runs.listing import Listing

    table = Listing([vars(row) for row in checks + seen], columns=[column.name for column in fields(Finding)])
    return Preflight(table, scores, effect, bound, lengths, opened.paid(run_id), (len(bench.test), seeds))


def _checked(meter: Meter, bench: Benchmark, roles: Roles, longest: int) -> list[Finding]:
    """Probes of every LLM that has a role, once."""
    asked = {id(llm): llm for llm in (meter.llm, *roles.filled(meter.llm).values()) if not llm.simulated}
    tools = {id(meter.llm): bench.tools}
    return [row for key, llm in asked.items() for row in probe(meter.asking(llm), tools.get(key, ()), longest)]


def _played(
    bench: Benchmark, plays: Iterable[Context], tasks: Sequence[Task], llm: str
) -> tuple[np.ndarray, list[Finding]]:
    """The scores of the plays, and what was seen: rollouts without an answer, and answers in another form."""
    todo, found = "see failures() of the log", []
    try:
        played = [trajectory for ctx in plays for trajectory in play(ctx, tasks, f"pilot {ctx.seed}")]
    except TooManyFailures as error:
        return np.empty((2, 0)), [Finding(llm, "pilot", "wrong", str(error), todo)]
    scores = np.array([trajectory.score for trajectory in played], float).reshape(2, -1)
    if failed := int(np.isnan(scores).sum()):
        found.append(Finding(llm, "pilot", "wrong", f"{failed} of {scores.size} rollouts have no score", todo))
    kept, answers = in_form(played) if bench.agent is None else (0, 0)
    if answers:
        seen = f"{kept} of {answers} answers have the line that is asked for"
        loose = "wrong", f"{seen}; others are taken whole", "another model, or instructions= that insist on the form"
        found.append(Finding(llm, "form", *(loose if kept < IN_FORM * answers else ("ok", seen))))
    return scores, found


def _dollars(usd: float | None) -> str:
    return "at an unknown price" if usd is None else f"{usd:,.2f} USD"
