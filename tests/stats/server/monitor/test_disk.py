"""A warning before the index of the log fills the disk."""

from __future__ import annotations

from lab2.stats.server.monitor.disk import KEPT_S, DiskWatch

GIGABYTE = 10**9


def test_what_will_not_fit_is_said_once_and_again_after_there_was_room() -> None:
    now = 0.0
    disk = DiskWatch(lambda: now)
    growth = 60 * 4_000 * 18  # bytes a minute
    said = []
    for minute, free in enumerate((1_000 * GIGABYTE, 8 * GIGABYTE, 8 * GIGABYTE, 1_000 * GIGABYTE, 1 * GIGABYTE), 1):
        now = minute * 60.0
        said.append(disk.look(minute * growth, free))
    assert [bool(warning) for warning in said] == [False, True, False, False, True]
    assert "8,000 MB left" in said[1] and "30.9 h" in said[1] and "TMPDIR" in said[1]


def test_an_idle_server_and_one_whose_index_is_as_large_as_it_gets_warn_of_nothing() -> None:
    now = 0.0
    disk = DiskWatch(lambda: now)
    now = 60.0
    assert disk.look(0, 10) == ""
    now = 120.0
    disk.look(100 * GIGABYTE, GIGABYTE)
    now = 180.0
    assert disk.look(100 * GIGABYTE + 60 * 100 * GIGABYTE // int(KEPT_S), GIGABYTE) == ""
