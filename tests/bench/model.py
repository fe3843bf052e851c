"""The model behind the benchmark's server: it reads every prompt alike, whoever wrote it, and learns from what it is shown.

A prompt holds rules, examples (a question and, before the next one, its right answer) and perhaps a last question; it
asks for an answer, or for a text, which is then all rules that are shown or follow from the examples. `words` and
`dates` are conventions to be read off one example. `documents` is LogisticsQA-gen, read by the project's simulated LLM:
a prompt in the form that it reads goes to it as it is, any other is first put into that form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from html import escape
from zlib import crc32

Chat = list[dict[str, str]]
_RIGHT = [re.compile(pattern, re.DOTALL) for pattern in (
    r"<expected>\s*(.*?)\s*</expected>", r"correct answer is '(.*?)'", r"\[\[ ## answer ## \]\]\n(.*?)\n",
    r"[\"']answer[\"']: [\"'](.*?)[\"']", r"\bAnswer: (.*?)(?:\n|$)",
)]  # fmt: skip
"""Where prompts state a right answer, the surest first: after it stand the agent's own answers."""
_FIELD = re.compile(r"Respond with [^`]*`(?:\[\[ ## )?(\w+)")
_OURS = ("<trajectories>", "<union>", "<modules>", "<expected>")
_TRAJECTORY = re.compile(r'<trajectory task="([^"]+)".*?</trajectory>', re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A question of a prompt with what is said of it. right: the right answer, "" where it is not shown."""

    question: re.Match
    right: str
    done: bool = False


def examples(text: str, question: re.Pattern) -> list[Example]:
    """All questions of a prompt, in order."""
    found = list(question.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    said = [text[match.end() : end] for match, end in zip(found, ends, strict=False)]
    return [Example(match, _right_answer(part), "answer is right" in part) for match, part in zip(found, said, strict=True)]


def _right_answer(said: str) -> str:
    return next((match[1].strip() for pattern in _RIGHT if (match := pattern.search(said))), "")


@dataclass(frozen=True)
class Convention:
    """A kind of task whose answer follows a convention that one example shows.

    question: with the groups `key`, whose convention it is, and `value`. rule: a pattern of a rule's sentence, as `said`
    writes it. induce: the convention behind a value's answer, None where there is none; apply: the answer by it.
    """

    question: re.Pattern
    said: str
    induce: Callable[[str, str], str | None]
    apply: Callable[[str, str], str]

    @property
    def rule(self) -> re.Pattern:
        return re.compile(self.said.format(r"(\w+)", r"([\w%./-]+)"))

    def answer(self, chat: Chat) -> str:
        """What the model says to a prompt."""
        text = "\n".join(message["content"] for message in chat)
        known = dict(self.rule.findall(text))
        if "<union>" in text:  # all rules are kept, and no subset minds
            return json.dumps({"votes": []} if "<trajectories>" in text else {"edits": []})
        if "<trajectories>" in text:
            return json.dumps({"edits": [
                {"op": "add", "text": self.said.format(key, what), "support": [task]}
                for key, (what, task) in self._by_task(text).items() if key not in known]})  # fmt: skip
        shown = examples(text, self.question)
        if "<expected>" in text:
            return f"It should be {shown[-1].right}."
        known = self._learnt(shown) | known
        if writes(text):
            return formed(text, "\n".join(self.said.format(*rule) for rule in known.items()))
        asked = shown[-1].question if shown else None
        right = asked and asked["key"] in known
        return formed(text, self.apply(asked["value"], known[asked["key"]]) if right else "unknown")

    def _learnt(self, shown: list[Example]) -> dict[str, str]:
        induced = {each.question["key"]: self.induce(each.question["value"], each.right) for each in shown if each.right}
        return {key: what for key, what in induced.items() if what}

    def _by_task(self, text: str) -> dict[str, tuple[str, str]]:
        return {key: (what, task[1]) for task in _TRAJECTORY.finditer(text)
                for key, what in self._learnt(examples(task[0], self.question)).items()}  # fmt: skip


FORMATS = ("%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%d", "%d/%m/%y", "%d-%b-%Y", "%Y%m%d", "%d%b%y", "%Y/%j")


def _format_of(day: str, written: str) -> str | None:
    return next((form for form in FORMATS if _written(day, form) == written), None)


def _written(day: str, form: str) -> str:
    return date.fromisoformat(day).strftime(form)


WORDS = Convention(re.compile(r"the word '(?P<value>\w+)-(?P<key>\w+)'"), "words with {} get {}",
                   lambda word, code: code, lambda word, code: code)  # fmt: skip
DATES = Convention(re.compile(r"the office of (?P<key>\w+) write (?P<value>\d{4}-\d\d-\d\d)"), "days at {} are written {}",
                   _format_of, _written)  # fmt: skip


class Documents:
    """LogisticsQA-gen by the project's simulated LLM."""

    question = re.compile(r"<document>(?:\n|\\n)(.*?)(?:\n|\\n)</document>", re.DOTALL)
    rule = re.compile(r"^\s*\[r\d+\] (.+?)\s*$", re.MULTILINE)

    def answer(self, chat: Chat) -> str:
        text = "\n".join(message["content"] for message in chat)
        if any(tag in text for tag in _OURS) or "ANSWER:" in chat[0]["content"]:
            return self._said(chat)
        rules, shown = list(dict.fromkeys(self.rule.findall(text))), examples(text, self.question)
        taught = [each for each in shown if each.right]
        if writes(text):
            return formed(text, _listed(self._learnt(rules, taught) if taught else rules))
        system = f"{_listed(rules)}\n{escape(_trajectories(taught), quote=False)}" if taught else _listed(rules)
        asked = f"<document>\n{_plain(shown[-1].question[1])}\n</document>"
        return formed(text, self._said(_chat(system, asked)).rpartition("ANSWER: ")[2])

    def _said(self, chat: Chat) -> str:
        return _simulated().complete(chat).text

    def _learnt(self, rules: list[str], shown: list[Example]) -> list[str]:
        """The rules as the simulated LLM edits them, in view of the examples."""
        module = f"<module>\n{_listed(rules)}\n</module>"
        said = self._said(_chat("Answer with JSON.", f"{module}\n<trajectories>\n{_trajectories(shown)}\n</trajectories>"))
        texts = {f"r{number}": text for number, text in enumerate(rules)}
        for number, edit in enumerate(json.loads(said)["edits"]):
            if edit["op"] == "drop":
                texts.pop(edit["id"], None)
            else:
                texts[edit.get("id", f"new{number}")] = edit["text"]
        return list(texts.values())


@cache
def _simulated():
    from fgo_kit.simulate.model import load

    return load("large")


def _chat(system: str, user: str) -> Chat:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _listed(rules: list[str]) -> str:
    return "\n".join(f"[r{number}] {text}" for number, text in enumerate(rules))


def _plain(document: str) -> str:
    """A document as it was before it was quoted as JSON or as Python."""
    return document.replace("\\n", "\n").replace('\\"', '"').replace("\\'", "'")


def _trajectories(shown: list[Example]) -> str:
    documents = [_plain(each.question[1]) for each in shown]
    return "\n".join(
        f'<trajectory task="{crc32(document.encode())}" score="{int(each.done)}">\n<document>\n{document}\n</document>\n'
        f"<expected>\n{each.right}\n</expected>\n</trajectory>" for document, each in zip(documents, shown, strict=True))  # fmt: skip


def writes(text: str) -> bool:
    """Whether a prompt asks for a text, and not for an answer to a question."""
    return _field(text) not in ("", "answer") or "within ``` blocks" in text


def _field(text: str) -> str:
    return (_FIELD.findall(text) or [""])[-1]


def formed(text: str, value: str) -> str:
    """A value in the form that the prompt asks for: JSON, named sections, a block, or lines of THOUGHT and ANSWER."""
    field = _field(text)
    if field:
        return json.dumps({field: value}) if "Respond with a JSON object" in text else (
            f"[[ ## {field} ## ]]\n{value}\n\n[[ ## completed ## ]]")  # fmt: skip
    if writes(text):
        return f"```\n{value}\n```"
    return f"THOUGHT: a rule\nANSWER: {value}" if "ANSWER:" in text else value


MODELS = {"words": WORDS, "dates": DATES, "documents": Documents()}
