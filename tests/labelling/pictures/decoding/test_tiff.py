"""TIFFs of few and odd bits are shown as their numbers say, as ImageMagick 6.9.11 shows them; damage is refused."""

from __future__ import annotations

import io
import struct

import numpy
import pytest
from PIL import Image
from support.variants import saved

from lab2.labelling.pictures.decoding.decode import decode
from lab2.labelling.pictures.picture import UnreadableImage

WIDTH, HEIGHT = 30, 20
WHITE_IS_ZERO, BLACK_IS_ZERO = 0, 1


def grey_tiff(numbers: numpy.ndarray, bits: int, photometric: int, order: str) -> bytes:
    """Return an uncompressed TIFF of one strip; numbers are packed from the highest bit, rows begin with a byte."""
    shifts = numpy.arange(bits - 1, -1, -1)
    rows = (numbers[:, :, None] >> shifts & 1).reshape(HEIGHT, -1).astype(numpy.uint8)
    body = numpy.packbits(rows, axis=1).tobytes()
    tags = [(256, WIDTH), (257, HEIGHT), (258, bits), (259, 1), (262, photometric), (273, 8 + 2 + 9 * 12 + 4),
            (277, 1), (278, HEIGHT), (279, len(body))]  # fmt: skip
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    return head + entries + bytes(4) + body


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO])
@pytest.mark.parametrize("bits", [1, 2, 4, 12])
def test_grey_of_any_number_of_bits_is_shown(bits: int, photometric: int, order: str) -> None:
    most = 2**bits - 1
    numbers = numpy.linspace(0, most, WIDTH * HEIGHT).round().astype(int).reshape(HEIGHT, WIDTH)
    shown = decode(grey_tiff(numbers, bits, photometric, order), 0, 0)
    bright = numbers if photometric == BLACK_IS_ZERO else most - numbers
    assert abs(shown.astype(int) - (bright * 255 / most).round()[:, :, None]).max() <= 1


def scene(mode: str) -> Image.Image:
    """Return a picture as busy as a photo: damage to its bytes is damage to the picture."""
    chance = numpy.random.default_rng(26)
    coarse = Image.fromarray(chance.integers(0, 256, (12, 16, 3), numpy.uint8)).resize((320, 240))
    return Image.fromarray(numpy.array(coarse) // 16 * 16 + chance.integers(0, 16, (240, 320, 1), numpy.uint8)).convert(
        mode
    )


@pytest.mark.parametrize("place", [0.3, 0.6])
@pytest.mark.parametrize(
    ("compression", "mode"),
    [("tiff_lzw", "RGB"), ("tiff_adobe_deflate", "RGB"), ("jpeg", "RGB"), ("group3", "1"), ("group4", "1"),
     ("packbits", "1")],
)  # fmt: skip
def test_damage_is_refused_whatever_packed_the_picture(compression: str, mode: str, place: float) -> None:
    whole = saved(scene(mode), "TIFF", compression=compression)
    assert decode(whole, 0, 0).shape == (240, 320, 3)
    at = int(len(whole) * place)
    for lost in (bytes(512), b"\xff" * 512, bytes(range(256)) * 2):
        with pytest.raises(UnreadableImage, match="damaged"):
            decode(whole[:at] + lost + whole[at + 512 :], 0, 0)
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(whole[:at], 0, 0)


def test_a_deflate_strip_whose_bytes_unpack_to_another_picture_is_damaged() -> None:
    """It has as many pixels as it should: only the checksum, which libtiff does not compare, tells."""
    whole = saved(scene("L"), "TIFF", compression="tiff_adobe_deflate")
    with Image.open(io.BytesIO(whole)) as image:
        end = max(offset + size for offset, size in zip(image.tag_v2[273], image.tag_v2[279], strict=True))
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(whole[: end - 1] + bytes((whole[end - 1] ^ 1,)) + whole[end:], 0, 0)


def test_a_zeroed_tile_or_strip_of_jpeg_is_damaged() -> None:
    whole = saved(scene("RGB").resize((1280, 960)), "TIFF", compression="jpeg", quality=95)
    for at in range(4000, len(whole) - 4000, len(whole) // 12):
        with pytest.raises(UnreadableImage, match="damaged"):
            decode(whole[:at] + bytes(64) + whole[at + 64 :], 0, 0)


def test_numbers_of_32_bits_keep_their_brightness() -> None:
    numbers = numpy.linspace(0, 0.6 * 2**32, WIDTH * HEIGHT).astype(int).reshape(HEIGHT, WIDTH)
    shown = decode(grey_tiff(numbers, 32, BLACK_IS_ZERO, ">"), 0, 0)
    assert abs(shown[-1, -1].astype(int) - 153).max() <= 1
