"""WebP: the first frame of an animation, in its position on the canvas, which OpenCV gets wrong."""

from __future__ import annotations

from collections.abc import Iterator

from lab2.labelling.pictures.decoding import colour, opencv, samples
from lab2.labelling.pictures.decoding.refusals import INCOMPLETE
from lab2.labelling.pictures.decoding.samples import Samples
from lab2.labelling.pictures.picture import UnreadableImage

PIXELS = (b"ALPH", b"VP8 ", b"VP8L")


def read(data: bytes) -> Samples:
    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise UnreadableImage(INCOMPLETE)
    chunks = list(_chunks(data, 12))
    found = dict(reversed(chunks))  # the first of a kind
    colours = colour.of_profile(found.get(b"ICCP", b""))
    if b"ANMF" not in found:
        return samples.of_array(opencv.decode(data)[0], colours=colours)
    # browsers apply no profile to an animation, and to no WebP the orientation of EXIF (Chromium 156)
    frame, head = found[b"ANMF"], found.get(b"VP8X", b"")
    if len(frame) < 16 or len(head) < 10:
        raise opencv.Undecodable
    pixels, _ = opencv.decode(_still(frame))
    width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (4, 7))
    left, top = (2 * int.from_bytes(frame[at : at + 3], "little") for at in (0, 3))
    return samples.placed(pixels, (width, height), left, top)


def _chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name of each chunk and what is in it."""
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _still(frame: bytes) -> bytes:
    """Return a WebP file of one frame of an animation."""
    parts = [(name, body) for name, body in _chunks(frame, 16) if name in PIXELS]
    if any(name == b"ALPH" for name, _ in parts):
        parts.insert(0, (b"VP8X", b"\x10\0\0\0" + frame[6:12]))
    body = b"".join(name + len(body).to_bytes(4, "little") + body + bytes(len(body) % 2) for name, body in parts)
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body
