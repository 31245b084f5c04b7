"""The contact sheet: many pictures in one image, each with its votes."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab2.errors import UserError, internal_error
from lab2.labelling.display.layout import SHEET_SIDE
from lab2.labelling.labels.choices import BY_VALUE, CHOICES, Colour
from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.image_store import Image, ImageStore
from lab2.labelling.pictures.picture import Picture, UnreadableImage
from lab2.labelling.results.report import Verdict
from lab2.system.whole_file import write_whole
from lab2.system.worker_process import quiet_opencv
from lab2.terminal import counted, printable, remark

MAX_PICTURES = 60
# Colours of captions.
UNLABELLED: Colour = (60, 60, 60)
DISPUTED: Colour = (0, 0, 200)


def suffix_of_sheet(path: Path) -> str:
    """Return the suffix that names the format of a sheet, .png if there is none; UserError for an unknown one."""
    suffix = path.suffix.lower() or ".png"
    if suffix not in (".png", ".jpg", ".jpeg", ".webp"):
        raise UserError(f"A sheet can't be written as {printable(suffix)}. Give a file that ends in .png or .jpg.")
    return suffix


def write_sheet(path: Path, shown: list[tuple[Image, Verdict]], images: ImageStore, decoder: Decoder) -> None:
    """Write a contact sheet of these images to `path`; UserError if there are none, or it can't be written."""
    suffix = suffix_of_sheet(path)
    if not shown:
        raise UserError(f"There are no pictures for {path}. Upload some first.")

    def load(image: Image) -> Picture | None:
        try:
            return decoder.decode(images.fetch(image), SHEET_SIDE, SHEET_SIDE)
        except UnreadableImage:
            return None
        except UserError:
            raise
        except Exception as error:  # one bad picture must not spoil the others
            print(f"{printable(image.name)} can't be shown: {internal_error(error)}.", file=sys.stderr, flush=True)
            return None

    with ThreadPoolExecutor() as threads:
        pictures = list(threads.map(load, [image for image, _ in shown]))
    cells = [
        (picture, _caption(verdict), _colour(verdict)) for picture, (_, verdict) in zip(pictures, shown, strict=True)
    ]
    quiet_opencv()
    from lab2.labelling.display.drawing import draw_contact_sheet  # OpenCV, for nobody else in this process

    data = draw_contact_sheet(cells, suffix)
    try:
        _write(path, data)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}. Give another file to --sheet.") from None
    remark(f"{counted(len(shown), 'picture')} with votes written to {printable(str(path))}.")


def _write(path: Path, data: bytes) -> None:
    """Write the file, or replace it; what is no regular file, like /dev/stdout, is written as it is."""
    if path.exists() and not path.is_file():
        path.write_bytes(data)
    else:
        target = path.resolve()  # a link stays a link
        write_whole(target, data, target.with_name(f".{target.name[:100]}-{os.getpid()}"))


def _caption(verdict: Verdict) -> str:
    if not verdict.labels:
        return "no label"
    return ", ".join(f"{votes} {choice.title}" for choice, votes in zip(CHOICES, verdict.votes, strict=True))


def _colour(verdict: Verdict) -> Colour:
    if verdict.dispute:
        return DISPUTED
    return BY_VALUE[verdict.majority].colour if verdict.majority else UNLABELLED
