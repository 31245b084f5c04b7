"""Samples of more than 8 bits."""

from __future__ import annotations

import cv2
import numpy
import pytest

from lab2.labelling.pictures.decoding.decoder import Decoder


@pytest.mark.parametrize("bits", [10, 12])
def test_samples_of_more_than_8_bits_keep_their_brightness(decoder: Decoder, bits: int) -> None:
    white = numpy.full((40, 60, 3), 2**bits - 1, numpy.uint16)
    avif = cv2.imencode(".avif", white, [cv2.IMWRITE_AVIF_DEPTH, bits])[1].tobytes()
    assert min(decoder.decode(avif, 60, 40).pixels) >= 250
    grey = cv2.imencode(".avif", white // 2, [cv2.IMWRITE_AVIF_DEPTH, bits])[1].tobytes()
    assert all(abs(value - 127) < 4 for value in decoder.decode(grey, 60, 40).pixels)
    stored = numpy.full((40, 60, 3), 2**15 + 2 ** (bits - 1) - 1, numpy.uint16)  # stored less half of what can be
    jp2 = bytearray(cv2.imencode(".jp2", stored)[1].tobytes())
    for component in range(3):  # whose samples are of fewer bits, then
        jp2[jp2.find(b"\xff\x51") + 40 + 3 * component] = bits - 1
    assert min(decoder.decode(bytes(jp2), 60, 40).pixels) >= 250
