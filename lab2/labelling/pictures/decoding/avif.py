"""AVIF: what OpenCV ignores in the boxes (ISO/IEC 23008-12): rotation, mirroring, bits, colours."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy

from lab2.labelling.pictures.decoding import colour, opencv, samples
from lab2.labelling.pictures.decoding.avif_alpha import with_limited_alpha
from lab2.labelling.pictures.decoding.boxes import boxes, meta_boxes
from lab2.labelling.pictures.decoding.colour import ColourSpace
from lab2.labelling.pictures.decoding.refusals import unsupported
from lab2.labelling.pictures.decoding.samples import Pixels, Samples

TURNED = {  # EXIF's number for quarter turns anticlockwise, and for then mirroring on axis 0 (top to bottom) or 1
    0: (1, 4, 2),
    1: (8, 5, 7),
    2: (3, 2, 4),
    3: (6, 7, 5),
}
SEQUENCE = b"avis"  # the brand of an animation
Properties = list[tuple[bytes, bytes]]
OF_SRGB, LIKE_SRGB = 1, 13  # primaries, and transfer characteristics
OF_TELEVISION = {1, 6, 14, 15}  # transfer characteristics, for which browsers take sRGB's
MATRICES = set(range(10))  # that OpenCV knows
HIGH_BIT_DEPTH, TWELVE_BITS, MONOCHROME = 0x40, 0x20, 0x10  # flags in `av1C`
DERIVED_FROM_SRGB = 12, OF_SRGB  # a matrix that depends on primaries, which OpenCV has for these


@dataclass(frozen=True)
class Numbers:
    """The numbers of ITU-T H.273 in `nclx`, and whether samples use their full range."""

    primaries: int
    transfer: int
    matrix: int
    is_full_range: bool


def read(data: bytes) -> Samples:
    properties = properties_of(data)
    flags = next((body[2] for kind, body in properties if kind == b"av1C" and len(body) > 2), 0)
    numbers = _numbers(properties)
    if numbers and numbers.matrix not in MATRICES and (numbers.matrix, numbers.primaries) != DERIVED_FROM_SRGB:
        raise unsupported(f"an AVIF with matrix {numbers.matrix} of H.273")
    is_still = data[8:12] != SEQUENCE
    if is_still:
        data = with_limited_alpha(data)
    try:
        pixels, alpha = opencv.decode(data)[0], None
    except opencv.Undecodable:
        pixels, alpha = _grey_and_alpha(data)
    depth = 8 if not flags & HIGH_BIT_DEPTH else 12 if flags & TWELVE_BITS else 10
    white = 2**depth - 1 if pixels.itemsize > 1 else 255
    if numbers and not numbers.is_full_range and flags & MONOCHROME:
        pixels = _of_full_range(pixels, white)
    if alpha is not None:
        pixels = numpy.dstack([pixels, _of_full_range(alpha, white) if is_still else alpha])
    return samples.of_array(pixels, white=white, turn=_orientation(properties), colours=colour_space(properties))


def _of_full_range(grey: Pixels, white: int) -> Pixels:
    """Return grey of limited range, which OpenCV leaves so, as grey that ends at `white`."""
    stretched = (grey.astype(numpy.float32) - 16 / 256 * (white + 1)) * (white / (219 / 256 * (white + 1)))
    limited: Pixels = numpy.clip(stretched + 0.5, 0, white).astype(grey.dtype)
    return limited


def _grey_and_alpha(data: bytes) -> tuple[Pixels, Pixels]:
    """Return grey and alpha, which OpenCV reads only one by one: alpha as if it were the picture itself."""
    alpha_item = re.search(rb"auxl(..)\x00\x01", data, re.S)
    primary = data.find(b"pitm")
    if not alpha_item or primary < 0:
        raise opencv.Undecodable
    alone = data.replace(b"auxl", b"free", 1)
    as_picture = alone[: primary + 8] + alpha_item[1] + alone[primary + 10 :]
    grey, alpha = (opencv.decode(one)[0] for one in (alone, as_picture))
    if grey.shape[:2] != alpha.shape[:2]:
        raise opencv.Undecodable
    return grey.reshape(*grey.shape[:2], -1)[:, :, 0], alpha.reshape(*alpha.shape[:2], -1)[:, :, 0]


def _orientation(properties: Properties) -> int:
    """Return `irot` and `imir` as an EXIF orientation, 1 to 8."""
    quarters, axis = 0, -1
    for kind, body in properties:
        if kind == b"irot" and body:
            quarters = body[0] & 3
        elif kind == b"imir" and body:
            axis = body[0] & 1
    return TURNED[quarters][axis + 1]


def colour_space(properties: Properties) -> ColourSpace | None:
    """Return the colour space in `colr`: an ICC profile precedes numbers."""
    for kind, body in properties:
        if kind == b"colr" and body[:4] in (b"prof", b"rICC"):
            return colour.of_profile(body[4:])
    numbers = _numbers(properties)
    if not numbers:
        return None
    primaries = numbers.primaries if numbers.primaries in colour.PRIMARIES else OF_SRGB
    return colour.of_cicp(primaries, LIKE_SRGB if numbers.transfer in OF_TELEVISION else numbers.transfer)


def _numbers(properties: Properties) -> Numbers | None:
    for kind, body in properties:
        if kind == b"colr" and body[:4] == b"nclx" and len(body) >= 11:
            primaries, transfer, matrix, flags = struct.unpack_from(">HHHB", body, 4)
            return Numbers(primaries, transfer, matrix, flags >= 0x80)
    return None


def properties_of(data: bytes) -> Properties:
    """Return the properties of the primary picture: names of boxes and their contents."""
    try:
        meta = meta_boxes(data)
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
