"""HEIC and JPEG XL are shown if their plugins are there, which `make long` installs."""

from __future__ import annotations

import cv2
import numpy
import pytest
from support.variants import CASES, drawing, glass, saved, shown, turned

from lab2.labelling.pictures.decoding.decode import decode
from lab2.labelling.pictures.picture import UnreadableImage

pytestmark = pytest.mark.long
MOST = 3  # of 255, mean distance of a channel


def distance(one: numpy.ndarray, other: numpy.ndarray) -> float:
    assert one.shape == other.shape
    return float(abs(one.astype(int) - other.astype(int)).mean())


def test_a_heic_is_shown_as_it_was_drawn_and_upright() -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    for image in (drawing(), glass(), drawing().convert("L")):
        heic = saved(image, "HEIF", quality=95)
        assert distance(decode(heic, 0, 0), shown(saved(image, "PNG"))) < MOST
    upright = shown(saved(drawing(), "PNG", exif=turned(6)))
    heic = saved(drawing(), "HEIF", quality=95, exif=turned(6).tobytes())
    assert distance(decode(heic, 0, 0), upright) < MOST
    with pytest.raises(UnreadableImage, match="incomplete"):
        decode(heic[: len(heic) // 2], 0, 0)


def test_a_jpeg_xl_is_shown_as_a_browser_shows_it() -> None:
    pytest.importorskip("pillow_jxl")
    folder = CASES / "pictures"
    truth = cv2.imread(str(folder / "shown" / "picture.jxl.png"))
    data = (folder / "picture.jxl").read_bytes()
    assert distance(decode(data, 0, 0), truth) < MOST
    with pytest.raises(UnreadableImage, match="incomplete"):
        decode(data[: len(data) // 2], 0, 0)
