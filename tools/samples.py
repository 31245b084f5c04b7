"""Make the sample image database: `underbase/` and `underbase.csv`.

    python tools/samples.py [--packages DIR] [--out DIR]

Each picture is composed as one SVG from clip art, emoji and drawings of our own, rasterised and
encoded. Seeds are fixed: the same versions of the tools give the same bytes, hence the same names.
What was made from what, and under which licence, is in `samples.md`.

Needs
- the Debian package `openclipart-svg` (/usr/share/openclipart);
- the npm packages in PACKAGES: unpacked below DIR (`DIR/<anything>/package/icons.json`), or else
  fetched with `npm pack` into a temporary directory;
- from PyPI `resvg-py` 0.5.0, the rasteriser, and `opencv-python` 5.0.0.93, the encoder.
"""

import argparse
import base64
import csv
import hashlib
import json
import math
import random
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import resvg_py  # type: ignore[import-not-found, unused-ignore]

CLIPART = Path("/usr/share/openclipart/svg")
PACKAGES = ("@iconify-json/fluent-emoji@1.2.7", "@iconify-json/noto@1.2.9")

FILTERS = """
<filter id="shadow" x="-50%" y="-50%" width="200%" height="200%">
  <feDropShadow dx="5" dy="9" stdDeviation="8" flood-color="#1a0d05" flood-opacity=".5"/></filter>
<filter id="sticker" x="-20%" y="-20%" width="140%" height="140%" color-interpolation-filters="sRGB">
  <feMorphology in="SourceAlpha" operator="dilate" radius="9" result="wide"/>
  <feGaussianBlur in="wide" stdDeviation="1.5"/>
  <feComponentTransfer result="edge"><feFuncA type="linear" slope="6" intercept="-2.5"/></feComponentTransfer>
  <feFlood flood-color="white"/><feComposite in2="edge" operator="in"/>
  <feMerge><feMergeNode/><feMergeNode in="SourceGraphic"/></feMerge></filter>
<filter id="glow" x="-50%" y="-50%" width="200%" height="200%" color-interpolation-filters="sRGB">
  <feGaussianBlur stdDeviation="12" result="far"/><feGaussianBlur in="SourceGraphic" stdDeviation="4" result="near"/>
  <feMerge><feMergeNode in="far"/><feMergeNode in="near"/><feMergeNode in="SourceGraphic"/></feMerge></filter>
<filter id="pencil" x="-10%" y="-10%" width="120%" height="120%" color-interpolation-filters="sRGB">
  <feTurbulence type="fractalNoise" baseFrequency=".018" numOctaves="2" seed="4"/>
  <feDisplacementMap in="SourceGraphic" scale="7" xChannelSelector="R" yChannelSelector="G"/></filter>
<filter id="chalk" color-interpolation-filters="sRGB">
  <feColorMatrix values="0 0 0 0 .95  0 0 0 0 .94  0 0 0 0 .88  -.6 -.6 -.6 1 0" result="lines"/>
  <feTurbulence type="fractalNoise" baseFrequency=".5" numOctaves="2" seed="2"/>
  <feColorMatrix values="0 0 0 0 0  0 0 0 0 0  0 0 0 0 0  4 0 0 0 -1.2"/>
  <feComposite in="lines" operator="in"/></filter>
"""


# Surfaces: each returns the SVG of a background that fills the picture.


def texture(frequency: str, colour: tuple[float, float, float], strength: float, seed: int) -> str:
    """Noise in one colour, stretched as `frequency` ("x y") says."""
    r, g, b = colour
    return (
        f'<filter id="t{seed}" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB">'
        f'<feTurbulence type="fractalNoise" baseFrequency="{frequency}" numOctaves="4" seed="{seed}"/>'
        f'<feColorMatrix values="0 0 0 0 {r} 0 0 0 0 {g} 0 0 0 0 {b} {2 * strength} 0 0 0 {-0.6 * strength}"/></filter>'
        f'<rect width="100%" height="100%" filter="url(#t{seed})"/>'
    )


def blurred(drawing: str, radius: float, far: int = 0) -> str:
    """`filter: blur()` cuts off what a stroke adds to a flat path; this doesn't, in -260 to 260 + `far`."""
    if not radius:
        return drawing
    name = f"blur{radius:.2f}-{far}"
    return (
        f'<filter id="{name}" filterUnits="userSpaceOnUse" x="-260" y="-170" width="{520 + far}" height="{340 + far}">'
        f'<feGaussianBlur stdDeviation="{radius:.2f}"/></filter><g filter="url(#{name})">{drawing}</g>'
    )


def spot(inner: str, outer: str) -> str:
    return (
        f'<radialGradient id="spot" cx=".4" cy=".3" r=".9"><stop stop-color="{inner}"/>'
        f'<stop offset="1" stop-color="{outer}"/></radialGradient><rect width="100%" height="100%" fill="url(#spot)"/>'
    )


def wood(inner: str, outer: str, planks: int = 120) -> str:
    gaps = "".join(
        f'<path d="M0 {y}H999" stroke="#1c0e04" stroke-opacity=".55" stroke-width="3"/>'
        f'<path d="M0 {y + 3}H999" stroke="#fff" stroke-opacity=".15" stroke-width="2"/>'
        for y in range(planks - 40, 999, planks)
    )
    return spot(inner, outer) + texture(".006 .11", (0.2, 0.09, 0.02), 0.9, 7) + gaps


def gingham(colour: str, size: int = 60) -> str:
    half = size / 2
    return (
        f'<pattern id="gingham" width="{size}" height="{size}" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(8)"><rect width="{size}" height="{size}" fill="#fdfaf3"/>'
        f'<g fill="{colour}" fill-opacity=".55"><rect width="{half}" height="{size}"/>'
        f'<rect width="{size}" height="{half}"/></g></pattern><rect width="100%" height="100%" fill="url(#gingham)"/>'
    ) + texture(".3 .3", (0, 0, 0), 0.15, 8)


def bricks(light: str, dark: str) -> str:
    rows = "".join(
        f'<rect x="{x - (row % 2) * 40}" y="{row * 34}" width="76" height="30" rx="3"/>'
        for row in range(20)
        for x in range(0, 720, 80)
    )
    return f'<rect width="100%" height="100%" fill="{dark}"/><g fill="{light}">{rows}</g>' + texture(
        ".08 .08", (0.02, 0.01, 0.03), 0.9, 9
    )


def bokeh(inner: str, outer: str, lights: list[str]) -> str:
    """Lamps far out of focus."""
    rng = random.Random(5)
    return spot(inner, outer) + blurred(
        "".join(
            f'<circle cx="{rng.uniform(0, 640):.0f}" cy="{rng.uniform(0, 300):.0f}" r="{rng.uniform(14, 46):.0f}" '
            f'fill="{rng.choice(lights)}" opacity="{rng.uniform(0.15, 0.5):.2f}"/>'
            for _ in range(26)
        ),
        4,
        400,
    )


def counter() -> str:
    return '<path d="M0 360H640V480H0Z" fill="#8a6544"/><path d="M0 365H640V480H0Z" fill="#4d3322"/>'


def ruled_paper() -> str:
    lines = "".join(f"M0 {y}H480" for y in range(30, 360, 30))
    return (
        f'<rect width="480" height="360" fill="#f7f3e8"/><path d="{lines}" stroke="#9dbbd6" stroke-opacity=".5"/>'
        '<path d="M50 0V360" stroke="#e08a8a" stroke-opacity=".6"/>'
    )


def blackboard() -> str:
    """A menu in a wooden frame: smears of the sponge, words and prices."""
    smears = '<path d="M80 140L400 90M90 500L390 420" stroke="#fff" stroke-opacity=".07" stroke-width="60"/>'
    board = '<rect x="26" y="26" width="428" height="548" rx="4" fill="#22332c"/>'
    words = "".join(
        f'<path transform="translate({x} {y})" d="{curve(half, wave=7, turns=half / 8)}"/>'
        for x, y, half in ((180, 455, 76), (160, 500, 56), (365, 455, 22), (365, 500, 22))
    )
    return (
        wood("#8a5a30", "#8a5a30", 999)
        + board
        + blurred(smears, 16, 400)
        + f'<g fill="none" stroke="#e8e7da" stroke-width="4" opacity=".75">{words}</g>'
    )


def plate(x: float, y: float, r: float, rim: str = "#fff", squash: float = 1) -> str:
    rings = ((1, "#d5d3cf"), (0.985, rim), (0.93, "#fbfaf7"), (0.7, "#dcdad5"), (0.69, "#f4f2ee"))
    return put("".join(f'<circle r="{r * part:.1f}" fill="{fill}"/>' for part, fill in rings), x, y, stretch=squash)


# Drawings: each returns SVG around the origin, about 400 units wide.


def put(
    drawing: str, x: float, y: float, scale: float = 1, turn: float = 0, stretch: float = 1, effect: str = "shadow"
) -> str:
    move = f"translate({x} {y}) scale({scale} {scale * stretch}) rotate({turn})"
    return f'<g filter="url(#{effect})"><g transform="{move}">{drawing}</g></g>'


def curve(half: float, y: float = 0, bend: float = 0, wave: float = 0, turns: float = 0) -> str:
    """A path from -half to half, bent like a banana and waved like mustard."""
    xs = [half * (step / 60 - 1) for step in range(121)]
    ys = [y + bend * (x / 200) ** 2 + wave * math.sin(math.pi * turns * x / half) for x in xs]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))


def tube(path: str, width: float, dark: str, body: str, light: str) -> str:
    """A rounded, glossy thing along a path: sausage, half a bun, a line of mustard."""
    layers = ((dark, 1, 0, 0, 1), (body, 0.78, 0.05, 0.05, 1), (light, 0.3, 0.16, 0.08, 0.8))
    return (
        '<g fill="none" stroke-linecap="round" stroke-linejoin="round">'
        + "".join(
            blurred(
                f'<path d="{path}" stroke="{colour}" stroke-width="{width * part:.1f}" opacity="{opacity}" '
                f'transform="translate(0 {-width * up:.1f})"/>',
                width * blur,
            )
            for colour, part, up, blur, opacity in layers
        )
        + "</g>"
    )


def bun(y: float, bend: float = 0, width: float = 94) -> str:
    return tube(curve(150, y, bend), width, "#a8621f", "#dd9a45", "#f9dba2")


def sausage(bend: float = 0, half: float = 182, width: float = 68, marks: bool = False) -> str:
    stripes = "".join(f"M{x} {24 + bend * (x / 200) ** 2}l22 -46" for x in range(-150, 140, 44))
    grilled = blurred(
        f'<path d="{stripes}" stroke="#3b1206" stroke-width="9" stroke-opacity=".6" stroke-linecap="round"/>', 1.5
    )
    return tube(curve(half, 0, bend), width, "#7c2412", "#bf4a27", "#f2a076") + grilled * marks


def mustard(bend: float = 0, y: float = 0, turns: float = 6, width: float = 13) -> str:
    return tube(curve(150, y, bend, 15, turns), width, "#c98a04", "#f8c51c", "#fff3a8")


def ketchup(bend: float = 0, y: float = 0, turns: float = 6, width: float = 13) -> str:
    return tube(curve(150, y, bend, 15, turns), width, "#7f0d08", "#cf2013", "#ff9a86")


def crumbs(colours: list[str], count: int, size: float, seed: int, spread: float = 24, bend: float = 0) -> str:
    """Onions, relish, seeds: bits strewn along the sausage."""
    rng = random.Random(seed)
    bits = []
    for _ in range(count):
        x, y, turn = rng.uniform(-150, 150), rng.uniform(-spread, spread), rng.uniform(0, 180)
        bits.append(
            f'<ellipse transform="translate({x:.0f} {y + bend * (x / 200) ** 2:.0f}) rotate({turn:.0f})" '
            f'rx="{size * rng.uniform(0.7, 1.2):.1f}" ry="{size * 0.55:.1f}" fill="{rng.choice(colours)}" '
            'stroke="#000" stroke-opacity=".25"/>'
        )
    return "".join(bits)


def hot_dog(topping: str, bend: float = 0, marks: bool = False) -> str:
    """Seen from above: the sausage between the halves of the bun."""
    gap = blurred(
        f'<path d="{curve(165, 4, bend)}" stroke="#4a1f08" stroke-width="76" stroke-opacity=".7" '
        'stroke-linecap="round" fill="none"/>',
        5,
    )
    return bun(-46, bend) + bun(46, bend) + gap + sausage(bend, marks=marks) + topping


def hot_dog_from_the_side(topping: str) -> str:
    """The front of the bun hides the lower half of the sausage."""
    inside = tube(curve(150, 6, -14), 92, "#c98d4a", "#f3d9a6", "#fff2d4")
    return bun(-22, -14, 100) + inside + sausage(-14, 196, 74) + topping + bun(46, -14, 104)


def hot_dog_in_lines(ink: str, paper: str) -> str:
    """A pencil drawing."""
    hatch = "".join(f"M{x} {78 - abs(x) / 12:.0f}l-16 22" for x in range(-120, 160, 13))
    lettuce = curve(178, 2, -18, 11, 11)
    return (
        f'<g fill="{paper}" stroke="{ink}" stroke-width="4" stroke-linecap="round" stroke-linejoin="round">'
        '<path d="M-176 10C-190 -70 -110 -104 0 -106S190 -70 176 10Z"/>'
        '<rect x="-214" y="-52" width="428" height="84" rx="42"/>'
        f'<g fill="none"><path d="{curve(160, -30, -8, 12, 6)}" stroke-width="7"/>'
        '<path d="M-198 -20q-8 12 -2 28M196 -24q10 14 4 30"/></g>'
        f'<path d="{lettuce}L182 40H-182Z"/>'
        '<path d="M-186 14C-196 84 -120 108 0 108S196 84 186 14C120 40 -120 40 -186 14Z"/>'
        f'<path d="{hatch}" stroke-width="2.5" fill="none"/>'
        '<path d="M-60 -92q8 -6 16 -3M10 -96q8 -4 15 0M70 -88q8 -2 13 4M-110 -80q8 -6 14 -4" stroke-width="3"/></g>'
    )


def hot_dog_in_neon() -> str:
    shapes = (
        ("#ffab3d", '<path d="M-168 -58C-166 -104 -110 -106 0 -106S166 -104 168 -58"/>'),
        ("#ffab3d", '<path d="M-168 58C-166 104 -110 106 0 106S166 104 168 58"/>'),
        ("#ff3b4d", '<rect x="-212" y="-42" width="424" height="84" rx="42"/>'),
        ("#fff04a", f'<path d="{curve(150, 0, 0, 17, 5)}"/>'),
        ("#4ae0ff", '<path d="M-222 -84l-34 -20M-244 0h-40M-222 84l-34 20M222 -84l34 -20M244 0h40M222 84l34 20"/>'),
    )
    return (
        '<g fill="none" stroke-linecap="round">'
        + "".join(
            f'<g stroke="{colour}" stroke-width="9">{shape}</g><g stroke="#fff" stroke-opacity=".8" '
            f'stroke-width="3">{shape}</g>'
            for colour, shape in shapes
        )
        + "</g>"
    )


def hot_dog_with_a_face() -> str:
    limb = '<path d="M-95 60q-60 10 -72 -46M95 60q60 -10 76 -70M-34 160v70h-24M34 160v70h24"/>'
    eyes = "".join(
        f'<circle cx="{x}" cy="-40" r="17" fill="#fff"/><circle cx="{x + 4}" cy="-37" r="9" fill="#2b1608"/>'
        for x in (-24, 24)
    )
    return (
        f'<g fill="none" stroke="#2b1608" stroke-width="9" stroke-linecap="round">{limb}</g>'
        '<g stroke="#2b1608" stroke-width="7" stroke-linejoin="round">'
        '<rect x="-104" y="-112" width="208" height="286" rx="90" fill="#eab25c"/>'
        '<rect x="-58" y="-180" width="116" height="384" rx="58" fill="#dc5a36"/>'
        '<path d="M-62 -70C-128 -96 -120 170 -44 172C-74 120 -74 0 -62 -70Z" fill="#f6cd83"/>'
        '<path d="M62 -70C128 -96 120 170 44 172C74 120 74 0 62 -70Z" fill="#f6cd83"/></g>'
        '<path d="M-26 -150q26 -14 52 0" stroke="#fff" stroke-opacity=".6" stroke-width="10" '
        f'stroke-linecap="round" fill="none"/>{eyes}'
        '<path d="M-22 0q22 26 44 0z" fill="#6d1410" stroke="#2b1608" stroke-width="6" stroke-linejoin="round"/>'
        '<path d="M-24 50Q40 52 22 70Q0 88 -20 94Q-38 104 -14 108Q36 110 20 126Q0 140 -18 150" '
        'fill="none" stroke="#ffd23e" stroke-width="15" '
        'stroke-linecap="round"/>'
    )


PIXELS = """
........kkkkkkkkkkkkkkkkkkkkkkkk........
......kkbbllllllllllllllllllbbbbkk......
.....kbbllllllllbbbbbbbbbbbbbbbbbbk.....
.....kbbbbbbbbbbbbbbbbbbbbbbbbbbbbk.....
..kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk..
.krrrrrryyrrrrrryyrrrrrryyrrrrrryyrrrrk.
krrrrrryyyyrrrryyyyrrrryyyyrrrryyyyrrrrk
krrrryyyrryyrryyrryyrryyrryyrryyrryyyrrk
kdrrrrrrrrryyyyrrrryyyyrrrryyyyrrrrrrrdk
.kddddddddddyyddddddyyddddddyyddddddddk.
..kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk..
....kbllllllllllllllllllllllllbbbbbk....
....kbbbbbbbbbbbbbbbbbbbbbbbbbbbbbsk....
.....ksbbbbbbbbbbbbbbbbbbbbbbbbbssk.....
......kkssssssssssssssssssssssskkk......
........kkkkkkkkkkkkkkkkkkkkkkkk........
"""


def hot_dog_in_pixels(size: int) -> str:
    bread = {"b": "#e3a04c", "l": "#f8d28b", "s": "#b9722e"}
    colours = bread | {"k": "#2d1a12", "r": "#d8492f", "d": "#9c2a1c", "y": "#ffd93b"}
    squares = "".join(
        f'<rect x="{x * size}" y="{y * size}" width="{size}" height="{size}" fill="{colours[pixel]}"/>'
        for y, row in enumerate(PIXELS.split())
        for x, pixel in enumerate(row)
        if pixel != "."
    )
    return (
        '<rect width="512" height="384" fill="#5ec4e8"/><rect y="304" width="512" height="80" fill="#4aa04a"/>'
        '<rect y="304" width="512" height="14" fill="#7ccf5c"/>'
        f'<g shape-rendering="crispEdges" transform="translate(16 90)">{squares}</g>'
    )


def paper_tray() -> str:
    """Stands in front of a hot dog seen from the side."""
    stripes = "".join(
        f'<path d="M{x} 40l{-x * 0.1 + 6:.0f} 90h26l{-x * 0.01:.0f} -90z" fill="#d3302a"/>'
        for x in range(-200, 190, 60)
    )
    outline = '<path d="M-214 40H214L186 130H-186Z"'
    return f'{outline} fill="#fbf8f1"/>{stripes}{outline} fill="none" stroke="#0004" stroke-width="3"/>'


def street_with_stand() -> str:
    awning = "".join(
        f'<path d="M{x} 178h45v44a22 22 0 0 1 -45 0z" fill="{colour}"/>'
        for x, colour in zip(range(140, 500, 45), ["#d8352c", "#fff8ea"] * 4, strict=True)
    )
    houses = "".join(
        f'<rect x="{x}" y="{y}" width="104" height="400" fill="{fill}"/>'
        for x, y, fill in ((-20, 150, "#b9cfd8"), (84, 90, "#a9c2cd"), (440, 120, "#b3cad4"), (544, 60, "#a3bdc9"))
    )
    wheel = '<circle r="40" fill="#3a3a40"/><circle r="27" fill="#d9d9dc"/><circle r="7" fill="#3a3a40"/>'
    return (
        f'<rect width="640" height="480" fill="#cfe9f5"/><circle cx="70" cy="66" r="34" fill="#fff3c0"/>{houses}'
        '<rect y="400" width="640" height="80" fill="#8d939a"/><rect y="400" width="640" height="10" fill="#b9bec3"/>'
        '<path d="M160 170V300M480 170V300" stroke="#6b5a4c" stroke-width="10"/>'
        '<rect x="165" y="210" width="310" height="80" fill="#54423a"/>'
        '<rect x="140" y="280" width="360" height="110" rx="10" fill="#c9302a"/>'
        '<rect x="128" y="270" width="384" height="20" rx="6" fill="#f3d9a6"/>'
        '<rect x="140" y="335" width="360" height="14" fill="#ffcf3f"/>'
        f'<g transform="translate(210 402)">{wheel}</g><g transform="translate(430 402)">{wheel}</g>{awning}'
        + "".join(
            f'<path d="M{x} 270v-34q8 -22 16 0v34z" fill="{fill}"/>'
            for x, fill in ((230, "#d3261c"), (254, "#f2bd18"), (390, "#d3261c"))
        )
        + '<path d="M260 180V130M380 180V130" stroke="#6b5a4c" stroke-width="8"/>'
        + put(hot_dog_from_the_side(mustard(-14, -24)), 320, 108, 0.72)
    )


def fried_egg() -> str:
    return (
        '<g stroke="#1c1208" stroke-width="5">'
        '<path d="M-80 -10C-90 -70 -30 -62 0 -78S80 -50 76 -6S50 50 20 62S-72 50 -80 -10Z" '
        'fill="#fffdf4"/><circle cx="-4" cy="-8" r="32" fill="#ffc02e"/></g>'
        '<circle cx="-14" cy="-20" r="8" fill="#fff2b8"/>'
    )


def grill() -> str:
    bars = "".join(
        f'<rect y="{y + up}" width="640" height="{height}" fill="{colour}"/>'
        for y in range(16, 480, 40)
        for up, height, colour in ((0, 9, "#151515"), (1, 5, "#5d5d60"), (2, 2, "#c9c9cc"))
    )
    embers = blurred(crumbs(["#ff5a1a", "#ffae3a", "#d92c06"], 34, 30, 11, 120), 14)
    return spot("#3a1409", "#120807") + f'<g transform="translate(320 200) scale(2.2 1.4)">{embers}</g>' + bars


class Sources:
    """Other people's drawings, as SVG images of 400 x 400 around the origin."""

    def __init__(self, packages: Path) -> None:
        found = [json.loads(path.read_text()) for path in sorted(packages.glob("*/package/icons.json"))]
        self.icons: dict[str, Any] = {icons["prefix"]: icons for icons in found}

    def emoji(self, family: str, name: str) -> str:
        icons = self.icons[family]
        icon = icons["icons"][name]
        width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
        return image(
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{width * 4}" height="{height * 4}" viewBox="0 0 {width} {height}">{icon["body"]}</svg>'
        )

    def clipart(self, name: str) -> str:
        return image((CLIPART / f"{name}.svg").read_text(errors="replace"))


def image(svg: str) -> str:
    """An SVG as an image of its own, so that its ids meet nobody else's."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<image x="-200" y="-200" width="400" height="400" href="data:image/svg+xml;base64,{data}"/>'


def photographed() -> str:
    """Over everything: light from one side, darker corners, grain."""
    return (
        '<radialGradient id="lens" cx=".42" cy=".38" r=".8"><stop stop-color="#fff8e0" stop-opacity=".14"/>'
        '<stop offset=".5" stop-color="#fff8e0" stop-opacity="0"/>'
        '<stop offset=".5" stop-color="#140a00" stop-opacity="0"/>'
        '<stop offset="1" stop-color="#140a00" stop-opacity=".38"/></radialGradient>'
        '<rect width="100%" height="100%" fill="url(#lens)"/>'
    ) + texture(".9 .9", (0, 0, 0), 0.09, 3)


Picture = tuple[str, int, int, int, str]  # file name, label, width, height, what is in it


def pictures(found: Sources) -> Iterator[Picture]:
    emoji, clipart = found.emoji, found.clipart
    photo = photographed()

    def meal(name: str) -> str:
        return clipart(f"food/meats_and_eggs/{name}")

    # Hot dogs
    scene = wood("#c58a52", "#7a4a24") + put(hot_dog(mustard(20), 20), 320, 235, 1.25, -16)
    yield "IMG_0001.jpg", 1, 640, 480, scene + photo
    scene = gingham("#c8202a") + put(meal("hot_dog"), 320, 213, 1.35, -4)
    yield "IMG_0412.jpg", 1, 640, 427, scene + photo
    scene = wood("#5a4436", "#2a1d16", 90) + plate(240, 320, 215, "#31465e")
    yield "IMG_0417.jpg", 1, 480, 640, scene + put(meal("hot_dog_juliane_krug_r"), 240, 318, 0.98) + photo
    scene = blackboard() + put(meal("hot_dog_bw"), 240, 270, 0.98, -6, effect="chalk")
    yield "menu-board.webp", 1, 480, 600, scene + photo
    scene = (
        spot("#bfe6e0", "#5cb2ad") + plate(256, 256, 226, "#f7c9b0") + put(emoji("noto", "hot-dog"), 256, 256, 0.84, 4)
    )
    yield "lunch.webp", 1, 512, 512, scene + photo
    scene = spot("#dcebff", "#6f9fe0") + put(emoji("fluent-emoji", "hot-dog"), 300, 228, 0.98, 14)
    yield "DSC_1093.jpg", 1, 600, 450, scene + photo
    both = hot_dog_from_the_side(ketchup(-14, -24, 7) + mustard(-14, -30, 5))
    scene = bokeh("#3a2c4d", "#120e1c", ["#ffb347", "#ff6f61", "#7fd1ff", "#ffe08a"]) + counter()
    yield "IMG_2077.jpg", 1, 640, 480, scene + put(both + paper_tray(), 320, 268, 1.15) + photo
    scene = ruled_paper() + put(hot_dog_in_lines("#33333a", "#f7f3e8"), 250, 182, 0.88, -9, effect="pencil")
    yield "drawing.png", 1, 480, 360, scene
    scene = bricks("#4b2a30", "#1d1216") + put(hot_dog_in_neon(), 320, 210, effect="glow")
    yield "night-out.jpg", 1, 640, 420, scene + photo
    yield "hot-dog-stand.png", 1, 640, 480, street_with_stand()
    yield "sticker.png", 1, 400, 512, put(hot_dog_with_a_face(), 200, 246, 0.98, 6, effect="sticker")
    yield "game.png", 1, 512, 384, hot_dog_in_pixels(12)
    relish = crumbs(["#5f9a2b", "#7fb83c", "#3f7a1c"], 90, 11, 1, 28)
    onions = crumbs(["#fffbe8", "#f4ead0", "#e9d8b4"], 90, 10, 2)
    scene = gingham("#2a5ca8", 48) + plate(240, 320, 226) + put(hot_dog(ketchup()), 240, 188, 0.7, -4)
    scene += put(hot_dog(relish + mustard(turns=5), marks=True), 240, 322, 0.7, 1)
    yield "party.jpg", 1, 480, 640, scene + put(hot_dog(onions), 240, 456, 0.7, 5) + photo

    # Not hot dogs, but near
    sausages = ((200, 130, -18), (410, 175, 14), (245, 290, 8), (430, 355, -12))
    scene = grill() + "".join(put(sausage(22, 130, 62, marks=True), x, y, 0.95, turn) for x, y, turn in sausages)
    yield "IMG_0001.jpg", 0, 640, 480, scene + photo
    scene = spot("#f3e2bd", "#c9a367") + plate(320, 245, 215, "#3d6fa5")
    scene += put(fried_egg(), 235, 190, 0.8) + put(fried_egg(), 255, 320, 0.75, 120)
    yield "IMG_0533.jpg", 0, 640, 480, scene + put(meal("breakfast_sausage"), 390, 252, 0.57, 6) + photo
    scene = bokeh("#f7b267", "#a5406a", ["#fff3c4", "#ffd166", "#ff9aa2"]) + put(meal("corn_dog"), 320, 205, 1.35, -14)
    yield "fair.jpg", 0, 640, 400, scene + photo
    scene = wood("#d8b98c", "#9a7148", 140) + put(clipart("food/submarine_sandwich_01"), 320, 235, 1.42, 20)
    yield "IMG_0718.jpg", 0, 640, 427, scene + photo
    loaf = emoji("noto", "baguette-bread")
    scene = gingham("#d99a2b", 70) + put(loaf, 158, 335, 0.8, -6) + put(loaf, 250, 322, 0.8, 4)
    yield "bakery.jpg", 0, 427, 640, scene + photo
    scene = spot("#e7e1d6", "#b3a894") + put(emoji("noto", "burrito"), 240, 300, 1.02, -4)
    yield "takeaway.webp", 0, 480, 600, scene + photo
    scene = (
        wood("#8a5a3a", "#4a2c1a", 150) + plate(300, 300, 260, "#e8b23a") + put(emoji("noto", "taco"), 300, 292, 0.88)
    )
    yield "PXL_0087.jpg", 0, 600, 600, scene + photo
    scene = (
        spot("#f4c9b8", "#c9806a") + plate(320, 245, 218, "#8fb4a4") + put(emoji("noto", "sandwich"), 320, 238, 0.82)
    )
    yield "IMG_0902.jpg", 0, 640, 480, scene + photo
    scene = spot("#dfeefb", "#86aed0") + put(clipart("food/fruit/apple"), 400, 172, 0.55)
    yield "kitchen.jpg", 0, 560, 420, scene + put(clipart("food/fruit/banana"), 235, 255, 0.92, 8) + photo

    # Not hot dogs, plainly
    scene = spot("#d8f0c8", "#7fb36a") + put(emoji("noto", "pizza"), 300, 225, 0.9, -12)
    yield "IMG_1204.jpg", 0, 600, 450, scene + photo
    scene = spot("#cdeefc", "#8fcdf0") + '<rect y="430" width="480" height="170" fill="#7dbb58"/>'
    scene += put(emoji("noto", "sun"), 385, 100, 0.35, effect="glow") + put(emoji("noto", "dog"), 230, 350, 0.85)
    yield "max.jpg", 0, 480, 600, scene + photo


ENCODING = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 84],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 82],
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 9],
}
# A whole EXIF block with one entry: Orientation (0x112) is 6, "turn me 90 degrees clockwise".
EXIF = b"Exif\0\0" + struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x112, 3, 1, 6, 0, 0)
SIDEWAYS = "IMG_0417.jpg"  # held like a phone: stored lying, shown upright


def encoded(name: str, width: int, height: int, content: str) -> bytes:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><defs>{FILTERS}</defs>'
        f"{content}</svg>"
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, dpi=96, skip_system_fonts=True)
    pixels = cv2.imdecode(np.frombuffer(bytes(png), np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    if pixels[..., 3].min() == 255:  # nothing transparent: no need for alpha
        pixels = pixels[..., :3]
    if name == SIDEWAYS:
        pixels = cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)
    data = bytes(cv2.imencode(Path(name).suffix, pixels, ENCODING[Path(name).suffix])[1])
    if name == SIDEWAYS:
        data = data[:2] + struct.pack(">HH", 0xFFE1, len(EXIF) + 2) + EXIF + data[2:]
    return data


def fetch(packages: Path) -> None:
    """`npm pack` the packages and unpack each into a folder of its own."""
    subprocess.run(["npm", "pack", "--silent", *PACKAGES], cwd=packages, check=True, stdout=subprocess.DEVNULL)
    for archive in packages.glob("*.tgz"):
        with tarfile.open(archive) as tar:
            icons = tar.extractfile("package/icons.json")
            assert icons
            folder = packages / archive.stem / "package"
            folder.mkdir(parents=True)
            (folder / "icons.json").write_bytes(icons.read())


def make(packages: Path, out: Path) -> None:
    folder = out / "underbase"
    folder.mkdir(parents=True)
    labels = {}
    for name, label, width, height, content in pictures(Sources(packages)):
        data = encoded(name, width, height, content)
        image_name = f"{hashlib.sha256(data).hexdigest()[:12]}-{name}"
        (folder / image_name).write_bytes(data)
        labels[image_name] = label
    with (out / "underbase.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["image", "label", "annotator", "timestamp", "seconds"])
        rows.writerows(
            [image_name, label, "sample", "2026-11-23T12:00:00.000Z", ""]
            for image_name, label in sorted(labels.items())
        )


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", type=Path, help="where the npm packages are unpacked (default: fetch them)")
    parser.add_argument("--out", type=Path, default=Path(), help="where to write (default: here)")
    given = parser.parse_args()
    for made in (given.out / "underbase", given.out / "underbase.csv"):
        if made.exists():
            parser.error(f"{made} is there already: remove it first")
    if given.packages:
        make(given.packages, given.out)
        return
    with tempfile.TemporaryDirectory() as temporary:
        fetch(Path(temporary))
        make(Path(temporary), given.out)


if __name__ == "__main__":
    main()
