"""The simulated LLM: a deterministic, seeded chat model that sees only the messages it is sent.

It tells its job by the section tags in the prompt (see `fgo_kit.algorithm.prompts`), hands the material to the
competence that reads it, and bounds what comes of it by the limits of its profile: what it notices in a
long prompt, how many rules it obeys or items it writes at once, what a rewrite loses. It does not know
which method asks. Its results are simulated and are no evidence about any named model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html import unescape

from ..algorithm.benchmark import Benchmark
from ..calls.protocol import BadRequest, ContextOverflow, Reply, Usage
from ..calls.tokens import count_messages, estimate
from ..calls.toolcalls import read_turn, split_reply
from ..records import digest
from .competence import Call, Competence, Known, Shown, is_right, section
from .limits import ASSUMPTIONS, Assumptions, Profile, assumed, assuming, constants_hash, obey, profile
from .modules import home_of, rules_by_component, shown_rules, written_module
from .registry import by_rules, by_tag, competences, frozen

_TRAJECTORY = re.compile(r'<trajectory task="([^"]*)" score="([^"]*)">\n(.*?)\n</trajectory>', re.DOTALL)


@dataclass(frozen=True)
class SimulatedLLM:
    """An `LLM` that needs no key, no network and no model."""

    name: str
    limits: Profile
    params: dict = field(default_factory=dict)
    max_completion: int = 4_096
    simulated: bool = True
    counter: str = "estimate"
    assumptions: Assumptions = ASSUMPTIONS

    spec = "simulated, simulated:<profile>"
    default = "small"
    parameters = ()
    prices = ""
    native_tools = False

    @classmethod
    def load(cls, name: str = default) -> SimulatedLLM:
        """One with a profile: "small", "large", "frontier", "null", "small-ruler" ..."""
        return cls(f"simulated:{name}", profile(name), {"constants": constants_hash()})

    def check(self, bench: Benchmark) -> None:
        """ValueError for tasks that no competence can read: their first observation has none of the known sections."""
        if set(type(bench).__module__.split(".")) & set(competences()):  # one of the folders beside its own
            return
        if by_tag(bench.first_observation((bench.test or bench.train)[0])) is not None:
            return
        raise ValueError(f"{self.name} has no competence for the tasks of {bench.name}: it has those of "
                         f"{', '.join(competences())} alone and would score 0; give an LLM that reads text, e.g. "
                         "fgo.load_llm('openai:<model>') or fgo.wrap_llm(function, name='mine')")

    @property
    def knowledge(self) -> dict:
        """Keeps answers from before a competence was changed out of the cache; ids of other tasks' runs stay."""
        return {"knowledge": digest(frozen())}

    @property
    def context_window(self) -> int:
        return self.limits.context_window

    def count(self, messages: list[dict]) -> int:
        return count_messages(messages)

    def complete(self, messages: list[dict], *, tools=(), response_schema=None, sample: int = 0) -> Reply:
        """Answer a chat; with `tools` a call of one is a tool call, else a line of text. Raises ContextOverflow
        beyond the window, BadRequest for a prompt it cannot read."""
        tokens = self.count(messages)
        if tokens + self.max_completion > self.context_window:
            raise ContextOverflow(f"{tokens} prompt tokens and {self.max_completion} for the answer exceed the "
                                  f"{self.context_window} token window of {self.name}")
        with assuming(self.assumptions):
            text = Prompt(self.limits, messages, tokens, sample).answer()
        usage, (words, calls) = Usage(tokens, estimate(text)), split_reply(text, len(messages)) if tools else (text, ())
        return Reply(words, usage, "tool_calls" if calls else "stop", calls)


load = SimulatedLLM.load


class Prompt(Call):
    """A call as one of our prompts, answered by its sections."""

    def answer(self) -> str:
        if probed := _probed(f"{self.system}\n{self.user}"):
            return probed
        if "<modules>" in self.user:
            return self._merge(section("modules", self.user))
        if "<union>" in self.user and "<trajectories>" not in self.user:
            return self._merge_edits(section("union", self.user))
        competence = by_tag(self.user)
        if competence is None:
            tags = " or ".join(f"<{known.tag}>" for known in competences().values())
            raise BadRequest(f"the simulated LLM finds no section it can read; it answers prompts with {tags} (act), "
                             "<trajectory> and <expected> around one (evaluate), <module> and <trajectories> (propose) "
                             "or <modules> (merge)")
        if "<trajectories>" in self.user:
            trajectories = section("trajectories", self.user)
            if "<union>" in self.user:
                return self._review(competence, section("union", self.user), trajectories)
            return self._propose(competence, section("module", self.user), trajectories)
        if "<expected>" in self.user:
            return competence.judge(self)
        if "<trajectory " in self.user:
            raise BadRequest("the simulated LLM cannot judge without the expected answer; gold=False needs a model")
        return self._act(competence)

    def _act(self, competence: Competence) -> str:
        rules = [(rule.id, rule.text) for rule in shown_rules(self.system)] + self._from_examples(competence)
        thought, answer, used = competence.act(self, rules)
        cited = f"RULES: {', '.join(filter(None, used)) or 'none'}\n" if "RULES:" in self.system else ""
        with_tools = read_turn(answer).start < len(answer)  # a call, or a final answer that says so
        return f"THOUGHT: {thought}\n{cited}{answer if with_tools else f'ANSWER: {answer}'}"

    def _from_examples(self, competence: Competence) -> list[tuple[str, str]]:
        """What worked examples among the rules bring to mind: the rules that an optimiser would write from them."""
        shown = self._shown(unescape(self.system)) if "&lt;trajectory " in self.system else []
        noticed = self._noticed(competence, [replace(each, right=False) for each in shown])  # all is still to be learnt
        return [("", edit["text"]) for edit in competence.improve(noticed, [], self.draw)] if noticed else []

    def _noticed(self, competence: Competence, trajectories: Sequence[Shown]) -> list:
        examples = (competence.example(self, shown) for shown in trajectories)
        return [example for example in examples if example is not None]

    def _review(self, competence: Competence, union: str, trajectories: str) -> str:
        votes = competence.review(self._noticed(competence, self._shown(trajectories)), shown_rules(union), self.draw)
        return json.dumps({"votes": self._written(votes)}, ensure_ascii=False)

    def _propose(self, competence: Competence, module: str, trajectories: str) -> str:
        known, homes = shown_rules(module), rules_by_component(module)
        noticed = self._noticed(competence, self._shown(trajectories))
        edits = self._written(competence.improve(noticed, known, self.draw))
        for edit in edits:
            if edit["op"] == "add" and homes and edit.get("component") not in homes:
                edit["component"] = next(iter(homes))
        if not self._asked_for_json():
            return self._rewrite(known, edits, homes)
        return json.dumps({"edits": edits}, ensure_ascii=False)

    def _shown(self, trajectories: str) -> list[Shown]:
        parts = _TRAJECTORY.findall(trajectories)
        return [
            Shown(unescape(task), is_right(score), body, (number + 0.5) / len(parts), self.luck(task))
            for number, (task, score, body) in enumerate(parts)
        ]

    def _united(self, known: list[Known]) -> list[dict]:
        """The rules that a merger would have, with the ids of those they come from; some are overlooked and stay."""
        overlooked = {rule.id: rule.text for rule in known if self.draw("oversight", rule.id) < assumed().oversight}
        united = by_rules(known).unite([rule for rule in known if rule.id not in overlooked], self.draw)
        return united + [{"text": text, "from": [rule_id]} for rule_id, text in overlooked.items()]

    def _merge_edits(self, union: str) -> str:
        known = shown_rules(union)
        united, texts = self._united(known), {rule.id: rule.text for rule in known}
        edits = [
            {"op": "unite", "ids": rule["from"], "text": rule["text"]} if len(rule["from"]) > 1
            else {"op": "revise", "id": rule["from"][0], "text": rule["text"], "reason": "It says this in other words."}
            for rule in united if len(rule["from"]) > 1 or texts[rule["from"][0]] != rule["text"]
        ]  # fmt: skip
        kept = {rule_id for rule in united for rule_id in rule["from"]}
        edits += [{"op": "drop", "id": rule.id, "reason": _reason(rule)} for rule in known if rule.id not in kept]
        return json.dumps({"edits": self._written(edits)}, ensure_ascii=False)

    def _merge(self, modules: str) -> str:
        known, homes = shown_rules(modules), rules_by_component(modules)
        merged = self._written(self._united(known))
        if not self._asked_for_json():
            kept = [rule for rule in merged if self._survives(rule["text"])]
            return written_module(homes, [(home_of(rule, homes), rule["text"]) for rule in kept])
        return json.dumps({"rules": merged}, ensure_ascii=False)

    def _written(self, items: list[dict]) -> list[dict]:
        """Of n items to be written at once each is kept with the chance that n instructions are obeyed."""
        chance = obey(self.limits, len(items))
        return [item for number, item in enumerate(items) if chance >= 1 or self.draw("write", number) < chance]

    def _rewrite(self, known: list[Known], edits: list[dict], homes: dict[str, list[str]]) -> str:
        gone = {edit["id"] for edit in edits if edit["op"] != "add"}
        old = [rule for rule in known if rule.id not in gone and self._survives(rule.text)]
        kept = [(home_of({"id": rule.id}, homes), rule.text) for rule in old]
        written = [(home_of(edit, homes), edit["text"]) for edit in edits if edit["op"] != "drop"]
        return written_module(homes, kept + written)

    def _survives(self, text: str) -> bool:
        return self.draw("rewrite", text) < self.limits.rewrite

    def _asked_for_json(self) -> bool:
        return "json" in self.system.casefold()


def _reason(rule: Known) -> str:
    if rule.wrong > rule.right:
        return f"Used {rule.right} times right and {rule.wrong} wrong; without it the same tasks were as often right."
    return f"Better supported rules speak against it (support {rule.support})."


def _probed(text: str) -> str:
    """The answer to a probe of `fgo.preflight`, which asks for words or for a call; "" for any other prompt."""
    if tool := re.search(r"<call>([\w-]+)</call>", text):
        return f'TOOL: {{"tool": "{tool[1]}", "arguments": {{}}}}'
    words = re.findall(r"<word>([\w-]+)</word>", text)
    return '{"edits": []}' if words and "JSON" in text else " ".join(words)
