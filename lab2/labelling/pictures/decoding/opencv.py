"""Decoding by OpenCV: its result, the messages of the libraries below it, and its errors as reasons."""

from __future__ import annotations

import cv2
import numpy

from lab2.labelling.pictures.decoding.limits import MAX_PIXELS, TOO_LARGE
from lab2.labelling.pictures.decoding.messages import native_messages
from lab2.labelling.pictures.decoding.samples import Pixels
from lab2.labelling.pictures.picture import UnreadableImage


class Undecodable(Exception):
    """OpenCV returned no picture and no reason."""


def decode(data: bytes, flags: int = cv2.IMREAD_UNCHANGED) -> tuple[Pixels, str]:
    """Return what `imdecode` returns, and the messages; Undecodable if it returns nothing."""
    try:
        with native_messages() as messages:
            pixels = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), flags)
    except cv2.error as error:
        if "PIXELS" in str(error):
            raise UnreadableImage(TOO_LARGE.format(MAX_PIXELS // 10**6)) from None
        if error.code == cv2.Error.StsNoMem:
            raise  # `decode` handles this, and MemoryError
        raise Undecodable from None
    if pixels is None:
        if "PIXELS" in messages():
            raise UnreadableImage(TOO_LARGE.format(MAX_PIXELS // 10**6))
        raise Undecodable
    return pixels, messages()
