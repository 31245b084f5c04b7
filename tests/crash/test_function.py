"""The crash matrix of the function, behind a stand-in for Lambda's event source mapping: killed, frozen, disturbed."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest
from support.event_source_mapping import TIMEOUT_S, EventSourceMapping
from support.faults import FAULTS, at_each_call
from support.logs import begin_log
from support.proxy import ALWAYS, Fault, Proxy
from support.requests import ask, assert_all_is_well
from support.world import PATIENCE, World, until

CALLS = ["GetQueueUrl", "ListObjectsV2", "PutObject", "SendMessageBatch"]


@pytest.fixture
def mapping(world: World, proxy: Proxy) -> Iterator[EventSourceMapping]:
    """A mapping whose function speaks through the proxy, and of which a message may be received again and again."""
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    url = world.aws.queue_url("lab2")
    world.aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    begin_log(world)
    mapping = EventSourceMapping(world)
    yield mapping
    mapping.stop()


@pytest.mark.parametrize(("call", "fault"), at_each_call(CALLS))
def test_function(world: World, proxy: Proxy, mapping: EventSourceMapping, call: str, fault: str) -> None:
    ids = ask(world)
    rule = proxy.on(call, FAULTS[fault](mapping.kill), times=1 if "killed" in fault else 2)
    mapping.start()
    assert_all_is_well(world, ids)
    assert rule.seen


def test_function_killed_and_frozen_again_and_again(world: World, mapping: EventSourceMapping) -> None:
    disturb(world, mapping, requests=300, kills=3, freezes=3)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_function_killed_and_frozen_for_minutes(world: World, mapping: EventSourceMapping) -> None:
    disturb(world, mapping, requests=6_000, kills=25, freezes=25)


def disturb(world: World, mapping: EventSourceMapping, requests: int, kills: int, freezes: int) -> None:
    ids = ask(world, requests)
    mapping.batch = 20
    mapping.start()
    chaos = threading.Thread(target=mapping.disturb, args=(random.Random(requests), kills, freezes), daemon=True)
    chaos.start()
    assert_all_is_well(world, ids)
    assert mapping.disturbed >= kills + freezes / 2


@pytest.mark.parametrize("call", ["PutObject", "SendMessageBatch"])
def test_function_names_what_it_could_not_answer_in_time(
    world: World, proxy: Proxy, mapping: EventSourceMapping, call: str
) -> None:
    ids = ask(world)
    mapping.timeout_s = 10.0
    away = proxy.on(call, Fault(cut=True), times=ALWAYS)
    mapping.start()
    until(lambda: mapping.came_back, patience=3 * PATIENCE)
    mapping.timeout_s = TIMEOUT_S
    proxy.forget(away)
    assert_all_is_well(world, ids)
