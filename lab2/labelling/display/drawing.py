"""What is drawn on pixels: a line of text, and a contact sheet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy

from lab2.labelling.display.layout import SHEET_CAPTION, SHEET_COLUMNS, SHEET_GAP, SHEET_SIDE, TEXT
from lab2.labelling.labels.choices import Colour
from lab2.labelling.pictures.picture import Picture

Pixels = numpy.ndarray[Any, numpy.dtype[Any]]


def write(canvas: Pixels, text: str, x: int, y: int, colour: Colour, size: float = TEXT) -> int:
    """Write a line of text, its left end on the base line at (x, y), smaller if it is too long; return its end."""
    room = max(1, canvas.shape[1] - x - round(size / 2))
    size *= min(1.0, room / max(1, _width(text, size)))
    if hasattr(cv2, "FontFace"):  # OpenCV 5
        cv2.putText(canvas, text, (x, y), colour, cv2.FontFace("sans"), round(size), 400)
    else:
        scale = size * 0.55 / TEXT
        cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, round(max(1, scale)), cv2.LINE_AA)
    return x + _width(text, size)


def _width(text: str, size: float) -> int:
    if hasattr(cv2, "FontFace"):
        return int(cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace("sans"), round(size), 400)[2])
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size * 0.55 / TEXT, 1)[0][0])


def draw_contact_sheet(cells: Iterable[tuple[Picture | None, str, Colour]], suffix: str) -> bytes:
    """Return an image file with this suffix: pictures that fit into SHEET_SIDE pixels, or None, and their captions."""
    drawn = [_cell(*cell) for cell in cells]
    drawn += [numpy.full_like(drawn[0], 255)] * (-len(drawn) % SHEET_COLUMNS)
    rows = [numpy.hstack(drawn[at : at + SHEET_COLUMNS]) for at in range(0, len(drawn), SHEET_COLUMNS)]
    _, data = cv2.imencode(suffix, numpy.vstack(rows))
    return bytes(data)


def _cell(picture: Picture | None, caption: str, colour: Colour) -> Pixels:
    cell = numpy.full((SHEET_SIDE + SHEET_CAPTION + SHEET_GAP, SHEET_SIDE + 2 * SHEET_GAP, 3), 255, numpy.uint8)
    if picture:
        top = SHEET_GAP + (SHEET_SIDE - picture.height) // 2
        left = SHEET_GAP + (SHEET_SIDE - picture.width) // 2
        pixels = numpy.frombuffer(picture.pixels, numpy.uint8).reshape(picture.height, picture.width, 3)
        cell[top : top + picture.height, left : left + picture.width] = pixels
    write(cell, caption, SHEET_GAP, SHEET_SIDE + SHEET_GAP + 22, colour)
    return cell
