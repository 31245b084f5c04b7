"""Timeouts and what must hold between them, in the programs and in aws.yaml."""

from __future__ import annotations

import re

import pytest
from support.world import ROOT, World

from lab2.aws.timeouts import (
    ANSWER_VISIBILITY_S,
    DEAD_LETTER_VISIBILITY_S,
    FUNCTION_TIMEOUT_S,
    FUNCTION_WINDOW_S,
    LONGEST_POLL_S,
    READ_TIMEOUT_S,
    REQUEST_VISIBILITY_S,
)
from lab2.stats.server.pacing import MAX_HELD

QUEUES = {"lab2": REQUEST_VISIBILITY_S, "lab2_1": ANSWER_VISIBILITY_S, "lab2_dead": DEAD_LETTER_VISIBILITY_S}


@pytest.mark.parametrize("visibility", QUEUES.values(), ids=QUEUES)
def test_a_call_that_hangs_is_given_up_while_its_messages_are_ours(visibility: int) -> None:
    assert LONGEST_POLL_S < READ_TIMEOUT_S < visibility


def test_a_function_runs_for_a_sixth_of_the_visibility_timeout_at_most() -> None:
    assert 0 < FUNCTION_TIMEOUT_S * 6 + FUNCTION_WINDOW_S <= REQUEST_VISIBILITY_S
    template = (ROOT / "aws.yaml").read_text()
    assert re.findall(r" Timeout: (\d+)", template) == [str(FUNCTION_TIMEOUT_S)]
    assert re.findall(r"MaximumBatchingWindowInSeconds: (\d+)", template) == [str(FUNCTION_WINDOW_S)]


def test_the_queues_are_deployed_with_the_visibility_timeouts_of_the_programs(world: World) -> None:
    for name, seconds in QUEUES.items():
        reply = world.aws.sqs.get_queue_attributes(
            QueueUrl=world.aws.queue_url(name), AttributeNames=["VisibilityTimeout"]
        )
        assert int(reply["Attributes"]["VisibilityTimeout"]) == seconds


def test_a_fleet_holds_less_than_sqs_lets_be_in_flight() -> None:
    (machines,) = re.findall(r"MaxValue: (\d+)", (ROOT / "aws.yaml").read_text())
    assert int(machines) * MAX_HELD < 120_000


def test_every_client_has_the_timeouts(world: World) -> None:
    for client in (world.aws.sqs, world.aws.s3):
        assert client.meta.config.read_timeout == READ_TIMEOUT_S
