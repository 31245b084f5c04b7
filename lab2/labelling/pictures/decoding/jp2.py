"""JPEG 2000: bits of a sample, colour space, and pictures that do not begin at the corner of their grid."""

from __future__ import annotations

import struct

import cv2
import numpy

from lab2.labelling.pictures.decoding import colour, opencv, plugins, samples
from lab2.labelling.pictures.decoding.boxes import boxes
from lab2.labelling.pictures.decoding.limits import check_size
from lab2.labelling.pictures.decoding.samples import Pixels, Samples

SRGB, SYCC = (b"colr\1\0\0\0\0\0" + bytes((number,)) for number in (16, 18))  # boxes that say which colours
SIZE = b"\xff\x4f\xff\x51"  # start of the codestream, and the marker segment that says how large it is


def read(data: bytes) -> Samples:
    try:
        width, height, bits = _size(data)
        check_size(width, height, 16)
        colours = _colours(data)
        if SYCC in data:
            return samples.of_array(_luma_and_chroma(data))
        pixels, _ = opencv.decode(data)
    except opencv.Undecodable:  # a picture that does not begin at the corner of its grid, for one
        return plugins.read_jp2(data)
    white = 2**bits - 1 if pixels.itemsize > 1 else 255
    return samples.of_array(pixels, white=white, colours=colours)


def _luma_and_chroma(data: bytes) -> Pixels:
    """Return the colours of a picture in sYCC, for which OpenCV takes the coefficients of television."""
    pixels, _ = opencv.decode(data.replace(SYCC, SRGB))
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != numpy.uint8:
        return opencv.decode(data)[0]
    return cv2.cvtColor(numpy.ascontiguousarray(pixels[:, :, [2, 0, 1]]), cv2.COLOR_YCrCb2BGR)


def _size(data: bytes) -> tuple[int, int, int]:
    """Return width and height in pixels, and the bits of a sample."""
    place = data.find(SIZE)
    if place < 0:
        raise opencv.Undecodable
    right, bottom, left, top = struct.unpack_from(">4I", data, place + 8)
    return right - left, bottom - top, (data[place + 42] & 0x7F) + 1


def _colours(data: bytes) -> colour.ColourSpace | None:
    head = dict(boxes(dict(boxes(data)).get(b"jp2h", b"")))
    kind = head.get(b"colr", b"")
    return colour.of_profile(kind[3:]) if kind[:1] == b"\2" else None
