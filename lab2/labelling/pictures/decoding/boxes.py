"""Boxes of the ISO base media file format, of which AVIF, HEIC, JPEG 2000 and videos consist."""

from __future__ import annotations

from collections.abc import Iterator


def meta_boxes(data: bytes) -> dict[bytes, bytes]:
    """Return the contents of the boxes in a picture's `meta` box, by kind."""
    return dict(boxes(dict(boxes(data)).get(b"meta", b"")[4:]))


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each box."""
    at = 0
    while at + 8 <= len(data):
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1 and at + 16 <= len(data):
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(data) - at
        if size < head:
            return
        yield kind, data[at + head : at + size]
        at += size
