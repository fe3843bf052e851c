"""Anyone's own agent: a function of a module's text and a task, evaluated, improved and merged around.

Its calls through the LLM it is given are in the ledger. A run of it that makes none there is logged as one call of
its own whose tokens are not known.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from ...adapters.coroutines import settled
from ...algorithm.answer_status import NoAnswer, ending, has_whole_answer, why
from ...algorithm.benchmark import EnvironmentFailed
from ...algorithm.prompts import quote
from ...calls.clock import now
from ...calls.meter import Meter
from ...calls.protocol import CallFailed, FGOError, Message, Reply
from ...calls.requests import UNCOUNTED, Place, Response, asked
from ...records import Module, Task, Trajectory, from_json, to_json
from ...records.showing import storable
from .steps import trajectory_of


class MeteredLLM:
    """The run's LLM as an agent is given it: an `LLM` whose calls are logged, cached and paid from the run's budget.

    requests: what was asked and answered, as arguments of `Meter.ask`. stop: the error that has to end the run, which
    an agent must not swallow.
    """

    def __init__(self, meter: Meter, place: Place):
        self._meter, self._place, self._turns = meter, place, count()
        self.requests: list[dict[str, Any]] = []
        self._useless: dict[str, NoAnswer] = {}
        self.stop: FGOError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._meter.llm, name)

    def __call__(self, messages: str | Sequence[Message]) -> str:
        """The text of an answer; a text asks as one user message."""
        asks = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        return self.complete(asks).text

    def complete(
        self, messages: Sequence[Message], *, tools: Sequence[dict] = (), response_schema: dict | None = None,
        sample: int = 0,
    ) -> Reply:  # fmt: skip
        """One answer, as an `LLM` gives it; `sample` is the run's own."""
        request = {"messages": list(messages), "tools": list(tools), "response_schema": response_schema}
        try:
            reply = self._meter.ask(place=replace(self._place, turn=next(self._turns)), **request)
        except FGOError as error:
            self.stop = self.stop or (None if isinstance(error, CallFailed) else error)
            raise
        self.requests.append(request)
        if (status := ending(reply, whole=has_whole_answer(reply.text))) != "answered":
            self._useless[reply.text.strip()] = NoAnswer(status, why(reply, status))
        return reply

    def check(self, answer: str) -> None:
        """Raise NoAnswer for an answer that is a text of the LLM's which was cut or refused."""
        if answer.strip() in self._useless:
            raise self._useless[answer.strip()]

    async def acomplete(self, messages: Sequence[Message], **options: Any) -> Reply:
        """`complete` for async agents: others go on meanwhile."""
        return await asyncio.to_thread(self.complete, messages, **options)


@dataclass(frozen=True)
class Played:
    """What the log keeps of an agent's run: its trajectory, and what it asked of the LLM it was given."""

    trajectory: Trajectory
    requests: tuple[dict, ...] = ()


@dataclass(frozen=True)
class Agent:
    """A function as a benchmark's agent. version: "" for one that declares none, whose results no other run has."""

    function: Callable[..., Any]
    name: str
    version: str = ""
    takes_llm: bool = False
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def identity(self) -> str:
        """What its results are known by."""
        return json.dumps({"agent": self.name, "version": self.version or self.token})

    def play(self, meter: Meter, module: Module, task: Task, place: Place) -> Trajectory:
        """One rollout, not scored yet. The function does not see the expected answer.

        Raises EnvironmentFailed for what the function raises or returns that is no answer, NoAnswer for an empty one,
        the errors of its calls through the LLM, and what has to end the run, e.g. BudgetExceeded.
        """
        task = replace(task, answer="")
        shown = json.dumps([task.id, task.text, task.meta], ensure_ascii=False)
        messages = [{"role": "system", "content": str(module)}, {"role": "user", "content": shown}]
        version = self.version or uuid.uuid4().hex  # without one no result is another's
        request = asked(f"agent:{self.name}", version, messages, sample=meter.sample)
        llm, began = MeteredLLM(meter, place), now()
        logged = meter.log.find(request.key)
        try:
            played = self._again(logged.text, llm) if logged else self._played(module, task, llm)
        except Exception as error:
            meter.log.record(meter.run_id, place, request, error=error, span=(began, now()))
            known = llm.stop or (error if isinstance(error, CallFailed | NoAnswer) else None)
            raise known or EnvironmentFailed(f"agent {self.name}: {type(error).__name__}: {error}") from error
        if llm.stop is not None:  # the agent went on as if nothing had happened
            raise llm.stop
        if self.version or not llm.requests:
            span = (began, began if llm.requests else now())
            response = None if logged else self._response(played, span)
            where = replace(place, turn=-1) if llm.requests else place  # before the turns of its calls
            meter.log.record(meter.run_id, where, request, response=response, span=span)
        return _known(played.trajectory, module)

    def _played(self, module: Module, task: Task, llm: MeteredLLM) -> Played:
        given = settled(self.function(str(module), task, *((llm,) if self.takes_llm else ())), "agents")
        played = Played(trajectory_of(given, task, quote), tuple(llm.requests))
        llm.check(played.trajectory.answer)
        return played

    def _again(self, text: str, llm: MeteredLLM) -> Played:
        """The logged run. Its calls are asked again, which costs nothing, so that this run's ledger has them too."""
        played = from_json(Played, text)
        for request in played.requests:
            llm.complete(**request)
        return played

    def _response(self, played: Played, span: tuple[float, float]) -> Response:
        counter, usd = ("agent", 0.0) if played.requests else (UNCOUNTED, None)
        return Response(storable(to_json(played)), "[]", "stop", 0, 0, 0, 0, counter, usd, *span)


def _known(trajectory: Trajectory, module: Module) -> Trajectory:
    ids = {rule.id for rule in module.rules}
    return replace(trajectory, cited=tuple(rule_id for rule_id in trajectory.cited if rule_id in ids))


def agent_of(function: Any, version: str | None = None) -> Agent:
    """A function as an `Agent`. version: by default its own attribute `version`, if it has one.

    Raises TypeError for what is no function of two or three arguments, or a version that is no text.
    """
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    if not callable(function):
        raise TypeError(f"agent={function!r} is not callable; give a function (module_text, task) -> answer")
    try:
        takes_llm = _takes_llm(inspect.signature(function))
        inspect.signature(function).bind(*("module", "task", "llm")[: 2 + takes_llm])
    except (TypeError, ValueError):
        wanted = "a function (module_text, task) or (module_text, task, llm)"
        raise TypeError(f"agent={name} takes other arguments; give {wanted}") from None
    version = getattr(function, "version", "") if version is None else version
    if not isinstance(version, str | int | float):
        raise TypeError(f"version={version!r} is no text; give one that changes whenever the agent does, e.g. '1'")
    return Agent(function, name, str(version), takes_llm)


def _takes_llm(signature: inspect.Signature) -> bool:
    """Whether there is a third parameter for the LLM: one without a default, or named llm."""
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    third = [parameter for parameter in signature.parameters.values() if parameter.kind in by_position][2:3]
    return any(parameter.default is parameter.empty or parameter.name == "llm" for parameter in third)
