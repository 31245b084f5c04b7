"""A run knows which other runs on its machine are alive, and gives ids that name it."""

from __future__ import annotations

from pathlib import Path

from lab2.stats.client.run import Run, run_of
from lab2.stats.protocol import new_id


def started(folder: Path) -> Run:
    run = Run()
    run.begin(folder)
    return run


def test_a_run_tells_a_live_run_from_a_dead_one_and_from_one_of_another_machine(tmp_path: Path) -> None:
    one, other, far = started(tmp_path / "here"), started(tmp_path / "here"), started(tmp_path / "there")
    assert one.lives(one.id) is True and one.lives(other.id) is True and one.lives(far.id) is None
    other.end(outstanding=True)
    assert one.lives(other.id) is False
    again = started(tmp_path / "here")
    again.end(outstanding=False)
    assert one.lives(again.id) is None
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == sorted([one.id, other.id])


def test_a_run_that_can_not_write_its_lock_is_unknown_and_not_dead(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    one, other = started(tmp_path / "a file"), started(tmp_path / "here")
    assert other.lives(one.id) is None and one.lives(other.id) is None


def test_every_id_of_a_run_is_another_and_names_it() -> None:
    run = Run()
    ids = [run.new_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000 and {run_of(id) for id in ids} == {run.id}
    assert run_of(new_id()) is run_of("") is run_of("8e1d8b1a-0000-4000-8000-019acf7a2f00") is None
