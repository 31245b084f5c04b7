"""Answers find their owner: none is deleted before it was shown, and nobody stands in another's way."""

from __future__ import annotations

import time

import pytest
from support.client import raised
from support.proxy import Fault, Proxy
from support.world import World, until

from lab2.aws.sqs.message_queue import Message, Outgoing
from lab2.stats.client.inbox import FEW_RECEIVES, MANY_RECEIVES, STALE_S, Inbox, hiding_seconds
from lab2.stats.client.run import Run
from lab2.stats.protocol import answer_request, encode_answer


def inbox_of(world: World, client: str = "me") -> Inbox:
    return Inbox(world.queue("lab2_1"), client, Run(), raised)


@pytest.fixture(autouse=True)
def any_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of our name is for us, whoever asked: here it is not about runs."""
    monkeypatch.setattr("lab2.stats.client.inbox.TAKEOVER_S", -60.0)


def answered(world: World, *ids: str, client: str = "me") -> None:
    sent = [Outgoing(encode_answer(answer_request(id, "[1]")), {"id": id, "client": client}) for id in ids]
    assert world.queue("lab2_1").send(sent) == []


def receive(inbox: Inbox) -> list[Message]:
    return [found.message for found in inbox.receive(0)]


def test_an_answer_whose_lease_ran_out_before_it_was_shown_is_not_deleted(world: World) -> None:
    """A long file is shown in the order of its lines: an answer may wait for its turn longer than its lease."""
    inbox = inbox_of(world)
    answered(world, "1")
    messages = receive(inbox)
    inbox.queue.change_visibility(messages, 0)
    assert receive(inbox) == []
    assert world.depth("lab2_1") == (0, 1)  # if we are killed now, the next run shows it
    assert inbox.delete(messages) == []
    assert world.depth("lab2_1") == (0, 0)


def test_an_answer_that_waits_longer_than_its_lease_is_not_given_to_another_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.stats.client.inbox.ANSWER_VISIBILITY_S", 6)
    inbox, again = inbox_of(world), inbox_of(world)
    answered(world, "1")
    messages = receive(inbox)
    end = time.monotonic() + 13
    while time.monotonic() < end:
        assert receive(inbox) == receive(again) == []
        time.sleep(0.1)
    assert world.depth("lab2_1") == (0, 1)
    assert inbox.delete(messages) == []
    assert world.depth("lab2_1") == (0, 0)


def test_an_answer_that_is_no_longer_held_is_there_for_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.stats.client.inbox.ANSWER_VISIBILITY_S", 1)
    answered(world, "1")
    assert receive(inbox_of(world))  # and is killed
    assert inbox_of(world).receive(5)


def test_an_answer_whose_lease_could_not_be_renewed_is_not_shown_twice(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.stats.client.inbox.ANSWER_VISIBILITY_S", 2)
    inbox = inbox_of(proxied)
    answered(proxied, "1")
    messages = receive(inbox)
    proxy.on("ChangeMessageVisibilityBatch", Fault(fail=1, code="InternalError"))
    time.sleep(1.5)
    for _ in range(3):
        assert inbox.receive(1) == []
    assert inbox.delete(messages) == []
    assert proxied.depth("lab2_1") == (0, 0)


def test_a_listener_shows_the_answer_to_another_program_s_request_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run of ours has an id like that; other runs leave it for whoever asked, for a while."""
    monkeypatch.setattr("lab2.stats.client.inbox.TAKEOVER_S", 90.0)
    answered(world, "order 7")
    assert receive(inbox_of(world)) == []
    listener = Inbox(world.queue("lab2_1"), "me", Run(), raised, listening=True)
    assert [found.answer and found.answer.id for found in listener.receive(0)] == ["order 7"]


def test_a_second_copy_of_an_answer_is_deleted_unseen(world: World) -> None:
    inbox = inbox_of(world)
    answered(world, "1", "1")
    messages = receive(inbox)
    assert len(messages) == 1
    assert world.depth("lab2_1") == (0, 1)  # the first copy stays until it was shown
    inbox.delete(messages)
    answered(world, "1")
    assert receive(inbox) == []
    assert world.depth("lab2_1") == (0, 0)


def test_an_answer_that_was_not_deleted_after_all_is_not_shown_again(proxied: World, proxy: Proxy) -> None:
    inbox = inbox_of(proxied)
    answered(proxied, "1")
    messages = receive(inbox)
    proxy.on("DeleteMessageBatch", Fault(fail=1, code="ReceiptHandleIsInvalid"))
    assert inbox.delete(messages) == []
    inbox.queue.change_visibility(messages, 0)
    assert receive(inbox) == []
    assert proxied.depth("lab2_1") == (0, 0)


def test_answers_of_others_are_released_at_once(world: World) -> None:
    inbox = inbox_of(world)
    answered(world, "1", client="you")
    for _ in range(FEW_RECEIVES):
        assert receive(inbox) == []
        assert world.depth("lab2_1") == (1, 0)
    assert receive(inbox) == []
    assert world.depth("lab2_1") == (0, 1)  # nobody seems to come for it
    assert [found.message.body for found in inbox_of(world, "you").receive(20)]


def test_only_what_nobody_comes_for_is_hidden_from_its_owner_for_long() -> None:
    """Every client meets each in turn: what is hidden for longer each time would be kept from its owner for ever."""
    ages = (0, 60, STALE_S - 1)
    between = range(FEW_RECEIVES + 1, MANY_RECEIVES)
    assert {hiding_seconds(age, met) for age in ages for met in between for _ in range(50)} == {1, 2}
    assert {hiding_seconds(age, met) for age in ages for met in range(1, FEW_RECEIVES + 1)} == {0}
    assert {hiding_seconds(10, MANY_RECEIVES) for _ in range(50)} == {4, 8}
    assert hiding_seconds(STALE_S + 1, 1) == 30


@pytest.mark.long
def test_answers_that_nobody_comes_for_do_not_come_back_as_fast_as_new_ones(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that gives its oldest messages first would give nothing else, once there are many of them."""
    monkeypatch.setattr("lab2.stats.client.inbox.FEW_RECEIVES", 0)
    monkeypatch.setattr("lab2.stats.client.inbox.MANY_RECEIVES", 2)
    inbox = inbox_of(world)
    answered(world, "1", client="you")
    receive(inbox)
    until(lambda: world.depth("lab2_1") == (1, 0))
    received = time.monotonic()
    receive(inbox)
    assert world.depth("lab2_1") == (0, 1)
    until(lambda: world.depth("lab2_1") == (1, 0))
    assert time.monotonic() - received > 3  # four seconds or more, by the queue's clock
    assert inbox_of(world, "you").receive(20)


def test_a_stale_answer_that_comes_with_a_fresh_one_is_hidden_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.stats.client.inbox.hiding_seconds", lambda age, met: 30 if age > 2 else 0)
    answered(world, "1", client="you")
    time.sleep(2.1)
    answered(world, "2", client="you")
    inbox = inbox_of(world)
    until(lambda: receive(inbox) == [] and inbox.sifted >= 2)
    assert world.depth("lab2_1") == (1, 1)
