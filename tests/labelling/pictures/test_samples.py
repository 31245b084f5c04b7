"""The sample pictures of an empty bucket."""

from __future__ import annotations

import pytest
from support.world import World

from lab2.aws.session import AwsSession
from lab2.errors import UserError
from lab2.labelling.pictures.samples import fill


def test_a_bucket_that_is_not_there_is_one_sentence(world: World) -> None:
    with pytest.raises(UserError, match="There is no bucket nosuch"):
        fill(AwsSession("nosuch"))
