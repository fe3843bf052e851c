"""GEPA (Agrawal et al. 2025, arXiv 2507.19457) as a peer: the optimiser of the PyPI package `gepa` as a method here.

It gets the same training tasks, the gate split as its validation set, and as many rollouts in all as the
other methods have (epochs x passes x training tasks, its validation included). Every call goes through the
run's meter, so its tokens are in the same ledger. A real model is asked with GEPA's own reflection prompt.
The simulated LLM cannot read that: there, GEPA proposes through its custom-proposal hook with this package's
proposal prompt, and its candidates are rules with support like those of other methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any

from ..calls.log import Place
from ..records import Component, Feedback, Module, Task, Trajectory
from .context import Context, Judged
from .methods import Outcome
from .optimize import evaluate, propose
from .registry import method
from .rollout import count_uses, rollouts

MINIBATCH = 3
"""Tasks a proposal is made of: GEPA's own default."""
VALIDATION_SHARE = 1 / 8
"""Most of the rollouts that one validation may take; larger gate splits are cut."""


def version() -> str:
    """The installed version of gepa, "" where there is none: part of the identity of its runs."""
    try:
        return version_of("gepa")
    except PackageNotFoundError:
        return ""


@method(version=version, own_rollouts=True)
def gepa(ctx: Context) -> Outcome:
    """GEPA, from its own package: reflective mutation of a Pareto front, on the same splits and rollouts."""
    try:
        from gepa.api import optimize
    except ImportError as error:
        raise ImportError(
            "method='gepa' needs the package gepa, which is not installed; pip install gepa (or fgo-kit[gepa])"
        ) from error
    if not ctx.bench.train:
        raise ValueError(f"the training split of {ctx.bench.name} is empty; there is nothing to optimise on")
    budget = ctx.settings.epochs * ctx.settings.passes * len(ctx.bench.train)
    judges = (ctx.bench.gate or ctx.bench.train)[: max(1, int(VALIDATION_SHARE * budget))]
    adapter = Adapter(ctx, len(judges) if ctx.bench.gate else 0)
    most = budget - 2 * MINIBATCH - len(judges)  # an iteration beyond this could exceed the budget

    result = optimize(
        seed_candidate=adapter.texts(ctx.bench.seed_module),
        trainset=list(ctx.bench.train),
        valset=list(judges),
        adapter=adapter,  # pyright: ignore[reportArgumentType]
        reflection_lm=None if adapter.propose_new_texts else adapter.reflect,
        reflection_minibatch_size=min(MINIBATCH, len(ctx.bench.train)),
        stop_callbacks=lambda state: adapter.error is not None or state.total_num_evals > most,  # pyright: ignore
        logger=_Silence(),
        seed=ctx.seed,
    )
    if adapter.error is not None:  # GEPA goes on where a proposal raises, and would return what it has
        raise adapter.error
    adapter.record_rest()
    return Outcome(adapter.module(result.best_candidate))  # pyright: ignore[reportArgumentType]


class _Silence:
    def log(self, message: str) -> None:
        pass


@dataclass(frozen=True)
class _Batch:
    """One evaluation that GEPA asked for: a candidate on some tasks."""

    place: Place
    module: Module
    tasks: Sequence[Task]
    trajectories: Sequence[Trajectory]


@dataclass
class Adapter:
    """What GEPA needs to know of a run: a `gepa.GEPAAdapter`.

    n_gate: how many tasks of the gate split are its validation set. A candidate is a text for every
    component; one that was proposed as rules is known again by its text, any other is all preamble.
    """

    ctx: Context
    n_gate: int
    error: Exception | None = None
    _known: dict[tuple[str, str], Component] = field(default_factory=dict)
    _batches: list[_Batch] = field(default_factory=list)
    _evaluated: set[int] = field(default_factory=set)
    _judged: tuple[int, list[tuple[Task, Trajectory, Feedback]]] = (0, [])
    _reflections: list[int] = field(default_factory=list)

    def __post_init__(self):
        self.propose_new_texts = self._propose if self.ctx.asking("optimizer").llm.simulated else None

    def texts(self, module: Module) -> dict[str, str]:
        """A module as GEPA's candidate."""
        texts = {part.name: str(Module((part,))) for part in module.components}
        self._known.update(((part.name, texts[part.name]), part) for part in module.components)
        return texts

    def module(self, candidate: Mapping[str, str]) -> Module:
        """A candidate as a module."""
        return Module(tuple(self._known.get((name, text)) or Component(name, text) for name, text in candidate.items()))

    def evaluate(self, batch: list[Task], candidate: dict[str, str], capture_traces: bool = False):
        """Roll a candidate out. GEPA must have a number: a failed rollout counts 0 there, and nowhere else."""
        from gepa.core.adapter import EvaluationBatch

        gate = {task.id for task in self.ctx.bench.gate[: self.n_gate]}
        number = len(self._batches) + 1
        place = Place("rollout", subset="gepa", epoch=number)
        if self.n_gate and all(task.id in gate for task in batch):
            place = Place("gate", node=f"gepa{number}")
        module = self.module(candidate)
        trajectories = rollouts(self.ctx, module, batch, place)
        self._batches.append(_Batch(place, module, batch, trajectories))
        scores = [played.score if played.ok else 0.0 for played in trajectories]
        return EvaluationBatch(list(trajectories), scores, [number] * len(batch))

    def make_reflective_dataset(self, candidate: dict[str, str], eval_batch, components_to_update: list[str]):
        """The evaluator's feedback on a batch: what GEPA's own prompt is shown for a component."""
        number = eval_batch.trajectories[0]
        batch = self._batches[number - 1]
        try:
            feedback = evaluate(self.ctx, batch.tasks, batch.trajectories, batch.place)
        except Exception as error:
            self.error = error
            raise
        self._evaluated.add(number)
        lines = zip(batch.tasks, batch.trajectories, feedback, strict=True)
        judged = [(task, trajectory, comment) for task, trajectory, comment in lines if comment is not None]
        self._judged = (number, judged)
        return {name: [_shown(*line) for line in judged] for name in components_to_update}

    def _propose(
        self, candidate: dict[str, str], reflective_dataset: Mapping, components_to_update: list[str]
    ) -> dict[str, str]:
        """Our proposal prompt in GEPA's hook: the batch evaluated last, and edits to the rules."""
        number, judged = self._judged
        module = self.module(candidate)
        if self.ctx.settings.counts:
            module = count_uses(self.ctx, module, [trajectory for _, trajectory, _ in judged])
        try:
            proposed = propose(self.ctx, module, judged, Place("propose", subset="gepa", epoch=number))
        except Exception as error:
            self.error = error
            raise
        texts = self.texts(proposed)
        return {name: texts[name] for name in components_to_update}

    def reflect(self, prompt: Any) -> str:
        """The `reflection_lm` of a real model: GEPA's own prompt, asked through the meter."""
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        number, _ = self._judged
        asked = self._reflections.count(number)  # one call a component
        self._reflections.append(number)
        try:
            place = Place("propose", subset="gepa", epoch=number, turn=asked)
            return self.ctx.asking("optimizer").ask(messages, place).text
        except Exception as error:
            self.error = error
            raise

    def record_rest(self) -> None:
        """Take down the training rollouts that nobody commented on."""
        for number, batch in enumerate(self._batches, 1):
            if batch.place.phase == "rollout" and number not in self._evaluated:
                self.ctx.record.extend(Judged(replace(batch.place, task=t.task_id), t) for t in batch.trajectories)


def _shown(task: Task, trajectory: Trajectory, feedback: Feedback) -> dict[str, str]:
    played = "\n".join(f"{step.observation}\n> {step.action}" for step in trajectory.steps)
    expected = "" if feedback.blind else f"; expected answer: {task.answer}"
    shown = f"score {feedback.score:g}{expected}\n{feedback.text}"
    return {"Inputs and Generated Outputs": played, "Feedback": shown}
