"""`Run`: what came of a run, as objects and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ..calls.log import CallLog
from ..calls.requests import UNCOUNTED
from ..records import Trajectory
from ..records.later import pandas as pd
from ..records.showing import escape, folded, showable
from ..stats import Interval, mean_interval, wilson
from .export import export, prompt
from .saving import save
from .state import State
from .tables import merge_table, rule_table, trajectory_table
from .timing import concurrency, critical_path, path_in_words

OPTIMISER_PHASES = ("propose", "merge", "review", "repair")


@dataclass(frozen=True)
class Run:
    """One execution of one method with one seed. Scores are on the test split, which no method saw."""

    id: str
    config: dict
    state: State
    log: CallLog = field(repr=False)
    seconds: float = 0.0

    module = property(lambda self: self.state.module)
    division = property(lambda self: self.state.division)
    merge_tree = property(lambda self: self.state.merge_tree)
    trees = property(lambda self: (*self.state.earlier, *filter(None, [self.state.merge_tree])))

    @cached_property
    def scores(self) -> dict[str, float]:
        """Test score of every test task; NaN where its call failed."""
        return {j.trajectory.task_id: j.trajectory.score for j in self.state.record if j.place.phase == "test"}

    @property
    def score(self) -> float:
        """Mean test score over the tasks that were scored; NaN without any."""
        return float(self._known.mean()) if len(self._known) else float("nan")

    @property
    def bounds(self) -> tuple[float, float]:
        """What the score would be if all test tasks without an answer were wrong, and if all were right."""
        scores = np.array(list(self.scores.values()))
        least, most = (np.nan_to_num(scores, nan=score).mean() if len(scores) else np.nan for score in (0.0, 1.0))
        return float(least), float(most)

    @property
    def ci(self) -> tuple[float, float]:
        """95 % interval of the score over tasks: Wilson for right-or-wrong scores, Student's t otherwise."""
        return self._interval.lo, self._interval.hi

    @cached_property
    def _known(self) -> np.ndarray:
        return np.array([score for score in self.scores.values() if not np.isnan(score)])

    @cached_property
    def _interval(self) -> Interval:
        if set(self._known.tolist()) <= {0.0, 1.0}:
            return wilson(float(self._known.sum()), len(self._known))
        return mean_interval([self._known[None, :]])

    def tokens(self, by: str = "phase") -> pd.DataFrame:
        """The ledger: one row a phase, or with by="llm" one for every LLM; it sums exactly to the log.

        calls, prompt (cached ones included), cached, completion (reasoning included), reasoning: tokens, *logical*: as
        if nothing had come from the log; usd the same at list prices, NaN where any part is unpriced. paid_calls,
        paid_prompt, paid_completion, paid_usd: what this run paid. counter: who counted.

        >>> run.tokens().query("phase == 'merge'")[["calls", "prompt"]]                      # doctest: +SKIP
        """
        return self.log.tokens(self.id, by)

    def failures(self) -> pd.DataFrame:
        """What did not end in a usable answer, one row each, in the order of their places.

        run_id, place, phase, subset, epoch, node, task: where. status: empty, cut, refused, failed, or unusable (an
        answer of optimiser or merger, after its repair). reason: in the provider's words. lasting: False where
        running the same again asks anew.
        """
        return self.log.failures(self.id)

    def calls(self) -> pd.DataFrame:
        """One row a call, in order of start.

        run_id, place, phase, subset, epoch, node, task, turn: where it was made. llm, key, status ("ok" or the error's
        name), error, finish, attempts. paid: whether this run paid for it. prompt, cached, completion, reasoning:
        logical tokens; counter: who counted. usd, paid_usd: at list prices, NaN without one. start, end (seconds since
        1970) and seconds between them.
        """
        return self.log.calls(self.id)

    def token_figures(self) -> dict[str, float]:
        """The three figures of the paper comparison, in logical tokens, without the final test.

        tokens_call_mean, tokens_call_max: prompt tokens of an optimiser or merger call; tokens_optimiser:
        prompt tokens of all of them; tokens_all_in: prompt and completion of every call, rollouts,
        evaluations, audits and gates included. tokens_test: what the final test took.
        """
        return token_figures(self.calls())

    def trajectories(self) -> pd.DataFrame:
        """One row a trajectory, in the order of their places.

        phase, subset, epoch, node: where in the run. task, answer, expected, status; score, NaN when the call failed.
        cited: ids of the rules the agent says it used. feedback: the evaluator's text. steps: turns. meta_*: the
        task's own meta data, e.g. its type. Answers and feedback of private tasks are not shown.

        >>> run.trajectories().query("phase == 'test'")["score"].mean()                      # doctest: +SKIP
        """
        return trajectory_table(self.state.record, self.state.tasks)

    def trajectory(self, task_id: str, phase: str = "test") -> Trajectory:
        """The last trajectory of a task in a phase; KeyError if there is none."""
        for judged in reversed(self.state.record):
            if judged.place.phase == phase and judged.trajectory.task_id == task_id:
                return judged.trajectory
        raise KeyError(f"no trajectory of task {task_id!r} in phase {phase!r} of run {self.id}")

    def rules(self) -> pd.DataFrame:
        """One row a rule of any module of the run, by the node whose module has it.

        node, rule (its id), text. support, parents: lists of ids; n_support counts the training tasks. origin: where
        it was written, subsets: where the rules it goes back to were. right, wrong: uses on training tasks. final:
        whether the final module has it. fate: what the next merge, `at`, did with it: kept, merged (`into`: the ids
        of the rules made of it), dropped (no rule of the merged module comes from it), audited (the audit dropped it),
        refused (the gate or an unusable answer kept a module without it), final where no merge follows, "next pass"
        where another pass starts from it, or cut (the control named in `into` took it out, `at` this place). What is
        left of a rule after being merged into one that the same merge's audit dropped counts as dropped. why: of a rule
        that was merged or dropped, what was done to it at `at`, by whom (same "words", changed "copies", the "merger",
        the "review") and the reasons given; "" where the merge does not edit.

        >>> run.rules().query("fate == 'dropped'")[["at", "rule", "text"]]                   # doctest: +SKIP
        """
        return rule_table(self.trees, self.module, self.state.cuts)

    def merges(self) -> pd.DataFrame:
        """One row a merge node, in the order of the passes and of each tree: children first.

        node, children, decision; rules_in, rules_out: how many; dropped: ids of child rules of that fate, audited:
        ids the audit dropped; rulings: what became of rules, dicts with rule, action ("unite", "revise", "drop"), by,
        reason, into; votes: of the review, dicts with subset, rule, choice ("keep", "revise", "drop"), tasks, text.
        candidate_gate_score, gate_score: NaN without a gate. tokens: logical prompt and
        completion tokens of the merge, its repair, audit and gate.
        """
        return merge_table(self.trees, self.calls())

    def concurrency(self) -> float:
        """Mean number of calls under way over the run, from the paid calls in the log; NaN without any."""
        return concurrency(self.calls())

    def critical_path(self, unit: str = "seconds") -> float:
        """Length of the longest chain of calls that wait for each other, which is what unlimited workers leave.

        unit: "seconds", or "calls", were all calls equally long. ValueError for any other.
        """
        return critical_path(self.calls(), self.trees, unit)

    @cached_property
    def agent_runs(self) -> int:
        """How many runs of the user's own agent asked models by themselves: their tokens are not known."""
        return int((self.calls()["counter"] == UNCOUNTED).sum())

    @property
    def cached(self) -> float:
        """The share of prompt tokens, the test's included, that came from the provider's cache."""
        tokens = self.tokens()
        return float(tokens["cached"].sum() / max(1, tokens["prompt"].sum()))

    def prompt(self) -> str:
        """The module as a clean text, without ids: what goes into an agent's instructions."""
        return prompt(self.module)

    def export(self, path: str | Path, format: str = "markdown") -> Path:
        """Write the module with its rules' support and provenance; returns the path.

        format: "markdown" or "json", one file each, "skill" (a folder with SKILL.md), or "inspect" (a log of the
        final test that Inspect reads). Private tasks appear by their ids alone.

        >>> run.export("results/prompt.md")                                                  # doctest: +SKIP
        """
        return export(self, path, format)

    def save(self, folder: str | Path) -> Path:
        """Write the run into a folder that `fgo.load_run` opens anywhere, without this run's log. Prompts and answers
        are not in it, nor any text of private tasks.

        >>> run.save("results/mine").name                                                    # doctest: +SKIP
        'mine'
        """
        return save(self, folder)

    def row(self) -> dict:
        """The run as one row of `compare`. chain: how many calls wait for each other (see `critical_path`). cached: the
        share of prompt tokens from the provider's cache, where there is any."""
        tokens, statuses, (lo, hi), (least, most) = self.tokens(), self.failures()["status"], self.ci, self.bounds
        calls, agents = self.calls(), "agent" in self.config and self.agent_runs
        return {
            "run_id": self.id, **described(self.config), "n_subsets": len(self.division) if self.division else 0,
            "score": self.score, "lo": lo, "hi": hi, "score_min": least, "score_max": most, **token_figures(calls),
            "failed": int((statuses != "unusable").sum()), "unusable": int((statuses == "unusable").sum()),
            "unused": len(self.state.unused),
            "tokens_paid": int(tokens["paid_prompt"].sum() + tokens["paid_completion"].sum()),
            "calls": int(tokens["calls"].sum()), "chain": critical_path(calls, self.trees, "calls"),
            "rules": len(self.module.rules), "dropped": len(self.state.dropped),
            "usd": float(tokens["paid_usd"].sum(min_count=1)), "seconds": self.seconds, "status": "ok",
            "scores": self.scores,
            **({"agent_runs": agents} if agents else {}),
            **({"cached": cached} if (cached := self.cached) else {}),
        }  # fmt: skip

    def __repr__(self) -> str:
        score, lo, hi = (100 * share for share in (self.score, *self.ci))
        kind = "simulated" if self.config["simulated"] else "real model"
        tested = f"test score {score:.1f} % [{lo:.1f}, {hi:.1f}]" if self.scores else "no test split, so no score"
        return showable(
            f"Run {self.id}: {self.config['method']} on {self.config['benchmark']} with {self.config['llm']} ({kind}), "
            f"seed {self.config['seed']}: {tested}, {len(self.module.rules)} rules, {self._taken()}{self._not_known()}"
        )

    def _taken(self) -> str:
        """Tokens in total, what of them was cached, and the critical path, as it would be at one latency."""
        path = path_in_words(len(self.calls()), self.critical_path("calls"))
        cached = f"{100 * self.cached:.0f} % of prompt tokens from the provider's cache, " if self.cached else ""
        return f"{self.token_figures()['tokens_all_in']:,} tokens without the test, {cached}{path}"

    def _not_known(self) -> str:
        counts = self.failures()["status"].value_counts()
        named = ", ".join(f"{count} {status}" for status, count in counts.items())
        least, most = (100 * bound for bound in self.bounds)
        unknown = f"; the score is between {least:.1f} and {most:.1f} % if they count" if most > least else ""
        unused = f"; parts of answers that were of no use: {len(self.state.unused)}" if self.state.unused else ""
        agents = "; tokens of the agent's own calls are not known" if "agent" in self.config and self.agent_runs else ""
        return (f"; without a usable answer: {named} (see failures()){unknown}" if named else "") + unused + agents

    def _repr_html_(self) -> str:
        shown = self.tokens()[["phase", "calls", "paid_calls", "prompt", "completion", "usd"]]
        ledger = shown.to_html(index=False, border=0, na_rep="", formatters={"usd": "{:,.4f}".format})
        rules = folded(f"{len(self.module.rules)} rules", self.module._repr_html_())
        return f"<p>{escape(repr(self))}</p>{folded('calls and tokens by phase', ledger, True)}{rules}"


def described(config: dict) -> dict:
    """The columns of a row of `compare` that a run's config decides."""
    shown = ("benchmark", "llm", "simulated", "method", "divide", "merge", "gate", "n_train", "seed")
    constants = config["llm_params"].get("constants", "")
    of_data = {"world": config.get("world"), "data": config["fingerprint"][:8]}
    return {**{name: config[name] for name in shown}, **of_data, "constants": constants}


def token_figures(calls: pd.DataFrame) -> dict[str, float]:
    """See `Run.token_figures`; calls: its table of them."""
    asked = calls.loc[calls["phase"].isin(OPTIMISER_PHASES), "prompt"]
    used, tested = calls["prompt"] + calls["completion"], calls["phase"] == "test"
    return {
        "tokens_call_mean": float(asked.mean()) if len(asked) else float("nan"),
        "tokens_call_max": float(asked.max()) if len(asked) else float("nan"),
        "tokens_optimiser": int(asked.sum()), "tokens_all_in": int(used[~tested].sum()),
        "tokens_test": int(used[tested].sum()),
    }  # fmt: skip
