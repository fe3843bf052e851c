"""Which LLMs there are: a table of names, each imported when it is first used, and `load_llm`, which reads it."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, TypeVar

from .protocol import LLM


class Provider(Protocol):
    """A class of LLMs, with what is known of all of them.

    spec: how one of them is named, e.g. "openai:<model>". default: the model where a spec names none, "" when
    it must. parameters: what `load` takes beside the model. prices: the provider's id in genai-prices, "" where
    calls are free. native_tools: whether a model has tool calls of its own unless told otherwise.
    """

    spec: str
    default: str
    parameters: tuple[str, ...]
    prices: str
    native_tools: bool

    @classmethod
    def load(cls, model: str, **params: Any) -> LLM: ...


PROVIDERS: dict[str, Any] = {
    "simulated": "fgo_kit.simulate.model:SimulatedLLM",
    "openai": "fgo_kit.adapters.openai_responses:OpenAIResponses",
    "anthropic": "fgo_kit.adapters.anthropic_messages:AnthropicMessages",
    "any": "fgo_kit.adapters.any_model:AnyModel",
    "replay": "fgo_kit.calls.replay:ReplayLLM",
}
"""Each provider as "module:class", or the class itself."""

Registered = TypeVar("Registered", bound=type)


def provider(name: str):
    """Register a class of LLMs (decorator), which `load_llm("NAME:model")` then finds. See `Provider`.

    >>> @provider("parrot")
    ... class Parrot:
    ...     spec, default, parameters, prices, native_tools = "parrot", "grey", (), "", False
    """

    def register(kind: Registered) -> Registered:
        PROVIDERS[name] = kind
        return kind

    return register


def provider_of(spec: str) -> type[Provider] | None:
    """The class behind a spec, None for a name that is not in the table."""
    entry = PROVIDERS.get(spec.partition(":")[0])
    if not isinstance(entry, str):
        return entry
    module, _, name = entry.partition(":")
    return getattr(import_module(module), name)


def as_llm(llm: LLM | str) -> LLM:
    """An LLM, or that of a spec. Raises TypeError for what is neither, and what `load_llm` raises."""
    if isinstance(llm, str):
        return load_llm(llm)
    if hasattr(llm, "complete") and not isinstance(llm, type):
        return llm
    if callable(llm):
        name = getattr(llm, "__name__", "function")
        raise TypeError(f"llm={name} is a function; make it an LLM: fgo.wrap_llm({name}, name='mine')")
    raise TypeError(f"llm={llm!r} is no LLM; give a spec for load_llm, e.g. 'simulated', or what load_llm returned")


def load_llm(spec: str, **params: Any) -> LLM:
    """An LLM by its spec: "simulated", "openai:gpt-4o-mini", "anthropic:...", "any:mistral/...", "replay:run.sqlite".

    base_url: an OpenAI- or Anthropic-compatible server; on this machine it needs no key.
    api_key: by default from OPENAI_API_KEY or ANTHROPIC_API_KEY; it appears in no log and no error.
    params: temperature, api (openai), thinking (anthropic), effort, service_tier, max_completion, context_window,
    timeout (seconds of silence) (both). effort: how much a model thinks, in the provider's words, e.g. "low".
    thinking: "adaptive", "disabled", "between_tools", or a number of tokens. api: "responses" is the default at
    OpenAI, "chat" (chat completions) that at other servers. max_completion counts thinking too. extra: further
    fields of the request, as a dict.
    native_tools=False for a server without tool calls of its own, which are then written as text;
    source, the spec of the LLM to replay where a log holds several (replay).
    batch=True: a run's calls go in the provider's batches, at half the price and for no hurry: those that can be made
    side by side wait for each other, are sent as one batch, and have their answers within a day. So a run takes as many
    batches as `critical_path(unit="calls")`, dialogues one for each turn. Its id and its results are those of a run
    without. Stopped or killed, the same command waits for the batch that is open. Give a role that is often asked for
    one thing alone, the merger say, an LLM without.
    Raises ValueError for an unknown spec, parameter or value, AuthError without a key.

    >>> slow = load_llm("openai:gpt-5-mini", batch=True)                                   # doctest: +SKIP
    >>> run(bench, slow, merger=load_llm("openai:gpt-5"), log="cheap.sqlite")              # doctest: +SKIP
    """
    if not isinstance(spec, str):
        raise TypeError(f"spec={spec!r} is no text; give one such as 'simulated', for a function: fgo.wrap_llm")
    kind, model = provider_of(spec), spec.partition(":")[2]
    if kind is None or not (model or kind.default):
        allowed = ", ".join(known.spec for known in map(provider_of, PROVIDERS) if known)
        raise ValueError(f"spec={spec!r} names no LLM; allowed are {allowed}")
    given = {name: value for name, value in params.items() if value is not None}
    unknown = [name for name in given if name not in kind.parameters]
    if unknown:
        allowed = ", ".join(kind.parameters) or "none"
        raise ValueError(f"{unknown[0]} is no parameter of {spec!r}; allowed: {allowed}")
    return kind.load(model or kind.default, **given)
