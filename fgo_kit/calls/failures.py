"""What an SDK raises, as a typed error of the protocol. Both SDKs name their classes alike."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

from .protocol import AuthError, BadRequest, CallFailed, ContextOverflow, Overloaded, RateLimited, Unreachable

# providers word an overflow differently, and most give it no code
_OVERFLOW = re.compile(
    r"context_length_exceeded|maximum context length|prompt is too long|context (window|size|limit)"
    r"|exceeds? the (model's )?context|too many (input )?tokens|request_too_large",
    re.IGNORECASE,
)


def translated(error: Exception, name: str) -> CallFailed:
    """The typed error for whatever an SDK raised on behalf of the LLM with this name."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    text = f"{name}: {type(error).__name__}: {error}"[:1500]
    if "APIStatusError" in kinds:
        return _as_told(_status_error(error, text), error.response.headers)
    if "APITimeoutError" in kinds or "APIConnectionError" in kinds:
        cause = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ else ""
        failure = Unreachable(text + cause)
        failure.maybe_billed = type(error.__cause__).__name__ not in ("ConnectError", "ConnectTimeout")
        return failure
    return Unreachable(f"the answer could not be read: {text}")


def _as_told(failure: CallFailed, headers) -> CallFailed:
    """With what the provider says about trying again, which it knows best."""
    failure.retry_after = _retry_after(headers)
    if (told := headers.get("x-should-retry", "")) in ("true", "false"):
        failure.waiting_helps = told == "true"
    return failure


def _status_error(error: Any, text: str) -> CallFailed:
    status, code = error.status_code, str(getattr(error, "code", None) or "")
    if code == "insufficient_quota" or status in (401, 402, 403):
        return AuthError(text)
    if status == 429:
        return RateLimited(text)
    if status == 408:
        return Unreachable(text)
    if status == 409 or status >= 500:
        return Overloaded(text)
    if status in (400, 413, 422) and (code == "context_length_exceeded" or _OVERFLOW.search(text)):
        return ContextOverflow(text)
    return BadRequest(text)


def _retry_after(headers) -> float | None:
    """Seconds, from `retry-after-ms` or `retry-after` (seconds or a date); None when absent or unreadable."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        elif re.fullmatch(r"\s*[\d.]+\s*", value := headers.get("retry-after", "")):
            seconds = float(value)
        else:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (TypeError, ValueError):
        return None
    return max(0.0, seconds)
