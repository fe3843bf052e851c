"""The tools of a GAIA agent: read a file, run Python, calculate, search and open pages.

Each tool is a function of the `Desk` and the call's arguments that returns text or raises ToolProblem; `call`
checks the arguments against the tool's schema first. What comes back is cut to a page and is untrusted.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from ...algorithm.benchmark import EnvironmentFailed
from ...sandbox import run as sandbox
from .calculator import NotArithmetic, calculate
from .files import FileProblem, Files, names_in, read_text

PAGE = 6_000
"""Longest output of one tool call, in characters."""
SHOWN_PAGES = 8
"""Most results of a search."""


class ToolProblem(ValueError):
    """A tool call that came to nothing; the message is told to the agent."""


@dataclass(frozen=True)
class Desk:
    """What the tools of one task work on. web: a user's own search, see `gaia.load`."""

    files: Files = field(default_factory=dict)
    web: Callable[[str], str] | None = None
    unsafe: bool = False


def _tool(name: str, description: str, /, **parameters: dict) -> dict:
    required = [key for key, schema in parameters.items() if "default" not in schema]
    schema = {"type": "object", "properties": parameters, "required": required, "additionalProperties": False}
    return {"name": name, "description": description, "parameters": schema}


_PAGE = {"type": "integer", "default": 1, "minimum": 1, "description": "which part of a long text"}
TOOLS = (
    _tool(
        "read_file",
        "Read an attached file as text: tables as CSV (workbooks sheet after sheet), pdf by page, a zip as a list of "
        "its files, each of which is read as archive.zip/name. Of images only size and metadata.",
        name={"type": "string", "description": "the file's name"}, page=_PAGE,
    ),
    _tool(
        "run_python",
        "Run a Python program in a closed room without network. The attached files are in its working directory. The "
        "result is what it prints. Nothing is kept for the next call.",
        code={"type": "string", "description": "the whole program"},
    ),
    _tool(
        "calculator", "The value of an arithmetic expression, e.g. round(12.5 * (3 + 4) / 7, 2).",
        expression={"type": "string"},
    ),
    _tool(
        "search", "Search the task's collection of pages. Gives names, titles and a line of each page found.",
        query={"type": "string", "description": "a few words"},
    ),
    _tool(
        "open_page", "The text of one page that search named.",
        name={"type": "string", "description": "the page's name"}, page=_PAGE,
    ),
)  # fmt: skip
"""What an agent is offered: name, description and JSON schema of the parameters of each tool."""


def call(desk: Desk, name: str, arguments: object) -> str:
    """The output of a tool, cut to a page. Raises ToolProblem for whatever goes wrong with the call, and
    EnvironmentFailed where the machinery fails: the agent is not to blame then."""
    known = {tool["name"]: tool for tool in TOOLS}
    if name not in known:
        raise ToolProblem(f"no tool {name!r}; the tools are {', '.join(known)}")
    checked = _checked(known[name], arguments)
    page = checked.pop("page", 1)
    try:
        return cut(_FUNCTIONS[name](desk, **checked), page, "page" in known[name]["parameters"]["properties"])
    except (FileProblem, sandbox.SandboxUnavailable) as error:
        raise ToolProblem(str(error)) from None
    except FileNotFoundError as error:
        raise ToolProblem(f"the file {error.filename} has vanished since the tasks were loaded") from None
    except OSError as error:
        raise EnvironmentFailed(f"{name}: {type(error).__name__}: {error}") from error


def _checked(tool: dict, arguments: object) -> dict:
    schema, name = tool["parameters"], tool["name"]
    if not isinstance(arguments, dict):
        raise ToolProblem(f"{name}: the arguments must be an object, e.g. {_example(tool)}")
    properties = schema["properties"]
    unknown = [key for key in arguments if key not in properties]
    missing = [key for key in schema["required"] if key not in arguments]
    if unknown or missing:
        said = f"{'unknown ' + ', '.join(map(str, unknown)) if unknown else 'missing ' + ', '.join(missing)}"
        raise ToolProblem(f"{name}: {said}; it takes {_example(tool)}")
    checked = {}
    for key, value in arguments.items():
        checked[key] = _number(value) if properties[key]["type"] == "integer" else value
        wanted = int if properties[key]["type"] == "integer" else str
        if not isinstance(checked[key], wanted) or (wanted is int and checked[key] < 1):
            kind = "a whole number >= 1" if wanted is int else "a text"
            raise ToolProblem(f"{name}: {key}={value!r} is not {kind}")
    return checked


def _number(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d{1,6}", value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None if isinstance(value, bool) else value


def _example(tool: dict) -> str:
    return json.dumps({"tool": tool["name"], "arguments": dict.fromkeys(tool["parameters"]["properties"], "...")})


def cut(text: str, page: int = 1, paged: bool = True) -> str:
    """One page of a text, with a note of what follows. paged: whether the rest can be asked for.

    >>> cut("x" * 6001)[-50:]
    'xxxxxxx\\n[cut: 1 more characters; ask for page=2]'
    """
    start = (page - 1) * PAGE
    if start and start >= len(text):
        pages = max(1, math.ceil(len(text) / PAGE))
        raise ToolProblem(f"page={page} does not exist; the text has {pages} page{'s' * (pages > 1)}")
    rest = len(text) - start - PAGE
    advice = f"ask for page={page + 1}" if paged else "ask for less"
    note = f"\n[cut: {rest} more characters; {advice}]" if rest > 0 else ""
    return (text[start : start + PAGE] + note) or "(empty)"


def _read_file(desk: Desk, name: str) -> str:
    return _cached_text(_state(desk.files), name)


def _state(files: Files) -> tuple:
    """The files as a key of caches: one that has changed is read again."""
    known = ((name, path, path.stat()) for name, path in sorted(files.items()))
    return tuple((name, path, stat.st_mtime_ns, stat.st_size) for name, path, stat in known)


def _files(state: tuple) -> Files:
    return {name: path for name, path, *_ in state}


@lru_cache(maxsize=512)
def _cached_text(state: tuple, name: str) -> str:
    return read_text(_files(state), name)


def _run_python(desk: Desk, code: str) -> str:
    return _cached_run(_state(desk.files), code, desk.unsafe)


@lru_cache(maxsize=4096)
def _cached_run(state: tuple, code: str, unsafe: bool) -> str:
    """A program that ended well is run once: grids of runs ask for the same ones again and again."""
    files, note = _fitting(state)
    done = sandbox.run(code, files, unsafe)
    if done.failed:
        raise EnvironmentFailed(f"run_python: {done.problem}")
    if done.problem:
        output = done.output if len(done.output) <= PAGE else f"...{done.output[-PAGE:]}"
        raise ToolProblem(f"{note}{done.problem}\n{output}".strip())
    return note + (done.output or "(the program printed nothing)")


def _fitting(state: tuple) -> tuple[Files, str]:
    """The files that fit into the sandbox, the small ones first, and a line that names the others."""
    room, files, large = (sandbox.LIMITS.disk - 4) << 20, {}, []
    for name, path, _, size in sorted(state, key=lambda one: (one[3], one[0])):
        if size <= room:
            files[name], room = path, room - size
        else:
            large.append(name)
    return files, f"(too large, not in the folder: {', '.join(large)})\n" if large else ""


def _calculator(desk: Desk, expression: str) -> str:
    try:
        return calculate(expression)
    except NotArithmetic as error:
        raise ToolProblem(f"calculator: {error}") from None


def _pages(files: Files) -> dict[str, str]:
    """The collection of pages: texts below a folder named pages, by the name they are opened with."""
    named = [name for name in names_in(files) if re.search(r"(^|/)pages/.*\.(md|txt|html?)$", name, re.IGNORECASE)]
    return {re.split(r"(?:^|/)pages/", name, maxsplit=1)[1]: name for name in named}


@lru_cache(maxsize=64)
def _collection(state: tuple) -> dict[str, str]:
    known = _files(state)
    return {page: _plain(read_text(known, name)) for page, name in _pages(known).items()}


MAX_PAGE = 1_000_000
"""Longest HTML page that is read, in characters."""
_UNSEEN = re.compile(r"<(script|style)\b|<!--", re.IGNORECASE)
_ENDS = {
    "<script": re.compile(r"</script\s*>", re.IGNORECASE), "<style": re.compile(r"</style\s*>", re.IGNORECASE),
    "<!--": re.compile("-->"),
}  # fmt: skip


def _without_unseen(text: str) -> str:
    """HTML without scripts, styles and comments, each of which is looked for the end of once."""
    parts, at, endless = [], 0, set()
    for found in _UNSEEN.finditer(text):
        kind = found[0].lower()
        if found.start() < at or kind in endless:
            continue
        end = _ENDS[kind].search(text, found.end())
        if end is None:
            endless.add(kind)
            continue
        parts.append(text[at : found.start()])
        at = end.end()
    return "".join(parts) + text[at:]


def _plain(text: str) -> str:
    if not re.match(r"\s*(<!doctype html|<html)", text, re.IGNORECASE):
        return text
    if len(text) > MAX_PAGE:
        return f"(a page of {len(text):,} characters, which is over the limit of {MAX_PAGE:,}; use read_file)"
    text = re.sub(r"(?i)<(br|/p|/div|/li|/tr|/h\d)\b[^<>]*>", "\n", _without_unseen(text))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"<[^<>]{0,2000}>", "", text)).strip()


def _search(desk: Desk, query: str) -> str:
    """Pages by how rare the query's words in them are; a word of the title counts three times."""
    pages = _collection(_state(desk.files))
    if not pages and desk.web is not None:
        return _asked_web(desk.web, query)
    if not pages:
        raise ToolProblem("search: this task has no collection of pages; read its files with read_file")
    words = list(dict.fromkeys(_words(query)))
    counts = {name: Counter(_words(text)) for name, text in pages.items()}
    rare = {word: math.log(1 + len(pages) / (1 + sum(word in found for found in counts.values()))) for word in words}

    def points(name: str) -> float:
        title = set(_words(_title(pages[name])))
        return sum(
            rare[word] * (min(counts[name][word], 3) / 3 + 3 * (word in title)) for word in words if counts[name][word]
        )

    ranked = sorted((name for name in pages if points(name) > 0), key=lambda name: (-points(name), name))
    if not ranked:
        return f"no page has a word of {query!r}; {len(pages)} pages are there"
    lines = [f"{name} | {_title(pages[name])} | {_excerpt(pages[name], words)}" for name in ranked[:SHOWN_PAGES]]
    more = len(ranked) - SHOWN_PAGES
    return "\n".join(lines + ([f"({more} more pages; use rarer words)"] if more > 0 else []))


def _asked_web(web: Callable[[str], str], query: str) -> str:
    try:
        return str(web(query))
    except Exception as error:  # a user's function may fail in any way: the agent is told and goes on
        raise ToolProblem(f"the web search failed: {type(error).__name__}: {error}"[:300]) from None


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _title(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return first.strip("# \t")[:80]


def _excerpt(text: str, words: list[str]) -> str:
    lines = [line.strip() for line in text.splitlines()[1:] if line.strip()] or [_title(text)]
    return max(lines, key=lambda line: len(set(words) & set(_words(line))))[:160]


def _open_page(desk: Desk, name: str) -> str:
    if desk.web is not None and re.match(r"https?://", name.strip()):
        return _asked_web(desk.web, name.strip())
    pages = _collection(_state(desk.files))
    wanted = re.split(r"(?:^|/)pages/", name.strip())[-1]
    found = [one for one in pages if one == wanted] or [
        one for one in pages if one.rpartition(".")[0].casefold() == wanted.casefold()
    ]
    if not found:
        near = ", ".join(list(pages)[:20]) or "none in this task"
        raise ToolProblem(f"no page {name!r}; search names them, e.g. {near}")
    return pages[found[0]]


_FUNCTIONS: dict[str, Callable[..., str]] = {
    "read_file": _read_file, "run_python": _run_python, "calculator": _calculator,
    "search": _search, "open_page": _open_page,
}  # fmt: skip
