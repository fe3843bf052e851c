"""Why a request has no answer: a refusal's status and body, or what an SDK raised, as a typed error of the protocol."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ..calls.protocol import AuthError, BadRequest, CallFailed, ContextOverflow, Overloaded, RateLimited, Unreachable

LONGEST = 1_500
"""So many characters of a provider's words are shown."""
GAVE_UP = (504, 524)
"""A gateway waited no longer for a provider that may answer, and bill, all the same."""
START = 200
"""So many characters of a body that is no JSON."""

# Providers word an overflow differently, and most give it no code.
_OVERFLOW = re.compile(
    r"context[_ -]?(length|window|size|limit)|(prompt|input|request|messages?)( is| are)?[ _]too[ _](long|large)"
    r"|maximum prompt length|exceed\w* .{0,40}(context|max\w* length|token limit|number of tokens|tokens allowed)"
    r"|too many (input |prompt )?tokens|reduce the length|input length should|longer than the model"
    r"|tokens`?( \+ `?max_new_tokens`?)? must (be|have)|must have less than \d+ tokens",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"insufficient[_ ](quota|credits?|balance|funds)|(credit )?balance is too low|(out of|no|not enough) credits?\b"
    r"|payment[_ ]required|billing_(hard_limit|not_active)",
    re.IGNORECASE,
)
_NO_ACCESS = re.compile(
    r"api[ _]key (is )?(not valid|invalid|expired)|(invalid|incorrect)[_ ]api[_ ]key|authentication_error"
    r"|no_db_connection",
    re.IGNORECASE,
)
# codes of refusals on account of what was asked; a refusal as an answer is read where answers are
_POLICY = re.compile(r"\([^()]*\b(invalid_prompt|content_filter|\w+_policy(?:_violation)?)\b[^()]*\)")
_STATUS_OF = {  # the names of errors that come with status 200
    "rate_limit": 429, "too_many_requests": 429, "overloaded": 503, "server_error": 500, "api_error": 500,
    "internal": 500, "unavailable": 503, "timeout": 504, "authentication": 401, "permission": 403,
}  # fmt: skip


class Refused(CallFailed):
    """A policy of the provider let no answer through. category: its name in the provider's words."""

    def __init__(self, message: str, category: str):
        super().__init__(message)
        self.category = category


def failure(name: str, status: int, body: Any, headers: Mapping[str, str] | None = None) -> CallFailed:
    """The error that a refusal with this status and (parsed) body is, in the words of the provider.

    name: the LLM's. headers: may ask for a wait, or say whether trying again is of use.

    >>> type(failure("openai:m", 400, {"error": "prompt too long; exceeded max context length"})).__name__
    'ContextOverflow'
    """
    words, headers = words_of(body), headers or {}
    if status in (200, 400, 403) and (policy := _POLICY.search(words)):
        return Refused(f"{name}: status {status}: {words}"[:LONGEST], policy[1])
    error = _kind(status, words, headers.get("x-should-retry"))(
        f"{name}: status {status}: {words}"[:LONGEST], _retry_after(headers)
    )
    error.status = status
    if isinstance(error, AuthError) and (status == 402 or _NO_CREDIT.search(words)):
        error.no_credit = True
        error.args = (f"{error}; add credit there, then run the same again, which resumes",)
    if status in GAVE_UP:
        error.maybe_billed = True
    return error


def _kind(status: int, words: str, should_retry: str | None) -> type[CallFailed]:
    if status in (401, 402) or (status == 403 and "moderation" not in words):
        return AuthError
    if _NO_CREDIT.search(words) or _NO_ACCESS.search(words):
        return AuthError
    if status in (400, 413, 422, 500) and _OVERFLOW.search(words):
        return ContextOverflow
    if status == 429 and re.search("request too large", words, re.IGNORECASE):  # than the limit of any minute
        return ContextOverflow
    if should_retry == "false":
        return BadRequest
    if status == 429:
        return RateLimited
    if status == 408:
        return Unreachable
    return Overloaded if status >= 500 or status == 409 or should_retry == "true" else BadRequest


def answered_failure(name: str, body: dict[str, Any]) -> CallFailed | None:
    """The error that a body with status 200 holds instead of an answer, None for one that holds none."""
    error = body.get("error") or (body if body.get("type") == "error" or not _answers(body) else None)
    if not error:
        return None
    refused = failure(name, _status_of(error), body)
    if body.get("error") or not isinstance(refused, BadRequest):
        return refused
    return Unreachable(f"{name}: the answer holds no message: {words_of(body)}"[:LONGEST])


def _answers(body: dict[str, Any]) -> bool:
    return bool(body.get("choices") or "content" in body or "output" in body)


def _status_of(error: Any) -> int:
    """The status that an error would have had, by its code or name; 400 where it has none."""
    fields = error if isinstance(error, dict) else {}
    codes = " ".join(str(fields.get(key)).lower() for key in ("code", "status", "type"))
    number = re.search(r"\b[45]\d\d\b", codes)
    named = (status for part, status in _STATUS_OF.items() if part in codes)
    return int(number[0]) if number else next(named, 400)


def read_body(name: str, content_type: str, data: bytes) -> dict[str, Any]:
    """The object in a body with status 200; raises the error that it is or holds.

    A page or a stream is a BadRequest, because no second try changes it; JSON that breaks off is worth one.
    """
    text = data.decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        if "json" in content_type:
            raise Unreachable(f"{name}: the answer could not be read: {error}: {text[:START]!r}") from None
        raise BadRequest(
            f"{name}: the server answers with {content_type or 'no content type'} instead of JSON: {text[:START]!r}; "
            "see that base_url is that of the API (most end in /v1) and that it does not stream"
        ) from None
    if not isinstance(body, dict):
        raise Unreachable(f"{name}: the answer is no JSON object: {text[:START]!r}")
    if error := answered_failure(name, body):
        raise error
    return body


def words_of(body: Any) -> str:
    """What a body says: its messages, or all of it where it has none.

    >>> words_of([{"error": {"code": 400, "message": "too many tokens", "param": "seed"}}])
    'too many tokens (seed, 400)'
    """
    if isinstance(body, list) and body:
        return "; ".join(map(words_of, body))
    if not isinstance(body, dict):
        return str(body)
    for key in ("error", "message", "detail", "msg", "base_resp", "status_msg"):
        if body.get(key):
            named = [body[name] for name in ("param", "code", "type", "loc") if body.get(name) and key != "error"]
            return words_of(body[key]) + (f" ({', '.join(map(str, named))})" if named else "")
    return json.dumps(body, ensure_ascii=False, default=str)


def translated(error: Any, name: str) -> CallFailed:
    """The typed error for whatever an SDK raised on behalf of the LLM with this name. Both name their classes alike."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "APIStatusError" in kinds:
        return failure(name, error.status_code, error.body or str(error), error.response.headers)
    text = f"{name}: {type(error).__name__}: {error}"[:LONGEST]
    if error.__cause__:
        text += f" ({type(error.__cause__).__name__}: {error.__cause__})"
    unreachable = Unreachable(text)
    unreachable.maybe_billed = type(error.__cause__).__name__ not in ("ConnectError", "ConnectTimeout")
    return unreachable


def _retry_after(headers: Mapping[str, str]) -> float | None:
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
