"""Every prompt: a function that renders one of the `TEMPLATES` to chat messages.

Material goes between section tags (`<module>`, `<trajectory>`, `<document>` ...). Everything untrusted
is passed through `quote`, so a document cannot close its section or open another. The simulated LLM
tells its job by these tags alone: `<modules>` or `<union>` merge, `<trajectories>` propose, both of the last review,
`<trajectory>` with `<expected>` evaluate, otherwise act. The wording between the tags is free. A rollout of several
turns is shown to evaluator and optimiser as one `<turns>` section: thought, `> action`, what came of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import Template
from types import MappingProxyType

from ..calls import toolcalls
from ..calls.reply_text import bare, given_answer
from ..records import Feedback, Module, Rule, Step, Task, Trajectory, digest
from .templates import TEMPLATES

NO_RULES = "(no rules yet)"
TAGS = (
    "module", "modules", "union", "trajectory", "trajectories", "observation", "action", "expected", "score",
    "feedback", "document", "problem", "answer", "scene", "result", "turns",
    "question", "tool_result", "tool_error", "rejected", "task", "scorer",
)  # fmt: skip
_OUR_TAGS = re.compile(rf"<(?=/?(?:{'|'.join(TAGS)})\b)", re.IGNORECASE)
_RULES = re.compile(r"^[^\w\n]*RULES[^\w\n]*?[:：](.*)$", re.MULTILINE | re.IGNORECASE)
_THOUGHT = re.compile(r"^[^\w\n]*THOUGHT[^\w\n]*?[:：][\s*]*(.*)$", re.MULTILINE | re.IGNORECASE)
_RESULT = re.compile(r"<result>\n?(.*?)\n?</result>", re.DOTALL)
_SECTION = re.compile(r"(<[a-z_]+(?: [^>\n]*)?>)\n(.*)\n(</[a-z_]+>)", re.DOTALL)
FEEDBACK_LIMIT = 1_200
"""Longest feedback, in characters, that an optimiser prompt carries."""
THOUGHT_LIMIT = 400
"""Longest thought, and longest action, of one turn in the prompts of evaluator and optimiser."""
CALL_LIMIT, RESULT_LIMIT = 1_000, 1_500
"""Longest call of a tool, and longest output of one, in those prompts."""

_EVALUATE = {"answer": "evaluate", "turns": "evaluate_turns", "tools": "evaluate_tools"}
_VERDICT = re.compile(r"\bVERDICT\b[^\w\n]*(right|wrong)\b", re.IGNORECASE)
_GOLD = "the expected answer and a reviewer's feedback"
_BLIND = "the verdict and feedback of a reviewer who does not know the right answer"


def version() -> str:
    """A hash of all templates: part of a run's identity."""
    return digest(TEMPLATES)


def quote(text: str) -> str:
    """Untrusted text made safe to stand inside a section: our own tags in it lose their `<`.

    >>> quote("a </document> b < c")
    'a &lt;/document> b < c'
    """
    return _OUR_TAGS.sub("&lt;", text)


def section(tag: str, text: str, **attributes: object) -> str:
    """`<tag a="b">` text `</tag>`, attributes escaped, the text as it is."""
    extra = "".join(f' {name}="{_attribute(value)}"' for name, value in attributes.items())
    return f"<{tag}{extra}>\n{text}\n</{tag}>"


def _attribute(value: object) -> str:
    return str(value).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace("\n", " ")


def act(module: Module, cite: bool, tools: Sequence[dict] = ()) -> dict[str, str]:
    """The agent's system message: the module, the tools if there are any, and the form of the answer."""
    text = Template(TEMPLATES["act_tools" if tools else "act"]).substitute(
        module=quote(str(module)), cite=TEMPLATES["cite"] if cite else "", tools="\n".join(map(_tool_line, tools))
    )
    return {"role": "system", "content": text}


def _tool_line(tool: dict) -> str:
    takes = ", ".join(
        f"{name}={schema['default']}" if "default" in schema else name
        for name, schema in tool["parameters"].get("properties", {}).items()
    )
    return f"- {tool['name']}({takes}): {tool['description']}"


def parse_action(reply: str) -> tuple[str, tuple[str, ...]]:
    """(answer, cited rule ids) of an agent's reply; one without an ANSWER line is all answer but for THOUGHT and RULES.

    >>> parse_action("THOUGHT: x\\nRULES: s1e1.1, s1e1.2\\nANSWER: 42")
    ('42', ('s1e1.1', 's1e1.2'))
    """
    answer, cited = given_answer(reply), _RULES.findall(reply)
    ids = tuple(dict.fromkeys(re.findall(r"\w(?:[\w.-]*\w)?", cited[-1]))) if cited else ()
    return bare(_RULES.sub("", _THOUGHT.sub("", reply))) if answer is None else answer, ids


def shortened(chat: list[dict[str, str]], left_out: int) -> list[dict[str, str]]:
    """A dialogue without its oldest turns: the first observation stays, with a note of what is missing."""
    if not left_out:
        return chat
    first, note = chat[0], f"\n({left_out} earlier turns are left out here.)"
    return [{**first, "content": first["content"] + note}, *chat[1 + 2 * left_out :]]


def _turns(trajectory: Trajectory) -> str:
    """All turns but the first observation: `> action` under its thought, then what came of it."""
    lines = []
    for number, step in enumerate(trajectory.steps):
        if number:
            lines.append(_unwrapped(step.observation))
        thought, (answer, _) = _THOUGHT.search(step.action), parse_action(step.action)
        lines += [f"THOUGHT: {quote(thought[1][:THOUGHT_LIMIT])}"] if thought and thought[1] else []
        turn = toolcalls.read_turn(step.action)
        if turn.start < len(step.action):  # a call or a final answer; its lines are part of a program
            lines.append(f"> {quote(step.action[turn.start :].strip()[:CALL_LIMIT])}")
        else:
            lines.append(f"> {quote(' '.join(answer.split())[:THOUGHT_LIMIT])}")
    if trajectory.final:
        lines.append(quote(trajectory.final))
    return "\n".join(lines)


def _unwrapped(observation: str) -> str:
    result, output = _RESULT.fullmatch(observation), toolcalls.bare_result(observation)
    if output is not None:
        cut = len(output) - RESULT_LIMIT
        return output[:RESULT_LIMIT] + (f" [{cut} more characters]" if cut > 0 else "")
    return result[1] if result else quote(observation)


def trajectory_text(task: Task, trajectory: Trajectory, feedback: Feedback | None, limit: int | None = None) -> str:
    """One trajectory as evaluator and optimiser are shown it; limit: most characters of each of its texts."""
    trajectory = _within(trajectory, limit)
    parts = _played(trajectory)
    if feedback is None or not feedback.blind:
        parts.append(section("expected", quote(task.answer)))
    if feedback is not None:
        parts.append(section("feedback", quote(feedback.text[:FEEDBACK_LIMIT])))
    elif trajectory.comment:  # a feedback begins with it
        parts.append(section("scorer", quote(trajectory.comment[:FEEDBACK_LIMIT])))
    score = trajectory.score if feedback is None else feedback.score
    return section("trajectory", "\n".join(parts), task=task.id, score=f"{score:g}")


def _played(trajectory: Trajectory) -> list[str]:
    first = section("observation", trajectory.steps[0].observation) if trajectory.steps else ""
    if trajectory.form == "answer":
        return [first, "\n".join(section("action", quote(step.action)) for step in trajectory.steps)]
    return [first, section("turns", _turns(trajectory))]


def _within(trajectory: Trajectory, limit: int | None) -> Trajectory:
    if limit is None:
        return trajectory
    steps = tuple(Step(clipped(s.observation, limit), clipped(s.action, limit)) for s in trajectory.steps)
    return replace(trajectory, steps=steps, final=clipped(trajectory.final, limit))


def clipped(text: str, limit: int) -> str:
    """Head and tail of a long text, with a mark between; a section keeps its tags.

    >>> clipped("<document>\\nabcdefghij\\n</document>", 4)
    '<document>\\nab\\n[6 characters are left out here]\\nij\\n</document>'
    """
    whole = _SECTION.fullmatch(text)
    inner = whole[2] if whole else text
    if len(inner) <= limit:
        return text
    head, tail = inner[: limit - limit // 2], inner[len(inner) - limit // 2 :]
    kept = f"{head}\n[{len(inner) - limit} characters are left out here]\n{tail}"
    return f"{whole[1]}\n{kept}\n{whole[3]}" if whole else kept


def evaluate(task: Task, trajectory: Trajectory, limit: int | None = None, gold: bool = True) -> list[dict[str, str]]:
    """The evaluator sees one trajectory, with gold its score and the expected answer; limit as in `trajectory_text`."""
    if gold:
        return _chat(_EVALUATE[trajectory.form], trajectory_text(task, trajectory, None, limit))
    shown = section("trajectory", "\n".join(_played(_within(trajectory, limit))), task=task.id)
    return _chat("evaluate_blind", shown)


def parse_verdict(text: str) -> float | None:
    """1.0 or 0.0 for what an evaluator without gold found right or wrong; None where it does not say.

    >>> parse_verdict("**Verdict:** wrong, since the label before it is another's"), parse_verdict("It looks fine.")
    (0.0, None)
    """
    found = _VERDICT.search(text)
    return float(found[1].lower() == "right") if found else None


def propose(
    module: Module, judged: list[tuple[Task, Trajectory, Feedback]], *, counts: bool = False, edits: bool = True,
    rejected: Sequence[str] = (), limit: int | None = None,
) -> list[dict[str, str]]:  # fmt: skip
    """The optimiser sees the module, rules that were rejected before, and a subset's trajectories with feedback."""
    shown = section("module", _rules_text(module, counts))
    if rejected:
        lines = "\n".join(f"- {quote(text)}" for text in rejected)
        shown += "\n" + section("rejected", f"Tried before, and refused because the agent fared worse:\n{lines}")
    trajectories = section("trajectories", "\n".join(trajectory_text(*line, limit) for line in judged))
    messages = _chat("propose" if edits else "propose_rewrite", f"{shown}\n{trajectories}", _parts(module, edits))
    return _as_judged(messages, judged)


def merge(named: list[tuple[str, Module]], *, counts: bool = False, edits: bool = True) -> list[dict[str, str]]:
    """The merger sees modules only, each under its node's name."""
    shown = "\n".join(section("module", _rules_text(module, counts), name=name) for name, module in named)
    parts = _parts(named[0][1], edits) if named else ""
    return _chat("merge" if edits else "merge_rewrite", section("modules", shown), parts)


def merge_union(module: Module, found: Mapping[str, str], *, counts: bool = False) -> list[dict[str, str]]:
    """The merger sees the union of several modules; found: by rule id, where each was found, in words."""
    return _chat("merge_edits", section("union", _rules_text(module, counts, found)))


def review(
    module: Module, judged: list[tuple[Task, Trajectory, Feedback]], *, counts: bool = False, limit: int | None = None
) -> list[dict[str, str]]:
    """A reviewer sees the united rules and one subset's trajectories with feedback."""
    union = section("union", _rules_text(module, counts))
    trajectories = section("trajectories", "\n".join(trajectory_text(*line, limit) for line in judged))
    return _as_judged(_chat("review", f"{union}\n{trajectories}"), judged)


def _as_judged(messages: list[dict[str, str]], judged: list[tuple[Task, Trajectory, Feedback]]) -> list[dict[str, str]]:
    """Messages that do not speak of expected answers where none is shown."""
    if any(feedback and feedback.blind for _, _, feedback in judged):
        messages[0]["content"] = messages[0]["content"].replace(_GOLD, _BLIND)
    return messages


def _parts(module: Module, edits: bool) -> str:
    """What a rewrite of several components is told beside the rest; edits name their component anyway."""
    return "" if edits or len(module.components) < 2 else f"\n\n{TEMPLATES['parts']}"


def repair(messages: list[dict[str, str]], reply: str, problem: str) -> list[dict[str, str]]:
    """The same chat, the answer that could not be used, and why."""
    ask = Template(TEMPLATES["repair"]).substitute(problem=quote(problem))
    said = reply if reply.strip() else "(empty)"
    return [*messages, {"role": "assistant", "content": said}, {"role": "user", "content": ask}]


def _chat(template: str, text: str, more: str = "") -> list[dict[str, str]]:
    return [{"role": "system", "content": TEMPLATES[template] + more}, {"role": "user", "content": text}]


def _rules_text(module: Module, counts: bool, found: Mapping[str, str] = MappingProxyType({})) -> str:
    parts = []
    for component in module.components:
        rules = "\n".join(_rule_line(rule, counts, found) for rule in component.rules) or NO_RULES
        parts.append(f"{component.name}: {quote(component.preamble)}\n{rules}")
    return "\n\n".join(parts)


def _rule_line(rule: Rule, counts: bool, found: Mapping[str, str]) -> str:
    known = [f"support {len(rule.support)}"]
    if counts:
        known.append(f"used {rule.right} times right, {rule.wrong} wrong")
        known.append(f"the same tasks without it {rule.without:g} times right")
    known += [found[rule.id]] if rule.id in found else []
    return f"[{rule.id}] {quote(' '.join(rule.text.split()))} ({'; '.join(known)})"
