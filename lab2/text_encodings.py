"""The encoding of a text file, detected by its byte order mark or its zero bytes."""

from __future__ import annotations

import codecs

UTF_8 = "utf-8"
BYTE_ORDER_MARKS = {  # in this order: the mark of UTF-32 in little endian starts with that of UTF-16
    codecs.BOM_UTF8: UTF_8,
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# Which of the first four bytes are zero if a file without a mark starts with two characters of ASCII.
_ZEROS: dict[tuple[bool, ...], str] = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}


def mark_of(head: bytes) -> bytes:
    """Return the byte order mark that the file starting with `head` has, b'' if it has none."""
    return next((mark for mark in BYTE_ORDER_MARKS if head.startswith(mark)), b"")


def encoding_of(head: bytes) -> str:
    """Return the encoding of the file that starts with `head`: UTF-8 unless mark or zeros tell otherwise."""
    mark = mark_of(head)
    return BYTE_ORDER_MARKS[mark] if mark else _ZEROS.get(tuple(byte == 0 for byte in head[:4]), UTF_8)
