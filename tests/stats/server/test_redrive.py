"""Dead letters put back: of every size, and of as many at once as a receive gives."""

from __future__ import annotations

from support.world import World

from lab2.aws.resources import DEAD_LETTER_QUEUE, REQUEST_QUEUE
from lab2.stats.server.redrive import redrive


def test_dead_letters_that_are_too_large_for_one_batch_are_put_back_in_several(world: World) -> None:
    dead = world.aws.queue_url(DEAD_LETTER_QUEUE)
    bodies = {f"{number}{'x' * 400_000}" for number in range(4)}
    for body in bodies:
        attributes = {"note": {"DataType": "String", "StringValue": "y" * 100}}
        world.aws.sqs.send_message(QueueUrl=dead, MessageBody=body, MessageAttributes=attributes)
    assert redrive(world.aws) == 4
    assert {message.body for message in world.drain(REQUEST_QUEUE)} == bodies
    assert world.depth(DEAD_LETTER_QUEUE) == (0, 0)
