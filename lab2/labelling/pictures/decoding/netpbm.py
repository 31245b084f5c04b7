"""Netpbm files: PAM decoded here, since OpenCV mixes up its channels, and the range of samples of the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lab2.labelling.pictures.picture import UnreadableImage

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[Any]]

SPACE = rb"(?:\s|#[^\n]*\n)+"
HEADER = re.compile(rb"P[2356]%b\d+%b\d+%b(\d+)" % (SPACE, SPACE, SPACE))
ORDERS = {1: [0], 2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}  # of channels, as OpenCV has them
TUPLES = {b"": 0, b"BLACKANDWHITE": 1, b"GRAYSCALE": 1, b"GRAYSCALE_ALPHA": 2, b"BLACKANDWHITE_ALPHA": 2, b"RGB": 3,
          b"RGB_ALPHA": 4}  # fmt: skip


def maximum(data: bytes) -> int:
    """Return the sample value that is white in a PGM or PPM file; 255 where the header does not say."""
    found = HEADER.match(data)
    return int(found[1]) if found else 255


def read_pam(data: bytes, max_pixels: int) -> tuple[Pixels, int]:
    """Return the samples of a PAM file, height x width x channels in OpenCV's order, and which value is white."""
    import numpy

    head, found, body = data.partition(b"ENDHDR\n")
    lines = (line.split(None, 1) for line in head.splitlines()[1:] if not line.startswith(b"#"))
    fields = {line[0]: line[1].strip() for line in lines if len(line) == 2}
    try:
        width, height, depth, white = (int(fields[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    except (KeyError, ValueError):
        raise UnreadableImage("it is damaged: its header is not complete") from None
    if width * height > max_pixels:
        raise UnreadableImage(f"it has more than {max_pixels // 10**6} megapixels")
    channels = TUPLES.get(fields.get(b"TUPLTYPE", b""), -1)
    if depth not in ORDERS or channels not in (0, depth) or not (0 < white < 65536 and width > 0 and height > 0):
        raise UnreadableImage("it is a kind of PAM file that is not supported")
    kind = numpy.dtype(numpy.uint8 if white < 256 else ">u2")
    if not found or len(body) < width * height * depth * kind.itemsize:
        raise UnreadableImage("it is incomplete: part of the picture is missing")
    samples = numpy.frombuffer(body, kind, width * height * depth).reshape(height, width, depth)
    return samples[:, :, ORDERS[depth]].astype(kind.newbyteorder("=")), white
