"""The tools of a GAIA agent: read a file, run Python, calculate, search and open pages.

Each tool is a class: its docstring and its fields are what the agent is offered and its calls are checked by, `output`
is what it does. What comes back is cut to a page and is untrusted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from ...algorithm.rollout import EnvironmentFailed
from ...sandbox import program as sandbox
from .calculator import NotArithmetic, calculate
from .files import FileProblem, Files, State, files_of, read_text, state_of
from .pages import has_pages, open_page, search

PAGE = 6_000
"""Longest output of one tool call, in characters."""


class ToolProblem(ValueError):
    """A tool call that came to nothing; the message is told to the agent."""


@dataclass(frozen=True)
class Desk:
    """What the tools of one task work on. web: a user's own search, see `gaia.load`."""

    files: Files = field(default_factory=dict)
    web: Callable[[str], str] | None = None
    unsafe: bool = False


def _counted(value: Any) -> Any:
    return "no number" if isinstance(value, bool) else value


PageNumber = Annotated[int, Field(ge=1, description="which part of a long text"), BeforeValidator(_counted)]


class Tool(BaseModel):
    """A call of a tool; its fields are the arguments."""

    def output(self, desk: Desk) -> str:
        raise NotImplementedError


class ReadFile(Tool):
    """Read an attached file as text: tables as CSV (workbooks sheet after sheet), pdf by page, a zip as a list of its
    files, each of which is read as archive.zip/name. Of images only size and metadata."""

    name: str = Field(description="the file's name")
    page: PageNumber = 1

    def output(self, desk: Desk) -> str:
        return _cached_text(state_of(desk.files), self.name)


class RunPython(Tool):
    """Run a Python program in a closed room without network. The attached files are in its working directory. The
    result is what it prints. Nothing is kept for the next call."""

    code: str = Field(description="the whole program")

    def output(self, desk: Desk) -> str:
        return _cached_run(state_of(desk.files), self.code, desk.unsafe)


class Calculator(Tool):
    """The value of an arithmetic expression, e.g. round(12.5 * (3 + 4) / 7, 2)."""

    expression: str

    def output(self, desk: Desk) -> str:
        return calculate(self.expression)


class Search(Tool):
    """Search the task's collection of pages. Gives names, titles and a line of each page found."""

    query: str = Field(description="a few words")

    def output(self, desk: Desk) -> str:
        asks_web = desk.web is not None and not has_pages(desk.files)
        return _asked_web(desk.web, self.query) if asks_web else search(desk.files, self.query)


class OpenPage(Tool):
    """The text of one page that search named."""

    name: str = Field(description="the page's name")
    page: PageNumber = 1

    def output(self, desk: Desk) -> str:
        name = self.name.strip()
        asks_web = desk.web is not None and re.match(r"https?://", name)
        return _asked_web(desk.web, name) if asks_web else open_page(desk.files, self.name)


_KINDS = {
    "read_file": ReadFile, "run_python": RunPython, "calculator": Calculator, "search": Search, "open_page": OpenPage,
}  # fmt: skip


def _offered(name: str, kind: type[Tool]) -> dict:
    made, keys = kind.model_json_schema(), ("type", "default", "minimum", "description")
    properties = {key: {one: held[one] for one in keys if one in held} for key, held in made["properties"].items()}
    schema = {"type": "object", "properties": properties, "required": made["required"], "additionalProperties": False}
    return {"name": name, "description": " ".join(kind.__doc__.split()), "parameters": schema}


TOOLS = tuple(_offered(name, kind) for name, kind in _KINDS.items())
"""What an agent is offered: name, description and JSON schema of the parameters of each tool."""


def call(desk: Desk, name: str, arguments: object) -> str:
    """The output of a tool, cut to a page. Raises ToolProblem for whatever goes wrong with the call, and
    EnvironmentFailed where the machinery fails: the agent is not to blame then."""
    if name not in _KINDS:
        raise ToolProblem(f"no tool {name!r}; the tools are {', '.join(_KINDS)}")
    asked = _checked(name, arguments)
    try:
        return cut(asked.output(desk), getattr(asked, "page", None))
    except (FileProblem, sandbox.SandboxUnavailable) as error:
        raise ToolProblem(str(error)) from None
    except NotArithmetic as error:
        raise ToolProblem(f"calculator: {error}") from None
    except FileNotFoundError as error:
        raise ToolProblem(f"the file {error.filename} has vanished since the tasks were loaded") from None
    except OSError as error:
        raise EnvironmentFailed(f"{name}: {type(error).__name__}: {error}") from error


def _checked(name: str, arguments: object) -> Tool:
    fields = _KINDS[name].model_fields
    example = json.dumps({"tool": name, "arguments": dict.fromkeys(fields, "...")})
    if not isinstance(arguments, dict):
        raise ToolProblem(f"{name}: the arguments must be an object, e.g. {example}")
    unknown = [key for key in arguments if key not in fields]
    missing = [key for key, kind in fields.items() if kind.is_required() and key not in arguments]
    if unknown or missing:
        wrong = f"unknown {', '.join(map(str, unknown))}" if unknown else f"missing {', '.join(missing)}"
        raise ToolProblem(f"{name}: {wrong}; it takes {example}")
    try:
        return _KINDS[name](**arguments)
    except ValidationError as error:
        key = error.errors(include_url=False)[0]["loc"][0]
    allowed = "a whole number >= 1" if fields[key].annotation is int else "a text"
    raise ToolProblem(f"{name}: {key}={arguments[key]!r:.200} is not {allowed}")


def cut(text: str, page: int | None) -> str:
    """One page of a text, with a note of what follows; page: None where the rest cannot be asked for.

    >>> cut("x" * 6001, 1)[-50:]
    'xxxxxxx\\n[cut: 1 more characters; ask for page=2]'
    """
    start = ((page or 1) - 1) * PAGE
    if start and start >= len(text):
        pages = max(1, math.ceil(len(text) / PAGE))
        raise ToolProblem(f"page={page} does not exist; the text has {pages} page{'s' * (pages > 1)}")
    rest = len(text) - start - PAGE
    advice = f"ask for page={page + 1}" if page else "ask for less"
    note = f"\n[cut: {rest} more characters; {advice}]" if rest > 0 else ""
    return (text[start : start + PAGE] + note) or "(empty)"


@lru_cache(maxsize=64)
def _cached_text(state: State, name: str) -> str:
    return read_text(files_of(state), name)


@lru_cache(maxsize=4096)
def _cached_run(state: State, code: str, unsafe: bool) -> str:
    """A program that ended well is run once: grids of runs ask for the same ones again and again."""
    files, note = _fitting(state)
    done = sandbox.run(code, files, unsafe)
    if done.failed:
        raise EnvironmentFailed(f"run_python: {done.problem}")
    if done.problem:
        output = done.output if len(done.output) <= PAGE else f"...{done.output[-PAGE:]}"
        raise ToolProblem(f"{note}{done.problem}\n{output}".strip())
    return note + (done.output or "(the program printed nothing)")


def _fitting(state: State) -> tuple[Files, str]:
    """The files that fit into the sandbox, the small ones first, and a line that names the others."""
    room, files, large = (sandbox.LIMITS.disk - 4) << 20, {}, []
    for name, path, _, size in sorted(state, key=lambda one: (one[3], one[0])):
        if size <= room:
            files[name], room = path, room - size
        else:
            large.append(name)
    return files, f"(too large, not in the folder: {', '.join(large)})\n" if large else ""


def _asked_web(web: Callable[[str], str], query: str) -> str:
    try:
        return str(web(query))
    except Exception as error:  # a user's function may fail in any way: the agent is told and goes on
        raise ToolProblem(f"the web search failed: {type(error).__name__}: {error}"[:300]) from None
