"""What the tests of planted bugs share."""

from __future__ import annotations

from typing import Any

import pytest
from support.proxy import Proxy
from support.world import World

# Seconds that a message is invisible after a receive, instead of thirty or sixty; a delete lingers for one.
SOON, LATER = 3, 5  # an answer; a request, which a slow server must not get again: copies of answers would be left


@pytest.fixture
def quick(world: World, proxy: Proxy) -> World:
    """A world whose programs speak through the proxy, and in which what failed is there again soon."""
    world.env["AWS_ENDPOINT_URL"] = proxy.url

    def shorten(fields: dict[str, Any]) -> None:
        fields["VisibilityTimeout"] = LATER if fields["QueueUrl"].endswith("/lab2") else SOON

    proxy.edit("ReceiveMessage", shorten)
    return world
