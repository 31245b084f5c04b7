"""AVIF files: what their boxes say (ISO/IEC 23008-12) and OpenCV does not apply: rotation, mirroring, bits, colours."""

from __future__ import annotations

import re
import struct

import numpy

from lab2.labelling.pictures.decoding import colour, opencv, samples
from lab2.labelling.pictures.decoding.avif_alpha import with_limited_alpha
from lab2.labelling.pictures.decoding.boxes import boxes
from lab2.labelling.pictures.decoding.colour import ColourSpace
from lab2.labelling.pictures.decoding.opencv import Undecodable
from lab2.labelling.pictures.decoding.samples import Pixels, Samples

TURNED = {  # EXIF's number for quarter turns anticlockwise, and for then mirroring on axis 0 (top to bottom) or 1
    0: (1, 4, 2),
    1: (8, 5, 7),
    2: (3, 2, 4),
    3: (6, 7, 5),
}
SEQUENCE = b"avis"  # the brand of an animation
Properties = list[tuple[bytes, bytes]]


def read(data: bytes) -> Samples:
    properties = properties_of(data)
    depth = _bits(properties)
    if data[8:12] != SEQUENCE:
        data = with_limited_alpha(data)
    try:
        pixels, _ = opencv.decode(data)
    except Undecodable:
        pixels = _grey_and_alpha(data)
    white = 2**depth - 1 if pixels.itemsize > 1 else 255
    return samples.of_array(pixels, white=white, turn=_orientation(properties), colours=colour_space(properties))


def _grey_and_alpha(data: bytes) -> Pixels:
    """Return grey and alpha, which OpenCV reads only one by one: alpha as if it were the picture itself."""
    alpha_item = re.search(rb"auxl(..)\x00\x01", data, re.S)
    primary = data.find(b"pitm")
    if not alpha_item or primary < 0:
        raise Undecodable
    alone = data.replace(b"auxl", b"free", 1)
    as_picture = alone[: primary + 8] + alpha_item[1] + alone[primary + 10 :]
    grey, alpha = (opencv.decode(one)[0] for one in (alone, as_picture))
    if grey.shape[:2] != alpha.shape[:2]:
        raise Undecodable
    return numpy.dstack([grey.reshape(*grey.shape[:2], -1)[:, :, 0], alpha.reshape(*alpha.shape[:2], -1)[:, :, 0]])


def _orientation(properties: Properties) -> int:
    """Return `irot` and `imir` as an EXIF orientation, 1 to 8."""
    quarters, axis = 0, -1
    for kind, body in properties:
        if kind == b"irot" and body:
            quarters = body[0] & 3
        elif kind == b"imir" and body:
            axis = body[0] & 1
    return TURNED[quarters][axis + 1]


def _bits(properties: Properties) -> int:
    """Return the bits of a sample: 8, 10 or 12."""
    for kind, body in properties:
        if kind == b"av1C" and len(body) > 2 and body[2] & 0x40:
            return 12 if body[2] & 0x20 else 10
    return 8


def colour_space(properties: Properties) -> ColourSpace | None:
    """Return the colour space that `colr` tells: an ICC profile comes before numbers."""
    colours = [body for kind, body in properties if kind == b"colr"]
    for body in colours:
        if body[:4] in (b"prof", b"rICC"):
            return colour.of_profile(body[4:])
    for body in colours:
        if body[:4] == b"nclx" and len(body) >= 8:
            primaries, transfer = struct.unpack_from(">HH", body, 4)
            return colour.of_cicp(primaries, transfer)
    return None


def properties_of(data: bytes) -> Properties:
    """Return the properties of the primary picture: names of boxes and their contents."""
    try:
        meta = dict(boxes(dict(boxes(data)).get(b"meta", b"")[4:]))
        properties = dict(boxes(meta.get(b"iprp", b"")))
        known = list(boxes(properties.get(b"ipco", b"")))
        primary = meta.get(b"pitm", b"")
        (item,) = struct.unpack_from(">I" if primary[:1] > b"\0" else ">H", primary, 4)
        return [known[index - 1] for index in _associated(properties.get(b"ipma", b""), item) if index <= len(known)]
    except (struct.error, IndexError):
        return []


def _associated(table: bytes, item: int) -> list[int]:
    """Return the numbers, from 1, of the properties that the table gives to an item."""
    version, wide = table[0], table[3] & 1
    (entries,) = struct.unpack_from(">I", table, 4)
    at = 8
    for _ in range(entries):
        (owner,) = struct.unpack_from(">H" if version < 1 else ">I", table, at)
        at += 2 if version < 1 else 4
        count, at = table[at], at + 1
        size = 2 if wide else 1
        if owner == item:
            numbers = struct.unpack_from(f">{count}{'H' if wide else 'B'}", table, at)
            mask = 0x7FFF if wide else 0x7F  # the highest bit says that readers must know the property
            return [number & mask for number in numbers if number & mask]
        at += size * count
    return []
