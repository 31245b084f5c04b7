"""PNGs: animations whose default picture is no frame, and very large ones in bands."""

from __future__ import annotations

import random
import struct
import zlib

import numpy
import pytest
from support.pictures import peak_memory, png_of
from support.variants import apng

from lab2.labelling.pictures.decoding import png
from lab2.labelling.pictures.decoding.decode import decode
from lab2.labelling.pictures.decoding.decoder import Decoder

MOST_BYTES = 500 * 2**20  # of memory for a picture whose pixels take 1 GB


def test_the_first_frame_is_shown_and_not_the_default_picture() -> None:
    default, frame = numpy.full((20, 30, 3), 40, numpy.uint8), numpy.full((10, 20, 3), 200, numpy.uint8)
    shown = decode(apng(default, [(frame, 4, 6)], is_default_a_frame=False), 0, 0)
    assert (shown[6:16, 4:24] == 200).all()
    assert (shown[:6] == 255).all() and (shown[16:] == 255).all() and (shown[:, :4] == 255).all()
    assert (decode(apng(default, [(frame, 4, 6)], is_default_a_frame=True), 0, 0) == 40).all()


@pytest.mark.parametrize("kind", [0, 2, 4, 6])
@pytest.mark.parametrize("depth", [8, 16])
def test_bands_are_the_picture(kind: int, depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row has another filter, so that a band needs the row above it."""
    width, height, channels = 50, 60, {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    row = width * channels * depth // 8
    chance = random.Random(26)
    rows = b"".join(bytes((number % 5,)) + chance.randbytes(row) for number in range(height))
    data = png_of(width, height, depth, kind, zlib.compress(rows))
    whole = decode(data, 0, 0)
    monkeypatch.setattr(png, "WHOLE_BYTES", 0)
    monkeypatch.setattr(png, "BAND_BYTES", 7 * row)
    assert (decode(data, 0, 0) == whole).all()


@pytest.mark.long
@pytest.mark.timeout(400)  # as long as the decoder may take for one so large
@pytest.mark.parametrize("kind", [2, 6])
def test_a_picture_of_127_megapixels_and_16_bits_is_shown_in_bounded_memory(kind: int) -> None:
    width, height = 12_000, 10_600
    packer = zlib.compressobj(1)
    row = b"\0" + struct.pack(">H", 200 * 257) * width * {2: 3, 6: 4}[kind]
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    decoder = Decoder()
    try:
        decoder.decode(png_of(1, 1, 8, 0, zlib.compress(bytes(2))), 1, 1)
        before = peak_memory(decoder)
        shown = decoder.decode(png_of(width, height, 16, kind, packed), 960, 640)
        assert (shown.width, shown.height) == (725, 640)
        assert peak_memory(decoder) - before < MOST_BYTES
    finally:
        decoder.close()
