"""Queues in batches: only what SQS confirms is done."""

from __future__ import annotations

import time

import pytest
from support.proxy import Fault, Proxy
from support.world import World

from lab2.aws.sqs.leases import Leases
from lab2.aws.sqs.message_queue import Message, Outgoing, Queue, batches
from lab2.stats.server.redrive import redrive


def bodies(queue: Queue) -> list[str]:
    return sorted(message.body for message in queue.receive(visibility=0))


def test_messages_that_sqs_did_not_take_are_handed_back(proxied: World, proxy: Proxy) -> None:
    queue = proxied.queue("lab2")
    proxy.on("SendMessageBatch", Fault(fail=3))
    sent = [Outgoing(f"{number}") for number in range(10)]
    failed = queue.send(sent)
    assert failed == sent[:3]
    assert queue.send(failed) == []
    assert bodies(queue) == sorted(message.body for message in sent)


def test_messages_that_sqs_did_not_delete_or_hide_are_handed_back(proxied: World, proxy: Proxy) -> None:
    queue = proxied.queue("lab2")
    queue.send([Outgoing(f"{number}") for number in range(10)])
    messages = queue.receive()
    proxy.on("ChangeMessageVisibilityBatch", Fault(fail=4))
    assert queue.change_visibility(messages, 0) == messages[:4]
    again = [*messages[:4], *queue.receive()]
    proxy.on("DeleteMessageBatch", Fault(fail=2))
    failed = queue.delete(again)
    assert failed == again[:2]
    assert queue.delete(failed) == []
    assert proxied.depth("lab2") == (0, 0)


def test_one_message_twice_in_a_batch_is_two_entries(world: World) -> None:
    """SQS may give a message twice in one batch; entries of one id would make it refuse the whole."""
    queue = world.queue("lab2")
    queue.send([Outgoing("1"), Outgoing("1")])
    message, other = queue.receive()
    assert queue.change_visibility([message, message, other], 60) == []
    assert queue.delete([message, message, other]) == []
    assert world.depth("lab2") == (0, 0)


def test_a_receipt_that_is_not_valid_any_more_is_not_tried_again(proxied: World, proxy: Proxy) -> None:
    queue = proxied.queue("lab2")
    queue.send([Outgoing("1")])
    messages = queue.receive()
    proxy.on("DeleteMessageBatch", Fault(fail=1, code="ReceiptHandleIsInvalid"))
    assert queue.delete(messages) == []


def test_what_is_sent_is_what_is_received(world: World) -> None:
    queue = world.queue("lab2")
    sent = Outgoing("é😀\t[1]", {"id": "x", "client": "me@here"}, group="me@here")
    assert queue.send([sent]) == []
    (message,) = queue.receive()
    assert (message.body, message.attributes, message.receives) == (sent.body, sent.attributes, 1)
    assert message.sent > 1.7e9
    queue.change_visibility([message], 0)
    assert queue.receive()[0].receives == 2


def test_attributes_that_are_not_text_are_passed_over(world: World) -> None:
    attributes = {"blob": {"DataType": "Binary", "BinaryValue": b"\0"},
                  "count": {"DataType": "Number", "StringValue": "3"}}  # fmt: skip
    url = world.aws.queue_url("lab2")
    world.aws.sqs.send_message(QueueUrl=url, MessageBody="1", MessageAttributes=attributes)
    assert world.queue("lab2").receive()[0].attributes == {"count": "3"}


def test_an_empty_batch_is_a_call_that_nobody_makes(proxied: World, proxy: Proxy) -> None:
    queue = proxied.queue("lab2")
    for batch in batches([]):
        pytest.fail(f"there is no batch: {batch}")
    assert queue.receive() == []
    assert [list(batch) for batch in batches(range(21))] == [[*range(10)], [*range(10, 20)], [20]]
    assert proxy.calls["SendMessageBatch"] == proxy.calls["DeleteMessageBatch"] == 0


def test_lists_that_are_absent_and_those_that_are_null_are_empty(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.stats.server.redrive.WAIT", 0)
    proxy.habits.names.add("null")
    assert proxied.aws.queue_urls("lab2_nothing") == {}
    queue = proxied.queue("lab2_dead")
    assert queue.receive() == [] and redrive(proxied.aws) == 0
    queue.send([Outgoing("[1]")])  # a message without attributes
    assert redrive(proxied.aws) == 1
    (message,) = proxied.queue("lab2").receive()
    assert message.attributes.keys() == {"id"}


def test_a_renewal_under_way_hides_nothing_that_is_given_back_meanwhile(proxied: World, proxy: Proxy) -> None:
    queue = proxied.queue("lab2")
    for _ in range(2):
        assert queue.send([Outgoing("[1]")] * 10) == []
    messages: list[Message] = []
    while len(messages) < 20:
        messages += queue.receive(visibility=60)
    leases = Leases(queue, 60)
    leases.hold(messages, since=time.monotonic() - 50)
    proxy.on("ChangeMessageVisibilityBatch", Fault(after=leases.give_back))
    leases.renew()
    assert proxy.calls["ChangeMessageVisibilityBatch"] == 3  # the renewal of ten, and the release of twenty
    assert len(queue.receive()) > 0
