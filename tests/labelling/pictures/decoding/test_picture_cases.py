"""Pictures of kinds that decoders get wrong are shown as Chromium 156 shows them, or refused for the true reason.

tests/cases/pictures/shown has Chromium's screenshot of each that it shows; all are of one drawing of 96 x 64 pixels
otherwise, so that what browsers don't read is beside the same drawing in a format that they do.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy
import pytest
from support.variants import CASES

from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.picture import UnreadableImage

FOLDER = CASES / "pictures"
SHOWN = FOLDER / "shown"
MOST = 3  # of 255, mean distance of a channel from what the browser shows
BY_PLUGIN = {"picture.jxl"}  # in test_plugins.py
REFUSED = {
    "damaged-lzw-strips.tif": "damaged",
    "damaged-lzw.tif": "damaged",
    "jpeg-ls.jpg": "a JPEG-LS picture",
    "jpeg2000-inside.tif": "a TIFF with JPEG 2000 inside",
    "lossless-grey.jpg": "a lossless JPEG",
    "raw-with-thumbnail-first.dng": "a camera's raw picture (DNG)",
}
COLOURS = {  # of the drawing, as masks-rgbx.bmp has them
    "cielab.tif", "cmyk-16-bits.tif", "fourth-sample-unspecified.tif", "offset.jp2", "planes-16-bits.tif",
    "sycc.jp2", "text-largest-100.ppm", "tiles-16x16.tif",
}  # fmt: skip
LIGHT = {"radiance.hdr", "radiance-with-sun.hdr"}  # with few steps in dark colours
GREY = {"floats-one-hot-pixel.tif", "microscope-12-of-16-bits.tif", "white-is-zero-16-bits.tif"}  # as 4 bits have it
OTHERS = {"bigtiff-associated-alpha-16-bits.tif", "grey.ras", "grey-4-bits.tif"}


def pixels_of(decoder: Decoder, path: Path, width: int = 96, height: int = 64) -> numpy.ndarray:
    picture = decoder.decode(path.read_bytes(), width, height)
    return numpy.frombuffer(picture.pixels, numpy.uint8).reshape(picture.height, picture.width, 3).astype(int)


def distance(one: numpy.ndarray, other: numpy.ndarray) -> float:
    assert one.shape == other.shape
    return float(abs(one.astype(int) - other.astype(int)).mean())


def test_what_a_browser_shows_is_shown_alike(decoder: Decoder) -> None:
    far = {}
    for path in sorted(SHOWN.iterdir()):
        truth = cv2.imread(str(path))
        if (name := path.name.removesuffix(".png")) not in BY_PLUGIN:
            far[name] = distance(pixels_of(decoder, FOLDER / name, truth.shape[1], truth.shape[0]), truth)
    assert len(far) > 15
    assert {name: away for name, away in far.items() if away > MOST} == {}


def test_what_browsers_do_not_read_is_shown_as_the_same_drawing_in_another_format(decoder: Decoder) -> None:
    drawn, grey = (pixels_of(decoder, FOLDER / name) for name in ("masks-rgbx.bmp", "grey-4-bits.tif"))
    assert distance(grey.mean(axis=2), cv2.cvtColor(drawn.astype(numpy.uint8), cv2.COLOR_BGR2GRAY)) < 6  # 4 bits
    far = {name: distance(pixels_of(decoder, FOLDER / name), drawn) / MOST for name in COLOURS}
    far |= {name: distance(pixels_of(decoder, FOLDER / name), drawn) / (3 * MOST) for name in LIGHT}
    far |= {name: distance(pixels_of(decoder, FOLDER / name), grey) / (2 * MOST) for name in GREY}
    assert {name: away for name, away in far.items() if away > 1} == {}


def test_a_sun_raster_without_a_colour_map_is_grey(decoder: Decoder) -> None:
    data = (FOLDER / "grey.ras").read_bytes()
    truth = numpy.frombuffer(data[-96 * 64 :], numpy.uint8).reshape(64, 96)
    assert distance(pixels_of(decoder, FOLDER / "grey.ras"), numpy.dstack([truth] * 3)) == 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_shown_is_refused_for_its_true_reason(decoder: Decoder, name: str) -> None:
    for look in (decoder.check, lambda data: decoder.decode(data, 960, 640)):
        with pytest.raises(UnreadableImage) as error:
            look((FOLDER / name).read_bytes())
        assert REFUSED[name] in str(error.value)


def test_every_case_is_looked_at() -> None:
    judged = {path.name.removesuffix(".png") for path in SHOWN.iterdir()}
    known = judged | set(REFUSED) | COLOURS | GREY | LIGHT | OTHERS | BY_PLUGIN
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == known
