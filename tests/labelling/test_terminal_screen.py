"""Pictures drawn in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.pictures import encoded

from lab2.labelling.display.decoder import Decoder
from lab2.labelling.display.terminal_screen import half_blocks


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.close()


def test_half_blocks_fill_the_width_of_the_terminal(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    lines = half_blocks(decoder.decode(encoded(".png"), 30, 90), 30, 90).splitlines()
    assert len(lines) == 10  # 20 rows of pixels
    assert all(line.count("▀") == 30 for line in lines)
    assert lines[0].startswith("\x1b[38;2;200;0;0;48;2;200;0;0m▀")
