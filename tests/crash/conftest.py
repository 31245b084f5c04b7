"""What the tests of planted bugs share."""

from __future__ import annotations

import pytest
from support.proxy import Proxy
from support.world import World

SOON = 3  # seconds that a message is invisible after a receive, instead of thirty or sixty; a delete lingers for one


@pytest.fixture
def quick(world: World, proxy: Proxy) -> World:
    """A world whose programs speak through the proxy, and in which what failed is there again soon."""
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    proxy.edit("ReceiveMessage", lambda fields: fields.update(VisibilityTimeout=SOON))
    return world
