"""A contact sheet: many pictures as one PNG, each with its votes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab2.errors import UserError
from lab2.labelling.display.decoder import Decoder
from lab2.labelling.display.drawing import write
from lab2.labelling.display.process import quiet_opencv
from lab2.labelling.image_store import Image, ImageStore
from lab2.labelling.picture import Picture, UnreadableImage
from lab2.labelling.report import Verdict
from lab2.terminal import printable

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[Any]]

ACROSS = 6  # pictures
SIDE, GAP, TEXT = 180, 14, 34  # pixels: of a picture, around it, and of the line below it
MAX_PICTURES = 60  # pictures


def contact_sheet(pictures: Iterable[tuple[Picture | None, Verdict]]) -> bytes:
    """Return a PNG of the pictures (None: one that can't be shown), each SIDE pixels wide or high, and their votes."""
    quiet_opencv()
    import cv2
    import numpy

    cells = [_cell(picture, verdict) for picture, verdict in pictures]
    cells += [numpy.full_like(cells[0], 255)] * (-len(cells) % ACROSS)
    rows = [numpy.hstack(cells[at : at + ACROSS]) for at in range(0, len(cells), ACROSS)]
    _, data = cv2.imencode(".png", numpy.vstack(rows))
    return bytes(data)


def _cell(picture: Picture | None, verdict: Verdict) -> Pixels:
    import numpy

    cell = numpy.full((SIDE + TEXT + GAP, SIDE + 2 * GAP, 3), 255, numpy.uint8)
    if picture:
        top, left = GAP + (SIDE - picture.height) // 2, GAP + (SIDE - picture.width) // 2
        pixels = numpy.frombuffer(picture.pixels, numpy.uint8).reshape(picture.height, picture.width, 3)
        cell[top : top + picture.height, left : left + picture.width] = pixels
    votes = f"{verdict.hot_dog} hot dog, {verdict.not_hot_dog} not" if verdict.labels else "no label"
    write(cell, votes, GAP, SIDE + GAP + 22, (0, 0, 200) if verdict.dispute else (60, 60, 60))
    return cell


def write_sheet(path: Path, shown: list[tuple[Image, Verdict]], images: ImageStore, decoder: Decoder) -> None:
    """Write a PNG of the pictures with their votes."""
    if not shown:
        raise UserError(f"There are no pictures to put on {path}. Upload some first.")

    def load(image: Image) -> Picture | None:
        with suppress(UnreadableImage):
            return decoder.decode(images.fetch(image), SIDE, SIDE)
        return None

    with ThreadPoolExecutor() as threads:
        pictures = list(threads.map(load, [image for image, _ in shown]))
    data = contact_sheet(zip(pictures, [verdict for _, verdict in shown], strict=True))
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}. Give another file to --sheet.") from None
    print(f"{len(shown)} pictures with their votes are in {printable(str(path))}.", file=sys.stderr)
