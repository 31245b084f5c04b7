"""Netpbm: PBM, PGM and PPM, as bytes or as text, and PAM, with any largest value."""

from __future__ import annotations

import re

import numpy

from lab2.labelling.pictures.decoding import samples
from lab2.labelling.pictures.decoding.limits import check_size
from lab2.labelling.pictures.decoding.refusals import INCOMPLETE, UNKNOWN_DAMAGE, unsupported
from lab2.labelling.pictures.decoding.samples import Pixels, Samples
from lab2.labelling.pictures.picture import UnreadableImage

SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
HEADER = re.compile(rb"P([1-6])%b(\d{1,9})%b(\d{1,9})" % (SPACE, SPACE))
LARGEST = re.compile(rb"%b(\d{1,5})" % SPACE)
COMMENT = re.compile(rb"#[^\r\n]*")
ORDERS = {1: [0], 2: [0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}  # of channels, as Samples has them
TUPLES = {
    b"": 0,
    b"BLACKANDWHITE": 1,
    b"GRAYSCALE": 1,
    b"GRAYSCALE_ALPHA": 2,
    b"BLACKANDWHITE_ALPHA": 2,
    b"RGB": 3,
    b"RGB_ALPHA": 4,
}


def read(data: bytes) -> Samples:
    return _read_pam(data) if data.startswith(b"P7") else _read_pnm(data)


def _read_pnm(data: bytes) -> Samples:
    header = HEADER.match(data)
    if not header:
        raise UnreadableImage(UNKNOWN_DAMAGE)
    kind, width, height = (int(field) for field in header.groups())
    is_bilevel, is_text = kind in (1, 4), kind <= 3
    end, white = header.end(), 1
    if not is_bilevel:
        largest = LARGEST.match(data, end)
        if not largest:
            raise UnreadableImage(UNKNOWN_DAMAGE)
        end, white = largest.end(), int(largest[1])
    _check(width, height, white)
    depth = 3 if kind in (3, 6) else 1
    if is_text:
        values = _numbers(data[end:], width * height * depth, is_bilevel)
    elif is_bilevel:
        row = (width + 7) // 8
        packed = _values(data, end + 1, row * height, numpy.dtype(numpy.uint8))
        values = numpy.unpackbits(packed.reshape(height, row), axis=1)[:, :width]
    else:
        values = _values(data, end + 1, width * height * depth, _type_of(white))
    if is_bilevel:
        values = 1 - values  # 1 is ink
    return _samples(values.reshape(height, width, depth), white)


def _read_pam(data: bytes) -> Samples:
    head, found, body = data.partition(b"ENDHDR\n")
    lines = (line.split(None, 1) for line in head.splitlines()[1:] if not line.startswith(b"#"))
    fields = {line[0]: line[1].strip() for line in lines if len(line) == 2}
    try:
        width, height, depth, white = (int(fields[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    except (KeyError, ValueError):
        raise UnreadableImage("it is damaged: its header is not complete") from None
    channels = TUPLES.get(fields.get(b"TUPLTYPE", b""), -1)
    if depth not in ORDERS or channels not in (0, depth):
        raise unsupported("a PAM file of another kind than grey or colours")
    _check(width, height, white)
    if not found:
        raise UnreadableImage(INCOMPLETE)
    values = _values(body, 0, width * height * depth, _type_of(white))
    return _samples(values.reshape(height, width, depth), white)


def _check(width: int, height: int, white: int) -> None:
    if not (0 < white < 65536 and width > 0 and height > 0):
        raise UnreadableImage(UNKNOWN_DAMAGE)
    check_size(width, height, 12)


def _samples(values: Pixels, white: int) -> Samples:
    ordered = numpy.ascontiguousarray(values[:, :, ORDERS[values.shape[2]]])
    return samples.of_array(ordered.astype(ordered.dtype.newbyteorder("=")), white=white)


def _type_of(white: int) -> numpy.dtype[numpy.generic]:
    return numpy.dtype(numpy.uint8 if white < 256 else ">u2")


def _values(data: bytes, start: int, count: int, kind: numpy.dtype[numpy.generic]) -> Pixels:
    if len(data) - start < count * kind.itemsize:
        raise UnreadableImage(INCOMPLETE)
    return numpy.frombuffer(data, kind, count, start)


def _numbers(text: bytes, count: int, is_bilevel: bool) -> Pixels:
    """Return numbers written in decimal; the bits of a PBM need no space between."""
    text = COMMENT.sub(b"", text)
    if is_bilevel:
        values: Pixels = numpy.frombuffer(text.translate(None, b" \t\r\n\v\f"), numpy.uint8)[:count] - 48
    else:
        values = numpy.array(text.split()[:count], dtype=numpy.uint32)
        if values.size and values.max() > 65535:
            raise UnreadableImage(UNKNOWN_DAMAGE)
    if len(values) < count:
        raise UnreadableImage(INCOMPLETE)
    if is_bilevel and values.max() > 1:
        raise UnreadableImage(UNKNOWN_DAMAGE)
    return values.astype(numpy.uint8 if is_bilevel else numpy.uint16)
