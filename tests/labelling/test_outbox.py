"""Labels are on disk first, and in S3 exactly once."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from support.proxy import Fault, Proxy
from support.world import PATIENCE, ROOT, World, until

from lab2.aws.resources import LABEL_KEY
from lab2.errors import UserError
from lab2.labelling.label import Clock, Label
from lab2.labelling.outbox import Outbox
from lab2.labelling.outbox_file import left_behind, open_outbox_file


def label(image: str = "a.jpg", annotator: str = "eve", clock: Clock = Clock()) -> Label:  # noqa: B008 - one for all
    return Label(image, "1", annotator, clock.stamp(), "0.8")


def rows(world: World) -> list[dict[str, str]]:
    """Return the rows of the label file as a spreadsheet or pandas reads it."""
    text = world.objects(LABEL_KEY)[LABEL_KEY].decode("utf-8-sig")
    delimiter = ";" if ";" in text.split("\n")[0] else ","
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def outbox(world: World) -> Outbox:
    return Outbox(world.aws, world.home / "journals", said.append)


said: list[str] = []


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    said.clear()


def test_the_label_is_on_disk_before_anything_crosses_the_network(proxied: World, proxy: Proxy) -> None:
    kept = label()
    on_disk: list[str] = []

    def look() -> None:
        on_disk.extend(path.read_text() for path in (proxied.home / "journals").iterdir())

    keeping = outbox(proxied)
    proxy.on("ListObjectsV2", Fault(before=look))
    keeping.keep(kept)
    assert keeping.flush(PATIENCE)
    keeping.close()
    assert json.loads(on_disk[0])["timestamp"] == kept.timestamp


@pytest.mark.parametrize("operation", ["PutObject", "ListObjectsV2"])
def test_a_lost_reply_doubles_no_row(proxied: World, proxy: Proxy, operation: str) -> None:
    proxy.on(operation, Fault(lost=True), times=4)
    keeping = outbox(proxied)
    kept = [label(f"{number}.jpg") for number in range(3)]
    for each in kept:
        keeping.keep(each)
    until(lambda: keeping.waiting == 0)
    keeping.close()
    assert [row["timestamp"] for row in rows(proxied)] == [each.timestamp for each in kept]


def test_what_a_dead_process_left_is_sent_and_said(world: World) -> None:
    kept = [label(f"{number}.jpg") for number in range(3)]
    program = textwrap.dedent("""
        import os, pathlib, signal, sys
        from lab2.labelling.outbox_file import open_outbox_file
        from lab2.labelling.label import Label
        journal = open_outbox_file(pathlib.Path(sys.argv[1]))
        for line in sys.argv[2:]:
            journal.add(Label(*line.split("|")))
        os.write(journal._file, b'{"image": "torn')
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    folder = world.home / "journals"
    lines = ["|".join((each.image, each.label, each.annotator, each.timestamp, each.seconds)) for each in kept]
    died = subprocess.run([sys.executable, "-c", program, folder, *lines], cwd=ROOT)
    assert died.returncode == -signal.SIGKILL
    keeping = outbox(world)
    assert keeping.flush(PATIENCE)
    keeping.close()
    assert said == ["3 labels left on this disk by an earlier run, safe in S3 now."]
    assert [row["image"] for row in rows(world)] == ["0.jpg", "1.jpg", "2.jpg"]
    assert not list(folder.iterdir())


def test_labels_of_a_living_program_are_not_sent_by_another(world: World, tmp_path: Path) -> None:
    living = open_outbox_file(world.home / "journals")
    living.add(label())
    assert left_behind(world.home / "journals") == []
    other = outbox(world)
    assert other.waiting == 0
    other.close()
    assert len(living.waiting) == 1 and living.path.exists()
    living.close()
    assert len(left_behind(world.home / "journals")) == 1


def test_a_full_disk_refuses_the_label_and_spoils_no_earlier_one(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import pathlib, resource, signal, sys
        from lab2.labelling.outbox_file import open_outbox_file
        from lab2.labelling.label import Label
        from lab2.errors import UserError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        journal = open_outbox_file(pathlib.Path(sys.argv[1]))
        for number in range(100):
            try:
                journal.add(Label(f"{number}.jpg", "1", "eve", "now"))
            except UserError as problem:
                print(problem)
                break
        print(len(journal.waiting))
    """)
    done = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=ROOT, capture_output=True, text=True)
    sentence, taken = done.stdout.splitlines()
    assert "This label was not taken" in sentence
    (journal,) = left_behind(tmp_path)
    assert len(journal.waiting) == int(taken) > 3
    assert journal.path.read_bytes().endswith(b"}\n")


def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Labels can't be kept .* XDG_STATE_HOME"):
        open_outbox_file(tmp_path / "file" / "lab2")


def test_eight_keepers_at_once_lose_and_double_nothing(world: World) -> None:
    program = textwrap.dedent("""
        import pathlib, sys
        from lab2.labelling.outbox import Outbox
        from lab2.labelling.label import Clock, Label
        from lab2.aws.session import AwsSession
        keeping, clock = Outbox(AwsSession(), pathlib.Path(sys.argv[1]), print), Clock()
        for number in range(25):
            keeping.keep(Label(f"{number}.jpg", "1", sys.argv[2], clock.stamp()))
            keeping.flush(0.02)
        while keeping.waiting:
            keeping.flush(1.0)
        keeping.close()
    """)
    processes = [
        subprocess.Popen([sys.executable, "-c", program, world.home / "journals", f"labeller {number}"], cwd=ROOT)
        for number in range(8)
    ]
    assert [process.wait(PATIENCE * 2) for process in processes] == [0] * 8
    found = Counter((row["annotator"], row["image"]) for row in rows(world))
    assert found == {(f"labeller {who}", f"{number}.jpg"): 1 for who in range(8) for number in range(25)}
    assert len(world.objects(LABEL_KEY)[LABEL_KEY].splitlines()) == 201
