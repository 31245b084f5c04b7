"""What is drawn on pixels: a line of text, and a contact sheet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lab2.labelling.display.layout import TEXT
from lab2.labelling.pictures.picture import Picture
from lab2.system.worker_process import quiet_opencv

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[Any]]

Colour = tuple[int, int, int]  # blue, green, red

ACROSS = 6  # pictures in a row of a contact sheet
SIDE, GAP, CAPTION = 180, 14, 34  # pixels: of a picture on the sheet, around it, and of the line below it


def write(canvas: Pixels, text: str, x: int, y: int, color: Colour, size: float = TEXT) -> int:
    """Write a line of text, its left end on the base line at (x, y), smaller where it is too long; return its end."""
    import cv2

    room = max(1, canvas.shape[1] - x - round(size / 2))
    size *= min(1.0, room / max(1, _width(text, size)))
    if hasattr(cv2, "FontFace"):  # OpenCV 5
        cv2.putText(canvas, text, (x, y), color, cv2.FontFace("sans"), round(size), 400)
    else:
        scale = size * 0.55 / TEXT
        cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, color, round(max(1, scale)), cv2.LINE_AA)
    return x + _width(text, size)


def _width(text: str, size: float) -> int:
    import cv2

    if hasattr(cv2, "FontFace"):
        return int(cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace("sans"), round(size), 400)[2])
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size * 0.55 / TEXT, 1)[0][0])


def contact_sheet(cells: Iterable[tuple[Picture | None, str, Colour]], suffix: str) -> bytes:
    """Return a file with this suffix: pictures of at most SIDE x SIDE pixels (None: no picture) and captions."""
    quiet_opencv()
    import cv2
    import numpy

    drawn = [_cell(*cell) for cell in cells]
    drawn += [numpy.full_like(drawn[0], 255)] * (-len(drawn) % ACROSS)
    rows = [numpy.hstack(drawn[at : at + ACROSS]) for at in range(0, len(drawn), ACROSS)]
    _, data = cv2.imencode(suffix, numpy.vstack(rows))
    return bytes(data)


def _cell(picture: Picture | None, caption: str, color: Colour) -> Pixels:
    import numpy

    cell = numpy.full((SIDE + CAPTION + GAP, SIDE + 2 * GAP, 3), 255, numpy.uint8)
    if picture:
        top, left = GAP + (SIDE - picture.height) // 2, GAP + (SIDE - picture.width) // 2
        pixels = numpy.frombuffer(picture.pixels, numpy.uint8).reshape(picture.height, picture.width, 3)
        cell[top : top + picture.height, left : left + picture.width] = pixels
    write(cell, caption, GAP, SIDE + GAP + 22, color)
    return cell
