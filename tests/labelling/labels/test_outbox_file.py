"""The outbox on disk: what can't be written, whether it has labels, and other programs at the file."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from support.world import PATIENCE

from lab2.errors import UserError
from lab2.labelling.labels.label_row import Label
from lab2.labelling.labels.outbox_file import OutboxFile, labels_wait
from lab2.labelling.labels.timestamps import Clock


def label(image: str = "a.jpg", annotator: str = "eve", clock: Clock = Clock()) -> Label:  # noqa: B008 - one for all
    return Label(image, "1", annotator, clock.stamp(), "0.8")


def test_what_can_not_be_written_is_said_and_nothing_is_taken(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "outbox.sqlite3").write_bytes(b"no database " * 1_000)
    for folder in (tmp_path / "file" / "lab2", tmp_path / "damaged"):
        with pytest.raises(UserError, match=r"Labels can't be kept .* XDG_STATE_HOME"):
            OutboxFile(folder)


def test_whether_labels_wait_is_known_without_aws(tmp_path: Path) -> None:
    assert not labels_wait(tmp_path)
    file, kept = OutboxFile(tmp_path / "bucket"), label()
    assert not labels_wait(tmp_path)
    file.add(kept)
    assert labels_wait(tmp_path)
    file.remove([kept])
    assert not labels_wait(tmp_path)
    file.close()


def test_the_lock_of_another_program_is_waited_for(tmp_path: Path) -> None:
    file, busy = OutboxFile(tmp_path), sqlite3.connect(tmp_path / "outbox.sqlite3", check_same_thread=False)
    busy.execute("BEGIN IMMEDIATE")
    keeping = threading.Thread(target=file.add, args=[label()])
    keeping.start()
    keeping.join(0.2)
    assert keeping.is_alive()
    busy.rollback()
    keeping.join(PATIENCE)
    assert len(file.labels()) == 1
    file.close()
