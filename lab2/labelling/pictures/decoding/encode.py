"""Encodes a decoded picture as a file that every program reads."""

from __future__ import annotations

from lab2.labelling.pictures.decoding.limits import LONGEST_SIDES
from lab2.labelling.pictures.picture import Picture, UnreadableImage

MAGIC = {"jpg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n"}  # format → how its files start
JPEG_QUALITY = 95


def encode(picture: Picture, format: str) -> bytes:
    """Return the picture as a file of one of the formats in MAGIC; UnreadableImage if it is too long for that."""
    import cv2
    import numpy

    if max(picture.width, picture.height) > (most := LONGEST_SIDES[format]):
        raise UnreadableImage(
            f"it is wider or higher than {most:,} pixels, the most that {format.upper()} files can be"
        )
    pixels = numpy.frombuffer(picture.pixels, numpy.uint8).reshape(picture.height, picture.width, 3)
    _, data = cv2.imencode(f".{format}", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if format == "jpg" else [])
    return data.tobytes()
