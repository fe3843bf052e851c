"""How answers end: counted by phase, judged, kept in the log."""

import pytest
from helpers import ScriptedLLM

from fgo_kit.calls.limits import Limits
from fgo_kit.calls.log import CallLog, Place
from fgo_kit.calls.meter import Meter
from fgo_kit.calls.protocol import AuthError, BadRequest, Overloaded, TooManyFailures, Unreachable


@pytest.fixture
def log():
    with CallLog() as log:
        log.begin("r", {}, {})
        yield log


def meter(log, max_failures=0.2):
    return Meter(ScriptedLLM(lambda messages: "yes"), log, "r", Limits(workers=1, max_failures=max_failures))


def place(n, phase="rollout"):
    return Place(phase, task=f"{n:02}")


def note(meter, outcomes, phase="rollout", reason=""):
    """One outcome a letter: a(nswered), e(mpty), c(ut), r(efused), f(ailed), u(nusable)."""
    names = {"a": "answered", "e": "empty", "c": "cut", "r": "refused", "f": "failed", "u": "unusable"}
    for n, letter in enumerate(outcomes):
        meter.outcome(place(n, phase), names[letter], reason)


@pytest.mark.parametrize("outcomes", ["ffffff", "aaaaaaaaecaaaaa", "a" * 98 + "r" * 22, "e"])
def test_a_share_within_the_bound_or_of_few_goes_on(log, outcomes):
    note(meter(log), outcomes)


@pytest.mark.parametrize("outcomes, counts", [
    ("aaaaaaafff", "3 of 10"), ("ecrufafaaa", "6 of 10"), ("a" * 40 + "u" * 11, "11 of 51"), ("fffffffffa", "9 of 10"),
])  # fmt: skip
def test_a_share_beyond_the_bound_stops_the_run(log, outcomes, counts):
    with pytest.raises(TooManyFailures, match=f"{counts} answers in phase 'rollout'.*max_failures is 0.2"):
        note(meter(log), outcomes)


def test_each_phase_is_judged_by_itself_and_small_ones_at_the_end(log):
    asked = meter(log)
    note(asked, "a" * 50)
    note(asked, "afu", "merge")
    with pytest.raises(TooManyFailures, match="2 of 3 answers in phase 'merge'"):
        asked.judge()
    within = meter(log)
    note(within, "aaaaf", "propose")
    within.judge()


@pytest.mark.parametrize("error, advice", [(AuthError("401"), "API key"), (BadRequest("404"), "base_url"), ("filter", "put right")])
def test_ten_that_fail_alike_for_good_stop_whatever_the_bound(log, error, advice):
    with pytest.raises(TooManyFailures, match=rf"10 of 10 .*\(10 times, failed\): {error}\. What to do: .*{advice}"):
        note(meter(log, max_failures=1), "f" * 10, reason=error)
    note(meter(log, max_failures=1), "f" * 30, reason=Unreachable("reset"))  # these may end
    mixed = meter(log, max_failures=1)
    note(mixed, "f" * 9, reason=error)
    mixed.outcome(place(9), "failed", Overloaded("503"))


def test_the_commonest_reason_is_told(log):
    asked = meter(log)
    note(asked, "aaaaaaa")
    asked.outcome(place(7), "failed", BadRequest("odd"))
    asked.outcome(place(8), "failed", Unreachable("reset"))
    with pytest.raises(TooManyFailures, match=r"\(2 times, failed\): reset\. .*server at base_url is up"):
        asked.outcome(place(9), "failed", Unreachable("reset"))


def test_outcomes_are_in_the_log_until_they_are_answered(log):
    first = meter(log)
    first.outcome(place(1), "failed", Unreachable("reset"))
    first.outcome(place(2), "failed", BadRequest("no such model"))
    first.outcome(place(3), "refused", "content filter")
    first.outcome(place(4), "answered")
    assert log.failures("r")[["task", "status", "reason", "lasting"]].values.tolist() == [
        ["01", "failed", "reset", False], ["02", "failed", "no such model", True], ["03", "refused", "content filter", True]]
    again = meter(log)
    for n in (1, 4):
        again.outcome(place(n), "answered")
    assert log.failures("r")["task"].tolist() == ["02", "03"]


def test_an_unknown_status_is_named(log):
    with pytest.raises(ValueError, match="status='wrong' is unknown; use one of"):
        meter(log).outcome(place(1), "wrong")
