"""Models of all other providers (Gemini, Mistral, Bedrock, Azure ...) through the optional package any-llm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .failures import failure, translated
from .openai_chat import OpenAIChat
from .optional import LIMIT, Part
from .prices import known_window
from .protocol import AuthError, BadRequest, CallFailed, Message
from .remote import without_password


class AnyLLMChat(OpenAIChat):
    """A model by way of any-llm, which asks each provider in its own way and answers as OpenAI's chat completions do.

    Keys come from the provider's own environment variables, e.g. GEMINI_API_KEY.
    """

    spec = "any:<provider>/<model>"
    parameters = tuple(name for name in OpenAIChat.parameters if name != "timeout")
    prices = "any"
    key_variable = url_variable = ""

    @classmethod
    def load(cls, model: str, *, base_url: str | None = None, api_key: str | None = None, **params: Any) -> AnyLLMChat:
        """Raises ValueError for a spec without provider and model, or with a provider that any-llm does not know,
        ImportError where any-llm or its part for the provider is missing, AuthError without a key."""
        if not all(model.partition("/")):
            raise ValueError(f"spec='any:{model}' names no model; write any:<provider>/<model>, e.g. any:gemini/<model>")
        return cls(model, api_key=api_key or "", base_url=without_password(base_url), **params)

    def __init__(self, model: str, **params: Any):
        provider, _, name = model.partition("/")
        super().__init__(model, **{"context_window": known_window(provider, name), **params})
        self.name = f"any:{model}"

    def _connect(self, api_key: str, base_url: str | None, timeout: float) -> Callable[..., Any]:
        provider = self.model.partition("/")[0]
        try:
            import any_llm
            from any_llm.exceptions import MissingApiKeyError, UnsupportedProviderError
        except ImportError as error:
            raise ImportError(
                f"'any:{self.model}' needs the package any-llm: pip install 'any-llm-sdk[{provider}]'"
            ) from error
        try:
            client = any_llm.AnyLLM.create(provider, api_key or None, base_url, unified_exceptions=True)
        except MissingApiKeyError as error:
            variable = error.env_var_name
            raise AuthError(f"no API key: set the environment variable {variable}, or pass api_key=") from None
        except UnsupportedProviderError as error:
            raise ValueError(f"spec='any:{self.model}': {error}") from None
        except ImportError as error:
            raise ImportError(f"'any:{self.model}': {error}; pip install 'any-llm-sdk[{provider}]'") from error
        return client.completion

    def _request(
        self, messages: list[Message], tools: Sequence[dict], schema: dict | None, sample: int, without: frozenset[Part]
    ) -> dict[str, Any]:
        request = super()._request(messages, tools, schema, sample, without)
        limits = ("max_tokens", "max_completion_tokens")
        request = {name: value for name, value in request.items() if name not in limits}
        return request | {"model": self.model.partition("/")[2], limits[LIMIT in without]: self.max_completion}

    def _body(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._create(**request).model_dump()
        except Exception as error:
            refused = _failure(error, self.name)
        refused.args = (self._scrub(str(refused)),)
        raise refused  # out here any-llm's own error, which holds the request, is not chained to it


def _failure(error: Exception, name: str) -> CallFailed:
    """any-llm's error as one of the protocol: by the SDK's own where there is one, by its status, or its name."""
    sdk, status = getattr(error, "original_exception", None), getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400 and not hasattr(sdk, "body"):
        waits = getattr(error, "retry_after", None)
        return failure(name, status, str(error), {} if waits is None else {"retry-after": str(waits)})
    if type(error).__name__ in ("UnsupportedParameterError", "InvalidRequestError"):
        refused = BadRequest(f"{name}: {error}")
        refused.status = 400
        return refused
    return translated(sdk or error, name)
