"""What a browser shows of pictures: a page of them in headless Chromium, and its screenshot."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (  # noqa: SIM905 - as they are typed
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --force-color-profile=srgb"
).split()
A_PAGE = 100  # pictures
PAGE_WIDTH = 1600  # pixels
PATIENCE_S = 100
ABSENT = (255, 0, 255)  # the colour of a place whose picture can't be shown
SCRIPT = """
function gone(image) { const box = document.createElement("div"); box.style.cssText = image.style.cssText;
  box.style.background = "rgb(255, 0, 255)"; image.replaceWith(box) }
function draw(image) { if (!image.dataset.moves) return; const box = document.createElement("canvas");
  box.width = %d; box.height = %d; box.style.cssText = image.style.cssText;
  box.getContext("2d").drawImage(image, 0, 0, box.width, box.height); image.replaceWith(box) }
"""  # a canvas gets the first frame of an animation

Pixels = numpy.ndarray[Any, Any]


def shown_by_browser(pictures: Mapping[str, bytes], width: int, height: int) -> dict[str, Pixels]:
    """Return what Chromium shows of each file on white, scaled to width x height: rows of blue, green, red.

    A file that it can't show is not in the result.
    """
    names = list(pictures)
    shown: dict[str, Pixels] = {}
    for start in range(0, len(names), A_PAGE):
        shown |= _page({name: pictures[name] for name in names[start : start + A_PAGE]}, width, height)
    return shown


def _page(pictures: Mapping[str, bytes], width: int, height: int) -> dict[str, Pixels]:
    columns = max(1, PAGE_WIDTH // width)
    rows = -(-len(pictures) // columns)
    with tempfile.TemporaryDirectory() as folder:
        images = []
        for number, (name, data) in enumerate(pictures.items()):
            file = f"{number}{Path(name).suffix}"
            (Path(folder) / file).write_bytes(data)
            place = f"left:{number % columns * width}px;top:{number // columns * height}px"
            moves = ' data-moves="1"' if Path(name).suffix in (".gif", ".webp", ".apng") else ""
            images.append(f'<img src="{file}" style="{place}"{moves} onload="draw(this)" onerror="gone(this)">')
        style = f"body {{ margin: 0 }} body * {{ position: absolute; width: {width}px; height: {height}px }}"
        (Path(folder) / "page.html").write_text(
            f"<!doctype html><style>{style}</style><script>{SCRIPT % (width, height)}</script>{''.join(images)}"
        )
        subprocess.run(
            [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder}/profile", f"--screenshot={folder}/shot.png",
             f"--window-size={columns * width},{rows * height + 200}", "--virtual-time-budget=20000",
             f"file://{folder}/page.html"],
            check=True, capture_output=True, timeout=PATIENCE_S,
        )  # fmt: skip
        page = numpy.array(Image.open(io.BytesIO((Path(folder) / "shot.png").read_bytes())).convert("RGB"))
    shown = {}
    for number, name in enumerate(pictures):
        top, left = number // columns * height, number % columns * width
        part = page[top : top + height, left : left + width]
        if not (part == ABSENT).all():
            shown[name] = part[:, :, ::-1]
    return shown
