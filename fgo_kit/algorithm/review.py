"""Review: every subset judges the united rules by its own trajectories, paid for already, and the votes decide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Literal

from pydantic import BaseModel, Field

from ..calls.json_text import Id, Ids, Listed, read_list
from ..calls.log import Place
from ..records import MergeNode, Module, Vote
from . import prompts
from .context import Context
from .edits import RuleText, resolved
from .optimize import ask_checked, fitted
from .union import Draft, MergeEdit, apply_merge_edits, found_in, holders


class Ballot(BaseModel):
    """One vote, as a reviewer writes it."""

    id: Id
    vote: Literal["keep", "revise", "drop"]
    text: RuleText | None = None
    tasks: Ids = Field(min_length=1)


class Ballots(BaseModel):
    """A reviewer's whole answer."""

    votes: list[Ballot]


REVIEW_SCHEMA = Ballots.model_json_schema()


def review(ctx: Context, node_id: str, draft: Draft, subsets: Sequence[MergeNode]) -> tuple[Draft, tuple[Vote, ...]]:
    """The draft after the votes of the subsets, and the votes.

    A rule is dropped when at least as many subsets reject it as found it or speak for it; it is revised, in the words
    that most tasks speak for, when that holds of those who would drop or revise it.
    """
    if not draft.module.rules:
        return draft, ()
    given = ctx.meter.map(lambda leaf: _votes_of(ctx, node_id, draft.module, leaf), subsets)
    votes = tuple(vote for of_subset in given for vote in of_subset)
    of_rule: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        of_rule[vote.rule].append(vote)
    held = holders(subsets)
    edits = [
        _outcome(rule.id, found_in(ctx.lineage(rule.id), held), of_rule[rule.id])
        for rule in draft.module.rules if rule.id in of_rule
    ]  # fmt: skip
    module, rulings = apply_merge_edits(draft.module, [edit for edit in edits if edit], node_id, "review")
    return draft.ruled(ctx.know(module), rulings), votes


def _outcome(rule_id: str, found: set[str], votes: Sequence[Vote]) -> MergeEdit | None:
    """What the votes on a rule come to; None where it stays. found: the subsets that found it."""
    by = {choice: {vote.subset for vote in votes if vote.choice == choice} for choice in ("keep", "revise", "drop")}
    speak_for = (found | by["keep"]) - by["drop"]
    tally = ", ".join(f"{len(who)} {choice}" for choice, who in by.items() if who)
    reason = f"found in {len(found)} subsets; votes: {tally}"
    if by["drop"] and len(by["drop"]) >= len(speak_for | by["revise"]):
        return MergeEdit(op="drop", ids=[rule_id], reason=reason)
    if by["revise"] and len(by["revise"] | by["drop"]) >= len(speak_for - by["revise"]):
        texts: dict[str, int] = defaultdict(int)
        for vote in votes:
            texts[vote.text] += len(vote.tasks) if vote.choice == "revise" else 0
        return MergeEdit(op="revise", ids=[rule_id], text=max(texts, key=texts.__getitem__), reason=reason)
    return None


def _votes_of(ctx: Context, node_id: str, module: Module, leaf: MergeNode) -> list[Vote]:
    """The votes of one subset, from the last trajectories of its tasks; none where no answer could be used."""
    last = (ctx.explored[task_id][-1] for task_id in leaf.tasks if task_id in ctx.explored)
    judged = [(ctx.train[j.trajectory.task_id], j.trajectory, j.feedback) for j in last if j.feedback is not None]
    place = Place("review", subset=leaf.id, node=node_id)

    def asked(messages: list[dict[str, str]], shown: list) -> list[Vote] | None:
        tasks = {task.id for task, _, _ in shown}

        def adopt(text: str) -> tuple[list[Vote], list[str]]:
            ballots = read_ballots(text, module, tasks)
            return [Vote(leaf.id, b.id, b.vote, tuple(b.tasks), b.text or "") for b in ballots.items], ballots.problems

        return ask_checked(ctx, "optimizer", messages, place, adopt, REVIEW_SCHEMA)

    def render(shown: list, limit: int | None) -> list[dict[str, str]]:
        return prompts.review(module, shown, counts=ctx.settings.cites, limit=limit)

    return fitted(ctx, judged, place, render, asked) or []


def read_ballots(text: str, module: Module, task_ids: Collection[str]) -> Listed[Ballot]:
    """The votes in a reviewer's answer on rules and tasks that it was shown, at most one a rule.

    >>> read_ballots('{"votes": []}', Module(()), []).items
    []
    """
    known, seen = {rule.id for rule in module.rules}, set()

    def check(ballot: Ballot) -> Ballot:
        tasks = resolved(ballot.tasks, task_ids)
        unknown = [task_id for task_id in tasks if task_id not in task_ids]
        if ballot.id not in known:
            raise ValueError(f"no rule {ballot.id!r} was shown")
        if ballot.id in seen:
            raise ValueError(f"this is a second vote on {ballot.id!r}")
        if unknown:
            raise ValueError(f"tasks that were not shown: {unknown[:5]}")
        if ballot.vote == "revise" and not ballot.text:
            raise ValueError("revise needs a text")
        seen.add(ballot.id)
        return ballot.model_copy(update={"tasks": tasks})

    return read_list(text, "votes", Ballot, check)
