"""Batches: calls that wait side by side go to the provider as one, which answers within a day, at half the price.

That a batch is about to be sent is in the log before it goes out, under a tag that the provider is told too, and its
id before anyone waits. Whoever asks for one of its calls, after whatever end of the process that sent it, waits for the
same batch. Nothing here sends a call again of itself: who asks for it again, does.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, groupby
from typing import Any, TypeVar
from uuid import uuid4

from ..calls import log_sql as sql
from ..calls.budget import Cost
from ..calls.clock import now, sleep_until
from ..calls.log_file import LogFile
from ..calls.protocol import CallFailed, Cancelled, FGOError, Overloaded
from ..calls.requests import Asked
from .batch_endpoints import Endpoint

QUIET = 2.0
"""Seconds without another call after which those that wait are sent."""
MOST_BYTES = 100 * 2**20
"""Of the requests in one batch: OpenAI takes 200 MB, Anthropic 256."""
FIRST_LOOK, SHARE, LAST_LOOK = 2.0, 0.1, 60.0
"""Seconds between looks at a batch: a share of its age, between these bounds."""
LISTED = 60.0
"""Seconds after which a provider has a batch in its list that it took."""
BEAT = 1.0
"""Seconds between looks of a call that waits at whether its run was stopped."""

_SENDING: set[str] = set()  # tags of batches that this process is about to send
Result = TypeVar("Result")


@dataclass(eq=False)
class _Letter:
    """A request that waits. name: in its batch; size: bytes, about."""

    key: str
    name: str
    most: Cost
    body: dict[str, Any]
    size: int
    answer: Future = field(default_factory=Future)


class Batches:
    """The batches of one run at one provider. patience: seconds without a sign of life after which it is given up."""

    def __init__(self, log: LogFile, endpoint: Endpoint, run_id: str, patience: float):
        self._log, self._endpoint, self._run_id, self._patience = log, endpoint, run_id, patience
        self._gathering: list[_Letter] = []
        self._latest = 0.0
        self._answered: set[str] = set()  # keys; one that is asked for again had an answer that was of no use
        self._lock = threading.Lock()

    def sender(self, request: Asked, most: Cost, check: Callable[[], None]) -> Callable[[dict], dict]:
        """What sends the body of a request and gives that of its answer, or raises why it has none.

        most: that the call can cost. check: called meanwhile, and may raise.
        """
        return partial(self._send, request, most, check)

    def _send(self, request: Asked, most: Cost, check: Callable[[], None], body: dict[str, Any]) -> dict[str, Any]:
        letter = _Letter(request.key, f"{request.key}-{request.sample}", most, body, len(str(body)))
        with self._lock:
            self._gathering.append(letter)
            self._latest = now()
            if len(self._gathering) == 1:
                threading.Thread(target=self._gather, daemon=True, name="fgo batch").start()
        try:
            while True:
                check()
                with suppress(TimeoutError):
                    return letter.answer.result(BEAT)
        except BaseException:
            letter.answer.cancel()
            raise

    def _gather(self) -> None:
        """Send what waits once there is no more of it, but for what was sent before: that is waited for."""
        sleep_until(lambda: self._latest + QUIET, lambda: None)
        with self._lock:
            letters, self._gathering = self._gathering, []
        with _told(letters):
            before: dict[tuple, list[_Letter]] = defaultdict(list)
            for letter in letters:
                sent = self._log.read(sql.SENT, (letter.key,))
                if sent and letter.key in self._answered:
                    self._unsend(sent[0][0], [letter])
                    sent = []
                before[sent[0] if sent else ()].append(letter)
            for part in _parts(before.pop((), [])):
                _beside(self._submit, part)
            for (tag, ids, at), part in before.items():
                _beside(self._take_up, part, tag, ids.split(), at)

    def _submit(self, letters: list[_Letter]) -> None:
        tag, at = uuid4().hex, time.time()
        letters.sort(key=lambda letter: letter.name)
        failed, ids = None, []
        _SENDING.add(tag)
        try:
            self._log.write([(sql.SEND, (letter.key, tag, at, self._run_id, *letter.most)) for letter in letters])
            ids = [self._endpoint.submit(tag, {letter.name: letter.body for letter in letters})]
            self._log.write([(sql.SENT_AS, (ids[0], tag))])
        except CallFailed as error:
            failed = error
        finally:
            _SENDING.discard(tag)
        if failed is None or failed.maybe_billed:
            self._take_up(letters, tag, ids, at, failed)
        else:
            self._unsend(tag, letters)
            raise failed

    def _take_up(
        self, letters: list[_Letter], tag: str, ids: list[str], at: float, failed: CallFailed | None = None
    ) -> None:
        """Wait for a batch that was sent, or was about to be sent at this time, and hand its answers out.

        failed: why it is not known whether it was sent.
        """
        if not ids:
            ids = self._found(letters, tag, at)
            self._log.write([(sql.SENT_AS, (" ".join(ids), tag))])
        if not ids:
            self._unsend(tag, letters)
            raise failed or Overloaded(f"the batch {tag} was about to be sent, and the provider does not list it")
        try:
            for batch in ids:
                while not self._steadily(partial(self._endpoint.has_ended, batch), letters):
                    _pause(min(LAST_LOOK, max(FIRST_LOOK, SHARE * (time.time() - at))), letters)
            sent = self._log.read(sql.SENT_WITH, (tag,))  # all that are open still, whoever waits for them
            names = {letters[0].name.replace(letters[0].key, key) for key, _ in sent} | {each.name for each in letters}
            results = self._steadily(partial(self._endpoint.results, ids, sorted(names)), letters)
        except CallFailed as error:
            if error.status == 404 and time.time() < at + LISTED:
                error.waiting_helps = True  # it is about to be known
            elif error.status == 404:  # nobody can have its answers any more
                self._unsend(tag, letters)
                error.maybe_billed = True
            raise
        self._unsend(tag, [letter for letter in letters if isinstance(results[letter.name], FGOError)])
        for letter in letters:
            self._answered.add(letter.key)
            _deliver(letter, results[letter.name])

    def _found(self, letters: list[_Letter], tag: str, at: float) -> list[str]:
        """The ids of a batch of which only the tag is known; none where it was never taken."""
        began, rows = now(), self._log.read(sql.SENT_WITH, (tag,))
        while now() < began + LISTED or tag in _SENDING:
            if rows and rows[0][1]:
                return rows[0][1].split()
            _pause(FIRST_LOOK, letters)
            rows = self._log.read(sql.SENT_WITH, (tag,))
        return self._steadily(partial(self._endpoint.find, tag, at, len(rows)), letters)

    def _steadily(self, ask: Callable[[], Result], letters: list[_Letter]) -> Result:
        """What the provider says, asked again while that may help, until `patience` is over."""
        since = now()
        while True:
            try:
                return ask()
            except CallFailed as error:
                error.maybe_billed = False  # the batch is in the log
                if not error.waiting_helps or now() - since >= self._patience:
                    raise
                wait = min(LAST_LOOK, max(FIRST_LOOK, SHARE * (now() - since), error.retry_after or 0.0))
            _pause(min(wait, self._patience), letters)

    def _unsend(self, tag: str, letters: Sequence[_Letter]) -> None:
        """Forget that these were sent: they are sent again if anyone asks."""
        if letters:
            self._log.write([(sql.UNSEND, (letter.key, tag)) for letter in letters])


@contextmanager
def _told(letters: Sequence[_Letter]):
    """An error in here is the answer to all letters that have none."""
    try:
        yield
    except BaseException as error:  # raised where the answers are awaited
        for letter in letters:
            _deliver(letter, error)


def _deliver(letter: _Letter, answer: Any) -> None:
    if letter.answer.done() or not letter.answer.set_running_or_notify_cancel():
        return
    give = letter.answer.set_exception if isinstance(answer, BaseException) else letter.answer.set_result
    give(answer)


def _beside(work: Callable, letters: list[_Letter], *rest: Any) -> None:
    """Do work on letters in a thread of its own."""

    def told() -> None:
        with _told(letters):
            work(letters, *rest)

    threading.Thread(target=told, daemon=True, name="fgo batch").start()


def _pause(seconds: float, letters: Sequence[_Letter]) -> None:
    """Wait so long; Cancelled where nobody waits for the answers any more."""

    def check() -> None:
        if all(letter.answer.cancelled() for letter in letters):
            raise Cancelled("nobody waits for this batch any more")

    until = now() + seconds
    sleep_until(lambda: until, check)


def _parts(letters: Sequence[_Letter]) -> Iterator[list[_Letter]]:
    """Letters that are still waited for, in parts that a provider takes as one batch."""
    waited = [letter for letter in letters if not letter.answer.cancelled()]
    sizes = accumulate(letter.size for letter in waited)
    for _, part in groupby(zip(waited, sizes, strict=True), lambda each: each[1] // MOST_BYTES):
        yield [letter for letter, _ in part]
