"""What several tests of labelling use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab2.labelling.pictures.decoding.decoder import Decoder


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.close()
