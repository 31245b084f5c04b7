"""Two plots as SVG: lines on logarithmic axes, and bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, log10

COLOURS = ("#1668b8", "#c2410c", "#4d7c0f", "#7e22ce", "#525252")
WIDTH, HEIGHT = 800, 420
LEFT, RIGHT, TOP, BOTTOM = 90, 60, 50, 60

Points = Sequence[tuple[float, float]]


def text(x: float, y: float, words: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" {more}>{words}</text>'


def document(title: str, height: int, shapes: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join([text(WIDTH / 2, 24, title, more='font-size="16"'), *shapes])
        + "\n</svg>\n"
    )


def lines(
    title: str, across: str, up: str, rows: Mapping[str, Points], unit: Callable[[int], str] | None = None
) -> str:
    """Return a plot of lines, both axes logarithmic; `unit` names powers of ten on the upright one (else: bytes)."""
    unit = unit or size
    everything = [point for points in rows.values() for point in points]
    x0, x1 = (limit(log10(point[0]) for point in everything) for limit in (min, max))
    y0, y1 = floor(min(log10(y) for _, y in everything)), ceil(max(log10(y) for _, y in everything))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x, y = log10(point[0]), log10(point[1])
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + (x - x0) / (x1 - x0) * wide, TOP + (y1 - y) / (y1 - y0) * high

    shapes = []
    for power in range(y0, y1 + 1):
        y = place((10**x0, 10**power))[1]
        shapes += [
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>',
            text(LEFT - 8, y + 4, unit(power), "end"),
        ]
    for power in range(ceil(x0), floor(x1) + 1):
        x = place((10**power, 10**y0))[0]
        shapes += [
            f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/>',
            text(x, HEIGHT - BOTTOM + 20, f"{10**power:,}"),
        ]
    shapes += [text(WIDTH / 2, HEIGHT - 14, across), text(16, TOP - 12, up, "start")]
    for colour, (name, points) in zip(COLOURS, rows.items(), strict=False):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, points))
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        x, y = place(points[-1])
        shapes.append(text(x - 6, y - 8, name, "end", f'fill="{colour}"'))
    return document(title, HEIGHT, shapes)


def bars(title: str, rows: Mapping[str, Sequence[tuple[float, str]]], names: Sequence[str]) -> str:
    """Return a plot of bars: for every row a bar for each of the names, all bars of one name to one scale."""
    most = [max(values[at][0] for values in rows.values()) for at in range(len(names))]
    shapes, y = [], 66
    for at, name in enumerate(names):
        shapes += [f'<rect x="{300 + at * 210}" y="36" width="11" height="11" fill="{COLOURS[at]}"/>']
        shapes += [text(316 + at * 210, 46, name, "start")]
    for row, values in rows.items():
        shapes.append(text(250, y + 18, row, "end"))
        for at, (value, label) in enumerate(values):
            wide = max(1.0, value / most[at] * (WIDTH - 400))
            shapes += [f'<rect x="260" y="{y}" width="{wide:.1f}" height="14" fill="{COLOURS[at]}"/>']
            shapes += [text(266 + wide, y + 12, label, "start")]
            y += 17
        y += 14
    return document(title, y + 10, shapes)


def size(power: int) -> str:
    """Return ten to the power of a number as bytes."""
    unit = ("B", "kB", "MB", "GB", "TB")[power // 3]
    return f"{10 ** (power % 3)} {unit}"
