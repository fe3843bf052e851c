"""Few-shot prompting as a control: what training tasks with their answers in the prompt are worth, unlearnt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..calls.log import Place
from ..records import Rule, Step, Task, Trajectory
from .context import Context, Judged
from .methods import Outcome, shuffled
from .prompts import trajectory_text
from .registry import method
from .rollout import rollouts
from .trimming import tokens_of

TOKENS = 2_000
"""How long the prompt becomes where `controls.max_tokens` does not say."""
PLAYED_AT_ONCE = 8


@method(own_rollouts=True)
def few_shot(ctx: Context) -> Outcome:
    """No optimisation: training tasks with their right answers in the prompt, in an order drawn from the seed.

    As many as fit `controls.max_tokens`, one at least, each a rule that its task supports. Of tasks that are played in
    turns, or have no expected answer, the agent's own play where that was right. ValueError for private tasks, which
    the prompt would show.
    """
    if any(task.private for task in ctx.bench.train):
        raise ValueError(f"few_shot would show private tasks of {ctx.bench.name} in its prompt; load with show=True")
    module = ctx.bench.seed_module
    for number, (task, shown) in enumerate(_demonstrations(ctx), 1):
        text = f"An example:\n{trajectory_text(task, shown, None)}"
        rule, home = Rule(f"d{number}", text, (task.id,), origin="demonstration"), module.components[0]
        longer = module.with_rules({home.name: (*home.rules, rule)})
        if number > 1 and tokens_of(ctx, longer) > (ctx.settings.controls.max_tokens or TOKENS):
            break
        module = longer
    return Outcome(module)


def _demonstrations(ctx: Context) -> Iterator[tuple[Task, Trajectory]]:
    """Tasks as they are done right, played only as far as they are asked for."""
    bench, tasks, place = ctx.bench, shuffled(ctx), Place("rollout", subset="all", epoch=1)
    if bench.form == "answer" and all(task.answer for task in tasks):
        for task in tasks:
            step = Step(bench.first_observation(task), f"ANSWER: {task.answer}")
            yield task, Trajectory(task.id, (step,), task.answer, score=1.0)
        return
    for start in range(0, len(tasks), PLAYED_AT_ONCE):
        part = tasks[start : start + PLAYED_AT_ONCE]
        for task, played in zip(part, rollouts(ctx, bench.seed_module, part, place), strict=True):
            ctx.record.append(Judged(replace(place, task=task.id), played))
            if played.ok and played.score >= 0.5:
                yield task, played
