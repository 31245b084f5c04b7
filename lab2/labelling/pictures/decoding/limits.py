"""How large pictures may be, and which are so large that the program decodes them one at a time."""

from __future__ import annotations

import os
from contextvars import ContextVar

from lab2.labelling.pictures.picture import UnreadableImage

MAX_PIXELS = 128 * 10**6  # phones take 108 million; a PNG of 109 KB can unpack to 5 GB
MAX_JPEG_PIXELS = 256 * 10**6  # phones take 200 million, and a JPEG is decoded reduced
LONGEST_SIDES = {"jpg": 65_500, "png": 1_000_000}  # pixels, of libjpeg and libpng
SHARED_BYTES = 256 * 2**20  # of decoded pixels; what needs more is decoded alone
TOO_LARGE = "it has more than {} megapixels"

is_alone: ContextVar[bool] = ContextVar("is_alone", default=True)


class DecodeAlone(Exception):
    """The picture needs so much memory that only one such picture may be decoded at a time."""


def check_size(width: int, height: int, pixel_bytes: int, most: int = MAX_PIXELS) -> None:
    """Raise UnreadableImage if a picture is too large, DecodeAlone if it is large and not decoded alone.

    `pixel_bytes` is the memory that decoding takes for each pixel.
    """
    if width * height > most:
        raise UnreadableImage(TOO_LARGE.format(most // 10**6))
    if width * height * pixel_bytes > SHARED_BYTES and not is_alone.get():
        raise DecodeAlone


def prepare_opencv() -> None:
    """Set the variables that OpenCV reads when it is imported."""
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(MAX_PIXELS)
    os.environ["OPENCV_LOG_LEVEL"] = "WARNING"  # it logs libtiff's errors, which `native_messages` catches
