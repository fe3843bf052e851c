"""The formats of logs that can be read, and `read_traces`.

A format is a function in a file of its own: `record_format` registers one that reads a JSON record, `file_format` one
that reads a whole file. What it cannot read it says by raising ValueError.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .source import Source
from .trace import Trace, Traces

MOST_LISTED = 20


@dataclass(frozen=True)
class Format:
    """A kind of log. example: two lines of one. fits: whether a record, or a source, is of this kind. read: the trace
    of a record (given an id for one without), or the outcomes of a source."""

    name: str
    example: str
    fits: Callable[[Any], bool]
    read: Callable


@dataclass(frozen=True)
class Outcome:
    """What came of one part of a log: a trace, or why there is none; in which format."""

    where: str
    held: Trace | ValueError
    kind: Format | None = None


OF_RECORDS: list[Format] = []
OF_FILES: list[Format] = []


def _registers(formats: list[Format], name: str, example: str, fits: Callable[[Any], bool]) -> Callable:
    """Decorator for `f(record, default_id) -> Trace`, or `f(source) -> iterable of (where, Trace or ValueError)`."""

    def register(read: Callable) -> Callable:
        formats.append(Format(name, example, fits, read))
        return read

    return register


record_format, file_format = partial(_registers, OF_RECORDS), partial(_registers, OF_FILES)


def read_traces(path: str | Path, skip: bool = False) -> Traces:
    """The rollouts in a log, whoever made them: OpenAI-style chats (JSON lines), Inspect logs (.eval, .json), texts in
    the form of ReAct and Reflexion, conversations of ETO, AgentGym and AgentBench, ALFWorld's own and KnowAgent's logs,
    and call logs of this package; gzipped or not. Of which kind they are is seen from what they hold.

    Scores are from 0 to 1, NaN where the log has none. Raises FileNotFoundError, and ValueError that lists the known
    formats, or each trace that cannot be read; with `skip` the others are read, and those are in `unread`.

    >>> read_traces("log.jsonl")                                                             # doctest: +SKIP
    510 traces (KnowAgent), 510 with a score, mean 0.26
    """
    source = Source(Path(path).expanduser())
    try:
        outcomes = list(_outcomes(source))
    except UnicodeDecodeError as error:
        raise ValueError(f"{source.path}: {error}; give text in UTF-8. Known are:\n{known_formats()}") from error
    kinds = list({outcome.kind.name: outcome.kind for outcome in outcomes if outcome.kind}.values())
    if not kinds:
        start = repr(source.raw[:60]) if source.raw.strip() else "nothing, it holds no records"
        raise ValueError(f"{source.path} is in no known format: it starts with {start}. Known are:\n{known_formats()}")
    held = [outcome.held for outcome in outcomes if isinstance(outcome.held, Trace)]
    unread = [(outcome.where, str(outcome.held)) for outcome in outcomes if not isinstance(outcome.held, Trace)]
    if unread:
        listed = [f"{where}: {problem}" for where, problem in unread[:MOST_LISTED]]
        listed += [f"and {len(unread) - MOST_LISTED} more"] if len(unread) > MOST_LISTED else []
        problem = "\n".join([f"{source.path}: {len(unread)} of {len(outcomes)} traces cannot be read:", *listed])
        if not skip or not held:
            raise ValueError(f"{problem}\n{_examples(kinds)}\nskip=True reads the others")
        warnings.warn(problem, stacklevel=2)
    return Traces.of(" and ".join(kind.name for kind in kinds), held, unread)


def known_formats() -> str:
    """All formats with their examples, to be shown."""
    return _examples([*OF_RECORDS, *OF_FILES])


def _examples(kinds: Iterable[Format]) -> str:
    examples = {kind.name: kind.example.replace("\n", "\n    ") for kind in kinds}
    return "\n".join(f"- {name}:\n    {example}" for name, example in examples.items())


def _outcomes(source: Source) -> Iterable[Outcome]:
    whole = next((kind for kind in OF_FILES if kind.fits(source)), None)
    if whole is not None:
        return [Outcome(where, held, whole) for where, held in whole.read(source)]
    kinds = [(where, record, _kind(record)) for where, record in source.records]
    first = next((kind for _, _, kind in kinds if kind), None)
    return [_read(record, where, source, kind or first) for where, record, kind in kinds]


def _kind(record: Any) -> Format | None:
    return None if isinstance(record, ValueError) else next((kind for kind in OF_RECORDS if kind.fits(record)), None)


def _read(record: Any, where: str, source: Source, kind: Format | None) -> Outcome:
    if kind is None or isinstance(record, ValueError):
        return Outcome(where, record if isinstance(record, ValueError) else ValueError("it is of no known kind"), kind)
    try:
        return Outcome(where, kind.read(record, f"{source.path.stem} {where}"), kind)
    except (ValueError, RecursionError) as error:
        problem = str(error)
    except (KeyError, TypeError, AttributeError) as error:  # parts that are of another kind than the format says
        problem = f"its parts are not of the kinds expected ({type(error).__name__}: {error})"
    text = json.dumps(record, ensure_ascii=False)
    shown = text if len(text) <= 300 else f"{text[:300]} ..."
    return Outcome(where, ValueError(f"{problem}. The record: {shown!r}"), kind)
