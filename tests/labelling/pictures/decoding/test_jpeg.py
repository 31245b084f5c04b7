"""JPEGs that have lost a part are refused, and no white page is."""

from __future__ import annotations

import cv2
import numpy
import pytest
from PIL import Image
from support.variants import CASES, drawing, saved

from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.picture import UnreadableImage


@pytest.mark.parametrize("marker_at", [0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 4}])
def test_a_jpeg_that_lost_a_block_of_the_disk_is_refused(
    decoder: Decoder, options: dict[str, object], marker_at: float
) -> None:
    whole = saved(noise(), "JPEG", **options)
    at = int(len(whole) * marker_at)
    with pytest.raises(UnreadableImage, match="damaged"):
        decoder.decode(whole[:at] + bytes(4096) + whole[at + 4096 :], 100, 100)
    assert decoder.decode(whole, 100, 100).width == 100


@pytest.mark.parametrize("size", [64, 512])
def test_a_run_of_zeros_anywhere_in_a_photo_is_damage(decoder: Decoder, size: int) -> None:
    """Of blocks as many as there should be, libjpeg does not complain; the zeros themselves give it away."""
    whole = (CASES / "sample_without_eoi.jpg").read_bytes() + b"\xff\xd9"
    for at in range(2000, len(whole) - size - 2, 1500):
        with pytest.raises(UnreadableImage, match="damaged"):
            decoder.decode(whole[:at] + bytes(size) + whole[at + size :], 16, 16)


def noise() -> Image.Image:
    """Return a picture that is as busy as a photo."""
    coarse = numpy.random.default_rng(1).integers(0, 256, (24, 32, 3), numpy.uint8)
    return Image.fromarray(cv2.resize(coarse, (1024, 768), interpolation=cv2.INTER_CUBIC))


def test_a_white_page_has_runs_of_zeros_and_is_no_damage(decoder: Decoder) -> None:
    page = Image.new("L", (2000, 1500), "white")
    page.paste(drawing().convert("L"), (100, 100))
    for options in ({"optimize": True}, {}, {"progressive": True}):
        assert decoder.decode(saved(page, "JPEG", **options), 100, 75).width == 100
