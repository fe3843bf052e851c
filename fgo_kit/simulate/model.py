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
from .competences import COMPETENCES, Competence, by_rules, by_tag, section
from .limits import ASSUMPTIONS, Assumptions, Profile, assuming, constants_hash, noticing, obey, profile
from .logisticsqa.learning import Known

_TRAJECTORY = re.compile(r'<trajectory task="([^"]*)" score="([^"]*)">\n(.*?)\n</trajectory>', re.DOTALL)
_RULE = re.compile(
    r"^\[([\w.-]+)\] (.*?)(?: \(support (\d+)(?:; used (\d+) times right, (\d+) wrong)?\))?$", re.MULTILINE
)
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
    assumptions: Assumptions = ASSUMPTIONS

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
        with assuming(self.assumptions):
            text = _Call(self.limits, messages, tokens, sample).answer()
        return Reply(text, Usage(tokens, estimate(text)))


def load(name: str = "small") -> SimulatedLLM:
    """The simulated LLM with a profile: "small", "large", "frontier", "null", "small-ruler" ..."""
    return SimulatedLLM(f"simulated:{name}", profile(name), {"constants": frozen_hash()})


@cache
def frozen_hash() -> str:
    """A hash of every number the simulation rests on. It is committed before a grid is run."""
    return digest([constants_hash(), *(competence.knowledge for competence in COMPETENCES)])


class _Call:
    """One prompt being answered."""

    def __init__(self, limits: Profile, messages: list[dict], tokens: int, sample: int):
        self.limits = limits
        self.tokens = tokens
        self.system = messages[0]["content"] if messages[0]["role"] == "system" else ""
        self.chat = messages[1:] or messages
        self.user = next((m["content"] for m in self.chat if m["role"] == "user"), "")
        state = hashlib.blake2b(str(sample).encode(), digest_size=16)
        lasting = state.copy()
        first = self.user[: self.user.rfind("</")]  # without what is said after it, such as what was left out
        lasting.update(first.encode("utf-8", "surrogatepass"))
        for message in messages:
            state.update(f"\0{message['role']}\0{message['content']}".encode("utf-8", "surrogatepass"))
        self.seed, self.lasting_seed = state.digest(), lasting.digest()

    def draw(self, *what: object) -> float:
        """A uniform draw in [0, 1) that depends on the prompt, the sample and `what` alone."""
        return _uniform(self.seed, what)

    def lasting(self, *what: object) -> float:
        """A uniform draw that stays the same over a dialogue: of its first message, the sample and `what`."""
        return _uniform(self.lasting_seed, what)

    def obeyed(self, rules: int) -> float:
        """The share of so many rules that is obeyed at once."""
        return obey(self.limits, rules)

    def noticed(self, hops: int, position: float = 0.5) -> float:
        """The chance of noticing a fact at a place in this prompt (see `limits.noticing`)."""
        return noticing(self.limits, self.tokens, position, hops)

    def answer(self) -> str:
        if "<modules>" in self.user:
            return self._merge(section("modules", self.user))
        competence = by_tag(self.user)
        if competence is None:
            tags = " or ".join(f"<{one.tag}>" for one in COMPETENCES)
            raise BadRequest(
                f"the simulated LLM finds no section it can read; it answers prompts with {tags} (act), <trajectory> "
                "and <expected> around one (evaluate), <module> and <trajectories> (propose) or <modules> (merge)"
            )
        if "<trajectories>" in self.user:
            module, trajectories = section("module", self.user), section("trajectories", self.user)
            return self._propose(competence, module, trajectories)
        return competence.judge(self) if "<expected>" in self.user else self._act(competence)

    def _act(self, competence: Competence) -> str:
        rules = [(rule.id, rule.text) for rule in _rules(self.system)]
        thought, answer, used = competence.act(self, rules)
        cited = f"RULES: {', '.join(used) or 'none'}\n" if "RULES:" in self.system else ""
        return f"THOUGHT: {thought}\n{cited}ANSWER: {answer}"

    def _propose(self, competence: Competence, module: str, trajectories: str) -> str:
        shown = _TRAJECTORY.findall(trajectories)
        noticed = [
            competence.example(self, *one, (number + 0.5) / len(shown)) for number, one in enumerate(shown)
        ]
        known = _rules(module)
        edits = self._written(competence.improve([one for one in noticed if one is not None], known, self.draw))
        if not self._asked_for_json():
            return self._rewrite(known, edits)
        heading = _HEADING.search(module)
        for edit in edits:
            if edit["op"] == "add" and heading:
                edit["component"] = heading[1]
        return json.dumps({"edits": edits}, ensure_ascii=False)

    def _merge(self, modules: str) -> str:
        known = _rules(modules)
        merged = self._written(by_rules(known).unite(known, self.draw))
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


def _uniform(seed: bytes, what: tuple) -> float:
    text = "\0".join(map(str, what)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=7, key=seed).digest(), "big") / 2**56


def _rules(text: str) -> list[Known]:
    return [
        Known(rule_id, unescape(words), int(support or 0), int(right or 0), int(wrong or 0))
        for rule_id, words, support, right, wrong in _RULE.findall(text)
    ]


def _module_section(lines: list[str]) -> str:
    return "<module>\n" + "\n".join(lines) + "\n</module>"
