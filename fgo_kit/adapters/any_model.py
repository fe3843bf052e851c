"""Models of all other providers (Gemini, Mistral, Bedrock, Azure ...) through the optional package pydantic-ai."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..calls.prices import known_window
from ..calls.protocol import AuthError, CallFailed, Message, Reply, Usage
from ..calls.reply_text import thought_apart
from ..calls.tokens import count_messages, encoding_for
from .coroutines import settled
from .failures import failure, translated
from .keys import Redaction, loaded_elsewhere, without_password
from .options import check
from .remote import CONTEXT_WINDOW, FINISH, MAX_COMPLETION, TIMEOUT, clean
from .usage import Estimate, Reported, tokens
from .usage import settled as settled_usage

EFFORTS = {"none": False} | {effort: effort for effort in ("minimal", "low", "medium", "high", "xhigh", "max")}
"""How much a model thinks, as pydantic-ai asks each provider for it."""


class AnyModel:
    """A model by way of pydantic-ai, which asks each provider in its own way. It writes calls of tools as text.

    Keys come from the provider's own environment variables, e.g. GOOGLE_API_KEY, unless given.
    """

    spec = "any:<provider>/<model>"
    default = ""
    parameters = ("base_url", "api_key", "max_completion", "context_window", "temperature", "timeout", "effort")
    prices = "any"
    native_tools = simulated = False

    @classmethod
    def load(cls, model: str, *, base_url: str | None = None, api_key: str | None = None, **params: Any) -> AnyModel:
        """Raises ValueError for a spec without provider and model, a provider that pydantic-ai does not know, or an
        effort that it would not pass on; ImportError where pydantic-ai or its part for the provider is missing,
        AuthError without a key."""
        provider, _, name = model.partition("/")
        if not provider or not name:
            raise ValueError(f"spec='any:{model}' names no model; use any:<provider>/<model>, as any:google/<model>")
        given = {"base_url": without_password(base_url), "api_key": api_key}
        asked = _made(provider, name, {key: value for key, value in given.items() if value})
        loaded = cls(model, asked, given, **params)
        loaded._given = {"model": model, "base_url": base_url, **params}
        return loaded

    def __init__(
        self, model: str, asked: Any, given: dict[str, Any], *, max_completion: int = MAX_COMPLETION,
        context_window: int | None = None, effort: str | None = None, **settings: Any,
    ):  # fmt: skip
        self.name, self.max_completion = f"any:{model}", max_completion
        provider, _, name = model.partition("/")
        self.context_window = context_window or known_window(provider, name) or CONTEXT_WINDOW
        self.counter, self._count = encoding_for(name)
        self._model, self._scrub = asked, Redaction(given["api_key"] or "", given["base_url"])
        self._settings = {"timeout": TIMEOUT, **settings, "max_tokens": max_completion}
        if effort is not None:
            check({"effort": effort}, {"effort": tuple(EFFORTS)}, max_completion)
            if not (asked.profile.get("supports_thinking") or asked.profile.get("thinking_always_enabled")):
                raise ValueError(f"effort={effort!r} is not passed on by pydantic-ai to {self.name!r}; leave it out")
            self._settings["thinking"] = EFFORTS[effort]
        deciding = {"base_url": self._scrub.url(given["base_url"] or ""), "effort": effort,
                    "temperature": settings.get("temperature")}  # fmt: skip
        self.params = {"max_completion": max_completion, **{key: value for key, value in deciding.items() if value}}

    def __repr__(self) -> str:
        return f"load_llm({self.name!r}, {', '.join(f'{key}={value!r}' for key, value in self.params.items())})"

    def __reduce__(self) -> tuple:
        return loaded_elsewhere(self, self._given, self._scrub)

    def count(self, messages: Sequence[Message]) -> int:
        return count_messages(messages, self._count)

    def complete(
        self, messages: Sequence[Message], *, tools: Sequence[dict] = (), response_schema: dict | None = None,
        sample: int = 0,
    ) -> Reply:  # fmt: skip
        """One answer; raises the protocol's errors. A schema is left to the words of the prompt."""
        from pydantic_ai.direct import model_request

        try:
            settings = {**self._settings, "seed": sample}
            answer = settled(model_request(self._model, _requests(messages), model_settings=settings))
        except Exception as error:
            refused = _failure(error, self.name)
        else:
            return self._reply(answer, messages)
        refused.args = (self._scrub(str(refused)),)
        raise refused  # out here pydantic-ai's own error, which may hold the request, is not chained to it

    def _reply(self, answer: Any, messages: Sequence[Message]) -> Reply:
        texts = {kind: [clean(p.content) for p in answer.parts if p.part_kind == kind] for kind in ("text", "thinking")}
        finish = FINISH.get(str(answer.finish_reason), "stop")
        thought, model = "".join(texts["thinking"]), clean(answer.model_name)
        reply = thought_apart(Reply("".join(texts["text"]), Usage(0, 0), finish, (), thought, model))
        used = answer.usage
        reported = Reported(
            tokens(used.input_tokens or None), tokens(used.output_tokens or None), None, used.cache_read_tokens,
            used.details.get("reasoning_tokens", 0), used.cache_write_tokens,
        )  # fmt: skip
        sizes = (self.count(messages), 0, self._count(reply.text), self._count(reply.thought))
        usage = settled_usage(reported, Estimate(self.context_window, *sizes, self.counter))
        return Reply(reply.text, usage, reply.finish, (), reply.thought, reply.model)


def _made(provider: str, model: str, given: dict[str, Any]) -> Any:
    """pydantic-ai's model, with key and base URL where they are given."""
    spec = f"any:{provider}/{model}"
    try:
        from pydantic_ai.exceptions import UserError
        from pydantic_ai.models import infer_model
        from pydantic_ai.providers import infer_provider, infer_provider_class
    except ImportError as error:
        raise ImportError(f"{spec!r} needs pydantic-ai: pip install 'pydantic-ai-slim[{provider}]'") from error
    try:
        factory = (lambda name: infer_provider_class(name)(**given)) if given else infer_provider
        return infer_model(f"{provider}:{model}", factory)
    except ImportError as error:
        raise ImportError(f"{spec!r}: pip install 'pydantic-ai-slim[{provider}]' ({error})") from error
    except UserError as error:
        if "API_KEY" in str(error):
            raise AuthError(f"no API key for {spec!r}: {error}") from None
        raise ValueError(f"spec={spec!r} names no LLM: {error}") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"spec={spec!r} with {sorted(given)} names no LLM: {error}") from None


def _requests(messages: Sequence[Message]) -> list[Any]:
    """Messages as pydantic-ai has them."""
    from pydantic_ai.messages import ModelRequest, ModelResponse, SystemPromptPart, TextPart, UserPromptPart

    kinds = {"system": SystemPromptPart, "user": UserPromptPart}
    return [
        ModelResponse([TextPart(message["content"])]) if message["role"] == "assistant"
        else ModelRequest([kinds[message["role"]](message["content"])])
        for message in messages
    ]  # fmt: skip


def _failure(error: Any, name: str) -> CallFailed:
    """pydantic-ai's error as one of the protocol: by its status and body where it has them."""
    if isinstance(getattr(error, "status_code", None), int):
        return failure(name, error.status_code, error.body or str(error), error.headers or {})
    return translated(error, name)
