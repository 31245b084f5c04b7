"""What a program says reaches terminals and files of any encoding: what can't be encoded is escaped."""

from __future__ import annotations

import errno
import io
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.labeller import piped, rows
from support.world import PATIENCE, ROOT, World

from lab2.cli import logs

ENCODINGS = ["ascii", "latin-1", "cp437"]
NAME = "Käse 寿司 🌭"


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("program", "args"),
    [
        ("hotdog.py", ["upload", f"{NAME}.jpg"]),
        ("hotdog.py", ["label", "--bucket", NAME]),
        ("hotdog.py", [NAME]),
        ("client.py", [NAME]),
        ("client.py", ["file", NAME]),
        ("client.py", ["--client", NAME, "x"]),
        ("server.py", ["--bucket", NAME]),
        ("server.py", [NAME]),
    ],
)
def test_what_can_not_be_encoded_is_escaped(world: World, encoding: str, program: str, args: list[str]) -> None:
    process = world.start(program, *args, env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}, encoding=encoding)
    output, errors = process.communicate("", timeout=PATIENCE)
    assert "Traceback" not in errors and "UnicodeEncodeError" not in errors
    assert process.returncode in (1, 2) and len(output + errors) > 10


def test_a_round_by_somebody_whose_name_the_terminal_lacks(samples: World) -> None:
    samples.env |= {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    code, output, errors = piped(samples, "label", "--annotator", NAME, typed="1\n0\n1\n0\n")
    assert (code, errors) == (0, "") and "4 labels safe in S3." in output
    assert {row["annotator"] for row in rows(samples)} == {NAME}
    code, output, errors = piped(samples, "report", typed="")
    assert (code, errors) == (0, "") and r"K\xe4se \u5bff\u53f8 \U0001f32d" in output


def test_a_server_whose_reader_has_gone_ends_as_if_by_kill(world: World) -> None:
    beats = "lab2.stats.server.service.HEARTBEAT=0.2"
    server = world.start("tests/support/with_setting.py", "server.py", beats)
    assert server.stdout and server.stderr and "Serving" in server.stdout.readline()
    server.stdout.close()
    assert server.wait(PATIENCE) == 1
    assert server.stderr.read() == ""


def test_a_line_that_can_not_be_written_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    failures: list[object] = []
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(threading, "excepthook", failures.append)
    logger = logging.Logger("lab2")
    logger.addHandler(logs._Lines(logs.as_text))
    thread = threading.Thread(target=logger.info, args=["a line"])
    thread.start()
    thread.join()
    assert failures == []
    logger.info("a line")


LOSES_A_SIGNAL = """
import os, signal, time, weakref
from lab2.cli.run import run

class Thing:
    pass

def main():
    thing = Thing()
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGNAL))
    del thing
    time.sleep(60)

run(main)
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_whose_exception_python_ignores_ends_a_program_all_the_same(name: str, code: int) -> None:
    script = LOSES_A_SIGNAL.replace("SIGNAL", name)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
def test_a_full_disk_under_the_output_is_said_in_a_sentence() -> None:
    script = "from lab2.cli.run import run\nrun(lambda: print('results') or 0)"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env=os.environ | {"PYTHONUNBUFFERED": ""}, stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=PATIENCE,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "The output was not written: No space left on device.\n")
