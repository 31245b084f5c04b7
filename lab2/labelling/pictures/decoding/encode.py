"""Encodes a decoded picture as a file that every program reads."""

from __future__ import annotations

from lab2.labelling.pictures.picture import Picture

MAGIC = {"jpg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n"}  # format → how its files start
JPEG_QUALITY = 95


def encode(picture: Picture, format: str) -> bytes:
    """Return the picture as a file of one of the formats in MAGIC."""
    import cv2
    import numpy

    pixels = numpy.frombuffer(picture.pixels, numpy.uint8).reshape(picture.height, picture.width, 3)
    _, data = cv2.imencode(f".{format}", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if format == "jpg" else [])
    return data.tobytes()
