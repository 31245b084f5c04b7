"""Queues in batches: only what SQS confirms is done."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError
from support.proxy import ALWAYS, Call, Fault, Proxy
from support.queues import kind_of_queue  # noqa: F401 - every test is run with both
from support.world import World, until

from lab2.aws.failures import explain
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


def test_one_message_twice_in_a_batch_is_one_entry(world: World) -> None:
    """SQS may give a message twice in one batch; two entries of one receipt make some servers refuse the whole."""
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
    monkeypatch.setattr("lab2.stats.server.redrive.POLL_S", 0)
    proxy.habits.names.add("null")
    assert proxied.aws.queue_urls("lab2_nothing") == {}
    queue = proxied.queue("lab2_dead")
    assert queue.receive() == [] and redrive(proxied.aws) == 0
    queue.send([Outgoing("[1]")])  # a message without attributes
    assert redrive(proxied.aws) == 1
    (message,) = proxied.queue("lab2").receive()
    assert message.attributes.keys() == {"id", "sent"}


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


def test_a_message_that_a_reply_holds_twice_is_received_once_and_each_receipt_is_named_once(
    proxied: World, proxy: Proxy
) -> None:
    queue = proxied.queue("lab2")
    queue.send([Outgoing(f"[{number}]") for number in range(3)])
    proxy.edit_reply("ReceiveMessage", lambda fields: fields.update(Messages=fields.get("Messages", []) * 2))
    messages: list[Message] = []
    while len(messages) < 3:
        received = queue.receive(visibility=60)
        assert len({message.id for message in received}) == len(received)
        messages += received
    named: list[str] = []

    def note(call: Call) -> bool:
        named.extend(entry["ReceiptHandle"] for entry in call.fields["Entries"])
        return False

    proxy.on("DeleteMessageBatch", Fault(), only=note)
    assert queue.delete(messages * 2) == []
    assert sorted(named) == sorted(message.receipt for message in messages)
    assert proxied.depth("lab2") == (0, 0)


@pytest.mark.parametrize("code", ["BatchEntryIdsNotDistinct", "InvalidMessageContents", "Anything"])
def test_a_batch_that_is_refused_whole_is_tried_entry_by_entry(proxied: World, proxy: Proxy, code: str) -> None:
    queue = proxied.queue("lab2")
    bad = Outgoing("bad")
    refused = Fault(refuse=(400, code))
    for operation in ("SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"):
        proxy.on(operation, refused, times=ALWAYS, only=lambda call: len(call.fields["Entries"]) > 1)
    proxy.on("SendMessageBatch", refused, times=ALWAYS, only=lambda call: b"bad" in call.body)
    assert queue.send([Outgoing("[1]"), bad, Outgoing("[2]")]) == [bad]
    messages: list[Message] = []
    while len(messages) < 2:
        messages += queue.receive(visibility=60)
    assert queue.change_visibility(messages, 60) == []
    assert queue.delete(messages) == []
    assert proxied.depth("lab2") == (0, 0)


def test_a_deletion_that_is_refused_for_its_receipt_alone_is_settled(proxied: World, proxy: Proxy) -> None:
    queue = proxied.queue("lab2")
    queue.send([Outgoing("[1]")])
    messages = queue.receive()
    proxy.on("DeleteMessageBatch", Fault(refuse=(400, "ReceiptHandleIsInvalid")), times=ALWAYS)
    assert queue.delete(messages) == []


def test_what_fails_is_named_by_its_queue(proxied: World, proxy: Proxy) -> None:
    queue = proxied.queue("lab2")
    proxy.on("ReceiveMessage", Fault(refuse=(400, "QueueDoesNotExist")), times=ALWAYS)
    with pytest.raises(ClientError) as raised:
        queue.receive()
    assert str(explain(raised.value)).startswith("There is no queue lab2 in this account and region.")


def test_a_server_that_knows_one_of_the_two_requests_for_attributes_is_understood_and_one_of_none(
    proxied: World, proxy: Proxy
) -> None:
    queue = proxied.queue("lab2")
    queue.send([Outgoing("[1]")])
    proxy.edit("ReceiveMessage", lambda fields: fields.pop("MessageSystemAttributeNames"))
    (message,) = queue.receive(visibility=0)
    assert message.sent > 1.7e9 and message.receives == 1
    proxy.edit(
        "ReceiveMessage", lambda fields: (fields.pop("MessageSystemAttributeNames"), fields.pop("AttributeNames"))
    )
    (message,) = until(lambda: queue.receive())
    assert abs(message.sent - time.time()) < 60
