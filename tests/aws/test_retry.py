"""Outages are reported once, attempts are paced, and permanent errors are given up."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ClientError, EndpointConnectionError

from lab2.aws.failures import user_errors
from lab2.aws.retry import FEW_REJECTIONS, OutageReporter, is_transient, persist
from lab2.errors import UserError


def away() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url="http://aws")


def test_pauses_grow_and_stay_bounded() -> None:
    outages = OutageReporter("Working", say=lambda line: None)
    pauses = [outages.record_failure(away()) for _ in range(40)]
    assert pauses[0] <= 0.5 and all(10 <= pause <= 20 for pause in pauses[10:])
    outages.record_success()
    assert outages.record_failure(away()) <= 0.5


def test_pauses_between_rejections_grow_and_end_with_the_first_success() -> None:
    outages = OutageReporter("Working", lambda line: None)
    pauses = [outages.record_rejection() for _ in range(30)]
    assert not any(pauses[:FEW_REJECTIONS]) and all(pauses[FEW_REJECTIONS:]) and max(pauses) > 5
    assert outages.failing
    outages.record_success()
    assert not outages.failing and outages.record_rejection() == 0


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "Send")


def test_what_no_waiting_can_mend_is_given_up_after_its_grace_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("lab2.aws.retry.time.monotonic", lambda: clock[0])
    given_up: list[UserError] = []
    outages = OutageReporter("Working", lambda line: None, given_up.append)
    for code, grace in (("AccessDenied", 10), ("QueueDoesNotExist", 60), ("PermanentRedirect", 10)):
        outages.record_success()
        clock[0] += 1000
        outages.record_failure(away())
        clock[0] += 1000  # a long outage, and only then this error
        assert outages.record_failure(refusal(code)) <= grace
        clock[0] += grace - 1
        outages.record_failure(refusal(code))
        assert not given_up
        clock[0] += 1
        with pytest.raises(UserError), user_errors("queue lab2"):
            raise refusal(code)
        outages.record_failure(refusal(code))
        assert "Working fails: " in str(given_up.pop())
    for error in (away(), refusal("ExpiredToken"), refusal("RequestTimeTooSkewed"), refusal("SlowDown"), KeyError("x"),
                  refusal("InternalError"), refusal("InvalidClientTokenId")):  # fmt: skip
        for _ in range(10):
            clock[0] += 1000
            outages.record_failure(error)
    assert not given_up
    outages.record_failure(UserError("This store ignores If-Match."))
    clock[0] += 60
    outages.record_failure(UserError("This store ignores If-Match."))
    assert str(given_up.pop()) == "Working fails: This store ignores If-Match."


def test_persist_tries_again_what_passes_and_raises_what_does_not() -> None:
    said: list[str] = []
    pauses: list[float] = []
    results: list[object] = [away(), refusal("ExpiredToken"), 7]

    def work() -> object:
        result = results.pop(0)
        if isinstance(result, Exception):
            with user_errors():
                raise result
        return result

    assert persist(work, OutageReporter("Connecting", said.append), wait=pauses.append) == 7
    assert len(pauses) == 2 and len(said) == 2
    results[:] = [refusal("AccessDenied"), 7]
    with pytest.raises(UserError):
        persist(work, OutageReporter("Connecting", said.append), wait=pauses.append)
    results[:] = [KeyError("a bug"), 7]
    with pytest.raises(KeyError):
        persist(work, OutageReporter("Connecting", said.append), wait=pauses.append)
    results[:] = [away(), 7]
    with pytest.raises(UserError, match="reached"):
        persist(work, OutageReporter("Connecting", said.append), patience=0, wait=pauses.append)
    assert len(said) == 2


def test_whatever_botocore_raises_where_it_fetches_credentials_passes() -> None:
    """It is RuntimeError, ValueError, KeyError or OSError there, as the place has it."""
    for error in (RuntimeError("still expired"), ValueError("no JSON"), KeyError("AccessKeyId"), OSError("no program")):

        class Broken:
            def __get__(self, *_: object) -> object:
                raise error  # noqa: B023

        credentials = RefreshableCredentials("a", "b", "c", datetime.now(timezone.utc), lambda: {}, "process")
        with pytest.raises(UserError, match="can't be fetched") as raised, user_errors():
            credentials._refresh_using = lambda: Broken().__get__()
            credentials.get_frozen_credentials()
        assert is_transient(raised.value)
    with pytest.raises(KeyError), user_errors():
        raise KeyError("ours")


def test_what_began_before_an_outage_and_succeeds_in_it_does_not_end_it() -> None:
    said: list[str] = []
    outages = OutageReporter("Work", said.append)
    before = time.monotonic()
    outages.record_failure(away())
    outages.record_success(before)
    outages.record_failure(away())
    assert len(said) == 1 and outages.tries == 2
    outages.record_success(time.monotonic())
    assert len(said) == 2 and not outages.failing


def test_what_began_in_an_outage_and_fails_after_it_is_no_new_outage() -> None:
    said: list[str] = []
    outages = OutageReporter("Work", said.append)
    outages.record_failure(away())
    in_the_outage = time.monotonic()
    outages.record_success(time.monotonic())
    assert 0 < outages.record_failure(away(), in_the_outage) <= 0.5
    assert len(said) == 2 and not outages.failing
    outages.record_failure(away(), time.monotonic())
    assert len(said) == 3 and outages.failing
