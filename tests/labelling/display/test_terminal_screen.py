"""Pictures drawn in a terminal."""

from __future__ import annotations

import io
import math
import re

import pytest
from support.pictures import drawing, encoded

from lab2.labelling.display.terminal_screen import TerminalScreen, half_blocks
from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.picture import Picture


def test_half_blocks_fill_the_width_of_the_terminal(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    lines = half_blocks(decoder.decode(encoded(".png"), 30, 90), 30, 90).splitlines()
    assert len(lines) == 10  # 20 rows of pixels
    assert all(line.count("▀") == 30 for line in lines)
    assert lines[0].startswith("\x1b[38;2;200;0;0;48;2;200;0;0m▀")


@pytest.mark.parametrize(("columns", "lines"), [(40, 24), (60, 24), (80, 25), (20, 10)])
def test_picture_text_and_prompt_fit_a_narrow_terminal_together(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int, lines: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(lines))
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n"))
    screen = TerminalScreen()
    screen.draws = True
    picture = decoder.decode(encoded(".png", drawing(900, 300)), *screen.box)
    assert screen.ask(picture, "name", "4 of 4", lambda: "13 saved, 2 on their way")[0] == "1"
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).split("\n")
    assert sum(max(1, math.ceil(len(line) / columns)) for line in shown) <= lines
    assert all(len(line) < columns for line in shown if "▀" in line)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("1", "1"), (" Q ", "q"), ("&", "1"), ("à", "0"), ("Г", "u"), ("ы", "s"), ("й", "q"), ("θ", "u"), ("ד", "s")],
)
def test_answers_are_typed_on_any_layout(monkeypatch: pytest.MonkeyPatch, typed: str, answer: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"x\n{typed}\n"))
    assert TerminalScreen().ask(Picture(1, 1, b"abc"), "name", "1 of 4", str)[0] == answer


def test_a_key_makes_a_dark_picture_brighter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stdin", io.StringIO("b\nb\nB\n1\n"))
    screen = TerminalScreen()
    screen.draws = True
    assert screen.ask(Picture(1, 1, bytes((0, 16, 255))), "name", "1 of 4", str)[0] == "1"
    assert re.findall(r"38;2;255;(\d+);0m", capsys.readouterr().out) == ["16", "64", "128", "16"]
