"""Boxes of the ISO base media file format: AVIF, HEIC, JPEG 2000 and videos are made of them."""

from __future__ import annotations

from collections.abc import Iterator


def meta_boxes(data: bytes) -> dict[bytes, bytes]:
    """Return what is in the boxes of a picture's `meta` box, by kind."""
    return dict(boxes(dict(boxes(data)).get(b"meta", b"")[4:]))


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind of each box and what is in it."""
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
