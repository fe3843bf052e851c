"""The simulated LLM: a deterministic, seeded chat model that sees only the messages it is sent.

It tells its job by the section tags in the prompt (see `fgo_kit.prompts`), hands the material to the
competence that reads it, and bounds what comes of it by the limits of its profile: what it notices in a
long prompt, how many rules it obeys or items it writes at once, what a rewrite loses. It does not know
which method asks. Its results are simulated and are no evidence about any named model.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cache
from html import unescape

from ..llm import BadRequest, ContextOverflow, Reply, Usage
from ..records import digest
from ..tokens import count_messages, estimate
from . import logisticsqa
from .limits import Profile, constants_hash, noticing, obey, profile
from .logisticsqa.learning import Example, Known

COMPETENCES = (logisticsqa,)
_SECTION = {
    tag: re.compile(rf"<{tag}(?:\s[^>]*)?>\n?(.*?)\n?</{tag}>", re.DOTALL)
    for tag in ("module", "modules", "trajectories", "observation", "action", "expected", "feedback", "document")
}
_TRAJECTORY = re.compile(r'<trajectory task="([^"]*)" score="([^"]*)">\n(.*?)\n</trajectory>', re.DOTALL)
_RULE = re.compile(
    r"^\[([\w.-]+)\] (.*?)(?: \(support (\d+)(?:; used (\d+) times right, (\d+) wrong)?\))?$", re.MULTILINE
)
_ANSWER = re.compile(r"^ANSWER:\s*(.*?)\s*$", re.MULTILINE)
_MARKED = re.compile(r'The right one follows the label "([^"]+)"')
_HEADING = re.compile(r"^(\w+): ", re.MULTILINE)


@dataclass(frozen=True)
class SimulatedLLM:
    """An `LLM` that needs no key, no network and no model."""

    name: str
    limits: Profile
    params: dict = field(default_factory=dict)
    max_completion: int = 4_096
    simulated: bool = True
    counter: str = "estimate"

    @property
    def context_window(self) -> int:
        return self.limits.context_window

    def count(self, messages: list[dict]) -> int:
        return count_messages(messages)

    def complete(self, messages: list[dict], *, tools=(), response_schema=None, sample: int = 0) -> Reply:
        """Answer a chat. Raises ContextOverflow beyond the window, BadRequest for a prompt it cannot read."""
        tokens = self.count(messages)
        if tokens + self.max_completion > self.context_window:
            raise ContextOverflow(
                f"{tokens} prompt tokens and {self.max_completion} for the answer exceed the "
                f"{self.context_window} token window of {self.name}"
            )
        text = _Call(self.limits, messages, tokens, sample).answer()
        return Reply(text, Usage(tokens, estimate(text)))


def load(name: str = "small") -> SimulatedLLM:
    """The simulated LLM with a profile: "small", "large", "frontier", "null", "small-ruler" ..."""
    return SimulatedLLM(f"simulated:{name}", profile(name), {"constants": frozen_hash()})


@cache
def frozen_hash() -> str:
    """A hash of every number the simulation rests on. It is committed before a grid is run."""
    return digest([constants_hash(), *(competence.KNOWLEDGE for competence in COMPETENCES)])


class _Call:
    """One prompt being answered."""

    def __init__(self, limits: Profile, messages: list[dict], tokens: int, sample: int):
        self.limits = limits
        self.tokens = tokens
        self.system = messages[0]["content"] if messages[0]["role"] == "system" else ""
        self.user = next((m["content"] for m in messages[1:] or messages if m["role"] == "user"), "")
        state = hashlib.blake2b(str(sample).encode(), digest_size=16)
        for message in messages:
            state.update(f"\0{message['role']}\0{message['content']}".encode("utf-8", "surrogatepass"))
        self.seed = state.digest()

    def draw(self, *what: object) -> float:
        """A uniform draw in [0, 1) that depends on the prompt, the sample and `what` alone."""
        text = "\0".join(map(str, what)).encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, digest_size=7, key=self.seed).digest(), "big") / 2**56

    def answer(self) -> str:
        if "<modules>" in self.user:
            return self._merge(self._section("modules", self.user))
        if "<trajectories>" in self.user:
            return self._propose(self._section("module", self.user), self._section("trajectories", self.user))
        if "<expected>" in self.user:
            return self._evaluate()
        if "<document>" in self.user:
            return self._act()
        raise BadRequest(
            "the simulated LLM finds no section it can read; it answers prompts with <document> (act), <trajectory> "
            "and <expected> (evaluate), <module> and <trajectories> (propose) or <modules> (merge)"
        )

    def _section(self, tag: str, text: str) -> str:
        found = _SECTION[tag].search(text)
        if found is None:
            raise BadRequest(f"the simulated LLM finds no whole <{tag}> ... </{tag}> section in this prompt")
        return found[1]

    def _act(self) -> str:
        rules = [(rule.id, rule.text) for rule in _rules(self.system)]
        thought, answer, used = logisticsqa.act(
            rules, self._section("document", self.user), obey(self.limits, len(rules)), self.draw
        )
        cited = f"RULES: {', '.join(used) or 'none'}\n" if "RULES:" in self.system else ""
        return f"THOUGHT: {thought}\n{cited}ANSWER: {answer}"

    def _evaluate(self) -> str:
        action = self._section("action", self.user)
        given = _ANSWER.search(action)
        return logisticsqa.judge(
            self._section("document", self.user),
            given[1] if given else action,
            unescape(self._section("expected", self.user)).strip(),
            noticing(self.limits, self.tokens, 0.5, hops=2),
            self.draw,
        )

    def _propose(self, module: str, trajectories: str) -> str:
        examples = self._noticed(_TRAJECTORY.findall(trajectories))
        known = _rules(module)
        edits = self._written(logisticsqa.improve(examples, known, self.draw))
        if not self._asked_for_json():
            return self._rewrite(known, edits)
        heading = _HEADING.search(module)
        for edit in edits:
            if edit["op"] == "add" and heading:
                edit["component"] = heading[1]
        return json.dumps({"edits": edits}, ensure_ascii=False)

    def _noticed(self, shown: list[tuple[str, str, str]]) -> list[Example]:
        """One draw a trajectory: two hops to tie the expected answer to what marks it, one where feedback did."""
        noticed = []
        for number, (task_id, score, body) in enumerate(shown):
            document, expected = _SECTION["document"].search(body), _SECTION["expected"].search(body)
            if document is None or expected is None:
                continue
            feedback = _SECTION["feedback"].search(body)
            marked = _MARKED.search(feedback[1]) if feedback else None
            told = marked is not None or (feedback is not None and "no transport reference" in feedback[1])
            chance = noticing(self.limits, self.tokens, (number + 0.5) / len(shown), hops=1 if told else 2)
            if self.draw("notice", task_id) < chance:
                right = float(score) >= 0.5
                answer, label = unescape(expected[1]).strip(), marked[1] if marked else ""
                noticed.append(Example(unescape(task_id), document[1], answer, right, label))
        return noticed

    def _merge(self, modules: str) -> str:
        known = _rules(modules)
        merged = self._written(logisticsqa.unite(known, self.draw))
        if not self._asked_for_json():
            return _module_section([rule["text"] for rule in merged if self._survives(rule["text"])])
        return json.dumps({"rules": merged}, ensure_ascii=False)

    def _written(self, items: list[dict]) -> list[dict]:
        """Of n items to be written at once each is kept with the chance that n instructions are obeyed."""
        chance = obey(self.limits, len(items))
        return [item for number, item in enumerate(items) if chance >= 1 or self.draw("write", number) < chance]

    def _rewrite(self, known: list[Known], edits: list[dict]) -> str:
        gone = {edit["id"] for edit in edits if edit["op"] != "add"}
        old = [rule.text for rule in known if rule.id not in gone and self._survives(rule.text)]
        return _module_section(old + [edit["text"] for edit in edits if edit["op"] != "drop"])

    def _survives(self, text: str) -> bool:
        return self.draw("rewrite", text) < self.limits.rewrite

    def _asked_for_json(self) -> bool:
        return "json" in self.system.casefold()


def _rules(text: str) -> list[Known]:
    return [
        Known(rule_id, unescape(words), int(support or 0), int(right or 0), int(wrong or 0))
        for rule_id, words, support, right, wrong in _RULE.findall(text)
    ]


def _module_section(lines: list[str]) -> str:
    return "<module>\n" + "\n".join(lines) + "\n</module>"
