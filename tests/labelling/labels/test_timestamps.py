"""Timestamps as programs save them are read alike on every Python."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.world import PATIENCE, ROOT

from lab2.labelling.labels.timestamps import Clock, parse_time

TEN = datetime(2026, 11, 28, 10, 0, 0, 120_000, timezone.utc)
SAME = [
    "2026-11-28T10:00:00.120Z", "2026-11-28T10:00:00.12+00:00", "2026-11-28 10:00:00.12+00",
    "2026-11-28T10:00:00.120000+0000", "2026-11-28 10:00:00.120000000Z", "2026-11-28T10:00:00,12",
    "20261128T100000.12Z",
    "2026-11-28 10:00:00.120 UTC", "2026-11-28T12:00:00.120+02:00", "2026-11-28T04:30:00.12-0530",
    "2026-11-28 10:00:00.12 +0000", " 2026-11-28t10:00:00.120z ", "28/11/2026 10:00:00.12", "28.11.2026 10:00:00.12",
    "11/28/2026 10:00:00.12 AM", "2026/11/28 10:00:00.12", "28-11-2026 10:00:00.12",
]  # fmt: skip
OTHERS = {
    "2026-11-28": datetime(2026, 11, 28, tzinfo=timezone.utc),
    "1.2.2026, 9:05": datetime(2026, 2, 1, 9, 5, tzinfo=timezone.utc),
    "5/5/2026 12:00 AM": datetime(2026, 5, 5, tzinfo=timezone.utc),
    "5/13/2026 12:30 pm": datetime(2026, 5, 13, 12, 30, tzinfo=timezone.utc),
}
NONE = ["", "yesterday", "2026-02-30T10:00:00Z", "2026-11-28T25:00:00Z", "3/4/2026 10:00", "46354.4", "2026-W48-6",
        "2026-W48-6T10:00:00.123Z", "0001-01-01T00:00:00+05:00", "13/13/2026", "1764324000", "28/11/26", "10:00",
        "2026-11-28T13:00 PM", "2026-11/28", "٢٠٢٦-11-28"]  # fmt: skip


@pytest.mark.parametrize("text", SAME)
def test_a_time_is_the_same_in_the_form_of_any_program(text: str) -> None:
    assert parse_time(text) == TEN


def test_a_time_may_be_short_and_what_names_none_or_two_is_no_time() -> None:
    assert {text: parse_time(text) for text in OTHERS} == OTHERS
    assert {text: parse_time(text) for text in NONE} == dict.fromkeys(NONE)


PYTHONS = [path for path in sorted(Path.home().glob(".pyenv/versions/3.1*/bin/python")) if os.access(path, os.X_OK)]


@pytest.mark.parametrize("python", PYTHONS or [Path(sys.executable)], ids=lambda path: path.parts[-3])
def test_every_python_reads_the_same(python: Path) -> None:
    texts = [*SAME, *OTHERS, *NONE]
    code = f"from lab2.labelling.labels.timestamps import parse_time\nprint([*map(str, map(parse_time, {texts!r}))])"
    done = subprocess.run([python, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == f"{[*map(str, map(parse_time, texts))]}\n", done.stderr


def test_stamps_of_one_process_are_never_the_same() -> None:
    clock = Clock()
    stamps = [clock.stamp() for _ in range(5_000)]
    assert stamps == sorted(set(stamps))
    assert len(stamps[0]) == len("2026-11-23T12:00:00.000Z")
