"""A request has one state, whichever thread asks; "not sent" is said only if that is certain."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.client import client
from support.proxy import ALWAYS, Fault, Proxy
from support.world import World

from lab2.stats.client.requests import Requests, State
from lab2.stats.client.run import Run


def test_a_request_goes_from_asked_to_shown_and_never_back() -> None:
    requests = Requests(Run())
    request = requests.add([3.0])
    assert request.state is State.UNSENT and not requests.are_waiting and requests.unanswered == []
    requests.handed_over([request], on_shared=True, now=1.0)
    requests.reached([request])
    assert requests.are_waiting and requests.unanswered == [request] and requests.wait_on_shared_only()
    requests.received([request.id, "of another run"])
    assert not requests.are_waiting and requests.unanswered == [request]
    requests.shown([request.id])
    requests.received([request.id])  # a copy
    assert request.state is State.SHOWN and requests.unanswered == []


def test_what_a_lost_reply_has_left_open_is_never_called_unsent_again() -> None:
    requests = Requests(Run())
    sure, open_ = requests.add([3.0]), requests.add([4.0])
    requests.handed_over([sure, open_], on_shared=True, now=1.0)
    requests.reached([open_])  # the reply was lost
    for request in (sure, open_):
        requests.refused(request, "no")
    assert (sure.state, open_.state) == (State.UNSENT, State.ASKED)


def test_what_was_not_received_for_long_is_lost_until_it_is_asked_again() -> None:
    requests = Requests(Run())
    old, new = requests.add([3.0]), requests.add([4.0])
    requests.handed_over([old], on_shared=True, now=100.0)
    requests.handed_over([new], on_shared=True, now=190.0)
    requests.missed(since=120.0, now=200.0, longest=60.0, retention=86_400.0)
    assert requests.lost == [old] and requests.are_waiting
    requests.asked_again([old])
    assert requests.lost == [] and requests.unanswered == [old, new]


def test_entries_that_sqs_refuses_are_said_with_its_words_and_not_tried_for_ever(proxied: World, proxy: Proxy) -> None:
    proxy.on("SendMessageBatch", Fault(fail=10, code="InvalidParameterValue"), times=ALWAYS)
    code, output, errors = client(proxied, "3", "5.5")
    assert (code, output) == (2, "")
    assert "SQS refused the message: InvalidParameterValue" in errors
    assert errors.endswith("The client stopped. Not sent. Send it later with: client.py 3 5.5\n")

    path = Path(proxied.home) / "series"
    path.write_text("1 2\n3\n")
    code, output, errors = client(proxied, "file", str(path))
    assert code == 1
    for line in (1, 2):
        assert f"Line {line} was not sent: SQS refused the message: InvalidParameterValue" in errors
    assert "Not answered yet" not in errors and "0 sent, 0 answered, 2 rejected." in errors


@pytest.mark.parametrize(("fault", "sent"), [(Fault(refuse=(403, "AccessDenied")), False), (Fault(lost=True), True)])
def test_not_sent_is_said_if_sqs_says_so_and_not_if_its_reply_is_lost(
    proxied: World, proxy: Proxy, fault: Fault, sent: bool
) -> None:
    proxy.on("SendMessageBatch", fault, times=ALWAYS)
    code, _, errors = client(proxied, "--wait", "1", "3")
    assert code == 2
    assert ("The message may have been sent." in errors, "Not sent." in errors) == (sent, not sent)
    assert bool(proxied.drain("lab2")) == sent
