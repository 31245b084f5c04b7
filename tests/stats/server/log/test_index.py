"""The index of the log: bytes a row, days that give their disk back, a temporary folder that is full or missing."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lab2.stats.server.log import index
from lab2.stats.server.log.index import LogIndex, NoRoom
from lab2.stats.server.log.segments import Segment
from lab2.stats.server.log.window import day_ends


def test_a_row_takes_at_most_32_bytes_and_is_found_in_its_segment() -> None:
    logged, rows = LogIndex(), 60_000
    for number in range(rows // 50):
        logged.add(Segment("2026-11-23", number + 1), [f"an order of somebody's {number} {row}" for row in range(50)])
    assert 8 * rows < logged.bytes <= 32 * rows
    assert logged.find(["an order of somebody's 7 49", "another"], 0.0) == {
        Segment("2026-11-23", 8): ["an order of somebody's 7 49"]
    }


def test_only_days_that_may_have_an_id_are_searched() -> None:
    logged = LogIndex()
    first, second = Segment("2026-11-22", 3), Segment("2026-11-23", 1)
    logged.add(first, ["x"])
    logged.add(second, ["x"])
    assert set(logged.find(["x"], 0.0)) == {first, second}
    assert set(logged.find(["x"], day_ends("2026-11-22") + 1)) == {second}


def test_two_ids_of_one_digest_are_both_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_digest", lambda _: 7)
    logged = LogIndex()
    logged.add(Segment("2026-11-22", 1), ["x"])
    logged.add(Segment("2026-11-22", 2), ["y"])
    assert set(logged.find(["y"], 0.0)) == {Segment("2026-11-22", 1), Segment("2026-11-22", 2)}


def test_a_day_that_nobody_asks_for_is_forgotten_but_never_the_open_one(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = LogIndex()
    for day in ("2026-11-22", "2026-11-23"):
        logged.add(Segment(day, 1), ["x"])
    assert logged.forget_idle("2026-11-23") is None
    monkeypatch.setattr(index, "IDLE_S", 0.0)
    forgotten = logged.forget_idle("2026-11-23")
    assert forgotten and forgotten.day == "2026-11-22"
    assert logged.forget_idle("2026-11-23") is None
    assert set(logged.find(["x"], 0.0)) == {Segment("2026-11-23", 1)}


def test_a_missing_temporary_folder_is_an_outage_that_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(NoRoom, match=r"gone.*TMPDIR"):
        LogIndex()
    (tmp_path / "gone").mkdir()
    LogIndex()


def test_a_full_disk_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says the same if a write to its file fails."""
    connect = sqlite3.connect

    def small(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.execute("PRAGMA max_page_count = 3")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    logged = LogIndex()
    with pytest.raises(NoRoom, match="full"):
        for number in range(20):
            logged.add(Segment("2026-11-22", number), [f"{number} {row}" for row in range(100)])
