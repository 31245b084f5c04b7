"""Pictures become pixels: every format, turned the right way up, and a decoder that may die."""

from __future__ import annotations

import cv2
import numpy
import pytest
from support.pictures import drawing, encoded, is_red, pixel, turned

from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.picture import UnreadableImage


@pytest.mark.parametrize("kind", [".jpg", ".png"])
@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, "top left"), (2, "top right"), (3, "bottom right"), (4, "bottom left"),
     (5, "top left"), (6, "top right"), (7, "bottom right"), (8, "bottom left")],
)  # fmt: skip
def test_exif_rotation_is_honoured(decoder: Decoder, kind: str, orientation: int, corner: str) -> None:
    picture = decoder.decode(turned(kind, orientation), 600, 600)
    assert (picture.width, picture.height) == ((600, 400) if orientation < 5 else (400, 600))
    corners = {f"{row} {side}": pixel(picture, x, y) for row, y in (("top", 0.2), ("bottom", 0.8))
               for side, x in (("left", 0.2), ("right", 0.8))}  # fmt: skip
    assert [place for place, colour in corners.items() if is_red(colour)] == [corner]


@pytest.mark.parametrize("depth", [numpy.uint8, numpy.uint16])
def test_transparency_is_shown_on_white_and_turned_too(decoder: Decoder, depth: type) -> None:
    most = numpy.iinfo(depth).max
    pixels = numpy.zeros((40, 60, 4), depth)
    pixels[:20, :30] = (0, 0, most, most)
    picture = decoder.decode(turned(".png", 6, pixels), 40, 60)
    assert is_red(pixel(picture, 0.8, 0.2))
    assert pixel(picture, 0.2, 0.8) == (255, 255, 255)


def test_an_alpha_channel_that_nobody_filled_hides_nothing(decoder: Decoder) -> None:
    picture = decoder.decode(encoded(".png", numpy.dstack([drawing(), numpy.zeros((40, 60), numpy.uint8)])), 60, 40)
    assert is_red(pixel(picture, 0.2, 0.2))


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp", ".bmp", ".tiff", ".jp2"])
def test_formats_are_shown_whole_and_undistorted(decoder: Decoder, kind: str) -> None:
    picture = decoder.decode(encoded(kind), 960, 640)
    assert (picture.width, picture.height) == (960, 640)
    assert is_red(pixel(picture, 0.2, 0.2)) and not is_red(pixel(picture, 0.8, 0.2))


def test_grey_and_sixteen_bit_pictures_are_shown(decoder: Decoder) -> None:
    grey = numpy.full((40, 60), 90, numpy.uint8)
    assert pixel(decoder.decode(encoded(".png", grey), 60, 40), 0.5, 0.5) == (90, 90, 90)
    assert pixel(decoder.decode(encoded(".png", grey.astype(numpy.uint16) * 257), 60, 40), 0.5, 0.5) == (90, 90, 90)


def test_the_first_frame_of_an_animation_is_shown(decoder: Decoder) -> None:
    animation = cv2.Animation()
    animation.frames = [drawing(), 255 - drawing()]
    animation.durations = numpy.array([100, 100], numpy.int32)
    for kind in (".gif", ".webp"):
        data = cv2.imencodeanimation(kind, animation)[1].tobytes()
        assert is_red(pixel(decoder.decode(data, 60, 40), 0.2, 0.2))


@pytest.mark.parametrize(("width", "height"), [(3000, 2), (2, 3000), (4000, 3000), (1, 1)])
def test_any_shape_fits_the_box(decoder: Decoder, width: int, height: int) -> None:
    picture = decoder.decode(encoded(".jpg", drawing(height, width)), 960, 640)
    assert picture.width <= 960 and picture.height <= 640
    assert picture.width == 960 or picture.height == 640
    assert len(picture.pixels) == 3 * picture.width * picture.height


def test_a_decoder_that_dies_takes_nothing_along(decoder: Decoder) -> None:
    decoder._process.process.kill()
    with pytest.raises(UnreadableImage, match="crashes"):
        decoder.decode(encoded(".png"), 60, 40)
    assert decoder.decode(encoded(".png"), 60, 40).width == 60
